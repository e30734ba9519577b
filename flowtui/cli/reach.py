"""Whether anything listens where a URL says: a command must say no at once, not after the engine's own patience."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Coroutine
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from flowtui.cli.common import fail

SILENCE: Final = 0.8
"""Seconds after which a server that neither answers nor refuses is left to the engine, which waits longer."""
WAY_OUT: Final = "start that server, or name another one by --url or FLOWTUI_URL (embedded:// is your own)"
_PORTS: Final = {"redis+sentinel": 26379}


def places(url: str) -> list[tuple[str, int] | str]:
    """Where the servers of `url` listen: (host, port), or the path of a socket. Empty for engines of one's own."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "unix":
            return [unquote(parts.path)]
        if parts.scheme.partition("+")[0] not in ("redis", "rediss"):
            return []
        found: list[tuple[str, int] | str] = []
        for place in parts.netloc.rpartition("@")[2].split(","):
            at = urlsplit(f"//{place}")
            found.append((at.hostname or "localhost", at.port or _PORTS.get(parts.scheme, 6379)))
    except ValueError:
        return []  # the engine says what is wrong with it
    return found


async def must_answer(url: str | None) -> None:
    """Raise `Failure`, in less than a second, where nothing listens at `url` (FLOWTUI_URL, if None)."""
    url = url or os.environ.get("FLOWTUI_URL") or ""
    reason = await refusal(url)
    if reason is not None:
        from flowtui.redact import redact_text

        raise fail(f"{redact_text(url)} cannot be reached: {reason}; {WAY_OUT}")


async def refusal(url: str) -> str | None:
    """Why none of the servers of `url` can be reached; None where one listens, or it is not known within `SILENCE`."""
    reasons = await asyncio.gather(*map(_knock, places(url)))
    return reasons[0] if reasons and all(reasons) else None


async def _knock(place: tuple[str, int] | str) -> str | None:
    opening: Coroutine[Any, Any, tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    if isinstance(place, str):
        opening = asyncio.open_unix_connection(place)
    else:
        opening = asyncio.open_connection(*place)
    try:
        async with asyncio.timeout(SILENCE):
            _, writer = await opening
    except TimeoutError:
        return None
    except socket.gaierror:
        return f"no such host: {place[0]}"
    except OSError as error:
        if error.errno is None:  # several addresses, each with a reason of its own
            refused = f"Errno {errno.ECONNREFUSED}]" in str(error)
            return "connection refused" if refused else str(error)
        return os.strerror(error.errno).lower()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return None
