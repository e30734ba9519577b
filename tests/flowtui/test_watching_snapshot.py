"""Pictures of Live and Queues in the states worth seeing. `make snapshots` accepts them as they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

import pytest
from engine_kit import Cut, Hand, diamond, heard, settled, shows, submit, until
from textual._doc import take_svg_screenshot
from textual.app import App
from textual.pilot import Pilot

from core.backends.base import WorkerInfo
from core.backends.memory import InMemoryBackend
from core.jobs import Job, JobError
from flowtui.app import FlowtuiApp
from flowtui.feed import Feed

START = 1_767_225_600.0  # noon UTC of a day with nothing else in it
TRACEBACK = """\
  File "app/geo.py", line 41, in lookup
    row = index[key]
KeyError: 'DE-10115'"""


class Clock:
    """Stands still unless told to go on."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class Stage:
    """An app on an engine whose clock stands still; a scene brings both into the state of its picture."""

    def __init__(self, **options: Any) -> None:
        self.clock = Clock()
        self.memory = InMemoryBackend(clock=self.clock)
        self.wire = Cut(self.memory)
        self.hand = Hand(self.memory, "etl")
        # Toasts come and go by the clock of the wall; tests of their own are about them.
        options = {"watch": ["*"], "alert": "off", **options}
        self.app = FlowtuiApp(backend=self.wire, start_worker=False, **options)  # type: ignore[arg-type]

    async def running_flow(self) -> None:
        """One job completed, one fails and waits for its next attempt, one runs at 61 %, one failed for good."""
        hand, clock = self.hand, self.clock
        extra = Job("app.notify", id="n0", name="notify", max_retries=0)
        score = Job("app.score", id="s0", name="score", depends_on=["a"], max_retries=2)
        jobs = diamond()
        jobs[3].depends_on.append("s0")
        await submit(
            self.memory, [*jobs, score, extra], flow_id="7d2f9c1ab0", name="etl-nightly", queue="etl"
        )
        await self.memory.register_worker(
            WorkerInfo("web-1-4711", "web-1", 4711, ["etl"], 8, ["app.fetch"], ttl=1e6)
        )
        clock.now += 0.4
        await hand.take()
        clock.now += 1.2
        await hand.complete("a", result={"rows": 10_000})
        await hand.fail("n0", error=JobError("SMTPError", "451 greylisted by mx.example", TRACEBACK))
        await hand.take()
        clock.now += 0.5
        await hand.settle("retry", "s0", delay=5.0, payload='{"type": "TimeoutError"}', reason="TimeoutError")
        clock.now += 1.6
        await hand.report(
            "c", 0.61, "6100/10000 rows", "start app.geo attempt 1", "6100 rows", "slow lookup 812 ms"
        )
        await hand.complete("b", result=["ok"])

    async def in_live(self, pilot: Pilot[Any], job: str) -> None:
        await self.app.open_flow("7d2f9c1ab0", job=job)
        await settled(pilot, "fetch", "61%")


Scene = Callable[[Stage, Pilot[Any]], Awaitable[None]]


async def flow_list(stage: Stage, pilot: Pilot[Any]) -> None:
    await stage.running_flow()
    await submit(stage.memory, diamond("z"), flow_id="5a1b", name="mail digest", queue="mail")
    await submit(
        stage.memory, [Job("t", id="o", name="one")], flow_id="4c", name="日次レポート", queue="mail"
    )
    await Hand(stage.memory, "mail").take(1)
    await pilot.press("2")
    await settled(pilot, "3 flows")


async def flow_list_empty(stage: Stage, pilot: Pilot[Any]) -> None:
    await pilot.press("2")
    await settled(pilot, "No flows yet")


async def flow_graph(stage: Stage, pilot: Pilot[Any]) -> None:
    await stage.running_flow()
    await stage.in_live(pilot, "c")


async def flow_log(stage: Stage, pilot: Pilot[Any]) -> None:
    await flow_graph(stage, pilot)
    if not shows(pilot, "geo · log"):
        await pilot.press("L")
    await settled(pilot, "slow lookup")


async def flow_timeline(stage: Stage, pilot: Pilot[Any]) -> None:
    await flow_graph(stage, pilot)
    if not shows(pilot, "decided"):
        await pilot.press("b")
    await settled(pilot, "decided")


async def flow_outline(stage: Stage, pilot: Pilot[Any]) -> None:
    await flow_graph(stage, pilot)
    await pilot.press("v")
    await settled(pilot)


async def flow_cards(stage: Stage, pilot: Pilot[Any]) -> None:
    await flow_graph(stage, pilot)
    await pilot.press("v", "v")
    await settled(pilot, "COMPLETED")


async def flow_failed(stage: Stage, pilot: Pilot[Any]) -> None:
    await stage.running_flow()
    await stage.in_live(pilot, "n0")
    await pilot.press("enter")
    await settled(pilot, "SMTPError", "451")


async def flow_why(stage: Stage, pilot: Pilot[Any]) -> None:
    await stage.running_flow()
    await stage.in_live(pilot, "d")
    await pilot.press("w")
    await settled(pilot, "Why: join")


async def flow_retry(stage: Stage, pilot: Pilot[Any]) -> None:
    await stage.running_flow()
    await stage.in_live(pilot, "n0")
    await pilot.press("R")
    await settled(pilot, "Retry in")


async def flow_compare(stage: Stage, pilot: Pilot[Any]) -> None:
    for run, slow in (("r1-", 0.4), ("r2-", 2.6)):
        jobs = diamond(run)
        await submit(stage.memory, jobs, flow_id=run.strip("-"), name="etl-nightly", queue="etl")
        for ends in (jobs[:1], jobs[1:3], jobs[3:]):
            await stage.hand.take()
            stage.clock.now += slow if len(ends) == 2 else 1.0
            await stage.hand.complete(*[job.id for job in ends])
    await stage.app.open_flow("r2")
    await settled(pilot, "etl-nightly")
    await pilot.press("c")
    await settled(pilot, "this run and the last one")


async def flow_lost(stage: Stage, pilot: Pilot[Any]) -> None:
    await flow_graph(stage, pilot)
    await lost(stage, pilot)


async def lost(stage: Stage, pilot: Pilot[Any]) -> None:
    stage.wire.cut = True
    await settled(pilot, "does not answer")
    await stop_feed(stage)
    stage.app.connection_lost = (
        "redis://localhost:6379 does not answer · trying again in 4 s · data is 12 s old"
    )
    await settled(pilot)


async def stop_feed(stage: Stage) -> None:
    task = stage.app._feed_task
    assert task is not None
    task.cancel()
    # It may be about to say something; what the picture is to show comes after that.
    await asyncio.wait([task])


async def flow_of_ten_thousand(stage: Stage, pilot: Pilot[Any]) -> None:
    jobs = [Job("t.discover", id="root", name="discover")]
    jobs += [Job("t.part", depends_on=["root"], id=f"p{n}", name=f"part-{n}") for n in range(9_998)]
    jobs += [Job("t.merge", depends_on=[job.id for job in jobs[1:]], id="merge", name="merge")]
    await submit(stage.memory, jobs, flow_id="b16", name="big", queue="etl")
    stage.clock.now += 1
    await stage.hand.take()
    stage.clock.now += 2
    await stage.hand.complete("root")
    done = await stage.hand.take(3000)
    stage.clock.now += 1
    await stage.hand.fail(*done[:40])
    await stage.hand.complete(*done[40:2900])
    await stage.app.open_flow("b16", job="root")
    await settled(pilot, "10,000")


async def queue_table(stage: Stage, pilot: Pilot[Any]) -> None:
    await stage.running_flow()
    mail = [Job("mail.send", [f"user{n}@example.org"], id=f"m{n:04}", name=f"letter {n}") for n in range(132)]
    await stage.memory.enqueue_many("mail", mail)
    await stage.memory.pause("mail")
    hand = stage.hand
    for step in range(30):
        ids = [f"w{step:02}{n}" for n in range(1 + step % 5)]
        await stage.memory.enqueue_many(
            "etl", [Job("app.sync", id=name, name=f"sync {name}") for name in ids]
        )
        await hand.take()
        await heard(stage.app)
        stage.clock.now += 1
        await hand.complete(*ids)
        await heard(stage.app)
    await stage.memory.enqueue_many("etl", [Job("app.sync", id=f"y{n}", name=f"sync y{n}") for n in range(4)])
    await hand.take()
    await hand.report("y1", 0.33)
    await heard(stage.app)
    stage.clock.now += 2.5
    queues = pilot.app.screen
    await settled(pilot, "PAUSED")
    queues.query_one("#queue-list").select("etl")  # type: ignore[attr-defined]
    await settled(pilot, "[active 6]", "geo")
    assert stage.app.feed is not None
    stage.app.feed.board.tick(stage.clock.now)
    await pilot.press("enter")
    await settled(pilot)


async def queue_paused(stage: Stage, pilot: Pilot[Any]) -> None:
    await queue_table(stage, pilot)
    pilot.app.screen.query_one("#queue-list").select("mail")  # type: ignore[attr-defined]
    await settled(pilot, "letter 3")
    await pilot.press("space", "space", "space")
    await settled(pilot, "3 marked")


async def queue_failed(stage: Stage, pilot: Pilot[Any]) -> None:
    await queue_table(stage, pilot)
    while pilot.app.screen.state != "failed":  # type: ignore[attr-defined]
        await pilot.press("right_square_bracket")
    await settled(pilot, "[failed 1]", "SMTPError")


async def queue_cards(stage: Stage, pilot: Pilot[Any]) -> None:
    await queue_table(stage, pilot)
    await pilot.press("v")
    await settled(pilot, "COMPLETED")


async def queue_filter(stage: Stage, pilot: Pilot[Any]) -> None:
    await queue_table(stage, pilot)
    await pilot.press("slash", *"state:completed id:w2")
    box = pilot.app.screen.query_one("#find")
    box.cursor_blink = False  # type: ignore[attr-defined]
    await settled(pilot, "found")


async def queue_empty(stage: Stage, pilot: Pilot[Any]) -> None:
    await settled(pilot, "No queues yet")


async def queue_workers(stage: Stage, pilot: Pilot[Any]) -> None:
    await queue_table(stage, pilot)
    await pilot.press("W")
    await settled(pilot, "web-1-4711")


async def queue_repeats(stage: Stage, pilot: Pilot[Any]) -> None:
    tick = Job("app.tick", id="t", name="heartbeat", repeat_every=3600.0)
    await stage.memory.enqueue_many("etl", [tick, Job("app.poll", id="p", name="poll", repeat_every=15.0)])
    await stage.hand.take()
    stage.clock.now += 4
    await settled(pilot)
    await pilot.press("E")
    await settled(pilot, "Repeats", "heartbeat")


async def queue_lost(stage: Stage, pilot: Pilot[Any]) -> None:
    await queue_table(stage, pilot)
    await lost(stage, pilot)


async def queue_of_ten_thousand(stage: Stage, pilot: Pilot[Any]) -> None:
    jobs = [Job("app.thumb", [n], id=f"t{n:05}", name=f"thumb {n}") for n in range(10_000)]
    await stage.memory.enqueue_many("images", jobs)
    await settled(pilot, "[waiting 10,000]")
    await pilot.press("enter", "end")
    await settled(pilot, "thumb 9999")


async def queue_confirm(stage: Stage, pilot: Pilot[Any]) -> None:
    await queue_paused(stage, pilot)
    await pilot.press("K")
    await settled(pilot, "Cancel 3 marked jobs?")


SMALL, MIDDLE, LARGE = (80, 24), (120, 36), (200, 60)
VIEWS: list[Scene] = [
    flow_list, flow_list_empty, flow_graph, flow_timeline, flow_outline, flow_cards, flow_log, flow_failed,
    flow_why, flow_retry, flow_compare, flow_of_ten_thousand, flow_lost,
    queue_table, queue_empty, queue_filter, queue_paused, queue_failed, queue_cards, queue_workers,
    queue_repeats, queue_confirm, queue_of_ten_thousand, queue_lost,
]  # fmt: skip
THEMES = ("flow-dark", "flow-light")


class Taken(App[None]):
    """In the place of an app whose picture has been taken already."""

    def __init__(self, picture: str) -> None:
        super().__init__()
        self.picture = picture

    def run(self, **_: Any) -> Any:  # type: ignore[override]
        return self.picture


@cache
def pictures(scene: Scene, size: tuple[int, int], **options: Any) -> dict[str, str]:
    """One app plays a scene and changes its colours for each picture: cheaper than a scene for each."""
    taken: dict[str, str] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        stage = Stage(theme=THEMES[0], **options)
        patch.setattr(Feed, "now", lambda self: stage.clock.now)
        patch.setattr(Feed, "age", 0.0)

        async def before(pilot: Pilot[Any]) -> None:
            await until(pilot, lambda: stage.app.feed is not None and stage.app.feed.board.at > 0)
            await scene(stage, pilot)
            for theme in THEMES:
                stage.app.theme = theme
                await settled(pilot)
                taken[theme] = stage.app.export_screenshot(simplify=True)

        take_svg_screenshot(stage.app, terminal_size=size, run_before=before)
    return taken


@pytest.mark.parametrize("theme", THEMES, ids=["dark", "light"])
@pytest.mark.parametrize("size", [SMALL, MIDDLE, LARGE], ids=["80x24", "120x36", "200x60"])
@pytest.mark.parametrize("scene", VIEWS, ids=lambda scene: scene.__name__)
def test_snapshot(snap_compare: Any, scene: Scene, size: tuple[int, int], theme: str) -> None:
    assert snap_compare(Taken(pictures(scene, size)[theme]))


@pytest.mark.parametrize("scene", [flow_graph, queue_table], ids=["live", "queues"])
def test_snapshot_read_only(snap_compare: Any, scene: Scene) -> None:
    assert snap_compare(Taken(pictures(scene, SMALL, read_only=True)[THEMES[0]]))


@pytest.mark.parametrize("scene", [flow_graph, queue_table], ids=["live", "queues"])
def test_snapshot_ascii(snap_compare: Any, scene: Scene) -> None:
    assert snap_compare(Taken(pictures(scene, SMALL, ascii_only=True)[THEMES[0]]))
