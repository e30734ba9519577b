"""flowtui's engine: leases, results and events on, 200 in flight."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from driver import Engine, main, now, run
from shapes import Flow, chain
from stamp import stamp

from core import FlowProducer, InMemoryBackend, Job, RedisBackend, Worker, task

CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "200"))


@task("noop")
async def noop(index: int, text: str = "") -> int:
    """Note that it ran."""
    return stamp(index, now())


@task("counted")
async def counted(index: int) -> int:
    """Nothing."""
    return index


class Ours(Engine):
    packages = ("redis", "hiredis", "uvloop")

    async def open(self) -> None:
        self.backend = RedisBackend(self.url)
        await self.backend.open()

    async def add(self, index: int, text: str = "") -> None:
        await self.backend.enqueue(self.queue, Job("noop", [index, text] if text else [index]))

    async def add_bulk(self, indexes: Iterable[int], text: str = "") -> None:
        extra = [text] if text else []
        await self.backend.enqueue_many(self.queue, (Job("noop", [i, *extra]) for i in indexes))

    async def add_flow(self, flow: Flow, base: int) -> None:
        await FlowProducer(self.backend).add_flow(self.queue, jobs_of(flow, "noop", base))

    def work(self) -> None:
        async def work() -> None:
            await Worker(RedisBackend(self.url), [self.queue], concurrency=CONCURRENCY).run()

        run(self, work())

    async def inmemory(self, n: int, chain_of: int) -> dict[str, float]:
        said = {}
        for name, jobs in (("drain", n), ("hop", chain_of)):
            if not jobs:
                continue
            backend = InMemoryBackend()
            if name == "drain":
                await backend.enqueue_many(self.queue, [Job("counted", [i]) for i in range(jobs)])
            else:
                await FlowProducer(backend).add_flow(self.queue, jobs_of(chain(jobs), "counted", 0))
            start, cpu = now(), time.process_time()
            await Worker(backend, [self.queue], concurrency=CONCURRENCY).run_until_idle()
            took, cpu = now() - start, time.process_time() - cpu
            counts = await backend.counts(self.queue)
            kept = counts["completed"]
            if counts["waiting"] + counts["blocked"] + counts["active"]:
                raise RuntimeError(f"{counts} of {jobs} jobs")
            if jobs <= 100_000 and kept != jobs:
                raise RuntimeError(f"{kept} of {jobs} completed")
            said[f"{name} cpu"] = cpu / jobs * 1e6
            said[name] = jobs / took if name == "drain" else took / jobs * 1000
        return said


def jobs_of(flow: Flow, task_id: str, base: int) -> list[Job]:
    """The flow in the words of the engine."""
    jobs: list[Job] = []
    for i, ups in enumerate(flow):
        jobs.append(Job(task_id, [base + i], depends_on=[jobs[up].id for up in ups]))
    return jobs


if __name__ == "__main__":
    main(Ours)
