"""Partial rankings: decide jobs whose logs are all there, keep the rows of the others, and merge partial rankings.

What decides a job is found by the ranking's own functions, from all of its rows. So a partial ranking is exact under every
scope: nothing is estimated from parts of a job.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.datasets.rows import Rows
from metricscan.definitions.blocks import BLOCK, RUN
from metricscan.definitions.objective import Objective
from metricscan.errors import OptionError, SourceError, check_kind
from metricscan.fleet import facts
from metricscan.fleet.outcomes import DECIDED, as_column
from metricscan.fleet.ranges import with_lines
from metricscan.fleet.rows import Scan, numbers_in, split
from metricscan.fleet.tables import SCANNED, conformed, joined
from metricscan.ranking.at_best import checked_names, with_parts
from metricscan.ranking.deciding import decided, metrics_read
from metricscan.ranking.in_pieces import PIECE_ROWS
from metricscan.ranking.ranking import check_metric
from metricscan.ranking.stepless import repeated_counts
from metricscan.replaying.step_shapes import seems_to_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metricscan.datasets.rows import Array

#: A partial ranking: the columns of a scan, and what decided a job, in the rows of kind ``outcome``. There are rows of metrics
#: only of jobs that are not decided yet.
PARTIAL = SCANNED.append(pa.field("decided", pa.list_(DECIDED)))
_KINDS = ("objective", "log", "counts", "error", "crash", "suspects", "restart", "files", "outcome", "value", "label")
#: The identity of a log, or of a range of one.
_KEY = ("job", "stream", "part", "since")


def decide(
    batch: pa.Table | pa.RecordBatch,
    objective: Objective | None,
    scope: str | None = None,
    *,
    at_best: str | Sequence[str] = (),
) -> pa.Table:
    """Decide the jobs of a scan.

    Of a job all of whose logs are in the batch, what decided it takes the place of its rows. The rows of other jobs that the
    objective needs are kept until :func:`merge_partials` has all of their logs. So memory stays small if the logs of a job are in
    one batch, as those of :func:`metricscan.fleet.tasks_of` are, or if the engine groups the rows by ``job`` first.

    Parameters
    ----------
    batch : pyarrow.Table or pyarrow.RecordBatch
        As :func:`metricscan.fleet.scan_batch` gives it, in any order.
    objective : Objective or None
        None: only counts, errors and what else is known of logs are kept.
    scope : str, optional
        Takes the place of the objective's scope.
    at_best : str or sequence of str
        Other metrics whose values at the deciding rows are wanted.

    Returns
    -------
    pyarrow.Table
        With :data:`PARTIAL`.

    Raises
    ------
    OptionError
        The objective is not among the metrics of the scan.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from metricscan import Scanner
    >>> from metricscan.fleet import list_logs, rank_partials, scan_batch
    >>> log = pathlib.Path(tempfile.mkdtemp()) / "a.log"
    >>> _ = log.write_text("loss=0.5\\nloss=0.25\\n")
    >>> found = scan_batch(list_logs(log), Scanner(["loss=loss=([0-9.]+)"]))
    >>> partial = decide(found, Objective("loss", "Minimize"), "min")
    >>> rank_partials(partial).select(["rank", "job", "value", "line"]).to_pylist()
    [{'rank': 1, 'job': 'a', 'value': 0.25, 'line': 2}]
    """
    if scope is not None and objective is not None:
        objective = replace(objective, scope=scope)
    return decide_scan(split(conformed(batch, SCANNED, "the scan")), objective, at_best)


def decide_scan(scan: Scan, objective: Objective | None, at_best: str | Sequence[str]) -> pa.Table:
    """Decide the jobs of a scan as :func:`decide` does."""
    facts_of = scan.facts
    if objective is not None:
        check_kind(objective, Objective)
    if not facts_of.num_rows:
        return PARTIAL.empty_table()
    wanted = tuple(dict.fromkeys([at_best] if isinstance(at_best, str) else at_best))
    wanted = wanted if objective is None else with_parts(wanted, objective)
    for note in _of_kind(facts_of, "counts")["note"].slice(0, 1).to_pylist():
        check_scan(json.loads(note), objective, wanted)
    asked = {"objective": None if objective is None else asdict(objective), "at_best": wanted}
    head = pa.Table.from_pylist([{"job": "", "kind": "objective", "note": facts.dumped(asked)}], schema=SCANNED)
    return _settled(_partial(joined([head, facts_of], SCANNED)), scan.rows)


def merge_partials(*partials: pa.Table | pa.RecordBatch) -> pa.Table:
    """Merge partial rankings. The order and the grouping of the merges do not matter, and what is there twice counts once.

    Parameters
    ----------
    *partials : pyarrow.Table or pyarrow.RecordBatch
        As :func:`decide` or this function gives them.

    Returns
    -------
    pyarrow.Table
        With :data:`PARTIAL`.

    Raises
    ------
    OptionError
        They were made for different objectives, or by batches that share some logs and not others.
    SourceError
        A log was read twice, and had changed in between.

    Examples
    --------
    >>> from metricscan import Scanner
    >>> from metricscan.fleet import rank_partials, scan_batch
    >>> scanner, objective = Scanner(["loss=loss=([0-9.]+)"]), Objective("loss", "Minimize")
    >>> logs = [pa.table({"path": [name], "bytes": [f"loss={name}".encode()]}) for name in ("1", "2", "3")]
    >>> one, other, third = (decide(scan_batch(log, scanner), objective) for log in logs)
    >>> merged = merge_partials(third, merge_partials(other, one, third))
    >>> rank_partials(merged)["job"].to_pylist()
    ['1', '2', '3']
    """
    tables = [conformed(one, PARTIAL, "the partial ranking") for one in partials]
    asked_of(tables)
    parts = [PARTIAL.empty_table(), *tables]
    if _have_repeats(parts):
        known: dict[tuple[Any, ...], str] = {}
        decided: set[str] = set()
        parts = [_without(table, known, decided) for table in parts]
    merged = pa.concat_tables(parts)
    is_row = pc.is_in(merged["kind"], pa.array(["value", "label"]))
    if not pc.any(is_row).as_py():
        return _settled(merged, {})
    rows = split(merged.filter(is_row).select(SCANNED.names)).rows
    return _settled(merged.filter(pc.invert(is_row)), rows)


def asked_of(partials: Sequence[pa.Table]) -> tuple[Objective | None, tuple[str, ...]] | None:
    """The objective for which partial rankings were made, and the metrics that were looked up; None if all are empty.

    Raises
    ------
    OptionError
        There are several.
    """
    notes = sorted({note for one in partials for note in _of_kind(one, "objective")["note"].to_pylist()})
    if not notes:
        return None
    asked = [json.loads(note) for note in notes]
    if len(asked) > 1:
        first, second = (f"{one['objective']} at {one['at_best']}" for one in asked[:2])
        raise OptionError(f"partial rankings for different objectives cannot be merged: {first}; {second}")
    objective = asked[0]["objective"]
    return None if objective is None else Objective(**objective), tuple(asked[0]["at_best"])


def check_scan(counts: dict[str, Any], objective: Objective | None, at_best: Sequence[str]) -> None:
    """Raise an OptionError if the objective, or what is looked up, is not among the metrics of a scan."""
    if objective is None:
        return
    metrics, labels = counts["metrics"], counts["labels"]
    check_metric(objective, metrics, labels)
    checked_names(at_best, [name for name in metrics if name not in (BLOCK, RUN)], labels)
    if objective.step_place == "block" and BLOCK not in metrics:
        raise OptionError(
            f"step_place='block' needs the separators of blocks, a label {BLOCK!r}, and the scan has none",
            hint="scan_batch finds them with scanner.with_block",
        )


def _of_kind(table: pa.Table, *kinds: str) -> pa.Table:
    return table.filter(pc.is_in(table["kind"], pa.array(kinds)))


def _partial(scan: pa.Table) -> pa.Table:
    return scan.append_column(PARTIAL.field("decided"), pa.nulls(scan.num_rows, PARTIAL.field("decided").type))


# ---- merging


def _have_repeats(tables: Sequence[pa.Table]) -> bool:
    """Whether a log is in several tables. Millions of logs are compared in Arrow's memory, not as objects."""
    keys = pa.concat_tables([_of_kind(table, "log").select(_KEY) for table in tables])
    # without an aggregation, older versions of pyarrow give a row per thread
    return bool(keys.num_rows > keys.group_by(list(_KEY)).aggregate([([], "count_all")]).num_rows)


def _without(table: pa.Table, known: dict[tuple[Any, ...], str], decided: set[str]) -> pa.Table:
    """The rows of a partial ranking without those of known logs and decided jobs; adds its own to these."""
    heads = _of_kind(table, "log").select([*_KEY, "note"]).to_pylist()
    keys = [tuple(head[key] for key in _KEY) for head in heads]
    twice = {key for key in keys if key in known}
    kept = np.ones(table.num_rows, dtype=bool)
    if twice:
        _check_repeated(heads, keys, twice, known)
        rows = zip(*(table[name].to_pylist() for name in _KEY), strict=True)
        kept = np.fromiter((row not in twice for row in rows), dtype=bool, count=table.num_rows)
    kinds = table["kind"]
    jobs = set(_of_kind(table, "outcome")["job"].to_pylist())
    if jobs & decided or twice:
        again = pc.and_(pc.equal(kinds, "outcome"), pc.is_in(table["job"], pa.array(sorted(decided), pa.string())))
        # what was decided elsewhere keeps its outcome, though its logs are dropped here
        own_outcome = pc.and_(pc.equal(kinds, "outcome"), pc.invert(again))
        kept = (kept | own_outcome.to_numpy()) & ~again.to_numpy()
    known.update(zip(keys, (head["note"] for head in heads), strict=True))
    decided |= jobs
    return table if kept.all() else table.filter(pa.array(kept))


def _check_repeated(
    heads: list[dict[str, Any]],
    keys: list[tuple[Any, ...]],
    twice: set[tuple[Any, ...]],
    known: dict[tuple[Any, ...], str],
) -> None:
    units: dict[Any, set[bool]] = {}
    for head, key in zip(heads, keys, strict=True):
        note = json.loads(head["note"])
        if key in twice:
            before = json.loads(known[key])
            if (before["bytes"], before["records"]) != (note["bytes"], note["records"]):
                message = (
                    f"{note['path']} was read twice and changed in between: {before['bytes']:,} bytes in "
                    f"{before['records']:,} records, then {note['bytes']:,} in {note['records']:,}"
                )
                raise SourceError(message, path=note["path"])
            if before["unit"] != note["unit"]:
                units.setdefault(None, {True, False})
        # logs without a number are scanned alone
        unit = key if note["unit"][0] is None else tuple(note["unit"])
        units.setdefault(unit, set()).add(key in twice)
    if any(len(found) > 1 for found in units.values()):
        path = json.loads(heads[0]["note"])["path"]
        raise OptionError(
            f"batches share some of their logs and not others, for example one with {path}: their counts cannot be told apart",
            hint="repeat a batch with the same logs, as tasks_of cuts them",
        )


# ---- deciding


def _settled(partial: pa.Table, rows: dict[str, pa.Table]) -> pa.Table:
    """Put ranges together, decide the jobs whose logs are all there, and bring the rows into one order.

    Parameters
    ----------
    partial : pyarrow.Table
        With ``PARTIAL``, but no rows of metrics.
    rows : dict of str to pyarrow.Table
        These rows, by metric.
    """
    asked = asked_of([partial])
    if asked is None:
        return partial
    objective, at_best = asked
    needed = needed_for(objective, at_best)
    outcomes = _of_kind(partial, "outcome")
    scan = Scan(
        {name: rows[name] for name in needed if name in rows},
        partial.filter(pc.not_equal(partial["kind"], "outcome")).select(SCANNED.names),
    )
    if pc.any(pc.is_valid(scan.facts["since"])).as_py():
        if objective is not None and objective.step is None:
            # in a log all of whose ranges are there, counters may go back
            counters = {
                name: _of_ranges(some) for name, some in rows.items() if name not in needed and seems_to_count(name)
            }
            scan = Scan(scan.rows | counters, scan.facts)
        scan = split(with_lines(scan.as_table()))
        scan = Scan(
            {name: some if name in needed else _of_ranges(some) for name, some in scan.rows.items()}, scan.facts
        )
    done = set(outcomes["job"].to_pylist())
    heads = _of_kind(scan.facts, "log")
    waiting_heads = heads.filter(pc.invert(pc.is_in(heads["job"], pa.array(done, pa.string()))))
    whole = dict(_complete(waiting_heads))
    deciding = Scan({name: some for name, some in scan.rows.items() if name in needed}, scan.facts)
    found = [] if objective is None else list(_decided(deciding, whole, objective, at_best))
    waiting = {}
    if not {*pc.unique(waiting_heads["job"]).to_pylist()} <= whole.keys():
        over = pa.array([*done, *whole], pa.string())
        waiting = {name: some.filter(pa.array(numbers_in(some["job"], over) < 0)) for name, some in scan.rows.items()}
    is_head = pc.equal(scan.facts["kind"], "objective")
    facts_of = [scan.facts.filter(is_head).slice(0, 1), scan.facts.filter(pc.invert(is_head))]
    kept = Scan({name: some for name, some in waiting.items() if some.num_rows}, joined(facts_of, SCANNED)).as_table()
    table = pa.concat_tables([_partial(kept), outcomes, *found])
    keyed = table.append_column("order", pc.index_in(table["kind"], pa.array(_KINDS)))
    order = ["number", "job", "stream", "part", "since", "order", "metric"]
    return table.take(pc.sort_indices(keyed, [(name, "ascending") for name in order]))


def _of_ranges(rows: pa.Table) -> pa.Table:
    """The rows of ranges whose logs are not complete."""
    return rows.filter(pc.is_valid(rows["since"]))


def needed_for(objective: Objective | None, at_best: Sequence[str]) -> list[str]:
    """The metrics and labels whose rows decide, or are looked up."""
    if objective is None:
        return []
    names = [*objective.metrics, *at_best]
    names += [] if objective.step is None else [objective.step]
    names += [BLOCK] if objective.step_place == "block" else []
    names += [RUN] if objective.restarts != "keep" else []
    return list(dict.fromkeys(names))


def _complete(heads: pa.Table) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The jobs all of whose logs are there, each with what is known of its logs."""
    found: dict[str, list[dict[str, Any]]] = {}
    for head in heads.filter(pc.is_null(heads["since"])).to_pylist():
        found.setdefault(head["job"], []).append(head | json.loads(head["note"]))
    for job, logs in found.items():
        if len(logs) == logs[0]["job_logs"]:
            yield job, logs


def _decided(
    scan: Scan, jobs: dict[str, list[dict[str, Any]]], objective: Objective, at_best: Sequence[str]
) -> Iterator[pa.Table]:
    """The outcomes of jobs all of whose rows are there, with ``PARTIAL``."""
    names = pa.array(jobs, pa.string())
    streams = pa.array(sorted({log["stream"] for logs in jobs.values() for log in logs}), pa.string())
    superseded = [
        (number, streams.index(log["stream"]).as_py(), log["part"])
        for number, logs in enumerate(jobs.values())
        for log in logs
        if log["superseded"]
    ]
    metrics = {name: _job_by_job(rows, names, streams, superseded) for name, rows in scan.rows.items()}
    suspects = _of_kind(scan.facts, "suspects")
    suspects = suspects.filter(pc.is_in(suspects["metric"], pa.array(objective.metrics)))
    doubtful = pc.is_in(names, suspects["job"].combine_chunks()).to_numpy(zero_copy_only=False)
    has_run_starts = any(log["has_run_starts"] for logs in jobs.values() for log in logs)
    first = [min((log["number"] for log in logs if log["number"] is not None), default=None) for logs in jobs.values()]
    held = np.sum([np.zeros(len(jobs), np.int64), *(np.diff(cuts) for _, cuts in metrics.values())], axis=0)
    for begin, end in _pieces(held):
        rows = {}
        for name, (of_metric, cuts) in metrics.items():
            some = of_metric.take(slice(cuts[begin], cuts[end]))
            rows[name] = some._replace(job=some.job - begin)
        column = _outcomes(objective, at_best, rows, streams, doubtful[begin:end], has_run_starts=has_run_starts)
        columns = {
            "number": pa.array(first[begin:end], pa.int64()),
            "job": names.slice(begin, end - begin),
            "kind": pa.array(["outcome"]).take(pa.array(np.zeros(end - begin, np.int64))),
            "decided": column,
        }
        yield pa.table(
            [columns.get(field.name, pa.nulls(end - begin, field.type)) for field in PARTIAL], schema=PARTIAL
        )


def _outcomes(
    objective: Objective,
    at_best: Sequence[str],
    rows: dict[str, Rows],
    streams: pa.Array,
    doubtful: Array,
    *,
    has_run_starts: bool,
) -> pa.Array:
    """What decides jobs, from all of their rows, as a column with one element for each; see :func:`as_column`."""

    def per_job(numbers: Array) -> Array:
        return np.bincount(numbers, minlength=len(doubtful))

    none, stepped = Rows.joined([]), objective.step is not None
    read = metrics_read(objective, at_best)
    own = rows.get(read[0], none)
    found = decided(
        objective,
        at_best,
        {name: rows.get(name, none) for name in read},
        rows.get(str(objective.step), none) if stepped else None,
        rows.get(BLOCK, none) if stepped and objective.step_place == "block" else None,
        lambda: streams,
        suspected=lambda: doubtful,
        run_starts=rows.get(RUN, none) if stepped and has_run_starts and objective.restarts != "keep" else None,
        count=per_job,
    )
    counts = found.counts.plus(repeated_counts(own, objective, count=per_job))
    return as_column(found._replace(counts=counts), len(doubtful), streams)


def _pieces(held: Array) -> Iterator[tuple[int, int]]:
    """Where to cut jobs that hold so many rows, so that those of one piece need little memory."""
    ends, begin = np.cumsum(held), 0
    while begin < len(held):
        before = int(ends[begin - 1]) if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + PIECE_ROWS, side="right")))
        yield begin, end
        begin = end


def _job_by_job(
    table: pa.Table, jobs: pa.Array, streams: pa.Array, superseded: Sequence[tuple[int, int, int]]
) -> tuple[Rows, Array]:
    """The rows of these jobs, job by job in the order of their logs, and where those of each job begin and end.

    Those of logs that a later attempt superseded are left out; each of these is given by its job, stream and part.
    """
    job = numbers_in(table["job"], jobs)
    log = pc.fill_null(table["number"], 0).to_numpy()
    rows = Rows.of(job, numbers_in(table["stream"], streams), table)
    if ((job[1:] < job[:-1]) | ((job[1:] == job[:-1]) & (log[1:] < log[:-1]))).any():
        order = np.lexsort((log, job))
        rows = rows.take(order)
    if superseded:
        places = np.array(superseded, np.int64).T
        part = np.zeros(len(rows.job), np.int32) if rows.part is None else rows.part
        size = int(max(places[2].max(), part.max(initial=0))) + 1
        log = (rows.job * len(streams) + rows.stream) * size + part
        rows = rows.take(~np.isin(log, (places[0] * len(streams) + places[1]) * size + places[2]))
    return rows, np.searchsorted(rows.job, np.arange(len(jobs) + 1))
