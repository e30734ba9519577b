"""Any range of rows of a layout as text.

Lines are drawn so that they can be read back: an upright line passes over a level one (`─│─`), and a tee or a cross
(`├┤┬┴┼`) is drawn only where lines really join. Lines have round corners, boxes square ones. Channels are painted when
one of their rows is first asked for, and kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from flowtui.dag.blocks import Block
from flowtui.dag.graph import PLAIN, Look
from flowtui.dag.layout import Layout
from flowtui.dag.trail import Busy, dashed
from flowtui.states import STATES

LEFT, RIGHT, UP, DOWN = 1, 2, 4, 8
JOINTS = {
    LEFT | RIGHT: "─",
    UP | DOWN: "│",
    RIGHT | DOWN: "╭",
    LEFT | DOWN: "╮",
    RIGHT | UP: "╰",
    LEFT | UP: "╯",
    UP | DOWN | RIGHT: "├",
    UP | DOWN | LEFT: "┤",
    LEFT | RIGHT | DOWN: "┬",
    LEFT | RIGHT | UP: "┴",
    LEFT | RIGHT | UP | DOWN: "┼",
    LEFT: "─",
    RIGHT: "─",
    UP: "│",
    DOWN: "│",
}
HEAD = {"LR": "▸", "TB": "▾"}

# The same picture for terminals that have only ASCII. Every bend and joint keeps a sign of its own, so that it can be
# read back, too; dashed and double lines, and the box under the cursor, differ without colour.
ASCII = str.maketrans(
    {
        **dict(zip("─│╭╮╰╯├┤┬┴┼▸▾", "-|,.`'}{T^+>v", strict=True)),
        **dict(zip("═║╔╗╚╝╠╣╦╩╬╟╤", "=#,.`'}{T^+}T", strict=True)),
        **dict(zip("━┃┏┓┗┛┠┯", "~!****}T", strict=True)),
        **dict.fromkeys("┌┐└┘", "+"),
        **dict(zip("╌╎", "~:", strict=True)),
        **{shown.glyph: shown.ascii for shown in STATES.values()},
        **dict(zip("●◆…█░×▪▫■", "*#~#.x#.@", strict=True)),
    }
)


@dataclass(slots=True)
class Piece:
    """Some cells of one row: lines and blanks (`node` None), or row `row` of a node's box."""

    x: int
    width: int
    text: str
    node: str | None = None
    row: int = 0


def pieces(drawn: Layout, y: int, x0: int, x1: int) -> Iterator[Piece]:
    """What lies on row `y` of the canvas between the columns x0 and x1, left to right (no blanks between blocks).

    Nodes come whole even where they stick out of the range, and without text: `box_text()` has it.
    """
    for block in drawn.blocks_at(y):
        wide, deep = _extent(drawn, block)
        if block.x >= x1 or block.x + wide <= x0 or y - block.y >= deep:
            continue
        if drawn.direction == "LR":
            yield from _pieces_lr(block, y - block.y, x0, x1)
        else:
            yield from _pieces_tb(block, y - block.y, x0, x1)


def _extent(drawn: Layout, block: Block) -> tuple[int, int]:
    return (block.along, block.across) if drawn.direction == "LR" else (block.across, block.along)


def _pieces_lr(block: Block, row: int, x0: int, x1: int) -> Iterator[Piece]:
    start, size, port = block.start, block.size, block.port
    first = max(bisect_right(block.layer_at, x0 - block.x) - 1, 0)
    for k in range(first, len(block.layers)):
        x = block.x + block.layer_at[k]
        if x >= x1:
            return
        width = block.layer_size[k]
        layer = block.layers[k]
        i = bisect_right(layer, row, key=start.__getitem__) - 1
        v = layer[i] if i >= 0 else -1
        if v < 0 or row >= start[v] + size[v]:
            yield Piece(x, width, " " * width)
        else:
            on_line = row == start[v] + port[v]
            node = block.ids[v]
            if node:
                inside = row - start[v] - block.base[v]
                w, h = block.boxes[v]
                if 0 <= inside < h:
                    yield Piece(x, w, "", node, inside)
                    if w < width:
                        fill = "─" if on_line and block.down[v] else " "
                        yield Piece(x + w, width - w, fill * (width - w))
                else:
                    yield Piece(x, width, " " * width)
            else:
                yield Piece(x, width, ("─" if on_line else " ") * width)
        if k < len(block.channels):
            text = channel_rows(block, k, True)[row]
            yield Piece(block.x + block.channel_at[k], len(text), text)


def _pieces_tb(block: Block, row: int, x0: int, x1: int) -> Iterator[Piece]:
    k = bisect_right(block.layer_at, row) - 1
    inside = row - block.layer_at[k]
    if inside >= block.layer_size[k]:
        if k >= len(block.channels):
            return
        text = channel_rows(block, k, False)[row - block.channel_at[k]]
        yield Piece(block.x, len(text), text)
        return
    start = block.start
    layer = block.layers[k]
    i = max(bisect_right(layer, x0 - block.x, key=start.__getitem__) - 1, 0)
    # A lane may lie inside a wide vertex's neighbourhood but never inside its box: going one back is enough.
    while i < len(layer):
        v = layer[i]
        at = start[v]
        if block.x + at >= x1:
            return
        if block.ids[v]:
            w, h = block.boxes[v]
            if inside < h:
                yield Piece(block.x + at + block.base[v], w, "", block.ids[v], inside)
            elif block.down[v]:
                yield Piece(block.x + at + block.port[v], 1, "│")
        else:
            yield Piece(block.x + at + block.port[v], 1, "│")
        i += 1


def channel_rows(block: Block, k: int, lr: bool) -> list[str]:
    """The rows of the gap behind level k, painted on first use."""
    rows = block.rows.get(k)
    if rows is None:
        rows = block.rows[k] = _paint_channel(block, k, lr)
    return rows


def _paint_channel(block: Block, k: int, lr: bool) -> list[str]:
    """One gap as text. Lines that run upright are laid over level ones; then the joints are set."""
    deep, wide = block.across, block.channel_size[k]
    # Cells count across the levels first in this function; `along` and `across` are the steps to the next cell.
    along, across = (1, wide) if lr else (deep, 1)
    cells = [" "] * (deep * wide)
    runs, trunks, joints = _strokes(block, k)

    def draw_runs() -> None:
        char = "─" if lr else "│"
        for row, first, last in runs:
            if last >= first:
                at = row * across
                cells[at + first * along : at + last * along + 1 : along] = [char] * (last - first + 1)

    def draw_trunks() -> None:
        char = "│" if lr else "─"
        for column, top, bottom in trunks:
            at = column * along
            cells[at + top * across : at + bottom * across + 1 : across] = [char] * (bottom - top + 1)

    if lr:
        draw_runs()
        draw_trunks()
    else:
        draw_trunks()
        draw_runs()
    names = _NAMES_LR if lr else _NAMES_TB
    for (row, column), arms in joints.items():
        cells[row * across + column * along] = names[arms]
    head = HEAD["LR" if lr else "TB"]
    for w in block.layers[k + 1]:
        if block.ids[w] and block.up[w]:
            cells[(block.start[w] + block.port[w]) * across + (wide - 1) * along] = head
    text = "".join(cells)
    length = wide if lr else deep
    return [text[i : i + length] for i in range(0, len(text), length)]


def _strokes(
    block: Block, k: int
) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]], dict[tuple[int, int], int]]:
    """Runs (row, first, last), trunks (column, top, bottom) and joints of one gap, in its own columns from 0."""
    channel = block.channels[k]
    lead = block.lead
    last = lead + channel.columns - 1  # the last column a trunk may have
    edge = block.channel_size[k] - 1
    merge = edge - 1 if block.merging[k] else edge
    runs: list[tuple[int, int, int]] = []
    trunks: list[tuple[int, int, int]] = []
    joints: dict[tuple[int, int], int] = {}
    for _, row in channel.straight:
        runs.append((row, 0, last))
    seconds = {trunk.after for trunk in channel.trunks}
    for index, trunk in enumerate(channel.trunks):
        column = lead + trunk.column
        trunks.append((column, trunk.top, trunk.bottom))
        for row in trunk.left:
            if index not in seconds:
                runs.append((row, 0, column - 1))
            joints[row, column] = LEFT
        for row in trunk.right:
            end = last if trunk.after is None else lead + channel.trunks[trunk.after].column - 1
            runs.append((row, column + 1, end))
            joints[row, column] = joints.get((row, column), 0) | RIGHT
        for row in (*trunk.left, *trunk.right):
            joints[row, column] |= (UP if row > trunk.top else 0) | (DOWN if row < trunk.bottom else 0)
    # Behind the trunks every entry of a vertex runs to the column where they merge, and one line from there.
    for w in block.layers[k + 1]:
        entries = block.entries[w]
        if not entries:
            continue
        port = block.start[w] + block.port[w]
        if len(entries) == 1:
            runs.append((port, last + 1, edge))
            continue
        rows = sorted(block.start[w] + row for row in entries.values())
        for row in rows:
            if merge > last + 1:
                runs.append((row, last + 1, merge - 1))
            arms = LEFT | (UP if row > rows[0] else 0) | (DOWN if row < rows[-1] else 0)
            joints[row, merge] = arms | (RIGHT if row == port else 0)
        if port not in rows:
            joints[port, merge] = RIGHT | UP | DOWN
        trunks.append((merge, rows[0], rows[-1]))
        runs.append((port, merge + 1, edge))
    return runs, trunks, joints


def hops(drawn: Layout) -> int:
    """How often a line passes another in the picture: the crossings one sees."""
    total = 0
    for block in drawn.blocks:
        for k in range(len(block.channels)):
            runs, trunks, joints = _strokes(block, k)
            at_row: dict[int, list[int]] = {}
            for column, top, bottom in trunks:
                for row in range(top, bottom + 1):
                    at_row.setdefault(row, []).append(column)
            for row, first, last in runs:
                for column in at_row.get(row, ()):
                    if first <= column <= last and (row, column) not in joints:
                        total += 1
    return total


def _turned(arms: int) -> int:
    """The same arms in a drawing from top to bottom."""
    pairs = ((LEFT, UP), (RIGHT, DOWN), (UP, LEFT), (DOWN, RIGHT))
    return sum(there for here, there in pairs if arms & here)


_NAMES_LR = [JOINTS.get(arms, " ") for arms in range(16)]
_NAMES_TB = [JOINTS.get(_turned(arms), " ") for arms in range(16)]


def box_text(drawn: Layout, node: str, row: int, look: Look) -> str:
    """Row `row` of a node's box as plain text, exactly as wide as the box."""
    box = drawn.boxes[node]
    label = drawn.model.nodes[node].label
    if drawn.zoom == 0:
        return set_cell_size(look.glyph, 1)
    if drawn.zoom == 1:
        return set_cell_size(f"{look.glyph} {label}", box.w)
    inner = box.w - 2
    if row == 0:
        return "┌" + top_border(look, inner) + "┐"
    if row == 1:
        exit_mark = "├" if drawn.direction == "LR" and drawn.has_downstream(node) else "│"
        return "│ " + set_cell_size(f"{look.glyph} {label}", inner - 2) + " " + exit_mark
    return "└" + lower_border(look, inner, drawn.direction == "TB" and drawn.has_downstream(node)) + "┘"


def top_border(look: Look, inner: int) -> str:
    """The upper border between its corners, with the timing to the right."""
    if not look.top or inner < 4:
        return "─" * inner
    text = clip(look.top, inner - 2)
    return "─" * (inner - 1 - cell_len(text)) + text + "─"


def bottom_border(look: Look, inner: int) -> str:
    """The lower border between its corners: progress if there is any, else the short text."""
    if look.progress is not None:
        return progress_bar(look.progress, inner)
    if not look.bottom or inner < 4:
        return "─" * inner
    text = clip(look.bottom, inner - 2)
    return "─" + text + "─" * (inner - 1 - cell_len(text))


def lower_border(look: Look, inner: int, leaves: bool) -> str:
    """The lower border between its corners; where a line leaves it downwards, no text is cut in two by the joint."""
    if not leaves or look.progress is not None:
        return bottom_border(look, inner)
    at = (inner + 2) // 2 - 1
    side = at - 1
    text = look.bottom if 0 < cell_len(look.bottom) <= side else ""
    left = "─" + text + "─" * (side - cell_len(text)) if text else "─" * at
    return left + "┬" + "─" * (inner - at - 1)


def progress_bar(progress: float, inner: int) -> str:
    """A bar with its percentage, `inner` cells wide."""
    progress = min(max(progress, 0.0), 1.0)
    percent = f" {int(progress * 100)}%"
    room = inner - len(percent)
    if room < 3:
        room, percent = inner, ""
    full = int(progress * room + 0.5)
    return "█" * full + "░" * (room - full) + percent


def clip(text: str, width: int) -> str:
    """`text` in at most `width` cells, ending in `…` where something was cut."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(width - 1, 0)).rstrip() + "…" if width > 0 else ""


def paint_text(
    drawn: Layout,
    looks: Mapping[str, Look] | None = None,
    ascii: bool = False,
    width: int | None = None,
    rows: range | None = None,
    margin: int = 0,
) -> list[str]:
    """The picture as lines of text without trailing blanks, cut at `width` cells; `rows` picks some of its rows.

    Links that close a cycle run dashed beside the others, on cells where nothing else is drawn: below the picture, too,
    and up to one cell before it, so that a `margin` of 1 shows all of them.
    """
    looks = looks or {}
    dashes = back_cells(drawn)
    lines = []
    for y in rows if rows is not None else range(-margin, max([drawn.height, *(y + 1 for y in dashes)])):
        here = dashes.get(y, {})
        line: list[str] = []
        at = -margin
        for piece in pieces(drawn, y, 0, drawn.width):
            if piece.x > at:
                line.append(_dashed(" " * (piece.x - at), at, here))
            if piece.node is None:
                line.append(_dashed(piece.text, piece.x, here))
            else:
                line.append(box_text(drawn, piece.node, piece.row, looks.get(piece.node, PLAIN)))
            at = piece.x + piece.width
        line.append(_dashed(" " * (max([drawn.width, *here]) + 1 - at), at, here))
        text = "".join(line)
        if width is not None and cell_len(text) > width:
            text = set_cell_size(text, width)
        if ascii:
            text = text.translate(ASCII)
        lines.append(text.rstrip())
    return lines


def back_cells(drawn: Layout) -> dict[int, dict[int, str]]:
    """The cells of the links that close a cycle, by row and column."""
    cells: dict[int, dict[int, str]] = {}
    busy: Busy = []
    for source, target in drawn.back:
        for (x, y), char in dashed(drawn, source, target, busy, len(drawn.back)).items():
            cells.setdefault(y, {})[x] = char
    return cells


def _dashed(text: str, x: int, dashes: Mapping[int, str]) -> str:
    """Lines and blanks that begin at column x, with what is dashed on the blanks."""
    if not dashes:
        return text
    return "".join([dashes.get(x + i, " ") if char == " " else char for i, char in enumerate(text)])
