"""How a flow that runs looks as a graph: its nodes and links, and the look of each job at one moment. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from core.jobs import JobRecord, JobState
from flowtui.dag.graph import KIND, LABEL, GraphModel, Look, Node
from flowtui.flowboard import FlowBoard
from flowtui.states import glyph
from flowtui.text import safe
from flowtui.times import duration
from flowtui.widgets.jobtable import running_time


def graph_of(flow: FlowBoard) -> GraphModel:
    """The flow's shape. It never changes while it runs, so this is made once."""
    nodes = {
        job.id: Node(job.id, safe(job.name, LABEL), safe(job.task_id, KIND)) for job in flow.jobs.values()
    }
    groups = {job.id: safe(job.group, LABEL) for job in flow.jobs.values() if job.group}
    return GraphModel(nodes, list(flow.links), groups)


def looks_of(flow: FlowBoard, ids: Iterable[str], now: float, *, ascii: bool = False) -> dict[str, Look]:
    """The looks of some jobs of a flow, by id; those that are gone are left out."""
    jobs = flow.jobs
    return {job_id: look(flow, jobs[job_id], now, ascii=ascii) for job_id in ids if job_id in jobs}


def look(flow: FlowBoard, job: JobRecord, now: float, *, ascii: bool = False) -> Look:
    """A job's box: state, how long, and the one thing to know about it in this state."""
    state = job.state
    word = state.value
    top, bottom, progress = duration(running_time(job, now)), safe(job.task_id, KIND), None
    if state is JobState.ACTIVE:
        progress = job.progress
        if job.cancel_requested:
            bottom, progress = "stopping…", None
        elif job.attempts > 1 and progress is None:
            bottom = f"try {job.attempts}/{job.max_retries + 1}"
    elif state is JobState.DELAYED:
        top = f"{job.attempts}/{job.max_retries + 1}" if job.attempts else ""
        if job.run_at is not None:
            left = job.run_at - now
            bottom = f"in {duration(left)}" if left > 0 else "now"
    elif state is JobState.BLOCKED:
        ended, every = flow.pending(job.id)
        top = f"{ended}/{every}" if every else ""
    elif state is JobState.FAILED and job.attempts > 1:
        bottom = f"try {job.attempts}/{max(job.max_retries + 1, job.attempts)}"
    elif state in (JobState.SKIPPED, JobState.CANCELLED, JobState.EXPIRED):
        bottom = word
    return Look(glyph(word, ascii=ascii), word, word, top, bottom, progress)
