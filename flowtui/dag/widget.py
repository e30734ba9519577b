"""The drawing in Textual: a cursor that is always on a node, marks, live states, and only the rows that changed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import ClassVar, Literal, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from flowtui.dag.brush import CALM, Emphasis, box_segments
from flowtui.dag.fold import AUTO_FOLD, STANDING_OUT, Tally, View, view_of
from flowtui.dag.graph import PLAIN, GraphModel, Link, Look
from flowtui.dag.layout import BUDGET, BUDGET_PER_NODE, QUICK, Direction, Layout, layout
from flowtui.dag.minimap import minimap, scaled_size
from flowtui.dag.overlay import Overlay, line_segments
from flowtui.dag.paint import ASCII, Piece, pieces
from flowtui.dag.walk import Way, at_distance, target_of

STATES = (
    "draft",
    "blocked",
    "waiting",
    "delayed",
    "active",
    "completed",
    "failed",
    "skipped",
    "cancelled",
    "expired",
    "problem",
)
_PARTS = (
    "line",
    "lit",
    "critical",
    "back",
    "ghost",
    "illegal",
    "cursor",
    "cursor-name",
    "name",
    "dim",
    "bar",
    "flag",
    "marked",
    "mark",
    "match",
    "jump",
    "strong",
)

COALESCE = 1 / 25
"""Seconds between two repaints of changed states."""

AT_ONCE = 3000
"""Nodes and links up to which a picture is made at once, in less than a tenth of a second; above that, in a thread."""

SETTLED = 300
"""Nodes and links up to which the first picture stays; larger ones are drawn again with more care, in a thread."""

MARGIN_X, MARGIN_Y = 2, 1
JUMP_LETTERS = "fjdkslaghrueiwoqptyvbncmxz"
MAP_WIDTH, MAP_HEIGHT = 28, 9

Switch = Literal["auto", "on", "off"]


class Frame(NamedTuple):
    """What all lines of one frame have in common."""

    offset: Offset
    width: int
    styles: dict[str, Style]
    map: Region | None


class GraphCanvas(ScrollView, can_focus=True):
    """A DAG, drawn so that every link can be followed; keyboard and mouse move a cursor from node to node."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"graph--{name}" for name in (*STATES, *_PARTS)}
    DEFAULT_CSS = """
    GraphCanvas {
        background: $background;
        color: $foreground;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 1;

        .graph--line { color: $foreground 45%; }
        .graph--lit { color: $text-primary; text-style: bold; }
        .graph--critical { color: $text-warning; text-style: bold; }
        .graph--back { color: $text-error; }
        .graph--ghost { color: $text-success; text-style: bold; }
        .graph--illegal { color: $text-error; text-style: bold; }
        .graph--cursor { color: $primary; text-style: bold; }
        .graph--cursor-name { background: $primary 40%; color: $foreground; text-style: bold; }
        .graph--name { color: $foreground; }
        .graph--dim { color: $foreground 60%; }
        .graph--bar { color: $accent; }
        .graph--flag { color: $text-error; text-style: bold; }
        .graph--mark { color: $text-accent; text-style: bold; }
        .graph--match { background: $warning 30%; }
        .graph--jump { background: $warning; color: $text; text-style: bold; }

        .graph--draft { color: $foreground 75%; }
        .graph--blocked { color: $foreground 55%; }
        .graph--waiting { color: $foreground 85%; }
        .graph--delayed { color: $text-secondary; }
        .graph--active { color: $text-accent; }
        .graph--completed { color: $text-success; }
        .graph--failed { color: $text-error; text-style: bold; }
        .graph--skipped { color: $foreground 45%; }
        .graph--cancelled { color: $foreground 55%; }
        .graph--expired { color: $text-warning; }
        .graph--problem { color: $text-error; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,left", "move('left')", "upstream", show=False),
        Binding("l,right", "move('right')", "downstream", show=False),
        Binding("k,up", "move('up')", "above", show=False),
        Binding("j,down", "move('down')", "below", show=False),
        Binding("home", "move('home')", "first", show=False),
        Binding("end", "move('end')", "last", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("enter", "open", "open", show=False),
    ]

    cursor: reactive[str | None] = reactive(None)
    zoom: reactive[int] = reactive(2, init=False)
    direction: reactive[Direction] = reactive("LR", init=False)
    fold: reactive[Switch] = reactive("auto", init=False)
    show_map: reactive[Switch] = reactive("auto", init=False)
    ascii: reactive[bool] = reactive(False, init=False)

    class CursorMoved(Message):
        """The cursor went to another node, or there is none left."""

        def __init__(self, canvas: GraphCanvas, node_id: str | None) -> None:
            super().__init__()
            self.canvas = canvas
            self.node_id = node_id

        @property
        def control(self) -> GraphCanvas:
            return self.canvas

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, GraphCanvas.CursorMoved)

    class Opened(Message):
        """Enter or a double click on a node."""

        def __init__(self, canvas: GraphCanvas, node_id: str) -> None:
            super().__init__()
            self.canvas = canvas
            self.node_id = node_id

        @property
        def control(self) -> GraphCanvas:
            return self.canvas

    class MarksChanged(Message):
        """The marked nodes, oldest mark first."""

        def __init__(self, canvas: GraphCanvas, marks: tuple[str, ...]) -> None:
            super().__init__()
            self.canvas = canvas
            self.marks = marks

        @property
        def control(self) -> GraphCanvas:
            return self.canvas

    class LinkDragged(Message):
        """The mouse went down on one node and up on another."""

        def __init__(self, canvas: GraphCanvas, source: str, target: str) -> None:
            super().__init__()
            self.canvas = canvas
            self.source = source
            self.target = target

        @property
        def control(self) -> GraphCanvas:
            return self.canvas

    def __init__(
        self,
        model: GraphModel | None = None,
        looks: Mapping[str, Look] | None = None,
        *,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
        disabled: bool = False,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self.model = model or GraphModel()
        self.looks: dict[str, Look] = dict(looks or {})
        self.view = View(GraphModel())
        self.drawn = layout(GraphModel())
        self._unfolded: set[str] = set()
        self._collapsed: set[str] = set()
        self._focus: tuple[str, int] | None = None
        self._tallies: dict[str, Tally] = {}
        self._tallied: dict[str, Look] = {}
        self._marks: dict[str, None] = {}
        self._flags: dict[str, str] = {}
        self._matches: set[str] = set()
        self._critical: frozenset[str | Link] = frozenset()
        self._ghost: tuple[str, str, bool] | None = None
        self._lit = Overlay()
        self._dashes = Overlay()
        self._jumps: dict[str, str] = {}
        self._typed = ""
        self._changed: set[str] = set()
        self._flush_timer: Timer | None = None
        self._styles: dict[str, Style] = {}
        self._frame = Frame(Offset(), 0, {}, None)
        self._origin = Offset(MARGIN_X, MARGIN_Y)
        self._placed = False
        self._press: tuple[str | None, Offset] | None = None
        self._turn = 0  # counts layouts, so that one that comes late is recognised
        self._map_cells: list[list[str | None]] | None = None

    # ---- what is shown -------------------------------------------------------------------------------------------

    def show(self, model: GraphModel, looks: Mapping[str, Look], *, keep_cursor: bool = True) -> None:
        """Draw a new or changed graph. Cursor and marks stay with their nodes, the cursor where it is seen."""
        self.model = model
        self.looks = dict(looks)
        self._changed.clear()
        gone = [node for node in self._marks if node not in model.nodes]
        for node in gone:
            del self._marks[node]
        if gone:
            self.post_message(self.MarksChanged(self, self.marks))
        self._relayout(keep_cursor=keep_cursor)

    def set_looks(self, changed: Mapping[str, Look]) -> None:
        """Take over how some nodes look now; their rows are repainted, together with those of the next moment."""
        shown_as = self.view.shown_as
        for node, look in changed.items():
            shown = shown_as.get(node)
            if shown is not None:
                self._tallies[shown].replace(self.looks.get(node, PLAIN), look)
                self._tallied.pop(shown, None)
            self._changed.add(node)
        stand = (
            node for node, look in changed.items() if (look.style in STANDING_OUT) != self._stands_out(node)
        )
        if self.folding and any(stand):
            self.looks.update(changed)
            self._relayout()
            return
        self.looks.update(changed)
        if self._flush_timer is None and self.is_mounted:
            self._flush_timer = self.set_timer(COALESCE, self.flush)

    def _stands_out(self, node: str) -> bool:
        look = self.looks.get(node)
        return look is not None and look.style in STANDING_OUT

    def flush(self) -> None:
        """Repaint what has changed since the last time, without waiting for the moment to come."""
        if self._flush_timer is not None:
            self._flush_timer.stop()
        self._flush_timer = None
        changed, self._changed = self._changed, set()
        self._map_cells = None
        self._refresh_nodes({self.view.shown_as.get(node, node) for node in changed})
        if self._map_region() is not None:
            self.refresh(self._map_region() or Region())

    def look_of(self, node: str) -> Look:
        """How a node of the picture looks now; one that stands for several, how they do together."""
        tally = self._tallies.get(node)
        if tally is None:
            return self.looks.get(node, PLAIN)
        look = self._tallied.get(node)
        if look is None:
            look = self._tallied[node] = tally.look()
        return look

    def _relayout(self, *, keep_cursor: bool = True, fresh: bool = False) -> None:
        """Make the picture again: at once if that is quick, else in a thread; with more care if that pays."""
        self._turn += 1
        known = self._focus is None or self._focus[0] in self.model.nodes
        if not known:
            self._focus = None
        self.view = view_of(
            self.model,
            fold=self.folding,
            unfolded=self._unfolded,
            standing_out={node for node, look in self.looks.items() if look.style in STANDING_OUT},
            collapsed=self._collapsed,
            focus=self._focus,
        )
        self._tallies = {
            node: Tally(self.looks.get(member, PLAIN) for member in members)
            for node, members in self.view.members.items()
        }
        self._tallied = {}
        model = self.view.model
        previous = None if fresh or not self.drawn.boxes.keys() & model.nodes.keys() else self.drawn
        make = partial(
            layout,
            model,
            direction=self.direction,
            zoom=self.zoom,
            viewport=self._viewport(),
            previous=previous,
        )
        size = len(model.nodes) + len(model.links)
        if size <= AT_ONCE or not self.is_mounted:
            self._take(make(budget=2 * QUICK if size <= SETTLED else QUICK), keep_cursor)
        if size > SETTLED and self.is_mounted and (previous is None or size > AT_ONCE):
            self.run_worker(
                self._draw_later(make, keep_cursor, quick=size > AT_ONCE, again=previous is None),
                group="layout",
                exclusive=True,
                exit_on_error=False,
            )

    async def _draw_later(self, make: partial[Layout], keep_cursor: bool, quick: bool, again: bool) -> None:
        """A picture from a thread: a quick one if there is none yet, then a better one if nobody has touched it."""
        turn = self._turn
        if quick:
            drawn = await asyncio.to_thread(make, budget=QUICK)
            if turn != self._turn:
                return
            self._take(drawn, keep_cursor)
        if not again:
            return
        before = (self.cursor, self.scroll_offset)
        care = max(BUDGET, BUDGET_PER_NODE * len(self.view.model.nodes))
        drawn = await asyncio.to_thread(make, budget=care)
        if turn == self._turn and before == (self.cursor, self.scroll_offset):
            self._take(drawn, True)

    def _viewport(self) -> tuple[int, int]:
        return self.size.width or 80, self.size.height or 24

    def _take(self, drawn: Layout, keep_cursor: bool) -> None:
        """Make a layout the one on screen."""
        before = self._cursor_on_screen() if keep_cursor else None
        near = self._near_cursor(drawn, before)
        self.drawn = drawn
        self._map_cells = None
        cursor = self.view.place_of(self.cursor) if keep_cursor and self.cursor is not None else None
        if cursor not in drawn.boxes:
            cursor = near
        # Not by the reactive's own watcher: the picture must be in place before anything is scrolled into view.
        moved = cursor != self.cursor
        self.set_reactive(GraphCanvas.cursor, cursor)
        self._place_origin(before)
        self._rebuild_overlays()
        self.refresh()
        if moved:
            self.post_message(self.CursorMoved(self, cursor))

    def _near_cursor(self, drawn: Layout, before: Offset | None) -> str | None:
        """Of a new picture the node nearest to where the cursor was; the first one if there was none."""
        boxes = drawn.boxes
        if before is None or self.cursor is None or self.cursor not in self.drawn.boxes:
            return next(iter(boxes), None)
        here = self.drawn.boxes[self.cursor]
        near = [*self.drawn.near(self.cursor, forward=False), *self.drawn.near(self.cursor, forward=True)]
        for node in near:
            if node in boxes:
                return node
        return min(boxes, key=lambda n: abs(boxes[n].y - here.y) * 3 + abs(boxes[n].x - here.x), default=None)

    def _cursor_on_screen(self) -> Offset | None:
        box = self.drawn.boxes.get(self.cursor) if self.cursor is not None else None
        if box is None or not self._placed:
            return None
        return Offset(box.x, box.y) + self._origin - self.scroll_offset

    def _place_origin(self, before: Offset | None) -> None:
        """Where the picture lies in the scrolled area: in the middle when new and small, else where the cursor was."""
        width, height = self.size
        if not width or not height:
            return
        drawn = self.drawn
        room_x, room_y = width - drawn.width, height - drawn.height
        box = drawn.boxes.get(self.cursor) if self.cursor is not None else None
        wanted = before - Offset(box.x, box.y) if before is not None and box is not None else None
        x = _origin_along(room_x, MARGIN_X, wanted.x if wanted is not None else None)
        y = _origin_along(room_y, MARGIN_Y, wanted.y if wanted is not None else None)
        self._origin = Offset(x, y)
        self._placed = True
        self.virtual_size = Size(
            max(x + drawn.width + (MARGIN_X if room_x < 2 * MARGIN_X else 0), 1),
            max(y + drawn.height + (MARGIN_Y if room_y < 2 * MARGIN_Y else 0), 1),
        )
        if wanted is not None:
            self.scroll_to(x - wanted.x, y - wanted.y, animate=False, force=True, immediate=True)
        self._keep_in_view()

    # ---- folding and what is near --------------------------------------------------------------------------------

    @property
    def folding(self) -> bool:
        """Whether alike nodes are drawn as one."""
        return self.fold == "on" or (self.fold == "auto" and len(self.model.nodes) > AUTO_FOLD)

    def members(self, node: str | None = None) -> tuple[str, ...]:
        """The nodes of the flow that a node of the picture (by default the one under the cursor) stands for."""
        node = self.cursor if node is None else node
        if node is None:
            return ()
        return self.view.members.get(node, (node,))

    def toggle_fold(self, node: str | None = None) -> None:
        """Open what stands for several nodes; close it again from one of them. A named group closes and opens too."""
        node = self.cursor if node is None else node
        if node is None:
            return
        if node in self.view.collapsed:
            self._collapsed.discard(self.view.collapsed[node])
        elif node in self.view.members:
            self._unfolded.add(node)
        else:
            opened = self._opened_with(node)
            if opened:
                self._unfolded -= opened
            elif node in self.model.groups:
                self._collapsed.add(self.model.groups[node])
            else:
                return
        self._relayout()

    def _opened_with(self, node: str) -> set[str]:
        """Of the nodes whose class was opened by hand, those alike to `node`."""
        if not self._unfolded or not self.folding:
            return set()
        standing_out = {n for n, look in self.looks.items() if look.style in STANDING_OUT}
        whole = view_of(
            self.model, fold=True, standing_out=standing_out, collapsed=self._collapsed, focus=self._focus
        )
        alike = set(whole.members.get(whole.shown_as.get(node, node), ()))
        return self._unfolded & alike

    def fold_groups(self, groups: Iterable[str]) -> None:
        """Draw exactly these named groups as one node each."""
        self._collapsed = set(groups)
        self._relayout()

    def show_near(self, steps: int | None) -> None:
        """Show only what lies within `steps` links of the cursor; None shows everything again."""
        self._focus = (self.cursor, steps) if steps is not None and self.cursor is not None else None
        self._placed = False
        self._relayout()

    @property
    def near_steps(self) -> int | None:
        """How far the neighbourhood view reaches, or None where everything is shown."""
        return self._focus[1] if self._focus else None

    # ---- cursor and marks ----------------------------------------------------------------------------------------

    def validate_zoom(self, zoom: int) -> int:
        return min(max(zoom, 0), 2)

    def validate_cursor(self, cursor: str | None) -> str | None:
        shown = self.view.place_of(cursor) if cursor is not None else None
        return shown if shown in self.drawn.boxes else None

    def watch_cursor(self, old: str | None, new: str | None) -> None:
        if old == new:
            return
        rows = self._lit.rows()
        self._light_links()
        rows |= self._lit.rows()
        for node in (old, new):
            box = self.drawn.boxes.get(node) if node is not None else None
            if box is not None:
                rows.update(range(box.y, box.y + box.h))
        self._refresh_rows(rows)
        self._keep_in_view()
        self.post_message(self.CursorMoved(self, new))

    def watch_zoom(self) -> None:
        self._relayout()

    def watch_direction(self) -> None:
        self._relayout()

    def watch_fold(self) -> None:
        self._relayout()

    def watch_ascii(self) -> None:
        self.refresh()

    def watch_show_map(self) -> None:
        self.refresh()

    @property
    def marks(self) -> tuple[str, ...]:
        """The marked nodes, oldest mark first."""
        return tuple(self._marks)

    def toggle_mark(self, node: str | None = None) -> None:
        """Mark a node or take its mark away; without a name, the node under the cursor, with all it stands for."""
        node = self.cursor if node is None else node
        if node is None or node not in self.model.nodes:
            return
        if node in self._marks:
            for member in self.members(node):
                self._marks.pop(member, None)
        else:
            self._marks.update(dict.fromkeys(self.members(node)))
        self._refresh_nodes((node,))
        self.post_message(self.MarksChanged(self, self.marks))

    def set_marks(self, nodes: Iterable[str]) -> None:
        """Mark exactly these nodes."""
        old = set(self._marks)
        self._marks = {node: None for node in nodes if node in self.model.nodes}
        if old != set(self._marks):
            self._refresh_nodes(old | set(self._marks))
            self.post_message(self.MarksChanged(self, self.marks))

    def clear_marks(self) -> None:
        """Take all marks away."""
        self.set_marks(())

    def move(self, way: Way) -> None:
        """Move the cursor along the structure: along links, or inside its level; what lies nearest wins."""
        if self.cursor is None:
            self.cursor = next(iter(self.drawn.boxes), None)
            return
        target = target_of(self.drawn, self.cursor, way)
        if target is not None:
            self.cursor = target

    def page(self, step: int) -> None:
        """Move the cursor about one screen down (or up)."""
        if self.cursor is not None:
            self.cursor = at_distance(self.drawn, self.cursor, step * max(self.size.height - 4, 1))

    def _keep_in_view(self) -> None:
        box = self.drawn.boxes.get(self.cursor) if self.cursor is not None else None
        if box is None or not self._placed:
            return
        region = Region(box.x + self._origin.x, box.y + self._origin.y, box.w, box.h).grow((1, 4, 1, 4))
        self.scroll_to_region(region, animate=False, force=True, immediate=True)

    # ---- what is laid over the picture ---------------------------------------------------------------------------

    @property
    def flags(self) -> Mapping[str, str]:
        """Glyphs that replace those of the states: "!" would close a cycle, "◆" source of a new link."""
        return self._flags

    @flags.setter
    def flags(self, flags: Mapping[str, str]) -> None:
        changed = {n for n in {*self._flags, *flags} if self._flags.get(n) != flags.get(n)}
        self._flags = dict(flags)
        self._refresh_nodes(changed)

    @property
    def critical(self) -> frozenset[str | Link]:
        """Nodes and links drawn double."""
        return self._critical

    @critical.setter
    def critical(self, critical: Iterable[str | Link]) -> None:
        self._critical = frozenset(critical)
        self._light_links()
        self.refresh()

    @property
    def ghost(self) -> tuple[str, str, bool] | None:
        """A link that does not exist yet: source, target, and whether it may."""
        return self._ghost

    @ghost.setter
    def ghost(self, ghost: tuple[str, str, bool] | None) -> None:
        if ghost == self._ghost:
            return
        rows = self._dashes.rows()
        self._ghost = ghost
        self._dash_links()
        self._refresh_rows(rows | self._dashes.rows())

    def _rebuild_overlays(self) -> None:
        self._light_links()
        self._dash_links()

    def _light_links(self) -> None:
        """Light up the links of the cursor; those of the critical path are drawn double."""
        overlay = Overlay()
        drawn, place = self.drawn, self.view.place_of
        critical = {
            (place(s), place(t)) for s, t in (link for link in self._critical if isinstance(link, tuple))
        }
        heavy = [(s, t) for s, t in critical if s is not None and t is not None]
        overlay.light(drawn, heavy, "critical")
        cursor = self.cursor
        if cursor is not None and cursor in drawn.vertex:
            own = [(source, cursor) for source in drawn.near(cursor, forward=False)]
            own += [(cursor, target) for target in drawn.near(cursor, forward=True)]
            overlay.light(drawn, [link for link in own if link not in critical], "lit")
        self._lit = overlay

    def _dash_links(self) -> None:
        overlay = Overlay()
        for source, target in self.drawn.back:
            overlay.dash(self.drawn, source, target, "back")
        if self._ghost is not None:
            source, target, legal = self._ghost
            place = self.view.place_of
            overlay.dash(
                self.drawn, place(source) or "", place(target) or "", "ghost" if legal else "illegal"
            )
        self._dashes = overlay

    # ---- painting ------------------------------------------------------------------------------------------------

    def _refresh_nodes(self, nodes: Iterable[str]) -> None:
        """Repaint the rows of nodes, as far as they are on screen."""
        boxes = self.drawn.boxes
        left, top = self.scroll_offset - self._origin
        right, bottom = left + self.size.width, top + self.size.height
        rows: set[int] = set()
        for node in nodes:
            box = boxes.get(node)
            if (
                box is None
                or box.y >= bottom
                or box.y + box.h <= top
                or box.x >= right
                or box.x + box.w <= left
            ):
                continue
            rows.update(range(max(box.y, top), min(box.y + box.h, bottom)))
        self._refresh_rows(rows)

    def _refresh_rows(self, rows: Collection[int]) -> None:
        top = self.scroll_offset.y - self._origin.y
        height, width = self.size.height, self.size.width
        visible = [y - top for y in rows if 0 <= y - top < height]
        if len(visible) == height:
            self.refresh()
        elif visible:
            self.refresh(*[Region(0, y, width, 1) for y in visible])

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles = {}

    def _find_styles(self) -> dict[str, Style]:
        # Rich knows no transparency: every style is blended with the background here, and what lies over another style
        # keeps only the part that is its own.
        own = {name: self.get_component_rich_style(f"graph--{name}") for name in (*STATES, *_PARTS)}
        base = self.rich_style
        styles = {"base": base, "strong": Style(bold=True), "marked": Style(underline=True)}
        for name, style in own.items():
            if name in ("cursor-name", "jump"):
                styles[name] = style
            elif name == "match":
                styles[name] = Style(bgcolor=style.bgcolor)
            elif name not in styles:
                styles[name] = base + Style(color=style.color, bold=style.bold, underline=style.underline)
        for state in STATES:
            styles[f"{state}-glyph"] = styles[state] + styles["strong"]
        self._styles = styles
        return styles

    def render_lines(self, crop: Region) -> list[Strip]:
        # What holds for all lines of a frame is found once: properties of a widget are slow to read.
        self._frame = Frame(
            self.scroll_offset - self._origin,
            self.size.width,
            self._styles or self._find_styles(),
            self._map_region(),
        )
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        frame = self._frame
        styles, width = frame.styles, frame.width
        if not self.drawn.boxes and y == self.size.height // 2 and self.model.nodes:
            text = f" drawing {len(self.model.nodes):,} jobs …"
            return Strip([Segment(text, styles["dim"])]).adjust_cell_length(width, styles["base"])
        segments = self._row_segments(y + frame.offset.y, frame.offset.x, frame.offset.x + width, styles)
        if frame.map is not None and frame.map.y <= y < frame.map.bottom:
            below = Strip(segments, width)
            after = below.crop(frame.map.right, width) if frame.map.right < width else ()
            segments = [*below.crop(0, frame.map.x), *self._map_row(y - frame.map.y, frame.map), *after]
        if self.ascii:
            segments = [Segment(text.translate(ASCII), style) for text, style, _ in segments]
        return Strip(segments, width)

    def _row_segments(self, row: int, left: int, right: int, styles: Mapping[str, Style]) -> list[Segment]:
        """A row of the canvas from column `left` to `right`."""
        segments: list[Segment] = []
        runs = self._lit.runs.get(row)
        dashes = self._dashes.dashes.get(row)
        line = styles["line"]
        # Lines and blanks are gathered up to the next node: few segments make a cheap frame.
        waiting: list[str] = []
        begin = at = left

        def flush() -> None:
            text = "".join(waiting)
            waiting.clear()
            if runs or dashes:
                segments.extend(line_segments(begin, text, runs, dashes, styles))
            elif text:
                segments.append(Segment(text, line))

        for piece in pieces(self.drawn, row, left, right) if 0 <= row < self.drawn.height else ():
            x, width = piece.x, piece.width
            if x > at:
                waiting.append(" " * (x - at))
            if piece.node is None:
                text = piece.text
                waiting.append(
                    text if x >= left and x + width <= right else text[max(left - x, 0) : right - x]
                )
            else:
                flush()
                box = self._node_segments(piece, piece.node, styles)
                if x < left or x + width > right:
                    box = list(Strip(box, width).crop(max(left - x, 0), min(right - x, width)))
                segments.extend(box)
                begin = x + width
            at = x + width
        if at < right:
            waiting.append(" " * (right - at))
        if waiting:
            flush()
        return segments

    def _node_segments(self, piece: Piece, node: str, styles: Mapping[str, Style]) -> list[Segment]:
        drawn = self.drawn
        leaves = ""
        if drawn.has_downstream(node):
            leaves = "right" if drawn.direction == "LR" else "down"
        label = drawn.model.nodes[node].label
        look = self.look_of(node)
        return box_segments(
            drawn.boxes[node], label, piece.row, drawn.zoom, look, leaves, self._emphasis(node), styles
        )

    def _emphasis(self, node: str) -> Emphasis:
        jump = self._jumps.get(node, "")
        flag = self._flags.get(node, "")
        cursor, marked = node == self.cursor, node in self._marks
        match, critical = node in self._matches, node in self._critical
        if not (cursor or marked or match or critical or flag or jump):
            return CALM
        return Emphasis(cursor, marked, match, critical, flag, jump[len(self._typed) :])

    # ---- the map of a picture larger than the screen ---------------------------------------------------------------

    def _map_region(self) -> Region | None:
        """Where the map is on the widget, or None while there is none."""
        width, height = self.size
        drawn = self.drawn
        if self.show_map == "off" or width < 3 * MAP_WIDTH // 2 or height < MAP_HEIGHT + 4 or not drawn.boxes:
            return None
        if self.show_map == "auto" and drawn.width * drawn.height < 12 * width * height:
            return None
        columns, rows = scaled_size(drawn, MAP_WIDTH, MAP_HEIGHT)
        region = Region(width - columns - 3, height - rows - 3, columns + 2, rows + 2)
        box = drawn.boxes.get(self.cursor) if self.cursor is not None else None
        if box is not None:
            corner = Offset(box.x, box.y) + self._origin - self.scroll_offset
            if region.overlaps(Region(corner.x, corner.y, box.w, box.h)):
                return Region(region.x, 1, region.width, region.height)
        return region

    def _map_row(self, y: int, region: Region) -> list[Segment]:
        styles = self._styles
        columns, rows = region.width - 2, region.height - 2
        frame = styles["dim"]
        if y == 0:
            return [Segment("┌" + " map ".center(columns, "─") + "┐", frame)]
        if y == rows + 1:
            return [Segment("└" + "─" * columns + "┘", frame)]
        if self._map_cells is None:
            looks = {node: self.look_of(node) for node in self.drawn.boxes}
            self._map_cells = minimap(self.drawn, looks, columns, rows)
        x0, y0 = self.scroll_offset - self._origin
        width, height = max(self.drawn.width, 1), max(self.drawn.height, 1)
        first, last = x0 * columns // width, (x0 + self.size.width - 1) * columns // width
        here = y0 * rows // height <= y - 1 <= (y0 + self.size.height - 1) * rows // height
        segments = [Segment("│", frame)]
        for x, state in enumerate(self._map_cells[y - 1]):
            style = styles.get(state or "", styles["dim"])
            if here and first <= x <= last:
                style = style + styles["match"]
            urgent = state in ("failed", "problem", "active")
            segments.append(Segment("■" if urgent else "▪" if state else " ", style))
        return [*segments, Segment("│", frame)]

    # ---- size and keys -------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        if self.model.nodes:
            self._relayout(keep_cursor=False)

    def on_resize(self, event: events.Resize) -> None:
        if self.direction == "auto":
            self._relayout()
        else:
            self._place_origin(
                self._cursor_on_screen() if self._placed and self.drawn.width > event.size.width else None
            )

    def action_move(self, way: Way) -> None:
        self.move(way)

    def action_page(self, step: int) -> None:
        self.page(step)

    def action_open(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Opened(self, self.cursor))

    def hit(self, x: int, y: int) -> str | None:
        """The node at a cell of the widget, or None."""
        offset = self.scroll_offset
        return self.drawn.node_at(x + offset.x - self._origin.x, y + offset.y - self._origin.y)

    def fit(self) -> None:
        """Draw everything anew, in the largest boxes with which it is on screen; else in the smallest."""
        width, height = self._viewport()
        zoom = 2
        for zoom in (2, 1, 0):
            tried = layout(
                self.view.model,
                direction=self.direction,
                zoom=zoom,
                viewport=(width, height),
                previous=self.drawn,
            )
            if tried.width <= width - 2 and tried.height <= height:
                break
        self._placed = False
        self.set_reactive(GraphCanvas.zoom, zoom)
        self._relayout(fresh=True)

    def find(self, text: str) -> list[str]:
        """Light up the nodes whose label or kind holds `text` (upper and lower case alike); nothing for no text.

        Returns the nodes of the flow, in the order in which the picture shows them; setting the cursor to one that is
        folded goes to the node that stands for it.
        """
        wanted = text.casefold()
        found = [
            node
            for node, data in self.model.nodes.items()
            if wanted and (wanted in data.label.casefold() or wanted in data.kind.casefold())
        ]
        place, boxes = self.view.place_of, self.drawn.boxes
        at = {node: boxes.get(place(node) or "") for node in found}
        old, self._matches = self._matches, {shown for node in found if (shown := place(node)) is not None}
        self._refresh_nodes(old | self._matches)
        seen = [node for node in found if at[node] is not None]
        return sorted(seen, key=lambda node: (box.x, box.y) if (box := at[node]) is not None else (0, 0))

    # ---- jump labels ---------------------------------------------------------------------------------------------

    @property
    def jumping(self) -> bool:
        """Whether letters typed now pick a node."""
        return bool(self._jumps)

    def start_jump(self) -> None:
        """Put a label of letters on every node on screen; typing it moves the cursor there, anything else ends it."""
        offset = self.scroll_offset - self._origin
        boxes = self.drawn.boxes
        seen = Region(offset.x, offset.y, self.size.width, self.size.height)
        visible = [node for node, box in boxes.items() if seen.overlaps(Region(box.x, box.y, box.w, box.h))]
        visible.sort(key=lambda node: (boxes[node].x, boxes[node].y))
        self._jumps = dict(zip(visible, jump_labels(len(visible)), strict=True))
        self._typed = ""
        self._refresh_nodes(visible)

    def end_jump(self) -> None:
        """Take the labels away."""
        nodes = list(self._jumps)
        self._jumps = {}
        self._typed = ""
        self._refresh_nodes(nodes)

    def on_key(self, event: events.Key) -> None:
        if not self._jumps:
            return
        event.stop()
        event.prevent_default()
        typed = self._typed + (event.character or "")
        hits = {node: label for node, label in self._jumps.items() if label.startswith(typed)}
        everything = list(self._jumps)
        if not event.is_printable or not hits:
            self.end_jump()
        elif typed in hits.values():
            self.end_jump()
            self.cursor = next(node for node, label in hits.items() if label == typed)
        else:
            self._jumps = hits
            self._typed = typed
            self._refresh_nodes(everything)

    # ---- mouse ---------------------------------------------------------------------------------------------------

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if event.button != 1:
            return
        node = self.hit(event.x, event.y)
        self._press = (node, event.screen_offset)
        self.capture_mouse()
        if node is not None:
            self.cursor = node

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._press is None or event.button != 1:
            return
        node, last = self._press
        if node is None:
            moved = event.screen_offset - last
            self.scroll_relative(-moved.x, -moved.y, animate=False, force=True, immediate=True)
            self._press = (None, event.screen_offset)
            return
        over = self.hit(event.x, event.y)
        self.ghost = (node, over, True) if over is not None and over != node else None

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._press is None:
            return
        node, _ = self._press
        self._press = None
        self.release_mouse()
        if node is None:
            return
        self.ghost = None
        over = self.hit(event.x, event.y)
        if over is not None and over != node:
            self.post_message(self.LinkDragged(self, node, over))

    def on_click(self, event: events.Click) -> None:
        node = self.hit(event.x, event.y)
        if event.chain == 2 and node is not None:
            self.post_message(self.Opened(self, node))


def _origin_along(room: int, margin: int, wanted: int | None) -> int:
    """The first cell of the picture in one direction, with `room` cells to spare."""
    if room < 2 * margin:
        return margin
    if wanted is None:
        return max(room // 2, margin)
    return min(max(wanted, margin), room - margin)


def jump_labels(count: int) -> list[str]:
    """As many labels of letters, as short as can be, none of them the beginning of another."""
    letters = JUMP_LETTERS
    size = len(letters)
    if count > size * size:
        return [a + b + c for a in letters for b in letters for c in letters][:count]
    # So many letters at the end of the alphabet begin labels of two.
    longer = max(0, -(-(count - size) // (size - 1)))
    singles = list(letters[: size - longer])
    return (singles + [a + b for a in letters[size - longer :] for b in letters])[:count]
