"""Open the app."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flowtui.cli.common import USAGE, fail, import_tasks, settings_for
from flowtui.cli.named import flow_named, is_named

if TYPE_CHECKING:
    from core.settings import Settings


def start(file: str | None, options: dict[str, Any]) -> None:
    """Open the app on `file`. Ends with a hint where there is no terminal."""
    ctx = click.get_current_context()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        instead = f"flowtui run {file}" if file else "flowtui run FILE, flowtui queues, flowtui demo"
        raise fail(f"the app needs a terminal; without one: {instead}", USAGE)
    if not sys.stderr.isatty():
        raise fail("the app is drawn on the standard error, which goes elsewhere here: leave out `2>`", USAGE)
    inline = bool(options.get("inline"))
    if inline and file:
        raise fail("--inline only watches; open the file without it", USAGE)
    ctx.find_root().obj = options
    settings = settings_for(ctx)
    if inline:
        _watch_inline(options.get("watch") or (), settings)
        return
    named = file is not None and is_named(file)
    # Only what the command line names: to open a file must never run code that the file names.
    import_tasks(
        options.get("modules") or (), [str(Path(file).resolve().parent)] if file and not named else []
    )
    flow = flow_named(file) if file is not None and named else None
    from flowtui.app import FlowtuiApp

    app = FlowtuiApp(
        settings.url,
        file=None if named else file,
        flow=flow,
        watch=options.get("watch") or (),
        read_only=settings.read_only,
        interval=settings.interval,
        ascii_only=settings.ascii,
        theme=settings.theme,
        keys=settings.keys,
        alert=settings.alert,
    )
    app.run(mouse=settings.mouse)
    if app.return_code:
        ctx.exit(app.return_code)


def _watch_inline(watch: Sequence[str], settings: Settings) -> None:
    from flowtui.inline import InlineApp

    app = InlineApp(
        settings.url,
        watch=watch,
        interval=settings.interval,
        ascii_only=settings.ascii,
        theme=settings.theme,
        alert=settings.alert,
    )
    app.run(inline=True, inline_no_clear=True, mouse=False)
    if app.return_code:
        click.get_current_context().exit(app.return_code)
