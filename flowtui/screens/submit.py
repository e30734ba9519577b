"""A last look before a flow is submitted: how it will run, where, and what could be wrong with it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, NamedTuple, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static
from textual.worker import Worker

from core.errors import BackendError, FlowError
from core.flow import FlowProducer
from core.jobs import JobState, check_name, new_id
from core.rehearsal import rehearse
from flowtui.changes import DEFAULT_NAME
from flowtui.draft import Draft
from flowtui.estimate import longest, typical
from flowtui.problems import Problem
from flowtui.redact import redact_text
from flowtui.screens.preview import BLANK, checks, hints, plan, rehearsed, row
from flowtui.text import counted, safe
from flowtui.times import duration
from flowtui.widgets.bars import Clickable, FooterBar, click
from flowtui.widgets.textpage import Line, TextPage

if TYPE_CHECKING:
    from core.backends.base import Backend
    from flowtui.app import FlowtuiApp

PAST = 300
"""Jobs that ended last, to learn runtimes from."""
KEYS = (("enter", "submit"), ("d", "dry run"), ("q", "queue"), ("y", "copy Python"), ("esc", "back"))
SENDING_KEYS = (("esc", "stop"),)
FIELD_KEYS = (*KEYS[:-1], ("esc", "leave the field"))


class Submitted(NamedTuple):
    """A flow that is in the engine; `ids` maps the keys of the draft to the ids of the jobs."""

    flow_id: str
    queue: str
    ids: dict[str, str]


class Button(Static, Clickable):
    """A key and what it does, for the mouse too."""


class SubmitScreen(ModalScreen[Submitted | str | None]):
    """Answers with what was submitted, with "python" to copy the script, or None.

    The ids are chosen once: sending the same flow again after a lost answer cannot make it run twice. While it is being
    sent, escape stops it as long as nothing is written; after that nobody can say whether it arrived, and it says so.
    """

    CSS_PATH = "../styles/submit.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", show=False),
        Binding("escape", "close", show=False),
        Binding("y", "python", show=False),
        Binding("d", "dry_run", show=False),
        Binding("q", "queue", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(1, True)", show=False),
        Binding("pageup", "scroll(-1, True)", show=False),
    ]
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-narrow"), (70, "-wide")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS: list[tuple[int, str]] | None = [(0, "-short"), (20, "-tall")]  # noqa: RUF012
    context = "submit"
    AUTO_FOCUS = ""

    def __init__(self, draft: Draft, hints: list[Problem]) -> None:
        super().__init__()
        self.draft = draft
        self.hints = hints
        self.jobs = draft.to_jobs()
        self.ids = dict(zip(draft.jobs, (job.id for job in self.jobs), strict=True))
        self.flow_id = new_id()
        self.queue = draft.settings.queue
        self._time: list[Line] = []
        self._dry: list[Line] = []
        self._sending: Worker[None] | None = None
        self._writing = False
        self._leaving = False

    # ---- what is shown -----------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        name = safe(self.draft.settings.name, 40)
        with Vertical(classes="window", id="submit") as window:
            window.border_title = Content(f"Submit {name}")
            with Horizontal(id="where"):
                yield Static("queue", classes="label", markup=False)
                yield Input(self.queue, id="queue", select_on_focus=False)
                yield Static(id="engine", markup=False)
            yield TextPage(id="what")
            yield Static(id="wrong", markup=False)
            with Horizontal(id="buttons"):
                yield Button(_button("enter", f"Submit {self._count}", "submit", strong=True))
                yield Button(_button("d", "dry run", "dry_run"))
                yield Button(_button("y", "copy as Python", "python"))
            yield FooterBar(only=KEYS)

    def on_mount(self) -> None:
        self._show_engine()
        self.query_one("#queue", Input).can_focus = True
        self.query_one("#wrong").display = False
        self.query_one("#what").can_focus = False
        self._show_page()
        self.set_focus(None)
        self.estimate()

    @property
    def _count(self) -> str:
        return counted(len(self.jobs), "job")

    def _show_engine(self) -> None:
        app = cast("FlowtuiApp", self.app)
        parts = [(safe(app.engine_label, 60), "$foreground")]
        if app.durability:
            parts.append((f"\n{app.durability}", "$foreground-muted"))
        self.query_one("#engine", Static).update(Content.assemble(*parts))

    def _show_page(self) -> None:
        # What may go wrong is seen before what is only long.
        lines = [
            *hints(self.hints),
            *plan(self.draft, self._atomic()),
            *self._time,
            *checks(self.draft, self.hints),
        ]
        self.query_one("#what", TextPage).put([*lines, *self._dry])
        self.call_after_refresh(self._fit)

    def _atomic(self) -> str:
        backend = cast("FlowtuiApp", self.app).backend
        atomic = backend is None or FlowProducer(backend).atomic
        return "atomic: all of it or nothing" if atomic else "one job at a time, upstream first"

    @work(exclusive=True, exit_on_error=False)
    async def estimate(self) -> None:
        """Say how long it may take, as soon as the engine has told about past runs."""
        backend = cast("FlowtuiApp", self.app).backend
        if backend is None:
            return
        try:
            past = await backend.list_jobs(JobState.COMPLETED, self.queue, limit=PAST)
        except (FlowError, OSError):
            return
        seconds, unknown = longest(self.draft, typical(past))
        if unknown == len(self.jobs):
            text = "no past runs of these tasks in this queue"
        elif unknown:
            text = f"at least {duration(seconds)}   ({unknown} jobs have a task that never ran here)"
        else:
            text = f"about {duration(seconds)}, with enough workers"
        self._time = [row("estimated", text)]
        self._show_page()

    # ---- answers -----------------------------------------------------------------------------------------------------

    def action_queue(self) -> None:
        """Change the queue."""
        if self._busy():
            return
        field = self.query_one("#queue", Input)
        field.cursor_position = len(field.value)
        self.set_focus(field)

    def on_descendant_focus(self) -> None:
        self.query_one(FooterBar).only = FIELD_KEYS

    def on_descendant_blur(self) -> None:
        if self._sending is None:
            self.query_one(FooterBar).only = KEYS

    @on(Input.Changed, "#queue")
    def _queue_changed(self, event: Input.Changed) -> None:
        try:
            check_name(event.value.strip(), "queue")
        except FlowError as error:
            self._say_wrong(safe(error, 160))
        else:
            self._say_wrong("")

    def _say_wrong(self, text: str) -> None:
        self._say(f"✗ {text}" if text else "", "$error")

    def _say(self, text: str, color: str) -> None:
        line = self.query_one("#wrong", Static)
        line.display = bool(text)
        line.update(Content.styled(text, color))
        self.call_after_refresh(self._fit)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        """What is scrolled gets the rows that the others leave, so that the keys below are never pushed out."""
        if not self.is_mounted:
            return
        window, what = self.query_one("#submit"), self.query_one("#what", TextPage)
        others = sum(
            child.region.height + child.styles.margin.height
            for child in window.children
            if child.display and child is not what
        )
        what.styles.height = max(min(what.virtual_size.height, self.size.height - others - 2), 1)

    @on(Input.Submitted, "#queue")
    def _queue_entered(self) -> None:
        """Enter in the field only leaves it, when the name will do."""
        try:
            self.queue = check_name(self.query_one("#queue", Input).value.strip(), "queue")
        except FlowError as error:
            self._say_wrong(safe(error, 160))
            return
        self.set_focus(None)
        self.estimate()

    def action_submit(self) -> None:
        """Submit."""
        app = cast("FlowtuiApp", self.app)
        if self._busy():
            return
        try:  # what was typed last, not the last of it that would do
            self.queue = check_name(self.query_one("#queue", Input).value.strip(), "queue")
        except FlowError as error:
            self._say_wrong(safe(error, 160))
            self.set_focus(self.query_one("#queue", Input))
            return
        if app.read_only:
            self._say_wrong("this is read-only; start without --read-only to submit")
        elif app.backend is None:
            self._say_wrong(f"{app.connection_lost or 'the engine does not answer yet'}; enter tries again")
        else:
            self._show_sending(True)
            self._sending = self.send(app.backend)

    def _busy(self) -> bool:
        """Whether it is being sent; that this key has to wait is said."""
        if self._sending is not None:
            way_out = "" if self._writing else " · esc stops it"
            self._say(self._doing() + way_out, "bold $warning")
        return self._sending is not None

    def _doing(self) -> str:
        if self._writing:
            return f"submitting {self._count} to {safe(self.queue, 40)} …"
        return "submitting … a worker starts, nothing is written yet"

    def _show_sending(self, on: bool) -> None:
        self.set_class(on, "-sending")
        self.query_one("#queue", Input).disabled = on
        self.query_one(FooterBar).only = SENDING_KEYS if on else KEYS
        self._say(self._doing() if on else "", "$accent")

    @work(exit_on_error=False)
    async def send(self, backend: Backend) -> None:
        """Hand the flow over."""
        name = self.draft.settings.name
        try:
            await self._painted()
            await cast("FlowtuiApp", self.app).serve(self.queue)
            self._writing = True
            self._say(self._doing(), "$accent")
            await FlowProducer(backend).add_flow(
                self.queue, self.jobs, flow_id=self.flow_id, name=None if name == DEFAULT_NAME else name
            )
        except Exception as error:  # also of a worker that cannot start: the window must not wait for ever
            self._stopped()
            again = "; enter tries again" if isinstance(error, BackendError | OSError) else "; esc goes back"
            self._say_wrong(safe(redact_text(str(error) or type(error).__name__), 300) + again)
            return
        self.dismiss(Submitted(self.flow_id, self.queue, self.ids))

    async def _painted(self) -> None:
        """That it has begun is on the screen before a worker starts, which may keep this process busy for a second."""
        painted = asyncio.Event()
        self.call_after_refresh(painted.set)
        await painted.wait()

    def _stopped(self) -> None:
        self._sending, self._writing, self._leaving = None, False, False
        self._show_sending(False)

    def action_dry_run(self) -> None:
        """Say how it would go, without submitting anything."""
        if not self._busy():
            self._show_dry([row("dry run", "…")])
            self.rehearse()

    @work(exclusive=True, group="dry", thread=True, exit_on_error=False)
    def rehearse(self) -> None:
        """In a thread: a large flow takes a second."""
        lines: list[Line]
        try:
            found = asyncio.run(rehearse(self.jobs))
        except FlowError as error:
            lines = [
                row("dry run", "an engine would refuse it"),
                (Content.styled(f"✗ {safe(error, 300)}", "$error"), 2),
            ]
        else:
            lines = rehearsed(found, self._names())
        self.app.call_from_thread(self._show_dry, lines)

    def _show_dry(self, lines: list[Line]) -> None:
        if self.is_mounted:
            self._dry = [BLANK, *lines]
            self._show_page()
            self.call_after_refresh(self.query_one("#what").scroll_end, animate=False)

    def _names(self) -> dict[str, str]:
        return {job_id: safe(self.draft.name(key), 20) for key, job_id in self.ids.items()}

    def action_python(self) -> None:
        """Leave with the script."""
        if not self._busy():
            self.dismiss("python")

    def action_scroll(self, by: int, pages: bool = False) -> None:
        what = self.query_one("#what")
        rows = max(what.size.height - 1, 1) if pages else 1
        what.scroll_relative(y=by * rows, animate=False)

    def action_close(self) -> None:
        """Out of the field, out of the window; while it is being sent, first stop that."""
        if self._sending is not None:
            self._stop(self._sending)
        elif self.focused is not None:
            self.query_one("#queue", Input).value = self.queue
            self.set_focus(None)
        else:
            self.dismiss(None)

    def _stop(self, sending: Worker[None]) -> None:
        if not self._writing:
            sending.cancel()
            self._stopped()
            self._say("stopped before anything was written · enter submits", "$warning")
        elif not self._leaving:
            self._leaving = True
            text = "it is being written, too late to stop · esc again leaves; 2 shows whether it arrived"
            self._say(text, "bold $warning")
        else:
            self.dismiss(None)


def _button(key: str, what: str, action: str, *, strong: bool = False) -> Content:
    style = "bold $background on $primary" if strong else "$foreground on $panel"
    return Content.assemble((f"  {key}  ", style), (f"{what}  ", style)).stylize(click(action))
