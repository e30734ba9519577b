"""What is drawn can be read back, with line characters and with ASCII: exactly the links, no more and no fewer."""

import os
import random

import pytest
from dag_corpus import LARGE, REAL, SMALL, fan, layered
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tracer import read_links

from flowtui.dag.graph import GraphModel, Look, Node
from flowtui.dag.layout import Layout, layout
from flowtui.dag.paint import paint_text

EXAMPLES = int(os.environ.get("FLOWTUI_DAG_EXAMPLES", "150"))
WHOLE = os.environ.get("FLOWTUI_DAG_WHOLE") == "1"
"""Whether every graph of the corpus is traced at every zoom and in both directions, also those of 10,000 nodes."""
SIDES = ("LR", "TB")
ZOOMS = (0, 1, 2)


def check(model: GraphModel, drawn: Layout, looks: dict[str, Look] | None = None) -> None:
    boxes = {name: (b.x, b.y, b.w, b.h) for name, b in drawn.boxes.items()}
    wanted = set(model.acyclic()[0])
    for ascii in (False, True):
        lines = paint_text(drawn, looks, ascii=ascii)
        found, broken = read_links(lines, boxes, drawn.direction, ascii)
        picture = "\n".join(lines) if len(lines) < 120 else ""
        assert not broken, f"{broken[:3]}\n{picture}"
        assert found == wanted, f"missing {wanted - found}, false {found - wanted}\n{picture}"
    assert set(drawn.boxes) == set(model.nodes)


@pytest.mark.parametrize("direction", SIDES)
@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize("name", SMALL)
def test_every_link_of_the_corpus_can_be_read_back(name, zoom, direction):
    model = SMALL[name]()
    check(model, layout(model, direction=direction, zoom=zoom, budget=20_000))


@pytest.mark.parametrize(
    ("build", "direction", "zoom"),
    [
        (REAL["imports_networkx"], "LR", 2),
        (REAL["imports_textual"], "LR", 1),
        (REAL["imports_textual"], "TB", 0),
        (lambda: layered(1000), "LR", 2),
        (lambda: layered(1000), "TB", 1),
        (lambda: fan(500), "LR", 0),
    ],
)
def test_every_link_of_a_large_graph_can_be_read_back(build, direction, zoom):
    model = build()
    check(model, layout(model, direction=direction, zoom=zoom, budget=5_000))


@pytest.mark.skipif(not WHOLE, reason="a minute: make exact")
@pytest.mark.parametrize("direction", SIDES)
@pytest.mark.parametrize("zoom", ZOOMS)
@pytest.mark.parametrize("name", [name for name in {**REAL, **LARGE} if name not in SMALL])
def test_every_link_of_the_whole_corpus_can_be_read_back(name, zoom, direction):
    model = {**REAL, **LARGE}[name]()
    check(model, layout(model, direction=direction, zoom=zoom))


@st.composite
def dags(draw: st.DrawFn, largest: int = 14) -> GraphModel:
    count = draw(st.integers(1, largest))
    names = [f"n{i}" for i in range(count)]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    links = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=3 * count)) if pairs else []
    labels = draw(
        st.lists(
            st.sampled_from(["a", "load", "日本語", "─│╭▸", "a long label"]), min_size=count, max_size=count
        )
    )
    kinds = draw(st.lists(st.sampled_from(["", "app.run"]), min_size=count, max_size=count))
    shuffled = draw(st.permutations(names))
    nodes = {n: Node(n, labels[names.index(n)], kinds[names.index(n)]) for n in shuffled}
    return GraphModel(nodes, links)


@given(dags(), st.sampled_from(SIDES), st.sampled_from(ZOOMS))
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_dag_can_be_read_back(model, direction, zoom):
    check(model, layout(model, direction=direction, zoom=zoom, budget=500))


@given(dags(), st.sampled_from(SIDES), st.sampled_from(ZOOMS), st.data())
@settings(max_examples=EXAMPLES // 2, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_picture_in_an_edit_can_be_read_back(model, direction, zoom, data):
    first = layout(model, direction=direction, zoom=zoom, budget=500)
    names = list(model.nodes)
    near = data.draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
    nodes = {**model.nodes, "new": Node("new", "new one")}
    links = [*model.links, *((name, "new") for name in near)]
    gone = data.draw(st.sampled_from([None, *names]))
    if gone is not None:
        nodes.pop(gone)
        links = [link for link in links if gone not in link]
    edited = GraphModel(nodes, links)
    check(edited, layout(edited, direction=direction, zoom=zoom, previous=first, budget=500))


@pytest.mark.parametrize("direction", SIDES)
def test_a_large_picture_stays_exact_and_in_place_through_many_edits(direction):
    rng = random.Random(11)
    model = layered(400)
    drawn = layout(model, direction=direction, zoom=1)
    for turn in range(12):
        names = list(model.nodes)
        nodes, links = dict(model.nodes), list(model.links)
        new = f"new_{turn}"
        nodes[new] = Node(new, new)
        links += [(rng.choice(names), new)]
        first, second = rng.sample(names, 2)
        if drawn.boxes[first].level < drawn.boxes[second].level:
            links.append((first, second))
        links.remove(rng.choice(links[:400]))
        before, model = drawn, GraphModel(nodes, links)
        drawn = layout(model, direction=direction, zoom=1, previous=before)
        check(model, drawn)
        across = (lambda box: box.y) if direction == "LR" else (lambda box: box.x)
        moved = [n for n in before.boxes if across(drawn.boxes[n]) != across(before.boxes[n])]
        assert len(moved) < len(before.boxes) // 8


def test_looks_do_not_change_what_is_linked():
    model = SMALL["etl"]()
    looks = {
        name: Look("►", "active", "active", top="12.5s", bottom="app.run.very.long.task.name", progress=0.5)
        for name in model.nodes
    }
    for direction in SIDES:
        check(model, layout(model, direction=direction, zoom=2, budget=1000), looks)
