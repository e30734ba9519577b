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
        _file = os.open(os.environ["BENCH_STAMPS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        _owner = os.getpid()
    # An append this small is whole, whichever process or thread makes it.
    os.write(_file, RECORD.pack(index, start, now()))
    return index


def read(path: str) -> list[tuple[int, float, float]]:
    """All whole records, in the order in which they were written."""
    if not os.path.exists(path):
        return []
    with open(path, "rb") as file:
        data = file.read()
    return list(RECORD.iter_unpack(data[: len(data) - len(data) % RECORD.size]))


def count(path: str) -> int:
    """How many records there are by now."""
    try:
        return os.stat(path).st_size // RECORD.size
    except FileNotFoundError:
        return 0
