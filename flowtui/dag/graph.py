"""What is drawn: nodes and links, and how each node looks just now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from flowtui.dag.cycles import split_newest

Link = tuple[str, str]
LABEL: Final = 40
"""Most characters of a name in a box: the same wherever a flow is drawn, so that it looks the same."""
KIND: Final = 200
"""Most characters of a kind: what differs only behind them is folded as alike."""


@dataclass(frozen=True, slots=True)
class Node:
    """A job as the drawing knows it. `label` has passed `safe()`; `kind` is its task, the key for folding."""

    id: str
    label: str
    kind: str = ""


@dataclass(slots=True)
class Look:
    """What changes about a node while its place stays: one per node, replaced as the job moves on.

    `style` is the name of a state ("draft", "active", "failed", ...) and picks the colour; `top` and `bottom` are short
    texts for the borders of the box (timing and task), `progress` runs from 0 to 1 and takes the place of `bottom`.
    """

    glyph: str
    word: str
    style: str
    top: str = ""
    bottom: str = ""
    progress: float | None = None


PLAIN = Look("○", "", "draft")


@dataclass(slots=True)
class GraphModel:
    """Nodes by id, links (upstream id, downstream id) oldest first, and the named group of a node, if it has one.

    Links may close cycles while a flow is being composed: `acyclic()` says which of them the layout leaves out. A link
    to an id that is not in `nodes` is ignored. Who knows already which links close a cycle hands over that `split`.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    groups: dict[str, str] = field(default_factory=dict)
    split: tuple[list[Link], list[Link]] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(
        cls, links: Iterable[Link], alone: Iterable[str] = (), kinds: Mapping[str, str] | None = None
    ) -> GraphModel:
        """A model from pairs of names; `alone` adds nodes that may have no link."""
        kinds = kinds or {}
        pairs = list(links)
        names = dict.fromkeys(name for pair in pairs for name in pair)
        names.update(dict.fromkeys(alone))
        return cls({name: Node(name, name, kinds.get(name, "")) for name in names}, pairs)

    def acyclic(self) -> tuple[list[Link], list[Link]]:
        """The links without those that close a cycle, and those: of each cycle its newest link. No duplicates."""
        if self.split is not None:
            return self.split
        known = self.nodes
        links = [link for link in dict.fromkeys(self.links) if link[0] in known and link[1] in known]
        return split_newest(links)
