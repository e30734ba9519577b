"""The filter line: `state:failed task:app.* flow:etl* age>5m id:7f3 text`, and `!` before a term for its opposite.

Terms stand side by side and all must hold. A comma inside a value means "or", `*` and `?` stand for any characters,
quotes keep blanks together. A word without a key is looked for in name, task, id, arguments, error and worker.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import translate
from typing import Final, Literal

from core.backends.base import Clue
from core.jobs import JobRecord, JobState

TEXT_KEYS: Final = ("state", "task", "name", "id", "flow", "queue", "worker", "group", "error", "args")
NUMBER_KEYS: Final = ("age", "run", "wait", "try", "stalls", "priority", "progress")
_SECONDS: Final = ("age", "run", "wait")
_ALIASES: Final = {
    "runtime": "run",
    "attempt": "try",
    "attempts": "try",
    "tries": "try",
    "prio": "priority",
    "arg": "args",
    "s": "state",
    "t": "task",
    "w": "worker",
    "q": "queue",
}
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "": 1.0}
_STATE_WORDS: Final = {"done": "completed", "ready": "waiting", "running": "active", "retrying": "delayed"}

_TERM = re.compile(r"(!?)(?:([A-Za-z]+)(>=|<=|[:=<>]))?")
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|[smhd%]?)")

Names = Callable[[str], str]
Test = Callable[[JobRecord, float, Names], bool]


class FilterError(ValueError):
    """A term that means nothing; the message names it and says what would."""


@dataclass(frozen=True, slots=True)
class Term:
    """One term: what it tests, the state, id or flow that a store can look up by itself, and a clue to find it by."""

    test: Test
    key: str
    values: tuple[str, ...]
    negated: bool
    clue: Clue | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """What a filter line asks for; `text` is the line itself. A filter without terms matches everything."""

    text: str = ""
    terms: tuple[Term, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.terms)

    def matches(self, job: JobRecord, now: float, flow_name: Names = str) -> bool:
        """Whether a job is meant; `now` is the store's clock, `flow_name` gives a flow's name for its id."""
        return all(term.test(job, now, flow_name) != term.negated for term in self.terms)

    @property
    def states(self) -> frozenset[JobState] | None:
        """The only states that can match; None where any can."""
        wanted: frozenset[JobState] | None = None
        for term in self.terms:
            if term.key != "state":
                continue
            meant = frozenset(
                state for state in JobState if any(_glob(value).match(state) for value in term.values)
            )
            if term.negated:
                meant = frozenset(JobState) - meant
            wanted = meant if wanted is None else wanted & meant
        return wanted

    def plain(self, key: str) -> str | None:
        """The one exact value that `key` must have, where there is one (no pattern, no alternatives)."""
        for term in self.terms:
            if term.key == key and not term.negated and len(term.values) == 1:
                value = term.values[0]
                if not set(value) & set("*?["):
                    return value
        return None

    @property
    def clues(self) -> tuple[Clue, ...]:
        """What every job that matches has: a store need not send the others. `matches` has the last word."""
        return tuple(term.clue for term in self.terms if term.clue is not None and not term.negated)

    @property
    def needs_flow_names(self) -> bool:
        """Whether a flow's name decides."""
        return any(term.key == "flow" for term in self.terms)


NOTHING: Final = Filter()


def parse(text: str) -> Filter:
    """The filter that `text` asks for. Raises `FilterError`; a half-typed term such as `age>` is one too."""
    terms: list[Term] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        head = _TERM.match(text, at)
        assert head is not None  # every part of the pattern may be empty
        negated, key, op = head.group(1) == "!", head.group(2), head.group(3)
        value, at = _value(text, head.end())
        if key is None:
            if value:
                terms.append(_word(value, negated))
            elif negated:
                raise FilterError("! needs a term behind it: !state:completed, !mail")
            continue
        terms.append(_keyed(key, op, value, negated))
    made = Filter(text, tuple(terms))
    if made.states is not None and not made.states and sum(term.key == "state" for term in terms) > 1:
        raise FilterError("a job is in one state only; with a comma it is either: state:failed,cancelled")
    return made


def _value(text: str, at: int) -> tuple[str, int]:
    """The value that starts at `at`, quotes taken off, and where it ends. An open quote ends with the line."""
    if at < len(text) and text[at] in "\"'":
        end = text.find(text[at], at + 1)
        if end < 0:
            end = len(text)
        return text[at + 1 : end], end + 1
    end = at
    while end < len(text) and not text[end].isspace():
        end += 1
    return text[at:end], end


def _keyed(written: str, op: str, value: str, negated: bool) -> Term:
    key = _ALIASES.get(written.lower(), written.lower())
    if key in NUMBER_KEYS:
        return _number_term(key, op, value, negated)
    if key not in TEXT_KEYS:
        # A word with a colon that is no key of ours (a URL, a time) is just text.
        return _word(f"{written}{op}{value}", negated)
    if op in ("<", ">", "<=", ">="):
        raise FilterError(f"{key} has no order; write {key}:{value or 'VALUE'}")
    values = tuple(part for part in value.split(",") if part)
    if not values:
        raise FilterError(f"{key}: needs a value, for example {_EXAMPLES[key]}")
    if key == "state":
        values = tuple(_STATE_WORDS.get(word.lower(), word.lower()) for word in values)
        for word in values:
            if not any(_glob(word).match(state) for state in JobState):
                raise FilterError(f"no state '{word[:40]}'; states are {', '.join(JobState)}")
        # Typed live, "comp" is on the way to "completed".
    clue = None if key in ("state", "queue") else _clue("flow" if key == "flow" else "text", values)
    return Term(_text_test(key, values), key, values, negated, clue)


_KEPT_AS_TYPED = re.compile(r"[a-z0-9_.-]+")
"""What stands in the store just as it is searched for: no blank, quote or separator that JSON writes in its own way."""


def _clue(where: Literal["text", "flow"], values: tuple[str, ...]) -> Clue | None:
    """The longest plain piece of each alternative; None where one of them has none."""
    pieces = [_KEPT_AS_TYPED.findall(value.casefold()) if "[" not in value else [] for value in values]
    return Clue(where, tuple(max(found, key=len) for found in pieces)) if all(pieces) else None


_EXAMPLES: Final = {
    "state": "state:failed",
    "task": "task:app.*",
    "name": "name:load",
    "id": "id:7f3",
    "flow": "flow:etl*",
    "queue": "queue:mail",
    "worker": "worker:web-1*",
    "group": "group:extract",
    "error": "error:timeout",
    "args": "args:10115",
}


def _glob(pattern: str) -> re.Pattern[str]:
    """A pattern with `*` and `?`, upper and lower case alike; without them the text may begin with it."""
    if not set(pattern) & set("*?["):
        return re.compile(re.escape(pattern), re.IGNORECASE)
    return re.compile(translate(pattern), re.IGNORECASE)


def _text_test(key: str, values: tuple[str, ...]) -> Test:
    patterns = [_glob(value) for value in values]
    inside = key in ("error", "args")
    wholly = [re.compile(translate(f"*{value}*"), re.IGNORECASE | re.DOTALL) for value in values]

    def test(job: JobRecord, now: float, flow_name: Names) -> bool:
        if inside:
            text = arguments(job) if key == "args" else str(job.error or "")
            return any(pattern.match(text) for pattern in wholly)
        if key == "flow":
            if job.flow_id is None:
                return False
            name = flow_name(job.flow_id)
            return any(pattern.match(job.flow_id) or pattern.match(name) for pattern in patterns)
        text = _field(job, key)
        return any(pattern.match(text) for pattern in patterns)

    return test


def _field(job: JobRecord, key: str) -> str:
    if key == "task":
        return job.task_id
    if key == "state":
        return job.state.value
    value = getattr(job, key)
    return "" if value is None else str(value)


def _word(word: str, negated: bool) -> Term:
    wanted = word.casefold()

    def test(job: JobRecord, now: float, flow_name: Names) -> bool:
        return (
            wanted in job.name.casefold()
            or wanted in job.task_id.casefold()
            or wanted in job.id.casefold()
            or (job.error is not None and wanted in str(job.error).casefold())
            or (job.worker is not None and wanted in job.worker.casefold())
            or ((job.args or job.kwargs) and wanted in arguments(job).casefold())
            or False
        )

    return Term(test, "", (word,), negated, _clue("text", (word.replace("[", " "),)))


def arguments(job: JobRecord) -> str:
    """Args and kwargs as one JSON text to search in."""
    parts = [json.dumps(part, ensure_ascii=False) for part in (job.args, job.kwargs) if part]
    return " ".join(parts)


def _number_term(key: str, op: str, value: str, negated: bool) -> Term:
    found = _NUMBER.fullmatch(value.strip())
    seconds = key in _SECONDS
    if found is None or (found.group(2) not in ("", "%") and not seconds):
        example = f"{key}>5m" if seconds else f"{key}>1"
        raise FilterError(f"{key} needs a {'duration' if seconds else 'number'}, for example {example}")
    if found.group(2) == "%":
        if key != "progress":
            raise FilterError(f"{key} is not a share; write {key}>1")
        limit = float(found.group(1)) / 100
    else:
        limit = float(found.group(1)) * (_UNITS[found.group(2)] if seconds else 1.0)
        if key == "progress" and limit > 1:
            limit /= 100
    compare = _COMPARE[op]
    tolerance = 0.5 if seconds else 1e-9

    def test(job: JobRecord, now: float, flow_name: Names) -> bool:
        have = measure(job, key, now)
        if have is None:
            return False
        if op in (":", "="):
            return abs(have - limit) <= tolerance
        return compare(have, limit)

    return Term(test, key, (value,), negated, _figure_clue(key, op, limit, tolerance))


def _figure_clue(key: str, op: str, limit: float, tolerance: float) -> Clue | None:
    if key == "progress":
        return None
    # Wider by what is lost where a store counts in milliseconds.
    spare = tolerance + 0.01 if op in (":", "=") else 0.01
    limits = {}
    if op not in ("<", "<="):
        limits["least"] = limit - spare
    if op not in (">", ">="):
        limits["most"] = limit + spare
    return Clue(key, **limits)  # type: ignore[arg-type]


def seconds_of(text: str) -> float | None:
    """The seconds that "90", "5m" or "2h" stand for; None for anything else."""
    found = _NUMBER.fullmatch(text.strip())
    if found is None or found.group(2) == "%":
        return None
    return float(found.group(1)) * _UNITS[found.group(2)]


_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": lambda have, limit: have > limit,
    "<": lambda have, limit: have < limit,
    ">=": lambda have, limit: have >= limit,
    "<=": lambda have, limit: have <= limit,
    ":": lambda have, limit: have == limit,
    "=": lambda have, limit: have == limit,
}


def measure(job: JobRecord, key: str, now: float) -> float | None:
    """A number of a job: `age` since submission, `run` time of its last attempt, `wait` before it started, ..."""
    if key == "age":
        return now - job.created_at
    if key == "run":
        if job.started_at is None:
            return None
        return (job.finished_at if job.finished_at is not None else now) - job.started_at
    if key == "wait":
        until = job.started_at
        if until is None:
            until = job.finished_at if job.finished_at is not None else now
        return until - job.created_at
    if key == "try":
        return job.attempts
    if key == "stalls":
        return job.stalls
    if key == "priority":
        return job.priority
    return job.progress
