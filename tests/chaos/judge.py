"""The verdict: do the ledger outside the store, the store's events and its records tell the same story?"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.events import Event
from core.jobs import Job, JobRecord

from .flows import Flow


@dataclass(slots=True)
class Verdict:
    """How often each promise was broken, with the first examples; and what was seen."""

    broken: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in PROMISES})
    seen: dict[str, int] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """True when every promise was kept."""
        return not any(self.broken.values())

    def lines(self) -> list[str]:
        """As text."""
        lines = ["seen: " + ", ".join(f"{count:,} {name}" for name, count in self.seen.items())]
        for name, cases in self.broken.items():
            lines.append(f"{'ok ' if not cases else 'BAD'} {len(cases):4} {name}")
            lines += (f"        {case}" for case in cases[:5])
        return lines


PROMISES = (
    "lost jobs",
    "wrong ends",
    "double completions",
    "early starts",
    "unexplained reruns",
    "completed without an execution",
    "changed payloads",
    "wrong upstream results",
    "holes or breaks in the events",
    "orphans and inconsistencies",
)


def judge(
    flows: Sequence[Flow], ledger: Path, events: Sequence[Event], records: Mapping[str, JobRecord]
) -> Verdict:
    """Compare the three. Every flow given was acknowledged."""
    verdict = Verdict()
    jobs = {job.id: job for flow in flows for job in flow.jobs}
    ends = {job_id: end for flow in flows for job_id, end in flow.ends.items()}
    starts, failures = _ledger(verdict, ledger, jobs)
    stalls = _events(verdict, events, jobs, records)
    for job_id, end in ends.items():
        record = records.get(job_id)
        if record is None:
            verdict.broken["lost jobs"].append(f"{job_id} is not in the store")
        elif not record.state.terminal:
            verdict.broken["lost jobs"].append(f"{job_id} is still {record.state}")
        elif record.state != end:
            verdict.broken["wrong ends"].append(f"{job_id} is {record.state}, not {end}: {record.error}")
        if end == "completed" and not starts[job_id]:
            verdict.broken["completed without an execution"].append(job_id)
        if starts[job_id] > 1 + stalls[job_id] + failures[job_id]:
            verdict.broken["unexplained reruns"].append(
                f"{job_id} started {starts[job_id]} times with {stalls[job_id]} lost leases and "
                f"{failures[job_id]} failures"
            )
    verdict.seen = {
        "flows": len(flows),
        "jobs": len(jobs),
        "executions": sum(starts.values()),
        "lost leases": sum(stalls.values()),
        "failed attempts": sum(failures.values()),
        "events": len(events),
    }
    return verdict


def _ledger(verdict: Verdict, ledger: Path, jobs: Mapping[str, Job]) -> tuple[Counter[str], Counter[str]]:
    starts: Counter[str] = Counter()
    failures: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    digests = {
        job_id: hashlib.blake2b(json.dumps([job.args, None]).encode(), digest_size=8).hexdigest()
        for job_id, job in jobs.items()
    }
    for line in ledger.read_text().splitlines():
        word, job_id, attempt, pid, digest = line.split(" ")
        if digest != digests[job_id]:
            verdict.broken["changed payloads"].append(f"{job_id} ran with other arguments")
        if word == "W":
            verdict.broken["wrong upstream results"].append(job_id)
        elif word == "E":
            ended[job_id] += 1
        elif word == "F":
            failures[job_id] += 1
            ended[job_id] += jobs[job_id].task_id == "chaos.fail"
        else:
            starts[job_id] += 1
            job = jobs[job_id]
            # Of a skipped upstream the ledger knows nothing; of one_success and one_failed, one is enough.
            over = [ended[up] > 0 for up in job.depends_on]
            if (job.trigger == "all_success" and not all(over)) or (job.depends_on and not any(over)):
                verdict.broken["early starts"].append(f"{job_id} (attempt {attempt}, process {pid})")
    return starts, failures


def _events(
    verdict: Verdict, events: Sequence[Event], jobs: Mapping[str, Job], records: Mapping[str, JobRecord]
) -> Counter[str]:
    broken = verdict.broken["holes or breaks in the events"]
    stalls: Counter[str] = Counter()
    completions: Counter[str] = Counter()
    now: dict[str, str | None] = defaultdict(lambda: None)
    for place, event in enumerate(events, 1):
        if event.seq != place:
            broken.append(f"event {event.seq} is the {place}th")
            break
        if now[event.job_id] != event.from_:
            broken.append(
                f"{event.job_id} left {event.from_} and was {now[event.job_id]} (event {event.seq})"
            )
        now[event.job_id] = event.to
        stalls[event.job_id] += event.from_ == "active" and event.reason == "lease ran out"
        if event.to == "completed":
            completions[event.job_id] += 1
        if event.to == "active":
            ups = [now[up] for up in jobs[event.job_id].depends_on]
            if jobs[event.job_id].trigger == "all_success" and any(up != "completed" for up in ups):
                verdict.broken["early starts"].append(f"{event.job_id} in the store: upstreams {ups}")
    for job_id, count in completions.items():
        if count > 1:
            verdict.broken["double completions"].append(f"{job_id} completed {count} times")
    for job_id, record in records.items():
        if now[job_id] != record.state:
            broken.append(f"{job_id} is {record.state}; by the events {now[job_id]}")
    return stalls
