"""The draft: every command one step, every step undone exactly, nothing lost between files and jobs."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from core.errors import FlowError
from core.flow import check_flow
from core.jobs import Job
from core.payload import encode_job
from core.references import result_of
from core.spec import load_flow
from flowtui.changes import DraftJob
from flowtui.draft import Draft, DraftError, replace_part
from flowtui.exporting import part, to_file
from flowtui.importing import from_file, read_text
from flowtui.looks import Looks
from flowtui.problems import Checker
from flowtui.quickadd import LineError, read_line
from flowtui.saving import renamed
from flowtui.templates import make, matrix, read_axes, read_wish
from flowtui.widgets.outline import Outlines


def diamond() -> tuple[Draft, dict[str, str]]:
    draft = Draft()
    keys = {"a": draft.add("app.a")}
    keys["b"] = draft.add("app.b", upstream=[keys["a"]])
    keys["c"] = draft.add("app.c", upstream=[keys["a"]])
    keys["d"] = draft.add("app.d", upstream=[keys["b"], keys["c"]])
    return draft, keys


def state(draft: Draft) -> tuple[Any, ...]:
    """Everything that can be seen of a draft, order included."""
    return (
        list(draft.jobs.items()),
        draft.links,
        draft.settings,
        {key: (list(draft.upstream(key)), list(draft.downstream(key))) for key in draft.jobs},
    )


def test_a_job_is_named_after_its_task_and_names_stay_unique() -> None:
    draft = Draft()
    keys = [draft.add("app.load") for _ in range(3)]
    assert [draft.name(key) for key in keys] == ["load", "load-2", "load-3"]
    assert draft.free_name("load-2") == "load-4"


def test_deleting_with_a_bridge_links_what_was_before_to_what_was_after() -> None:
    draft, keys = diamond()
    draft.remove([keys["b"]], bridge=True)
    assert (keys["a"], keys["d"]) in draft.links
    draft.undo()
    assert state(draft) == state(diamond()[0])


def test_renaming_takes_links_and_references_along_and_keeps_the_key() -> None:
    draft, keys = diamond()
    draft.edit([keys["b"]], args=["${jobs.a.result.rows[0]}", "plain"], kwargs={"x": ["${jobs.a.result}"]})
    draft.rename(keys["a"], "source of all")
    job = draft.jobs[keys["b"]]
    assert job.args == ['${jobs["source of all"].result.rows[0]}', "plain"]
    assert job.kwargs == {"x": ['${jobs["source of all"].result}']}
    assert draft.upstream(keys["b"]) == [keys["a"]]
    draft.undo()
    assert draft.jobs[keys["b"]].args[0] == "${jobs.a.result.rows[0]}"


@pytest.mark.parametrize("name", ["d", "", "   "])
def test_a_name_that_is_taken_or_empty_is_refused(name: str) -> None:
    draft, keys = diamond()
    before = state(draft)
    with pytest.raises(DraftError):
        draft.rename(keys["a"], name)
    assert state(draft) == before


def test_the_newest_link_of_a_cycle_is_to_blame() -> None:
    draft, keys = diamond()
    assert draft.would_close(keys["d"], keys["a"]) is not None
    assert draft.would_close(keys["a"], keys["d"]) is None
    draft.link([keys["d"]], [keys["a"]])
    assert list(draft.closing) == [(keys["d"], keys["a"])]
    path = draft.cycle()
    assert path is not None
    assert path[0] == keys["a"]
    assert path[-1] == keys["d"]
    # Undone into the middle, links keep their age: the blame stays with the same one.
    draft.unlink([(keys["a"], keys["b"])])
    assert draft.cycle() == [keys["a"], keys["c"], keys["d"]]
    draft.undo()
    assert list(draft.closing) == [(keys["d"], keys["a"])]
    draft.link([keys["c"]], [keys["a"]])
    assert draft.cycle() == [keys["a"], keys["c"]]
    draft.unlink([(keys["c"], keys["a"]), (keys["d"], keys["a"])])
    assert draft.cycle() is None
    draft.undo()
    assert draft.cycle() == [keys["a"], keys["c"]]


def test_levels_of_a_draft_with_a_cycle_leave_the_closing_link_out() -> None:
    draft, keys = diamond()
    draft.link([keys["d"]], [keys["a"]])
    assert [draft.levels[keys[name]] for name in "abcd"] == [0, 1, 1, 2]


def test_a_step_that_fails_half_way_leaves_nothing_behind() -> None:
    draft, _ = diamond()
    before, steps = state(draft), len(draft.steps)
    with pytest.raises(KeyError):
        draft.add("app.x", upstream=["a", "nobody"])
    assert state(draft) == before
    assert len(draft.steps) == steps


def test_jobs_come_out_as_the_engine_takes_them_and_go_in_again() -> None:
    draft, keys = diamond()
    draft.edit([keys["d"]], args=["${jobs.b.result}"], kwargs={"cost": "$${jobs.b.result}"}, timeout=5.0)
    jobs = draft.to_jobs()
    check_flow(jobs)
    by_name = {job.name: job for job in jobs}
    assert by_name["d"].args == [result_of(by_name["b"])]
    assert by_name["d"].kwargs == {"cost": "${jobs.b.result}"}
    again = Draft.of(jobs, name="untitled", queue="default")
    assert [again.jobs[key] for key in again.jobs] == [draft.jobs[key] for key in draft.jobs]
    assert [(again.name(a), again.name(b)) for a, b in again.links] == [
        (draft.name(a), draft.name(b))
        for a, b in sorted(draft.links, key=lambda link: list(keys).index(link[1]))
    ]


def test_upstreams_of_earlier_flows_are_kept() -> None:
    job = Job("app.x", depends_on=["of-yesterday"], name="x")
    draft = Draft.of([job])
    assert draft.to_jobs()[0].depends_on == ["of-yesterday"]


def test_between_marks_every_job_on_a_path_in_either_direction() -> None:
    draft, keys = diamond()
    lone = draft.add("app.e")
    assert draft.between(keys["a"], keys["d"]) == [keys[name] for name in "abcd"]
    assert draft.between(keys["d"], keys["b"]) == [keys["b"], keys["d"]]
    assert draft.between(keys["a"], lone) == [keys["a"], lone]


def test_pasting_jobs_whose_names_are_taken_renames_them_and_their_references() -> None:
    draft, keys = diamond()
    draft.edit([keys["b"]], args=["${jobs.a.result}"])
    copy = part(draft, [keys["a"], keys["b"]])
    made = draft.insert(copy.jobs.values(), [(0, 1)], step="paste")
    assert [draft.name(key) for key in made] == ["a-2", "b-2"]
    assert draft.jobs[made[1]].args == ["${jobs.a-2.result}"]


def test_edited_text_replaces_jobs_and_keeps_their_links_to_others() -> None:
    draft, keys = diamond()
    chosen = [keys["b"], keys["c"]]
    edited = read_text("jobs: {b: {task: app.better}, see: {task: app.c, depends_on: [b]}}").draft
    replace_part(draft, chosen, edited)
    assert draft.jobs[keys["b"]].task == "app.better"
    assert draft.name(keys["c"]) == "see"
    assert set(draft.upstream(keys["d"])) == {keys["b"], keys["c"]}
    assert draft.has_link(keys["b"], keys["c"])
    draft.undo()
    assert state(draft) == state(diamond()[0])


@pytest.mark.parametrize("edit", ["remove", "rename"])
def test_of_two_jobs_of_one_name_the_first_is_meant_also_after_undo(edit: str) -> None:
    jobs = [{"name": "x", "task": "a.b"}, {"name": "x", "task": "a.b"}]
    reader = {"name": "y", "task": "a.b", "args": ["${jobs.x.result}"]}
    draft = Draft.load({"name": "n", "queue": "q", "jobs": [*jobs, reader], "links": [[0, 2]]})
    before = Checker().problems(draft)
    first = next(iter(draft.jobs))
    if edit == "remove":
        draft.remove([first])
    else:
        draft.rename(first, "z")
    draft.undo()
    assert draft.key("x") == first
    assert Checker().problems(draft) == before


# ---- random edits ----------------------------------------------------------------------------------------------------

COMMANDS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "add",
                "link",
                "unlink",
                "remove",
                "bridge",
                "rename",
                "edit",
                "copy",
                "paste",
                "text",
                "flow",
                "undo",
                "redo",
            ]
        ),
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    max_size=60,
)


def do(draft: Draft, command: str, x: int, y: int) -> None:
    keys = list(draft.jobs)
    if command == "undo":
        draft.undo()
    elif command == "redo":
        draft.redo()
    elif command == "flow":
        draft.set_flow(name=f"flow{x % 3}", queue=f"q{y % 3}")
    elif command == "add" or not keys:
        ups = [keys[x % len(keys)]] if keys and y % 2 else []
        downs = [keys[y % len(keys)]] if keys and y % 3 == 0 else []
        draft.add(f"app.t{x % 5}", upstream=ups, downstream=downs)
    else:
        a, b = keys[x % len(keys)], keys[y % len(keys)]
        if command == "link":
            draft.link([a, b], [b])
        elif command == "unlink":
            draft.unlink([(a, b), (b, a)])
        elif command in ("remove", "bridge"):
            draft.remove([a, b] if x % 2 else [a], bridge=command == "bridge")
        elif command == "rename":
            draft.rename(a, draft.free_name(f"n{y}"))
        elif command == "edit":
            draft.edit([a, b], max_retries=y, args=[f"${{jobs.n{x}.result}}"])
        elif command == "copy":
            draft.duplicate([a, b])
        elif command == "paste":
            other = part(draft, [a, b])
            index = {key: i for i, key in enumerate(other.jobs)}
            pairs = [(index[up], index[down]) for up, down in other.links]
            draft.insert(other.jobs.values(), pairs, step="paste", upstream=[a] if x % 2 else [])
        elif command == "text":
            after = part(draft, [a])
            after.rename(next(iter(after.jobs)), draft.free_name(f"t{x}"))
            after.add(f"app.t{y % 5}", draft.free_name(f"e{y}"), upstream=list(after.jobs)[: y % 2])
            replace_part(draft, [a] if x % 3 else list(dict.fromkeys([a, b])), after)


@given(COMMANDS)
@settings(max_examples=200, deadline=None)
def test_random_edits_end_exactly_as_their_replay_and_undo_exactly(
    commands: list[tuple[str, int, int]],
) -> None:
    draft = Draft()
    seen = [state(draft)]
    for command, x, y in commands:
        do(draft, command, x, y)
        seen.append(state(draft))
        up = {(a, b) for b in draft.jobs for a in draft.upstream(b)}
        assert up == set(draft.links) == {(a, b) for a in draft.jobs for b in draft.downstream(a)}
        place = {link: i for i, link in enumerate(draft.links)}
        for key in draft.jobs:
            assert [place[key, down] for down in draft.downstream(key)] == sorted(
                place[key, down] for down in draft.downstream(key)
            )
            assert draft.key(draft.name(key)) == key
    end = state(draft)
    replayed = Draft()
    replayed.replay(draft.steps)
    assert state(replayed) == end
    steps = len(draft.steps)
    for _ in range(steps):
        draft.undo()
        assert state(draft) in seen
    assert state(draft) == seen[0]
    for _ in range(steps):
        draft.redo()
    assert state(draft) == end


@pytest.mark.parametrize("bridge", [False, True])
@pytest.mark.parametrize(("jobs", "seeds"), [(12, 60), (150, 3)])
def test_jobs_that_go_together_go_as_if_one_after_the_other(bridge: bool, jobs: int, seeds: int) -> None:
    for seed in range(seeds):
        chance = random.Random(seed)
        draft = Draft()
        keys = draft.insert([DraftJob(f"j{i}", "app.x") for i in range(jobs)], [], step="begin")
        draft.link([keys[0]], keys[1 : jobs // 2])
        for _ in range(2 * jobs):  # also links that close a cycle
            draft.link([chance.choice(keys)], [chance.choice(keys)])
        gone = chance.sample(keys, chance.randrange(1, jobs * 2 // 3))
        before, levels = state(draft), dict(draft.levels)
        single = draft.copy()
        for key in gone:
            single.remove([key], bridge=bridge)
        draft.remove(gone, bridge=bridge)
        after = state(draft)
        assert after == state(single)
        draft.undo()
        assert state(draft) == before
        assert draft.levels == levels
        draft.redo()
        assert state(draft) == after
        assert draft.levels == draft.copy().levels


@given(COMMANDS)
@settings(max_examples=200, deadline=None)
def test_levels_and_closing_links_follow_every_edit(commands: list[tuple[str, int, int]]) -> None:
    draft = Draft()
    assert draft.levels == {}  # from here on they are brought up to date, no longer found anew
    for command, x, y in commands:
        do(draft, command, x, y)
        anew = draft.copy()
        if (x + y) % 3:
            assert draft.levels == anew.levels
            assert draft.split() == anew.split()
        if draft.jobs:
            a, b = (list(draft.jobs)[n % len(draft.jobs)] for n in (x, y))
            assert draft.would_close(a, b) == anew.would_close(a, b)


@given(COMMANDS)
@settings(max_examples=200, deadline=None)
def test_what_is_told_of_an_edited_draft_is_what_is_told_of_it_at_first_sight(
    commands: list[tuple[str, int, int]],
) -> None:
    draft, checker, looks, trees = Draft(), Checker(), Looks(), Outlines()
    for command, x, y in commands:
        do(draft, command, x, y)
        if (x + y) % 5 == 0 and draft.jobs:
            draft.edit([next(iter(draft.jobs))], group=f"g{y}" if x % 2 else None, trigger="one_failed")
        if (x + y) % 3:
            assert checker.problems(draft) == Checker().problems(draft)
            wrong = list(draft.jobs)[: x % 3]
            (model, seen), (model_anew, seen_anew) = looks.of(draft, wrong), Looks().of(draft, wrong)
            assert model == model_anew
            assert list(model.nodes) == list(draft.jobs)
            assert list(seen.items()) == list(seen_anew.items())
            assert trees.of(draft) == Outlines().of(draft)


@given(COMMANDS)
@settings(max_examples=60, deadline=None)
def test_what_is_kept_comes_back_the_same(commands: list[tuple[str, int, int]]) -> None:
    draft = Draft()
    for command, x, y in commands:
        do(draft, command, x, y)
    again = Draft.load(json.loads(json.dumps(draft.dump())))
    assert [job.name for job in again.jobs.values()] == [job.name for job in draft.jobs.values()]
    assert again.dump() == draft.dump()


@given(COMMANDS)
@settings(max_examples=60, deadline=None)
def test_a_draft_that_can_run_survives_a_file(commands: list[tuple[str, int, int]]) -> None:
    draft = Draft()
    for command, x, y in commands:
        do(draft, command, x, y)
    if not draft.jobs or any(problem.blocks for problem in Checker().problems(draft)):
        return
    again = from_file(read_text(to_file(draft).dump("yaml")).file).draft  # type: ignore[arg-type]
    assert sorted(again.dump()["jobs"], key=str) == sorted(draft.dump()["jobs"], key=str)
    assert {(again.name(a), again.name(b)) for a, b in again.links} == {
        (draft.name(a), draft.name(b)) for a, b in draft.links
    }


# ---- files nobody touched --------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "b", "load eu", "c-1", "ü", "7", "yes", "x.y", "a: b", "#1"])
TEXTS = st.sampled_from(
    [
        "",
        "plain",
        "${jobs.a.result}",
        '${jobs["load eu"].result.rows[0]}',
        "$${jobs.a.result}",
        "${jobs.nobody.result}",
        "x ${jobs.a.result}",
        "${jobs.a",
        "${HOME}",
        "# no comment",
        "two\nlines\n",
        "  spaced ",
        "on",
        "1e3",
        "日本 \U0001f600",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=5,
)
DURATIONS = st.sampled_from([30, 2.5, "90s", "1h30m", "250ms", "5m"])
OPTIONS = {
    "timeout": DURATIONS,
    "delay": DURATIONS,
    "ttl": DURATIONS,
    "repeat_every": DURATIONS,
    "priority": st.integers(0, 255),
    "max_retries": st.integers(0, 5),
    "backoff": st.sampled_from([1.5, 2, 0]),
    "group": NAMES,
    "description": st.just("of a job"),
    "trigger": st.sampled_from(["all_success", "all_done", "one_failed"]),
}
COMMENTS = st.sampled_from(["", "", "  # why", "  # ${jobs.a.result}: no"])


@st.composite
def flow_files(draw: st.DrawFn) -> str:
    """A flow file as people write them: comments, blank lines, any order of keys, block or flow style, any quotes."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    lines = [f"# a file{draw(COMMENTS)}"] if draw(st.booleans()) else []
    if draw(st.booleans()):
        lines.append(f"name: {json.dumps(draw(NAMES))}{draw(COMMENTS)}")
    if draw(st.booleans()):
        lines += ["queue: etl", ""]
    if draw(st.booleans()):
        lines += [
            "defaults:",
            f"    max_retries: {draw(st.integers(0, 5))}{draw(COMMENTS)}",
            "    timeout: 10m",
        ]
    lines.append(f"jobs:{draw(COMMENTS)}")
    indent = " " * draw(st.integers(1, 4))
    for name in names:
        fields: dict[str, Any] = {
            key: draw(OPTIONS[key]) for key in draw(st.sets(st.sampled_from(list(OPTIONS)), max_size=3))
        }
        if draw(st.integers(0, 3)):
            fields["task"] = "app.x"
            fields.update({"args": draw(st.lists(VALUES, max_size=3))} if draw(st.booleans()) else {})
            fields.update(
                {"kwargs": draw(st.dictionaries(TEXTS, VALUES, max_size=2))} if draw(st.booleans()) else {}
            )
        else:
            fields["run"] = draw(
                st.sampled_from(["make -j4", "echo ${jobs.a.result}", ["ls", "${jobs.a.result}"]])
            )
            fields.update({"env": {"A": draw(TEXTS)}, "cwd": "src"} if draw(st.booleans()) else {})
        fields["depends_on"] = draw(st.lists(st.sampled_from([*names, {"id": "of-yesterday"}]), max_size=3))
        shown = [
            f"{key}: {json.dumps(fields[key], ensure_ascii=draw(st.booleans()))}"
            for key in draw(st.permutations(list(fields)))
        ]
        if draw(st.booleans()):
            lines.append(f"{indent}{json.dumps(name)}: {{{', '.join(shown)}}}{draw(COMMENTS)}")
        else:
            lines.append(f"{indent}{json.dumps(name)}:{draw(COMMENTS)}")
            lines += [f"{indent * 2}{line}{draw(COMMENTS)}" for line in shown]
        lines += draw(st.sampled_from([[], [""], [f"{indent}# between", ""]]))
    return draw(st.sampled_from(["\n", "\r\n"])).join(lines) + draw(
        st.sampled_from(["", "\n", "\n\n# end\n"])
    )


@given(flow_files())
@settings(max_examples=150, deadline=None)
def test_a_file_that_was_not_touched_is_written_as_it_was_byte_for_byte(source: str) -> None:
    try:
        found = read_text(source)
    except FlowError:
        reject()
    assert found.file is not None
    assert to_file(found.draft, found.file).dump("yaml") == source
    # Touched and touched back is not touched; and what is kept of a draft says the same.
    key = next(iter(found.draft.jobs))
    found.draft.rename(key, "something else")
    found.draft.edit([key], priority=77)
    found.draft.undo()
    found.draft.undo()
    kept = Draft.load(json.loads(json.dumps(found.draft.dump())))
    for draft in (found.draft, kept):
        assert to_file(draft, found.file).dump("yaml") == source


def lines_of_others(source: str, touched: set[str]) -> list[str]:
    """The lines of a file of `flow_files` that are not those of some jobs, without the blank ones."""
    kept: list[str] = []
    job: str | None = None
    indent = ""
    for line in source.splitlines():
        words = line.lstrip()
        if not words:
            continue
        if kept and kept[-1].startswith("jobs:") and not indent:
            indent = line[: len(line) - len(words)]
        if words.startswith("#"):
            job = None
        elif indent and line.startswith(indent + '"'):
            job = json.JSONDecoder().raw_decode(words)[0]
        if job not in touched:
            kept.append(line)
    return kept


@given(flow_files(), st.data())
@settings(max_examples=300, deadline=None)
def test_an_edit_changes_no_line_of_what_was_not_edited(source: str, data: st.DataObject) -> None:
    try:
        found = read_text(source)
    except FlowError:
        reject()
    draft, file = found.draft, found.file
    assert file is not None
    names = {key: draft.name(key) for key in draft.jobs}
    before = to_file(draft, file).to_data()["jobs"]
    for _ in range(data.draw(st.integers(1, 3))):
        if not draft.jobs:
            break
        key = data.draw(st.sampled_from(list(draft.jobs)))
        other = data.draw(st.sampled_from(list(draft.jobs)))
        match data.draw(st.sampled_from(["edit", "args", "link", "rename", "remove", "add", "free"])):
            case "edit":
                draft.edit(
                    [key],
                    priority=data.draw(st.integers(0, 255)),
                    timeout=data.draw(st.none() | st.just(7.0)),
                )
            case "args":
                draft.edit([key], args=data.draw(st.lists(VALUES, max_size=3)))
            case "link" if key != other:
                draft.link([key], [other])
            case "free":
                draft.unlink([link for link in draft.links if link[1] == key])
            case "rename":
                draft.rename(key, draft.free_name(data.draw(NAMES)))
            case "remove" if len(draft.jobs) > 1:
                draft.remove([key])
            case "add":
                draft.add("app.new", upstream=[key])
    renamed = {
        draft.name(key): name for key, name in names.items() if key in draft.jobs and draft.name(key) != name
    }
    changed = to_file(draft, file, renamed)
    written = changed.dump("yaml")
    assert load_flow(written, draft=True) == changed
    now = {names.get(draft.key(name), name): job for name, job in changed.to_data()["jobs"].items()}
    touched = {
        name for name in before if name not in now or now[name] != before[name] or name in renamed.values()
    }
    after = iter(written.splitlines())
    assert [line for line in lines_of_others(source, touched) if line not in after] == []


def test_jobs_of_a_matrix_are_named_by_the_words_that_were_typed() -> None:
    made = matrix(read_axes("v=null,true,x,1.5"), "app.t")
    assert [job.name for job in made.jobs] == ["t-null", "t-true", "t-x", "t-1.5"]
    assert [job.kwargs["v"] for job in made.jobs] == [None, True, "x", 1.5]


def test_a_task_that_is_too_long_for_the_names_made_of_it_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 240 characters"):
        make("chain", 3, "a" * 241)
    assert all(
        len(job.name) <= 256 and len(job.task) <= 256 for job in make("map-reduce", 500, "a" * 240).jobs
    )


DELETED_A = "a", None
JOB = "jobs:\n  a:\n    task: t\n"
RUN = 'defaults: {env: {A: "1"}}\njobs:\n  a:\n    run: x\n    env:\n      B: "2" # b\n      A: "1" # a\n'
LINKS = (
    "jobs:\n  c: {task: t}\n  b:\n    task: t\n"
    "    depends_on:\n      - {id: x1} # one\n      - c  # two\n      - {id: x2}  # 3\n"
)
EDITS = [
    # (what is written, what is done to jobs by their names, what is written then)
    (
        "jobs:\n  a: {task: t, description: A}\n  b: {task: u, description: B}\n",
        [DELETED_A, ("b", "a")],
        "jobs:\n  a: {task: u, description: B}\n",
    ),
    (
        "defaults: {cwd: /x}\njobs: {a: {run: make, cwd: /x}, b: {task: t}}\n",
        [("a", {"task": "t.x", "args": [], "kwargs": {}})],
        "defaults: {cwd: /x}\njobs: {a: {task: t.x}, b: {task: t}}\n",
    ),
    (
        "defaults: {cwd: /x}\njobs:\n  a: {run: make, cwd: /y}   # c\n",
        [("a", {"kwargs": {}})],
        "defaults: {cwd: /x}\njobs:\n  a: {run: make, cwd: null}   # c\n",
    ),
    (
        '{"jobs":{"a":{"run":"echo #1"},"b":{"task":"t","args":["#x",1]},"c":{"task":"t","timeout":5}}}',
        [("c", {"timeout": 6.0})],
        '{"jobs":{"a":{"run":"echo #1"},"b":{"task":"t","args":["#x",1]},"c":{"task":"t","timeout":6}}}',
    ),
    (
        'jobs:\n  a: {task: t, kwargs: {c: "#b", d: one, e: 2}}\n',
        [("a", {"kwargs": {"c": "#b", "d": "two", "e": 2}})],
        'jobs:\n  a: {task: t, kwargs: {c: "#b", d: two, e: 2}}\n',
    ),
    (
        JOB + "    kwargs: {\n      x: 1,\n      # about y\n      y: 2}\n",
        [("a", {"kwargs": {"x": 1}})],
        JOB + "    kwargs: {\n      x: 1\n      # about y\n      }\n",
    ),
    (
        f"{JOB}    args: [\n      # one\n      1, 2,\n      # two\n      4, 5,\n    ]\n",
        [("a", {"args": [1, 2, 5]})],
        f"{JOB}    args: [\n      # one\n      1, 2,\n      # two\n      5,\n    ]\n",
    ),
    ("jobs:\n  c:\n    run: x", [("c", {"args": ["a\nb\n"]})], "jobs:\n  c:\n    run: |\n      a\n      b\n"),
    (
        f"{JOB}    args:\n      - name: b   # c\n        do: |\n          # keep\n          make\n",
        [("a", {"args": [{"name": "b", "do": "# keep\nmake all\n"}]})],
        f"{JOB}    args:\n      - name: b   # c\n        do: |\n          # keep\n          make all\n",
    ),
    (
        f"{JOB}    args:\n      -   x: 1  # one\n          y: 2  # two\n      - - 1  # 3\n        - 2\n",
        [("a", {"args": [{"x": 7, "y": 2}, [1, 4]]})],
        f"{JOB}    args:\n      -   x: 7  # one\n          y: 2  # two\n      - - 1  # 3\n        - 4\n",
    ),
    (
        f"{JOB}    args:\n      - 0   # width\n      - 0   # height\n",
        [("a", {"args": [1, 0]})],
        f"{JOB}    args:\n      - 1   # width\n      - 0   # height\n",
    ),
    (
        RUN + "  b: {task: t}\n",
        [("b", "z")],
        RUN + "  z: {task: t}\n",
    ),
    (
        RUN,
        [("a", {"timeout": 5.0})],
        RUN + "    timeout: 5\n",
    ),
    (
        LINKS,
        [("a", "new"), ("b", ["a"])],
        LINKS + "      - a\n  a:\n    task: new\n",
    ),
    ("jobs:\n  b: {task: t}\n\n  a: {task: t}\n", [DELETED_A], "jobs:\n  b: {task: t}\n"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "edits", "after"), EDITS, ids=map(str, range(len(EDITS))))
def test_of_a_file_changes_what_was_edited(before: str, edits: list[tuple[str, Any]], after: str) -> None:
    found = read_text(before)
    draft, file = found.draft, found.file
    assert file is not None
    names = {key: draft.name(key) for key in draft.jobs}
    for name, change in edits:
        key = draft.key(name)
        if key is None:
            draft.add(change, name)
        elif change is None:
            draft.remove([key])
        elif isinstance(change, str):
            draft.rename(key, change)
        elif isinstance(change, list):
            draft.link([up for other in change if (up := draft.key(other))], [key])
        else:
            draft.edit([key], **change)
    changed = to_file(draft, file, renamed(draft, names))
    assert changed.dump() == after
    assert load_flow(after, draft=True) == changed


def test_long_lists_of_equal_items_are_compared_in_little_time() -> None:
    """Beside the same change of a list whose items differ, so that a busy machine does not matter."""

    def seconds(args: list[int]) -> float:
        found = read_text(f"jobs:\n  a: {{task: t, args: {args}}}\n")
        found.draft.edit(["a"], args=[-1 if i % 10 == 0 else arg for i, arg in enumerate(args)])
        begun = time.process_time()
        to_file(found.draft, found.file).dump()
        return time.process_time() - begun

    assert seconds([0] * 4000) < 3 * seconds(list(range(4000)))


# ---- problems --------------------------------------------------------------------------------------------------------


def blocking(draft: Draft) -> list[str]:
    return [problem.text for problem in Checker().problems(draft) if problem.blocks]


def test_everything_that_blocks_submit_is_found() -> None:
    draft, keys = diamond()
    assert blocking(draft) == []
    draft.edit([keys["a"]], args=[float("nan")])
    draft.edit([keys["b"]], args=["${jobs.nobody.result}"])
    draft.edit([keys["c"]], args=["${jobs.d.result}"], kwargs={"x": "${jobs.a}"})
    draft.link([keys["d"]], [keys["a"]])
    found = "\n".join(blocking(draft))
    assert "cycle: a → " in found
    assert "NaN" in found or "nan" in found
    assert "'nobody', which is not in this flow" in found
    assert "does not wait for it" in found
    assert "cannot be read as a result" in found


def test_hints_do_not_block() -> None:
    draft, _ = diamond()
    draft.add("app.lonely", trigger="one_failed")
    problems = Checker().problems(draft, known={"app.a", "app.b"}, live={"app.c"})
    assert not any(problem.blocks for problem in problems)
    found = "\n".join(problem.text for problem in problems)
    assert "app.d" in found
    assert "app.c" not in found
    assert "lonely has no links" in found
    assert "will be skipped" in found


def test_many_unknown_tasks_do_not_bury_what_else_is_wrong() -> None:
    draft = Draft()
    draft.insert([DraftJob(f"j{i}", f"app.t{i}") for i in range(200)], [], step="x")
    told = [problem for problem in Checker().problems(draft) if "knows" in problem.text]
    assert len(told) == 8
    assert told[-1].text.startswith("nobody here knows 193 more tasks: app.t7, app.t8, app.t9 …")
    assert told[-1].key == draft.key("j7")
    few = Checker().problems(draft, known={f"app.t{i}" for i in range(8, 200)})
    assert sum("knows the task" in problem.text for problem in few) == 8


def test_the_engine_agrees_with_the_checker() -> None:
    """What the checker lets pass, the engine takes; what it blocks, the engine (or the file) refuses."""
    good = DraftJob("x", "app.x", args=[1, {"a": [None, True, "ü"]}])
    bad = [
        DraftJob("x", "app.x", args=[2**70]),
        DraftJob("x", "app.x", kwargs={"a": "\ud800"}),
        DraftJob("x", "app.x", priority=300),
        DraftJob("x", "app.x", trigger="sometimes"),
        DraftJob("x", "app.x", args=["x" * 300_000]),
    ]
    for job, ok in [(good, True), *((job, False) for job in bad)]:
        draft = Draft()
        draft.insert([job], [], step="x")
        assert (blocking(draft) == []) is ok, job
        if not ok:
            with pytest.raises(FlowError):
                [encode_job(job) for job in draft.to_jobs()]


def test_an_edit_of_a_thousand_jobs_costs_little() -> None:
    """Measured in CPU time beside building the same draft, so that a busy machine does not matter."""
    draft = Draft()
    begun = time.process_time()
    keys = [draft.add("app.x", upstream=[]) for _ in range(1000)]
    for i in range(1, 1000):
        draft.link([keys[(i - 1) // 2]], [keys[i]])
    built = (time.process_time() - begun) / 2000
    checker = Checker()
    checker.problems(draft)
    begun = time.process_time()
    for i in range(10):
        draft.edit([keys[i]], max_retries=i + 10)
        draft.link([keys[i]], [keys[999 - i]])
        assert draft.would_close(keys[999], keys[0])
        checker.problems(draft)
    each = (time.process_time() - begun) / 10
    assert each < max(0.05, 200 * built), (each, built)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("app.x n " + "[" * 3000, "nested too deeply"),
        ("app.x n [" + "9" * 5000 + "]", "too long"),
        ('app.x n {"a": 1, "a": 2}', "'a' comes twice"),
        ('app.x n {"b": {"a": 1, "a": 2}}', "'a' comes twice"),
    ],
)
def test_odd_json_behind_a_task_is_refused_in_words(line: str, wrong: str) -> None:
    with pytest.raises(LineError, match=wrong) as told:
        read_line(line)
    assert "sys." not in str(told.value)


@pytest.mark.parametrize(
    ("axes", "wrong"),
    [
        ("x=,", "axis x has no values"),
        ("x=1 y=,,", "axis y has no values"),
        ("os=a os=b,c", "axis os comes twice"),
    ],
)
def test_a_matrix_without_values_or_with_an_axis_twice_is_refused(axes: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        read_wish(f"matrix {axes} app.t", "chain").make()


def test_a_value_of_a_matrix_that_is_no_json_is_a_text() -> None:
    deep = "[" * 100_000
    assert read_axes(f"x={deep}") == [("x", [deep])]
