"""The command line. Light on purpose: `flowtui --help` must not import textual, networkx or redis.

Each command lives in a module that is imported when the command is used. What a command imports of `core` and of the
app, it imports inside its function.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click

from flowtui.cli.common import FAILED, INTERRUPTED, USAGE, say

F = TypeVar("F", bound=Callable[..., Any])

COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "run": ("flowtui.cli.run", "Run a flow here and now, with its states in the terminal."),
    "submit": ("flowtui.cli.flows", "Hand a flow to the workers; prints its id."),
    "worker": ("flowtui.cli.worker", "Run jobs until SIGTERM."),
    "validate": ("flowtui.cli.flows", "Check a flow file: keys, names, cycles."),
    "graph": ("flowtui.cli.flows", "Draw a flow as text, Mermaid, DOT, JSON or SVG."),
    "demo": ("flowtui.cli.run", "A flow to look at: statistics of Python's own sources."),
    "queues": ("flowtui.cli.look", "Queues with their counts, and the workers."),
    "jobs": ("flowtui.cli.look", "Jobs by state, queue or flow."),
    "flow": ("flowtui.cli.look", "One flow with its jobs; without an id, the latest ones."),
    "logs": ("flowtui.cli.look", "What a job wrote; -f follows it."),
    "doctor": ("flowtui.cli.setup", "Check the engine and what it keeps."),
    "config": ("flowtui.cli.setup", "Settings: path, show, init, keys, schema."),
    "completion": ("flowtui.cli.setup", "Completion for bash, zsh or fish."),
}
"""Every command with the module that has it, in the order of the help."""

EXAMPLES: Final = """\b
Examples:
  flowtui                             compose a flow; it runs on the built-in engine
  flowtui etl.yaml                    open a flow file; my.flows:nightly opens a list of Job
  flowtui --watch etl                 watch a queue; --inline does it in a few lines
  flowtui run etl.yaml                run a flow without the app; exit status 0 or 1
  flowtui worker my.tasks --queue etl --url redis://host:6379/0

FLOWTUI_URL is the default of --url; without both it is a private server of your own.
"""


class Commands(click.Group):
    """Commands by name, imported when used. A first word that is no command is a file for the app."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of `COMMANDS`, not by the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        if cmd_name not in COMMANDS:
            return None
        from importlib import import_module

        command = getattr(import_module(COMMANDS[cmd_name][0]), f"{cmd_name}_command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples as they are written."""
        formatter.write("\n" + EXAMPLES.removeprefix("\b\n"))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Commands, and flow files."""
        from click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=text)
            for name, (_, text) in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return [*names, CompletionItem(incomplete, type="file")]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names, else the app with the word as its file."""
        word = args[0]
        if word in COMMANDS:
            return super().resolve_command(ctx, args)
        if not _opens(word):
            import difflib

            close = difflib.get_close_matches(word, COMMANDS, 1)
            hint = f"did you mean {close[0]}?" if close else "flowtui --help lists the commands"
            raise click.UsageError(f"'{word}' is neither a command nor a file; {hint}")
        return "open", open_command, args


def _opens(word: str) -> bool:
    """Whether the app can be asked to open it: a file, what would be one, or MODULE:NAME."""
    from flowtui.cli.named import is_named

    return os.path.exists(word) or word.endswith((".yaml", ".yml", ".json")) or is_named(word)


def _interval(ctx: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    if value is not None and not 0.1 <= value <= 3600:
        raise click.BadParameter("must be 0.1 to 3600 seconds")
    return value


def _app_options(command: F) -> F:
    """The options of the app, which may stand before and after the file."""
    for option in reversed(
        (
            click.option("--watch", "-w", multiple=True, metavar="QUEUE",
                         help="Start in Queues with this one; repeatable; etl-* too."),
            click.option("--inline", is_flag=True, default=None,
                         help="Watch in a few lines under the prompt."),
            click.option("--url", metavar="URL", help="The engine: redis://..., embedded://, memory://"),
            click.option("--read-only", is_flag=True, default=None, help="Offer nothing that changes the engine."),
            click.option("--interval", type=float, metavar="SECONDS", callback=_interval,
                         help="Between looks at what no event tells."),
            click.option("--alert", multiple=True, type=click.Choice(["bell", "desktop", "failed", "off"]),
                         metavar="HOW", help="When flows end: bell, desktop, failed (only), off."),
            click.option("--ascii", "ascii_only", is_flag=True, default=None, help="Draw with ASCII characters."),
            click.option("--theme", metavar="NAME", help="Colours of the app; see ctrl+p there."),
            click.option("--mouse/--no-mouse", default=None, help="Leave the mouse to the terminal."),
            click.option("--module", "-m", "modules", multiple=True, metavar="MODULE",
                         help="Import tasks, for the app's own worker; repeatable."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 100},
    options_metavar="[OPTIONS]",
    subcommand_metavar="[FILE | COMMAND]",
)
@_app_options
@click.option("--version", is_flag=True, help="Print the version.")
@click.pass_context
def cli(ctx: click.Context, /, version: bool, **options: Any) -> None:
    """Compose flows of background jobs, submit them, and watch them run."""
    ctx.obj = options
    if version:
        from importlib import metadata

        try:
            click.echo(f"flowtui {metadata.version('flowtui')}")
        except metadata.PackageNotFoundError:
            click.echo("flowtui (not installed)")
        ctx.exit(0)
    if ctx.invoked_subcommand is None:
        _open(None, options)


@click.command("open", hidden=True)
@_app_options
@click.argument("file", type=click.Path())
@click.pass_context
def open_command(ctx: click.Context, /, file: str, **options: Any) -> None:
    """Open a flow file in the app."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    _open(file, {**ctx.obj, **given})


def _open(file: str | None, options: dict[str, Any]) -> None:
    from flowtui.cli.start import start

    start(file, options)


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line; what goes wrong is one line on stderr and an exit status, never a traceback."""
    try:
        status = cli.main(
            list(args) if args is not None else None, prog_name="flowtui", standalone_mode=False
        )
    except click.exceptions.Exit as error:
        status = error.exit_code
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx is not None else "flowtui"
        say(error.format_message(), f"see: {where} --help" if "--help" not in error.message else None)
        status = USAGE
    except click.ClickException as error:
        say(error.format_message())
        status = getattr(error, "status", FAILED)
    except (click.Abort, KeyboardInterrupt):
        status = INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone; nothing is left to say, not even at exit.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = FAILED
    except Exception as error:
        status = _failed(error)
    sys.exit(status if isinstance(status, int) else 0)


def _failed(error: Exception) -> int:
    from core.errors import FlowError

    if isinstance(error, FlowError):
        say(str(error))
    elif os.environ.get("FLOWTUI_DEBUG"):
        import traceback

        traceback.print_exc()  # without local variables: they may hold secrets
    elif isinstance(error, OSError) and error.strerror:
        # A full disk or a forbidden folder is nobody's mistake here.
        say(f"{error.strerror}: {error.filename}" if error.filename else error.strerror)
    else:
        say(f"{type(error).__name__}: {error}", "FLOWTUI_DEBUG=1 shows where; please report it")
    return FAILED
