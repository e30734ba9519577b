"""A server that is full, read-only, loading or busy: what is refused says why, nothing is half-done, workers go on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import exceptions
from servers import Server, free_port, fresh, redis_binary, valkey_binary

from core import FlowProducer, Job, Worker
from core.backends.connection import transient, translated
from core.backends.redis import RedisBackend
from core.errors import BackendError, BackendFull, BackendUnavailable, NotFound
from core.tasks import Registry

BINARIES = {
    name: binary
    for name, binary in (("valkey", valkey_binary()), ("redis", redis_binary()))
    if binary is not None
}


@pytest.fixture(params=BINARIES)
def own(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server for this test alone."""
    binary: Path = BINARIES[request.param]
    with fresh(binary) as made:
        yield made


@pytest.fixture
async def backend(own: Server) -> AsyncIterator[RedisBackend]:
    """A backend on it."""
    made = RedisBackend(own.url)
    yield made
    await made.close()


async def until(true: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait for `true()`, which may be a coroutine and may find the server away."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(BackendUnavailable):
                if await true():
                    return
            await asyncio.sleep(0.02)


async def completed(backend: RedisBackend, count: int) -> bool:
    """Whether `count` jobs have completed."""
    return (await backend.counts("q"))["completed"] == count


async def listed(backend: RedisBackend) -> bool:
    """Whether a worker is known."""
    return bool((await backend.overview()).workers)


@contextlib.asynccontextmanager
async def working(backend: RedisBackend, task: Callable[..., Any]) -> AsyncIterator[None]:
    """A worker that knows `t`."""
    tasks = Registry()
    tasks.add("t", task)
    async with Worker(backend, "q", registry=tasks, concurrency=4, lease=5.0, scan_interval=0.2):
        yield


def layered(count: int) -> list[Job]:
    """A start and jobs below it, with payloads that take room."""
    start = Job("t", args=["x" * 500])
    return [start, *(Job("t", args=["x" * 500], depends_on=[start.id]) for _ in range(count - 1))]


async def test_a_full_server_refuses_a_flow_as_a_whole_and_can_still_be_drained(
    own: Server, backend: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.worker.UPKEEP_EVERY", 0.2)
    small = [Job("t") for _ in range(50)]
    await FlowProducer(backend).add_flow("q", small, flow_id="small")
    large = layered(5000)
    with own.client() as client:
        used = int(client.info("memory")["used_memory"])  # type: ignore[index,arg-type]
        client.config_set("maxmemory", used + 1_000_000)  # room for a part of it
        with pytest.raises(BackendFull, match="no memory left"):
            await FlowProducer(backend).add_flow("q", large, flow_id="large")
        with pytest.raises(NotFound):
            await backend.get_flow("large")
        assert sum((await backend.counts("q")).values()) == 50
        client.config_set("maxmemory", 1)  # nothing fits any more: not even what is there
        with pytest.raises(BackendFull):
            await backend.enqueue("q", Job("t"))
        async with working(backend, lambda: None):
            await until(lambda: completed(backend, 50))
            client.config_set("maxmemory", 0)
            await until(lambda: listed(backend))
    assert len(await FlowProducer(backend).add_flow("q", large, flow_id="large")) == 5000
    async with working(backend, lambda *_: None):
        await until(lambda: completed(backend, 5050))


async def test_leases_are_renewed_on_a_full_server(own: Server, backend: RedisBackend) -> None:
    await backend.enqueue("q", Job("t"))
    claim = (await backend.turn("q", "w", (), 1, 0.5)).claims[0]
    renewer = backend.renewer()
    with own.client() as client:
        client.config_set("maxmemory", 1)
        assert renewer.renew("q", "w", {claim.id: claim.token}, 60.0) == ([], [])
        client.config_set("maxmemory", 0)
    renewer.close()
    lease = (await backend.get_job(claim.id)).lease_until
    assert lease is not None
    assert lease > time.time() + 30


async def test_workers_wait_out_a_server_that_became_a_replica(own: Server, backend: RedisBackend) -> None:
    """A failover: the old master answers READONLY until there is a new one."""
    runs: list[int] = []

    async def task(number: int) -> None:
        runs.append(number)
        await asyncio.sleep(0.005)

    await backend.enqueue_many("q", [Job("t", args=[number], max_retries=0) for number in range(200)])
    with own.client() as client:
        async with working(backend, task):
            await until(lambda: asyncio.sleep(0, len(runs) > 20))
            client.replicaof("127.0.0.1", "1")
            with pytest.raises(BackendUnavailable, match="cannot answer now"):
                await RedisBackend(own.url).enqueue("q", Job("t"))
            assert sum((await backend.counts("q")).values()) == 200  # reading goes on
            client.replicaof("NO", "ONE")
            await until(lambda: completed(backend, 200))
    assert sorted(runs) == list(range(200))


async def test_workers_wait_out_a_server_that_somebody_keeps_busy(own: Server, backend: RedisBackend) -> None:
    runs: list[int] = []

    async def task(number: int) -> None:
        runs.append(number)
        await asyncio.sleep(0.005)

    await backend.enqueue_many("q", [Job("t", args=[number], max_retries=0) for number in range(200)])
    with own.client() as client, own.client() as other:
        client.config_set("lua-time-limit", 1)
        async with working(backend, task):
            await until(lambda: asyncio.sleep(0, len(runs) > 20))
            hog = asyncio.create_task(asyncio.to_thread(_hog, other))
            await until(lambda: asyncio.to_thread(_is_busy, client))
            with contextlib.suppress(exceptions.ResponseError):
                client.script_kill()
            await hog
            await until(lambda: completed(backend, 200))
    assert sorted(runs) == list(range(200))


def _hog(client: Any) -> None:
    with contextlib.suppress(exceptions.ResponseError):
        client.eval("while true do end", 0)


def _is_busy(client: Any) -> bool:
    try:
        client.get("k")
    except exceptions.ResponseError as error:
        return "BUSY" in str(error).upper() or "busy" in str(error)
    return False


@pytest.mark.parametrize(
    "error",
    [
        exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
        exceptions.ResponseError("LOADING Valkey is loading the dataset in memory"),
        exceptions.ReadOnlyError("You can't write against a read only replica."),
        exceptions.ResponseError("READONLY You can't write against a read only replica."),
        exceptions.MasterDownError("Link with MASTER is down"),
        exceptions.ClusterDownError("The cluster is down"),
        exceptions.TryAgainError("Multiple keys request during rehashing of slot"),
        exceptions.ResponseError("MISCONF Errors writing to the AOF file"),
        exceptions.ResponseError("BUSY Redis is busy running a script"),
        exceptions.ConnectionError("Connection reset by peer"),
        exceptions.TimeoutError("Timeout reading from socket"),
    ],
    ids=lambda error: str(error)[:20],
)
def test_trouble_that_passes_is_told_from_mistakes(error: Exception) -> None:
    assert transient(error)
    assert isinstance(translated(error, "redis://here"), BackendUnavailable)
    assert not transient(exceptions.ResponseError("WRONGTYPE Operation against a key"))
    assert not transient(exceptions.AuthenticationError("WRONGPASS invalid username-password pair"))


async def test_what_a_producer_that_died_has_begun_is_removed_after_an_hour(
    own: Server, backend: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = Job("t")
    await FlowProducer(backend).add_flow("q", [earlier], flow_id="earlier")
    script = backend._script

    async def dying(name: str, *args: Any, **more: Any) -> Any:
        if name in ("commit", "abort"):
            raise asyncio.CancelledError  # the process is gone
        return await script(name, *args, **more)

    monkeypatch.setattr(backend, "_script", dying)
    flow = [Job("t", delay=60, depends_on=[earlier.id]) for _ in range(1200)]
    with pytest.raises(asyncio.CancelledError):
        await FlowProducer(backend).add_flow("q", flow, flow_id="half")
    monkeypatch.undo()
    with own.client() as client:
        key = "flowtui:{q}:staging"
        begun: Any = client.hget(key, "half")
        assert begun
        await backend.upkeep("q")
        assert client.hexists(key, "half")
        *rest, at = str(begun).split(" ")
        client.hset(key, "half", " ".join([*rest, str(int(at) - 3_601_000)]))
        await until(lambda: _gone(backend, client))
        assert sum((await backend.counts("q")).values()) == 1
        assert {name for name in map(str, client.scan_iter("*")) if "half" in name} == set()
        assert client.hlen("flowtui:{q}:jobs") == 1
        assert client.hlen("flowtui:{q}:data") == 1
    # And nothing is left that would keep the same flow from being added.
    monkeypatch.undo()
    assert len(await FlowProducer(backend).add_flow("q", flow, flow_id="half")) == 1200


async def _gone(backend: RedisBackend, client: Any) -> bool:
    await backend.upkeep("q")
    return not client.exists("flowtui:{q}:staging")


async def test_a_producer_that_is_cancelled_leaves_the_queue_to_be_found_by_the_others(
    backend: RedisBackend,
) -> None:
    """Many that add at once share one call which makes their queue known."""
    first, *others = [asyncio.create_task(backend.enqueue("q", Job("t"))) for _ in range(20)]
    for _ in range(10_000):
        await asyncio.sleep(0)
        if backend._asked:
            break
    assert first.cancel()
    await asyncio.gather(*others)
    assert await backend.queues() == ["q"]
    assert (await backend._connection.client.info("commandstats"))["cmdstat_sadd"]["calls"] == 1


# ------------------------------------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("redis://127.0.0.1:abc/0", "abc"),
        ("redis://127.0.0.1:99999", "range"),
        ("redis://127.0.0.1:6379/first", "'first' is no number of a database"),
        ("redis://127.0.0.1:6379?bogus=1", "bogus"),
        ("redis://127.0.0.1:6379?socket_timeout=soon", "socket_timeout"),
        ("redis+sentinel://127.0.0.1:abc/m", "abc"),
    ],
)
async def test_an_address_that_cannot_be_one_is_refused_by_its_name(url: str, said: str) -> None:
    """At once, and as a BackendError: a typing error is no reason for a traceback."""
    backend = RedisBackend(url)
    with pytest.raises(BackendError, match=f"is no address of a server.*{said}"):
        await backend.enqueue("q", Job("t"))
    await backend.close()


async def test_a_database_that_the_server_has_not_is_refused_and_nothing_goes_into_another(
    own: Server,
) -> None:
    backend = RedisBackend(f"{own.url}?db=99")
    for _ in range(3):
        with pytest.raises(BackendError, match="no database of that number"):
            await backend.enqueue("q", Job("t"))
    await backend.close()
    with own.client() as client:
        assert client.dbsize() == 0


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("127.0.0.1", "connection refused"),
        ("localhost", "connection refused"),
        ("no-such-host.invalid", "no such host"),
    ],
)
async def test_a_server_that_is_away_is_named_with_what_the_system_says(host: str, reason: str) -> None:
    url = f"redis://{host}:{free_port()}/0"
    backend = RedisBackend(url)
    with pytest.raises(BackendUnavailable) as caught:
        await backend.enqueue("q", Job("t"))
    assert str(caught.value) == f"{url} cannot be reached: {reason}"
    with pytest.raises(BackendUnavailable) as caught:
        await asyncio.to_thread(backend.renewer().renew, "q", "w", {}, 5.0)
    assert str(caught.value) == f"{url} cannot be reached: {reason}"
    await backend.close()


async def test_a_server_without_tls_is_told_in_the_words_of_tls() -> None:
    """OpenSSL's numbers are not the system's: 1 would be 'operation not permitted'."""

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"-ERR what?\r\n" * 10)
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        backend = RedisBackend(f"rediss://127.0.0.1:{server.sockets[0].getsockname()[1]}/0")
        with pytest.raises(BackendUnavailable, match=r"(?i)wrong.version.number|ssl"):
            await backend.enqueue("q", Job("t"))
        await backend.close()


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (
            OSError("Multiple exceptions: [Errno 99] Connect call failed, [Errno 111] Connect"),
            "connection refused",
        ),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "its name cannot be looked up now"),
    ],
)
def test_a_host_of_several_addresses_or_without_name_server(cause: OSError, reason: str) -> None:
    error = exceptions.ConnectionError("Error connecting to host:1.")
    error.__context__ = cause
    assert str(translated(error, "redis://host")) == f"redis://host cannot be reached: {reason}"


async def test_a_cluster_that_is_away_is_named() -> None:
    """The client of a cluster has errors of its own; the thread that renews leases meets them too."""
    backend = RedisBackend(f"redis+cluster://127.0.0.1:{free_port()}")
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        await backend.enqueue("q", Job("t"))
    renewer = backend.renewer()
    with pytest.raises(BackendUnavailable, match="cannot be reached"):
        await asyncio.to_thread(renewer.renew, "q", "w", {}, 5.0)
    await backend.close()
