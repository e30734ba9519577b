"""What the commands share: exit statuses, the engine to use, and text for the terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from core.backends.base import Backend
    from core.settings import Settings

T = TypeVar("T")
FAILED: Final = 1
USAGE: Final = 2
HANDED_BACK: Final = 3
"""A worker that was stopped before its jobs had ended: they wait for another one."""
INTERRUPTED: Final = 130

url_option = click.option(
    "--url", metavar="URL", help="The engine; FLOWTUI_URL or the built-in one by default."
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: everything as it is, secrets are not hidden."
)


def say(message: str, hint: str | None = None) -> None:
    """One line (or few) on stderr, safe to show whatever it holds."""
    from flowtui.redact import redact_text
    from flowtui.text import safe

    text = safe(redact_text(message), 4000, lines=True)
    click.echo(f"flowtui: {text}" + (f" ({hint})" if hint else ""), err=True)


class Failure(click.ClickException):
    """One line on stderr and an exit status."""

    def __init__(self, message: str, status: int = FAILED) -> None:
        super().__init__(message)
        self.status = status


def fail(message: str, status: int = FAILED) -> Failure:
    """An error to raise."""
    return Failure(message, status)


def run_async(main: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, on uvloop where it is installed; SIGTERM and SIGHUP end it as politely as Ctrl+C.

    Else the engine would be left running: a process that a signal kills cannot stop it.
    """
    import asyncio

    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    with suppress(ImportError):
        from uvloop import new_event_loop

        factory = new_event_loop
    told: list[bool] = []
    with asyncio.Runner(loop_factory=factory) as runner:
        try:
            return runner.run(_politely(main, told))
        except asyncio.CancelledError:
            if told:
                raise KeyboardInterrupt from None
            raise


async def _politely(main: Coroutine[Any, Any, T], told: list[bool]) -> T:
    import asyncio
    import signal

    me = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def end() -> None:
        # Not by way of SIGINT, which a script has its background processes ignore.
        told.append(True)
        if me is not None:
            me.cancel()

    # A worker and `flowtui run` take SIGTERM themselves; a closed terminal is the same to them.
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        loop.add_signal_handler(signal.SIGTERM, end)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # not under nohup
        loop.add_signal_handler(signal.SIGHUP, os.kill, os.getpid(), signal.SIGTERM)
    return await main


def settings_for(ctx: click.Context, url: str | None = None) -> Settings:
    """The settings with the options of the command line over them."""
    from core.settings import has_password, load_settings

    settings = load_settings()
    given = dict(ctx.find_root().obj or {})
    if url is not None:
        given["url"] = url
    if given.get("url") and has_password(given["url"]):
        say(
            "a password on the command line can be seen by everybody on this machine; "
            f"put the URL into FLOWTUI_URL or {_config_path()}"
        )
    given["alert"] = " ".join(given.get("alert") or ()) or None
    for warning in settings.warnings:
        say(warning)
    for option, name in (("ascii_only", "ascii"), ("url", "url"), ("theme", "theme"), ("mouse", "mouse"),
                         ("read_only", "read_only"), ("interval", "interval"), ("alert", "alert")):  # fmt: skip
        if given.get(option) is not None:
            setattr(settings, name, given[option])
    os.environ.setdefault("FLOWTUI_FSYNC", settings.fsync)
    return settings


def _config_path() -> str:
    from core.settings import config_path

    return str(config_path())


@asynccontextmanager
async def engine(url: str | None, *, patient: bool = False) -> AsyncIterator[Backend]:
    """The engine of `url`, open; closed afterwards. Unless `patient`, where nothing listens that is said at once."""
    from core import open_backend
    from flowtui.cli.reach import must_answer

    if not patient:
        await must_answer(url)
    backend = open_backend(url)
    try:
        await backend.open()
        yield backend
    finally:
        await backend.close()


def import_tasks(modules: Sequence[str], folders: Sequence[str] = ()) -> None:
    """Import the modules that register tasks: from `folders`, the current directory, and the usual path."""
    from importlib import import_module

    for folder in (*folders, os.getcwd()):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    for module in modules:
        try:
            import_module(module)
        except SystemExit as error:
            text = (
                f"it ends the program (status {error.code or 0}); put that under: if __name__ == '__main__'"
            )
            raise fail(f"module {module} cannot be imported: {text}", USAGE) from None
        except Exception as error:
            shown = str(error) if isinstance(error, ImportError) else f"{type(error).__name__}: {error}"
            at = _last_frame(error)
            raise fail(f"module {module} cannot be imported{at}: {shown}", USAGE) from None


def _last_frame(error: Exception) -> str:
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    frame = frames[-1] if frames else None
    if frame is None or frame.filename.startswith("<") or frame.filename == __file__:
        return ""
    return f" ({frame.filename}:{frame.lineno})"


def shown(value: object, limit: int | None = None) -> str:
    """Text from outside for one line of a terminal."""
    from flowtui.text import safe

    return safe(value, limit)


def print_json(value: Any) -> None:
    """JSON on stdout; escapes keep whatever is in it from reaching a terminal."""
    click.echo(json.dumps(value, indent=2 if sys.stdout.isatty() else None, default=str))


def table(head: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[int] = ()) -> str:
    """Columns as wide as their widest cell; those in `right` are aligned to the right."""
    lines = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(line[i]) for line in [list(head), *lines]) for i in range(len(head))]
    to_right = set(right)

    def line(cells: Sequence[str]) -> str:
        return "  ".join(
            cell.rjust(width) if i in to_right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ).rstrip()

    return "\n".join([line(head), *map(line, lines)])
