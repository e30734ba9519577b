"""A worker inside the app: on an engine of one's own a submitted flow runs at once, without a second terminal."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.backends.base import Backend

CONCURRENCY = 8
GRACE = 1.0
"""Seconds that running jobs get when the app is closed; what is not done by then goes to another worker."""


class LocalWorker:
    """Runs the jobs of the queues it is told of, as long as the app is open. Shell steps are allowed: it is the
    user's own machine and the user's own flow.
    """

    def __init__(self, backend: Backend, queues: tuple[str, ...] = ()) -> None:
        self.backend = backend
        self._wanted: dict[str, None] = dict.fromkeys(queues)
        self._running: dict[str, Any] = {}
        self._lock = asyncio.Lock()

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that it serves."""
        return tuple(self._running)

    async def serve(self, *queues: str) -> None:
        """Serve further queues. Raises what starting a worker raises."""
        from core.worker import Worker

        heed_info()
        async with self._lock:
            for queue in queues:
                if queue not in self._running:
                    worker = Worker(
                        self.backend, queues=[queue], concurrency=CONCURRENCY, allow_shell=True, grace=GRACE
                    )
                    await worker.__aenter__()
                    self._running[queue] = worker

    async def stop(self) -> None:
        """Hand back what runs, so that another worker takes it at once."""
        async with self._lock:
            workers, self._running = list(self._running.values()), {}
            for worker in workers:
                await worker.__aexit__(None, None, None)


def heed_info() -> None:
    """Let what tasks log at INFO reach the logs of their jobs; what is shown elsewhere stays as it was."""
    root = logging.getLogger()
    for handler in root.handlers:
        handler.setLevel(max(handler.level, root.level))
    if root.level > logging.INFO:
        root.setLevel(logging.INFO)


def available() -> bool:
    """Whether this installation has a worker."""
    from importlib.util import find_spec

    return find_spec("core.worker") is not None
