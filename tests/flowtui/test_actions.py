"""The registry: one key, one meaning; everything reachable; nothing cut off in the footer."""

from __future__ import annotations

import pytest

from flowtui.actions import ACTIONS, BY_ID, bindings, check_keys, footer, here, key_text
from flowtui.app import FlowtuiApp
from flowtui.screens.compose import ComposeScreen
from flowtui.widgets.bars import fitting

CONTEXTS = ("compose", "connect", "live", "queues")


@pytest.mark.parametrize("context", CONTEXTS)
def test_a_key_means_one_thing_in_a_context(context: str) -> None:
    taken: dict[str, str] = {}
    for action in here(context):
        for key in action.keys:
            if action.bound:
                assert taken.setdefault(key, action.id) == action.id, f"{key}: {taken[key]} and {action.id}"


def test_ids_are_unique_and_sentences_have_no_full_stop() -> None:
    assert len(BY_ID) == len(ACTIONS)
    for action in ACTIONS:
        assert action.help
        assert action.help[0].isupper()
        assert not action.help.endswith(".")
        assert len(action.help) <= 90, action.help


def test_every_bound_action_of_compose_exists() -> None:
    for action in ACTIONS:
        if not action.bound or not ({"compose", "connect", "everywhere"} & set(action.where)):
            continue
        call = action.action.partition("(")[0]
        owner: type = FlowtuiApp if call.startswith("app.") else ComposeScreen
        assert hasattr(owner, f"action_{call.removeprefix('app.')}"), action.id


def test_bindings_carry_ids_so_that_keys_can_be_changed() -> None:
    ids = {binding.id for binding in bindings("compose")}  # type: ignore[union-attr]
    assert "compose.add" in ids
    assert "compose.move" not in ids


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_footer_shows_whole_entries_and_always_help(context: str, width: int) -> None:
    entries = [(key_text(a.keys[0]), a.name, None) for a in footer(context)]
    shown = fitting(entries, width)
    assert shown.cell_length <= width
    assert shown.plain.endswith("? help")
    whole = {f"{key} {name}" for key, name, _ in entries}
    assert all(part.strip() in whole for part in shown.plain.strip().split("  "))


def test_read_only_offers_nothing_that_changes_the_engine() -> None:
    for context in CONTEXTS:
        assert not any(action.mutates for action in here(context, read_only=True))


def test_a_key_map_is_checked_with_a_suggestion() -> None:
    assert check_keys({"compose.add": "n2"}) == []
    assert check_keys({"compose.ad": "b"}) == [
        "no action is called 'compose.ad'; did you mean 'compose.add'?"
    ]
    assert "given to both" in check_keys({"compose.add": "d"})[0]
    assert "cannot be changed" in check_keys({"compose.move": "b"})[0]


def test_keys_read_as_people_write_them() -> None:
    assert [key_text(key) for key in ("question_mark", "ctrl+s", "ctrl+slash", "pageup", "a")] == [
        "?",
        "ctrl+s",
        "ctrl+/",
        "pgup",
        "a",
    ]
