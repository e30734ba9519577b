"""FlowProducer: the examples of the reference page as they stand there, hooks, and stores without an atomic add."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from core import CycleError, FlowError, FlowProducer, InMemoryBackend, Job, Worker
from core.errors import InvalidFlow, PartialFlowError, Refused
from core.flow import FlowProducer as FromItsModule
from core.jobs import Job as FromJobs
from core.tasks import Registry


async def test_the_example_of_the_reference_page_runs_as_written() -> None:
    backend = InMemoryBackend()
    producer = FlowProducer(backend)
    job_a = Job(task_id="app.step_a", args=[1])
    job_b = Job(task_id="app.step_b", args=[2], depends_on=[job_a.id])
    job_c = Job(task_id="app.step_c", args=[3], depends_on=[job_a.id, job_b.id])
    ids = await producer.add_flow("pipeline", [job_a, job_b, job_c])
    assert ids == [job_a.id, job_b.id, job_c.id]
    assert (FromItsModule, FromJobs) == (FlowProducer, Job)


async def test_the_diamond_of_the_reference_page_waits_in_dependency_order() -> None:
    backend = InMemoryBackend()
    start = Job(task_id="app.start", args=[])
    branch1 = Job(task_id="app.process_a", depends_on=[start.id])
    branch2 = Job(task_id="app.process_b", depends_on=[start.id])
    join = Job(task_id="app.finalize", depends_on=[branch1.id, branch2.id])
    await FlowProducer(backend).add_flow("default", [start, branch1, branch2, join])
    waiting = [job.id for job in await backend.list_jobs("waiting")]
    assert waiting == [start.id, branch1.id, branch2.id, join.id]


async def test_an_assigned_hook_is_called_for_every_link_and_the_flow_still_runs_in_order() -> None:
    backend = InMemoryBackend()
    producer = FlowProducer(backend)
    seen = []

    async def my_add_deps(backend: Any, queue: str, job: Job) -> None:
        seen.append((queue, job.id))
        await backend.add_dependencies(queue, job.to_dict())

    producer._add_dependencies = my_add_deps
    assert not producer.atomic
    ran: list[str] = []
    registry = Registry()
    registry.add("note", ran.append)
    first = Job("note", ["first"])
    second = Job("note", ["second"], depends_on=[first.id])
    async with Worker(backend, ["q"], registry=registry) as worker:  # alive while the flow is added
        await producer.add_flow("q", [second, first])
        await worker.run_until_idle()
    assert seen == [("q", second.id)]
    assert ran == ["first", "second"]


async def test_a_hook_that_only_looks_changes_nothing() -> None:
    backend = InMemoryBackend()
    producer = FlowProducer(backend)

    async def audit(backend: Any, queue: str, job: Job) -> None:
        """Looks, and registers nothing."""

    producer._add_dependencies = audit
    first = Job("t")
    second = Job("t", depends_on=[first.id])
    await producer.add_flow("q", [first, second])
    assert (await backend.get_job(second.id)).state == "blocked"


class Minimal:
    """The least a foreign store does: no atomic add. It notes the order of calls and fails when told to."""

    def __init__(self, fail_at: str = "", keeps: bool = False) -> None:
        self.calls: list[tuple[str, str]] = []
        self.jobs: dict[str, Mapping[str, Any]] = {}
        self.fail_at, self.keeps = fail_at, keeps

    async def add_dependencies(self, queue: str, job: dict[str, Any]) -> None:
        self.calls.append(("link", job["id"]))

    async def enqueue(self, queue: str, job: dict[str, Any]) -> None:
        if job["id"] == self.fail_at:
            raise OSError("disk full")
        self.calls.append(("add", job["id"]))
        self.jobs[job["id"]] = job

    async def remove(self, job_id: str) -> dict[str, str]:
        if self.keeps:
            raise Refused("it runs already")
        self.jobs.pop(job_id, None)
        return {job_id: "removed"}


def _chain() -> list[Job]:
    a = Job("t", id="a")
    b = Job("t", id="b", depends_on=["a"])
    return [Job("t", id="c", depends_on=["b"]), b, a]


async def test_without_an_atomic_add_jobs_go_upstream_first_and_links_before_their_job() -> None:
    store = Minimal()
    assert await FlowProducer(store).add_flow("q", _chain()) == ["c", "b", "a"]
    assert store.calls == [("add", "a"), ("link", "b"), ("add", "b"), ("link", "c"), ("add", "c")]
    assert store.jobs["b"]["depends_on"] == ["a"]


async def test_a_sequential_add_that_fails_takes_back_what_it_added() -> None:
    store = Minimal(fail_at="c")
    with pytest.raises(OSError, match="disk full"):
        await FlowProducer(store).add_flow("q", _chain())
    assert store.jobs == {}


async def test_a_sequential_add_that_cannot_be_taken_back_says_what_is_left() -> None:
    store = Minimal(fail_at="c", keeps=True)
    with pytest.raises(PartialFlowError, match=r"disk full.*Remove these jobs") as caught:
        await FlowProducer(store).add_flow("q", _chain())
    assert caught.value.left == ("a", "b", "c")


async def test_an_error_inside_an_atomic_add_is_not_taken_for_a_missing_one() -> None:
    backend = InMemoryBackend()

    async def broken(*args: Any, **kwargs: Any) -> list[str]:
        raise AttributeError("a bug inside the store")

    backend.atomic_add_flow = broken  # type: ignore[method-assign]
    with pytest.raises(AttributeError, match="a bug inside"):
        await FlowProducer(backend).add_flow("q", _chain())
    assert await backend.list_jobs() == []


async def test_the_atomic_add_is_given_payloads_and_links() -> None:
    backend = InMemoryBackend()
    given: list[Any] = []

    async def watch(queue: str, payloads: Any, deps: Any, **more: Any) -> list[str]:
        given.append((queue, [payload["id"] for payload in payloads], list(deps), more))
        return []

    backend.atomic_add_flow = watch  # type: ignore[method-assign]
    await FlowProducer(backend).add_flow("q", _chain(), flow_id="f")
    assert given == [("q", ["c", "b", "a"], [("b", "c"), ("a", "b")], {"flow_id": "f"})]


async def test_a_cycle_is_named_by_the_names_of_its_jobs() -> None:
    load, clean, free = Job("t", name="load"), Job("t", name="clean"), Job("t", name="free")
    load.depends_on, clean.depends_on, free.depends_on = [clean.id], [load.id], [load.id]
    with pytest.raises(CycleError) as caught:
        await FlowProducer(InMemoryBackend()).add_flow("q", [free, load, clean])
    assert set(caught.value.path) == {"load", "clean"}
    assert caught.value.path[0] == caught.value.path[-1]


async def test_a_cycle_of_a_hundred_thousand_jobs_is_refused_with_a_short_message() -> None:
    jobs = [Job("t", name="same") for _ in range(100_000)]
    for before, after in zip(jobs, jobs[1:] + jobs[:1], strict=True):
        after.depends_on = [before.id]
    with pytest.raises(CycleError) as caught:
        await FlowProducer(InMemoryBackend()).add_flow("q", jobs)
    assert len(str(caught.value)) < 1000
    assert len(caught.value.path) == 100_001


async def test_every_error_of_a_flow_is_a_flow_error() -> None:
    for jobs in ([], [Job("t", depends_on=["nobody"])], [Job("t", id="x"), Job("t", id="x")]):
        with pytest.raises(FlowError):
            await FlowProducer(InMemoryBackend()).add_flow("q", jobs)
    with pytest.raises(InvalidFlow, match="one line"):
        await FlowProducer(InMemoryBackend()).add_flow("q", [Job("t")], name="two\nlines")
