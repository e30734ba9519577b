"""The drawing in Textual: a cursor that is always on a node, marks, jump labels, and what the mouse does.

`Picture` paints, `Stage` decides what is painted, `GraphCanvas` is what the hand does with it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Region
from textual.message import Message

from flowtui.dag.stage import Stage
from flowtui.dag.theme import CLASSES, CSS
from flowtui.dag.walk import Way, at_distance, target_of

JUMP_LETTERS = "fjdkslaghrueiwoqptyvbncmxz"


class GraphCanvas(Stage, can_focus=True):
    """A DAG, drawn so that every link can be followed; keyboard and mouse move a cursor from node to node."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = CLASSES
    DEFAULT_CSS = CSS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,left", "move('left')", "upstream", show=False),
        Binding("l,right", "move('right')", "downstream", show=False),
        Binding("k,up", "move('up')", "above", show=False),
        Binding("j,down", "move('down')", "below", show=False),
        Binding("home", "move('home')", "first", show=False),
        Binding("end", "move('end')", "last", show=False),
        Binding("pageup", "page(-1)", "page up", show=False),
        Binding("pagedown", "page(1)", "page down", show=False),
        Binding("enter", "open", "open", show=False),
    ]

    class CursorMoved(Message):
        """The cursor went to another node, or there is none left."""

        def __init__(self, canvas: GraphCanvas, node_id: str | None) -> None:
            super().__init__()
            self.canvas = canvas
            self.node_id = node_id

        @property
        def control(self) -> GraphCanvas:
            return self.canvas

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, GraphCanvas.CursorMoved)

    class Opened(Message):
        """Enter or a double click on a node."""

        def __init__(self, canvas: GraphCanvas, node_id: str) -> None:
            super().__init__()
            self.canvas = canvas
            self.node_id = node_id

        @property
        def control(self) -> GraphCanvas:
            return self.canvas

    class MarksChanged(Message):
        """The marked nodes, oldest mark first."""

        def __init__(self, canvas: GraphCanvas, marks: tuple[str, ...]) -> None:
            super().__init__()
            self.canvas = canvas
            self.marks = marks

        @property
        def control(self) -> GraphCanvas:
            return self.canvas

    class LinkDragged(Message):
        """The mouse went down on one node and up on another."""

        def __init__(self, canvas: GraphCanvas, source: str, target: str) -> None:
            super().__init__()
            self.canvas = canvas
            self.source = source
            self.target = target

        @property
        def control(self) -> GraphCanvas:
            return self.canvas

    class LinkAimed(Message):
        """The mouse went down on one node and is over another, or over none."""

        def __init__(self, canvas: GraphCanvas, source: str, target: str | None) -> None:
            super().__init__()
            self.canvas = canvas
            self.source = source
            self.target = target

        @property
        def control(self) -> GraphCanvas:
            return self.canvas

    _aimed: str | None = None
    _press: tuple[str | None, Offset] | None = None  # where the mouse button went down: node, place on screen

    def marks_changed(self) -> None:
        self.post_message(self.MarksChanged(self, self.marks))

    def cursor_changed(self) -> None:
        self.post_message(self.CursorMoved(self, self.cursor))

    # ---- cursor and marks ----------------------------------------------------------------------------------------

    @property
    def marks(self) -> tuple[str, ...]:
        """The marked nodes, oldest mark first."""
        return tuple(self._marks)

    def toggle_mark(self, node: str | None = None) -> None:
        """Mark a node or take its mark away; without a name, the node under the cursor, with all it stands for."""
        node = self.cursor if node is None else node
        if node is None or node not in self.model.nodes:
            return
        if node in self._marks:
            for member in self.members(node):
                self._marks.pop(member, None)
        else:
            self._marks.update(dict.fromkeys(self.members(node)))
        self._refresh_nodes((node,))
        self.marks_changed()

    def set_marks(self, nodes: Iterable[str]) -> None:
        """Mark exactly these nodes."""
        old = set(self._marks)
        self._marks = {node: None for node in nodes if node in self.model.nodes}
        if old != set(self._marks):
            self._refresh_nodes(old | set(self._marks))
            self.marks_changed()

    def clear_marks(self) -> None:
        """Take all marks away."""
        self.set_marks(())

    def move(self, way: Way) -> None:
        """Move the cursor along the structure: along links, or inside its level; what lies nearest wins."""
        if self.cursor is None:
            self.cursor = next(iter(self.drawn.boxes), None)
            return
        target = target_of(self.drawn, self.cursor, way)
        if target is not None:
            self.cursor = target

    def page(self, step: int) -> None:
        """Move the cursor about one screen down (or up)."""
        if self.cursor is not None:
            self.cursor = at_distance(self.drawn, self.cursor, step * max(self.size.height - 4, 1))

    # ---- size and keys -------------------------------------------------------------------------------------------

    def action_move(self, way: Way) -> None:
        self.move(way)

    def action_page(self, step: int) -> None:
        self.page(step)

    def action_open(self) -> None:
        if self.cursor is not None:
            self.post_message(self.Opened(self, self.cursor))

    def hit(self, x: int, y: int) -> str | None:
        """The node at a cell of the widget, or None."""
        offset = self.scroll_offset
        return self.drawn.node_at(x + offset.x - self._origin.x, y + offset.y - self._origin.y)

    def group_at(self, x: int, y: int) -> str | None:
        """The group on whose ground, or on whose name, a cell of the widget is, or None."""
        here = Offset(x, y) + self.scroll_offset - self._origin
        for title in self._titles.get(here.y, ()):
            if title.x <= here.x < title.x + cell_len(title.text):
                return title.group
        grounds = self._grounds.get(here.y, ())
        return next((ground.group for ground in grounds if ground.region.contains_point(here)), None)

    def find(self, text: str) -> list[str]:
        """Light up the nodes whose label or kind holds `text` (upper and lower case alike); nothing for no text.

        Returns the nodes of the flow, in the order in which the picture shows them; setting the cursor to one that is
        folded goes to the node that stands for it.
        """
        wanted = text.casefold()
        found = [
            node
            for node, data in self.model.nodes.items()
            if wanted and (wanted in data.label.casefold() or wanted in data.kind.casefold())
        ]
        place, boxes = self.view.place_of, self.drawn.boxes
        at = {node: boxes.get(place(node) or "") for node in found}
        old, self._matches = self._matches, {shown for node in found if (shown := place(node)) is not None}
        self._refresh_nodes(old | self._matches)
        seen = [node for node in found if at[node] is not None]
        return sorted(seen, key=lambda node: (box.x, box.y) if (box := at[node]) is not None else (0, 0))

    # ---- jump labels ---------------------------------------------------------------------------------------------

    @property
    def jumping(self) -> bool:
        """Whether letters typed now pick a node."""
        return bool(self._jumps)

    def start_jump(self) -> None:
        """Put a label of letters on every node on screen; typing it moves the cursor there, anything else ends it."""
        offset = self.scroll_offset - self._origin
        boxes = self.drawn.boxes
        seen = Region(offset.x, offset.y, self.size.width, self.size.height)
        visible = [node for node, box in boxes.items() if seen.overlaps(Region(box.x, box.y, box.w, box.h))]
        visible.sort(key=lambda node: (boxes[node].x, boxes[node].y))
        self._jumps = dict(zip(visible, jump_labels(len(visible)), strict=True))
        self._typed = ""
        self._refresh_nodes(visible)

    def end_jump(self) -> None:
        """Take the labels away."""
        nodes = list(self._jumps)
        self._jumps = {}
        self._typed = ""
        self._refresh_nodes(nodes)

    def on_key(self, event: events.Key) -> None:
        if not self._jumps:
            return
        event.stop()
        event.prevent_default()
        typed = self._typed + (event.character or "")
        hits = {node: label for node, label in self._jumps.items() if label.startswith(typed)}
        everything = list(self._jumps)
        if not event.is_printable or not hits:
            self.end_jump()
        elif typed in hits.values():
            self.end_jump()
            self.cursor = next(node for node, label in hits.items() if label == typed)
        else:
            self._jumps = hits
            self._typed = typed
            self._refresh_nodes(everything)

    # ---- mouse ---------------------------------------------------------------------------------------------------

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if event.button != 1:
            return
        node = self.hit(event.x, event.y)
        self._press = (node, event.screen_offset)
        self.capture_mouse()
        if node is not None:
            self.cursor = node

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._press is None or event.button != 1:
            return
        node, last = self._press
        if node is None:
            moved = event.screen_offset - last
            self.scroll_relative(-moved.x, -moved.y, animate=False, force=True, immediate=True)
            self._press = (None, event.screen_offset)
            return
        self._aim(node, self.hit(event.x, event.y))

    def _aim(self, source: str, over: str | None) -> None:
        target = over if over != source else None
        if target != self._aimed:
            self._aimed = target
            self.post_message(self.LinkAimed(self, source, target))

    def let_go(self) -> bool:
        """End a drag without a link; False where there is none."""
        if self._press is None:
            return False
        linking = self._press[0] is not None
        self._press = self._aimed = None
        if linking:
            self.ghost = None
        self.release_mouse()
        return linking

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._press is None:
            return
        node, _ = self._press
        self._press = None
        self.release_mouse()
        if node is None:
            return
        over = self.hit(event.x, event.y)
        self._aim(node, None)
        if over is not None and over != node:
            self.post_message(self.LinkDragged(self, node, over))

    def on_click(self, event: events.Click) -> None:
        if event.chain != 2:
            return
        node = self.hit(event.x, event.y)
        if node is not None:
            self.post_message(self.Opened(self, node))
            return
        group = self.group_at(event.x, event.y)
        if group is not None:
            self.toggle_fold(next(name for name, own in self.model.groups.items() if own == group))


def jump_labels(count: int) -> list[str]:
    """As many labels of letters, as short as can be, none of them the beginning of another."""
    letters = JUMP_LETTERS
    size = len(letters)
    if count > size * size:
        return [a + b + c for a in letters for b in letters for c in letters][:count]
    # So many letters at the end of the alphabet begin labels of two.
    longer = max(0, -(-(count - size) // (size - 1)))
    singles = list(letters[: size - longer])
    return (singles + [a + b for a in letters[size - longer :] for b in letters])[:count]
