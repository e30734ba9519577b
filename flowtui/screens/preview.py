"""How a flow will run, in lines: what the window before a submit shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from textual.content import Content

from core.graph import Shape, shape
from core.rehearsal import Rehearsal
from flowtui.draft import Draft
from flowtui.problems import Problem
from flowtui.text import counted, safe
from flowtui.widgets.textpage import Line

SHOWN_LEVELS: Final = 12
BLANK: Final[Line] = (Content(""), 0)


def plan(draft: Draft, atomic: str) -> list[Line]:
    """Figures, levels, the longest chain; `atomic` says what happens when it fails half-way."""
    found = shape(list(draft.jobs), draft.links)
    sizes = ((len(draft.jobs), "job"), (draft.link_count, "link"), (len(found.levels), "level"))
    figures = "   ".join([*(counted(*size) for size in sizes), atomic])
    lines: list[Line] = [(Content.styled(figures, "$foreground"), 0), BLANK, *_levels(draft, found)]
    chain = " → ".join(safe(draft.name(key), 24) for key in found.longest[:8])
    more = f" → … {len(found.longest) - 8} more" if len(found.longest) > 8 else ""
    lines += [
        BLANK,
        row("longest chain", f"{chain}{more}   ({counted(len(found.longest), 'job')})"),
        row("widest level", f"{max(range(len(found.levels)), key=lambda i: len(found.levels[i]))}"
             f"   ({found.width} in parallel)"),
    ]  # fmt: skip
    return lines


def _levels(draft: Draft, found: Shape) -> list[Line]:
    head = "level  starts after   "
    lines: list[Line] = [(Content.styled(f"{head}jobs", "$foreground-muted"), 0)]
    for level, keys in enumerate(found.levels[:SHOWN_LEVELS]):
        after = "at once" if level == 0 else f"level {level - 1}"
        names = [safe(draft.name(key), 20) for key in keys]
        shown = some(names)
        note = ""
        if len(keys) > 1:
            note = f"{len(keys)} in parallel"
        elif len(draft.upstream(keys[0])) > 1:
            note = f"waits for {len(draft.upstream(keys[0]))}"
        text = Content.assemble(
            (f"{level:>4}   ", "bold $primary"),
            (f"{after:<15}", "$foreground-muted"),
            (shown, "$foreground"),
            (f"   {note}" if note else "", "$foreground-muted"),
        )
        lines.append((text, len(head)))
    if len(found.levels) > SHOWN_LEVELS:
        more = f"       … {len(found.levels) - SHOWN_LEVELS} more levels"
        lines.append((Content.styled(more, "$foreground-muted"), 7))
    return lines


def checks(draft: Draft, hints: Sequence[Problem]) -> list[Line]:
    """What was checked, and held."""
    tasks = {job.task for job in draft.jobs.values()}
    unknown = sum(hint.unknown for hint in hints)
    parts = [("✓ ", "$success"), ("acyclic   ", "$foreground-muted")]
    parts += [("✓ ", "$success"), ("names unique   ", "$foreground-muted")]
    parts += [("✓ ", "$success"), ("arguments are JSON   ", "$foreground-muted")]
    if not unknown:
        known = "task known" if len(tasks) == 1 else f"{len(tasks)} tasks known"
        parts += [("✓ ", "$success"), (known, "$foreground-muted")]
    return [BLANK, (Content.assemble(*parts), 0)]


def hints(found: Sequence[Problem]) -> list[Line]:
    """What may go wrong, the worst first."""
    if not found:
        return []
    unknown = sum(hint.unknown for hint in found)
    texts = [hint.text for hint in found if not hint.unknown]
    if unknown == 1:
        texts.insert(0, next(hint.text for hint in found if hint.unknown))
    elif unknown:
        texts.insert(
            0, f"{unknown} tasks are known to nobody here; their jobs wait for a worker that has them"
        )
    lines: list[Line] = [
        (Content.assemble(("! ", "bold $warning"), (text, "$foreground-muted")), 2) for text in texts[:4]
    ]
    if len(texts) > 4:
        more = f"! {len(texts) - 4} more hints; esc, then ! lists them"
        lines.append((Content.styled(more, "$warning"), 2))
    return [*lines, BLANK]


def rehearsed(found: Rehearsal, names: Mapping[str, str]) -> list[Line]:
    """What a dry run found; `names` are those of the jobs by id."""
    ran, steps = counted(sum(map(len, found.steps)), "job"), counted(len(found.steps), "step")
    lines = [row("dry run", f"{ran} would run in {steps}; nothing submitted")]
    for number, step in enumerate(found.steps[:SHOWN_LEVELS], 1):
        lines.append(row(f"  step {number}", some([names[each] for each in step])))
    if len(found.steps) > SHOWN_LEVELS:
        lines.append(row("", f"… {len(found.steps) - SHOWN_LEVELS} more steps"))
    if found.skipped:
        lines.append(row("  never", "if all goes well: " + some([names[each] for each in found.skipped])))
    return lines


def some(names: list[str]) -> str:
    """The first few of many names."""
    return "  ".join(names[:4]) + (f"  +{len(names) - 4}" if len(names) > 4 else "")


def row(name: str, value: str) -> Line:
    """A word, and what it stands for."""
    return Content.assemble((f"{name:<16}", "$foreground-muted"), (value, "$foreground")), 16
