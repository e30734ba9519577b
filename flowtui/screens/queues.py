"""Queues: every queue with its counts, the jobs of one of them page by page, and the job under the cursor."""

from __future__ import annotations

import time
from typing import ClassVar, Final

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import ContentSwitcher, Input

from core.jobs import JobState
from flowtui.actions import bindings
from flowtui.filter import NOTHING, parse
from flowtui.pages import SORT_KEYS
from flowtui.screens.queueactions import QueueActions
from flowtui.screens.watcher import TICK
from flowtui.text import safe
from flowtui.widgets.bars import Banner, FooterBar, Line, TopBar
from flowtui.widgets.boardview import BoardView
from flowtui.widgets.jobdetail import JobDetail
from flowtui.widgets.jobtable import JobTable
from flowtui.widgets.linetable import LineTable
from flowtui.widgets.queuepanel import QueuePanel, drains
from flowtui.widgets.queuetable import ALL, NONE, QueueTable, queue_row, sum_row

SHOW_EVERY: Final = 0.24
"""Seconds between two redraws of the list of queues, however much moves."""


class QueuesScreen(QueueActions):
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
        self._ticks = 0
        self._shown_at = 0.0
        self._behind = False
        self._paneled: tuple[str | None, int] | None = None
        self._remembered: dict[str, tuple[str, str, str | None, bool]] = {}

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
        before = self._wide
        self._wide, self._tall = event.size.width >= 110, event.size.height >= 34
        self._arrange()
        if self._wide and not before:
            self.read_job()  # the list's own line was enough until now

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
        width = next((size for column, size in table.fitted(table.line_width) if column.key == "spark"), 12)
        rows = [queue_row(queue, now, width) for queue in queues]
        if len(queues) > 1:
            rows.append(sum_row(queues, now, width))
        if self.board.at:
            table.say(NONE)
        grown = len(rows) != table.total
        table.set_rows(rows)
        if not queues:
            self._choose_none()
        elif self.queue is None:
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

    def reread(self) -> None:
        if self.jobs is not None and not self.frozen:
            if not self.jobs.plain:
                self.jobs = self.jobs.again()
            self.read_jobs()
        self.board.tick(self.now)
        self._paneled = None
        self.show_queues()
        super().reread()

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
            self._remembered[self.queue] = (self.state, self.filter.text, self.sort, self.reverse)
        self.queue, self._tab_before = name, None
        known = self._remembered.get(name)
        if known is not None:
            self.state, text, self.sort, self.reverse = known
            self.filter = parse(text)
        else:
            self.filter, self.sort, self.reverse = NOTHING, None, False
            if not self._chosen_state:
                self.state = self._first_tab()
        self._restart()

    def _choose_none(self) -> None:
        """There is no queue any more."""
        if self.queue is None:
            return
        self.queue, self.jobs, self.page, self._records = None, None, None, {}
        table = self.query_one(JobTable)
        table.reset()
        table.say("no jobs here")
        self.query_one(BoardView).show((), self.now, None)
        self.query_one(TopBar).detail = ""
        self._look_at_cursor()

    def _first_tab(self) -> str:
        """The tab that says most: what runs, else what failed, else what waits."""
        counts = self._counts()
        return next(
            (state for state in ("active", "failed", "waiting", "delayed") if counts.get(state)), "all"
        )

    # ---- lines -------------------------------------------------------------------------------------------------------

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
        elif self.reverse:
            parts.append((" · the other way round", "$foreground-muted"))
        queue = self._board_queue()
        if not parts and queue is not None:
            text = f" {safe(queue.name, 40)}"
            if queue.paused:
                parts.append((" PAUSED", "bold $warning"))
            alive = [
                worker
                for worker in self.board.workers
                if queue.name in worker.queues and worker.seen_at + worker.ttl >= self.board.at
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
            self._ticks += 1
            queue = self._board_queue()
            active = self._counts().get("active", 0)
            changed = queue is None or queue.version != self._read_version
            # Progress comes with no event: what runs is read again at the same pace.
            if changed or (active and self.state in ("active", "all")):
                self._read_if_due()
            # Ages change by themselves; what runs or waits for a time changes faster. What was just read is drawn.
            moves = any(job.state in (JobState.ACTIVE, JobState.DELAYED) for job in self.page.rows)
            if (self._ticks % 2 or moves) and time.monotonic() - self._read_at >= TICK:
                self._redraw_rows(self.page)
                self._show_brief(self._records.get(table.cursor_id or ""))
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
