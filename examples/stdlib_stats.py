"""Map-reduce without the terminal: find the packages, add one job for each, run them, print the report.

    python examples/stdlib_stats.py

The tasks are those of `flowtui demo`. The flow file of the demo names its packages; here they are found first, so that
the flow fits the Python that runs it.
"""

from __future__ import annotations

import asyncio
import sysconfig
from pathlib import Path

from core import FlowProducer, Job, Worker, open_backend
from core.references import result_of
from flowtui.demo import stdlib_stats


def flow() -> list[Job]:
    """discover -> one `measure` for each package -> merge -> report."""
    library = Path(sysconfig.get_paths()["stdlib"])
    names = sorted(entry.name for entry in library.iterdir() if (entry / "__init__.py").is_file())
    packages = [name for name in names if name not in stdlib_stats.SKIPPED] + ["modules"]

    discover = Job("stdlib.discover", name="discover")
    measures = [
        Job(
            "stdlib.measure",
            [result_of(discover, "root"), name],
            depends_on=[discover.id],
            name=name,
            group="packages",
        )
        for name in packages
    ]
    merge = Job("stdlib.merge", depends_on=[job.id for job in measures], name="merge")
    report = Job(
        "stdlib.report",
        [result_of(discover, "python"), result_of(merge)],
        depends_on=[discover.id, merge.id],
        name="report",
    )
    return [discover, *measures, merge, report]


async def main() -> None:
    """Add the flow and work until it has ended."""
    backend = open_backend()
    jobs = flow()
    await FlowProducer(backend).add_flow("stdlib-stats", jobs, name="stdlib-stats")
    async with Worker(backend, ["stdlib-stats"], concurrency=4) as worker:
        await worker.run_until_idle()
    report = await backend.get_job(jobs[-1].id)
    print(report.result or f"{report.state}: {report.error}")
    await backend.close()


if __name__ == "__main__":
    asyncio.run(main())
