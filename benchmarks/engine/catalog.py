"""The rows of the table, with what is promised of each.

A goal in seconds or jobs/s was set on one machine; its yardstick is a peer with what that peer reached there, in three
rounds with the same kind of turns.
"""

from __future__ import annotations

from benchmarks.engine import alone, rows
from benchmarks.engine.engines import PEERS, Engine
from benchmarks.engine.figures import Figure, Goal
from benchmarks.engine.rows import Row

SETTLING = tuple(peer.name for peer in PEERS if peer.settles)
"""They acknowledge a job and keep its result, as ours does."""


def _ours(engine: Engine) -> bool:
    return not engine.packages and engine.name != "ceiling"


def _shape(
    name: str, title: str, shape: str, size: int, figure: Figure, limit: float, yardstick: tuple[str, float]
) -> Row:
    return Row(
        name,
        title,
        rows.running(shape, size),
        (figure, SCRIPT, SERVER, WORKER, PRODUCER),
        (Goal(figure.key, limit, yardstick=yardstick),),
        takes_part=lambda engine: name in engine.shapes,
    )


HOP = Figure("hop", "mean hop, ms", digits=3)
SCRIPT = Figure("script", "time in scripts of the server, ms a job", digits=3)
SERVER = Figure("server", "server CPU, ms a job", digits=3)
WORKER = Figure("worker", "worker CPU, ms a job", digits=3)
PRODUCER = Figure("producer", "producer CPU, ms a job", digits=3)
SECONDS = Figure("seconds", "from the call to the last end, s", digits=3)
GROWN = ("1,000", "10,000", "100,000", "1,000,000")

ROWS = (
    Row(
        "drain",
        "Drain waiting jobs (50,000; huey and dramatiq 10,000; the other peers 5,000)",
        rows.drain,
        (
            Figure("per_s", "jobs/s", more=True, digits=0),
            Figure("cpu_us", "worker CPU, µs a job", digits=0),
            Figure("server_us", "server CPU, µs a job", digits=0),
            Figure("rss", "worker memory afterwards, MiB", digits=0),
        ),
        (
            Goal("per_s", 6, SETTLING, ">= 6x the best peer that acknowledges and keeps results"),
            Goal("per_s", 4, ("huey", "dramatiq")),
            Goal("per_s", 15, ("asyncmq",)),
            Goal("per_s", 0.5, ("ceiling",), ">= 0.5x the ceiling"),
            Goal("rss", 60),
        ),
    ),
    Row(
        "enqueue",
        "Enqueue 10,000 single jobs",
        rows.enqueue,
        (
            Figure("one", "one by one, jobs/s", more=True, digits=0),
            Figure("lanes", "32 in flight, jobs/s", more=True, digits=0),
            Figure("bulk", "bulk call, jobs/s", more=True, digits=0),
            Figure("one_cpu", "one by one, producer CPU, µs a job", digits=1),
            Figure("lanes_cpu", "32 in flight, producer CPU, µs a job", digits=1),
            Figure("bulk_cpu", "bulk call, producer CPU, µs a job", digits=1),
            Figure("bulk_script", "bulk call, time in scripts of the server, µs a job", digits=1),
        ),
        (
            Goal("one", 1, SETTLING, ">= every peer that acknowledges and has coroutines"),
            Goal("lanes", 15_000, yardstick=("saq", 12_563)),
            Goal("bulk", 100_000, yardstick=("bullmq", 23_872)),
        ),
    ),
    Row(
        "add",
        "Add a flow of 10,000",
        rows.add,
        (
            Figure("fan_in", "9,999 -> 1, s", digits=3),
            Figure("chain", "chain, s", digits=3),
            Figure("layered", "layered, two upstreams each, s", digits=3),
            Figure("fan_in_script", "of it in scripts: 9,999 -> 1", digits=3),
            Figure("chain_script", "of it in scripts: chain", digits=3),
            Figure("layered_script", "of it in scripts: layered", digits=3),
            Figure("fan_in_cpu", "producer CPU: 9,999 -> 1", digits=3),
            Figure("chain_cpu", "producer CPU: chain", digits=3),
            Figure("layered_cpu", "producer CPU: layered", digits=3),
        ),
        (
            Goal("fan_in", 0.2, yardstick=("bullmq", 0.62)),
            Goal("chain", 0.2, yardstick=("streaq", 2.90)),
            Goal("layered", 0.2, yardstick=("streaq", 3.00)),
        ),
        takes_part=lambda engine: bool(engine.adds),
    ),
    Row(
        "add-large",
        "Add a layered flow of 100,000 while another process pings",
        rows.add_large,
        (
            Figure("seconds", "s"),
            Figure("ping", "worst PING, ms", digits=1),
            Figure("script", "of it in scripts, s"),
            Figure("cpu", "producer CPU, s"),
        ),
        (Goal("seconds", 3), Goal("ping", 25)),
        takes_part=lambda engine: not engine.packages,
    ),
    _shape("chain", "Chain of 200 beside a worker that waits", "chain", 200, HOP, 0.25, ("huey", 0.887)),
    _shape(
        "chain-1000", "Chain of 1,000 beside a worker that waits", "chain", 1_000, HOP, 0.25, ("streaq", 1.58)
    ),
    _shape("fan", "1 -> 500 -> 1", "fan", 500, SECONDS, 0.05, ("streaq", 0.432)),
    _shape("diamonds", "200 diamonds", "diamonds", 200, SECONDS, 0.06, ("streaq", 0.796)),
    Row(
        "pickup",
        "Pick-up of a job by an idle worker (100 jobs, 50 ms apart)",
        rows.pickup,
        (
            Figure("p50", "p50, ms"),
            Figure("p99", "p99, ms"),
            Figure("bare_p50", "a bare RPUSH to a BLPOP, p50, ms"),
            Figure("bare_p99", "a bare RPUSH to a BLPOP, p99, ms"),
            Figure("server", "server CPU, ms a job and its 50 ms of waiting", digits=3),
            Figure("worker", "worker CPU, ms a job and its 50 ms of waiting", digits=3),
        ),
        (
            Goal("p50", 1.5, yardstick=("huey", 0.985)),
            Goal("p99", 3, yardstick=("huey", 1.36)),
        ),
    ),
    Row(
        "idle",
        "Pick-up after an idle time (flowtui 60 s, the others 15 s; 6 workers on 6 queues)",
        rows.idle,
        (
            Figure("p50", "p50, ms"),
            Figure("worst", "worst, ms"),
            Figure("commands", "commands/s of an idle worker"),
        ),
        (Goal("p50", 1.5), Goal("worst", 3), Goal("commands", 2)),
        takes_part=lambda engine: engine.name != "ceiling",  # it has one queue
        rounds=1,
        paired=False,
    ),
    Row(
        "inmemory",
        "The store in the process (flowtui 50,000 jobs, chain of 1,000; asyncmq 5,000 and 200)",
        alone.in_memory,
        (
            Figure("per_s", "drain, jobs/s", more=True, digits=0),
            Figure("hop", "hop, ms", digits=3),
            *(
                Figure(f"us_{n}", f"CPU, µs a job, {words} jobs", digits=1)
                for n, words in zip(alone.SIZES, GROWN, strict=True)
            ),
            Figure("flat", "cost a job, the largest queue / the smallest"),
        ),
        (
            Goal("per_s", 100_000, yardstick=("asyncmq", 12_600)),
            Goal("hop", 0.05, yardstick=("asyncmq", 52)),
            Goal("flat", 1.5, text="flat: <= 1.5 for a thousand times the jobs"),
        ),
        takes_part=lambda engine: engine.name in ("flowtui", "asyncmq"),
    ),
    Row(
        "memory",
        "Memory of the server",
        rows.memory,
        (
            Figure("bytes", "bytes per waiting job, its small args included", digits=0),
            Figure("above", "above its payload", digits=0),
            Figure("above_valkey", "above its payload, on Valkey", digits=0),
        ),
        (Goal("above", 400), Goal("above_valkey", 400)),
        rounds=1,
    ),
    Row(
        "workers",
        "One, two and four worker processes (the server runs scripts on one core)",
        rows.workers,
        (
            *(Figure(f"per_s_{n}", f"jobs/s with {n}", more=True, digits=0) for n in (1, 2, 4)),
            Figure("two", "two workers / one", more=True),
            Figure("four", "four workers / two", more=True),
            *(Figure(f"core_{n}", f"share of one core that the server used with {n}") for n in (1, 2, 4)),
            *(
                Figure(f"waited_{n}", f"share of the time that it waited for a core with {n}")
                for n in (1, 2, 4)
            ),
            *(Figure(f"server_us_{n}", f"server CPU with {n}, µs a job", digits=1) for n in (1, 2, 4)),
            *(Figure(f"batch_{n}", f"jobs per script call with {n}", more=True, digits=0) for n in (1, 2, 4)),
        ),
        (Goal("two", 0.95), Goal("four", 0.95)),
        takes_part=_ours,
    ),
    Row(
        "growth",
        "Cost of a call as the store grows (batches of 20, pages of 100)",
        alone.growth,
        (
            *(
                Figure(f"{operation}_{n}", f"{operation}, {words} jobs stored, ms", digits=2)
                for operation in alone.OPERATIONS
                for n, words in zip(alone.SIZES, GROWN, strict=True)
            ),
            *(
                Figure(f"{operation}_flat", f"{operation}: largest / smallest")
                for operation in alone.OPERATIONS
            ),
        ),
        tuple(
            Goal(f"{operation}_flat", 2, text="flat: <= 2 for a thousand times the jobs")
            for operation in alone.OPERATIONS
        ),
        takes_part=_ours,
        rounds=1,
    ),
    Row(
        "start",
        "Start (seconds of wall time, warm file cache)",
        alone.start,
        (
            Figure("python", "python -c pass", digits=3),
            Figure("core", "python -c 'import core'", digits=3),
            Figure("help", "flowtui --help", digits=3),
            Figure("paint", "first paint of the app", digits=3),
        ),
        (Goal("core", 0.15), Goal("help", 0.15), Goal("paint", 0.7)),
        takes_part=_ours,
        rounds=1,
    ),
)
BY_NAME = {row.name: row for row in ROWS}
