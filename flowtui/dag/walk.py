"""Where the cursor goes: along links, or inside a level; what lies nearest wins. The cursor is always on a node."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from flowtui.dag.layout import Layout

Way = Literal["left", "right", "up", "down", "home", "end"]


def target_of(drawn: Layout, here: str, way: Way) -> str | None:
    """The node one step from `here`, or None where the picture ends."""
    b, v = drawn.vertex[here]
    block = drawn.blocks[b]
    if way in ("home", "end"):
        levels = [[block.ids[w] for w in layer if block.ids[w]] for layer in block.layers]
        full = [level for level in levels if level]
        return nearest(drawn, here, full[0] if way == "home" else full[-1])
    along = ("left", "right") if drawn.direction == "LR" else ("up", "down")
    if way in along:
        found = nearest(drawn, here, drawn.near(here, forward=way == along[1]))
        if found is not None:
            return found
    else:
        level = [block.ids[w] for w in block.layers[block.level[v]] if block.ids[w]]
        at = level.index(here) + (1 if way in ("down", "right") else -1)
        if 0 <= at < len(level):
            return level[at]
        # At the end of a level the cursor goes on to another flow, never to another level of this one.
        return _beyond(drawn, here, way, but=b)
    return _beyond(drawn, here, way)


def nearest(drawn: Layout, here: str, nodes: Iterable[str]) -> str | None:
    """Of `nodes` the one nearest to `here`, measured across the levels first."""
    boxes = drawn.boxes
    own = boxes[here]
    lr = drawn.direction == "LR"

    def away(node: str) -> tuple[int, int]:
        box = boxes[node]
        dx = abs((2 * box.x + box.w) - (2 * own.x + own.w))
        dy = abs((2 * box.y + box.h) - (2 * own.y + own.h))
        return (dy, dx) if lr else (dx, dy)

    return min((node for node in nodes if node in boxes), key=away, default=None)


def at_distance(drawn: Layout, here: str, rows: int) -> str:
    """The node nearest to a point `rows` below `here` (above, if negative)."""
    boxes = drawn.boxes
    own = boxes[here]
    goal = own.y + rows
    return min(boxes, key=lambda node: (abs(boxes[node].y - goal), abs(boxes[node].x - own.x)))


def _beyond(drawn: Layout, here: str, way: Way, but: int | None = None) -> str | None:
    """The nearest node on that side, outside the block `but`."""
    own = drawn.boxes[here]
    best: tuple[int, str] | None = None
    for node, box in drawn.boxes.items():
        ahead = {
            "left": box.x + box.w <= own.x,
            "right": box.x >= own.x + own.w,
            "up": box.y + box.h <= own.y,
            "down": box.y >= own.y + own.h,
        }[way]
        if not ahead or box.block == but:
            continue
        dx = max(box.x - (own.x + own.w - 1), own.x - (box.x + box.w - 1), 0)
        dy = max(box.y - (own.y + own.h - 1), own.y - (box.y + box.h - 1), 0)
        cost = dx + dy * 12 if way in ("left", "right") else dy * 3 + dx * 4
        if best is None or cost < best[0]:
            best = (cost, node)
    return best[1] if best else None
