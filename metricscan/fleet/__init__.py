"""Millions of logs on an existing engine: scan, decide, merge and rank, as tables that any engine can move."""

from metricscan.fleet.listing import list_logs, tasks_of
from metricscan.fleet.partials import decide, merge_partials
from metricscan.fleet.ranges import in_ranges
from metricscan.fleet.ranked import rank_partials
from metricscan.fleet.replayed import replay_on
from metricscan.fleet.scanned import scan_batch

__all__ = ["decide", "in_ranges", "list_logs", "merge_partials", "rank_partials", "replay_on", "scan_batch", "tasks_of"]
