"""Is what a queue in Redis keeps consistent? Every check is one short script; in between the queue goes on working.

`core.doctor` tells what is found; `lua/check.lua`, `lua/checkflow.lua` and `lua/sweep.lua` look.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.backends.records import STATES
from core.backends.store import Store, prefix

_BATCH: Final = 100
_TRIES: Final = 5
_ROWS: Final = (
    "data",
    "result",
    "error",
    "prog",
    "logn",
    "up",
    "down",
    "parked",
    "repeat",
    "about",
    "opres",
    "opc",
)
_INDEXES: Final = (*(f"s:{letter}" for letter in STATES), "park", "ttl", "repeats", "flows", "ended")
_FIXED: Final = frozenset(
    {
        *_ROWS,
        *_INDEXES,
        "meta",
        "jobs",
        "flow",
        "pins",
        "ops",
        "staging",
        "ev",
        "wake",
        "workers",
        "seen",
        "wtasks",
    }
    | {"declared"}
)
_KINDS: Final = {
    **dict.fromkeys((*_INDEXES, "seen", "fj:", "arm:", "ext:"), "zset"),
    **dict.fromkeys(("ops", "wake", "log:"), "list"),
    "ev": "stream",
}
"""What type of key the engine keeps under a name (or what begins so); hashes are left out."""
STAGING_FOR: Final = 3600.0
"""Seconds after which a flow that was begun and not committed is taken for abandoned."""


@dataclass(slots=True)
class Damage:
    """Something wrong with one job, flow or key (`subject`), in a sentence."""

    subject: str
    sentence: str
    repaired: bool


class QueueCheck:
    """One look over one queue. `jobs` counts what was seen; `unsure` what moved too fast to be judged."""

    def __init__(self, store: Store, queue: str, repair: bool) -> None:
        self._store, self._queue, self._repair = store, queue, repair
        self._keys = prefix(queue)
        self.jobs = self.unsure = 0
        self.damages: list[Damage] = []

    async def run(self) -> None:
        """Look at everything. Jobs first: flows are counted after the states of their jobs are right."""
        await self._types()
        if any(not damage.repaired for damage in self.damages):
            return  # every script that meets such a key ends with an error
        await self._steps()
        await self._check_jobs()
        await self._check_flows()
        for column in (*_ROWS, "workers", "wtasks"):
            await self._sweep(column, self._scan("HSCAN", column))
        for column in _INDEXES:
            await self._sweep(column, self._scan("ZSCAN", column))
        await self._sweep("key", self._names())
        await self._staging()
        await self._counters()

    async def _script(self, name: str, *args: Any) -> Any:
        return await self._store._script(name, self._queue, *args, repeat=not self._repair)

    async def _command(self, *args: Any) -> Any:
        return await self._store._connection.command(*args)

    def _found(self, subject: str, sentence: str, repaired: bool) -> None:
        self.damages.append(Damage(subject, sentence, repaired))

    async def _scan(self, command: str, column: str) -> AsyncIterator[list[str]]:
        """Names in a hash or sorted set, a page at a time."""
        cursor = "0"
        while True:
            cursor, page = await self._command(command, self._keys + column, cursor, "COUNT", 2 * _BATCH)
            # A small hash answers whole, whatever the count.
            names = list(page) if isinstance(page, dict) else [name for name, _ in page]
            for start in range(0, len(names), _BATCH):
                yield names[start : start + _BATCH]
            if str(cursor) == "0":
                return

    async def _names(self) -> AsyncIterator[list[str]]:
        """What the keys of the queue are called after its prefix, the fixed ones left out."""
        names: list[str] = []
        async for key in self._store._connection.client.scan_iter(match=f"{self._keys}*", count=1000):
            name = str(key).removeprefix(self._keys)
            if name not in _FIXED:
                names.append(name)
            if len(names) >= _BATCH:
                yield names
                names = []
        yield names

    async def _types(self) -> None:
        """Keys that hold another kind of value than the engine keeps there: another program wrote them."""
        await self._check_types(sorted(_FIXED))
        async for names in self._names():
            await self._check_types([name for name in names if name.partition(":")[0] + ":" in _KINDS])

    async def _check_types(self, names: Sequence[str]) -> None:
        kinds = await self._store._connection.pipeline(("TYPE", self._keys + name) for name in names)
        for name, kind in zip(names, kinds, strict=True):
            right = _KINDS.get(name) or _KINDS.get(name.partition(":")[0] + ":", "hash")
            if kind in ("none", right):
                continue
            self._found(
                name,
                f"key {self._keys}{name} is a {kind}, where a {right} belongs; nobody can work on this queue "
                "until it is removed",
                self._repair,
            )
            if self._repair:
                await self._command("DEL", self._keys + name)

    async def _steps(self) -> None:
        """Steps that nobody works off: the queue cannot be judged before they are done."""
        first = await self._command("LINDEX", self._keys + "ops", 0)
        if first is None:
            return
        for _ in range(10):
            await asyncio.sleep(0.1)
            if await self._command("LINDEX", self._keys + "ops", 0) != first:
                return
        left = await self._command("LLEN", self._keys + "ops")
        self._found("steps", f"{left} pending steps are not worked off: no worker runs", self._repair)
        while self._repair and await self._store._script("pump", self._queue):
            pass

    async def _check_jobs(self) -> None:
        for last in range(_TRIES):
            before = await self._position()
            self.jobs = self.unsure = highest = 0
            pins: Counter[str] = Counter()
            async for ids in self._scan("HSCAN", "jobs"):
                self.jobs += len(ids)
                while ids:
                    found, held, order, unsure, done = await self._script("check", int(self._repair), *ids)
                    ids = ids[done:]
                    for i in range(0, len(found), 4):
                        self._found(found[i], _job_sentence(found[i + 1], found[i + 2]), found[i + 3] == "1")
                    pins.update(name for names in held for name in names.split())
                    highest, self.unsure = max(highest, int(order)), self.unsure + unsure
            now = await self._position()
            if now == before:
                await self._check_pins(pins, highest, before)
                return
            if self.damages and self._repair and last < _TRIES - 1:
                continue  # our own repairs moved it: what was repaired is looked at again
            if not any(pins) and not await self._command("EXISTS", self._keys + "pins"):
                return

    async def _position(self) -> tuple[Any, ...]:
        """Changes whenever any job does."""
        return (
            *await self._command("HMGET", self._keys + "meta", "seq", "order"),
            await self._command("HLEN", self._keys + "staging"),
        )

    async def _check_pins(self, right: Counter[str], highest: int, position: tuple[Any, ...]) -> None:
        answer = await self._command("HGETALL", self._keys + "pins")
        pairs = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
        shown = {name: _number(count) for name, count in pairs.items()}
        if position != await self._position():
            return
        for name in sorted(shown.keys() | right.keys()):
            if shown.get(name, 0) == right[name]:
                continue
            what = f"{'flow' if name.startswith('f:') else 'job'} {name[2:]}"
            self._found(
                name,
                f"{what} is held for {shown.get(name, 0)} jobs of other flows, but {right[name]} need it",
                self._repair,
            )
            if self._repair and right[name]:
                await self._command("HSET", self._keys + "pins", name, right[name])
            elif self._repair:
                await self._command("HDEL", self._keys + "pins", name)
        if highest > _number(position[1]):
            self._found(
                "meta", f"the last submission number is {position[1]}, but a job has {highest}", self._repair
            )
            if self._repair:
                await self._command("HSET", self._keys + "meta", "order", highest)

    async def _check_flows(self) -> None:
        seen: set[str] = set()
        async for flows in self._scan("HSCAN", "flow"):
            for flow in flows:
                seen.add(flow)
                await self._check_flow(flow)
        # Flows of which only the jobs are left: the keys tell their names.
        async for names in self._names():
            for name in names:
                if name.startswith("fj:") and name[3:] not in seen:
                    await self._check_flow(name[3:])

    async def _check_flow(self, flow: str) -> None:
        for _ in range(_TRIES):
            at, seq, counts = 0, "", "0 0 0 0 0 0 0 0 0"
            while True:
                word, *answer = await self._script("checkflow", int(self._repair), flow, at, seq, counts)
                if word != "more":
                    break
                at, (seq, counts) = at + 2000, answer
            if word == "done":
                for i in range(0, len(answer), 3):
                    self._found(flow, _flow_sentence(answer[i], answer[i + 1]), answer[i + 2] == "1")
                return
            await asyncio.sleep(0.02)
        self.unsure += 1

    async def _sweep(self, column: str, pages: AsyncIterator[list[str]]) -> None:
        async for names in pages:
            if not names:
                continue
            lone = await self._script("sweep", int(self._repair and column != "opres"), column, *names)
            if lone and column == "opres":
                # Whoever asked for a removal reads its count just after it.
                await asyncio.sleep(0.3)
                lone = await self._script("sweep", int(self._repair), column, *lone)
            for name in lone:
                where = f"key {self._keys}{name}" if column == "key" else f"entry '{name}' of {column}"
                self._found(name, f"{where} belongs to nothing", self._repair)

    async def _staging(self) -> None:
        answer = await self._command("HGETALL", self._keys + "staging")
        pairs = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
        now = float((await self._store._script("overview", self._queue))[2])
        for flow, text in pairs.items():
            age = (now - float(text.rpartition(" ")[2])) / 1000
            if age > STAGING_FOR:
                self._found(
                    flow,
                    f"flow {flow} was begun {age / 3600:.1f} hours ago and never completed",
                    self._repair,
                )
                while self._repair and await self._store._script("abort", self._queue, flow):
                    pass

    async def _counters(self) -> None:
        """The number of the last event and the stream must go together, or followers would wait for ever."""
        for _ in range(_TRIES):
            seq = _number(await self._command("HGET", self._keys + "meta", "seq"))
            newest = await self._command("XREVRANGE", self._keys + "ev", "+", "-", "COUNT", 1)
            last = int(str(newest[0][0]).partition("-")[0]) if newest else 0
            if last == seq or (not newest and seq == 0):
                return
            if seq == _number(await self._command("HGET", self._keys + "meta", "seq")):
                self._found(
                    "meta", f"{seq} events are counted, but the last one has the number {last}", self._repair
                )
                if self._repair and last > seq:
                    await self._command("HSET", self._keys + "meta", "seq", last)
                elif self._repair:
                    # An entry without events: whoever follows from before it is told that some are gone.
                    seq = await self._command("HINCRBY", self._keys + "meta", "seq", 1)
                    await self._command("XADD", self._keys + "ev", f"{seq}-0", "t", 0, "n", 0, "e", "")
                return


def _number(text: object) -> int:
    """A count that the store keeps; 0 for what is none."""
    try:
        return int(str(text))
    except ValueError:
        return 0


def _word(letter: str) -> str:
    return "parked" if letter == "p" else STATES[letter].value


def _job_sentence(what: str, detail: str) -> str:
    parts = detail.split(" ")
    if what == "index":
        return f"is {_word(detail[0])}, but listed as {_word(detail[1])}"
    if what == "unindexed":
        return f"is {_word(detail)}, but not listed so: nobody would find it"
    if what == "counters":
        return (
            f"waits for {parts[0]} upstreams ({parts[1]} not completed) by its counters, "
            f"for {parts[2]} ({parts[3]}) by their states"
        )
    if what == "stuck":
        means = {"go": "must start", "skip": "must be skipped", "wait": "must wait"}[parts[1]]
        return f"is {_word(parts[0])}, but by its upstreams it {means}"
    if what == "early":
        return f"is {_word(parts[0])} before its upstreams allow it"
    return {
        "record": "has a record that cannot be read",
        "unended": "has ended, but retention does not know of it",
        "unlisted": f"belongs to flow {detail}, which does not list it",
        "unlinked": f"waits for {detail}, which does not know of it",
        "ups": f"depends on {parts[0]} jobs, but {parts[-1]} are kept",
        "upgone": f"waits for {detail}, which is gone",
        "page": f"has lost a part of the list of those that wait for it (page {detail})",
        "leaseless": "is active without a lease",
        "hold": "has ended but holds back others, or the other way round",
        "payload": "has lost its payload",
    }[what]


def _flow_sentence(what: str, detail: str) -> str:
    if what == "counts":
        shown, right = (
            ", ".join(
                f"{n} {_word(letter)}"
                for letter, n in zip("bwdacfkxe", side.split(), strict=True)
                if n != "0"
            )
            for side in detail.split("\n")
        )
        return f"counts {shown or 'nothing'}, but has {right or 'nothing'}"
    if what == "state":
        return "is shown as {}, but is {}".format(*detail.split(" "))
    return {
        "fewer": f"lists job {detail}, which is gone",
        "recordless": "has jobs but no record",
        "unreadable": "has a record that cannot be read",
        "nameless": "has lost its name and digest",
        "unlisted": "is not in the list of flows",
        "ended": f"is {detail}, but retention has it otherwise",
    }[what]
