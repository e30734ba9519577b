"""What is enqueued again and again, and how to stop it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from core.backends.base import Repeat
from flowtui.screens.ask import AskScreen
from flowtui.steering import Report
from flowtui.text import safe
from flowtui.times import duration
from flowtui.widgets.bars import Line
from flowtui.widgets.cells import Column, Row
from flowtui.widgets.linetable import LineTable

if TYPE_CHECKING:
    from flowtui.screens.watcher import Watcher

_COLUMNS: Final = (
    Column("name", "NAME", 14, flex=1),
    Column("task", "TASK", 14, flex=1),
    Column("queue", "QUEUE", 10, flex=1),
    Column("every", "EVERY", 8, "right"),
    Column("next", "NEXT IN", 8, "right"),
)


class RepeatsScreen(ModalScreen[None]):
    """The repeats of all queues that are watched, by when they are next due. `K` stops one; asks."""

    # Not DEFAULT_CSS, which what all windows share would override.
    CSS: ClassVar[str] = """
    RepeatsScreen > .window { width: 90%; height: 60%; }
    RepeatsScreen LineTable { height: 1fr; background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,E", "close", show=False, priority=True),
        Binding("K,D", "stop_repeat", show=False),
    ]
    context = "repeats"

    def __init__(self, watcher: Watcher) -> None:
        super().__init__()
        self.watcher = watcher
        self.repeats: dict[str, Repeat] = {}

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = "Repeats"
            window.border_subtitle = (
                "esc closes" if self.watcher.flowtui.read_only else "K stops · esc closes"
            )
            yield LineTable(_COLUMNS, empty="Nothing repeats.\n\nA job with repeat_every does.")
            yield Line(id="outcome")

    def on_mount(self) -> None:
        self.query_one(LineTable).focus()
        self._read()
        self.set_interval(2.0, self._read)
        self.set_interval(0.5, self._draw)

    def _read(self) -> None:
        self.watcher.ask(self._load, "repeats")

    async def _load(self) -> None:
        backend = self.watcher.flowtui.backend
        if backend is None:
            return
        board = self.watcher.board
        self.repeats = {
            repeat.id: repeat for repeat in await backend.list_repeats() if board.watches(repeat.queue)
        }
        self._draw()

    def _draw(self) -> None:
        if not self.is_mounted:
            return
        now = self.watcher.now
        rows = []
        for repeat in self.repeats.values():
            left = repeat.next_at - now
            rows.append(
                Row(
                    repeat.id,
                    {
                        "name": safe(repeat.template.get("name", ""), 100),
                        "task": (safe(repeat.template.get("task_id", ""), 100), "dim"),
                        "queue": safe(repeat.queue, 60),
                        "every": duration(repeat.every),
                        "next": (duration(left) if left > 0 else "now", "delayed"),
                    },
                )
            )
        self.query_one(LineTable).set_rows(rows)
        # No taller than what it shows: borders, the names of the columns, the outcome; or the words where it is empty.
        self.query_one(".window").styles.max_height = max(len(rows), 4) + 5

    def action_stop_repeat(self) -> None:
        repeat = self.repeats.get(self.query_one(LineTable).cursor_id or "")
        steering = self.watcher.steering
        if repeat is None or steering is None or self.watcher.refuses():
            return

        async def stop() -> None:
            report: Report = await steering.stop_repeat(repeat.queue, repeat.id)
            self.query_one(Line).show(safe(report.text, 200))
            await self._load()

        def answered(yes: bool | None) -> None:
            if yes:
                self.run_worker(stop(), exit_on_error=False)

        self.app.push_screen(
            AskScreen(
                f"Stop {safe(repeat.template.get('name', ''), 40)}?",
                f"No further copies are enqueued; it ran every {duration(repeat.every)}.",
                yes="stop it",
            ),
            answered,
        )

    def action_close(self) -> None:
        self.dismiss(None)
