"""Random histories: after every step, every server store is where the plainest one, the memory, is.

A history adds flows and jobs, claims, settles in every way, reports with lost leases, cancels, retries, removes, links
and pauses. After each step the jobs, counts and flows of both stores are compared; at the end their events, which must
also add up to the store. The seed is in the test's name; FLOWTUI_EXAMPLES sets how many histories are tried.
"""

from __future__ import annotations

import os
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from servers import KINDS, server

from core import FlowProducer, InMemoryBackend, Job, RedisBackend
from core.backends.base import Backend, Claim, Outcome
from core.errors import FlowError
from core.events import Event

HISTORIES = int(os.environ.get("FLOWTUI_EXAMPLES", "24"))
STEPS = 50
QUEUE = "q"
FAR = 1000.0
"""Seconds: nothing becomes due by itself, so that both stores see the same."""


class History:
    """One random history, told to two stores at once."""

    def __init__(self, seed: int, stores: Sequence[Backend]) -> None:
        self.random = random.Random(seed)
        self.stores = stores
        self.known: list[str] = []
        self.flows: list[str] = []
        self.held: list[tuple[Claim, ...]] = []
        self.told: list[str] = []

    async def both(self, act: Callable[[Backend, int], Awaitable[Any]]) -> list[Any]:
        """Do it on both; an error is an answer too, by its kind."""
        answers = []
        for i, store in enumerate(self.stores):
            try:
                answers.append(await act(store, i))
            except FlowError as error:
                answers.append(type(error).__name__)
        return answers

    def same(self, answers: Sequence[Any]) -> Any:
        """Both answered alike; returns what."""
        assert answers[0] == answers[1], self.told[-8:]
        return answers[0]

    async def step(self) -> None:
        """One thing that happens."""
        name = self.random.choice(
            ["add"] * 3
            + ["claim"] * 4
            + ["settle"] * 5
            + ["zombie", "single", "job", "job", "job", "flow", "link", "pause"]
        )
        self.told.append(name)
        await getattr(self, f"do_{name}")()

    def some_flow(self) -> list[Job]:
        """A random DAG, or a star."""
        choose = self.random
        count, star = choose.choice([1, 3, 6, 12]), choose.random() < 0.3
        jobs: list[Job] = []
        for i in range(count):
            if not star:
                ups = [job.id for job in choose.sample(jobs, min(len(jobs), choose.randint(0, 3)))]
            elif 0 < i < count - 1:
                ups = [jobs[0].id]
            else:
                ups = [job.id for job in jobs[1:]]
            if self.known and choose.random() < 0.1:
                ups.append(choose.choice(self.known))
            triggers = ["all_success"] * 4 + ["all_done", "one_success", "one_failed"]
            jobs.append(
                Job(
                    "t",
                    depends_on=ups,
                    trigger=choose.choice(triggers) if ups else "all_success",
                    priority=choose.choice([5, 5, 1]),
                    delay=choose.choice([None] * 8 + [FAR]),
                )
            )
        return jobs

    async def do_add(self) -> None:
        jobs, flow_id = self.some_flow(), f"f{self.random.getrandbits(40)}"
        added = self.same(
            await self.both(lambda store, _: FlowProducer(store).add_flow(QUEUE, jobs, flow_id=flow_id))
        )
        if isinstance(added, list):
            self.known += added
            self.flows.append(flow_id)

    async def do_single(self) -> None:
        ups = self.random.sample(self.known, min(len(self.known), self.random.choice([0, 0, 1, 2])))
        job = Job("t", depends_on=ups)
        if self.same(await self.both(lambda store, _: store.enqueue(QUEUE, job))) == job.id:
            self.known.append(job.id)

    async def do_claim(self) -> None:
        want = self.random.choice([1, 5, 100])
        turns = await self.both(lambda store, _: store.turn(QUEUE, "w", (), want, FAR))
        self.same(
            [[(c.id, c.attempt, c.failures, c.flow_id, c.payload) for c in turn.claims] for turn in turns]
        )
        self.held += list(zip(*(turn.claims for turn in turns), strict=True))

    async def do_settle(self) -> None:
        taken = [self.held.pop() for _ in range(self.random.randint(0, min(6, len(self.held))))]
        kinds: list[Any] = [
            self.random.choice(["completed", "completed", "failed", "retry", "released", "cancelled"])
            for _ in taken
        ]

        def outcomes(i: int) -> list[Outcome]:
            return [
                Outcome(claims[i].id, claims[i].token, kind, '{"type":"E"}', "reason", FAR)
                for claims, kind in zip(taken, kinds, strict=True)
            ]

        for _ in range(2):  # sent twice: the second time changes nothing
            turns = await self.both(lambda store, i: store.turn(QUEUE, "w", outcomes(i), 0, FAR))
            assert self.same([turn.lost for turn in turns]) == []

    async def do_zombie(self) -> None:
        if self.held:
            claims = self.random.choice(self.held)
            turns = await self.both(
                lambda store, i: store.turn(
                    QUEUE, "w", [Outcome(claims[i].id, "lost:1", "completed")], 0, FAR
                )
            )
            assert self.same([turn.lost for turn in turns]) == [claims[0].id]

    async def do_job(self) -> None:
        if self.known:
            verb, job_id = (
                self.random.choice(["cancel", "retry", "remove", "promote"]),
                self.random.choice(self.known),
            )
            answers = await self.both(lambda store, _: getattr(store, verb)(job_id))
            word = self.same([answer[job_id].partition(" by ")[0] for answer in answers])
            self.told.append(f"{verb}: {word}")
            if word == "removed":
                self.known.remove(job_id)

    async def do_flow(self) -> None:
        if not self.flows:
            return
        flow_id, verb = self.random.choice(self.flows), self.random.choice(["cancel", "retry", "remove"])
        mode: Any = self.random.choice(["failed", "downstream", "all"])
        members = {job.id for job in await self.stores[1].list_jobs(flow_id=flow_id, limit=1000)}
        arguments = (flow_id, mode) if verb == "retry" else (flow_id,)
        answer = self.same(await self.both(lambda store, _: getattr(store, f"{verb}_flow")(*arguments)))
        self.told.append(f"{verb} flow {mode}: {answer}")
        if verb == "remove" and answer != "Refused":
            self.flows.remove(flow_id)
            self.known = [job_id for job_id in self.known if job_id not in members]

    async def do_link(self) -> None:
        if len(self.known) > 1:
            job_id, up = self.random.sample(self.known, 2)
            job = Job("t", id=job_id, depends_on=[up])
            self.same(await self.both(lambda store, _: store.add_dependencies(QUEUE, job)))

    async def do_pause(self) -> None:
        await self.both(lambda store, _: store.pause(QUEUE))
        turns = await self.both(lambda store, _: store.turn(QUEUE, "w", (), 5, FAR))
        assert [turn.claims for turn in turns] == [[], []]
        await self.both(lambda store, _: store.resume(QUEUE))

    async def compare(self) -> None:
        """Jobs, counts and flows of both stores."""
        jobs = []
        for store in self.stores:
            listed = await store.list_jobs(None, QUEUE, limit=5000)
            jobs.append(
                {
                    job.id: (
                        job.state,
                        job.pending,
                        job.attempts,
                        job.stalls,
                        job.cancel_requested,
                        job.depends_on,
                    )
                    for job in listed
                }
            )
        assert jobs[0] == jobs[1], self.told[-8:]
        self.same(await self.both(lambda store, _: store.counts(QUEUE)))
        flows = [await store.list_flows(QUEUE, limit=1000) for store in self.stores]
        self.same([{flow.id: (flow.state, flow.counts) for flow in each} for each in flows])


async def all_events(store: Backend) -> list[Event]:
    """Every event so far."""
    last = (await store.overview([QUEUE])).position[QUEUE]
    found: list[Event] = []
    if last:
        async for batch in store.event_batches(0, [QUEUE]):
            found += batch
            if found and found[-1].seq >= last:
                break
    return found


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "memory"])
@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_a_random_history_leaves_both_stores_in_the_same_state(kind: str, seed: int) -> None:
    if kind == "cluster" and seed % 4:
        return  # a cluster keeps a queue on one node: a few histories tell
    running = server(kind)
    running.flush()
    store = RedisBackend(running.url)
    history = History(seed, [store, InMemoryBackend()])
    for _ in range(STEPS):
        await history.step()
        await history.compare()
    for each in history.stores:
        events = await all_events(each)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        state: dict[str, Any] = {}
        for event in events:
            assert state.get(event.job_id) == event.from_
            state[event.job_id] = event.to
        kept = {job.id: job.state for job in await each.list_jobs(None, QUEUE, limit=5000)}
        assert {job_id: last for job_id, last in state.items() if last is not None} == kept
    await store.close()
