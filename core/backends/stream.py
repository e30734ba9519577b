"""Following the events of Redis queues: in order, without holes, or with a `Gap` that says so."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from core.backends.records import STATES, entry_events
from core.backends.store import Store, prefix
from core.errors import Gap
from core.events import Event, Position

BLOCK: Final = 1000
"""Milliseconds that one read waits for news."""
LOOK: Final = 1.0
"""Seconds between looks for queues born since."""
BITE: Final = 500
"""Events taken apart in one go (about 2 ms), so that whoever follows a storm can do other things as well."""


class Follower:
    """Reads on from a position. `strict` are the queues whose position the caller named: nothing may be missing."""

    def __init__(
        self, store: Store, positions: dict[str, int], strict: frozenset[str], queues: Sequence[str] | None
    ) -> None:
        self._store = store
        self._connection = store._connection
        self._positions = positions
        self._strict = strict
        self._all = queues is None
        self._looked = asyncio.get_running_loop().time()

    @classmethod
    async def start(cls, store: Store, after: Position, queues: Sequence[str] | None) -> Follower:
        """Take up the position. Raises Gap when a store has not come that far: it lost events."""
        names = list(await store.queues() if queues is None else queues)
        seqs = await store._connection.pipeline(("HGET", prefix(name) + "meta", "seq") for name in names)
        now = {name: int(seq or 0) for name, seq in zip(names, seqs, strict=True)}
        if after is None:
            return cls(store, now, frozenset(names), queues)
        wanted = {name: after if isinstance(after, int) else after.get(name, 0) for name in names}
        for name, seq in wanted.items():
            if seq > now[name]:
                raise Gap(
                    f"queue '{name}' has {now[name]} events, not {seq}: the store lost some; take a new snapshot"
                )
        strict = frozenset(names if isinstance(after, int) else (name for name in names if name in after))
        return cls(store, wanted, strict, queues)

    async def next(self) -> list[Event]:
        """The next events, or an empty list after about a second without any."""
        loop = asyncio.get_running_loop()
        if self._all and loop.time() - self._looked > LOOK:
            self._looked = loop.time()
            for name in await self._store.queues():
                self._positions.setdefault(name, 0)
        if not self._positions:
            await asyncio.sleep(LOOK / 4)
            return []
        groups = [[name] for name in self._positions] if self._connection.cluster else [list(self._positions)]
        reads = [asyncio.ensure_future(self._read(group)) for group in groups]
        try:
            await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED)
            events: list[Event] = []
            for read in reads:
                if read.done():
                    # Only what is handed on moves the position: a read that is cancelled below is simply read again.
                    found, positions = read.result()
                    events += found
                    self._positions.update(positions)
            return events
        finally:
            for read in reads:
                read.cancel()
            await asyncio.gather(*reads, return_exceptions=True)

    async def _read(self, names: Sequence[str]) -> tuple[list[Event], dict[str, int]]:
        client = self._connection.blocking
        keys = [prefix(name) + "ev" for name in names]
        seen = {name: self._positions[name] for name in names}

        async def call() -> Any:
            return await client.execute_command(
                "XREAD",
                "COUNT",
                100,
                "BLOCK",
                BLOCK,
                "STREAMS",
                *keys,
                *(f"{seen[name]}-0" for name in names),
            )

        # Not repeated: the server that answers next may have lost what this one had, and a position with it.
        answer = await self._connection.run(call, repeat=False, timeout=BLOCK / 1000 + 15.0)
        events: list[Event] = []
        turned = 0
        for key, entries in answer or ():
            queue = names[keys.index(key)]
            for entry_id, fields in entries:
                last = int(entry_id.partition("-")[0])
                events += await self._entry(queue, seen[queue], last, fields)
                seen[queue] = last
                if len(events) - turned >= BITE:
                    turned = len(events)
                    await asyncio.sleep(0)
        return events, seen

    async def _entry(self, queue: str, seen: int, last: int, fields: dict[str, str]) -> list[Event]:
        first = last - int(fields["n"]) + 1
        if first > seen + 1 and (seen > 0 or queue in self._strict):
            raise Gap(
                f"events {seen + 1} to {first - 1} of queue '{queue}' are no longer kept; take a new snapshot"
            )
        if fields["n"] == "0":  # events were lost, and the doctor says so by this
            return []
        if "F" in fields:
            found = await self._flow_added(queue, last, fields)
        else:
            found = entry_events(queue, last, fields)
        return found if first > seen else [event for event in found if event.seq > seen]

    async def _flow_added(self, queue: str, last: int, fields: dict[str, str]) -> list[Event]:
        """One entry stands for all jobs of a large flow; they are read from the flow itself."""
        flow_id, count = fields["F"], int(fields["n"])
        at, seq = int(fields["t"]) / 1000, last - count
        events: list[Event] = []
        for offset in range(0, count, 500):
            answer = await self._store._script("read", queue, "page", "", f"flow:{flow_id}", offset, 500, 0)
            for i in range(0, len(answer), 8):
                seq += 1
                events.append(Event(seq, at, queue, flow_id, answer[i], None, STATES[answer[i + 1][-1]]))
        if seq != last:
            raise Gap(f"flow '{flow_id}' was removed while its events were read; take a new snapshot")
        return events
