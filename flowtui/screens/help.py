"""Two windows over the registry of actions: the keys that work here, and every command by its name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from flowtui.actions import Action, key_text
from flowtui.screens.pick import PickScreen
from flowtui.widgets.choice import Row

if TYPE_CHECKING:
    from flowtui.app import FlowtuiApp

WHERE = {"compose": "Compose", "connect": "connecting", "live": "Live", "queues": "Queues"}


class HelpScreen(PickScreen):
    """The keys that work here, by what they are for; enter does the one under the cursor."""

    def __init__(self, actions: Sequence[Action], context: str) -> None:
        super().__init__(
            f"Keys · {WHERE.get(context, context)}",
            [],
            placeholder="type to find a key or a word",
            hint="enter does it · ↑↓ pgdn move · esc closes",
        )
        self.actions = actions

    def on_mount(self) -> None:
        app = cast("FlowtuiApp", self.app)
        groups: dict[str, list[Row]] = {}
        for action in self.actions:
            keys = app.keys_of(action)
            if not keys:
                continue
            shown = " ".join(key_text(key) for key in keys)
            groups.setdefault(action.group, []).append(
                Row(action.id, shown, action.help, style="bold $primary")
            )
        rows: list[Row] = []
        for group, members in groups.items():
            rows.append(Row("", group))
            rows.extend(members)
        self.all_rows = rows
        super().on_mount()

    def found(self, wanted: str) -> list[Row]:
        """By the key itself where it is one, else by the words of the sentence."""
        if not wanted:
            return self.all_rows
        rows = [row for row in self.all_rows if row.id]
        low = wanted.casefold()
        keys = [row for row in rows if wanted in row.label.split()]
        words = [row for row in rows if low in row.detail.casefold() or low in row.id]
        return list(dict.fromkeys((*keys, *words)))


class PaletteScreen(PickScreen):
    """Every command that applies here, by name, with its key."""

    def __init__(self, actions: Sequence[Action]) -> None:
        super().__init__("Commands", [], placeholder="type a command")
        self.actions = actions

    def on_mount(self) -> None:
        app = cast("FlowtuiApp", self.app)
        self.all_rows = [
            Row(
                action.id,
                action.name,
                action.help,
                " ".join(key_text(key) for key in app.keys_of(action)[:2]),
            )
            for action in self.actions
        ]
        super().on_mount()
