"""Threads for tasks that are plain functions: as many as there are calls, and none that the process has to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

_UNFIT = (StopIteration, GeneratorExit, KeyboardInterrupt)
"""What a coroutine cannot be handed: it would never hear of it, or end itself, or the program."""


def _told(error: BaseException) -> RuntimeError:
    told = RuntimeError(f"the task raised {type(error).__name__}")
    told.__cause__ = error
    return told.with_traceback(error.__traceback__)


class Threads:
    """Runs calls in threads that live on from call to call.

    Unlike those of a `ThreadPoolExecutor`, a call that never returns takes no thread from the others, and does not keep
    the process from ending: the threads are daemons.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._threads = self._idle = 0

    def submit(self, call: Callable[[], Any]) -> Future[Any]:
        """Run `call` at once; the future has what it returns or raises."""
        future: Future[Any] = Future()
        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                self._threads += 1
                threading.Thread(target=self._work, name=f"{self._name} {self._threads}", daemon=True).start()
        self._calls.put((future, call))
        return future

    def close(self) -> None:
        """Let the threads end as soon as they have nothing to do; waits for none."""
        for _ in range(self._threads):
            self._calls.put(None)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            future, call = item
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except _UNFIT as error:
                    future.set_exception(_told(error))
                except BaseException as error:
                    future.set_exception(error)
            del item, future, call
            with self._lock:
                self._idle += 1
