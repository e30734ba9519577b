"""Jobs, results and errors as the JSON text that a store keeps.

Only what JSON can say is let in, so that what arrives is what was submitted: no tuples, no keys that are not
strings, no NaN, no integers beyond 64 bits (other readers of the store would round them), nothing nested deeper
than 64. A store treats these texts as opaque.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, overload

from core.backends.base import ERROR_LIMIT, PAYLOAD_LIMIT, RESULT_LIMIT
from core.errors import InvalidPayload
from core.jobs import FIELDS, Job, JobError, Trigger

DEPTH_LIMIT: Final = 64
_encoder: Final = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, check_circular=False, separators=(",", ":")
)


def _compact() -> Callable[[object], str]:
    """The encoder as one function. `JSONEncoder.encode` makes a new C encoder for each call; one serves for all."""
    make = json.encoder.c_make_encoder  # type: ignore[attr-defined]
    if make is None:
        return _encoder.encode
    encode = make(
        None, _encoder.default, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, False
    )
    return lambda value: "".join(encode(value, 0))


_dumps: Final = _compact()
_quote: Final[Callable[[str], str]] = json.encoder.encode_basestring_ascii
_DEFAULTS: Final = {
    "args": [],
    "kwargs": {},
    "priority": 5,
    "max_retries": 3,
    "backoff": 1.5,
    "timeout": None,
    "ttl": None,
    "delay": None,
    "repeat_every": None,
    "trigger": Trigger.ALL_SUCCESS,
    "max_stalls": 3,
    "group": None,
}


def check_json(value: object, where: str, *, tuples: bool = False) -> None:
    """Raise `InvalidPayload` naming the place inside `value` that JSON cannot say exactly.

    `where` names the value itself, for example "args of job 'load'". `tuples` lets tuples pass, as arrays.
    """
    todo: list[tuple[object, str, int]] = [(value, "", 0)]
    while todo:
        item, path, depth = todo.pop()
        kind = type(item)
        if kind is str:
            _check_text(item, where, path)  # type: ignore[arg-type]
        elif kind is bool or item is None:
            continue
        elif kind is int:
            if not -(2**63) <= item < 2**63:  # type: ignore[operator]
                raise InvalidPayload(f"{where}{path} is an integer beyond 64 bits; send it as a string")
        elif kind is float:
            if not math.isfinite(item):  # type: ignore[arg-type]
                raise InvalidPayload(
                    f"{where}{path} is {item!r}, which JSON has no word for; use null or a string"
                )
        elif depth >= DEPTH_LIMIT:
            raise InvalidPayload(f"{where} is nested deeper than {DEPTH_LIMIT} levels; flatten it")
        elif kind is list or (tuples and kind is tuple):
            todo.extend((entry, f"{path}[{i}]", depth + 1) for i, entry in enumerate(item))  # type: ignore[arg-type, var-annotated]
        elif kind is dict:
            for key, entry in item.items():  # type: ignore[attr-defined]
                if type(key) is not str:
                    raise InvalidPayload(
                        f"{where}{path} has the key {key!r:.60} ({type(key).__name__}); JSON keys are strings"
                    )
                _check_text(key, where, path)
                todo.append((entry, f"{path}[{key!r:.60}]", depth + 1))
        else:
            hint = (
                "use a list" if kind is tuple else "use lists, objects, strings, numbers, true, false, null"
            )
            raise InvalidPayload(f"{where}{path} is a {kind.__name__}, which JSON has no word for; {hint}")


def _plain(values: Iterable[object], depth: int = 1) -> bool:
    """True where `check_json` would find nothing; it finds the place when this says False."""
    for value in values:
        kind = type(value)
        if kind is int:
            if not -(2**63) <= value < 2**63:  # type: ignore[operator]
                return False
        elif kind is str:
            if not value.isascii():  # type: ignore[attr-defined]
                return False
        elif kind is list:
            if depth >= DEPTH_LIMIT or not _plain(value, depth + 1):  # type: ignore[arg-type]
                return False
        elif kind is dict:
            if depth >= DEPTH_LIMIT or not _plain_keys(value):  # type: ignore[arg-type]
                return False
            if not _plain(value.values(), depth + 1):  # type: ignore[attr-defined]
                return False
        elif kind is float:
            if not math.isfinite(value):  # type: ignore[arg-type]
                return False
        elif kind is not bool and value is not None:
            return False
    return True


def _plain_keys(value: dict[Any, Any]) -> bool:
    return all(type(key) is str and key.isascii() for key in value)


def _check_text(text: str, where: str, path: str) -> None:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InvalidPayload(
                f"{where}{path} holds half of a surrogate pair, which is no text; remove it"
            ) from None


def encode_job(job: Job) -> str:
    """The payload that a store keeps for `job`: everything but its id and its links.

    Raises `InvalidPayload` for args or kwargs that are not JSON, or a payload beyond 256 KiB.
    """
    # Written out, not a dict and a loop over the defaults: this runs for every job of every flow.
    payload = f'{{"task_id":{_quote(job.task_id)},"name":{_quote(job.name)}'
    if job.args:
        if not _plain(job.args):
            check_json(job.args, f"args of job '{job.name}'")
        payload += f',"args":{_dumps(job.args)}'
    if job.kwargs:
        if not (_plain_keys(job.kwargs) and _plain(job.kwargs.values())):
            check_json(job.kwargs, f"kwargs of job '{job.name}'")
        payload += f',"kwargs":{_dumps(job.kwargs)}'
    if job.priority != 5:
        payload += f',"priority":{_dumps(job.priority)}'
    if job.max_retries != 3:
        payload += f',"max_retries":{_dumps(job.max_retries)}'
    if job.backoff != 1.5:
        payload += f',"backoff":{_dumps(job.backoff)}'
    if job.timeout is not None:
        payload += f',"timeout":{_dumps(job.timeout)}'
    if job.ttl is not None:
        payload += f',"ttl":{_dumps(job.ttl)}'
    if job.delay is not None:
        payload += f',"delay":{_dumps(job.delay)}'
    if job.repeat_every is not None:
        payload += f',"repeat_every":{_dumps(job.repeat_every)}'
    if job.trigger is not Trigger.ALL_SUCCESS:
        payload += f',"trigger":{_dumps(job.trigger)}'
    if job.max_stalls != 3:
        payload += f',"max_stalls":{_dumps(job.max_stalls)}'
    if job.group is not None:
        payload += f',"group":{_dumps(job.group)}'
    payload += "}"
    if len(payload) > PAYLOAD_LIMIT:
        raise InvalidPayload(
            f"job '{job.name}' has a payload of {len(payload):,} bytes; the limit is {PAYLOAD_LIMIT:,}. "
            "Put the data into a file or a store and pass its address"
        )
    return payload


def decode_payload(payload: str | bytes) -> dict[str, Any]:
    """The fields that `encode_job` wrote, defaults filled in. Raises `InvalidPayload` for anything else."""
    try:
        fields = json.loads(payload)
        if type(fields) is not dict or type(fields.get("task_id")) is not str:
            raise InvalidPayload("the payload is not a job: it has no task_id")
        if not set(fields) <= _KNOWN:
            raise InvalidPayload(
                f"the payload has the field {min(set(fields) - _KNOWN)!r}, which this version does not know"
            )
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidPayload):
            raise
        raise InvalidPayload(f"the payload is not JSON: {error}") from None
    filled = {**_DEFAULTS, "args": [], "kwargs": {}, **fields}
    filled.setdefault("name", fields["task_id"])
    return filled


_KNOWN: Final = frozenset(FIELDS)


def encode_result(value: object, name: str) -> str | None:
    """`value`, what the task `name` returned, as JSON text; None for None. Tuples become arrays.

    Raises `InvalidPayload` for what is not JSON or beyond 256 KiB.
    """
    if value is None:
        return None
    if not _plain((value,), 0):
        check_json(value, f"the result of '{name}'", tuples=True)
    text = _dumps(value)
    if len(text) > RESULT_LIMIT:
        raise InvalidPayload(
            f"the result of '{name}' has {len(text):,} bytes; the limit is {RESULT_LIMIT:,}. "
            "Write the data to a file or a store and return its address"
        )
    return text


def decode_result(text: str | bytes | None) -> Any:
    """What `encode_result` wrote."""
    return None if text is None else json.loads(text)


def encode_error(error: JobError) -> str:
    """`error` as JSON text, at most 16 KiB: the end of its traceback and the start of its message are kept."""
    parts = error.to_dict()
    parts["message"] = parts.get("message", "")[:2000]
    if "traceback" in parts:
        parts["traceback"] = parts["traceback"][-8000:]
    text = _dumps(parts)
    while len(text) > ERROR_LIMIT:  # many characters that JSON writes as \uXXXX
        parts = {name: value[: len(value) // 2] for name, value in parts.items() if value}
        text = _dumps(parts)
    return text


def decode_error(text: str | bytes | None) -> JobError | None:
    """What `encode_error` wrote; a foreign text becomes the message."""
    if text is None:
        return None
    try:
        parts = json.loads(text)
        return JobError(
            str(parts.get("type", "Error")),
            str(parts.get("message", "")),
            str(parts.get("traceback", "")),
            parts.get("upstream"),
        )
    except (ValueError, AttributeError):
        return JobError("Error", text.decode(errors="replace") if isinstance(text, bytes) else text)


def flow_digest(payloads: Iterable[tuple[str, str]], links: Iterable[tuple[str, str]]) -> str:
    """A digest of a flow's jobs (id, payload) and links, so that a repeated add can be told from another flow."""
    digest = hashlib.blake2b(
        "\n".join(f"{job_id} {payload}" for job_id, payload in payloads).encode(), digest_size=16
    )
    digest.update("".join(f"\n{upstream} {downstream}" for upstream, downstream in links).encode())
    return digest.hexdigest()


class Prepared(Mapping[str, Any]):
    """A job's `to_dict()`, made when somebody looks: with the job and its payload beside, a store need not make them.

    A flow of 100,000 jobs would otherwise build 400,000 dicts and lists only to take them apart again.
    """

    __slots__ = ("_fields", "job", "payload")

    def __init__(self, job: Job, payload: str) -> None:
        self.job = job
        self.payload = payload
        self._fields: dict[str, Any] | None = None

    def _all(self) -> dict[str, Any]:
        if self._fields is None:
            self._fields = self.job.to_dict()
        return self._fields

    def __getitem__(self, key: str) -> Any:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __repr__(self) -> str:
        return repr(self._all())


class Payloads(Sequence[Prepared]):
    """The jobs of a flow as a store is given them. One that knows this class takes `jobs` and `texts` as they are."""

    __slots__ = ("jobs", "texts")

    def __init__(self, jobs: list[Job], texts: list[str]) -> None:
        self.jobs, self.texts = jobs, texts

    def __len__(self) -> int:
        return len(self.jobs)

    @overload
    def __getitem__(self, place: int) -> Prepared: ...
    @overload
    def __getitem__(self, place: slice) -> list[Prepared]: ...
    def __getitem__(self, place: int | slice) -> Prepared | list[Prepared]:
        if isinstance(place, slice):
            return [self[i] for i in range(len(self))[place]]
        return Prepared(self.jobs[place], self.texts[place])

    def __repr__(self) -> str:
        return repr(list(self))


def encoded(given: Job | Mapping[str, Any], job: Job) -> str:
    """The payload of `job`, which came as `given`."""
    return given.payload if isinstance(given, Prepared) else encode_job(job)


def as_job(job: Job | Mapping[str, Any]) -> Job:
    """`job` itself, or the job that its `to_dict` describes."""
    if isinstance(job, Job):
        return job
    return job.job if isinstance(job, Prepared) else Job.from_dict(job)
