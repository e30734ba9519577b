"""AsyncMQ's dashboard without its web pages: the questions that its list of queues and its list of jobs ask."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time

from asyncmq.backends.redis import RedisBackend
from asyncmq.contrib.dashboard.controllers._counts import get_queue_state_counts
from asyncmq.jobs import Job


async def ask(n: int, url: str) -> None:
    """Fill a queue with `n` jobs; seconds of the list of queues, of a page, and of a page with a filter."""
    backend = RedisBackend(url)
    left = iter(range(n))

    async def lane() -> None:
        for i in left:
            job = Job(task_id="app.thumb" if i % 10 else "app.geo", args=[i], kwargs={})
            await backend.enqueue("many", job.to_dict())

    await asyncio.gather(*(lane() for _ in range(32)))
    begun = time.perf_counter()
    for name in await backend.list_queues():
        await backend.is_queue_paused(name)
        counts = await get_queue_state_counts(backend, name)
    queues = time.perf_counter() - begun
    assert counts["waiting"] == n
    begun = time.perf_counter()
    page = await backend.inspect_jobs("many", "waiting", page=1, size=20)
    first = time.perf_counter() - begun
    assert len(page.jobs) == 20
    begun = time.perf_counter()
    page = await backend.inspect_jobs("many", "waiting", page=1, size=20, task="app.geo")
    assert len(page.jobs) == 20
    print(json.dumps({"queues": queues, "page": first, "filter": time.perf_counter() - begun}))


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    asyncio.run(ask(int(sys.argv[1]), sys.argv[2]))
