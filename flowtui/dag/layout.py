"""From a model to places on a canvas: every weak component laid out by itself, then packed."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.cells import cell_len

from flowtui.dag.graph import GraphModel, Link, Node
from flowtui.dag.keep import Memory, keys_kept, levels_kept
from flowtui.dag.layers import Lane, lanes_of, levels_of, owners
from flowtui.dag.order import Layers, Ordering, explore, refine
from flowtui.dag.place import Pull, place
from flowtui.dag.route import Channel, Net, route

Direction = Literal["LR", "TB", "auto"]

QUICK = 200_000
"""Steps of the search for a good order when a picture is wanted at once."""

BUDGET = 6_000_000
"""Steps for a picture that is to stay: less than a second for real graphs and for a thousand random nodes."""

BUDGET_PER_NODE = 4_000
"""The same for graphs so large that more is needed: four seconds for ten thousand random nodes."""

_WEIGHTS = ((1, 2), (2, 3))  # how strongly a link pulls: by whether its source and its target are lanes


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
class Block:
    """One weak component. Vertices 0..real-1 are nodes, the others are lanes of long links."""

    ids: list[str]
    real: int
    level: list[int]
    layers: Layers
    up: list[list[int]]
    down: list[list[int]]
    lanes: dict[Lane, int]
    owner: dict[tuple[int, int], str]
    bundled: bool
    crossings: int
    hint: list[float] = field(default_factory=list)  # where the middle of each vertex was before an edit
    # Geometry, for one direction and zoom; `start` counts across the levels, `along` along them.
    nets: list[list[Net]] = field(default_factory=list)
    net_of: list[int] = field(default_factory=list)  # the net a vertex leaves by, in the gap behind its level
    size: list[int] = field(default_factory=list)
    port: list[int] = field(default_factory=list)
    base: list[int] = field(default_factory=list)  # where a box begins inside its size
    entries: list[dict[int, int]] = field(default_factory=list)  # per vertex: net -> row inside its size
    start: list[int] = field(default_factory=list)
    channels: list[Channel] = field(default_factory=list)
    merging: list[bool] = field(default_factory=list)
    layer_at: list[int] = field(default_factory=list)
    layer_size: list[int] = field(default_factory=list)
    channel_at: list[int] = field(default_factory=list)
    channel_size: list[int] = field(default_factory=list)
    boxes: list[tuple[int, int]] = field(default_factory=list)  # width and height of each node
    lead: int = 1  # cells between a level and its first trunk
    across: int = 0
    along: int = 0
    x: int = 0
    y: int = 0
    rows: dict[int, list[str]] = field(default_factory=dict)  # painted channels, filled by paint


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
    neighbours: dict[tuple[str, bool], list[str]] = field(default_factory=dict)  # filled by near()

    @property
    def crossings(self) -> int:
        """Pairs of link segments that cross between two levels, as Graphviz counts them."""
        return sum(block.crossings for block in self.blocks)

    def near(self, node: str, forward: bool) -> list[str]:
        """The nodes downstream (or upstream) of a node in this picture, by its links."""
        if not self.neighbours and self.links:
            for source, target in self.links:
                self.neighbours.setdefault((source, True), []).append(target)
                self.neighbours.setdefault((target, False), []).append(source)
        return self.neighbours.get((node, forward), [])

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
            if i >= 0 and layer[i] < block.real:
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

    def path(self, source: str, target: str) -> list[tuple[int, int]]:
        """The vertices a link passes, as (block, vertex), from source to target; empty if it is not drawn."""
        if source not in self.vertex or target not in self.vertex:
            return []
        b, v = self.vertex[source]
        c, w = self.vertex[target]
        block = self.blocks[b]
        if b != c or block.level[v] >= block.level[w]:
            return []
        owner = block.owner.get((v, w))
        if owner is None:
            return [(b, v), (b, w)] if w in block.down[v] else []
        lanes = [block.lanes[lane] for lane in lanes_of((v, w), block.level, owner)]
        return [(b, v), *((b, lane) for lane in lanes), (b, w)]


def box_size(node: Node, zoom: int) -> tuple[int, int]:
    """Width and height of a node in cells: 2 is a box with borders, 1 a glyph with the name, 0 a glyph."""
    if zoom == 0:
        return 1, 1
    label = cell_len(node.label)
    if zoom == 1:
        return label + 3, 1
    return max(label + 6, min(cell_len(node.kind), 20) + 4 if node.kind else 0, 9), 3


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
    if direction == "auto":
        along = layout(model, direction="LR", zoom=zoom, viewport=viewport, previous=previous, budget=budget)
        across = layout(model, direction="TB", zoom=zoom, viewport=viewport, previous=along, budget=budget)
        return min((along, across), key=lambda drawn: _screens(drawn, viewport))
    kept, back = model.acyclic()
    if previous is not None and previous.links == kept and previous.model.nodes.keys() == model.nodes.keys():
        blocks = [_same_shape(block) for block in previous.blocks]
    else:
        blocks = _blocks(model, kept, budget, _remember(previous) if previous is not None else None)
        if previous is not None and (previous.direction != direction or previous.zoom != zoom):
            for block in blocks:
                block.hint = []
    for block in blocks:
        _measure(block, model, direction, zoom)
    return _pack(model, direction, zoom, blocks, kept, back, viewport)


def _screens(drawn: Layout, viewport: tuple[int, int]) -> float:
    width, height = max(viewport[0], 1), max(viewport[1], 1)
    # Scrolling down is what a terminal does best: a screen more to the right weighs more than one below.
    return float(max(drawn.width / width, 1.0) ** 1.2 * max(drawn.height / height, 1.0))


def _same_shape(block: Block) -> Block:
    """A block in the same order, its geometry still to be found."""
    return Block(
        block.ids,
        block.real,
        block.level,
        block.layers,
        block.up,
        block.down,
        block.lanes,
        block.owner,
        block.bundled,
        block.crossings,
    )


def _remember(drawn: Layout) -> Memory:
    memory = Memory({}, {}, {}, {})
    lr = drawn.direction == "LR"
    for block in drawn.blocks:
        origin = block.y + block.x / (drawn.width + 1) if lr else block.x + block.y / (drawn.height + 1)
        for v, name in enumerate(block.ids):
            memory.level[name] = block.level[v]
            memory.across[name] = origin + block.start[v] + block.size[v] / 2
            memory.bundled[name] = block.bundled
        for (side, owner, level), v in block.lanes.items():
            if side != "e":
                memory.lanes[side, block.ids[owner], level] = origin + block.start[v] + block.size[v] / 2
            else:
                name = _link_name(block.ids, owner)
                memory.lanes[side, name, level] = origin + block.start[v] + block.size[v] / 2
    return memory


def _link_name(names: Sequence[str], number: int) -> str:
    """A name for a link that has lanes of its own (see `lanes_of`)."""
    return f"{names[number >> 31]}\0{names[number & (1 << 31) - 1]}"


def _blocks(model: GraphModel, links: Sequence[Link], budget: int, memory: Memory | None) -> list[Block]:
    """The weak components, by their oldest node; components of a single node come last."""
    down: dict[str, list[str]] = {node: [] for node in model.nodes}
    up: dict[str, list[str]] = {node: [] for node in model.nodes}
    for source, target in links:
        down[source].append(target)
        up[target].append(source)
    seen: set[str] = set()
    parts: list[list[str]] = []
    place_of = {node: i for i, node in enumerate(model.nodes)}
    for node in model.nodes:
        if node in seen:
            continue
        seen.add(node)
        part = [node]
        for here in part:
            for near in (down[here], up[here]):
                for other in near:
                    if other not in seen:
                        seen.add(other)
                        part.append(other)
        part.sort(key=place_of.__getitem__)
        parts.append(part)
    total = max(len(model.nodes), 1)
    blocks = [
        _arranged(part, up, down, max(budget * len(part) // total, 200), memory)
        for part in parts
        if len(part) > 1
    ]
    blocks.extend(_arranged(part, up, down, 0, None) for part in parts if len(part) == 1)
    return blocks


def _arranged(
    part: list[str], up: dict[str, list[str]], down: dict[str, list[str]], budget: int, memory: Memory | None
) -> Block:
    """Levels, lanes and order of one component."""
    if len(part) == 1:
        return Block(part, 1, [0], [[0]], [[]], [[]], {}, {}, True, 0)
    number = {node: i for i, node in enumerate(part)}
    ups = [[number[p] for p in up[node]] for node in part]
    downs = [[number[c] for c in down[node]] for node in part]
    if memory is not None and any(node in memory.level for node in part):
        return _kept(part, ups, downs, memory, budget)
    level = levels_of(ups, downs)
    shared = _with_lanes(part, level, ups, downs, bundle=True)
    ordering = _explore(shared, budget // 4)
    if shared.lanes and ordering.crossings and budget > 400 * len(shared.level):
        # Sharing lanes saves most crossings of a tangle, and costs some where links would run side by side.
        alone = _with_lanes(part, level, ups, downs, bundle=False)
        if len(alone.level) < 4 * len(shared.level):
            other = _explore(alone, budget // 4)
            if other.crossings < ordering.crossings:
                shared, ordering = alone, other
    refine(ordering, budget // 2)
    shared.layers = ordering.layers
    shared.crossings = ordering.crossings
    return shared


def _kept(
    part: list[str], ups: list[list[int]], downs: list[list[int]], memory: Memory, budget: int
) -> Block:
    """The component as it was before an edit, with what is new fitted in."""
    level = levels_kept(part, ups, downs, memory.level)
    bundle = next(memory.bundled[node] for node in part if node in memory.bundled)
    block = _with_lanes(part, level, ups, downs, bundle)
    names = [(s, part[o] if s != "e" else _link_name(part, o), k) for s, o, k in block.lanes]
    keys = keys_kept(part, names, block.up, block.down, memory)
    for layer in block.layers:
        layer.sort(key=keys.__getitem__)
    ordering = Ordering(block.layers, block.up, block.down, budget)
    frozen = [node in memory.across for node in part] + [False] * len(names)
    new = [v for v in range(block.real) if not frozen[v]]
    new += [block.real + i for i, name in enumerate(names) if name not in memory.lanes]
    levels = {block.level[v] + step for v in new for step in (-1, 0, 1)}
    ordering.settle({k for k in levels if 0 <= k < len(block.layers)}, frozen)
    block.hint = keys
    block.layers = ordering.layers
    block.crossings = ordering.crossings
    return block


def _explore(block: Block, budget: int) -> Ordering:
    """A good order to go on from, settled, in about `budget` steps."""
    roots = [v for v in range(block.real) if not block.up[v]]
    ordering = explore(block.layers, block.up, block.down, block.level, roots, budget // 2)
    ordering.steps = budget // 2
    ordering.settle(set(range(len(ordering.layers))))
    return ordering


def _with_lanes(
    part: list[str], level: list[int], ups: list[list[int]], downs: list[list[int]], bundle: bool
) -> Block:
    """Cut the long links of one component into lanes."""
    real = len(part)
    owner = owners(level, ups, downs, bundle)
    levels = level.copy()
    lanes: dict[Lane, int] = {}
    down: list[list[int]] = [[] for _ in part]
    up: list[list[int]] = [[] for _ in part]
    joined: set[tuple[int, int]] = set()
    for v in range(real):
        for w in downs[v]:
            who = owner.get((v, w))
            last = v
            if who is not None:
                for lane in lanes_of((v, w), level, who):
                    vertex = lanes.get(lane)
                    if vertex is None:
                        vertex = lanes[lane] = len(levels)
                        levels.append(lane[2])
                        down.append([])
                        up.append([])
                    if (last, vertex) not in joined:
                        joined.add((last, vertex))
                        down[last].append(vertex)
                        up[vertex].append(last)
                    last = vertex
            if last == v or (last, w) not in joined:
                joined.add((last, w))
                down[last].append(w)
                up[w].append(last)
    layers: Layers = [[] for _ in range(max(levels) + 1)]
    for v, k in enumerate(levels):
        layers[k].append(v)
    return Block(part, real, levels, layers, up, down, lanes, owner, bundle, 0)


def _measure(block: Block, model: GraphModel, direction: Literal["LR", "TB"], zoom: int) -> None:
    """All coordinates of one block, for its order."""
    lr = direction == "LR"
    count = len(block.level)
    sizes = [box_size(model.nodes[node], zoom) for node in block.ids]
    own = [h if lr else w for w, h in sizes] + [1] * (count - block.real)
    block.boxes = sizes
    block.rows = {}
    _find_nets(block)
    _find_entries(block, own, at_glyph=not lr and zoom == 1)
    if lr:
        gap = [0] * count
    else:
        gap = [2] * block.real + [1] * (count - block.real)
    before: list[list[Pull]] = [[] for _ in range(count)]
    after: list[list[Pull]] = [[] for _ in range(count)]
    for v in range(count):
        net = block.net_of[v]
        for w in block.down[v]:
            offset = block.port[v] - block.entries[w][net]
            weight = _WEIGHTS[v >= block.real][w >= block.real]
            before[w].append((v, offset, weight))
            after[v].append((w, -offset, weight))
    hint = [int(middle - wide / 2) for middle, wide in zip(block.hint, block.size, strict=False)] or None
    block.start = place(block.layers, block.size, gap, before, after, hint)
    _find_channels(block)
    # Along the levels: a level as wide as its widest box, then its gap.
    block.lead = 1 if lr else 0
    block.layer_at, block.layer_size, block.channel_at, block.channel_size = [], [], [], []
    at = 0
    for k, layer in enumerate(block.layers):
        widest = max((sizes[v][0 if lr else 1] for v in layer if v < block.real), default=1)
        block.layer_at.append(at)
        block.layer_size.append(widest)
        at += widest
        if k + 1 < len(block.layers):
            block.channel_at.append(at)
            block.channel_size.append(block.lead + block.channels[k].columns + block.merging[k] + 1)
            at += block.channel_size[-1]
    block.along = at


def _find_nets(block: Block) -> None:
    """Group the sources of each gap by what they lead to."""
    block.nets = []
    block.net_of = [-1] * len(block.level)
    for layer in block.layers[:-1]:
        found: dict[tuple[int, ...], int] = {}
        nets: list[Net] = []
        for v in layer:
            targets = block.down[v]
            if not targets:
                continue
            key = tuple(targets) if len(targets) == 1 else tuple(sorted(targets))
            index = found.get(key)
            if index is None:
                index = found[key] = len(nets)
                nets.append(Net([], list(key), [], []))
            nets[index].sources.append(v)
            block.net_of[v] = index
        block.nets.append(nets)


def _find_entries(block: Block, own: list[int], at_glyph: bool) -> None:
    """Give each net that reaches a vertex a row of its own there, from the top in the order of the sources."""
    count = len(block.level)
    block.size, block.port, block.base, block.entries = (
        [0] * count,
        [0] * count,
        [0] * count,
        [{} for _ in own],
    )
    pos = [0] * count
    for layer in block.layers:
        for i, v in enumerate(layer):
            pos[v] = i
    for v in range(count):
        nets: dict[int, list[int]] = {}
        for u in block.up[v]:
            nets.setdefault(block.net_of[u], []).append(pos[u])
        wide = max(own[v], len(nets))
        base = (wide - own[v]) // 2
        port = base if at_glyph and v < block.real else base + own[v] // 2
        block.size[v], block.base[v], block.port[v] = wide, base, port
        if len(nets) == 1:
            block.entries[v] = {block.net_of[block.up[v][0]]: port}
        elif nets:
            first = min(max(port - (len(nets) - 1) // 2, 0), wide - len(nets))
            ranked = sorted(nets, key=lambda net: (sum(nets[net]) / len(nets[net]), net))
            block.entries[v] = {net: first + i for i, net in enumerate(ranked)}


def _find_channels(block: Block) -> None:
    depth = max((block.start[v] + block.size[v] for v in range(len(block.level))), default=0)
    block.channels, block.merging = [], []
    across = depth
    for k, nets in enumerate(block.nets):
        for i, net in enumerate(nets):
            net.starts = sorted([block.start[v] + block.port[v] for v in net.sources])
            net.ends = sorted([block.start[w] + block.entries[w][i] for w in net.targets])
        channel = route(nets, depth)
        across = max(across, channel.depth)
        block.channels.append(channel)
        block.merging.append(any(len(block.entries[w]) > 1 for w in block.layers[k + 1]))
    block.across = across


def _pack(
    model: GraphModel,
    direction: Literal["LR", "TB"],
    zoom: int,
    blocks: list[Block],
    links: list[Link],
    back: list[Link],
    viewport: tuple[int, int],
) -> Layout:
    """Put the blocks on shelves: rows of blocks, left to right, as wide as the widest of them or the viewport."""
    lr = direction == "LR"
    sizes = [(block.along, block.across) if lr else (block.across, block.along) for block in blocks]
    target = max([viewport[0], *(w for w, _ in sizes)])
    shelves: list[tuple[int, int, list[int]]] = []
    y = 0
    row: list[int] = []
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
        blocks[b].x = x
        row.append(b)
        x += w + gap_x
    close()
    boxes: dict[str, Box] = {}
    vertex: dict[str, tuple[int, int]] = {}
    width = 0
    for y0, _, names in shelves:
        for b in names:
            block = blocks[b]
            block.y = y0
            width = max(width, block.x + sizes[b][0])
            _boxes_of(block, b, model, lr, zoom, boxes, vertex)
    height = shelves[-1][1] if shelves else 0
    ordered = {node: boxes[node] for node in model.nodes}
    return Layout(model, direction, zoom, width, height, ordered, blocks, vertex, shelves, links, back)


def _boxes_of(
    block: Block,
    b: int,
    model: GraphModel,
    lr: bool,
    zoom: int,
    boxes: dict[str, Box],
    vertex: dict[str, tuple[int, int]],
) -> None:
    for k, layer in enumerate(block.layers):
        along = block.layer_at[k]
        index = 0
        for v in layer:
            if v >= block.real:
                continue
            node = block.ids[v]
            w, h = block.boxes[v]
            across = block.start[v] + block.base[v]
            x, y = (along, across) if lr else (across, along)
            boxes[node] = Box(block.x + x, block.y + y, w, h, k, index, b)
            vertex[node] = (b, v)
            index += 1


def order_of(drawn: Layout) -> Iterable[list[str]]:
    """The nodes of each level, in their order across, all blocks one after another."""
    for block in drawn.blocks:
        for layer in block.layers:
            yield [block.ids[v] for v in layer if v < block.real]
