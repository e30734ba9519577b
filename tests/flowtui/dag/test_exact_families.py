"""Shapes beyond the corpus can be read back too: those in which a drawing usually breaks."""

import random

import pytest
from dag_corpus import airflow_groups, etl, layered, rnaseq
from test_exact import SIDES, ZOOMS, check

from flowtui.dag.fold import view_of
from flowtui.dag.graph import GraphModel, Node
from flowtui.dag.layout import layout

NAMES = (
    "a",
    "日本語のジョブ",
    "e\u0301te\u0301",
    "🚀 launch",
    "👩\u200d🔬 lab",
    "❤\ufe0f",
    "한국어",
    "─│╭▸┼",
    "-+|>v`'",
    "1\ufe0f\u20e3 first",
    "[red]x[/red]",
    "שלום",
    "\u0e33\u0e33",
    "x" * 300,
    "",
    " ",
    "same",
    "same",
)


def bipartite(sources: int, targets: int, left_out: int = 0) -> GraphModel:
    links = [(f"s{i}", f"t{j}") for i in range(sources) for j in range(targets)]
    random.Random(sources).shuffle(links)
    return GraphModel.of(links[left_out:])


def long_links(length: int) -> GraphModel:
    """A chain with a link from every job to every third one behind it."""
    chain = [(f"n{i}", f"n{i + 1}") for i in range(length)]
    return GraphModel.of(chain + [(f"n{i}", f"n{j}") for i in range(length) for j in range(i + 3, length, 3)])


def scattered(parts: int) -> GraphModel:
    """Many components of different shape, and as many jobs without a link."""
    links = []
    for i in range(parts):
        links += [(f"c{i}_{j}", f"c{i}_{j + 1}") for j in range(i % 5 + 1)]
        links += [(f"c{i}_0", f"c{i}_{j}") for j in range(2, i % 5 + 2)]
    return GraphModel.of(links, alone=[f"alone{i}" for i in range(parts)])


def named(seed: int) -> GraphModel:
    """Random links between jobs whose names are wide, joined, long, equal or look like lines."""
    rng = random.Random(seed)
    nodes = {f"n{i}": Node(f"n{i}", rng.choice(NAMES)) for i in range(20)}
    ids = list(nodes)
    return GraphModel(nodes, [tuple(ids[i] for i in sorted(rng.sample(range(20), 2))) for _ in range(35)])


def cyclic(seed: int) -> GraphModel:
    """A draft with many cycles, links to itself and doubled links."""
    rng = random.Random(seed)
    links = [(f"n{rng.randrange(15)}", f"n{rng.randrange(15)}") for _ in range(40)]
    return GraphModel.of(links + links[:5])


def grouped(collapsed: int, fold: bool) -> GraphModel:
    model = rnaseq(12)
    names = list(model.nodes)
    model.groups = {name: f"group {i % 4}" for i, name in enumerate(names) if i % 5}
    return view_of(model, fold=fold, collapsed={f"group {i}" for i in range(collapsed)}).model


FAMILIES = {
    "nothing": GraphModel,
    "one": lambda: GraphModel.of([], alone=["only"]),
    "two apart": lambda: GraphModel.of([], alone=["a", "b"]),
    "bipartite 12x12": lambda: bipartite(12, 12),
    "bipartite 15x9 with gaps": lambda: bipartite(15, 9, left_out=40),
    "bipartite 30x30 with gaps": lambda: bipartite(30, 30, left_out=300),
    "long links 12": lambda: long_links(12),
    "long links 30": lambda: long_links(30),
    "scattered": lambda: scattered(30),
    **{f"names {seed}": (lambda seed=seed: named(seed)) for seed in range(6)},
    **{f"cycles {seed}": (lambda seed=seed: cyclic(seed)) for seed in range(6)},
    "groups open": lambda: grouped(0, fold=False),
    "one group closed": lambda: grouped(1, fold=False),
    "groups closed and folded": lambda: grouped(3, fold=True),
    "near one job": lambda: view_of(layered(300), focus=("n150", 3)).model,
    "etl near": lambda: view_of(etl(), focus=("publish", 2)).model,
    "folded groups": lambda: view_of(airflow_groups(), fold=True).model,
}


@pytest.mark.parametrize("direction", SIDES)
@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize("family", FAMILIES)
def test_every_link_of_a_family_can_be_read_back(family, zoom, direction):
    model = FAMILIES[family]()
    check(model, layout(model, direction=direction, zoom=zoom, budget=20_000))
