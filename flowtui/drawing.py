"""A drawing of a flow while it is read: nodes, links and groups as they are found. Pure, no textual."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Final, NoReturn

from core.errors import InvalidFlowFile
from flowtui.changes import DraftJob, Settings
from flowtui.draft import Draft

LINKS: Final = 200_000
"""Links up to which a drawing is read: `a & b --> c & d` says many in few letters."""
TOO_MANY: Final = f"more than {LINKS:,} links; split the flow"
LONGEST: Final = 256
"""Characters of a name."""


def refuse(text: str, at: int, where: str, problem: str) -> NoReturn:
    """Raise `InvalidFlowFile` with the line and column of the character at `at`."""
    line = text.count("\n", 0, at) + 1
    column = at - (text.rfind("\n", 0, at) + 1) + 1
    raise InvalidFlowFile(f"{where}:{line}:{column}: {problem}")


def plain(text: str) -> str:
    """A label in HTML as lines of text."""
    text = re.sub(r"(?i)<br\s*/?>|</tr>", "\n", text)
    text = html.unescape(re.sub(r"(?i)</td>|<[^<>]*>", " ", text))
    return "\n".join(line for each in text.split("\n") if (line := " ".join(each.split())))


@dataclass
class Drawing:
    """Labels by id of node, links oldest first, and groups: whose they are, what they are called, what holds them."""

    labels: dict[str, str] = field(default_factory=dict)
    links: dict[tuple[str, str], None] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    titles: list[str] = field(default_factory=list)
    around: list[int | None] = field(default_factory=list)

    def node(self, id: str, label: str | None = None, group: int | None = None) -> None:
        """A node was named; the last label counts, and the first group."""
        if label is not None:
            self.labels[id] = label
        else:
            self.labels.setdefault(id, id)
        if group is not None:
            self.groups.setdefault(id, group)

    def link(self, ups: list[str], downs: list[str]) -> bool:
        """Link each of `ups` with each of `downs`; False when that is more than anyone wants to read."""
        if len(self.links) + len(ups) * len(downs) > LINKS:
            return False
        for up in ups:
            for down in downs:
                self.links.setdefault((up, down))
        return True

    def group(self, title: str, around: int | None) -> int:
        """A new group, inside of another or not."""
        self.titles.append(title)
        self.around.append(around)
        return len(self.titles) - 1

    def members(self, group: int) -> list[str]:
        """The nodes of a group and of those inside of it."""
        inside = {group}
        for other, around in enumerate(self.around):
            if around in inside:
                inside.add(other)
        return [id for id in self.labels if self.groups.get(id) in inside]

    def draft(self, where: str) -> Draft:
        """The draft; a label of two lines is a name and a task. Raises `InvalidFlowFile` without nodes."""
        if not self.labels:
            raise InvalidFlowFile(f"{where}: no nodes in it")
        draft = Draft(Settings())
        jobs = []
        for id, label in self.labels.items():
            lines = label.strip().split("\n")
            # More than a name and a task is one text, of which no part may be lost.
            name, task = lines if len(lines) == 2 else (" ".join(" ".join(lines).split()), "")
            name = name.strip()[:LONGEST] or id.strip()[:LONGEST] or "node"
            group = self.groups.get(id)
            title = None if group is None else self.titles[group].strip()[:LONGEST] or None
            jobs.append(DraftJob(name, task.strip()[:LONGEST] or name, group=title))
        draft.insert(jobs, [], step="import")
        # Not by `link`, which lets no job wait for itself: a drawing may say so, and the draft must show it.
        data = draft.dump()
        place = {id: i for i, id in enumerate(self.labels)}
        data["links"] = [[place[up], place[down]] for up, down in self.links]
        return Draft.load(data)
