"""How the jobs of a draft look on the canvas. Pure, no textual."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from flowtui.changes import DraftJob
from flowtui.dag.graph import KIND, LABEL, GraphModel, Look, Node
from flowtui.draft import Draft
from flowtui.problems import SHELL
from flowtui.states import glyph
from flowtui.text import safe
from flowtui.times import duration

TRIGGERS: Mapping[str, str] = {
    "all_success": "",
    "all_done": "done",
    "one_success": "any",
    "one_failed": "fail",
}
"""What stands on a box for a trigger that is not the usual one."""


def badges(job: DraftJob) -> str:
    """What is special about a job, for the border of its box: trigger, retries, times."""
    parts = []
    if TRIGGERS.get(job.trigger):
        parts.append(f"?{TRIGGERS[job.trigger]}")
    if job.max_retries != 3:
        parts.append(f"↻{job.max_retries}")
    if job.delay:
        parts.append(f"◷{_short(job.delay)}")
    if job.repeat_every:
        parts.append(f"∞{_short(job.repeat_every)}")
    return " ".join(parts)


def _short(seconds: float) -> str:
    return duration(seconds).replace(".0s", "s")


def _does(job: DraftJob) -> str:
    """What stands below the name: the task, for a shell step the command."""
    if job.task == SHELL and job.args:
        command = job.args[0]
        return f"$ {command if isinstance(command, str) else ' '.join(map(str, command))}"
    return job.task


class Looks:
    """Nodes and looks of a draft; only those of jobs that changed are made anew."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        self.ascii_only = ascii_only
        self._of: Draft | None = None
        self._at = 0
        self._kept: dict[str, tuple[DraftJob, Look, Look]] = {}
        self._nodes: dict[str, Node] = {}
        self._calm: dict[str, Look] = {}
        self._groups: dict[str, str] = {}

    def of(self, draft: Draft, wrong: Collection[str] = ()) -> tuple[GraphModel, dict[str, Look]]:
        """What to draw: the jobs in `wrong` with a problem's glyph."""
        touched = draft.touched_since(self._at) if draft is self._of else None
        self._of, self._at = draft, draft.version
        self._follow(draft.jobs, {*self._kept, *draft.jobs} if touched is None else touched)
        looks = dict(self._calm)
        looks.update({key: self._kept[key][2] for key in wrong if key in self._kept})
        return GraphModel(dict(self._nodes), draft.links, dict(self._groups), draft.split()), looks

    def _follow(self, jobs: Mapping[str, DraftJob], touched: Iterable[str]) -> None:
        kept, nodes, calm, groups = self._kept, self._nodes, self._calm, self._groups
        for key in touched:
            job, known = jobs.get(key), kept.get(key)
            if job is None:
                for each in (kept, nodes, calm, groups):
                    each.pop(key, None)
            elif known is None or known[0] is not job:
                kept[key] = (job, *self._looks(job))
                nodes[key] = Node(key, safe(job.name, LABEL), safe(_does(job), KIND))
                calm[key] = kept[key][1]
                groups.pop(key, None)
                if job.group:
                    groups[key] = safe(job.group, LABEL)
        if list(nodes) != list(jobs):
            self._nodes = {key: nodes[key] for key in jobs}
            self._calm = {key: calm[key] for key in jobs}
        if groups:
            self._groups = {key: groups[key] for key in self._nodes if key in groups}

    def _looks(self, job: DraftJob) -> tuple[Look, Look]:
        top, task = badges(job), safe(_does(job), KIND)
        mark = glyph("draft", ascii=self.ascii_only)
        return Look(mark, "draft", "draft", top, task), Look("!", "problem", "problem", top, task)
