"""The texts in which the Lua scripts keep jobs, flows and events, as objects. `lua/lib.lua` describes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from core.backends.base import WorkerInfo
from core.errors import InvalidPayload
from core.events import Event
from core.jobs import FlowRecord, FlowState, JobError, JobRecord, JobState, Trigger
from core.payload import decode_error, decode_payload, decode_result

STATES: Final = {
    "b": JobState.BLOCKED,
    "w": JobState.WAITING,
    "d": JobState.DELAYED,
    "a": JobState.ACTIVE,
    "c": JobState.COMPLETED,
    "f": JobState.FAILED,
    "k": JobState.SKIPPED,
    "x": JobState.CANCELLED,
    "e": JobState.EXPIRED,
}
LETTERS: Final = {state.value: letter for letter, state in STATES.items()}
TRIGGERS: Final = {
    "S": Trigger.ALL_SUCCESS,
    "D": Trigger.ALL_DONE,
    "O": Trigger.ONE_SUCCESS,
    "F": Trigger.ONE_FAILED,
}
TRIGGER_LETTERS: Final = {trigger: letter for letter, trigger in TRIGGERS.items()}
_EVENT_STATES: Final[dict[str, JobState | None]] = {**STATES, "-": None}
_MOVES: Final = {
    f"{before}{after}{by}": (left, entered, by == "w")
    for before, left in _EVENT_STATES.items()
    for after, entered in _EVENT_STATES.items()
    for by in "w-"
}
"""What the letters of an event say: the state before, the one after, and whether a worker did it."""


def _time(ms: str) -> float | None:
    return None if ms == "0" else int(ms) / 1000


def job_record(queue: str, answer: Sequence[str]) -> JobRecord:
    """The job that eight values of `read.lua` describe."""
    job_id, text, payload, error, progress, score, result, ups = answer
    state, _, worker, attempts, stalls, pending, _, _, flags, started, finished, cause, flow, rest = (
        text.split(" ", 13)
    )
    _, priority, trigger, _, max_stalls, delay, ttl, created, _ = rest.split(" ")
    record = JobRecord(
        job_id,
        queue,
        STATES[state],
        "",
        "",
        flow_id=None if flow == "-" else flow,
        depends_on=ups.split() if ups else [],
        pending=int(pending),
        trigger=TRIGGERS[trigger],
        priority=int(priority),
        max_stalls=int(max_stalls),
        attempts=int(attempts),
        stalls=int(stalls),
        worker=None if worker == "-" else worker,
        cancel_requested="C" in flags,
        created_at=int(created) / 1000,
        started_at=_time(started),
        finished_at=_time(finished),
        delay=int(delay) / 1000 or None,
        ttl=int(ttl) / 1000 or None,
    )
    try:
        for name, value in decode_payload(payload).items():
            if name != "trigger":
                setattr(record, name, value)
    except InvalidPayload as problem:
        record.payload_error, record.task_id, record.name = str(problem), "?", job_id
    if score:
        when = float(score) / 1000
        if state == "d":
            record.run_at = when
        else:
            record.lease_until = when
    if progress:
        fraction, _, record.progress_note = progress.partition(" ")
        record.progress = float(fraction)
    if result:
        record.result = decode_result(result)
    if state == "k":
        record.error = JobError("UpstreamFailed", "", upstream=None if cause == "-" else cause)
    elif state == "x":
        record.error = JobError("Cancelled", "cancelled before it could complete")
    elif state == "e":
        record.error = JobError("Expired", f"not started within its ttl of {record.ttl:g} s")
    elif error:
        record.error = decode_error(error)
    return record


def flow_record(queue: str, flow_id: str, text: str, about: str) -> FlowRecord:
    """The flow that its record and its `about` entry describe."""
    state, created, started, finished, *counts = text.split(" ")
    return FlowRecord(
        flow_id,
        queue,
        about.partition("\n")[2],
        FlowState(state),
        {STATES[letter].value: int(count) for letter, count in zip("bwdacfkxe", counts, strict=True)},
        int(created) / 1000,
        _time(started),
        _time(finished),
    )


def entry_events(queue: str, last: int, fields: dict[str, str]) -> list[Event]:
    """The events in one entry of the stream, whose last event has the number `last`."""
    at = int(fields["t"]) / 1000
    worker = fields["w"]
    lines = fields["e"].split("\n")
    seq = last - len(lines)
    events: list[Event] = []
    add, make, known = events.append, tuple.__new__, _MOVES
    for line in lines:
        seq += 1
        job_id, moved, attempt, flow, reason = line.split(" ", 4)
        before, after, by_worker = known[moved]
        add(
            make(
                Event,
                (
                    seq,
                    at,
                    queue,
                    None if flow == "-" else flow,
                    job_id,
                    before,
                    after,
                    int(attempt),
                    worker if by_worker else None,
                    reason,
                ),
            )
        )
    return events


def worker_info(worker_id: str, seen_until: str, text: str, queue: str) -> WorkerInfo:
    """The worker that registered itself as `text`."""
    fields: dict[str, Any] = json.loads(text)
    ttl = float(fields.get("ttl", 30.0))
    return WorkerInfo(
        worker_id,
        str(fields.get("host", "?")),
        int(fields.get("pid", 0)),
        list(fields.get("queues", [queue])),
        int(fields.get("concurrency", 0)),
        list(fields.get("tasks", [])),
        float(fields.get("started_at", 0.0)),
        float(seen_until) / 1000 - ttl,
        ttl,
    )
