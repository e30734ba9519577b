"""The scripts for what is not special leave the store exactly as the one that knows everything does."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from servers import Server, fresh, redis_binary, valkey_binary

from core import FlowProducer, Job
from core.backends.redis import RedisBackend
from core.errors import DuplicateJob, FlowConflict
from core.jobs import Trigger

BINARIES = {
    name: binary
    for name, binary in (("valkey", valkey_binary()), ("redis", redis_binary()))
    if binary is not None
}
LONG = {
    "put": lambda args: 0,
    "putflow": lambda args: ["special" for arg in args if re.match(r"\S+ \S+ \d+\n", arg)],
}
"""What the short scripts answer where they leave the work to `add`."""


@pytest.fixture(scope="module", params=BINARIES)
def own(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server for this module alone."""
    binary: Path = BINARIES[request.param]
    with fresh(binary) as made:
        yield made


class Watched(RedisBackend):
    """A backend that notes which scripts it runs, and may do without the short ones."""

    def __init__(self, url: str, *, short: bool) -> None:
        super().__init__(url)
        self.short = short
        self.ran: list[str] = []

    async def _script(self, name: str, queue: str, *args: Any, repeat: bool = True) -> Any:
        if not self.short and name in LONG:
            return LONG[name](args)
        self.ran.append(name)
        return await super()._script(name, queue, *args, repeat=repeat)


@pytest.fixture
async def ways(own: Server) -> AsyncIterator[tuple[Watched, Watched]]:
    """The short way and the long one, to an empty server."""
    own.client().flushall()
    made = Watched(own.url, short=True), Watched(own.url, short=False)
    yield made
    for backend in made:
        await backend.close()


def dump(server: Server) -> dict[str, Any]:
    """All that a server holds, but for what time it was."""
    client = server.client()
    read = {
        "string": client.get,
        "set": lambda key: sorted(client.smembers(key)),
        "hash": lambda key: sorted(client.hgetall(key).items()),
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        "stream": client.xrange,
        "list": lambda key: client.lrange(key, 0, -1),
    }
    found = {key: read[client.type(key)](key) for key in client.scan_iter(count=1000)}
    return {key: re.sub(r"\b1[6-9]\d{11}\b(\.0)?", "NOW", repr(value)) for key, value in found.items()}


def flow_of(seed: int) -> list[Job]:
    """A flow without what is special; its jobs come in any order."""
    chance = random.Random(seed)
    jobs: list[Job] = []
    for n in range(chance.choice([1, 2, 4, 9, 40])):
        ups = chance.sample(jobs, min(len(jobs), chance.randrange(4)))
        trigger = chance.choice(list(Trigger)) if ups else Trigger.ALL_SUCCESS
        jobs.append(
            Job(
                "app.task",
                [n, 'a "b" \\ \n é', {"c": [None, 1.5]}],
                depends_on=[up.id for up in ups],
                id=f"job-{n}",
                name=f"job {n}",
                trigger=trigger,
                priority=chance.choice([5, 5, 0, 9]),
                max_stalls=chance.choice([3, 3, 1, 12]),
            )
        )
    chance.shuffle(jobs)
    return jobs


@pytest.mark.parametrize("seed", range(20))
async def test_a_flow_added_the_short_way_is_stored_as_the_long_way_does(
    seed: int, own: Server, ways: tuple[Watched, Watched]
) -> None:
    stores = []
    for backend in ways:
        own.client().flushall()
        await FlowProducer(backend).add_flow("q", flow_of(seed), flow_id="flow", name="its name")
        stores.append(dump(own))
    short, long = ways
    assert "putflow" in short.ran
    assert "add" not in short.ran
    assert "add" in long.ran
    assert stores[0] == stores[1]


def events(stored: dict[str, Any]) -> list[str]:
    """The lines of the event stream, however many came in one entry."""
    entries = stored.pop("flowtui:{q}:ev", "[]")
    return [line for text in re.findall(r"'e': '([^']*)'", entries) for line in text.split("\\n")]


async def test_flows_added_at_the_same_time_go_together_and_are_stored_as_one_by_one(
    own: Server, ways: tuple[Watched, Watched]
) -> None:
    short, long = ways

    def flows() -> Iterator[tuple[str, list[Job]]]:
        for seed in range(20):
            made = flow_of(seed)
            ids = {job.id: f"{seed}-{job.id}" for job in made}
            for job in made:
                job.id, job.depends_on = ids[job.id], [ids[up] for up in job.depends_on]
            yield f"flow-{seed:02}", made

    own.client().flushall()
    producer = FlowProducer(short)
    await asyncio.gather(*(producer.add_flow("q", jobs, flow_id=flow) for flow, jobs in flows()))
    together = dump(own)
    assert short.ran.count("putflow") == 1
    assert "add" not in short.ran
    own.client().flushall()
    for flow, jobs in flows():
        await FlowProducer(long).add_flow("q", jobs, flow_id=flow)
    one_by_one = dump(own)
    assert events(together) == events(one_by_one)
    assert together == one_by_one


async def test_a_flow_that_was_left_out_of_a_call_goes_with_the_next(ways: tuple[Watched, Watched]) -> None:
    short, _ = ways
    producer = FlowProducer(short)
    ids = await asyncio.gather(*(producer.add_flow("q", [Job("t") for _ in range(120)]) for _ in range(9)))
    assert short.ran.count("putflow") == 3
    counts = await short.counts("q")
    assert counts["waiting"] == len({each for one in ids for each in one}) == 9 * 120


async def test_single_jobs_added_the_short_way_are_stored_as_the_long_way_does(
    own: Server, ways: tuple[Watched, Watched]
) -> None:
    stores = []
    for backend in ways:
        own.client().flushall()
        await backend.enqueue_many("q", [Job("app.task", [n], id=f"job-{n}") for n in range(7)])
        stores.append(dump(own))
    assert ways[0].ran.count("put") == 1
    assert "add" not in ways[0].ran
    assert stores[0] == stores[1]


@pytest.mark.parametrize("way", [0, 1], ids=["short", "long"])
async def test_a_flow_that_is_refused_changes_nothing(
    way: int, own: Server, ways: tuple[Watched, Watched]
) -> None:
    producer = FlowProducer(ways[way])
    await producer.add_flow("q", flow_of(3), flow_id="flow", name="its name")
    before = dump(own)
    await producer.add_flow("q", flow_of(3), flow_id="flow", name="its name")  # the same again
    with pytest.raises(FlowConflict, match="has a flow 'flow' with other jobs or links"):
        await producer.add_flow("q", flow_of(4), flow_id="flow")
    with pytest.raises(DuplicateJob, match="already has a job 'job-0'"):
        await producer.add_flow("q", [Job("t", id="new"), Job("t", id="job-0"), Job("t", id="job-1")])
    assert dump(own) == before


@pytest.mark.parametrize(
    "special",
    [{"delay": 30.0}, {"ttl": 60.0}, {"repeat_every": 5.0}, {"depends_on": ["earlier"]}],
    ids=lambda fields: next(iter(fields)),
)
async def test_what_is_special_goes_the_long_way(
    special: dict[str, Any], ways: tuple[Watched, Watched]
) -> None:
    short, _ = ways
    await short.enqueue("q", Job("t", id="earlier"))
    await FlowProducer(short).add_flow("q", [Job("t", id="first"), Job("t", id="second", **special)])
    assert short.ran.count("add") == 1
    assert "putflow" not in short.ran


@pytest.mark.parametrize(("links", "way"), [(250, "putflow"), (251, "add")])
@pytest.mark.parametrize("inward", [True, False], ids=["upstreams", "downstreams"])
async def test_a_job_with_more_links_than_a_page_goes_the_long_way(
    links: int, way: str, inward: bool, ways: tuple[Watched, Watched]
) -> None:
    short, _ = ways
    many, one = [Job("t") for _ in range(links)], Job("t")
    if inward:
        one.depends_on = [job.id for job in many]
    else:
        for job in many:
            job.depends_on = [one.id]
    await FlowProducer(short).add_flow("q", [*many, one])
    assert {"putflow", "add"}.intersection(short.ran) == {way}


async def test_a_wish_for_a_job_of_the_flow_is_kept(own: Server, ways: tuple[Watched, Watched]) -> None:
    short, _ = ways
    await short.enqueue("q", Job("t", id="earlier"))
    await short.add_dependencies("q", Job("t", id="second", depends_on=["earlier"]))
    await FlowProducer(short).add_flow("q", [Job("t", id="first"), Job("t", id="second")])
    assert [name for name in short.ran if name in ("putflow", "add")] == ["putflow", "add"]
    record = await short.get_job("second")
    assert record is not None
    assert record.state == "blocked"
    assert own.client().exists("flowtui:{q}:declared") == 0


async def test_beside_a_flow_that_is_being_written_the_long_way_looks_at_it(
    own: Server, ways: tuple[Watched, Watched]
) -> None:
    short, _ = ways
    await short._script("begin", "q", "large", "digest", 1000, "5")
    await FlowProducer(short).add_flow("q", flow_of(2), flow_id="small")
    with pytest.raises(FlowConflict):
        await FlowProducer(short).add_flow("q", [Job("t")], flow_id="large")
    assert short.ran.count("add") == 2
    assert own.client().hget("flowtui:{q}:about", "large") is None
