"""One chaos run: a server of its own, worker processes, a producer, faults from a seed, and the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TextIO

import redis

from core.backends.redis import RedisBackend
from core.doctor import examine
from core.errors import BackendError
from core.events import Event
from core.flow import FlowProducer
from core.jobs import JobRecord

from ..servers import Server, valkey_binary
from .flows import Flow, Maker
from .judge import Verdict, judge
from .proxy import Proxy

WORKERS = 4
LEASE = 1.5
ROOT = Path(__file__).parents[2]
FULL = {
    "kill worker": 50,
    "freeze worker": 10,
    "flush scripts": 20,
    "kill clients": 50,
    "kill server": 5,
    "drop": 200,
    "cut": 5,
}
"""Faults of a run of two minutes; a shorter one has its part of them."""


class Chaos:
    """One run of `seconds`: two thirds of them with faults, the rest to come to an end."""

    def __init__(self, seconds: float, seed: int, out: TextIO) -> None:
        self.seconds, self.seed, self._out = seconds, seed, out
        self._rng = random.Random(seed)
        self._maker = Maker(random.Random(seed + 1))
        self.faults: Counter[str] = Counter()
        self.flows: list[Flow] = []
        self.resubmitted = 0
        self._workers: list[subprocess.Popen[bytes]] = []
        self._frozen: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._serving = asyncio.Lock()

    async def run(self) -> Verdict:
        """Everything, from the start of the server to the verdict."""
        binary = valkey_binary()
        if binary is None:
            raise SystemExit("chaos needs a server: no valkey-server and no redis-server was found")
        self.server = Server(binary, appendonly="yes", appendfsync="always")
        self._ledger = self.server.directory / "ledger"
        self._ledger.touch()
        self.proxy = Proxy(self.server.directory / "p", self.server.socket)
        await asyncio.to_thread(self.server.start)
        await self.proxy.start()
        self._direct = RedisBackend(self.server.url)
        try:
            for place in range(WORKERS):
                self._workers.append(self._start_worker(place))
            await asyncio.gather(self._submit(), self._break())
            while self._tasks:
                await asyncio.gather(*self._tasks)
            for place, worker in enumerate(self._workers):
                if worker.poll() is not None:
                    self._workers[place] = self._start_worker(place)
            await self._settle()
            return await self._verdict()
        finally:
            for worker in self._workers:
                if worker.poll() is None:
                    worker.kill()
                _bury(worker)
            await self._direct.close()
            await self.proxy.stop()
            self.server.stop()

    def _start_worker(self, place: int) -> subprocess.Popen[bytes]:
        # Every second one talks through the proxy.
        url = self.proxy.url if place % 2 else self.server.url
        return subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.worker", url, "q", str(LEASE), str(self._ledger)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    # ------------------------------------------------------------------------------------------ submitting

    async def _submit(self) -> None:
        """Add flows while things break; after an error the same flow again, under the same id, until it is heard."""
        backend = RedisBackend(self.proxy.url)
        producer = FlowProducer(backend)
        deadline = time.monotonic() + self.seconds * 2 / 3
        rng = random.Random(self.seed + 2)
        while time.monotonic() < deadline or not self.flows:
            flow = self._maker.make()
            await self._add(producer, flow)
            self.flows.append(flow)
            if rng.random() < 0.2:
                self.resubmitted += 1
                await self._add(producer, rng.choice(self.flows[-5:]))
            await asyncio.sleep(rng.uniform(0, 0.2))
        await backend.close()

    async def _add(self, producer: FlowProducer, flow: Flow) -> None:
        while True:
            try:
                ids = await producer.add_flow("q", flow.jobs, flow_id=flow.id)
            except BackendError:
                await asyncio.sleep(0.05)
                continue
            assert ids == [job.id for job in flow.jobs]
            return

    # ------------------------------------------------------------------------------------------ breaking

    def planned(self) -> dict[str, int]:
        """How often each fault is meant to happen."""
        return {name: max(1, round(count * self.seconds / 120)) for name, count in FULL.items()}

    async def _break(self) -> None:
        """The faults, in a random order, evenly over their time."""
        plan = [name for name, count in self.planned().items() for _ in range(count)]
        self._rng.shuffle(plan)
        acts: dict[str, Callable[[], Awaitable[None]]] = {
            "kill worker": self._kill_worker,
            "freeze worker": self._freeze_worker,
            "flush scripts": self._flush_scripts,
            "kill clients": self._kill_clients,
            "kill server": self._kill_server,
            "drop": self._drop,
            "cut": self._cut,
        }
        await asyncio.sleep(0.5)
        begun, length = time.monotonic(), self.seconds * 2 / 3 - 0.5
        for place, name in enumerate(plan):
            await asyncio.sleep(max(0.0, begun + length * place / len(plan) - time.monotonic()))
            self.faults[name] += 1
            task = asyncio.ensure_future(self._quietly(acts[name]()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @staticmethod
    async def _quietly(act: Awaitable[None]) -> None:
        # A fault may meet a server that another fault has just taken away.
        with contextlib.suppress(redis.RedisError, OSError):
            await act

    def _victim(self) -> int:
        places = [i for i in range(WORKERS) if i not in self._frozen] or [0]
        return self._rng.choice(places)

    async def _kill_worker(self) -> None:
        place = self._victim()
        worker = self._workers[place]
        worker.kill()
        await asyncio.to_thread(_bury, worker)
        self._workers[place] = self._start_worker(place)

    async def _freeze_worker(self) -> None:
        place = self._victim()
        worker = self._workers[place]
        self._frozen.add(place)
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGSTOP)
            await asyncio.sleep(LEASE * 1.6)
            os.kill(worker.pid, signal.SIGCONT)
        self._frozen.discard(place)

    def _command(self, *args: str) -> None:
        with self.server.client() as client:
            client.execute_command(*args)

    async def _flush_scripts(self) -> None:
        await asyncio.to_thread(self._command, "SCRIPT", "FLUSH")

    async def _kill_clients(self) -> None:
        await asyncio.to_thread(self._command, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    async def _kill_server(self) -> None:
        async with self._serving:
            await asyncio.to_thread(self.server.kill)
            await asyncio.sleep(self._rng.uniform(0, 0.4))
            await asyncio.to_thread(self.server.start)

    async def _drop(self) -> None:
        self.proxy.to_drop += 1

    async def _cut(self) -> None:
        await self.proxy.cut(self._rng.uniform(0.05, 0.5))

    # ------------------------------------------------------------------------------------------ the end

    async def _settle(self) -> None:
        """Wait until every flow has ended, or nothing has moved for a long time."""
        self.proxy.to_drop = 0
        moved, position = time.monotonic(), -1
        while time.monotonic() - moved < 15:
            try:
                overview = await self._direct.overview(["q"])
            except BackendError:
                await asyncio.sleep(0.1)
                continue
            counts = overview.queues[0].counts
            if not any(counts[name] for name in ("blocked", "waiting", "delayed", "active")):
                return
            if overview.position["q"] != position:
                moved, position = time.monotonic(), overview.position["q"]
            await asyncio.sleep(0.05)

    async def _verdict(self) -> Verdict:
        for worker in self._workers:
            assert worker.stdout is not None
            # One that was just started may not listen to signals yet.
            await asyncio.to_thread(worker.stdout.readline)
            worker.send_signal(signal.SIGTERM)
        codes = [await asyncio.to_thread(worker.wait, 30) for worker in self._workers]
        records: dict[str, JobRecord] = {}
        for flow in self.flows:
            for record in (await self._direct.flow_snapshot(flow.id, queue="q")).jobs:
                records[record.id] = record
        # A flow's snapshot has no links inside the record: errors and states are what counts here.
        verdict = judge(self.flows, self._ledger, await self._events(), records)
        verdict.broken["lost jobs"] += [f"a worker ended with {code}" for code in codes if code != 0]
        report = await examine(self._direct, advice=False)
        verdict.broken["orphans and inconsistencies"] += map(str, report.findings)
        if report.unsure:
            verdict.broken["orphans and inconsistencies"].append(f"{report.unsure} jobs still moved")
        return verdict

    async def _events(self) -> list[Event]:
        last = (await self._direct.overview(["q"])).position["q"]
        events: list[Event] = []
        async for batch in self._direct.event_batches({"q": 0}, ["q"]):
            events += batch
            if (events and events[-1].seq >= last) or not batch:
                break
        return events


def _bury(worker: subprocess.Popen[bytes]) -> None:
    worker.wait()
    assert worker.stdout is not None
    worker.stdout.close()


async def run(seconds: float, seed: int, out: TextIO) -> bool:
    """Run, print what happened and the verdict; True when every promise was kept."""
    out.write(f"chaos: {seconds:g} s, --seed {seed}\n")
    out.flush()
    chaos = Chaos(seconds, seed, out)
    verdict = await chaos.run()
    done = Counter({**chaos.faults, "drop": chaos.proxy.dropped})
    out.write("faults: " + ", ".join(f"{count} x {name}" for name, count in sorted(done.items())) + "\n")
    out.write(f"submitted: {len(chaos.flows)} flows, {chaos.resubmitted} of them twice\n")
    out.write("\n".join(verdict.lines()) + "\n")
    # A full run that broke less than it was meant to proves less than it says; a short one may be on a busy machine.
    short = [
        f"{name} {done[name]} of {count}" for name, count in chaos.planned().items() if done[name] < count
    ]
    if short and seconds >= 120:
        out.write(f"TOO FEW FAULTS: {', '.join(short)}; again with --seed {seed}\n")
    out.write("every promise was kept\n" if verdict.good else f"BROKEN; again with --seed {seed}\n")
    return verdict.good and not (short and seconds >= 120)
