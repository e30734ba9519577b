"""The jobs of the queue that is looked at: which list, read as far as it is on screen, and the job under the cursor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from functools import partial
from typing import Final

from textual import on
from textual.content import Content

from core.jobs import JobRecord, JobState
from core.references import Reference, convert
from flowtui.filter import NOTHING, Filter
from flowtui.pages import SORT_KEYS, TABS, Jobs, Page
from flowtui.queueboard import QueueBoard
from flowtui.screens.watcher import Watcher
from flowtui.states import COLORS, glyph
from flowtui.steering import Report
from flowtui.text import counted, safe
from flowtui.times import number
from flowtui.widgets.bars import Line, TopBar
from flowtui.widgets.boardview import LANES, BoardView
from flowtui.widgets.jobtable import JobTable, job_row
from flowtui.widgets.linetable import LineTable
from flowtui.widgets.queuetable import ALL

_CARDS: Final = 200
_SHORT: Final = {"completed": "done"}


class QueueJobs(Watcher):
    """One list of jobs, as a table or as cards. Jobs are asked for as far as they are on screen."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: str | None = None
        self.state = "active"
        self.filter: Filter = NOTHING
        self.sort: str | None = None
        self.reverse = False
        self.jobs: Jobs | None = None
        self.page: Page | None = None
        self.interval = 1.0
        self.frozen = False
        self.view = "table"
        self._records: dict[str, JobRecord] = {}
        self._flow_names: dict[tuple[str, str], str] = {}
        self._read_at = 0.0
        self._read_version = -1
        self._took = 0.0
        self._chosen_state = False
        self._tab_before: str | None = None
        self._filter_wrong = False

    def _board_queue(self) -> QueueBoard | None:
        return self.board.queues.get(self.queue) if self.queue is not None else None

    def _counts(self) -> dict[str, int]:
        if self.queue == ALL:
            return self.board.totals()
        queue = self._board_queue()
        return dict(queue.counts) if queue is not None else {}

    def _show_tabs(self) -> None:
        counts = self._counts()
        scope, shown = self.filter.states, "all" if self.view == "cards" else self.state
        parts: list[tuple[str, str]] = [(" ", "")]
        for state in TABS:
            count = sum(counts.values()) if state == "all" else counts.get(state, 0)
            if not count and state in ("skipped", "cancelled", "expired", "blocked") and state != shown:
                continue
            text = f"{_SHORT.get(state, state)} {number(count)}"
            if state == shown and scope is None:
                parts.append((f"[{text}]", "bold $foreground"))
            else:
                parts.append((f" {text} ", "$foreground-muted"))
        self.query_one("#tabs", Line).show(
            Content.assemble(*parts), Content.styled("[ ] switch ", "$foreground-muted")
        )

    # ---- jobs --------------------------------------------------------------------------------------------------------

    def _restart(self) -> None:
        """Another list of jobs is wanted: read it from its start."""
        backend = self.flowtui.backend
        if backend is None or self.queue is None:
            return
        queue = None if self.queue == ALL else self.queue
        self.jobs = Jobs(
            backend, queue, self.state, self.filter, self.sort, self.reverse, clock=lambda: self.now
        )
        self.page = None
        self._records = {}
        table = self.query_one(JobTable)
        if marks := len(table.marks):
            self.tell(Report(f"{counted(marks, 'mark')} taken away: another list is shown", "warning"))
        table.reset()
        table.tell_queues(queue is None)
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
        rows = [job_row(job, now, partial(self._flow_name, job.queue), ascii=ascii) for job in page.rows]
        table.set_rows(rows, start=page.start, total=page.total)

    def _nothing(self, page: Page) -> str:
        if not page.complete:
            return f"looking… {page.scanned:,} of {page.of:,} jobs"
        if self.filter:
            state, others = "", ""
            if self.state != "all":
                state, others = f"{self.state} ", " · ] shows the next state"
            return f"no {state}job matches among {page.scanned:,}\n\nesc clears the filter{others}"
        if self.state == "all":
            return "no jobs in this queue"
        return f"no {self.state} jobs\n\n] shows the next state"

    async def _learn_flows(self, rows: Sequence[JobRecord]) -> None:
        """Names for the flow column: of those on screen, each asked for once."""
        backend = self.flowtui.backend
        assert backend is not None
        table = self.query_one(JobTable)
        if not any(column.key == "flow" for column, _ in table.fitted(table.line_width)):
            return
        from core.errors import NotFound

        wanted = {(row.queue, row.flow_id) for row in rows if row.flow_id} - self._flow_names.keys()
        for queue, flow_id in list(wanted)[:50]:
            try:
                self._flow_names[queue, flow_id] = (await backend.get_flow(flow_id, queue=queue)).name
            except NotFound:
                self._flow_names[queue, flow_id] = flow_id[:8]

    def _flow_name(self, queue: str, flow_id: str) -> str:
        return self._flow_names.get((queue, flow_id), flow_id[:8])

    async def _read_cards(self, jobs: Jobs) -> None:
        """The first jobs of every state, as cards; with a filter, the first that it lets through."""
        self._read_at = time.monotonic()
        queue = self._board_queue()
        version = queue.version if queue is not None else -1
        if self.filter:
            await self._find_cards(jobs)
        else:
            found = await self._first_cards(jobs.queue)
            if jobs is self.jobs:
                self._show_cards(found, self._counts())
        self._read_version = version

    async def _first_cards(self, queue: str | None) -> list[JobRecord]:
        backend = self.flowtui.backend
        assert backend is not None
        found: list[JobRecord] = []
        for _, states in LANES:
            for state in states:
                if self._counts().get(state.value):
                    listed = "ready" if state is JobState.WAITING else state
                    found += await backend.list_jobs(listed, queue, limit=_CARDS // len(states))
        return found

    async def _find_cards(self, jobs: Jobs) -> None:
        every = jobs.of_all()
        while jobs is self.jobs:
            begun = time.perf_counter()
            page = await every.page(0, _CARDS, self._counts())
            self._took = time.perf_counter() - begun
            if jobs is not self.jobs:
                return
            self.page = page
            self._show_cards(page.rows)
            if page.complete:
                return
            await asyncio.sleep(0)

    def _show_cards(self, found: list[JobRecord], counts: dict[str, int] | None = None) -> None:
        self._records = {job.id: job for job in found}
        cards = self.query_one(BoardView)
        cards.show(found, self.now, cards.cursor, self._marked(), counts)
        self._look_at_cursor()
        self.show_status()

    def _marked(self) -> tuple[str, ...]:
        """Ids of the marked jobs; table and cards have the same ones."""
        return self.query_one(JobTable).marks

    @on(JobTable.MarksChanged, "#table")
    def _marks_changed(self, event: JobTable.MarksChanged) -> None:
        event.stop()
        self.query_one(BoardView).mark(self._marked())
        self.show_status()

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
            self.look_at(job_id, record.queue if record is not None else None, record)
        elif self.reader is not None:
            # Nothing beyond the list's own line is shown: no need to ask for more.
            self.reader.point(job_id, record.queue if record is not None else None)
            self.reader.record = record or self.reader.record
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
                (f" · {self._flow_name(job.queue, job.flow_id)}" if job.flow_id else "", "$foreground-muted"),
            )
        )
        flow = self.board.flow(job.flow_id, job.queue)

        def written(reference: Reference) -> str:
            upstream = flow.jobs.get(reference.upstream) if flow is not None else None
            name = upstream.name if upstream is not None else reference.upstream[:8]
            return str(Reference(name, reference.path))

        parts = [convert(part, job.depends_on, written) for part in (job.args, job.kwargs) if part]
        arguments = " ".join(preview(part, 200) for part in parts) or "no arguments"
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
        record = self._records.get(job_id)
        queue = record.queue if record is not None else "" if self.queue in (None, ALL) else self.queue
        self.show_page(job_id, queue or "", record)
