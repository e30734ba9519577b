"""What a word of the command line means: a flow or a job by its id or the start of it, queues by a pattern."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from flowtui.cli.common import fail

if TYPE_CHECKING:
    from core.backends.base import Backend
    from core.jobs import FlowRecord, JobRecord

_SEARCHABLE: Final = re.compile(r"[A-Za-z0-9_.\-]+")
_LOOK: Final = 1000
"""Jobs that the store looks through in one question."""


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Whether a queue is meant; without patterns all are."""
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)


async def find_queues(backend: Backend, pattern: str | None) -> list[str | None]:
    """The queues to ask, one after the other: `[None]` is all of them at once."""
    if pattern is None or not set(pattern) & set("*?["):
        return [pattern]
    return [name for name in await backend.queues() if matches(name, [pattern])]


async def find_flow(backend: Backend, flow_id: str, queue: str | None = None) -> FlowRecord:
    """The flow of this id, or the only one whose id starts so."""
    from core.errors import NotFound

    try:
        return await backend.get_flow(flow_id, queue=queue)
    except NotFound:
        flows = await backend.list_flows(queue, limit=1000)
        matching = [flow for flow in flows if flow.id.startswith(flow_id)]
        if len(matching) == 1:
            return matching[0]
        if matching:
            raise fail(f"{len(matching)} flows start with '{flow_id}'; give more of the id") from None
        raise


async def find_job(backend: Backend, job_id: str, queue: str | None = None) -> JobRecord:
    """The job of this id, or the only one whose id starts so: screens show the first eight letters."""
    from core.errors import NotFound

    try:
        return await backend.get_job(job_id, queue=queue)
    except NotFound:
        matching = await _starting_with(backend, job_id, queue)
        if len(matching) == 1:
            return next(iter(matching.values()))
        if matching:
            raise fail(f"several jobs start with '{job_id}'; give more of the id") from None
        raise


async def _starting_with(backend: Backend, job_id: str, queue: str | None) -> dict[str, JobRecord]:
    """Jobs whose id starts so; no more than two are looked for."""
    from core.backends.base import Clue

    found: dict[str, JobRecord] = {}
    if not _SEARCHABLE.fullmatch(job_id):
        return found
    offset = 0
    while len(found) < 2:
        clues = [Clue("text", (job_id.lower(),))]
        scan = await backend.scan_jobs(clues, None, queue, offset=offset, look=_LOOK)
        found.update((job.id, job) for job in scan.jobs if job.id.startswith(job_id))
        offset += scan.looked
        if scan.ended:
            break
    return found
