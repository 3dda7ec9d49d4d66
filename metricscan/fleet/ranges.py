"""Ranges of bytes of one large plain log: scanned apart, and put together to what a scan of the whole log finds.

A range has the records that begin in it. Only lines depend on the ranges before it: they count from its first record on, and the
sum of the newlines of the earlier ranges is added when all of them are there.
"""

from __future__ import annotations

import functools
import json
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.errors import OptionError, SourceError
from metricscan.fleet import facts
from metricscan.fleet.found import facts_table, log_note, restart_row
from metricscan.fleet.rows import LogNames, Scan, merged_rows
from metricscan.fleet.tables import LOGS, SCANNED, conformed, joined
from metricscan.logs._first_line import AGAIN_BYTES
from metricscan.logs.exports import text_head
from metricscan.replaying.counters import Counters
from metricscan.replaying.second_start import restarts_of
from metricscan.scanning.stats import ScanStats
from metricscan.scanning.suspects import MOST_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from metricscan.datasets.evidence import Restart
    from metricscan.scanning.options import InputFormat
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.suspects import LogSuspects

#: What tells one log from the others.
KEY = ("job", "stream", "part")


def in_ranges(logs: pa.Table, size_bytes: int) -> pa.Table:
    """Cut the logs that are larger than this into ranges of at most so many bytes.

    Only plain text in files can be cut: a range of a log that turns out to be compressed or an export is an error.

    Parameters
    ----------
    logs : pyarrow.Table
        As :func:`metricscan.fleet.list_logs` gives it.
    size_bytes : int

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from metricscan.fleet import list_logs
    >>> log = pathlib.Path(tempfile.mkdtemp()) / "a.log"
    >>> _ = log.write_text("loss=1\\n" * 3)
    >>> in_ranges(list_logs(log), 10).select(["start", "end"]).to_pylist()
    [{'start': 0, 'end': 10}, {'start': 10, 'end': 20}, {'start': 20, 'end': None}]
    """
    if size_bytes < 1:
        raise OptionError(f"size_bytes={size_bytes!r}: 1 or more was expected")
    rows = []
    for row in conformed(logs, LOGS, "the table of logs").to_pylist():
        size = row["size"] or 0
        if size <= size_bytes or row["file"] is not None or row["start"] is not None:
            rows.append(row)
            continue
        starts = range(0, size, size_bytes)
        # the log may have grown since: the last range goes to its end
        rows += [row | {"start": at, "end": at + size_bytes if at + size_bytes < size else None} for at in starts]
    return pa.Table.from_pylist(rows, schema=LOGS)


def scan_range(log: Mapping[str, Any], scanner: Scanner, common: Mapping[str, Any], input_format: InputFormat) -> Scan:
    """What was found in one range of a log."""
    between = log["start"], log["end"]
    labels, names = frozenset(scanner.labels), LogNames([log])
    rows: list[dict[str, pa.Table]] = []
    stats, newlines, last, is_unended = ScanStats(), 0, -1, False
    crash, failure = None, None
    suspects: LogSuspects = {}
    try:
        with scanner.watching_batches(log["path"], 1, input_format=input_format, between=between) as running:
            try:
                for name, batch in running:
                    rows.append({name: names.rows(0, batch, [batch.num_rows])})
                    if name not in labels and batch.num_rows:
                        last = max(last, batch.column("offset")[batch.num_rows - 1].as_py())
                crash = running.crash()
                is_unended = log["piece_of"] is not None and log["end"] is None and running.is_unended
            finally:
                stats, newlines = running.stats, running.newlines
                suspects = running.found_suspects()
    except SourceError as error:
        failure = error
    note = log_note(log, stats.bytes, stats.records, is_unended=is_unended)
    note |= {"end": log["end"], "newlines": newlines, "last": last}
    crashes = {} if crash is None else {0: crash}
    errors = [] if failure is None else [failure]
    restarts: tuple[Restart, ...] = ()
    if not log["start"] and not log["part"] and failure is None:
        # the first line is looked for in the log's first bytes, which may be those of several ranges
        restarts = restarts_of(scanner, text_head(log["path"], "plain", AGAIN_BYTES)[0], has_places=True)
    facts_of = facts_table([log], [note], crashes, {0: suspects}, {0: restarts}, stats, errors, common)
    return Scan(merged_rows(rows), facts_of)


def with_lines(table: pa.Table) -> pa.Table:
    """Put the ranges of each log together of which all are there; those of other logs stay as they are."""
    of_range = pc.is_valid(table["since"])
    if not pc.any(of_range).as_py():
        return table
    ranges = table.filter(of_range)
    found = [table.filter(pc.invert(of_range))]
    logs: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for head in ranges.filter(pc.equal(ranges["kind"], "log")).to_pylist():
        logs.setdefault((head["job"], head["stream"], head["part"]), []).append(head | json.loads(head["note"]))
    whole = table.filter(pc.and_(pc.equal(table["kind"], "log"), pc.invert(of_range))).select(KEY).to_pylist()
    known = {tuple(one.values()) for one in whole}
    for key, heads in logs.items():
        if key in known:
            # its ranges were put together before
            continue
        own = ranges.filter(functools.reduce(pc.and_, map(pc.equal, (ranges[name] for name in KEY), key)))
        heads.sort(key=lambda one: one["since"])
        found.append(_whole(own, heads) if _are_all(heads) else own)
    return joined(found, SCANNED)


def _are_all(heads: Sequence[Mapping[str, Any]]) -> bool:
    """Whether each range begins where the one before it ends, from the beginning of the log to its end."""
    ends = [0, *(head["end"] for head in heads)]
    return ends[-1] is None and all(end == head["since"] for end, head in zip(ends, heads, strict=False))


def _whole(table: pa.Table, heads: Sequence[dict[str, Any]]) -> pa.Table:
    """The table of a log all of whose ranges are there, in order."""
    table = table.take(pc.sort_indices(table, [("since", "ascending")]))
    before = dict(zip((head["since"] for head in heads), _sums(head["newlines"] for head in heads), strict=False))
    rows = table.filter(pc.is_in(table["kind"], pa.array(["value", "label"])))
    lines = np.array([*before.values()])[np.searchsorted([*before], rows["since"].to_numpy())]
    names = rows.column_names
    rows = rows.set_column(names.index("line"), "line", pa.array(rows["line"].to_numpy() + lines, pa.int64()))
    rows = rows.set_column(names.index("since"), "since", pa.nulls(rows.num_rows, pa.int64()))
    first, last = heads[0], max(head["last"] for head in heads)
    size, records = (sum(head[key] for head in heads) for key in ("bytes", "records"))
    note = log_note(first, size, records, is_unended=heads[-1]["is_unended"])
    note |= {
        "unit": [first["number"], 1, None],
        "has_run_starts": first["has_run_starts"],
    }
    place = {key: first[key] for key in ("number", *KEY)}
    facts_of = [place | {"kind": "log", "note": facts.dumped(note)}]
    stats, common = ScanStats(), {}
    suspects: dict[str, facts.FoundSuspects] = {}
    for row in table.filter(pc.is_valid(table["note"])).to_pylist():
        document, lines_before = json.loads(row["note"]), before[row["since"]]
        if row["kind"] == "counts":
            stats.merge(facts.moved(facts.to_stats(document["stats"]), lines_before))
            common = document
        elif row["kind"] == "suspects":
            one = facts.FoundSuspects(document).moved(lines_before)
            known = suspects.get(row["metric"])
            suspects[row["metric"]] = one if known is None else known.plus(one)
        elif row["kind"] == "crash" and (document["after"] is None or last < document["after"]):
            document["line"] = row["line"] = row["line"] + lines_before
            facts_of.append(row | {"note": facts.dumped(document), "since": None})
        elif row["kind"] in ("error", "restart"):
            facts_of.append(row | {"since": None})
    if not first["superseded"]:
        facts_of += [place | restart_row(one) for one in _counters_back(rows, common.get("metrics", ()))]
    for counts in stats.metrics.values():
        # as many as a scan of the whole log tells apart
        counts.units = dict(list(counts.units.items())[:MOST_UNITS])
    facts_of += [
        place | {"kind": "suspects", "metric": name, "note": facts.dumped(facts.of_suspects(one))}
        for name, one in suspects.items()
    ]
    facts_of.append(place | {"kind": "counts", "note": facts.dumped({**common, "stats": facts.of_stats(stats)})})
    return joined([rows, pa.Table.from_pylist(facts_of, schema=SCANNED)], SCANNED)


def _counters_back(rows: pa.Table, metrics: Sequence[str]) -> tuple[Restart, ...]:
    """Where a counter of a whole log goes back or jumps, by its rows in order."""
    values = rows.filter(pc.equal(rows["kind"], "value"))
    counters = Counters(metrics)
    for name in metrics:
        own = values.filter(pc.equal(values["metric"], name)).combine_chunks()
        for batch in own.to_batches():
            counters.add(name, range(1), [batch.num_rows], batch)
    return counters.end_logs().get(0, ())


def _sums(newlines: Iterable[int]) -> Iterator[int]:
    """How many newlines stand before each range."""
    return accumulate(newlines, initial=0)
