"""Live, by keys, on a real engine."""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast

import pytest
from engine_kit import Cut, Hand, diamond, engine, lines, settled, shows, submit, text, until, watching
from textual.pilot import Pilot

from core import FlowProducer
from core.backends.base import Backend
from core.jobs import Job, JobError, JobState
from core.references import result_of
from flowtui import reading
from flowtui.board import Board
from flowtui.dag.widget import GraphCanvas
from flowtui.reading import JobReader
from flowtui.screens.live import LiveScreen
from flowtui.steering import Report
from flowtui.widgets.jobdetail import Neighbour, page

HOSTILE = [
    "[/]",
    "a[b]c[/nope]",
    "\x1b]52;c;aGk=\x07\x1b[2J",
    "漢字テスト・ジョブ名前",
    "x" * 200,
    "[@click=app.quit]q[/]",
    "\u202egnp.exe",
    "line\nbreak\r\ttab",
    "\x9b31mC1",
    "👩\u200d👩\u200d👧",
]


def live(pilot: Pilot[None]) -> LiveScreen:
    screen = pilot.app.screen
    assert isinstance(screen, LiveScreen)
    return screen


async def open_flow(pilot: Pilot[None], flow_id: str = "f1") -> LiveScreen:
    await cast(Any, pilot.app).open_flow(flow_id)
    await until(pilot, lambda: isinstance(pilot.app.screen, LiveScreen) and live(pilot).flow is not None)
    await pilot.pause()
    return live(pilot)


async def test_the_list_shows_every_flow_and_enter_opens_one() -> None:
    async with engine() as backend:
        await submit(backend, diamond("x"), flow_id="old", name="mail")
        await submit(backend, diamond("y"), flow_id="new", name="etl")
        async with watching(backend) as pilot:
            await pilot.press("2")
            await until(pilot, lambda: shows(pilot, "etl", "mail", "2 flows"))
            await pilot.press("down", "enter")
            await until(pilot, lambda: live(pilot).flow is not None)
            assert live(pilot).flow.name == "mail"  # type: ignore[union-attr]
            await until(pilot, lambda: shows(pilot, "fetch", "clean", "geo", "join", "0/4"))
            await pilot.press("escape")
            await until(pilot, lambda: shows(pilot, "2 flows"))


async def test_a_flow_is_seen_running_from_start_to_end() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        hand = Hand(backend)
        async with watching(backend) as pilot:
            screen = await open_flow(pilot)
            assert screen.flow is not None
            await until(pilot, lambda: shows(pilot, "◌1 waiting", "◦3 blocked", "not started"))
            assert await hand.take() == ["a"]
            await until(pilot, lambda: shows(pilot, "►1 active"))
            await hand.complete("a", result={"rows": 10})
            await until(pilot, lambda: shows(pilot, "✓1 done", "◌2 waiting", "1/4 25%"))
            await hand.take()
            await hand.report("b", 0.5, "half")
            await until(pilot, lambda: screen.flow.jobs["b"].progress == 0.5)
            await until(pilot, lambda: shows(pilot, "50%"))
            await hand.complete("b", "c")
            await hand.take()
            await hand.complete("d")
            await until(pilot, lambda: shows(pilot, "✓ completed", "4/4 100%", "took"))


async def test_what_failed_is_found_read_and_retried() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        hand = Hand(backend)
        await hand.take()
        await hand.complete("a")
        await hand.take()
        await hand.fail(
            "c", error=JobError("ValueError", "postgres://u:hunter2@db is gone", "  File 'x.py', line 7")
        )
        await hand.complete("b")
        async with watching(backend) as pilot:
            screen = await open_flow(pilot)
            assert screen.cursor == "c"  # the eye begins at what failed
            await until(pilot, lambda: shows(pilot, "✗ failed", "ValueError", "x.py", "•••"))
            assert "hunter2" not in text(pilot.app)
            await pilot.press("h", "n")
            assert screen.cursor == "c"
            await pilot.press("R")
            await until(pilot, lambda: shows(pilot, "Retry in etl", "what failed: 1"))
            assert (await backend.get_job("c")).state is JobState.FAILED  # nothing happens by asking
            # A letter moves as in every list: nothing is filtered, and no other thing is done than the next one.
            await pilot.press("x", "j", "k", "j")
            await settled(pilot, "only geo", "what failed: 1", "the whole flow")
            await pilot.press("enter")
            await until(pilot, lambda: shows(pilot, "✓ 1 job retried"))
            await until(pilot, lambda: screen.flow.jobs["c"].state is JobState.WAITING)  # type: ignore[union-attr]
            assert screen.flow is not None
            assert screen.flow.jobs["d"].state is JobState.BLOCKED
            await hand.take()
            await hand.complete("c")
            await hand.take()
            await hand.complete("d")
            await until(pilot, lambda: shows(pilot, "✓ completed", "4/4"))


async def test_cancel_asks_which_and_says_what_happened() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        hand = Hand(backend)
        await hand.take()
        await hand.complete("a")
        async with watching(backend) as pilot:
            screen = await open_flow(pilot)
            await pilot.press("l", "K")
            await until(pilot, lambda: shows(pilot, "Cancel in etl", "the whole flow: 3 jobs"))
            await pilot.press("escape")
            await until(pilot, lambda: pilot.app.screen is screen)
            assert (await backend.get_flow("f1")).counts["cancelled"] == 0
            await pilot.press("K", "down", "enter")
            await until(pilot, lambda: shows(pilot, "3 cancelled"))
            await until(pilot, lambda: shows(pilot, "⊖ cancelled", "4/4"))


async def test_marked_jobs_are_cancelled_together_and_the_answer_is_the_real_one() -> None:
    async with engine() as backend:
        await submit(backend, [Job("t", id=f"j{n}", name=f"j{n}") for n in range(4)])
        hand = Hand(backend)
        await hand.take(1)
        await hand.complete("j0")
        async with watching(backend) as pilot:
            screen = await open_flow(pilot)
            await pilot.press("asterisk", "K")
            await until(pilot, lambda: shows(pilot, "the 4 marked jobs"))
            await pilot.press("enter")
            await until(pilot, lambda: shows(pilot, "3 cancelled, 1 was already completed"))
            await until(pilot, lambda: screen.flow.counts["cancelled"] == 3)  # type: ignore[union-attr]


async def test_following_keeps_the_cursor_on_what_started_last_until_it_is_moved() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        hand = Hand(backend)
        async with watching(backend) as pilot:
            screen = await open_flow(pilot)
            await hand.take()
            await hand.complete("a")
            await pilot.press("F")
            await hand.take(1)
            await until(pilot, lambda: screen.cursor == "b")
            await hand.take(1)
            await until(pilot, lambda: screen.cursor == "c")
            await pilot.press("h")
            assert screen.cursor == "a"
            assert not screen.following


async def test_the_cursor_stays_on_its_job_in_every_view() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        async with watching(backend) as pilot:
            screen = await open_flow(pilot)
            await pilot.press("l", "j")
            here = screen.cursor
            assert here in "bc"
            for view in ("outline", "cards", "graph"):
                await pilot.press("v")
                await pilot.pause()
                assert (screen.view, screen.cursor) == (view, here)
            await pilot.press("v")
            await Hand(backend).take()
            await until(pilot, lambda: shows(pilot, "active"))
            assert screen.cursor == here


async def test_finding_a_job_by_name_moves_there_and_n_goes_on() -> None:
    async with engine() as backend:
        await submit(
            backend, [Job("t", id=f"j{n}", name=f"load-{n}" if n % 2 else f"x{n}") for n in range(6)]
        )
        async with watching(backend) as pilot:
            screen = await open_flow(pilot)
            await pilot.press("slash", *"load", "enter")
            first = screen.cursor
            assert screen.matches == ["j1", "j3", "j5"] or len(screen.matches) == 3
            assert first in screen.matches
            await pilot.press("n")
            assert screen.cursor in screen.matches
            assert screen.cursor != first
            await pilot.press("escape")
            assert not screen.searching


async def test_the_page_of_a_job_hides_secrets_until_asked_and_follows_its_log() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        hand = Hand(backend)
        await hand.take()
        await hand.complete("a")
        await hand.take()
        async with watching(backend, size=(80, 24)) as pilot:
            await cast(Any, pilot.app).open_flow("f1", job="c")
            await until(pilot, lambda: isinstance(pilot.app.screen, LiveScreen) and live(pilot).cursor == "c")
            await pilot.press("enter")
            await until(pilot, lambda: shows(pilot, "app.geo", "priority 5", "this job has written nothing"))
            await pilot.press("end")
            await until(pilot, lambda: shows(pilot, "secrets hidden"))
            assert "hunter2" not in text(pilot.app)
            await pilot.press("s")
            await until(pilot, lambda: shows(pilot, "hunter2"))
            await pilot.press("s", "end")
            await hand.report("c", 0.25, "", "first line", "\x1b[31mred\x1b[0m \x1b]0;title\x07")
            await until(pilot, lambda: shows(pilot, "first line", "red"))
            assert "\x1b" not in text(pilot.app)
            await hand.report("c", 0.5, "", "another line")
            await until(pilot, lambda: shows(pilot, "another line"))
            await pilot.press("escape")
            assert isinstance(pilot.app.screen, LiveScreen)


async def test_an_argument_that_is_a_result_reads_as_in_the_flow_file_and_says_what_it_is() -> None:
    async with engine() as backend:
        extract = Job("t", id="1f00", name="extract", max_retries=0)
        load = Job("t", id="2f00", name="load eu", max_retries=0)
        args = [result_of(extract, "rows", 0), [result_of(load)], {"$result": "foreign"}]
        kwargs = {"login": result_of(extract, "password"), "lost": result_of(extract, "no", "such")}
        join = Job("t", args, kwargs, [extract.id, load.id], id="3f00", name="join", trigger="all_done")
        await submit(backend, [extract, load, join])
        hand = Hand(backend)
        async with watching(backend, size=(200, 60)) as pilot:
            await cast(Any, pilot.app).open_flow("f1", job="3f00")
            await until(pilot, lambda: shows(pilot, "waits for 2 of 2"))
            await pilot.press("enter")
            await until(pilot, lambda: shows(pilot, '"${jobs.extract.result.rows[0]}"', "${jobs[", "load eu"))
            assert not shows(pilot, "1f00")
            await hand.take()
            await hand.complete("1f00", result={"rows": ["\x1b[2Jfirst"], "password": "hunter2"})
            await hand.fail("2f00")
            await until(pilot, lambda: shows(pilot, '${jobs.extract.result.rows[0]} = "', "2Jfirst"))
            assert shows(pilot, '${jobs["load eu"].result} is null: its job is failed')
            assert shows(
                pilot, "${jobs.extract.result.no.such} ! the result of upstream", '"$result": "foreign"'
            )
            assert "hunter2" not in text(pilot.app)
            await pilot.press("s")
            await until(pilot, lambda: shows(pilot, '${jobs.extract.result.password} = "hunter2"'))


async def test_why_a_job_does_not_run_is_one_key_away() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        async with watching(backend) as pilot:
            screen = await open_flow(pilot)
            screen.go_to("d")
            await pilot.press("w")
            await until(pilot, lambda: shows(pilot, "Why: join", "clean", "geo", "waits for 2"))
            await pilot.press("escape")
            screen.go_to("a")
            await pilot.press("w")
            await until(pilot, lambda: shows(pilot, "worker"))


async def test_a_key_pressed_while_a_flow_is_being_opened_is_answered() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        wire = Cut(backend)
        gate = asyncio.Event()

        async def slow(*args: Any, **more: Any) -> Any:
            await gate.wait()
            return await backend.flow_snapshot(*args, **more)

        async with watching(wire) as pilot:
            wire.flow_snapshot = slow  # type: ignore[attr-defined]
            await cast(Any, pilot.app).open_flow("f1")
            await pilot.press("K")
            await until(pilot, lambda: shows(pilot, "the flow is still being read"))
            assert isinstance(pilot.app.screen, LiveScreen)
            await pilot.press("w")
            await until(pilot, lambda: shows(pilot, "there is no job under the cursor"))
            gate.set()
            await until(pilot, lambda: live(pilot).flow is not None)
            await pilot.press("K")
            await until(pilot, lambda: shows(pilot, "Cancel in etl"))


async def test_a_list_of_more_flows_than_were_counted_says_so_until_its_end_is_seen() -> None:
    async with engine() as backend:
        for number in range(130):
            await submit(
                backend, [Job("t", id=f"j{number}", name="one")], flow_id=f"f{number:03}", name=f"n{number}"
            )
        async with watching(backend, size=(100, 24)) as pilot:
            await pilot.press("2")
            await until(pilot, lambda: shows(pilot, "n129", " 100 flows or more"))
            for _ in range(3):
                await pilot.press("end")
                await pilot.pause(0.1)
            await until(pilot, lambda: shows(pilot, "n0 ", " 130 flows") and not shows(pilot, "or more"))


async def test_of_a_job_with_thousands_of_links_only_those_that_are_shown_are_looked_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with engine() as backend:
        parts = [Job("t", id=f"p{n}", name=f"part {n}", depends_on=["root"]) for n in range(3000)]
        await submit(backend, [Job("t", id="root", name="root"), *parts])
        board = Board()
        board.open(await backend.flow_snapshot("f1"))
        reader = JobReader(backend, board)
        reader.point("root")
        await reader.load()
        made: list[str] = []

        def counted(job_id: str, *rest: str) -> Neighbour:
            made.append(job_id)
            return Neighbour(job_id, *rest)

        monkeypatch.setattr(reading, "Neighbour", counted)
        facts = reader.facts(0.0)
        assert facts is not None
        shown = "\n".join(line.plain for line, _ in page(facts, 80))
        assert "part 0" in shown
        assert re.search(r"and 2,9\d\d more", shown)
        assert len(made) < 50


async def test_the_timeline_and_the_log_come_and_go() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        hand = Hand(backend)
        await hand.take()
        async with watching(backend, size=(80, 24)) as pilot:
            await open_flow(pilot)
            await pilot.press("b")
            await until(pilot, lambda: shows(pilot, "timeline", "█"))
            await pilot.press("L")
            await until(pilot, lambda: shows(pilot, "· log", "this job has written nothing"))
            assert "timeline " not in text(pilot.app).replace("b timeline", "")
            claim = hand.claims["a"]
            log = [(1000.0, "WARNING", "slow"), (1000.0, "CRITICAL", "broken")]
            assert await backend.report("q", "a", claim.token, log=log)
            await until(pilot, lambda: shows(pilot, " WARN   slow", " CRIT   broken"))
            await pilot.press("L")
            await until(pilot, lambda: not shows(pilot, "· log"))


async def test_a_run_is_compared_with_the_last_one_of_its_name() -> None:
    async with engine() as backend:
        hand = Hand(backend)
        for run in ("r1-", "r2-"):
            await submit(backend, diamond(run), flow_id=run.strip("-"), name="etl")
            await hand.take()
            await hand.complete(f"{run}a")
            await hand.take()
            if run == "r2-":
                await asyncio.sleep(0.15)
            await hand.complete(f"{run}b", f"{run}c")
            await hand.take()
            await hand.complete(f"{run}d")
        async with watching(backend) as pilot:
            await open_flow(pilot, "r2")
            await pilot.press("c")
            await until(pilot, lambda: shows(pilot, "this run and the last one", "BEFORE", "+"))
            rows = [line for line in lines(pilot.app) if "+" in line]
            assert "clean" in rows[0] or "geo" in rows[0]
            await pilot.press("escape")
            await pilot.press("escape")
            await open_flow(pilot, "r1")
            await pilot.press("c")
            await until(pilot, lambda: shows(pilot, "no earlier run"))


async def test_read_only_offers_and_does_nothing_that_changes_the_engine() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        async with watching(backend, read_only=True) as pilot:
            screen = await open_flow(pilot)
            assert "cancel" not in text(pilot.app)
            for key in ("K", "R", "D"):
                screen.tell(Report("nothing yet"))
                await pilot.press(key)
                await until(pilot, lambda: shows(pilot, "read-only: started with --read-only"))
                assert pilot.app.screen is screen
            assert (await backend.get_flow("f1")).counts["cancelled"] == 0


async def test_a_lost_engine_greys_the_data_and_nothing_is_counted_twice_afterwards() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        hand = Hand(backend)
        wire = Cut(backend)
        async with watching(wire) as pilot:
            screen = await open_flow(pilot)
            wire.cut = True
            await until(pilot, lambda: shows(pilot, "does not answer", "trying again"))
            assert screen.has_class("-stale")
            assert shows(pilot, "fetch", "join")  # what was known stays
            await hand.take()
            await hand.complete("a")
            await hand.take()
            wire.cut = False
            assert screen.feed is not None
            screen.feed.retry_now()
            await until(pilot, lambda: not shows(pilot, "does not answer"))
            assert not screen.has_class("-stale")
            await until(pilot, lambda: shows(pilot, "►2 active", "✓1 done"))
            queue = screen.board.queues["q"]
            assert queue.counts == await backend.counts("q")
            assert screen.flow is not None
            assert screen.flow.counts == (await backend.get_flow("f1")).counts


async def test_a_flow_that_is_removed_leads_back_to_the_list() -> None:
    async with engine() as backend:
        await submit(backend, [Job("t", id="a", name="one")])
        hand = Hand(backend)
        await hand.take()
        await hand.complete("a")
        async with watching(backend) as pilot:
            await pilot.press("2")
            await until(pilot, lambda: shows(pilot, "1 flow", "completed"))
            await pilot.press("D")
            await until(pilot, lambda: shows(pilot, "Remove etl?"))
            await pilot.press("enter", "enter")  # a held Enter says nothing
            await pilot.pause(0.1)
            assert await backend.list_flows()
            await pilot.press("y")
            await until(pilot, lambda: shows(pilot, "No flows yet"))
            await cast(Any, pilot.app).open_flow("f1")
            await until(pilot, lambda: shows(pilot, "is gone"))


async def test_flows_of_the_same_id_in_two_queues_are_two_and_an_action_hits_the_one_that_is_shown() -> None:
    """Also their jobs may have the same ids."""
    async with engine() as backend:
        for queue in ("prod", "test"):
            jobs = [Job("t", id="load", name=f"load of {queue}"), Job("t", id="join", depends_on=["load"])]
            await FlowProducer(backend).add_flow(queue, jobs, flow_id="nightly", name=f"nightly {queue}")
        async with watching(backend) as pilot:
            await pilot.press("2")
            await until(pilot, lambda: shows(pilot, "nightly prod", "nightly test", "2 flows"))
            first = next(line for line in lines(pilot.app) if "▌" in line)
            here, other = ("prod", "test") if "prod" in first else ("test", "prod")
            await pilot.press("K")
            await until(pilot, lambda: shows(pilot, f"Cancel nightly {here}?"))
            await pilot.press("y")
            await until(pilot, lambda: shows(pilot, "2 cancelled"))
            assert (await backend.counts(here))["cancelled"] == 2
            assert (await backend.counts(other))["cancelled"] == 0
            await pilot.press("enter")
            await until(pilot, lambda: shows(pilot, f"load of {here}", "2/2"))
            await pilot.press("escape")
            await until(pilot, lambda: shows(pilot, "2 flows"))
            await pilot.press("down", "enter")
            await until(pilot, lambda: shows(pilot, f"load of {other}", "0/2"))
            assert shows(pilot, f"nightly {other} nightly")  # its name and id, in the panel of the job
            await pilot.press("K", "down", "enter")
            await until(pilot, lambda: shows(pilot, "2 cancelled", "2/2"))
            assert (await backend.counts(other))["cancelled"] == 2


async def test_the_list_of_flows_is_filtered_while_typing() -> None:
    async with engine() as backend:
        await submit(backend, diamond("x"), flow_id="m", name="mail")
        await submit(backend, diamond("y"), flow_id="e", name="etl")
        async with watching(backend) as pilot:
            await pilot.press("2")
            await until(pilot, lambda: shows(pilot, "2 flows"))
            await pilot.press("slash", *"name:ma")
            await until(pilot, lambda: shows(pilot, "1 flow", "mail"))
            await pilot.press("enter")
            await pilot.press("escape")
            await until(pilot, lambda: shows(pilot, "2 flows"))


async def test_an_ended_flow_is_announced_in_every_mode() -> None:
    async with engine() as backend:
        await submit(backend, [Job("t", id="a", name="one")])
        hand = Hand(backend)
        async with watching(backend) as pilot:
            await open_flow(pilot)
            await pilot.press("3")
            await hand.take()
            await hand.fail("a")
            await until(pilot, lambda: any("etl failed" in note.message for note in pilot.app._notifications))


@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_hostile_names_are_shown_and_never_obeyed(size: tuple[int, int]) -> None:
    async with engine() as backend:
        jobs = [Job(f"t.{n[:40]}", [n], {n: n}, name=n, id=f"j{i}") for i, n in enumerate(HOSTILE)]
        jobs.append(Job("t", name="\x1b[2Jlast", depends_on=[job.id for job in jobs], id="last"))
        await submit(backend, jobs, name="\x1b]0;x\x07[/]flow")
        hand = Hand(backend)
        await hand.take(3)
        await hand.report("j0", 0.5, "\x1b[5m[/]", "\x1b]52;c;x\x07 [/] log")
        await hand.fail("j1", error=JobError("[/]\x1b[1m", "\x1b]0;y\x07" + "漢" * 300, "\x1b[2J tb [/]"))
        await hand.complete("j2", result={"\x1b[": "[/red]"})
        async with watching(backend, size=size) as pilot:
            seen = ""
            await pilot.press("2")
            await until(pilot, lambda: shows(pilot, "1 flow"))
            seen += text(pilot.app)
            await open_flow(pilot)
            for key in (
                "b",
                "L",
                "v",
                "v",
                "v",
                "p",
                "w",
                "escape",
                "R",
                "escape",
                "K",
                "escape",
                "y",
                "escape",
            ):
                await pilot.press(key)
                await pilot.pause(0.05)
                seen += text(pilot.app)
            for index in range(len(jobs) if size == (80, 24) else 3):
                live(pilot).go_to(jobs[index].id)
                await pilot.press("enter")
                await pilot.pause(0.05)
                seen += text(pilot.app)
                await pilot.press("escape")
            await pilot.press("3")
            await pilot.pause(0.1)
            seen += text(pilot.app)
            bad = [
                char for char in set(seen) if char != "\n" and (ord(char) < 32 or 0x7F <= ord(char) < 0xA0)
            ]
            assert not bad
            assert "\u202e" not in seen
            assert pilot.app.is_running


async def test_jobs_without_a_worker_do_not_keep_the_screen_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mode that is not shown asks the engine nothing."""
    async with engine() as backend:
        await submit(backend, diamond())
        async with watching(backend) as pilot:
            screen = await open_flow(pilot)
            await pilot.press("3")
            await pilot.pause(0.2)
            asked = []
            monkeypatch.setattr(screen, "tick", lambda: asked.append(1))
            await pilot.pause(1.2)
            assert not asked


async def test_an_operator_repairs_a_flow_in_a_few_keys() -> None:
    """Find why it is stuck among others, run what failed and what is downstream again, see it finish: under 15 keys."""
    async with engine() as backend:
        hand = Hand(backend)
        await submit(backend, diamond(), name="stuck")
        await hand.take()
        await hand.complete("a")
        await hand.take()
        await hand.complete("b")
        await hand.fail("c")
        for other in ("x", "y"):
            await submit(backend, diamond(other), flow_id=f"f{other}", name=f"fine {other}")
        pressed = 0

        async def press(pilot: Pilot[None], *keys: str) -> None:
            nonlocal pressed
            pressed += len(keys)
            await pilot.press(*keys)

        async with watching(backend) as pilot:
            await press(pilot, "2")
            await until(pilot, lambda: shows(pilot, "3 flows", "✗ failed", "stuck"))
            await press(pilot, "end", "enter")  # the oldest
            await until(pilot, lambda: shows(pilot, "ValueError: no rows", "✓2 done"))  # what failed, and how
            await press(pilot, "l", "w")  # and what that has stopped
            await until(pilot, lambda: shows(pilot, "Why: join", "skipped", "geo"))
            await press(pilot, "escape", "R", "down", "down")
            await until(pilot, lambda: shows(pilot, "everything downstream"))
            assert (await backend.get_job("c")).state is JobState.FAILED  # until it is said
            await press(pilot, "enter")
            await until(pilot, lambda: shows(pilot, "retried", "◌1 waiting", "◦1 blocked"))
            assert (await backend.get_job("d")).state is JobState.BLOCKED
            assert (await backend.get_job("b")).attempts == 1  # what had completed is not done again
            for job in ("c", "d"):
                assert job in await hand.take()
                await hand.complete(job)
            await until(pilot, lambda: shows(pilot, "✓ completed", "4/4 100%"))
        assert pressed < 15
        assert (await backend.get_flow("f1")).state == "completed"


async def test_ten_thousand_jobs_open_and_move(tmp_path: object) -> None:
    async with engine() as backend:
        await big_flow(backend)
        hand = Hand(backend)
        async with watching(backend) as pilot:
            screen = await open_flow(pilot, "big")
            await until(pilot, lambda: shows(pilot, "10,001"))
            await hand.take()
            await hand.complete("root")
            await until(pilot, lambda: screen.flow.counts["waiting"] == 10_000)  # type: ignore[union-attr]
            for _ in range(3):
                await pilot.press("v")
                await pilot.press("j", "pagedown", "end")
                assert screen.cursor is not None
            assert screen.flow is not None
            assert screen.flow.counts == (await backend.get_flow("big")).counts


async def big_flow(backend: Backend) -> None:
    jobs = [Job("t.root", id="root", name="root")]
    jobs += [Job("t.part", depends_on=["root"], id=f"p{n}", name=f"part-{n}") for n in range(10_000)]
    await submit(backend, jobs, flow_id="big", name="big")


async def test_what_is_left_is_estimated_by_the_last_run() -> None:
    async with engine() as backend:
        hand = Hand(backend)
        await submit(backend, diamond("old-"), flow_id="f0")
        await hand.take()
        await hand.complete("old-a")
        await hand.take()
        await asyncio.sleep(1.0)  # what the middle takes
        await hand.complete("old-b", "old-c")
        await hand.take()
        await hand.complete("old-d")
        await submit(backend, diamond())
        await hand.take()
        await hand.complete("a")
        async with watching(backend) as pilot:
            await open_flow(pilot)
            # By the first job alone it would be a matter of milliseconds.
            await until(pilot, lambda: re.search(r"~[12]\.\ds left", text(pilot.app)))


async def test_alike_jobs_fold_into_one_box_that_enter_opens_and_only_what_is_near_can_be_shown() -> None:
    jobs = [Job("app.split", id="split", name="split")]
    jobs += [Job("app.part", id=f"p{i}", name=f"part {i}", depends_on=["split"]) for i in range(5)]
    async with engine() as backend:
        await submit(backend, jobs)
        async with watching(backend) as pilot:
            screen = await open_flow(pilot)
            canvas = screen.query_one(GraphCanvas)
            await until(pilot, lambda: len(canvas.drawn.boxes) == 6)
            await pilot.press("minus")
            await until(pilot, lambda: shows(pilot, "part ×5", "alike jobs are one box now"))
            await pilot.press("l", "enter")
            await until(pilot, lambda: len(canvas.drawn.boxes) == 6)
            assert isinstance(pilot.app.screen, LiveScreen)
            await pilot.press("escape")
            await until(pilot, lambda: canvas.fold == "auto")
            await pilot.press("h", "j", "k", "full_stop")
            await until(pilot, lambda: shows(pilot, "only what lies within 1 link"))
            await pilot.press("escape")
            await until(pilot, lambda: canvas.near_steps is None)
            assert screen.flow is not None
