"""Levels with the least total length of links: the network simplex of Gansner et al. (1993), on plain lists.

A spanning tree of links that are as short as can be stands for a solution. Taking a tree link away leaves two parts;
how much moving one of them would gain is the number of links that leave it less those that enter it, and that is a sum
over a subtree. As long as some part gains, it moves until another link becomes as short as can be, which takes the
place in the tree.
"""

from __future__ import annotations


def shorten(level: list[int], up: list[list[int]], down: list[list[int]], pivots: int) -> None:
    """Lower the total length of the links of a connected graph, in place, in at most `pivots` exchanges.

    `level` must be feasible: every link climbs. Fewer pivots than needed leave a feasible answer.
    """
    count = len(level)
    if count < 3:
        return
    parent, children, order = _tight_tree(level, up, down)
    pull = [len(down[v]) - len(up[v]) for v in range(count)]
    for v in reversed(order):
        if parent[v] >= 0:
            pull[parent[v]] += pull[v]
    calm = 0
    at = 0
    while calm < count and pivots > 0:
        v = order[at]
        at = at + 1 if at + 1 < count else 0
        calm += 1
        p = parent[v]
        if p < 0 or not pull[v]:
            continue
        # The tree link climbs from v to p (then v's part may go down) or from p to v (then it may go up).
        downwards = level[p] > level[v]
        if (pull[v] < 0) != downwards:
            continue
        pivots -= 1
        calm = 0
        part = [v]
        for w in part:
            part.extend(children[w])
        inside = set(part)
        slack = 1 << 30
        enter = (-1, -1)
        for w in part:
            here = level[w]
            for other in up[w] if downwards else down[w]:
                if other not in inside:
                    room = abs(here - level[other]) - 1
                    if room < slack:
                        slack = room
                        enter = (w, other)
                        if not room:
                            break
            if not slack:
                break
        step = -slack if downwards else slack
        if step:
            for w in part:
                level[w] += step
        _exchange(v, p, enter, parent, children, pull)


def _exchange(
    v: int, p: int, enter: tuple[int, int], parent: list[int], children: list[set[int]], pull: list[int]
) -> None:
    """Hang the part under v from the other end of the link that enters the tree."""
    total = pull[v]
    children[p].discard(v)
    a = p
    while a >= 0:
        pull[a] -= total
        a = parent[a]
    # Turn the path from the new root of the part to its old one round.
    x, above = enter
    before = pull[x]
    pull[x] = total
    old = parent[x]
    parent[x] = above
    while x != v:
        beyond = parent[old]
        children[old].discard(x)
        children[x].add(old)
        parent[old] = x
        own = pull[old]
        pull[old] = total - before
        before = own
        x, old = old, beyond
    children[above].add(enter[0])
    a = above
    while a >= 0:
        pull[a] += total
        a = parent[a]


def _tight_tree(
    level: list[int], up: list[list[int]], down: list[list[int]]
) -> tuple[list[int], list[set[int]], list[int]]:
    """A spanning tree of links of length one; parts that hang together by longer ones are moved up to each other."""
    count = len(level)
    parent = [-1] * count
    children: list[set[int]] = [set() for _ in range(count)]
    seen = bytearray(count)
    seen[0] = 1
    order = [0]
    done = 0
    while True:
        while done < len(order):
            v = order[done]
            done += 1
            here = level[v]
            for w in down[v]:
                if not seen[w] and level[w] == here + 1:
                    seen[w] = 1
                    parent[w] = v
                    children[v].add(w)
                    order.append(w)
            for w in up[v]:
                if not seen[w] and level[w] == here - 1:
                    seen[w] = 1
                    parent[w] = v
                    children[v].add(w)
                    order.append(w)
        if len(order) == count:
            return parent, children, order
        slack = 1 << 30
        step = 0
        for v in order:
            here = level[v]
            for w in down[v]:
                if not seen[w] and level[w] - here - 1 < slack:
                    slack = level[w] - here - 1
                    step = slack
            for w in up[v]:
                if not seen[w] and here - level[w] - 1 < slack:
                    slack = here - level[w] - 1
                    step = -slack
        for v in order:
            level[v] += step
        done = 0
