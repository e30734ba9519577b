"""What happened: one `Event` for each change of a job's state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.jobs import JobState


class Event(NamedTuple):
    """A job's change of state, published with the change itself.

    seq      position in the queue's events: 1, 2, 3, ... without holes
    at       seconds since the epoch on the store's clock
    from_    the state it left; None when it was added
    to       the state it is in now; None when it was removed
    attempt  how often it has been started
    worker   who did it, where a worker did
    reason   a word or a sentence: "retry", "lease ran out", the error's first line; may be empty

    An event is absolute: applying it twice, or applying an old one before the newer ones, ends in the same state.
    """

    # A tuple, since a storm brings tens of thousands a second: a frozen dataclass takes four times as long to make.

    seq: int
    at: float
    queue: str
    flow_id: str | None
    job_id: str
    from_: JobState | None
    to: JobState | None
    attempt: int = 0
    worker: str | None = None
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The event as JSON-able values, with the keys of the contract (`from` included)."""
        return {
            "seq": self.seq,
            "at": self.at,
            "queue": self.queue,
            "flow_id": self.flow_id,
            "job_id": self.job_id,
            "from": self.from_,
            "to": self.to,
            "attempt": self.attempt,
            "worker": self.worker,
            "reason": self.reason,
        }


Position = int | Mapping[str, int] | None
"""Where to follow from: a seq for every queue, or one for each queue by name; None is from now on.

A queue that a mapping does not name is followed from its first kept event, so that a queue born later is not missed.
"""
