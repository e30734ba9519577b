"""All coordinates of one block, for its order: boxes across the levels, nets and channels between them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from operator import add
from typing import Literal

from rich.cells import cell_len

from flowtui.dag.blocks import CAREFUL, Block
from flowtui.dag.graph import GraphModel, Node
from flowtui.dag.place import Pull, place, stay
from flowtui.dag.route import Channel, Net, route

_WEIGHTS = ((1, 2), (2, 3))  # how strongly a link pulls: by whether its source and its target are lanes


KNOWN = 8
"""How many channels for each gap are remembered through edits: an undo finds those from before."""


def box_size(node: Node, zoom: int) -> tuple[int, int]:
    """Width and height of a node in cells: 2 is a box with borders, 1 a glyph with the name, 0 a glyph."""
    return _text_size(node.label, node.kind, zoom)


@lru_cache(maxsize=1 << 14)
def _text_size(label: str, kind: str, zoom: int) -> tuple[int, int]:
    if zoom == 0:
        return 1, 1
    width = cell_len(label)
    if zoom == 1:
        return width + 3, 1
    return max(width + 6, min(cell_len(kind), 20) + 4 if kind else 0, 9), 3


def measure(block: Block, model: GraphModel, direction: Literal["LR", "TB"], zoom: int) -> None:
    """Find all coordinates of a block, for one direction and zoom."""
    lr = direction == "LR"
    count = len(block.level)
    block.boxes = _boxes(block, model, zoom)
    block.rows = {}
    block.net_of = [-1] * count
    block.nets = [_nets_between(block, layer) for layer in block.layers[:-1]]
    block.size, block.base, block.port = [1] * count, [0] * count, [0] * count
    block.entries = [{}] * count
    pos = [0] * count
    for layer in block.layers:
        for i, v in enumerate(layer):
            pos[v] = i
    _find_entries(block, range(count), pos, lr, zoom)
    gap = _gaps(block, lr)
    hint = [int(middle - wide / 2) for middle, wide in zip(block.hint, block.size, strict=False)] or None
    if hint is not None and count > CAREFUL:
        block.start = stay(block.layers, block.size, gap, _pulls_of_fresh(block), hint)
        _find_channels(block)
    else:
        before = [_pulls_before(block, v) for v in range(count)]
        after = [_pulls_after(block, v) for v in range(count)]
        if hint is not None or count > CAREFUL or count == 1:
            rounds = 0 if count > 2000 else 1
            block.start = place(block.layers, block.size, gap, before, after, hint, rounds=rounds)
            _find_channels(block)
        else:
            _find_straightest(block, gap, before, after)
    block.lead = 1 if lr else 0
    _find_along(block, lr)


def remeasure(
    block: Block,
    old: Block,
    model: GraphModel,
    direction: Literal["LR", "TB"],
    zoom: int,
    edited: Edited,
) -> None:
    """All coordinates of a block after an edit: as `measure` finds them, but made anew only where `edited` says.

    `block` has the shape after the edit and the coordinates of `old`, the block before; its lists are its own.
    """
    lr = direction == "LR"
    gaps = range(len(block.layers) - 1)
    for v in edited.resized:
        block.boxes[v] = box_size(model.nodes[block.ids[v]], zoom)
    nets_of = {k for k in edited.layers | {block.level[v] for v in edited.leave} if k in gaps}
    nets = {k: _nets_between(block, block.layers[k]) for k in nets_of}
    entered = {k + 1 for k in nets_of} | {block.level[v] for v in edited.arrive}
    size = block.size.copy()
    _find_entries(block, [v for k in entered for v in block.layers[k]], edited.pos, lr, zoom)
    for k in entered:
        for v in block.layers[k]:
            if block.size[v] != size[v]:
                block.start[v] = int(block.start[v] + size[v] / 2 - block.size[v] / 2)
    for v in block.fresh:
        block.start[v] = int(edited.keys[v] - block.size[v] / 2)
    for v in block.gone:  # what is not there any more must not widen the picture
        block.start[v] = block.size[v] = 0
    before = block.start
    block.start = stay(block.layers, block.size, _gaps(block, lr), _pulls_of_fresh(block), before)
    moved = {block.level[v] for v, (a, b) in enumerate(zip(old.start, block.start, strict=False)) if a != b}
    crossed = nets_of | {k - step for k in entered | moved | edited.layers for step in (0, 1)}
    for k in crossed - nets_of:
        if k in gaps:
            nets[k] = [Net(net.sources, net.targets, [], []) for net in old.nets[k]]
    block.nets = [nets[k] if k in nets else old.nets[k] for k in gaps]
    block.across = max(map(add, block.start, block.size), default=0)
    if len(block.known) > KNOWN * len(gaps):
        block.known = {}
    block.channels = [_route_gap(block, k) if k in crossed else old.channels[k] for k in gaps]
    block.merging = [_merges(block, k + 1) if k + 1 in entered else old.merging[k] for k in gaps]
    block.across = max([block.across, *(channel.depth for channel in block.channels)])
    _find_along(block, lr)
    block.rows = {}
    if block.across == old.across:
        for k, rows in old.rows.items():
            if k in gaps and k not in crossed and block.channel_size[k] == old.channel_size[k]:
                block.rows[k] = rows


@dataclass(slots=True)
class Edited:
    """What an edit did to the shape of a block."""

    layers: set[int]  # levels with other vertices, or in another order
    leave: set[int]  # vertices with other lines behind them
    arrive: set[int]  # vertices with other lines before them, or of another size
    resized: set[int]  # nodes with another label, and new ones
    keys: list[float]  # where the middle of each vertex was, or of a new one would be
    pos: list[int]  # the place of each vertex in its level


def _boxes(block: Block, model: GraphModel, zoom: int) -> list[tuple[int, int]]:
    nodes = model.nodes
    return [box_size(nodes[name], zoom) if name else (1, 1) for name in block.ids]


def _gaps(block: Block, lr: bool) -> list[int]:
    """The free cells that each vertex wants behind it."""
    if lr:
        return [0] * len(block.ids)
    return [2 if name else 1 for name in block.ids]


def relabelled(block: Block, model: GraphModel, direction: Literal["LR", "TB"], zoom: int) -> Block | None:
    """The measured block with the labels of `model`, which move its levels only; None where they move more."""
    lr = direction == "LR"
    sizes = _boxes(block, model, zoom)
    if [size[lr] for size in sizes] != [size[lr] for size in block.boxes]:
        return None
    again = replace(block, boxes=sizes, rows={})
    _find_along(again, lr)
    return again


def _find_along(block: Block, lr: bool) -> None:
    """Along the levels: a level as wide as its widest box, then its gap."""
    sizes = block.boxes
    block.layer_at, block.layer_size, block.channel_at, block.channel_size = [], [], [], []
    at = 0
    for k, layer in enumerate(block.layers):
        widest = max([sizes[v][0 if lr else 1] for v in layer])
        block.layer_at.append(at)
        block.layer_size.append(widest)
        at += widest
        if k + 1 < len(block.layers):
            block.channel_at.append(at)
            block.channel_size.append(block.lead + block.channels[k].columns + block.merging[k] + 1)
            at += block.channel_size[-1]
    block.along = at


def _pulls_before(block: Block, w: int) -> list[Pull]:
    """What draws a vertex to the ends of the lines that reach it."""
    entries, net_of, port, ids = block.entries[w], block.net_of, block.port, block.ids
    lane = not ids[w]
    weights = _WEIGHTS[0][lane], _WEIGHTS[1][lane]
    return [(v, port[v] - entries[net_of[v]], weights[not ids[v]]) for v in block.up[w]]


def _pulls_after(block: Block, v: int) -> list[Pull]:
    """What draws a vertex to where the lines that leave it arrive."""
    net, port, ids = block.net_of[v], block.port[v], block.ids
    weights = _WEIGHTS[not ids[v]]
    return [(w, block.entries[w][net] - port, weights[not ids[w]]) for w in block.down[v]]


def _pulls_of_fresh(block: Block) -> dict[int, list[Pull]]:
    return {v: _pulls_before(block, v) + _pulls_after(block, v) for v in block.fresh}


def _find_straightest(
    block: Block, gap: list[int], before: list[list[Pull]], after: list[list[Pull]]
) -> None:
    """Try a few ways to place a small block; keep the one with few bends and hops for its size."""
    best: tuple[float, list[int]] | None = None
    tall = sum(block.size[v] for v in max(block.layers, key=len))
    for rounds, room in ((2, 0), (0, 0), (2, 2), (2, tall // 8), (4, 0)):
        block.start = place(block.layers, block.size, gap, before, after, rounds=rounds, room=room)
        _find_channels(block)
        bends = sum(len(channel.trunks) for channel in block.channels)
        columns = sum(channel.columns for channel in block.channels)
        passed = sum(_passes(channel) for channel in block.channels)
        cost = 2 * bends + 3 * passed + 3 * columns + block.across / 2
        if best is None or cost < best[0]:
            best = (cost, block.start)
    assert best is not None
    if block.start is not best[1]:
        block.start = best[1]
        _find_channels(block)
    _turn_entries(block)
    block.passed = sum(_passes(channel) for channel in block.channels)


def _turn_entries(block: Block) -> None:
    """Let two nets that reach the same vertex change places where fewer lines pass each other then."""
    tries = 40
    for k, nets in enumerate(block.nets):
        for w in block.layers[k + 1]:
            entries = block.entries[w]
            if len(entries) < 2:
                continue
            ranked = sorted(entries, key=entries.__getitem__)
            for above, below in pairwise(ranked):
                old = _passes(block.channels[k])
                if not old or not tries:
                    break
                tries -= 1
                kept = block.channels[k]
                entries[above], entries[below] = entries[below], entries[above]
                turned = _route_gap(block, k)
                if (_passes(turned), turned.columns) >= (old, kept.columns) or turned.depth > block.across:
                    entries[above], entries[below] = entries[below], entries[above]
                    _place_nets(block, nets)
                else:
                    block.channels[k] = turned


def _passes(channel: Channel) -> int:
    """How often lines of a gap pass a trunk."""
    total = 0
    for _, row in channel.straight:
        total += sum(trunk.top < row < trunk.bottom for trunk in channel.trunks)
    for a in channel.trunks:
        for b in channel.trunks:
            if b.column > a.column:
                total += sum(b.top < row < b.bottom for row in a.right)
                total += sum(a.top < row < a.bottom for row in b.left)
    return total


def _nets_between(block: Block, layer: Sequence[int]) -> list[Net]:
    """Group the vertices of a level by what they lead to."""
    down, net_of = block.down, block.net_of
    found: dict[int | tuple[int, ...], int] = {}
    nets: list[Net] = []
    for v in layer:
        targets = down[v]
        if not targets:
            net_of[v] = -1
            continue
        key = targets[0] if len(targets) == 1 else tuple(sorted(targets))
        index = found.get(key)
        if index is None:
            index = found[key] = len(nets)
            nets.append(Net([v], targets if len(targets) == 1 else sorted(targets), [], []))
        else:
            nets[index].sources.append(v)
        net_of[v] = index
    return nets


def _find_entries(block: Block, vertices: Iterable[int], pos: Sequence[int], lr: bool, zoom: int) -> None:
    """Give each net that reaches a vertex a row of its own there, from the top in the order of the sources."""
    net_of, boxes, size, base, port, entries = (
        block.net_of, block.boxes, block.size, block.base, block.port, block.entries
    )  # fmt: skip
    at_glyph = not lr and zoom == 1
    for v in vertices:
        parents = block.up[v]
        box = size[v] = boxes[v][lr]
        here = port[v] = 0 if at_glyph and block.ids[v] else box // 2
        base[v] = 0
        if len(parents) < 2:
            entries[v] = {net_of[parents[0]]: here} if parents else {}
            continue
        nets: dict[int, list[int]] = {}
        for u in parents:
            nets.setdefault(net_of[u], []).append(pos[u])
        if len(nets) > box:
            size[v] = len(nets)
            base[v] = (size[v] - box) // 2
            here = port[v] = here + base[v]
        if len(nets) == 1:
            entries[v] = {net_of[parents[0]]: here}
            continue
        first = min(max(here - (len(nets) - 1) // 2, 0), size[v] - len(nets))
        ranked = sorted(nets, key=lambda net: (sum(nets[net]) / len(nets[net]), net))
        entries[v] = {net: first + i for i, net in enumerate(ranked)}


def _place_nets(block: Block, nets: list[Net]) -> None:
    """The rows of the nets of one gap."""
    start, port, entries = block.start, block.port, block.entries
    for i, net in enumerate(nets):
        sources, targets = net.sources, net.targets
        if len(sources) == 1:
            v = sources[0]
            net.starts = [start[v] + port[v]]
        else:
            net.starts = sorted([start[v] + port[v] for v in sources])
        if len(targets) == 1:
            w = targets[0]
            net.ends = [start[w] + entries[w][i]]
        else:
            net.ends = sorted([start[w] + entries[w][i] for w in targets])


def _route_gap(block: Block, k: int) -> Channel:
    """The channel of a gap as its nets lie now; routed only if it has not been before."""
    nets = block.nets[k]
    _place_nets(block, nets)
    key = tuple([(*net.starts, -1, *net.ends) for net in nets])
    channel = block.known.get(key)
    if channel is None:
        channel = block.known[key] = route(nets, block.across)
    return channel


def _find_channels(block: Block) -> None:
    block.across = max(map(add, block.start, block.size), default=0)
    block.channels = [_route_gap(block, k) for k in range(len(block.nets))]
    block.merging = [_merges(block, k) for k in range(1, len(block.layers))]
    block.across = max([block.across, *(channel.depth for channel in block.channels)])


def _merges(block: Block, k: int) -> bool:
    """Whether lines merge before some vertex of a level."""
    return any([len(block.entries[w]) > 1 for w in block.layers[k]])
