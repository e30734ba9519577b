"""A real engine for the tests of the screens, driven by hand, so that every state can be reached and held.

It is the one in memory; FLOWTUI_TEST_URL names another (its data is removed!).
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any

from textual.geometry import Region
from textual.pilot import Pilot
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core.backends.base import Backend, Claim, Outcome
from core.errors import BackendUnavailable
from core.flow import FlowProducer
from core.jobs import Job, JobError
from flowtui.app import FlowtuiApp
from flowtui.dag.widget import GraphCanvas

LEASE = 3600.0


@asynccontextmanager
async def engine() -> AsyncIterator[Backend]:
    """An empty engine."""
    url = os.environ.get("FLOWTUI_TEST_URL")
    backend: Any
    if url:
        from core.backends.redis import RedisBackend

        backend = RedisBackend(url)
        await backend.open()
        for name in await backend.queues():
            for flow in await backend.list_flows(name, limit=1000):
                await backend.cancel_flow(flow.id)
        await wipe(url)
    else:
        from core.backends.memory import InMemoryBackend

        backend = InMemoryBackend()
        await backend.open()
    try:
        yield backend
    finally:
        await backend.close()


async def wipe(url: str) -> None:
    from redis.asyncio import Redis

    client = Redis.from_url(url)
    await client.flushall()
    await client.aclose()


class Hand:
    """Takes jobs and settles them, as a worker would: `await hand.take("q")`, then complete or fail them by id."""

    def __init__(self, backend: Backend, queue: str = "q") -> None:
        self.backend, self.queue = backend, queue
        self.claims: dict[str, Claim] = {}

    async def take(self, most: int = 100) -> list[str]:
        """Start what is ready; the ids."""
        turn = await self.backend.turn(self.queue, "hand-1", [], most, LEASE)
        self.claims.update((claim.id, claim) for claim in turn.claims)
        return [claim.id for claim in turn.claims]

    async def settle(self, kind: Any, *ids: str, **fields: Any) -> None:
        outcomes = [Outcome(job_id, self.claims.pop(job_id).token, kind, **fields) for job_id in ids]
        lost = await self.backend.settle(self.queue, outcomes)
        assert not lost

    async def complete(self, *ids: str, result: object = None) -> None:
        await self.settle("completed", *ids, payload=json.dumps(result) if result is not None else None)

    async def fail(self, *ids: str, error: JobError | None = None) -> None:
        error = error or JobError(
            "ValueError", "no rows", '  File "app.py", line 3, in work\n    raise ValueError'
        )
        await self.settle("failed", *ids, payload=json.dumps(error.to_dict()), reason=str(error))

    async def report(self, job_id: str, fraction: float, note: str = "", *lines: str) -> None:
        claim = self.claims[job_id]
        told = await self.backend.report(
            self.queue,
            job_id,
            claim.token,
            progress=(fraction, note),
            log=[(1000.0 + index, "INFO", line) for index, line in enumerate(lines)],
        )
        assert told


class Cut:
    """An engine behind a wire that can be cut: while it is, every question fails as a lost server's would."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.cut = False

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._backend, name)
        if name in ("event_batches", "events"):
            return lambda *args, **kwargs: self._events(value, args, kwargs)
        if not callable(value) or name in ("close", "open"):
            return value

        async def ask(*args: Any, **kwargs: Any) -> Any:
            self._check()
            return await value(*args, **kwargs)

        return ask

    def _check(self) -> None:
        if self.cut:
            raise BackendUnavailable("redis://localhost:6379 does not answer")

    async def _events(
        self, follow: Callable[..., AsyncIterator[Any]], args: Any, kwargs: Any
    ) -> AsyncIterator[Any]:
        self._check()
        async for batch in follow(*args, **kwargs):
            self._check()
            yield batch


def diamond(prefix: str = "") -> list[Job]:
    """a -> b, c -> d."""
    ids = {name: f"{prefix}{name}" for name in "abcd"}
    return [
        Job("app.fetch", id=ids["a"], name="fetch"),
        Job("app.clean", [1], {"strict": True}, [ids["a"]], id=ids["b"], name="clean"),
        Job("app.geo", ["eu"], {"password": "hunter2"}, [ids["a"]], id=ids["c"], name="geo", max_retries=2),
        Job("app.join", depends_on=[ids["b"], ids["c"]], id=ids["d"], name="join"),
    ]


async def submit(
    backend: Backend, jobs: list[Job], *, flow_id: str = "f1", name: str = "etl", queue: str = "q"
) -> None:
    await FlowProducer(backend).add_flow(queue, jobs, flow_id=flow_id, name=name)


@asynccontextmanager
async def watching(
    backend: Any, *, size: tuple[int, int] = (120, 40), **options: Any
) -> AsyncIterator[Pilot[None]]:
    """The app on an engine, in Queues at first, with the feed at work."""
    options.setdefault("watch", ["*"])
    app = FlowtuiApp(backend=backend, start_worker=False, **options)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.feed is not None and app.feed.board.at > 0)
        yield pilot


async def until(pilot: Pilot[Any], true: Callable[[], object], seconds: float = 30.0) -> None:
    """Let the app go on until something holds; fails when it does not in time."""
    end = monotonic() + seconds
    while not true():
        if monotonic() > end:
            raise AssertionError(f"did not happen in {seconds} s; on screen:\n{text(pilot.app)}")
        await pilot.pause(0.02)


async def settled(pilot: Pilot[Any], *words: str, seconds: float = 120.0) -> None:
    """Until nothing on the screen will change by itself: three pictures are the same and have `words`.

    No pause is waited for: what the app would read in its own time is read now, so that a slow machine only takes
    longer. Under a clock that stands still, the same picture then comes every time.
    """
    app, end = pilot.app, monotonic() + seconds
    before: list[Strip] = []
    same = 0
    while same < 3:
        if monotonic() > end:
            raise AssertionError(f"did not settle in {seconds} s with {words}; on screen:\n{text(app)}")
        told = await _told(app)
        for screen in app.screen_stack:
            again = getattr(screen, "reread", None) or getattr(screen, "_tick", None)
            if again is not None:
                again()
        for canvas in app.screen.query(GraphCanvas):
            _draw_now(canvas)
        while any(not worker.is_finished for worker in app.workers):  # noqa: ASYNC110 - workers tell nobody
            await asyncio.sleep(0)
        await pilot.pause(0)
        now = app.screen._compositor.render_strips()
        same = same + 1 if told and now == before and shows(pilot, *words) else 0
        before = now


def _draw_now(canvas: GraphCanvas) -> None:
    """What the graph knows already and would draw in its own time is drawn at once."""
    canvas.flush()
    for timer, draw in ((canvas._fold_timer, canvas._fold_again), (canvas._map_timer, canvas._redraw_map)):
        if timer is not None:
            timer.stop()
            draw()


async def heard(app: Any) -> None:
    """Until the screens have been told all that has happened so far: rates count what they hear while it is new."""
    while not await _told(app):  # noqa: ASYNC110 - a board tells nobody
        await asyncio.sleep(0.001)


async def _told(app: Any) -> bool:
    """Whether the screens have been told all that has happened in the store, as far as it can be reached."""
    feed = app.feed
    try:
        overview = await feed.backend.overview()
    except BackendUnavailable:
        return True
    feed.board.refresh(overview)
    followed = feed.board.position
    return feed._flush is None and all(
        followed.get(each.name, each.seq) == each.seq for each in overview.queues
    )


def painted_otherwise(view: Any) -> list[int]:
    """The rows in which what a view paints (and keeps) differs from what textual would paint of it anew."""
    whole = view.outer_size.region
    seen = view.size.width - view.scrollbar_size_vertical + view.styles.gutter.left
    kept = [_cells(strip.crop(0, seen)) for strip in view.render_lines(whole)]
    part = Region(0, 1, whole.width, max(whole.height - 2, 0))
    kept_part = [_cells(strip.crop(0, seen)) for strip in view.render_lines(part)]
    view.notify_style_update()
    view._styles_cache.clear()
    anew = [_cells(strip.crop(0, seen)) for strip in ScrollView.render_lines(view, whole)]
    assert len(kept) == len(anew)
    assert kept_part == kept[1 : 1 + part.height]
    return [row for row, (mine, theirs) in enumerate(zip(kept, anew, strict=True)) if mine != theirs]


def _cells(strip: Strip) -> list[tuple[str, Any]]:
    return [
        (char, (style.color, style.bgcolor, style.bold)) for text, style, _ in strip for char in text if style
    ]


def text(app: Any) -> str:
    """The screen as plain text, one line a row, without blanks at the ends."""
    return "\n".join(lines(app))


def lines(app: Any) -> Iterator[str]:
    height = app.size.height
    for strip in app.screen._compositor.render_strips()[:height]:
        yield "".join(segment.text for segment in strip).rstrip()


def shows(pilot: Pilot[Any], *words: str) -> bool:
    """Whether all of these stand on the screen."""
    now = text(pilot.app)
    return all(word in now for word in words)
