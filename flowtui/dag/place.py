"""Coordinates across the levels: as straight as the order allows, in as few rows as the widest level needs.

For one level, with its neighbours fixed, the total distance between where the nodes are and where their links would
have them is a sum of absolute values, and the order with the sizes is a chain of inequalities: isotonic regression in
the L1 norm, solved exactly by the slope trick (a heap of the places where the slope changes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappush, heappushpop
from itertools import pairwise
from operator import add

Pull = tuple[int, int, int]  # neighbour, wanted start minus the neighbour's start, weight


def place(
    layers: Sequence[Sequence[int]],
    size: Sequence[int],
    gap: Sequence[int],
    before: Sequence[list[Pull]],
    after: Sequence[list[Pull]],
    start: Sequence[int] | None = None,
    rounds: int = 3,
    room: int = 0,
) -> list[int]:
    """The start of every node across its level, from 0. `gap` is the free space a node wants behind it.

    With `start`, places from before an edit, the answer stays near them and is found sooner. `rounds` counts the sweeps
    there and back before the last; `room` is added to the extent of the widest level, for straighter lines.
    """
    both = [b + a for b, a in zip(before, after, strict=True)]
    extent = 0
    packed = [0] * len(size)
    for layer in layers:
        at = 0
        end = 0
        for v in layer:
            packed[v] = at
            end = at + size[v]
            at = end + gap[v]
        extent = max(extent, end)
    places = list(start) if start is not None else packed
    forward, backward = list(layers), list(reversed(layers))
    extent += room
    if start is None:
        for side, turn in ((before, forward), (after, backward)) * rounds + ((before, forward),):
            for layer in turn[1:]:
                _solve(layer, size, gap, places, side, extent)
    for turn in (backward, forward):
        for layer in turn:
            _solve(layer, size, gap, places, both, extent)
    lowest = min(places, default=0)
    return [at - lowest for at in places] if lowest else places


def stay(
    layers: Sequence[Sequence[int]],
    size: Sequence[int],
    gap: Sequence[int],
    pulls: Mapping[int, list[Pull]],
    start: Sequence[int],
) -> list[int]:
    """Leave everybody where they were before an edit; who is new has `pulls`, comes near its neighbours, may push."""
    places = list(start)
    room = list(map(add, size, gap))
    extent = max(map(add, places, size), default=0)
    extent = max([extent, *(sum([room[v] for v in layer]) for layer in layers)])
    for layer in layers:
        crowded = any([places[v] + room[v] > places[w] for v, w in pairwise(layer)])
        if crowded or not pulls.keys().isdisjoint(layer):
            # What pulls an old node is the place it has.
            own = {v: pulls.get(v, [(v, 0, 2)]) for v in layer}
            _solve(layer, size, gap, places, own, extent)
    lowest = min([places[layer[0]] for layer in layers if layer], default=0)
    return [at - lowest for at in places] if lowest else places


def _solve(
    layer: Sequence[int],
    size: Sequence[int],
    gap: Sequence[int],
    start: list[int],
    pulls: Sequence[list[Pull]] | Mapping[int, list[Pull]],
    extent: int,
) -> None:
    """Give one level its best starts while its neighbours stay."""
    heap: list[int] = []  # negated: the places where the slope of the cost changes, rightmost first
    best: list[int | None] = []
    shift = 0
    shifts = []
    for v in layer:
        own = pulls[v]
        if not own:
            best.append(-heap[0] if heap else None)
        else:
            if len(own) == 1:
                other, offset, weight = own[0]
                points = [(shift - start[other] - offset, weight)]
            else:
                # From the right: then the rightmost change can leave the heap as soon as the next has come.
                points = sorted([(shift - start[other] - offset, weight) for other, offset, weight in own])
            popped = 0
            for point, weight in points:
                for _ in range(weight):
                    heappush(heap, point)
                    popped = heappushpop(heap, point)
            best.append((-popped - heap[0]) // 2)
        shifts.append(shift)
        shift += size[v] + gap[v]
    highest = extent - (shift - gap[layer[-1]]) if layer else 0
    value: int | None = None
    for i in range(len(layer) - 1, -1, -1):
        wanted = best[i]
        if wanted is not None and (value is None or wanted < value):
            value = wanted
        v = layer[i]
        # Where nothing here or behind pulls: stay, but inside the picture.
        here = start[v] - shifts[i] if value is None else value
        if here > highest:
            here = highest
        start[v] = (here if here > 0 else 0) + shifts[i]
