"""A worker process for tests that kill, stop and signal it: `python worker_program.py URL QUEUE LEASE [GRACE]`.

Each execution appends "word job_id attempt" lines to the file named by the environment variable LEDGER.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from core.backends import open_backend
from core.tasks import JobContext, Registry
from core.worker import Worker


def note(word: str) -> None:
    """One line of the ledger, written whole."""
    context = JobContext.current()
    line = f"{word} {context.job_id} {context.attempt}\n".encode()
    fd = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, line)
    finally:
        os.close(fd)


async def nap(seconds: float) -> str:
    """Sleep in the loop."""
    note("start")
    await asyncio.sleep(seconds)
    note("end")
    return "slept"


def thread_nap(seconds: float) -> None:
    """Sleep in a thread that looks at nothing."""
    note("start")
    time.sleep(seconds)
    note("end")


async def nap_once(seconds: float, flag: str) -> str:
    """Sleep long the first time, not at all the next."""
    once = first(flag)  # before the start is noted: whoever kills this at that line has used it up
    note("start")
    if once:
        await asyncio.sleep(seconds)
    note("end")
    return f"attempt {JobContext.current().attempt}"


async def freeze_once(flag: str) -> str:
    """Stop the whole process (SIGSTOP) in the first attempt; whoever continues it lets this attempt report."""
    once = first(flag)
    note("start")
    attempt = JobContext.current().attempt
    if once:
        os.kill(os.getpid(), signal.SIGSTOP)
    note("end")
    return f"attempt {attempt}"


async def poison() -> None:
    """Take the process with it."""
    note("start")
    os._exit(139)


def first(flag: str) -> bool:
    """True once for each `flag`, a file."""
    path = Path(flag)
    if path.exists():
        return False
    path.touch()
    return True


def registry() -> Registry:
    """The tasks above, as `t.NAME`."""
    made = Registry()
    for call in (nap, thread_nap, nap_once, freeze_once, poison):
        made.add(f"t.{call.__name__}", call)
    return made


async def main() -> int:
    """Work until a signal says stop."""
    url, queue, lease, *grace = sys.argv[1:]
    worker = Worker(
        open_backend(url),
        queue,
        concurrency=4,
        registry=registry(),
        lease=float(lease),
        scan_interval=0.2,
        grace=float(grace[0]) if grace else 25.0,
    )
    try:
        return await worker.run()
    finally:
        await worker.backend.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
