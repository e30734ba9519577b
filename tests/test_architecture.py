"""The arrows of the house: who may import whom, and what stays light. Kept by walking the syntax trees.

A module that is imported inside a function counts like one imported at the top, unless a rule says `at_import`.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted([*ROOT.glob("core/**/*.py"), *ROOT.glob("flowtui/**/*.py")])


@dataclass(frozen=True)
class Import:
    """One imported module: where, under which name, and whether only type checkers or only a call sees it."""

    file: str
    line: int
    module: str
    late: bool
    typing_only: bool


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    shown = str(path.relative_to(ROOT))
    todo: list[tuple[ast.AST, bool, bool]] = [(tree, False, False)]
    while todo:
        node, late, typing_only = todo.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(shown, node.lineno, alias.name, late, typing_only)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{shown}:{node.lineno}: write imports in full, so that they can be found"
            # `from core import graph` names a module, `from core import Job` does not: take both readings.
            yield Import(shown, node.lineno, node.module or "", late, typing_only)
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in MODULES:
                    yield Import(shown, node.lineno, whole, late, typing_only)
        else:
            inside = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                todo.extend((child, inside, True) for child in node.body)
                todo.extend((child, inside, typing_only) for child in node.orelse)
            else:
                todo.extend((child, inside, typing_only) for child in ast.iter_child_nodes(node))


MODULES = {module_name(path) for path in SOURCES}
IMPORTS = {module_name(path): list(imports_of(path)) for path in SOURCES}


def within(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def broken(
    who: tuple[str, ...],
    what: tuple[str, ...],
    *,
    but: tuple[str, ...] = (),
    may: tuple[str, ...] = (),
    at_import: bool = False,
) -> list[str]:
    """Where a module of `who` (but not of `but`) imports one of `what` (but not of `may`)."""
    return [
        f"{found.file}:{found.line} imports {found.module}"
        for module, imports in IMPORTS.items()
        if within(module, *who) and not within(module, *but)
        for found in imports
        if within(found.module, *what)
        and not within(found.module, *may)
        and not found.typing_only
        and not (at_import and found.late)
    ]


def test_the_walk_sees_the_house() -> None:
    assert {"core", "core.jobs", "core.backends.redis", "flowtui", "flowtui.app"} <= MODULES
    assert any(found.module == "redis" for found in IMPORTS["core.backends.connection"])
    assert any(found.late for found in IMPORTS["core.backends"])
    assert any(found.typing_only for found in IMPORTS["core"])


def test_core_never_imports_the_terminal() -> None:
    assert not broken(("core",), ("flowtui", "textual", "rich", "click")), (
        "core is the engine, importable alone: it knows neither the terminal nor the command line"
    )


@pytest.mark.parametrize("module", ["core.jobs", "core.errors", "core.events"])
def test_what_a_job_is_needs_the_standard_library_only(module: str) -> None:
    strangers = [
        found
        for found in IMPORTS[module]
        if found.module.partition(".")[0] not in sys.stdlib_module_names
        and not within(found.module, "core.jobs", "core.errors", "core.events")
    ]
    assert not strangers, (
        "core.jobs, core.errors and core.events import the standard library and each other only"
    )


def test_backends_know_neither_flows_nor_workers() -> None:
    assert not broken(
        ("core.backends",), ("core.flow", "core.worker", "core.spec", "core.schema", "core.settings")
    ), "a backend stores jobs: the flow's checks and the worker are above it"


def test_the_worker_knows_the_protocol_and_no_backend() -> None:
    assert not broken(("core.worker",), ("core.backends",), may=("core.backends.base",)), (
        "the worker speaks the protocol of core.backends.base, never to a concrete backend"
    )


def test_pydantic_stays_in_its_place() -> None:
    assert not broken(
        ("core", "flowtui"), ("pydantic",), but=("core.spec", "core.schema", "core.settings")
    ), "pydantic lives in core.schema, core.spec and core.settings: everything else starts without it"


def test_networkx_stays_in_its_place() -> None:
    assert not broken(("core", "flowtui"), ("networkx",), but=("core.graph",)), "networkx lives in core.graph"


def test_yaml_stays_in_its_place() -> None:
    assert not broken(
        ("core", "flowtui"), ("ruamel", "yaml"), but=("core.document", "core.rewriting", "core.braces")
    ), (
        "YAML is read by core.document and changed by core.rewriting and core.braces: nobody else touches its traps"
    )


PURE = (
    "flowtui.board",
    "flowtui.queueboard",
    "flowtui.flowboard",
    "flowtui.draft",
    "flowtui.wiring",
    *(
        f"flowtui.dag.{name}"
        for name in ("graph", "fold", "layers", "order", "place", "route", "layout", "paint", "export")
    ),
    "flowtui.dag.cycles",
    "flowtui.dag.critical",
    "flowtui.dag.walk",
    "flowtui.text",
    "flowtui.states",
    "flowtui.times",
    "flowtui.redact",
    "flowtui.filter",
)


def test_what_the_screen_knows_is_pure() -> None:
    assert set(PURE) <= MODULES
    assert not broken(PURE, ("textual",)), (
        "board, draft, text and the drawing import no textual: they are tested without a terminal"
    )


def test_only_the_app_and_the_command_line_open_a_backend() -> None:
    backends = ("core.backends",)
    assert not broken(
        ("flowtui",),
        (*backends, "core.worker", "redis"),
        but=("flowtui.app", "flowtui.cli", "flowtui.local"),
        may=("core.backends.base",),
    ), "only flowtui.app and flowtui.cli open a backend; screens ask the protocol in core.backends.base"
    calls = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        if within(module_name(path), "flowtui")
        and not within(module_name(path), "flowtui.app", "flowtui.cli")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("open_backend")
    ]
    assert not calls, "only flowtui.app and flowtui.cli open a backend"


def test_the_command_line_imports_the_app_late() -> None:
    heavy = ("textual", "rich", "redis", "networkx", "pydantic", "ruamel", "core", "flowtui.app")
    assert not broken(
        ("flowtui.cli", "flowtui.__main__"), heavy, but=("flowtui.cli.progress",), at_import=True
    ), "flowtui --help must be quick: a command imports what it needs inside its function"


def test_no_payload_names_code() -> None:
    importers = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        if module_name(path) not in ("core", "flowtui.cli", "flowtui.cli.common", "flowtui.cli.setup")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func)
        in ("eval", "exec", "compile", "__import__", "import_module", "importlib.import_module")
    ]
    assert not importers, "only registered tasks run: nothing turns a text from outside into code"
    assert not broken(("core", "flowtui"), ("pickle", "marshal", "shelve", "dill", "cloudpickle")), (
        "JSON only"
    )


def loaded_by(*command: str) -> set[str]:
    """The top-level modules that a Python process has imported when it ends."""
    program = (
        "import sys, json, atexit\n"
        "names = lambda: json.dumps(sorted({m.partition('.')[0] for m in sys.modules}))\n"
        "atexit.register(lambda: sys.stderr.write('\\n' + names()))\n" + "\n".join(command)
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    loaded: list[str] = json.loads(done.stderr.splitlines()[-1])
    return set(loaded)


def test_import_core_is_light() -> None:
    heavy = {"networkx", "redis", "textual", "pydantic", "rich", "click", "ruamel", "platformdirs"}
    assert not heavy & loaded_by("import core", "core.Job, core.FlowProducer, core.task"), (
        "`import core` loads none of these: what is costly is imported when it is first named"
    )


def test_help_is_light_and_quick() -> None:
    heavy = {"networkx", "redis", "textual", "pydantic", "rich", "ruamel", "asyncio", "core"}
    start = (
        "sys.argv[:] = ['flowtui', '--help']; import runpy; runpy.run_module('flowtui', run_name='__main__')"
    )
    assert not heavy & loaded_by(start), "flowtui --help imports neither the app nor the engine"

    # Against a bare interpreter, so that a slow or busy machine does not matter; 0.1 s here, and a bare one 0.02 s.
    def best(*words: str) -> float:
        times = []
        for _ in range(5):
            before = time.perf_counter()
            subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - before)
        return min(times)

    assert best("-m", "flowtui", "--help") < 0.05 + 5 * best("-c", "import argparse, json")
