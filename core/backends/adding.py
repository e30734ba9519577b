"""How jobs get into Redis: single ones gathered into batches, flows as a whole."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.backends.base import STEP
from core.backends.records import TRIGGER_LETTERS
from core.backends.store import Store, prefix
from core.backends.submission import Submission, check_single, repeat_payload, unknown_upstream
from core.errors import (
    BackendError,
    BackendUnavailable,
    CycleError,
    DuplicateJob,
    FlowConflict,
    FlowError,
    Refused,
)
from core.jobs import Job, Trigger, check_name
from core.payload import as_job, encode_job, encoded

PAGE: Final = 250
"""Ids in one page of links, as in `lua/lib.lua`."""
BATCH: Final = 200
"""Jobs in one call that stages a large flow or adds single jobs."""
BYTES: Final = 512 * 1024
"""Most bytes of payload in one call."""


def _ms(seconds: float | None) -> str:
    return "0" if not seconds else str(max(1, round(seconds * 1000)))


def spec(job: Job) -> str:
    """What the scripts must know of a job: trigger, priority, most stalls, delay and ttl (ms)."""
    if job.trigger is Trigger.ALL_SUCCESS and job.priority == 5 and job.delay is None and job.ttl is None:
        return f"S 5 {job.max_stalls} 0 0"
    return f"{TRIGGER_LETTERS[job.trigger]} {job.priority} {job.max_stalls} {_ms(job.delay)} {_ms(job.ttl)}"


def repeat(job: Job) -> str:
    """The interval (ms) and the payload of what a repeating job enqueues; empty for others."""
    if job.repeat_every is None:
        return ""
    every, payload = repeat_payload(job)
    return f"{_ms(every)} {payload}"


def _lines(
    job: Job,
    payload: str,
    inside: Sequence[str] = (),
    below: Sequence[str] = (),
    outside: Sequence[str] = (),
) -> str:
    """A job as `add.lua` reads it. One argument a job: each argument costs the client more than a job's whole text."""
    about = spec(job)
    if about == "S 5 3 0 0" and job.repeat_every is None and not (inside or below or outside):
        return f"{job.id} {payload}"
    return "\n".join(
        (job.id, about, " ".join(inside), " ".join(below), " ".join(outside), repeat(job), payload)
    )


@dataclass(slots=True)
class _Pending:
    """A job or a flow on its way: what the script is told, how many jobs and bytes, who waits for the answer."""

    args: Sequence[str]
    jobs: int
    size: int
    answer: asyncio.Future[str]


@dataclass(slots=True)
class _Inbox:
    """What the next call to one queue takes along, and the task that makes the calls."""

    waiting: list[_Pending] = field(default_factory=list)
    sender: asyncio.Task[None] | None = None


class Adding(Store):
    """The submitting role."""

    def __init__(self, url: str = "redis://localhost:6379/0", **options: Any) -> None:
        super().__init__(url, **options)
        self._inboxes: dict[tuple[str, str, asyncio.AbstractEventLoop], _Inbox] = {}

    # ------------------------------------------------------------------------------------------ what comes together

    async def _together(self, script: str, queue: str, args: Sequence[str], jobs: int, size: int) -> str:
        """Have `put` or `putflow` take these arguments; calls that are made at the same time share a round trip."""
        loop = asyncio.get_running_loop()
        pending = _Pending(args, jobs, size, loop.create_future())
        # One for each loop: an answer can only be given in the loop that waits for it.
        inbox = self._inboxes.setdefault((script, queue, loop), _Inbox())
        inbox.waiting.append(pending)
        if inbox.sender is None or inbox.sender.done():
            inbox.sender = loop.create_task(self._send(script, queue, inbox))
        return await pending.answer

    async def _send(self, script: str, queue: str, inbox: _Inbox) -> None:
        """Call after call until nobody waits: what arrives during one goes with the next."""
        most = BATCH if script == "put" else STEP
        while inbox.waiting:
            batch: list[_Pending] = []
            jobs = size = 0
            for pending in inbox.waiting:
                jobs += pending.jobs
                size += pending.size
                if batch and (jobs > most or size > BYTES):
                    break
                batch.append(pending)
            del inbox.waiting[: len(batch)]
            args = [arg for pending in batch for arg in pending.args]
            try:
                words = await (
                    self._put(queue, args) if script == "put" else self._script(script, queue, *args)
                )
            except BaseException as error:
                for pending in batch:
                    if not pending.answer.done():
                        problem = error if isinstance(error, Exception) else BackendUnavailable("cancelled")
                        pending.answer.set_exception(problem)
                if not isinstance(error, Exception):
                    raise
                continue
            for pending, word in zip(batch, words, strict=True):
                if not pending.answer.done():
                    pending.answer.set_result(word)
        self._inboxes.pop((script, queue, asyncio.get_running_loop()), None)

    # ------------------------------------------------------------------------------------------ single jobs

    async def enqueue(self, queue: str, job: Job | Mapping[str, Any]) -> str:
        """Add one job. Calls that are made at the same time share a round trip."""
        job = as_job(job)
        check_single(job)
        self._check_queue(queue)
        lines = self._single(job)
        word = await self._together("put", queue, (lines,), 1, len(lines))
        self._check_word(queue, job, word)
        await self._register(queue)
        return job.id

    @staticmethod
    def _single(job: Job) -> str:
        for upstream in job.depends_on:
            check_name(upstream, f"depends_on of job '{job.name}':")
        return _lines(job, encode_job(job), outside=job.depends_on)

    @staticmethod
    def _check_word(queue: str, job: Job, word: str) -> None:
        if word == "duplicate":
            raise DuplicateJob(f"queue '{queue}' already has a job '{job.id}'; leave out id= for a fresh one")
        if word.startswith("unknown"):
            raise unknown_upstream(queue, job.name, word.partition(" ")[2])

    async def _put(self, queue: str, lines: Sequence[str]) -> Sequence[str]:
        """Add single jobs; a word for each (see `add.lua`)."""
        # A lone job is worth a script of its own: to define what `add` shares with others takes longer than to add it.
        if not any("\n" in each for each in lines) and await self._script("put", queue, *lines):
            return ["ok"] * len(lines)
        return await self._linked("add", queue, "-", "", "", *lines)

    async def _linked(self, script: str, queue: str, *args: Any) -> Sequence[str]:
        """Run a script that makes links, once nothing that became of an upstream is on its way any more."""
        while True:
            answer: Sequence[str] = await self._script(script, queue, *args)
            if answer[0] != "busy":
                return answer
            await self._script("pump", queue)

    async def enqueue_many(self, queue: str, jobs: Iterable[Job | Mapping[str, Any]]) -> list[str]:
        """Add many independent jobs, in order, not all or nothing."""
        self._check_queue(queue)
        ids: list[str] = []
        call: asyncio.Task[None] | None = None
        try:
            for part in _parts(jobs):
                ids += [job.id for job, _ in part]
                # One on the way at a time, for two connections keep no order; the server works on it while the next
                # is encoded.
                if call is not None:
                    await call
                call = asyncio.ensure_future(self._add_part(queue, part))
                await asyncio.sleep(0)
        finally:
            if call is not None:
                await call
        return ids

    async def _add_part(self, queue: str, part: Sequence[tuple[Job, str]]) -> None:
        words = await self._put(
            queue, [_lines(job, payload, outside=job.depends_on) for job, payload in part]
        )
        if any(word in ("ok", "same") for word in words):
            await self._register(queue)
        for (job, _), word in zip(part, words, strict=True):
            self._check_word(queue, job, word)

    async def add_dependencies(self, queue: str, job: Job | Mapping[str, Any]) -> None:
        """Make `job` wait for its `depends_on`, before it is enqueued or while it has not started."""
        job = as_job(job)
        if not job.depends_on:
            return
        self._check_queue(queue)
        for upstream in job.depends_on:
            check_name(upstream, f"depends_on of job '{job.name}':")
        word, *about = await self._linked("link", queue, job.id, *job.depends_on)
        if word == "unknown":
            raise unknown_upstream(queue, job.name, about[0])
        if word == "started":
            raise Refused(f"job '{job.name}' has started; it can no longer be made to wait")
        if word == "flow":
            raise Refused(
                f"job '{job.name}' is part of flow '{about[0]}', and the links of a flow do not change"
            )
        if word == "cycle":
            raise CycleError([about[0], job.id, about[0]])
        await self._register(queue)

    # ------------------------------------------------------------------------------------------ flows

    async def atomic_add_flow(
        self,
        queue: str,
        payloads: Sequence[Mapping[str, Any]],
        deps: Sequence[tuple[str, str]],
        *,
        flow_id: str | None = None,
        name: str | None = None,
    ) -> list[str]:
        """Add all jobs and links or none; see `Submitting.atomic_add_flow`. Small ones share round trips as jobs do."""
        check_name(queue, "queue")
        flow = Submission.of(payloads, deps, flow_id, name)
        if len(flow.jobs) <= STEP and flow.external <= STEP and flow.bytes <= BYTES:
            answer = await self._add_small(queue, flow)
        else:
            answer = await self._add_large(queue, flow)
        self._check_answer(queue, flow, answer)
        await self._register(queue)
        return [job.id for job in flow.jobs]

    async def _add_small(self, queue: str, flow: Submission) -> Sequence[str]:
        """Add the flow in one call; where nothing is special about it, by a script that has nothing else to define."""
        if not flow.external and (lines := _ordinary(flow)):
            head = f"{flow.id} {flow.digest} {len(lines)}\n{flow.name}"
            answer = await self._together("putflow", queue, (head, *lines), len(lines), flow.bytes)
            if answer != "special":
                return answer.split()
        own = {job.id for job in flow.jobs} if flow.external else set()
        args = []
        for job, payload in flow.in_order():
            inside, outside = _split(flow, own, job.id)
            args.append(_lines(job, payload, inside, flow.downs.get(job.id, ()), outside))
        return await self._linked("add", queue, flow.id, flow.digest, flow.name, *args)

    @staticmethod
    def _check_answer(queue: str, flow: Submission, answer: Sequence[str]) -> None:
        word, *about = answer
        if word == "conflict":
            raise FlowConflict(
                f"queue '{queue}' has a flow '{flow.id}' with other jobs or links; choose another flow id"
            )
        if word == "duplicate":
            raise DuplicateJob(
                f"queue '{queue}' already has a job '{about[0]}'; leave out id= for a fresh one"
            )
        if word == "unknown":
            name = next(job.name for job in flow.jobs if job.id == about[0])
            raise unknown_upstream(queue, name, about[1])
        if word not in ("ok", "same"):
            raise BackendError(
                f"flow '{flow.id}' could not be added to queue '{queue}': {word}; add it again"
            )

    async def _add_large(self, queue: str, flow: Submission) -> Sequence[str]:
        """Write the flow in parts that nobody sees, then make it visible in one step.

        Every part may be sent twice. A producer that dies in between leaves a flow that was begun; any worker
        removes it an hour later, and adding the same flow again goes on with it.
        """
        wishes = await self._wishes(queue, flow)
        flow.join(wishes)
        priorities = ",".join(sorted({str(job.priority) for job in flow.jobs}))
        word, *about = await self._script("begin", queue, flow.id, flow.digest, len(flow.jobs), priorities)
        if word != "ok":
            return [word, *about]
        try:
            calls: list[asyncio.Task[Sequence[str]]] = []
            for args in _stages(flow):
                calls.append(asyncio.ensure_future(self._script("stage", queue, flow.id, *args)))
                await asyncio.sleep(0)
                if len(calls) >= 2 and (answer := await calls.pop(0))[0] != "ok":
                    break
            else:
                answer = ["ok"]
            for call in calls:
                later = await call
                answer = later if answer[0] == "ok" else answer
            if answer[0] != "ok":
                await self._abort(queue, flow.id)
                return answer
        except FlowError:
            # The server may be away: then a worker cleans up later. The caller learns the first trouble.
            with contextlib.suppress(FlowError):
                await self._abort(queue, flow.id)
            raise
        answer = await self._script(
            "commit", queue, flow.id, flow.digest, flow.name, len(flow.jobs), flow.waiting
        )
        if answer[0] not in ("ok", "same"):
            await self._abort(queue, flow.id)
        elif wishes:
            await self._connection.command("HDEL", prefix(queue) + "declared", *wishes)
        return list(answer)

    async def _wishes(self, queue: str, flow: Submission) -> dict[str, list[str]]:
        """What `add_dependencies` has named for jobs of this flow before they came."""
        declared, found = prefix(queue) + "declared", dict[str, list[str]]()
        if not await self._connection.command("EXISTS", declared):
            return found
        for start in range(0, len(flow.jobs), STEP):
            ids = [job.id for job in flow.jobs[start : start + STEP]]
            texts = await self._connection.command("HMGET", declared, *ids)
            found |= {job_id: text.split() for job_id, text in zip(ids, texts, strict=True) if text}
        return found

    async def _abort(self, queue: str, flow_id: str) -> None:
        while await self._script("abort", queue, flow_id):
            pass


def _parts(jobs: Iterable[Job | Mapping[str, Any]]) -> Iterator[list[tuple[Job, str]]]:
    """Jobs with their payloads, as many at a time as one call should carry; those before one that raises come first."""
    part: list[tuple[Job, str]] = []
    size = 0
    trouble: Exception | None = None
    try:
        for each in jobs:
            job = as_job(each)
            check_single(job)
            payload = encoded(each, job)
            if part and (len(part) >= BATCH or size + len(payload) > BYTES):
                yield part
                part, size = [], 0
            part.append((job, payload))
            size += len(payload)
    except Exception as error:
        trouble = error
    if part:
        yield part
    if trouble is not None:
        raise trouble


def _split(flow: Submission, own: set[str], job_id: str) -> tuple[list[str], list[str]]:
    """A job's upstreams: those of its flow, those of earlier flows."""
    ups = flow.ups.get(job_id, [])
    if not flow.external:
        return ups, []
    return [up for up in ups if up in own], [up for up in ups if up not in own]


def _ordinary(flow: Submission) -> list[str]:
    """The jobs as `putflow.lua` reads them; none where one of them has what only `add.lua` knows."""
    lines = []
    for job, payload in flow.in_order():
        ups, downs = flow.ups.get(job.id, ()), flow.downs.get(job.id, ())
        timed = job.delay is not None or job.ttl is not None or job.repeat_every is not None
        if timed or len(ups) > PAGE or len(downs) > PAGE:
            return []
        lines.append(
            f"{job.id} {job.priority} {TRIGGER_LETTERS[job.trigger]} {len(ups)} {job.max_stalls} {len(downs)}\n"
            f"{' '.join(ups)}\n{' '.join(downs)}\n{payload}"
        )
    return lines


def _stages(flow: Submission) -> Iterator[list[Any]]:
    """The arguments of each `stage` call, after the flow id."""
    own = {job.id for job in flow.jobs} if flow.external else set()
    jobs: list[str] = []
    pages: list[str] = []
    count = size = links = 0
    none: list[str] = []
    for place, (job, payload) in enumerate(flow.in_order(), 1):
        ups, downs = flow.ups.get(job.id, none), flow.downs.get(job.id, none)
        outside = " ".join(_split(flow, own, job.id)[1]) if flow.external else ""
        jobs.append(
            f"{job.id}\n{place}\n{spec(job)}\n{len(ups)}\n{len(downs)}\n{' '.join(ups[:PAGE])}\n"
            f"{' '.join(downs[:PAGE])}\n{outside}\n{repeat(job)}\n{payload}"
        )
        count += 1
        size += len(payload)
        links += len(ups) + len(downs)
        for column, ids in (("up", ups), ("down", downs)) if len(ups) > PAGE or len(downs) > PAGE else ():
            for page in range(1, -(-len(ids) // PAGE)):
                pages.append(f"{column}\n{job.id}:{page}\n{' '.join(ids[page * PAGE : (page + 1) * PAGE])}")
                if len(pages) >= 20:
                    yield [0, *pages]
                    pages = []
        if count >= BATCH or size > BYTES or links > 16 * PAGE:
            yield [count, *jobs, *pages]
            jobs, pages, count, size, links = [], [], 0, 0, 0
    if count or pages:
        yield [count, *jobs, *pages]
