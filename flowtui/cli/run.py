"""Commands that run a flow here and now: run, demo."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowtui.cli.common import (
    FAILED,
    INTERRUPTED,
    engine,
    fail,
    import_tasks,
    print_json,
    run_async,
    say,
    settings_for,
    shown,
    url_option,
)
from flowtui.cli.flows import load
from flowtui.cli.outcome import outcome_json, print_outcome

if TYPE_CHECKING:
    from core.backends.base import Backend
    from core.jobs import JobRecord
    from core.spec import FlowFile
    from core.worker import Worker
    from flowtui.cli.progress import FlowProgress, Paper

REPAINT_EVERY = 0.1


@click.command("run")
@click.argument("file")
@click.option(
    "--module", "-m", "modules", multiple=True, metavar="MODULE", help="Import tasks from it; repeatable."
)
@url_option
@click.option(
    "--concurrency",
    "-c",
    type=click.IntRange(1, 10_000),
    default=None,
    metavar="N",
    help="Jobs at once; by default twice the processors, at least 4.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the jobs and their results as JSON, secrets not hidden, no progress.",
)
@click.option("--quiet", "-q", is_flag=True, help="Print the result only.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters.")
@click.pass_context
def run_command(
    ctx: click.Context, /, file: str, modules: tuple[str, ...], url: str | None, **options: Any
) -> None:
    """Run a flow here and now: submit it, work on its queue until it has ended, print its result.

    Shell steps run: it is your file on your machine. Modules named by `imports:` in the file are looked for beside
    the file, in the current directory and in PYTHONPATH. Ctrl+C cancels the flow.

    The exit status is 0 when every job completed, 1 when not, 130 after Ctrl+C.
    """  # fmt: skip
    flow = load(file)
    folders = [str(Path(file).resolve().parent)] if Path(file).exists() else []
    import_tasks([*flow.imports, *modules], folders)
    settings = settings_for(ctx, url)
    name = flow.name or (Path(file).stem[:256] if file != "-" else "flow")
    ctx.exit(run_async(_run(flow, name, settings.url, options)))


@click.command("demo")
@url_option
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII characters.")
@click.pass_context
def demo_command(ctx: click.Context, /, url: str | None, ascii_only: bool) -> None:
    """Show a flow that does real work: statistics of the sources of Python's standard library.

    In a terminal it opens in the app, where `s` submits it. Without one it runs at once and prints the result.
    """
    from flowtui.demo import FLOW

    if sys.stdin.isatty() and sys.stdout.isatty():
        from flowtui.cli.start import start

        given = dict(ctx.find_root().obj or {})
        given.update({"url": url} if url else {})
        given.update({"ascii_only": True} if ascii_only else {})
        start(str(FLOW), {**given, "modules": ("flowtui.demo.stdlib_stats", *given.get("modules", ()))})
        return
    flow = load(str(FLOW))
    import_tasks(flow.imports)
    settings = settings_for(ctx, url)
    options = {"ascii_only": ascii_only, "concurrency": None, "as_json": False, "quiet": False}
    ctx.exit(run_async(_run(flow, flow.name or "demo", settings.url, options)))


async def _run(flow: FlowFile, name: str, url: str | None, options: dict[str, Any]) -> int:
    from core import FlowProducer, Worker
    from core.jobs import new_id
    from flowtui.cli.progress import FlowProgress, Paper

    jobs = flow.to_jobs()
    concurrency = options["concurrency"] or max(4, 2 * (os.cpu_count() or 1))
    async with engine(url) as backend:
        worker = Worker(backend, [flow.queue], concurrency, allow_shell=True)
        await _check_tasks(backend, flow, worker)
        flow_id = new_id()
        await FlowProducer(backend).add_flow(flow.queue, jobs, flow_id=flow_id, name=name)
        progress = FlowProgress(await backend.flow_snapshot(flow_id, queue=flow.queue))
        paper = Paper(sys.stdout, ascii_only=options["ascii_only"])
        runner = _Runner(backend, worker, progress, paper, silent=options["as_json"] or options["quiet"])
        interrupted = await runner.run()
        if options["as_json"]:
            print_json(await outcome_json(backend, progress))
        else:
            await print_outcome(backend, progress, paper, quiet=options["quiet"])
    if interrupted:
        return INTERRUPTED
    return 0 if all(job.state == "completed" for job in progress.jobs.values()) else FAILED


async def _check_tasks(backend: Backend, flow: FlowFile, worker: Worker) -> None:
    """A job whose task nobody knows would wait for ever: say so before anything is submitted."""
    from core.spec import SHELL_TASK
    from core.tasks import registry

    unknown = {job.task for job in flow.jobs.values() if job.task} - set(registry) - {SHELL_TASK}
    if unknown:
        overview = await backend.overview([flow.queue])
        unknown -= {task for other in overview.workers for task in other.tasks}
    if unknown:
        some = sorted(unknown)[0]
        known = ", ".join(sorted(registry)) or "none"
        raise fail(
            f"nobody knows the task '{some}' (known here: {known}); name its module: -m MODULE, or imports: in the file"
        )


class _Runner:
    """Works on the flow's queue and shows what happens until the flow has ended."""

    def __init__(
        self, backend: Backend, worker: Worker, progress: FlowProgress, paper: Paper, *, silent: bool
    ) -> None:
        self.backend, self.worker, self.progress, self.paper = backend, worker, progress, paper
        self.silent = silent
        self.note = ""
        self.interrupts = 0
        self._changed = asyncio.Event()
        self._stop = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self) -> bool:
        """Returns whether it was interrupted."""
        loop = asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, self._interrupt)
        streams = sys.stdout, sys.stderr
        painter = asyncio.create_task(self._paint())
        try:
            if self.paper.live and not self.silent:
                from flowtui.cli.progress import Told

                sys.stdout = sys.stderr = Told(self.paper)
                logging.basicConfig(format="%(message)s", level=logging.WARNING, stream=sys.stderr)
            from flowtui.local import heed_info

            heed_info()
            await self.worker.start()
            follower = asyncio.create_task(self._follow())
            stopper = asyncio.create_task(self._stop.wait())
            await asyncio.wait({follower, stopper}, return_when=asyncio.FIRST_COMPLETED)
            stopper.cancel()
            if follower.done():
                await follower
            follower.cancel()
            await self.worker.stop(grace=0.0 if self.interrupts > 1 else None)
        finally:
            sys.stdout, sys.stderr = streams
            painter.cancel()
            await asyncio.gather(painter, *self._tasks, return_exceptions=True)
            for each in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(each)
        return self.interrupts > 0

    def _interrupt(self) -> None:
        self.interrupts += 1
        if self.interrupts > 1:
            self._stop.set()
            return
        self.note = "cancelling; once more leaves at once"
        if not self.paper.live or self.silent:
            say(self.note)
        self._changed.set()
        task = asyncio.create_task(
            self.backend.cancel_flow(self.progress.flow.id, queue=self.progress.flow.queue)
        )
        self._tasks.add(task)

    async def _follow(self) -> None:
        from core.errors import BackendUnavailable, Gap

        progress = self.progress
        queue = progress.flow.queue
        while not progress.ended:
            try:
                async for batch in self.backend.event_batches(progress.position, [queue]):
                    for event in batch:
                        job = progress.apply(event)
                        if job is not None:
                            self._tell(job)
                    if progress.ended:
                        return
                    if not batch:
                        await self._explain()
            except Gap:
                progress.take(await self.backend.flow_snapshot(progress.flow.id, queue=queue))
            except BackendUnavailable as error:
                self.note = shown(error)
                await asyncio.sleep(1.0)

    def _tell(self, job: JobRecord) -> None:
        self.note = "" if not self.interrupts else self.note
        if self.paper.live or self.silent:
            self._changed.set()
            return
        if job.state.terminal or job.state == "delayed":
            from flowtui.cli.progress import job_line, name_width

            width = name_width(self.progress.jobs.values(), 80)
            line = job_line(self.paper, self.progress, job, 0.0, width)
            click.echo(line)

    async def _explain(self) -> None:
        """Nothing happened for a second: say why, if nothing runs."""
        jobs = self.progress.jobs.values()
        if any(job.state == "active" for job in jobs) or self.interrupts:
            return
        stuck = next((job for job in jobs if job.state in ("waiting", "delayed")), None)
        if stuck is None:
            return
        told = await self.backend.explain(stuck.id, queue=stuck.queue)
        note = f"{shown(stuck.name, 60)}: {shown(told.summary, 300)}"
        if note != self.note and not self.paper.live and not self.silent:
            say(note)
        self.note = note
        self._changed.set()

    async def _paint(self) -> None:
        if not self.paper.live or self.silent:
            return
        from flowtui.cli.progress import live_lines

        while True:
            self.paper.paint(live_lines(self.paper, self.progress, self.note))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 0.25)
            self._changed.clear()
            await asyncio.sleep(REPAINT_EVERY)
