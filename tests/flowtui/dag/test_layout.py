"""Places: deterministic, stable through edits, whatever the names."""

import networkx as nx
import pytest
from dag_corpus import airflow_branches, airflow_groups, diamonds, etl, fan, layered, rnaseq
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtui.dag.graph import GraphModel, Look, Node
from flowtui.dag.layers import levels_of
from flowtui.dag.layout import QUICK, layout, order_of
from flowtui.dag.order import Ordering, explore, refine
from flowtui.dag.paint import ASCII, hops, paint_text
from flowtui.dag.trail import dashed
from flowtui.dag.walk import at_distance, target_of
from flowtui.states import STATES


def test_the_same_flow_gives_the_same_picture():
    model = layered(100)
    assert paint_text(layout(model)) == paint_text(layout(model))


def test_a_small_flow_looks_as_the_manual_shows_it():
    model = GraphModel.of(
        [("fetch", x) for x in ("clean", "geo", "score")]
        + [(x, "join") for x in ("clean", "geo", "score")]
        + [("join", "report")],
        alone=["notify"],
    )
    assert paint_text(layout(model, viewport=(60, 20))) == [
        "              ┌─────────┐",
        "            ╭▸│ ○ clean ├─╮",
        "            │ └─────────┘ │",
        "┌─────────┐ │ ┌───────┐   │ ┌────────┐  ┌──────────┐",
        "│ ○ fetch ├─┼▸│ ○ geo ├───┼▸│ ○ join ├─▸│ ○ report │",
        "└─────────┘ │ └───────┘   │ └────────┘  └──────────┘",
        "            │ ┌─────────┐ │",
        "            ╰▸│ ○ score ├─╯",
        "              └─────────┘",
        "",
        "┌──────────┐",
        "│ ○ notify │",
        "└──────────┘",
    ]


def test_wide_characters_take_two_cells():
    model = GraphModel({"a": Node("a", "日本語"), "b": Node("b", "b")}, [("a", "b")])
    assert paint_text(layout(model)) == [
        "┌──────────┐  ┌───────┐",
        "│ ○ 日本語 ├─▸│ ○ b   │",
        "└──────────┘  └───────┘",
    ]


def test_the_ascii_picture_has_nothing_else():
    looks = {name: Look("►", "active", "active", "3.4s", "app", 0.4) for name in etl().nodes}
    for direction in ("LR", "TB"):
        for line in paint_text(layout(etl(), direction=direction), looks, ascii=True):
            assert line.isascii(), line


def test_a_link_that_closes_a_cycle_is_printed_dashed_back():
    model = GraphModel.of([("a", "b"), ("b", "c"), ("c", "a")])
    assert paint_text(layout(model, zoom=1), margin=1)[1:] == [
        "▸○ a ─▸○ b ─▸○ c ╎",
        "╰╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╯",
    ]
    assert paint_text(layout(model, zoom=1), margin=1, ascii=True)[2] == "`~~~~~~~~~~~~~~~~'"
    assert paint_text(layout(GraphModel.of([("a", "b")]), zoom=1)) == ["○ a ─▸○ b"]


def test_no_state_looks_like_a_line_or_like_another_state_in_ascii():
    signs = [shown.ascii for shown in STATES.values()]
    assert len({*signs}) == len(signs)
    assert not {*signs} & {*"─│╭╮╰╯├┤┬┴┼▸▾╌╎═║".translate(ASCII)}
    assert all(shown.glyph.translate(ASCII) == shown.ascii for shown in STATES.values())


def test_a_picture_can_be_cut_to_a_width_and_to_some_rows():
    drawn = layout(etl())
    lines = paint_text(drawn, width=40)
    assert max(map(len, lines)) == 40
    assert paint_text(drawn, rows=range(3, 6)) == paint_text(drawn)[3:6]


def test_the_texts_of_a_box_stay_inside_it():
    model = GraphModel.of([("a", "b")])
    long = Look("►", "active", "active", top="a very long timing", bottom="a.very.long.task.name")
    for direction in ("LR", "TB"):
        drawn = layout(model, direction=direction)
        assert max(map(len, paint_text(drawn, {"a": long, "b": long}))) <= drawn.width


def test_progress_is_drawn_as_a_bar():
    model = GraphModel.of([], alone=["import_orders"])
    lines = paint_text(layout(model), {"import_orders": Look("►", "active", "active", progress=0.5)})
    assert lines[2] == "└███████░░░░░░ 50%┘"


def test_the_newest_link_of_a_cycle_is_left_out_of_the_layout():
    model = GraphModel.of([("a", "b"), ("b", "c"), ("c", "a")])
    drawn = layout(model)
    assert drawn.links == [("a", "b"), ("b", "c")]
    assert drawn.back == [("c", "a")]


def test_links_to_unknown_nodes_and_doubles_are_not_drawn():
    model = GraphModel({"a": Node("a", "a"), "b": Node("b", "b")}, [("a", "b"), ("a", "b"), ("a", "ghost")])
    assert layout(model).links == [("a", "b")]


def test_a_chain_fits_better_from_top_to_bottom_and_a_fan_from_left_to_right():
    chain = GraphModel.of([(f"step_{i}", f"step_{i + 1}") for i in range(30)])
    assert layout(chain, direction="auto", viewport=(80, 200)).direction == "TB"
    assert layout(fan(50), direction="auto", viewport=(80, 60)).direction == "LR"


def test_the_direction_does_not_flicker_while_a_flow_grows():
    drawn, turns = None, 0
    for length in range(2, 40):
        chain = GraphModel.of([(f"s{i}", f"s{i + 1}") for i in range(length)])
        after = layout(chain, direction="auto", viewport=(80, 60), zoom=1, previous=drawn)
        turns += drawn is not None and drawn.direction != after.direction
        drawn = after
    assert turns == 1
    assert drawn.direction == "TB"


def test_the_direction_of_a_large_flow_is_chosen_again_when_a_tenth_has_changed():
    fans = [("start", f"j{i}") for i in range(150)]
    drawn = layout(GraphModel.of(fans), direction="auto", viewport=(80, 60))
    assert (drawn.direction, drawn.chosen_for) == ("LR", (151, 2, (80, 60)))
    chain = [(f"c{i}", f"c{i + 1}") for i in range(14)]
    again = layout(GraphModel.of([*fans, *chain]), direction="auto", viewport=(80, 60), previous=drawn)
    assert (again.direction, again.chosen_for) == ("LR", drawn.chosen_for)
    chain = [(f"c{i}", f"c{i + 1}") for i in range(200)]
    again = layout(GraphModel.of([*fans, *chain]), direction="auto", viewport=(80, 60), previous=again)
    assert again.chosen_for == (352, 2, (80, 60))
    resized = layout(GraphModel.of(fans), direction="auto", viewport=(200, 60), previous=drawn)
    assert resized.chosen_for == (151, 2, (200, 60))


def test_small_flows_share_a_shelf():
    drawn = layout(diamonds(7), viewport=(200, 50))
    assert drawn.width <= 200
    assert len({box.y for box in drawn.boxes.values()}) < 3 * 7


def test_a_larger_zoom_is_larger_and_keeps_the_order():
    first = layout(etl(), zoom=0)
    sizes = [(first.width, first.height)]
    for zoom in (1, 2):
        drawn = layout(etl(), zoom=zoom, previous=first)
        assert list(order_of(drawn)) == list(order_of(first))
        sizes.append((drawn.width, drawn.height))
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("build", [etl, airflow_branches, airflow_groups, lambda: layered(100)])
def test_adding_a_job_keeps_everybody_in_order(build):
    model = build()
    before = layout(model)
    names = list(model.nodes)
    for parent in names[:: max(len(names) // 12, 1)]:
        edited = GraphModel({**model.nodes, "new": Node("new", "new")}, [*model.links, (parent, "new")])
        after = layout(edited, previous=before)
        for level in order_of(before):
            there = [name for name in level if after.boxes[name].level == before.boxes[level[0]].level]
            rows = [after.boxes[name].y for name in there]
            assert rows == sorted(rows)


def test_removing_what_was_added_gives_the_old_order_back():
    model = etl()
    before = layout(model)
    edited = GraphModel({**model.nodes, "new": Node("new", "new")}, [*model.links, ("start", "new")])
    after = layout(model, previous=layout(edited, previous=before))
    assert list(order_of(after)) == list(order_of(before))


def test_a_hit_on_a_box_names_its_node_and_nothing_else_does():
    drawn = layout(etl())
    covered = {}
    for name, box in drawn.boxes.items():
        for y in range(box.y, box.y + box.h):
            for x in range(box.x, box.x + box.w):
                covered[x, y] = name
    for y in range(-1, drawn.height + 1):
        for x in range(-1, drawn.width + 1):
            assert drawn.node_at(x, y) == covered.get((x, y))


@pytest.mark.parametrize("direction", ["LR", "TB"])
def test_the_cursor_reaches_every_job(direction):
    drawn = layout(GraphModel.of(etl().links, alone=["cleanup", "audit"]), direction=direction)
    seen = {next(iter(drawn.boxes))}
    stack = list(seen)
    while stack:
        here = stack.pop()
        for way in ("left", "right", "up", "down", "home", "end"):
            there = target_of(drawn, here, way)
            if there is not None and there not in seen:
                seen.add(there)
                stack.append(there)
    assert seen == set(drawn.boxes)


def test_the_cursor_follows_links_first():
    drawn = layout(etl())
    assert target_of(drawn, "validate_ads", "right") == "stage_ads"
    assert target_of(drawn, "validate_ads", "left") == "extract_ads"
    assert target_of(drawn, "start", "left") is None
    assert drawn.boxes[at_distance(drawn, "start", 100)].y == max(box.y for box in drawn.boxes.values())


@given(st.integers(0, 10_000), st.integers(5, 40))
@settings(max_examples=40, deadline=None)
def test_levels_are_as_short_as_networkx_finds_them(seed, count):
    graph = nx.gnp_random_graph(count, 0.12, seed=seed, directed=True)
    graph = nx.DiGraph((a, b) for a, b in graph.edges if a < b)
    if not graph:
        return
    part = graph.subgraph(max(nx.weakly_connected_components(graph), key=len))
    number = {v: i for i, v in enumerate(sorted(part))}
    up = [[number[p] for p in part.predecessors(v)] for v in sorted(part)]
    down = [[number[c] for c in part.successors(v)] for v in sorted(part)]
    level = levels_of(up, down)
    total = sum(level[w] - level[v] for v in range(len(down)) for w in down[v])
    assert min(level) == 0
    assert all(level[w] > level[v] for v in range(len(down)) for w in down[v])
    assert total == _shortest(part)


def _shortest(graph: nx.DiGraph) -> int:
    """The least total length, by the dual problem: send what each node has too many of downstream, over most links."""
    flow = nx.DiGraph()
    for a, b in graph.edges:
        flow.add_edge(a, b, weight=-1)
    for v in graph:
        spare = graph.out_degree(v) - graph.in_degree(v)
        if spare > 0:
            flow.add_edge("source", v, capacity=spare, weight=0)
        elif spare < 0:
            flow.add_edge(v, "sink", capacity=-spare, weight=0)
    sent = nx.max_flow_min_cost(flow, "source", "sink")
    return sum(
        amount for a, row in sent.items() for b, amount in row.items() if a != "source" and b != "sink"
    )


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_count_of_crossings_is_kept_up_through_every_move(seed):
    model = layered(40, seed=seed)
    block = max(layout(model, budget=1).blocks, key=lambda b: len(b.level))
    roots = [v for v, name in enumerate(block.ids) if name and not block.up[v]]
    work = explore(block.layers, block.up, block.down, block.level, roots, 3000)
    refine(work, 20_000)
    counted = Ordering(work.snapshot(), block.up, block.down, 0)
    assert work.crossings == counted.crossings == _pairs(work)


def _pairs(work: Ordering) -> int:
    total = 0
    for layer in work.layers:
        links = [(work.pos[v], work.pos[w]) for v in layer for w in work.down[v]]
        total += sum((a - c) * (b - d) < 0 for i, (a, b) in enumerate(links) for c, d in links[:i])
    return total


def test_a_fold_of_lines_is_drawn_without_a_single_crossing():
    assert hops(layout(rnaseq(1), budget=QUICK)) <= 2
    assert hops(layout(fan(20))) == 0
    assert hops(layout(airflow_branches())) == 0


def test_an_empty_flow_is_an_empty_picture():
    drawn = layout(GraphModel())
    assert (drawn.width, drawn.height, paint_text(drawn)) == (0, 0, [])
    assert drawn.node_at(0, 0) is None


def test_crossings_are_counted_after_an_edit_too():
    model = layered(60)
    drawn = layout(model)
    for extra in (("job_3", "job_50"), ("job_7", "job_41"), ("job_1", "job_58")):
        model = GraphModel(dict(model.nodes), [*model.links, extra])
        drawn = layout(model, previous=drawn)
    crossed = 0
    for block in drawn.blocks:
        place = {v: i for layer in block.layers for i, v in enumerate(layer)}
        for layer in block.layers:
            links = [(place[v], place[w]) for v in layer for w in block.down[v]]
            crossed += sum(a < c and b > d for a, b in links for c, d in links)
    assert crossed > 0
    assert drawn.bundled_crossings == crossed


def test_links_that_close_cycles_run_apart():
    waits = {"a": "cd", "b": "a", "c": "bc", "d": "b", "e": "df", "f": "ea"}
    links = [(up, down) for down, ups in waits.items() for up in ups]
    for direction in ("LR", "TB"):
        drawn = layout(GraphModel.of(links), direction=direction)
        assert len(drawn.back) > 2
        busy: list[tuple[int, int, int]] = []
        for source, target in drawn.back:
            dashed(drawn, source, target, busy, len(drawn.back))
        for i, (row, first, last) in enumerate(busy):
            for other, begin, end in busy[:i]:
                assert row != other or last < begin or end < first
        text = paint_text(drawn, margin=1)
        assert all(name in "".join(text) for name in waits)
