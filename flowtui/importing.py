"""Flows from text of any known kind: flow files (YAML, JSON), Mermaid flowcharts, Graphviz DOT. Pure, no textual."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from core.errors import InvalidFlowFile
from flowtui.dot import is_dot, read_dot
from flowtui.draft import Draft
from flowtui.mermaid import is_mermaid, read_mermaid

if TYPE_CHECKING:
    from core.spec import FlowFile

SIZE_LIMIT: Final = 5_000_000
_FENCE: Final = re.compile(
    r"\s*(?P<fence>```+|~~~+)[^\n`]*\n(?P<inside>.*)\n[ \t]*(?P=fence)\s*\Z", re.DOTALL
)

_PYTHON: Final = re.compile(
    r'(?:\s|#[^\n]*\n|"""(?:[^"]|"(?!""))*""")*(?:import \w|from [\w.]+ import |(?:async )?def \w)'
)


@dataclass(slots=True)
class Imported:
    """A draft, and for a flow file the file itself, so that saving keeps its comments."""

    draft: Draft
    file: FlowFile | None = None
    kind: str = "YAML"


def read_text(text: str, name: str = "pasted text") -> Imported:
    """The flow that `text` describes; cycles are let in. Raises `InvalidFlowFile` with line and column."""
    if len(text) > SIZE_LIMIT:
        raise InvalidFlowFile(f"{name}: larger than {SIZE_LIMIT:,} characters; split the flow")
    # A terminal may paste the ends of lines as carriage returns.
    text = re.sub(r"\r(?!\n)", "\n", text.removeprefix("\ufeff"))
    if fenced := _FENCE.match(text):  # as it stands in Markdown
        text = fenced["inside"].removesuffix("\r")
    drawing = read_drawing(text, name)
    if drawing is not None:
        return drawing
    from core.spec import PATH_HINT, load_flow

    if _PYTHON.match(text):
        raise InvalidFlowFile(
            f"{name}: Python is not read from text; flowtui MODULE:NAME opens the flow of a module"
        )
    if not text.strip():
        raise InvalidFlowFile(f"{name}: empty; a flow is YAML, JSON, Mermaid or DOT text")
    try:
        flow = load_flow(text, draft=True)
    except InvalidFlowFile as error:
        about = re.sub("^<text>", lambda _: name, str(error), flags=re.MULTILINE).replace(PATH_HINT, "")
        raise InvalidFlowFile(about) from None
    return from_file(flow)


def read_drawing(text: str, name: str) -> Imported | None:
    """The flow that a Mermaid flowchart or a DOT graph shows, or None where `text` is neither."""
    lines = re.sub(r"\r\n?", "\n", text)
    if is_dot(lines):
        return Imported(read_dot(lines, name), kind="DOT")
    return Imported(read_mermaid(lines, name), kind="Mermaid") if is_mermaid(lines) else None


def from_file(flow: FlowFile) -> Imported:
    """The draft of a flow file."""
    draft = Draft.of(flow.to_jobs(), name=flow.name, queue=flow.queue)
    return Imported(draft, flow, kind="JSON" if _is_json(flow) else "YAML")


def _is_json(flow: FlowFile) -> bool:
    return flow._document is not None and flow._document.is_json
