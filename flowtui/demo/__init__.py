"""The flow that `flowtui demo` shows: tasks that do real work on files that every Python has."""

from __future__ import annotations

from pathlib import Path
from typing import Final

FLOW: Final = Path(__file__).with_name("stdlib_stats.yaml")
"""The flow file."""
