"""The heart of a worker: a thread that renews leases, so that a task which blocks the event loop keeps its job."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from core.attempt import Attempt
from core.backends.base import Working
from core.errors import BackendError

log = logging.getLogger("flowtui.worker")

MOST: Final = 2.0
"""Seconds between two beats at most; a third of the lease where that is less."""


class Heart:
    """Beats from `start` to `stop`, for the attempts in `running`.

    told       called in the loop, with a job's id, the token of the lease and what the store said: cancel or lost
    max_block  seconds that the loop may be blocked until nothing is renewed any more
    """

    def __init__(
        self,
        backend: Working,
        worker: str,
        queues: Sequence[str],
        running: Mapping[str, Attempt],
        told: Callable[[str, str, str], None],
        *,
        lease: float,
        max_block: float,
    ) -> None:
        self._backend, self._worker, self._queues, self._running = backend, worker, queues, running
        self._told, self._lease, self._max_block = told, lease, max_block
        self._beat = min(lease / 3, MOST)
        self._loop = asyncio.get_running_loop()
        self._pulse = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"{worker} leases", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    async def stop(self) -> None:
        """End; waits for a call that is on its way, but not for ever."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join, 6.0)

    def _work(self) -> None:
        renewer = self._backend.renewer()
        last_idle = time.monotonic()
        warned = False
        while not self._stop.wait(self._beat):
            now = time.monotonic()
            blocked = now - self._pulse
            with contextlib.suppress(RuntimeError):  # the loop is closed: the program ends
                self._loop.call_soon_threadsafe(self._beaten, now)
            if blocked > self._beat + 1.0 and not warned:
                warned = True
                log.warning(
                    "a task has blocked the event loop for %.1f s; use a plain def, which runs in a thread",
                    blocked,
                )
            elif blocked < self._beat + 1.0:
                warned = False
            if blocked > self._max_block:
                continue
            leases: dict[str, dict[str, str]] = {queue: {} for queue in self._queues}
            for run in list(self._running.values()):
                if now - run.since > self._beat / 2:
                    leases[run.claim.queue][run.claim.id] = run.claim.token
            idle = not any(leases.values())
            if idle and now - last_idle < self._lease / 3:
                continue
            last_idle = now
            for queue, held in leases.items():
                if held or idle:
                    self._renew(renewer, queue, held)
        renewer.close()

    def _renew(self, renewer: Any, queue: str, held: dict[str, str]) -> None:
        try:
            stop, lost = renewer.renew(queue, self._worker, held, self._lease)
        except Exception as error:
            complain(error, "leases could not be renewed: %s")
            return
        for job_ids, why in ((stop, "cancel"), (lost, "lost")):
            for job_id in job_ids:
                with contextlib.suppress(RuntimeError):
                    self._loop.call_soon_threadsafe(self._told, job_id, held[job_id], why)

    def _beaten(self, at: float) -> None:
        self._pulse = at


def complain(error: Exception, sentence: str, *words: str) -> None:
    """Log what the store did not do; with a traceback where not even its own words were found for it."""
    log.warning(sentence, *words, error, exc_info=None if isinstance(error, BackendError) else error)
