"""A draft on its way into a file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from core.errors import FlowError
from flowtui.draft import Draft
from flowtui.keeping import write
from flowtui.paths import stamp, why_not
from flowtui.text import safe

if TYPE_CHECKING:
    from core.spec import FlowFile

Form = Literal["yaml", "json"]


class Saving:
    """A draft as it was when it was to be saved, on its way into a file; `form` None leaves its file as it is."""

    def __init__(
        self, path: Path, draft: Draft, file: FlowFile | None, names: Mapping[str, str], *, form: Form | None
    ) -> None:
        self.form = form
        self.path, self.draft, self.step = path, draft, draft.last_step
        self.names = {key: job.name for key, job in draft.jobs.items()}
        self._copy, self._file = draft.copy(), file
        self._renamed = renamed(draft, names)
        self.loses_comments = form == "json" and file is not None and file.has_comments
        self._found = stamp(path)
        self.stamp: tuple[int, int] | None = None
        self.again = False
        """Whether it was to be saved once more meanwhile."""
        self.running: asyncio.Future[FlowFile | str] | None = None

    def done(self) -> FlowFile | str:
        """Write the file; answers with it as it reads now, or with why it was not written."""
        from flowtui.exporting import to_file

        try:
            file = to_file(self._copy, self._file, self._renamed)
            text = file.dump(self.form)
            read = file.read_back(text)  # what nobody could open must not take the place of what can be
            if stamp(self.path) != self._found:
                return (
                    f"{safe(self.path.name, 40)} was changed by another program; save again to overwrite it"
                )
            write(self.path, text, mode=0o644)
            self.stamp = stamp(self.path)  # at once: what others write from now on is theirs
        except FlowError as error:
            return safe(str(error).splitlines()[0], 200)
        except (OSError, ValueError) as error:
            return f"{safe(self.path, 60)} cannot be written: {why_not(error)}; f12 saves elsewhere"
        return read


def form_of(path: Path) -> Form:
    """What is expected of a file of that name."""
    return "json" if path.suffix.lower() == ".json" else "yaml"


def renamed(draft: Draft, names: Mapping[str, str]) -> dict[str, str]:
    """New names of jobs -> those that they have in the file, `names` by key."""
    return {
        draft.name(key): old for key, old in names.items() if key in draft.jobs and draft.name(key) != old
    }
