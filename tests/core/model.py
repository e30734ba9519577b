"""What the engine must do, in the plainest words: dictionaries, no counters, every verdict worked out anew.

Written from the rules in core/README.md and not from any backend. One queue; times are whole milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

ENDED = frozenset({"completed", "failed", "skipped", "cancelled", "expired"})


@dataclass(slots=True, eq=False)
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
    ended: int = 0
    declined: bool = False
    was_declined: bool = False
    """Waiting, but only for a worker that has its task; `was_declined` says so of one that such a worker took."""
    causes: frozenset[str] = frozenset()
    """Of a skipped job: the jobs that may be named as the root cause, of which there may be several."""


class Model:
    """The jobs of one queue."""

    def __init__(self) -> None:
        self.now = 0
        self.paused = False
        self.jobs: dict[str, ModelJob] = {}
        self.flows: dict[str, list[str]] = {}
        self.downs: dict[str, list[str]] = {}
        self._ended: list[ModelJob] = []
        self._skipped: list[ModelJob] = []
        self.resets = 0
        """How many ended jobs were made to run again."""

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

    def above(self, job: ModelJob) -> set[str]:
        """Every job upstream of it."""
        found, todo = set(job.ups), list(job.ups)
        while todo:
            fresh = [up for up in self.jobs[todo.pop()].ups if up not in found]
            found.update(fresh)
            todo += fresh
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
        """What workers may take, best first; last what only some of them know."""
        ready = [job for job in self.living() if job.state == "waiting"]
        return sorted(ready, key=lambda job: (job.declined, job.priority, job.order))

    # ---- moving ------------------------------------------------------------------------------------------------------

    def _below(self, job: ModelJob) -> list[ModelJob]:
        return [self.jobs[down] for down in self.downs.get(job.id, ())]

    def _end(self, job: ModelJob, state: str) -> None:
        job.state, job.expires, job.ended = state, None, self.now
        self._ended.append(job)

    def _follow(self) -> None:
        """What ended together ended at once; only then does what is below hear of it."""
        while self._ended:
            for below in self._below(self._ended.pop(0)):
                self._look(below)
        for job in self._skipped:
            job.causes = self._roots(job)
        self._skipped.clear()

    def _roots(self, job: ModelJob) -> frozenset[str]:
        """What did not complete above a job skipped in this step, or what that was skipped for; nothing tells of one
        that was removed how it had ended."""
        found: set[str] = set()
        for up in (self.jobs[up] for up in job.ups if not self.jobs[up].gone):
            if up.state == "skipped":
                found |= (self._roots(up) if up in self._skipped else up.causes) or {up.id}
            elif up.state in ENDED - {"completed"}:
                found.add(up.id)
        return frozenset(found)

    def _ready(self, job: ModelJob) -> None:
        job.declined = False
        if job.delay and not job.attempts:
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
                self._skipped.append(job)
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
        job.declined = False
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

    def turn(
        self,
        outcomes: list[tuple[str, str, str, int]],
        want: int,
        lease: int,
        token: str,
        knows: bool = False,
    ) -> list[str]:
        """Settle (id, token, kind, delay), do what is due, claim; returns whose lease was lost.

        `knows`: the worker has said that it has the task of the jobs that others declined. It takes those first.
        """
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
            ready = self.waiting()
            declined = [job for job in ready if job.declined]
            for job in [*(declined if knows else ()), *(job for job in ready if not job.declined)][:want]:
                job.declined, job.was_declined = False, job.declined
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
        elif kind == "declined":
            job.attempts -= 1
            self._again(job)
            job.declined = job.state == "waiting"
        else:
            self._end(job, kind)

    def renew(self, leases: dict[str, str], lease: int) -> tuple[list[str], list[str]]:
        """Which of them are to stop, and which are lost."""
        stop, lost = [], []
        for job_id, token in leases.items():
            job = self.jobs[job_id]
            if job.gone or job.state != "active" or job.token != token:
                lost.append(job_id)
            else:
                job.lease = self.now + lease
                if job.stop:
                    stop.append(job_id)
        return stop, lost

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

    def cancel(self, *ids: str) -> list[str]:
        """The answer for each; what is cancelled together ends at once."""
        answers = [self._cancel(job_id) for job_id in ids]
        self._follow()
        return answers

    def _cancel(self, job_id: str) -> str:
        job = self.jobs.get(job_id)
        if job is None or job.gone:
            return "not found"
        if job.state in ENDED:
            return f"already {job.state}"
        if job.state == "active":
            job.stop = True
            return "cancelling"
        self._end(job, "cancelled")
        return "cancelled"

    def _reset(self, job: ModelJob) -> None:
        self.resets += 1
        job.attempts = job.stalls = 0
        job.stop, job.token = False, None
        job.expires = self.now + job.ttl if job.ttl else None
        job.state = "blocked"
        for below in self._below(job):
            self._look(below)
        self._again(job)
        self._follow()

    def retry(self, *ids: str) -> list[str]:
        """The answer for each, or its first word where that names an upstream. Runs again all that can, whatever the
        order in which they are named."""
        answers = {job_id: self._open(job_id) for job_id in ids}
        ended = [job_id for job_id in ids if not answers[job_id]]
        able: list[str] = []
        while able != (able := [*able, *(each for each in ended if each not in able and self._able(each))]):
            for job_id in able:
                if self.jobs[job_id].state in ENDED:
                    self._reset(self.jobs[job_id])
        return [
            answers[each] or ("retried" if each in able else self._barred(self.jobs[each])) for each in ids
        ]

    def _open(self, job_id: str) -> str:
        job = self.jobs.get(job_id)
        if job is None or job.gone:
            return "not found"
        return "" if job.state in ENDED else f"already {job.state}"

    def _able(self, job_id: str) -> bool:
        return self.verdict(self.jobs[job_id]) != "skip"

    def _barred(self, job: ModelJob) -> str:
        ups = [self.jobs[up] for up in job.ups]
        wrong = any(not up.gone and up.state in ENDED - {"completed"} for up in ups)
        return "upstream" if wrong else "its trigger can no longer hold"

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
        if mode == "all" and any(job.state == "active" for job in jobs):
            return False
        if mode == "downstream":
            below = {job.id for job in jobs if job.state in ("failed", "cancelled", "expired")}
            for job in jobs:
                if any(up in below for up in job.ups):
                    if job.state == "active":
                        return False
                    below.add(job.id)
        wanted = {job.id for job in jobs if mode == "all" or job.state in ("failed", "cancelled", "expired")}
        ended, runs = {job.id for job in jobs if job.state in ENDED}, set()
        for job in jobs:
            below = mode == "downstream" and any(up in runs for up in job.ups)
            if (job.id in wanted or below) and job.state in ENDED and self.verdict(job) != "skip":
                self._reset(job)
            if job.id in ended and job.state not in ENDED:
                runs.add(job.id)
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

    def clean(self, state: str | None, older: int) -> int:
        """How many are removed: single jobs and whole flows that ended that long ago and that nobody needs."""
        before, removed = self.now - older, 0
        for job in self.living():
            if job.flow is None and job.state in ENDED and job.ended <= before and state in (None, job.state):
                removed += self.remove(job.id) == "removed"
        for flow in list(self.flows):
            jobs = self.flows[flow]
            ended = max(self.jobs[job].ended for job in jobs)
            if (
                self.flow_state(flow) != "running"
                and ended <= before
                and state in (None, self.flow_state(flow))
            ):
                removed += len(jobs) if self.remove_flow(flow) else 0
        return removed

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
