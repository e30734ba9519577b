"""Alike jobs as one, groups as one, and only what is near."""

from dag_corpus import airflow_groups, diamonds, fan, layered, rnaseq
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtui.dag.fold import Tally, classes, common_label, view_of
from flowtui.dag.graph import GraphModel, Look
from flowtui.dag.layout import layout
from flowtui.dag.minimap import minimap, scaled_size

DONE, BUSY, WAIT = (
    Look("✓", "done", "completed"),
    Look("►", "busy", "active", progress=0.5),
    Look("◌", "", "waiting"),
)


def labels(view):
    return [node.label for node in view.model.nodes.values()]


def test_a_fan_folds_to_three_nodes():
    view = view_of(fan(500), fold=True)
    assert labels(view) == ["split", "part ×500", "merge"]
    assert view.model.links == [("split", "part_0"), ("part_0", "merge")]
    assert len(view.members["part_0"]) == 500
    assert view.place_of("part_321") == "part_0"


def test_the_samples_of_a_study_fold_to_the_steps_of_one():
    view = view_of(rnaseq(100), fold=True)
    assert len(view.model.nodes) == 16
    assert "star ×100" in labels(view)


def test_a_failed_job_stands_out_with_its_whole_lane():
    view = view_of(rnaseq(100), fold=True, standing_out={"star_17"})
    assert {"star_17", "trim_17", "sort_17"} <= set(view.model.nodes)
    assert "star ×99" in labels(view)


def test_two_alike_jobs_stay_apart():
    assert labels(view_of(fan(2), fold=True)) == ["split", "part_0", "part_1", "merge"]


def test_one_class_can_be_opened_and_the_others_stay_folded():
    view = view_of(rnaseq(10), fold=True, unfolded={"star_4"})
    assert {f"star_{i}" for i in range(10)} <= set(view.model.nodes)
    assert "trim ×10" in labels(view)
    assert ("trim_0", "star_7") in view.model.links


def test_a_group_is_drawn_as_one_node():
    view = view_of(airflow_groups(), collapsed={"s2"})
    assert "s2 (4)" in labels(view)
    first = next(iter(view.collapsed))
    assert view.collapsed == {first: "s2"}
    assert (first, "end") in view.model.links
    assert layout(view.model).back == []


def test_only_what_is_near_is_shown():
    model = GraphModel.of([("a", "b"), ("b", "c"), ("c", "d"), ("x", "c")])
    assert set(view_of(model, focus=("b", 1)).model.nodes) == {"a", "b", "c"}
    assert set(view_of(model, focus=("b", 2)).model.nodes) == {"a", "b", "c", "d", "x"}
    assert view_of(model, focus=("gone", 1)).model is model


def test_a_node_at_the_rim_says_how_many_links_lead_further():
    model = GraphModel.of([("a", "b"), ("b", "c"), ("c", "d"), ("c", "e"), ("x", "c"), ("a", "c")])
    near = view_of(model, focus=("b", 1)).model.nodes
    assert {name: node.label for name, node in near.items()} == {"a": "a", "b": "b", "c": "c +3"}


@given(st.integers(0, 5000), st.sets(st.integers(0, 29), max_size=3))
@settings(max_examples=60, deadline=None)
def test_a_folded_flow_is_a_flow_again_and_forgets_nobody(seed, failed):
    model = layered(30, seed=seed)
    view = view_of(model, fold=True, standing_out={f"job_{i}" for i in failed})
    shown = [member for node in view.model.nodes for member in view.members.get(node, (node,))]
    assert sorted(shown) == sorted(model.nodes)
    assert layout(view.model, budget=500).back == []
    links = {(view.place_of(s), view.place_of(t)) for s, t in model.links}
    assert set(view.model.links) == links
    for node in failed:
        assert all(
            m in {f"job_{i}" for i in failed} for m in view.members.get(view.place_of(f"job_{node}"), ())
        )


def test_members_of_a_class_have_equally_many_neighbours_in_every_other_class():
    model = diamonds(5)
    number = {name: i for i, names in enumerate(classes(model)) for name in names}
    assert len(set(number.values())) == 4
    for names in classes(model):
        counts = {tuple(sorted(number[t] for s, t in model.links if s == name)) for name in names}
        assert len(counts) == 1


def test_common_labels_lose_their_numbers():
    assert common_label(["trim_1", "trim_12"]) == "trim"
    assert common_label(["load-eu-1", "load-us-1"]) == "load"
    assert common_label(["alpha", "beta"]) == ""


def test_a_tally_keeps_up_with_its_members():
    tally = Tally([DONE, DONE, BUSY, WAIT])
    look = tally.look()
    assert (look.glyph, look.style, look.top) == ("►", "active", "►1 ◌1")
    assert look.progress == 2.5 / 4
    tally.replace(BUSY, DONE)
    tally.replace(WAIT, DONE)
    assert (tally.look().style, tally.look().progress, tally.look().top) == ("completed", 1.0, "")
    tally.replace(DONE, Look("✗", "", "failed"))
    assert tally.look().style == "failed"
    assert tally.look().word == "1 failed, 3 completed"


def test_the_map_shows_the_most_urgent_state_of_each_cell():
    drawn = layout(fan(50))
    looks = {name: DONE for name in drawn.model.nodes} | {"part_7": Look("✗", "", "failed")}
    columns, rows = scaled_size(drawn, 28, 9)
    cells = minimap(drawn, looks, columns, rows)
    assert (len(cells), len(cells[0])) == (rows, columns)
    assert sum(row.count("failed") for row in cells) == 1
    assert sum(row.count("completed") for row in cells) > rows


def test_of_jobs_that_are_not_submitted_yet_no_progress_is_shown():
    draft, wrong = Look("○", "draft", "draft"), Look("!", "problem", "problem")
    assert Tally([draft, draft]).look() == Look("○", "2 draft", "draft")
    assert Tally([draft, wrong]).look() == Look("!", "2 draft", "problem", top="!1")
