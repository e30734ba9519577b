"""The one line that adds a job: `task [name] [json]`, and what it could be completed to. Pure, no textual."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import FlowError
from flowtui.changes import DraftJob
from flowtui.forms import check_payload, no_constant, once, whole
from flowtui.fuzzy import match
from flowtui.problems import SHELL


class LineError(FlowError):
    """The line cannot be read; says where."""


@dataclass(slots=True)
class Typed:
    """What a line says: a task, perhaps a name, perhaps arguments."""

    task: str
    name: str | None = None
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)


def read_line(line: str, spaced: Sequence[str] = ()) -> Typed:
    """Read `task [name] [json]`, or `$ command` for a shell step. Raises `LineError`.

    JSON lists are the positional arguments, an object the named ones; one may follow the other. `spaced` are tasks
    with blanks in their names, which are then one word.
    """
    line = line.strip()
    if not line:
        raise LineError("type the name of a task, or $ and a command; ↓ picks from the list")
    if line.startswith("$"):
        command = line[1:].strip()
        if not command:
            raise LineError("type a command after the $")
        return Typed(SHELL, _command_name(command), [command])
    task = max((task for task in spaced if f"{line} ".startswith(f"{task} ")), key=len, default="")
    head, json_at = _split(line[len(task) :])
    json_at += len(task)
    words = [*([task] if task else []), *head.split()]
    if not words:
        raise LineError("the task comes first, then its name, then arguments as JSON")
    if len(words) > 2:
        raise LineError(
            f"'{words[2]}' is one word too many; it goes task, name, then JSON like [1] or {{\"k\": 1}}"
        )
    typed = Typed(words[0], words[1] if len(words) == 2 else None)
    for value in _values(line, json_at):
        if isinstance(value, list):
            typed.args.extend(value)
        elif isinstance(value, dict):
            if twice := typed.kwargs.keys() & value:
                raise LineError(f"the key '{min(twice)}' comes twice")
            typed.kwargs.update(value)
        else:
            typed.args.append(value)
    _check(typed)
    return typed


def _check(typed: Typed) -> None:
    job = DraftJob(typed.name or typed.task, typed.task, typed.args, typed.kwargs)
    try:
        job.to_job()
    except FlowError as error:
        raise LineError(str(error).replace("task_id", "the task", 1)) from None
    if problem := check_payload(job):
        raise LineError(problem)


def _split(line: str) -> tuple[str, int]:
    """What comes before the JSON, and where the JSON begins."""
    for i, char in enumerate(line):
        if char in '[{"' and (i == 0 or line[i - 1].isspace()):
            return line[:i], i
    return line, len(line)


def _values(line: str, at: int) -> list[Any]:
    decoder = json.JSONDecoder(object_pairs_hook=once, parse_int=whole, parse_constant=no_constant)
    values = []
    while at < len(line):
        if line[at].isspace():
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(line, at)
        except json.JSONDecodeError as error:
            raise LineError(f"the JSON is wrong at column {error.pos + 1}: {error.msg}") from None
        except RecursionError:
            raise LineError(f"the JSON at column {at + 1} is nested too deeply") from None
        except ValueError as error:
            raise LineError(f"{error}, in the JSON at column {at + 1}") from None
        values.append(value)
    return values


def _command_name(command: str) -> str:
    """The first words of a command that are words: `make test` for `make test -j4 > log`."""
    words = []
    for word in command.split()[:3]:
        word = word.rpartition("/")[2]
        if not word or not all(char.isalnum() or char in "._-" for char in word) or word.startswith("-"):
            break
        words.append(word)
    return "-".join(words)[:40] or SHELL


def tasks_for(typed: str, tasks: Iterable[tuple[str, str]]) -> Sequence[tuple[str, str, tuple[int, ...]]]:
    """The tasks (name, what is known of it) that the first word could mean, the best first; letters that matched.

    Nothing once a second word has begun, or for a command.
    """
    if typed.startswith("$") or (typed.strip() and typed[-1:].isspace()) or len(typed.split()) > 1:
        return []
    wanted = typed.strip()
    found = []
    for i, (name, about) in enumerate(tasks):
        hit = match(wanted, name)
        if hit is not None:
            found.append((-hit[0] if wanted else 0.0, i, name, about, hit[1]))
    found.sort()
    return [(name, about, letters) for _, _, name, about, letters in found]
