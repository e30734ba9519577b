"""One queue as the screen knows it: counts, rates and spreads, never a list of jobs: a million cost what three do."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from core.events import Event
from core.jobs import JobState
from flowtui.rates import SECONDS_KEPT, Sampled, Series, Spread

RATE_SECONDS: Final = 10
"""Rates are means over this many whole seconds."""

TIMED: Final = 2000
"""Events a second of which the jobs are timed; of more, a half, a quarter, ... of the jobs are."""

_ACTIVE, _WAITING = JobState.ACTIVE, JobState.WAITING
_COMPLETED, _FAILED = JobState.COMPLETED, JobState.FAILED


class QueueBoard:
    """One queue: how many jobs in each state, how fast they move, how long they wait and run."""

    __slots__ = (
        "_active_since",
        "_added",
        "_done",
        "_failed",
        "_first",
        "_ready_since",
        "_second",
        "_timed",
        "_timings",
        "added",
        "counts",
        "depth",
        "done",
        "failed",
        "name",
        "paused",
        "run",
        "seq",
        "version",
        "wait",
    )

    def __init__(self, name: str, counts: Mapping[str, int], *, paused: bool = False, seq: int = 0) -> None:
        self.name = name
        self.counts: dict[str, int] = {**dict.fromkeys((state.value for state in JobState), 0), **counts}
        self.paused = paused
        self.seq = seq
        self.version = 0
        self.added, self.done, self.failed, self.depth = Series(), Series(), Series(), Series()
        self.wait, self.run = Spread(), Spread()
        self._ready_since, self._active_since = Sampled(), Sampled()
        self._first = 0  # the first second that was seen
        self._second = 0
        self._added = self._done = self._failed = self._timings = 0
        self._timed = 0  # jobs are timed whose hash has none of these bits

    def count(self, event: Event) -> None:
        """Take over one event that has not been counted yet."""
        seq, at, _, _, job_id, before, after, _, _, _ = event
        self.seq = seq
        self.version += 1
        second = int(at)
        if second > self._second:
            self.roll(second)
        counts = self.counts
        if before is None:
            self._added += 1
        else:
            counts[before] -= 1
        if after is not None:
            counts[after] += 1
            if after is _COMPLETED:
                self._done += 1
            elif after is _FAILED:
                self._failed += 1
        if not hash(job_id) & self._timed:
            self._time(job_id, at, before, after)

    def _time(self, job_id: str, at: float, before: JobState | None, after: JobState | None) -> None:
        """How long a job waited and ran."""
        self._timings += 1
        if before is _ACTIVE:
            lasted = self._active_since.end(job_id, at)
            if lasted is not None and (after is _COMPLETED or after is _FAILED):
                self.run.add(lasted, self._second)
        if after is _ACTIVE:
            self._active_since.begin(job_id, at)
            waited = self._ready_since.end(job_id, at)
            if waited is not None:
                self.wait.add(waited, self._second)
        elif after is _WAITING:
            self._ready_since.begin(job_id, at)

    def roll(self, second: int) -> None:
        """Close the running second: what was counted in it is now part of the rates."""
        if second <= self._second:
            return
        if self._second:
            self.added.put(self._second, self._added)
            self.done.put(self._second, self._done)
            self.failed.put(self._second, self._failed)
            ready = self.counts["waiting"]
            for passed in range(max(self._second, second - 300), second):
                self.depth.put(passed, ready)
        # Durations of so many jobs say as much as those of all: in a storm half of them, a quarter, ... are timed.
        if self._timings > TIMED * (second - self._second):
            self._timed = self._timed * 2 + 1
        elif self._timed and self._timings * 4 < TIMED * (second - self._second):
            self._timed >>= 1
        self._first = self._first or second
        self._second = second
        self._added = self._done = self._failed = self._timings = 0

    @property
    def total(self) -> int:
        """How many jobs it holds, in whatever state."""
        return sum(self.counts.values())

    @property
    def open(self) -> int:
        """How many jobs have not ended."""
        counts = self.counts
        return counts["waiting"] + counts["blocked"] + counts["delayed"] + counts["active"]

    def rate(self, now: int, seconds: int = RATE_SECONDS) -> float:
        """Jobs completed or failed per second, over the whole seconds before `now`."""
        return self.pace(self.done, now, seconds) + self.pace(self.failed, now, seconds)

    def pace(self, figures: Series, now: int, seconds: int = RATE_SECONDS) -> float:
        """The mean of `figures` of this queue over the whole seconds before `now`, as far as they were seen."""
        return sum(figures.last(seconds, now)) / self._seen(seconds, now)

    def _seen(self, seconds: int, now: int) -> int:
        """How many of the last `seconds` were seen at all: a queue is watched from some moment on."""
        return min(seconds, max(now - self._first, 1))

    def watched(self, now: int) -> str:
        """For how long the durations of this queue are known, in words."""
        whole = self._seen(SECONDS_KEPT, now) >= SECONDS_KEPT
        return "in the last five minutes" if whole else "since this is watched"

    def drain(self, now: int) -> float | None:
        """Seconds until nothing is open at the pace of the last minute; `inf` where it grows, None where idle.

        What is due later, or waits for that, ends by the clock and not by the pace.
        """
        if not self.counts["waiting"] + self.counts["active"]:
            return None
        net = (
            sum(self.done.last(60, now)) + sum(self.failed.last(60, now)) - sum(self.added.last(60, now))
        ) / self._seen(60, now)
        if net <= 0:
            grows = sum(self.added.last(60, now)) > 0
            return math.inf if grows or sum(self.done.last(60, now)) > 0 else None
        return self.open / net
