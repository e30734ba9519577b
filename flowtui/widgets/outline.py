"""A flow as a text tree: the view for large flows, narrow terminals and screen readers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style as RichStyle
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.style import Style

from flowtui.dag.graph import PLAIN, Look, Node
from flowtui.scrolled import QuickLines, SteadyView, painted, size_up

if TYPE_CHECKING:
    from flowtui.draft import Draft

DEEPEST = 10
"""A job nested deeper than this starts again at the left, under its level number."""

LINES_KEPT = 2000


class Item(NamedTuple):
    """A line: a job, or (`again`) a pointer to a job that has its line elsewhere."""

    key: str
    level: int
    depth: int
    branch: str
    again: bool = False


class Outlines:
    """The lines of a draft; of one seen before, only the trees that an edit touched are made anew.

    Each job has one line: below its upstream when it has just one, else at the left. A job that waits for several has a
    pointer (`▸`) below each of them.
    """

    def __init__(self) -> None:
        self._of: Draft | None = None
        self._at = 0
        self._levels: dict[str, int] = {}
        self._nested: set[str] = set()
        self._trees: dict[str, list[Item]] = {}  # by the job at their left
        self._tops: dict[str, set[str]] = {}  # by job, the trees that have a line for it

    def of(self, draft: Draft) -> list[Item]:
        """The lines of `draft` as it is now."""
        touched = draft.touched_since(self._at) if draft is self._of and not draft.closing else None
        self._of, self._at = (None if draft.closing else draft), draft.version
        before, levels = self._levels, draft.levels
        if touched is None:
            self._nested, self._trees, self._tops = set(), {}, {}
            touched = set(draft.jobs)
        else:
            touched.update(key for key, level in levels.items() if before.get(key) != level)
        self._levels = dict(levels)
        upstream, nested, trees = draft.waits_for, self._nested, self._trees
        for key in touched:
            for top in self._tops.pop(key, ()):
                trees.pop(top, None)
            inside = key in upstream and len(upstream[key]) == 1 and levels.get(key, 0) > 0
            (nested.add if inside else nested.discard)(key)
        items: list[Item] = []
        for top in sorted(
            [key for key in draft.jobs if key not in nested], key=lambda key: levels.get(key, 0)
        ):
            tree = trees.get(top)
            if tree is None:
                tree = trees[top] = _tree(top, nested, draft.adjacency, levels)
                for item in tree:
                    self._tops.setdefault(item.key, set()).add(top)
            items += tree
        return items


def _tree(
    top: str, nested: Collection[str], downstream: Mapping[str, Sequence[str]], levels: Mapping[str, int]
) -> list[Item]:
    """The lines of a job at the left and of all that is nested below it."""
    level_of = levels.get
    items: list[Item] = []
    placed: set[str] = set()
    below = [top]  # too deep to be nested any further: at the left, right after what they hang from
    # Made without its constructor: a large flow has thousands of lines.
    line = tuple.__new__

    def add(children: Sequence[str], prefix: str, depth: int) -> None:
        left = len(children)
        for key in children:
            left -= 1
            branch = prefix + ("├─" if left else "└─")
            if key not in nested or key in placed:
                items.append(line(Item, (key, level_of(key, 0), depth, branch, True)))
            elif depth >= DEEPEST:
                items.append(line(Item, (key, level_of(key, 0), depth, branch, True)))
                below.append(key)
            else:
                placed.add(key)
                items.append(line(Item, (key, level_of(key, 0), depth, branch, False)))
                if following := downstream[key]:
                    add(following, prefix + ("│ " if left else "  "), depth + 1)

    while below:
        key = below.pop()
        if key not in placed:
            placed.add(key)
            items.append(line(Item, (key, level_of(key, 0), 0, "", False)))
            add(downstream[key], "", 1)
    return items


class Outline(QuickLines, SteadyView, can_focus=True):
    """The tree with a cursor that is always on a job's own line."""

    ALLOW_SELECT = False
    DEFAULT_CSS: ClassVar[str] = """
    Outline { background: $background; scrollbar-size-vertical: 1; overflow-x: hidden; }
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
        self.nodes: Mapping[str, Node] = {}
        self.looks: Mapping[str, Look] = {}
        self.marks: frozenset[str] = frozenset()
        self.flags: Mapping[str, str] = {}
        # Lines as they were painted, by all that is seen of them: after an edit most are the same.
        self._strips: dict[tuple[object, ...], Strip] = {}
        self._styles: dict[bool, dict[str, RichStyle]] = {}
        self._frame: tuple[int, int, Style, str | None] = (0, 0, Style.null(), None)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()
        self._styles.clear()

    def show(
        self,
        items: list[Item],
        nodes: Mapping[str, Node],
        looks: Mapping[str, Look],
    ) -> None:
        """Show a flow; the texts of its nodes have passed `safe()`."""
        self.items = items
        self._line = {item.key: i for i, item in enumerate(self.items) if not item.again}
        self.nodes, self.looks = nodes, looks
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

    def render_lines(self, crop: Region) -> list[Strip]:
        # What holds for all lines of a frame is found once: properties of a widget are slow to read.
        self._frame = (
            self.scroll_offset.y,
            self.size.width - self.scrollbar_size_vertical,
            self.visual_style,
            self.cursor,
        )
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        top, width, base, cursor = self._frame
        index = y + top
        if index >= len(self.items):
            return Strip([Segment(" " * width, base.rich_style)], width)
        item = self.items[index]
        key, here = item.key, item.key == cursor
        look = self.looks.get(key, PLAIN)
        above = here and not item.again, key in self.marks, self.flags.get(key)
        seen = (item, width, self.nodes.get(key), look.glyph, look.style, look.top, above)
        strip = self._strips.get(seen)
        if strip is None:
            if len(self._strips) > LINES_KEPT:
                self._strips.clear()
            strip = self._strips[seen] = self._line_of(item, width)
        return strip

    def _line_of(self, item: Item, width: int) -> Strip:
        """A line by its segments: an edit may scroll all lines anew, and by `Content` each takes five times as long."""
        here = item.key == self.cursor and not item.again
        style = self._styles_of(here)
        level = f"{item.level:>3} " if item.depth == 0 else "    "
        node = self.nodes.get(item.key)
        label, kind = (node.label, node.kind) if node is not None else ("", "")
        parts = [
            ("▌" if here else " ", style["lead"]),
            (level, style["muted"]),
            (item.branch, style["branch"]),
        ]
        room = width - 5 - len(item.branch)
        if item.again:
            parts.append((_cut(f"▸ {label}", max(room, 1)), style["again"]))
            return _strip(parts, width, style["plain"])
        look = self.looks.get(item.key, PLAIN)
        flag = self.flags.get(item.key)
        glyph = f"{flag or look.glyph} "
        mark = " ◆" if item.key in self.marks else ""
        room = max(room - cell_len(glyph) - len(mark), 1)
        label = _cut(label, room)
        parts += [
            (glyph, style["problem" if flag or look.style == "problem" else "lead"]),
            (label, style["label"]),
            (mark, style["mark"]),
        ]
        wide = 5 + len(item.branch) + cell_len(glyph) + cell_len(label) + len(mark)
        column = max(min(width // 2, 44), wide + 2)
        parts.append((" " * (column - wide), style["plain"]))
        room = max(width - column - 1, 0)
        badge = f"{look.top} " if look.top else ""
        whole = f"{badge} {kind}" if badge else kind
        if column + cell_len(whole) > width:
            whole = _cut(whole, room)
        behind = len(badge) + 1 if badge else 0  # the kind stands a cell apart from the badge
        parts += [
            (whole[: len(badge)], style["badge"]),
            (whole[len(badge) : behind], style["plain"]),
            (whole[behind:], style["muted"]),
        ]
        return _strip(parts, width, style["plain"])

    def _styles_of(self, here: bool) -> dict[str, RichStyle]:
        """The styles of the parts of a line, as the stylesheet has them; the line under the cursor has a ground."""
        found = self._styles.get(here)
        if found is None:
            found = self._styles[here] = {}
            for part, markup in PARTS.items():
                content = Content.styled("x", markup) if markup else Content("x")
                if part == "label" and here:
                    content = content.stylize("bold")
                if here:
                    content = content.stylize_before("on $primary 22%")
                found[part] = next(iter(painted(self, content, 1, self.visual_style))).style or RichStyle()
        return found


PARTS: Final = {
    "plain": "",
    "lead": "$primary",
    "muted": "$foreground-muted",
    "branch": "$foreground 40%",
    "again": "$foreground-muted italic",
    "problem": "bold $error",
    "label": "",
    "mark": "bold $accent",
    "badge": "$secondary",
}


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + "…" if width else ""


def _strip(parts: list[tuple[str, RichStyle]], width: int, plain: RichStyle) -> Strip:
    return Strip([Segment(text, style) for text, style in parts if text]).adjust_cell_length(width, plain)
