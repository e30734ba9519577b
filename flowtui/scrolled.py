"""Widgets that appear, grow and shrink without a second layout of the whole screen."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from rich.segment import Segment
from textual.color import Color
from textual.containers import Horizontal
from textual.content import Content
from textual.filter import ANSIToTruecolor, LineFilter
from textual.geometry import Region, Size, Spacing
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBar, ScrollBarCorner, ScrollBarRender
from textual.strip import Strip
from textual.style import Style
from textual.widget import Widget

FRAME: Final = Spacing(1, 1, 1, 1)
"""What a border takes."""
EDGE: Final = Spacing(0, 0, 0, 1)
"""What a line at the left takes."""
UNCHANGED: Final = Strip([])
"""Remembered of a line that the filters of the screen leave as it is."""
LINES_KEPT: Final = 1000
"""Lines of a view that are remembered between its sides."""

if TYPE_CHECKING:
    Beside = Widget
else:
    # Only the first base that is a widget hands its style sheet down.
    Beside = object


class Steady(Beside):
    """A base beside another widget class: the size that a layout gave it asks for no layout after it.

    Every widget that a layout made larger or smaller asks for another one, for the sake of content that depends on
    how much of it can be seen; where nothing does, that is a second look at the whole screen.
    """

    def _size_updated(
        self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True
    ) -> bool:
        return super()._size_updated(size, virtual_size, container_size, layout=False)


class QuickBar(Steady, ScrollBar):
    """A scroll bar by the line API: its way through a renderable costs more than the picture that it belongs to."""

    _drawn: tuple[Any, list[Strip]] | None = None

    def render_lines(self, crop: Region) -> list[Strip]:
        bar = self.render()
        style = getattr(bar, "style", None)
        if not isinstance(bar, ScrollBarRender) or isinstance(style, str | None):
            return super().render_lines(crop)
        if self.styles.gutter or self.opacity != 1.0:
            return super().render_lines(crop)
        width, height = self.size
        filters, background = self.get_line_filters(), self.background_colors[1]
        told = (
            width,
            height,
            bar.virtual_size,
            bar.window_size,
            bar.position,
            style,
            tuple(filters),
            background,
        )
        if self._drawn is None or self._drawn[0] != told:
            drawn = bar.render_bar(
                size=height if self.vertical else width,
                virtual_size=bar.virtual_size,
                window_size=bar.window_size,
                position=bar.position,
                thickness=bar.thickness,
                vertical=bar.vertical,
                back_color=style.bgcolor,
                bar_color=style.color,
            )
            # Most cells of a bar are one and the same segment.
            cells: list[Segment] = list(drawn.segments)
            if self.vertical:
                lines = [[each] for each in cells[:height]]
            else:
                runs = [[*run] for _, run in groupby(cells[:width], key=id)]
                lines = [[Segment(run[0].text * len(run), run[0].style) for run in runs]] * height
            known: dict[int, Strip] = {}
            for line in lines:
                if id(line[0]) not in known:
                    strip = Strip(line, width)
                    for each in filters:
                        strip = strip.apply_filter(each, background)
                    known[id(line[0])] = strip
            self._drawn = told, [known[id(line[0])] for line in lines]
        strips = self._drawn[1][crop.y : crop.bottom]
        return strips if crop.width == width else [strip.crop(crop.x, crop.right) for strip in strips]


class QuickCorner(Steady, ScrollBarCorner):
    """The cell where two bars meet."""


class SideBySide(Steady, Horizontal):
    """Widgets side by side."""


class QuickBars(Beside):
    """A base beside another widget class: its scroll bars are `QuickBar`s."""

    @property
    def vertical_scrollbar(self) -> ScrollBar:
        if self._vertical_scrollbar is None:
            self._vertical_scrollbar = self._bar(vertical=True)
        return self._vertical_scrollbar

    @property
    def horizontal_scrollbar(self) -> ScrollBar:
        if self._horizontal_scrollbar is None:
            self._horizontal_scrollbar = self._bar(vertical=False)
        return self._horizontal_scrollbar

    @property
    def scrollbar_corner(self) -> ScrollBarCorner:
        if self._scrollbar_corner is None:
            self._scrollbar_corner = QuickCorner()
            self.app._start_widget(self, self._scrollbar_corner)
        return self._scrollbar_corner

    def _bar(self, *, vertical: bool) -> ScrollBar:
        # Not the view's own word for it, which is 0 while the bar is hidden.
        thick = self.styles.scrollbar_size_vertical if vertical else self.styles.scrollbar_size_horizontal
        bar = QuickBar(vertical, "vertical" if vertical else "horizontal", thickness=thick)
        bar.display = False
        self.app._start_widget(self, bar)
        return bar


class QuickLines(Beside):
    """A base beside a view whose `render_line` is cheap, as it keeps what it painted: lines go straight to the screen.

    The usual way through borders, paddings and tints costs more than such a line itself. There may be a border around
    all of it or at its left, else none of these. What is below the bar is left out: cutting it off a painted line takes
    longer than painting it.
    """

    _sides: tuple[object, Segment, Segment] | None = None
    _borders: dict[int, tuple[object, Strip]] | None = None  # first and last row, with all that is seen there
    _whole: dict[int, tuple[Strip, Strip]] | None = None  # by id, what was painted, and it between the sides

    def render_lines(self, crop: Region) -> list[Strip]:
        full = self.size.width
        width = full - self.scrollbar_size_vertical
        if self.opacity != 1.0:
            return super().render_lines(crop)
        gutter = self.styles.gutter
        if gutter == EDGE and crop.x == 0:
            left = self._edges(0, crop.width)[0]
            inner = Region(0, crop.y, max(crop.width - 1, 0), crop.height)
            return [Strip([left, *strip], strip.cell_length + 1) for strip in self._plain_lines(width, inner)]
        if gutter:
            outer = self.outer_size
            framed = gutter == FRAME and (crop.x, crop.width) == (0, outer.width) and outer.height > 2
            return self._framed(full, width, crop) if framed else super().render_lines(crop)
        return super().render_lines(crop) if crop.right > full else self._plain_lines(width, crop)

    def _plain_lines(self, width: int, crop: Region) -> list[Strip]:
        background, filters = self.background_colors[1], self._line_filters()
        begin, end = crop.x, min(crop.right, width)
        strips = []
        for y in crop.line_range:
            strip = self.render_line(y)
            if begin or strip.cell_length > end:
                strip = strip.crop(begin, end)
            strips.append(_filtered(strip, filters, background))
        return strips

    def _line_filters(self) -> tuple[LineFilter, ...]:
        # A theme of 24-bit colours has none of the sixteen that a terminal has its own idea of.
        return tuple([each for each in self.get_line_filters() if not isinstance(each, ANSIToTruecolor)])

    def _edges(self, y: int, width: int) -> tuple[Segment, Segment]:
        """What stands at both ends of row `y`, as the usual way paints it."""
        looks = self.styles.border, self.background_colors
        if self._sides is None or self._sides[0] != looks:
            usual = super().render_lines(Region(0, y, width, 1))[0]
            left, right = usual.crop(0, 1), usual.crop(width - 1, width)
            self._sides = looks, next(iter(left)), next(iter(right))
            self._whole = None
        return self._sides[1:]

    def _border(self, y: int, width: int) -> Strip:
        """The first or the last row of a border, with its title."""
        title = self._border_subtitle if y else self._border_title
        looks = width, title, self.styles.border, self.background_colors, self.has_focus
        if self._borders is None:
            self._borders = {}
        known = self._borders.get(y)
        if known is None or known[0] != looks:
            known = self._borders[y] = looks, super().render_lines(Region(0, y, width, 1))[0]
        return known[1]

    def _framed(self, full: int, width: int, crop: Region) -> list[Strip]:
        """Whole rows, inside their border; the border's own rows come by the usual way."""
        background, filters = self.background_colors[1], self._line_filters()
        first, end = self._edges(1, crop.width)
        below = [Segment(" " * (full - width))] if width < full else []  # the bar hides it
        # The same strips as last time, where nothing has changed: they know how they were cut.
        if self._whole is None:
            self._whole = {}
        last = self.outer_size.height - 1
        strips = []
        for y in crop.line_range:
            if y in (0, last):
                strips.append(self._border(y, crop.width))
                continue
            line = self.render_line(y - 1)
            known = self._whole.get(id(line))
            if known is None or known[1].cell_length != full + 2:
                strip = line.crop(0, width) if line.cell_length > width else line
                strip = _filtered(strip, filters, background)
                if len(self._whole) > LINES_KEPT:
                    self._whole.clear()
                known = self._whole[id(line)] = line, Strip([first, *strip, *below, end], full + 2)
            strips.append(known[1])
        return strips


def _filtered(strip: Strip, filters: tuple[LineFilter, ...], background: Color) -> Strip:
    """A line after all filters, the same one where they change nothing: each of them alone would make a new one."""
    cache: Any = strip._filter_cache
    known = cache.get((filters, background))
    if known is None:
        segments = strip._segments
        for each in filters:
            segments = each.apply(segments, background)
        # Not itself: what refers to itself waits for the garbage collector.
        known = UNCHANGED if segments == strip._segments else Strip(segments, strip.cell_length)
        cache[filters, background] = known
    return strip if known is UNCHANGED else known


class SteadyView(QuickBars, ScrollView):
    """A scrolled view that stays as it is while others beside it come and go.

    Every layout of the screen tells every scrolled view a size of its content that is never the one it has, upon which
    its bars are painted in an update of their own: a second look at the whole screen for each prompt that closes.
    """

    _told: tuple[Size, Size] | None = None

    def _size_updated(
        self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True
    ) -> bool:
        told = (size, container_size)
        if told == self._told and size == self._size:
            return False
        self._told = told
        return super()._size_updated(size, virtual_size, container_size, layout)


def painted(view: Widget, content: Content, width: int, base: Style) -> Strip:
    """One line of a view, as wide as the view."""
    segments = [
        Segment(text, style.rich_style)
        for text, style in content.render(base, end="", parse_style=view.app.stylesheet.parse_style)
    ]
    return Strip(segments).adjust_cell_length(width, base.rich_style)


def size_up(view: SteadyView, size: Size, *, has_room: bool = False) -> None:
    """Tell how large the content of `view` is. Where the bars beside it stay, nothing else on the screen moves.

    `has_room`: a layout has just given the view its own size.
    """
    if not has_room and (not view.size or view.styles.auto_dimensions):
        # A view that is as high as its content gets its room first: whether it needs a bar is known after that.
        view._told = None
        view.virtual_size = size
        return
    if view.virtual_size == size:
        return  # a layout that gave the view another size has told its bars
    # A bar that comes or goes asks for a layout by itself.
    view.set_reactive(type(view).virtual_size, size)
    view._scroll_update(size)
