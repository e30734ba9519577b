"""huey: RedisHuey, four threads. It does not acknowledge, and a result of None is not stored (its defaults)."""

from __future__ import annotations

import logging
import os
from typing import Any

from driver import Engine, main, now
from huey import RedisHuey, group
from shapes import Flow
from stamp import stamp

app = RedisHuey(os.environ.get("BENCH_QUEUE", "bench"), url=os.environ.get("BENCH_URL"))


@app.task()
def noop(index: int, *_: Any) -> None:
    """Note that it ran; what the job before it returned comes along."""
    stamp(index, now())


class Huey(Engine):
    packages = ("huey", "redis", "hiredis")
    asynchronous = False

    async def add(self, index: int, text: str = "") -> None:
        if text:
            noop(index, text)
        else:
            noop(index)

    async def add_flow(self, flow: Flow, base: int) -> None:
        last = len(flow) - 1
        if flow[-1] == [last - 1]:
            head = noop.s(base)
            for i in range(1, len(flow)):
                head.then(noop, base + i)
            app.enqueue(head)
        else:
            app.enqueue(group([noop.s(base + i) for i in range(last)]).then(noop, base + last))

    def work(self) -> None:
        logging.disable(logging.WARNING)
        app.create_consumer(workers=4, periodic=False, worker_type="thread").run()


if __name__ == "__main__":
    main(Huey)
