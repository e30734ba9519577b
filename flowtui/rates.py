"""How fast and how long: events per second over the last minutes, and how durations are spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

SECONDS_KEPT: Final = 300

_PER_DOUBLING: Final = 6
"""Buckets for each doubling: a quantile is right within 6 %."""
_SMALLEST: Final = 0.0005
_BUCKETS: Final = 28 * _PER_DOUBLING  # 0.5 ms to 37 hours
_SCALE: Final = _PER_DOUBLING / math.log(2)
_SLICE: Final = 10
"""Seconds of one slice of a window; the oldest slice is forgotten as a whole."""


class Series:
    """A number for each of the last `SECONDS_KEPT` seconds, zero where nothing was said."""

    __slots__ = ("second", "values")

    def __init__(self) -> None:
        self.second = 0
        self.values = [0.0] * SECONDS_KEPT

    def put(self, second: int, value: float) -> None:
        """Set the value of `second`; seconds that were passed over become 0. What is too old is ignored."""
        if second > self.second:
            for passed in range(max(self.second + 1, second - SECONDS_KEPT + 1), second):
                self.values[passed % SECONDS_KEPT] = 0.0
            self.second = second
        elif second <= self.second - SECONDS_KEPT:
            return
        self.values[second % SECONDS_KEPT] = value

    def last(self, count: int, now: int) -> list[float]:
        """The values of the `count` seconds before `now`, oldest first."""
        known = self.values
        newest = self.second
        return [
            known[second % SECONDS_KEPT] if newest - SECONDS_KEPT < second <= newest else 0.0
            for second in range(now - count, now)
        ]


class Spread:
    """Durations of the last five minutes, from which quantiles are read (within 6 %)."""

    __slots__ = ("_slices", "_tick")

    def __init__(self) -> None:
        self._slices: list[dict[int, int]] = [{} for _ in range(SECONDS_KEPT // _SLICE)]
        self._tick = 0

    def add(self, duration: float, second: int) -> None:
        """Count a duration (seconds) that ended in `second`."""
        tick = second // _SLICE
        if tick != self._tick:
            self._forget(tick)
        counts = self._slices[tick % len(self._slices)]
        bucket = int(math.log(duration / _SMALLEST) * _SCALE) if duration > _SMALLEST else 0
        if bucket >= _BUCKETS:
            bucket = _BUCKETS - 1
        counts[bucket] = counts.get(bucket, 0) + 1

    def _forget(self, tick: int) -> None:
        if tick < self._tick:  # a clock that went back a little: count it with the newest
            return
        size = len(self._slices)
        for passed in range(max(self._tick + 1, tick - size + 1), tick + 1):
            self._slices[passed % size] = {}
        self._tick = tick

    def quantiles(self, wanted: Sequence[float], now: int) -> list[float] | None:
        """Durations below which the shares `wanted` (ascending, 0 to 1) lie; None when nothing was counted."""
        self._forget(now // _SLICE)
        total: dict[int, int] = {}
        for counts in self._slices:
            for bucket, count in counts.items():
                total[bucket] = total.get(bucket, 0) + count
        everything = sum(total.values())
        if not everything:
            return None
        found: list[float] = []
        seen = 0
        for bucket in sorted(total):
            seen += total[bucket]
            while len(found) < len(wanted) and seen >= wanted[len(found)] * everything - 1e-9:
                found.append(_SMALLEST * math.exp((bucket + 0.5) / _SCALE))
        return found


class Sampled:
    """When something began, for some of very many ids: never more than `most`, without favour to early or late ones.

    An id is kept or not by its hash; where too many are kept, half of the ids no longer are.
    """

    __slots__ = ("_at", "_mask", "_most")

    def __init__(self, most: int = 4096) -> None:
        self._at: dict[str, float] = {}
        self._mask = 0
        self._most = most

    def __len__(self) -> int:
        return len(self._at)

    def begin(self, key: str, at: float) -> None:
        """Note that `key` began at `at`."""
        if hash(key) & self._mask:
            return
        kept = self._at
        kept[key] = at
        if len(kept) > self._most:
            self._mask = self._mask * 2 + 1
            self._at = {name: began for name, began in kept.items() if not hash(name) & self._mask}
        elif not self._mask:
            return
        elif len(kept) * 8 < self._most:
            self._mask >>= 1

    def end(self, key: str, at: float) -> float | None:
        """Seconds since `key` began, and forget it; None where it was not kept."""
        began = self._at.pop(key, None)
        return None if began is None else max(0.0, at - began)
