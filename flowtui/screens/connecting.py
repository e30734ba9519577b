"""A link in the making: one end fixed, the other under the cursor, and what it would mean. Pure, no textual."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from flowtui.changes import Link
from flowtui.draft import Draft
from flowtui.text import safe, shorten

SOURCE, ILLEGAL, LINKED = "◆", "!", "="


@dataclass
class Connecting:
    """`anchor` is the fixed end; `outgoing` says whether the new link leaves it or arrives at it."""

    draft: Draft
    anchor: str
    outgoing: bool = True
    armed: Sequence[str] | None = None
    """The jobs under the cursor for which enter has been pressed once although their link closes a cycle."""

    def ends(self, targets: Sequence[str]) -> tuple[list[str], list[str]]:
        """What is to be linked with what, upstreams first; the box under the cursor may stand for several jobs."""
        return ([self.anchor], list(targets)) if self.outgoing else (list(targets), [self.anchor])

    def turn(self) -> None:
        """Swap source and target."""
        self.outgoing = not self.outgoing
        self.armed = None

    def flags(self) -> dict[str, str]:
        """A glyph for every job: where the link starts, where it would close a cycle, where it is already."""
        illegal = self._reach()
        flags = {key: ILLEGAL for key in illegal}
        near = self.draft.downstream(self.anchor) if self.outgoing else self.draft.upstream(self.anchor)
        flags.update(dict.fromkeys(near, LINKED))
        flags[self.anchor] = SOURCE
        return flags

    def _reach(self) -> set[str]:
        """What a link to (or from) would close a cycle: everything before the source, or after the target."""
        return reach([self.anchor], self.draft.upstream if self.outgoing else self.draft.downstream)

    def problem(self, targets: Sequence[str]) -> tuple[str, list[str]] | None:
        """Why the link is not a good one: what kind ("self", "linked", "cycle") and for a cycle its path."""
        if list(targets) == [self.anchor]:
            return "self", []
        ends = self.ends(targets)
        if next(missing(self.draft, *ends), None) is None:
            return "linked", []
        path = closing(self.draft, *ends)
        return ("cycle", path) if path is not None else None


def missing(draft: Draft, ups: Sequence[str], downs: Sequence[str]) -> Iterator[Link]:
    """The links from all of `ups` to all of `downs` that are not there yet."""
    return ((up, down) for up in ups for down in downs if up != down and not draft.has_link(up, down))


def closing(draft: Draft, ups: Sequence[str], downs: Sequence[str]) -> list[str] | None:
    """The path of a cycle that one of the links from all of `ups` to all of `downs` would close, or None."""
    if len(ups) == len(downs) == 1:
        return draft.would_close(ups[0], downs[0]) if ups != downs else None
    after = reach(downs, draft.downstream)
    pairs = ((up, down) for up in ups if up in after for down in downs if down != up)
    return next((path for pair in pairs if (path := draft.would_close(*pair)) is not None), None)


def reach(start: Iterable[str], neighbours: Callable[[str], Iterable[str]]) -> set[str]:
    """Some jobs and all that one comes to from them."""
    todo = list(start)
    seen = set(todo)
    while todo:
        for other in neighbours(todo.pop()):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def path_text(
    draft: Draft, path: Sequence[str], room: int = 76, *, arrow: str = " → ", last: str = " ⇢ "
) -> str:
    """`geo → join → report ⇢ geo`: the path of a cycle in at most `room` cells (but never in less than 20), its closing
    link marked; cut in the middle to fit, then in its names."""
    if not path:
        return ""
    most = min(len(path), room // 4 + 2)  # a name and an arrow take four cells at least
    head, tail = list(path[:most]), list(path[max(len(path) - most, 0) :])
    for cells in (30, 20, 14, 10, 7):
        first, end = ([shorten(safe(draft.name(key), 60), cells) for key in keys] for keys in (head, tail))
        least = min(len(path), 1 if cells == 7 else 3)
        for keep in range(most, least - 1, -1):
            text = arrow.join(_cut(first, end, len(path), keep)) + last + first[0]
            if cell_len(text) <= room:
                return text
    return f"{len(path)} jobs in a circle" if room >= 20 else f"{len(path)} jobs"


def _cut(first: Sequence[str], end: Sequence[str], total: int, keep: int) -> Sequence[str]:
    """`keep` of `total` names, of which the first and the last ones are given."""
    if keep == total:
        return first
    ahead, behind = (keep + 1) // 2, keep // 2
    return [*first[:ahead], f"… {total - keep} more …", *end[len(end) - behind :]]
