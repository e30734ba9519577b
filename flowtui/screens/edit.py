"""The form of a job, or of what several jobs have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, Static, TextArea

from core.errors import FlowError
from flowtui import forms
from flowtui.draft import Draft
from flowtui.forms import FIELDS, Spec
from flowtui.text import safe
from flowtui.widgets.bars import FooterBar
from flowtui.widgets.jsonarea import JsonArea

VARIES = "(varies)"
EMPTY = "(empty)"
"""What a field that varied says once it was typed into and is empty again."""


class Trigger(Widget, can_focus=True):
    """One of a few words, chosen with the arrows."""

    DEFAULT_CSS: ClassVar[str] = """
    Trigger { height: 1; width: 1fr; padding: 0 1; background: $background; }
    Trigger:focus { background: $primary 20%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,space", "step(1)", show=False),
        Binding("left", "step(-1)", show=False),
    ]
    value: reactive[str] = reactive("")

    class Changed(Message):
        """Another word was chosen."""

    def __init__(self, value: str, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.set_reactive(Trigger.value, value)

    def render(self) -> Content:
        shown = self.value or VARIES
        arrows = "$primary" if self.has_focus else "$foreground 30%"
        return Content.assemble(("‹ ", arrows), (shown, "$foreground"), (" ›", arrows))

    def action_step(self, by: int) -> None:
        words = forms.TRIGGERS
        at = words.index(self.value) if self.value in words else -1 if by > 0 else 0
        self.value = words[(at + by) % len(words)]
        self.post_message(self.Changed())

    def on_click(self, event: Click) -> None:
        self.action_step(1)


class EditScreen(ModalScreen[str | None]):
    """Edit `keys` of a draft; answers with what was done, or None.

    What is right is saved, a field that is wrong keeps the form open and says why.
    """

    CSS_PATH = "../styles/edit.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-usual"), (110, "-wide"), (150, "-huge")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (24, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", show=False),
        Binding("escape", "close", show=False),
    ]
    context = "edit"

    def __init__(self, draft: Draft, keys: Sequence[str], *, focus: str = "") -> None:
        super().__init__()
        self.draft = draft
        self.keys = list(keys)
        self.first = draft.jobs[self.keys[0]]
        self.many = len(self.keys) > 1
        self.command = forms.is_command(self.first) and not self.many
        self.start = focus
        self.before: dict[str, str] = {}
        self.wrong: dict[str, str] = {}
        self.doubts: dict[str, str] = {}
        """What may be saved, and stops a submit: results of what is no upstream."""
        self._emptied: set[str] = set()
        """Fields that varied and have been emptied."""
        self._leaving = False
        self._done = ""
        """The step of what has been saved while something else was still wrong."""

    # ---- what is shown -----------------------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        title = f"{len(self.keys)} jobs" if self.many else safe(self.first.name, 40)
        with Vertical(classes="window", id="form") as window:
            window.border_title = Content(f"Edit {title}")
            with VerticalScroll(id="inner", can_focus=False):
                with Grid(id="fields"):
                    for spec in self._specs():
                        yield from self._field(spec)
                if not self.many:
                    yield from self._area("args", "command" if self.command else "args")
                    yield from self._area("kwargs", "kwargs")
            yield Static(id="note", markup=False)
            yield FooterBar(only=(("ctrl+s", "save"), ("tab", "next field"), ("esc", "back")))

    def _specs(self) -> list[Spec]:
        return [spec for spec in FIELDS if spec.many or not self.many]

    def _field(self, spec: Spec) -> ComposeResult:
        values = {spec.show(getattr(self.draft.jobs[key], spec.field)) for key in self.keys}
        text = values.pop() if len(values) == 1 else ""
        varies = bool(values)
        self.before[spec.field] = text
        with Horizontal(classes="field"):
            yield Static(spec.label, classes="label", markup=False)
            if spec.field == "trigger":
                yield Trigger(text, id="f-trigger")
            else:
                yield Input(
                    text, id=f"f-{spec.field}", placeholder=VARIES if varies else "", select_on_focus=False
                )

    def _area(self, field: str, label: str) -> ComposeResult:
        value: Any = list(self.first.args) if field == "args" else dict(self.first.kwargs)
        text = str(self.first.args[0]) if field == "args" and self.command else forms.show_json(value)
        self.before[field] = text
        with Horizontal(classes="heading"):
            yield Static(label, classes="label", markup=False)
            yield Static(id=f"s-{field}", classes="verdict", markup=False)
        upstream = [self.draft.name(key) for key in self.draft.upstream(self.keys[0])]
        yield JsonArea(
            text,
            id=f"f-{field}",
            plain=field == "args" and self.command,
            offers=[forms.result_text(name) for name in upstream],
        )

    def on_mount(self) -> None:
        self.set_class(self.many, "-many")
        for spec in self._specs():
            self._check(spec.field)
        if not self.many:
            for field in ("args", "kwargs"):
                self.before[field] = self.text(field)  # an editor has its own line ends
                self._check(field)
        wanted = self.start or ("f-task" if self.many else "f-args")
        first = self.query_one(f"#{wanted}")
        first.focus()
        self.call_after_refresh(first.scroll_visible, animate=False)  # where it lies is known only then

    # ---- as one types ------------------------------------------------------------------------------------------------

    def text(self, field: str) -> str:
        """What stands in a field."""
        widget = self.query_one(f"#f-{field}")
        if isinstance(widget, TextArea):
            return widget.text
        assert isinstance(widget, Input | Trigger)
        return widget.value

    @on(Input.Changed)
    def _input_changed(self, event: Input.Changed) -> None:
        field = str(event.input.id)[2:]
        if event.input.placeholder == VARIES:
            event.input.placeholder = EMPTY
        if event.input.placeholder == EMPTY and not event.value:
            self._emptied.add(field)
        else:
            self._emptied.discard(field)
        self._typed(field)

    @on(TextArea.Changed)
    def _area_changed(self, event: TextArea.Changed) -> None:
        self._typed(str(event.text_area.id)[2:])

    @on(Trigger.Changed)
    def _trigger_changed(self) -> None:
        self._typed("trigger")

    def _typed(self, field: str) -> None:
        self._leaving = False
        self._check(field)
        self._explain()

    def on_descendant_focus(self) -> None:
        self._explain()

    def value(self, field: str) -> Any:
        """What a field says. Raises `ValueError` with a reason."""
        text = self.text(field)
        if field == "args":
            if self.command:
                if not text.strip():
                    raise ValueError("a command cannot be empty")
                return [text]
            return self._payload(args=forms.read_json(text, list, []))
        if field == "kwargs":
            return self._payload(kwargs=forms.read_json(text, dict, {}))
        spec = next(spec for spec in FIELDS if spec.field == field)
        value = forms.read_field(spec, text, self.first)
        if field == "name" and value != self.first.name and self.draft.key(value) is not None:
            raise ValueError(f"'{value}' is taken")
        return value

    def _payload(self, **field: Any) -> Any:
        """`args=` or `kwargs=`, as it is. Raises `ValueError` with what the engine would refuse about it."""
        job = replace(self.first, **{"args": [], "kwargs": {}, **field})
        if problem := forms.check_payload(job):
            raise ValueError(problem)
        return next(iter(field.values()))

    def _check(self, field: str) -> None:
        untouched = self.many and not self.is_touched(field)
        try:
            value = None if untouched else self.value(field)
        except ValueError as error:
            self.wrong[field] = safe(error, 160)
        else:
            self.wrong.pop(field, None)
            if field in ("args", "kwargs"):
                problem = forms.check_references(self.draft, self.keys[0], value)
                self.doubts[field] = safe(problem or "", 160)
                if problem is not None:
                    self._verdict(field, f"! {safe(problem, 60)}", "$warning")
                    return
        if field in ("args", "kwargs"):
            if field in self.wrong:
                self._verdict(field, f"✗ {self.wrong[field]}", "$error")
            else:
                self._verdict(field, "" if self.command and field == "args" else "✓ valid JSON", "$success")
        else:
            self.query_one(f"#f-{field}").set_class(field in self.wrong, "-wrong")

    def _verdict(self, field: str, text: str, color: str) -> None:
        self.query_one(f"#s-{field}", Static).update(Content.styled(text, color))

    def _explain(self) -> None:
        """The line at the bottom: what is wrong with the field that has the focus, or what it means."""
        focused = self.focused
        field = str(focused.id)[2:] if focused is not None and focused.id else ""
        note = self.query_one("#note", Static)
        if field in self.wrong:
            rest = " · the rest is saved" if self._done else ""
            note.update(Content.styled(f"✗ {self.wrong[field]}{rest}", "$error"))
            return
        if self.doubts.get(field):
            note.update(Content.styled(f"! {self.doubts[field]}", "$warning"))
            return
        spec = next((spec for spec in FIELDS if spec.field == field), None)
        if spec is not None:
            text = spec.help
        elif field == "args":
            text = "the command, for /bin/sh" if self.command else "a JSON list"
        else:
            text = "a JSON object"
        if field in ("args", "kwargs") and not (self.command and field == "args"):
            text += '; "${jobs.NAME.result}" takes the result of an upstream'
            if self.draft.upstream(self.keys[0]):
                text = text.replace(" takes the result of an upstream", ": $ offers an upstream, → takes it")
        note.update(Content.styled(text, "$foreground-muted"))

    # ---- leaving -----------------------------------------------------------------------------------------------------

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_save()

    def touched(self) -> list[str]:
        """The fields whose text is not what it was."""
        return [field for field in self.before if self.is_touched(field)]

    def is_touched(self, field: str) -> bool:
        """Whether a field is another one now; one that varied is, once it was typed into, also when it is empty."""
        return field in self._emptied or self.text(field) != self.before[field]

    def action_save(self) -> None:
        """Save what is right; where something is wrong, stay there and say why."""
        touched = self.touched()
        for field in touched:
            self._check(field)
        right = {field: self.value(field) for field in touched if field not in self.wrong}
        if "args" in right or "kwargs" in right:
            self._check_payload(right)
        if right:
            try:
                self.draft.edit(self.keys, **right)
            except FlowError as error:
                self._say_wrong("name", safe(error, 160))
                return
            for field in right:
                self.before[field] = self.text(field)
                self._emptied.discard(field)
            self.first = self.draft.jobs[self.keys[0]]
            self._done = self.draft.steps[-1].name
        bad = [field for field in self.before if field in self.wrong]
        if bad:
            self._say_wrong(bad[0], self.wrong[bad[0]])
            return
        self.dismiss(self._done or None)

    def _check_payload(self, right: dict[str, Any]) -> None:
        job = replace(
            self.first, args=right.get("args", self.first.args), kwargs=right.get("kwargs", self.first.kwargs)
        )
        problem = forms.check_payload(job)
        if problem is not None:
            field = "args" if "args" in right else "kwargs"
            for name in ("args", "kwargs"):
                right.pop(name, None)
            self.wrong[field] = safe(problem, 160)

    def _say_wrong(self, field: str, reason: str) -> None:
        self.wrong[field] = reason
        self.query_one(f"#f-{field}").focus()
        self._explain()

    def action_close(self) -> None:
        """Leave; with changes, only when asked twice."""
        if self.touched() and not self._leaving:
            self._leaving = True
            what = "the rest of it" if self._done else "it"
            text = f"not saved yet: ctrl+s saves, esc again leaves {what} as it was"
            self.query_one("#note", Static).update(Content.styled(text, "bold $warning"))
            return
        self.dismiss(self._done or None)
