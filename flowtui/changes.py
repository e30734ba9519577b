"""What a draft is made of, and the changes it can go through: data, each with its inverse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from core.jobs import Job, Trigger

Link = tuple[str, str]

DEFAULT_QUEUE: Final = "default"
DEFAULT_NAME: Final = "untitled"


@dataclass(frozen=True, slots=True)
class DraftJob:
    """A job as it will be submitted, without its id and links: the fields of `core.Job` by the names of flow files."""

    name: str
    task: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    priority: int = 5
    max_retries: int = 3
    backoff: float = 1.5
    timeout: float | None = None
    ttl: float | None = None
    delay: float | None = None
    repeat_every: float | None = None
    trigger: str = "all_success"
    max_stalls: int = 3
    group: str | None = None
    earlier: Sequence[str] = ()
    """Ids of jobs of earlier flows that it waits for, besides its links."""

    def to_job(self, id: str | None = None, depends_on: Iterable[str] = ()) -> Job:
        """The job for the engine. Raises `InvalidJob` naming the field."""
        return Job(
            self.task,
            list(self.args),
            dict(self.kwargs),
            [*depends_on, *self.earlier],
            id,
            self.name,
            priority=self.priority,
            max_retries=self.max_retries,
            backoff=self.backoff,
            timeout=self.timeout,
            ttl=self.ttl,
            delay=self.delay,
            repeat_every=self.repeat_every,
            trigger=self.trigger,
            max_stalls=self.max_stalls,
            group=self.group,
        )

    @classmethod
    def from_job(cls, job: Job) -> DraftJob:
        """The draft of a job made elsewhere (a flow file, a running flow)."""
        return cls(
            job.name,
            job.task_id,
            list(job.args),
            dict(job.kwargs),
            job.priority,
            job.max_retries,
            job.backoff,
            job.timeout,
            job.ttl,
            job.delay,
            job.repeat_every,
            Trigger(job.trigger).value,
            job.max_stalls,
            job.group,
        )

    def changed(self) -> dict[str, Any]:
        """The fields that are not at their defaults, besides name and task, in the order of flow files."""
        return {
            name: value
            for name, default in _DEFAULTS
            if (value := getattr(self, name)) is not default and not _same(value, default)
        }


def _same(value: Any, default: Any) -> bool:
    return not value if default in ((), {}) else bool(value == default)


_DEFAULTS: Final[tuple[tuple[str, Any], ...]] = tuple(
    (field.name, getattr(DraftJob("x", "x"), field.name)) for field in fields(DraftJob)[2:]
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What belongs to the flow as a whole."""

    name: str = DEFAULT_NAME
    queue: str = DEFAULT_QUEUE


# ---- changes: data, each with its inverse ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PutJob:
    """Insert a job at a place in the order."""

    at: int
    key: str
    job: DraftJob

    def inverse(self) -> Change:
        return DropJob(self.at, self.key, self.job)


@dataclass(frozen=True, slots=True)
class DropJob:
    """Take a job away; its links have gone before."""

    at: int
    key: str
    job: DraftJob

    def inverse(self) -> Change:
        return PutJob(self.at, self.key, self.job)


@dataclass(frozen=True, slots=True)
class SwapJob:
    """Replace what a job is, under the same key."""

    key: str
    old: DraftJob
    new: DraftJob

    def inverse(self) -> Change:
        return SwapJob(self.key, self.new, self.old)


@dataclass(frozen=True, slots=True)
class PutLink:
    """Insert a link at a place in the order of making."""

    at: int
    link: Link

    def inverse(self) -> Change:
        return DropLink(self.at, self.link)


@dataclass(frozen=True, slots=True)
class DropLink:
    """Take a link away."""

    at: int
    link: Link

    def inverse(self) -> Change:
        return PutLink(self.at, self.link)


@dataclass(frozen=True, slots=True)
class SwapSettings:
    """Change the flow's name or queue."""

    old: Settings
    new: Settings

    def inverse(self) -> Change:
        return SwapSettings(self.new, self.old)


Change = PutJob | DropJob | SwapJob | PutLink | DropLink | SwapSettings


@dataclass(frozen=True, slots=True)
class Step:
    """What one command did, under the name that undo shows."""

    name: str
    changes: tuple[Change, ...]
