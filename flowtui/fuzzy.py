"""Finding what somebody means by a few letters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T")


def match(wanted: str, text: str) -> tuple[float, tuple[int, ...]] | None:
    """How well `text` answers to the letters `wanted`, and which of its characters do; None where it does not.

    Every letter must occur, in order; upper and lower case are alike. Better is a higher number: the whole word first,
    then its beginning, the beginning of a part (`app.fetch` for "fe"), a piece in one go, letters apart.
    """
    if not wanted:
        return 0.0, ()
    low, want = text.casefold(), wanted.casefold()
    if len(low) != len(text):  # folding changed the length: positions would be wrong
        low = text.lower() if len(text.lower()) == len(text) else text
    at = low.find(want)
    if at >= 0:
        starts = [i for i in _starts(text) if low.startswith(want, i)]
        if starts:
            at = starts[0]
        score = 100.0 if low == want else 80.0 if at == 0 else 60.0 if starts else 40.0
        return score - len(text) / 100, tuple(range(at, at + len(want)))
    found: list[int] = []
    begin = set(_starts(text))
    i = 0
    for letter in want:
        here = low.find(letter, i)
        if here < 0:
            return None
        # Prefer the beginning of a part, so that "mr" finds "map-reduce" by its initials.
        better = next((j for j in sorted(begin) if j >= i and low[j] == letter), None)
        if better is not None and all(rest in low[better + 1 :] for rest in want[len(found) + 1 :]):
            here = better if _fits(low, better + 1, want[len(found) + 1 :]) else here
        found.append(here)
        i = here + 1
    gaps = sum(b - a - 1 for a, b in pairwise(found))
    initials = sum(at in begin for at in found)
    return 20.0 + 3 * initials - min(gaps, 15) - len(text) / 100, tuple(found)


def _fits(low: str, start: int, rest: str) -> bool:
    for letter in rest:
        start = low.find(letter, start) + 1
        if not start:
            return False
    return True


def _starts(text: str) -> list[int]:
    """Where the parts of a name begin: after `.`, `-`, `_`, space, and at a capital."""
    return [
        i
        for i, char in enumerate(text)
        if i == 0 or not text[i - 1].isalnum() or (char.isupper() and text[i - 1].islower())
    ]


def best(wanted: str, items: Iterable[T], text: Callable[[T], str]) -> Sequence[tuple[T, tuple[int, ...]]]:
    """The items that answer to `wanted`, the best first, otherwise in the order given; with the letters that do."""
    scored = []
    for item in items:
        found = match(wanted, text(item))
        if found is not None:
            scored.append((-found[0], item, found[1]))
    scored.sort(key=lambda entry: entry[0])
    return [(item, letters) for _, item, letters in scored]
