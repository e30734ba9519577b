"""Files, drafts that survive, import, export, clipboard, $EDITOR."""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from compose_kit import add, composing, links, names, text, type_text, until
from textual import events
from textual.widgets import Input
from textual.worker import WorkerFailed

from core.errors import InvalidFlowFile
from core.spec import FlowFile, load_flow
from flowtui import saving
from flowtui.changes import DraftJob
from flowtui.draft import Draft
from flowtui.exporting import FORMS, export, to_file
from flowtui.importing import read_text
from flowtui.keeping import LISTED, Keeper, write
from flowtui.screens import filing
from flowtui.screens.problems import ProblemsScreen
from flowtui.screens.reading import ReadingScreen
from flowtui.screens.tell import TellScreen
from flowtui.widgets.bars import TopBar
from flowtui.widgets.prompt import Prompt

YAML = """\
# Nightly.
name: etl-nightly
queue: etl
jobs:
  fetch:              # from the bucket
    task: app.fetch
    args: [s3://raw]

  # both at once
  clean: {task: app.clean, depends_on: [fetch]}
  geo:
    task: app.geo
    depends_on: [fetch]
    timeout: 5m       # enough
  join:
    task: app.join
    args: ["${jobs.clean.result}"]
    depends_on: [clean, geo]
"""


async def test_a_flow_that_is_again_what_its_file_holds_is_not_unsaved(tmp_path: Path) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    async with composing(file=str(path)) as (pilot, screen):
        top = screen.query_one(TopBar)
        for keys, dirty in (("d", True), ("u", False), (("ctrl+r",), True), ("u", False), ("Yuu", False)):
            await pilot.press(*keys)
            await pilot.pause()
            assert (screen.is_dirty(), top.dirty) == (dirty, dirty), keys
        await pilot.press("Y")
        screen.keep()
        assert screen.keeper.place.exists()
        await pilot.press("u")
        screen.keep()
        assert not screen.keeper.place.exists()  # nothing is left to be brought back
        await pilot.press("Y", "ctrl+s")
        await pilot.pause()
        assert not screen.is_dirty()
        await pilot.press("u")
        await pilot.pause()
        assert top.dirty  # it is not what the file holds now
        assert "not saved" in screen.why_stay()
        await pilot.press("ctrl+n")  # before it is kept by itself
        await pilot.pause()
        assert [kept.file for kept in Keeper().found()] == [str(path)]


async def test_no_copy_of_what_was_undone_is_left(tmp_path: Path) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    async with composing(file=str(path)) as (pilot, screen):
        await pilot.press("Y")
        screen.keep()
        await pilot.press("u", "ctrl+n")
        await pilot.pause()
        assert not screen.draft.jobs
        assert not Keeper().found()


async def test_an_untouched_file_is_saved_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    async with composing(file=str(path)) as (pilot, screen):
        assert names(screen) == ["fetch", "clean", "geo", "join"]
        assert "etl.yaml" in text(pilot)
        path.chmod(0o640)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "saved etl.yaml" in text(pilot)
    assert path.read_text() == YAML
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_an_edited_file_keeps_its_comments_also_those_of_a_renamed_job(tmp_path: Path) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    async with composing(file=str(path)) as (pilot, screen):
        screen.draft.rename("fetch", "load")
        screen.draft.edit(["geo"], timeout=600.0)
        screen.changed()
        await pilot.pause()
        assert "etl.yaml ●" in text(pilot)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "etl.yaml ●" not in text(pilot)
    saved = path.read_text()
    for kept in ("# Nightly.", "# from the bucket", "# both at once", "# enough"):
        assert kept in saved, kept
    assert "  load:" in saved
    assert read_text(saved).draft.jobs["geo"].timeout == 600.0
    assert read_text(saved).draft.dump()["links"] == [[0, 1], [0, 2], [1, 3], [2, 3]]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a.json", "# why\nname: x\njobs:\n  a: {task: t}   # c\n"),
        ("a.json", '{\n    "$schema": "s",\n    "name": "x",\n    "jobs": {"a": {"task": "t",}},\n}\n'),
        ("a.yaml", '{"name": "x", "jobs": {"a": {"task": "t"}}}'),
    ],
)
async def test_a_file_stays_what_it_is_whatever_its_name_says(
    name: str, written: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(written)
    async with composing(file=str(path)) as (pilot, screen):
        await pilot.press("ctrl+s")
        await until(pilot, lambda: f"saved {name}" in text(pilot))
        assert path.read_text() == written
        screen.draft.edit(["a"], task="u")
        screen.draft.set_flow(name="untitled")
        screen.changed()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: path.read_text() != written)
    expected = re.sub(r"\bt\b", "u", written)
    assert path.read_text() == re.sub(r"\bx\b", "untitled", expected)


async def test_saving_yaml_as_json_says_that_comments_are_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("jobs:\n  a: {task: t}   # c\n")
    async with composing(file=str(path)) as (pilot, _):
        await pilot.press("f12", *["backspace"] * 4, *"json", "enter")
        await until(pilot, lambda: "saved a.json; JSON holds no comments" in text(pilot))
    assert json.loads((tmp_path / "a.json").read_text()) == {"jobs": {"a": {"task": "t"}}}


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Flows of more than three jobs are large; what is written of one is made when this is set."""
    gate = threading.Event()

    def slow(*args: Any) -> FlowFile:
        gate.wait(30)
        return to_file(*args)

    monkeypatch.setattr(filing, "AT_ONCE", 3)
    monkeypatch.setattr("flowtui.exporting.to_file", slow)
    yield gate
    gate.set()


async def test_one_goes_on_while_a_large_flow_is_saved(tmp_path: Path, held: threading.Event) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    async with composing(file=str(path)) as (pilot, screen):
        screen.draft.edit(["geo"], priority=1)
        screen.changed()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "saving etl.yaml …" in text(pilot))
        assert screen.why_stay() == "etl.yaml is still being saved."
        await pilot.press("Y")
        assert len(screen.draft.jobs) == 5
        assert path.read_text() == YAML
        held.set()
        await until(pilot, lambda: "saved etl.yaml, without what has changed since" in text(pilot))
        assert "not saved" in screen.why_stay()
        assert [job.priority for job in read_text(path.read_text()).draft.jobs.values()] == [5, 5, 1, 5]
        await pilot.press("u")
        assert not screen.is_dirty()
        await pilot.press("ctrl+r", "ctrl+s")
        await until(pilot, lambda: not screen.is_dirty())
        assert "changed since" not in text(pilot)
    assert len(read_text(path.read_text()).draft.jobs) == 5
    assert "# from the bucket" in path.read_text()


async def test_what_is_saved_again_while_it_is_saved_is_saved_after_it(
    tmp_path: Path, held: threading.Event
) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    async with composing(file=str(path)) as (pilot, screen):
        await pilot.press("Y", "ctrl+s")
        await until(pilot, lambda: "saving etl.yaml …" in text(pilot))
        await pilot.press("Y", "ctrl+s")
        await until(pilot, lambda: "still being saved; what has changed is saved after it" in text(pilot))
        assert screen.save(tmp_path / "other.yaml") == "etl.yaml is still being saved; f12 again in a moment"
        held.set()
        await until(pilot, lambda: not screen.is_dirty())
    assert len(read_text(path.read_text()).draft.jobs) == 6
    assert not (tmp_path / "other.yaml").exists()


async def test_a_large_flow_that_cannot_be_saved_stays_unsaved_and_says_why(
    tmp_path: Path, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "write", full)
    held.set()
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    async with composing((120, 30), file=str(path)) as (pilot, screen):
        await pilot.press("Y", "ctrl+s")
        await until(pilot, lambda: "cannot be written: No space left on device; f12" in text(pilot))
        assert screen.is_dirty()
        monkeypatch.undo()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: not screen.is_dirty())


async def test_a_bug_while_a_large_flow_is_saved_costs_no_draft(
    tmp_path: Path, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object, **__: object) -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(saving, "write", bug)
    held.set()
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)

    async def save() -> None:
        async with composing(file=str(path)) as (pilot, screen):
            await pilot.press("Y", "ctrl+s")
            await until(pilot, lambda: screen.flowtui._exit)

    with pytest.raises(WorkerFailed, match="nobody thought of this"):
        await save()
    assert path.read_text() == YAML
    assert [kept.jobs for kept in Keeper().found()] == [5]


async def test_what_we_have_just_written_is_not_taken_for_another_programs(
    tmp_path: Path, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, reading = tmp_path / "etl.yaml", threading.Event()
    path.write_text(YAML)
    real = FlowFile.read_back

    def slow(file: FlowFile, written: str) -> FlowFile:
        reading.set()
        gate.wait(30)
        return real(file, written)

    gate = threading.Event()
    monkeypatch.setattr(FlowFile, "read_back", slow)
    held.set()
    async with composing(file=str(path)) as (pilot, screen):
        await pilot.press("Y", "ctrl+s")
        await until(pilot, reading.is_set)
        await pilot.press("Y", "ctrl+s")
        await until(pilot, lambda: "still being saved; what has changed is saved after it" in text(pilot))
        gate.set()
        await until(pilot, lambda: not screen.is_dirty())
    assert len(read_text(path.read_text()).draft.jobs) == 6


async def test_a_flow_is_not_left_while_it_is_saved(tmp_path: Path, held: threading.Event) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    async with composing(file=str(path)) as (pilot, screen):
        await pilot.press("Y", "ctrl+s")
        await until(pilot, lambda: "saving etl.yaml …" in text(pilot))
        for key in ("ctrl+n", "ctrl+o"):
            await pilot.press(key)
            said = f"etl.yaml is still being saved; {key} again in a moment"
            await until(pilot, lambda said=said: said in text(pilot))
            assert pilot.app.screen is screen
        held.set()
        await until(pilot, lambda: "saved etl.yaml" in text(pilot))
        await pilot.press("ctrl+n")
        await until(pilot, lambda: not screen.draft.jobs)
        assert not Keeper().found()
    assert len(read_text(path.read_text()).draft.jobs) == 5


async def test_who_quits_while_a_flow_is_saved_leaves_it_saved(tmp_path: Path, held: threading.Event) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    async with composing(file=str(path)) as (pilot, screen):
        await pilot.press("Y")
        screen.keep()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "saving etl.yaml …" in text(pilot))
        threading.Timer(0.3, held.set).start()
    assert len(read_text(path.read_text()).draft.jobs) == 5
    assert not Keeper().found()


@pytest.mark.parametrize("large", [True, False])
async def test_what_another_program_writes_while_our_file_is_read_again_is_not_overwritten(
    large: bool, tmp_path: Path, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    real = FlowFile.read_back

    def meanwhile(file: FlowFile, written: str) -> FlowFile:
        path.write_text(written + "# theirs\n")
        return real(file, written)

    monkeypatch.setattr(FlowFile, "read_back", meanwhile)
    held.set()
    if not large:
        monkeypatch.setattr(filing, "AT_ONCE", 100)
    async with composing(file=str(path)) as (pilot, screen):
        await pilot.press("Y", "ctrl+s")
        await until(pilot, lambda: "etl.yaml was changed by another program" in text(pilot))
        assert screen.is_dirty()
        assert path.read_text().endswith("# theirs\n")
        monkeypatch.setattr(FlowFile, "read_back", real)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "ctrl+s again overwrites it" in text(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "saved etl.yaml" in text(pilot))


async def test_a_file_changed_by_another_program_is_not_overwritten_without_asking(tmp_path: Path) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    async with composing(file=str(path)) as (pilot, screen):
        screen.draft.edit(["geo"], priority=1)
        screen.changed()
        path.write_text("# theirs\n" + YAML)
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "was changed by another program; ctrl+s again overwrites it" in text(pilot)
        assert path.read_text().startswith("# theirs")
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert not path.read_text().startswith("# theirs")


async def test_saving_a_new_flow_asks_for_a_name_and_before_it_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.yaml").write_text("precious")
    async with composing(draft=read_text(YAML).draft) as (pilot, _):
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert "etl-nightly.yaml" in text(pilot)
        await pilot.press("ctrl+u")
        await type_text(pilot, "flow")
        await pilot.press("enter")
        await pilot.pause()
        assert "flow.yaml exists; enter again overwrites it" in text(pilot)
        assert (tmp_path / "flow.yaml").read_text() == "precious"
        await pilot.press("enter")
        await pilot.pause()
        assert read_text((tmp_path / "flow.yaml").read_text()).draft.settings.queue == "etl"
        await pilot.press("f12")
        await pilot.pause()
        await pilot.press("ctrl+u")
        await type_text(pilot, "nowhere/\0x.yaml".replace("\0", "") + "/y.yaml")
        await pilot.press("enter")
        await pilot.pause()


async def test_the_demos_flow_is_saved_beside_the_user_and_never_into_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flowtui.demo import FLOW

    before = FLOW.read_bytes()
    monkeypatch.chdir(tmp_path)
    async with composing(file=str(FLOW)) as (pilot, screen):
        await until(pilot, lambda: bool(screen.draft.jobs))
        screen.draft.edit([next(iter(screen.draft.jobs))], priority=1)
        screen.changed()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: screen.query_one(Prompt).is_open)
        assert screen.query_one("#prompt Input", Input).value == FLOW.name
        screen.query_one("#prompt Input", Input).value = str(FLOW)
        await pilot.press("enter")
        await until(pilot, lambda: "part of flowtui itself; type another name" in text(pilot))
        screen.query_one("#prompt Input", Input).value = "mine"
        await pilot.press("enter")
        await until(pilot, lambda: screen.path == Path("mine.yaml"))
        assert not screen.is_dirty()
    assert FLOW.read_bytes() == before
    saved = (tmp_path / "mine.yaml").read_text()
    comments = [line for line in FLOW.read_text().splitlines() if line.lstrip().startswith("#")]
    assert comments
    assert [line for line in comments if line not in saved] == []


async def test_a_reference_to_nobody_is_listed_and_saved_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "etl.yaml"
    broken = (
        YAML.replace("jobs.clean.result}", "jobs.cleen.result}")
        + '    kwargs: {literal: "$${jobs.geo.result}"}\n'
    )
    path.write_text(broken)
    async with composing(file=str(path)) as (pilot, screen):
        await until(pilot, lambda: bool(screen.draft.jobs))
        assert "etl.yaml has a problem: ! lists them" in text(pilot)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProblemsScreen))
        await until(pilot, lambda: "takes the result of 'cleen', which is not in this flow" in text(pilot))
        await pilot.press("escape")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "saved etl.yaml" in text(pilot))
        assert path.read_text() == broken
        screen.draft.edit(["geo"], priority=1)
        screen.changed()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: path.read_text() != broken)
        assert "# enough" in path.read_text()
        assert screen.draft.jobs["join"].args == ["${jobs.cleen.result}"]
        screen.draft.edit(["join"], args=["${jobs.clean.result}"])
        screen.changed()
        await until(pilot, lambda: not any(problem.blocks for problem in screen.problems))
    again = read_text(path.read_text()).draft
    assert again.jobs["join"].args == ["${jobs.cleen.result}"]
    assert again.jobs["join"].kwargs == {"literal": "$${jobs.geo.result}"}


async def test_an_error_in_a_file_is_told_with_its_place(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    path = folder / "bad.yaml"
    path.write_text("jobs:\n  a: {task: x, zzz: 3}\n  b: {task: y, depends_on: [c]}\n")
    async with composing(file=str(path)) as (pilot, screen):
        assert isinstance(pilot.app.screen, TellScreen)
        shown = text(pilot)
        assert shown.count("could not open bad.yaml") == 2, "above the window, and in the line that stays"
        assert "bad.yaml:2:16: jobs.a.zzz" in shown
        assert "description" in shown, "the last of the keys it may be"
        await pilot.press("escape")
        await pilot.pause()
        assert not screen.draft.jobs


async def test_a_draft_survives_and_is_offered_at_the_next_start(own_home: Path) -> None:
    async with composing() as (pilot, screen):
        screen.draft.add("app.fetch")
        screen.changed()
        await pilot.pause()
    kept = next((own_home / "xdg_state_home" / "flowtui" / "drafts").glob("*.json"))
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    async with composing() as (pilot, screen):
        assert "restore untitled, 1 job, left at" in text(pilot)
        await pilot.press("R")
        await pilot.pause()
        assert names(screen) == ["fetch"]
        assert "untitled ●" in text(pilot)


async def test_every_draft_that_was_set_aside_can_be_brought_back(own_home: Path) -> None:
    async with composing() as (pilot, screen):
        for task in ("app.first", "app.second", "app.third"):
            screen.draft.add(task)
            screen.changed()
            screen.keep()
            await pilot.press("ctrl+n")
            await until(pilot, lambda: not screen.draft.jobs)
        assert "+2 more" in text(pilot)
        await pilot.press("R")
        await until(pilot, lambda: pilot.app.screen is not screen)
        await pilot.press("down", "enter")  # the newest is the first
        await until(pilot, lambda: names(screen) == ["second"])
        screen.draft.add("app.more")
        screen.changed()
        await pilot.press("R")  # the present draft is set aside, with what was added
        await until(pilot, lambda: pilot.app.screen is not screen)
        await pilot.press("enter")
        await until(pilot, lambda: names(screen) == ["third"])
    async with composing() as (pilot, screen):
        assert [[job["task"] for job in kept.data["jobs"]] for kept in screen.keeper.found()] == [
            ["app.third"],
            ["app.second", "app.more"],
            ["app.first"],
        ]


async def test_a_draft_is_restored_by_one_of_two_processes_only(own_home: Path) -> None:
    left = Draft()
    left.add("app.left")
    folder = own_home / "xdg_state_home" / "flowtui"
    first, second, third = Keeper(folder), Keeper(folder), Keeper(folder)
    first.keep(left, None)
    [kept] = second.found()
    assert second.claim(kept) is not None
    assert third.claim(kept) is None
    async with composing() as (pilot, screen):
        screen.restore(kept)  # as from a list that was open meanwhile
        await pilot.pause()
        assert "another flowtui has taken that draft" in text(pilot)
        assert not screen.draft.jobs


async def test_a_file_with_changes_left_says_so_when_it_is_opened_again(tmp_path: Path) -> None:
    file = tmp_path / "etl.yaml"
    file.write_text("jobs:\n  fetch: {task: app.fetch}\n")
    async with composing() as (pilot, screen):
        screen.open_file(file)
        assert "R brings back" not in text(pilot)
        screen.draft.add("app.more")
        screen.changed()
        screen.keep()
    async with composing(size=(120, 36)) as (pilot, screen):
        screen.open_file(file)
        await until(
            pilot, lambda: "opened etl.yaml: 1 job, 0 links; R brings back unsaved changes" in text(pilot)
        )
        await pilot.press("R")
        await until(pilot, lambda: len(screen.draft.jobs) == 2)
        assert screen.path == file


async def test_a_restored_draft_does_not_overwrite_what_others_have_written_since(tmp_path: Path) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    async with composing(file=str(path)) as (pilot, screen):
        await add(pilot, "A", "app.mine")
        screen.keep()
    theirs = YAML + "  colleague: {task: t.c, depends_on: [join]}  # important\n"
    path.write_text(theirs)
    async with composing() as (pilot, screen):
        await pilot.press("R")
        await until(pilot, lambda: "etl.yaml has changed since" in text(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "was changed by another program" in text(pilot))
        assert path.read_text() == theirs


async def test_a_restored_draft_is_saved_into_its_file_when_nobody_else_wrote(tmp_path: Path) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    async with composing(file=str(path)) as (pilot, screen):
        await add(pilot, "A", "app.mine")
        screen.keep()
    async with composing() as (pilot, screen):
        await pilot.press("R", "ctrl+s")
        await until(pilot, lambda: "saved etl.yaml" in text(pilot))
    assert "app.mine" in path.read_text()
    assert "# both at once" in path.read_text()


async def test_what_could_not_be_opened_again_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "etl.yaml"
    path.write_text(YAML)
    async with composing(file=str(path)) as (pilot, screen):
        screen.draft.insert([DraftJob("big", "app.big", ["x" * 900] * 6000)], [], step="big")
        screen.changed()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "larger than 5,000,000 bytes" in text(pilot))
        assert screen.is_dirty()
    assert path.read_text() == YAML


async def test_the_name_of_a_folder_is_not_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ro").mkdir()
    async with composing(draft=read_text(YAML).draft) as (pilot, _):
        for typed in ("ro/", "..", "/"):
            await pilot.press("f12")
            await pilot.pause()
            field = pilot.app.screen.focused
            assert isinstance(field, Input)
            field.value = typed
            await pilot.press("enter")
            await until(pilot, lambda: "is a folder; add a name" in text(pilot))
            await pilot.press("escape")
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".yaml")]


async def test_a_pipe_is_refused_where_reading_it_would_wait_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ff.yaml")
    async with composing() as (pilot, screen):
        screen.open_file(tmp_path / "ff.yaml")
        await until(pilot, lambda: "not a regular file" in text(pilot))


async def test_a_flow_without_jobs_is_not_saved_over_one_with_jobs(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("jobs:\n  a: {task: t}   # c\n")
    async with composing(file=str(file)) as (pilot, _):
        await pilot.press("d", "ctrl+s")
        await until(
            pilot, lambda: "a.yaml needs a job; a adds one, u brings back what was there" in text(pilot)
        )
    assert file.read_text() == "jobs:\n  a: {task: t}   # c\n"


def test_a_new_file_is_as_private_as_the_user_asks_for(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write(tmp_path / "new.yaml", "x", mode=0o644)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.yaml").stat().st_mode) == 0o600


@pytest.mark.parametrize("form", FORMS)
def test_what_is_exported_is_read_or_told_how(form: str) -> None:
    written = export(read_text("jobs: {a: {task: t}}").draft, form)
    if form == "python":
        with pytest.raises(InvalidFlowFile, match="Python is not read from text; flowtui MODULE:NAME opens"):
            read_text(written)
    else:
        assert [job.name for job in read_text(written.replace("\n", "\r")).draft.jobs.values()] == ["a"]


async def test_a_large_flow_is_read_in_a_window_that_can_be_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is changed meanwhile: what was read would take its place, or land in another flow."""
    for name in ("filing", "exchanging"):
        monkeypatch.setattr(f"flowtui.screens.{name}.LARGE", 10)
    file, gate = tmp_path / "a.yaml", threading.Event()
    file.write_text("jobs:\n  a: {task: t}   # c\n  b: {task: u}\n")
    read = load_flow

    def slow(*args: Any, **options: Any) -> FlowFile:
        assert gate.wait(30)
        return read(*args, **options)

    monkeypatch.setattr("core.spec.load_flow", slow)
    async with composing() as (pilot, screen):
        await add(pilot, "a", "app.here")
        screen.open_file(file)
        await until(pilot, lambda: "reading a.yaml …" in text(pilot))
        await pilot.press("a", "d", "x", "ctrl+n", "s", "0")
        assert isinstance(pilot.app.screen, ReadingScreen)
        assert names(screen) == ["here"]
        await pilot.press("escape")
        await until(pilot, lambda: "a.yaml was not read" in text(pilot))
        gate.set()
        await pilot.pause(0.2)
        assert names(screen) == ["here"]
        screen.open_file(file)
        await until(pilot, lambda: names(screen) == ["a", "b"])
        await until(pilot, lambda: "R brings the last one back" in text(pilot))
        gate.clear()
        screen.post_message(events.Paste("jobs: {c: {task: t}}"))
        await until(pilot, lambda: "reading the pasted text …" in text(pilot))
        gate.set()
        await until(pilot, lambda: names(screen) == ["a", "b", "c"])
        screen.post_message(events.Paste("jobs: {c: {tusk: t}}"))
        await until(pilot, lambda: "the pasted text is no flow" in text(pilot))
        await pilot.press("escape", "R")
        await until(pilot, lambda: names(screen) == ["here"])


async def test_who_leaves_does_not_wait_for_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowtui.screens.filing.LARGE", 10)
    file, gate = tmp_path / "a.yaml", threading.Event()
    file.write_text("jobs:\n  a: {task: t}   # c\n")
    monkeypatch.setattr("core.spec.load_flow", lambda *_, **__: gate.wait(60))
    begun = time.monotonic()
    async with composing() as (pilot, screen):
        screen.open_file(file)
        await until(pilot, lambda: isinstance(pilot.app.screen, ReadingScreen))
        pilot.app.exit()
    assert time.monotonic() - begun < 50
    gate.set()


async def test_a_bug_while_a_large_flow_is_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowtui.screens.filing.LARGE", 10)
    file = tmp_path / "a.yaml"
    file.write_text("jobs:\n  a: {task: t}   # c\n")

    def bug(*_: Any, **__: Any) -> FlowFile:
        raise KeyError("a bug")

    monkeypatch.setattr("core.spec.load_flow", bug)

    async def opened() -> None:
        async with composing() as (pilot, screen):
            screen.open_file(file)
            for _ in range(3000):
                await asyncio.sleep(0 if pilot.app._exception else 0.02)

    with pytest.raises(KeyError, match="a bug"):
        await asyncio.wait_for(opened(), 60)


async def test_save_as_over_what_others_changed_names_the_key_that_does_it(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("jobs:\n  a: {task: t}\n")
    async with composing(file=str(file)) as (pilot, _):
        await add(pilot, "a", "app.b")
        file.write_text("jobs:\n  other: {task: t}\n")
        await pilot.press("f12", "enter")
        await until(pilot, lambda: "was changed by another program; enter again overwrites it" in text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: "saved a.yaml" in text(pilot))
    assert "app.b" in file.read_text()


async def test_the_open_file_is_saved_not_exported_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "etl-nightly.yaml"
    path.write_text(YAML)
    async with composing(file=str(path)) as (pilot, screen):
        await pilot.press("w")
        await pilot.pause()
        await pilot.press("enter")
        await until(pilot, lambda: screen.query_one(Prompt).is_open)
        await pilot.press("enter")
        await until(pilot, lambda: "is the open file: ctrl+s saves it" in text(pilot))
        path.rename(tmp_path / "other.yaml")  # the open file is gone, and another one is there
        field = pilot.app.screen.focused
        assert isinstance(field, Input)
        field.value = "other.yaml"
        await pilot.press("enter")
        await until(pilot, lambda: "other.yaml exists; enter again overwrites it" in text(pilot))


async def test_a_draft_that_cannot_be_read_is_offered_once(own_home: Path) -> None:
    folder = own_home / "xdg_state_home" / "flowtui"
    left = Draft()
    left.add("app.left")
    keeper = Keeper(folder)
    keeper.keep(left, None)
    data = json.loads(keeper.place.read_text())
    keeper.place.write_text(json.dumps({**data, "jobs": [{"unheard": "of"}]}))
    async with composing() as (pilot, screen):
        await pilot.press("R")
        await pilot.pause()
        assert "cannot be read, it lies in" in text(pilot)
        assert screen.left == []
        assert keeper.place.with_suffix(".unreadable").exists()


async def test_a_draft_that_was_only_restored_is_not_lost_to_the_next_one() -> None:
    async with composing() as (pilot, screen):
        screen.draft.add("app.first")
        screen.changed()
        await pilot.press("ctrl+n")
        await until(pilot, lambda: not screen.draft.jobs)
        await pilot.press("R")
        await until(pilot, lambda: names(screen) == ["first"])
        await pilot.press("ctrl+n")
        await until(pilot, lambda: not screen.draft.jobs)
        screen.draft.add("app.second")
        screen.changed()
        screen.keep()
        await pilot.press("ctrl+n", "R")
        await until(pilot, lambda: "first" in text(pilot) or len(screen.left) == 2)
        assert sorted(job["task"] for kept in screen.left for job in kept.data["jobs"]) == [
            "app.first",
            "app.second",
        ]


async def test_a_new_flow_keeps_the_old_one_within_reach() -> None:
    async with composing() as (pilot, screen):
        screen.draft.add("app.fetch")
        screen.changed()
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert names(screen) == []
        await pilot.press("R")
        await pilot.pause()
        assert names(screen) == ["fetch"]


def test_a_start_reads_one_of_the_drafts_that_were_left_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = Draft()
    draft.add("app.x")
    now = time.time() - 1000
    for n in range(LISTED + 20):
        place = tmp_path / "drafts" / f"{2**22 + n}-{n}.json"
        write(place, json.dumps({"at": now + n, "file": None, "pid": 2**22 + n, **draft.dump()}))
        os.utime(place, (now + n, now + n))
    keeper = Keeper(tmp_path)
    read: list[str] = []
    whole = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, *args: read.append(path.name) or whole(path, *args))
    newest = f"{2**22 + LISTED + 19}-{LISTED + 19}.json"
    assert [kept.place.name for kept in keeper.found(1)] == read == [newest]
    assert keeper.count() == LISTED + 20
    assert read == [newest]
    listed = keeper.found()
    assert len(listed) == LISTED
    assert listed[0].place.name == newest


def test_drafts_of_running_apps_are_left_alone_and_rubbish_is_ignored(tmp_path: Path) -> None:
    draft = Draft()
    draft.add("app.x")
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        folder = tmp_path / "drafts"
        for name, pid in (("alive", sleeper.pid), ("gone", 2**22 + 1)):
            write(
                folder / f"{name}.json",
                json.dumps({"at": time.time(), "file": None, "pid": pid, **draft.dump()}),
            )
        write(folder / "rubbish.json", "[1, 2")
        write(folder / "old.json", json.dumps({"at": 1.0, "file": None, "pid": 2**22 + 1, **draft.dump()}))
        found = Keeper(tmp_path).found()
        assert [kept.place.name for kept in found] == ["gone.json"]
        assert not (folder / "old.json").exists()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.yaml"
    write(path, "old")

    def fail(*_: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write(path, "new")
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.yaml"]


async def test_pasted_text_becomes_jobs_in_one_step() -> None:
    async with composing() as (pilot, screen):
        screen.post_message(events.Paste(YAML))
        await pilot.pause()
        assert names(screen) == ["fetch", "clean", "geo", "join"]
        assert screen.draft.settings.name == "etl-nightly"
        screen.post_message(events.Paste("flowchart LR\n  a[fetch] --> b\n"))
        await pilot.pause()
        assert names(screen)[-2:] == ["fetch-2", "b"]
        assert screen.canvas.marks == ("fetch-2", "b")
        await pilot.press("u")
        await pilot.pause()
        assert len(screen.draft.jobs) == 4
        screen.post_message(events.Paste("just words"))
        await pilot.pause()
        assert len(screen.draft.jobs) == 4


@pytest.mark.parametrize(
    "pasted",
    [
        "flowchart LR\nA-->B\nB-->C\n",
        "%% a comment\nflowchart LR\nA-->B-->C",
        "---\ntitle: x\n---\nflowchart LR\nA-->B\nB-->C",
        "```mermaid\nflowchart LR\nA-->B\nB-->C\n```\n",
        "digraph {\n// a comment\nA -> B -> C\n}\n",
        "jobs:\n  A: {task: t}\n  B: {task: t, depends_on: [A]}\n  C: {task: t, depends_on: [B]}\n",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
async def test_text_is_pasted_with_any_ends_of_lines(pasted: str, end: str) -> None:
    async with composing() as (pilot, screen):
        screen.post_message(events.Paste(pasted.replace("\n", end)))
        await until(pilot, lambda: len(screen.draft.jobs) == 3)
        assert screen.draft.link_count == 2
        await pilot.press("u")
        assert not screen.draft.jobs


async def test_a_named_flow_is_pasted_in_one_step_and_prose_is_refused_in_words_for_people() -> None:
    async with composing() as (pilot, screen):
        screen.post_message(events.Paste(YAML))
        await until(pilot, lambda: len(screen.draft.jobs) == 4)
        assert screen.draft.settings.name == "etl-nightly"
        await pilot.press("u")
        assert not screen.draft.jobs
        assert screen.draft.settings.name == "untitled"
        screen.post_message(events.Paste("just some words"))
        await until(pilot, lambda: "is no flow" in text(pilot))
        assert "pasted text:1:1" in text(pilot)
        assert "Path" not in text(pilot)


async def test_jobs_are_copied_as_yaml_and_pasted_back() -> None:
    async with composing(draft=read_text(YAML).draft) as (pilot, screen):
        screen.canvas.set_marks(["clean", "join"])
        await pilot.press("y")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert "task: app.clean" in pilot.app.clipboard
        assert "copied 2 jobs" in text(pilot)
        await pilot.press("p")
        await pilot.pause()
        assert names(screen)[-2:] == ["clean-2", "join-2"]
        assert "clean-2 → join-2" in links(screen)
        assert screen.draft.jobs["join-2"].args == ["${jobs.clean-2.result}"]


async def test_the_editor_round_trip_takes_over_what_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    script = tmp_path / "editor.py"
    script.write_text(
        "import sys; p = sys.argv[1]; t = open(p).read()\n"
        f"open({str(tmp_path / 'seen')!r}, 'w').write(t)\n"
        "open(p, 'w').write(t.replace('app.geo', 'app.better').replace('  geo:', '  place:'))\n"
    )
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", f"{sys.executable} {script}")
    async with composing(draft=read_text(YAML).draft) as (pilot, screen):
        monkeypatch.setattr(pilot.app, "suspend", nullcontext)
        screen.canvas.cursor = "geo"
        await pilot.press("E")
        await pilot.pause()
        assert screen.draft.jobs["geo"] == DraftJob("place", "app.better", [], {}, timeout=300.0)
        assert list(screen.draft.upstream("geo")) == ["fetch"]
        assert list(screen.draft.downstream("geo")) == ["join"]
        assert "edit geo as text" in text(pilot)
        assert (tmp_path / "seen").read_text().startswith("# What these jobs wait for outside of this text")
        screen.canvas.set_marks(list(screen.draft.jobs))
        await pilot.press("E")
        await pilot.pause()
        assert (tmp_path / "seen").read_text().startswith("name: etl-nightly")  # nobody is outside
        screen.canvas.clear_marks()
        monkeypatch.setenv("EDITOR", "false")
        await pilot.press("E")
        await pilot.pause()
        assert "ended with status 1; nothing taken over, E tries again" in text(pilot)
        monkeypatch.setenv("EDITOR", "/does/not/exist")
        await pilot.press("E")
        await pilot.pause()
        assert "could not be started" in text(pilot)


async def test_without_a_terminal_to_lend_the_editor_is_refused() -> None:
    async with composing(draft=read_text(YAML).draft) as (pilot, _):
        await pilot.press("E")
        await pilot.pause()
        assert "cannot be lent to an editor; e edits here" in text(pilot)


async def test_export_writes_every_form_and_asks_before_it_overwrites(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with composing(draft=read_text(YAML).draft) as (pilot, _):
        for form in FORMS:
            await pilot.press("w")
            await pilot.pause()
            await type_text(pilot, form if form != "dot" else "graphviz")
            await pilot.press("enter")
            await pilot.pause()
            await pilot.press("enter")
            await pilot.pause()
        assert sorted(name.rpartition(".")[2] for name in os.listdir(tmp_path) if name.startswith("etl")) == [
            "dot",
            "json",
            "mmd",
            "py",
            "yaml",
        ]
        await pilot.press("w", "enter")
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert "exists; enter again overwrites it" in text(pilot)


# ---- forms -----------------------------------------------------------------------------------------------------------


def shape(draft: Draft) -> tuple[set[str], set[tuple[str, str]]]:
    return (
        {job.name for job in draft.jobs.values()},
        {(draft.name(up), draft.name(down)) for up, down in draft.links},
    )


@pytest.mark.parametrize("form", ["yaml", "json", "mermaid", "dot"])
def test_what_is_exported_can_be_imported(form: str) -> None:
    draft = read_text(YAML).draft
    draft.edit(["clean", "geo"], group="both")
    again = read_text(export(draft, form)).draft
    assert shape(again) == shape(draft)
    assert [job.task for job in again.jobs.values()] == [job.task for job in draft.jobs.values()] or form in (
        "mermaid",
        "dot",
    )
    assert {job.name: job.group for job in again.jobs.values()} == {
        job.name: job.group for job in draft.jobs.values()
    }


def test_the_python_script_runs_and_submits_the_same_flow(tmp_path: Path) -> None:
    draft = read_text(YAML).draft
    draft.edit(["geo"], name="class", kwargs={"deep": [{"$": "${jobs.fetch.result.rows[0]}"}], "s": "it's"})
    script = tmp_path / "flow.py"
    script.write_text(export(draft, "python"))
    check = (
        "import runpy, asyncio, core, json\n"
        "got = {}\n"
        "class Fake:\n"
        "    def __init__(self, *a): pass\n"
        "    async def add_flow(self, queue, jobs, name=None):\n"
        "        got.update(queue=queue, name=name, jobs=[j.to_dict() for j in jobs]); return [j.id for j in jobs]\n"
        "core.FlowProducer = Fake\n"
        f"runpy.run_path({str(script)!r}, run_name='__main__')\n"
        "print('\\x00' + json.dumps(got))\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", check],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    got = json.loads(done.stdout.partition("\0")[2])
    assert (got["queue"], got["name"]) == ("etl", "etl-nightly")
    ids = {job["id"]: job["name"] for job in got["jobs"]}
    assert [(job["name"], job["task_id"], [ids[up] for up in job["depends_on"]]) for job in got["jobs"]] == [
        ("fetch", "app.fetch", []),
        ("clean", "app.clean", ["fetch"]),
        ("class", "app.geo", ["fetch"]),
        ("join", "app.join", ["clean", "class"]),
    ]
    made = dict(zip([job["name"] for job in got["jobs"]], got["jobs"], strict=True))
    fetch = made["fetch"]["id"]
    assert made["class"]["kwargs"] == {"deep": [{"$": {"$result": fetch, "path": ["rows", 0]}}], "s": "it's"}
    assert made["class"]["timeout"] == 300.0


def test_mermaid_as_people_write_it() -> None:
    draft = read_text(
        "---\ntitle: x\n---\n"
        "%% a comment\n"
        "graph TD;\n"
        '  A["say &quot;hi&quot;"] -->|yes| B(go on)\n'
        "  B --- C{{six}} & D((round)); C -.-> E>flag]\n"
        "  D ==> E:::loud\n"
        "  E -- some text --> F-1\n"
        "  classDef loud fill:#f00\n"
        "  subgraph late [Later on]\n    G[(store)] --> H[[sub]]\n  end\n"
        "  click A callback\n"
    ).draft
    assert shape(draft) == (
        {'say "hi"', "go on", "six", "round", "flag", "F-1", "store", "sub"},
        {
            ('say "hi"', "go on"),
            ("go on", "six"),
            ("go on", "round"),
            ("six", "flag"),
            ("round", "flag"),
            ("flag", "F-1"),
            ("store", "sub"),
        },
    )
    assert {job.group for job in draft.jobs.values() if job.name in ("store", "sub")} == {"Later on"}


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("flowchart LR\n  a --> \n", "x:2:"),
        ("flowchart LR\n  a ~~ b\n", "expected an arrow"),
        ("flowchart LR\n", "no nodes in it"),
        ("digraph { a -> ; }", "expected a name"),
        ("digraph { a -> b", "closing '}' is missing"),
        ("", "empty"),
        ("jobs: {}", "jobs"),
        ("x" * 5_000_001, "larger than"),
    ],
)
def test_text_that_is_no_flow_says_why(source: str, said: str) -> None:
    with pytest.raises(InvalidFlowFile, match=r".") as caught:
        read_text(source, "x")
    assert said in str(caught.value)


async def test_two_hundred_jobs_of_mermaid_are_imported_their_cycle_found_cut_and_submitted(
    tmp_path: Path,
) -> None:
    lines = ["flowchart LR"]
    lines += [f"  j{(i - 1) // 3} --> j{i}" for i in range(1, 200)]
    lines.append("  j150 --> j5")  # an ancestor of it
    target = 150
    while target > 5:
        target = (target - 1) // 3
    assert target == 5
    path = tmp_path / "big.mmd"
    path.write_text("\n".join(lines))
    async with composing(file=str(path), size=(120, 36)) as (pilot, screen):
        assert len(screen.draft.jobs) == 200
        assert "has a cycle: X cuts its newest link" in text(pilot)
        await pilot.press("s")
        await pilot.pause()
        assert "Submit is blocked" in text(pilot)
        await pilot.press("escape", "X")
        await pilot.pause()
        assert ("j150", "j5") not in {
            (screen.draft.name(a), screen.draft.name(b)) for a, b in screen.draft.links
        }
        await pilot.press("s")
        await pilot.pause()
        await pilot.press("enter")
        for _ in range(200):
            await pilot.pause(0.02)
            if pilot.app.current_mode == "live":
                break
        assert screen.flowtui.backend is not None
        (flow,) = await screen.flowtui.backend.list_flows("default")
        assert flow.total == 200


# ---- what people type where a path is asked for, and what a disk may do ----------------------------------------------


@pytest.mark.parametrize(
    "typed", ["~nobody-here/x.yaml", "x" * 300, "loop", "locked/x.yaml", "folder", "a\0b"]
)
@pytest.mark.parametrize("key", ["ctrl+o", "f12", "w"])
async def test_a_path_that_leads_nowhere_is_said_and_stops_nothing(
    key: str, typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "locked").touch()
    async with composing(draft=read_text(YAML).draft) as (pilot, screen):
        await pilot.press(key)
        await pilot.pause()
        if key == "w":
            await pilot.press("enter")
            await until(pilot, lambda: screen.query_one(Prompt).is_open)
        field = pilot.app.screen.focused
        assert isinstance(field, Input)
        field.value = typed
        await pilot.pause()
        await pilot.press("enter", "enter")
        await pilot.pause()
        if key != "ctrl+o" and typed in ("folder", "locked/x.yaml"):
            assert "cannot be written" in text(pilot)
        assert len(screen.draft.jobs) == 4


async def test_a_folder_that_may_not_be_read_hides_no_files_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("closed", "open"):
        (tmp_path / name).mkdir()
    (tmp_path / "open" / "mine.yaml").write_text(YAML)
    real = Path.iterdir

    def iterdir(self: Path) -> object:
        if self.name == "closed":
            raise PermissionError(13, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    async with composing() as (pilot, _):
        await pilot.press("ctrl+o")
        await until(pilot, lambda: "open/mine.yaml" in text(pilot))
        await type_text(pilot, "closed")
        await pilot.pause()
        assert "no such file here" in text(pilot)


async def test_a_draft_that_cannot_be_kept_is_said_and_not_left_without_asking(
    own_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    async with composing(draft=read_text(YAML).draft) as (pilot, screen):
        monkeypatch.setattr("flowtui.keeping.write", full)
        screen.draft.edit(["geo"], priority=1)
        screen.changed()
        screen.keep()
        await pilot.pause()
        assert "this draft cannot be kept, ctrl+s saves it: No space left on device" in text(pilot)
        assert "not kept either" in screen.why_stay()
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert len(screen.draft.jobs) == 4
        assert "it would be lost" in text(pilot)
        await pilot.press("ctrl+n")
        await pilot.pause()
        assert not screen.draft.jobs


async def test_what_was_typed_in_the_editor_is_not_lost_to_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    seen = tmp_path / "seen"
    script = tmp_path / "editor.py"
    script.write_text(
        "import sys; p = sys.argv[1]; t = open(p).read(); open(p, 'w').write(t + 'broken: [1')\n"
    )
    monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")
    async with composing(draft=read_text(YAML).draft) as (pilot, screen):
        monkeypatch.setattr(pilot.app, "suspend", nullcontext)
        screen.canvas.cursor = "geo"
        await pilot.press("E")
        await until(pilot, lambda: isinstance(pilot.app.screen, TellScreen))
        assert "E goes on with it" in text(pilot)
        await pilot.press("escape")
        script.write_text(
            f"import sys; p = sys.argv[1]; t = open(p).read(); open({str(seen)!r}, 'w').write(t)\n"
            "open(p, 'w').write(t.replace('broken: [1', '').replace('app.geo', 'app.better'))\n"
        )
        await pilot.press("E")
        await until(pilot, lambda: screen.draft.jobs["geo"].task == "app.better")
        assert seen.read_text().endswith("broken: [1")
        await pilot.press("u", "E")
        await until(pilot, lambda: screen.draft.jobs["geo"].task == "app.better")
        assert "broken" not in seen.read_text()


async def test_a_text_that_was_emptied_in_the_editor_starts_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    seen = tmp_path / "seen"
    script = tmp_path / "editor.py"
    script.write_text(
        f"import sys; p = sys.argv[1]; open({str(seen)!r}, 'a').write(open(p).read() + '---\\n'); open(p, 'w')\n"
    )
    monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")
    async with composing(draft=read_text(YAML).draft) as (pilot, screen):
        monkeypatch.setattr(pilot.app, "suspend", nullcontext)
        screen.canvas.cursor = "geo"
        for _ in range(2):
            await pilot.press("E")
            await until(pilot, lambda: isinstance(pilot.app.screen, TellScreen))
            assert "emptied it starts again" in text(pilot)
            await pilot.press("escape")
    assert seen.read_text().count("task: app.geo") == 2


async def test_an_export_holds_what_only_the_file_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        YAML.replace("queue: etl", "queue: etl\ndescription: for readers") + "    description: why\n"
    )
    monkeypatch.chdir(tmp_path)
    async with composing(file=str(path)) as (pilot, screen):
        await pilot.press("asterisk", "r")
        await type_text(pilot, "x")
        await pilot.press("enter")
        for form in ("yaml", "json"):
            await pilot.press("w")
            await type_text(pilot, form)
            await pilot.press("enter")
            await pilot.pause()
            await pilot.press("enter")
            await until(pilot, lambda form=form: (tmp_path / f"etl-nightly.{form}").exists())
        assert len(screen.draft.jobs) == 4
    assert "# from the bucket" in (tmp_path / "etl-nightly.yaml").read_text()
    written = json.loads((tmp_path / "etl-nightly.json").read_text())
    assert written["description"] == "for readers"
    assert written["jobs"]["join"]["description"] == "why"


async def test_what_was_left_for_another_file_is_said_and_opening_is_no_step(tmp_path: Path) -> None:
    path, drawing = tmp_path / "etl.yaml", tmp_path / "drawn.mmd"
    path.write_text(YAML)
    drawing.write_text("flowchart LR\n  a --> b\n")
    async with composing() as (pilot, screen):
        screen.open_file(path)
        await until(pilot, lambda: "opened etl.yaml: 4 jobs, 4 links" in text(pilot))
        assert "R brings" not in text(pilot)
        await pilot.press("u")
        await until(pilot, lambda: "nothing to undo yet; u takes the last change back" in text(pilot))
        await pilot.press("Y")
        screen.open_file(drawing)
        await until(
            pilot, lambda: "opened drawn.mmd: 2 jobs, 1 link; R brings the last one back" in text(pilot)
        )
        assert screen.draft.settings.name == "drawn"
        assert not screen.draft.steps
        await pilot.press("R")
        await until(pilot, lambda: len(screen.draft.jobs) == 5)


async def test_an_editor_that_leaves_no_file_and_a_folder_that_takes_none_are_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from contextlib import nullcontext

    monkeypatch.setenv("VISUAL", "rm")
    async with composing(draft=read_text(YAML).draft) as (pilot, screen):
        monkeypatch.setattr(pilot.app, "suspend", nullcontext)
        await pilot.press("E")
        await until(pilot, lambda: "not read back, E tries again: No such file or directory" in text(pilot))
        monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
        await pilot.press("E")
        await until(pilot, lambda: "no file can be made for an editor" in text(pilot))
        assert len(screen.draft.jobs) == 4


async def test_a_flows_name_and_queue_are_taken_over_from_the_editor_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contextlib import nullcontext

    script = tmp_path / "editor.py"
    script.write_text(
        "import sys; p = sys.argv[1]; t = open(p).read(); open(p, 'w').write(t.replace('queue: etl', 'queue: night'))\n"
    )
    monkeypatch.setenv("VISUAL", f"{sys.executable} {script}")
    async with composing(draft=read_text(YAML).draft) as (pilot, screen):
        monkeypatch.setattr(pilot.app, "suspend", nullcontext)
        await pilot.press("E")
        await until(pilot, lambda: screen.draft.settings.queue == "night")
        await pilot.press("u")
        await until(pilot, lambda: screen.draft.settings.queue == "etl")


@pytest.mark.parametrize("head", [b"\xef\xbb\xbf", b""])
@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
async def test_a_file_keeps_its_byte_order_mark_and_its_line_ends(
    head: bytes, end: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "etl.yaml"
    path.write_bytes(head + YAML.encode().replace(b"\n", end))
    async with composing(file=str(path)) as (pilot, screen):
        before = path.read_bytes()
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert path.read_bytes() == before
        screen.draft.edit(["geo"], priority=1)
        screen.changed()
        await pilot.press("ctrl+s")
        await until(pilot, lambda: path.read_bytes() != before)
    after = path.read_bytes()
    assert after.startswith(head + b"# Nightly.")
    assert after.count(b"\n") == after.count(end)


def test_a_script_calls_no_job_by_a_name_that_it_needs_itself(tmp_path: Path) -> None:
    names = ("print", "asyncio", "main", "ids", "Job", "class", "None", "1st", "日本", "a\nb", "a-b", "a b")
    draft = Draft()
    draft.insert([DraftJob(name, "t.x") for name in names], [(0, 1)], step="made")
    script = tmp_path / "flow.py"
    script.write_text(export(draft, "python"))
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(root), "FLOWTUI_URL": "memory://"},
    )
    assert len(done.stdout.split()) == len(names)
