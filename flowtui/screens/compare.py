"""A run of a flow beside the last one: which jobs got slower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.jobs import FlowRecord, JobRecord
from flowtui.bars import amount
from flowtui.flowboard import FlowBoard
from flowtui.text import safe
from flowtui.timeline import compare
from flowtui.times import duration, moment
from flowtui.widgets.cells import Column, Row
from flowtui.widgets.linetable import LineTable

_COLUMNS: Final = (
    Column("name", "JOB", 16, flex=2),
    Column("before", "BEFORE", 8, "right"),
    Column("after", "NOW", 8, "right"),
    Column("delta", "CHANGE", 9, "right"),
    Column("bar", "", 12, flex=1),
)


class CompareScreen(ModalScreen[None]):
    """Jobs by how much longer they took than in the run before, the slowest change first."""

    # Not DEFAULT_CSS, which what all windows share would override.
    CSS: ClassVar[str] = """
    CompareScreen > .window { width: 90%; max-width: 110; height: 90%; }
    CompareScreen LineTable { height: 1fr; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,c,enter", "close", show=False, priority=True)]
    context = "compare"

    def __init__(self, flow: FlowBoard, before: FlowRecord, jobs: Sequence[JobRecord]) -> None:
        super().__init__()
        self.flow, self.before, self.jobs = flow, before, jobs

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = Content(f"{safe(self.flow.name, 40)}: this run and the last one")
            window.border_subtitle = "esc closes"
            yield Static(self._head())
            yield LineTable(_COLUMNS, empty="no jobs")

    def _head(self) -> Content:
        now = self.flow.finished_at or 0.0
        before, flow = self.before, self.flow
        then = (before.finished_at or 0) - (before.started_at or before.finished_at or 0)
        took = flow.elapsed(now) if flow.finished_at is not None else None
        text = f"last run {safe(before.id[:8])} of {moment(before.created_at, flow.created_at)} took {duration(then)}"
        text += f", this one {duration(took)}" if took is not None else "; this one still runs"
        return Content.styled(text, "$foreground-muted")

    def on_mount(self) -> None:
        compared = compare(self.jobs, list(self.flow.jobs.values()))
        most = max((abs(row.slower) for row in compared), default=0.0)
        rows = []
        for index, row in enumerate(compared):
            known = row.before is not None and row.after is not None
            delta = row.slower if known else 0.0
            sign = "+" if delta > 0 else "-" if delta < 0 else ""
            style = "bad" if delta > 0.05 else "good" if delta < -0.05 else "dim"
            rows.append(
                Row(
                    str(index),
                    {
                        "name": safe(row.name, 80),
                        "before": duration(row.before) or "-",
                        "after": duration(row.after) or "-",
                        "delta": (f"{sign}{duration(abs(delta))}" if known else "", style),
                        "bar": (amount(abs(delta), most, 12), style),
                    },
                )
            )
        table = self.query_one(LineTable)
        table.set_rows(rows)
        # No taller than what it shows: borders, the line above, the names of the columns.
        self.query_one(".window").styles.max_height = len(rows) + 6
        table.focus()

    def action_close(self) -> None:
        self.dismiss(None)
