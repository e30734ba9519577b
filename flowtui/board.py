"""What the screen knows about the engine: a snapshot, kept true by events. Pure; holds no more than a screen needs.

Queues are held as counts (`queueboard`); only the flows that somebody looks at are held job by job (`flowboard`).
Applying an event twice changes nothing: each queue and each open flow knows up to which position it is true.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final

from core.backends.base import FlowSnapshot, Overview, QueueInfo, WorkerInfo
from core.events import Event
from core.jobs import FlowState, JobState
from flowtui.flowboard import FlowBoard
from flowtui.queueboard import QueueBoard

FLOWS_HELD: Final = 8
"""How many opened flows are followed; the one that was opened longest ago is let go first."""


class Board:
    """Everything the screens show. `watch` keeps to queues whose name matches one of the patterns; empty is all."""

    def __init__(self, watch: Iterable[str] = ()) -> None:
        self.watch = tuple(watch)
        self.queues: dict[str, QueueBoard] = {}
        self.workers: list[WorkerInfo] = []
        self.flows: dict[str, FlowBoard] = {}
        self.at = 0.0
        """The latest moment of the store's clock that was heard of."""
        self.version = 0
        self.flow_version = 0
        """Goes up when any job of any flow moved: a list of flows may be out of date."""
        self.stale = False
        """True once the events had a hole: take a new snapshot."""
        self.ended: list[FlowBoard] = []
        """Flows that ended while they were open; whoever announces them empties it."""
        self._opening: dict[str, list[Event]] = {}
        self._ignored: set[str] = set()

    def watches(self, queue: str) -> bool:
        """Whether the queue belongs on this board."""
        return not self.watch or any(fnmatchcase(queue, pattern) for pattern in self.watch)

    @property
    def position(self) -> dict[str, int]:
        """From where to follow the events so that this board stays true."""
        return {name: queue.seq for name, queue in self.queues.items()}

    # ---- snapshots -----------------------------------------------------------------------------------------------

    def reset(self, overview: Overview) -> None:
        """Start again from a snapshot. Rates and spreads of queues that are still there are kept."""
        known, self.queues = self.queues, {}
        for info in overview.queues:
            if not self.watches(info.name):
                continue
            queue = known.get(info.name)
            if queue is None:
                queue = QueueBoard(info.name, info.counts, paused=info.paused, seq=info.seq)
            else:
                self._overwrite(queue, info)
            self.queues[info.name] = queue
        self.workers = list(overview.workers)
        self.stale = False
        self._advance(overview.at)
        self.version += 1
        self.flow_version += 1
        for flow in self.flows.values():
            flow.stale = True

    def refresh(self, overview: Overview) -> None:
        """Take over what no event tells: workers and pauses. Counts at the same position win over ours."""
        for info in overview.queues:
            queue = self.queues.get(info.name)
            if queue is None:
                continue
            if queue.paused != info.paused:
                queue.paused = info.paused
                queue.version += 1
            if queue.seq == info.seq and any(
                queue.counts[key] != count for key, count in info.counts.items()
            ):
                self._overwrite(queue, info)
        self.workers = list(overview.workers)
        self._advance(overview.at)
        self.version += 1

    @staticmethod
    def _overwrite(queue: QueueBoard, info: QueueInfo) -> None:
        queue.counts.update(info.counts)
        queue.paused, queue.seq = info.paused, info.seq
        queue.version += 1

    def expect(self, flow_id: str) -> None:
        """Keep the events of a flow whose snapshot is on its way."""
        self._opening.setdefault(flow_id, [])

    def forget(self, flow_id: str) -> None:
        """The snapshot will not come."""
        self._opening.pop(flow_id, None)

    def flow(self, flow_id: str | None, queue: str | None) -> FlowBoard | None:
        """The flow that is held, if it is the one of `queue`: another may have one of the same id."""
        held = self.flows.get(flow_id or "")
        return held if held is not None and queue in (None, held.queue) else None

    def open(self, snapshot: FlowSnapshot) -> FlowBoard:
        """Hold a flow job by job from now on; what happened since the snapshot was taken is applied."""
        flow = FlowBoard(snapshot)
        before = self.flows.pop(flow.id, None)
        if before is not None and before.queue == flow.queue:
            # What was seen of earlier attempts is in no snapshot.
            for job_id, runs in before.attempts.items():
                if job_id in flow.jobs and len(runs) > len(flow.attempts.get(job_id, ())):
                    flow.attempts[job_id] = runs
        self.flows[flow.id] = flow
        for event in self._opening.pop(flow.id, ()):
            if event.queue == flow.queue:
                flow.apply(event)
        flow.changed = set(flow.jobs)
        while len(self.flows) > FLOWS_HELD:
            del self.flows[next(iter(self.flows))]
        self.version += 1
        return flow

    # ---- events --------------------------------------------------------------------------------------------------

    def digest(self, events: Iterable[Event]) -> bool:
        """Apply events in their order; True when anything changed."""
        queues, flows, opening = self.queues, self.flows, self._opening
        name: str | None = None
        queue: QueueBoard | None = None
        changed = False
        for event in events:
            if event.queue != name:
                name = event.queue
                queue = queues.get(name) or self._born(name)
            if queue is None:
                continue
            flow_id = event.flow_id
            if flow_id is not None:
                held = self.flow(flow_id, name) if flow_id in flows else None
                if held is not None:
                    self._apply(held, event)
                if opening and flow_id in opening:
                    opening[flow_id].append(event)
                self.flow_version += 1
            if event.seq <= queue.seq:
                continue
            if event.seq != queue.seq + 1:
                self.stale = True
            queue.count(event)
            changed = True
        if changed:
            assert queue is not None or queues
            self.version += 1
            latest = max((q._second for q in queues.values()), default=0)
            if latest > self.at:
                self._advance(float(latest))
        return changed

    def _apply(self, flow: FlowBoard, event: Event) -> None:
        running = flow.state is FlowState.RUNNING
        flow.apply(event)
        if running and flow.state is not FlowState.RUNNING:
            self.ended.append(flow)

    def _born(self, name: str) -> QueueBoard | None:
        if name in self._ignored:
            return None
        if not self.watches(name):
            self._ignored.add(name)
            return None
        queue = self.queues[name] = QueueBoard(name, {})
        return queue

    def _advance(self, at: float) -> None:
        if at > self.at:
            self.at = at

    def tick(self, now: float) -> None:
        """Let time pass: `now` is the store's clock, as far as it is known."""
        self._advance(now)
        second = int(now)
        for queue in self.queues.values():
            queue.roll(second)

    # ---- sums ----------------------------------------------------------------------------------------------------

    def totals(self) -> dict[str, int]:
        """Counts by state over all queues."""
        total: dict[str, int] = dict.fromkeys((state.value for state in JobState), 0)
        for queue in self.queues.values():
            for state, count in queue.counts.items():
                total[state] = total.get(state, 0) + count
        return total

    def worker_load(self) -> dict[str, Any]:
        """How many workers are alive, their slots, and how many of them are taken."""
        alive = [worker for worker in self.workers if worker.seen_at + worker.ttl >= self.at]
        return {
            "alive": len(alive),
            "slots": sum(worker.concurrency for worker in alive),
            "active": min(self.totals()["active"], sum(worker.concurrency for worker in alive)),
        }
