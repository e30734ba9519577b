"""Mermaid and DOT as people and programs write them: read whole, or refused with a place."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InvalidFlowFile
from flowtui.changes import DraftJob
from flowtui.cli.flows import graph_command
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
        ("flowchart LR\nA --> B\nL_A_B_0@{ animation: fast }", "A B", "A>B"),
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
        ('%%{init: {\n  "theme": "x"\n}}%%\ngraph TD\nA-->B', "A B", "A>B"),
        ("graph lr\nA-->B", "A B", "A>B"),
        ("graph TD\naccTitle: jobs; nightly\nA-->B", "A B", "A>B"),
        ("graph TD\nA@{ shape: rect, label: 'it works' }", "it works", ""),
        (
            "graph TD\nA[Fetch<br/>from S3<br/>nightly] --> B",
            "Fetch from S3 nightly B",
            "Fetch from S3 nightly>B",
        ),
        ("graph TD\nsubgraph x\na\nend\nsubgraph x\nb\nend\nx --> c", "a@x b@x c", "a>c b>c"),
        ('graph TD\nA["#55296;"] --> B', "\ufffd B", "\ufffd>B"),
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
        ("digraph {\n  # extract, then load\n  a -> b\n}", "a b", "a>b"),
        (
            "digraph { a -> b [dir=back]; c -> d [dir=both]; e -> f [dir=none] }",
            "a b c d e f",
            "b>a c>d d>c e>f",
        ),
        (
            "digraph { edge [dir=back]; a -> b -> c; { edge [dir=forward]; d -> e } f -> g }",
            "a b c d e f g",
            "b>a c>b d>e g>f",
        ),
        ('digraph "a" + "b" { a -> b }', "a b", "a>b"),
        (
            'digraph { subgraph cluster_A { a label="Big A" } subgraph cluster_A { b } }',
            "a@Big A b@Big A",
            "",
        ),
        ('digraph { "//x:y\\n//x:z" -> b }', "//x:y///x:z b", "//x:y>b"),
        ("digraph <x> { a -> b }", "a b", "a>b"),
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
        ("digraph { a -> b /* todo\n c -> d }", "x:1:18: the comment that begins with /* does not end"),
        ("digraph { a - b }", "x:1:13: '-' is no name; put it in quotes, and write -> for a link"),
        ("graph xx\nA-->B", "x:1:7: 'xx' is no direction; it is one of TB, TD, BT, RL, LR"),
        ("graph TDA\nA-->B", "'TDA' is no direction"),
        ("graph TD\nsubgraph x\nA-->B", "x:3:6: 1 subgraph not ended; the last line is end"),
        ("graph TD\nA-->B\nend", "x:3:1: this end belongs to no subgraph"),
        ("graph TD\nsubgraph A\nA --> B\nend", "'B' is inside of 'A' and linked with it"),
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


@pytest.mark.parametrize("form", ["mermaid", "dot"])
@pytest.mark.parametrize("command", [True, False])
def test_a_drawing_keeps_tasks_whoever_writes_it(form: str, command: bool, tmp_path: Path) -> None:
    """The command line and the app write the same."""
    path = tmp_path / "a.yaml"
    path.write_text("jobs: {a: {task: app.a, group: g}, b: {run: make -j4, depends_on: [a]}}")
    if command:
        done = CliRunner().invoke(graph_command, [str(path), "-f", form, "-d", "TB"])
        text = done.output
        assert ("flowchart TB" if form == "mermaid" else "rankdir=TB") in text
    else:
        text = export(read_text(path.read_text()).draft, form)
    assert drawn(text) == ("b/shell a/app.a@g", "a>b")


def test_dot_that_is_written_can_be_read_by_dot() -> None:
    found = Path(sys.executable).with_name("graphviz-pure")
    command = str(found) if found.exists() else shutil.which("dot")
    assert command is not None
    draft = Draft()
    names = ['quote " and \\ back', "] --> x[<script>", "end", "&lt; R&D", "two\nlines"]
    jobs = [DraftJob(name, "app.x", group=None if i else 'group "1"') for i, name in enumerate(names)]
    draft.insert(jobs, [(i, i + 1) for i in range(len(jobs) - 1)], step="made")
    text = export(draft, "dot")
    done = subprocess.run(
        [command, "-Kdot", "-Tplain"], input=text, capture_output=True, text=True, check=True
    )
    assert len(re.findall(r"^node ", done.stdout, re.MULTILINE)) == len(names)


@pytest.mark.parametrize(
    "text",
    [
        "digraph" + " /*a*/" * 40 + " x",
        "digraph {" + "/*a*/" * 5000 + "a -> b",
        "graph TD\n" + "\n".join(f"a{i}[/etc/x] --> b{i}" for i in range(6000)),
        "graph TD\n" + "\n".join(f"a{i}[" for i in range(6000)),
        "graph TD\n" + "%%{" * 6000,
    ],
    ids=["comments before a brace", "comments", "slanted labels", "labels without an end", "directives"],
)
def test_no_text_takes_for_ever(text: str) -> None:
    """Beside reading a plain drawing of the same length, so that a busy machine does not matter."""

    def seconds(text: str) -> float:
        begun = time.process_time()
        with contextlib.suppress(InvalidFlowFile):
            read_text(text)
        return time.process_time() - begun

    plain = "graph TD\n" + "a --> b\n" * max(len(text) // 8, 5000)
    assert seconds(text) < 20 * seconds(plain)


@pytest.mark.parametrize("text", ['digraph { "" }', 'digraph { "" -> a; " " }', 'graph TD\nA[" "] --> B'])
def test_a_node_without_a_name_is_a_job_with_one(text: str) -> None:
    assert all(job.name.strip() and key for key, job in read_text(text).draft.jobs.items())
