"""Jobs, their payloads, and the shapes of flows, over many generated cases."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
from itertools import pairwise
from typing import Any

import networkx as nx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core import CycleError, FlowProducer, InMemoryBackend, Job
from core.errors import DuplicateJob, InvalidFlow, InvalidJob, InvalidPayload, UnknownUpstream
from core.flow import check_flow
from core.graph import find_cycle, shape, topological_order
from core.jobs import ID, JobError, new_id
from core.payload import (
    ERROR_LIMIT,
    check_json,
    decode_error,
    decode_payload,
    decode_result,
    encode_error,
    encode_job,
    encode_result,
)

MANY = settings(max_examples=int(os.environ.get("FLOWTUI_CASES", "300")), deadline=None)

text = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=30)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


def _same(left: Any, right: Any) -> bool:
    """Equal with equal types all the way down: 1, 1.0 and True are three things."""
    return json.dumps(left) == json.dumps(right) and left == right


@MANY
@given(st.lists(values, max_size=4), st.dictionaries(text, values, max_size=4))
def test_json_values_come_back_exactly(args: list[Any], kwargs: dict[str, Any]) -> None:
    job = Job("t", args=args, kwargs=kwargs)
    fields = decode_payload(encode_job(job))
    assert _same(fields["args"], args)
    assert _same(fields["kwargs"], kwargs)
    assert "\n" not in encode_job(job)
    assert encode_job(Job.from_dict(job.to_dict())) == encode_job(job)
    assert _same(decode_result(encode_result(args, "t")), args)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (2**63, "64 bits"),
        (-(2**63) - 1, "64 bits"),
        ((1, 2), "list"),
        ({1: "x"}, "keys are strings"),
        ({True: "x"}, "keys are strings"),
        ({None: 1}, "keys are strings"),
        (b"bytes", "bytes"),
        ({1, 2}, "set"),
        (object(), "object"),
        ("\ud800", "surrogate"),
        ({"\udfff": 1}, "surrogate"),
        (1j, "complex"),
        (range(3), "range"),
    ],
)
def test_what_json_cannot_say_is_refused_with_its_place(value: Any, said: str) -> None:
    for args, place in (([value], r"\[0\]"), ([1, {"deep": [[value]]}], r"\[1\]\['deep'\]\[0\]\[0\]")):
        with pytest.raises(InvalidPayload, match=said) as caught:
            encode_job(Job("t", args=args, name="load"))
        assert "'load'" in str(caught.value)
        assert caught.match(place)


def test_nesting_has_a_limit_and_no_recursion() -> None:
    value: Any = []
    for _ in range(62):
        value = [value]
    encode_job(Job("t", args=[value]))
    for depth in (64, 100_000):
        value = []
        for _ in range(depth):
            value = [value]
        with pytest.raises(InvalidPayload, match="nested deeper"):
            encode_job(Job("t", args=[value]))


@MANY
@given(st.text(max_size=140))
@example("-")
@example("--")
@example("a" * 129)
def test_an_id_is_taken_exactly_when_it_cannot_be_mistaken(candidate: str) -> None:
    if candidate == "-":
        with pytest.raises(InvalidJob, match="stands for none"):
            Job("t", id=candidate)
    elif ID.fullmatch(candidate):
        assert Job("t", id=candidate).id == candidate
    else:
        with pytest.raises(InvalidJob, match="must be 1 to 128"):
            Job("t", id=candidate)


def test_fresh_ids_differ_also_after_a_fork() -> None:
    ids = {new_id() for _ in range(10_000)}
    assert len(ids) == 10_000
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100).decode() != new_id()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"task_id": ""}, "task_id"),
        ({"task_id": 3}, "task_id"),
        ({"task_id": "\ud800"}, "task_id"),
        ({"args": "abc"}, "must be a list"),
        ({"args": 5}, "args of job 't' must be a list, not int"),
        ({"kwargs": [1]}, "must be a mapping"),
        ({"depends_on": "abc"}, "list of job ids"),
        ({"depends_on": 5}, "list of job ids, not int"),
        ({"depends_on": [["a"]]}, "holds a list"),
        ({"depends_on": [Job("t")]}, "holds a Job; name it by its id"),
        ({"name": ""}, "name"),
        ({"name": "\udcff"}, "surrogate"),
        ({"priority": 256}, "0 to 255"),
        ({"priority": True}, "priority"),
        ({"max_retries": -1}, "max_retries"),
        ({"max_stalls": 0}, "max_stalls"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "5"}, "number of seconds"),
        ({"delay": -1}, "delay"),
        ({"ttl": float("nan")}, "ttl"),
        ({"repeat_every": 0}, "repeat_every"),
        ({"trigger": "sometimes"}, "all_success, all_done, one_success, one_failed"),
        ({"group": ""}, "group"),
        ({"group": "a\ud800"}, "surrogate"),
    ],
)
def test_a_wrong_field_is_named_with_what_would_be_right(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidJob, match=said):
        Job(**{"task_id": "t", **fields})


def test_from_dict_refuses_fields_that_no_job_has() -> None:
    with pytest.raises(InvalidJob, match="'retries'"):
        Job.from_dict({"task_id": "t", "retries": 3})
    with pytest.raises(InvalidJob, match="must be a Job or a mapping of its fields, not int"):
        Job.from_dict(5)  # type: ignore[arg-type]
    with pytest.raises(InvalidJob, match="task_id"):
        Job.from_dict({"args": []})


@given(st.text(max_size=5000), st.text(max_size=5000), st.text(max_size=20_000))
@settings(max_examples=200, deadline=None)
def test_errors_fit_their_limit_and_keep_their_type(kind: str, message: str, trace: str) -> None:
    written = encode_error(JobError(kind[:40], message, trace))
    assert len(written) <= ERROR_LIMIT
    back = decode_error(written)
    assert back is not None
    assert message.startswith(back.message) or back.message == ""


def test_a_job_error_is_a_string_with_parts_that_copies_and_pickles() -> None:
    error = JobError("ValueError", "boom", "File x", "up")
    for each in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (str(each), each.type, each.message, each.traceback, each.upstream) == (
            "ValueError: boom",
            "ValueError",
            "boom",
            "File x",
            "up",
        )


graphs = st.integers(1, 12).flatmap(
    lambda n: st.tuples(
        st.just(n), st.lists(st.tuples(st.integers(0, n), st.integers(0, n - 1)), max_size=25)
    )
)


@MANY
@given(graphs)
def test_a_flow_is_refused_exactly_when_an_oracle_refuses_it(
    graph: tuple[int, list[tuple[int, int]]],
) -> None:
    n, pairs = graph
    jobs = [
        Job("t", id=f"j{i}", name=f"j{i}", depends_on=[f"j{u}" for u, d in pairs if d == i]) for i in range(n)
    ]
    oracle = nx.DiGraph()
    oracle.add_nodes_from(range(n))
    oracle.add_edges_from((u, d) for u, d in pairs if u < n)
    acyclic = nx.is_directed_acyclic_graph(oracle)
    # Node n is in nobody's flow: whether the store has it, only the store can say.
    if acyclic:
        links = check_flow(jobs)
        assert {*links} == {(f"j{u}", f"j{d}") for u, d in pairs}
        place = {job_id: i for i, job_id in enumerate(links.order)}
        assert all(place[f"j{u}"] < place[f"j{d}"] for u, d in pairs if u < n)
    else:
        with pytest.raises(CycleError) as caught:
            check_flow(jobs)
        path = [int(name[1:]) for name in caught.value.path]
        assert path[0] == path[-1]
        assert all(oracle.has_edge(u, d) for u, d in pairwise(path))


@MANY
@given(graphs)
def test_order_cycle_and_shape_agree_with_networkx(graph: tuple[int, list[tuple[int, int]]]) -> None:
    n, pairs = graph
    ids = [str(i) for i in range(n)]
    links = [(str(u), str(d)) for u, d in dict.fromkeys(pairs) if u < n]
    oracle = nx.DiGraph(links)
    oracle.add_nodes_from(ids)
    order = topological_order(ids, links)
    if nx.is_directed_acyclic_graph(oracle):
        assert order is not None
        assert find_cycle(ids, links) is None
        found = shape(ids, links)
        assert len(found.longest) == nx.dag_longest_path_length(oracle) + 1
        assert [sorted(level) for level in found.levels] == [
            sorted(each) for each in nx.topological_generations(oracle)
        ]
        assert found.width == max(map(len, found.levels))
    else:
        assert order is None
        assert find_cycle(ids, links) is not None
        with pytest.raises(ValueError, match="cycle"):
            shape(ids, links)


async def test_refusals_name_the_thing_and_the_way_out() -> None:
    producer = FlowProducer(InMemoryBackend())
    with pytest.raises(UnknownUpstream, match=r"job 'load' depends on 'extract'.*submit its flow first"):
        await producer.add_flow("etl", [Job("t", name="load", depends_on=["extract"])])
    with pytest.raises(DuplicateJob, match="give each its own"):
        await producer.add_flow("etl", [Job("t", id="x"), Job("t", id="x")])
    wrong: Any
    for wrong in (Job("t"), None, "abc", {"task_id": "t"}, 5):
        with pytest.raises(InvalidFlow, match=f"must be a list of jobs, not {type(wrong).__name__}"):
            await producer.add_flow("etl", wrong)
    with pytest.raises(InvalidJob, match="mapping of its fields, not NoneType"):
        await producer.add_flow("etl", [None])  # type: ignore[list-item]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        values | st.sampled_from([math.nan, -math.inf, 2**63, -(2**63) - 1, "\ud800", (1,), {1: 2}, b""])
    )
)
def test_the_short_look_at_arguments_agrees_with_the_long_one(args: list[Any]) -> None:
    job = Job("t", args=args, kwargs={"k": args})
    try:
        check_json(args, "args")
    except InvalidPayload:
        with pytest.raises(InvalidPayload):
            encode_job(job)
    else:
        expected = {"task_id": "t", "name": "t", "args": args, "kwargs": {"k": args}}
        if not args:
            del expected["args"]
        assert encode_job(job) == json.dumps(expected, separators=(",", ":"))


@pytest.mark.parametrize("depth", [62, 63, 64, 65])
def test_nesting_is_let_in_to_the_same_depth_by_both_looks(depth: int) -> None:
    value: Any = []
    for _ in range(depth):
        value = [value]
    try:
        check_json(value, "args")
    except InvalidPayload:
        with pytest.raises(InvalidPayload, match="deeper than 64"):
            encode_job(Job("t", args=value))
    else:
        assert json.loads(encode_job(Job("t", args=value)))["args"] == value
