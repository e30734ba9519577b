"""The order inside each level, with as few crossings as a budget of steps finds.

A step is one look at one node in one level, so that the same graph gives the same picture on every machine.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from operator import add
from random import Random

Layers = list[list[int]]
Adjacency = Sequence[Sequence[int]]
Span = tuple[int, int, bool]  # first and last place, and whether nobody else's node is between

ALONE, LANE = -1, -2
"""In a fence: a node of no group, and a lane, which may pass through a group."""
NEVER = -(1 << 60)
FEW = 3
"""Nodes of a level up to which each is given its best place without a look at all of them at once."""
SWEPT = 12
"""Steps for a node in a sweep: as many as sifting takes in the time of a sweep and the count after it."""


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


def spans(layer: Sequence[int], fence: Sequence[int]) -> dict[int, Span]:
    """Where in a level the members of each group are, by the number of the group."""
    found: dict[int, Span] = {}
    nodes = 0
    count: dict[int, tuple[int, int]] = {}  # members, and nodes seen before the first of them
    for i, v in enumerate(layer):
        group = fence[v]
        if group >= 0:
            members, begun = count.get(group, (0, nodes))
            count[group] = members + 1, begun
            first = found[group][0] if members else i
            found[group] = first, i, nodes - begun == members
        nodes += group != LANE
    return found


class Ordering:
    """The state of the search: the levels, the place of each node in its level, and the best seen so far."""

    def __init__(self, layers: Layers, up: Adjacency, down: Adjacency, budget: int) -> None:
        self.layers = layers
        self.up = up
        self.down = down
        self.steps = budget
        self.fence: Sequence[int] | None = None  # the group of each vertex, once groups are kept together
        self.pos = [0] * len(up)
        for layer in layers:
            self._renumber(layer)
        self._gaps: list[int] | None = None

    @property
    def gaps(self) -> list[int]:
        """Crossings in each gap; counted when first asked for."""
        if self._gaps is None:
            self._gaps = [self._between(k) for k in range(len(self.layers) - 1)]
        return self._gaps

    def _renumber(self, layer: list[int]) -> None:
        pos = self.pos
        for i, v in enumerate(layer):
            pos[v] = i

    def renumber_level(self, k: int) -> None:
        """After level k was given another order: number it, and count again on both sides."""
        self._renumber(self.layers[k])
        gaps = self.gaps
        for gap in (k - 1, k):
            if 0 <= gap < len(gaps):
                gaps[gap] = self._between(gap)

    def renumber_all(self) -> None:
        for layer in self.layers:
            self._renumber(layer)

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
        self._gaps = None
        return sum(self.gaps)

    def sweep(self, forward: bool, median: bool = False, reverse_ties: bool = False) -> None:
        """Order each level by the mean (or median) place of its neighbours in the level before (or behind).

        Nodes without such neighbours keep their place in the level.
        """
        pos = self.pos
        layers = self.layers
        nexts = self.up if forward else self.down
        span = range(1, len(layers)) if forward else range(len(layers) - 2, -1, -1)
        for k in span:
            layer = layers[k]
            self.steps -= SWEPT * len(layer)
            keys: dict[int, float] = {}
            for v in layer:
                near = nexts[v]
                if not near:
                    continue
                if len(near) == 1:
                    keys[v] = pos[near[0]]
                elif median and len(near) > 2:
                    keys[v] = _weighted_median(sorted([pos[w] for w in near]))
                else:
                    keys[v] = sum([pos[w] for w in near]) / len(near)
            moving = [v for v in (reversed(layer) if reverse_ties else layer) if v in keys]
            moving.sort(key=keys.__getitem__)
            if len(moving) == len(layer):
                layer[:] = moving
            else:
                turn = iter(moving)
                layer[:] = [next(turn) if v in keys else v for v in layer]
            self._renumber(layer)

    def sift(self, k: int, frozen: Sequence[bool] | None = None) -> int:
        """Give each node of level k its best place while the others stay; returns the crossings saved.

        With a(p) the neighbours of a node beyond place p less those before it, passing another node changes the
        crossings by the sum of a over that node's neighbours; so one running sum over the links of the level, in their
        order, holds the cost of every place at once.
        """
        layer = self.layers[k]
        free = layer.copy() if frozen is None else [v for v in layer if not frozen[v]]
        if len(layer) < 2 or not free:
            return 0
        if len(free) <= FEW and self.fence is None:
            return self._sift_few(k, free)
        pos = self.pos
        sides = []
        if k:
            sides.append((self.up, len(self.layers[k - 1]), k - 1))
        if k + 1 < len(self.layers):
            sides.append((self.down, len(self.layers[k + 1]), k))
        near = [
            {
                v: [pos[others[0]]] if len(others := nexts[v]) == 1 else sorted([pos[w] for w in others])
                for v in layer
            }
            for nexts, _, _ in sides
        ]
        flat = [[p for v in layer for p in own[v]] for own in near]
        ends = [[0, *accumulate([len(own[v]) for v in layer])] for own in near]
        cost = 80 + len(layer) + sum(map(len, flat))
        saved = 0
        for v in free:
            self.steps -= cost
            if self.steps < 0:
                break
            sums: list[list[int]] = []
            for (_, width, _), own, places, end in zip(sides, near, flat, ends, strict=True):
                mine = own[v]
                if mine:
                    beyond = _beyond(mine, width)
                    running = list(accumulate([beyond[p] for p in places], initial=0))
                    sums.append([running[e] for e in end])
            if not sums:
                continue
            gain = sums[0] if len(sums) == 1 else list(map(add, sums[0], sums[1]))
            here = layer.index(v)
            if self.fence is not None:
                gain = self._fenced(gain, layer, here)
            best = max(gain)
            won = best - gain[here]
            if won <= 0:
                continue
            there = _nearest_index(gain, best, here)
            at = 0
            for (_, _, gap), own in zip(sides, near, strict=True):
                if own[v]:
                    if self._gaps is not None:
                        self._gaps[gap] -= sums[at][there] - sums[at][here]
                    at += 1
            layer.pop(here)
            layer.insert(there if there <= here else there - 1, v)
            flat = [[p for w in layer for p in own[w]] for own in near]
            ends = [[0, *accumulate([len(own[w]) for w in layer])] for own in near]
            saved += won
        if saved:
            self._renumber(layer)
        return saved

    def _sift_few(self, k: int, free: Sequence[int]) -> int:
        """What `sift` does, for so few nodes (those that an edit brought) that nothing is worth preparing."""
        layer, pos = self.layers[k], self.pos
        sides = [(self.up, k - 1)] if k else []
        if k + 1 < len(self.layers):
            sides.append((self.down, k))
        cost = 80 + len(layer) + sum([len(nexts[v]) for nexts, _ in sides for v in layer])
        saved = 0
        for v in free:
            self.steps -= cost
            if self.steps < 0:
                break
            sums = [
                (
                    gap,
                    list(
                        accumulate(_turns(layer, nexts, pos, sorted([pos[w] for w in nexts[v]])), initial=0)
                    ),
                )
                for nexts, gap in sides
                if nexts[v]
            ]
            if not sums:
                continue
            gain = sums[0][1] if len(sums) == 1 else list(map(add, sums[0][1], sums[1][1]))
            here = layer.index(v)
            best = max(gain)
            won = best - gain[here]
            if won <= 0:
                continue
            there = _nearest_index(gain, best, here)
            if self._gaps is not None:
                for gap, own in sums:
                    self._gaps[gap] -= own[there] - own[here]
            layer.pop(here)
            layer.insert(there if there <= here else there - 1, v)
            saved += won
        if saved:
            self._renumber(layer)
        return saved

    def _fenced(self, gain: list[int], layer: list[int], here: int) -> list[int]:
        """What each place gains, without those that would part a group that is together."""
        fence = self.fence
        assert fence is not None
        own = fence[layer[here]]
        if own == LANE:
            return gain
        allowed = gain.copy()
        for group, (first, last, closed) in spans(layer, fence).items():
            if closed and group != own:
                allowed[first + 1 : last + 1] = [NEVER] * (last - first)
            elif closed and first < last:
                others = [i for i in range(first, last + 1) if fence[layer[i]] == own and i != here]
                allowed[: others[0]] = [NEVER] * others[0]
                allowed[others[-1] + 2 :] = [NEVER] * (len(gain) - others[-1] - 2)
        allowed[here] = gain[here]
        return allowed

    def settle(self, dirty: set[int], frozen: Sequence[bool] | None = None) -> set[int]:
        """Sift the levels in `dirty`, and those beside a level that changed, until nothing moves. What was touched."""
        last = len(self.layers) - 1
        touched: set[int] = set()
        while dirty and self.steps > 0:
            for k in sorted(dirty):
                dirty.discard(k)
                if self.sift(k, frozen):
                    touched.add(k)
                    dirty.add(k)
                    if k:
                        dirty.add(k - 1)
                    if k < last:
                        dirty.add(k + 1)
        return touched

    def descend(self, forward: bool, median: bool) -> None:
        """Sweeps there and back, keeping the best, until four in a row were of no use."""
        state = self.snapshot()
        least = self.crossings
        stale = 0
        for turn in range(16):
            if least == 0 or self.steps <= 0 or stale >= 4:
                break
            self.sweep(forward if turn % 2 == 0 else not forward, median, reverse_ties=turn % 4 >= 2)
            now = self.recount()
            if now < least:
                least, state, stale = now, self.snapshot(), 0
            else:
                stale += 1
        self.restore(state)

    def snapshot(self) -> Layers:
        return [layer.copy() for layer in self.layers]

    def restore(self, layers: Layers) -> None:
        self.layers = [layer.copy() for layer in layers]
        for layer in self.layers:
            self._renumber(layer)
        self.recount()


def _weighted_median(places: list[int]) -> float:
    """The median; between two, nearer to the side where the others are closer together (Gansner et al. 1993)."""
    half = len(places) // 2
    if len(places) % 2:
        return places[half]
    left = places[half - 1] - places[0]
    right = places[-1] - places[half]
    if left + right == 0:
        return (places[half - 1] + places[half]) / 2
    return (places[half - 1] * right + places[half] * left) / (left + right)


def _beyond(mine: list[int], width: int) -> list[int]:
    """For each place of a level: how many of `mine` lie beyond it, less how many before it."""
    count = len(mine)
    if count == 1:
        at = mine[0]
        return [1] * at + [0] + [-1] * (width - at - 1)
    result: list[int] = []
    last = -1
    for at in mine:
        result += [count] * (at - last - 1)
        result.append(count - 1)
        count -= 2
        last = at
    result += [count] * (width - last - 1)
    return result


def _turns(layer: Sequence[int], nexts: Adjacency, pos: Sequence[int], mine: Sequence[int]) -> list[int]:
    """For each node of a level: how many crossings with links to `mine` (places, ascending) come when it is passed."""
    turns = []
    if len(mine) == 1:
        at = mine[0]
        for u in layer:
            turn = 0
            for w in nexts[u]:
                place = pos[w]
                if place < at:
                    turn += 1
                elif place > at:
                    turn -= 1
            turns.append(turn)
        return turns
    count = len(mine)
    for u in layer:
        turn = 0
        for w in nexts[u]:
            turn += count - bisect_right(mine, pos[w]) - bisect_left(mine, pos[w])
        turns.append(turn)
    return turns


def _nearest_index(values: list[int], wanted: int, here: int) -> int:
    """The index nearest to `here` with the wanted value."""
    try:
        right = values.index(wanted, here)
    except ValueError:
        right = -1
    for left in range(here - 1, -1, -1):
        if right >= 0 and here - left > right - here:
            break
        if values[left] == wanted:
            return left
    return right


def explore(
    layers: Layers, up: Adjacency, down: Adjacency, level: Sequence[int], roots: Sequence[int], budget: int
) -> Ordering:
    """The best of several starts, each improved by sweeps; at least one start, more while the budget lasts."""
    ends = [v for layer in reversed(layers) for v in layer if not down[v]]
    from_roots = depth_first(layers, roots, down, level)
    from_ends = depth_first(layers, ends, up, level)
    rng = Random(len(level))
    best: Ordering | None = None
    state: Layers = []
    fewest = -1
    steps = budget
    for turn in range(10):
        if turn < 4:
            start = [layer.copy() for layer in (from_roots if turn % 2 == 0 else from_ends)]
        else:
            start = [layer.copy() for layer in layers]
            for layer in start:
                rng.shuffle(layer)
        work = Ordering(start, up, down, steps)
        work.descend(forward=turn % 2 == 0, median=turn in (2, 3) or turn > 5)
        steps = work.steps
        if fewest < 0 or work.crossings < fewest:
            best, fewest, state = work, work.crossings, work.snapshot()
        if fewest == 0 or steps <= 0:
            break
    assert best is not None
    best.restore(state)
    return best


def refine(work: Ordering, budget: int) -> None:
    """Improve an order until `budget` steps are used up or nothing is found any more."""
    work.steps = budget
    if not work.crossings:
        return
    _polish(work, budget // 3)
    rng = Random(len(work.pos))
    for _ in range(12):
        if work.steps <= 0 or not work.crossings:
            return
        # Everything near this order has been tried: begin elsewhere, and keep the better of the two.
        kept, before = work.snapshot(), work.crossings
        for layer in work.layers:
            rng.shuffle(layer)
        work.renumber_all()
        work.recount()
        work.descend(forward=rng.random() < 0.5, median=rng.random() < 0.5)
        _polish(work, work.steps // 2)
        if work.crossings >= before:
            work.restore(kept)


def _polish(work: Ordering, reserve: int) -> None:
    """Settle, sweep and settle, then disturb and settle, while more than `reserve` steps (for the sweeps) are left."""
    work.settle(set(range(len(work.layers))))
    for turn in range(8):
        if work.steps <= reserve or not work.crossings:
            break
        kept, before = work.snapshot(), work.crossings
        median = turn % 4 >= 2
        for forward in (turn % 2 == 0, turn % 2 == 1):
            work.sweep(forward, median, reverse_ties=turn % 2 == 1)
        work.recount()
        work.settle(set(range(len(work.layers))))
        if work.crossings >= before:
            work.restore(kept)
    _shake(work)


def _shake(work: Ordering) -> None:
    """Disturb a few neighbours and settle again, keeping what is not worse, until it has long been of no use."""
    rng = Random(len(work.pos))
    wide = [k for k, layer in enumerate(work.layers) if len(layer) > 1]
    patience = 40 + 20 * sum(len(work.layers[k]) for k in wide)
    useless = 0
    while work.steps > 0 and work.crossings and useless < patience:
        before = work.crossings
        kept = work.snapshot()
        gaps = work.gaps.copy()
        k = rng.choice(wide)
        layer = work.layers[k]
        size = min(len(layer), rng.choice((2, 3, 4, 6, 8)))
        at = rng.randrange(len(layer) - size + 1)
        part = layer[at : at + size]
        if rng.random() < 0.5:
            part.reverse()
        else:
            rng.shuffle(part)
        layer[at : at + size] = part
        work.renumber_level(k)
        work.settle({j for j in (k - 1, k + 1) if 0 <= j < len(work.layers)} | {k})
        useless = 0 if work.crossings < before else useless + 1
        if work.crossings > before:
            work.layers = kept
            work._gaps = gaps
            work.renumber_all()
