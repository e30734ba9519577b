"""BullMQ for Python: Queue.add and addBulk, FlowProducer (trees only), Worker with a concurrency of 8."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from typing import Any

from bullmq import FlowProducer, Queue, Worker
from driver import Engine, main, now, run
from shapes import Flow
from stamp import stamp


async def noop(job: Any, token: str) -> int:
    """Note that it ran."""
    return stamp(job.data["i"], now())


class BullMQ(Engine):
    packages = ("bullmq", "redis", "hiredis", "uvloop")

    async def open(self) -> None:
        self.jobs = Queue(self.queue, {"connection": self.url})
        self.flows = FlowProducer({"connection": self.url})

    async def add(self, index: int, text: str = "") -> None:
        await self.jobs.add("noop", {"i": index, "text": text} if text else {"i": index}, {})

    async def add_bulk(self, indexes: Iterable[int], text: str = "") -> None:
        extra = {"text": text} if text else {}
        await self.jobs.addBulk([{"name": "noop", "data": {"i": i, **extra}, "opts": {}} for i in indexes])

    async def add_flow(self, flow: Flow, base: int) -> None:
        nodes: list[dict[str, Any]] = []
        for i, ups in enumerate(flow):
            node: dict[str, Any] = {"name": "noop", "queueName": self.queue, "data": {"i": base + i}}
            if ups:
                node["children"] = [nodes[up] for up in ups]
            nodes.append(node)
        await self.flows.add(nodes[-1])

    def work(self) -> None:
        async def work() -> None:
            stopping = asyncio.Event()
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
            worker = Worker(self.queue, noop, {"connection": self.url, "concurrency": 8})
            await stopping.wait()
            await worker.close(force=True)

        run(self, work())


if __name__ == "__main__":
    main(BullMQ)
