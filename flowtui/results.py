"""References to upstreams' results inside of arguments, between how people write them and how payloads do.

`${jobs.extract.result.rows[0]}` names the upstream; the payload holds its id (see `core.references`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from core import references
from core.references import Reference


def written(value: object) -> Iterator[tuple[str, Reference | None]]:
    """Every text inside `value` that is a reference, with what it refers to; None for one that is malformed."""
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, str):
            if "${" in item:
                try:
                    found = references.parse(item)
                except ValueError:
                    yield item, None
                else:
                    if found is not None:
                        yield item, found
        elif isinstance(item, Mapping):
            todo.extend(item.values())
        elif isinstance(item, list | tuple):
            todo.extend(item)


def may_refer(value: object) -> bool:
    """False where there is surely no reference inside: a look at a thousand jobs in a fraction of the time."""
    try:
        return bool(value) and "${" in repr(value)
    except RecursionError:
        return True


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """`value` with references following renamed jobs (old name -> new); the very same object where nothing follows."""
    if not may_refer(value) or not any(
        found is not None and found.upstream in names for _, found in written(value)
    ):
        return value

    def follow(text: str) -> Any:
        found = _parse(text)
        if found is None or found.upstream not in names:
            return text
        return str(Reference(names[found.upstream], found.path))

    return _mapped(value, follow)


def to_payload(value: Any, ids: Mapping[str, str], upstream: Collection[str]) -> Any:
    """`value` as a payload holds it: a reference to an upstream by its id, every other text as it is meant.

    What is meant as a reference but is none of an upstream becomes `references.Unresolved`.
    """

    def turn(text: str) -> Any:
        found = _parse(text)
        if found is not None and ids.get(found.upstream) in upstream:
            return Reference(ids[found.upstream], found.path).to_payload()
        if references.looks_like_one(text):
            return references.Unresolved(text)
        return references.unescape(text)

    return _mapped(value, turn)


def from_payload(value: Any, upstream: Collection[str], names: Mapping[str, str]) -> Any:
    """The other way round: what `to_payload` made, as people write it."""

    def turn(reference: Reference) -> Any:
        name = names.get(reference.upstream)
        return str(Reference(name, reference.path)) if name is not None else reference.to_payload()

    return references.convert(_mapped(value, _escape), upstream, turn)


def _escape(text: str) -> str:
    return str(text) if isinstance(text, references.Unresolved) else references.escape(text)


def _parse(text: str) -> Reference | None:
    if "${" not in text:
        return None
    try:
        return references.parse(text)
    except ValueError:
        return None


def _mapped(value: Any, turn: Any) -> Any:
    if isinstance(value, str):
        return turn(value)
    if isinstance(value, Mapping):
        return {key: _mapped(item, turn) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(item, turn) for item in value]
    return value
