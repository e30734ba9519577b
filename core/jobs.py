"""What a job is: as it is submitted (`Job`) and as the store knows it (`JobRecord`)."""

from __future__ import annotations

import os
import random
import re
from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from core.errors import InvalidJob

ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")
PRIORITIES: Final = range(256)
"""Lower runs first. Eight bits, so that priority and age fit into one exact float of the store."""

_ids = random.Random()
_PLAIN: Final = bytes.maketrans(b"+/", b"xy")
os.register_at_fork(after_in_child=_ids.seed)


def new_id() -> str:
    """A fresh id: about 71 random bits as 12 letters and digits, so that the first eight already tell jobs apart.

    Servers keep an id in four places, and up to 12 characters take half of what 13 take. Among a hundred million jobs
    of a queue, a new one meets a taken id (which is refused, never overwritten) with a chance of 1 in 10^13.
    """
    return b2a_base64(_ids.randbytes(9), newline=False).translate(_PLAIN).decode()


class JobState(StrEnum):
    """Where a job is; `core/README.md` draws the moves between the states."""

    BLOCKED = "blocked"
    WAITING = "waiting"
    DELAYED = "delayed"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        """True where only a retry leads on from here."""
        return self in TERMINAL


TERMINAL: Final = frozenset(
    {JobState.COMPLETED, JobState.FAILED, JobState.SKIPPED, JobState.CANCELLED, JobState.EXPIRED}
)


class FlowState(StrEnum):
    """Where a flow as a whole is: failed when a job failed or expired, else cancelled when one was cancelled."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Trigger(StrEnum):
    """When a job starts, over the outcomes of its upstreams."""

    ALL_SUCCESS = "all_success"
    ALL_DONE = "all_done"
    ONE_SUCCESS = "one_success"
    ONE_FAILED = "one_failed"


def check_name(value: object, what: str) -> str:
    """Give `value` back if it can name a queue, job or flow in the store, else raise `InvalidJob` with the reason."""
    if not isinstance(value, str):
        raise InvalidJob(f"{what} must be a string, not {type(value).__name__}")
    if not ID.fullmatch(value):
        shown = ascii(value) if len(value) <= 60 else f"{value[:60]!a}... ({len(value)} characters)"
        raise InvalidJob(f"{what} {shown} must be 1 to 128 of the characters A-Z a-z 0-9 . _ -")
    if value == "-":
        raise InvalidJob(f"{what} '-' stands for none; give it another name")
    return value


def _seconds(value: object, what: str, *, zero: bool = True) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidJob(f"{what} must be a number of seconds, not {type(value).__name__}")
    if not 0 <= value < 1e10 or (value == 0 and not zero):
        raise InvalidJob(f"{what} is {value!r}; it must be {'0 or more' if zero else 'more than 0'} seconds")
    return float(value)


def _text(value: object, what: str) -> str:
    if isinstance(value, str) and len(value) > 256:
        raise InvalidJob(f"{what} must be 1 to 256 characters, not {len(value):,}")
    if not isinstance(value, str) or not value:
        raise InvalidJob(f"{what} is {value!r:.80}; it must be 1 to 256 characters")
    if not is_text(value):
        raise InvalidJob(f"{what} is {value!a:.80}; it holds half of a surrogate pair, which is no text")
    return value


def is_text(value: str) -> bool:
    """False where half of a surrogate pair makes of `value` something that nobody can store or show."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return False
    return True


def _listed(value: object, what: str, kind: str = "a list") -> list[Any]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise InvalidJob(f"{what} must be {kind}, not {type(value).__name__}")
    return list(value)


def _upstreams(value: object, what: str) -> list[str]:
    ids = value if type(value) is list else _listed(value, what, "a list of job ids")
    for each in ids:
        if type(each) is not str:
            hint = "; name it by its id" if isinstance(each, Job) else ""
            raise InvalidJob(f"{what} must be a list of job ids; it holds a {type(each).__name__}{hint}")
    # dict.fromkeys: naming an upstream twice means it once, and the order stays.
    return list(dict.fromkeys(ids))


def _count(value: object, what: str, allowed: range) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value not in allowed:
        raise InvalidJob(f"{what} is {value!r}; it must be a whole number from {allowed[0]} to {allowed[-1]}")
    return value


def _trigger(value: object, name: str) -> Trigger:
    try:
        return Trigger(value)  # type: ignore[arg-type]
    except ValueError:
        words = ", ".join(Trigger)
        raise InvalidJob(f"trigger of '{name}' is {value!r:.80}; it must be one of {words}") from None


_FIVE: Final = 5
_THREE: Final = 3
_BACKOFF: Final = 1.5
_RETRIES: Final = range(100_001)
_STALLS: Final = range(1, 1001)


class Job:
    """One unit of work: which task to call, with what, after which other jobs.

    `id` is known at once, so that other jobs can name it in their `depends_on`.

    timeout        seconds one attempt may run; None is no limit
    ttl            seconds from submission until the job expires unless it has started
    delay          seconds to wait once its upstreams are done
    max_retries    how often it is tried again after a failure
    backoff        base of the exponential wait between attempts: `backoff ** attempt` seconds, jittered, at most 1 h
    max_stalls     how often it may lose its worker before it is failed
    repeat_every   seconds between fresh copies, once its first run has started
    trigger        when to start: all_success, all_done, one_success, one_failed (over its upstreams)
    priority       0 to 255, lower first
    group          name of a frame on screen; no meaning for the engine

    A job with the timeout, max_retries or backoff that a job has when nothing is said (None, 3, 1.5) leaves them to its
    task: what `@task` says then holds. Another value overrides it; `timeout=1e9` is as good as none.

    Raises `InvalidJob` naming the field. Whether args and kwargs are JSON is checked when the job is submitted.
    """

    __slots__ = (
        "args",
        "backoff",
        "delay",
        "depends_on",
        "group",
        "id",
        "kwargs",
        "max_retries",
        "max_stalls",
        "name",
        "priority",
        "repeat_every",
        "task_id",
        "timeout",
        "trigger",
        "ttl",
    )

    def __init__(
        self,
        task_id: str,
        args: Iterable[Any] | None = None,
        kwargs: Mapping[str, Any] | None = None,
        depends_on: Iterable[str] | None = None,
        id: str | None = None,
        name: str | None = None,
        priority: int = 5,
        max_retries: int = 3,
        backoff: float = _BACKOFF,
        timeout: float | None = None,
        ttl: float | None = None,
        delay: float | None = None,
        repeat_every: float | None = None,
        trigger: Trigger | str = Trigger.ALL_SUCCESS,
        max_stalls: int = 3,
        group: str | None = None,
    ) -> None:
        if isinstance(task_id, str) and len(task_id) > 256:
            raise InvalidJob(f"task_id must be 1 to 256 characters, not {len(task_id):,}")
        if not isinstance(task_id, str) or not task_id or not is_text(task_id):
            raise InvalidJob(
                f"task_id is {task_id!a:.80}; it must be the name of a task (1 to 256 characters of text)"
            )
        self.task_id = task_id
        if type(args) is list:
            self.args: list[Any] = list(args)
        else:
            self.args = [] if args is None else _listed(args, f"args of job '{name or task_id}'")
        if kwargs is not None and not isinstance(kwargs, Mapping):
            raise InvalidJob(
                f"kwargs of job '{name or task_id}' must be a mapping, not {type(kwargs).__name__}"
            )
        self.kwargs: dict[str, Any] = {} if kwargs is None else dict(kwargs)
        self.depends_on: list[str] = (
            [] if depends_on is None else _upstreams(depends_on, f"depends_on of job '{name or task_id}'")
        )
        self.id = new_id() if id is None else check_name(id, "job id")
        if name is None:
            name = task_id.rpartition(".")[2] or task_id
        else:
            _text(name, "name")
        self.name = name
        # Most jobs leave most fields alone, and a flow may have 100,000 of them: what is the default is not checked.
        self.priority = 5 if priority is _FIVE else _count(priority, f"priority of '{name}'", PRIORITIES)
        self.max_retries = (
            3 if max_retries is _THREE else _count(max_retries, f"max_retries of '{name}'", _RETRIES)
        )
        self.max_stalls = (
            3 if max_stalls is _THREE else _count(max_stalls, f"max_stalls of '{name}'", _STALLS)
        )
        self.backoff = backoff if backoff is _BACKOFF else (_seconds(backoff, f"backoff of '{name}'") or 0.0)
        self.timeout = None if timeout is None else _seconds(timeout, f"timeout of '{name}'", zero=False)
        self.ttl = None if ttl is None else _seconds(ttl, f"ttl of '{name}'", zero=False)
        self.delay = None if delay is None else _seconds(delay, f"delay of '{name}'")
        self.repeat_every = (
            None if repeat_every is None else _seconds(repeat_every, f"repeat_every of '{name}'", zero=False)
        )
        self.trigger = trigger if trigger is Trigger.ALL_SUCCESS else _trigger(trigger, name)
        self.group = None if group is None else _text(group, f"group of '{name}'")

    def to_dict(self) -> dict[str, Any]:
        """Every field as JSON-able values; `Job.from_dict` takes it back."""
        fields = {name: getattr(self, name) for name in FIELDS}
        fields["trigger"] = self.trigger.value
        fields["args"], fields["kwargs"] = list(self.args), dict(self.kwargs)
        fields["depends_on"] = list(self.depends_on)
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Job:
        """The job that `to_dict` described; raises `InvalidJob` for a field that no job has."""
        if not isinstance(fields, Mapping):
            raise InvalidJob(f"a job must be a Job or a mapping of its fields, not {type(fields).__name__}")
        unknown = sorted(set(fields) - set(FIELDS), key=str)
        if unknown:
            raise InvalidJob(f"a job has no field {unknown[0]!r}; fields are {', '.join(FIELDS)}")
        if "task_id" not in fields:
            raise InvalidJob("a job needs a task_id")
        return cls(**fields)

    def __repr__(self) -> str:
        after = f" after {len(self.depends_on)}" if self.depends_on else ""
        return f"<Job {self.name!r} {self.task_id!r} {self.id}{after}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.id)


FIELDS: Final = (
    "task_id",
    "args",
    "kwargs",
    "depends_on",
    "id",
    "name",
    "priority",
    "max_retries",
    "backoff",
    "timeout",
    "ttl",
    "delay",
    "repeat_every",
    "trigger",
    "max_stalls",
    "group",
)
"""The fields of a job, in the order of `Job`'s parameters."""


class JobError(str):
    """Why a job did not complete: a string to show, with its parts as attributes.

    type       name of the exception's class, or of the engine's reason (LeaseLost, UpstreamFailed, Cancelled, Expired)
    message    its text
    traceback  trimmed frames, newest last; empty where there is none
    upstream   for a skipped job: id of the upstream whose outcome was the root cause
    """

    __slots__ = ("message", "traceback", "type", "upstream")
    type: str
    message: str
    traceback: str
    upstream: str | None

    def __new__(
        cls, type: str, message: str = "", traceback: str = "", upstream: str | None = None
    ) -> JobError:
        self = super().__new__(cls, f"{type}: {message}" if message else type)
        self.type, self.message, self.traceback, self.upstream = type, message, traceback, upstream
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return JobError, (self.type, self.message, self.traceback, self.upstream)

    def to_dict(self) -> dict[str, Any]:
        """The parts as JSON-able values; empty ones are left out."""
        parts = {
            "type": self.type,
            "message": self.message,
            "traceback": self.traceback,
            "upstream": self.upstream,
        }
        return {name: value for name, value in parts.items() if value}


@dataclass(slots=True)
class JobRecord:
    """A job as the store knows it at one moment. Times are seconds since the epoch on the store's clock.

    attempts counts starts; stalls counts how many of them lost their worker. `run_at` is when a delayed job is due.
    `payload_error` says why args and kwargs could not be read (a payload that another program wrote).
    """

    id: str
    queue: str
    state: JobState
    task_id: str
    name: str
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    flow_id: str | None = None
    depends_on: list[str] = field(default_factory=list)
    pending: int = 0
    """How many of its upstreams have not ended yet."""
    trigger: Trigger = Trigger.ALL_SUCCESS
    priority: int = 5
    max_retries: int = 3
    backoff: float = 1.5
    timeout: float | None = None
    ttl: float | None = None
    delay: float | None = None
    repeat_every: float | None = None
    max_stalls: int = 3
    group: str | None = None
    attempts: int = 0
    stalls: int = 0
    worker: str | None = None
    cancel_requested: bool = False
    created_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    run_at: float | None = None
    lease_until: float | None = None
    result: Any = None
    error: JobError | None = None
    progress: float | None = None
    progress_note: str = ""
    payload_error: str | None = None

    @property
    def runtime(self) -> float | None:
        """Seconds the last attempt took; None while it runs or when it never started."""
        if self.started_at is None or self.finished_at is None:
            return None
        return max(0.0, self.finished_at - self.started_at)


@dataclass(slots=True)
class FlowRecord:
    """A flow as the store knows it. `counts` has every state's name, also those at 0; times are as in `JobRecord`."""

    id: str
    queue: str
    name: str
    state: FlowState
    counts: dict[str, int]
    created_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None

    @property
    def total(self) -> int:
        """How many jobs it has."""
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """How many of its jobs have ended, however."""
        return sum(self.counts[state] for state in TERMINAL)
