"""What is known of logs that were scanned, besides their rows, as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from metricscan.definitions.blocks import RUN
from metricscan.fleet import facts
from metricscan.fleet.tables import SCANNED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metricscan.datasets.evidence import Restart, SuspectsOfMetric
    from metricscan.errors import SourceError
    from metricscan.logs.crashes import Crash
    from metricscan.scanning.stats import ScanStats

_OF_LOG = ("number", "job", "stream", "part")


def log_note(
    log: Mapping[str, Any],
    size: int,
    records: int,
    span: tuple[int, int] | None = None,
    *,
    is_export: bool = False,
    is_unended: bool = False,
) -> dict[str, Any]:
    """What a note says of a log.

    Parameters
    ----------
    log : mapping
        A row of a table of logs.
    size, records : int
        Its decompressed bytes, and its records.
    span : (int, int), optional
        The first and the last time of its events.
    is_export : bool
        Whether it is a stream of an export, or a container's log.
    is_unended : bool
        Whether it is a piece of a rotated log that ends without a line end.
    """
    place = {key: log[key] for key in ("path", "within", "superseded", "job_logs")}
    read = {"bytes": size, "records": records, "span": span}
    return place | read | {"is_export": is_export, "is_unended": is_unended}


def facts_table(
    logs: Sequence[Mapping[str, Any]],
    notes: Iterable[Mapping[str, Any]],
    crashes: Mapping[int, Crash],
    suspects: Mapping[int, Mapping[str, SuspectsOfMetric]],
    restarts: Mapping[int, Sequence[Restart]],
    stats: ScanStats,
    errors: Iterable[SourceError],
    common: Mapping[str, Any],
) -> pa.Table:
    """What is known, besides their rows, of logs that were scanned as one.

    Parameters
    ----------
    logs : sequence of mapping
        Rows of a table of logs.
    notes : iterable of mapping
        As :func:`log_note` gives it, of each log.
    crashes, suspects, restarts : mapping
        By the position of the log.
    stats : ScanStats
    errors : iterable of SourceError
    common : mapping
        What the counts say of the scan: who scanned what with what.
    """
    found: list[dict[str, Any]] = []
    of_scan = {"unit": [logs[0]["number"], len(logs), logs[0]["start"]], "has_run_starts": RUN in common["metrics"]}
    for at, (log, note) in enumerate(zip(logs, notes, strict=True)):
        place = _place(log)
        found.append(place | {"kind": "log", "note": facts.dumped({**note, **of_scan})})
        if log["superseded"]:
            # what a later attempt replaced raises no doubt
            continue
        crash = crashes.get(at)
        if crash is not None and not log["is_followed"]:
            where = {"text": crash.text, "line": crash.line, "offset": crash.offset}
            found.append(place | where | {"kind": "crash", "note": facts.dumped(crash._asdict())})
        for name, one in suspects.get(at, {}).items():
            found.append(place | {"kind": "suspects", "metric": name, "note": facts.dumped(facts.of_suspects(one))})
        found += [place | restart_row(one) for one in restarts.get(at, ())]
    first = _place(logs[0])
    counts = {**common, "path": logs[0]["path"], "stats": facts.of_stats(stats)}
    found.append(first | {"kind": "counts", "note": facts.dumped(counts)})
    for error in errors:
        where = {"text": error.message, "offset": error.offset}
        found.append(first | where | {"kind": "error", "note": facts.dumped(facts.of_error(error))})
    return pa.Table.from_pylist(found, schema=SCANNED)


def restart_row(one: Restart) -> dict[str, Any]:
    """The row of a second start, without what says to which log it belongs."""
    where = {"text": one.message, "line": one.line, "offset": one.offset}
    return where | {"kind": "restart", "note": facts.dumped(one._asdict())}


def _place(log: Mapping[str, Any]) -> dict[str, Any]:
    return {key: log[key] for key in _OF_LOG} | {"since": log["start"]}
