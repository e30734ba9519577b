"""Durations as people write them: 90s, 5m, 1h30m, 250ms, 2d, or a number of seconds."""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d) ?)+$"


def format_duration(seconds: float) -> str | float:
    """What `parse_duration` reads back: whole minutes and more as text, the rest as a number."""
    if seconds < 60 or seconds != int(seconds):
        return int(seconds) if seconds == int(seconds) else seconds
    text, rest = "", int(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text


def parse_duration(value: object) -> object:
    """Seconds from a text such as `1h30m`; anything else is given back for the next check."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(PATTERN, value):
        raise ValueError("must be seconds, or a text such as 90s, 5m, 1h30m, 250ms, 2d")
    parts = re.findall(r"([0-9.]+)(ms|s|m|h|d)", value)
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
