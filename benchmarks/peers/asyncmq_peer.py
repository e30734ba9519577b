"""AsyncMQ: Queue.add and add_bulk, FlowProducer, run_worker (what its command line runs), 32 in flight."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

from asyncmq.backends.memory import InMemoryBackend
from asyncmq.backends.redis import RedisBackend
from asyncmq.flow import FlowProducer
from asyncmq.jobs import Job
from asyncmq.queues import Queue
from asyncmq.tasks import task
from driver import Engine, main, now
from shapes import Flow, chain
from stamp import stamp

ran = 0


@task(queue="bench")
async def noop(index: int, text: str = "") -> int:
    """Note that it ran."""
    return stamp(index, now())


@task(queue="bench")
async def counted(index: int) -> int:
    """Count that it ran."""
    global ran
    ran += 1
    return index


class AsyncMQ(Engine):
    packages = ("asyncmq", "redis", "hiredis", "uvloop")

    async def open(self) -> None:
        self.backend: Any = RedisBackend(self.url)
        self.jobs: Any = Queue(self.queue, backend=self.backend)

    async def add(self, index: int, text: str = "") -> None:
        await self.jobs.add(noop.task_id, args=[index, text] if text else [index])

    async def add_bulk(self, indexes: Iterable[int], text: str = "") -> None:
        extra = [text] if text else []
        await self.jobs.add_bulk(
            [{"task_id": noop.task_id, "args": [i, *extra], "kwargs": {}} for i in indexes]
        )

    async def add_flow(self, flow: Flow, base: int, task_id: str = noop.task_id) -> None:
        made: list[Job] = []
        for i, ups in enumerate(flow):
            ids = [made[up].id for up in ups]
            made.append(Job(task_id=task_id, args=[base + i], kwargs={}, depends_on=ids))
        await FlowProducer(self.backend).add_flow(self.queue, made)

    def work(self) -> None:
        import anyio
        from asyncmq.runners import run_worker

        logging.disable(logging.WARNING)

        async def work() -> None:
            await run_worker(self.queue, backend=RedisBackend(self.url), concurrency=32)

        anyio.run(work, backend_options={"use_uvloop": True})

    async def inmemory(self, n: int, chain_of: int) -> dict[str, float]:
        global ran
        from asyncmq.runners import run_worker

        logging.disable(logging.WARNING)
        said = {}
        for name, jobs in (("drain", n), ("hop", chain_of)):
            self.backend = InMemoryBackend()
            self.jobs = Queue(self.queue, backend=self.backend)
            if name == "drain":
                for i in range(jobs):
                    await self.jobs.add(counted.task_id, args=[i])
            else:
                await self.add_flow(chain(jobs), 0, counted.task_id)
            ran, start = 0, now()
            worker = asyncio.ensure_future(run_worker(self.queue, backend=self.backend, concurrency=32))
            while ran < jobs:  # noqa: ASYNC110 - as light as can be beside what is measured
                await asyncio.sleep(0.001)
            took = now() - start
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
            said[name] = jobs / took if name == "drain" else took / jobs * 1000
        return said


if __name__ == "__main__":
    main(AsyncMQ)
