"""The job under the cursor, beside the graph on wide screens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

from textual.content import Content

from flowtui.draft import Draft
from flowtui.problems import SHELL
from flowtui.redact import redact
from flowtui.text import safe
from flowtui.times import duration
from flowtui.widgets.textpage import Line, TextPage


class Inspector(TextPage):
    """What a job is, what it waits for, what waits for it, its arguments. Secrets are hidden; `e` shows them.

    It takes the focus only where it has more to show than there is room for.
    """

    ALLOW_SELECT = False
    _HINTS: ClassVar[tuple[str, str]] = ("e edit", "↑↓ scroll  esc back")
    DEFAULT_CSS: ClassVar[str] = """
    Inspector { width: 40; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: tuple[object, ...] | None = None

    def allow_focus(self) -> bool:
        return super().allow_focus() and self.max_scroll_y > 0

    def on_focus(self) -> None:
        self.border_subtitle = self._HINTS[True]

    def on_blur(self) -> None:
        self.border_subtitle = self._HINTS[False] if self.border_title else ""

    def show(self, draft: Draft, key: str | None, marks: Sequence[str] = ()) -> None:
        """Show a job of the draft, or nothing; what is shown already is not made again."""
        wanted = (draft, draft.version, key, tuple(marks))
        if wanted == self._shown:
            return
        self._shown = wanted
        if key is None:
            self._title(Content(""), "")
            self.put([])
            return
        job = draft.jobs[key]
        self._title(Content(f" Job  {safe(job.name, 28)} "), self._HINTS[self.has_focus])
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
            (Content.assemble((f" {name:<9}", "$foreground-muted"), " ", (value, "$foreground")), 11)
            for name, value in rows
        ]
        parts += self._links(draft, "waits for", draft.upstream(key), marks)
        parts += self._links(draft, "then", draft.downstream(key), marks)
        if job.task != SHELL or len(job.args) > 1:
            parts += _json("args", list(job.args))
        parts += _json("kwargs", dict(job.kwargs))
        self.put(parts)

    def _title(self, title: Content, subtitle: str) -> None:
        before = self._border_title
        if (title.plain, subtitle) != (before.plain if before else "", self.border_subtitle):
            self.border_title, self.border_subtitle = title, subtitle

    def _links(self, draft: Draft, title: str, keys: Sequence[str], marks: Sequence[str]) -> list[Line]:
        if not keys:
            return []
        lines = [(Content(""), 0), (Content.styled(f" {title}", "$foreground-muted"), 1)]
        for key in keys[:12]:
            mark = "◆" if key in marks else "○"
            lines.append((Content.assemble("   ", (mark, "$primary"), f" {safe(draft.name(key), 30)}"), 5))
        if len(keys) > 12:
            lines.append((Content.styled(f"   and {len(keys) - 12} more", "$foreground-muted"), 3))
        return lines


def _json(title: str, value: object) -> list[Line]:
    if not value:
        return []
    try:
        text = json.dumps(redact(value), indent=2, ensure_ascii=False)
    except (TypeError, ValueError):
        text = str(value)
    lines = text.splitlines()
    shown = [(Content(""), 0), (Content.styled(f" {title}", "$foreground-muted"), 1)]
    for line in lines[:40]:
        # What does not fit goes on further right than what comes next.
        deep = len(line) - len(line.lstrip(" ")) + 5
        shown.append((Content.styled(f"   {safe(line, 200)}", "$foreground"), deep))
    if len(lines) > 40:
        shown.append((Content.styled(f"   … {len(lines) - 40} more lines", "$foreground-muted"), 3))
    return shown
