"""A window with something to read."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from flowtui.widgets.bars import FooterBar


class TellScreen(ModalScreen[None]):
    """Show a text, which has passed `safe()`; any of the usual keys closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q,space", "close", show=False)]
    context = "tell"

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self.caption, self.text = title, text

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = Content(self.caption)
            with VerticalScroll():
                yield Static(Content(self.text))
            yield FooterBar(only=(("↑↓", "scroll"), ("esc", "close")))

    def action_close(self) -> None:
        self.dismiss(None)
