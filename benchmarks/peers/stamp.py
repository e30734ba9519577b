"""What every benchmark job does: note its number and the time in one small append. Standard library only."""

from __future__ import annotations

import json
import os
import struct
import sys
import time

RECORD = struct.Struct("<qd")
_file: int | None = None


def stamp(index: int) -> None:
    """Append (number, monotonic seconds); an append this small is whole, whichever process makes it."""
    global _file
    if _file is None:
        _file = os.open(os.environ["BENCH_STAMPS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(_file, RECORD.pack(index, time.monotonic()))


def read(path: str) -> list[tuple[int, float]]:
    """All records, in the order in which they were written."""
    if not os.path.exists(path):
        return []
    with open(path, "rb") as file:
        data = file.read()
    return list(RECORD.iter_unpack(data[: len(data) - len(data) % RECORD.size]))


def say(**figures: float) -> None:
    """Figures for the harness, as the last line of the output."""
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()
