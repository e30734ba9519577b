"""Compose: a flow as a graph, changed by single keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.binding import BindingType
from textual.content import Content

from flowtui.actions import bindings
from flowtui.dag.graph import Look
from flowtui.dag.widget import GraphCanvas
from flowtui.looks import Looks
from flowtui.screens.building import Building
from flowtui.screens.exchanging import Exchanging
from flowtui.screens.filing import Filing
from flowtui.screens.handover import hand_over
from flowtui.templates import Made
from flowtui.text import counted, safe
from flowtui.widgets.bars import Line
from flowtui.widgets.inspector import Inspector
from flowtui.widgets.outline import Outline
from flowtui.widgets.prompt import Prompt, Question

if TYPE_CHECKING:
    from flowtui.screens.submit import Submitted

WHILE_CONNECTING = frozenset(
    {"turn_link", "find", "jump", "back", "zoom", "fit", "turn", "outline", "next", "previous"}
)


class ComposeScreen(Building, Filing, Exchanging):
    """The flow being composed."""

    CSS_PATH = "../styles/compose.tcss"
    BINDINGS: ClassVar[list[BindingType]] = bindings("compose", "connect")

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """While a link is being made only its own keys work; the prompt has the keyboard to itself."""
        if not self.is_mounted:
            return True
        if f"action_{action}" not in _COMPOSE_ACTIONS:
            return True
        if self.prompt.is_open:
            return False
        if action == "turn_link":
            return self.connecting is not None
        return self.connecting is None or action in WHILE_CONNECTING

    @on(GraphCanvas.Opened)
    @on(Outline.Opened)
    def _opened(self) -> None:
        if self.connecting is not None:
            self.finish_link()
        else:
            self.action_edit()

    def action_edit(self) -> None:
        """Edit the job, or the marked jobs together."""
        self.edit(self.chosen())

    def edit(self, keys: Sequence[str], *, focus: str = "") -> None:
        """Open the form."""
        from flowtui.screens.edit import EditScreen

        if not keys:
            self.refuse("there is no job to edit yet; a adds one")
            return
        cursor = self.cursor

        def edited(done: str | None) -> None:
            if self.draft.version != self._drawn:
                self.canvas.clear_marks()
                self.changed(cursor=cursor)
            if done:
                self.say(f"{safe(done, 60)} · u undoes")

        self.app.push_screen(EditScreen(self.draft, keys, focus=focus), edited)

    def action_back(self) -> None:
        """One step out: of connecting, of the search, of the marks."""
        if self.canvas.let_go():
            self.say("nothing is linked; drag to another job to link them")
        elif self.connecting is not None:
            self.stop_connecting()
        elif isinstance(self.focused, Inspector):
            (self.outline if self.as_outline else self.canvas).focus()
        elif self.search:
            self._find("")
            self.show_lines()
        elif self.canvas.marks:
            self.canvas.clear_marks()
        elif self.canvas.near_steps is not None:
            self.canvas.show_near(None)
            self.quiet()
        elif self.canvas.fold == "on":
            self.canvas.fold = "auto"
            self.quiet()
        else:
            self.quiet()

    def action_pane(self) -> None:
        """The next pane."""
        here = self.focused
        self.focus_next()
        if self.focused is here and not self.draft.jobs:
            self.refuse("there is no other pane yet; a adds a job")
        elif self.focused is here:
            self.say("there is no other pane to go to; v shows the outline")

    # ---- templates ---------------------------------------------------------------------------------------------------

    def action_template(self) -> None:
        """Choose a shape, seen in the graph while one types."""
        from flowtui.screens.template import TemplateScreen

        after, cursor = self.chosen(), self.cursor
        trials = Looks(ascii_only=self.flowtui.ascii_only)

        def show(made: Made | None) -> None:
            trial = self.draft.copy()
            keys = trial.insert(made.jobs, made.links, step="", upstream=after) if made else []
            model, looks = trials.of(trial)
            self.set_class(not trial.jobs, "-empty")
            for key in keys:
                looks[key] = Look("+", "new", "completed", "", looks[key].bottom)
            self.canvas.show(model, looks)
            self.point(keys[0] if keys else cursor)
            self.show_outline(trial, model, looks)
            self.query_one("#here", Line).show(Content.styled(f" {len(keys)} new jobs", "$success"))

        def done(made: Made | None) -> None:
            if made is None:
                self.changed(cursor=cursor)
                return
            keys = self.draft.insert(
                made.jobs, made.links, step=f"insert {len(made.jobs)} jobs", upstream=after
            )
            self.canvas.clear_marks()
            self.changed(cursor=keys[0])
            self.say(f"inserted {len(keys)} jobs · u undoes")

        where = "after " + self._naming(after) if after else "without links"
        self.app.push_screen(TemplateScreen(where, show), done)

    # ---- check and submit --------------------------------------------------------------------------------------------

    def action_problems(self) -> None:
        """Every problem, with a jump to its job."""
        if not self.problems:
            self.say(
                "no problems: the flow can be submitted with s" if self.draft.jobs else "no problems yet"
            )
            return
        self._show_problems("Problems")

    def _show_problems(self, title: str) -> None:
        from flowtui.screens.problems import CUT, ProblemsScreen

        problems = list(self.problems)

        def chosen(answer: str | None) -> None:
            if answer is None:
                return
            problem = problems[int(answer.removeprefix(CUT))]
            if answer.startswith(CUT) and problem.link is not None:
                self.draft.unlink([problem.link])
                self.changed(cursor=problem.link[0])
                self.say(f"{self.draft.steps[-1].name} · u undoes")
            elif problem.key is not None:
                self.go_to(problem.key)

        self.app.push_screen(ProblemsScreen(problems, title=title), chosen)

    def action_submit(self) -> None:
        """A last look, then submit; where something blocks, what it is."""
        if not self.draft.jobs:
            self.refuse("there is nothing to submit yet; a adds a job, t starts from a template")
            return
        if self.flowtui.read_only:
            self.refuse("this is read-only; start without --read-only to submit")
            return
        if any(problem.blocks for problem in self.problems):
            self._show_problems("Submit is blocked")
            return
        from flowtui.screens.submit import SubmitScreen, Submitted

        async def answered(answer: Submitted | str | None) -> None:
            if isinstance(answer, Submitted):
                await self._submitted(answer)
            elif answer == "python":
                self._copy(lambda: self._text("python"), "the script")

        self.app.push_screen(SubmitScreen(self.draft, self.problems), answered)

    async def _submitted(self, done: Submitted) -> None:
        count = len(done.ids)
        if done.queue != self.draft.settings.queue:
            self.draft.set_flow(queue=done.queue)
            self.changed()
        self.say(f"submitted {counted(count, 'job')} to {safe(done.queue, 40)}; 2 shows them")
        cursor = self.cursor
        source = self.canvas
        await self.flowtui.open_flow(
            done.flow_id, job=done.ids.get(cursor) if cursor else None, queue=done.queue
        )
        for canvas in self.app.screen.query(GraphCanvas):
            if canvas is not source:
                hand_over(source, canvas, done.ids)

    # ---- find and jump -----------------------------------------------------------------------------------------------

    def action_find(self) -> None:
        """Find as one types."""
        if self.one("find") is None:
            return
        start = self.cursor

        def changed(text: str) -> str:
            self._find(text)
            if self.matches:
                self.point(self.matches[0])
            if not text:
                return ""
            hidden = len(self._hidden_matches())
            beyond = f", {hidden} more beyond what is shown" if hidden else ""
            return f"{len(self.matches)} found{beyond}" if self.matches or hidden else "nothing found"

        def take(text: str) -> str | None:
            if text and not self.matches:
                if not self._hidden_matches():
                    return f"no job's name or task holds '{safe(text, 40)}'"
                self.canvas.show_near(None)
                self._find(text)
            if self.matches:
                self.go_to(self.matches[0])
            return None

        def closed() -> None:
            self._find("")
            self.point(start)

        hint = "enter stays there, n and N go on, esc goes back"
        self.ask(Question("find", take, hint=hint, changed=changed, closed=closed))

    def _find(self, text: str) -> None:
        self.search = text
        self.matches = self.canvas.find(text)

    def _hidden_matches(self) -> list[str]:
        """Jobs that the search would find if everything was shown."""
        if self.canvas.near_steps is None or not self.search:
            return []
        wanted, seen = self.search.casefold(), set(self.matches)
        return [
            key
            for key, job in self.draft.jobs.items()
            if key not in seen and (wanted in job.name.casefold() or wanted in job.task.casefold())
        ]

    def go_to(self, key: str) -> None:
        """The cursor goes to a job; what hides it is opened."""
        stands_for = self.canvas.reveal(key)
        self._point_in_outline(key)
        if stands_for > 1 and not self.in_outline:
            self.say(f"{safe(self.draft.name(key), 40)} is one of the {stands_for} in this box; - opens it")

    def action_next(self) -> None:
        """The next match, or the next problem."""
        self._go(1)

    def action_previous(self) -> None:
        """The previous match, or problem."""
        self._go(-1)

    def _go(self, by: int) -> None:
        found = self.matches if self.search else []
        if self.search:
            self.matches = self.canvas.find(self.search)
            found = self.matches + self._hidden_matches()
        problems = [problem for problem in self.problems if problem.key and problem.key in self.draft.jobs]
        # What keeps the flow from being submitted comes before all hints.
        problems = [problem for problem in problems if problem.blocks] or problems
        places = found or list(dict.fromkeys(problem.key for problem in problems if problem.key))
        if not places:
            self.refuse(
                f"nothing holds '{safe(self.search, 30)}'; esc ends the search"
                if self.search
                else "no problem; / finds a job"
                if self.draft.jobs
                else "no problem yet; a adds a job"
            )
            return
        here = places.index(self.cursor) if self.cursor in places else -1 if by > 0 else 0
        to = places[(here + by) % len(places)]
        self.go_to(to)
        if not found:
            problem = next(problem for problem in problems if problem.key == to)
            self.say(problem.text, "refused" if problem.blocks else "")

    def action_jump(self) -> None:
        """Letters on the jobs."""
        if self.as_outline:
            self.action_find()
        elif self.one("jump to") is not None:
            self.canvas.focus()
            self.canvas.start_jump()

    # ---- view --------------------------------------------------------------------------------------------------------

    def action_outline(self) -> None:
        """Graph or outline."""
        self.canvas.let_go()
        self.as_outline = not self.as_outline
        self.set_class(self.as_outline, "-outline")
        self.call_after_refresh(self._turned)

    def _turned(self) -> None:
        self.show_outline()
        self.give_focus()
        if not self.draft.jobs:
            self.say(
                "the outline, once there are jobs · v shows the graph" if self.as_outline else "the graph"
            )

    def action_zoom(self) -> None:
        """The next size of boxes."""
        self.canvas.zoom = (self.canvas.zoom - 1) % 3
        self.say(("dots", "names", "boxes")[self.canvas.zoom])

    def action_fit(self) -> None:
        """All on the screen, as large as it can be."""
        self.canvas.fit()

    def action_turn(self) -> None:
        """Left to right, or top to bottom."""
        self.canvas.direction = "TB" if self.canvas.direction == "LR" else "LR"
        self.say("from left to right" if self.canvas.direction == "LR" else "from top to bottom")

    def action_fold(self) -> None:
        """Draw a group, or alike jobs, as one box; or open it."""
        if self.one("fold") is None:
            return
        folded = self.canvas.fold_here()
        if folded == 0:
            self.refuse("no jobs are alike enough to fold; G puts jobs into a group, which folds")
        elif folded:
            self.say("alike jobs are one box now; - opens one, esc opens all")
        self.show_lines()

    def action_near(self) -> None:
        """Only what is near the cursor, further with each press; then everything again."""
        if self.one("look around") is None:
            return
        self.say(self.canvas.show_further())

    @property
    def prompt(self) -> Prompt:
        """The line at the bottom."""
        return self.query_one(Prompt)


_COMPOSE_ACTIONS = frozenset(
    name
    for cls in ComposeScreen.__mro__
    if cls.__module__.startswith("flowtui.")
    for name in vars(cls)
    if name.startswith("action_")
)
