"""The ground of named groups: cells that are tinted behind their members."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from textual.geometry import Region

from flowtui.dag.layout import Box, Layout

GROUNDS_UP_TO: Final = 2000
"""Nodes up to which named groups have a ground of their own; in larger pictures their names alone must do."""


def grounds_of(drawn: Layout, collapsed: Collection[str]) -> Iterator[Region]:
    """Areas without a box of another node: one for a group that has such an area to itself, else one for each run of
    members in a level, and one across each gap where runs lie beside each other."""
    if not drawn.model.groups or len(drawn.boxes) > GROUNDS_UP_TO:
        return
    members: dict[tuple[str, int], set[str]] = {}
    for node, group in drawn.model.groups.items():
        box = drawn.boxes.get(node)
        if box is not None and node not in collapsed:
            members.setdefault((group, box.block), set()).add(node)
    boxes: dict[int, list[tuple[str, Region]]] = {}
    for node, box in drawn.boxes.items():
        boxes.setdefault(box.block, []).append((node, _region(box)))
    for (_, block), own in members.items():
        area = _around([drawn.boxes[node] for node in own])
        others = [region for node, region in boxes[block] if node not in own]
        if not any(map(area.overlaps, others)):
            yield _with_margin(area, others)
        else:
            yield from _runs(drawn, block, own, others)


def _with_margin(area: Region, others: list[Region]) -> Region:
    """A cell more at both sides, where nobody is."""
    wide = area.grow((0, 1, 0, 1))
    return area if any(map(wide.overlaps, others)) else wide


def _runs(drawn: Layout, block: int, own: set[str], others: list[Region]) -> Iterator[Region]:
    lr = drawn.direction == "LR"
    shape = drawn.blocks[block]
    before: list[Region] = []
    for layer in shape.layers:
        runs: list[list[Box]] = []
        running = False
        for v in layer:
            if v >= shape.real:
                continue  # a line may pass over the ground
            member = shape.ids[v] in own
            if member:
                box = drawn.boxes[shape.ids[v]]
                if running:
                    runs[-1].append(box)
                else:
                    runs.append([box])
            running = member
        here = [_around(run) for run in runs]
        for region in here:
            yield _with_margin(region, others)
            for last in before:
                bridge = _between(last, region, lr)
                if bridge:
                    yield bridge
        before = here


def _between(a: Region, b: Region, lr: bool) -> Region:
    """The gap from `a` to `b` in the level behind it, as far as they lie beside each other."""
    if lr:
        top, bottom = max(a.y, b.y), min(a.bottom, b.bottom)
        return Region(a.right, top, max(b.x - a.right, 0), max(bottom - top, 0))
    left, right = max(a.x, b.x), min(a.right, b.right)
    return Region(left, a.bottom, max(right - left, 0), max(b.y - a.bottom, 0))


def _region(box: Box) -> Region:
    return Region(box.x, box.y, box.w, box.h)


def _around(boxes: list[Box]) -> Region:
    return Region.from_union([_region(box) for box in boxes])
