"""Flows of several shapes, and what must become of their jobs."""

from __future__ import annotations

import random
from dataclasses import dataclass

from core.jobs import Job

STALLS = 1000
"""Chaos may kill the workers of one job many times; that is not what is tested here."""


@dataclass(slots=True)
class Flow:
    """A flow, and the end state that each of its jobs must reach."""

    id: str
    shape: str
    jobs: list[Job]
    ends: dict[str, str]


class Maker:
    """Makes flows from a seed: the same seed, the same flows."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._count = 0
        self.done: list[str] = []
        """Jobs of earlier flows that complete: later ones may depend on them."""

    def make(self) -> Flow:
        """The next flow."""
        self._count += 1
        shapes = ["chain", "diamond", "fan", "layers", "failing", "flaky", "late", "outside"]
        shape = "large" if self._count % 120 == 7 else self._rng.choice(shapes)
        jobs: list[Job] = []
        ends: dict[str, str] = {}
        flow_id = f"f{self._count:05d}"

        def add(ups: list[Job] | list[str], end: str = "completed", task: str = "", **more: object) -> Job:
            name = task or self._rng.choice(["step", "step", "step", "thread_step"])
            seconds = self._rng.choice([0, 0.01, 0.05, 0.2, 0.5])
            job = Job(
                f"chaos.{name}",
                [seconds, len(ups) if name == "check" else len(jobs)],
                id=f"{flow_id}.{len(jobs)}",
                depends_on=[up.id if isinstance(up, Job) else up for up in ups],
                max_stalls=STALLS,
                backoff=0.3,
                priority=self._rng.choice([3, 5, 5, 9]),
                **more,  # type: ignore[arg-type]
            )
            jobs.append(job)
            ends[job.id] = end
            return job

        if shape == "chain":
            last = add([])
            for _ in range(6):
                last = add([last])
        elif shape == "diamond":
            a = add([])
            add([add([a]), add([a])], task="check")
        elif shape == "fan":
            root = add([])
            add([add([root]) for _ in range(15)], task="check")
        elif shape == "layers":
            layer = [add([]) for _ in range(4)]
            for _ in range(3):
                layer = [add(self._rng.sample(layer, 2)) for _ in range(4)]
        elif shape == "failing":
            bad = add([], "failed", "fail", max_retries=1)
            below = add([bad], "skipped")
            add([below], "skipped")
            add([bad, below], trigger="all_done")
            add([bad], trigger="one_failed")
            add([bad, add([])], trigger="one_success")
        elif shape == "flaky":
            add([add([], task="flaky", max_retries=1000)])
        elif shape == "late":
            add([add([], delay=0.4)], delay=0.2)
        elif shape == "large":
            root = add([])
            add([add([root]) for _ in range(700)])
        else:
            ups = self._rng.sample(self.done, min(2, len(self.done)))
            add([add(ups)])
        self.done = (self.done + [job for job, end in ends.items() if end == "completed"][-2:])[-40:]
        return Flow(flow_id, shape, jobs, ends)
