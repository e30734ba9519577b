"""Which rows a table holds, where its cursor is, and what is marked: the cursor stays with its row while data moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message

from flowtui.scrolled import SteadyView, size_up
from flowtui.widgets.cells import Row


class RowList(SteadyView, can_focus=True):
    """A window of rows of a list that may be far longer, under a header of one line. It does not know how rows look."""

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "step(1)", "down", show=False),
        Binding("k,up", "step(-1)", "up", show=False),
        Binding("home", "go(0)", "first", show=False),
        Binding("end", "go(-1)", "last", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "page down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "page up", show=False),
        Binding("enter", "open", "open", show=False),
    ]

    class CursorMoved(Message):
        """The cursor is on another row; `row_id` is None where that row is not known yet, or there is none."""

        def __init__(self, table: RowList, row_id: str | None) -> None:
            super().__init__()
            self.table, self.row_id = table, row_id

        @property
        def control(self) -> RowList:
            return self.table

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RowList.CursorMoved) and message.table is self.table

    class Opened(Message):
        """Enter or a double click on a row."""

        def __init__(self, table: RowList, row_id: str) -> None:
            super().__init__()
            self.table, self.row_id = table, row_id

        @property
        def control(self) -> RowList:
            return self.table

    class MarksChanged(Message):
        """Other rows are marked than before."""

        def __init__(self, table: RowList) -> None:
            super().__init__()
            self.table = table

        @property
        def control(self) -> RowList:
            return self.table

    class RowsWanted(Message):
        """Rows from `start` on are on screen, or soon will be, and are not known."""

        def __init__(self, table: RowList, start: int, count: int) -> None:
            super().__init__()
            self.table, self.start, self.count = table, start, count

        @property
        def control(self) -> RowList:
            return self.table

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, RowList.RowsWanted) and message.table is self.table

    def __init__(
        self, *, empty: str = "nothing here", id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.empty = empty
        self.total = 0
        self.start = 0
        self.rows: list[Row] = []
        self.cursor = 0
        self.cursor_id: str | None = None
        self._make: Callable[[str], Row] | None = None
        self._ids: Sequence[str] = ()
        self._index: dict[str, int] = {}
        self._marks: dict[str, None] = {}

    # ---- rows ----------------------------------------------------------------------------------------------------

    def set_rows(self, rows: Sequence[Row], *, start: int = 0, total: int | None = None) -> None:
        """Show `rows`, which are those from `start` on of `total`. The cursor stays with its row's id.

        Where that row has gone, the cursor goes to the next of the old rows that is still there.
        """
        before, old_start, old_cursor = self.rows, self.start, self.cursor
        same = (
            old_start == start
            and len(before) == len(rows)
            and all(a.id == b.id for a, b in zip(before, rows, strict=True))
        )
        self.rows = list(rows)
        self.start = start
        old_total, self.total = self.total, max(total if total is not None else start + len(rows), 0)
        if same:
            changed = [index for index, (a, b) in enumerate(zip(before, rows, strict=True)) if a != b]
            if self.total != old_total:
                self._resize()
            self._refresh_rows(start + index for index in changed)
            if self.cursor_id is None:
                self._place_cursor(min(old_cursor, max(self.total - 1, 0)))
            return
        self._index = {row.id: start + index for index, row in enumerate(self.rows)}
        wanted = self._survivor(before, old_start)
        self._resize()
        if wanted is not None:
            here = self._index[wanted]
            shift = here - old_cursor
            if shift and self.scroll_offset.y > 0:
                # The row under the hand stays at its line of the screen.
                self.scroll_to(y=self.scroll_offset.y + shift, animate=False, force=True, immediate=True)
            self._place_cursor(here)
        else:
            self._place_cursor(min(old_cursor, max(self.total - 1, 0)))
        self.refresh()

    def set_ids(self, ids: Sequence[str], make: Callable[[str], Row]) -> None:
        """Show one row for each id, made when it is drawn: for long lists of which a screenful is seen.

        Call `touch` when rows look different; call this again only for other ids.
        """
        self._make = make
        self._ids = ids
        self.rows, self.start, self.total = [], 0, len(ids)
        self._index = {row_id: index for index, row_id in enumerate(ids)}
        self._resize()
        here = self._index.get(self.cursor_id or "", min(self.cursor, max(self.total - 1, 0)))
        self._place_cursor(here)
        self.refresh()

    def touch(self, ids: Iterable[str]) -> None:
        """Draw these rows again, as far as they are on screen."""
        index = self._index
        seen = self.on_screen
        self._refresh_rows(index[row_id] for row_id in ids if index.get(row_id, -1) in seen)

    def _survivor(self, before: Sequence[Row], old_start: int) -> str | None:
        """The cursor's id if it is still there, else the id of the nearest old row after (then before) it."""
        if self.cursor_id is None:
            return None
        if self.cursor_id in self._index:
            return self.cursor_id
        at = self.cursor - old_start
        if not 0 <= at < len(before):
            return None
        for row in (*before[at + 1 :], *reversed(before[:at])):
            if row.id in self._index:
                return row.id
        return None

    def say(self, empty: str) -> None:
        """What stands there while there are no rows."""
        if empty != self.empty:
            self.empty = empty
            if not self.total:
                self.refresh()

    def reset(self) -> None:
        """Forget rows, cursor and marks: another list is shown from now on."""
        self.rows, self.start, self.total, self._index = [], 0, 0, {}
        self._make, self._ids = None, ()
        self.cursor, self.cursor_id = 0, None
        self._marks = {}
        self.scroll_to(y=0, animate=False, force=True, immediate=True)
        self._resize()
        self.refresh()

    def row(self, index: int) -> Row | None:
        """The row at an index of the whole list, where it is known."""
        if self._make is not None:
            return self._make(self._ids[index]) if 0 <= index < len(self._ids) else None
        at = index - self.start
        return self.rows[at] if 0 <= at < len(self.rows) else None

    def _id_at(self, index: int) -> str | None:
        if self._make is not None:
            return self._ids[index] if 0 <= index < len(self._ids) else None
        at = index - self.start
        return self.rows[at].id if 0 <= at < len(self.rows) else None

    def select(self, row_id: str) -> bool:
        """Put the cursor on a row by its id; False when it is not among the known rows."""
        index = self._index.get(row_id)
        if index is None:
            return False
        self._place_cursor(index)
        return True

    @property
    def marks(self) -> tuple[str, ...]:
        """Ids of the marked rows, oldest mark first; a mark stays while its row is out of sight."""
        return tuple(self._marks)

    def toggle_mark(self) -> None:
        """Mark the row under the cursor, or take its mark away, and go to the next row."""
        if self.cursor_id is None:
            return
        self.toggle(self.cursor_id)
        self.action_step(1)

    def toggle(self, row_id: str) -> None:
        """Mark a row, or take its mark away."""
        if row_id in self._marks:
            del self._marks[row_id]
        else:
            self._marks[row_id] = None
        self.touch([row_id])
        self.post_message(self.MarksChanged(self))

    def set_marks(self, ids: Iterable[str]) -> None:
        """Mark exactly these rows."""
        self._marks = dict.fromkeys(ids)
        self.refresh()
        self.post_message(self.MarksChanged(self))

    def mark_all(self) -> None:
        """Mark every known row; where all of them are, none."""
        ids = list(self._ids) if self._make is not None else [row.id for row in self.rows]
        self.set_marks(() if set(ids) <= set(self._marks) else [*self._marks, *ids])

    @property
    def on_screen(self) -> range:
        """Indexes of the rows that are on screen."""
        top = self.scroll_offset.y
        return range(top, min(top + max(self.size.height - 1, 0), self.total))

    # ---- cursor --------------------------------------------------------------------------------------------------

    def _place_cursor(self, index: int) -> None:
        index = min(max(index, 0), max(self.total - 1, 0))
        row_id = self._id_at(index)
        moved = index != self.cursor or row_id != self.cursor_id
        if moved:
            self._refresh_rows([self.cursor, index])
        self.cursor, self.cursor_id = index, row_id
        self._resize()
        self._keep_in_view()
        if moved:
            self.post_message(self.CursorMoved(self, row_id))
        self._want_rows()

    def _keep_in_view(self) -> None:
        height = self.size.height - 1
        if height <= 0:
            return
        top = self.scroll_offset.y
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, force=True, immediate=True)

    def _want_rows(self) -> None:
        seen = self.on_screen
        if not seen or self._make is not None:
            return
        if seen.start < self.start or seen.stop > self.start + len(self.rows):
            count = max(len(seen) * 3, 50)
            self.post_message(self.RowsWanted(self, max(seen.start - len(seen), 0), count))

    def action_step(self, by: int) -> None:
        self._place_cursor(self.cursor + by)

    def action_page(self, by: int) -> None:
        self._place_cursor(self.cursor + by * max(self.size.height - 2, 1))

    def action_go(self, index: int) -> None:
        self._place_cursor(index if index >= 0 else self.total - 1)

    def action_open(self) -> None:
        if self.cursor_id is not None:
            self.post_message(self.Opened(self, self.cursor_id))

    def on_mouse_down(self, event: events.MouseDown) -> None:
        index = event.y - 1 + self.scroll_offset.y
        if event.button == 1 and event.y > 0 and index < self.total:
            self._place_cursor(index)

    def on_click(self, event: events.Click) -> None:
        if event.chain == 2 and event.y > 0 and event.y - 1 + self.scroll_offset.y == self.cursor:
            self.action_open()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._want_rows()

    def on_resize(self, event: events.Resize) -> None:
        self._resize()
        self._keep_in_view()
        self._want_rows()

    def _resize(self) -> None:
        """Tell how long the list is."""
        size_up(self, Size(self.size.width, self.total + 1))

    def _refresh_rows(self, indexes: Iterable[int]) -> None:
        top, height, width = self.scroll_offset.y, self.size.height, self.size.width
        lines = {index - top + 1 for index in indexes if 0 <= index - top < height - 1}
        if len(lines) * 2 > height:
            self.refresh()
        elif lines:
            self.refresh(*[Region(0, line, width, 1) for line in lines])
