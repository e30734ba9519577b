"""A link in the making: one end fixed, the other under the cursor, and what it would mean. Pure, no textual."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
        if not missing(self.draft, *ends):
            return "linked", []
        path = closing(self.draft, *ends)
        return ("cycle", path) if path is not None else None


def missing(draft: Draft, ups: Sequence[str], downs: Sequence[str]) -> list[Link]:
    """The links from all of `ups` to all of `downs` that are not there yet."""
    return [(up, down) for up in ups for down in downs if up != down and not draft.has_link(up, down)]


def closing(draft: Draft, ups: Sequence[str], downs: Sequence[str]) -> list[str] | None:
    """The path of a cycle that links from all of `ups` to all of `downs` would close, or None."""
    if len(ups) == len(downs) == 1:
        return draft.would_close(ups[0], downs[0]) if ups != downs else None
    after = reach(downs, draft.downstream)
    bad = next((up for up in ups if up in after), None)
    paths = (draft.would_close(bad, down) for down in downs if down != bad) if bad is not None else ()
    return next((path for path in paths if path is not None), None)


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
    names = [safe(draft.name(key), 60) for key in path]
    if not names:
        return ""
    for cells in (30, 20, 14, 10, 7):
        short = [shorten(name, cells) for name in names]
        if len(names) == 1:
            texts = [f"{short[0]}{last}{short[0]}"]
        else:
            texts = [
                arrow.join(_cut(short, keep)) + last + short[0]
                for keep in range(len(names), min(len(names), 1 if cells == 7 else 3) - 1, -1)
            ]
        for text in texts:
            if cell_len(text) <= room:
                return text
    return f"{len(names)} jobs in a circle" if room >= 20 else f"{len(names)} jobs"


def _cut(names: Sequence[str], keep: int) -> Sequence[str]:
    if keep == len(names):
        return names
    head, tail = (keep + 1) // 2, keep // 2
    return [*names[:head], f"… {len(names) - keep} more …", *names[len(names) - tail :]]
