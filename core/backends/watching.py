"""What screens read from Redis."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

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
from core.backends.records import LETTERS, STATES, flow_record, job_record, worker_info
from core.backends.store import Store, prefix
from core.backends.stream import Follower
from core.errors import InvalidJob, NotFound
from core.events import Event, Position
from core.jobs import FlowRecord, FlowState, JobRecord, JobState
from core.payload import decode_payload

_WHERE: Final[dict[str, str]] = {
    **LETTERS,
    "all": "all",
    "waiting": "waiting",
    "ready": "ready",
}


MOST_FOUND: Final = 100
"""Jobs that one step of a search returns at most."""


def _where(state: JobState | str | None) -> str:
    name = "all" if state is None else str(state)
    if name not in _WHERE:
        raise InvalidJob(f"no job state {name!r:.60}; states are ready, {', '.join(JobState)}")
    return _WHERE[name]


class Watching(Store):
    """The watching role."""

    async def get_job(self, job_id: str, *, queue: str | None = None) -> JobRecord:
        """The whole record. Raises NotFound."""
        home = await self._home_of("job", job_id, queue)
        found = await self._read(home, [job_id])
        if not found:
            self._home.pop(("job", job_id), None)
            raise NotFound(f"no job '{job_id}' in queue '{home}' of {self.url}")
        await self._explain_skips(home, found)
        return found[0]

    async def _explain_skips(self, queue: str, records: Sequence[JobRecord]) -> None:
        """Skipped jobs name their root cause; its name and error are looked up here, for a whole page at once."""
        skipped = [record for record in records if record.state == JobState.SKIPPED]
        roots = list({record.error.upstream for record in skipped if record.error and record.error.upstream})
        known = {record.id: record for record in await self._read(queue, roots, "")} if roots else {}
        for record in skipped:
            root = known.get(record.error.upstream or "") if record.error else None
            record.error = skip_error(record, root)

    async def results(self, queue: str, ids: Sequence[str]) -> dict[str, Any]:
        """The results of completed jobs by id."""
        return {
            record.id: record.result
            for record in await self._read(queue, ids, "r")
            if record.state == JobState.COMPLETED
        }

    async def names(self, queue: str, ids: Sequence[str]) -> dict[str, str]:
        """The names of jobs by id."""
        return {record.id: record.name for record in await self._read(queue, ids, "")}

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
        """One page; see `base.Watching.list_jobs`."""
        check_page(offset, limit)
        where = _where(state)
        if flow_id is not None:
            return await self._list_flow_jobs(flow_id, queue, where, offset, limit, reverse)
        records: list[JobRecord] = []
        for name in [queue] if queue is not None else await self.queues():
            if queue is None and offset:
                size = await self._size(name, where)
                if offset >= size:
                    offset -= size
                    continue
            page = await self._page(name, where, offset, limit - len(records), reverse)
            records += page
            offset = 0
            if len(records) >= limit:
                break
        return records

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
        """One step of a search; see `base.Watching.scan_jobs`."""
        check_page(offset, look)
        where = _where(state)
        limits = [[clue.where, clue.words or [clue.least, clue.most]] for clue in clues]
        asked = json.dumps(limits, separators=(",", ":"))
        at = round((time.time() if now is None else now) * 1000)
        for name in [queue] if queue is not None else await self.queues():
            if queue is None and offset and offset >= (size := await self._size(name, where)):
                offset -= size
                continue
            answer = await self._script(
                "read", name, "scan", "u", where, offset, look, int(reverse), MOST_FOUND, at, asked
            )
            looked = int(answer[0])
            if looked:
                records = [job_record(name, answer[i : i + 8]) for i in range(1, len(answer), 8)]
                await self._explain_skips(name, records)
                return Scan(records, looked, False)
            offset = 0
        return Scan([], 0, True)

    async def _size(self, queue: str, where: str) -> int:
        counts = await self.counts(queue)
        wanted = {
            "waiting": ("waiting", "blocked"),
            "ready": ("waiting",),
            "all": tuple(counts),
        }.get(where) or (STATES[where].value,)
        return sum(counts[name] for name in wanted)

    async def _page(self, queue: str, where: str, offset: int, limit: int, reverse: bool) -> list[JobRecord]:
        records: list[JobRecord] = []
        while limit > 0:
            step = min(limit, 500)
            answer = await self._script("read", queue, "page", "u", where, offset, step, int(reverse))
            page = [job_record(queue, answer[i : i + 8]) for i in range(0, len(answer), 8)]
            records += page
            if len(page) < step:
                break
            offset, limit = offset + step, limit - step
        await self._explain_skips(queue, records)
        return records

    async def _list_flow_jobs(
        self, flow_id: str, queue: str | None, where: str, offset: int, limit: int, reverse: bool
    ) -> list[JobRecord]:
        home = await self._home_of("flow", flow_id, queue)
        if where == "all":
            return await self._page(home, f"flow:{flow_id}", offset, limit, reverse)
        wanted = {"waiting": {JobState.WAITING, JobState.BLOCKED}, "ready": {JobState.WAITING}}.get(
            where
        ) or {STATES[where]}
        records: list[JobRecord] = []
        at = 0
        while where == "waiting" or len(records) < offset + limit:
            page = await self._page(home, f"flow:{flow_id}", at, 500, reverse)
            records += [record for record in page if record.state in wanted]
            at += 500
            if len(page) < 500:
                break
        if where == "waiting":
            records.sort(key=lambda record: (record.state == JobState.BLOCKED) != reverse)
        return records[offset : offset + limit]

    async def get_flow(self, flow_id: str, *, queue: str | None = None) -> FlowRecord:
        """The flow with its counts. Raises NotFound."""
        home = await self._home_of("flow", flow_id, queue)
        flows = await self._flows(home, [flow_id])
        if not flows:
            self._home.pop(("flow", flow_id), None)
            raise NotFound(f"no flow '{flow_id}' in queue '{home}' of {self.url}")
        return flows[0]

    async def _flows(self, queue: str, ids: Sequence[str]) -> list[FlowRecord]:
        if not ids:
            return []
        texts, abouts = await self._connection.pipeline(
            [("HMGET", prefix(queue) + "flow", *ids), ("HMGET", prefix(queue) + "about", *ids)]
        )
        return [
            flow_record(queue, flow_id, text, about or "")
            for flow_id, text, about in zip(ids, texts, abouts, strict=True)
            if text is not None
        ]

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
        found: list[FlowRecord] = []
        for name in [queue] if queue is not None else await self.queues():
            at = 0
            mine: list[FlowRecord] = []
            while len(mine) < offset + limit:
                ids = await self._connection.command("ZRANGE", prefix(name) + "flows", at, at + 199, "REV")
                mine += [
                    flow for flow in await self._flows(name, ids) if state is None or flow.state == state
                ]
                at += 200
                if len(ids) < 200:
                    break
            found += mine
        found.sort(key=lambda flow: flow.created_at, reverse=True)
        return found[offset : offset + limit]

    async def flow_snapshot(self, flow_id: str, *, queue: str | None = None) -> FlowSnapshot:
        """The flow with every job and link. The position is read first: events since then are only repeated."""
        home = await self._home_of("flow", flow_id, queue)
        seq = await self._connection.command("HGET", prefix(home) + "meta", "seq")
        flow = await self.get_flow(flow_id, queue=home)
        jobs = await self._page(home, f"flow:{flow_id}", 0, max(1, flow.total), False)
        links = [(up, job.id) for job in jobs for up in job.depends_on]
        return FlowSnapshot(flow, jobs, links, {home: int(seq or 0)})

    async def counts(self, queue: str) -> dict[str, int]:
        """How many jobs are in each state."""
        _, _, _, numbers, _ = await self._script("overview", queue)
        return {
            STATES[letter].value: int(number) for letter, number in zip("bwdacfkxe", numbers, strict=True)
        }

    async def overview(self, queues: Sequence[str] | None = None) -> Overview:
        """Counts and workers with the position to follow from."""
        found: list[QueueInfo] = []
        workers: dict[str, WorkerInfo] = {}
        now = 0.0
        for name in await self.queues() if queues is None else queues:
            seq, paused, at, numbers, registered = await self._script("overview", name)
            now = max(now, int(at) / 1000)
            counts = {
                STATES[letter].value: int(number) for letter, number in zip("bwdacfkxe", numbers, strict=True)
            }
            found.append(QueueInfo(name, counts, paused == "1", int(seq)))
            for i in range(0, len(registered), 3):
                if registered[i + 2] != "{}":
                    worker_id, seen_until, text = registered[i : i + 3]
                    workers[worker_id] = worker_info(worker_id, seen_until, text, name)
        return Overview(found, list(workers.values()), {info.name: info.seq for info in found}, now)

    async def list_repeats(self, queue: str | None = None) -> list[Repeat]:
        """The jobs that repeat, by when they are next due."""
        repeats = []
        for name in [queue] if queue is not None else await self.queues():
            due = await self._connection.command("ZRANGE", prefix(name) + "repeats", 0, -1, "WITHSCORES")
            scored = [(each[0], each[1]) if isinstance(each, list | tuple) else each for each in due]
            if scored and not isinstance(scored[0], tuple):
                scored = list(zip(scored[::2], scored[1::2], strict=True))
            if not scored:
                continue
            texts = await self._connection.command(
                "HMGET", prefix(name) + "repeat", *(job_id for job_id, _ in scored)
            )
            for (job_id, at), text in zip(scored, texts, strict=True):
                if text:
                    head, _, payload = text.partition("\n")
                    every = int(head.split()[0]) / 1000
                    repeats.append(Repeat(job_id, name, every, float(at) / 1000, decode_payload(payload)))
        return sorted(repeats, key=lambda repeat: repeat.next_at)

    async def log(
        self, job_id: str, *, after: int = -1, limit: int = 1000, queue: str | None = None
    ) -> list[LogLine]:
        """Kept log lines with an index above `after`, oldest first."""
        key = f"{prefix(await self._home_of('job', job_id, queue))}log:{job_id}"
        first = await self._connection.command("LINDEX", key, 0)
        if first is None:
            return []
        start = max(0, after + 1 - int(first.partition(" ")[0]))
        lines = []
        for text in await self._connection.command("LRANGE", key, start, start + limit - 1):
            index, at, level, said = text.split(" ", 3)
            lines.append(LogLine(int(index), float(at), level, said))
        return lines

    async def explain(self, job_id: str, *, queue: str | None = None) -> Explanation:
        """Why the job is not running, or what it does. Raises NotFound."""
        record = await self.get_job(job_id, queue=queue)
        upstreams = await self._read(record.queue, record.depends_on[:200], "") if record.depends_on else []
        overview = await self.overview([record.queue])
        rank = None
        if record.state == JobState.WAITING:
            rank = await self._connection.command("ZRANK", prefix(record.queue) + "s:w", job_id)
        return explain(record, upstreams, overview, rank)

    async def events(
        self, after: Position = None, queues: Sequence[str] | None = None
    ) -> AsyncIterator[Event]:
        """Follow the changes of state, for ever. Raises Gap, BackendUnavailable."""
        async for batch in self.event_batches(after, queues):
            for event in batch:
                yield event

    async def event_batches(
        self, after: Position = None, queues: Sequence[str] | None = None
    ) -> AsyncIterator[list[Event]]:
        """As `events`, in batches; an empty one after each second without news."""
        follower = await Follower.start(self, after, queues)
        while True:
            yield await follower.next()
