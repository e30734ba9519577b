"""Widgets that appear, grow and shrink without a second layout of the whole screen."""

from __future__ import annotations

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.widget import Widget


class Steady(Widget):
    """A base beside another widget class: the size that a layout gave it asks for no layout after it.

    Every widget that a layout made larger or smaller asks for another one, for the sake of content that depends on
    how much of it can be seen; where nothing does, that is a second look at the whole screen.
    """

    def _size_updated(
        self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True
    ) -> bool:
        return super()._size_updated(size, virtual_size, container_size, layout=False)


class SteadyView(ScrollView):
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


def size_up(view: ScrollView, size: Size) -> None:
    """Tell how large the content of `view` is. Where the bars beside it stay, nothing else on the screen moves."""
    old, room = view.virtual_size, view.size
    same = (size.width > room.width, size.height > room.height) == (
        old.width > room.width,
        old.height > room.height,
    )
    if not room or not same:
        view.virtual_size = size
        return
    view.set_reactive(type(view).virtual_size, size)
    view._scroll_update(size)
