"""Mermaid flowcharts: read as people write them, written so that they read back. Pure, no textual."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final, NoReturn

from core.errors import InvalidFlowFile
from flowtui.drawing import TOO_MANY, Drawing, plain, refuse
from flowtui.text import safe

if TYPE_CHECKING:
    from flowtui.draft import Draft

_FRONT: Final = re.compile(r"\s*---[ \t]*\n.*?\n[ \t]*---[ \t]*\n", re.DOTALL)
_BLANK: Final = re.compile(r"(?:[\s;]|%%\{(?:[^}]|\}(?!%%))*\}%%|%%[^\n]*)+")
_HEAD: Final = re.compile(
    r"(?:graph|flowchart(?:-elk)?)\b(?![:-])(?:[ \t]*(?:TB|TD|BT|RL|LR|[<>^v])(?=[\s;]|$))?"
)
_OTHER: Final = re.compile(
    r"(sequenceDiagram|classDiagram|stateDiagram|erDiagram|gantt|pie|journey|gitGraph|mindmap|timeline|quadrantChart"
    r"|requirementDiagram|sankey|xychart|block|packet|architecture|kanban|C4\w+)(?:-v2|-beta)?(?=\s|$)"
)
_END: Final = re.compile(r"end(?=[\s;]|$)")
_SUBGRAPH: Final = re.compile(r"subgraph(?=[\s;]|$)[ \t]*(?P<title>(?:\"[^\"]*\"|[^\n;\"])*)")
_TITLED: Final = re.compile(r"(?P<id>[\w.-]+)\s*\[(?P<title>.*)\]\s*$", re.DOTALL)
_SKIP: Final = re.compile(
    r"(?:accDescr\s*\{[^}]*\}|(?:accTitle|accDescr)[ \t]*:[^\n]*"
    r"|(?:classDef|class|style|linkStyle|click|direction)(?=[ \t:])"
    r"(?![ \t]*(?:--|==|-\.|~~~|&))(?:\"[^\"]*\"|[^\n;\"])*)"
)
_ID: Final = re.compile(r"\w(?:[\w./]|-(?![-.>]))*")
_CLASS: Final = re.compile(r"[ \t]*:::[\w-]+")
_DATA: Final = re.compile(r"[ \t]*@\{(?P<data>(?:\"[^\"]*\"|[^}\"])*)\}")
_DATA_LABEL: Final = re.compile(
    r"\blabel\s*:\s*(?:\"(?P<quoted>[^\"]*)\"|'(?P<single>[^'\n]*)'|(?P<bare>[^,}\n]+))"
)
_OF_EDGES: Final = re.compile(r"^\s*(?:animate|animation|curve)\s*:")
"""Data that only a link can have: Mermaid numbers links that have no id of their own."""
_DIRECTIONS: Final = ("TB", "TD", "BT", "RL", "LR")
_WORD: Final = re.compile(r"[ \t]*(?P<word>[A-Za-z]+)[ \t]*(?=[\n;]|%%|$)")
_SHAPES: Final = (
    ("(((", (")))",)), ("([", ("])",)), ("((", ("))",)), ("(", (")",)),
    ("[[", ("]]",)), ("[(", (")]",)), ("[/", ("/]", "\\]")), ("[\\", ("\\]", "/]")), ("[", ("]",)),
    ("{{", ("}}",)), ("{", ("}",)), (">", ("]",)),
)  # fmt: skip
_BRACKETS: Final = ("(", "[", "{", ">")
_EDGE_ID: Final = re.compile(r"[ \t]*(?P<id>\w+)@(?=[ox<]?[-=~])")
_ARROW: Final = re.compile(
    r"""[ \t]*(?:
        (?P<hidden>~~~+)                                                       # A ~~~ B, only for the layout
      | (?P<start>[ox<])?(?:--+[-xo>]|==+[=xo>]|-\.+-[xo>]?)                   # A --> B
      | (?P<begun>[ox<])?(?:                                                   # A -- text --> B
            --(?:"[^"]*"|[^\n|";])*?--+[-xo>]
          | ==(?:"[^"]*"|[^\n|";])*?==+[=xo>]
          | -\.(?:"[^"]*"|[^\n|";])*?\.+-[xo>]?)
    )[ \t]*(?:\|(?:[ \t]*"[^"]*"[ \t]*|[^|\n]*)\|)?""",
    re.VERBOSE,
)
_AND: Final = re.compile(r"[ \t]*&")
_GAP: Final = re.compile(r"[ \t]*")
_ENDED: Final = re.compile(r"[ \t]*(?=\n|;|%%|$)")
_ENTITY: Final = re.compile(r"[#&]#?(\w{1,31});")


def is_mermaid(text: str) -> bool:
    """Whether `text` is a flowchart. Raises `InvalidFlowFile` for a drawing of another kind."""
    at = _head(text)
    other = _OTHER.match(text, at)
    if other is not None:
        raise InvalidFlowFile(
            f"a Mermaid {other[1]} is no flow of jobs; only flowcharts can be read (flowchart, graph)"
        )
    return _HEAD.match(text, at) is not None


def _head(text: str) -> int:
    front = _FRONT.match(text)
    at = front.end() if front else 0
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def read_mermaid(text: str, name: str) -> Draft:
    """The draft of a flowchart. Raises `InvalidFlowFile` with line and column."""
    return _Reader(text, name).read()


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.at = 0
        self.drawing = Drawing()
        self.open: list[int] = []
        self.groups: dict[str, int] = {}
        """Subgraphs by their ids: a link may begin or end at one."""
        self.edges: set[str] = set()

    def read(self) -> Draft:
        head = _HEAD.match(self.text, _head(self.text))
        self.at = head.end() if head else 0
        word = self._past(_WORD) if head and head.group().isalpha() else None  # no direction yet
        if word and word["word"].upper() not in _DIRECTIONS:
            said = f"{word['word']!r} is no direction; it is one of {', '.join(_DIRECTIONS)}"
            self._refuse(said, word.start("word"))
        while self._past(_BLANK) or self.at < len(self.text):
            if self.at < len(self.text):
                self._statement()
        if self.open:
            self._refuse(
                f"{len(self.open)} subgraph{'s' * (len(self.open) > 1)} not ended; the last line is end"
            )
        self._spread()
        return self.drawing.draft(self.name)

    def _past(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def _refuse(self, problem: str, at: int | None = None) -> NoReturn:
        refuse(self.text, self.at if at is None else at, self.name, problem)

    def _rest(self) -> str:
        rest = self.text[self.at :].partition("\n")[0].strip()
        return repr(rest[:30]) if rest else "the end of the line"

    def _statement(self) -> None:
        began = self.at
        if self._past(_END):
            if not self.open:
                self._refuse(
                    "this end belongs to no subgraph; take it out, or begin a subgraph before", began
                )
            self.open.pop()
        elif found := self._past(_SUBGRAPH):
            self._subgraph(found["title"].strip())
        elif not self._past(_SKIP):
            self._chain()

    def _subgraph(self, title: str) -> None:
        titled = _TITLED.match(title)
        id, title = (titled["id"], titled["title"]) if titled else (_label(title), title)
        group = self.groups.get(id)
        if group is None or group in self.open:
            group = self.drawing.group(_label(title) or "group", self.open[-1] if self.open else None)
        self.open.append(group)
        if id:
            self.groups.setdefault(id, group)

    def _chain(self) -> None:
        before = self._nodes()
        while True:
            if edge := self._past(_EDGE_ID):
                self.edges.add(edge["id"])
            began = self.at
            arrow = self._past(_ARROW)
            if arrow is None:
                if not self._past(_ENDED):
                    self._past(_GAP)
                    self._refuse(f"cannot be read from {self._rest()} on; expected an arrow such as -->")
                return
            nodes = self._nodes()
            if not arrow["hidden"]:
                self._link(before, nodes, began)
            if "<" in (arrow["start"], arrow["begun"]):
                self._link(nodes, before, began)
            before = nodes

    def _link(self, ups: list[str], downs: list[str], at: int) -> None:
        if not self.drawing.link(ups, downs):
            self._refuse(TOO_MANY, at)

    def _nodes(self) -> list[str]:
        """`A & B["label"]`: their ids."""
        ids = []
        while True:
            self._past(_GAP)
            found = self._past(_ID)
            if found is None:
                self._refuse(f"expected a node at {self._rest()}")
            id = found.group()
            label = self._shape()
            self._past(_CLASS)
            if data := self._past(_DATA):
                if id in self.edges or (id not in self.drawing.labels and _OF_EDGES.search(data["data"])):
                    return []
                said = _DATA_LABEL.search(data["data"])
                label = _label(said["quoted"] or said["single"] or said["bare"] or "") if said else label
            self._past(_CLASS)
            self.drawing.node(id, label, self.open[-1] if self.open else None)
            ids.append(id)
            if not self._past(_AND):
                return ids

    def _shape(self) -> str | None:
        """The label of a node, in one of the many brackets."""
        began = self.at
        if self.text[began : began + 1] not in _BRACKETS:
            return None
        line = self.text.find("\n", began)
        line = len(self.text) if line < 0 else line
        for opening, closings in _SHAPES:
            if not self.text.startswith(opening, began):
                continue
            inside = re.compile(r'\s*"(?P<text>[^"]*)"\s*').match(self.text, began + len(opening))
            for closing in closings:
                if inside is not None:
                    if self.text.startswith(closing, inside.end()):
                        self.at = inside.end() + len(closing)
                        return _label(inside["text"])
                    continue
                end = self.text.find(closing, began + len(opening), line)
                if end >= 0:
                    self.at = end + len(closing)
                    return _label(self.text[began + len(opening) : end])
        self._refuse(f"the label that begins with {self._rest()} does not end; put it in quotes")

    def _spread(self) -> None:
        """A link of a subgraph is one of its first or of its last jobs."""
        drawing = self.drawing
        named = {id: drawing.members(group) for id, group in self.groups.items() if id in drawing.labels}
        # A subgraph without jobs is a job; one that holds others has their names as members where links name them.
        held = {id: members for id, members in named.items() if set(members) - {id}}
        ends = {id: [member for member in members if member not in held] for id, members in held.items()}
        ups: dict[str, list[str]] = {}
        downs: dict[str, list[str]] = {}
        for up, down in drawing.links:
            ups.setdefault(down, []).append(up)
            downs.setdefault(up, []).append(down)
        first, last = {}, {}
        for id, members in ends.items():
            own = set(members)
            first[id] = [each for each in members if own.isdisjoint(ups.get(each, ()))] or members
            last[id] = [each for each in members if own.isdisjoint(downs.get(each, ()))] or members
        links, drawing.links = drawing.links, {}
        for up, down in links:
            if up in named.get(down, ()) or down in named.get(up, ()):
                inner, outer = (up, down) if up in named.get(down, ()) else (down, up)
                text = f"{inner!r} is inside of {outer!r} and linked with it; one of them needs another name"
                raise InvalidFlowFile(f"{self.name}: {text}")
            if not drawing.link(last.get(up, [up]), first.get(down, [down])):
                raise InvalidFlowFile(f"{self.name}: {TOO_MANY}")
        for id in ends:
            del drawing.labels[id]


def _label(text: str) -> str:
    """What a label says: without quotes, marks of Markdown, entities and HTML."""
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1].strip()
    if len(text) >= 2 and text[0] == text[-1] == "`":
        text = re.sub(r"(\*\*|__|\*)(.+?)\1", r"\2", text[1:-1])
    text = re.sub(r"(?i)<br\s*/?>", "\n", text.replace("\\n", "\n"))
    if "<" in text:
        text = plain(text)
    return _ENTITY.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    word = found[1]
    if word.isdecimal():
        return chr(int(word)) if int(word) <= 0x10FFFF and not 0xD800 <= int(word) <= 0xDFFF else "\ufffd"
    said = html.unescape(f"&{word};")
    return found.group() if said == f"&{word};" else said


def to_mermaid(draft: Draft, direction: str = "LR") -> str:
    """A flowchart: names, tasks below them, groups as subgraphs."""
    ids = {key: f"j{i}" for i, key in enumerate(draft.jobs)}
    lines = [f"flowchart {direction}"]
    grouped: dict[str, list[str]] = {}
    for key, job in draft.jobs.items():
        task = "" if job.task == job.name else f"<br/>{_escaped(job.task)}"
        line = f'{ids[key]}["{_escaped(job.name)}{task}"]'
        if job.group:
            grouped.setdefault(job.group, []).append(line)
        else:
            lines.append(f"    {line}")
    for i, (group, members) in enumerate(grouped.items()):
        lines.append(f'    subgraph g{i}["{_escaped(group)}"]')
        lines.extend(f"        {line}" for line in members)
        lines.append("    end")
    lines.extend(f"    {ids[up]} --> {ids[down]}" for up, down in draft.links)
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Mermaid reads entities `#code;`, HTML and Markdown in labels: letters stay, whatever it may obey does not."""
    return re.sub(r'[#&"<>\\`]', lambda found: f"#{ord(found.group())};", safe(text))
