"""What has changed in a list or an object in brackets or braces, as text: the rest of it stays byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Final

from core.writer import WIDTH, flow, scalar

SEARCHED: Final = 300
"""Items up to which it is searched for which of a changed list stay; of more, each is paired with that in its place."""


class Elsewhere(Exception):
    """This cannot be changed in its place; what it is a part of is written anew."""


@dataclass(slots=True)
class _Part:
    """An entry of a list or an object as it stands in the text."""

    before: str
    """From the end of the line before (or from the entry before, on the same line) to the entry."""
    body: str
    gap: str = ""
    """Up to the comma."""
    trail: str = ""
    """From the comma to the end of the line: a comment."""

    def margin(self, outside: str) -> str:
        """What stands before it on its line, if it begins one; else `outside`."""
        return self.before.rpartition("\n")[2] if "\n" in self.before else outside


@dataclass(slots=True)
class _Parts:
    """A list or an object as it stands in the text."""

    opening: str
    space: str
    """Between two entries on a line."""
    entries: list[_Part] = field(default_factory=list)
    has_last_comma: bool = False
    closing: str = ""

    @property
    def lines(self) -> str | None:
        """What stands before an entry that begins a line, without comments; None where all are on one line."""
        return next(
            ("\n" + part.before.rpartition("\n")[2] for part in self.entries if "\n" in part.before), None
        )

    @property
    def beside(self) -> str:
        """What stands before an entry that is not the first."""
        return self.lines or (self.entries[1].before if len(self.entries) > 1 else self.space)

    def joined(self, entries: list[_Part]) -> str:
        """The text with other entries; those that are `self.entries` keep all that belongs to them."""
        first, lines = self.entries[0], self.lines
        stay = {id(part) for part in entries}
        left = ""
        for part in self.entries:  # the comments above one that goes stay
            if id(part) in stay:
                part.before, left = _below(left, part.before, lines), ""
            elif "#" in part.before:
                left += part.before.rpartition("\n")[0]
        closing = _below(left, self.closing, lines)
        said, trail = [self.opening], self.opening
        for i, part in enumerate(entries):
            before = part.before
            if "\n" not in before and (i == 0) != (part is first):
                before = first.before if i == 0 else self.beside
            last = i == len(entries) - 1
            comma = "," if not last or self.has_last_comma else ""
            said.append(
                f"{_below(trail, before, lines).removeprefix(trail)}{part.body}{part.gap}{comma}{part.trail}"
            )
            trail = part.trail
        if "#" in entries[-1].trail and "\n" not in closing:
            closing = f"\n{closing}"
        return "".join([*said, closing])


def _below(comment: str, text: str, lines: str | None) -> str:
    """A text behind what may be a comment, which ends only with its line."""
    ends = "#" in comment and not text.startswith("\n")
    return comment + ((lines or "\n  ") + text.lstrip(" ") if ends else text)


class Braces:
    """One text and its nodes. JSON is YAML between braces."""

    def __init__(
        self,
        text: str,
        was: Mapping[str, Any],
        now: Mapping[str, Any],
        names: Mapping[str, str],
        is_json: bool,
    ) -> None:
        self.source = text
        self.was, self.now, self.names = was, now, names
        self.is_json = is_json
        # A tab is white space for JSON, and an error for YAML at the start of a line.
        self.root = compose(text.replace("\t", " ") if is_json else text)
        self.one_line = "\n" not in text.strip()
        self.space = "" if is_json and not re.search(r'": |, "', text) else " "
        self.separators = (f",{self.space}", f":{self.space}")

    def _changed(self, node: Any, was: Any, now: Any, margin: str, names: Mapping[str, str]) -> str:
        """The text of a value that said `was`, as one that says `now`."""
        start, end = span_of(node)
        if same(was, now) and not names:
            return self.source[start:end]
        if start == end or (node.id == "scalar" and node.style in ("|", ">")):
            raise Elsewhere
        if node.id == "mapping" and isinstance(was, dict) and isinstance(now, dict) and was and now:
            return self._mapping(node, was, now, margin, names)
        if node.id == "sequence" and isinstance(was, list) and isinstance(now, list) and was and now:
            return self._sequence(node, was, now, margin)
        if isinstance(now, str) and node.id == "scalar":
            return self._scalar(now, node)
        return self._laid_out(now, margin)

    def _mapping(
        self, node: Any, was: Mapping[str, Any], now: Mapping[str, Any], margin: str, names: Mapping[str, str]
    ) -> str:
        had = {new_name(key, names): entry for key, entry in was.items()}
        nodes = {new_name(key.value, names): (key, value) for key, value in node.value}
        if len(nodes) != len(node.value) or len(had) != len(was) or not nodes.keys() >= had.keys():
            raise Elsewhere
        parts = self._parts(node, [(span_of(key)[0], span_of(value)[1]) for key, value in node.value])
        spread = any("\n" in part.body for part in parts.entries)
        kept: dict[str, _Part] = {}
        for (key, (label, value)), part in zip(nodes.items(), parts.entries, strict=True):
            if key in had and key in now:
                begin, colon = span_of(label)
                name = self.source[begin:colon] if key == label.value else self._scalar(key, label)
                inner = self._of_jobs(node, key)
                inside = self._changed(value, had[key], now[key], part.margin(margin), inner)
                part.body = name + self.source[colon : span_of(value)[0]] + inside
            elif key in had or key in now:  # else it is no part of the flow, such as `$schema`
                continue
            kept[key] = part
        order = list(kept)
        if [key for key in had if key in now] != [key for key in now if key in had]:
            order = [key for key in kept if key not in now] + [key for key in now if key in kept]
        for key in now:
            if key not in had:
                kept[key] = self._fresh(parts, f"{self._scalar(key)}{self.separators[1]}", now[key], spread)
        return parts.joined([kept[key] for key in ordered(order, list(now))])

    def _sequence(self, node: Any, was: list[Any], now: list[Any], margin: str) -> str:
        if len(node.value) != len(was):
            raise Elsewhere
        parts = self._parts(node, [span_of(entry) for entry in node.value])
        entries: list[_Part] = []
        for i, j, at, to in steps(was, now):
            for step in range(to - at):
                if i + step < j:
                    part, entry = parts.entries[i + step], node.value[i + step]
                    part.body = self._changed(entry, was[i + step], now[at + step], part.margin(margin), {})
                else:
                    part = self._fresh(parts, "", now[at + step], False)
                entries.append(part)
        return parts.joined(entries)

    def _fresh(self, parts: _Parts, label: str, value: Any, spread: bool) -> _Part:
        """A new entry, as its neighbours stand."""
        lines = parts.lines
        if lines is None:
            return _Part(parts.beside, label + self._compact(value))
        outside = parts.closing.rpartition("\n")[2][:-1]
        unit = lines[1:].removeprefix(outside) or "  "
        return _Part(lines, label + self._laid_out(value, lines[1:], unit, spread))

    def _laid_out(self, value: Any, margin: str, unit: str = "  ", spread: bool = False) -> str:
        """`value` on one line where it fits."""
        line = self._compact(value)
        fits = self.one_line or len(margin) + len(line) <= WIDTH
        if (
            not value
            or not isinstance(value, dict | list)
            or (fits and not (spread and isinstance(value, dict)))
        ):
            return line
        inside = margin + unit
        if isinstance(value, dict):
            entries = [
                f"{self._scalar(key)}: {self._laid_out(entry, inside, unit)}" for key, entry in value.items()
            ]
        else:
            entries = [self._laid_out(entry, inside, unit) for entry in value]
        opening, closing = "{}" if isinstance(value, dict) else "[]"
        return f"{opening}\n" + ",\n".join(inside + entry for entry in entries) + f"\n{margin}{closing}"

    def _parts(self, node: Any, spans: list[tuple[int, int]]) -> _Parts:
        """A list or an object of at least one entry, taken to pieces."""
        start, end = span_of(node)
        if not spans or self.source[start] not in "{[":
            raise Elsewhere
        trail, before = self._cut(start + 1, spans[0][0])
        parts = _Parts(self.source[start] + trail, self.space)
        for i, (at, to) in enumerate(spans):
            following = spans[i + 1][0] if i + 1 < len(spans) else end
            comma = self._comma(to, following)
            gap = "" if comma is None else self.source[to:comma]
            trail, rest = self._cut(to if comma is None else comma + 1, following)
            parts.entries.append(_Part(before, self.source[at:to], gap, trail))
            parts.has_last_comma, parts.closing, before = comma is not None, rest, rest
        return parts

    def _cut(self, at: int, end: int) -> tuple[str, str]:
        """What stands between two entries: the rest of the line, if it ends there; and what begins the next entry."""
        line = self.source.find("\n", at, end)
        return (self.source[at:line], self.source[line:end]) if line >= 0 else ("", self.source[at:end])

    def _comma(self, at: int, end: int) -> int | None:
        while at < end:
            if self.source[at] == "#":
                at = self.source.find("\n", at)
                if at < 0:
                    return None
            elif self.source[at] == ",":
                return at
            at += 1
        return None

    def _of_jobs(self, node: Any, key: str) -> Mapping[str, str]:
        """Old names of entries -> new ones, where the entries are the jobs."""
        return self.names if node is self.root and key == "jobs" else {}

    def _scalar(self, text: str, instead_of: Any = None) -> str:
        """A text; in the quotes of the one that it takes the place of, if that one did not need them."""
        if self.is_json:
            return json.dumps(text, ensure_ascii=False)
        wanted = instead_of is not None and scalar(instead_of.value) == instead_of.value
        return scalar(text, instead_of.style if wanted else None)

    def _compact(self, value: Any) -> str:
        if self.is_json:
            return json.dumps(value, ensure_ascii=False, separators=self.separators)
        return flow(value)


def steps(was: list[Any], now: list[Any]) -> Iterator[tuple[int, int, int, int]]:
    """Which items of a list have become which: slices of both."""
    old, new = ([json.dumps(item, sort_keys=True) for item in each] for each in (was, now))
    # What begins and ends alike is paired first, and lists of one length item by item: of equal items each keeps its
    # comment, and a long list does not take the square of its length.
    first, last = 0, 0
    least = min(len(old), len(new))
    while first < least and old[first] == new[first]:
        first += 1
    while last < least - first and old[-1 - last] == new[-1 - last]:
        last += 1
    middles = old[first : len(old) - last], new[first : len(new) - last]
    yield 0, first, 0, first
    if len(old) == len(new) or max(map(len, middles)) > SEARCHED:
        yield first, len(old) - last, first, len(new) - last
    else:
        for _, i, j, at, to in SequenceMatcher(None, *middles, autojunk=False).get_opcodes():
            yield i + first, j + first, at + first, to + first
    yield len(old) - last, len(old), len(new) - last, len(new)


def new_name(old: str, names: Mapping[str, str]) -> str:
    """What an entry is called now; one that has lost its name to another is called like none that can be there."""
    return names.get(old) or (f"{old}\0" if old in names.values() else old)


def ordered(order: list[str], now: list[str]) -> Iterator[str]:
    """`order`, with those of `now` that are not in it each after the one that it follows in `now`."""
    there = set(order)
    after: dict[str | None, list[str]] = {}
    last: str | None = None
    for key in now:
        if key in there:
            last = key
        else:
            after.setdefault(last, []).append(key)
    yield from after.get(None, [])
    for key in order:
        yield key
        yield from after.get(key, [])


def span_of(node: Any) -> tuple[int, int]:
    return node.start_mark.index, node.end_mark.index


def same(one: Any, other: Any) -> bool:
    """Whether they are written alike: 1 is not 1.0, and the order of keys counts."""
    return json.dumps(one) == json.dumps(other)


def compose(text: str) -> Any:
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).compose(text)
