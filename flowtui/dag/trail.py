"""The cells one link occupies, to light it up, draw it double, or draw a dashed one beside the layout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from flowtui.dag.graph import Link
from flowtui.dag.layout import Block, Layout

DOUBLE = str.maketrans("─│╭╮╰╯├┤┬┴┼", "═║╔╗╚╝╠╣╦╩╬")


@dataclass(frozen=True, slots=True)
class Stroke:
    """A straight piece of a line on the canvas: from (x0, y0) to (x1, y1), both ends included, x0 <= x1, y0 <= y1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def level(self) -> bool:
        """True for a stroke that runs from left to right; cells of it that show `│` belong to a line passing over."""
        return self.y0 == self.y1 and self.x0 != self.x1


def strokes(drawn: Layout, link: Link) -> Iterator[Stroke]:
    """The strokes of a drawn link from its source to its target."""
    path = drawn.path(*link)
    lr = drawn.direction == "LR"
    for (b, v), (_, w) in pairwise(path):
        block = drawn.blocks[b]
        for along0, across0, along1, across1 in _steps(block, v, w, lr):
            a0, a1 = sorted((along0, along1))
            c0, c1 = sorted((across0, across1))
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
    if v < block.real:
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


def dashed(drawn: Layout, source: str, target: str) -> dict[tuple[int, int], str]:
    """Cells (x, y) of a dashed line that is not part of the layout: a draft link, or the one that closes a cycle.

    It passes behind the boxes; a line to an earlier level runs below both of its ends.
    """
    if source not in drawn.boxes or target not in drawn.boxes:
        return {}
    a, b = drawn.boxes[source], drawn.boxes[target]
    cells: dict[tuple[int, int], str] = {}

    def run(x0: int, x1: int, y: int) -> None:
        for x in range(min(x0, x1), max(x0, x1) + 1):
            cells[x, y] = "╌"

    def climb(x: int, y0: int, y1: int) -> None:
        for y in range(min(y0, y1), max(y0, y1) + 1):
            cells[x, y] = "╎"

    ax, ay = a.x + a.w, a.y + a.h // 2
    by = b.y + b.h // 2
    if drawn.direction == "LR" and ax < b.x - 1:
        bend = b.x - 2 if ay != by else b.x - 1
        run(ax, bend, ay)
        if ay != by:
            climb(bend, ay, by)
            cells[bend, ay] = "╮" if by > ay else "╯"
            cells[bend, by] = "╰" if by > ay else "╭"
        cells[b.x - 1, by] = "▸"
        return cells
    if drawn.direction == "TB" and a.y + a.h < b.y:
        ax, bx = a.x + a.w // 2, b.x + b.w // 2
        bend = b.y - 2 if b.y - 2 >= a.y + a.h else b.y - 1
        climb(ax, a.y + a.h, bend)
        if ax != bx:
            run(ax, bx, bend)
            cells[ax, bend] = "╰" if bx > ax else "╯"
            cells[bx, bend] = "╮" if bx > ax else "╭"
        cells[bx, b.y - 1] = "▾"
        return cells
    floor = max(a.y + a.h, b.y + b.h)
    ax, bx = a.x + a.w // 2, b.x + b.w // 2
    if ax == bx:
        bx = b.x + b.w // 2 - 1 if b.w > 1 else ax - 1
    climb(ax, a.y + a.h, floor)
    climb(bx, b.y + b.h, floor)
    run(ax, bx, floor)
    cells[ax, floor] = "╯" if ax > bx else "╰"
    cells[bx, floor] = "╰" if ax > bx else "╯"
    cells[bx, b.y + b.h] = "▴" if floor > b.y + b.h else cells[bx, floor]
    if floor == b.y + b.h:
        cells[bx, floor] = "▴"
    return cells
