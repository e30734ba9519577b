"""A list of jobs as a table: what each column shows of a `JobRecord`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from core.jobs import JobRecord, JobState
from flowtui.bars import bar
from flowtui.flowboard import FlowBoard
from flowtui.redact import redact, redact_text
from flowtui.states import glyph
from flowtui.text import safe
from flowtui.times import duration, moment
from flowtui.widgets.cells import Cell, Column, Row
from flowtui.widgets.linetable import LineTable

COLUMNS: Final = (
    Column("state", "S", 1),
    Column("word", "STATE", 9, drop=7),
    Column("id", "ID", 8),
    Column("name", "NAME", 12, flex=2),
    Column("task", "TASK", 12, flex=2, drop=6),
    Column("queue", "QUEUE", 10, flex=1, drop=5),
    Column("flow", "FLOW", 12, flex=1, drop=8),
    Column("try", "TRY", 5, "right", drop=3),
    Column("age", "AGE", 6, "right", drop=2),
    Column("run", "RUN", 6, "right"),
    Column("worker", "WORKER", 12, flex=1, drop=9),
    Column("note", "", 18, flex=3),
)

_FAINT: Final = frozenset({JobState.SKIPPED, JobState.CANCELLED})


class JobTable(LineTable):
    """Jobs, one a line."""

    def __init__(self, *, empty: str = "no jobs here", id: str | None = None) -> None:
        super().__init__(COLUMNS, empty=empty, id=id)
        self.tell_queues(False)

    def tell_queues(self, told: bool) -> None:
        """Whether each line says of which queue its job is."""
        self.columns = [column for column in COLUMNS if told or column.key != "queue"]
        self.columns_changed()


def job_row(
    job: JobRecord,
    now: float,
    flow_name: Callable[[str], str] = str,
    waits: Mapping[str, tuple[int, int]] | None = None,
    *,
    ascii: bool = False,
) -> Row:
    """A job's line at the moment `now` of the store's clock; `waits` gives (ended, all) upstreams where known."""
    state = job.state.value
    return Row(
        job.id,
        {
            "state": (glyph(state, ascii=ascii), state),
            "word": (state, state),
            "id": (safe(job.id[:8]), "dim"),
            "name": safe(job.name, 120),
            "task": (safe(job.task_id, 120), "dim"),
            "queue": (safe(job.queue, 60), "dim"),
            "flow": (safe(flow_name(job.flow_id), 60), "dim") if job.flow_id else "",
            "try": tries(job),
            "age": (duration(now - job.created_at), "dim"),
            "run": duration(running_time(job, now)),
            "worker": (safe(job.worker, 60), "dim") if job.worker else "",
            "note": note(job, now, waits),
        },
        faint=job.state in _FAINT,
    )


def tries(job: JobRecord) -> Cell:
    """Which attempt of how many: "2/4"; nothing before the first."""
    if not job.attempts:
        return ""
    most = job.max_retries + 1
    text = f"{job.attempts}/{max(most, job.attempts)}"
    return (text, "warn") if job.attempts > 1 else (text, "dim")


def running_time(job: JobRecord, now: float) -> float | None:
    """Seconds its last attempt took, or has taken so far; None where it is not running and has not ended."""
    if job.started_at is None:
        return None
    if job.state is JobState.ACTIVE:
        return max(0.0, now - job.started_at)
    return job.runtime


def flow_note(flow: FlowBoard, job: JobRecord, now: float) -> Cell:
    """As `note`, with what the job's flow knows besides."""
    if job.state is JobState.SKIPPED:
        cause = flow.cause(job.id)
        if cause is not None:
            return (f"{safe(cause.name, 60)} {cause.state}", "dim")
    return note(job, now, {job.id: flow.pending(job.id)})


def note(job: JobRecord, now: float, waits: Mapping[str, tuple[int, int]] | None = None) -> Cell:
    """The one thing worth knowing about a job in its state."""
    state = job.state
    if state is JobState.ACTIVE:
        if job.cancel_requested:
            return ("stopping…", "warn")
        if job.lease_until is not None and job.lease_until < now:
            return (f"stalled? {duration(now - job.lease_until)}", "warn")
        if job.progress is not None:
            text = [(bar(job.progress, 8), "bar"), (f" {job.progress:4.0%} ", "")]
            return [*text, (safe(redact_text(job.progress_note), 60), "dim")] if job.progress_note else text
        return ""
    if state is JobState.DELAYED and job.run_at is not None:
        left = job.run_at - now
        why = "retry" if job.attempts else "due"
        return (f"{why} in {duration(left)}" if left > 0 else f"{why} now", "delayed")
    if state is JobState.BLOCKED:
        ended, every = (waits or {}).get(job.id, (0, job.pending))
        left = every - ended if waits and job.id in waits else job.pending
        return (f"waits for {left} upstream{'s' if left != 1 else ''}", "dim") if left else ""
    if state is JobState.COMPLETED:
        return (
            (preview(job.result), "dim") if job.result is not None else (moment(job.finished_at, now), "dim")
        )
    if job.error is not None:
        kind = "bad" if state in (JobState.FAILED, JobState.EXPIRED) else "dim"
        return (safe(redact_text(str(job.error)[:400]), 200), kind)
    return ""


def preview(value: object, limit: int = 120) -> str:
    """A JSON value in one short line, secrets hidden."""
    text = json.dumps(redact(value), ensure_ascii=False)
    return safe(text, limit)
