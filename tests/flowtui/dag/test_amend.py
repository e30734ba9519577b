"""An edit of a large picture works on what it touches only, and nobody can tell from the picture."""

import random
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from dag_corpus import layered
from test_exact import EXAMPLES, check

from flowtui.dag import amend as amending
from flowtui.dag import layout as module
from flowtui.dag.cycles import adjacency, would_close_cycle
from flowtui.dag.graph import GraphModel, Link, Node
from flowtui.dag.layers import lanes_of
from flowtui.dag.layout import Layout, layout
from flowtui.dag.paint import paint_text

LOCAL = ("add", "delete", "cut", "label", "duplicate")
"""Edits after which the whole way and the short one give the same picture, down to the last cell."""
ALL = (*LOCAL, "above", "link", "raise", "map", "undo", "alone", "join")


def edits(model: GraphModel, rng: random.Random, kinds: tuple[str, ...], drawn: Layout) -> GraphModel:
    """The model after one random edit."""
    nodes, links = dict(model.nodes), list(model.links)
    names = list(nodes)
    fresh = f"new{rng.randrange(10**9)}"
    here = rng.choice(names)

    def put(name: str, *own: Link) -> None:
        nodes[name] = Node(name, name)
        links.extend(own)

    match rng.choice(kinds):
        case "add":
            put(fresh, (here, fresh))
        case "above":
            put(fresh, (fresh, here))
        case "duplicate":
            put(fresh, *[(up, fresh) for up, down in links if down == here])
        case "map":
            parts = [f"{fresh}-{i}" for i in range(4)]
            for part in parts:
                put(part, (here, part))
            put(fresh, *[(part, fresh) for part in parts])
        case "alone":
            put(fresh)
        case "delete":
            del nodes[here]
            links = [link for link in links if here not in link]
        case "cut":
            links.remove(rng.choice(links))
        case "label":
            nodes[here] = Node(here, here + "x" * rng.randrange(1, 9))
        case kind:
            down = adjacency(nodes, links)
            level = {node: box.level for node, box in drawn.boxes.items()}
            for _ in range(200):
                up, to = rng.sample(names, 2)
                climbs = level[up] < level[to]
                if (
                    (up, to) not in links
                    and climbs == (kind == "link")
                    and not would_close_cycle(down, up, to)
                ):
                    links.append((up, to))
                    break
    return GraphModel(nodes, links, model.groups)


def frozen(drawn: Layout) -> tuple[object, ...]:
    """All that may not change about a picture when another one is made from it."""
    return (
        paint_text(drawn),
        {node: (box.x, box.y, box.level, box.index) for node, box in drawn.boxes.items()},
        [(block.x, block.y, [layer.copy() for layer in block.layers]) for block in drawn.blocks],
    )


def intact(drawn: Layout) -> None:
    """Every link that is long has exactly the lanes that it needs, and nothing else stands in the levels."""
    for block in drawn.blocks:
        long = [
            (v, w)
            for v, downs in enumerate(block.links_down)
            for w in downs
            if block.level[w] - block.level[v] > 1
        ]
        assert sorted(block.owner) == sorted(long)
        needed = {lane for link in long for lane in lanes_of(link, block.level, block.owner[link])}
        assert block.lanes.keys() == needed
        standing = sorted(v for layer in block.layers for v in layer)
        assert standing == sorted({*range(len(block.ids))}.difference(block.gone))
        assert {*block.lanes.values()} == {v for v in standing if not block.ids[v]}
        assert all(block.level[v] == k for k, layer in enumerate(block.layers) for v in layer)


@pytest.fixture
def amended(monkeypatch) -> Iterator[list[bool]]:
    """For each time that a block could have been amended, whether it was."""
    asked: list[bool] = []
    real = module.amend

    def amend(*args, **keywords):
        answer = real(*args, **keywords)
        asked.append(answer is not None)
        return answer

    monkeypatch.setattr(module, "amend", amend)
    return asked


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("seed", range(max(EXAMPLES // 75, 2)))
def test_every_link_can_be_read_back_after_edits(seed, direction, amended, monkeypatch):
    monkeypatch.setattr(amending, "GONE", 10)
    rng = random.Random(seed)
    model = layered(240, seed)
    zoom = rng.choice([2, 1, 0])
    drawn = layout(model, direction=direction, zoom=zoom, budget=20_000)
    past = [model]
    for _ in range(14):
        kind = rng.choice(ALL)
        edited = rng.choice(past) if kind == "undo" else edits(model, rng, (kind,), drawn)
        before = frozen(drawn)
        after = layout(edited, direction=direction, zoom=zoom, previous=drawn)
        check(edited, after)
        intact(after)
        assert frozen(drawn) == before, f"{kind} changed the picture that it began with"
        model, drawn = edited, after
        past.append(model)
    assert sum(amended) > len(amended) / 2
    assert len(amended) >= 6


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("seed", range(max(EXAMPLES // 75, 2)))
def test_what_an_edit_touches_looks_as_if_all_were_laid_out(seed, direction, amended, monkeypatch):
    rng = random.Random(seed + 100)
    model = layered(300, seed)
    drawn = layout(model, direction=direction, budget=20_000)
    for _ in range(20):
        model = edits(model, rng, LOCAL, drawn)
        after = layout(model, direction=direction, previous=drawn)
        with monkeypatch.context() as patch:
            patch.setattr(module, "amend", lambda *_: None)
            whole = layout(model, direction=direction, previous=drawn)
        assert after.boxes == whole.boxes
        assert paint_text(after) == paint_text(whole)
        assert after.bundled_crossings == whole.bundled_crossings
        assert (after.width, after.height) == (whole.width, whole.height)
        drawn = after
    assert sum(amended) >= 12


def test_who_an_edit_does_not_push_stays(amended):
    model = layered(400)
    drawn = layout(model, budget=20_000)
    source = min(drawn.boxes, key=lambda node: drawn.boxes[node].level)
    grown = GraphModel({**model.nodes, "new": Node("new", "new")}, [*model.links, (source, "new")])
    after = layout(grown, previous=drawn)
    assert amended == [True]
    for node, box in drawn.boxes.items():
        assert after.boxes[node].level == box.level
    moved = [node for node, box in drawn.boxes.items() if after.boxes[node].y != box.y]
    assert {after.boxes[node].level for node in moved} <= {after.boxes["new"].level}


def shifts(before: Layout, after: Layout, nodes: Iterable[str]) -> set[int]:
    """By how many levels those of some jobs that are in the largest block were moved."""
    block = max(before.blocks, key=lambda block: len(block.ids))
    return {after.boxes[node].level - before.boxes[node].level for node in {*block.ids}.intersection(nodes)}


def test_a_new_root_over_the_first_level_moves_nobody(amended):
    model = layered(400)
    drawn = layout(model, budget=20_000)
    first = min(drawn.boxes, key=lambda node: drawn.boxes[node].level)
    assert drawn.boxes[first].level == 0
    grown = GraphModel({**model.nodes, "new": Node("new", "new")}, [*model.links, ("new", first)])
    after = layout(grown, previous=drawn)
    assert amended == [True]
    check(grown, after)
    assert after.boxes["new"].level == 0
    assert shifts(drawn, after, model.nodes) == {1}


def test_a_link_moves_the_side_that_is_smaller(amended):
    model = layered(400)
    tail = [f"tail{i}" for i in range(8)]
    links = [*model.links, *pairwise(tail)]
    nodes = {**model.nodes, **{name: Node(name, name) for name in tail}}
    drawn = layout(GraphModel(nodes, [*links, (tail[0], "job_399")]), budget=20_000)
    first = min(model.nodes, key=lambda node: drawn.boxes[node].level)
    begun = drawn.boxes[tail[-1]].level
    assert begun > drawn.boxes[first].level
    linked = GraphModel(nodes, [*links, (tail[0], "job_399"), (tail[-1], first)])
    after = layout(linked, previous=drawn)
    assert amended == [True]
    check(linked, after)
    assert len(shifts(drawn, after, model.nodes)) == 1, (
        "the tail had to go before the flow, not the flow behind it"
    )


def test_who_has_room_stays_when_a_link_moves_another(amended):
    model = layered(400)
    drawn = layout(model, budget=20_000)
    level = {node: box.level for node, box in drawn.boxes.items()}
    down = adjacency(model.nodes, model.links)
    rooms = {node: min((level[to] - level[node] - 1 for to in down[node]), default=0) for node in model.nodes}
    asked = 0
    for late in (node for node, room in rooms.items() if room >= 2):
        source = next(
            (u for u in model.nodes if level[u] == level[late] + 1 and not would_close_cycle(down, u, late)),
            None,
        )
        if source is None:
            continue
        after = layout(GraphModel(model.nodes, [*model.links, (source, late)]), previous=drawn)
        asked += 1
        moved = {node for node in model.nodes if after.boxes[node].level != level[node]}
        # Itself, and whoever is drawn more by it than held back.
        assert late in moved
        assert all(len(down[node]) > 1 for node in moved - {late}), moved
        assert not moved & {*down[late]}
    assert asked >= 3
    assert all(amended)


@pytest.mark.parametrize("direction", ["LR", "TB"])
@pytest.mark.parametrize("seed", range(max(EXAMPLES // 75, 2)))
def test_levels_come_and_go_with_their_last_job(seed, direction, amended):
    rng = random.Random(seed)
    sizes = rng.sample([1] * 30 + [2] * 15 + [16] * 15, 60)
    levels = [[f"job{k}_{i}" for i in range(size)] for k, size in enumerate(sizes)]
    links = [(rng.choice(above), job) for above, below in pairwise(levels) for job in below]
    links += [(rng.choice(levels[k]), rng.choice(levels[k + rng.choice([2, 2, 8])])) for k in range(50)]
    model = GraphModel.of(list(dict.fromkeys(links)))
    drawn = layout(model, direction=direction, budget=20_000)
    for _ in range(10):
        if rng.random() < 0.5:
            lone = rng.choice(list(model.nodes))
            ups = [up for up, down in model.links if down == lone]
            downs = [down for up, down in model.links if up == lone]
            nodes = {name: node for name, node in model.nodes.items() if name != lone}
            left = [link for link in model.links if lone not in link]
            joined = dict.fromkeys((up, down) for up in ups for down in downs if (up, down) not in left)
            model = GraphModel(nodes, [*left, *joined])
        else:
            model = edits(model, rng, ("raise", "above", "link", "cut", "cut"), drawn)
        after = layout(model, direction=direction, previous=drawn)
        check(model, after)
        intact(after)
        biggest = max(after.blocks, key=lambda block: len(block.ids))
        assert all(any(biggest.ids[v] for v in layer) for layer in biggest.layers)
        drawn = after
    assert sum(amended) >= 6


@pytest.mark.parametrize(
    "joins",
    [
        [("job_7", "in")],
        [("job_7", "mid1")],
        [("out", "job_399")],
        [("job_7", "mid0"), ("mid1", "job_399")],
        [("job_7", "in"), ("job_9", "other")],
        [("job_7", "other"), ("other", "in")],
    ],
)
def test_what_a_link_joins_to_the_flow_comes_to_it_and_nobody_moves(joins, amended):
    model = layered(400)
    part = [("in", "mid0"), ("in", "mid1"), ("mid0", "out"), ("mid1", "out"), ("other", "another")]
    nodes = {**model.nodes, **{name: Node(name, name) for link in part for name in link}}
    apart = GraphModel(nodes, [*model.links, *part])
    drawn = layout(apart, budget=20_000)
    assert drawn.boxes["in"].block != drawn.boxes["job_7"].block
    joined = GraphModel(nodes, [*apart.links, *joins])
    after = layout(joined, previous=drawn)
    assert amended == [True]
    check(joined, after)
    intact(after)
    assert after.boxes["in"].block == after.boxes["job_7"].block
    assert len(shifts(drawn, after, model.nodes)) == 1
    back = layout(apart, previous=after)
    check(apart, back)
    assert back.boxes["in"].block != back.boxes["job_7"].block
    assert amended == [True, True]


def test_a_link_over_a_level_that_goes_needs_its_lane_no_more(amended):
    model = layered(400)
    drawn = layout(model, budget=20_000)
    last = max(model.nodes, key=lambda node: drawn.boxes[node].level)
    tail = [(last, "p"), (last, "q"), ("p", "mid"), ("mid", "w"), ("q", "w")]
    nodes = {**model.nodes, **{name: Node(name, name) for name in ("p", "q", "mid", "w")}}
    for links in (tail, [link for link in tail if link != ("mid", "w")]):
        drawn = layout(GraphModel(nodes, [*model.links, *links]), previous=drawn)
        intact(drawn)
    assert drawn.boxes["w"].level == drawn.boxes["q"].level + 2
    del nodes["mid"]
    drawn = layout(GraphModel(nodes, [*model.links, (last, "p"), (last, "q"), ("q", "w")]), previous=drawn)
    intact(drawn)
    assert drawn.boxes["w"].level == drawn.boxes["q"].level + 1
    assert amended == [True, True, True]


def test_a_picture_is_numbered_anew_without_moving_anybody(amended, monkeypatch):
    rng = random.Random(5)
    model = layered(300)
    drawn = layout(model, budget=20_000)
    for _ in range(3):
        model = edits(model, rng, ("cut", "delete"), drawn)
        drawn = layout(model, previous=drawn)
    [block] = [block for block in drawn.blocks if len(block.layers) > 1]
    assert block.gone
    monkeypatch.setattr(amending, "GONE", 0)
    end = max(drawn.boxes, key=lambda node: drawn.boxes[node].level)
    renamed = GraphModel({**model.nodes, end: Node(end, end + "s")}, model.links)
    unchanged = amending.renumbered(block)
    assert not unchanged.gone
    assert len(unchanged.ids) == len(block.ids) - len(block.gone)
    grown = GraphModel({**renamed.nodes, "new": Node("new", "new")}, [*model.links, (end, "new")])
    after = layout(grown, previous=drawn)
    assert amended[-1]
    check(grown, after)
    assert shifts(drawn, after, model.nodes) == {0}


def test_a_part_that_breaks_off_is_a_block_of_its_own(amended):
    model = layered(300)
    links = [*model.links, ("job_7", "tail"), ("tail", "tip")]
    whole = GraphModel({**model.nodes, "tail": Node("tail", "tail"), "tip": Node("tip", "tip")}, links)
    drawn = layout(whole, budget=20_000)
    cut = GraphModel(whole.nodes, [link for link in links if link != ("job_7", "tail")])
    after = layout(cut, previous=drawn)
    assert amended == [True]
    assert after.boxes["tail"].block == after.boxes["tip"].block != after.boxes["job_7"].block
    check(cut, after)
    again = layout(whole, previous=after)
    assert again.boxes["tail"].block == again.boxes["job_7"].block
    check(whole, again)


def test_blocks_beside_the_edited_one_are_not_made_anew():
    model = layered(240)
    pairs = [(f"a{i}", f"b{i}") for i in range(5)]
    nodes = {name: Node(name, name) for pair in pairs for name in pair}
    model = GraphModel({**model.nodes, **nodes}, [*model.links, *pairs])
    drawn = layout(model, budget=20_000)
    small = [block for block in drawn.blocks if len(block.ids) == 2]
    grown = GraphModel({**model.nodes, "new": Node("new", "new")}, [*model.links, ("job_7", "new")])
    after = layout(grown, previous=drawn)
    assert [block.start for block in after.blocks if len(block.ids) == 2] == [block.start for block in small]
    assert sum(block in small for block in after.blocks) == 5
    check(grown, after)
    turned = layout(grown, direction="TB", previous=after)
    check(grown, turned)


def test_a_flow_that_was_edited_can_be_turned_and_zoomed():
    rng = random.Random(3)
    model = layered(240)
    drawn = layout(model, budget=20_000)
    for _ in range(6):
        model = edits(model, rng, ("delete", "cut", "add"), drawn)
        drawn = layout(model, previous=drawn)
    order = {node: (box.level, box.index) for node, box in drawn.boxes.items()}
    for direction, zoom in (("TB", 2), ("LR", 1), ("LR", 2)):
        drawn = layout(model, direction=direction, zoom=zoom, previous=drawn)
        check(model, drawn)
        assert {node: (box.level, box.index) for node, box in drawn.boxes.items()} == order
