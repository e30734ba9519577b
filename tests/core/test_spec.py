"""Flow files: what they say, what is refused and where, and that they are written back as they were."""

from __future__ import annotations

import difflib
import json
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import references
from core.errors import CycleError, FlowError, InvalidFlowFile, TaskError
from core.flow import check_flow
from core.jobs import Job, Trigger
from core.references import Reference, result_of
from core.schema import SCHEMA_PATH, json_schema
from core.spec import FlowFile, format_duration, load_flow, parse_duration

ETL = """\
# The nightly run.
name: etl   # shown on screen
queue: etl
defaults: {max_retries: 1, timeout: 10m}

jobs:
  # where it all starts
  extract:
    task: etl.extract
    args: [eu, 10000]   # region, rows
  "clean it":
    task: etl.clean
    max_retries: 1      # said although it need not be
    args: ["${jobs.extract.result.rows[0]}", '$${jobs.x.result}', "${HOME}"]
    depends_on: [extract]
    timeout: 1h30m
    description: takes a while

  lint:
    run: ruff check .
    env: {DATA: "${jobs.extract.result}"}
    depends_on:
      - extract
      - id: abc
    trigger: all_done
"""


def refused(text: str) -> list[str]:
    with pytest.raises(InvalidFlowFile) as error:
        load_flow(text)
    return str(error.value).splitlines()


def test_every_key_of_a_file_reaches_its_job() -> None:
    extract, clean, lint = load_flow(ETL).to_jobs()
    assert (extract.task_id, extract.name, extract.args) == ("etl.extract", "extract", ["eu", 10000])
    assert (extract.max_retries, extract.timeout) == (1, 600.0)
    assert clean.depends_on == [extract.id]
    assert clean.timeout == 5400.0
    assert clean.args == [
        {"$result": extract.id, "path": ["rows", 0]},
        "${jobs.x.result}",
        "${HOME}",
    ]
    assert lint.task_id == "shell"
    assert lint.args == ["ruff check ."]
    assert lint.kwargs == {"env": {"DATA": {"$result": extract.id}}}
    assert lint.depends_on == [extract.id, "abc"]
    assert lint.trigger is Trigger.ALL_DONE


def test_ids_are_fresh_unless_a_flow_id_makes_them_the_same() -> None:
    flow = load_flow(ETL)
    ids = [[job.id for job in flow.to_jobs(flow_id)] for flow_id in (None, None, "run-1", "run-1", "run-2")]
    assert ids[0] != ids[1]
    assert ids[2] == ids[3] != ids[4]


def test_json_says_the_same_as_yaml() -> None:
    flow = load_flow(ETL)
    again = load_flow(flow.dump("json").replace("  ", "\t"))
    assert again == flow
    assert load_flow(again.dump("yaml")) == flow


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("on", "on"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("012", 12),
        ("0o14", 12),
        ("0x0C", 12),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2026-01-01", "2026-01-01"),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1.2.3", "1.2.3"),
        ("+7", 7),
        ("-0x1", "-0x1"),
        ("'5'", "5"),
        ('"null"', "null"),
        ("=", "="),
        ("'${HOME}'", "${HOME}"),
        ("'{{ x }}'", "{{ x }}"),
        ("$(id)", "$(id)"),
        ("a b", "a b"),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_a_plain_value_has_the_type_of_yaml_1_2_and_is_never_expanded(written: str, value: Any) -> None:
    [job] = load_flow(f"jobs: {{a: {{task: t, args: [{written}]}}}}").to_jobs()
    assert job.args == [value]
    assert type(job.args[0]) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jobs:\n  a: {tsk: b}", "<text>:2:7: jobs.a.tsk: unknown key; did you mean task?"),
        ("nam: x\njobs: {a: {task: t}}", "<text>:1:1: nam: unknown key; did you mean name?"),
        ("name: x", "<text>:1:1: jobs is missing; add jobs:"),
        ("jobs: {}", "<text>:1:7: jobs: must not be empty; a job is NAME: {task: TASK}"),
        ("queue: a b\njobs: {a: {task: t}}", "<text>:1:8: queue: must be 1 to 128 of the characters"),
        ("jobs:\n  a: 5", "<text>:2:6: jobs.a: must be a mapping, not a whole number"),
        ("jobs:\n  a:\n", "<text>:2:3: jobs.a: must be a mapping, not empty"),
        ("jobs: {a: {}}", "<text>:1:11: jobs.a: a job has either task"),
        ("jobs: {a: {task: t, run: x}}", "<text>:1:11: jobs.a: a job has either task"),
        ("jobs: {a: {run: x, args: [1]}}", "jobs.a: a run step takes no args"),
        ("jobs: {a: {task: x, cwd: y}}", "jobs.a: cwd and env belong to run steps"),
        ("jobs: {a: {run: []}}", "<text>:1:17: jobs.a.run: must not be empty"),
        ("jobs: {a: {run: 5}}", "<text>:1:17: jobs.a.run: must be a command: a text, or a list of texts"),
        ("jobs: {a: {run: [x, 1]}}", "<text>:1:21: jobs.a.run.1: must be a command"),
        ("jobs: {a: {task: t, args: 5}}", "<text>:1:27: jobs.a.args: must be a list, not a whole number"),
        ("jobs: {a: {task: t, kwargs: [1]}}", "jobs.a.kwargs: must be a mapping, not a list"),
        ("jobs: {a: {task: t, max_retries: '3'}}", "jobs.a.max_retries: must be a whole number, not a text"),
        ("jobs: {a: {task: t, max_retries: true}}", "must be a whole number, not true or false"),
        ("jobs: {a: {task: t, max_retries: -1}}", "jobs.a.max_retries: must be at least 0"),
        ("jobs: {a: {task: t, priority: 256}}", "jobs.a.priority: must be at most 255"),
        ("jobs: {a: {task: t, timeout: 0}}", "jobs.a.timeout: must be more than 0"),
        ("jobs: {a: {task: t, timeout: soon}}", "jobs.a.timeout: must be seconds, or a text such as 90s"),
        ("jobs: {a: {task: t, trigger: all_sucess}}", "did you mean all_success?"),
        ("jobs: {a: {task: t, depends_on: a}}", "jobs.a.depends_on: must be a list, not a text"),
        ("jobs: {a: {task: t, depends_on: [5]}}", "must be a job's name, or {id: ...}"),
        ("jobs: {a: {task: t, depends_on: [{id: 'a b'}]}}", "jobs.a.depends_on.0.id: must be 1 to 128"),
        ("jobs:\n  load: {task: t, depends_on: [lod]}", "2:32: jobs.load.depends_on.0: no job 'lod' in this file; did"),
        ("jobs: {a: {task: t, args: [${jobs.b.result}]}}", '<text>:1:29: inside [ ] and { }, write "${...}" in quotes'),
        ("imports: [a-b]\njobs: {a: {task: t}}", "<text>:1:11: imports.0: must be a dotted module name"),
        ("defaults: {task: t}\njobs: {a: {task: t}}", "defaults.task: unknown key; known are"),
        ("[]", "a flow file has `jobs:`"),
        ("", "a flow file has `jobs:`"),
        ("flow.yaml", "to read a file, pass its Path"),
        ("jobs: {a: {task: t}", "<text>:1:"),
        ("jobs:\n\t- a", "<text>:2:1: found character '\\t'"),
        ("jobs: {a: {task: t}}\n---\njobs: {}", "<text>:2:1: a second document starts here"),
        ("jobs: {a: {task: t}, a: {task: u}}", "<text>:1:22: duplicate key 'a'"),
        ('{"jobs": {"a": {"task": "t"},\n "a": {"task": "u"}}}', "<text>:2:2: duplicate key 'a'"),
        ('{"jobs": {"a": {"task": "t", "args": [NaN]}}}', "NaN is no JSON"),
        ("jobs: {1: {task: t}}", '<text>:1:8: the key 1 is not a text; write it in quotes: "1"'),
        ("jobs: {? [a] : {task: t}}", "a list or an object cannot be a key"),
        ("jobs: {a: {task: t, args: [.nan]}}", "<text>:1:28: .nan cannot be sent as JSON"),
        ("jobs: {a: {task: t, args: [1e999]}}", "too large for a number"),
        ("jobs: {a: {task: t, args: [9223372036854775808]}}", "integer beyond 64 bits"),
        ("jobs: {a: &x {task: t}, b: *x}", "<text>:1:11: anchors and aliases"),
        ("jobs: {a: !!python/object/apply:os.system {task: t}}", "tags (tag:yaml.org,2002:python/object"),
        ("jobs: {a: !ENV {task: t}}", "tags (!ENV) are not allowed"),
        ("jobs: {a: {task: '\x07'}}", "<text>:1:19: unacceptable character #x0007"),
        ("jobs: {" + "x" * 257 + ": {task: t}}", "the name must have 1 to 256 characters, not 257"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_and_the_way_out(text: str, said: str) -> None:
    assert said in refused(text)[0]


def test_all_mistakes_of_a_file_are_named_in_its_order() -> None:
    lines = refused("queue: '?'\njobs:\n  b: {task: t, prio: 1}\n  a: {task: t, timeout: x}\n")
    assert [line.split(": ")[0] for line in lines] == ["<text>:1:8", "<text>:3:16", "<text>:4:25"]


def test_a_thousand_mistakes_are_not_a_thousand_lines() -> None:
    text = "jobs:\n" + "".join(f"  j{i}: {{tusk: x}}\n" for i in range(1000))
    lines = refused(text)
    assert len(lines) == 21
    assert lines[-1].endswith("more problems")


def test_a_cycle_is_named_by_its_jobs_and_its_place() -> None:
    text = "jobs:\n  a: {task: t, depends_on: [c]}\n  b: {task: t, depends_on: [a]}\n  c: {task: t, depends_on: [b]}"
    with pytest.raises(CycleError, match=r"^<text>:3:28: .*a -> b -> c -> a") as error:
        load_flow(text)
    assert error.value.path == ("a", "b", "c", "a")
    assert isinstance(error.value, InvalidFlowFile)
    draft = load_flow(text, draft=True)
    assert draft.cycle() == ["a", "b", "c", "a"]
    with pytest.raises(CycleError):
        load_flow("jobs: {a: {task: t, depends_on: [a]}}")


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("${jobs.b.result}", "takes the result of 'b' but does not wait for it; add it to depends_on"),
        ("${jobs.a.result}", "takes its own result, which is not there while it runs; name another job"),
        ("${jobs.ab.result}", "no job 'ab' in this file; did you mean"),
        ("rows: ${jobs.up.result}", "cannot be a part of a text"),
        ("${jobs.up.result} ${jobs.up.result}", "cannot be a part of a text"),
        ("${jobs.up.resul}", "must read ${jobs.NAME.result}"),
        ("${jobs.up}", "must read ${jobs.NAME.result}"),
        ("${jobs.two words.result}", "cannot be read from ' words.result' on"),
        ("${jobs.up.result[x]}", "cannot be read from '[x]' on"),
    ],
)
def test_only_the_result_of_an_upstream_can_be_an_argument(argument: str, said: str) -> None:
    up, down = "up: {task: t}, b: {task: t}", f"a: {{task: t, args: [1, '{argument}'], depends_on: [up]}}"
    [line] = refused(f"jobs: {{{up}, {down}}}")
    assert "jobs.a.args.1: " in line
    assert said in line


def test_a_shell_text_takes_results_through_env_only() -> None:
    up = "jobs: {up: {task: t}, a: {depends_on: [up], "
    assert "pass it in env" in refused(f"{up}run: 'echo ${{jobs.up.result}}'}}}}")[0]
    listed = load_flow(f"{up}run: [echo, '${{jobs.up.result}}']}}}}").to_jobs()
    assert listed[1].args == [["echo", {"$result": listed[0].id}]]


@pytest.mark.parametrize(
    "reference",
    [
        Reference("a"),
        Reference("a", ("rows", 0, "x")),
        Reference("two words", ("a.b", 'q"uote', -1)),
        Reference("é", ("ключ",)),
        Reference("result", ("result", "result")),
        Reference("${jobs.a.result}", ("]", "}")),
    ],
)
def test_a_reference_reads_back_as_it_was_written(reference: Reference) -> None:
    assert references.parse(str(reference)) == reference


def test_references_are_resolved_with_the_type_of_the_result() -> None:
    up, other = Job("t"), Job("t")
    args = [result_of(up), {"deep": [result_of(up, "rows", 1)]}, result_of(other), {"$result": "free"}]
    results = {up.id: {"rows": [1, [2.5]]}, other.id: 5}
    resolved = references.resolve(args, [up.id], results)
    assert resolved == [{"rows": [1, [2.5]]}, {"deep": [[2.5]]}, {"$result": other.id}, {"$result": "free"}]
    assert [found.upstream for found in references.find(args, [up.id])] == [up.id, up.id]
    assert references.resolve([result_of(up, "rows")], [up.id], {}) == [None]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (("row",), "no .row; it is an object with the keys rows"),
        (("rows", 2), r"no .rows\[2\]; it is a list of 1"),
        (("rows", "x"), "no .rows.x; it is a list of 1"),
        (("rows", 0, 0), r"no .rows\[0\]\[0\]; it is a text"),
        ((0,), r"no \[0\]; it is an object"),
    ],
)
def test_a_part_that_a_result_does_not_have_is_named(path: tuple[str | int, ...], said: str) -> None:
    with pytest.raises(TaskError, match=said):
        references.resolve([{"$result": "u", "path": list(path)}], ["u"], {"u": {"rows": ["text"]}})


def test_a_file_that_nobody_changed_is_written_byte_for_byte() -> None:
    flow = load_flow(ETL)
    assert flow.dump() == ETL
    assert FlowFile.from_jobs(flow.to_jobs(), base=flow).dump() == ETL


def test_a_change_keeps_the_comments_the_order_and_what_was_said_elsewhere() -> None:
    flow = load_flow(ETL)
    jobs = flow.to_jobs()
    jobs[0].args = ["us", 5]
    jobs[1].name = "cleaned"
    jobs.append(
        Job("etl.load", name="load", depends_on=[jobs[1].id], args=[result_of(jobs[1])], max_retries=1)
    )
    changed = FlowFile.from_jobs(jobs, base=flow, renamed={"cleaned": "clean it"}).dump()
    added = '  load:\n    task: etl.load\n    args: ["${jobs.cleaned.result}"]\n'
    assert changed.startswith("# The nightly run.\nname: etl   # shown on screen\n")
    assert "  # where it all starts\n  extract:\n" in changed
    assert "args: [us, 5]" in changed
    assert "# region, rows" in changed
    assert '  "cleaned":\n' in changed
    assert "clean it" not in changed
    assert "max_retries: 1      # said although it need not be" in changed
    assert "timeout: 1h30m" in changed
    assert added in changed
    first = load_flow(changed).to_jobs()[0]
    assert (first.name, first.args, first.timeout) == ("extract", ["us", 5], 600.0)


def test_of_a_changed_job_only_its_own_lines_change_however_wide_they_are() -> None:
    wide = """\
jobs:
  a: { run: make, max_retries: 1 }   # first
  "b c": {run: "echo 'hi' | wc", env: {A: "1"}, cwd: /tmp, depends_on: [a], trigger: all_done, delay: 30s}  # keep me
  d:   {task:  app.d, kwargs: {text: "a text that goes on and on until it is past the edge of a hundred columns"}}
  # before e
  e:
      task: app.e
      args: [1,2,
             3]
name: wide   # at the end
"""
    flow = load_flow(wide)
    jobs = flow.to_jobs()
    for job, line in ((0, "  a: "), (2, "  d: ")):
        changed_jobs = [Job.from_dict(each.to_dict()) for each in jobs]
        changed_jobs[job].max_retries = 7
        changed = FlowFile.from_jobs(changed_jobs, base=flow).dump().splitlines()
        for old, new in zip(wide.splitlines(), changed, strict=True):
            assert new.startswith(line) and "max_retries: 7" in new if old.startswith(line) else new == old
    jobs[3].args = [1]
    changed = FlowFile.from_jobs(jobs, base=flow).dump()
    assert changed.startswith(wide[: wide.index("  e:")])
    assert changed.endswith("name: wide   # at the end\n")
    assert load_flow(changed).to_jobs()[3].args == [1]


def test_a_changed_json_file_keeps_its_schema_and_how_it_is_indented() -> None:
    text = """\
{
    "$schema": "./flow.schema.json",
    "jobs": {
        "a": {
            "task": "t.a"
        }
    }
}
"""
    flow = load_flow(text)
    assert flow.dump() == text
    jobs = flow.to_jobs()
    jobs[0].task_id = "t.b"
    assert FlowFile.from_jobs(jobs, base=flow).dump() == text.replace("t.a", "t.b")


def test_a_removed_job_takes_only_itself_away() -> None:
    flow = load_flow(ETL)
    jobs = [job for job in flow.to_jobs() if job.name != "clean it"]
    changed = FlowFile.from_jobs(jobs, base=flow).dump()
    assert list(load_flow(changed).jobs) == ["extract", "lint"]
    assert "# where it all starts" in changed


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=12)
    | st.sampled_from(
        ["${jobs.a.result}", "$${jobs.x", "no", "012", "1e3", "null", "a: b", "# c", "\n", " x\n y\n"]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@st.composite
def flows(draw: st.DrawFn) -> list[Job]:
    jobs: list[Job] = []
    for _ in range(draw(st.integers(1, 5))):
        upstreams = draw(st.lists(st.sampled_from(jobs), max_size=3)) if jobs else []
        job = Job(
            draw(st.sampled_from(["app.step", "shell"]) | NAMES),
            draw(st.lists(JSON_VALUES, max_size=3)),
            draw(st.dictionaries(NAMES, JSON_VALUES, max_size=2)),
            [upstream.id for upstream in upstreams],
            name=draw(NAMES),
            priority=draw(st.sampled_from([5, 0, 255])),
            max_retries=draw(st.sampled_from([3, 0, 7])),
            timeout=draw(st.none() | st.sampled_from([0.25, 5.0, 60.0, 5400.0, 90061.0, 1e9 + 0.5])),
            delay=draw(st.none() | st.floats(0, 1e9)),
            trigger=draw(st.sampled_from(list(Trigger))),
            group=draw(st.none() | NAMES),
        )
        if upstreams and draw(st.booleans()):
            job.args.append(
                {"deep": [result_of(upstreams[0], *draw(st.lists(NAMES | st.integers(-9, 9), max_size=2)))]}
            )
        jobs.append(job)
    return jobs


def meant(jobs: list[Job]) -> list[Any]:
    """The jobs without what a file cannot keep: their ids, and names that occur twice."""
    ids = {job.id: f"#{index}" for index, job in enumerate(jobs)}
    shown = []
    for job in jobs:
        text = json.dumps({key: value for key, value in job.to_dict().items() if key not in ("id", "name")})
        for job_id, short in ids.items():
            text = text.replace(job_id, short)
        shown.append(json.loads(text))
    return shown


@settings(max_examples=150, deadline=None)
@given(flows(), st.sampled_from(["yaml", "json"]))
def test_any_flow_written_to_a_file_is_read_back_the_same(jobs: list[Job], form: Any) -> None:
    text = FlowFile.from_jobs(jobs, name="any").dump(form)
    again = load_flow(text)
    assert meant(again.to_jobs()) == meant(jobs)
    check_flow(again.to_jobs())
    assert again.dump() == text
    assert FlowFile.from_jobs(again.to_jobs(), base=again).dump() == text


@settings(max_examples=100, deadline=None)
@given(flows(), st.data())
def test_any_change_of_a_file_says_exactly_the_new_flow(jobs: list[Job], data: st.DataObject) -> None:
    base = load_flow("# kept\n" + FlowFile.from_jobs(jobs).dump("yaml"))
    changed = base.to_jobs()
    for job in changed:
        if data.draw(st.booleans()):
            job.args = data.draw(st.lists(JSON_VALUES, max_size=3))
        if data.draw(st.booleans()):
            job.timeout = data.draw(st.none() | st.sampled_from([1.0, 60.0]))
    last = changed[-1].id
    if len(changed) > 1 and data.draw(st.booleans()):
        changed = changed[:-1]
    assert all(last not in job.depends_on for job in changed)
    again = load_flow(FlowFile.from_jobs(changed, base=base).dump())
    assert meant(again.to_jobs()) == meant(changed)


@given(st.text(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_flow_or_refused(text: str) -> None:
    try:
        load_flow(text)
    except InvalidFlowFile as error:
        problem: str | None = str(error)
    else:
        problem = None
    assert problem is None or problem.startswith("<text>:")


BOMBS = {
    "billion laughs": "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a]\njobs: {a: {task: t, args: *b}}",
    "an alias of itself": "jobs: &a {a: *a}",
    "100,000 brackets": "[" * 100_000,
    "100,000 braces": "{a: " * 100_000,
    "100,000 JSON objects": '{"a":' * 100_000,
    "100,000 dashes": "- " * 100_000,
    "6 MB": "# " + "x" * 6_000_000,
    "tags": "!!python/object/new:os.system [echo]",
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_after_little_work(name: str) -> None:
    load_flow("jobs: {a: {task: t}}")  # the imports are not the bomb's fault
    calls = 0

    def count(frame: object, event: str, arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        with pytest.raises(InvalidFlowFile):
            load_flow(BOMBS[name])
    finally:
        sys.setprofile(None)
    # The worst are the brackets: YAML looks 1,024 characters ahead of each. Read to their end they take 100 times this.
    assert calls < 5_000_000


def test_bombs_take_little_memory() -> None:
    program = (
        "import resource, sys\nfrom core.spec import load_flow\nfrom core.errors import InvalidFlowFile\n"
        "load_flow('jobs: {a: {task: t}}')\nbefore = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"for bomb in [{BOMBS['billion laughs']!r}, '[' * 100_000, '- ' * 100_000]:\n"
        "    try: load_flow(bomb)\n    except InvalidFlowFile: pass\n    else: sys.exit('not refused')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    grown = int(subprocess.run([sys.executable, "-c", program], capture_output=True, check=True).stdout)
    unit = 1 if sys.platform == "darwin" else 1024
    assert grown * unit < 50_000_000
    assert resource.RUSAGE_SELF is not None


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidFlowFile, match=r"flow\.yaml: cannot be read: No such file"):
        load_flow(tmp_path / "flow.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9")
    with pytest.raises(InvalidFlowFile, match=r"latin\.yaml:1:1: not UTF-8"):
        load_flow(tmp_path / "latin.yaml")
    (tmp_path / "bom.yaml").write_bytes(b"\xef\xbb\xbf" + ETL.encode())
    assert load_flow(tmp_path / "bom.yaml").name == "etl"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("250ms", 0.25),
        ("2d", 172800),
        ("1.5h", 5400),
    ],
)
def test_a_duration_reads_as_people_write_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds)


def test_the_shipped_schema_is_the_one_the_code_checks() -> None:
    """After a change of `core/schema.py`: python -m core.schema > core/flow.schema.json"""
    assert SCHEMA_PATH.read_text(encoding="utf-8") == json_schema()


def one_job(**fields: Any) -> dict[str, Any]:
    return {"jobs": {"a": {"task": "t", **fields}}}


SCHEMA_CASES = [
    *(
        one_job(**{key: value})
        for key in ("timeout", "ttl", "delay", "repeat_every")
        for value in (0, 1, 1.5, -1, None, True, "5m", "1h30m", "250ms", "5", "", "1w", "1h30", 1e10, 9999999999)
    ),
    *(one_job(max_retries=value) for value in (0, -1, 100_000, 100_001, 1.5, True, None, "3")),
    *(one_job(priority=value) for value in (0, 255, 256, -1, None)),
    *(one_job(trigger=value) for value in ("all_done", "ALL_DONE", None, "")),
    *(one_job(group=value) for value in ("g", "", None, "x" * 256, "x" * 257)),
    *(one_job(depends_on=value) for value in ([], None, "a", [5], [{}], [{"id": "x"}], [{"id": "a b"}])),
    *(one_job(**{key: value}) for key in ("cwd", "run") for value in ("x", None, 5, "", [])),
    *(one_job(env=value) for value in ({}, {"A": "b"}, None)),
    *(one_job(task=value) for value in ("", "x" * 257, None, 5)),
    *(one_job(args=value) for value in ([], [None], None, {})),
    *(one_job(kwargs=value) for value in ({}, {"": 1}, None, [])),
    *({"jobs": {"a": {"run": value}}} for value in ("x", "", [], ["x"], ["x", 1], None)),
    *({"jobs": {"a": {"run": "x", "args": value}}} for value in ([], [1])),
    *({"jobs": {"a": {"run": "x", "kwargs": value}}} for value in ({}, {"a": 1})),
    *({"jobs": {"a": {"run": "x", "task": value}}} for value in (None, "t")),
    *({"jobs": {"a": {"run": "x", "env": value, "cwd": "y"}}} for value in ({"A": "b"}, {"A": 5})),
    *({"name": value, **one_job()} for value in (None, "", "x", "x" * 257)),
    *({"queue": value, **one_job()} for value in (None, "", "a b", "x" * 128, "x" * 129)),
    *({"imports": value, **one_job()} for value in ([], ["os"], ["a.b"], ["a-b"], [""], None)),
    *({"defaults": value, **one_job()} for value in ({}, None, {"timeout": "5m"}, {"task": "t"}, {"cwd": "x"})),
    {},
    {"jobs": {}},
    {"jobs": None},
    {"jobs": []},
    {"jobs": {"a": None}},
    {"jobs": {"a": {}}},
    {"jobs": {"": {"task": "t"}}},
    {"jobs": {"x" * 257: {"task": "t"}}},
    {"jobs": {"a": {"task": "t", "foo": 1}}},
    {"foo": 1, **one_job()},
    [],
]  # fmt: skip


def test_an_editor_refuses_by_the_schema_what_the_code_refuses() -> None:
    """What a schema cannot say is left out: that names exist, that 5.0 is no whole number, how long a text lasts."""
    by_schema = jsonschema.Draft202012Validator(json.loads(json_schema()))
    differ = []
    for case in SCHEMA_CASES:
        try:
            load_flow(json.dumps(case))
            said = ""
        except FlowError as error:
            said = str(error)
        if by_schema.is_valid(case) != (not said):
            differ.append((case, said))
    assert differ == []


def test_a_character_escaped_as_two_halves_is_one_character_as_in_json() -> None:
    text = 'name: "\\ud83d\\ude00"\njobs:\n  "\\ud83d\\ude00": {task: t, args: ["a \\ud83d\\ude00"]}\n'
    flow = load_flow(text)
    assert (flow.name, [*flow.jobs], flow.to_jobs()[0].args) == (
        "\U0001f600",
        ["\U0001f600"],
        ["a \U0001f600"],
    )
    with pytest.raises(InvalidFlowFile, match="half of a surrogate pair"):
        load_flow('jobs: {a: {task: t, args: ["\\ud83d"]}}')


LAID_OUT = """\
# top
name: 'quoted'
defaults: {max_retries:   1}   # for all
jobs:
  # before a
  a:
    task: "app.a"      # quotes stay
    args: [1, 0x10,  1e3, 'x']   # numbers
    kwargs:
      script: |
        # no comment
        ls
  # before b

  b:
    task: app.b
    args:
      - one   # first
      - two   # second
    depends_on: [a]
  c:
    task: app.c
    depends_on:
    - a
    - b   # last
  # within

# the end
"""


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (lambda jobs: setattr(jobs[0], "priority", 1), 1),
        (lambda jobs: setattr(jobs[0], "kwargs", {}), 4),
        (lambda jobs: setattr(jobs[0], "kwargs", {"script": "# other\nls\n"}), 2),
        (lambda jobs: setattr(jobs[1], "args", ["one", "three"]), 2),
        (lambda jobs: setattr(jobs[1], "args", ["one", "new", "two"]), 1),
        (lambda jobs: setattr(jobs[2], "task_id", "app.z"), 2),
        (lambda jobs: setattr(jobs[2], "depends_on", [jobs[0].id]), 1),
        (lambda jobs: jobs.pop(), 5),
        (lambda jobs: jobs.append(Job("app.new", name="new", max_retries=1)), 2),
    ],
)
@pytest.mark.parametrize("deep", [1, 2, 4])
def test_a_change_touches_its_own_lines_only(change: Any, lines: int, deep: int) -> None:
    laid_out = re.sub(r"^ +", lambda found: " " * deep * len(found[0]), LAID_OUT, flags=re.M)
    flow = load_flow(laid_out)
    jobs = flow.to_jobs()
    change(jobs)
    changed = FlowFile.from_jobs(jobs, base=flow)
    written = changed.dump()
    assert load_flow(written) == changed
    differ = [line for line in difflib.ndiff(laid_out.splitlines(), written.splitlines()) if line[0] in "+-"]
    assert len(differ) == lines, "\n".join(differ)
    for comment in ("# top", "# for all", "# before a", "# before b", "# first", "# within", "# the end"):
        assert comment in written


IN_BRACES = """\
{
  "$schema": "./flow.schema.json",
  "jobs": {
    "a": {"task": "t.a", "args": [2.50, 1e3, "caf\\u00e9"]},
    "b": {"task": "t.b", "depends_on": ["a"]},
    "c": {
      "task": "t.c",
      "depends_on": [
        "a",
        "b"
      ]
    }
  }
}"""

WITH_COMMENTS = """\
jobs: {   # all of them
  # first
  a: {task: t.a,   # why t
      args: [eu,   # Europe
             us],  # America
     },  # after a
  # second
  "b": {task: t.b, depends_on: [a]}   # no comma

  # the end
}
"""


@pytest.mark.parametrize(
    ("text", "change", "pairs"),
    [
        (IN_BRACES, lambda jobs: setattr(jobs[1], "priority", 9), [('["a"]},', '["a"], "priority": 9},')]),
        (IN_BRACES, lambda jobs: setattr(jobs[1], "args", [1]), [('"t.b", ', '"t.b", "args": [1], ')]),
        (IN_BRACES, lambda jobs: jobs[0].args.pop(1), [("2.50, 1e3, ", "2.50, ")]),
        (
            IN_BRACES,
            lambda jobs: setattr(jobs[2], "depends_on", [jobs[1].id]),
            [('        "a",\n        "b"', '        "b"')],
        ),
        (
            IN_BRACES,
            lambda jobs: setattr(jobs[2], "kwargs", {"k": {"deep": [1]}}),
            [('"t.c",\n', '"t.c",\n      "kwargs": {\n        "k": {"deep": [1]}\n      },\n')],
        ),
        (
            IN_BRACES,
            lambda jobs: jobs.append(Job("t.d", name="d")),
            [("      ]\n    }\n", '      ]\n    },\n    "d": {\n      "task": "t.d"\n    }\n')],
        ),
        (
            IN_BRACES,
            lambda jobs: setattr(jobs[0], "name", "z"),
            [('"a": {', '"z": {'), ('["a"]', '["z"]'), ('    "a",', '    "z",')],
        ),
        (
            re.sub(r"\s", "", IN_BRACES),
            lambda jobs: setattr(jobs[1], "priority", 9),
            [('["a"]},', '["a"],"priority":9},')],
        ),
        (
            WITH_COMMENTS,
            lambda jobs: setattr(jobs[0], "priority", 9),
            [("America\n", "America\n      priority: 9,\n")],
        ),
        (
            WITH_COMMENTS,
            lambda jobs: jobs[0].args.pop(),
            [("[eu,   # Europe\n             us],  # America", "[eu   # Europe\n],  # America")],
        ),
        (WITH_COMMENTS, lambda jobs: setattr(jobs[1], "depends_on", []), [(", depends_on: [a]", "")]),
        (WITH_COMMENTS, lambda jobs: setattr(jobs[1], "name", "z"), [('"b"', '"z"')]),
        (
            WITH_COMMENTS,
            lambda jobs: jobs.append(Job("t.c", name="c")),
            [("[a]}   # no comma\n", "[a]},   # no comma\n  c: {\n    task: t.c\n  }\n")],
        ),
        (
            WITH_COMMENTS,
            lambda jobs: jobs.pop(),
            [('\n  "b": {task: t.b, depends_on: [a]}   # no comma', ""), ("},  # after", "}  # after")],
        ),
    ],
)
def test_between_braces_a_change_stays_in_its_place(
    text: str, change: Any, pairs: list[tuple[str, str]]
) -> None:
    flow = load_flow(text)
    jobs = flow.to_jobs()
    names = {job.id: job.name for job in jobs}
    change(jobs)
    renamed = {job.name: names[job.id] for job in jobs if job.id in names and names[job.id] != job.name}
    changed = FlowFile.from_jobs(jobs, base=flow, renamed=renamed)
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    assert changed.dump() == text
    assert load_flow(text) == changed


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_new_key_stands_with_its_job_and_not_below_the_comment_of_the_next(newline: str) -> None:
    text = """\
jobs:
  fetch:
    task: app.fetch

  # Loads into the warehouse.
  load:
    task: app.load
    run: |+
      x

# The end."""
    text = text.replace("    task: app.load\n", "").replace("\n", newline)
    flow = load_flow(text)
    jobs = flow.to_jobs()
    jobs[0].priority = 1
    jobs[1].depends_on = [jobs[0].id]
    jobs.append(Job("app.new", name="new"))
    expected = text.replace(f"fetch{newline}{newline}", f"fetch{newline}    priority: 1{newline}{newline}")
    added = ["    depends_on: [fetch]", "  new:", "    task: app.new", "# The end."]
    expected = expected.replace("# The end.", newline.join(added))
    assert FlowFile.from_jobs(jobs, base=flow).dump() == expected
    del jobs[0], jobs[0].depends_on[0]
    left = ["jobs:", "  # Loads into the warehouse.", "  load:", "    run: |+", "      x", "", "  new:"]
    assert FlowFile.from_jobs(jobs, base=flow).dump().startswith(newline.join(left))


def test_jobs_in_another_order_take_their_comments_along() -> None:
    flow = load_flow("jobs:\n  # of a\n  a: {task: t}   # a\n\n  # of b\n  b:\n    task: t   # b\n# end\n")
    changed = FlowFile.from_jobs(flow.to_jobs()[::-1], base=flow)
    assert (
        changed.dump()
        == "jobs:\n  # of b\n  b:\n    task: t   # b\n  # of a\n  a: {task: t}   # a\n\n# end\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("%YAML 1.3\n---\njobs: {a: {task: t}}", "<text>:1:1: %YAML names a version that is not 1.1 or 1.2"),
        ('jobs: {a: {task: "\\U00110000"}}', "<text>:1:12: a \\U beyond \\U0010FFFF is no character"),
        ('{"jobs": {"a": {"task": "\\UFFFFFFFF"}}}', "<text>:1:26: neither JSON nor YAML"),
        ('jobs: {a: {run: x, env: {A: "\\ud800"}}}', "<text>:1:29: it holds half of a surrogate pair"),
        ('{"jobs": {"a": {"run": "x", "env": {"A": "\\ud800"}}}}', "<text>:1:42: it holds half"),
        ('{"jobs":{"a":{"task":"x",\n"args":[1, NaN]}}}', "<text>:2:12: NaN is no JSON"),
        ('{"jobs":{"a":{"task":"x",\n"args":[1, 1e999]}}}', "<text>:2:12: 1e999 is too large"),
        ('{"jobs":{"a":{"task":"x",\n"args":[' + "9" * 5000 + "]}}}", "is an integer beyond 64 bits"),
    ],
)
def test_what_no_library_expects_is_refused_with_its_place(text: str, said: str) -> None:
    assert said in refused(text)[0]


def test_a_tab_in_a_text_stays_one_in_every_form() -> None:
    for text in ("{jobs: {a: {run: \"cut -d'\t' x\"}}}", '{"jobs": {"a": {"run": "cut -d\'\t\' x"}}}'):
        assert load_flow(text).to_jobs()[0].args == ["cut -d'\t' x"]


def test_only_who_passed_a_text_is_told_of_paths(tmp_path: Path) -> None:
    assert "pass its Path" in refused("flow.yaml")[0]
    (tmp_path / "flow.yaml").write_text("print(1)")
    with pytest.raises(InvalidFlowFile) as error:
        load_flow(tmp_path / "flow.yaml")
    assert "pass its Path" not in str(error.value)
