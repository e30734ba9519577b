"""What is measured on a server: each function is one turn of one engine on a stand of its own, and returns figures."""

from __future__ import annotations

import asyncio
import contextlib
import math
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.engine import ledger, machine
from benchmarks.engine.engines import Engine
from benchmarks.engine.figures import US, Figure, Goal
from benchmarks.engine.stand import Failed, Stand, Worker
from benchmarks.peers import spent
from benchmarks.peers.shapes import Flow, flows, upstreams
from core.backends.redis import RedisBackend
from core.backends.server import find_server

Turn = Callable[[Stand, bool], dict[str, float]]
"""(stand, quick) -> figures; what is wrong goes to `stand.faults`. Raises Failed."""


@dataclass(frozen=True)
class Row:
    """A workload: who takes part, how a turn goes, and what is promised."""

    name: str
    title: str
    turn: Turn
    figures: tuple[Figure, ...]
    goals: tuple[Goal, ...] = ()
    takes_part: Callable[[Engine], bool] = lambda engine: True
    rounds: int | None = None
    """Where other than the run's: 1 for what takes minutes or says the same each time."""
    paired: bool = True
    """Each peer beside a turn of ours; else everyone in turn."""


def drain(stand: Stand, quick: bool) -> dict[str, float]:
    """Jobs that wait already, one worker: from the first start to the last end."""
    jobs = 500 if quick else stand.engine.drain
    stand.run("fill", jobs, 0)
    server = stand.server_cpu()
    with stand.worker() as worker:
        stand.until(jobs, worker)
        pids = worker.pids()
        cpu, resident = machine.cpu_seconds(pids), machine.resident_mb(pids)
        server = stand.server_cpu() - server
        stand.verify([[]] * jobs)
    figures = {"per_s": _rate(stand.records()), "server_us": server / jobs * 1e6, "rss": resident}
    if cpu is not None:
        figures["cpu_us"] = cpu / jobs * 1e6
    return figures


def _rate(records: list[ledger.Record]) -> float:
    if len(records) < 2:
        raise Failed("ran nothing")
    return (len(records) - 1) / (max(end for _, _, end in records) - min(start for _, start, _ in records))


def enqueue(stand: Stand, quick: bool) -> dict[str, float]:
    """Single jobs by each way of adding, nobody takes them."""
    jobs = 300 if quick else 10_000
    said = stand.run("enqueue", jobs, ",".join(stand.engine.modes))
    figures = {mode: jobs / said[mode] for mode in stand.engine.modes}
    figures |= {f"{mode}_cpu": said[f"{mode} cpu"] / jobs * 1e6 for mode in stand.engine.modes}
    if not stand.engine.packages:
        scripts = stand.script_seconds()
        stand.run("enqueue", jobs, "bulk")
        figures["bulk_script"] = (stand.script_seconds() - scripts) / jobs * 1e6
    return figures


def add(stand: Stand, quick: bool) -> dict[str, float]:
    """Seconds until a flow is in, checks of its shape included; of ours and the ceiling where they went."""
    found = {}
    for shape in stand.engine.adds:
        stand.client.flushall()
        scripts = stand.script_seconds()
        try:
            said = stand.run("flow", shape, 300 if quick else 10_000)
        except Failed as error:
            stand.faults.append(f"{shape}: {error}")
            continue
        found[shape] = said["seconds"]
        if not stand.engine.packages:
            found[f"{shape}_script"] = stand.script_seconds() - scripts
            found[f"{shape}_cpu"] = said["cpu"]
    return found


def add_large(stand: Stand, quick: bool) -> dict[str, float]:
    """A flow of 100,000, while another process pings the server."""
    pinging, scripts = stand.ping(0.002), stand.script_seconds()
    try:
        said = stand.run("flow", "layered", 3_000 if quick else 100_000)
    finally:
        pings = stand.pinged(pinging)
    scripts = stand.script_seconds() - scripts
    return {"seconds": said["seconds"], "ping": max(pings), "script": scripts, "cpu": said["cpu"]}


def running(shape: str, size: int) -> Turn:
    """A flow beside a worker that waits: `hop` for a chain, `seconds` from the call to the last end for the others."""

    def turn(stand: Stand, quick: bool) -> dict[str, float]:
        several = flows(shape, max(size // 10, 5) if quick else size)
        whole = upstreams(several)
        n = len(several) if shape == "diamonds" else len(whole) - (2 if shape == "fan" else 0)
        begun, parts = _run_flow(stand, shape, n, whole)
        records = sorted(stand.records(), key=lambda record: record[1])
        if len(records) < len(whole):
            raise Failed(stand.faults[0] if stand.faults else "did not finish")
        if shape == "chain":
            return {"hop": (records[-1][1] - records[0][1]) / (len(whole) - 1) * 1000, **parts}
        return {"seconds": max(end for _, _, end in records) - (begun or records[0][1]), **parts}

    return turn


def _run_flow(stand: Stand, shape: str, n: int, whole: Flow) -> tuple[float | None, dict[str, float]]:
    """When the adding began (None where the worker started only after it); of ours and the ceiling where it went."""
    begun, said, parts = None, {}, dict[str, float]()
    if stand.engine.prefilled:
        stand.run("flow", shape, n)
    with stand.worker() as worker:
        watched = Watched(stand, worker)
        if not stand.engine.prefilled:
            said = stand.run("flow", shape, n, "live", *watched.args)
            begun = float(said["begun"])
        stand.until(len(whole) + 1, worker)
        if not stand.engine.packages:
            parts = {"script": stand.script_seconds(), "producer": said["cpu"], **watched.since(said["used"])}
        stand.verify(whole, warm_ups=1)
    return begun, {key: seconds / len(whole) * 1000 for key, seconds in parts.items()}


class Watched:
    """What CPU the server and one worker use, of ours and the ceiling, whose worker is one process."""

    def __init__(self, stand: Stand, worker: Worker) -> None:
        able = not stand.engine.packages and spent.KNOWN
        self.pids = [stand.server_pid(), *worker.pids()] if able else []
        self.args = [",".join(map(str, self.pids))] if able else []
        """For the script, which says what had been used when it began."""

    def since(self, used: Sequence[float]) -> dict[str, float]:
        """CPU seconds of both since then, where the system tells."""
        if not used:
            return {}
        server, worker = (end - start for start, end in zip(used, spent.cpu_seconds(self.pids), strict=True))
        return {"server": server, "worker": worker}


def pickup(stand: Stand, quick: bool) -> dict[str, float]:
    """From the call until the job runs; one job each 50 ms or so, the worker has nothing else.

    Beside ours, the same for a bare wake-up: what the machine and the server take of it.
    """
    jobs = 10 if quick else 100
    with stand.worker() as worker:
        watched = Watched(stand, worker)
        said = stand.run("pickup", jobs, 0.05, *watched.args)
        found = _quantiles(said["ms"])
        found |= {key: used / jobs * 1000 for key, used in watched.since(said["used"]).items()}
    if stand.engine.name == US:
        bare = _quantiles(stand.wake_ups(jobs, 0.05))
        found |= {f"bare_{key}": value for key, value in bare.items()}
    return found


def _quantiles(times: Sequence[float]) -> dict[str, float]:
    """The median, and p99 by nearest rank: of a hundred, the second longest."""
    return {"p50": statistics.median(times), "p99": sorted(times)[math.ceil(len(times) * 0.99) - 1]}


def idle(stand: Stand, quick: bool) -> dict[str, float]:
    """The same after a long idle time, on several queues at once; and what a worker asks of the server meanwhile."""
    seconds = 2.0 if quick else (60.0 if stand.engine.name == US else 15.0)
    names = [f"idle{number}" for number in range(3 if quick else 6)]
    with contextlib.ExitStack() as life:
        for name in names:
            life.enter_context(stand.worker(name))
        producers = []
        for name in names:
            producers.append(stand.begin("pickup", 1, seconds, queue=name))
            time.sleep(0.5)  # so that they do not all come at once
        time.sleep(seconds * 0.2)
        commands, begun = stand.commands(), time.monotonic()
        time.sleep(seconds * 0.6)
        asked = (stand.commands() - commands - 1) / (time.monotonic() - begun) / len(names)
        times = [ms for producer in producers for ms in stand.said(producer)["ms"]]
    return {"p50": statistics.median(times), "worst": max(times), "commands": asked}


def memory(stand: Stand, quick: bool) -> dict[str, float]:
    """Bytes that a waiting job takes, its small args included; ours also above its payload, and on Valkey."""
    jobs = 1_000 if quick else 10_000
    found = {"bytes": _bytes_per_job(stand, jobs)}
    if stand.engine.name == US:
        payload = asyncio.run(_payload_size(stand.url))
        found["above"] = found["bytes"] - payload
        valkey = find_server()
        if valkey is not None and valkey != stand.binary:
            with Stand(stand.engine, valkey) as other:
                found["above_valkey"] = _bytes_per_job(other, jobs) - payload
    return found


def _bytes_per_job(stand: Stand, jobs: int) -> float:
    stand.run("fill", 1, 0)  # the base has scripts and clients in it already
    stand.client.flushall()
    base = stand.memory()
    stand.run("fill", jobs, 0)
    return (stand.memory() - base) / jobs


async def _payload_size(url: str) -> int:
    backend = RedisBackend(url)
    await backend.open()
    [claim] = await backend.claim(["bench"], "bench", 1, 60.0)
    await backend.close()
    return len(claim.payload.encode())


def workers(stand: Stand, quick: bool) -> dict[str, float]:
    """The same queue drained by one, two and four worker processes; all are up before the first job starts.

    Scripts run one at a time on a server, so one core of it is the limit: `core` is how much of that it used, `waited`
    how much of the time it was ready and another process had the core.
    """
    jobs, found = (1_000 if quick else 2 * stand.engine.drain), {}  # no more: a store keeps 100,000
    for count in (1, 2, 4):
        stand.client.flushall()
        shutil.rmtree(stand.stamps(), ignore_errors=True)
        asyncio.run(_paused(stand.url, True))
        stand.run("fill", jobs, 0)
        with contextlib.ExitStack() as life:
            started = [life.enter_context(stand.worker()) for _ in range(count)]
            asyncio.run(_workers_up(stand.url, count))
            calls, cpu, waited = stand.scripts(), stand.server_cpu(), stand.server_waited()
            asyncio.run(_paused(stand.url, False))
            stand.until(jobs, *started)
            calls, cpu, until = stand.scripts() - calls, stand.server_cpu() - cpu, stand.server_waited()
            stand.verify([[]] * jobs)
        rate = _rate(stand.records())
        found |= {
            f"per_s_{count}": rate,
            f"batch_{count}": jobs / calls,
            f"server_us_{count}": cpu / jobs * 1e6,
            f"core_{count}": cpu / jobs * rate,
        }
        if waited is not None and until is not None:
            found[f"waited_{count}"] = (until - waited) / jobs * rate
    found["two"] = found["per_s_2"] / found["per_s_1"]
    found["four"] = found["per_s_4"] / found["per_s_2"]
    return found


async def _paused(url: str, paused: bool) -> None:
    backend = RedisBackend(url)
    await backend.open()
    await (backend.pause("bench") if paused else backend.resume("bench"))
    await backend.close()


async def _workers_up(url: str, count: int) -> None:
    backend = RedisBackend(url)
    await backend.open()
    end = time.monotonic() + 30
    while len((await backend.overview(["bench"])).workers) < count:
        if time.monotonic() > end:
            raise Failed(f"{count} workers did not come up within 30 s")
        await asyncio.sleep(0.05)
    await backend.close()
