"""The whole picture in a few cells: where the nodes are, and where something needs an eye."""

from __future__ import annotations

from collections.abc import Mapping

from flowtui.dag.graph import PLAIN, Look
from flowtui.dag.layout import Layout

# What wins where several nodes share a cell.
URGENCY = (
    "failed",
    "problem",
    "active",
    "expired",
    "delayed",
    "cancelled",
    "waiting",
    "blocked",
    "draft",
    "skipped",
    "completed",
)
_RANK = {state: i for i, state in enumerate(URGENCY)}


def minimap(drawn: Layout, looks: Mapping[str, Look], width: int, height: int) -> list[list[str | None]]:
    """Rows of cells: the most urgent state of the nodes there, or None for none.

    The picture is scaled to fill `width` x `height` cells; a node is where its middle is.
    """
    cells: list[list[str | None]] = [[None] * width for _ in range(height)]
    if not drawn.width or not drawn.height:
        return cells
    for name, box in drawn.boxes.items():
        x = min((box.x + box.w // 2) * width // drawn.width, width - 1)
        y = min((box.y + box.h // 2) * height // drawn.height, height - 1)
        state = looks.get(name, PLAIN).style
        there = cells[y][x]
        if there is None or _RANK.get(state, 99) < _RANK.get(there, 99):
            cells[y][x] = state
    return cells


def scaled_size(drawn: Layout, width: int, height: int) -> tuple[int, int]:
    """A size for the map of a picture, at most `width` x `height`, wider pictures flatter; cells are twice as high."""
    if not drawn.width or not drawn.height:
        return 1, 1
    ratio = drawn.height * 2 / drawn.width
    rows = max(2, min(height, round(width * ratio / 2)))
    columns = max(6, min(width, round(rows * 2 / ratio)))
    return columns, rows
