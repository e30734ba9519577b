"""dramatiq: one worker with 16 threads, no results (its default)."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from stamp import say, stamp

broker = RedisBroker(url=sys.argv[-1])
dramatiq.set_broker(broker)


@dramatiq.actor
def noop(index: int) -> None:
    """Note that it ran."""
    stamp(index)


if __name__ == "__main__":
    if sys.argv[1] == "work":
        logging.disable(logging.WARNING)
        stopping = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopping.set())
        worker = dramatiq.Worker(broker, worker_threads=16)
        worker.start()
        stopping.wait()
        worker.stop(timeout=1000)
    else:
        start = time.perf_counter()
        for i in range(int(sys.argv[2])):
            noop.send(i)
        say(add=time.perf_counter() - start)
