"""Which file to open."""

from __future__ import annotations

import os
from collections.abc import Sequence

from flowtui.paths import flow_files, typed_path
from flowtui.screens.pick import PickScreen, Row
from flowtui.text import safe


class OpenScreen(PickScreen):
    """Files to open; a path can be typed as well."""

    def __init__(self, rows: Sequence[Row]) -> None:
        super().__init__(
            "Open",
            rows,
            placeholder="type a name or a path",
            nothing="no such file here; type a path",
        )

    def found(self, wanted: str) -> list[Row]:
        rows = super().found(wanted)
        if wanted:
            path = typed_path(wanted)
            if os.path.isdir(path):
                rows = [*map(file_row, flow_files(path)), *rows]
            elif os.path.isfile(path) and not any(row.id == wanted for row in rows):
                rows = [file_row(wanted), *rows]
        return rows


def file_row(path: str) -> Row:
    """A file as a line of a list."""
    shown = os.path.relpath(path) if not os.path.relpath(path).startswith("../..") else path
    return Row(path, safe(shown, 66))
