"""What the app says about an action is what the engine answered."""

from __future__ import annotations

from core import FlowProducer, InMemoryBackend, Job
from core.backends.base import Outcome
from flowtui.steering import Steering


async def _failed(backend: InMemoryBackend, count: int) -> list[tuple[Job, Job]]:
    """`count` jobs that failed, each with one below it that was skipped."""
    pairs = []
    for _ in range(count):
        above = Job("t.above")
        pairs.append((above, Job("t.below", depends_on=[above.id])))
    await FlowProducer(backend).add_flow("q", [job for pair in pairs for job in pair])
    claims = (await backend.turn("q", "w", (), count, 30.0)).claims
    failures = [Outcome(claim.id, claim.token, "failed", '{"type":"E","message":"boom"}') for claim in claims]
    await backend.turn("q", "w", failures, 0, 30.0)
    return pairs


async def test_a_retry_of_a_skipped_job_says_which_job_to_retry_instead() -> None:
    backend = InMemoryBackend()
    [(above, below)] = await _failed(backend, 1)
    report = await Steering(backend).retry([below.id], None)
    assert report.text == (
        f"would only be skipped again: upstream {above.id} did not complete; retry that one, or its flow"
    )
    assert (report.severity, report.changed) == ("warning", 0)
    assert await Steering(backend).retry([above.id, below.id], None) == ("2 retried", "information", 2)


async def test_a_retry_of_many_skipped_jobs_sums_them_up() -> None:
    backend = InMemoryBackend()
    pairs = await _failed(backend, 3)
    marked = [pairs[0][0].id, *(below.id for _, below in pairs)]
    report = await Steering(backend).retry(marked, None)
    assert report.text == (
        "2 retried, 2 would only be skipped again: retry what did not complete above them, or their flows"
    )
    assert (report.severity, report.changed) == ("warning", 2)
