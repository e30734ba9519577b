"""The job under the cursor, beside the graph on wide screens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from flowtui.draft import Draft
from flowtui.problems import SHELL
from flowtui.redact import redact
from flowtui.text import safe
from flowtui.times import duration


class Inspector(VerticalScroll, can_focus=False):
    """What a job is, what it waits for, what waits for it, its arguments. Secrets are hidden; `e` shows them."""

    DEFAULT_CSS: ClassVar[str] = """
    Inspector { width: 40; scrollbar-size-vertical: 1; }
    Inspector Static { width: 1fr; height: auto; min-height: 100%; }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: tuple[object, ...] | None = None
        self._content: Content | None = None

    def compose(self) -> ComposeResult:
        yield Static(markup=False)

    def on_resize(self) -> None:
        self._shown = self._content = None

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

    def _put(self, parts: Sequence[Content]) -> None:
        """Show lines. What fits is shown without a new layout of the screen, which would paint all of it again."""
        static, width = self.query_one(Static), max(self.size.width, 1)
        content = Content("\n").join(parts)
        if self._content is not None and content.is_same(self._content):
            return
        self._content = content
        # Wrapped at words, a line may take one row more than its cells need.
        rows = sum(1 if (cells := part.cell_length) <= width else cells // width + 2 for part in parts)
        fits = rows <= self.size.height and static.size.height <= self.size.height
        static.update(content, layout=not fits)

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
