"""A flow being composed: jobs, links, and every step back to the empty screen. Pure, no textual.

A job has a key that never changes, so that renaming it moves nothing. Links keep the order in which they were made:
of a cycle the newest link is to blame. Every change is a `Change` that knows its own inverse; a `Step` is what one
keypress did. `draft.steps` replayed on the draft's start gives exactly the draft.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from core.errors import FlowError
from core.jobs import Job
from flowtui.changes import (
    DEFAULT_NAME,
    DEFAULT_QUEUE,
    Change,
    DraftJob,
    DropJob,
    DropLink,
    Link,
    PutJob,
    PutLink,
    Settings,
    Step,
    SwapJob,
    SwapSettings,
)
from flowtui.results import from_payload, renamed, to_payload
from flowtui.wiring import Wiring

K = TypeVar("K")


class DraftError(FlowError):
    """A command that makes no sense here; says why."""


class Draft(Wiring):
    """The flow on the Compose screen."""

    def __init__(self, settings: Settings | None = None) -> None:
        super().__init__(settings)
        self._undo: list[Step] = []
        self._redo: list[Step] = []
        self._doing: list[Change] | None = None

    @property
    def last_step(self) -> Step | None:
        """The step that led to what the draft is now, itself: it is there again once what came after it is undone."""
        return self._undo[-1] if self._undo else None

    @property
    def steps(self) -> Sequence[Step]:
        """What led here, without what was undone."""
        return self._undo

    @property
    def undone(self) -> Sequence[Step]:
        """What redo would do, the next one last."""
        return self._redo

    # ---- commands: each is one step ----------------------------------------------------------------------------------

    def add(
        self,
        task: str,
        name: str | None = None,
        *,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        upstream: Iterable[str] = (),
        downstream: Iterable[str] = (),
        **options: Any,
    ) -> str:
        """Add a job, linked as said; returns its key. The name is the last part of the task, made unique."""
        wanted = name or task.rpartition(".")[2] or task
        job = DraftJob(self.free_name(wanted), task, list(args), dict(kwargs or {}), **options)
        with _Doing(self, f"add {job.name}"):
            key = self._put(job)
            for other in upstream:
                self._link(other, key)
            for other in downstream:
                self._link(key, other)
        return key

    def insert(
        self,
        jobs: Iterable[DraftJob],
        links: Iterable[tuple[int, int]],
        *,
        step: str,
        upstream: Iterable[str] = (),
        outer: Iterable[tuple[str, int]] = (),
        settings: Settings | None = None,
    ) -> list[str]:
        """Add jobs with the links between them (pairs of indices) in one step; returns their keys.

        With `settings` the flow takes these, too.

        `upstream` are jobs that those without upstreams among the new ones then wait for; `outer` are further links,
        from a job that is here to a new one by its index.
        """
        pairs = list(links)
        with _Doing(self, step):
            keys, moved = [], {}
            tried: dict[str, int] = {}
            for job in jobs:
                name = self.free_name(job.name, tried)
                if name != job.name:
                    moved[job.name] = name
                keys.append(self._put(replace(job, name=name)))
            if moved:
                self._follow(keys, moved)
            for source, target in pairs:
                self._link(keys[source], keys[target])
            waiting = {target for _, target in pairs}
            for other in upstream:
                for index, key in enumerate(keys):
                    if index not in waiting:
                        self._link(other, key)
            for other, index in outer:
                self._link(other, keys[index])
            if settings is not None and settings != self.settings:
                self._do(SwapSettings(self.settings, settings))
        return keys

    def link(self, upstream: Iterable[str], downstream: Iterable[str]) -> list[Link]:
        """Link each of `upstream` to each of `downstream`; returns the new links. Links may close a cycle."""
        downs = list(downstream)
        wanted = [(up, down) for up in upstream for down in downs if up != down]
        new = [link for link in dict.fromkeys(wanted) if link not in self._links]
        if not new:
            return []
        with _Doing(self, self._link_step("link", new)):
            for up, down in new:
                self._link(up, down)
        return new

    def unlink(self, links: Iterable[Link]) -> int:
        """Cut links; returns how many there were."""
        gone = [link for link in dict.fromkeys(links) if link in self._links]
        if gone:
            with _Doing(self, self._link_step("cut", gone)):
                self._drop_links(gone)
        return len(gone)

    def remove(self, keys: Iterable[str], *, bridge: bool = False) -> int:
        """Delete jobs with their links; with `bridge` what was before them is linked to what was after."""
        gone = [key for key in dict.fromkeys(keys) if key in self._jobs]
        if not gone:
            return 0
        what = self.name(gone[0]) if len(gone) == 1 else f"{len(gone)} jobs"
        with _Doing(self, f"{'bridge' if bridge else 'delete'} {what}"):
            made = self._bridges(gone) if bridge else []
            self._drop_links(
                {(up, key) for key in gone for up in self._up[key]}
                | {(key, down) for key in gone for down in self._down[key]}
            )
            self._drop_jobs(gone)
            for up, down in made:
                self._link(up, down)
        return len(gone)

    def rename(self, key: str, name: str) -> None:
        """Give a job another name. Raises `DraftError` when it is taken or empty."""
        job = self._jobs[key]
        if name == job.name:
            return
        self._check_name(name)
        with _Doing(self, f"rename {job.name} → {name}"):
            self._do(SwapJob(key, job, replace(job, name=name)))
            self._follow_rename(job.name, name)

    def edit(self, keys: Iterable[str], **changes: Any) -> int:
        """Change fields of jobs, each to the same value; returns how many jobs that changed."""
        swaps = []
        for key in keys:
            old = self._jobs[key]
            new = replace(old, **changes)
            if new != old:
                if new.name != old.name:
                    self._check_name(new.name)
                swaps.append(SwapJob(key, old, new))
        if not swaps:
            return 0
        what = swaps[0].old.name if len(swaps) == 1 else f"{len(swaps)} jobs"
        with _Doing(self, f"edit {what}"):
            for swap in swaps:
                self._do(swap)
                if swap.new.name != swap.old.name:
                    self._follow_rename(swap.old.name, swap.new.name)
        return len(swaps)

    def duplicate(self, keys: Iterable[str]) -> list[str]:
        """Copy jobs, with the links among them and from their upstreams outside; returns the copies' keys."""
        chosen = [key for key in dict.fromkeys(keys) if key in self._jobs]
        if not chosen:
            return []
        index = {key: i for i, key in enumerate(chosen)}
        what = self.name(chosen[0]) if len(chosen) == 1 else f"{len(chosen)} jobs"
        inner = [(index[up], index[down]) for up, down in self._links if up in index and down in index]
        outer = [(up, index[down]) for up, down in self._links if up not in index and down in index]
        return self.insert([self._jobs[key] for key in chosen], inner, step=f"duplicate {what}", outer=outer)

    def set_flow(self, *, name: str | None = None, queue: str | None = None) -> None:
        """Name the flow, choose its queue."""
        new = Settings(name or self.settings.name, queue or self.settings.queue)
        if new != self.settings:
            what = f"name the flow {new.name}" if new.name != self.settings.name else f"queue {new.queue}"
            with _Doing(self, what):
                self._do(SwapSettings(self.settings, new))

    def undo(self) -> str | None:
        """Take the last step back; returns its name, None when there is none."""
        if not self._undo:
            return None
        step = self._undo.pop()
        self._apply_all([change.inverse() for change in reversed(step.changes)])
        self._redo.append(step)
        return step.name

    def redo(self) -> str | None:
        """Do the last undone step again; returns its name, None when there is none."""
        if not self._redo:
            return None
        step = self._redo.pop()
        self._apply_all(step.changes)
        self._undo.append(step)
        return step.name

    def replay(self, steps: Iterable[Step]) -> None:
        """Do steps of another draft, as they were."""
        for step in steps:
            self._apply_all(step.changes)
            self._undo.append(step)
        self._redo.clear()

    # ---- to and from jobs --------------------------------------------------------------------------------------------

    @classmethod
    def of(cls, jobs: Sequence[Job], *, name: str | None = None, queue: str | None = None) -> Draft:
        """A draft of jobs that name each other by id in `depends_on`; ids from elsewhere become `earlier`.

        Undo does not go behind it.
        """
        draft = cls(Settings(name or DEFAULT_NAME, queue or DEFAULT_QUEUE))
        index = {job.id: i for i, job in enumerate(jobs)}
        names = {job.id: job.name for job in jobs}
        pairs = [(index[up], i) for i, job in enumerate(jobs) for up in job.depends_on if up in index]
        made = [
            replace(
                DraftJob.from_job(job),
                args=from_payload(job.args, job.depends_on, names),
                kwargs=from_payload(job.kwargs, job.depends_on, names),
                earlier=tuple(up for up in job.depends_on if up not in index),
            )
            for job in jobs
        ]
        if made:
            with _Doing(draft, "open"):
                keys = [draft._put(job) for job in made]
                for up, down in pairs:
                    draft._do(PutLink(draft.link_count, (keys[up], keys[down])))
            draft._undo.clear()
        return draft

    def to_jobs(self, make_id: Callable[[str], str] | None = None) -> list[Job]:
        """The jobs for the engine, in order. Raises `InvalidJob`; cycles are for `FlowProducer` to refuse.

        `make_id` gives each key its id; without it ids are new every time.
        """
        jobs = {key: job.to_job(make_id(key) if make_id else None) for key, job in self._jobs.items()}
        for up, down in self._links:
            jobs[down].depends_on.append(jobs[up].id)
        ids = {job.name: job.id for job in reversed(jobs.values())}
        for job in jobs.values():
            upstream = set(job.depends_on)
            job.args = to_payload(job.args, ids, upstream)
            job.kwargs = to_payload(job.kwargs, ids, upstream)
        return list(jobs.values())

    def dump(self) -> dict[str, Any]:
        """Everything but the history, as JSON-able values; `Draft.load` takes it back."""
        index = {key: i for i, key in enumerate(self._jobs)}
        return {
            "name": self.settings.name,
            "queue": self.settings.queue,
            "jobs": [
                {"name": job.name, "task": job.task, **_plain(job.changed())} for job in self._jobs.values()
            ],
            "links": [[index[up], index[down]] for up, down in self._links],
        }

    @classmethod
    def load(cls, data: Mapping[str, Any]) -> Draft:
        """The draft that `dump` described. Raises LookupError, TypeError or ValueError for anything else."""
        draft = cls(Settings(str(data["name"]), str(data["queue"])))
        jobs = [DraftJob(**fields) for fields in data["jobs"]]
        with _Doing(draft, "restore"):
            keys = [draft._put(job) for job in jobs]
            for up, down in data["links"]:
                draft._do(PutLink(draft.link_count, (keys[up], keys[down])))
        draft._undo.clear()
        return draft

    def copy(self) -> Draft:
        """A draft with the same jobs under the same keys, without the history: to try something out."""
        other = Draft(self.settings)
        other._jobs, other._links = dict(self._jobs), dict(self._links)
        other._up = {key: list(ups) for key, ups in self._up.items()}
        other._down = {key: list(downs) for key, downs in self._down.items()}
        other._names = {name: list(keys) for name, keys in self._names.items()}
        other._referring = set(self._referring)
        return other

    # ---- the machinery -----------------------------------------------------------------------------------------------

    def _check_name(self, name: str) -> None:
        if not name.strip():
            raise DraftError("a job needs a name")
        if name in self._names:
            raise DraftError(f"'{name}' is taken; choose another name")

    def _follow_rename(self, old: str, new: str) -> None:
        self._follow(list(self._jobs), {old: new})

    def _follow(self, keys: Iterable[str], names: Mapping[str, str]) -> None:
        """Arguments that take the result of a renamed job keep doing so."""
        for key in keys:
            if key not in self._referring:
                continue
            job = self._jobs[key]
            args, kwargs = renamed(job.args, names), renamed(job.kwargs, names)
            if args is not job.args or kwargs is not job.kwargs:
                self._do(SwapJob(key, job, replace(job, args=args, kwargs=kwargs)))

    def _link_step(self, verb: str, links: Sequence[Link]) -> str:
        if len(links) == 1:
            up, down = links[0]
            return f"{verb} {self.name(up)} → {self.name(down)}"
        downs = {down for _, down in links}
        ups = {up for up, _ in links}
        if len(downs) == 1:
            return f"{verb} {len(ups)} jobs → {self.name(links[0][1])}"
        if len(ups) == 1:
            return f"{verb} {self.name(links[0][0])} → {len(downs)} jobs"
        return f"{verb} {len(links)} links"

    def _put(self, job: DraftJob) -> str:
        key, number = job.name or "\0", 2
        while key in self._jobs:
            key, number = f"{job.name}\0{number}", number + 1
        self._do(PutJob(len(self._jobs), key, job))
        return key

    def _link(self, up: str, down: str) -> None:
        if up not in self._jobs or down not in self._jobs:
            raise KeyError(up if up not in self._jobs else down)
        if (up, down) not in self._links and up != down:
            self._do(PutLink(len(self._links), (up, down)))

    def _drop_links(self, links: Iterable[Link]) -> None:
        # The newest first: then each of them goes from the place that it had, and comes back in order.
        place = {link: i for i, link in enumerate(self._links)}
        for link in sorted(links, key=place.__getitem__, reverse=True):
            self._do(DropLink(place[link], link))

    def _drop_jobs(self, keys: Iterable[str]) -> None:
        """Jobs without links, the last one first."""
        place = {key: i for i, key in enumerate(self._jobs)}
        for key in sorted(keys, key=place.__getitem__, reverse=True):
            self._do(DropJob(place[key], key, self._jobs[key]))

    def _bridges(self, gone: Iterable[str]) -> list[Link]:
        """The links that take the place of jobs which go one after the other."""
        ups: dict[str, dict[str, None]] = {}
        downs: dict[str, dict[str, None]] = {}

        def near(
            known: dict[str, dict[str, None]], links: Mapping[str, list[str]], key: str
        ) -> dict[str, None]:
            if key not in known:
                known[key] = dict.fromkeys(links[key])
            return known[key]

        made: dict[Link, None] = {}
        for key in gone:
            before, after = list(near(ups, self._up, key)), list(near(downs, self._down, key))
            for up in before:
                near(downs, self._down, up).pop(key, None)
                made.pop((up, key), None)
            for down in after:
                near(ups, self._up, down).pop(key, None)
                made.pop((key, down), None)
            for up in before:
                for down in after:
                    if up != down and down not in near(downs, self._down, up):
                        near(downs, self._down, up)[down] = None
                        near(ups, self._up, down)[up] = None
                        made[up, down] = None
        return list(made)

    def _do(self, change: Change) -> None:
        assert self._doing is not None
        self._doing.append(change)
        self._apply(change)


def replace_part(draft: Draft, keys: Sequence[str], after: Draft) -> None:
    """Put the jobs of `after` in the place of some jobs of `draft`, in one step.

    A job of the same name, or where the count did not change the one in the same place, keeps its key and its links to
    jobs outside; links among the replaced jobs are those of `after`. Raises `DraftError` for a name that is taken.
    """
    old = {draft.name(key): key for key in keys}
    new = list(after.jobs)
    same = len(new) == len(keys)
    place: dict[str, str] = {}
    stay = {after.name(other) for other in new}
    free = [key for key in keys if draft.name(key) not in stay]
    for other in new:
        if after.name(other) in old:
            place[other] = old[after.name(other)]
        elif same and free:
            place[other] = free.pop(0)
    replaced = set(keys)
    outside = {job.name for key, job in draft.jobs.items() if key not in replaced}
    for other in new:
        if after.name(other) in outside:
            raise DraftError(
                f"'{after.name(other)}' is taken by another job of the flow; choose another name"
            )
    kept = set(place.values())
    what = draft.name(keys[0]) if len(keys) == 1 else f"{len(keys)} jobs"
    with _Doing(draft, f"edit {what} as text"):
        draft._drop_links(
            link
            for link in draft.links
            if replaced.issuperset(link) or any(end in replaced and end not in kept for end in link)
        )
        draft._drop_jobs(replaced - kept)
        moved = {}
        for other, key in place.items():
            job, now = draft._jobs[key], after.jobs[other]
            if now != job:
                draft._do(SwapJob(key, job, now))
            if now.name != job.name:
                moved[job.name] = now.name
        for other in new:
            if other not in place:
                place[other] = draft._put(after.jobs[other])
        for up, down in after.links:
            draft._link(place[up], place[down])
        if moved:
            draft._follow(list(draft._jobs), moved)
        if after.settings != draft.settings:
            draft._do(SwapSettings(draft.settings, after.settings))


class _Doing:
    """One step: what is done inside becomes one entry of undo, or nothing when it fails."""

    def __init__(self, draft: Draft, name: str) -> None:
        self.draft = draft
        self.name = name

    def __enter__(self) -> None:
        if self.draft._doing is not None:
            raise RuntimeError("a step inside of a step")
        self.draft._doing = []

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        draft = self.draft
        changes, draft._doing = draft._doing or [], None
        if kind is not None:
            draft._apply_all([change.inverse() for change in reversed(changes)])
        elif changes:
            draft._undo.append(Step(self.name, tuple(changes)))
            draft._redo.clear()


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
