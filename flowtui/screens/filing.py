"""Compose: files, and drafts that are kept."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from textual.timer import Timer

from core.errors import FlowError, InvalidFlowFile
from flowtui.changes import DEFAULT_NAME, DEFAULT_QUEUE, Step
from flowtui.draft import Draft
from flowtui.keeping import Keeper, Kept
from flowtui.paths import SAVES, files_here, is_packaged, read_file, slug, stamp, typed_path
from flowtui.saving import Saving, form_of, renamed
from flowtui.screens.composing import LARGE, Composing
from flowtui.screens.opening import OpenScreen, file_row
from flowtui.screens.pick import PickScreen, Row
from flowtui.text import counted, safe
from flowtui.times import moment
from flowtui.widgets.prompt import Prompt, Question
from flowtui.widgets.welcome import Welcome

if TYPE_CHECKING:
    from core.spec import FlowFile
    from flowtui.importing import Imported

AT_ONCE: Final = 100
"""Jobs up to which a flow is saved before the next key; YAML with its comments takes 1 to 2 ms for each of more."""
KEEP_AFTER: Final = 1.0
"""Seconds between the last change and the draft being kept."""
NEVER: Final = Step("never saved", ())


class Filing(Composing):
    """Open, save, keep, restore."""

    def __init__(self) -> None:
        super().__init__()
        self.keeper = Keeper()
        self.path: Path | None = None
        self.file: FlowFile | None = None
        self.names_in_file: dict[str, str] = {}
        """Key of a job -> its name in the file, so that a renamed job keeps its comments."""
        self.saved: Step | None = None
        """The last step of what is in the file."""
        self.unkept: str | None = None
        """Why the draft could not be kept."""
        self._leaving = -1
        self.left: list[Kept] = []
        """Drafts that can be brought back, the newest first."""
        self._stamp: tuple[int, int] | None = None
        self._overwrite: tuple[Path, int] | None = None
        self._saving: Saving | None = None
        self._keep_timer: Timer | None = None

    def on_mount(self) -> None:
        self._offer()
        if self.flowtui.file:
            self.call_after_refresh(self.open_file, Path(self.flowtui.file))
        elif self.flowtui.flow is not None:
            self.call_after_refresh(self.open_flow, self.flowtui.flow)

    # ---- keeping -----------------------------------------------------------------------------------------------------

    def edited(self) -> None:
        """Keep the draft a second after the last change."""
        if self._keep_timer is not None:
            self._keep_timer.stop()
        self._keep_timer = self.set_timer(KEEP_AFTER, self.keep)

    def keep(self) -> None:
        """Keep the draft now; what is saved needs no keeping."""
        self._keep_timer = None
        self.keeper.used(job.task for job in list(self.draft.jobs.values())[::-1])
        before, self.unkept = self.unkept, None
        if self.is_dirty():
            self.unkept = self.keeper.keep(self.draft, str(self.path) if self.path else None, self._stamp)
        else:
            self.keeper.forget()
        if self.unkept is not None and before is None and self.is_mounted:
            self.refuse(f"this draft cannot be kept, ctrl+s saves it: {safe(self.unkept, 60)}")

    async def on_unmount(self) -> None:
        saving = self._saving
        try:
            if saving is not None and saving.running is not None:
                done = await saving.running
                if saving.draft is self.draft and not isinstance(done, str):
                    self.saved = saving.step
        finally:
            self.keep()

    def recent_tasks(self) -> list[str]:
        return self.keeper.tasks()

    def is_dirty(self) -> bool:
        return bool(self.draft.jobs or self.path) and self.draft.last_step is not self.saved

    def title_text(self) -> str:
        return safe(self.path.name, 60) if self.path else safe(self.draft.settings.name, 60)

    def _would_be_lost(self) -> bool:
        """Whether there is something that is neither in a file nor as it was opened."""
        return self.is_dirty() and bool(self.draft.steps or self.saved is not NEVER)

    def why_stay(self) -> str:
        """Why somebody may not want to quit."""
        if self._saving is not None:
            return f"{safe(self._saving.path.name, 60)} is still being saved."
        if not self._would_be_lost():
            return ""
        name = self.title_text()
        self.keep()
        if self.unkept is not None:
            return f"{name} has changes that are not saved, and not kept either: {safe(self.unkept, 60)}."
        return f"{name} has changes that are not saved. They are kept, and offered at the next start."

    def may_leave(self, again: str) -> bool:
        """Whether another draft may take the place of this one; one that cannot be kept is left when asked twice."""
        if self._saving is not None:
            self.refuse(f"{safe(self._saving.path.name, 40)} is still being saved; {again} again in a moment")
            return False
        if not self._would_be_lost():
            return True
        self.keep()
        if self.unkept is None or self._leaving == self.draft.version:
            return True
        self._leaving = self.draft.version
        why = safe(self.unkept, 40)
        self.refuse(f"not kept ({why}), it would be lost; ctrl+s saves it, {again} again leaves it")
        return False

    def _offer(self) -> None:
        """Say what can be brought back."""
        self.left = self.keeper.found(1)
        welcome = self.query_one(Welcome)
        if not self.left:
            welcome.kept = ""
            return
        kept, more = self.left[0], self.keeper.count() - 1
        welcome.kept = f"{_kept_name(kept, 30)}, {_kept_about(kept)}" + (f"  +{more} more" if more else "")

    def action_restore(self) -> None:
        """Bring back a draft that was left; the present one is set aside."""
        self.left = self.keeper.found()
        if self.left and not self.may_leave("R"):
            return
        if not self.left:
            self.refuse("no draft was left; ctrl+o opens a file")
        elif len(self.left) == 1:
            self.restore(self.left[0])
        else:
            by_place = {str(kept.place): kept for kept in self.left}
            rows = [Row(place, _kept_name(kept, 40), _kept_about(kept)) for place, kept in by_place.items()]

            def chosen(place: str | None) -> None:
                if place is not None:
                    self.restore(by_place[place])

            self.app.push_screen(
                PickScreen(
                    "Restore", rows, placeholder="type a name", nothing="no such draft; esc goes back"
                ),
                chosen,
            )

    def restore(self, kept: Kept) -> None:
        """Go on with a draft that was left."""
        try:
            draft = kept.draft()
        except (LookupError, TypeError, ValueError):
            away = self.keeper.put_away(kept)
            self._offer()
            self.refuse(f"the draft cannot be read, it lies in {safe(away)}; ctrl+o opens a file")
            return
        place = self.keeper.claim(kept)
        if place is None:
            self._offer()
            self.refuse("another flowtui has taken that draft; R shows what is left")
            return
        self.take(draft)
        if kept.file:
            self._adopt(Path(kept.file), kept.stamp)
        self.saved = NEVER
        self.keeper.place = place
        self.keep()
        self._offer()
        self.changed(fresh=True)
        said = f"restored {counted(len(draft.jobs), 'job')}"
        if self.path is not None and self._stamp != stamp(self.path):
            said += f"; {safe(self.path.name, 40)} has changed since, ctrl+s asks"
        self.say(said)

    def _adopt(self, path: Path, seen: tuple[int, int] | None) -> None:
        """The draft belongs to a file that is still there: saving goes back to it, with its comments.

        `seen` is the stamp of the file that it was opened from: what others have written since is theirs.
        """
        from core.spec import load_flow

        try:
            flow = load_flow(path, draft=True)
        except FlowError:
            return
        self.path, self.file = path, flow
        self.names_in_file = {key: job.name for key, job in self.draft.jobs.items() if job.name in flow.jobs}
        self._stamp = seen

    def take(self, draft: Draft, *, file: FlowFile | None = None, path: Path | None = None) -> None:
        """Compose another draft; what is not saved of the present one is set aside, and can be brought back."""
        if self.draft.steps or self.saved is not NEVER:
            self.keep()
        self.keeper.set_aside()
        self.query_one(Prompt).leave()  # it asks about the draft that goes
        self.draft = draft
        self.connecting, self.canvas.flags, self.canvas.ghost = None, {}, None
        self.path, self.file = path, file
        self.names_in_file = {key: job.name for key, job in draft.jobs.items()} if file else {}
        self.saved = draft.last_step
        self._stamp = stamp(path) if path else None
        self.canvas.clear_marks()
        self.search, self.matches = "", []

    def action_new(self) -> None:
        """An empty flow; what was there is kept."""
        if not self.may_leave("ctrl+n"):
            return
        self.take(Draft())
        self._offer()
        self.changed(fresh=True)
        self.say("a new flow; R brings the last one back" if self.left else "a new flow")

    # ---- open --------------------------------------------------------------------------------------------------------

    def action_open(self) -> None:
        """Choose a file."""
        if not self.may_leave("ctrl+o"):
            return
        recent = self.keeper.recent()
        rows = [Row("", "Opened last")] if recent else []
        rows += [file_row(path) for path in recent]
        here = [path for path in files_here() if str(Path(path).absolute()) not in recent]
        rows += [Row("", "In this folder"), *map(file_row, here)] if here else []

        def chosen(path: str | None) -> None:
            if path is not None:
                self.open_file(typed_path(path))

        self.app.push_screen(OpenScreen(rows), chosen)

    def open_file(self, path: Path) -> None:
        """Open a flow file or a drawing; the draft that was there is kept. A large one is read in a window."""
        large = os.path.isfile(path) and os.path.getsize(path) > LARGE

        def take(found: Imported) -> None:
            self._opened_file(path, found)

        name = safe(path.name, 40)
        # In an error the name alone: a long path would push the line and the column out of sight.
        self.reading(
            lambda: _read_flow(path), take, name, f"could not open {name}", long=str(path), large=large
        )

    def _opened_file(self, path: Path, found: Imported) -> None:
        native = found.file is not None
        if not native:
            found.draft.settings = replace(found.draft.settings, name=slug(path.stem))
        left = self._would_be_lost()
        self.take(found.draft, file=found.file, path=path if native else None)
        if not native:
            self.saved = NEVER
        if not is_packaged(path):
            self.keeper.opened(path)
        self._tell_opened(safe(path.name, 40), left=left)

    def open_flow(self, flow: FlowFile) -> None:
        """Compose a flow that is not a file's; saving it asks for a file."""
        from flowtui.importing import from_file

        self.take(from_file(flow).draft)
        self.saved = NEVER
        self._tell_opened(safe(self.draft.settings.name, 40))

    def _tell_opened(self, name: str, *, left: bool = False) -> None:
        """Show what was opened, and say what is wrong with it; `left` is whether a draft was left for it."""
        self.changed(fresh=True)
        self.canvas.fit()
        blocking = sum(problem.blocks for problem in self.problems)
        if self.draft.closing:
            self.refuse(f"{name} has a cycle: X cuts its newest link, ! lists every problem")
        elif blocking:
            what = "a problem" if blocking == 1 else f"{blocking} problems"
            self.refuse(f"{name} has {what}: ! lists them, n goes to the next")
        else:
            self.say(
                f"opened {name}: {counted(len(self.draft.jobs), 'job')}, {counted(self.draft.link_count, 'link')}"
                + (
                    "; R brings back unsaved changes to it"
                    if self._left_of_this()
                    else "; R brings the last one back"
                    if left
                    else ""
                )
            )

    def _left_of_this(self) -> bool:
        """Whether a draft was left of the file that is open."""
        if self.path is None:
            return False
        here = self.path.resolve()
        return any(
            kept.file is not None and Path(kept.file).resolve() == here for kept in self.keeper.found()
        )

    # ---- save --------------------------------------------------------------------------------------------------------

    def flow_file(self) -> FlowFile:
        """The flow as a file, with what only the file it came from knows: comments, descriptions, imports."""
        from flowtui.exporting import to_file

        return to_file(self.draft, self.file, renamed(self.draft, self.names_in_file))

    def is_open(self, path: Path) -> bool:
        """Whether a path is the file that the draft belongs to."""
        return self.path is not None and stamp(path) is not None and path.resolve() == self.path.resolve()

    def action_save(self) -> None:
        """Save to the file the flow came from, or ask for one."""
        if self.path is None or is_packaged(self.path):
            self.action_save_as()
            return
        wrong = self.save(self.path)
        if wrong is not None:
            self.refuse(wrong)

    def action_save_as(self) -> None:
        """Ask for a file and save there."""
        if not self.draft.jobs:
            self.refuse("there is nothing to save yet; a adds a job")
            return
        start = f"{slug(self.draft.settings.name)}.yaml"
        if self.path is not None:
            start = self.path.name if is_packaged(self.path) else str(self.path)

        def take(typed: str) -> str | None:
            if not typed:
                return "type the name of a file, such as flow.yaml"
            path = typed_path(typed)
            if typed.endswith(os.sep) or path.name in ("", ".."):
                return f"{safe(path.name or path, 40)} is a folder; add a name, such as flow.yaml"
            if path.suffix.lower() not in SAVES:
                path = path.with_name(path.name + ".yaml")
            return self.save(path, again="enter again")

        self.ask(Question("save as", take, value=start, hint="YAML, or JSON for a name that ends in .json"))

    def save(self, path: Path, *, again: str = "ctrl+s again") -> str | None:
        """Save; answers with why it was not done, or None. Another file, or one that changed meanwhile, asks twice.

        `again` is what to press for that.
        """
        if is_packaged(path):
            return "this file is a part of flowtui itself; type another name, such as flow.yaml"
        if not self.draft.jobs:
            return f"{safe(path.name, 40)} needs a job; a adds one, u brings back what was there"
        if self._saving is not None:
            name = safe(self._saving.path.name, 40)
            if path != self._saving.path:
                return f"{name} is still being saved; f12 again in a moment"
            self._saving.again = True
            self.say(f"{name} is still being saved; what has changed is saved after it")
            return None
        asked = (path, self.draft.version)
        changed = path == self.path and self._stamp is not None and stamp(path) not in (None, self._stamp)
        if self._overwrite != asked:
            if changed:
                self._overwrite = asked
                return f"{safe(path.name, 40)} was changed by another program; {again} overwrites it"
            if path != self.path and os.path.exists(path) and not os.path.isdir(path):
                self._overwrite = asked
                return f"{safe(path.name, 40)} exists; {again} overwrites it"
        self._overwrite = None
        form = None if path == self.path and self.file is not None else form_of(path)
        saving = Saving(path, self.draft, self.file, self.names_in_file, form=form)
        if len(self.draft.jobs) <= AT_ONCE:
            return self._saved(saving, saving.done())
        self._saving = saving
        saving.running = asyncio.get_running_loop().run_in_executor(None, saving.done)
        self.say(f"saving {safe(path.name, 40)} …")
        self.run_worker(self._save_later(saving, saving.running))
        return None

    async def _save_later(self, saving: Saving, running: asyncio.Future[FlowFile | str]) -> None:
        """Go on once a thread has saved."""
        try:
            # Who leaves the program waits for it, too.
            done = await asyncio.shield(running)
        except Exception:  # a bug, which is told once; the draft is kept
            self._saving = None
            raise
        self._saving = None
        wrong = self._saved(saving, done)
        if wrong is None and saving.again and saving.draft is self.draft and self.is_dirty():
            wrong = self.save(saving.path)
        if wrong is not None:
            self.refuse(wrong)

    def _saved(self, saving: Saving, done: FlowFile | str) -> str | None:
        """Go on from what was saved; answers with why it was not, or None."""
        if isinstance(done, str):
            return done
        path = saving.path
        if saving.draft is self.draft:
            self.file, self.path, self.names_in_file = done, path, saving.names
            self.saved = saving.step
            self._stamp = saving.stamp
            self._show_top()
            if not self.is_dirty():
                self.keeper.forget()
        self.keeper.opened(path)
        since = saving.draft is self.draft and self.is_dirty()
        said = f"saved {safe(path.name, 40)}" + (", without what has changed since" if since else "")
        lost = "; JSON holds no comments, the file that it came from does"
        self.say(said + lost if saving.loses_comments else said)
        return None

    # ---- the flow's name and queue -----------------------------------------------------------------------------------

    def action_settings(self) -> None:
        """`name @ queue`."""
        settings = self.draft.settings

        def take(typed: str) -> str | None:
            name, at, queue = typed.rpartition("@")
            name, queue = (name, queue) if at else (typed, "")
            name, queue = name.strip() or DEFAULT_NAME, queue.strip() or DEFAULT_QUEUE
            from core.jobs import check_name

            try:
                check_name(queue, "queue")
            except FlowError as error:
                return safe(error, 160)
            if len(name) > 256:
                return f"a name has at most 256 characters, not {len(name)}"
            self.draft.set_flow(name=name, queue=queue)
            self.changed()
            self.say(f"{safe(name, 40)}, in queue {safe(queue, 40)}")
            return None

        value = f"{settings.name} @ {settings.queue}"
        self.ask(Question("flow", take, value=value, hint="name @ queue"))


def _read_flow(path: Path) -> Imported:
    """What a file holds: a flow file by its ending, else whatever it is. Raises FlowError."""
    from flowtui.importing import from_file, read_text

    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        # To read a pipe may wait for ever.
        raise InvalidFlowFile(f"{path}: not a regular file; save the flow in one")
    if path.suffix.lower() in SAVES or not path.suffix:
        from core.spec import load_flow

        return from_file(load_flow(path, draft=True))
    return read_text(read_file(path), path.name)


def _kept_name(kept: Kept, limit: int) -> str:
    return safe(Path(kept.file).name if kept.file else kept.data.get("name", DEFAULT_NAME), limit)


def _kept_about(kept: Kept) -> str:
    return f"{counted(kept.jobs, 'job')}, left at {moment(kept.at, time.time())}"
