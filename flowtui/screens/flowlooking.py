"""What can be looked at in a flow, and how: the keys of Live that change nothing in the engine."""

from __future__ import annotations

from textual import on
from textual.widgets import Input

from flowtui.dag.widget import GraphCanvas
from flowtui.flowboard import FlowBoard
from flowtui.pages import last_run
from flowtui.screens.flowviews import VIEWS, FlowViews
from flowtui.steering import Report
from flowtui.text import safe
from flowtui.widgets.flowtable import FlowTable
from flowtui.widgets.linetable import LineTable
from flowtui.widgets.logview import LogView


class FlowLooking(FlowViews):
    """The keys that look: views, drawers, search, marks, comparison, an editable copy."""

    # ---- views and drawers -------------------------------------------------------------------------------------------

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

    def action_fold(self) -> None:
        """A group, or alike jobs, as one box; or open it."""
        if self.flow is None or self.view != "graph":
            return
        folded = self.query_one(GraphCanvas).fold_here()
        if folded == 0:
            self.tell(Report("no jobs are alike enough to fold, and this one is in no group", "warning"))
        elif folded:
            self.tell(Report("alike jobs are one box now; - opens one, esc opens all"))

    def action_near(self) -> None:
        """Only what is near the cursor, further with each press; then everything again."""
        if self.flow is None or self.view != "graph" or self.cursor is None:
            return
        self.tell(Report(self.query_one(GraphCanvas).show_further()))

    def action_jump(self) -> None:
        """Letters on every job."""
        if self.flow is not None and self.view == "graph":
            self.query_one(GraphCanvas).start_jump()

    def action_pane(self) -> None:
        """The next pane."""
        self.focus_next()

    # ---- marks -------------------------------------------------------------------------------------------------------

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

    # ---- search ------------------------------------------------------------------------------------------------------

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

    @on(Input.Submitted, "#find")
    def _found(self, event: Input.Submitted) -> None:
        self._close_find()

    def _close_find(self) -> None:
        self.query_one("#find").display = False
        (self.query_one(FlowTable) if self.flow is None else self.query_one(f"#{self.view}")).focus()

    def _end_search(self) -> None:
        self.searching, self.matches = "", []
        self.query_one(GraphCanvas).find("")
        self.show_status()

    # ---- other runs --------------------------------------------------------------------------------------------------

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
        self._take_usual(jobs)
        self.app.push_screen(CompareScreen(flow, before, jobs))

    def action_edit(self) -> None:
        """Open an editable copy in Compose."""
        flow = self.flow or self._flows.get(self.query_one(FlowTable).cursor_id or "")
        if flow is not None:
            flow_id, queue = flow.id, flow.queue
            job = self.cursor if self.flow is not None else None
            self.ask(lambda: self._edit(flow_id, queue, job), "edit")

    async def _edit(self, flow_id: str, queue: str, job: str | None) -> None:
        from flowtui.copying import draft_of
        from flowtui.screens.compose import ComposeScreen

        backend = self.flowtui.backend
        assert backend is not None
        snapshot = await backend.flow_snapshot(flow_id, queue=queue)
        draft = draft_of(snapshot)
        keys = dict(zip([each.id for each in snapshot.jobs], draft.jobs, strict=True))
        await self.app.switch_mode("compose")
        compose = self.app.screen
        if isinstance(compose, ComposeScreen) and compose.may_leave("2, then e"):
            compose.take(draft)
            compose.changed(fresh=True, cursor=keys.get(job or ""))
            compose.say(f"a copy of {safe(draft.settings.name, 40)}: s submits it as a new flow")
