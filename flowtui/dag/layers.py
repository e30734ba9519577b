"""A level for every node, so that links climb and few of them are long.

The longest path gives each node its lowest level; nodes, and then whole parts of the graph (`simplex`), move while that
shortens links. Long links are cut into lanes (one for each level they pass), shared by links that
leave the same source or reach the same target.
"""

from __future__ import annotations

from flowtui.dag.simplex import shorten

Lane = tuple[str, int, int]  # ("s" or "t", the node that owns the bundle, level); "e" for a link on its own


def levels_of(up: list[list[int]], down: list[list[int]], pivots: int = 2000) -> list[int]:
    """The level of each node of a connected acyclic graph, the lowest being 0."""
    count = len(up)
    level = [0] * count
    waiting = [len(parents) for parents in up]
    ready = [v for v in range(count) if not waiting[v]]
    for v in ready:
        above = level[v] + 1
        for w in down[v]:
            if level[w] < above:
                level[w] = above
            waiting[w] -= 1
            if not waiting[w]:
                ready.append(w)
    _shorten(level, ready, up, down)
    shorten(level, up, down, pivots)
    lowest = min(level, default=0)
    return [v - lowest for v in level]


def _shorten(level: list[int], order: list[int], up: list[list[int]], down: list[list[int]]) -> None:
    """Move single nodes towards the side with more links until nothing gets shorter."""
    for _ in range(8):
        moved = False
        for v in reversed(order):
            parents, children = up[v], down[v]
            if len(children) > len(parents):
                highest = min([level[w] for w in children]) - 1
                if highest > level[v]:
                    level[v] = highest
                    moved = True
        for v in order:
            parents, children = up[v], down[v]
            if len(parents) > len(children):
                lowest = max([level[w] for w in parents]) + 1
                if lowest < level[v]:
                    level[v] = lowest
                    moved = True
        if not moved:
            return


def owners(
    level: list[int], up: list[list[int]], down: list[list[int]], bundle: bool
) -> dict[tuple[int, int], str]:
    """Who owns the lanes of each long link: its source ("s"), its target ("t"), or itself ("e").

    With `bundle`, the side with more long links owns: those links then run as one line as far as they can.
    """
    out: dict[int, int] = {}
    into: dict[int, int] = {}
    long_links = []
    for v, children in enumerate(down):
        for w in children:
            if level[w] - level[v] > 1:
                long_links.append((v, w))
                out[v] = out.get(v, 0) + 1
                into[w] = into.get(w, 0) + 1
    if not bundle:
        return dict.fromkeys(long_links, "e")
    return {(v, w): "s" if out[v] >= into[w] else "t" for v, w in long_links}


def bundle_of(v: int, w: int, owner: str) -> tuple[str, int]:
    """Whose lanes a long link takes: the side that owns them, and which one it is there."""
    # A number for the link itself: sources and targets stay far below 2^31.
    return owner, v if owner == "s" else w if owner == "t" else v << 31 | w


def lanes_of(link: tuple[int, int], level: list[int], owner: str) -> list[Lane]:
    """The lanes a long link passes, from source to target."""
    v, w = link
    bundle = bundle_of(v, w, owner)
    return [(*bundle, k) for k in range(level[v] + 1, level[w])]
