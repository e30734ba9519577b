"""Flow files as text, laid out for reading."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

WIDTH: Final = 100

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
# Words that a reader of some YAML version takes for something else than a text.
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def dump(data: Mapping[str, Any], form: Literal["yaml", "json"]) -> str:
    """`data` as text, laid out for reading."""
    if form == "json":
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    return "\n".join(_fresh(data)) + "\n"


def _fresh(data: Mapping[str, Any]) -> Iterator[str]:
    for key, value in data.items():
        if key != "jobs":
            yield from entry(key, value, "")
    if len(data) > 1:
        yield ""
    yield from entry("jobs", data["jobs"], "", opened=2)


def entry(key: str, value: Any, indent: str, unit: str = "  ", *, opened: int = 0) -> Iterator[str]:
    """The lines of `key: value`, each level deeper by `unit`; what fits on one line is on one line.

    Of `opened` levels each entry has a line of its own in any case.
    """
    head = f"{indent}{scalar(key)}:"
    if isinstance(value, str) and is_block(value):
        yield f"{head} {'|' if value.endswith(chr(10)) else '|-'}"
        yield from (f"{indent}{unit}{line}" if line else "" for line in value.removesuffix("\n").split("\n"))
        return
    line = f"{head} {flow(value)}"
    if not value or not isinstance(value, dict | list) or (len(line) <= WIDTH and not opened):
        yield line
        return
    yield head
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from entry(name, inner, indent + unit, unit, opened=max(0, opened - 1))
    else:
        yield from (f"{indent}{unit}- {flow(inner)}" for inner in value)


def flow(value: Any) -> str:
    """`value` on one line, with braces and brackets."""
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return json.dumps(value)


def scalar(text: str, style: str | None = None) -> str:
    """`text` without quotes where nobody can mistake it, else in double quotes; in those of `style` where it can be."""
    if style == "'" and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    is_plain = len(text) <= 200 and _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    return text if is_plain and not style else _quoted(text)


def _quoted(text: str) -> str:
    escaped = json.dumps(text, ensure_ascii=False)
    return "".join(
        char if char.isprintable() else f"\\U{ord(char):08x}" if ord(char) > 0xFFFF else f"\\u{ord(char):04x}"
        for char in escaped
    )


def is_block(text: str) -> bool:
    """Whether `text` has several lines and reads back from a block without loss."""
    lines = text.removesuffix("\n").split("\n")
    return (
        len(lines) > 1
        and lines[0][:1] not in ("", " ")
        and lines[-1] != ""
        and all(line.isprintable() and line == line.rstrip() for line in lines)
    )
