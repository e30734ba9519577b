"""BullMQ for Python: Queue.add, addBulk, Worker with a concurrency of 8 (faster here than 32 or 100)."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from typing import Any

from bullmq import Queue, Worker
from stamp import say, stamp


async def add(n: int, url: str) -> None:
    """One call for each job, 32 at a time; then all at once."""
    queue = Queue("bench", {"connection": url})
    left = iter(range(n))

    async def lane() -> None:
        for i in left:
            await queue.add("noop", {"i": i}, {})

    start = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(32)))
    seconds = time.perf_counter() - start
    bulk = Queue("bulk", {"connection": url})
    start = time.perf_counter()
    await bulk.addBulk([{"name": "noop", "data": {"i": i}, "opts": {}} for i in range(n)])
    say(add=seconds, bulk=time.perf_counter() - start)
    await queue.close()
    await bulk.close()


async def work(url: str) -> None:
    """Until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)

    async def noop(job: Any, token: str) -> None:
        stamp(job.data["i"])

    worker = Worker("bench", noop, {"connection": url, "concurrency": 8})
    await stopping.wait()
    await worker.close(force=True)


if __name__ == "__main__":
    import uvloop

    if sys.argv[1] == "work":
        uvloop.run(work(sys.argv[2]))
    else:
        uvloop.run(add(int(sys.argv[2]), sys.argv[3]))
