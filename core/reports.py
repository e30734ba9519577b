"""What running jobs say, progress and log lines: gathered from any thread, and sent a few times a second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from core.attempt import Attempt
from core.backends.base import LOG_LINES_KEPT, Working
from core.tasks import _current

REPORT_EVERY: Final = 0.15
"""Seconds between two rounds."""


class Reports:
    """Takes what attempts say; `lost` is called with one that said something under a lease that it no longer has."""

    def __init__(self, backend: Working, lost: Callable[[Attempt], None]) -> None:
        self._backend, self._lost = backend, lost
        self._loop = asyncio.get_running_loop()
        # Garbage may be collected while it is held, and what goes may log in its turn: from the same thread.
        self._saying = threading.RLock()
        self._sending = asyncio.Lock()
        self._waiting: dict[tuple[str, str], Attempt] = {}
        self._news = asyncio.Event()

    def progress(self, run: Attempt, fraction: float, note: str) -> None:
        """The latest of a moment is sent."""
        run.progress = (fraction, note)
        self._tell(run)

    def log(self, run: Attempt, level: str, text: str) -> None:
        """Take lines; in bursts, the newest are kept."""
        at = time.time()
        said = [(at, level, line) for line in text.splitlines() or [""]]
        with self._saying:
            lines = run.lines
            if lines is None:
                lines = run.lines = []
            lines += said
            if len(lines) > 2 * LOG_LINES_KEPT:
                del lines[:-LOG_LINES_KEPT]
        self._tell(run)

    def _tell(self, run: Attempt) -> None:
        with self._saying:
            self._waiting[run.claim.token, run.claim.id] = run
        if not self._news.is_set():
            self._loop.call_soon_threadsafe(self._news.set)

    async def send(self) -> None:
        """One round as soon as there is something to send, and the pause after it. Raises what the store raises."""
        await self._news.wait()
        self._news.clear()
        try:
            await self.flush()
        finally:
            await asyncio.sleep(REPORT_EVERY)

    async def flush(self) -> None:
        """Send what has been said so far. What one call could not send is lost, the rest stays for the next."""
        async with self._sending:
            with self._saying:
                todo, self._waiting = self._waiting, {}
            try:
                while todo:
                    await self._report(todo.pop(next(iter(todo))))
            finally:
                with self._saying:
                    self._waiting = {**todo, **self._waiting}

    async def _report(self, run: Attempt) -> None:
        with self._saying:
            lines, run.lines = run.lines or [], None
            progress, run.progress = run.progress, None
        claim = run.claim
        if not await self._backend.report(claim.queue, claim.id, claim.token, progress=progress, log=lines):
            self._lost(run)


class _JobLogHandler(logging.Handler):
    """Sends what a task logs with `logging` to its job's log: one for all workers of the process, or each would send
    every line."""

    def __init__(self) -> None:
        super().__init__()
        self._workers = 0

    def createLock(self) -> None:
        """None: what logs may do so while Python tidies up, in the midst of anything, and must not wait for itself."""
        self.lock: Any = None

    def listen(self) -> None:
        """For one more worker."""
        self._workers += 1
        logging.getLogger().addHandler(self)  # once, however often it is added

    def leave(self) -> None:
        """A worker has stopped."""
        self._workers -= 1
        if not self._workers:
            logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        context = _current.get(None)
        if context is not None and not record.name.startswith("flowtui."):
            with contextlib.suppress(Exception):
                context.log(record.getMessage(), record.levelname)


job_logs = _JobLogHandler()
