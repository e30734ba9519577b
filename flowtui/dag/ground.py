"""The ground of named groups: cells that are tinted behind their members, and where the group's name stands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final, NamedTuple

from rich.cells import cell_len
from textual.geometry import Region

from flowtui.dag.layout import Box, Layout
from flowtui.dag.paint import clip, pieces

GROUNDS_UP_TO: Final = 2000
"""Nodes up to which named groups have a ground of their own; in larger pictures their names alone must do."""
TINTS: Final = 4
"""Different grounds; groups that lie near each other have different ones."""
NEAR_X, NEAR_Y = 16, 4
TITLE: Final = 24
"""Most cells of a group's name in the picture."""


Rows = dict[int, list[tuple[int, int, str]]]
"""By row of the canvas the boxes in it: first column, the column behind, and the node."""


class Ground(NamedTuple):
    """One area of a group."""

    region: Region
    group: str
    tint: int


class Title(NamedTuple):
    """A group's name in the picture."""

    x: int
    text: str
    group: str
    tint: int


def grounds_of(drawn: Layout, collapsed: Collection[str]) -> list[Ground]:
    """Areas without a box of another node: one for a group that has such an area to itself, else one for each run of
    members in a level, and one across each gap where runs lie beside each other."""
    if not drawn.model.groups or len(drawn.boxes) > GROUNDS_UP_TO:
        return []
    members: dict[tuple[str, int], set[str]] = {}
    for node, group in drawn.model.groups.items():
        box = drawn.boxes.get(node)
        if box is not None and node not in collapsed:
            members.setdefault((group, box.block), set()).add(node)
    rows: Rows = {}
    for node, box in drawn.boxes.items():
        for y in range(box.y, box.y + box.h):
            rows.setdefault(y, []).append((box.x, box.x + box.w, node))
    areas: dict[str, list[Region]] = {}
    for (group, block), own in members.items():
        area = _around([drawn.boxes[node] for node in own])
        here = areas.setdefault(group, [])
        if _is_own(area, own, rows):
            here.append(_with_margin(area, own, rows))
        else:
            here.extend(_runs(drawn, block, own, rows))
    tints = _tints(areas)
    return [Ground(region, group, tints[group]) for group, regions in areas.items() for region in regions]


def _tints(areas: dict[str, list[Region]]) -> dict[str, int]:
    """A tint for each group: the next in turn, unless a group that lies near has it."""
    tints: dict[str, int] = {}
    for i, (group, regions) in enumerate(areas.items()):
        near = [tint for other, tint in tints.items() if _are_near(regions, areas[other])]
        turn = [(i + step) % TINTS for step in range(TINTS)]
        tints[group] = min(turn, key=near.count)
    return tints


def _are_near(some: list[Region], others: list[Region]) -> bool:
    corners = [other.corners for other in others]
    for x0, y0, x1, y1 in (region.grow((NEAR_Y, NEAR_X, NEAR_Y, NEAR_X)).corners for region in some):
        for a0, b0, a1, b1 in corners:
            if a0 < x1 and x0 < a1 and b0 < y1 and y0 < b1:
                return True
    return False


def titles_of(drawn: Layout, grounds: Iterable[Ground]) -> dict[int, list[Title]]:
    """The name of each group by row, on cells in which nothing is drawn: above its ground, in it, below or beside it.

    A group for whose name there is no such place has none.
    """
    grounds = sorted(grounds, key=lambda each: (each.region.x, each.region.y))
    found: dict[int, list[Title]] = {}
    blanks: dict[int, str] = {}
    placed: set[str] = set()
    for ground in grounds:
        if ground.group in placed:
            continue
        text = clip(ground.group, TITLE)
        width = cell_len(text)
        for x, y in _places(ground.region, width):
            if not -1 <= y <= drawn.height or x < 0:
                continue
            row = blanks.get(y)
            if row is None:
                row = blanks[y] = _blank_cells(drawn, y)
            # A blank at each side, too; behind the last column everything is blank.
            if row[max(x - 1, 0) : x + width + 1].strip():
                continue
            here = Region(x, y, width, 1)
            if any(each.group != ground.group and each.region.overlaps(here) for each in grounds):
                continue
            taken = Region(x - 1, y, width + 2, 1)
            if any(taken.overlaps(Region(t.x, y, cell_len(t.text), 1)) for t in found.get(y, ())):
                continue
            found.setdefault(y, []).append(Title(x, text, ground.group, ground.tint))
            placed.add(ground.group)
            break
    return found


def _places(region: Region, width: int) -> Iterator[tuple[int, int]]:
    """Where the name of a group may begin, the best place first."""
    for y in (region.y - 1, *range(region.y, region.bottom), region.bottom):
        for x in range(region.x, region.right):
            yield x, y
    for y in range(region.y, region.bottom):
        yield region.right, y
        yield region.x - width, y


def _blank_cells(drawn: Layout, y: int) -> str:
    """A row with a blank for each cell in which nothing is drawn."""
    row: list[str] = []
    at = 0
    for piece in pieces(drawn, y, 0, drawn.width):
        row.append(" " * (piece.x - at))
        row.append(piece.text if piece.node is None else "x" * piece.width)
        at = piece.x + piece.width
    return "".join(row).ljust(drawn.width)


def _is_own(area: Region, own: Collection[str], rows: Rows) -> bool:
    """Whether an area has no box of another node."""
    return not any(
        first < area.right and area.x < end and node not in own
        for y in range(area.y, area.bottom)
        for first, end, node in rows.get(y, ())
    )


def _with_margin(area: Region, own: Collection[str], rows: Rows) -> Region:
    """A cell more at both sides, where nobody is."""
    wide = area.grow((0, 1, 0, 1))
    return wide if _is_own(wide, own, rows) else area


def _runs(drawn: Layout, block: int, own: set[str], rows: Rows) -> Iterator[Region]:
    lr = drawn.direction == "LR"
    shape = drawn.blocks[block]
    before: list[Region] = []
    for layer in shape.layers:
        runs: list[list[Box]] = []
        running = False
        for v in layer:
            if not shape.ids[v]:
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
            yield _with_margin(region, own, rows)
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
