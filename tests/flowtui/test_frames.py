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
from textual.geometry import Size
from textual.strip import Strip

from flowtui.changes import DraftJob
from flowtui.draft import Draft
from flowtui.frames import Change, Frames, Shown

SEQUENCE = re.compile(r"\x1b\[(?P<at>\d+;\d+)H|\x1b\[(?P<style>[\d;]*)m|(?P<text>[^\x1b]+)", re.DOTALL)


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
                    self.cells[y, x] = char, style
                    for beside in range(1, cell_len(char)):
                        self.cells[y, x + beside] = "", style
                    x += cell_len(char)
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


def large() -> Draft:
    draft = Draft()
    jobs = [DraftJob(f"job {n}{' 漢字' * (n % 3)}", f"app.task{n % 7}", [n]) for n in range(150)]
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
