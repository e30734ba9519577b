"""Mermaid and DOT as people and programs write them: read whole, or refused with a place."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidFlowFile
from flowtui.changes import DraftJob
from flowtui.draft import Draft
from flowtui.exporting import export
from flowtui.importing import read_text
from flowtui.text import safe


def drawn(source: str) -> tuple[str, str]:
    """The jobs, with task and group where they say something, and the links, as `a>b`."""
    draft = read_text(source, "x").draft
    jobs = [
        job.name + (f"/{job.task}" if job.task != job.name else "") + (f"@{job.group}" if job.group else "")
        for job in draft.jobs.values()
    ]
    return " ".join(jobs), " ".join(f"{draft.name(up)}>{draft.name(down)}" for up, down in draft.links)


@pytest.mark.parametrize(
    ("source", "jobs", "links"),
    [
        ("graph TD\nA--text-->B", "A B", "A>B"),
        ('graph TD\nA -->|"no | x"| B', "A B", "A>B"),
        (
            "graph TD\nA -- a-b --> B\nA -. c .-> C\nA == d ==> D\nA -- e --- E",
            "A B C D E",
            "A>B A>C A>D A>E",
        ),
        ("graph TD\nA ---->B\nA-...->C\nA====>D", "A B C D", "A>B A>C A>D"),
        ("graph TD\nA ~~~ B --> C", "A B C", "B>C"),
        ("graph TD\nA <--> B", "A B", "A>B B>A"),
        ("graph TD\nA --x B --o C", "A B C", "A>B B>C"),
        ("graph TD\nA\n  x --> B", "A x B", "x>B"),
        ("graph TD\nA(((a))) --> B[/b/] --> C[\\c\\] --> D[/d\\]", "a b c d", "a>b b>c c>d"),
        ("graph TD\nA[f(x)] --> B(g[y])", "f(x) g[y]", "f(x)>g[y]"),
        ('graph TD\nA["x\ny"] --> B["`**bold** z`"]', "x/y bold z", "x>bold z"),
        ('graph TD\nA["50%% off"] --> B %% C', "50%% off B", "50%% off>B"),
        ('graph TD\nA["#35;1 #quot;&amp;#amp;#quot; #9829;"]', '#1 "&&" ♥', ""),
        ('flowchart TD\nA@{ shape: rect, label: "Do it" } --> B@{shape: cyl}', "Do it B", "Do it>B"),
        ("flowchart LR\nA e1@--> B\ne1@{ animate: true }", "A B", "A>B"),
        ("graph TD\nGröße --> 東京", "Größe 東京", "Größe>東京"),
        ("graph TD\nstyle-guide --> title\nstyle title fill:#bbf", "style-guide title", "style-guide>title"),
        (
            "graph TD\none --> two\nsubgraph one\na --> b\nend\nsubgraph two [Second]\nc\nd\nend",
            "a@one b@one c@Second d@Second",
            "b>c b>d a>b",
        ),
        ("graph TD\nsubgraph out\nsubgraph in\na\nend\nend\nout --> z", "a@in z", "a>z"),
        ("graph TD\nsubgraph nobody\nend\nnobody --> z", "nobody z", "nobody>z"),
        ("```mermaid\ngraph TD\nA-->B\n```\n", "A B", "A>B"),
        ("\ufeffgraph TD\r\nA-->B\r\n", "A B", "A>B"),
        ("flowchart-elk TD\nA-->B", "A B", "A>B"),
    ],
)
def test_mermaid_means_what_it_draws(source: str, jobs: str, links: str) -> None:
    assert drawn(source) == (jobs, links)


@pytest.mark.parametrize(
    ("source", "jobs", "links"),
    [
        ("digraph { a -> {b c} -> d }", "a b c d", "a>b a>c b>d c>d"),
        ("digraph { {a; b} -> {c, d} }", "a b c d", "a>c a>d b>c b>d"),
        ("digraph { a -> subgraph cluster_z { b c } }", "a b@z c@z", "a>b a>c"),
        ("digraph { subgraph s { a b } -> c }", "a b c", "a>c b>c"),
        ('digraph { a:p1:n -> b:p2; "c":s -> d }', "a b c d", "a>b c>d"),
        ("digraph { a [label=<<b>Hi</b><br/>app.x &amp; y>]; a -> b }", "Hi/app.x & y b", "Hi>b"),
        ("digraph { a [label=<<TABLE><TR><TD>A</TD><TD>B</TD></TR></TABLE>>] }", "A B", ""),
        ('digraph { a [shape=record label="{<f0> x|<f1> y}"]; a:f0 -> b }', "x y b", "x y>b"),
        ('digraph { node [shape=record] a [label="{x|y}"]; a -> b }', "x y b", "x y>b"),
        ('digraph { subgraph { node [shape=record] a [label="x|y"] } b [label="p|q"] }', "x y p|q", ""),
        ('digraph { node [shape=Mrecord] node [color=red] a [label="{x|y}" shape=box] }', "{x|y}", ""),
        ('digraph { a [label="R&amp;D &lt;1&#62; &notify &nosuch;"] }', "R&D <1> &notify &nosuch;", ""),
        (
            'digraph { a [label="&copyright; &#65b; &#X41; &#' + "9" * 40 + ';"] }',
            "&copyright; &#65b; A &#" + "9" * 40 + ";",
            "",
        ),
        ('digraph { a [label="x" + "y"]; b [label="l\\\n1\\lq \\"\\N\\""] }', 'xy l1/q "b"', ""),
        ('digraph { subgraph cluster_a { a; b; label="Stage 1" } a -> b }', "a@Stage 1 b@Stage 1", "a>b"),
        ("digraph { subgraph cluster_a { graph [label=S]; node [label=no]; a } }", "a@S", ""),
        ("digraph { { rank=same; a; b } a -> c }", "a b c", "a>c"),
        ("/* a\n*/ // b\n# c\nDIGRAPH x /* d */ { NODE [shape=box]; a -> b\n#}\n}", "a b", "a>b"),
        ('strict digraph "my \\"flow\\"" { 1 -> -.5; a.b -> c-d }', "1 -.5 a.b c-d", "1>-.5 a.b>c-d"),
        ("```dot\ndigraph { a -> b }\n```", "a b", "a>b"),
    ],
)
def test_dot_means_what_it_draws(source: str, jobs: str, links: str) -> None:
    assert drawn(source) == (jobs, links)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("graph TD\n  A -> B", "x:2:5: cannot be read from '-> B' on; expected an arrow such as -->"),
        ("graph TD\n  A --> ", "x:2:9: expected a node at the end of the line"),
        ("graph TD\n  A[open --> B", "x:2:4: the label that begins with '[open --> B' does not end; put it in quotes"),
        ("graph TD\n" + "&".join(f"a{i}" for i in range(500)) + "-->" + "&".join(f"b{i}" for i in range(500)),
         "more than 200,000 links; split the flow"),
        ("sequenceDiagram\n  A->>B: hi", "a Mermaid sequenceDiagram is no flow of jobs; only flowcharts can be read"),
        ("stateDiagram-v2\n  a --> b", "a Mermaid stateDiagram is no flow of jobs"),
        ("graph { a -- b }", "x:1:1: an undirected graph does not say what runs first; write digraph"),
        ("strict graph G\n{ a -- b }", "an undirected graph"),
        ("digraph {\n a -- b }", "x:2:4: -- does not say what runs first; write ->"),
        ("digraph {\n a -> b } }", "x:2:11: the graph has ended, and '}' follows"),
        ("digraph {\n a [label=<b> }", "x:2:"),
        ("digraph {" + "{" * 101 + "}" * 102, "more than 100 braces inside of each other"),
        ("digraph { a: }", "expected a name, found '}'"),
        ("digraph { a [label=", "expected a name, found the end"),
    ],
)  # fmt: skip
def test_a_drawing_that_is_no_flow_is_refused_with_its_place(source: str, said: str) -> None:
    with pytest.raises(InvalidFlowFile) as caught:
        read_text(source, "x")
    assert said in str(caught.value)


HOSTILE = [
    "a#35;b",
    "C:\\new",
    'say "hi"',
    "&amp;",
    "&lt;a&#35;b&notin;",
    "R&notify",
    "<b>x</b>",
    "`x`",
    "end",
    "a | b",
    "x" * 256,
    "%%",
    "{<f>}",
]
NAMES = (
    st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40)
    | st.sampled_from(HOSTILE)
).filter(lambda name: name == name.strip() == safe(name))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(NAMES, NAMES, st.none() | NAMES), min_size=1, max_size=6, unique_by=lambda job: job[0])
)
@pytest.mark.parametrize("form", ["mermaid", "dot"])
def test_any_names_are_read_back_from_a_drawing(form: str, made: list[tuple[str, str, str | None]]) -> None:
    draft = Draft()
    jobs = [DraftJob(name, task, group=group) for name, task, group in made]
    draft.insert(jobs, [(i, i + 1) for i in range(len(jobs) - 1)], step="made")
    again = read_text(export(draft, form)).draft
    assert {(job.name, job.task, job.group) for job in again.jobs.values()} == set(made)
    assert {(again.name(up), again.name(down)) for up, down in again.links} == {
        (made[i][0], made[i + 1][0]) for i in range(len(made) - 1)
    }
