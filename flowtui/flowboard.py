"""One flow as the screen knows it, job by job: a snapshot, kept true by events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from core.backends.base import FlowSnapshot
from core.events import Event
from core.jobs import TERMINAL, FlowState, JobError, JobRecord, JobState

ATTEMPTS_SHOWN: Final = 20

_ACTIVE, _WAITING, _DELAYED = JobState.ACTIVE, JobState.WAITING, JobState.DELAYED
_COMPLETED = JobState.COMPLETED


class Attempt(NamedTuple):
    """One run of a job; `end` is None while it runs, `state` is what it ended in ("active" while it runs)."""

    start: float
    end: float | None
    state: str


class FlowBoard:
    """One flow that somebody looks at: every job as it is now, its links, and the attempts that were seen."""

    def __init__(self, snapshot: FlowSnapshot) -> None:
        flow = snapshot.flow
        self.id, self.queue, self.name = flow.id, flow.queue, flow.name
        self.state: FlowState = flow.state
        self.created_at, self.started_at, self.finished_at = (
            flow.created_at,
            flow.started_at,
            flow.finished_at,
        )
        self.jobs: dict[str, JobRecord] = {job.id: job for job in snapshot.jobs}
        self.links = list(snapshot.links)
        self.seq = snapshot.position.get(flow.queue, 0)
        self.counts: dict[str, int] = dict.fromkeys((state.value for state in JobState), 0)
        for job in snapshot.jobs:
            self.counts[job.state.value] += 1
        self.attempts: dict[str, list[Attempt]] = {}
        for job in snapshot.jobs:
            if job.started_at is not None:
                how = "active" if job.finished_at is None and job.state is _ACTIVE else job.state.value
                if job.finished_at is not None or how == "active":
                    self.attempts[job.id] = [Attempt(job.started_at, job.finished_at, how)]
        self.changed: set[str] = set()
        self.version = 0
        self.stale = False
        """True once an event named a job that the snapshot did not have: take a new one."""
        self.upstreams: dict[str, list[str]] = {}
        self.downstreams: dict[str, list[str]] = {}
        for upstream, downstream in self.links:
            self.upstreams.setdefault(downstream, []).append(upstream)
            self.downstreams.setdefault(upstream, []).append(downstream)
        self.last_active: str | None = next((job.id for job in snapshot.jobs if job.state is _ACTIVE), None)

    @property
    def total(self) -> int:
        """How many jobs it has."""
        return len(self.jobs)

    @property
    def done(self) -> int:
        """How many of them have ended, however."""
        counts = self.counts
        return sum(counts[state.value] for state in TERMINAL)

    def apply(self, event: Event) -> None:
        """Take over one event of this flow; older ones than the snapshot change nothing."""
        if event.seq <= self.seq:
            return
        self.seq = event.seq
        job = self.jobs.get(event.job_id)
        after = event.to
        if job is None:
            if after is not None:
                self.stale = True
            return
        self.version += 1
        self.changed.add(job.id)
        self.counts[job.state.value] -= 1
        if after is None:
            del self.jobs[job.id]
            self._settle(event.at)
            return
        self.counts[after.value] += 1
        self._move(job, event, after)
        # What waits for it shows how many upstreams are left.
        for downstream in self.downstreams.get(job.id, ()):
            self.changed.add(downstream)
        self._settle(event.at)

    def _move(self, job: JobRecord, event: Event, after: JobState) -> None:
        was_active = job.state is _ACTIVE
        job.state = after
        runs = self.attempts.setdefault(job.id, [])
        if was_active and runs and runs[-1].end is None:
            ended = "failed" if after is _DELAYED else after.value
            runs[-1] = Attempt(runs[-1].start, event.at, ended)
            if after is _WAITING:
                job.stalls += event.reason.startswith("lease")
        job.worker = event.worker if after is _ACTIVE else None
        job.attempts = event.attempt
        if after is _ACTIVE:
            job.started_at, job.finished_at = event.at, None
            job.progress, job.progress_note, job.run_at = None, "", None
            self.last_active = job.id
            runs.append(Attempt(event.at, None, "active"))
            del runs[:-ATTEMPTS_SHOWN]
            if self.started_at is None:
                self.started_at = event.at
        elif after in TERMINAL:
            job.finished_at = event.at
            if after is not _COMPLETED:
                job.error = JobError(event.reason or after.value)
        else:
            job.finished_at = None
            job.cancel_requested = False
            if after is not _DELAYED:
                job.run_at = None
            if event.reason == "retry":
                job.error, job.result, job.started_at = None, None, None

    def _settle(self, at: float) -> None:
        """The flow's own state follows from those of its jobs (`core.jobs.FlowState` has the rule)."""
        if self.done < self.total:
            self.state, self.finished_at = FlowState.RUNNING, None
            return
        if self.state is not FlowState.RUNNING:
            return
        counts = self.counts
        if counts["failed"] or counts["expired"]:
            self.state = FlowState.FAILED
        elif counts["cancelled"]:
            self.state = FlowState.CANCELLED
        else:
            self.state = FlowState.COMPLETED
        self.finished_at = at

    def refine(self, records: Iterable[JobRecord]) -> None:
        """Take over what events do not say (progress, when a delayed job is due) from records just read."""
        for record in records:
            job = self.jobs.get(record.id)
            if job is None or job.state is not record.state or job.attempts != record.attempts:
                continue
            if (job.progress, job.progress_note, job.run_at, job.cancel_requested) != (
                record.progress,
                record.progress_note,
                record.run_at,
                record.cancel_requested,
            ):
                job.progress, job.progress_note = record.progress, record.progress_note
                job.run_at, job.cancel_requested = record.run_at, record.cancel_requested
                self.changed.add(job.id)
            job.lease_until = record.lease_until

    def take_changed(self) -> set[str]:
        """The jobs that changed since the last call."""
        changed, self.changed = self.changed, set()
        return changed

    def pending(self, job_id: str) -> tuple[int, int]:
        """How many upstreams of a job have completed or otherwise ended, and how many it has."""
        upstreams = self.upstreams.get(job_id, ())
        ended = sum(1 for name in upstreams if name not in self.jobs or self.jobs[name].state in TERMINAL)
        return ended, len(upstreams)

    def cause(self, job_id: str) -> JobRecord | None:
        """Which job's end made a skipped job impossible: the nearest upstream that did not succeed by itself."""
        seen = {job_id}
        todo = [job_id]
        for name in todo:
            for upstream in self.upstreams.get(name, ()):
                job = self.jobs.get(upstream)
                if job is None or upstream in seen:
                    continue
                seen.add(upstream)
                if job.state is JobState.SKIPPED:
                    todo.append(upstream)
                elif job.state in TERMINAL and job.state is not _COMPLETED:
                    return job
        return None

    def elapsed(self, now: float) -> float | None:
        """Seconds since its first job started, until it ended; None when nothing has started."""
        if self.started_at is None:
            return None
        return max(0.0, (self.finished_at if self.finished_at is not None else now) - self.started_at)

    def failures(self) -> list[str]:
        """Jobs that failed or expired, in the order of the snapshot."""
        return [job.id for job in self.jobs.values() if job.state in (JobState.FAILED, JobState.EXPIRED)]
