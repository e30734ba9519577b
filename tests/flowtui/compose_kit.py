"""Driving Compose by keys, and reading the screen as plain text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from engine_kit import settled as settled
from textual.pilot import Pilot

from flowtui.app import FlowtuiApp
from flowtui.draft import Draft
from flowtui.screens.compose import ComposeScreen

DIAMOND = ("a", "app.fetch", "a", "app.clean", "o", "app.geo")
_NAMES = {
    " ": "space", ".": "full_stop", "[": "left_square_bracket", "]": "right_square_bracket", '"': "quotation_mark",
    "{": "left_curly_bracket", "}": "right_curly_bracket", ":": "colon", "-": "minus", "$": "dollar_sign",
    "_": "underscore", ",": "comma", "/": "slash", "=": "equals_sign", "@": "at", "(": "left_parenthesis",
    ")": "right_parenthesis", "?": "question_mark", "!": "exclamation_mark", "*": "asterisk", "|": "vertical_line",
}  # fmt: skip


@asynccontextmanager
async def composing(
    size: tuple[int, int] = (80, 24), *, draft: Draft | None = None, **options: Any
) -> AsyncIterator[tuple[Pilot[None], ComposeScreen]]:
    """The app on an engine in memory, in Compose."""
    options.setdefault("start_worker", False)
    app = FlowtuiApp("memory://", **options)
    async with app.run_test(size=size) as pilot:
        await connected(pilot)
        screen = compose(pilot)
        if draft is not None:
            screen.take(draft)
            screen.changed(fresh=True)
            await pilot.pause()
        yield pilot, screen


def compose(pilot: Pilot[None]) -> ComposeScreen:
    """The Compose screen, also below a window."""
    app = pilot.app
    assert isinstance(app, FlowtuiApp)
    screen = app._screen_stacks["compose"][0]
    assert isinstance(screen, ComposeScreen)
    return screen


async def connected(pilot: Pilot[None]) -> None:
    """Wait until the app knows what the engine holds."""
    app = pilot.app
    assert isinstance(app, FlowtuiApp)
    await until(pilot, lambda: app.feed is not None and app.feed.board.at > 0)


async def until(pilot: Pilot[None], holds: Any, tries: int = 1500) -> None:
    """Wait until something is so."""
    for _ in range(tries):
        if holds():
            await pilot.pause()
            return
        await pilot.pause(0.02)
    raise AssertionError(f"it never came to be; on screen:\n{text(pilot)}")


async def type_text(pilot: Pilot[None], text: str) -> None:
    """Type characters."""
    await pilot.press(*[_NAMES.get(char, char) for char in text])


async def add(pilot: Pilot[None], key: str, line: str) -> None:
    """`a`, `o`, ... and the line, and enter."""
    await pilot.press(key)
    await pilot.pause()
    await type_text(pilot, line)
    await pilot.press("enter")
    await pilot.pause()


def text(pilot: Pilot[None]) -> str:
    """The screen as it is, without colours and trailing blanks."""
    app = pilot.app
    height = app.size.height
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in line).rstrip() for line in lines[:height])


def names(screen: ComposeScreen) -> list[str]:
    """The jobs by name."""
    return [job.name for job in screen.draft.jobs.values()]


def links(screen: ComposeScreen) -> list[str]:
    """The links as `a → b`."""
    return [f"{screen.draft.name(up)} → {screen.draft.name(down)}" for up, down in screen.draft.links]
