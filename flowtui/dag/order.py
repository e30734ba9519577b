"""The order inside each level, with as few crossings as a budget of steps finds.

A step is one look at one node in one level, so that the same graph gives the same picture on every machine.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

Layers = list[list[int]]
Adjacency = Sequence[Sequence[int]]


def depth_first(layers: Layers, roots: Sequence[int], nexts: Adjacency, level: Sequence[int]) -> Layers:
    """The levels in the order in which a depth-first walk from `roots` meets their nodes."""
    found: Layers = [[] for _ in layers]
    seen = bytearray(len(level))
    for start in roots:
        if seen[start]:
            continue
        stack = [start]
        seen[start] = 1
        while stack:
            v = stack.pop()
            found[level[v]].append(v)
            for w in reversed(nexts[v]):
                if not seen[w]:
                    seen[w] = 1
                    stack.append(w)
    for k, layer in enumerate(layers):
        if len(found[k]) < len(layer):
            found[k].extend(v for v in layer if not seen[v])
    return found


class Ordering:
    """The state of the search: the levels, the place of each node in its level, and the best seen so far."""

    def __init__(self, layers: Layers, up: Adjacency, down: Adjacency, budget: int) -> None:
        self.layers = layers
        self.up = up
        self.down = down
        self.steps = budget
        self.pos = [0] * len(up)
        for layer in layers:
            self._renumber(layer)
        self.gaps = [self._between(k) for k in range(len(layers) - 1)]

    def _renumber(self, layer: list[int]) -> None:
        pos = self.pos
        for i, v in enumerate(layer):
            pos[v] = i

    def _between(self, k: int) -> int:
        """Crossings between level k and the next."""
        pos, down = self.pos, self.down
        seen: list[int] = []
        total = 0
        for v in self.layers[k]:
            targets = down[v]
            if not targets:
                continue
            places = [pos[targets[0]]] if len(targets) == 1 else sorted([pos[w] for w in targets])
            for p in places:
                at = bisect_right(seen, p)
                total += len(seen) - at
                seen.insert(at, p)
        return total

    @property
    def crossings(self) -> int:
        return sum(self.gaps)

    def recount(self) -> int:
        self.gaps = [self._between(k) for k in range(len(self.layers) - 1)]
        return sum(self.gaps)

    def sweep(self, forward: bool, reverse_ties: bool = False) -> None:
        """Order each level by the mean place of its neighbours in the level before (or behind)."""
        pos = self.pos
        layers = self.layers
        nexts = self.up if forward else self.down
        span = range(1, len(layers)) if forward else range(len(layers) - 2, -1, -1)
        for k in span:
            layer = layers[k]
            self.steps -= len(layer)
            keys = {}
            for v in layer:
                near = nexts[v]
                if not near:
                    keys[v] = float(pos[v])
                elif len(near) == 1:
                    keys[v] = float(pos[near[0]])
                else:
                    keys[v] = sum([pos[w] for w in near]) / len(near)
            if reverse_ties:
                layer.reverse()
            layer.sort(key=keys.__getitem__)
            self._renumber(layer)

    def sorted_places(self, v: int, nexts: Adjacency) -> list[int]:
        near = nexts[v]
        if len(near) == 1:
            return [self.pos[near[0]]]
        pos = self.pos
        return sorted([pos[w] for w in near])

    def exchange(self, frozen: Sequence[bool] | None = None) -> bool:
        """Swap neighbours while that saves crossings. Pairs that are both `frozen` stay. True if anything moved."""
        any_moved = False
        dirty = set(range(len(self.layers)))
        while dirty and self.steps > 0:
            k = min(dirty)
            dirty.discard(k)
            if self._exchange_layer(k, frozen):
                any_moved = True
                if k > 0:
                    dirty.add(k - 1)
                if k + 1 < len(self.layers):
                    dirty.add(k + 1)
        return any_moved

    def _exchange_layer(self, k: int, frozen: Sequence[bool] | None) -> bool:
        layer = self.layers[k]
        if len(layer) < 2:
            return False
        ups = {v: self.sorted_places(v, self.up) for v in layer} if k else None
        downs = {v: self.sorted_places(v, self.down) for v in layer} if k + 1 < len(self.layers) else None
        moved = False
        gained = True
        while gained and self.steps > 0:
            gained = False
            self.steps -= len(layer)
            i = 0
            last = len(layer) - 1
            while i < last:
                v, w = layer[i], layer[i + 1]
                if frozen is not None and frozen[v] and frozen[w]:
                    i += 1
                    continue
                d_up = excess(ups[v], ups[w]) if ups is not None else 0
                d_down = excess(downs[v], downs[w]) if downs is not None else 0
                if d_up + d_down > 0:
                    layer[i], layer[i + 1] = w, v
                    if k:
                        self.gaps[k - 1] -= d_up
                    if downs is not None:
                        self.gaps[k] -= d_down
                    gained = moved = True
                    if i:
                        i -= 1
                        continue
                i += 1
        if moved:
            self._renumber(layer)
        return moved

    def snapshot(self) -> Layers:
        return [layer.copy() for layer in self.layers]

    def restore(self, layers: Layers) -> None:
        self.layers = [layer.copy() for layer in layers]
        for layer in self.layers:
            self._renumber(layer)
        self.recount()


def excess(a: list[int], b: list[int]) -> int:
    """Crossings of a node with neighbours at `a` before one with neighbours at `b`, less those the other way round."""
    if not a or not b:
        return 0
    if len(a) == 1 and len(b) == 1:
        p, q = a[0], b[0]
        return 1 if p > q else (-1 if p < q else 0)
    if a[-1] < b[0]:
        return -len(a) * len(b)
    return _excess(a, b)


def _excess(a: list[int], b: list[int]) -> int:
    if len(a) > len(b):
        return -_excess(b, a)
    size = len(b)
    total = 0
    for p in a:
        total += bisect_left(b, p) + bisect_right(b, p) - size
    return total


def minimise(
    layers: Layers,
    up: Adjacency,
    down: Adjacency,
    level: Sequence[int],
    roots: Sequence[int],
    budget: int,
) -> tuple[Layers, int]:
    """The best order found within `budget` steps, and its crossings."""
    ends = [v for layer in reversed(layers) for v in layer if not down[v]]
    best: Layers = []
    fewest = -1
    steps = budget
    for start, nexts, forward in ((roots, down, True), (ends, up, False)):
        work = Ordering(depth_first(layers, start, nexts, level), up, down, steps)
        state = work.snapshot()
        least = work.crossings
        stale = 0
        for turn in range(8):
            if least == 0 or work.steps <= 0 or stale >= 3:
                break
            work.sweep(forward if turn % 2 == 0 else not forward)
            now = work.recount()
            if now < least:
                least, state, stale = now, work.snapshot(), 0
            else:
                stale += 1
        work.restore(state)
        if least:
            work.exchange()
            least = work.crossings
        steps = work.steps
        if fewest < 0 or least < fewest:
            best, fewest = work.layers, least
        if fewest == 0 or steps <= 0:
            break
    return best, fewest
