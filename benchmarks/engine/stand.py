"""One engine's turn on a fresh server: its script, its workers, its ledger, and what the store says afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import redis

from benchmarks.engine import ledger, machine
from benchmarks.engine.engines import Engine
from benchmarks.engine.stores import kept
from benchmarks.peers import stamp

SCRIPTS = Path(__file__).resolve().parent.parent / "peers"
STALLED = 15.0
"""Seconds without a job that ended, after which the rest counts as lost."""
SLOWEST = 150.0
"""Seconds that one call of a script may take."""


class Failed(Exception):
    """An engine could not do what was asked; the text is the last that it said."""


class Worker:
    """A running worker process of the engine."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log = process, log

    def pids(self) -> list[int]:
        """It and what it started."""
        return machine.process_tree(self._process.pid)

    def check(self) -> None:
        """Raises Failed when it has ended."""
        if self._process.poll() is not None:
            said = machine.last_line(self._log.read_text(errors="replace"))
            raise Failed(f"its worker ended with code {self._process.returncode}: {said}")

    def stop(self) -> None:
        """Politely, then for good."""
        started = self.pids()
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(4)
        for pid in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


class Stand:
    """A fresh server and an empty ledger for one turn of one engine. Use as a context manager."""

    def __init__(self, engine: Engine, binary: Path) -> None:
        self.engine, self.binary = engine, binary
        self.faults: list[str] = []
        self._life = contextlib.ExitStack()

    def __enter__(self) -> Stand:
        self.place = Path(
            self._life.enter_context(
                tempfile.TemporaryDirectory(prefix="flowtui-bench-", ignore_cleanup_errors=True)
            )
        )
        self.url = self._life.enter_context(machine.server(self.binary))
        self.client: redis.Redis = self._life.enter_context(redis.Redis.from_url(self.url))
        return self

    def __exit__(self, *exc: object) -> None:
        self._life.close()

    def stamps(self, queue: str = "bench") -> Path:
        """The ledger of a queue."""
        return self.place / f"{queue}.stamps"

    def _command(self, args: Sequence[object], queue: str) -> dict[str, Any]:
        python = machine.python_for(self.engine.name, self.engine.packages)
        environment = {
            **os.environ,
            **self.engine.environment,
            "BENCH_URL": self.url,
            "BENCH_QUEUE": queue,
            "BENCH_STAMPS": str(self.stamps(queue)),
            # Our own engine is imported from here, whatever is installed; a peer finds only its script's neighbours.
            "PYTHONPATH": os.pathsep.join(
                map(str, [SCRIPTS, *([] if self.engine.packages else [machine.ROOT])])
            ),
        }
        return {
            "args": [str(python), str(SCRIPTS / self.engine.script), *map(str, args)],
            "env": environment,
            "cwd": self.place,
        }

    def begin(self, *args: object, queue: str = "bench") -> subprocess.Popen[str]:
        """Start the engine's script; `said` waits for it."""
        command = self._command(args, queue)
        return subprocess.Popen(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **command)

    def said(self, process: subprocess.Popen[str], seconds: float = SLOWEST) -> Any:
        """What a script printed. Raises Failed when it failed or took longer than `seconds`."""
        try:
            out, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise Failed(f"took more than {seconds:.0f} s") from None
        if process.returncode:
            raise Failed(machine.last_line(errors) or f"code {process.returncode}")
        return json.loads(machine.last_line(out))

    def run(self, *args: object, seconds: float = SLOWEST) -> Any:
        """What the engine's script says. Raises Failed."""
        return self.said(self.begin(*args), seconds)

    @contextlib.contextmanager
    def worker(self, queue: str = "bench", **environment: str) -> Iterator[Worker]:
        """One worker process of the engine."""
        log = self.place / f"worker-{time.monotonic_ns()}.log"
        command = self._command(["work"], queue)
        command["env"].update(environment)
        with log.open("wb") as file:
            worker = Worker(subprocess.Popen(stdout=file, stderr=file, **command), log)
        try:
            yield worker
        finally:
            worker.stop()

    def until(self, records: int, *workers: Worker) -> None:
        """Wait until the ledger has so many records, or nothing has happened for a while. Raises Failed."""
        path = str(self.stamps())
        last, since, looked = -1, time.monotonic(), 0.0
        while last < records:
            count, at = stamp.count(path), time.monotonic()
            if count != last:
                last, since = count, at
            if at - since > STALLED:
                return
            if at - looked > 0.5:
                looked = at
                for worker in workers:
                    worker.check()
            time.sleep(0.005)

    def records(self) -> list[ledger.Record]:
        """The ledger without the warm-up."""
        return [record for record in stamp.read(str(self.stamps())) if record[0] >= 0]

    def verify(self, upstreams: Sequence[Sequence[int]], warm_ups: int = 0) -> None:
        """Note in `faults` what is wrong: by the ledger, and by what the store says (it gets 5 s to catch up)."""
        time.sleep(0.2)  # the last acknowledgements are under way, and to look at 50,000 jobs takes a while
        end = time.monotonic() + 5
        while differs := kept(self.engine.name, self.client, self.url, len(upstreams), warm_ups):
            if time.monotonic() > end:
                break
            time.sleep(0.1)
        # The ledger last: a second run of a job may come late.
        faults = ledger.check(stamp.read(str(self.stamps())), upstreams)
        self.faults += [wrong for wrong in (str(faults), differs) if wrong]

    def ping(self, gap: float) -> subprocess.Popen[str]:
        """Begin to PING the server from another process; end it with `pinged`."""
        place = urlparse(self.url)
        command = [sys.executable, str(SCRIPTS / "ping.py"), str(place.hostname), str(place.port), str(gap)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def pinged(self, process: subprocess.Popen[str]) -> list[float]:
        """Milliseconds of each PING, in order of time."""
        process.send_signal(signal.SIGTERM)
        return list(json.loads(process.communicate(timeout=20)[0]))

    def wake_ups(self, n: int, gap: float) -> list[float]:
        """Milliseconds from each of `n` RPUSHes, about `gap` seconds apart, until a process asleep in BLPOP goes on."""
        command = [sys.executable, str(SCRIPTS / "bare.py"), self.url, str(n)]
        sleeper = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        chance, sent = random.Random(5), []
        for _ in range(n + 1):
            while not self.client.info("clients")["blocked_clients"]:
                if sleeper.poll() is not None:
                    raise Failed(machine.last_line(sleeper.communicate()[1]))
                time.sleep(0.005)
            time.sleep(gap * chance.uniform(0.7, 1.3))
            sent.append(stamp.now())
            self.client.rpush("bare", 1)
        woken = self.said(sleeper, 30)
        return [(end - start) * 1000 for start, end in zip(sent[1:], woken, strict=True)]

    def memory(self) -> int:
        """Bytes that the server's data takes."""
        return int(self.client.info("memory")["used_memory"])

    def server_cpu(self) -> float:
        """CPU seconds that the server has used."""
        used = self.client.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def server_pid(self) -> int:
        """The process of the server."""
        return int(self.client.info("server")["process_id"])

    def server_waited(self) -> float | None:
        """Seconds that the server was ready to run and had no core; None where the system does not tell."""
        try:
            return int(Path(f"/proc/{self.server_pid()}/schedstat").read_text().split()[1]) / 1e9
        except (OSError, IndexError, ValueError):
            return None

    def scripts(self) -> int:
        """Scripts that the server has run so far."""
        return int(self.client.info("commandstats").get("cmdstat_evalsha", {}).get("calls", 0))

    def script_seconds(self) -> float:
        """Seconds that the server has spent in scripts."""
        return float(self.client.info("commandstats").get("cmdstat_evalsha", {}).get("usec", 0)) / 1e6

    def commands(self) -> int:
        """Commands that the server has run so far."""
        return int(self.client.info("stats")["total_commands_processed"])
