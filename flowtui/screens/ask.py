"""A question with two answers; the harmless one is the default."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from flowtui.widgets.bars import Clickable, click


class Answers(Static, Clickable):
    """The two answers, for the mouse too."""


class AskScreen(ModalScreen[bool]):
    """Ask before something that cannot be undone: says what will happen. Only `y` says yes, a held Enter does not.

    `title` and `text` are shown as they are, without markup; they must be safe.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", show=False),
        Binding("n,escape,q", "no", show=False),
    ]
    context = "ask"

    def __init__(self, title: str, text: str, *, yes: str = "yes", no: str = "no") -> None:
        super().__init__()
        self.caption, self.text, self.yes, self.no = title, text, yes, no

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = Content(self.caption)
            yield Static(Content(self.text))
            yield Answers(
                Content.assemble(
                    Content.assemble((" y ", "bold $warning"), (self.yes, "$foreground")).stylize(
                        click("yes")
                    ),
                    "     ",
                    Content.assemble((" n ", "bold $primary"), (self.no, "$foreground")).stylize(click("no")),
                ),
                id="answers",
            )

    def action_yes(self) -> None:
        self.dismiss(True)

    def action_no(self) -> None:
        self.dismiss(False)
