"""`--inline`: a few lines that follow queues in the normal screen, and stay there."""

from __future__ import annotations

import asyncio
import os
import re
import termios
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from engine_kit import Cut, Hand, diamond, engine, shows, submit, text, until
from rich.cells import cell_len
from test_cli_terminal import Terminal
from textual.pilot import Pilot

from core.backends.base import WorkerInfo
from core.jobs import Job, JobError
from flowtui.board import Board
from flowtui.inline import InlineApp, read
from flowtui.inlineview import Seen, picture
from flowtui.widgets.bars import banner


@asynccontextmanager
async def inline(backend: Any, *watch: str, size: tuple[int, int] = (100, 20)) -> AsyncIterator[Pilot[None]]:
    app = InlineApp(backend=backend, watch=watch, interval=0.1)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.feed is not None and app.feed.board.at > 0)
        yield pilot


async def test_the_lines_say_what_runs_what_failed_and_how_far_the_flows_are() -> None:
    async with engine() as backend:
        hand = Hand(backend)
        async with inline(backend, "q") as pilot:
            await submit(backend, diamond(), name="nightly")
            await until(
                pilot, lambda: shows(pilot, "no worker", "◌ 1 waiting  ◦ 3 blocked", "nightly", "0/4")
            )
            await hand.take()
            await hand.report("a", 0.4, "400 of 1000")
            await until(pilot, lambda: shows(pilot, "► 1 active", "fetch  app.fetch", "40% 400 of 1000"))
            await hand.complete("a")
            await hand.take()
            await hand.fail("b", error=JobError("ValueError", "no rows"))
            await until(pilot, lambda: shows(pilot, "✗ clean", "ValueError: no rows", "geo  app.geo"))
            await hand.complete("c")
            await until(pilot, lambda: shows(pilot, "100% 4/4", "✓ 2 completed  ✗ 1 failed", "↷ 1 skipped"))
            assert not shows(pilot, "► geo")


async def test_patterns_watch_several_queues_and_only_those() -> None:
    async with engine() as backend, inline(backend, "etl-*") as pilot:
        await until(pilot, lambda: shows(pilot, "nothing in etl-* yet"))
        for name in ("etl-a", "etl-b", "mail"):
            await backend.enqueue(name, Job("t"))
        await backend.pause("etl-b")
        await until(pilot, lambda: shows(pilot, "2 queues", "1 paused", "◌ 2 waiting", "etl-a", "etl-b"))
        assert "mail" not in text(pilot.app)


async def test_a_lost_engine_is_said_above_the_old_lines_and_its_return_is_seen() -> None:
    async with engine() as backend:
        wire = Cut(backend)
        async with inline(wire, "q") as pilot:
            await backend.enqueue("q", Job("t"))
            await until(pilot, lambda: shows(pilot, "◌ 1 waiting"))
            wire.cut = True
            await until(pilot, lambda: shows(pilot, "does not answer", "◌ 1 waiting"))
            wire.cut = False
            await backend.enqueue("q", Job("t"))
            await until(pilot, lambda: shows(pilot, "◌ 2 waiting"))
            assert "does not answer" not in text(pilot.app)


def test_where_there_is_little_room_the_reason_gives_way_to_when_and_how_old() -> None:
    reason = "redis://localhost:7391/0 cannot be reached: Connection closed by server."
    lost = f"{reason} · trying again in 4 s · data is 12 s old"
    for width in (60, 80, 200):
        said = banner(lost, width).plain
        assert cell_len(said) <= width
        assert said.startswith(" ✗ redis://")
        assert said.endswith(" · trying again in 4 s · data is 12 s old")
        # Also where nothing is known of any queue, and above what is.
        assert picture(Board(), Seen(), 1000.0, width, lost=lost)[0].plain == said


async def test_what_is_drawn_last_stays_whatever_is_heard_before_the_end() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        async with inline(backend, "*") as pilot:
            await until(pilot, lambda: shows(pilot, "q quits"))
            screen: Any = pilot.app.screen
            screen.draw(last=True)
            screen.draw()
            await pilot.pause()
            assert "q quits" not in text(pilot.app)


async def test_the_keys_of_the_whole_app_do_nothing_here_and_q_ends_it() -> None:
    async with engine() as backend, inline(backend, "q") as pilot:
        await backend.enqueue("q", Job("t"))
        await until(pilot, lambda: shows(pilot, "q quits"))
        await pilot.press("2", "colon", "question_mark", "P", "K", "enter")
        assert len(pilot.app.screen_stack) == 1
        assert pilot.app.current_mode == "queues"
        assert not (await backend.overview(None)).queues[0].paused
        await pilot.press("q")
        await until(pilot, lambda: not pilot.app.is_running or pilot.app._exit)
        assert not shows(pilot, "q quits")  # what stays is a state, not an app


async def everything() -> tuple[Board, Seen]:
    """A board and what was read, with more of each than is shown, and names that nobody should trust."""
    async with engine() as backend:
        for queue in ("a", "b", "c", "d", "e", "x" * 90):
            hand = Hand(backend, queue)
            await submit(
                backend, diamond(queue), queue=queue, flow_id=f"f{queue}", name="[red]日次\x1b]0;y\x07" * 9
            )
            many = [Job("t", id=f"{queue}{n}", name=f"job\r\n{n}" * 9, max_retries=0) for n in range(9)]
            await backend.enqueue_many(queue, many)
            taken = await hand.take(8)
            await hand.report(taken[0], 0.5, "\x1b[31mhalf" * 9)
            await hand.fail(taken[1], error=JobError("E", "password=hunter2 \x1b[2J\n" * 20))
        await backend.register_worker(WorkerInfo("w", "h", 1, ["a"], 8, ["t"], ttl=1e6))
        board = Board()
        board.reset(await backend.overview(None))
        return board, await read(backend, board)


@pytest.mark.parametrize("width", [20, 40, 80, 120, 200])
async def test_every_line_fits_and_nothing_from_outside_is_obeyed(width: int) -> None:
    board, seen = await everything()
    for height in (2, 3, 8, 16, 30):
        for lost in ("", "redis://h does not answer"):
            lines = picture(board, seen, board.at, width, engine="embedded", lost=lost, height=height)
            assert 2 <= len(lines) <= height
            for line in lines:
                assert cell_len(line.plain) <= width
                assert line.plain.isprintable()
    whole = "\n".join(line.plain for line in picture(board, seen, board.at, width, height=30))
    assert "hunter2" not in whole
    if width >= 80:
        assert "and 2 more queues" in whole
        assert "and 38 more active" in whole
        assert "and 2 more running flows" in whole
        assert whole.count("✗ job") == 4
        few = "\n".join(line.plain for line in picture(board, seen, board.at, width, height=14))
        assert (
            few.count("► job") + int(re.findall(r"and (\d+) more active", few)[0]) == board.totals()["active"]
        )


async def test_an_idle_watcher_asks_for_no_jobs() -> None:
    asked: list[str] = []

    class Heard(Cut):
        def __getattr__(self, name: str) -> Any:
            asked.append(name)
            return super().__getattr__(name)

    async with engine() as backend:
        await submit(backend, diamond())
        async with inline(Heard(backend), "q") as pilot:
            await until(pilot, lambda: "list_flows" in asked and shows(pilot, "etl"))
            await pilot.pause(0.3)
            asked.clear()
            await asyncio.sleep(1.3)
            assert not {"list_flows", "list_jobs"} & set(asked)
            await backend.enqueue("q", Job("t"))
            await until(pilot, lambda: "list_flows" in asked)


def test_it_ends_when_its_terminal_goes_without_a_signal(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "--watch", "q", "--inline")
    terminal.read(b"q quits")
    os.close(terminal.slave)
    os.close(terminal.master)
    try:
        terminal.process.wait(30)
    finally:
        terminal.process.kill()


def test_it_stays_in_the_scrollback_of_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text("queue: q-1\njobs: {a: {task: t}, b: {task: t, depends_on: [a]}}")
    first = Terminal(tmp_path, "submit", "two.yaml")
    first.read()
    assert first.process.wait() == 0
    first.close()
    terminal = Terminal(tmp_path, "--watch", "q-*", "--inline")
    terminal.read(b"1 waiting")
    os.write(terminal.master, b"q")
    out = terminal.read()
    assert terminal.process.wait() == 0
    assert termios.tcgetattr(terminal.slave) == terminal.before
    terminal.close()
    assert b"\x1b[?1049h" not in out  # never the other screen
    end = out[out.rfind(b" flowtui ") :].decode()
    assert "1 waiting" in end
    assert "q quits" not in end


async def test_flows_of_one_id_in_two_queues_are_both_shown() -> None:
    async with engine() as backend:
        for queue in ("a", "b"):
            await submit(backend, diamond(queue), queue=queue, flow_id="nightly", name=f"nightly of {queue}")
        board = Board()
        board.reset(await backend.overview(None))
        seen = await read(backend, board)
    assert {flow.queue for flow in seen.flows} == {"a", "b"}
