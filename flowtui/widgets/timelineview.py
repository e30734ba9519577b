"""A flow as a Gantt chart: a line for each job, a bar for each attempt."""

from __future__ import annotations

from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from core.jobs import JobState
from flowtui.flowboard import FlowBoard
from flowtui.states import STATES, glyph
from flowtui.text import safe
from flowtui.timeline import Chart, axis, chart, critical_path, line, order
from flowtui.times import duration
from flowtui.widgets.cells import clip, own_style

_LABELS: Final = 0.28
_END: Final = 8


class TimelineView(ScrollView, can_focus=True):
    """Shows `flow` up to now. The job that the screen's cursor is on stays in view."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"timeline--{name}" for name in (*STATES, "axis", "cursor", "name", "time", "critical")
    }
    DEFAULT_CSS = """
    TimelineView {
        background: $background;
        color: $foreground;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;

        .timeline--axis { color: $foreground 55%; }
        .timeline--name { color: $foreground; }
        .timeline--time { color: $foreground 65%; }
        .timeline--critical { color: $warning; text-style: bold; }
        .timeline--cursor { background: $primary 30%; }
        .timeline--draft { color: $foreground 70%; }
        .timeline--blocked { color: $foreground 50%; }
        .timeline--waiting { color: $foreground 60%; }
        .timeline--delayed { color: $secondary; }
        .timeline--active { color: $accent; }
        .timeline--completed { color: $success; }
        .timeline--failed { color: $error; }
        .timeline--skipped { color: $foreground 45%; }
        .timeline--cancelled { color: $foreground 55%; }
        .timeline--expired { color: $warning; }
    }
    """

    class Picked(Message):
        """A job's line was clicked."""

        def __init__(self, job_id: str) -> None:
            super().__init__()
            self.job_id = job_id

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.flow: FlowBoard | None = None
        self.cursor: str | None = None
        self.now = 0.0
        self._order: list[str] = []
        self._place: dict[str, int] = {}
        self._critical: frozenset[str] = frozenset()
        self._version: tuple[str, int] | None = None
        self._drawn: tuple[int, Chart] | None = None
        self._styles: dict[str, Style] = {}

    def show(self, flow: FlowBoard | None, now: float, cursor: str | None) -> None:
        """Draw a flow as it is at `now`."""
        if flow is self.flow and flow is not None and flow.state != "running":
            version = (flow.id, flow.version)
            if version == self._version and cursor == self.cursor:
                return
        moved = cursor != self.cursor or flow is not self.flow
        self.flow, self.now, self.cursor = flow, now, cursor
        self._drawn = None
        if flow is None:
            self._order, self._place = [], {}
        elif self._version != (flow.id, flow.version):
            self._version = (flow.id, flow.version)
            self._order = order(flow)
            self._place = {job_id: index for index, job_id in enumerate(self._order)}
            self._critical = frozenset(critical_path(flow, now))
        self.virtual_size = Size(self.size.width, len(self._order) + 1)
        if moved:
            self._keep_in_view()
        self.refresh()

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._order) + 1)
        self._keep_in_view()

    def _keep_in_view(self) -> None:
        at = self._place.get(self.cursor or "")
        height = self.size.height - 1
        if at is None or height <= 0:
            return
        top = self.scroll_offset.y
        if at < top or at >= top + height:
            self.scroll_to(y=max(at - height // 2, 0), animate=False, force=True, immediate=True)

    def on_click(self, event: events.Click) -> None:
        at = event.y - 1 + self.scroll_offset.y
        if event.y > 0 and 0 <= at < len(self._order):
            self.post_message(self.Picked(self._order[at]))

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles = {}

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = own_style(self, f"timeline--{name}", under=name == "cursor")
        return style

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.rich_style
        flow = self.flow
        if flow is None:
            return Strip.blank(width, base)
        labels = max(12, min(28, int(width * _LABELS)))
        room = max(width - labels - _END - 2, 4)
        if self._drawn is None or self._drawn[0] != room:
            self._drawn = room, chart(flow, self.now, room)  # once for all lines: it looks at every attempt
        drawn = self._drawn[1]
        if y == 0:
            head = Segment(clip(" job", labels + 1) + axis(drawn, room), self._style("axis"))
            return Strip([head]).adjust_cell_length(width, base).apply_style(base)
        at = y - 1 + self.scroll_offset.y
        if at >= len(self._order):
            return Strip.blank(width, base)
        job = flow.jobs.get(self._order[at])
        if job is None:
            return Strip.blank(width, base)
        under = self._style("cursor") if job.id == self.cursor else Style.null()
        state = job.state.value
        segments = [
            Segment(" " + glyph(state) + " ", self._style(state) + under),
            Segment(clip(safe(job.name, 80), labels - 3), self._style("name") + under),
            Segment(" ", under),
        ]
        runs = flow.attempts.get(job.id, ())
        for text, piece in line(job, runs, drawn, self.now, room).pieces:
            segments.append(Segment(text, (self._style(piece) if piece else Style.null()) + under))
        took = job.runtime if job.state is not JobState.ACTIVE else self.now - (job.started_at or self.now)
        end = duration(took) if job.started_at is not None else ""
        critical = job.id in self._critical
        segments.append(
            Segment(
                clip(end + (" ═" if critical else "  "), _END, "right"),
                self._style("critical" if critical else "time") + under,
            )
        )
        return Strip(segments).adjust_cell_length(width, base + under).apply_style(base)
