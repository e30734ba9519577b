"""What goes to the terminal: of each frame only what is otherwise than in the frame before.

Textual paints the whole of every widget that changed, and what lies hidden below it, and sends all of that. Of a cursor
that moves in a wide terminal 25 to 50 kB would be written for each key, which is felt over a slow line; here it is the
cells between the first and the last difference of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

from rich.console import Console
from rich.control import Control
from textual._compositor import Compositor, CompositorUpdate
from textual.geometry import Region, Size
from textual.screen import Screen
from textual.strip import Strip

Row: TypeAlias = dict[int, Strip | None]
"""Pieces of a row by the column where they begin; None where nothing is known, or nothing was painted."""


class Shown:
    """What the terminal shows, as far as it is known."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.size = Size(0, 0)

    def forget(self) -> None:
        """Somebody else has written to the terminal: all of the next frame is sent."""
        self.rows.clear()


class Change(CompositorUpdate):
    """The rows of a frame, to be compared with what is shown at the moment when they are written."""

    def __init__(self, shown: Shown, size: Size, rows: Mapping[int, Row]) -> None:
        self.shown, self.size, self.rows = shown, size, rows

    def render_segments(self, console: Console) -> str:
        """The control sequences and texts that bring the terminal up to date."""
        shown = self.shown
        if shown.size != self.size:
            shown.forget()
            shown.size = self.size
        written: list[str] = []
        for y, row in self.rows.items():
            before = shown.rows.get(y)
            if before is None or before.keys() != row.keys():
                # Widgets have come or gone, and with them the columns at which the row is cut.
                before = shown.rows[y] = dict.fromkeys(row)
            for x, strip in row.items():
                if strip is None:
                    continue
                old = before[x]
                if old is not strip:
                    before[x] = strip
                    at, rest = _difference(old, strip)
                    if rest:
                        written += (Control.move_to(x + at, y).segment.text, rest.render(console))
        return "".join(written)


def _difference(old: Strip | None, new: Strip) -> tuple[int, Strip | None]:
    """The cells of `new` that are otherwise than in `old`, and how far from its left they begin."""
    if old is None or old.cell_length != new.cell_length:
        return 0, new
    was, now = old._segments, new._segments
    if was == now:
        return 0, None
    at, begin, limit = 0, 0, min(len(was), len(now))
    while begin < limit and was[begin] == now[begin]:
        at += now[begin].cell_length
        begin += 1
    end = 0
    while end < limit - begin and was[-1 - end] == now[-1 - end]:
        end += 1
    return at, Strip(now[begin : len(now) - end])


class Frames(Compositor):
    """A compositor that leaves out what is hidden or known to be shown."""

    def __init__(self, shown: Shown) -> None:
        super().__init__()
        self._shown = shown

    def render_full_update(self, simplify: bool = False) -> CompositorUpdate:  # type: ignore[override]
        if simplify:  # for a picture in a file
            return super().render_full_update(simplify=True)
        self._dirty_regions.clear()
        rows = self._paint({y: [(0, self.size.width)] for y in range(self.size.height)})
        for widget in self.visible_widgets:
            if not isinstance(widget, Screen):
                # What it asked for is done; left to itself it would be painted again in a frame of its own.
                widget._repaint_required = False
                widget._repaint_regions.clear()
        return Change(self._shown, self.size, rows)

    def render_partial_update(self) -> CompositorUpdate | None:  # type: ignore[override]
        regions = [region.intersection(self.size.region) for region in self._dirty_regions]
        self._dirty_regions.clear()
        wanted: dict[int, list[tuple[int, int]]] = {}
        for y, begin, end in self._regions_to_spans(regions):
            wanted.setdefault(y, []).append((begin, end))
        return Change(self._shown, self.size, self._paint(wanted)) if wanted else None

    def _render_chops(
        self, crop: Region, is_rendered_line: Callable[[int], bool]
    ) -> Sequence[Mapping[int, Strip]]:
        spans = [(crop.x, crop.right)]
        rows = self._paint({y: spans for y in crop.line_range if is_rendered_line(y)})
        empty: Row = {}
        return [rows.get(y, empty) for y in range(self.size.height)]  # type: ignore[misc]

    def _paint(self, wanted: Mapping[int, Iterable[tuple[int, int]]]) -> dict[int, Row]:
        """The pieces of rows that reach into the columns wanted of each; those in front hide those behind."""
        cuts = self.cuts
        rows: dict[int, Row] = {}
        missing: dict[int, set[int]] = {}
        for y, spans in wanted.items():
            begins = cuts[y]
            rows[y] = dict.fromkeys(begins[:-1])
            missing[y] = {
                begin
                for begin, end in pairwise(begins)
                if any(begin < right and end > left for left, right in spans)
            }
        for widget, (region, clip) in self.visible_widgets.items():
            x, top, width, height = region.intersection(clip)
            right = x + width
            needed = [
                y
                for y in range(top, top + height)
                if (open_ := missing.get(y)) and any(x <= cut < right for cut in open_)
            ]
            if not needed:
                continue
            first = needed[0]
            crop = Region(x - region.x, first - region.y, width, needed[-1] + 1 - first)
            strips = widget.render_lines(crop)
            for y in needed:
                if y - first >= len(strips):
                    break
                row, open_ = rows[y], missing[y]
                inner = [cut for cut in cuts[y] if x <= cut <= right]
                pieces = strips[y - first].divide([cut - x for cut in inner[1:]])
                for cut, piece in zip(inner, pieces, strict=False):
                    if cut in open_:
                        open_.remove(cut)
                        row[cut] = piece
        return rows
