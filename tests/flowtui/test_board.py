"""The board: a snapshot, kept true by events."""

from __future__ import annotations

import math
import random

from core.backends.base import FlowSnapshot, Overview, QueueInfo, WorkerInfo
from core.events import Event
from core.jobs import FlowRecord, FlowState, JobRecord, JobState
from flowtui.board import Board
from flowtui.flowboard import FlowBoard
from flowtui.rates import Sampled, Series, Spread
from flowtui.widgets.queuepanel import panel

S = JobState
NOTHING = dict.fromkeys((state.value for state in S), 0)


def overview(*queues: tuple[str, dict[str, int], int], at: float = 1000.0, paused: bool = False) -> Overview:
    infos = [QueueInfo(name, {**NOTHING, **counts}, paused, seq) for name, counts, seq in queues]
    return Overview(infos, [], {info.name: info.seq for info in infos}, at)


def event(
    seq: int,
    before: JobState | None,
    after: JobState | None,
    *,
    job: str = "j",
    at: float = 1000.0,
    queue: str = "q",
    flow: str | None = None,
    attempt: int = 0,
    reason: str = "",
) -> Event:
    return Event(seq, at, queue, flow, job, before, after, attempt, None, reason)


def board_of(**counts: int) -> Board:
    board = Board()
    board.reset(overview(("q", counts, 10)))
    return board


# ---- queues ----------------------------------------------------------------------------------------------------------


def test_an_event_moves_a_job_from_one_count_to_another() -> None:
    board = board_of(waiting=2)
    assert board.digest([event(11, S.WAITING, S.ACTIVE)])
    assert (board.queues["q"].counts["waiting"], board.queues["q"].counts["active"]) == (1, 1)
    assert board.position == {"q": 11}


def test_an_event_that_comes_twice_is_counted_once() -> None:
    board = board_of(waiting=2)
    once = [event(11, S.WAITING, S.ACTIVE), event(12, S.ACTIVE, S.COMPLETED)]
    board.digest(once)
    before = dict(board.queues["q"].counts)
    assert not board.digest(once)
    assert board.queues["q"].counts == before
    assert not board.stale


def test_events_that_the_snapshot_already_holds_change_nothing() -> None:
    board = board_of(completed=1)
    assert not board.digest([event(9, S.WAITING, S.ACTIVE), event(10, S.ACTIVE, S.COMPLETED)])
    assert board.queues["q"].counts["completed"] == 1


def test_a_hole_in_the_events_asks_for_a_new_snapshot() -> None:
    board = board_of(waiting=2)
    board.digest([event(13, S.WAITING, S.ACTIVE)])
    assert board.stale
    board.reset(overview(("q", {"waiting": 1, "active": 1}, 13)))
    assert not board.stale
    assert board.position == {"q": 13}


def test_a_queue_that_is_born_later_is_counted_from_its_first_event() -> None:
    board = board_of()
    board.digest([event(1, None, S.WAITING, queue="new"), event(2, S.WAITING, S.ACTIVE, queue="new")])
    assert board.queues["new"].counts["active"] == 1
    assert not board.stale


def test_only_watched_queues_are_on_the_board() -> None:
    board = Board(watch=["etl-*"])
    board.reset(overview(("etl-1", {"waiting": 1}, 1), ("mail", {"waiting": 5}, 1)))
    board.digest([event(2, None, S.WAITING, queue="mail"), event(1, None, S.WAITING, queue="etl-2")])
    assert set(board.queues) == {"etl-1", "etl-2"}


def test_counts_follow_any_sequence_of_events() -> None:
    """10,000 random moves of 300 jobs in two queues, in batches of which some come twice: the counts are right."""
    random_ = random.Random(7)
    moves = {
        None: [S.WAITING, S.BLOCKED, S.DELAYED],
        S.BLOCKED: [S.WAITING, S.SKIPPED, S.CANCELLED],
        S.WAITING: [S.ACTIVE, S.CANCELLED, S.EXPIRED],
        S.DELAYED: [S.WAITING, S.CANCELLED],
        S.ACTIVE: [S.COMPLETED, S.FAILED, S.DELAYED, S.WAITING],
        S.COMPLETED: [S.WAITING, None],
        S.FAILED: [S.WAITING, S.BLOCKED, None],
        S.SKIPPED: [S.BLOCKED, None],
        S.CANCELLED: [S.WAITING, None],
        S.EXPIRED: [S.WAITING, None],
    }
    where: dict[tuple[str, str], JobState | None] = {}
    seqs = {"a": 0, "b": 0}
    board = Board()
    board.reset(overview(("a", {}, 0), ("b", {}, 0)))
    batch: list[Event] = []
    for step in range(10_000):
        queue = random_.choice("ab")
        job = f"j{random_.randrange(300)}"
        before = where.get((queue, job))
        after = random_.choice(moves[before])
        where[queue, job] = after
        seqs[queue] += 1
        batch.append(event(seqs[queue], before, after, job=job, queue=queue, at=1000 + step / 50))
        if len(batch) >= 40:
            board.digest(batch)
            if random_.random() < 0.2:
                board.digest(batch[random_.randrange(40) :])
            batch = []
    board.digest(batch)
    assert not board.stale
    for queue in "ab":
        expected = dict(NOTHING)
        for (name, _), state in where.items():
            if name == queue and state is not None:
                expected[state.value] += 1
        assert board.queues[queue].counts == expected


def test_rates_and_latencies_come_from_the_events() -> None:
    board = board_of()
    seq, events = 10, []
    for second in range(20):
        for number in range(5):
            job, at = f"{second}-{number}", 1000.0 + second
            for before, after, when in (
                (None, S.WAITING, at),
                (S.WAITING, S.ACTIVE, at + 0.2),
                (S.ACTIVE, S.COMPLETED if number else S.FAILED, at + 0.9),
            ):
                seq += 1
                events.append(event(seq, before, after, job=job, at=when))
    events.sort(key=lambda item: (item.at, item.seq))
    queue = board.queues["q"]
    for seq, item in enumerate(events, start=11):
        board.digest([Event(seq, item.at, "q", None, item.job_id, item.from_, item.to)])
    board.tick(1020.0)
    assert queue.rate(1020) == 5.0
    assert sum(queue.failed.last(10, 1020)) == 10
    ran = queue.run.quantiles((0.5, 0.99), 1020)
    waited = queue.wait.quantiles((0.5,), 1020)
    assert ran is not None
    assert waited is not None
    assert math.isclose(ran[0], 0.7, rel_tol=0.07)
    assert math.isclose(waited[0], 0.2, rel_tol=0.07)


def test_a_queue_that_is_worked_off_says_when_it_will_be_empty() -> None:
    board = board_of(waiting=600)
    events, seq = [], 10
    for second in range(60):
        for number in range(5):
            job = f"{second}-{number}"
            for before, after in ((S.WAITING, S.ACTIVE), (S.ACTIVE, S.COMPLETED)):
                seq += 1
                events.append(event(seq, before, after, job=job, at=1000.0 + second))
    board.digest(events[:40])
    board.tick(1004.0)
    seen = panel(board.queues["q"], [], 1004.0, 80).plain.splitlines()
    # Watched for four seconds, not ten.
    assert (seen[0].split()[-3], seen[1].split()[-3]) == ("5.0", "0.0")
    board.digest(events[40:])
    board.tick(1060.0)
    assert board.queues["q"].drain(1060) == 60.0  # 300 left at 5 a second
    board.tick(1200.0)
    assert board.queues["q"].drain(1200) is None  # nothing has moved for a minute: no estimate


def test_workers_and_pauses_come_with_a_refresh_and_leave_rates_alone() -> None:
    board = board_of(waiting=1, active=2)
    news = overview(("q", {"waiting": 1, "active": 2}, 10), paused=True)
    news.workers = [WorkerInfo("w", "host", 1, ["q"], 4, ["t"], seen_at=1000.0)]
    board.refresh(news)
    assert board.queues["q"].paused
    assert board.worker_load() == {"alive": 1, "slots": 4, "active": 2}


def test_a_refresh_corrects_counts_only_at_the_same_position() -> None:
    board = board_of(waiting=1)
    board.refresh(overview(("q", {"waiting": 7}, 9)))
    assert board.queues["q"].counts["waiting"] == 1
    board.refresh(overview(("q", {"waiting": 7}, 10)))
    assert board.queues["q"].counts["waiting"] == 7


# ---- flows -----------------------------------------------------------------------------------------------------------


def diamond(position: int = 0) -> FlowSnapshot:
    links = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
    jobs = [
        JobRecord(
            name,
            "q",
            S.WAITING if name == "a" else S.BLOCKED,
            f"t.{name}",
            name,
            flow_id="f",
            created_at=999.0,
        )
        for name in "abcd"
    ]
    flow = FlowRecord("f", "q", "diamond", FlowState.RUNNING, {**NOTHING, "waiting": 1, "blocked": 3}, 999.0)
    return FlowSnapshot(flow, jobs, links, {"q": position})


def test_a_flow_knows_how_far_it_is_and_when_it_ended() -> None:
    board = board_of(waiting=1, blocked=3)
    flow = board.open(diamond(10))
    board.digest(
        [
            event(11, S.WAITING, S.ACTIVE, job="a", flow="f", at=1000.0, attempt=1),
            event(12, S.ACTIVE, S.COMPLETED, job="a", flow="f", at=1001.0, attempt=1),
            event(13, S.BLOCKED, S.WAITING, job="b", flow="f", at=1001.0),
        ]
    )
    assert (flow.done, flow.total, flow.state) == (1, 4, FlowState.RUNNING)
    assert flow.pending("d") == (0, 2)
    assert flow.jobs["a"].runtime == 1.0
    assert flow.elapsed(1003.0) == 3.0
    assert flow.take_changed() >= {"a", "b", "c"}
    seq = 13
    for job in "bcd":
        for before, after in ((flow.jobs[job].state, S.ACTIVE), (S.ACTIVE, S.COMPLETED)):
            seq += 1
            board.digest([event(seq, before, after, job=job, flow="f", at=1002.0, attempt=1)])
    assert flow.state is FlowState.COMPLETED
    assert flow.elapsed(2000.0) == 2.0
    assert board.ended == [flow]


def test_events_that_arrive_while_a_flow_is_being_read_are_not_lost() -> None:
    board = board_of(waiting=1, blocked=3)
    board.expect("f")
    board.digest([event(11, S.WAITING, S.ACTIVE, job="a", flow="f", attempt=1)])
    flow = board.open(diamond(10))  # the snapshot was taken before the event
    assert flow.jobs["a"].state is S.ACTIVE
    board.expect("f")
    board.digest([event(12, S.ACTIVE, S.COMPLETED, job="a", flow="f", attempt=1)])
    newer = diamond(12)
    newer.jobs[0].state = S.COMPLETED
    assert board.open(newer).counts["completed"] == 1  # and after it: not counted twice


def test_a_retry_takes_an_ended_flow_back_to_running_and_keeps_what_was_seen() -> None:
    board = board_of(waiting=1)
    flow = board.open(diamond(10))
    board.digest(
        [
            event(11, S.WAITING, S.ACTIVE, job="a", flow="f", at=1000.0, attempt=1),
            event(12, S.ACTIVE, S.FAILED, job="a", flow="f", at=1001.0, attempt=1, reason="ValueError: no"),
            *[
                event(13 + n, S.BLOCKED, S.SKIPPED, job=job, flow="f", at=1001.0)
                for n, job in enumerate("bcd")
            ],
        ]
    )
    assert flow.state is FlowState.FAILED
    assert str(flow.jobs["a"].error) == "ValueError: no"
    assert flow.failures() == ["a"]
    cause = flow.cause("d")
    assert cause is not None
    assert cause.id == "a"
    board.digest([event(16, S.FAILED, S.WAITING, job="a", flow="f", at=1002.0, reason="retry")])
    assert flow.state is FlowState.RUNNING
    assert flow.finished_at is None
    assert flow.jobs["a"].error is None
    assert [run.state for run in flow.attempts["a"]] == ["failed"]


def test_a_job_that_a_flow_does_not_know_asks_for_a_new_snapshot() -> None:
    board = board_of()
    flow = board.open(diamond(10))
    board.digest([event(11, None, S.WAITING, job="later", flow="f")])
    assert flow.stale


def test_progress_is_taken_over_only_for_the_attempt_that_runs() -> None:
    flow = FlowBoard(diamond(0))
    flow.apply(event(1, S.WAITING, S.ACTIVE, job="a", flow="f", attempt=2))
    flow.take_changed()
    old = JobRecord("a", "q", S.ACTIVE, "t.a", "a", attempts=1, progress=0.9)
    new = JobRecord("a", "q", S.ACTIVE, "t.a", "a", attempts=2, progress=0.4)
    flow.refine([old])
    assert flow.jobs["a"].progress is None
    flow.refine([new])
    assert flow.jobs["a"].progress == 0.4
    assert flow.take_changed() == {"a"}


def test_only_so_many_flows_are_held() -> None:
    board = board_of()
    for number in range(20):
        snapshot = diamond(10)
        snapshot.flow.id = f"f{number}"
        board.open(snapshot)
    assert list(board.flows) == [f"f{number}" for number in range(12, 20)]


# ---- rates -----------------------------------------------------------------------------------------------------------


def test_seconds_that_nobody_spoke_of_count_as_nothing() -> None:
    series = Series()
    series.put(100, 5)
    series.put(103, 7)
    assert series.last(5, 105) == [5, 0, 0, 7, 0]
    series.put(1000, 1)
    assert series.last(3, 1001) == [0, 0, 1]
    assert series.last(300, 1001).count(0) == 299


def test_durations_are_forgotten_after_five_minutes() -> None:
    spread = Spread()
    spread.add(10.0, 1000)
    assert spread.quantiles((0.5,), 1100) is not None
    assert spread.quantiles((0.5,), 1320) is None


def test_quantiles_are_right_within_a_few_percent() -> None:
    random_ = random.Random(3)
    values = [random_.lognormvariate(0, 1.5) for _ in range(5000)]
    spread = Spread()
    for value in values:
        spread.add(value, 1000)
    values.sort()
    found = spread.quantiles((0.5, 0.95, 0.99), 1000)
    assert found is not None
    for share, value in zip((0.5, 0.95, 0.99), found, strict=True):
        assert math.isclose(value, values[int(share * 5000)], rel_tol=0.08)


def test_a_million_waiting_jobs_are_sampled_evenly() -> None:
    sampled = Sampled(1000)
    for number in range(200_000):
        sampled.begin(f"job-{number}", float(number))
    assert 300 <= len(sampled) <= 1000
    kept = [number for number in range(200_000) if sampled.end(f"job-{number}", 200_000.0) is not None]
    assert sum(number >= 100_000 for number in kept) > len(kept) * 0.35


def test_in_a_storm_some_jobs_are_timed_and_afterwards_all_again() -> None:
    board = board_of()
    seq = 10
    rng = random.Random(5)
    waits: list[float] = []

    def second(now: int, jobs: int) -> None:
        nonlocal seq
        for number in range(jobs):
            job, wait = f"{now}-{number}", rng.lognormvariate(-4, 0.5)
            waits.append(wait)
            steps = (
                (None, S.WAITING, 0.0),
                (S.WAITING, S.ACTIVE, wait),
                (S.ACTIVE, S.COMPLETED, wait + 0.01),
            )
            for before, after, later in steps:
                seq += 1
                board.digest([event(seq, before, after, job=job, at=now + min(later, 0.98))])

    queue = board.queues["q"]
    for now in range(1000, 1012):
        second(now, 5000)
    assert queue.counts["completed"] == 60_000
    counted = sum(sum(each.values()) for each in queue.wait._slices)
    assert 3000 < counted < 30_000
    waits.sort()
    found = queue.wait.quantiles((0.5, 0.95, 0.99), 1012)
    assert found is not None
    for share, value in zip((0.5, 0.95, 0.99), found, strict=True):
        assert math.isclose(value, waits[int(share * len(waits))], rel_tol=0.15)
    for now in range(1012, 1022):
        second(now, 20)
    before = sum(sum(each.values()) for each in queue.wait._slices)
    second(1022, 20)
    assert sum(sum(each.values()) for each in queue.wait._slices) >= before + 20 - 1


def test_what_is_left_is_told_by_the_pace_of_the_seconds_that_were_seen() -> None:
    board = board_of(waiting=1000)
    queue = board.queues["q"]
    seq = 10
    for now in range(1000, 1006):
        for number in range(50):
            for before, after in ((S.WAITING, S.ACTIVE), (S.ACTIVE, S.COMPLETED)):
                seq += 1
                board.digest([event(seq, before, after, job=f"{now}-{number}", at=float(now))])
    board.tick(1006.0)
    left = queue.drain(1006)
    assert left is not None
    assert math.isclose(left, 700 / 50, rel_tol=0.01)  # not 50 a second in 6 of 60 seconds
    queue.counts.update(waiting=0, active=0, delayed=3, blocked=5)
    assert queue.drain(1006) is None  # what is due later ends by the clock, not by the pace
