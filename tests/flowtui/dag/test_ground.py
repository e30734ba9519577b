"""The ground of named groups: under all their members, never under anybody else."""

import random

import pytest
from dag_corpus import airflow_groups
from textual.geometry import Region

from flowtui.dag.graph import GraphModel, Node
from flowtui.dag.ground import NEAR_X, NEAR_Y, TINTS, by_row, grounds_of, titles_of
from flowtui.dag.layout import Layout, layout
from flowtui.dag.paint import paint_text


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
        for area, _, _ in grounds_of(drawn, collapsed)
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
    assert len(grounds_of(drawn, set())) == 2
    assert len(grounds_of(drawn, {name for name in drawn.boxes if name.startswith("s2")})) == 1


def near(a, b) -> bool:
    return a.grow((NEAR_Y, NEAR_X, NEAR_Y, NEAR_X)).overlaps(b)


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("zoom", [0, 1, 2])
def test_groups_near_each_other_differ_as_far_as_there_are_tints(zoom, direction):
    for seed in range(12):
        drawn = layout(intertwined(seed), direction=direction, zoom=zoom)
        grounds = grounds_of(drawn, set())
        assert len({(each.group, each.tint) for each in grounds}) == 3  # one tint for each group
        for one in grounds:
            for other in grounds:
                if one.group != other.group and near(one.region, other.region):
                    assert one.tint != other.tint
                    assert {one.tint, other.tint} <= set(range(TINTS))


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("zoom", [0, 1])
def test_a_title_stands_on_blank_cells_beside_or_inside_its_group(zoom, direction):
    named = 0
    for seed in range(20):
        drawn = layout(intertwined(seed), direction=direction, zoom=zoom)
        grounds = grounds_of(drawn, set())
        lines = {y: line.ljust(drawn.width) for y, line in enumerate(paint_text(drawn))}
        for y, titles in titles_of(drawn, by_row(grounds)).items():
            for title in titles:
                named += 1
                cells_of_it = Region(title.x, y, len(title.text), 1)
                assert -1 <= y <= drawn.height  # the canvas has a margin
                assert not lines.get(y, "")[title.x : title.x + len(title.text)].strip()
                owners = {
                    each.group for each in grounds if each.region.overlaps(cells_of_it.grow((1, 1, 1, 1)))
                }
                assert title.text in owners
                assert title.tint == next(each.tint for each in grounds if each.group == title.text)
                assert not any(
                    each.region.overlaps(cells_of_it) for each in grounds if each.group != title.text
                )
    assert named >= 30  # of 60


def test_a_long_name_of_a_group_is_cut():
    model = airflow_groups()
    model.groups = dict.fromkeys(model.groups, "many words " * 10)
    drawn = layout(model, zoom=1)
    for titles in titles_of(drawn, by_row(grounds_of(drawn, set()))).values():
        assert [len(title.text) <= 24 and title.text.endswith("…") for title in titles] == [True]
