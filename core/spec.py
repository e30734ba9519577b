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

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import PrivateAttr, ValidationError

from core.document import SIZE_LIMIT, Document, read
from core.durations import format_duration as format_duration
from core.durations import parse_duration as parse_duration
from core.entries import JOB_OPTIONS, command, job_id, keep_redundant, loaded, tidy, unique_names, written
from core.entries import SHELL_TASK as SHELL_TASK
from core.errors import CycleError, InvalidFlowFile
from core.graph import Link, find_cycle
from core.jobs import Job
from core.mistakes import explain, meaning
from core.schema import FlowFields, JobSpec, Options


class FlowFile(FlowFields):
    """A flow as it is written: jobs by name. Made by `load_flow` and `FlowFile.from_jobs`."""

    _text: str | None = PrivateAttr(default=None)
    _base: FlowFile | None = PrivateAttr(default=None)
    _renamed: dict[str, str] = PrivateAttr(default_factory=dict)
    _document: Document | None = PrivateAttr(default=None)
    _origin: str = PrivateAttr(default="<flow>")
    # What `dump` has read back from the text that it wrote.
    _heard: FlowFile | None = PrivateAttr(default=None)

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
        ids = {name: job_id(flow_id, name) for name in self.jobs}
        defaults = self.defaults.model_dump(exclude_unset=True)
        return [self._job(name, spec, ids, defaults) for name, spec in self.jobs.items()]

    def _job(self, name: str, spec: JobSpec, ids: Mapping[str, str], defaults: Mapping[str, Any]) -> Job:
        fields = {**defaults, **spec.model_dump(exclude_unset=True)}
        options = {key: fields[key] for key in JOB_OPTIONS if key in fields}
        upstream = {entry: ids[entry] for entry in spec.upstreams}
        args, kwargs = loaded(spec.args, upstream), loaded(spec.kwargs, upstream)
        if spec.run is not None:
            args = [command(spec.run) if isinstance(spec.run, str) else loaded(spec.run, upstream)]
            env = {**self.defaults.env, **spec.env}
            kwargs = {
                **({"cwd": fields["cwd"]} if fields.get("cwd") else {}),
                **({"env": loaded(env, upstream)} if env else {}),
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
        names = unique_names(jobs)
        head: dict[str, Any] = base.model_dump(exclude={"jobs"}, exclude_unset=True) if base else {}
        head.update({key: value for key, value in (("name", name), ("queue", queue)) if value is not None})
        defaults = base.defaults if base else Options()
        head["jobs"] = {names[job.id]: written(job, names, defaults) for job in jobs}
        if base:
            keep_redundant(head["jobs"], base, renamed or {})
        self = parse(cls, Document(head), base._origin if base else "<flow>", draft=True)
        self._base, self._renamed = base, dict(renamed or {})
        self._origin = base._origin if base else "<flow>"
        return self

    def dump(self, form: Literal["yaml", "json"] | None = None) -> str:
        """The file's text. A file that was loaded and not changed is given back as it was, byte for byte.

        `form` None is the form it was loaded in, YAML for a new one.
        """
        from core.rewriting import rewritten
        from core.writer import dump

        source = self if self._text is not None else self._base
        if source is None or source._document is None or source._text is None:
            return dump(self.to_data(), form or "yaml")
        had: Literal["yaml", "json"] = "json" if source._document.is_json else "yaml"
        if form not in (None, had):
            return dump(self.to_data(), form or had)
        if self == source:
            return source._text
        mark = _MARK if source._text.startswith(_MARK) else ""
        original = source._text.removeprefix(_MARK)
        ends = {*re.findall(r"\r\n|\r|\n", original)}
        newline = ends.pop() if len(ends) == 1 else "\n"
        original = original.replace(newline, "\n")
        data = self.to_data()
        changed = rewritten(original, source.to_data(), data, self._renamed, is_json=had == "json")
        # Comments are a convenience, the meaning is not: what does not read back as this flow is laid out afresh.
        text = next(filter(self._is_said_by, changed), None) or dump(data, had)
        return mark + text.replace("\n", newline)

    @property
    def has_comments(self) -> bool:
        """Whether the YAML that it is, or that it is a change of, may have comments, which JSON does not know."""
        source = self if self._text is not None else self._base
        if source is None or source._text is None or (source._document and source._document.is_json):
            return False
        return re.search(r"^#|\s#", source._text) is not None

    def _is_said_by(self, text: str) -> bool:
        try:
            heard = load_flow(text, draft=True)
        except InvalidFlowFile:
            return False
        self._heard = heard
        return heard == self

    def read_back(self, text: str) -> FlowFile:
        """`text`, which `dump` wrote, as a draft is loaded from it; `dump` itself may have done so already."""
        heard = self._heard
        return heard if heard is not None and heard._text == text else load_flow(text, draft=True)

    def to_data(self) -> dict[str, Any]:
        """What the file says as plain data, in the order in which a reader wants the keys; durations as texts."""
        data = self.model_dump(exclude_unset=True)
        if "defaults" in data:
            data["defaults"] = tidy(data["defaults"])
        data["jobs"] = {name: tidy(job) for name, job in data["jobs"].items()}
        return {key: data[key] for key in FlowFile.model_fields if key in data}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FlowFile) and json.dumps(self.to_data()) == json.dumps(other.to_data())

    __hash__ = None  # type: ignore[assignment]


PATH_HINT: Final = "; to read a file, pass its Path"
"""What a text that is no flow is told besides: it may be a path."""

_MARK: Final = "\ufeff"
"""The byte order mark that some editors put first."""


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
        hint = PATH_HINT if isinstance(data, str) and origin == "<text>" else ""
        complain((), f"a flow file has `jobs:`, a mapping of names to jobs{hint}")
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
