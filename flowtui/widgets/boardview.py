"""Jobs as cards in four columns, which they cross as they run: the plainest way to watch a flow move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from core.jobs import JobRecord, JobState
from flowtui.bars import bar
from flowtui.states import STATES, glyph
from flowtui.text import safe
from flowtui.times import duration
from flowtui.widgets.cells import clip, own_style
from flowtui.widgets.jobtable import running_time

LANES: Final[tuple[tuple[str, tuple[JobState, ...]], ...]] = (
    ("waiting", (JobState.WAITING, JobState.DELAYED, JobState.BLOCKED)),
    ("active", (JobState.ACTIVE,)),
    ("completed", (JobState.COMPLETED,)),
    ("failed", (JobState.FAILED, JobState.EXPIRED, JobState.CANCELLED, JobState.SKIPPED)),
)
"""Each column's name, and the states in it, in the order in which their cards lie."""
_LANE_OF: Final = {state: lane for lane, (_, states) in enumerate(LANES) for state in states}
_RANK: Final = {state: rank for _, states in LANES for rank, state in enumerate(states)}


class BoardView(Widget, can_focus=True):
    """Four columns of cards with one cursor, which follows its job from column to column."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        f"board--{name}" for name in (*STATES, "rule", "name", "dim", "cursor", "mark", "bar")
    }
    DEFAULT_CSS = """
    BoardView {
        background: $background;
        color: $foreground;

        .board--rule { color: $foreground 30%; }
        .board--name { color: $foreground; }
        .board--dim { color: $foreground 60%; }
        .board--bar { color: $accent; }
        .board--mark { color: $accent; text-style: bold; }
        .board--cursor { background: $foreground 12%; }
        .board--draft { color: $foreground 70%; }
        .board--blocked { color: $foreground 50%; }
        .board--waiting { color: $foreground 80%; }
        .board--delayed { color: $secondary; }
        .board--active { color: $accent; }
        .board--completed { color: $success; }
        .board--failed { color: $error; }
        .board--skipped { color: $foreground 45%; }
        .board--cancelled { color: $foreground 55%; }
        .board--expired { color: $warning; }
    }
    BoardView:focus > .board--cursor { background: $primary 35%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,left", "lane(-1)", "left", show=False),
        Binding("l,right", "lane(1)", "right", show=False),
        Binding("k,up", "step(-1)", "up", show=False),
        Binding("j,down", "step(1)", "down", show=False),
        Binding("home", "step(-1000000)", "first", show=False),
        Binding("end", "step(1000000)", "last", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("enter", "open", "open", show=False),
    ]

    class CursorMoved(Message):
        """The cursor is on another card."""

        def __init__(self, job_id: str | None) -> None:
            super().__init__()
            self.job_id = job_id

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, BoardView.CursorMoved)

    class Opened(Message):
        """Enter or a double click on a card."""

        def __init__(self, job_id: str) -> None:
            super().__init__()
            self.job_id = job_id

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lanes: list[list[JobRecord]] = [[] for _ in LANES]
        self.cursor: str | None = None
        self.marks: frozenset[str] = frozenset()
        self.now = 0.0
        self.counts: Mapping[str, int] | None = None
        self._offsets = [0] * len(LANES)
        self._at = (0, 0)
        self._styles: dict[str, Style] = {}

    def show(
        self,
        jobs: Iterable[JobRecord],
        now: float,
        cursor: str | None,
        marks: Iterable[str] = (),
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """Lay out the cards anew. What runs lies longest-running first, what ended newest first.

        `counts` by state are there where `jobs` are only some of all.
        """
        self.counts = counts
        self.now = now
        self.marks = frozenset(marks)
        lanes: list[list[JobRecord]] = [[] for _ in LANES]
        for job in jobs:
            lanes[_LANE_OF[job.state]].append(job)
        lanes[0].sort(key=lambda job: _RANK[job.state])
        lanes[1].sort(key=lambda job: job.started_at or now)
        lanes[2].sort(key=lambda job: -(job.finished_at or 0.0))
        lanes[3].sort(key=lambda job: (_RANK[job.state], -(job.finished_at or 0.0)))
        self.lanes = lanes
        if cursor is not None:
            self.cursor = cursor
        self._find_cursor()
        self.refresh()

    def mark(self, marks: Iterable[str]) -> None:
        """Mark exactly these cards."""
        self.marks = frozenset(marks)
        self.refresh()

    def select(self, job_id: str | None) -> None:
        """Put the cursor on a card."""
        self.cursor = job_id
        self._find_cursor()
        self.refresh()

    def _find_cursor(self) -> None:
        for lane, jobs in enumerate(self.lanes):
            for index, job in enumerate(jobs):
                if job.id == self.cursor:
                    self._at = (lane, index)
                    self._keep_in_view()
                    return
        lane, index = self._at
        filled = self.lanes[lane] or next((jobs for jobs in self.lanes if jobs), [])
        self.cursor = filled[min(index, len(filled) - 1)].id if filled else None
        if self.cursor is not None:
            self._at = next(
                (number, jobs.index(job))
                for number, jobs in enumerate(self.lanes)
                for job in jobs
                if job.id == self.cursor
            )
        self._keep_in_view()

    @property
    def _card(self) -> int:
        """Lines of a card: two where there is room for them."""
        return 2 if self.size.height >= 18 else 1

    @property
    def _fits(self) -> int:
        return max((self.size.height - 3) // self._card, 1)

    def _keep_in_view(self) -> None:
        for lane, jobs in enumerate(self.lanes):
            self._offsets[lane] = min(self._offsets[lane], max(len(jobs) - self._fits, 0))
        lane, index = self._at
        offset = self._offsets[lane]
        if index < offset:
            self._offsets[lane] = index
        elif index >= offset + self._fits:
            self._offsets[lane] = index - self._fits + 1

    def _go(self, lane: int, index: int) -> None:
        jobs = self.lanes[lane]
        if not jobs:
            return
        index = min(max(index, 0), len(jobs) - 1)
        self._at = (lane, index)
        self.cursor = jobs[index].id
        self._keep_in_view()
        self.refresh()
        self.post_message(self.CursorMoved(self.cursor))

    def action_step(self, by: int) -> None:
        self._go(self._at[0], self._at[1] + by)

    def action_page(self, by: int) -> None:
        self._go(self._at[0], self._at[1] + by * self._fits)

    def action_lane(self, by: int) -> None:
        lane, index = self._at
        line = index - self._offsets[lane]
        lane += by
        while 0 <= lane < len(LANES) and not self.lanes[lane]:
            lane += by
        if 0 <= lane < len(LANES):
            self._go(lane, self._offsets[lane] + line)

    def action_open(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Opened(self.cursor))

    def on_click(self, event: events.Click) -> None:
        lane = min(event.x * len(LANES) // max(self.size.width, 1), len(LANES) - 1)
        index = (event.y - 2) // self._card + self._offsets[lane]
        if event.y >= 2 and index < len(self.lanes[lane]):
            self._go(lane, index)
            if event.chain == 2:
                self.action_open()

    def on_resize(self) -> None:
        self._keep_in_view()

    # ---- drawing -------------------------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._styles = {}

    def _style(self, name: str) -> Style:
        style = self._styles.get(name)
        if style is None:
            style = self._styles[name] = own_style(self, f"board--{name}", under=name == "cursor")
        return style

    def _widths(self) -> list[int]:
        width = self.size.width
        edges = [width * lane // len(LANES) for lane in range(len(LANES) + 1)]
        return [right - left for left, right in pairwise(edges)]

    def render_line(self, y: int) -> Strip:
        base = self.rich_style
        segments: list[Segment] = []
        for lane, width in enumerate(self._widths()):
            last = lane == len(LANES) - 1
            inner = width - (0 if last else 1)
            segments.extend(self._lane_line(lane, y, inner))
            if not last:
                segments.append(Segment("│", self._style("rule")))
        return Strip(segments).adjust_cell_length(self.size.width, base).apply_style(base)

    def _lane_line(self, lane: int, y: int, width: int) -> Sequence[Segment]:
        name, states = LANES[lane]
        jobs = self.lanes[lane]
        if y == 0:
            style = self._style(name) + Style(bold=True)
            counts = self.counts if self.counts is not None else Counter(job.state.value for job in jobs)
            title = f" {glyph(name)} {name.upper()} {counts.get(states[0].value, 0):,}"
            others = self._others(counts, states)
            if len(title) + len(others) + 2 <= width:
                return [
                    Segment(title, style),
                    Segment(clip("  " + others, width - len(title)), self._style("dim")),
                ]
            return [Segment(clip(title, width), style)]
        if y == 1:
            return [Segment("─" * width, self._style("rule"))]
        at, part = divmod(y - 2, self._card)
        offset = self._offsets[lane]
        if at >= self._fits:
            total = len(jobs)
            if self.counts is not None:
                total = sum(self.counts.get(state.value, 0) for state in states)
            more = total - offset - self._fits
            text = f" {more:,} more" if more > 0 and at == self._fits and part == 0 else ""
            return [Segment(clip(text, width), self._style("dim"))]
        index = offset + at
        if index >= len(jobs):
            return [Segment(" " * width)]
        job = jobs[index]
        under = self._style("cursor") if (lane, index) == self._at else Style.null()
        return self._card_line(job, part, width, under)

    @staticmethod
    def _others(counts: Mapping[str, int], states: tuple[JobState, ...]) -> str:
        """How many cards of a column are in another state than the column's name says."""
        return " ".join(
            f"{glyph(state.value)}{count:,}" for state in states[1:] if (count := counts.get(state.value))
        )

    def _card_line(self, job: JobRecord, part: int, width: int, under: Style) -> list[Segment]:
        state = job.state.value
        took = duration(running_time(job, self.now))
        dim = self._style("dim") + under
        if part == 1:
            if job.state is JobState.ACTIVE and job.progress is not None:
                room = max(min(width - 8, 16), 1)
                text = f"   {bar(job.progress, room)} {job.progress:4.0%}"
                return [Segment(clip(text, width), self._style("bar") + under)]
            detail = safe(job.task_id, 80)
            if job.error is not None and job.state is not JobState.COMPLETED:
                detail = safe(str(job.error)[:200], 120)
            return [Segment(clip("   " + detail, width), dim)]
        head = Segment("●" if job.id in self.marks else " ", self._style("mark") + under)
        name = clip(safe(job.name, 80), max(width - 3 - len(took) - 2, 1))
        return [
            head,
            Segment(glyph(state) + " ", self._style(state) + under),
            Segment(name, self._style("name") + under),
            Segment(
                clip(" " + took + " ", max(width - 3 - max(width - 3 - len(took) - 2, 1), 0), "right"), dim
            ),
        ]
