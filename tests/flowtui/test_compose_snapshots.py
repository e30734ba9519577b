"""What Compose looks like: one picture for each state worth seeing.

`make snapshots` accepts the pictures as they are. They are looked at when they change.
"""

from __future__ import annotations

from typing import Any

import pytest
from compose_kit import compose, connected, settled, type_text
from textual.pilot import Pilot

from flowtui.app import FlowtuiApp
from flowtui.draft import Draft
from flowtui.importing import read_text
from flowtui.screens.edit import EditScreen

SIZES = [(80, 24), (120, 36), (200, 60)]
THEMES = ["flow-dark", "flow-light"]


def grid(test: Any) -> Any:
    """At every size, dark and light: the name of the picture says which."""
    each = [(size, theme) for size in SIZES for theme in THEMES]
    ids = [f"{width}x{height}-{theme.removeprefix('flow-')}" for (width, height), theme in each]
    return pytest.mark.parametrize(("size", "theme"), each, ids=ids)(test)


YAML = """\
name: etl-nightly
jobs:
  fetch: {task: app.fetch, args: ["s3://raw/2026-11-23"], timeout: 5m}
  clean: {task: app.clean, depends_on: [fetch], kwargs: {strict: true}}
  geo: {task: app.geo, depends_on: [fetch], args: ["eu", 10000], max_retries: 5, group: enrich}
  score: {task: app.score, depends_on: [fetch], delay: 30, group: enrich}
  join: {task: app.join, args: ["${jobs.clean.result}"], kwargs: {on: id}, depends_on: [clean, geo, score]}
  report: {task: app.report, depends_on: [join]}
  alarm: {task: app.alarm, trigger: one_failed, depends_on: [join]}
  build: {run: "make wheel -j4"}
"""


def etl(cycle: bool = False) -> Draft:
    draft = read_text(YAML).draft
    if cycle:
        draft.link(["report"], ["geo"])
    return draft


async def begin(pilot: Pilot[None], draft: Draft | None) -> Any:
    app = pilot.app
    assert isinstance(app, FlowtuiApp)
    await connected(pilot)
    screen = compose(pilot)
    if draft is not None:
        screen.take(draft)
        screen.changed(fresh=True)
        screen.canvas.cursor = "join"
        await pilot.pause()
    return screen


def app(theme: str) -> FlowtuiApp:
    return FlowtuiApp("memory://", start_worker=False, theme=theme)


@grid
def test_snapshot_empty(snap_compare: Any, size: tuple[int, int], theme: str) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await begin(pilot, None)
        await settled(pilot)

    assert snap_compare(app(theme), terminal_size=size, run_before=before)


@grid
def test_snapshot_small_flow(snap_compare: Any, size: tuple[int, int], theme: str) -> None:
    async def before(pilot: Pilot[None]) -> None:
        screen = await begin(pilot, etl())
        screen.canvas.set_marks(["clean", "geo"])
        await settled(pilot)

    assert snap_compare(app(theme), terminal_size=size, run_before=before)


@grid
def test_snapshot_connecting_would_close_a_cycle(
    snap_compare: Any, size: tuple[int, int], theme: str
) -> None:
    async def before(pilot: Pilot[None]) -> None:
        screen = await begin(pilot, etl())
        screen.canvas.cursor = "report"
        await pilot.press("c")
        await pilot.pause()
        screen.canvas.cursor = "geo"
        await settled(pilot)

    assert snap_compare(app(theme), terminal_size=size, run_before=before)


@grid
def test_snapshot_draft_with_a_cycle(snap_compare: Any, size: tuple[int, int], theme: str) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await begin(pilot, etl(cycle=True))
        await settled(pilot)

    assert snap_compare(app(theme), terminal_size=size, run_before=before)


@grid
def test_snapshot_form_with_a_json_error(snap_compare: Any, size: tuple[int, int], theme: str) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await begin(pilot, etl())
        await pilot.press("e")
        await pilot.pause()
        form = pilot.app.screen
        assert isinstance(form, EditScreen)
        for area in form.query("JsonArea"):
            area.cursor_blink = False  # type: ignore[attr-defined]
        for field in form.query("Input"):
            field.cursor_blink = False  # type: ignore[attr-defined]
        form.query_one("#f-kwargs").text = '{"on": "id",\n "how" inner}'  # type: ignore[attr-defined]
        form.query_one("#f-kwargs").focus()
        await settled(pilot)

    assert snap_compare(app(theme), terminal_size=size, run_before=before)


@grid
def test_snapshot_template_preview(snap_compare: Any, size: tuple[int, int], theme: str) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await begin(pilot, etl())
        await pilot.press("t")
        await pilot.pause()
        pilot.app.screen.query_one("Input").cursor_blink = False  # type: ignore[attr-defined]
        await type_text(pilot, "map 4")
        await settled(pilot)

    assert snap_compare(app(theme), terminal_size=size, run_before=before)


@grid
def test_snapshot_submit_preview(snap_compare: Any, size: tuple[int, int], theme: str) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await begin(pilot, etl())
        await pilot.press("s")
        await settled(pilot)

    assert snap_compare(app(theme), terminal_size=size, run_before=before)


@grid
def test_snapshot_problems(snap_compare: Any, size: tuple[int, int], theme: str) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await begin(pilot, etl(cycle=True))
        await pilot.press("s")
        await pilot.pause()
        pilot.app.screen.query_one("Input").cursor_blink = False  # type: ignore[attr-defined]
        await settled(pilot)

    assert snap_compare(app(theme), terminal_size=size, run_before=before)


@grid
def test_snapshot_outline(snap_compare: Any, size: tuple[int, int], theme: str) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await begin(pilot, etl())
        await pilot.press("v")
        await settled(pilot)

    assert snap_compare(app(theme), terminal_size=size, run_before=before)


@grid
def test_snapshot_adding(snap_compare: Any, size: tuple[int, int], theme: str) -> None:
    async def before(pilot: Pilot[None]) -> None:
        screen = await begin(pilot, etl())
        screen.query_one("#prompt Input").cursor_blink = False
        await pilot.press("a")
        await pilot.pause()
        await type_text(pilot, "app.r")
        await settled(pilot)

    assert snap_compare(app(theme), terminal_size=size, run_before=before)


@grid
@pytest.mark.parametrize("key", ["question_mark", "colon"], ids=["help", "palette"])
def test_snapshot_help_and_palette(snap_compare: Any, size: tuple[int, int], theme: str, key: str) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await begin(pilot, etl())
        await pilot.press(key)
        await pilot.pause()
        pilot.app.screen.query_one("Input").cursor_blink = False  # type: ignore[attr-defined]
        await settled(pilot)

    assert snap_compare(app(theme), terminal_size=size, run_before=before)
