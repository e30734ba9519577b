"""Every rule of the engine once, run on every store: in memory, Valkey, a Valkey cluster, and Redis where there is one.

Time is real on the servers, so waits are short; nothing here measures speed.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from servers import KINDS, server

from core import CycleError, FlowProducer, InMemoryBackend, Job, JobState, RedisBackend
from core.backends.base import Backend, Claim, Clue, Outcome, WorkerInfo
from core.doctor import examine
from core.errors import (
    DuplicateJob,
    FlowConflict,
    FlowError,
    Gap,
    InvalidFlow,
    InvalidJob,
    InvalidPayload,
    NotFound,
    Refused,
    UnknownUpstream,
)
from core.events import Event
from core.jobs import FlowState, JobRecord
from core.payload import decode_payload

_numbers = itertools.count(1)


@pytest.fixture(params=KINDS)
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """A store of each kind, empty."""
    if request.param == "memory":
        yield InMemoryBackend()
        return
    running = server(request.param)
    running.flush()
    made = RedisBackend(running.url)
    yield made
    await made.close()


@pytest.fixture(params=KINDS)
def any_store(request: pytest.FixtureRequest) -> Backend:
    """The same for a test that makes its own loops."""
    if request.param == "memory":
        return InMemoryBackend()
    running = server(request.param)
    running.flush()
    return RedisBackend(running.url)


@pytest.fixture
def q() -> str:
    """A queue of this test's own; on a cluster the names fall on different nodes."""
    return f"q{next(_numbers)}"


class Hands:
    """A worker moved by hand: takes jobs and reports what the test says."""

    def __init__(self, backend: Backend, queue: str, name: str = "hand") -> None:
        self.backend, self.queue, self.name = backend, queue, name

    async def take(self, limit: int = 1, lease: float = 30.0) -> list[Claim]:
        return (await self.backend.turn(self.queue, self.name, (), limit, lease)).claims

    async def one(self, lease: float = 30.0) -> Claim:
        claims = await self.take(1, lease)
        assert claims, "nothing to take"
        return claims[0]

    async def report(self, claim: Claim, kind: Any, payload: str | None = None, **more: Any) -> list[str]:
        outcome = Outcome(claim.id, claim.token, kind, payload, **more)
        return (await self.backend.turn(self.queue, self.name, [outcome], 0, 30.0)).lost

    async def complete(self, claim: Claim, result: Any = None) -> list[str]:
        return await self.report(claim, "completed", None if result is None else json.dumps(result))

    async def fail(self, claim: Claim, text: str = "boom") -> list[str]:
        error = json.dumps({"type": "ValueError", "message": text})
        return await self.report(claim, "failed", error, reason=f"ValueError: {text}")

    async def run_all(self, fail: Sequence[str] = ()) -> list[str]:
        """Take and end jobs until nothing is waiting; returns their ids in the order in which they started."""
        order = []
        while claims := await self.take(100):
            for claim in claims:
                order.append(claim.id)
                if claim.id in fail:
                    await self.fail(claim)
                else:
                    await self.complete(claim)
        return order

    async def nudge(self, seconds: float = 0.0) -> None:
        """Let what is due happen."""
        await asyncio.sleep(seconds)
        await self.backend.turn(self.queue, self.name, (), 0, 30.0)


@pytest.fixture
def hands(backend: Backend, q: str) -> Hands:
    """A worker for the test's queue."""
    return Hands(backend, q)


def diamond(**fields: Any) -> list[Job]:
    """start -> left, right -> end."""
    start = Job("t.start", **fields)
    left, right = (Job(f"t.{side}", depends_on=[start.id]) for side in ("left", "right"))
    return [start, left, right, Job("t.end", depends_on=[left.id, right.id])]


async def add(backend: Backend, queue: str, jobs: Sequence[Job], **more: Any) -> list[str]:
    """Add a flow as a user does."""
    return await FlowProducer(backend).add_flow(queue, list(jobs), **more)


async def states(backend: Backend, jobs: Sequence[Job]) -> list[str]:
    """The jobs' states, in order."""
    return [str((await backend.get_job(job.id)).state) for job in jobs]


async def all_events(backend: Backend, queue: str) -> list[Event]:
    """Every event of the queue so far."""
    last = (await backend.overview([queue])).position[queue]
    found: list[Event] = []
    if last:
        async for batch in backend.event_batches(0, [queue]):
            found += batch
            if found and found[-1].seq >= last:
                break
    return found


async def content(backend: Backend, queue: str) -> dict[str, JobRecord]:
    """All jobs of the queue."""
    return {record.id: record for record in await backend.list_jobs(None, queue, limit=10_000)}


# -------------------------------------------------------------------------------------------------- order


async def test_a_job_never_starts_before_its_upstreams_have_completed(
    backend: Backend, q: str, hands: Hands
) -> None:
    start, *_ = jobs = diamond()
    assert await add(backend, q, jobs) == [job.id for job in jobs]
    assert await states(backend, jobs) == ["waiting", "blocked", "blocked", "blocked"]
    assert [claim.id for claim in await hands.take(10)] == [start.id]
    assert await hands.take(10) == []


async def test_a_diamond_runs_in_order_and_completes(backend: Backend, q: str, hands: Hands) -> None:
    start, left, right, end = jobs = diamond()
    await add(backend, q, jobs, flow_id="f", name="nightly")
    order = await hands.run_all()
    assert (order[0], {*order[1:3]}, order[3]) == (start.id, {left.id, right.id}, end.id)
    flow = await backend.get_flow("f")
    assert (flow.state, flow.name, flow.total, flow.done) == (FlowState.COMPLETED, "nightly", 4, 4)
    assert flow.started_at is not None
    assert flow.finished_at is not None
    assert flow.created_at <= flow.started_at <= flow.finished_at


@pytest.mark.parametrize(
    ("trigger", "outcomes", "expected"),
    [
        ("all_success", "cc", "waiting"),
        ("all_success", "fc", "skipped"),
        ("all_success", "f", "skipped"),
        ("all_done", "f", "blocked"),
        ("all_done", "fc", "waiting"),
        ("all_done", "ff", "waiting"),
        ("one_success", "c", "waiting"),
        ("one_success", "f", "blocked"),
        ("one_success", "ff", "skipped"),
        ("one_failed", "f", "waiting"),
        ("one_failed", "c", "blocked"),
        ("one_failed", "cc", "skipped"),
    ],
)
async def test_a_trigger_decides_over_the_outcomes_of_the_upstreams(
    backend: Backend, q: str, hands: Hands, trigger: str, outcomes: str, expected: str
) -> None:
    ups = [Job("t.up"), Job("t.up")]
    join = Job("t.join", depends_on=[up.id for up in ups], trigger=trigger)
    await add(backend, q, [*ups, join])
    claims = {claim.id: claim for claim in await hands.take(2)}
    for up, outcome in zip(ups, outcomes, strict=False):
        await (hands.complete if outcome == "c" else hands.fail)(claims[up.id])
    assert (await backend.get_job(join.id)).state == expected


@pytest.mark.parametrize("want", range(9))
async def test_what_a_turn_makes_ready_stands_in_line_with_what_waits(
    backend: Backend, q: str, hands: Hands, want: int
) -> None:
    below = [Job("t", id=f"kid{i}", depends_on=["root"], priority=p) for i, p in enumerate((9, 5, 1, 5))]
    await FlowProducer(backend).add_flow(q, [Job("t", id="root", priority=0), *below], flow_id="f")
    for name, priority in (("w3", 3), ("w5", 5), ("w7", 7)):
        await backend.enqueue(q, Job("t", id=name, priority=priority))
    root = await hands.one()
    turn = await backend.turn(q, "hand", [Outcome(root.id, root.token, "completed")], want, 30.0)
    order = ["kid2", "w3", "kid1", "kid3", "w5", "w7", "kid0"]
    assert [claim.id for claim in turn.claims] == order[:want]
    assert turn.more == (want < len(order))
    assert not (await examine(backend)).findings
    rest = []
    while claims := await hands.take(1):
        rest += [claim.id for claim in claims]
    assert rest == order[want:]
    assert not (await examine(backend)).findings
    assert (await backend.counts(q))["active"] == len(order)


async def test_what_a_turn_hands_back_goes_to_its_old_place_in_line(
    backend: Backend, q: str, hands: Hands
) -> None:
    for name in ("a", "b", "c"):
        await backend.enqueue(q, Job("t", id=name))
    first, second = await hands.take(2)
    turn = await backend.turn(q, "hand", [Outcome(second.id, second.token, "released")], 2, 30.0)
    assert [claim.id for claim in turn.claims] == ["b", "c"]
    assert [claim.attempt for claim in turn.claims] == [1, 1]
    assert not (await examine(backend)).findings
    assert (first.id, (await backend.counts(q))["active"]) == ("a", 3)


async def test_lower_priority_numbers_go_first_and_older_jobs_first_among_equals(
    backend: Backend, q: str, hands: Hands
) -> None:
    jobs = [Job("t", priority=priority) for priority in (5, 1, 9, 1, 5, 0)]
    for job in jobs:
        await backend.enqueue(q, job)
    taken = [claim.id for claim in await hands.take(10)]
    assert taken == [jobs[i].id for i in (5, 1, 3, 0, 4, 2)]


async def test_waiting_lists_what_is_ready_and_then_what_is_blocked_upstream_before_downstream(
    backend: Backend, q: str
) -> None:
    jobs = diamond()
    await add(backend, q, jobs[::-1])  # given in the wrong order on purpose
    listed = [record.id for record in await backend.list_jobs("waiting")]
    assert listed[0] == jobs[0].id
    assert {*listed[1:3]} == {jobs[1].id, jobs[2].id}
    assert listed[3] == jobs[3].id
    assert [record.id for record in await backend.list_jobs("blocked", q)] == listed[1:]
    assert [record.id for record in await backend.list_jobs("ready", q)] == listed[:1]


# -------------------------------------------------------------------------------------------------- release once


async def test_a_join_is_released_once_however_many_upstreams_end_at_once(
    backend: Backend, q: str, hands: Hands
) -> None:
    ups = [Job("t.up") for _ in range(50)]
    join = Job("t.join", depends_on=[up.id for up in ups])
    await add(backend, q, [*ups, join])
    claims = await hands.take(50)
    await asyncio.gather(*(hands.complete(claim) for claim in claims))
    became = [
        event for event in await all_events(backend, q) if event.job_id == join.id and event.to == "waiting"
    ]
    assert len(became) == 1
    assert [claim.id for claim in await hands.take(10)] == [join.id]


async def test_reporting_an_accepted_outcome_again_changes_nothing(
    backend: Backend, q: str, hands: Hands
) -> None:
    jobs = diamond()
    await add(backend, q, jobs)
    claim = await hands.one()
    assert await hands.complete(claim, 1) == []
    before = (await content(backend, q), await all_events(backend, q))
    assert await hands.complete(claim, 2) == []
    assert (await content(backend, q), await all_events(backend, q)) == before


async def test_a_large_fan_is_released_and_joined_completely(backend: Backend, q: str, hands: Hands) -> None:
    start = Job("t.start")
    middle = [Job("t.middle", depends_on=[start.id]) for _ in range(1300)]
    end = Job("t.end", depends_on=[job.id for job in middle])
    await add(backend, q, [start, *middle, end], flow_id="fan")
    assert (await backend.counts(q))["blocked"] == 1301
    order = await hands.run_all()
    assert (order[0], order[-1], len(set(order))) == (start.id, end.id, 1302)
    assert (await backend.get_flow("fan")).state == "completed"
    assert (await backend.get_job(end.id)).depends_on == [job.id for job in middle]


# -------------------------------------------------------------------------------------------------- every job ends


async def test_what_can_no_longer_run_is_skipped_at_once_with_its_root_cause(
    backend: Backend, q: str, hands: Hands
) -> None:
    chain = [Job("t.root", name="extract")]
    for _ in range(20):
        chain.append(Job("t.next", depends_on=[chain[-1].id]))
    await add(backend, q, chain, flow_id="f")
    await hands.fail(await hands.one(), "no such table")
    assert await states(backend, chain) == ["failed"] + ["skipped"] * 20
    error = (await backend.get_job(chain[-1].id)).error
    assert error is not None
    assert error.upstream == chain[0].id
    assert "no such table" in error
    assert (await backend.get_flow("f")).state == "failed"


async def test_a_failure_skips_thousands_once_each(backend: Backend, q: str, hands: Hands) -> None:
    start = Job("t.start")
    rest = [Job("t.rest", depends_on=[start.id]) for _ in range(2100)]
    await add(backend, q, [start, *rest])
    await hands.fail(await hands.one())
    while (await backend.counts(q))["blocked"]:
        await hands.nudge()
    skips = [event.job_id for event in await all_events(backend, q) if event.to == "skipped"]
    assert len(skips) == len(set(skips)) == 2100


async def test_cancelled_upstreams_count_as_not_successful(backend: Backend, q: str, hands: Hands) -> None:
    up = Job("t.up")
    strict, lenient = Job("t.a", depends_on=[up.id]), Job("t.b", depends_on=[up.id], trigger="all_done")
    await add(backend, q, [up, strict, lenient])
    assert await backend.cancel(up.id) == {up.id: "cancelled"}
    assert await states(backend, [up, strict, lenient]) == ["cancelled", "skipped", "waiting"]


async def test_a_job_expires_unless_it_starts_within_its_ttl(backend: Backend, q: str, hands: Hands) -> None:
    stale, late = Job("t.stale", ttl=0.05), Job("t.late")
    below = Job("t.below", depends_on=[stale.id])
    started = Job("t.started", ttl=0.05, priority=0)
    await add(backend, q, [stale, below, late])
    await backend.enqueue(q, started)
    claim = await hands.one()
    assert claim.id == started.id
    await hands.nudge(0.1)
    assert await states(backend, [stale, below, late, started]) == ["expired", "skipped", "waiting", "active"]
    assert await hands.complete(claim) == []


async def test_what_a_job_asks_for_holds_in_a_large_flow_as_in_a_small_one(
    backend: Backend, q: str, hands: Hands
) -> None:
    def asking(root: str, prefix: str) -> list[Job]:
        return [
            Job("t.late", id=f"{prefix}late", delay=30.0, depends_on=[]),
            Job("t.later", id=f"{prefix}later", delay=30.0, depends_on=[root]),
            Job("t.stale", id=f"{prefix}stale", ttl=0.05, depends_on=[root]),
            Job("t.stale", id=f"{prefix}stale-root", ttl=0.05, priority=9),
            Job("t.again", id=f"{prefix}again", repeat_every=60.0, priority=2, max_stalls=1),
            Job("t.any", id=f"{prefix}any", trigger="all_done", depends_on=[root, f"{prefix}stale-root"]),
            Job("t.first", id=f"{prefix}first", priority=0, max_stalls=7, max_retries=1, group="g"),
        ]

    small = [Job("t.root", id="s-root", priority=200), *asking("s-root", "s-")]
    fill = [Job("t.fill", id=f"fill-{n}", depends_on=["l-root"], priority=201) for n in range(700)]
    large = [Job("t.root", id="l-root", priority=200), *asking("l-root", "l-"), *fill]
    await add(backend, q, small)
    await add(backend, q, large)
    await hands.nudge()
    await hands.nudge()  # delays and ttls of a large flow count from the first step that a worker does for it
    await hands.nudge(0.1)
    asked = (
        "priority",
        "max_retries",
        "max_stalls",
        "delay",
        "ttl",
        "repeat_every",
        "trigger",
        "group",
        "state",
    )
    for few, many in zip(small, large, strict=False):
        one, other = await backend.get_job(few.id), await backend.get_job(many.id)
        assert [getattr(one, name) for name in asked] == [getattr(other, name) for name in asked], few.id
    assert await states(backend, large[:8]) == [
        "waiting", "delayed", "blocked", "expired", "expired", "waiting", "blocked", "waiting",
    ]  # fmt: skip
    claims = await hands.take(6)
    assert [claim.id for claim in claims] == ["s-first", "l-first", "s-again", "l-again", "s-root", "l-root"]
    for claim in claims:
        assert await hands.complete(claim) == []
    assert await states(backend, [small[2], large[2]]) == ["delayed", "delayed"]
    assert await states(backend, [small[6], large[6]]) == ["waiting", "waiting"]


# -------------------------------------------------------------------------------------------------- all or nothing


def _refused_flows() -> list[tuple[str, list[Job], type[Exception], str]]:
    a, b = Job("t", id="a", depends_on=["b"]), Job("t", id="b", depends_on=["a"])
    return [
        ("a cycle", [a, b], CycleError, "a -> b -> a|b -> a -> b"),
        ("a job that waits for itself", [Job("t", id="s", name="s", depends_on=["s"])], CycleError, "s -> s"),
        (
            "an unknown upstream",
            [Job("t", id="u", name="u", depends_on=["nobody"])],
            UnknownUpstream,
            "'nobody'",
        ),
        ("one id twice", [Job("t", id="d"), Job("t", id="d")], DuplicateJob, "'d'"),
        ("what is not JSON", [Job("t"), Job("t", args=[{1, 2}])], InvalidPayload, "set"),
        ("not a number", [Job("t", kwargs={"x": [float("nan")]})], InvalidPayload, "nan"),
        ("too large", [Job("t"), Job("t", args=["x" * 300_000])], InvalidPayload, "limit"),
        ("a trigger without upstreams", [Job("t", trigger="one_success")], InvalidFlow, "depends_on"),
        ("no jobs", [], InvalidFlow, "at least one"),
    ]


@pytest.mark.parametrize("case", _refused_flows(), ids=lambda case: case[0])
async def test_a_refused_flow_leaves_the_store_as_it_was(
    backend: Backend, q: str, case: tuple[str, list[Job], type[Exception], str]
) -> None:
    await add(backend, q, diamond())
    before = (await content(backend, q), await backend.counts(q), await all_events(backend, q))
    digest = _digest(backend)
    _, jobs, kind, said = case
    with pytest.raises(kind, match=said):
        await add(backend, q, jobs)
    assert (await content(backend, q), await backend.counts(q), await all_events(backend, q)) == before
    assert _digest(backend) == digest


def _digest(backend: Backend) -> str:
    """A digest of the whole server, where there is one."""
    if isinstance(backend, InMemoryBackend):
        return ""
    for kind in KINDS[1:]:
        running = server(kind)
        if running.url == backend.url:
            return running.digest()
    raise AssertionError(backend.url)


async def test_a_flow_with_an_id_that_the_queue_knows_is_refused_as_a_whole(backend: Backend, q: str) -> None:
    await backend.enqueue(q, Job("t", id="taken"))
    fresh = Job("t")
    with pytest.raises(DuplicateJob, match="taken"):
        await add(backend, q, [fresh, Job("t", id="taken")])
    with pytest.raises(NotFound):
        await backend.get_job(fresh.id)


async def test_a_large_flow_is_refused_as_a_whole(backend: Backend, q: str) -> None:
    await backend.enqueue(q, Job("t", id="taken"))
    many = [Job("t") for _ in range(1200)]
    with pytest.raises(DuplicateJob, match="taken"):
        await add(backend, q, [*many, Job("t", id="taken")])
    with pytest.raises(UnknownUpstream, match="nobody"):
        await add(backend, q, [*many, Job("t", depends_on=["nobody"])])
    assert sum((await backend.counts(q)).values()) == 1
    with pytest.raises(NotFound):
        await backend.get_job(many[0].id)


async def test_adding_the_same_flow_again_changes_nothing(backend: Backend, q: str) -> None:
    jobs = diamond()
    ids = await add(backend, q, jobs, flow_id="f")
    before = await content(backend, q)
    assert await add(backend, q, jobs, flow_id="f") == ids
    assert await content(backend, q) == before
    with pytest.raises(FlowConflict, match="'f'"):
        await add(backend, q, diamond(), flow_id="f")
    assert await content(backend, q) == before


async def test_adding_the_same_large_flow_again_changes_nothing(backend: Backend, q: str) -> None:
    jobs = [Job("t") for _ in range(700)]
    await add(backend, q, jobs, flow_id="f")
    await add(backend, q, jobs, flow_id="f")
    assert (await backend.counts(q))["waiting"] == 700
    with pytest.raises(FlowConflict):
        await add(backend, q, jobs[:-1], flow_id="f")


async def test_no_reader_and_no_worker_sees_half_a_flow(backend: Backend, q: str, hands: Hands) -> None:
    jobs = [Job("t") for _ in range(3000)]
    seen = set()
    adding = asyncio.ensure_future(add(backend, q, jobs, flow_id="f"))
    while not adding.done():
        counted = sum((await backend.counts(q)).values())
        listed = len(await backend.list_jobs("waiting", q, limit=5))
        taken = len(await hands.take(1)) if counted else 0
        seen.add((counted, bool(listed) >= bool(taken)))
        await asyncio.sleep(0)
    await adding
    assert {counted for counted, _ in seen} <= {0, 3000}
    assert all(consistent for _, consistent in seen)


async def test_jobs_arrive_exactly_as_they_were_submitted(backend: Backend, q: str, hands: Hands) -> None:
    args = [
        [],
        {},
        9007199254740993,
        -(2**63),
        0.1,
        1e-300,
        "",
        "ü\n\x00€😀",
        None,
        True,
        [[[]]],
        {"": {"a": []}},
    ]
    job = Job("t", args=args, kwargs={"k": args}, name="n\x1b[31m [/] ü", timeout=3, group="g")
    await add(backend, q, [job])
    claim = await hands.one()
    fields = decode_payload(claim.payload)
    assert (fields["args"], fields["kwargs"], fields["name"], fields["timeout"]) == (
        args,
        {"k": args},
        job.name,
        3,
    )
    record = await backend.get_job(job.id)
    assert (record.args, record.kwargs, record.name, record.group) == (args, {"k": args}, job.name, "g")


# -------------------------------------------------------------------------------------------------- earlier upstreams


async def test_an_upstream_of_an_earlier_flow_counts_as_it_stands(
    backend: Backend, q: str, hands: Hands
) -> None:
    done, failed, pending = Job("t", priority=0), Job("t", priority=1), Job("t")
    for job in (done, failed, pending):
        await add(backend, q, [job])
    await hands.complete(await hands.one())
    await hands.fail(await hands.one())
    after = [Job("t.after", depends_on=[up.id]) for up in (done, failed, pending)]
    for job in after:
        await add(backend, q, [job])
    assert await states(backend, after) == ["waiting", "skipped", "blocked"]
    assert {claim.id for claim in await hands.take(10)} == {pending.id, after[0].id}
    with pytest.raises(UnknownUpstream, match="add it to the flow, or submit its flow first"):
        await add(backend, q, [Job("t", depends_on=["nobody"])])


async def test_earlier_upstreams_work_for_large_flows_too(backend: Backend, q: str, hands: Hands) -> None:
    early = Job("t")
    await backend.enqueue(q, early)
    late = [Job("t", depends_on=[early.id]) for _ in range(700)]
    await add(backend, q, late)
    assert (await backend.counts(q))["blocked"] == 700
    await hands.nudge()
    order = await hands.run_all()
    assert order[0] == early.id
    assert len(order) == 701


@pytest.mark.parametrize("how", ["flow", "single", "declared", "linked"])
@pytest.mark.parametrize("turns", ["completed", "failed", "retried"])
async def test_a_job_that_comes_to_wait_for_one_whose_end_still_spreads_hears_of_it_once(
    backend: Backend, q: str, hands: Hands, how: str, turns: str
) -> None:
    """What a wide job's end means for a thousand others is worked off in steps; one that is added meanwhile counts
    that end, and the retry after it, exactly once."""
    root = Job("t.root", priority=0)
    wide = [Job("t.leaf", depends_on=[root.id]) for _ in range(1100)]
    await add(backend, q, [root, *wide], flow_id="wide")
    late = Job("t.late", depends_on=[root.id], priority=9)
    if how == "linked":
        await backend.enqueue(q, Job("t.late", id=late.id, priority=9, delay=3600))
    await (hands.complete if turns == "completed" else hands.fail)(await hands.one())
    if turns == "retried":
        assert await backend.retry(root.id) == {root.id: "retried"}
    if how == "flow":
        await add(backend, q, [late])
    elif how == "single":
        await backend.enqueue(q, late)
    else:
        await backend.add_dependencies(q, late)
        if how == "declared":
            await backend.enqueue(q, Job("t.late", id=late.id, priority=9))
    if turns == "retried":
        assert (await hands.one()).id == root.id
        assert await states(backend, [late]) == ["blocked"]
        return
    for _ in range(6):
        await hands.nudge()
    if turns == "failed":
        assert await states(backend, [late]) == ["skipped"]
    else:
        assert await states(backend, [late]) == ["delayed" if how == "linked" else "waiting"]
    assert (await backend.counts(q))["blocked"] == 0


async def test_a_large_flow_that_waits_for_one_whose_end_still_spreads_hears_of_it_once(
    backend: Backend, q: str, hands: Hands
) -> None:
    """Its links are made in steps too, while the other's are worked off."""
    root = Job("t.root", priority=0)
    await add(backend, q, [root, *(Job("t.leaf", depends_on=[root.id]) for _ in range(1100))])
    late = [Job("t.late", depends_on=[root.id]) for _ in range(600)]
    await add(backend, q, late)
    await hands.complete(await hands.one())
    more = [Job("t.late", depends_on=[root.id]) for _ in range(600)]
    await add(backend, q, more)
    for _ in range(20):
        await hands.nudge()
    counts = await backend.counts(q)
    assert (counts["blocked"], counts["waiting"]) == (0, 2300)
    assert len(await hands.run_all()) == 2300


async def test_an_id_that_several_queues_have_is_refused_until_one_of_them_is_named(
    backend: Backend, q: str
) -> None:
    """Whoever cancels the nightly flow of one queue must not hit that of another."""
    other = f"{q}-other"
    for queue in (q, other):
        await add(
            backend, queue, [Job("t", id="load"), Job("t", id="join", depends_on=["load"])], flow_id="nightly"
        )
    said = f"'{q}', '{other}'; say in which"
    for call in (
        backend.get_job("load"),
        backend.explain("load"),
        backend.log("load"),
        backend.cancel(["join", "load"]),
        backend.retry("load"),
        backend.promote("load"),
        backend.remove("load"),
        backend.get_flow("nightly"),
        backend.flow_snapshot("nightly"),
        backend.cancel_flow("nightly"),
        backend.retry_flow("nightly"),
        backend.remove_flow("nightly"),
    ):
        with pytest.raises(Refused, match=said):
            await call
    hands = Hands(backend, q)
    assert await backend.cancel("join", queue=q) == {"join": "cancelled"}
    await hands.fail(await hands.one())
    assert (await backend.get_flow("nightly", queue=q)).counts["failed"] == 1
    assert (await backend.explain("load", queue=other)).summary
    assert await backend.log("load", queue=q) == []
    assert await backend.retry("load", queue=q) == {"load": "retried"}
    assert await backend.promote("load", queue=q) == {"load": "not delayed"}
    assert await backend.remove("load", queue=q) == {"load": "needed by nightly"}
    assert await backend.cancel_flow("nightly", queue=q) == {"cancelled": 1, "cancelling": 0}
    assert await backend.retry_flow("nightly", queue=q) == 2
    await backend.cancel_flow("nightly", queue=q)
    assert await backend.remove_flow("nightly", queue=q) == 2
    counts = await backend.counts(other)
    assert (counts["waiting"], counts["blocked"]) == (1, 1)
    # Now that one has it, nobody needs to be told which.
    assert (await backend.get_flow("nightly")).queue == other
    assert await backend.cancel("load") == {"load": "cancelled"}
    assert await backend.cancel("load", queue=q) == {"load": "not found"}


async def test_of_flows_added_at_the_same_time_each_has_its_own_answer(backend: Backend, q: str) -> None:
    producer = FlowProducer(backend)
    old, new = (
        [Job("t", id="old-1"), Job("t", id="old-2")],
        [Job("t", id="new"), Job("t", depends_on=["new"])],
    )
    await producer.add_flow(q, old, flow_id="old")
    await backend.enqueue(q, Job("t", id="taken"))
    twice = Job("t", id="twice")
    given = {
        "same": (old, "old"),
        "conflict": ([Job("t")], "old"),
        "duplicate": ([Job("t", id="fresh"), Job("t", id="taken")], "duplicate"),
        "new": (new, "new"),
        "again": (new, "new"),
        "other": ([Job("t", id="elsewhere")], "new"),
        "first": ([twice], "first"),
        "second": ([twice, Job("t", id="lost")], "second"),
        "last": ([Job("t", id="last")], "last"),
    }
    said = await asyncio.gather(
        *(producer.add_flow(q, jobs, flow_id=flow) for jobs, flow in given.values()), return_exceptions=True
    )
    found = dict(zip(given, said, strict=True))
    refused = {name: str(what) for name, what in found.items() if isinstance(what, FlowError)}
    assert {name: text.split(";")[0] for name, text in refused.items()} == {
        "conflict": f"queue '{q}' has a flow 'old' with other jobs or links",
        "duplicate": f"queue '{q}' already has a job 'taken'",
        "other": f"queue '{q}' has a flow 'new' with other jobs or links",
        "second": f"queue '{q}' already has a job 'twice'",
    }
    assert found["same"] == ["old-1", "old-2"]
    assert found["new"] == found["again"] == [job.id for job in new]
    jobs = [job.id for job in await backend.list_jobs("waiting", q)]
    assert sorted(jobs) == sorted([*found["same"], *found["new"], "taken", "twice", "last"])
    assert sorted([flow.id for flow in await backend.list_flows(q)]) == ["first", "last", "new", "old"]
    assert (await examine(backend, queues=[q])).findings == []


async def test_the_same_job_again_is_the_same_however_many_upstreams_it_has(backend: Backend, q: str) -> None:
    ups = [Job("t") for _ in range(300)]
    await backend.enqueue_many(q, ups)
    join = Job("t.join", depends_on=[up.id for up in ups])
    await backend.enqueue(q, join)
    await backend.enqueue(q, join)
    with pytest.raises(DuplicateJob):
        await backend.enqueue(q, Job("t.other", id=join.id, depends_on=join.depends_on))
    assert (await backend.counts(q))["blocked"] == 1


async def test_a_retry_of_a_large_flow_leaves_nothing_out(backend: Backend, q: str, hands: Hands) -> None:
    """What it resets reaches the jobs below in steps; whether one of those can run again is asked after that."""
    root = Job("t.root", priority=0)
    wide = [Job("t.leaf", depends_on=[root.id]) for _ in range(750)]
    middle = Job("t.middle", depends_on=[wide[-1].id])
    end = Job("t.end", depends_on=[middle.id])
    await add(backend, q, [root, *wide, middle, end], flow_id="wide")
    assert await backend.cancel(end.id) == {end.id: "cancelled"}
    await hands.fail(await hands.one())
    for _ in range(6):
        await hands.nudge()
    assert await states(backend, [wide[-1], middle, end]) == ["skipped", "skipped", "cancelled"]
    assert await backend.retry_flow("wide") == 2
    assert await states(backend, [wide[-1], middle, end]) == ["blocked", "blocked", "blocked"]
    assert len(await hands.run_all()) == 753


async def test_what_an_open_flow_needs_is_not_removed(backend: Backend, q: str, hands: Hands) -> None:
    early = Job("t")
    await add(backend, q, [early], flow_id="early")
    await hands.complete(await hands.one(), 5)
    late = Job("t", depends_on=[early.id])
    await add(backend, q, [late], flow_id="late")
    with pytest.raises(Refused, match="needed"):
        await backend.remove_flow("early")
    assert await backend.clean(q) == 0
    assert await backend.results(q, [early.id]) == {early.id: 5}
    await hands.run_all()
    assert await backend.remove_flow("early") == 1


# -------------------------------------------------------------------------------------------------- leases


async def test_a_job_whose_lease_ran_out_waits_again_and_late_reports_change_nothing(
    backend: Backend, q: str, hands: Hands
) -> None:
    jobs = diamond()
    await add(backend, q, jobs)
    first = await hands.one(lease=0.05)
    await hands.nudge(0.1)
    record = await backend.get_job(first.id)
    assert (record.state, record.stalls, record.attempts) == ("waiting", 1, 1)
    second = await Hands(backend, q, "other").one()
    assert (second.id, second.attempt, second.failures) == (first.id, 2, 0)
    before = await content(backend, q)
    assert await hands.complete(first, "late") == [first.id]
    assert await hands.fail(first) == [first.id]
    assert await content(backend, q) == before
    assert await backend.report(q, first.id, first.token, progress=(0.5, "late")) is False
    assert await hands.complete(second, "right") == []
    assert (await backend.get_job(first.id)).result == "right"


async def test_a_renewed_lease_lasts(backend: Backend, q: str, hands: Hands) -> None:
    await backend.enqueue(q, Job("t"))
    claim = await hands.one(lease=0.2)
    renewer = backend.renewer()
    for _ in range(4):
        await asyncio.sleep(0.08)
        answer = await asyncio.to_thread(renewer.renew, q, "hand", {claim.id: claim.token, "gone": "x"}, 0.2)
        assert answer == ([], ["gone"])
    renewer.close()
    await hands.nudge()
    assert (await backend.get_job(claim.id)).state == "active"
    assert await hands.complete(claim) == []


async def test_a_job_that_loses_its_worker_too_often_fails(backend: Backend, q: str, hands: Hands) -> None:
    job = Job("t", max_stalls=2)
    await backend.enqueue(q, job)
    for _ in range(2):
        await hands.one(lease=0.02)
        await hands.nudge(0.05)
    record = await backend.get_job(job.id)
    assert (record.state, record.stalls) == ("failed", 2)
    assert record.error is not None
    assert record.error.type == "LeaseLost"
    assert "hand" in record.error


async def test_failures_and_stalls_are_counted_apart(backend: Backend, q: str, hands: Hands) -> None:
    job = Job("t")
    await backend.enqueue(q, job)
    await hands.one(lease=0.02)
    await hands.nudge(0.05)
    claim = await hands.one()
    assert (claim.attempt, claim.failures) == (2, 0)
    await hands.report(claim, "retry", '{"type":"E"}', reason="E", delay=0.0)
    await hands.nudge(0.01)
    claim = await hands.one()
    assert (claim.attempt, claim.failures) == (3, 1)
    record = await backend.get_job(job.id)
    assert (record.attempts, record.stalls) == (3, 1)


async def test_a_retry_comes_back_after_its_delay(backend: Backend, q: str, hands: Hands) -> None:
    job = Job("t")
    await backend.enqueue(q, job)
    await hands.report(await hands.one(), "retry", '{"type":"E","message":"m"}', reason="E: m", delay=0.15)
    record = await backend.get_job(job.id)
    assert record.state == "delayed"
    assert record.error == "E: m"
    assert record.run_at is not None
    assert await hands.take() == []
    await asyncio.sleep(0.2)
    await hands.complete(await hands.one())
    record = await backend.get_job(job.id)
    assert (record.state, record.error, record.attempts) == ("completed", None, 2)


async def test_a_released_job_takes_its_old_place_and_is_not_charged(
    backend: Backend, q: str, hands: Hands
) -> None:
    jobs = [Job("t") for _ in range(3)]
    await backend.enqueue_many(q, jobs)
    claim = await hands.one()
    await hands.report(claim, "released")
    assert (await backend.get_job(jobs[0].id)).attempts == 0
    assert [each.id for each in await hands.take(3)] == [job.id for job in jobs]


async def test_a_declined_job_waits_for_a_worker_that_has_its_task(
    backend: Backend, q: str, hands: Hands
) -> None:
    known, unknown = Job("t.known"), Job("t.unknown", priority=0)
    await backend.enqueue_many(q, [unknown, known])
    await hands.report(await hands.one(), "declined", reason="t.unknown")
    assert (await backend.counts(q))["waiting"] == 2
    assert [claim.id for claim in await hands.take(5)] == [known.id]
    assert [record.id for record in await backend.list_jobs("ready", q)] == [unknown.id]
    await backend.register_worker(WorkerInfo("able", "h", 1, [q], 1, ["t.unknown"]))
    able = await Hands(backend, q, "able").one()
    assert (able.id, able.attempt, able.failures) == (unknown.id, 1, 0)


# -------------------------------------------------------------------------------------------------- delays and repeats


async def test_a_delayed_job_waits_until_it_is_due_or_promoted(
    backend: Backend, q: str, hands: Hands
) -> None:
    up = Job("t")
    below, slow = Job("t", depends_on=[up.id], delay=0.15), Job("t", delay=60)
    await add(backend, q, [up, below, slow])
    await hands.complete(await hands.one())
    assert await states(backend, [below, slow]) == ["delayed", "delayed"]
    assert await hands.take() == []
    await hands.nudge(0.2)
    assert await states(backend, [below, slow]) == ["waiting", "delayed"]
    assert await backend.promote([slow.id, up.id, "nobody"]) == {
        slow.id: "promoted",
        up.id: "not delayed",
        "nobody": "not found",
    }
    assert {claim.id for claim in await hands.take(5)} == {below.id, slow.id}


async def test_turn_says_when_something_becomes_due(backend: Backend, q: str, hands: Hands) -> None:
    assert (await backend.turn(q, "hand", (), 1, 30.0)).next_due is None
    await backend.enqueue(q, Job("t", delay=5))
    due = (await backend.turn(q, "hand", (), 1, 30.0)).next_due
    assert due is not None
    assert 3 < due <= 5


async def test_a_repeating_job_is_enqueued_afresh_once_a_tick_however_many_ask(
    backend: Backend, q: str, hands: Hands
) -> None:
    job = Job("t.tick", args=[7], repeat_every=0.8, name="tick")
    await add(backend, q, [job])
    assert await backend.list_repeats(q) == []
    await hands.complete(await hands.one())
    repeat = (await backend.list_repeats(q))[0]
    assert (repeat.id, repeat.every) == (job.id, 0.8)
    await asyncio.sleep(0.85)
    await asyncio.gather(*(backend.turn(q, f"w{i}", (), 0, 30.0) for i in range(5)))
    copies = [record for record in (await content(backend, q)).values() if record.id != job.id]
    assert [(copy.id, copy.name, copy.args, copy.state) for copy in copies] == [
        (f"{job.id}.1", "tick", [7], "waiting")
    ]
    assert await backend.stop_repeat(q, job.id) is True
    assert await backend.stop_repeat(q, job.id) is False
    await hands.nudge(0.9)
    assert len(await content(backend, q)) == 2


@pytest.mark.parametrize("by", ["clean", "remove_flow", "remove"])
async def test_what_repeats_goes_on_when_its_first_run_is_cleaned_up_and_stops_when_it_is_removed(
    backend: Backend, q: str, hands: Hands, by: str
) -> None:
    """Retention must not decide whether a schedule goes on; who removes a job or flow by its name means it."""
    job = Job("t.tick", repeat_every=3600)
    if by == "remove":
        await backend.enqueue(q, job)
    else:
        await add(backend, q, [job], flow_id="flow")
    await hands.run_all()
    assert [repeat.id for repeat in await backend.list_repeats(q)] == [job.id]
    if by == "clean":
        assert await backend.clean(q) == 1
    elif by == "remove_flow":
        assert await backend.remove_flow("flow") == 1
    else:
        assert await backend.remove(job.id) == {job.id: "removed"}
    assert [repeat.id for repeat in await backend.list_repeats(q)] == ([job.id] if by == "clean" else [])
    assert (await examine(backend, queues=[q], advice=False)).findings == []


async def test_a_repeat_that_never_began_goes_with_its_job(backend: Backend, q: str, hands: Hands) -> None:
    """Skipped, it will not begin."""
    above = Job("t")
    await add(backend, q, [above, Job("t.tick", repeat_every=3600, depends_on=[above.id])])
    await hands.run_all(fail=[above.id])
    assert await backend.clean(q) == 2
    assert await backend.list_repeats(q) == []
    assert (await examine(backend, queues=[q], advice=False)).findings == []


async def test_a_repeat_that_falls_due_while_a_worker_asks_is_given_out_whole(
    backend: Backend, q: str, hands: Hands
) -> None:
    await add(backend, q, [Job("t.tick", args=[7], repeat_every=0.1, name="tick")])
    await hands.complete(await hands.one())
    await asyncio.sleep(0.11)
    claim = await hands.one()  # the copy is made and given out in one step
    assert (claim.id.endswith(".1"), json.loads(claim.payload)["args"]) == (True, [7])


async def test_what_is_enqueued_in_one_call_keeps_its_order_however_much_it_is(
    backend: Backend, q: str, hands: Hands
) -> None:
    ids = await backend.enqueue_many(q, (Job("t", args=[i]) for i in range(3000)))
    assert list(await content(backend, q)) == ids


async def test_what_comes_before_a_job_that_is_refused_is_added(backend: Backend, q: str) -> None:
    jobs = [Job("t", args=[i]) for i in range(450)]

    def read() -> Iterator[Job]:
        yield from jobs
        raise OSError("the file ended")

    for then, error in (
        ([Job("t", args=[{1, 2}])], InvalidPayload),
        ([Job("t", id=jobs[0].id)], DuplicateJob),
        ([Job("t", depends_on=["nobody"])], UnknownUpstream),
    ):
        with pytest.raises(error):
            await backend.enqueue_many(q, [*jobs, *then])
        assert list(await content(backend, q)) == [job.id for job in jobs]
    other = f"{q}-read"
    with pytest.raises(OSError, match="the file ended"):
        await backend.enqueue_many(other, (Job("t", id=f"r{i}") for i, _ in enumerate(read())))
    assert list(await content(backend, other)) == [f"r{i}" for i in range(450)]


# -------------------------------------------------------------------------------------------------- cancel, retry


async def test_a_cancelled_job_never_starts_and_a_running_one_is_told(
    backend: Backend, q: str, hands: Hands
) -> None:
    waiting, running, ended = Job("t"), Job("t", priority=0), Job("t", priority=0)
    await backend.enqueue_many(q, [running, ended, waiting])
    claim, other = await hands.take(2)
    await hands.complete(other)
    answer = await backend.cancel([waiting.id, running.id, ended.id, "nobody"])
    assert answer == {
        waiting.id: "cancelled",
        running.id: "cancelling",
        ended.id: "already completed",
        "nobody": "not found",
    }
    assert await hands.take(5) == []
    renewer = backend.renewer()
    assert await asyncio.to_thread(renewer.renew, q, "hand", {claim.id: claim.token}, 30.0) == (
        [claim.id],
        [],
    )
    renewer.close()
    assert (await backend.get_job(running.id)).cancel_requested
    # Whatever it reports now, it was cancelled.
    await hands.complete(claim, 1)
    record = await backend.get_job(running.id)
    assert (record.state, record.result) == ("cancelled", None)


async def test_a_job_that_was_cancelled_while_it_ran_and_is_retried_can_complete(
    backend: Backend, q: str, hands: Hands
) -> None:
    job = Job("t")
    await backend.enqueue(q, job)
    claim = await hands.one()
    assert await backend.cancel(job.id) == {job.id: "cancelling"}
    await hands.complete(claim)
    assert await states(backend, [job]) == ["cancelled"]
    assert await backend.retry(job.id) == {job.id: "retried"}
    assert not (await backend.get_job(job.id)).cancel_requested
    await hands.complete(await hands.one(), 7)
    record = await backend.get_job(job.id)
    assert (record.state, record.result) == ("completed", 7)


async def test_a_cancelled_flow_starts_nothing_more(backend: Backend, q: str, hands: Hands) -> None:
    jobs = [*diamond(), Job("t.free")]
    await add(backend, q, jobs, flow_id="f")
    claim = await hands.one()
    assert await backend.cancel_flow("f") == {"cancelled": 4, "cancelling": 1}
    assert await hands.take(5) == []
    assert (await backend.get_flow("f")).state == "running"
    await hands.report(claim, "cancelled")
    assert (await backend.get_flow("f")).state == "cancelled"
    assert await states(backend, jobs) == ["cancelled"] * 5
    with pytest.raises(NotFound, match="'g'"):
        await backend.cancel_flow("g")


async def _broken(backend: Backend, q: str, hands: Hands) -> list[Job]:
    """ok, bad -> join (all_success), report (all_done) -> last; run to its end with `bad` failed."""
    ok, bad = Job("t.ok"), Job("t.bad")
    join = Job("t.join", depends_on=[ok.id, bad.id])
    report = Job("t.report", depends_on=[ok.id, bad.id], trigger="all_done")
    last = Job("t.last", depends_on=[join.id])
    jobs = [ok, bad, join, report, last]
    await add(backend, q, jobs, flow_id="f")
    await hands.run_all(fail=[bad.id])
    assert await states(backend, jobs) == ["completed", "failed", "skipped", "completed", "skipped"]
    assert (await backend.get_flow("f")).state == "failed"
    return jobs


async def test_retrying_a_flow_runs_what_failed_and_unblocks_what_was_skipped(
    backend: Backend, q: str, hands: Hands
) -> None:
    jobs = await _broken(backend, q, hands)
    assert await backend.retry_flow("f") == 1
    assert await states(backend, jobs) == ["completed", "waiting", "blocked", "completed", "blocked"]
    record = await backend.get_job(jobs[1].id)
    assert (record.attempts, record.error, record.started_at) == (0, None, None)
    assert (await backend.get_flow("f")).state == "running"
    assert await hands.run_all() == [jobs[1].id, jobs[2].id, jobs[4].id]
    assert (await backend.get_flow("f")).state == "completed"


async def test_what_a_retry_would_only_skip_again_stays_as_it_is_and_says_why(
    backend: Backend, q: str, hands: Hands
) -> None:
    bad = Job("t.bad")
    below = Job("t.below", depends_on=[bad.id])
    await add(backend, q, [bad], flow_id="above")
    await add(backend, q, [below], flow_id="f")
    await backend.cancel_flow("f")
    await hands.run_all(fail=[bad.id])
    assert (await backend.get_flow("f")).state == "cancelled"
    before = await content(backend, q)
    assert await backend.retry_flow("f") == await backend.retry_flow("f", "all") == 0
    assert await backend.retry(below.id) == {below.id: f"upstream {bad.id} did not complete"}
    assert await content(backend, q) == before
    assert (await backend.get_flow("f")).state == "cancelled"


async def test_what_was_skipped_names_the_root_cause_when_it_cannot_be_retried(
    backend: Backend, q: str, hands: Hands
) -> None:
    jobs = await _broken(backend, q, hands)
    on_failure = Job("t.alarm", depends_on=[jobs[0].id], trigger="one_failed")
    await backend.enqueue(q, on_failure)
    assert await backend.retry([jobs[4].id, on_failure.id]) == {
        jobs[4].id: f"upstream {jobs[1].id} did not complete",
        on_failure.id: "its trigger can no longer hold",
    }


async def test_jobs_retried_together_run_again_also_when_one_needs_the_other(
    backend: Backend, q: str, hands: Hands
) -> None:
    jobs = await _broken(backend, q, hands)
    above, single = Job("t.above"), Job("t.single")
    await backend.enqueue(q, single)
    await backend.enqueue(q, above)
    await backend.add_dependencies(q, Job("t", id=single.id, depends_on=[above.id]))
    await backend.cancel([single.id, above.id])
    wanted = [job.id for job in [jobs[4], jobs[2], jobs[1], single, above]]
    many = [Job("t") for _ in range(250)]  # more than one call takes
    await backend.enqueue_many(q, many)
    await backend.cancel([job.id for job in many])
    wanted[4:4] = [job.id for job in many]
    assert await backend.retry(wanted) == dict.fromkeys(wanted, "retried")
    assert await states(backend, [*jobs, single, above]) == [
        "completed",
        "waiting",
        "blocked",
        "completed",
        "blocked",
        "blocked",
        "waiting",
    ]


async def test_a_retry_waits_for_what_is_on_its_way_to_the_job(
    backend: Backend, q: str, hands: Hands
) -> None:
    start = Job("t.start")
    rest = [Job("t", depends_on=[start.id]) for _ in range(1500)]
    await add(backend, q, [start, *rest])
    await hands.fail(await hands.one())
    while await states(backend, [rest[-1]]) != ["skipped"]:
        await hands.nudge(0.01)
    both = [rest[-1].id, start.id]
    assert await backend.retry(both) == dict.fromkeys(both, "retried")
    assert await states(backend, [start, rest[0], rest[-1]]) == ["waiting", "blocked", "blocked"]


async def test_retrying_downstream_runs_again_what_completed_below(
    backend: Backend, q: str, hands: Hands
) -> None:
    jobs = await _broken(backend, q, hands)
    assert await backend.retry_flow("f", "downstream") == 2
    assert await states(backend, jobs) == ["completed", "waiting", "blocked", "blocked", "blocked"]
    assert len(await hands.run_all()) == 4
    assert (await backend.get_flow("f")).state == "completed"


async def test_retrying_all_runs_every_job_again(backend: Backend, q: str, hands: Hands) -> None:
    jobs = await _broken(backend, q, hands)
    assert await backend.retry_flow("f", "all") == 3
    assert await states(backend, jobs) == ["waiting", "waiting", "blocked", "blocked", "blocked"]
    claim = await hands.one()
    with pytest.raises(Refused, match="active"):
        await backend.retry_flow("f", "all")
    await hands.complete(claim)
    await hands.run_all()
    assert (await backend.get_flow("f")).state == "completed"
    with pytest.raises(InvalidJob, match="failed, downstream or all"):
        await backend.retry_flow("f", "some")  # type: ignore[arg-type]


async def test_retrying_downstream_is_refused_only_while_a_job_that_it_would_touch_is_active(
    backend: Backend, q: str, hands: Hands
) -> None:
    root = Job("t.root")
    between = Job("t.between", depends_on=[root.id], trigger="all_done")
    below = Job("t.below", depends_on=[between.id])
    apart = Job("t.apart")
    await FlowProducer(backend).add_flow(q, [root, between, below, apart], flow_id="f")
    claims = {claim.id: claim for claim in await hands.take(4)}
    await hands.fail(claims[root.id])
    await hands.complete(await hands.one())
    running = await hands.one()
    assert running.id == below.id
    with pytest.raises(Refused, match=f"job '{below.id}' of flow 'f' is active, downstream of '{root.id}'"):
        await backend.retry_flow("f", "downstream")
    await hands.complete(running)
    assert await backend.retry_flow("f", "downstream") == 3  # `apart` still runs, and goes on
    assert await states(backend, [root, between, below, apart]) == ["waiting", "blocked", "blocked", "active"]
    await hands.complete(claims[apart.id])
    await hands.run_all()
    assert (await backend.get_flow("f")).state == "completed"


async def test_a_job_that_comes_back_to_be_skipped_names_what_did_not_complete(
    backend: Backend, q: str, hands: Hands
) -> None:
    above, job = Job("t.above"), Job("t.job")
    job.depends_on = [above.id]
    await FlowProducer(backend).add_flow(q, [above, job])
    await hands.complete(await hands.one())
    running = await hands.one()
    await backend.retry(above.id)
    await hands.fail(await hands.one())
    await hands.report(running, "released")
    record = await backend.get_job(job.id)
    assert (record.state, record.error and record.error.upstream) == ("skipped", above.id)


async def test_retrying_one_job_unblocks_what_was_skipped_because_of_it(
    backend: Backend, q: str, hands: Hands
) -> None:
    jobs = await _broken(backend, q, hands)
    answer = await backend.retry([jobs[1].id, jobs[0].id])
    assert answer == {jobs[1].id: "retried", jobs[0].id: "retried"}
    assert (await backend.retry([jobs[1].id]))[jobs[1].id] == "already waiting"
    assert await states(backend, jobs) == ["waiting", "waiting", "blocked", "completed", "blocked"]


async def test_a_large_flow_is_retried_and_cancelled_completely(
    backend: Backend, q: str, hands: Hands
) -> None:
    start = Job("t.start")
    rest = [Job("t", depends_on=[start.id]) for _ in range(1500)]
    await add(backend, q, [start, *rest], flow_id="f")
    await hands.fail(await hands.one())
    assert await backend.retry_flow("f") == 1
    counts = await backend.counts(q)
    assert (counts["waiting"], counts["blocked"]) == (1, 1500)
    assert await backend.cancel_flow("f") == {"cancelled": 1501, "cancelling": 0}
    assert await backend.retry_flow("f", "all") == 1501
    assert len(await hands.run_all()) == 1501
    assert await backend.remove_flow("f") == 1501
    assert sum((await backend.counts(q)).values()) == 0


# -------------------------------------------------------------------------------------------------- pause, remove


async def test_a_paused_queue_gives_no_jobs_until_it_is_resumed(
    backend: Backend, q: str, hands: Hands
) -> None:
    await backend.enqueue_many(q, [Job("t"), Job("t")])
    claim = await hands.one()
    await backend.pause(q)
    assert await hands.take() == []
    assert await hands.complete(claim) == []
    assert (await backend.overview([q])).queues[0].paused
    await backend.resume(q)
    assert len(await hands.take()) == 1


async def test_removing_says_what_really_happened(backend: Backend, q: str, hands: Hands) -> None:
    running, upstream, ended = Job("t", priority=0), Job("t"), Job("t", priority=1)
    await backend.enqueue_many(q, [running, ended])
    _, second = await hands.take(2)
    await hands.complete(second)
    await backend.enqueue(q, upstream)
    below = Job("t", depends_on=[upstream.id])
    await backend.enqueue(q, below)
    assert await backend.remove([running.id, ended.id, upstream.id, "nobody"]) == {
        running.id: "running",
        ended.id: "removed",
        upstream.id: f"needed by {below.id}",
        "nobody": "not found",
    }
    with pytest.raises(NotFound):
        await backend.get_job(ended.id)
    assert await backend.remove(below.id) == {below.id: "removed"}
    assert await backend.remove(upstream.id) == {upstream.id: "removed"}


async def test_cleaning_removes_whole_flows_that_have_ended(backend: Backend, q: str, hands: Hands) -> None:
    await add(backend, q, diamond(), flow_id="old")
    await hands.run_all()
    await add(backend, q, diamond(), flow_id="open")
    await backend.enqueue(q, Job("t", id="single", priority=0))
    await hands.complete(await hands.one())
    assert await backend.clean(q, older_than=3600) == 0
    assert await backend.clean(q) == 5
    assert [flow.id for flow in await backend.list_flows(q)] == ["open"]
    assert sum((await backend.counts(q)).values()) == 4


async def test_cleaning_one_state_leaves_what_ended_otherwise(backend: Backend, q: str, hands: Hands) -> None:
    await add(backend, q, [Job("t")], flow_id="completed")
    await hands.complete(await hands.one())
    await add(backend, q, [Job("t")], flow_id="failed")
    await hands.fail(await hands.one())
    await add(backend, q, [Job("t")], flow_id="cancelled")
    await backend.cancel_flow("cancelled")
    for state in ("completed", "failed", "cancelled"):
        assert await backend.clean(q, state) == 1
        with pytest.raises(NotFound):
            await backend.get_flow(state)
        assert await backend.clean(q, state) == 0


async def test_steering_a_flow_that_has_ended_to_no_effect_leaves_its_end(
    backend: Backend, q: str, hands: Hands
) -> None:
    above = Job("t")
    below = Job("t", depends_on=[above.id])
    await add(backend, q, [above, below], flow_id="f")
    await hands.fail(await hands.one())
    before = await backend.get_flow("f")
    await asyncio.sleep(0.005)
    await backend.cancel_flow("f")
    assert (await backend.get_flow("f")).finished_at == before.finished_at
    await backend.retry(below.id)  # its upstream failed
    assert (await backend.get_flow("f")).finished_at == before.finished_at is not None


# -------------------------------------------------------------------------------------------------- events


async def test_every_change_is_published_in_order_without_holes_and_adds_up_to_the_store(
    backend: Backend, q: str, hands: Hands
) -> None:
    jobs = await _broken(backend, q, hands)
    await backend.retry_flow("f")
    await hands.one()
    await backend.cancel_flow("f")
    await add(backend, q, [Job("t") for _ in range(600)])  # more than one call's worth
    events = await all_events(backend, q)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    state: dict[str, Any] = {}
    for event in events:
        assert state.get(event.job_id) == event.from_
        state[event.job_id] = event.to
    assert state == {job_id: record.state for job_id, record in (await content(backend, q)).items()}
    claimed = next(event for event in events if event.to == JobState.ACTIVE)
    assert (claimed.worker, claimed.attempt, claimed.flow_id, claimed.queue) == ("hand", 1, "f", q)
    failed = next(event for event in events if event.to == JobState.FAILED)
    assert (failed.job_id, failed.reason) == (jobs[1].id, "ValueError: boom")


async def test_a_follower_starts_from_its_position_and_hears_what_comes(
    backend: Backend, q: str, hands: Hands
) -> None:
    await backend.enqueue(q, Job("t"))
    position = (await backend.overview([q])).position
    heard: list[Event] = []

    async def follow() -> None:
        async for event in backend.events(position, [q]):
            heard.append(event)
            if len(heard) == 2:
                return

    following = asyncio.ensure_future(follow())
    await asyncio.sleep(0.05)
    await hands.complete(await hands.one())
    await asyncio.wait_for(following, 5)
    assert [(event.from_, event.to) for event in heard] == [("waiting", "active"), ("active", "completed")]
    assert [event.seq for event in heard] == [2, 3]


async def test_a_follower_of_all_queues_hears_of_one_born_later(backend: Backend, q: str) -> None:
    await backend.enqueue(f"{q}old", Job("t"))
    after = (await backend.overview()).position
    heard: list[Event] = []

    async def follow() -> None:
        async for event in backend.events(after):
            heard.append(event)
            return

    following = asyncio.ensure_future(follow())
    await asyncio.sleep(0.05)
    await backend.enqueue(f"{q}new", Job("t"))
    await asyncio.wait_for(following, 10)
    assert (heard[0].queue, heard[0].seq) == (f"{q}new", 1)


async def test_a_follower_ahead_of_the_store_is_told(backend: Backend, q: str) -> None:
    await backend.enqueue(q, Job("t"))
    with pytest.raises(Gap, match="snapshot"):
        await anext(aiter(backend.event_batches(99, [q])))


async def test_a_quiet_store_gives_an_empty_batch_each_second(backend: Backend, q: str) -> None:
    async for batch in backend.event_batches(None, [q]):
        assert batch == []
        break


async def test_a_flow_snapshot_has_every_job_and_link(backend: Backend, q: str, hands: Hands) -> None:
    jobs = diamond()
    await add(backend, q, jobs, flow_id="f")
    await hands.complete(await hands.one(), "secret")
    snapshot = await backend.flow_snapshot("f")
    assert snapshot.jobs[0].id == jobs[0].id
    assert {*snapshot.links} == {(up, job.id) for job in jobs for up in job.depends_on}
    assert snapshot.flow.counts["completed"] == 1
    assert snapshot.position == (await backend.overview([q])).position


# -------------------------------------------------------------------------------------------------- watching


async def test_counts_have_every_state_and_pages_are_pages(backend: Backend, q: str, hands: Hands) -> None:
    jobs = [Job("t") for _ in range(25)]
    await backend.enqueue_many(q, jobs)
    counts = await backend.counts(q)
    assert set(counts) == {state.value for state in JobState}
    assert counts["waiting"] == 25
    pages = [await backend.list_jobs("waiting", q, offset=at, limit=10) for at in (0, 10, 20, 30)]
    assert [record.id for page in pages for record in page] == [job.id for job in jobs]
    assert [len(page) for page in pages] == [10, 10, 5, 0]
    newest = await backend.list_jobs("waiting", q, limit=3, reverse=True)
    assert [record.id for record in newest] == [job.id for job in jobs[:-4:-1]]
    assert await backend.counts("never-used") == dict.fromkeys(counts, 0)
    with pytest.raises(InvalidJob, match="states are"):
        await backend.list_jobs("running", q)


async def test_what_ended_last_is_listed_first_whatever_its_end(
    backend: Backend, q: str, hands: Hands
) -> None:
    jobs = [Job("t", id=f"{letter}{n}") for n, letter in enumerate("zyxwv")]
    await backend.enqueue_many(q, [*jobs, Job("t", id="w-one"), Job("t", id="w-two")])
    claims = await hands.take(5)
    failed = [claims[2], claims[0], claims[4]]
    for claim in failed:
        await hands.fail(claim)
        await asyncio.sleep(0.005)
    for claim in (claims[3], claims[1]):
        await hands.complete(claim)
        await asyncio.sleep(0.005)
    first_first = [claim.id for claim in failed]
    last_first = first_first[::-1]
    done = [claims[1].id, claims[3].id]

    async def listed(state: str | None, **more: Any) -> list[str]:
        return [record.id for record in await backend.list_jobs(state, q, **more)]

    assert await listed("failed") == last_first
    assert await listed("failed", limit=2) + await listed("failed", offset=2) == last_first
    assert await listed("failed", reverse=True) == first_first
    assert await listed("completed") == done
    # Of everything, each state in its own order; the other way round turns each state, not the states.
    assert await listed(None) == ["w-one", "w-two", *last_first, *done]
    assert await listed(None, reverse=True) == ["w-two", "w-one", *first_first, *done[::-1]]
    # A search looks in the same order.
    assert [job.id for job in (await backend.scan_jobs((), "failed", q)).jobs] == last_first
    # A job that fails once more is the latest.
    await backend.retry([first_first[0]])
    again = {claim.id: claim for claim in await hands.take(10)}
    await hands.fail(again[first_first[0]])
    assert await listed("failed") == [first_first[0], first_first[2], first_first[1]]


async def test_the_waiting_jobs_of_a_flow_are_listed_page_by_page_in_both_directions(
    backend: Backend, q: str
) -> None:
    jobs = [
        job for n in range(300) for job in (Job("t", id=f"r{n}"), Job("t", id=f"b{n}", depends_on=[f"r{n}"]))
    ]
    await add(backend, q, jobs, flow_id="wide")
    forward = [f"r{n}" for n in range(300)] + [f"b{n}" for n in range(300)]

    async def page(offset: int, *, reverse: bool) -> list[str]:
        found = await backend.list_jobs(
            "waiting", q, flow_id="wide", offset=offset, limit=200, reverse=reverse
        )
        return [record.id for record in found]

    for reverse, wanted in ((False, forward), (True, forward[::-1])):
        pages = [await page(at, reverse=reverse) for at in (0, 200, 400, 600)]
        assert [job_id for each in pages for job_id in each] == wanted


async def searched(backend: Backend, queue: str, *clues: Clue, look: int = 7, now: float) -> list[str]:
    """The ids that a whole search comes upon, step after step."""
    found: list[str] = []
    offset = 0
    for _ in range(2000):
        scan = await backend.scan_jobs(clues, None, queue, offset=offset, look=look, now=now)
        found += [job.id for job in scan.jobs]
        offset += scan.looked
        if scan.ended:
            return found
    raise AssertionError("the search does not end")


async def test_a_search_by_steps_misses_no_job_that_has_every_clue(backend: Backend, q: str) -> None:
    names = ["load", "LOAD", "ſend", "Kelvin \u212a", "straße", "plain", 'a "b"']
    jobs = [Job("t", name=name, priority=3 + n % 3, id=f"s{n}") for n, name in enumerate(names * 3)]
    await backend.enqueue_many(q, jobs)
    born = [(await backend.get_job(job.id)).created_at for job in jobs]

    def text(*words: str) -> Clue:
        return Clue("text", words)

    wanted = [
        ((text("load"),), lambda job: job.name.lower() == "load"),
        ((text("send"),), lambda job: job.name == "ſend"),  # equal when case is ignored
        ((text("kelvin k"),), lambda job: job.name.startswith("Kelvin")),
        ((text("strasse"),), lambda job: job.name == "straße"),
        ((text("plain", "load"),), lambda job: job.name.lower() in ("load", "plain")),
        ((Clue("priority", least=4, most=4),), lambda job: job.priority == 4),
        ((Clue("priority", least=5), text("plain")), lambda job: job.priority == 5 and job.name == "plain"),
        ((Clue("try", most=0),), lambda job: True),
    ]
    # A clue may let others pass, but never leaves one out; what has an exact figure or ASCII text is told apart.
    sends_all = backend.url.startswith("memory")
    for clues, fits in wanted:
        found = await searched(backend, q, *clues, now=max(born) + 10)
        assert len(found) == len(set(found))
        missing = [job.name for job in jobs if fits(job) and job.id not in found]
        assert not missing, clues
        assert sends_all or all(fits(job) or not job.name.isascii() for job in jobs if job.id in found), clues
    # Ages count to the limit itself.
    limits = Clue("age", least=10, most=10 + max(born) - min(born))
    assert len(await searched(backend, q, limits, now=max(born) + 10)) == len(jobs)


async def test_a_search_that_finds_more_than_one_step_may_send_goes_on_where_it_stopped(
    backend: Backend, q: str
) -> None:
    await backend.enqueue_many(q, [Job("t", name="many", id=f"m{n}") for n in range(250)])
    found = await searched(backend, q, Clue("text", ("many",)), look=150, now=0.0)
    assert found == [job.id for job in await backend.list_jobs(None, q, limit=1000)]
    assert len(found) == 250


async def test_flows_are_listed_newest_first_and_by_state(backend: Backend, q: str, hands: Hands) -> None:
    for name in ("one", "two"):
        await add(backend, q, [Job("t")], flow_id=name)
        await asyncio.sleep(0.005)
    await hands.complete(await hands.one())
    assert [flow.id for flow in await backend.list_flows(q)] == ["two", "one"]
    assert [flow.id for flow in await backend.list_flows(q, state="running")] == ["two"]
    assert [job.flow_id for job in await backend.list_jobs(flow_id="one")] == ["one"]


async def test_explain_says_why_a_job_does_not_run(backend: Backend, q: str, hands: Hands) -> None:
    start, left, _, end = jobs = diamond()
    await add(backend, q, jobs)
    delayed, later = Job("t", delay=60), Job("t", delay=3600)
    await backend.enqueue_many(q, [delayed, later])

    async def why(job: Job) -> str:
        found = await backend.explain(job.id)
        return " ".join([found.summary, *found.details])

    assert "no live worker takes jobs" in await why(start)
    await backend.register_worker(WorkerInfo("w", "h", 1, [q], 1, ["t.left"]))
    assert "no live worker has the task 't.start'" in await why(start)
    await backend.register_worker(WorkerInfo("v", "h", 1, [q], 1, ["t.start"]))
    assert "ready" in await why(start)
    await backend.pause(q)
    assert "paused" in await why(start)
    await backend.resume(q)
    assert "'start' (waiting)" in await why(left)
    assert (await backend.explain(end.id)).upstreams == [(jobs[1].id, "blocked"), (jobs[2].id, "blocked")]
    assert re.search(r"due in [56][0-9]\.[0-9] s", await why(delayed))
    assert re.search("due in (1h|59m)", await why(later))
    claim = await hands.one()
    assert "runs for" in await why(start)
    await hands.fail(claim, "no table")
    assert "no table" in await why(end)
    with pytest.raises(NotFound):
        await backend.explain("nobody")


async def test_workers_are_known_while_they_beat(backend: Backend, q: str) -> None:
    info = WorkerInfo("w1", "host", 12, [q], 4, ["a", "b"], ttl=0.3)
    await backend.register_worker(info)
    found = (await backend.overview([q])).workers[0]
    assert (found.id, found.host, found.pid, found.concurrency, found.tasks) == (
        "w1",
        "host",
        12,
        4,
        ["a", "b"],
    )
    await asyncio.sleep(0.4)
    assert (await backend.overview([q])).workers == []
    renewer = backend.renewer()
    await asyncio.to_thread(renewer.renew, q, "w1", {}, 30.0)
    renewer.close()


async def test_a_worker_that_leaves_is_forgotten(backend: Backend, q: str) -> None:
    info = WorkerInfo("w1", "host", 12, [q], 4, ["a"])
    await backend.register_worker(info)
    await backend.unregister_worker(info)
    assert (await backend.overview([q])).workers == []


async def test_logs_and_progress_are_kept_in_bounds(backend: Backend, q: str, hands: Hands) -> None:
    job = Job("t")
    await backend.enqueue(q, job)
    claim = await hands.one()
    assert await backend.report(
        q, job.id, claim.token, progress=(0.25, "a quarter"), log=[(1.0, "INFO", "one")]
    )
    lines = [(2.0, "WARN", f"line {i}") for i in range(1500)]
    assert await backend.report(q, job.id, claim.token, log=lines)
    record = await backend.get_job(job.id)
    assert (record.progress, record.progress_note) == (0.25, "a quarter")
    kept = await backend.log(job.id)
    assert len(kept) == 1000
    assert (kept[-1].index, kept[-1].text, kept[-1].level) == (
        1500,
        "line 1499",
        "WARN",
    )
    tail = await backend.log(job.id, after=kept[-3].index)
    assert [line.text for line in tail] == ["line 1498", "line 1499"]


async def test_results_are_read_by_id_and_only_of_completed_jobs(
    backend: Backend, q: str, hands: Hands
) -> None:
    jobs = [Job("t") for _ in range(3)]
    await backend.enqueue_many(q, jobs)
    first, second, _ = await hands.take(3)
    await hands.complete(first, {"rows": [1, None, "ü"]})
    await hands.complete(second)
    found = await backend.results(q, [job.id for job in jobs])
    assert found == {
        jobs[0].id: {"rows": [1, None, "ü"]},
        jobs[1].id: None,
    }
    assert (await backend.get_job(jobs[0].id)).result == {"rows": [1, None, "ü"]}
    assert await backend.names(q, [jobs[0].id, "nobody"]) == {jobs[0].id: "t"}


# -------------------------------------------------------------------------------------------------- waking, linking


async def test_an_idle_worker_is_woken_by_a_new_job(backend: Backend, q: str) -> None:
    assert await backend.wait_for_work([q], 0.05) is False
    waiting = asyncio.ensure_future(backend.wait_for_work([q, f"{q}b"], 10))
    await asyncio.sleep(0.1)
    await backend.enqueue(q, Job("t"))
    assert await asyncio.wait_for(waiting, 5) is True


async def test_links_may_be_added_before_a_job_starts_and_not_after(
    backend: Backend, q: str, hands: Hands
) -> None:
    up, job = Job("t", priority=0), Job("t")
    await backend.enqueue_many(q, [up, job])
    await backend.add_dependencies(q, Job("t", id=job.id, depends_on=[up.id]))
    assert await states(backend, [up, job]) == ["waiting", "blocked"]
    with pytest.raises(CycleError):
        await backend.add_dependencies(q, Job("t", id=up.id, depends_on=[job.id]))
    early = Job("t", id="not-yet-there", depends_on=[job.id])
    await backend.add_dependencies(q, early)
    await backend.enqueue(q, Job("t", id="not-yet-there"))
    assert (await backend.get_job("not-yet-there")).depends_on == [job.id]
    claim = await hands.one()
    with pytest.raises(Refused, match="started"):
        await backend.add_dependencies(q, Job("t", id=up.id, depends_on=["not-yet-there"]))
    await hands.complete(claim)
    assert await hands.run_all() == [job.id, "not-yet-there"]


@pytest.mark.parametrize("size", [3, 700])
async def test_a_link_added_before_its_job_holds_for_one_that_comes_with_a_flow(
    size: int, backend: Backend, q: str, hands: Hands
) -> None:
    up = await backend.enqueue(q, Job("t", id="up"))
    await backend.add_dependencies(q, Job("t", id="late", depends_on=[up]))
    first, late = Job("t", id="first", priority=0), Job("t", id="late", priority=0)
    last = Job("t", id="last", depends_on=["first", "late"], priority=0)
    others = [Job("t", id=f"other-{n}", priority=9) for n in range(size - 3)]
    await FlowProducer(backend).add_flow(q, [first, late, last, *others], flow_id="f")
    assert await states(backend, [first, late, last]) == ["waiting", "blocked", "blocked"]
    assert (await backend.get_job("late")).depends_on == [up]
    ran = await hands.run_all()
    assert len(ran) == size + 1
    assert ran.index(up) < ran.index("late") < ran.index("last")
    await backend.remove_flow("f")
    await backend.enqueue(q, Job("t", id="late"))
    assert (await backend.get_job("late")).depends_on == []  # it was for the other one


async def test_names_that_could_be_keys_or_commands_are_refused(backend: Backend, q: str) -> None:
    for bad in ("", "a:b", "{x}", "*", "a b", "x" * 129, "a\n", "ü", "a\x00", "-"):
        with pytest.raises(InvalidJob):
            await backend.enqueue(bad, Job("t"))
        with pytest.raises(InvalidJob):
            Job("t", id=bad)
        with pytest.raises(InvalidJob):
            await FlowProducer(backend).add_flow(q, [Job("t")], flow_id=bad)


async def test_durability_is_said_in_a_sentence(backend: Backend) -> None:
    assert (await backend.durability()).startswith("volatile")


# ------------------------------------------------------------------------------------------ small print


async def test_the_same_single_job_again_changes_nothing_and_another_under_its_id_is_refused(
    backend: Backend, q: str
) -> None:
    up, other = await backend.enqueue(q, Job("t", id="up")), await backend.enqueue(q, Job("t", id="other"))
    job = Job("t", ["x"], id="same", depends_on=[up])
    assert await backend.enqueue(q, job) == "same"
    before = (await content(backend, q), await all_events(backend, q))
    assert await backend.enqueue(q, job) == "same"
    assert await backend.enqueue_many(q, [job]) == ["same"]
    for wrong in (
        Job("t", ["y"], id="same", depends_on=[up]),
        Job("t", ["x"], id="same", depends_on=[other]),
    ):
        with pytest.raises(DuplicateJob, match="'same'"):
            await backend.enqueue(q, wrong)
    assert (await content(backend, q), await all_events(backend, q)) == before


async def test_a_job_that_depends_on_itself_is_refused(backend: Backend, q: str) -> None:
    digest = _digest(backend)
    for add_one in (backend.enqueue, lambda queue, job: backend.enqueue_many(queue, [job])):
        with pytest.raises(CycleError, match="ring -> ring"):
            await add_one(q, Job("t", id="me", name="ring", depends_on=["me"]))
    assert await backend.queues() == []
    assert _digest(backend) == digest


async def test_what_is_refused_leaves_no_queue_behind(backend: Backend, q: str) -> None:
    digest = _digest(backend)
    lost = Job("t", depends_on=["nobody"])
    with pytest.raises(UnknownUpstream):
        await add(backend, q, [Job("t"), lost])
    with pytest.raises(UnknownUpstream):
        await backend.enqueue(q, lost)
    with pytest.raises(UnknownUpstream):
        await backend.add_dependencies(q, lost)
    with pytest.raises(UnknownUpstream):
        await add(backend, q, [*(Job("t") for _ in range(600)), lost])
    assert await backend.queues() == []
    assert _digest(backend) == digest
    await backend.enqueue(q, Job("t"))
    assert await backend.queues() == [q]


@pytest.mark.parametrize("name", ["", "a b", "a:b", "{x}", "*", "x" * 129, "é", "a\nb", "a\0b"])
async def test_a_name_that_can_be_no_queue_is_refused_everywhere(backend: Backend, name: str) -> None:
    digest = _digest(backend)
    job = Job("t")
    for work in (
        lambda: backend.enqueue(name, job),
        lambda: backend.enqueue_many(name, [job]),
        lambda: FlowProducer(backend).add_flow(name, [job]),
        lambda: backend.turn(name, "w", (), 1, 30.0),
        lambda: backend.claim([name], "w", 1, 30.0),
        lambda: backend.pause(name),
    ):
        with pytest.raises(InvalidJob, match="queue"):
            await work()
    assert await backend.queues() == []
    assert _digest(backend) == digest


async def test_a_trigger_nobody_knows_is_refused_with_those_that_are_known(backend: Backend, q: str) -> None:
    with pytest.raises(InvalidJob, match=r"'sometimes'.*all_success, all_done, one_success, one_failed"):
        await add(backend, q, [{**Job("t").to_dict(), "trigger": "sometimes"}])  # type: ignore[list-item]
    assert await backend.queues() == []


async def test_retention_trims_whole_flows_and_keeps_what_an_open_flow_needs(
    backend: Backend, q: str
) -> None:
    frugal: Any = (
        InMemoryBackend(keep=2) if isinstance(backend, InMemoryBackend) else RedisBackend(backend.url, keep=2)
    )
    hands = Hands(frugal, q)
    needed = diamond()
    await add(frugal, q, needed, flow_id="needed")
    await hands.run_all()
    waits = Job("t", depends_on=[needed[3].id], delay=3600)
    await add(frugal, q, [waits], flow_id="open")
    for number in range(4):
        await add(frugal, q, diamond(), flow_id=f"f{number}")
        await hands.run_all()
    for _ in range(5):
        await _upkeep(frugal, hands)
    kept = {flow.id: sum(flow.counts.values()) for flow in await frugal.list_flows(q, limit=100)}
    # The oldest go first, but not the one that the open flow needs; a flow goes with all its jobs.
    assert kept in ({"needed": 4, "open": 1, "f3": 4}, {"needed": 4, "open": 1, "f3": 4, "f2": 4})
    assert sum((await frugal.counts(q)).values()) == sum(kept.values())
    with pytest.raises(Refused, match="needed"):
        await frugal.remove_flow("needed")
    await frugal.promote(waits.id)
    await hands.run_all()
    for _ in range(5):
        await _upkeep(frugal, hands)
    assert len(await frugal.list_flows(q, limit=100)) == 2
    await frugal.close()


async def test_retention_trims_what_ended_too_long_ago(backend: Backend, q: str) -> None:
    brief: Any = (
        InMemoryBackend(keep_for=0.2)
        if isinstance(backend, InMemoryBackend)
        else RedisBackend(backend.url, keep_for=0.2)
    )
    hands = Hands(brief, q)
    await add(brief, q, diamond(), flow_id="old")
    await brief.enqueue(q, Job("t"))
    await hands.run_all()
    await brief.enqueue(q, Job("t", id="young"))
    deadline = asyncio.get_running_loop().time() + 20
    while await brief.list_flows(q, limit=10) or (await brief.counts(q))["completed"]:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
        await _upkeep(brief, hands)
    assert [job.id for job in await brief.list_jobs(None, q)] == ["young"]
    await brief.close()


async def _upkeep(backend: Any, hands: Hands) -> None:
    """What every worker does now and then."""
    if hasattr(backend, "upkeep"):
        await backend.upkeep(hands.queue)
        await hands.nudge()
    else:
        # The memory tidies up whenever something is settled.
        await backend.turn(hands.queue, "w", [Outcome("nobody", "none", "completed")], 0, 30.0)


# -------------------------------------------------------------------------------------------------- refusals


async def test_a_page_that_no_list_has_is_refused(backend: Backend, q: str) -> None:
    """A store must not make up its own meaning for it."""
    await backend.enqueue(q, Job("t"))
    for page in ({"offset": -1}, {"limit": -1}, {"limit": 2.5}, {"offset": None}):
        wrong: Any = page
        with pytest.raises(InvalidJob, match="must be a whole number, 0 or more"):
            await backend.list_jobs("waiting", q, **wrong)
        with pytest.raises(InvalidJob, match="must be a whole number, 0 or more"):
            await backend.list_flows(q, **wrong)
    assert await backend.list_jobs("waiting", q, limit=0) == []


async def test_what_cannot_be_cleaned_or_resumed_is_refused_by_its_name(backend: Backend, q: str) -> None:
    for state in ("waiting", "active", "over"):
        with pytest.raises(InvalidJob, match=f"no end state '{state}'"):
            await backend.clean(q, state)
    for call in (backend.pause, backend.resume, backend.clean):
        with pytest.raises(InvalidJob, match="queue 'a b'"):
            await call("a b")
    with pytest.raises(InvalidJob, match="queue 'a b'"):
        await backend.stop_repeat("a b", "x")


async def test_names_that_are_no_text_are_refused(backend: Backend, q: str) -> None:
    """Half of a surrogate pair can be neither stored nor shown; a flow file or a file name may hold one."""
    with pytest.raises(InvalidFlow, match="flow name"):
        await add(backend, q, [Job("t")], name="load \udcff")
    assert (await backend.counts(q))["waiting"] == 0


async def test_a_level_of_several_words_does_not_run_into_the_line(
    backend: Backend, q: str, hands: Hands
) -> None:
    """`logging` calls a level that has no name "Level 35"."""
    job = Job("t")
    await backend.enqueue(q, job)
    claim = await hands.one()
    assert await backend.report(q, job.id, claim.token, log=[(1.0, "Level 35", "a line"), (2.0, "", "")])
    assert [(line.level, line.text) for line in await backend.log(job.id)] == [
        ("Level-35", "a line"),
        ("INFO", ""),
    ]


async def test_the_reason_of_an_event_is_one_short_line(backend: Backend, q: str, hands: Hands) -> None:
    await backend.enqueue(q, Job("t"))
    await hands.report(await hands.one(), "failed", "{}", reason="a\nb\rc" + "x" * 1000)
    [*_, last] = await all_events(backend, q)
    assert last.reason == "a b c" + "x" * 495


async def test_a_declined_job_is_found_again_whatever_characters_its_task_has(
    backend: Backend, q: str, hands: Hands
) -> None:
    task = "two\nlines \x1b"
    job = Job(task)
    await backend.enqueue(q, job)
    await hands.report(await hands.one(), "declined", reason=task)
    info = WorkerInfo("knows", "host", 1, [q], 1, ["other", task])
    await backend.register_worker(info)
    assert [claim.id for claim in await Hands(backend, q, "knows").take()] == [job.id]
    await backend.unregister_worker(info)


# -------------------------------------------------------------------------------------------------- threads and loops


def test_one_backend_serves_several_threads_each_with_a_loop_of_its_own(any_store: Backend, q: str) -> None:
    """A producer made once may be used by every thread of a web server."""
    producer = FlowProducer(any_store)
    troubles: list[BaseException] = []
    together = threading.Barrier(4)

    async def produce() -> None:
        together.wait(20)
        for _ in range(10):
            above = Job("t")
            await producer.add_flow(q, [above, Job("t", depends_on=[above.id])])
            await any_store.enqueue(q, Job("t"))
            await any_store.counts(q)
        await any_store.close()

    def thread() -> None:
        try:
            asyncio.run(asyncio.wait_for(produce(), 30))
        except BaseException as trouble:
            troubles.append(trouble)

    threads = [threading.Thread(target=thread, daemon=True) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(40)
    assert not troubles
    assert not any(each.is_alive() for each in threads)

    async def count() -> dict[str, int]:
        try:
            return await any_store.counts(q)
        finally:
            await any_store.close()

    counts = asyncio.run(count())
    assert (counts["waiting"], counts["blocked"]) == (80, 40)


def test_a_loop_that_was_cut_off_leaves_the_next_one_free(any_store: Backend, q: str) -> None:
    """What the first run had begun when it ended must not hold up the second."""

    async def cut_off() -> None:
        begun.append(asyncio.ensure_future(any_store.enqueue(q, Job("t"))))
        await asyncio.sleep(0)

    async def whole() -> str:
        try:
            return await asyncio.wait_for(any_store.enqueue(q, Job("t", id="second")), 20)
        finally:
            await any_store.close()

    begun: list[asyncio.Future[str]] = []
    asyncio.run(cut_off())
    assert asyncio.run(whole()) == "second"
