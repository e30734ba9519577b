"""Pages of flows, filtered: `state:failed name:etl* queue:nightly age>1h !word`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from core.backends.base import Watching
from core.jobs import FlowRecord, FlowState
from flowtui.board import Board
from flowtui.filter import FilterError, seconds_of

PAGE: Final = 100
STEP: Final = 0.2
"""Seconds of looking in one go."""
_KEYS: Final = ("state", "name", "queue", "id")


@dataclass(frozen=True, slots=True)
class FlowFilter:
    """What a filter line over flows asks for: (key, operator, value, negated) terms, all of which must hold."""

    text: str = ""
    terms: tuple[tuple[str, str, str, bool], ...] = ()

    def matches(self, flow: FlowRecord, now: float) -> bool:
        """Whether a flow is meant."""
        return all(_holds(flow, now, key, op, value) != negated for key, op, value, negated in self.terms)

    @property
    def state(self) -> FlowState | None:
        """The one state that can match, where the filter names one exactly."""
        for key, _, value, negated in self.terms:
            if key == "state" and not negated and value in list(FlowState):
                return FlowState(value)
        return None


def parse_flows(text: str) -> FlowFilter:
    """The filter that `text` asks for. Raises `FilterError`."""
    terms = []
    for word in text.split():
        negated = word.startswith("!")
        word = word[negated:]
        for op in (">=", "<=", ">", "<", ":", "="):
            key, found, value = word.partition(op)
            if found and key.lower() in (*_KEYS, "age", "took"):
                terms.append(_term(key.lower(), op, value, negated))
                break
        else:
            if word:
                terms.append(("", ":", word.casefold(), negated))
    return FlowFilter(text.strip(), tuple(terms))


def _term(key: str, op: str, value: str, negated: bool) -> tuple[str, str, str, bool]:
    if key in ("age", "took"):
        if seconds_of(value) is None or op in (":", "="):
            raise FilterError(f"{key} needs a duration, for example {key}>1h")
        return key, op, value, negated
    if not value:
        raise FilterError(f"{key}: needs a value")
    if key == "state":
        value = {"done": "completed", "active": "running"}.get(value.lower(), value.lower())
        if not any(state.startswith(value) for state in FlowState):
            raise FilterError(f"no state '{value[:40]}'; a flow is {', '.join(FlowState)}")
    return key, op, value, negated


def _holds(flow: FlowRecord, now: float, key: str, op: str, value: str) -> bool:
    if key == "":
        return value in flow.name.casefold() or value in flow.id.casefold() or value in flow.queue.casefold()
    if key in ("age", "took"):
        limit = seconds_of(value) or 0.0
        end = flow.finished_at if flow.finished_at is not None else now
        have = now - flow.created_at if key == "age" else end - (flow.started_at or end)
        return {">": have > limit, "<": have < limit, ">=": have >= limit, "<=": have <= limit}[op]
    text = str(getattr(flow, key)).casefold()
    wanted = value.casefold()
    return fnmatchcase(text, wanted) if set(wanted) & set("*?[") else text.startswith(wanted)


@dataclass(slots=True)
class FlowPage:
    """Flows `start`... of the list; `total` is how many are known to be there."""

    rows: list[FlowRecord]
    total: int
    complete: bool = True
    """Whether that is all of them."""


@dataclass
class FlowPages:
    """The flows of the queues that a board watches."""

    backend: Watching
    board: Board
    filter: FlowFilter = field(default_factory=FlowFilter)

    def _queue(self) -> str | None:
        watch = self.board.watch
        exact = len(watch) == 1 and not set(watch[0]) & set("*?[")
        return watch[0] if exact else None

    async def page(self, start: int, count: int) -> FlowPage:
        """The flows from `start` on, newest first. Raises BackendError."""
        if not self.filter.terms and (not self.board.watch or self._queue() is not None):
            rows = await self.backend.list_flows(self._queue(), offset=start, limit=count + 1)
            more = len(rows) > count
            return FlowPage(rows[:count], start + len(rows[:count]) + (1 if more else 0), not more)
        deadline = time.perf_counter() + STEP
        found: list[FlowRecord] = []
        offset, complete = 0, False
        while len(found) <= start + count and time.perf_counter() < deadline:
            rows = await self.backend.list_flows(
                self._queue(), state=self.filter.state, offset=offset, limit=PAGE
            )
            now = self.board.at
            found.extend(
                row for row in rows if self.board.watches(row.queue) and self.filter.matches(row, now)
            )
            offset += len(rows)
            if len(rows) < PAGE:
                complete = True
                break
        return FlowPage(found[start : start + count], len(found), complete)
