"""How a state is shown: glyph, word and colour, in that order, the same on every screen."""

from __future__ import annotations

from typing import Final, NamedTuple


class Shown(NamedTuple):
    """A state's glyph (one cell wide in every terminal), its plain-ASCII stand-in, and its word.

    No stand-in is a sign that an ASCII picture of a flow draws its lines with.
    """

    glyph: str
    ascii: str
    word: str


STATES: Final[dict[str, Shown]] = {
    "draft": Shown("○", "o", "draft"),
    "blocked": Shown("◦", "b", "blocked"),
    "waiting": Shown("◌", "w", "waiting"),
    "delayed": Shown("◷", "z", "delayed"),
    "active": Shown("►", "@", "active"),
    "completed": Shown("✓", "*", "completed"),
    "failed": Shown("✗", "x", "failed"),
    "skipped": Shown("↷", "s", "skipped"),
    "cancelled": Shown("⊖", "c", "cancelled"),
    "expired": Shown("◔", "e", "expired"),
}
"""Every state of a job (and "draft", before it is submitted) in the order of its life."""

COLORS: Final[dict[str, str]] = {
    "draft": "foreground-muted",
    "blocked": "foreground-disabled",
    "waiting": "foreground",
    "delayed": "secondary",
    "active": "accent",
    "completed": "success",
    "failed": "error",
    "skipped": "foreground-disabled",
    "cancelled": "foreground-muted",
    "expired": "warning",
    "running": "accent",
}
"""The theme's colour of each state of a job or flow."""

_FLOW_STATES: Final = {"running": "active"}


def glyph(state: str, *, ascii: bool = False) -> str:
    """One character for a state of a job or a flow."""
    shown = STATES.get(_FLOW_STATES.get(state, state))
    if shown is None:
        return "?"
    return shown.ascii if ascii else shown.glyph
