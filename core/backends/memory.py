"""A store in this process: for tests, for small programs, and as the plainest telling of the rules.

Everything is gone with the process. Operations are plain code under a lock, so that a
worker's lease thread may call too.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

from core.backends.base import (
    EVENTS_KEPT,
    LOG_LINE_LIMIT,
    LOG_LINES_KEPT,
    Claim,
    Explanation,
    FlowSnapshot,
    LogLine,
    Outcome,
    Overview,
    QueueInfo,
    Repeat,
    RetryMode,
    Turn,
    WorkerInfo,
)
from core.backends.explain import explain, skip_error
from core.backends.submission import Submission, check_single, repeat_payload, unknown_upstream
from core.errors import (
    CycleError,
    DuplicateJob,
    FlowConflict,
    Gap,
    InvalidJob,
    NotFound,
    Refused,
)
from core.events import Event, Position
from core.jobs import TERMINAL, FlowRecord, FlowState, Job, JobError, JobRecord, JobState, Trigger, check_name
from core.payload import as_job, decode_error, decode_payload, decode_result, encoded

BLOCKED, WAITING, DELAYED, ACTIVE = JobState.BLOCKED, JobState.WAITING, JobState.DELAYED, JobState.ACTIVE
COMPLETED, FAILED, SKIPPED = JobState.COMPLETED, JobState.FAILED, JobState.SKIPPED
CANCELLED, EXPIRED = JobState.CANCELLED, JobState.EXPIRED
_RETRIED: Final = frozenset({FAILED, CANCELLED, EXPIRED})


class _Rec:
    """A job. `pending` and `bad` always mirror the states of `ups`: not ended, ended otherwise than completed."""

    __slots__ = (
        "attempts",
        "bad",
        "cancel",
        "cause",
        "created",
        "delay",
        "downs",
        "error",
        "expires",
        "finished",
        "flow",
        "id",
        "lease",
        "log",
        "logged",
        "mark",
        "max_stalls",
        "order",
        "outside",
        "parked",
        "payload",
        "pending",
        "priority",
        "progress",
        "repeat",
        "result",
        "run_at",
        "score",
        "stalls",
        "started",
        "state",
        "token",
        "trigger",
        "ttl",
        "ups",
        "worker",
    )

    def __init__(self, job: Job, payload: str, flow: _Flow | None, order: int, now: float) -> None:
        self.id, self.payload, self.flow, self.order = job.id, payload, flow, order
        self.state: JobState | None = None
        self.trigger, self.priority, self.max_stalls = job.trigger, job.priority, job.max_stalls
        self.delay, self.ttl = job.delay, job.ttl
        self.repeat = repeat_payload(job) if job.repeat_every is not None else None
        self.score = job.priority << 44 | order
        self.ups: list[_Rec] = []
        self.downs: list[_Rec] = []
        self.outside: list[_Rec] = []
        """Those of its upstreams that are not of its own flow."""
        self.pending = self.bad = self.attempts = self.stalls = self.logged = 0
        self.token: str | None = None
        self.worker: str | None = None
        self.cancel = self.parked = self.mark = False
        self.created = now
        self.started: float | None = None
        self.finished: float | None = None
        self.run_at: float | None = None
        self.lease: float | None = None
        self.expires: float | None = None
        self.cause: _Rec | None = None
        self.result: str | None = None
        self.error: str | None = None
        self.progress: tuple[float, str] | None = None
        self.log: deque[LogLine] | None = None


@dataclass(slots=True, eq=False)
class _Flow:
    """A flow with its jobs, upstream first, and its counts."""

    id: str
    name: str
    digest: str
    created: float
    jobs: list[_Rec] = field(default_factory=list)
    counts: dict[JobState, int] = field(default_factory=lambda: dict.fromkeys(JobState, 0))
    state: FlowState = FlowState.RUNNING
    started: float | None = None
    finished: float | None = None


@dataclass(slots=True, eq=False)
class _Tick:
    """What repeats: the payload of its copies, and when the next is due (None: its first run has not started)."""

    origin: _Rec
    every: float
    payload: str
    n: int = 0
    next_at: float | None = None


class _Queue:
    """One queue: its jobs by state, what is due when, its events."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.recs: dict[str, _Rec] = {}
        self.flows: dict[str, _Flow] = {}
        self.index: dict[JobState, dict[str, _Rec]] = {state: {} for state in JobState}
        self.heap: list[int] = []
        self.scores: dict[int, _Rec] = {}
        self.delayed: list[tuple[float, int, _Rec]] = []
        self.ttl: list[tuple[float, int, _Rec]] = []
        self.next_lease = float("inf")
        """No lease runs out before this."""
        self.ticks: dict[str, _Tick] = {}
        self.ended: dict[object, _Rec | _Flow] = {}
        """Ended flows and single jobs, oldest first."""
        self.parked: dict[str, tuple[str, _Rec]] = {}
        self.workers: dict[str, WorkerInfo] = {}
        self.declared: dict[str, list[_Rec]] = {}
        self.order = self.seq = 0
        self.paused = self.token = False
        self.events: deque[tuple[Any, ...]] = deque(maxlen=EVENTS_KEPT)


@dataclass(slots=True, eq=False)
class _Sleeper:
    """Somebody who waits for news of some queues (None: of any)."""

    queues: frozenset[str] | None
    future: asyncio.Future[bool]
    thread: int

    def wake(self) -> None:
        if self.thread == threading.get_ident():
            self._set()
        else:
            self.future.get_loop().call_soon_threadsafe(self._set)

    def _set(self) -> None:
        if not self.future.done():
            self.future.set_result(True)


class InMemoryBackend:
    """Jobs in this process.

    `keep` ended flows and single jobs are kept per queue, each for `keep_for` seconds. `clock` gives the time.
    """

    url = "memory://"

    def __init__(
        self,
        *,
        keep: int = 100_000,
        keep_for: float = 7 * 24 * 3600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keep, self._keep_for, self._clock = keep, keep_for, clock
        self._queues: dict[str, _Queue] = {}
        self._lock = threading.RLock()
        self._turns = 0
        self._workers_asleep: deque[_Sleeper] = deque()
        self._followers: set[_Sleeper] = set()
        self._walk: list[tuple[_Rec, int, JobState, bool]] | None = None

    # ------------------------------------------------------------------------------------------ states

    def _queue(self, name: str) -> _Queue:
        queue = self._queues.get(name)
        if queue is None:
            check_name(name, "queue")
            queue = self._queues[name] = _Queue(name)
        return queue

    def _move(
        self,
        queue: _Queue,
        rec: _Rec,
        to: JobState | None,
        now: float,
        reason: str = "",
        worker: str | None = None,
    ) -> None:
        """THE place where a job's state changes: index, flow counts and event go together."""
        old = rec.state
        flow = rec.flow
        if old is not None:
            del queue.index[old][rec.id]
            if old is WAITING:
                if rec.parked:
                    rec.parked = False
                    del queue.parked[rec.id]
                else:
                    del queue.scores[rec.score]
        rec.state = to
        if to is not None:
            queue.index[to][rec.id] = rec
            if to is WAITING:
                queue.scores[rec.score] = rec
                heapq.heappush(queue.heap, rec.score)
        queue.seq += 1
        queue.events.append((queue.seq, now, flow and flow.id, rec.id, old, to, rec.attempts, worker, reason))
        if flow is not None:
            counts = flow.counts
            if old is not None:
                counts[old] -= 1
            if to is not None:
                counts[to] += 1

    def _settle_flow(self, queue: _Queue, flow: _Flow, now: float) -> None:
        """Bring a flow's own state in line with its counts."""
        counts = flow.counts
        if flow.started is None and counts[ACTIVE]:
            flow.started = now
        if counts[BLOCKED] or counts[WAITING] or counts[DELAYED] or counts[ACTIVE]:
            if flow.state is not FlowState.RUNNING:
                flow.state, flow.finished = FlowState.RUNNING, None
                queue.ended.pop(flow, None)
        else:
            if counts[FAILED] or counts[EXPIRED]:
                state = FlowState.FAILED
            else:
                state = FlowState.CANCELLED if counts[CANCELLED] else FlowState.COMPLETED
            # Also from one end to another: a retry may skip, within its step, all that it had reset.
            if flow.state is not state:
                flow.state, flow.finished = state, now
                queue.ended.pop(flow, None)
                queue.ended[flow] = flow

    @staticmethod
    def _verdict(rec: _Rec) -> bool | None:
        """What the trigger says over the outcomes so far: start, skip (False), or None for wait."""
        trigger = rec.trigger
        if trigger is Trigger.ALL_SUCCESS:
            return False if rec.bad else (None if rec.pending else True)
        if trigger is Trigger.ALL_DONE:
            return None if rec.pending else True
        if trigger is Trigger.ONE_SUCCESS:
            if len(rec.ups) - rec.pending - rec.bad > 0:
                return True
        elif rec.bad:
            return True
        return None if rec.pending else False

    def _ready(self, queue: _Queue, rec: _Rec, now: float) -> None:
        """The job may start: now, or after its delay."""
        if rec.delay:
            self._delay(queue, rec, now + rec.delay, now)
        else:
            self._move(queue, rec, WAITING, now)

    def _delay(
        self, queue: _Queue, rec: _Rec, until: float, now: float, reason: str = "", worker: str | None = None
    ) -> None:
        rec.run_at = until
        heapq.heappush(queue.delayed, (until, rec.order, rec))
        self._move(queue, rec, DELAYED, now, reason, worker)

    def _finish(
        self,
        queue: _Queue,
        rec: _Rec,
        to: JobState,
        now: float,
        reason: str = "",
        worker: str | None = None,
    ) -> None:
        """The job has ended in state `to`; what waits for it hears of it."""
        rec.finished = now
        self._move(queue, rec, to, now, reason, worker)
        if rec.flow is None:
            queue.ended[rec] = rec
        if rec.downs:
            self._follow(queue, [(rec, -1, to, False)], now)

    def _follow(self, queue: _Queue, todo: list[tuple[_Rec, int, JobState, bool]], now: float) -> None:
        """Tell the jobs below of an end (step -1) or that it is undone (step 1), and so on down, without recursion.

        An entry is (job, step, the end state in question, whether to mark what is below it in its flow).
        """
        if self._walk is not None:
            self._walk += todo  # called from within a walk, which goes on with these
            return
        self._walk = todo
        try:
            for rec, step, was, mark in todo:  # grows while it is walked
                for below in rec.downs:
                    below.pending += step
                    if was is not COMPLETED:
                        below.bad -= step
                    if mark and below.flow is rec.flow:
                        below.mark = True
                    self._reconsider(queue, below, rec if step < 0 and was is not COMPLETED else None, now)
        finally:
            self._walk = None

    @contextlib.contextmanager
    def _together(self, queue: _Queue, now: float) -> Iterator[None]:
        """What ends in this block ends at once; only then does what is below hear of it."""
        todo: list[tuple[_Rec, int, JobState, bool]] = []
        self._walk = todo
        try:
            yield
        finally:
            self._walk = None
            if todo:
                self._follow(queue, todo, now)

    def _reconsider(self, queue: _Queue, rec: _Rec, upstream: _Rec | None, now: float) -> None:
        """Its counters changed: bring a job that has not started into the state that they ask for."""
        state = rec.state
        if state is BLOCKED:
            says = self._verdict(rec)
            if says:
                self._ready(queue, rec, now)
            elif says is False:
                root = upstream.cause or upstream if upstream is not None else None
                rec.cause = root
                reason = f"upstream {root.id} did not complete" if root else "its trigger can no longer hold"
                self._finish(queue, rec, SKIPPED, now, reason)
        elif state is SKIPPED:
            says = self._verdict(rec)
            if says is not False:
                rec.cause = rec.finished = None
                if rec.flow is None:
                    queue.ended.pop(rec, None)
                self._set_ttl(queue, rec, now)
                self._move(queue, rec, BLOCKED, now, "an upstream runs again")
                if rec.downs:
                    self._follow(queue, [(rec, 1, SKIPPED, rec.mark)], now)
                if says:
                    self._ready(queue, rec, now)
        elif (state is WAITING or (state is DELAYED and not rec.attempts)) and not self._verdict(rec):
            self._move(queue, rec, BLOCKED, now, "an upstream is not done")
            self._reconsider(queue, rec, upstream, now)

    @staticmethod
    def _set_ttl(queue: _Queue, rec: _Rec, now: float) -> None:
        if rec.ttl:
            rec.expires = now + rec.ttl
            heapq.heappush(queue.ttl, (rec.expires, rec.order, rec))

    def _again(self, queue: _Queue, rec: _Rec, now: float, reason: str, worker: str | None = None) -> None:
        """A job that has started comes back to be started again, unless an upstream runs again meanwhile."""
        rec.run_at = None
        if self._verdict(rec):
            self._move(queue, rec, WAITING, now, reason, worker)
        else:
            self._move(queue, rec, BLOCKED, now, reason, worker)
            self._reconsider(queue, rec, None, now)

    def _reset(self, queue: _Queue, rec: _Rec, now: float, mark: bool) -> None:
        """An ended job runs again, as if it had never started."""
        was = rec.state
        assert was is not None
        rec.attempts = rec.stalls = 0
        rec.token = rec.worker = rec.started = rec.finished = rec.cause = None
        rec.result = rec.error = rec.progress = None
        rec.cancel = rec.mark = False
        if rec.flow is None:
            queue.ended.pop(rec, None)
        self._set_ttl(queue, rec, now)
        if rec.downs:
            self._follow(queue, [(rec, 1, was, mark)], now)
        self._again(queue, rec, now, "retry")

    def _end_of_step(self, queue: _Queue, flows: Iterable[_Flow], now: float) -> None:
        for flow in flows:
            self._settle_flow(queue, flow, now)
        self._publish(queue)

    def _publish(self, queue: _Queue) -> None:
        """Wake who follows the events, and one idle worker when there is something for it."""
        for follower in list(self._followers):
            if follower.queues is None or queue.name in follower.queues:
                follower.wake()
        if (queue.scores or queue.delayed) and not queue.paused:
            self._wake_worker(queue)

    def _wake_worker(self, queue: _Queue) -> None:
        for sleeper in self._workers_asleep:
            if not sleeper.future.done() and queue.name in (sleeper.queues or ()):
                self._workers_asleep.remove(sleeper)
                sleeper.wake()
                return
        queue.token = True

    def _touched(self, queue: _Queue, since: int) -> list[_Flow]:
        """The flows of the events after `since`."""
        fresh = queue.seq - since
        flows: dict[str, None] = {}
        for event in islice(reversed(queue.events), min(fresh, len(queue.events))):
            if event[2] is not None:
                flows[event[2]] = None
        if fresh > len(queue.events):
            return list(queue.flows.values())
        return [queue.flows[flow_id] for flow_id in flows if flow_id in queue.flows]

    # ------------------------------------------------------------------------------------------ submitting

    async def enqueue(self, queue: str, job: Job | Mapping[str, Any]) -> str:
        """Add one job; see `Submitting.enqueue`."""
        one = as_job(job)
        check_single(one)
        payload = encoded(job, one)
        with self._lock:
            home = self._queue(queue)
            there = home.recs.get(one.id)
            if there is not None:
                if there.payload == payload and {*one.depends_on} <= {up.id for up in there.ups}:
                    return one.id
                raise DuplicateJob(
                    f"queue '{queue}' already has a job '{one.id}'; leave out id= for a fresh one"
                )
            above = self._above(home, one.name, one.depends_on, {})
            for declared in home.declared.pop(one.id, ()):
                if declared not in above:
                    above.append(declared)
            since, now = home.seq, self._clock()
            home.order += 1
            self._born(home, _Rec(one, payload, None, home.order, now), above, now)
            self._end_of_step(home, self._touched(home, since), now)
        return one.id

    async def enqueue_many(self, queue: str, jobs: Sequence[Job | Mapping[str, Any]]) -> list[str]:
        """Add many independent jobs, in order, not all or nothing."""
        ids = []
        for i, job in enumerate(jobs, 1):
            ids.append(await self.enqueue(queue, job))
            if i % 1000 == 0:
                await asyncio.sleep(0)
        return ids

    @staticmethod
    def _above(home: _Queue, name: str, upstreams: Iterable[str], fresh: Mapping[str, _Rec]) -> list[_Rec]:
        above = []
        for upstream in upstreams:
            rec = fresh.get(upstream) or home.recs.get(upstream)
            if rec is None:
                check_name(upstream, f"depends_on of job '{name}':")
                raise unknown_upstream(home.name, name, upstream)
            above.append(rec)
        return above

    def _born(self, home: _Queue, rec: _Rec, above: Sequence[_Rec], now: float) -> None:
        """The job appears, below `above`."""
        home.recs[rec.id] = rec
        rec.ups = list(above)
        worst: _Rec | None = None
        for up in above:
            up.downs.append(rec)
            if up.state is None or up.state not in TERMINAL:
                rec.pending += 1
            elif up.state is not COMPLETED:
                rec.bad += 1
                worst = worst or up
            if up.flow is not rec.flow or rec.flow is None:
                rec.outside.append(up)
        self._set_ttl(home, rec, now)
        if rec.repeat is not None:
            every, payload = rec.repeat
            home.ticks[rec.id] = _Tick(rec, every, payload)
        says = self._verdict(rec) if above else True
        if says:
            self._ready(home, rec, now)
        elif says is False:
            rec.cause = worst and (worst.cause or worst)
            reason = (
                f"upstream {rec.cause.id} did not complete" if rec.cause else "its trigger can no longer hold"
            )
            self._finish(home, rec, SKIPPED, now, reason)
        else:
            self._move(home, rec, BLOCKED, now)

    async def add_dependencies(self, queue: str, job: Job | Mapping[str, Any]) -> None:
        """Make `job` wait for its `depends_on`, before it is enqueued or while it has not started."""
        one = as_job(job)
        with self._lock:
            home = self._queue(queue)
            above = self._above(home, one.name, one.depends_on, {})
            rec = home.recs.get(one.id)
            if rec is None:
                known = home.declared.setdefault(one.id, [])
                known += [up for up in above if up not in known]
                return
            new = [up for up in above if up not in rec.ups]
            if not new:
                return
            if rec.flow is not None:
                raise Refused(
                    f"job '{one.name}' is part of flow '{rec.flow.id}', and the links of a flow do not change"
                )
            if rec.state in TERMINAL or rec.state is ACTIVE or rec.attempts:
                raise Refused(f"job '{one.name}' has started; it can no longer be made to wait")
            if closing := self._reaches(rec, set(new)):
                raise CycleError([closing.id, rec.id, closing.id])
            since, now = home.seq, self._clock()
            for up in new:
                up.downs.append(rec)
                rec.ups.append(up)
                rec.outside.append(up)
                if up.state not in TERMINAL:
                    rec.pending += 1
                elif up.state is not COMPLETED:
                    rec.bad += 1
            worst = next((up for up in new if up.state in TERMINAL and up.state is not COMPLETED), None)
            self._reconsider(home, rec, worst, now)
            self._end_of_step(home, self._touched(home, since), now)

    @staticmethod
    def _reaches(start: _Rec, wanted: set[_Rec]) -> _Rec | None:
        seen, todo = {start}, [start]
        while todo:
            rec = todo.pop()
            if rec in wanted:
                return rec
            fresh = [below for below in rec.downs if below not in seen]
            seen.update(fresh)
            todo += fresh
        return None

    async def atomic_add_flow(
        self,
        queue: str,
        payloads: Sequence[Mapping[str, Any]],
        deps: Sequence[tuple[str, str]],
        *,
        flow_id: str | None = None,
        name: str | None = None,
    ) -> list[str]:
        """Add all jobs and links or none; see `Submitting.atomic_add_flow`."""
        check_name(queue, "queue")
        given = Submission.of(payloads, deps, flow_id, name)
        with self._lock:
            home = self._queue(queue)
            known = home.flows.get(given.id)
            if known is not None:
                if known.digest != given.digest:
                    raise FlowConflict(
                        f"queue '{queue}' has a flow '{given.id}' with other jobs or links; choose another flow id"
                    )
                return [job.id for job in given.jobs]
            now = self._clock()
            flow = _Flow(given.id, given.name, given.digest, now)
            fresh: dict[str, _Rec] = {}
            above: dict[str, list[_Rec]] = {}
            for place, (job, payload) in enumerate(given.in_order(), 1):
                if job.id in home.recs:
                    raise DuplicateJob(
                        f"queue '{queue}' already has a job '{job.id}'; leave out id= for a fresh one"
                    )
                above[job.id] = self._above(home, job.name, given.ups.get(job.id, ()), fresh)
                fresh[job.id] = _Rec(job, payload, flow, home.order + place, now)
            # Everything is checked; from here on nothing can fail.
            since = home.seq
            home.order += len(fresh)
            home.flows[flow.id] = flow
            flow.jobs = list(fresh.values())
            for rec in flow.jobs:
                self._born(home, rec, above[rec.id], now)
            self._end_of_step(home, {*self._touched(home, since), flow}, now)
        return [job.id for job in given.jobs]

    # ------------------------------------------------------------------------------------------ working

    async def turn(
        self, queue: str, worker: str, outcomes: Sequence[Outcome], want: int, lease: float
    ) -> Turn:
        """Settle, do what is due, claim; see `Working.turn`."""
        with self._lock:
            home = self._queue(queue)
            since, now = home.seq, self._clock()
            lost = []
            if outcomes:
                with self._together(home, now):
                    lost = [
                        outcome.id for outcome in outcomes if not self._accept(home, outcome, worker, now)
                    ]
            with self._together(home, now):
                self._due(home, now)
            claims = self._take(home, worker, want, lease, now) if want > 0 and not home.paused else []
            if len(home.ended) > self._keep or outcomes:
                self._trim(home, now)
            if home.seq != since:
                for flow in self._touched(home, since):
                    self._settle_flow(home, flow, now)
                for follower in list(self._followers):
                    if follower.queues is None or queue in follower.queues:
                        follower.wake()
            more = bool(home.scores) and not home.paused
            if more:
                self._wake_worker(home)
            return Turn(claims, lost, self._next_due(home, now), more)

    def _accept(self, home: _Queue, outcome: Outcome, worker: str, now: float) -> bool:
        """Settle one outcome; False when its lease was lost."""
        rec = home.recs.get(outcome.id)
        if rec is None or rec.token != outcome.token:
            return False
        if rec.state is not ACTIVE:
            return True  # heard before, and accepted
        kind = outcome.kind
        reason = outcome.reason
        if rec.cancel:
            self._finish(home, rec, CANCELLED, now, "cancelled", worker)
        elif kind == "completed":
            rec.result, rec.error = outcome.payload, None
            self._finish(home, rec, COMPLETED, now, reason, worker)
        elif kind == "failed":
            rec.error = outcome.payload or ""
            self._finish(home, rec, FAILED, now, reason, worker)
        elif kind == "retry":
            rec.error = outcome.payload or ""
            self._delay(home, rec, now + outcome.delay, now, reason, worker)
        elif kind == "cancelled":
            self._finish(home, rec, CANCELLED, now, reason, worker)
        else:
            rec.attempts -= 1
            if kind == "released" or not self._verdict(rec):
                self._again(home, rec, now, "handed back", worker)
            else:
                self._move(home, rec, WAITING, now, "the worker has no such task", worker)
                del home.scores[rec.score]
                rec.parked = True
                home.parked[rec.id] = (reason, rec)
        return True

    def _due(self, home: _Queue, now: float) -> None:
        """Delays, ttls, leases and repeats whose time has come."""
        while home.delayed and home.delayed[0][0] <= now:
            at, _, rec = heapq.heappop(home.delayed)
            if rec.state is DELAYED and rec.run_at == at:
                self._again(home, rec, now, "due")
        while home.ttl and home.ttl[0][0] <= now:
            at, _, rec = heapq.heappop(home.ttl)
            if rec.expires == at and rec.state in (BLOCKED, WAITING, DELAYED):
                home.ticks.pop(rec.id, None)
                self._finish(home, rec, EXPIRED, now, "not started within its ttl")
        if home.next_lease <= now:
            for rec in [rec for rec in home.index[ACTIVE].values() if (rec.lease or 0.0) <= now]:
                self._stalled(home, rec, now)
            home.next_lease = min(
                (rec.lease for rec in home.index[ACTIVE].values() if rec.lease is not None),
                default=float("inf"),
            )
        for tick in list(home.ticks.values()) if home.ticks else ():
            if tick.next_at is not None and tick.next_at <= now:
                self._tick(home, tick, now)

    def _stalled(self, home: _Queue, rec: _Rec, now: float) -> None:
        if rec.cancel:
            self._finish(home, rec, CANCELLED, now, "cancelled; its worker is gone")
            return
        rec.stalls += 1
        rec.token = None
        if rec.stalls >= rec.max_stalls:
            said = f"it lost its worker {rec.stalls} times, the last was {rec.worker}"
            rec.error = f'{{"type":"LeaseLost","message":"{said}"}}'
            self._finish(home, rec, FAILED, now, f"LeaseLost: {said}")
        else:
            self._again(home, rec, now, "lease ran out")

    def _tick(self, home: _Queue, tick: _Tick, now: float) -> None:
        """One copy of what repeats, with an id of its own; missed ticks are passed."""
        assert tick.next_at is not None
        missed = int((now - tick.next_at) // tick.every)
        tick.n += 1 + missed
        tick.next_at += tick.every * (1 + missed)
        fields = decode_payload(tick.payload)
        copy = f"{tick.origin.id}.{tick.n}"
        if copy not in home.recs:
            home.order += 1
            job = Job.from_dict({**fields, "id": copy})
            rec = _Rec(job, tick.payload, None, home.order, now)
            home.recs[copy] = rec
            self._set_ttl(home, rec, now)
            self._move(home, rec, WAITING, now, f"repeat of {tick.origin.id}")

    def _take(self, home: _Queue, worker: str, want: int, lease: float, now: float) -> list[Claim]:
        claims: list[Claim] = []
        self._turns += 1
        token = f"{id(self):x}:{self._turns}"
        until = now + lease
        taken: list[_Rec] = []
        if home.parked:
            known = home.workers.get(worker)
            tasks = set(known.tasks) if known else set()
            parked = sorted(
                (rec for task, rec in home.parked.values() if task in tasks), key=lambda rec: rec.score
            )
            taken += parked[:want]
        heap, scores = home.heap, home.scores
        while heap and len(taken) < want:
            # An entry whose job left the index, or was met before, leads nowhere.
            found = scores.get(heapq.heappop(heap))
            if found is not None and found not in taken[-1:]:
                taken.append(found)
        for rec in taken:
            rec.attempts += 1
            rec.expires = None
            rec.token, rec.worker, rec.started, rec.finished, rec.lease = token, worker, now, None, until
            if rec.repeat is not None and (tick := home.ticks.get(rec.id)) and tick.next_at is None:
                tick.next_at = now + tick.every
            self._move(home, rec, ACTIVE, now, "", worker)
            flow = rec.flow
            claims.append(
                Claim(
                    rec.id,
                    home.name,
                    rec.payload,
                    token,
                    rec.attempts,
                    rec.attempts - 1 - rec.stalls,
                    flow.id if flow is not None else None,
                )
            )
        if claims and until < home.next_lease:
            home.next_lease = until
        return claims

    @staticmethod
    def _next_due(home: _Queue, now: float) -> float | None:
        times = [tick.next_at for tick in home.ticks.values() if tick.next_at is not None]
        while home.ttl and home.ttl[0][2].expires != home.ttl[0][0]:
            heapq.heappop(home.ttl)
        while home.delayed and (
            home.delayed[0][2].state is not DELAYED or home.delayed[0][2].run_at != home.delayed[0][0]
        ):
            heapq.heappop(home.delayed)
        if home.delayed:
            times.append(home.delayed[0][0])
        if home.ttl:
            times.append(home.ttl[0][0])
        if home.index[ACTIVE] and home.next_lease < float("inf"):
            times.append(home.next_lease)
        return max(0.0, min(times) - now) if times else None

    def _trim(self, home: _Queue, now: float) -> None:
        """Retention: a bounded amount each time."""
        before = now - self._keep_for
        for key, what in list(islice(home.ended.items(), 100)):
            if len(home.ended) <= self._keep and (what.finished or now) >= before:
                return
            if not self._needed_by(home, what):
                home.ended.pop(key, None)
                self._forget(home, what, now)

    async def claim(self, queues: Sequence[str], worker: str, limit: int, lease: float) -> list[Claim]:
        """Give `worker` up to `limit` waiting jobs of `queues`."""
        claims: list[Claim] = []
        for queue in queues:
            if len(claims) < limit:
                claims += (await self.turn(queue, worker, (), limit - len(claims), lease)).claims
        return claims

    async def settle(self, queue: str, outcomes: Sequence[Outcome]) -> list[str]:
        """Report outcomes; returns the ids that were refused because their lease was lost."""
        return (await self.turn(queue, "-", outcomes, 0, 0.0)).lost

    async def wait_for_work(self, queues: Sequence[str], timeout: float) -> bool:
        """Sleep until one of `queues` may have something, or `timeout` seconds have passed."""
        with self._lock:
            for name in queues:
                home = self._queue(name)
                if home.token:
                    home.token = False
                    return True
            loop = asyncio.get_running_loop()
            sleeper = _Sleeper(frozenset(queues), loop.create_future(), threading.get_ident())
            self._workers_asleep.append(sleeper)
        try:
            async with asyncio.timeout(timeout):
                return await sleeper.future
        except TimeoutError:
            return False
        finally:
            with self._lock:
                if sleeper in self._workers_asleep:
                    self._workers_asleep.remove(sleeper)

    def renewer(self) -> _Renewer:
        """A renewer for the worker's lease thread."""
        return _Renewer(self)

    async def register_worker(self, info: WorkerInfo) -> None:
        """Make the worker known to its queues."""
        with self._lock:
            now = self._clock()
            for queue in info.queues:
                self._queue(queue).workers[info.id] = replace(
                    info, seen_at=now, started_at=info.started_at or now
                )

    async def unregister_worker(self, info: WorkerInfo) -> None:
        """Forget the worker."""
        with self._lock:
            for queue in info.queues:
                self._queue(queue).workers.pop(info.id, None)

    async def report(
        self,
        queue: str,
        job_id: str,
        token: str,
        *,
        progress: tuple[float, str] | None = None,
        log: Sequence[tuple[float, str, str]] = (),
    ) -> bool:
        """Store progress and log lines; False, nothing stored: the lease is lost."""
        with self._lock:
            rec = self._queue(queue).recs.get(job_id)
            if rec is None or rec.token != token:
                return False
            if progress is not None:
                rec.progress = (progress[0], progress[1][:500])
            if log and rec.log is None:
                rec.log = deque(maxlen=LOG_LINES_KEPT)
            for at, level, text in log:
                assert rec.log is not None
                rec.log.append(LogLine(rec.logged, at, level, text[:LOG_LINE_LIMIT].replace("\n", " ")))
                rec.logged += 1
            return True

    async def results(self, queue: str, ids: Sequence[str]) -> dict[str, Any]:
        """The results of completed jobs by id."""
        with self._lock:
            recs = self._queue(queue).recs
            return {
                job_id: decode_result(recs[job_id].result)
                for job_id in ids
                if job_id in recs and recs[job_id].state is COMPLETED
            }

    async def names(self, queue: str, ids: Sequence[str]) -> dict[str, str]:
        """The names of jobs by id."""
        with self._lock:
            home = self._queue(queue)
            return {job_id: self._name(home.recs[job_id]) for job_id in ids if job_id in home.recs}

    @staticmethod
    def _name(rec: _Rec) -> str:
        return str(decode_payload(rec.payload)["name"])

    # ------------------------------------------------------------------------------------------ steering

    def _find(self, job_id: str) -> tuple[_Queue, _Rec] | None:
        for home in self._queues.values():
            rec = home.recs.get(job_id)
            if rec is not None:
                return home, rec
        return None

    def _steer(self, ids: str | Iterable[str], act: Callable[[_Queue, _Rec, float], str]) -> dict[str, str]:
        answer: dict[str, str] = {}
        with self._lock:
            now = self._clock()
            homes: dict[_Queue, list[_Rec]] = {}
            for job_id in [ids] if isinstance(ids, str) else dict.fromkeys(ids):
                answer[job_id] = "not found"
                if (found := self._find(job_id)) is not None:
                    homes.setdefault(found[0], []).append(found[1])
            for home, recs in homes.items():
                since = home.seq
                with self._together(home, now):
                    for rec in recs:
                        answer[rec.id] = act(home, rec, now)
                self._end_of_step(home, self._touched(home, since), now)
        return answer

    def _cancel(self, home: _Queue, rec: _Rec, now: float) -> str:
        if rec.state in TERMINAL:
            return f"already {rec.state}"
        home.ticks.pop(rec.id, None)
        if rec.state is ACTIVE:
            rec.cancel = True
            return "cancelling"
        self._finish(home, rec, CANCELLED, now, "cancelled")
        return "cancelled"

    async def cancel(self, ids: str | Iterable[str]) -> dict[str, str]:
        """Cancel jobs."""
        return self._steer(ids, self._cancel)

    async def retry(self, ids: str | Iterable[str]) -> dict[str, str]:
        """Run ended jobs again."""

        def act(home: _Queue, rec: _Rec, now: float) -> str:
            if rec.state not in TERMINAL:
                return f"already {rec.state}"
            self._reset(home, rec, now, False)
            return "retried"

        return self._steer(ids, act)

    async def promote(self, ids: str | Iterable[str]) -> dict[str, str]:
        """Make delayed jobs waiting now."""

        def act(home: _Queue, rec: _Rec, now: float) -> str:
            if rec.state is not DELAYED:
                return "not delayed"
            self._again(home, rec, now, "promoted")
            return "promoted"

        return self._steer(ids, act)

    async def remove(self, ids: str | Iterable[str]) -> dict[str, str]:
        """Remove jobs that do not run and that nobody needs."""

        def act(home: _Queue, rec: _Rec, now: float) -> str:
            if rec.state is ACTIVE:
                return "running"
            if rec.flow is not None:
                return f"needed by {rec.flow.id}"
            # Below what has not ended, also what has ended waits for it, should it be retried.
            open_ = rec.state not in TERMINAL
            by = next((each for each in rec.downs if open_ or self._alive(home, each)), None)
            if by is not None:
                return f"needed by {by.id}"
            home.ended.pop(rec, None)
            self._forget(home, rec, now)
            return "removed"

        return self._steer(ids, act)

    @staticmethod
    def _alive(home: _Queue, rec: _Rec) -> bool:
        return rec.state is not None and rec.state not in TERMINAL and home.recs.get(rec.id) is rec

    def _needed_by(self, home: _Queue, what: _Rec | _Flow) -> bool:
        """Whether an open job outside of it depends on a job of it."""
        recs = what.jobs if isinstance(what, _Flow) else [what]
        own = what if isinstance(what, _Flow) else None
        return any(
            self._alive(home, below) and (own is None or below.flow is not own)
            for rec in recs
            for below in rec.downs
        )

    def _forget(self, home: _Queue, what: _Rec | _Flow, now: float) -> int:
        """Remove a flow or a single job for good; returns how many jobs."""
        recs = what.jobs if isinstance(what, _Flow) else [what]
        for rec in recs:
            home.ticks.pop(rec.id, None)
            self._move(home, rec, None, now, "removed")
            del home.recs[rec.id]
            for up in rec.outside:
                if rec in up.downs:
                    up.downs.remove(rec)
        if isinstance(what, _Flow):
            home.flows.pop(what.id, None)
        return len(recs)

    def _flow(self, flow_id: str, queue: str | None = None) -> tuple[_Queue, _Flow]:
        for home in self._queues.values():
            if flow_id in home.flows and queue in (None, home.name):
                return home, home.flows[flow_id]
        raise NotFound(f"no flow '{flow_id}' in any queue of {self.url}")

    async def cancel_flow(self, flow_id: str) -> dict[str, int]:
        """Cancel what has not ended of a flow."""
        with self._lock:
            home, flow = self._flow(flow_id)
            since, now, answer = home.seq, self._clock(), {"cancelled": 0, "cancelling": 0}
            # From the end, downstream first: what is cancelled above it then finds nothing to skip.
            for rec in reversed(flow.jobs):
                if rec.state not in TERMINAL:
                    answer[self._cancel(home, rec, now)] += 1
            self._end_of_step(home, {*self._touched(home, since), flow}, now)
            return answer

    async def retry_flow(self, flow_id: str, mode: RetryMode = "failed") -> int:
        """Run a flow's jobs again; returns how many are reset."""
        if mode not in ("failed", "downstream", "all"):
            raise InvalidJob(f"retry mode is {mode!r:.60}; it must be failed, downstream or all")
        with self._lock:
            home, flow = self._flow(flow_id)
            since, now, count = home.seq, self._clock(), 0
            if mode != "failed" and flow.counts[ACTIVE]:
                raise Refused(
                    f"flow '{flow_id}' still runs ({flow.counts[ACTIVE]} jobs active); wait until it has ended"
                )
            for rec in flow.jobs:
                wanted = mode == "all" or rec.state in _RETRIED or (mode == "downstream" and rec.mark)
                if rec.state in TERMINAL and wanted:
                    self._reset(home, rec, now, mode == "downstream")
                    count += 1
                rec.mark = False
            self._end_of_step(home, {*self._touched(home, since), flow}, now)
            return count

    async def remove_flow(self, flow_id: str) -> int:
        """Remove an ended flow with its jobs; returns how many."""
        with self._lock:
            home, flow = self._flow(flow_id)
            if flow.state is FlowState.RUNNING:
                raise Refused(
                    f"flow '{flow_id}' still runs ({flow.counts[ACTIVE]} jobs active); "
                    "cancel it, or wait until it has ended"
                )
            if self._needed_by(home, flow):
                raise Refused(
                    f"flow '{flow_id}' is needed by an open flow that depends on its jobs; end that one first"
                )
            home.ended.pop(flow, None)
            count = self._forget(home, flow, self._clock())
            self._publish(home)
            return count

    async def pause(self, queue: str) -> None:
        """Give out no jobs of `queue` until `resume`."""
        with self._lock:
            self._queue(queue).paused = True

    async def resume(self, queue: str) -> None:
        """Undo `pause`."""
        with self._lock:
            home = self._queue(queue)
            home.paused = False
            self._wake_worker(home)

    async def clean(
        self, queue: str, state: JobState | str | None = None, *, older_than: float = 0.0, limit: int = 1000
    ) -> int:
        """Remove what ended more than `older_than` seconds ago."""
        if state is not None and str(state) not in {*TERMINAL}:
            raise InvalidJob(
                f"no end state {state!r:.60}; states are completed, failed, cancelled, skipped, expired"
            )
        removed = 0
        with self._lock:
            home = self._queue(queue)
            now = self._clock()
            for key, what in list(home.ended.items()):
                if removed >= limit or (what.finished or 0.0) > now - older_than:
                    break
                if (state is None or str(what.state) == str(state)) and not self._needed_by(home, what):
                    home.ended.pop(key)
                    removed += self._forget(home, what, now)
            self._publish(home)
        return removed

    async def stop_repeat(self, queue: str, repeat_id: str) -> bool:
        """Enqueue no further copies; False when there is no such repeat."""
        with self._lock:
            return self._queue(queue).ticks.pop(repeat_id, None) is not None

    # ------------------------------------------------------------------------------------------ watching

    def _record(self, home: _Queue, rec: _Rec) -> JobRecord:
        fields = decode_payload(rec.payload)
        assert rec.state is not None
        record = JobRecord(
            rec.id,
            home.name,
            rec.state,
            fields["task_id"],
            fields["name"],
            fields["args"],
            fields["kwargs"],
            rec.flow.id if rec.flow else None,
            [up.id for up in rec.ups],
            rec.pending,
            rec.trigger,
            rec.priority,
            fields["max_retries"],
            fields["backoff"],
            fields["timeout"],
            rec.ttl,
            rec.delay,
            fields["repeat_every"],
            rec.max_stalls,
            fields["group"],
            rec.attempts,
            rec.stalls,
            rec.worker,
            rec.cancel,
            rec.created,
            rec.started,
            rec.finished,
            rec.run_at if rec.state is DELAYED else None,
            rec.lease if rec.state is ACTIVE else None,
            decode_result(rec.result),
        )
        if rec.progress is not None:
            record.progress, record.progress_note = rec.progress
        if rec.state is SKIPPED:
            root = None
            if rec.cause is not None:
                record.error = JobError("UpstreamFailed", upstream=rec.cause.id)
                root = self._record(home, rec.cause) if rec.cause.state is not None else None
            record.error = skip_error(record, root)
        elif rec.state is CANCELLED:
            record.error = JobError("Cancelled", "cancelled before it could complete")
        elif rec.state is EXPIRED:
            record.error = JobError("Expired", f"not started within its ttl of {rec.ttl:g} s")
        elif rec.error is not None:
            record.error = decode_error(rec.error)
        return record

    async def get_job(self, job_id: str, *, queue: str | None = None) -> JobRecord:
        """The whole record. Raises NotFound."""
        with self._lock:
            found = self._find(job_id)
            if found is None or queue not in (None, found[0].name):
                raise NotFound(f"no job '{job_id}' in any queue of {self.url}")
            return self._record(*found)

    @staticmethod
    def _flow_record(home: _Queue, flow: _Flow) -> FlowRecord:
        counts = {state.value: count for state, count in flow.counts.items()}
        return FlowRecord(
            flow.id, home.name, flow.name, flow.state, counts, flow.created, flow.started, flow.finished
        )

    async def get_flow(self, flow_id: str, *, queue: str | None = None) -> FlowRecord:
        """The flow with its counts. Raises NotFound."""
        with self._lock:
            return self._flow_record(*self._flow(flow_id, queue))

    async def flow_snapshot(self, flow_id: str, *, queue: str | None = None) -> FlowSnapshot:
        """The flow with every job and link. Raises NotFound."""
        with self._lock:
            home, flow = self._flow(flow_id, queue)
            jobs = [self._record(home, rec) for rec in flow.jobs]
            for job in jobs:
                job.result = None
            links = [(up.id, rec.id) for rec in flow.jobs for up in rec.ups]
            return FlowSnapshot(self._flow_record(home, flow), jobs, links, {home.name: home.seq})

    async def counts(self, queue: str) -> dict[str, int]:
        """How many jobs are in each state."""
        with self._lock:
            home = self._queues.get(queue)
            return {state.value: len(home.index[state]) if home else 0 for state in JobState}

    async def list_jobs(
        self,
        state: JobState | str | None = None,
        queue: str | None = None,
        *,
        flow_id: str | None = None,
        offset: int = 0,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[JobRecord]:
        """One page; see `Watching.list_jobs`."""
        name = "all" if state is None else str(state)
        if name not in ("all", "ready", *JobState):
            raise InvalidJob(f"no job state {name!r:.60}; states are ready, {', '.join(JobState)}")
        with self._lock:
            if flow_id is not None:
                home, flow = self._flow(flow_id, queue)
                wanted = {"all": set(JobState), "waiting": {WAITING, BLOCKED}, "ready": {WAITING}}.get(
                    name
                ) or {JobState(name)}
                recs = [rec for rec in flow.jobs if rec.state in wanted]
                if name == "waiting":
                    recs.sort(key=lambda rec: rec.state is BLOCKED)
                if newest_first:
                    recs.reverse()
                return [self._record(home, rec) for rec in recs[offset : offset + limit]]
            homes = [
                self._queues[name]
                for name in ([queue] if queue else sorted(self._queues))
                if name in self._queues
            ]
            pairs = ((home, rec) for home in homes for rec in self._in_order(home, name, newest_first))
            return [self._record(home, rec) for home, rec in islice(pairs, offset, offset + limit)]

    @staticmethod
    def _in_order(home: _Queue, name: str, newest_first: bool) -> Iterator[_Rec]:
        """The jobs of a listing, part after part."""

        def part(state: JobState) -> list[_Rec]:
            recs = list(home.index[state].values())
            if state is WAITING:
                recs.sort(key=lambda rec: (rec.parked, rec.score))
            elif state is BLOCKED:
                recs.sort(key=lambda rec: rec.order)
            elif state is DELAYED:
                recs.sort(key=lambda rec: (rec.run_at or 0.0, rec.order))
            elif state is ACTIVE:
                recs.sort(key=lambda rec: (rec.lease or 0.0, rec.order))
            return recs[::-1] if newest_first else recs

        states = {
            "waiting": [BLOCKED, WAITING] if newest_first else [WAITING, BLOCKED],
            "ready": [WAITING],
            "all": [ACTIVE, WAITING, DELAYED, BLOCKED, FAILED, EXPIRED, CANCELLED, SKIPPED, COMPLETED],
        }.get(name) or [JobState(name)]
        for state in states:
            yield from part(state)

    async def list_flows(
        self,
        queue: str | None = None,
        *,
        state: FlowState | str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> list[FlowRecord]:
        """One page of flows, newest first."""
        if state is not None and state not in list(FlowState):
            raise InvalidJob(f"no flow state {state!r:.60}; states are {', '.join(FlowState)}")
        with self._lock:
            found = [
                (home, flow)
                for home in self._queues.values()
                if queue in (None, home.name)
                for flow in reversed(home.flows.values())
                if state is None or flow.state == state
            ]
            found.sort(key=lambda pair: pair[1].created, reverse=True)
            return [self._flow_record(*pair) for pair in found[offset : offset + limit]]

    async def list_repeats(self, queue: str | None = None) -> list[Repeat]:
        """The jobs that repeat, by when they are next due."""
        with self._lock:
            return sorted(
                (
                    Repeat(job_id, home.name, tick.every, tick.next_at, decode_payload(tick.payload))
                    for home in self._queues.values()
                    if queue in (None, home.name)
                    for job_id, tick in home.ticks.items()
                    if tick.next_at is not None
                ),
                key=lambda repeat: repeat.next_at,
            )

    async def queues(self) -> list[str]:
        """Names of the queues that ever had a job, sorted."""
        with self._lock:
            return sorted(
                name
                for name, home in self._queues.items()
                if home.seq or home.workers or home.declared or home.paused
            )

    async def overview(self, queues: Sequence[str] | None = None) -> Overview:
        """Counts and workers with the position to follow from."""
        with self._lock:
            now = self._clock()
            names = sorted(self._queues) if queues is None else queues
            infos = []
            workers: dict[str, WorkerInfo] = {}
            for name in names:
                home = self._queues.get(name) or _Queue(name)
                counts = {state.value: len(home.index[state]) for state in JobState}
                infos.append(QueueInfo(name, counts, home.paused, home.seq))
                for worker in home.workers.values():
                    if worker.seen_at + worker.ttl >= now:
                        workers[worker.id] = replace(worker)
            return Overview(infos, list(workers.values()), {info.name: info.seq for info in infos}, now)

    async def explain(self, job_id: str) -> Explanation:
        """Why the job is not running, or what it does. Raises NotFound."""
        with self._lock:
            found = self._find(job_id)
            if found is None:
                raise NotFound(f"no job '{job_id}' in any queue of {self.url}")
            home, rec = found
            record = self._record(home, rec)
            ups = [self._record(home, up) for up in rec.ups[:200] if up.state is not None]
            rank = None
            if rec.state is WAITING and not rec.parked:
                rank = sum(1 for score in home.scores if score < rec.score)
        return explain(record, ups, await self.overview([home.name]), rank)

    async def log(self, job_id: str, *, after: int = -1, limit: int = 1000) -> list[LogLine]:
        """Kept log lines with an index above `after`, oldest first."""
        with self._lock:
            found = self._find(job_id)
            if found is None:
                raise NotFound(f"no job '{job_id}' in any queue of {self.url}")
            return [line for line in found[1].log or () if line.index > after][:limit]

    async def events(
        self, after: Position = None, queues: Sequence[str] | None = None
    ) -> AsyncIterator[Event]:
        """Follow the changes of state, for ever. Raises Gap."""
        async for batch in self.event_batches(after, queues):
            for event in batch:
                yield event

    async def event_batches(
        self, after: Position = None, queues: Sequence[str] | None = None
    ) -> AsyncIterator[list[Event]]:
        """As `events`, in batches; an empty one after each second without news."""
        seen: dict[str, int] = {}
        strict: set[str] = set()
        with self._lock:
            for name in list(self._queues) if queues is None else queues:
                home = self._queues.get(name)
                now = home.seq if home else 0
                if after is None:
                    seen[name] = now
                else:
                    seen[name] = after if isinstance(after, int) else after.get(name, 0)
                if isinstance(after, int) or after is None or name in after:
                    strict.add(name)
                if seen[name] > now:
                    raise Gap(f"queue '{name}' has {now} events, not {seen[name]}: take a new snapshot")
        wanted = None if queues is None else frozenset(queues)
        while True:
            batch: list[Event] = []
            with self._lock:
                for name in list(self._queues) if queues is None else queues:
                    home = self._queues.get(name)
                    if home is not None:
                        batch += self._since(home, seen.get(name, 0), name in strict)
                        seen[name] = home.seq
                if not batch:
                    loop = asyncio.get_running_loop()
                    sleeper = _Sleeper(wanted, loop.create_future(), threading.get_ident())
                    self._followers.add(sleeper)
            if not batch:
                try:
                    async with asyncio.timeout(1.0):
                        await sleeper.future
                    continue
                except TimeoutError:
                    pass
                finally:
                    with self._lock:
                        self._followers.discard(sleeper)
            yield batch

    @staticmethod
    def _since(home: _Queue, seen: int, strict: bool) -> list[Event]:
        fresh = home.seq - seen
        if fresh > len(home.events):
            if strict or seen > 0:
                first = home.seq - len(home.events)
                raise Gap(
                    f"events {seen + 1} to {first} of queue '{home.name}' are no longer kept; take a new snapshot"
                )
            fresh = len(home.events)
        newest = list(islice(reversed(home.events), fresh))
        return [
            Event(seq, at, home.name, flow, job_id, old, to, attempt, worker, reason)
            for seq, at, flow, job_id, old, to, attempt, worker, reason in reversed(newest)
        ]

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to let go of; the jobs stay until the process ends."""

    async def durability(self) -> str:
        """One sentence: what a crash may lose."""
        return "volatile: in memory, gone with this process"

    async def warnings(self) -> list[str]:
        """Nothing that could be set wrong."""
        return []


class _Renewer:
    """Renews leases from the worker's thread."""

    def __init__(self, backend: InMemoryBackend) -> None:
        self._backend = backend

    def renew(
        self, queue: str, worker: str, leases: Mapping[str, str], lease: float
    ) -> tuple[list[str], list[str]]:
        """See `base.Renewer`."""
        stop, lost = [], []
        with self._backend._lock:
            home = self._backend._queue(queue)
            now = self._backend._clock()
            known = home.workers.get(worker)
            if known is not None:
                known.seen_at = now
            for job_id, token in leases.items():
                rec = home.recs.get(job_id)
                if rec is None or rec.state is not ACTIVE or rec.token != token:
                    lost.append(job_id)
                else:
                    rec.lease = now + lease
                    if rec.cancel:
                        stop.append(job_id)
        return stop, lost

    def close(self) -> None:
        """Nothing to give back."""
