"""Whatever is handed in: it is taken exactly as it is, or refused with the reason, and then nothing at all has changed.

1,000 generated cases of each kind on every store; on servers a digest of the whole server is compared for each case.
FLOWTUI_CASES sets the figure.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
from itertools import pairwise
from typing import Any

import networkx as nx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from servers import KINDS, server

from core import FlowProducer, InMemoryBackend, Job, RedisBackend
from core.backends.base import PAYLOAD_LIMIT
from core.errors import FlowError
from core.payload import encode_job

CASES = int(os.environ.get("FLOWTUI_CASES", "1000"))
STORES = [kind for kind in KINDS if kind != "cluster"]
NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")

texts = st.text(max_size=12)
good = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
bad = st.sampled_from(
    [
        math.nan,
        math.inf,
        2**63,
        (1, 2),
        {1: "x"},
        {None: 1},
        b"x",
        {1, 2},
        object(),
        "\ud800",
        "x" * PAYLOAD_LIMIT,
    ]
)
values = st.recursive(
    good | bad,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
odd_ids = st.text(max_size=140) | st.sampled_from(
    ["a", "a.b-c_d", "x" * 128, "x" * 129, "", "a:b", "{x}", "*", "a b", "é", "a\n", None, 7, b"a", True]
)
odd_numbers = st.sampled_from([0, 1e9, 1e10, "5", "5m", 10**30, [], math.inf])
numbers = st.none() | st.booleans() | st.integers(-5, 300) | st.floats() | odd_numbers


class Store:
    """One store for all cases of a test, with a flow in it; `content` is everything it holds."""

    def __init__(self, kind: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.where: Any = None
        if kind == "memory":
            self.backend: Any = InMemoryBackend()
        else:
            self.where, self.backend = server(kind), None
        self.cases = 0
        self.begin()

    def begin(self) -> None:
        """A new store: the digest of one takes the longer the more events it holds."""
        if self.where is not None:
            if self.backend is not None:
                self.do(self.backend.close())
            self.where.flush()
            self.backend = RedisBackend(self.where.url)
        up = Job("t", id="up")
        self.do(
            FlowProducer(self.backend).add_flow(
                "q", [up, Job("t", id="down", depends_on=["up"])], flow_id="first"
            )
        )

    def do(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def content(self) -> object:
        if self.where is not None:
            return self.where.digest()
        homes = [home for home in self.backend._queues.values() if home.recs or home.seq]
        return self.do(self.backend.queues()), [
            (home.name, home.seq, home.order, sorted(home.recs), sorted(home.declared), len(home.flows))
            for home in homes
        ]

    def try_flow(self, make: Any) -> FlowError | None:
        """Add what `make` gives. Refused: the error, and nothing has changed. Taken: it is taken out again."""
        before = self.content()
        try:
            ids = self.do(FlowProducer(self.backend).add_flow("q", make(), flow_id="case"))
        except FlowError as error:
            refused = error
        else:
            refused = None
        if refused is not None:
            assert self.content() == before, refused
            return refused
        self.jobs = [self.do(self.backend.get_job(job_id)) for job_id in ids]
        self.do(self.backend.cancel_flow("case"))
        self.do(self.backend.remove_flow("case"))
        self.cases += 1
        if self.where is not None and self.cases % 20 == 0:
            self.begin()
        return None

    def close(self) -> None:
        self.do(self.backend.close())
        self.loop.close()


def check(kind: str, strategy: st.SearchStrategy[Any], case: Any) -> None:
    """Run `case(store, drawn)` on one store, for every case."""
    store = Store(kind)

    @settings(
        max_examples=CASES,
        deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(strategy)
    def run(drawn: Any) -> None:
        case(store, drawn)

    try:
        run()
    finally:
        store.close()


def sayable(value: object, depth: int = 0) -> bool:
    """Whether JSON can say it exactly: the oracle."""
    if value is None or type(value) is bool:
        return True
    if type(value) is str:
        return not any(0xD800 <= ord(char) < 0xE000 for char in value)
    if type(value) is int:
        return -(2**63) <= value < 2**63
    if type(value) is float:
        return math.isfinite(value)
    if type(value) is list:
        return depth < 64 and all(sayable(each, depth + 1) for each in value)
    if type(value) is dict:
        return depth < 64 and all(
            type(key) is str and sayable(key) and sayable(each, depth + 1) for key, each in value.items()
        )
    return False


@pytest.mark.parametrize("kind", STORES)
def test_arguments_come_back_exactly_or_are_refused_with_their_place(kind: str) -> None:
    def case(store: Store, args: list[Any]) -> None:
        error = store.try_flow(lambda: [Job("t", args, name="loader")])
        if error is None:
            assert sayable(args)
            found = store.jobs[0].args
            assert json.dumps(found) == json.dumps(args)
        else:
            assert not sayable(args) or len(json.dumps(args)) > PAYLOAD_LIMIT - 100
            assert "'loader'" in str(error)
            assert re.search(r"args of job 'loader'|limit", str(error))

    check(kind, st.lists(values, max_size=3), case)


@pytest.mark.parametrize("kind", STORES)
def test_an_id_is_taken_or_refused_with_what_would_do(kind: str) -> None:
    def case(store: Store, drawn: tuple[Any, Any]) -> None:
        one, other = drawn
        wrong = [
            each
            for each in drawn
            if each is not None and not (isinstance(each, str) and NAME.fullmatch(each))
        ]
        error = store.try_flow(lambda: [Job("t", id=one), Job("t", id=other)])
        if error is None:
            assert not wrong
            assert one is None or one != other
        elif wrong:
            assert re.search(r"job id .*must be", str(error), re.DOTALL)
        else:
            assert one == other or {one, other} & {"up", "down"}
            assert str(one) in str(error) or str(other) in str(error)

    check(kind, st.tuples(odd_ids, odd_ids), case)


graphs = st.integers(1, 7).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=10),
        st.lists(st.sampled_from(["up", "down", "nobody", "a b"]), max_size=1),
    )
)


@pytest.mark.parametrize("kind", STORES)
def test_a_graph_is_taken_exactly_when_networkx_finds_it_sound(kind: str) -> None:
    def case(store: Store, drawn: tuple[int, list[tuple[int, int]], list[str]]) -> None:
        count, links, outside = drawn
        ups: list[list[str]] = [[] for _ in range(count)]
        for up, down in links:
            ups[down].append(f"n{up}")
        ups[0] += outside
        graph = nx.DiGraph(links)
        error = store.try_flow(
            lambda: [Job("t", id=f"n{n}", depends_on=above) for n, above in enumerate(ups)]
        )
        known = not ({*outside} - {"up", "down"})
        assert (error is None) == (nx.is_directed_acyclic_graph(graph) and known), error
        if error is None:
            assert [sorted(job.depends_on) for job in store.jobs] == [sorted({*above}) for above in ups]
        else:
            path = re.search(r"\b(n\d+|t)( -> (n\d+|t))+", str(error))
            if path:
                # Where there is one job only, its name tells it apart.
                steps = [int(name[1:] or 0) for name in path[0].split(" -> ")]
                assert steps[0] == steps[-1]
                assert all(graph.has_edge(*pair) for pair in pairwise(steps))
            else:
                assert outside[0] in str(error)

    check(kind, graphs, case)


SECONDS = {"delay": True, "backoff": True, "ttl": False, "timeout": False, "repeat_every": False}
COUNTS = {"priority": range(256), "max_retries": range(100_001), "max_stalls": range(1, 1001)}


def allowed(name: str, value: Any) -> bool:
    """What a field takes: the oracle."""
    if isinstance(value, bool):
        return False
    if name in COUNTS:
        return isinstance(value, int) and value in COUNTS[name]
    if value is None:
        return True
    return isinstance(value, int | float) and 0 <= value < 1e10 and (SECONDS[name] or value > 0)


@pytest.mark.parametrize("kind", STORES)
def test_a_schedule_is_taken_or_the_field_is_named_with_what_would_do(kind: str) -> None:
    def case(store: Store, fields: dict[str, Any]) -> None:
        error = store.try_flow(lambda: [Job("t", name="nightly", **fields)])
        wrong = [name for name, value in fields.items() if not allowed(name, value)]
        assert (error is None) == (not wrong), error
        if error is None:
            job = store.jobs[0]
            assert {name: getattr(job, name) for name in fields if fields[name] is not None} == {
                name: value for name, value in fields.items() if value is not None
            }
        else:
            assert any(name in str(error) for name in wrong)
            assert re.search(r"must be|more than", str(error))

    check(kind, st.dictionaries(st.sampled_from([*SECONDS, *COUNTS]), numbers, max_size=3), case)


def test_the_largest_payload_is_taken_and_one_byte_more_is_not() -> None:
    room = PAYLOAD_LIMIT - len(encode_job(Job("t", [""])))
    assert len(encode_job(Job("t", ["x" * room]))) == PAYLOAD_LIMIT
    with pytest.raises(FlowError, match="limit"):
        encode_job(Job("t", ["x" * (room + 1)]))
