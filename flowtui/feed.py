"""The one task that reads the backend's events: a snapshot, then what follows, as one message per frame."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final, cast

from textual.message import Message
from textual.message_pump import MessagePump

from core.backends.base import Overview, Watching
from core.errors import BackendError, FlowError, Gap, NotFound
from core.events import Event
from flowtui.board import Board
from flowtui.flowboard import FlowBoard
from flowtui.messages import ConnectionLost, ConnectionRestored, StoreReplaced
from flowtui.rates import SECONDS_KEPT

FRAME: Final = 0.1
"""Seconds between two announcements, however many events arrive."""
CROWD: Final = 50
"""Events in one batch from which on the feed lets more gather before it reads again."""
BITE: Final = 500
"""Events digested in one go (about 2 ms); between two goes a key may have its turn."""
SILENCE: Final = 5.0
"""Seconds without even an empty batch after which the store is taken for lost."""
TELL_EVERY: Final = 1.0
"""Seconds between two words on a lost store: how long until the next try, and the data grows older."""
CATCH_UP: Final = 200_000
"""More events than this are not caught up one by one after a lost connection; a fresh snapshot is cheaper."""
IDLE_REFRESH: Final = 3.0
"""Least seconds between two looks at workers and pauses while no event arrives."""
_LONGEST_WAIT: Final = 10.0


class BoardChanged(Message):
    """The board knows something new. Many in a row collapse into one: all read the same board."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self.board = board

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, BoardChanged)


class Feed:
    """Keeps a `Board` true and tells its subscribers. Start it with `await feed.run()` in a task of the app.

    `queues` are exact names to follow; patterns need all queues followed, the board then keeps what it watches.
    `wall` is this process's clock; the store's clock is learned from each snapshot.
    """

    def __init__(
        self,
        backend: Watching,
        board: Board | None = None,
        *,
        frame: float = FRAME,
        refresh: float = 2.0,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.backend = backend
        self.board = board or Board()
        self.frame, self.refresh = frame, refresh
        self.lost: ConnectionLost | None = None
        """The last bad news, as long as it is true."""
        self.ping: float | None = None
        """Seconds the last question to the store took."""
        self._wall = wall
        self._ahead = 0.0
        self._heard = time.monotonic()
        self._moved = -math.inf
        self._lost_at: dict[str, int] = {}
        self._ready = asyncio.Event()
        self._subscribers: dict[MessagePump, None] = {}
        self._flush: asyncio.TimerHandle | None = None
        self._flushed = 0.0
        self._retry_now = asyncio.Event()

    # ---- who listens ---------------------------------------------------------------------------------------------

    def subscribe(self, target: MessagePump) -> None:
        """Send `target` every message from now on, and at once what is known already."""
        self._subscribers[target] = None
        if self._ready.is_set():
            target.post_message(BoardChanged(self.board))
        if self.lost is not None:
            target.post_message(ConnectionLost(self.lost.reason, self.lost.retry_in))

    def unsubscribe(self, target: MessagePump) -> None:
        """Send `target` nothing any more."""
        self._subscribers.pop(target, None)

    def _tell(self, make: Callable[[], Message]) -> None:
        for target in list(self._subscribers):
            if target.is_running:
                target.post_message(make())

    def announce(self) -> None:
        """Tell the subscribers that the board changed, at most once per frame."""
        if self._flush is not None:
            return
        loop = asyncio.get_running_loop()
        # The first change after a pause is shown at once; only what follows on its heels waits for the next frame.
        self._flush = loop.call_at(max(loop.time(), self._flushed + self.frame), self._announce_now)

    def _announce_now(self) -> None:
        self._flush = None
        self._flushed = asyncio.get_running_loop().time()
        self._tell(lambda: BoardChanged(self.board))

    # ---- time ----------------------------------------------------------------------------------------------------

    def now(self) -> float:
        """The store's clock, as far as it is known: seconds since the epoch."""
        return self._wall() + self._ahead

    @property
    def age(self) -> float:
        """Seconds since the store was last heard of."""
        return time.monotonic() - self._heard

    async def ready(self) -> None:
        """Wait until there is something to show."""
        await self._ready.wait()

    # ---- following -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow for ever; a lost store is asked again with growing pauses. Ends only when it is cancelled."""
        failures = 0
        try:
            while True:
                heard = self._heard
                try:
                    await self._follow()
                except Gap:
                    self.board.stale = True
                    await asyncio.sleep(self.frame)
                except (BackendError, TimeoutError, OSError) as error:
                    failures = 1 if self._heard > heard else failures + 1
                    await self._pause(error, min(0.5 * 2 ** (failures - 1), _LONGEST_WAIT))
        finally:
            if self._flush is not None:
                self._flush.cancel()
                self._flush = None

    def retry_now(self) -> None:
        """Ask a lost store at once instead of after the pause."""
        self._retry_now.set()

    async def _pause(self, error: Exception, seconds: float) -> None:
        """Wait, and say each second how old the data is."""
        reason = str(error) or "the engine does not answer"
        end = time.monotonic() + seconds
        self._retry_now.clear()
        while (left := end - time.monotonic()) > 0:
            self._tell_lost(reason, left)
            try:
                await asyncio.wait_for(self._retry_now.wait(), min(left, TELL_EVERY))
            except TimeoutError:
                continue
            return

    def _tell_lost(self, reason: str, left: float) -> None:
        self.lost = ConnectionLost(reason, left)
        self._tell(partial(ConnectionLost, reason, left))

    async def _tell_trying(self, reason: str) -> None:
        """A try may hang for as long as `SILENCE`."""
        while True:
            self._tell_lost(reason, 0.0)
            await asyncio.sleep(TELL_EVERY)

    async def _follow(self) -> None:
        await self._snapshot()
        polling = asyncio.create_task(self._poll(), name="flowtui poll")
        try:
            async with aclosing(self._batches()) as batches:
                while True:
                    async with asyncio.timeout(SILENCE):
                        batch = await anext(batches)
                    self._heard = time.monotonic()
                    if await self._digest(batch):
                        self.announce()
                    if self.board.stale:
                        return
                    if len(batch) >= CROWD:
                        # In a storm, few large readings cost far less than many small ones, and a frame shows both.
                        await asyncio.sleep(self.frame / 2)
                    if batch:
                        self._moved = self._heard
                    else:
                        self.board.tick(self.now())
                        if self._heard - self._moved < SECONDS_KEPT:
                            self.announce()  # rates fall and curves move on; after that only polling finds news
                    if any(flow.stale for flow in self.board.flows.values()):
                        await self._reopen()
        finally:
            polling.cancel()

    async def _digest(self, batch: Sequence[Event]) -> bool:
        """Have the board take over a batch, however large, without holding up the keys."""
        changed = self.board.digest(batch[:BITE])
        for start in range(BITE, len(batch), BITE):
            await asyncio.sleep(0)
            changed |= self.board.digest(batch[start : start + BITE])
        return changed

    def _batches(self) -> AsyncGenerator[list[Event], None]:
        # Every backend's are generators: closing them gives their connection back at once.
        return cast(
            "AsyncGenerator[list[Event], None]",
            self.backend.event_batches(self.board.position, self._exact()),
        )

    def _exact(self) -> Sequence[str] | None:
        """The queues to ask for by name; None for all, also where a pattern decides."""
        watch = self.board.watch
        return watch if watch and not any(set(name) & set("*?[") for name in watch) else None

    async def _snapshot(self) -> None:
        trying = asyncio.create_task(self._tell_trying(self.lost.reason)) if self.lost is not None else None
        try:
            overview = await self._ask_overview()
        finally:
            if trying is not None:
                trying.cancel()
        board = self.board
        behind = 0
        for info in overview.queues:
            queue = board.queues.get(info.name)
            if queue is not None:
                behind += info.seq - queue.seq
        if board.stale or behind > CATCH_UP or not board.queues:
            board.reset(overview)
            await self._reopen()
        else:
            board.refresh(overview)
        was_lost, self.lost = self.lost, None
        self._ready.set()
        if was_lost is not None:
            self._tell(ConnectionRestored)
        self.announce()

    async def _ask_overview(self) -> Overview:
        begun, position = time.perf_counter(), self.board.position
        async with asyncio.timeout(SILENCE):
            overview = await self.backend.overview(self._exact())
        self.ping = time.perf_counter() - begun
        self._heard = time.monotonic()
        if overview.at:  # a store without any queue tells no time
            self._ahead = overview.at - self._wall()
        if any(seq > overview.position.get(name, 0) for name, seq in position.items()):
            self.board.stale = True  # not the store that it was: another one, or one that was emptied
            if position != self._lost_at:  # the task that follows and the one that polls both see it
                self._lost_at = dict(position)
                before = sum(queue.total for queue in self.board.queues.values())
                now = sum(
                    sum(info.counts.values()) for info in overview.queues if self.board.watches(info.name)
                )
                self._tell(partial(StoreReplaced, before, now))
        return overview

    async def _poll(self) -> None:
        """Ask now and then for what no event tells: workers, pauses."""
        version = -1
        while True:
            # Where nothing moves, a store with many watchers should hear little from them.
            idle = self.board.version == version
            await asyncio.sleep(max(self.refresh, IDLE_REFRESH) if idle else self.refresh)
            try:
                self.board.refresh(await self._ask_overview())
            except (FlowError, TimeoutError, OSError):
                continue  # the task that follows meets the same store and says so
            version = self.board.version
            self.announce()

    async def look(self) -> None:
        """Ask for workers and pauses now: after an action that no event tells of."""
        self.board.refresh(await self._ask_overview())
        self.announce()

    # ---- flows ---------------------------------------------------------------------------------------------------

    async def open_flow(self, flow_id: str, queue: str | None = None) -> FlowBoard:
        """Hold a flow job by job and keep it true. Raises NotFound, BackendError."""
        self.board.expect(flow_id)
        try:
            snapshot = await self.backend.flow_snapshot(flow_id, queue=queue)
        except BaseException:
            self.board.forget(flow_id)
            raise
        flow = self.board.open(snapshot)
        self.announce()
        return flow

    async def _reopen(self) -> None:
        """Take fresh snapshots of the flows that are no longer known to be true; those that are gone are let go."""
        for flow in [flow for flow in self.board.flows.values() if flow.stale]:
            try:
                await self.open_flow(flow.id, flow.queue)
            except NotFound:
                self.board.flows.pop(flow.id, None)
        self.announce()
