"""What operators do to the engine: ask it, and say in one sentence what really happened. Changes nothing on screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

from core.backends.base import BARRED, Backend, RetryMode
from core.errors import FlowError, Refused
from flowtui.text import counted

BATCH: Final = 500
"""Ids in one call, so that no call holds the store for long."""

Severity = Literal["information", "warning", "error"]
Ask = Callable[..., Awaitable[dict[str, str]]]


class Report(NamedTuple):
    """The outcome of an action, as a sentence; `changed` is how many jobs it touched."""

    text: str
    severity: Severity = "information"
    changed: int = 0


_DONE: Final = {"retried", "cancelled", "cancelling", "promoted", "removed"}
_UPSTREAMS: Final = "different upstreams did not complete"
_WORDS: Final = {
    "cancelling": "told to stop",
    "promoted": "made ready",
    "running": "still running",
    "not delayed": "not delayed",
    "not found": "gone",
}


def sentence(answers: Mapping[str, str]) -> Report:
    """What the engine answered for each id, summed up: "3 retried, 1 was already active"."""
    if not answers:
        return Report("nothing to do", "warning")
    if len(answers) == 1:
        ((_, answer),) = answers.items()
        good = answer in _DONE
        return Report(_said(answer, None), "information" if good else "warning", int(good))
    counts = Counter(answers.values())
    if len(above := [answer for answer in counts if answer.startswith("upstream ")]) > 1:
        counts[_UPSTREAMS] = sum(counts.pop(answer) for answer in above)
    parts = [
        _said(answer, count)
        for answer, count in sorted(counts.items(), key=lambda item: (item[0] not in _DONE, -item[1]))
    ]
    changed = sum(count for answer, count in counts.items() if answer in _DONE)
    return Report(", ".join(parts), "information" if changed == len(answers) else "warning", changed)


def _said(answer: str, count: int | None) -> str:
    number = "" if count is None else f"{count:,} "
    if answer in _DONE:
        return f"{number}{_WORDS.get(answer, answer)}"
    be = "was" if count in (None, 1) else "were"
    words = _WORDS.get(answer, answer)
    if answer.startswith("needed by "):
        by = answer.removeprefix("needed by ")[:8]
        return f"{number}kept for {by}: others wait for it, or it goes with its flow (g, then D there)"
    if answer.startswith(BARRED):
        way = "; retry that one, or its flow" if answer.startswith("upstream ") else ""
        return f"{number}would only be skipped again: {answer}{way}"
    if answer == _UPSTREAMS:
        return f"{number}would only be skipped again: retry what did not complete above them, or their flows"
    return f"{number}{be} {words}"


class Steering:
    """Asks the engine. Every method answers with a `Report`, also for what was refused or failed; none raises."""

    def __init__(self, backend: Backend, *, read_only: bool = False) -> None:
        self.backend = backend
        self.read_only = read_only

    async def retry(self, ids: Sequence[str], queue: str | None) -> Report:
        """Run ended jobs again."""
        return await self._each(self.backend.retry, ids, queue)

    async def cancel(self, ids: Sequence[str], queue: str | None) -> Report:
        """Cancel jobs."""
        return await self._each(self.backend.cancel, ids, queue)

    async def promote(self, ids: Sequence[str], queue: str | None) -> Report:
        """Run delayed jobs now."""
        return await self._each(self.backend.promote, ids, queue)

    async def remove(self, ids: Sequence[str], queue: str | None) -> Report:
        """Remove jobs that do not run."""
        return await self._each(self.backend.remove, ids, queue)

    async def retry_flow(self, flow_id: str, mode: RetryMode, queue: str) -> Report:
        """Run a flow's failed jobs again, or those and what is downstream, or all."""

        async def ask() -> Report:
            count = await self.backend.retry_flow(flow_id, mode, queue=queue)
            if not count:
                return Report("nothing to retry: no job of this flow failed that could run again", "warning")
            return Report(f"{counted(count, 'job')} retried", changed=count)

        return await self._one(ask)

    async def cancel_flow(self, flow_id: str, queue: str) -> Report:
        """Cancel what has not ended."""

        async def ask() -> Report:
            counts = await self.backend.cancel_flow(flow_id, queue=queue)
            at_once, told = counts.get("cancelled", 0), counts.get("cancelling", 0)
            if not at_once and not told:
                return Report("nothing to cancel: the flow has ended", "warning")
            parts = [f"{at_once:,} cancelled"] if at_once else []
            parts += [f"{told:,} running told to stop"] if told else []
            return Report(", ".join(parts), changed=at_once + told)

        return await self._one(ask)

    async def remove_flow(self, flow_id: str, queue: str) -> Report:
        """Remove an ended flow with its jobs."""

        async def ask() -> Report:
            count = await self.backend.remove_flow(flow_id, queue=queue)
            return Report(f"flow removed with its {counted(count, 'job')}", changed=count)

        return await self._one(ask)

    async def pause(self, queue: str, paused: bool) -> Report:
        """Give out no jobs of a queue, or give them out again."""

        async def ask() -> Report:
            await (self.backend.pause(queue) if paused else self.backend.resume(queue))
            return Report(f"{queue} {'paused: running jobs finish, none start' if paused else 'resumed'}")

        return await self._one(ask)

    async def stop_repeat(self, queue: str, repeat_id: str) -> Report:
        """Enqueue no further copies."""

        async def ask() -> Report:
            stopped = await self.backend.stop_repeat(queue, repeat_id)
            return Report("stopped: no more copies", changed=1) if stopped else Report("was gone", "warning")

        return await self._one(ask)

    async def _each(self, ask: Ask, ids: Iterable[str], queue: str | None) -> Report:
        wanted = list(dict.fromkeys(ids))
        answers: dict[str, str] = {}

        async def work() -> Report:
            for start in range(0, len(wanted), BATCH):
                answers.update(await ask(wanted[start : start + BATCH], queue=queue))
            return sentence(answers)

        report = await self._one(work)
        if report.severity == "error" and answers:
            done = sentence(answers)
            return Report(f"{done.text}; then: {report.text}", "error", done.changed)
        return report

    async def _one(self, work: Callable[[], Awaitable[Report]]) -> Report:
        if self.read_only:
            return Report("read-only: started with --read-only", "warning")
        try:
            return await work()
        except Refused as refused:
            return Report(str(refused), "warning")
        except (FlowError, OSError, TimeoutError) as error:
            return Report(str(error) or type(error).__name__, "error")
