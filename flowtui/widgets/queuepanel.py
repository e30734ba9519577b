"""One queue in figures: rates, sparklines, states, latencies, who works on it."""

from __future__ import annotations

import math
from typing import ClassVar, Final

from textual.content import Content
from textual.widget import Widget

from core.backends.base import WorkerInfo
from flowtui.bars import amount, spark
from flowtui.queueboard import QueueBoard
from flowtui.states import COLORS, glyph
from flowtui.text import safe
from flowtui.times import duration, number, rate

_STATES: Final = ("waiting", "blocked", "active", "delayed", "failed", "completed")


class QueuePanel(Widget):
    """Redraws itself only when its text changes."""

    DEFAULT_CSS: ClassVar[str] = """
    QueuePanel { height: auto; background: $background; color: $foreground; padding: 0 1; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._content = Content("")

    def show(self, queue: QueueBoard | None, workers: list[WorkerInfo], now: float) -> None:
        """Show a queue at the moment `now` of the store's clock."""
        content = panel(queue, workers, now, max(self.size.width, 30)) if queue is not None else Content("")
        if content != self._content:
            self._content = content
            self.refresh()

    def render(self) -> Content:
        return self._content

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return 9


def drains(queue: QueueBoard, now: int) -> str:
    """When the queue will be empty, in words."""
    left = queue.drain(now)
    if left is None:
        return "" if queue.open else "empty"
    if math.isinf(left):
        return "growing" if queue.counts["waiting"] else ""
    return f"drains in ~{duration(left)}"


def panel(queue: QueueBoard, workers: list[WorkerInfo], now: float, width: int) -> Content:
    """The figures of a queue in nine lines."""
    second = int(now)
    cells = max(width - 34, 10)
    done, failed = queue.done.last(300, second), queue.failed.last(300, second)
    depth = queue.depth.last(300, second)
    parts: list[tuple[str, str]] = []
    put = parts.append

    def line(name: str, values: list[float], color: str, now_text: str) -> None:
        put((f"{name:<9}", "$foreground-muted"))
        put((spark(values, cells), color))
        put((f"  {now_text}\n", "$foreground"))

    line("done/s", done, "$success", f"{rate(queue.pace(queue.done, second))}  max {rate(max(done))}")
    line("failed/s", failed, "$error", f"{rate(queue.pace(queue.failed, second))}  max {rate(max(failed))}")
    line("waiting", depth, "$accent", f"{number(queue.counts['waiting'])}  {drains(queue, second)}")
    most = max((queue.counts[state] for state in _STATES), default=0)
    for first, second_state in (("waiting", "blocked"), ("active", "delayed"), ("failed", "completed")):
        for state in (first, second_state):
            count = queue.counts[state]
            put((f"{glyph(state)} {state:<10}", f"${COLORS[state]}"))
            put((f"{number(count):>7} ", "$foreground"))
            put(
                (
                    f"{amount(count, most, max(width // 2 - 22, 4)):<{max(width // 2 - 22, 4)}} ",
                    f"${COLORS[state]}",
                )
            )
        put(("\n", ""))
    for name, spread in (("ran", queue.run), ("waited", queue.wait)):
        found = spread.quantiles((0.5, 0.95, 0.99), second)
        put((f"{name:<9}", "$foreground-muted"))
        if found is None:
            put((f"nothing {queue.watched(second)}", "$foreground-muted"))
        else:
            for word, value in zip(("p50", "p95", "p99"), found, strict=True):
                put((f"{word} ", "$foreground-muted"))
                put((f"{duration(value):<8}", "$foreground"))
        put(("\n", ""))
    alive = [
        worker for worker in workers if queue.name in worker.queues and worker.seen_at + worker.ttl >= now
    ]
    put((f"{'workers':<9}", "$foreground-muted"))
    if alive:
        slots = sum(worker.concurrency for worker in alive)
        busy = min(queue.counts["active"], slots)
        hosts = ", ".join(dict.fromkeys(safe(worker.host, 30) for worker in alive))
        put((f"{len(alive)} alive, {busy} of {slots} slots busy · {hosts}", "$foreground"))
    else:
        put(("none: nothing will run", "$warning" if queue.open else "$foreground-muted"))
    return Content.assemble(*parts)
