"""Graphviz dot as the measure of a layout: its own count of crossings, its area in cells, its time."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from flowtui.dag.graph import GraphModel
from flowtui.dag.measure import box_size

CELL = 0.1  # inches


@dataclass(frozen=True)
class DotResult:
    crossings: int
    width: float  # cells
    height: float
    seconds: float  # CPU


def find_dot() -> list[str] | None:
    """The command that runs dot: graphviz-pure beside this Python, else a dot on the path."""
    beside = Path(sys.executable).with_name("graphviz-pure")
    if beside.exists():
        return [str(beside), "-Kdot"]
    for name in ("graphviz-pure", "dot"):
        found = shutil.which(name)
        if found:
            return [found, "-Kdot"]
    return None


def run_dot(model: GraphModel, zoom: int = 2, timeout: float = 300) -> DotResult | None:
    """Lay out `model` from left to right with boxes as large as ours, one row and four columns between them."""
    command = find_dot()
    if command is None:
        return None
    number = {node: i for i, node in enumerate(model.nodes)}
    lines = [
        f'digraph {{ rankdir=LR; nodesep={CELL}; ranksep={CELL * 4}; node [shape=box fixedsize=true label=""];'
    ]
    for node, i in number.items():
        w, h = box_size(model.nodes[node], zoom)
        lines.append(f"n{i} [width={w * CELL:.2f} height={h * CELL:.2f}];")
    lines += [f"n{number[s]} -> n{number[t]};" for s, t in model.acyclic()[0]]
    lines.append("}")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*command, "-v", "-Tplain"],
        input="\n".join(lines),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    crossings = sum(int(n) for n in re.findall(r"^mincross \S+: (\d+) crossings", done.stderr, re.MULTILINE))
    size = re.search(r"^graph \S+ (\S+) (\S+)", done.stdout, re.MULTILINE)
    assert size is not None
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return DotResult(crossings, float(size[1]) / CELL, float(size[2]) / CELL, seconds)
