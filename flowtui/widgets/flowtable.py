"""The list of flows, running and past."""

from __future__ import annotations

from typing import Final

from core.jobs import FlowRecord
from flowtui.bars import bar
from flowtui.states import glyph
from flowtui.text import safe
from flowtui.times import duration, moment
from flowtui.widgets.cells import Cell, Column, Row
from flowtui.widgets.linetable import LineTable

COLUMNS: Final = (
    Column("state", "", 1),
    Column("word", "STATE", 9, drop=2),
    Column("name", "FLOW", 14, flex=3),
    Column("id", "ID", 8, drop=3),
    Column("queue", "QUEUE", 10, flex=1, drop=4),
    Column("done", "DONE", 11, "right"),
    Column("bar", "", 10, flex=1),
    Column("failed", "FAILED", 7, "right"),
    Column("started", "SUBMITTED", 12, drop=5),
    Column("took", "TOOK", 7, "right"),
)


class FlowTable(LineTable):
    """Flows, one a line, newest first."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            COLUMNS,
            id=id,
            empty="No flows yet.\n\n1 goes to Compose, where s submits one;\n"
            "`flowtui demo` and `flowtui submit FILE` do it from a shell.",
        )


def flow_key(flow: FlowRecord) -> str:
    """The id of a flow's line: two queues may have a flow of the same id."""
    return f"{flow.queue} {flow.id}"


def flow_row(flow: FlowRecord, now: float, *, ascii: bool = False) -> Row:
    """A flow's line at the moment `now` of the store's clock."""
    state = str(flow.state)
    color = "active" if state == "running" else state
    total, done = flow.total, flow.done
    failed = flow.counts.get("failed", 0) + flow.counts.get("expired", 0)
    bad: Cell = (f"{failed:,}", "bad") if failed else ""
    end = flow.finished_at if flow.finished_at is not None else now
    took = duration(end - flow.started_at) if flow.started_at is not None else ""
    return Row(
        flow_key(flow),
        {
            "state": (glyph(state, ascii=ascii), color),
            "word": (state, color),
            "name": safe(flow.name, 120),
            "id": (safe(flow.id[:8]), "dim"),
            "queue": (safe(flow.queue, 60), "dim"),
            "done": f"{done:,}/{total:,}",
            "bar": (bar(done / total if total else 0.0, 10), color),
            "failed": bad,
            "started": (moment(flow.created_at, now), "dim"),
            "took": took,
        },
    )
