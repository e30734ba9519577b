"""The engine: flows of jobs on Redis, Valkey or in memory. See `core/README.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from core.backends import open_backend
from core.errors import CycleError, FlowError
from core.flow import FlowProducer
from core.jobs import Job, JobState
from core.tasks import JobContext, task

if TYPE_CHECKING:
    from core.backends.memory import InMemoryBackend
    from core.backends.redis import RedisBackend
    from core.worker import Worker

__all__ = [
    "CycleError",
    "FlowError",
    "FlowProducer",
    "InMemoryBackend",
    "Job",
    "JobContext",
    "JobState",
    "RedisBackend",
    "Worker",
    "open_backend",
    "task",
]

_LATE = {
    "InMemoryBackend": "core.backends.memory",
    "RedisBackend": "core.backends.redis",
    "Worker": "core.worker",
}


def __getattr__(name: str) -> Any:
    """Import what is costly to import (redis above all) when it is first named."""
    if name in _LATE:
        from importlib import import_module

        return getattr(import_module(_LATE[name]), name)
    raise AttributeError(f"module 'core' has no attribute {name!r}")
