"""The worker: what becomes of jobs, tasks, threads, processes, leases and lost connections while it runs them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
from servers import KINDS, Server, fresh, server, valkey_binary

from core.attempt import backoff_delay
from core.backends.memory import InMemoryBackend
from core.backends.redis import RedisBackend
from core.errors import BackendUnavailable, NotFound
from core.flow import FlowProducer
from core.jobs import Job, JobRecord, JobState
from core.references import result_of
from core.tasks import JobContext, Registry
from core.worker import Worker

PROGRAM = Path(__file__).with_name("worker_program.py")
STORES = [kind for kind in KINDS if kind != "cluster"]
SERVERS = [kind for kind in STORES if kind != "memory"]


@pytest.fixture(params=STORES)
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """An empty store of each kind."""
    made: Any
    if request.param == "memory":
        made = InMemoryBackend()
    else:
        where = server(request.param)
        where.flush()
        made = RedisBackend(where.url)
    yield made
    await made.close()


@pytest.fixture(params=SERVERS)
async def stored(request: pytest.FixtureRequest) -> AsyncIterator[RedisBackend]:
    """An empty store on each kind of server."""
    where = server(request.param)
    where.flush()
    made = RedisBackend(where.url)
    yield made
    await made.close()


@pytest.fixture
def tasks() -> Registry:
    """A registry of the test's own."""
    return Registry()


def worker_of(backend: Any, tasks: Registry, queues: Any = "q", **options: Any) -> Worker:
    """A worker with short times."""
    options = {"lease": 5.0, "scan_interval": 0.2, "grace": 2.0, **options}
    return Worker(backend, queues, registry=tasks, **options)


async def idle(backend: Any, tasks: Registry, queues: Any = "q", **options: Any) -> None:
    """Run everything there is; a worker that never becomes idle fails the test."""
    await asyncio.wait_for(worker_of(backend, tasks, queues, **options).run_until_idle(), 20)


async def until(true: Callable[[], Any], what: str, seconds: float = 15.0) -> None:
    """Wait for `true()`, a plain or an async predicate."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = true()
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{what} did not happen within {seconds:g} s")


async def state(backend: Any, job: Job) -> JobState:
    """Where the job is."""
    return (await record(backend, job)).state


async def record(backend: Any, job: Job) -> JobRecord:
    """The job as the store knows it."""
    found: JobRecord = await backend.get_job(job.id)
    return found


# ------------------------------------------------------------------------------------------ order, results, arguments


async def test_a_diamond_runs_in_order_and_each_job_once(backend: Any, tasks: Registry) -> None:
    """Every start comes after the ends of all upstreams."""
    seen: list[tuple[str, str]] = []

    async def step(name: str) -> str:
        seen.append(("start", name))
        await asyncio.sleep(0.01)
        seen.append(("end", name))
        return name

    tasks.add("step", step)
    a = Job("step", ["a"])
    b = Job("step", ["b"], depends_on=[a.id])
    c = Job("step", ["c"], depends_on=[a.id])
    d = Job("step", ["d"], depends_on=[b.id, c.id])
    await FlowProducer(backend).add_flow("q", [d, c, b, a])
    await idle(backend, tasks)
    assert len(seen) == 8
    assert seen[:2] == [("start", "a"), ("end", "a")]
    assert seen[-2:] == [("start", "d"), ("end", "d")]
    assert [(await record(backend, job)).attempts for job in (a, b, c, d)] == [1, 1, 1, 1]
    assert (await record(backend, d)).result == "d"


async def test_a_task_reads_results_by_name_and_by_id_in_the_loop_and_in_a_thread(
    backend: Any, tasks: Registry
) -> None:
    """The same answers in both places; an unknown name says which are known."""
    a = Job("give", [{"rows": [1, 2]}], name="extract")
    b = Job("give", [None], name="nothing")

    async def give(value: Any) -> Any:
        return value

    async def in_loop() -> Any:
        context = JobContext.current()
        with pytest.raises(NotFound, match="extract"):
            await context.result("other")
        return [await context.result("extract"), await context.result(a.id), await context.result("nothing")]

    def in_thread() -> Any:
        context = JobContext.current()
        return [context.result_sync("extract"), sorted(context.results_sync())]

    for call in (give, in_loop, in_thread):
        tasks.add(call.__name__, call)
    c = Job("in_loop", depends_on=[a.id, b.id], max_retries=0)
    d = Job("in_thread", depends_on=[a.id, b.id], max_retries=0)
    await FlowProducer(backend).add_flow("q", [a, b, c, d])
    await idle(backend, tasks)
    assert (await record(backend, c)).result == [{"rows": [1, 2]}, {"rows": [1, 2]}, None]
    assert (await record(backend, d)).result == [{"rows": [1, 2]}, sorted([a.id, b.id, "extract", "nothing"])]


async def test_references_in_arguments_become_results(backend: Any, tasks: Registry) -> None:
    """Whole, by path, nested, and null for an upstream that did not complete."""

    async def give() -> dict[str, Any]:
        return {"rows": [10, 20]}

    async def fail() -> None:
        raise ValueError("no")

    async def show(*args: Any, **kwargs: Any) -> Any:
        return [list(args), kwargs]

    for call in (give, fail, show):
        tasks.add(call.__name__, call)
    a, bad = Job("give"), Job("fail", max_retries=0)
    b = Job(
        "show",
        [result_of(a), {"deep": [result_of(a, "rows", 1)]}, {"$result": "someone-else"}],
        {"none": result_of(bad)},
        depends_on=[a.id, bad.id],
        trigger="all_done",
    )
    await FlowProducer(backend).add_flow("q", [a, bad, b])
    await idle(backend, tasks)
    assert (await record(backend, b)).result == [
        [{"rows": [10, 20]}, {"deep": [20]}, {"$result": "someone-else"}],
        {"none": None},
    ]


async def test_a_reference_that_leads_nowhere_fails_the_job_and_says_where(
    backend: Any, tasks: Registry
) -> None:
    """Not the worker."""

    async def give() -> dict[str, int]:
        return {"a": 1}

    tasks.add("give", give)
    a = Job("give")
    b = Job("give", [result_of(a, "b", 3)], depends_on=[a.id], max_retries=0)
    await FlowProducer(backend).add_flow("q", [a, b])
    await idle(backend, tasks)
    found = await record(backend, b)
    assert found.state == "failed"
    assert found.error is not None
    assert "b" in found.error.message


# ------------------------------------------------------------------------------------------ failures


def test_backoff_grows_is_spread_and_is_capped() -> None:
    """Between a half and the whole of base ** failures, at most an hour, also for absurd numbers."""
    for failures in range(1, 6):
        delays = [backoff_delay(2.0, failures) for _ in range(200)]
        assert 2.0**failures / 2 <= min(delays) < max(delays) <= 2.0**failures
    assert backoff_delay(10.0, 100_000) <= 3600
    assert backoff_delay(0, 3) == 0


async def test_a_failing_job_is_tried_again_after_its_backoff(backend: Any, tasks: Registry) -> None:
    """Twice it fails, then it completes; the error of the past is gone."""
    starts: list[float] = []

    async def flaky() -> int:
        starts.append(time.monotonic())
        if len(starts) < 3:
            raise ValueError(f"attempt {JobContext.current().attempt}")
        return JobContext.current().attempt

    tasks.add("flaky", flaky)
    job = Job("flaky", backoff=0.4)
    await backend.enqueue("q", job)
    await idle(backend, tasks)
    found = await record(backend, job)
    assert (found.state, found.result, found.attempts, found.error) == ("completed", 3, 3, None)
    assert starts[1] - starts[0] >= 0.4 / 2
    assert starts[2] - starts[1] >= 0.16 / 2


async def test_a_job_whose_retries_are_used_up_fails_with_its_last_error(
    backend: Any, tasks: Registry
) -> None:
    """The error names type and message, and the traceback shows the task's line, not the worker's."""
    runs: list[int] = []

    def bad() -> None:
        runs.append(JobContext.current().attempt)
        raise ValueError("it is broken")

    tasks.add("bad", bad)
    job = Job("bad", max_retries=2, backoff=0.01)
    below = Job("bad", depends_on=[job.id])
    await FlowProducer(backend).add_flow("q", [job, below])
    await idle(backend, tasks)
    found = await record(backend, job)
    assert runs == [1, 2, 3]
    assert found.state == "failed"
    assert found.error is not None
    assert (found.error.type, found.error.message) == ("ValueError", "it is broken")
    assert "in bad" in found.error.traceback
    assert "worker.py" not in found.error.traceback.replace("test_worker.py", "")
    assert await state(backend, below) == "skipped"


@pytest.mark.parametrize("value", [object(), {1: 2}, {"x": float("nan")}, "x" * 300_000, b"bytes", 2**70])
async def test_a_result_that_is_not_json_fails_the_job_without_running_it_again(
    backend: Any, tasks: Registry, value: Any
) -> None:
    """It did run: to run it again would repeat its effects."""
    runs = []

    async def odd() -> Any:
        runs.append(1)
        return value

    tasks.add("odd", odd)
    job = Job("odd", name="oddity")
    await backend.enqueue("q", job)
    await idle(backend, tasks)
    found = await record(backend, job)
    assert len(runs) == 1
    assert found.state == "failed"
    assert found.error is not None
    assert "oddity" in found.error.message


async def test_a_task_that_ends_the_program_fails_like_any_other(backend: Any, tasks: Registry) -> None:
    """sys.exit and a CancelledError of its own making are failures of the job, not the end of the worker."""

    async def leave() -> None:
        sys.exit(3)

    async def give_up() -> None:
        raise asyncio.CancelledError

    async def fine() -> str:
        return "fine"

    for call in (leave, give_up, fine):
        tasks.add(call.__name__, call)
    jobs = [Job("leave", max_retries=0), Job("give_up", max_retries=0), Job("fine")]
    await backend.enqueue_many("q", jobs)
    await idle(backend, tasks, concurrency=1)
    found = [await record(backend, job) for job in jobs]
    assert [each.state for each in found] == ["failed", "failed", "completed"]
    assert found[0].error is not None
    assert found[0].error.type == "SystemExit"


async def test_wrong_arguments_fail_the_job(backend: Any, tasks: Registry) -> None:
    """With Python's own sentence."""

    async def one(a: int) -> None: ...

    tasks.add("one", one)
    job = Job("one", [1, 2], max_retries=0)
    await backend.enqueue("q", job)
    await idle(backend, tasks)
    found = await record(backend, job)
    assert found.state == "failed"
    assert found.error is not None
    assert "takes 1 positional argument" in found.error.message


# ------------------------------------------------------------------------------------------ timeouts and cancelling


async def test_a_task_in_the_loop_that_runs_too_long_is_cancelled(backend: Any, tasks: Registry) -> None:
    """It can clean up; the error is a JobTimeout that names the limit; other jobs of the lane are not harmed."""
    cleaned = []

    async def slow() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            cleaned.append(1)

    async def fine() -> None:
        async with asyncio.timeout(5):
            await asyncio.sleep(0.01)

    tasks.add("slow", slow)
    tasks.add("fine", fine)
    job, after = Job("slow", timeout=0.2, max_retries=0), Job("fine", max_retries=0)
    await backend.enqueue_many("q", [job, after])
    started = time.monotonic()
    await idle(backend, tasks, concurrency=1)
    found = await record(backend, job)
    assert (found.state, cleaned) == ("failed", [1])
    assert found.error is not None
    assert found.error.type == "JobTimeout"
    assert "0.2 s" in found.error.message
    assert time.monotonic() - started < 10
    assert await state(backend, after) == "completed"


async def test_a_task_in_a_thread_that_runs_too_long_sees_that_it_is_to_stop(
    backend: Any, tasks: Registry
) -> None:
    """The job has failed at once; the thread finds `cancelled` set."""
    saw = threading.Event()

    def slow() -> None:
        context = JobContext.current()
        for _ in range(500):
            if context.cancelled:
                saw.set()
                return
            time.sleep(0.01)

    tasks.add("slow", slow)
    job = Job("slow", timeout=0.2, max_retries=0)
    await backend.enqueue("q", job)
    await idle(backend, tasks)
    found = await record(backend, job)
    assert found.state == "failed"
    assert found.error is not None
    assert found.error.type == "JobTimeout"
    assert await asyncio.to_thread(saw.wait, 5)


async def test_a_default_timeout_of_the_task_holds_and_the_jobs_own_wins(
    backend: Any, tasks: Registry
) -> None:
    """As @task(timeout=...) says."""

    async def slow() -> None:
        await asyncio.sleep(0.6)

    tasks.add("slow", slow, timeout=0.1, max_retries=0)
    short, long = Job("slow"), Job("slow", timeout=10)
    await backend.enqueue_many("q", [short, long])
    await idle(backend, tasks)
    assert (await state(backend, short), await state(backend, long)) == ("failed", "completed")


async def test_cancelling_a_running_task_cancels_it_in_the_loop_and_tells_its_thread(
    backend: Any, tasks: Registry
) -> None:
    """Within a renewal; downstream is skipped."""
    told: list[str] = []
    started = threading.Semaphore(0)

    async def in_loop() -> None:
        started.release()
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            told.append("loop")
            raise

    def in_thread() -> None:
        started.release()
        context = JobContext.current()
        for _ in range(1000):
            if context.cancelled:
                told.append("thread")
                return
            time.sleep(0.01)

    tasks.add("in_loop", in_loop)
    tasks.add("in_thread", in_thread)
    a, b = Job("in_loop"), Job("in_thread")
    below = Job("in_loop", depends_on=[a.id])
    await FlowProducer(backend).add_flow("q", [a, b, below])
    async with worker_of(backend, tasks, lease=0.6):
        for _ in range(2):
            assert await asyncio.to_thread(started.acquire, True, 5)
        assert set((await backend.cancel([a.id, b.id])).values()) == {"cancelling"}
        await until(lambda: len(told) == 2, "both were told")
        await until(lambda: _all_in(backend, [a, b], "cancelled"), "both are cancelled")
    assert sorted(told) == ["loop", "thread"]
    assert await state(backend, below) == "skipped"


async def _all_in(backend: Any, jobs: list[Job], word: str) -> bool:
    return all([await state(backend, job) == word for job in jobs])


async def test_a_task_that_turns_its_cancellation_into_another_end_leaves_its_lane_sound(
    backend: Any, tasks: Registry
) -> None:
    """What it makes of it counts for it alone; the next job of the same lane is not taken for cancelled."""

    async def stubborn(how: str) -> str:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            if how == "raise":
                raise RuntimeError("cleaning up went wrong") from None
        return "done anyway"

    async def after() -> int:
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    tasks.add("stubborn", stubborn)
    tasks.add("after", after)
    first, second = Job("after"), Job("after")
    jobs = [
        Job("stubborn", ["raise"], timeout=0.1, max_retries=0),
        first,
        Job("stubborn", ["return"], timeout=0.1, max_retries=0),
        second,
    ]
    await backend.enqueue_many("q", jobs)
    await idle(backend, tasks, concurrency=1)
    assert await state(backend, jobs[0]) == "failed"
    assert (await state(backend, jobs[2])) in ("completed", "failed")
    assert (await record(backend, first)).result == 0
    assert (await record(backend, second)).result == 0


async def test_a_thread_that_never_ends_takes_no_slot_from_others(backend: Any, tasks: Registry) -> None:
    """Its job has timed out; the next plain function runs, with one slot."""
    release = threading.Event()

    def stuck() -> None:
        release.wait(60)

    def fine() -> str:
        return "fine"

    tasks.add("stuck", stuck)
    tasks.add("fine", fine)
    jobs = [Job("stuck", timeout=0.1, max_retries=0), Job("fine")]
    await backend.enqueue_many("q", jobs)
    try:
        await idle(backend, tasks, concurrency=1)
        assert [await state(backend, job) for job in jobs] == ["failed", "completed"]
    finally:
        release.set()


# ------------------------------------------------------------------------------------------ stopping


async def test_a_graceful_stop_lets_jobs_finish_and_hands_the_rest_back(
    backend: Any, tasks: Registry
) -> None:
    """The short one completes; the long one waits again at once, its attempt not counted."""
    started = asyncio.Semaphore(0)

    async def nap(seconds: float) -> None:
        started.release()
        await asyncio.sleep(seconds)

    tasks.add("nap", nap)
    short, long, untouched = Job("nap", [0.3]), Job("nap", [60]), Job("nap", [0.1])
    await backend.enqueue_many("q", [short, long, untouched])
    worker = worker_of(backend, tasks, concurrency=2, grace=0.8)
    await worker.start()
    for _ in range(2):
        await asyncio.wait_for(started.acquire(), 5)
    assert await worker.stop() is False
    assert await state(backend, short) == "completed"
    found = await record(backend, long)
    assert (found.state, found.attempts, found.stalls) == ("waiting", 0, 0)
    assert await state(backend, untouched) == "waiting"


async def test_a_task_that_refuses_to_stop_does_not_hold_up_the_worker(backend: Any, tasks: Registry) -> None:
    """In the loop or in a thread: its job is handed back, its end is not heard, the worker ends."""
    started = threading.Semaphore(0)
    release = threading.Event()

    async def deaf() -> None:
        started.release()
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)

    def deaf_thread() -> None:
        started.release()
        release.wait(30)

    tasks.add("deaf", deaf)
    tasks.add("deaf_thread", deaf_thread)
    jobs = [Job("deaf"), Job("deaf_thread")]
    await backend.enqueue_many("q", jobs)
    worker = worker_of(backend, tasks)
    await worker.start()
    for _ in jobs:
        assert await asyncio.to_thread(started.acquire, True, 5)
    try:
        assert await asyncio.wait_for(worker.stop(grace=0.1), 15) is False
        for job in jobs:
            found = await record(backend, job)
            assert (found.state, found.attempts) == ("waiting", 0)
    finally:
        release.set()


async def test_a_stopped_worker_leaves_no_task_no_thread_and_no_registration(
    backend: Any, tasks: Registry
) -> None:
    """As many as before."""

    async def fine() -> None: ...

    def fine_thread() -> None: ...

    tasks.add("fine", fine)
    tasks.add("fine_thread", fine_thread)
    await backend.enqueue_many("q", [Job("fine"), Job("fine_thread")])
    before = asyncio.all_tasks()
    worker = worker_of(backend, tasks)
    await asyncio.wait_for(worker.run_until_idle(), 20)
    await until(lambda: not [t for t in threading.enumerate() if t.name.startswith(worker.id)], "threads end")
    assert asyncio.all_tasks() <= before
    assert (await backend.overview(["q"])).workers == []


# ------------------------------------------------------------------------------------------ becoming idle


async def test_an_empty_queue_is_idle_at_once(backend: Any, tasks: Registry) -> None:
    """Also several that do not exist yet."""
    started = time.monotonic()
    await idle(backend, tasks, ["q", "r", "s"])
    assert time.monotonic() - started < 5


async def test_a_paused_queue_is_idle(backend: Any, tasks: Registry) -> None:
    """What waits there waits for the operator."""

    async def fine() -> None: ...

    tasks.add("fine", fine)
    job, other = Job("fine"), Job("fine")
    await backend.enqueue("q", job)
    await backend.enqueue("r", other)
    await backend.pause("q")
    await idle(backend, tasks, ["q", "r"])
    assert (await state(backend, job), await state(backend, other)) == ("waiting", "completed")
    await backend.resume("q")
    await idle(backend, tasks)
    assert await state(backend, job) == "completed"


async def test_jobs_that_only_another_worker_knows_do_not_keep_a_worker_busy(
    backend: Any, tasks: Registry
) -> None:
    """They wait, their attempts not counted, until one comes that knows them."""
    other = Registry()

    async def fine() -> str:
        return "fine"

    tasks.add("here", fine)
    other.add("there", fine)
    theirs = [Job("there") for _ in range(120)]
    mine = Job("here")
    await backend.enqueue_many("q", [*theirs, mine])
    await idle(backend, tasks, concurrency=10)
    assert await state(backend, mine) == "completed"
    for job in (theirs[0], theirs[-1]):
        found = await record(backend, job)
        assert (found.state, found.attempts, found.stalls) == ("waiting", 0, 0)
    await idle(backend, other, concurrency=10)
    assert (await backend.counts("q"))["completed"] == 121


async def test_a_job_parked_for_an_unknown_task_is_taken_by_a_worker_that_runs_already(
    backend: Any, tasks: Registry
) -> None:
    """It need not be started anew."""
    other = Registry()

    async def fine() -> None: ...

    tasks.add("here", fine)
    other.add("there", fine)
    job = Job("there")
    async with worker_of(backend, tasks):
        await backend.enqueue("q", job)
        await asyncio.sleep(0.3)
        async with worker_of(backend, other):
            await until(lambda: _all_in(backend, [job], "completed"), "the other worker took it")


async def test_a_delayed_job_is_waited_for_and_a_repeating_one_is_not(backend: Any, tasks: Registry) -> None:
    """Between two ticks a queue is idle."""
    runs: list[float] = []

    async def tick() -> None:
        runs.append(time.monotonic())

    tasks.add("tick", tick)
    delayed = Job("tick", delay=0.4)
    await backend.enqueue("q", delayed)
    begun = time.monotonic()
    await idle(backend, tasks)
    assert len(runs) == 1
    assert runs[0] - begun >= 0.35
    await backend.enqueue("q", Job("tick", repeat_every=60))
    await idle(backend, tasks)
    assert len(runs) == 2


async def test_retries_are_waited_for(backend: Any, tasks: Registry) -> None:
    """Idle means that nothing will run by itself any more."""
    runs = []

    async def flaky() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise ValueError("again")

    tasks.add("flaky", flaky)
    await backend.enqueue("q", Job("flaky", backoff=0.2))
    await idle(backend, tasks)
    assert len(runs) == 3


# ------------------------------------------------------------------------------------------ many queues, many jobs


async def test_several_queues_share_the_slots(backend: Any, tasks: Registry) -> None:
    """A long queue does not starve a short one that comes later."""
    order: list[str] = []

    async def step(queue: str) -> None:
        order.append(queue)
        await asyncio.sleep(0.005)

    tasks.add("step", step)
    await backend.enqueue_many("long", [Job("step", ["long"]) for _ in range(300)])
    await backend.enqueue_many("short", [Job("step", ["short"]) for _ in range(20)])
    await idle(backend, tasks, ["long", "short"], concurrency=4)
    assert order.count("long") == 300
    assert order.count("short") == 20
    last_short = max(i for i, name in enumerate(order) if name == "short")
    assert last_short < 250, f"the short queue had to wait for {last_short} jobs"


async def test_a_worker_never_runs_more_at_once_than_it_has_slots(backend: Any, tasks: Registry) -> None:
    """Over two queues, with tasks in the loop and in threads."""
    now, most = 0, 0
    lock = threading.Lock()

    def change(by: int) -> None:
        nonlocal now, most
        with lock:
            now += by
            most = max(most, now)

    async def in_loop() -> None:
        change(1)
        await asyncio.sleep(0.002)
        change(-1)

    def in_thread() -> None:
        change(1)
        time.sleep(0.002)
        change(-1)

    tasks.add("in_loop", in_loop)
    tasks.add("in_thread", in_thread)
    for queue in ("q", "r"):
        jobs = [Job("in_loop" if i % 2 else "in_thread") for i in range(100)]
        await backend.enqueue_many(queue, jobs)
    await idle(backend, tasks, ["q", "r"], concurrency=7)
    assert (now, most) == (0, 7)


async def test_two_workers_share_the_work_and_no_job_runs_twice(backend: Any, tasks: Registry) -> None:
    """A layered flow with joins, on both at once."""
    runs: list[str] = []

    async def step() -> None:
        runs.append(JobContext.current().job_id)
        await asyncio.sleep(0.001)

    tasks.add("step", step)
    layers = [[Job("step") for _ in range(20)]]
    for _ in range(5):
        layers.append([Job("step", depends_on=[up.id for up in layers[-1]]) for _ in range(20)])
    flow = [job for layer in layers for job in layer]
    await FlowProducer(backend).add_flow("q", flow)
    await asyncio.gather(*(idle(backend, tasks, concurrency=10) for _ in range(2)))
    assert sorted(runs) == sorted(job.id for job in flow)
    assert (await backend.counts("q"))["completed"] == 120


async def test_priorities_rule_and_equals_keep_their_order(backend: Any, tasks: Registry) -> None:
    """With one slot the order of starts is the order of priority, then of submission."""
    order: list[int] = []

    async def step(n: int) -> None:
        order.append(n)

    tasks.add("step", step)
    await backend.enqueue_many("q", [Job("step", [n], priority=9 - n % 3) for n in range(12)])
    await idle(backend, tasks, concurrency=1)
    assert order == [2, 5, 8, 11, 1, 4, 7, 10, 0, 3, 6, 9]


# ------------------------------------------------------------------------------------------ what tasks see and say

_colour: ContextVar[str] = ContextVar("colour", default="none")


async def test_context_variables_do_not_leak_from_job_to_job(backend: Any, tasks: Registry) -> None:
    """In the loop, and in threads, which are used again."""
    seen: list[str] = []

    async def in_loop(value: str) -> None:
        seen.append(_colour.get())
        _colour.set(value)

    def in_thread(value: str) -> None:
        seen.append(_colour.get())
        _colour.set(value)

    tasks.add("in_loop", in_loop)
    tasks.add("in_thread", in_thread)
    jobs = [Job("in_loop" if i % 2 else "in_thread", [str(i)]) for i in range(40)]
    await backend.enqueue_many("q", jobs)
    await idle(backend, tasks, concurrency=2)
    assert seen == ["none"] * 40


async def test_logging_context_log_and_progress_reach_the_job(backend: Any, tasks: Registry) -> None:
    """From the loop and from a thread, with levels, in order; not what other code logs."""
    logger = logging.getLogger("my.app")
    logger.setLevel(logging.INFO)

    async def in_loop() -> None:
        logger.info("hello %s", "loop")
        JobContext.current().log("two\nlines", "WARNING")
        JobContext.current().progress(0.5, "half")

    def in_thread() -> None:
        logger.warning("hello thread")
        JobContext.current().progress(7.0)

    tasks.add("in_loop", in_loop)
    tasks.add("in_thread", in_thread)
    a, b = Job("in_loop"), Job("in_thread")
    await backend.enqueue_many("q", [a, b])
    logger.info("outside")
    await idle(backend, tasks)
    assert [(line.index, line.level, line.text) for line in await backend.log(a.id)] == [
        (0, "INFO", "hello loop"),
        (1, "WARNING", "two"),
        (2, "WARNING", "lines"),
    ]
    assert [line.text for line in await backend.log(b.id)] == ["hello thread"]
    found = await record(backend, a)
    assert (found.progress, found.progress_note) == (0.5, "half")
    assert (await record(backend, b)).progress == 1.0


async def test_a_flood_of_log_lines_keeps_the_newest(backend: Any, tasks: Registry) -> None:
    """Bounded, and the worker is not held up."""

    def flood() -> None:
        context = JobContext.current()
        for i in range(20_000):
            context.log(f"line {i}")

    tasks.add("flood", flood)
    job = Job("flood")
    await backend.enqueue("q", job)
    await idle(backend, tasks)
    lines = await backend.log(job.id, limit=5000)
    assert len(lines) <= 1000
    assert lines[-1].text == "line 19999"


async def test_progress_is_seen_while_the_job_runs(backend: Any, tasks: Registry) -> None:
    """Not only at its end."""
    go = asyncio.Event()

    async def slow() -> None:
        JobContext.current().progress(0.25, "a quarter")
        JobContext.current().log("working")
        await go.wait()

    tasks.add("slow", slow)
    job = Job("slow")
    await backend.enqueue("q", job)
    async with worker_of(backend, tasks):

        async def shown() -> bool:
            found = await record(backend, job)
            return found.progress == 0.25 and bool(await backend.log(job.id))

        await until(shown, "progress and log")
        go.set()
        await until(lambda: _all_in(backend, [job], "completed"), "the end")


# ------------------------------------------------------------------------------------------ leases


async def test_a_task_that_blocks_the_loop_keeps_its_lease(backend: Any, tasks: Registry) -> None:
    """For three times the lease, with a second worker waiting for it: one run."""
    runs = []

    async def block() -> None:
        runs.append(1)
        time.sleep(3 * 0.8)  # noqa: ASYNC251 - to block the loop is the point

    tasks.add("block", block)
    job = Job("block")
    await backend.enqueue("q", job)
    async with worker_of(backend, tasks, lease=0.8):
        rival = threading.Thread(target=lambda: asyncio.run(_rival(backend, tasks)))
        if not isinstance(backend, InMemoryBackend):
            rival.start()
        await until(lambda: _all_in(backend, [job], "completed"), "the end")
        if rival.ident:
            await asyncio.to_thread(rival.join, 20)
    found = await record(backend, job)
    assert (len(runs), found.attempts, found.stalls) == (1, 1, 0)


async def _rival(backend: Any, tasks: Registry) -> None:
    own = RedisBackend(backend.url)
    async with worker_of(own, tasks, lease=0.8):
        await asyncio.sleep(3.0)
    await own.close()


async def test_a_loop_blocked_beyond_max_block_loses_its_job(stored: RedisBackend, tasks: Registry) -> None:
    """A loop that hangs for good must not keep its jobs for ever; its late report is refused."""
    others = Registry()
    runs: list[str] = []

    async def hang() -> str:
        runs.append("first")
        time.sleep(2.5)  # noqa: ASYNC251 - to block the loop is the point
        return "first"

    async def quick() -> str:
        runs.append("second")
        return "second"

    tasks.add("job", hang)
    others.add("job", quick)
    job = Job("job")
    await stored.enqueue("q", job)
    done = threading.Event()

    def elsewhere() -> None:
        while not runs:
            time.sleep(0.02)

        async def work() -> None:
            own = RedisBackend(stored.url)
            async with worker_of(own, others, lease=0.5):
                await asyncio.to_thread(done.wait)
            await own.close()

        asyncio.run(work())

    thread = threading.Thread(target=elsewhere, daemon=True)
    thread.start()
    async with worker_of(stored, tasks, lease=0.5, max_block=0.6):
        try:
            await until(lambda: _all_in(stored, [job], "completed"), "the end")
        finally:
            done.set()
            await asyncio.to_thread(thread.join, 20)
    found = await record(stored, job)
    assert runs == ["first", "second"]
    assert (found.result, found.attempts, found.stalls) == ("second", 2, 1)


# ------------------------------------------------------------------------------------------ processes


class Program:
    """A worker process, and what its executions wrote."""

    def __init__(self, directory: Path, url: str, lease: float, grace: float = 25.0) -> None:
        self.ledger = directory / "ledger"
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), url, "q", str(lease), str(grace)],
            env={**os.environ, "LEDGER": str(self.ledger), "PYTHONPATH": str(PROGRAM.parents[2])},
            stderr=subprocess.DEVNULL,
        )

    @property
    def lines(self) -> list[str]:
        """What has been written."""
        return self.ledger.read_text().splitlines() if self.ledger.exists() else []

    def kill(self) -> None:
        """End it if it runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


@pytest.fixture
def launch(tmp_path: Path, stored: RedisBackend) -> Iterator[Callable[..., Program]]:
    """Start worker processes; they end with the test."""
    made: list[Program] = []

    def start(lease: float = 1.0, grace: float = 25.0) -> Program:
        made.append(Program(tmp_path, f"unix://{stored.url.removeprefix('unix://')}", lease, grace))
        return made[-1]

    yield start
    for each in made:
        each.kill()


async def test_sigterm_lets_jobs_finish_and_exits_with_0(
    stored: RedisBackend, launch: Callable[..., Program]
) -> None:
    """Polite."""
    job = Job("t.nap", [0.6])
    await stored.enqueue("q", job)
    program = launch()
    await until(lambda: program.lines, "the start")
    program.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(program.process.wait, 15) == 0
    assert await state(stored, job) == "completed"
    assert (await stored.overview(["q"])).workers == []


async def test_sigterm_hands_back_after_the_grace_time_and_exits_with_3(
    stored: RedisBackend, launch: Callable[..., Program]
) -> None:
    """What could not finish waits again at once, no attempt counted."""
    jobs = [Job("t.nap", [60]), Job("t.thread_nap", [3])]
    await stored.enqueue_many("q", jobs)
    program = launch(grace=0.3, lease=30)
    await until(lambda: len(program.lines) == 2, "the starts")
    program.process.send_signal(signal.SIGTERM)
    await until(lambda: _all_in(stored, jobs, "waiting"), "handing back", 8)
    assert await asyncio.to_thread(program.process.wait, 15) == 3
    assert [(await record(stored, job)).attempts for job in jobs] == [0, 0]


async def test_a_second_signal_stops_now(stored: RedisBackend, launch: Callable[..., Program]) -> None:
    """Without waiting for the grace time."""
    job = Job("t.nap", [60])
    await stored.enqueue("q", job)
    program = launch(grace=60, lease=30)
    await until(lambda: program.lines, "the start")
    program.process.send_signal(signal.SIGINT)
    await asyncio.sleep(0.3)
    assert program.process.poll() is None
    program.process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    assert await asyncio.to_thread(program.process.wait, 15) == 3
    assert time.monotonic() - begun < 8
    assert await state(stored, job) == "waiting"


async def test_the_jobs_of_a_killed_worker_come_back_after_the_lease(
    stored: RedisBackend, launch: Callable[..., Program], tmp_path: Path
) -> None:
    """kill -9: counted as a stall, not as a failure; the upstream's end still releases what waits."""
    a = Job("t.nap_once", [60, str(tmp_path / "flag")], max_retries=0)
    b = Job("t.nap", [0], depends_on=[a.id])
    await FlowProducer(stored).add_flow("q", [a, b])
    first = launch()
    await until(lambda: first.lines, "the start")
    first.kill()
    begun = time.monotonic()
    second = launch()
    await until(lambda: _all_in(stored, [a, b], "completed"), "the second run", 20)
    assert time.monotonic() - begun < 10
    found = await record(stored, a)
    assert (found.result, found.attempts, found.stalls) == ("attempt 2", 2, 1)
    assert [line.split()[0] for line in second.lines if a.id in line] == ["start", "start", "end"]


async def test_the_late_report_of_a_stopped_process_is_refused(
    stored: RedisBackend, launch: Callable[..., Program], tmp_path: Path
) -> None:
    """SIGSTOP past the lease: another runs it; continued, the first changes nothing."""
    job = Job("t.freeze_once", [str(tmp_path / "flag")])
    await stored.enqueue("q", job)
    zombie = launch(lease=0.6)
    await until(lambda: zombie.lines, "the first run")
    launch(lease=0.6)
    await until(lambda: _all_in(stored, [job], "completed"), "the second run", 20)
    before = await record(stored, job)
    os.kill(zombie.process.pid, signal.SIGCONT)
    await until(lambda: sum(line.startswith("end") for line in zombie.lines) == 2, "the zombie's end")
    await asyncio.sleep(0.4)
    assert await record(stored, job) == before
    assert (before.result, before.attempts, before.stalls) == ("attempt 2", 2, 1)
    assert zombie.process.poll() is None


async def test_a_job_that_kills_its_workers_ends_failed(
    stored: RedisBackend, launch: Callable[..., Program]
) -> None:
    """After max_stalls of them; the error says so, and what waits for it is skipped."""
    job = Job("t.poison", max_stalls=2, max_retries=0)
    below = Job("t.nap", [0], depends_on=[job.id])
    await FlowProducer(stored).add_flow("q", [job, below])
    for turn in range(2):
        program = launch(lease=0.5)
        await until(lambda program=program, n=turn: len(program.lines) > n, "the start", 20)
        assert await asyncio.to_thread(program.process.wait, 15) == 139
    program = launch(lease=0.5)
    await until(lambda: _all_in(stored, [job], "failed"), "the end", 20)
    found = await record(stored, job)
    assert (found.attempts, found.stalls) == (2, 2)
    assert found.error is not None
    assert found.error.type == "LeaseLost"
    assert await state(stored, below) == "skipped"
    assert len(program.lines) == 2


# ------------------------------------------------------------------------------------------ servers in trouble


async def test_forgotten_scripts_are_sent_again(stored: RedisBackend, tasks: Registry) -> None:
    """SCRIPT FLUSH all the time, for the worker, the lease thread and the producer."""
    runs: list[str] = []

    async def step() -> None:
        runs.append(JobContext.current().job_id)
        await asyncio.sleep(0.05)

    tasks.add("step", step)
    flushing = True

    async def flush() -> None:
        while flushing:
            await stored._connection.command("SCRIPT", "FLUSH")
            await asyncio.sleep(0.005)

    flusher = asyncio.create_task(flush())
    jobs = [Job("step") for _ in range(100)]
    async with worker_of(stored, tasks, concurrency=5, lease=0.3):
        for job in jobs:
            await stored.enqueue("q", job)
        await until(lambda: _all_in(stored, jobs, "completed"), "the end", 30)
    flushing = False
    await flusher
    assert sorted(runs) == sorted(job.id for job in jobs)


async def test_cut_connections_are_made_again_and_nothing_runs_twice(
    stored: RedisBackend, tasks: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """CLIENT KILL of everything, again and again."""
    runs: list[str] = []

    async def step() -> None:
        runs.append(JobContext.current().job_id)
        await asyncio.sleep(0.02)

    tasks.add("step", step)
    jobs = [Job("step") for _ in range(400)]
    await stored.enqueue_many("q", jobs)
    where = next(each for kind in SERVERS if (each := server(kind)).url == stored.url)
    assert isinstance(where, Server)
    with where.client() as client:
        async with worker_of(stored, tasks, concurrency=5):
            for _ in range(20):
                await asyncio.sleep(0.05)
                client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await until(lambda: _all_in(stored, jobs[-5:], "completed"), "the end", 40)
            await until(lambda: _count(stored, "completed", 400), "all ends", 40)
    assert sorted(runs) == sorted(job.id for job in jobs)


async def _count(backend: Any, name: str, count: int) -> bool:
    return bool((await backend.counts("q"))[name] == count)


@pytest.mark.skipif(valkey_binary() is None, reason="no server binary")
async def test_a_worker_outlives_the_restart_of_its_server(tasks: Registry) -> None:
    """Killed and started again with its append-only file: every job ends, no attempt is wasted."""
    binary = valkey_binary()
    assert binary is not None
    runs: list[str] = []

    async def step() -> None:
        runs.append(JobContext.current().job_id)
        await asyncio.sleep(0.02)

    tasks.add("step", step)
    jobs = [Job("step", max_retries=0) for _ in range(200)]
    with fresh(binary, appendonly="yes", appendfsync="always") as where:
        backend = RedisBackend(where.url)
        await backend.enqueue_many("q", jobs)
        async with worker_of(backend, tasks, concurrency=5, lease=2.0):
            await until(lambda: len(runs) > 20, "a start")
            await asyncio.to_thread(where.kill)
            await asyncio.sleep(0.3)
            await asyncio.to_thread(where.start)
            await until(lambda: _count(backend, "completed", 200), "the end", 40)
        assert {job.id for job in jobs} == set(runs)
        assert len(runs) <= 200 + 5
        await backend.close()


# ------------------------------------------------------------------------------------------ tasks that misbehave


class Mute(Exception):
    """An exception that cannot say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


async def test_whatever_a_task_raises_ends_its_job_and_not_the_worker(backend: Any, tasks: Registry) -> None:
    """Also what a coroutine cannot be handed, what has no text, and what would end the program."""

    async def in_loop(kind: str) -> None:
        raise_(kind)

    def in_thread(kind: str) -> None:
        raise_(kind)

    def raise_(kind: str) -> None:
        raise {
            "StopIteration": StopIteration(1),
            "StopAsyncIteration": StopAsyncIteration(1),
            "GeneratorExit": GeneratorExit(),
            "SystemExit": SystemExit(3),
            "CancelledError": asyncio.CancelledError(),
            "Mute": Mute(),
            "half": ValueError("half of a pair: \udcff"),
            "KeyboardInterrupt": KeyboardInterrupt(),
        }[kind]

    async def fine() -> str:
        return "fine"

    tasks.add("in_loop", in_loop)
    tasks.add("in_thread", in_thread)
    tasks.add("fine", fine)
    common = [
        "StopIteration",
        "StopAsyncIteration",
        "GeneratorExit",
        "SystemExit",
        "CancelledError",
        "Mute",
        "half",
    ]
    jobs = [Job("in_loop", [kind], max_retries=1, backoff=0, name=kind) for kind in common]
    jobs += [
        Job("in_thread", [kind], max_retries=1, backoff=0, name=kind)
        for kind in [*common, "KeyboardInterrupt"]
    ]
    after = Job("fine", depends_on=[job.id for job in jobs], trigger="all_done")
    await FlowProducer(backend).add_flow("q", [*jobs, after])
    await idle(backend, tasks, concurrency=3)
    for job in jobs:
        found = await record(backend, job)
        assert (found.state, found.attempts) == ("failed", 2), job
        assert found.error is not None
        if job.name != "half":
            assert job.name in f"{found.error.type} {found.error.message}"
    assert (await record(backend, after)).result == "fine"


async def test_a_task_that_cancels_itself_fails_and_is_not_run_for_ever(
    backend: Any, tasks: Registry
) -> None:
    """It is charged as any other failure, and the jobs after it are not harmed."""
    runs = []

    async def suicide() -> None:
        runs.append(1)
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(5)

    async def fine() -> None:
        await asyncio.sleep(0)

    tasks.add("suicide", suicide)
    tasks.add("fine", fine)
    job, after = Job("suicide", max_retries=2, backoff=0), [Job("fine", priority=9) for _ in range(5)]
    await backend.enqueue_many("q", [job, *after])
    await idle(backend, tasks, concurrency=1)
    assert await state(backend, job) == "failed"
    assert len(runs) == 3
    assert [await state(backend, each) for each in after] == ["completed"] * 5


async def test_what_is_logged_while_python_tidies_up_holds_up_nothing(tasks: Registry) -> None:
    """Garbage may be collected in the midst of a call to `log`, and an object that goes may log in its turn."""
    backend = InMemoryBackend()

    async def talk() -> None:
        with worker._reports._saying:
            logging.getLogger("mine").warning("said in the midst")

    tasks.add("talk", talk)
    job = Job("talk")
    await backend.enqueue("q", job)
    worker = worker_of(backend, tasks)
    await asyncio.wait_for(worker.run_until_idle(), 20)
    assert [line.text for line in await backend.log(job.id)] == ["said in the midst"]


async def test_a_job_told_to_stop_before_it_could_start_does_not_start(backend: Any, tasks: Registry) -> None:
    """A claim may wait for its turn in the loop behind a task that blocks it; meanwhile its job may be cancelled."""
    ran = []

    async def first() -> None:
        await asyncio.sleep(0)
        worker._told(second.id, worker._running[second.id].claim.token, "cancel")

    async def never() -> None:
        ran.append(1)

    tasks.add("first", first)
    tasks.add("never", never)
    first_job, second = Job("first"), Job("never")
    worker = worker_of(backend, tasks)
    wake = worker._wake_lane

    def only_the_first() -> None:
        if len(worker._ready) == 2:
            wake()

    worker._wake_lane = only_the_first  # type: ignore[method-assign]
    await backend.enqueue_many("q", [first_job, second])
    await asyncio.wait_for(worker.run_until_idle(), 20)
    assert await state(backend, first_job) == "completed"
    assert await state(backend, second) == "cancelled"
    assert not ran


async def test_jobs_given_out_to_a_worker_that_is_stopping_are_handed_back_unstarted(
    backend: Any, tasks: Registry
) -> None:
    """The call that brings them may have been on its way when the worker was told."""
    ran = []

    async def never() -> None:
        ran.append(1)

    tasks.add("never", never)
    turn = backend.turn

    async def slow_turn(queue: str, worker_id: str, outcomes: Any, want: int, lease: float) -> Any:
        answer = await turn(queue, worker_id, outcomes, want, lease)
        if answer.claims and not worker._stopping:
            stopping.append(asyncio.ensure_future(worker.stop()))
            await until(lambda: worker._stopping, "the stop")
        return answer

    stopping: list[asyncio.Future[bool]] = []
    backend.turn = slow_turn
    worker = worker_of(backend, tasks)
    await worker.start()
    job = Job("never")
    await backend.enqueue("q", job)
    await until(lambda: stopping, "the claim")
    assert await stopping[0]
    found = await record(backend, job)
    assert (found.state, found.attempts, ran) == ("waiting", 0, [])


async def test_a_worker_that_its_server_forgot_is_listed_again_and_gets_what_only_it_can_do(
    stored: RedisBackend, tasks: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that was emptied, or restarted without its data, has forgotten who works and with which tasks."""
    monkeypatch.setattr("core.worker.UPKEEP_EVERY", 0.1)

    async def work() -> None: ...

    tasks.add("work", work)
    async with worker_of(stored, tasks):
        await stored._connection.command("FLUSHALL")
        assert not (await stored.overview(["q"])).workers

        async def listed() -> bool:
            return bool((await stored.overview(["q"])).workers)

        await until(listed, "the listing")
        job = Job("work")
        await stored.enqueue("q", job)

        async def completed() -> bool:
            return (await stored.get_job(job.id, queue="q")).state == "completed"

        await until(completed, "the job")


async def test_trouble_that_nobody_foresaw_is_logged_and_does_not_end_the_worker(
    backend: Any, tasks: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    """A worker that looks alive and takes no jobs is the worst of all."""
    turn, wait, troubles = backend.turn, backend.wait_for_work, [1, 2]

    async def broken_turn(*args: Any) -> Any:
        if troubles:
            raise LookupError(f"turn {troubles.pop()}")
        return await turn(*args)

    async def broken_wait(*args: Any) -> Any:
        if len(told) < 2:
            told.append(1)
            raise LookupError("wait")
        return await wait(*args)

    told: list[int] = []
    backend.turn, backend.wait_for_work = broken_turn, broken_wait

    async def work() -> None: ...

    tasks.add("work", work)
    job = Job("work")
    await backend.enqueue("q", job)
    await idle(backend, tasks)
    assert await state(backend, job) == "completed"
    assert "LookupError: turn 1" in caplog.text


@pytest.mark.parametrize(
    "damage",
    [
        '"max_retries":"x"',
        '"max_retries":1e400',
        '"timeout":"soon"',
        '"backoff":[]',
        '"timeout":null',
        '"args":5',
    ],
)
async def test_a_damaged_payload_fails_its_job_and_not_the_worker(
    stored: RedisBackend, tasks: Registry, damage: str
) -> None:
    """Whatever another program wrote into it."""

    async def fine() -> None: ...

    tasks.add("fine", fine)
    job, after = Job("fine"), Job("fine", priority=9)
    await stored.enqueue_many("q", [job, after])
    payload = f'{{"task_id":"fine","name":"fine",{damage}}}'
    await stored._connection.command("HSET", "flowtui:{q}:data", job.id, payload)
    await idle(stored, tasks, concurrency=1)
    text = await stored._connection.command("HGET", "flowtui:{q}:error", job.id)
    assert "another program wrote it, or it is damaged" in text
    assert await state(stored, after) == "completed"
    assert (await stored.counts("q"))["failed"] == 1


async def test_a_timeout_that_the_task_sets_is_kept_and_named(backend: Any, tasks: Registry) -> None:
    """Where the job says nothing."""

    async def slow() -> None:
        await asyncio.sleep(30)

    tasks.add("slow", slow, timeout=0.2, max_retries=0)
    job = Job("slow")
    await backend.enqueue("q", job)
    await idle(backend, tasks)
    assert "its timeout of 0.2 s" in str((await record(backend, job)).error)


async def test_a_job_that_comes_back_to_a_worker_that_still_runs_it_costs_no_slot(
    backend: Any, tasks: Registry
) -> None:
    """Its lease ran out; the old attempt takes its time to end, and what it says then is refused."""
    starts: list[int] = []

    async def slow_to_stop() -> str:
        attempt = JobContext.current().attempt
        starts.append(attempt)
        await (go_on if attempt == 1 else asyncio.sleep(0))
        return f"attempt {attempt}"

    async def fine() -> None: ...

    class Deaf:
        def renew(self, *_: Any) -> tuple[list[str], list[str]]:
            return [], []

        def close(self) -> None: ...

    go_on = asyncio.get_running_loop().create_future()
    tasks.add("slow_to_stop", slow_to_stop)
    tasks.add("fine", fine)
    backend.renewer = Deaf
    job = Job("slow_to_stop")
    await backend.enqueue("q", job)
    async with worker_of(backend, tasks, lease=0.5, concurrency=2) as worker:

        async def completed() -> bool:
            return await state(backend, job) == "completed"

        await until(completed, "the second attempt")
        assert starts == [1, 2]
        go_on.set_result(None)
        await until(lambda: worker._free == 2, "the end of the first attempt")
        await backend.enqueue_many("q", [Job("fine") for _ in range(20)])

        async def drained() -> bool:
            return bool((await backend.counts("q"))["completed"] == 21)

        await until(drained, "the rest")
        await until(lambda: worker._free == 2, "both slots")
    assert (await record(backend, job)).result == "attempt 2"


async def test_a_queue_that_is_away_holds_up_no_other(tasks: Registry) -> None:
    """On a cluster, where each queue is on a node of its own. The one slot goes to whoever can use it."""
    backend = InMemoryBackend()
    turn = backend.turn
    troubles = 0

    async def half_away(queue: str, *args: Any) -> Any:
        nonlocal troubles
        if queue == "away" and not back.is_set():
            troubles += 1
            if troubles > 1:
                await back.wait()
            raise BackendUnavailable("its node is away")
        return await turn(queue, *args)

    async def work() -> None: ...

    back = asyncio.Event()
    backend.turn = half_away  # type: ignore[method-assign]
    tasks.add("work", work)
    here, away = [Job("work") for _ in range(5)], Job("work")
    async with worker_of(backend, tasks, ["away", "here"], concurrency=1):
        await until(lambda: troubles == 2, "the trouble")
        await backend.enqueue_many("here", here)
        await backend.enqueue("away", away)

        async def done() -> bool:
            return [await state(backend, job) for job in here] == ["completed"] * 5

        await until(done, "the jobs of the other queue")
        assert await state(backend, away) == "waiting"
        back.set()

        async def done_too() -> bool:
            return await state(backend, away) == "completed"

        await until(done_too, "the job of the queue that came back")
