"""Flow files as text: fresh ones laid out for reading, changed ones with the comments and the order they had."""

from __future__ import annotations

import difflib
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

WIDTH: Final = 100

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
_LISTS: Final = re.compile(r"^( *)[^\s#-][^\n]*:[ \t]*(?:#[^\n]*)?\n\1( *)- ", re.MULTILINE)
"""Where a list begins, and by how much it is indented."""
# Words that a reader of some YAML version takes for something else than a text.
_WORDS: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def dump(data: Mapping[str, Any], form: Literal["yaml", "json"]) -> str:
    """`data` as text, laid out for reading."""
    if form == "json":
        return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    return "\n".join(_fresh(data)) + "\n"


def json_like(original: str, data: Mapping[str, Any]) -> str:
    """`data` as JSON, indented as the JSON text `original` is, and with the schema that it names for editors."""
    had = json.loads(original)
    schema = {"$schema": had["$schema"]} if "$schema" in had else {}
    indent = re.search(r'^([ \t]+)"', original, re.MULTILINE)
    return json.dumps({**schema, **data}, indent=indent[1] if indent else 2, ensure_ascii=False) + "\n"


def rewritten(
    original: str, was: Mapping[str, Any], now: Mapping[str, Any], renamed: Mapping[str, str]
) -> Iterator[str]:
    """`original`, a YAML text that said `was`, as one that says `now`: the text that is closest to it first.

    A later one is for when an earlier one does not say `now`. `renamed` maps the new names of jobs to their old ones.
    """
    before, after, starts, indent = _changed(original, was, now, renamed)
    texts = [text.splitlines(keepends=True) for text in (before, original, after)]
    pieces = _by_job(texts, starts, indent)
    for keep in (True, False):
        if pieces:
            yield "".join(line for piece in pieces for line in _merged(*piece, keep=keep))
        yield "".join(_merged(*texts, keep=keep))
    yield after


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
) -> tuple[str, str, list[int], int]:
    """`original` as the library lays it out without and with the changes: it moves lists, blanks and comments.

    Third, the lines of `original` where its jobs begin, when `now` has the same jobs in the same order; last, by how
    much they are indented.
    """
    yaml = _yaml()
    tree = yaml.load(original)
    lists = Counter(len(found[2]) for found in _LISTS.finditer(original))
    offset = max(lists, key=lambda deep: (lists[deep], deep == 2), default=2)
    column = 2
    if not tree["jobs"].fa.flow_style() and tree["jobs"]:
        column = tree["jobs"].lc.key(next(iter(tree["jobs"])))[1]
    yaml.indent(mapping=column, sequence=offset + 2, offset=offset)
    before = _text(yaml, tree)
    starts = [tree["jobs"].lc.key(name)[0] for name in tree["jobs"]]
    jobs = dict(was["jobs"])
    for new, old in renamed.items():
        if old in jobs and new not in jobs:
            jobs = {new if name == old else name: job for name, job in jobs.items()}
            _rename(tree["jobs"], old, new)
    _update(tree, {**was, "jobs": jobs}, now)
    if list(tree["jobs"]) != list(now["jobs"]):
        for name in now["jobs"]:
            tree["jobs"].move_to_end(name)
    return before, _text(yaml, tree), starts if list(jobs) == list(now["jobs"]) else [], column


def _text(yaml: Any, tree: Any) -> str:
    stream = io.StringIO()
    yaml.dump(tree, stream)
    return stream.getvalue()


def _by_job(
    texts: list[list[str]], starts: list[int], indent: int
) -> list[tuple[list[str], list[str], list[str]]]:
    """The lines of three texts (before, original, after) cut where the jobs begin, so that each is merged by itself.

    Nothing where they cannot be cut alike. Merged as a whole, a changed job takes neighbours along that the library
    lays out in another way than they were written.
    """
    before, original, after = texts
    cuts = [_starts(before, indent), starts, _starts(after, indent)]
    if not starts or any(len(each) != len(starts) or sorted(set(each)) != each for each in cuts):
        return []
    pieces = [
        [lines[i:j] for i, j in zip([0, *at], [*at, len(lines)], strict=True)]
        for lines, at in zip((before, original, after), cuts, strict=True)
    ]
    return list(zip(*pieces, strict=True))


def _starts(lines: list[str], indent: int) -> list[int]:
    """Where the jobs begin in a text that the library has laid out, by how much their names are indented."""
    found: list[int] = []
    inside = False
    for i, line in enumerate(lines):
        if line[0] not in " #\n":
            inside = line.startswith("jobs:")
        elif inside and not line[:indent].strip() and line[indent : indent + 1] not in " #-\n":
            found.append(i)
    return found


def _merged(before: list[str], original: list[str], after: list[str], *, keep: bool) -> Iterator[str]:
    """The lines of `original` where `after` says what `before` said, else those of `after`.

    With `keep`, comments that end a piece that is replaced, and belong to what follows it, stay.
    """
    there, here = _pairs(before, original), _pairs(before, after)
    b = o = a = 0
    for line in (*sorted(there.keys() & here.keys()), len(before)):
        to_o, to_a = there.get(line, len(original)), here.get(line, len(after))
        if before[b:line] == after[a:to_a]:
            yield from original[o:to_o]
        else:
            yield from after[a:to_a]
            if keep:
                yield from _trailing(original[o:to_o])
        yield from original[to_o : to_o + 1]
        b, o, a = line + 1, to_o + 1, to_a + 1


def _pairs(one: list[str], other: list[str]) -> dict[int, int]:
    """Which line of `one` is which of `other`."""
    blocks = difflib.SequenceMatcher(None, one, other).get_matching_blocks()
    return {block.a + i: block.b + i for block in blocks for i in range(block.size)}


def _trailing(lines: list[str]) -> list[str]:
    """The comments at the end, with the blank lines among them, that stand no deeper than where the lines begin."""
    at = len(lines)
    while at and lines[at - 1].lstrip()[:1] in ("", "#"):
        at -= 1
    first = next((_indent(line) for line in lines[:at] if line.lstrip()[:1] not in ("", "#")), -1)
    kept = [line for line in lines[at:] if not line.strip() or _indent(line) <= first]
    return kept if any(map(str.strip, kept)) else []


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


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
            _update_list(inside, old, value)
        else:
            tree[_laid_out(key) if key not in tree else key] = _laid_out(value, key)


def _update_list(inside: Any, was: list[Any], now: list[Any]) -> None:
    """What stays in a list keeps its comment."""
    old, new = ([json.dumps(entry, sort_keys=True) for entry in each] for each in (was, now))
    steps = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for kind, i, j, at, to in reversed(steps):
        if kind == "equal":
            continue
        both = min(j - i, to - at)
        for step in range(both):
            inside[i + step] = _laid_out(now[at + step])
        for place in reversed(range(i + both, j)):
            del inside[place]
        for step in range(both, to - at):
            inside.insert(i + step, _laid_out(now[at + step]))


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
    yaml.width = 1_000_000  # a line that was one stays one; `_laid_out` says what is to be on several
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.allow_unicode = True
    yaml.brace_single_entry_mapping_in_flow_sequence = True
    return yaml
