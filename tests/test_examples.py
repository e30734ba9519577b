"""The examples do what they say: on the embedded engine, and the demo on every store that its URL may name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.backends.server import PrivateServer
from core.spec import load_flow
from flowtui.demo import FLOW

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"


def run(tmp_path: Path, *command: str, url: str = "", cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FLOWTUI_")}
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env={
            **kept,
            "FLOWTUI_HOME": str(tmp_path / "h"),
            "FLOWTUI_CONFIG": str(tmp_path / "none"),
            "PYTHONPATH": str(ROOT),
            "PYTHONIOENCODING": "utf-8",
            **({"FLOWTUI_URL": url} if url else {}),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )


@pytest.fixture(params=["embedded", "memory", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """What FLOWTUI_URL names: nothing, memory, and the system's Redis where there is one."""
    if request.param != "redis":
        yield "" if request.param == "embedded" else "memory://"
        return
    binary = shutil.which("redis-server")
    if binary is None:
        pytest.skip("no redis-server on PATH")
    server = PrivateServer(tmp_path / "redis", Path(binary))
    server.join()
    yield f"unix://{server.socket}"
    server.leave()


def test_the_demo_measures_the_standard_library(tmp_path: Path, url: str) -> None:
    done = run(tmp_path, "-m", "flowtui", "demo", url=url)
    assert done.returncode == 0, done.stderr
    streamed, table, report = done.stdout.split("\n\n", 2)
    assert len(streamed.splitlines()) == len(load_flow(FLOW).jobs)
    assert table.count("completed") == len(load_flow(FLOW).jobs) + 1
    assert report.startswith("The standard library of Python ")
    assert str(len(list((Path(sysconfig.get_paths()["stdlib"]) / "json").glob("*.py")))) in report
    assert "longest function" in report


def test_the_packages_of_the_demo_are_in_this_python() -> None:
    library = Path(sysconfig.get_paths()["stdlib"])
    measured = [job.args[1] for job in load_flow(FLOW).jobs.values() if job.task == "stdlib.measure"]
    assert [name for name in measured if name != "modules" and not (library / name).is_dir()] == []
    assert len(measured) > 10


def test_the_program_finds_the_packages_itself(tmp_path: Path) -> None:
    done = run(tmp_path, str(EXAMPLES / "stdlib_stats.py"))
    assert done.returncode == 0, done.stderr
    assert "sqlite3" in done.stdout
    assert "imported most" in done.stdout


def test_the_etl_retries_waits_fails_skips_and_reports(tmp_path: Path, url: str) -> None:
    done = run(tmp_path, "-m", "flowtui", "run", "--json", str(EXAMPLES / "etl.yaml"), url=url)
    assert done.returncode == 1
    flow = json.loads(done.stdout)
    jobs = {job["name"]: job for job in flow["jobs"]}
    assert flow["state"] == "failed"
    assert (jobs["rates"]["state"], jobs["rates"]["attempts"]) == ("completed", 3)
    assert jobs["settle"]["started_at"] - jobs["load"]["finished_at"] >= 1.95
    assert (jobs["audit"]["state"], jobs["audit"]["attempts"]) == ("failed", 2)
    assert "orders have no customer" in jobs["audit"]["error"]["message"]
    assert jobs["publish"]["state"] == "skipped"
    assert jobs["publish"]["error"]["upstream"] == jobs["audit"]["id"]
    assert jobs["alert"]["state"] == "completed"
    assert jobs["report"]["state"] == "completed"
    assert "loaded     4,960 orders" in jobs["report"]["result"]
    assert "published  nothing" in jobs["report"]["result"]
    folder = Path(jobs["extract"]["result"]["file"]).parent
    assert not folder.exists(), "the report cleans up"


def test_the_flow_of_this_repository_names_programs_that_exist() -> None:
    flow = load_flow(EXAMPLES / "ci.yaml")
    assert flow.jobs["wheel"].upstreams == ["lint", "format", "types", "test-engine", "test-terminal"]
    for name, job in flow.jobs.items():
        words = job.run.split() if isinstance(job.run, str) else (job.run or [])
        program = words[0].removeprefix(".venv/bin/")
        assert shutil.which(program) or (Path(sys.executable).parent / program).exists(), name
        for word in words[1:]:
            if word.startswith("tests/"):
                assert (ROOT / word).exists(), f"{name}: {word}"


@pytest.mark.parametrize("step", ["lint", "format"])
def test_a_step_of_this_repository_s_flow_runs(tmp_path: Path, step: str) -> None:
    command = load_flow(EXAMPLES / "ci.yaml").jobs[step].run
    assert isinstance(command, str)
    ruff = Path(sys.executable).with_name("ruff")
    # Only what belongs to the examples: the whole repository is linted by `make lint`.
    here = command.replace(".venv/bin/ruff", str(ruff)).removesuffix(".") + str(EXAMPLES)
    (tmp_path / "one.yaml").write_text(json.dumps({"jobs": {step: {"run": here, "cwd": str(ROOT)}}}))
    done = run(tmp_path, "-m", "flowtui", "run", str(tmp_path / "one.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_command_of_the_examples_page_is_one_that_exists() -> None:
    page = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for file in ("examples/stdlib_stats.py", "examples/ci.yaml", "examples/etl.yaml"):
        assert file in page
        assert (ROOT / file).is_file()
