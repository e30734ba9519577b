"""Flows from text of any known kind: flow files (YAML, JSON), Mermaid flowcharts, Graphviz DOT. Pure, no textual."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from core.errors import InvalidFlowFile
from flowtui.changes import DraftJob, Settings
from flowtui.draft import Draft

if TYPE_CHECKING:
    from core.spec import FlowFile

SIZE_LIMIT: Final = 5_000_000
_MERMAID: Final = re.compile(r"\s*(?:%%[^\n]*\n\s*|---\n.*?\n---\n\s*)*(graph|flowchart)\b", re.DOTALL)
_DOT: Final = re.compile(r"\s*(?:(?:#|//)[^\n]*\n\s*)*(strict\s+)?digraph\b")


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
    if _MERMAID.match(text):
        return Imported(_Mermaid(name).read(text), kind="Mermaid")
    if _DOT.match(text):
        return Imported(_Dot(name).read(text), kind="DOT")
    from core.spec import load_flow

    if not text.strip():
        raise InvalidFlowFile(f"{name}: empty; a flow is YAML, JSON, Mermaid or DOT text")
    flow = load_flow(text, draft=True)
    return from_file(flow)


def from_file(flow: FlowFile) -> Imported:
    """The draft of a flow file."""
    draft = Draft.of(flow.to_jobs(), name=flow.name, queue=flow.queue)
    return Imported(draft, flow, kind="JSON" if _is_json(flow) else "YAML")


def _is_json(flow: FlowFile) -> bool:
    return flow._document is not None and flow._document.is_json


@dataclass
class _Drawing:
    """Nodes and links as they are found in a drawing: names by id, links oldest first, groups by id."""

    labels: dict[str, str] = field(default_factory=dict)
    links: dict[tuple[str, str], None] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)

    def node(self, id: str, label: str | None = None, group: str | None = None) -> None:
        if label is not None:
            self.labels[id] = label
        else:
            self.labels.setdefault(id, id)
        if group is not None:
            self.groups.setdefault(id, group)

    def draft(self, where: str) -> Draft:
        if not self.labels:
            raise InvalidFlowFile(f"{where}: no nodes in it")
        draft = Draft(Settings())
        index = {id: i for i, id in enumerate(self.labels)}
        jobs = []
        for id, label in self.labels.items():
            name, _, task = label.partition("\n")
            name = name.strip()[:256] or id
            jobs.append(DraftJob(name, task.strip()[:256] or name, group=self.groups.get(id)))
        draft.insert(jobs, [], step="import")
        keys = list(draft.jobs)
        return _linked(draft, [(keys[index[up]], keys[index[down]]) for up, down in self.links])


def _linked(draft: Draft, links: list[tuple[str, str]]) -> Draft:
    """A draft like `draft` with these links, itself to itself included, and no history."""
    data = draft.dump()
    index = {key: i for i, key in enumerate(draft.jobs)}
    data["links"] = [[index[up], index[down]] for up, down in links]
    return Draft.load(data)


# ---- Mermaid ---------------------------------------------------------------------------------------------------------

_NODE: Final = re.compile(
    r"""\s*(?P<id>[A-Za-z0-9_](?:[\w.]|-(?![-.>]))*)
        (?P<shape>\(\[.*?\]\)|\[\[.*?\]\]|\[\(.*?\)\]|\(\(.*?\)\)|\{\{.*?\}\}|\["[^"]*"\]|\("[^"]*"\)|\{"[^"]*"\}
          |\[[^\]]*\]|\([^)]*\)|\{[^}]*\}|>[^\]]*\])?
        (?::::[\w-]+)?""",
    re.VERBOSE,
)
_ARROW: Final = re.compile(
    r"""\s*(?:
        <?(?:--+|==+|-\.+-?)\s(?P<between>[^|>]*?)\s(?:--+>|==+>|\.+->|--+)   # A -- text --> B
        |[ox<]?(?:--+|==+|-\.+-)[>xo]?                                       # A --> B
    )\s*(?:\|[^|]*\|)?""",
    re.VERBOSE,
)
_SKIP: Final = re.compile(
    r"(classDef|class|style|linkStyle|click|direction|accTitle|accDescr|title)\b", re.IGNORECASE
)


class _Mermaid:
    def __init__(self, name: str) -> None:
        self.name = name
        self.drawing = _Drawing()
        self.groups: list[str] = []

    def read(self, text: str) -> Draft:
        for number, line in self._statements(text):
            self._take(line, number)
        return self.drawing.draft(self.name)

    def _statements(self, text: str) -> Iterator[tuple[int, str]]:
        begun = False
        for number, line in enumerate(text.splitlines(), 1):
            line = line.partition("%%")[0].strip()
            if not begun:
                found = re.match(r"(graph|flowchart)\b\s*(TB|TD|BT|RL|LR)?\s*;?", line)
                if found is None:
                    continue
                begun, line = True, line[found.end() :]
            for statement in _split_semicolons(line):
                if statement.strip():
                    yield number, statement.strip()

    def _take(self, line: str, number: int) -> None:
        if line == "end":
            if self.groups:
                self.groups.pop()
            return
        if line.startswith("subgraph"):
            title = line.removeprefix("subgraph").strip()
            found = re.match(r"[\w-]+\s*\[(.*)\]$", title)
            self.groups.append(_unquoted(found[1] if found else title) or "group")
            return
        if _SKIP.match(line):
            return
        at = 0
        before: list[str] = []
        while True:
            nodes, at = self._nodes(line, at, number)
            for up in before:
                for down in nodes:
                    self.drawing.links.setdefault((up, down))
            if at >= len(line):
                return
            arrow = _ARROW.match(line, at)
            if arrow is None or arrow.end() == at:
                self._refuse(
                    number, at, f"cannot be read from {line[at:][:30]!r} on; expected an arrow such as -->"
                )
            assert arrow is not None
            before, at = nodes, arrow.end()

    def _nodes(self, line: str, at: int, number: int) -> tuple[list[str], int]:
        """`A & B["label"]`: ids, and where they end."""
        ids = []
        while True:
            found = _NODE.match(line, at)
            if found is None:
                self._refuse(number, at, f"expected a node at {line[at:][:30]!r}")
            assert found is not None
            shape = found["shape"]
            label = _label(shape) if shape else None
            self.drawing.node(found["id"], label, self.groups[-1] if self.groups else None)
            ids.append(found["id"])
            at = found.end()
            rest = re.compile(r"\s*&").match(line, at)
            if rest is None:
                return ids, at + len(line[at:]) - len(line[at:].lstrip())
            at = rest.end()

    def _refuse(self, line: int, column: int, problem: str) -> None:
        raise InvalidFlowFile(f"{self.name}:{line}:{column + 1}: {problem}")


def _split_semicolons(line: str) -> list[str]:
    return re.findall(r'(?:"[^"]*"|[^;"]|")+', line) if ";" in line else [line]


def _label(shape: str) -> str:
    inner = shape.strip("[](){}>").strip()
    return _unquoted(re.sub(r"<br\s*/?>|\\n", "\n", inner))


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    text = re.sub(r"#(\d{1,6});", lambda found: _character(int(found[1])), text)
    return html.unescape(text.replace("#quot;", '"'))


def _character(code: int) -> str:
    return chr(code) if code <= 0x10FFFF else ""


# ---- DOT -------------------------------------------------------------------------------------------------------------

_TOKEN: Final = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|\#[^\n]*|/\*.*?\*/)|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<arrow>->|--)
        |(?P<mark>[{}\[\];,=:])|(?P<word>[^\s{}\[\];,=:"<>-]+|-?\d[\d.]*)""",
    re.VERBOSE | re.DOTALL,
)


class _Dot:
    def __init__(self, name: str) -> None:
        self.name = name
        self.drawing = _Drawing()
        self.tokens: list[tuple[str, str, int]] = []
        self.at = 0

    def read(self, text: str) -> Draft:
        self._tokenize(text)
        while self._peek() not in ("{", ""):
            self.at += 1
        self._take("{")
        self._body(None)
        return self.drawing.draft(self.name)

    def _tokenize(self, text: str) -> None:
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if found is None:
                line = text.count("\n", 0, at) + 1
                raise InvalidFlowFile(f"{self.name}:{line}:1: cannot be read from {text[at : at + 20]!r} on")
            kind = found.lastgroup or ""
            if kind != "skip":
                word = found.group()
                if kind == "quoted":
                    word = re.sub(r"\\([\"\\])", r"\1", word[1:-1]).replace("\\n", "\n")
                self.tokens.append((kind, word, at))
            at = found.end()

    def _peek(self) -> str:
        if self.at >= len(self.tokens):
            return ""
        kind, word, _ = self.tokens[self.at]
        return word if kind in ("mark", "arrow") else "\0" + word

    def _take(self, wanted: str) -> None:
        if self._peek() != wanted:
            found = self._peek().lstrip("\0") or "the end"
            raise InvalidFlowFile(f"{self.name}: expected {wanted!r}, found {found!r}")
        self.at += 1

    def _body(self, group: str | None) -> None:
        """Statements up to the closing brace. Clusters nest by a stack, so that no depth can exhaust Python's own."""
        groups = [group]
        before: list[str] = []
        while groups:
            word = self._peek()
            if word == "":
                raise InvalidFlowFile(f"{self.name}: the closing '}}' is missing")
            if word == "}":
                self.at += 1
                groups.pop()
                before = []
            elif word in (";", ","):
                self.at += 1
                before = []
            elif word == "{" or word == "\0subgraph":
                self.at += 1
                name = groups[-1]
                if word != "{":
                    while self._peek() not in ("{", ""):
                        name = self._peek().lstrip("\0").removeprefix("cluster_").removeprefix("cluster")
                        self.at += 1
                    self._take("{")
                groups.append(name or None)
            elif word == "->" or word == "--":
                if not before:
                    raise InvalidFlowFile(
                        f"{self.name}: links between sets in braces are not read; write each link"
                    )
                self.at += 1
                target = self._name()
                self.drawing.node(target, None, groups[-1])
                for up in before:
                    self.drawing.links.setdefault((up, target))
                before = [target]
                self._attributes(None)
            else:
                before = self._statement(groups)

    def _statement(self, groups: list[str | None]) -> list[str]:
        name = self._name()
        if self._peek() == "=":
            self.at += 1
            value = self._name()
            if name == "label" and len(groups) > 1:
                groups[-1] = value
            return []
        if name in ("node", "edge", "graph") and self._peek() == "[":
            self._attributes(None)
            return []
        self.drawing.node(name, None, groups[-1])
        self._attributes(name)
        return [name]

    def _name(self) -> str:
        word = self._peek()
        if not word.startswith("\0"):
            raise InvalidFlowFile(f"{self.name}: expected a name, found {word or 'the end'!r}")
        self.at += 1
        while self._peek() == ":":  # a port
            self.at += 2
        return word[1:]

    def _attributes(self, node: str | None) -> None:
        while self._peek() == "[":
            self.at += 1
            while self._peek() not in ("]", ""):
                key = self._peek().lstrip("\0")
                self.at += 1
                if self._peek() == "=":
                    self.at += 1
                    value = self._peek().lstrip("\0")
                    self.at += 1
                    if node is not None and key == "label":
                        self.drawing.labels[node] = value
            self._take("]")
