"""A list of lines to choose from, headings between them; any number of lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.content import Content
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip

from flowtui.scrolled import SteadyView, painted, size_up


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what is found by typing (`label`), what explains it, what stands at the right. All of it safe text.

    A heading has an empty id and cannot be chosen. `style` is of the label, `lead` a glyph before it with its style.
    """

    id: str
    label: str
    detail: str = ""
    right: str = ""
    style: str = ""
    lead: tuple[str, str] | None = None
    letters: tuple[int, ...] = ()
    """Which characters of the label were searched for."""


class ChoiceList(SteadyView, can_focus=True):
    """Lines with one of them under the cursor; keys are the business of whoever holds the list."""

    ALLOW_SELECT = False
    DEFAULT_CSS: ClassVar[str] = """
    ChoiceList {
        background: transparent; scrollbar-size-vertical: 1; overflow-x: hidden; height: auto; max-height: 100%;
    }
    """
    cursor: reactive[int] = reactive(-1)

    class Chosen(Message):
        """A line was clicked."""

        def __init__(self, list: ChoiceList, row_id: str) -> None:
            super().__init__()
            self.list = list
            self.row_id = row_id

    class Moved(Message):
        """Another line is under the cursor."""

        def __init__(self, list: ChoiceList, row_id: str | None) -> None:
            super().__init__()
            self.list = list
            self.row_id = row_id

    def __init__(
        self,
        rows: Sequence[Row] = (),
        *,
        label_width: int | None = None,
        most: int | None = None,
        id: str | None = None,
        can_focus: bool = False,
    ) -> None:
        super().__init__(id=id)
        self.can_focus = can_focus
        self.rows: list[Row] = list(rows)
        self.most = most
        """Lines that can be seen at once at most, where that is known before it is laid out."""
        self.label_width = label_width
        """Cells of the labels' column; None fits the longest."""

    def on_mount(self) -> None:
        self.show(self.rows)

    def show(self, rows: Sequence[Row], start: str | None = None) -> None:
        """Show other lines, the cursor on `start`, else on the first that can be chosen."""
        lines, self.rows = len(self.rows), list(rows)
        if self.most is not None:
            self.show_vertical_scrollbar = self.vertical_scrollbar.display = len(self.rows) > self.most
        size_up(self, Size(self.size.width, len(self.rows)))
        index = next((i for i, row in enumerate(self.rows) if row.id and row.id == start), None)
        if index is None:
            index = next((i for i, row in enumerate(self.rows) if row.id), -1)
        if index == self.cursor:
            self.post_message(self.Moved(self, self.chosen))
        self.cursor = index
        self.refresh(layout=len(self.rows) != lines)
        self._reveal()

    def get_content_width(self, container: Size, viewport: Size) -> int:
        wide = self._label_cells()
        return max((wide + cell_len(row.detail) + cell_len(row.right) + 6 for row in self.rows), default=10)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(len(self.rows), 1)

    @property
    def chosen(self) -> str | None:
        """The id of the line under the cursor."""
        return self.rows[self.cursor].id if 0 <= self.cursor < len(self.rows) else None

    def step(self, by: int) -> None:
        """Move the cursor by so many lines that can be chosen; it stops at the ends."""
        places = [i for i, row in enumerate(self.rows) if row.id]
        if not places:
            return
        here = places.index(self.cursor) if self.cursor in places else 0
        self.cursor = places[min(max(here + by, 0), len(places) - 1)]

    def watch_cursor(self, old: int, new: int) -> None:
        if old != new:
            self.refresh()
            self._reveal()
            self.post_message(self.Moved(self, self.chosen))

    def _reveal(self) -> None:
        if self.cursor < 0 or not self.size.height:
            return
        # A heading right above the cursor is part of what the line says.
        top = self.cursor
        while top > 0 and not self.rows[top - 1].id:
            top -= 1
        self.scroll_to_region(
            Region(0, top, 1, self.cursor - top + 1), animate=False, force=True, immediate=True
        )

    def on_resize(self) -> None:
        size_up(self, Size(self.size.width, len(self.rows)), has_room=True)
        self._reveal()

    def cut(self, row: Row) -> str:
        """The whole of a line that does not fit, or nothing."""
        cells = self._label_cells() + 2 + cell_len(row.detail) if row.detail else _label(row)
        whole = f"{row.label}  {row.detail}" if row.detail else row.label
        return whole if row.id and cells > self._room(row, self.size.width) else ""

    @staticmethod
    def _room(row: Row, width: int) -> int:
        return width - 2 - (cell_len(row.right) + 2 if row.right else 0)

    def _label_cells(self) -> int:
        if self.label_width is not None:
            return self.label_width
        widest = max((_label(row) for row in self.rows if row.id and row.detail), default=0)
        return min(widest, 34)

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        width = self.size.width
        base = self.visual_style
        if index >= len(self.rows):
            return Strip([Segment(" " * width, base.rich_style)], width)
        content = self._content(self.rows[index], width, index == self.cursor)
        return painted(self, content, width, base)

    def _content(self, row: Row, width: int, here: bool) -> Content:
        if not row.id:
            return Content.styled(f" {row.label}", "bold $primary").truncate(width, ellipsis=True)
        label = Content.styled(row.label, row.style)
        for at in row.letters:
            label = label.stylize("bold $accent", at, at + 1)
        if row.lead is not None:
            label = Content.assemble(row.lead, " ", label)
        if row.detail:
            gap = max(self._label_cells() - label.cell_length, 0) + 2
            label = Content.assemble(label, " " * gap, (row.detail, "$foreground-muted"))
        label = label.truncate(max(self._room(row, width), 0), ellipsis=True, pad=True)
        parts: list[tuple[str, str] | Content | str] = [("▌" if here else " ", "$primary"), label]
        if row.right:
            parts.append((f" {row.right} ", "bold $primary"))
        content = Content.assemble(*parts).truncate(width, pad=True)
        return content.stylize_before("bold on $primary 22%") if here else content

    def on_click(self, event: events.Click) -> None:
        index = event.y + self.scroll_offset.y
        if 0 <= index < len(self.rows) and self.rows[index].id:
            self.cursor = index
            self.post_message(self.Chosen(self, self.rows[index].id))


def _label(row: Row) -> int:
    return cell_len(row.label) + (cell_len(row.lead[0]) + 1 if row.lead else 0)
