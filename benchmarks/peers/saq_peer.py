"""saq: Queue.enqueue and Worker, 100 in flight; it has no flows and no bulk call for independent jobs."""

from __future__ import annotations

from typing import Any

from driver import Engine, main, now, run
from saq import Queue, Worker
from stamp import stamp


async def noop(ctx: Any, *, index: int, text: str = "") -> int:
    """Note that it ran."""
    return stamp(index, now())


class Saq(Engine):
    packages = ("saq", "redis", "hiredis", "uvloop")

    async def open(self) -> None:
        self.jobs = Queue.from_url(self.url, name=self.queue)
        await self.jobs.connect()

    async def add(self, index: int, text: str = "") -> None:
        if text:
            await self.jobs.enqueue("noop", index=index, text=text)
        else:
            await self.jobs.enqueue("noop", index=index)

    def work(self) -> None:
        async def work() -> None:
            await self.open()
            await Worker(self.jobs, functions=[noop], concurrency=100).start()

        run(self, work())


if __name__ == "__main__":
    main(Saq)
