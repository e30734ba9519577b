"""Paths as people type them, and the flow files that lie about. Pure, no textual."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from flowtui.text import safe

LISTED: Final = 200
OPENS: Final = (".yaml", ".yml", ".json", ".mmd", ".mermaid", ".dot", ".gv")
HEAVY: Final = ("node_modules", "__pycache__", "venv")
SAVES: Final = (".yaml", ".yml", ".json")


def files_here() -> list[str]:
    """Flow files in the current folder and one below, hidden and heavy ones left out."""
    found: list[str] = []
    for folder in (Path(), *_entries(Path())):
        if folder != Path() and (
            folder.name.startswith(".") or folder.name in HEAVY or not os.path.isdir(folder)
        ):
            continue
        found += flow_files(folder)
        if len(found) >= LISTED:
            break
    return found[:LISTED]


def flow_files(folder: Path) -> list[str]:
    """The flow files of a folder, hidden ones left out."""
    return [
        str(entry)
        for entry in _entries(folder)
        if entry.suffix.lower() in OPENS and not entry.name.startswith(".") and os.path.isfile(entry)
    ]


def _entries(folder: Path) -> list[Path]:
    """What a folder holds; of one that may not be read, nothing."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def read_file(path: Path) -> str:
    """The text of a file. Raises `InvalidFlowFile`."""
    from core.errors import InvalidFlowFile

    try:
        if path.stat().st_size > 5_000_000:
            raise InvalidFlowFile(f"{path}: larger than 5,000,000 bytes; split the flow")
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InvalidFlowFile(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise InvalidFlowFile(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None


def stamp(path: Path) -> tuple[int, int] | None:
    """When a file was written last, and its size; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size


def typed_path(typed: str) -> Path:
    """The path that somebody typed: `~` is their home, an unknown user's is only a name."""
    try:
        return Path(typed).expanduser()
    except RuntimeError:
        return Path(typed)


def why_not(error: OSError | ValueError) -> str:
    """Why a file could not be written."""
    return safe(getattr(error, "strerror", None) or error, 80)


def is_packaged(path: Path) -> bool:
    """Whether a file came with flowtui, as the demo's flow did: the next update would overwrite what is saved there."""
    import flowtui

    try:
        return path.resolve().is_relative_to(Path(flowtui.__file__).resolve().parent)
    except (OSError, RuntimeError, ValueError):  # too long, a link to itself, no name of a file
        return False


def slug(name: str) -> str:
    """A file's name out of a flow's: no separators, nothing hidden, nothing long."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80] or "flow"
