"""A page of text that scrolls: what it costs is the lines that changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import ClassVar

from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Region, Size
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style

from flowtui.scrolled import QuickLines, SteadyView, painted, size_up

Line = tuple[Content, int]
"""A line, and how many cells further right it goes on where it is wrapped."""


@dataclass(slots=True)
class _Row:
    """What stands in one row of the page: a line, or the part of it from character `x` on."""

    text: Content
    lead: int
    y: int
    x: int

    def same(self, other: _Row | None) -> bool:
        return (
            other is not None
            and (self.lead, self.y, self.x) == (other.lead, other.y, other.x)
            and self.text.is_same(other.text)
        )


class TextPage(QuickLines, SteadyView, can_focus=True):
    """Lines, wrapped at words where they are too long. The mouse selects them as they were put, not as wrapped."""

    DEFAULT_CSS: ClassVar[str] = """
    TextPage { scrollbar-size-vertical: 1; overflow-x: hidden; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "step(1)", "down", show=False),
        Binding("k,up", "step(-1)", "up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("home", "step(-100000)", "first", show=False),
        Binding("end", "step(100000)", "last", show=False),
    ]
    MARGIN: ClassVar[int] = 0
    """Blank cells before each line, and between it and the bar."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[Line] = []
        self._rows: list[_Row] = []
        self._strips: dict[int, Strip] = {}
        self._seen = (0, 0)

    def on_resize(self) -> None:
        self.put(self._lines)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    @property
    def room(self) -> int:
        """Cells of the longest line that is not wrapped. The bar's column is left free, also while there is no bar."""
        return max(self.size.width - 1 - 2 * self.MARGIN, 1)

    def put(self, lines: Sequence[Line]) -> None:
        """Show these lines."""
        self._lines = list(lines)
        before, self._rows = self._rows, []
        for y, line in enumerate(self._lines):
            self._rows += _wrapped(line, y, self.room)
        if len(before) != len(self._rows):
            size_up(self, Size(self.size.width, len(self._rows)))
        changed = [
            index
            for index, (old, new) in enumerate(zip_longest(before, self._rows))
            if new is None or not new.same(old)
        ]
        for index in changed:
            self._strips.pop(index, None)
        top, height = self.scroll_offset.y, self.size.height
        seen = [index - top for index in changed if 0 <= index - top < height]
        if len(seen) * 2 > height:
            self.refresh()
        elif seen:
            self.refresh(*[Region(0, y, self.size.width, 1) for y in seen])

    def action_step(self, by: int) -> None:
        """Scroll by lines, at once: a glance half a second later must not show the wrong part."""
        self.scroll_to(y=self.scroll_offset.y + by, animate=False, immediate=True)

    def action_page(self, by: int) -> None:
        """Scroll by what can be seen at once."""
        self.action_step(by * max(self.size.height - 1, 1))

    def render_lines(self, crop: Region) -> list[Strip]:
        # Found once for all lines of a frame: properties of a widget are slow to read.
        self._seen = self.scroll_offset.y, self.size.width - self.scrollbar_size_vertical
        return super().render_lines(crop)

    def render_line(self, y: int) -> Strip:
        top, width = self._seen
        index = y + top
        strip = self._strips.get(index)
        if strip is None or strip.cell_length != width:  # the bar has come or gone
            strip = self._strips[index] = self._painted(index, width)
        return strip

    def _painted(self, index: int, width: int) -> Strip:
        base = self.visual_style
        if index >= len(self._rows):
            return Strip.blank(width, base.rich_style)
        row = self._rows[index]
        text, lead = row.text, self.MARGIN + row.lead
        selection = self.text_selection
        span = selection.get_span(row.y) if selection is not None else None
        if span is not None:
            chosen = Style.from_styles(self.screen.get_component_styles("screen--selection"))
            end = len(text) if span[1] == -1 else min(span[1] - row.x, len(text))
            text = text.stylize(chosen, max(span[0] - row.x, 0), max(end, 0))
        strip = painted(self, text, max(width - lead, 0), base)
        if self.allow_select:
            strip = strip.apply_offsets(row.x, row.y)
        return Strip([Segment(" " * lead, base.rich_style), *strip], width) if lead else strip

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        return selection.extract("\n".join(line.plain for line, _ in self._lines)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        self._strips.clear()
        self.refresh()


def _wrapped(line: Line, y: int, room: int) -> list[_Row]:
    content, hang = line
    if content.cell_length <= room:
        return [_Row(content, 0, y, 0)]
    # Where that leaves no room to speak of, it goes on at the left.
    hang = hang if hang * 2 < room else 0
    head, x = content[:hang], hang
    rows: list[_Row] = []
    for part in content[hang:].wrap(room - hang):
        # Blanks at which it was wrapped are no longer there.
        x += len(content.plain[x:]) - len(content.plain[x:].lstrip(" ")) if rows else 0
        rows.append(_Row(part, hang, y, x) if rows else _Row(head + part, 0, y, 0))
        x += len(part)
    return rows
