"""What screens read from the store: pages of jobs (filtered step by step), flows, logs. Never everything."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from core.backends.base import Watching
from core.errors import NotFound
from core.jobs import FlowRecord, JobRecord, JobState
from flowtui.filter import NOTHING, Filter, measure
from flowtui.flowboard import FlowBoard

PAGE: Final = 100
"""Jobs in one question."""
LOOK: Final = 300
"""Jobs that the store looks through in one question while filtering: so few that nobody waits for it."""
STEP: Final = 0.15
"""Seconds of one filter step; what was found so far is shown before the next."""
SORTED: Final = 1000
"""The store keeps one order; another one is made here, over this many jobs at most."""
TABS: Final = (
    "all",
    "active",
    "waiting",
    "blocked",
    "delayed",
    "failed",
    "completed",
    "skipped",
    "cancelled",
    "expired",
)

SORT_KEYS: Final[dict[str, tuple[str, bool]]] = {
    "run": ("longest run first", True),
    "age": ("newest first", False),
    "wait": ("longest wait first", True),
    "try": ("most attempts first", True),
    "priority": ("most urgent first", False),
    "progress": ("furthest first", True),
    "name": ("by name", False),
}
"""Orders that the store does not keep: what each is called, and whether the largest comes first."""


@dataclass(slots=True)
class Page:
    """Jobs `start`... of a list. `total` is how many there are, as far as is known; exact when `complete`."""

    rows: list[JobRecord]
    start: int
    total: int
    complete: bool
    scanned: int = 0
    of: int = 0
    """How many of how many jobs were looked at, where a filter had to look."""


@dataclass
class Jobs:
    """One list of jobs: a queue (or all), a state (or all), a filter, an order.

    Without filter and order of its own, pages come straight from the store. With them, the store looks through its jobs
    in short steps and sends those that may match, for `STEP` seconds at a time; what does match is kept.
    """

    backend: Watching
    queue: str | None
    state: str = "all"
    filter: Filter = NOTHING
    sort: str | None = None
    reverse: bool = False
    clock: Callable[[], float] = time.time
    found: list[JobRecord] = field(default_factory=list)
    _at: int = 0
    _step: int = 0
    _looked: int = 0
    _ended: bool = False
    _sorted: bool = False
    _ids: set[str] = field(default_factory=set)
    _flows: dict[str, str] = field(default_factory=dict)

    @property
    def plain(self) -> bool:
        """Whether the store's own pages are the answer."""
        return not self.filter and self.sort is None

    def _states(self) -> list[str | None]:
        """The store's lists to look through, one after the other."""
        wanted = self.filter.states
        if wanted is not None and len(wanted) < len(JobState):
            if self.state != "all" and JobState(self.state) in wanted:
                return [_listed(self.state)]
            return [_listed(state.value) for state in JobState if state in wanted]
        return [None if self.state == "all" else _listed(self.state)]

    async def page(self, start: int, count: int, counts: dict[str, int] | None = None) -> Page:
        """The jobs from `start` on; `counts` of the queue spares asking how many there are. Raises BackendError."""
        if not self.plain:
            return await self._looked_for(start, count, counts or {})
        listed = None if self.state == "all" else _listed(self.state)
        rows = await self.backend.list_jobs(
            listed, self.queue, offset=start, limit=count, reverse=self.reverse
        )
        have = start + len(rows)
        if len(rows) < count:
            return Page(rows, start, have, True)
        return Page(rows, start, max(have, self._expected(counts or {})), True)

    def _expected(self, counts: dict[str, int]) -> int:
        return sum(counts.values()) if self.state == "all" else counts.get(self.state, 0)

    async def _looked_for(self, start: int, count: int, counts: dict[str, int]) -> Page:
        exact = self.filter.plain("id")
        if exact is not None and len(exact) >= 20 and not self.found and not self._ended:
            await self._by_id(exact)
        deadline = time.perf_counter() + STEP
        enough = SORTED if self.sort is not None else start + count
        while not self._ended and len(self.found) < enough and time.perf_counter() < deadline:
            await self._look()
        if self.sort is not None and not self._sorted and (self._ended or len(self.found) >= SORTED):
            self.found = ordered(self.found[:SORTED], self.sort, self.clock())
            self._sorted = True
        shown = self.found if self.sort is None or self._sorted else []
        of = max(sum(counts.get(state or "", 0) for state in self._count_keys()), self._looked)
        return Page(shown[start : start + count], start, len(shown), self._finished(enough), self._looked, of)

    def _count_keys(self) -> list[str]:
        states = [name for name in self._states() if name is not None]
        if not states:
            return [state.value for state in JobState]
        return ["waiting" if name == "ready" else name for name in states]

    def _finished(self, enough: int) -> bool:
        return self._ended or len(self.found) >= enough

    async def _look(self) -> None:
        """Look at one more page of the store."""
        states = self._states()
        if self._step >= len(states):
            self._ended = True
            return
        state, flow_id, now = states[self._step], self._flow_id(), self.clock()
        if flow_id is not None:
            rows = await self.backend.list_jobs(
                state,
                self.queue,
                flow_id=flow_id,
                offset=self._at,
                limit=PAGE,
                reverse=self.reverse,
            )
            looked, ended = len(rows), len(rows) < PAGE
        else:
            scan = await self.backend.scan_jobs(
                self.filter.clues,
                state,
                self.queue,
                offset=self._at,
                look=LOOK,
                reverse=self.reverse,
                now=now,
            )
            rows, looked, ended = scan.jobs, scan.looked, scan.ended
        if self.filter.needs_flow_names:
            await self._learn_flows(rows)
        matches, names = self.filter.matches, self._flow_name
        for row in rows:
            # A job that moved back in the list meanwhile comes by a second time.
            if row.id not in self._ids and matches(row, now, names):
                self._ids.add(row.id)
                self.found.append(row)
        self._looked += looked
        self._at += looked
        if ended:
            self._step, self._at = self._step + 1, 0
            self._ended = self._step >= len(states)

    def _flow_id(self) -> str | None:
        """A flow's whole id, which the store can look up by itself."""
        value = self.filter.plain("flow")
        return value if value is not None and value in self._flows else None

    def _flow_name(self, flow_id: str) -> str:
        return self._flows.get(flow_id, flow_id)

    async def _learn_flows(self, rows: Sequence[JobRecord]) -> None:
        new = {row.flow_id: row.queue for row in rows if row.flow_id is not None}
        for flow_id, queue in new.items():
            if flow_id in self._flows:
                continue
            try:
                self._flows[flow_id] = (await self.backend.get_flow(flow_id, queue=queue)).name
            except NotFound:
                self._flows[flow_id] = flow_id

    async def _by_id(self, job_id: str) -> None:
        try:
            job = await self.backend.get_job(job_id, queue=self.queue)
        except NotFound:
            return
        if self.filter.matches(job, self.clock(), self._flow_name):
            self.found = [job]
        self._ended = True

    def again(self) -> Jobs:
        """The same list, to be looked at afresh."""
        return Jobs(
            self.backend,
            self.queue,
            self.state,
            self.filter,
            self.sort,
            self.reverse,
            self.clock,
            _flows=self._flows,
        )

    def of_all(self) -> Jobs:
        """The same filter over the jobs of every state."""
        return replace(self.again(), state="all", sort=None, reverse=False)

    async def every_id(self, limit: int) -> list[str]:
        """Ids of all jobs of the list, at most `limit`: what a bulk action acts on."""
        ids: dict[str, None] = {}
        if self.plain:
            listed = None if self.state == "all" else _listed(self.state)
            looked = 0
            while len(ids) < limit:
                rows = await self.backend.list_jobs(
                    listed, self.queue, offset=looked, limit=PAGE, reverse=self.reverse
                )
                looked += len(rows)
                # What enters the list meanwhile moves the others on: some come by a second time.
                ids.update(dict.fromkeys(row.id for row in rows))
                if len(rows) < PAGE:
                    break
        else:
            fresh = self.again()
            fresh.sort = None
            while not fresh._ended and len(fresh.found) < limit:
                await fresh._look()
            ids = dict.fromkeys(row.id for row in fresh.found)
        return list(ids)[:limit]


def _listed(state: str) -> str:
    """The store's name of a list: its "waiting" is what is ready and what is blocked, together."""
    return "ready" if state == "waiting" else state


def ordered(rows: Sequence[JobRecord], key: str, now: float) -> list[JobRecord]:
    """The jobs in one of `SORT_KEYS`' orders; those without a value come last."""
    if key == "name":
        return sorted(rows, key=lambda row: (row.name.casefold(), row.id))
    largest = SORT_KEYS[key][1]

    def rank(row: JobRecord) -> tuple[bool, float]:
        value = measure(row, key, now)
        return (value is None, 0.0 if value is None else -value if largest else value)

    return sorted(rows, key=rank)


async def moving(backend: Watching, flow: FlowBoard) -> list[JobRecord]:
    """The jobs of a flow about which more is to know than events say: progress, and when a delayed one is due."""
    found: list[JobRecord] = []
    for state in (JobState.ACTIVE, JobState.DELAYED):
        if flow.counts[state.value]:
            found += await backend.list_jobs(state, flow.queue, flow_id=flow.id, limit=PAGE)
    return found


async def last_run(backend: Watching, flow: FlowBoard, limit: int = 200) -> FlowRecord | None:
    """The latest ended flow of the same name in the same queue that was submitted before `flow`."""
    for record in await backend.list_flows(flow.queue, limit=limit):
        earlier = record.created_at < flow.created_at or (
            record.created_at == flow.created_at and record.id < flow.id
        )
        if record.name == flow.name and record.id != flow.id and earlier and record.state != "running":
            return record
    return None
