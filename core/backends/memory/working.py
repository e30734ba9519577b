"""Work is given out, done, lost and due again."""

from __future__ import annotations

import asyncio
import heapq
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.backends.base import (
    LOG_LINE_LIMIT,
    LOG_LINES_KEPT,
    Claim,
    LogLine,
    Outcome,
    Turn,
    WorkerInfo,
    log_level,
    one_line,
)
from core.backends.memory.moves import Moves
from core.backends.memory.state import (
    ACTIVE,
    BLOCKED,
    CANCELLED,
    COMPLETED,
    DELAYED,
    EXPIRED,
    FAILED,
    WAITING,
    Queue,
    Rec,
    Sleeper,
    Tick,
)
from core.jobs import Job
from core.payload import decode_payload, decode_result


class Working(Moves):
    """The role `Working` of the contract."""

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

    def _accept(self, home: Queue, outcome: Outcome, worker: str, now: float) -> bool:
        """Settle one outcome; False when its lease was lost."""
        rec = home.recs.get(outcome.id)
        if rec is None or rec.token != outcome.token:
            return False
        if rec.state is not ACTIVE:
            return True  # heard before, and accepted
        kind = outcome.kind
        reason = one_line(outcome.reason)
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
                home.parked[rec.id] = (outcome.reason, rec)
        return True

    def _due(self, home: Queue, now: float) -> None:
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

    def _stalled(self, home: Queue, rec: Rec, now: float) -> None:
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

    def _tick(self, home: Queue, tick: Tick, now: float) -> None:
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
            rec = Rec(job, tick.payload, None, home.order, now)
            home.recs[copy] = rec
            self._set_ttl(home, rec, now)
            self._move(home, rec, WAITING, now, f"repeat of {tick.origin.id}")

    def _take(self, home: Queue, worker: str, want: int, lease: float, now: float) -> list[Claim]:
        claims: list[Claim] = []
        self._turns += 1
        token = f"{id(self):x}:{self._turns}"
        until = now + lease
        taken: list[Rec] = []
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
    def _next_due(home: Queue, now: float) -> float | None:
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
            sleeper = Sleeper(frozenset(queues), loop.create_future(), threading.get_ident())
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

    def renewer(self) -> Renewer:
        """A renewer for the worker's lease thread."""
        return Renewer(self)

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
                rec.progress = (progress[0], one_line(progress[1]))
            if log and rec.log is None:
                rec.log = deque(maxlen=LOG_LINES_KEPT)
            for at, level, text in log:
                assert rec.log is not None
                rec.log.append(LogLine(rec.logged, at, log_level(level), one_line(text, LOG_LINE_LIMIT)))
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
    def _name(rec: Rec) -> str:
        return str(decode_payload(rec.payload)["name"])


class Renewer:
    """Renews leases from the worker's thread."""

    def __init__(self, backend: Working) -> None:
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
