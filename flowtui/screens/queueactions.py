"""What can be done in Queues: look at the jobs in another way, and steer them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from textual import on
from textual.widgets import ContentSwitcher, Input

from flowtui.filter import FilterError, parse
from flowtui.pages import SORT_KEYS, TABS, Jobs
from flowtui.screens.pick import Row as Choice
from flowtui.screens.queuejobs import QueueJobs
from flowtui.steering import Report, Steering
from flowtui.text import counted, safe
from flowtui.widgets.boardview import BoardView
from flowtui.widgets.jobtable import JobTable
from flowtui.widgets.queuetable import QueueTable

BULK: Final = 10_000
"""Most jobs that one action touches."""
INTERVALS: Final = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class QueueActions(QueueJobs):
    """The keys of Queues. An action hits the jobs that were shown when the key was pressed."""

    # ---- actions: look -----------------------------------------------------------------------------------------------

    def action_next_tab(self, by: int = 1) -> None:
        """The next state; among cards, the next column."""
        if self.view == "cards":
            self.query_one(BoardView).action_lane(by)
            return
        counts = self._counts()
        shown = [
            state
            for state in TABS
            if state in ("all", "active", "waiting", "delayed", "failed", "completed", self.state)
            or counts.get(state)
        ]
        self.state = shown[(shown.index(self.state) + by) % len(shown)]
        self._tab_before = None
        self._chosen_state = True
        self._restart()

    def action_previous_tab(self) -> None:
        """The state before."""
        self.action_next_tab(-1)

    def action_pane(self) -> None:
        """The next pane."""
        self.focus_next()

    def action_view(self) -> None:
        """Table or cards."""
        self.view = "cards" if self.view == "table" else "table"
        self.query_one("#views", ContentSwitcher).current = self.view
        self.query_one(f"#{self.view}").focus()
        self._show_tabs()
        self.read_jobs()

    def action_sort(self) -> None:
        """Choose the order."""
        rows = [
            Choice("queue", "the order of the queue", "next to run first; of what ended, the latest first"),
            Choice("reverse", "the other way round"),
            *[Choice(key, text, f"over the first 1,000: {key}") for key, (text, _) in SORT_KEYS.items()],
        ]

        def chosen(key: str) -> None:
            self.sort = key if key in SORT_KEYS else None
            self.reverse = key == "reverse"
            self._restart()

        self.choose("Order of the jobs", rows, chosen, filtered=True)

    def action_filter(self) -> None:
        """Type a filter; it applies while typing."""
        box = self.query_one("#find", Input)
        box.value = self.filter.text
        box.display = True
        box.focus()

    @on(Input.Changed, "#find")
    def _typed(self, event: Input.Changed) -> None:
        if self.query_one("#find").display:
            self._take_filter(event.value)

    def _take_filter(self, text: str) -> None:
        try:
            wanted = parse(text.strip())
        except FilterError as error:
            self.tell(Report(str(error), "warning"))
            self._filter_wrong = True
            return
        if self._filter_wrong:
            self._message, self._filter_wrong = None, False
        if wanted.text == self.filter.text:
            return
        self.filter = wanted
        if wanted.states is not None:
            # A tab besides the states of the filter could only hide what was asked for; it comes back afterwards.
            self._tab_before = self._tab_before or self.state
            self.state = "all"
        elif self._tab_before is not None:
            self.state, self._tab_before = self._tab_before, None
        self._restart()

    @on(Input.Submitted, "#find")
    def _submitted(self, event: Input.Submitted) -> None:
        if self._filter_wrong:
            self._take_filter(event.value)  # says again why not; the line stays to be mended
            return
        self._close_find()
        if self.jobs is not None and not self.jobs.plain:
            self.jobs = self.jobs.again()
            self.read_jobs()

    def _close_find(self) -> None:
        self.query_one("#find").display = False
        self.query_one(f"#{self.view}").focus()

    def action_back(self) -> None:
        """Out of whatever is innermost: the filter, the marks, the jobs."""
        box = self.query_one("#find", Input)
        if box.display:
            self._close_find()
            self._take_filter("")
        elif self.filter:
            self._take_filter("")
        elif marks := len(self._marked()):
            self.query_one(JobTable).set_marks(())
            self.tell(Report(f"{counted(marks, 'mark')} taken away"))
        else:
            self.query_one(QueueTable).focus()

    def action_mark(self) -> None:
        """Mark the job under the cursor, and go to the next one."""
        table, cards = self.query_one(JobTable), self.query_one(BoardView)
        if self.view == "table":
            table.toggle_mark()
        elif cards.cursor is not None:
            table.toggle(cards.cursor)
            cards.action_step(1)

    def action_mark_all(self) -> None:
        """Mark the jobs that are known, or none."""
        table = self.query_one(JobTable)
        if self.view == "table":
            table.mark_all()
        else:
            table.set_marks(() if self._records.keys() <= set(table.marks) else self._records)

    def action_mark_list(self) -> None:
        """Mark every job of this list."""
        if self.jobs is not None:
            jobs = self.jobs
            self.ask(lambda: self._mark_list(jobs), "marks")

    async def _mark_list(self, jobs: Jobs) -> None:
        shown = jobs.of_all() if self.view == "cards" else jobs
        ids = await shown.every_id(BULK)
        if jobs is not self.jobs:
            return
        self.query_one(JobTable).set_marks(ids)
        more = f" (the first {BULK:,})" if len(ids) == BULK else ""
        self.tell(Report(f"{len(ids):,} jobs marked{more}"))

    def action_log(self) -> None:
        """The job's page, at its log."""
        if self.cursor_id is not None:
            self.open_job(self.cursor_id)

    async def action_flow(self) -> None:
        """Go to the job's flow."""
        record = self._records.get(self.cursor_id or "")
        if record is None or record.flow_id is None:
            self.tell(Report("this job belongs to no flow", "warning"))
            return
        await self.flowtui.open_flow(record.flow_id, job=record.id, queue=record.queue)

    def action_workers(self) -> None:
        """Who runs the jobs."""
        from flowtui.screens.workers import WorkersScreen

        self.app.push_screen(WorkersScreen(self))

    def action_repeats(self) -> None:
        """What is enqueued again and again."""
        from flowtui.screens.repeats import RepeatsScreen

        self.app.push_screen(RepeatsScreen(self))

    def _pace(self, by: int) -> None:
        nearest = min(range(len(INTERVALS)), key=lambda index: abs(INTERVALS[index] - self.interval))
        self.interval = INTERVALS[min(max(nearest + by, 0), len(INTERVALS) - 1)]
        self.frozen = False
        self.show_status()

    def action_faster(self) -> None:
        """Look more often."""
        self._pace(-1)

    def action_slower(self) -> None:
        """Look less often."""
        self._pace(1)

    def action_freeze(self) -> None:
        """Stop looking, or go on."""
        self.frozen = not self.frozen
        if not self.frozen:
            self.read_jobs()
        self.show_status()

    # ---- actions: steer ----------------------------------------------------------------------------------------------

    def _targets(self) -> tuple[str, ...]:
        """The job whose page is open, else the marked ones, else the one under the cursor: as they are now, whatever
        moves meanwhile."""
        if self.opened is not None and self.opened.job_id is not None:
            return (self.opened.job_id,)
        marks = self._marked()
        if marks:
            return marks
        if self.cursor_id is None:
            self.tell(Report("there is no job under the cursor", "warning"))
            return ()
        return (self.cursor_id,)

    def _several(self, ids: Sequence[str]) -> str:
        if len(ids) == 1:
            record = self.current() if self.opened is not None else self._records.get(ids[0])
            return f"{safe(record.name, 40)} {safe(ids[0][:8])}" if record is not None else safe(ids[0][:8])
        return f"{len(ids):,} marked jobs"

    def _bulk(
        self, ask: Callable[[Steering, Sequence[str], str | None], Awaitable[Report]], ids: Sequence[str]
    ) -> None:
        shown = self.opened if self.opened is not None else self.jobs
        queue = shown.queue if shown is not None else None

        name = f"{self._several(ids)}: " if len(ids) == 1 else ""

        async def work(steering: Steering) -> Report:
            report = await ask(steering, ids, queue)
            if report.changed and ids == self._marked():
                self.query_one(JobTable).set_marks(())
            return report._replace(text=name + report.text)

        self.steer(work)

    def action_retry(self) -> None:
        """Run the jobs again; many of them only after a question."""
        if self.refuses() or not (ids := self._targets()):
            return
        if len(ids) == 1:
            self._bulk(Steering.retry, ids)
            return
        self.confirm(
            f"Retry {len(ids):,} jobs?",
            "Those that have ended run again; what was skipped because of them waits for them again.",
            f"retry {len(ids):,}",
            lambda: self._bulk(Steering.retry, ids),
        )

    def action_cancel(self) -> None:
        """Cancel the jobs; asks."""
        if self.refuses() or not (ids := self._targets()):
            return
        self.confirm(
            f"Cancel {self._several(ids)}?",
            "Running ones are told to stop. What waits for them is skipped, or runs, by its trigger.",
            f"cancel {len(ids):,}" if len(ids) > 1 else "cancel it",
            lambda: self._bulk(Steering.cancel, ids),
        )

    def action_remove(self) -> None:
        """Remove the jobs; asks."""
        if self.refuses() or not (ids := self._targets()):
            return
        self.confirm(
            f"Remove {self._several(ids)}?",
            "They are gone for good, with results and logs. Kept are running ones, those that others wait for, and jobs"
            " of a flow: they go with their flow (g, then D there).",
            f"remove {len(ids):,}" if len(ids) > 1 else "remove it",
            lambda: self._bulk(Steering.remove, ids),
        )

    def action_promote(self) -> None:
        """Make delayed jobs ready now."""
        if self.refuses() or not (ids := self._targets()):
            return
        if len(ids) == 1:
            self._bulk(Steering.promote, ids)
            return
        self.confirm(
            f"Run {len(ids):,} jobs now?",
            "Those that wait for a time become ready at once.",
            f"run {len(ids):,} now",
            lambda: self._bulk(Steering.promote, ids),
        )

    def action_pause(self) -> None:
        """Pause the queue, or let it go on."""
        queue = self._board_queue()
        if self.refuses() or queue is None:
            return
        paused, name = queue.paused, queue.name

        async def work(steering: Steering) -> Report:
            report = await steering.pause(name, not paused)
            if self.feed is not None:
                await self.feed.look()
            return report

        if paused:
            self.steer(work)
            return
        self.confirm(
            f"Pause {safe(name, 40)}?",
            f"Nothing of it starts until it is resumed: {queue.counts['waiting']:,} jobs wait. Running jobs finish.",
            "pause it",
            lambda: self.steer(work),
        )
