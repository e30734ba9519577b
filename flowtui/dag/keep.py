"""Stable editing: after an edit everybody stays where they were, and only what is new looks for a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowtui.dag.route import Channel, ChannelKey
from flowtui.dag.simplex import shorten

SMALL = 200
"""Nodes up to which a level that an edit left without need is given up, though others move for it."""


@dataclass(slots=True)
class Memory:
    """What is remembered of a layout: level and place across of every node, and of every lane by its owner."""

    level: dict[str, int]
    across: dict[str, float]
    lanes: dict[tuple[str, str, int], float]  # ("s" or "t", owner, level)
    bundled: dict[str, bool]
    channels: dict[ChannelKey, Channel]


def levels_kept(
    part: list[str], up: list[list[int]], down: list[list[int]], old: Mapping[str, int]
) -> list[int]:
    """Levels as they were, raised where a link demands it; new nodes go beside their neighbours."""
    count = len(part)
    level = [-1] * count  # not known yet
    waiting = [len(parents) for parents in up]
    order = [v for v in range(count) if not waiting[v]]
    for v in order:
        for w in down[v]:
            waiting[w] -= 1
            if not waiting[w]:
                order.append(w)
    new: set[int] = set()
    for v in order:
        parents = up[v]
        least = max([level[p] for p in parents]) + 1 if parents else 0
        was = old.get(part[v])
        if was is not None:
            level[v] = was if was > least else least
        elif least:
            level[v] = least
        else:
            new.add(v)
    if new:
        for v in reversed(order):
            if v in new:
                near = [level[w] for w in down[v] if w not in new]
                level[v] = min(near) - 1 if near else 0
                new.discard(v)
        # A new root that got its level last may have new children that were placed without it.
        for v in order:
            for p in up[v]:
                level[v] = max(level[v], level[p] + 1)
    # In a small picture a gap that an edit leaves is seen; in a large one it is worse that others move.
    if count <= SMALL:
        shorten(level, up, down, pivots=200)
    used = {here: i for i, here in enumerate(sorted(set(level)))}
    return [used[here] for here in level]


def keys_kept(
    names: list[str],
    lane_names: list[tuple[str, str, int]],
    up: list[list[int]],
    down: list[list[int]],
    memory: Memory,
) -> list[float]:
    """A place across for every vertex: where it was, else among its neighbours."""
    keys: list[float | None] = [memory.across.get(name) for name in names]
    keys += [memory.lanes.get(lane) for lane in lane_names]
    return among_neighbours(keys, up, down)


def among_neighbours(
    keys: list[float | None], up: Sequence[Sequence[int]], down: Sequence[Sequence[int]]
) -> list[float]:
    """`keys` with a place across also for every vertex that has none: among its neighbours, else behind all others."""
    missing = [v for v, key in enumerate(keys) if key is None]
    for _ in range(4):
        left = []
        for v in missing:
            near = [key for w in (*up[v], *down[v]) if (key := keys[w]) is not None]
            if near:
                # A little further on than its neighbours: a new sibling comes after the others.
                keys[v] = sum(near) / len(near) + 0.25
            else:
                left.append(v)
        missing = left
        if not missing:
            break
    last = max((key for key in keys if key is not None), default=0.0)
    return [last + 1.0 if key is None else key for key in keys]
