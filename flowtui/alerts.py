"""Says when a flow ends: on screen, and by a bell or on the desktop where asked for.

Flows that are open tell it by their events. Of the others that are watched the store is asked, now and then and only
after a job of some flow has moved.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from textual.app import App

from core.backends.base import Watching
from core.jobs import FlowRecord, FlowState
from flowtui.board import Board
from flowtui.flowboard import FlowBoard
from flowtui.states import glyph
from flowtui.text import safe
from flowtui.times import duration

WORDS: Final = ("failed", "bell", "desktop", "off")
"""What can be asked for: only of what fails; also a bell; also a notice on the desktop (OSC 9 and 777); nothing."""
PAUSE: Final = 1.0
"""Least seconds between two questions to the store."""
FOLLOWED: Final = 50
"""Running flows of a queue that are followed, the newest ones, and ended ones that are looked at each time."""
QUEUES: Final = 8
"""Queues of which the store is asked at once; the others have their turn next time."""
TOGETHER: Final = 3
"""More than so many at once are told in one sentence."""
SPELL: Final = 5.0
"""Seconds in which no more than `TOGETHER` sentences are said, as long as each stands on the screen: what ends beyond
that is told in one sentence when they are over, and the screen stays readable."""
SUCCESSES: Final = 6
"""Completed flows that are told of in a minute; where more end, only what fails is worth a word."""


def words(text: str) -> frozenset[str]:
    """The words of an option or setting such as "bell, desktop"."""
    return frozenset(text.replace(",", " ").lower().split()) & frozenset(WORDS)


@dataclass(frozen=True, slots=True)
class Told:
    """How a flow ended; `took` in seconds."""

    id: str
    name: str
    queue: str
    state: str
    took: float | None
    failed: int
    total: int

    @property
    def bad(self) -> bool:
        """Whether it did not just complete."""
        return self.state != "completed"


def of_record(flow: FlowRecord) -> Told:
    """What the store says of a flow."""
    begun = flow.started_at is not None and flow.finished_at is not None
    took = (flow.finished_at or 0.0) - (flow.started_at or 0.0) if begun else None
    return Told(flow.id, flow.name, flow.queue, str(flow.state), took, _failed(flow), flow.total)


def of_board(flow: FlowBoard) -> Told:
    """What the board knows of a flow that is open."""
    took = flow.elapsed(flow.finished_at or 0.0)
    failed = flow.counts["failed"] + flow.counts["expired"]
    return Told(flow.id, flow.name, flow.queue, str(flow.state), took, failed, flow.total)


def _failed(flow: FlowRecord) -> int:
    return flow.counts.get("failed", 0) + flow.counts.get("expired", 0)


def sentence(told: Told) -> str:
    """What happened: ✗ etl-nightly failed after 12.4s: 2 of 7 jobs failed."""
    took = duration(told.took)
    text = f"{glyph(told.state)} {safe(told.name, 40)} {told.state}" + (f" after {took}" if took else "")
    if told.failed:
        text += f": {told.failed:,} of {told.total:,} jobs failed"
    return text


def together(flows: Sequence[Told]) -> str:
    """The same of many: 12 flows: 9 completed, 3 failed (etl-nightly, mail)."""
    states = {state: [flow for flow in flows if flow.state == state] for state in map(str, FlowState)}
    ended = [f"{len(some)} {state}" for state, some in states.items() if some]
    names = list(dict.fromkeys(safe(flow.name, 30) for flow in flows if flow.bad))
    shown = ", ".join(names[:TOGETHER]) + (", …" if len(names) > TOGETHER else "")
    return f"{len(flows)} flows: {', '.join(ended)}" + (f" ({shown})" if names else "")


class Ends:
    """Learns from the store which flows of the watched queues end. Old news is no news."""

    def __init__(self, backend: Watching, board: Board) -> None:
        self.backend, self.board = backend, board
        self._seen: dict[str, dict[str, FlowRecord]] = {}
        self._positions: dict[str, int] = {}
        self._since: float | None = None
        self._version = -1
        self._more = False

    @property
    def due(self) -> bool:
        """Whether a job of some flow has moved since the last question."""
        return self._more or self.board.flow_version != self._version

    async def look(self) -> list[Told]:
        """What happened since the last look; nothing at the first one. Raises BackendError."""
        self._version, board = self.board.flow_version, self.board
        if self._since is None:
            self._since = board.at
        moved = [name for name, queue in board.queues.items() if self._positions.get(name) != queue.seq]
        self._more = len(moved) > QUEUES
        told: list[Told] = []
        for name in moved[:QUEUES]:
            position = board.queues[name].seq
            told += await self._look_at(name, self._since)
            self._positions[name] = position
        return told

    async def _look_at(self, queue: str, since: float) -> list[Told]:
        known = self._seen.get(queue, {})
        seen = {flow.id: flow for flow in await self.backend.list_flows(queue, limit=FOLLOWED)}
        for flow in await self.backend.list_flows(queue, state=FlowState.RUNNING, limit=FOLLOWED):
            seen[flow.id] = flow
        told = []
        for flow in seen.values():
            last = known.get(flow.id)
            ended = flow.state is not FlowState.RUNNING and (flow.finished_at or 0.0) > since
            if ended and (last is None or last.finished_at != flow.finished_at):
                told.append(of_record(flow))
        for flow_id in known.keys() - seen.keys():
            if known[flow_id].state is FlowState.RUNNING:
                told += await self._lost_sight(queue, flow_id)
        self._seen[queue] = seen
        return told

    async def _lost_sight(self, queue: str, flow_id: str) -> list[Told]:
        from core.errors import NotFound

        try:
            flow = await self.backend.get_flow(flow_id, queue=queue)
        except NotFound:
            return []  # whoever removed it knows
        return [of_record(flow)] if flow.state is not FlowState.RUNNING else []


class Alerts:
    """Tells the user, each thing once, in the ways that were asked for."""

    def __init__(
        self,
        app: App[None],
        how: Iterable[str] = (),
        *,
        on_screen: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app, self.how, self.on_screen = app, frozenset(how), on_screen
        self._clock = clock
        self._told: dict[tuple[str, str], float | None] = {}
        self._successes: deque[float] = deque(maxlen=SUCCESSES)
        self._hushed = False
        self._said: deque[float] = deque(maxlen=TOGETHER)
        self._held: list[Told] = []
        """What ended while enough was on the screen."""

    def opened(self, board: Board) -> None:
        """Tell of the open flows that have ended since the last call."""
        ended, board.ended = board.ended, []
        # A large flow that is retried in steps may end for a moment between two of them.
        self.tell([of_board(flow) for flow in ended if flow.state is not FlowState.RUNNING])

    def tell(self, flows: Sequence[Told]) -> None:
        """Tell what is new of this, unless it was not asked for."""
        new = [flow for flow in flows if self._new(flow)]
        if "off" in self.how:
            return
        new = [flow for flow in new if flow.bad or ("failed" not in self.how and self._rare())]
        waiting = bool(self._held)
        self._held += new
        if new and not waiting:
            self._tell_held()

    def _tell_held(self) -> None:
        now = self._clock()
        while self._said and now - self._said[0] >= SPELL:
            self._said.popleft()
        room = TOGETHER - len(self._said)
        if room <= 0:
            self.app.set_timer(self._said[0] + SPELL - now, self._tell_held)
            return
        new, self._held = self._held, []
        if len(new) > room:
            self._say(together(new), any(flow.bad for flow in new))
        else:
            for flow in new:
                self._say(sentence(flow), flow.bad)
        if "bell" in self.how:
            self.app.bell()

    def _new(self, flow: Told) -> bool:
        # Of an open flow the events tell first and the store a moment later; a retried one ends a second time.
        key = (flow.id, flow.state)
        took = round(flow.took, 3) if flow.took is not None else None
        if key in self._told and self._told[key] == took:
            return False
        self._told[key] = took
        while len(self._told) > 2000:
            del self._told[next(iter(self._told))]
        return True

    def _rare(self) -> bool:
        """Whether so few flows complete that each is worth a word. Says once when that ends."""
        now = self._clock()
        busy = len(self._successes) == SUCCESSES and now - self._successes[0] < 60
        if not busy:
            self._successes.append(now)
            self._hushed = False
        elif not self._hushed:
            self._hushed = True
            self._say("many flows complete; from now on only those that fail are told", False)
        return not busy

    def _say(self, text: str, bad: bool) -> None:
        self._said.append(self._clock())
        if self.on_screen:
            severity = "error" if bad else "information"
            self.app.notify(text, severity=severity, markup=False)  # type: ignore[arg-type]
        if "desktop" in self.how:
            desktop(self.app, text)


def desktop(app: App[None], text: str) -> None:
    """Ask the terminal to show a notice. `text` is safe: nothing in it can end the sequence."""
    driver = app._driver
    if driver is not None:
        driver.write(f"\x1b]9;flowtui: {text}\x07")
        driver.write(f"\x1b]777;notify;flowtui;{text.replace(';', ',')}\x07")
