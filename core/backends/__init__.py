"""Stores of jobs, and `open_backend`, which picks one by its URL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from core.errors import BackendError

if TYPE_CHECKING:
    from core.backends.base import Backend

EMBEDDED = "embedded://"


def open_backend(url: str | None = None) -> Backend:
    """The backend that `url` names; it connects when it is first used.

    memory://             in this process; gone with it
    embedded://           a private server on a Unix socket in the user's data directory, shared by all processes
                          of the user; `embedded:///DIR` keeps it in another directory
    redis://HOST:PORT/DB  Redis or Valkey; rediss:// with TLS, unix:///PATH by socket,
                          redis+cluster:// for a cluster, redis+sentinel://HOST:PORT/SERVICE by sentinels

    Without `url`, `FLOWTUI_URL` is used, else the embedded one. Raises `BackendError` for a URL of another kind.
    """
    url = url or os.environ.get("FLOWTUI_URL") or EMBEDDED
    scheme = url.partition(":")[0].lower()
    if scheme == "memory":
        from core.backends.memory import InMemoryBackend

        return InMemoryBackend()
    if scheme == "embedded":
        from core.backends.embedded import embedded_backend

        return embedded_backend(url.partition("://")[2] or None)
    if scheme in ("redis", "rediss", "unix", "redis+cluster", "rediss+cluster", "redis+sentinel"):
        from core.backends.redis import RedisBackend

        return RedisBackend(url)
    raise BackendError(
        f"no backend for '{scheme}:' URLs; use redis://, rediss://, unix://, redis+cluster://, redis+sentinel://, "
        "embedded:// or memory://"
    )
