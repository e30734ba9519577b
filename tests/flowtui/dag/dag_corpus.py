"""Graphs to draw: shapes people run, shapes that hurt, and import graphs of packages that are installed anyway.

Every builder is deterministic (the import graphs for a given version of the package).
"""

from __future__ import annotations

import ast
import importlib.util
import random
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

from flowtui.dag.graph import GraphModel, Node


def _model(links: list[tuple[str, str]], alone: tuple[str, ...] = ()) -> GraphModel:
    """Kinds follow from names: `trim_17` is a `trim`."""
    model = GraphModel.of(links, alone)
    model.nodes = {name: Node(name, name, name.rstrip("0123456789").rstrip("_")) for name in model.nodes}
    return model


def _chain(*names: str) -> list[tuple[str, str]]:
    return list(pairwise(names))


def etl() -> GraphModel:
    """A nightly warehouse load: six sources, staging, facts and dimensions, marts."""
    sources = ("billing", "erp", "crm", "support", "web_logs", "ads")
    links = [("start", f"extract_{s}") for s in sources]
    for s in sources:
        links += _chain(f"extract_{s}", f"validate_{s}", f"stage_{s}")
    wants = {
        "dq_report": ("stage_billing", "stage_erp", "stage_crm"),
        "dim_product": ("stage_erp",),
        "dim_customer": ("stage_crm", "stage_billing"),
        "fact_orders": ("stage_erp", "dim_product", "dim_customer"),
        "fact_tickets": ("stage_support", "dim_customer"),
        "sessionize": ("stage_web_logs",),
        "fact_sessions": ("sessionize", "dim_customer"),
        "fact_spend": ("stage_ads",),
        "mart_sales": ("fact_orders", "dim_product"),
        "ltv_model": ("fact_orders", "dim_customer"),
        "attribution": ("fact_sessions", "fact_spend", "fact_orders"),
        "mart_support": ("fact_tickets", "dim_customer"),
        "mart_web": ("fact_sessions",),
        "mart_marketing": ("attribution", "ltv_model"),
        "publish": ("mart_sales", "mart_marketing", "mart_support", "mart_web"),
        "refresh_bi": ("publish",),
        "notify": ("publish", "dq_report"),
    }
    links += [(up, job) for job, ups in wants.items() for up in ups]
    return _model(links)


def ci() -> GraphModel:
    """A pipeline of a mid-sized project: checks, a build matrix, tests on every build, release, deploy."""
    links = [("checkout", job) for job in ("lint", "types", "licenses", "deps")]
    systems = ("linux", "macos", "windows")
    for system in systems:
        links += [("deps", f"build_{system}")]
        for python in ("311", "312", "313"):
            test = f"test_{system}_{python}"
            links += [(f"build_{system}", test), (test, "coverage")]
        links += [(f"build_{system}", f"wheel_{system}"), (f"wheel_{system}", f"smoke_{system}")]
        links += [(f"smoke_{system}", "release")]
    links += [("deps", "docs"), ("docs", "docs_links"), ("docs_links", "release")]
    links += [
        ("build_linux", "image"),
        ("image", "scan"),
        ("scan", "release"),
        ("image", "e2e_api"),
        ("image", "e2e_web"),
    ]
    links += [("e2e_api", "release"), ("e2e_web", "release"), ("coverage", "release")]
    links += [(check, "release") for check in ("lint", "types", "licenses")]
    links += [("release", "staging"), ("staging", "smoke_staging"), ("staging", "load_test")]
    links += [
        ("smoke_staging", "approve"),
        ("load_test", "approve"),
        ("approve", "prod_eu"),
        ("approve", "prod_us"),
    ]
    links += [("prod_eu", "verify"), ("prod_us", "verify"), ("verify", "announce"), ("docs", "announce")]
    return _model(links)


def rnaseq(samples: int) -> GraphModel:
    """Gene expression of many samples: the same eight steps each, then what they have in common."""
    links = [("fasta", "index_salmon"), ("fasta", "index_star"), ("gtf", "index_star"), ("gtf", "tx2gene")]
    for i in range(samples):
        links += [(f"fastq_{i}", f"fastqc_{i}"), (f"fastq_{i}", f"trim_{i}"), (f"fastqc_{i}", "multiqc")]
        links += [(f"trim_{i}", f"star_{i}"), ("index_star", f"star_{i}"), (f"star_{i}", f"sort_{i}")]
        links += [
            (f"sort_{i}", f"markdup_{i}"),
            (f"markdup_{i}", f"qualimap_{i}"),
            (f"qualimap_{i}", "multiqc"),
        ]
        links += [(f"trim_{i}", f"salmon_{i}"), ("index_salmon", f"salmon_{i}"), (f"salmon_{i}", "tximport")]
    links += [("tx2gene", "tximport"), ("tximport", "deseq2"), ("deseq2", "multiqc")]
    return _model(links)


def airflow_complex() -> GraphModel:
    """The shape of Airflow's example_complex: layers of tasks, every one linked to all of the next."""
    entry = ["create_entry_group", "create_entry_group_result", "create_entry_group_result2"]
    gcs = ["create_entry_gcs", "create_entry_gcs_result", "create_entry_gcs_result2"]
    tag = ["create_tag", "create_tag_result", "create_tag_result2"]
    field = ["create_field", "create_field_result", "create_field_result2"]
    template = ["create_tag_template", "create_tag_template_result", "create_tag_template_result2"]
    links = []
    for group in (entry, gcs, tag, field, template):
        links += [(group[0], group[1]), (group[0], group[2])]
    links += _chain(entry[0], gcs[0], template[0], field[0], tag[0])
    delete = [
        "delete_entry",
        "delete_entry_group",
        "delete_tag",
        "delete_template_field",
        "delete_tag_template",
    ]
    get = ["get_entry", "get_entry_result", "get_entry_group", "get_entry_group_result", "get_tag_template"]
    get += ["get_tag_template_result"]
    lists = ["list_tags", "list_tags_result", "lookup_entry", "lookup_entry_result"]
    update = [
        "update_entry",
        "update_tag",
        "update_tag_template",
        "update_template_field",
        "rename_field",
        "search",
    ]
    last = [tag[1], tag[2], gcs[1], gcs[2]]
    links += [(t, g) for t in (tag[0], *last) for g in get]
    links += [(g, x) for g in get for x in lists]
    links += [(x, u) for x in lists for u in update]
    links += [(u, d) for u in update for d in delete]
    return _model(links)


def airflow_groups() -> GraphModel:
    """Airflow's example_task_group."""
    links = _chain("start", "s1.task_1")
    links += [("s1.task_1", "s1.task_2"), ("s1.task_1", "s1.task_3")]
    for up in ("s1.task_2", "s1.task_3"):
        links += [(up, "s2.in.task_2"), (up, "s2.in.task_3"), (up, "s2.task_1")]
    links += [("s2.in.task_2", "s2.in.task_4"), ("s2.in.task_3", "s2.in.task_4"), ("s2.in.task_4", "end")]
    links += [("s2.task_1", "end")]
    model = _model(links)
    model.groups = {name: name.split(".")[0] for name in model.nodes if "." in name}
    return model


def airflow_branches() -> GraphModel:
    """Branches that skip and join again, with links past the join."""
    links = [("run_first", "branching")]
    for name in "abcd":
        links += [
            ("branching", f"branch_{name}"),
            (f"branch_{name}", f"follow_{name}"),
            (f"follow_{name}", "join"),
        ]
    links += [("branching", "join"), ("join", "end"), ("run_first", "always"), ("always", "end")]
    return _model(links)


def fan(width: int) -> GraphModel:
    """One job, many, one."""
    links = [("split", f"part_{i}") for i in range(width)] + [(f"part_{i}", "merge") for i in range(width)]
    return _model(links)


def diamonds(count: int) -> GraphModel:
    """Many small flows side by side."""
    links = []
    for i in range(count):
        links += [(f"a_{i}", f"b_{i}"), (f"a_{i}", f"c_{i}"), (f"b_{i}", f"d_{i}"), (f"c_{i}", f"d_{i}")]
    return _model(links)


def layered(nodes: int, seed: int = 7) -> GraphModel:
    """A random DAG in levels: one and a half links a node, most of them to the next level, some past several."""
    rng = random.Random(seed)
    depth = max(4, round(nodes**0.5 * 0.8))
    names = [f"job_{i}" for i in range(nodes)]
    level = sorted(rng.randrange(depth) for _ in range(nodes))
    by_level: list[list[str]] = [[] for _ in range(depth)]
    for name, k in zip(names, level, strict=True):
        by_level[k].append(name)
    links: dict[tuple[str, str], None] = {}
    for name, k in zip(names, level, strict=True):
        if k and by_level[k - 1]:
            links[rng.choice(by_level[k - 1]), name] = None
    while len(links) < nodes * 1.5:
        i = rng.randrange(nodes)
        k = level[i]
        ahead = min(k + rng.choice((1, 1, 1, 2, 2, 3, 5)), depth - 1)
        if ahead > k and by_level[ahead]:
            links[names[i], rng.choice(by_level[ahead])] = None
    return _model(list(links), tuple(names))


@cache
def imports(package: str) -> GraphModel:
    """Which module of a package imports which, at import time; a module is downstream of what it imports."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    root = Path(spec.origin).parent
    files = {}
    for path in sorted(root.rglob("*.py")):
        parts = [package, *path.relative_to(root).with_suffix("").parts]
        if "tests" in parts or "demo" in parts:
            continue
        if parts[-1] == "__init__":
            parts.pop()
        files[".".join(parts)] = path
    links = []
    for name, path in files.items():
        for wanted in _imported(name, path):
            if wanted in files and wanted != name:
                links.append((wanted, name))
    model = GraphModel.of(links)
    kept, _ = model.acyclic()
    model = GraphModel.of(kept)
    model.nodes = {n: Node(n, n.removeprefix(package + ".")) for n in model.nodes}
    return model


def _imported(name: str, path: Path) -> list[str]:
    found = []
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.Import):
            found += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            base = statement.module or ""
            if statement.level:
                parts = package.split(".")
                parts = parts[: len(parts) - statement.level + 1]
                base = ".".join([*parts, base] if base else parts)
            found += [base, *(f"{base}.{alias.name}" for alias in statement.names)]
    return list(dict.fromkeys(found))


REAL: dict[str, Callable[[], GraphModel]] = {
    "etl": etl,
    "ci": ci,
    "rnaseq12": lambda: rnaseq(12),
    "airflow_complex": airflow_complex,
    "airflow_groups": airflow_groups,
    "airflow_branches": airflow_branches,
    "imports_networkx": lambda: imports("networkx"),
    "imports_textual": lambda: imports("textual"),
}
SMALL: dict[str, Callable[[], GraphModel]] = {
    **{name: build for name, build in REAL.items() if not name.startswith("imports")},
    "fan50": lambda: fan(50),
    "diamonds7": lambda: diamonds(7),
    "layered100": lambda: layered(100),
}
LARGE: dict[str, Callable[[], GraphModel]] = {
    "fan500": lambda: fan(500),
    "diamonds2500": lambda: diamonds(2500),
    "rnaseq1000": lambda: rnaseq(1000),
    "layered1000": lambda: layered(1000),
    "layered10000": lambda: layered(10000),
}
