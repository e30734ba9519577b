"""A worker process of the chaos run: `python -m tests.chaos.worker URL QUEUE LEASE LEDGER`.

Every execution writes to the ledger, a file outside the store that survives everything here: one line when it starts
and one when it ends. A line is one write to a file opened with O_APPEND, so lines are whole and in order.
"""

from __future__ import annotations

import os
import signal

if __name__ == "__main__":
    # Before anything that takes its time: who is told to stop while it still loads has taken no job, and ends well.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.write(1, b"\n")  # said to those who wait for it

import asyncio
import hashlib
import json
import sys
import time

from core.backends.redis import RedisBackend
from core.tasks import JobContext, Registry
from core.worker import Worker

_ledger = -1


def note(word: str) -> None:
    """Start (S), end (E) or failure (F) of this execution."""
    context = JobContext.current()
    digest = hashlib.blake2b(
        json.dumps([context.fields.get("args"), context.fields.get("kwargs")]).encode(), digest_size=8
    ).hexdigest()
    os.write(_ledger, f"{word} {context.job_id} {context.attempt} {os.getpid()} {digest}\n".encode())


async def step(seconds: float, *_: object) -> str:
    """Work in the loop."""
    note("S")
    await asyncio.sleep(seconds)
    note("E")
    return JobContext.current().job_id


def thread_step(seconds: float, *_: object) -> str:
    """Work in a thread."""
    note("S")
    time.sleep(seconds)
    note("E")
    return JobContext.current().job_id


async def fail(seconds: float, *_: object) -> None:
    """Fail for good."""
    note("S")
    await asyncio.sleep(seconds)
    note("F")
    raise ValueError("as it should")


async def flaky(seconds: float, *_: object) -> str:
    """Fail in the first two attempts."""
    note("S")
    await asyncio.sleep(seconds)
    if JobContext.current().attempt <= 2:
        note("F")
        raise ValueError("not yet")
    note("E")
    return JobContext.current().job_id


async def check(seconds: float, upstreams: int) -> int:
    """Read the results of all upstreams: each is there, and is what that upstream returned."""
    note("S")
    context = JobContext.current()
    results = await context.results()
    wrong = [up for up in context.fields.get("depends_on", ()) if results.get(up) != up]
    if wrong or len({value for value in results.values()}) != upstreams:
        note("W")
    await asyncio.sleep(seconds)
    note("E")
    return upstreams


def registry() -> Registry:
    """The tasks above, as `chaos.NAME`."""
    made = Registry()
    for call in (step, thread_step, fail, flaky, check):
        made.add(f"chaos.{call.__name__}", call)
    return made


async def main() -> int:
    """Work until a signal says stop."""
    global _ledger
    url, queue, lease, ledger = sys.argv[1:]
    _ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    backend = RedisBackend(url)
    worker = Worker(
        backend,
        queue,
        concurrency=8,
        registry=registry(),
        lease=float(lease),
        scan_interval=0.2,
        grace=10.0,
    )
    while True:
        try:
            await backend.open()
            break
        except Exception:
            await asyncio.sleep(0.1)
    try:
        return await worker.run()
    finally:
        await backend.close()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
