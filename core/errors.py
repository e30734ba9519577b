"""Everything that can go wrong, as one tree.

FlowError                     the base: catch this to catch everything below
├── InvalidJob                a field of a job has the wrong type or value          (also a ValueError)
│   └── InvalidPayload        args, kwargs or a result that is not JSON, or too large
├── InvalidFlow               a flow that cannot be added                           (also a ValueError)
│   ├── CycleError            jobs that wait for each other; `.path` names them
│   ├── DuplicateJob          one id twice, or an id that the queue already knows
│   ├── UnknownUpstream       depends_on names a job nobody knows
│   └── InvalidFlowFile       a flow file with an error; names file, line and key
├── FlowConflict              the flow id is taken by a flow with other jobs or links
├── PartialFlowError          a sequential add failed and could not be undone; `.left` lists what remains
├── NotFound                  no such job, flow or queue                            (also a LookupError)
├── Refused                   the request makes sense, but not now; says why
├── LeaseLost                 the job now belongs to another worker: nothing was written
├── Gap                       a follower fell behind a trimmed event stream: take a new snapshot
├── TaskError                 a task could not be run
│   ├── UnknownTask           no callable is registered under that name
│   ├── DuplicateTask         two callables under one name
│   ├── JobTimeout            the attempt ran longer than the job's `timeout`
│   └── ShellError            a shell step ended with a status other than 0
└── BackendError              the store did not do it
    ├── BackendUnavailable    it cannot be reached, or the answer was lost
    ├── BackendFull           it has no memory left; nothing was written
    └── UnsupportedServer     it is too old, or set up so that jobs could be lost
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class FlowError(Exception):
    """Base of every error raised by `core`."""


class InvalidJob(FlowError, ValueError):
    """A field of a job has the wrong type or value."""


class InvalidPayload(InvalidJob):
    """Args, kwargs or a result that is not JSON or exceeds a limit."""


class InvalidFlow(FlowError, ValueError):
    """A flow that cannot be added as it stands."""


class CycleError(InvalidFlow):
    """Jobs that wait for each other.

    `path` starts and ends with the same job: `("a", "b", "a")` reads "a before b before a".
    """

    def __init__(self, path: Sequence[str]) -> None:
        self.path = tuple(path)
        shown = self.path if len(self.path) <= 12 else (*self.path[:6], "...", *self.path[-5:])
        length = "" if len(self.path) <= 12 else f" ({len(self.path) - 1} jobs)"
        super().__init__(
            f"the jobs wait for each other: {' -> '.join(shown)}{length}; remove one of these dependencies"
        )


class DuplicateJob(InvalidFlow):
    """One id names two jobs."""


class UnknownUpstream(InvalidFlow):
    """`depends_on` names a job that is neither in the flow nor in its queue."""


class InvalidFlowFile(InvalidFlow):
    """A flow file that cannot be read; the message starts with `file:line:column`."""


class FlowConflict(FlowError):
    """The flow id already names a flow with other jobs or links."""


class PartialFlowError(FlowError):
    """A sequential add failed half-way and could not be undone.

    `left` are the ids that are in the store and could not be removed.
    """

    def __init__(self, message: str, left: Sequence[str]) -> None:
        super().__init__(message)
        self.left = tuple(left)


class NotFound(FlowError, LookupError):
    """No such job, flow or queue."""


class Refused(FlowError):
    """The request makes sense, but not in the present state; the message says why."""


def in_several(what: str, each: str, queues: Iterable[str]) -> Refused:
    """The error for an id that does not say which job or flow is meant."""
    names = ", ".join(f"'{queue}'" for queue in sorted(queues))
    return Refused(f"{what} '{each}' is in several queues: {names}; say in which (queue=, --queue)")


class LeaseLost(FlowError):
    """The lease of a job ran out and it was given away: nothing was written."""


class Gap(FlowError):
    """The events asked for are no longer kept: take a new snapshot and follow from its position."""


class TaskError(FlowError):
    """A task could not be run."""


class UnknownTask(TaskError, KeyError):
    """No callable is registered under that name."""

    def __str__(self) -> str:
        """The message as it is; a KeyError would put quotes around it."""
        return str(self.args[0]) if self.args else ""


class DuplicateTask(TaskError):
    """Two callables under one name."""


class JobTimeout(TaskError, TimeoutError):
    """The attempt ran longer than the job's `timeout`."""


class ShellError(TaskError):
    """A shell step ended with a status other than 0."""


class BackendError(FlowError):
    """The store did not do what was asked."""


class BackendUnavailable(BackendError):
    """The store cannot be reached, or its answer was lost."""


class BackendFull(BackendError):
    """The store has no memory left; nothing was written."""


class UnsupportedServer(BackendError):
    """The server is too old, or set up so that jobs could be lost."""
