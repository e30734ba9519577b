"""Random histories beside one simple model (`model.py`): after each step, every backend is where the model is.

A history adds flows and jobs (also twice, and wrong ones), claims, settles in every way, reports with lost leases, lets
leases run out, cancels, retries, removes, links, promotes, pauses, and moves the clock. At the end the events must add
up to the store. Every failure prints the steps that lead to it, made as short as possible.

FLOWTUI_EXAMPLES sets how many histories each backend gets; `make soak` takes many, and new ones each time.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from model import ENDED, Model, ModelJob
from servers import KINDS, server

from core import FlowProducer, InMemoryBackend, Job, RedisBackend
from core.backends import adding, connection, redis
from core.backends.base import Claim, Outcome, WorkerInfo
from core.errors import FlowError

EXAMPLES = int(os.environ.get("FLOWTUI_EXAMPLES", "500"))
STEPS = 50
SHRINK = os.environ.get("FLOWTUI_SHRINK", "1") == "1"
"""Whether to look for a short history that fails as well."""
PARTS = 5
"""Each backend's histories are shared out over this many tests, which may run side by side."""
LEASE = 30_000
START = 1_700_000_000_000
_numbers = itertools.count()
_script = connection.script.__wrapped__

TRIGGERS = ["all_success", "all_success", "all_success", "all_done", "one_success", "one_failed"]
jobs_of_a_flow = st.lists(
    st.tuples(
        st.lists(st.integers(0, 11), max_size=3),  # upstreams among those before it
        st.none() | st.integers(0, 99),  # and one of an earlier flow
        st.sampled_from(TRIGGERS),
        st.sampled_from([5, 5, 1, 9]),
        st.sampled_from([0, 0, 0, 0, 5_000]),  # delay
        st.sampled_from([0, 0, 0, 20_000]),  # ttl
        st.sampled_from([3, 1]),  # most stalls
    ),
    min_size=1,
    max_size=12,
)
picks = st.integers(0, 99)


def breadth_first(jobs: list[ModelJob]) -> list[ModelJob]:
    """The jobs of a flow in the order in which they count as submitted, which they get: upstream first, by distance."""
    orders = [job.order for job in jobs]
    left = {job.id: sum(up in {each.id for each in jobs} for up in job.ups) for job in jobs}
    found = [job for job in jobs if not left[job.id]]
    for job in found:
        for below in jobs:
            left[below.id] -= job.id in below.ups
            if job.id in below.ups and not left[below.id]:
                found.append(below)
    for job, order in zip(found, orders, strict=True):
        job.order = order
    return found


class Backends:
    """One event loop and one backend for all histories of a test; each history has a queue of its own."""

    kind = "memory"
    loop: asyncio.AbstractEventLoop
    backend: Any
    server: Any
    renewer: Any = None
    every = 1
    """Steps between two full comparisons."""
    links: int | None = None
    """How many links one call of a script follows, where it is not what production has."""


@contextmanager
def prepared(kind: str, monkeypatch: pytest.MonkeyPatch, links: int | None = None) -> Iterator[None]:
    """The backend, on a clock that only the model moves."""
    Backends.kind, Backends.loop, Backends.links = kind, asyncio.new_event_loop(), links
    if links is not None:
        monkeypatch.setattr(adding, "PAGE", links)
    if kind == "memory":
        Backends.backend, Backends.renewer, Backends.every = None, None, 1
    else:
        monkeypatch.setattr(connection, "script", stopped_clock)
        Backends.server = server(kind)
        monkeypatch.setattr(redis, "script", stopped_clock)
        Backends.backend, Backends.every = RedisBackend(Backends.server.url), 4
        Backends.renewer = Backends.backend.renewer()
    try:
        yield
    finally:
        if Backends.backend is not None:
            Backends.renewer.close()
            Backends.loop.run_until_complete(Backends.backend.close())
        Backends.loop.close()
        stopped.clear()


stopped: dict[str, tuple[str, str]] = {}


def stopped_clock(name: str) -> tuple[str, str]:
    """The script, but its clock is a key that the test sets: the one thing changed in what production runs."""
    if name not in stopped:
        import hashlib

        text, _ = _script(name)
        there = "local clock = call('TIME')"
        assert text.count(there) == 1
        text = text.replace(
            there,
            f"local clock = tonumber(call('GET', P .. 'clock') or '{START}')\n"
            "clock = {math.floor(clock / 1000), clock % 1000 * 1000}",
        )
        if Backends.links is not None:
            there = "local PAGE = 250 "
            assert text.count(there) == 1 or "-- alone" in text
            text = text.replace(there, f"local PAGE = {Backends.links} ")
        stopped[name] = text, hashlib.sha1(text.encode()).hexdigest()
    return stopped[name]


class History(RuleBasedStateMachine):
    """One random history, told to the model and to the backend."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = f"h{next(_numbers)}"
        self.model = Model()
        self.model.now = START
        self.numbers = itertools.count()
        self.held: list[Claim] = []
        self.sent: list[tuple[list[Job], str]] = []
        self.steps = 0
        if Backends.kind == "memory":
            self.backend: Any = InMemoryBackend(clock=lambda: self.model.now / 1000)
        else:
            self.backend = Backends.backend
            self.backend._now = self.time
            Backends.server.flush()
            self.tell_time()
        self.do(self.backend.register_worker(WorkerInfo("knowing", "host", 1, [self.queue], 1, ["t"])))

    # ---- helpers -----------------------------------------------------------------------------------------------------

    def tell_time(self) -> None:
        if Backends.kind != "memory":
            key = f"flowtui:{{{self.queue}}}:clock"
            self.do(self.backend._connection.command("SET", key, self.model.now))

    async def time(self) -> float:
        """What the client is told when it asks the server for the time."""
        return self.model.now / 1000

    def do(self, work: Awaitable[Any]) -> Any:
        return Backends.loop.run_until_complete(work)  # type: ignore[arg-type]

    def name_of_error(self, work: Awaitable[Any]) -> str:
        try:
            self.do(work)
        except FlowError as error:
            return type(error).__name__
        return "ok"

    def some(self, pick: int, ids: list[str]) -> str | None:
        return ids[pick % len(ids)] if ids else None

    def known(self) -> list[str]:
        return list(self.model.jobs)

    def calm(self) -> None:
        """What became of a job has reached everything below it."""
        while Backends.links is not None and self.do(self.backend._script("pump", self.queue)):
            pass

    def turn(self, outcomes: list[Outcome], want: int, worker: str = "w") -> list[Claim]:
        """What is given out and whose lease was lost must be the same."""
        if Backends.links is not None:
            # What is due and what is settled spread first, each by itself.
            self.same_turn([], 0, worker)
            if outcomes:
                self.same_turn(outcomes, 0, worker)
            if not want:
                return []
            outcomes = []
        return self.same_turn(outcomes, want, worker)

    def same_turn(self, outcomes: list[Outcome], want: int, worker: str) -> list[Claim]:
        """The same call to both."""
        self.calm()
        ready = self.model.waiting()
        told = [(each.id, each.token, str(each.kind), round(each.delay * 1000)) for each in outcomes]
        answer = self.do(self.backend.turn(self.queue, worker, outcomes, want, LEASE / 1000))
        # The token of a claim is the backend's to choose; all of one call have the same.
        token = answer.claims[0].token if answer.claims else "none"
        lost = self.model.turn(told, want, LEASE, token, worker == "knowing")
        assert answer.lost == lost
        taken = [job for job in self.model.living() if job.state == "active" and job.token == token]
        taken.sort(key=lambda job: (not job.was_declined, job.priority, job.order))
        assert [(claim.id, claim.attempt, claim.failures) for claim in answer.claims] == [
            (job.id, job.attempts, job.attempts - 1 - job.stalls) for job in taken
        ], ready
        for job in taken:
            assert self.model.verdict(job) == "go", f"{job.id} was given out too early"
        self.held += answer.claims
        return list(answer.claims)

    # ---- submitting --------------------------------------------------------------------------------------------------

    def make(self, drawn: list[Any]) -> tuple[list[Job], list[ModelJob]]:
        jobs: list[Job] = []
        twins: list[ModelJob] = []
        earlier = [job.id for job in self.model.living()]
        for inside, outside, trigger, priority, delay, ttl, stalls in drawn:
            ups = list(dict.fromkeys(jobs[place % len(jobs)].id for place in inside)) if jobs else []
            if outside is not None and earlier:
                ups.append(earlier[outside % len(earlier)])
            order = next(self.numbers)
            twin = ModelJob(
                f"{self.queue}j{order}",
                order,
                None,
                ups,
                trigger if ups else "all_success",
                priority,
                delay,
                ttl,
                stalls,
            )
            twins.append(twin)
            jobs.append(
                Job(
                    "t",
                    id=twin.id,
                    depends_on=ups,
                    trigger=twin.trigger,
                    priority=priority,
                    delay=delay / 1000 or None,
                    ttl=ttl / 1000 or None,
                    max_stalls=stalls,
                )
            )
        return jobs, twins

    @initialize(drawn=jobs_of_a_flow)
    def begin_with_a_flow(self, drawn: list[Any]) -> None:
        self.add_flow(drawn)

    @rule(drawn=jobs_of_a_flow)
    def add_flow(self, drawn: list[Any]) -> None:
        jobs, twins = self.make(drawn)
        flow = f"{self.queue}f{len(self.sent)}"
        added = self.do(FlowProducer(self.backend).add_flow(self.queue, jobs, flow_id=flow))
        assert added == [job.id for job in jobs]
        self.model.add(breadth_first(twins), flow)
        self.sent.append((jobs, flow))

    @precondition(lambda self: self.sent)
    @rule(pick=picks, change=st.booleans())
    def add_a_flow_again(self, pick: int, change: bool) -> None:
        jobs, flow = self.sent[pick % len(self.sent)]
        if flow not in self.model.flows:
            return
        again = [*jobs, Job("t", id="other")] if change else jobs
        said = self.name_of_error(FlowProducer(self.backend).add_flow(self.queue, again, flow_id=flow))
        assert said == ("FlowConflict" if change else "ok")

    @rule(drawn=jobs_of_a_flow, pick=picks, how=st.sampled_from(["duplicate", "unknown", "cycle"]))
    def add_a_wrong_flow(self, drawn: list[Any], pick: int, how: str) -> None:
        before = next(self.numbers)
        jobs, _ = self.make(drawn)
        self.numbers = itertools.count(before)  # what is refused uses up nothing
        taken = self.some(pick, [job.id for job in self.model.living()])
        if how == "duplicate" and taken is not None:
            wrong, error = Job("t", id=taken), "DuplicateJob"
        elif how == "unknown":
            wrong, error = Job("t", depends_on=["nobody"]), "UnknownUpstream"
        else:
            wrong, error = Job("t", id="ring"), "CycleError"
            wrong.depends_on = ["ring2"]
            jobs.append(Job("t", id="ring2", depends_on=["ring"]))
        assert self.name_of_error(FlowProducer(self.backend).add_flow(self.queue, [*jobs, wrong])) == error

    @rule(drawn=jobs_of_a_flow)
    def enqueue(self, drawn: list[Any]) -> None:
        jobs, twins = self.make(drawn[:1])
        self.do(self.backend.enqueue(self.queue, jobs[0]))
        self.model.add(twins)

    @precondition(lambda self: len(self.model.jobs) > 1)
    @rule(one=picks, other=picks)
    def link(self, one: int, other: int) -> None:
        self.calm()
        job_id, up = self.some(one, [job.id for job in self.model.living()]), self.some(other, self.known())
        if job_id is None or up is None or job_id == up:
            return
        said = self.name_of_error(
            self.backend.add_dependencies(self.queue, Job("t", id=job_id, depends_on=[up]))
        )
        assert said == self.model.link(job_id, up)

    # ---- working -----------------------------------------------------------------------------------------------------

    @rule(want=st.sampled_from([1, 2, 5, 100]), worker=st.sampled_from(["w", "w", "knowing"]))
    def claim(self, want: int, worker: str) -> None:
        self.turn([], want, worker)

    @precondition(lambda self: self.held)
    @rule(pick=picks)
    def renew(self, pick: int) -> None:
        """Some of the leases, those that are lost among them, and one that never was."""
        leases = {claim.id: claim.token for claim in self.held[: pick % len(self.held) + 1]}
        leases.setdefault(self.some(pick, self.known()) or "", "stolen:1")
        renewer = Backends.renewer or self.backend.renewer()
        stop, lost = renewer.renew(self.queue, "w", leases, LEASE / 1000)
        assert (stop, lost) == self.model.renew(leases, LEASE)

    @rule(want=st.integers(1, 5), kind=st.sampled_from(["completed", "completed", "failed"]))
    def take_and_end(self, want: int, kind: Any) -> None:
        """What a worker does most: without this, few histories get past the first jobs of a flow."""
        taken = self.turn([], want)
        self.held = [claim for claim in self.held if claim not in taken]
        self.turn([Outcome(claim.id, claim.token, kind, None, "r") for claim in taken], 0)

    @precondition(lambda self: self.held)
    @rule(
        count=st.integers(1, 6),
        kinds=st.lists(
            st.sampled_from(
                [
                    "completed",
                    "completed",
                    "completed",
                    "failed",
                    "retry",
                    "released",
                    "declined",
                    "cancelled",
                ]
            ),
            min_size=6,
            max_size=6,
        ),
        want=st.sampled_from([0, 0, 1, 5]),
        twice=st.booleans(),
    )
    def settle(self, count: int, kinds: list[Any], want: int, twice: bool) -> None:
        taken, self.held = self.held[:count], self.held[count:]
        outcomes = [
            Outcome(
                claim.id, claim.token, kind, '{"type":"E"}' if kind in ("failed", "retry") else None, "t", 5.0
            )
            for claim, kind in zip(taken, kinds, strict=False)
        ]
        # A job whose lease was lost and given out again may be in here twice: the older report comes to nothing.
        self.turn(outcomes, 0 if twice else want)
        if twice:
            self.turn(outcomes, want)

    @precondition(lambda self: self.model.jobs)
    @rule(pick=picks)
    def report_with_a_lease_that_is_not_ours(self, pick: int) -> None:
        job_id = self.some(pick, self.known())
        assert job_id is not None
        answer = self.do(
            self.backend.turn(self.queue, "w", [Outcome(job_id, "stolen:1", "completed")], 0, LEASE / 1000)
        )
        assert (
            answer.lost == [job_id] == self.model.turn([(job_id, "stolen:1", "completed", 0)], 0, LEASE, "-")
        )

    @rule(seconds=st.sampled_from([1, 5, 6, 20, 31, 40]))
    def time_passes(self, seconds: int) -> None:
        self.calm()
        self.model.now += seconds * 1000
        self.tell_time()

    # ---- steering ----------------------------------------------------------------------------------------------------

    @precondition(lambda self: self.model.jobs)
    @rule(pick=picks, verb=st.sampled_from(["promote", "remove"]))
    def steer(self, pick: int, verb: str) -> None:
        self.calm()
        job_id = self.some(pick, self.known())
        assert job_id is not None
        answer = self.do(getattr(self.backend, verb)(job_id))[job_id]
        said = getattr(self.model, verb)(job_id)
        assert answer == said or (said == "needed by" and answer.startswith(said))

    @precondition(lambda self: self.model.jobs)
    @rule(
        wanted=st.one_of(st.lists(picks, min_size=1, max_size=1), st.lists(picks, min_size=2, max_size=6)),
        verb=st.sampled_from(["cancel", "retry"]),
    )
    def steer_together(self, wanted: list[int], verb: str) -> None:
        self.calm()
        ids = list(dict.fromkeys(self.some(pick, self.known()) for pick in wanted))
        answers = self.do(getattr(self.backend, verb)(ids))
        assert list(answers) == ids
        for answer, said in zip(answers.values(), getattr(self.model, verb)(*ids), strict=True):
            assert answer == said or (said == "upstream" and answer.startswith(said))

    @precondition(lambda self: self.model.flows)
    @rule(
        pick=picks,
        verb=st.sampled_from(["cancel", "retry", "retry", "remove"]),
        mode=st.sampled_from(["failed", "downstream", "all"]),
    )
    def steer_flow(self, pick: int, verb: str, mode: Any) -> None:
        self.calm()
        flow = self.some(pick, list(self.model.flows))
        assert flow is not None
        arguments = (flow, mode) if verb == "retry" else (flow,)
        said = self.name_of_error(getattr(self.backend, f"{verb}_flow")(*arguments))
        done = getattr(self.model, f"{verb}_flow")(*arguments)
        assert said == ("Refused" if done is False else "ok")

    @precondition(lambda self: any(job.state in ENDED for job in self.model.living()))
    @rule(
        state=st.sampled_from([None, None, "completed", "failed", "skipped", "cancelled"]),
        older=st.sampled_from([0, 5, 30]),
    )
    def clean(self, state: str | None, older: int) -> None:
        self.calm()
        removed = self.do(self.backend.clean(self.queue, state, older_than=older))
        assert removed == self.model.clean(state, older * 1000)

    @rule(paused=st.sampled_from([False, False, True]))
    def pause_or_resume(self, paused: bool) -> None:
        self.model.paused = paused
        self.do((self.backend.pause if self.model.paused else self.backend.resume)(self.queue))

    # ---- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def the_backend_is_where_the_model_is(self) -> None:
        self.steps += 1
        if self.steps % Backends.every == 0:
            self.compare()

    def compare(self) -> None:
        self.calm()
        listed = self.do(self.backend.list_jobs(None, self.queue, limit=5000))
        assert {
            job.id: (str(job.state), job.pending, job.attempts, job.stalls, job.cancel_requested)
            for job in listed
        } == {
            job.id: (
                job.state,
                sum(self.model.jobs[up].state not in ENDED for up in job.ups),
                job.attempts,
                job.stalls,
                job.stop,
            )
            for job in self.model.living()
        }

    def teardown(self) -> None:
        """At the end: counts, flows, order, root causes, and the events against the store."""
        self.compare()
        for job in self.model.living():
            if job.state == "skipped":
                error = self.do(self.backend.get_job(job.id, queue=self.queue)).error
                named = error and error.upstream
                # A job stays skipped, with the cause it had, while something else above it is still wrong.
                right = job.causes if not self.model.resets else self.model.above(job) | {None}
                assert named in (right or {None}), (job, named)
        counts = self.do(self.backend.counts(self.queue))
        assert {state: count for state, count in counts.items() if count} == self.model.counts()
        flows = self.do(self.backend.list_flows(self.queue, limit=1000))
        assert {flow.id: str(flow.state) for flow in flows} == {
            flow: self.model.flow_state(flow) for flow in self.model.flows
        }
        for flow in flows:
            states = [self.model.jobs[job_id].state for job_id in self.model.flows[flow.id]]
            assert {str(state): count for state, count in flow.counts.items() if count} == Counter(states)
        blocked = sorted(
            (job for job in self.model.living() if job.state == "blocked"), key=lambda job: job.order
        )
        page = self.do(self.backend.list_jobs("waiting", self.queue, limit=5000))
        assert [job.id for job in page] == [job.id for job in [*self.model.waiting(), *blocked]]
        self.events_add_up()

    def events_add_up(self) -> None:
        events = self.do(all_events(self.backend, self.queue))
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        state: dict[str, Any] = {}
        last: dict[str, Any] = {}
        for event in events:
            assert state.get(event.job_id) == event.from_
            state[event.job_id] = event.to
            last[event.job_id] = event
            job = self.model.jobs[event.job_id]
            assert event.flow_id == job.flow
            assert event.queue == self.queue
            assert START <= round(event.at * 1000) <= self.model.now
            if event.to == "active":
                assert event.worker in ("w", "knowing")
        assert [event.at for event in events] == sorted(event.at for event in events)
        for job in self.model.living():
            assert last[job.id].attempt == job.attempts
        kept = {job_id: str(last) for job_id, last in state.items() if last is not None}
        assert kept == {job.id: job.state for job in self.model.living()}


async def all_events(store: Any, queue: str) -> list[Any]:
    """Every event so far."""
    last = (await store.overview([queue])).position.get(queue, 0)
    found: list[Any] = []
    if last:
        async with aclosing(store.event_batches(0, [queue])) as batches:
            async for batch in batches:
                found += batch
                if found and found[-1].seq >= last:
                    break
    return found


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("kind", KINDS)
def test_every_history_leaves_the_backend_where_the_model_is(
    kind: str, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A cluster runs the scripts that one node runs, and keeps a queue on one node: fewer histories tell.
    examples = max(1, EXAMPLES // PARTS // {"cluster": 10}.get(kind, 1))
    with prepared(kind, monkeypatch):
        tell_histories(part, examples)


@pytest.mark.parametrize("links", [1, 2, 3], ids="valkey-{}".format)
def test_every_history_leaves_it_there_also_where_a_call_follows_few_links(
    links: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In production what an end means for more than a few hundred jobs is worked off in steps; here, for all."""
    with prepared("valkey", monkeypatch, links):
        tell_histories(links, max(1, EXAMPLES // PARTS))


def tell_histories(part: int, examples: int) -> None:
    """So many random histories; `part` makes them others."""
    run: Callable[..., None] = run_state_machine_as_test
    case = type(f"History{part}", (History,), {})
    begun = next(_numbers)
    try:
        run(
            case,
            settings=settings(
                max_examples=examples,
                stateful_step_count=STEPS,
                derandomize=EXAMPLES <= 500,
                deadline=None,
                database=None,
                print_blob=True,
                phases=[Phase.generate, Phase.shrink] if SHRINK else [Phase.generate],
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        sys.stdout.write(f"histories begun: {next(_numbers) - begun - 1}\n")
