"""The fields of a job as a form has them: text in, value out, and why a text will not do. Pure, no textual."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.durations import format_duration, parse_duration
from core.errors import FlowError
from core.jobs import Trigger
from core.references import Reference
from flowtui.changes import DraftJob
from flowtui.draft import Draft
from flowtui.problems import SHELL
from flowtui.results import written

_UNSEEN: Final = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""Line ends for an editor, halves of surrogate pairs that cannot be encoded, and control characters."""
TRIGGERS: Final = tuple(trigger.value for trigger in Trigger)


@dataclass(frozen=True, slots=True)
class Spec:
    """A field: which of `DraftJob`'s, how it is called, what it means, how text becomes its value and back."""

    field: str
    label: str
    help: str
    read: Callable[[str], Any]
    show: Callable[[Any], str]
    many: bool = True
    """Whether it can be set for several jobs at once."""


def _text(what: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not text.strip():
            raise ValueError(f"{what} cannot be empty")
        return text.strip()

    return read


def _whole(text: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise ValueError(f"'{text.strip()}' is no whole number") from None


def _number(text: str) -> float:
    try:
        return float(text.strip())
    except ValueError:
        raise ValueError(f"'{text.strip()}' is no number") from None


def _seconds(text: str) -> float | None:
    text = text.strip()
    if not text:
        return None
    try:
        value: Any = float(text)
    except ValueError:
        value = parse_duration(text)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError(f"'{text}' is no time; write 90, 1.5, 30s, 5m or 2h") from None
    if not value < 1e10:
        raise ValueError(f"'{text}' is too long; a time is less than 10,000,000,000 seconds")
    return float(value)


def _show_seconds(value: float | None) -> str:
    return "" if value is None else str(format_duration(value))


def _trigger(text: str) -> str:
    if text not in TRIGGERS:
        raise ValueError(f"'{text}' is no trigger; they are {', '.join(TRIGGERS)}")
    return text


def _group(text: str) -> str | None:
    return text.strip() or None


def _plain(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


FIELDS: Final[Sequence[Spec]] = (
    Spec("name", "name", "how the job is called; others refer to it by this name", _text("a name"), _plain, False),
    Spec("task", "task", "the task that a worker calls, by its registered name", _text("a task"), _plain),
    Spec("trigger", "trigger", "when it starts, over the outcomes of what it waits for: ← → choose", _trigger, _plain),
    Spec("group", "group", "the frame it is drawn in; empty for none", _group, _plain),
    Spec("max_retries", "retries", "how often it is tried again after a failure", _whole, _plain),
    Spec("backoff", "backoff", "base of the wait between attempts: backoff ** attempt seconds, jittered",
         _number, _plain),
    Spec("priority", "priority", "0 to 255, lower runs first", _whole, _plain),
    Spec("timeout", "timeout", "how long one attempt may run: 90, 1.5, 30s, 5m, 2h; empty for no limit",
         _seconds, _show_seconds),
    Spec("delay", "delay", "wait so long once its upstreams are done: 30s, 5m", _seconds, _show_seconds),
    Spec("ttl", "expires", "it expires when it has not started so long after submission", _seconds, _show_seconds),
    Spec("repeat_every", "repeats", "enqueue a fresh copy at this interval after the first run",
         _seconds, _show_seconds),
    Spec("max_stalls", "stalls", "how often it may lose its worker before it is failed", _whole, _plain),
)  # fmt: skip


def read_field(spec: Spec, text: str, job: DraftJob) -> Any:
    """The value that a text means for a job. Raises `ValueError` with a reason: ours, or the engine's own."""
    from dataclasses import replace

    value = spec.read(text)
    try:
        replace(job, **{spec.field: value}, args=(), kwargs={}).to_job("check")
    except FlowError as error:
        raise ValueError(_short(str(error))) from None
    return value


def _short(message: str) -> str:
    """Without the name of the field, which stands beside it."""
    return message.partition("; ")[2] or message.partition(" is ")[2] or message


def read_json(text: str, kind: type, empty: Any) -> Any:
    """A JSON list or object. Raises `ValueError` with line and column."""
    if not text.strip():
        return empty
    try:
        value = json.loads(text, parse_constant=no_constant, parse_int=whole, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno} col {error.colno}: {error.msg}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, kind):
        wanted = "a list: [ … ]" if kind is list else "an object: { … }"
        raise ValueError(f"must be {wanted}")
    return value


def no_constant(word: str) -> Any:
    """NaN and the like. Raises `ValueError`."""
    raise ValueError(f"{word} is no JSON; use null or a text")


def whole(digits: str) -> int:
    """A whole number of JSON. Raises `ValueError` for one that Python would not read."""
    if len(digits) > 1000:
        raise ValueError("a number is too long; write it as a text")
    return int(digits)


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Raises `ValueError` for a key that comes twice: one of its values would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key '{twice}' comes twice")
    return found


def show_json(value: Any) -> str:
    """JSON laid out for editing: short things on one line, what no editor shows as an escape."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > 34 or "\\u" in text:
        text = json.dumps(value, indent=2, ensure_ascii=False)
    return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def check_payload(job: DraftJob) -> str | None:
    """What the engine would refuse about a job's arguments; None when it would take them."""
    from core.payload import encode_job

    try:
        encode_job(job.to_job("check"))
    except FlowError as error:
        return str(error)
    return None


def check_references(draft: Draft, key: str, value: Any) -> str | None:
    """What is wrong with the results of other jobs that `value` takes; None when all is well."""
    for text, reference in written(value):
        if reference is None:
            return f"{text} cannot be read; the form is ${{jobs.NAME.result}}"
        other = draft.key(reference.upstream)
        if other is None:
            return f"no job is called '{reference.upstream}'"
        if other == key:
            return "a job cannot take its own result; name another one"
        if other not in draft.upstream(key):
            return f"it does not wait for '{reference.upstream}'; link the two first"
    return None


def read_named(field: str, text: str, job: DraftJob) -> Any:
    """What a text says for a field by its name. Raises `ValueError` with a reason."""
    return read_field(next(spec for spec in FIELDS if spec.field == field), text, job)


def result_text(name: str) -> str:
    """The result of a job as it is written inside of a JSON text."""
    return json.dumps(str(Reference(name)), ensure_ascii=False)[1:-1]


def is_command(job: DraftJob) -> bool:
    """Whether a job is a shell step whose command is one text, which is then edited as it is."""
    return job.task == SHELL and len(job.args) == 1 and isinstance(job.args[0], str)
