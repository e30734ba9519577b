"""The cells one link occupies, to light it up, draw it double, or draw a dashed one beside the layout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from flowtui.dag.blocks import Block
from flowtui.dag.graph import Link
from flowtui.dag.layout import Layout

DOUBLE = str.maketrans("─│╭╮╰╯├┤┬┴┼", "═║╔╗╚╝╠╣╦╩╬")


class Stroke(NamedTuple):
    """A straight piece of a line on the canvas: from (x0, y0) to (x1, y1), both ends included, x0 <= x1, y0 <= y1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def level(self) -> bool:
        """True for a stroke that runs from left to right; cells of it that show `│` belong to a line passing over."""
        return self.y0 == self.y1 and self.x0 != self.x1


def strokes(drawn: Layout, links: Iterable[Link]) -> Iterator[Stroke]:
    """The strokes of drawn links; where several share a line, once."""
    lr = drawn.direction == "LR"
    seen: set[tuple[int, int, int]] = set()
    for link in links:
        for step in drawn.steps(*link):
            if step in seen:
                break
            seen.add(step)
            b, v, w = step
            block = drawn.blocks[b]
            for along0, across0, along1, across1 in _steps(block, v, w, lr):
                a0, a1 = (along0, along1) if along0 < along1 else (along1, along0)
                c0, c1 = (across0, across1) if across0 < across1 else (across1, across0)
                if lr:
                    yield Stroke(block.x + a0, block.y + c0, block.x + a1, block.y + c1)
                else:
                    yield Stroke(block.x + c0, block.y + a0, block.x + c1, block.y + a1)


def _steps(block: Block, v: int, w: int, lr: bool) -> Iterator[tuple[int, int, int, int]]:
    """Pieces (along, across, along, across) of the line from vertex v to its neighbour w in the next level."""
    k = block.level[v]
    net = block.net_of[v]
    channel = block.channels[k]
    origin = block.channel_at[k]
    edge = origin + block.channel_size[k] - 1
    row = block.start[v] + block.port[v]
    # Through the level itself, behind the box (a lane runs through all of it).
    size = 0
    if block.ids[v]:
        size = block.boxes[v][0 if lr else 1]
    here = block.layer_at[k] + size
    entry = block.start[w] + block.entries[w][net]
    port = block.start[w] + block.port[w]
    index: int | None = channel.of_net[net][0] if net in channel.of_net else None
    while index is not None:
        trunk = channel.trunks[index]
        column = origin + block.lead + trunk.column
        yield here, row, column, row
        leave = entry if trunk.hop is None else trunk.hop
        yield column, row, column, leave
        here, row, index = column, leave, trunk.after
    if entry == port:
        yield here, row, edge, row
    else:
        merge = edge - 1
        yield here, row, merge, row
        yield merge, row, merge, port
        yield merge, port, edge, port


Busy = list[tuple[int, int, int]]
"""Where dashed lines run already: a row, and its first and last column (from top to bottom the other way round)."""


def dashed(
    drawn: Layout, source: str, target: str, busy: Busy | None = None, outside: int = 1
) -> dict[tuple[int, int], str]:
    """Cells (x, y) of a dashed line that is not part of the layout: a draft link, or the one that closes a cycle.

    It leaves and arrives where a drawn link would, and between keeps to a row (a column, from top to bottom) without
    boxes, so that all of it is seen, and apart from the lines in `busy`, to which it is added, while one of the rows of
    the picture or of the `outside` ones below it is free.
    """
    if source not in drawn.boxes or target not in drawn.boxes:
        return {}
    lr = drawn.direction == "LR"
    a, b = drawn.boxes[source], drawn.boxes[target]
    # Along and across the levels, whatever the direction.
    block = drawn.blocks[a.block]
    leave = (a.x + a.w, a.y + a.h // 2) if lr else (a.y + a.h, a.x + a.w // 2)
    arrive = (b.x - 1, b.y + b.h // 2) if lr else (b.y - 1, b.x + b.w // 2)
    first = (block.x if lr else block.y) + block.layer_at[a.level] + block.layer_size[a.level]
    # The column of the arrow heads: apart from them only level lines pass there.
    last = arrive[0]
    busy = busy if busy is not None else []
    span = min(first, last), max(first, last)
    row = _free_row(drawn, *span, leave[1], arrive[1], busy, outside)
    busy.append((row, *span))
    cells: dict[tuple[int, int], str] = {}
    points = [leave, (first, leave[1]), (first, row), (last, row), (last, arrive[1]), arrive]
    corners = [points[0]]
    for point in points[1:]:
        if point != corners[-1]:
            corners.append(point)
    for (along0, across0), (along1, across1) in pairwise(corners):
        level = (across0 == across1) == lr
        for along in range(min(along0, along1), max(along0, along1) + 1):
            for across in range(min(across0, across1), max(across0, across1) + 1):
                cells[(along, across) if lr else (across, along)] = "╌" if level else "╎"
    for before, here, after in zip(corners, corners[1:], corners[2:], strict=False):
        joint = _corner(before, here, after, lr)
        if joint:
            cells[here if lr else (here[1], here[0])] = joint
    cells[arrive if lr else (arrive[1], arrive[0])] = "▸" if lr else "▾"
    return cells


def _corner(before: tuple[int, int], here: tuple[int, int], after: tuple[int, int], lr: bool) -> str:
    arms = set()
    for other in (before, after):
        along, across = other[0] - here[0], other[1] - here[1]
        dx, dy = (along, across) if lr else (across, along)
        arms.add("R" if dx > 0 else "L" if dx < 0 else "D" if dy > 0 else "U")
    return {"RD": "╭", "DL": "╮", "RU": "╰", "LU": "╯"}.get("".join(sorted(arms, key="RDLU".index)), "")


def _free_row(
    drawn: Layout, first: int, last: int, source: int, target: int, busy: Busy, outside: int
) -> int:
    """The row nearest to both ends that no box covers between two columns (a column, from top to bottom)."""
    lr = drawn.direction == "LR"
    blocked: set[int] = set()
    for box in drawn.boxes.values():
        along, across, length, size = (box.x, box.y, box.w, box.h) if lr else (box.y, box.x, box.h, box.w)
        if along <= last and along + length > first:
            blocked.update(range(across, across + size))
    limit = drawn.height if lr else drawn.width
    free = [row for row in range(limit + outside) if row not in blocked]
    apart = [row for row in free if not any(r == row and a <= last and first <= b for r, a, b in busy)]
    return min(apart or free, key=lambda r: (abs(r - source) + abs(r - target), -r))
