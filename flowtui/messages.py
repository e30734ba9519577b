"""What screens tell each other, in the past tense."""

from __future__ import annotations

from textual.message import Message


class EngineOpened(Message):
    """The backend answered for the first time."""


class ConnectionLost(Message):
    """The engine did not answer: `reason` in a few words, `retry_in` seconds until the next try."""

    def __init__(self, reason: str, retry_in: float) -> None:
        super().__init__()
        self.reason = reason
        self.retry_in = retry_in

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, ConnectionLost)


class ConnectionRestored(Message):
    """The engine answers again."""


class StoreReplaced(Message, bubble=False):
    """The engine lost what it held, or is another one: how many jobs it knew before and knows now."""

    def __init__(self, before: int, now: int) -> None:
        super().__init__()
        self.before = before
        self.now = now


class FlowSubmitted(Message):
    """A flow is in the engine. `jobs` maps the names in the draft to the ids in the store."""

    def __init__(self, flow_id: str, queue: str, jobs: dict[str, str]) -> None:
        super().__init__()
        self.flow_id = flow_id
        self.queue = queue
        self.jobs = jobs


class DraftChanged(Message):
    """The flow being composed changed; `step` names what happened ("link a → b")."""

    def __init__(self, step: str) -> None:
        super().__init__()
        self.step = step

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, DraftChanged)
