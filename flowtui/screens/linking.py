"""Compose: the keys that make and cut links."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on

from flowtui.changes import Link
from flowtui.dag.widget import GraphCanvas
from flowtui.drawing import LINKS
from flowtui.screens.composing import Composing
from flowtui.screens.connecting import Connecting, closing, missing, path_text
from flowtui.screens.pick import PickScreen, Row
from flowtui.text import safe

ALL = "all"
DRAGGING = "dragging"


class Linking(Composing):
    """Connect by marks, by a target, by dragging; cut."""

    _armed: tuple[int, tuple[Link, ...], str] | None = None
    """Links that close a cycle, for which the key was pressed once, at this version of the draft; and what was said."""

    # ---- connect -----------------------------------------------------------------------------------------------------

    def action_connect(self) -> None:
        """With marks: link them to the cursor. Without: choose a target."""
        self._connect(outgoing=True)

    def action_connect_from(self) -> None:
        """Choose what this job waits for; with marks, link the cursor to all of them."""
        self._connect(outgoing=False)

    def _connect(self, *, outgoing: bool) -> None:
        cursor = self.one("connect")
        if cursor is None:
            return
        here, again = self.here(), "c" if outgoing else "C"
        others = [key for key in self.canvas.marks if key not in here]
        if others:
            self.make_links(*((others, here) if outgoing else (here, others)), again)
        elif len(self.draft.jobs) < 2:
            self.refuse("there is nothing to connect to yet; a adds a job that is linked already")
        elif len(here) > 1:
            self.canvas.set_marks(here)
            self.say(f"{len(here)} jobs marked: go to the other end, then {again} links them")
        else:
            self.connecting = Connecting(self.draft, cursor, outgoing)
            self._show_flags()

    def make_links(self, ups: Sequence[str], downs: Sequence[str], again: str) -> bool:
        """Link all of `ups` with all of `downs`, unless that closes a cycle: then say so, and do it when `again` is
        pressed once more."""
        draft = self.draft
        if len(ups) * len(downs) > LINKS:
            self.refuse(f"that is {len(ups) * len(downs):,} links; a job in between, added with a, needs few")
            return False
        wanted = list(missing(draft, ups, downs))
        if not wanted:
            self.refuse("these are linked already; x cuts links")
            return False
        path = closing(draft, ups, downs)
        said = ""
        if path is not None:
            shown = path_text(draft, path, max(self.size.width - 40, 24))
            said = f"closes a cycle: {shown} · {again} again keeps it as a draft"
        armed = (draft.version, tuple(wanted), said)
        # What is no longer on the screen has not been read; while one drags, something else is said.
        seen = again == DRAGGING or self._said[0] == self.told(said)
        if said and not (self._armed == armed and seen):
            self._armed = armed
            self.refuse(said)
            return False
        self._armed = None
        cursor = self.cursor
        made = draft.link(ups, downs)
        self.canvas.clear_marks()
        self.changed(cursor=cursor)
        self.say(f"{draft.steps[-1].name} · u undoes" if made else "")
        return True

    def _show_flags(self) -> None:
        connecting = self.connecting
        flags = connecting.flags() if connecting is not None else {}
        self.canvas.flags = flags
        self.outline.decorate(self.canvas.marks, flags)
        if connecting is None:
            self.canvas.ghost = None
        else:
            self.cursor_moved()
        self.show_lines()

    def action_turn_link(self) -> None:
        """Swap source and target of the link in the making."""
        if self.connecting is not None:
            self.connecting.turn()
            self._show_flags()

    def finish_link(self) -> None:
        """Enter, while connecting."""
        connecting, cursor = self.connecting, self.cursor
        if connecting is None or cursor is None:
            return
        here = self.here()
        problem = connecting.problem(here)
        if problem is not None and problem[0] in ("self", "linked"):
            self.app.bell()
            return
        if problem is not None and connecting.armed != here:
            connecting.armed = here
            self.show_lines()
            return
        self.connecting = None
        self._show_flags()
        self.draft.link(*connecting.ends(here))
        self.changed(cursor=cursor)
        self.say(f"{self.draft.steps[-1].name} · u undoes")

    def stop_connecting(self) -> None:
        """Leave without a link; the cursor goes back to where it was."""
        if self.connecting is not None:
            anchor = self.connecting.anchor
            self.connecting = None
            self._show_flags()
            self.point(anchor)
            self.show_lines()

    @on(GraphCanvas.LinkAimed)
    def _aimed(self, event: GraphCanvas.LinkAimed) -> None:
        """While a link is dragged: what letting go here would do."""
        draft, source, target = self.draft, event.source, event.target
        if self.connecting is not None or source not in draft.jobs:
            return
        if target is None or target not in draft.jobs:
            self.canvas.ghost = None
            self.quiet()
            return
        ends = self.here(source), self.here(target)
        path, linked = closing(draft, *ends), next(missing(draft, *ends), None) is None
        self.canvas.ghost = None if linked else (source, target, path is None)
        names = " → ".join(self.naming(keys, 28) for keys in ends)
        if linked:
            self.say(f"{names} is linked already")
        elif path is None:
            self.say(f"let go to link {names}")
        else:
            shown = path_text(draft, path, max(self.size.width - 60, 24))
            self.refuse(f"would close a cycle: {shown} · dragged twice it is kept; X cuts it")

    @on(GraphCanvas.LinkDragged)
    def _dragged(self, event: GraphCanvas.LinkDragged) -> None:
        if self.connecting is not None:
            self.stop_connecting()
        if event.source in self.draft.jobs and event.target in self.draft.jobs:
            self.make_links(self.here(event.source), self.here(event.target), DRAGGING)

    # ---- cut and delete ----------------------------------------------------------------------------------------------

    def action_cut(self) -> None:
        """Cut links from the marked jobs, or choose one of this job's."""
        cursor = self.one("cut")
        if cursor is None:
            return
        draft = self.draft
        here = self.here()
        others = [key for key in self.canvas.marks if key not in here]
        if others:
            pairs = [(key, own) for key in others for own in here]
            links = [link for up, down in pairs for link in ((up, down), (down, up)) if draft.has_link(*link)]
            if not links:
                self.refuse("the marked jobs have no link with this one; esc unmarks them")
                return
            self._cut(links)
            return
        links = [(up, own) for own in here for up in draft.upstream(own)]
        links += [(own, down) for own in here for down in draft.downstream(own) if down not in here]
        if not links:
            self.refuse(f"{safe(draft.name(cursor), 40)} has no links; c connects it")
        elif len(links) == 1:
            self._cut(links)
        else:
            self._choose_cut(links)

    def _choose_cut(self, links: Sequence[Link]) -> None:
        names = [f"{safe(self.draft.name(up), 30)} → {safe(self.draft.name(down), 30)}" for up, down in links]
        rows = [Row(str(i), name, right=str(i + 1) if i < 9 else "") for i, name in enumerate(names)]
        rows.append(Row(ALL, f"all {len(links)} links", right="0"))

        def cut(chosen: str | None) -> None:
            if chosen is not None:
                self._cut(links if chosen == ALL else [links[int(chosen)]])

        self.app.push_screen(CutScreen(rows), cut)

    def _cut(self, links: Sequence[Link]) -> None:
        cursor = self.cursor
        self.draft.unlink(links)
        self.canvas.clear_marks()
        self.changed(cursor=cursor)
        self.say(f"{self.draft.steps[-1].name} · u undoes")

    def action_cut_cycle(self) -> None:
        """Cut the newest link that closes a cycle."""
        closing = self.draft.closing
        if not closing:
            self.refuse(
                "there is no cycle to cut; x cuts the links of this job"
                if self.draft.jobs
                else "there is no cycle to cut yet; a adds a job"
            )
            return
        self.draft.unlink([closing[-1]])
        self.changed()
        self.say(f"{self.draft.steps[-1].name} · u undoes")


class CutScreen(PickScreen):
    """Which link to cut; a digit answers at once."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__("Cut which link?", rows, placeholder="a digit, or letters of a name")

    def found(self, wanted: str) -> list[Row]:
        hit = next((row for row in self.all_rows if row.right == wanted), None)
        if hit is not None:
            self.call_later(self.choose, hit.id)
            return [hit]
        return super().found(wanted)
