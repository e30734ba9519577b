"""What is wrong, or worth knowing, about a flow being composed. Pure, no textual."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from core.errors import FlowError
from core.payload import encode_job
from core.references import Reference
from flowtui.changes import DraftJob
from flowtui.dag.cycles import adjacency
from flowtui.draft import Draft
from flowtui.results import written
from flowtui.text import safe

WIDE: Final = 500
"""Links of one job from which on a flow is better cut into batches."""
SHELL: Final = "shell"
TOLD: Final = 8
"""Unknown tasks up to which each has a line of its own."""


@dataclass(frozen=True, slots=True)
class Problem:
    """`blocks` is whether submit is refused; `key` is the job to go to, `link` the link to cut; `unknown` is how many
    tasks it says that nobody knows."""

    text: str
    blocks: bool = True
    key: str | None = None
    link: tuple[str, str] | None = None
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What there is to say about one job, as it is and is linked."""

    job: DraftJob
    wrong: str | None
    references: tuple[tuple[str, Reference | None], ...]
    alone: bool
    late: bool
    """Whether it runs only when an upstream fails, and has none."""
    wide: tuple[tuple[int, str], ...]

    @property
    def notable(self) -> bool:
        """Whether there is anything to say."""
        return bool(self.wrong is not None or self.references or self.alone or self.late or self.wide)


class Checker:
    """Finds the problems of a draft; of one that was looked at before, only the jobs that an edit touched are."""

    def __init__(self) -> None:
        self._of: Draft | None = None
        self._at = 0
        self._facts: dict[str, Facts] = {}
        self._notable: set[str] = set()

    def problems(
        self, draft: Draft, known: Collection[str] = (), live: Collection[str] | None = None
    ) -> list[Problem]:
        """Every problem, those that block first.

        `known` are the tasks registered here, `live` those of the workers that serve the draft's queue (None: not
        known). Where neither has a task, that is a hint: a worker may still come.
        """
        self._look(draft)
        facts: list[tuple[str, Facts]] = []
        if self._notable:
            facts = [(key, self._facts[key]) for key in draft.jobs if key in self._notable]
        wrong = [Problem(told.wrong, key=key) for key, told in facts if told.wrong is not None]
        found = [*_cycles(draft), *wrong, *_names(draft), *_references(draft, facts)]
        return [*found, *_tasks(draft, known, live), *_hints(draft, facts)]

    def _look(self, draft: Draft) -> None:
        touched = draft.touched_since(self._at) if draft is self._of else None
        self._of, self._at = draft, draft.version
        for key in {*self._facts, *draft.jobs} if touched is None else touched:
            job, before = draft.jobs.get(key), self._facts.get(key)
            if job is None:
                self._facts.pop(key, None)
                self._notable.discard(key)
                continue
            self._facts[key] = told = _facts(draft, key, job, before)
            (self._notable.add if told.notable else self._notable.discard)(key)


def _facts(draft: Draft, key: str, job: DraftJob, before: Facts | None) -> Facts:
    up, down = draft.upstream(key), draft.downstream(key)
    if before is not None and before.job is job:  # only its links may have changed
        wrong, references = before.wrong, before.references
    else:
        wrong, references = _wrong(job), tuple(written([job.args, job.kwargs]))
    wide = [(len(down), "start after"), (len(up), "must end before")]
    return Facts(
        job,
        wrong,
        references,
        alone=not up and not down,
        late=job.trigger == "one_failed" and not up and not job.earlier,
        wide=tuple((links, what) for links, what in wide if links > WIDE),
    )


def _references(draft: Draft, facts: list[tuple[str, Facts]]) -> list[Problem]:
    found = []
    for key, told in facts:
        for text, reference in told.references:
            name = safe(told.job.name, 40)
            if reference is None:
                text = f"{name}: {safe(text, 60)} cannot be read as a result of a job"
                found.append(Problem(text, key=key))
                continue
            wanted = safe(reference.upstream, 40)
            other = draft.key(reference.upstream)
            if other is None:
                text = f"{name} takes the result of '{wanted}', which is not in this flow"
                found.append(Problem(text, key=key))
            elif other == key:
                found.append(Problem(f"{name} takes its own result; name another job, e edits it", key=key))
            elif other not in draft.upstream(key):
                text = f"{name} takes the result of {wanted} but does not wait for it; link them"
                found.append(Problem(text, key=key))
    return found


def _hints(draft: Draft, facts: list[tuple[str, Facts]]) -> list[Problem]:
    found = [
        Problem(f"{safe(told.job.name, 60)} has no links: it runs at once", blocks=False, key=key)
        for key, told in facts
        if told.alone and len(draft.jobs) > 1
    ]
    found += [
        Problem(
            f"{safe(told.job.name, 60)} runs only when an upstream fails, and waits for none: it will be skipped",
            blocks=False,
            key=key,
        )
        for key, told in facts
        if told.late
    ]
    for key, told in facts:
        for links, what in told.wide:
            text = (
                f"{links} jobs {what} {safe(told.job.name, 40)}; batches in between are kinder to the store"
            )
            found.append(Problem(text, blocks=False, key=key))
    return found


def _wrong(job: DraftJob) -> str | None:
    """What the engine itself would refuse about a job."""
    try:
        encode_job(job.to_job("check"))
    except FlowError as error:
        return safe(error, 200)
    return None


def _cycles(draft: Draft) -> list[Problem]:
    if not draft.closing:
        return []
    kept, closing = draft.split()
    down = adjacency(draft.jobs, kept)
    from flowtui.dag.cycles import would_close_cycle

    found = []
    for link in reversed(closing):
        path = would_close_cycle(down, *link)
        if path is None:
            continue
        names = " → ".join(safe(draft.name(key), 40) for key in path[:8])
        more = f" → … {len(path) - 8} more …" if len(path) > 8 else ""
        text = f"cycle: {names}{more} ⇢ {safe(draft.name(link[1]), 40)}"
        found.append(Problem(text, key=link[0], link=link))
    return found


def _names(draft: Draft) -> list[Problem]:
    if draft.names_are_unique:
        return []
    counts = Counter([job.name for job in draft.jobs.values()])
    return [
        Problem(f"{counts[job.name]} jobs are called '{safe(job.name, 60)}'; rename one", key=key)
        for key, job in draft.jobs.items()
        if counts[job.name] > 1 and draft.key(job.name) != key
    ]


def _tasks(draft: Draft, known: Collection[str], live: Collection[str] | None) -> list[Problem]:
    counts = Counter([job.task for job in draft.jobs.values()])
    if not live:  # a local worker that is started for it runs commands
        counts.pop(SHELL, None)
    tasks = [task for task in counts if task not in known and (live is None or task not in live)]
    who = "no live worker of this queue" if live else "nobody here"
    # A drawing that was imported knows no tasks at all: hundreds of lines would bury what else is wrong.
    told = tasks if len(tasks) <= TOLD else tasks[: TOLD - 1]
    found = [
        Problem(
            f"no live worker of this queue runs commands{_times(counts[task])}; start one with --allow-shell"
            if task == SHELL
            else f"{who} knows the task {safe(task, 60)}{_times(counts[task])}; it waits for a worker that does",
            blocks=False,
            key=_first(draft, task),
            unknown=1,
        )
        for task in told
    ]
    if rest := tasks[len(told) :]:
        names = ", ".join(safe(task, 20) for task in rest[:3])
        text = f"{who} knows {len(rest):,} more tasks: {names} …; their jobs wait for a worker that does"
        found.append(Problem(text, blocks=False, key=_first(draft, rest[0]), unknown=len(rest)))
    return found


def _first(draft: Draft, task: str) -> str:
    return next(key for key, job in draft.jobs.items() if job.task == task)


def _times(count: int) -> str:
    return f" ({count} jobs)" if count > 1 else ""
