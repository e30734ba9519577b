"""The filter line."""

from __future__ import annotations

import pytest

from core.jobs import FlowRecord, FlowState, JobError, JobRecord, JobState
from flowtui.filter import FilterError, parse
from flowtui.flowlist import parse_flows

NOW = 10_000.0
NAMES = {"f1": "etl-nightly", "f2": "mail"}


def job(**fields: object) -> JobRecord:
    record = JobRecord("7f3a91c2", "q", JobState.WAITING, "app.geo", "geo", created_at=NOW - 600)
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def matches(text: str, record: JobRecord) -> bool:
    return parse(text).matches(record, NOW, lambda flow_id: NAMES.get(flow_id, flow_id))


JOB = job(
    state=JobState.FAILED,
    flow_id="f1",
    args=["eu", 10115],
    kwargs={"strict": True},
    attempts=3,
    priority=2,
    worker="web-1-77",
    started_at=NOW - 590,
    finished_at=NOW - 578,
    error=JobError("TimeoutError", "slow lookup"),
    group="geo group",
)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "geo",
        "GEO app",
        "state:failed",
        "state:failed,expired",
        "state:fail",
        "s:failed task:app.*",
        "task:*geo",
        "task:app.g",
        "flow:etl*",
        "flow:f1",
        "age>5m",
        "age>=600",
        "age<1h",
        "run>10s",
        "run:12",
        "wait<11s",
        "try>2",
        "try:3",
        "attempts=3",
        "priority<5",
        "id:7f3",
        "id:7f3a91c2",
        "error:timeout",
        "error:*lookup",
        "args:10115",
        "args:strict",
        "worker:web-1*",
        'group:"geo group"',
        "group:'geo g'",
        "!state:completed",
        "!mail !task:mail.*",
        "10115 timeout web-1",
        "state:done,failed",
    ],
)
def test_what_matches(text: str) -> None:
    assert matches(text, JOB)


@pytest.mark.parametrize(
    "text",
    [
        "!geo",
        "mail",
        "state:completed",
        "!state:failed",
        "task:mail.*",
        "flow:mail",
        "age>11m",
        "run>1m",
        "try>3",
        "id:8",
        "worker:web-2*",
        "error:memory",
        "args:10116",
        "state:failed task:mail.*",
        "progress>1%",
    ],
)
def test_what_does_not(text: str) -> None:
    assert not matches(text, JOB)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("age>", "age>5m"),
        ("age>soon", "age>5m"),
        ("try>5m", "try>1"),
        ("state:", "state:failed"),
        ("state:nonsense", "states are blocked"),
        ("state:failed state:cancelled", "state:failed,cancelled"),
        ("state:failed mail !state:failed", "in one state only"),
        ("task>app", "task:app"),
        ("!", "!state:completed"),
        ("priority>50%", "priority>1"),
    ],
)
def test_a_term_that_means_nothing_says_what_would(text: str, hint: str) -> None:
    with pytest.raises(FilterError, match=hint.replace("!", r"\!").replace("*", r"\*")):
        parse(text)


def test_every_beginning_of_a_filter_is_read_or_refused_but_never_breaks() -> None:
    text = 'state:failed !task:app.* flow:etl* age>5m run<=2h id:7f3 "two words" [/] \x1b]52;c;x\x07 (*)'
    for end in range(len(text) + 1):
        try:
            wanted = parse(text[:end])
        except FilterError as error:
            reason = str(error)
        else:
            reason = ""
            assert wanted.matches(JOB, NOW) in (True, False)
        assert bool(reason) == (
            text[:end].rstrip()[-1:] in (":", ">", "=", "!") or text[:end].endswith("run<")
        )


def test_a_word_with_a_colon_that_is_no_key_is_text() -> None:
    assert matches("postgres://db", job(args=["postgres://db/x"]))


def test_patterns_are_not_regular_expressions() -> None:
    assert not matches("task:app+geo", JOB)
    assert matches("task:a?p.geo", JOB)
    assert not matches("name:(a+)+$", job(name="a" * 5000))


def test_the_states_that_can_match_are_known_before_anything_is_read() -> None:
    assert parse("geo").states is None
    assert parse("state:failed geo").states == {JobState.FAILED}
    assert parse("state:failed,expired !state:expired").states == {JobState.FAILED}
    assert parse("!state:completed").states == set(JobState) - {JobState.COMPLETED}


def test_an_exact_value_is_told_from_a_pattern() -> None:
    assert parse("id:abc").plain("id") == "abc"
    assert parse("id:abc*").plain("id") is None
    assert parse("!id:abc").plain("id") is None


def test_flows_are_filtered_by_name_state_queue_and_time() -> None:
    counts = dict.fromkeys((state.value for state in JobState), 0)
    flow = FlowRecord("f1", "nightly", "etl-de", FlowState.FAILED, counts, NOW - 7200, NOW - 7200, NOW - 7100)
    for text in (
        "etl",
        "state:failed",
        "state:fail",
        "name:etl*",
        "queue:night",
        "age>1h",
        "took<2m",
        "!mail",
        "!state:running",
    ):
        assert parse_flows(text).matches(flow, NOW), text
    for text in ("mail", "state:running", "name:*x", "age<1h", "took>2m", "!etl"):
        assert not parse_flows(text).matches(flow, NOW), text
    assert parse_flows("state:failed").state is FlowState.FAILED
    with pytest.raises(FilterError, match="completed"):
        parse_flows("state:nope")
    with pytest.raises(FilterError, match="age>1h"):
        parse_flows("age>")
