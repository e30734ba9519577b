"""The list of flows that Live begins with: filtered, read page by page, opened with enter."""

from __future__ import annotations

from time import monotonic
from typing import Final

from textual import on
from textual.content import Content

from core.jobs import FlowRecord
from flowtui.filter import FilterError
from flowtui.flowboard import FlowBoard
from flowtui.flowlist import FlowFilter, FlowPages, parse_flows
from flowtui.screens.watcher import Watcher
from flowtui.steering import Report
from flowtui.text import counted, safe
from flowtui.widgets.bars import TopBar
from flowtui.widgets.flowtable import FlowTable, flow_key, flow_row
from flowtui.widgets.linetable import LineTable

LIST_EVERY: Final = 1.0
"""Least seconds between two readings of the list of flows."""


class FlowListing(Watcher):
    """Flows as rows; `flow` is the one that is open instead, if any."""

    def __init__(self) -> None:
        super().__init__()
        self.flow: FlowBoard | None = None
        self.filter = FlowFilter()
        self.pages: FlowPages | None = None
        self._flows: dict[str, FlowRecord] = {}
        self._listed_at = -LIST_EVERY
        self._listed_version = -1
        self._complete = True

    def read_flows(self) -> None:
        """Read the flows that the list shows."""
        feed = self.feed
        if feed is None or self.pages is None:
            return
        self._listed_at, self._listed_version = monotonic(), self.board.flow_version
        table = self.query_one(FlowTable)
        start = max(table.on_screen.start - 20, 0) if table.total else 0
        self.ask(lambda: self._read_flows(start, max(table.size.height * 3, 60)), "flows")

    async def _read_flows(self, start: int, count: int) -> None:
        assert self.pages is not None
        page = await self.pages.page(start, count)
        self._flows = {flow_key(flow): flow for flow in page.rows}
        self._complete = page.complete
        table = self.query_one(FlowTable)
        now, ascii = self.now, self.flowtui.ascii_only
        table.set_rows(
            [flow_row(flow, now, ascii=ascii) for flow in page.rows], start=start, total=page.total
        )
        self.query_one(TopBar).detail = self._detail()
        self.show_status()

    @on(LineTable.RowsWanted, "#flow-list")
    def _rows_wanted(self, event: LineTable.RowsWanted) -> None:
        event.stop()
        self.ask(lambda: self._read_flows(event.start, event.count), "flows")

    def _read_flows_if_due(self) -> None:
        if (
            self.pages is not None
            and self.board.flow_version != self._listed_version
            and monotonic() - self._listed_at >= LIST_EVERY
        ):
            self.read_flows()

    def _redraw_times(self) -> None:
        """What runs takes longer: show it without asking the store."""
        table = self.query_one(FlowTable)
        running = any(record.state == "running" for record in self._flows.values())
        if running and table.rows and all(row.id in self._flows for row in table.rows):
            now, ascii = self.now, self.flowtui.ascii_only
            rows = [flow_row(self._flows[row.id], now, ascii=ascii) for row in table.rows]
            table.set_rows(rows, start=table.start, total=table.total)

    def _filter_flows(self, text: str) -> None:
        try:
            self.filter = parse_flows(text)
        except FilterError as error:
            self.tell(Report(str(error), "warning"))
            return
        self._message = None
        if self.pages is not None:
            self.pages.filter = self.filter
            self.query_one(FlowTable).reset()
            self.read_flows()

    def _detail(self) -> str:
        if self.flow is not None:
            return f"{safe(self.flow.name, 60)} run {safe(self.flow.id[:8])}"
        return f"flows {self.filter.text}".strip() if self.filter.text else "flows"

    def status(self) -> tuple[Content, Content]:
        table = self.query_one(FlowTable)
        shown = counted(table.total, "flow") + ("" if self._complete else " or more")
        return Content.styled(f" {shown}", "$foreground-muted"), Content("")
