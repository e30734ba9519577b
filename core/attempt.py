"""One attempt of one job: what its claim asks for, how far it is, and what its end means for the store."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from core.backends.base import Claim, Outcome, OutcomeKind
from core.errors import InvalidPayload, JobTimeout, TaskError
from core.jobs import JobError
from core.payload import encode_error, encode_result
from core.tasks import JobContext

BACKOFF_CAP: Final = 3600.0
NOTHING: Final[Mapping[str, Any]] = {}
_NUMBERS: Final = frozenset({"max_retries", "backoff", "timeout"})
_OWN: Final = frozenset(
    str(Path(__file__).with_name(name)) for name in ("attempt.py", "worker.py", "threads.py")
)


def backoff_delay(base: float, failures: int) -> float:
    """Seconds to wait before the next attempt: `base ** failures`, at most an hour, of which a random half is kept.

    The spread keeps jobs that failed together from coming back together.
    """
    if base <= 0:
        return 0.0
    try:
        full = min(BACKOFF_CAP, base**failures)
    except OverflowError:
        full = BACKOFF_CAP
    return full * random.uniform(0.5, 1.0)


class Attempt:
    """A claim, while its job runs. `since` is when it began, `defaults` what its task says of jobs that say nothing."""

    __slots__ = (
        "claim",
        "context",
        "defaults",
        "fields",
        "lines",
        "over",
        "progress",
        "since",
        "stop",
        "task",
        "timer",
    )

    def __init__(self, claim: Claim, since: float) -> None:
        self.claim = claim
        self.since = since
        self.task: asyncio.Task[None] | None = None
        """The lane that runs it, which may be cancelled to stop it; None until it has started."""
        self.over = False
        """Its outcome is known; whatever comes after is not."""
        self.stop = ""
        """Why it is being stopped: timeout, cancel, release, lost."""
        self.timer: asyncio.TimerHandle | None = None
        self.context: JobContext | None = None
        self.fields: Mapping[str, Any] = NOTHING
        self.defaults: Mapping[str, Any] = NOTHING
        self.lines: list[tuple[float, str, str]] | None = None
        self.progress: tuple[float, str] | None = None

    def read(self) -> tuple[list[Any], dict[str, Any]]:
        """Take in what the payload says; returns args and kwargs. Raises InvalidPayload."""
        try:
            fields = json.loads(self.claim.payload)
            args, kwargs = fields.get("args", []), fields.get("kwargs", {})
            sound = type(fields["task_id"]) is str and type(args) is list and type(kwargs) is dict
            if not _NUMBERS.isdisjoint(fields):
                sound = sound and all(0 <= fields[name] < 1e10 for name in _NUMBERS & fields.keys())
            if sound:
                self.fields = fields
                return args, kwargs
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            pass
        raise InvalidPayload("the payload of this job is no job: another program wrote it, or it is damaged")

    def ended(self, kind: OutcomeKind, reason: str = "") -> Outcome:
        """It ended so, and there is nothing more to say."""
        return Outcome(self.claim.id, self.claim.token, kind, reason=reason)

    def completed(self, value: object) -> Outcome:
        """It returned `value`. Raises InvalidPayload for what cannot be a result."""
        claim = self.claim
        text = None if value is None else encode_result(value, str(self.fields.get("name", claim.id)))
        return Outcome(claim.id, claim.token, "completed", text)

    def halted(self) -> Outcome:
        """It was stopped, for the reason in `stop`."""
        if self.stop == "timeout":
            seconds = self.fields.get("timeout") or self.defaults.get("timeout") or 0.0
            return self.failed(JobTimeout(f"ran longer than its timeout of {seconds:g} s"))
        if self.stop == "cancel":
            return self.ended("cancelled", "cancelled while it ran")
        return self.ended("released")

    def failed(self, error: BaseException) -> Outcome:
        """To be tried again later, or failed for good when the retries are used up or cannot help."""
        claim = self.claim
        shown = JobError(type(error).__name__, _said(error), _trimmed(error))
        failures = claim.failures + 1
        retries = int(self._setting("max_retries", 3))
        reason = str(shown).partition("\n")[0][:300]
        # What is wrong with a payload or a result is wrong again next time, and a result means that it did run.
        if failures <= retries and not isinstance(error, InvalidPayload):
            delay = backoff_delay(float(self._setting("backoff", 1.5)), failures)
            return Outcome(claim.id, claim.token, "retry", encode_error(shown), f"retry: {reason}", delay)
        return Outcome(claim.id, claim.token, "failed", encode_error(shown), reason)

    def _setting(self, name: str, otherwise: float) -> Any:
        return self.fields.get(name, self.defaults.get(name, otherwise))


def _said(error: BaseException) -> str:
    """The text of an exception; one that cannot even say what it is must not harm the worker."""
    try:
        return str(error)
    except BaseException as trouble:
        return f"(its text cannot be shown: __str__ raised {type(trouble).__name__})"


def _trimmed(error: BaseException) -> str:
    """The traceback as text: our own frames are left out, the last twenty kept, no local variables."""
    if isinstance(error, JobTimeout | TaskError | InvalidPayload):
        return ""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename not in _OWN and not frame.filename.startswith(sys.base_prefix)
    ] or list(traceback.extract_tb(error.__traceback__))[-1:]
    return "".join(traceback.format_list(frames[-20:]))
