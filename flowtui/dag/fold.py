"""A smaller picture of the same flow: identical siblings as one node, groups as one node, only what is near.

Two nodes are alike when they have the same level and kind and their neighbours, on both sides, are alike: colour
refinement, until no class splits any more. All members of a class are on one level, so links between classes climb and
the folded picture is a DAG again. Nodes that stand out (failed ones) begin with a colour of their own, and so take what
hangs on them out of the fold as well: the one sample that failed is seen with its whole lane.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace

from flowtui.dag.cycles import adjacency, levels
from flowtui.dag.graph import GraphModel, Link, Look, Node

SMALLEST = 3
"""Fewer alike nodes than this stay on their own."""

AUTO_FOLD = 2000
"""Flows with more nodes are shown folded first."""


@dataclass(slots=True)
class View:
    """What is drawn of a flow. A node that stands for several has the id of the first of them."""

    model: GraphModel
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)  # only of nodes that stand for several
    shown_as: dict[str, str] = field(
        default_factory=dict
    )  # node of the flow -> node of the picture, where they differ
    collapsed: dict[str, str] = field(default_factory=dict)  # node of the picture -> the group it stands for

    def place_of(self, node: str) -> str | None:
        """The node of the picture that shows a node of the flow, or None if it is not in this view."""
        shown = self.shown_as.get(node, node)
        return shown if shown in self.model.nodes else None


def view_of(
    model: GraphModel,
    *,
    fold: bool = False,
    unfolded: Set[str] = frozenset(),
    standing_out: Set[str] = frozenset(),
    collapsed: Set[str] = frozenset(),
    focus: tuple[str, int] | None = None,
) -> View:
    """The view of a flow: first only what is near (`focus`), then collapsed groups, then folded siblings.

    `unfolded` names one or more members of classes that stay apart; `focus` is a node and a number of links.
    """
    if focus is not None and focus[0] in model.nodes:
        model = _near(model, *focus)
    parts: dict[str, list[str]] = {}
    groups: dict[str, str] = {}
    if collapsed:
        by_group: dict[str, list[str]] = {}
        for node in model.nodes:
            group = model.groups.get(node)
            if group in collapsed and group is not None:
                by_group.setdefault(group, []).append(node)
        for group, nodes in by_group.items():
            parts[nodes[0]] = nodes
            groups[nodes[0]] = group
    if fold:
        taken = {node for nodes in parts.values() for node in nodes}
        for nodes in classes(model, standing_out):
            if len(nodes) >= SMALLEST and taken.isdisjoint(nodes) and unfolded.isdisjoint(nodes):
                parts[nodes[0]] = nodes
    if not parts:
        return View(model)
    return _quotient(model, parts, groups)


def classes(model: GraphModel, standing_out: Set[str] = frozenset()) -> list[list[str]]:
    """The nodes of the flow by class of alike nodes, each class in the order of the flow."""
    kept, _ = model.acyclic()
    names = list(model.nodes)
    number = {name: i for i, name in enumerate(names)}
    level = levels(adjacency(names, kept))
    kinds: dict[tuple[int, str, bool, str], int] = {}
    colour = []
    for name in names:
        node = model.nodes[name]
        # Without a kind, names that differ only in their number are of one kind.
        kind = node.kind or stem(node.label)
        key = (level[name], kind, name in standing_out, model.groups.get(name, ""))
        colour.append(kinds.setdefault(key, len(kinds)))
    up: list[list[int]] = [[] for _ in names]
    down: list[list[int]] = [[] for _ in names]
    for source, target in kept:
        s, t = number[source], number[target]
        down[s].append(t)
        up[t].append(s)
    final = _refined(colour, up, down)
    found: dict[tuple[int, int], list[str]] = {}
    for i, name in enumerate(names):
        found.setdefault((level[name], final[i]), []).append(name)
    return list(found.values())


def _refined(colour: list[int], up: list[list[int]], down: list[list[int]]) -> list[int]:
    """Split classes by the classes of their neighbours until nothing splits."""
    count = len(set(colour))
    while True:
        # A sum of scattered numbers stands for the multiset of neighbours: independent of their order.
        scattered = [hash((c, 0x9E3779B9)) for c in colour]
        look = scattered.__getitem__
        keys = [
            (c, sum(map(look, parents)), sum(map(look, children)))
            for c, parents, children in zip(colour, up, down, strict=True)
        ]
        numbers: dict[tuple[int, int, int], int] = {}
        colour = [numbers.setdefault(key, len(numbers)) for key in keys]
        if len(numbers) == count:
            return colour
        count = len(numbers)


def _near(model: GraphModel, centre: str, steps: int) -> GraphModel:
    """The part of a flow within `steps` links of a node, whatever their direction.

    A node with links that lead out of it says how many: `+3` behind its name.
    """
    near: dict[str, list[str]] = {}
    for source, target in model.links:
        near.setdefault(source, []).append(target)
        near.setdefault(target, []).append(source)
    seen = {centre}
    edge = [centre]
    for _ in range(steps):
        edge = list(dict.fromkeys(node for at in edge for node in near.get(at, ()) if node not in seen))
        seen.update(edge)
    beyond = {name: sum(other not in seen for other in near.get(name, ())) for name in edge}
    nodes = {
        name: replace(node, label=f"{node.label} +{beyond[name]}") if beyond.get(name) else node
        for name, node in model.nodes.items()
        if name in seen
    }
    links = [link for link in model.links if link[0] in seen and link[1] in seen]
    return GraphModel(nodes, links, {name: group for name, group in model.groups.items() if name in seen})


def _quotient(model: GraphModel, parts: Mapping[str, list[str]], groups: Mapping[str, str]) -> View:
    shown_as = {node: first for first, nodes in parts.items() for node in nodes}
    nodes: dict[str, Node] = {}
    for name, node in model.nodes.items():
        first = shown_as.get(name, name)
        if first not in parts:
            nodes[name] = node
        elif first == name:
            members = parts[first]
            if first in groups:
                nodes[name] = Node(name, f"{groups[first]} ({len(members)})", "group")
            else:
                label = common_label([model.nodes[m].label for m in members]) or node.kind or node.label
                nodes[name] = Node(name, f"{label} ×{len(members)}", node.kind)
    links: dict[Link, None] = {}
    for source, target in model.links:
        s, t = shown_as.get(source, source), shown_as.get(target, target)
        # A link inside a collapsed group has no picture.
        if s != t or source == target:
            links[s, t] = None
    kept_groups = {name: group for name, group in model.groups.items() if name in nodes}
    members_of = {first: tuple(names) for first, names in parts.items()}
    return View(GraphModel(nodes, list(links), kept_groups), members_of, shown_as, dict(groups))


def stem(label: str) -> str:
    """A name without its number: `trim_17` and `trim_4` are both `trim`."""
    return label.rstrip("0123456789").rstrip("_-.:#/ ") or label


def common_label(labels: Collection[str]) -> str:
    """What the labels of alike nodes have in common, without a number or separator at its end."""
    first, last = min(labels), max(labels)  # what these two share, all share
    same = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last))
    )
    shared = stem(first[:same])
    return shared if len(shared) > 1 else ""


STANDING_OUT = frozenset({"failed", "problem"})
"""States whose nodes stay out of a fold."""

_RANK = (
    "failed",
    "problem",
    "active",
    "expired",
    "cancelled",
    "delayed",
    "waiting",
    "blocked",
    "skipped",
    "draft",
)
_DONE = frozenset({"completed", "skipped"})


class Tally:
    """How the members of one folded node are doing, kept up as they change one by one."""

    __slots__ = ("counts", "partial", "total")

    def __init__(self, looks: Iterable[Look]) -> None:
        self.counts: dict[tuple[str, str], int] = {}
        self.partial = 0.0
        self.total = 0
        for look in looks:
            self.total += 1
            self._count(look, 1)

    def replace(self, old: Look, new: Look) -> None:
        """One member looks different now."""
        self._count(old, -1)
        self._count(new, 1)

    def _count(self, look: Look, sign: int) -> None:
        key = (look.style, look.glyph)
        now = self.counts.get(key, 0) + sign
        if now:
            self.counts[key] = now
        else:
            self.counts.pop(key, None)
        self.partial += sign * (1.0 if look.style in _DONE else look.progress or 0.0)

    def look(self) -> Look:
        """The members as one: the state that most needs an eye, counts by state above, progress of all below."""
        if not self.counts:
            return Look("○", "", "draft")
        ranked = sorted(self.counts, key=lambda key: _RANK.index(key[0]) if key[0] in _RANK else len(_RANK))
        style, glyph = ranked[0]
        if all(key[0] in ("draft", "problem") for key in self.counts):  # nothing runs: no bar
            wrong = sum(count for key, count in self.counts.items() if key[0] == "problem")
            return Look(glyph, f"{self.total} draft", style, top=f"!{wrong}" if wrong else "")
        # The bar tells how many are done; above it stand those that are not, the most urgent first.
        top = " ".join(f"{key[1]}{self.counts[key]}" for key in ranked if key[0] not in _DONE)
        word = ", ".join(f"{self.counts[key]} {key[0]}" for key in ranked)
        return Look(glyph, word, style, top=top, progress=self.partial / self.total)
