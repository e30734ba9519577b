"""What an empty Compose screen says: which keys to press."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.content import Content
from textual.reactive import reactive

from flowtui.actions import BY_ID, key_text
from flowtui.widgets.bars import Clickable, click

if TYPE_CHECKING:
    from flowtui.app import FlowtuiApp

_LINES = (
    ("compose.add", "add the first job"),
    ("compose.template", "start from a template"),
    ("compose.open", "open a flow file"),
)


class Welcome(Clickable):
    """The empty state; hidden as soon as there is a job."""

    DEFAULT_CSS: ClassVar[str] = """
    Welcome { width: 1fr; height: 1fr; content-align: center middle; display: none; }
    """
    kept: reactive[str] = reactive("")
    """A draft that was left unsaved, in a few words; empty where there is none. Already safe."""

    def render(self) -> Content:
        lines = [Content.styled("No jobs yet", "bold $foreground"), Content("")]
        lines += [self._of(id, what) for id, what in _LINES]
        lines.append(_line("paste", "YAML, JSON or Mermaid text", ""))
        if self.kept:
            lines += [Content(""), self._of("compose.restore", f"restore {self.kept}")]
        lines += [Content(""), self._of("app.live", "running flows"), self._of("app.help", "all keys")]
        width = max(line.cell_length for line in lines)
        return Content("\n").join(line.pad_right(width - line.cell_length) for line in lines)

    def _of(self, id: str, what: str) -> Content:
        """An action by its key as the user has it."""
        action = BY_ID[id]
        key = cast("FlowtuiApp", self.app).keys_of(action)[0]
        return _line(key_text(key), what, action.action)


def _line(key: str, what: str, action: str) -> Content:
    line = Content.assemble((f"{key:>8}", "bold $primary"), "   ", (what, "$foreground-muted"))
    return line.stylize(click(action)) if action else line
