"""How the jobs of a draft look on the canvas. Pure, no textual."""

from __future__ import annotations

from collections.abc import Collection, Mapping

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
    """Nodes and looks of a draft; those of jobs that did not change are kept."""

    def __init__(self, *, ascii_only: bool = False) -> None:
        self.ascii_only = ascii_only
        self._kept: dict[str, tuple[DraftJob, Node, Look, Look]] = {}

    def of(self, draft: Draft, wrong: Collection[str] = ()) -> tuple[GraphModel, dict[str, Look]]:
        """What to draw: the jobs in `wrong` with a problem's glyph."""
        kept, self._kept = self._kept, {}
        nodes: dict[str, Node] = {}
        looks: dict[str, Look] = {}
        groups: dict[str, str] = {}
        for key, job in draft.jobs.items():
            known = kept.get(key)
            if known is None or known[0] is not job:
                known = (job, Node(key, safe(job.name, LABEL), safe(_does(job), KIND)), *self._looks(job))
            self._kept[key] = known
            nodes[key] = known[1]
            looks[key] = known[3] if key in wrong else known[2]
            if job.group:
                groups[key] = safe(job.group, LABEL)
        return GraphModel(nodes, draft.links, groups, draft.split()), looks

    def _looks(self, job: DraftJob) -> tuple[Look, Look]:
        top, task = badges(job), safe(_does(job), KIND)
        mark = glyph("draft", ascii=self.ascii_only)
        return Look(mark, "draft", "draft", top, task), Look("!", "problem", "problem", top, task)
