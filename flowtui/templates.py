"""Shapes to start from: chain, fans, diamond, map-reduce, matrix. Pure, no textual."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

from flowtui.changes import DraftJob

LONGEST: Final = 240
"""Characters of a task that jobs are named after: with what is put behind it, it is a name still."""
MOST: Final = 2000
"""Jobs that one template may make."""


@dataclass(frozen=True, slots=True)
class Template:
    """`size` is what its number means, empty where it has none; `default` the number to begin with."""

    id: str
    name: str
    about: str
    size: str = ""
    default: int = 3


TEMPLATES: Final[Sequence[Template]] = (
    Template("chain", "chain", "one after the other", "steps"),
    Template("fan-out", "fan-out", "one, then many at once", "branches"),
    Template("fan-in", "fan-in", "many at once, then one", "branches"),
    Template("diamond", "diamond", "one, two at once, one", "branches", 2),
    Template("map-reduce", "map-reduce", "split, map many, reduce", "maps", 4),
    Template("matrix", "matrix", "one job for each combination of values"),
)
BY_ID: Final[Mapping[str, Template]] = {template.id: template for template in TEMPLATES}


@dataclass(frozen=True, slots=True)
class Made:
    """What a template makes: jobs, links between them by index."""

    jobs: list[DraftJob]
    links: list[tuple[int, int]]


def make(template: str, count: int, task: str = "") -> Made:
    """The jobs of a template; `task` is the task of those that there are many of, named after it.

    Raises `ValueError` for a number that is too small or too large.
    """
    if not 1 <= count <= MOST:
        raise ValueError(f"1 to {MOST} {BY_ID[template].size or 'jobs'}, not {count}")
    if len(task) > LONGEST:
        raise ValueError(
            f"a task has at most {LONGEST} characters here, for names are made of it, not {len(task)}"
        )
    stem = task.rpartition(".")[2]

    def job(name: str) -> DraftJob:
        return DraftJob(name, f"{_base(task)}{name}")

    def several(name: str) -> list[DraftJob]:
        base = stem or name
        return [DraftJob(f"{base}-{i + 1}", task or base) for i in range(count)]

    if template == "chain":
        return Made(several("step"), [(i, i + 1) for i in range(count - 1)])
    if template == "fan-out":
        return Made([job("start"), *several("branch")], [(0, i + 1) for i in range(count)])
    if template == "fan-in":
        return Made([*several("branch"), job("join")], [(i, count) for i in range(count)])
    first, last = ("split", "reduce") if template == "map-reduce" else ("start", "join")
    middle = several("map" if template == "map-reduce" else "branch")
    jobs = [job(first), *middle, job(last)]
    links = [(0, i + 1) for i in range(count)] + [(i + 1, count + 1) for i in range(count)]
    return Made(jobs, links)


def _base(task: str) -> str:
    head, dot, _ = task.rpartition(".")
    return f"{head}{dot}"


def read_axes(text: str) -> list[tuple[str, list[Any]]]:
    """`os=linux,mac py=3.11,3.12` as axes with their values; a value that is JSON is taken as such.

    Raises `ValueError` for what cannot be read.
    """
    axes: list[tuple[str, list[Any]]] = []
    for word in text.split():
        name, equals, values = word.partition("=")
        if not equals or not name or not values:
            raise ValueError(f"'{word}' is no axis; write name=value,value such as region=eu,us")
        if name in [other for other, _ in axes]:
            raise ValueError(f"the axis {name} comes twice; write its values as {name}=one,two")
        found = [_value(value) for value in values.split(",") if value]
        if not found:
            raise ValueError(f"the axis {name} has no values; write them as {name}=one,two")
        axes.append((name, found))
    if not axes:
        raise ValueError("write axes such as region=eu,us year=2024,2025")
    return axes


def _value(text: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    # 3.10 is the version that somebody typed, not the number 3.1.
    return value if not isinstance(value, float) or str(value) == text else text


def matrix(axes: Sequence[tuple[str, Sequence[Any]]], task: str) -> Made:
    """One job for each combination, its values as kwargs, its name made of them. Raises `ValueError`: too many."""
    total = 1
    for _, values in axes:
        total *= len(values)
    if total > MOST:
        raise ValueError(f"that is {total:,} jobs; at most {MOST:,}")
    stem = task.rpartition(".")[2] or "job"
    jobs = []
    for values in product(*(values for _, values in axes)):
        name = "-".join([stem, *(v if isinstance(v, str) else json.dumps(v) for v in values)])
        kwargs = {name: value for (name, _), value in zip(axes, values, strict=True)}
        jobs.append(DraftJob(name[:256], task or stem, kwargs=kwargs))
    return Made(jobs, [])


@dataclass(frozen=True, slots=True)
class Wish:
    """What a line like `map 10 app.thumb` asks for."""

    template: Template
    count: int
    task: str
    axes: str

    def make(self) -> Made:
        """The jobs. Raises `ValueError` with what is missing."""
        if self.template.id == "matrix":
            return matrix(read_axes(self.axes), self.task)
        return make(self.template.id, self.count, self.task)


def read_wish(text: str, chosen: str) -> Wish:
    """Read `[template] [number] [task] [axis=values ...]` in any order; `chosen` holds where none is named."""
    template: Template | None = None
    count: int | None = None
    task, axes = "", []
    for word in text.split():
        if "=" in word:
            axes.append(word)
        elif word.isdecimal():
            count = int(word[:6])
        elif template is None and not task and (found := _named(word)) is not None:
            template = found
        else:
            task = word
    if template is None:
        template = BY_ID["matrix"] if axes else BY_ID[chosen]
    return Wish(template, template.default if count is None else count, task[:256], " ".join(axes))


def _named(word: str) -> Template | None:
    """The template whose name, or a part of it, begins with a word."""
    low = word.casefold()
    if "." in low:
        return None
    for template in TEMPLATES:
        if template.id.startswith(low):
            return template
    return next((t for t in TEMPLATES if any(part.startswith(low) for part in t.id.split("-"))), None)
