"""Small pictures in text: bars with eighths of a cell, and sparklines."""

from __future__ import annotations

from collections.abc import Sequence

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"


def bar(fraction: float, width: int) -> str:
    """A progress bar: `fraction` (0 to 1) of `width` cells filled, the rest lightly shaded.

    Anything above nothing shows, and only everything fills the bar.
    """
    if width <= 0:
        return ""
    fraction = min(1.0, max(0.0, fraction))
    full = int(fraction * width + 1e-9)
    if fraction > 0 and full == 0:
        full = 1
    if fraction < 1 and full == width:
        full = max(width - 1, 0)
    return "█" * full + "░" * (width - full)


def amount(value: float, most: float, width: int) -> str:
    """A bar without a background for a value beside others, the largest of which is `most`."""
    if width <= 0 or most <= 0 or value <= 0:
        return ""
    eighths = max(1, min(round(value / most * width * 8), width * 8))
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def spark(values: Sequence[float], width: int, most: float | None = None) -> str:
    """The last values as a sparkline of exactly `width` cells, the newest at the right.

    Where there are more values than cells, each cell shows the mean of its share. Nothing at all is the lowest level.
    """
    if width <= 0:
        return ""
    shown = list(values)
    if len(shown) > width:
        step = len(shown) / width
        shares = [shown[int(i * step) : max(int((i + 1) * step), int(i * step) + 1)] for i in range(width)]
        shown = [sum(share) / len(share) for share in shares]
    shown = [0.0] * (width - len(shown)) + shown
    top = most if most is not None else max(shown)
    if top <= 0:
        return _LEVELS[0] * width
    return "".join(
        _LEVELS[0] if value <= 0 else _LEVELS[min(7, 1 + int(value / top * 6.999))] for value in shown
    )
