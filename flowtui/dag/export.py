"""A flow as text that other tools draw: Mermaid, DOT, JSON, and our own picture as SVG."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape

from rich.cells import cell_len

from flowtui.dag.graph import PLAIN, GraphModel, Look
from flowtui.dag.layout import Layout
from flowtui.dag.paint import box_text, pieces

CELL_WIDTH, CELL_HEIGHT, FONT_SIZE = 8.4, 17.0, 14
INK, PAPER, LINE = "#1f2328", "#ffffff", "#6e7781"
COLOURS = {
    "active": "#9a6700",
    "completed": "#1a7f37",
    "failed": "#cf222e",
    "problem": "#cf222e",
    "delayed": "#0969da",
    "expired": "#9a6700",
    "blocked": "#6e7781",
    "skipped": "#8c959f",
    "cancelled": "#8c959f",
}


def _numbers(model: GraphModel) -> dict[str, str]:
    """A plain identifier for every node: names may hold anything."""
    return {name: f"n{i}" for i, name in enumerate(model.nodes)}


def _groups(model: GraphModel) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in model.nodes:
        if name in model.groups:
            found.setdefault(model.groups[name], []).append(name)
    return found


def _links(model: GraphModel) -> list[tuple[str, str]]:
    return [(s, t) for s, t in dict.fromkeys(model.links) if s in model.nodes and t in model.nodes]


def to_mermaid(model: GraphModel, direction: str = "LR") -> str:
    """A Mermaid flowchart; named groups are subgraphs."""
    number = _numbers(model)
    lines = [f"flowchart {direction}"]

    def node(name: str, indent: str) -> str:
        # Mermaid reads entities of the form #name; in quoted labels, and nothing else.
        label = "".join(
            c if c.isalnum() or c in " _-./:()" else f"#{ord(c)};" for c in model.nodes[name].label
        )
        return f'{indent}{number[name]}["{label}"]'

    groups = _groups(model)
    grouped = {name for names in groups.values() for name in names}
    lines += [node(name, "    ") for name in model.nodes if name not in grouped]
    for i, (group, names) in enumerate(groups.items()):
        title = "".join(c if c.isalnum() or c in " _-." else f"#{ord(c)};" for c in group)
        lines.append(f'    subgraph g{i}["{title}"]')
        lines += [node(name, "        ") for name in names]
        lines.append("    end")
    lines += [f"    {number[s]} --> {number[t]}" for s, t in _links(model)]
    return "\n".join(lines) + "\n"


def to_dot(model: GraphModel, direction: str = "LR") -> str:
    """A Graphviz digraph; named groups are clusters."""
    number = _numbers(model)

    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'

    lines = ["digraph flow {", f"    rankdir={direction};", "    node [shape=box, style=rounded];"]
    groups = _groups(model)
    grouped = {name for names in groups.values() for name in names}
    lines += [
        f"    {number[n]} [label={quoted(model.nodes[n].label)}];" for n in model.nodes if n not in grouped
    ]
    for i, (group, names) in enumerate(groups.items()):
        lines.append(f"    subgraph cluster_{i} {{")
        lines.append(f"        label={quoted(group)};")
        lines += [f"        {number[n]} [label={quoted(model.nodes[n].label)}];" for n in names]
        lines.append("    }")
    lines += [f"    {number[s]} -> {number[t]};" for s, t in _links(model)]
    lines.append("}")
    return "\n".join(lines) + "\n"


def to_json(model: GraphModel) -> str:
    """Nodes and links as JSON: what a script or a web page needs to draw it again."""
    nodes = [
        {
            "id": name,
            "label": node.label,
            **({"kind": node.kind} if node.kind else {}),
            **({"group": model.groups[name]} if name in model.groups else {}),
        }
        for name, node in model.nodes.items()
    ]
    links = [{"source": s, "target": t} for s, t in _links(model)]
    return json.dumps({"nodes": nodes, "links": links}, ensure_ascii=False, indent=2) + "\n"


def to_svg(drawn: Layout, looks: Mapping[str, Look] | None = None) -> str:
    """The picture itself: every character in its own cell, so that any font keeps it together."""
    looks = looks or {}
    width, height = (drawn.width + 2) * CELL_WIDTH, (drawn.height + 2) * CELL_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}">',
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        f'<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{FONT_SIZE}" fill="{INK}">',
    ]
    for y in range(drawn.height):
        for piece in pieces(drawn, y, 0, drawn.width):
            if piece.node is None:
                parts += _cells(piece.x, y, piece.text, LINE)
            else:
                look = looks.get(piece.node, PLAIN)
                text = box_text(drawn, piece.node, piece.row, look)
                parts += _cells(piece.x, y, text, COLOURS.get(look.style, INK))
    parts += ["</g>", "</svg>"]
    return "\n".join(parts) + "\n"


def _cells(x: int, y: int, text: str, colour: str) -> list[str]:
    """One text element for the characters of a run that are not blank, with a place for each."""
    places = []
    shown = []
    at = x + 1
    for char in text:
        if char != " ":
            places.append(f"{at * CELL_WIDTH:.1f}")
            shown.append(char)
        at += cell_len(char)
    if not shown:
        return []
    baseline = (y + 1.75) * CELL_HEIGHT
    return [
        f'<text y="{baseline:.1f}" x="{" ".join(places)}" fill="{colour}">{escape("".join(shown))}</text>'
    ]
