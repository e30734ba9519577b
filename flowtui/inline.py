"""`flowtui --watch QUEUE --inline`: a few live lines under the prompt, which stay in the scrollback afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Final, cast

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from core.backends.base import Backend, Watching
from core.errors import FlowError
from core.jobs import FlowRecord, FlowState, JobRecord, JobState
from flowtui.app import FlowtuiApp
from flowtui.board import Board
from flowtui.feed import BoardChanged
from flowtui.inlineview import MOST, Seen, picture
from flowtui.queueboard import QueueBoard
from flowtui.widgets.bars import banner

TICK: Final = 0.5
"""Seconds between two redraws of what changes by itself: times and progress."""
ASKED: Final = 6
"""Queues that are asked for their jobs, the fullest ones; the others still count in the sums."""
TALLEST: Final = 16


class InlineView(Widget):
    """The lines. Never gets smaller while it runs: what is below it must not jump."""

    DEFAULT_CSS: ClassVar[str] = "InlineView { width: 1fr; height: auto; background: $background; }"

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Content] = [Content(" connecting…")]

    def show(self, lines: list[Content], *, shrink: bool = False) -> None:
        """Show these lines in place of the last ones."""
        if not shrink:
            lines = lines + [Content("")] * (len(self._lines) - len(lines))
        if lines == self._lines and [a.plain for a in lines] == [b.plain for b in self._lines]:
            return
        taller = len(lines) != len(self._lines)
        self._lines = lines
        self.refresh(layout=taller)

    def render(self) -> Content:
        return Content("\n").join(self._lines)


class InlineScreen(Screen[None]):
    """Draws from the board, and reads the few flows and jobs that it names."""

    DEFAULT_CSS: ClassVar[str] = """
    InlineScreen {
        height: auto;
        overflow: hidden;
        &:inline { height: auto; min-height: 1; max-height: 100%; border: none; }
    }
    """

    def __init__(self) -> None:
        super().__init__()
        self._last = False
        self.seen = Seen()
        self._read_at = 0.0
        self._read_version = -1
        self._seq = -1

    def compose(self) -> ComposeResult:
        yield InlineView()

    @property
    def flowtui(self) -> FlowtuiApp:
        """The app, with its type."""
        return cast("FlowtuiApp", self.app)

    def on_mount(self) -> None:
        self.set_interval(TICK, self.reread)
        self.watch(self.app, "connection_lost", lambda lost: self.draw(), init=False)

    def on_resize(self, event: events.Resize) -> None:
        self.draw()

    def reread(self) -> None:
        """Read what is old, and draw."""
        feed, backend = self.flowtui.feed, self.flowtui.backend
        if feed is None or backend is None or not self.is_mounted:
            return
        self.draw()
        board = feed.board
        # Progress is told by no event; where nothing runs and nothing happened, there is nothing to ask.
        due = board.version != self._read_version and (board.totals()["active"] or self._moved(board))
        if (
            due
            and time.monotonic() - self._read_at >= self.flowtui.interval
            and not self.flowtui.connection_lost
        ):
            read: Any = partial(self._read, backend, board)
            self.run_worker(read, group="read", exclusive=True, exit_on_error=False)

    def _moved(self, board: Board) -> bool:
        return sum(queue.seq for queue in board.queues.values()) != self._seq

    async def _read(self, backend: Watching, board: Board) -> None:
        version, seq = board.version, sum(queue.seq for queue in board.queues.values())
        self._read_at = time.monotonic()
        try:
            self.seen = await read(backend, board)
        except (FlowError, OSError, TimeoutError):
            return  # the feed meets the same store and says so
        self._read_version, self._seq = version, seq
        self.draw()

    def draw(self, *, last: bool = False) -> None:
        """Show all that is known at this moment; `last` is what stays, whatever is heard before the end."""
        self._last = last = last or self._last
        feed, lost = self.flowtui.feed, self.flowtui.connection_lost
        view = self.query(InlineView)
        if not view:
            return
        width, height = self.app.size
        if feed is None:
            if lost:
                view.first().show([banner(lost, width).stylize("$error")])
            return
        lines = picture(
            feed.board,
            self.seen,
            feed.now(),
            width,
            engine=self.flowtui.engine_label.partition(" ")[0],
            lost=lost,
            height=max(min(height - 2, TALLEST), 2),
            hint="" if last else "q quits",
        )
        view.first().show(lines, shrink=last)


async def read(backend: Watching, board: Board) -> Seen:
    """The flows and jobs worth naming. Raises BackendError."""
    queues = sorted(board.queues.values(), key=lambda queue: (-queue.open, queue.name))[:ASKED]
    # One after the other: a watcher must never be the store's crowd.
    active = [job for queue in queues for job in await _jobs(backend, queue, JobState.ACTIVE)]
    failed = [job for queue in queues for job in await _jobs(backend, queue, JobState.FAILED)]
    flows = [flow for queue in queues for flow in await _flows(backend, queue.name)]
    unique = {(flow.queue, flow.id): flow for flow in flows}  # two queues may each have one of that id
    return Seen(
        sorted(unique.values(), key=_importance),
        sorted(active, key=lambda job: (job.started_at or 0.0, job.id))[:MOST],
        sorted(failed, key=lambda job: -(job.finished_at or 0.0))[:MOST],
    )


def _importance(flow: FlowRecord) -> tuple[bool, float]:
    """Running ones first, the latest first."""
    return flow.state is not FlowState.RUNNING, -(flow.finished_at or flow.created_at)


async def _jobs(backend: Watching, queue: QueueBoard, state: JobState) -> list[JobRecord]:
    if not queue.counts[state.value]:
        return []
    # What runs longest is worth the most; of what failed, the last: the store's own order.
    return await backend.list_jobs(state, queue.name, limit=MOST)


async def _flows(backend: Watching, queue: str) -> list[FlowRecord]:
    running = await backend.list_flows(queue, state=FlowState.RUNNING, limit=MOST)
    if len(running) >= MOST:
        return running
    return running + await backend.list_flows(queue, limit=MOST)


class InlineApp(FlowtuiApp, inherit_bindings=False):
    """Follows queues in a few lines of the normal screen; `q` ends it. Changes nothing, runs nothing."""

    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {"queues": InlineScreen}
    INLINE_PADDING = 0
    ALERTS_ON_SCREEN = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,escape,ctrl+c,ctrl+q,ctrl+d", "leave", show=False, priority=True)
    ]

    def __init__(
        self,
        url: str | None = None,
        *,
        watch: Sequence[str] = ("*",),
        interval: float = 1.0,
        ascii_only: bool = False,
        theme: str | None = None,
        backend: Backend | None = None,
        alert: str = "",
    ) -> None:
        super().__init__(
            url,
            watch=watch or ("*",),
            read_only=True,
            interval=interval,
            ascii_only=ascii_only,
            theme=theme,
            backend=backend,
            alert=alert,
        )

    def on_board_changed(self, message: BoardChanged) -> None:
        """A bell and the desktop where asked for; the lines themselves say what ended."""
        super().on_board_changed(message)
        if isinstance(self.screen, InlineScreen):
            self.screen.reread()

    async def action_leave(self) -> None:
        """Leave the last state on the screen, without the lines that it does not need any more."""
        if isinstance(self.screen, InlineScreen):
            self.screen.draw(last=True)
            await asyncio.sleep(0)
        self.call_after_refresh(self.exit)
