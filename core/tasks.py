"""The registry of callables that workers may run, and what a running task can ask for."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, overload

from core.errors import DuplicateTask, FlowError, NotFound, UnknownTask
from core.jobs import Job

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Task:
    """A callable under a name. `defaults` are fields of `Job` for jobs made with `flowtui` (timeout, max_retries, ...).

    An `async def` runs in the worker's event loop, a plain `def` in one of its threads.
    """

    name: str
    call: Callable[..., Any]
    is_async: bool
    defaults: Mapping[str, Any]
    doc: str = ""


def _origin(call: Callable[..., Any]) -> object:
    """Where a function was written; what is no plain function is only the same as itself."""
    code = getattr(call, "__code__", None)
    return call if code is None else (call.__qualname__, code.co_filename)


class Registry(Mapping[str, Task]):
    """Tasks by name. Only what is in here ever runs: a job names a task, never code to import."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}

    def add(self, name: str, call: Callable[..., Any], **defaults: Any) -> Task:
        """Register `call`; raises `DuplicateTask` when the name belongs to another callable.

        `defaults` must be fields of a job, with values that a job may have (else `InvalidJob`).
        """
        known = self._tasks.get(name)
        # The same function under the same name happens when a module is imported twice, as __main__ and by name.
        if known is not None and known.call is not call and _origin(known.call) != _origin(call):
            raise DuplicateTask(f"task '{name}' is registered twice; give one of the two another name")
        Job.from_dict({**defaults, "task_id": name})
        is_async = inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__)
        doc = (inspect.getdoc(call) or "").partition("\n")[0]
        task = self._tasks[name] = Task(name, call, is_async, defaults, doc)
        return task

    def __getitem__(self, name: str) -> Task:
        try:
            return self._tasks[name]
        except KeyError:
            raise UnknownTask(
                f"no task '{name}' is registered; known are {', '.join(sorted(self._tasks)) or 'none'}"
            ) from None

    def __contains__(self, name: object) -> bool:
        return name in self._tasks

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)


registry = Registry()
"""The process's tasks: `@task` adds to it, workers run what is in it."""


@overload
def task(name: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def task(name: str | None = None, /, **defaults: Any) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def task(name: Any = None, /, **defaults: Any) -> Any:
    """Register the decorated function as a task; the function stays callable as it is.

    `@task("app.step_a", timeout=60, max_retries=5)`, or plain `@task`: the name is then `module.function`.
    """
    if callable(name):
        registry.add(f"{name.__module__}.{name.__qualname__}", name)
        return name

    def register(function: Callable[P, R]) -> Callable[P, R]:
        registry.add(name or f"{function.__module__}.{function.__qualname__}", function, **defaults)
        return function

    return register


class JobContext:
    """What a running task may ask for. Get it with `JobContext.current()`, also in a thread.

    job_id, name, flow_id, queue, attempt (1 for the first start)
    idempotency_key   "flow:job", the same for every attempt: for effects that must not happen twice
    """

    __slots__ = (
        "_upstreams",
        "attempt",
        "cancelled",
        "fields",
        "flow_id",
        "job_id",
        "link",
        "queue",
    )

    def __init__(
        self,
        link: WorkerLink,
        job_id: str,
        queue: str,
        flow_id: str | None,
        attempt: int,
        fields: Mapping[str, Any],
    ) -> None:
        self.link = link
        self.job_id = job_id
        self.queue = queue
        self.flow_id = flow_id
        self.attempt = attempt
        self.fields = fields
        self.cancelled = False
        """True once this job was asked to stop. An `async def` task is cancelled besides; a thread must look here."""
        self._upstreams: dict[str, tuple[str, Any]] | None = None

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.fields["name"])

    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of this job."""
        return f"{self.flow_id or self.queue}:{self.job_id}"

    @staticmethod
    def current() -> JobContext:
        """The context of the task that calls. Raises `FlowError` outside of a task."""
        context = _current.get(None)
        if context is None:
            raise FlowError("JobContext.current() works only inside a task that a worker runs")
        return context

    def progress(self, fraction: float, note: str = "") -> None:
        """Say how far the task is: 0 to 1, and a word. Cheap: the last one of each moment is sent."""
        self.link.progress(self, min(1.0, max(0.0, float(fraction))), str(note))

    def log(self, message: object, level: str = "INFO") -> None:
        """Write lines to the job's log. `logging` and `print` of shell steps arrive there by themselves."""
        self.link.log(self, level, str(message))

    async def results(self) -> dict[str, Any]:
        """The results of its completed upstreams, by name and by id. Of two with one name, the later given wins."""
        found = await self.link.upstreams(self)
        named = {name: value for name, value in found.values()}
        return {**named, **{job_id: value for job_id, (_, value) in found.items()}}

    async def result(self, upstream: str) -> Any:
        """The result of one upstream, by id or name. Raises `NotFound` when no such upstream completed."""
        results = await self.results()
        if upstream not in results:
            known = ", ".join(results) or "none"
            raise NotFound(f"job '{self.name}' has no completed upstream '{upstream}'; known are {known}")
        return results[upstream]

    def results_sync(self) -> dict[str, Any]:
        """As `results`, for a plain `def` task, which runs in a thread."""
        return self._from_thread(self.results())

    def result_sync(self, upstream: str) -> Any:
        """As `result`, for a plain `def` task, which runs in a thread."""
        return self._from_thread(self.result(upstream))

    def _from_thread(self, coroutine: Coroutine[Any, Any, R]) -> R:
        if threading.get_ident() == self.link.thread:
            coroutine.close()
            raise FlowError(
                "this would wait for itself: in an async def task, await context.results() or result()"
            )
        return asyncio.run_coroutine_threadsafe(coroutine, self.link.loop).result()


_current: ContextVar[JobContext | None] = ContextVar("flowtui job", default=None)


class WorkerLink:
    """What a context asks of its worker; the worker implements it."""

    loop: asyncio.AbstractEventLoop
    thread: int
    """Where the loop runs, as `threading.get_ident` has it."""

    def progress(self, context: JobContext, fraction: float, note: str) -> None:
        """Take note of a job's progress."""
        raise NotImplementedError

    def log(self, context: JobContext, level: str, text: str) -> None:
        """Take lines for a job's log."""
        raise NotImplementedError

    async def upstreams(self, context: JobContext) -> dict[str, tuple[str, Any]]:
        """Completed upstreams of a job: id -> (name, result)."""
        raise NotImplementedError
