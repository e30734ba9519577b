"""The flows of the benchmark. A flow is a list: for each job, in an order that can run, the jobs it waits for."""

from __future__ import annotations

Flow = list[list[int]]


def chain(n: int) -> Flow:
    """`n` jobs, each after the one before."""
    return [[i - 1] if i else [] for i in range(n)]


def fan(width: int) -> Flow:
    """1 -> width -> 1."""
    return [[], *([0] for _ in range(width)), list(range(1, width + 1))]


def fan_in(n: int) -> Flow:
    """n - 1 jobs -> 1."""
    return [*([] for _ in range(n - 1)), list(range(n - 1))]


def layered(n: int, width: int = 100) -> Flow:
    """Levels of `width` jobs; each waits for two of the level above."""
    flow: Flow = []
    for i in range(n):
        above = i - i % width - width
        flow.append([] if above < 0 else [above + i % width, above + (i + 1) % width])
    return flow


def flows(shape: str, n: int) -> list[Flow]:
    """What is added for a row: one flow, or `n` diamonds."""
    if shape == "diamonds":
        return [[[], [0], [0], [1, 2]] for _ in range(n)]
    return [{"chain": chain, "fan": fan, "fan_in": fan_in, "layered": layered}[shape](n)]


def upstreams(several: list[Flow]) -> Flow:
    """All flows as one, numbered through: what the ledger is checked against."""
    whole: Flow = []
    for flow in several:
        base = len(whole)
        whole += [[base + up for up in ups] for ups in flow]
    return whole
