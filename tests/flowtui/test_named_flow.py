"""`flowtui pkg.mod:flow`: a flow that a Python module holds, where the command line names it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from compose_kit import composing, text, until

from flowtui.cli import main
from flowtui.cli.named import flow_named, is_named

MODULE = """
from core import Job, task
from core.spec import load_flow

@task(f"{__name__}.step")
def step(n): return n

first = Job("mine.step", [1], name="first")
nightly = [first, Job("mine.step", [2], depends_on=[first.id], name="second")]
file = load_flow("{name: from-file, queue: etl, jobs: {a: {task: mine.step, args: [1]}}}")

def made(): return nightly
def broken(): raise ValueError("no database")
def leaving(): raise SystemExit(0)
async def later(): return nightly
def __getattr__(name):
    if name == "lazy": raise ValueError("no network")
    raise AttributeError(name)
twice = [Job("mine.step", name="x", id="same"), Job("mine.other", name="y", id="same")]

number, empty, mixed = 7, [], [first, "second"]
"""
_numbers = itertools.count()


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a module that nobody has imported yet."""
    name = f"named_flows_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


@pytest.fixture
def run(module: str, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command; its status, output and errors."""

    def command(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main(args)
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return command


def test_what_names_a_flow_is_told_from_a_file(module: str, tmp_path: Path) -> None:
    assert is_named("pkg.mod:flow")
    assert is_named("mod:Class.flow")
    (tmp_path / "odd:name").write_text("")
    assert not any(
        map(is_named, ("flow.yaml", "odd:name", "redis://host", "a:b:c", "C:\\x", "pkg.mod:", ":x"))
    )


def test_jobs_a_function_and_a_flow_file_are_flows(module: str) -> None:
    for name in ("nightly", "made"):
        flow = flow_named(f"{module}:{name}")
        assert (flow.name, [*flow.jobs], flow.jobs["second"].depends_on) == (
            name,
            ["first", "second"],
            ["first"],
        )
    assert flow_named(f"{module}:file").queue == "etl"


def test_every_command_that_takes_a_file_takes_it(
    module: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    status, out, _ = run("graph", f"{module}:nightly")
    assert status == 0
    assert "first" in out
    assert "second" in out
    assert run("validate", f"{module}:made")[0] == 0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nothing", "its flows: nightly, file, twice, made, broken, leaving"),
        ("number", "is int, not a flow; it must be a list of Job"),
        ("empty", "has no jobs"),
        ("mixed", "not every entry is a Job"),
        ("broken", "failed: ValueError: no database"),
        ("leaving", "failed: SystemExit: 0"),
        ("later", "is an async function"),
        ("lazy", "failed: ValueError: no network"),
        ("twice", "two jobs have the id 'same'"),
    ],
)
def test_what_is_no_flow_is_refused_by_name(
    module: str, run: Callable[..., tuple[int, str, str]], name: str, said: str
) -> None:
    status, _, err = run("graph", f"{module}:{name}")
    assert status == 2
    assert f"{module}:{name}" in err
    assert said in err
    assert "Traceback" not in err


def test_a_module_that_is_not_there_is_named(run: Callable[..., tuple[int, str, str]]) -> None:
    status, _, err = run("graph", "no.such.module:flow")
    assert status == 2
    assert "module no.such.module cannot be imported" in err


def test_a_module_that_ends_the_program_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., tuple[int, str, str]]
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "ends_itself.py").write_text("import sys\nsys.exit(0)\n")
    for command in ("validate", "graph"):
        status, out, err = run(command, "ends_itself:flow")
        assert (status, out) == (2, "")
        assert "it ends the program (status 0)" in err


def test_what_comes_after_a_bad_module_is_checked_all_the_same(
    module: str, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "a.yaml").write_text("jobs: {a: {task: t}}")
    status, out, err = run("validate", f"{module}:nothing", "a.yaml")
    assert status == 2
    assert "a.yaml: ok" in out
    assert "has no nothing" in err


async def test_the_app_composes_it_and_saving_asks_for_a_file(module: str) -> None:
    flow = flow_named(f"{module}:nightly")
    async with composing(flow=flow) as (pilot, screen):
        await until(pilot, lambda: len(screen.draft.jobs) == 2)
        assert screen.draft.settings.name == "nightly"
        assert screen.is_dirty()
        await until(pilot, lambda: "opened nightly: 2 jobs" in text(pilot))
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "nightly.yaml" in text(pilot))
        assert "nightly.yaml" not in os.listdir()
