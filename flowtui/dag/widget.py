"""The drawing in Textual: a cursor that is always on a node, marks, live states, and only the rows that changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import ClassVar, Literal

from rich.cells import cell_len
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
from flowtui.dag.graph import PLAIN, GraphModel, Link, Look
from flowtui.dag.layout import Direction, Layout, layout
from flowtui.dag.paint import ASCII, Piece, pieces
from flowtui.dag.trail import DOUBLE, dashed, strokes

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

MARGIN_X, MARGIN_Y = 2, 1
JUMP_LETTERS = "fjdkslaghrueiwoqptyvbncmxz"

Way = Literal["left", "right", "up", "down", "home", "end"]
Overlay = tuple[int, int, bool, str]  # first and last column, runs level, part


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
        .graph--lit { color: $primary; text-style: bold; }
        .graph--critical { color: $warning; text-style: bold; }
        .graph--back { color: $error; }
        .graph--ghost { color: $success; text-style: bold; }
        .graph--illegal { color: $error; text-style: bold; }
        .graph--cursor { color: $primary; text-style: bold; }
        .graph--cursor-name { background: $primary 35%; color: $foreground; text-style: bold; }
        .graph--name { color: $foreground; }
        .graph--strong { text-style: bold; }
        .graph--dim { color: $foreground 60%; }
        .graph--bar { color: $accent; }
        .graph--flag { color: $error; text-style: bold; }
        .graph--marked { text-style: underline; }
        .graph--mark { color: $accent; text-style: bold; }
        .graph--match { background: $warning 30%; }
        .graph--jump { background: $warning; color: $background; text-style: bold; }

        .graph--draft { color: $foreground 70%; }
        .graph--blocked { color: $foreground 50%; }
        .graph--waiting { color: $foreground 80%; }
        .graph--delayed { color: $secondary; }
        .graph--active { color: $accent; }
        .graph--completed { color: $success; }
        .graph--failed { color: $error; }
        .graph--skipped { color: $foreground 40%; }
        .graph--cancelled { color: $foreground 50%; }
        .graph--expired { color: $warning; }
        .graph--problem { color: $error; }
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
    zoom: reactive[int] = reactive(2)
    direction: reactive[Direction] = reactive("LR")
    ascii: reactive[bool] = reactive(False)

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
        self.drawn = layout(GraphModel())
        self._marks: dict[str, None] = {}
        self._flags: dict[str, str] = {}
        self._matches: set[str] = set()
        self._critical: frozenset[str | Link] = frozenset()
        self._ghost: tuple[str, str, bool] | None = None
        self._overlays: dict[int, list[Overlay]] = {}
        self._dashes: dict[int, dict[int, tuple[str, str]]] = {}
        self._jumps: dict[str, str] = {}
        self._typed = ""
        self._changed: set[str] = set()
        self._flush_timer: Timer | None = None
        self._styles: dict[str, Style] = {}
        self._origin = Offset(MARGIN_X, MARGIN_Y)
        self._press: tuple[str | None, Offset] | None = None
        self._panned = False
        self._placed = False
        self._links_of: dict[str, list[Link]] = {}
        self._links_for: Layout | None = None

    # ---- what is shown -------------------------------------------------------------------------------------------

    def show(self, model: GraphModel, looks: Mapping[str, Look], *, keep_cursor: bool = True) -> None:
        """Draw a new or changed graph. Cursor and marks stay with their nodes, the cursor where it is seen."""
        self.model = model
        self.looks = dict(looks)
        self._relayout(keep_cursor=keep_cursor)

    def set_looks(self, changed: Mapping[str, Look]) -> None:
        """Take over how some nodes look now; their rows are repainted, together with those of the next moment."""
        self.looks.update(changed)
        self._changed.update(changed)
        if self._flush_timer is None and self.is_mounted:
            self._flush_timer = self.set_timer(COALESCE, self._flush)

    def _flush(self) -> None:
        self._flush_timer = None
        changed, self._changed = self._changed, set()
        self._refresh_nodes(changed)

    def _refresh_nodes(self, nodes: Iterable[str]) -> None:
        """Repaint the rows of nodes, as far as they are on screen."""
        boxes = self.drawn.boxes
        top = self.scroll_offset.y - self._origin.y
        bottom = top + self.size.height
        left = self.scroll_offset.x - self._origin.x
        right = left + self.size.width
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
        if len(visible) * 2 > height:
            self.refresh()
        elif visible:
            self.refresh(*[Region(0, y, width, 1) for y in visible])

    def _relayout(self, *, keep_cursor: bool = True, fresh: bool = False) -> None:
        before = self._cursor_on_screen() if keep_cursor else None
        self.drawn = layout(
            self.model,
            direction=self.direction,
            zoom=self.zoom,
            viewport=(self.size.width or 80, self.size.height or 24),
            previous=None if fresh else self.drawn,
        )
        self._take(before, keep_cursor)

    def _take(self, before: Offset | None, keep_cursor: bool) -> None:
        """Make the layout that has just been made the one on screen."""
        nodes = self.drawn.boxes
        gone = [node for node in self._marks if node not in nodes]
        for node in gone:
            del self._marks[node]
        if gone:
            self.post_message(self.MarksChanged(self, self.marks))
        if self.cursor not in nodes or not keep_cursor:
            self.cursor = self._near_cursor(before) if keep_cursor else next(iter(nodes), None)
        self._place_origin(before)
        self._rebuild_overlays()
        self.refresh()

    def _near_cursor(self, before: Offset | None) -> str | None:
        """The node nearest to where the cursor was, when its node has gone."""
        if before is None or not self.drawn.boxes:
            return next(iter(self.drawn.boxes), None)
        x = before.x + self.scroll_offset.x - self._origin.x
        y = before.y + self.scroll_offset.y - self._origin.y
        boxes = self.drawn.boxes
        return min(boxes, key=lambda node: abs(boxes[node].y - y) * 3 + abs(boxes[node].x - x))

    def _cursor_on_screen(self) -> Offset | None:
        box = self.drawn.boxes.get(self.cursor) if self.cursor is not None else None
        if box is None or not self._placed:
            return None
        return Offset(
            box.x + self._origin.x - self.scroll_offset.x, box.y + self._origin.y - self.scroll_offset.y
        )

    def _place_origin(self, before: Offset | None) -> None:
        """Where the picture lies in the scrolled area: in the middle when new and small, else where the cursor was."""
        width, height = self.size
        if not width or not height:
            return
        drawn = self.drawn
        room_x, room_y = width - drawn.width, height - drawn.height
        box = drawn.boxes.get(self.cursor) if self.cursor is not None else None
        wanted = before - Offset(box.x, box.y) if before is not None and box is not None else None
        x = self._origin_along(room_x, MARGIN_X, wanted.x if wanted is not None else None)
        y = self._origin_along(room_y, MARGIN_Y, wanted.y if wanted is not None else None)
        self._origin = Offset(x, y)
        self._placed = True
        self.virtual_size = Size(
            max(x + drawn.width + (MARGIN_X if room_x < 2 * MARGIN_X else 0), 1),
            max(y + drawn.height + (MARGIN_Y if room_y < 2 * MARGIN_Y else 0), 1),
        )
        if wanted is not None:
            self.scroll_to(x - wanted.x, y - wanted.y, animate=False, force=True)
        self._keep_in_view(animate=False)

    @staticmethod
    def _origin_along(room: int, margin: int, wanted: int | None) -> int:
        if room < 2 * margin:
            return margin
        if wanted is None:
            return max(room // 2, margin)
        return min(max(wanted, margin), room - margin)

    # ---- cursor and marks ----------------------------------------------------------------------------------------

    def validate_zoom(self, zoom: int) -> int:
        return min(max(zoom, 0), 2)

    def validate_cursor(self, cursor: str | None) -> str | None:
        return cursor if cursor in self.drawn.boxes else None

    def watch_cursor(self, old: str | None, new: str | None) -> None:
        if old == new:
            return
        rows = set(self._overlays)
        self._rebuild_overlays()
        rows |= set(self._overlays)
        for node in (old, new):
            box = self.drawn.boxes.get(node) if node is not None else None
            if box is not None:
                rows.update(range(box.y, box.y + box.h))
        self._refresh_rows(rows)
        self._keep_in_view(animate=False)
        self.post_message(self.CursorMoved(self, new))

    def watch_zoom(self) -> None:
        self._relayout()

    def watch_direction(self) -> None:
        self._relayout()

    def watch_ascii(self) -> None:
        self.refresh()

    @property
    def marks(self) -> tuple[str, ...]:
        """The marked nodes, oldest mark first."""
        return tuple(self._marks)

    def toggle_mark(self, node: str | None = None) -> None:
        """Mark a node or take its mark away; without a name, the node under the cursor."""
        node = self.cursor if node is None else node
        if node is None or node not in self.drawn.boxes:
            return
        if node in self._marks:
            del self._marks[node]
        else:
            self._marks[node] = None
        self._refresh_nodes((node,))
        self.post_message(self.MarksChanged(self, self.marks))

    def set_marks(self, nodes: Iterable[str]) -> None:
        """Mark exactly these nodes."""
        old = set(self._marks)
        self._marks = {node: None for node in nodes if node in self.drawn.boxes}
        if old != set(self._marks):
            self._refresh_nodes(old | set(self._marks))
            self.post_message(self.MarksChanged(self, self.marks))

    def clear_marks(self) -> None:
        """Take all marks away."""
        self.set_marks(())

    def move(self, way: Way) -> None:
        """Move the cursor along the structure: along links, or inside its level; what lies nearest wins."""
        if not self.drawn.boxes:
            return
        if self.cursor is None:
            self.cursor = next(iter(self.drawn.boxes))
            return
        target = self._target(way)
        if target is not None:
            self.cursor = target

    def _target(self, way: Way) -> str | None:
        assert self.cursor is not None
        here = self.drawn.boxes[self.cursor]
        lr = self.drawn.direction == "LR"
        b, _ = self.drawn.vertex[self.cursor]
        block = self.drawn.blocks[b]
        if way in ("home", "end"):
            layers = [[block.ids[v] for v in layer if v < block.real] for layer in block.layers]
            full = [layer for layer in layers if layer]
            return self._nearest(full[0] if way == "home" else full[-1])
        along = ("left", "right") if lr else ("up", "down")
        if way in along:
            forward = way == along[1]
            linked = [
                t if forward else s
                for s, t in self._near_links(self.cursor)
                if (s if forward else t) == self.cursor
            ]
            found = self._nearest(linked)
            if found is not None:
                return found
        else:
            step = 1 if way in ("down", "right") else -1
            layer = [block.ids[v] for v in block.layers[here.level] if v < block.real]
            at = here.index + step
            if 0 <= at < len(layer):
                return layer[at]
        return self._beyond(way)

    def _near_links(self, node: str) -> list[Link]:
        return self._links_of.get(node, [])

    def _nearest(self, nodes: Iterable[str]) -> str | None:
        assert self.cursor is not None
        here = self.drawn.boxes[self.cursor]
        boxes = self.drawn.boxes

        def away(node: str) -> tuple[int, int]:
            box = boxes[node]
            dx = abs((box.x + box.w // 2) - (here.x + here.w // 2))
            dy = abs((box.y + box.h // 2) - (here.y + here.h // 2))
            return (dy, dx) if self.drawn.direction == "LR" else (dx, dy)

        return min((node for node in nodes if node in boxes), key=away, default=None)

    def _beyond(self, way: Way) -> str | None:
        """The nearest node on that side, whatever it belongs to."""
        assert self.cursor is not None
        here = self.drawn.boxes[self.cursor]
        best: tuple[int, str] | None = None
        for node, box in self.drawn.boxes.items():
            dx = max(box.x - (here.x + here.w - 1), here.x - (box.x + box.w - 1), 0)
            dy = max(box.y - (here.y + here.h - 1), here.y - (box.y + box.h - 1), 0)
            ahead = {
                "left": box.x + box.w <= here.x,
                "right": box.x >= here.x + here.w,
                "up": box.y + box.h <= here.y,
                "down": box.y >= here.y + here.h,
            }[way]
            if not ahead:
                continue
            cost = dx + dy * 12 if way in ("left", "right") else dy * 3 + dx * 4
            if best is None or cost < best[0]:
                best = (cost, node)
        return best[1] if best else None

    def _keep_in_view(self, animate: bool) -> None:
        box = self.drawn.boxes.get(self.cursor) if self.cursor is not None else None
        if box is None or not self._placed:
            return
        region = Region(box.x + self._origin.x, box.y + self._origin.y, box.w, box.h).grow((1, 4, 1, 4))
        self.scroll_to_region(region, animate=animate, force=True, immediate=True)

    # ---- what is laid over the picture ---------------------------------------------------------------------------

    @property
    def flags(self) -> Mapping[str, str]:
        """Glyphs that replace those of the states: "!" would close a cycle, "◆" source of a new link."""
        return self._flags

    @flags.setter
    def flags(self, flags: Mapping[str, str]) -> None:
        changed = set(self._flags) ^ set(flags) | {n for n in flags if self._flags.get(n) != flags[n]}
        self._flags = dict(flags)
        self._refresh_nodes(changed)

    @property
    def critical(self) -> frozenset[str | Link]:
        """Nodes and links drawn double."""
        return self._critical

    @critical.setter
    def critical(self, critical: Iterable[str | Link]) -> None:
        self._critical = frozenset(critical)
        self._rebuild_overlays()
        self.refresh()

    @property
    def ghost(self) -> tuple[str, str, bool] | None:
        """A link that does not exist yet: source, target, and whether it may."""
        return self._ghost

    @ghost.setter
    def ghost(self, ghost: tuple[str, str, bool] | None) -> None:
        if ghost == self._ghost:
            return
        rows = set(self._dashes)
        self._ghost = ghost
        self._rebuild_dashes()
        self._refresh_rows(rows | set(self._dashes))

    def _rebuild_overlays(self) -> None:
        drawn = self.drawn
        links_of: dict[str, list[Link]] = {}
        if self._links_for is not drawn:
            for link in drawn.links:
                links_of.setdefault(link[0], []).append(link)
                links_of.setdefault(link[1], []).append(link)
            self._links_of = links_of
            self._links_for = drawn
            self._rebuild_dashes()
        overlays: dict[int, list[Overlay]] = {}
        critical = {link for link in self._critical if isinstance(link, tuple)}
        for link in critical:
            self._lay(overlays, link, "critical")
        if self.cursor is not None:
            for link in self._near_links(self.cursor):
                if link not in critical:
                    self._lay(overlays, link, "lit")
        self._overlays = overlays

    def _lay(self, overlays: dict[int, list[Overlay]], link: Link, part: str) -> None:
        for stroke in strokes(self.drawn, link):
            for y in range(stroke.y0, stroke.y1 + 1):
                overlays.setdefault(y, []).append((stroke.x0, stroke.x1, stroke.y0 == stroke.y1, part))

    def _rebuild_dashes(self) -> None:
        dashes: dict[int, dict[int, tuple[str, str]]] = {}
        extra = [(s, t, "back") for s, t in self.drawn.back]
        if self._ghost is not None:
            source, target, legal = self._ghost
            extra.append((source, target, "ghost" if legal else "illegal"))
        for source, target, part in extra:
            for (x, y), char in dashed(self.drawn, source, target).items():
                dashes.setdefault(y, {})[x] = (char, part)
        self._dashes = dashes

    # ---- painting ------------------------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles = {}

    def _find_styles(self) -> dict[str, Style]:
        styles = {}
        for name in (*STATES, *_PARTS):
            style = self.get_component_rich_style(f"graph--{name}", partial=name in _PARTIAL)
            styles[name] = style
        self._styles = styles
        return styles

    def render_line(self, y: int) -> Strip:
        scroll_x, scroll_y = self.scroll_offset
        width = self.size.width
        styles = self._styles or self._find_styles()
        base = self.rich_style
        row = y + scroll_y - self._origin.y
        left = scroll_x - self._origin.x
        drawn = self.drawn
        dashes = self._dashes.get(row)
        if not (0 <= row < drawn.height) and not dashes:
            return Strip.blank(width, base)
        overlay = self._overlays.get(row)
        segments: list[Segment] = []
        at: int | None = None
        begin = left
        for piece in pieces(drawn, row, left, left + width) if 0 <= row < drawn.height else ():
            if at is None:
                begin = min(piece.x, left)
                at = begin
            if piece.x > at:
                segments.append(Segment(" " * (piece.x - at), base))
            if piece.node is not None:
                segments.extend(self._node_segments(piece, styles))
            elif overlay:
                segments.extend(_overlaid(piece, overlay, styles))
            else:
                segments.append(Segment(piece.text, styles["line"]))
            at = piece.x + piece.width
        end = begin if at is None else at
        if end < left + width:
            segments.append(Segment(" " * (left + width - end), base))
            end = left + width
        if dashes:
            segments = _dash(segments, begin, dashes, styles)
        if self.ascii:
            segments = [Segment(text.translate(ASCII), style) for text, style, _ in segments]
        strip = Strip(segments, end - begin)
        return strip.crop(left - begin, left - begin + width).apply_style(base)

    def _node_segments(self, piece: Piece, styles: dict[str, Style]) -> list[Segment]:
        node = piece.node
        assert node is not None
        drawn = self.drawn
        leaves = ""
        if drawn.has_downstream(node):
            leaves = "right" if drawn.direction == "LR" else "down"
        return box_segments(
            drawn.boxes[node],
            drawn.model.nodes[node].label,
            piece.row,
            drawn.zoom,
            self.looks.get(node, PLAIN),
            leaves,
            self._emphasis(node),
            styles,
        )

    def _emphasis(self, node: str) -> Emphasis:
        cursor = node == self.cursor
        if not (
            cursor
            or node in self._marks
            or node in self._matches
            or node in self._flags
            or node in self._critical
            or node in self._jumps
        ):
            return CALM
        return Emphasis(
            cursor,
            node in self._marks,
            node in self._matches,
            node in self._critical,
            self._flags.get(node, ""),
            self._jumps.get(node, "")[len(self._typed) :],
        )

    # ---- size, keys, mouse ---------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        if self.model.nodes:
            self._relayout(keep_cursor=False)

    def on_resize(self, event: events.Resize) -> None:
        if self.direction == "auto":
            self._relayout()
        else:
            self._place_origin(self._cursor_on_screen() if self._placed else None)

    def action_move(self, way: Way) -> None:
        self.move(way)

    def action_page(self, step: int) -> None:
        self.page(step)

    def action_open(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Opened(self, self.cursor))

    def page(self, step: int) -> None:
        """Move the cursor about one screen down (or up)."""
        if self.cursor is None:
            return
        here = self.drawn.boxes[self.cursor]
        goal = here.y + step * max(self.size.height - 4, 1)
        boxes = self.drawn.boxes
        self.cursor = min(boxes, key=lambda n: (abs(boxes[n].y - goal), abs(boxes[n].x - here.x)))

    def hit(self, x: int, y: int) -> str | None:
        """The node at a cell of the widget, or None."""
        offset = self.scroll_offset
        return self.drawn.node_at(x + offset.x - self._origin.x, y + offset.y - self._origin.y)

    def fit(self) -> None:
        """The largest boxes with which everything is on screen; else the smallest."""
        size = (self.size.width, self.size.height)
        for zoom in (2, 1, 0):
            tried = layout(
                self.model, direction=self.direction, zoom=zoom, viewport=size, previous=self.drawn
            )
            if tried.width <= size[0] - 2 and tried.height <= size[1]:
                break
        self._placed = False
        if zoom == self.zoom:
            self._place_origin(None)
            self.refresh()
        else:
            self.zoom = zoom

    def find(self, text: str) -> list[str]:
        """Light up the nodes whose label or kind holds `text` (upper and lower case alike); nothing for no text."""
        wanted = text.casefold()
        old = self._matches
        found = [
            node
            for node, data in self.drawn.model.nodes.items()
            if wanted and (wanted in data.label.casefold() or wanted in data.kind.casefold())
        ]
        self._matches = set(found)
        self._refresh_nodes(old | self._matches)
        boxes = self.drawn.boxes
        found.sort(key=lambda node: (boxes[node].x, boxes[node].y))
        return found

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
        self._jumps = dict(zip(visible, _labels(len(visible)), strict=True))
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
        if not event.character or not event.is_printable or not hits:
            self.end_jump()
            return
        if typed in hits.values():
            node = next(node for node, label in hits.items() if label == typed)
            self.end_jump()
            self.cursor = node
            return
        everything = set(self._jumps)
        self._jumps = hits
        self._typed = typed
        self._refresh_nodes(everything)

    # ---- mouse ---------------------------------------------------------------------------------------------------

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if event.button != 1:
            return
        node = self.hit(event.x, event.y)
        self._press = (node, event.screen_offset)
        self._panned = False
        self.capture_mouse()
        if node is not None:
            self.cursor = node

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._press is None or event.button != 1:
            return
        node, last = self._press
        if node is None:
            moved = event.screen_offset - last
            if moved:
                self._panned = True
                self.scroll_relative(-moved.x, -moved.y, animate=False)
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


_PARTIAL = frozenset({"strong", "marked", "match", "cursor-name"})


def _labels(count: int) -> list[str]:
    """As many labels, each the shortest that lets none be the beginning of another."""
    letters = JUMP_LETTERS
    if count <= len(letters):
        return list(letters[:count])
    if count <= len(letters) ** 2:
        return [a + b for a in letters for b in letters][:count]
    return [a + b + c for a in letters for b in letters for c in letters][:count]


def _overlaid(piece: Piece, overlay: list[Overlay], styles: Mapping[str, Style]) -> list[Segment]:
    """The lines of a piece with those that are lit or critical in their own style (critical ones double)."""
    parts: list[str | None] = [None] * piece.width
    hit = False
    for first, last, level, part in overlay:
        a, b = max(first - piece.x, 0), min(last - piece.x, piece.width - 1)
        for i in range(a, b + 1):
            # A level line passes under an upright one: that cell shows the other line.
            if level and first != last and piece.text[i] == "│":
                continue
            parts[i] = part
            hit = True
    if not hit:
        return [Segment(piece.text, styles["line"])]
    segments: list[Segment] = []
    begin = 0
    for i in range(1, piece.width + 1):
        if i == piece.width or parts[i] != parts[begin]:
            text = piece.text[begin:i]
            drawn_as = parts[begin] or "line"
            if drawn_as == "critical":
                text = text.translate(DOUBLE)
            segments.append(Segment(text, styles[drawn_as]))
            begin = i
    return segments


_LINES = frozenset(" ─│╭╮╰╯├┤┬┴┼═║╔╗╚╝╠╣╦╩╬")


def _dash(
    segments: list[Segment], begin: int, dashes: Mapping[int, tuple[str, str]], styles: Mapping[str, Style]
) -> list[Segment]:
    """Lay dashed cells over blanks and lines; boxes keep their own cells."""
    result: list[Segment] = []
    x = begin
    for segment in segments:
        text, style, _ = segment
        width = cell_len(text)
        if width != len(text) or not (set(text) <= _LINES) or not any(x <= at < x + width for at in dashes):
            result.append(segment)
        else:
            for i, char in enumerate(text):
                dash = dashes.get(x + i)
                result.append(Segment(dash[0], styles[dash[1]]) if dash else Segment(char, style))
        x += width
    return result
