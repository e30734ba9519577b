"""Why a job is not running: the engine's answer, in a window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from core.backends.base import Explanation
from flowtui.states import COLORS, glyph
from flowtui.text import safe

_SHOWN = 12


class WhyScreen(ModalScreen[None]):
    """Shows an `Explanation`; `names` are those of the upstreams by id. Any of the usual keys closes it."""

    # Not DEFAULT_CSS, which what all windows share would override.
    CSS: ClassVar[str] = """
    WhyScreen > .window { width: 72; max-width: 96%; padding: 1 2; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,q,w,space", "close", show=False),
    ]
    context = "why"

    def __init__(self, name: str, told: Explanation, names: Mapping[str, str]) -> None:
        super().__init__()
        self.told, self.names = told, dict(names)
        self.job_name = name

    def compose(self) -> ComposeResult:
        with Vertical(classes="window") as window:
            window.border_title = Content(f"Why: {safe(self.job_name, 40)}")
            window.border_subtitle = "esc closes"
            yield Static(self._text())

    def _text(self) -> Content:
        told = self.told
        state = told.state.value
        parts: list[tuple[str, str]] = [
            (f"{glyph(state)} {state}  ", f"bold ${COLORS[state]}"),
            (safe(told.summary, 400), "bold $foreground"),
        ]
        for line in told.details[:_SHOWN]:
            parts.append((f"\n  {safe(line, 300)}", "$foreground"))
        if told.upstreams:
            parts.append((f"\n\nwaits for {len(told.upstreams):,}:", "$foreground-muted"))
        for job_id, upstream in told.upstreams[:_SHOWN]:
            word = upstream.value
            parts.append((f"\n  {glyph(word)} {word:<10}", f"${COLORS[word]}"))
            parts.append((safe(self.names.get(job_id, job_id[:8]), 50), "$foreground"))
        if len(told.upstreams) > _SHOWN:
            parts.append((f"\n  and {len(told.upstreams) - _SHOWN:,} more", "$foreground-muted"))
        return Content.assemble(*parts)

    def action_close(self) -> None:
        self.dismiss(None)
