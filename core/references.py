"""Arguments that are the result of an upstream.

In a flow file, a value of `args` or `kwargs` (also one inside a list or an object) that is, as a whole, of the form

    ${jobs.extract.result}                     what the job `extract` returned
    ${jobs.extract.result.rows[0]}             a part of it: keys by `.word` or `["any text"]`, positions by `[n]`
    ${jobs["load eu"].result}                  a name with other characters than A-Z a-z 0-9 _ - goes into brackets

is replaced, just before the task is called, by the result of that upstream: with its own type, not as text. The
upstream must be in the job's `depends_on`. An upstream that did not complete (possible with the triggers all_done,
one_success and one_failed) gives null. `$${jobs.` stands for a literal `${jobs.`; any other `${...}` is just text.

In a payload the same is written with the upstream's id: `{"$result": "<id>"}`, and `"path": ["rows", 0]` besides for a
part. An object of this form is a reference only when the id is one of the job's `depends_on`; else it is just data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from core.errors import TaskError
from core.jobs import Job

MARK: Final = '"$result"'
"""A payload without this text has no references; look for it before looking into the payload."""

_START: Final = "${jobs"
_ESCAPED: Final = re.compile(r"\$(\$+\{jobs[.\[])")
_LOOKS: Final = re.compile(r"(?<!\$)\$\{jobs[.\[]")
_STEP: Final = re.compile(
    r'\.(?P<word>[A-Za-z0-9_-]+)|\[(?P<index>-?\d{1,9})\]|\[(?P<text>"(?:[^"\\]|\\.)*")\]'
)
_PART: Final = (
    "a result of an upstream cannot be a part of a text; let ${jobs.NAME.result} be the whole value, or write $${jobs. "
    "for a literal ${jobs."
)
_WORD: Final = re.compile(r"[A-Za-z0-9_-]+")


class Unresolved(str):
    """A text that is meant as a reference but is none that can be kept: malformed, or not of an upstream.

    Only drafts have it, so that what is wrong can be seen, saved and repaired; no task is ever called with it.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """The result of `upstream` (a name in a flow file, an id in a payload), or what `path` leads to inside of it."""

    upstream: str
    path: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        """As a flow file writes it."""
        return f"${{jobs{_step(self.upstream)}.result{''.join(map(_step, self.path))}}}"

    def to_payload(self) -> dict[str, Any]:
        """As a payload writes it; `upstream` must then be an id."""
        return {"$result": self.upstream, **({"path": list(self.path)} if self.path else {})}


def result_of(job: Job, *path: str | int) -> dict[str, Any]:
    """The argument that becomes the result of `job`: `Job("sum", args=[result_of(a)], depends_on=[a.id])`."""
    return Reference(job.id, path).to_payload()


def parse(text: str) -> Reference | None:
    """The reference that `text` is, or None for other text. Raises ValueError for one that is malformed."""
    if not _LOOKS.search(text):
        return None
    if not text.startswith(_START) or not text.endswith("}"):
        raise ValueError(_PART)
    steps: list[str | int] = []
    at, end = len(_START), len(text) - 1
    while at < end:
        step = _STEP.match(text, at, end)
        if step is None and len(_LOOKS.findall(text)) > 1:
            raise ValueError(_PART)
        if step is None:
            raise ValueError(
                f"{text} cannot be read from {text[at:end]!r} on; the form is ${{jobs.NAME.result}}, then .key, [0] or "
                '["any key"]; a name with other characters than A-Z a-z 0-9 _ - is written ["in brackets"]'
            )
        if step["index"] is not None:
            steps.append(int(step["index"]))
        elif step["text"] is not None:
            try:
                steps.append(json.loads(step["text"]))
            except ValueError:
                raise ValueError(f"{text} has a malformed text in brackets: {step['text']}") from None
        else:
            steps.append(step["word"])
        at = step.end()
    if len(steps) < 2 or not isinstance(steps[0], str) or steps[1] != "result":
        raise ValueError(f"{text} must read ${{jobs.NAME.result}}, then a path if only a part is wanted")
    return Reference(steps[0], tuple(steps[2:]))


def looks_like_one(text: str) -> bool:
    """Whether somewhere in `text` a reference seems to be meant."""
    return _LOOKS.search(text) is not None


def escape(text: str) -> str:
    """`text` as a flow file must write it to mean just this text."""
    return re.sub(r"(\$+\{jobs[.\[])", r"$\1", text)


def unescape(text: str) -> str:
    """What `escape` was given."""
    return _ESCAPED.sub(r"\1", text)


def find(value: object, upstreams: Collection[str]) -> Iterator[Reference]:
    """The references inside a payload's args or kwargs, whose job depends on `upstreams`."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            reference = read(item, upstreams)
            if reference is not None:
                yield reference
            else:
                todo.extend(item.values())
        elif isinstance(item, list):
            todo.extend(item)


def resolve(value: Any, upstreams: Collection[str], results: Mapping[str, Any]) -> Any:
    """A payload's args or kwargs with every reference replaced by the result it names.

    `upstreams` is the job's `depends_on`, `results` the results by id of those that completed.
    Raises TaskError for a path that the result does not have.
    """

    def replace(reference: Reference) -> Any:
        if reference.upstream not in results:
            return None
        found: Any = results[reference.upstream]
        for depth, step in enumerate(reference.path):
            try:
                if isinstance(step, int) is not isinstance(found, list) or not isinstance(found, dict | list):
                    raise LookupError
                found = found[step]  # type: ignore[index]
            except LookupError:
                shown = "".join(map(_step, reference.path[: depth + 1]))
                raise TaskError(
                    f"the result of upstream {reference.upstream} has no {shown}; it is {_kind(found)} there"
                ) from None
        return found

    return convert(value, upstreams, replace)


def convert(value: Any, upstreams: Collection[str], replace: Callable[[Reference], Any]) -> Any:
    """A copy of a payload's args or kwargs with `replace(reference)` in the place of each reference."""
    if isinstance(value, dict):
        reference = read(value, upstreams)
        if reference is not None:
            return replace(reference)
        return {key: convert(entry, upstreams, replace) for key, entry in value.items()}
    if isinstance(value, list):
        return [convert(entry, upstreams, replace) for entry in value]
    return value


def read(item: dict[str, Any], upstreams: Collection[str]) -> Reference | None:
    """The reference that an object of a payload is, or None where it is just data."""
    upstream, path = item.get("$result"), item.get("path", [])
    if not isinstance(upstream, str) or upstream not in upstreams or not item.keys() <= {"$result", "path"}:
        return None
    if not isinstance(path, list) or any(type(step) not in (str, int) for step in path):
        return None
    return Reference(upstream, tuple(path))


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _WORD.fullmatch(step) else f"[{json.dumps(step, ensure_ascii=False)}]"


def _kind(value: object) -> str:
    if isinstance(value, dict):
        keys = ", ".join(list(map(str, value))[:8])
        return f"an object with the keys {keys}" if keys else "an empty object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return {str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
