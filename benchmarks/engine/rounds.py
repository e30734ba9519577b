"""Whose turn it is: each peer stands right beside a turn of ours, and what is slow is not done again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

from benchmarks.engine.figures import US, Measured

LONG = 20.0
"""Seconds; an engine whose turn took longer gets no second one."""
Turn = Callable[[str], tuple[dict[str, float], list[str]]]
"""Figures and faults of one turn of an engine."""


def order(peers: Sequence[str]) -> list[str]:
    """One round: a turn of ours between every two peers, so that each has ours for a neighbour."""
    turns: list[str] = []
    for place in range(0, len(peers), 2):
        turns += [peers[place], US, *peers[place + 1 : place + 2]]
    return turns or [US]


def play(
    peers: Sequence[str],
    rounds: int,
    turn: Turn,
    measured: Measured,
    clock: Callable[[], float] = time.monotonic,
    long: float = LONG,
) -> None:
    """Play the rounds; every other one backwards, so that no engine is always the first of its pair."""
    left = list(peers)
    for number in range(rounds):
        turns = order(left)
        if number % 2:
            turns.reverse()
        played: list[tuple[str, dict[str, float]]] = []
        for engine in turns:
            begun = clock()
            figures, faults = turn(engine)
            played.append((engine, figures))
            if figures:
                measured.turns.setdefault(engine, []).append(figures)
            known = measured.faults.setdefault(engine, [])
            known += [fault for fault in faults if fault not in known]
            if engine != US and (clock() - begun > long or not figures):
                left.remove(engine)
        for (one, first), (other, second) in itertools.pairwise(played):
            measured.note_pair(one, first, other, second)


def play_alone(engine: str, rounds: int, turn: Turn, measured: Measured) -> None:
    """Play the rounds of one engine, beside nobody."""
    for _ in range(rounds):
        figures, faults = turn(engine)
        if figures:
            measured.turns.setdefault(engine, []).append(figures)
        known = measured.faults.setdefault(engine, [])
        known += [fault for fault in faults if fault not in known]
