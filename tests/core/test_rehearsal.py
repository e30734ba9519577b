"""A dry run tells how a flow goes, and runs nothing."""

from __future__ import annotations

import pytest

from core import CycleError, FlowProducer, InMemoryBackend, Job, Worker
from core.errors import InvalidJob
from core.rehearsal import rehearse
from core.tasks import Registry


def report() -> list[Job]:
    """extract -> two, joined by load; an alarm that starts when something failed, a late job with a delay."""
    extract, left, right = Job("t.extract"), Job("t.left"), Job("t.right")
    left.depends_on = right.depends_on = [extract.id]
    load = Job("t.load", depends_on=[left.id, right.id])
    alarm = Job("t.alarm", depends_on=[load.id], trigger="one_failed")
    late = Job("t.late", depends_on=[load.id], trigger="all_done", delay=3600)
    return [extract, left, right, load, alarm, late]


def named(jobs: list[Job], ids: list[str]) -> list[str]:
    tasks = {job.id: job.task_id.removeprefix("t.") for job in jobs}
    return [tasks[each] for each in ids]


async def test_a_dry_run_tells_what_starts_together_and_what_never_does() -> None:
    jobs = report()
    found = await rehearse(jobs)
    assert [named(jobs, step) for step in found.steps] == [["extract"], ["left", "right"], ["load"], ["late"]]
    assert named(jobs, found.skipped) == ["alarm"]


async def test_a_dry_run_tells_what_a_failure_would_lead_to() -> None:
    jobs = report()
    found = await rehearse(jobs, failing=[jobs[1].id])
    # The alarm starts: what is skipped did not succeed.
    assert [named(jobs, step) for step in found.steps] == [
        ["extract"],
        ["left", "right"],
        ["alarm"],
        ["late"],
    ]
    assert named(jobs, found.skipped) == ["load"]


async def test_a_dry_run_ends_as_a_worker_ends_the_flow() -> None:
    registry = Registry()
    jobs = report()
    jobs[-1].delay = 0.0
    for job in jobs:
        registry.add(job.task_id, lambda: None)
    backend = InMemoryBackend()
    await FlowProducer(backend).add_flow("q", jobs)
    await Worker(backend, "q", registry=registry).run_until_idle()
    skipped = [record.id for record in await backend.list_jobs("skipped", "q")]
    assert skipped == (await rehearse(jobs)).skipped


async def test_a_dry_run_refuses_what_an_engine_refuses() -> None:
    first, second = Job("t"), Job("t")
    first.depends_on, second.depends_on = [second.id], [first.id]
    with pytest.raises(CycleError):
        await rehearse([first, second])
    with pytest.raises(InvalidJob, match="limit"):
        await rehearse([Job("t", args=["x" * 300_000])])


async def test_upstreams_of_other_flows_count_as_completed() -> None:
    job = Job("t", depends_on=["elsewhere"])
    assert (await rehearse([job])).steps == [[job.id]]
