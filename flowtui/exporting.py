"""A draft as text for others: YAML, JSON, Python, Mermaid, DOT. Pure, no textual."""

from __future__ import annotations

import keyword
import pprint
import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final, Literal

from flowtui.changes import Settings
from flowtui.dot import to_dot
from flowtui.draft import Draft
from flowtui.mermaid import to_mermaid
from flowtui.text import safe

if TYPE_CHECKING:
    from core.spec import FlowFile

FORMS: Final[Mapping[str, tuple[str, str]]] = {
    "yaml": ("YAML", "flow file, for people and version control"),
    "json": ("JSON", "flow file, for programs"),
    "python": ("Python", "a script that submits the flow with FlowProducer"),
    "mermaid": ("Mermaid", "a drawing for Markdown, GitHub, GitLab"),
    "dot": ("DOT", "a drawing for Graphviz"),
}
FILES: Final[Mapping[str, Literal["yaml", "json"]]] = {"yaml": "yaml", "json": "json"}
"""Those that can be opened again as they were saved."""
ENDINGS: Final = {"yaml": ".yaml", "json": ".json", "python": ".py", "mermaid": ".mmd", "dot": ".dot"}
UNNAMED: Final = Settings()


def to_file(draft: Draft, base: FlowFile | None = None, renamed: Mapping[str, str] | None = None) -> FlowFile:
    """The flow file of a draft; with `base`, the file it came from, comments and order are kept."""
    from core.spec import FlowFile

    name: str | None = draft.settings.name
    if name == UNNAMED.name and (base is None or base.name is None):
        name = None
    queue: str | None = draft.settings.queue
    if queue == (base.queue if base else UNNAMED.queue):
        queue = None
    if base is not None and name == base.name:
        name = None
    return FlowFile.from_jobs(draft.to_jobs(), name=name, queue=queue, base=base, renamed=renamed)


def export(draft: Draft, form: str) -> str:
    """The draft in one of `FORMS`. Raises `FlowError` for what a flow file cannot say."""
    makers: Mapping[str, Callable[[Draft], str]] = {
        "yaml": lambda draft: to_file(draft).dump("yaml"),
        "json": lambda draft: to_file(draft).dump("json"),
        "python": to_python,
        "mermaid": to_mermaid,
        "dot": to_dot,
    }
    return makers[form](draft)


def part(draft: Draft, keys: Collection[str]) -> Draft:
    """A draft of some of the jobs, with the links among them."""
    data = draft.dump()
    order = [key for key in draft.jobs if key in keys]
    place = {key: i for i, key in enumerate(draft.jobs)}
    index = {key: i for i, key in enumerate(order)}
    data["jobs"] = [data["jobs"][place[key]] for key in order]
    data["links"] = [[index[up], index[down]] for up, down in draft.links if up in index and down in index]
    return Draft.load(data)


# ---- Python ----------------------------------------------------------------------------------------------------------


def to_python(draft: Draft) -> str:
    """A script that runs as it is: `FLOWTUI_URL=redis://... python flow.py`."""
    _check_results(draft)
    variables = _variables([job.name for job in draft.jobs.values()])
    names = dict(zip(draft.jobs, variables, strict=True))
    jobs = dict(zip(draft.jobs, draft.to_jobs(), strict=True))
    ids = {job.id: names[key] for key, job in jobs.items()}
    uses_results = False
    body: list[str] = []
    for key in _ordered(draft):
        job = draft.jobs[key]
        args = [repr(job.task)]
        for field, value in (("args", jobs[key].args), ("kwargs", jobs[key].kwargs)):
            if value:
                text, found = _python(value, ids)
                uses_results = uses_results or found
                args.append(f"{field}={text}")
        waits = [f"{names[up]}.id" for up in draft.upstream(key)] + [repr(id) for id in job.earlier]
        if waits:
            args.append(f"depends_on=[{', '.join(waits)}]")
        if job.name != (job.task.rpartition(".")[2] or job.task):
            args.append(f"name={job.name!r}")
        for field, value in job.changed().items():
            if field not in ("args", "kwargs", "earlier"):
                args.append(f"{field}={value!r}")
        line = f"{names[key]} = Job({', '.join(args)})"
        if len(line) > 110:
            line = f"{names[key]} = Job(\n    " + ",\n    ".join(args) + ",\n)"
        body.append(line)
    called = "" if draft.settings.name == UNNAMED.name else f", name={draft.settings.name!r}"
    listed = ", ".join(names[key] for key in draft.jobs)
    imports = "from core import FlowProducer, Job"
    if uses_results:
        imports += "\nfrom core.references import result_of"
    return "\n".join(
        [
            '"""A flow of jobs; FLOWTUI_URL names the engine (redis://...), without it the embedded one is used."""',
            "",
            "import asyncio",
            "",
            imports,
            "",
            *body,
            "",
            "",
            "async def main() -> None:",
            f"    ids = await FlowProducer().add_flow({draft.settings.queue!r}, [{listed}]{called})",
            '    print(*ids, sep="\\n")',
            "",
            "",
            'if __name__ == "__main__":',
            "    asyncio.run(main())",
            "",
        ]
    )


def _ordered(draft: Draft) -> list[str]:
    """Upstream first, so that every variable exists before it is used. A cycle cannot be written as a script."""
    from core.errors import CycleError

    if draft.closing:
        path = [draft.name(key) for key in draft.cycle() or ()]
        raise CycleError([*path, *path[:1]])
    return sorted(draft.jobs, key=lambda key: draft.levels[key])


def _check_results(draft: Draft) -> None:
    """A script cannot hold what the engine would refuse."""
    from core.errors import InvalidFlowFile
    from core.references import Unresolved

    for job in draft.to_jobs():
        todo: list[Any] = [job.args, job.kwargs]
        while todo:
            value = todo.pop()
            if isinstance(value, Unresolved):
                raise InvalidFlowFile(
                    f"{safe(job.name, 40)}: {safe(value, 60)} is no result of an upstream; ! lists every problem"
                )
            todo.extend(
                value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
            )


def _variables(names: list[str]) -> list[str]:
    taken = {"asyncio", "FlowProducer", "Job", "main", "result_of", "ids", "print"}
    made = []
    for name in names:
        word = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_").lower() or "job"
        if word[0].isdigit() or keyword.iskeyword(word):
            word = f"job_{word}"
        variable, number = word, 2
        while variable in taken:
            variable, number = f"{word}_{number}", number + 1
        taken.add(variable)
        made.append(variable)
    return made


class _Code:
    """Code that `pprint` prints as it is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _python(value: Any, ids: Mapping[str, str]) -> tuple[str, bool]:
    """A JSON value as Python, references as `result_of(job, ...)`; and whether there was one."""
    from core.references import Reference, convert

    found = False

    def turn(reference: Reference) -> Any:
        nonlocal found
        found = True
        path = "".join(f", {step!r}" for step in reference.path)
        return _Code(f"result_of({ids[reference.upstream]}{path})")

    turned = convert(value, set(ids), turn)
    return pprint.pformat(turned, width=100, sort_dicts=False).replace("\n", "\n    "), found
