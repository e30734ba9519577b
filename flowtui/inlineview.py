"""The compact live view as lines of text: sums, queues, flows, what runs, what failed last. Pure, no textual app."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from textual.content import Content

from core.jobs import FlowRecord, JobRecord
from flowtui.bars import bar, spark
from flowtui.board import Board
from flowtui.queueboard import QueueBoard
from flowtui.redact import redact_text
from flowtui.states import COLORS, STATES, glyph
from flowtui.text import safe
from flowtui.times import clock, duration, number, rate
from flowtui.widgets.bars import banner
from flowtui.widgets.jobtable import running_time

MOST: Final = 4
"""Queues, flows, jobs and failures that are shown, at most this many of each."""
_ORDER: Final = (
    "active", "waiting", "blocked", "delayed", "completed", "failed", "expired", "skipped", "cancelled",
)  # fmt: skip
Part = tuple[str, str]
Line = tuple[Sequence[Part], str]
"""The left part in styled pieces, and what stands at the right end."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was read of the store besides what the board knows."""

    flows: Sequence[FlowRecord] = ()
    """Running ones first, then those that ended last."""
    active: Sequence[JobRecord] = ()
    failed: Sequence[JobRecord] = ()
    """The latest first."""


def picture(
    board: Board,
    seen: Seen,
    now: float,
    width: int,
    *,
    engine: str = "",
    lost: str = "",
    height: int = 22,
    hint: str = "q quits",
) -> list[Content]:
    """The view in at most `height` lines of `width` cells. `lost` says why the data is old; it is then faint."""
    head = _head(board, now, "  ".join(filter(None, (engine, clock(now) if board.queues else "", hint))))
    first = banner(lost, width).stylize("$error") if lost else _fit(head, width)
    if not board.queues:
        return [first, _fit((((_nothing(board), "$foreground-muted"),), ""), width)][:height]
    totals = board.totals()
    second = int(now)
    pace = sum(queue.rate(second) for queue in board.queues.values())
    lines: list[Line] = [(_counts(totals), f"{rate(pace)} jobs/s ")]
    room = height - len(lines) - 1
    running = sum(flow.state == "running" for flow in seen.flows)
    parts = [
        _Part(_queues(board, second, width), len(board.queues), "queues"),
        _Part([_flow(flow, now, width) for flow in seen.flows[:MOST]], running, "running flows"),
        _Part([_active(job, now, width) for job in seen.active[:MOST]], totals["active"], "active"),
        _Part([_failed(job, now) for job in seen.failed[:MOST]], 0, ""),
    ]
    for part in _share([part for part in parts if part.lines], room):
        lines += part
    shown = [_fit(line, width) for line in lines]
    if lost:
        shown = [Content.styled(line.plain, "$foreground-disabled") for line in shown]
    return [first, *shown]


def _nothing(board: Board) -> str:
    watched = " ".join(safe(name, 40) for name in board.watch)
    return f" nothing in {watched} yet" if board.watch and watched != "*" else " no queues yet"


@dataclass(frozen=True, slots=True)
class _Part:
    """Lines of one kind, and how many there are in all."""

    lines: list[Line]
    total: int
    word: str

    def cut(self, size: int) -> list[Line]:
        """At most so many lines; the last one says how many more there are."""
        more = self.total - size + 1
        if size >= self.total or size < 2:
            return self.lines[:size]
        last: Line = ((f"   and {more:,} more {self.word}", "$foreground-muted"),), ""
        return [*self.lines[: size - 1], last]


def _share(parts: Sequence[_Part], room: int) -> Iterable[list[Line]]:
    """As many lines of each part as there is room for: all give up their last ones in turn."""
    sizes = [len(part.lines) + (part.total > len(part.lines)) for part in parts]
    while sum(sizes) > max(room, 0):
        sizes[sizes.index(max(sizes))] -= 1
    return [part.cut(size) for part, size in zip(parts, sizes, strict=True)]


def _head(board: Board, now: float, right: str) -> Line:
    name = " ".join(safe(name, 60) for name in board.watch) or "all queues"
    load = board.worker_load()
    parts: list[Part] = [(" flowtui ", "bold $primary"), (name, "bold $foreground")]
    if len(board.queues) > 1:
        parts.append((f"  {len(board.queues):,} queues", "$foreground-muted"))
    if load["alive"]:
        word = "worker" if load["alive"] == 1 else "workers"
        parts.append(
            (f"  {load['alive']} {word}, {load['active']}/{load['slots']} slots", "$foreground-muted")
        )
    elif any(queue.open for queue in board.queues.values()):
        parts.append(("  no worker", "bold $warning"))
    paused = [queue.name for queue in board.queues.values() if queue.paused]
    if paused:
        word = "paused" if len(board.queues) == 1 else f"{len(paused)} paused"
        parts.append((f"  {word}", "bold $warning"))
    return parts, f"{right} "


def _counts(counts: dict[str, int], *, words: bool = True) -> list[Part]:
    parts: list[Part] = [(" ", "")]
    for state in _ORDER:
        if counts.get(state):
            word = f" {STATES[state].word}" if words else ""
            parts.append((f"{glyph(state)} {number(counts[state])}{word}  ", f"${COLORS[state]}"))
    return parts if len(parts) > 1 else [(" no jobs", "$foreground-muted")]


def _queues(board: Board, second: int, width: int) -> list[Line]:
    """The busiest first; where nothing moves, the fullest."""
    if len(board.queues) < 2:
        return []
    queues = sorted(board.queues.values(), key=lambda q: (-q.rate(second), -q.open, q.name))
    return [_queue(queue, second, width) for queue in queues[:MOST]]


def _queue(queue: QueueBoard, second: int, width: int) -> Line:
    left = queue.drain(second)
    name = Content(safe(queue.name, 60)).truncate(20, ellipsis=True, pad=True).plain
    parts: list[Part] = [(f" {name} ", "$foreground")]
    if queue.paused:
        parts.append(("paused  ", "bold $warning"))
    parts += _counts(queue.counts, words=False)
    room = max(min((width - 60) // 2, 30), 0)
    ended = queue.done.last(60, second)
    line = f"{spark(ended, room)} " if room >= 8 else ""
    drain = f"  ~{duration(left)} left" if left is not None and left < 1e8 else ""
    return parts, f"{line}{rate(queue.rate(second))}/s{drain} "


def _flow(flow: FlowRecord, now: float, width: int) -> Line:
    state = str(flow.state)
    color = f"${COLORS[state]}"
    share = flow.done / flow.total if flow.total else 0.0
    name = Content(safe(flow.name, 80)).truncate(max(width // 4, 12), ellipsis=True, pad=True).plain
    took = (
        duration((flow.finished_at or now) - flow.started_at)
        if flow.started_at is not None
        else "not started"
    )
    percent = "100%" if flow.done == flow.total else f"{min(share, 0.99):.0%}"
    parts: list[Part] = [
        (f" {glyph(state)} ", color),
        (f"{name} ", "bold $foreground" if state == "running" else "$foreground"),
        (bar(share, max(min(width // 4, 40), 6)), color),
        (f" {percent:>4} {flow.done:,}/{flow.total:,}", "$foreground"),
    ]
    failed = flow.counts.get("failed", 0) + flow.counts.get("expired", 0)
    if failed:
        parts.append((f"  {glyph('failed')} {failed:,}", "$error"))
    return parts, f"{took} "


def _active(job: JobRecord, now: float, width: int) -> Line:
    parts: list[Part] = [
        (f" {glyph('active')} ", "$accent"),
        (safe(job.name, 40), "$foreground"),
        ("" if job.task_id == job.name else f"  {safe(job.task_id, 40)}", "$foreground-muted"),
    ]
    if job.progress is not None:
        parts.append((f"  {bar(job.progress, 10)} {job.progress:.0%}", "$accent"))
        if job.progress_note:
            parts.append((f" {safe(redact_text(job.progress_note), 60)}", "$foreground-muted"))
    if job.attempts > 1:
        parts.append((f"  attempt {job.attempts}", "$warning"))
    where = f"{safe(job.worker, 24)}  " if job.worker and width >= 100 else ""
    return parts, f"{where}{duration(running_time(job, now))} "


def _failed(job: JobRecord, now: float) -> Line:
    error = str(job.error).partition("\n")[0] if job.error is not None else "failed"
    ago = f"{duration(now - job.finished_at)} ago " if job.finished_at is not None else ""
    return (
        (f" {glyph('failed')} ", "$error"),
        (safe(job.name, 40), "$foreground"),
        (f"  {safe(redact_text(error), 300)}", "$error"),
    ), ago


def _fit(line: Line, width: int) -> Content:
    """One line of exactly `width` cells: the left gives way to the right, and the right to a narrow terminal."""
    left, right = Content.assemble(*line[0]), Content.styled(line[1], "$foreground-muted")
    if right.cell_length > width // 2:
        # The engine is the least of what stands there.
        right = Content.styled(line[1].partition("  ")[2] or line[1], "$foreground-muted")
    if right.cell_length > width // 2:
        right = Content("")
    left = left.truncate(max(width - right.cell_length - 1, 1), ellipsis=True)
    gap = max(width - left.cell_length - right.cell_length, 0)
    return Content.assemble(left, " " * gap, right).truncate(width)
