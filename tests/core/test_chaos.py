"""The chaos run of `make chaos`, for twenty seconds."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from servers import valkey_binary

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(valkey_binary() is None, reason="no server binary")
def test_every_promise_is_kept_while_workers_servers_and_connections_are_killed() -> None:
    """The seed is in the output: `python -m tests.chaos --seconds 20 --seed N` runs the same faults again."""
    seed = int(os.environ.get("FLOWTUI_CHAOS_SEED", random.SystemRandom().randrange(10**6)))
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--seconds", "20", "--seed", str(seed)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every promise was kept" in done.stdout
