"""A flow that a Python module holds: `my.flows:nightly`, wherever a flow file may be named.

The module is imported, so this is only ever done for what stands on the command line, never for what a file names.
"""

from __future__ import annotations

import inspect
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from flowtui.cli.common import USAGE, fail, import_tasks

if TYPE_CHECKING:
    from core.spec import FlowFile

_NAMED: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_named(word: str) -> bool:
    """Whether `word` has the form MODULE:NAME and is not a file."""
    return _NAMED.fullmatch(word) is not None and not os.path.exists(word)


def flow_named(word: str) -> FlowFile:
    """The flow that MODULE:NAME stands for: a FlowFile, jobs, or a function without parameters that makes either."""
    import sys

    from core.errors import FlowError
    from core.payload import as_job
    from core.spec import FlowFile

    module, _, path = word.partition(":")
    import_tasks([module])
    found: Any = sys.modules[module]
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise fail(f"{word}: {module} has no {path}; {_offered(module)}", USAGE) from None
        except Exception as error:  # of what makes it when it is asked for
            raise fail(f"{word} failed: {type(error).__name__}: {error}", USAGE) from None
    if callable(found) and not isinstance(found, FlowFile):
        try:
            found = found()
        except (Exception, SystemExit) as error:
            raise fail(f"{word}() failed: {type(error).__name__}: {error}", USAGE) from None
    if inspect.iscoroutine(found):
        found.close()
        raise fail(f"{word} is an async function; it must be one that returns the jobs at once", USAGE)
    if isinstance(found, FlowFile):
        return found
    if isinstance(found, str | bytes | Mapping) or not isinstance(found, Sequence):
        raise fail(
            f"{word} is {type(found).__name__}, not a flow; it must be a list of Job, a FlowFile, "
            "or a function that returns one of them",
            USAGE,
        )
    try:
        jobs = [as_job(job) for job in found]
    except (FlowError, TypeError, AttributeError) as error:
        raise fail(f"{word}: not every entry is a Job: {error}", USAGE) from None
    if twice := [id for id, count in Counter(job.id for job in jobs).items() if count > 1]:
        raise fail(f"{word}: two jobs have the id '{twice[0]}'; give each its own", USAGE)
    if not jobs:
        raise fail(f"{word} has no jobs", USAGE)
    return FlowFile.from_jobs(jobs, name=path.replace(".", "-")[:256])


def _offered(module: str) -> str:
    """What of the module could be meant."""
    import sys

    from core.jobs import Job
    from core.spec import FlowFile

    def is_flow(value: Any) -> bool:
        return isinstance(value, FlowFile) or (
            isinstance(value, list) and bool(value) and all(isinstance(job, Job) for job in value)
        )

    def makes(value: Any) -> bool:
        if not inspect.isfunction(value) or value.__module__ != module or inspect.iscoroutinefunction(value):
            return False
        return all(p.default is not p.empty for p in inspect.signature(value).parameters.values())

    held = vars(sys.modules[module])
    names = [name for name, value in held.items() if is_flow(value)]
    names += [name for name, value in held.items() if makes(value) and not name.startswith("_")]
    return f"its flows: {', '.join(names[:8])}" if names else "it holds no list of Job and no FlowFile"
