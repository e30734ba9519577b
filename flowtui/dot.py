"""Graphviz DOT: digraphs read as people and programs write them, written so that they read back. Pure, no textual."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import unescape
from html.entities import html5
from typing import TYPE_CHECKING, Final, NoReturn

from flowtui.drawing import TOO_MANY, Drawing, plain, refuse
from flowtui.text import safe

if TYPE_CHECKING:
    from flowtui.draft import Draft

DEPTH: Final = 100
"""Braces inside of braces."""
_COMMENT: Final = r"/\*(?:[^*]|\*(?!/))*\*/|//[^\n]*"  # no end but one: another would be tried for ever
_SKIP: Final = re.compile(rf"(?:\s+|{_COMMENT}|(?:(?<=\n)|(?<![\s\S]))#[^\n]*)+")
_HEAD: Final = re.compile(
    r"(?:strict\s+)?(?P<kind>digraph|graph)(?:\s*\"(?:[^\"\\]|\\.)*\"(?:\s*\+\s*\"(?:[^\"\\]|\\.)*\")*|\s*<[^<>{}]*>|\s+[\w.+-]+)?"
    rf"\s*(?:(?:{_COMMENT})\s*)*\{{",
    re.IGNORECASE | re.DOTALL,
)
_TOKEN: Final = re.compile(
    r"""(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<arrow>->|--)|(?P<mark>[{}\[\];,=:+])
        |(?P<word>(?:[^\s{}\[\];,=:"<>+-]|-(?![->]))+)""",
    re.VERBOSE | re.DOTALL,
)
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|(\w+));")
_WORDS: Final = frozenset({"node", "edge", "graph", "subgraph", "digraph", "strict"})


@dataclass(frozen=True, slots=True)
class _Token:
    """`kind` is "name", "html", a mark, an arrow, a keyword in small letters, or "" at the end."""

    kind: str
    text: str
    at: int


def is_dot(text: str) -> bool:
    """Whether `text` is a Graphviz graph, directed or not."""
    found = _SKIP.match(text)
    return _HEAD.match(text, found.end() if found else 0) is not None


def read_dot(text: str, name: str) -> Draft:
    """The draft of a digraph. Raises `InvalidFlowFile` with line and column."""
    return _Reader(text, name).read()


class _Reader:
    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.drawing = Drawing()
        self.tokens: list[_Token] = []
        self.at = 0
        self._shape: _Token | None = None
        """Of nodes that do not say their own."""
        self._clusters: dict[str, int] = {}
        self._way = "forward"
        """Of links that do not say their own: where their arrow heads are."""

    def read(self) -> Draft:
        found = _SKIP.match(self.text)
        head = _HEAD.match(self.text, found.end() if found else 0)
        assert head is not None
        if head["kind"].lower() == "graph":
            self._refuse(
                "an undirected graph does not say what runs first; write digraph, and -> for --", head.start()
            )
        self._tokenize(head.end())
        self._statements(None, 0)
        self._take("}")
        if self._next.kind:
            self._refuse(f"the graph has ended, and {self._shown()} follows; one graph is one flow")
        return self.drawing.draft(self.name)

    # ---- tokens ------------------------------------------------------------------------------------------------------

    def _tokenize(self, at: int) -> None:
        while True:
            skip = _SKIP.match(self.text, at)
            at = skip.end() if skip else at
            if at >= len(self.text):
                break
            if self.text.startswith("/*", at):
                self._refuse("the comment that begins with /* does not end", at)
            if self.text[at] == "#" and not self.text[self.text.rfind("\n", 0, at) + 1 : at].strip():
                end = self.text.find("\n", at)  # Graphviz wants it at the margin; people indent it
                at = len(self.text) if end < 0 else end
                continue
            found = _TOKEN.match(self.text, at)
            if found is None and self.text[at] == "<":
                end = self._html_end(at)
                self.tokens.append(_Token("html", plain(self.text[at + 1 : end - 1]), at))
                at = end
                continue
            if found is None:
                self._refuse(f"cannot be read from {self.text[at : at + 20]!r} on; put names in quotes", at)
            self.tokens.append(self._token(found))
            at = found.end()
        self.tokens.append(_Token("", "", len(self.text)))

    def _token(self, found: re.Match[str]) -> _Token:
        word = found.group()
        if found.lastgroup == "quoted":
            return _Token("name", word[1:-1].replace("\\\n", ""), found.start())
        if found.lastgroup != "word":
            return _Token(word, word, found.start())
        if not any(char.isalnum() for char in word):
            self._refuse(f"{word!r} is no name; put it in quotes, and write -> for a link", found.start())
        return _Token(word.lower() if word.lower() in _WORDS else "name", word, found.start())

    def _html_end(self, at: int) -> int:
        depth = 0
        for found in re.compile("[<>]").finditer(self.text, at):
            depth += 1 if found.group() == "<" else -1
            if depth == 0:
                return found.end()
        self._refuse("the label in < > does not end", at)

    @property
    def _next(self) -> _Token:
        return self.tokens[self.at]

    def _shown(self) -> str:
        return repr(self._next.text[:30]) if self._next.kind else "the end"

    def _refuse(self, problem: str, at: int | None = None) -> NoReturn:
        refuse(self.text, self._next.at if at is None else at, self.name, problem)

    def _past(self, kind: str) -> bool:
        if self._next.kind != kind:
            return False
        self.at += 1
        return True

    def _take(self, kind: str) -> None:
        if not self._past(kind):
            missing = "the closing '}' is missing" if kind == "}" and not self._next.kind else ""
            self._refuse(missing or f"expected {kind!r}, found {self._shown()}")

    def _value(self) -> _Token:
        """A name or a text; quoted ones may be joined by +."""
        token = self._next
        if token.kind not in ("name", "html"):
            self._refuse(f"expected a name, found {self._shown()}")
        self.at += 1
        text = token.text
        while self._next.kind == "+" and self.tokens[self.at + 1].kind == "name":
            text += self.tokens[self.at + 1].text
            self.at += 2
        return _Token(token.kind, text, token.at)

    # ---- statements --------------------------------------------------------------------------------------------------

    def _statements(self, group: int | None, depth: int) -> list[str]:
        """Up to the closing brace; the nodes that were named."""
        nodes: dict[str, None] = {}
        while self._next.kind not in ("}", ""):
            if not self._past(";") and not self._past(","):
                nodes.update(dict.fromkeys(self._statement(group, depth)))
        return list(nodes)

    def _statement(self, group: int | None, depth: int) -> list[str]:
        if self._next.kind in ("node", "edge", "graph"):
            about = self._next.kind
            self.at += 1
            said = self._attributes()
            if about == "graph":
                self._title(group, said)
            elif about == "node":
                self._shape = said.get("shape", self._shape)
            elif "dir" in said:
                self._way = said["dir"].text.lower()
            return []
        if self._next.kind == "name" and self.tokens[self.at + 1].kind == "=":
            key = self._value().text
            self._take("=")
            self._title(group, {key.lower(): self._value()})
            return []
        before = self._operand(group, depth)
        nodes = list(before)
        pairs: list[tuple[list[str], list[str], int]] = []
        while self._next.kind in ("->", "--"):
            began = self._next.at
            if self._past("--"):
                self._refuse("-- does not say what runs first; write ->", began)
            self.at += 1
            after = self._operand(group, depth)
            pairs.append((before, after, began))
            nodes, before = nodes + after, after
        said = self._attributes()
        way = said["dir"].text.lower() if "dir" in said else self._way
        for before, after, began in pairs:
            fits = way == "back" or self.drawing.link(before, after)
            if not fits or (way in ("back", "both") and not self.drawing.link(after, before)):
                self._refuse(TOO_MANY, began)
        if not pairs and len(nodes) == 1 and "label" in said:
            self.drawing.labels[nodes[0]] = _label(said["label"], nodes[0], said.get("shape", self._shape))
        return nodes

    def _operand(self, group: int | None, depth: int) -> list[str]:
        """A node, with or without a port, or a set of them in braces."""
        if self._next.kind in ("{", "subgraph"):
            if depth >= DEPTH:
                self._refuse(f"more than {DEPTH} braces inside of each other")
            if self._past("subgraph") and self._next.kind == "name":
                title = self._value().text
                # Only clusters are drawn as such; other sets are for the layout.
                if title.startswith("cluster"):
                    if title not in self._clusters:
                        self._clusters[title] = self.drawing.group(re.sub("^cluster_?", "", title), group)
                    group = self._clusters[title]
            self._take("{")
            shape, way = self._shape, self._way  # what is said of all nodes and links inside ends with it
            nodes = self._statements(group, depth + 1)
            self._shape, self._way = shape, way
            self._take("}")
            return nodes
        said = self._value()
        name = _plain(said.text)
        if "\\" in said.text and name not in self.drawing.labels:  # the name is the label, with its line ends
            self.drawing.node(name, _label(_Token("name", said.text, said.at), "", None), group)
        self.drawing.node(name, None, group)
        while self._past(":"):
            self._value()
        return [name]

    def _title(self, group: int | None, said: dict[str, _Token]) -> None:
        if group is not None and "label" in said:
            self.drawing.titles[group] = _label(said["label"], "", None).replace("\n", " ")

    def _attributes(self) -> dict[str, _Token]:
        said: dict[str, _Token] = {}
        while self._past("["):
            while self._next.kind not in ("]", ""):
                if self._past(",") or self._past(";"):
                    continue
                key = self._value().text.lower()
                if self._past("="):
                    said[key] = self._value()
            self._take("]")
        return said


def _plain(text: str) -> str:
    return re.sub(r'\\(["\\])', r"\1", text)


def _label(said: _Token, node: str, shape: _Token | None) -> str:
    """A label as lines of text: \\n, \\l and \\r end a line, \\N is the node; fields of records stand side by side."""
    if said.kind == "html":
        return said.text
    text = said.text
    if shape is not None and shape.text.lower() in ("record", "mrecord"):
        text = " ".join(re.sub(r"(?<!\\)<[^<>]*>|(?<!\\)[{}|]", " ", text).split())
    meant = {"n": "\n", "l": "\n", "r": "\n", "N": node, "G": "", "E": "", "T": "", "H": "", "L": ""}
    text = re.sub(r"\\(.)", lambda found: meant.get(found[1], found[1]), text, flags=re.DOTALL)
    return _ENTITY.sub(_entity, text)


def _entity(found: re.Match[str]) -> str:
    """What Graphviz shows for it, in any label: a name that it does not know stays as it is."""
    name = found[1]
    return found[0] if name is not None and f"{name};" not in html5 else unescape(found[0])


def to_dot(draft: Draft, direction: str = "LR") -> str:
    """A digraph: names, tasks below them, groups as clusters."""
    ids = {key: f"j{i}" for i, key in enumerate(draft.jobs)}
    lines = [
        f"digraph {_quoted(draft.settings.name)} {{",
        f"    rankdir={direction};",
        "    node [shape=box];",
    ]
    grouped: dict[str, list[str]] = {}
    for key, job in draft.jobs.items():
        label = job.name if job.task == job.name else f"{job.name}\n{job.task}"
        line = f"{ids[key]} [label={_quoted(label)}];"
        if job.group:
            grouped.setdefault(job.group, []).append(line)
        else:
            lines.append(f"    {line}")
    for i, (group, members) in enumerate(grouped.items()):
        lines.append(f"    subgraph cluster_{i} {{ label={_quoted(group)};")
        lines.extend(f"        {line}" for line in members)
        lines.append("    }")
    lines.extend(f"    {ids[up]} -> {ids[down]};" for up, down in draft.links)
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    return json.dumps(safe(text, lines=True), ensure_ascii=False).replace("&", "&amp;")
