"""One flow on the screen: graph, outline, cards, timeline, the job under the cursor. What moves is redrawn."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from time import monotonic
from typing import Final

from textual import on
from textual.content import Content
from textual.widgets import ContentSwitcher

from core.jobs import JobRecord, JobState
from flowtui.dag.widget import GraphCanvas
from flowtui.flowboard import FlowBoard
from flowtui.flowgraph import graph_of, looks_of
from flowtui.outline import OutlineLine, outline
from flowtui.pages import last_run, moving
from flowtui.screens.flowlisting import FlowListing
from flowtui.states import COLORS, glyph
from flowtui.text import safe
from flowtui.timeline import critical_path, estimate
from flowtui.times import duration
from flowtui.widgets.bars import Rule
from flowtui.widgets.boardview import BoardView
from flowtui.widgets.cells import Column, Row
from flowtui.widgets.flowbar import FlowBar
from flowtui.widgets.jobtable import flow_note, running_time
from flowtui.widgets.linetable import LineTable
from flowtui.widgets.timelineview import TimelineView

VIEWS: Final = ("graph", "outline", "cards")
LIST_EVERY: Final = 1.0
"""Least seconds between two readings of the list of flows."""
SMALL: Final = 500
"""Jobs of a flow up to which everything is redrawn with each frame; larger ones twice a second."""
PRECEDENT: Final = 2000
"""Jobs of the last run up to which it is read without being asked for, to estimate by it."""
LARGE: Final = 20_000
"""Jobs of a flow up to which the time that is left is estimated."""
REFINE_EVERY: Final = 1.0
"""Seconds between two readings of progress."""
OUTLINE: Final = (
    Column("job", "JOB", 24, flex=3),
    Column("word", "STATE", 11),
    Column("run", "RUN", 7, "right"),
    Column("note", "", 16, flex=2),
    Column("also", "ALSO AFTER", 14, flex=1, drop=1),
)


class FlowViews(FlowListing):
    """The views of one flow. All have the same cursor and the same marks."""

    def __init__(self) -> None:
        super().__init__()
        self.cursor: str | None = None
        self.opening = ""
        """The flow that is being read, to be shown instead of what is there."""
        self.view = "graph"
        self.following = False
        self.searching = ""
        self.matches: list[str] = []
        self._refined_at = 0.0
        self._outline: dict[str, OutlineLine] = {}
        self._usual: dict[str, float] | None = None
        self._log_wanted: bool | None = None
        self._timeline_wanted: bool | None = None
        self._critical_on = False
        self._left: float | None = None
        self._estimate_at = 0.0
        self._settled = False

    def _arrange(self) -> None:
        """What is on screen besides the graph: as much as there is room for, unless a key said otherwise."""
        if not self.is_mounted:
            return
        self.query_one("#detail").display = self._wide
        timeline = self._tall if self._timeline_wanted is None else self._timeline_wanted
        log = self._tall if self._log_wanted is None else self._log_wanted
        if timeline and log and not self._wide:
            # One drawer under a narrow graph; the one asked for last wins.
            if self._timeline_wanted and not self._log_wanted:
                log = False
            else:
                timeline = False
        self.query_one("#timeline-drawer").display = timeline
        self.query_one("#log-drawer").display = log
        self.query_one("#drawers").display = timeline or log
        self.call_after_refresh(self._redraw_flow)

    def _take_shape(self, flow: FlowBoard) -> None:
        """Draw the flow anew: it is another one, or jobs came or went."""
        canvas = self.query_one(GraphCanvas)
        canvas.critical = frozenset()
        flow.take_changed()
        canvas.show(graph_of(flow), looks_of(flow, flow.jobs, self.now, ascii=self.flowtui.ascii_only))
        self._outline = {line.id: line for line in outline(flow.jobs, flow.links)}
        self.query_one("#outline", LineTable).set_ids(list(self._outline), self._outline_row)
        self._left, self._estimate_at, self._settled = None, 0.0, False

    async def _learn_usual(self, flow: FlowBoard) -> None:
        """Take what the jobs took in the last run for what they usually take."""
        backend = self.flowtui.backend
        assert backend is not None
        before = await last_run(backend, flow)
        if before is not None and before.total <= PRECEDENT:
            jobs = (await backend.flow_snapshot(before.id, queue=before.queue)).jobs
            if self.flow is not None and self.flow.id == flow.id:
                self._take_usual(jobs)

    def _take_usual(self, jobs: Iterable[JobRecord]) -> None:
        self._usual = {
            job.name: job.runtime
            for job in jobs
            if job.state is JobState.COMPLETED and job.runtime is not None
        }
        self._estimate_at = 0.0

    # ---- what moves --------------------------------------------------------------------------------------------------

    def _redraw(self, changed: set[str]) -> None:
        """Jobs of the flow moved: redraw them, and at once only what is cheap, however many move."""
        flow = self.flow
        assert flow is not None
        if self.view == "graph":
            canvas = self.query_one(GraphCanvas)
            canvas.set_looks(looks_of(flow, changed, self.now, ascii=self.flowtui.ascii_only))
        elif self.view == "outline":
            self.query_one("#outline", LineTable).touch(changed)
        if self.following and flow.last_active is not None and flow.last_active != self.cursor:
            self.go_to(flow.last_active)
        if self.cursor in changed and self.reader is not None and self.reader.stale:
            self.read_job()
        self._settled = False
        if flow.total <= SMALL:
            self._redraw_flow(graph=False)
        else:
            self.query_one(FlowBar).show(flow, self.now, self._left)
            self.show_status()

    def _redraw_flow(self, *, graph: bool = True) -> None:
        """Everything about the flow that is on screen; the graph only where asked for."""
        flow = self.flow
        if flow is None or not self.is_mounted:
            return
        now = self.now
        if flow.total <= LARGE and monotonic() >= self._estimate_at:
            begun = monotonic()
            self._left = estimate(flow, now, self._usual) if flow.state == "running" else None
            # For no more than a fiftieth of the time, however large the flow is.
            self._estimate_at = monotonic() + max(1.0, 50 * (monotonic() - begun))
        self.query_one(FlowBar).show(flow, now, self._left)
        if graph and self.view == "graph":
            canvas = self.query_one(GraphCanvas)
            canvas.set_looks(looks_of(flow, flow.jobs, now, ascii=self.flowtui.ascii_only))
        elif self.view == "outline":
            table = self.query_one("#outline", LineTable)
            if graph:
                table.refresh()
            if self.cursor is not None and table.cursor_id != self.cursor:
                table.select(self.cursor)
        elif self.view == "cards":
            self.query_one(BoardView).show(flow.jobs.values(), now, self.cursor, self._marks())
        if self.query_one("#timeline-drawer").display:
            self.query_one(TimelineView).show(flow, now, self.cursor)
        if self._critical_on:
            self._mark_critical()
        self._titles()
        self.show_detail()
        self.show_status()

    def _titles(self) -> None:
        job = self.current()
        name = safe(job.name, 40) if job is not None else ""
        follows = "F follow on" if self.following else "F follow"
        self.query_one("#log-title", Rule).title = f"{name} · log   {follows} · L hides"
        self.query_one("#timeline-title", Rule).title = "timeline   ═ decided how long it took · b hides"

    def _outline_row(self, job_id: str) -> Row:
        """A job's line of the outline, as it is now."""
        flow = self.flow
        job = flow.jobs.get(job_id) if flow is not None else None
        if flow is None or job is None:
            return Row(job_id, {"job": ("removed", "dim")})
        line = self._outline[job_id]
        state, ascii = job.state.value, self.flowtui.ascii_only
        room = max(self.size.width // 5, 9)
        branch = line.branch if len(line.branch) <= room else "…" + line.branch[-room + 1 :]
        names = [flow.jobs[other].name for other in line.others[:4] if other in flow.jobs]
        return Row(
            job.id,
            {
                "job": [(branch, "dim"), (glyph(state, ascii=ascii) + " ", state), (safe(job.name, 80), "")],
                "word": (state, state),
                "run": duration(running_time(job, self.now)),
                "note": flow_note(flow, job, self.now),
                "also": (", ".join(safe(name, 30) for name in names), "dim"),
            },
        )

    def _flow_tick(self, flow: FlowBoard) -> None:
        """Half a second has passed: what runs takes longer, what waits for a time is nearer to it."""
        counts = flow.counts
        if counts["active"] or counts["delayed"]:
            moving_ids = [
                job.id for job in flow.jobs.values() if job.state in (JobState.ACTIVE, JobState.DELAYED)
            ]
            if self.view == "graph":
                looks = looks_of(flow, moving_ids, self.now, ascii=self.flowtui.ascii_only)
                self.query_one(GraphCanvas).set_looks(looks)
            elif self.view == "outline":
                self.query_one("#outline", LineTable).touch(moving_ids)
            if monotonic() - self._refined_at >= REFINE_EVERY and not self.flowtui.connection_lost:
                self._refined_at = monotonic()
                self.ask(lambda: self._refine(flow), "refine")
        if flow.state == "running" or self._message is not None or not self._settled:
            self._redraw_flow(graph=False)
        self._settled = flow.state != "running" and self._message is None
        job = self.current()
        if job is not None and job.state is JobState.ACTIVE:
            self.read_job()

    async def _refine(self, flow: FlowBoard) -> None:
        backend = self.flowtui.backend
        assert backend is not None
        flow.refine(await moving(backend, flow))

    def status(self) -> tuple[Content, Content]:
        flow = self.flow
        if flow is None:
            return super().status()
        job = flow.jobs.get(self.cursor or "")
        if job is None:
            return Content(""), Content("")
        state = job.state.value
        parts = [
            (f" {safe(job.name, 40)} ", "bold $foreground"),
            (f"{glyph(state, ascii=self.flowtui.ascii_only)} {state}", f"${COLORS[state]}"),
        ]
        took = duration(running_time(job, self.now))
        if took:
            parts.append((f" {took}", "$foreground"))
        said = flow_note(flow, job, self.now)
        text = said if isinstance(said, str) else said[0] if isinstance(said, tuple) else ""
        if isinstance(text, str) and text and job.state is not JobState.COMPLETED:
            parts.append((f" · {text}", "$foreground"))
        if job.worker and job.state is JobState.ACTIVE:
            parts.append((f" · worker {safe(job.worker, 40)}", "$foreground-muted"))
        if job.attempts:
            most = max(job.max_retries + 1, job.attempts)
            parts.append((f" · attempt {job.attempts}/{most}", "$foreground-muted"))
        marks = len(self._marks())
        right = f"{marks} marked ◆ " if marks else "follows " if self.following else ""
        if self.searching:
            right = f"{len(self.matches)} match{'es' if len(self.matches) != 1 else ''} · n next "
        return Content.assemble(*parts), Content.styled(right, "$accent")

    # ---- cursor ------------------------------------------------------------------------------------------------------

    def go_to(self, job_id: str | None) -> None:
        """Put the cursor of every view on a job."""
        self.cursor = job_id
        if job_id is not None and self.view == "graph":
            self.query_one(GraphCanvas).cursor = job_id
        elif job_id is not None and self.view == "outline":
            self.query_one("#outline", LineTable).select(job_id)
        elif job_id is not None:
            self.query_one(BoardView).select(job_id)
        self._cursor_moved()

    def _cursor_moved(self) -> None:
        self.look_at(self.cursor, self.flow.queue if self.flow is not None else None)
        if self.flow is not None and self.query_one("#timeline-drawer").display:
            self.query_one(TimelineView).show(self.flow, self.now, self.cursor)
        self._titles()
        self.show_status()

    def _by_hand(self, job_id: str | None) -> None:
        """The user moved the cursor, which ends following."""
        if job_id is None or job_id == self.cursor or self.flow is None:
            return
        if self.following and job_id != self.flow.last_active:
            self.following = False
        self.cursor = job_id
        self._cursor_moved()

    @on(GraphCanvas.CursorMoved)
    def _canvas_moved(self, event: GraphCanvas.CursorMoved) -> None:
        if self.view == "graph":
            self._by_hand(event.node_id)

    @on(LineTable.CursorMoved, "#outline")
    def _outline_moved(self, event: LineTable.CursorMoved) -> None:
        if self.view == "outline":
            self._by_hand(event.row_id)

    @on(BoardView.CursorMoved)
    def _card_moved(self, event: BoardView.CursorMoved) -> None:
        if self.view == "cards":
            self._by_hand(event.job_id)

    @on(TimelineView.Picked)
    def _line_picked(self, event: TimelineView.Picked) -> None:
        self.go_to(event.job_id)

    @on(GraphCanvas.Opened)
    def _node_opened(self, event: GraphCanvas.Opened) -> None:
        if len(event.canvas.members()) > 1:
            event.canvas.toggle_fold()  # no job of its own: what it stands for is what there is to see
        else:
            self.open_job()

    @on(LineTable.Opened, "#outline")
    def _line_opened(self, event: LineTable.Opened) -> None:
        self.open_job()

    @on(BoardView.Opened)
    def _card_opened(self, event: BoardView.Opened) -> None:
        self.open_job()

    def open_job(self) -> None:
        """Everything about the job under the cursor, on a page of its own."""
        if self.cursor is not None and self.flow is not None:
            self.show_page(self.cursor, self.flow.queue)

    def _marks(self) -> tuple[str, ...]:
        if self.view == "outline":
            return self.query_one("#outline", LineTable).marks
        return self.query_one(GraphCanvas).marks

    def _show_view(self, view: str) -> None:
        marks = self._marks()
        self.view = view
        self.query_one("#views", ContentSwitcher).current = view
        self._redraw_flow()
        if view == "outline":
            self.query_one("#outline", LineTable).set_marks(marks)
        else:
            self.query_one(GraphCanvas).set_marks(marks)
        self.query_one(f"#{view}").focus()

    def _mark_critical(self) -> list[str]:
        flow = self.flow
        assert flow is not None
        path = critical_path(flow, self.now)
        wanted: frozenset[str | tuple[str, str]] = frozenset([*path, *pairwise(path)])
        canvas = self.query_one(GraphCanvas)
        if canvas.critical != wanted:
            canvas.critical = wanted
        return path
