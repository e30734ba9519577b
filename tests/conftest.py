"""What all tests share: the servers, and a line that says which stores are tested here and which are not."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from servers import KINDS, stop_all

# The tests start flowtui many times over; where bytecode is not kept, each start would compile it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A suite that a script runs in the background ignores Ctrl+C, and so would every process that the tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> str:
    """Nothing is left out silently."""
    missing = {"valkey", "cluster", "redis"} - {*KINDS}
    why = f"; NOT tested here, no server binary: {', '.join(sorted(missing))}" if missing else ""
    return f"stores: {', '.join(KINDS)}{why}"


def pytest_xdist_auto_num_workers() -> int:
    """Two processes a core: half of the time of these tests is waiting for clocks, servers and screens."""
    return 2 * (os.cpu_count() or 1)


def pytest_unconfigure(config: pytest.Config) -> None:
    """The servers end with the test run."""
    stop_all()
