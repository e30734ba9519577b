"""The critical path: what a flow cannot be faster than, and how much time every other job has to spare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from flowtui.dag.cycles import adjacency, levels


@dataclass(frozen=True, slots=True)
class Critical:
    """The longest chain and the slack of every node, in the unit of the durations (or in jobs without durations)."""

    path: tuple[str, ...]
    length: float
    slack: dict[str, float]
    finish: dict[str, float]  # the earliest moment each node can be done

    @property
    def links(self) -> frozenset[tuple[str, str]]:
        """The links along the path."""
        return frozenset(pairwise(self.path))


def critical_path(
    nodes: Iterable[str], links: Iterable[tuple[str, str]], durations: Mapping[str, float] | None = None
) -> Critical:
    """The critical path of an acyclic graph. Without durations every node counts one.

    A node missing from `durations` counts nothing. Of paths of one length, the one whose nodes come first in `nodes`
    wins. Nodes on a cycle, and behind one, are left out.
    """
    down = adjacency(nodes, links)
    level = levels(down)
    order = sorted(level, key=level.__getitem__)
    cost = {node: (1.0 if durations is None else float(durations.get(node, 0.0))) for node in level}
    begin = dict.fromkeys(order, 0.0)
    came: dict[str, str] = {}
    for node in order:
        done = begin[node] + cost[node]
        for child in down[node]:
            if child in begin and (done > begin[child] or (done == begin[child] and child not in came)):
                begin[child] = done
                came[child] = node
    finish = {node: begin[node] + cost[node] for node in order}
    length = max(finish.values(), default=0.0)
    latest: dict[str, float] = {}
    for node in reversed(order):
        ends = [latest[child] - cost[child] for child in down[node] if child in latest]
        latest[node] = min(ends, default=length)
    slack = {node: max(latest[node] - finish[node], 0.0) for node in order}
    if not order:
        return Critical((), 0.0, {}, {})
    # max() keeps the first of equals, so of two last jobs the older one; and a job that costs something.
    last = max(order, key=lambda node: (finish[node], -level[node] if cost[node] else -len(order)))
    path = [last]
    while path[-1] in came:
        path.append(came[path[-1]])
    path.reverse()
    return Critical(tuple(path), length, slack, finish)
