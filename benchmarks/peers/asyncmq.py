"""AsyncMQ: Queue.add, add_bulk, FlowProducer, run_worker (what its command line runs)."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time

# This script has the name of the package: let the package be found first.
sys.path[:] = [
    path for path in sys.path if os.path.abspath(path) != os.path.dirname(os.path.abspath(__file__))
]
from asyncmq.backends.redis import RedisBackend  # noqa: E402 - the path is mended first
from asyncmq.flow import FlowProducer  # noqa: E402
from asyncmq.jobs import Job  # noqa: E402
from asyncmq.queues import Queue  # noqa: E402
from asyncmq.tasks import task  # noqa: E402

sys.path.append(os.path.dirname(os.path.abspath(__file__)))
from stamp import say, stamp  # noqa: E402


@task(queue="bench")
async def noop(index: int) -> None:
    """Note that it ran."""
    stamp(index)


async def add(n: int, url: str) -> None:
    """One call for each job, 32 at a time; then all at once."""
    queue = Queue("bench", backend=RedisBackend(url))
    left = iter(range(n))

    async def lane() -> None:
        for i in left:
            await queue.add(noop.task_id, args=[i])

    start = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(32)))
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    bulk = Queue("bulk", backend=RedisBackend(url))
    await bulk.add_bulk([{"task_id": noop.task_id, "args": [i], "kwargs": {}} for i in range(n)])
    say(add=seconds, bulk=time.perf_counter() - start)


async def flow(shape: str, n: int, url: str) -> None:
    """A chain, or 1 -> n -> 1."""
    jobs: list[Job] = []
    if shape == "chain":
        for i in range(n):
            jobs.append(
                Job(task_id=noop.task_id, args=[i], kwargs={}, depends_on=[jobs[-1].id] if jobs else [])
            )
    else:
        jobs = [Job(task_id=noop.task_id, args=[0], kwargs={})]
        jobs += [
            Job(task_id=noop.task_id, args=[i + 1], kwargs={}, depends_on=[jobs[0].id]) for i in range(n)
        ]
        ups = [job.id for job in jobs[1:]]
        jobs.append(Job(task_id=noop.task_id, args=[n + 1], kwargs={}, depends_on=ups))
    start = time.perf_counter()
    await FlowProducer(RedisBackend(url)).add_flow("bench", jobs)
    say(add=time.perf_counter() - start)


def main() -> None:
    """Do what the command line says."""
    logging.disable(logging.WARNING)
    what, *rest = sys.argv[1:]
    if what == "work":
        import anyio
        from asyncmq.runners import run_worker

        async def work() -> None:
            await run_worker("bench", backend=RedisBackend(rest[0]), concurrency=32)

        anyio.run(work, backend_options={"use_uvloop": True})
    elif what == "add":
        asyncio.run(add(int(rest[0]), rest[1]))
    else:
        asyncio.run(flow(what, int(rest[0]), rest[1]))


if __name__ == "__main__":
    main()
