"""`FlowProducer`: check a flow's shape, then hand it to the backend as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from core.backends.base import Submitting
from core.errors import (
    CycleError,
    DuplicateJob,
    FlowError,
    InvalidFlow,
    InvalidJob,
    PartialFlowError,
    UnknownUpstream,
)
from core.graph import Link, Links, find_cycle, repeated, upstream_first
from core.jobs import Job, check_name
from core.payload import Payloads, as_job, encode_job

AddDependencies = Callable[[Any, str, Job], Awaitable[None]]


class Sequential(Protocol):
    """The least a foreign store must do to take flows: no atomic add, one job at a time."""

    async def enqueue(self, queue: str, job: dict[str, Any], /) -> object:
        """Add one job, given as its `to_dict()`."""

    async def add_dependencies(self, queue: str, job: dict[str, Any], /) -> object:
        """Make the job wait for its `depends_on`; called before the job is enqueued."""


async def add_dependencies(backend: Any, queue: str, job: Job) -> None:
    """What `FlowProducer` does for each job's links on the sequential path, unless another coroutine is assigned."""
    await backend.add_dependencies(queue, job.to_dict())


class FlowProducer:
    """Adds flows: jobs that wait for each other.

    `backend` None is the default one: `FLOWTUI_URL`, else the embedded engine (`core.open_backend`).
    `_add_dependencies` may be assigned: `async def hook(backend, queue, job)`. The hook is then called for every job
    that depends on another, which needs the sequential path.
    """

    def __init__(self, backend: Submitting | Sequential | None = None) -> None:
        if backend is None:
            from core.backends import open_backend

            backend = open_backend()
        self.backend: Any = backend
        self._add_dependencies: AddDependencies = add_dependencies

    @property
    def atomic(self) -> bool:
        """True when `add_flow` adds all or nothing: the backend can, and no hook asks for single steps."""
        return (
            self._add_dependencies is add_dependencies
            and getattr(self.backend, "atomic_add_flow", None) is not None
        )

    async def add_flow(
        self,
        queue: str,
        jobs: Sequence[Job | Mapping[str, Any]],
        *,
        flow_id: str | None = None,
        name: str | None = None,
    ) -> list[str]:
        """Check `jobs` and add them to `queue`; returns their ids in the order given.

        `depends_on` may name jobs of this flow and earlier jobs of the queue. With `flow_id`, adding the same flow
        again changes nothing. Everything is checked before the first write.

        Raises InvalidJob, InvalidPayload, InvalidFlow, CycleError, DuplicateJob, UnknownUpstream, FlowConflict,
        BackendError; on the sequential path PartialFlowError when a failure could not be undone.
        """
        check_name(queue, "queue")
        if flow_id is not None:
            check_name(flow_id, "flow id")
        if isinstance(jobs, Job | str | Mapping) or not isinstance(jobs, Iterable):
            raise InvalidFlow(f"a flow must be a list of jobs, not {type(jobs).__name__}")
        flow = [as_job(job) for job in jobs]
        payloads = Payloads(flow, [encode_job(job) for job in flow])
        links = check_flow(flow)
        if self.atomic:
            given = {key: value for key, value in (("flow_id", flow_id), ("name", name)) if value is not None}
            await self.backend.atomic_add_flow(queue, payloads, links, **given)
        else:
            await self._add_one_by_one(queue, flow, links)
        return [job.id for job in flow]

    async def _add_one_by_one(self, queue: str, flow: Sequence[Job], links: Links) -> None:
        by_id = {job.id: job for job in flow}
        added: list[str] = []
        try:
            for job_id in links.order:
                job = by_id[job_id]
                # First what it waits for, then the job: the other way round a worker could take it in between.
                if job.depends_on:
                    await self._add_dependencies(self.backend, queue, job)
                added.append(job_id)
                await self.backend.enqueue(queue, job.to_dict())
        except BaseException as error:
            left = await self._undo(added)
            if left and isinstance(error, Exception):
                raise PartialFlowError(
                    f"the flow was added in part and could not be taken back ({error}); still in queue '{queue}': "
                    f"{', '.join(left[:10])}{', ...' if len(left) > 10 else ''}. Remove these jobs, then add it again",
                    left,
                ) from error
            raise

    async def _undo(self, added: Sequence[str]) -> list[str]:
        """Remove what was added, newest first; returns what stays."""
        remove = getattr(self.backend, "remove", None)
        if remove is None:
            return list(added)
        left = []
        for job_id in reversed(added):
            try:
                outcome = await remove(job_id)
            except FlowError:
                left.append(job_id)
                continue
            if isinstance(outcome, Mapping) and outcome.get(job_id) not in ("removed", "not found"):
                left.append(job_id)
        return left[::-1]


def check_flow(jobs: Sequence[Job]) -> Links:
    """Check what can be known of the shape without a store; returns the links, also those from outside.

    Raises InvalidFlow, DuplicateJob, CycleError, UnknownUpstream.
    """
    if not jobs:
        raise InvalidFlow("a flow needs at least one job")
    names = {job.id: job.name for job in jobs}
    if len(names) < len(jobs):
        raise _duplicate(jobs)
    # One pass for all that a store wants to know of the links: a flow may have 100,000 jobs.
    links: list[Link] = []
    pending = dict.fromkeys(names, 0)
    ups: dict[str, list[str]] = {}
    downs: dict[str, list[str]] = {}
    external = 0
    for job in jobs:
        upstreams = job.depends_on
        if not upstreams:
            continue
        job_id = job.id
        outside = 0
        for upstream in upstreams:
            links.append((upstream, job_id))
            if upstream in downs:
                downs[upstream].append(job_id)
            elif upstream in names:
                downs[upstream] = [job_id]
            else:
                outside += 1
                try:
                    check_name(upstream, f"depends_on of job '{job.name}':")
                except InvalidJob as error:
                    raise UnknownUpstream(str(error)) from None
        if job_id in upstreams:
            raise CycleError(_told_apart([job_id, job_id], names))
        ups[job_id] = list(upstreams)
        pending[job_id] = len(upstreams) - outside
        external += outside
    order = upstream_first(pending, downs)
    if order is None:
        inside = [link for link in links if link[0] in names]
        raise CycleError(_told_apart(find_cycle(names, inside) or (), names))
    return Links.of(links, order, ups, downs, external)


def _duplicate(jobs: Sequence[Job]) -> DuplicateJob:
    twice = repeated(job.id for job in jobs)
    first, second = [job.name for job in jobs if job.id == twice][:2]
    return DuplicateJob(f"two jobs have the id '{twice}' ('{first}' and '{second}'); give each its own")


def _told_apart(path: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """The jobs of `path` by name where the name tells them apart, else by id."""
    known = Counter(names.values())
    return [names[job_id] if known[names[job_id]] == 1 else job_id for job_id in path]
