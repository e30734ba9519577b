"""Searching jobs: what the store leaves out early is never what was meant, on every store."""

from __future__ import annotations

import json
import random
import re
import sys
from collections.abc import AsyncIterator

import pytest
from engine_kit import Hand
from servers import KINDS, server

from core.backends.base import Backend, Scan
from core.backends.memory import InMemoryBackend
from core.backends.redis import RedisBackend
from core.flow import FlowProducer
from core.jobs import Job, JobError, JobRecord
from flowtui import pages
from flowtui.filter import Filter, parse
from flowtui.pages import Jobs, Page

# Names that a careless search would lose: equal to ASCII only when case is ignored, escaped in JSON, or not ASCII.
HOSTILE = (
    "ſend",
    "\u212aelvin",
    "straße",
    "ﬁle",
    "日本",
    'a "b" c',
    "tab\there",
    "back\\slash",
    "Crème",
    "50%",
    "a[b]c",
)
PLAIN = ("load", "Extract", "thumb-nail", "mail.send", "geo_1")
WORDS = (
    "load", "LOAD", "extract", "send", "kelvin", "strasse", "file", "fi", "日", '"a b"', "tab", "slash", "crème", "e",
    "geo", "10115", "1.5", "timeout", "cancelled", "hand", "zzz", "a[b", "[", "b]c", "s", "k",
)  # fmt: skip
TERMS = (
    "state:failed", "state:waiting,failed", "!state:completed", "task:T.*", "task:t.load,t.mail*", "task:*",
    "name:load", "name:ſ", "name:*send", "name:[a-k]*", "name:日*", "id:job-1", "id:*7", "flow:etl*", "flow:flow-2",
    "flow:ño*", "flow:no*", "worker:hand*", "group:grün", "group:red", "error:timeout", "error:größe",
    "args:10115", "args:eu", "args:1.5", "args:null", "args:true", "args:ß", "age>10", "age<1h", "age>=0", "age:0",
    "run>0", "run<1d", "wait<1h", "wait>1h", "try>0", "try:1", "try<1", "stalls:0", "priority<5", "progress>1",
)  # fmt: skip


@pytest.fixture(params=KINDS)
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """A store of each kind, with jobs in every state that a search may meet."""
    made: Backend
    if request.param == "memory":
        made = InMemoryBackend()
    else:
        running = server(request.param)
        running.flush()
        made = RedisBackend(running.url)
    await fill(made)
    yield made
    await made.close()


async def fill(backend: Backend) -> None:
    picks = random.Random(5)
    names = [*HOSTILE, *PLAIN]
    for queue in ("north", "south"):
        jobs = [
            Job(
                f"t.{picks.choice(PLAIN)}",
                picks.choice(([], ["eu", 10115], [1.5, None], [{"größe": True}], ["ſ"])),
                {"note": picks.choice(names)} if n % 3 == 0 else {},
                id=f"{queue}-job-{n}",
                name=picks.choice(names),
                priority=picks.choice((2, 5, 9)),
                group=picks.choice((None, "red", "grün")),
                delay=3600.0 if n % 17 == 0 else None,
                max_retries=0,
            )
            for n in range(60)
        ]
        await backend.enqueue_many(queue, jobs)
        for name in ("etl-nightly", "señor ño"):
            start = Job("t.load", id=f"{queue}-{name[0]}-start", name="Kelvin", max_retries=0, priority=1)
            await FlowProducer(backend).add_flow(
                queue, [start, Job("t.geo", depends_on=[start.id], name="after")], name=name
            )
        hand = Hand(backend, queue)
        taken = await hand.take(30)
        await hand.complete(*taken[4:12])
        await hand.fail(*taken[:4], *taken[12:16], error=JobError("TimeoutError", "Größe of ﬁle: too slow"))
        await backend.cancel(jobs[50].id)


async def everything(jobs: Jobs) -> Page:
    """The whole of a search, however many steps it takes."""
    for _ in range(1000):
        page = await jobs.page(0, 10_000)
        if page.complete:
            return page
    raise AssertionError("the search does not end")


async def oracle(backend: Backend, queue: str | None, wanted: Filter, now: float) -> list[JobRecord]:
    """The filter held against every job."""
    names = {flow.id: flow.name for flow in await backend.list_flows(limit=100)}
    rows = await backend.list_jobs(None, queue, limit=10_000)
    return [row for row in rows if wanted.matches(row, now, lambda flow_id: names.get(flow_id, flow_id))]


async def test_a_search_finds_what_the_filter_matches_and_nothing_else(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "LOOK", 41)
    picks = random.Random(8)
    now = (await backend.list_jobs(None, "north", limit=1))[0].created_at + 30.0
    lines = [*WORDS, *TERMS]
    lines += [
        " ".join(picks.choice(("", "", "!")) + part for part in picks.sample([*WORDS, *TERMS], 2))
        for _ in range(60)
    ]
    found = 0
    for text in lines:
        try:
            wanted = parse(text)
        except ValueError:
            continue
        queue = picks.choice((None, "north", "south"))
        page = await everything(Jobs(backend, queue, filter=wanted, clock=lambda: now))
        want = await oracle(backend, queue, wanted, now)
        assert {row.id for row in page.rows} == {row.id for row in want}, text
        assert len(page.rows) == len(want), text
        if wanted.states is None:
            assert [row.id for row in page.rows] == [row.id for row in want], text
        found += len(want)
    assert found > 1000


async def test_the_store_sends_only_what_has_the_clues(backend: Backend) -> None:
    if isinstance(backend, InMemoryBackend):
        pytest.skip("nothing is sent")
    jobs = [
        Job("t.geo" if n % 10 else "t.rare", [n], name=f"schön {n}", priority=1 + n % 4) for n in range(60)
    ]
    await backend.enqueue_many("plain", jobs)
    for text, meant in ((f"id:{jobs[7].id}", 1), ("task:*rare", 6), ("t.rare priority<2", 3), ("flow:x", 0)):
        scan = await backend.scan_jobs(parse(text).clues, None, "plain", look=100)
        assert (scan.looked, scan.ended, len(scan.jobs)) == (60, False, meant), text
    assert await backend.scan_jobs((), None, "plain", offset=60) == Scan([], 0, True)
    # Many that fit end a step early: no answer is large.
    await backend.enqueue_many("plain", [Job("t.geo", name="more") for _ in range(200)])
    scan = await backend.scan_jobs(parse("t.geo").clues, None, "plain", look=260)
    assert (len(scan.jobs), scan.looked) == (100, 106)


def test_every_letter_that_equals_an_ascii_one_is_known_to_the_script() -> None:
    block = re.compile(r"\\u(00df|01|1e9|212|fb0)")  # ALIKE of read.lua
    letters = [chr(code) for code in range(0x80, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    folded = {each for each in letters if any(char.isascii() for char in each.casefold())}
    alike = {*re.findall("[a-z0-9]", "".join(letters), re.IGNORECASE)}
    assert {"ſ", "\u212a", "ß"} <= folded | alike
    assert [each for each in folded | alike if not block.search(json.dumps(each))] == []
