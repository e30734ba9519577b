"""Flows of 100,000 jobs: added, run, cancelled, failed at the root: `python -m tests.large [--jobs N] [--store KIND]`.

Every end is checked: states, one run a job, upstream before downstream, the number of events. All the while, a process
of its own pings the server every two milliseconds. The worst answer of each phase is printed, and the longest command,
which tells a slow server from a busy machine. The exit status is 1 where something is wrong or an answer took more than
`--worst` milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from core import FlowProducer, Job, RedisBackend, Worker
from core.tasks import Registry

from ..servers import Server, redis_binary, valkey_binary

PROBE = """
import socket, sys, time
line = socket.socket(socket.AF_UNIX); line.connect(sys.argv[1])
worst = 0.0
import select
while True:
    begun = time.perf_counter()
    line.sendall(b"PING\\r\\n")
    line.recv(64)
    worst = max(worst, time.perf_counter() - begun)
    ready, _, _ = select.select([sys.stdin], [], [], 0.002)
    if ready:
        if not sys.stdin.readline():
            break
        print(worst, flush=True)
        worst = 0.0
"""


def chain(count: int, task: str) -> list[Job]:
    """One after the other."""
    jobs = [Job(task)]
    for _ in range(count - 1):
        jobs.append(Job("ok", depends_on=[jobs[-1].id]))
    return jobs


def star(count: int, task: str) -> list[Job]:
    """One, then all but two of them, then one."""
    root = Job(task)
    points = [Job("ok", depends_on=[root.id]) for _ in range(count - 2)]
    return [root, *points, Job("ok", depends_on=[job.id for job in points])]


def layered(count: int, task: str) -> list[Job]:
    """A root, then layers of 100 jobs that wait for two of the layer above."""
    root = Job(task)
    jobs, above = [root], [root.id]
    while len(jobs) < count:
        wide = min(100, count - len(jobs))
        layer = [
            Job("ok", depends_on=[above[place % len(above)], above[(place + 1) % len(above)]])
            for place in range(wide)
        ]
        jobs += layer
        above = [job.id for job in layer]
    return jobs


SHAPES: dict[str, Callable[[int, str], list[Job]]] = {"chain": chain, "star": star, "layered": layered}


class Run:
    """One server, one probe, and what was found wrong."""

    def __init__(self, where: Server, jobs: int, worst: float) -> None:
        self.where, self.jobs, self.limit = where, jobs, worst
        self.wrong: list[str] = []
        self.started: list[str] = []

    @contextmanager
    def probed(self) -> Iterator[None]:
        """With the probe running."""
        self.probe = subprocess.Popen(
            [sys.executable, "-c", PROBE, str(self.where.socket)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield
        finally:
            assert self.probe.stdin is not None
            self.probe.stdin.close()
            self.probe.wait(10)

    async def worst(self) -> float:
        """The longest answer since the last question, in milliseconds."""
        assert self.probe.stdin is not None
        assert self.probe.stdout is not None
        self.probe.stdin.write("\n")
        self.probe.stdin.flush()
        return 1000 * float(await asyncio.to_thread(self.probe.stdout.readline))

    def tasks(self) -> Registry:
        """`ok` succeeds, `bad` fails; both leave their ids."""
        from core.tasks import JobContext

        made = Registry()

        async def ok() -> None:
            self.started.append(JobContext.current().job_id)

        async def bad() -> None:
            self.started.append(JobContext.current().job_id)
            raise ValueError("as it should")

        made.add("ok", ok)
        made.add("bad", bad, max_retries=0)
        return made

    def expect(self, what: str, found: object, wanted: object) -> None:
        """Note a difference."""
        if found != wanted:
            self.wrong.append(f"{what}: {found}, not {wanted}")

    async def phase(self, name: str, work: Awaitable[Any]) -> None:
        """Time it and print one line."""
        self.longest()
        await self.worst()
        begun = time.perf_counter()
        await work
        seconds, worst = time.perf_counter() - begun, await self.worst()
        if worst > self.limit:
            self.wrong.append(f"{name}: the worst PING took {worst:.1f} ms, more than {self.limit:g}")
        sys.stdout.write(
            f"{name:<24}{seconds:>7.2f} s{self.jobs / seconds:>9,.0f} jobs/s   worst PING {worst:>5.1f} ms"
            f"   longest command {self.longest():>5.1f} ms\n"
        )
        sys.stdout.flush()

    async def drain(self, backend: RedisBackend) -> None:
        await Worker(backend, "q", concurrency=200, registry=self.tasks()).run_until_idle()

    async def flow(self, shape: str) -> None:
        """One shape, in every way."""
        make = SHAPES[shape]
        for how in ("run", "cancel", "fail"):
            self.where.flush()
            backend = RedisBackend(self.where.url)
            await backend.open()
            jobs = make(self.jobs, "bad" if how == "fail" else "ok")
            self.started.clear()
            before = self.memory()
            producer = FlowProducer(backend)
            adding = producer.add_flow("q", jobs, flow_id="big")
            if how == "run":
                await self.phase(f"{shape}: add", adding)
                payload = 34  # {"task_id":"ok","name":"ok"} and its like
                each = (self.memory() - before) / len(jobs)
                sys.stdout.write(
                    f"{'':<24}{each:>7.0f} bytes a job, its payload of about {payload} included\n"
                )
                await self.phase(f"{shape}: run", self.drain(backend))
                await self.check(backend, {"completed": len(jobs)})
                place = {job_id: n for n, job_id in enumerate(self.started)}
                self.expect(f"{shape}: runs", (len(self.started), len(place)), (len(jobs), len(jobs)))
                early = sum(
                    place[up] > place[job.id] for job in jobs for up in job.depends_on if job.id in place
                )
                self.expect(f"{shape}: started before an upstream", early, 0)
            elif how == "cancel":
                await adding
                await self.phase(f"{shape}: cancel", self.until_over(backend, backend.cancel_flow("big")))
                await self.check(backend, {"cancelled": len(jobs)})
            else:
                await adding
                await self.phase(f"{shape}: fail at the root", self.until_over(backend, self.drain(backend)))
                await self.check(backend, {"failed": 1, "skipped": len(jobs) - 1})
                self.expect(f"{shape}: runs after a failed root", len(self.started), 1)
            await backend.close()

    async def until_over(self, backend: RedisBackend, work: Awaitable[Any]) -> None:
        """Also what goes on in bounded steps: any process takes them further."""
        await work
        while True:
            counts = await backend.counts("q")
            if not any(counts[state] for state in ("blocked", "waiting", "delayed", "active")):
                return
            await backend.turn("q", "w", (), 0, 30.0)

    async def check(self, backend: RedisBackend, wanted: dict[str, int]) -> None:
        counts = await backend.counts("q")
        self.expect("counts", {state: count for state, count in counts.items() if count}, wanted)
        flow = await backend.get_flow("big")
        self.expect("counts of the flow", {str(s): c for s, c in flow.counts.items() if c}, wanted)
        # Blocked, waiting, active, completed; blocked, cancelled; blocked, skipped: the root alone is never blocked.
        moves = {"completed": 4 * self.jobs - 1, "cancelled": 2 * self.jobs, "failed": 2 * self.jobs + 1}
        position = (await backend.overview(["q"])).position["q"]
        self.expect("events", position, moves[next(iter(wanted))])

    def longest(self) -> float:
        """Milliseconds of the longest command since the last question."""
        with self.where.client() as client:
            slow = client.slowlog_get(1000)
            client.slowlog_reset()
            client.config_set("slowlog-log-slower-than", 500)
        return max((entry["duration"] for entry in slow), default=0) / 1000

    def memory(self) -> int:
        with self.where.client() as client:
            return int(client.info("memory")["used_memory"])


async def run(store: str, jobs: int, worst: float, shapes: list[str]) -> list[str]:
    """All shapes on one server; what was wrong."""
    binary = redis_binary() if store == "redis" else valkey_binary()
    if binary is None:
        return [f"there is no server for {store} here"]
    where = Server(binary).start()
    made = Run(where, jobs, worst)
    sys.stdout.write(f"{store}: flows of {jobs:,} jobs\n")
    try:
        with made.probed():
            for shape in shapes:
                await made.flow(shape)
    finally:
        where.stop()
    return made.wrong


def main() -> int:
    """As the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.large", description=__doc__)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--store", choices=["valkey", "redis"], action="append")
    parser.add_argument("--shape", choices=list(SHAPES), action="append")
    parser.add_argument("--worst", type=float, default=25.0, help="most milliseconds that a PING may take")
    given = parser.parse_args()
    stores = given.store or ["valkey", *(["redis"] if redis_binary() else [])]
    wrong: list[str] = []
    with suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    for store in stores:
        wrong += [
            f"{store}: {each}"
            for each in asyncio.run(run(store, given.jobs, given.worst, given.shape or list(SHAPES)))
        ]
    sys.stdout.write("\n".join(wrong) + "\n" if wrong else "everything is as it should be\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
