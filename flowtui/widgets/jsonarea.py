"""A text area for JSON: coloured without a parser library, and calm about tabs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from rich.style import Style
from textual.widgets import TextArea
from textual.widgets.text_area import TextAreaTheme

_TOKEN: Final = re.compile(
    r'(?P<key>"(?:[^"\\]|\\.)*")(?=\s*:)|(?P<reference>"\$\{(?:[^"\\]|\\.)*")|(?P<string>"(?:[^"\\]|\\.)*")'
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<word>\b(?:true|false|null)\b)"
)
_BEGUN: Final = re.compile(r"(?<!\$)\$(?:\{[^{}]*)?$")
COLORS: Final = {
    "key": "accent",
    "string": "success",
    "reference": "primary",
    "number": "warning",
    "word": "secondary",
}


class JsonArea(TextArea):
    """Tab leaves it, as in every other field."""

    DEFAULT_CSS = """
    JsonArea {
        border: none; padding: 0; height: 1fr; background: $background;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0;
        &:focus { border: none; }
        & .text-area--cursor-line { background: transparent; }
    }
    """

    def __init__(
        self, text: str = "", *, plain: bool = False, offers: Iterable[str] = (), id: str | None = None
    ) -> None:
        self.plain = plain
        """Not JSON but a command: no colours."""
        self.offers = tuple(offers)
        """Texts that what begins with `$` may become; the first that fits is shown, and right takes it."""
        super().__init__(text, id=id, tab_behavior="focus", soft_wrap=True, show_line_numbers=False)

    def update_suggestion(self) -> None:
        """The rest of a result of an upstream, while one is being typed."""
        row, column = self.cursor_location
        begun = _BEGUN.search(self.document.get_line(row)[:column])
        fits = (offer[len(begun[0]) :] for offer in self.offers if begun and offer.startswith(begun[0]))
        self.suggestion = "" if self.plain else next(fits, "")

    def on_mount(self) -> None:
        self._take_colors()
        self.watch(self.app, "theme", self._take_colors, init=False)

    def _take_colors(self) -> None:
        variables = self.app.theme_variables
        styles = {
            name: Style(color=variables[color][:7]) for name, color in COLORS.items() if color in variables
        }
        self.register_theme(TextAreaTheme("flow", syntax_styles=styles))
        self.theme = "css"
        self.theme = "flow"

    def _build_highlight_map(self) -> None:
        # Textual fills this map from tree-sitter; we have no parser, and JSON needs none.
        self._line_cache.clear()
        self._highlights.clear()
        if self.plain:
            return
        for row in range(self.document.line_count):
            line = self.document.get_line(row)
            if len(line) > 2000:
                continue
            for token in _TOKEN.finditer(line):
                start, end = (len(line[:at].encode("utf-8", "replace")) for at in token.span())
                self._highlights[row].append((start, end, token.lastgroup or "string"))
