"""The top bar, the lines above the footer and the footer: the same on every screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final, cast

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.reactive import reactive
from textual.style import Style
from textual.widget import Widget

from flowtui.actions import BY_ID, Action, footer, key_text
from flowtui.scrolled import Steady
from flowtui.text import safe, shorten

if TYPE_CHECKING:
    from flowtui.app import FlowtuiApp

MODES: Final = (("compose", "1", "Compose"), ("live", "2", "Live"), ("queues", "3", "Queues"))


def click(action: str) -> Style:
    """A style that runs a textual action when it is clicked; `action` is a literal of this program, never data."""
    return Style.from_meta({"run": action})


class Clickable(Widget):
    """Runs the action under the mouse. Not textual's own links, which would take the colour out of the keys."""

    ALLOW_SELECT = False

    async def on_click(self, event: events.Click) -> None:
        action = event.style.meta.get("run")
        if action:
            event.stop()
            await self.app.run_action(action, self.screen)


class TopBar(Clickable):
    """` flowtui  [1 Compose]   2 Live    3 Queues          etl-nightly.yaml ● memory`."""

    DEFAULT_CSS: ClassVar[str] = """
    TopBar { height: 1; background: $panel; color: $foreground-muted; }
    """
    detail: reactive[str] = reactive("")
    """What is on the screen: a file, a run, a queue. Already safe."""
    dirty: reactive[bool] = reactive(False)
    engine: reactive[str] = reactive("")
    """Where the jobs live, and whether that can be reached. Already safe."""
    lost: reactive[bool] = reactive(False)

    def __init__(self, mode: str) -> None:
        super().__init__(id="top")
        self.mode = mode

    def on_mount(self) -> None:
        app = cast("FlowtuiApp", self.app)
        self.watch(app, "engine_label", self._engine_changed)
        self.watch(app, "connection_lost", self._lost_changed)

    def _engine_changed(self, label: str) -> None:
        self.engine = label

    def _lost_changed(self, lost: str) -> None:
        self.lost = bool(lost)

    def render(self) -> Content:
        width = self.size.width
        # "nothing" spelled short where the names of the modes would leave no room.
        parts: list[tuple[str, str | Style] | Content] = [(" flowtui ", "bold $primary")]
        for mode, key, name in MODES:
            if mode == self.mode:
                tab = Content.styled(f"[{key} {name}]", "bold $foreground")
            else:
                tab = Content.styled(f" {key} {name} ", "$foreground-muted")
            parts.extend((Content(" "), tab.stylize(click(f"app.mode('{mode}')"))))
        left = Content.assemble(*parts)
        if left.cell_length > width:
            return left.truncate(width, ellipsis=True)
        room = width - left.cell_length - 2
        right = self._right(room)
        gap = max(width - left.cell_length - right.cell_length - 1, 1)
        return Content.assemble(left, " " * gap, right, " ")

    def _right(self, room: int) -> Content:
        mark = "✗" if self.lost else "●" if self.dirty else ""
        detail = self.detail
        # Where there is no room for all, what is on the screen is worth more than how its engine is reached.
        short = self.engine.partition(" ")[0]
        for engine in (self.engine, short, short.rpartition("://")[2]):
            wanted = cell_len(detail) + (2 if mark else 0) + (2 + cell_len(engine) if engine else 0)
            if wanted <= room:
                break
        else:
            detail = shorten(detail, max(room - (wanted - cell_len(detail)), 8))
        return Content.assemble(
            (detail, "$foreground"),
            (f" {mark}" if mark else "", "$error" if self.lost else "$warning"),
            "  " if (detail or mark) and engine else "",
            (engine, "$error" if self.lost else "$foreground-muted"),
        )


class Line(Widget):
    """One row: something at the left, hints at the right, which give way when there is no room for both."""

    DEFAULT_CSS: ClassVar[str] = """
    Line { height: 1; color: $foreground; }
    Line.rule { color: $foreground 25%; }
    """
    left: reactive[Content] = reactive(Content(""))
    right: reactive[Content] = reactive(Content(""))

    def show(self, left: Content | str, right: Content | str = "") -> None:
        """Show plain text or `Content`; markup is never parsed."""
        self.left = Content(left) if isinstance(left, str) else left
        self.right = Content(right) if isinstance(right, str) else right

    def render(self) -> Content:
        width = self.size.width
        left = self.left
        right = self.right
        if left.cell_length + right.cell_length + 2 > width:
            right = Content("")
        if left.cell_length > width:
            return left.truncate(width, ellipsis=True)
        gap = max(width - left.cell_length - right.cell_length, 0)
        return Content.assemble(left, " " * gap, right)


class Rule(Widget):
    """A thin line across the screen, with a title in it if it has one."""

    DEFAULT_CSS: ClassVar[str] = """
    Rule { height: 1; color: $foreground 25%; }
    """
    title: reactive[str] = reactive("")

    def render(self) -> Content:
        width = self.size.width
        if not self.title:
            return Content("─" * width)
        title = shorten(self.title, max(width - 6, 1))
        return Content.assemble("── ", (title, "$foreground-muted"), " ", "─" * (width - cell_len(title) - 4))


class FooterBar(Steady, Clickable):
    """The keys that matter here: as many as fit, each whole; help is always there."""

    DEFAULT_CSS: ClassVar[str] = """
    FooterBar { height: 1; background: $panel; color: $foreground-muted; }
    """
    context: reactive[str] = reactive("")
    only: reactive[tuple[tuple[str, str], ...]] = reactive(())
    """Keys and names to show in place of the context's actions, for what has no actions (a prompt, a form)."""

    def __init__(self, context: str = "", *, only: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(id="footer")
        self.set_reactive(FooterBar.context, context)
        self.set_reactive(FooterBar.only, tuple(only))

    def render(self) -> Content:
        if self.only:
            return fitting([(key, name, _press(key)) for key, name in self.only], self.size.width)
        app = cast("FlowtuiApp", self.app)
        offered = footer(self.context, read_only=app.read_only)
        if self.size.width <= 80:
            # Nine keys can be taken in at a glance; more make a wall.
            offered = [*[action for action in offered if action.id != "app.help"][:8], BY_ID["app.help"]]
        return fitting(
            [(self._key(action), action.name, f"app.do('{action.id}')") for action in offered],
            self.size.width,
        )

    def _key(self, action: Action) -> str:
        app = cast("FlowtuiApp", self.app)
        keys = app.keys_of(action)
        if action.id.endswith(".move") and keys == ("h", "j", "k", "l"):
            return "hjkl"
        return key_text(keys[0]) if keys else ""


def _press(key: str) -> str | None:
    """The action of a click on a key's name: as if it were pressed. None for names of several keys."""
    if key in ("enter", "tab", "space") or key.startswith("ctrl+") or (len(key) == 1 and key.isalnum()):
        return f"app.press('{key}')"
    return "app.press('escape')" if key == "esc" else None


def fitting(entries: Sequence[tuple[str, str, str | None]], width: int) -> Content:
    """` a add  c connect  ? help`: the last entry always, of the others as many as fit whole."""
    if not entries:
        return Content("")

    def size(entry: tuple[str, str, str | None]) -> int:
        return cell_len(entry[0]) + 1 + cell_len(entry[1]) + 2

    *first, last = entries
    room = width + 1 - size(last)
    shown = []
    for entry in first:
        if size(entry) > room:
            break
        room -= size(entry)
        shown.append(entry)
    parts = []
    for key, name, action in (*shown, last):
        part = Content.assemble((key, "bold $primary"), " ", (name, "$foreground-muted"))
        parts.append(part.stylize(click(action)) if action else part)
    return Content.assemble(" ", Content("  ").join(parts))


class Banner(Widget):
    """The engine cannot be reached: says so, and since when the data is old. Hidden otherwise."""

    DEFAULT_CSS: ClassVar[str] = """
    Banner { height: 1; background: $error 40%; color: $foreground; display: none; }
    Banner.-shown { display: block; }
    """

    def on_mount(self) -> None:
        self.watch(cast("FlowtuiApp", self.app), "connection_lost", self._changed)

    def _changed(self, lost: str) -> None:
        self.set_class(bool(lost), "-shown")
        self.refresh()

    def render(self) -> Content:
        return banner(cast("FlowtuiApp", self.app).connection_lost, self.size.width)


def banner(lost: str, width: int) -> Content:
    """The line: where it is too long, the reason gives way, not when it is tried again and how old the data is."""
    reason, mark, rest = safe(lost, 300).partition(" · ")
    room = max(width - 3 - len(mark + rest), 12)
    text = Content.assemble((" ✗ ", "bold $error"), Content(reason).truncate(room, ellipsis=True), mark, rest)
    return text.truncate(width, ellipsis=True)
