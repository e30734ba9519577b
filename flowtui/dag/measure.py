"""All coordinates of one block, for its order: boxes across the levels, nets and channels between them."""

from __future__ import annotations

from dataclasses import replace
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
    nodes = [model.nodes[node] for node in block.ids]
    sizes = [_text_size(node.label, node.kind, zoom) for node in nodes]
    own = [h if lr else w for w, h in sizes] + [1] * (count - block.real)
    block.boxes = sizes
    block.rows = {}
    _find_nets(block)
    _find_entries(block, own, at_glyph=not lr and zoom == 1)
    if lr:
        gap = [0] * count
    else:
        gap = [2] * block.real + [1] * (count - block.real)
    hint = [int(middle - wide / 2) for middle, wide in zip(block.hint, block.size, strict=False)] or None
    if hint is not None and count > CAREFUL:
        pulls = {v: _pulls_before(block, v) + _pulls_after(block, v) for v in block.fresh}
        block.start = stay(block.layers, block.size, gap, pulls, hint)
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


def relabelled(block: Block, model: GraphModel, direction: Literal["LR", "TB"], zoom: int) -> Block | None:
    """The measured block with the labels of `model`, which move its levels only; None where they move more."""
    lr = direction == "LR"
    sizes = [box_size(model.nodes[node], zoom) for node in block.ids]
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
        widest = max((sizes[v][0 if lr else 1] for v in layer if v < block.real), default=1)
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
    entries, net_of, port, real = block.entries[w], block.net_of, block.port, block.real
    weights = _WEIGHTS[0][w >= real], _WEIGHTS[1][w >= real]
    return [(v, port[v] - entries[net_of[v]], weights[v >= real]) for v in block.up[w]]


def _pulls_after(block: Block, v: int) -> list[Pull]:
    """What draws a vertex to where the lines that leave it arrive."""
    net, port, real = block.net_of[v], block.port[v], block.real
    weights = _WEIGHTS[v >= real]
    return [(w, block.entries[w][net] - port, weights[w >= real]) for w in block.down[v]]


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


def _find_nets(block: Block) -> None:
    """Group the sources of each gap by what they lead to."""
    block.nets = []
    down = block.down
    net_of = block.net_of = [-1] * len(block.level)
    for layer in block.layers[:-1]:
        found: dict[int | tuple[int, ...], int] = {}
        nets: list[Net] = []
        for v in layer:
            targets = down[v]
            if not targets:
                continue
            key = targets[0] if len(targets) == 1 else tuple(sorted(targets))
            index = found.get(key)
            if index is None:
                index = found[key] = len(nets)
                nets.append(Net([v], targets if len(targets) == 1 else sorted(targets), [], []))
            else:
                nets[index].sources.append(v)
            net_of[v] = index
        block.nets.append(nets)


def _find_entries(block: Block, own: list[int], at_glyph: bool) -> None:
    """Give each net that reaches a vertex a row of its own there, from the top in the order of the sources."""
    count, net_of = len(block.level), block.net_of
    glyphs = block.real if at_glyph else 0
    size = block.size = own.copy()
    base = block.base = [0] * count
    port = block.port = [0] * glyphs + [box // 2 for box in own[glyphs:]]
    entries = block.entries = [
        {net_of[parents[0]]: here} if len(parents) == 1 else {}
        for parents, here in zip(block.up, port, strict=True)
    ]
    merging = [v for v, parents in enumerate(block.up) if len(parents) > 1]
    if not merging:
        return
    pos = [0] * count
    for layer in block.layers:
        for i, v in enumerate(layer):
            pos[v] = i
    for v in merging:
        parents = block.up[v]
        nets: dict[int, list[int]] = {}
        for u in parents:
            nets.setdefault(net_of[u], []).append(pos[u])
        box = own[v]
        if len(nets) > box:
            size[v] = len(nets)
            base[v] = (size[v] - box) // 2
            port[v] += base[v]
        if len(nets) == 1:
            entries[v] = {net_of[parents[0]]: port[v]}
            continue
        first = min(max(port[v] - (len(nets) - 1) // 2, 0), size[v] - len(nets))
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
    block.merging = [any(len(block.entries[w]) > 1 for w in layer) for layer in block.layers[1:]]
    block.across = max([block.across, *(channel.depth for channel in block.channels)])
