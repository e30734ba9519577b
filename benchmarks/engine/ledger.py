"""What the jobs themselves wrote down, held against what should have happened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Record = tuple[int, float, float]
"""Number of a job, start and end in seconds of one clock; written by the job, outside of any store."""


@dataclass(frozen=True)
class Faults:
    """Jobs that broke a rule; empty where all is well."""

    lost: tuple[int, ...] = ()
    """Never ran to the end."""
    double: tuple[int, ...] = ()
    """Ran more than once."""
    early: tuple[tuple[int, int], ...] = ()
    """(upstream, downstream): the downstream started before the upstream had ended."""
    unknown: tuple[int, ...] = ()
    """Ran, but were never added."""

    def __bool__(self) -> bool:
        return bool(self.lost or self.double or self.early or self.unknown)

    def __str__(self) -> str:
        parts = [
            f"{len(jobs)} {word}"
            for jobs, word in (
                (self.lost, "lost"),
                (self.double, "ran twice"),
                (self.early, "started too early"),
                (self.unknown, "that nobody added"),
            )
            if jobs
        ]
        return ", ".join(parts)


def check(records: Iterable[Record], upstreams: Sequence[Sequence[int]]) -> Faults:
    """Faults of a run of jobs 0, 1, ..., of which job i waits for `upstreams[i]`; jobs below 0 are warm-up.

    A downstream is early when its first start lies before the first end of an upstream, or when that never ran.
    """
    started: dict[int, float] = {}
    ended: dict[int, float] = {}
    runs: dict[int, int] = {}
    for index, start, end in records:
        if index >= 0:
            runs[index] = runs.get(index, 0) + 1
            started[index] = min(start, started.get(index, start))
            ended[index] = min(end, ended.get(index, end))
    jobs = range(len(upstreams))
    return Faults(
        lost=tuple(job for job in jobs if job not in runs),
        double=tuple(job for job in jobs if runs.get(job, 0) > 1),
        early=tuple(
            (up, job)
            for job in jobs
            if job in started
            for up in upstreams[job]
            if up not in ended or started[job] < ended[up]
        ),
        unknown=tuple(job for job in runs if job >= len(upstreams)),
    )
