"""What the engine must do, in the plainest words: dictionaries, no counters, every verdict worked out anew.

Written from the rules in core/README.md and not from any backend. One queue; times are whole milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ENDED = frozenset({"completed", "failed", "skipped", "cancelled", "expired"})


@dataclass(slots=True)
class ModelJob:
    """A job as the model knows it; `order` is its place among all that were ever submitted."""

    id: str
    order: int
    flow: str | None = None
    ups: list[str] = field(default_factory=list)
    trigger: str = "all_success"
    priority: int = 5
    delay: int = 0
    ttl: int = 0
    max_stalls: int = 3
    state: str = "blocked"
    attempts: int = 0
    stalls: int = 0
    token: str | None = None
    stop: bool = False
    due: int = 0
    lease: int = 0
    expires: int | None = None
    gone: bool = False


class Model:
    """The jobs of one queue."""

    def __init__(self) -> None:
        self.now = 0
        self.paused = False
        self.jobs: dict[str, ModelJob] = {}
        self.flows: dict[str, list[str]] = {}
        self.downs: dict[str, list[str]] = {}
        self._ended: list[ModelJob] = []

    # ---- asking ------------------------------------------------------------------------------------------------------

    def living(self) -> list[ModelJob]:
        """Every job that was not removed."""
        return [job for job in self.jobs.values() if not job.gone]

    def verdict(self, job: ModelJob) -> str:
        """What the trigger says now: go, skip or wait."""
        states = [self.jobs[up].state for up in job.ups]
        good = states.count("completed")
        open_ = sum(state not in ENDED for state in states)
        bad = len(states) - good - open_
        if job.trigger == "all_success":
            return "skip" if bad else "wait" if open_ else "go"
        if job.trigger == "all_done":
            return "wait" if open_ else "go"
        wanted = good if job.trigger == "one_success" else bad
        return "go" if wanted else "wait" if open_ else "skip"

    def counts(self) -> dict[str, int]:
        """Living jobs by state."""
        found: dict[str, int] = {}
        for job in self.living():
            found[job.state] = found.get(job.state, 0) + 1
        return found

    def flow_state(self, flow: str) -> str:
        """Of a flow as a whole."""
        states = {self.jobs[job].state for job in self.flows[flow]}
        if states - ENDED:
            return "running"
        if states & {"failed", "expired"}:
            return "failed"
        return "cancelled" if "cancelled" in states else "completed"

    def waiting(self) -> list[ModelJob]:
        """What a worker may take, best first."""
        ready = [job for job in self.living() if job.state == "waiting"]
        return sorted(ready, key=lambda job: (job.priority, job.order))

    # ---- moving ------------------------------------------------------------------------------------------------------

    def _below(self, job: ModelJob) -> list[ModelJob]:
        return [self.jobs[down] for down in self.downs.get(job.id, ())]

    def _end(self, job: ModelJob, state: str) -> None:
        job.state, job.expires = state, None
        self._ended.append(job)

    def _follow(self) -> None:
        """What ended together ended at once; only then does what is below hear of it."""
        while self._ended:
            for below in self._below(self._ended.pop(0)):
                self._look(below)

    def _ready(self, job: ModelJob) -> None:
        if job.delay:
            job.state, job.due = "delayed", self.now + job.delay
        else:
            job.state = "waiting"

    def _look(self, job: ModelJob) -> None:
        """An upstream ended, or runs again: where does this job belong now?"""
        says = self.verdict(job)
        if job.gone:
            return
        if job.state == "blocked":
            if says == "go":
                self._ready(job)
            elif says == "skip":
                self._end(job, "skipped")
        elif job.state == "skipped" and says != "skip":
            job.state = "blocked"
            job.expires = self.now + job.ttl if job.ttl else None
            for below in self._below(job):
                self._look(below)
            self._look(job)
        elif (job.state == "waiting" or (job.state == "delayed" and not job.attempts)) and says != "go":
            job.state = "blocked"
            self._look(job)

    def _again(self, job: ModelJob) -> None:
        """It has been started or promoted, and may start (once more) if its upstreams allow it."""
        if self.verdict(job) == "go":
            job.state = "waiting"
        else:
            job.state = "blocked"
            self._look(job)

    # ---- what is asked of the engine ---------------------------------------------------------------------------------

    def add(self, jobs: list[ModelJob], flow: str | None = None) -> None:
        """Upstream first."""
        if flow is not None:
            self.flows[flow] = [job.id for job in jobs]
        for job in jobs:
            self.jobs[job.id] = job
            job.flow = flow
            job.expires = self.now + job.ttl if job.ttl else None
            for up in job.ups:
                self.downs.setdefault(up, []).append(job.id)
        for job in jobs:
            if job.state == "blocked":
                self._look(job)
        self._follow()

    def turn(self, outcomes: list[tuple[str, str, str, int]], want: int, lease: int, token: str) -> list[str]:
        """Settle (id, token, kind, delay), do what is due, claim; returns whose lease was lost."""
        lost = []
        for job_id, held, kind, delay in outcomes:
            job = self.jobs.get(job_id)
            if job is None or job.gone or job.token != held:
                lost.append(job_id)
            elif job.state == "active":
                self._settle(job, kind, delay)
        self._follow()
        for job in self.living():
            if job.state == "delayed" and job.due <= self.now:
                self._again(job)
        for job in self.living():
            if (
                job.expires is not None
                and job.expires <= self.now
                and job.state in ("blocked", "waiting", "delayed")
            ):
                self._end(job, "expired")
        for job in self.living():
            if job.state == "active" and job.lease <= self.now:
                self._stalled(job)
        self._follow()
        if not self.paused:
            for job in self.waiting()[:want]:
                job.state, job.token, job.lease, job.expires = "active", token, self.now + lease, None
                job.attempts += 1
        return lost

    def _settle(self, job: ModelJob, kind: str, delay: int) -> None:
        if job.stop:
            self._end(job, "cancelled")
        elif kind == "retry":
            job.state, job.due = "delayed", self.now + delay
        elif kind == "released":
            job.attempts -= 1
            self._again(job)
        else:
            self._end(job, kind)

    def _stalled(self, job: ModelJob) -> None:
        if job.stop:
            self._end(job, "cancelled")
            return
        job.stalls += 1
        job.token = None
        if job.stalls >= job.max_stalls:
            self._end(job, "failed")
        else:
            self._again(job)

    def cancel(self, job_id: str) -> str:
        """The answer."""
        job = self.jobs.get(job_id)
        if job is None or job.gone:
            return "not found"
        if job.state in ENDED:
            return f"already {job.state}"
        if job.state == "active":
            job.stop = True
            return "cancelling"
        self._end(job, "cancelled")
        self._follow()
        return "cancelled"

    def _reset(self, job: ModelJob) -> None:
        job.attempts = job.stalls = 0
        job.stop, job.token = False, None
        job.expires = self.now + job.ttl if job.ttl else None
        job.state = "blocked"
        for below in self._below(job):
            self._look(below)
        self._again(job)
        self._follow()

    def retry(self, job_id: str) -> str:
        """The answer."""
        job = self.jobs.get(job_id)
        if job is None or job.gone:
            return "not found"
        if job.state not in ENDED:
            return f"already {job.state}"
        self._reset(job)
        return "retried"

    def promote(self, job_id: str) -> str:
        """The answer."""
        job = self.jobs.get(job_id)
        if job is None or job.gone:
            return "not found"
        if job.state != "delayed":
            return "not delayed"
        self._again(job)
        self._follow()
        return "promoted"

    def remove(self, job_id: str) -> str:
        """The answer, up to its first two words."""
        job = self.jobs.get(job_id)
        if job is None or job.gone:
            return "not found"
        if job.state == "active":
            return "running"
        open_ = job.state not in ENDED
        below = [each for each in self._below(job) if not each.gone]
        if job.flow is not None or any(open_ or each.state not in ENDED for each in below):
            return "needed by"
        job.gone = True
        return "removed"

    def cancel_flow(self, flow: str) -> None:
        """All at once, so that nothing is skipped for a reason that is being cancelled too."""
        for job in [self.jobs[job_id] for job_id in self.flows[flow]]:
            if job.state == "active":
                job.stop = True
            elif job.state not in ENDED:
                self._end(job, "cancelled")
        self._follow()

    def retry_flow(self, flow: str, mode: str) -> bool:
        """False when refused: a job that it might touch is active."""
        jobs = [self.jobs[job_id] for job_id in self.flows[flow]]
        if mode != "failed" and any(job.state == "active" for job in jobs):
            return False
        wanted = {job.id for job in jobs if mode == "all" or job.state in ("failed", "cancelled", "expired")}
        ended = {job.id for job in jobs if job.state in ENDED}
        if mode == "downstream":
            for job in jobs:
                if job.id in ended and any(up in wanted for up in job.ups):
                    wanted.add(job.id)
        for job in jobs:
            if job.id in wanted and job.state in ENDED:
                self._reset(job)
        return True

    def remove_flow(self, flow: str) -> bool:
        """False when refused: it runs, or an open job elsewhere needs it."""
        jobs = [self.jobs[job_id] for job_id in self.flows[flow]]
        below = [job for each in jobs for job in self._below(each) if job.flow != flow and not job.gone]
        if self.flow_state(flow) == "running" or any(job.state not in ENDED for job in below):
            return False
        for job in jobs:
            job.gone = True
        del self.flows[flow]
        return True

    def link(self, job_id: str, up: str) -> str:
        """`ok`, or the name of the error."""
        job, above = self.jobs[job_id], self.jobs.get(up)
        if above is None or above.gone:
            return "UnknownUpstream"
        if up in job.ups:
            return "ok"
        if job.flow is not None or job.state in ENDED or job.state == "active" or job.attempts:
            return "Refused"
        todo, seen = [job_id], {job_id}
        while todo:
            each = todo.pop()
            if each == up:
                return "CycleError"
            fresh = [down for down in self.downs.get(each, ()) if down not in seen]
            seen.update(fresh)
            todo += fresh
        job.ups.append(up)
        self.downs.setdefault(up, []).append(job_id)
        self._look(job)
        self._follow()
        return "ok"
