"""Statistics of the Python standard library's sources as map-reduce: discover, measure each package, merge, report.

Plain functions: the worker runs them in threads. They read files and nothing else.
"""

from __future__ import annotations

import ast
import platform
import sysconfig
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from core.tasks import JobContext, task

Json = dict[str, Any]

SKIPPED: Final = frozenset(
    {"__pycache__", "idlelib", "idle_test", "site-packages", "test", "tests", "turtledemo"}
)
# CPython 3.11 counts the depth of a tree in one place for all threads: two parsers at once may get a SystemError.
_parsing: Final = threading.Lock()
FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


@task("stdlib.discover", max_retries=0)
def discover() -> Json:
    """Find the packages; returns the folder of the library, the version of Python, and how many files a package has."""
    root = Path(sysconfig.get_paths()["stdlib"])
    context = JobContext.current()
    packages = {}
    folders = sorted(entry for entry in root.iterdir() if (entry / "__init__.py").is_file())
    for number, folder in enumerate(folders):
        if folder.name not in SKIPPED:
            packages[folder.name] = sum(1 for _ in _sources(root, folder.name))
        context.progress((number + 1) / len(folders), folder.name)
    packages["modules"] = sum(1 for _ in _sources(root, "modules"))
    context.log(f"{len(packages)} packages with {sum(packages.values())} files in {root}")
    return {"root": str(root), "python": platform.python_version(), "files": packages}


@task("stdlib.measure", max_retries=1)
def measure(root: str, package: str) -> Json:
    """Read every file of a package (or of the single "modules") and count what is in it."""
    context = JobContext.current()
    files = list(_sources(Path(root), package))
    found: Json = {
        "package": package,
        "files": 0,
        "lines": 0,
        "code": 0,
        "comments": 0,
        "functions": 0,
        "classes": 0,
    }
    longest: Json = {"lines": 0, "name": "", "file": ""}
    imports: Counter[str] = Counter()
    for number, file in enumerate(files):
        if context.cancelled:
            break
        try:
            text = file.read_text(encoding="utf-8")
            with _parsing:
                tree = ast.parse(text)
        except (OSError, ValueError, SyntaxError) as error:
            context.log(f"{file.name} left out: {error}", "WARNING")
            continue
        _count_lines(text, found)
        _count_names(tree, str(file.relative_to(root)), found, longest, imports)
        context.progress((number + 1) / len(files), file.name)
    context.log(
        f"{found['files']} files, {found['lines']} lines; longest function {longest['name'] or 'none'}"
    )
    return {**found, "longest": longest, "imports": dict(imports.most_common(20))}


@task("stdlib.merge", max_retries=0)
async def merge() -> Json:
    """Add up what the packages' jobs returned."""
    results = await JobContext.current().results()
    parts = list({part["package"]: part for part in results.values()}.values())
    imports: Counter[str] = Counter()
    for part in parts:
        imports.update(part["imports"])
    counted = ("files", "lines", "code", "comments", "functions", "classes")
    return {
        "packages": sorted(parts, key=lambda part: -part["lines"]),
        "total": {name: sum(part[name] for part in parts) for name in counted},
        "longest": max((part["longest"] for part in parts), key=lambda found: found["lines"], default={}),
        "imports": imports.most_common(8),
    }


@task("stdlib.report", max_retries=0)
async def report(python: str, merged: Json) -> str:
    """Write the figures down for people."""
    return "\n".join(_report(python, merged))


def _report(python: str, merged: Json) -> Iterator[str]:
    total, longest = merged["total"], merged["longest"]
    yield f"The standard library of Python {python}"
    yield (
        f"{total['files']:,} files, {total['lines']:,} lines ({_share(total['comments'], total['lines'])} comments), "
        f"{total['functions']:,} functions, {total['classes']:,} classes"
    )
    yield ""
    yield f"{'package':<16} {'files':>5} {'lines':>8} {'functions':>9} {'classes':>7}"
    most = max((part["lines"] for part in merged["packages"]), default=1)
    for part in merged["packages"]:
        bar = "█" * round(20 * part["lines"] / most) or "▏"
        yield (
            f"{part['package']:<16} {part['files']:>5} {part['lines']:>8,} {part['functions']:>9,} "
            f"{part['classes']:>7,}  {bar}"
        )
    yield ""
    if longest:
        yield f"longest function   {longest['name']}, {longest['lines']} lines, in {longest['file']}"
    yield "imported most      " + ", ".join(f"{name} {count}" for name, count in merged["imports"])


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "0 %"


def _sources(root: Path, package: str) -> Iterator[Path]:
    """The Python files of a package without its tests; "modules" are the files that belong to no package."""
    if package == "modules":
        yield from sorted(root.glob("*.py"))
        return
    todo = [root / package]
    while todo:
        for entry in sorted(_entries(todo.pop())):
            if entry.is_dir():
                if entry.name not in SKIPPED and not entry.is_symlink():
                    todo.append(entry)
            elif entry.suffix == ".py":
                yield entry


def _entries(folder: Path) -> Iterable[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return ()


def _count_lines(text: str, found: Json) -> None:
    lines = [line.strip() for line in text.splitlines()]
    comments = sum(line.startswith("#") for line in lines)
    found["files"] += 1
    found["lines"] += len(lines)
    found["comments"] += comments
    found["code"] += sum(map(bool, lines)) - comments


def _count_names(tree: ast.Module, file: str, found: Json, longest: Json, imports: Counter[str]) -> None:
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            found["functions"] += 1
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > longest["lines"]:
                longest.update(lines=length, name=node.name, file=file)
        elif isinstance(node, ast.ClassDef):
            found["classes"] += 1
        elif isinstance(node, ast.Import):
            imports.update({alias.name.partition(".")[0] for alias in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports[node.module.partition(".")[0]] += 1
