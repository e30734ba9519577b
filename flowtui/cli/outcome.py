"""What became of a flow, for people and as JSON: the table, why jobs failed, the results of the last ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from flowtui.cli.common import say, shown

if TYPE_CHECKING:
    from core.backends.base import Backend
    from core.jobs import JobRecord
    from flowtui.cli.progress import FlowProgress, Paper

RESULTS_SHOWN: Final = 3
LOG_LINES_SHOWN: Final = 10
"""Of a job that failed."""


async def _records(backend: Backend, progress: FlowProgress) -> list[JobRecord]:
    queue = progress.flow.queue
    return [await backend.get_job(job_id, queue=queue) for job_id in progress.jobs]


async def print_outcome(backend: Backend, progress: FlowProgress, paper: Paper, *, quiet: bool) -> None:
    """The table, why jobs failed with the end of their logs, and the results of the last jobs."""
    from flowtui.cli.progress import headline, job_line, name_width

    records = await _records(backend, progress)
    progress.jobs = {job.id: job for job in records}
    if not quiet:
        columns, _ = paper.size if paper.live else (100, 0)
        width = name_width(records, columns)
        lines = [
            headline(paper, progress, 0.0, columns),
            *(f"  {job_line(paper, progress, job, 0.0, width, columns - 2)}" for job in records),
        ]
        if paper.live:
            paper.paint(lines)
            paper.keep()
        else:
            click.echo("\n" + "\n".join(lines))
    for job in records:
        if job.state in ("failed", "expired") and not (quiet and job.error is None):
            await _print_failure(backend, job)
    upstreams = {upstream for job in records for upstream in job.depends_on}
    last = [
        job
        for job in records
        if job.id not in upstreams and job.state == "completed" and job.result is not None
    ]
    for job in last[:RESULTS_SHOWN]:
        _print_result(job, alone=len(last) == 1, quiet=quiet)
    if len(last) > RESULTS_SHOWN:
        say(f"{len(last) - RESULTS_SHOWN} more results: flowtui flow {progress.flow.id} --json")


async def _print_failure(backend: Backend, job: JobRecord) -> None:
    from flowtui.redact import redact_text
    from flowtui.text import safe

    error = redact_text(str(job.error or "no reason was kept"))
    click.echo(f"\n{shown(job.name)} {job.state}: {safe(error, 2000, lines=True)}", err=True)
    lines = await backend.log(job.id, queue=job.queue)
    for line in lines[-LOG_LINES_SHOWN:]:
        click.echo(f"  {safe(redact_text(line.text), 300)}", err=True)


def _print_result(job: JobRecord, *, alone: bool, quiet: bool) -> None:
    import json

    from flowtui.text import safe

    result = job.result
    if isinstance(result, dict) and result.keys() == {"status", "output"}:
        result = result["output"]  # of a shell step
    text = result if isinstance(result, str) else json.dumps(result, indent=2)
    head = "" if alone and quiet else f"\n{shown(job.name)}:\n" if not alone else "\n"
    click.echo(head + safe(text, lines=True))


async def outcome_json(backend: Backend, progress: FlowProgress) -> dict[str, Any]:
    flow = await backend.get_flow(progress.flow.id, queue=progress.flow.queue)
    return {
        "flow": flow.id,
        "name": flow.name,
        "queue": flow.queue,
        "state": str(flow.state),
        "jobs": [job_json(job) for job in await _records(backend, progress)],
    }


def job_json(job: JobRecord) -> dict[str, Any]:
    """A job for scripts."""
    fields: dict[str, Any] = {
        "id": job.id,
        "name": job.name,
        "task": job.task_id,
        "queue": job.queue,
        "flow": job.flow_id,
        "state": str(job.state),
        "attempts": job.attempts,
        "depends_on": job.depends_on,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "seconds": job.runtime,
        "worker": job.worker,
        "result": job.result,
        "error": job.error.to_dict() if job.error is not None else None,
    }
    return fields
