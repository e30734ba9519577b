"""Coordinates across the levels: as straight as the order allows, in as few rows as the widest level needs.

For one level, with its neighbours fixed, the total distance between where the nodes are and where their links would
have them is a sum of absolute values, and the order with the sizes is a chain of inequalities: isotonic regression in
the L1 norm, solved exactly by the slope trick (a heap of the places where the slope changes).
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush

Pull = tuple[int, int, int]  # neighbour, wanted start minus the neighbour's start, weight


def place(
    layers: Sequence[Sequence[int]],
    size: Sequence[int],
    gap: Sequence[int],
    before: Sequence[Sequence[Pull]],
    after: Sequence[Sequence[Pull]],
    rounds: int = 3,
) -> list[int]:
    """The start of every node across its level, from 0. `gap` is the free space a node wants behind it."""
    start = [0] * len(size)
    extent = 0
    for layer in layers:
        at = 0
        end = 0
        for v in layer:
            start[v] = at
            end = at + size[v]
            at = end + gap[v]
        extent = max(extent, end)
    last = len(layers) - 1
    for turn in range(rounds):
        final = turn == rounds - 1
        for k in range(1, last + 1):
            _solve(layers[k], size, gap, start, (before,), extent)
        if final:
            for k in range(last, -1, -1):
                _solve(layers[k], size, gap, start, (before, after), extent)
            for k in range(last + 1):
                _solve(layers[k], size, gap, start, (before, after), extent)
        else:
            for k in range(last - 1, -1, -1):
                _solve(layers[k], size, gap, start, (after,), extent)
    lowest = min(start, default=0)
    return [s - lowest for s in start] if lowest else start


def _solve(
    layer: Sequence[int],
    size: Sequence[int],
    gap: Sequence[int],
    start: list[int],
    sides: tuple[Sequence[Sequence[Pull]], ...],
    extent: int,
) -> None:
    """Give one level its best starts while its neighbours stay."""
    heap: list[int] = []  # negated: the places where the slope of the cost changes, rightmost first
    best: list[int | None] = []
    shift = 0
    shifts = []
    for v in layer:
        count = 0
        for side in sides:
            for other, offset, weight in side[v]:
                wanted = -(start[other] + offset - shift)
                for _ in range(weight):
                    heappush(heap, wanted)
                    heappush(heap, wanted)
                count += weight
        if count:
            popped = 0
            for _ in range(count):
                popped = heappop(heap)
            best.append((-popped - heap[0]) // 2)
        else:
            best.append(-heap[0] if heap else None)
        shifts.append(shift)
        shift += size[v] + gap[v]
    highest = extent - (shift - gap[layer[-1]]) if layer else 0
    value: int | None = None
    for i in range(len(layer) - 1, -1, -1):
        own = best[i]
        if own is not None and (value is None or own < value):
            value = own
        v = layer[i]
        if value is None:
            # Nothing here or behind pulls: stay, but inside the picture.
            here = min(start[v] - shifts[i], highest)
        else:
            here = min(value, highest)
        start[v] = max(here, 0) + shifts[i]
