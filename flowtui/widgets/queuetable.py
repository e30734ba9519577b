"""The list of queues: counts by state, what moves, what is paused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from flowtui.bars import spark
from flowtui.queueboard import QueueBoard
from flowtui.text import safe
from flowtui.times import number, rate
from flowtui.widgets.cells import Cell, Column, Row
from flowtui.widgets.linetable import LineTable

COLUMNS: Final = (
    Column("name", "QUEUE", 14, flex=2),
    Column("waiting", "WAIT", 6, "right"),
    Column("blocked", "BLOCKED", 7, "right", drop=4),
    Column("active", "ACTIVE", 6, "right"),
    Column("delayed", "DELAY", 6, "right"),
    Column("failed", "FAIL", 6, "right"),
    Column("completed", "DONE", 7, "right", drop=2),
    Column("rate", "RATE/S", 6, "right"),
    Column("spark", "LAST 60 S", 12, flex=1, drop=3),
)
ALL: Final = "\0all"
"""The id of the line that adds all queues up; no queue can have this name."""


NONE: Final = "No queues yet.\n\nA queue is there as soon as a job is submitted to it."


class QueueTable(LineTable):
    """Queues, one a line."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(COLUMNS, id=id, empty="waiting for the engine…")


def queue_row(queue: QueueBoard, now: int, sparks: int = 12) -> Row:
    """A queue's line in the second `now` of the store's clock; `sparks` cells for the last minute."""
    counts = queue.counts
    name: Cell = safe(queue.name, 100)
    if queue.paused:
        name = [("PAUSED ", "warn"), (safe(queue.name, 100), "")]
    ended = [a + b for a, b in zip(queue.done.last(60, now), queue.failed.last(60, now), strict=True)]
    return Row(
        queue.name,
        {
            "name": name,
            **_counts(counts),
            "rate": _rate(queue.rate(now)),
            "spark": (spark(ended, sparks), "spark"),
        },
    )


def sum_row(queues: Iterable[QueueBoard], now: int, sparks: int = 12) -> Row:
    """The line that adds them up."""
    total: dict[str, int] = {}
    ended = [0.0] * 60
    together = 0.0
    for queue in queues:
        for state, count in queue.counts.items():
            total[state] = total.get(state, 0) + count
        together += queue.rate(now)
        for index, (done, failed) in enumerate(
            zip(queue.done.last(60, now), queue.failed.last(60, now), strict=True)
        ):
            ended[index] += done + failed
    cells = _counts(total)
    return Row(
        ALL,
        {
            "name": ("all queues", "dim"),
            **cells,
            "rate": _rate(together),
            "spark": (spark(ended, sparks), "spark"),
        },
    )


def _counts(counts: dict[str, int]) -> dict[str, Cell]:
    cells: dict[str, Cell] = {}
    for state in ("waiting", "blocked", "active", "delayed", "failed", "completed"):
        count = counts.get(state, 0)
        if state == "failed":
            count += counts.get("expired", 0)
        style = {"failed": "bad", "active": "active", "delayed": "delayed", "completed": "completed"}.get(
            state, ""
        )
        cells[state] = (number(count), style if count else "dim")
    return cells


def _rate(per_second: float) -> Cell:
    return (rate(per_second), "" if per_second >= 0.05 else "dim")
