"""Flow files: a flow as YAML 1.2 or JSON, checked key by key, written back with its comments.

    name: etl-nightly
    queue: etl
    defaults: {max_retries: 1, timeout: 10m}
    jobs:
      extract: {task: etl.extract, args: [eu, 10000]}
      clean:
        task: etl.clean
        args: ["${jobs.extract.result}"]        # the result of an upstream: core/references.py
        depends_on: [extract]
      lint:
        run: ruff check .                       # a shell step; a list runs without a shell
        cwd: src

Durations are seconds or texts such as 90s, 5m, 1h30m, 250ms. `core/flow.schema.json` is the JSON Schema for editors.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from core import references
from core.document import SIZE_LIMIT, Document, read
from core.errors import CycleError, InvalidFlowFile, InvalidPayload
from core.graph import Link, find_cycle
from core.jobs import Job, Trigger, new_id
from core.payload import check_json

SHELL_TASK: Final = "shell"
"""The task of a `run:` step: `args` is [command] (a text or a list), `kwargs` may have cwd and env."""

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d) ?)+$"


def format_duration(seconds: float) -> str | float:
    """What `parse_duration` reads back: whole minutes and more as text, the rest as a number."""
    if seconds < 60 or seconds != int(seconds):
        return int(seconds) if seconds == int(seconds) else seconds
    text, rest = "", int(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text


def parse_duration(value: object) -> object:
    """Seconds from a text such as `1h30m`; anything else is given back for the next check."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(_DURATION, value):
        raise ValueError("must be seconds, or a text such as 90s, 5m, 1h30m, 250ms, 2d")
    parts = re.findall(r"([0-9.]+)(ms|s|m|h|d)", value)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


_DURATION_SCHEMA: Final = WithJsonSchema(
    {
        "anyOf": [
            {"type": "number", "minimum": 0},
            {"type": "string", "pattern": _DURATION, "examples": ["90s", "5m", "1h30m"]},
        ]
    }
)
Seconds = Annotated[float, BeforeValidator(parse_duration), Field(ge=0, lt=1e10), _DURATION_SCHEMA]
MoreSeconds = Annotated[float, BeforeValidator(parse_duration), Field(gt=0, lt=1e10), _DURATION_SCHEMA]
Name = Annotated[str, Field(min_length=1, max_length=256)]
Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,128}$")]
Count = Annotated[int, Field(ge=0, le=100_000)]
Module = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class EarlierJob(_Model):
    """A job of an earlier flow in the same queue."""

    id: Id


class Options(_Model):
    """What a job may set, and `defaults` for all jobs of the file."""

    max_retries: Annotated[Count, Field(description="How often it is tried again after a failure.")] = 3
    backoff: Annotated[
        float,
        Field(ge=0, lt=1e10, description="Base of the wait between attempts: backoff ** attempt seconds."),
    ] = 1.5
    timeout: Annotated[MoreSeconds | None, Field(description="How long one attempt may run.")] = None
    ttl: Annotated[
        MoreSeconds | None, Field(description="It expires when it has not started so long after submission.")
    ] = None
    priority: Annotated[int, Field(ge=0, le=255, description="Lower runs first.")] = 5
    max_stalls: Annotated[
        int, Field(ge=1, le=1000, description="How often it may lose its worker before it fails.")
    ] = 3
    cwd: Annotated[str | None, Field(description="Where a `run` step runs.")] = None
    env: Annotated[dict[str, str], Field(description="Added to the environment of a `run` step.")] = {}


class JobSpec(Options):
    """One job."""

    task: Annotated[Name | None, Field(description="The task to call, by its registered name.")] = None
    run: Annotated[
        Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1)] | None,
        Field(
            description="A command instead of a task: a text for the shell, or a list of program and arguments."
        ),
    ] = None
    args: Annotated[
        list[Any], Field(description="Positional arguments. ${jobs.NAME.result} takes a result.")
    ] = []
    kwargs: Annotated[dict[str, Any], Field(description="Named arguments.")] = {}
    depends_on: Annotated[
        list[str | EarlierJob],
        Field(description="Names of the jobs it waits for; {id: ...} for earlier flows."),
    ] = []
    trigger: Annotated[
        Literal["all_success", "all_done", "one_success", "one_failed"],
        Field(description="When it starts, over the outcomes of what it waits for."),
    ] = "all_success"
    delay: Annotated[Seconds | None, Field(description="Wait so long once its upstreams are done.")] = None
    repeat_every: Annotated[
        MoreSeconds | None, Field(description="Enqueue a fresh copy at this interval after the first run.")
    ] = None
    group: Annotated[Name | None, Field(description="The frame it is drawn in.")] = None
    description: Annotated[str | None, Field(description="For readers.")] = None

    @model_validator(mode="after")
    def _task_or_run(self) -> JobSpec:
        if (self.task is None) == (self.run is None):
            raise ValueError("a job has either task (the name of a task) or run (a command)")
        if self.run is not None and (self.args or self.kwargs):
            raise ValueError("a run step takes no args and kwargs; write them into the command, or use env")
        if self.run is None and (self.cwd is not None or self.env):
            raise ValueError("cwd and env belong to run steps; pass them in kwargs if the task takes them")
        return self

    @property
    def upstreams(self) -> list[str]:
        """The names in `depends_on`, each once."""
        return list(dict.fromkeys(entry for entry in self.depends_on if isinstance(entry, str)))


class FlowFile(_Model):
    """A flow as it is written: jobs by name. Made by `load_flow` and `FlowFile.from_jobs`."""

    name: Annotated[Name | None, Field(description="The flow's name on screen.")] = None
    description: Annotated[str | None, Field(description="For readers.")] = None
    queue: Annotated[Id, Field(description="The queue its jobs go to.")] = "default"
    imports: Annotated[
        list[Module],
        Field(
            description="Modules that register its tasks. Only `flowtui run` imports them; workers never do."
        ),
    ] = []
    defaults: Annotated[Options, Field(description="For every job that does not say otherwise.")] = Options()
    jobs: Annotated[dict[Name, JobSpec], Field(min_length=1, description="The jobs by name.")]

    _text: str | None = PrivateAttr(default=None)
    _base: FlowFile | None = PrivateAttr(default=None)
    _renamed: dict[str, str] = PrivateAttr(default_factory=dict)
    _document: Document | None = PrivateAttr(default=None)
    _origin: str = PrivateAttr(default="<flow>")

    @property
    def origin(self) -> str:
        """The file's name, for messages."""
        return self._origin

    @property
    def links(self) -> list[Link]:
        """(upstream, downstream) by name, in the order of the file."""
        return [(upstream, name) for name, job in self.jobs.items() for upstream in job.upstreams]

    def cycle(self) -> list[str] | None:
        """The names of jobs that wait for each other, as `[a, b, a]`; None where none do."""
        return find_cycle(self.jobs, self.links)

    def where(self, *path: str | int, key: bool = False) -> str:
        """`file:line:column` of the value at `path`, or of its key."""
        line, column = self._document.place(path, key=key) if self._document else (1, 1)
        return f"{self._origin}:{line}:{column}"

    def to_jobs(self, flow_id: str | None = None) -> list[Job]:
        """The jobs, in the order of the file, with fresh ids; with `flow_id` the same ids every time."""
        ids = {name: _job_id(flow_id, name) for name in self.jobs}
        defaults = self.defaults.model_dump(exclude_unset=True)
        return [self._job(name, spec, ids, defaults) for name, spec in self.jobs.items()]

    def _job(self, name: str, spec: JobSpec, ids: Mapping[str, str], defaults: Mapping[str, Any]) -> Job:
        fields = {**defaults, **spec.model_dump(exclude_unset=True)}
        options = {key: fields[key] for key in _JOB_OPTIONS if key in fields}
        args, kwargs = _loaded(spec.args, ids), _loaded(spec.kwargs, ids)
        if spec.run is not None:
            args = [spec.run if isinstance(spec.run, str) else _loaded(spec.run, ids)]
            env = {**self.defaults.env, **spec.env}
            kwargs = {
                **({"cwd": fields["cwd"]} if fields.get("cwd") else {}),
                **({"env": _loaded(env, ids)} if env else {}),
            }
        upstreams = [ids[entry] if isinstance(entry, str) else entry.id for entry in spec.depends_on]
        return Job(
            spec.task or SHELL_TASK,
            args,
            kwargs,
            upstreams,
            id=ids[name],
            name=name,
            trigger=spec.trigger,
            **options,
        )

    @classmethod
    def from_jobs(
        cls,
        jobs: Iterable[Job],
        *,
        name: str | None = None,
        queue: str | None = None,
        base: FlowFile | None = None,
        renamed: Mapping[str, str] | None = None,
    ) -> FlowFile:
        """The file that describes `jobs`. Of two jobs with one name, the second is called `name-2`.

        With `base`, what `dump` writes keeps the comments and the order of that file where the jobs are still the
        same; `renamed` says which new names stand for which old ones. Its name, queue, description, defaults and
        imports stay unless given.
        """
        jobs = list(jobs)
        names = _unique_names(jobs)
        head: dict[str, Any] = base.model_dump(exclude={"jobs"}, exclude_unset=True) if base else {}
        head.update({key: value for key, value in (("name", name), ("queue", queue)) if value is not None})
        defaults = base.defaults if base else Options()
        head["jobs"] = {names[job.id]: _written(job, names, defaults) for job in jobs}
        if base:
            _keep_redundant(head["jobs"], base, renamed or {})
        self = parse(cls, Document(head), base._origin if base else "<flow>", cycles=True)
        self._base, self._renamed = base, dict(renamed or {})
        self._origin = base._origin if base else "<flow>"
        return self

    def dump(self, form: Literal["yaml", "json"] | None = None) -> str:
        """The file's text. A file that was loaded and not changed is given back as it was, byte for byte.

        `form` None is the form it was loaded in, YAML for a new one.
        """
        from core.writer import dump

        source = self if self._text is not None else self._base
        if source is None or source._document is None or source._text is None:
            return dump(self.to_data(), form or "yaml")
        had: Literal["yaml", "json"] = "json" if source._document.is_json else "yaml"
        if form not in (None, had):
            return dump(self.to_data(), form or had)
        if self == source:
            return source._text
        text = dump(self.to_data(), had, source._text, source.to_data(), self._renamed)
        # Comments are a convenience, the meaning is not: what does not read back as this flow is laid out afresh.
        try:
            same = load_flow(text, cycles=True) == self
        except InvalidFlowFile:
            same = False
        return text if same else dump(self.to_data(), had)

    def to_data(self) -> dict[str, Any]:
        """What the file says as plain data, in the order in which a reader wants the keys; durations as texts."""
        data = self.model_dump(exclude_unset=True)
        if "defaults" in data:
            data["defaults"] = _tidy(data["defaults"])
        data["jobs"] = {name: _tidy(job) for name, job in data["jobs"].items()}
        return {key: data[key] for key in FlowFile.model_fields if key in data}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlowFile) and json.dumps(self.to_data()) == json.dumps(other.to_data())

    __hash__ = None  # type: ignore[assignment]


_JOB_OPTIONS: Final = (
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


def load_flow(source: Path | str, *, cycles: bool = False) -> FlowFile:
    """Read a flow: of a file (a `Path`) or from text (a `str`).

    `cycles` lets jobs wait for each other, for a draft that is to be repaired (`FlowFile.cycle`).
    Raises InvalidFlowFile, whose message has a line `file:line:column: key: what is wrong` for each problem, and
    CycleError (also an InvalidFlowFile) for jobs that wait for each other.
    """
    if isinstance(source, Path):
        name = str(source)
        try:
            if source.stat().st_size > SIZE_LIMIT:
                raise InvalidFlowFile(
                    f"{name}:1:1: the file is larger than {SIZE_LIMIT:,} bytes; split the flow"
                )
            text = source.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise InvalidFlowFile(f"{name}: cannot be read: {error.strerror or error}") from None
        except UnicodeDecodeError as error:
            raise InvalidFlowFile(f"{name}:1:1: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    else:
        name, text = "<text>", source
    flow = parse(FlowFile, read(text, name), name, cycles=cycles)
    flow._text = text
    return flow


def parse(kind: type[FlowFile], document: Document, origin: str, *, cycles: bool) -> FlowFile:
    """The flow that `document` describes; every problem is reported with its place in the text."""
    problems: list[tuple[tuple[int, int], str]] = []

    def complain(path: Sequence[str | int], message: str, *, key: bool = False) -> None:
        shown = ".".join(str(step) if len(str(step)) <= 60 else f"{str(step)[:59]}…" for step in path)
        problems.append((document.place(tuple(path), key=key), f"{shown}: {message}" if shown else message))

    data = document.data
    if isinstance(data, dict):
        data = {key: value for key, value in data.items() if key != "$schema"}
    else:
        complain((), "a flow file has `jobs:`, a mapping of names to jobs; to read a file, pass its Path")
    flow: FlowFile | None = None
    if not problems:
        try:
            flow = kind.model_validate(data)
        except ValidationError as error:
            for entry in error.errors(include_url=False):
                explained = _explain(dict(entry), data)
                if explained is not None:
                    complain(explained[0], explained[1], key=explained[2])
    if flow is not None:
        for at, message in _meaning(flow):
            complain(at, message)
    if problems or flow is None:
        lines = list(
            dict.fromkeys(f"{origin}:{line}:{column}: {text}" for (line, column), text in sorted(problems))
        )
        more = [f"{origin}: and {len(lines) - 20} more problems"] if len(lines) > 20 else []
        raise InvalidFlowFile("\n".join([*lines[:20], *more]))
    flow._document, flow._origin = document, origin
    cycle = None if cycles else flow.cycle()
    if cycle:
        raise FileCycle(cycle, flow.where("jobs", cycle[1], "depends_on"))
    return flow


class FileCycle(CycleError, InvalidFlowFile):
    """A CycleError that knows its place in a file."""

    def __init__(self, path: Sequence[str], place: str) -> None:
        super().__init__(path)
        self.args = (f"{place}: jobs.{path[1]}.depends_on: {self}",)


def _meaning(flow: FlowFile) -> list[tuple[tuple[str | int, ...], str]]:
    """What is wrong although every key is right."""
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
        for path, text in _texts(values):
            problem = _wrong_reference(text, path, job, flow)
            if problem:
                problems.append(((*here, *path), problem))
    return problems


def _wrong_reference(text: str, path: Sequence[str | int], job: JobSpec, flow: FlowFile) -> str | None:
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


def _explain(error: dict[str, Any], data: Any) -> tuple[list[str | int], str, bool] | None:
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
        close = difflib.get_close_matches(str(path[-1]), known, 1, 0.6)
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
        return list(FlowFile.model_fields)
    if path[0] == "defaults":
        return list(Options.model_fields)
    return ["id"] if "depends_on" in path[:-1] else ["task", "run", *JobSpec.model_fields]


def _job_id(flow_id: str | None, name: str) -> str:
    if flow_id is None:
        return new_id()
    return hashlib.blake2b(f"{flow_id}\0{name}".encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _loaded(value: Any, ids: Mapping[str, str]) -> Any:
    """`value` of a file as a payload has it: references by id."""
    if isinstance(value, str):
        reference = references.parse(value)
        if reference is None:
            return references.unescape(value)
        return references.Reference(ids[reference.upstream], reference.path).to_payload()
    if isinstance(value, list):
        return [_loaded(entry, ids) for entry in value]
    if isinstance(value, dict):
        return {key: _loaded(entry, ids) for key, entry in value.items()}
    return value


def _unloaded(value: Any, job: Job, names: Mapping[str, str]) -> Any:
    """The inverse of `_loaded`: references by name, of jobs in this file."""
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


def _written(job: Job, names: Mapping[str, str], defaults: Options) -> dict[str, Any]:
    """A job as its mapping in the file; what equals the defaults is left out."""
    args, kwargs = _unloaded(job.args, job, names), _unloaded(job.kwargs, job, names)
    spec: dict[str, Any] = {}
    if _is_run(job, args, kwargs):
        spec["run"] = job.args[0] if isinstance(job.args[0], str) else args[0]
        env = {key: value for key, value in kwargs.get("env", {}).items() if defaults.env.get(key) != value}
        spec.update({"cwd": kwargs["cwd"]} if kwargs.get("cwd") not in (None, defaults.cwd) else {})
        spec.update({"env": env} if env else {})
    else:
        spec["task"] = job.task_id
        spec.update({key: value for key, value in (("args", args), ("kwargs", kwargs)) if value})
    if job.depends_on:
        spec["depends_on"] = [names.get(upstream, {"id": upstream}) for upstream in job.depends_on]
    if job.trigger != Trigger.ALL_SUCCESS:
        spec["trigger"] = job.trigger.value
    for option in _JOB_OPTIONS:
        value = getattr(job, option)
        if value != getattr(defaults, option, None):
            spec[option] = int(value) if isinstance(value, float) and value.is_integer() else value
    return spec


def _keep_redundant(specs: dict[str, dict[str, Any]], base: FlowFile, renamed: Mapping[str, str]) -> None:
    """Keep what the file said although it need not: a value equal to the default, a duration as it was written."""
    now_called = {old: new for new, old in renamed.items()}
    jobs = base.to_jobs()
    names = {job.id: now_called.get(job.name, job.name) for job in jobs}
    for job in jobs:
        name = names[job.id]
        if name not in specs:
            continue
        said = base.jobs[job.name].model_dump(exclude_unset=True)
        needed = _written(job, names, base.defaults)
        if needed == specs[name] and not renamed:
            specs[name] = said
        else:
            specs[name].update(
                {key: value for key, value in said.items() if key not in needed and key not in specs[name]}
            )


def _is_run(job: Job, args: list[Any], kwargs: dict[str, Any]) -> bool:
    """Whether `run:` can say it; a shell job of another shape is written as the task it is."""
    command = args[0] if len(args) == 1 else None
    words = command
    if command is not None and isinstance(job.args[0], str):
        words = [] if references.looks_like_one(job.args[0]) else [command]
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


def _unique_names(jobs: Sequence[Job]) -> dict[str, str]:
    taken: set[str] = set()
    names: dict[str, str] = {}
    for job in jobs:
        name, number = job.name, 2
        while name in taken:
            name, number = f"{job.name[:250]}-{number}", number + 1
        taken.add(name)
        names[job.id] = name
    return names


def json_schema() -> str:
    """The JSON Schema of flow files, as it is shipped in `core/flow.schema.json`."""
    schema = FlowFile.model_json_schema()
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "flowtui flow file",
        **{key: value for key, value in schema.items() if key != "title"},
    }
    schema["properties"] = {"$schema": {"type": "string"}, **schema["properties"]}
    job = schema["$defs"]["JobSpec"]
    job["oneOf"] = [{"required": ["task"]}, {"required": ["run"]}]
    return json.dumps(_untitled(schema), indent=2) + "\n"


def _untitled(schema: Any) -> Any:
    """Without the titles that pydantic makes from the names: editors would show them instead of the descriptions."""
    if isinstance(schema, dict):
        return {
            key: _untitled(value)
            for key, value in schema.items()
            if not (key == "title" and isinstance(value, str) and value != "flowtui flow file")
        }
    return [_untitled(value) for value in schema] if isinstance(schema, list) else schema


def _tidy(options: dict[str, Any]) -> dict[str, Any]:
    durations = {
        key: format_duration(options[key]) for key in _DURATIONS if isinstance(options.get(key), float)
    }
    return {key: durations.get(key, options[key]) for key in _KEY_ORDER if key in options}


SCHEMA_PATH: Final = Path(__file__).with_name("flow.schema.json")

if __name__ == "__main__":
    import sys

    sys.stdout.write(json_schema())
