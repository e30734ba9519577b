"""The run of `make large`, with flows of 2,000 jobs: past every limit of one call, and right to the last job."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from servers import KINDS

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("store", [kind for kind in KINDS if kind in ("valkey", "redis")])
def test_large_flows_are_added_run_cancelled_and_skipped_whole(store: str) -> None:
    # How long a PING takes here says more of the machine than of the engine.
    command = [sys.executable, "-m", "tests.large", "--jobs", "2000", "--store", store, "--worst", "10000"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("worst PING") == 12
    assert "everything is as it should be" in done.stdout
