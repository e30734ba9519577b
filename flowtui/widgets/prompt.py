"""One line at the bottom to type into, with what it could become above it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from flowtui.actions import key_text
from flowtui.scrolled import SideBySide, Steady
from flowtui.widgets.bars import FooterBar
from flowtui.widgets.choice import ChoiceList, Row


@dataclass(slots=True)
class Question:
    """What a prompt asks for.

    take     called with what was typed when enter is pressed; answers with why it will not do, or None
    suggest  the lines to show for what is typed so far
    complete what the text becomes when a suggestion is taken over with tab (or picked with the arrows)
    changed  called at every change, for a preview; answers with a note shown beside, or an empty string
    closed   called when the prompt is left without an answer
    """

    label: str
    take: Callable[[str], str | None]
    value: str = ""
    placeholder: str = ""
    hint: str = ""
    suggest: Callable[[str], Sequence[Row]] | None = None
    complete: Callable[[str, str], str] | None = None
    changed: Callable[[str], str] | None = None
    closed: Callable[[], None] | None = None


class TypedLine(Input):
    """Takes the keys of the prompt in their place among the letters, and nothing once it has lost the focus.

    A binding would be found only when the key has bubbled up to the app: after the letters that were typed behind it.
    """

    def watch_has_focus(self, has_focus: bool) -> None:
        # Of a prompt that closes nothing is seen: how it would look without the keyboard need not be found.
        if has_focus or self.query_ancestor(Prompt).is_open:
            super().watch_has_focus(has_focus)

    def _on_key(self, event: events.Key) -> None:  # type: ignore[override]
        if self.screen.focused is not self:
            event.prevent_default()  # it goes on to where the focus is now
        elif self.query_ancestor(Prompt).take_key(event.key) or self._is_of_the_screen(event):
            event.prevent_default()
            event.stop()

    def _is_of_the_screen(self, event: events.Key) -> bool:
        """Whether a key would do something to what is behind; it is told that it does not."""
        if event.is_printable or event.key in self._bindings.key_to_bindings:
            return False
        for binding in self.screen._bindings.key_to_bindings.get(event.key, ()):
            if self.screen.check_action(binding.action.partition("(")[0], ()) is False:
                self.query_ancestor(Prompt).refuse(f"{key_text(event.key)} waits until esc closes this line")
                return True
        return False

    def _on_blur(self, event: events.Blur) -> None:
        super()._on_blur(event)
        # Another widget was clicked. When another window of the terminal is, nothing has the focus.
        if self.screen.focused not in (None, self):
            self.query_ancestor(Prompt).leave()


class Label(Steady, Static):
    """What is asked for."""


class Note(Steady, Static):
    """What is worth knowing about what was typed."""


class Prompt(Steady, Vertical):
    """Asks one question at a time; hidden in between."""

    DEFAULT_CSS: ClassVar[str] = """
    Prompt {
        layer: above; dock: bottom; height: auto; background: $surface; display: none;
    }
    Prompt ChoiceList { max-height: 7; background: $surface; display: none; border-top: solid $border; }
    Prompt.-suggesting ChoiceList { display: block; }
    Prompt #note { height: auto; max-height: 3; padding: 0 1; color: $foreground-muted; border-top: solid $border; }
    Prompt.-suggesting #note { border-top: none; }
    Prompt.-wrong #note { color: $error; }
    Prompt #line { height: 1; background: $background; }
    Prompt #label { width: auto; padding: 0 1; color: $primary; text-style: bold; }
    Prompt Input { width: 1fr; padding: 0; }
    """

    class Closed(Message):
        """The prompt is gone, with or without an answer."""

    def __init__(self) -> None:
        super().__init__(id="prompt")
        self.question: Question | None = None
        self._picked = False
        self._before: Widget | None = None
        self._shown = ""
        """The text that the suggestions are for."""

    def compose(self) -> ComposeResult:
        yield ChoiceList(most=6)
        yield Note(id="note", markup=False)
        with SideBySide(id="line"):
            yield Label(id="label", markup=False)
            yield TypedLine(select_on_focus=False)
        yield FooterBar(only=(("enter", "take it"), ("tab", "complete"), ("↑↓", "pick"), ("esc", "back")))

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return self.question is not None

    def ask(self, question: Question) -> None:
        """Show the question and take the keyboard."""
        self.question = question
        _tell(self.query_one("#label", Label), question.label)
        line = self.query_one(Input)
        line.placeholder = question.placeholder
        with line.prevent(Input.Changed):
            line.value = question.value
        line.cursor_position = len(question.value)
        keys = [("enter", "take it"), ("esc", "back")]
        if question.suggest is not None:
            keys[1:1] = [("tab", "complete"), ("↑↓", "pick")]
        self.query_one(FooterBar).only = tuple(keys)
        self.display = True  # not by a class: all that is inside would be styled anew
        # Not line.focus(), which waits: the next key may be on its way already.
        if self.screen.focused is not line:
            self._before = self.screen.focused
        self.screen.set_focus(line)
        self._show(question.value)

    def close(self) -> None:
        """Hide, and give the keyboard back."""
        self.question = None
        self.display = False
        self.screen.set_focus(self._before)
        self.post_message(self.Closed())

    @on(Input.Changed)
    def _changed(self, event: Input.Changed) -> None:
        event.stop()
        if self.question is not None and event.value != self._shown:
            self._show(event.value)

    def _show(self, typed: str) -> None:
        question = self.question
        assert question is not None
        self._picked = False
        self._shown = typed
        note = question.changed(typed) if question.changed is not None else ""
        self._note(note or question.hint, wrong=False)
        rows = list(question.suggest(typed))[:50] if question.suggest is not None else []
        choice = self.query_one(ChoiceList)
        self.set_class(bool(rows), "-suggesting")
        choice.show(rows)
        choice.cursor = -1
        choice.scroll_to(y=0, animate=False, immediate=True)  # nothing is chosen: the best come first

    def _note(self, text: str, *, wrong: bool) -> None:
        self.set_class(wrong, "-wrong")
        _tell(self.query_one("#note", Static), f"✗ {text}" if wrong else text)

    def _keep_up(self) -> None:
        """The suggestions are those for what is typed now, although its message may still be on the way."""
        typed = self.query_one(Input).value
        if self.question is not None and typed != self._shown:
            self._show(typed)

    def step(self, by: int) -> None:
        """Move among the suggestions."""
        self._keep_up()
        choice = self.query_one(ChoiceList)
        if not choice.rows:
            return
        if choice.cursor < 0:
            choice.cursor = 0 if by > 0 else len(choice.rows) - 1
        else:
            choice.step(by)
        self._picked = True

    def complete(self) -> None:
        """Take a suggestion over into the line."""
        self._keep_up()
        choice = self.query_one(ChoiceList)
        question = self.question
        if question is None or not choice.rows:
            return
        row = choice.rows[max(choice.cursor, 0)]
        line = self.query_one(Input)
        line.value = question.complete(line.value, row.id) if question.complete else row.id
        line.cursor_position = len(line.value)

    def take_key(self, key: str) -> bool:
        """Do what a key means here; False for one that the line may have."""
        match key:
            case "enter":
                self.take(self.query_one(Input).value)
            case "escape":
                self.leave()
            case "tab":
                self.complete()
            case "shift+tab":
                pass  # there is nothing else to go to
            case "down" | "ctrl+n":
                self.step(1)
            case "up" | "ctrl+p":
                self.step(-1)
            case _:
                return False
        return True

    def take(self, typed: str) -> None:
        """Take `typed`, or what was picked, as the answer; where it will not do, say why and stay."""
        question = self.question
        if question is None:
            return
        self._keep_up()
        choice = self.query_one(ChoiceList)
        if self._picked and choice.chosen:
            typed = question.complete(typed, choice.chosen) if question.complete else choice.chosen
        wrong = question.take(typed.strip())
        if wrong is not None:
            self._note(wrong, wrong=True)
        elif self.question is question:
            self.close()

    def refuse(self, text: str) -> None:
        """Say why something was not done."""
        self._note(text, wrong=True)

    def leave(self) -> None:
        """Close without an answer, if it is open."""
        question = self.question
        if question is None:
            return
        self.close()
        if question.closed is not None:
            question.closed()

    @on(ChoiceList.Chosen)
    def _clicked(self, event: ChoiceList.Chosen) -> None:
        event.stop()
        self._picked = True
        self.take(self.query_one(Input).value)


def _tell(widget: Static, text: str) -> None:
    """Show text; the screen is laid out for it only where it is another."""
    if str(widget.content) != text:
        widget.update(Content(text))
