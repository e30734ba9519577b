"""How a key reaches what it is meant for: the user's own keys, and one key after the other."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

from textual import events
from textual.app import App
from textual.screen import Screen
from textual.widget import Widget

from flowtui.actions import BY_ID, EVERYWHERE, Action, key_text

KEY_TURNS: Final = (100, 500)
"""Turns of the event loop that a key may hold up the next one: so many at once, then so many a millisecond apart. Not
seconds: a machine busy elsewhere for one, or a window slow to open, must not let a key overtake the one before it."""


class KeyedApp(App[None]):
    """An app whose keys do what they would do if each were typed after the last one had its effect.

    keys  other keys for actions, by their ids
    """

    def __init__(self, keys: Mapping[str, str] | None = None) -> None:
        super().__init__()
        if keys:
            self.set_keymap(dict(keys))
        self._keys = dict(keys or {})
        self._key: events.Key | None = None
        """The key that was sent last, until it has come back; `_aim` is what had the focus then."""
        self._aim: tuple[Screen[Any], Widget | None] | None = None
        self._waiting: deque[events.Key] = deque()
        self._waiter: asyncio.Task[None] | None = None

    def keys_of(self, action: Action) -> tuple[str, ...]:
        """The keys of an action as they are now."""
        own = self._keys.get(action.id)
        return tuple(key.strip() for key in own.split(",")) if own else action.keys

    def told(self, text: str, *where: str) -> str:
        """A sentence of ours, with the keys that the user has given to the actions of `where` for those it names.

        A key stands where the way out is told: behind a mark, a word that leads to it, or two blanks.
        """
        own = {
            key_text(action.keys[0]): key_text(self.keys_of(action)[0])
            for id in self._keys
            if (action := BY_ID.get(id)) and (set(action.where) & {*where, EVERYWHERE})
        }
        if not own:
            return text
        keys = "|".join(map(re.escape, own))
        # What follows says what it does; of a path, `cycle: a → b`, nothing is a key.
        leads, follows = r"([;:,·] |  |\b(?:with|then) )", r"(?= [a-z]|[,)]|$)"
        return re.sub(rf"{leads}({keys}){follows}", lambda found: found[1] + own[found[2]], text)

    async def on_event(self, event: events.Event) -> None:
        """Keys one after the other: the next is sent when the last has had its effect.

        Textual sends every key at once to what has the focus; of `a` and a name typed quickly, the first letters of the
        name would be taken for commands, because `a` has not yet opened the line they are meant for.
        """
        if not isinstance(event, events.Key):
            await super().on_event(event)
            return
        if not self._screen_stack:  # the app is closing: for nobody
            return
        # Of Live and Queues, which are loaded when somebody goes there.
        getattr(self.screen, "pressed", bool)()
        if event.is_forwarded:  # nobody took it, it is back
            await super().on_event(event)
            if self._key is event:
                self._key = None
        elif self._waiting or self._key_flies():
            self._waiting.append(event)
            if len(self._waiting) == 1:
                self._waiter = asyncio.create_task(self._send_waiting(), name="flowtui keys")
        else:
            await self._send(event)

    def _key_flies(self) -> bool:
        """Whether the last key is still on its way."""
        return self._key is not None and not self._key._stop_propagation

    async def _send(self, event: events.Key) -> None:
        self._key = event
        self._aim = (self.screen, self.focused)
        event._sender = None  # with the app as sender it would count as stopped before it is back
        await super().on_event(event)
        if not event.is_forwarded:  # a binding with priority took it
            self._key = None

    async def _send_waiting(self) -> None:
        while self._waiting:
            at_once, then = KEY_TURNS
            for turn in range(at_once + then):  # a widget that takes a key tells nobody
                if not self._key_flies():
                    break
                await asyncio.sleep(0 if turn < at_once else 0.001)
            event = self._waiting[0]
            await self._send(event)
            self._waiting.popleft()

    async def _on_key(self, event: events.Key) -> None:
        """A key that nobody took: where the focus has moved meanwhile (a window has opened), it goes there."""
        if event is not self._key or self._aim == (self.screen, self.focused):
            # App's own handler, which looks for a binding, follows by itself; but not below a window.
            if self.screen.is_modal and event.key in self.keys_of(BY_ID["app.quit-now"]):
                event.prevent_default()
                await self.action_quit()
            return
        event.prevent_default()
        again = events.Key(event.key, event.character)
        again._sender = None
        self._key = again
        self._aim = (self.screen, self.focused)
        if await self._check_bindings(again.key, priority=True):
            self._key = None
        else:
            (self.focused or self.screen)._forward_event(again)
