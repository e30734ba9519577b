"""What all parts of the Redis backend share: the connection, the names of keys, and where a job lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

from core.backends.connection import Connection
from core.backends.records import job_record
from core.errors import BackendError, NotFound, in_several
from core.jobs import JobRecord, check_name

QUEUES: Final = "flowtui:queues"
"""The set of queue names: the one key that belongs to no queue."""

REGISTER_EVERY: Final = 5.0
"""Seconds for which a queue's name is taken to be in that set."""


def prefix(queue: str) -> str:
    """What the keys of `queue` start with; the braces keep them on one node of a cluster."""
    return f"flowtui:{{{queue}}}:"


def ids_of(ids: str | Iterable[str]) -> list[str]:
    """One id or many, as a list without repeats."""
    return [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))


class Store:
    """A server with queues."""

    def __init__(self, url: str = "redis://localhost:6379/0", **options: Any) -> None:
        self._connection = Connection(url, **options)
        self.url = self._connection.shown
        self._known: dict[str, float] = {}
        self._asked: dict[str, asyncio.Future[None]] = {}
        self._home: dict[tuple[str, str], str] = {}

    async def _script(self, name: str, queue: str, *args: Any, repeat: bool = True) -> Any:
        return await self._connection.script(name, prefix(queue), *args, repeat=repeat)

    def _check_queue(self, queue: str) -> None:
        """Raise InvalidJob for what can be no queue's name: it is part of every key."""
        if queue not in self._known:
            check_name(queue, "queue")

    async def _register(self, queue: str) -> None:
        """Make `queue` findable; again after a while, for the server may have lost it.

        Called after something was added, not before: what is refused leaves nothing behind. A producer that dies in
        between was not answered, and the queue is found again by whoever adds to it or works on it next.
        """
        if time.monotonic() - self._known.get(queue, -REGISTER_EVERY) >= REGISTER_EVERY:
            check_name(queue, "queue")
            # Many that add at once ask once, and one of them that is cancelled leaves it to the others.
            asked = self._asked.get(queue)
            if asked is None or asked.done() or asked.get_loop() is not asyncio.get_running_loop():
                asked = self._asked[queue] = asyncio.ensure_future(self._tell(queue))
            await asyncio.shield(asked)

    async def _tell(self, queue: str) -> None:
        now = time.monotonic()
        await self._connection.command("SADD", QUEUES, queue)
        self._known[queue] = now

    async def queues(self) -> list[str]:
        """Names of the queues that ever had a job, sorted."""
        return sorted(await self._connection.command("SMEMBERS", QUEUES))

    async def _read(self, queue: str, ids: Sequence[str], wanted: str = "ru") -> list[JobRecord]:
        """The records of those of `ids` that `queue` has."""
        records = []
        for start in range(0, len(ids), 500):
            answer = await self._script("read", queue, "ids", wanted, *ids[start : start + 500])
            records += [job_record(queue, answer[i : i + 8]) for i in range(0, len(answer), 8)]
        return records

    async def _homes(
        self, what: str, ids: Sequence[str], queue: str | None, *, remembered: bool = False
    ) -> dict[str, list[str]]:
        """Which queue has which jobs, or flows: queue -> ids. An id that nobody has is in none of them.

        Without `queue` all are asked, in one round trip, for an id does not tell its queue; what was found is
        remembered for whoever only reads. Raises Refused for an id that several have.
        """
        if queue is not None:
            self._check_queue(queue)
            return {queue: [*ids]}
        homes: dict[str, list[str]] = {}
        unknown = []
        for each in ids:
            home = self._home.get((what, each)) if remembered else None
            if home is None:
                unknown.append(each)
            else:
                homes.setdefault(home, []).append(each)
        if unknown:
            field = "jobs" if what == "job" else "flow"
            queues = await self.queues()
            answers = await self._connection.pipeline(
                ("HMGET", prefix(each) + field, *unknown) for each in queues
            )
            if len(self._home) > 10_000:
                self._home.clear()
            for each, texts in zip(unknown, zip(*answers, strict=True), strict=False):
                here = [name for name, text in zip(queues, texts, strict=True) if text is not None]
                if len(here) > 1:
                    raise in_several(what, each, here)
                if here:
                    homes.setdefault(here[0], []).append(each)
                    self._home[what, each] = here[0]
        return homes

    async def _home_of(self, what: str, each: str, queue: str | None, *, remembered: bool = True) -> str:
        """The queue of one job or flow. Raises NotFound, Refused (several have it)."""
        if queue is not None:
            return queue
        homes = await self._homes(what, [each], None, remembered=remembered)
        if not homes:
            raise NotFound(f"no {what} '{each}' in any queue of {self.url}")
        return next(iter(homes))

    async def open(self) -> None:
        """Connect, and refuse a server that is too old. Raises BackendError."""
        info = await self._connection.client_info("server")
        version = str(info.get("valkey_version") or info.get("redis_version", "0"))
        if tuple(int(part) for part in version.split(".")[:2]) < (6, 2):
            raise BackendError(f"{self.url} is Redis {version}; flowtui needs Redis 6.2 or Valkey 7.2")

    async def close(self) -> None:
        """Let go of every connection; the jobs stay."""
        await self._connection.close()

    async def durability(self) -> str:
        """One sentence: what a crash of the server may lose."""
        info = await self._connection.client_info("persistence")
        if str(info.get("aof_enabled")) != "1":
            return "volatile: a crash of the server loses the jobs (append-only file off)"
        try:
            answer = await self._connection.command("CONFIG", "GET", "appendfsync")
            policy = str(next(iter(answer.values())) if isinstance(answer, dict) else answer[1])
        except (BackendError, IndexError):
            policy = "unknown"
        return {
            "always": "durable: nothing acknowledged is lost in a crash (append-only file, fsync always)",
            "everysec": "a crash of the machine may lose the last second or two (append-only file, fsync everysec)",
            "no": "a crash of the machine may lose the last half minute (append-only file, fsync left to the system)",
        }.get(policy, "append-only file on, fsync policy unknown")

    async def warnings(self) -> list[str]:
        """Sentences about settings of the server that put jobs at risk; empty when all is well."""
        found = []
        memory = await self._connection.client_info("memory")
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if int(memory.get("maxmemory", 0)) and policy != "noeviction":
            found.append(
                f"{self.url} may evict jobs when memory is short (maxmemory-policy {policy}); set noeviction"
            )
        durability = await self.durability()
        if durability.startswith("volatile"):
            found.append(f"{self.url} is {durability}; set appendonly yes")
        return found
