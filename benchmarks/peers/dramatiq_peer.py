"""dramatiq: its command line with one process of 16 threads; no results (its default)."""

from __future__ import annotations

import os
import sys
from typing import Any

import dramatiq
from dramatiq import group, pipeline
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import GroupCallbacks
from dramatiq.rate_limits.backends import RedisBackend
from driver import Engine, main, now
from shapes import Flow
from stamp import stamp

URL = os.environ.get("BENCH_URL")
broker = RedisBroker(url=URL)
broker.add_middleware(GroupCallbacks(RedisBackend(url=URL)))
dramatiq.set_broker(broker)


@dramatiq.actor(queue_name=os.environ.get("BENCH_QUEUE", "bench"))
def noop(index: int, *_: Any) -> None:
    """Note that it ran."""
    stamp(index, now())


class Dramatiq(Engine):
    packages = ("dramatiq", "redis", "hiredis")
    asynchronous = False

    async def add(self, index: int, text: str = "") -> None:
        if text:
            noop.send(index, text)
        else:
            noop.send(index)

    async def add_flow(self, flow: Flow, base: int) -> None:
        last = len(flow) - 1
        if flow[-1] == [last - 1]:
            jobs = [noop.message_with_options(args=(base + i,), pipe_ignore=True) for i in range(len(flow))]
            pipeline(jobs).run()
        else:
            jobs = group([noop.message(base + i) for i in range(last)])
            jobs.add_completion_callback(noop.message(base + last))
            jobs.run()

    def work(self) -> None:
        from dramatiq import cli

        options = ["dramatiq_peer", "--processes", "1", "--threads", "16", "--skip-logging"]
        sys.exit(cli.main(cli.make_argument_parser().parse_args(options)))


if __name__ == "__main__":
    main(Dramatiq)
