"""Choose a shape to insert; the graph above shows what it would become."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from flowtui.templates import TEMPLATES, Made, read_wish
from flowtui.text import safe
from flowtui.widgets.bars import Clickable, FooterBar, click


class TemplateScreen(ModalScreen[Made | None]):
    """Answers with the jobs to insert. `show` is called with them at every change, for a preview."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", show=False),
        Binding("down,tab", "step(1)", show=False),
        Binding("up,shift+tab", "step(-1)", show=False),
        # With priority, because the line would take them; they overtake letters, which does no harm here.
        Binding("right", "step(1)", show=False, priority=True),
        Binding("left", "step(-1)", show=False, priority=True),
    ]
    context = "template"

    def __init__(self, where: str, show: Callable[[Made | None], None]) -> None:
        super().__init__()
        self.where = where
        self.show = show
        self.made: Made | None = None
        self.problem = ""
        self._seen: tuple[str, str] | None = None
        """What the preview is of: the line and the shape."""

    def compose(self) -> ComposeResult:
        with Vertical(id="template") as window:
            window.border_title = Content(f"Template, {self.where}")
            yield Shapes(id="shapes")
            yield Static(id="note", markup=False)
            with Horizontal(id="line"):
                yield Static("template", id="label", markup=False)
                yield Input(placeholder="[name] [number] [task]     e.g.  map 10 app.thumb")
            yield FooterBar(only=(("enter", "insert"), ("← →", "choose"), ("esc", "back")))

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._preview()

    @on(Input.Changed)
    def _typed(self) -> None:
        self._preview()

    def _preview(self) -> None:
        shapes, line = self.query_one(Shapes), self.query_one(Input).value
        wish = read_wish(line, shapes.chosen)
        shapes.chosen = wish.template.id
        if self._seen == (line, shapes.chosen):
            return
        self._seen = line, shapes.chosen
        try:
            self.made, self.problem = wish.make(), ""
        except ValueError as error:
            self.made, self.problem = None, safe(error, 120)
        note = self.query_one("#note", Static)
        about = wish.template.about
        if self.problem:
            note.update(
                Content.styled(self.problem, "$warning" if wish.template.id == "matrix" else "$error")
            )
        elif wish.template.size:
            note.update(f"{about} · {wish.count} {wish.template.size}; type a number, a task, or both")
        else:
            note.update(f"{about} · {len(self.made.jobs) if self.made else 0} jobs")
        self.show(self.made)

    def choose(self, template: str) -> None:
        """Take another shape. What was typed as a name gives way."""
        line = self.query_one(Input)
        self.query_one(Shapes).chosen = template
        kept = [word for word in line.value.split() if word.isdecimal() or "=" in word or "." in word]
        with line.prevent(Input.Changed):
            line.value = " ".join(kept)
        self._preview()

    def action_choose(self, template: str) -> None:
        self.choose(template)

    def action_step(self, by: int) -> None:
        ids = [template.id for template in TEMPLATES]
        self.choose(ids[(ids.index(self.query_one(Shapes).chosen) + by) % len(ids)])

    @on(Input.Submitted)
    def action_take(self) -> None:
        self._preview()
        if self.made is None:
            self.app.bell()
            return
        self.dismiss(self.made)

    def action_close(self) -> None:
        self.dismiss(None)


class Shapes(Clickable):
    """The names of the templates on one line, one of them chosen."""

    chosen: reactive[str] = reactive(TEMPLATES[0].id)

    def render(self) -> Content:
        parts = []
        for template in TEMPLATES:
            style = "bold $foreground on $primary 35%" if template.id == self.chosen else "$foreground-muted"
            part = Content.styled(f" {template.name} ", style)
            parts.append(part.stylize(click(f"choose('{template.id}')")))
        return Content.assemble(" ", Content(" ").join(parts))
