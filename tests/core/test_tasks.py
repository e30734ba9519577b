"""What a task sees while it runs, and the built-in shell step; on the in-memory store, which needs nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from core import FlowProducer, InMemoryBackend, Job, JobContext, Worker
from core.errors import DuplicateTask, FlowError, InvalidJob, NotFound, UnknownTask
from core.jobs import JobRecord
from core.references import result_of
from core.tasks import Registry, task

Tasks = dict[str, Callable[..., Any]]


async def run(
    jobs: list[Job], tasks: Tasks | None = None, *, allow_shell: bool = False, concurrency: int = 10
) -> dict[str, JobRecord]:
    """Run a flow until nothing can run any more; the jobs by name. A log is added as `record.log`."""
    backend = InMemoryBackend()
    registry = Registry()
    for name, call in (tasks or {}).items():
        registry.add(name, call)
    await FlowProducer(backend).add_flow("q", jobs)
    worker = Worker(
        backend, ["q"], concurrency, registry=registry, allow_shell=allow_shell, scan_interval=0.05
    )
    await asyncio.wait_for(worker.run_until_idle(), 30)
    records = {job.name: await backend.get_job(job.id) for job in jobs}
    logs.clear()
    logs.update({job.name: [(line.level, line.text) for line in await backend.log(job.id)] for job in jobs})
    return records


logs: dict[str, list[tuple[str, str]]] = {}


# ---- the registry


def test_a_task_is_found_by_its_name_and_keeps_being_a_function() -> None:
    registry = Registry()

    def load(path: str) -> str:
        """Load a file.

        And more.
        """
        return path

    added = registry.add("app.load", load, timeout=5)
    assert (added.name, added.is_async, added.doc, dict(added.defaults)) == (
        "app.load",
        False,
        "Load a file.",
        {"timeout": 5},
    )
    assert registry["app.load"].call("x") == "x"
    assert "app.load" in registry
    assert list(registry) == ["app.load"]


def test_an_unknown_task_is_refused_with_those_that_are_known() -> None:
    registry = Registry()
    with pytest.raises(UnknownTask, match="no task 'x' is registered; known are none"):
        registry["x"]
    registry.add("app.a", print_nothing)
    with pytest.raises(UnknownTask, match=r"known are app\.a"):
        registry["x"]


def print_nothing() -> None:
    return None


def test_two_functions_under_one_name_are_refused_but_one_imported_twice_is_not() -> None:
    registry = Registry()
    registry.add("app.a", print_nothing)
    registry.add("app.a", print_nothing)
    with pytest.raises(DuplicateTask, match=r"'app\.a' is registered twice"):
        registry.add("app.a", registry_stranger)


def registry_stranger() -> None:
    return None


def test_the_decorator_takes_a_name_or_makes_one() -> None:
    from core.tasks import registry

    @task
    def bare() -> int:
        return 1

    @task("test_tasks.named", max_retries=7)
    async def other() -> int:
        return 2

    name = f"{__name__}.test_the_decorator_takes_a_name_or_makes_one.<locals>.bare"
    assert bare() == 1
    assert registry[name].call is bare
    assert registry["test_tasks.named"].is_async
    assert registry["test_tasks.named"].defaults == {"max_retries": 7}


def test_a_default_that_no_job_has_is_refused_where_it_is_written() -> None:
    registry = Registry()
    with pytest.raises(InvalidJob, match="no field 'max_retry'"):
        registry.add("app.a", print_nothing, max_retry=3)
    with pytest.raises(InvalidJob, match="timeout of 'a' must be a number of seconds"):
        registry.add("app.a", print_nothing, timeout="soon")
    assert not list(registry)


async def test_what_can_be_called_can_be_a_task() -> None:
    """Methods, partial functions, objects that can be called; those with an async call run in the loop."""

    class Callable_:
        async def __call__(self) -> str:
            JobContext.current()
            return "object"

        async def method(self) -> str:
            return "method"

    async def add(left: int, right: int) -> int:
        return left + right

    tasks: Tasks = {
        "object": Callable_(),
        "method": Callable_().method,
        "partial": partial(add, 1),
        "class": dict,
    }
    jobs = [Job("object"), Job("method"), Job("partial", [2]), Job("class")]
    records = await run(jobs, tasks)
    assert [records[job.name].result for job in jobs] == ["object", "method", 3, {}]
    registry = Registry()
    registry.add("p", partial(add, 1))
    with pytest.raises(DuplicateTask):
        registry.add("p", partial(add, 2))


async def test_an_async_task_that_asks_as_a_thread_would_is_told_and_does_not_hang() -> None:
    async def wrong() -> Any:
        return JobContext.current().results_sync()

    records = await run([Job("wrong", max_retries=0)], {"wrong": wrong})
    assert "await context.results()" in str(records["wrong"].error)


def test_outside_of_a_task_there_is_no_context() -> None:
    with pytest.raises(FlowError, match="only inside a task"):
        JobContext.current()


# ---- what a task sees


async def test_a_task_knows_who_it_is() -> None:
    seen: list[tuple[Any, ...]] = []

    async def look() -> None:
        context = JobContext.current()
        seen.append((context.name, context.queue, context.attempt, context.idempotency_key))
        if context.attempt < 3:
            raise ValueError("again")

    [record] = (await run([Job("look", name="me", backoff=0.01)], {"look": look})).values()
    assert [entry[:3] for entry in seen] == [("me", "q", attempt) for attempt in (1, 2, 3)]
    assert {entry[3] for entry in seen} == {f"{record.flow_id}:{record.id}"}


@pytest.mark.parametrize("sync", [False, True])
async def test_a_task_reads_the_results_of_its_upstreams_by_name_and_id(sync: bool) -> None:
    async def give(value: Any) -> Any:
        return value

    async def gather() -> Any:
        context = JobContext.current()
        return [await context.result("left"), await context.result(right.id), sorted(await context.results())]

    def gather_in_thread() -> Any:
        context = JobContext.current()
        return [context.result_sync("left"), context.result_sync(right.id), sorted(context.results_sync())]

    left, right = Job("give", [{"rows": [1, 2]}], name="left"), Job("give", [None], name="right")
    last = Job("gather", depends_on=[left.id, right.id], name="last")
    call = gather_in_thread if sync else gather
    done = await run([left, right, last], {"give": give, "gather": call})
    assert done["last"].result == [{"rows": [1, 2]}, None, sorted(["left", "right", left.id, right.id])]


async def test_what_is_no_upstream_has_no_result_here() -> None:
    async def give() -> int:
        return 1

    async def ask() -> int:
        return int(await JobContext.current().result("stranger"))

    up = Job("give", name="up")
    done = await run(
        [up, Job("give", name="stranger"), Job("ask", name="asks", depends_on=[up.id], max_retries=0)],
        {"give": give, "ask": ask},
    )
    assert done["asks"].error is not None
    assert done["asks"].error.type == NotFound.__name__
    assert "no completed upstream 'stranger'; known are up" in done["asks"].error.message


async def test_an_argument_that_is_a_result_arrives_with_its_type() -> None:
    async def give() -> Any:
        return {"rows": [1, [2.5, None]], "name": "x"}

    async def take(whole: Any, *, part: Any, literal: Any) -> Any:
        return [whole, part, literal]

    up = Job("give", name="up")
    literal = {"$result": "not-an-upstream"}
    kwargs = {"part": [result_of(up, "rows", 1)], "literal": literal}
    done = await run(
        [up, Job("take", [result_of(up)], kwargs, [up.id], name="down")], {"give": give, "take": take}
    )
    assert done["down"].result == [{"rows": [1, [2.5, None]], "name": "x"}, [[2.5, None]], literal]


async def test_a_part_that_the_result_does_not_have_fails_the_job_and_not_the_worker() -> None:
    async def give() -> Any:
        return {"rows": []}

    async def take(value: Any) -> Any:
        return value

    up = Job("give", name="up")
    bad = Job("take", [result_of(up, "rows", 3)], depends_on=[up.id], name="bad", max_retries=0)
    good = Job("take", [result_of(up, "rows")], depends_on=[up.id], name="good")
    done = await run([up, bad, good], {"give": give, "take": take})
    assert "no .rows[3]; it is a list of 0" in str(done["bad"].error)
    assert done["good"].result == []


async def test_the_result_of_an_upstream_that_failed_is_null() -> None:
    async def fail() -> None:
        raise ValueError("no")

    async def take(value: Any) -> Any:
        return ["got", value]

    up = Job("fail", name="up", max_retries=0)
    down = Job("take", [result_of(up, "deep", 1)], depends_on=[up.id], trigger="all_done", name="down")
    done = await run([up, down], {"fail": fail, "take": take})
    assert done["down"].result == ["got", None]


async def test_logs_come_from_the_context_from_logging_and_from_threads() -> None:
    log = logging.getLogger("app")

    async def talk() -> None:
        JobContext.current().log("one\ntwo", "WARNING")
        log.warning("by %s", "logging")

    def talk_in_thread() -> None:
        log.error("from a thread")

    await run([Job("talk", name="a"), Job("thread", name="b")], {"talk": talk, "thread": talk_in_thread})
    assert logs["a"] == [("WARNING", "one"), ("WARNING", "two"), ("WARNING", "by logging")]
    assert logs["b"] == [("ERROR", "from a thread")]


async def test_what_is_logged_is_kept_once_beside_other_workers_of_the_process() -> None:
    def talk() -> None:
        logging.getLogger("app").warning("once")

    backend = InMemoryBackend()
    async with Worker(backend, ["other"]), Worker(backend, ["another"]):
        await run([Job("talk", name="a")], {"talk": talk})
    assert logs["a"] == [("WARNING", "once")]
    before = list(logging.getLogger().handlers)
    async with Worker(backend, ["other"]):
        assert len(logging.getLogger().handlers) == len(before) + 1
    assert logging.getLogger().handlers == before


@pytest.mark.parametrize(("said", "kept"), [(0.25, 0.25), (7, 1.0), (-1, 0.0)])
async def test_progress_is_kept_between_0_and_1(said: float, kept: float) -> None:
    async def work() -> None:
        JobContext.current().progress(said, "half way")
        await asyncio.sleep(0.3)

    backend = InMemoryBackend()
    registry = Registry()
    registry.add("work", work)
    job = Job("work")
    await backend.enqueue("q", job)
    async with Worker(backend, ["q"], registry=registry):
        for _ in range(100):
            record = await backend.get_job(job.id)
            if record.progress is not None:
                break
            await asyncio.sleep(0.01)
    assert (record.progress, record.progress_note) == (kept, "half way")


async def test_a_thread_is_told_that_its_job_was_cancelled() -> None:
    told = threading.Event()

    def work() -> None:
        context = JobContext.current()
        for _ in range(500):
            if context.cancelled:
                told.set()
                return
            time.sleep(0.01)

    backend = InMemoryBackend()
    registry = Registry()
    registry.add("work", work)
    job = Job("work")
    await backend.enqueue("q", job)
    async with Worker(backend, ["q"], registry=registry, lease=0.6):
        async with asyncio.timeout(10):
            async for event in backend.events({"q": 0}, ["q"]):
                if event.to == "active":
                    break
        assert await backend.cancel(job.id) == {job.id: "cancelling"}
        assert await asyncio.to_thread(told.wait, 10)
    assert (await backend.get_job(job.id)).state == "cancelled"


async def test_plain_functions_run_side_by_side_in_threads() -> None:
    barrier = threading.Barrier(4)

    def meet() -> int:
        return barrier.wait(10)

    done = await run([Job("meet", name=str(i)) for i in range(4)], {"meet": meet})
    assert sorted(record.result for record in done.values()) == [0, 1, 2, 3]


# ---- the shell step


async def test_a_command_is_a_text_for_the_shell_or_a_list_without_one(tmp_path: Path) -> None:
    done = await run(
        [
            Job("shell", ["echo $((6 * 7)); echo problem >&2"], name="text"),
            Job("shell", [["echo", "$((6 * 7))", "* ; rm x"]], name="list"),
            Job(
                "shell",
                ["pwd; echo $COLOUR"],
                {"cwd": str(tmp_path), "env": {"COLOUR": "blue"}},
                name="where",
            ),
        ],
        allow_shell=True,
    )
    assert done["text"].result == {"status": 0, "output": "42"}
    assert done["list"].result["output"] == "$((6 * 7)) * ; rm x"
    assert done["where"].result["output"].splitlines() == [real(tmp_path), "blue"]
    assert sorted(logs["text"]) == [("ERROR", "problem"), ("INFO", "42")]


async def test_a_command_takes_results_as_text_or_json() -> None:
    up = Job("shell", [["echo", "a b"]], name="up")
    whole, part = result_of(up), result_of(up, "output")
    done = await run(
        [
            up,
            Job("shell", [["echo", part, whole]], depends_on=[up.id], name="words"),
            Job("shell", ['echo "$PART"'], {"env": {"PART": part}}, [up.id], name="env"),
        ],
        allow_shell=True,
    )
    assert done["words"].result["output"] == 'a b {"status": 0, "output": "a b"}'
    assert done["env"].result["output"] == "a b"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("echo the reason >&2; exit 3", "ended with status 3: the reason"),
        ("kill -9 $$", "was killed by signal 9"),
        (["/no/such/program"], "'/no/such/program' could not be started"),
        ([], "needs a command"),
        (5, "needs a command"),
        (["echo", "a\0b"], "could not be started"),
    ],
)
async def test_a_command_that_fails_says_how(command: Any, said: str) -> None:
    [record] = (await run([Job("shell", [command], name="a", max_retries=0)], allow_shell=True)).values()
    assert record.state == "failed"
    assert said in str(record.error)


async def test_a_worker_without_the_permission_leaves_shell_steps_alone() -> None:
    async def other() -> int:
        return 1

    done = await run([Job("shell", ["echo no"], name="sh"), Job("other", name="other")], {"other": other})
    assert done["sh"].state == "waiting"
    assert done["other"].state == "completed"


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    if sys.platform == "linux":  # a zombie that nobody reaps is dead for us
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return True


async def test_a_timeout_ends_the_command_with_all_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = f"sleep 60 & echo $! >> {pids}; echo $$ >> {pids}; wait"
    start = time.monotonic()
    [record] = (
        await run([Job("shell", [command], name="a", timeout=0.5, max_retries=0)], allow_shell=True)
    ).values()
    assert record.state == "failed"
    assert "timeout of 0.5 s" in str(record.error)
    assert time.monotonic() - start < 10
    for pid in read(pids).split():
        for _ in range(100):
            if not alive(int(pid)):
                break
            await asyncio.sleep(0.02)
        assert not alive(int(pid))


def read(path: Path) -> str:
    return path.read_text()


def real(path: Path) -> str:
    return str(path.resolve())


async def test_a_command_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.shell.KILL_AFTER", 0.3)
    command = [sys.executable, "-c", "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"]
    start = time.monotonic()
    [record] = (
        await run([Job("shell", [command], name="a", timeout=1, max_retries=0)], allow_shell=True)
    ).values()
    assert record.state == "failed"
    assert time.monotonic() - start < 15


@pytest.mark.parametrize("leader_ends", [True, False])
async def test_a_child_that_ignores_sigterm_is_killed_when_its_leader_has_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leader_ends: bool
) -> None:
    """The leader obeys, or ends by itself; the child in its group does not."""
    monkeypatch.setattr("core.shell.KILL_AFTER", 0.3)
    pids = tmp_path / "pids"
    child = f"(trap '' TERM; sh -c 'echo $PPID >> {pids}'; while :; do sleep 60; done) >/dev/null 2>&1 &"
    rest = f"while ! [ -s {pids} ]; do sleep 0.05; done" if leader_ends else "wait"
    [record] = (
        await run(
            [Job("shell", [f"{child} {rest}"], name="a", timeout=None if leader_ends else 1, max_retries=0)],
            allow_shell=True,
        )
    ).values()
    assert record.state == ("completed" if leader_ends else "failed")
    [pid] = read(pids).split()
    for _ in range(500):
        if not alive(int(pid)):
            break
        await asyncio.sleep(0.02)
    assert not alive(int(pid))


async def test_output_without_end_and_without_lines_is_bounded() -> None:
    many = Job("shell", ["i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done"], name="many")
    long = Job("shell", [[sys.executable, "-c", "print('x' * 3_000_000)"]], name="long")
    done = await run([many, long], allow_shell=True)
    assert done["many"].result["output"].endswith("line 2999")
    assert len(done["many"].result["output"]) < 4001
    assert len(logs["many"]) <= 1000
    assert logs["many"][-1] == ("INFO", "line 2999")
    assert done["long"].state == "completed"
    assert max(len(text) for _, text in logs["long"]) <= 8 * 1024
