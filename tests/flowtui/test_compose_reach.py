"""Nothing in Compose is out of reach, nothing is refused without the next key: read off the tables and the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from compose_kit import composing, settled, text, type_text, until
from textual.pilot import Pilot
from textual.widgets import Input

from flowtui import actions
from flowtui.actions import COMPOSE, here, key_text
from flowtui.changes import DraftJob
from flowtui.dag.widget import GraphCanvas
from flowtui.draft import Draft
from flowtui.screens.compose import ComposeScreen
from flowtui.screens.help import HelpScreen, PaletteScreen
from flowtui.screens.submit import SubmitScreen
from flowtui.widgets.bars import FooterBar
from flowtui.widgets.choice import ChoiceList
from flowtui.widgets.outline import Outline
from flowtui.widgets.prompt import Prompt

BOUND = [action for action in COMPOSE if action.bound]


def spied(screen: ComposeScreen, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the actions that are run from now on, in place of what they do."""
    ran: list[str] = []
    for action in BOUND:
        monkeypatch.setattr(
            screen, f"action_{action.action}", lambda name=action.action: ran.append(name), raising=True
        )
    return ran


async def test_every_key_of_every_action_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with composing() as (pilot, screen):
        ran = spied(screen, monkeypatch)
        for action in BOUND:
            for key in action.keys:
                ran.clear()
                await pilot.press(key)
                await until(pilot, lambda: ran != [])
                assert ran == [action.action], (key, action.id)


def test_keys_that_the_picture_takes_itself_are_keys_of_the_picture_and_of_the_outline() -> None:
    def keys_of(widget: type[GraphCanvas] | type[Outline]) -> set[str]:
        return {key for binding in widget.BINDINGS for key in binding.key.split(",")}  # type: ignore[union-attr]

    for action in COMPOSE:
        if not action.bound:
            assert set(action.keys) <= keys_of(GraphCanvas), action.id
            assert set(action.keys) <= keys_of(Outline), action.id


async def test_the_palette_finds_every_action_by_its_name_and_does_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with composing() as (pilot, screen):
        ran = spied(screen, monkeypatch)
        await pilot.press("colon")
        await until(pilot, lambda: isinstance(pilot.app.screen, PaletteScreen))
        palette = pilot.app.screen
        assert isinstance(palette, PaletteScreen)
        for action in here("compose"):
            found = [row.id for row in palette.found(action.name)]
            assert action.id in found[:3], (action.name, found[:5])
            shown = next(row for row in palette.all_rows if row.id == action.id)
            assert shown.right.split()[:1] == [key_text(key) for key in action.keys[:1]]
        await type_text(pilot, "cut the cycle")
        await pilot.press("enter")
        await until(pilot, lambda: ran == ["cut_cycle"])
        for action in BOUND:
            ran.clear()
            await screen.flowtui.action_do(action.id)
            assert ran == [action.action]


async def test_the_mouse_alone_reaches_every_action(monkeypatch: pytest.MonkeyPatch) -> None:
    """`? help` in the footer is clicked, then a line of the window; every action has a line there."""
    async with composing((120, 60)) as (pilot, screen):
        ran = spied(screen, monkeypatch)
        for wanted in ("compose.group", "compose.turn", "compose.back"):
            ran.clear()
            await settled(pilot)
            await click_text(pilot, "? help")
            await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
            await settled(pilot)
            choice = pilot.app.screen.query_one(ChoiceList)
            rows = {row.id: i for i, row in enumerate(choice.rows) if row.id}
            assert {action.id for action in here("compose") if action.keys} <= rows.keys()
            assert "app.palette" in rows  # which has the actions without a key as well
            choice.scroll_to(0, rows[wanted] - 3, animate=False, immediate=True)
            await settled(pilot)
            await pilot.click(ChoiceList, offset=(6, rows[wanted] - choice.scroll_offset.y))
            await until(pilot, lambda: ran != [])
            assert ran == [actions.BY_ID[wanted].action]


async def click_text(pilot: Pilot[None], words: str) -> None:
    """Click the first cell of some words in the footer."""
    footer: Any = next(bar for bar in pilot.app.screen.query(FooterBar) if bar.region.height)
    line = text(pilot).splitlines()[footer.region.y]
    await pilot.click(offset=(line.index(words), footer.region.y))


async def test_the_keys_at_the_foot_of_a_window_can_be_clicked() -> None:
    draft = Draft()
    draft.add("app.join", upstream=[draft.add("app.fetch")])
    async with composing(draft=draft) as (pilot, screen):
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, SubmitScreen))
        await click_text(pilot, "d dry run")
        await until(pilot, lambda: "would run in 2 steps" in text(pilot))
        await pilot.press("q")  # a field with the focus takes no letter of it
        await click_text(pilot, "d dry run")
        await settled(pilot)
        assert pilot.app.screen.query_one("#queue", Input).value == "default"
        await click_text(pilot, "esc leave the field")
        await until(pilot, lambda: "esc back" in text(pilot))
        await click_text(pilot, "esc back")
        await until(pilot, lambda: pilot.app.screen is screen)
        await pilot.press("e")
        await until(pilot, lambda: pilot.app.screen is not screen)
        await click_text(pilot, "ctrl+s save")
        await until(pilot, lambda: pilot.app.screen is screen)
        await pilot.press("a")
        await until(pilot, lambda: "esc back" in text(pilot))
        await click_text(pilot, "esc back")
        await until(pilot, lambda: "esc back" not in text(pilot))


@pytest.mark.parametrize("size", [(80, 12), (60, 16), (40, 12), (34, 10), (120, 16)])
async def test_in_a_small_pane_windows_keep_their_keys_and_all_else_can_be_scrolled_to(
    size: tuple[int, int],
) -> None:
    draft = Draft()
    names = ["first", *(f"a job with a long name {i}" for i in range(9)), *(f"then {i}" for i in range(8))]
    jobs = [DraftJob(name, "app.work", ["the arguments"]) for name in names]
    draft.insert(jobs, [(0, i) for i in range(1, 10)] + [(i, i + 1) for i in range(9, 17)], step="begin")
    async with composing(size, draft=draft) as (pilot, _):
        await pilot.press("s")
        await until(pilot, lambda: "queue" in text(pilot) and "enter submit" in text(pilot))
        seen = ""
        for _ in range(40):
            seen += text(pilot)
            assert "enter submit" in text(pilot)
            assert "esc back" in text(pilot)
            await pilot.press("pagedown")
        for what in ("app.work", "volatile", "longest chain", "widest level", "✓ acyclic"):
            assert what in seen, what
        await pilot.press("escape", "e")
        await until(pilot, lambda: "ctrl+s save" in text(pilot))
        assert '["the arguments"]' in text(pilot)
        await pilot.press("tab")
        await until(pilot, lambda: "{}" in text(pilot))
        await pilot.press("tab")
        await until(pilot, lambda: "name       " in text(pilot))
        assert "ctrl+s save" in text(pilot)
        assert "esc back" in text(pilot)


async def test_the_footer_does_what_it_says_when_it_is_clicked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with composing() as (pilot, screen):
        await settled(pilot)
        ran = spied(screen, monkeypatch)
        for words, wanted in (("a add", "add"), ("x cut", "cut"), ("s submit", "submit"), ("u undo", "undo")):
            ran.clear()
            await click_text(pilot, words)
            await until(pilot, lambda: ran != [])
            assert ran == [wanted]


async def test_no_key_is_without_effect_on_the_empty_screen() -> None:
    """Something is seen to happen, or it is said why nothing does."""
    quiet = {"compose.back", "compose.fit"}  # nothing to take back, nothing to fit
    async with composing() as (pilot, screen):
        for action in BOUND:
            if action.id in quiet:
                continue
            screen.quiet()
            await settled(pilot)
            before = text(pilot)
            await pilot.press(action.keys[0])
            try:
                await until(pilot, lambda before=before: text(pilot) != before, tries=300)
            except AssertionError:
                pytest.fail(f"{action.keys[0]} ({action.id}) does nothing, and says nothing")
            while pilot.app.screen is not screen:
                await pilot.press("escape")
            if screen.query_one(Prompt).is_open:
                await pilot.press("escape")


# ---- refusals --------------------------------------------------------------------------------------------------------

SCREENS = Path(actions.__file__).parent / "screens"
PARTS = ("building", "linking", "compose", "composing", "exchanging", "filing", "submit", "template", "edit")
KEYS = {key_text(key) for action in here("compose") for key in action.keys}
KEYS |= {"enter", "esc", "--read-only", "EDITOR"}


def refusals() -> Iterator[tuple[str, str]]:
    """(place, sentence) of every refusal in the source of Compose; what is only known at run time is `…`."""
    for part in PARTS:
        for call in ast.walk(ast.parse((SCREENS / f"{part}.py").read_text())):
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in ("refuse", "_step"):
                for words in sentences(call.args[-1]):
                    yield f"{part}.py:{call.lineno}", words


def sentences(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(words)):
            yield words
        case ast.JoinedStr(values=values):
            yield "".join(str(v.value) if isinstance(v, ast.Constant) else "…" for v in values)
        case ast.IfExp(body=body, orelse=orelse):
            yield from sentences(body)
            yield from sentences(orelse)
        # Anything else are the words of the engine or of a file, which name the thing and the way out themselves.


def names_a_key(words: str) -> bool:
    """Whether a key stands where the way out is told: after a mark of punctuation, or a word that leads to it."""
    found = re.findall(r"(?:[;:,·(] ?|\b(?:with|then|and|set|without) )(\S+)", words)
    return any(word.rstrip(",.;)") in KEYS for word in found) or "… again" in words


def test_every_refusal_names_the_next_key() -> None:
    found = list(refusals())
    assert len(found) > 25
    assert [f"{place}: {words}" for place, words in found if not names_a_key(words)] == []


def test_the_test_of_refusals_can_fail() -> None:
    assert not names_a_key("there is a draft already")
    assert not names_a_key("nothing to undo")
    assert names_a_key("nothing to undo; ctrl+r does again what was undone")
    assert names_a_key("mark where it starts with space, go to where it ends, then V")
