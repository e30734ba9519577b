"""Queues: every queue with its counts, the jobs of one of them page by page, and the job under the cursor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import ClassVar, Final

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import ContentSwitcher, Input

from core.jobs import JobRecord, JobState
from flowtui.actions import bindings
from flowtui.filter import NOTHING, Filter, FilterError, parse
from flowtui.pages import SORT_KEYS, TABS, Jobs, Page
from flowtui.queueboard import QueueBoard
from flowtui.screens.pick import Row as Choice
from flowtui.screens.watcher import Watcher
from flowtui.states import COLORS, glyph
from flowtui.steering import Report, Steering
from flowtui.text import safe
from flowtui.times import number
from flowtui.widgets.bars import Banner, FooterBar, Line, TopBar
from flowtui.widgets.boardview import LANES, BoardView
from flowtui.widgets.jobdetail import JobDetail
from flowtui.widgets.jobtable import JobTable, job_row
from flowtui.widgets.linetable import LineTable
from flowtui.widgets.queuepanel import QueuePanel, drains
from flowtui.widgets.queuetable import ALL, QueueTable, queue_row, sum_row

BULK: Final = 10_000
"""Most jobs that one action touches."""
INTERVALS: Final = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
SHOW_EVERY: Final = 0.24
"""Seconds between two redraws of the list of queues, however much moves."""
_CARDS: Final = 200
_SHORT: Final = {"completed": "done"}


class QueuesScreen(Watcher):
    """Queues and their jobs. Counts come from the board; jobs are asked for as far as they are on screen."""

    CSS_PATH = "../styles/queues.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("queues")
    # Not ClassVar: as Screen declares them.
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (34, "-tall")]  # noqa: RUF012
    mode_name = "queues"
    context = "queues"

    def __init__(self) -> None:
        super().__init__()
        self.queue: str | None = None
        self.state = "active"
        self.filter: Filter = NOTHING
        self.sort: str | None = None
        self.newest_first = False
        self.jobs: Jobs | None = None
        self.page: Page | None = None
        self.interval = 1.0
        self.frozen = False
        self.view = "table"
        self._records: dict[str, JobRecord] = {}
        self._flow_names: dict[str, str] = {}
        self._read_at = 0.0
        self._read_version = -1
        self._took = 0.0
        self._ticks = 0
        self._shown_at = 0.0
        self._behind = False
        self._paneled: tuple[str | None, int] | None = None
        self._chosen_state = False
        self._remembered: dict[str, tuple[str, str, str | None, bool]] = {}
        self._selected: tuple[str, ...] | None = None

    def compose(self) -> ComposeResult:
        yield TopBar("queues")
        yield Banner()
        with Horizontal(id="top-half"):
            yield QueueTable(id="queue-list")
            yield QueuePanel(id="queue-panel")
        yield Line(id="tabs")
        with Horizontal(id="bottom-half"):
            with ContentSwitcher(initial="table", id="views"):
                yield JobTable(id="table")
                yield BoardView(id="cards")
            yield JobDetail(id="detail")
        yield Vertical(Line(id="one"), Line(id="two"), id="brief")
        yield Input(placeholder="state:failed  task:app.*  flow:etl*  age>5m  id:7f3  text  !not", id="find")
        yield Line(id="status")
        yield FooterBar("queues")

    # ---- start and sizes ---------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self.query_one("#find").display = False
        self.interval = max(self.flowtui.interval, 0.2)
        self.query_one(QueueTable).focus()

    def attached(self) -> None:
        self.show_queues()

    def on_resize(self, event: events.Resize) -> None:
        self._wide, self._tall = event.size.width >= 110, event.size.height >= 34
        self._arrange()

    def _arrange(self) -> None:
        if not self.is_mounted:
            return
        self.query_one("#queue-panel").display = self._wide and self._tall
        self.query_one("#detail").display = self._wide
        self.query_one("#brief").display = not self._wide
        table = self.query_one(QueueTable)
        lines = min(len(self.board.queues) + (len(self.board.queues) > 1), self.size.height // 3) + 1
        if not self.board.queues:
            lines = 7  # room to say how a queue comes to be
        table.styles.height = max(lines, 2)
        top = self.query_one("#top-half")
        top.styles.height = max(lines, 10) if self._wide and self._tall else max(lines, 2)
        self.call_after_refresh(self.show_queues)

    # ---- queues ------------------------------------------------------------------------------------------------------

    def board_changed(self) -> None:
        if self.queue is not None and time.monotonic() - self._shown_at < SHOW_EVERY:
            self._behind = True  # the next tick shows it
        else:
            self.show_queues()
        if self.queue is None:
            return
        queue = self.board.queues.get(self.queue)
        if queue is not None and queue.version != self._read_version:
            self._read_if_due()

    def show_queues(self) -> None:
        """Redraw the list of queues and what stands beside it."""
        if not self.is_mounted:
            return
        now = int(self.now)
        self._behind, self._shown_at = False, time.monotonic()
        table = self.query_one(QueueTable)
        queues = [self.board.queues[name] for name in sorted(self.board.queues)]
        width = next((size for column, size in table.fitted(table.size.width) if column.key == "spark"), 12)
        rows = [queue_row(queue, now, width) for queue in queues]
        if len(queues) > 1:
            rows.append(sum_row(queues, now, width))
        grown = len(rows) != table.total
        table.set_rows(rows)
        if self.queue is None and queues:
            busiest = max(queues, key=lambda queue: (queue.open, queue.total))
            table.select(busiest.name)
            self._choose_queue(busiest.name)
        if grown:
            self._arrange()
        if self.query_one("#queue-panel").display and (self.queue, now) != self._paneled:
            # Its figures are per second.
            self._paneled = (self.queue, now)
            self.query_one(QueuePanel).show(self._board_queue(), self.board.workers, self.now)
        self._show_tabs()
        self.show_status()

    def _board_queue(self) -> QueueBoard | None:
        return self.board.queues.get(self.queue) if self.queue is not None else None

    @on(LineTable.CursorMoved, "#queue-list")
    def _queue_moved(self, event: LineTable.CursorMoved) -> None:
        event.stop()
        if event.row_id is not None and event.row_id != (self.queue or ALL):
            self._choose_queue(event.row_id)

    @on(LineTable.Opened, "#queue-list")
    def _queue_opened(self, event: LineTable.Opened) -> None:
        event.stop()
        self.query_one("#table" if self.view == "table" else "#cards").focus()

    def _choose_queue(self, name: str) -> None:
        """Show the jobs of another queue, as they were shown when it was last looked at."""
        if self.queue is not None:
            self._remembered[self.queue] = (self.state, self.filter.text, self.sort, self.newest_first)
        self.queue = name
        known = self._remembered.get(name)
        if known is not None:
            self.state, text, self.sort, self.newest_first = known
            self.filter = parse(text)
        else:
            self.filter, self.sort, self.newest_first = NOTHING, None, False
            if not self._chosen_state:
                self.state = self._first_tab()
        self._restart()

    def _first_tab(self) -> str:
        """The tab that says most: what runs, else what failed, else what waits."""
        counts = self._counts()
        return next(
            (state for state in ("active", "failed", "waiting", "delayed") if counts.get(state)), "all"
        )

    def _counts(self) -> dict[str, int]:
        if self.queue == ALL:
            return self.board.totals()
        queue = self._board_queue()
        return dict(queue.counts) if queue is not None else {}

    # ---- jobs --------------------------------------------------------------------------------------------------------

    def _restart(self) -> None:
        """Another list of jobs is wanted: read it from its start."""
        backend = self.flowtui.backend
        if backend is None or self.queue is None:
            return
        queue = None if self.queue == ALL else self.queue
        self.jobs = Jobs(
            backend, queue, self.state, self.filter, self.sort, self.newest_first, clock=lambda: self.now
        )
        self.page = None
        self._records, self._selected = {}, None
        table = self.query_one(JobTable)
        table.reset()
        table.say("reading…")
        table.sorted_by = (self.sort, SORT_KEYS[self.sort][1]) if self.sort is not None else None
        self.query_one(TopBar).detail = "all queues" if queue is None else safe(queue, 40)
        self._show_tabs()
        self.read_jobs()

    def read_jobs(self) -> None:
        """Read the jobs that are on screen."""
        if self.jobs is None:
            return
        table = self.query_one(JobTable)
        jobs = self.jobs
        if self.view == "cards":
            self.ask(lambda: self._read_cards(jobs), "jobs")
            return
        height = max(table.size.height, 10)
        start = max(table.scroll_offset.y - height, 0) if table.total else 0
        self.ask(lambda: self._read_jobs(jobs, start, height * 3), "jobs")

    def _read_if_due(self) -> None:
        """Read again what is on screen, but not more often than the interval, nor for more than a tenth of the time."""
        if self.frozen or self.flowtui.connection_lost:
            return
        pause = max(self.interval, self._took * 10)
        if time.monotonic() - self._read_at < pause:
            return
        if self.jobs is not None and not self.jobs.plain:
            if self._took > 0.1 or (self.page is not None and self.page.scanned > 2000):
                return  # a long search is not repeated by itself; `/` and enter do it again
            self.jobs = self.jobs.again()
        self.read_jobs()

    def reread(self) -> None:
        if self.jobs is not None and not self.frozen:
            if not self.jobs.plain:
                self.jobs = self.jobs.again()
            self.read_jobs()
        self.board.tick(self.now)
        self._paneled = None
        self.show_queues()
        super().reread()

    async def _read_jobs(self, jobs: Jobs, start: int, count: int) -> None:
        queue = self._board_queue()
        version = queue.version if queue is not None else -1
        self._read_at = time.monotonic()
        while True:
            begun = time.perf_counter()
            page = await jobs.page(start, count, self._counts())
            took = time.perf_counter() - begun
            if jobs is not self.jobs:
                return
            await self._learn_flows(page.rows)
            self._took = took
            self.page, self._read_version = page, version
            self._show_page(page)
            if page.complete:
                break
            await asyncio.sleep(0)  # what was found so far is on screen before the search goes on

    def _show_page(self, page: Page) -> None:
        self._records = {job.id: job for job in page.rows}
        table = self.query_one(JobTable)
        table.say(self._nothing(page))
        self._redraw_rows(page)
        self._look_at_cursor()
        self._show_tabs()
        self.show_status()

    def _redraw_rows(self, page: Page) -> None:
        now, ascii = self.now, self.flowtui.ascii_only
        table = self.query_one(JobTable)
        rows = [job_row(job, now, self._flow_name, ascii=ascii) for job in page.rows]
        table.set_rows(rows, start=page.start, total=page.total)

    def _nothing(self, page: Page) -> str:
        if not page.complete:
            return f"looking… {page.scanned:,} of {page.of:,} jobs"
        if self.filter:
            return f"no job matches among {page.scanned:,}\n\nesc clears the filter"
        if self.state == "all":
            return "no jobs in this queue"
        return f"no {self.state} jobs\n\n] shows the next state"

    async def _learn_flows(self, rows: Sequence[JobRecord]) -> None:
        """Names for the flow column: of those on screen, each asked for once."""
        backend = self.flowtui.backend
        assert backend is not None
        table = self.query_one(JobTable)
        if not any(column.key == "flow" for column, _ in table.fitted(table.size.width)):
            return
        from core.errors import NotFound

        wanted = {
            (row.flow_id, row.queue) for row in rows if row.flow_id and row.flow_id not in self._flow_names
        }
        for flow_id, queue in list(wanted)[:50]:
            try:
                self._flow_names[flow_id] = (await backend.get_flow(flow_id, queue=queue)).name
            except NotFound:
                self._flow_names[flow_id] = flow_id[:8]

    def _flow_name(self, flow_id: str) -> str:
        return self._flow_names.get(flow_id, flow_id[:8])

    async def _read_cards(self, jobs: Jobs) -> None:
        """The first jobs of every state, as cards."""
        backend = self.flowtui.backend
        assert backend is not None
        self._read_at = time.monotonic()
        found: list[JobRecord] = []
        for _, states in LANES:
            for state in states:
                if self._counts().get(state.value):
                    listed = "ready" if state is JobState.WAITING else state
                    newest = state.terminal
                    found += await backend.list_jobs(
                        listed, jobs.queue, limit=_CARDS // len(states), newest_first=newest
                    )
        if jobs is not self.jobs:
            return
        queue = self._board_queue()
        self._read_version = queue.version if queue is not None else -1
        self._records = {job.id: job for job in found}
        cards = self.query_one(BoardView)
        cards.show(found, self.now, cards.cursor, counts=self._counts())
        self._look_at_cursor()

    @on(LineTable.RowsWanted, "#table")
    def _rows_wanted(self, event: LineTable.RowsWanted) -> None:
        event.stop()
        if self.jobs is not None:
            jobs = self.jobs
            self.ask(lambda: self._read_jobs(jobs, event.start, event.count), "jobs")

    @on(LineTable.CursorMoved, "#table")
    def _job_moved(self, event: LineTable.CursorMoved) -> None:
        event.stop()
        self._look_at_cursor()

    @on(BoardView.CursorMoved)
    def _card_moved(self, event: BoardView.CursorMoved) -> None:
        self._look_at_cursor()

    @property
    def cursor_id(self) -> str | None:
        """The job under the cursor."""
        if self.view == "cards":
            return self.query_one(BoardView).cursor
        return self.query_one(JobTable).cursor_id

    def _look_at_cursor(self) -> None:
        job_id = self.cursor_id
        record = self._records.get(job_id or "")
        if self._wide:
            self.look_at(job_id, record.queue if record is not None else None)
        elif self.reader is not None:
            # Nothing beyond the list's own line is shown: no need to ask for more.
            self.reader.point(job_id, record.queue if record is not None else None)
        if self.reader is not None and record is not None and self.reader.record is None:
            self.reader.record = record
        self._show_brief(record)
        self.show_detail()

    def _show_brief(self, job: JobRecord | None) -> None:
        """Two lines about the job under the cursor, where there is no room for a page."""
        if self._wide:
            return
        one, two = self.query_one("#one", Line), self.query_one("#two", Line)
        if job is None:
            one.show("")
            two.show("")
            return
        from flowtui.widgets.jobdetail import since
        from flowtui.widgets.jobtable import preview

        state = job.state.value
        one.show(
            Content.assemble(
                (f" {glyph(state, ascii=self.flowtui.ascii_only)} {state}", f"bold ${COLORS[state]}"),
                (f" {since(job, self.now)} · {safe(job.task_id, 60)}", "$foreground"),
                (f" · {self._flow_name(job.flow_id)}" if job.flow_id else "", "$foreground-muted"),
            )
        )
        arguments = " ".join(preview(part, 200) for part in (job.args, job.kwargs) if part) or "no arguments"
        two.show(Content.styled(f" {arguments}", "$foreground-muted"))

    @on(LineTable.Opened, "#table")
    def _job_opened(self, event: LineTable.Opened) -> None:
        event.stop()
        self.open_job(event.row_id)

    @on(BoardView.Opened)
    def _card_opened(self, event: BoardView.Opened) -> None:
        self.open_job(event.job_id)

    def open_job(self, job_id: str) -> None:
        """Everything about a job, on a page of its own."""
        from flowtui.screens.job import JobScreen

        record = self._records.get(job_id)
        queue = record.queue if record is not None else "" if self.queue in (None, ALL) else self.queue
        self.app.push_screen(JobScreen(self, job_id, queue or ""))

    # ---- lines -------------------------------------------------------------------------------------------------------

    def _show_tabs(self) -> None:
        counts = self._counts()
        scope = self.filter.states
        parts: list[tuple[str, str]] = [(" ", "")]
        for state in TABS:
            count = sum(counts.values()) if state == "all" else counts.get(state, 0)
            if not count and state in ("skipped", "cancelled", "expired", "blocked") and state != self.state:
                continue
            text = f"{_SHORT.get(state, state)} {number(count)}"
            if state == self.state and scope is None:
                parts.append((f"[{text}]", "bold $foreground"))
            else:
                parts.append((f" {text} ", "$foreground-muted"))
        self.query_one("#tabs", Line).show(
            Content.assemble(*parts), Content.styled("[ ] switch ", "$foreground-muted")
        )

    def status(self) -> tuple[Content, Content]:
        parts: list[tuple[str, str]] = []
        marks = len(self._marked())
        page = self.page
        if marks:
            parts.append((f" {marks:,} marked ●", "bold $accent"))
        if self.filter:
            parts.append((f" filter {safe(self.filter.text, 60)}", "bold $foreground"))
            if page is not None:
                found = f"{page.total:,} found"
                looked = (
                    ""
                    if page.complete and page.scanned >= page.of
                    else f", {page.scanned:,} of {page.of:,} looked at"
                )
                parts.append((f" · {found}{looked}", "$foreground-muted"))
        if self.sort is not None:
            parts.append((f" · {SORT_KEYS[self.sort][0]}", "$foreground-muted"))
        elif self.newest_first:
            parts.append((" · newest first", "$foreground-muted"))
        queue = self._board_queue()
        if not parts and queue is not None:
            text = f" {safe(queue.name, 40)}"
            if queue.paused:
                parts.append((" PAUSED", "bold $warning"))
            alive = [
                worker
                for worker in self.board.workers
                if queue.name in worker.queues and worker.seen_at + worker.ttl >= self.now
            ]
            slots = sum(worker.concurrency for worker in alive)
            parts.append((text, "$foreground"))
            workers = (
                f"{len(alive)} worker{'s' if len(alive) != 1 else ''}, {slots} slots"
                if alive
                else "no worker"
            )
            parts.append((f" · {workers}", "$warning" if not alive and queue.open else "$foreground-muted"))
            soon = drains(queue, int(self.now))
            if soon:
                parts.append((f" · {soon}", "$foreground-muted"))
        table = self.query_one(JobTable)
        where = f"{table.cursor + 1:,} of {table.total:,}" if table.total and self.view == "table" else ""
        pace = "frozen" if self.frozen else f"every {self.interval:g} s"
        right = f"{where}   {pace} " if where else f"{pace} "
        return Content.assemble(*parts), Content.styled(
            right, "$warning" if self.frozen else "$foreground-muted"
        )

    def tick(self) -> None:
        table = self.query_one(JobTable)
        if self.page is not None and self.view == "table" and not self.frozen:
            # Ages change by themselves; what runs or waits for a time changes faster.
            self._ticks += 1
            if self._ticks % 2 or any(
                job.state in (JobState.ACTIVE, JobState.DELAYED) for job in self.page.rows
            ):
                self._redraw_rows(self.page)
                self._show_brief(self._records.get(table.cursor_id or ""))
            queue = self._board_queue()
            active = self._counts().get("active", 0)
            changed = queue is None or queue.version != self._read_version
            # Progress comes with no event: what runs is read again at the same pace.
            if changed or (active and self.state in ("active", "all")):
                self._read_if_due()
        elif self.view == "cards" and not self.frozen and self.jobs is not None:
            self._read_if_due()
        if self._behind:
            self.show_queues()
        self._detail_tick()
        self.show_status()

    def _detail_tick(self) -> None:
        if self._wide:
            job = self.current()
            if job is not None and not job.state.terminal and not self.flowtui.connection_lost:
                self.read_job()
            else:
                self.show_detail()

    # ---- actions: look -----------------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        mutating = action in ("retry", "cancel", "remove", "promote", "pause")
        return not (mutating and self.flowtui.read_only)

    def action_next_tab(self, by: int = 1) -> None:
        """The next state."""
        counts = self._counts()
        shown = [
            state
            for state in TABS
            if state in ("all", "active", "waiting", "delayed", "failed", "completed", self.state)
            or counts.get(state)
        ]
        self.state = shown[(shown.index(self.state) + by) % len(shown)]
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
        self.read_jobs()

    def action_sort(self) -> None:
        """Choose the order."""
        rows = [
            Choice("", "the order of the queue", "as the engine keeps it"),
            Choice("newest", "the other way round", "newest first"),
            *[Choice(key, text, f"over the first 1,000: {key}") for key, (text, _) in SORT_KEYS.items()],
        ]
        rows[0] = Choice("queue", "the order of the queue", "as the engine keeps it")

        def chosen(key: str) -> None:
            self.sort = key if key in SORT_KEYS else None
            self.newest_first = key == "newest"
            self._restart()

        self.choose("Order of the jobs", rows, chosen)

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
            return
        self._message = None
        if wanted.text == self.filter.text:
            return
        self.filter = wanted
        if wanted.states is not None:
            self.state = "all"
        self._restart()

    @on(Input.Submitted, "#find")
    def _submitted(self, event: Input.Submitted) -> None:
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
        elif self._marked():
            self._selected = None
            self.query_one(JobTable).set_marks(())
            self.show_status()
        else:
            self.query_one(QueueTable).focus()

    def action_mark(self) -> None:
        """Mark the job under the cursor."""
        self._selected = None
        self.query_one(JobTable).toggle_mark()
        self.show_status()

    def action_mark_all(self) -> None:
        """Mark the jobs that are known, or none."""
        self._selected = None
        self.query_one(JobTable).mark_all()
        self.show_status()

    def action_mark_list(self) -> None:
        """Mark every job of this list."""
        if self.jobs is not None:
            jobs = self.jobs
            self.ask(lambda: self._mark_list(jobs), "marks")

    async def _mark_list(self, jobs: Jobs) -> None:
        ids = await jobs.every_id(BULK)
        if jobs is not self.jobs:
            return
        self.query_one(JobTable).set_marks(ids)
        more = f" (the first {BULK:,})" if len(ids) == BULK else ""
        self.tell(Report(f"{len(ids):,} jobs marked{more}"))

    def _marked(self) -> tuple[str, ...]:
        return self.query_one(JobTable).marks

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
        await self.flowtui.open_flow(record.flow_id, job=record.id)

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
        """The marked jobs, else the one under the cursor: as they are now, whatever moves meanwhile."""
        marks = self._marked()
        if marks:
            return marks
        return (self.cursor_id,) if self.cursor_id is not None else ()

    def _several(self, ids: Sequence[str]) -> str:
        if len(ids) == 1:
            record = self._records.get(ids[0])
            return f"{safe(record.name, 40)} {safe(ids[0][:8])}" if record is not None else safe(ids[0][:8])
        return f"{len(ids):,} marked jobs"

    def _bulk(self, ask: Callable[[Steering, Sequence[str]], Awaitable[Report]], ids: Sequence[str]) -> None:
        async def work(steering: Steering) -> Report:
            report = await ask(steering, ids)
            self.query_one(JobTable).set_marks(())
            return report

        self.steer(work)

    def action_retry(self) -> None:
        """Run the jobs again; many of them only after a question."""
        ids = self._targets()
        if self.refuses() or not ids:
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
        ids = self._targets()
        if self.refuses() or not ids:
            return
        self.confirm(
            f"Cancel {self._several(ids)}?",
            "Running ones are told to stop. What waits for them is skipped, or runs, by its trigger.",
            f"cancel {len(ids):,}" if len(ids) > 1 else "cancel it",
            lambda: self._bulk(Steering.cancel, ids),
        )

    def action_remove(self) -> None:
        """Remove the jobs; asks."""
        ids = self._targets()
        if self.refuses() or not ids:
            return
        self.confirm(
            f"Remove {self._several(ids)}?",
            "They are gone for good, with results and logs. Running ones, and those that an open flow needs, are kept.",
            f"remove {len(ids):,}" if len(ids) > 1 else "remove it",
            lambda: self._bulk(Steering.remove, ids),
        )

    def action_promote(self) -> None:
        """Make delayed jobs ready now."""
        ids = self._targets()
        if self.refuses() or not ids:
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
