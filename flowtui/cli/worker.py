"""The worker command: one process, or several under one that keeps them alive."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from typing import Any, Final

import click

from flowtui.cli.common import (
    FAILED,
    HANDED_BACK,
    engine,
    import_tasks,
    run_async,
    say,
    settings_for,
    url_option,
)

QUICK: Final = 5.0
"""Seconds; a child that lives no longer than this did not start well."""
TRIES: Final = 5
"""A child that ends quickly so often in a row is not started again."""


@click.command("worker")
@click.argument("modules", nargs=-1, metavar="[MODULE...]")
@click.option("--queue", "-q", "queues", multiple=True, metavar="QUEUE", help="Take its jobs; repeatable.")
@url_option
@click.option(
    "--concurrency", "-c", type=click.IntRange(1, 10_000), metavar="N", help="Jobs at once in each process."
)
@click.option(
    "--lease",
    type=click.FloatRange(1, 86_400),
    metavar="SECONDS",
    help="How long a job stays with a worker that has died.",
)
@click.option(
    "--grace",
    type=click.FloatRange(0, 86_400),
    metavar="SECONDS",
    help="How long running jobs may go on after SIGTERM.",
)
@click.option(
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    metavar="N",
    help="Processes; each uses one processor.",
)
@click.option(
    "--allow-shell", is_flag=True, help="Also run shell steps: whoever may submit may run commands here."
)
@click.option("--until-idle", is_flag=True, help="End when no job of the queues can run any more.")
@click.option("--verbose", "-v", is_flag=True, help="Log every job.")
@click.pass_context
def worker_command(
    ctx: click.Context,
    /,
    modules: tuple[str, ...],
    queues: tuple[str, ...],
    url: str | None,
    processes: int,
    **options: Any,
) -> None:
    """Run the jobs of queues with the tasks that MODULEs register.

    Modules are looked for in the current directory and in PYTHONPATH. Only their tasks run: a job names a task, never
    code.

    SIGTERM or Ctrl+C stops politely: no more jobs are taken, running ones may go on for the grace time, the rest is
    handed back to other workers at once. A second signal hands everything back now.

    The exit status is 0 when every job could end, 3 when some were handed back, 1 for an error.
    """  # fmt: skip
    settings = settings_for(ctx, url)
    from flowtui.local import heed_info

    wanted = queues or tuple(settings.worker.queues)
    if processes > 1:
        ctx.exit(_many(processes, settings.url))
    import_tasks(modules)
    level = logging.INFO if options["verbose"] else logging.WARNING
    logging.basicConfig(format="%(asctime)s %(levelname)-7s %(message)s", level=level, stream=sys.stderr)
    heed_info()
    own = settings.worker
    ctx.exit(
        run_async(
            _work(
                settings.url,
                wanted,
                concurrency=options["concurrency"] or own.concurrency,
                lease=options["lease"] or own.lease,
                grace=own.grace if options["grace"] is None else options["grace"],
                allow_shell=options["allow_shell"],
                until_idle=options["until_idle"],
            )
        )
    )


async def _work(url: str | None, queues: tuple[str, ...], *, until_idle: bool, **options: Any) -> int:
    from core import Worker
    from core.shell import SHELL
    from core.tasks import registry

    # It may be started beside its server, which then needs a moment.
    async with engine(url, patient=True) as backend:
        worker = Worker(backend, queues, **options)
        tasks = sorted(registry) + ([SHELL] if options["allow_shell"] else [])
        some = ", ".join(tasks[:8]) + (f" and {len(tasks) - 8} more" if len(tasks) > 8 else "")
        say(f"worker {worker.id} on {backend.url} · queues {', '.join(queues)} · tasks {some or 'none'}")
        if not tasks:
            say("no tasks: name the modules that register them, for example: flowtui worker my.tasks")
        for sentence in await _warnings(backend):
            say(sentence)
        if until_idle:
            await worker.run_until_idle()
            return 0
        status = await worker.run()
        say("stopped; every job could end" if status == 0 else "stopped; running jobs were handed back")
    status = HANDED_BACK if status else 0
    if worker.stuck:
        # The event loop would wait for it before it ends, and so would whoever stops this process.
        say("a task does not stop; this process ends without it")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


async def _warnings(backend: Any) -> list[str]:
    """What the engine says about settings that put jobs at risk."""
    warnings = getattr(backend, "warnings", None)
    return list(await warnings()) if warnings is not None else []


def _many(count: int, url: str | None) -> int:
    """Run `count` processes; one that dies is started again. Passes signals on; returns the worst of their statuses."""
    return _Keeper(count, url).run()


class _Keeper:
    """Starts worker processes like this one, and starts them again."""

    def __init__(self, count: int, url: str | None) -> None:
        self.command = [sys.executable, "-m", "flowtui", *_without_processes(sys.argv[1:])]
        # By the environment: in the arguments everybody could read a password.
        self.environ = {**os.environ, **({"FLOWTUI_URL": url} if url else {})}
        self.count = count
        self.children: dict[int, tuple[subprocess.Popen[bytes], float]] = {}
        self.quick = 0
        self.stopping = False
        self.worst = 0

    def run(self) -> int:
        """Until a signal has ended all children."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._pass_on)
        for _ in range(self.count):
            self._start()
        while self.children:
            try:
                pid, status = os.wait()
            except InterruptedError:
                continue
            if pid in self.children:
                self._ended(pid, os.waitstatus_to_exitcode(status))
        return self.worst

    def _start(self) -> None:
        # A group of its own: Ctrl+C reaches the children through us, once.
        child = subprocess.Popen(self.command, env=self.environ, start_new_session=True)
        self.children[child.pid] = (child, time.monotonic())

    def _pass_on(self, number: int, frame: object) -> None:
        self.stopping = True
        for child, _ in self.children.values():
            if child.returncode is None:
                os.kill(child.pid, number)

    def _ended(self, pid: int, status: int) -> None:
        child, since = self.children.pop(pid)
        child.returncode = status
        if self.stopping or status == 0:
            self.worst = max(self.worst, HANDED_BACK if status == HANDED_BACK else FAILED if status else 0)
            return
        self.quick = self.quick + 1 if time.monotonic() - since < QUICK else 0
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        if status == 2 or self.quick >= TRIES:
            say(f"a worker process {how}; not started again")
            self.worst = FAILED
            if not self.stopping:
                self._pass_on(signal.SIGTERM, None)
            return
        say(f"a worker process {how}; starting another")
        time.sleep(min(2.0, 0.1 * 2**self.quick))
        self._start()


def _without_processes(args: list[str]) -> list[str]:
    """The arguments for one child: without --processes, and without --url, which goes by the environment."""
    kept, skip = [], False
    for arg in args:
        if skip:
            skip = False
        elif arg in ("--processes", "--url"):
            skip = True
        elif not arg.startswith(("--processes=", "--url=")):
            kept.append(arg)
    return kept
