"""What can be done to a flow and its jobs: the keys of Live that steer the engine. Each asks which jobs are meant."""

from __future__ import annotations

from core.backends.base import RetryMode
from core.jobs import JobRecord
from flowtui.screens.flowviews import FlowViews
from flowtui.screens.pick import Row as Choice
from flowtui.steering import Report
from flowtui.text import safe
from flowtui.widgets.flowtable import FlowTable


class FlowSteering(FlowViews):
    """The keys that steer; with --read-only they say so and do nothing."""

    def refuses(self) -> bool:
        """Whether nothing may be changed now; says why."""
        if super().refuses():
            return True
        if self.opened is not None and self.flow is None:
            self.tell(Report("its flow has been removed", "warning"))
            return True
        if self.opening:
            self.tell(Report("the flow is still being read; press it again in a moment", "warning"))
        return bool(self.opening)

    def _job(self) -> JobRecord | None:
        """The job whose page is open, else the one under the cursor."""
        job_id = self.opened.job_id if self.opened is not None else self.cursor
        return self.flow.jobs.get(job_id or "") if self.flow is not None else None

    def _targets(self) -> tuple[str, ...]:
        """The marked jobs; where a job's page is open, that job alone is meant."""
        return () if self.opened is not None else tuple(self._marks())

    def action_retry(self) -> None:
        """Run failed jobs again: which, is asked."""
        if self.refuses():
            return
        if self.flow is None:
            record = self._flows.get(self.query_one(FlowTable).cursor_id or "")
            if record is not None:
                self._retry_flow(record.id, record.queue, record.name, record.counts, None)
            return
        job = self._job()
        self._retry_flow(
            self.flow.id,
            self.flow.queue,
            self.flow.name,
            self.flow.counts,
            job.id if job is not None else None,
        )

    def _retry_flow(
        self, flow_id: str, queue: str, name: str, counts: dict[str, int], job_id: str | None
    ) -> None:
        failed = sum(counts[state] for state in ("failed", "expired", "cancelled"))
        rows: list[Choice] = []
        marks = self._targets() if self.flow is not None else ()
        if marks:
            rows.append(Choice("marks", f"the {len(marks):,} marked jobs"))
        job = self.flow.jobs.get(job_id) if self.flow is not None and job_id is not None else None
        if job is not None and job.state.terminal:
            rows.append(
                Choice("job", f"only {safe(job.name, 40)}", "what it made skipped waits for it again")
            )
        if failed:
            rows.append(Choice("failed", f"what failed: {failed:,}", "completed jobs are kept"))
            rows.append(Choice("downstream", "what failed and everything downstream", "also what completed"))
        rows.append(Choice("all", f"the whole flow: {sum(counts.values()):,} jobs", "every job runs again"))

        def chosen(what: str) -> None:
            if what == "marks":
                self.steer(lambda steering: steering.retry(marks, queue))
            elif what == "job" and job is not None:
                self.steer(lambda steering: steering.retry([job.id], queue))
            else:
                mode: RetryMode = (
                    "failed" if what == "failed" else "downstream" if what == "downstream" else "all"
                )
                self.steer(lambda steering: steering.retry_flow(flow_id, mode, queue))

        self.choose(f"Retry in {safe(name, 40)}", rows, chosen)

    def action_cancel(self) -> None:
        """Cancel the job, the marked jobs or the flow: which, is asked."""
        if self.refuses():
            return
        if self.flow is None:
            record = self._flows.get(self.query_one(FlowTable).cursor_id or "")
            if record is not None:
                left = record.total - record.done
                flow_id, queue = record.id, record.queue
                self.confirm(
                    f"Cancel {safe(record.name, 40)}?",
                    f"{left:,} of its {record.total:,} jobs have not ended. Running ones are told to stop.",
                    "cancel the flow",
                    lambda: self.steer(lambda steering: steering.cancel_flow(flow_id, queue)),
                )
            return
        flow = self.flow
        left = flow.total - flow.done
        marks, job = self._targets(), self._job()
        rows: list[Choice] = []
        if marks:
            rows.append(Choice("marks", f"the {len(marks):,} marked jobs"))
        if job is not None and not job.state.terminal:
            rows.append(
                Choice(
                    "job",
                    f"only {safe(job.name, 40)}",
                    "what waits for it goes by its trigger",
                )
            )
        if left:
            rows.append(Choice("flow", f"the whole flow: {left:,} jobs", "running ones are told to stop"))
        if not rows:
            self.tell(Report("nothing to cancel: the flow has ended", "warning"))
            return

        def chosen(what: str) -> None:
            if what == "marks":
                self.steer(lambda steering: steering.cancel(marks, flow.queue))
            elif what == "job" and job is not None:
                self.steer(lambda steering: steering.cancel([job.id], flow.queue))
            elif what == "flow":
                self.steer(lambda steering: steering.cancel_flow(flow.id, flow.queue))

        self.choose(f"Cancel in {safe(flow.name, 40)}", rows, chosen)

    def action_remove(self) -> None:
        """Remove an ended flow."""
        if self.refuses() or self.flow is not None:
            return
        record = self._flows.get(self.query_one(FlowTable).cursor_id or "")
        if record is None:
            return
        flow_id, queue = record.id, record.queue

        async def remove(steering: object) -> Report:
            assert self.steering is not None
            report = await self.steering.remove_flow(flow_id, queue)
            self.read_flows()
            return report

        self.confirm(
            f"Remove {safe(record.name, 40)}?",
            f"Its {record.total:,} jobs with their results and logs are gone for good.",
            "remove it",
            lambda: self.steer(remove),
        )
