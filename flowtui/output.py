"""What happens to text on its last steps to the terminal, whatever screen it comes from."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from flowtui.states import STATES
from flowtui.text import safe


class Net(LineFilter):
    """The last net: whatever reaches the terminal is text. What is shown has passed `safe()` long before."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        for segment in segments:
            text = segment.text
            # Cheap for what is drawn all the time: false for every control, bidi and surrogate character.
            if not text.isprintable():
                return [
                    segment if segment.control else Segment(safe(segment.text), segment.style)
                    for segment in segments
                ]
        return segments


class Plain(LineFilter):
    """For terminals and fonts that have only ASCII: our own signs in plain characters, names as they are."""

    TABLE: ClassVar[dict[int, str]] = str.maketrans(
        {
            **dict.fromkeys("─━╌═▁▔", "-"), **dict.fromkeys("│┃╎║▌▏▎▍▐", "|"),
            **dict.fromkeys("╭╮╰╯├┤┬┴┼┌┐└┘┏┓┗┛┣┫┳┻╋┠┯╔╗╚╝╠╣╦╩╬╟╤", "+"),
            **dict.fromkeys("▸→⇢›", ">"), **dict.fromkeys("◂‹←", "<"), **dict.fromkeys("▴↑▲", "^"),
            **dict.fromkeys("▾↓▼", "v"), **{shown.glyph: shown.ascii for shown in STATES.values()},
            "●": "*", "◆": "#", "…": "~", "·": "-", "×": "x", "∞": "&", "↻": "@",
            "█": "#", "░": ".", "▓": "#", "▒": ".", **dict.fromkeys("▂▃▄▅▆▇▊▋▉", "#"), "•": "*", "–": "-",
        }
    )  # fmt: skip

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.control or segment.text.isascii()
            else Segment(segment.text.translate(self.TABLE), segment.style)
            for segment in segments
        ]
