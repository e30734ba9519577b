"""Reads the links back from a picture, knowing only where the boxes are and how a reader follows a line.

The rule of the flow: leave a box on the side where lines leave, go along any arm of a joint except back where the flow
comes from (never left in a left-to-right picture, never up in a top-to-bottom one), pass under an upright line, and
arrive where an arrow head points into a box. Nothing here is shared with the painter.
"""

from __future__ import annotations

import re
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


PLAIN = str.maketrans("-|,.`'}{T^+>v", "─│╭╮╰╯├┤┬┴┼▸▾")
"""What a reader takes the signs of an ASCII picture for: an upright `|` passes over a level line there, too."""
INSIDE = "\0"
"""Stands for every cell of a box: whatever is drawn there is not a line."""
SAME = "\1"
"""The second half of a wide character."""
WIDE = re.compile("[!-~]?[^ -~─-╿…●○▸▾]+")
"""Signs that may fill more or fewer cells than one, with the letter that they may belong to (a digit on a keycap)."""
RUNS = {way: re.compile("[─│]+" if way in (L, R) else "│+") for way in (L, R, U, D)}
"""What a reader passes without a choice."""


class Picture:
    """Cells of a drawing, by row and by column, the boxes blotted out: wide characters fill two."""

    def __init__(self, lines: Iterable[str], boxes: dict[str, tuple[int, int, int, int]]) -> None:
        self.broken: list[str] = []
        self.inside: dict[int, list[tuple[int, int, str]]] = {}
        for name, (x, y, w, h) in boxes.items():
            for row in range(y, y + h):
                self.inside.setdefault(row, []).append((x, x + w, name))
        self.rows = [_cells(line) for line in lines]
        for y, row in enumerate(self.rows):
            parts: list[str] = []
            at, last = 0, ""
            for x, end, name in sorted(self.inside.get(y, ())):
                if x < at:
                    self.broken.append(f"{name} overlaps {last}")
                parts += [row[at:x].ljust(x - at), INSIDE * (end - max(x, at))]
                at, last = max(at, end), name
            self.rows[y] = "".join([*parts, row[at:]])
        width = max([len(row) for row in self.rows], default=0)
        self.rows = [row.ljust(width) for row in self.rows]
        self.columns = ["".join(column) for column in zip(*self.rows, strict=True)]

    def at(self, x: int, y: int) -> str:
        if 0 <= y < len(self.rows) and 0 <= x < len(self.rows[y]):
            return self.rows[y][x]
        return " "

    def box_at(self, x: int, y: int) -> str | None:
        return next((name for first, end, name in self.inside.get(y, ()) if first <= x < end), None)

    def along(self, x: int, y: int, way: tuple[int, int]) -> tuple[int, int]:
        """The first cell, from this one on, where a line is not simply passed through."""
        line, at = (self.rows[y], x) if way in (L, R) else (self.columns[x], y)
        if way in (R, D):
            run = RUNS[way].match(line, at)
            at = run.end() if run else at
        else:
            passed = RUNS[way].pattern[:-1].strip("[]")
            at = len(line[: at + 1].rstrip(passed)) - 1
        return (at, y) if way in (L, R) else (x, at)


def _cells(line: str) -> str:
    """A row with one character for each cell; signs that join (👩 + 🔬) are as wide as they are together."""
    if all(cell_len(char) == 1 for char in set(line)):
        return line
    return WIDE.sub(lambda run: run[0][0] + SAME * (cell_len(run[0]) - 1) if cell_len(run[0]) else "", line)


def read_links(
    lines: Iterable[str], boxes: dict[str, tuple[int, int, int, int]], direction: str, ascii: bool = False
) -> tuple[set[tuple[str, str]], list[str]]:
    """The links of a picture, and what is broken in it. `boxes` are (x, y, width, height)."""
    picture = Picture((line.translate(PLAIN) for line in lines) if ascii else lines, boxes)
    flow, head = (R, "▸") if direction == "LR" else (D, "▾")
    links: set[tuple[str, str]] = set()
    reader = _Reader(picture, flow, head)
    for name, (x, y, w, h) in boxes.items():
        if direction == "LR":
            exits = [(x + w, y + dy) for dy in range(h)]
        else:
            exits = [(x + dx, y + h) for dx in range(w)]
        for cell in exits:
            char = picture.at(*cell)
            if char == head or (char in ARMS and BACK[flow] in ARMS[char]):
                links.update((name, target) for target in reader.reached((cell, flow)))
    return links, picture.broken


State = tuple[tuple[int, int], tuple[int, int]]
"""A cell, and the way in which it is entered."""


class _Reader:
    """What can be reached from where. Lines that many share are followed once."""

    def __init__(self, picture: Picture, flow: tuple[int, int], head: str) -> None:
        self.picture, self.flow, self.head, self.broken = picture, flow, head, picture.broken
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
        if char == "│" or (char == "─" and going in (L, R)):
            return [(self.picture.along(x, y, going), going)]
        if char == INSIDE:
            self.broken.append(f"a line runs into {self.picture.box_at(x, y)} at {x},{y}")
            return []
        if char == self.head and going == self.flow:
            target = self.picture.box_at(x + going[0], y + going[1])
            if target is None:
                self.broken.append(f"an arrow points at nothing at {x},{y}")
                return []
            self.known[state] = frozenset((target,))
            return []
        if char not in ARMS or BACK[going] not in ARMS[char]:
            self.broken.append(f"a line breaks off at {x},{y} ({char!r})")
            return []
        ways = [way for way in ARMS[char] if way not in (BACK[going], BACK[self.flow])]
        return [((x + way[0], y + way[1]), way) for way in ways]
