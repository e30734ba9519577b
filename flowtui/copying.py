"""A flow that was submitted, as a draft again: the editable copy of what cannot be changed any more. Pure."""

from __future__ import annotations

from core.backends.base import FlowSnapshot
from core.jobs import Job, JobRecord
from flowtui.draft import Draft


def draft_of(snapshot: FlowSnapshot) -> Draft:
    """The draft of a flow with all its jobs and links. Two jobs of one name get numbers, as a draft needs it."""
    inside = {job.id for job in snapshot.jobs}
    upstreams: dict[str, list[str]] = {}
    for upstream, downstream in snapshot.links:
        upstreams.setdefault(downstream, []).append(upstream)
    names: set[str] = set()
    jobs = []
    for record in snapshot.jobs:
        name = _free(record.name, names)
        names.add(name)
        earlier = [upstream for upstream in record.depends_on if upstream not in inside]
        jobs.append(_job(record, name, [*upstreams.get(record.id, []), *earlier]))
    flow = snapshot.flow
    return Draft.of(jobs, name=flow.name, queue=flow.queue)


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[:240]}-{number}"
    return free


def _job(record: JobRecord, name: str, depends_on: list[str]) -> Job:
    return Job(
        record.task_id,
        record.args,
        record.kwargs,
        depends_on,
        id=record.id,
        name=name,
        priority=record.priority,
        max_retries=record.max_retries,
        backoff=record.backoff,
        timeout=record.timeout,
        ttl=record.ttl,
        delay=record.delay,
        repeat_every=record.repeat_every,
        trigger=record.trigger,
        max_stalls=record.max_stalls,
        group=record.group,
    )
