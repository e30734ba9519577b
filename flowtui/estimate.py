"""How long a flow may take, from past runs of the same tasks. Pure, no textual."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median

from core.graph import topological_order
from core.jobs import JobRecord
from flowtui.draft import Draft


def typical(records: Iterable[JobRecord]) -> dict[str, float]:
    """The median runtime of each task, in seconds."""
    runs: dict[str, list[float]] = {}
    for record in records:
        if record.runtime is not None:
            runs.setdefault(record.task_id, []).append(record.runtime)
    return {task: median(times) for task, times in runs.items()}


def longest(draft: Draft, runtimes: Mapping[str, float]) -> tuple[float, int]:
    """Seconds of the slowest chain, delays included, and how many jobs have a task that never ran.

    That is with a worker for every job that is ready; with fewer it takes longer.
    """
    order = topological_order(draft.jobs, draft.links) or []
    ends: dict[str, float] = {}
    unknown = 0
    for key in order:
        job = draft.jobs[key]
        runtime = runtimes.get(job.task)
        unknown += runtime is None
        start = max((ends[up] for up in draft.upstream(key)), default=0.0)
        ends[key] = start + (job.delay or 0.0) + (runtime or 0.0)
    return max(ends.values(), default=0.0), unknown
