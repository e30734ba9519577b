"""Compose: what goes out and comes in as text: export, clipboard, paste, $EDITOR."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from textual import events
from textual.app import SuspendNotSupported
from textual.widgets import Input

from core.errors import FlowError
from flowtui.changes import DEFAULT_NAME, DraftJob
from flowtui.draft import Draft, DraftError
from flowtui.keeping import write
from flowtui.paths import slug, typed_path, why_not
from flowtui.screens.composing import LARGE, Composing
from flowtui.screens.pick import PickScreen, Row
from flowtui.text import counted, safe
from flowtui.widgets.prompt import Question

if TYPE_CHECKING:
    from core.spec import FlowFile
    from flowtui.importing import Imported

KEPT_LINKS: Final = "What these jobs wait for outside of this text stays as it is; c and x link and cut."
"""Said in the text of jobs that is edited, where their links to others are not shown."""


class Exchanging(Composing):
    """Export, copy, paste, edit as text."""

    register: Draft | None = None
    """The jobs copied last."""
    unread: tuple[str, str] | None = None
    """A text as it was given to the editor and as it came back, when it could not be taken over."""

    # ---- out ---------------------------------------------------------------------------------------------------------

    def action_export(self) -> None:
        """Choose a form and where it goes."""
        from flowtui.exporting import FORMS

        if not self.draft.jobs:
            self.refuse("there is nothing to export yet; a adds a job")
            return
        rows = [Row("", "To a file")]
        rows += [Row(f"file {form}", name, about) for form, (name, about) in FORMS.items()]
        rows.append(Row("", "To the clipboard"))
        rows += [Row(f"copy {form}", name, about) for form, (name, about) in FORMS.items()]

        def chosen(what: str | None) -> None:
            if what is None:
                return
            where, _, form = what.partition(" ")
            if where == "copy":
                self._copy(lambda: self._text(form), FORMS[form][0])
            else:
                self._export_to_file(form)

        self.app.push_screen(PickScreen("Export", rows), chosen)

    def _text(self, form: str, keys: Sequence[str] = ()) -> str:
        from flowtui.exporting import FILES, export, part

        if not keys and form in FILES:
            return self.flow_file().dump(FILES[form])
        return export(part(self.draft, keys) if keys else self.draft, form)

    def flow_file(self) -> FlowFile:
        """The flow as a file."""
        from flowtui.exporting import to_file

        return to_file(self.draft)

    def is_open(self, path: Path) -> bool:
        """Whether a path is the file that the draft belongs to; `Filing` knows."""
        return False

    def _export_to_file(self, form: str) -> None:
        from flowtui.exporting import ENDINGS

        armed: list[Path] = []

        def take(typed: str) -> str | None:
            if not typed:
                return "type the name of a file"
            path = typed_path(typed)
            if self.is_open(path):
                return f"{safe(path.name, 40)} is the open file: ctrl+s saves it; type another name"
            if os.path.exists(path) and not os.path.isdir(path) and path not in armed:
                armed.append(path)
                return f"{safe(path.name, 40)} exists; enter again overwrites it"
            try:
                write(path, self._text(form), mode=0o644)
            except FlowError as error:
                return safe(str(error).splitlines()[0], 200)
            except (OSError, ValueError) as error:
                return f"cannot be written: {why_not(error)}; type another name"
            self.say(f"wrote {safe(path, 60)}")
            return None

        start = f"{slug(self.draft.settings.name)}{ENDINGS[form]}"
        self.ask(
            Question(
                "export to", take, value=start, hint="arguments are written as they are, secrets included"
            )
        )

    def action_copy(self) -> None:
        """Choose what to copy."""
        keys = self.chosen()
        if not keys:
            self.refuse("there is nothing to copy yet; a adds a job")
            return
        one = len(keys) == 1
        what = safe(self.draft.name(keys[0]), 30) if one else f"{len(keys)} jobs"
        rows = [
            Row("", what),
            Row("jobs", "the job" if one else "the jobs", "p inserts it again, also elsewhere as YAML"),
            Row("names", "name" if one else "names", "one on each line"),
            Row("json", "JSON", "as in a flow file"),
            Row("", "The whole flow"),
            Row("flow yaml", "YAML"),
            Row("flow mermaid", "Mermaid"),
            Row("flow python", "Python"),
        ]

        def chosen(row: str | None) -> None:
            if row is None:
                return
            if row == "names":
                self._copy(lambda: "\n".join(safe(self.draft.name(key)) for key in keys), "names")
            elif row.startswith("flow "):
                self._copy(lambda: self._text(row[5:]), "the flow")
            else:
                from flowtui.exporting import part

                if row == "jobs":
                    self.register = part(self.draft, keys)
                self._copy(lambda: self._text("json" if row == "json" else "yaml", keys), what)

        self.app.push_screen(PickScreen("Copy", rows, start="jobs"), chosen)

    def _copy(self, make: Callable[[], str], what: str) -> None:
        try:
            text = make()
        except FlowError as error:
            self.refuse(safe(str(error).splitlines()[0], 160))
            return
        self.app.copy_to_clipboard(text)
        self.say(f"copied {what} ({len(text):,} characters)")

    # ---- in ----------------------------------------------------------------------------------------------------------

    def action_paste(self) -> None:
        """Insert the jobs copied last."""
        if self.register is None:
            self.refuse("nothing was copied yet; y copies, the terminal's own key pastes other text")
            return
        self._insert(self.register, "paste")

    def on_paste(self, event: events.Paste) -> None:
        if isinstance(self.focused, Input):
            return
        event.stop()
        self.import_text(event.text)

    def import_text(self, text: str) -> None:
        """Insert the flow that a text describes, in one step."""
        from flowtui.importing import read_text

        def take(found: Imported) -> None:
            self._insert(found.draft, f"paste {found.kind}")

        large = len(text) > LARGE
        self.reading(
            lambda: read_text(text), take, "the pasted text", "the pasted text is no flow", large=large
        )

    def _insert(self, other: Draft, what: str) -> None:
        index = {key: i for i, key in enumerate(other.jobs)}
        jobs: list[DraftJob] = list(other.jobs.values())
        pairs = [(index[up], index[down]) for up, down in other.links]
        named = not self.draft.jobs and other.settings.name != DEFAULT_NAME
        keys = self.draft.insert(
            jobs,
            pairs,
            step=f"{what} ({counted(len(jobs), 'job')})",
            settings=other.settings if named else None,
        )
        self.changed(cursor=keys[0] if keys else None)
        if len(keys) > 1:
            self.canvas.set_marks(keys)
        self.say(
            f"inserted {counted(len(keys), 'job')}, marked · u undoes"
            if len(keys) > 1
            else "inserted 1 job · u undoes"
        )

    # ---- $EDITOR -----------------------------------------------------------------------------------------------------

    def action_edit_text(self) -> None:
        """Edit the chosen jobs as YAML in $VISUAL or $EDITOR."""
        keys = self.chosen()
        if not keys:
            self.refuse("there is no job to edit yet; a adds one")
            return
        from flowtui.exporting import part
        from flowtui.importing import read_text

        inside = set(keys)
        chosen = [key for key in self.draft.jobs if key in inside]
        try:
            before = self._text("yaml", chosen)
        except FlowError as error:
            self.refuse(safe(str(error).splitlines()[0], 160))
            return
        if any(up not in inside for key in chosen for up in self.draft.upstream(key)):
            before = f"# {KEPT_LINKS}\n{before}"
        unread, self.unread = self.unread, None
        again = unread[1] if unread is not None and unread[0] == before else ""
        after = self.run_editor(again if again.strip() else before)
        if after is None:
            self.unread = unread
            return
        if after == before:
            self.say("nothing changed")
            return
        try:
            edited = read_text(after, "the edited text").draft
            self.replace_jobs(chosen, part(self.draft, chosen), edited)
        except DraftError as error:
            self.unread = (before, after)
            self.refuse(f"{safe(error, 120)} · E goes on with the text")
        except FlowError as error:
            self.unread = (before, after)
            self.fail("the edited text is no flow; E goes on with it, emptied it starts again", str(error))

    def replace_jobs(self, keys: Sequence[str], before: Draft, after: Draft) -> None:
        """Take over edited jobs: by their place where the count is the same, else as removed and added."""
        from flowtui.draft import replace_part

        cursor = self.cursor
        replace_part(self.draft, keys, after)
        self.canvas.clear_marks()
        self.changed(cursor=cursor)
        self.say(f"{self.draft.steps[-1].name} · u undoes" if self.draft.steps else "")

    def run_editor(self, text: str) -> str | None:
        """What a user makes of a text in their editor; None when there is none, or it failed."""
        editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
        try:
            handle, name = tempfile.mkstemp(suffix=".yaml", prefix="flowtui-")
        except OSError as error:
            self.refuse(f"no file can be made for an editor, e edits here: {why_not(error)}")
            return None
        place = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            try:
                with self.app.suspend():
                    import shlex

                    status = subprocess.call([*shlex.split(editor), str(place)])
            except SuspendNotSupported:
                self.refuse("this terminal cannot be lent to an editor; e edits here")
                return None
            except (OSError, ValueError) as error:
                self.refuse(f"{safe(editor, 40)} could not be started: {safe(error, 80)}; set EDITOR")
                return None
            if status:
                self.refuse(
                    f"{safe(Path(editor).name, 24)} ended with status {status}; nothing taken over, E tries again"
                )
                return None
            return place.read_text("utf-8")
        except OSError as error:  # a full disk before, a file that is gone after
            self.refuse(f"the text was not read back, E tries again: {why_not(error)}")
            return None
        except UnicodeDecodeError:
            self.refuse("the edited text is not UTF-8; nothing was taken over, E tries again")
            return None
        finally:
            place.unlink(missing_ok=True)
            self.app.refresh(layout=True)
