"""What goes to the terminal: of each frame only what is otherwise than in the frame before.

Textual paints the whole of every widget that changed, and what lies hidden below it, and sends all of that. Of a cursor
that moves in a wide terminal 25 to 50 kB would be written for each key, which is felt over a slow line; here it is the
cells between the first and the last difference of a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final, TypeAlias

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import Compositor, CompositorUpdate
from textual.geometry import Region, Size
from textual.screen import Screen
from textual.strip import Strip

SURE: Final = (
    "\x20-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e\u2190-\u23ff\u2500-\u25ff\u2700-\u27bf"
)
UNSURE: Final = re.compile(f"[{SURE}]?[^{SURE}]+")
"""Signs that terminals give different widths (emoji made of several, scripts that combine), and the one before them."""
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
            overrun = False
            for x, strip in row.items():
                old = before[x]
                new = old if strip is None else strip
                if new is None or (new is old and not overrun):
                    overrun = False
                    continue
                at, changed = _difference(None if overrun else old, new)
                before[x] = new
                overrun = bool(changed) and any(UNSURE.search(text) for text, *_ in changed)
                if overrun:
                    written += _placed(changed, x + at, y, console)
                elif changed:
                    written += (Control.move_to(x + at, y).segment.text, Strip(changed).render(console))
        return "".join(written)


def _placed(segments: Iterable[Segment], x: int, y: int, console: Console) -> Iterator[str]:
    """Segments from column `x`; whatever width the terminal thinks a sign has, what follows stands where it belongs."""

    def at(column: int, text: str, style: Style | None) -> str:
        return Control.move_to(column, y).segment.text + Strip([Segment(text, style)]).render(console)

    for segment in segments:
        text, style, _ = segment
        here, read = x, 0
        for found in UNSURE.finditer(text):
            if sure := text[read : found.start()]:
                yield at(here, sure, style)
                here += cell_len(sure)
            width = cell_len(found[0])
            yield at(here, " " * width, style)  # the terminal may fill fewer cells than these
            yield at(here, found[0], style)
            here += width
            read = found.end()
        if rest := text[read:]:
            yield at(here, rest, style)
        x += segment.cell_length


def _difference(old: Strip | None, new: Strip) -> tuple[int, list[Segment]]:
    """The cells of `new` that are otherwise than in `old`, and how far from its left they begin."""
    now = new._segments
    if old is None or old.cell_length != new.cell_length:
        return 0, now
    was = old._segments
    if was == now:
        return 0, []
    at, begin, limit = 0, 0, min(len(was), len(now))
    while begin < limit and was[begin] == now[begin]:
        at += now[begin].cell_length
        begin += 1
    end = 0
    while end < limit - begin and was[-1 - end] == now[-1 - end]:
        end += 1
    changed = now[begin : len(now) - end]
    if end and any(UNSURE.search(text) for text, *_ in changed):
        changed = now[begin:]  # it may run over what follows
    return at, changed


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
        batch = self.root is None or self.root.app._batch_count  # then nothing is displayed
        for widget in () if batch else self.visible_widgets:
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
