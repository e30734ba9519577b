"""What is wrong with a flow file, in words: which key, what it must be, and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, Final

from core import references
from core.errors import InvalidPayload
from core.jobs import Trigger
from core.payload import check_json
from core.schema import FlowFields, JobSpec, Options


def meaning(flow: FlowFields, *, draft: bool = False) -> list[tuple[tuple[str | int, ...], str]]:
    """What is wrong although every key is right; in a draft, results may be taken of what is no upstream."""
    problems: list[tuple[tuple[str | int, ...], str]] = []
    for name, job in flow.jobs.items():
        here = ("jobs", name)
        for index, entry in enumerate(job.depends_on):
            if isinstance(entry, str) and entry not in flow.jobs:
                problems.append(((*here, "depends_on", index), _no_such_job(entry, flow.jobs)))
        values = {"args": job.args, "kwargs": job.kwargs, "run": job.run, "env": job.env}
        for field in ("args", "kwargs"):
            try:
                check_json(values[field], "the value")
            except InvalidPayload as error:
                problems.append(((*here, field), str(error)))
        for path, text in () if draft else _texts(values):
            problem = _wrong_reference(text, path, job, flow)
            if problem:
                problems.append(((*here, *path), problem))
    return problems


def _wrong_reference(text: str, path: Sequence[str | int], job: JobSpec, flow: FlowFields) -> str | None:
    if path == ("run",):
        if references.looks_like_one(text):
            return (
                "a command for the shell cannot hold a result; pass it in env: {DATA: ${jobs.NAME.result}} and write "
                '"$DATA", or use a list'
            )
        return None
    try:
        reference = references.parse(text)
    except ValueError as error:
        return str(error)
    if reference is None or reference.upstream in job.upstreams:
        return None
    if reference.upstream not in flow.jobs:
        return _no_such_job(reference.upstream, flow.jobs)
    if flow.jobs[reference.upstream] is job:
        return "takes its own result, which is not there while it runs; name another job"
    return f"takes the result of '{reference.upstream}' but does not wait for it; add it to depends_on"


def _no_such_job(name: str, jobs: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(jobs), 1)
    hint = (
        f"did you mean '{close[0]}'?" if close else "add it, or write {id: ...} for a job of an earlier flow"
    )
    return f"no job '{name:.80}' in this file; {hint}"


def _texts(values: Any) -> Iterable[tuple[tuple[str | int, ...], str]]:
    todo: list[tuple[tuple[str | int, ...], Any]] = [((), values)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, dict):
            todo.extend(((*path, key), entry) for key, entry in value.items())
        elif isinstance(value, list):
            todo.extend(((*path, index), entry) for index, entry in enumerate(value))


def explain(error: dict[str, Any], data: Any) -> tuple[list[str | int], str, bool] | None:
    """pydantic's error as (path, message, whether the key is to blame); None for the noise of a union's branches."""
    kind, given = error["type"], error.get("input")
    path: list[str | int] = []
    inside = data
    steps = error["loc"]
    # pydantic adds the branches of a union and markers to the path; keep what is in the data.
    for position, step in enumerate(steps):
        if step == "[key]":
            return path, f"the name must have 1 to 256 characters, not {len(str(path[-1]))}", True
        if _has(inside, step):
            inside = inside[step]
            path.append(step)
        elif position == len(steps) - 1 and kind in ("extra_forbidden", "missing"):
            path.append(step)
    union = path[2:3] == ["run"] or (path[2:3] == ["depends_on"] and len(path) > 3)
    if union and len(steps) > len(path) and kind in ("string_type", "list_type", "model_type"):
        if isinstance(inside, list) if path[2] == "run" else isinstance(inside, dict):
            return None
        what = "a command: a text, or a list of texts" if path[2] == "run" else "a job's name, or {id: ...}"
        return path, f"must be {what}", False
    if kind == "extra_forbidden":
        known = _known_keys(path)
        close = difflib.get_close_matches(str(path[-1]), known, 1, 0.5)
        hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
        return path, f"unknown key; {hint}", True
    if kind == "missing":
        return path[:-1], f"{path[-1]} is missing; add {path[-1]}:", False
    if kind in _PLAIN:
        what = "empty" if given is None else f"{_NAMES.get(type(given), type(given).__name__)}"
        return path, f"must be {_PLAIN[kind]}, not {what}", False
    message = str(error["msg"])
    context = error.get("ctx", {})
    if kind == "value_error":
        message = str(context.get("error", message))
    elif kind == "literal_error":
        words = [str(word) for word in Trigger]
        close = difflib.get_close_matches(str(given), words, 1)
        message = f"must be one of {', '.join(words)}" + (f"; did you mean {close[0]}?" if close else "")
    elif kind == "string_pattern_mismatch":
        form = "a dotted module name" if "imports" in path else "1 to 128 of the characters A-Z a-z 0-9 . _ -"
        message = f"must be {form}"
    elif kind in _BOUNDS:
        message = f"must be {_BOUNDS[kind]} {next(iter(context.values()))}"
    elif kind in ("too_short", "string_too_short"):
        message = "must not be empty"
        if path == ["jobs"]:
            message += "; a job is NAME: {task: TASK}"
    return path, message, False


_PLAIN: Final = {
    "string_type": "a text (quote it)",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_NAMES: Final = {
    str: "a text",
    int: "a whole number",
    float: "a number with a fraction",
    bool: "true or false",
    list: "a list",
    dict: "a mapping",
}
_BOUNDS: Final = {
    "greater_than_equal": "at least",
    "greater_than": "more than",
    "less_than": "less than",
    "less_than_equal": "at most",
    "string_too_long": "at most this many characters:",
}


def _has(container: Any, step: str | int) -> bool:
    if isinstance(container, dict):
        return step in container
    return isinstance(container, list) and isinstance(step, int) and step < len(container)


def _known_keys(path: Sequence[str | int]) -> list[str]:
    if len(path) == 1:
        return list(FlowFields.model_fields)
    if path[0] == "defaults":
        return list(Options.model_fields)
    if "depends_on" in path[:-1]:
        return ["id"]
    return list(dict.fromkeys(["task", "run", *JobSpec.model_fields]))
