"""The timeline: what ran when, what decided how long it took, how long it may still take."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from textual.app import App, ComposeResult

from core.backends.base import FlowSnapshot
from core.events import Event
from core.jobs import FlowRecord, FlowState, JobRecord, JobState
from flowtui.bars import amount, bar, spark
from flowtui.flowboard import FlowBoard
from flowtui.outline import outline
from flowtui.timeline import axis, chart, compare, critical_path, estimate, line, order
from flowtui.times import duration, number
from flowtui.widgets import timelineview
from flowtui.widgets.timelineview import TimelineView

S = JobState


def flow_of(
    *jobs: JobRecord, links: list[tuple[str, str]] | None = None, state: FlowState = FlowState.RUNNING
) -> FlowBoard:
    counts = dict.fromkeys((each.value for each in S), 0)
    starts = [job.started_at for job in jobs if job.started_at is not None]
    flow = FlowRecord("f", "q", "f", state, counts, 0.0, min(starts, default=None))
    return FlowBoard(FlowSnapshot(flow, list(jobs), links or [], {"q": 0}))


def ran(
    name: str, start: float, end: float | None = None, state: JobState | None = None, **more: object
) -> JobRecord:
    record = JobRecord(
        name, "q", state or (S.COMPLETED if end is not None else S.ACTIVE), "t", name, flow_id="f"
    )
    record.started_at, record.finished_at, record.attempts = start, end, 1
    for key, value in more.items():
        setattr(record, key, value)
    return record


def waits(name: str) -> JobRecord:
    return JobRecord(name, "q", S.BLOCKED, "t", name, flow_id="f")


def text_of(flow: FlowBoard, job: str, now: float, width: int) -> str:
    drawn = chart(flow, now, width)
    return "".join(
        text for text, _ in line(flow.jobs[job], flow.attempts.get(job, ()), drawn, now, width).pieces
    )


def test_bars_lie_where_the_jobs_ran() -> None:
    flow = flow_of(ran("a", 100, 105), ran("b", 105, 110), state=FlowState.COMPLETED)
    flow.finished_at = 110.0
    assert text_of(flow, "a", 200, 20) == "█" * 10 + " " * 10
    assert text_of(flow, "b", 200, 20) == " " * 10 + "█" * 10


def test_each_attempt_has_a_bar_and_a_failed_one_its_mark() -> None:
    flow = flow_of(ran("a", 100))
    flow.apply(Event(1, 103.0, "q", "f", "a", S.ACTIVE, S.DELAYED, 1, None, "boom"))
    flow.jobs["a"].run_at = 106.0
    waiting = text_of(flow, "a", 104.0, 40)
    assert "█✗" in waiting
    assert "░" in waiting
    flow.apply(Event(2, 106.0, "q", "f", "a", S.DELAYED, S.WAITING, 1))
    flow.apply(Event(3, 106.0, "q", "f", "a", S.WAITING, S.ACTIVE, 2))
    running = text_of(flow, "a", 108.0, 40)
    assert running.count("✗") == 1
    assert running.rstrip().endswith("►")
    assert "░" not in running


def test_jobs_are_in_the_order_of_their_first_start() -> None:
    flow = flow_of(waits("z"), ran("b", 105, 106), ran("a", 100, 101), waits("y"))
    assert order(flow) == ["a", "b", "z", "y"]


def test_the_axis_has_round_numbers_that_do_not_touch() -> None:
    flow = flow_of(ran("a", 0, 10), state=FlowState.COMPLETED)
    flow.finished_at = 10.0
    text = axis(chart(flow, 10, 60), 60)
    assert len(text) == 60
    assert text.split() == ["0s", "2s", "4s", "6s", "8s"]
    long = flow_of(ran("a", 0, 7000), state=FlowState.COMPLETED)
    long.finished_at = 7000.0
    assert axis(chart(long, 7000, 60), 60).split()[:3] == ["0m", "30m", "60m"]


def test_what_decided_how_long_it_took_is_the_chain_of_last_ends() -> None:
    links = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
    flow = flow_of(ran("a", 0, 2), ran("b", 2, 3), ran("c", 2, 8), ran("d", 8, 9), links=links)
    assert critical_path(flow, 9) == ["a", "c", "d"]
    running = flow_of(ran("a", 0, 2), ran("b", 2), ran("c", 2.5), waits("d"), links=links)
    assert critical_path(running, 9) == ["a", "b"]
    assert critical_path(flow_of(waits("a")), 9) == []


def test_what_is_left_follows_the_longest_chain() -> None:
    links = [("a", "b"), ("b", "c")]
    flow = flow_of(ran("a", 0, 10), ran("b", 10), waits("c"), links=links)
    left = estimate(flow, 15.0)
    assert left is not None
    assert 14.0 <= left <= 16.0  # half of b and all of c
    assert estimate(flow_of(waits("a")), 0.0) is None
    usual = estimate(flow, 15.0, {"a": 10, "b": 10, "c": 100})
    assert usual is not None
    assert usual > 100


def test_progress_makes_the_estimate_better() -> None:
    flow = flow_of(ran("a", 0, 10), ran("b", 10, progress=0.25), links=[("a", "b")])
    left = estimate(flow, 20.0)
    assert left is not None
    assert 29.0 <= left <= 31.0


def test_a_delay_that_is_still_to_come_is_left_too() -> None:
    later = ran("later", 0, state=S.DELAYED, run_at=3600.0, started_at=None)
    flow = flow_of(ran("a", 0, 10), later, waits("c"), links=[("later", "c")])
    assert estimate(flow, 100.0) == 3500.0 + 10 + 10
    assert estimate(flow, 4000.0) == 20
    slow = JobRecord("slow", "q", S.BLOCKED, "t", "slow", flow_id="f", delay=60.0)
    assert estimate(flow_of(ran("a", 0, 10), ran("b", 10), slow, links=[("b", "slow")]), 10.0) == 10 + 60 + 10


def test_two_runs_are_compared_by_name_and_the_slowest_change_comes_first() -> None:
    rows = compare(
        [ran("a", 0, 1), ran("b", 0, 5), ran("gone", 0, 1)],
        [ran("a", 0, 4), ran("b", 0, 4), ran("new", 0, 1)],
    )
    assert rows[0].name == "a"
    by_name = {row.name: row for row in rows}
    assert by_name["b"].slower == -1
    assert (by_name["gone"].after, by_name["new"].before) == (None, None)


def test_the_outline_has_every_job_once_below_its_last_upstream() -> None:
    lines = outline("abcde", [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d"), ("b", "c")])
    assert [(item.branch, item.id, item.level) for item in lines] == [
        ("", "a", 0),
        ("└─ ", "b", 1),
        ("   └─ ", "c", 2),
        ("      └─ ", "d", 3),
        ("", "e", 0),
    ]
    assert lines[3].others == ("b",)


def test_a_chain_of_ten_thousand_jobs_has_an_outline() -> None:
    names = [str(index) for index in range(10_000)]
    lines = outline(names, list(pairwise(names)))
    assert len(lines) == 10_000
    assert lines[-1].level == 9_999


def test_bars_and_sparklines_have_their_width() -> None:
    assert bar(0.0, 8) == "░" * 8
    assert bar(1.0, 8) == "█" * 8
    assert bar(0.001, 8).count("█") == 1
    assert bar(0.999, 8).count("█") == 7
    assert amount(5, 10, 8) == "████"
    assert amount(0, 10, 8) == ""
    assert spark([0, 1, 2, 4], 4) == "▁▃▅█"
    assert len(spark(range(300), 17)) == 17
    assert spark([], 5) == "▁" * 5


def test_durations_and_counts_are_short() -> None:
    assert [duration(value) for value in (0.004, 0.5, 12.84, 187, 8040, 270_000, None)] == [
        "4ms", "0.5s", "12.8s", "3m07s", "2h14m", "3d03h", "",
    ]  # fmt: skip
    assert [number(value) for value in (0, 999, 9999, 123_456, 1_000_000)] == [
        "0",
        "999",
        "9999",
        "123k",
        "1.0M",
    ]


async def test_all_lines_of_a_timeline_share_one_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks at every attempt of the flow: for each line anew, a large flow would be slow to look at."""
    made = []

    def counted(*args: Any) -> Any:
        made.append(args)
        return chart(*args)

    class Drawn(App[None]):
        def compose(self) -> ComposeResult:
            yield TimelineView()

    monkeypatch.setattr(timelineview, "chart", counted)
    async with Drawn().run_test(size=(80, 20)) as pilot:
        view = pilot.app.screen.query_one(TimelineView)
        for shown in (1, 2):
            view.show(flow_of(*[ran(f"j{n}", n, n + 1) for n in range(30)]), 40.0, None)
            await pilot.pause()
            assert len(made) == shown
