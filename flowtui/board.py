"""What the screen knows about the engine: a snapshot, kept true by events. Pure; holds no more than a screen needs.

Queues are counts, rates and spreads, never lists of jobs, so that a million jobs cost what three do. Only the flows
that somebody looks at are held job by job. Applying an event twice changes nothing: each queue and each open flow
knows up to which position it is true.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from core.backends.base import FlowSnapshot, Overview, QueueInfo, WorkerInfo
from core.events import Event
from core.jobs import TERMINAL, FlowState, JobError, JobRecord, JobState
from flowtui.rates import Sampled, Series, Spread

RATE_SECONDS: Final = 10
"""Rates are means over this many whole seconds."""
FLOWS_HELD: Final = 8
"""How many opened flows are followed; the one that was opened longest ago is let go first."""
ATTEMPTS_SHOWN: Final = 20

_ACTIVE, _WAITING, _BLOCKED, _DELAYED = JobState.ACTIVE, JobState.WAITING, JobState.BLOCKED, JobState.DELAYED
_COMPLETED, _FAILED = JobState.COMPLETED, JobState.FAILED
# Explicit, because looking up an Enum member's hash goes through Python for each event.
_NAMES: Final[dict[JobState, str]] = {state: state.value for state in JobState}


class Attempt(NamedTuple):
    """One run of a job; `end` is None while it runs, `state` is what it ended in ("active" while it runs)."""

    start: float
    end: float | None
    state: str


class QueueBoard:
    """One queue: how many jobs in each state, how fast they move, how long they wait and run."""

    __slots__ = (
        "_active_since",
        "_added",
        "_done",
        "_failed",
        "_ready_since",
        "_second",
        "added",
        "counts",
        "depth",
        "done",
        "failed",
        "name",
        "paused",
        "run",
        "seq",
        "version",
        "wait",
    )

    def __init__(self, name: str, counts: Mapping[str, int], *, paused: bool = False, seq: int = 0) -> None:
        self.name = name
        self.counts: dict[str, int] = {**dict.fromkeys(_NAMES.values(), 0), **counts}
        self.paused = paused
        self.seq = seq
        self.version = 0
        self.added, self.done, self.failed, self.depth = Series(), Series(), Series(), Series()
        self.wait, self.run = Spread(), Spread()
        self._ready_since, self._active_since = Sampled(), Sampled()
        self._second = 0
        self._added = self._done = self._failed = 0

    def count(self, event: Event) -> None:
        """Take over one event that has not been counted yet."""
        self.seq = event.seq
        self.version += 1
        at = event.at
        second = int(at)
        if second > self._second:
            self.roll(second)
        before, after, counts = event.from_, event.to, self.counts
        if before is None:
            self._added += 1
        else:
            counts[before] -= 1
            if before is _ACTIVE:
                lasted = self._active_since.end(event.job_id, at)
                if lasted is not None and (after is _COMPLETED or after is _FAILED):
                    self.run.add(lasted, second)
        if after is None:
            return
        counts[after] += 1
        if after is _ACTIVE:
            self._active_since.begin(event.job_id, at)
            waited = self._ready_since.end(event.job_id, at)
            if waited is not None:
                self.wait.add(waited, second)
        elif after is _WAITING:
            self._ready_since.begin(event.job_id, at)
        elif after is _COMPLETED:
            self._done += 1
        elif after is _FAILED:
            self._failed += 1

    def roll(self, second: int) -> None:
        """Close the running second: what was counted in it is now part of the rates."""
        if second <= self._second:
            return
        if self._second:
            self.added.put(self._second, self._added)
            self.done.put(self._second, self._done)
            self.failed.put(self._second, self._failed)
            ready = self.counts["waiting"]
            for passed in range(max(self._second, second - 300), second):
                self.depth.put(passed, ready)
        self._second = second
        self._added = self._done = self._failed = 0

    @property
    def total(self) -> int:
        """How many jobs it holds, in whatever state."""
        return sum(self.counts.values())

    @property
    def open(self) -> int:
        """How many jobs have not ended."""
        counts = self.counts
        return counts["waiting"] + counts["blocked"] + counts["delayed"] + counts["active"]

    def rate(self, now: int, seconds: int = RATE_SECONDS) -> float:
        """Jobs completed or failed per second, over the whole seconds before `now`."""
        ended = sum(self.done.last(seconds, now)) + sum(self.failed.last(seconds, now))
        return ended / seconds

    def drain(self, now: int) -> float | None:
        """Seconds until nothing is open at the pace of the last minute; `inf` where it grows, None where idle."""
        if not self.open:
            return None
        net = (
            sum(self.done.last(60, now)) + sum(self.failed.last(60, now)) - sum(self.added.last(60, now))
        ) / 60
        if net <= 0:
            grows = sum(self.added.last(60, now)) > 0
            return math.inf if grows or sum(self.done.last(60, now)) > 0 else None
        return self.open / net


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
        self.counts: dict[str, int] = dict.fromkeys(_NAMES.values(), 0)
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


class Board:
    """Everything the screens show. `watch` keeps to queues whose name matches one of the patterns; empty is all."""

    def __init__(self, watch: Iterable[str] = ()) -> None:
        self.watch = tuple(watch)
        self.queues: dict[str, QueueBoard] = {}
        self.workers: list[WorkerInfo] = []
        self.flows: dict[str, FlowBoard] = {}
        self.at = 0.0
        """The latest moment of the store's clock that was heard of."""
        self.version = 0
        self.flow_version = 0
        """Goes up when any job of any flow moved: a list of flows may be out of date."""
        self.stale = False
        """True once the events had a hole: take a new snapshot."""
        self.ended: list[FlowBoard] = []
        """Flows that ended while they were open; whoever announces them empties it."""
        self._opening: dict[str, list[Event]] = {}
        self._ignored: set[str] = set()

    def watches(self, queue: str) -> bool:
        """Whether the queue belongs on this board."""
        return not self.watch or any(fnmatchcase(queue, pattern) for pattern in self.watch)

    @property
    def position(self) -> dict[str, int]:
        """From where to follow the events so that this board stays true."""
        return {name: queue.seq for name, queue in self.queues.items()}

    # ---- snapshots -----------------------------------------------------------------------------------------------

    def reset(self, overview: Overview) -> None:
        """Start again from a snapshot. Rates and spreads of queues that are still there are kept."""
        known, self.queues = self.queues, {}
        for info in overview.queues:
            if not self.watches(info.name):
                continue
            queue = known.get(info.name)
            if queue is None:
                queue = QueueBoard(info.name, info.counts, paused=info.paused, seq=info.seq)
            else:
                self._overwrite(queue, info)
            self.queues[info.name] = queue
        self.workers = list(overview.workers)
        self.stale = False
        self._advance(overview.at)
        self.version += 1
        self.flow_version += 1
        for flow in self.flows.values():
            flow.stale = True

    def refresh(self, overview: Overview) -> None:
        """Take over what no event tells: workers and pauses. Counts at the same position win over ours."""
        for info in overview.queues:
            queue = self.queues.get(info.name)
            if queue is None:
                continue
            if queue.paused != info.paused:
                queue.paused = info.paused
                queue.version += 1
            if queue.seq == info.seq and any(
                queue.counts[key] != count for key, count in info.counts.items()
            ):
                self._overwrite(queue, info)
        self.workers = list(overview.workers)
        self._advance(overview.at)
        self.version += 1

    @staticmethod
    def _overwrite(queue: QueueBoard, info: QueueInfo) -> None:
        queue.counts.update(info.counts)
        queue.paused, queue.seq = info.paused, info.seq
        queue.version += 1

    def expect(self, flow_id: str) -> None:
        """Keep the events of a flow whose snapshot is on its way."""
        self._opening.setdefault(flow_id, [])

    def forget(self, flow_id: str) -> None:
        """The snapshot will not come."""
        self._opening.pop(flow_id, None)

    def open(self, snapshot: FlowSnapshot) -> FlowBoard:
        """Hold a flow job by job from now on; what happened since the snapshot was taken is applied."""
        flow = FlowBoard(snapshot)
        before = self.flows.pop(flow.id, None)
        if before is not None:
            # What was seen of earlier attempts is in no snapshot.
            for job_id, runs in before.attempts.items():
                if job_id in flow.jobs and len(runs) > len(flow.attempts.get(job_id, ())):
                    flow.attempts[job_id] = runs
        self.flows[flow.id] = flow
        for event in self._opening.pop(flow.id, ()):
            flow.apply(event)
        flow.changed = set(flow.jobs)
        while len(self.flows) > FLOWS_HELD:
            del self.flows[next(iter(self.flows))]
        self.version += 1
        return flow

    # ---- events --------------------------------------------------------------------------------------------------

    def digest(self, events: Iterable[Event]) -> bool:
        """Apply events in their order; True when anything changed."""
        queues, flows, opening = self.queues, self.flows, self._opening
        name: str | None = None
        queue: QueueBoard | None = None
        changed = False
        for event in events:
            if event.queue != name:
                name = event.queue
                queue = queues.get(name) or self._born(name)
            if queue is None:
                continue
            flow_id = event.flow_id
            if flow_id is not None:
                if flow_id in flows:
                    self._apply(flows[flow_id], event)
                if opening and flow_id in opening:
                    opening[flow_id].append(event)
                self.flow_version += 1
            if event.seq <= queue.seq:
                continue
            if event.seq != queue.seq + 1:
                self.stale = True
            queue.count(event)
            changed = True
        if changed:
            assert queue is not None or queues
            self.version += 1
            latest = max((q._second for q in queues.values()), default=0)
            if latest > self.at:
                self._advance(float(latest))
        return changed

    def _apply(self, flow: FlowBoard, event: Event) -> None:
        running = flow.state is FlowState.RUNNING
        flow.apply(event)
        if running and flow.state is not FlowState.RUNNING:
            self.ended.append(flow)

    def _born(self, name: str) -> QueueBoard | None:
        if name in self._ignored:
            return None
        if not self.watches(name):
            self._ignored.add(name)
            return None
        queue = self.queues[name] = QueueBoard(name, {})
        return queue

    def _advance(self, at: float) -> None:
        if at > self.at:
            self.at = at

    def tick(self, now: float) -> None:
        """Let time pass: `now` is the store's clock, as far as it is known."""
        self._advance(now)
        second = int(now)
        for queue in self.queues.values():
            queue.roll(second)

    # ---- sums ----------------------------------------------------------------------------------------------------

    def totals(self) -> dict[str, int]:
        """Counts by state over all queues."""
        total: dict[str, int] = dict.fromkeys(_NAMES.values(), 0)
        for queue in self.queues.values():
            for state, count in queue.counts.items():
                total[state] = total.get(state, 0) + count
        return total

    def worker_load(self) -> dict[str, Any]:
        """How many workers are alive, their slots, and how many of them are taken."""
        alive = [worker for worker in self.workers if worker.seen_at + worker.ttl >= self.at]
        return {
            "alive": len(alive),
            "slots": sum(worker.concurrency for worker in alive),
            "active": sum(worker.active for worker in alive),
        }
