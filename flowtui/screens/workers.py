"""Who runs the jobs: every worker with its host, its slots and when it was last seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from core.backends.base import WorkerInfo
from flowtui.text import safe
from flowtui.times import duration
from flowtui.widgets.cells import Column, Row
from flowtui.widgets.linetable import LineTable

if TYPE_CHECKING:
    from flowtui.screens.watcher import Watcher

_COLUMNS: Final = (
    Column("alive", "", 7),
    Column("id", "WORKER", 14, flex=1),
    Column("host", "HOST", 10, flex=1),
    Column("pid", "PID", 7, "right"),
    Column("slots", "SLOTS", 7, "right"),
    Column("seen", "SEEN", 8, "right"),
    Column("up", "UP", 7, "right", drop=1),
    Column("queues", "QUEUES", 10, flex=2),
    Column("tasks", "TASKS", 8, flex=2, drop=2),
)


class WorkersScreen(ModalScreen[None]):
    """Kept true while it is open."""

    # Not DEFAULT_CSS, which what all windows share would override.
    CSS: ClassVar[str] = """
    WorkersScreen > .window { width: 95%; height: 70%; }
    WorkersScreen LineTable { height: 1fr; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,W,enter", "close", show=False, priority=True)]
    context = "workers"

    def __init__(self, watcher: Watcher) -> None:
        super().__init__()
        self.watcher = watcher

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = "Workers"
            window.border_subtitle = "esc closes"
            yield LineTable(
                _COLUMNS,
                empty="No worker is known to these queues: nothing will run.\n\n"
                "flowtui worker MODULE --queue NAME starts one.",
            )

    def on_mount(self) -> None:
        self._tick()
        self.set_interval(1.0, self._tick)
        self.query_one(LineTable).focus()

    def _tick(self) -> None:
        now = self.watcher.now
        workers = sorted(self.watcher.board.workers, key=lambda worker: (worker.host, worker.pid, worker.id))
        self.query_one(LineTable).set_rows([worker_row(worker, now) for worker in workers])
        # No taller than what it shows: borders and the names of the columns; or the words where it is empty.
        self.query_one(".window").styles.max_height = max(len(workers), 4) + 4

    def action_close(self) -> None:
        self.dismiss(None)


def worker_row(worker: WorkerInfo, now: float) -> Row:
    """A worker's line at the moment `now` of the store's clock."""
    alive = worker.seen_at + worker.ttl >= now
    return Row(
        worker.id,
        {
            "alive": ("► alive", "active") if alive else ("✗ gone", "bad"),
            "id": safe(worker.id, 80),
            "host": (safe(worker.host, 60), "dim"),
            "pid": (str(worker.pid), "dim"),
            "slots": str(worker.concurrency),
            "seen": (f"{duration(now - worker.seen_at)}", "dim" if alive else "bad"),
            "up": (duration(now - worker.started_at), "dim"),
            "queues": safe(", ".join(worker.queues), 200),
            "tasks": (safe(f"{len(worker.tasks)}: {', '.join(worker.tasks[:20])}", 200), "dim"),
        },
        faint=not alive,
    )
