"""Not an engine but the ceiling of this harness: what one script call per batch reaches with redis-py in one process.

It gives out, ends and releases, keeps a result and a lease, and nothing else: no retries, events, states, checks,
recovery or limits. An engine with these promises is near the floor when it comes near this.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterable
from typing import Any

from driver import Engine, main, now, run
from redis.asyncio import Redis
from shapes import Flow
from stamp import stamp

# KEYS: ready list, payloads, wake list; ARGV: (id, payload)*
ADD = """
local ids, n = {}, 0
for at = 1, #ARGV, 2 do n = n + 1; ids[n] = ARGV[at] end
redis.call('HSET', KEYS[2], unpack(ARGV))
redis.call('RPUSH', KEYS[1], unpack(ids))
if redis.call('LLEN', KEYS[3]) == 0 then redis.call('LPUSH', KEYS[3], 1) end
"""
# KEYS: payloads, how many are missing, lists of downstreams; ARGV: (id, payload, upstreams as JSON)*
WRITE = """
for at = 1, #ARGV, 3 do
  local id, ups = ARGV[at], cjson.decode(ARGV[at + 2])
  redis.call('HSET', KEYS[1], id, ARGV[at + 1])
  if #ups > 0 then redis.call('HSET', KEYS[2], id, #ups) end
  for _, up in ipairs(ups) do redis.call('RPUSH', KEYS[3] .. up, id) end
end
"""
# KEYS: ready list, payloads, how many are missing, lists of downstreams, results, leases
# ARGV: most to give out, time, (id, result)*; returns (id, payload)*
TURN = """
for at = 3, #ARGV, 2 do
  local id = ARGV[at]
  if redis.call('ZREM', KEYS[6], id) == 1 then
    redis.call('HSET', KEYS[5], id, ARGV[at + 1])
    local downs = KEYS[4] .. id
    for _, down in ipairs(redis.call('LRANGE', downs, 0, -1)) do
      if redis.call('HINCRBY', KEYS[3], down, -1) == 0 then redis.call('RPUSH', KEYS[1], down) end
    end
    redis.call('DEL', downs)
  end
end
local ids = tonumber(ARGV[1]) > 0 and redis.call('LPOP', KEYS[1], ARGV[1])
if not ids then return {} end
local given, leases = {}, {}
for at, id in ipairs(ids) do
  leases[2 * at - 1], leases[2 * at] = ARGV[2], id
end
redis.call('ZADD', KEYS[6], unpack(leases))
for at, payload in ipairs(redis.call('HMGET', KEYS[2], unpack(ids))) do
  given[2 * at - 1], given[2 * at] = ids[at], payload
end
return given
"""
KEYS = ("ready", "payloads", "missing", "down:", "results", "leases")
BATCH = 500
CONCURRENCY = 200


class Ceiling(Engine):
    packages = ("redis", "hiredis", "uvloop")

    async def open(self) -> None:
        self.redis = Redis.from_url(self.url)
        self.script_add = self.redis.register_script(ADD)
        self.script_write = self.redis.register_script(WRITE)
        self.tag, self.number = os.urandom(4).hex(), 0

    def payload(self, index: int, text: str = "") -> str:
        return json.dumps({"task": "noop", "args": [index, text] if text else [index]})

    def new_id(self) -> str:
        self.number += 1
        return f"{self.tag}{self.number:x}"

    async def add(self, index: int, text: str = "") -> None:
        await self.script_add(("ready", "payloads", "wake"), (self.new_id(), self.payload(index, text)))

    async def add_bulk(self, indexes: Iterable[int], text: str = "") -> None:
        calls, args = [], []
        for i in indexes:
            args += (self.new_id(), self.payload(i, text))
            if len(args) == 2 * BATCH:
                calls.append(asyncio.ensure_future(self.script_add(("ready", "payloads", "wake"), args)))
                args = []
                await asyncio.sleep(0)  # the server works on this one while the next is made
        if args:
            calls.append(asyncio.ensure_future(self.script_add(("ready", "payloads", "wake"), args)))
        await asyncio.gather(*calls)

    async def add_flow(self, flow: Flow, base: int) -> None:
        ids = [self.new_id() for _ in flow]
        calls = []
        for start in range(0, len(flow), BATCH):
            args = []
            for i in range(start, min(start + BATCH, len(flow))):
                args += (ids[i], self.payload(base + i), json.dumps([ids[up] for up in flow[i]]))
            calls.append(asyncio.ensure_future(self.script_write(("payloads", "missing", "down:"), args)))
            await asyncio.sleep(0)
        await asyncio.gather(*calls)
        pipe = self.redis.pipeline()
        pipe.rpush("ready", *[job for job, ups in zip(ids, flow, strict=True) if not ups])
        pipe.lpush("wake", 1)
        pipe.ltrim("wake", 0, 0)
        await pipe.execute()

    def work(self) -> None:
        run(self, self._work())

    async def _work(self) -> None:
        await self.open()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, os._exit, 0)
        turn = self.redis.register_script(TURN)
        news, ended, free = asyncio.Event(), [], CONCURRENCY
        tasks: set[asyncio.Task[None]] = set()
        news.set()

        async def listen() -> None:
            blocked = Redis.from_url(self.url, socket_timeout=None)
            while True:
                await blocked.blpop(["wake"], 0)
                news.set()

        async def job(job_id: bytes, payload: bytes) -> None:
            nonlocal free
            result = stamp(json.loads(payload)["args"][0], now())
            ended.extend((job_id, json.dumps(result)))
            free += 1
            news.set()

        listener = asyncio.ensure_future(listen())
        while not listener.done():
            await news.wait()
            news.clear()
            done, ended[:] = list(ended), []
            given: Any = await turn(KEYS, (free, now(), *done))
            free -= len(given) // 2
            for at in range(0, len(given), 2):
                task = asyncio.ensure_future(job(given[at], given[at + 1]))
                tasks.add(task)
                task.add_done_callback(tasks.discard)


if __name__ == "__main__":
    main(Ceiling)
