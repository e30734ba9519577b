"""The doctor finds each kind of damage, says what it is, and repairs what can be; a sound store it leaves alone."""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from servers import KINDS, server

from core.backends.base import WorkerInfo
from core.backends.memory import InMemoryBackend
from core.backends.redis import RedisBackend
from core.backends.store import prefix
from core.doctor import examine, main
from core.errors import Gap
from core.flow import FlowProducer
from core.jobs import Job, JobState
from core.tasks import Registry
from core.worker import Worker

P = prefix("q")
SERVERS = [kind for kind in KINDS if kind not in ("memory", "cluster")]


@pytest.fixture(params=SERVERS)
async def stored(request: pytest.FixtureRequest) -> AsyncIterator[RedisBackend]:
    """An empty store on each kind of server."""
    where = server(request.param)
    where.flush()
    made = RedisBackend(where.url)
    yield made
    await made.close()


async def populate(backend: Any) -> dict[str, Job]:
    """Jobs in every state, in flows that need each other, parked, repeating, with logs and results."""
    tasks = Registry()

    async def work(how: str = "ok") -> str:
        if how != "ok":
            raise ValueError(how)
        return how

    tasks.add("work", work)
    done = Job("work", id="done")
    failed = Job("work", ["no"], id="failed", max_retries=0)
    skipped = Job("work", id="skipped", depends_on=["failed"])
    join = Job("work", id="join", depends_on=["done", "failed"], trigger="all_done")
    producer = FlowProducer(backend)
    await producer.add_flow("q", [done, failed, skipped, join], flow_id="first")
    single = Job("work", id="single")
    await backend.enqueue("q", single)
    await asyncio.wait_for(Worker(backend, "q", registry=tasks).run_until_idle(), 20)
    up = Job("other", id="up")
    blocked = Job("other", id="blocked", depends_on=["up", "done"])
    deep = Job("other", id="deep", depends_on=["blocked"])
    await producer.add_flow("q", [up, blocked, deep], flow_id="second")
    delayed = Job("other", id="delayed", delay=3600)
    tick = Job("other", id="tick", repeat_every=60)
    mortal = Job("other", id="mortal", ttl=3600)
    for job in (delayed, tick, mortal):
        await backend.enqueue("q", job)
    taken = (await backend.claim(["q"], "w1", 1, 30.0))[0]
    assert taken.id == "up"
    await backend.report("q", "up", taken.token, progress=(0.5, "half"), log=[(1.0, "INFO", "hello")])
    return {
        job.id: job for job in (done, failed, skipped, join, single, up, blocked, deep, delayed, tick, mortal)
    }


async def run(stored: RedisBackend, *command: Any) -> Any:
    """One command, as an accident would send it."""
    return await stored._connection.command(*command)


async def edit(stored: RedisBackend, job: str, place: int, value: str) -> None:
    """Change one field (from 0) of a job's record."""
    parts = (await run(stored, "HGET", P + "jobs", job)).split(" ")
    parts[place] = value
    await run(stored, "HSET", P + "jobs", job, " ".join(parts))


async def test_a_sound_store_is_sound_and_is_not_touched(stored: RedisBackend) -> None:
    """With and without repair, byte for byte."""
    await populate(stored)
    where = next(each for kind in SERVERS if (each := server(kind)).url == stored.url)
    before = where.digest()
    for repair in (False, True):
        report = await examine(stored, repair=repair)
        assert [str(each) for each in report.findings] == []
        assert (report.healthy, report.jobs, report.queues, report.unsure) == (True, 11, ["q"], 0)
    assert where.digest() == before
    assert "all consistent" in report.lines()[-1]


DAMAGE: list[tuple[str, list[tuple[Any, ...]], str]] = [
    (
        "a waiting job dropped from its index",
        [("ZREM", P + "s:w", "mortal")],
        "mortal: is waiting, but not listed",
    ),
    (
        "a job in a second index",
        [("ZADD", P + "s:c", 1, "mortal")],
        "mortal: is waiting, but listed as completed",
    ),
    ("a blocked job dropped", [("ZREM", P + "s:b", "deep")], "deep: is blocked, but not listed"),
    ("a delayed job dropped", [("ZREM", P + "s:d", "delayed")], "delayed: is delayed, but not listed"),
    ("an active job without index", [("ZREM", P + "s:a", "up")], "up: is active, but not listed"),
    ("an ended job dropped", [("ZREM", P + "s:f", "failed")], "failed: is failed, but not listed"),
    (
        "a parked job that is not waiting",
        [("ZADD", P + "park", 1, "deep")],
        "deep: is blocked, but listed as parked",
    ),
    ("pending too high", [("EDIT", "blocked", 5, "2")], "blocked: waits for 2 upstreams (0 not completed)"),
    ("pending too low", [("EDIT", "blocked", 5, "0")], "blocked: waits for 0 upstreams"),
    ("bad wrong", [("EDIT", "skipped", 6, "0")], "skipped: waits for 0 upstreams (0 not completed)"),
    ("no lease", [("EDIT", "up", 1, "-")], "up: is active without a lease"),
    (
        "a job not in its flow",
        [("ZREM", P + "fj:second", "deep")],
        "belongs to flow second, which does not list it",
    ),
    (
        "a downstream unknown above",
        [("HDEL", P + "down", "blocked")],
        "deep: waits for blocked, which does not know",
    ),
    ("retention does not know", [("ZREM", P + "ended", "j:single")], "single: has ended, but retention"),
    ("a lost payload", [("HDEL", P + "data", "mortal")], "mortal: has lost its payload"),
    (
        "flow counts",
        [("HSET", P + "flow", "first", "failed 1 1 1 0 0 0 0 9 1 1 0 0")],
        "first: counts 9 completed",
    ),
    ("flow state", [("FLOWSTATE", "first", "running")], "first: is shown as running, but is failed"),
    ("a flow without record", [("HDEL", P + "flow", "second")], "second: has jobs but no record"),
    ("a flow that lists a stranger", [("ZADD", P + "fj:second", 99, "ghost")], "second: lists job ghost"),
    ("a flow not listed", [("ZREM", P + "flows", "first")], "first: is not in the list of flows"),
    ("a flow not to be trimmed", [("ZREM", P + "ended", "f:first")], "first: is ended, but retention"),
    (
        "a running flow to be trimmed",
        [("ZADD", P + "ended", 1, "f:second")],
        "second: is open, but retention",
    ),
    (
        "a result of nobody",
        [("HSET", P + "result", "ghost", "1")],
        "entry 'ghost' of result belongs to nothing",
    ),
    (
        "a page of nobody",
        [("HSET", P + "down", "ghost:1", "x")],
        "entry 'ghost:1' of down belongs to nothing",
    ),
    ("an index of nobody", [("ZADD", P + "s:w", 1, "ghost")], "entry 'ghost' of s:w belongs to nothing"),
    ("a ttl of nobody", [("ZADD", P + "ttl", 9e15, "ghost")], "entry 'ghost' of ttl belongs to nothing"),
    ("a log of nobody", [("RPUSH", P + "log:ghost", "0 1 INFO x")], "log:ghost belongs to nothing"),
    ("a flow's jobs of nobody", [("ZADD", P + "arm:ghost", 1, "x")], "arm:ghost belongs to nothing"),
    ("a foreign key", [("SET", P + "strange", "x")], "strange belongs to nothing"),
    (
        "a worker of nobody",
        [("HSET", P + "workers", "ghost", "{}")],
        "entry 'ghost' of workers belongs to nothing",
    ),
    (
        "a pin too many",
        [("HSET", P + "pins", "f:first", "3")],
        "flow first is held for 3 jobs of other flows, but 1",
    ),
    ("a pin lost", [("DEL", P + "pins")], "flow first is held for 0 jobs of other flows, but 1"),
    ("an abandoned flow", [("HSET", P + "staging", "old", "900 2 5 abc 1000")], "flow old was begun"),
    ("forgotten steps", [("RPUSH", P + "ops", "C second 3")], "1 pending steps are not worked off"),
    (
        "numbers used twice",
        [("HSET", P + "meta", "order", "1")],
        "the last submission number is 1, but a job has",
    ),
    ("events lost", [("DEL", P + "ev")], "events are counted, but the last one has the number 0"),
    ("the last event lost", [("LASTEVENT",)], "events are counted, but the last"),
    ("a number that is none", [("HSET", P + "meta", "order", "nan")], "the last submission number is nan"),
    ("a count that is none", [("HSET", P + "pins", "f:first", "a b")], "flow first is held for 0 jobs"),
    (
        "another program's index",
        [("DEL", P + "s:b"), ("SET", P + "s:b", "x")],
        "s:b is a string, where a zset belongs",
    ),
    (
        "another program's hash",
        [("DEL", P + "error"), ("RPUSH", P + "error", "x")],
        "error is a list, where a hash belongs",
    ),
    (
        "another program's list of a flow",
        [("DEL", P + "fj:first"), ("SET", P + "fj:first", "x")],
        "fj:first is a string, where a zset belongs",
    ),
    ("events behind the stream", [("HSET", P + "meta", "seq", "1")], "1 events are counted, but the last"),
]


@pytest.mark.parametrize(
    ("commands", "sentence"), [each[1:] for each in DAMAGE], ids=[each[0] for each in DAMAGE]
)
async def test_damage_is_named_and_repaired(
    stored: RedisBackend, commands: list[tuple[Any, ...]], sentence: str
) -> None:
    """Read-only it changes nothing; with repair the next look finds nothing, and the queue can be worked off."""
    jobs = await populate(stored)
    for command in commands:
        if command[0] == "EDIT":
            await edit(stored, *command[1:])
        elif command[0] == "LASTEVENT":
            [[last, _]] = await run(stored, "XREVRANGE", P + "ev", "+", "-", "COUNT", 1)
            await run(stored, "XDEL", P + "ev", last)
        elif command[0] == "FLOWSTATE":
            text = await run(stored, "HGET", P + "flow", command[1])
            await run(stored, "HSET", P + "flow", command[1], f"{command[2]} {text.partition(' ')[2]}")
        else:
            await run(stored, *command)
    where = next(each for kind in SERVERS if (each := server(kind)).url == stored.url)
    before = where.digest()
    report = await examine(stored)
    assert not report.healthy
    assert [each for each in report.lines() if sentence in each], report.lines()
    assert where.digest() == before
    repaired = await examine(stored, repair=True)
    assert repaired.healthy, repaired.lines()
    again = await examine(stored)
    assert again.findings == [], again.lines()
    await _work_off(stored, jobs)
    assert (await examine(stored)).findings == []


async def test_a_lost_link_of_a_join_of_hundreds_is_found_and_repaired(stored: RedisBackend) -> None:
    """Or the join would wait for ever."""
    many = [Job("t", id=f"up-{n}") for n in range(700)]
    await FlowProducer(stored).add_flow(
        "q", [*many, Job("t", id="join", depends_on=[job.id for job in many])]
    )
    await run(stored, "HDEL", P + "down", "up-3", "up-690")
    report = await examine(stored)
    lost = [each.sentence for each in report.findings if "does not know of it" in each.sentence]
    assert sorted(lost) == [f"waits for {up}, which does not know of it" for up in ("up-3", "up-690")]
    assert (await examine(stored, repair=True)).healthy
    tasks = Registry()
    tasks.add("t", dict)
    await asyncio.wait_for(Worker(stored, "q", registry=tasks).run_until_idle(), 30)
    assert (await stored.get_job("join")).state == "completed"
    assert (await examine(stored)).findings == []


async def test_who_follows_hears_of_lost_events_after_the_repair(stored: RedisBackend) -> None:
    """Before, nothing would have told them: the numbers of those to come fit behind the lost ones."""
    await populate(stored)
    position = (await stored.overview()).position
    await run(stored, "DEL", P + "ev")
    assert (await examine(stored, repair=True)).healthy
    with pytest.raises(Gap):
        await asyncio.wait_for(anext(stored.events({"q": position["q"] - 1})), 20)
    await stored.enqueue("q", Job("t", id="later"))
    async with asyncio.timeout(20):
        async for event in stored.events({}, ["q"]):
            assert event.job_id == "later"
            break


async def _work_off(stored: RedisBackend, jobs: dict[str, Job]) -> None:
    """Everything that can end, ends."""
    await stored.promote("delayed")
    await stored.stop_repeat("q", "tick")
    others = Registry()

    async def other() -> None: ...

    others.add("other", other)
    taken = await stored.get_job("up")
    if taken.state == "active":
        text = await run(stored, "HGET", P + "jobs", "up")
        from core.backends.base import Outcome

        await stored.settle("q", [Outcome("up", text.split(" ")[1], "completed")])
    await asyncio.wait_for(Worker(stored, "q", registry=others).run_until_idle(), 20)
    for job_id in jobs:
        assert (await stored.get_job(job_id)).state.terminal, job_id


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("HSET", P + "jobs", "mortal", "rubbish"), "mortal: has a record that cannot be read"),
        (("HDEL", P + "jobs", "up"), "blocked: waits for up, which is gone"),
    ],
)
async def test_what_cannot_be_repaired_is_said_again(
    stored: RedisBackend, command: tuple[Any, ...], sentence: str
) -> None:
    """The report stays unhealthy."""
    await populate(stored)
    await run(stored, *command)
    for repair in (False, True, False):
        report = await examine(stored, repair=repair)
        assert not report.healthy
        assert [line for line in report.lines() if sentence in line], report.lines()


async def test_a_store_at_work_is_not_taken_for_damaged(stored: RedisBackend) -> None:
    """While flows are added, run and trimmed, nothing that only moves is reported."""
    tasks = Registry()

    async def work() -> None:
        await asyncio.sleep(0)

    tasks.add("work", work)
    producer = FlowProducer(stored)
    ending = asyncio.Event()

    async def add() -> None:
        while not ending.is_set():
            top = [Job("work") for _ in range(5)]
            join = Job("work", depends_on=[job.id for job in top])
            tail = [Job("work", depends_on=[join.id]) for _ in range(20)]
            await producer.add_flow("q", [*top, join, *tail])
            await stored.clean("q", limit=500)

    async with Worker(stored, "q", registry=tasks, concurrency=20):
        adding = asyncio.create_task(add())
        for _ in range(8):
            report = await examine(stored)
            assert report.findings == [], report.lines()
        ending.set()
        await adding
    assert (await examine(stored)).findings == []


async def test_large_flows_are_checked_in_parts(stored: RedisBackend) -> None:
    """Counts of 5,000 jobs, and a join over all of them."""
    jobs = [Job("work", id=f"j{i}") for i in range(5000)]
    await FlowProducer(stored).add_flow(
        "q", [*jobs, Job("work", id="end", depends_on=[job.id for job in jobs])], flow_id="large"
    )
    report = await examine(stored)
    assert (report.findings, report.jobs, report.unsure) == ([], 5001, 0)
    text = await run(stored, "HGET", P + "flow", "large")
    await run(stored, "HSET", P + "flow", "large", text.replace(" 5000 ", " 4999 "))
    await edit(stored, "end", 5, "4999")
    lines = (await examine(stored, repair=True)).lines()
    assert any(
        "large: counts 1 blocked, 4999 waiting, but has 1 blocked, 5000 waiting" in line for line in lines
    )
    assert any("end: waits for 4999 upstreams" in line for line in lines)
    assert (await examine(stored)).findings == []


async def test_main_writes_the_report(stored: RedisBackend) -> None:
    """What `flowtui doctor` prints, and whether all is well."""
    await populate(stored)
    out = io.StringIO()
    assert await main(stored.url, repair=False, out=out)
    assert "volatile" in out.getvalue()
    await run(stored, "ZREM", P + "s:w", "mortal")
    out = io.StringIO()
    assert not await main(stored.url, repair=False, out=out)
    assert "1 found, 0 repaired; flowtui doctor --repair" in out.getvalue()
    assert await main(stored.url, repair=True, out=out)


MEMORY: list[tuple[str, Callable[[Any], Any], str]] = [
    (
        "index",
        lambda home: home.index[JobState.WAITING].pop("mortal"),
        "mortal: is waiting, but listed as nothing",
    ),
    ("counter", lambda home: setattr(home.recs["blocked"], "pending", 7), "blocked: waits for 7 upstreams"),
    ("lease", lambda home: setattr(home.recs["up"], "token", None), "up: is active without a lease"),
    ("flow", lambda home: home.flows["first"].counts.update({JobState.COMPLETED: 9}), "first: counts"),
]


async def test_the_doctor_looks_into_memory_too() -> None:
    """Nothing is wrong there."""
    backend = InMemoryBackend()
    await populate(backend)
    report = await examine(backend)
    assert (report.findings, report.jobs) == ([], 11)


@pytest.mark.parametrize(
    ("damage", "sentence"), [each[1:] for each in MEMORY], ids=[each[0] for each in MEMORY]
)
async def test_damage_in_memory_is_named(damage: Callable[[Any], Any], sentence: str) -> None:
    """As a bug would do it."""
    backend = InMemoryBackend()
    await populate(backend)
    damage(backend._queues["q"])
    assert [line for line in (await examine(backend)).lines() if sentence in line]


@pytest.mark.parametrize("leaving", [False, True], ids=["coming", "going"])
async def test_a_worker_killed_while_it_comes_or_goes_leaves_nothing_behind(
    stored: RedisBackend, monkeypatch: pytest.MonkeyPatch, leaving: bool
) -> None:
    """Killed before any of the commands that make it known or forgotten."""
    command = stored._connection.command
    left = 0

    class Killed(Exception):
        pass

    async def until_killed(*args: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return await command(*args, **options)

    for place in range(20):
        info = WorkerInfo(f"w{place}", "host", 1, ["q"], 1, ["work"], ttl=30.0)
        if leaving:
            await stored.register_worker(info)
        left = place
        with monkeypatch.context() as patch:
            patch.setattr(stored._connection, "command", until_killed)
            with contextlib.suppress(Killed):
                await (stored.unregister_worker if leaving else stored.register_worker)(info)
        report = await examine(stored, advice=False)
        assert not report.findings, place
        assert all(worker.host == "host" for worker in (await stored.overview()).workers)
    assert left > 0  # the last ones were not killed at all


async def test_nobody_waits_for_a_count_of_pending_steps_that_is_wrong(stored: RedisBackend) -> None:
    """Links and retries wait until nothing spreads; where nothing is pending, nothing spreads, whatever is counted."""
    await populate(stored)
    await run(stored, "HSET", P + "opc", "done", "1")
    late = Job("other", id="late", depends_on=["done"])
    await asyncio.wait_for(stored.enqueue("q", late), 10)
    assert (await stored.get_job("late")).state == "waiting"
    await run(stored, "HSET", P + "opc", "failed", "2")
    assert await asyncio.wait_for(stored.retry("failed"), 10) == {"failed": "retried"}
    await run(stored, "HSET", P + "opc", "x", "2")
    assert await asyncio.wait_for(stored.retry_flow("first", "all"), 10) == 2  # two of its jobs have ended
