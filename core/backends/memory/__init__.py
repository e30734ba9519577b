"""A store in this process: for tests, for small programs, and as the plainest telling of the rules.

Everything is gone with the process. Operations are plain code under a lock, so that a
worker's lease thread may call too.
"""

from __future__ import annotations

from core.backends.memory.adding import Adding
from core.backends.memory.steering import Steering
from core.backends.memory.watching import Watching
from core.backends.memory.working import Working


class InMemoryBackend(Adding, Working, Steering, Watching):
    """Jobs in this process.

    `keep` ended flows and single jobs are kept per queue, each for `keep_for` seconds. `clock` gives the time.
    """

    async def open(self) -> None:
        """Nothing to connect to."""

    async def close(self) -> None:
        """Nothing to let go of; the jobs stay until the process ends."""

    async def durability(self) -> str:
        """One sentence: what a crash may lose."""
        return "volatile: in memory, gone with this process"

    async def warnings(self) -> list[str]:
        """Nothing that could be set wrong."""
        return []
