"""What outlives the app: drafts that were not saved, the files opened and the tasks used last. Pure, no textual.

Everything lies in the user's state directory (`XDG_STATE_HOME`), readable by its owner only, and is written aside and
renamed, so that a crash leaves the old or the new, never half. Nothing here may ever stop the app: what cannot be
written or read is as if it were not there.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from flowtui.draft import Draft

RECENT: Final = 20
TASKS: Final = 100
KEPT_DAYS: Final = 30
LISTED: Final = 100
"""Drafts that were left, of which the newest are offered."""


def state_dir() -> Path:
    """Where flowtui keeps what it remembers."""
    from platformdirs import user_state_path

    return Path(user_state_path("flowtui", appauthor=False))


@dataclass(frozen=True, slots=True)
class Kept:
    """A draft as it was left: when (seconds since the epoch), of which file, by which process."""

    place: Path
    at: float
    file: str | None
    pid: int
    data: Mapping[str, Any]
    stamp: tuple[int, int] | None = None
    """Of the file as it was when the draft was last the same: when it was written, and its size; see `paths.stamp`."""

    @property
    def jobs(self) -> int:
        """How many jobs it has."""
        return len(self.data.get("jobs", ()))

    def draft(self) -> Draft:
        """The draft. Raises LookupError, TypeError, ValueError when it was written by something else."""
        return Draft.load(self.data)


class Keeper:
    """Keeps this process's draft, and finds those that others left."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or state_dir()
        self.place = self._new_place()
        self._tasks: list[str] | None = None

    def _new_place(self) -> Path:
        return self.folder / "drafts" / f"{os.getpid()}-{time.time_ns()}.json"

    def set_aside(self) -> None:
        """What is kept stays so, and can be found; the next draft is kept in a place of its own."""
        self.place = self._new_place()

    def claim(self, kept: Kept) -> Path | None:
        """Take a draft that was left, so that no other process can; where it is now, None when it is gone."""
        place = self._new_place()
        try:
            os.replace(kept.place, place)
        except OSError:
            return None
        return place

    @staticmethod
    def put_away(kept: Kept) -> Path:
        """No longer offer a draft that cannot be read; where it is now."""
        place = kept.place.with_suffix(".unreadable")
        with contextlib.suppress(OSError):
            os.replace(kept.place, place)
        return place

    def keep(self, draft: Draft, file: str | None, stamp: tuple[int, int] | None = None) -> str | None:
        """Write the draft; an empty one is forgotten. Answers with why it could not be written, or None."""
        if not draft.jobs:
            self.forget()
            return None
        data = {"at": time.time(), "file": file, "stamp": stamp, "pid": os.getpid(), **draft.dump()}
        try:
            write(self.place, json.dumps(data))
        except (OSError, ValueError, TypeError) as error:
            return str(getattr(error, "strerror", None) or error)
        return None

    def forget(self) -> None:
        """There is nothing to restore."""
        with contextlib.suppress(OSError):
            self.place.unlink(missing_ok=True)

    def found(self, most: int = LISTED) -> list[Kept]:
        """What this process has set aside and what others left that are gone, the newest first, without the present
        draft; no more than `most`, so that a start does not wait for years of them. What is too old is removed."""
        kept: list[Kept] = []
        for place in self._left():
            if len(kept) == most:
                break
            with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
                data = json.loads(place.read_text("utf-8"))
                written, size = data.get("stamp") or (0, 0)
                seen = int(written), int(size)
                entry = Kept(place, float(data["at"]), data.get("file"), int(data["pid"]), data, seen)
                if time.time() - entry.at > KEPT_DAYS * 86_400:
                    place.unlink(missing_ok=True)
                elif entry.jobs and self._is_free(entry.pid):
                    kept.append(entry)
        return sorted(kept, key=lambda entry: -entry.at)

    def count(self) -> int:
        """How many drafts there seem to be that `found` would list, told by their names alone."""
        return len(self._left())

    def _left(self) -> list[Path]:
        """Where drafts lie, the one written last first; what is too old is removed."""
        written: list[tuple[float, Path]] = []
        oldest = time.time() - KEPT_DAYS * 86_400
        with contextlib.suppress(OSError):
            for place in (self.folder / "drafts").glob("*.json"):
                pid = place.name.partition("-")[0]
                if place != self.place and (not pid.isdecimal() or self._is_free(int(pid))):
                    with contextlib.suppress(OSError):
                        at = place.stat().st_mtime
                        if at < oldest:
                            place.unlink()
                        else:
                            written.append((at, place))
        return [place for _, place in sorted(written, reverse=True)]

    def _is_free(self, pid: int) -> bool:
        return pid == os.getpid() or not _alive(pid)

    # ---- files opened last, tasks used last --------------------------------------------------------------------------

    def recent(self) -> list[str]:
        """Paths of the files opened or saved last that are still there, the newest first."""
        return [path for path in self._list("recent.json") if os.path.isfile(path)]

    def opened(self, path: Path) -> None:
        """Remember a file."""
        full = str(path.absolute())
        paths = [full, *(other for other in self.recent() if other != full)][:RECENT]
        with contextlib.suppress(OSError, ValueError):
            write(self.folder / "recent.json", json.dumps(paths))

    def tasks(self) -> list[str]:
        """Names of the tasks used last, the newest first."""
        if self._tasks is None:
            self._tasks = self._list("tasks.json")
        return self._tasks

    def used(self, tasks: Iterable[str]) -> None:
        """Remember tasks, the newest first; what is remembered already is not written again."""
        before = self.tasks()
        now = list(dict.fromkeys([*tasks, *before]))[:TASKS]
        if set(now) == set(before):
            return
        self._tasks = now
        with contextlib.suppress(OSError, ValueError):
            write(self.folder / "tasks.json", json.dumps(now))

    def _list(self, name: str) -> list[str]:
        try:
            found = json.loads((self.folder / name).read_text("utf-8"))
            return [text for text in found if isinstance(text, str)]
        except (OSError, ValueError, TypeError):
            return []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def write(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file at once: aside, then renamed. Links are followed, an old file keeps its mode. Raises OSError.

    A new file has `mode`, less what the user's umask takes away.
    """
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        mode = path.stat().st_mode & 0o7777
    except OSError:
        mask = os.umask(0o077)  # it can only be read by setting it
        os.umask(mask)
        mode &= ~mask
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:100]}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(aside, mode)
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
