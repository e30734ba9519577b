"""Compose: a flow as a graph, changed by single keys."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from flowtui.actions import bindings
from flowtui.dag.widget import GraphCanvas
from flowtui.draft import Draft
from flowtui.widgets.bars import Banner, FooterBar, Line, Rule, TopBar


class ComposeScreen(Screen[None]):
    """The flow being composed."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("compose")

    def __init__(self) -> None:
        super().__init__()
        self.draft = Draft()

    context = "compose"

    def compose(self) -> ComposeResult:
        yield TopBar("compose")
        yield Banner()
        yield GraphCanvas()
        yield Rule()
        yield Line(id="here")
        yield Line(id="status")
        yield FooterBar("compose")
