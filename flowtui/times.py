"""Durations and moments as short words."""

from __future__ import annotations

import math
import time


def duration(seconds: float | None) -> str:
    """Four to six characters: "0.4s", "12.8s", "3m07s", "2h14m", "5d03h"; empty for None.

    Below a tenth of a second milliseconds are shown, so that a fast job does not read as "0.0s".
    """
    if seconds is None or not math.isfinite(seconds):
        return ""
    seconds = max(0.0, seconds)
    if seconds < 0.0995:
        return f"{seconds * 1000:.0f}ms"
    if seconds < 99.95:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d{whole % 86_400 // 3600:02d}h"


def clock(at: float | None, *, millis: bool = False) -> str:
    """The local time of day of a moment (seconds since the epoch): "12:04:31"; empty for None."""
    if at is None or at <= 0:
        return ""
    try:
        text = time.strftime("%H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return ""
    return f"{text}.{int(at * 1000) % 1000:03d}" if millis else text


def moment(at: float | None, now: float) -> str:
    """As `clock`; with the date in front when it was not today."""
    if at is None or at <= 0:
        return ""
    try:
        then, today = time.localtime(at), time.localtime(now)
    except (OverflowError, ValueError, OSError):
        return ""
    if then[:3] == today[:3]:
        return time.strftime("%H:%M:%S", then)
    return time.strftime("%b %d %H:%M" if then[0] == today[0] else "%Y-%m-%d %H:%M", then)


def number(value: int) -> str:
    """A count that fits its column: "9999", "12,345", then "123k", "1.2M"."""
    if abs(value) < 100_000:
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if abs(value) < 1_000_000:
        return f"{value / 1000:.0f}k"
    if abs(value) < 1_000_000_000:
        return f"{value / 1_000_000:.1f}M"
    return f"{value / 1e9:.1f}G"


def rate(per_second: float) -> str:
    """A rate in four characters: "41.3", "0.1", "1.2k"."""
    if per_second < 0.05:
        return "0.0"
    if per_second < 99.95:
        return f"{per_second:.1f}"
    if per_second < 9995:
        return f"{per_second:.0f}"
    return f"{per_second / 1000:.1f}k"
