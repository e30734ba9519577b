"""The same picture in another screen: a flow that was just submitted looks in Live as it did in Compose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flowtui.dag.graph import GraphModel
from flowtui.dag.layout import Layout
from flowtui.dag.widget import GraphCanvas


def hand_over(source: GraphCanvas, target: GraphCanvas, names: Mapping[str, str]) -> None:
    """Let `target` begin where `source` is: zoom, direction, and where every node lies, under its new name.

    A picture in which nodes stand for others, or of which only a part is seen, is not handed over.
    """
    drawn = source.drawn
    if drawn.boxes.keys() != names.keys():
        return
    target.set_reactive(GraphCanvas.zoom, source.zoom)
    target.set_reactive(GraphCanvas.direction, source.direction)
    target.drawn = _renamed(drawn, names)


def _renamed(drawn: Layout, names: Mapping[str, str]) -> Layout:
    model = GraphModel(
        {names[key]: replace(node, id=names[key]) for key, node in drawn.model.nodes.items()},
        _links(drawn.model.links, names),
        {names[key]: group for key, group in drawn.model.groups.items()},
    )
    return replace(
        drawn,
        model=model,
        boxes={names[key]: box for key, box in drawn.boxes.items()},
        blocks=[
            replace(block, ids=[names[key] if key else "" for key in block.ids]) for block in drawn.blocks
        ],
        vertex={names[key]: place for key, place in drawn.vertex.items()},
        links=_links(drawn.links, names),
        back=_links(drawn.back, names),
    )


def _links(links: list[tuple[str, str]], names: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(names[up], names[down]) for up, down in links]
