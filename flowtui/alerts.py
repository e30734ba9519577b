"""Says when a flow that was opened has ended: always on screen, and by a bell or on the desktop where asked for."""

from __future__ import annotations

import os
from typing import Final

from textual.app import App

from flowtui.board import Board, FlowBoard
from flowtui.states import glyph
from flowtui.text import safe
from flowtui.times import duration

VARIABLE: Final = "FLOWTUI_ALERT"
"""Names what is wanted besides: "bell", "desktop" (OSC 9 and 777, which many terminals turn into notices), or both."""


def wanted() -> frozenset[str]:
    """What the user asked for."""
    return frozenset(os.environ.get(VARIABLE, "").replace(",", " ").lower().split())


def sentence(flow: FlowBoard) -> str:
    """What happened: "etl-nightly failed after 12.4s: 2 of 7 jobs failed"."""
    took = duration(flow.elapsed(flow.finished_at or 0.0))
    text = f"{safe(flow.name, 40)} {flow.state}" + (f" after {took}" if took else "")
    failed = flow.counts["failed"] + flow.counts["expired"]
    if failed:
        text += f": {failed:,} of {flow.total:,} jobs failed"
    return text


def announce(app: App[None], board: Board) -> None:
    """Tell about every flow that has ended since the last call."""
    ended, board.ended = board.ended, []
    for flow in ended:
        text = sentence(flow)
        bad = str(flow.state) != "completed"
        app.notify(
            text,
            title=f"{glyph(str(flow.state))} {safe(flow.queue, 40)}",
            severity="error" if bad else "information",
            markup=False,
        )
        how = wanted()
        if "bell" in how:
            app.bell()
        if "desktop" in how:
            desktop(app, text)


def desktop(app: App[None], text: str) -> None:
    """Ask the terminal to show a notice. `text` is safe: nothing in it can end the sequence."""
    driver = app._driver
    if driver is not None:
        driver.write(f"\x1b]9;flowtui: {text}\x07")
        driver.write(f"\x1b]777;notify;flowtui;{text.replace(';', ',')}\x07")
