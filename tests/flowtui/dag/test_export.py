"""What other tools are given."""

import json
import re
import xml.etree.ElementTree as ET

from dag_corpus import airflow_groups, etl

from flowtui.dag.export import to_json, to_svg
from flowtui.dag.graph import GraphModel, Look, Node
from flowtui.dag.layout import layout

HOSTILE = GraphModel(
    {
        "a": Node("a", 'quote " and \\ back'),
        "b": Node("b", "] --> x[<script>"),
        "c": Node("c", "end"),
    },
    [("a", "b"), ("b", "c"), ("b", "gone")],
    {"c": 'group "1"'},
)


def test_json_comes_back_as_it_went():
    data = json.loads(to_json(airflow_groups()))
    assert [(link["source"], link["target"]) for link in data["links"]] == airflow_groups().links
    assert {node["id"]: node.get("group", "") for node in data["nodes"]}["s2.task_1"] == "s2"


def test_svg_is_well_formed_and_holds_every_label():
    drawn = layout(HOSTILE)
    root = ET.fromstring(to_svg(drawn, {"a": Look("✗", "failed", "failed")}))
    texts = [element.text or "" for element in root.iter() if element.tag.endswith("text")]
    assert texts == ["✗", "quote", '"', "and", "\\", "back", "○", "]", "-->", "x[<script>", "○", "end"]
    shapes = [element.attrib["d"] for element in root.iter() if element.tag.endswith("path")]
    assert len(shapes) == 4  # lines of three colours, and the heads of the arrows


def test_a_window_of_a_picture_holds_what_is_in_it_and_nothing_else():
    drawn = layout(etl())
    box = drawn.boxes["dim_customer"]
    root = ET.fromstring(to_svg(drawn, window=(box.x - 3, box.y, box.w + 4, box.h)))
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert texts == ["○", "dim_customer"]
    columns = box.w + 6  # with a margin of one cell at each side
    assert root.attrib["width"] == f"{columns * 8.4:.0f}"
    for element in root.iter():
        for x in re.findall(r"M([\d.-]+) ", element.attrib.get("d", "")):
            assert 0 <= float(x) <= columns * 8.4
