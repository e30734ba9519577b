"""Alerts: what ends in a watched queue is told once, in the ways that were asked for."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from engine_kit import Hand, diamond, engine, settled, submit, until, watching

from core.backends.base import Backend
from core.jobs import FlowState, Job
from flowtui.alerts import QUEUES, SPELL, Alerts, Ends, Told, sentence, together, words
from flowtui.app import FlowtuiApp
from flowtui.board import Board
from flowtui.messages import StoreReplaced


def one(flow: str) -> list[Job]:
    return [Job("t", id=f"{flow}-a", name="one", max_retries=0)]


def said(app: Any) -> list[str]:
    return [note.message for note in app._notifications]


class Heard:
    """In the place of the app and its terminal."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.bells = 0
        self.written: list[str] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self._driver = self

    def notify(self, text: str, **_: Any) -> None:
        self.notes.append(text)

    def bell(self) -> None:
        self.bells += 1

    def set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self.timers.append((seconds, then))

    def write(self, data: str) -> None:
        self.written.append(data)


def told(number: int, state: str = "completed", failed: int = 0, name: str = "etl") -> Told:
    return Told(f"f{number}", name, "q", state, 1.5, failed, 7)


async def board_of(backend: Backend) -> Board:
    board = Board()
    board.reset(await backend.overview(None))
    return board


async def look(ends: Ends) -> list[str]:
    """Catch up with the store, then what there is to tell."""
    ends.board.reset(await ends.backend.overview(None))
    found = []
    while True:
        found += await ends.look()
        if not ends.due:
            return sorted(f"{each.id} {each.state} {each.failed}" for each in found)


async def test_a_watched_flow_that_nobody_opened_is_told_of() -> None:
    async with engine() as backend:
        hand = Hand(backend)
        async with watching(backend, watch=["q"]) as pilot:
            await submit(backend, diamond(), name="nightly")
            await hand.take()
            await hand.complete("a")
            await hand.take()
            await hand.fail("b")
            await hand.complete("c")
            await until(pilot, lambda: any("nightly failed after" in text for text in said(pilot.app)))
            await submit(backend, one("x"), flow_id="x", queue="other")
            await submit(backend, one("y"), flow_id="y", name="second")
            for name in ("other", "q"):
                mine = Hand(backend, name)
                await mine.complete(*await mine.take())
            await until(pilot, lambda: any("second completed" in text for text in said(pilot.app)))
            assert len(said(pilot.app)) == 2  # what ended before, or elsewhere, is not among them


async def test_only_opened_flows_are_told_of_where_nobody_watches() -> None:
    async with engine() as backend:
        hand = Hand(backend)
        for options, expected in (({}, 0), ({"alert": "failed"}, 1)):
            app = FlowtuiApp(backend=backend, start_worker=False, **options)  # type: ignore[arg-type]
            async with app.run_test() as pilot:
                await until(pilot, lambda app=app: app.feed is not None and app.feed.board.at > 0)  # type: ignore[misc]
                for number, end in enumerate((hand.fail, hand.complete)):
                    flow = f"{expected}{number}"
                    await submit(backend, one(flow), flow_id=flow)
                    await end(*await hand.take())
                if expected:
                    await until(pilot, lambda app=app: said(app))  # type: ignore[misc]
                    assert "etl failed" in said(app)[0]
                else:
                    await pilot.pause(0.3)
                assert len(said(app)) == expected


async def test_a_flow_that_runs_again_by_the_time_that_its_end_is_told_has_not_ended() -> None:
    async with engine() as backend:
        hand = Hand(backend)
        await submit(backend, one("f"), flow_id="f", name="nightly")
        async with watching(backend, watch=["q"]) as pilot:
            app: Any = pilot.app
            flow = await app.feed.open_flow("f")
            await hand.complete(*await hand.take())
            await until(pilot, lambda: said(app))
            board, flow.state, flow.finished_at = app.feed.board, FlowState.RUNNING, None
            board.ended.append(flow)
            app._alerts.opened(board)
            await settled(pilot)
            assert [text.partition(" after ")[0] for text in said(app)] == ["✓ nightly completed"]
            assert not board.ended


async def test_a_store_that_is_another_one_takes_all_older_notices_away() -> None:
    async with engine() as backend, watching(backend, watch=["q"]) as pilot:
        app: Any = pilot.app
        app.notify("✗ nightly failed")
        for before in (30_800, 12):
            app.post_message(StoreReplaced(before, 0))
            await until(
                pilot, lambda told=f"It knew {before:,} jobs": any(told in text for text in said(app))
            )
            assert len(said(app)) == 1


async def test_every_end_is_learned_exactly_once_whatever_happens_in_whatever_queue() -> None:
    """Flows end at random in more queues than are asked at once; some are retried and end again, some are removed."""
    random_ = random.Random(5)
    async with engine() as backend:
        names = [f"q{number}" for number in range(QUEUES + 3)]
        hands = {name: Hand(backend, name) for name in names}
        await submit(backend, one("old"), flow_id="old", queue="q0")
        await hands["q0"].complete(*await hands["q0"].take())
        ends = Ends(backend, await board_of(backend))
        assert await look(ends) == []
        failed: list[tuple[str, str]] = []
        for round_ in range(30):
            expected = []
            for name in random_.sample(names, 3):
                flow = f"{name}-{round_}"
                await submit(backend, one(flow), flow_id=flow, queue=name)
            if failed and random_.random() < 0.5:
                await backend.retry_flow(failed.pop()[1], "failed")
            for name in random_.sample(names, 4):
                for job_id in await hands[name].take():
                    flow, good = job_id.removesuffix("-a"), random_.random() < 0.7
                    await (hands[name].complete(job_id) if good else hands[name].fail(job_id))
                    expected.append(f"{flow} {'completed 0' if good else 'failed 1'}")
                    if not good:
                        failed.append((name, flow))
            assert await look(ends) == sorted(expected)
            assert not ends.due


async def test_many_at_once_are_one_sentence_and_many_successes_are_hushed() -> None:
    app, now = Heard(), [100.0]
    alerts = Alerts(app, ["bell", "desktop"], clock=lambda: now[0])  # type: ignore[arg-type]
    alerts.tell([told(n) for n in range(3)] + [told(9, "failed", 2, "mail\x1b]0;x\x07")])
    assert app.notes == ["4 flows: 3 completed, 1 failed (mail␛]0;x␇)"]
    assert app.bells == 1
    assert app.written[0] == "\x1b]9;flowtui: 4 flows: 3 completed, 1 failed (mail␛]0;x␇)\x07"
    assert "".join(app.written).count("\x1b") == len(app.written)
    alerts.tell([told(n) for n in range(3)])
    assert len(app.notes) == 1  # old news
    for number in range(20, 40):
        now[0] += 2
        alerts.tell([told(number)])
    assert app.notes[1:] == ["✓ etl completed after 1.5s"] * 3 + [
        "many flows complete; from now on only those that fail are told"
    ]
    now[0] += SPELL
    alerts.tell([told(50, "failed", 1)])
    assert app.notes[-1] == "✗ etl failed after 1.5s: 1 of 7 jobs failed"
    now[0] += 100
    alerts.tell([told(51)])
    assert app.notes[-1] == "✓ etl completed after 1.5s"


async def test_a_flood_of_failures_never_covers_the_screen_and_all_are_told() -> None:
    app, now = Heard(), [100.0]
    alerts = Alerts(app, ["bell"], clock=lambda: now[0])  # type: ignore[arg-type]
    for number in range(10):
        alerts.tell([told(number, "failed", 1, f"flow{number}")])
    assert app.notes == [f"✗ flow{number} failed after 1.5s: 1 of 7 jobs failed" for number in range(3)]
    [(seconds, then)] = app.timers
    assert seconds == SPELL
    now[0] += SPELL
    then()
    assert app.notes[3:] == ["7 flows: 7 failed (flow3, flow4, flow5, …)"]
    assert app.bells == 4
    alerts.tell([told(20, "failed", 1)])
    assert app.notes[4:] == ["✗ etl failed after 1.5s: 1 of 7 jobs failed"]
    assert len(app.timers) == 1


@pytest.mark.parametrize(
    ("how", "notes"),
    [("", 2), ("bell", 2), ("failed", 1), ("Failed,bell", 1), ("off", 0), ("off desktop", 0)],
)
def test_only_what_was_asked_for_is_told(how: str, notes: int) -> None:
    app = Heard()
    Alerts(app, words(how)).tell([told(1), told(2, "failed", 1)])  # type: ignore[arg-type]
    assert len(app.notes) == notes
    assert app.bells == ("bell" in how)
    assert not app.written


def test_sentences() -> None:
    assert sentence(told(1, "failed", 2)) == "✗ etl failed after 1.5s: 2 of 7 jobs failed"
    assert sentence(Told("f", "etl", "q", "cancelled", None, 0, 3)) == "⊖ etl cancelled"
    many = [told(n, "failed", 1, f"flow{n}") for n in range(5)] + [told(8, "cancelled")]
    assert together(many) == "6 flows: 5 failed, 1 cancelled (flow0, flow1, flow2, …)"
