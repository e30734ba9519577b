"""Members of a named group stand side by side in their level, where that costs few crossings."""

import random

import pytest
from dag_corpus import etl, layered
from test_exact import check
from test_ground import intertwined

from flowtui.dag.graph import GraphModel, Node
from flowtui.dag.layout import Layout, layout, order_of
from flowtui.dag.order import ALONE, LANE, Ordering, spans


def parallel(seed: int) -> GraphModel:
    """Five groups beside each other, each of a few steps that fan out, with a few links between them."""
    chance = random.Random(seed)
    links, groups = [], {}
    for g in range(5):
        before = ["start"]
        for step in range(5):
            here = [f"g{g}.{step}.{i}" for i in range(chance.randint(1, 3))]
            groups.update(dict.fromkeys(here, f"g{g}"))
            links += [(chance.choice(before), name) for name in here]
            before = here
        links += [(name, "end") for name in before]
    for first, second in (chance.sample(list(groups), 2) for _ in range(5)):
        if first.split(".")[1] < second.split(".")[1]:
            links.append((first, second))
    names = dict.fromkeys(name for link in links for name in link)
    return GraphModel({name: Node(name, name) for name in names}, list(dict.fromkeys(links)), groups)


def parted(drawn: Layout) -> int:
    """How often others stand between the members of a group."""
    found = 0
    for level in order_of(drawn):
        groups = [drawn.model.groups.get(name) for name in level]
        for group in {*groups} - {None}:
            at = [i for i, each in enumerate(groups) if each == group]
            found += at[-1] - at[0] >= len(at)
    return found


def without_groups(model: GraphModel) -> GraphModel:
    return GraphModel(model.nodes, model.links)


@pytest.mark.parametrize("build", [intertwined, parallel])
def test_members_are_together_and_it_costs_few_crossings(build):
    apart = together = before = after = 0
    for seed in range(12):
        model = build(seed)
        plain, grouped = layout(without_groups(model)), layout(model)
        plain.model = model
        apart += parted(plain)
        together += parted(grouped)
        before += plain.bundled_crossings
        after += grouped.bundled_crossings
        assert grouped.bundled_crossings <= plain.bundled_crossings * 1.1 + 3
        check(model, grouped)
    assert apart > 5
    assert together <= apart // 10
    assert after - before <= 2 * 12


def test_members_stay_apart_where_it_would_cost_too_much():
    model = layered(100)
    names = list(model.nodes)
    model.groups = {name: f"g{i % 4}" for i, name in enumerate(names)}
    plain, grouped = layout(without_groups(model)), layout(model)
    assert grouped.bundled_crossings <= plain.bundled_crossings * 1.1 + 3
    assert parted(grouped) > 0


def test_a_graph_without_groups_is_drawn_as_ever_whatever_groups_are_elsewhere():
    model = etl()
    other = GraphModel(model.nodes, model.links, {"not in it": "g"})
    assert layout(other).boxes == layout(model).boxes


def test_the_places_of_groups_in_a_level():
    fence = [0, 0, 1, ALONE, LANE, 1]
    assert spans([0, 4, 1, 2, 5], fence) == {0: (0, 2, True), 1: (3, 4, True)}
    assert spans([0, 3, 1, 5, 4, 2], fence) == {0: (0, 2, False), 1: (3, 5, True)}
    assert spans([3, 4], fence) == {}


@pytest.mark.parametrize("seed", range(40))
def test_no_sifting_parts_a_group_that_is_together(seed):
    chance = random.Random(seed)
    above, level = list(range(8)), list(range(8, 20))
    down = [chance.sample(level, 3) if v in above else [] for v in range(20)]
    up = [[a for a in above for w in down[a] if w == v] for v in range(20)]
    work = Ordering([above, level], up, down, 1_000_000)
    work.fence = [ALONE] * 8 + [0, 0, 0, ALONE, 1, 1, 1, 1, ALONE, LANE, ALONE, ALONE]
    before = work.crossings
    work.settle({1})
    places = spans(work.layers[1], work.fence)
    assert all(closed for _, _, closed in places.values())
    assert sorted(work.layers[1]) == list(range(8, 20))
    counted = work.crossings
    assert counted == work.recount() <= before
