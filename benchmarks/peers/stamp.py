"""The ledger that every benchmark job writes, outside of any store: one small append per run. Standard library only."""

from __future__ import annotations

import os
import struct
import time

RECORD = struct.Struct("<qdd")
"""Number of the job, start and end in seconds of the monotonic clock, which all processes of a machine share."""
now = time.monotonic
_file: int | None = None
_owner = 0


def stamp(index: int, start: float) -> int:
    """Note that job `index` ran from `start` until now; returns the index, for a result that can be checked."""
    global _file, _owner
    if _file is None or _owner != os.getpid():
        # A file for each process: they would wait for each other at the end of a common one.
        folder = os.environ["BENCH_STAMPS"]
        os.makedirs(folder, exist_ok=True)
        _file = os.open(os.path.join(folder, str(os.getpid())), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        _owner = os.getpid()
    # An append this small is whole, whichever thread makes it.
    os.write(_file, RECORD.pack(index, start, now()))
    return index


def read(folder: str) -> list[tuple[int, float, float]]:
    """All whole records, by when they were written."""
    found: list[tuple[int, float, float]] = []
    for path in _files(folder):
        with open(path, "rb") as whole:
            data = whole.read()
        found += RECORD.iter_unpack(data[: len(data) - len(data) % RECORD.size])
    return sorted(found, key=lambda record: record[2])


def count(folder: str) -> int:
    """How many records there are by now."""
    return sum(os.stat(path).st_size // RECORD.size for path in _files(folder))


def _files(folder: str) -> list[str]:
    return [entry.path for entry in os.scandir(folder)] if os.path.isdir(folder) else []
