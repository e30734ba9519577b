"""What can be seen of the jobs, and the events that tell how it changes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from core.backends.base import (
    Clue,
    Explanation,
    FlowSnapshot,
    LogLine,
    Overview,
    QueueInfo,
    Repeat,
    Scan,
    WorkerInfo,
    check_page,
)
from core.backends.explain import explain, skip_error
from core.backends.memory.moves import Moves
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
from core.errors import Gap, InvalidJob
from core.events import Event, Position
from core.jobs import FlowRecord, FlowState, JobError, JobRecord, JobState
from core.payload import decode_error, decode_payload, decode_result


class Watching(Moves):
    """The role `Watching` of the contract."""

    def _record(self, home: Queue, rec: Rec) -> JobRecord:
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
            return self._record(*self._job(job_id, queue))

    @staticmethod
    def _flow_record(home: Queue, flow: Flow) -> FlowRecord:
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
        reverse: bool = False,
    ) -> list[JobRecord]:
        """One page; see `Watching.list_jobs`."""
        check_page(offset, limit)
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
                if reverse:
                    recs.reverse()
                return [self._record(home, rec) for rec in recs[offset : offset + limit]]
            homes = [
                self._queues[name]
                for name in ([queue] if queue else sorted(self._queues))
                if name in self._queues
            ]
            pairs = ((home, rec) for home in homes for rec in self._in_order(home, name, reverse))
            return [self._record(home, rec) for home, rec in islice(pairs, offset, offset + limit)]

    async def scan_jobs(
        self,
        clues: Sequence[Clue],
        state: JobState | str | None = None,
        queue: str | None = None,
        *,
        offset: int = 0,
        look: int = 500,
        reverse: bool = False,
        now: float | None = None,
    ) -> Scan:
        """All that were looked at: nothing is sent anywhere, so a clue would save nothing."""
        found = await self.list_jobs(state, queue, offset=offset, limit=look, reverse=reverse)
        return Scan(found, len(found), len(found) < look)

    @staticmethod
    def _in_order(home: Queue, name: str, reverse: bool) -> Iterator[Rec]:
        """The jobs of a listing, part after part."""

        def part(state: JobState) -> Iterable[Rec]:
            if state.terminal:  # they entered as they ended
                ended = home.index[state].values()
                return ended if reverse else reversed(ended)
            recs = list(home.index[state].values())
            if state is WAITING:
                recs.sort(key=lambda rec: (rec.parked, rec.score))
            elif state is BLOCKED:
                recs.sort(key=lambda rec: rec.order)
            elif state is DELAYED:
                recs.sort(key=lambda rec: (rec.run_at or 0.0, rec.order))
            elif state is ACTIVE:
                recs.sort(key=lambda rec: (rec.lease or 0.0, rec.order))
            return recs[::-1] if reverse else recs

        states = {
            "waiting": [BLOCKED, WAITING] if reverse else [WAITING, BLOCKED],
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
        check_page(offset, limit)
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
                home = self._queues.get(name) or Queue(name)
                counts = {state.value: len(home.index[state]) for state in JobState}
                infos.append(QueueInfo(name, counts, home.paused, home.seq))
                for worker in home.workers.values():
                    if worker.seen_at + worker.ttl >= now:
                        workers[worker.id] = replace(worker)
            return Overview(infos, list(workers.values()), {info.name: info.seq for info in infos}, now)

    async def explain(self, job_id: str, *, queue: str | None = None) -> Explanation:
        """Why the job is not running, or what it does. Raises NotFound."""
        with self._lock:
            home, rec = self._job(job_id, queue)
            record = self._record(home, rec)
            ups = [self._record(home, up) for up in rec.ups[:200] if up.state is not None]
            rank = None
            if rec.state is WAITING and not rec.parked:
                rank = sum(1 for score in home.scores if score < rec.score)
        return explain(record, ups, await self.overview([home.name]), rank)

    async def log(
        self, job_id: str, *, after: int = -1, limit: int = 1000, queue: str | None = None
    ) -> list[LogLine]:
        """Kept log lines with an index above `after`, oldest first."""
        with self._lock:
            return [line for line in self._job(job_id, queue)[1].log or () if line.index > after][:limit]

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
                    sleeper = Sleeper(wanted, loop.create_future(), threading.get_ident())
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
    def _since(home: Queue, seen: int, strict: bool) -> list[Event]:
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
