"""A changed flow file as text: what has changed is put in where it stands, all else stays byte for byte.

The places come from the nodes of the YAML library; JSON is YAML between braces. Comments go with the lines and the
entries that they stand on; those on lines of their own stay.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from core.braces import Braces, Elsewhere, compose, new_name, ordered, same, span_of, steps
from core.writer import WIDTH, entry, flow, is_block

_SPACES: Final = re.compile(" *")
_BLANK: Final = re.compile(r"[ \t]*\n")


def rewritten(
    original: str,
    was: Mapping[str, Any],
    now: Mapping[str, Any],
    renamed: Mapping[str, str],
    *,
    is_json: bool,
) -> Iterator[str]:
    """`original`, a text that said `was`, as one that says `now`: the text that is closest to it first.

    A later one is for when an earlier one does not say `now`. `renamed` maps the new names of jobs to their old ones.
    """
    from ruamel.yaml.error import YAMLError

    names = {old: new for new, old in renamed.items() if old in was["jobs"] and new in now["jobs"]}
    text = original
    try:
        if not is_json:
            text, was = _in_order(text, was, now, names)
        yield _Rewriter(text, was, now, names, is_json).text()
    except (YAMLError, Elsewhere):
        pass
    if is_json:
        yield _json_like(original, now)


def _json_like(original: str, data: Mapping[str, Any]) -> str:
    """`data` as JSON, indented as the JSON text `original` is, and with the schema that it names for editors."""
    had = json.loads(original)
    schema = {"$schema": had["$schema"]} if "$schema" in had else {}
    indent = re.search(r'^([ \t]+)"', original, re.MULTILINE)
    return json.dumps({**schema, **data}, indent=indent[1] if indent else 2, ensure_ascii=False) + "\n"


def _in_order(
    text: str, was: Mapping[str, Any], now: Mapping[str, Any], names: Mapping[str, str]
) -> tuple[str, Mapping[str, Any]]:
    """`text` with its jobs in the order in which `now` has them, and what it says then."""
    places = {name: i for i, name in enumerate(now["jobs"])}
    order = [place for name in was["jobs"] if (place := places.get(names.get(name, name))) is not None]
    if order == sorted(order):
        return text, was
    jobs = next((value for key, value in compose(text).value if key.value == "jobs"), None)
    if jobs is None or jobs.flow_style or [key.value for key, _ in jobs.value] != list(was["jobs"]):
        return text, was
    starts = [_above(text, _line(text, span_of(key)[0])) for key, _ in jobs.value]
    end = _content_end(text, starts[-1], _limit(text, jobs), _column(text, jobs))
    pieces = {
        name: text[at:to].removesuffix("\n") + "\n"
        for name, at, to in zip(was["jobs"], starts, [*starts[1:], end], strict=True)
    }
    last = -1
    keys: dict[str, tuple[int, int]] = {}
    for i, name in enumerate(was["jobs"]):  # what goes stays behind the one that it follows
        last = places.get(names.get(name, name), last)
        keys[name] = (last, i)
    sequence = sorted(was["jobs"], key=lambda name: keys[name])
    moved = text[: starts[0]] + "".join(pieces[name] for name in sequence) + text[end:]
    return moved, {**was, "jobs": {name: was["jobs"][name] for name in sequence}}


class _Rewriter(Braces):
    """One text and its changes."""

    def text(self) -> str:
        """The text with what has changed."""
        self.edits: list[tuple[int, int, str]] = []
        if self.root.flow_style:
            self.edits.append((*span_of(self.root), self._mapping(self.root, self.was, self.now, "", {})))
        else:
            self._block(self.root, self.was, self.now, _limit(self.source, self.root), {})
        pieces, at = [], 0
        for start, end, instead in sorted(self.edits, key=lambda edit: edit[:2]):
            pieces += [self.source[at:start], instead]
            at = end
        return "".join([*pieces, self.source[at:]])

    # ---- in indented lines -------------------------------------------------------------------------------------------

    def _block(
        self, node: Any, was: Mapping[str, Any], now: Mapping[str, Any], limit: int, names: Mapping[str, str]
    ) -> None:
        """An object, each entry on lines of its own up to `limit`; `names` maps old names of entries to new ones."""
        had = {new_name(key, names): value for key, value in was.items()}
        nodes = {new_name(key.value, names): (key, value) for key, value in node.value}
        shared = [key for key in nodes if key in had and key in now]
        if len(had) != len(was) or len(nodes) != len(node.value) or not nodes.keys() >= had.keys():
            raise Elsewhere
        if [key for key in had if key in now] != [key for key in now if key in had]:
            raise Elsewhere
        column = _column(self.source, node)
        ends = self._ends(node.value, limit, column)
        spans = dict(zip(nodes, ends, strict=True))
        for key in shared:
            name, value = nodes[key]
            if name.value != key:
                self.edits.append((*span_of(name), self._scalar(key, name)))
            inner = self._of_jobs(node, key)
            if not same(had[key], now[key]) or inner:
                self._entry(value, key, had[key], now[key], spans[key], inner)
        self._gone([spans[key] for key in nodes if key in had and key not in now], ends[0][0])
        self._come(node, spans, [key for key in nodes if key not in had or key in now], now, column)

    def _entry(
        self, node: Any, key: str, was: Any, now: Any, span: tuple[int, int], names: Mapping[str, str]
    ) -> None:
        """The value of an entry, in its place or with its lines written anew."""
        done = len(self.edits)
        try:
            self._value(node, was, now, span[1], names)
        except Elsewhere:
            if names:
                raise
            del self.edits[done:]
            indent = _indent(self.source, span[0]) or " " * self._behind_dash(span[0])
            jobs = self._jobs()
            is_job = _is_block_node(node) and any(node is job for _, job in jobs.value)
            opened = 2 if node is jobs else int(is_job)
            lines = list(entry(key, now, indent, self._unit(), opened=opened))
            self._lines(span, [lines[0][self._behind_dash(span[0]) :], *lines[1:]])

    def _value(self, node: Any, was: Any, now: Any, limit: int, names: Mapping[str, str]) -> None:
        """A value that ends before `limit`."""
        if _is_block_node(node):
            if type(was) is not type(now) or not was or not now:
                raise Elsewhere
            if isinstance(now, dict):
                self._block(node, was, now, limit, names)
            else:
                self._items(node, was, now, limit)
            return
        start, end = span_of(node)
        line = _line(self.source, start)
        margin = _indent(self.source, line)
        instead = self._changed(node, was, now, margin, names)
        # What is changed inside stays as people laid it out; what is new is laid out as a new file is.
        is_new = not was or type(was) is not type(now)
        if isinstance(now, str) and is_block(now):
            raise Elsewhere
        if is_new and isinstance(now, dict | list) and start - line + len(instead) > WIDTH:
            raise Elsewhere
        self.edits.append((start, end, instead))

    def _items(self, node: Any, was: list[Any], now: list[Any], limit: int) -> None:
        """A list with a dash before each item."""
        column = _column(self.source, node)
        if len(node.value) != len(was):
            raise Elsewhere
        spans = self._ends([(item, item) for item in node.value], limit, column, mark="- ")
        indent = " " * column
        at = spans[0][0]
        for i, j, first, last in steps(was, now):
            for step in range(max(j - i, last - first)):
                if i + step >= j:
                    self._lines((at, at), [f"{indent}- {flow(now[first + step])}"])
                elif first + step >= last:
                    self._gone([spans[i + step]], -1)
                elif not same(was[i + step], now[first + step]):
                    self._item(
                        node.value[i + step], was[i + step], now[first + step], spans[i + step], indent
                    )
                at = spans[i + step][1] if i + step < j else at

    def _item(self, node: Any, was: Any, now: Any, span: tuple[int, int], indent: str) -> None:
        done = len(self.edits)
        try:
            self._value(node, was, now, span[1], {})
        except Elsewhere:
            del self.edits[done:]
            self._lines(span, [f"{indent}- {flow(now)}"])

    def _ends(
        self, entries: list[tuple[Any, Any]], limit: int, column: int, mark: str = ""
    ) -> list[tuple[int, int]]:
        """Of each entry where its lines begin and end, without the blank lines and comments that follow it."""
        starts = []
        for key, _ in entries:
            begin = span_of(key)[0]
            start = _line(self.source, begin)
            before = self.source[start:begin]
            if mark and not (before[column:].startswith("-") and not before[column + 1 :].strip()):
                raise Elsewhere
            if not mark and len(before) != column:
                raise Elsewhere
            # What stands in an item of a list begins behind its dash.
            if before[:column].strip(" -"):
                raise Elsewhere
            starts.append(start if not before[:column].strip() else start + column)
        spans = []
        for start, (_, value), following in zip(starts, entries, [*starts[1:], limit], strict=True):
            end = _content_end(self.source, start, following, column)
            if end < following and self._keeps_blank_lines(value):
                while blank := _BLANK.match(self.source, end, following):
                    end = blank.end()
            spans.append((start, end))
        return spans

    def _keeps_blank_lines(self, node: Any) -> bool:
        while node.id != "scalar" and node.value and not node.flow_style:
            node = node.value[-1] if node.id == "sequence" else node.value[-1][1]
        if node.id != "scalar" or node.style not in ("|", ">"):
            return False
        start = span_of(node)[0]
        return "+" in self.source[start : _end(self.source, start)].partition("#")[0]

    def _gone(self, spans: Iterable[tuple[int, int]], first: int) -> None:
        """Take lines out, and one of the two blank lines between which they stood; `first` is where all begin."""
        for start, end in spans:
            if self._behind_dash(start):
                raise Elsewhere
            before = self.source.endswith("\n\n", 0, start)
            blank = (before or start == first) and self.source[end : end + 1] == "\n"
            # Nothing follows: the blank line that stood between goes, too.
            ends = before and not self.source[end:].strip() and start != first
            self.edits.append((start - ends, end + blank, ""))

    def _come(
        self,
        node: Any,
        spans: Mapping[str, tuple[int, int]],
        stay: list[str],
        now: Mapping[str, Any],
        column: int,
    ) -> None:
        """New entries, each after the one that it follows in `now`."""
        jobs = self._jobs() is node
        first = next(iter(spans.values()))[0]
        if self._behind_dash(first) and not stay:
            raise Elsewhere
        begin = _above(self.source, first)
        at = first if node is self.root and not begin else begin
        ends = [span[1] for span in spans.values()]
        starts = [span[0] for span in spans.values()]
        apart = jobs and all(
            "\n\n" in f"\n{self.source[e:s]}" for e, s in zip(ends, starts[1:], strict=False)
        )
        for key in ordered(stay, list(now)):
            if key in spans:
                at = spans[key][1]
                continue
            lines = list(entry(key, now[key], " " * column, self._unit(), opened=int(jobs)))
            blank = apart and len(spans) > 1 and not self.source.endswith("\n\n", 0, at)
            self._lines((at, at), ["", *lines] if blank else lines)

    def _behind_dash(self, at: int) -> int:
        """How far from the margin something begins that does not begin its line."""
        return at - _line(self.source, at)

    def _lines(self, span: tuple[int, int], lines: Iterable[str]) -> None:
        """Lines instead of others; the text may end without a line break."""
        start, end = span
        lines = list(lines)
        text = "".join(f"{line}\n" for line in lines)
        if start == end and start and self.source[start - 1] != "\n":
            text = "\n" + text.removesuffix("\n")
        elif self.source[start:end] and not self.source[start:end].endswith("\n"):
            text = text.removesuffix("\n")
        if any(line.endswith(": |") for line in lines) and not text.endswith("\n"):
            text += "\n"  # the last line of such a text ends
        self.edits.append((start, end, text))

    def _jobs(self) -> Any:
        return next((value for key, value in self.root.value if key.value == "jobs"), None)

    def _unit(self) -> str:
        """By how much the text indents."""
        jobs = self._jobs()
        return " " * (_column(self.source, jobs) if _is_block_node(jobs) else 2)


def _is_block_node(node: Any) -> bool:
    return node.id != "scalar" and not node.flow_style


def _column(text: str, node: Any) -> int:
    start = span_of(node)[0]
    return start - _line(text, start)


def _limit(text: str, node: Any) -> int:
    """Where the lines of the last block end."""
    end = span_of(node)[1]
    return end if end == _line(text, end) else _end(text, end)


def _line(text: str, at: int) -> int:
    """Where the line begins."""
    return text.rfind("\n", 0, at) + 1


def _end(text: str, at: int) -> int:
    """Where the next line begins."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _indent(text: str, line: int) -> str:
    found = _SPACES.match(text, line)
    return found[0] if found else ""


def _above(text: str, line: int) -> int:
    """Where the comments begin that stand on the lines right above a line."""
    comment = _indent(text, line) + "#"
    while line and text.startswith(comment, before := _line(text, line - 1)):
        line = before
    return line


def _content_end(text: str, start: int, limit: int, column: int) -> int:
    """The end of the last line up to `limit` that is neither blank nor a comment as far left as `column`."""
    at = last = _end(text, start)
    while at < limit:
        end = _end(text, at)
        line = text[at:end]
        words = line.lstrip()
        if words and (words[0] != "#" or len(line) - len(words) > column):
            last = end
        at = end
    return last
