"""The job under the cursor, beside the graph on wide screens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

from textual.content import Content
from textual.geometry import Size
from textual.strip import Strip

from flowtui.draft import Draft
from flowtui.problems import SHELL
from flowtui.redact import redact
from flowtui.scrolled import QuickLines, SteadyView, painted, size_up
from flowtui.text import safe
from flowtui.times import duration


class Inspector(QuickLines, SteadyView, can_focus=False):
    """What a job is, what it waits for, what waits for it, its arguments. Secrets are hidden; `e` shows them."""

    ALLOW_SELECT = False
    DEFAULT_CSS: ClassVar[str] = """
    Inspector { width: 40; scrollbar-size-vertical: 1; overflow-x: hidden; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: tuple[object, ...] | None = None
        self._parts: list[Content] = []
        self._lines: list[Content] = []
        self._strips: dict[int, Strip] = {}

    def on_resize(self) -> None:
        self._shown = None
        self._put(self._parts)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        width = self.size.width - self.scrollbar_size_vertical
        strip = self._strips.get(index)
        if strip is None or strip.cell_length != width:  # the bar has come or gone
            line = self._lines[index] if index < len(self._lines) else Content("")
            strip = self._strips[index] = painted(self, line, width, self.visual_style)
        return strip

    def show(self, draft: Draft, key: str | None, marks: Sequence[str] = ()) -> None:
        """Show a job of the draft, or nothing; what is shown already is not made again."""
        wanted = (draft, draft.version, key, tuple(marks), self.size)
        if wanted == self._shown:
            return
        self._shown = wanted
        if key is None:
            self._title("", "")
            self._put([])
            return
        job = draft.jobs[key]
        self._title(Content(f" Job  {safe(job.name, 28)} ").markup, "e edit")
        rows: list[tuple[str, str]] = [("name", safe(job.name, 256))]
        if job.task == SHELL and job.args:
            rows.append(("command", safe(job.args[0], 300)))
        else:
            rows.append(("task", safe(job.task, 256)))
        rows += [("retries", str(job.max_retries)), ("priority", str(job.priority))]
        for name, seconds in (
            ("timeout", job.timeout),
            ("delay", job.delay),
            ("expires", job.ttl),
            ("repeats", job.repeat_every),
        ):
            if seconds is not None:
                rows.append((name, duration(seconds)))
        if job.trigger != "all_success":
            rows.append(("trigger", job.trigger))
        if job.group:
            rows.append(("group", safe(job.group, 256)))
        parts = [
            Content.assemble((f" {name:<9}", "$foreground-muted"), " ", (value, "$foreground"))
            for name, value in rows
        ]
        parts += self._links(draft, "waits for", draft.upstream(key), marks)
        parts += self._links(draft, "then", draft.downstream(key), marks)
        if job.task != SHELL or len(job.args) > 1:
            parts += _json("args", list(job.args))
        parts += _json("kwargs", dict(job.kwargs))
        self._put(parts)

    def _title(self, title: str, subtitle: str) -> None:
        if (title, subtitle) != (self.border_title, self.border_subtitle):
            self.border_title, self.border_subtitle = title, subtitle

    def _put(self, parts: list[Content]) -> None:
        """Show lines, wrapped at words where they are longer than the panel is wide."""
        # A column for the bar, also while there is none: nothing moves when it comes.
        width = max(self.size.width - 1, 1)
        lines = [
            line for part in parts for line in ([part] if part.cell_length <= width else part.wrap(width))
        ]
        self._parts = parts
        if len(lines) == len(self._lines) and all(map(Content.is_same, lines, self._lines)):
            return
        self._lines = lines
        self._strips.clear()
        size_up(self, Size(self.size.width, len(lines)))
        self.refresh()

    def _links(self, draft: Draft, title: str, keys: Sequence[str], marks: Sequence[str]) -> list[Content]:
        if not keys:
            return []
        lines = [Content(""), Content.styled(f" {title}", "$foreground-muted")]
        for key in keys[:12]:
            mark = "◆" if key in marks else "○"
            lines.append(Content.assemble("   ", (mark, "$primary"), f" {safe(draft.name(key), 30)}"))
        if len(keys) > 12:
            lines.append(Content.styled(f"   and {len(keys) - 12} more", "$foreground-muted"))
        return lines


def _json(title: str, value: object) -> list[Content]:
    if not value:
        return []
    try:
        text = json.dumps(redact(value), indent=2, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    lines = text.splitlines()
    shown = [Content(""), Content.styled(f" {title}", "$foreground-muted")]
    shown += [Content.styled(f"   {safe(line, 200)}", "$foreground") for line in lines[:40]]
    if len(lines) > 40:
        shown.append(Content.styled(f"   … {len(lines) - 40} more lines", "$foreground-muted"))
    return shown
