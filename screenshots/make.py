"""The README's pictures: the app itself, driven by keys, on a real engine. `make screenshots` writes them here.

Nothing in them is made up: the flow is `examples/etl.yaml`, submitted and run while the picture is taken.
"""

from __future__ import annotations

import asyncio
import html
import os
import re
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rich.cells import cell_len

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "screenshots"


async def until(pilot: Any, true: Callable[[], Awaitable[bool]], seconds: float = 20.0) -> None:
    """Let the app go on until `true()`."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not await true():
        if asyncio.get_running_loop().time() > deadline:
            raise SystemExit("the app did not get there; run it by hand to see why")
        await pilot.pause(0.05)


async def pictures() -> None:
    """Compose, submit, watch: one picture of each screen."""
    import etl  # noqa: F401 - registers the tasks
    from core import open_backend
    from flowtui.app import FlowtuiApp

    backend = open_backend(f"embedded://{os.environ['FLOWTUI_HOME']}/engine")
    app = FlowtuiApp(backend=backend, file=str(ROOT / "examples" / "etl.yaml"))
    async with app.run_test(size=(156, 40)) as pilot:

        async def connected() -> bool:
            return app.feed is not None

        async def counted(**wanted: int) -> bool:
            flows = await backend.list_flows()
            return bool(flows) and all(flows[0].counts[state] >= count for state, count in wanted.items())

        await until(pilot, connected)
        await pilot.pause(0.5)
        save(app, "compose")
        await pilot.press("s")
        await pilot.pause(0.5)
        await pilot.press("enter")
        await until(pilot, lambda: counted(failed=1, skipped=1, delayed=1))
        await pilot.press("n")
        await pilot.pause(0.4)
        save(app, "live")
        await until(pilot, lambda: counted(completed=7))
        await pilot.press("3")
        await pilot.pause(1.5)
        save(app, "queues")
    await backend.close()


def save(app: Any, name: str) -> None:
    """Write the screen as it is now."""
    file = HERE / f"{name}.svg"
    # A traceback names files: not where this checkout happens to be, in as many cells.
    place = str(ROOT)
    svg = app.export_screenshot(title="flowtui").replace(
        place, "~/flowtui".ljust(len(place), "_")[: len(place)]
    )
    file.write_text(portable(svg), encoding="utf-8")
    sys.stdout.write(f"{file.relative_to(ROOT)}\n")


TEXT = re.compile(
    r'(<text class="[^"]*" )x="([\d.]+)" y="([\d.]+)" textLength="[\d.]+"( clip-path="[^"]*")>([^<]*)</text>'
)
CELL = 12.2
"""Width of a cell in the pictures that Textual exports."""


def portable(svg: str) -> str:
    """The picture without fonts from the net, and each word in its own place: some viewers drop blanks."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace(
        "font-family: Fira Code, monospace",
        "font-family: Fira Code, DejaVu Sans Mono, Menlo, Consolas, monospace",
    )
    return TEXT.sub(_words, svg)


def _words(found: re.Match[str]) -> str:
    head, x, y, clip, text = found.groups()
    placed, at = [], 0
    for run in re.split(r"(\xa0+)", html.unescape(text)):
        width = cell_len(run)
        if run and run[0] != "\xa0":
            place = f'x="{float(x) + at * CELL:.1f}" y="{y}" textLength="{width * CELL:.1f}"'
            placed.append(f"{head}{place}{clip}>{html.escape(run)}</text>")
        at += width
    return "".join(placed)


def main() -> None:
    """Take the pictures with an engine, drafts and settings of their own."""
    with tempfile.TemporaryDirectory(prefix="flowtui-") as home:
        for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "FLOWTUI_HOME"):
            os.environ[name] = home
        os.environ.pop("FLOWTUI_URL", None)
        sys.path.insert(0, str(ROOT / "examples"))
        asyncio.run(pictures())


if __name__ == "__main__":
    main()
