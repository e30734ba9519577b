"""Queues, by keys, on a real engine."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any

import pytest
from engine_kit import (
    Cut,
    Hand,
    diamond,
    engine,
    lines,
    painted_otherwise,
    shows,
    submit,
    text,
    until,
    watching,
)
from textual.app import App, ComposeResult
from textual.content import Content
from textual.pilot import Pilot
from textual.screen import Screen

from core.backends.base import WorkerInfo
from core.backends.memory import InMemoryBackend
from core.jobs import Job, JobError, JobState
from core.references import result_of
from flowtui.app import FlowtuiApp
from flowtui.screens.job import JobScreen
from flowtui.screens.live import LiveScreen
from flowtui.screens.queues import QueuesScreen
from flowtui.steering import Report
from flowtui.themes import THEMES
from flowtui.widgets.boardview import BoardView
from flowtui.widgets.cells import Column, Row
from flowtui.widgets.jobdetail import JobDetail
from flowtui.widgets.jobtable import JobTable
from flowtui.widgets.linetable import LineTable
from flowtui.widgets.queuetable import QueueTable
from flowtui.widgets.textpage import TextPage


def queues(pilot: Pilot[None]) -> QueuesScreen:
    screen = pilot.app.screen
    assert isinstance(screen, QueuesScreen)
    return screen


def table(pilot: Pilot[None]) -> JobTable:
    return pilot.app.screen.query_one(JobTable)


async def some_jobs(backend: Any, count: int, queue: str = "q", **fields: Any) -> list[str]:
    jobs = [Job("app.work", [n], id=f"{queue}-{n:03}", name=f"work-{n}", **fields) for n in range(count)]
    return await backend.enqueue_many(queue, jobs)


async def test_watching_a_queue_starts_here_and_counts_move() -> None:
    async with engine() as backend:
        await some_jobs(backend, 5)
        await some_jobs(backend, 2, "other")
        hand = Hand(backend)
        async with watching(backend, watch=["q"]) as pilot:
            await until(pilot, lambda: shows(pilot, "QUEUE", "waiting 5"))
            assert "other" not in text(pilot.app)
            await hand.take(2)
            await until(pilot, lambda: shows(pilot, "active 2", "waiting 3"))
            await hand.fail("q-000")
            await until(pilot, lambda: shows(pilot, "active 1", "failed 1"))


async def test_before_the_engine_has_answered_nothing_is_said_of_its_queues() -> None:
    app = FlowtuiApp(url="redis://127.0.0.1:1/0", watch=["*"])
    async with app.run_test(size=(120, 40)) as pilot:
        await until(
            pilot, lambda: shows(pilot, "cannot be reached", "✗  no engine", "waiting for the engine…")
        )
        assert not shows(pilot, "No queues yet")


async def test_a_theme_that_there_is_not_is_said_and_the_own_one_is_used() -> None:
    app = FlowtuiApp(backend=InMemoryBackend(), theme="no[/]pe")
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: shows(pilot, "there is no theme 'no[/]pe'; flow-dark is used"))
        assert app.theme == "flow-dark"


async def test_patterns_watch_several_queues() -> None:
    async with engine() as backend:
        for name in ("etl-de", "etl-fr", "mail"):
            await some_jobs(backend, 1, name)
        async with watching(backend, watch=["etl-*"]) as pilot:
            await until(pilot, lambda: shows(pilot, "etl-de", "etl-fr", "all queues"))
            assert "mail" not in text(pilot.app)
            await some_jobs(backend, 1, "etl-it")
            await until(pilot, lambda: shows(pilot, "etl-it"))


async def test_brackets_walk_through_the_states() -> None:
    async with engine() as backend:
        await some_jobs(backend, 4)
        hand = Hand(backend)
        await hand.take(2)
        await hand.fail("q-000")
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "[active 1]", "work-1"))
            await pilot.press("right_square_bracket")
            await until(pilot, lambda: shows(pilot, "[waiting 2]", "work-2", "work-3"))
            await pilot.press("left_square_bracket", "left_square_bracket")
            await until(pilot, lambda: shows(pilot, "[all 4]", "work-0"))
            for _ in range(4):
                await pilot.press("right_square_bracket")
            await until(pilot, lambda: shows(pilot, "[failed 1]", "ValueError: no rows"))


async def test_what_failed_last_is_on_top_and_what_fails_now_comes_above_it() -> None:
    async with engine() as backend:
        await some_jobs(backend, 40)
        hand = Hand(backend)
        taken = await hand.take(40)
        for job_id in taken[:30]:
            await hand.fail(job_id)
            await asyncio.sleep(0.002)
        async with watching(backend, size=(100, 24), interval=0.2) as pilot:
            await until(pilot, lambda: shows(pilot, "[active 10]"))
            for _ in range(3):
                await pilot.press("right_square_bracket")
            await until(pilot, lambda: shows(pilot, "[failed 30]", "work-29", "work-28"))
            assert "work-0 " not in text(pilot.app)
            await pilot.press("enter", "down")
            assert table(pilot).cursor_id == "q-028"
            await hand.fail(taken[35])
            await until(pilot, lambda: shows(pilot, "[failed 31]") and table(pilot).total == 31)
            assert table(pilot).row(0).id == "q-035"  # type: ignore[union-attr]
            assert (table(pilot).cursor_id, table(pilot).cursor) == ("q-028", 2)
            # All of the list means those that are shown first, first.
            ids = await queues(pilot).jobs.every_id(3)  # type: ignore[union-attr]
            assert ids == ["q-035", "q-029", "q-028"]


async def test_the_cursor_stays_with_its_job_while_others_move() -> None:
    async with engine() as backend:
        await some_jobs(backend, 30)
        hand = Hand(backend)
        async with watching(backend, size=(100, 24)) as pilot:
            await until(pilot, lambda: shows(pilot, "[waiting 30]", "work-3"))
            await pilot.press("enter", *["down"] * 4)
            assert table(pilot).cursor_id == "q-004"
            await hand.take(3)
            await until(pilot, lambda: table(pilot).total == 27)
            assert (table(pilot).cursor_id, table(pilot).cursor) == ("q-004", 1)
            await hand.take(2)  # now its own turn has come
            await until(pilot, lambda: table(pilot).total == 25)
            assert table(pilot).cursor_id == "q-005"


async def test_a_filter_applies_while_it_is_typed_and_says_what_is_wrong() -> None:
    async with engine() as backend:
        await some_jobs(backend, 12)
        await backend.enqueue("q", Job("mail.send", ["x@y"], id="m1", name="letter", priority=9))
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "[waiting 13]"))
            await pilot.press("slash", *"task:mail.*")
            await until(pilot, lambda: shows(pilot, "letter", "1 found"))
            assert "work-1" not in text(pilot.app)
            await pilot.press("escape")
            await until(pilot, lambda: shows(pilot, "work-1"))
            await pilot.press("slash", *"age>")
            await until(pilot, lambda: shows(pilot, "age>5m"))
            await pilot.press("enter")
            await until(pilot, lambda: shows(pilot, "age>5m"))
            await pilot.press(*"1h")
            await until(
                pilot, lambda: shows(pilot, "no waiting job matches among 13", "] shows the next state")
            )
            await pilot.press("escape", "slash", *"!mail x@", "enter")
            await until(pilot, lambda: shows(pilot, "no waiting job matches"))
            await pilot.press("escape", "slash", *"state:waiting id:q-01", "enter")
            await until(pilot, lambda: shows(pilot, "work-10", "work-11", "2 found"))


async def test_a_filter_by_state_gives_the_tab_back_and_keys_without_a_job_say_so() -> None:
    async with engine() as backend:
        await some_jobs(backend, 4)
        hand = Hand(backend)
        await hand.take(2)
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "[active 2]"))
            await pilot.press("slash", *"state:failed")
            await until(pilot, lambda: shows(pilot, "no job matches"))
            await pilot.press("enter", "R")
            await until(pilot, lambda: shows(pilot, "there is no job under the cursor"))
            await pilot.press("escape")
            await until(pilot, lambda: shows(pilot, "[active 2]", "work-0"))
            # A tab that was chosen meanwhile stays.
            await pilot.press("slash", *"state:failed", "enter", *["right_square_bracket"] * 2, "escape")
            await until(pilot, lambda: shows(pilot, "[waiting 2]", "work-2"))


async def test_filters_and_tabs_are_kept_for_each_queue() -> None:
    async with engine() as backend:
        await some_jobs(backend, 3, "a")
        await some_jobs(backend, 3, "b")
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "waiting 3"))
            first = queues(pilot).queue
            await pilot.press("slash", *"work-1", "enter")
            await until(pilot, lambda: shows(pilot, "1 found"))
            pilot.app.screen.query_one(QueueTable).focus()
            await pilot.press("down" if first == "a" else "up")
            await until(pilot, lambda: queues(pilot).queue not in (first, None))
            assert not queues(pilot).filter
            await pilot.press("up" if first == "a" else "down")
            await until(pilot, lambda: queues(pilot).filter.text == "work-1")


async def test_many_jobs_are_retried_with_one_question_and_the_real_answer() -> None:
    async with engine() as backend:
        await some_jobs(backend, 4)
        hand = Hand(backend)
        await hand.take()
        await hand.fail("q-000", "q-001")
        await hand.complete("q-002")
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "[active 1]"))
            await pilot.press("left_square_bracket")
            await until(pilot, lambda: shows(pilot, "[all 4]", "work-3"))
            await pilot.press("enter", "asterisk")
            await until(pilot, lambda: shows(pilot, "4 marked"))
            await pilot.press("R")
            await until(pilot, lambda: shows(pilot, "Retry 4 jobs?"))
            await pilot.press("enter")
            await pilot.pause(0.05)
            assert (await backend.counts("q"))["failed"] == 2  # a held Enter answers nothing
            await pilot.press("y")
            await until(pilot, lambda: shows(pilot, "3 retried, 1 was already active"))
            await until(pilot, lambda: shows(pilot, "waiting 3", "failed 0"))
            assert not table(pilot).marks


async def test_marks_stay_where_nothing_was_changed_and_go_with_a_word_where_another_list_comes() -> None:
    async with engine() as backend:
        await some_jobs(backend, 4)
        hand = Hand(backend)
        await hand.take()
        await hand.fail("q-000", "q-001", "q-002", "q-003")
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "[failed 4]", "work-3"))
            await pilot.press("tab", "space", "space", "K")
            await until(pilot, lambda: shows(pilot, "Cancel 2 marked jobs?"))
            await pilot.press("y")
            await until(pilot, lambda: shows(pilot, "2 were already failed"))
            marks = table(pilot).marks
            assert len(marks) == 2
            await pilot.press("R")
            await until(pilot, lambda: shows(pilot, "Retry 2 jobs?"))
            await pilot.press("escape")
            await pilot.press("slash", "w")
            await until(pilot, lambda: shows(pilot, "2 marks taken away: another list is shown"))
            await pilot.press(*"ork", "enter")
            assert not table(pilot).marks
            await until(pilot, lambda: shows(pilot, "work-3"))
            name = next(row for row in table(pilot).rows if row.id == table(pilot).cursor_id).cells["name"]
            await pilot.press("R")  # of one job it says which
            await until(pilot, lambda: shows(pilot, f"✓ {name} {table_id(name)}: retried"))


def table_id(name: object) -> str:
    """The id that `some_jobs` gives to a job."""
    return f"q-{int(str(name).removeprefix('work-')):03}"


async def test_what_was_said_is_gone_with_a_key_a_moment_later() -> None:
    async with engine() as backend:
        await some_jobs(backend, 3)
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "work-0"))
            screen = queues(pilot)
            await pilot.press("tab", "A")
            await until(pilot, lambda: shows(pilot, "3 jobs marked"))
            await pilot.press("j")
            assert shows(pilot, "3 jobs marked")  # not yet read
            screen._tick(), screen._tick()
            await pilot.press("j")
            await until(pilot, lambda: shows(pilot, "3 marked ●"))
            assert not shows(pilot, "3 jobs marked")
            await pilot.press("escape")
            await until(pilot, lambda: shows(pilot, "3 marks taken away"))


async def test_what_was_said_stays_while_a_filter_is_typed_however_slowly() -> None:
    async with engine() as backend:
        await some_jobs(backend, 3)
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "work-0"))
            screen = queues(pilot)
            await pilot.press("tab", "space", "slash", "w")
            screen._tick(), screen._tick()
            await pilot.press(*"ork")
            assert shows(pilot, "1 mark taken away: another list is shown")
            await pilot.press("enter")
            assert shows(pilot, "1 mark taken away: another list is shown")
            await pilot.press("j")
            await until(pilot, lambda: shows(pilot, "3 found"))
            assert not shows(pilot, "1 mark taken away")


async def test_a_panel_that_appears_reads_its_job() -> None:
    async with engine() as backend:
        await some_jobs(backend, 1)
        hand = Hand(backend)
        await hand.take()
        await hand.settle("completed", "q-000", payload='{"slept": 37}')
        async with watching(backend, size=(100, 24)) as pilot:
            await until(pilot, lambda: shows(pilot, "work-0"))
            await pilot.resize_terminal(130, 36)
            await until(pilot, lambda: shows(pilot, '{"slept": 37}'))
            assert not shows(pilot, "null")


async def test_the_page_of_a_job_that_was_removed_says_so() -> None:
    async with engine() as backend:
        await backend.enqueue("q", Job("t", id="later", name="later", delay=3600.0))
        async with watching(backend, size=(100, 24)) as pilot:
            await until(pilot, lambda: shows(pilot, "later"))
            await pilot.press("tab", "enter")
            await until(pilot, lambda: shows(pilot, "due in 59m"))
            await backend.remove("later")
            await until(
                pilot, lambda: shows(pilot, "! this job has been removed; below is what was known of it")
            )
            assert shows(pilot, "due in 59m")


async def test_among_all_queues_each_line_names_its_queue_and_its_flow() -> None:
    async with engine() as backend:
        await submit(backend, [Job("t", id="x1", name="one")], flow_id="f-mail", name="letters", queue="mail")
        await submit(backend, [Job("t", id="x2", name="two")], flow_id="f-etl", name="nightly", queue="etl")
        async with watching(backend, size=(200, 36)) as pilot:
            await until(pilot, lambda: shows(pilot, "one") or shows(pilot, "two"))
            assert not any("QUEUE" in line and "NAME" in line for line in lines(pilot.app))
            await pilot.press("end")
            for line in (
                r"QUEUE +WAIT",
                r"NAME +TASK +QUEUE +FLOW",
                r"one +t +mail +letters",
                r"two +t +etl +nightly",
            ):
                await until(pilot, lambda line=line: re.search(line, text(pilot.app)))


async def test_the_bar_of_a_table_hides_no_end_of_a_line() -> None:
    class Listing(App[None]):
        def compose(self) -> ComposeResult:
            yield LineTable([Column("name", "NAME", 10, flex=1)])

    async with Listing().run_test(size=(30, 12)) as pilot:
        table = pilot.app.screen.query_one(LineTable)
        for count, bar in ((60, True), (3, False)):
            table.set_rows([Row(str(n), {"name": "x" * 40}) for n in range(count)])
            await pilot.pause()
            assert table.show_vertical_scrollbar is bar
            assert table.render_line(1).text == "▌" + "x" * (27 - bar) + "… "


async def test_every_job_of_a_filtered_list_can_be_marked_and_cancelled() -> None:
    async with engine() as backend:
        await some_jobs(backend, 350)
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "[waiting 350]"))
            await pilot.press("enter", "slash", *"id:q-1", "enter")
            await until(pilot, lambda: shows(pilot, "filter id:q-1"))
            await pilot.press("A")
            await until(pilot, lambda: shows(pilot, "100 jobs marked"))
            await pilot.press("K")
            await until(pilot, lambda: shows(pilot, "Cancel 100 marked jobs?"))
            await pilot.press("y")
            await until(pilot, lambda: shows(pilot, "100 cancelled"))
            assert (await backend.counts("q"))["cancelled"] == 100


async def test_a_delayed_job_runs_now_and_an_ended_one_is_removed() -> None:
    async with engine() as backend:
        await some_jobs(backend, 1, delay=3600.0)
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "[delayed 1]", "due in"))
            await pilot.press("enter", "r")
            await until(pilot, lambda: shows(pilot, "made ready", "waiting 1"))
            hand = Hand(backend)
            await hand.take()
            await hand.complete("q-000")
            await until(pilot, lambda: shows(pilot, "done 1"))
            for _ in range(6):
                if not shows(pilot, "[done 1]"):
                    await pilot.press("right_square_bracket")
                    await pilot.pause(0.05)
            await until(pilot, lambda: shows(pilot, "[done 1]", "work-0"))
            await pilot.press("D")
            await until(pilot, lambda: shows(pilot, "Remove work-0"))
            await pilot.press("y")
            await until(pilot, lambda: shows(pilot, "done 0"))


async def test_a_queue_is_paused_after_a_question_and_resumed_at_once() -> None:
    async with engine() as backend:
        await some_jobs(backend, 2)
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "waiting 2"))
            await pilot.press("P")
            await until(pilot, lambda: shows(pilot, "Pause q?", "2 jobs wait"))
            await pilot.press("n")
            await pilot.pause(0.05)
            assert not (await backend.overview()).queues[0].paused
            await pilot.press("P", "y")
            await until(pilot, lambda: shows(pilot, "PAUSED"))
            assert await Hand(backend).take() == []
            await pilot.press("P")
            await until(pilot, lambda: not shows(pilot, "PAUSED"))


async def test_g_goes_to_the_flow_with_the_cursor_on_the_job() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        await Hand(backend).take()
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "[active 1]", "fetch"))
            await pilot.press("enter", "g")
            await until(pilot, lambda: isinstance(pilot.app.screen, LiveScreen))
            screen = pilot.app.screen
            assert isinstance(screen, LiveScreen)
            await until(pilot, lambda: screen.cursor == "a")
            await pilot.press("3")
            await until(pilot, lambda: shows(pilot, "[active 1]"))


async def test_a_job_opens_on_a_page_and_its_log_is_read() -> None:
    async with engine() as backend:
        await submit(backend, diamond())
        hand = Hand(backend)
        await hand.take()
        await hand.report("a", 0.3, "x", "hello from the task")
        async with watching(backend, size=(80, 24)) as pilot:
            await until(pilot, lambda: shows(pilot, "[active 1]", "fetch", "30%"))
            await pilot.press("enter", "enter")
            await until(pilot, lambda: shows(pilot, "app.fetch", "hello from the task", "hand-1"))
            await pilot.press("escape")
            assert isinstance(pilot.app.screen, QueuesScreen)


async def test_a_narrow_screen_reads_an_argument_that_is_a_result_too() -> None:
    async with engine() as backend:
        first = Job("t", id="1f00aa99bb", name="extract")
        await submit(
            backend, [first, Job("t", [result_of(first, "rows")], depends_on=[first.id], id="2", name="b")]
        )
        async with watching(backend, size=(80, 24)) as pilot:
            await pilot.press("right_square_bracket")
            await until(pilot, lambda: shows(pilot, "${jobs.1f00aa99.result.rows}"))
            assert not shows(pilot, "$result")


async def test_workers_and_what_they_do_are_shown() -> None:
    async with engine() as backend:
        await some_jobs(backend, 1)
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "no worker"))
            info = WorkerInfo("w-7", "host[/]", 4711, ["q"], 8, ["app.work"], ttl=600.0)
            await backend.register_worker(info)
            await until(pilot, lambda: shows(pilot, "1 worker, 8 slots"))
            await pilot.press("W")
            await until(pilot, lambda: shows(pilot, "Workers", "host[/]", "SLOTS", "4711", "8", "alive"))
            await pilot.press("escape")


async def test_repeats_are_listed_and_stopped() -> None:
    async with engine() as backend:
        await backend.enqueue("q", Job("app.tick", id="t", name="heartbeat", repeat_every=3600.0))
        await Hand(backend).take()
        async with watching(backend) as pilot:
            await pilot.press("E")
            await until(pilot, lambda: shows(pilot, "Repeats", "heartbeat", "1h00m"))
            await pilot.press("K")
            await until(pilot, lambda: shows(pilot, "Stop heartbeat?"))
            await pilot.press("y")
            await until(pilot, lambda: shows(pilot, "stopped: no more copies", "Nothing repeats"))
            assert await backend.list_repeats() == []


async def test_another_order_is_chosen_from_a_list() -> None:
    async with engine() as backend:
        jobs = [Job("t", id=f"s{n}", name=name) for n, name in enumerate(("mike", "alfa", "zulu"))]
        await backend.enqueue_many("q", jobs)
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "mike", "zulu"))
            await pilot.press("enter", "o", *"by name", "enter")
            await until(pilot, lambda: [row.id for row in table(pilot).rows] == ["s1", "s0", "s2"])
            await pilot.press("o", *"other way", "enter")
            await until(pilot, lambda: [row.id for row in table(pilot).rows] == ["s2", "s1", "s0"])


async def test_a_long_list_is_read_page_by_page() -> None:
    async with engine() as backend:
        await backend.enqueue_many("q", [Job("t", id=f"n{n:05}", name=f"n{n}") for n in range(20_000)])
        asked: list[int] = []
        wire = Cut(backend)
        plain = backend.list_jobs

        async def counted(*args: Any, **kwargs: Any) -> Any:
            asked.append(kwargs.get("limit", 100))
            return await plain(*args, **kwargs)

        backend.list_jobs = counted  # type: ignore[method-assign]
        async with watching(wire, size=(100, 30)) as pilot:
            await until(pilot, lambda: table(pilot).total == 20_000)
            await pilot.press("enter", "end")
            await until(pilot, lambda: table(pilot).cursor_id == "n19999")
            await pilot.press("pageup")
            await until(pilot, lambda: table(pilot).cursor_id not in (None, "n19999"))
            await pilot.press("home")
            await until(pilot, lambda: table(pilot).cursor_id == "n00000")
        assert max(asked) <= 200
        assert sum(asked) < 3000


async def test_read_only_refuses_what_changes_the_engine() -> None:
    async with engine() as backend:
        await some_jobs(backend, 2)
        async with watching(backend, read_only=True) as pilot:
            await until(pilot, lambda: shows(pilot, "waiting 2"))
            await pilot.press("enter")
            screen = pilot.app.screen
            assert isinstance(screen, QueuesScreen)
            for key in ("K", "R", "D", "r", "P"):
                screen.tell(Report("nothing yet"))
                await pilot.press(key)
                await until(pilot, lambda: shows(pilot, "read-only: started with --read-only"))
                assert pilot.app.screen is screen
            assert (await backend.counts("q"))["waiting"] == 2
            assert "pause" not in list(lines(pilot.app))[-1]


async def test_a_lost_engine_leaves_the_rows_and_their_age() -> None:
    async with engine() as backend:
        await some_jobs(backend, 3)
        wire = Cut(backend)
        async with watching(wire) as pilot:
            await until(pilot, lambda: shows(pilot, "waiting 3", "work-2"))
            wire.cut = True
            await until(pilot, lambda: shows(pilot, "does not answer", "trying again"))
            await pilot.press("right_square_bracket", "left_square_bracket", "slash", *"work", "escape")
            assert pilot.app.is_running
            await until(pilot, lambda: re.search(r"data is \d+ s old", text(pilot.app)))
            await backend.cancel("q-000")
            wire.cut = False
            feed = queues(pilot).feed
            assert feed is not None
            feed.retry_now()
            await until(pilot, lambda: shows(pilot, "waiting 2") and not shows(pilot, "does not answer"))
            assert queues(pilot).board.queues["q"].counts == await backend.counts("q")


async def test_cards_show_the_jobs_of_a_queue_crossing_the_columns() -> None:
    async with engine() as backend:
        await some_jobs(backend, 3)
        hand = Hand(backend)
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "waiting 3"))
            await pilot.press("v")
            await until(pilot, lambda: shows(pilot, "WAITING 3", "ACTIVE 0"))
            await hand.take(1)
            await until(pilot, lambda: shows(pilot, "WAITING 2", "ACTIVE 1"))
            await hand.complete("q-000")
            await until(pilot, lambda: shows(pilot, "COMPLETED 1"))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_page_of_a_job_stays_with_it_and_acts_on_it_whatever_the_list_does(
    size: tuple[int, int],
) -> None:
    async with engine() as backend:
        await some_jobs(backend, 3, max_retries=0)
        hand = Hand(backend)
        await hand.take()
        async with watching(backend, size=size) as pilot:
            await until(pilot, lambda: shows(pilot, "[active 3]", "work-2"))
            await pilot.press("enter", "down", "space")  # a mark on work-1
            await until(pilot, lambda: shows(pilot, "1 marked"))
            await pilot.press("home", "enter")
            await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen) and shows(pilot, "[0]"))
            await hand.fail("q-000")
            await until(pilot, lambda: shows(pilot, "failed", "ValueError: no rows"))
            for _ in range(8):
                await pilot.pause(0.2)
                assert shows(pilot, "work-0", "failed")
            await hand.fail("q-001")  # the marked one: it is not what is shown
            await pilot.press("R")
            await until(pilot, lambda: shows(pilot, "waiting"))
            states = {job.id: str(job.state) for job in await backend.list_jobs()}
            assert states == {"q-000": "waiting", "q-001": "failed", "q-002": "active"}
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(pilot.app.screen, QueuesScreen))
            await until(pilot, lambda: queues(pilot).reader.job_id == "q-002")  # type: ignore[union-attr]
            assert table(pilot).marks == ("q-001",)


async def test_keys_that_were_changed_hold_on_the_page_of_a_job_too() -> None:
    async with engine() as backend:
        await some_jobs(backend, 1)
        async with watching(backend, keys={"queues.cancel": "ctrl+t", "queues.why": "W"}) as pilot:
            await until(pilot, lambda: shows(pilot, "[waiting 1]", "work-0"))
            await pilot.press("enter", "enter")
            await until(pilot, lambda: isinstance(pilot.app.screen, JobScreen))
            assert shows(pilot, "R retry", "ctrl+t cancel", "W why")
            await pilot.press("K")
            await pilot.pause(0.1)
            assert isinstance(pilot.app.screen, JobScreen)
            await pilot.press("ctrl+t")
            await until(pilot, lambda: shows(pilot, "Cancel work-0 q-000?"))
            await pilot.press("y")
            await until(pilot, lambda: shows(pilot, "⊖ cancelled"))
            assert (await backend.get_job("q-000")).state is JobState.CANCELLED


async def test_the_detail_follows_a_job_that_runs_again() -> None:
    async with engine() as backend:
        await some_jobs(backend, 1, max_retries=0)
        hand = Hand(backend)
        await hand.take()
        await hand.fail("q-000")
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "[failed 1]", "✗ failed  after"))
            while queues(pilot).state != "all":
                await pilot.press("left_square_bracket")
            await backend.retry("q-000")
            await until(pilot, lambda: shows(pilot, "◌ waiting  submitted"))
            await hand.take()
            await until(pilot, lambda: shows(pilot, "► active  for"))


async def test_marks_among_the_cards_are_of_cards_and_an_action_hits_them() -> None:
    async with engine() as backend:
        await some_jobs(backend, 4)
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "waiting 4"))
            await pilot.press("v")
            await until(pilot, lambda: shows(pilot, "WAITING 4"))
            await pilot.press("j", "space")
            await until(pilot, lambda: shows(pilot, "●◌ work-1", "1 marked"))
            assert pilot.app.screen.query_one(BoardView).cursor == "q-002"  # the next one, as in the table
            await pilot.press("space", "K")
            await until(pilot, lambda: shows(pilot, "Cancel 2 marked jobs?"))
            await pilot.press("y")
            await until(pilot, lambda: shows(pilot, "2 cancelled", "WAITING 2") and not shows(pilot, "●◌"))
            assert {job.id for job in await backend.list_jobs("cancelled")} == {"q-001", "q-002"}
            await pilot.press("asterisk")
            await until(pilot, lambda: shows(pilot, "4 marked"))
            await pilot.press("escape")
            await until(pilot, lambda: not shows(pilot, "marked"))


async def test_a_filter_holds_for_cards_too() -> None:
    async with engine() as backend:
        await some_jobs(backend, 30)
        hand = Hand(backend)
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "waiting 30"))
            await pilot.press("v")
            await until(pilot, lambda: shows(pilot, "WAITING 30"))
            await pilot.press("slash", *"work-2", "enter")
            await until(pilot, lambda: shows(pilot, "WAITING 11", "11 found") and not shows(pilot, "work-1 "))
            await hand.take(3)
            await until(pilot, lambda: shows(pilot, "WAITING 10", "ACTIVE 1"))
            await pilot.press("A")
            await until(pilot, lambda: shows(pilot, "11 jobs marked"))
            await pilot.press("escape", "escape")
            await until(pilot, lambda: shows(pilot, "WAITING 27", "ACTIVE 3"))


async def test_a_queue_that_is_gone_is_not_named_any_more_and_a_new_one_takes_its_place() -> None:
    async with engine() as backend, engine() as other:
        await some_jobs(backend, 3)
        wire = Cut(backend)
        async with watching(wire) as pilot:
            await until(pilot, lambda: shows(pilot, "[waiting 3]", "work-1"))
            wire._backend = other
            await until(pilot, lambda: shows(pilot, "No queues yet"))
            await until(pilot, lambda: not shows(pilot, "work-1"))
            assert not re.search(r"\bq\b  ", text(pilot.app).splitlines()[0])
            assert queues(pilot).queue is None
            await some_jobs(other, 2, "new")
            await until(pilot, lambda: shows(pilot, "[waiting 2]", "work-1"))


async def test_a_frozen_table_stands_still_while_counts_go_on() -> None:
    async with engine() as backend:
        await some_jobs(backend, 3)
        hand = Hand(backend)
        async with watching(backend) as pilot:
            await until(pilot, lambda: shows(pilot, "[waiting 3]", "work-0"))
            await pilot.press("full_stop")
            await hand.take(1)
            await until(pilot, lambda: shows(pilot, "frozen", "active 1"))
            await pilot.pause(0.6)
            assert shows(pilot, "work-0")
            await pilot.press("full_stop")
            await until(pilot, lambda: not shows(pilot, "work-0"))
            assert (await backend.get_job("q-000")).state is JobState.ACTIVE


@pytest.mark.parametrize("size", [(160, 45), (120, 20), (80, 24)])
async def test_tables_and_pages_painted_the_short_way_look_as_textual_paints_them(
    size: tuple[int, int],
) -> None:
    """While jobs move and fail, marks come and go, with and without the focus, and in another theme."""
    async with engine() as backend:
        await some_jobs(backend, 60, max_retries=0)
        hand = Hand(backend)
        async with watching(backend, size=size) as pilot:
            for step in (
                "",
                "tab",
                "j",
                "space",
                "take",
                "]",
                "fail",
                "]",
                "]",
                "end",
                "slash",
                "escape",
                "theme",
            ):
                if step == "take":
                    await hand.take(5)
                elif step == "fail":
                    await hand.fail(next(iter(hand.claims)), error=JobError("Lost", "lost\n" * 30))
                elif step == "theme":
                    pilot.app.theme = THEMES[1].name
                elif step:
                    await pilot.press(step)
                await pilot.pause(0.2)
                screen = queues(pilot)
                for view in (table(pilot), screen.query_one(QueueTable), screen.query_one(JobDetail)):
                    assert not view.region or not painted_otherwise(view), (step, view)


async def test_a_page_paints_the_lines_that_changed_and_goes_on_under_its_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Page(TextPage):
        MARGIN = 1

    class Reading(App[None]):
        def compose(self) -> ComposeResult:
            yield Page()

    async with Reading().run_test(size=(31, 12)) as pilot:
        page = pilot.app.screen.query_one(Page)
        told: list[Any] = []
        refresh = page.refresh
        monkeypatch.setattr(
            page, "refresh", lambda *rows, **more: (told.append(rows), refresh(*rows, **more))
        )

        def shown() -> list[str]:
            return [page.render_line(y).text.rstrip() for y in range(12)]

        page.put(
            [
                (Content("name      several words that do not fit"), 10),
                (Content("    File one two three four five"), 4),
            ]
        )
        assert shown()[:5] == [
            " name      several words that",
            "           do not fit",
            "     File one two three four",
            "     five",
            "",
        ]
        choose = random.Random(7)
        words = [Content(word * 9) for word in ("ab ", "c", "long words ", "\u65e5\u672c ")]
        for _ in range(200):
            before = [(strip, list(strip)) for strip in map(page.render_line, range(12))]
            told.clear()
            page.put([(choose.choice(words), choose.randrange(8)) for _ in range(choose.randrange(9))])
            whole = any(not rows for rows in told)
            painted = {row.y for rows in told for row in rows}
            for y in range(12):
                same = list(page.render_line(y)) == before[y][1]
                assert same or whole or y in painted, (y, shown())
            await pilot.pause()
            assert not painted_otherwise(page)


async def test_what_the_mouse_selects_on_the_page_of_a_job_is_copied_as_it_was_written() -> None:
    async with engine() as backend:
        message = "the table that was asked for is not among those that the store has under this name"
        await some_jobs(backend, 1)
        hand = Hand(backend)
        await hand.take()
        await hand.fail("q-000", error=JobError("Lost", message))
        async with watching(backend, size=(50, 24)) as pilot:
            await until(pilot, lambda: shows(pilot, "Lost: the table"))
            await pilot.press("tab", "enter")
            await until(pilot, lambda: shows(pilot, "the table that was", "submitted"))
            rows = list(lines(pilot.app))
            first = next(y for y, row in enumerate(rows) if "the table that was" in row)
            last = next(y for y, row in enumerate(rows) if y > first and "this name" in row)
            begin, end = rows[first].index("the table"), rows[last].index("name") + 4
            page = pilot.app.screen.query_one(JobDetail)
            before = list(page.render_line(last - page.region.y))
            await pilot.mouse_down(offset=(begin, first))
            await pilot.hover(offset=(end, last))
            await pilot.mouse_up(offset=(end, last))
            assert pilot.app.screen.get_selected_text() == message
            assert list(page.render_line(last - page.region.y)) != before
            await pilot.press("escape")


async def test_a_list_that_grows_is_as_long_as_it_is_without_a_new_layout_of_the_screen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layouts = 0
    plain = Screen._refresh_layout

    def counted(self: Any, *args: Any, **more: Any) -> None:
        nonlocal layouts
        layouts += 1
        plain(self, *args, **more)

    class Listing(App[None]):
        def compose(self) -> ComposeResult:
            yield LineTable([Column("name", "NAME", 10)])

    monkeypatch.setattr(Screen, "_refresh_layout", counted)
    async with Listing().run_test(size=(40, 12)) as pilot:
        table = pilot.app.screen.query_one(LineTable)
        rows = [Row(str(n), {"name": f"row {n}"}) for n in range(60)]
        table.set_rows(rows, total=60)
        await pilot.pause()
        assert table.show_vertical_scrollbar
        before = layouts
        for total in (61, 200, 20_000, 90):
            table.set_rows(rows, total=total)
            await pilot.pause()
            assert table.vertical_scrollbar.window_virtual_size == total + 1
        assert layouts == before
        table.set_rows(rows[:3], total=3)
        await pilot.pause()
        assert not table.show_vertical_scrollbar
        assert layouts > before
