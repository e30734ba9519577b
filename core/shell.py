"""The built-in `shell` task: a command as a job, its output as the job's log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

from core.errors import InvalidPayload, ShellError
from core.tasks import JobContext

SHELL: Final = "shell"
KILL_AFTER: Final = 3.0
"""Seconds between SIGTERM and SIGKILL for a command that is to stop."""
TAIL: Final = 40


async def shell(
    command: str | Sequence[str],
    *,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run `command`: a list is executed as it is, a string by `/bin/sh -c`.

    Output lines go to the job's log. Returns `{"status": 0, "output": last lines of stdout}`. When the job is cancelled
    or times out, the command is stopped with all its children: SIGTERM, then SIGKILL.
    Raises ShellError for a status other than 0, naming it and the last lines of output.
    """
    if isinstance(command, str):
        argv = ["/bin/sh", "-c", command]
    elif command and isinstance(command, list | tuple):
        argv = [_text(word) for word in command]
    else:
        raise InvalidPayload("a shell job needs a command: a string, or a list of strings")
    context = JobContext.current()
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env={**os.environ, **{name: _text(value) for name, value in (env or {}).items()}},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            limit=2**20,
        )
    except (OSError, ValueError) as error:
        raise ShellError(f"'{argv[0]}' could not be started: {error}") from None
    assert process.stdout is not None
    assert process.stderr is not None
    out: deque[str] = deque(maxlen=TAIL)
    both: deque[str] = deque(maxlen=TAIL)
    readers = [
        asyncio.ensure_future(_read(process.stdout, context, "INFO", out, both)),
        asyncio.ensure_future(_read(process.stderr, context, "ERROR", both)),
    ]
    try:
        status = await process.wait()
        # A grandchild may keep the pipes open; what it still writes is not this job's.
        await asyncio.wait(readers, timeout=1.0)
    finally:
        for reader in readers:
            reader.cancel()
        await _end(process)
    if status != 0:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        last = "\n".join(list(both)[-5:])
        raise ShellError(f"the command {how}" + (f": {last}" if last else ""))
    return {"status": 0, "output": "\n".join(out)[-4000:]}


def _text(value: object) -> str:
    """A word or a variable of a command: the result of an upstream may be anything, and goes in as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


async def _read(stream: asyncio.StreamReader, context: JobContext, level: str, *keep: deque[str]) -> None:
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # a line longer than the limit
            line = await stream.read(2**16)
        if not line:
            return
        text = line.decode(errors="replace").rstrip("\r\n")
        context.log(text, level)
        for each in keep:
            each.append(text)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Stop the command's whole process group, also when its leader has ended already; waits until nobody is left."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(asyncio.CancelledError):  # in a hurry: at once
            for _ in range(round(KILL_AFTER / 0.02)):
                await asyncio.sleep(0.02)
                os.killpg(process.pid, 0)
        os.killpg(process.pid, signal.SIGKILL)
    if process.returncode is None:
        await process.wait()
