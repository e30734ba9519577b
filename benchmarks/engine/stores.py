"""What each engine's own store says after a run: are all jobs done, and are all results there and right?

Every job returns its number. Where an engine keeps results, the numbers found must be exactly those of the jobs.
"""

from __future__ import annotations

import asyncio
import json
import pickle
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from core.backends.redis import RedisBackend

BATCH = 1000


@dataclass(frozen=True)
class Kept:
    """What a store says."""

    done: int | None
    """Jobs that it counts as done; None where it does not count them."""
    open: int
    """Jobs that it still holds as waiting, running, failed or anything else."""
    results: Counter[int] | None
    """The results that it keeps; None where it keeps none."""


def kept(name: str, client: Any, url: str, jobs: int, warm_ups: int) -> str:
    """How the store differs from `jobs` jobs that are done, and `warm_ups` that returned -1; "" where it does not."""
    return difference(READERS[name](client, url), jobs, warm_ups)


def difference(found: Kept, jobs: int, warm_ups: int) -> str:
    """As `kept`, of what was found."""
    wrong = []
    if found.open:
        wrong.append(f"{found.open} not done in the store")
    if found.done is not None and found.done != jobs + warm_ups:
        wrong.append(f"{found.done} of {jobs + warm_ups} done in the store")
    if found.results is not None:
        wanted = Counter(range(jobs)) + Counter({-1: warm_ups})
        missing, strange = (wanted - found.results).total(), (found.results - wanted).total()
        if missing:
            wrong.append(f"{missing} results missing")
        if strange:
            wrong.append(f"{strange} results wrong")
    return ", ".join(wrong)


def _ours(client: Any, url: str) -> Kept:
    async def look() -> Kept:
        backend = RedisBackend(url)
        await backend.open()
        counts = await backend.counts("bench")
        results: Counter[int] = Counter()
        for offset in range(0, counts["completed"], BATCH):
            page = await backend.list_jobs("completed", "bench", offset=offset, limit=BATCH)
            values = await backend.results("bench", [job.id for job in page])
            results.update(values.values())
        await backend.close()
        return Kept(counts["completed"], sum(counts.values()) - counts["completed"], results)

    return asyncio.run(look())


def _ceiling(client: Any, url: str) -> Kept:
    results = Counter(int(value) for value in client.hvals("results"))
    return Kept(client.hlen("results"), client.llen("ready") + client.zcard("leases"), results)


def _asyncmq(client: Any, url: str) -> Kept:
    states = Counter(client.hvals("jobs:bench:states"))
    done = sum(count for state, count in states.items() if b"completed" in state)
    results = Counter(int(json.loads(value)) for value in client.hvals("jobs:bench:results"))
    return Kept(done, states.total() - done, results)


def _bullmq(client: Any, url: str) -> Kept:
    keys = [f"bull:bench:{job.decode()}" for job in client.zrange("bull:bench:completed", 0, -1)]
    results = Counter(int(value) for value in _read(client, "hget", keys, "returnvalue"))
    waiting = client.llen("bull:bench:wait") + client.llen("bull:bench:active")
    waiting += client.zcard("bull:bench:failed") + client.zcard("bull:bench:waiting-children")
    return Kept(len(keys), waiting, results)


def _streaq(client: Any, url: str) -> Kept:
    keys = client.scan_iter("streaq:bench:task:results:*", count=BATCH)
    # Written by a process that this program started.
    results = Counter(int(pickle.loads(value)["r"]) for value in _read(client, "get", keys))
    return Kept(
        client.zcard("streaq:bench:index:results"), client.xlen("streaq:bench:queues:normal"), results
    )


def _saq(client: Any, url: str) -> Kept:
    keys = client.scan_iter("saq:job:bench:*", count=BATCH)
    jobs = [json.loads(value) for value in _read(client, "get", keys)]
    done = [job for job in jobs if job["status"] == "complete"]
    return Kept(len(done), len(jobs) - len(done), Counter(job.get("result") for job in done))


def _huey(client: Any, url: str) -> Kept:
    return Kept(None, client.llen("huey.redis.bench"), None)


def _dramatiq(client: Any, url: str) -> Kept:
    return Kept(None, client.hlen("dramatiq:bench.msgs"), None)


def _read(client: Any, command: str, keys: Iterable[Any], *args: str) -> Iterator[bytes]:
    """The value of each key, a batch in one round trip."""
    pending = list(keys)
    for start in range(0, len(pending), BATCH):
        pipe = client.pipeline(transaction=False)
        for key in pending[start : start + BATCH]:
            getattr(pipe, command)(key, *args)
        yield from (value for value in pipe.execute() if value is not None)


READERS: dict[str, Callable[[Any, str], Kept]] = {
    "flowtui": _ours,
    "ceiling": _ceiling,
    "asyncmq": _asyncmq,
    "bullmq": _bullmq,
    "streaq": _streaq,
    "saq": _saq,
    "huey": _huey,
    "dramatiq": _dramatiq,
}
