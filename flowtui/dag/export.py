"""A picture for other tools: its nodes and links as JSON, and the picture as SVG."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape

from rich.cells import cell_len

from flowtui.dag.graph import PLAIN, GraphModel, Look
from flowtui.dag.layout import Layout
from flowtui.dag.paint import back_cells, box_text, pieces

CELL_WIDTH, CELL_HEIGHT, FONT_SIZE = 8.4, 17.0, 14
INK, PAPER, LINE = "#1f2328", "#ffffff", "#6e7781"
COLOURS = {
    "active": "#9a6700",
    "completed": "#1a7f37",
    "failed": "#cf222e",
    "problem": "#cf222e",
    "delayed": "#0969da",
    "expired": "#9a6700",
    "blocked": "#6e7781",
    "skipped": "#8c959f",
    "cancelled": "#8c959f",
}


def _links(model: GraphModel) -> list[tuple[str, str]]:
    return [(s, t) for s, t in dict.fromkeys(model.links) if s in model.nodes and t in model.nodes]


def to_json(model: GraphModel) -> str:
    """Nodes and links as JSON: what a script or a web page needs to draw it again."""
    nodes = [
        {
            "id": name,
            "label": node.label,
            **({"kind": node.kind} if node.kind else {}),
            **({"group": model.groups[name]} if name in model.groups else {}),
        }
        for name, node in model.nodes.items()
    ]
    links = [{"source": s, "target": t} for s, t in _links(model)]
    return json.dumps({"nodes": nodes, "links": links}, ensure_ascii=False, indent=2) + "\n"


def to_svg(
    drawn: Layout,
    looks: Mapping[str, Look] | None = None,
    window: tuple[int, int, int, int] | None = None,
) -> str:
    """The picture itself: lines as lines, so that they join in every viewer, and words as text.

    `window` shows only a part of a large picture: its first column and row, its width and height in cells.
    """
    looks = looks or {}
    back = back_cells(drawn)
    # A link that closes a cycle may run just outside the picture.
    last_row, last_column = max([-1, *back]), max([-1, *(x for row in back.values() for x in row)])
    whole = 0, 0, max(drawn.width, last_column + 1), max(drawn.height, last_row + 1)
    x0, y0, columns, rows = window or whole
    width, height = (columns + 2) * CELL_WIDTH, (rows + 2) * CELL_HEIGHT
    canvas = _Canvas()
    for y in range(y0, min(y0 + rows, drawn.height)):
        for piece in pieces(drawn, y, x0, x0 + columns):
            if piece.x + piece.width <= x0:
                continue
            if piece.node is None:
                first = max(x0 - piece.x, 0)
                canvas.write(piece.x + first - x0, y - y0, piece.text[first : x0 + columns - piece.x], LINE)
            else:
                look = looks.get(piece.node, PLAIN)
                text = box_text(drawn, piece.node, piece.row, look)
                canvas.write(piece.x - x0, y - y0, text, COLOURS.get(look.style, INK))
    for y, row in back.items():
        for x, char in row.items():
            canvas.write(x - x0, y - y0, char, COLOURS["problem"])
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
            f'viewBox="0 0 {width:.0f} {height:.0f}">',
            f'<rect width="100%" height="100%" fill="{PAPER}"/>',
            *(
                f'<path d="{"".join(d)}" fill="none" stroke="{colour}"/>'
                for colour, d in canvas.paths.items()
            ),
            *(f'<path d="{"".join(d)}" fill="{colour}"/>' for colour, d in canvas.areas.items()),
            f'<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="{FONT_SIZE}">',
            *canvas.texts,
            "</g>",
            "</svg>",
            "",
        ]
    )


class _Canvas:
    """Strokes, filled shapes and words by colour, gathered cell by cell."""

    def __init__(self) -> None:
        self.paths: dict[str, list[str]] = {}
        self.areas: dict[str, list[str]] = {}
        self.texts: list[str] = []

    def write(self, column: int, row: int, text: str, colour: str) -> None:
        """One run of cells of one colour."""
        at = column
        word, began = "", at
        for i, char in enumerate(text):
            if char == "─" and i and text[i - 1] == "─":
                at += 1  # drawn with the first of the run
                continue
            drawn = char in _ARMS or char in _SHAPES or char in "╌╎"
            # A character that may come from another font stands alone: it must not shift its neighbours.
            if word and (drawn or char == " " or not char.isascii() or not word[-1].isascii()):
                self._word(began, row, word, colour)
                word = ""
            if char == "─":
                run = len(text) - i - len(text[i:].lstrip("─"))
                d = f"M{(at + 1) * CELL_WIDTH:.1f} {(row + 1.5) * CELL_HEIGHT:.1f}h{run * CELL_WIDTH:.1f}"
                self.paths.setdefault(colour, []).append(d)
            elif char == "╌":
                d = f"M{(at + 1.25) * CELL_WIDTH:.1f} {(row + 1.5) * CELL_HEIGHT:.1f}h{CELL_WIDTH / 2:.1f}"
                self.paths.setdefault(colour, []).append(d)
            elif char == "╎":
                d = f"M{(at + 1.5) * CELL_WIDTH:.1f} {(row + 1.25) * CELL_HEIGHT:.1f}v{CELL_HEIGHT / 2:.1f}"
                self.paths.setdefault(colour, []).append(d)
            elif char == "│":
                d = f"M{(at + 1.5) * CELL_WIDTH:.1f} {(row + 1) * CELL_HEIGHT:.1f}v{CELL_HEIGHT:.1f}"
                self.paths.setdefault(colour, []).append(d)
            elif char in _ARMS:
                self._line(at, row, char, colour)
            elif char in _SHAPES:
                self._shape(at, row, char, colour)
            elif char != " ":
                if not word:
                    began = at
                word += char
            at += cell_len(char)
        if word:
            self._word(began, row, word, colour)

    def _word(self, column: int, row: int, word: str, colour: str) -> None:
        x, y = (column + 1) * CELL_WIDTH, (row + 1.75) * CELL_HEIGHT
        length = cell_len(word) * CELL_WIDTH
        self.texts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" textLength="{length:.1f}" fill="{INK if colour == LINE else colour}">'
            f"{escape(word)}</text>"
        )

    def _line(self, column: int, row: int, char: str, colour: str) -> None:
        x, y = (column + 1.5) * CELL_WIDTH, (row + 1.5) * CELL_HEIGHT
        ends = {
            "L": f"{x - CELL_WIDTH / 2:.1f} {y:.1f}",
            "R": f"{x + CELL_WIDTH / 2:.1f} {y:.1f}",
            "U": f"{x:.1f} {y - CELL_HEIGHT / 2:.1f}",
            "D": f"{x:.1f} {y + CELL_HEIGHT / 2:.1f}",
        }
        arms = _ARMS[char]
        middle = f"{x:.1f} {y:.1f}"
        if char in "╭╮╰╯":
            d = f"M{ends[arms[0]]}Q{middle} {ends[arms[1]]}"
        else:
            d = "".join(f"M{middle}L{ends[arm]}" for arm in arms)
        self.paths.setdefault(colour, []).append(d)

    def _shape(self, column: int, row: int, char: str, colour: str) -> None:
        x, y = (column + 1) * CELL_WIDTH, (row + 1) * CELL_HEIGHT
        w, h = CELL_WIDTH, CELL_HEIGHT
        if char == "▸":
            d = f"M{x:.1f} {y + h / 2 - 4:.1f}l{w:.1f} 4l-{w:.1f} 4z"
        elif char == "▾":
            d = f"M{x + w / 2 - 0.5:.1f} {y:.1f}h1v{h - w:.1f}h3.5l-4 {w:.1f}l-4 -{w:.1f}h3.5z"
        elif char == "█":
            d = f"M{x:.1f} {y + h / 4:.1f}h{w:.1f}v{h / 2:.1f}h-{w:.1f}z"
        else:
            d = f"M{x:.1f} {y + h / 2 - 1:.1f}h{w:.1f}v2h-{w:.1f}z"
        self.areas.setdefault(colour, []).append(d)


_ARMS = {
    "─": "LR",
    "│": "UD",
    "╭": "RD",
    "╮": "LD",
    "╰": "RU",
    "╯": "LU",
    "├": "UDR",
    "┤": "UDL",
    "┬": "LRD",
    "┴": "LRU",
    "┼": "LRUD",
    "┌": "RD",
    "┐": "LD",
    "└": "RU",
    "┘": "LU",
}
_SHAPES = frozenset("▸▾█░")
