"""What every part of the Compose screen shares: the draft, the picture of it, and the lines that explain it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, cast

from textual import events, on
from textual.app import ComposeResult
from textual.content import Content
from textual.reactive import Reactive
from textual.screen import Screen
from textual.widget import Widget

from core.errors import FlowError
from flowtui.changes import DEFAULT_NAME
from flowtui.dag.graph import GraphModel, Look
from flowtui.dag.widget import GraphCanvas
from flowtui.draft import Draft
from flowtui.looks import Looks
from flowtui.problems import SHELL, Checker, Problem
from flowtui.screens.connecting import Connecting, path_text
from flowtui.scrolled import SideBySide
from flowtui.text import counted, safe, shorten
from flowtui.widgets.bars import Banner, FooterBar, Line, Rule, TopBar
from flowtui.widgets.inspector import Inspector
from flowtui.widgets.outline import Outline, Outlines
from flowtui.widgets.prompt import Label, Prompt, Question
from flowtui.widgets.welcome import Welcome

if TYPE_CHECKING:
    from flowtui.app import FlowtuiApp
    from flowtui.importing import Imported


LARGE: Final = 100_000
"""Characters from which a flow is read in a thread: 1,000 jobs in YAML have 60,000 and take a quarter of a second."""


class DraftCanvas(GraphCanvas):
    """The picture of the draft. It tells its screen at once: a message would come a frame later."""

    def cursor_changed(self) -> None:
        if isinstance(self.screen, Composing):
            self.screen.cursor_moved()

    def marks_changed(self) -> None:
        if isinstance(self.screen, Composing):
            self.screen.marks_changed()


class Composing(Screen[None]):
    """The draft and its picture. `changed()` is called after every change of the draft, `say()` tells about it."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide"), (150, "-huge")]  # noqa: RUF012
    AUTO_FOCUS = "GraphCanvas"
    # Who has the keyboard is seen at that widget; to paint the whole screen anew for it doubles the cost of an edit.
    focused: Reactive[Widget | None] = Reactive(None, repaint=False)

    def __init__(self) -> None:
        super().__init__()
        self.draft = Draft()
        self.problems: list[Problem] = []
        self.connecting: Connecting | None = None
        self.search = ""
        self.matches: list[str] = []
        self.as_outline = False
        self._checker = Checker()
        self._looks = Looks()
        self._outlines = Outlines()
        self._said: tuple[str, str] = ("", "")
        self._said_at: str | None = None
        self._drawn = -1
        self._changing = False
        self._preview: tuple[GraphModel, dict[str, Any]] | None = None

    # ---- parts -------------------------------------------------------------------------------------------------------

    @property
    def flowtui(self) -> FlowtuiApp:
        """The app, by its own type."""
        return cast("FlowtuiApp", self.app)

    @property
    def context(self) -> str:
        """Which actions apply now."""
        return "connect" if self.connecting is not None else "compose"

    @cached_property
    def canvas(self) -> GraphCanvas:
        """The picture."""
        return self.query_one(GraphCanvas)

    @property
    def cursor(self) -> str | None:
        """The job under the cursor: in the outline where that has the keyboard, else in the graph."""
        if self.in_outline and self.outline.cursor in self.draft.jobs:
            return self.outline.cursor
        return self.canvas.cursor if self.canvas.cursor in self.draft.jobs else None

    @cached_property
    def outline(self) -> Outline:
        """The outline, which may be hidden."""
        return self.query_one(Outline)

    @property
    def in_outline(self) -> bool:
        """Whether keys are for the outline, in which no job stands for others."""
        return self.as_outline or isinstance(self.focused, Outline)

    def point(self, key: str | None) -> None:
        """The cursor goes to a job, in the graph and in the outline."""
        self.canvas.cursor = key
        self._point_in_outline(key)

    def _point_in_outline(self, key: str | None) -> None:
        # What the outline would tell of that, the picture knows already. Told, it would come late: by then the
        # picture's cursor may be elsewhere, and would be taken back.
        if self.outline.display:
            with self.outline.prevent(Outline.CursorMoved):
                self.outline.cursor = key

    def compose(self) -> ComposeResult:
        yield TopBar("compose")
        yield Banner()
        with SideBySide(id="work"):
            yield Outline(id="outline")
            yield DraftCanvas(id="graph")
            yield Welcome()
            yield Inspector(id="job")
        yield Rule(id="rule")
        yield Label(id="panel", markup=False)
        yield Line(id="here")
        yield Line(id="status")
        yield FooterBar("compose")
        yield Prompt()

    def on_mount(self) -> None:
        self._looks = Looks(ascii_only=self.flowtui.ascii_only)
        self.canvas.ascii = self.flowtui.ascii_only
        self.changed()

    # ---- what is drawn -----------------------------------------------------------------------------------------------

    def changed(self, *, cursor: str | None = None, fresh: bool = False) -> None:
        """Draw the draft as it is now, the cursor on `cursor` if it is there."""
        draft = self.draft
        self.canvas.let_go()
        self.problems = self._checker.problems(draft, self.known_tasks(), self.live_tasks())
        wrong = {problem.key for problem in self.problems if problem.blocks and problem.key}
        model, looks = self._looks.of(draft, wrong)
        canvas = self.canvas
        drawn, before = canvas.model, canvas.cursor
        self._changing = True
        if not fresh and (drawn.nodes, drawn.links, drawn.groups) == (model.nodes, model.links, model.groups):
            canvas.set_looks({key: look for key, look in looks.items() if canvas.looks.get(key) != look})
        else:
            canvas.show(model, looks, keep_cursor=not fresh)
        if cursor is not None:
            if canvas.near_steps is not None and cursor in draft.jobs and not canvas.shows(cursor):
                canvas.show_near(None)  # what is new lies beyond what was looked at
            canvas.cursor = cursor
        self._changing = False
        self._drawn = draft.version
        self.set_class(not draft.jobs, "-empty")
        if draft.jobs and not self.as_outline and self.focused is None:
            canvas.focus()
        self.show_outline()
        if cursor in draft.jobs:
            self._point_in_outline(cursor)
        self._show_top()
        if canvas.cursor != before:
            self.cursor_moved()
        else:
            self.show_lines()
        self.edited()

    def on_screen_suspend(self) -> None:
        """A window opens, or another mode: what was being dragged is let go."""
        self.canvas.let_go()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """A click beside the line that asks for something closes it."""
        prompt = self.query_one(Prompt)
        if prompt.is_open and not prompt.region.contains(event.screen_x, event.screen_y):
            prompt.leave()

    def edited(self) -> None:
        """The draft may have changed: keep it safe. `Filing` does."""

    def show_outline(
        self,
        draft: Draft | None = None,
        model: GraphModel | None = None,
        looks: Mapping[str, Look] | None = None,
    ) -> None:
        """The draft as an outline, or another one with its model and looks; nothing where the outline is not shown."""
        tree = self.outline
        if not tree.display:
            return
        items = self._outlines.of(self.draft) if draft is None else Outlines().of(draft)
        draft = draft or self.draft
        with tree.prevent(Outline.CursorMoved):
            tree.show(
                items, (model or self.canvas.model).nodes, self.canvas.looks if looks is None else looks
            )
        tree.border_title = f"Outline  {counted(len(draft.jobs), 'job')}"
        tree.decorate(self.canvas.marks, self.canvas.flags)
        self._follow_in_outline()

    def _follow_in_outline(self) -> None:
        """The outline's cursor goes where the picture's is; on one of several that a box stands for, it stays."""
        place = self.canvas.view.place_of
        if self.outline.cursor is None or place(self.outline.cursor) != self.canvas.cursor:
            self._point_in_outline(self.canvas.cursor)

    def _show_top(self) -> None:
        top = self.query_one(TopBar)
        top.detail = self.title_text()
        top.dirty = self.is_dirty()

    def title_text(self) -> str:
        """What the flow is called at the top: its file, else its name."""
        return safe(self.draft.settings.name or DEFAULT_NAME, 60)

    def is_dirty(self) -> bool:
        """Whether there is something to save."""
        return bool(self.draft.jobs)

    def known_tasks(self) -> set[str]:
        """The tasks registered in this process, and commands where it has a worker of its own, which runs them."""
        from core.tasks import registry

        return {*registry, SHELL} if self.flowtui.worker is not None else set(registry)

    def live_tasks(self) -> set[str] | None:
        """The tasks of the live workers of the draft's queue; None while nobody knows."""
        feed = self.flowtui.feed
        if feed is None:
            return None
        queue = self.draft.settings.queue
        return {task for info in feed.board.workers if queue in info.queues for task in info.tasks}

    def recent_tasks(self) -> list[str]:
        """The tasks used in drafts before, the newest first. `Filing` remembers them."""
        return []

    # ---- the lines below ---------------------------------------------------------------------------------------------

    def say(self, text: str, kind: str = "") -> None:
        """Tell what happened; `kind` is "" or "refused". Shown until the next thing happens."""
        self._said = (self.told(text), kind)
        self._said_at = self.cursor
        if self.connecting is None and self.is_mounted and self.query_one("#status").display:
            self._show_status()  # all else stays
        else:
            self.show_lines()

    def told(self, text: str) -> str:
        """A sentence with the keys as the user has them."""
        return self.flowtui.told(text, "compose", "connect")

    def refuse(self, text: str) -> None:
        """Tell why something was not done, and what to press instead."""
        self.say(text, "refused")

    def fail(self, title: str, text: str) -> None:
        """Tell about an error: on the line where all of it fits, else in a window."""
        lines = text.splitlines() or [""]
        short = f"{title}: {lines[0]}"
        fits = len(lines) == 1 and len(short) <= max(self.size.width - 10, 20)
        self.refuse(safe(short if fits else title, 200))
        if not fits:
            from flowtui.screens.tell import TellScreen

            self.app.push_screen(TellScreen(title, safe(text, 4000, lines=True)))

    def quiet(self) -> None:
        """What was said is old news."""
        if self._said[0]:
            self._said = ("", "")
            self.show_lines()

    def show_lines(self) -> None:
        """The lines between picture and footer, and the panel of the job under the cursor."""
        if not self.is_mounted:
            return
        self.query_one(FooterBar).context = self.context
        connecting = self.connecting is not None
        # Not by a class of the screen: that would find the styles of all that is on it anew.
        for line, shown in (("#panel", connecting), ("#here", not connecting), ("#status", not connecting)):
            self.query_one(line).display = shown
        if self.connecting is not None:
            self._show_connecting(self.connecting)
            return
        self.query_one("#rule", Rule).title = ""
        self.query_one("#here", Line).show(self._here())
        self._show_status()
        inspector = self.query_one(Inspector)
        if inspector.display:
            inspector.show(self.draft, self.cursor, self.canvas.marks)

    def _show_status(self) -> None:
        left, right = self._status()
        self.query_one("#status", Line).show(left, right)

    def _here(self) -> Content:
        """` join  app.join  waits for clean, geo, score · then report · level 2 of 3`."""
        draft, key = self.draft, self.cursor
        if key is None:
            return Content("")
        job = draft.jobs[key]
        room = self.size.width - 4
        what = f"$ {job.args[0]}" if job.task == SHELL and job.args else job.task
        name, task = safe(job.name, 40), safe(what, 40)
        level, last = draft.levels.get(key, 0), max(draft.levels.values(), default=0)
        place = f"level {level} of {last}"
        up, down = [self._names(keys) for keys in (draft.upstream(key), draft.downstream(key))]
        for count in (6, 3, 2, 1, 0):
            before = f"waits for {_some(up, count)}" if up else "starts at once"
            after = f" · then {_some(down, count)}" if down else ""
            if len(name) + len(task) + len(before) + len(after) + len(place) + 7 <= room:
                break
        return Content.assemble(
            " ",
            (name, "bold $foreground"),
            "  ",
            (task, "$accent"),
            (f"  {before}{after} · {place}", "$foreground-muted"),
        )

    def _names(self, keys: Iterable[str]) -> list[str]:
        return [safe(self.draft.name(key), 24) for key in keys]

    def _status(self) -> tuple[Content, Content]:
        draft = self.draft
        said, kind = self._said
        wide = self.size.width
        if said:
            note = Content.styled(f"✗ {said} " if kind == "refused" else f"{said} ",
                                  "$error" if kind == "refused" else "$success")  # fmt: skip
        else:
            note = self._hints()
        blocking = [problem for problem in self.problems if problem.blocks]
        if draft.closing:
            path = draft.cycle() or []
            head = Content.assemble((" ! cycle ", "bold $error"))
            tail = Content.styled(self.told("  X cuts it  ! lists ") if not said else "", "$foreground-muted")
            text = path_text(draft, path, max(wide - 34, 24))
            left = Content.assemble(head, (text, "$error"))
            note = note if said else tail
        elif blocking:
            more = f" (and {len(blocking) - 1} more)" if len(blocking) > 1 else ""
            left = Content.assemble((" ! ", "bold $error"), (f"{blocking[0].text}{more}", "$error"))
            note = note if said else Content.styled("! lists ", "$foreground-muted")
            left = left.truncate(max(wide - note.cell_length - 2, 10), ellipsis=True)
        elif draft.jobs:
            left = self._figures()
        else:
            left = Content(" ")
        if said and left.cell_length + note.cell_length + 2 > wide:
            left = Content.assemble(" ", note).truncate(wide, ellipsis=True)
            note = Content("")
        return left, note

    def _figures(self) -> Content:
        draft, marks = self.draft, self.canvas.marks
        jobs, links = len(draft.jobs), draft.link_count
        hints = sum(not problem.blocks for problem in self.problems)
        figures = [counted(jobs, "job"), counted(links, "link")]
        if marks:
            figures.append(f"{len(marks)} marked ◆")
        elif hints:
            figures.append(counted(hints, "hint"))
        if self.search:
            figures.append(f"{len(self.matches)} found")
        return Content.assemble(
            (" ✓ ", "$success"), ("acyclic", "$success"), (" · " + " · ".join(figures), "$foreground-muted")
        )

    def _hints(self) -> Content:
        if self.canvas.marks:
            text = "c link to here  e edit all  esc unmark "
        elif self.search:
            text = "n next  N previous  esc clear "
        else:
            text = "z zoom  v outline  f jump  : commands "
        return Content.styled(self.told(f"  {text}")[2:], "$foreground-muted")

    def _show_connecting(self, connecting: Connecting) -> None:
        draft, cursor = self.draft, self.cursor
        panel = self.query_one("#panel", Label)
        if cursor is None:
            return
        width = self.size.width
        here = self.here()
        names = [self.naming(keys, 28) for keys in connecting.ends(here)]
        moving = "to" if connecting.outgoing else "from"
        fixed = names[0] if connecting.outgoing else names[1]
        self.query_one("#rule", Rule).title = f"CONNECT  {'from' if connecting.outgoing else 'to'} {fixed} ◆"
        problem = connecting.problem(here)
        lines: list[Content] = []
        legend = f"{moving} the job under the cursor   ! would close a cycle   = is linked already"
        if problem is None:
            head = Content.assemble((" ✓ ", "$success"), (f"{names[0]} → {names[1]}", "bold $foreground"))
            lines = [Content.assemble(head, ("  enter links them", "$foreground-muted"))]
        elif problem[0] == "self":
            text = self.told(f" {moving} which job? Move the cursor, / finds by name, f jumps")
            lines = [Content.styled(text, "$foreground")]
        elif problem[0] == "linked":
            text = f" = {names[0]} → {names[1]} is there already"
            lines = [
                Content.styled(text, "$warning"),
                Content.styled(self.told("   esc, then x cuts it"), "$foreground-muted"),
            ]
        else:
            path = problem[1]
            lines = [
                Content.assemble(
                    (" ! ", "bold $error"),
                    (f"{names[0]} → {names[1]} would close a cycle", "$error"),
                    (f" ({len(path)} jobs)", "$error"),
                ),
                Content.styled("   " + path_text(draft, path, width - 6), "$foreground"),
                Content.styled(
                    "   enter again keeps it as a draft; submit stays blocked"
                    if connecting.armed == here
                    else "   enter twice keeps it as a draft (submit stays blocked) · esc cancels",
                    "bold $warning" if connecting.armed == here else "$foreground-muted",
                ),
            ]
        lines = [line.truncate(width, ellipsis=True) for line in lines]
        while len(lines) < 3:
            lines.append(Content(" "))
        lines.append(Content.styled(f"   {legend}", "$foreground-muted").truncate(width, ellipsis=True))
        panel.update(Content("\n").join(lines))

    # ---- reading -----------------------------------------------------------------------------------------------------

    def reading(
        self,
        read: Callable[[], Imported],
        take: Callable[[Imported], None],
        name: str,
        failed: str,
        *,
        long: str = "",
        large: bool,
    ) -> None:
        """Read a flow and take it, in a window that can be left if it is a large one; or tell that it `failed`.

        `name` is what is read; where an error says `long`, it stands for that.
        """

        def tell(error: FlowError) -> None:
            self.fail(failed, str(error).replace(long, name) if long else str(error))

        if not large:
            try:
                found = read()
            except FlowError as error:
                tell(error)
            else:
                take(found)
            return

        def done(found: Imported | Exception | None) -> None:
            if found is None:
                self.say(f"{name} was not read")
            elif isinstance(found, FlowError):
                tell(found)
            elif isinstance(found, Exception):
                raise found
            else:
                take(found)

        from flowtui.screens.reading import ReadingScreen

        self.app.push_screen(ReadingScreen(read, name), done)

    # ---- cursor and marks --------------------------------------------------------------------------------------------

    def cursor_moved(self) -> None:
        """The picture's cursor is elsewhere: the outline's follows, and the lines and the panel are about that job."""
        if self._changing:
            return
        cursor = self.cursor
        if self.outline.display:
            self._follow_in_outline()
        if self.connecting is not None and cursor is not None:
            self.connecting.armed = None
            problem = self.connecting.problem(self.here())
            wanted = problem is None or problem[0] == "cycle"
            ups, downs = self.connecting.ends([cursor])
            self.canvas.ghost = (ups[0], downs[0], problem is None) if wanted else None
        # The move may be part of what was told; only a move away from there makes it old news.
        if cursor != self._said_at:
            self._said = ("", "")
        self.show_lines()

    @on(Outline.CursorMoved)
    def _outline_moved(self, event: Outline.CursorMoved) -> None:
        if event.key is None:
            return
        before = self.canvas.cursor
        self.canvas.cursor = event.key
        if self.canvas.cursor == before:  # another one of those that its box stands for
            self.cursor_moved()

    def marks_changed(self) -> None:
        """Marks came or went in the picture."""
        if self._changing:
            return
        self.outline.decorate(self.canvas.marks, self.canvas.flags)
        if not self.canvas.marks and self._said[1] == "refused":
            self._said = ("", "")  # it was about them
        self.show_lines()

    def chosen(self) -> list[str]:
        """The marked jobs, else the one under the cursor; where that stands for several (folded), all of them."""
        return [key for key in self.canvas.marks if key in self.draft.jobs] or self.here()

    def here(self, key: str | None = None) -> list[str]:
        """The job under the cursor (or `key`); where its box stands for several (folded), all of them.

        In the outline every job has a line of its own.
        """
        if key is None and (self.in_outline or self.cursor is None):
            return [self.cursor] if self.cursor is not None else []
        return [member for member in self.canvas.members(key) if member in self.draft.jobs]

    def naming(self, keys: Sequence[str], cells: int) -> str:
        """A job by its name, several as `thumb-1 ×10`."""
        name = shorten(safe(self.draft.name(keys[0]), 60), cells)
        return f"{name} ×{len(keys)}" if len(keys) > 1 else name

    def one(self, verb: str) -> str | None:
        """The job under the cursor; where there is none, says what to press."""
        if self.cursor is None:
            self.refuse(f"there is no job to {verb} yet; a adds one")
        return self.cursor

    # ---- prompts -----------------------------------------------------------------------------------------------------

    def ask(self, question: Question) -> None:
        """Ask for one line of text."""
        self.query_one(Prompt).ask(question)

    @on(Prompt.Closed)
    def _prompt_closed(self) -> None:
        self.give_focus()

    def give_focus(self) -> None:
        """The keyboard goes to the picture, or to the outline where that is shown instead."""
        (self.outline if self.as_outline else self.canvas).focus()

    def on_resize(self) -> None:
        self.call_after_refresh(self._sized)

    def _sized(self) -> None:
        if self.is_mounted:
            self.show_outline()
            self.show_lines()


def _some(names: Sequence[str], count: int) -> str:
    """`clean, geo, score`, or `clean, geo +3`, or `5 jobs`."""
    if len(names) <= max(count, 1) and count:
        return ", ".join(names)
    if not count:
        return counted(len(names), "job")
    return f"{', '.join(names[:count])} +{len(names) - count}"
