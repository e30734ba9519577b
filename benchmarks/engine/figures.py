"""What turns amount to: medians, ratios of turns that stood side by side, and whether a goal is met."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

US = "flowtui"


@dataclass(frozen=True)
class Goal:
    """What issue and README promise of a figure, for the median of ours or for the median of its ratios.

    Without `against` the limit is one of the figure itself; with it our figure must be `limit` times as good as the
    best of those engines, each by the ratio to the turns of ours beside it. `yardstick` says of a limit of the figure
    itself what an engine reached on the machine for which it was set, and so what it means on a faster or slower one.
    """

    figure: str
    limit: float
    against: tuple[str, ...] = ()
    text: str = ""
    yardstick: tuple[str, float] | None = None

    def as_ratio(self, figure: Figure) -> Goal | None:
        """The same goal for a machine of any speed: how many times better than the yardstick."""
        if self.yardstick is None:
            return None
        engine, theirs = self.yardstick
        return Goal(self.figure, self.limit / theirs if figure.more else theirs / self.limit, (engine,))


@dataclass(frozen=True)
class Figure:
    """A line of the table. `more`: more is better."""

    key: str
    title: str
    more: bool = False
    digits: int = 2


@dataclass
class Measured:
    """All turns of one row. `turns` holds, for each engine, its figures in each round."""

    turns: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    pairs: list[tuple[str, Mapping[str, float], Mapping[str, float]]] = field(default_factory=list)
    """(engine, its figures, those of the turn of ours beside it)"""
    faults: dict[str, list[str]] = field(default_factory=dict)

    def values(self, engine: str, key: str) -> list[float]:
        """A figure of an engine in each of its turns that has it."""
        return [turn[key] for turn in self.turns.get(engine, []) if key in turn]

    def ratios(self, engine: str, figure: Figure) -> list[float]:
        """How many times better ours was than `engine`, in each pair of turns."""
        found = []
        for name, theirs, ours in self.pairs:
            if name == engine and theirs.get(figure.key) and ours.get(figure.key):
                better = ours[figure.key] / theirs[figure.key]
                found.append(better if figure.more else 1 / better)
        return found

    def note_pair(
        self, one: str, first: Mapping[str, float], other: str, second: Mapping[str, float]
    ) -> None:
        """Two turns stood side by side; it counts when one of them was ours and both gave figures."""
        if first and second and US in (one, other) and one != other:
            self.pairs.append((other, second, first) if one == US else (one, first, second))


def spread(values: Sequence[float], digits: int) -> str:
    """Median, with min and max where there are several."""
    shown = [f"{value:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))]
    return shown[0] if len(values) == 1 else f"{shown[0]} ({shown[1]}-{shown[2]})"


def verdict(goal: Goal, figure: Figure, measured: Measured) -> tuple[str, str]:
    """("met" | "NOT MET" | "not measured", the value it was judged by)."""
    if not goal.against:
        values = measured.values(US, figure.key)
        if not values:
            return "not measured", "-"
        value = statistics.median(values)
        met = value >= goal.limit if figure.more else value <= goal.limit
        return ("met" if met else "NOT MET"), spread(values, figure.digits)
    medians = {
        engine: statistics.median(ratios)
        for engine in goal.against
        if (ratios := measured.ratios(engine, figure))
    }
    if not medians:
        return "not measured", "-"
    # Where ours is least ahead.
    engine = min(medians, key=lambda name: medians[name])
    shown = f"{spread(measured.ratios(engine, figure), 2)}x {engine}"
    return ("met" if medians[engine] >= goal.limit else "NOT MET"), shown


def wording(goal: Goal, figure: Figure) -> str:
    """The goal as a reader would say it."""
    if goal.text:
        return goal.text
    if goal.against:
        return f">= {goal.limit:.3g}x {', '.join(goal.against)}"
    return f"{'>=' if figure.more else '<='} {goal.limit:,g}"
