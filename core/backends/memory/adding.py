"""Jobs and flows come into being."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.backends.memory.moves import Moves
from core.backends.memory.state import ACTIVE, BLOCKED, COMPLETED, SKIPPED, Flow, Queue, Rec, Tick
from core.backends.submission import Submission, check_single, unknown_upstream
from core.errors import CycleError, DuplicateJob, FlowConflict, Refused
from core.jobs import TERMINAL, Job, check_name
from core.payload import as_job, encoded


class Adding(Moves):
    """The role `Submitting` of the contract."""

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
            self._born(home, Rec(one, payload, None, home.order, now), above, now)
            self._end_of_step(home, self._touched(home, since), now)
        return one.id

    async def enqueue_many(self, queue: str, jobs: Iterable[Job | Mapping[str, Any]]) -> list[str]:
        """Add many independent jobs, in order, not all or nothing."""
        ids = []
        for i, job in enumerate(jobs, 1):
            ids.append(await self.enqueue(queue, job))
            if i % 1000 == 0:
                await asyncio.sleep(0)
        return ids

    @staticmethod
    def _above(home: Queue, name: str, upstreams: Iterable[str], fresh: Mapping[str, Rec]) -> list[Rec]:
        above = []
        for upstream in upstreams:
            rec = fresh.get(upstream) or home.recs.get(upstream)
            if rec is None:
                check_name(upstream, f"depends_on of job '{name}':")
                raise unknown_upstream(home.name, name, upstream)
            above.append(rec)
        return above

    def _born(self, home: Queue, rec: Rec, above: Sequence[Rec], now: float) -> None:
        """The job appears, below `above`."""
        home.recs[rec.id] = rec
        rec.ups = list(above)
        worst: Rec | None = None
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
            home.ticks[rec.id] = Tick(rec, every, payload)
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
    def _reaches(start: Rec, wanted: set[Rec]) -> Rec | None:
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
            flow = Flow(given.id, given.name, given.digest, now)
            fresh: dict[str, Rec] = {}
            above: dict[str, list[Rec]] = {}
            for place, (job, payload) in enumerate(given.in_order(), 1):
                if job.id in home.recs:
                    raise DuplicateJob(
                        f"queue '{queue}' already has a job '{job.id}'; leave out id= for a fresh one"
                    )
                ups = above[job.id] = self._above(home, job.name, given.ups.get(job.id, ()), fresh)
                ups += [up for up in home.declared.get(job.id, ()) if up not in ups]
                fresh[job.id] = Rec(job, payload, flow, home.order + place, now)
            # Everything is checked; from here on nothing can fail.
            since = home.seq
            home.order += len(fresh)
            home.flows[flow.id] = flow
            flow.jobs = list(fresh.values())
            for rec in flow.jobs:
                home.declared.pop(rec.id, None)
                self._born(home, rec, above[rec.id], now)
            self._end_of_step(home, self._touched(home, since), now)
        return [job.id for job in given.jobs]
