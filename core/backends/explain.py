"""Why a job is where it is, in sentences: the same for every store."""

from __future__ import annotations

from collections.abc import Sequence

from core.backends.base import Explanation, Overview
from core.durations import format_duration
from core.errors import Refused
from core.jobs import TERMINAL, JobError, JobRecord, JobState


def _ordinal(n: int) -> str:
    ending = "th" if 10 <= n % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"


def explain(
    record: JobRecord, upstreams: Sequence[JobRecord], overview: Overview, rank: int | None
) -> Explanation:
    """`upstreams` are those of the job, `rank` its place in the queue from 0 (None: not in line)."""
    state = record.state
    open_ups = [(up.id, up.state) for up in upstreams if up.state not in TERMINAL]
    details: list[str] = []
    if state == JobState.BLOCKED:
        shown = ", ".join(f"'{up.name}' ({up.state})" for up in upstreams if up.state not in TERMINAL)
        count = record.pending
        summary = (
            f"waits for {count} of {len(record.depends_on)} upstreams"
            if count
            else "is about to be looked at"
        )
        if shown:
            details.append(f"Not ended yet: {shown[:400]}.")
        if record.trigger != "all_success":
            details.append(f"Its trigger is {record.trigger}.")
    elif state == JobState.WAITING:
        summary, details = _waiting(record, overview, rank)
    elif state == JobState.DELAYED:
        seconds = max(0.0, (record.run_at or overview.at) - overview.at)
        summary = f"is due in {_for(seconds)}"
        if record.attempts:
            details.append(f"Attempt {record.attempts} failed: {record.error or 'no error kept'}.")
    elif state == JobState.ACTIVE:
        seconds = max(0.0, overview.at - (record.started_at or overview.at))
        summary = f"runs for {_for(seconds)} on {record.worker}, attempt {record.attempts}"
        if record.cancel_requested:
            details.append("Its worker has been asked to stop it.")
        if record.lease_until is not None and record.lease_until < overview.at:
            details.append("Its lease ran out: the next worker that looks takes it away.")
    elif state == JobState.COMPLETED:
        summary = f"completed in attempt {record.attempts}"
    elif state == JobState.SKIPPED:
        summary = f"was skipped: {record.error}"
    else:
        summary = f"{state}: {record.error}" if record.error else str(state)
    if state in (JobState.BLOCKED, JobState.DELAYED) and _paused(record, overview):
        details.append(f"Queue '{record.queue}' is paused.")
    return Explanation(record.id, state, summary, details, open_ups)


def _paused(record: JobRecord, overview: Overview) -> bool:
    return any(queue.name == record.queue and queue.paused for queue in overview.queues)


def _waiting(record: JobRecord, overview: Overview, rank: int | None) -> tuple[str, list[str]]:
    workers = [worker for worker in overview.workers if record.queue in worker.queues]
    details = [f"It is the {_ordinal(rank + 1)} in line."] if rank is not None else []
    if record.payload_error:
        details.append(record.payload_error)
    if _paused(record, overview):
        return f"queue '{record.queue}' is paused; resume it", details
    if not workers:
        return f"no live worker takes jobs of queue '{record.queue}'; start one", details
    if not any(record.task_id in worker.tasks for worker in workers):
        return (
            f"no live worker has the task '{record.task_id}'; start one that registers it",
            [*details, f"Live workers: {', '.join(worker.id for worker in workers[:5])}."],
        )
    return "is ready: the next free worker takes it", details


def skip_error(record: JobRecord, root: JobRecord | None) -> JobError:
    """Why a job was skipped. `root` is the upstream that is the cause; None where it is gone or there is none."""
    upstream = root.id if root is not None else record.error.upstream if record.error else None
    if root is not None:
        said = f"'{root.name}' {root.state}" + (f": {root.error}" if root.error else "")
    elif upstream:
        said = f"'{upstream}' did not complete (it has been removed)"
    else:
        said = f"its trigger {record.trigger} can no longer hold"
    return JobError("UpstreamFailed", said, upstream=upstream)


def active_below(flow_id: str, job_id: str, upstream: str) -> Refused:
    """The error for a retry that would run what is upstream of a job that is running."""
    return Refused(
        f"job '{job_id}' of flow '{flow_id}' is active, downstream of '{upstream}', which would run again; "
        "cancel the job, or wait until it has ended"
    )


def _for(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 100 else str(format_duration(round(seconds)))
