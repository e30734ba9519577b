"""A dry run: how a flow would go, found by running it in memory without calling its tasks."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from core.backends.base import Outcome
from core.flow import FlowProducer
from core.jobs import Job

_QUEUE = "rehearsal"


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would happen, as job ids in the order of the flow."""

    steps: list[list[str]]
    """Jobs that can start together, with enough workers and tasks that all take as long."""
    skipped: list[str]
    """Jobs that never start, because their trigger can no longer hold."""


async def rehearse(jobs: Sequence[Job], *, failing: Collection[str] = ()) -> Rehearsal:
    """Run a flow in memory, each task replaced by one that ends at once: well, or badly for the ids in `failing`.

    Everything that an engine checks is checked: the errors are those of `FlowProducer.add_flow`. Nothing is written
    anywhere. Delays pass at once; nothing expires. Upstreams outside of the flow are taken for completed.
    """
    from core.backends.memory import InMemoryBackend

    now = time.time()
    backend = InMemoryBackend(clock=lambda: now)
    own = {job.id for job in jobs}
    outside = list(dict.fromkeys(up for job in jobs for up in job.depends_on if up not in own))
    await backend.enqueue_many(_QUEUE, [Job("outside", id=up) for up in outside])
    claims = (await backend.turn(_QUEUE, "rehearsal", (), len(outside), 3600.0)).claims
    ended = [Outcome(claim.id, claim.token, "completed", "null") for claim in claims]
    await backend.turn(_QUEUE, "rehearsal", ended, 0, 3600.0)
    await FlowProducer(backend).add_flow(_QUEUE, list(jobs))
    steps: list[list[str]] = []
    ended = []
    while True:
        claims = (await backend.turn(_QUEUE, "rehearsal", ended, len(jobs), 3600.0)).claims
        ended = [
            Outcome(claim.id, claim.token, "failed", '{"type":"Rehearsed","message":"as asked"}')
            if claim.id in failing
            else Outcome(claim.id, claim.token, "completed", "null")
            for claim in claims
        ]
        if claims:
            steps.append([claim.id for claim in claims])
        elif delayed := await backend.list_jobs("delayed", _QUEUE, limit=len(jobs)):
            await backend.promote([record.id for record in delayed])
        else:
            break
    skipped = {record.id for record in await backend.list_jobs("skipped", _QUEUE, limit=len(jobs))}
    return Rehearsal(steps, [job.id for job in jobs if job.id in skipped])
