"""Scrolled views that grow and shrink without a layout of the whole screen."""

from __future__ import annotations

from textual.geometry import Size
from textual.scroll_view import ScrollView


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
