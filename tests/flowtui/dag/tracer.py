"""Reads the links back from a picture, knowing only where the boxes are and how a reader follows a line.

The rule of the flow: leave a box on the side where lines leave, go along any arm of a joint except back where the flow
comes from (never left in a left-to-right picture, never up in a top-to-bottom one), pass under an upright line, and
arrive where an arrow head points into a box. Nothing here is shared with the painter.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len

L, R, U, D = (-1, 0), (1, 0), (0, -1), (0, 1)
ARMS = {
    "─": {L, R},
    "│": {U, D},
    "╭": {R, D},
    "╮": {L, D},
    "╰": {R, U},
    "╯": {L, U},
    "├": {U, D, R},
    "┤": {U, D, L},
    "┬": {L, R, D},
    "┴": {L, R, U},
    "┼": {L, R, U, D},
}
BACK = {L: R, R: L, U: D, D: U}


class Picture:
    """Cells of a drawing: wide characters fill two."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.rows: list[list[str]] = []
        for line in lines:
            cells: list[str] = []
            for char in line:
                width = cell_len(char)
                if width == 0 and cells:
                    cells[-1] += char
                else:
                    cells.extend([char, *[""] * (width - 1)])
            self.rows.append(cells)

    def at(self, x: int, y: int) -> str:
        if 0 <= y < len(self.rows) and 0 <= x < len(self.rows[y]):
            return self.rows[y][x]
        return " "


def read_links(
    lines: Iterable[str], boxes: dict[str, tuple[int, int, int, int]], direction: str
) -> tuple[set[tuple[str, str]], list[str]]:
    """The links of a picture, and what is broken in it. `boxes` are (x, y, width, height)."""
    picture = Picture(lines)
    flow, head = (R, "▸") if direction == "LR" else (D, "▾")
    covered: dict[tuple[int, int], str] = {}
    broken: list[str] = []
    for name, (x, y, w, h) in boxes.items():
        for dy in range(h):
            for dx in range(w):
                other = covered.setdefault((x + dx, y + dy), name)
                if other != name:
                    broken.append(f"{name} overlaps {other}")
    links: set[tuple[str, str]] = set()
    for name, (x, y, w, h) in boxes.items():
        if direction == "LR":
            exits = [(x + w, y + dy) for dy in range(h)]
        else:
            exits = [(x + dx, y + h) for dx in range(w)]
        for cell in exits:
            char = picture.at(*cell)
            leads_away = char in ARMS and BACK[flow] in ARMS[char] and cell not in covered
            if leads_away or char == head:
                _walk(picture, covered, name, cell, flow, head, links, broken)
    return links, broken


def _walk(
    picture: Picture,
    covered: dict[tuple[int, int], str],
    name: str,
    start: tuple[int, int],
    flow: tuple[int, int],
    head: str,
    links: set[tuple[str, str]],
    broken: list[str],
) -> None:
    stack = [(start, flow)]
    seen = set(stack)
    while stack:
        (x, y), going = stack.pop()
        char = picture.at(x, y)
        if (x, y) in covered:
            broken.append(f"a line from {name} runs into {covered[x, y]} at {x},{y}")
            continue
        if char == head and going == flow:
            target = covered.get((x + flow[0], y + flow[1]))
            if target is None:
                broken.append(f"an arrow from {name} points at nothing at {x},{y}")
            else:
                links.add((name, target))
            continue
        if char == "│" and going in (L, R):
            ways = [going]
        elif char in ARMS and BACK[going] in ARMS[char]:
            ways = [way for way in ARMS[char] if way not in (BACK[going], BACK[flow])]
        else:
            broken.append(f"a line from {name} breaks off at {x},{y} ({char!r})")
            continue
        for way in ways:
            state = ((x + way[0], y + way[1]), way)
            if state not in seen:
                seen.add(state)
                stack.append(state)
