"""One weak component of a flow: its levels, the lanes of its long links, and the order inside the levels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from flowtui.dag.gather import gather
from flowtui.dag.graph import GraphModel, Link
from flowtui.dag.keep import Memory, keys_kept, levels_kept
from flowtui.dag.layers import Lane, lanes_of, levels_of, owners
from flowtui.dag.order import ALONE, LANE, Layers, Ordering, explore, refine
from flowtui.dag.route import Channel, ChannelKey, Net

CAREFUL = 300
"""Vertices up to which a picture is made in several ways, to keep the best."""
NOT_COUNTED = -1
"""For the crossings of a block that was kept through an edit: see `crossings_of`."""


@dataclass(slots=True)
class Block:
    """One weak component. A vertex is a node, or a lane of a long link; only those in `layers` are drawn.

    The lists inside `up`, `down`, `links_up`, `links_down` and `layers` are shared with the pictures after an edit and
    never changed.
    """

    ids: list[str]  # "" for a lane, and for what an edit removed
    level: list[int]
    layers: Layers
    up: list[list[int]]  # in the level before: lanes stand between the ends of a long link
    down: list[list[int]]
    links_up: list[list[int]]  # the links themselves, from node to node
    links_down: list[list[int]]
    lanes: dict[Lane, int]
    owner: dict[tuple[int, int], str]
    bundled: bool
    crossings: int
    hint: list[float] = field(default_factory=list)  # where the middle of each vertex was before an edit
    fresh: set[int] = field(default_factory=set)  # vertices that were not there
    gone: list[int] = field(default_factory=list)  # vertices that edits have removed
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
    known: dict[ChannelKey, Channel] = field(
        default_factory=dict
    )  # gaps that have been routed, by their rows
    passed: int = 0  # how often lines pass trunks, for blocks of at most CAREFUL vertices
    layer_at: list[int] = field(default_factory=list)
    layer_size: list[int] = field(default_factory=list)
    channel_at: list[int] = field(default_factory=list)
    channel_size: list[int] = field(default_factory=list)
    boxes: list[tuple[int, int]] = field(default_factory=list)  # width and height; (1, 1) for a lane
    lead: int = 1  # cells between a level and its first trunk
    across: int = 0
    along: int = 0
    x: int = 0
    y: int = 0
    rows: dict[int, list[str]] = field(default_factory=dict)  # painted channels, filled by paint


def same_shape(block: Block) -> Block:
    """The block in the same order, its geometry still to be found: near where everybody was."""
    same = Block(
        block.ids,
        block.level,
        block.layers,
        block.up,
        block.down,
        block.links_up,
        block.links_down,
        block.lanes,
        block.owner,
        block.bundled,
        block.crossings,
    )
    same.hint = [at + size / 2 for at, size in zip(block.start, block.size, strict=True)]
    same.known = {
        tuple([(*net.starts, -1, *net.ends) for net in nets]): channel
        for nets, channel in zip(block.nets, block.channels, strict=True)
    }
    return same


def renumbered(block: Block) -> Block:
    """The measured block without the vertices that edits have removed."""
    gone = set(block.gone)
    kept = [v for v in range(len(block.ids)) if v not in gone]
    number = [-1] * len(block.ids)
    for i, v in enumerate(kept):
        number[v] = i

    def near(lists: list[list[int]]) -> list[list[int]]:
        return [[number[w] for w in lists[v]] for v in kept]

    def owned(lane: Lane) -> Lane:
        side, who, k = lane
        if side != "e":
            return side, number[who], k
        return side, number[who >> 31] << 31 | number[who & (1 << 31) - 1], k

    return replace(
        block,
        ids=[block.ids[v] for v in kept],
        level=[block.level[v] for v in kept],
        layers=[[number[v] for v in layer] for layer in block.layers],
        up=near(block.up),
        down=near(block.down),
        links_up=near(block.links_up),
        links_down=near(block.links_down),
        lanes={owned(lane): number[v] for lane, v in block.lanes.items()},
        owner={(number[v], number[w]): side for (v, w), side in block.owner.items()},
        hint=[],
        fresh=set(),
        gone=[],
        nets=[
            [
                replace(
                    net,
                    sources=[number[v] for v in net.sources],
                    targets=[number[v] for v in net.targets],
                )
                for net in nets
            ]
            for nets in block.nets
        ],
        net_of=[block.net_of[v] for v in kept],
        size=[block.size[v] for v in kept],
        port=[block.port[v] for v in kept],
        base=[block.base[v] for v in kept],
        entries=[block.entries[v] for v in kept],
        start=[block.start[v] for v in kept],
        boxes=[block.boxes[v] for v in kept],
    )


def crossings_of(block: Block) -> int:
    """Crossings of its links; after an edit they are counted when somebody asks."""
    if block.crossings == NOT_COUNTED:
        block.crossings = Ordering(block.layers, block.up, block.down, 0).crossings
    return block.crossings


def link_name(names: Sequence[str], number: int) -> str:
    """A name for a link that has lanes of its own (see `lanes_of`)."""
    return f"{names[number >> 31]}\0{names[number & (1 << 31) - 1]}"


def blocks_of(
    model: GraphModel, nodes: Collection[str], links: Sequence[Link], budget: int, memory: Memory | None
) -> list[list[Block]]:
    """The weak components of some nodes of a model with all their links, by their oldest node, single ones last.

    Each comes in one or two ways (with shared lanes and without), of which the better is seen when it is measured.
    """
    names = list(nodes)
    number = {node: i for i, node in enumerate(names)}
    down: list[list[int]] = [[] for _ in names]
    up: list[list[int]] = [[] for _ in names]
    for source, target in links:
        v, w = number[source], number[target]
        down[v].append(w)
        up[w].append(v)
    seen = bytearray(len(names))
    parts: list[list[int]] = []
    for first in range(len(names)):
        if seen[first]:
            continue
        seen[first] = 1
        part = [first]
        for here in part:
            for other in down[here]:
                if not seen[other]:
                    seen[other] = 1
                    part.append(other)
            for other in up[here]:
                if not seen[other]:
                    seen[other] = 1
                    part.append(other)
        part.sort()
        parts.append(part)
    local = [0] * len(names)
    blocks: list[list[Block]] = []
    for part in parts:
        if len(part) == 1:
            continue
        for i, v in enumerate(part):
            local[v] = i
        ups = [[local[v] for v in up[w]] for w in part]
        downs = [[local[w] for w in down[v]] for v in part]
        share = max(budget * len(part) // len(model.nodes), 200)
        blocks.append(_arranged([names[v] for v in part], ups, downs, model.groups, share, memory))
    blocks.extend(
        [Block([names[part[0]]], [0], [[0]], [[]], [[]], [[]], [[]], {}, {}, True, 0)]
        for part in parts
        if len(part) == 1
    )
    return blocks


def _arranged(
    part: list[str],
    ups: list[list[int]],
    downs: list[list[int]],
    groups: Mapping[str, str],
    budget: int,
    memory: Memory | None,
) -> list[Block]:
    """Levels, lanes and order of one component."""
    if memory is not None and any(node in memory.level for node in part):
        return [_kept(part, ups, downs, memory, budget)]
    level = levels_of(ups, downs)
    shared = _with_lanes(part, level, ups, downs, bundle=True)
    found = [(shared, _explore(shared, budget // 4))]
    if shared.lanes and found[0][1].crossings and budget > 400 * len(shared.level):
        # Sharing lanes saves most crossings of a tangle, and costs some where links would run side by side.
        alone = _with_lanes(part, level, ups, downs, bundle=False)
        if len(alone.level) < 4 * len(shared.level):
            found.append((alone, _explore(alone, budget // 4)))
        if len(alone.level) > CAREFUL:
            found = [min(found, key=lambda way: way[1].crossings)]
    for block, ordering in found:
        refine(ordering, budget // 2)
        if not groups.keys().isdisjoint(part):
            ordering.steps = budget // 4
            gather(ordering, _fence(block, groups))
        block.layers = ordering.layers
        block.crossings = ordering.crossings
    return [block for block, _ in found]


def _fence(block: Block, groups: Mapping[str, str]) -> list[int]:
    numbers = {group: i for i, group in enumerate(dict.fromkeys(groups.values()))}
    return [LANE if not name else numbers[groups[name]] if name in groups else ALONE for name in block.ids]


def _kept(
    part: list[str], ups: list[list[int]], downs: list[list[int]], memory: Memory, budget: int
) -> Block:
    """The component as it was before an edit, with what is new fitted in."""
    level = levels_kept(part, ups, downs, memory.level)
    bundle = next(memory.bundled[node] for node in part if node in memory.bundled)
    block = _with_lanes(part, level, ups, downs, bundle)
    names = [(s, part[o] if s != "e" else link_name(part, o), k) for s, o, k in block.lanes]
    keys = keys_kept(part, names, block.up, block.down, memory)
    for layer in block.layers:
        layer.sort(key=keys.__getitem__)
    ordering = Ordering(block.layers, block.up, block.down, budget)
    frozen = [node in memory.across for node in part] + [name in memory.lanes for name in names]
    new = [v for v, there in enumerate(frozen) if not there]
    levels = {block.level[v] + step for v in new for step in (-1, 0, 1)}
    ordering.settle({k for k in levels if 0 <= k < len(block.layers)}, frozen)
    block.hint = keys
    block.fresh = set(new)
    block.known = memory.channels
    block.layers = ordering.layers
    block.crossings = NOT_COUNTED
    return block


def _explore(block: Block, budget: int) -> Ordering:
    """A good order to go on from, settled, in about `budget` steps."""
    roots = [v for v, name in enumerate(block.ids) if name and not block.up[v]]
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
        following = level[v] + 1
        for w in downs[v]:
            if level[w] == following:
                down[v].append(w)
                up[w].append(v)
                continue
            last = v
            for lane in lanes_of((v, w), level, owner[v, w]):
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
            if (last, w) not in joined:
                joined.add((last, w))
                down[last].append(w)
                up[w].append(last)
    layers: Layers = [[] for _ in range(max(levels) + 1)]
    for v, k in enumerate(levels):
        layers[k].append(v)
    none: list[list[int]] = [[]] * len(lanes)
    names = part + [""] * len(lanes)
    return Block(names, levels, layers, up, down, ups + none, downs + none, lanes, owner, bundle, 0)
