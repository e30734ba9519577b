"""What is measured of ours alone: the store in memory, cost as the store grows, and the start of the programs."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from benchmarks.engine import machine
from benchmarks.engine.stand import Failed, Stand
from core import Job, RedisBackend
from core.backends.base import Outcome

SIZES = (1_000, 10_000, 100_000, 1_000_000)
_RUN_MAIN = """
from flowtui.__main__ import main
try:
    main()
except SystemExit:
    pass"""
OPERATIONS = ("claim", "settle", "count", "page")
T = TypeVar("T")
FORBIDDEN = ("networkx", "redis", "textual")
"""What neither `import core` nor `flowtui --help` may load."""


def in_memory(stand: Stand, quick: bool) -> dict[str, float]:
    """Drain and hop of the store in this process; ours also for its cost per job as the queue grows."""
    ours = not stand.engine.packages
    size, chain = ((50_000, 1_000) if ours else (5_000, 200)) if not quick else (1_000, 50)
    said = stand.run("inmemory", size, chain)
    found = {"per_s": said["drain"], "hop": said["hop"]}
    if ours:
        sizes = SIZES[:2] if quick else SIZES
        for n in sizes:
            # CPU, not wall time: one process does it all, and flat should be flat on a busy machine too.
            used = [stand.run("inmemory", n, 0)["drain cpu"] for _ in range(3 if n <= 10_000 else 1)]
            found[f"us_{n}"] = statistics.median(used)
        found["flat"] = found[f"us_{sizes[-1]}"] / found[f"us_{sizes[0]}"]
    return found


def growth(stand: Stand, quick: bool) -> dict[str, float]:
    """Cost of the usual calls with more and more jobs stored in one queue."""
    return asyncio.run(_growth(stand.url, SIZES[:2] if quick else SIZES))


async def _growth(url: str, sizes: tuple[int, ...]) -> dict[str, float]:
    backend = RedisBackend(url)
    await backend.open()
    found: dict[str, float] = {}
    stored = 0
    for size in sizes:
        while stored < size:
            batch = min(2_000, size - stored)
            await backend.enqueue_many("bench", [Job("noop", [stored + i]) for i in range(batch)])
            stored += batch
        for operation, ms in (await _costs(backend, size)).items():
            found[f"{operation}_{size}"] = ms
    for operation in OPERATIONS:
        found[f"{operation}_flat"] = found[f"{operation}_{sizes[-1]}"] / found[f"{operation}_{sizes[0]}"]
    await backend.close()
    return found


async def _costs(backend: RedisBackend, size: int) -> dict[str, float]:
    """Milliseconds, the median of many calls: 20 jobs claimed, 20 settled, a count, a page from the middle."""
    times: dict[str, list[float]] = {operation: [] for operation in OPERATIONS}

    async def timed(operation: str, call: Awaitable[T]) -> T:
        begun = time.perf_counter()
        value = await call
        times[operation].append((time.perf_counter() - begun) * 1000)
        return value

    for _ in range(40):
        claims = await timed("claim", backend.claim(["bench"], "bench", 20, 60.0))
        if len(claims) < 20:
            raise Failed(f"claimed {len(claims)} of 20")
        outcomes = [Outcome(claim.id, claim.token, "completed", "1") for claim in claims]
        if await timed("settle", backend.settle("bench", outcomes)):
            raise Failed("a settled job was refused")
        await timed("count", backend.counts("bench"))
        page = await timed("page", backend.list_jobs("ready", "bench", offset=size // 10, limit=100))
        if len(page) != 100:
            raise Failed(f"a page of {len(page)}")
    return {operation: statistics.median(values) for operation, values in times.items()}


def start(stand: Stand, quick: bool) -> dict[str, float]:
    """Seconds of wall time until the programs are there; and what they load."""
    times = 2 if quick else 7
    flowtui = [sys.executable, "-m", "flowtui"]
    script = Path(sys.executable).parent / "flowtui"
    if script.exists():
        flowtui = [str(script)]
    for what, code in (
        ("import core", "import sys, core"),
        ("flowtui --help", f"import sys; sys.argv[1:] = ['--help']; {_RUN_MAIN}"),
    ):
        loaded = _output([sys.executable, "-c", f"{code}\nprint(*sys.modules)"]).split()
        stand.faults += [f"{what} loads {name}" for name in FORBIDDEN if name in loaded]
    return {
        "python": _typical(lambda: _output([sys.executable, "-c", "pass"]), times),
        "core": _typical(lambda: _output([sys.executable, "-c", "import core"]), times),
        "help": _typical(lambda: _output([*flowtui, "--help"]), times),
        "paint": _typical(lambda: _first_paint([*flowtui, "--url", stand.url]), times),
    }


def _typical(call: Callable[[], object], times: int) -> float:
    """Median seconds; the files are in the page cache after a first call that does not count."""
    call()
    taken = []
    for _ in range(times):
        begun = time.perf_counter()
        call()
        taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=machine.ROOT)
    if done.returncode:
        raise Failed(machine.last_line(done.stderr))
    return done.stdout


def _first_paint(command: list[str]) -> None:
    """Run it in a pseudo-terminal until its first screen is written."""
    with tempfile.TemporaryDirectory(prefix="flowtui-bench-") as home:
        pid, wire = pty.fork()
        if pid == 0:
            os.environ.update(
                TERM="xterm-256color", COLUMNS="120", LINES="36", FLOWTUI_HOME=home, XDG_STATE_HOME=home
            )
            os.execv(command[0], command)
        seen, end = b"", time.monotonic() + 30
        try:
            # Its three modes stand on the first screen; between the words are colours.
            while not re.search(rb"Compose.*Live.*Queues", seen, re.DOTALL):
                if time.monotonic() > end:
                    raise Failed(f"the app painted nothing within 30 s: {seen[-200:]!r}")
                if select.select([wire], [], [], 1.0)[0]:
                    seen += os.read(wire, 65_536)
        except OSError as error:
            raise Failed(f"the app ended: {seen[-200:]!r}") from error
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(wire)
