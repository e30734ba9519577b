"""Commands that read the engine, for people and (with --json) for scripts: queues, jobs, flow, logs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from flowtui.cli.common import (
    engine,
    json_option,
    print_json,
    run_async,
    settings_for,
    shown,
    table,
    url_option,
)
from flowtui.cli.find import find_flow, find_job, find_queues, matches

if TYPE_CHECKING:
    from core.backends.base import Backend, QueueInfo, WorkerInfo
    from core.jobs import FlowRecord, JobRecord

STATES = (
    "blocked",
    "waiting",
    "delayed",
    "active",
    "completed",
    "failed",
    "skipped",
    "cancelled",
    "expired",
)


@click.command("queues")
@click.argument("patterns", nargs=-1, metavar="[QUEUE...]")
@url_option
@json_option
@click.pass_context
def queues_command(ctx: click.Context, /, patterns: tuple[str, ...], url: str | None, as_json: bool) -> None:
    """List queues (all, or those that match patterns such as etl-*) with their counts, and the workers."""
    settings = settings_for(ctx, url)

    async def look() -> None:
        async with engine(settings.url) as backend:
            overview = await backend.overview()
            queues = [each for each in overview.queues if matches(each.name, patterns)]
            names = {queue.name for queue in queues}
            workers = [each for each in overview.workers if names & set(each.queues)]
            if as_json:
                print_json(
                    {
                        "queues": [_queue_json(each) for each in queues],
                        "workers": [_worker_json(w) for w in workers],
                    }
                )
            elif not queues:
                click.echo("no queues" if not patterns else f"no queue matches {shown(' '.join(patterns))}")
            else:
                _print_queues(queues, workers, overview.at)

    run_async(look())


def _print_queues(queues: list[QueueInfo], workers: list[WorkerInfo], now: float) -> None:
    from flowtui.times import duration

    rows = [
        [shown(each.name) + (" (paused)" if each.paused else ""), *(each.counts[state] for state in STATES)]
        for each in queues
    ]
    click.echo(table(["QUEUE", *(state.upper() for state in STATES)], rows, range(1, len(STATES) + 1)))
    if workers:
        lines = [
            [
                shown(w.id),
                shown(w.host),
                w.pid,
                w.concurrency,
                ",".join(w.queues),
                duration(now - w.seen_at),
            ]
            for w in workers
        ]
        click.echo("\n" + table(["WORKER", "HOST", "PID", "SLOTS", "QUEUES", "SEEN AGO"], lines, [2, 3]))


def _queue_json(queue: QueueInfo) -> dict[str, Any]:
    return {"name": queue.name, "paused": queue.paused, "counts": queue.counts}


def _worker_json(worker: WorkerInfo) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(worker)


@click.command("jobs")
@click.option("--state", "-s", type=click.Choice([*STATES, "ready"]), help="Only jobs in this state.")
@click.option("--queue", "-q", metavar="QUEUE", help="Only jobs of this queue; etl-* too.")
@click.option(
    "--flow", "flow_id", metavar="ID", help="Only jobs of this flow; the start of its id is enough."
)
@click.option("--limit", "-n", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.option("--offset", type=click.IntRange(0), default=0)
@url_option
@json_option
@click.pass_context
def jobs_command(
    ctx: click.Context,
    /,
    state: str | None,
    queue: str | None,
    flow_id: str | None,
    limit: int,
    offset: int,
    url: str | None,
    as_json: bool,
) -> None:
    """List jobs: next to run first; of what ended, the latest first. With --json a line of JSON for each."""
    settings = settings_for(ctx, url)

    async def look() -> None:
        async with engine(settings.url) as backend:
            queues = await find_queues(backend, queue)
            where = queue if [queue] == queues else None
            flow = (await find_flow(backend, flow_id, where)).id if flow_id is not None else None
            jobs = await _jobs(backend, state, queues, flow, offset, limit)
            if as_json:
                from flowtui.cli.outcome import job_json

                await _add_results(backend, jobs)
                for job in jobs:
                    click.echo(_one_line(job_json(job)))
            else:
                click.echo(_job_table(jobs) if jobs else "no jobs")

    run_async(look())


async def _jobs(
    backend: Backend,
    state: str | None,
    queues: Sequence[str | None],
    flow_id: str | None,
    offset: int,
    limit: int,
) -> list[JobRecord]:
    """Of several queues one after the other. `waiting` here means ready only, as the word says; the engine's own
    listing adds what is blocked.
    """
    found: list[JobRecord] = []
    wanted = "ready" if state == "waiting" else state
    # Only the store knows how many jobs it has passed over: among several queues they are counted here.
    skip = offset if len(queues) > 1 else 0
    for queue in queues:
        at = 0 if skip else offset
        while len(found) < skip + limit:
            size = min(1000, skip + limit - len(found))
            page = await backend.list_jobs(wanted, queue, flow_id=flow_id, offset=at, limit=size)
            found += page
            at += len(page)
            if len(page) < size:
                break
    return found[skip:]


async def _add_results(backend: Backend, jobs: Sequence[JobRecord]) -> None:
    """Lists come without the results."""
    ids: dict[str, list[str]] = {}
    for job in jobs:
        if job.state == "completed":
            ids.setdefault(job.queue, []).append(job.id)
    found: dict[tuple[str, str], Any] = {}
    for queue, every in ids.items():
        for at in range(0, len(every), 200):
            results = await backend.results(queue, every[at : at + 200])
            found |= {(queue, job_id): result for job_id, result in results.items()}
    for job in jobs:
        job.result = found.get((job.queue, job.id), job.result)


def _one_line(value: Any) -> str:
    import json

    return json.dumps(value, default=str)


def _job_table(jobs: list[JobRecord]) -> str:
    from flowtui.redact import redact_text
    from flowtui.states import glyph
    from flowtui.times import duration

    now = time.time()
    rows = [
        [
            f"{glyph(job.state)} {job.state}",
            shown(job.id, 24),
            shown(job.name, 32),
            shown(job.task_id, 32),
            shown(job.queue, 20),
            job.attempts,
            duration(
                job.runtime if job.runtime is not None else now - job.started_at if job.started_at else None
            ),
            # Before it is cut: half a secret is not recognised as one.
            shown(redact_text(str(job.error).partition("\n")[0]), 60) if job.error else "",
        ]
        for job in jobs
    ]
    return table(["STATE", "ID", "NAME", "TASK", "QUEUE", "TRIES", "TIME", "ERROR"], rows, [5, 6])


@click.command("flow")
@click.argument("flow_id", required=False, metavar="[ID]")
@click.option("--queue", "-q", metavar="QUEUE", help="Only flows of this queue.")
@click.option("--limit", "-n", type=click.IntRange(1, 10_000), default=20, show_default=True)
@url_option
@json_option
@click.pass_context
def flow_command(
    ctx: click.Context, /, flow_id: str | None, queue: str | None, limit: int, url: str | None, as_json: bool
) -> None:
    """Show a flow with its jobs (--json: and their results); without an id, list the latest flows.

    The start of an id is enough.
    """
    settings = settings_for(ctx, url)

    async def look() -> None:
        async with engine(settings.url) as backend:
            if flow_id is None:
                flows = await backend.list_flows(queue, limit=limit)
                if as_json:
                    print_json([_flow_json(flow) for flow in flows])
                else:
                    click.echo(_flow_table(flows) if flows else "no flows")
                return
            flow = await find_flow(backend, flow_id, queue)
            if as_json:
                from flowtui.cli.outcome import job_json

                snapshot = await backend.flow_snapshot(flow.id, queue=flow.queue)
                jobs = await _jobs(backend, None, [flow.queue], flow.id, 0, flow.total)
                await _add_results(backend, jobs)
                known = {job.id: job for job in jobs}
                listed = [job_json(known.get(job.id, job)) for job in snapshot.jobs]
                print_json({**_flow_json(flow), "links": snapshot.links, "jobs": listed})
            else:
                await _print_flow(backend, flow)

    run_async(look())


async def _print_flow(backend: Backend, flow: FlowRecord) -> None:
    click.echo(_flow_table([flow]) + "\n")
    snapshot = await backend.flow_snapshot(flow.id, queue=flow.queue)
    click.echo(_job_table(snapshot.jobs))
    waiting = next((job for job in snapshot.jobs if job.state in ("waiting", "delayed")), None)
    if waiting is not None and not any(job.state == "active" for job in snapshot.jobs):
        click.echo(f"\n{shown((await backend.explain(waiting.id, queue=waiting.queue)).summary, 300)}")


def _flow_json(flow: FlowRecord) -> dict[str, Any]:
    return {
        "id": flow.id,
        "name": flow.name,
        "queue": flow.queue,
        "state": str(flow.state),
        "counts": flow.counts,
        "created_at": flow.created_at,
        "started_at": flow.started_at,
        "finished_at": flow.finished_at,
    }


def _flow_table(flows: list[FlowRecord]) -> str:
    from flowtui.states import glyph
    from flowtui.times import duration, moment

    now = time.time()
    rows = [
        [
            f"{glyph(flow.state)} {flow.state}",
            flow.id,
            shown(flow.name, 40),
            shown(flow.queue, 20),
            f"{flow.done}/{flow.total}",
            flow.counts["failed"],
            moment(flow.created_at, now),
            duration((flow.finished_at or now) - flow.started_at if flow.started_at else None),
        ]
        for flow in flows
    ]
    return table(["STATE", "ID", "NAME", "QUEUE", "DONE", "FAILED", "SUBMITTED", "TIME"], rows, [4, 5, 7])


@click.command("logs")
@click.argument("job_id", metavar="JOB")
@click.option("--queue", "-q", metavar="QUEUE", help="Only look in this queue.")
@click.option("--follow", "-f", is_flag=True, help="Go on until the job has ended.")
@click.option(
    "--lines", "-n", type=click.IntRange(0), default=None, metavar="N", help="Only the last N lines at first."
)
@url_option
@json_option
@click.pass_context
def logs_command(
    ctx: click.Context,
    /,
    job_id: str,
    queue: str | None,
    follow: bool,
    lines: int | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Print what a job wrote: its log, and the output of a shell step. The start of its id is enough."""
    settings = settings_for(ctx, url)

    async def look() -> None:
        async with engine(settings.url) as backend:
            await _logs(backend, await find_job(backend, job_id, queue), follow, lines, as_json)

    run_async(look())


async def _logs(backend: Backend, job: JobRecord, follow: bool, lines: int | None, as_json: bool) -> None:
    after, first = -1, True
    while True:
        page = await backend.log(job.id, after=after, queue=job.queue)
        after = page[-1].index if page else after
        new = page[-lines:] if first and lines else [] if first and lines == 0 else page
        first = False
        for line in new:
            if as_json:
                fields = {"index": line.index, "at": line.at, "level": line.level, "text": line.text}
                click.echo(_one_line(fields))
            else:
                click.echo(_log_line(line.at, line.level, line.text))
        if page:
            continue
        if not follow or job.state.terminal:
            return
        await asyncio.sleep(0.3)
        job = await backend.get_job(job.id, queue=job.queue)


def _log_line(at: float, level: str, text: str) -> str:
    from flowtui.redact import redact_text
    from flowtui.times import clock

    return f"{clock(at, millis=True)} {shown(level, 8):<7} {shown(redact_text(text))}"
