"""huey: RedisHuey with four threads; no acknowledgement, and None results are not stored (its defaults)."""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from huey import RedisHuey
from stamp import say, stamp

app = RedisHuey("bench", url=sys.argv[-1])


@app.task()
def noop(index: int, *_: Any) -> None:
    """Note that it ran."""
    stamp(index)


if __name__ == "__main__":
    what = sys.argv[1]
    if what == "work":
        logging.disable(logging.WARNING)
        app.create_consumer(workers=4, periodic=False, worker_type="thread").run()
    else:
        n = int(sys.argv[2])
        start = time.perf_counter()
        if what == "chain":
            head = noop.s(0)
            for i in range(1, n):
                head.then(noop, i)
            app.enqueue(head)
        else:
            for i in range(n):
                noop(i)
        say(add=time.perf_counter() - start)
