"""A flow as a store is given it: checked as far as that can be done without the store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import CycleError, DuplicateJob, InvalidFlow, UnknownUpstream
from core.graph import Links, find_cycle, repeated, topological_order
from core.jobs import Job, Trigger, check_name, is_text, new_id
from core.payload import Payloads, as_job, encode_job, encoded, flow_digest


def check_trigger(job: Job, upstreams: int) -> None:
    """Raise InvalidFlow for a trigger that nothing can ever fire."""
    if not upstreams and job.trigger in (Trigger.ONE_SUCCESS, Trigger.ONE_FAILED):
        raise InvalidFlow(
            f"job '{job.name}' has the trigger {job.trigger} but depends on nothing; name its upstreams in depends_on"
        )


def check_single(job: Job) -> None:
    """Raise for a single job that could never run, whatever the store holds: InvalidFlow, CycleError."""
    if job.depends_on or job.trigger is not Trigger.ALL_SUCCESS:
        check_trigger(job, len(job.depends_on))
        if job.id in job.depends_on:
            raise CycleError([job.name, job.name])


def repeat_payload(job: Job) -> tuple[float, str]:
    """The interval (seconds) of a repeating job, and the payload of the copies that it enqueues."""
    fields = job.to_dict() | {"repeat_every": None, "depends_on": [], "delay": None, "trigger": "all_success"}
    return job.repeat_every or 0.0, encode_job(Job.from_dict(fields))


def unknown_upstream(queue: str, name: str, upstream: str) -> UnknownUpstream:
    """The error for a job that depends on one nobody knows."""
    return UnknownUpstream(
        f"job '{name}' depends on '{upstream}', which is neither in this flow nor in queue '{queue}'; "
        "add it to the flow, or submit its flow first"
    )


@dataclass(slots=True)
class Submission:
    """A flow on its way: jobs with payloads, and its links both ways. `order` lists places, upstream first."""

    id: str
    name: str
    digest: str
    jobs: list[Job]
    payloads: list[str]
    order: list[int]
    ups: dict[str, list[str]]
    downs: dict[str, list[str]]
    external: int
    bytes: int

    @classmethod
    def of(
        cls,
        payloads: Sequence[Mapping[str, Any]],
        deps: Sequence[tuple[str, str]],
        flow_id: str | None,
        name: str | None,
    ) -> Submission:
        """Check what a caller other than FlowProducer may have got wrong. Raises as `atomic_add_flow`."""
        if isinstance(payloads, Payloads) and isinstance(deps, Links):
            # As `FlowProducer` made and checked them.
            jobs, texts, links = payloads.jobs, payloads.texts, deps
            place = {job.id: i for i, job in enumerate(jobs)}
        else:
            jobs = [as_job(payload) for payload in payloads]
            texts = [encoded(payload, job) for payload, job in zip(payloads, jobs, strict=True)]
            place = {job.id: i for i, job in enumerate(jobs)}
            links = _links(jobs, place, deps)
        for job in jobs:
            if job.trigger is not Trigger.ALL_SUCCESS:
                check_trigger(job, len(links.ups.get(job.id, ())))
        flow_id = new_id() if flow_id is None else check_name(flow_id, "flow id")
        return cls(
            flow_id,
            flow_name(name, flow_id),
            flow_digest(((job.id, text) for job, text in zip(jobs, texts, strict=True)), links),
            jobs,
            texts,
            [place[job_id] for job_id in links.order],
            links.ups,
            links.downs,
            links.external,
            sum(map(len, texts)),
        )

    def join(self, wishes: Mapping[str, Sequence[str]]) -> None:
        """Take up jobs of other flows that `add_dependencies` has named for these jobs before they came."""
        self.ups = dict(self.ups)  # the links are not this submission's alone
        for job_id, upstreams in wishes.items():
            ups = self.ups.get(job_id, [])
            new = [up for up in upstreams if up not in ups]
            self.ups[job_id] = ups + new
            self.external += len(new)

    @property
    def waiting(self) -> int:
        """How many jobs can start at once."""
        return sum(1 for job in self.jobs if job.id not in self.ups and not job.delay)

    def in_order(self) -> Iterator[tuple[Job, str]]:
        """Jobs with payloads, upstream first."""
        return ((self.jobs[i], self.payloads[i]) for i in self.order)


def _links(jobs: Sequence[Job], place: Mapping[str, int], deps: Iterable[tuple[str, str]]) -> Links:
    """The links of a flow that did not come from `FlowProducer`, checked. Raises as `atomic_add_flow`."""
    if not jobs:
        raise InvalidFlow("a flow needs at least one job")
    if len(place) != len(jobs):
        raise DuplicateJob(f"two jobs have the id '{repeated(job.id for job in jobs)}'; give each its own")
    links = list(dict.fromkeys(deps))
    ups: dict[str, list[str]] = {}
    downs: dict[str, list[str]] = {}
    external = 0
    for upstream, job_id in links:
        if job_id not in place:
            raise InvalidFlow(f"a link leads to '{job_id}', which is not in the flow")
        ups.setdefault(job_id, []).append(upstream)
        if upstream in place:
            downs.setdefault(upstream, []).append(job_id)
        else:
            check_name(upstream, f"depends_on of job '{jobs[place[job_id]].name}':")
            external += 1
    inside = [link for link in links if link[0] in place]
    order = topological_order(place, inside)
    if order is None:
        raise CycleError(find_cycle(place, inside) or ())
    return Links.of(links, order, ups, downs, external)


def flow_name(name: str | None, flow_id: str) -> str:
    """The name to show for a flow: the one given, else the start of its id. Raises InvalidFlow."""
    if name is None:
        return flow_id[:8]
    if not isinstance(name, str) or not 0 < len(name) <= 256 or "\n" in name or not is_text(name):
        raise InvalidFlow(f"flow name is {name!a:.80}; it must be 1 to 256 characters of text on one line")
    return name
