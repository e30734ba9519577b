"""From a model to places on a canvas: every weak component laid out by itself, then packed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from flowtui.dag.amend import amend, changes
from flowtui.dag.blocks import Block, blocks_of, crossings_of, link_name, same_shape
from flowtui.dag.graph import GraphModel, Link
from flowtui.dag.keep import Memory
from flowtui.dag.layers import bundle_of
from flowtui.dag.measure import measure, relabelled

Direction = Literal["LR", "TB", "auto"]

QUICK = 300_000
"""Steps of the search for a good order when a picture is wanted at once."""

EDITED = 10_000
"""The same for an edit of a picture that is made at once: what is new finds its place. More finds next to nothing."""

BUDGET = 6_000_000
"""Steps for a picture that is to stay: less than a second for real graphs and for a thousand random nodes."""

BUDGET_PER_NODE = 4_000
"""The same for graphs so large that more is needed: five seconds for ten thousand random nodes."""

SMALL_PER_NODE = 60_000
"""And for graphs so small that more finds nothing: a tenth of a second for ten nodes."""

CHOSEN = 100
"""Nodes from which on `auto` looks again for the better direction only when a tenth of them has come or gone."""


@dataclass(slots=True)
class Box:
    """Where a node is: its cells on the canvas, its level and its place inside the level."""

    x: int
    y: int
    w: int
    h: int
    level: int
    index: int
    block: int


@dataclass(slots=True)
class Layout:
    """Where everything is. Painted by `paint`; a new one is made for every change of shape, direction or zoom."""

    model: GraphModel
    direction: Literal["LR", "TB"]
    zoom: int
    width: int
    height: int
    boxes: dict[str, Box]
    blocks: list[Block]
    vertex: dict[str, tuple[int, int]]  # node id -> (block, vertex)
    shelves: list[tuple[int, int, list[int]]]  # rows [y0, y1) and the blocks in them, left to right
    links: list[Link]
    back: list[Link]  # links that close a cycle: not part of the layout
    chosen_for: tuple[int, int, tuple[int, int]] | None = (
        None  # nodes, zoom and viewport when `auto` last chose
    )

    @property
    def crossings(self) -> int:
        """Pairs of link segments that cross between two levels; those that share a trunk are one line and do not."""
        inside = 0
        for block in self.blocks:
            for nets in block.nets:
                for net in nets:
                    s, t = len(net.sources), len(net.targets)
                    inside += s * (s - 1) * t * (t - 1) // 4
        return self.bundled_crossings - inside

    @property
    def bundled_crossings(self) -> int:
        """The same as Graphviz counts them: every link is a line of its own."""
        return sum(map(crossings_of, self.blocks))

    def near(self, node: str, forward: bool) -> list[str]:
        """The nodes downstream (or upstream) of a node in this picture, by its links."""
        if node not in self.vertex:
            return []
        b, v = self.vertex[node]
        block = self.blocks[b]
        return [block.ids[w] for w in (block.links_down if forward else block.links_up)[v]]

    def has_downstream(self, node: str) -> bool:
        """Whether a line leaves the node in this picture."""
        b, v = self.vertex[node]
        return bool(self.blocks[b].down[v])

    def node_at(self, x: int, y: int) -> str | None:
        """The node whose box covers a cell of the canvas, or None."""
        for block in self.blocks_at(y):
            if self.direction == "LR":
                k = bisect_right(block.layer_at, x - block.x) - 1
                across = y - block.y
            else:
                k = bisect_right(block.layer_at, y - block.y) - 1
                across = x - block.x
            if k < 0:
                continue
            layer = block.layers[k]
            i = bisect_right(layer, across, key=block.start.__getitem__) - 1
            if i >= 0 and block.ids[layer[i]]:
                node = block.ids[layer[i]]
                box = self.boxes[node]
                if box.x <= x < box.x + box.w and box.y <= y < box.y + box.h:
                    return node
        return None

    def blocks_at(self, y: int) -> list[Block]:
        """The blocks that have a part on a row of the canvas, left to right."""
        i = bisect_right(self.shelves, y, key=lambda shelf: shelf[0]) - 1
        if i < 0 or y >= self.shelves[i][1]:
            return []
        return [self.blocks[b] for b in self.shelves[i][2]]

    def steps(self, source: str, target: str) -> Iterator[tuple[int, int, int]]:
        """A link from level to level: block, vertex, and the next vertex; nothing if it is not drawn.

        It begins at the end that is the link's own. From the first step on that it shares with another link they have
        all the others in common.
        """
        if source not in self.vertex or target not in self.vertex:
            return
        b, v = self.vertex[source]
        c, w = self.vertex[target]
        block = self.blocks[b]
        level, lanes = block.level, block.lanes
        if b != c or level[v] >= level[w]:
            return
        owner = block.owner.get((v, w))
        if owner is None:
            ups, downs = block.up[w], block.down[v]
            # Of a hub's thousand links each would be looked for among all.
            if v in ups if len(ups) < len(downs) else w in downs:
                yield b, v, w
            return
        bundle = bundle_of(v, w, owner)
        if owner == "t":
            for k in range(level[v] + 1, level[w]):
                lane = lanes[(*bundle, k)]
                yield b, v, lane
                v = lane
        else:
            for k in range(level[w] - 1, level[v], -1):
                lane = lanes[(*bundle, k)]
                yield b, lane, w
                w = lane
        yield b, v, w


def careful(nodes: int) -> int:
    """The budget for a picture of so many nodes that is to stay."""
    return max(min(BUDGET, SMALL_PER_NODE * nodes), BUDGET_PER_NODE * nodes)


def layout(
    model: GraphModel,
    *,
    direction: Direction = "LR",
    zoom: int = 2,
    viewport: tuple[int, int] = (120, 36),
    previous: Layout | None = None,
    budget: int = QUICK,
) -> Layout:
    """Lay out `model`. The same arguments give the same picture on every machine.

    `budget` counts steps of the search for few crossings. With `previous`, nodes that were in it keep their order.
    `auto` picks the direction that fills fewer screens of `viewport` cells.
    """
    if direction == "auto" and previous is not None and previous.chosen_for is not None:
        nodes, *seen = previous.chosen_for
        if seen == [zoom, viewport] and nodes >= CHOSEN and abs(len(model.nodes) - nodes) <= nodes // 10:
            # An edit of a large flow does not turn it: to draw it both ways each time would cost twice as much.
            kept_way = layout(
                model,
                direction=previous.direction,
                zoom=zoom,
                viewport=viewport,
                previous=previous,
                budget=budget,
            )
            kept_way.chosen_for = previous.chosen_for
            return kept_way
    if direction == "auto":
        along = layout(model, direction="LR", zoom=zoom, viewport=viewport, previous=previous, budget=budget)
        across = layout(model, direction="TB", zoom=zoom, viewport=viewport, previous=along, budget=budget)
        screens = {"LR": _screens(along, viewport), "TB": _screens(across, viewport)}
        if previous is not None and not previous.boxes.keys().isdisjoint(model.nodes):
            # While a flow is edited its direction must not flicker: only a clear gain turns it.
            screens[previous.direction] *= 0.7
        better = along if screens["LR"] <= screens["TB"] else across
        better.chosen_for = len(model.nodes), zoom, viewport
        return better
    kept, back = model.acyclic()
    if previous is None:
        blocks = _laid_out(model, model.nodes, kept, direction, zoom, budget, None)
    elif (previous.direction, previous.zoom) != (direction, zoom):
        blocks = _turned(previous, model, kept, direction, zoom, budget)
    else:
        blocks = _edited(previous, model, kept, direction, zoom, budget)
    return _pack(model, direction, zoom, blocks, kept, back, viewport, previous)


def _laid_out(
    model: GraphModel,
    nodes: Collection[str],
    links: Sequence[Link],
    direction: Literal["LR", "TB"],
    zoom: int,
    budget: int,
    memory: Memory | None,
    near: bool = True,
) -> list[Block]:
    """Blocks of some nodes with all their links; with a memory in the order of before, and `near` where they were."""
    blocks = []
    for way in blocks_of(model, nodes, links, budget, memory):
        for block in way:
            if not near:
                block.hint = []
            measure(block, model, direction, zoom)
        blocks.append(
            min(way, key=lambda block: (block.passed, crossings_of(block))) if len(way) > 1 else way[0]
        )
    return blocks


def _turned(
    previous: Layout,
    model: GraphModel,
    links: list[Link],
    direction: Literal["LR", "TB"],
    zoom: int,
    budget: int,
) -> list[Block]:
    """The blocks for another direction or zoom."""
    same = previous.links == links and previous.model.nodes.keys() == model.nodes.keys()
    if not same or any([block.gone for block in previous.blocks]):
        memory = _remember(previous, previous.blocks)
        return _laid_out(model, model.nodes, links, direction, zoom, budget, memory, near=False)
    blocks = [same_shape(block) for block in previous.blocks]
    for block in blocks:
        measure(block, model, direction, zoom)
    return blocks


def _edited(
    previous: Layout,
    model: GraphModel,
    links: list[Link],
    direction: Literal["LR", "TB"],
    zoom: int,
    budget: int,
) -> list[Block]:
    """The blocks after an edit: those that it does not touch stay as they are."""
    change = changes(previous.model, previous.links, model, links)
    if change is None:
        memory = _remember(previous, previous.blocks)
        return _laid_out(model, model.nodes, links, direction, zoom, budget, memory)
    where = previous.vertex
    ends = {node for link in (*change.links, *change.cut) for node in link}
    touched = {where[node][0] for node in (*ends, *change.gone) if node in where}
    labels: dict[int, list[str]] = {}
    for node in change.labels:
        labels.setdefault(where[node][0], []).append(node)
    blocks = []
    for b, block in enumerate(previous.blocks):
        if b in touched:
            continue
        again = block if b not in labels else relabelled(block, model, direction, zoom)
        if again is None:
            touched.add(b)
        else:
            blocks.append(again)
    rest = {node for b in touched for node in previous.blocks[b].ids if node in model.nodes}
    rest.update(change.nodes)
    if touched:
        main = max(touched, key=lambda b: (len(previous.blocks[b].ids), -b))
        # What a link joins to the largest block comes to it like something new.
        joining = rest.difference(change.nodes, previous.blocks[main].ids)
        linked = [node for node in change.nodes if node in ends]
        own = [link for link in links if link[0] in joining or link[1] in joining] if joining else []
        here = replace(
            change,
            nodes=linked + [node for node in model.nodes if node in joining],
            gone=[node for node in change.gone if where[node][0] == main],
            links=list(dict.fromkeys([*own, *change.links])),
            cut=[link for link in change.cut if where[link[0]][0] == main],
            labels=labels.get(main, []),
        )
        amended = amend(previous.blocks[main], model, here, direction, zoom, budget)
        if amended is not None:
            block, apart = amended
            blocks.append(block)
            rest = {*set(change.nodes).difference(linked), *apart}
    if rest:
        names = [node for node in model.nodes if node in rest]
        own = [link for link in links if link[0] in rest]
        memory = _remember(previous, [previous.blocks[b] for b in touched])
        blocks += _laid_out(model, names, own, direction, zoom, budget, memory)
    number = {node: i for i, node in enumerate(model.nodes)}
    number[""] = len(number)
    return sorted(
        blocks, key=lambda block: (len(block.layers) == 1, min([number[node] for node in block.ids]))
    )


def _screens(drawn: Layout, viewport: tuple[int, int]) -> float:
    width, height = max(viewport[0], 1), max(viewport[1], 1)
    # Scrolling down is what a terminal does best: a screen more to the right weighs more than one below.
    return float(max(drawn.width / width, 1.0) ** 1.2 * max(drawn.height / height, 1.0))


def _remember(drawn: Layout, blocks: Iterable[Block]) -> Memory:
    memory = Memory({}, {}, {}, {}, {})
    lr = drawn.direction == "LR"
    for block in blocks:
        for nets, channel in zip(block.nets, block.channels, strict=True):
            memory.channels[tuple([(*net.starts, -1, *net.ends) for net in nets])] = channel
        origin = block.y + block.x / (drawn.width + 1) if lr else block.x + block.y / (drawn.height + 1)
        for v, name in enumerate(block.ids):
            if not name:
                continue
            memory.level[name] = block.level[v]
            memory.across[name] = origin + block.start[v] + block.size[v] / 2
            memory.bundled[name] = block.bundled
        for (side, owner, level), v in block.lanes.items():
            if side != "e":
                memory.lanes[side, block.ids[owner], level] = origin + block.start[v] + block.size[v] / 2
            else:
                name = link_name(block.ids, owner)
                memory.lanes[side, name, level] = origin + block.start[v] + block.size[v] / 2
    return memory


def _pack(
    model: GraphModel,
    direction: Literal["LR", "TB"],
    zoom: int,
    blocks: list[Block],
    links: list[Link],
    back: list[Link],
    viewport: tuple[int, int],
    previous: Layout | None,
) -> Layout:
    """Put the blocks on shelves: rows of blocks, left to right, as wide as the widest of them or the viewport.

    Blocks that the picture before has, too, are not changed.
    """
    shared = {id(block) for block in previous.blocks} if previous is not None else set()
    lr = direction == "LR"
    sizes = [(block.along, block.across) if lr else (block.across, block.along) for block in blocks]
    target = max([viewport[0], *(w for w, _ in sizes)])
    shelves: list[tuple[int, int, list[int]]] = []
    y = 0
    row: list[int] = []
    left = [0] * len(blocks)
    x = 0
    gap_x, gap_y = (2, 1 if zoom == 2 else 0) if zoom else (1, 0)

    def close() -> None:
        nonlocal y, x
        if row:
            deep = max(sizes[b][1] for b in row)
            shelves.append((y, y + deep, row.copy()))
            y += deep + gap_y
            row.clear()
            x = 0

    for b, (w, _) in enumerate(sizes):
        if row and x + w > target:
            close()
        left[b] = x
        row.append(b)
        x += w + gap_x
    close()
    same_way = previous if previous is not None and previous.direction == direction else None
    boxes: dict[str, Box] = {}
    vertex: dict[str, tuple[int, int]] = {}
    width = 0
    for y0, _, names in shelves:
        for b in names:
            block = blocks[b]
            if (block.x, block.y) != (left[b], y0):
                if id(block) in shared:
                    block = blocks[b] = replace(block)
                block.x, block.y = left[b], y0
            width = max(width, block.x + sizes[b][0])
            _boxes_of(block, b, lr, boxes, vertex, same_way)
    height = shelves[-1][1] if shelves else 0
    ordered = {node: boxes[node] for node in model.nodes}
    return Layout(model, direction, zoom, width, height, ordered, blocks, vertex, shelves, links, back)


def _boxes_of(
    block: Block,
    b: int,
    lr: bool,
    boxes: dict[str, Box],
    vertex: dict[str, tuple[int, int]],
    previous: Layout | None,
) -> None:
    was = previous.blocks[b] if previous is not None and b < len(previous.blocks) else None
    for k, layer in enumerate(block.layers):
        along = block.layer_at[k]
        if was is not None and previous is not None and _stands(block, was, k):
            for v in layer:
                if node := block.ids[v]:
                    boxes[node] = previous.boxes[node]
                    vertex[node] = previous.vertex[node]
            continue
        index = 0
        for v in layer:
            node = block.ids[v]
            if not node:
                continue
            w, h = block.boxes[v]
            across = block.start[v] + block.base[v]
            x, y = (along, across) if lr else (across, along)
            boxes[node] = Box(block.x + x, block.y + y, w, h, k, index, b)
            vertex[node] = (b, v)
            index += 1


def _stands(block: Block, was: Block, k: int) -> bool:
    """Whether all boxes of a level are where they were in the block before an edit."""
    if k >= len(was.layers) or block.layers[k] is not was.layers[k] or block.layer_at[k] != was.layer_at[k]:
        return False
    if (block.x, block.y) != (was.x, was.y):
        return False
    for now, then in ((block.start, was.start), (block.base, was.base), (block.boxes, was.boxes)):
        if any([now[v] != then[v] for v in block.layers[k]]):
            return False
    return True


def order_of(drawn: Layout) -> Iterable[list[str]]:
    """The nodes of each level, in their order across, all blocks one after another."""
    for block in drawn.blocks:
        for layer in block.layers:
            yield [block.ids[v] for v in layer if block.ids[v]]
