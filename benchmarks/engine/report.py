"""The page that a run writes: one table for each row, then the goals, the faults and the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.engine.engines import Engine
from benchmarks.engine.figures import US, Measured, spread, verdict, wording
from benchmarks.engine.rows import Row


def table(row: Row, measured: Measured) -> str:
    """Medians with min and max, and how many times better ours was than each other engine."""
    names = [name for name in measured.turns if name == US] + [name for name in measured.turns if name != US]
    if not names:
        return f"## {row.title}\n\nNobody gave a figure.\n"
    lines = [
        f"## {row.title}",
        "",
        "| | " + " | ".join(names) + " |",
        "|---" * (len(names) + 1) + "|",
    ]
    for figure in row.figures:
        cells = []
        for name in names:
            values = measured.values(name, figure.key)
            cell = spread(values, figure.digits) if values else "-"
            if ratios := measured.ratios(name, figure):
                cell += f" **{spread(ratios, 2 if max(ratios) < 10 else 1)}x**"
            cells.append(cell)
        if any(cell != "-" for cell in cells):
            lines.append(f"| {figure.title} | " + " | ".join(cells) + " |")
    for name, faults in measured.faults.items():
        lines += [f"\n{name}: {fault}." for fault in faults]
    return "\n".join(lines) + "\n"


def goals(results: Mapping[str, tuple[Row, Measured]]) -> str:
    """Each goal with the figure that it was judged by."""
    lines = [
        "## Goals",
        "",
        YARDSTICKS,
        "| row | figure | goal | reached | | the same as a ratio | reached | |",
    ]
    lines.append("|---" * 8 + "|")
    for row, measured in results.values():
        for goal in row.goals:
            figure = next(figure for figure in row.figures if figure.key == goal.figure)
            judged, value = verdict(goal, figure, measured)
            cells = [row.name, figure.title, wording(goal, figure), value, judged]
            ratio = goal.as_ratio(figure)
            if ratio is None:
                cells += ["", "", ""]
            else:
                judged, value = verdict(ratio, figure, measured)
                cells += [wording(ratio, figure), value, judged]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def faults(results: Mapping[str, tuple[Row, Measured]]) -> str:
    """What the ledgers and the stores say of each engine, over all rows."""
    lines = [
        "## Ledger",
        "",
        "Lost, double, early (before an upstream had ended), or wrong in the store:",
        "",
    ]
    engines = dict.fromkeys(name for _, measured in results.values() for name in measured.faults)
    for name in engines:
        found = [
            f"{row.name}: {fault}"
            for row, measured in results.values()
            for fault in measured.faults.get(name, [])
        ]
        lines.append(f"- {name}: {'; '.join(found) or 'none'}")
    return "\n".join(lines) + "\n"


def settings(engines: Sequence[Engine], versions: Mapping[str, Mapping[str, str]]) -> str:
    """Versions and how each engine was set up."""
    lines = ["## Settings", ""]
    for engine in engines:
        shown = ", ".join(f"{name} {version}" for name, version in versions.get(engine.name, {}).items())
        lines.append(f"- {engine.name} ({shown}): {engine.note}.")
    return "\n".join(lines) + "\n"


HOW_TO_READ = """Median (min-max) of the rounds. **x**: how many times better ours was, each time against the turn of
ours right beside it. Times come from what the jobs themselves write into a ledger, so the start of the processes is not
in them (it is in the CPU of a worker). Each turn has a fresh server. Absolute figures change with the machine and with
what else it does; ratios less.
"""

YARDSTICKS = """Goals in seconds or jobs/s were set on a machine where huey drained 3,028 jobs/s and BullMQ 2,646. "The
same as a ratio" is what such a goal asks for beside a peer as it was measured there, however fast this machine is.
"""
