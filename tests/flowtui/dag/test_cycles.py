"""Which link closes a cycle, and along which path."""

from itertools import pairwise

import networkx as nx
from hypothesis import given, settings
from hypothesis import strategies as st

from flowtui.dag.critical import critical_path
from flowtui.dag.cycles import adjacency, levels, split_newest, would_close_cycle

names = st.sampled_from([f"n{i}" for i in range(8)])
link_lists = st.lists(st.tuples(names, names), max_size=24, unique=True)


def test_the_path_that_a_link_would_close_is_named_in_order():
    links = [("geo", "join"), ("join", "report"), ("fetch", "geo")]
    down = adjacency((), links)
    assert would_close_cycle(down, "report", "geo") == ["geo", "join", "report"]
    assert would_close_cycle(down, "geo", "report") is None
    assert would_close_cycle(down, "geo", "geo") == ["geo"]


def test_the_newest_link_of_a_cycle_is_to_blame():
    links = [("c", "a"), ("a", "b"), ("b", "c")]
    kept, closing = split_newest(links)
    assert (kept, closing) == ([("c", "a"), ("a", "b")], [("b", "c")])
    assert split_newest(kept) == (kept, [])


@given(link_lists)
@settings(max_examples=200)
def test_what_is_kept_is_acyclic_and_as_much_as_can_be(links):
    kept, closing = split_newest(links)
    graph = nx.DiGraph(kept)
    assert nx.is_directed_acyclic_graph(graph)
    assert sorted(kept + closing) == sorted(links)
    for link in closing:
        before = [other for other in kept if links.index(other) < links.index(link)]
        assert not nx.is_directed_acyclic_graph(nx.DiGraph([*before, link]))


def test_links_that_come_from_the_end_on_do_not_matter_to_how_they_are_split():
    """Every link goes against the order of those before it; searched from scratch each time that took seconds."""
    chain = [(f"n{i}", f"n{i + 1}") for i in range(3000)]
    links = [*reversed(chain), ("n2000", "n1000"), ("n3000", "n0")]
    assert split_newest(links) == (links[:3000], links[3000:])


@given(link_lists, names, names)
@settings(max_examples=200)
def test_the_answer_is_the_same_with_and_without_help(links, source, target):
    kept, _ = split_newest(links)
    down = adjacency([f"n{i}" for i in range(8)], kept)
    path = would_close_cycle(down, source, target)
    pruned = would_close_cycle(down, source, target, levels(down))
    up = adjacency([f"n{i}" for i in range(8)], [(t, s) for s, t in kept])
    both = would_close_cycle(down, source, target, levels(down), up)
    reach = source == target or nx.has_path(nx.DiGraph(down), target, source)
    assert (path is not None) == (pruned is not None) == (both is not None) == reach
    for found in (path, pruned, both):
        if found is not None:
            assert (found[0], found[-1]) == (target, source)
            assert all(b in down[a] for a, b in pairwise(found))


@given(link_lists, names, names)
@settings(max_examples=100)
def test_a_path_is_found_in_a_draft_that_has_cycles_already(links, source, target):
    down = adjacency([f"n{i}" for i in range(8)], links)
    path = would_close_cycle(down, source, target, levels(down))
    assert (path is not None) == (source == target or nx.has_path(nx.DiGraph(down), target, source))


@given(link_lists)
def test_levels_are_longest_paths(links):
    kept, _ = split_newest(links)
    level = levels(adjacency((), kept))
    for generation, nodes in enumerate(nx.topological_generations(nx.DiGraph(kept))):
        assert all(level[node] == generation for node in nodes)


def test_nodes_behind_a_cycle_have_no_level():
    assert levels(adjacency((), [("a", "b"), ("b", "a"), ("b", "c"), ("d", "e")])) == {"d": 0, "e": 1}


def test_the_critical_path_is_the_slowest_chain_and_the_others_have_slack():
    links = [("fetch", "geo"), ("fetch", "clean"), ("geo", "join"), ("clean", "join"), ("join", "report")]
    found = critical_path([], links, {"fetch": 1, "geo": 5, "clean": 2, "join": 1, "report": 1})
    assert found.path == ("fetch", "geo", "join", "report")
    assert found.length == 8
    assert found.slack == {"fetch": 0, "geo": 0, "clean": 3, "join": 0, "report": 0}
    assert found.links == {("fetch", "geo"), ("geo", "join"), ("join", "report")}
    assert critical_path(["only"], [], None).path == ("only",)
    assert critical_path([], [], None).path == ()


@given(link_lists)
@settings(max_examples=200)
def test_the_critical_path_without_durations_is_as_long_as_networkx_says(links):
    kept, _ = split_newest(links)
    if kept:
        found = critical_path([], kept)
        assert found.length == nx.dag_longest_path_length(nx.DiGraph(kept)) + 1
        assert len(found.path) == found.length
        assert all(found.slack[node] == 0 for node in found.path)
