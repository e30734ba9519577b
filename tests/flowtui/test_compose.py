"""Compose by keys: what is built, what is refused, and what the screen says about it."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from time import sleep

import pytest
from compose_kit import add, composing, links, names, settled, text, type_text, until
from engine_kit import painted_otherwise
from textual import events
from textual.app import ComposeResult
from textual.pilot import Pilot
from textual.widgets import Input

from core.backends.base import WorkerInfo
from core.backends.memory import InMemoryBackend
from core.flow import FlowProducer
from flowtui.app import FlowtuiApp
from flowtui.changes import DraftJob
from flowtui.dag.fold import view_of
from flowtui.dag.widget import GraphCanvas
from flowtui.draft import Draft
from flowtui.importing import read_text
from flowtui.looks import Looks
from flowtui.problems import Checker
from flowtui.screens.compose import ComposeScreen
from flowtui.screens.connecting import closing, path_text
from flowtui.screens.edit import EditScreen
from flowtui.screens.help import HelpScreen, PaletteScreen
from flowtui.screens.pick import PickScreen, Row
from flowtui.screens.problems import ProblemsScreen
from flowtui.screens.submit import SubmitScreen
from flowtui.screens.template import TemplateScreen
from flowtui.text import safe
from flowtui.themes import THEMES
from flowtui.widgets.choice import ChoiceList
from flowtui.widgets.inspector import Inspector
from flowtui.widgets.jsonarea import JsonArea
from flowtui.widgets.outline import Outline
from flowtui.widgets.prompt import Prompt


def diamond() -> Draft:
    draft = Draft()
    a = draft.add("app.fetch")
    b = draft.add("app.clean", upstream=[a])
    c = draft.add("app.geo", upstream=[a])
    draft.add("app.join", upstream=[b, c])
    return draft


async def test_the_empty_screen_says_what_to_press() -> None:
    async with composing() as (pilot, _):
        shown = text(pilot)
        for words in ("No jobs yet", "add the first job", "start from a template", "ctrl+o", "? help"):
            assert words in shown


async def test_a_diamond_takes_at_most_25_keys_besides_the_names() -> None:
    keys = 0
    async with composing() as (pilot, screen):

        async def press(*pressed: str) -> None:
            nonlocal keys
            keys += len(pressed)
            await pilot.press(*pressed)
            await pilot.pause()

        for key, name in (("a", "app.fetch"), ("a", "app.clean"), ("o", "app.geo")):
            await press(key)
            await type_text(pilot, name)
            await press("enter")
        await press("space")
        await press("k")
        await press("space")
        await press("a")
        await type_text(pilot, "app.join")
        await press("enter")
        assert links(screen) == ["fetch → clean", "fetch → geo", "geo → join", "clean → join"]
        assert keys <= 25
        assert "acyclic · 4 jobs · 4 links" in text(pilot)
        assert "added join · u undoes" in text(pilot)


async def test_a_map_reduce_takes_at_most_12_keys_besides_the_names() -> None:
    async with composing() as (pilot, screen):
        await pilot.press("t")
        await pilot.pause()
        before = "map 10 "
        await type_text(pilot, before)
        await type_text(pilot, "app.thumb")
        await pilot.press("enter")
        await pilot.pause()
        assert len(["t", *before, "enter"]) <= 12
        assert len(screen.draft.jobs) == 12
        assert screen.draft.link_count == 20
        assert [job.task for job in screen.draft.jobs.values()][:3] == ["app.split", "app.thumb", "app.thumb"]
        assert len(screen.draft.steps) == 1


async def test_a_template_is_seen_before_it_is_taken_and_gone_when_it_is_not() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        await pilot.press("t")
        await pilot.pause()
        await type_text(pilot, "chain 2")
        await pilot.pause()
        assert "step-2" in screen.canvas.model.nodes
        assert "+ step-1" in text(pilot)
        assert len(screen.draft.jobs) == 4
        await pilot.press("escape")
        await pilot.pause()
        assert "step-2" not in screen.canvas.model.nodes
        assert screen.draft.steps[-1].name != "insert 2 jobs"


async def test_a_matrix_makes_a_job_for_each_combination() -> None:
    async with composing() as (pilot, screen):
        await pilot.press("t")
        await pilot.pause()
        await type_text(pilot, "app.test os=linux,mac py=3.11,3.12")
        await pilot.press("enter")
        await pilot.pause()
        assert names(screen) == ["test-linux-3.11", "test-linux-3.12", "test-mac-3.11", "test-mac-3.12"]
        assert next(iter(screen.draft.jobs.values())).kwargs == {"os": "linux", "py": 3.11}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "type the name of a task"),
        ("app.x one two", "'two' is one word too many"),
        ('app.x name ["a', "wrong at column 13"),
        ("[1]", "the task comes first"),
        ("$", "type a command"),
        ("app.x " + "L" * 300, "name must be 1 to 256 characters, not 300"),
        ("T" * 300, "the task must be 1 to 256 characters, not 300"),
    ],
)
async def test_a_line_that_cannot_be_read_stays_and_says_why(line: str, said: str) -> None:
    async with composing() as (pilot, screen):
        await add(pilot, "a", line)
        assert said in text(pilot)
        assert screen.query_one(Prompt).is_open
        assert not screen.draft.jobs
        await pilot.press("escape")
        await pilot.pause()
        assert not screen.query_one(Prompt).is_open


async def test_arguments_and_commands_are_taken_from_the_line() -> None:
    async with composing() as (pilot, screen):
        await add(pilot, "a", 'app.load eu ["eu", 3] {"strict": true}')
        await add(pilot, "a", "$ make test -j4")
        load, make = screen.draft.jobs.values()
        assert (load.name, load.args, load.kwargs) == ("eu", ["eu", 3], {"strict": True})
        assert (make.name, make.task, make.args) == ("make-test", "shell", ["make test -j4"])


async def test_the_task_is_completed_from_what_is_known() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        await pilot.press("a")
        await pilot.pause()
        await type_text(pilot, "cl")
        await pilot.pause()
        assert "app.clean" in text(pilot)
        await pilot.press("tab")
        await type_text(pilot, "again")
        await pilot.press("enter")
        await pilot.pause()
        assert screen.draft.jobs["again"].task == "app.clean"


async def test_tasks_are_offered_with_where_they_are_known_from() -> None:
    async with composing() as (pilot, screen):
        feed = screen.flowtui.feed
        assert feed is not None
        workers = [
            WorkerInfo(str(n), "host", n, [queue], 1, ["film.cut", f"film.{queue}"])
            for n, queue in enumerate(("default", "default", "other"))
        ]
        await add(pilot, "a", "app.once")
        await add(pilot, "a", "film.other")
        screen.keep()
        feed.board.workers = workers
        offered = dict(screen.task_choices())
        assert offered["app.once"] == "in this flow"
        assert offered["film.cut"] == "2 live workers"
        await pilot.press("u", "u")
        feed.board.workers = workers
        offered = dict(screen.task_choices())
        assert offered["film.other"] == "a live worker of queue other"
        assert offered["app.once"] == "used lately"
    async with composing() as (_, screen):
        assert dict(screen.task_choices())["app.once"] == "used lately"


async def test_connecting_warns_of_a_cycle_with_its_path_and_needs_enter_twice() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        screen.canvas.cursor = "join"
        await pilot.press("c")
        await pilot.pause()
        assert screen.context == "connect"
        assert screen.canvas.flags == {"join": "◆", "fetch": "!", "clean": "!", "geo": "!"}
        screen.canvas.cursor = "fetch"
        await pilot.pause()
        shown = text(pilot)
        assert "join → fetch would close a cycle (3 jobs)" in shown
        assert "fetch → clean → join ⇢ fetch" in shown or "fetch → geo → join ⇢ fetch" in shown
        assert "enter twice keeps it as a draft" in shown
        await pilot.press("enter")
        await pilot.pause()
        assert screen.draft.link_count == 4
        assert "enter again keeps it" in text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert screen.draft.link_count == 5
        assert "! cycle fetch → clean → join ⇢ fetch" in text(pilot) or "! cycle fetch → geo → join" in text(
            pilot
        )
        # Submit stays blocked, says why, and one key cuts the newest link.
        await pilot.press("s")
        await pilot.pause()
        assert isinstance(pilot.app.screen, ProblemsScreen)
        assert "Submit is blocked" in text(pilot)
        await pilot.press("ctrl+x")
        await pilot.pause()
        assert screen.draft.link_count == 4
        assert not screen.draft.closing


async def test_one_key_cuts_the_newest_link_of_a_cycle() -> None:
    draft = diamond()
    draft.link(["join"], ["clean"])
    async with composing(draft=draft) as (pilot, screen):
        assert "! cycle" in text(pilot)
        assert "⇢" in text(pilot)
        await pilot.press("X")
        await pilot.pause()
        assert not screen.draft.closing
        assert not screen.draft.has_link("join", "clean")
        await pilot.press("X")
        await pilot.pause()
        assert "there is no cycle to cut" in text(pilot)


async def test_a_legal_link_is_made_and_the_direction_can_be_turned() -> None:
    draft = diamond()
    draft.add("app.notify")
    async with composing(draft=draft) as (pilot, screen):
        screen.canvas.cursor = "notify"
        await pilot.press("c", "tab")
        await pilot.pause()
        screen.canvas.cursor = "join"
        await pilot.pause()
        assert "✓ join → notify" in text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert screen.draft.has_link("join", "notify")
        assert screen.context == "compose"


async def test_connecting_can_be_left_and_other_keys_do_nothing_meanwhile() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        screen.canvas.cursor = "clean"
        await pilot.press("c", "d", "u", "x")
        await pilot.pause()
        assert len(screen.draft.jobs) == 4
        assert screen.connecting is not None
        screen.canvas.cursor = "join"
        await pilot.pause()
        assert "is there already" in text(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert screen.connecting is None
        assert screen.canvas.cursor == "clean"
        assert screen.canvas.flags == {}


async def test_marked_jobs_are_linked_at_once_but_a_cycle_asks_for_the_key_again() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        screen.canvas.set_marks(["join"])
        screen.canvas.cursor = "fetch"
        await pilot.press("c")
        await pilot.pause()
        assert screen.draft.link_count == 4
        assert "c again keeps it as a draft" in text(pilot)
        await pilot.press("c")
        await pilot.pause()
        assert screen.draft.has_link("join", "fetch")
        await pilot.press("u")
        await pilot.pause()
        assert "undo: link join → fetch" in text(pilot)


async def test_links_are_cut_one_by_one_by_number() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        screen.canvas.cursor = "join"
        await pilot.press("x")
        await pilot.pause()
        assert isinstance(pilot.app.screen, PickScreen)
        assert "geo → join" in text(pilot)
        await pilot.press("2")
        await pilot.pause()
        assert links(screen) == ["fetch → clean", "fetch → geo", "clean → join"]
        await pilot.press("x")
        await pilot.pause()
        assert links(screen) == ["fetch → clean", "fetch → geo"]
        await pilot.press("x")
        await pilot.pause()
        assert "has no links; c connects it" in text(pilot)


async def test_delete_bridge_rename_duplicate_and_every_step_undone() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        before = screen.draft.dump()
        screen.canvas.cursor = "clean"
        await pilot.press("D")
        await pilot.pause()
        assert "fetch → join" in links(screen)
        screen.canvas.cursor = "geo"
        await pilot.press("r")
        await pilot.pause()
        await type_text(pilot, "-eu")
        await pilot.press("enter")
        await pilot.pause()
        assert "geo-eu" in names(screen)
        await pilot.press("Y")
        await pilot.pause()
        assert "geo-eu-2" in names(screen)
        await pilot.press("d")
        await pilot.pause()
        assert "geo-eu-2" not in names(screen)
        await pilot.press("u", "u", "u", "u")
        await pilot.pause()
        assert screen.draft.dump() == before
        assert "undo: bridge clean" in text(pilot)


async def test_a_taken_name_is_refused_where_it_is_typed() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        screen.canvas.cursor = "geo"
        await pilot.press("r")
        await pilot.pause()
        await pilot.press("ctrl+u")
        await type_text(pilot, "join")
        await pilot.press("enter")
        await pilot.pause()
        assert "'join' is taken" in text(pilot)
        assert names(screen) == ["fetch", "clean", "geo", "join"]


async def test_find_goes_to_a_match_as_one_types_and_n_goes_on() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        await pilot.press("slash")
        await pilot.pause()
        await type_text(pilot, "o")
        await pilot.pause()
        assert screen.canvas.cursor == "geo"
        await pilot.press("enter", "n")
        await pilot.pause()
        assert screen.canvas.cursor == "join"
        await pilot.press("slash")
        await pilot.pause()
        await type_text(pilot, "zzz")
        await pilot.press("enter")
        await pilot.pause()
        assert "no job's name or task holds 'zzz'" in text(pilot)
        await pilot.press("escape", "escape")
        await pilot.pause()
        assert screen.search == ""


async def test_jump_letters_go_to_a_job() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        screen.canvas.cursor = "join"
        await pilot.press("f")
        await pilot.pause()
        assert screen.canvas.jumping
        await pilot.press("f")
        await pilot.pause()
        assert screen.canvas.cursor == "fetch"


async def test_the_outline_shows_every_job_once_and_has_the_same_keys() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        screen.canvas.cursor = "fetch"
        await pilot.press("v")
        await pilot.pause()
        shown = text(pilot)
        assert "├─○ clean" in shown
        assert shown.count("▸ join") == 2
        await pilot.press("j", "j")
        await pilot.pause()
        assert screen.cursor == "geo"
        await pilot.press("d")
        await pilot.pause()
        assert names(screen) == ["fetch", "clean", "join"]
        await pilot.press("v")
        await pilot.pause()
        assert "├─○" not in text(pilot)


async def test_groups_are_given_and_taken() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        screen.canvas.set_marks(["clean", "geo"])
        await pilot.press("G")
        await pilot.pause()
        await type_text(pilot, "prepare")
        await pilot.press("enter")
        await pilot.pause()
        assert [job.group for job in screen.draft.jobs.values()] == [None, "prepare", "prepare", None]
        assert "2 jobs now in group prepare" in text(pilot)


async def test_the_form_shows_a_json_error_with_line_and_column_and_saves_what_is_right() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        screen.canvas.cursor = "geo"
        await pilot.press("e")
        await pilot.pause()
        form = pilot.app.screen
        assert isinstance(form, EditScreen)
        area = form.query_one("#f-kwargs")
        area.text = '{"a": 1,\n "b" 2}'  # type: ignore[attr-defined]
        form.query_one("#f-max_retries").value = "7"  # type: ignore[attr-defined]
        await pilot.pause()
        assert "line 2 col 6: Expecting ':' delimiter" in text(pilot)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert isinstance(pilot.app.screen, EditScreen)
        assert screen.draft.jobs["geo"].max_retries == 7
        assert "the rest is saved" in text(pilot)
        area.text = '{"a": 1}'  # type: ignore[attr-defined]
        await pilot.pause()
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert screen.draft.jobs["geo"].kwargs == {"a": 1}
        assert "edit geo · u undoes" in text(pilot)
        assert "↻7" in text(pilot)


async def test_what_the_form_saved_in_part_is_said_when_it_is_left() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        screen.canvas.set_marks(["clean", "geo"])
        await pilot.press("e")
        await pilot.pause()
        form = pilot.app.screen
        form.query_one("#f-task").value = "new.task"  # type: ignore[attr-defined]
        form.query_one("#f-max_retries").value = "3abc"  # type: ignore[attr-defined]
        await pilot.press("ctrl+s")
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert "esc again leaves the rest of it as it was" in text(pilot)
        await pilot.press("escape")
        await until(pilot, lambda: "edit 2 jobs · u undoes" in text(pilot))
        await pilot.press("u")
        assert screen.draft.dump() == diamond().dump()


async def test_the_form_uses_the_engines_own_words_and_never_loses_work_silently() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        await pilot.press("e")
        await pilot.pause()
        form = pilot.app.screen
        form.query_one("#f-priority").focus()
        form.query_one("#f-priority").value = "300"  # type: ignore[attr-defined]
        await pilot.pause()
        assert "it must be a whole number from 0 to 255" in text(pilot)
        form.query_one("#f-timeout").focus()
        form.query_one("#f-timeout").value = "5m"  # type: ignore[attr-defined]
        await pilot.pause()
        await pilot.press("escape")
        await pilot.pause()
        assert "not saved yet" in text(pilot)
        await pilot.press("escape")
        await pilot.pause()
        assert screen.draft.dump() == diamond().dump()


async def test_marked_jobs_are_edited_together_and_only_what_was_touched() -> None:
    draft = diamond()
    draft.edit(["geo"], priority=9)
    async with composing(draft=draft) as (pilot, screen):
        screen.canvas.set_marks(["clean", "geo"])
        await pilot.press("e")
        await pilot.pause()
        assert "Edit 2 jobs" in text(pilot)
        assert "(varies)" in text(pilot)
        pilot.app.screen.query_one("#f-timeout").value = "1m"  # type: ignore[attr-defined]
        await pilot.pause()
        await pilot.press("ctrl+s")
        await pilot.pause()
        jobs = screen.draft.jobs
        assert (jobs["clean"].timeout, jobs["geo"].timeout) == (60.0, 60.0)
        assert (jobs["clean"].priority, jobs["geo"].priority) == (5, 9)
        assert screen.draft.steps[-1].name == "edit 2 jobs"


@pytest.mark.parametrize("name", ["[/", "a\\", "[@click=app.quit]x[/]", "[31mevil[b]x[/b]"])
async def test_a_name_that_looks_like_markup_is_shown_as_it_is_in_every_title(name: str) -> None:
    draft = Draft()
    draft.rename(draft.add("app.x"), name)
    draft.set_flow(name=name)
    async with composing((120, 36), draft=draft) as (pilot, screen):
        await until(pilot, lambda: f"Job  {name}" in text(pilot))
        for key, title in (("s", "Submit"), ("e", "Edit"), ("y", name)):
            await pilot.press(key)
            await until(pilot, lambda: pilot.app.screen is not screen)
            await until(
                pilot, lambda title=title: f"{title if title == name else f'{title} {name}'} " in text(pilot)
            )
            await pilot.press("escape")
            await until(pilot, lambda: pilot.app.screen is screen)


async def test_the_next_problem_is_one_that_keeps_the_flow_from_being_submitted() -> None:
    draft = diamond()
    alone = draft.add("app.alone")
    draft.edit(["clean"], args=["${jobs.geo.result}"])
    draft.edit(["join"], args=["${jobs.join.result}"])
    async with composing(draft=draft, size=(100, 30)) as (pilot, screen):
        screen.canvas.cursor = alone
        for key, said in (
            ("clean", "clean takes the result of geo but does not wait for it; link them"),
            ("join", "join takes its own result; name another job, e edits it"),
            ("clean", "clean takes the result of geo"),
        ):
            await pilot.press("n")
            await until(pilot, lambda said=said: said in text(pilot))
            assert screen.cursor == key
        await pilot.press("n", "e")
        await until(pilot, lambda: "a job cannot take its own result; name another one" in text(pilot))
        await pilot.press("escape")
        screen.draft.edit(["clean", "join"], args=[])
        screen.changed()
        await pilot.press("n")
        await until(pilot, lambda: "nobody here knows the task" in text(pilot))


async def test_a_result_of_something_that_is_no_upstream_is_said_in_the_form_and_blocks_submit() -> None:
    async with composing(draft=diamond(), size=(100, 30)) as (pilot, screen):
        screen.canvas.cursor = "clean"
        await pilot.press("e")
        await pilot.pause()
        area = pilot.app.screen.query_one("#f-args")
        area.text = '["${jobs.geo.result}"]'  # type: ignore[attr-defined]
        await pilot.pause()
        assert "it does not wait for 'geo'; link the two first" in text(pilot)
        await pilot.press("ctrl+s")
        await pilot.pause()
        await pilot.press("s")
        await pilot.pause()
        assert "takes the result of geo but does not wait for it" in text(pilot)
        await pilot.press("escape")
        screen.draft.link(["geo"], ["clean"])
        screen.changed()
        await pilot.pause()
        await pilot.press("s")
        await pilot.pause()
        assert isinstance(pilot.app.screen, SubmitScreen)


async def test_the_submit_preview_says_how_it_will_run_and_submits_into_live() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        screen.canvas.cursor = "geo"
        await pilot.press("s")
        await pilot.pause()
        shown = text(pilot)
        for words in (
            "4 jobs   4 links   3 levels   atomic",
            "clean  geo   2 in parallel",
            "join   waits for 2",
            "fetch → clean → join   (3 jobs)",
            "Submit 4 jobs",
        ):
            assert words in shown, words
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "live")
        backend = screen.flowtui.backend
        assert backend is not None
        (flow,) = await backend.list_flows("default")
        assert flow.total == 4
        assert len(await backend.list_jobs("blocked", "default")) == 3


async def test_a_dry_run_says_how_it_would_go_and_submits_nothing() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        draft = screen.draft
        alarm = draft.add("app.alarm", upstream=["join"])
        draft.edit([alarm], trigger="one_failed")
        screen.changed()
        await pilot.press("s")
        await pilot.pause()
        await pilot.press("d")
        await until(pilot, lambda: "4 jobs would run in 3 steps; nothing submitted" in text(pilot))
        assert "step 2        clean  geo" in text(pilot)
        assert "never         if all goes well: alarm" in text(pilot)
        backend = screen.flowtui.backend
        assert backend is not None
        assert await backend.list_flows("default") == []


async def test_a_dry_run_says_what_an_engine_would_refuse() -> None:
    draft = diamond()
    draft.edit(["geo"], args=["x" * 300_000])
    async with composing(draft=draft) as (pilot, _):
        await pilot.press("s")
        await pilot.pause()
        if isinstance(pilot.app.screen, SubmitScreen):  # problems are told before, where they are known
            await pilot.press("d")
        await until(pilot, lambda: "geo" in text(pilot) and "limit" in text(pilot))


async def test_a_flow_that_was_submitted_looks_in_live_as_it_did_in_compose() -> None:
    """Links made late, in any order, and a sibling that was drawn above: nothing of it moves."""
    async with composing((120, 36)) as (pilot, screen):
        draft = screen.draft
        load, notify = draft.add("app.load"), draft.add("app.notify")
        middle = [draft.add(f"app.step{n}", upstream=[load]) for n in range(5)]
        screen.changed()
        last = draft.add("app.last", upstream=middle[::-1])
        screen.changed()
        draft.link([notify], [middle[3], last])
        draft.link([middle[4]], [draft.add("app.late", upstream=[notify])])
        draft.rename(load, "z")
        screen.changed(cursor=middle[2])
        await pilot.press("z", "vertical_line")
        await settled(pilot)
        before = {draft.name(key): (box.x, box.y) for key, box in screen.canvas.drawn.boxes.items()}
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, SubmitScreen))
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "live")
        canvas = pilot.app.screen.query_one(GraphCanvas)
        await until(pilot, lambda: len(canvas.looks) == len(draft.jobs))
        await settled(pilot)
        nodes = canvas.model.nodes
        assert {nodes[id].label: (box.x, box.y) for id, box in canvas.drawn.boxes.items()} == before
        assert canvas.cursor is not None
        assert nodes[canvas.cursor].label == "step2"
        # And back: a copy to edit, with the cursor where it was, and the draft before it set aside.
        await pilot.press("e")
        await until(pilot, lambda: ": s submits it as a new flow" in text(pilot))
        assert pilot.app.screen is screen
        assert screen.draft is not draft
        assert {job.name for job in screen.draft.jobs.values()} == {job.name for job in draft.jobs.values()}
        assert {tuple(map(screen.draft.name, link)) for link in screen.draft.links} == {
            tuple(map(draft.name, link)) for link in draft.links
        }
        assert screen.cursor is not None
        assert screen.draft.name(screen.cursor) == "step2"


async def test_submitting_into_another_queue_and_a_name_that_cannot_be_one() -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        await pilot.press("s")
        await pilot.pause()
        await pilot.press("q", "ctrl+u")
        await type_text(pilot, "a b")
        await pilot.pause()
        assert "must be 1 to 128 of the characters" in text(pilot)
        await pilot.press("ctrl+u")
        await type_text(pilot, "etl")
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(pilot.app.screen, SubmitScreen)
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "live")
        assert screen.draft.settings.queue == "etl"
        assert screen.flowtui.backend is not None
        assert await screen.flowtui.backend.queues() == ["etl"]


async def test_submitting_is_shown_at_once_and_its_keys_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local worker that takes its time: nothing is sent twice, and escape stops it while nothing is written."""
    async with composing(draft=diamond()) as (pilot, screen):
        app = screen.flowtui
        assert app.backend is not None
        started = asyncio.Event()
        monkeypatch.setattr(app, "serve", lambda *_: started.wait())
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, SubmitScreen))
        window = pilot.app.screen
        await pilot.press("enter")
        await until(pilot, lambda: "a worker starts, nothing is written yet" in text(pilot))
        await until(pilot, lambda: "esc stop" in text(pilot))
        await pilot.press("enter", "q", "y")
        await until(pilot, lambda: "· esc stops it" in text(pilot))
        assert pilot.app.screen is window
        assert window.focused is None
        await pilot.press("escape")
        await until(pilot, lambda: "stopped before anything was written · enter submits" in text(pilot))
        started.set()
        await settled(pilot)
        assert await app.backend.list_flows("default") == []
        await pilot.press("enter", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "live")
        assert len(await app.backend.list_flows("default")) == 1


async def test_what_is_being_written_cannot_be_stopped_only_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        written = asyncio.Event()
        monkeypatch.setattr(FlowProducer, "add_flow", lambda *_, **__: written.wait())
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, SubmitScreen))
        await pilot.press("enter")
        await until(pilot, lambda: "submitting 4 jobs to default …" in text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "too late to stop · esc again leaves" in text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)


async def test_submitting_that_fails_for_any_reason_says_why_and_can_be_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with composing(draft=diamond()) as (pilot, screen):
        serve = screen.flowtui.serve

        async def broken(*_: str) -> None:
            raise RuntimeError("no room [/nope]")

        monkeypatch.setattr(screen.flowtui, "serve", broken)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, SubmitScreen))
        await pilot.press("enter")
        await until(pilot, lambda: "✗ no room [/nope]; esc goes back" in text(pilot))
        monkeypatch.setattr(screen.flowtui, "serve", serve)
        await pilot.press("enter")
        await until(pilot, lambda: pilot.app.current_mode == "live")


async def test_read_only_refuses_to_submit() -> None:
    async with composing(draft=diamond(), read_only=True) as (pilot, _):
        await pilot.press("s")
        await pilot.pause()
        assert "this is read-only" in text(pilot)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("s", "there is nothing to submit yet; a adds a job"),
        ("d", "there is no job to delete; a adds one"),
        ("x", "there is no job to cut yet; a adds one"),
        ("c", "there is no job to connect yet; a adds one"),
        ("e", "there is no job to edit yet; a adds one"),
        ("E", "there is no job to edit yet; a adds one"),
        ("w", "there is nothing to export yet"),
        ("y", "there is nothing to copy yet"),
        ("p", "nothing was copied yet; y copies"),
        ("u", "nothing to undo"),
        ("ctrl+r", "nothing to redo"),
        ("G", "there is no job to group yet"),
        ("Y", "there is no job to copy yet"),
        ("V", "there is no job to mark yet; a adds one"),
        ("f12", "there is nothing to save yet"),
        ("R", "no draft was left"),
        ("n", "no problem yet; a adds a job"),
        ("X", "there is no cycle to cut yet; a adds a job"),
    ],
)
async def test_every_refusal_on_the_empty_screen_says_why_and_names_the_next_key(key: str, said: str) -> None:
    async with composing() as (pilot, _):
        await pilot.press(key)
        await pilot.pause()
        assert said in text(pilot)


async def test_hostile_names_are_shown_and_never_obeyed() -> None:
    draft = Draft()
    evil = [
        "job [/nope]",
        "\x1b]52;c;RVZJTA==\x07",
        "[@click=app.quit]x[/]",
        "‮evil",
        "a\nb",
        "\ud800",
        "日本語" * 30,
    ]
    ups: list[str] = []
    for name in evil:
        ups = [draft.add(f"app.{name}", name, upstream=ups, kwargs={"k": name}, group=name)]
    async with composing(draft=draft, size=(160, 45)) as (pilot, screen):
        for keys in (
            ["v"],
            ["v", "e"],
            ["escape", "x"],
            ["escape", "exclamation_mark"],
            ["escape", "r"],
            ["escape", "colon"],
        ):
            await pilot.press(*keys)
            await pilot.pause()
            assert "\x1b" not in text(pilot)
            assert "‮" not in text(pilot)
        await pilot.press("escape")
        for key in draft.jobs:
            screen.canvas.cursor = key
            await pilot.pause()
        assert not pilot.app._exit


@pytest.mark.parametrize(
    "slow", [False, True], ids=["", "on a machine where a window takes a second to open"]
)
async def test_keys_typed_ahead_reach_what_they_were_meant_for(
    slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal may deliver a whole burst at once, before the first key has opened anything."""
    if slow:
        for window in (TemplateScreen, PaletteScreen):
            quick = window.compose

            def compose(self: object, quick: Callable[..., ComposeResult] = quick) -> ComposeResult:
                sleep(1.0)
                yield from quick(self)

            monkeypatch.setattr(window, "compose", compose)
    async with composing() as (pilot, screen):
        app = pilot.app

        def burst(keys: str) -> None:
            for char in keys:
                key = {"\r": "enter", ".": "full_stop", " ": "space", "\x1b": "escape", ":": "colon"}.get(
                    char, char
                )
                app.post_message(events.Key(key, None if char == "\x1b" else char))

        burst("aapp.paste pud\r")
        await until(pilot, lambda: len(screen.draft.jobs) == 1)
        assert [(job.name, job.task) for job in screen.draft.jobs.values()] == [("pud", "app.paste")]
        burst("aapp.two\roapp.three\r")
        await until(pilot, lambda: len(screen.draft.jobs) == 3)
        assert names(screen) == ["pud", "two", "three"]
        assert links(screen) == ["pud → two", "pud → three"]
        burst("tmap 3 app.z\r")
        await until(pilot, lambda: len(screen.draft.jobs) == 8)
        burst(":outline\r")
        await until(pilot, lambda: screen.as_outline)
        burst("rx")
        await until(pilot, lambda: screen.query_one(Prompt).is_open)
        burst("y\x1bv")
        await until(pilot, lambda: not screen.as_outline)
        assert len(screen.draft.jobs) == 8


async def test_a_key_that_never_comes_back_holds_up_the_next_only_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended = asyncio.Event()

    async def for_ever(self: object) -> None:
        await ended.wait()

    monkeypatch.setattr(GraphCanvas, "key_f9", for_ever, raising=False)
    async with composing() as (pilot, _):
        app = pilot.app
        app.post_message(events.Key("f9", None))
        await asyncio.sleep(0.05)  # not the pilot's, which waits until every handler is done
        await app.switch_mode("queues")
        app.post_message(events.Key("question_mark", "?"))
        try:
            async with asyncio.timeout(60):
                while not isinstance(app.screen, HelpScreen):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
        finally:
            ended.set()


async def test_a_key_that_comes_when_the_app_has_closed_its_screens_is_for_nobody() -> None:
    async with composing() as (pilot, _):
        app = pilot.app
    assert not app._screen_stack
    await app.on_event(events.Key("j", "j"))


async def test_the_panel_beside_the_graph_shows_all_of_a_job_however_long_it_is() -> None:
    draft = diamond()
    long = {f"key{n}": n for n in range(38)}
    draft.edit(["geo"], kwargs={"rows": long, "text": "several words " * 20})
    async with composing((130, 24), draft=draft) as (pilot, screen):
        panel = screen.query_one(Inspector)
        for key, much in (("join", False), ("geo", True), ("fetch", False), ("geo", True)):
            screen.canvas.cursor = key
            await settled(pilot)
            assert (panel.max_scroll_y > 0) is much, key
        panel.scroll_end(animate=False)
        await settled(pilot)
        assert "more lines" in text(pilot)


async def test_the_panel_is_scrolled_by_keys_where_it_is_too_long() -> None:
    draft = diamond()
    draft.edit(["geo"], kwargs={f"key{n}": n for n in range(60)})
    async with composing((130, 24), draft=draft) as (pilot, screen):
        panel = screen.query_one(Inspector)
        screen.canvas.cursor = "join"
        await settled(pilot)
        await pilot.press("tab")
        assert screen.focused is screen.canvas  # all of that job can be seen
        screen.canvas.cursor = "geo"
        await settled(pilot)
        await pilot.press("tab")
        await settled(pilot, "esc back")
        assert screen.focused is panel
        await pilot.press("j", "down", "pagedown", "k")
        await settled(pilot)
        assert panel.scroll_offset.y > 2
        assert screen.cursor == "geo"
        await pilot.press("end")
        await settled(pilot, "more lines")
        await pilot.press("escape", "h")
        await settled(pilot, "e edit")
        assert screen.cursor == "fetch"


@pytest.mark.parametrize("size", [(130, 24), (200, 60), (160, 12)])
async def test_views_painted_the_short_way_look_as_textual_paints_them(size: tuple[int, int]) -> None:
    """With a border and without, with a bar and without, after edits, moves, scrolling and another theme."""
    draft = diamond()
    draft.edit(["geo"], kwargs={f"key{n}": n for n in range(60)})
    async with composing((160, 7), draft=draft) as (pilot, screen):
        await settled(pilot)  # a frame with no row inside
        await pilot.resize_terminal(*size)
        for step in ("", "j", "l", "space", "d", "u", "v", "tab", "ctrl+t"):
            if step == "ctrl+t":
                pilot.app.theme = THEMES[1].name
            elif step:
                await pilot.press(step)
            screen.query_one(Inspector).scroll_end(animate=False)
            await settled(pilot)
            for view in (screen.query_one(Inspector), screen.query_one(Outline), screen.canvas):
                if not view.region:
                    continue
                assert not painted_otherwise(view), (step, view)


async def test_every_theme_that_is_offered_can_be_shown() -> None:
    async with composing((160, 45), draft=diamond()) as (pilot, _):
        for name in sorted(pilot.app.available_themes):
            pilot.app.theme = name
            for key in ("2", "3", "1"):
                await pilot.press(key)
                await pilot.pause()
            assert "app.join" in text(pilot), name


async def test_the_suggestions_of_a_prompt_begin_with_the_best_each_time_it_opens() -> None:
    best = r"app\.task13 +in this flow"  # the column is as wide as the longest task that any test registered
    draft = Draft()
    for number in range(14):
        draft.add(f"app.task{number}")
    async with composing(draft=draft) as (pilot, screen):
        for _ in range(2):
            await pilot.press("a")
            await settled(pilot)
            choice = screen.query_one("Prompt ChoiceList")
            assert choice.scroll_offset.y == 0
            assert re.search(best, text(pilot))
            assert all(strip.cell_length == 80 for strip in pilot.app.screen._compositor.render_strips())
            await pilot.press("up")
            await settled(pilot)
            assert not re.search(best, text(pilot))
            await pilot.press("escape")
            await settled(pilot)


async def test_a_list_as_high_as_its_lines_has_no_bar_for_a_moment_when_it_grows() -> None:
    async with composing((120, 40), draft=diamond()) as (pilot, _):
        screen = PickScreen("Some", [Row(f"r{n}", f"line {n}") for n in range(9)])
        pilot.app.push_screen(screen)
        await settled(pilot)
        choice = screen.query_one(ChoiceList)
        for count in (2, 9, 5, 9):
            choice.show(screen.all_rows[:count])
            assert not choice.show_vertical_scrollbar, count
            await settled(pilot)
            assert (choice.size.height, choice.show_vertical_scrollbar) == (count, False)


async def test_a_view_whose_content_outgrows_it_has_a_bar_at_once_and_none_once_it_fits() -> None:
    async with composing((80, 24), draft=diamond()) as (pilot, screen):
        await pilot.press("v")
        await settled(pilot)
        outline = screen.query_one(Outline)
        screen.draft.insert([DraftJob(f"n{n}", "t") for n in range(60)], [], step="many")
        screen.changed()
        await settled(pilot)
        assert outline.show_vertical_scrollbar
        await pilot.press("end")
        await settled(pilot)
        assert "n59" in text(pilot)
        await pilot.press("u")
        await settled(pilot)
        assert not outline.show_vertical_scrollbar
        assert "join" in text(pilot)


async def test_the_outline_beside_the_picture_never_takes_the_cursor_back() -> None:
    jobs = "".join(f"  j{n}: {{task: t, depends_on: [{f'j{n - 1}' if n else ''}]}}\n" for n in range(9))
    draft = read_text(f"name: chain\njobs:\n{jobs}").draft
    async with composing((200, 60)) as (pilot, screen):
        screen.take(draft)
        screen.changed(fresh=True)
        for key in draft.jobs:
            screen.canvas.cursor = key  # faster than messages are delivered
        await settled(pilot)
        assert screen.query_one("#outline").display
        assert draft.name(key) == "j8"
        assert (screen.cursor, screen.query_one(Outline).cursor) == (key, key)


@pytest.mark.parametrize("size", [(80, 24), (60, 14)])
async def test_a_window_with_more_lines_than_rows_still_says_its_keys(size: tuple[int, int]) -> None:
    draft = Draft()
    last = [draft.add(f"app.t{n}") for n in range(60)][-1]
    draft.link([last], [draft.add("app.end", upstream=[])])
    async with composing(size, draft=draft) as (pilot, screen):
        for key, said in (("!", "Problems"), ("w", "Export"), ("y", "Copy"), ("?", "Keys")):
            await type_text(pilot, key)
            await until(pilot, lambda said=said: pilot.app.screen is not screen and said in text(pilot))
            await until(pilot, lambda: "esc closes" in text(pilot))
            await pilot.press("escape")
            await until(pilot, lambda: pilot.app.screen is screen)


async def test_an_edit_of_a_long_flow_lays_out_no_outline_and_its_bar_follows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    draft = Draft()
    for n in range(100):
        draft.add(f"app.t{n}")
    async with composing((160, 45), draft=draft) as (pilot, screen):
        await settled(pilot)
        tree = screen.query_one(Outline)
        furthest = tree.max_scroll_y
        laid_out: list[bool] = []
        refresh = tree.refresh
        monkeypatch.setattr(
            tree, "refresh", lambda *at, layout=False, **more: (laid_out.append(layout), refresh(*at, **more))
        )
        await pilot.press("Y")
        await until(pilot, lambda: len(tree.items) == 101)
        assert laid_out
        assert not any(laid_out)
        assert tree.virtual_size.height == tree.vertical_scrollbar.window_virtual_size == 101
        await pilot.press("u")
        await until(pilot, lambda: len(tree.items) == 100)
        assert tree.max_scroll_y == furthest
        assert tree.vertical_scrollbar.window_virtual_size == 100


@pytest.mark.parametrize("size", [(160, 45), (120, 36), (80, 24)])
async def test_what_is_added_at_the_foot_of_the_outline_is_seen(size: tuple[int, int]) -> None:
    draft = Draft()
    for n in range(100):
        draft.add(f"app.t{n}")
    async with composing(size, draft=draft) as (pilot, screen):
        tree = screen.query_one(Outline)
        await pilot.press("v", "pagedown")
        for n in range(3):
            await pilot.press("a")
            await until(pilot, lambda: screen.query_one(Prompt).is_open)
            await pilot.press(*f"app.q{n}", "enter")
            await until(pilot, lambda: not screen.query_one(Prompt).is_open)
            await settled(pilot)
            assert tree.cursor == screen.cursor
            assert screen.draft.jobs[screen.cursor or ""].task == f"app.q{n}"
            assert "▌" in "".join(tree.render_line(y).text for y in range(tree.size.height))


async def test_what_is_added_beyond_the_neighbourhood_ends_that_view() -> None:
    draft = Draft()
    first = draft.add("app.first")
    draft.add("app.second", upstream=[first])
    draft.add("app.elsewhere")
    async with composing((160, 45), draft=draft) as (pilot, screen):
        canvas = screen.canvas
        canvas.cursor = first
        await pilot.press("full_stop")
        assert len(canvas.drawn.boxes) == 2
        await pilot.press("a")
        await until(pilot, lambda: screen.query_one(Prompt).is_open)
        await pilot.press(*"app.near", "enter")
        await until(pilot, lambda: len(draft.jobs) == 4)
        assert (canvas.near_steps, len(canvas.drawn.boxes)) == (1, 3)
        await pilot.press("O")
        await until(pilot, lambda: screen.query_one(Prompt).is_open)
        await pilot.press(*"app.far", "enter")
        await until(pilot, lambda: len(draft.jobs) == 5)
        await settled(pilot)
        assert screen.cursor is not None
        assert draft.jobs[screen.cursor].task == "app.far"
        assert screen.query_one(Outline).cursor == screen.cursor
        assert (canvas.near_steps, len(canvas.drawn.boxes)) == (None, 5)


def test_tasks_that_only_begin_alike_are_not_folded_as_alike() -> None:
    draft = Draft()
    root = draft.add("app.start")
    for n in range(20):
        draft.add(f"app.pipeline.transform.{'orders' if n % 2 else 'orderlines'}", upstream=[root])
    view = view_of(Looks().of(draft)[0], fold=True)
    assert sorted(len(members) for members in view.members.values()) == [10, 10]


async def test_a_problem_that_is_cut_in_the_list_stands_below_it_as_a_whole() -> None:
    async with composing() as (pilot, screen):
        screen.draft.add("app." + "long-name-of-a-task." * 4 + "end")
        screen.draft.add("app.b")
        screen.changed()
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProblemsScreen))
        await until(pilot, lambda: "it waits for a worker that does" in " ".join(text(pilot).split()))


async def test_results_of_upstreams_are_offered_while_they_are_typed() -> None:
    draft = read_text("jobs:\n  load eu: {task: a.x}\n  b: {task: a.y, depends_on: [load eu]}\n").draft
    async with composing(draft=draft) as (pilot, screen):
        screen.canvas.cursor = "b"
        await pilot.press("e")
        await pilot.pause()
        assert "$ offers an upstream" in text(pilot)
        await pilot.press("delete", "delete")
        await type_text(pilot, '["$')
        await pilot.pause()
        assert r"${jobs[\"load eu\"].result}" in text(pilot)
        await pilot.press("right")
        await type_text(pilot, '"]')
        await pilot.press("ctrl+s")
        await until(pilot, lambda: screen.draft.jobs["b"].args == ['${jobs["load eu"].result}'])
        assert not any(problem.blocks for problem in screen.problems)
        await pilot.press("e")
        await pilot.pause()
        area = pilot.app.screen.query_one("#f-args", JsonArea)
        area.text = '["${jobs.nobody.result}"]'
        await pilot.pause()
        assert text(pilot).count("! no job is called 'nobody'") == 2, (
            "beside the field, and below where all of it fits"
        )


async def test_quitting_at_once_works_in_a_window_too() -> None:
    async with composing() as (pilot, screen):
        await pilot.press("question_mark")
        await until(pilot, lambda: pilot.app.screen is not screen)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not pilot.app.is_running or pilot.app._exit)


async def test_a_name_that_the_engine_would_refuse_is_refused_where_it_is_typed() -> None:
    async with composing(draft=read_text("jobs: {a: {task: app.a}}").draft) as (pilot, screen):
        for key in ("r", "G", "S"):
            await pilot.press(key)
            await pilot.pause()
            screen.query_one("#prompt Input", Input).value = "x" * 257
            await pilot.press("enter")
            await pilot.pause()
            assert "256 characters" in text(pilot), key
            await pilot.press("escape")
        await pilot.press("S", "enter")
        await pilot.press("S")
        await pilot.pause()
        screen.query_one("#prompt Input", Input).value = "a@b @ night"
        await pilot.press("enter")
        await pilot.press("S", "enter")
        await pilot.pause()
        assert (screen.draft.settings.name, screen.draft.settings.queue) == ("a@b", "night")
        assert not screen.problems[0].blocks


async def test_the_submit_preview_counts_every_task_that_nobody_knows() -> None:
    draft = read_text("flowchart LR\n" + "".join(f"a{i} --> a{i + 1}\n" for i in range(29))).draft
    async with composing((120, 36), draft=draft) as (pilot, _):
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, SubmitScreen))
        assert "30 tasks are known to nobody here" in text(pilot)


async def test_a_long_submit_preview_warns_first_and_is_read_by_pages() -> None:
    draft = read_text("flowchart LR\n" + "".join(f"a{i} --> a{i + 1}\n" for i in range(29))).draft
    async with composing((80, 24), draft=draft) as (pilot, _):
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, SubmitScreen))
        shown = text(pilot)
        assert shown.index("30 tasks are known to nobody here") < shown.index("30 jobs")
        assert "longest chain" not in shown
        await pilot.press("pagedown", "pagedown")
        await until(pilot, lambda: "longest chain" in text(pilot))
        await pilot.press("pageup", "pageup")
        await until(pilot, lambda: "30 tasks are known to nobody here" in text(pilot))
        await pilot.press("q")
        await until(pilot, lambda: "esc leave the field" in text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "esc back" in text(pilot))
        assert isinstance(pilot.app.screen, SubmitScreen)


async def test_a_rename_that_changes_nothing_is_no_step() -> None:
    draft = Draft()
    draft.insert([DraftJob(" lead ", "app.x")], [], step="begin")
    async with composing(draft=draft) as (pilot, screen):
        steps = len(screen.draft.steps)
        await pilot.press("r")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert len(screen.draft.steps) == steps


@pytest.mark.parametrize("opening", ["r", "a", "A", "o", "O", "G"])
@pytest.mark.parametrize("key", ["ctrl+z", "ctrl+r", "f12", "ctrl+s", "ctrl+o"])
async def test_a_prompt_has_the_keyboard_to_itself(opening: str, key: str) -> None:
    async with composing() as (pilot, screen):
        await add(pilot, "a", "app.x")
        before = screen.draft.dump()
        await pilot.press(opening)
        await type_text(pilot, "y")
        await pilot.press(key)
        await pilot.pause()
        assert screen.prompt.is_open
        assert "waits until esc closes this line" in text(pilot)
        assert screen.draft.dump() == before
        await pilot.press("enter")
        await pilot.pause()
        assert len(screen.draft.steps) == 2


async def test_a_command_chosen_while_a_prompt_is_open_closes_it_first() -> None:
    async with composing() as (pilot, screen):
        await add(pilot, "a", "app.x")
        await pilot.press("r", "y", "f1")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        await type_text(pilot, "delete")
        await pilot.press("enter")
        await until(pilot, lambda: not screen.draft.jobs)
        assert not screen.prompt.is_open


async def test_another_draft_or_a_click_closes_the_prompt() -> None:
    async with composing() as (pilot, screen):
        await add(pilot, "a", "app.x")
        await pilot.press("r", "y")
        await pilot.click(screen.canvas)
        await pilot.pause()
        assert not screen.prompt.is_open
        await pilot.press("r", "y")
        screen.take(Draft())
        screen.changed(fresh=True)
        await pilot.pause()
        assert not screen.prompt.is_open
        await pilot.press("enter")
        await pilot.pause()
        assert not screen.draft.jobs


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ('["\\ud800"]', "half of a surrogate pair"),
        ('{"\\ud800": 1}', "half of a surrogate pair"),
        ("[99999999999999999999]", "beyond 64 bits"),
        ("[1e400]", "which JSON has no word for"),
        ("[NaN]", "NaN is no JSON"),
        ('[{"a": 1, "a": 2}]', "the key 'a' comes twice"),
        (f"[{'9' * 5000}]", "too long"),
    ],
)
async def test_what_the_engine_would_refuse_is_said_as_it_is_typed(typed: str, said: str) -> None:
    async with composing() as (pilot, screen):
        await pilot.press("a")
        screen.prompt.query_one(Input).value = f"app.x x {typed}"
        await pilot.press("enter")
        await pilot.pause()
        assert said in text(pilot)
        assert not screen.draft.jobs
        await pilot.press("escape")
        await add(pilot, "a", "app.x x")
        await pilot.press("e")
        field = "kwargs" if typed.startswith("{") else "args"
        pilot.app.screen.query_one(f"#f-{field}", JsonArea).text = typed
        await pilot.pause()
        assert said.replace("the key ", "") in " ".join(text(pilot).split())
        assert text(pilot).count("✓ valid JSON") == 1


async def test_an_object_given_twice_is_not_merged_silently() -> None:
    async with composing() as (pilot, screen):
        await add(pilot, "a", 'app.x x {"a": 1} {"a": 2}')
        assert "the key 'a' comes twice" in text(pilot)
        assert not screen.draft.jobs


@pytest.mark.parametrize("odd", ["\ud800", "\u2028", "\x85", "\x9b2J"])
async def test_a_form_shows_odd_text_as_escapes_and_is_not_changed_by_that(odd: str) -> None:
    draft = Draft()
    draft.insert([DraftJob("a", "app.a", args=[f"x{odd}y"], kwargs={odd: 1})], [], step="x")
    draft.insert(
        [DraftJob("b", "shell", args=[f"echo{odd.encode('utf-8', 'replace').decode()}b"])], [], step="x"
    )
    async with composing(draft=draft) as (pilot, screen):
        for key in ("a", "b"):
            screen.canvas.cursor = key
            await pilot.press("e")
            await until(pilot, lambda: isinstance(pilot.app.screen, EditScreen))
            if key == "a":
                assert f"\\u{ord(odd[0]):04x}" in text(pilot)
            await pilot.press("escape")
            await until(pilot, lambda: pilot.app.screen is screen)
        assert len(screen.draft.steps) == 2


async def test_a_field_that_varies_is_emptied_by_emptying_it() -> None:
    draft = Draft()
    draft.insert([DraftJob("a", "app.a", timeout=5.0), DraftJob("b", "app.b", timeout=6.0)], [], step="x")
    async with composing(draft=draft) as (pilot, screen):
        await pilot.press("*", "e")
        form = pilot.app.screen
        form.query_one("#f-timeout").focus()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert [job.timeout for job in screen.draft.jobs.values()] == [5.0, 6.0]
        await pilot.press("e")
        pilot.app.screen.query_one("#f-timeout").focus()
        await pilot.press("1", "backspace")
        await until(pilot, lambda: "(empty)" in text(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert [job.timeout for job in screen.draft.jobs.values()] == [None, None]


def place(screen: ComposeScreen, key: str) -> tuple[int, int]:
    """Where a box is on the screen."""
    box, canvas = screen.canvas.drawn.boxes[key], screen.canvas.region
    origin = screen.canvas._origin
    return box.x + 2 + origin.x + canvas.x, box.y + 1 + origin.y + canvas.y


async def test_a_job_deleted_while_a_link_is_dragged_from_it_is_no_crash() -> None:
    async with composing(draft=read_text("flowchart LR\n a-->b-->c\n").draft) as (pilot, screen):
        await pilot.mouse_down(offset=place(screen, "a"))
        await pilot.press("d")
        await pilot.mouse_up(offset=place(screen, "c"))
        await pilot.pause()
        assert links(screen) == ["b → c"]


async def test_esc_ends_a_drag_without_a_link() -> None:
    async with composing(draft=read_text("flowchart LR\n a-->b-->c\n").draft) as (pilot, screen):
        await pilot.mouse_down(offset=place(screen, "a"))
        await pilot._post_mouse_events([events.MouseMove], offset=place(screen, "c"), button=1)
        await until(pilot, lambda: "let go to link" in text(pilot))
        await pilot.press("escape")
        await pilot.mouse_up(offset=place(screen, "c"))
        await pilot.pause()
        assert links(screen) == ["a → b", "b → c"]
        await until(pilot, lambda: "nothing is linked" in text(pilot))


async def test_a_flow_is_never_submitted_to_a_queue_that_nobody_typed() -> None:
    async with composing(draft=read_text("jobs: {a: {task: t}}").draft) as (pilot, _):
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, SubmitScreen))
        await pilot.press("q", "ctrl+u")
        await type_text(pilot, "eu/west")
        await pilot.click("#buttons Button")
        await pilot.pause()
        assert isinstance(pilot.app.screen, SubmitScreen)
        assert "queue 'eu/west'" in text(pilot)
        assert await pilot.app.backend.queues() == []
        await pilot.press("escape", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "live")
        assert await pilot.app.backend.queues() == ["default"]


async def test_the_warning_of_a_cycle_names_the_key_that_was_pressed() -> None:
    async with composing(draft=read_text("flowchart LR\n a-->b-->c\n").draft) as (pilot, screen):
        await pilot.press("home", "space", "l", "l", "C")
        await until(pilot, lambda: "C again keeps it" in text(pilot))
        await pilot.press("C")
        await pilot.pause()
        assert links(screen) == ["a → b", "b → c", "c → a"]


async def test_a_warning_that_is_gone_from_the_screen_is_given_again() -> None:
    async with composing(draft=read_text("flowchart LR\n a-->b-->c\n").draft) as (pilot, screen):
        await pilot.press("end", "space", "home", "c")
        await until(pilot, lambda: "c again keeps it" in text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "c again keeps it" not in text(pilot))
        await pilot.press("end", "space", "home", "c")
        await until(pilot, lambda: "c again keeps it" in text(pilot))
        assert links(screen) == ["a → b", "b → c"]
        await pilot.press("c")
        assert links(screen) == ["a → b", "b → c", "c → a"]


async def test_a_box_that_stands_for_several_is_linked_and_cut_as_several() -> None:
    async with composing() as (pilot, screen):
        await pilot.press("t")
        await type_text(pilot, "map 4 app.thumb")
        await pilot.press("enter", "minus")
        await add(pilot, "O", "app.z")
        screen.canvas.cursor = "thumb-1"
        assert len(screen.here()) == 4
        await pilot.press("r")
        assert "stands for 4 jobs; - opens it" in text(pilot)
        await pilot.press("c")
        assert "4 jobs marked: go to the other end, then c links them" in text(pilot)
        screen.canvas.cursor = "z"
        await pilot.press("c")
        assert sum(link.endswith(" → z") for link in links(screen)) == 4
        await pilot.press("u", "c")
        screen.canvas.cursor = "thumb-1"
        await until(pilot, lambda: "z → thumb-1 ×4  enter links them" in text(pilot))
        await pilot.press("enter")
        assert sum(link.startswith("z → ") for link in links(screen)) == 4
        screen.canvas.cursor = "thumb-1"
        await pilot.press("x")
        await until(pilot, lambda: "all 12 links" in text(pilot))
        await pilot.press("0")
        await until(pilot, lambda: not links(screen))


async def test_what_is_found_in_a_closed_group_or_beyond_what_is_near_is_shown() -> None:
    draft = read_text(
        "jobs:\n a: {task: t, group: g}\n b: {task: t, group: g, depends_on: [a]}\n"
        " d: {task: t, group: g, depends_on: [b]}\n c: {task: u, depends_on: [d]}\n"
        " e: {task: u, depends_on: [c], args: ['${jobs.a.result}']}\n"
    ).draft
    async with composing(draft=draft) as (pilot, screen):
        await pilot.press("home", "minus", "slash", "d", "enter", "r")
        await type_text(pilot, "-new")
        await pilot.press("enter")
        assert names(screen) == ["a", "b", "d-new", "c", "e"]
        screen.canvas.cursor = "a"
        await pilot.press("full_stop", "*")
        assert set(screen.canvas.marks) == {"a", "b"}
        await pilot.press("escape", "n")
        assert screen.cursor == "e"
        screen.canvas.cursor = "a"
        await pilot.press("full_stop", "exclamation_mark", "enter")
        await until(pilot, lambda: screen.cursor == "e")
        screen.canvas.cursor = "a"
        await pilot.press("full_stop", "slash", "e")
        assert "more beyond what is shown" in text(pilot)
        await pilot.press("backspace", "c", "enter")
        assert screen.cursor == "c"


async def test_flags_of_connecting_go_with_the_draft() -> None:
    async with composing(draft=read_text("flowchart LR\n a-->b-->c\n").draft) as (pilot, screen):
        await pilot.press("end", "c")
        await pilot.pause()
        assert screen.canvas.flags
        screen.take(read_text("flowchart LR\n a-->b-->c\n").draft)
        screen.changed(fresh=True)
        assert not screen.canvas.flags


async def test_a_task_with_blanks_is_taken_as_it_was_picked() -> None:
    async with composing(draft=read_text('jobs: {a: {task: "my task"}}').draft) as (pilot, screen):
        await pilot.press("a")
        await type_text(pilot, "my")
        await pilot.press("down", "enter")
        await add(pilot, "a", 'my task second [1, "x y"]')
        jobs = list(screen.draft.jobs.values())[1:]
        assert [(job.task, job.name, job.args) for job in jobs] == [
            ("my task", "my task", []),
            ("my task", "second", [1, "x y"]),
        ]


@pytest.mark.parametrize(
    "name", ["customers-from-the-european-warehouse", "日本語の名前がとても長い仕事です"]
)
async def test_the_path_of_a_cycle_is_never_cut_without_a_sign(name: str) -> None:
    names = [f"{name}-{i}" for i in range(3)]
    draft = Draft()
    keys = [draft.add("app.x", name) for name in names]
    for up, down in zip(keys, [*keys[1:], keys[0]], strict=True):
        draft.link([up], [down])
    async with composing(draft=draft) as (pilot, _):
        status = next(line for line in text(pilot).splitlines() if "cycle" in line)
        assert re.search(r"⇢ \S*\d ", status)
        assert "X cuts it" in status
        await pilot.press("exclamation_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProblemsScreen))
        whole = text(pilot).rpartition("cycle: ")[2].partition(" enter goes")[0]
        shown = re.sub(r"[\s│╌─]+", "", whole)
        assert shown.startswith("→".join(names) + f"⇢{names[0]}")


async def test_a_preview_of_a_template_is_seen_in_the_outline_too() -> None:
    async with composing() as (pilot, _):
        await add(pilot, "a", "app.first")
        await pilot.press("v", "t")
        await type_text(pilot, "map 3 app.thumb")
        await until(pilot, lambda: "thumb-3" in text(pilot).partition("map 3")[0] + text(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: "thumb" not in text(pilot))


async def test_commands_that_no_live_worker_runs_are_told() -> None:
    draft = Draft()
    draft.add("shell", "a", args=["ls"])
    assert not [p for p in Checker().problems(draft, live=None) if "commands" in p.text]
    assert not [p for p in Checker().problems(draft, live={"shell", "x"}) if "commands" in p.text]
    [told] = [p for p in Checker().problems(draft, live={"x"}) if "commands" in p.text]
    assert "--allow-shell" in told.text


async def test_text_is_pasted_also_while_the_panel_of_the_job_has_the_keyboard() -> None:
    async with composing(size=(120, 20)) as (pilot, screen):
        await add(pilot, "a", 'app.x x {"a": 1, "b": 2, "c": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]}')
        screen.query_one(Inspector).can_focus = True
        screen.set_focus(screen.query_one(Inspector))
        screen.post_message(events.Paste("jobs: {b: {task: t}}"))
        await until(pilot, lambda: names(screen) == ["x", "b"])


async def test_what_is_said_names_the_keys_that_the_user_has_chosen() -> None:
    keys = {"compose.undo": "U", "compose.cut-cycle": "K", "compose.add": "i", "compose.connect": "ctrl+k"}
    app = FlowtuiApp(backend=InMemoryBackend(), keys=keys)
    async with app.run_test(size=(80, 24)) as pilot:
        screen = app.screen
        assert isinstance(screen, ComposeScreen)
        await until(pilot, lambda: "i   add the first job" in text(pilot))
        await pilot.press("d")
        await until(pilot, lambda: "there is no job to delete; i adds one" in text(pilot))
        await pilot.press("i")
        await type_text(pilot, "app.a")
        await pilot.press("enter")
        await until(pilot, lambda: "added a · U undoes" in text(pilot))
        await pilot.press("i")
        await type_text(pilot, "app.b")
        await pilot.press("enter", "space", "home", "ctrl+k")
        await until(
            pilot, lambda: "^k again keeps it" in text(pilot) or "ctrl+k again keeps it" in text(pilot)
        )
        await pilot.press("ctrl+k")
        await until(pilot, lambda: len(links(screen)) == 2)
        await pilot.press("h", "l")
        await until(pilot, lambda: "K cuts it" in text(pilot))
        await pilot.press("K")
        await until(pilot, lambda: len(links(screen)) == 1)


async def test_in_the_outline_keys_are_about_the_job_under_its_own_cursor() -> None:
    """Also where the graph draws it folded with others, which are acted on together there."""
    async with composing() as (pilot, screen):
        await pilot.press("t")
        await type_text(pilot, "map 6 app.thumb")
        await pilot.press("enter", "minus", "v", "j", "j", "j")
        await until(pilot, lambda: " thumb-3  app.thumb  waits for split" in text(pilot))
        assert (screen.cursor, screen.here()) == ("thumb-3", ["thumb-3"])
        await pilot.press("r")
        await type_text(pilot, "-x")
        await pilot.press("enter")
        await until(pilot, lambda: "thumb-3-x  app.thumb" in text(pilot))
        await pilot.press("space", "j", "space")
        assert [screen.draft.name(key) for key in screen.canvas.marks] == ["thumb-3-x", "thumb-4"]
        await pilot.press("escape", "d")
        assert [name for name in names(screen) if name.startswith("thumb")] == [
            *("thumb-1", "thumb-2", "thumb-3-x", "thumb-5", "thumb-6")
        ]
        await pilot.press("u")
        await until(pilot, lambda: screen.cursor == "thumb-4")
        await pilot.press("slash")
        await type_text(pilot, "b-6")
        await pilot.press("enter")
        assert screen.cursor == "thumb-6"
        await pilot.press("c", "k", "k", "enter")
        assert "thumb-6 → thumb-4" in links(screen)
        await pilot.press("v")
        await until(pilot, lambda: screen.canvas.has_focus)
        assert len(screen.here()) >= 1


async def test_a_click_in_the_outline_goes_to_the_line_that_was_clicked() -> None:
    async with composing() as (pilot, screen):
        await pilot.press("t")
        await type_text(pilot, "map 6 app.thumb")
        await pilot.press("enter", "minus", "v")
        await until(pilot, lambda: "thumb-5" in text(pilot))
        line = next(i for i, line in enumerate(text(pilot).splitlines()) if "thumb-5" in line)
        await pilot.click(offset=(10, line))
        await until(pilot, lambda: screen.cursor == "thumb-5")
        await pilot.press("d")
        assert "thumb-5" not in names(screen)
        assert len(names(screen)) == 7


async def drag(pilot: Pilot[None], screen: ComposeScreen, source: str, target: str) -> None:
    await pilot.mouse_down(offset=place(screen, source))
    await pilot._post_mouse_events([events.MouseMove], offset=place(screen, target), button=1)
    await pilot.pause()


async def test_a_cycle_is_kept_by_dragging_twice() -> None:
    async with composing(draft=read_text("flowchart LR\n a-->b-->c\n").draft) as (pilot, screen):
        for _ in range(2):
            await drag(pilot, screen, "c", "a")
            await pilot.mouse_up(offset=place(screen, "a"))
            await until(pilot, lambda: "again keeps it" in text(pilot) or len(links(screen)) == 3)
        assert links(screen) == ["a → b", "b → c", "c → a"]


@pytest.mark.parametrize("key", ["t", "question_mark", "D", "2", "v", "ctrl+n"])
async def test_a_key_pressed_while_dragging_leaves_nothing_of_the_drag(key: str) -> None:
    async with composing(draft=read_text("flowchart LR\n a-->b-->c\n").draft) as (pilot, screen):
        await drag(pilot, screen, "a", "c")
        await until(pilot, lambda: screen.canvas.ghost is not None)
        await pilot.press(key)
        await until(pilot, lambda: screen.canvas.ghost is None)
        await until(pilot, lambda: screen.canvas._press is None and pilot.app.mouse_captured is None)


async def test_own_keys_that_are_swapped_keep_a_cycle() -> None:
    app = FlowtuiApp(backend=InMemoryBackend(), keys={"compose.connect": "C", "compose.connect-from": "c"})
    async with app.run_test(size=(80, 24)) as pilot:
        screen = app.screen
        assert isinstance(screen, ComposeScreen)
        screen.take(read_text("flowchart LR\n a-->b-->c\n").draft)
        screen.changed(fresh=True)
        await pilot.press("end", "space", "home", "C")
        await until(pilot, lambda: "C again keeps it" in text(pilot))
        await pilot.press("C")
        await until(pilot, lambda: "c → a" in links(screen))


async def test_what_a_link_would_do_is_said_of_all_that_its_box_stands_for() -> None:
    draft = read_text(
        "jobs:\n z: {task: t, depends_on: [g2]}\n r: {task: t}\n g1: {task: t, group: G, depends_on: [r]}\n"
        " g2: {task: t, group: G}\n"
    ).draft
    async with composing(draft=draft, size=(120, 30)) as (pilot, screen):
        screen.canvas.cursor = "g1"
        await pilot.press("minus")
        box = screen.canvas.cursor
        assert box is not None
        await drag(pilot, screen, "z", box)
        await until(pilot, lambda: "would close a cycle" in text(pilot))
        await pilot.mouse_up(offset=place(screen, "z"))
        await drag(pilot, screen, "r", box)
        await until(pilot, lambda: "let go to link r → g1 ×2" in text(pilot))
        await pilot.mouse_up(offset=place(screen, box))
        await until(pilot, lambda: {"r → g1", "r → g2"} <= set(links(screen)))


async def test_n_goes_on_to_matches_beyond_what_is_near() -> None:
    draft = read_text("flowchart LR\n ra-->rb-->x-->rc\n").draft
    async with composing(draft=draft) as (pilot, screen):
        await pilot.press("home", "full_stop", "slash", "r", "enter")
        seen = []
        for _ in range(3):
            await pilot.press("n")
            seen.append(screen.cursor)
        assert set(seen) == {"ra", "rb", "rc"}


async def test_a_prompt_is_not_left_by_shift_tab_but_by_a_click_beside_it() -> None:
    async with composing() as (pilot, screen):
        await pilot.press("a")
        await type_text(pilot, "app.long")
        await pilot.press("shift+tab", "d")
        assert screen.prompt.query_one(Input).value == "app.longd"
        await pilot.click(offset=(2, 3))
        await until(pilot, lambda: not screen.prompt.is_open)


async def test_the_queue_is_typed_at_the_end_of_what_stands_there() -> None:
    async with composing(draft=read_text("jobs: {a: {task: t}}").draft) as (pilot, _):
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, SubmitScreen))
        await pilot.press("q", "ctrl+u", "a", "escape", "q", "x", "enter", "enter")
        await until(pilot, lambda: pilot.app.current_mode == "live")
        assert await pilot.app.backend.queues() == ["defaultx"]


async def test_links_of_boxes_that_nobody_could_read_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowtui.screens.linking.LINKS", 10)
    async with composing() as (pilot, screen):
        await pilot.press("t")
        await type_text(pilot, "map 4 app.thumb")
        await pilot.press("enter", "minus")
        await pilot.press("O")
        await type_text(pilot, "app.z")
        await pilot.press("enter")
        await pilot.press("*")
        screen.canvas.set_marks(["split", "reduce", "z"])
        screen.canvas.cursor = "thumb-1"
        await pilot.press("c")
        await until(
            pilot, lambda: "that is 12 links; a job in between, added with a, needs few" in text(pilot)
        )
        assert len(links(screen)) == 8


def test_the_path_of_a_long_cycle_is_told_in_little_time() -> None:
    """Beside making the names safe, so that a busy machine does not matter."""
    draft = Draft()
    keys = [draft.add("app.x", f"a-job-with-a-rather-long-name-{i}") for i in range(5000)]
    begun = time.process_time()
    for key in keys:
        safe(draft.name(key), 60)
    plain = time.process_time() - begun
    begun = time.process_time()
    told = path_text(draft, keys, 46)
    assert time.process_time() - begun < 10 * plain + 0.01
    assert re.fullmatch(r"\S+ → … 499\d more … .*⇢ \S+", told)


def test_a_cycle_is_found_also_behind_a_job_that_is_on_both_sides() -> None:
    draft = Draft()
    a, b, c = (draft.add("app.x", name) for name in "abc")
    draft.link([c], [b])
    assert closing(draft, [a, b], [a, c]) == [c, b]
