"""flowtui's engine: `ours.py add N URL`, `ours.py chain N URL`, `ours.py fan N URL`, `ours.py work URL`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

from stamp import say, stamp

from core import FlowProducer, Job, RedisBackend, Worker, task


@task("noop")
async def noop(index: int) -> None:
    """Note that it ran."""
    stamp(index)


async def add(n: int, url: str) -> None:
    """One call for each job, 32 at a time; then all at once."""
    backend = RedisBackend(url)
    left = iter(range(n))

    async def lane() -> None:
        for i in left:
            await backend.enqueue("bench", Job("noop", [i]))

    start = time.perf_counter()
    await asyncio.gather(*(lane() for _ in range(32)))
    seconds = time.perf_counter() - start
    start = time.perf_counter()
    await backend.enqueue_many("bulk", [Job("noop", [i]) for i in range(n)])
    bulk = time.perf_counter() - start
    await backend.close()
    say(add=seconds, bulk=bulk)


async def flow(shape: str, n: int, url: str) -> None:
    """A chain, or 1 -> n -> 1."""
    backend = RedisBackend(url)
    jobs: list[Job] = []
    if shape == "chain":
        for i in range(n):
            jobs.append(Job("noop", [i], depends_on=[jobs[-1].id] if jobs else []))
    else:
        jobs = [Job("noop", [0])]
        jobs += [Job("noop", [i + 1], depends_on=[jobs[0].id]) for i in range(n)]
        jobs.append(Job("noop", [n + 1], depends_on=[job.id for job in jobs[1:]]))
    start = time.perf_counter()
    await FlowProducer(backend).add_flow("bench", jobs)
    say(add=time.perf_counter() - start)
    await backend.close()


async def work(url: str) -> None:
    """Until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with Worker(
        RedisBackend(url), ["bench"], concurrency=int(os.environ.get("BENCH_CONCURRENCY", "200"))
    ):
        await stopping.wait()


def main() -> None:
    """Do what the command line says."""
    import uvloop

    what, *rest = sys.argv[1:]
    if what == "work":
        uvloop.run(work(rest[0]))
    elif what == "add":
        uvloop.run(add(int(rest[0]), rest[1]))
    else:
        uvloop.run(flow(what, int(rest[0]), rest[1]))


if __name__ == "__main__":
    main()
