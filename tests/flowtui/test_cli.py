"""The command line as a user or a script meets it: what is printed where, and with which exit status."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.backends.server import PrivateServer, find_server
from core.jobs import JobError, JobRecord, JobState
from flowtui.cli import main
from flowtui.cli.common import Failure, engine
from flowtui.cli.reach import refusal

ROOT = Path(__file__).parents[2]
Flowtui = Callable[..., subprocess.CompletedProcess[str]]

TASKS = """\
import logging
import time
from core import JobContext, task

@task("app.add")
async def add(a, b=0):
    logging.getLogger("app").info("adding %s", a)
    return a + b

@task("app.wait")
def wait(seconds):
    JobContext.current().log("waiting")
    time.sleep(seconds)
    return "waited"

@task("app.fail")
async def fail(text):
    raise ValueError(text)
"""

FLOW = """\
name: sums
queue: sums
imports: [app_tasks]
jobs:
  one: {task: app.add, args: [1]}
  two:
    task: app.add
    args: ["${jobs.one.result}"]
    kwargs: {b: 41}
    depends_on: [one]
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FLOWTUI_")}
    return {
        **kept,
        "FLOWTUI_HOME": str(tmp_path / "h"),
        "FLOWTUI_CONFIG": str(tmp_path / "config.toml"),
        "PYTHONPATH": str(ROOT),
        "PYTHONIOENCODING": "utf-8",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app_tasks.py").write_text(TASKS)
    (tmp_path / "sums.yaml").write_text(FLOW)
    return tmp_path


@pytest.fixture
def start(folder: Path, environ: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `flowtui ARGS`, with pipes, in the folder of the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(*args: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "flowtui", *args],
            cwd=folder,
            env={**environ, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def flowtui(
    start: Callable[..., subprocess.Popen[str]],
    folder: Path,
    environ: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Flowtui:
    """Run `flowtui ARGS` to its end: in this process where it imports nobody's tasks, which is 20 times as fast."""

    def run(*args: str, **more: str) -> subprocess.CompletedProcess[str]:
        if more or args[:1] in (("run",), ("worker",)):
            process = start(*args, **more)
            out, err = process.communicate(timeout=90)
            status = process.returncode
        else:
            status, out, err = here(*args)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(args, status, out, err)

    def here(*args: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("FLOWTUI_")]:
                patch.delenv(name)
            for name in ("FLOWTUI_HOME", "FLOWTUI_CONFIG"):
                patch.setenv(name, environ[name])
            patch.setenv("FLOWTUI_FSYNC", "everysec")
            patch.chdir(folder)
            capsys.readouterr()
            with pytest.raises(SystemExit) as end:
                main(args)
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return run


def until(check: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_help_shows_every_command_with_examples_on_one_screen(flowtui: Flowtui) -> None:
    done = flowtui("--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) < 42
    for command in ("run", "submit", "worker", "validate", "graph", "demo", "queues", "jobs", "flow", "logs"):
        assert f"\n  {command} " in done.stdout
    assert "flowtui run etl.yaml" in done.stdout


def test_version(flowtui: Flowtui) -> None:
    assert flowtui("--version").stdout.startswith("flowtui ")


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("valdate", "x.yaml"), 2, "'valdate' is neither a command nor a file; did you mean validate?"),
        (("nothing",), 2, "'nothing' is neither a command nor a file; flowtui --help lists the commands"),
        (("--nope",), 2, "No such option"),
        (("validate",), 2, "Missing argument"),
        (("graph", "sums.yaml", "-f", "png"), 2, "'png' is not one of"),
        (("--interval", "0"), 2, "must be 0.1 to 3600 seconds"),
        ((), 2, "the app needs a terminal; without one: flowtui run FILE"),
        (("sums.yaml",), 2, "the app needs a terminal; without one: flowtui run sums.yaml"),
        (("--watch", "sums"), 2, "the app needs a terminal"),
        (("none.yaml",), 2, "the app needs a terminal"),
        (("run", "none.yaml"), 1, "none.yaml: cannot be read: No such file"),
        (("worker", "no_such_module"), 2, "module no_such_module cannot be imported: No module named"),
        (("queues", "--url", "gopher://x"), 1, "no backend for 'gopher:' URLs"),
        (("flow", "nothing", "--url", "memory://"), 1, "nothing"),
        (("completion", "csh"), 2, "'csh' is not one of"),
    ],
)
def test_what_goes_wrong_is_one_line_on_stderr(
    flowtui: Flowtui, args: tuple[str, ...], status: int, said: str
) -> None:
    done = flowtui(*args)
    assert done.returncode == status
    assert said in done.stderr
    assert done.stderr.startswith("flowtui: ")
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_module_that_fails_to_import_is_named_with_its_line(flowtui: Flowtui, folder: Path) -> None:
    (folder / "broken.py").write_text("x = 1\nraise RuntimeError('no licence')\n")
    done = flowtui("worker", "broken")
    assert done.returncode == 2
    assert "broken.py:2): RuntimeError: no licence" in done.stderr


def test_validate_says_ok_or_where(flowtui: Flowtui, folder: Path) -> None:
    done = flowtui("validate", "sums.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "sums.yaml: ok · 2 jobs · 1 link · 2 levels · widest 1 · queue sums\n"
    (folder / "cycle.yaml").write_text(
        "jobs:\n  a: {task: t, depends_on: [b]}\n  b: {task: t, depends_on: [a]}\n"
    )
    (folder / "keys.yaml").write_text("jobs:\n  a: {tsk: t}\n  b: {task: t, prio: 1}\n")
    done = flowtui("validate", "-q", "sums.yaml", "cycle.yaml", "keys.yaml")
    assert (done.returncode, done.stdout) == (1, "")
    cycle, *keys = done.stderr.splitlines()
    assert cycle.startswith("cycle.yaml:3:28: jobs.b.depends_on: ")
    assert "a -> b -> a" in cycle
    assert [line.split(": ")[:2] for line in keys] == [
        ["keys.yaml:2:7", "jobs.a.tsk"],
        ["keys.yaml:3:16", "jobs.b.prio"],
    ]


def test_a_drawing_is_a_flow_for_commands_too(
    flowtui: Flowtui, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawings = {
        "made.dot": "digraph { load -> clean; clean -> report }",
        "made.mmd": "flowchart LR\n  load --> clean --> report\n",
    }
    for name, text in drawings.items():
        (folder / name).write_text(text)
        done = flowtui("validate", name)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == f"{name}: ok · 3 jobs · 2 links · 3 levels · widest 1 · queue default\n"
        assert "report" in flowtui("graph", name).stdout
        assert flowtui("submit", name, "--dry-run").stdout.splitlines()[-1] == "step 3  report"
        monkeypatch.setattr("sys.stdin", io.StringIO(text))
        assert "3 jobs" in flowtui("validate", "-").stdout
    (folder / "round.dot").write_text("digraph { a -> b; b -> a }")
    done = flowtui("validate", "round.dot")
    assert done.returncode == 1
    assert "a -> b -> a" in done.stderr
    (folder / "broken.dot").write_text("digraph { a -> ")
    done = flowtui("validate", "broken.dot")
    assert done.returncode == 1
    assert done.stderr.startswith("broken.dot")
    (folder / "empty.mmd").write_text("")
    assert flowtui("validate", "empty.mmd").stderr.startswith("empty.mmd: neither a Mermaid flowchart")
    (folder / "flow.txt").write_text(FLOW)
    assert "2 jobs" in flowtui("validate", "flow.txt").stdout
    assert "none.dot" in flowtui("validate", "none.dot").stderr


def test_hostile_names_reach_no_terminal(flowtui: Flowtui, folder: Path) -> None:
    (folder / "evil.yaml").write_text('jobs: {"\\e]52;c;aGk=\\a": {task: t, depends_on: ["\\e[2J"]}}')
    (folder / "drawn.yaml").write_text('jobs: {"\\e[2Jx": {run: "true"}}')
    for args in (("validate", "evil.yaml"), ("graph", "drawn.yaml"), ("run", "drawn.yaml")):
        done = flowtui(*args)
        assert "\x1b" not in done.stdout + done.stderr
        assert "\x07" not in done.stdout + done.stderr
        assert "␛" in done.stdout + done.stderr


def test_graph_draws_in_every_form(flowtui: Flowtui, folder: Path) -> None:
    text = flowtui("graph", "sums.yaml").stdout
    assert "one" in text
    assert "▸" in text
    plain = flowtui("graph", "sums.yaml", "--ascii", "-d", "TB", "--zoom", "1").stdout
    assert plain.isascii()
    assert flowtui("graph", "sums.yaml", "-f", "mermaid").stdout.startswith("flowchart LR\n")
    assert flowtui("graph", "sums.yaml", "-f", "dot").stdout.startswith("digraph")
    assert {
        node["id"] for node in json.loads(flowtui("graph", "sums.yaml", "-f", "json").stdout)["nodes"]
    } == {"one", "two"}
    assert flowtui("graph", "sums.yaml", "-f", "yaml").stdout == FLOW
    assert flowtui("graph", "sums.yaml", "-f", "svg", "-o", "sums.svg").returncode == 0
    assert (folder / "sums.svg").read_text().startswith("<svg")
    again = flowtui("graph", "sums.yaml", "-f", "svg", "-o", "sums.svg")
    assert again.returncode == 1
    assert "is there already" in again.stderr


def test_graph_draws_a_cycle_and_warns(flowtui: Flowtui, folder: Path) -> None:
    (folder / "cycle.yaml").write_text(
        "jobs:\n  a: {task: t, depends_on: [b]}\n  b: {task: t, depends_on: [a]}\n"
    )
    done = flowtui("graph", "cycle.yaml")
    assert done.returncode == 0
    assert "a" in done.stdout
    assert "╰╌╌╌" in done.stdout
    assert "╌" not in flowtui("graph", "sums.yaml").stdout
    assert "a -> b -> a" in done.stderr


def test_run_prints_each_job_and_the_result(flowtui: Flowtui) -> None:
    done = flowtui("run", "sums.yaml")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    streamed, table, result = done.stdout.strip().split("\n\n")
    assert [line.split()[:3] for line in streamed.splitlines()] == [
        ["✓", "one", "completed"],
        ["✓", "two", "completed"],
    ]
    assert table.startswith("sums  ████████████████████  2/2")
    assert result == "42"


def test_run_quietly_prints_the_result_only_and_json_everything(flowtui: Flowtui) -> None:
    quiet = flowtui("run", "-q", "sums.yaml")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "42\n", "")
    whole = json.loads(flowtui("run", "--json", "sums.yaml").stdout)
    assert whole["state"] == "completed"
    assert [(job["name"], job["state"], job["result"]) for job in whole["jobs"]] == [
        ("one", "completed", 1),
        ("two", "completed", 42),
    ]


def test_run_of_a_flow_that_fails_exits_1_and_says_why(flowtui: Flowtui, folder: Path) -> None:
    (folder / "bad.yaml").write_text(
        "imports: [app_tasks]\ndefaults: {max_retries: 0}\njobs:\n"
        "  bad: {task: app.fail, args: [no licence]}\n"
        "  sh: {run: 'echo to the log; exit 7'}\n"
        "  never: {task: app.add, args: [1], depends_on: [bad]}\n"
    )
    done = flowtui("run", "bad.yaml")
    assert done.returncode == 1
    assert "↷ never" in done.stdout
    assert "bad failed: ValueError: no licence" in done.stderr
    assert "sh failed: ShellError: the command ended with status 7" in done.stderr
    assert "  to the log" in done.stderr


def test_run_refuses_a_task_that_nobody_knows_before_it_submits(flowtui: Flowtui, folder: Path) -> None:
    (folder / "who.yaml").write_text("queue: who\njobs: {a: {task: app.unknown}}")
    done = flowtui("run", "who.yaml")
    assert done.returncode == 1
    assert "nobody knows the task 'app.unknown'" in done.stderr
    assert "-m MODULE" in done.stderr
    assert flowtui("queues").stdout == "no queues\n"


def test_run_takes_a_flow_from_stdin_and_tasks_by_option(folder: Path, environ: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flowtui", "run", "-", "-m", "app_tasks", "-q"],
        cwd=folder,
        env=environ,
        input='{"jobs": {"a": {"task": "app.add", "args": [5]}}}',
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr


def test_ctrl_c_cancels_the_flow_and_exits_130(
    start: Callable[..., subprocess.Popen[str]], flowtui: Flowtui, folder: Path
) -> None:
    (folder / "long.yaml").write_text(
        "queue: long\njobs: {a: {run: sleep 60}, b: {run: 'true', depends_on: [a]}}"
    )
    process = start("run", "long.yaml")
    until(lambda: '"active": 1' in flowtui("queues", "--json").stdout)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "cancelling" in err
    assert "⊖ a" in out
    assert "Traceback" not in err
    assert "cancelled" in flowtui("flow").stdout


def test_submit_worker_and_the_views_work_together(
    flowtui: Flowtui, start: Callable[..., subprocess.Popen[str]], folder: Path
) -> None:
    dry = flowtui("submit", "sums.yaml", "--flow-id", "run-1", "--dry-run")
    assert dry.returncode == 0
    assert dry.stdout.startswith("step 1  ")
    assert "nothing was submitted" in dry.stderr
    assert "run-1" not in flowtui("flow", "run-1").stdout
    submitted = flowtui("submit", "sums.yaml", "--flow-id", "run-1")
    assert (submitted.returncode, submitted.stdout) == (0, "run-1\n")
    assert "no worker serves queue 'sums' now; start one: flowtui worker --queue sums" in submitted.stderr
    assert flowtui("submit", "sums.yaml", "--flow-id", "run-1").stdout == "run-1\n", "again changes nothing"

    [queue] = json.loads(flowtui("queues", "--json").stdout)["queues"]
    assert (queue["counts"]["waiting"], queue["counts"]["blocked"]) == (1, 1)
    assert [
        json.loads(line)["name"] for line in flowtui("jobs", "-s", "waiting", "--json").stdout.splitlines()
    ] == ["one"]

    worker = start("worker", "app_tasks", "--queue", "sums", "--concurrency", "2")
    until(lambda: json.loads(flowtui("flow", "run-1", "--json").stdout)["state"] == "completed")
    [seen] = json.loads(flowtui("queues", "--json").stdout)["workers"]
    assert seen["pid"] == worker.pid
    assert "app.add" in seen["tasks"]
    shown = flowtui("flow", "run").stdout
    assert "✓ completed" in shown
    assert "2/2" in shown
    # Lists of the engine come without results: here they are added.
    found = [json.loads(line) for line in flowtui("jobs", "-s", "completed", "--json").stdout.splitlines()]
    assert {job["name"]: job["result"] for job in found} == {"one": 1, "two": 42}
    found = json.loads(flowtui("flow", "run-1", "--json").stdout)["jobs"]
    assert {job["name"]: job["result"] for job in found} == {"one": 1, "two": 42}

    worker.send_signal(signal.SIGTERM)
    _, err = worker.communicate(timeout=30)
    assert worker.returncode == 0
    assert "tasks app.add" in err
    assert "stopped; every job could end" in err
    assert json.loads(flowtui("queues", "--json").stdout)["workers"] == []


@pytest.mark.parametrize("option", [[], ["--watch", "q"], ["--watch", "q", "--inline"]])
def test_the_app_does_not_start_where_nobody_would_see_it(
    option: list[str], folder: Path, environ: dict[str, str]
) -> None:
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "flowtui", *option],
            cwd=folder,
            env=environ,
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert "leave out `2>`" in done.stderr


def test_what_a_task_logs_at_info_is_in_the_log_of_its_job_and_nowhere_else(
    flowtui: Flowtui, start: Callable[..., subprocess.Popen[str]], folder: Path
) -> None:
    def logged() -> str:
        [latest] = flowtui("jobs", "-s", "completed", "-n", "1", "--json").stdout.splitlines()
        return flowtui("logs", json.loads(latest)["id"]).stdout

    done = flowtui("run", "sums.yaml")
    assert "adding" not in done.stdout + done.stderr
    assert "adding 1" in logged()
    flowtui("submit", "sums.yaml")
    worker = start("worker", "app_tasks", "--queue", "sums", "--until-idle")
    _, err = worker.communicate(timeout=30)
    assert "adding" not in err
    assert "adding 1" in logged()


def test_a_worker_stopped_twice_hands_its_job_back_and_exits_3(
    flowtui: Flowtui, start: Callable[..., subprocess.Popen[str]], folder: Path
) -> None:
    (folder / "wait.yaml").write_text("queue: w\njobs: {a: {run: sleep 60}}")
    flowtui("submit", "wait.yaml")
    worker = start("worker", "--queue", "w", "--allow-shell")
    until(lambda: '"active": 1' in flowtui("queues", "--json").stdout)
    worker.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    assert worker.poll() is None, "the grace time is not over"
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=20)
    assert worker.returncode == 3
    [queue] = json.loads(flowtui("queues", "--json").stdout)["queues"]
    assert (queue["counts"]["waiting"], queue["counts"]["active"]) == (1, 0)


def test_a_worker_ends_also_when_a_task_does_not(
    flowtui: Flowtui, start: Callable[..., subprocess.Popen[str]], folder: Path
) -> None:
    """It swallows every cancellation; its job is handed back all the same, and the process ends."""
    (folder / "deaf.py").write_text(
        "import asyncio\nfrom core import task\n\n@task('deaf')\nasync def deaf():\n    while True:\n"
        "        try:\n            await asyncio.sleep(60)\n        except asyncio.CancelledError:\n"
        "            pass\n"
    )
    (folder / "deaf.yaml").write_text("queue: deaf\njobs: {a: {task: deaf}}")
    flowtui("submit", "deaf.yaml")
    worker = start("worker", "deaf", "--queue", "deaf", "--grace", "0")
    until(lambda: '"active": 1' in flowtui("queues", "--json").stdout)
    worker.send_signal(signal.SIGTERM)
    _, err = worker.communicate(timeout=30)
    assert worker.returncode == 3
    assert "a task does not stop" in err
    [queue] = [
        each for each in json.loads(flowtui("queues", "--json").stdout)["queues"] if each["name"] == "deaf"
    ]
    assert (queue["counts"]["waiting"], queue["counts"]["active"]) == (1, 0)


def test_a_worker_runs_shell_steps_only_when_told(
    flowtui: Flowtui, start: Callable[..., subprocess.Popen[str]], folder: Path
) -> None:
    (folder / "sh.yaml").write_text("queue: sh\njobs: {a: {run: echo hello}}")
    flow = flowtui("submit", "sh.yaml").stdout.strip()
    start("worker", "app_tasks", "--queue", "sh")
    time.sleep(1.5)
    assert json.loads(flowtui("flow", flow, "--json").stdout)["counts"]["waiting"] == 1
    start("worker", "--queue", "sh", "--allow-shell")
    until(lambda: json.loads(flowtui("flow", flow, "--json").stdout)["state"] == "completed")
    [job] = json.loads(flowtui("flow", flow, "--json").stdout)["jobs"]
    log = flowtui("logs", job["id"]).stdout
    assert log.endswith("INFO    hello\n")
    assert json.loads(flowtui("logs", job["id"], "--json").stdout)["text"] == "hello"


def test_logs_follow_a_job_until_it_ends(
    start: Callable[..., subprocess.Popen[str]], flowtui: Flowtui, folder: Path
) -> None:
    (folder / "talk.yaml").write_text(
        "queue: talk\njobs: {a: {run: 'for i in 1 2 3 4 5 6; do echo line $i; sleep 0.3; done'}}"
    )
    runner = start("run", "talk.yaml")
    until(lambda: "active" in flowtui("jobs").stdout)
    job = json.loads(flowtui("jobs", "--json").stdout)["id"]
    followed = flowtui("logs", "-f", job).stdout
    assert [line.split()[-2:] for line in followed.splitlines()] == [["line", str(i)] for i in range(1, 7)]
    assert runner.wait(20) == 0


def test_jobs_flows_and_logs_are_found_by_the_start_of_an_id_and_queues_by_a_pattern(
    flowtui: Flowtui, folder: Path
) -> None:
    for queue in ("etl-a", "etl-b", "mail"):
        (folder / "few.yaml").write_text(
            f"queue: {queue}\njobs: {{a: {{task: t}}, b: {{task: t}}, c: {{task: t}}}}"
        )
        flowtui("submit", "few.yaml", "--flow-id", f"{queue}-1")
    queues = [json.loads(line)["queue"] for line in flowtui("jobs", "--json").stdout.splitlines()]
    assert len(queues) == 9

    def listed(*args: str) -> list[str]:
        return [json.loads(line)["id"] for line in flowtui("jobs", "--json", *args).stdout.splitlines()]

    every = listed("-q", "etl-*")
    assert len(every) == 6
    assert listed("-q", "etl-*", "--offset", "2", "-n", "3") == every[2:5]
    assert listed("--offset", "7", "-n", "5") == listed()[7:]
    assert listed("-q", "x-*") == []
    assert listed("--flow", "mai") == listed("-q", "mail")
    assert "2 flows start with 'etl'" in flowtui("jobs", "--flow", "etl").stderr
    job = every[0]
    assert flowtui("logs", job[:8]).returncode == 0
    unknown = flowtui("logs", "zzzzzz")
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "no job 'zzzzzz'" in unknown.stderr
    assert "no job 'é'" in flowtui("logs", "é").stderr


def test_a_start_that_several_ids_have_is_refused(flowtui: Flowtui, folder: Path) -> None:
    (folder / "many.yaml").write_text(
        "queue: q\njobs: {" + ", ".join(f"j{n}: {{task: t}}" for n in range(80)) + "}"
    )
    flowtui("submit", "many.yaml")
    ids = [json.loads(line)["id"] for line in flowtui("jobs", "--json").stdout.splitlines()]
    shared = next(a for a in sorted({job[0] for job in ids}) if sum(job.startswith(a) for job in ids) > 1)
    refused = flowtui("logs", shared)
    assert refused.returncode == 1
    assert f"several jobs start with '{shared}'; give more of the id" in refused.stderr
    mixed = next(job for job in ids if job[:8] != job[:8].lower())
    assert flowtui("logs", mixed[:8]).returncode == 0


def test_several_processes_share_the_work_and_one_that_dies_is_replaced(
    flowtui: Flowtui, start: Callable[..., subprocess.Popen[str]]
) -> None:
    keeper = start("worker", "app_tasks", "--queue", "sums", "--processes", "2")

    def pids() -> set[int]:
        return {worker["pid"] for worker in json.loads(flowtui("queues", "--json").stdout)["workers"]}

    flowtui("submit", "sums.yaml")
    until(lambda: len(pids()) == 2)
    first = pids()
    assert keeper.pid not in first
    killed = min(first)
    os.kill(killed, signal.SIGKILL)
    until(lambda: len(pids() - {killed}) == 2)
    keeper.send_signal(signal.SIGTERM)
    _, err = keeper.communicate(timeout=40)
    assert keeper.returncode == 0, err
    assert "was killed by signal 9; starting another" in err


def test_a_password_is_never_shown_and_on_the_command_line_warned_of(flowtui: Flowtui) -> None:
    done = flowtui("queues", "--url", "gopher://:canary@127.0.0.1")
    assert done.returncode == 1
    assert "can be seen by everybody" in done.stderr
    assert "canary" not in done.stdout + done.stderr
    quiet = flowtui("queues", FLOWTUI_URL="redis://:canary@127.0.0.1:1/0")
    assert "cannot be reached" in quiet.stderr
    assert "can be seen" not in quiet.stderr
    assert "canary" not in quiet.stdout + quiet.stderr


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:canary@localhost:1/0", "@localhost:1/0 cannot be reached: connection refused"),
        ("rediss://127.0.0.1:1", "rediss://127.0.0.1:1 cannot be reached: connection refused"),
        (
            "redis+cluster://127.0.0.1:1,127.0.0.1:2",
            "redis+cluster://127.0.0.1:1,127.0.0.1:2 cannot be reached",
        ),
        ("redis+sentinel://127.0.0.1:1/main", "redis+sentinel://127.0.0.1:1/main cannot be reached"),
        ("unix:///nowhere/at.sock", "unix:///nowhere/at.sock cannot be reached: no such file or directory"),
        ("redis://no-such-host.invalid:1", "cannot be reached: no such host: no-such-host.invalid"),
    ],
)
async def test_where_nothing_listens_that_is_said_at_once_with_the_way_out(url: str, shown: str) -> None:
    begun = time.monotonic()
    with pytest.raises(Failure) as failed:
        async with engine(url):
            pass
    assert time.monotonic() - begun < 4  # the engine itself would try for five seconds
    assert shown in failed.value.message
    assert "canary" not in failed.value.message
    assert "--url or FLOWTUI_URL" in failed.value.message


async def test_a_server_that_only_is_slow_is_left_to_the_patience_of_the_engine(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    server = await asyncio.start_unix_server(lambda reader, writer: None, path)
    async with server:
        assert await refusal(f"unix://{path}") is None
        assert await refusal("redis+sentinel://127.0.0.1:1,localhost:2/x") == "connection refused"
        port = (await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)).sockets[0].getsockname()[1]
        assert await refusal(f"redis+sentinel://127.0.0.1:1,127.0.0.1:{port}/x") is None
    for url in ("memory://", "embedded://", "", "redis://[", "nonsense"):
        assert await refusal(url) is None


def test_the_doctor_finds_a_healthy_engine(flowtui: Flowtui) -> None:
    flowtui("run", "-q", "sums.yaml")
    done = flowtui("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 jobs" in done.stdout


def test_config_is_found_written_once_and_shown_without_secrets(flowtui: Flowtui, folder: Path) -> None:
    path = folder / "config.toml"
    assert flowtui("config", "path").stdout == f"{path}\n"
    assert flowtui("config", "init").stdout == f"{path}\n"
    assert flowtui("config", "init").returncode == 1
    path.write_text('url = "redis://u:canary@host/0"\n[worker]\nconcurrency = 7\n')
    shown = flowtui("config", "show", FLOWTUI_THEME="flow-light").stdout
    assert "canary" not in shown
    assert 'theme = "flow-light"' in shown
    assert "concurrency = 7" in shown
    path.write_text("colour = 1")
    done = flowtui("queues")
    assert done.returncode == 1
    assert "colour: unknown key" in done.stderr


def test_the_schema_for_editors_is_printed(flowtui: Flowtui) -> None:
    schema = json.loads(flowtui("config", "schema").stdout)
    assert "jobs" in schema["properties"]
    assert Path(flowtui("config", "schema", "--path").stdout.strip()).is_file()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_completes_commands_and_files(flowtui: Flowtui, shell: str) -> None:
    assert "_FLOWTUI_COMPLETE" in flowtui("completion", shell).stdout
    done = flowtui(_FLOWTUI_COMPLETE="bash_complete", COMP_WORDS="flowtui va", COMP_CWORD="1")
    assert done.stdout == "plain,validate\nfile,va\n"


def test_output_that_nobody_reads_any_more_is_no_error(folder: Path, environ: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S602 - the pipe is what is tested
        f"{sys.executable} -m flowtui graph sums.yaml -f json | head -1",
        shell=True,
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""


def test_a_foreign_core_in_front_is_named(folder: Path, environ: dict[str, str]) -> None:
    (folder / "core").mkdir()
    (folder / "core" / "__init__.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "flowtui", "--help"],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "'core' is" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("command", [("run", "long.yaml"), ("worker",), ("logs", "-f")])
def test_no_signal_but_sigkill_leaves_a_server_behind(
    start: Callable[..., subprocess.Popen[str]],
    flowtui: Flowtui,
    folder: Path,
    number: signal.Signals,
    command: tuple[str, ...],
) -> None:
    binary = find_server()
    if binary is None:
        pytest.skip("no server binary on this platform")
    server = PrivateServer(folder / "h" / "engine", binary)
    (folder / "long.yaml").write_text("queue: long\njobs: {a: {run: sleep 60}}")
    more: tuple[str, ...] = ()
    if command[0] == "logs":
        flowtui("submit", "long.yaml")
        more = (json.loads(flowtui("jobs", "--json").stdout)["id"],)
    process = start(*command, *more)
    until(lambda: (folder / "h" / "engine" / "server.lock").exists() and server.running)
    if command == ("worker",):
        until(lambda: len(json.loads(flowtui("queues", "--json").stdout)["workers"]) == 1)
    time.sleep(0.7)
    process.send_signal(number)
    _, err = process.communicate(timeout=40)
    assert process.returncode == (0 if command == ("worker",) else 130)
    assert "Traceback" not in err
    assert not server.running


def test_a_background_process_of_a_script_ends_when_told(
    flowtui: Flowtui, folder: Path, environ: dict[str, str]
) -> None:
    """A shell without job control has its background processes ignore Ctrl+C; SIGTERM must end them all the same."""
    binary = find_server()
    if binary is None:
        pytest.skip("no server binary on this platform")
    server = PrivateServer(folder / "h" / "engine", binary)
    (folder / "long.yaml").write_text("queue: long\njobs: {a: {run: sleep 60}}")
    flowtui("submit", "long.yaml")
    job = json.loads(flowtui("jobs", "--json").stdout)["id"]
    command = [sys.executable, "-m", "flowtui", "logs", "-f", job]
    process = subprocess.Popen(
        ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *command],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: (folder / "h" / "engine" / "server.lock").exists() and server.running)
        time.sleep(0.7)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=40)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "Traceback" not in err
    assert not server.running


def test_no_server_is_left_behind(flowtui: Flowtui, tmp_path: Path) -> None:
    binary = find_server()
    if binary is None:
        pytest.skip("no server binary on this platform")
    assert flowtui("run", "-q", "sums.yaml").returncode == 0
    assert not PrivateServer(tmp_path / "h" / "engine", binary).running


def test_the_table_of_jobs_hides_secrets_in_errors_also_where_they_are_cut() -> None:
    from flowtui.cli.look import _job_table

    for text in (
        "api_key=SECRETKEY12345678",
        "x" * 35 + " api_key=SECRETKEY12345678",
        "postgres://bob:hunter2@db/x",
    ):
        job = JobRecord("j", "q", JobState.FAILED, "t", "n")
        job.error = JobError("ValueError", text)
        table = _job_table([job])
        assert "SECRET" not in table
        assert "hunter2" not in table
