"""The text of a flow file as plain data, with the place of every key, and nothing that could be a trap.

YAML 1.2 with its core schema: only true and false are booleans, only null, ~ and nothing are null; no, 12:30:45 and
2026-01-01 are texts. Anchors, aliases, tags, duplicate keys and keys that are not texts are refused, and so is
anything larger or deeper than a flow can need. JSON is read by the strict rules of JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from core.errors import InvalidFlowFile

SIZE_LIMIT: Final = 5_000_000
"""Bytes of a flow file."""
NODE_LIMIT: Final = 200_000
DEPTH_LIMIT: Final = 64

Path = tuple[str | int, ...]
Place = tuple[int, int]
"""Line and column, from 1."""

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT: Final = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")


_SAID_BY_YAML: Final = (
    "duplicate key",
    "deeper than",
    "more than",
    "beyond 64 bits",
    "too large",
    "surrogate",
)
"""Problems that YAML and JSON share; YAML knows their places."""
_CONSTANT: Final = re.compile(r"-?\b(?:NaN|Infinity)\b(?=\s*[,\]}])")


@dataclass(slots=True)
class Document:
    """`data`, and where in the text each key and each value starts, by path."""

    data: Any
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    is_json: bool = False

    def place(self, path: Path, *, key: bool = False) -> Place:
        """The place of the value at `path`, or (`key`) of its key; of what contains it where it is not there."""
        if key and path in self.keys:
            return self.keys[path]
        for length in range(len(path), -1, -1):
            if path[:length] in self.values:
                return self.values[path[:length]]
        return 1, 1


def read(text: str, name: str) -> Document:
    """Read YAML or JSON; `name` is the file's name for messages. Raises InvalidFlowFile."""
    if len(text) > SIZE_LIMIT or len(text.encode("utf-8", "surrogatepass")) > SIZE_LIMIT:
        _refuse(name, (1, 1), f"the file is larger than {SIZE_LIMIT:,} bytes; split the flow")
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return _read_json(text.removeprefix("\ufeff"), name)
    return _Reader(name).read(text)


def _refuse(name: str, place: Place, problem: str) -> NoReturn:
    raise InvalidFlowFile(f"{name}:{place[0]}:{place[1]}: {problem}")


def _read_json(text: str, name: str) -> Document:
    # Checked as YAML first: it knows the places, and its limits hold before json recurses into the text.
    # A tab is white space for JSON; YAML takes it for an error at the start of a line.
    try:
        document = _Reader(name).read(text.replace("\t", " "))
    except InvalidFlowFile as error:
        shown = str(error)
        if any(known in shown for known in _SAID_BY_YAML):
            raise
        document = Document(None)
    try:
        document.data = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_no_duplicates)
    except json.JSONDecodeError as error:
        # Flow-style YAML starts with a brace, too. A tab inside of a text is one.
        if document.data is not None:
            return _Reader(name).read(text) if "\t" in text else document
        _refuse(name, (error.lineno, error.colno), f"neither JSON nor YAML: {error.msg}")
    except (ValueError, RecursionError) as error:
        found = _CONSTANT.search(text)
        _refuse(name, place_of(text, found.start()) if found else (1, 1), str(error))
    document.is_json = True
    return document


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON; use null or a text")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"duplicate key {next(key for key in keys if keys.count(key) > 1)!r:.80}")
    return found


def _whole(text: str) -> str:
    """`text` with characters that were escaped as two halves, as JSON does, put together.

    Raises ValueError for a lone half.
    """
    if text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        raise ValueError("it holds half of a surrogate pair, which is no text; remove it") from None


class _Reader:
    """Builds data from YAML events: a loop and a stack, so that no depth can exhaust Python's own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.document = Document(None)
        # Of each open list or object: itself, its path, the key that waits for its value.
        self.open: list[tuple[list[Any] | dict[str, Any], Path]] = []
        self.key: list[str | None] = []
        self.nodes = 0
        self.done = False
        self.place: Place = (1, 1)
        """Up to where it has been read."""

    def read(self, text: str) -> Document:
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        try:
            for event in self._events(text):
                self._take(event)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            problem = " ".join(f"{error.problem or error.context or 'not YAML'}".split())
            if mark and text[mark.index - 1 : mark.index + 1] == "${":
                problem = 'inside [ ] and { }, write "${...}" in quotes'
            _refuse(self.name, place, problem)
        except YAMLError as error:
            _refuse(self.name, _reader_place(text, error), " ".join(str(error).split())[:200])
        except InvalidFlowFile:
            raise
        except (AssertionError, ValueError, OverflowError):  # the library meets what it did not expect
            problem = "a \\U beyond \\U0010FFFF is no character; take it out"
            if "\n%YAML" in f"\n{text}":
                problem = "%YAML names a version that is not 1.1 or 1.2; take the line out"
            _refuse(self.name, self.place, problem)
        return self.document

    def _events(self, text: str) -> Iterator[Any]:
        from ruamel.yaml import YAML

        yaml = YAML(typ="safe", pure=True)
        events: Iterator[Any] = yaml.parse(text)
        return events

    def _take(self, event: Any) -> None:
        kind = type(event).__name__
        mark = event.start_mark
        self.place = place = (mark.line + 1, mark.column + 1)
        if kind == "DocumentStartEvent" and self.done:
            _refuse(self.name, place, "a second document starts here; one file holds one flow")
        if kind == "AliasEvent" or getattr(event, "anchor", None):
            _refuse(self.name, place, "anchors and aliases (& and *) are not allowed; write the value out")
        if kind in ("ScalarEvent", "SequenceStartEvent", "MappingStartEvent"):
            self.nodes += 1
            if self.nodes > NODE_LIMIT:
                _refuse(self.name, place, f"the file has more than {NODE_LIMIT:,} values; split the flow")
            if event.tag is not None and not (kind == "ScalarEvent" and event.tag == "!"):
                _refuse(self.name, place, f"tags ({event.tag!s:.60}) are not allowed; write plain values")
        if kind == "ScalarEvent":
            self._scalar(event, place)
        elif kind == "SequenceStartEvent":
            self._begin([], place)
        elif kind == "MappingStartEvent":
            self._begin({}, place)
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            self.open.pop()
            self.key.pop()
            self.done = self.done or not self.open

    def _scalar(self, event: Any, place: Place) -> None:
        plain = event.style in (None, "") and event.tag is None
        if self.open and isinstance(self.open[-1][0], dict) and self.key[-1] is None:
            try:
                key = _whole(event.value)
            except ValueError as error:
                _refuse(self.name, place, str(error))
            self._new_key(key, plain, place)
            return
        try:
            value = _core_value(event.value) if plain else _whole(event.value)
        except ValueError as error:
            _refuse(self.name, place, str(error))
        if plain and not event.value and self.open and isinstance(self.open[-1][0], dict):
            place = self.document.keys[
                (*self.open[-1][1], self.key[-1] or "")
            ]  # nothing is nowhere: say where it is missing
        self._put(value, place)
        self.done = self.done or not self.open

    def _new_key(self, text: str, plain: bool, place: Place) -> None:
        mapping, path = self.open[-1]
        if plain and (text in _NULL or text in _BOOL or _INT.fullmatch(text) or _FLOAT.fullmatch(text)):
            _refuse(
                self.name, place, f'the key {text or "nothing"} is not a text; write it in quotes: "{text}"'
            )
        if text in mapping:
            _refuse(self.name, place, f"duplicate key {text!r:.80}; remove one of the two")
        self.key[-1] = text
        self.document.keys[(*path, text)] = place

    def _begin(self, container: list[Any] | dict[str, Any], place: Place) -> None:
        if len(self.open) >= DEPTH_LIMIT:
            _refuse(self.name, place, f"nested deeper than {DEPTH_LIMIT} levels; flatten it")
        if self.open and isinstance(self.open[-1][0], dict) and self.key[-1] is None:
            _refuse(self.name, place, "a list or an object cannot be a key")
        path = self._put(container, place)
        self.open.append((container, path))
        self.key.append(None)

    def _put(self, value: Any, place: Place) -> Path:
        if not self.open:
            self.document.data = value
            self.document.values[()] = place
            return ()
        container, path = self.open[-1]
        step: str | int
        if isinstance(container, dict):
            step = self.key[-1] or ""
            container[step] = value
            self.key[-1] = None
        else:
            step = len(container)
            container.append(value)
        path = (*path, step)
        self.document.values[path] = place
        return path


def _core_value(text: str) -> Any:
    """A plain scalar by the core schema of YAML 1.2."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        number = int(text, 0) if text[:2] in ("0o", "0x") else int(text) if len(text) < 30 else 2**64
        if not -(2**63) <= number < 2**63:
            raise ValueError(f"{text:.40} is an integer beyond 64 bits; write it in quotes")
        return number
    if _FLOAT.fullmatch(text):
        value = float(text)
        if math.isinf(value):
            raise ValueError(f"{text:.40} is too large for a number; write it in quotes")
        return value
    if text.lower().lstrip("+-") in (".inf", ".nan"):
        raise ValueError(f"{text} cannot be sent as JSON; use null or a text")
    return text


def place_of(text: str, at: int) -> Place:
    """Line and column of a character."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _reader_place(text: str, error: Exception) -> Place:
    """Where a character is that YAML does not allow."""
    position = getattr(error, "position", None)
    if not isinstance(position, int):
        return 1, 1
    return place_of(text, position)
