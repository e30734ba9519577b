"""Live: the list of flows, and one flow as it runs: graph, outline, cards, timeline, a job and its log."""

from __future__ import annotations

from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import ContentSwitcher, Input

from core.errors import FlowError, NotFound
from core.jobs import JobState
from flowtui.actions import bindings
from flowtui.dag.widget import GraphCanvas
from flowtui.feed import Feed
from flowtui.flowboard import FlowBoard
from flowtui.flowlist import FlowPages
from flowtui.screens.flowlooking import FlowLooking
from flowtui.screens.flowsteering import FlowSteering
from flowtui.screens.flowviews import OUTLINE
from flowtui.steering import Report
from flowtui.widgets.bars import Banner, FooterBar, Line, Rule, TopBar
from flowtui.widgets.boardview import BoardView
from flowtui.widgets.flowbar import FlowBar
from flowtui.widgets.flowtable import FlowTable
from flowtui.widgets.jobdetail import JobDetail
from flowtui.widgets.linetable import LineTable
from flowtui.widgets.logview import LogView
from flowtui.widgets.timelineview import TimelineView


class LiveScreen(FlowLooking, FlowSteering):
    """Flows as they run."""

    CSS_PATH = "../styles/live.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("live", "flows")
    # Not ClassVar: as Screen declares them.
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (34, "-tall")]  # noqa: RUF012
    mode_name = "live"

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
                        yield LineTable(OUTLINE, id="outline")
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

    # ---- one flow ----------------------------------------------------------------------------------------------------

    @on(LineTable.Opened, "#flow-list")
    def _flow_opened(self, event: LineTable.Opened) -> None:
        event.stop()
        queue, _, flow_id = event.row_id.partition(" ")
        self.show_flow(flow_id, None, queue)

    def show_flow(self, flow_id: str, job: str | None = None, queue: str | None = None) -> None:
        """Open a flow, with the cursor on a job of it."""
        if self.feed is None:
            self.flowtui.pending_flow = (flow_id, job, queue)
            return
        self.flowtui.pending_flow = None
        feed, self.opening = self.feed, flow_id
        self.ask(lambda: self._open(feed, flow_id, job, queue), "open")

    async def _open(self, feed: Feed, flow_id: str, job: str | None, queue: str | None) -> None:
        try:
            flow = self.board.flow(flow_id, queue) or await feed.open_flow(flow_id, queue)
        except NotFound:
            self.opening = ""
            self.tell(Report(f"flow {flow_id[:12]} is gone: it was removed, or its time was up", "warning"))
            self.close_flow()
            return
        except (FlowError, OSError, TimeoutError):
            self.opening = ""
            raise
        self.flow, self.opening = flow, ""
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
        if flow.state == "running":
            self.ask(lambda: self._learn_usual(flow), "usual")

    def _first(self, flow: FlowBoard) -> str | None:
        """Where the eye should begin: what failed, what runs, else the first job."""
        for state in (JobState.FAILED, JobState.ACTIVE):
            for job in flow.jobs.values():
                if job.state is state:
                    return job.id
        return next(iter(flow.jobs), None)

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
        elif self.query_one(GraphCanvas).near_steps is not None:
            self.query_one(GraphCanvas).show_near(None)
        elif self.query_one(GraphCanvas).fold == "on":
            self.query_one(GraphCanvas).fold = "auto"
        else:
            self.close_flow()

    # ---- what moves --------------------------------------------------------------------------------------------------

    def board_changed(self) -> None:
        flow = self.flow
        if flow is None:
            self._read_flows_if_due()
            return
        current = self.board.flow(flow.id, flow.queue)
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

    def tick(self) -> None:
        if self.flow is not None:
            self._flow_tick(self.flow)
            return
        self._read_flows_if_due()
        self._redraw_times()
        self.show_status()

    def reread(self) -> None:
        self._refined_at = self._estimate_at = 0.0
        if self.flow is None:
            self.read_flows()
        else:
            self._redraw_flow()
        super().reread()
