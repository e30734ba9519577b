"""Not worse than Graphviz dot, where a dot is at hand (`pip install graphviz-pure`)."""

import sys
from pathlib import Path

import pytest
from dag_corpus import REAL, layered

sys.path.insert(0, str(Path(__file__).parents[3]))
from benchmarks.dot import find_dot, run_dot
from flowtui.dag.layout import careful, layout
from flowtui.dag.paint import hops

pytestmark = pytest.mark.skipif(find_dot() is None, reason="no dot here")


@pytest.mark.parametrize("name", [name for name in REAL if name != "imports_textual"])
def test_a_real_graph_has_no_more_crossings_and_no_more_area_than_with_dot(name):
    model = REAL[name]()
    drawn = layout(model, budget=careful(len(model.nodes)))
    dot = run_dot(model)
    assert drawn.crossings <= dot.crossings
    assert hops(drawn) <= dot.crossings
    assert drawn.width * drawn.height <= dot.width * dot.height


def test_a_thousand_random_jobs_have_no_more_crossings_than_with_dot():
    assert layout(layered(1000), budget=1_000_000).bundled_crossings <= run_dot(layered(1000)).crossings


def test_dots_own_count_is_taken_from_a_graph_whose_crossings_are_known():
    from flowtui.dag.graph import GraphModel

    both = GraphModel.of([("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("c", "x"), ("c", "y")])
    assert run_dot(both).crossings == 3
    assert layout(both).bundled_crossings == 3
    assert layout(both).crossings == hops(layout(both)) == 0
