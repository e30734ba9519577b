"""Commands about flow files: validate, graph, submit."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import click

from flowtui.cli.common import (
    FAILED,
    engine,
    fail,
    print_json,
    run_async,
    say,
    settings_for,
    shown,
    url_option,
)

if TYPE_CHECKING:
    from core.spec import FlowFile


DRAWINGS = (".dot", ".gv", ".mmd", ".mermaid")


def load(file: str, *, draft: bool = False) -> FlowFile:
    """The flow of a file, of stdin (`-`) or of a module (MODULE:NAME). Raises InvalidFlowFile, CycleError.

    Mermaid flowcharts and DOT graphs are flows too: their nodes are tasks. With `draft` the flow may have a cycle and
    other mistakes that can be shown.
    """
    from core.errors import InvalidFlowFile
    from core.spec import load_flow
    from flowtui.cli.named import flow_named, is_named
    from flowtui.paths import SAVES, read_file

    if is_named(file):
        return flow_named(file)
    path = Path(file)
    if file != "-" and (path.suffix.lower() in SAVES or not path.suffix):
        return load_flow(path, draft=draft)
    from flowtui.exporting import to_file
    from flowtui.importing import read_drawing

    text = sys.stdin.read() if file == "-" else read_file(path)
    drawing = read_drawing(text, "<text>" if file == "-" else file)
    if drawing is not None:
        return to_file(drawing.draft)
    if path.suffix.lower() in DRAWINGS:
        raise InvalidFlowFile(
            f"{file}: neither a Mermaid flowchart (flowchart LR ...) nor a DOT graph (digraph ...)"
        )
    return load_flow(text if file == "-" else path, draft=draft)


@click.command("validate")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--quiet", "-q", is_flag=True, help="Say nothing about files that are right.")
def validate_command(files: tuple[str, ...], quiet: bool) -> None:
    """Check flow files: keys, types, names, references, cycles. Mermaid and DOT drawings are read as well.

    Every problem is a line `file:line:column: key: what is wrong`; the exit status is 1 when there is one.
    """
    from core.errors import FlowError
    from core.flow import check_flow
    from core.graph import shape
    from flowtui.text import counted

    wrong, status = False, FAILED
    for file in files:
        try:
            flow = load(file)
            check_flow(flow.to_jobs())
        except (FlowError, click.ClickException) as error:
            wrong = True
            if isinstance(error, click.ClickException):  # a module: what follows is checked all the same
                status = max(status, getattr(error, "status", FAILED))
                error.show()
                continue
            text = str(error)
            say_line = text if text.startswith((file, "<text>")) else f"{file}: {text}"
            click.echo(shown_lines(say_line), err=True)
            continue
        if not quiet:
            figures = shape(list(flow.jobs), flow.links)
            click.echo(
                f"{shown(file)}: ok · {counted(len(flow.jobs), 'job')} · {counted(len(flow.links), 'link')} · "
                f"{counted(len(figures.levels), 'level')} · widest {figures.width} · queue {flow.queue}"
            )
    if wrong:
        click.get_current_context().exit(status)


def shown_lines(text: str) -> str:
    """Several lines of text from outside, safe for a terminal."""
    from flowtui.text import safe

    return safe(text, lines=True)


@click.command("submit")
@click.argument("file")
@url_option
@click.option(
    "--flow-id", metavar="ID", help="Submitting the same flow under the same id again changes nothing."
)
@click.option("--json", "as_json", is_flag=True, help="Print the flow's id and its jobs' ids as JSON.")
@click.option(
    "--dry-run", is_flag=True, help="Say which jobs would start together and which never; asks no engine."
)
@click.pass_context
def submit_command(
    ctx: click.Context, file: str, url: str | None, flow_id: str | None, as_json: bool, dry_run: bool
) -> None:
    """Hand a flow to the workers of its queue, all of it or nothing, and print its id.

    It does not run here: a `flowtui worker` takes it.
    """
    from core import FlowProducer
    from core.jobs import new_id

    flow = load(file)
    if dry_run:
        _rehearse(flow, flow_id, as_json)
        return
    settings = settings_for(ctx, url)
    known = flow_id or new_id()

    async def submit() -> None:
        async with engine(settings.url) as backend:
            jobs = flow.to_jobs(flow_id)
            ids = await FlowProducer(backend).add_flow(
                flow.queue, jobs, flow_id=known, name=_name(flow, file)
            )
            overview = await backend.overview([flow.queue])
            if as_json:
                print_json(
                    {"flow": known, "queue": flow.queue, "jobs": dict(zip(flow.jobs, ids, strict=True))}
                )
            else:
                click.echo(known)
            able = {task for worker in overview.workers for task in worker.tasks}
            missing = sorted({job.task_id for job in jobs} - able)
            if not overview.workers:
                say(
                    f"no worker serves queue '{flow.queue}' now; start one: flowtui worker --queue {flow.queue}"
                )
            elif missing and all(len(worker.tasks) < 1000 for worker in overview.workers):
                say(
                    f"no worker of queue '{flow.queue}' knows the task {', '.join(missing[:5])}; the jobs wait for one"
                )

    run_async(submit())


def _rehearse(flow: FlowFile, flow_id: str | None, as_json: bool) -> None:
    """Print how the flow would go if every task did well."""
    from core.rehearsal import rehearse
    from flowtui.text import counted

    jobs = flow.to_jobs(flow_id)
    found = run_async(rehearse(jobs))
    names = dict(zip((job.id for job in jobs), flow.jobs, strict=True))
    steps = [[names[each] for each in step] for step in found.steps]
    never = [names[each] for each in found.skipped]
    if as_json:
        print_json({"queue": flow.queue, "steps": steps, "never": never})
        return
    for number, step in enumerate(steps, 1):
        click.echo(f"step {number}  {shown(', '.join(step))}")
    if never:
        click.echo(f"never, if all goes well  {shown(', '.join(never))}")
    say(f"dry run: {counted(len(jobs), 'job')} for queue '{flow.queue}', nothing was submitted")


def _name(flow: FlowFile, file: str) -> str | None:
    """What the flow is called on screen: its name, else its file's."""
    return flow.name or (Path(file).stem[:256] if file != "-" else None)


FORMATS = ("text", "mermaid", "dot", "json", "svg", "yaml")


@click.command("graph")
@click.argument("file")
@click.option("--format", "-f", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option(
    "--direction",
    "-d",
    type=click.Choice(["LR", "TB", "auto"]),
    default="auto",
    show_default=True,
    help="To the right, down, or what fits.",
)
@click.option(
    "--zoom", type=click.IntRange(0, 2), default=2, show_default=True, help="Size of the boxes in text."
)
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw text with ASCII characters.")
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Write to a file instead of stdout.")
def graph_command(
    file: str, form: str, direction: str, zoom: int, ascii_only: bool, output: str | None
) -> None:
    """Draw a flow. A flow with a cycle is drawn, too, with a warning."""
    flow = load(file, draft=True)
    text = _drawn(flow, form, direction, zoom, ascii_only)
    if output is None:
        click.echo(text.rstrip("\n"))
    else:
        try:
            with open(output, "x", encoding="utf-8") as target:
                target.write(text.rstrip("\n") + "\n")
        except FileExistsError:
            raise fail(f"{output} is there already; remove it, or choose another name") from None
        except OSError as error:
            raise fail(f"{output} cannot be written: {error.strerror}") from None
    cycle = flow.cycle()
    if cycle:
        say(f"the jobs wait for each other: {' -> '.join(cycle)}; this flow cannot be submitted")


def _drawn(flow: FlowFile, form: str, direction: str, zoom: int, ascii_only: bool) -> str:
    if form == "yaml":
        return flow.dump("yaml")
    if form in ("mermaid", "dot"):
        from flowtui.dot import to_dot
        from flowtui.importing import from_file
        from flowtui.mermaid import to_mermaid

        write = to_mermaid if form == "mermaid" else to_dot
        return write(from_file(flow).draft, "TB" if direction == "TB" else "LR")
    from flowtui.dag.graph import GraphModel, Look, Node
    from flowtui.states import glyph

    nodes = {name: Node(name, shown(name), shown(job.task or "shell")) for name, job in flow.jobs.items()}
    groups = {name: shown(job.group) for name, job in flow.jobs.items() if job.group}
    model = GraphModel(nodes, flow.links, groups)
    from flowtui.dag import export

    if form == "json":
        return export.to_json(model)
    from flowtui.dag.layout import careful, layout
    from flowtui.dag.paint import paint_text

    drawn = layout(
        model,
        direction=cast(Direction, direction),
        zoom=zoom,
        viewport=_viewport(),
        budget=careful(len(model.nodes)),
    )
    sign = glyph("draft", ascii=ascii_only)
    looks = {name: Look(sign, "", "draft", bottom=node.kind) for name, node in nodes.items()}
    return (
        export.to_svg(drawn, looks)
        if form == "svg"
        else "\n".join(paint_text(drawn, looks, ascii=ascii_only, margin=1 if drawn.back else 0))
    )


def _viewport() -> tuple[int, int]:
    size = shutil.get_terminal_size((120, 36))
    return size.columns, size.lines


Direction = Literal["LR", "TB", "auto"]
