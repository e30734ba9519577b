"""Everything about one job on a page of its own, with its log below."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen

from core.errors import FlowError
from flowtui.actions import BY_ID
from flowtui.reading import JobReader
from flowtui.steering import Report
from flowtui.text import safe
from flowtui.widgets.bars import Banner, FooterBar, Line, Rule, TopBar
from flowtui.widgets.jobdetail import JobDetail
from flowtui.widgets.logview import LogView

if TYPE_CHECKING:
    from flowtui.screens.watcher import Watcher


VERBS: Final = {
    "retry": "pass_on('retry')",
    "cancel": "pass_on('cancel')",
    "why": "pass_on('why')",
    "copy": "pass_on('copy')",
    "secrets": "secrets",
    "flow": "flow",
}
"""What can be done to the job, and the action that does it."""


class JobScreen(Screen[None]):
    """Follows one job, whatever the screen below goes on to look at, and passes the verbs on to that screen: it does
    them to this very job."""

    CSS_PATH = "../styles/live.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "close", show=False),
        Binding("tab", "app.focus_next", show=False),
    ]
    context = "job"

    def __init__(self, watcher: Watcher, reader: JobReader) -> None:
        super().__init__()
        self.watcher, self.reader = watcher, reader
        self._read_at: int | None = None
        for verb, call in VERBS.items():
            self._bindings.bind(",".join(self._keys(verb)), call, show=False)

    def _keys(self, verb: str) -> tuple[str, ...]:
        """The keys that a verb has on the screen below, or else in Queues, as the user may have changed them."""
        known = BY_ID.get(f"{self.watcher.mode_name}.{verb}") or BY_ID[f"queues.{verb}"]
        return self.watcher.flowtui.keys_of(known)

    def compose(self) -> ComposeResult:
        yield TopBar(self.watcher.mode_name)
        yield Banner()
        yield JobDetail(id="page")
        yield Rule(id="log-title")
        yield LogView(id="page-log")
        yield Line(id="status")
        names = {
            "tab": "log",
            "why": "why",
            "secrets": "secrets",
            "copy": "copy",
            "flow": "flow",
            "esc": "back",
        }
        if not self.watcher.flowtui.read_only:
            names = {"retry": "retry", "cancel": "cancel", **names}
        yield FooterBar(
            only=[(self._keys(key)[0] if key in VERBS else key, name) for key, name in names.items()]
        )

    def on_mount(self) -> None:
        self.watcher.opened = self.reader
        self.query_one(LogView).show(self.reader.job_id, "reading…")
        self.query_one(JobDetail).focus()
        self.set_interval(0.5, self._tick)
        self.call_after_refresh(self._tick)

    def on_unmount(self) -> None:
        self.watcher.opened = None

    def _tick(self) -> None:
        if not self.is_mounted:
            return
        reader, log = self.reader, self.query_one(LogView)
        facts = reader.facts(self.watcher.now, reveal=self.watcher.reveal)
        self.query_one(JobDetail).show(facts, "this job has been removed" if reader.gone else "reading…")
        job = facts.job if facts is not None else None
        name = safe(job.name, 60) if job is not None else safe((reader.job_id or "")[:12])
        self.query_one(TopBar).detail = name
        self.query_one("#log-title", Rule).title = f"{name} · log"
        self.query_one(Line).show(self.watcher._message[0] if self.watcher._message else Content(""))
        moving = job is None or not job.state.terminal
        # Room for what there is: a job that has ended without a word will write none.
        log.set_class(not moving and not log.lines, "-empty")
        # What has ended changes only by an event of its queue.
        if (moving or self._read_at != self._version()) and not self.watcher.flowtui.connection_lost:
            # A function and not a coroutine, which would never be awaited where a newer reading comes first.
            self.run_worker(self._read, group="page", exclusive=True, exit_on_error=False)  # type: ignore[arg-type]

    def _version(self) -> int:
        """Changes with every event of the job's queue."""
        record = self.reader.record
        queue = self.watcher.board.queues.get(record.queue) if record is not None else None
        return queue.version if queue is not None else -1

    async def _read(self) -> None:
        log, version = self.query_one(LogView), self._version()
        try:
            await self.reader.load()
            lines = await self.reader.log(log.last)
        except (FlowError, OSError, TimeoutError):
            return  # the feed meets the same store, and the banner says so
        log.extend(lines)
        log.say("this job has written nothing")
        self._read_at = version

    def action_close(self) -> None:
        self.dismiss(None)

    def action_secrets(self) -> None:
        self.watcher.reveal = not self.watcher.reveal
        self._tick()

    def action_pass_on(self, verb: str) -> None:
        """Let the screen below do it, for the job that is shown here."""
        getattr(self.watcher, f"action_{verb}")()

    async def action_flow(self) -> None:
        """Go to the job's flow."""
        job = self.reader.job
        if job is None or job.flow_id is None:
            self.watcher.tell(Report("this job belongs to no flow", "warning"))
            return
        app = self.watcher.flowtui
        self.dismiss(None)
        await app.open_flow(job.flow_id, job=job.id, queue=job.queue)
