"""The ground of named groups: under all their members, never under anybody else."""

import random

import pytest
from dag_corpus import airflow_groups

from flowtui.dag.graph import GraphModel, Node
from flowtui.dag.ground import grounds_of
from flowtui.dag.layout import Layout, layout


def intertwined(seed: int) -> GraphModel:
    """Three groups of four, with links between them and jobs of no group in between."""
    chance = random.Random(seed)
    links, groups = [], {}
    for g in range(3):
        names = [f"g{g}.{i}" for i in range(4)]
        for i, name in enumerate(names):
            groups[name] = f"g{g}"
            if i and chance.random() < 0.8:
                links.append((names[chance.randrange(i)], name))
        links += [("start", names[0]), (names[-1], "end")]
    for k in range(3):
        links += [("start", f"loose{k}"), (f"loose{k}", f"g{chance.randrange(3)}.{chance.randrange(1, 4)}")]
    for _ in range(2):
        links.append((f"g{chance.randrange(2)}.{chance.randrange(4)}", f"g2.{chance.randrange(4)}"))
    names = dict.fromkeys(name for link in links for name in link)
    return GraphModel({name: Node(name, name) for name in names}, list(dict.fromkeys(links)), groups)


def covered(drawn: Layout, collapsed: set[str] = frozenset()) -> set[tuple[int, int]]:
    return {
        (x, y)
        for area in grounds_of(drawn, collapsed)
        for x in range(area.x, area.right)
        for y in range(area.y, area.bottom)
    }


def cells(drawn: Layout, node: str) -> set[tuple[int, int]]:
    box = drawn.boxes[node]
    return {(x, y) for x in range(box.x, box.x + box.w) for y in range(box.y, box.y + box.h)}


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("zoom", [0, 1, 2])
def test_every_member_is_on_the_ground_of_its_group_and_nobody_else(zoom, direction):
    for seed in range(30):
        whole = intertwined(seed)
        for group in ("g0", "g1", "g2"):
            own = {name: group for name, of in whole.groups.items() if of == group}
            drawn = layout(GraphModel(whole.nodes, whole.links, own), direction=direction, zoom=zoom)
            ground = covered(drawn)
            for node in whole.nodes:
                under = cells(drawn, node) & ground
                assert under == (cells(drawn, node) if node in own else set()), (seed, group, node)


def test_a_group_that_has_an_area_to_itself_is_one_area():
    drawn = layout(airflow_groups(), direction="LR", zoom=2)
    assert len(list(grounds_of(drawn, set()))) == 2
    assert len(list(grounds_of(drawn, {name for name in drawn.boxes if name.startswith("s2")}))) == 1
