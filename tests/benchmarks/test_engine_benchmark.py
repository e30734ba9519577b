"""The benchmark's own logic: what its ledger sees, who is compared with whom, and that a run of ours works."""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks.engine import ledger, report, rounds
from benchmarks.engine.__main__ import main
from benchmarks.engine.catalog import BY_NAME, ROWS
from benchmarks.engine.engines import EVERYONE, PEERS
from benchmarks.engine.figures import Figure, Goal, Measured, spread, verdict
from benchmarks.engine.stores import Kept, difference
from benchmarks.peers import shapes, spent

CHAIN = [[], [0], [1]]
"""Three jobs, one after the other."""
GOOD = [(0, 1.0, 2.0), (1, 2.0, 3.0), (2, 3.5, 4.0)]
SPEED = Figure("per_s", "jobs/s", more=True, digits=0)
HOP = Figure("hop", "ms a hop")


def test_a_run_in_order_has_no_faults() -> None:
    assert not ledger.check([(-1, 0.0, 0.5), *GOOD], CHAIN)


@pytest.mark.parametrize(
    ("records", "fault"),
    [
        (GOOD[:2], "1 lost"),
        ([*GOOD, (1, 5.0, 6.0)], "1 ran twice"),
        ([GOOD[0], (1, 1.9, 3.0), GOOD[2]], "1 started too early"),
        (GOOD[1:], "1 lost, 1 started too early"),
        ([*GOOD, (3, 5.0, 6.0)], "1 that nobody added"),
    ],
)
def test_the_ledger_names_what_went_wrong(records: list[ledger.Record], fault: str) -> None:
    assert str(ledger.check(records, CHAIN)) == fault


def test_a_second_run_does_not_hide_that_the_first_was_early() -> None:
    faults = ledger.check([GOOD[0], (1, 1.5, 1.8), (1, 2.0, 3.0), GOOD[2]], CHAIN)
    assert faults.early == ((0, 1),)
    assert faults.double == (1,)


def test_the_store_is_held_against_what_should_be_in_it() -> None:
    assert difference(Kept(3, 0, Counter([0, 1, 2])), 3, 0) == ""
    assert difference(Kept(4, 0, Counter([0, 1, 2, -1])), 3, 1) == ""
    assert difference(Kept(2, 1, Counter([0, 7])), 3, 0) == (
        "1 not done in the store, 2 of 3 done in the store, 2 results missing, 1 results wrong"
    )


@pytest.mark.parametrize("count", range(1, 9))
def test_every_peer_stands_beside_a_turn_of_ours(count: int) -> None:
    peers = [f"peer{number}" for number in range(count)]
    turns = rounds.order(peers)
    assert [name for name in turns if name != "flowtui"] == peers
    for place, name in enumerate(turns):
        assert name == "flowtui" or "flowtui" in turns[max(place - 1, 0) : place + 2]


def played(speeds: dict[str, list[float]], seconds: dict[str, float], count: int) -> Measured:
    """Rounds of turns that give the next of an engine's speeds; 0 stands for a failure."""
    measured, left = Measured(), {name: iter(values) for name, values in speeds.items()}
    at = 0.0

    def turn(name: str) -> tuple[dict[str, float], list[str]]:
        nonlocal at
        at += seconds.get(name, 1.0)
        speed = next(left[name])
        return ({"per_s": speed}, []) if speed else ({}, ["it fell over"])

    rounds.play([name for name in speeds if name != "flowtui"], count, turn, measured, clock=lambda: at)
    return measured


def test_a_ratio_is_of_turns_side_by_side() -> None:
    # b, ours, c; then backwards: c, ours, b. The machine halves its speed in the second round.
    measured = played({"b": [10, 5], "flowtui": [100, 50], "c": [20, 10]}, {}, 2)
    assert measured.ratios("b", SPEED) == [10, 10]
    assert measured.ratios("c", SPEED) == [5, 5]
    # d stands beside the second turn of ours, not beside the first.
    measured = played({"b": [10], "flowtui": [100, 40], "c": [20], "d": [10]}, {}, 1)
    assert [measured.ratios(name, SPEED) for name in "bcd"] == [[10], [5], [4]]


def test_what_is_slow_or_fails_is_not_done_again() -> None:
    measured = played(
        {"slow": [1, 2], "flowtui": [10] * 6, "fails": [0, 5], "quick": [2, 2, 2]}, {"slow": 21.0}, 3
    )
    assert measured.values("slow", "per_s") == [1]
    assert measured.values("fails", "per_s") == []
    assert measured.faults["fails"] == ["it fell over"]
    assert measured.values("quick", "per_s") == [2, 2, 2]
    assert measured.ratios("quick", SPEED) == [5, 5, 5]


def test_medians_are_shown_with_their_extremes() -> None:
    assert spread([3, 1000, 2], 0) == "3 (2-1,000)"
    assert spread([0.125], 2) == "0.12"


def test_a_goal_against_peers_is_judged_by_the_one_that_comes_nearest() -> None:
    measured = Measured()
    for ours, near, far in ((60.0, 10.0, 1.0), (50.0, 10.0, 1.0), (70.0, 10.0, 1.0)):
        measured.note_pair("near", {"per_s": near}, "flowtui", {"per_s": ours})
        measured.note_pair("flowtui", {"per_s": ours}, "far", {"per_s": far})
    assert verdict(Goal("per_s", 6, ("near", "far")), SPEED, measured) == ("met", "6.00 (5.00-7.00)x near")
    assert verdict(Goal("per_s", 6.1, ("near", "far")), SPEED, measured)[0] == "NOT MET"
    assert verdict(Goal("per_s", 6, ("absent",)), SPEED, measured)[0] == "not measured"


def test_less_is_better_where_a_figure_says_so() -> None:
    measured = Measured(turns={"flowtui": [{"hop": 0.2}, {"hop": 0.3}, {"hop": 0.1}]})
    measured.note_pair("flowtui", {"hop": 0.2}, "peer", {"hop": 1.0})
    assert measured.ratios("peer", HOP) == pytest.approx([5])
    assert verdict(Goal("hop", 0.2), HOP, measured)[0] == "met"
    assert verdict(Goal("hop", 0.19), HOP, measured)[0] == "NOT MET"
    assert verdict(Goal("per_s", 1), SPEED, measured)[0] == "not measured"


def test_a_goal_in_seconds_says_what_it_is_beside_a_peer() -> None:
    measured = Measured()
    for ours, theirs in ((1.0, 4.0), (1.2, 6.0)):  # a machine half as fast as the one for which 0.5 was set
        measured.note_pair("flowtui", {"hop": ours}, "peer", {"hop": theirs})
        measured.turns.setdefault("flowtui", []).append({"hop": ours})
    goal = Goal("hop", 0.5, yardstick=("peer", 2.0))
    assert verdict(goal, HOP, measured)[0] == "NOT MET"
    ratio = goal.as_ratio(HOP)
    assert ratio is not None
    assert (ratio.limit, ratio.against) == (4.0, ("peer",))
    assert verdict(ratio, HOP, measured) == ("met", "4.50 (4.00-5.00)x peer")
    faster = Goal("per_s", 300, yardstick=("peer", 100)).as_ratio(SPEED)
    assert faster is not None
    assert faster.limit == 3.0
    assert Goal("hop", 0.5).as_ratio(HOP) is None


def test_every_goal_and_engine_has_its_row() -> None:
    for row in ROWS:
        keys = [figure.key for figure in row.figures]
        assert len(keys) == len(set(keys))
        assert {goal.figure for goal in row.goals} <= set(keys)
        assert {name for goal in row.goals for name in goal.against} <= set(EVERYONE)
        assert row.takes_part(EVERYONE["flowtui"])
    for peer in PEERS:
        assert {row.name for row in ROWS if row.takes_part(peer)} >= {"drain", "enqueue", *peer.shapes}
        assert set(peer.shapes) <= set(BY_NAME)


def test_the_shapes_are_what_their_rows_say() -> None:
    assert shapes.flows("chain", 3) == [CHAIN]
    assert shapes.upstreams(shapes.flows("diamonds", 2)) == [[], [0], [0], [1, 2], [], [4], [4], [5, 6]]
    [fan] = shapes.flows("fan", 500)
    assert (fan[0], fan[1], fan[-1]) == ([], [0], list(range(1, 501)))
    [layered] = shapes.flows("layered", 10_000)
    assert Counter(map(len, layered)) == {0: 100, 2: 9_900}


def test_the_page_holds_both_forms_of_a_goal() -> None:
    row = BY_NAME["chain"]
    measured = Measured()
    measured.turns["flowtui"] = [{"hop": 0.4}]
    measured.note_pair("flowtui", {"hop": 0.4}, "huey", {"hop": 2.0})
    told = "| chain | mean hop, ms | <= 0.25 | 0.400 | NOT MET | >= 3.55x huey | 5.00x huey | met |"
    assert told in report.goals({"chain": (row, measured)})


def test_a_fault_is_told_in_the_table_and_in_the_summary() -> None:
    measured = Measured(turns={"flowtui": [{"per_s": 5.0}]}, faults={"flowtui": ["2 lost"], "huey": []})
    row = BY_NAME["drain"]
    assert "flowtui: 2 lost." in report.table(row, measured)
    summary = report.faults({"drain": (row, measured)})
    assert "- flowtui: drain: 2 lost" in summary
    assert "- huey: none" in summary


def test_a_quick_run_of_ours_drains_and_reports(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    done = CliRunner().invoke(
        main, ["--quick", "--rows", "drain", "--peers", "none", "--out", str(page)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    written = page.read_text(encoding="utf-8")
    assert "- flowtui: none" in written
    [speed] = [line for line in written.splitlines() if line.startswith("| jobs/s |")]
    assert float(speed.split("|")[2].replace(",", "")) > 0
    assert (
        "| drain | jobs/s | >= 6x the best peer that acknowledges and keeps results | - | not measured |"
        in written
    )
    assert "flowtui (redis " in written


def test_where_the_time_of_a_flow_went_is_in_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    done = CliRunner().invoke(
        main,
        ["--quick", "--rows", "chain,diamonds", "--peers", "ceiling", "--out", str(page)],
        catch_exceptions=False,
    )
    assert done.exit_code == 0, done.output
    rows = [line.split("|")[1:4] for line in page.read_text(encoding="utf-8").splitlines() if "|" in line]
    parts = ["time in scripts of the server, ms a job", "producer CPU, ms a job"]
    if spent.KNOWN:
        parts += ["server CPU, ms a job", "worker CPU, ms a job"]
    for part in parts:
        found = [(ours, theirs) for title, ours, theirs in rows if title.strip() == part]
        assert len(found) == 2
        for ours, theirs in found:
            assert 0 < float(ours) < 10
            assert 0 < float(theirs.split()[0]) < 10


def test_the_cpu_of_a_process_is_told_with_that_of_its_threads() -> None:
    def burn() -> None:
        end = time.thread_time() + 0.05
        while time.thread_time() < end:
            pass

    with ThreadPoolExecutor(1) as pool:
        [before], own = spent.cpu_seconds([os.getpid()]), time.process_time()
        pool.submit(burn).result()
        burn()
        [after], used = spent.cpu_seconds([os.getpid()]), time.process_time() - own
    assert after - before == pytest.approx(used, abs=0.03)
    assert after - before > 0.09


def test_an_unknown_row_or_peer_is_refused_by_name() -> None:
    done = CliRunner().invoke(main, ["--rows", "drian"])
    assert done.exit_code == 2
    assert "no row drian; there are drain, enqueue" in done.output
