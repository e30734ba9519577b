"""The jobs and links of a flow being composed, with what follows from them. Pure, no textual.

Names, neighbours, levels and cycles are found once and follow each change; what a change is, `changes` says.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final, TypeVar, cast

from flowtui.changes import (
    Change,
    DraftJob,
    DropJob,
    DropLink,
    Link,
    PutJob,
    PutLink,
    Settings,
    SwapJob,
    SwapSettings,
)
from flowtui.dag.cycles import (
    adjacency,
    follow_cut_link,
    follow_new_link,
    levels,
    split_newest,
    would_close_cycle,
)
from flowtui.results import may_refer

LOG: Final = 500
"""Changes of which it is known whom they touched."""
MANY: Final = 64
"""Jobs or links put in one go after which levels are found anew: to follow each of them takes longer."""

K = TypeVar("K")
V = TypeVar("V")


class Wiring:
    """Jobs by key, links in the order in which they were made, and the questions one asks of them."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self._jobs: dict[str, DraftJob] = {}
        self._links: dict[Link, None] = {}
        self._up: dict[str, list[str]] = {}
        self._down: dict[str, list[str]] = {}
        self._names: dict[str, list[str]] = {}
        self._referring: set[str] = set()
        """The jobs whose arguments may take results of others."""
        self._levels: dict[str, int] | None = None
        self._climbs = False
        """Whether the levels that are known are those of all links: no link closes a cycle."""
        self._split: tuple[list[Link], list[Link]] | None = None
        self._cycle: list[str] | None = None
        self._touched: deque[tuple[str, ...]] = deque(maxlen=LOG)
        self.version = 0
        """Goes up with every change, undo and redo."""

    # ---- reading -----------------------------------------------------------------------------------------------------

    @property
    def jobs(self) -> Mapping[str, DraftJob]:
        """The jobs by key, in order."""
        return self._jobs

    @property
    def links(self) -> list[Link]:
        """(upstream, downstream) keys, the oldest link first."""
        return list(self._links)

    @property
    def link_count(self) -> int:
        """How many links there are."""
        return len(self._links)

    @property
    def names_are_unique(self) -> bool:
        """Whether no two jobs have the same name."""
        return len(self._names) == len(self._jobs)

    def touched_since(self, version: int) -> set[str] | None:
        """The keys of jobs that came, went, changed, or got or lost a link since `version`; None: too many to tell."""
        count = self.version - version
        if count > len(self._touched):
            return None
        return {key for back in range(1, count + 1) for key in self._touched[-back]}

    def has_link(self, upstream: str, downstream: str) -> bool:
        """Whether this link exists."""
        return (upstream, downstream) in self._links

    def name(self, key: str) -> str:
        """A job's name."""
        return self._jobs[key].name

    def key(self, name: str) -> str | None:
        """The key of the first job with this name, or None."""
        keys = self._names.get(name)
        return keys[0] if keys else None

    def upstream(self, key: str) -> Sequence[str]:
        """What a job waits for, the oldest link first."""
        return self._up[key]

    def downstream(self, key: str) -> Sequence[str]:
        """What waits for a job, the oldest link first."""
        return self._down[key]

    @property
    def adjacency(self) -> Mapping[str, Sequence[str]]:
        """The downstream keys of every job."""
        return self._down

    @property
    def waits_for(self) -> Mapping[str, Sequence[str]]:
        """The upstream keys of every job."""
        return self._up

    @property
    def levels(self) -> Mapping[str, int]:
        """The level of each job, 0 first, over the links that close no cycle."""
        if self._levels is None:
            self._levels, self._split = self._find_levels()
        return self._levels

    def split(self) -> tuple[list[Link], list[Link]]:
        """The links that fit together, and those that close a cycle (of each cycle the newest)."""
        if self._split is None:
            if self._levels is None or not self._climbs:
                self._levels, self._split = self._find_levels()
            else:
                self._split = self.links, []
        return self._split

    def _find_levels(self) -> tuple[dict[str, int], tuple[list[Link], list[Link]]]:
        found = levels(self._down, self._up)
        self._climbs = len(found) == len(self._down)
        if self._climbs:
            return found, (self.links, [])
        split = split_newest(self.links)
        return levels(adjacency(self._jobs, split[0])), split

    @property
    def closing(self) -> Sequence[Link]:
        """The links that close a cycle, oldest first; none where the flow can run."""
        return self.split()[1]

    def cycle(self) -> list[str] | None:
        """The path of the newest cycle, from the target of its closing link round to the source; or None."""
        kept, closing = self.split()
        if closing and self._cycle is None:
            self._cycle = would_close_cycle(adjacency((), kept), *closing[-1])
        return self._cycle

    def would_close(self, upstream: str, downstream: str) -> list[str] | None:
        """The path downstream -> ... -> upstream that a link would close to a cycle, or None."""
        level = self.levels if not self.closing else None
        return would_close_cycle(self._down, upstream, downstream, level)

    def free_name(self, wanted: str, tried: dict[str, int] | None = None) -> str:
        """`wanted`, with a number behind it where the name is taken.

        `tried` keeps which numbers are taken while many names are looked for and none is given up.
        """
        if wanted not in self._names:
            return wanted
        stem, dash, tail = wanted.rpartition("-")
        if not (dash and tail.isdecimal()):
            stem, tail = wanted, "1"
        number = max(int(tail) + 1, 0 if tried is None else tried.get(f"{stem}-{tail}", 0))
        while f"{stem}-{number}" in self._names:
            number += 1
        if tried is not None:
            tried[f"{stem}-{tail}"] = number
        return f"{stem}-{number}"

    def between(self, start: str, end: str) -> list[str]:
        """Every job on a path between two jobs, in either direction, the two included; just the two where is none."""
        for first, last in ((start, end), (end, start)):
            after = _reach(first, self._down)
            if last in after:
                before = _reach(last, self._up)
                return [key for key in self._jobs if key in after and key in before]
        return [start, end]

    # ---- changes -----------------------------------------------------------------------------------------------------

    def _apply_all(self, changes: Iterable[Change]) -> None:
        """Do changes one after the other; what many of a kind put into the middle is put there in one go."""
        for kind, run in groupby(changes, key=type):
            some = list(run)
            if len(some) > MANY:
                self._levels = None
            if kind is PutJob and len(some) > 1:
                self._put_jobs(cast("list[PutJob]", some))
            elif kind is PutLink and len(some) > 1:
                self._put_links(cast("list[PutLink]", some))
            else:
                for change in some:
                    self._apply(change)

    def _put_jobs(self, changes: Sequence[PutJob]) -> None:
        pairs = list(self._jobs.items())
        for change in changes:
            pairs.insert(change.at, (change.key, change.job))
        self._jobs = dict(pairs)
        for change in changes:
            self._up[change.key], self._down[change.key] = [], []
            self._take_name(change.job.name, change.key)
            self._note_references(change.key, change.job)
            self._note(change, (change.key,))

    def _put_links(self, changes: Sequence[PutLink]) -> None:
        links = list(self._links)
        for change in changes:
            links.insert(change.at, change.link)
        self._links = dict.fromkeys(links)
        place = {link: i for i, link in enumerate(links)}
        for change in changes:
            up, down = change.link
            self._down[up].append(down)
            self._up[down].append(up)
        for up in {change.link[0] for change in changes}:
            self._down[up].sort(key=lambda other, up=up: place[up, other])  # type: ignore[misc]
        for down in {change.link[1] for change in changes}:
            self._up[down].sort(key=lambda other, down=down: place[other, down])  # type: ignore[misc]
        for change in changes:
            self._note(change, change.link)

    def _apply(self, change: Change) -> None:
        touched: tuple[str, ...] = ()
        match change:
            case PutJob(at, key, job):
                self._jobs = _inserted(self._jobs, at, key, job)
                self._up[key], self._down[key] = [], []
                self._take_name(job.name, key)
                self._note_references(key, job)
                touched = (key,)
            case DropJob(_, key, job):
                del self._jobs[key], self._up[key], self._down[key]
                self._forget_name(job.name, key)
                self._referring.discard(key)
                touched = (key,)
            case SwapJob(key, old, new):
                self._jobs[key] = new
                if old.name != new.name:
                    self._forget_name(old.name, key)
                    self._take_name(new.name, key)
                self._note_references(key, new)
                touched = (key,)
            case PutLink(at, (up, down) as link):
                newest = at == len(self._links)
                self._links = _inserted(self._links, at, link, None)
                self._down[up].append(down)
                self._up[down].append(up)
                if not newest:
                    self._resort(up, down)
                touched = link
            case DropLink(_, (up, down) as link):
                del self._links[link]
                _take_out(self._down[up], down)
                _take_out(self._up[down], up)
                touched = link
            case SwapSettings(_, new):
                self.settings = new
        self._note(change, touched)

    def _note(self, change: Change, touched: tuple[str, ...]) -> None:
        """What was found out before a change holds no more, as far as it says."""
        self.version += 1
        self._touched.append(touched)
        if not isinstance(change, SwapJob | SwapSettings):
            self._split = self._cycle = None
            if self._levels is not None and not (self._climbs and self._follow_levels(self._levels, change)):
                self._levels = None

    def _note_references(self, key: str, job: DraftJob) -> None:
        refers = may_refer(job.args) or may_refer(job.kwargs)
        (self._referring.add if refers else self._referring.discard)(key)

    def _follow_levels(self, level: dict[str, int], change: Change) -> bool:
        """Bring the levels up to date; False where they are to be found anew."""
        match change:
            case PutJob(_, key, _):
                level[key] = 0
            case DropJob(_, key, _):
                del level[key]
            case PutLink(_, (up, down)):
                return follow_new_link(level, self._down, up, down)
            case DropLink(_, (_, down)):
                return follow_cut_link(level, self._down, self._up, down)
        return True

    def _resort(self, up: str, down: str) -> None:
        """Neighbours stand in the order of their links, also after an undo put one back into the middle."""
        place = {link: i for i, link in enumerate(self._links)}
        self._down[up].sort(key=lambda other: place[up, other])
        self._up[down].sort(key=lambda other: place[other, down])

    def _take_name(self, name: str, key: str) -> None:
        keys = self._names.setdefault(name, [])
        keys.append(key)
        if len(keys) > 1:
            # Of several the first in the flow is meant, also after an undo put it back before the others.
            place = {other: i for i, other in enumerate(self._jobs)}
            keys.sort(key=place.__getitem__)

    def _forget_name(self, name: str, key: str) -> None:
        keys = self._names[name]
        keys.remove(key)
        if not keys:
            del self._names[name]


def _reach(start: str, after: Mapping[str, Sequence[str]]) -> set[str]:
    seen, todo = {start}, [start]
    while todo:
        for other in after[todo.pop()]:
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def _take_out(keys: list[str], key: str) -> None:
    """Remove a key, most likely the last one: of a hub's thousand links the newest go first."""
    if keys[-1] == key:
        keys.pop()
    else:
        keys.remove(key)


def _inserted(items: dict[K, V], at: int, key: K, value: V) -> dict[K, V]:
    if at >= len(items):
        items[key] = value
        return items
    pairs = list(items.items())
    pairs.insert(at, (key, value))
    return dict(pairs)
