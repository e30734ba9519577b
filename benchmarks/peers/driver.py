"""What is the same for every engine: the loops that are timed, and the command line of its script.

A script runs inside the environment of its engine and imports nothing of flowtui's, ours excepted. It gets BENCH_URL
(the server), BENCH_QUEUE and BENCH_STAMPS (the ledger), and prints one line of JSON:

    SCRIPT versions                     of the packages that matter
    SCRIPT enqueue N MODE[,MODE]        seconds for N single jobs: one (by one), lanes (32 in flight), bulk
    SCRIPT fill N BYTES                 N jobs by the quickest way; BYTES > 0 adds an argument of that size
    SCRIPT flow SHAPE N [live [PID,..]] seconds to add; live: a worker runs already, and is warmed up first
    SCRIPT pickup N SECONDS [PID,..]    milliseconds from the call until the job runs, each after about SECONDS
    SCRIPT inmemory N CHAIN             the store of this process, where the engine has one
    SCRIPT work                         one worker, until SIGTERM

Of processes that it is told it says what CPU they had used before the first call that counts.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from collections.abc import Iterable
from importlib import metadata
from typing import Any

from shapes import Flow, flows
from spent import cpu_seconds
from stamp import count, now, read

LANES = 32


class Engine:
    """One engine: how its users add a job, many jobs, a flow, and start a worker."""

    packages: tuple[str, ...] = ()
    asynchronous = True
    """Its calls are coroutines, so 32 of them can be under way; else they block."""

    def __init__(self) -> None:
        self.url = os.environ.get("BENCH_URL", "")
        self.queue = os.environ.get("BENCH_QUEUE", "bench")

    async def open(self) -> None:
        """Connect."""

    async def add(self, index: int, text: str = "") -> None:
        """One call that adds one job."""
        raise NotImplementedError

    async def add_bulk(self, indexes: Iterable[int], text: str = "") -> None:
        """One call that adds many; engines without one leave it out."""
        raise NotImplementedError

    async def add_flow(self, flow: Flow, base: int) -> None:
        """Add a flow; its jobs are numbered from `base`."""
        raise NotImplementedError

    def work(self) -> None:
        """One worker, until SIGTERM."""
        raise NotImplementedError

    async def inmemory(self, n: int, chain: int) -> dict[str, float]:
        """Jobs a second and milliseconds a hop of the store in this process."""
        raise NotImplementedError


async def enqueue(engine: Engine, n: str, modes: str) -> dict[str, float]:
    """Seconds and CPU seconds of each way of adding."""
    said: dict[str, float] = {}
    await engine.add(-1)
    for place, mode in enumerate(modes.split(",")):
        indexes = range(place * int(n), (place + 1) * int(n))
        start, cpu = now(), time.process_time()
        if mode == "one":
            for i in indexes:
                await engine.add(i)
        elif mode == "lanes":
            await _lanes(engine.add(i) for i in indexes)
        else:
            await engine.add_bulk(indexes)
        said[mode] = now() - start
        said[f"{mode} cpu"] = time.process_time() - cpu
    return said


async def _lanes(calls: Iterable[Any]) -> None:
    left = iter(calls)

    async def lane() -> None:
        for call in left:
            await call

    await asyncio.gather(*(lane() for _ in range(LANES)))


async def fill(engine: Engine, n: str, size: str) -> dict[str, float]:
    """Jobs that wait, in the quickest way that the engine has."""
    text = "x" * int(size)
    if type(engine).add_bulk is not Engine.add_bulk:
        await engine.add_bulk(range(int(n)), text)
    elif engine.asynchronous:
        await _lanes(engine.add(i, text) for i in range(int(n)))
    else:
        for i in range(int(n)):
            await engine.add(i, text)
    return {}


async def _warm(engine: Engine) -> str:
    """Wait until the worker has run a first job; returns the path of the ledger."""
    path = os.environ["BENCH_STAMPS"]
    await engine.add(-1)
    while not count(path):  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.3)
    return path


def _used(pids: str) -> list[float]:
    return cpu_seconds(map(int, pids.split(","))) if pids else []


async def flow(engine: Engine, shape: str, n: str, live: str = "", pids: str = "") -> dict[str, Any]:
    """Seconds to add, and when it began."""
    made = flows(shape, int(n))
    if live:
        await _warm(engine)
    else:
        await engine.add(-1)
    bases = [0]
    for one in made:
        bases.append(bases[-1] + len(one))
    used = _used(pids)
    start, cpu = now(), time.process_time()
    calls = (engine.add_flow(one, base) for one, base in zip(made, bases, strict=False))
    if engine.asynchronous and len(made) > 1:
        await _lanes(calls)
    else:
        for call in calls:
            await call
    return {"seconds": now() - start, "cpu": time.process_time() - cpu, "begun": start, "used": used}


async def pickup(engine: Engine, n: str, seconds: str, pids: str = "") -> dict[str, list[float]]:
    """One job at a time, each after an idle gap."""
    path = await _warm(engine)
    used = _used(pids)
    sent: dict[int, float] = {}
    chance = random.Random(5)
    for i in range(int(n)):
        await asyncio.sleep(float(seconds) * chance.uniform(0.7, 1.3))
        sent[i] = now()
        await engine.add(i)
        while count(path) < i + 2:
            # Seldom: two cores are few, and who looks more often keeps those waiting that are measured.
            await asyncio.sleep(0.02)
            if now() - sent[i] > 20:
                raise TimeoutError(f"job {i} was not run within 20 s")
    return {"ms": [(start - sent[i]) * 1000 for i, start, _ in read(path) if i >= 0], "used": used}


def run(engine: Engine, work: Any) -> Any:
    """In uvloop where the environment has it."""
    if engine.asynchronous:
        try:
            import uvloop

            return uvloop.run(work)
        except ImportError:
            pass
    return asyncio.run(work)


def main(kind: type[Engine]) -> None:
    """Do what the command line says."""
    command, *args = sys.argv[1:]
    engine = kind()
    said: Any
    if command == "work":
        engine.work()
        return
    if command == "versions":
        said = {name: metadata.version(name) for name in kind.packages}
    else:

        async def act() -> Any:
            if command == "inmemory":
                return await engine.inmemory(*map(int, args))
            await engine.open()
            return await {"enqueue": enqueue, "fill": fill, "flow": flow, "pickup": pickup}[command](
                engine, *args
            )

        said = run(engine, act())
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    os._exit(0)  # clients that are not closed complain on their way out
