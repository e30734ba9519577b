"""What is laid over the lines of a picture: links lit up or drawn double, and dashed links that are not in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rich.segment import Segment
from rich.style import Style

from flowtui.dag.graph import Link
from flowtui.dag.layout import Layout
from flowtui.dag.trail import DOUBLE, Busy, dashed, strokes

Run = tuple[int, int, bool, str]  # first and last column, runs level, part
Dash = tuple[str, str]  # character, part


@dataclass(slots=True)
class Overlay:
    """Runs and dashed cells by row of the canvas."""

    runs: dict[int, list[Run]] = field(default_factory=dict)
    dashes: dict[int, dict[int, Dash]] = field(default_factory=dict)
    busy: Busy = field(default_factory=list)

    def rows(self) -> set[int]:
        """All rows on which anything lies."""
        return {*self.runs, *self.dashes}

    def light(self, drawn: Layout, links: Iterable[Link], part: str) -> None:
        """Lay the style `part` over drawn links; where many share a line, it is one."""
        rows: dict[int, set[tuple[int, int]]] = {}
        columns: dict[int, set[tuple[int, int]]] = {}
        for stroke in strokes(drawn, links):
            if stroke.level:
                rows.setdefault(stroke.y0, set()).add((stroke.x0, stroke.x1))
            else:
                columns.setdefault(stroke.x0, set()).add((stroke.y0, stroke.y1))
        for y, spans in rows.items():
            self.runs.setdefault(y, []).extend([(x0, x1, True, part) for x0, x1 in _joined(spans)])
        for x, spans in columns.items():
            for y0, y1 in _joined(spans):
                for y in range(y0, y1 + 1):
                    self.runs.setdefault(y, []).append((x, x, False, part))

    def dash(self, drawn: Layout, source: str, target: str, part: str) -> None:
        """Draw a dashed link that is not in the layout."""
        for (x, y), char in dashed(drawn, source, target, self.busy).items():
            self.dashes.setdefault(y, {})[x] = (char, part)


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans of cells (both ends included), those that meet or overlap as one."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], last)
        else:
            joined.append((first, last))
    return joined


def line_segments(
    x: int,
    text: str,
    runs: list[Run] | None,
    dashes: Mapping[int, Dash] | None,
    styles: Mapping[str, Style],
) -> list[Segment]:
    """Lines and blanks that begin at column x, with what lies over them. `text` has only narrow characters."""
    width = len(text)
    if not width:
        return []
    parts: list[str | None] | None = None
    for first, last, level, part in runs or ():
        a, b = max(first - x, 0), min(last - x, width - 1)
        if a > b:
            continue
        if parts is None:
            parts = [None] * width
        for i in range(a, b + 1):
            # A level line passes under an upright one: that cell shows the other line.
            if not (level and text[i] == "│"):
                parts[i] = part
    chars = text
    if dashes:
        mine = [(at - x, dash) for at, dash in dashes.items() if x <= at < x + width]
        if mine:
            parts = parts or [None] * width
            cells = list(text)
            for i, (char, part) in mine:
                # Nothing that is drawn may be hidden: a dashed line is seen on blanks and over level lines.
                if text[i] == " " or (text[i] == "─" and char == "╎") or text[i] == char:
                    cells[i], parts[i] = char, part
            chars = "".join(cells)
    if parts is None:
        return [Segment(chars, styles["line"])]
    segments = []
    begin = 0
    for i in range(1, width + 1):
        if i == width or parts[i] != parts[begin]:
            drawn_as = parts[begin] or "line"
            run = chars[begin:i]
            segments.append(
                Segment(run.translate(DOUBLE) if drawn_as == "critical" else run, styles[drawn_as])
            )
            begin = i
    return segments
