"""One line about a flow: how many jobs are in which state, how much is done, how long it has taken and will take."""

from __future__ import annotations

from typing import ClassVar, Final

from textual.content import Content
from textual.widget import Widget

from flowtui.bars import bar
from flowtui.flowboard import FlowBoard
from flowtui.states import COLORS, STATES, glyph
from flowtui.times import duration

_ORDER: Final = (
    "active",
    "waiting",
    "blocked",
    "delayed",
    "completed",
    "failed",
    "skipped",
    "cancelled",
    "expired",
)
_SHORT: Final = {"completed": "done", "delayed": "delayed"}


class FlowBar(Widget):
    """Redraws itself only when its text changes."""

    DEFAULT_CSS: ClassVar[str] = """
    FlowBar { height: 1; background: $surface; color: $foreground; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._content = Content("")
        self._shown: tuple[FlowBoard | None, float, float | None] = (None, 0.0, None)

    def show(self, flow: FlowBoard | None, now: float, left: float | None = None) -> None:
        """Show a flow at the moment `now`; `left` is an estimate of the seconds until it is done."""
        self._shown = (flow, now, left)
        content = line(flow, now, left, self.size.width) if flow is not None else Content("")
        if content != self._content or content.plain != self._content.plain:
            self._content = content
            self.refresh()

    def on_resize(self) -> None:
        """Say it in as many words as there is room for now; of a flow that has ended nobody will say it again."""
        self.show(*self._shown)

    def render(self) -> Content:
        return self._content


def line(flow: FlowBoard, now: float, left: float | None, width: int) -> Content:
    """The line, with as many words as `width` cells hold: glyphs and numbers always, then words, bar and times."""
    counts = {state: flow.counts[state] for state in _ORDER if flow.counts[state]}
    done, total = flow.done, flow.total
    share = done / total if total else 0.0
    percent = "100%" if done == total else f"{min(share, 0.99):.0%}"
    took = duration(flow.elapsed(now))
    if flow.state != "running":
        long = short = f"took {took or '0s'}"
    elif flow.started_at is None:
        long = short = "not started"
    else:
        long = f"elapsed {took}" + (f"  ~{duration(left)} left" if left is not None and left >= 0.5 else "")
        short = took + (f" ~{duration(left)} left" if left is not None and left >= 0.5 else "")
    for words, times, room in (
        (True, long, 10),
        (True, short, 8),
        (True, took, 6),
        (False, long, 10),
        (False, took, 0),
    ):
        head = _head(flow, counts, words)
        middle = f"{done:,}/{total:,} {percent}"
        fixed = head.cell_length + len(middle) + len(times) + 6
        if fixed + room <= width or (not words and not room):
            size = min(max(width - fixed, 0), 60) if room else 0
            state = "failed" if counts.get("failed") or counts.get("expired") else "completed"
            color = COLORS["active"] if flow.state == "running" else COLORS[state]
            if flow.state == "cancelled":
                color = COLORS["cancelled"]
            return Content.assemble(
                head,
                "  ",
                (middle, "bold $foreground"),
                " ",
                (bar(share, size), f"${color}"),
                "  " if size else " ",
                (times, "$foreground-muted"),
            ).truncate(width, ellipsis=True)
    return Content("")


def _head(flow: FlowBoard, counts: dict[str, int], words: bool) -> Content:
    parts: list[tuple[str, str]] = [(" ", "")]
    if flow.state != "running":
        color = COLORS[str(flow.state)]
        parts.append((f"{glyph(str(flow.state))} {flow.state} ", f"bold ${color}"))
    for state, count in counts.items():
        word = f" {_SHORT.get(state, STATES[state].word)}" if words else ""
        parts.append((f" {glyph(state)}{count:,}{word}", f"${COLORS[state]}"))
    return Content.assemble(*parts)
