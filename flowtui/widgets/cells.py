"""What a table is made of: columns, rows, and cells as text with the name of a style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from textual.widget import Widget

PARTS: Final = ("dim", "strong", "bar", "bad", "good", "warn", "header", "cursor", "match", "mark", "spark")

Piece = tuple[str, str]
"""Text that has passed `safe()`, and the name of its style: a state or one of `PARTS`, or "" for plain."""
Cell = str | Piece | Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Column:
    """A column's place. Where the screen is too narrow, those with the highest `drop` go first (0: never).

    `flex` columns share what room is left, in proportion; `width` is then the least they get.
    """

    key: str
    title: str
    width: int
    align: Literal["left", "right"] = "left"
    flex: int = 0
    drop: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A line: its id, its cells by column key, and whether it is drawn faintly."""

    id: str
    cells: Mapping[str, Cell]
    faint: bool = False


def clip(text: str, width: int, align: str = "left") -> str:
    """`text` in exactly `width` cells; what does not fit ends in `…`."""
    size = len(text) if text.isascii() else cell_len(text)
    if size == width:
        return text
    if size > width:
        if width <= 0:
            return ""
        return set_cell_size(set_cell_size(text, width - 1).rstrip(" ") + "…", width)
    gap = " " * (width - size)
    return gap + text if align == "right" else text + gap


def own_style(widget: Widget, name: str, *, under: bool = False) -> Style:
    """What a component class adds by itself: its colour, or with `under` only its background. "" is plain text.

    Rich knows no transparency, so each style is blended with the widget's background; laid over one another, two
    such styles would hide each other.
    """
    style = widget.get_component_rich_style(name) if name else widget.rich_style
    if under:
        return Style(bgcolor=style.bgcolor)
    return Style(color=style.color, bold=style.bold, italic=style.italic, underline=style.underline)
