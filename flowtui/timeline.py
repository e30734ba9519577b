"""The lines of a Gantt chart of a flow: which attempt ran when, which jobs decided how long it took. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from core.jobs import JobRecord, JobState
from flowtui.flowboard import Attempt, FlowBoard

_STEPS: Final = (1, 2, 5)
_FULL, _RUNNING = "█", "►"
_ENDS: Final = {"failed": "✗", "cancelled": "⊖", "expired": "◔", "waiting": "↺"}


class Line(NamedTuple):
    """One job's line: what is drawn, in pieces of (text, state); `state` None is blank space."""

    job_id: str
    pieces: list[tuple[str, str | None]]


class Chart(NamedTuple):
    """The span of time that is drawn (seconds since the epoch), and how many seconds one cell stands for."""

    start: float
    end: float
    cell: float

    def column(self, at: float) -> int:
        """The cell in which a moment lies."""
        return int((at - self.start) / self.cell)


def chart(flow: FlowBoard, now: float, width: int) -> Chart:
    """The span of a flow in `width` cells: from its first start to its end, or to a little after now."""
    starts = [runs[0].start for runs in flow.attempts.values() if runs]
    start = min(starts, default=flow.created_at or now)
    ends = [run.end if run.end is not None else now for runs in flow.attempts.values() for run in runs]
    due = [
        job.run_at for job in flow.jobs.values() if job.state is JobState.DELAYED and job.run_at is not None
    ]
    end = max([*ends, *due], default=now)
    if flow.finished_at is None:
        end = max(end, now) + (max(end, now) - start) * 0.05
    span = max(end - start, 0.001)
    return Chart(start, start + span, span / max(width, 1))


def axis(drawn: Chart, width: int) -> str:
    """The scale above the lines: round numbers of seconds, as many as fit without crowding."""
    span = drawn.cell * width
    step = _round_step(span / max(width // 10, 1))
    cells = [" "] * width
    mark = 0.0
    while mark <= span:
        label = _tick(mark, step)
        column = int(mark / drawn.cell)
        if column + len(label) <= width:
            cells[column : column + len(label)] = label
        mark += step
    return "".join(cells)


def _round_step(least: float) -> float:
    for power in range(-3, 9):
        for step in _STEPS:
            if step * 10.0**power >= least:
                if step * 10.0**power < 60:
                    return step * 10.0**power
                break
    for seconds in (60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400):
        if seconds >= least:
            return float(seconds)
    return 86_400.0 * max(1, round(least / 86_400))


def _tick(seconds: float, step: float) -> str:
    if step < 1:
        return f"{seconds:.{3 if step < 0.01 else 2 if step < 0.1 else 1}f}s"
    if step < 60:
        return f"{seconds:.0f}s"
    if step < 3600:
        return f"{seconds / 60:.0f}m"
    return f"{seconds / 3600:.0f}h"


def line(job: JobRecord, runs: Sequence[Attempt], drawn: Chart, now: float, width: int) -> Line:
    """A job's line: a bar for each attempt, its end, and shading until a delayed job is due."""
    cells: list[tuple[str, str | None]] = [(" ", None)] * width

    def put(column: int, text: str, state: str) -> None:
        if 0 <= column < width:
            cells[column] = (text, state)

    for run in runs:
        first = drawn.column(run.start)
        end = run.end if run.end is not None else now
        last = max(first, drawn.column(end - drawn.cell * 0.5))
        state = "active" if run.end is None else run.state
        for column in range(max(first, 0), min(last + 1, width)):
            put(column, _FULL, state)
        if run.end is None:
            put(min(last + 1, width - 1), _RUNNING, "active")
        elif state in _ENDS:
            put(min(last + 1, width - 1), _ENDS[state], state)
    if job.state is JobState.DELAYED and job.run_at is not None and job.run_at > now:
        for column in range(max(drawn.column(now), 0), min(drawn.column(job.run_at) + 1, width)):
            if cells[column][1] is None:
                put(column, "░", "delayed")
    return Line(job.id, _joined(cells))


def _joined(cells: Sequence[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    pieces: list[tuple[str, str | None]] = []
    for text, state in cells:
        if pieces and pieces[-1][1] == state:
            pieces[-1] = (pieces[-1][0] + text, state)
        else:
            pieces.append((text, state))
    return pieces


def order(flow: FlowBoard) -> list[str]:
    """The jobs from top to bottom: by first start, those that have not started after them, upstream first."""
    place = {job_id: index for index, job_id in enumerate(flow.jobs)}

    def key(job_id: str) -> tuple[float, int]:
        runs = flow.attempts.get(job_id)
        return (runs[0].start if runs else float("inf"), place[job_id])

    return sorted(flow.jobs, key=key)


def critical_path(flow: FlowBoard, now: float) -> list[str]:
    """The jobs that decided when the flow ended, upstream first.

    From the job that ended last, step by step to the upstream that ended last: had any of them been faster, so would
    the flow. While it runs, the chain ends at the job that has been running longest.
    """
    ended = {
        job.id: job.finished_at if job.finished_at is not None else now
        for job in flow.jobs.values()
        if job.started_at is not None
    }
    if not ended:
        return []
    running = [job for job in flow.jobs.values() if job.state is JobState.ACTIVE]
    if running:
        at: str | None = min(running, key=lambda job: job.started_at or now).id
    else:
        at = max(ended, key=lambda job_id: (ended[job_id], flow.jobs[job_id].started_at or 0.0))
    path: list[str] = []
    seen: set[str] = set()
    while at is not None and at not in seen:
        seen.add(at)
        path.append(at)
        before = [name for name in flow.upstreams.get(at, ()) if name in ended]
        at = max(before, key=lambda name: ended[name], default=None)
    return path[::-1]


def estimate(flow: FlowBoard, now: float, usual: Mapping[str, float] | None = None) -> float | None:
    """Seconds until the flow is done, or None where nothing can be said.

    `usual` is how long each job (by name) took in an earlier run, or jobs of the same task took in this one. What is
    left is the longest chain of what has not ended, its delays included, but at least the work that is left over the
    jobs that run at once.
    """
    known = dict(usual or {})
    by_task: dict[str, list[float]] = {}
    for job in flow.jobs.values():
        if job.state is JobState.COMPLETED and job.runtime is not None:
            by_task.setdefault(job.task_id, []).append(job.runtime)
    means = {task: sum(times) / len(times) for task, times in by_task.items()}
    overall = [runtime for times in by_task.values() for runtime in times]
    if not overall and not known:
        return None
    typical = sum(overall) / len(overall) if overall else sum(known.values()) / len(known)
    left: dict[str, float] = {}
    for job in flow.jobs.values():
        if job.state.terminal:
            continue
        expected = known.get(job.name, means.get(job.task_id, typical))
        ran = now - job.started_at if job.state is JobState.ACTIVE and job.started_at is not None else 0.0
        if job.progress and ran > 0:
            expected = max(expected if job.progress < 0.05 else ran / job.progress, ran)
        left[job.id] = max(expected - ran, 0.0)
    if not left:
        return 0.0
    chain = _longest(flow, {job_id: work + _delay(flow.jobs[job_id], now) for job_id, work in left.items()})
    at_once = max(flow.counts["active"], 1)
    return max(chain, sum(left.values()) / at_once)


def _delay(job: JobRecord, now: float) -> float:
    """Seconds that a job has still to wait for its time once its upstreams are done."""
    if job.state is JobState.DELAYED and job.run_at is not None:
        return max(job.run_at - now, 0.0)
    return job.delay or 0.0 if job.state is JobState.BLOCKED and not job.attempts else 0.0


def _longest(flow: FlowBoard, left: Mapping[str, float]) -> float:
    """The longest sum along links between jobs of `left`."""
    waits = {job_id: sum(1 for name in flow.upstreams.get(job_id, ()) if name in left) for job_id in left}
    reach = dict.fromkeys(left, 0.0)
    ready = [job_id for job_id, count in waits.items() if not count]
    best = 0.0
    while ready:
        job_id = ready.pop()
        end = reach[job_id] + left[job_id]
        best = max(best, end)
        for name in flow.downstreams.get(job_id, ()):
            if name in waits:
                reach[name] = max(reach[name], end)
                waits[name] -= 1
                if not waits[name]:
                    ready.append(name)
    return best


class Compared(NamedTuple):
    """One job in two runs: seconds then and now (None where it did not run)."""

    name: str
    before: float | None
    after: float | None

    @property
    def slower(self) -> float:
        """Seconds that it took longer than before; negative where it was faster."""
        return (self.after or 0.0) - (self.before or 0.0)


def compare(before: Sequence[JobRecord], after: Sequence[JobRecord]) -> list[Compared]:
    """Jobs of two runs of a flow, matched by name, what got slower most first."""
    then = {job.name: job.runtime for job in before}
    now = {job.name: job.runtime for job in after}
    rows = [Compared(name, then.get(name), now.get(name)) for name in dict.fromkeys([*now, *then])]
    return sorted(rows, key=lambda row: -row.slower)
