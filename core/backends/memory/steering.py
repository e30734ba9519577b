"""Cancel, retry, promote, remove; pause and resume."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Final

from core.backends.base import RetryMode
from core.backends.explain import active_below
from core.backends.memory.moves import Moves
from core.backends.memory.state import ACTIVE, CANCELLED, DELAYED, EXPIRED, FAILED, Flow, Queue, Rec
from core.errors import InvalidJob, Refused
from core.jobs import TERMINAL, FlowState, JobState

RETRIED: Final = frozenset({FAILED, CANCELLED, EXPIRED})


def _unfound(ids: str | Iterable[str]) -> dict[str, str]:
    return dict.fromkeys([ids] if isinstance(ids, str) else ids, "not found")


class Steering(Moves):
    """The role `Steering` of the contract."""

    def _homes(self, ids: Iterable[str], queue: str | None) -> dict[Queue, list[Rec]]:
        homes: dict[Queue, list[Rec]] = {}
        for job_id in ids:
            if (found := self._find(job_id, queue)) is not None:
                homes.setdefault(found[0], []).append(found[1])
        return homes

    def _steer(
        self, ids: str | Iterable[str], queue: str | None, act: Callable[[Queue, Rec, float], str]
    ) -> dict[str, str]:
        answer = _unfound(ids)
        with self._lock:
            now = self._clock()
            for home, recs in self._homes(answer, queue).items():
                since = home.seq
                with self._together(home, now):
                    for rec in recs:
                        answer[rec.id] = act(home, rec, now)
                self._end_of_step(home, self._touched(home, since), now)
        return answer

    def _cancel(self, home: Queue, rec: Rec, now: float) -> str:
        if rec.state in TERMINAL:
            return f"already {rec.state}"
        home.ticks.pop(rec.id, None)
        if rec.state is ACTIVE:
            rec.cancel = True
            return "cancelling"
        self._finish(home, rec, CANCELLED, now, "cancelled")
        return "cancelled"

    async def cancel(self, ids: str | Iterable[str], *, queue: str | None = None) -> dict[str, str]:
        """Cancel jobs."""
        return self._steer(ids, queue, self._cancel)

    async def retry(self, ids: str | Iterable[str], *, queue: str | None = None) -> dict[str, str]:
        """Run ended jobs again."""

        answer = _unfound(ids)
        with self._lock:
            now = self._clock()
            for home, recs in self._homes(answer, queue).items():
                since = home.seq
                answer.update((rec.id, f"already {rec.state}") for rec in recs if rec.state not in TERMINAL)
                # Upstream first: what runs again only together with its upstream must find that one reset. The
                # order of submission is nearly that; a link made later may ask for another round.
                todo, done = (
                    sorted((rec for rec in recs if rec.state in TERMINAL), key=attrgetter("order")),
                    True,
                )
                while todo and done:
                    later = []
                    for rec in todo:
                        why = self._barred(rec) if rec.state in TERMINAL else None
                        if why is not None:
                            later.append(rec)
                        elif rec.state in TERMINAL:
                            self._reset(home, rec, now, False)
                        answer[rec.id] = why or "retried"
                    todo, done = later, len(later) < len(todo)
                self._end_of_step(home, self._touched(home, since), now)
        return answer

    async def promote(self, ids: str | Iterable[str], *, queue: str | None = None) -> dict[str, str]:
        """Make delayed jobs waiting now."""

        def act(home: Queue, rec: Rec, now: float) -> str:
            if rec.state is not DELAYED:
                return "not delayed"
            self._again(home, rec, now, "promoted")
            return "promoted"

        return self._steer(ids, queue, act)

    async def remove(self, ids: str | Iterable[str], *, queue: str | None = None) -> dict[str, str]:
        """Remove jobs that do not run and that nobody needs."""

        def act(home: Queue, rec: Rec, now: float) -> str:
            if rec.state is ACTIVE:
                return "running"
            if rec.flow is not None:
                return f"needed by {rec.flow.id}"
            # Below what has not ended, also what has ended waits for it, should it be retried.
            open_ = rec.state not in TERMINAL
            by = next((each for each in rec.downs if open_ or self._alive(home, each)), None)
            if by is not None:
                return f"needed by {by.id}"
            home.ended.pop(rec, None)
            home.ticks.pop(rec.id, None)
            self._forget(home, rec, now)
            return "removed"

        return self._steer(ids, queue, act)

    async def cancel_flow(self, flow_id: str, *, queue: str | None = None) -> dict[str, int]:
        """Cancel what has not ended of a flow."""
        with self._lock:
            home, flow = self._flow(flow_id, queue)
            since, now, answer = home.seq, self._clock(), {"cancelled": 0, "cancelling": 0}
            # From the end, downstream first: what is cancelled above it then finds nothing to skip.
            for rec in reversed(flow.jobs):
                if rec.state not in TERMINAL:
                    answer[self._cancel(home, rec, now)] += 1
            self._end_of_step(home, self._touched(home, since), now)
            return answer

    async def retry_flow(self, flow_id: str, mode: RetryMode = "failed", *, queue: str | None = None) -> int:
        """Run a flow's jobs again; returns how many are reset."""
        if mode not in ("failed", "downstream", "all"):
            raise InvalidJob(f"retry mode is {mode!r:.60}; it must be failed, downstream or all")
        with self._lock:
            home, flow = self._flow(flow_id, queue)
            since, now, count = home.seq, self._clock(), 0
            if mode == "all" and flow.counts[ACTIVE]:
                raise Refused(
                    f"flow '{flow_id}' still runs ({flow.counts[ACTIVE]} jobs active); wait until it has ended"
                )
            if mode == "downstream" and flow.counts[ACTIVE]:
                self._check_untouched(flow)
            for rec in flow.jobs:
                wanted = mode == "all" or rec.state in RETRIED or (mode == "downstream" and rec.mark)
                # What would only be skipped again, for an upstream in another flow, stays as it is.
                if rec.state in TERMINAL and wanted and self._barred(rec) is None:
                    self._reset(home, rec, now, mode == "downstream")
                    count += 1
                rec.mark = False
            self._end_of_step(home, self._touched(home, since), now)
            return count

    @staticmethod
    def _check_untouched(flow: Flow) -> None:
        """Raise Refused when an active job is downstream of one that a retry would reset."""
        origin: dict[Rec, Rec] = {}
        """What is downstream of a job that did not complete, and which one that is."""
        for rec in flow.jobs:
            for up in rec.ups:
                if up.flow is flow and rec not in origin and (up in origin or up.state in RETRIED):
                    origin[rec] = origin.get(up, up)
            if rec in origin and rec.state is ACTIVE:
                raise active_below(flow.id, rec.id, origin[rec].id)

    async def remove_flow(self, flow_id: str, *, queue: str | None = None) -> int:
        """Remove an ended flow with its jobs; returns how many."""
        with self._lock:
            home, flow = self._flow(flow_id, queue)
            if flow.state is FlowState.RUNNING:
                raise Refused(
                    f"flow '{flow_id}' still runs ({flow.counts[ACTIVE]} jobs active); "
                    "cancel it, or wait until it has ended"
                )
            if self._needed_by(home, flow):
                raise Refused(
                    f"flow '{flow_id}' is needed by an open flow that depends on its jobs; end that one first"
                )
            home.ended.pop(flow, None)
            for rec in flow.jobs:
                home.ticks.pop(rec.id, None)
            count = self._forget(home, flow, self._clock())
            self._publish(home)
            return count

    async def pause(self, queue: str) -> None:
        """Give out no jobs of `queue` until `resume`."""
        with self._lock:
            self._queue(queue).paused = True

    async def resume(self, queue: str) -> None:
        """Undo `pause`."""
        with self._lock:
            home = self._queue(queue)
            home.paused = False
            self._wake_worker(home)

    async def clean(
        self, queue: str, state: JobState | str | None = None, *, older_than: float = 0.0, limit: int = 1000
    ) -> int:
        """Remove what ended more than `older_than` seconds ago."""
        if state is not None and str(state) not in {*TERMINAL}:
            raise InvalidJob(
                f"no end state {state!r:.60}; states are completed, failed, cancelled, skipped, expired"
            )
        removed = 0
        with self._lock:
            home = self._queue(queue)
            now = self._clock()
            for key, what in list(home.ended.items()):
                if removed >= limit or (what.finished or 0.0) > now - older_than:
                    break
                if (state is None or str(what.state) == str(state)) and not self._needed_by(home, what):
                    home.ended.pop(key)
                    removed += self._forget(home, what, now)
            self._publish(home)
        return removed

    async def stop_repeat(self, queue: str, repeat_id: str) -> bool:
        """Enqueue no further copies; False when there is no such repeat."""
        with self._lock:
            return self._queue(queue).ticks.pop(repeat_id, None) is not None
