"""What an empty Compose screen says: which keys to press."""

from __future__ import annotations

from typing import ClassVar

from textual.content import Content
from textual.reactive import reactive

from flowtui.widgets.bars import Clickable, click

_LINES = (
    ("a", "add the first job", "add"),
    ("t", "start from a template", "template"),
    ("ctrl+o", "open a flow file", "open"),
    ("paste", "YAML, JSON or Mermaid text", ""),
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
        for key, what, action in _LINES:
            lines.append(_line(key, what, action))
        if self.kept:
            lines.extend((Content(""), _line("R", f"restore {self.kept}", "restore")))
        lines.extend((Content(""), _line("2", "running flows", "app.mode('live')")))
        lines.append(_line("?", "all keys", "app.help"))
        width = max(line.cell_length for line in lines)
        return Content("\n").join(line.pad_right(width - line.cell_length) for line in lines)


def _line(key: str, what: str, action: str) -> Content:
    line = Content.assemble((f"{key:>8}", "bold $primary"), "   ", (what, "$foreground-muted"))
    return line.stylize(click(action)) if action else line
