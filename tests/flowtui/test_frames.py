"""What is written to the terminal shows the same as a whole screen would, and is little."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from compose_kit import composing, settled
from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from rich.style import Style
from textual._compositor import Compositor, CompositorUpdate, visible_screen_stack
from textual.app import App
from textual.content import Content
from textual.geometry import Size
from textual.strip import Strip

from flowtui.changes import DraftJob
from flowtui.draft import Draft
from flowtui.frames import UNSURE, Change, Frames, Shown
from flowtui.widgets.bars import Line

SEQUENCE = re.compile(r"\x1b\[(?P<at>\d+;\d+)H|\x1b\[(?P<style>[\d;]*)m|(?P<text>[^\x1b]+)", re.DOTALL)


def own_width(char: str) -> int:
    """Cells of a sign by the lights of many terminals, which look at each code point alone."""
    return 0 if char == "\ufe0f" else 2 if char in "🏻🏼🏽🏾🏿" else cell_len(char)


class Terminal:
    """What a terminal shows, and how much was written to it."""

    def __init__(self) -> None:
        self.cells: dict[tuple[int, int], tuple[str, str]] = {}
        self.written = 0

    def write(self, data: str) -> None:
        self.written += len(data.encode())
        x = y = 0
        style = ""
        end = 0
        for found in SEQUENCE.finditer(data):
            assert found.start() == end, data[end : found.start()]
            end = found.end()
            if at := found["at"]:
                y, x = (int(part) - 1 for part in at.split(";"))
            elif found["text"] is None:
                style = found["style"].removeprefix("0")
            else:
                for char in found["text"]:
                    width = own_width(char)
                    # Half of a wide sign is none.
                    if width and self.cells.get((y, x), ("x", ""))[0] == "":
                        self.cells[y, x - 1] = " ", style
                    for beside in range(width):
                        self.cells[y, x + beside] = "" if beside else char, style
                    if width and self.cells.get((y, x + width), ("x", ""))[0] == "":
                        self.cells[y, x + width] = " ", style
                    x += width
        assert end == len(data)


def attach(app: App[Any]) -> Terminal:
    """Show what `app` displays, which without a terminal it would not even make."""
    terminal, display = Terminal(), app._display

    def shown(screen: Any, update: Any) -> None:
        if isinstance(update, CompositorUpdate) and not app._batch_count:
            terminal.write(update.render_segments(app.console))
        display(screen, update)

    app._display = shown  # type: ignore[method-assign]
    return terminal


def whole(app: App[Any]) -> Terminal:
    """The screen as Textual itself would paint all of it."""
    terminal = Terminal()
    compositor = app.screen._compositor
    visible_screen_stack.set(app._background_screens)
    rows = Compositor._render_chops(compositor, compositor.size.region, lambda y: True)
    for y, row in enumerate(rows):
        terminal.write(Control.move_to(0, y).segment.text + Strip.join(row.values()).render(app.console))
    return terminal


EMOJI = ("👍🏽 skin", "❤️ heart", "plain", "a ✔️⚠️")


async def test_signs_to_which_the_terminal_gives_another_width_displace_nothing() -> None:
    draft = Draft()
    jobs = [DraftJob(name, "app.x") for name in EMOJI]
    draft.insert(jobs, [(0, 1), (0, 2), (1, 3), (2, 3)], step="begin")
    async with composing((130, 30), draft=draft) as (pilot, _):
        app = pilot.app
        terminal = attach(app)
        app.screen.refresh()
        for key in ("l", "h", "l", "j", "v", "j", "k", "j", "v", "h", "r", "escape", "j", "d", "u", "h"):
            await pilot.press(key)
            await settled(pilot)
            for y, line in enumerate(app.screen._compositor.render_strips()):
                # What the terminal makes of the signs themselves is its own affair.
                expected = UNSURE.sub(lambda found: "\0" * cell_len(found[0]), line.text)
                for x, char in enumerate(expected):
                    seen = terminal.cells[y, x][0]
                    assert char == "\0" or seen == char, (key, y, x, char, seen, line.text)


def large() -> Draft:
    draft = Draft()
    jobs = [DraftJob(f"job {n}{' 漢字' * (n % 3 == 1)}", f"app.task{n % 7}", [n]) for n in range(150)]
    links = [(n // 2, n) for n in range(1, 150)] + [(n, n + 40) for n in range(0, 100, 9)]
    draft.insert(jobs, links, step="begin")
    return draft


KEYS = (
    *("hjkl" * 3), *"aoAIrdDxuYpvznfmg*", "enter", "enter", "escape", "escape", "tab", "ctrl+r", "space",
    "question_mark", "1", "2", "3", "1", "t", "slash", "colon", "pagedown", "plus", "minus", "full_stop", "resize",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
async def test_after_any_key_the_terminal_shows_what_a_whole_screen_would(seed: int) -> None:
    chance = random.Random(seed)
    async with composing((110, 32), draft=large()) as (pilot, _):
        app = pilot.app
        terminal = attach(app)
        app.screen.refresh()
        await settled(pilot)
        done: list[str] = []
        for _ in range(40):
            done.append(chance.choice(KEYS))
            if done[-1] == "resize":
                await pilot.resize_terminal(chance.choice((90, 110)), chance.choice((28, 32)))
            else:
                await pilot.press(done[-1])
            await settled(pilot)
            assert isinstance(app.screen._compositor, Frames)
            expected = whole(app).cells
            seen = {at: terminal.cells.get(at) for at in expected}
            wrong = [at for at in expected if seen[at] != expected[at]]
            assert not wrong, (done, wrong[:5], [(seen[at], expected[at]) for at in wrong[:5]])


async def test_a_key_writes_a_small_part_of_the_screen() -> None:
    async with composing((160, 45), draft=large()) as (pilot, screen):
        await settled(pilot)
        full = whole(pilot.app).written
        terminal = attach(pilot.app)
        screen.refresh()
        await settled(pilot)
        shares = {}
        for key in ("j", "k", "space", "a", "escape"):
            terminal.written = 0
            await pilot.press(key)
            await settled(pilot)
            shares[key] = round(terminal.written / full, 2)
        assert max(shares.values()) < 0.4, shares


@pytest.mark.parametrize("key", ["", "ctrl+l"], ids=["coming back from another program", "ctrl+l"])
async def test_what_others_wrote_into_the_terminal_is_written_over(key: str) -> None:
    async with composing((80, 24), draft=large()) as (pilot, screen):
        terminal = attach(pilot.app)
        await settled(pilot)
        terminal.cells.clear()
        if key:
            await pilot.press(key)
        else:
            pilot.app._resume_signal()
            screen.refresh()
        await settled(pilot)
        assert terminal.cells == whole(pilot.app).cells


async def test_a_frame_that_a_batch_keeps_back_leaves_widgets_to_be_painted() -> None:
    async with composing((80, 24), draft=large()) as (pilot, screen):
        app = pilot.app
        terminal = attach(app)
        screen.refresh()
        await settled(pilot)
        line = screen.query_one("#here", Line)
        with app.batch_update():
            line.left = Content("told in a batch")
            screen._compositor._dirty_regions.add(screen.size.region)
            screen._compositor_refresh()
        await settled(pilot)
        assert terminal.cells == whole(app).cells
        row = [char for (y, _), (char, _) in sorted(terminal.cells.items()) if y == line.region.y]
        assert "told in a batch" in "".join(row)


@pytest.mark.parametrize("simplify", [False, True])
async def test_a_picture_of_the_screen_is_the_whole_screen(simplify: bool) -> None:
    async with composing((80, 24), draft=large()) as (pilot, screen):
        await settled(pilot)
        terminal = attach(pilot.app)
        screen.query_one("#here", Line).left = Content("told before")
        svg = pilot.app.export_screenshot(title="a picture", simplify=simplify)
        assert "a&#160;picture" in svg
        assert "told&#160;before" in svg
        assert "Compose]" in svg
        await settled(pilot)
        row = "".join(char for _, (char, _) in sorted(terminal.cells.items()))
        assert "told before" in row, "the picture took the place of the frame"


def test_only_the_cells_between_the_first_and_the_last_difference_are_written() -> None:
    shown, console = Shown(), Console(force_terminal=True, color_system="standard")
    plain, red = Style(color="white"), Style(color="red")

    def write(*parts: tuple[str, Style], height: int = 1) -> str:
        strip = Strip([Segment(*part) for part in parts])
        return Change(shown, Size(9, height), {0: {0: strip}}).render_segments(console)

    assert write(("one", plain), ("two", plain), ("six", plain)).count("one") == 1
    assert write(("one", plain), ("two", plain), ("six", plain)) == ""
    changed = write(("one", plain), ("two", red), ("six", plain))
    assert changed.startswith("\x1b[1;4H")
    assert ["two" in changed, "one" in changed, "six" in changed] == [True, False, False]
    assert "one" in write(("one", plain), ("two", red), ("six", plain), ("more", red))
    write(("one", plain))
    assert "one" in write(("one", plain), height=2)  # a terminal moves what it shows when it grows


def test_what_a_sign_of_unsure_width_may_run_over_is_written_again() -> None:
    shown, console = Shown(), Console(force_terminal=True, color_system="standard")

    def write(*pieces: str) -> str:
        row: dict[int, Strip | None] = {}
        for piece in pieces:
            words = [Segment(word) for word in piece.split("|")]
            row[sum(strip.cell_length for strip in row.values() if strip)] = Strip(words)
        return Change(shown, Size(9, 1), {0: row}).render_segments(console)

    write("a|bb|c", "d", "e")
    again = write("a|👍🏽|c", "d", "e")
    assert [char in again for char in "acde"] == [False, True, True, False]
    assert write("a|👍🏽|c", "d", "e") == ""
    assert [char in write("a|bb|c", "d", "e") for char in "acde"] == [False] * 4
