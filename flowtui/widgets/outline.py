"""A flow as a text tree: the view for large flows, narrow terminals and screen readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from flowtui.dag.graph import PLAIN, Look
from flowtui.scrolled import size_up

DEEPEST = 10
"""A job nested deeper than this starts again at the left, under its level number."""


@dataclass(frozen=True, slots=True)
class Item:
    """A line: a job, or (`again`) a pointer to a job that has its line elsewhere."""

    key: str
    level: int
    depth: int
    branch: str
    again: bool = False


def outline(
    keys: Sequence[str],
    upstream: Mapping[str, Sequence[str]],
    downstream: Mapping[str, Sequence[str]],
    levels: Mapping[str, int],
) -> list[Item]:
    """The lines of a flow: each job once, below its upstream when it has just one, else at the left.

    A job that waits for several has a pointer (`▸`) below each of them.
    """
    nested = {key for key in keys if len(upstream[key]) == 1 and levels.get(key, 0) > 0}
    items: list[Item] = []
    tops = sorted((key for key in keys if key not in nested), key=lambda key: levels.get(key, 0))
    placed: set[str] = set()
    waiting = list(reversed(tops))
    while waiting:
        top = waiting.pop()
        if top in placed:
            continue
        placed.add(top)
        items.append(Item(top, levels.get(top, 0), 0, ""))
        stack = _children(top, "", 1, downstream)
        while stack:
            key, prefix, last, depth = stack.pop()
            branch = prefix + ("└─" if last else "├─")
            if key not in nested or key in placed:
                items.append(Item(key, levels.get(key, 0), depth, branch, again=True))
                continue
            if depth >= DEEPEST:
                items.append(Item(key, levels.get(key, 0), depth, branch, again=True))
                waiting.append(key)
                continue
            placed.add(key)
            items.append(Item(key, levels.get(key, 0), depth, branch))
            stack.extend(_children(key, prefix + ("  " if last else "│ "), depth + 1, downstream))
    return items


def _children(
    key: str, prefix: str, depth: int, downstream: Mapping[str, Sequence[str]]
) -> list[tuple[str, str, bool, int]]:
    children = downstream[key]
    return [(child, prefix, i == len(children) - 1, depth) for i, child in enumerate(children)][::-1]


class Outline(ScrollView, can_focus=True):
    """The tree with a cursor that is always on a job's own line."""

    ALLOW_SELECT = False
    DEFAULT_CSS: ClassVar[str] = """
    Outline { background: $background; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "step(1)", show=False),
        Binding("k,up", "step(-1)", show=False),
        Binding("h,left", "up", show=False),
        Binding("l,right", "down", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("home", "step(-1000000)", show=False),
        Binding("end", "step(1000000)", show=False),
        Binding("enter", "open", show=False),
    ]
    cursor: reactive[str | None] = reactive(None)

    class CursorMoved(Message):
        """Another job is under the cursor."""

        def __init__(self, outline: Outline, key: str | None) -> None:
            super().__init__()
            self.outline = outline
            self.key = key

    class Opened(Message):
        """Enter, or a double click, on a job."""

        def __init__(self, outline: Outline, key: str) -> None:
            super().__init__()
            self.outline = outline
            self.key = key

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.items: list[Item] = []
        self._line: dict[str, int] = {}
        self.labels: Mapping[str, str] = {}
        self.kinds: Mapping[str, str] = {}
        self.looks: Mapping[str, Look] = {}
        self.marks: frozenset[str] = frozenset()
        self.flags: Mapping[str, str] = {}

    def show(
        self,
        items: Sequence[Item],
        labels: Mapping[str, str],
        kinds: Mapping[str, str],
        looks: Mapping[str, Look],
    ) -> None:
        """Show a flow; labels and kinds have passed `safe()`."""
        self.items = list(items)
        self._line = {item.key: i for i, item in enumerate(self.items) if not item.again}
        self.labels, self.kinds, self.looks = labels, kinds, looks
        size_up(self, Size(self.size.width, len(self.items)))
        if self.cursor not in self._line:
            self.cursor = next(iter(self._line), None)
        self.refresh()
        self._reveal()

    def decorate(self, marks: Sequence[str], flags: Mapping[str, str]) -> None:
        """Show marks, and glyphs in place of the states'."""
        if (frozenset(marks), flags) != (self.marks, self.flags):
            self.marks, self.flags = frozenset(marks), dict(flags)
            self.refresh()

    def validate_cursor(self, cursor: str | None) -> str | None:
        return cursor if cursor in self._line else self.cursor if self.cursor in self._line else None

    def watch_cursor(self, old: str | None, new: str | None) -> None:
        if old != new:
            self.refresh()
            self._reveal()
            self.post_message(self.CursorMoved(self, new))

    def _reveal(self) -> None:
        if self.cursor is not None and self.size.height:
            self.scroll_to_region(
                Region(0, self._line[self.cursor], 1, 1), animate=False, force=True, immediate=True
            )

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self.items))
        self._reveal()

    def action_step(self, by: int) -> None:
        lines = sorted(self._line.values())
        if not lines:
            return
        here = lines.index(self._line[self.cursor]) if self.cursor is not None else 0
        self.cursor = self.items[lines[min(max(here + by, 0), len(lines) - 1)]].key

    def action_page(self, by: int) -> None:
        self.action_step(by * max(self.size.height - 2, 1))

    def action_up(self) -> None:
        """To the job that this one hangs below."""
        if self.cursor is None:
            return
        at = self._line[self.cursor]
        depth = self.items[at].depth
        for item in reversed(self.items[:at]):
            if item.depth < depth and not item.again:
                self.cursor = item.key
                return
        self.action_step(-1)

    def action_down(self) -> None:
        """To the first job below this one; along a pointer to where it leads."""
        if self.cursor is None:
            return
        at = self._line[self.cursor] + 1
        if at < len(self.items) and self.items[at].depth > self.items[at - 1].depth:
            self.cursor = self.items[at].key

    def action_open(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Opened(self, self.cursor))

    def on_click(self, event: events.Click) -> None:
        index = event.y + self.scroll_offset.y
        if 0 <= index < len(self.items):
            self.cursor = self.items[index].key
            if event.chain == 2:
                self.action_open()

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        width = self.size.width
        base = self.visual_style
        if index >= len(self.items):
            return Strip([Segment(" " * width, base.rich_style)], width)
        content = self._content(self.items[index], width)
        segments = [
            Segment(text, style.rich_style)
            for text, style in content.render(base, end="", parse_style=self.app.stylesheet.parse_style)
        ]
        return Strip(segments).adjust_cell_length(width, base.rich_style)

    def _content(self, item: Item, width: int) -> Content:
        here = item.key == self.cursor and not item.again
        level = f"{item.level:>3} " if item.depth == 0 else "    "
        label = self.labels.get(item.key, "")
        parts: list[tuple[str, str] | str] = [
            ("▌" if here else " ", "$primary"),
            (level, "$foreground-muted"),
            (item.branch, "$foreground 40%"),
        ]
        if item.again:
            parts.append((f"▸ {label}", "$foreground-muted italic"))
            return Content.assemble(*parts).truncate(width, ellipsis=True)
        look = self.looks.get(item.key, PLAIN)
        flag = self.flags.get(item.key)
        parts.append(
            (f"{flag or look.glyph} ", "bold $error" if flag or look.style == "problem" else "$primary")
        )
        mark = " ◆" if item.key in self.marks else ""
        room = max(width - Content.assemble(*parts).cell_length - len(mark), 1)
        shown = Content(label).truncate(room, ellipsis=True)
        left = Content.assemble(*parts, shown.stylize("bold") if here else shown, (mark, "bold $accent"))
        kind = Content.styled(self.kinds.get(item.key, ""), "$foreground-muted")
        if look.top:
            kind = Content.assemble((f"{look.top} ", "$secondary"), " ", kind)
        column = max(min(width // 2, 44), left.cell_length + 2)
        if column + kind.cell_length > width:
            kind = kind.truncate(max(width - column - 1, 0), ellipsis=True)
        content = Content.assemble(left, " " * max(column - left.cell_length, 1), kind).truncate(
            width, pad=True
        )
        return content.stylize_before("on $primary 22%") if here else content
