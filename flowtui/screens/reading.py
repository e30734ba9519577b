"""A window that stands while a large flow is read: nothing else is changed meanwhile, and esc stops it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from flowtui.widgets.bars import FooterBar

if TYPE_CHECKING:
    from flowtui.importing import Imported


class ReadingScreen(ModalScreen["Imported | Exception | None"]):
    """Answers with what was read, with why it could not be, or with None when it was stopped."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "stop", show=False)]
    context = "reading"

    def __init__(self, read: Callable[[], Imported], name: str) -> None:
        super().__init__()
        self.read, self.what = read, name

    def compose(self) -> ComposeResult:
        with Vertical(classes="window"):
            yield Static(Content(f"reading {self.what} …"))
            yield FooterBar(only=(("esc", "stop"),))

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()

        def work() -> None:
            found: Imported | Exception
            try:
                found = self.read()
            except Exception as error:  # what is no FlowError is a bug, which the app tells
                found = error
            with contextlib.suppress(RuntimeError):  # the app has ended meanwhile
                loop.call_soon_threadsafe(self._done, found)

        # Not a worker: who leaves the program does not wait for it.
        Thread(target=work, daemon=True, name="reading").start()

    def _done(self, found: Imported | Exception) -> None:
        if self.is_current:
            self.dismiss(found)

    def action_stop(self) -> None:
        """Leave it."""
        self.dismiss(None)
