"""Commands about this installation: config, completion, doctor."""

from __future__ import annotations

import click

from flowtui.cli.common import FAILED, run_async, settings_for, shown, url_option


@click.group("config")
def config_command() -> None:
    """Settings: where and what they are, a first file, the keys, and the schema of flow files."""


@config_command.command("path")
def config_path_command() -> None:
    """Print where the settings file is."""
    from core.settings import config_path

    click.echo(config_path())


@config_command.command("show")
@click.pass_context
def config_show_command(ctx: click.Context, /) -> None:
    """Print the settings in force, of file, environment and options, without passwords."""
    from flowtui.redact import redact_text

    settings = settings_for(ctx)
    for name, value in settings.model_dump().items():
        if isinstance(value, dict):
            click.echo(f"\n[{name}]")
            for key, entry in value.items():
                click.echo(f"{key} = {shown(_toml(entry))}")
        elif value is None:
            click.echo(f"# {name} is not set")
        else:
            click.echo(f"{name} = {shown(redact_text(_toml(value)))}")


def _toml(value: object) -> str:
    import json

    return json.dumps(value)


@config_command.command("init")
def config_init_command() -> None:
    """Write a first settings file, every setting in a comment, and print its path."""
    from core.settings import init_config

    click.echo(init_config())


@config_command.command("schema")
@click.option("--path", "only_path", is_flag=True, help="Print where it is instead.")
def config_schema_command(only_path: bool) -> None:
    """Print the JSON Schema of flow files, for editors.

    The first line of a flow file can name it:

    # yaml-language-server: $schema=PATH
    """
    from core.schema import SCHEMA_PATH

    click.echo(SCHEMA_PATH if only_path else SCHEMA_PATH.read_text(encoding="utf-8").rstrip())


@config_command.command("keys")
def config_keys_command() -> None:
    """List the app's actions with their keys, by the ids that [keys] in the settings takes."""
    from flowtui.actions import BY_ID
    from flowtui.cli.common import table

    rows = [[action.id, action.shown, action.help] for action in BY_ID.values()]
    click.echo(table(["ACTION", "KEYS", "WHAT IT DOES"], rows))


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion_command(shell: str) -> None:
    """Print the completion script of a shell.

    For example: flowtui completion bash >> ~/.bashrc
    """
    from click.shell_completion import get_completion_class

    from flowtui.cli import cli

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(cli, {}, "flowtui", "_FLOWTUI_COMPLETE").source())


@click.command("doctor")
@click.option("--repair", is_flag=True, help="Put right what can be.")
@url_option
@click.pass_context
def doctor_command(ctx: click.Context, /, repair: bool, url: str | None) -> None:
    """Check the engine, and that what it keeps makes sense.

    The exit status is 1 when something is wrong.
    """
    import io

    from core.doctor import main
    from flowtui.cli.reach import must_answer
    from flowtui.text import safe

    settings = settings_for(ctx, url)
    report = io.StringIO()

    async def check() -> bool:
        await must_answer(settings.url)
        return await main(settings.url, repair=repair, out=report)

    healthy = run_async(check())
    # It names queues, jobs and keys, which anybody may have chosen.
    click.echo(safe(report.getvalue().rstrip("\n"), lines=True))
    if not healthy:
        ctx.exit(FAILED)
