"""Lines between two levels.

All links in one gap between levels that have the same set of targets form one net: their sources join one trunk and the
targets leave it, so that every join in the picture is true. Along the levels a line runs straight; a trunk runs across.
Each net reaches a target on a row of its own (its entry), and the entries of one target merge in a last column that
belongs to that target, so that no two nets ever share a cell except where one passes over the other.

Words here are those of a left-to-right drawing: rows count across, columns along.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

SIFTED = 25
"""Trunks in a gap up to which their order is improved after it has been found."""

ChannelKey = tuple[tuple[int, ...], ...]
"""The rows of every net of a gap, exits and entries: gaps with the same rows are routed alike."""


@dataclass(slots=True)
class Net:
    """The sources that share one set of targets, in one gap."""

    sources: list[int]
    targets: list[int]
    starts: list[int]  # exit row of each source
    ends: list[int]  # entry row at each target


@dataclass(slots=True)
class Trunk:
    """A vertical line of one net: the rows where lines join it from the left and leave it to the right.

    A net that had to step over a free row has two: the first leaves on row `hop`, `after` is the index of the second.
    """

    net: int
    left: list[int]
    right: list[int]
    top: int
    bottom: int
    column: int = 0
    hop: int | None = None
    after: int | None = None


@dataclass(slots=True)
class Channel:
    """The lines of one gap: trunks in columns from 0, straight lines, and how far down it reaches."""

    trunks: list[Trunk]
    straight: list[tuple[int, int]]  # (net, row)
    columns: int
    depth: int
    of_net: dict[int, list[int]]  # trunks of each net


def route(nets: Sequence[Net], depth: int) -> Channel:
    """Give every net of one gap its columns. `depth` is the number of rows in the gap before any is added."""
    trunks: list[Trunk] = []
    straight: list[tuple[int, int]] = []
    exit_at: dict[int, int] = {}
    entry_at: dict[int, int] = {}
    for i, net in enumerate(nets):
        starts, ends = net.starts, net.ends
        top, other = starts[0], ends[0]
        if other < top:
            top = other
        bottom, other = starts[-1], ends[-1]
        if other > bottom:
            bottom = other
        if top == bottom:
            straight.append((i, top))
            continue
        index = len(trunks)
        trunks.append(Trunk(i, starts, ends, top, bottom))
        for row in starts:
            exit_at[row] = index
        for row in ends:
            entry_at[row] = index
    depth, before, behind = _break_cycles(trunks, straight, exit_at, entry_at, depth)
    order = _arrange(trunks, before, behind)
    columns = _assign(trunks, order, depth)
    of_net: dict[int, list[int]] = {}
    for index, trunk in enumerate(trunks):
        of_net.setdefault(trunk.net, []).append(index)
    return Channel(trunks, straight, columns, depth, of_net)


def _must_precede(
    trunks: Sequence[Trunk], exit_at: dict[int, int], entry_at: dict[int, int]
) -> list[set[int]]:
    """For each trunk those that must lie to its left: on a shared row one leaves before the other arrives."""
    before: list[set[int]] = [set() for _ in trunks]
    for row, index in entry_at.items():
        other = exit_at.get(row)
        if other is not None and other != index:
            before[index].add(other)
    for index, trunk in enumerate(trunks):
        if trunk.after is not None:
            before[trunk.after].add(index)
    return before


def _break_cycles(
    trunks: list[Trunk],
    straight: Sequence[tuple[int, int]],
    exit_at: dict[int, int],
    entry_at: dict[int, int],
    depth: int,
) -> tuple[int, list[set[int]], list[list[int]]]:
    """Split trunks that wait for each other in a ring: one of them steps over a free row.

    Returns the depth needed, and for each trunk those that must lie to its left, and to its right.
    """
    taken: set[int] = set()
    while True:
        before = _must_precede(trunks, exit_at, entry_at)
        behind: list[list[int]] = [[] for _ in before]
        for i, firsts in enumerate(before):
            for j in firsts:
                behind[j].append(i)
        ring = _ring(before, behind)
        if ring is None:
            return depth, before, behind
        if not taken:
            taken = {*exit_at, *entry_at, *(row for _, row in straight)}
        # The shortest trunk of the ring has the shortest way round.
        index = min(ring, key=lambda i: (trunks[i].bottom - trunks[i].top, i))
        trunk = trunks[index]
        row = _free_row(trunk, taken, depth)
        depth = max(depth, row + 1)
        taken.add(row)
        second = Trunk(trunk.net, [row], trunk.right, min(row, trunk.right[0]), max(row, trunk.right[-1]))
        second.hop = trunk.hop
        second.after = trunk.after
        new = len(trunks)
        for end in trunk.right:
            entry_at[end] = new
        trunk.right = [row]
        trunk.top = min(row, trunk.left[0])
        trunk.bottom = max(row, trunk.left[-1])
        trunk.hop = row
        trunk.after = new
        trunks.append(second)


def _ring(before: Sequence[set[int]], behind: Sequence[list[int]]) -> list[int] | None:
    """A ring of trunks that wait for each other, or None."""
    waiting = list(map(len, before))
    ready = [i for i, w in enumerate(waiting) if not w]
    for i in ready:
        for j in behind[i]:
            waiting[j] -= 1
            if not waiting[j]:
                ready.append(j)
    if len(ready) == len(before):
        return None
    stuck = {i for i, w in enumerate(waiting) if w}
    here = min(stuck)
    path: dict[int, int] = {}
    while here not in path:
        path[here] = len(path)
        here = min(j for j in before[here] if j in stuck)
    return [i for i, at in path.items() if at >= path[here]]


def _free_row(trunk: Trunk, taken: set[int], depth: int) -> int:
    """The free row nearest to the middle of a trunk; below everything if there is none."""
    middle = (trunk.top + trunk.bottom) // 2
    for step in range(depth + 1):
        for row in (middle - step, middle + step):
            if 0 <= row < depth and row not in taken:
                return row
    row = depth
    while row in taken:
        row += 1
    return row


def _arrange(trunks: list[Trunk], before: list[set[int]], behind: list[list[int]]) -> list[int]:
    """The order of the trunks from left to right, with few crossings."""
    count = len(trunks)
    if count <= 1:
        return list(range(count))
    prefer = _preferences(trunks)
    # Greedy: among the trunks that nothing holds back, take the one that gains most by standing left of the rest.
    waiting = list(map(len, before))
    score = [sum(costs.values()) for costs in prefer]
    # A score that has changed is put in anew; what it was before is passed over when its turn comes.
    ready = [(score[i], trunks[i].top, i) for i in range(count) if not waiting[i]]
    heapify(ready)
    taken = bytearray(count)
    order: list[int] = []
    while ready:
        cost, _, i = heappop(ready)
        if taken[i] or cost != score[i]:
            continue
        taken[i] = 1
        order.append(i)
        for j, cost in prefer[i].items():
            score[j] += cost  # prefer[j][i] == -cost is no longer to be paid
            if not waiting[j] and not taken[j]:
                heappush(ready, (score[j], trunks[j].top, j))
        for j in behind[i]:
            waiting[j] -= 1
            if not waiting[j]:
                heappush(ready, (score[j], trunks[j].top, j))
    if count <= SIFTED:
        _sift(order, before, behind, prefer)
    return order


def _sift(
    order: list[int], before: list[set[int]], behind: list[list[int]], prefer: list[dict[int, int]]
) -> None:
    """Give each trunk its best place between those that must lie left and right of it, while that helps."""
    for _ in range(3):
        moved = False
        for i in order.copy():
            here = order.index(i)
            best, there = 0, here
            cost = 0
            for at in range(here - 1, -1, -1):
                j = order[at]
                if j in before[i]:
                    break
                cost += prefer[i].get(j, 0)
                if cost < best:
                    best, there = cost, at
            cost = 0
            for at in range(here + 1, len(order)):
                j = order[at]
                if j in behind[i]:
                    break
                cost -= prefer[i].get(j, 0)
                if cost < best:
                    best, there = cost, at
            if there != here:
                order.insert(there, order.pop(here))
                moved = True
        if not moved:
            return


def _preferences(trunks: Sequence[Trunk]) -> list[dict[int, int]]:
    """For trunks that share rows: crossings with i left of j, less those with j left of i."""
    prefer: list[dict[int, int]] = [{} for _ in trunks]
    active: list[tuple[int, int, list[int], list[int]]] = []
    for i in sorted(range(len(trunks)), key=lambda i: trunks[i].top):
        a = trunks[i]
        top, bottom, left, right = a.top, a.bottom, a.left, a.right
        spare = len(right) - len(left)
        mine = prefer[i]
        still = []
        for other in active:
            j, last, j_left, j_right = other
            if last < top:
                continue
            still.append(other)
            # Nothing of j begins below the top of i, so all rows of i above its end are inside it.
            if last < bottom:
                cost = bisect_right(right, last) - bisect_right(left, last)
                cost += len(j_left) - len(j_right)
            else:
                cost = spare + bisect_right(j_left, bottom) - bisect_right(j_right, bottom)
            cost += bisect_left(j_right, top) - bisect_left(j_left, top)
            if cost:
                mine[j] = cost
                prefer[j][i] = -cost
        still.append((i, bottom, left, right))
        active = still
    return prefer


def _assign(trunks: Sequence[Trunk], order: Sequence[int], depth: int) -> int:
    """Pack the trunks into columns in their order; those that share no row may share a column."""
    profile = [-1] * depth
    columns = 0
    for i in order:
        trunk = trunks[i]
        top, end = trunk.top, trunk.bottom + 1
        column = max(profile[top:end]) + 1
        trunk.column = column
        profile[top:end] = [column] * (end - top)
        columns = max(columns, column + 1)
    return columns
