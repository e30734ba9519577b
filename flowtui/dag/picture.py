"""What is seen of a layout: its rows in the colours of the theme, what is laid over them, and the map in the corner."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import groupby
from typing import Literal, NamedTuple

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Offset, Region, Size
from textual.reactive import reactive
from textual.strip import Strip

from flowtui.dag.brush import CALM, Emphasis, box_segments
from flowtui.dag.fold import Tally, View
from flowtui.dag.graph import PLAIN, GraphModel, Link, Look
from flowtui.dag.ground import Ground, Title, by_row, grounds_of, titles_of
from flowtui.dag.layout import Direction, Layout, layout
from flowtui.dag.minimap import minimap, scaled_size
from flowtui.dag.overlay import Overlay, line_segments
from flowtui.dag.paint import ASCII, Piece, pieces
from flowtui.dag.theme import styles_of
from flowtui.scrolled import QuickLines, SteadyView, size_up

MARGIN_X, MARGIN_Y = 2, 1
SPARE = 12
MAP_WIDTH, MAP_HEIGHT = 28, 9
ROWS_KEPT, BOXES_KEPT = 1000, 10_000

Switch = Literal["auto", "on", "off"]


class Frame(NamedTuple):
    """What all lines of one frame have in common."""

    offset: Offset
    width: int
    styles: dict[str, Style]
    map: Region | None


class OnMap(NamedTuple):
    """What a line that the map covers a part of was painted for, besides what is below the map."""

    y: int
    region: Region | None
    cells: list[list[str | None]] | None

    def still(self, y: int, region: Region | None, cells: list[list[str | None]] | None) -> bool:
        """Whether the line would look the same."""
        return cells is not None and self.cells is cells and (self.y, self.region) == (y, region)


class Picture(QuickLines, SteadyView):
    """A layout by the line API. It holds what is drawn and what is marked; `Stage` makes the layouts."""

    cursor: reactive[str | None] = reactive(None)
    zoom: reactive[int] = reactive(2, init=False)
    direction: reactive[Direction] = reactive("LR", init=False)
    fold: reactive[Switch] = reactive("auto", init=False)
    show_map: reactive[Switch] = reactive("auto", init=False)
    ascii: reactive[bool] = reactive(False, init=False)

    def __init__(
        self,
        *,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
        disabled: bool = False,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self.model = GraphModel()
        self.looks: dict[str, Look] = {}
        self.view = View(GraphModel())
        self.drawn: Layout = layout(GraphModel())
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
        self._styles: dict[str, Style] = {}
        self._frame = Frame(Offset(), 0, {}, None)
        # Rows of the canvas and boxes as they were painted last, until something about them changes.
        self._rows: dict[int, list[Segment]] = {}
        self._strips: dict[int, tuple[list[Segment], Strip, OnMap | None]] = {}
        self._cuts: dict[tuple[str, int], tuple[list[Segment], list[Segment]]] = {}
        self._plans: dict[int, list[Segment | Piece]] = {}
        self._rows_span = (0, 0)
        self._painted: dict[tuple[str, int], list[Segment]] = {}
        self._origin = Offset(MARGIN_X, MARGIN_Y)
        self._placed = False
        self._grounds: dict[int, list[Ground]] = {}
        self._titles: dict[int, list[Title]] = {}
        self._map_cells: list[list[str | None]] | None = None

    def look_of(self, node: str) -> Look:
        """How a node of the picture looks now; one that stands for several, how they do together."""
        tally = self._tallies.get(node)
        if tally is None:
            return self.looks.get(node, PLAIN)
        look = self._tallied.get(node)
        if look is None:
            look = self._tallied[node] = tally.look()
        return look

    # ---- where it lies ------------------------------------------------------------------------------------------

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
        moved = self._origin != (x, y)
        self._origin = Offset(x, y)
        self._placed = True
        size_up(
            self,
            Size(
                max(x + drawn.width + (MARGIN_X if room_x < 2 * MARGIN_X else 0), 1),
                max(y + drawn.height + (MARGIN_Y if room_y < 2 * MARGIN_Y else 0), 1),
            ),
        )
        if moved:
            self.refresh()
        if wanted is not None:
            self.scroll_to(x - wanted.x, y - wanted.y, animate=False, force=True, immediate=True)
        # Who is seen where they were stays there, even close to an edge.
        self._keep_in_view(room=wanted is None)

    def _keep_in_view(self, room: bool = True) -> None:
        box = self.drawn.boxes.get(self.cursor) if self.cursor is not None else None
        if box is None or not self._placed:
            return
        region = Region(box.x + self._origin.x, box.y + self._origin.y, box.w, box.h)
        if room:
            region = region.grow((1, 4, 1, 4))
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
        self._repaint()

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
        self._grounds = by_row(grounds_of(self.drawn, self.view.collapsed))
        # Boxes have room for the name of their group.
        self._titles = titles_of(self.drawn, self._grounds) if self._grounds and self.drawn.zoom < 2 else {}
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

    def _repaint(self) -> None:
        """Paint everything anew."""
        self._rows.clear()
        self._plans.clear()
        self._painted.clear()
        self.refresh()

    def _forget(self, nodes: Iterable[str | None]) -> None:
        """Nodes look different now: what was painted of them does not hold any more."""
        for node in nodes:
            box = self.drawn.boxes.get(node) if node is not None else None
            if box is not None and node is not None:
                for row in range(box.h):
                    self._painted.pop((node, row), None)
                    self._rows.pop(box.y + row, None)

    def _refresh_nodes(self, nodes: Collection[str]) -> None:
        """Repaint the rows of nodes, as far as they are on screen."""
        self._forget(nodes)
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
        self._refresh_rows(rows, lines=False)

    def _refresh_rows(self, rows: Collection[int], lines: bool = True) -> None:
        """Repaint rows of the canvas; without `lines`, only boxes in them look different."""
        for row in rows:
            self._rows.pop(row, None)
            if lines:
                self._plans.pop(row, None)
        top = self.scroll_offset.y - self._origin.y
        height, width = self.size.height, self.size.width
        visible = sorted([y - top for y in rows if 0 <= y - top < height])
        if len(visible) == height:
            self.refresh()
            return
        runs: list[Region] = []
        first = 0
        for i, y in enumerate(visible, 1):
            if i == len(visible) or visible[i] != y + 1:
                runs.append(Region(0, visible[first], width, y + 1 - visible[first]))
                first = i
        if runs:
            self.refresh(*runs)

    def watch_has_focus(self, _has_focus: bool) -> None:
        """The picture looks the same with the keyboard and without: nothing is styled or painted anew."""

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles = {}
        self._rows.clear()
        self._plans.clear()
        self._painted.clear()

    def _found_styles(self) -> dict[str, Style]:
        self._styles = styles_of(self)
        return self._styles

    def render_lines(self, crop: Region) -> list[Strip]:
        # What holds for all lines of a frame is found once: properties of a widget are slow to read.
        self._frame = Frame(
            self.scroll_offset - self._origin,
            self.size.width - self.scrollbar_size_vertical,
            self._styles or self._found_styles(),
            self._map_region(),
        )
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        frame = self._frame
        styles, width = frame.styles, frame.width
        if not self.drawn.boxes and y == self.size.height // 2 and self.model.nodes:
            text = f" drawing {len(self.model.nodes):,} jobs …"
            return Strip([Segment(text, styles["dim"])]).adjust_cell_length(width, styles["base"])
        row = y + frame.offset.y
        painted = segments = self._row(row, (frame.offset.x, frame.offset.x + width), styles)
        mapped = frame.map is not None and frame.map.y <= y < frame.map.bottom
        known = self._strips.get(row)
        if known is not None and known[0] is painted:
            on_map = known[2]
            if (
                on_map is None
                if not mapped
                else on_map is not None and on_map.still(y, frame.map, self._map_cells)
            ):
                return known[1]
        if frame.map is not None and mapped:
            below = Strip(segments, width)
            after = below.crop(frame.map.right, width) if frame.map.right < width else ()
            segments = [*below.crop(0, frame.map.x), *self._map_row(y - frame.map.y, frame.map), *after]
        if self.ascii:
            segments = [Segment(text.translate(ASCII), style) for text, style, _ in segments]
        strip = Strip(segments, width)
        self._strips[row] = painted, strip, OnMap(y, frame.map, self._map_cells) if mapped else None
        return strip

    def _row(self, row: int, span: tuple[int, int], styles: Mapping[str, Style]) -> list[Segment]:
        """A row of the canvas between two columns."""
        if span != self._rows_span or len(self._rows) > ROWS_KEPT:
            self._rows.clear()
            self._strips.clear()
            self._plans.clear()
            self._cuts.clear()
            self._rows_span = span
        segments = self._rows.get(row)
        if segments is not None:
            return segments
        plan = self._plans.get(row)
        if plan is None:
            plan = self._plans[row] = self._plan(row, *span, styles)
        segments = self._rows[row] = []
        left, right = span
        for part in plan:
            if isinstance(part, Segment):
                segments.append(part)
                continue
            box = self._node_segments(part, styles)
            x, width = part.x, part.width
            if x < left or x + width > right:
                box = self._cut_box(part, box, left, right)
            segments.extend(box)
        for area, _, tint in self._grounds.get(row, ()):
            if area.x < right and area.right > left:
                cells = area.x - left, area.right - left
                segments[:] = _tinted(segments, *cells, right - left, styles, f"group-{tint}")
        for title in self._titles.get(row, ()):
            if left <= title.x and title.x + cell_len(title.text) <= right:
                segments[:] = _titled(segments, title, title.x - left, right - left, styles)
        return segments

    def _cut_box(self, part: Piece, box: list[Segment], left: int, right: int) -> list[Segment]:
        """A box that is on the screen in part only."""
        assert part.node is not None
        known = self._cuts.get((part.node, part.row))
        if known is not None and known[0] is box:
            return known[1]
        cut = list(Strip(box, part.width).crop(max(left - part.x, 0), min(right - part.x, part.width)))
        self._cuts[part.node, part.row] = box, cut
        return cut

    def _plan(self, row: int, left: int, right: int, styles: Mapping[str, Style]) -> list[Segment | Piece]:
        """A row with its lines painted and its boxes still to come."""
        plan: list[Segment | Piece] = []
        runs = self._lit.runs.get(row)
        dashes = self._dashes.dashes.get(row)
        # Lines and blanks are gathered up to the next node: few segments make a cheap frame.
        waiting: list[str] = []
        begin = at = left

        def flush() -> None:
            text = "".join(waiting)
            waiting.clear()
            if runs or dashes:
                plan.extend(line_segments(begin, text, runs, dashes, styles))
            elif text:
                plan.append(Segment(text, styles["line"]))

        for piece in pieces(self.drawn, row, left, right) if 0 <= row < self.drawn.height else ():
            x, width = piece.x, piece.width
            if x + width <= left or x >= right:  # beside a box that sticks out
                continue
            if x > at:
                waiting.append(" " * (x - at))
            if piece.node is None:
                inside = x >= left and x + width <= right
                waiting.append(piece.text if inside else piece.text[max(left - x, 0) : right - x])
            else:
                flush()
                plan.append(piece)
                begin = x + width
            at = x + width
        if at < right:
            waiting.append(" " * (right - at))
        if waiting:
            flush()
        return plan

    def _node_segments(self, piece: Piece, styles: Mapping[str, Style]) -> list[Segment]:
        node = piece.node
        assert node is not None
        kept = self._painted.get((node, piece.row))
        if kept is not None:
            return kept
        if len(self._painted) > BOXES_KEPT:
            self._painted.clear()
        drawn = self.drawn
        leaves = ""
        if drawn.has_downstream(node):
            leaves = "right" if drawn.direction == "LR" else "down"
        label = drawn.model.nodes[node].label
        look = self.look_of(node)
        segments = box_segments(
            drawn.boxes[node], label, piece.row, drawn.zoom, look, leaves, self._emphasis(node), styles
        )
        self._painted[node, piece.row] = segments
        return segments

    def _emphasis(self, node: str) -> Emphasis:
        jump = self._jumps.get(node, "")
        flag = self._flags.get(node, "")
        cursor, marked = node == self.cursor, node in self._marks
        match, critical = node in self._matches, node in self._critical
        tag = self.drawn.model.groups.get(node, "") if node not in self.view.collapsed else ""
        if not (cursor or marked or match or critical or flag or jump or tag):
            return CALM
        return Emphasis(cursor, marked, match, critical, flag, jump[len(self._typed) :], tag)

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
        for (state, seen), cells in groupby(
            (state, here and first <= x <= last) for x, state in enumerate(self._map_cells[y - 1])
        ):
            style = styles.get(state or "", frame)
            urgent = state in ("failed", "problem", "active")
            cell = "■" if urgent else "▪" if state else " "
            segments.append(Segment(cell * sum(1 for _ in cells), style + styles["match"] if seen else style))
        return [*segments, Segment("│", frame)]


def _tinted(
    segments: list[Segment], first: int, last: int, width: int, styles: Mapping[str, Style], part: str
) -> list[Segment]:
    """A row with the ground of a group from cell `first` to before `last`; what has a ground of its own keeps it."""
    ground, tint = styles["base"].bgcolor, styles[part]
    first, last = max(first, 0), min(last, width)
    row = Strip(segments, width)
    middle = [
        Segment(text, own + tint if own is not None and own.bgcolor in (ground, None) else own)
        for text, own, _ in row.crop(first, last)
    ]
    return [*row.crop(0, first), *middle, *row.crop(last, width)]


def _titled(
    segments: list[Segment], title: Title, at: int, width: int, styles: Mapping[str, Style]
) -> list[Segment]:
    """A row with the name of a group, unless a dashed line runs there."""
    end = at + cell_len(title.text)
    row = Strip(segments, width)
    if row.crop(at, end).text.strip():
        return segments
    name = Segment(title.text, styles["dim"] + styles["strong"] + styles[f"group-{title.tint}"])
    return [*row.crop(0, at), name, *row.crop(end, width)]


def _origin_along(room: int, margin: int, wanted: int | None) -> int:
    """The first cell of the picture in one direction, with `room` cells to spare."""
    if room < 2 * margin:
        # At the very edge nothing can be scrolled: a little more margin keeps the cursor in its place.
        return min(max(wanted or 0, margin), margin + SPARE)
    if wanted is None:
        return max(room // 2, margin)
    return min(max(wanted, margin), room - margin)
