"""A flow's progress in the terminal: repainted in place where there is one, a line for each job that ends elsewhere."""

from __future__ import annotations

import io
import os
import shutil
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Final, TextIO

from rich.cells import cell_len, set_cell_size

from core.backends.base import FlowSnapshot
from core.events import Event
from core.jobs import TERMINAL, JobRecord, JobState
from flowtui.redact import redact_text
from flowtui.states import STATES, glyph
from flowtui.text import safe
from flowtui.times import duration

COLORS: Final = {
    "active": "36",
    "delayed": "33",
    "completed": "32",
    "failed": "31",
    "expired": "31",
    "skipped": "90",
    "cancelled": "90",
    "blocked": "90",
}
"""SGR codes; the word says the same, so that nothing is lost without colours."""


TROUBLED: Final = frozenset({JobState.DELAYED, JobState.FAILED, JobState.EXPIRED})


class FlowProgress:
    """The jobs of one flow as the events tell of them."""

    def __init__(self, snapshot: FlowSnapshot) -> None:
        self.take(snapshot)

    def take(self, snapshot: FlowSnapshot) -> None:
        """Start over from what the store says now."""
        self.flow = snapshot.flow
        self.jobs: dict[str, JobRecord] = {job.id: job for job in snapshot.jobs}
        self.position = dict(snapshot.position)
        self.reasons: dict[str, str] = {}

    def apply(self, event: Event) -> JobRecord | None:
        """Take over one event; returns the job when its state changed."""
        self.position[event.queue] = event.seq
        job = self.jobs.get(event.job_id)
        if job is None or event.to is None:
            return None
        self.reasons[job.id] = event.reason.removeprefix("retry: ") if event.to in TROUBLED else ""
        job.state, job.attempts = event.to, max(job.attempts, event.attempt)
        if event.to is JobState.ACTIVE:
            job.started_at, job.finished_at = event.at, None
        elif event.to in TERMINAL:
            job.finished_at = event.at
        return job

    @property
    def ended(self) -> bool:
        """Whether no job can change any more."""
        return all(job.state in TERMINAL for job in self.jobs.values())

    @property
    def counts(self) -> dict[str, int]:
        """How many jobs are in each state, in the order of their life."""
        counts = dict.fromkeys(STATES, 0)
        for job in self.jobs.values():
            counts[job.state.value] += 1
        return {state: count for state, count in counts.items() if count}

    def seconds(self, job: JobRecord, now: float) -> float | None:
        """How long the job has run, or ran; None when it never started."""
        if job.started_at is None:
            return None
        if job.state is JobState.ACTIVE:
            return max(0.0, now - job.started_at)
        return job.runtime


class Paper:
    """Writes lines; where it is a terminal, the last ones can be painted again."""

    def __init__(self, out: TextIO, *, ascii_only: bool = False) -> None:
        self.out = out
        self.live = out.isatty() and os.environ.get("TERM") != "dumb"
        self.color = self.live and not os.environ.get("NO_COLOR")
        encoding = (getattr(out, "encoding", None) or "ascii").lower().replace("-", "")
        self.ascii = ascii_only or encoding not in ("utf8", "utf16", "utf32")
        self._painted: list[str] = []
        self._lock = threading.Lock()

    def paint(self, lines: Sequence[str]) -> None:
        """Replace what was painted before by `lines`."""
        with self._lock:
            self._write([], lines)

    def above(self, text: str) -> None:
        """Write lines for good, above what is painted."""
        with self._lock:
            self._write(text.split("\n"), self._painted)

    def keep(self) -> None:
        """What is painted stays."""
        with self._lock:
            self._painted = []

    def _write(self, kept: Sequence[str], painted: Sequence[str]) -> None:
        up = f"\r\x1b[{len(self._painted)}A" if self._painted and self.live else ""
        # Line by line over the old ones: clearing the screen first flickers, and tmux would keep a copy of each.
        end, rest = ("\x1b[K\n", "\x1b[J") if self.live else ("\n", "")
        self.out.write(up + "".join(line + end for line in (*kept, *painted)) + rest)
        self.out.flush()
        self._painted = list(painted)

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        size = shutil.get_terminal_size((80, 24))
        return size.columns, size.lines

    def tint(self, text: str, state: str) -> str:
        """`text` in the colour of a state."""
        code = COLORS.get(state)
        return f"\x1b[{code}m{text}\x1b[0m" if code and self.color else text

    def sign(self, state: str) -> str:
        """The glyph of a state."""
        return glyph(state, ascii=self.ascii)


class Told(io.TextIOBase):
    """Takes the place of stdout and stderr while something is painted: what others print goes above it."""

    def __init__(self, paper: Paper) -> None:
        self.paper = paper
        self._line = ""

    def writable(self) -> bool:
        """It takes text."""
        return True

    def write(self, text: str) -> int:
        """Pass whole lines on."""
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            self.paper.above(safe(line))
        return len(text)

    def isatty(self) -> bool:
        """A terminal, but not one to paint on."""
        return False


def job_line(
    paper: Paper, progress: FlowProgress, job: JobRecord, now: float, width: int, columns: int = 120
) -> str:
    """One job as a line: sign, name, state, time, attempts, and why it failed as far as there is room."""
    state = job.state.value
    took = duration(progress.seconds(job, now))
    tries = f"attempt {job.attempts}" if job.attempts > 1 else ""
    name = set_cell_size(safe(job.name, 200), width)
    why = safe(redact_text(progress.reasons.get(job.id, "")), 200)
    line = f"{paper.sign(state)} {name}  {STATES[state].word:<9}  {took:>6}  {tries:<10} {why}".rstrip()
    return paper.tint(line if cell_len(line) < columns else set_cell_size(line, columns - 1).rstrip(), state)


def name_width(jobs: Iterable[JobRecord], columns: int) -> int:
    """How wide the names are, as far as the rest of the line leaves room."""
    longest = max((cell_len(safe(job.name, 200)) for job in jobs), default=0)
    return max(4, min(longest, columns - 36))


def headline(paper: Paper, progress: FlowProgress, now: float, width: int) -> str:
    """The flow in one line: its name, a bar, what is in which state, and the time."""
    jobs = progress.jobs.values()
    done, total = sum(job.state in TERMINAL for job in jobs), len(progress.jobs)
    ended = max((job.finished_at or 0.0 for job in jobs), default=0.0) if progress.ended else now
    full, empty = ("#", ".") if paper.ascii else ("█", "░")
    cells = 20 * done // max(1, total)
    counts = "  ".join(
        f"{paper.sign(state)} {count} {STATES[state].word}" for state, count in progress.counts.items()
    )
    name = safe(progress.flow.name or progress.flow.id, 40)
    took = duration(max(0.0, ended - progress.flow.created_at))
    return set_cell_size(
        f"{name}  {full * cells}{empty * (20 - cells)}  {done}/{total}  {took}  {counts}", width - 1
    ).rstrip()


def live_lines(paper: Paper, progress: FlowProgress, note: str = "") -> list[str]:
    """What fits on the screen: what runs first, then what ended last, in the order of the file."""
    columns, rows = paper.size
    now = time.time()
    jobs = list(progress.jobs.values())
    room = max(1, rows - 4)
    hidden = 0
    if len(jobs) > room:
        wanted = sorted(jobs, key=lambda job: (job.state is not JobState.ACTIVE, -(job.finished_at or 0.0)))
        keep = {job.id for job in wanted[: room - 1]}
        hidden = len(jobs) - len(keep)
        jobs = [job for job in jobs if job.id in keep]
    width = name_width(jobs, columns)
    lines = [headline(paper, progress, now, columns)]
    lines += [f"  {job_line(paper, progress, job, now, width, columns - 2)}" for job in jobs]
    if hidden:
        lines.append(f"  … and {hidden} more" if not paper.ascii else f"  ... and {hidden} more")
    if note:
        lines.append(set_cell_size(f"  {note}", columns - 1).rstrip())
    return lines
