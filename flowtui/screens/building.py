"""Compose: the keys that add, change and delete jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from core.errors import FlowError
from flowtui import forms
from flowtui.draft import DraftError
from flowtui.quickadd import read_line, tasks_for
from flowtui.screens.linking import Linking
from flowtui.screens.pick import Row
from flowtui.text import counted, safe
from flowtui.widgets.prompt import Question


class Building(Linking):
    """Add, delete, rename, group, undo."""

    # ---- add ---------------------------------------------------------------------------------------------------------

    def action_add(self) -> None:
        """Add after the cursor, or after all marked jobs."""
        ups = self.chosen()
        self._ask_task("after " + self._naming(ups) if ups else "", upstream=ups)

    def action_add_before(self) -> None:
        """Add a job that this one waits for."""
        if self.cursor is None:
            self.action_add()
            return
        downs = self.chosen()
        self._ask_task("before " + self._naming(downs), downstream=downs)

    def action_add_sibling(self) -> None:
        """Add a job with the same upstreams."""
        if self.cursor is None:
            self.action_add()
            return
        ups = list(self.draft.upstream(self.cursor))
        self._ask_task("beside " + self._naming([self.cursor]), upstream=ups)

    def action_add_root(self) -> None:
        """Add a job without links."""
        self._ask_task("without links")

    def _naming(self, keys: Sequence[str]) -> str:
        if len(keys) > 3:
            return f"{len(keys)} marked jobs"
        return ", ".join(safe(self.draft.name(key), 24) for key in keys)

    def _ask_task(self, where: str, *, upstream: Sequence[str] = (), downstream: Sequence[str] = ()) -> None:
        tasks = self.task_choices()
        spaced = [name for name, _ in tasks if len(name.split()) > 1]

        def take(line: str) -> str | None:
            try:
                typed = read_line(line, spaced)
            except FlowError as error:
                return safe(error, 200)
            key = self.draft.add(
                typed.task,
                typed.name,
                args=typed.args,
                kwargs=typed.kwargs,
                upstream=upstream,
                downstream=downstream,
                **self.task_defaults(typed.task),
            )
            self.canvas.clear_marks()
            self.changed(cursor=key)
            name = self.draft.name(key)
            renamed = f" ({safe(typed.name, 30)} is taken)" if typed.name and typed.name != name else ""
            self.say(f"added {safe(name, 40)}{renamed} · u undoes")
            return None

        def suggest(line: str) -> list[Row]:
            return [
                Row(name, safe(name, 50), safe(about, 60), letters=letters)
                for name, about, letters in tasks_for(line, tasks)[:30]
            ]

        def complete(line: str, name: str) -> str:
            rest = line.strip().partition(" ")[2]
            return f"{name} {rest}"

        def preview(line: str) -> str:
            if len(line.split()) < 2 or line.startswith("$"):
                return ""
            try:
                typed = read_line(line, spaced)
            except FlowError as error:
                return safe(error, 200)
            args = ", ".join([*map(repr, typed.args), *(f"{k}={v!r}" for k, v in typed.kwargs.items())])
            return safe(f"{typed.name or ''}  calls {typed.task}({args})", 200)

        self.ask(
            Question(
                f"add {where}".strip(),
                take,
                placeholder="task [name] [json args]     or  $ command",
                hint='task [name] [json]  e.g. app.geo join-eu ["eu", 3] {"k": true}  or $ make test',
                suggest=suggest,
                complete=complete,
                changed=preview,
            )
        )

    def task_choices(self) -> list[tuple[str, str]]:
        """Tasks to offer: of this flow, registered here, of live workers, seen or used lately; with what is known."""
        from core.tasks import registry

        found: dict[str, str] = {}
        used = Counter(job.task for job in self.draft.jobs.values())
        for name in reversed(list(used)):
            found[name] = f"in this flow ×{used[name]}" if used[name] > 1 else "in this flow"
        for name in sorted(registry):
            found[name] = registry[name].doc or found.get(name, "registered here")
        for name, about in (*self._tasks_of_workers(), *self._tasks_of_flows()):
            found.setdefault(name, about)
        for name in self.recent_tasks():
            found.setdefault(name, "used lately")
        return list(found.items())

    def _tasks_of_workers(self) -> list[tuple[str, str]]:
        """What live workers know: those of the draft's queue first."""
        feed, queue = self.flowtui.feed, self.draft.settings.queue
        workers = feed.board.workers if feed is not None else []
        here = Counter(task for info in workers if queue in info.queues for task in info.tasks)
        elsewhere = {task: info.queues[0] for info in workers if info.queues for task in info.tasks}
        return [
            *((task, f"{counted(here[task], 'live worker')}") for task in sorted(here)),
            *((task, f"a live worker of queue {safe(elsewhere[task], 30)}") for task in sorted(elsewhere)),
        ]

    def _tasks_of_flows(self) -> list[tuple[str, str]]:
        """The tasks of the flows that were looked at in Live, the newest flow first."""
        feed = self.flowtui.feed
        flows = reversed(feed.board.flows.values()) if feed is not None else ()
        return [
            (job.task_id, f"seen in queue {safe(job.queue, 30)}")
            for flow in flows
            for job in flow.jobs.values()
        ]

    def task_defaults(self, task: str) -> dict[str, object]:
        """What `@task(...)` says for jobs of a task registered here."""
        from core.tasks import registry

        fields = ("max_retries", "timeout", "backoff", "priority", "ttl", "delay", "trigger")
        if task not in registry:
            return {}
        return {name: value for name, value in registry[task].defaults.items() if name in fields}

    # ---- delete ------------------------------------------------------------------------------------------------------

    def action_delete(self) -> None:
        """Delete with the links."""
        self._delete(bridge=False)

    def action_delete_bridge(self) -> None:
        """Delete and link what was before to what was after."""
        self._delete(bridge=True)

    def _delete(self, *, bridge: bool) -> None:
        keys = self.chosen()
        if not keys:
            self.refuse("there is no job to delete; a adds one")
            return
        cursor = self.cursor
        after = next(
            (
                key
                for key in (*self.draft.upstream(keys[0]), *self.draft.downstream(keys[0]))
                if key not in keys
            ),
            None,
        )
        self.draft.remove(keys, bridge=bridge)
        self.changed(cursor=cursor if cursor in self.draft.jobs else after)
        self.say(f"{self.draft.steps[-1].name} · u undoes")

    # ---- change ------------------------------------------------------------------------------------------------------

    def action_rename(self) -> None:
        """Rename the job under the cursor."""
        key = self.one("rename")
        if key is None:
            return
        old = self.draft.name(key)
        if (count := len(self.here())) > 1:
            self.refuse(f"this box stands for {count} jobs; - opens it, then r renames one")
            return

        def take(name: str) -> str | None:
            if name == old.strip():
                return None  # blanks around it are not seen while it is typed
            try:
                self.draft.rename(key, forms.read_named("name", name, self.draft.jobs[key]))
            except (DraftError, ValueError) as error:
                return safe(error, 200)
            self.changed(cursor=key)
            self.say(f"{safe(old, 30)} is now {safe(name, 30)} · u undoes" if name != old else "")
            return None

        hint = "enter renames; links and references follow"
        self.ask(Question("rename", take, value=old, hint=hint))

    def action_group(self) -> None:
        """Put the chosen jobs into a group."""
        keys = self.chosen()
        if not keys:
            self.refuse("there is no job to group yet; a adds one")
            return
        groups = list(dict.fromkeys(job.group for job in self.draft.jobs.values() if job.group))
        now = self.draft.jobs[keys[0]].group or ""

        def take(name: str) -> str | None:
            try:
                changed = self.draft.edit(
                    keys, group=forms.read_named("group", name, self.draft.jobs[keys[0]])
                )
            except ValueError as error:
                return safe(error, 160)
            self.canvas.clear_marks()
            self.changed()
            where = f"in group {safe(name, 40)}" if name else "in no group"
            count = "1 job" if changed == 1 else f"{changed} jobs"
            self.say(f"{count} now {where} · u undoes" if changed else "nothing changed")
            return None

        def suggest(typed: str) -> list[Row]:
            return [Row(name, safe(name, 60)) for name in groups if typed.casefold() in name.casefold()]

        what = safe(self.draft.name(keys[0]), 30) if len(keys) == 1 else f"{len(keys)} jobs"
        self.ask(
            Question(
                f"group of {what}", take, value=now, hint="an empty name takes them out", suggest=suggest
            )
        )

    def action_duplicate(self) -> None:
        """Copy the chosen jobs."""
        keys = self.draft.duplicate(self.chosen())
        if not keys:
            self.refuse("there is no job to copy yet; a adds one")
            return
        self.canvas.clear_marks()
        self.changed(cursor=keys[0])
        self.say(f"{self.draft.steps[-1].name} · u undoes")

    def action_undo(self) -> None:
        """Take the last step back."""
        self._step(
            self.draft.undo,
            "undo",
            "nothing to undo; ctrl+r does again what was undone"
            if self.draft.undone
            else "nothing to undo yet; u takes the last change back",
        )

    def action_redo(self) -> None:
        """Do it again."""
        self._step(
            self.draft.redo,
            "redo",
            "nothing to redo; u undoes" if self.draft.steps else "nothing to redo yet; a adds a job",
        )

    def _step(self, step: Callable[[], str | None], verb: str, nothing: str) -> None:
        before = set(self.draft.jobs)
        name = step()
        if name is None:
            self.refuse(nothing)
            return
        back = [key for key in self.draft.jobs if key not in before]
        self.changed(cursor=back[0] if back else None)
        self.say(f"{verb}: {safe(name, 60)}")

    # ---- marks -------------------------------------------------------------------------------------------------------

    def action_mark(self) -> None:
        """Mark, or unmark."""
        key = self.one("mark")
        if key is None:
            return
        marks = self.canvas.marks
        if self.in_outline:
            self.canvas.set_marks([mark for mark in marks if mark != key] if key in marks else [*marks, key])
        else:
            self.canvas.toggle_mark()

    def action_mark_all(self) -> None:
        """All or none."""
        if self.one("mark") is None:
            return
        shown = [key for key in self.draft.jobs if self.canvas.shows(key)]
        self.canvas.set_marks(() if len(self.canvas.marks) == len(shown) else shown)
        if len(shown) < len(self.draft.jobs) and self.canvas.marks:
            self.say(
                f"{counted(len(shown), 'job')} marked, those that are shown; esc unmarks them, then shows all"
            )

    def action_mark_between(self) -> None:
        """Mark everything on a path between the first mark and the cursor."""
        marks, cursor = self.canvas.marks, self.one("mark")
        if cursor is None:
            return
        if not marks:
            self.refuse("mark where it starts with space, go to where it ends, then V")
            return
        self.canvas.set_marks(self.draft.between(marks[0], cursor))
