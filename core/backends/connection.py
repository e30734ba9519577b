"""One way to a Redis or Valkey server: scripts by digest, errors as ours, retries only where a repeat is harmless.

redis-py's own retries are off: it sends a script again after a lost answer without knowing whether it ran.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import os
import random
import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from importlib import resources
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

from hiredis import pack_command
from redis import Redis as SyncRedis
from redis import __version__ as redis_version
from redis import exceptions
from redis.asyncio import Redis, RedisCluster, Sentinel
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo
from redis.retry import Retry

from core.errors import BackendError, BackendFull, BackendUnavailable

T = TypeVar("T")
CALL_TIMEOUT: Final = 15.0
"""Seconds after which an answer is taken for lost."""
RETRY_FOR: Final = 5.0
"""Seconds during which a call that may be repeated is repeated."""
_TRANSIENT: Final = (
    "LOADING",
    "BUSY ",
    "TRYAGAIN",
    "CLUSTERDOWN",
    "MASTERDOWN",
    "READONLY",
    "MISCONF",
    "UNBLOCKED",
)


_DRIVER: Final = DriverInfo(lib_version=redis_version)
"""What a connection says of itself. Left to redis-py, each new one reads and parses the metadata of its package."""


@cache
def script(name: str) -> tuple[str, str]:
    """A script of `lua/` with the shared parts in front: its text and its digest."""
    folder = resources.files("core.backends") / "lua"
    own = (folder / f"{name}.lua").read_text()
    shared = ["lib.lua", "more.lua"] if "-- with more.lua" in own else ["lib.lua"]
    if "-- alone" in own:
        shared = []
    text = "".join((folder / each).read_text() for each in shared) + own + ("\nend)()\n" if shared else "")
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def _for_cluster(settings: dict[str, Any]) -> dict[str, Any]:
    """Without what the clients of a cluster do not know (in every version of redis-py)."""
    return {key: value for key, value in settings.items() if key not in ("retry_on_error", "driver_info")}


_NO_CLUSTER: Final = "Cluster mode is not enabled"
_NO_DB: Final = "DB index is out of range"
TROUBLES: Final = (exceptions.RedisError, exceptions.RedisClusterException, OSError, TimeoutError)
"""What a call may end with; the trouble of a cluster's client is no `RedisError`."""


def safe_url(url: str) -> str:
    """`url` without its password and its query, to be shown."""
    parts = urlsplit(url)
    if parts.password is None and not parts.query:
        return url
    # Not by `hostname` and `port`: with Sentinel there are several hosts.
    account, at, hosts = parts.netloc.rpartition("@")
    user = account.partition(":")[0]
    return f"{parts.scheme}://{user}{at if user else ''}{hosts}{parts.path}"


_LOST: Final = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.RedisClusterException,
    OSError,
    TimeoutError,
)


_NUMBER: Final = re.compile(r"\[Errno (\d+)\]")


def translated(error: Exception, url: str) -> BackendError:
    """`error` of redis-py in our words; it names the server and never a password."""
    # Sentinel's client would list its whole self.
    text = str(error).partition(" : <")[0]
    if isinstance(error, exceptions.OutOfMemoryError) or text.startswith("OOM"):
        return BackendFull(
            f"{url} has no memory left (maxmemory); nothing was written. Raise it or clean queues"
        )
    if isinstance(
        error, exceptions.AuthenticationError | exceptions.NoPermissionError | exceptions.AuthorizationError
    ):
        return BackendError(f"{url} refuses: {text}")
    if _NO_CLUSTER in text:
        return BackendError(f"{url} is no cluster; use redis:// for a single server")
    if _NO_DB in text:
        return BackendError(f"{url}: the server has no database of that number; use a lower one")
    if isinstance(error, _LOST):
        return BackendUnavailable(
            f"{url} cannot be reached: {_reason(error) or text or type(error).__name__}"
        )
    if transient(error):
        return BackendUnavailable(f"{url} cannot answer now: {text}")
    return BackendError(f"{url}: {text}")


def _reason(error: BaseException) -> str:
    """What the system said, without redis-py's "Error 111 connecting to ..." around it; empty where it said nothing."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TimeoutError | exceptions.TimeoutError):
            return "no answer in time"
        if isinstance(cause, ssl.SSLError):
            return ""  # its numbers are OpenSSL's, its words are in the text
        if isinstance(cause, socket.gaierror):
            later = cause.errno == socket.EAI_AGAIN
            return "its name cannot be looked up now" if later else "no such host"
        if isinstance(cause, OSError):
            # A host of several addresses has a number for each of them, and none of its own.
            numbers = [cause.errno] if cause.errno else [int(each) for each in _NUMBER.findall(str(cause))]
            if numbers:
                refused = errno.ECONNREFUSED in numbers
                return os.strerror(errno.ECONNREFUSED if refused else numbers[0]).lower()
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return ""


def transient(error: Exception) -> bool:
    """True for what passes by itself: a lost connection, a server that starts, fails over or is busy."""
    if isinstance(
        error, exceptions.AuthenticationError | exceptions.NoPermissionError | exceptions.AuthorizationError
    ):
        return False
    if isinstance(error, _LOST):
        return not any(words in str(error) for words in (_NO_CLUSTER, _NO_DB))
    # Which words a class of redis-py has eaten differs between versions: look at both.
    named = isinstance(
        error,
        exceptions.ReadOnlyError
        | exceptions.TryAgainError
        | exceptions.ClusterDownError
        | exceptions.MasterDownError,
    )
    return named or str(error).startswith(_TRANSIENT)


def _packed(connection: Any, args: tuple[Any, ...]) -> Any:
    try:
        return pack_command(args)
    except (TypeError, UnicodeError):
        return connection.pack_command(*args)


class _Home:
    """The clients of one event loop. `idle` are connections that we keep, `slots` how many may be in use."""

    __slots__ = ("blocking", "client", "idle", "loop", "slots")

    def __init__(self, loop: asyncio.AbstractEventLoop, client: Any) -> None:
        self.loop = loop
        self.client = client
        self.blocking: Any = None
        self.idle: list[Any] = []
        # So that a thousand callers at once do not open a thousand sockets.
        self.slots = asyncio.Semaphore(32)


class Connection:
    """The clients of one backend, for each event loop that uses it.

    `url` may be redis://, rediss://, unix://, redis+cluster://, rediss+cluster:// or
    redis+sentinel://host:port,host:port/SERVICE/DB. The clients connect when they are first used.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        self.shown = safe_url(url)
        self.cluster = urlsplit(url).scheme in ("redis+cluster", "rediss+cluster")
        self._options = options
        self._homes: dict[asyncio.AbstractEventLoop, _Home] = {}
        self._last: _Home | None = None
        self._lock = threading.Lock()

    def _settings(self) -> dict[str, Any]:
        return {
            "decode_responses": True,
            "encoding_errors": "replace",
            "protocol": 2,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_error": [],
            # With a timeout of its own, redis-py swallows a task's cancellation; ours is around each call.
            "socket_timeout": None,
            "socket_connect_timeout": 5.0,
            "socket_keepalive": True,
            "health_check_interval": 0,
            "driver_info": _DRIVER,
            **self._options,
        }

    def _make(self) -> Any:
        try:
            return self._clients()
        except (ValueError, TypeError) as error:
            raise BackendError(f"{self.shown} is no address of a server: {error}") from None

    def _clients(self) -> Any:
        parts = urlsplit(self.url)
        settings = self._settings()
        if self.cluster:
            settings = _for_cluster(settings)
            plain = urlunsplit(parts._replace(scheme=parts.scheme.partition("+")[0]))
            return RedisCluster.from_url(plain, **settings)
        if parts.scheme == "redis+sentinel":
            return self._master(Sentinel, settings)
        db = parts.path.strip("/")
        if parts.scheme == "unix":
            settings.pop("socket_keepalive")
        elif db and not db.isdecimal():
            raise ValueError(f"'{db}' is no number of a database")
        client = Redis.from_url(self.url, **settings)
        # An option that no connection knows is refused here, not in the midst of the first call.
        client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
        return client

    def _master(self, sentinel: Any, settings: dict[str, Any]) -> Any:
        """A client of the service's present master; `sentinel` is redis-py's class, synchronous or not."""
        parts = urlsplit(self.url)
        service, _, db = parts.path.strip("/").partition("/")
        places = [
            (host, int(port or 26379))
            for host, _, port in (
                place.partition(":") for place in parts.netloc.rpartition("@")[2].split(",")
            )
        ]
        found = sentinel(places, sentinel_kwargs={"socket_connect_timeout": 5.0}, **settings)
        return found.master_for(
            service or "mymaster", db=int(db or 0), username=parts.username, password=parts.password
        )

    def _here(self) -> _Home:
        """What belongs to the running loop: sockets do, and several threads may each have a loop."""
        loop = asyncio.get_running_loop()
        last = self._last
        if last is not None and last.loop is loop:
            return last
        with self._lock:
            home = self._homes.get(loop)
            if home is None:
                # What belonged to loops that are closed can be of no use any more, to nobody.
                self._homes = {each: home for each, home in self._homes.items() if not each.is_closed()}
                home = self._homes[loop] = _Home(loop, self._make())
            self._last = home
            return home

    @property
    def client(self) -> Any:
        """For calls that are answered at once."""
        return self._here().client

    @property
    def blocking(self) -> Any:
        """For calls that sleep on the server; a pool of their own, so that they never hold up the others."""
        home = self._here()
        if home.blocking is None:
            home.blocking = self._make()
        return home.blocking

    def sync_client(self) -> Any:
        """A synchronous client with one connection, for a thread."""
        settings = self._settings() | {"socket_timeout": 5.0}
        parts = urlsplit(self.url)
        if self.cluster:
            from redis.cluster import RedisCluster as SyncCluster

            settings = _for_cluster(settings)
            plain = urlunsplit(parts._replace(scheme=parts.scheme.partition("+")[0]))
            return SyncCluster.from_url(plain, **settings)
        if parts.scheme == "redis+sentinel":
            from redis.sentinel import Sentinel as SyncSentinel

            return self._master(SyncSentinel, settings)
        if parts.scheme == "unix":
            settings.pop("socket_keepalive")
        return SyncRedis.from_url(self.url, **settings)

    async def close(self) -> None:
        """Close every socket of this loop."""
        with self._lock:
            home, self._last = self._homes.pop(asyncio.get_running_loop(), None), None
        if home is not None:
            home.idle = []
            for client in (home.client, home.blocking):
                if client is not None:
                    await client.aclose()

    async def run(
        self, call: Callable[[], Awaitable[T]], *, repeat: bool = True, timeout: float = CALL_TIMEOUT
    ) -> T:
        """Await `call()`; with `repeat`, again after passing troubles for up to `RETRY_FOR` seconds.

        Raises BackendUnavailable, BackendFull, BackendError.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + RETRY_FOR
        pause = 0.02
        while True:
            try:
                async with asyncio.timeout(timeout):
                    return await call()
            except TROUBLES as error:
                ours = translated(error, self.shown)
                if _NO_DB in str(error):
                    # redis-py keeps the connection, and would use the server's first database through it.
                    await self.close()
                if not (repeat and transient(error)) or loop.time() + pause > deadline:
                    raise ours from None
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))
                pause = min(1.0, pause * 2)

    async def script(self, name: str, prefix: str, *args: Any, repeat: bool = True) -> Any:
        """Run a script of `lua/` on the queue whose keys start with `prefix`."""
        text, digest = script(name)
        client = self.client
        send = client.execute_command if self.cluster else self._send

        async def call() -> Any:
            try:
                return await send("EVALSHA", digest, 1, prefix, *args)
            except exceptions.NoScriptError:
                # The server forgot it (restart, failover, SCRIPT FLUSH); sending the text cannot miss again.
                return await send("EVAL", text, 1, prefix, *args)

        async with self._here().slots:
            return await self.run(call, repeat=repeat)

    async def _send(self, *args: Any) -> Any:
        """One command by a connection that we keep: a third of the time of a short call is redis-py's bookkeeping.

        Arguments are packed by hiredis, twenty times faster than by redis-py's asynchronous connections.
        """
        home = self._here()
        pool, idle = home.client.connection_pool, home.idle
        connection = idle.pop() if idle else await pool.get_connection()
        try:
            await pool.ensure_connection(connection)
            await connection.send_packed_command(_packed(connection, args))
            answer = await connection.read_response()
        except exceptions.ResponseError:
            idle.append(connection)
            raise
        except BaseException:
            # An answer may still be on its way: nobody must take it for the answer to another call.
            with contextlib.suppress(Exception):
                await connection.disconnect(nowait=True)
            await pool.release(connection)
            raise
        idle.append(connection)
        return answer

    async def pipeline(self, commands: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Several reads in one round trip."""

        async def call() -> list[Any]:
            pipe = self.client.pipeline(transaction=False)
            for command in commands:
                pipe.execute_command(*command)
            return list(await pipe.execute())

        commands = list(commands)
        async with self._here().slots:
            return await self.run(call)

    async def command(self, *args: Any, repeat: bool = True) -> Any:
        """One plain command."""
        client = self.client
        async with self._here().slots:
            return await self.run(lambda: client.execute_command(*args), repeat=repeat)

    async def client_info(self, section: str) -> dict[str, Any]:
        """One section of the server's INFO (of any node of a cluster)."""
        answer = await self.run(lambda: self.client.info(section))
        if self.cluster and answer and all(isinstance(value, dict) for value in answer.values()):
            answer = next(iter(answer.values()))
        return dict(answer)
