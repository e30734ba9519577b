"""Flow files as text: fresh ones laid out for reading, changed ones with the comments and the order they had."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

WIDTH: Final = 100

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
# Words that a reader of some YAML version takes for something else than a text.
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def dump(
    data: Mapping[str, Any],
    form: Literal["yaml", "json"],
    original: str | None = None,
    was: Mapping[str, Any] | None = None,
    renamed: Mapping[str, str] | None = None,
) -> str:
    """`data` as text. With `original`, a YAML text that said `was`, only what differs from `was` is changed in it.

    `renamed` maps the new names of jobs to their old ones.
    """
    if form == "json":
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    if original is not None and was is not None:
        return _changed(original, was, data, renamed or {})
    return "\n".join(_fresh(data)) + "\n"


def _fresh(data: Mapping[str, Any]) -> Iterator[str]:
    for key, value in data.items():
        if key != "jobs":
            yield from _entry(key, value, "")
    if len(data) > 1:
        yield ""
    yield "jobs:"
    for name, job in data["jobs"].items():
        yield f"  {_scalar(name)}:"
        for key, value in job.items():
            yield from _entry(key, value, "    ")


def _entry(key: str, value: Any, indent: str) -> Iterator[str]:
    """The lines of `key: value`; what fits on one line is on one line."""
    head = f"{indent}{_scalar(key)}:"
    if isinstance(value, str) and _is_block(value):
        yield f"{head} {'|' if value.endswith(chr(10)) else '|-'}"
        yield from (f"{indent}  {line}" if line else "" for line in value.removesuffix("\n").split("\n"))
        return
    line = f"{head} {_flow(value)}"
    if not value or not isinstance(value, dict | list) or len(line) <= WIDTH:
        yield line
        return
    yield head
    if isinstance(value, dict):
        for name, entry in value.items():
            yield from _entry(name, entry, indent + "  ")
    else:
        yield from (f"{indent}  - {_flow(entry)}" for entry in value)


def _flow(value: Any) -> str:
    if isinstance(value, str):
        return _scalar(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return json.dumps(value)


def _scalar(text: str) -> str:
    """`text` without quotes where nobody can mistake it, else in double quotes."""
    return text if _is_plain(text) else _quoted(text)


def _is_plain(text: str) -> bool:
    return len(text) <= 200 and bool(_PLAIN.fullmatch(text)) and text.lower() not in _WORDS


def _quoted(text: str) -> str:
    escaped = json.dumps(text, ensure_ascii=False)
    return "".join(
        char if char.isprintable() else f"\\U{ord(char):08x}" if ord(char) > 0xFFFF else f"\\u{ord(char):04x}"
        for char in escaped
    )


def _is_block(text: str) -> bool:
    """Whether `text` has several lines and reads back from a block without loss."""
    lines = text.removesuffix("\n").split("\n")
    return (
        len(lines) > 1
        and lines[0][:1] not in ("", " ")
        and lines[-1] != ""
        and all(line.isprintable() and line == line.rstrip() for line in lines)
    )


def _changed(
    original: str, was: Mapping[str, Any], now: Mapping[str, Any], renamed: Mapping[str, str]
) -> str:
    """`original` with the changes made in it."""
    yaml = _yaml()
    tree = yaml.load(original)
    jobs = dict(was["jobs"])
    for new, old in renamed.items():
        if old in jobs and new not in jobs:
            jobs = {new if name == old else name: job for name, job in jobs.items()}
            _rename(tree["jobs"], old, new)
    _update(tree, {**was, "jobs": jobs}, now)
    if list(tree["jobs"]) != list(now["jobs"]):
        for name in now["jobs"]:
            tree["jobs"].move_to_end(name)
    stream = io.StringIO()
    yaml.dump(tree, stream)
    return stream.getvalue()


def _update(tree: Any, was: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    for key in was:
        if key not in now:
            tree.pop(key, None)
    for key, value in now.items():
        old = was.get(key)
        if key in was and _same(old, value):
            continue
        inside = tree.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and hasattr(inside, "ca"):
            _update(inside, old, value)
        elif isinstance(value, list) and isinstance(old, list) and hasattr(inside, "ca") and value:
            inside[:] = [_laid_out(entry) for entry in value]
        else:
            tree[_laid_out(key) if key not in tree else key] = _laid_out(value, key)


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _rename(jobs: Any, old: str, new: str) -> None:
    position = list(jobs).index(old)
    comment = jobs.ca.items.pop(old, None)
    jobs.insert(position, _laid_out(new), jobs.pop(old))
    if comment is not None:
        jobs.ca.items[new] = comment


def _laid_out(value: Any, key: str = "") -> Any:
    """`value` for ruamel, laid out as `_fresh` does."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

    if isinstance(value, str):
        if _is_block(value) and key:
            return LiteralScalarString(value)
        return value if _is_plain(value) else DoubleQuotedScalarString(value)
    if isinstance(value, dict):
        mapping = CommentedMap((_laid_out(name), _laid_out(entry, name)) for name, entry in value.items())
        if key and len(_flow(value)) <= WIDTH - 20 and "task" not in value and "run" not in value:
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list):
        sequence = CommentedSeq(_laid_out(entry) for entry in value)
        if not value or len(_flow(value)) <= WIDTH - 20:
            sequence.fa.set_flow_style()
        return sequence
    return value


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.allow_unicode = True
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    return yaml
