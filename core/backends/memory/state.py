"""What a store in this process holds: jobs, flows, queues, and who waits for news of them."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from core.backends.base import EVENTS_KEPT, LogLine, WorkerInfo
from core.backends.submission import repeat_payload
from core.jobs import FlowState, Job, JobState

BLOCKED, WAITING, DELAYED, ACTIVE = JobState.BLOCKED, JobState.WAITING, JobState.DELAYED, JobState.ACTIVE
COMPLETED, FAILED, SKIPPED = JobState.COMPLETED, JobState.FAILED, JobState.SKIPPED
CANCELLED, EXPIRED = JobState.CANCELLED, JobState.EXPIRED


class Rec:
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

    def __init__(self, job: Job, payload: str, flow: Flow | None, order: int, now: float) -> None:
        self.id, self.payload, self.flow, self.order = job.id, payload, flow, order
        self.state: JobState | None = None
        self.trigger, self.priority, self.max_stalls = job.trigger, job.priority, job.max_stalls
        self.delay, self.ttl = job.delay, job.ttl
        self.repeat = repeat_payload(job) if job.repeat_every is not None else None
        self.score = job.priority << 44 | order
        self.ups: list[Rec] = []
        self.downs: list[Rec] = []
        self.outside: list[Rec] = []
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
        self.cause: Rec | None = None
        self.result: str | None = None
        self.error: str | None = None
        self.progress: tuple[float, str] | None = None
        self.log: deque[LogLine] | None = None


@dataclass(slots=True, eq=False)
class Flow:
    """A flow with its jobs, upstream first, and its counts."""

    id: str
    name: str
    digest: str
    created: float
    jobs: list[Rec] = field(default_factory=list)
    counts: dict[JobState, int] = field(default_factory=lambda: dict.fromkeys(JobState, 0))
    state: FlowState = FlowState.RUNNING
    started: float | None = None
    finished: float | None = None


@dataclass(slots=True, eq=False)
class Tick:
    """What repeats: the payload of its copies, and when the next is due (None: its first run has not started)."""

    origin: Rec
    every: float
    payload: str
    n: int = 0
    next_at: float | None = None


class Queue:
    """One queue: its jobs by state, what is due when, its events."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.recs: dict[str, Rec] = {}
        self.flows: dict[str, Flow] = {}
        self.index: dict[JobState, dict[str, Rec]] = {state: {} for state in JobState}
        self.heap: list[int] = []
        self.scores: dict[int, Rec] = {}
        self.delayed: list[tuple[float, int, Rec]] = []
        self.ttl: list[tuple[float, int, Rec]] = []
        self.next_lease = float("inf")
        """No lease runs out before this."""
        self.ticks: dict[str, Tick] = {}
        self.ended: dict[object, Rec | Flow] = {}
        """Ended flows and single jobs, oldest first."""
        self.parked: dict[str, tuple[str, Rec]] = {}
        self.workers: dict[str, WorkerInfo] = {}
        self.declared: dict[str, list[Rec]] = {}
        self.order = self.seq = 0
        self.paused = self.token = False
        self.events: deque[tuple[Any, ...]] = deque(maxlen=EVENTS_KEPT)


@dataclass(slots=True, eq=False)
class Sleeper:
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
