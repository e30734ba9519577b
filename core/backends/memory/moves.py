"""How a job moves from state to state, and what its move does to its flow and to the jobs below it."""

from __future__ import annotations

import contextlib
import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from core.backends.memory.state import (
    ACTIVE,
    BLOCKED,
    CANCELLED,
    COMPLETED,
    DELAYED,
    EXPIRED,
    FAILED,
    SKIPPED,
    WAITING,
    Flow,
    Queue,
    Rec,
    Sleeper,
)
from core.errors import NotFound, in_several
from core.jobs import TERMINAL, FlowState, JobState, Trigger, check_name


def _there(queue: str | None) -> str:
    return "any queue" if queue is None else f"queue '{queue}'"


class Moves:
    """Queues in this process, and the one place where the state of a job changes."""

    url = "memory://"

    def __init__(
        self,
        *,
        keep: int = 100_000,
        keep_for: float = 7 * 24 * 3600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keep, self._keep_for, self._clock = keep, keep_for, clock
        self._queues: dict[str, Queue] = {}
        self._lock = threading.RLock()
        self._turns = 0
        self._workers_asleep: deque[Sleeper] = deque()
        self._followers: set[Sleeper] = set()
        self._walk: list[tuple[Rec, int, JobState, bool]] | None = None

    def _queue(self, name: str) -> Queue:
        queue = self._queues.get(name)
        if queue is None:
            check_name(name, "queue")
            queue = self._queues[name] = Queue(name)
        return queue

    def _move(
        self,
        queue: Queue,
        rec: Rec,
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

    def _settle_flow(self, queue: Queue, flow: Flow, now: float) -> None:
        """Bring the state of a flow of which jobs have moved in line with its counts."""
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
            flow.state, flow.finished = state, now
            queue.ended.pop(flow, None)
            queue.ended[flow] = flow

    @staticmethod
    def _verdict(rec: Rec) -> bool | None:
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

    def _ready(self, queue: Queue, rec: Rec, now: float) -> None:
        """The job may start: now, or after its delay, which one that has started before does not wait for again."""
        if rec.delay and not rec.attempts:
            self._delay(queue, rec, now + rec.delay, now)
        else:
            self._move(queue, rec, WAITING, now)

    def _delay(
        self, queue: Queue, rec: Rec, until: float, now: float, reason: str = "", worker: str | None = None
    ) -> None:
        rec.run_at = until
        heapq.heappush(queue.delayed, (until, rec.order, rec))
        self._move(queue, rec, DELAYED, now, reason, worker)

    def _finish(
        self,
        queue: Queue,
        rec: Rec,
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

    def _follow(self, queue: Queue, todo: list[tuple[Rec, int, JobState, bool]], now: float) -> None:
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
    def _together(self, queue: Queue, now: float) -> Iterator[None]:
        """What ends in this block ends at once; only then does what is below hear of it."""
        todo: list[tuple[Rec, int, JobState, bool]] = []
        self._walk = todo
        try:
            yield
        finally:
            self._walk = None
            if todo:
                self._follow(queue, todo, now)

    def _reconsider(self, queue: Queue, rec: Rec, upstream: Rec | None, now: float) -> None:
        """Its counters changed: bring a job that has not started into the state that they ask for."""
        state = rec.state
        if state is BLOCKED:
            says = self._verdict(rec)
            if says:
                self._ready(queue, rec, now)
            elif says is False:
                rec.cause = self._root(rec, upstream)
                self._finish(queue, rec, SKIPPED, now, self._skip_reason(rec.cause))
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
    def _root(rec: Rec, upstream: Rec | None) -> Rec | None:
        """Why a job is skipped: `upstream` (None: the first that did not complete), or what that was skipped for."""
        if upstream is None:
            upstream = next(
                (up for up in rec.ups if up.state is not COMPLETED and up.state in TERMINAL), None
            )
        return upstream and (upstream.cause or upstream)

    @staticmethod
    def _skip_reason(root: Rec | None) -> str:
        return f"upstream {root.id} did not complete" if root else "its trigger can no longer hold"

    def _barred(self, rec: Rec) -> str | None:
        """Why an ended job that is to run again would only be skipped; None when it would not."""
        return self._skip_reason(self._root(rec, None)) if self._verdict(rec) is False else None

    @staticmethod
    def _set_ttl(queue: Queue, rec: Rec, now: float) -> None:
        if rec.ttl:
            rec.expires = now + rec.ttl
            heapq.heappush(queue.ttl, (rec.expires, rec.order, rec))

    def _again(self, queue: Queue, rec: Rec, now: float, reason: str, worker: str | None = None) -> None:
        """A job that has started comes back to be started again, unless an upstream runs again meanwhile."""
        rec.run_at = None
        if self._verdict(rec):
            self._move(queue, rec, WAITING, now, reason, worker)
        else:
            self._move(queue, rec, BLOCKED, now, reason, worker)
            self._reconsider(queue, rec, None, now)

    def _reset(self, queue: Queue, rec: Rec, now: float, mark: bool) -> None:
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

    def _end_of_step(self, queue: Queue, flows: Iterable[Flow], now: float) -> None:
        for flow in flows:
            self._settle_flow(queue, flow, now)
        self._publish(queue)

    def _publish(self, queue: Queue) -> None:
        """Wake who follows the events, and one idle worker when there is something for it."""
        for follower in list(self._followers):
            if follower.queues is None or queue.name in follower.queues:
                follower.wake()
        if (queue.scores or queue.delayed) and not queue.paused:
            self._wake_worker(queue)

    def _wake_worker(self, queue: Queue) -> None:
        for sleeper in self._workers_asleep:
            if not sleeper.future.done() and queue.name in (sleeper.queues or ()):
                self._workers_asleep.remove(sleeper)
                sleeper.wake()
                return
        queue.token = True

    def _touched(self, queue: Queue, since: int) -> list[Flow]:
        """The flows of the events after `since`."""
        fresh = queue.seq - since
        flows: dict[str, None] = {}
        for event in islice(reversed(queue.events), min(fresh, len(queue.events))):
            if event[2] is not None:
                flows[event[2]] = None
        if fresh > len(queue.events):
            return list(queue.flows.values())
        return [queue.flows[flow_id] for flow_id in flows if flow_id in queue.flows]

    def _find(self, job_id: str, queue: str | None = None) -> tuple[Queue, Rec] | None:
        """The job and its queue. Raises Refused where several queues have it."""
        homes = [home for home in self._among(queue) if job_id in home.recs]
        if len(homes) > 1:
            raise in_several("job", job_id, [home.name for home in homes])
        return (homes[0], homes[0].recs[job_id]) if homes else None

    def _job(self, job_id: str, queue: str | None) -> tuple[Queue, Rec]:
        found = self._find(job_id, queue)
        if found is None:
            raise NotFound(f"no job '{job_id}' in {_there(queue)} of {self.url}")
        return found

    def _flow(self, flow_id: str, queue: str | None = None) -> tuple[Queue, Flow]:
        homes = [home for home in self._among(queue) if flow_id in home.flows]
        if len(homes) > 1:
            raise in_several("flow", flow_id, [home.name for home in homes])
        if not homes:
            raise NotFound(f"no flow '{flow_id}' in {_there(queue)} of {self.url}")
        return homes[0], homes[0].flows[flow_id]

    def _among(self, queue: str | None) -> Iterable[Queue]:
        if queue is None:
            return self._queues.values()
        return [self._queues[queue]] if queue in self._queues else []

    @staticmethod
    def _alive(home: Queue, rec: Rec) -> bool:
        return rec.state is not None and rec.state not in TERMINAL and home.recs.get(rec.id) is rec

    def _needed_by(self, home: Queue, what: Rec | Flow) -> bool:
        """Whether an open job outside of it depends on a job of it."""
        recs = what.jobs if isinstance(what, Flow) else [what]
        own = what if isinstance(what, Flow) else None
        return any(
            self._alive(home, below) and (own is None or below.flow is not own)
            for rec in recs
            for below in rec.downs
        )

    def _forget(self, home: Queue, what: Rec | Flow, now: float) -> int:
        """Remove a flow or a single job for good; returns how many jobs."""
        recs = what.jobs if isinstance(what, Flow) else [what]
        for rec in recs:
            if (tick := home.ticks.get(rec.id)) and tick.next_at is None:
                del home.ticks[rec.id]  # one that has begun goes on until it is stopped
            self._move(home, rec, None, now, "removed")
            del home.recs[rec.id]
            for up in rec.outside:
                if rec in up.downs:
                    up.downs.remove(rec)
        if isinstance(what, Flow):
            home.flows.pop(what.id, None)
        return len(recs)

    def _trim(self, home: Queue, now: float) -> None:
        """Retention: a bounded amount each time."""
        before = now - self._keep_for
        for key, what in list(islice(home.ended.items(), 100)):
            if len(home.ended) <= self._keep and (what.finished or now) >= before:
                return
            if not self._needed_by(home, what):
                home.ended.pop(key, None)
                self._forget(home, what, now)
