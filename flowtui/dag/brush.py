"""A node's box as coloured segments: what `paint.box_text` shows, in the colours of the theme."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from flowtui.dag.graph import Look
from flowtui.dag.layout import Box
from flowtui.dag.paint import clip, lower_border

HEAVY = str.maketrans("┌─┐│└┘├┬", "┏━┓┃┗┛┠┯")
DOUBLED = str.maketrans("┌─┐│└┘├┬", "╔═╗║╚╝╟╤")
MARK = "◆"
_PALE = frozenset(
    {"skipped", "cancelled", "expired", "blocked"}
)  # states whose name has the colour of the state


@dataclass(frozen=True, slots=True)
class Emphasis:
    """What the hand and the eye have on a node: cursor, mark, match, critical path; `flag` takes the glyph's place."""

    cursor: bool = False
    marked: bool = False
    match: bool = False
    critical: bool = False
    flag: str = ""
    jump: str = ""  # jump label, typed letters already gone
    tag: str = ""  # named group, shown in the upper border


CALM = Emphasis()


def box_segments(
    box: Box,
    label: str,
    row: int,
    zoom: int,
    look: Look,
    leaves: str,
    emphasis: Emphasis,
    styles: Mapping[str, Style],
) -> list[Segment]:
    """Row `row` of a box. `leaves` is "right" or "down" where a line leaves it, else empty."""
    style = look.style if look.style in styles else "draft"
    state = styles[style]
    glyph = emphasis.flag or look.glyph
    glyph_style = styles["flag"] if emphasis.flag else styles[f"{style}-glyph"]
    name = styles["name"] if emphasis is CALM and style not in _PALE else _name_style(emphasis, look, styles)
    if zoom == 0:
        return [_small(emphasis.jump or glyph, 1, glyph_style, emphasis, styles)]
    if zoom == 1:
        if emphasis.jump:
            letters = emphasis.jump[: box.w]
            beside = set_cell_size(" " + label, box.w - len(letters))
            return [Segment(letters, styles["jump"]), Segment(beside, name)]
        head = Segment(glyph + (MARK if emphasis.marked else " "), glyph_style)
        return [head, Segment(set_cell_size(label, box.w - 3), name), Segment(" ", styles["line"])]
    inner = box.w - 2
    border = state
    if emphasis.cursor:
        border = styles["cursor"]
    if row == 0:
        return _top(inner, look, emphasis, border, styles)
    if row == 2:
        text = lower_border(look, inner, leaves == "down")
        left, right = Segment(_edge("└", emphasis), border), Segment(_edge("┘", emphasis), border)
        if look.progress is not None:
            return [left, Segment(text, styles["bar"]), right]
        return [left, *_border_text(text, look.bottom, border, emphasis, styles), right]
    side = "├" if leaves == "right" else "│"
    if emphasis.jump:
        room = inner - 1
        tag = Segment(set_cell_size(emphasis.jump, min(cell_len(emphasis.jump), room)), styles["jump"])
        rest = inner - 1 - cell_len(tag.text)
        shown = set_cell_size(" " + label, rest) if rest > 0 else ""
        middle = [Segment(" ", name), tag, Segment(shown, name)]
    elif emphasis is CALM:
        text = set_cell_size(" " + label, inner - 2)
        return [
            Segment("│ ", border),
            Segment(glyph, glyph_style),
            Segment(text, name),
            Segment(side, border),
        ]
    else:
        middle = [
            Segment(" ", name),
            Segment(glyph, glyph_style + _back(name)),
            Segment(set_cell_size(" " + label, inner - 2), name),
        ]
    return [Segment(_edge("│", emphasis), border), *middle, Segment(_edge(side, emphasis), border)]


def _small(text: str, width: int, style: Style, emphasis: Emphasis, styles: Mapping[str, Style]) -> Segment:
    text = set_cell_size(text, width)
    if emphasis.jump:
        return Segment(text, styles["jump"])
    if emphasis.cursor:
        return Segment(text, style + styles["cursor-name"])
    if emphasis.marked:
        return Segment(text, style + styles["marked"])
    return Segment(text, style)


def _name_style(emphasis: Emphasis, look: Look, styles: Mapping[str, Style]) -> Style:
    style = styles["name"]
    if look.style in _PALE:
        style = styles[look.style]
    if emphasis.match:
        style = style + styles["match"]
    if emphasis.marked:
        style = style + styles["marked"]
    if emphasis.cursor:
        style = style + styles["cursor-name"]
    return style


def _back(style: Style) -> Style:
    """Only the background of a style, so that a glyph keeps its colour on it."""
    return Style(bgcolor=style.bgcolor, reverse=style.reverse)


def _edge(text: str, emphasis: Emphasis) -> str:
    if emphasis.cursor:
        return text.translate(HEAVY)
    if emphasis.critical:
        return text.translate(DOUBLED)
    return text


def _top(
    inner: int, look: Look, emphasis: Emphasis, border: Style, styles: Mapping[str, Style]
) -> list[Segment]:
    parts = [Segment(_edge("┌", emphasis), border)]
    room = inner
    if emphasis.marked and inner > 3:
        parts.append(Segment(MARK, styles["mark"]))
        room -= 1
    timing = clip(look.top, room - 2) if look.top and room >= 4 else ""
    spare = room - 3 - cell_len(timing)
    if emphasis.tag and spare >= 4:
        tag = clip(emphasis.tag, spare)
        parts += [Segment(_edge("─", emphasis), border), Segment(tag, styles["dim"])]
        room -= 1 + cell_len(tag)
    if timing:
        parts.append(Segment(_edge("─" * (room - 1 - cell_len(timing)), emphasis), border))
        parts.append(Segment(timing, styles["dim"]))
        parts.append(Segment(_edge("─┐", emphasis), border))
    else:
        parts.append(Segment(_edge("─" * room + "┐", emphasis), border))
    return parts


def _border_text(
    text: str, shown: str, border: Style, emphasis: Emphasis, styles: Mapping[str, Style]
) -> list[Segment]:
    """A border with a dim text in it, its line characters in the weight of the box."""
    if not shown:
        return [Segment(_edge(text, emphasis), border)]
    parts: list[Segment] = []
    run = ""
    line = True
    for char in text:
        if (char in "─┬") != line:
            if run:
                parts.append(
                    Segment(_edge(run, emphasis) if line else run, border if line else styles["dim"])
                )
            run, line = "", not line
        run += char
    parts.append(Segment(_edge(run, emphasis) if line else run, border if line else styles["dim"]))
    return parts
