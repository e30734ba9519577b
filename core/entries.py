"""The entries of a flow file: a job as its mapping in the file, and what of it becomes a payload."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from core import references
from core.durations import format_duration
from core.jobs import Job, Trigger, new_id
from core.schema import Options

if TYPE_CHECKING:
    from core.spec import FlowFile

SHELL_TASK: Final = "shell"
"""The task of a `run:` step: `args` is [command] (a text or a list), `kwargs` may have cwd and env."""

JOB_OPTIONS: Final = (
    "max_retries",
    "backoff",
    "timeout",
    "ttl",
    "priority",
    "max_stalls",
    "delay",
    "repeat_every",
    "group",
)
_DURATIONS: Final = ("timeout", "ttl", "delay", "repeat_every")
_KEY_ORDER: Final = (
    "description",
    "task",
    "args",
    "kwargs",
    "run",
    "cwd",
    "env",
    "depends_on",
    "trigger",
    "delay",
    "timeout",
    "max_retries",
    "backoff",
    "ttl",
    "priority",
    "repeat_every",
    "max_stalls",
    "group",
)


def job_id(flow_id: str | None, name: str) -> str:
    """A fresh id, or with `flow_id` the same one every time."""
    if flow_id is None:
        return new_id()
    return hashlib.blake2b(f"{flow_id}\0{name}".encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def command(text: str) -> str:
    """A command for the shell, which is no place for a reference."""
    return references.Unresolved(text) if references.looks_like_one(text) else text


def loaded(value: Any, ids: Mapping[str, str]) -> Any:
    """`value` of a file as a payload has it: references by id; `ids` are those of the job's upstreams by name."""
    if isinstance(value, str):
        try:
            reference = references.parse(value)
        except ValueError:
            return references.Unresolved(value)
        if reference is None:
            return references.unescape(value)
        if reference.upstream not in ids:
            return references.Unresolved(value)
        return references.Reference(ids[reference.upstream], reference.path).to_payload()
    if isinstance(value, list):
        return [loaded(entry, ids) for entry in value]
    if isinstance(value, dict):
        return {key: loaded(entry, ids) for key, entry in value.items()}
    return value


def _unloaded(value: Any, job: Job, names: Mapping[str, str]) -> Any:
    """The inverse of `loaded`: references by name, of jobs in this file."""
    if isinstance(value, references.Unresolved):
        return str(value)
    if isinstance(value, str):
        return references.escape(value)
    if isinstance(value, list):
        return [_unloaded(entry, job, names) for entry in value]
    if isinstance(value, dict):
        reference = references.read(value, job.depends_on)
        if reference is not None and reference.upstream in names:
            return str(references.Reference(names[reference.upstream], reference.path))
        return {key: _unloaded(entry, job, names) for key, entry in value.items()}
    return copy.copy(value)


def written(job: Job, names: Mapping[str, str], defaults: Options) -> dict[str, Any]:
    """A job as its mapping in the file; what equals the defaults is left out."""
    args, kwargs = _unloaded(job.args, job, names), _unloaded(job.kwargs, job, names)
    spec: dict[str, Any] = {}
    if _is_run(job, args, kwargs):
        spec["run"] = str(job.args[0]) if isinstance(job.args[0], str) else args[0]
        env = {key: value for key, value in kwargs.get("env", {}).items() if defaults.env.get(key) != value}
        if kwargs.get("cwd") != defaults.cwd:
            spec["cwd"] = kwargs.get("cwd")  # null where the defaults have one that it has not
        spec.update({"env": env} if env else {})
    else:
        spec["task"] = job.task_id
        spec.update({key: value for key, value in (("args", args), ("kwargs", kwargs)) if value})
    if job.depends_on:
        spec["depends_on"] = [names.get(upstream, {"id": upstream}) for upstream in job.depends_on]
    if job.trigger != Trigger.ALL_SUCCESS:
        spec["trigger"] = job.trigger.value
    for option in JOB_OPTIONS:
        value = getattr(job, option)
        if value != getattr(defaults, option, None):
            spec[option] = int(value) if isinstance(value, float) and value.is_integer() else value
    return spec


def keep_redundant(specs: dict[str, dict[str, Any]], base: FlowFile, renamed: Mapping[str, str]) -> None:
    """Keep what the file said although it need not: a value equal to the default, a duration as it was written."""
    now_called = {old: new for new, old in renamed.items()}
    jobs = base.to_jobs()
    before = {job.id: job.name for job in jobs}
    names = {job.id: now_called.get(job.name, job.name) for job in jobs}
    for job in jobs:
        if job.name not in now_called and job.name in renamed:
            continue  # it is gone, and another one has its name
        spec = specs.get(names[job.id])
        if spec is None:
            continue
        said = base.jobs[job.name].model_dump(exclude_unset=True)
        needed = written(job, names, base.defaults)
        if "depends_on" in spec and "depends_on" in needed:  # in which order is for the file to choose
            had, has = ({repr(entry) for entry in each["depends_on"]} for each in (needed, spec))
            known = [entry for entry in needed["depends_on"] if repr(entry) in has]
            spec["depends_on"] = known + [entry for entry in spec["depends_on"] if repr(entry) not in had]
        was = written(job, before, base.defaults) if renamed else needed
        for key, value in said.items():
            # Neither edited nor about a job that has another name now.
            if (
                key not in _OF_OTHERS["task" in spec]
                and _alike(spec, needed, key)
                and _alike(needed, was, key)
            ):
                spec[key] = value


_OF_OTHERS: Final = ({"task", "args", "kwargs"}, {"run", "cwd", "env"})
"""Keys that a run step, and a job with a task, cannot have."""


def _alike(one: Mapping[str, Any], other: Mapping[str, Any], key: str) -> bool:
    return (key in one) == (key in other) and one.get(key) == other.get(key)


def _is_run(job: Job, args: list[Any], kwargs: dict[str, Any]) -> bool:
    """Whether `run:` can say it; a shell job of another shape is written as the task it is."""
    command = args[0] if len(args) == 1 else None
    words = command
    if command is not None and isinstance(job.args[0], str):
        literal = references.looks_like_one(job.args[0]) and not isinstance(
            job.args[0], references.Unresolved
        )
        words = [] if literal else [command]
    env = kwargs.get("env", {})
    return (
        job.task_id == SHELL_TASK
        and isinstance(words, list)
        and bool(words)
        and all(isinstance(word, str) and word for word in words)
        and kwargs.keys() <= {"cwd", "env"}
        and isinstance(kwargs.get("cwd", ""), str)
        and isinstance(env, dict)
        and all(isinstance(value, str) for value in env.values())
    )


def unique_names(jobs: Sequence[Job]) -> dict[str, str]:
    """A name for each id: the job's own, or with a number where another job has it."""
    taken: set[str] = set()
    names: dict[str, str] = {}
    for job in jobs:
        name, number = job.name, 2
        while name in taken:
            name, number = f"{job.name[:250]}-{number}", number + 1
        taken.add(name)
        names[job.id] = name
    return names


def tidy(options: dict[str, Any]) -> dict[str, Any]:
    """Options in the order in which a reader wants them, durations as texts."""
    durations = {
        key: format_duration(options[key]) for key in _DURATIONS if isinstance(options.get(key), float)
    }
    return {key: durations.get(key, options[key]) for key in _KEY_ORDER if key in options}
