"""The log of a job, following its end while it grows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from rich.cells import chop_cells
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core.backends.base import LOG_LINES_KEPT, LogLine
from flowtui.redact import redact_text
from flowtui.text import safe
from flowtui.times import clock

LEVELS: Final = ("debug", "info", "warning", "error")
_SGR = re.compile(r"\x1b\[[0-9;:]*m")
_WIDEST: Final = 2000
_HEAD: Final = 21
_SHORT: Final = {"WARNING": "WARN", "CRITICAL": "CRIT"}


class LogView(ScrollView, can_focus=True):
    """Lines of one job. It stays at the end unless somebody scrolled up; `end` follows again."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"log--{name}" for name in (*LEVELS, "time", "gap", "text")}
    DEFAULT_CSS = """
    LogView {
        background: $background;
        color: $foreground;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
        overflow-x: hidden;

        .log--time { color: $foreground 55%; }
        .log--gap { color: $foreground 55%; text-style: italic; }
        .log--text { color: $foreground; }
        .log--debug { color: $foreground 55%; }
        .log--info { color: $foreground 75%; }
        .log--warning { color: $warning; text-style: bold; }
        .log--error { color: $error; text-style: bold; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "scroll_down", "down", show=False),
        Binding("k,up", "scroll_up", "up", show=False),
        Binding("G,end", "follow", "end", show=False),
        Binding("home", "scroll_home", "first", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.job_id: str | None = None
        self.lines: list[LogLine] = []
        self.follows = True
        self.message = ""
        self._styles: dict[str, Style] = {}
        self._rows: list[tuple[LogLine, str, bool]] = []
        """What is drawn: (line, its part of the text, whether it is the first part)."""
        self._width = 0

    @property
    def last(self) -> int:
        """Index of the last known line; -1 before the first."""
        return self.lines[-1].index if self.lines else -1

    def show(self, job_id: str | None, message: str = "") -> None:
        """Start with an empty log for another job; `message` stands there until lines come."""
        self.job_id, self.lines, self.follows, self.message = job_id, [], True, message
        self._measure()
        self.refresh()

    def say(self, message: str) -> None:
        """What to show while there are no lines."""
        if message != self.message:
            self.message = message
            if not self.lines:
                self.refresh()

    def extend(self, lines: Sequence[LogLine]) -> None:
        """Add lines that are newer than the known ones; the oldest go when there are too many."""
        fresh = [line for line in lines if line.index > self.last]
        if not fresh:
            return
        self.lines.extend(fresh)
        del self.lines[: max(len(self.lines) - LOG_LINES_KEPT, 0)]
        self._measure()
        self.refresh()

    def _measure(self) -> None:
        width = self.scrollable_content_region.width or self.size.width
        if not self.lines or width != self._width:
            self._rows, self._width = [], width
        drawn = self._rows[-1][0].index if self._rows else -1
        for line in self.lines:
            if line.index > drawn:
                self._wrap(line, max(width - _HEAD, 20))
        first = self.lines[0].index if self.lines else 0
        dropped = next((at for at, row in enumerate(self._rows) if row[0].index >= first), len(self._rows))
        del self._rows[:dropped]
        self.virtual_size = Size(width, len(self._rows))
        if self.follows:
            self.scroll_end(animate=False, force=True, immediate=True)

    def _wrap(self, line: LogLine, room: int) -> None:
        # A shell step's colours say nothing here; its other escape sequences are shown, not obeyed.
        text = safe(redact_text(_SGR.sub("", line.text[:_WIDEST])), lines=True)
        first = True
        for part in text.split("\n") or [""]:
            while True:
                # Short ASCII, which most lines are, needs no measuring.
                here = (
                    part
                    if len(part) <= room and part.isascii()
                    else chop_cells(part, room)[0]
                    if part
                    else ""
                )
                self._rows.append((line, here, first))
                first = False
                part = part[len(here) :]
                if not part or not here:
                    break

    def on_resize(self) -> None:
        self._measure()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        # Scrolling up stops following; reaching the end again resumes it.
        self.follows = new_value >= self.max_scroll_y - 0.5

    def action_follow(self) -> None:
        self.follows = True
        self.scroll_end(animate=False, force=True, immediate=True)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles = {}

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = self.get_component_rich_style(f"log--{name}")
        return style

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.rich_style
        at = y + self.scroll_offset.y
        if at >= len(self._rows):
            if y == 0 and not self.lines and self.message:
                return Strip([Segment(f" {self.message}", self._style("gap"))]).adjust_cell_length(
                    width, base
                )
            return Strip.blank(width, base)
        line, text, first = self._rows[at]
        if not first:
            segments = [Segment(" " * _HEAD + text, self._style("text"))]
            return Strip(segments).adjust_cell_length(width, base).apply_style(base)
        level = line.level.lower()
        style = self._style(
            "error"
            if level in ("error", "critical", "stderr")
            else "warning"
            if level in ("warning", "warn")
            else "debug"
            if level == "debug"
            else "info"
        )
        segments = [
            Segment(f" {clock(line.at, millis=True)} ", self._style("time")),
            Segment(f"{safe(_SHORT.get(line.level, line.level)[:6]):<6} ", style),
            Segment(text, self._style("text")),
        ]
        return Strip(segments).adjust_cell_length(width, base).apply_style(base)
