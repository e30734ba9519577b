"""The feed: what the board says is what the store holds, whatever happens on the way."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

from engine_kit import Cut, Hand, diamond, engine, submit
from textual.app import App
from textual.message import Message

from core.backends.base import Backend, Overview
from core.jobs import Job, JobState
from flowtui import feed as feed_module
from flowtui.board import Board
from flowtui.feed import BITE, BoardChanged, Feed
from flowtui.messages import ConnectionLost, ConnectionRestored, StoreReplaced


class Listener(App[None]):
    """Collects what the feed tells."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Message] = []

    def on_board_changed(self, message: BoardChanged) -> None:
        self.heard.append(message)

    def on_connection_lost(self, message: ConnectionLost) -> None:
        self.heard.append(message)

    def on_store_replaced(self, message: StoreReplaced) -> None:
        self.heard.append(message)

    def on_connection_restored(self, message: ConnectionRestored) -> None:
        self.heard.append(message)


@asynccontextmanager
async def following(backend: Any, **options: Any) -> Any:
    app = Listener()
    async with app.run_test():
        feed = Feed(backend, Board(options.pop("watch", ())), **{"frame": 0.02, "refresh": 0.1, **options})
        feed.subscribe(app)
        task = asyncio.create_task(feed.run())
        await asyncio.wait_for(feed.ready(), 5)
        try:
            yield feed, app
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def agrees(feed: Feed, backend: Backend, seconds: float = 10.0) -> None:
    """Wait until every count of the board, and of every open flow, is the store's."""
    end = asyncio.get_running_loop().time() + seconds
    while True:
        wrong = [
            (name, {k: (v, have[k]) for k, v in queue.counts.items() if v != have[k]})
            for name, queue in feed.board.queues.items()
            if queue.counts != (have := await backend.counts(name))
        ]
        for flow in feed.board.flows.values():
            snapshot = await backend.flow_snapshot(flow.id)
            states = {job.id: job.state for job in snapshot.jobs}
            if {
                job.id: job.state for job in flow.jobs.values()
            } != states or flow.state != snapshot.flow.state:
                wrong.append((flow.id, {}))
        if not wrong:
            return
        assert asyncio.get_running_loop().time() < end, wrong
        await asyncio.sleep(0.05)


async def test_board_and_store_agree_after_thousands_of_jobs_and_everything_that_can_befall_them() -> None:
    """3,000 jobs in three queues: completed, failed, retried, cancelled, removed at random; connections lost."""
    random_ = random.Random(11)
    async with engine() as backend:
        wire = Cut(backend)
        hands = [Hand(backend, queue) for queue in ("a", "b", "c")]
        async with following(wire) as (feed, _):
            opened = []
            for round_ in range(10):
                for hand in hands:
                    flow = f"{hand.queue}{round_}"
                    jobs = [Job("t.root", id=f"{flow}-root", max_retries=0)]
                    for number in range(99):
                        above = random_.choice(jobs).id
                        jobs.append(Job("t.part", id=f"{flow}-{number}", depends_on=[above]))
                    await submit(backend, jobs, flow_id=flow, queue=hand.queue)
                    if round_ % 3 == 0 and not wire.cut:
                        opened.append((await feed.open_flow(flow)).id)
                wire.cut = round_ in (2, 3, 6)
                for _ in range(12):
                    hand = random_.choice(hands)
                    ids = await hand.take(random_.randrange(60))
                    for job_id in ids:
                        fate = random_.random()
                        await (hand.fail(job_id) if fate < 0.1 else hand.complete(job_id))
                    await asyncio.sleep(0)
                flow = random_.choice("abc") + str(random_.randrange(round_ + 1))
                await (
                    backend.cancel_flow(flow)
                    if random_.random() < 0.4
                    else backend.retry_flow(flow, "failed")
                )
                if round_ == 7:
                    wire.cut = False
                    feed.retry_now()
                    for name in ("a0", "b0"):
                        await backend.cancel_flow(name)
                        await backend.remove_flow(name)
                        feed.board.flows.pop(name, None)
            wire.cut = False
            feed.retry_now()
            await agrees(feed, backend)
            assert len(opened) >= 6
            assert sum(queue.total for queue in feed.board.queues.values()) == 2800
            assert not feed.board.stale


async def test_a_flood_of_events_is_announced_once_per_frame() -> None:
    async with engine() as backend, following(backend, frame=0.1) as (feed, app):
        hand = Hand(backend)
        app.heard.clear()
        started = asyncio.get_running_loop().time()
        for number in range(20):
            await backend.enqueue_many("q", [Job("t", id=f"{number}-{n}") for n in range(50)])
            await hand.complete(*await hand.take(50))
            await asyncio.sleep(0.01)
        await agrees(feed, backend)
        await asyncio.sleep(0.2)
        frames = (asyncio.get_running_loop().time() - started) / 0.1
        told = sum(isinstance(message, BoardChanged) for message in app.heard)
        assert 1 <= told <= frames + 2
        assert feed.board.queues["q"].counts["completed"] == 1000


async def test_between_any_few_events_of_a_flood_a_key_may_have_its_turn() -> None:
    async with engine() as backend, following(backend) as (feed, _):
        turns, taken = 0, []
        digest = feed.board.digest

        def noted(events: Any) -> bool:
            taken.append((turns, len(events)))
            return digest(events)

        async def others() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        feed.board.digest = noted
        busy = asyncio.create_task(others())
        await backend.enqueue_many("q", [Job("t") for _ in range(2500)])
        await agrees(feed, backend)
        busy.cancel()
        assert sum(size for _, size in taken) == 2500
        assert max(size for _, size in taken) <= BITE
        assert all(before < after for (before, _), (after, _) in pairwise(taken))


async def test_losing_the_store_is_said_with_the_time_until_the_next_try_and_so_is_its_return() -> None:
    async with engine() as backend:
        wire = Cut(backend)
        async with following(wire) as (feed, app):
            wire.cut = True
            await backend.enqueue("q", Job("t"))
            await until(lambda: any(isinstance(message, ConnectionLost) for message in app.heard))
            lost = next(message for message in app.heard if isinstance(message, ConnectionLost))
            assert "does not answer" in lost.reason
            assert 0 < lost.retry_in <= 0.5
            assert feed.lost is not None
            wire.cut = False
            await until(lambda: any(isinstance(message, ConnectionRestored) for message in app.heard))
            assert feed.lost is None
            await agrees(feed, backend)


class Mute:
    """An engine that can fall silent: it takes every question and answers none."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.answers = asyncio.Event()
        self.answers.set()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._backend, name)
        if name == "event_batches":
            return lambda *args: self._batches(value(*args))
        if not callable(value):
            return value

        async def ask(*args: Any, **kwargs: Any) -> Any:
            await self.answers.wait()
            return await value(*args, **kwargs)

        return ask

    async def _batches(self, batches: Any) -> Any:
        async for batch in batches:
            await self.answers.wait()
            yield batch


async def test_a_store_that_falls_silent_is_lost_and_each_second_it_is_said_how_long(
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(feed_module, "SILENCE", 0.5)
    monkeypatch.setattr(feed_module, "TELL_EVERY", 0.05)
    async with engine() as backend:
        await backend.enqueue("q", Job("t"))
        store = Mute(backend)
        async with following(store) as (feed, app):

            def lost() -> list[ConnectionLost]:
                return [message for message in app.heard if isinstance(message, ConnectionLost)]

            store.answers.clear()
            await until(lost)
            assert lost()[0].reason == "the engine does not answer"
            # While a try hangs there is no pause that could be counted down, but the data grows older.
            await until(lambda: sum(message.retry_in == 0 for message in lost()) >= 5)
            store.answers.set()
            await until(lambda: isinstance(app.heard[-1], BoardChanged) and feed.lost is None)
            assert any(isinstance(message, ConnectionRestored) for message in app.heard)
            await agrees(feed, backend)


async def test_a_store_that_was_emptied_meanwhile_is_taken_as_it_is_now() -> None:
    async with engine() as backend, engine() as other:
        hand = Hand(backend)
        await submit(backend, diamond())
        await hand.take()
        await hand.complete("a")
        wire = Cut(backend)
        async with following(wire) as (feed, _):
            await feed.open_flow("f1")
            assert feed.board.queues["q"].counts["completed"] == 1
            wire.cut = True
            await until(lambda: feed.lost is not None)
            await submit(other, [Job("t", id="only")], flow_id="f2")
            wire._backend, wire.cut = other, False
            feed.retry_now()
            await until(lambda: feed.lost is None)
            await agrees(feed, other)
            assert not feed.board.flows  # the flow that was open is gone


async def test_a_store_that_comes_back_with_nothing_in_it_is_shown_empty() -> None:
    async with engine() as backend, engine() as other:
        await submit(backend, diamond())
        wire = Cut(backend)
        async with following(wire) as (feed, app):
            wire.cut = True
            await until(lambda: feed.lost is not None)
            wire._backend, wire.cut = other, False
            feed.retry_now()
            await until(lambda: feed.lost is None)
            assert not feed.board.queues
            await until(lambda: any(isinstance(message, StoreReplaced) for message in app.heard))
            (told,) = [message for message in app.heard if isinstance(message, StoreReplaced)]
            assert (told.before, told.now) == (len(diamond()), 0)


async def test_a_store_that_is_emptied_under_our_eyes_is_shown_empty() -> None:
    async with engine() as backend, engine() as other:
        await submit(backend, diamond())
        wire = Cut(backend)
        async with following(wire) as (feed, app):
            await feed.open_flow("f1")
            wire._backend = other  # whoever follows the old one hears nothing more, as after FLUSHALL
            await until(lambda: not feed.board.queues and not feed.board.flows)
            assert not any(isinstance(message, ConnectionLost) for message in app.heard)


async def test_a_store_without_queues_does_not_set_the_clock_back() -> None:
    async with engine() as backend:
        feed = Feed(backend, wall=lambda: 5000.0)
        await backend.enqueue("q", Job("t", id="a"))
        await feed.look()
        assert feed.now() > 1e9  # the store's
        await backend.remove("a")

        async def nothing(_: Any = None) -> Overview:
            return Overview([], [], {}, 0.0)

        backend.overview = nothing  # type: ignore[method-assign]
        await feed.look()
        assert feed.now() > 1e9


async def test_a_flow_opened_in_the_middle_of_a_storm_misses_nothing() -> None:
    async with engine() as backend:
        jobs = [Job("t", id=f"j{n}") for n in range(400)]
        await submit(backend, jobs)
        hand = Hand(backend)

        async def storm() -> None:
            for _ in range(40):
                await hand.complete(*await hand.take(10))
                await asyncio.sleep(0.002)

        async with following(backend) as (feed, _):
            running = asyncio.create_task(storm())
            await asyncio.sleep(0.03)
            flow = await feed.open_flow("f1")
            for _ in range(5):
                await asyncio.sleep(0.01)
                await feed.open_flow("f1")
            await running
            await agrees(feed, backend)
            flow = feed.board.flows["f1"]
            assert flow.counts["completed"] == 400
            assert flow.state == "completed"


async def test_only_subscribers_that_are_there_are_told() -> None:
    async with engine() as backend, following(backend) as (feed, app):
        await asyncio.sleep(0.1)
        feed.unsubscribe(app)
        app.heard.clear()
        await backend.enqueue("q", Job("t"))
        await agrees(feed, backend)
        await asyncio.sleep(0.1)
        assert not app.heard
        feed.subscribe(app)  # and who comes later learns at once what is known
        await until(lambda: bool(app.heard))


async def test_watching_exact_names_asks_only_for_them() -> None:
    async with engine() as backend:
        await backend.enqueue("a", Job("t"))
        await backend.enqueue("b", Job("t"))
        async with following(backend, watch=["a"]) as (feed, _):
            await backend.enqueue("b", Job("t"))
            await backend.enqueue("a", Job("t", id="x"))
            await agrees(feed, backend)
            assert set(feed.board.queues) == {"a"}
            assert feed.board.queues["a"].counts[JobState.WAITING] == 2


async def until(true: Any, seconds: float = 8.0) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while not true():
        assert asyncio.get_running_loop().time() < end
        await asyncio.sleep(0.01)
