"""A table drawn line by line: its cost is what is on screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from flowtui.scrolled import QuickLines
from flowtui.states import STATES
from flowtui.widgets.cells import PARTS, Column, Piece, Row, clip, own_style
from flowtui.widgets.rowlist import RowList

MARK: Final = "●"


class LineTable(QuickLines, RowList):
    """Rows in columns under a fixed header."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"table--{name}" for name in (*STATES, *PARTS)}
    DEFAULT_CSS = """
    LineTable {
        background: $background;
        color: $foreground;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        overflow-x: hidden;

        .table--header { color: $foreground 60%; text-style: bold; }
        .table--dim { color: $foreground 60%; }
        .table--strong { text-style: bold; }
        .table--bar { color: $accent; }
        .table--spark { color: $accent; }
        .table--bad { color: $error; text-style: bold; }
        .table--good { color: $success; }
        .table--warn { color: $warning; text-style: bold; }
        .table--mark { color: $accent; text-style: bold; }
        .table--match { background: $warning 30%; }
        .table--cursor { background: $foreground 12%; }

        .table--draft { color: $foreground 70%; }
        .table--blocked { color: $foreground 50%; }
        .table--waiting { color: $foreground 80%; }
        .table--delayed { color: $secondary; }
        .table--active { color: $accent; }
        .table--completed { color: $success; }
        .table--failed { color: $error; }
        .table--skipped { color: $foreground 45%; }
        .table--cancelled { color: $foreground 55%; }
        .table--expired { color: $warning; }
    }
    LineTable:focus > .table--cursor { background: $primary 35%; }
    """

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        empty: str = "nothing here",
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(empty=empty, id=id, classes=classes)
        self.columns = list(columns)
        self.sorted_by: tuple[str, bool] | None = None
        """Key of the column that decides the order and whether the largest comes first, for the mark in the header."""
        self._styles: dict[str, Style] = {}
        self._painted: dict[int, tuple[tuple[Row, bool, bool], Strip]] = {}
        """What stands in the lines of the screen, and why it looks so: most of it is there again at the next look."""
        self._fitted: tuple[int, list[tuple[Column, int]]] | None = None

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles, self._painted = {}, {}

    def _style(self, name: str, cursor: bool = False) -> Style:
        """The whole style of a part, on the background of its line."""
        key = f"{name}\0" if cursor else name
        style = self._styles.get(key)
        if style is None:
            known = name in STATES or name in PARTS
            style = self.rich_style + own_style(
                self, f"table--{name}" if known else "", under=name == "match"
            )
            if cursor:
                style += own_style(self, "table--cursor", under=True)
            self._styles[key] = style
        return style

    def columns_changed(self) -> None:
        """There are others now."""
        self._fitted, self._painted = None, {}

    @property
    def line_width(self) -> int:
        """Cells of a line: what the bar leaves."""
        return self.size.width - self.scrollbar_size_vertical

    def fitted(self, width: int) -> list[tuple[Column, int]]:
        """The columns that are shown in `width` cells, each with its width."""
        if self._fitted is not None and self._fitted[0] == width:
            return self._fitted[1]
        shown = list(self.columns)

        def need() -> int:
            return sum(column.width + 1 for column in shown) + 1

        while need() > width and any(column.drop for column in shown):
            most = max(column.drop for column in shown)
            last = max(index for index, column in enumerate(shown) if column.drop == most)
            del shown[last]
        spare = max(width - need(), 0)
        shares = sum(column.flex for column in shown)
        sizes = []
        for column in shown:
            more = spare * column.flex // shares if shares and column.flex else 0
            sizes.append((column, column.width + more))
        if shares:
            left = spare - sum(size - column.width for column, size in sizes)
            for index, (column, size) in enumerate(sizes):
                if column.flex:
                    sizes[index] = (column, size + left)
                    break
        self._fitted = (width, sizes)
        return sizes

    def render_line(self, y: int) -> Strip:
        width = self.line_width
        if y == 0:
            return self._header(width)
        index = y - 1 + self.scroll_offset.y
        row = self.row(index)
        if row is None:
            return self._blank(y, index, width)
        shown = (row, index == self.cursor, row.id in self._marks)
        known = self._painted.get(y)
        if known is None or known[0] != shown or known[1].cell_length != width:
            known = self._painted[y] = shown, self._row(*shown, width)
        return known[1]

    def _row(self, row: Row, cursor: bool, marked: bool, width: int) -> Strip:
        plain = self._style("dim" if row.faint else "", cursor)
        gap = Segment(" ", plain)
        lead = MARK if marked else "▌" if cursor else " "
        segments = [Segment(lead, self._style("mark", cursor))]
        used = 1
        for column, size in self.fitted(width):
            size = min(size, width - used)
            if size <= 0:
                break
            cell = row.cells.get(column.key, "")
            if isinstance(cell, str):
                segments.append(Segment(clip(cell, size, column.align), plain))
            elif isinstance(cell, tuple):
                segments.append(Segment(clip(cell[0], size, column.align), self._style(cell[1], cursor)))
            else:
                segments.extend(self._pieces(cell, size, column.align, cursor, plain))
            segments.append(gap)
            used += size + 1
        return Strip(segments).adjust_cell_length(width, plain)

    def _pieces(
        self, cell: Sequence[Piece], size: int, align: str, cursor: bool, plain: Style
    ) -> list[Segment]:
        segments: list[Segment] = []
        room = size
        for text, name in cell:
            if room <= 0:
                break
            length = cell_len(text)
            if length > room:
                text, length = clip(text, room), room
            segments.append(Segment(text, self._style(name, cursor)))
            room -= length
        if room > 0:
            gap = Segment(" " * room, plain)
            segments = [gap, *segments] if align == "right" else [*segments, gap]
        return segments

    def _header(self, width: int) -> Strip:
        style = self._style("header")
        parts = [" "]
        used = 1
        for column, size in self.fitted(width):
            title = column.title
            if self.sorted_by is not None and self.sorted_by[0] == column.key:
                title = (title[: size - 1] if size <= len(title) else title) + (
                    "▾" if self.sorted_by[1] else "▴"
                )
            parts.append(clip(title, min(size, max(width - used, 0)), column.align) + " ")
            used += size + 1
        return Strip([Segment("".join(parts), style)]).adjust_cell_length(width, style)

    def _blank(self, y: int, index: int, width: int) -> Strip:
        base = self._style("")
        if self.total == 0 and self.empty:
            lines = self.empty.splitlines()
            at = y - 3
            if 0 <= at < len(lines):
                return Strip([Segment(clip("   " + lines[at], width), self._style("dim"))])
        elif index < self.total:
            return Strip([Segment(clip("   …", width), self._style("dim"))])
        return Strip.blank(width, base)
