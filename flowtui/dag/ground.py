"""The ground of named groups: cells that are tinted behind their members, and where the group's name stands."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Container, Iterable, Iterator, Mapping
from itertools import islice
from operator import attrgetter
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
MARGIN: Final = (0, 1, 0, 1)
"""A cell at the left and at the right."""
TITLE: Final = 24
"""Most cells of a group's name in the picture."""


Corners = tuple[int, int, int, int]


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
    members: dict[tuple[str, int], dict[str, Box]] = {}
    for node, group in drawn.model.groups.items():
        box = drawn.boxes.get(node)
        if box is not None and node not in collapsed:
            members.setdefault((group, box.block), {})[node] = box
    areas: dict[str, list[Region]] = {}
    for (group, block), own in members.items():
        area = Region.from_corners(*_corners(own.values()))
        here = areas.setdefault(group, [])
        if _is_own(drawn, block, area, own):
            wide = area.grow(MARGIN)
            here.append(wide if _is_own(drawn, block, wide, own) else area)
        else:
            here.extend(_runs(own.values(), drawn.direction == "LR"))
    tints = _tints(areas)
    return [Ground(region, group, tints[group]) for group, regions in areas.items() for region in regions]


def _tints(areas: Mapping[str, Iterable[Region]]) -> dict[str, int]:
    """A tint for each group: the next in turn, unless a group that lies near has it."""
    around: dict[tuple[int, int], dict[str, None]] = {}  # who lies in or near each part of the canvas
    parts: dict[str, list[dict[str, None]]] = {}
    for group, regions in areas.items():
        found: dict[tuple[int, int], None] = {}
        for x, y, width, height in regions:
            # Two that are near each other meet half-way.
            columns = range((x - NEAR_X // 2) // (2 * NEAR_X), (x + width + NEAR_X // 2) // (2 * NEAR_X) + 1)
            for j in range((y - NEAR_Y // 2) // (2 * NEAR_Y), (y + height + NEAR_Y // 2) // (2 * NEAR_Y) + 1):
                for i in columns:
                    found[i, j] = None
        parts[group] = [around.setdefault(part, {}) for part in found]
        for part in parts[group]:
            part[group] = None
    tints: dict[str, int] = {}
    for turn, (group, mine) in enumerate(parts.items()):
        near = [tints[other] for other in {name: None for part in mine for name in part} if other in tints]
        tints[group] = min([(turn + step) % TINTS for step in range(TINTS)], key=near.count)
    return tints


def by_row(grounds: Iterable[Ground]) -> dict[int, list[Ground]]:
    """The grounds on each row of the canvas."""
    rows: dict[int, list[Ground]] = {}
    for ground in grounds:
        for y in range(ground.region.y, ground.region.bottom):
            rows.setdefault(y, []).append(ground)
    return rows


def titles_of(drawn: Layout, grounds: Mapping[int, Iterable[Ground]]) -> dict[int, list[Title]]:
    """The name of each group by row, on cells in which nothing is drawn: above its ground, in it, below or beside it.

    A group for whose name there is no such place has none. `grounds` are those on each row: see `by_row`.
    """
    every = [ground for y, row in grounds.items() for ground in row if ground.region.y == y]
    found: dict[int, list[Title]] = {}
    blanks: dict[int, str] = {}
    placed: set[str] = set()
    for ground in sorted(every, key=lambda each: (each.region.x, each.region.y)):
        if ground.group in placed:
            continue
        text = clip(ground.group, TITLE)
        width = cell_len(text)
        for first, last, y in _places(ground.region, width):
            if not -1 <= y <= drawn.height:
                continue
            row = blanks.get(y)
            if row is None:
                row = blanks[y] = _blank_cells(drawn, y)
            taken = [
                (each.region.x, each.region.right)
                for each in grounds.get(y, ())
                if each.group != ground.group
            ]
            # A blank at each side, too, between two names only one.
            taken += [(title.x - 1, title.x + cell_len(title.text) + 1) for title in found.get(y, ())]
            x = _blank_at(row, first, last, width, taken)
            if x is not None:
                found.setdefault(y, []).append(Title(x, text, ground.group, ground.tint))
                placed.add(ground.group)
                break
    return found


def _blank_at(row: str, first: int, last: int, width: int, taken: list[tuple[int, int]]) -> int | None:
    """The first column of `first` to `last` at which so many cells, and one at each side, are blank and not taken."""
    wanted = " " * (width + 2)
    x = max(first, 0)
    while x <= last:
        # A cell is before the row and many are behind it.
        x = row.find(wanted, x)
        if x < 0 or x > last:
            return None
        behind = [end for begin, end in taken if begin < x + width and x < end]
        if not behind:
            return x
        x = max(behind)
    return None


def _places(region: Region, width: int) -> Iterator[tuple[int, int, int]]:
    """Where the name of a group may begin, the best place first: first and last column, and row."""
    for y in (region.y - 1, *range(region.y, region.bottom), region.bottom):
        yield region.x, region.right - 1, y
    for y in range(region.y, region.bottom):
        yield region.right, region.right, y
        yield region.x - width, region.x - width, y


def _blank_cells(drawn: Layout, y: int) -> str:
    """A row with a blank for each cell in which nothing is drawn; a cell more before it, and behind it many."""
    row = [" "]
    at = 0
    for piece in pieces(drawn, y, 0, drawn.width):
        row.append(" " * (piece.x - at))
        row.append(piece.text if piece.node is None else "x" * piece.width)
        at = piece.x + piece.width
    return "".join(row) + " " * (drawn.width + 2 * TITLE - at)


def _is_own(drawn: Layout, block: int, area: Region, own: Container[str]) -> bool:
    """Whether an area inside a block has no box of another node."""
    shape, lr = drawn.blocks[block], drawn.direction == "LR"
    x0, y0, x1, y1 = area.translate((-shape.x, -shape.y)).corners
    along, across = ((x0, x1), (y0, y1)) if lr else ((y0, y1), (x0, x1))
    start, ids = shape.start, shape.ids
    first, last = max(bisect_right(shape.layer_at, along[0]) - 1, 0), bisect_left(shape.layer_at, along[1])
    for layer in shape.layers[first:last]:
        begin = max(bisect_right(layer, across[0], key=start.__getitem__) - 1, 0)
        for v in islice(layer, begin, None):
            if start[v] >= across[1]:
                break
            node = ids[v]
            if node and node not in own:
                box = drawn.boxes[node]
                if area.overlaps(Region(box.x, box.y, box.w, box.h)):
                    return False
    return True


def _runs(own: Iterable[Box], lr: bool) -> Iterator[Region]:
    """Runs of members beside each other, in a level, and the gaps between them. At both sides a cell more.

    Nobody is in that cell: levels have a gap between them, and nodes from left to right have two cells.
    """
    levels: dict[int, list[Box]] = {}
    for box in own:
        levels.setdefault(box.level, []).append(box)
    last = -1
    before: list[Corners] = []
    for level in sorted(levels):
        runs: list[list[Box]] = []
        index = -1
        for box in sorted(levels[level], key=attrgetter("index")):
            if index >= 0 and box.index == index + 1:  # lines may pass over the ground
                runs[-1].append(box)
            else:
                runs.append([box])
            index = box.index
        here = [_corners(run) for run in runs]
        for x0, y0, x1, y1 in here:
            yield Region(x0 - 1, y0, x1 - x0 + 2, y1 - y0)
            for a0, b0, a1, b1 in before if level == last + 1 else ():
                # The gap to it, as far as they lie beside each other.
                if lr:
                    left, top, right, bottom = a1, max(y0, b0), x0, min(y1, b1)
                else:
                    left, top, right, bottom = max(x0, a0), b1, min(x1, a1), y0
                if left < right and top < bottom:
                    yield Region(left, top, right - left, bottom - top)
        last, before = level, here


def _corners(boxes: Collection[Box]) -> Corners:
    """The area of some boxes: first column and row, and the ones behind the last."""
    return (
        min([box.x for box in boxes]),
        min([box.y for box in boxes]),
        max([box.x + box.w for box in boxes]),
        max([box.y + box.h for box in boxes]),
    )
