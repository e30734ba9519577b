"""Every problem of the draft, with a jump to its job and a key that cuts a cycle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

from textual.binding import Binding, BindingType

from flowtui.problems import Problem
from flowtui.screens.pick import PickScreen, Row
from flowtui.text import safe

CUT: Final = "cut:"


class ProblemsScreen(PickScreen):
    """Answers with the index of the problem to go to, or `cut:` and the index of one whose link is to be cut."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+x", "cut", show=False, priority=True)]

    def __init__(self, problems: Sequence[Problem], *, title: str = "Problems") -> None:
        rows = [
            Row(
                str(i),
                safe(problem.text, 300),
                right="ctrl+x" if problem.link else "",
                lead=("✗", "bold $error") if problem.blocks else ("!", "bold $warning"),
            )
            for i, problem in enumerate(problems)
        ]
        blocking = sum(problem.blocks for problem in problems)
        hint = "enter goes there · esc closes"
        if any(problem.link for problem in problems):
            hint = "enter goes there · ctrl+x cuts the newest link · esc closes"
        hints = len(problems) - blocking
        counts = [f"{blocking} {'blocks' if blocking == 1 else 'block'} submit"] if blocking else []
        counts += [f"{hints} {'hint' if hints == 1 else 'hints'}"] if hints else []
        super().__init__(f"{title} · {', '.join(counts)}", rows, hint=hint, placeholder="type to filter")
        self.problems = list(problems)

    def action_cut(self) -> None:
        """Cut the link of the problem under the cursor."""
        from flowtui.widgets.choice import ChoiceList

        chosen = self.query_one(ChoiceList).chosen
        if chosen and self.problems[int(chosen)].link is not None:
            self.dismiss(CUT + chosen)
        else:
            self.app.bell()
