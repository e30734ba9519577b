"""Which layout is seen: of all of a flow or a part of it, folded or not, made at once or in a thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from textual import events
from textual.geometry import Offset
from textual.timer import Timer

from flowtui.dag.fold import AUTO_FOLD, STANDING_OUT, Tally, view_of
from flowtui.dag.graph import PLAIN, GraphModel, Look
from flowtui.dag.layout import EDITED, QUICK, Layout, careful, layout
from flowtui.dag.picture import Picture

COALESCE = 1 / 25
"""Seconds between two repaints of changed states."""

FOLD_REST = 0.3
"""Seconds that new failures wait to stand out of a fold: many at once make one new picture."""

MAP_REST = 1.0
"""Seconds between two maps."""

AT_ONCE = 3000
"""Nodes and links up to which a picture is made at once, in less than a tenth of a second; above that, in a thread."""

SETTLED = 300
"""Nodes and links up to which the first picture stays; larger ones are drawn again with more care, in a thread."""

PAST = 36_000
"""Nodes and links of the pictures remembered through edits, so that undo and redo bring back what was seen."""

NEAREST = 3
"""Links to which the neighbourhood view reaches at most."""


class Stage(Picture):
    """Takes models and looks, makes layouts of them and keeps cursor and marks with their nodes."""

    def __init__(
        self,
        model: GraphModel | None = None,
        looks: Mapping[str, Look] | None = None,
        *,
        name: str | None = None,
        id: str | None = None,
        classes: str | None = None,
        disabled: bool = False,
    ) -> None:
        super().__init__(name=name, id=id, classes=classes, disabled=disabled)
        self.model = model or GraphModel()
        self.looks = dict(looks or {})
        self._unfolded: set[str] = set()
        self._collapsed: set[str] = set()
        self._focus: tuple[str, int] | None = None
        self._changed: set[str] = set()
        self._flush_timer: Timer | None = None
        self._map_timer: Timer | None = None
        self._fold_timer: Timer | None = None
        self._past: deque[Layout] = deque()
        self._turn = 0  # counts layouts, so that one that comes late is recognised

    def marks_changed(self) -> None:
        """Tell that marks came or went."""
        raise NotImplementedError

    def cursor_changed(self) -> None:
        """Tell that the cursor is on another node."""
        raise NotImplementedError

    # ---- what is shown -------------------------------------------------------------------------------------------

    def show(self, model: GraphModel, looks: Mapping[str, Look], *, keep_cursor: bool = True) -> None:
        """Draw a new or changed graph. Cursor and marks stay with their nodes, the cursor where it is seen."""
        if self.model.nodes and self.model.nodes.keys().isdisjoint(model.nodes):
            # Another flow: what was folded or opened by hand in the last one says nothing about it.
            self._unfolded, self._collapsed = set(), set()
            if self.fold == "on":
                self.set_reactive(Picture.fold, "auto")
        self.model = model
        self.looks = dict(looks)
        self._changed.clear()
        gone = [node for node in self._marks if node not in model.nodes]
        for node in gone:
            del self._marks[node]
        if gone:
            self.marks_changed()
        self._relayout(keep_cursor=keep_cursor)

    def set_looks(self, changed: Mapping[str, Look]) -> None:
        """Take over how some nodes look now; their rows are repainted, together with those of the next moment."""
        shown_as = self.view.shown_as
        for node, look in changed.items():
            shown = shown_as.get(node)
            if shown is not None:
                self._tallies[shown].replace(self.looks.get(node, PLAIN), look)
                self._tallied.pop(shown, None)
            self._changed.add(node)
        stands = any((look.style in STANDING_OUT) != self._stands_out(node) for node, look in changed.items())
        self.looks.update(changed)
        if stands and self.folding and self._fold_timer is None and self.is_mounted:
            self._fold_timer = self.set_timer(FOLD_REST, self._fold_again)
        if self._flush_timer is None and self.is_mounted:
            self._flush_timer = self.set_timer(COALESCE, self.flush)

    def _stands_out(self, node: str) -> bool:
        look = self.looks.get(node)
        return look is not None and look.style in STANDING_OUT

    def flush(self) -> None:
        """Repaint what has changed since the last time, without waiting for the moment to come."""
        if self._flush_timer is not None:
            self._flush_timer.stop()
        self._flush_timer = None
        changed, self._changed = self._changed, set()
        self._refresh_nodes({self.view.shown_as.get(node, node) for node in changed})
        if self._map_timer is None and self._map_region() is not None:
            self._map_timer = self.set_timer(MAP_REST, self._redraw_map)

    def _map_does(self) -> bool:
        """Whether the map as it is does for a moment: an edit moves little in it, and it looks at every node."""
        region, cells = self._map_region(), self._map_cells
        if region is None or not cells or not self.is_mounted:
            return False
        return (len(cells), len(cells[0])) == (region.height - 2, region.width - 2)

    def _fold_again(self) -> None:
        """Who failed stands out now; until this moment the fold told how many did."""
        self._fold_timer = None
        self._relayout()

    def _redraw_map(self) -> None:
        """The map looks at every node, so it is made anew only now and then."""
        self._map_timer = None
        self._map_cells = None
        region = self._map_region()
        if region is not None:
            self.refresh(region)

    def _relayout(self, *, keep_cursor: bool = True, fresh: bool = False) -> None:
        """Make the picture again: at once if that is quick, else in a thread; with more care if that pays."""
        self._turn += 1
        known = self._focus is None or self._focus[0] in self.model.nodes
        if not known:
            self._focus = None
        self.view = view_of(
            self.model,
            fold=self.folding,
            unfolded=self._unfolded,
            standing_out={node for node, look in self.looks.items() if look.style in STANDING_OUT},
            collapsed=self._collapsed,
            focus=self._focus,
        )
        self._tallies = {
            node: Tally(self.looks.get(member, PLAIN) for member in members)
            for node, members in self.view.members.items()
        }
        self._tallied = {}
        model = self.view.model
        previous = None if fresh or self.drawn.boxes.keys().isdisjoint(model.nodes) else self.drawn
        if previous is not None and (seen := self._seen(model)) is not None:
            self._take(seen, keep_cursor, edited=True)
            return
        make = partial(
            layout,
            model,
            direction=self.direction,
            zoom=self.zoom,
            viewport=self._viewport(),
            previous=previous,
        )
        size = len(model.nodes) + len(model.links)
        if size <= AT_ONCE or not self.is_mounted:
            quick = EDITED if previous is not None else QUICK
            drawn = make(budget=2 * QUICK if size <= SETTLED else quick)
            self._take(drawn, keep_cursor, edited=previous is not None)
        if size > SETTLED and self.is_mounted and (previous is None or size > AT_ONCE):
            # As a call still to be made: one that another layout overtakes is then never begun.
            later: Any = partial(
                self._draw_later, make, keep_cursor, self._turn, quick=size > AT_ONCE, again=previous is None
            )
            self.run_worker(
                later,
                group="layout",
                description="a picture",  # else it is described by all that it draws
                exclusive=True,
                exit_on_error=False,
            )

    def _seen(self, model: GraphModel) -> Layout | None:
        """The picture that this very graph had a few edits ago, if it would be drawn the same way."""
        way = self.drawn.direction if self.direction == "auto" else self.direction
        for past in reversed(self._past):
            chosen = past.chosen_for[2] if past.chosen_for is not None else None
            if (past.direction, past.zoom) != (way, self.zoom) or past.model != model:
                continue
            if self.direction != "auto" or chosen == self._viewport():
                return past
        return None

    async def _draw_later(
        self, make: partial[Layout], keep_cursor: bool, turn: int, quick: bool, again: bool
    ) -> None:
        """A picture from a thread: a quick one if there is none yet, then a better one if nobody has touched it."""
        if quick:
            drawn = await asyncio.to_thread(make, budget=QUICK)
            if turn != self._turn:
                return
            self._take(drawn, keep_cursor, edited=not again)
        if not again:
            return
        before = (self.cursor, self.scroll_offset)
        drawn = await asyncio.to_thread(make, budget=careful(len(self.view.model.nodes)))
        if turn == self._turn and before == (self.cursor, self.scroll_offset):
            self._take(drawn, True)

    def _viewport(self) -> tuple[int, int]:
        return self.size.width or 80, self.size.height or 24

    def _take(self, drawn: Layout, keep_cursor: bool, edited: bool = False) -> None:
        """Make a layout the one on screen; `edited` says that it is the one before with something changed."""
        before = self._cursor_on_screen() if keep_cursor else None
        near = self._near_cursor(drawn, before)
        if edited:
            self._past.append(self.drawn)
            while len(self._past) * (len(drawn.boxes) + len(drawn.links)) > PAST and len(self._past) > 1:
                self._past.popleft()
        else:
            self._past.clear()
        self.drawn = drawn
        if not edited or not self._map_does():
            self._map_cells = None
        elif self._map_timer is None:
            self._map_timer = self.set_timer(MAP_REST, self._redraw_map)
        cursor = self.view.place_of(self.cursor) if keep_cursor and self.cursor is not None else None
        if cursor not in drawn.boxes:
            cursor = near
        # Not by the reactive's own watcher: the picture must be in place before anything is scrolled into view.
        moved = cursor != self.cursor
        self.set_reactive(Picture.cursor, cursor)
        self._place_origin(before)
        self._rebuild_overlays()
        self._repaint()
        if moved:
            self.cursor_changed()

    def _near_cursor(self, drawn: Layout, before: Offset | None) -> str | None:
        """Of a new picture the node nearest to where the cursor was; the first one if there was none."""
        boxes = drawn.boxes
        if before is None or self.cursor is None or self.cursor not in self.drawn.boxes:
            return next(iter(boxes), None)
        here = self.drawn.boxes[self.cursor]
        near = [*self.drawn.near(self.cursor, forward=False), *self.drawn.near(self.cursor, forward=True)]
        for node in near:
            if node in boxes:
                return node
        return min(boxes, key=lambda n: abs(boxes[n].y - here.y) * 3 + abs(boxes[n].x - here.x), default=None)

    # ---- folding and what is near --------------------------------------------------------------------------------

    @property
    def folding(self) -> bool:
        """Whether alike nodes are drawn as one."""
        return self.fold == "on" or (self.fold == "auto" and len(self.model.nodes) > AUTO_FOLD)

    def members(self, node: str | None = None) -> tuple[str, ...]:
        """The nodes of the flow that a node of the picture (by default the one under the cursor) stands for."""
        node = self.cursor if node is None else node
        if node is None:
            return ()
        return self.view.members.get(node, (node,))

    def reveal(self, node: str) -> int:
        """Move the cursor to a node of the flow; the view of what is near ends and its group opens if they hide it.

        Returns for how many its box stands: alike nodes stay folded.
        """
        if self._focus is not None and not self.shows(node):
            self.show_near(None)
        shown = self.view.place_of(node)
        if shown in self.view.collapsed:
            self.toggle_fold(shown)
            shown = self.view.place_of(node)
        self.cursor = node
        return len(self.members(shown))

    def toggle_fold(self, node: str | None = None) -> None:
        """Open what stands for several nodes; close it again from one of them. A named group closes and opens too."""
        node = self.cursor if node is None else node
        if node is None:
            return
        if node in self.view.collapsed:
            self._collapsed.discard(self.view.collapsed[node])
        elif node in self.view.members:
            self._unfolded.add(node)
        else:
            opened = self._opened_with(node)
            if opened:
                self._unfolded -= opened
            elif node in self.model.groups:
                self._collapsed.add(self.model.groups[node])
            else:
                return
        self._relayout()

    def fold_here(self) -> int | None:
        """What the fold key does: open or close what is under the cursor; where nothing is folded, fold what is alike.

        Returns how many boxes then stand for several; None where a box was opened or closed.
        """
        node = self.cursor
        if node is not None and (self.folding or node in self.view.members or node in self.model.groups):
            self.toggle_fold(node)
            return None
        self.fold = "on"
        # Named groups that are closed stand for several as well.
        alike = sum(node not in self.view.collapsed for node in self.view.members)
        if not alike:
            self.fold = "auto"
        return alike

    def _opened_with(self, node: str) -> set[str]:
        """Of the nodes whose class was opened by hand, those alike to `node`."""
        if not self._unfolded or not self.folding:
            return set()
        standing_out = {n for n, look in self.looks.items() if look.style in STANDING_OUT}
        whole = view_of(
            self.model, fold=True, standing_out=standing_out, collapsed=self._collapsed, focus=self._focus
        )
        alike = set(whole.members.get(whole.shown_as.get(node, node), ()))
        return self._unfolded & alike

    def fold_groups(self, groups: Iterable[str]) -> None:
        """Draw exactly these named groups as one node each."""
        self._collapsed = set(groups)
        self._relayout()

    def show_near(self, steps: int | None) -> None:
        """Show only what lies within `steps` links of the cursor; None shows everything again."""
        self._focus = (self.cursor, steps) if steps is not None and self.cursor is not None else None
        self._placed = False
        self._relayout()

    def show_further(self) -> str:
        """What the key for the neighbourhood does, one link further each time, at last everything; said in words."""
        steps = self.near_steps
        wanted = 1 if steps is None else steps + 1 if steps < NEAREST else None
        self.show_near(wanted)
        if wanted is None:
            return "everything"
        return f"only what lies within {wanted} {'link' if wanted == 1 else 'links'} · . further, esc all"

    @property
    def near_steps(self) -> int | None:
        """How far the neighbourhood view reaches, or None where everything is shown."""
        return self._focus[1] if self._focus else None

    # ---- what asks for another layout ----------------------------------------------------------------------------

    def validate_zoom(self, zoom: int) -> int:
        return min(max(zoom, 0), 2)

    def shows(self, node: str) -> bool:
        """Whether a node of the flow is in the picture, by itself or folded with others."""
        return self.view.place_of(node) in self.drawn.boxes

    def validate_cursor(self, cursor: str | None) -> str | None:
        if cursor is None:
            return None
        if self.shows(cursor):
            return self.view.place_of(cursor)
        return self.cursor if self.cursor in self.drawn.boxes else None  # it stays where it is

    def watch_cursor(self, old: str | None, new: str | None) -> None:
        if old == new:
            return
        rows = self._lit.rows()
        self._light_links()
        rows |= self._lit.rows()
        for node in (old, new):
            box = self.drawn.boxes.get(node) if node is not None else None
            if box is not None:
                rows.update(range(box.y, box.y + box.h))
        self._forget((old, new))
        self._refresh_rows(rows)
        self._keep_in_view()
        self.cursor_changed()

    def watch_zoom(self) -> None:
        self._relayout()

    def watch_direction(self) -> None:
        self._relayout()

    def watch_fold(self) -> None:
        self._relayout()

    def watch_ascii(self) -> None:
        self._repaint()

    def watch_show_map(self) -> None:
        self._repaint()

    def on_mount(self) -> None:
        if self.model.nodes:
            self._relayout(keep_cursor=False)

    def on_resize(self, event: events.Resize) -> None:
        if self.direction == "auto":
            self._relayout()
        else:
            self._place_origin(
                self._cursor_on_screen() if self._placed and self.drawn.width > event.size.width else None
            )

    def fit(self) -> None:
        """Draw everything anew, in the largest boxes with which it is on screen; else in the smallest."""
        width, height = self._viewport()
        zoom = 2
        for zoom in (2, 1, 0):
            tried = layout(
                self.view.model,
                direction=self.direction,
                zoom=zoom,
                viewport=(width, height),
                previous=self.drawn,
            )
            if tried.width <= width - 2 and tried.height <= height:
                break
        self._placed = False
        self.set_reactive(Picture.zoom, zoom)
        self._relayout(fresh=True)
