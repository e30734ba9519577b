"""The process that runs jobs: claim, run, renew, settle, stop politely.

One coroutine per queue (`_drive`) makes all calls to the store: each call settles what has finished since the last
one and takes as many jobs as there are free slots, so a busy worker needs one round trip for many jobs and a lone job
waits for nothing. Jobs run in lanes, coroutines that live on from job to job. What an attempt is and how it ends is in
`core.attempt`, what running jobs say in `core.reports`, the thread that renews leases in `core.leases`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import re
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, Final

from core import references
from core.attempt import Attempt
from core.backends.base import Backend, Outcome, WorkerInfo
from core.errors import BackendError, BackendFull
from core.jobs import check_name
from core.leases import Heart, complain
from core.reports import Reports, job_logs
from core.shell import SHELL, shell
from core.tasks import JobContext, Registry, Task, WorkerLink, _current, registry
from core.threads import Threads

log = logging.getLogger("flowtui.worker")

FALLBACK: Final = 16
"""An idle worker that nobody wakes looks by itself after this many scan intervals, or half a lease."""
UPKEEP_EVERY: Final = 5.0
LIST_AGAIN: Final = 3
"""After so many rounds of upkeep a worker has itself listed again."""


class Worker(WorkerLink):
    """Runs the jobs of `queues`, up to `concurrency` at once, as long as the `async with` block lasts.

    lease          seconds a job stays with a worker that has died; living ones renew it
    scan_interval  seconds; what others add is noticed at once, and should a wake-up get lost, after 16 of these
    registry       the tasks it knows; only these run
    allow_shell    also run the built-in `shell` task
    grace          seconds that running jobs get to finish when the worker stops; the rest is handed back
    max_block      seconds a task may block the event loop until its lease is no longer renewed

    `async def` tasks run in the event loop, plain functions in threads. A job whose task is unknown here waits for a
    worker that knows it.
    """

    def __init__(
        self,
        backend: Backend,
        queues: Sequence[str] | str = ("default",),
        concurrency: int = 100,
        *,
        lease: float = 30.0,
        scan_interval: float = 1.0,
        registry: Registry = registry,
        allow_shell: bool = False,
        grace: float = 25.0,
        max_block: float = 300.0,
    ) -> None:
        self.backend = backend
        self.queues = [queues] if isinstance(queues, str) else list(dict.fromkeys(queues))
        if not self.queues:
            raise ValueError("a worker needs at least one queue")
        for queue in self.queues:
            check_name(queue, "queue")
        if concurrency < 1 or lease <= 0 or scan_interval <= 0:
            raise ValueError("concurrency, lease and scan_interval must be more than 0")
        self.concurrency, self.lease, self.scan_interval = concurrency, float(lease), float(scan_interval)
        self.grace, self.max_block = grace, max_block
        self._registry = registry
        self._tasks: dict[str, Task] = dict(registry)
        if allow_shell:
            self._tasks.setdefault(SHELL, Task(SHELL, shell, True, {}, "run a command"))
        host = re.sub(r"[^A-Za-z0-9-]", "-", socket.gethostname())[:40] or "host"
        self.id = f"{host}-{os.getpid()}-{random.SystemRandom().getrandbits(24):06x}"
        self._info = WorkerInfo(
            self.id,
            socket.gethostname(),
            os.getpid(),
            self.queues,
            concurrency,
            sorted(self._tasks)[:1000],
            started_at=time.time(),
            ttl=self.lease,
        )
        self._started = self._stopped = False

    # ------------------------------------------------------------------------------------------ life

    async def __aenter__(self) -> Worker:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Register and begin to take jobs; returns at once."""
        if self._started:
            raise RuntimeError("this worker runs already; make another one")
        self.loop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        self._started = True
        self._stopping = False
        self._free = self.concurrency
        self._running: dict[str, Attempt] = {}
        self._ready: deque[Attempt] = deque()
        self._idle_lanes: list[asyncio.Future[None]] = []
        self._waking = False
        self._lanes: set[asyncio.Task[None]] = set()
        self._threads: Threads | None = None
        self._outcomes: dict[str, list[Outcome]] = {queue: [] for queue in self.queues}
        self._news = {queue: asyncio.Event() for queue in self.queues}
        self._quiet = {queue: asyncio.Event() for queue in self.queues}
        self._hungry = asyncio.Event()
        self._empty = asyncio.Event()
        self._starved: dict[str, None] = {}
        self._stopped = False
        self._listed = True
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._done_since_upkeep: set[str] = set()
        self._reports = Reports(self.backend, lambda run: self._stop_run(run, "lost"))
        await self.backend.open()
        self._tasks = {**dict(self._registry), **self._tasks}
        self._info.tasks = sorted(self._tasks)[:1000]
        await self._register()
        job_logs.listen()
        for news in self._news.values():
            news.set()
        self._background = [
            *(self._spawn(self._drive(queue)) for queue in self.queues),
            self._spawn(self._listen()),
            self._spawn(self._send_reports()),
            self._spawn(self._upkeep()),
        ]
        self._heart = Heart(
            self.backend,
            self.id,
            self.queues,
            self._running,
            self._told,
            lease=self.lease,
            max_block=self.max_block,
        )
        self._heart.start()

    async def _register(self) -> None:
        """Be listed among the workers. A full server has no room for that, but must be drained all the same."""
        try:
            await self.backend.register_worker(self._info)
            self._listed = True
        except BackendFull as error:
            if self._listed:
                log.warning("%s; this worker works, but is not listed until there is room", error)
            self._listed = False

    def _spawn(self, coroutine: Any) -> asyncio.Task[None]:
        return self.loop.create_task(coroutine)

    async def stop(self, *, grace: float | None = None) -> bool:
        """Take no more jobs, let the running ones finish for `grace` seconds, hand the rest back.

        True when every job could finish.
        """
        if not self._started:
            return True
        self._stopping = True
        handed_back = list(self._ready)
        self._ready.clear()
        for run in handed_back:
            self._finish(run, run.ended("released"))
        await self._wait_empty(self.grace if grace is None else grace)
        finished = not self._running
        for run in list(self._running.values()):
            self._stop_run(run, "release")
        await self._wait_empty(2.0)
        # What still runs refuses to stop: another worker may have it, this one is deaf to how it ends.
        for run in list(self._running.values()):
            self._finish(run, run.ended("released"))
        await self._drain_outcomes()
        with contextlib.suppress(BackendError):
            await self._reports.flush()
        self._stopped = True
        for task in self._background:
            task.cancel()
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        if self._lanes:
            # A task that swallows its cancellation must not hold up the worker.
            await asyncio.wait(self._lanes, timeout=0.5)
        with contextlib.suppress(BackendError):
            await self.backend.unregister_worker(self._info)
        for timer in self._timers.values():
            timer.cancel()
        job_logs.leave()
        if self._threads is not None:
            self._threads.close()
        await self._heart.stop()
        self._started = False
        return finished

    @property
    def stuck(self) -> bool:
        """True when it has stopped, but a task did not: whoever ends the event loop would wait for that."""
        return self._stopped and any(not lane.done() for lane in self._lanes)

    async def _wait_empty(self, seconds: float) -> None:
        """Wait until no job runs here, for at most so long."""
        if not self._running:
            self._empty.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), seconds)

    async def _drain_outcomes(self) -> None:
        """Wait until the drivers have settled everything, for as long as the leases are worth it."""
        deadline = self.loop.time() + max(5.0, self.lease)
        while any(self._outcomes.values()) or not all(quiet.is_set() for quiet in self._quiet.values()):
            for queue in self.queues:
                self._news[queue].set()
            if self.loop.time() > deadline:
                log.error(
                    "outcomes could not be reported; their jobs will run again when their leases run out"
                )
                return
            await asyncio.sleep(0.005)

    async def run(self, *, signals: bool = True) -> int:
        """Run until SIGTERM or SIGINT: stop politely; a second signal stops now.

        Returns an exit code: 0 when every job could finish, 3 when some were handed back.
        """
        stopping, now = asyncio.Event(), asyncio.Event()

        def on_signal() -> None:
            if stopping.is_set():
                now.set()
            stopping.set()

        await self.start()
        if signals:
            for each in (signal.SIGTERM, signal.SIGINT):
                self.loop.add_signal_handler(each, on_signal)
        try:
            await stopping.wait()
        finally:
            polite = self._spawn_stop(self.grace)
            hurry = self.loop.create_task(now.wait())
            await asyncio.wait({polite, hurry}, return_when=asyncio.FIRST_COMPLETED)
            if not polite.done():
                self.grace = 0.0
                for run in list(self._running.values()):
                    self._stop_run(run, "release")
                for run in [run for run in self._running.values() if run.task is None]:
                    self._finish(run, run.ended("released"))
            finished = await polite
            hurry.cancel()
            if signals:
                for each in (signal.SIGTERM, signal.SIGINT):
                    self.loop.remove_signal_handler(each)
        return 0 if finished and not now.is_set() else 3

    def _spawn_stop(self, grace: float) -> asyncio.Task[bool]:
        return self.loop.create_task(self.stop(grace=grace))

    async def run_until_idle(self) -> None:
        """Return when no job of its queues can run any more; starts and stops the worker where nobody else does.

        Repeating jobs do not count: between two ticks a queue is idle. Nor do jobs that only another worker knows.
        """
        if self._started:
            await self._until_idle()
            return
        async with self:
            await self._until_idle()

    async def _until_idle(self) -> None:
        while True:
            for queue in self.queues:
                self._quiet[queue].clear()
                self._news[queue].set()
                await self._quiet[queue].wait()
            if not self._running and not self._ready and not any(self._outcomes.values()):
                for queue in self.queues:
                    counts = await self.backend.counts(queue)
                    if counts["active"] or counts["delayed"]:
                        break
                    if counts["waiting"] and await self._can_run(queue):
                        break
                else:
                    return
            await asyncio.sleep(0.01)

    async def _can_run(self, queue: str) -> bool:
        """Whether what waits in `queue` waits for this worker, not for another or for the end of a pause."""
        overview = await self.backend.overview([queue])
        if overview.queues and overview.queues[0].paused:
            return False
        page = await self.backend.list_jobs("ready", queue, limit=50)
        return not page or any(job.task_id in self._tasks for job in page)

    # ------------------------------------------------------------------------------------------ calls to the store

    async def _drive(self, queue: str) -> None:
        """Settle and claim for one queue, until cancelled."""
        news, quiet = self._news[queue], self._quiet[queue]
        outcomes = self._outcomes[queue]
        trouble = 0
        while True:
            if not news.is_set():
                quiet.set()
                self._hungry.set()
                await news.wait()
            news.clear()
            quiet.clear()
            batch = outcomes[:]
            # On a cluster one queue may be away and the others not: until it answers it must hold no slots.
            want = 0 if self._stopping or trouble else self._share(queue)
            self._free -= want
            try:
                turn = await self.backend.turn(queue, self.id, batch, want, self.lease)
            except Exception as error:  # whatever it is: a worker that looks alive and takes nothing is worse
                self._free += want
                trouble += 1
                complain(error, "queue %s: %s; trying again", queue)
                await asyncio.sleep(min(5.0, 0.1 * 2 ** min(trouble, 6)) * random.uniform(0.5, 1.0))
                news.set()
                continue
            if trouble:
                trouble = 0
                news.set()
            # Only now: had the call failed, the outcomes would have to be sent again.
            del outcomes[: len(batch)]
            if batch:
                self._done_since_upkeep.add(queue)
            for job_id in turn.lost:
                log.warning("job %s: the lease was lost; its outcome was refused", job_id)
            claims = turn.claims
            self._free += want - len(claims)
            if claims:
                since = time.monotonic()
                for claim in claims:
                    run = Attempt(claim, since)
                    if self._stopping:  # the call was on its way when the worker was told to stop
                        self._finish(run, run.ended("released"))
                        continue
                    self._running[claim.id] = run
                    self._ready.append(run)
                if self._ready:
                    self._empty.clear()
                    self._wake_lane()
                # The lanes first: what finishes at once goes with the next call.
                await asyncio.sleep(0)
            if turn.more and len(claims) == want:
                # There is more than it had slots for; slots that other queues free are wanted here too.
                self._starved[queue] = None
            if self._starved:
                self._feed_starved()
            if outcomes or (turn.more and claims and self._free and not self._stopping):
                news.set()
            elif turn.next_due is not None:
                self._look_again(queue, turn.next_due)

    def _look_again(self, queue: str, seconds: float) -> None:
        timer = self._timers.get(queue)
        if timer is not None:
            timer.cancel()
        self._timers[queue] = self.loop.call_later(max(0.001, seconds), self._news[queue].set)

    async def _listen(self) -> None:
        """Sleep on the store for an idle worker. A worker without a free slot leaves the wake-ups to others."""
        while True:
            await self._hungry.wait()
            if not self._free or self._stopping:
                self._hungry.clear()
                continue
            try:
                seconds = min(FALLBACK * self.scan_interval, self.lease / 2)
                await self.backend.wait_for_work(self.queues, seconds * random.uniform(0.8, 1.0))
            except Exception as error:
                complain(error, "%s; waiting")
                await asyncio.sleep(random.uniform(0.5, 1.5))
            for news in self._news.values():
                news.set()
            # Let the drivers act before sleeping again, or a wake-up for what they leave would be eaten here.
            self._hungry.clear()

    async def _upkeep(self) -> None:
        """Retention, for stores that want to be asked."""
        upkeep = getattr(self.backend, "upkeep", None)
        if upkeep is None:
            return
        rounds = 0
        while True:
            await asyncio.sleep(UPKEEP_EVERY * random.uniform(0.8, 1.2))
            rounds += 1
            if not self._listed or rounds % LIST_AGAIN == 0:
                # A server that was emptied, or did not hear of it for long, has forgotten it and what it can do.
                with contextlib.suppress(BackendError):
                    await self._register()
            queues = self.queues if rounds % 60 == 0 else list(self._done_since_upkeep)
            self._done_since_upkeep.clear()
            for queue in queues:
                try:
                    await upkeep(queue)
                except Exception as error:
                    complain(error, "queue %s: upkeep: %s", queue)

    def _finish(self, run: Attempt, outcome: Outcome) -> None:
        """An attempt has ended: hand its outcome to the driver of its queue, once."""
        if run.timer is not None:
            run.timer.cancel()
        if run.over:
            return
        run.over = True
        claim = run.claim
        # A job whose lease was lost may run here once more, beside an attempt that is slow to stop.
        if self._running.get(claim.id) is run:
            del self._running[claim.id]
        self._free += 1
        self._outcomes[claim.queue].append(outcome)
        self._news[claim.queue].set()
        if not self._running:
            self._empty.set()
        if self._starved:
            self._feed_starved()

    def _share(self, queue: str) -> int:
        """How many of the free slots `queue` may fill now, so that no other queue with jobs waits for long."""
        if not self._starved:
            return self._free
        first = next(iter(self._starved)) == queue
        self._starved.pop(queue, None)
        shares = len(self._starved) + 1
        return -(-self._free // shares) if first else self._free // shares

    def _feed_starved(self) -> None:
        """Where slots are free, the queue that has waited longest looks once more."""
        if self._free and not self._stopping:
            self._news[next(iter(self._starved))].set()

    # ------------------------------------------------------------------------------------------ running jobs

    def _wake_lane(self) -> None:
        """Have one more lane at work. A lane that finds more to do wakes the next one before it starts."""
        if self._waking:
            return
        while self._idle_lanes:
            idle = self._idle_lanes.pop()
            if not idle.done():
                self._waking = True
                idle.set_result(None)
                return
        if len(self._lanes) < self.concurrency:
            self._waking = True
            lane = self.loop.create_task(self._lane())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)

    async def _lane(self) -> None:
        """Run one job after the other. One that changed the context variables or cancelled the lane takes it along."""
        me = asyncio.current_task()
        assert me is not None
        untouched = copy_context()
        while True:
            self._waking = False
            while self._ready:
                run = self._ready.popleft()
                if self._ready:
                    self._wake_lane()
                if run.stop:  # it was told to stop before it could start
                    self._finish(run, run.halted())
                    continue
                run.task = me
                await self._run(run)
                if self._stopped:
                    return
                if me.cancelling() or copy_context() != untouched:
                    # Now, not when the task is seen to be done: what is claimed meanwhile needs the place.
                    self._lanes.discard(me)
                    if self._ready:
                        self._wake_lane()
                    return
            idle = self.loop.create_future()
            self._idle_lanes.append(idle)
            await idle

    async def _run(self, run: Attempt) -> None:
        """Run one attempt and hand its outcome on. Never raises but KeyboardInterrupt."""
        claim = run.claim
        token = None
        try:
            args, kwargs = run.read()
            fields = run.fields
            task = self._tasks.get(fields["task_id"]) or self._registry.get(fields["task_id"])
            if task is None:
                self._finish(run, run.ended("declined", fields["task_id"]))
                return
            run.defaults = task.defaults
            context = run.context = JobContext(
                self, claim.id, claim.queue, claim.flow_id, claim.attempt, fields
            )
            timeout = fields.get("timeout") or task.defaults.get("timeout")
            if timeout:
                run.timer = self.loop.call_later(timeout, self._stop_run, run, "timeout")
            token = _current.set(context)
            if references.MARK in claim.payload:
                args, kwargs = await self._resolve(context, args, kwargs)
            if task.is_async:
                value = await task.call(*args, **kwargs)
            else:
                value = await self._in_thread(run, task, args, kwargs)
            outcome = run.completed(value)
        except asyncio.CancelledError:
            if run.stop:
                outcome = run.halted()
            elif self._stopping:
                outcome = run.ended("released")
            else:
                outcome = run.failed(asyncio.CancelledError("the task cancelled itself"))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            outcome = run.halted() if run.stop else run.failed(error)
        finally:
            if token is not None:
                _current.reset(token)
            if run.stop and run.task is not None:
                # However the task took it: the next job of this lane has not been cancelled.
                run.task.uncancel()
        self._finish(run, outcome)

    async def _resolve(
        self, context: JobContext, args: list[Any], kwargs: dict[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """Arguments with the results of upstreams in the place of references to them."""
        record = await self.backend.get_job(context.job_id, queue=context.queue)
        named = {each.upstream for each in references.find([args, kwargs], set(record.depends_on))}
        if not named:
            return args, kwargs
        results = await self.backend.results(context.queue, list(named))
        ups = set(record.depends_on)
        return references.resolve(args, ups, results), references.resolve(kwargs, ups, results)

    async def _in_thread(self, run: Attempt, task: Task, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if self._threads is None:
            self._threads = Threads(f"{self.id} job")
        call = partial(copy_context().run, task.call, *args, **kwargs)
        try:
            return await asyncio.wrap_future(self._threads.submit(call))
        except asyncio.CancelledError:
            if run.context is not None:
                run.context.cancelled = True
            raise

    def _stop_run(self, run: Attempt, why: str) -> None:
        """Have a running job stop; its lane gets a CancelledError, its thread can look at `context.cancelled`."""
        if run.stop or self._running.get(run.claim.id) is not run:
            return
        run.stop = why
        if run.context is not None:
            run.context.cancelled = True
        if run.task is not None:
            run.task.cancel()

    # ------------------------------------------------------------------------------------------ what tasks ask for

    def progress(self, context: JobContext, fraction: float, note: str) -> None:
        """Take note of a job's progress; the latest goes out a few times a second."""
        run = self._running.get(context.job_id)
        if run is not None and run.context is context:
            self._reports.progress(run, fraction, note)

    def log(self, context: JobContext, level: str, text: str) -> None:
        """Take lines for a job's log; in bursts, the newest are kept."""
        run = self._running.get(context.job_id)
        if run is not None and run.context is context:
            self._reports.log(run, level, text)

    async def upstreams(self, context: JobContext) -> dict[str, tuple[str, Any]]:
        """Completed upstreams of a job: id -> (name, result)."""
        record = await self.backend.get_job(context.job_id, queue=context.queue)
        found: dict[str, tuple[str, Any]] = {}
        results = await self.backend.results(context.queue, record.depends_on)
        names = await self.backend.names(context.queue, list(results))
        for job_id in record.depends_on:
            if job_id in results:
                found[job_id] = (names.get(job_id, job_id), results[job_id])
        return found

    async def _send_reports(self) -> None:
        while True:
            try:
                await self._reports.send()
            except Exception as error:
                complain(error, "logs could not be stored: %s")

    def _told(self, job_id: str, token: str, why: str) -> None:
        run = self._running.get(job_id)
        # By now it may have finished, or run again here under another lease.
        if run is None or run.claim.token != token:
            return
        self._stop_run(run, why)
        if run.task is None or why == "lost":
            log.info(
                "job %s: %s",
                job_id,
                "its lease is lost; it is being stopped" if why == "lost" else "asked to stop",
            )
