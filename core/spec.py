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
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import PrivateAttr, ValidationError

from core import references
from core.document import SIZE_LIMIT, Document, read
from core.durations import format_duration as format_duration
from core.durations import parse_duration as parse_duration
from core.errors import CycleError, InvalidFlowFile
from core.graph import Link, find_cycle
from core.jobs import Job, Trigger, new_id
from core.mistakes import explain, meaning
from core.schema import FlowFields, JobSpec, Options

SHELL_TASK: Final = "shell"
"""The task of a `run:` step: `args` is [command] (a text or a list), `kwargs` may have cwd and env."""


class FlowFile(FlowFields):
    """A flow as it is written: jobs by name. Made by `load_flow` and `FlowFile.from_jobs`."""

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
        upstream = {entry: ids[entry] for entry in spec.upstreams}
        args, kwargs = _loaded(spec.args, upstream), _loaded(spec.kwargs, upstream)
        if spec.run is not None:
            args = [_command(spec.run) if isinstance(spec.run, str) else _loaded(spec.run, upstream)]
            env = {**self.defaults.env, **spec.env}
            kwargs = {
                **({"cwd": fields["cwd"]} if fields.get("cwd") else {}),
                **({"env": _loaded(env, upstream)} if env else {}),
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
        self = parse(cls, Document(head), base._origin if base else "<flow>", draft=True)
        self._base, self._renamed = base, dict(renamed or {})
        self._origin = base._origin if base else "<flow>"
        return self

    def dump(self, form: Literal["yaml", "json"] | None = None) -> str:
        """The file's text. A file that was loaded and not changed is given back as it was, byte for byte.

        `form` None is the form it was loaded in, YAML for a new one.
        """
        from core.writer import dump, rewritten

        source = self if self._text is not None else self._base
        if source is None or source._document is None or source._text is None:
            return dump(self.to_data(), form or "yaml")
        had: Literal["yaml", "json"] = "json" if source._document.is_json else "yaml"
        if form not in (None, had):
            return dump(self.to_data(), form or had)
        if self == source:
            return source._text
        mark = _MARK if source._text.startswith(_MARK) else ""
        crlf = "\r\n" in source._text
        original = source._text.removeprefix(_MARK).replace("\r\n", "\n")
        data = self.to_data()
        changed = rewritten(original, source.to_data(), data, self._renamed) if had == "yaml" else ()
        # Comments are a convenience, the meaning is not: what does not read back as this flow is laid out afresh.
        text = next(filter(self._is_said_by, changed), None) or dump(data, had)
        return mark + (text.replace("\n", "\r\n") if crlf else text)

    def _is_said_by(self, text: str) -> bool:
        try:
            return load_flow(text, draft=True) == self
        except InvalidFlowFile:
            return False

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


_MARK: Final = "\ufeff"
"""The byte order mark that some editors put first."""
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


def load_flow(source: Path | str, *, draft: bool = False) -> FlowFile:
    """Read a flow: of a file (a `Path`) or from text (a `str`).

    `draft` lets through what can be repaired in Compose: jobs that wait for each other (`FlowFile.cycle`), and results
    of what is no upstream, which `to_jobs` then gives as `references.Unresolved`.
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
            text = source.read_bytes().decode("utf-8")
        except OSError as error:
            raise InvalidFlowFile(f"{name}: cannot be read: {error.strerror or error}") from None
        except UnicodeDecodeError as error:
            raise InvalidFlowFile(f"{name}:1:1: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    else:
        name, text = "<text>", source
    flow = parse(FlowFile, read(text.removeprefix(_MARK), name), name, draft=draft)
    flow._text = text
    return flow


def parse(kind: type[FlowFile], document: Document, origin: str, *, draft: bool) -> FlowFile:
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
                explained = explain(dict(entry), data)
                if explained is not None:
                    complain(explained[0], explained[1], key=explained[2])
    if flow is not None:
        for at, message in meaning(flow, draft=draft):
            complain(at, message)
    if problems or flow is None:
        lines = list(
            dict.fromkeys(f"{origin}:{line}:{column}: {text}" for (line, column), text in sorted(problems))
        )
        more = [f"{origin}: and {len(lines) - 20} more problems"] if len(lines) > 20 else []
        raise InvalidFlowFile("\n".join([*lines[:20], *more]))
    flow._document, flow._origin = document, origin
    cycle = None if draft else flow.cycle()
    if cycle:
        raise FileCycle(cycle, flow.where("jobs", cycle[1], "depends_on"))
    return flow


class FileCycle(CycleError, InvalidFlowFile):
    """A CycleError that knows its place in a file."""

    def __init__(self, path: Sequence[str], place: str) -> None:
        super().__init__(path)
        self.args = (f"{place}: jobs.{path[1]}.depends_on: {self}",)


def _job_id(flow_id: str | None, name: str) -> str:
    if flow_id is None:
        return new_id()
    return hashlib.blake2b(f"{flow_id}\0{name}".encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _command(text: str) -> str:
    """A command for the shell, which is no place for a reference."""
    return references.Unresolved(text) if references.looks_like_one(text) else text


def _loaded(value: Any, ids: Mapping[str, str]) -> Any:
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
        return [_loaded(entry, ids) for entry in value]
    if isinstance(value, dict):
        return {key: _loaded(entry, ids) for key, entry in value.items()}
    return value


def _unloaded(value: Any, job: Job, names: Mapping[str, str]) -> Any:
    """The inverse of `_loaded`: references by name, of jobs in this file."""
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


def _written(job: Job, names: Mapping[str, str], defaults: Options) -> dict[str, Any]:
    """A job as its mapping in the file; what equals the defaults is left out."""
    args, kwargs = _unloaded(job.args, job, names), _unloaded(job.kwargs, job, names)
    spec: dict[str, Any] = {}
    if _is_run(job, args, kwargs):
        spec["run"] = str(job.args[0]) if isinstance(job.args[0], str) else args[0]
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
        if _same_upstreams(needed, specs[name]):
            specs[name]["depends_on"] = needed["depends_on"]
        if needed == specs[name] and not renamed:
            specs[name] = said
        else:
            specs[name].update(
                {key: value for key, value in said.items() if key not in needed and key not in specs[name]}
            )


def _same_upstreams(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two jobs wait for the same: in which order is for the file to choose."""
    if "depends_on" not in one or "depends_on" not in other:
        return False
    return {str(entry) for entry in one["depends_on"]} == {str(entry) for entry in other["depends_on"]}


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


def _tidy(options: dict[str, Any]) -> dict[str, Any]:
    durations = {
        key: format_duration(options[key]) for key in _DURATIONS if isinstance(options.get(key), float)
    }
    return {key: durations.get(key, options[key]) for key in _KEY_ORDER if key in options}
