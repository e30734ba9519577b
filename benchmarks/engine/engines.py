"""Who takes part, with which versions and settings."""

from __future__ import annotations

from dataclasses import dataclass, field

CLIENT = ("redis==8.1.0", "hiredis==3.5.0")
LOOP = "uvloop==0.23.0"


@dataclass(frozen=True)
class Engine:
    """An engine: its script in benchmarks/peers, its environment, and what it can do."""

    name: str
    script: str
    packages: tuple[str, ...] = ()
    modes: tuple[str, ...] = ("one", "lanes", "bulk")
    shapes: tuple[str, ...] = ()
    """Flows that it can express; an engine without one is left out of that row."""
    adds: tuple[str, ...] = ()
    """Shapes of 10,000 jobs that it can add."""
    drain: int = 5_000
    """Jobs to drain: enough to be steady, not so many that a slow engine costs minutes."""
    prefilled: bool = False
    """Its flows are added before its worker starts."""
    settles: bool = True
    """It acknowledges a job when it has run, and keeps its result."""
    note: str = ""
    environment: dict[str, str] = field(default_factory=dict)


SHAPES = ("chain", "chain-1000", "fan", "diamonds")
OURS = Engine(
    "flowtui",
    "ours.py",
    shapes=SHAPES,
    adds=("fan_in", "chain", "layered"),
    drain=50_000,
    note="200 in flight, uvloop; leases, results and events on",
)
CEILING = Engine(
    "ceiling",
    "ceiling.py",
    shapes=SHAPES,
    adds=("fan_in", "chain", "layered"),
    drain=50_000,
    note="no engine: one script call per batch and none of the promises; 200 in flight, uvloop",
)
PEERS = (
    Engine(
        "asyncmq",
        "asyncmq_peer.py",
        ("asyncmq==0.10.1", *CLIENT, LOOP),
        shapes=("chain", "fan", "diamonds"),
        adds=("fan_in", "layered"),
        prefilled=True,
        note="run_worker as its command line does, 32 in flight, uvloop; flows are added before its worker starts, "
        "because it loses jobs of a flow that is added beside a running one",
    ),
    Engine(
        "bullmq",
        "bullmq_peer.py",
        ("bullmq==3.4.4", *CLIENT, LOOP),
        shapes=("chain", "chain-1000"),
        adds=("fan_in",),
        note="8 in flight (faster here than 32 or 100), uvloop; trees only",
    ),
    Engine(
        "streaq",
        "streaq_peer.py",
        ("streaq==7.2.0", "coredis==6.9.0", "hiredis==3.5.0", LOOP),
        shapes=SHAPES,
        adds=("fan_in", "chain", "layered"),
        note="100 in flight, uvloop, coredis optimized; a flow is one call per job",
    ),
    Engine(
        "saq",
        "saq_peer.py",
        # saq 0.26.4 imports typing_extensions without declaring it.
        ("saq[redis,hiredis]==0.26.4", "redis==7.4.1", "hiredis==3.5.0", LOOP, "typing_extensions"),
        modes=("one", "lanes"),
        note="100 in flight, uvloop; no flows",
    ),
    Engine(
        "huey",
        "huey_peer.py",
        ("huey==3.5.4", *CLIENT),
        modes=("one",),
        shapes=("chain", "chain-1000"),
        adds=("fan_in",),
        drain=10_000,
        settles=False,
        note="4 threads; no acknowledgement, results of None are not stored (its defaults)",
    ),
    Engine(
        "dramatiq",
        "dramatiq_peer.py",
        ("dramatiq[redis]==2.2.1", *CLIENT),
        modes=("one",),
        shapes=("chain", "chain-1000"),
        adds=("fan_in",),
        drain=10_000,
        settles=False,
        note="1 process of 16 threads; no results (its default)",
    ),
)
EVERYONE = {engine.name: engine for engine in (OURS, CEILING, *PEERS)}
