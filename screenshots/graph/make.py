"""Pictures of the corpus at each zoom, and of the canvas in colour: `python -m screenshots.graph.make`.

The plain ones are written by `flowtui.dag.export.to_svg`, the coloured ones by the widget itself; in both every
character has a cell of its own, so that they look the same with any font.
"""

from __future__ import annotations

import asyncio
import html
import random
import re
import sys
from collections.abc import Callable
from pathlib import Path

from rich.cells import cell_len
from textual.app import App, ComposeResult

from flowtui.dag.critical import critical_path
from flowtui.dag.export import to_svg
from flowtui.dag.fold import view_of
from flowtui.dag.graph import GraphModel, Look
from flowtui.dag.layout import Layout, careful, layout
from flowtui.dag.widget import GraphCanvas
from flowtui.themes import THEMES

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent.parent / "tests" / "flowtui" / "dag"))
import dag_corpus as corpus

GLYPHS = {"completed": "✓", "active": "►", "waiting": "◌", "failed": "✗", "delayed": "◷", "blocked": "○"}
STEPS = ("fastq", "trim", "star", "sort", "markdup", "qualimap")


def looks_of(model: GraphModel, seed: int = 4) -> dict[str, Look]:
    """States as in the middle of a run: what is upstream of something running is done."""
    rng = random.Random(seed)
    kept, _ = model.acyclic()
    ups: dict[str, list[str]] = {name: [] for name in model.nodes}
    for source, target in kept:
        ups[target].append(source)
    done: dict[str, str] = {}

    def state(name: str) -> str:
        if name not in done:
            above = [state(up) for up in ups[name]]
            if any(s in ("failed", "blocked") for s in above):
                done[name] = "blocked"
            elif any(s != "completed" for s in above):
                done[name] = "waiting"
            else:
                done[name] = rng.choices(("completed", "active", "failed", "delayed"), (80, 14, 3, 3))[0]
        return done[name]

    looks = {}
    for name, node in model.nodes.items():
        word = state(name)
        took = "" if word in ("waiting", "blocked") else f"{rng.uniform(0.3, 90):.1f}s"
        progress = rng.random() if word == "active" else None
        looks[name] = Look(GLYPHS[word], word, word, took, node.kind, progress)
    return looks


def one_failed(model: GraphModel) -> dict[str, Look]:
    """A thousand samples under way, and one step of one of them failed."""
    rng = random.Random(2)
    looks = {}
    for name, node in model.nodes.items():
        step = STEPS.index(node.kind) if node.kind in STEPS else 1
        word = rng.choices(("completed", "active", "waiting"), (100 - 15 * step, 4, 18 * step + 1))[0]
        looks[name] = Look(GLYPHS[word], word, word, "", node.kind, 0.5 if word == "active" else None)
    looks["star_17"] = Look("✗", "failed", "failed", "63.0s", "star")
    return looks


WINDOW = 200, 60
"""Cells of a picture that would be too large as a whole: those in the middle of it. Its name ends in `_window`."""
LARGEST = 100_000
"""Cells up to which a picture is shown whole."""


def plain() -> None:
    """Every graph of the corpus at each zoom, left to right, and those that fit from top to bottom, too."""
    wanted: dict[str, Callable[[], GraphModel]] = {
        **corpus.SMALL,
        "rnaseq1000_folded": lambda: view_of(corpus.rnaseq(1000), fold=True).model,
        "fan500_folded": lambda: view_of(corpus.fan(500), fold=True).model,
        "diamonds2500_folded": lambda: view_of(corpus.diamonds(2500), fold=True).model,
        "imports_networkx": corpus.REAL["imports_networkx"],
        "imports_textual": corpus.REAL["imports_textual"],
        "layered1000": corpus.LARGE["layered1000"],
        "layered10000": corpus.LARGE["layered10000"],
    }
    for name, build in wanted.items():
        model = build()
        drawn = layout(model, zoom=0, budget=careful(len(model.nodes)))
        for direction in ("LR", "TB") if len(model.nodes) < 60 else ("LR",):
            for zoom in (0, 1, 2):
                drawn = layout(model, direction=direction, zoom=zoom, previous=drawn)
                save(drawn, f"{name}_{direction.lower()}_{zoom}")


def save(drawn: Layout, name: str) -> None:
    if drawn.width * drawn.height <= LARGEST:
        (HERE / f"{name}.svg").write_text(to_svg(drawn), encoding="utf-8")
        return
    width, height = min(drawn.width, WINDOW[0]), min(drawn.height, WINDOW[1])
    window = (drawn.width - width) // 2, (drawn.height - height) // 2, width, height
    (HERE / f"{name}_window.svg").write_text(to_svg(drawn, window=window), encoding="utf-8")


class Show(App[None]):
    def __init__(self, theme: str) -> None:
        super().__init__()
        for each in THEMES:
            self.register_theme(each)
        self.theme = theme

    def compose(self) -> ComposeResult:
        yield GraphCanvas()


async def coloured(
    name: str, model: GraphModel, size: tuple[int, int], theme: str, prepare: Callable[[GraphCanvas], None], looks: dict[str, Look] | None = None
) -> None:
    """One screen of the canvas."""
    app = Show(theme)
    async with app.run_test(size=size) as pilot:
        canvas = app.query_one(GraphCanvas)
        canvas.show(model, looks or looks_of(model))
        canvas.focus()
        await app.workers.wait_for_complete()
        prepare(canvas)
        await pilot.pause(0.2)
        (HERE / f"canvas_{name}.svg").write_text(in_cells(app.export_screenshot(title="flowtui")), encoding="utf-8")


def in_cells(svg: str) -> str:
    """The same screenshot with every character placed on its own."""

    def placed(match: re.Match[str]) -> str:
        attributes, text = match[1], html.unescape(match[2])
        found = re.search(r'\bx="([\d.]+)"', attributes)
        length = re.search(r'textLength="([\d.]+)"', attributes)
        if found is None or length is None or not text:
            return match[0]
        step = float(length[1]) / max(cell_len(text), 1)
        rest = re.sub(r'\b(x|textLength)="[\d.]+"', "", attributes)
        at, parts = float(found[1]), []
        for char in text:
            if char not in " \xa0":
                parts.append(f'<text x="{at:.1f}"{rest}>{html.escape(char)}</text>')
            at += step * cell_len(char)
        return "".join(parts)

    return re.sub(r"<text((?:\s[^>]*)?)>([^<]*)</text>", placed, svg)


def critical(canvas: GraphCanvas) -> None:
    """The slowest chain drawn double, the cursor on it."""
    found = critical_path(canvas.model.nodes, canvas.drawn.links)
    canvas.critical = [*found.path, *found.links]
    canvas.cursor = found.path[3]


def connecting(canvas: GraphCanvas) -> None:
    """A link that would close a cycle, as it is being drawn."""
    canvas.flags = {"fact_orders": "◆", "extract_crm": "!", "validate_crm": "!", "stage_crm": "!"}
    canvas.cursor = "extract_crm"
    canvas.ghost = ("fact_orders", "extract_crm", False)


def by_platform() -> GraphModel:
    """The CI with a named group for each platform, and one for what brings a release out."""
    model = corpus.ci()
    stages = {"release": ("release", "staging", "smoke_staging", "load_test", "approve", "prod_us", "prod_eu", "verify")}
    for name in model.nodes:
        for group in ("linux", "macos", "windows"):
            if group in name.split("_"):
                model.groups[name] = group
        for group, names in stages.items():
            if name in names:
                model.groups[name] = group
    return model


def smaller(canvas: GraphCanvas) -> None:
    canvas.zoom = 1


def jumping(canvas: GraphCanvas) -> None:
    canvas.zoom = 1
    canvas.start_jump()


def main() -> None:
    plain()
    study = corpus.rnaseq(1000)
    runs = [
        ("live_200x50_dark", corpus.etl(), (220, 30), "textual-dark", critical),
        ("live_200x50_light", corpus.etl(), (220, 30), "textual-light", critical),
        ("connect_120x36", corpus.etl(), (160, 36), "textual-dark", connecting),
        ("jump_120x36", corpus.etl(), (120, 36), "textual-light", jumping),
        ("folded_160x45", study, (160, 30), "textual-dark", lambda canvas: canvas.move("right"), one_failed(study)),
        ("groups_80x24", corpus.airflow_groups(), (110, 24), "textual-dark", lambda canvas: canvas.move("right")),
        ("groups_200x50_dark", by_platform(), (210, 50), "flow-dark", lambda canvas: canvas.move("right")),
        ("groups_200x50_light", by_platform(), (210, 50), "flow-light", lambda canvas: canvas.move("right")),
        ("groups_160x30_small", by_platform(), (160, 30), "flow-dark", smaller),
        ("map_160x45", corpus.layered(1000), (160, 45), "textual-dark", lambda canvas: canvas.move("right")),
    ]
    for run in runs:
        asyncio.run(coloured(*run))


if __name__ == "__main__":
    main()
