"""The doctor: is what a store keeps consistent? Read-only unless told to repair; queues may go on meanwhile.

What must hold, of every queue: each job is in exactly one index, the one of its state; its counters say what the states
of its upstreams say, and so does its own state; an active job has a lease; a flow counts what its jobs are; nothing is
kept for jobs and flows that are gone; no flow half added is left behind; steps that are pending are worked off; what is
held back from removal is what open flows need; the events are numbered without holes.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from core.backends.memory import InMemoryBackend


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong: where, with what (a job, a flow, a key), and what; `repaired` when it is right now."""

    queue: str
    subject: str
    sentence: str
    repaired: bool = False

    def __str__(self) -> str:
        """As one line; ids are plain text, whatever the store held."""
        done = " (repaired)" if self.repaired else ""
        return f"{self.queue}: {self.subject}: {self.sentence}{done}"


@dataclass(slots=True)
class Report:
    """What `examine` saw: `jobs` in `queues`, what is wrong, and how many moved too fast to be judged whole."""

    url: str
    queues: list[str] = field(default_factory=list)
    jobs: int = 0
    unsure: int = 0
    findings: list[Finding] = field(default_factory=list)
    advice: list[str] = field(default_factory=list)
    """Sentences about the server's settings; they do not make the store unhealthy."""

    @property
    def healthy(self) -> bool:
        """True when nothing is wrong (any more)."""
        return all(finding.repaired for finding in self.findings)

    def lines(self) -> list[str]:
        """The report as text, the sum last."""
        count = len(self.findings)
        repaired = sum(finding.repaired for finding in self.findings)
        seen = f"{self.url}: {self.jobs:,} jobs in {len(self.queues)} queues"
        if not count:
            end = f"{seen}: all consistent"
        elif repaired == count:
            end = f"{seen}: {count} found, all repaired"
        else:
            end = f"{seen}: {count} found, {repaired} repaired" + (
                "" if repaired else "; flowtui doctor --repair puts right what can be"
            )
        if self.unsure:
            end += f"; {self.unsure} were changing and could not be judged whole, look again when it is calm"
        return [*self.advice, *map(str, self.findings), end]


async def examine(
    backend: Any, *, repair: bool = False, queues: Sequence[str] | None = None, advice: bool = True
) -> Report:
    """Check `queues` (None: all) of `backend` in short steps; with `repair`, put right what can be.

    Raises BackendError, and TypeError for a store that the doctor does not know.
    """
    from core.backends.memory import InMemoryBackend
    from core.backends.store import Store

    await backend.open()
    report = Report(backend.url, list(await backend.queues() if queues is None else queues))
    if isinstance(backend, Store):
        from core.backends.checking import QueueCheck

        if advice:
            report.advice = [*await backend.warnings(), f"durability: {await backend.durability()}"]
        for queue in report.queues:
            check = QueueCheck(backend, queue, repair)
            await check.run()
            report.jobs += check.jobs
            report.unsure += check.unsure
            report.findings += (
                Finding(queue, each.subject, each.sentence, each.repaired) for each in check.damages
            )
    elif isinstance(backend, InMemoryBackend):
        for queue in report.queues:
            report.findings += _in_memory(backend, queue, report)
            # Other tasks of the loop may want a turn.
            await asyncio.sleep(0)
    else:
        raise TypeError(f"the doctor does not know how to look into a {type(backend).__name__}")
    return report


def _in_memory(backend: InMemoryBackend, queue: str, report: Report) -> Iterator[Finding]:
    """The same for a queue of this process, where only a bug can have done damage: nothing is repaired."""
    with backend._lock:
        home = backend._queue(queue)
        report.jobs += len(home.recs)
        for job_id, rec in home.recs.items():
            listed = [state for state, index in home.index.items() if job_id in index]
            if listed != [rec.state]:
                yield Finding(
                    queue, job_id, f"is {rec.state}, but listed as {', '.join(listed) or 'nothing'}"
                )
            pending = sum(not up.state.terminal for up in rec.ups if up.state)
            bad = sum(up.state.terminal and up.state != "completed" for up in rec.ups if up.state)
            if (pending, bad) != (rec.pending, rec.bad):
                yield Finding(
                    queue,
                    job_id,
                    f"waits for {rec.pending} upstreams ({rec.bad} not completed) by its counters, "
                    f"for {pending} ({bad}) by their states",
                )
            if rec.state == "blocked" and backend._verdict(rec) is not None:
                yield Finding(queue, job_id, "is blocked, but by its upstreams it must not be")
            if rec.state == "active" and (rec.token is None or rec.lease is None):
                yield Finding(queue, job_id, "is active without a lease")
            if rec.state == "waiting" and (rec.score in home.scores) == (job_id in home.parked):
                yield Finding(queue, job_id, "is waiting, but not listed so: nobody would find it")
        for flow in home.flows.values():
            right = Counter(rec.state for rec in flow.jobs)
            shown = {state: count for state, count in flow.counts.items() if count}
            if dict(right) != shown:
                yield Finding(queue, flow.id, f"counts {_counted(shown)}, but has {_counted(right)}")
            is_open = any(state is not None and not state.terminal for state in right)
            if is_open != (flow.state == "running") or is_open == (flow in home.ended):
                yield Finding(
                    queue, flow.id, f"is shown as {flow.state}, but {'runs' if is_open else 'has ended'}"
                )


def _counted(counts: Mapping[Any, int]) -> str:
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or "nothing"


async def main(url: str | None, *, repair: bool, out: TextIO) -> bool:
    """Examine the store at `url` (None: the default one), write the report to `out`; True when all is well."""
    from core.backends import open_backend

    backend = open_backend(url)
    try:
        report = await examine(backend, repair=repair)
    finally:
        await backend.close()
    for line in report.lines():
        out.write(line + "\n")
    return report.healthy
