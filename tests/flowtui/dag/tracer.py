"""Reads the links back from a picture, knowing only where the boxes are and how a reader follows a line.

The rule of the flow: leave a box on the side where lines leave, go along any arm of a joint except back where the flow
comes from (never left in a left-to-right picture, never up in a top-to-bottom one), pass under an upright line, and
arrive where an arrow head points into a box. Nothing here is shared with the painter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
        self.rows: list[Sequence[str]] = []
        for line in lines:
            if all(cell_len(char) == 1 for char in set(line)):
                self.rows.append(line)
                continue
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
    reader = _Reader(picture, covered, flow, head, broken)
    for name, (x, y, w, h) in boxes.items():
        if direction == "LR":
            exits = [(x + w, y + dy) for dy in range(h)]
        else:
            exits = [(x + dx, y + h) for dx in range(w)]
        for cell in exits:
            char = picture.at(*cell)
            leads_away = char in ARMS and BACK[flow] in ARMS[char] and cell not in covered
            if leads_away or char == head:
                links.update((name, target) for target in reader.reached((cell, flow)))
    return links, broken


State = tuple[tuple[int, int], tuple[int, int]]
"""A cell, and the way in which it is entered."""


class _Reader:
    """What can be reached from where. Lines that many share are followed once."""

    def __init__(
        self,
        picture: Picture,
        covered: dict[tuple[int, int], str],
        flow: tuple[int, int],
        head: str,
        broken: list[str],
    ) -> None:
        self.picture, self.covered, self.flow, self.head, self.broken = picture, covered, flow, head, broken
        self.known: dict[State, frozenset[str]] = {}

    def reached(self, start: State) -> frozenset[str]:
        """The boxes that a reader arrives at."""
        under_way: dict[State, list[State]] = {}
        todo = [start]
        while todo:
            state = todo[-1]
            if state in self.known:
                todo.pop()
            elif state in under_way:
                todo.pop()
                nexts = [self.known.get(each, frozenset()) for each in under_way[state]]
                self.known[state] = nexts[0] if len(nexts) == 1 else frozenset().union(*nexts)
            else:
                nexts = under_way[state] = self._after(state)
                for each in nexts:
                    if each in under_way and each not in self.known:
                        self.broken.append(f"a line runs in a ring at {each[0]}")
                    else:
                        todo.append(each)
        return self.known[start]

    def _after(self, state: State) -> list[State]:
        """Where a reader goes on from here; an arrival is noted at once."""
        (x, y), going = state
        char = self.picture.at(x, y)
        if (x, y) in self.covered:
            self.broken.append(f"a line runs into {self.covered[x, y]} at {x},{y}")
            return []
        if char == self.head and going == self.flow:
            target = self.covered.get((x + self.flow[0], y + self.flow[1]))
            if target is None:
                self.broken.append(f"an arrow points at nothing at {x},{y}")
                return []
            self.known[state] = frozenset((target,))
            return []
        if char == "│" and going in (L, R):
            ways = [going]
        elif char in ARMS and BACK[going] in ARMS[char]:
            ways = [way for way in ARMS[char] if way not in (BACK[going], BACK[self.flow])]
        else:
            self.broken.append(f"a line breaks off at {x},{y} ({char!r})")
            return []
        return [((x + way[0], y + way[1]), way) for way in ways]
