"""A flow as an indented text tree: every job once, below the upstream that comes last before it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

DEEPEST = 60
"""Cells of branches before a name; what lies deeper is not indented further."""


class OutlineLine(NamedTuple):
    """A job's line: the branch drawn before its name, its level (0 runs first), and its other upstreams."""

    id: str
    branch: str
    level: int
    others: tuple[str, ...]


def outline(ids: Iterable[str], links: Sequence[tuple[str, str]]) -> list[OutlineLine]:
    """The lines from top to bottom, upstream above downstream. Links to unknown jobs are ignored."""
    known = dict.fromkeys(ids)
    upstreams: dict[str, list[str]] = {}
    downstreams: dict[str, list[str]] = {}
    for upstream, downstream in links:
        if upstream in known and downstream in known:
            upstreams.setdefault(downstream, []).append(upstream)
            downstreams.setdefault(upstream, []).append(downstream)
    levels = _levels(known, upstreams, downstreams)
    below: dict[str | None, list[str]] = {}
    for job_id in known:
        above = max(upstreams.get(job_id, ()), key=lambda name: levels[name], default=None)
        below.setdefault(above, []).append(job_id)
    lines: list[OutlineLine] = []
    roots = below.get(None, [])
    # (job, what is drawn before it, what is drawn before those below it, the upstream it hangs from)
    todo = [(job_id, "", "", None) for job_id in reversed(roots)]
    stack: list[tuple[str, str, str, str | None]] = list(todo)
    while stack:
        job_id, branch, under, above = stack.pop()
        others = tuple(name for name in upstreams.get(job_id, ()) if name != above)
        lines.append(OutlineLine(job_id, branch, levels[job_id], others))
        children = below.get(job_id, [])
        for index in range(len(children) - 1, -1, -1):
            last = index == len(children) - 1
            # A chain of thousands must not draw thousands of columns.
            under = under[-DEEPEST:]
            stack.append(
                (
                    children[index],
                    under + ("└─ " if last else "├─ "),
                    under + ("   " if last else "│  "),
                    job_id,
                )
            )
    return lines


def _levels(
    known: Mapping[str, None], upstreams: Mapping[str, list[str]], downstreams: Mapping[str, list[str]]
) -> dict[str, int]:
    """How many jobs the longest chain before each job has. Jobs on a cycle, which no flow has, stay at 0."""
    levels = dict.fromkeys(known, 0)
    waits = {job_id: len(upstreams.get(job_id, ())) for job_id in known}
    ready = [job_id for job_id, count in waits.items() if not count]
    while ready:
        job_id = ready.pop()
        for downstream in downstreams.get(job_id, ()):
            levels[downstream] = max(levels[downstream], levels[job_id] + 1)
            waits[downstream] -= 1
            if not waits[downstream]:
                ready.append(downstream)
    return levels
