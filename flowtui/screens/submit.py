"""A last look before a flow is submitted: how it will run, where, and what could be wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple, cast

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from core.errors import BackendError, FlowError
from core.flow import FlowProducer
from core.graph import Shape, shape
from core.jobs import JobState, check_name, new_id
from flowtui.changes import DEFAULT_NAME
from flowtui.draft import Draft
from flowtui.estimate import longest, typical
from flowtui.problems import Problem
from flowtui.redact import redact_text
from flowtui.text import safe
from flowtui.times import duration
from flowtui.widgets.bars import Clickable, FooterBar, click

if TYPE_CHECKING:
    from flowtui.app import FlowtuiApp

SHOWN_LEVELS = 12
PAST = 300
"""Jobs that ended last, to learn runtimes from."""


class Submitted(NamedTuple):
    """A flow that is in the engine; `ids` maps the keys of the draft to the ids of the jobs."""

    flow_id: str
    queue: str
    ids: dict[str, str]


class Button(Static, Clickable):
    """A key and what it does, for the mouse too."""


class SubmitScreen(ModalScreen[Submitted | str | None]):
    """Answers with what was submitted, with "python" to copy the script, or None.

    The ids are chosen once: sending the same flow again after a lost answer cannot make it run twice.
    """

    CSS_PATH = "../styles/submit.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", show=False),
        Binding("escape", "close", show=False),
        Binding("y", "python", show=False),
        Binding("q", "queue", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
    ]
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
        self._sending = False

    # ---- what is shown -----------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        name = safe(self.draft.settings.name, 40)
        with Vertical(classes="window", id="submit") as window:
            window.border_title = Content(f"Submit {name}").markup
            with Horizontal(id="where"):
                yield Static("queue", classes="label", markup=False)
                yield Input(self.queue, id="queue", select_on_focus=False)
                yield Static(id="engine", markup=False)
            with VerticalScroll(id="what", can_focus=False):
                yield Static(self._shape(), markup=False)
                yield Static(id="time", markup=False)
                yield Static(self._checks(), markup=False)
            yield Static(id="wrong", markup=False)
            with Horizontal(id="buttons"):
                count = len(self.jobs)
                what = f"Submit {count} job{'' if count == 1 else 's'}"
                yield Button(_button("enter", what, "submit", strong=True))
                yield Button(_button("y", "copy as Python", "python"))
            yield FooterBar(only=(("enter", "submit"), ("q", "queue"), ("y", "copy Python"), ("esc", "back")))

    def on_mount(self) -> None:
        self._show_engine()
        self.query_one("#queue", Input).can_focus = True
        self.query_one("#wrong").display = False
        self.query_one("#time").display = False
        self.set_focus(None)
        self.estimate()

    def _show_engine(self) -> None:
        app = cast("FlowtuiApp", self.app)
        parts = [(safe(app.engine_label, 60), "$foreground")]
        if app.durability:
            parts.append((f"\n{app.durability}", "$foreground-muted"))
        self.query_one("#engine", Static).update(Content.assemble(*parts))

    def _shape(self) -> Content:
        draft = self.draft
        found = shape(list(draft.jobs), draft.links)
        atomic = "atomic: all of it or nothing" if self._atomic() else "one job at a time, upstream first"
        figures = f"{len(draft.jobs)} jobs   {draft.link_count} links   {len(found.levels)} levels   {atomic}"
        lines = [Content.styled(figures, "$foreground"), Content("")]
        lines += self._levels(found)
        chain = " → ".join(safe(draft.name(key), 24) for key in found.longest[:8])
        more = f" → … {len(found.longest) - 8} more" if len(found.longest) > 8 else ""
        lines += [
            Content(""),
            _row("longest chain", f"{chain}{more}   ({len(found.longest)} jobs)"),
            _row("widest level", f"{max(range(len(found.levels)), key=lambda i: len(found.levels[i]))}"
                 f"   ({found.width} in parallel)"),
        ]  # fmt: skip
        return Content("\n").join(lines)

    def _atomic(self) -> bool:
        backend = cast("FlowtuiApp", self.app).backend
        return backend is None or FlowProducer(backend).atomic

    def _levels(self, found: Shape) -> list[Content]:
        lines = [Content.styled("level  starts after   jobs", "$foreground-muted")]
        for level, keys in enumerate(found.levels[:SHOWN_LEVELS]):
            after = "at once" if level == 0 else f"level {level - 1}"
            names = [safe(self.draft.name(key), 20) for key in keys]
            shown = "  ".join(names[:4]) + (f"  +{len(names) - 4}" if len(names) > 4 else "")
            note = ""
            if len(keys) > 1:
                note = f"{len(keys)} in parallel"
            elif len(self.draft.upstream(keys[0])) > 1:
                note = f"waits for {len(self.draft.upstream(keys[0]))}"
            lines.append(
                Content.assemble(
                    (f"{level:>4}   ", "bold $primary"),
                    (f"{after:<14}", "$foreground-muted"),
                    (shown, "$foreground"),
                    (f"   {note}" if note else "", "$foreground-muted"),
                )
            )
        if len(found.levels) > SHOWN_LEVELS:
            lines.append(
                Content.styled(
                    f"       … {len(found.levels) - SHOWN_LEVELS} more levels", "$foreground-muted"
                )
            )
        return lines

    def _checks(self) -> Content:
        tasks = {job.task for job in self.draft.jobs.values()}
        unknown = sum("knows the task" in hint.text for hint in self.hints)
        parts = [("✓ ", "$success"), ("acyclic   ", "$foreground-muted")]
        parts += [("✓ ", "$success"), ("names unique   ", "$foreground-muted")]
        parts += [("✓ ", "$success"), ("arguments are JSON   ", "$foreground-muted")]
        if not unknown:
            known = "task known" if len(tasks) == 1 else f"{len(tasks)} tasks known"
            parts += [("✓ ", "$success"), (known, "$foreground-muted")]
        lines = [Content(""), Content.assemble(*parts)]
        hints = [hint.text for hint in self.hints if "knows the task" not in hint.text]
        if unknown == 1:
            hints.insert(0, next(hint.text for hint in self.hints if "knows the task" in hint.text))
        elif unknown:
            hints.insert(
                0, f"{unknown} tasks are known to nobody here; their jobs wait for a worker that has them"
            )
        lines += [
            Content.assemble(("! ", "bold $warning"), (hint, "$foreground-muted")) for hint in hints[:4]
        ]
        if len(hints) > 4:
            lines.append(Content.styled(f"! {len(hints) - 4} more hints; esc, then ! lists them", "$warning"))
        return Content("\n").join(lines)

    @work(exclusive=True, exit_on_error=False)
    async def estimate(self) -> None:
        """Say how long it may take, as soon as the engine has told about past runs."""
        backend = cast("FlowtuiApp", self.app).backend
        if backend is None:
            return
        try:
            past = await backend.list_jobs(JobState.COMPLETED, self.queue, limit=PAST, newest_first=True)
        except (FlowError, OSError):
            return
        seconds, unknown = longest(self.draft, typical(past))
        if unknown == len(self.jobs):
            text = "no past runs of these tasks in this queue"
        elif unknown:
            text = f"at least {duration(seconds)}   ({unknown} jobs have a task that never ran here)"
        else:
            text = f"about {duration(seconds)}, with enough workers"
        line = self.query_one("#time", Static)
        line.display = True
        line.update(_row("estimated", text))

    # ---- answers -----------------------------------------------------------------------------------------------------

    def action_queue(self) -> None:
        """Change the queue."""
        self.set_focus(self.query_one("#queue", Input))

    @on(Input.Changed, "#queue")
    def _queue_changed(self, event: Input.Changed) -> None:
        try:
            check_name(event.value.strip(), "queue")
        except FlowError as error:
            self._say_wrong(safe(error, 160))
        else:
            self.queue = event.value.strip()
            self._say_wrong("")

    def _say_wrong(self, text: str) -> None:
        line = self.query_one("#wrong", Static)
        line.display = bool(text)
        line.update(Content.styled(f"✗ {text}", "$error"))

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
        if not self._sending:
            self.send()

    @work(exit_on_error=False)
    async def send(self) -> None:
        """Hand the flow over."""
        app = cast("FlowtuiApp", self.app)
        if app.read_only:
            self._say_wrong("this is read-only; start without --read-only to submit")
            return
        if app.backend is None:
            self._say_wrong(f"{app.connection_lost or 'the engine does not answer yet'}; enter tries again")
            return
        self._sending = True
        name = self.draft.settings.name
        try:
            await app.serve(self.queue)
            await FlowProducer(app.backend).add_flow(
                self.queue, self.jobs, flow_id=self.flow_id, name=None if name == DEFAULT_NAME else name
            )
        except (FlowError, OSError) as error:
            again = "; enter tries again" if isinstance(error, BackendError | OSError) else "; esc goes back"
            self._say_wrong(safe(redact_text(str(error) or type(error).__name__), 300) + again)
            return
        finally:
            self._sending = False
        self.dismiss(Submitted(self.flow_id, self.queue, self.ids))

    def action_python(self) -> None:
        """Leave with the script."""
        self.dismiss("python")

    def action_scroll(self, by: int) -> None:
        self.query_one("#what").scroll_relative(y=by, animate=False)

    def action_close(self) -> None:
        if self.focused is not None:
            self.query_one("#queue", Input).value = self.queue
            self.set_focus(None)
        else:
            self.dismiss(None)


def _row(name: str, value: str) -> Content:
    return Content.assemble((f"{name:<16}", "$foreground-muted"), (value, "$foreground"))


def _button(key: str, what: str, action: str, *, strong: bool = False) -> Content:
    style = "bold $background on $primary" if strong else "$foreground on $panel"
    return Content.assemble((f"  {key}  ", style), (f"{what}  ", style)).stylize(click(action))
