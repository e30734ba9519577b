"""What a store of jobs must do, in four roles: submitting, working, steering, watching.

`core/README.md` has the rules behind these operations and the diagram of the states. Every backend passes
`tests/core/test_backend_contract.py`; a foreign store may play only some of the roles.

Times are seconds (float) since the epoch on the store's clock, durations are seconds. Ids match `core.jobs.ID`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from core.errors import InvalidJob
from core.events import Event, Position
from core.jobs import FlowRecord, FlowState, Job, JobRecord, JobState

PAYLOAD_LIMIT: Final = 256 * 1024
RESULT_LIMIT: Final = 256 * 1024
ERROR_LIMIT: Final = 16 * 1024
LOG_LINE_LIMIT: Final = 8 * 1024
LOG_LINES_KEPT: Final = 1000
EVENTS_KEPT: Final = 50_000
"""How many events of a queue are kept for those who follow."""
STEP: Final = 500
"""Most jobs or links that one step of the store touches, so that no client waits longer than about 10 ms."""

OutcomeKind = Literal["completed", "failed", "retry", "cancelled", "released", "declined"]
BARRED: Final = ("upstream ", "its trigger ")
"""How the answer begins about a job that a retry would only skip again."""

RetryMode = Literal["failed", "downstream", "all"]


def check_page(offset: int, limit: int) -> None:
    """Raise InvalidJob for a page that no list has."""
    for what, value in (("offset", offset), ("limit", limit)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InvalidJob(f"{what} is {value!r:.60}; it must be a whole number, 0 or more")


def one_line(text: str, limit: int = 500) -> str:
    """`text` as one line of at most `limit` characters, so that it cannot be taken for two events."""
    return text[:limit].replace("\n", " ").replace("\r", " ")


def log_level(level: str) -> str:
    """The level of a log line as one word: what `logging` calls "Level 35" is kept as "Level-35"."""
    return "-".join(level.split())[:40] or "INFO"


@dataclass(slots=True)
class Claim:
    """A job given to a worker: `payload` as it was submitted, `token` proves the lease in every later call.

    attempt counts this start too; `failures` counts the earlier attempts that failed (stalls are not failures).
    """

    id: str
    queue: str
    payload: str
    token: str
    attempt: int
    failures: int
    flow_id: str | None


@dataclass(slots=True)
class Outcome:
    """How an attempt ended, reported with the claim's token.

    completed  `payload` is the result as JSON, or None for a result of None
    failed     for good; `payload` is a `JobError.to_dict()` as JSON, `reason` its first line for the event
    retry      failed, to be tried again after `delay` seconds; payload and reason as for failed
    cancelled  it stopped because that was asked for
    released   handed back untouched (the worker stops): waiting again at once, the attempt is not counted
    declined   this worker has no such task; `reason` is the task's name. Waits for a worker that has it, not counted

    Any outcome of a job whose cancellation was asked for ends as cancelled.
    """

    id: str
    token: str
    kind: OutcomeKind
    payload: str | None = None
    reason: str = ""
    delay: float = 0.0


@dataclass(slots=True)
class Turn:
    """The answer to `turn`: new claims, and which outcomes were refused because the lease was lost.

    next_due  seconds until something of this queue becomes due (a delay, a lease, a ttl, a repeat); None for nothing
    more      jobs are still waiting that this call did not take
    """

    claims: list[Claim] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    next_due: float | None = None
    more: bool = False


@dataclass(slots=True)
class WorkerInfo:
    """A worker as it registered itself. `seen_at` is its last heartbeat; it is taken for gone `ttl` seconds later."""

    id: str
    host: str
    pid: int
    queues: list[str]
    concurrency: int
    tasks: list[str]
    started_at: float = 0.0
    seen_at: float = 0.0
    ttl: float = 30.0


@dataclass(slots=True)
class QueueInfo:
    """A queue at one moment; `seq` is the position of its last event, consistent with `counts`."""

    name: str
    counts: dict[str, int]
    paused: bool = False
    seq: int = 0


@dataclass(slots=True)
class Overview:
    """Queues and workers at one moment. Follow the events from `position` to keep it true."""

    queues: list[QueueInfo]
    workers: list[WorkerInfo]
    position: dict[str, int]
    at: float


@dataclass(slots=True)
class FlowSnapshot:
    """A flow with all its jobs and links (upstream, downstream). Follow the events from `position` to keep it true."""

    flow: FlowRecord
    jobs: list[JobRecord]
    links: list[tuple[str, str]]
    position: dict[str, int]


@dataclass(slots=True)
class Explanation:
    """Why a job is where it is: one sentence, then details, each a sentence; `upstreams` are those it waits for."""

    job_id: str
    state: JobState
    summary: str
    details: list[str] = field(default_factory=list)
    upstreams: list[tuple[str, JobState]] = field(default_factory=list)


@dataclass(slots=True)
class LogLine:
    """A line that a job wrote. `index` counts from 0 within the job, also past lines that are no longer kept."""

    index: int
    at: float
    level: str
    text: str


@dataclass(slots=True)
class Repeat:
    """A job that is enqueued afresh every `every` seconds; `template` is the job's fields."""

    id: str
    queue: str
    every: float
    next_at: float
    template: dict[str, Any]


class Renewer(Protocol):
    """Renews leases from a thread of its own: synchronous, with a connection of its own."""

    def renew(
        self, queue: str, worker: str, leases: Mapping[str, str], lease: float
    ) -> tuple[list[str], list[str]]:
        """Extend `leases` (job id -> token) by `lease` seconds from now and mark `worker` as seen.

        Returns (ids to stop because their cancellation was asked for, ids whose lease is lost).
        """
        ...

    def close(self) -> None:
        """Give the connection back."""
        ...


class Submitting(Protocol):
    """How jobs get in. `atomic_add_flow` is an optional capability: a backend without it has no such attribute."""

    async def enqueue(self, queue: str, job: Job | Mapping[str, Any]) -> str:
        """Add one job (or its `to_dict()`); its `depends_on` may name jobs that the queue has. Returns the id.

        The same job again (id, payload, upstreams) changes nothing, so that a lost answer can be asked for again.
        Raises InvalidJob, InvalidPayload, CycleError (it depends on itself), DuplicateJob, UnknownUpstream,
        BackendError; then nothing was written.
        """
        ...

    async def enqueue_many(self, queue: str, jobs: Iterable[Job | Mapping[str, Any]]) -> list[str]:
        """Add many independent jobs fast: each as by `enqueue`, in order, but not all or nothing.

        `jobs` is read as it goes: a generator's million jobs are never in memory together, and while the store adds
        some the next are made. Where it raises, or a job is refused, what came before is added.
        """
        ...

    async def add_dependencies(self, queue: str, job: Job | Mapping[str, Any]) -> None:
        """Make `job` wait for its `depends_on`, before it is enqueued or while it has not started.

        Raises UnknownUpstream, Refused (it has started), CycleError.
        """
        ...

    async def atomic_add_flow(
        self,
        queue: str,
        payloads: Sequence[Mapping[str, Any]],
        deps: Sequence[tuple[str, str]],
        *,
        flow_id: str | None = None,
        name: str | None = None,
    ) -> list[str]:
        """Add all jobs and links (upstream id, downstream id) or none; returns the ids in the order of `payloads`.

        The same `flow_id` with the same jobs and links again changes nothing and returns the same ids.
        Raises what `enqueue` raises, and CycleError, FlowConflict.
        """
        ...

    async def remove(self, ids: str | Iterable[str], *, queue: str | None = None) -> dict[str, str]:
        """Remove jobs that do not run; see `Steering` for the answer.

        A job of a flow goes with its flow only; one that another may still wait for is kept.
        """
        ...


class Working(Protocol):
    """How workers take jobs and report what became of them."""

    async def turn(
        self, queue: str, worker: str, outcomes: Sequence[Outcome], want: int, lease: float
    ) -> Turn:
        """Settle `outcomes`, do what is due, and claim up to `want` jobs of one queue: one step, one round trip.

        Best is the lowest priority number, then the oldest submission. Settling releases or skips what is downstream
        in the same step (beyond a few hundred of them: from a durable set that every later call of anyone works off).
        Sending an accepted outcome again changes nothing. A paused queue gives no claims.
        """
        ...

    async def claim(self, queues: Sequence[str], worker: str, limit: int, lease: float) -> list[Claim]:
        """Give `worker` up to `limit` waiting jobs of `queues` (in this order of queues) for `lease` seconds."""
        ...

    async def settle(self, queue: str, outcomes: Sequence[Outcome]) -> list[str]:
        """Report outcomes; returns the ids that were refused because their lease was lost."""
        ...

    async def wait_for_work(self, queues: Sequence[str], timeout: float) -> bool:
        """Sleep until one of `queues` may have something for an idle worker, or `timeout` seconds have passed.

        True when woken. One new job wakes one idle worker. May return early without cause.
        """
        ...

    def renewer(self) -> Renewer:
        """A fresh `Renewer` for the worker's lease thread."""
        ...

    async def register_worker(self, info: WorkerInfo) -> None:
        """Make the worker known to every queue in `info.queues`, with the tasks that it has."""
        ...

    async def unregister_worker(self, info: WorkerInfo) -> None:
        """Forget the worker."""
        ...

    async def report(
        self,
        queue: str,
        job_id: str,
        token: str,
        *,
        progress: tuple[float, str] | None = None,
        log: Sequence[tuple[float, str, str]] = (),
    ) -> bool:
        """Store progress (0 to 1, note) and log lines (at, level, text). False, nothing stored: the lease is lost."""
        ...

    async def results(self, queue: str, ids: Sequence[str]) -> dict[str, Any]:
        """The results of completed jobs by id; a job that has not completed is left out."""
        ...

    async def names(self, queue: str, ids: Sequence[str]) -> dict[str, str]:
        """The names of jobs by id; an unknown one is left out."""
        ...


class Steering(Protocol):
    """What operators do. `ids` is one id or many; the answer says for each id what really happened:

    cancel    "cancelled", "cancelling" (it runs; its worker is told), "already <state>", "not found"
    retry     "retried", "already <state>" (it has not ended), "not found"; and of what would only be skipped again, and
              so stays as it is: "upstream <id> did not complete", "its trigger can no longer hold"
    promote   "promoted", "not delayed", "not found"
    remove    "removed", "running", "needed by <id>", "not found"

    `queue` says where they are. Without it every queue is asked, and an id that several of them have is refused with
    their names (Refused): then nothing has been done.
    """

    async def cancel(self, ids: str | Iterable[str], *, queue: str | None = None) -> dict[str, str]:
        """Cancel jobs. What waits for them is skipped, or runs, by its trigger."""
        ...

    async def retry(self, ids: str | Iterable[str], *, queue: str | None = None) -> dict[str, str]:
        """Run ended jobs again with fresh attempts, upstream first; what was skipped because of them waits again."""
        ...

    async def promote(self, ids: str | Iterable[str], *, queue: str | None = None) -> dict[str, str]:
        """Make delayed jobs waiting now."""
        ...

    async def cancel_flow(self, flow_id: str, *, queue: str | None = None) -> dict[str, int]:
        """Cancel what has not ended; returns {"cancelled": n, "cancelling": n}. Nothing of it starts afterwards."""
        ...

    async def retry_flow(self, flow_id: str, mode: RetryMode = "failed", *, queue: str | None = None) -> int:
        """Run a flow's jobs again, in one step for readers; returns how many had run and run again.

        Skipped ones wait again, and are not counted. What would only be skipped, because an upstream in another flow
        did not complete, stays as it is.

        failed      those that failed, expired or were cancelled
        downstream  those, and everything downstream of them, also what completed
        all         every job
        Raises NotFound; Refused while a job is active that would have to run again: for all, any of the flow; for
        downstream, one below a job that failed, expired or was cancelled (a server looks at up to 500 jobs and links to
        tell, and refuses while any job of the flow is active where that is not enough).
        """
        ...

    async def remove_flow(self, flow_id: str, *, queue: str | None = None) -> int:
        """Remove an ended flow with its jobs; returns how many. What repeats of it, stops.

        Raises Refused (it runs, or is needed), NotFound.
        """
        ...

    async def pause(self, queue: str) -> None:
        """Give out no jobs of `queue` until `resume`; running ones finish."""
        ...

    async def resume(self, queue: str) -> None:
        """Undo `pause`."""
        ...

    async def clean(
        self, queue: str, state: JobState | str | None = None, *, older_than: float = 0.0, limit: int = 1000
    ) -> int:
        """Remove ended flows and single jobs that ended more than `older_than` seconds ago, oldest first, whole flows.

        `state` keeps all but those in this end state (of the flow, or of the single job). What an open flow needs is
        kept, and what repeats goes on until it is stopped. Returns how many jobs were removed.
        """
        ...

    async def stop_repeat(self, queue: str, repeat_id: str) -> bool:
        """Enqueue no further copies; False when there is no such repeat."""
        ...


@dataclass(frozen=True, slots=True)
class Clue:
    """Something without which a job is not meant: by it a store leaves jobs out before it sends them.

    where        "text": what is kept of the job (its id, payload, error, worker); "flow": id and name of its flow;
                 or a figure: "age", "run", "wait" (seconds), "try", "stalls", "priority"
    words        for a text: one of these is in it, upper and lower case alike; ASCII letters, digits, `_`, `.`, `-`
    least, most  for a figure: its limits, inclusive
    """

    where: Literal["text", "flow", "age", "run", "wait", "try", "stalls", "priority"]
    words: tuple[str, ...] = ()
    least: float = -1e15
    most: float = 1e15


@dataclass(frozen=True, slots=True)
class Scan:
    """What one step of `scan_jobs` came upon: `looked` jobs, of which `jobs` fit; `ended` when the list did."""

    jobs: list[JobRecord]
    looked: int
    ended: bool


class Watching(Protocol):
    """What screens read."""

    async def get_job(self, job_id: str, *, queue: str | None = None) -> JobRecord:
        """The whole record; `queue` spares the search. Raises NotFound."""
        ...

    async def get_flow(self, flow_id: str, *, queue: str | None = None) -> FlowRecord:
        """The flow with its counts. Raises NotFound."""
        ...

    async def flow_snapshot(self, flow_id: str, *, queue: str | None = None) -> FlowSnapshot:
        """The flow with every job (without results, args included) and link. Raises NotFound."""
        ...

    async def counts(self, queue: str) -> dict[str, int]:
        """How many jobs are in each state: every state's name, also those at 0."""
        ...

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
        """One page. "waiting" lists what is ready and then what is blocked, upstream before downstream.

        "ready" lists only what is ready, "blocked" only the blocked; in ended states the latest to end comes first
        (those of one millisecond in any order). None goes through the states: active, waiting, delayed, blocked,
        failed, expired, cancelled, skipped, completed; `reverse` turns round each of them. With `flow_id` the jobs come
        in the order of the flow, or its reverse. Without `queue` the queues follow each other by name.
        """
        ...

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
        """Look at up to `look` jobs of a list (`list_jobs` has its order), and return those that may be meant.

        Every job that has all of the `clues` is among them; others may be, where telling would cost more than
        sending. The next step begins at `offset` + `looked`. Ages are counted until `now`; None is the clock's time.
        """
        ...

    async def list_flows(
        self,
        queue: str | None = None,
        *,
        state: FlowState | str | None = None,
        offset: int = 0,
        limit: int = 100,
    ) -> list[FlowRecord]:
        """One page of flows, newest first."""
        ...

    async def list_repeats(self, queue: str | None = None) -> list[Repeat]:
        """The jobs that repeat, by when they are next due."""
        ...

    async def queues(self) -> list[str]:
        """Names of the queues that ever had a job, sorted."""
        ...

    async def overview(self, queues: Sequence[str] | None = None) -> Overview:
        """Counts and workers with the position to follow from."""
        ...

    async def explain(self, job_id: str, *, queue: str | None = None) -> Explanation:
        """Why the job is not running (or what it does). Raises NotFound."""
        ...

    async def log(
        self, job_id: str, *, after: int = -1, limit: int = 1000, queue: str | None = None
    ) -> list[LogLine]:
        """Kept log lines with an index above `after`, oldest first."""
        ...

    def events(self, after: Position = None, queues: Sequence[str] | None = None) -> AsyncIterator[Event]:
        """Follow the changes of state, for ever; `queues` None is all, also those born later.

        Raises Gap when what follows `after` is no longer kept, BackendUnavailable when the store is lost.
        """
        ...

    def event_batches(
        self, after: Position = None, queues: Sequence[str] | None = None
    ) -> AsyncIterator[list[Event]]:
        """As `events`, in the batches in which they arrive; an empty one after each second without news."""
        ...


class Backend(Submitting, Working, Steering, Watching, Protocol):
    """A store that plays all four roles."""

    url: str
    """Where it is, without secrets, as a user would type it."""

    async def open(self) -> None:
        """Connect and check the server. Every operation does so when needed. Raises BackendError."""
        ...

    async def close(self) -> None:
        """Let go of every connection; the jobs stay."""
        ...

    async def durability(self) -> str:
        """One sentence for the screen: what a crash of the store may lose."""
        ...
