"""Reads everything about one job while somebody looks at it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import overload

from core.backends.base import Backend, Explanation, LogLine
from core.errors import NotFound
from core.jobs import JobRecord, JobState
from flowtui.board import Board
from flowtui.flowboard import Attempt
from flowtui.widgets.jobdetail import Facts, Neighbour, references

NEIGHBOURS = 12
"""How many upstreams are read one by one for a job whose flow is not open."""
_WAITS = (JobState.WAITING, JobState.BLOCKED, JobState.DELAYED)


class JobReader:
    """One job, as it was last read; `load` reads it again."""

    def __init__(self, backend: Backend, board: Board) -> None:
        self.backend, self.board = backend, board
        self.job_id: str | None = None
        self.queue: str | None = None
        self.record: JobRecord | None = None
        self.gone = False
        self._explanation: Explanation | None = None
        self._upstreams: list[Neighbour] = []
        self._results: dict[str, JobRecord | None] = {}
        self._flow_names: dict[tuple[str, str], str] = {}

    def point(self, job_id: str | None, queue: str | None = None) -> None:
        """Look at another job from now on; nothing of it is known yet."""
        if job_id == self.job_id:
            return
        self.job_id, self.queue = job_id, queue
        self.record, self._explanation, self._upstreams, self.gone = None, None, [], False
        self._results = {}

    async def load(self) -> None:
        """Read the job, and why it waits. Raises BackendError."""
        job_id = self.job_id
        if job_id is None:
            return
        try:
            record = await self.backend.get_job(job_id, queue=self.queue)
            explanation = (
                await self.backend.explain(job_id, queue=record.queue) if record.state in _WAITS else None
            )
        except NotFound:
            if job_id == self.job_id:
                self.gone = True
            return
        flow_id = record.flow_id
        if flow_id is not None and (record.queue, flow_id) not in self._flow_names:
            self._flow_names[record.queue, flow_id] = await self._flow_name(flow_id, record.queue)
        upstreams = []
        if self.board.flow(flow_id, record.queue) is None:
            upstreams = await self._read_upstreams(record.depends_on[:NEIGHBOURS], record.queue)
        results = await self._read_results(record)
        if job_id == self.job_id:  # somebody may have moved on meanwhile
            self.gone = False
            self.record, self._explanation, self._upstreams = record, explanation, upstreams
            self._results = results

    async def _read_results(self, job: JobRecord) -> dict[str, JobRecord | None]:
        """The upstreams whose results the job takes; those that have ended are read once for each of their attempts."""
        wanted = list(dict.fromkeys(each.upstream for each in references(job)))[:NEIGHBOURS]
        flow = self.board.flow(job.flow_id, job.queue)
        found: dict[str, JobRecord | None] = {}
        for job_id in wanted:
            known = self._results.get(job_id)
            live = flow.jobs.get(job_id) if flow is not None else None
            same = known and live and (known.state, known.attempts) == (live.state, live.attempts)
            if known is not None and known.state.terminal and same:
                found[job_id] = known
                continue
            try:
                found[job_id] = await self.backend.get_job(job_id, queue=job.queue)
            except NotFound:
                found[job_id] = None
        return found

    async def _flow_name(self, flow_id: str, queue: str) -> str:
        flow = self.board.flow(flow_id, queue)
        if flow is not None:
            return flow.name
        try:
            return (await self.backend.get_flow(flow_id, queue=queue)).name
        except NotFound:
            return ""

    async def _read_upstreams(self, ids: Sequence[str], queue: str) -> list[Neighbour]:
        found = []
        for job_id in ids:
            try:
                job = await self.backend.get_job(job_id, queue=queue)
            except NotFound:
                found.append(Neighbour(job_id, job_id[:8], "completed"))
                continue
            found.append(Neighbour(job.id, job.name, job.state.value))
        return found

    async def log(self, after: int) -> list[LogLine]:
        """Log lines after an index. Raises BackendError."""
        if self.job_id is None:
            return []
        try:
            return await self.backend.log(self.job_id, after=after, queue=self.queue)
        except NotFound:
            return []

    @property
    def stale(self) -> bool:
        """Whether the open flow has heard newer things about the job than were read."""
        live = self._live()
        if self.record is None:
            return self.job_id is not None and not self.gone
        return live is not None and self.moved(live)

    def moved(self, newer: JobRecord) -> bool:
        """Whether the job is not where it was when it was read."""
        known = self.record
        return known is not None and (newer.state, newer.attempts) != (known.state, known.attempts)

    def _live(self) -> JobRecord | None:
        for flow in self.board.flows.values():
            if self.job_id in flow.jobs and self.queue in (None, flow.queue):
                return flow.jobs[self.job_id]
        return None

    @property
    def job(self) -> JobRecord | None:
        """The job, with what the open flow knows better; None while nothing is known."""
        live, job = self._live(), self.record
        if live is not None and (job is None or self.stale):
            return live
        if live is not None and job is not None:
            job.progress, job.progress_note, job.run_at = live.progress, live.progress_note, live.run_at
        return job

    def facts(self, now: float, *, reveal: bool = False) -> Facts | None:
        """All that is known, for its page; None while nothing is."""
        job = self.job
        if job is None:
            return None
        flow = self.board.flow(job.flow_id, job.queue)
        upstreams: Sequence[Neighbour] = self._upstreams
        downstreams: Sequence[Neighbour] = ()
        attempts: Sequence[Attempt] = ()
        if flow is not None:
            upstreams = Near(flow.jobs, flow.upstreams.get(job.id, job.depends_on))
            downstreams = Near(flow.jobs, flow.downstreams.get(job.id, ()))
            attempts = flow.attempts.get(job.id, ())
        return Facts(
            job,
            now,
            self._flow_names.get((job.queue, job.flow_id or ""), flow.name if flow is not None else ""),
            self._explanation if job is self.record else None,
            upstreams,
            downstreams,
            attempts,
            reveal,
            self._results,
            self.gone,
        )


class Near(Sequence[Neighbour]):
    """Jobs at the other end of a job's links, each made when it is asked for: of ten thousand, a few are shown."""

    def __init__(self, jobs: Mapping[str, JobRecord], ids: Sequence[str]) -> None:
        self._jobs, self._ids = jobs, ids

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> Neighbour: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Neighbour]: ...
    def __getitem__(self, index: int | slice) -> Neighbour | Sequence[Neighbour]:
        if isinstance(index, slice):
            return Near(self._jobs, self._ids[index])
        job_id = self._ids[index]
        job = self._jobs.get(job_id)
        if job is None:
            return Neighbour(job_id, job_id[:8], "completed")
        return Neighbour(job.id, job.name, job.state.value)
