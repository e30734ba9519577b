"""Which link closes a cycle, and along which path: asked at every move of the cursor in connect mode.

A whole graph is never searched for all its cycles (there can be exponentially many). A new link u -> v closes a cycle
exactly when u can be reached from v, and a depth-first search from v needs to look only at nodes whose level lies below
that of u: every link of an acyclic graph climbs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

Adjacency = Mapping[str, Sequence[str]]
_HIGHEST = 1 << 60


def adjacency(nodes: Iterable[str], links: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """The downstream nodes of each node, in the order of the links."""
    down: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in links:
        down.setdefault(source, []).append(target)
        down.setdefault(target, [])
    return down


def levels(down: Adjacency, up: Adjacency | None = None) -> dict[str, int]:
    """The level of each node: 0 without upstreams, else one more than the highest upstream.

    Nodes on a cycle, and whatever is downstream of one, are missing from the answer. `up` (links the other way round)
    saves counting them.
    """
    if up is not None:
        waiting = {node: len(sources) for node, sources in up.items()}
    else:
        waiting = dict.fromkeys(down, 0)
        for targets in down.values():
            for target in targets:
                waiting[target] = waiting.get(target, 0) + 1
    ready = [node for node, count in waiting.items() if not count]
    level = dict.fromkeys(ready, 0)
    for node in ready:
        above = level[node] + 1
        for target in down.get(node, ()):
            left = waiting[target] = waiting[target] - 1
            if not left:
                ready.append(target)
            if level.get(target, 0) < above:
                level[target] = above
    if len(level) == len(ready):
        return level
    return {node: level[node] for node in ready}


def follow_new_link(level: dict[str, int], down: Adjacency, source: str, target: str) -> bool:
    """Bring the levels of an acyclic graph (see `levels()`) up to date after a link came.

    False where that is more work than finding all of them anew, or where the link closes a cycle: then `level` is
    spoilt.
    """
    todo = [(target, level[source] + 1)]
    left = len(level)
    while todo:
        node, height = todo.pop()
        if level[node] >= height:
            continue
        left -= 1
        if node == source or left < 0:
            return False
        level[node] = height
        todo += [(other, height + 1) for other in down[node]]
    return True


def follow_cut_link(level: dict[str, int], down: Adjacency, up: Adjacency, target: str) -> bool:
    """As `follow_new_link`, after a link to `target` went."""
    todo = [target]
    left = len(level)
    while todo:
        node = todo.pop()
        height = max([level[other] for other in up[node]], default=-1) + 1
        if level[node] == height:
            continue
        left -= 1
        if left < 0:
            return False
        level[node] = height
        todo += down[node]
    return True


def would_close_cycle(
    down: Adjacency,
    source: str,
    target: str,
    level: Mapping[str, int] | None = None,
    up: Adjacency | None = None,
) -> list[str] | None:
    """The path target -> ... -> source that a new link source -> target would close to a cycle, or None.

    `level` (see `levels()`) cuts the search short, and `up` (links the other way round) lets it come from both ends;
    without them the answer is the same and slower. A link from a node to itself answers with that one node.
    """
    if source == target:
        return [source]
    height = (level or {}).get
    top = height(source, _HIGHEST)
    bottom = height(target, -1)
    if top <= bottom:
        return None
    came: dict[str, str] = {target: target}
    ahead = [target]
    goes: dict[str, str] = {source: source}
    behind = [source]
    while ahead:
        # The smaller end grows: what lies between two nodes is mostly seen from one of them.
        if up is None or len(ahead) <= len(behind):
            node = ahead.pop()
            for child in down.get(node, ()):
                if child in came:
                    continue
                if child in goes:
                    came[child] = node
                    return _joined(came, goes, child, source, target)
                # Nodes that have no level are behind a cycle, which a search must be able to pass.
                if height(child, bottom) < top:
                    came[child] = node
                    ahead.append(child)
        else:
            node = behind.pop()
            for parent in up.get(node, ()):
                if parent in goes:
                    continue
                if parent in came:
                    goes[parent] = node
                    return _joined(came, goes, parent, source, target)
                if height(parent, top) > bottom:
                    goes[parent] = node
                    behind.append(parent)
            if not behind:
                return None
    return None


def reachable(down: Adjacency, start: str) -> set[str]:
    """Everything downstream of `start`, with itself."""
    seen = {start}
    stack = [start]
    while stack:
        for child in down.get(stack.pop(), ()):
            if child not in seen:
                seen.add(child)
                stack.append(child)
    return seen


def split_newest(links: Sequence[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The links that fit together without a cycle, oldest first, and those that came later and close one."""
    down = adjacency((), links)
    if len(levels(down)) == len(down):
        return list(links), []
    # An order that nearly all links follow; one that does not is asked for, and if it fits the order is changed where
    # it has to be (Pearce and Kelly 2007), so that it holds for all links that were kept.
    place = _order(down)
    kept: list[tuple[str, str]] = []
    closing: list[tuple[str, str]] = []
    grown: dict[str, list[str]] = {node: [] for node in down}
    back: dict[str, list[str]] = {node: [] for node in down}
    for link in links:
        source, target = link
        if place[source] >= place[target]:
            after = _within(grown, target, place, place[target], place[source])
            if source in after:
                closing.append(link)
                continue
            before = _within(back, source, place, place[target], place[source])
            moved = sorted(before, key=place.__getitem__) + sorted(after, key=place.__getitem__)
            place.update(zip(moved, sorted([place[node] for node in moved]), strict=True))
        grown[source].append(target)
        back[target].append(source)
        kept.append(link)
    return kept, closing


def _order(down: Adjacency) -> dict[str, int]:
    """A place for each node: against it go only links that close a cycle of a depth-first walk."""
    left: list[str] = []
    entered: set[str] = set()
    for start in down:
        if start in entered:
            continue
        entered.add(start)
        stack = [(start, iter(down[start]))]
        while stack:
            node, others = stack[-1]
            for other in others:
                if other not in entered:
                    entered.add(other)
                    stack.append((other, iter(down[other])))
                    break
            else:
                stack.pop()
                left.append(node)
    return {node: i for i, node in enumerate(reversed(left))}


def _within(links: Adjacency, start: str, place: Mapping[str, int], first: int, last: int) -> set[str]:
    """What `links` lead to from `start` (with itself) without leaving the places `first` to `last`."""
    found = {start}
    todo = [start]
    while todo:
        for node in links[todo.pop()]:
            if node not in found and first <= place[node] <= last:
                found.add(node)
                todo.append(node)
    return found


def _joined(
    came: Mapping[str, str], goes: Mapping[str, str], middle: str, source: str, target: str
) -> list[str]:
    """The path from target to source through the node where both searches met."""
    path = [middle]
    while path[-1] != target:
        path.append(came[path[-1]])
    path.reverse()
    while path[-1] != source:
        path.append(goes[path[-1]])
    return path
