"""The shape of a flow: order, cycles, levels, longest chain.

Links are (upstream, downstream) pairs. Nothing here recurses, so that a chain of 100,000 jobs is as good as any other.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Link = tuple[str, str]


def repeated(ids: Iterable[str]) -> str | None:
    """The first id that comes a second time."""
    seen: set[str] = set()
    for each in ids:
        if each in seen:
            return each
        seen.add(each)
    return None


def topological_order(ids: Iterable[str], links: Iterable[Link]) -> list[str] | None:
    """The ids, breadth first: each after its upstreams; None when there is a cycle (see `find_cycle`)."""
    pending: dict[str, int] = dict.fromkeys(ids, 0)
    downstream: dict[str, list[str]] = {}
    for upstream, job in links:
        pending[job] += 1
        downstream.setdefault(upstream, []).append(job)
    return upstream_first(pending, downstream)


def upstream_first(pending: dict[str, int], downstream: Mapping[str, Sequence[str]]) -> list[str] | None:
    """As `topological_order`; `pending` is how many upstreams each id has, and is counted down."""
    ready = deque(job for job, count in pending.items() if not count)
    order: list[str] = []
    while ready:
        job = ready.popleft()
        order.append(job)
        for after in downstream.get(job, ()):
            pending[after] -= 1
            if not pending[after]:
                ready.append(after)
    return order if len(order) == len(pending) else None


def find_cycle(ids: Iterable[str], links: Iterable[Link]) -> list[str] | None:
    """A shortest cycle through one of the jobs that are in a cycle, as `[a, b, a]`; None when there is none."""
    upstream: dict[str, set[str]] = {job: set() for job in ids}
    downstream: dict[str, set[str]] = {job: set() for job in upstream}
    for before, after in links:
        upstream[after].add(before)
        downstream[before].add(after)
    left = _peel(_peel(set(upstream), upstream, downstream), downstream, upstream)
    # Every job left is in a cycle or between two of them: try the first few for the shortest.
    best: list[str] | None = None
    for start in [job for job in upstream if job in left][:32]:
        found = _shortest_loop(start, downstream, left)
        if found and (best is None or len(found) < len(best)):
            best = found
    return best


def _peel(left: set[str], before: Mapping[str, set[str]], after: Mapping[str, set[str]]) -> set[str]:
    """`left` without the jobs that have nothing before them, again and again."""
    pending = {job: len(before[job] & left) for job in left}
    ready = [job for job, count in pending.items() if not count]
    while ready:
        job = ready.pop()
        left.discard(job)
        for other in after[job]:
            if other in left:
                pending[other] -= 1
                if not pending[other]:
                    ready.append(other)
    return left


def _shortest_loop(start: str, downstream: Mapping[str, set[str]], inside: set[str]) -> list[str] | None:
    came_from: dict[str, str] = {}
    todo = deque([start])
    while todo:
        job = todo.popleft()
        for after in sorted(downstream[job] & inside):
            if after == start:
                path = [start, job]
                while job != start:
                    job = came_from[job]
                    path.append(job)
                return path[::-1]
            if after not in came_from:
                came_from[after] = job
                todo.append(after)
    return None


class Links(tuple[Link, ...]):
    """The links of a flow that has been checked, with what was found out about them.

    order     its ids, upstream first
    ups       id -> its upstreams, of those that have some
    downs     id -> what is below it, of those of this flow that have something
    external  how many of the links come from outside of the flow
    """

    order: list[str]
    ups: dict[str, list[str]]
    downs: dict[str, list[str]]
    external: int

    @classmethod
    def of(
        cls,
        links: Iterable[Link],
        order: list[str],
        ups: dict[str, list[str]],
        downs: dict[str, list[str]],
        external: int,
    ) -> Links:
        """The links, with what is known of them."""
        made = cls(links)
        made.order, made.ups, made.downs, made.external = order, ups, downs, external
        return made


@dataclass(frozen=True, slots=True)
class Shape:
    """A flow in figures: `levels` lists the jobs by their distance from the roots, `longest` is a longest chain."""

    levels: list[list[str]]
    longest: list[str]

    @property
    def width(self) -> int:
        """How many jobs the widest level has."""
        return max(map(len, self.levels), default=0)


def shape(ids: Sequence[str], links: Sequence[Link]) -> Shape:
    """Levels and longest chain of an acyclic flow. Raises ValueError for a cycle."""
    order = topological_order(ids, links)
    if order is None:
        raise ValueError("a flow with a cycle has no levels")
    upstream: dict[str, list[str]] = {}
    for before, after in links:
        upstream.setdefault(after, []).append(before)
    level: dict[str, int] = {}
    came_from: dict[str, str] = {}
    for job in order:
        befores = upstream.get(job)
        if befores:
            deepest = max(befores, key=level.__getitem__)
            level[job], came_from[job] = level[deepest] + 1, deepest
        else:
            level[job] = 0
    levels: list[list[str]] = [[] for _ in range(max(level.values(), default=-1) + 1)]
    for job in ids:
        levels[level[job]].append(job)
    longest: list[str] = []
    job = max(order, key=level.__getitem__, default="")
    while job:
        longest.append(job)
        job = came_from.get(job, "")
    return Shape(levels, longest[::-1])
