"""What every view shows in the end is what the store holds: 10,000 jobs, three worker processes, and trouble."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any, cast

from engine_kit import Cut, until
from redis.asyncio import Redis
from textual.pilot import Pilot

from core.backends import open_backend
from core.backends.base import Backend, FlowSnapshot
from core.errors import BackendUnavailable, Refused
from core.flow import FlowProducer
from core.jobs import TERMINAL, Job, JobState
from flowtui.app import FlowtuiApp
from flowtui.board import FlowBoard
from flowtui.dag.widget import GraphCanvas
from flowtui.flowgraph import look
from flowtui.pages import TABS
from flowtui.screens.live import LiveScreen
from flowtui.screens.queues import QueuesScreen
from flowtui.states import glyph
from flowtui.timeline import chart, line
from flowtui.times import number
from flowtui.widgets.boardview import BoardView
from flowtui.widgets.linetable import LineTable
from flowtui.widgets.queuetable import ALL

ROOT = Path(__file__).parents[2]
QUEUES = ("a", "b", "c")
FLOWS, SIZE = 40, 250
WORKER = """\
import asyncio, sys
from core import JobContext, Worker, open_backend, task

@task("t.ok")
async def ok():
    pass

@task("t.flaky")
async def flaky():
    if JobContext.current().attempt == 1:
        raise ValueError("not yet")

@task("t.bad")
async def bad():
    raise ValueError("never")

async def main():
    backend = open_backend(sys.argv[1])
    worker = Worker(backend, sys.argv[2:], 40, lease=5.0)
    await worker.run()
    await backend.close()

asyncio.run(main())
"""


@asynccontextmanager
async def workers(folder: Path, url: str, count: int) -> AsyncIterator[None]:
    """Worker processes that run the jobs of all queues."""
    program = folder / "work.py"
    program.write_text(WORKER)
    command = [sys.executable, str(program), url, *QUEUES]
    running = [
        subprocess.Popen(command, cwd=ROOT, env={"PYTHONPATH": "."})  # noqa: ASYNC220 - they start and are left alone
        for _ in range(count)
    ]
    try:
        yield
    finally:
        for process in running:
            process.send_signal(signal.SIGTERM)
        for process in running:
            try:
                await asyncio.to_thread(process.wait, 20)
            finally:
                process.kill()


def jobs_of(flow: str, random_: random.Random) -> list[Job]:
    """A flow in which a third of the jobs wait for two others, some fail once and a few for good."""
    jobs: list[Job] = []
    for place in range(SIZE):
        above = random_.sample(jobs, min(len(jobs), random_.choice((0, 1, 1, 2)))) if place else []
        kind = random_.choices(("t.ok", "t.flaky", "t.bad"), (90, 8, 2))[0]
        jobs.append(
            Job(
                kind,
                id=f"{flow}-{place}",
                name=f"j{place}",
                depends_on=[job.id for job in above],
                max_retries=2 if kind == "t.flaky" else 0,
                backoff=0.01,
                trigger="all_done" if random_.random() < 0.3 else "all_success",
            )
        )
    return jobs


async def insist(act: Callable[[], Awaitable[Any]]) -> None:
    """Do it again where the connection was lost meanwhile."""
    while True:
        try:
            await act()
            return
        except Refused:
            return  # a flow that is being cancelled, for example, is not retried
        except BackendUnavailable:
            await asyncio.sleep(0.01)


async def trouble(backend: Backend, wire: Cut, socket: str, random_: random.Random, flows: list[str]) -> None:
    """Until all is submitted and half of it is done: flows cancelled and retried, every connection lost."""
    client = Redis(unix_socket_path=socket)
    try:
        for step in range(24):
            await asyncio.sleep(0.05)
            if flows and step % 2:
                await insist(lambda: backend.retry_flow(random_.choice(flows), "failed"))
            elif flows:
                # The latest, of which most has not run yet.
                await insist(lambda: backend.cancel_flow(flows[-1]))
            wire.cut = step % 8 in (3, 4)
            if step % 10 == 5:
                # The workers, the app and this test all find their connections closed.
                await client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    finally:
        wire.cut = False
        await client.aclose()


async def test_every_view_agrees_with_the_store_after_ten_thousand_jobs(tmp_path: Path) -> None:
    random_ = random.Random(3)
    url = f"embedded://{tmp_path / 'e'}"
    backend = cast(Any, open_backend(url))
    await backend.open()
    wire = Cut(backend)
    app = FlowtuiApp(backend=cast(Backend, wire), start_worker=False, watch=QUEUES)
    try:
        async with asyncio.timeout(60), workers(tmp_path, url, 3), app.run_test(size=(160, 50)) as pilot:
            await until(pilot, lambda: app.feed is not None and app.feed.board.at > 0)
            assert app.feed is not None
            producer = FlowProducer(backend)
            flows: list[str] = []
            storm = asyncio.create_task(trouble(backend, wire, socket_of(backend), random_, flows))
            for place in range(FLOWS):
                flow = f"f{place:02}"
                jobs = jobs_of(flow, random_)
                if place in (10, 30):
                    # Nothing of them starts before they are cancelled, however fast the workers are.
                    for job in jobs:
                        job.delay = 600.0
                await insist(lambda: producer.add_flow(QUEUES[place % 3], jobs, flow_id=flow, name=flow))  # noqa: B023
                if place in (10, 30):
                    await insist(lambda: backend.cancel_flow(flow))  # noqa: B023
                else:
                    flows.append(flow)
                if place in (3, 17):
                    await insist(lambda: app.feed.open_flow(flow))  # type: ignore[union-attr]  # noqa: B023
                if place == 5:
                    await app.open_flow("f03")
            await storm
            app.feed.retry_now()
            truth = await ended(backend)
            board = app.feed.board
            await until(
                pilot, lambda: {n: q.counts for n, q in board.queues.items()} == truth_counts(truth), 60
            )
            await until(pilot, lambda: all(is_true(board.flows[f], truth[f]) for f in ("f03", "f17")), 60)
            states = Counter(job.state for snapshot in truth.values() for job in snapshot.jobs)
            assert states.total() == 10_000
            assert min(states[state] for state in (JobState.COMPLETED, JobState.FAILED, JobState.SKIPPED,
                                                   JobState.CANCELLED)) > 10  # fmt: skip
            assert any(job.attempts > 1 for snapshot in truth.values() for job in snapshot.jobs)
            assert not board.stale
            await live_agrees(pilot, truth["f03"])
            await queues_agree(pilot, truth)
    finally:
        await backend.close()


def socket_of(backend: Any) -> str:
    return (
        str(backend.url.partition("://")[2]) if backend.url.startswith("unix") else str(backend.server.socket)
    )


async def ended(backend: Backend) -> dict[str, FlowSnapshot]:
    """Every flow as the store has it, once all jobs have ended."""
    deadline = monotonic() + 240
    while True:
        overview = await backend.overview(None)
        left = sum(q.counts[s] for q in overview.queues for s in ("blocked", "waiting", "delayed", "active"))
        if not left and sum(sum(queue.counts.values()) for queue in overview.queues) == FLOWS * SIZE:
            break
        assert monotonic() < deadline, [queue.counts for queue in overview.queues]
        await asyncio.sleep(0.1)
    return {f"f{place:02}": await backend.flow_snapshot(f"f{place:02}") for place in range(FLOWS)}


def truth_counts(truth: dict[str, FlowSnapshot]) -> dict[str, dict[str, int]]:
    """Jobs by state of each queue, counted one by one."""
    found = {queue: dict.fromkeys(map(str, JobState), 0) for queue in QUEUES}
    for snapshot in truth.values():
        for job in snapshot.jobs:
            found[snapshot.flow.queue][job.state.value] += 1
    return found


def is_true(flow: FlowBoard, snapshot: FlowSnapshot) -> bool:
    """Whether a flow that was followed event by event is what the store has."""
    return flow.state == snapshot.flow.state and all(
        (flow.jobs[job.id].state, flow.jobs[job.id].attempts) == (job.state, job.attempts)
        for job in snapshot.jobs
    )


async def live_agrees(pilot: Pilot[None], snapshot: FlowSnapshot) -> None:
    """Graph, outline, cards and timeline of a flow that was open through it all."""
    screen = pilot.app.screen
    assert isinstance(screen, LiveScreen)
    await until(pilot, lambda: screen.flow is not None and is_true(screen.flow, snapshot))
    flow = screen.flow
    assert flow is not None
    fresh, now = FlowBoard(snapshot), screen.now
    states = {job.id: job.state for job in snapshot.jobs}
    canvas = screen.query_one(GraphCanvas)
    wanted = {job.id: look(fresh, job, now) for job in snapshot.jobs}
    await until(pilot, lambda: {job: canvas.looks[job].glyph for job in states} ==
                {job: wanted[job].glyph for job in states})  # fmt: skip
    await pilot.press("v")
    outline = screen.query_one("#outline", LineTable)
    assert outline.total == SIZE
    for index in range(SIZE):
        row = outline.row(index)
        assert row is not None
        assert cast(Any, row.cells["word"])[0] == states[row.id].value
    await pilot.press("v")
    cards = screen.query_one(BoardView)
    await until(pilot, lambda: sum(map(len, cards.lanes)) == SIZE)
    lanes = [Counter(job.state for job in lane) for lane in cards.lanes]
    assert sum(lanes, Counter()) == Counter(states.values())
    assert set(lanes[2]) == {JobState.COMPLETED}
    drawn = chart(flow, now, 100)
    for job in snapshot.jobs:
        runs = flow.attempts.get(job.id, [])
        if job.state in TERMINAL and job.state is not JobState.SKIPPED and job.started_at is not None:
            assert runs[-1].end is not None
            assert abs(runs[-1].start - job.started_at) < 0.001
            if job.state is JobState.CANCELLED and runs[-1].state == "failed":
                # It failed and waited to be tried again when it was cancelled.
                assert runs[-1].end <= (job.finished_at or 0) + 0.001
                continue
            assert abs(runs[-1].end - (job.finished_at or 0)) < 0.001
            ends = {"failed": "✗", "cancelled": "⊖"}.get(job.state.value, "")
            text = "".join(piece for piece, _ in line(flow.jobs[job.id], runs, drawn, now, 100).pieces)
            assert ends in text


async def queues_agree(pilot: Pilot[None], truth: dict[str, FlowSnapshot]) -> None:
    """The table of queues, its sum, and the list of jobs of each state."""
    await pilot.press("3")
    await until(pilot, lambda: isinstance(pilot.app.screen, QueuesScreen))
    screen = cast(Any, pilot.app.screen)
    table = screen.query_one("#queue-list", LineTable)
    counts = truth_counts(truth)
    counts[ALL] = {state: sum(each[state] for each in counts.values()) for state in map(str, JobState)}

    def cell(name: str, column: str) -> str:
        rows = {row.id: row for row in table.rows}
        return str(rows[name].cells[column][0]) if name in rows else ""

    for column, states in (
        ("completed", ("completed",)),
        ("failed", ("failed", "expired")),
        ("waiting", ("waiting",)),
    ):
        for name, each in counts.items():
            wanted = number(sum(each[state] for state in states))
            await until(pilot, lambda: cell(name, column) == wanted)  # noqa: B023
    queue = max(QUEUES, key=lambda name: counts[name]["cancelled"])
    table.select(queue)
    jobs = screen.query_one("#table", LineTable)
    for state in ("failed", "completed", "skipped", "cancelled"):
        for _ in TABS:
            if screen.state != state:
                await pilot.press("right_square_bracket")
        assert screen.state == state
        await until(pilot, lambda: jobs.total == counts[queue][state] and jobs.row(0) is not None)  # noqa: B023
        row = jobs.row(0)
        assert row is not None
        assert cast(Any, row.cells["state"])[0] == glyph(state)
