"""The README says only what is true: its code runs as printed, its commands, keys and files exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from core.spec import FlowFile, JobSpec, load_flow
from flowtui.actions import BY_ID, key_text
from flowtui.cli import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_code_runs_as_it_is_printed(tmp_path: Path) -> None:
    [code] = blocks("python")
    (tmp_path / "shop.py").write_text(code)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("FLOWTUI_")}
    done = subprocess.run(
        [sys.executable, "shop.py"],
        cwd=tmp_path,
        env={**kept, "FLOWTUI_HOME": str(tmp_path / "h"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("7\n", "", 0)


def test_the_first_screen_has_a_sentence_a_picture_the_commands_and_the_code() -> None:
    first = README.partition("## Use it")[0]
    assert re.search(r"!\[.+\]\(screenshots/live\.svg\)", first)
    assert "make run " in first
    assert "make test " in first
    assert "```python" in first


def test_every_command_in_it_exists_and_every_command_is_in_the_help() -> None:
    for line in "\n".join(blocks("sh")).splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["flowtui"] and len(words) > 1 and not words[1].startswith(("-", "examples/")):
            assert words[1] in COMMANDS, line
        for word in words:
            if word.startswith("examples/") and "*" not in word:
                assert (ROOT / word).exists(), line
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert f"\n{target}:" in makefile, target


def test_its_flow_file_is_one_and_it_names_every_key() -> None:
    [text] = blocks("yaml")
    flow = load_flow(text)
    assert flow.jobs["clean"].upstreams == ["extract"]
    section = README.partition("## Flow files")[2].partition("\n## ")[0]
    for key in JobSpec.model_fields:
        assert key in section, key
    assert {"name", "queue", "defaults", "jobs"} <= set(FlowFile.model_fields)


@pytest.mark.parametrize("row", [line for line in README.splitlines() if re.match(r"\| \w* ?\| `", line)])
def test_every_key_in_it_does_something(row: str) -> None:
    shown = {key_text(key) for action in BY_ID.values() for key in action.keys}
    for key in re.findall(r"`([^`]+)`", row.split("|")[2]):
        assert key in shown, f"`{key}` is no key of any action"


def test_every_link_leads_somewhere() -> None:
    for page in (README, (ROOT / "CONTRIBUTING.md").read_text(), (ROOT / "CHANGELOG.md").read_text()):
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page):
            assert (ROOT / target).exists(), target
        for target in re.findall(r"`((?:core|tests|flowtui|examples|benchmarks)/[\w./-]*)`", page):
            assert (ROOT / target).exists(), target


def test_the_pictures_are_of_this_app_and_name_no_place_on_the_net() -> None:
    for name in ("live", "compose", "queues"):
        picture = (ROOT / "screenshots" / f"{name}.svg").read_text(encoding="utf-8")
        assert "Compose" in picture
        assert "etl" in picture
        assert "@font-face" not in picture
        assert not re.search(r"url\([\"']?http", picture)
