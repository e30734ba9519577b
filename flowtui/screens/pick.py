"""A window with a list to choose from, filtered by typing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from flowtui.fuzzy import best
from flowtui.widgets.bars import Line
from flowtui.widgets.choice import ChoiceList, Row

__all__ = ["PickScreen", "Row"]
MOST = 5
"""Rows for the whole of a line that is cut."""


class PickScreen(ModalScreen[str | None]):
    """Ask for one of `rows`; answers with its id, or None.

    `moved` is called with the id of the line under the cursor, for a preview. `typed` may add lines for what was typed.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", show=False),
        Binding("down,ctrl+n,tab", "step(1)", show=False),
        Binding("up,ctrl+p,shift+tab", "step(-1)", show=False),
        Binding("pagedown", "step(10)", show=False),
        Binding("pageup", "step(-10)", show=False),
    ]
    context = "pick"

    def __init__(
        self,
        title: str,
        rows: Sequence[Row],
        *,
        start: str | None = None,
        moved: Callable[[str | None], None] | None = None,
        placeholder: str = "type to filter",
        hint: str = "enter chooses · ↑↓ move · esc closes",
        nothing: str = "nothing matches",
    ) -> None:
        super().__init__()
        self.caption = title
        self.all_rows = list(rows)
        self.start = start
        self.moved = moved
        self.placeholder = placeholder
        self.hint = hint
        self.nothing = nothing
        self._shown = ""

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = Content(self.caption)
            yield Input(placeholder=self.placeholder, id="wanted")
            yield ChoiceList(self.all_rows)
            with Vertical(id="foot"):
                yield Static(id="whole", markup=False)
                yield Line()

    def on_mount(self) -> None:
        self.query_one(ChoiceList).show(self.all_rows, self.start)
        self._hint(bool(self.all_rows))

    def _hint(self, found: bool) -> None:
        self.query_one(Line).show(self.hint if found else f"{self.nothing} · esc closes")

    def found(self, wanted: str) -> list[Row]:
        """The rows for what was typed: all of them under their headings, or the best first without headings."""
        if not wanted:
            return self.all_rows
        rows = [row for row in self.all_rows if row.id]
        hits = [replace(row, letters=letters) for row, letters in best(wanted, rows, lambda row: row.label)]
        named = {row.id for row in hits}
        low = wanted.casefold()
        hits.extend(row for row in rows if row.id not in named and low in row.detail.casefold())
        return hits

    @on(Input.Changed, "#wanted")
    def _filter(self) -> None:
        typed = self.query_one("#wanted", Input).value
        if typed == self._shown:
            return
        self._shown = typed
        rows = self.found(typed.strip())
        choice = self.query_one(ChoiceList)
        choice.show(rows, choice.chosen if not typed else None)
        self._hint(bool(rows))

    @on(Input.Submitted, "#wanted")
    def _entered(self) -> None:
        self.action_choose()

    @on(ChoiceList.Moved)
    def _moved(self, event: ChoiceList.Moved) -> None:
        self._tell_whole()
        if self.moved is not None:
            self.moved(event.row_id)

    def on_resize(self) -> None:
        self.call_after_refresh(self._tell_whole)

    def _tell_whole(self) -> None:
        """Below the list stands all of the line under the cursor, where lines of the list are cut."""
        choice, whole = self.query_one(ChoiceList), self.query_one("#whole", Static)
        width = max(choice.size.width - 2, 1)
        # As many rows as the longest needs, so that the window does not jump under the cursor.
        rows = max((-(-cell_len(choice.cut(row)) // width) for row in self.all_rows), default=0)
        here = next((row for row in choice.rows if row.id and row.id == choice.chosen), None)
        # Words are not broken: it may take more than its letters do. What is too much ends with a sign.
        text = choice.cut(here) if here is not None else ""
        lines = Content(text).wrap(width) if text else []
        if len(lines) > MOST:
            lines[MOST - 1 :] = [Content(f"{lines[MOST - 1].plain} …").truncate(width, ellipsis=True)]
        rows = max(rows, len(lines))
        whole.display = rows > 0
        whole.styles.height = min(rows, MOST)
        whole.update(Content("\n").join(lines))

    @on(ChoiceList.Chosen)
    def _clicked(self, event: ChoiceList.Chosen) -> None:
        self.choose(event.row_id)

    def choose(self, row_id: str) -> None:
        """Answer."""
        self.dismiss(row_id)

    def action_choose(self) -> None:
        self._filter()
        chosen = self.query_one(ChoiceList).chosen
        if chosen:
            self.choose(chosen)

    def action_step(self, by: int) -> None:
        self._filter()
        self.query_one(ChoiceList).step(by)

    def action_close(self) -> None:
        self.dismiss(None)


class MenuScreen(PickScreen):
    """Ask for one of a few things to do, by the keys of a list: there is no filter that could hide what was meant."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "step(1)", show=False),
        Binding("k", "step(-1)", show=False),
        Binding("enter", "choose", show=False),
    ]

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = Content(self.caption)
            yield ChoiceList(self.all_rows)
            with Vertical(id="foot"):
                yield Static(id="whole", markup=False)
                yield Line()

    def action_choose(self) -> None:
        chosen = self.query_one(ChoiceList).chosen
        if chosen:
            self.choose(chosen)

    def action_step(self, by: int) -> None:
        self.query_one(ChoiceList).step(by)
