"""Everything about one job on one page that scrolls: state, why it waits, links, arguments, result, error."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from textual.content import Content

from core.backends.base import Explanation
from core.errors import TaskError
from core.jobs import JobRecord, JobState
from core.references import Reference, convert, find, resolve
from flowtui.bars import bar
from flowtui.flowboard import Attempt
from flowtui.redact import redact, redact_text
from flowtui.states import COLORS, glyph
from flowtui.text import safe
from flowtui.times import duration, moment
from flowtui.widgets.jobtable import running_time
from flowtui.widgets.textpage import Line, TextPage

PREVIEW: Final = 4096
"""Characters of arguments or a result that are shown."""
_LINKS: Final = 12
_VALUE: Final = 10
"""Where the values of the fields begin."""

Part = tuple[str, str]


@dataclass(slots=True)
class Neighbour:
    """A job that this one waits for, or that waits for it."""

    id: str
    name: str
    state: str


@dataclass(slots=True)
class Facts:
    """What there is to show of a job. `explanation` is there for a job that waits."""

    job: JobRecord
    now: float
    flow_name: str = ""
    explanation: Explanation | None = None
    upstreams: Sequence[Neighbour] = ()
    downstreams: Sequence[Neighbour] = ()
    attempts: Sequence[Attempt] = ()
    reveal: bool = False
    results: Mapping[str, JobRecord | None] = field(default_factory=dict)
    """The upstreams whose results are arguments, by id, as they were read; None for one that is not kept any more."""
    gone: bool = False
    """Whether the store no longer has the job: all this is what was known of it last."""


class JobDetail(TextPage):
    """A page about one job. `show` redraws only what is new."""

    DEFAULT_CSS: ClassVar[str] = """
    JobDetail { background: $background; }
    """
    MARGIN: ClassVar[int] = 1

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: str | None = None

    def show(self, facts: Facts | None, empty: str = "no job here") -> None:
        """Show a job, or a word where there is none. Scrolls up only for another job."""
        job_id = facts.job.id if facts is not None else None
        lines = (
            page(facts, self.room) if facts is not None else [(Content.styled(empty, "$foreground-muted"), 0)]
        )
        self.put(lines)
        if job_id != self._shown:
            self._shown = job_id
            self.scroll_home(animate=False, immediate=True)


class _Lines:
    """Lines as they come in parts; a part may hold the end of a line."""

    def __init__(self) -> None:
        self.whole: list[Line] = []
        self._parts: list[Part] = []
        self._hang: int | None = None

    def __call__(self, part: Part) -> None:
        text, style = part
        first, *more = text.split("\n")
        self._parts.append((first, style))
        for each in more:
            self.end()
            self._parts.append((each, style))

    def hang(self, cells: int) -> None:
        """Where the line that is being put goes on, when it has to be wrapped; as far right as it begins, otherwise."""
        self._hang = cells

    def end(self) -> None:
        line = Content.assemble(*self._parts)
        blanks = len(line.plain) - len(line.plain.lstrip(" "))
        self.whole.append((line, blanks if self._hang is None else self._hang))
        self._parts, self._hang = [], None


def page(facts: Facts, width: int) -> list[Line]:
    """The whole page; `width` cells are what can be seen of a line at once."""
    job = facts.job
    put = _Lines()
    state = job.state.value
    color = f"${COLORS[state]}"
    if facts.gone:
        put(("! this job has been removed; below is what was known of it\n", "bold $warning"))
    put((f"{glyph(state)} {state}", f"bold {color}"))
    put((f"  {since(job, facts.now)}\n", "$foreground"))
    if job.progress is not None and job.state is JobState.ACTIVE:
        room = max(min(width - 30, 30), 8)
        put((f"{bar(job.progress, room)} {job.progress:4.0%}", "$accent"))
        put((f" {safe(redact_text(job.progress_note), 80)}\n", "$foreground-muted"))
    if job.cancel_requested and not job.state.terminal:
        put(("! asked to stop; its worker will notice at the next renewal of the lease\n", "$warning"))
    _why(put, facts)
    if job.error is not None:
        _error(put, job)
    _fields(put, facts)
    _links(put, "waits for", facts.upstreams)
    _links(put, "then", facts.downstreams)
    if job.payload_error:
        put(("\n! the payload could not be read: ", "bold $error"))
        put((safe(redact_text(job.payload_error), 400) + "\n", "$error"))
    named, links = _named(facts), job.depends_on
    if job.args or not job.kwargs:
        _json(put, "args", convert(job.args, links, lambda reference: str(named(reference))), facts.reveal)
    if job.kwargs:
        _json(
            put, "kwargs", convert(job.kwargs, links, lambda reference: str(named(reference))), facts.reveal
        )
    _references(put, facts, named)
    if job.state is JobState.COMPLETED:
        _json(put, "result", job.result, facts.reveal)
    if job.error is not None and job.error.traceback:
        put(("\ntraceback\n", "bold $foreground-muted"))
        told = safe(redact_text(job.error.traceback[-PREVIEW * 2 :]), lines=True).rstrip()
        # Without the lines of carets, which point nowhere once they are wrapped.
        frames = [line for line in told.split("\n") if not line or set(line) - set(" ^~")]
        put(("\n".join(frames) + "\n", "$foreground"))
    return put.whole


def since(job: JobRecord, now: float) -> str:
    """How long it has been in its state, or took."""
    took = duration(running_time(job, now))
    if job.state is JobState.ACTIVE:
        return f"for {took}"
    if job.state.terminal and job.finished_at is not None:
        ago = duration(now - job.finished_at)
        return f"after {took}, {ago} ago" if took else f"{ago} ago"
    if job.state is JobState.DELAYED and job.run_at is not None:
        left = job.run_at - now
        return f"due in {duration(left)}" if left > 0 else "due now"
    return f"submitted {duration(now - job.created_at)} ago"


def _why(put: _Lines, facts: Facts) -> None:
    told = facts.explanation
    if told is None or facts.job.state.terminal or facts.job.state is JobState.ACTIVE:
        return
    put((f"{safe(told.summary, 300)}\n", "$warning"))
    for line in told.details[:8]:
        put((f"  {safe(line, 300)}\n", "$foreground-muted"))


def _error(put: _Lines, job: JobRecord) -> None:
    error = job.error
    assert error is not None
    color = "$error" if job.state in (JobState.FAILED, JobState.EXPIRED) else "$foreground-muted"
    put((f"{safe(error.type, 120)}", f"bold {color}"))
    if error.message:
        put((f": {safe(redact_text(error.message[:1200]), lines=True)}", color))
    put(("\n", ""))


def _fields(put: _Lines, facts: Facts) -> None:
    job, now = facts.job, facts.now
    rows: list[tuple[str, str]] = [
        ("name", safe(job.name, 200)),
        ("task", safe(job.task_id, 260)),
        ("id", safe(job.id)),
        ("queue", f"{safe(job.queue)}   priority {job.priority}"),
    ]
    if job.flow_id:
        rows.append(("flow", f"{safe(facts.flow_name or '', 80)} {safe(job.flow_id[:12])}".strip()))
    if job.worker:
        rows.append(("worker", safe(job.worker, 120)))
    if job.attempts:
        tries = f"{job.attempts} of {max(job.max_retries + 1, job.attempts)}"
        if job.stalls:
            tries += f"   {job.stalls} lost their worker"
        rows.append(("attempt", tries))
    rows.append(("submitted", moment(job.created_at, now)))
    if job.started_at is not None:
        waited = duration(job.started_at - job.created_at)
        rows.append(("started", f"{moment(job.started_at, now)}   {waited} after submission"))
    if job.finished_at is not None:
        rows.append(("ended", f"{moment(job.finished_at, now)}   ran {duration(job.runtime) or '0s'}"))
    if job.lease_until is not None and job.state is JobState.ACTIVE:
        left = job.lease_until - now
        rows.append(
            ("lease", f"renewed, {duration(left)} left" if left > 0 else f"ran out {duration(-left)} ago")
        )
    limits = [
        f"{word} {duration(value)}"
        for word, value in (
            ("timeout", job.timeout),
            ("ttl", job.ttl),
            ("delay", job.delay),
            ("every", job.repeat_every),
        )
        if value is not None
    ]
    if str(job.trigger) != "all_success":
        limits.append(f"trigger {job.trigger}")
    if limits:
        rows.append(("limits", "   ".join(limits)))
    if len(facts.attempts) > 1:
        runs = [f"{glyph(run.state)} {duration((run.end or now) - run.start)}" for run in facts.attempts[-8:]]
        rows.append(("runs", "  ".join(runs)))
    for name, value in rows:
        put.hang(_VALUE)
        put((f"{name:<{_VALUE}}", "$foreground-muted"))
        put((f"{value}\n", "$foreground"))


def _links(put: _Lines, title: str, neighbours: Sequence[Neighbour]) -> None:
    if not neighbours:
        return
    put.hang(_VALUE)
    put((f"{title:<{_VALUE}}", "$foreground-muted"))
    for index, other in enumerate(neighbours[:_LINKS]):
        put(("   " if index else "", ""))
        put((f"{glyph(other.state)} ", f"${COLORS.get(other.state, 'foreground')}"))
        put((safe(other.name, 60), "$foreground"))
    if len(neighbours) > _LINKS:
        put((f"   and {len(neighbours) - _LINKS:,} more", "$foreground-muted"))
    put(("\n", ""))


def _json(put: _Lines, title: str, value: Any, reveal: bool) -> None:
    shown = value if reveal else redact(value)
    text = json.dumps(shown, ensure_ascii=False, indent=2 if _large(shown) else None)
    hidden = not reveal and text != json.dumps(value, ensure_ascii=False, indent=2 if _large(value) else None)
    put((f"\n{title}", "bold $foreground-muted"))
    put(("   secrets hidden, s shows them\n" if hidden else "\n", "$foreground-muted"))
    more = len(text) - PREVIEW
    put((safe(text[:PREVIEW], lines=True), "$foreground"))
    put((f"\n… {more:,} more characters\n" if more > 0 else "\n", "$foreground-muted"))


def references(job: JobRecord) -> Iterator[Reference]:
    """The results of upstreams among a job's arguments, each once, in the order in which they stand there."""
    found = list(find([job.args, job.kwargs], job.depends_on))
    return iter(sorted(set(found), key=found.index))


def _named(facts: Facts) -> Callable[[Reference], Reference]:
    """From the payload's id to the name that the flow file has, where it is known."""
    wanted = {reference.upstream for reference in references(facts.job)}
    names = {other.id: other.name for other in facts.upstreams} if wanted else {}
    names |= {job.id: job.name for job in facts.results.values() if job is not None}

    def named(reference: Reference) -> Reference:
        return Reference(names.get(reference.upstream, reference.upstream), reference.path)

    return named


def _references(put: _Lines, facts: Facts, named: Callable[[Reference], Reference]) -> None:
    """What each result of an upstream is, as far as it is known."""
    results = facts.results
    # What has not ended yet is said by "waits for".
    known = [
        each
        for each in references(facts.job)
        if each.upstream in results and ((job := results[each.upstream]) is None or job.state.terminal)
    ]
    for reference in known[:_LINKS]:
        put((f"{safe(redact_text(str(named(reference))), 120)} ", "$accent"))
        value, color = _resolved(results[reference.upstream], reference, facts)
        put((f"{value}\n", color))
    if len(known) > _LINKS:
        put((f"and {len(known) - _LINKS:,} more results of upstreams\n", "$foreground-muted"))


def _resolved(upstream: JobRecord | None, reference: Reference, facts: Facts) -> Part:
    if upstream is None:
        return "is not kept any more", "$foreground-muted"
    if upstream.state is not JobState.COMPLETED:
        return f"is null: its job is {upstream.state}", "$foreground-muted"
    try:
        value = resolve(reference.to_payload(), [upstream.id], {upstream.id: upstream.result})
    except TaskError as error:
        return f"! {safe(redact_text(str(error)), 200)}", "$warning"
    if not facts.reveal:
        # What a value is called says whether it is a secret.
        steps = [step for step in reference.path if isinstance(step, str)]
        value = redact({steps[-1]: value})[steps[-1]] if steps else redact(value)
    text = json.dumps(value, ensure_ascii=False)
    return f"= {safe(text, 400)}", "$foreground"


def _large(value: Any) -> bool:
    return isinstance(value, list | dict) and len(json.dumps(value, ensure_ascii=False)) > 60
