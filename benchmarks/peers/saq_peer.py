"""saq: Queue.enqueue and Worker; it has no flows and no bulk call."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from saq import Queue, Worker
from stamp import say, stamp


async def noop(ctx: Any, *, index: int) -> None:
    """Note that it ran."""
    stamp(index)


async def add(n: int, url: str) -> None:
    """One call for each job, 32 at a time."""
    queue = Queue.from_url(url)
    await queue.connect()
    left = iter(range(n))

    async def lane() -> None:
        for i in left:
            await queue.enqueue("noop", index=i)

    start = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(32)))
    say(add=time.perf_counter() - start)
    await queue.disconnect()


async def work(url: str) -> None:
    """Until SIGTERM."""
    queue = Queue.from_url(url)
    await queue.connect()
    await Worker(queue, functions=[noop], concurrency=32).start()


if __name__ == "__main__":
    import uvloop

    if sys.argv[1] == "work":
        uvloop.run(work(sys.argv[2]))
    else:
        uvloop.run(add(int(sys.argv[2]), sys.argv[3]))
