"""An edit of a large picture: its shape and its coordinates are made anew only where the edit reaches.

What comes out is what `blocks_of` and `measure` make of the whole with the memory of the picture before. That takes a
time that grows with the flow; this one grows with the edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from flowtui.dag.blocks import CAREFUL, Block, renumbered
from flowtui.dag.graph import GraphModel, Link
from flowtui.dag.keep import SMALL
from flowtui.dag.measure import Edited, remeasure
from flowtui.dag.reshape import Change, Reshaping

FEW = 64
"""Nodes and links of an edit up to which the picture is amended: more touch most of it anyway."""

GONE = 500
"""Vertices that edits may leave behind in a block; with more it is numbered anew."""


def amend(
    block: Block,
    model: GraphModel,
    change: Change,
    direction: Literal["LR", "TB"],
    zoom: int,
    budget: int,
) -> tuple[Block, list[str]] | None:
    """The block after an edit, with the nodes that are not part of it any more.

    None where it is small, or the edit is so large that the whole is better laid out anew.
    """
    nodes = sum([name != "" for name in block.ids])
    size = len(change.nodes) + len(change.gone) + len(change.links) + len(change.cut)
    if nodes <= SMALL or len(block.ids) - len(block.gone) <= CAREFUL or size > FEW:
        return None
    if len(block.gone) > GONE:
        block = renumbered(block)
    vertex = {name: v for v, name in enumerate(block.ids) if name}
    work = Reshaping(block)
    work.relink(change, vertex)
    apart = work.part_off() if change.cut or change.nodes else []
    work.relevel()
    work.share_lanes()
    work.join_lines()
    work.fit_in()
    pos = work.settle(budget)
    resized = {v for name in change.labels if work.block.ids[v := vertex[name]]}.union(work.new)
    edited = Edited(work.layers, work.leave, work.arrive | resized, resized, work.keys, pos)
    remeasure(work.block, work.old, model, direction, zoom, edited)
    return work.block, apart


def changes(
    before: GraphModel, old_links: Sequence[Link], model: GraphModel, links: Sequence[Link]
) -> Change | None:
    """What an edit did; None where it is too much to be looked at one by one."""
    come = model.nodes.keys() - before.nodes.keys()
    gone = before.nodes.keys() - model.nodes.keys()
    if len(come) + len(gone) > FEW:
        return None
    # Nearly all links stand as they stood: only what lies between the first and the last difference is looked at.
    first, last = 0, -1
    most = min(len(old_links), len(links))
    while first < most and old_links[first] == links[first]:
        first += 1
    while first - last <= most and old_links[last] == links[last]:
        last -= 1
    had, has = set(old_links[first : len(old_links) + last + 1]), set(links[first : len(links) + last + 1])
    fresh, cut = has - had, had - has
    if len(fresh) + len(cut) > 4 * FEW:
        return None
    nodes = before.nodes
    labels = [
        name
        for name, node in model.nodes.items()
        if (was := nodes.get(name)) is not node and was is not None and was != node
    ]
    return Change(
        [name for name in model.nodes if name in come] if come else [],
        [name for name in nodes if name in gone] if gone else [],
        [link for link in links if link in fresh] if fresh else [],
        [link for link in old_links if link in cut] if cut else [],
        labels,
    )
