"""Redis and Valkey as the store: the working and steering roles; `adding` and `watching` have the other two.

Every change of state is one Lua script (`lua/`), so that it is whole or not at all. `core/README.md` has the keys.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from redis import exceptions

from core.backends.adding import Adding
from core.backends.base import (
    BARRED,
    LOG_LINE_LIMIT,
    LOG_LINES_KEPT,
    STEP,
    Claim,
    Outcome,
    RetryMode,
    Turn,
    WorkerInfo,
    log_level,
    one_line,
)
from core.backends.connection import TROUBLES, script, translated
from core.backends.explain import active_below
from core.backends.records import LETTERS
from core.backends.store import ids_of, prefix
from core.backends.watching import Watching
from core.errors import BackendUnavailable, InvalidJob, NotFound, Refused
from core.jobs import TERMINAL, JobState, new_id

TURN: Final = 200
"""Most jobs that one call settles, and that it gives out."""

_KINDS: Final = {
    "completed": "c",
    "failed": "f",
    "retry": "r",
    "cancelled": "x",
    "released": "h",
    "declined": "p",
}


def _outcome(outcome: Outcome) -> str:
    """An outcome as `turn.lua` reads it."""
    head = f"{outcome.id} {outcome.token} {_KINDS[outcome.kind]}"
    if outcome.payload is None and not outcome.reason and not outcome.delay:
        return head
    return f"{head}\n{round(outcome.delay * 1000)}\n{one_line(outcome.reason)}\n{outcome.payload or ''}"


def _refused(answer: dict[str, str]) -> list[str]:
    """The ids of what a retry would only skip again."""
    return [each for each, word in answer.items() if word.startswith(BARRED)]


def _now_open(word: str) -> str:
    """The answer about a job that had ended when the retry was asked for: what is open by now runs again with it."""
    return "retried" if word.startswith("already ") else word


class RedisBackend(Adding, Watching):
    """Jobs in Redis >= 6.2 or Valkey >= 7.2: a single server, Sentinel or a Cluster.

    `url` as for `open_backend`; `keep` ended flows and single jobs are kept per queue, each for `keep_for` seconds.
    Further keyword arguments go to redis-py's client. Nothing is sent before the first use.
    """

    def __init__(
        self,
        url: str = "redis://localhost:6379/0",
        *,
        keep: int = 100_000,
        keep_for: float = 7 * 24 * 3600.0,
        **options: Any,
    ) -> None:
        super().__init__(url, **options)
        self._keep, self._keep_for = keep, keep_for
        self._nonce, self._pid = new_id(), os.getpid()
        self._turns = itertools.count(1)
        self._lost_tokens: dict[tuple[str, str], list[str]] = {}
        self._steps: set[str] = set()
        """Queues with pending steps, as far as this process knows."""

    # ------------------------------------------------------------------------------------------ working

    async def turn(
        self, queue: str, worker: str, outcomes: Sequence[Outcome], want: int, lease: float
    ) -> Turn:
        """Settle, do what is due, claim; see `Working.turn`."""
        self._check_queue(queue)
        lost: list[str] = []
        while len(outcomes) > TURN:
            part = await self._turn(queue, worker, outcomes[:TURN], 0, lease)
            lost += part.lost
            outcomes = outcomes[TURN:]
        turn = await self._turn(queue, worker, outcomes, min(want, TURN), lease)
        turn.lost[:0] = lost
        return turn

    async def _turn(
        self, queue: str, worker: str, outcomes: Sequence[Outcome], want: int, lease: float
    ) -> Turn:
        if self._pid != os.getpid():  # a fork must not give out the leases of its parent
            self._nonce, self._pid = new_id(), os.getpid()
        token = f"{self._nonce}:{next(self._turns)}"
        args = [worker, token, want, round(lease * 1000), *map(_outcome, outcomes)]
        home = (queue, worker)
        try:
            if home in self._lost_tokens:
                await self._recover(queue, worker)
            if queue in self._steps and await self._script("pump", queue) == 0:
                self._steps.discard(queue)
            answer = await self._script("turn", queue, *args, repeat=False)
        except BackendUnavailable:
            # Settling may simply be sent again. Jobs given out in the lost answer are handed back first.
            self._lost_tokens.setdefault(home, []).append(token)
            raise
        claims, lost, due, more, steps = answer
        turn = Turn(
            [
                Claim(
                    claims[i],
                    queue,
                    claims[i + 1],
                    token,
                    claims[i + 2],
                    claims[i + 3],
                    flow if flow != "-" else None,
                )
                for i, flow in zip(range(0, len(claims), 5), claims[4::5], strict=True)
            ],
            lost,
            None if due < 0 else due / 1000,
            more == 1,
        )
        if steps:
            self._steps.add(queue)
            turn.next_due = 0.0
        return turn

    async def _recover(self, queue: str, worker: str) -> None:
        tokens = self._lost_tokens[queue, worker]
        at = 0
        while at >= 0:
            at, _ = await self._script("recover", queue, worker, at, *tokens)
        del self._lost_tokens[queue, worker]

    async def claim(self, queues: Sequence[str], worker: str, limit: int, lease: float) -> list[Claim]:
        """Give `worker` up to `limit` waiting jobs of `queues`."""
        claims: list[Claim] = []
        for queue in queues:
            while len(claims) < limit:
                found = (await self.turn(queue, worker, (), limit - len(claims), lease)).claims
                claims += found
                if not found:
                    break
        return claims

    async def settle(self, queue: str, outcomes: Sequence[Outcome]) -> list[str]:
        """Report outcomes; returns the ids that were refused because their lease was lost."""
        return (await self.turn(queue, "-", outcomes, 0, 0.0)).lost

    async def wait_for_work(self, queues: Sequence[str], timeout: float) -> bool:
        """Sleep until one of `queues` may have something, or `timeout` seconds have passed."""
        keys = [prefix(queue) + "wake" for queue in queues]
        if not self._connection.cluster:
            return await self._blocking_pop(keys, timeout)
        pops = [asyncio.ensure_future(self._blocking_pop([key], timeout)) for key in keys]
        try:
            await asyncio.wait(pops, return_when=asyncio.FIRST_COMPLETED)
            return any(pop.done() and pop.result() for pop in pops)
        finally:
            for pop in pops:
                pop.cancel()
            await asyncio.gather(*pops, return_exceptions=True)

    async def _blocking_pop(self, keys: Sequence[str], timeout: float) -> bool:
        client = self._connection.blocking
        # 0 would mean for ever; servers before 7 take whole milliseconds at best.
        seconds = max(0.01, round(timeout, 3))
        answer = await self._connection.run(
            lambda: client.execute_command("BLPOP", *keys, seconds), repeat=False, timeout=seconds + 15.0
        )
        return answer is not None

    def renewer(self) -> RedisRenewer:
        """A fresh renewer for the worker's lease thread."""
        return RedisRenewer(self)

    async def register_worker(self, info: WorkerInfo) -> None:
        """Make the worker known to its queues, with the tasks that it has."""
        fields = asdict(info)
        now = await self._now()
        fields["started_at"] = info.started_at or now
        for queue in info.queues:
            await self._register(queue)
            keys = prefix(queue)
            gone = await self._connection.command(
                "ZRANGEBYSCORE", keys + "seen", "-inf", round((now - 3600) * 1000)
            )
            if gone:
                await self._forget_workers(queue, gone)
            # `seen` is written first and removed last: a process that is killed in between leaves what others tidy up.
            await self._connection.command("ZADD", keys + "seen", round((now + info.ttl) * 1000), info.id)
            await self._connection.command("HSET", keys + "workers", info.id, json.dumps(fields))
            await self._connection.command(
                "HSET", keys + "wtasks", info.id, "\n".join(map(one_line, info.tasks))
            )

    async def _forget_workers(self, queue: str, ids: Sequence[str]) -> None:
        keys = prefix(queue)
        for column in ("wtasks", "workers"):
            await self._connection.command("HDEL", keys + column, *ids)
        await self._connection.command("ZREM", keys + "seen", *ids)

    async def _now(self) -> float:
        """The store's time; on a cluster, whose nodes have one each, this process's."""
        if self._connection.cluster:
            return time.time()
        seconds, micros = await self._connection.command("TIME")
        return int(seconds) + int(micros) / 1e6

    async def unregister_worker(self, info: WorkerInfo) -> None:
        """Forget the worker."""
        for queue in info.queues:
            await self._forget_workers(queue, [info.id])

    async def report(
        self,
        queue: str,
        job_id: str,
        token: str,
        *,
        progress: tuple[float, str] | None = None,
        log: Sequence[tuple[float, str, str]] = (),
    ) -> bool:
        """Store progress and log lines; False, nothing stored: the lease is lost."""
        lines = [f"{at:.3f} {log_level(level)} {one_line(text, LOG_LINE_LIMIT)}" for at, level, text in log]
        said = "" if progress is None else f"{progress[0]:.4f} {one_line(progress[1])}"
        # Not repeated after a lost answer: the lines would appear twice.
        lost = await self._script(
            "report", queue, LOG_LINES_KEPT, job_id, token, said, len(lines), *lines, repeat=False
        )
        return not lost

    # ------------------------------------------------------------------------------------------ steering

    async def _steer(
        self, verb: str, ids: str | Iterable[str], queue: str | None, *, repeat: bool = True
    ) -> dict[str, str]:
        wanted = ids_of(ids)
        answer: dict[str, str] = dict.fromkeys(wanted, "not found")
        for home, found in (await self._homes("job", wanted, queue)).items():
            todo = found
            while todo:
                part, todo = todo[:200], todo[200:]
                words = await self._script("steer", home, verb, *part, repeat=repeat)
                busy = []
                for each, word in zip(part, words, strict=True):
                    if word == "busy":
                        busy.append(each)
                        answer[each] = word
                    else:
                        answer[each] = _now_open(word) if answer[each] == "busy" else word
                if busy:
                    todo = busy + todo
                    await self._pump(home)
            await self._pump(home)
            if verb == "remove":
                for each in found:
                    self._home.pop(("job", each), None)
        return answer

    async def _pump(self, queue: str) -> None:
        """Work off pending steps of `queue` until none is left."""
        while await self._script("pump", queue):
            pass

    async def cancel(self, ids: str | Iterable[str], *, queue: str | None = None) -> dict[str, str]:
        """Cancel jobs."""
        return await self._steer("cancel", ids, queue)

    async def retry(self, ids: str | Iterable[str], *, queue: str | None = None) -> dict[str, str]:
        """Run ended jobs again."""
        answer = await self._steer("retry", ids, queue, repeat=False)
        # One may have been refused for the sake of another that was retried after it: of a later part, or linked later.
        left, before = _refused(answer), len(answer)
        while left and len(left) < before:
            more = await self._steer("retry", left, queue, repeat=False)
            answer.update((each, _now_open(word)) for each, word in more.items())
            left, before = _refused(more), len(left)
        return answer

    async def promote(self, ids: str | Iterable[str], *, queue: str | None = None) -> dict[str, str]:
        """Make delayed jobs waiting now."""
        return await self._steer("promote", ids, queue)

    async def remove(self, ids: str | Iterable[str], *, queue: str | None = None) -> dict[str, str]:
        """Remove jobs that do not run and that nobody needs."""
        return await self._steer("remove", ids, queue)

    async def _steer_flow(self, verb: str, flow_id: str, home: str | None, mode: str = "") -> str:
        """Returns what was counted (jobs reset or removed)."""
        queue = await self._home_of("flow", flow_id, home, remembered=False)
        word, *about = await self._script("steerflow", queue, verb, flow_id, mode, repeat=verb == "cancel")
        if word == "not found":
            self._home.pop(("flow", flow_id), None)
            raise NotFound(f"no flow '{flow_id}' in queue '{queue}' of {self.url}")
        if word == "needed":
            raise Refused(
                f"flow '{flow_id}' is needed by an open flow that depends on its jobs; end that one first"
            )
        if word == "touches":
            raise active_below(flow_id, *about)
        if word == "running":
            active = about[0].split(" ")[7]
            raise Refused(
                f"flow '{flow_id}' still runs ({active} jobs active); {'cancel it, or ' if verb == 'remove' else ''}"
                "wait until it has ended"
            )
        await self._pump(queue)
        counted = await self._connection.command("HGET", prefix(queue) + "opres", flow_id)
        await self._connection.command("HDEL", prefix(queue) + "opres", flow_id)
        return counted or "0"

    async def cancel_flow(self, flow_id: str, *, queue: str | None = None) -> dict[str, int]:
        """Cancel what has not ended of a flow."""
        home = await self._home_of("flow", flow_id, queue, remembered=False)
        before = await self.get_flow(flow_id, queue=home)
        await self._steer_flow("cancel", flow_id, home)
        after = await self.get_flow(flow_id, queue=home)
        return {
            "cancelled": after.counts["cancelled"] - before.counts["cancelled"],
            "cancelling": after.counts["active"],
        }

    async def retry_flow(self, flow_id: str, mode: RetryMode = "failed", *, queue: str | None = None) -> int:
        """Run a flow's jobs again; returns how many are reset."""
        if mode not in ("failed", "downstream", "all"):
            raise InvalidJob(f"retry mode is {mode!r:.60}; it must be failed, downstream or all")
        counted = await self._steer_flow("retry", flow_id, queue, mode)
        return int(counted)

    async def remove_flow(self, flow_id: str, *, queue: str | None = None) -> int:
        """Remove an ended flow with its jobs; returns how many."""
        counted = await self._steer_flow("remove", flow_id, queue)
        self._home.clear()
        return int(counted)

    async def pause(self, queue: str) -> None:
        """Give out no jobs of `queue` until `resume`."""
        await self._register(queue)
        await self._connection.command("HSET", prefix(queue) + "meta", "paused", "1")

    async def resume(self, queue: str) -> None:
        """Undo `pause`."""
        self._check_queue(queue)
        keys = prefix(queue)
        if await self._connection.command("EXISTS", keys + "meta"):
            await self._connection.command("HDEL", keys + "meta", "paused")
            await self._connection.command("RPUSH", keys + "wake", "1")
            await self._connection.command("LTRIM", keys + "wake", 0, 0)

    async def clean(
        self, queue: str, state: JobState | str | None = None, *, older_than: float = 0.0, limit: int = 1000
    ) -> int:
        """Remove what ended more than `older_than` seconds ago."""
        self._check_queue(queue)
        only = "" if state is None else LETTERS.get(str(state))
        if only is None or (only and str(state) not in {*TERMINAL}):
            raise InvalidJob(
                f"no end state {state!r:.60}; states are completed, failed, cancelled, skipped, expired"
            )
        before = round((await self._now() - older_than) * 1000) + 1
        removed = offset = 0
        while removed < limit:
            count, more, passed = await self._script("trim", queue, -1, before, only, limit - removed, offset)
            removed, offset = removed + count, offset + passed
            await self._pump(queue)
            if not more:
                break
        self._home.clear()
        return removed

    async def upkeep(self, queue: str) -> None:
        """Retention, and what dead producers left: every worker calls it now and then; a bounded amount each time."""
        old = round((await self._now() - self._keep_for) * 1000)
        for keep, before in ((self._keep, -1), (-1, old)):
            offset = 0
            for _ in range(20):
                _, more, passed = await self._script("trim", queue, keep, before, "", 2000, offset)
                offset += passed
                if not more:
                    break
        await self._script("abort", queue, "")

    async def stop_repeat(self, queue: str, repeat_id: str) -> bool:
        """Enqueue no further copies; False when there is no such repeat."""
        self._check_queue(queue)
        keys = prefix(queue)
        gone = await self._connection.command("HDEL", keys + "repeat", repeat_id)
        await self._connection.command("ZREM", keys + "repeats", repeat_id)
        return bool(gone)


class RedisRenewer:
    """Renews leases from a thread: synchronous, over a connection of its own."""

    def __init__(self, backend: RedisBackend) -> None:
        self._backend = backend
        self._client: Any = None

    def renew(
        self, queue: str, worker: str, leases: Mapping[str, str], lease: float
    ) -> tuple[list[str], list[str]]:
        """See `base.Renewer`. Raises BackendError."""
        text, digest = script("renew")
        stop: list[str] = []
        lost: list[str] = []
        pairs = list(leases.items())
        try:
            if self._client is None:
                self._client = self._backend._connection.sync_client()
            for start in range(0, max(1, len(pairs)), STEP):
                part = [each for pair in pairs[start : start + STEP] for each in pair]
                args = (1, prefix(queue), worker, round(lease * 1000), round(lease * 1000), *part)
                try:
                    answer = self._client.evalsha(digest, *args)
                except exceptions.NoScriptError:
                    answer = self._client.eval(text, *args)
                stop += answer[0]
                lost += answer[1]
        except TROUBLES as error:
            raise translated(error, self._backend.url) from None
        return stop, lost

    def close(self) -> None:
        """Close the connection."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(exceptions.RedisError, OSError):
                client.close()
