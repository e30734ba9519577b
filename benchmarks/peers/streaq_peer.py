"""streaq: enqueue and enqueue_many, `start(after=...)` for a flow (it has no call that adds one), 100 in flight."""

from __future__ import annotations

import os
from collections.abc import Iterable

import coredis
from driver import Engine, main, now
from shapes import Flow
from stamp import stamp
from streaq import Worker

coredis.Config.optimized = True
app = Worker(
    redis_url=os.environ.get("BENCH_URL", "redis://localhost:6379"),
    queue_name=os.environ.get("BENCH_QUEUE", "bench"),
    concurrency=100,
    anyio_kwargs={"use_uvloop": True},
)


@app.task
async def noop(index: int, text: str = "") -> int:
    """Note that it ran."""
    return stamp(index, now())


class Streaq(Engine):
    packages = ("streaq", "coredis", "hiredis", "uvloop")

    async def open(self) -> None:
        await app.__aenter__()

    async def add(self, index: int, text: str = "") -> None:
        await (noop.enqueue(index, text) if text else noop.enqueue(index))

    async def add_bulk(self, indexes: Iterable[int], text: str = "") -> None:
        extra = [text] if text else []
        await app.enqueue_many([noop.enqueue(i, *extra) for i in indexes])

    async def add_flow(self, flow: Flow, base: int) -> None:
        ids: list[str] = []
        for i, ups in enumerate(flow):
            job = noop.enqueue(base + i)
            if ups:
                job = job.start(after=[ids[up] for up in ups])
            ids.append((await job).id)

    def work(self) -> None:
        app.run_sync()


if __name__ == "__main__":
    # streaq finds the task by its function's module: the same one in the producer and in the worker.
    main(Streaq)
