"""Live: the list of flows, and one flow as it runs: graph, outline, cards, timeline, a job and its log."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Final

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import ContentSwitcher, Input

from core.backends.base import RetryMode
from core.errors import NotFound
from core.jobs import FlowRecord, JobState
from flowtui.actions import bindings
from flowtui.dag.widget import GraphCanvas
from flowtui.feed import Feed
from flowtui.filter import FilterError
from flowtui.flowboard import FlowBoard
from flowtui.flowgraph import graph_of, looks_of
from flowtui.flowlist import FlowFilter, FlowPages, parse_flows
from flowtui.outline import OutlineLine, outline
from flowtui.pages import last_run, moving
from flowtui.screens.pick import Row as Choice
from flowtui.screens.watcher import Watcher
from flowtui.states import COLORS, glyph
from flowtui.steering import Report
from flowtui.text import safe
from flowtui.timeline import critical_path, estimate
from flowtui.times import duration
from flowtui.widgets.bars import Banner, FooterBar, Line, Rule, TopBar
from flowtui.widgets.boardview import BoardView
from flowtui.widgets.cells import Column, Row
from flowtui.widgets.flowbar import FlowBar
from flowtui.widgets.flowtable import FlowTable, flow_row
from flowtui.widgets.jobdetail import JobDetail
from flowtui.widgets.jobtable import flow_note, running_time
from flowtui.widgets.linetable import LineTable
from flowtui.widgets.logview import LogView
from flowtui.widgets.timelineview import TimelineView

VIEWS: Final = ("graph", "outline", "cards")
LIST_EVERY: Final = 1.0
"""Least seconds between two readings of the list of flows."""
SMALL: Final = 500
"""Jobs of a flow up to which everything is redrawn with each frame; larger ones twice a second."""
LARGE: Final = 20_000
"""Jobs of a flow up to which the time that is left is estimated."""
REFINE_EVERY: Final = 1.0
"""Seconds between two readings of progress."""
_OUTLINE: Final = (
    Column("job", "JOB", 24, flex=3),
    Column("word", "STATE", 11),
    Column("run", "RUN", 7, "right"),
    Column("note", "", 16, flex=2),
    Column("also", "ALSO AFTER", 14, flex=1, drop=1),
)


class LiveScreen(Watcher):
    """Flows as they run."""

    CSS_PATH = "../styles/live.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("live", "flows")
    # Not ClassVar: as Screen declares them.
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (34, "-tall")]  # noqa: RUF012
    mode_name = "live"

    def __init__(self) -> None:
        super().__init__()
        self.flow: FlowBoard | None = None
        self.cursor: str | None = None
        self.view = "graph"
        self.following = False
        self.searching = ""
        self.matches: list[str] = []
        self.filter = FlowFilter()
        self.pages: FlowPages | None = None
        self._flows: dict[str, FlowRecord] = {}
        self._listed_at = -LIST_EVERY
        self._listed_version = -1
        self._refined_at = 0.0
        self._outline: dict[str, OutlineLine] = {}
        self._usual: dict[str, float] | None = None
        self._log_wanted: bool | None = None
        self._timeline_wanted: bool | None = None
        self._critical_on = False
        self._left: float | None = None
        self._estimated_at = 0.0
        self._settled = False

    @property
    def context(self) -> str:
        """Which keys apply: those of the list, or those of a flow."""
        return "live" if self.flow is not None else "flows"

    def compose(self) -> ComposeResult:
        yield TopBar("live")
        yield Banner()
        with ContentSwitcher(initial="flows", id="what"):
            with Vertical(id="flows"):
                yield FlowTable(id="flow-list")
            with Vertical(id="flow"):
                yield FlowBar()
                with Horizontal(id="stage"):
                    with ContentSwitcher(initial="graph", id="views"):
                        yield GraphCanvas(id="graph")
                        yield LineTable(_OUTLINE, id="outline")
                        yield BoardView(id="cards")
                    yield JobDetail(id="detail")
                with Horizontal(id="drawers"):
                    with Vertical(id="timeline-drawer"):
                        yield Rule(id="timeline-title")
                        yield TimelineView(id="timeline")
                    with Vertical(id="log-drawer"):
                        yield Rule(id="log-title")
                        yield LogView(id="log")
        yield Input(placeholder="name or task", id="find")
        yield Line(id="status")
        yield FooterBar("flows")

    # ---- start and sizes ---------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.query_one("#find", Input).display = False
        self.query_one(GraphCanvas).ascii = self.flowtui.ascii_only
        self._arrange()
        self.query_one(FlowTable).focus()

    def attached(self) -> None:
        backend = self.flowtui.backend
        assert backend is not None
        self.pages = FlowPages(backend, self.board, self.filter)
        pending, self.flowtui.pending_flow = self.flowtui.pending_flow, None
        if pending is not None:
            self.show_flow(*pending)
        else:
            self.read_flows()

    def on_resize(self, event: events.Resize) -> None:
        self._wide, self._tall = event.size.width >= 110, event.size.height >= 34
        self._arrange()

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

    # ---- the list of flows -------------------------------------------------------------------------------------------

    def read_flows(self) -> None:
        """Read the flows that the list shows."""
        feed = self.feed
        if feed is None or self.pages is None:
            return
        self._listed_at, self._listed_version = self.now_monotonic(), self.board.flow_version
        table = self.query_one(FlowTable)
        start = max(table.on_screen.start - 20, 0) if table.total else 0
        self.ask(lambda: self._read_flows(start, max(table.size.height * 3, 60)), "flows")

    def now_monotonic(self) -> float:
        """A clock for pauses."""
        from time import monotonic

        return monotonic()

    async def _read_flows(self, start: int, count: int) -> None:
        assert self.pages is not None
        page = await self.pages.page(start, count)
        self._flows = {flow.id: flow for flow in page.rows}
        table = self.query_one(FlowTable)
        now, ascii = self.now, self.flowtui.ascii_only
        table.set_rows(
            [flow_row(flow, now, ascii=ascii) for flow in page.rows], start=start, total=page.total
        )
        self.query_one(TopBar).detail = self._detail()
        self.show_status()

    @on(LineTable.RowsWanted, "#flow-list")
    def _rows_wanted(self, event: LineTable.RowsWanted) -> None:
        event.stop()
        self.ask(lambda: self._read_flows(event.start, event.count), "flows")

    @on(LineTable.Opened, "#flow-list")
    def _flow_opened(self, event: LineTable.Opened) -> None:
        event.stop()
        record = self._flows.get(event.row_id)
        self.show_flow(event.row_id, None, queue=record.queue if record is not None else None)

    # ---- one flow ----------------------------------------------------------------------------------------------------

    def show_flow(self, flow_id: str, job: str | None = None, queue: str | None = None) -> None:
        """Open a flow, with the cursor on a job of it."""
        if self.feed is None:
            self.flowtui.pending_flow = (flow_id, job)
            return
        self.flowtui.pending_flow = None
        feed = self.feed
        self.ask(lambda: self._open(feed, flow_id, job, queue), "open")

    async def _open(self, feed: Feed, flow_id: str, job: str | None, queue: str | None) -> None:
        try:
            flow = self.board.flows.get(flow_id) or await feed.open_flow(flow_id, queue)
        except NotFound:
            self.tell(Report(f"flow {flow_id[:12]} is gone: it was removed, or its time was up", "warning"))
            self.close_flow()
            return
        self.flow = flow
        self.following, self.searching, self.matches, self._usual = False, "", [], None
        self._critical_on = False
        self._take_shape(flow)
        self.query_one("#what", ContentSwitcher).current = "flow"
        self.query_one(FooterBar).context = "live"
        self.query_one(TopBar).detail = self._detail()
        self.refresh_bindings()
        start = job if job in flow.jobs else self._first(flow)
        self._show_view(self.view)
        self.go_to(start)
        self._refined_at = 0.0
        self.tick()

    def _first(self, flow: FlowBoard) -> str | None:
        """Where the eye should begin: what failed, what runs, else the first job."""
        for state in (JobState.FAILED, JobState.ACTIVE):
            for job in flow.jobs.values():
                if job.state is state:
                    return job.id
        return next(iter(flow.jobs), None)

    def _take_shape(self, flow: FlowBoard) -> None:
        """Draw the flow anew: it is another one, or jobs came or went."""
        canvas = self.query_one(GraphCanvas)
        canvas.critical = frozenset()
        flow.take_changed()
        canvas.show(graph_of(flow), looks_of(flow, flow.jobs, self.now, ascii=self.flowtui.ascii_only))
        self._outline = {line.id: line for line in outline(flow.jobs, flow.links)}
        self.query_one("#outline", LineTable).set_ids(list(self._outline), self._outline_row)
        self._left, self._estimated_at, self._settled = None, 0.0, False

    def close_flow(self) -> None:
        """Back to the list."""
        self.flow, self.cursor = None, None
        self.look_at(None, None)
        self.query_one("#what", ContentSwitcher).current = "flows"
        self.query_one(FooterBar).context = "flows"
        self.query_one(TopBar).detail = self._detail()
        self.query_one(FlowTable).focus()
        self.refresh_bindings()
        self.read_flows()
        self.show_status()

    def _detail(self) -> str:
        if self.flow is not None:
            return f"{safe(self.flow.name, 60)} run {safe(self.flow.id[:8])}"
        return f"flows {self.filter.text}".strip() if self.filter.text else "flows"

    # ---- what moves --------------------------------------------------------------------------------------------------

    def board_changed(self) -> None:
        flow = self.flow
        if flow is None:
            self._read_flows_if_due()
            return
        current = self.board.flows.get(flow.id)
        if current is None:
            self.tell(Report("this flow has been removed", "warning"))
            self.close_flow()
            return
        if current is not flow:
            self.flow = flow = current
            self._take_shape(flow)
            self._redraw_flow()
            return
        changed = flow.take_changed()
        if changed:
            self._redraw(changed)

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
        if self.now_monotonic() - self._estimated_at >= 1.0 and flow.total <= LARGE:
            self._estimated_at = self.now_monotonic()
            self._left = estimate(flow, now, self._usual) if flow.state == "running" else None
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

    def tick(self) -> None:
        flow = self.flow
        if flow is None:
            self._read_flows_if_due()
            table = self.query_one(FlowTable)
            running = any(record.state == "running" for record in self._flows.values())
            if running and table.rows and all(row.id in self._flows for row in table.rows):
                now, ascii = self.now, self.flowtui.ascii_only
                rows = [flow_row(self._flows[row.id], now, ascii=ascii) for row in table.rows]
                table.set_rows(rows, start=table.start, total=table.total)
            self.show_status()
            return
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
            if self.now_monotonic() - self._refined_at >= REFINE_EVERY and not self.flowtui.connection_lost:
                self._refined_at = self.now_monotonic()
                self.ask(lambda: self._refine(flow), "refine")
        if flow.state == "running" or self._message is not None or not self._settled:
            self._redraw_flow(graph=False)
        self._settled = flow.state != "running" and self._message is None
        job = self.current()
        if job is not None and job.state is JobState.ACTIVE:
            self.read_job()

    def reread(self) -> None:
        self._refined_at = self._estimated_at = 0.0
        if self.flow is None:
            self.read_flows()
        else:
            self._redraw_flow()
        super().reread()

    async def _refine(self, flow: FlowBoard) -> None:
        backend = self.flowtui.backend
        assert backend is not None
        flow.refine(await moving(backend, flow))

    def _read_flows_if_due(self) -> None:
        if (
            self.pages is not None
            and self.board.flow_version != self._listed_version
            and self.now_monotonic() - self._listed_at >= LIST_EVERY
        ):
            self.read_flows()

    def status(self) -> tuple[Content, Content]:
        flow = self.flow
        if flow is None:
            table = self.query_one(FlowTable)
            shown = f" {table.total:,} flow{'s' if table.total != 1 else ''}"
            return Content.styled(shown, "$foreground-muted"), Content("")
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
        self.open_job()

    @on(LineTable.Opened, "#outline")
    def _line_opened(self, event: LineTable.Opened) -> None:
        self.open_job()

    @on(BoardView.Opened)
    def _card_opened(self, event: BoardView.Opened) -> None:
        self.open_job()

    def open_job(self) -> None:
        """Everything about the job under the cursor, on a page of its own."""
        from flowtui.screens.job import JobScreen

        if self.cursor is not None and self.flow is not None:
            self.app.push_screen(JobScreen(self, self.cursor, self.flow.queue))

    def _marks(self) -> tuple[str, ...]:
        if self.view == "outline":
            return self.query_one("#outline", LineTable).marks
        return self.query_one(GraphCanvas).marks

    # ---- actions: look -----------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        mutating = action in ("retry", "cancel", "remove")
        return not (mutating and self.flowtui.read_only)

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

    def action_view(self) -> None:
        """The next view."""
        if self.flow is None:
            return
        self._show_view(VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)])
        self.go_to(self.cursor)

    def action_timeline(self) -> None:
        """Show or hide the timeline."""
        if self.flow is None:
            return
        shown = self.query_one("#timeline-drawer").display
        self._timeline_wanted = not shown
        if not shown and not self._wide:
            self._log_wanted = False
        self._arrange()

    def action_log(self) -> None:
        """Show or hide the log."""
        if self.flow is None:
            return
        shown = self.query_one("#log-drawer").display
        self._log_wanted = not shown
        if not shown and not self._wide:
            self._timeline_wanted = False
        self._arrange()
        if not shown:
            self.query_one(LogView).show(self.cursor, "reading…")
            self.call_after_refresh(self.read_job)

    def action_follow(self) -> None:
        """Keep the cursor on the job that started last."""
        flow = self.flow
        if flow is None:
            return
        self.following = not self.following
        if self.following and flow.last_active is not None:
            self.go_to(flow.last_active)
        self.tell(Report("following the job that started last" if self.following else "no longer following"))
        self._titles()

    def action_next(self, by: int = 1) -> None:
        """The next match of the search, or the next failed job."""
        flow = self.flow
        if flow is None:
            return
        wanted = [name for name in self.matches if name in flow.jobs] if self.searching else flow.failures()
        if not wanted:
            self.tell(Report("nothing matches" if self.searching else "no job of this flow has failed"))
            return
        at = wanted.index(self.cursor) if self.cursor in wanted else -1 if by > 0 else 0
        self.following = False
        self.go_to(wanted[(at + by) % len(wanted)])

    def action_previous(self) -> None:
        """The previous match, or the previous failed job."""
        self.action_next(-1)

    def action_critical(self) -> None:
        """Mark the jobs that decided how long the flow took."""
        if self.flow is None:
            return
        self._critical_on = not self._critical_on
        if not self._critical_on:
            self.query_one(GraphCanvas).critical = frozenset()
            return
        path = self._mark_critical()
        names = " → ".join(safe(self.flow.jobs[name].name, 24) for name in path)
        self.tell(Report(f"decided how long it took: {names}" if path else "nothing has started yet"))

    def _mark_critical(self) -> list[str]:
        flow = self.flow
        assert flow is not None
        path = critical_path(flow, self.now)
        wanted: frozenset[str | tuple[str, str]] = frozenset([*path, *pairwise(path)])
        canvas = self.query_one(GraphCanvas)
        if canvas.critical != wanted:
            canvas.critical = wanted
        return path

    def action_zoom(self) -> None:
        """The next smaller boxes, then the largest again."""
        if self.flow is not None:
            canvas = self.query_one(GraphCanvas)
            canvas.zoom = 2 if canvas.zoom == 0 else canvas.zoom - 1

    def action_fit(self) -> None:
        """Fit the graph on the screen."""
        if self.flow is not None:
            self.query_one(GraphCanvas).fit()

    def action_turn(self) -> None:
        """Left to right, or top to bottom."""
        if self.flow is not None:
            canvas = self.query_one(GraphCanvas)
            canvas.direction = "TB" if canvas.direction == "LR" else "LR"

    def action_jump(self) -> None:
        """Letters on every job."""
        if self.flow is not None and self.view == "graph":
            self.query_one(GraphCanvas).start_jump()

    def action_pane(self) -> None:
        """The next pane."""
        self.focus_next()

    def action_mark(self) -> None:
        """Mark the job under the cursor."""
        if self.flow is None:
            return
        if self.view == "outline":
            self.query_one("#outline", LineTable).toggle_mark()
        else:
            self.query_one(GraphCanvas).toggle_mark(self.cursor)
        self._redraw_flow(graph=False)

    def action_mark_all(self) -> None:
        """Mark all jobs, or none."""
        if self.flow is None:
            return
        every = tuple(self.flow.jobs)
        wanted = () if len(self._marks()) == len(every) else every
        self.query_one(GraphCanvas).set_marks(wanted)
        self.query_one("#outline", LineTable).set_marks(wanted)
        self._redraw_flow(graph=False)

    def action_find(self) -> None:
        """Type a name; the first match is found while typing."""
        box = self.query_one("#find", Input)
        box.placeholder = (
            "name or task" if self.flow is not None else "name  state:failed  queue:etl  age>1h  !word"
        )
        box.value = self.searching if self.flow is not None else self.filter.text
        box.display = True
        box.focus()

    @on(Input.Changed, "#find")
    def _typed(self, event: Input.Changed) -> None:
        if not self.query_one("#find").display:
            return
        if self.flow is None:
            self._filter_flows(event.value)
            return
        self.searching = event.value.strip()
        self.matches = self.query_one(GraphCanvas).find(self.searching)
        if self.matches and self.cursor not in self.matches:
            self.following = False
            self.go_to(self.matches[0])
        self.show_status()

    def _filter_flows(self, text: str) -> None:
        try:
            self.filter = parse_flows(text)
        except FilterError as error:
            self.tell(Report(str(error), "warning"))
            return
        self._message = None
        if self.pages is not None:
            self.pages.filter = self.filter
            self.query_one(FlowTable).reset()
            self.read_flows()

    @on(Input.Submitted, "#find")
    def _found(self, event: Input.Submitted) -> None:
        self._close_find()

    def _close_find(self) -> None:
        self.query_one("#find").display = False
        (self.query_one(FlowTable) if self.flow is None else self.query_one(f"#{self.view}")).focus()

    def action_back(self) -> None:
        """Out of whatever is innermost: the search, the marks, the flow, the filter."""
        box = self.query_one("#find", Input)
        if box.display:
            self._close_find()
            if self.flow is None:
                self._filter_flows("")
            else:
                self._end_search()
        elif self.flow is None:
            if self.filter.text:
                self._filter_flows("")
        elif self.searching:
            self._end_search()
        elif self._marks():
            self.query_one(GraphCanvas).clear_marks()
            self.query_one("#outline", LineTable).set_marks(())
            self._redraw_flow(graph=False)
        else:
            self.close_flow()

    def _end_search(self) -> None:
        self.searching, self.matches = "", []
        self.query_one(GraphCanvas).find("")
        self.show_status()

    def action_compare(self) -> None:
        """Compare with the last run of the same name."""
        if self.flow is not None:
            flow = self.flow
            self.ask(lambda: self._compare(flow), "compare")

    async def _compare(self, flow: FlowBoard) -> None:
        from flowtui.screens.compare import CompareScreen

        backend = self.flowtui.backend
        assert backend is not None
        before = await last_run(backend, flow)
        if before is None:
            self.tell(Report(f"no earlier run of {safe(flow.name, 40)} is kept", "warning"))
            return
        jobs = (await backend.flow_snapshot(before.id, queue=before.queue)).jobs
        self._usual = {job.name: job.runtime for job in jobs if job.runtime is not None}
        self.app.push_screen(CompareScreen(flow, before, jobs))

    def action_edit(self) -> None:
        """Open an editable copy in Compose."""
        flow_id = self.flow.id if self.flow is not None else self.query_one(FlowTable).cursor_id
        if flow_id is not None:
            self.ask(lambda: self._edit(flow_id), "edit")

    async def _edit(self, flow_id: str) -> None:
        from flowtui.copying import draft_of
        from flowtui.screens.compose import ComposeScreen

        backend = self.flowtui.backend
        assert backend is not None
        draft = draft_of(await backend.flow_snapshot(flow_id))
        await self.app.switch_mode("compose")
        compose = self.app.screen
        if isinstance(compose, ComposeScreen):
            if compose.is_dirty() and compose.draft.steps:
                compose.keep()
            compose.take(draft)
            compose.changed(fresh=True)
            compose.say(f"a copy of {safe(draft.settings.name, 40)}: s submits it as a new flow")

    # ---- actions: steer ----------------------------------------------------------------------------------------------

    def action_retry(self) -> None:
        """Run failed jobs again: which, is asked."""
        if self.refuses():
            return
        if self.flow is None:
            record = self._flows.get(self.query_one(FlowTable).cursor_id or "")
            if record is not None:
                self._retry_flow(record.id, record.name, record.counts, None)
            return
        job = self.flow.jobs.get(self.cursor or "")
        self._retry_flow(self.flow.id, self.flow.name, self.flow.counts, job.id if job is not None else None)

    def _retry_flow(self, flow_id: str, name: str, counts: dict[str, int], job_id: str | None) -> None:
        failed = sum(counts[state] for state in ("failed", "expired", "cancelled"))
        rows: list[Choice] = []
        marks = tuple(self._marks()) if self.flow is not None else ()
        if marks:
            rows.append(Choice("marks", f"the {len(marks):,} marked jobs"))
        job = self.flow.jobs.get(job_id) if self.flow is not None and job_id is not None else None
        if job is not None and job.state.terminal:
            rows.append(
                Choice("job", f"only {safe(job.name, 40)}", "what it made skipped waits for it again")
            )
        if failed:
            rows.append(Choice("failed", f"what failed: {failed:,}", "completed jobs are kept"))
            rows.append(Choice("downstream", "what failed and everything downstream", "also what completed"))
        rows.append(Choice("all", f"the whole flow: {sum(counts.values()):,} jobs", "every job runs again"))

        def chosen(what: str) -> None:
            if what == "marks":
                self.steer(lambda steering: steering.retry(marks))
            elif what == "job" and job is not None:
                self.steer(lambda steering: steering.retry([job.id]))
            else:
                mode: RetryMode = (
                    "failed" if what == "failed" else "downstream" if what == "downstream" else "all"
                )
                self.steer(lambda steering: steering.retry_flow(flow_id, mode))

        self.choose(f"Retry in {safe(name, 40)}", rows, chosen)

    def action_cancel(self) -> None:
        """Cancel the job, the marked jobs or the flow: which, is asked."""
        if self.refuses():
            return
        if self.flow is None:
            record = self._flows.get(self.query_one(FlowTable).cursor_id or "")
            if record is not None:
                left = record.total - record.done
                flow_id = record.id
                self.confirm(
                    f"Cancel {safe(record.name, 40)}?",
                    f"{left:,} of its {record.total:,} jobs have not ended. Running ones are told to stop.",
                    "cancel the flow",
                    lambda: self.steer(lambda steering: steering.cancel_flow(flow_id)),
                )
            return
        flow = self.flow
        left = flow.total - flow.done
        marks = tuple(self._marks())
        job = flow.jobs.get(self.cursor or "")
        rows: list[Choice] = []
        if marks:
            rows.append(Choice("marks", f"the {len(marks):,} marked jobs"))
        if job is not None and not job.state.terminal:
            rows.append(
                Choice(
                    "job",
                    f"only {safe(job.name, 40)}",
                    "what waits for it goes by its trigger",
                )
            )
        if left:
            rows.append(Choice("flow", f"the whole flow: {left:,} jobs", "running ones are told to stop"))
        if not rows:
            self.tell(Report("nothing to cancel: the flow has ended", "warning"))
            return

        def chosen(what: str) -> None:
            if what == "marks":
                self.steer(lambda steering: steering.cancel(marks))
            elif what == "job" and job is not None:
                self.steer(lambda steering: steering.cancel([job.id]))
            elif what == "flow":
                self.steer(lambda steering: steering.cancel_flow(flow.id))

        self.choose(f"Cancel in {safe(flow.name, 40)}", rows, chosen)

    def action_remove(self) -> None:
        """Remove an ended flow."""
        if self.refuses() or self.flow is not None:
            return
        record = self._flows.get(self.query_one(FlowTable).cursor_id or "")
        if record is None:
            return
        flow_id = record.id

        async def remove(steering: object) -> Report:
            assert self.steering is not None
            report = await self.steering.remove_flow(flow_id)
            self.read_flows()
            return report

        self.confirm(
            f"Remove {safe(record.name, 40)}?",
            f"Its {record.total:,} jobs with their results and logs are gone for good.",
            "remove it",
            lambda: self.steer(remove),
        )
