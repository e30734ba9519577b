"""What Live and Queues have in common: they listen to the feed while they are shown, follow one job, and steer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, cast

from textual.content import Content
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input

from core.errors import BackendUnavailable, FlowError
from core.jobs import JobRecord
from flowtui.board import Board
from flowtui.feed import BoardChanged, Feed
from flowtui.messages import ConnectionRestored, EngineOpened
from flowtui.reading import JobReader
from flowtui.redact import redact
from flowtui.screens.ask import AskScreen
from flowtui.screens.pick import MenuScreen, PickScreen, Row
from flowtui.steering import Report, Steering
from flowtui.text import safe
from flowtui.widgets.bars import Line
from flowtui.widgets.jobdetail import JobDetail
from flowtui.widgets.logview import LogView

if TYPE_CHECKING:
    from flowtui.app import FlowtuiApp

TICK: Final = 0.5
"""Seconds between two redraws of what changes by itself: times, progress, logs."""
MESSAGE_STAYS: Final = 12
"""Ticks for which the outcome of an action stays in the status line."""


class Watcher(Screen[None]):
    """A screen on the board. It draws from the board and asks through `Steering`; it holds no truth."""

    def __init__(self) -> None:
        super().__init__()
        self.board = Board()
        self.reader: JobReader | None = None
        self.opened: JobReader | None = None
        """Follows the job of the page that lies over this screen; keys then act on that job alone."""
        self.steering: Steering | None = None
        self.reveal = False
        self._ticker: Timer | None = None
        self._message: tuple[Content, int] | None = None
        self._status_line: Line | None = None
        self._detail_pages: list[JobDetail] = []
        self._wide = self._tall = False

    @property
    def flowtui(self) -> FlowtuiApp:
        """The app, with its type."""
        return cast("FlowtuiApp", self.app)

    @property
    def feed(self) -> Feed | None:
        """What follows the engine, once there is one."""
        return self.flowtui.feed

    @property
    def now(self) -> float:
        """The store's clock."""
        return self.feed.now() if self.feed is not None else 0.0

    # ---- shown and hidden --------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        # Textual calls this and the subclass's own, in any case: neither calls the other.
        self._ticker = self.set_interval(TICK, self._tick)
        self.watch(self.app, "connection_lost", self._connection_changed, init=False)
        self._join()

    def on_engine_opened(self, message: EngineOpened) -> None:
        self._join()

    def _join(self) -> None:
        feed, backend = self.feed, self.flowtui.backend
        if feed is None or backend is None or self.reader is not None:
            return
        self.board = feed.board
        self.reader = JobReader(backend, feed.board)
        self.steering = Steering(backend, read_only=self.flowtui.read_only)
        if self.is_current:
            feed.subscribe(self)
        self.attached()

    def attached(self) -> None:
        """The engine answers: the first moment at which something can be asked."""

    def on_screen_resume(self) -> None:
        if self.feed is not None:
            self.feed.subscribe(self)
        if self._ticker is not None:
            self._ticker.resume()
        self.call_after_refresh(self._tick)

    def on_screen_suspend(self) -> None:
        # A mode that is not shown must cost nothing. Under a window of its own the screen stays alive.
        if self.app.current_mode != self.mode_name:
            if self.feed is not None:
                self.feed.unsubscribe(self)
            if self._ticker is not None:
                self._ticker.pause()

    mode_name = ""

    def on_unmount(self) -> None:
        if self.flowtui.feed is not None:
            self.flowtui.feed.unsubscribe(self)

    def _connection_changed(self, lost: str) -> None:
        self.set_class(bool(lost), "-stale")

    def on_board_changed(self, message: BoardChanged) -> None:
        self.board_changed()

    def board_changed(self) -> None:
        """The board knows something new."""

    def _tick(self) -> None:
        if not self.is_mounted or not self.app.is_running:
            return
        if self._message is not None:
            content, left = self._message
            self._message = (content, left - 1) if left > 1 else None
        self.tick()

    def pressed(self) -> None:
        """A key: what was said a moment ago, of what was done then, has been read. A letter of a text is no answer."""
        typing = isinstance(self.focused, Input)
        if not typing and self._message is not None and self._message[1] < MESSAGE_STAYS - 1:
            self._message = None
            self.show_status()

    def tick(self) -> None:
        """Half a second has passed."""

    def reread(self) -> None:
        """Read again, now, all that is shown, whatever the pauses between two readings."""
        self.read_job()
        self._tick()

    def on_connection_restored(self, message: ConnectionRestored) -> None:
        self.reread()

    # ---- reading, outside of the flow of messages --------------------------------------------------------------------

    def ask(self, work: Callable[[], Coroutine[Any, Any, None]], group: str) -> None:
        """Read something in a task of its own; a newer question of the same group replaces it."""

        async def guarded() -> None:
            await self._guarded(work)

        # A function and not a coroutine, which would never be awaited where a newer question comes first.
        self.run_worker(guarded, group=group, exclusive=True, exit_on_error=False)  # type: ignore[arg-type]

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except (BackendUnavailable, OSError, TimeoutError):
            return  # the feed meets the same store, and the banner says so
        except FlowError as error:
            self.tell(Report(str(error) or type(error).__name__, "error"))

    # ---- what happened -----------------------------------------------------------------------------------------------

    def tell(self, report: Report) -> None:
        """Say how an action went, in the status line."""
        mark, color = {
            "information": ("✓", "$success"),
            "warning": ("!", "$warning"),
            "error": ("✗", "$error"),
        }[report.severity]
        content = Content.assemble((f" {mark} ", f"bold {color}"), (safe(report.text, 300), "$foreground"))
        self._message = (content, MESSAGE_STAYS)
        self.show_status()

    def show_status(self) -> None:
        """Redraw the status line."""
        line = self._status_line
        if line is None or not line.is_attached:
            # Looked for once: this is asked twice a second, also where nothing happens.
            line = self._status_line = next(iter(self.query("#status").results(Line)), None)
            if line is None:
                return
        if self._message is not None:
            line.show(self._message[0])
        else:
            line.show(*self.status())

    def status(self) -> tuple[Content, Content]:
        """What the status line says when nothing has just happened: left and right."""
        return Content(""), Content("")

    def steer(self, ask: Callable[[Steering], Awaitable[Report]]) -> None:
        """Do something to the engine and say how it went. Nothing changes on screen until the engine says so."""
        steering = self.steering
        if steering is None:
            self.tell(Report("no engine yet", "warning"))
            return

        async def work() -> None:
            self.tell(await ask(steering))

        self.run_worker(work(), exit_on_error=False)

    def confirm(self, title: str, text: str, yes: str, then: Callable[[], None]) -> None:
        """Ask; on yes do it."""

        def answered(answer: bool | None) -> None:
            if answer:
                then()

        self.app.push_screen(AskScreen(title, text, yes=yes), answered)

    def choose(
        self, title: str, rows: list[Row], then: Callable[[str], None], *, filtered: bool = False
    ) -> None:
        """Let the user pick one of several things to do; `filtered` where what is typed should filter them."""

        def answered(answer: str | None) -> None:
            if answer is not None:
                then(answer)

        window = PickScreen if filtered else MenuScreen
        self.app.push_screen(window(title, rows, hint="enter does it · ↑↓ move · esc back"), answered)

    def refuses(self) -> bool:
        """Whether nothing may be changed; says so."""
        if self.flowtui.read_only:
            self.tell(Report("read-only: started with --read-only", "warning"))
        return self.flowtui.read_only

    # ---- the job that is looked at -----------------------------------------------------------------------------------

    def look_at(self, job_id: str | None, queue: str | None, record: JobRecord | None = None) -> None:
        """Follow a job in the detail pane and the log; `record` is what is known of it until it has been read."""
        if self.reader is None:
            return
        if job_id != self.reader.job_id:
            self.reader.point(job_id, queue)
            self.reader.record = record
            for log in self.query(LogView):
                log.show(job_id, "reading…" if job_id else "")
            self.show_detail()
            if job_id is not None:
                # Not for each step of a held arrow key.
                self.set_timer(0.08, self.read_job)
        elif record is not None and self.reader.moved(record):
            self.read_job()

    def read_job(self) -> None:
        """Read the job again, and what its log has gained."""
        if self.reader is not None and self.reader.job_id is not None:
            reader, job_id = self.reader, self.reader.job_id
            self.ask(lambda: self._read_job(reader, job_id), "job")

    async def _read_job(self, reader: JobReader, job_id: str) -> None:
        await reader.load()
        self.show_detail()
        for log in self.query(LogView):
            if not log.display or log.job_id != job_id:
                continue
            lines = await reader.log(log.last)
            if log.job_id == job_id:
                log.extend(lines)
                log.say("this job has written nothing")

    def show_detail(self) -> None:
        """Redraw the detail pane."""
        reader = self.reader
        if reader is None:
            return
        details = self._detail_pages
        if not details or not all(detail.is_attached for detail in details):
            details = self._detail_pages = list(self.query(JobDetail))
        for detail in details:
            if not detail.display:
                continue
            facts = reader.facts(self.now, reveal=self.reveal)
            if facts is None:
                gone = "this job has been removed" if reader.gone else "reading…" if reader.job_id else ""
                detail.show(None, gone)
            else:
                detail.show(facts)

    def current(self) -> JobRecord | None:
        """The job under the cursor, or the one whose page is open, as far as it is known."""
        reader = self.opened or self.reader
        return reader.job if reader is not None else None

    def show_page(self, job_id: str, queue: str, record: JobRecord | None = None) -> None:
        """Everything about a job, on a page of its own; `record` is what is known of it until it has been read."""
        from flowtui.screens.job import JobScreen

        backend = self.flowtui.backend
        assert backend is not None
        reader = JobReader(backend, self.board)
        reader.point(job_id, queue)
        reader.record = record
        self.app.push_screen(JobScreen(self, reader))

    # ---- actions that both have --------------------------------------------------------------------------------------

    def action_secrets(self) -> None:
        """Show or hide what looks like a secret."""
        self.reveal = not self.reveal
        self.tell(Report("secrets are shown" if self.reveal else "secrets are hidden", "information"))
        self.show_detail()

    def action_why(self) -> None:
        """Say why the job under the cursor is not running."""
        reader = self.opened or self.reader
        if reader is None or reader.job_id is None:
            self.tell(Report("there is no job under the cursor", "warning"))
            return
        job_id = reader.job_id
        self.ask(lambda: self._why(job_id), "why")

    async def _why(self, job_id: str) -> None:
        from flowtui.screens.why import WhyScreen

        backend = self.flowtui.backend
        assert backend is not None
        job = self.current()
        queue = job.queue if job is not None and job.id == job_id else None
        told = await backend.explain(job_id, queue=queue)
        names = {}
        for upstream, _ in told.upstreams[:20]:
            try:
                names[upstream] = (await backend.get_job(upstream, queue=queue)).name
            except FlowError:
                names[upstream] = upstream[:8]
        name = job.name if job is not None and job.id == job_id else job_id[:8]
        self.app.push_screen(WhyScreen(name, told, names))

    def action_copy(self) -> None:
        """Copy something of the job under the cursor."""
        job = self.current()
        if job is None:
            self.tell(Report("there is no job under the cursor", "warning"))
            return
        rows = [
            Row("id", "id", safe(job.id)),
            Row("name", "name", safe(job.name, 60)),
            Row("args", "arguments as JSON", "secrets hidden"),
            Row("json", "the job as JSON", "secrets hidden"),
        ]
        if job.flow_id:
            rows.insert(1, Row("flow", "flow id", safe(job.flow_id)))
        if job.error is not None:
            rows.append(Row("error", "error", safe(str(job.error), 60)))
        self.choose("Copy", rows, lambda what: self._copied(job, what))

    def _copied(self, job: JobRecord, what: str) -> None:
        text = copied(job, what)
        self.app.copy_to_clipboard(text)
        self.tell(Report(f"copied {len(text):,} characters"))


def copied(job: JobRecord, what: str) -> str:
    """The text that the copy menu puts on the clipboard: safe to paste, secrets hidden."""
    if what == "id":
        return safe(job.id)
    if what == "flow":
        return safe(job.flow_id or "")
    if what == "name":
        return safe(job.name)
    if what == "error":
        return safe(str(redact(str(job.error or ""))), lines=True)
    if what == "args":
        return safe(json.dumps(redact({"args": job.args, "kwargs": job.kwargs}), ensure_ascii=False))
    fields = {
        "id": job.id,
        "queue": job.queue,
        "flow_id": job.flow_id,
        "name": job.name,
        "task": job.task_id,
        "state": job.state.value,
        "args": job.args,
        "kwargs": job.kwargs,
        "depends_on": job.depends_on,
        "attempts": job.attempts,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "result": job.result,
        "error": job.error.to_dict() if job.error is not None else None,
    }
    return safe(json.dumps(redact(fields), ensure_ascii=False, indent=2), lines=True)
