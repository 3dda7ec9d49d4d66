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
from metricscan.errors import OptionError, SourceError
from metricscan.fleet import facts
from metricscan.fleet.outcomes import DECIDED, of_decider
from metricscan.fleet.ranges import with_lines
from metricscan.fleet.tables import SCANNED, conformed, joined
from metricscan.ranking.at_best import checked_names, with_parts
from metricscan.ranking.in_pieces import PiecewiseDecider
from metricscan.ranking.ranking import check_metric

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from metricscan.datasets.rows import Array

#: A partial ranking: the columns of a scan, and what decided a job, in the rows of kind ``outcome``. There are rows of metrics
#: only of jobs that are not decided yet.
PARTIAL = SCANNED.append(pa.field("decided", pa.list_(DECIDED)))
_KINDS = ("objective", "log", "counts", "error", "crash", "suspects", "files", "outcome", "value", "label")
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
    table = conformed(batch, SCANNED, "the scan")
    if not table.num_rows:
        return PARTIAL.empty_table()
    wanted = tuple(dict.fromkeys([at_best] if isinstance(at_best, str) else at_best))
    wanted = wanted if objective is None else with_parts(wanted, objective)
    for note in pc.unique(table.filter(pc.equal(table["kind"], "counts"))["note"]).slice(0, 1).to_pylist():
        check_scan(json.loads(note), objective, wanted)
    asked = {"objective": None if objective is None else asdict(objective), "at_best": wanted}
    head = pa.Table.from_pylist([{"job": "", "kind": "objective", "note": facts.dumped(asked)}], schema=SCANNED)
    return _settled(_partial(joined([head, table], SCANNED)))


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
    """
    merged = PARTIAL.empty_table()
    tables = [conformed(one, PARTIAL, "the partial ranking") for one in partials]
    asked_of(tables)
    known: dict[tuple[Any, ...], str] = {}
    decided: set[str] = set()
    parts = [merged]
    for table in tables:
        added = _without(table, known, decided)
        if added.num_rows:
            parts.append(added)
    return _settled(pa.concat_tables(parts))


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


def _without(table: pa.Table, known: dict[tuple[Any, ...], str], decided: set[str]) -> pa.Table:
    """The rows of a partial ranking without those of known logs and decided jobs; adds its own to these."""
    heads = _of_kind(table, "log").select([*_KEY, "note"]).to_pylist()
    keys = [tuple(head[key] for key in _KEY) for head in heads]
    twice = {key for key in keys if key in known}
    kept = np.ones(table.num_rows, dtype=bool)
    if twice:
        _check_repeated(heads, keys, twice, known)
        logs = pa.array([dict(zip(_KEY, key, strict=True)) for key in twice])
        own = pa.StructArray.from_arrays([table[name].combine_chunks() for name in _KEY], names=list(_KEY))
        kept &= ~_is_in(own, logs)
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


def _is_in(own: pa.StructArray, logs: pa.StructArray) -> Array:
    """Which rows are of one of these logs."""
    codes = {tuple(one.values()): True for one in logs.to_pylist()}
    return np.fromiter((tuple(one.values()) in codes for one in own.to_pylist()), dtype=bool, count=len(own))


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
        units.setdefault(tuple(note["unit"]), set()).add(key in twice)
    if any(len(found) > 1 for found in units.values()):
        path = json.loads(heads[0]["note"])["path"]
        raise OptionError(
            f"batches share some of their logs and not others, for example one with {path}: their counts cannot be told apart",
            hint="repeat a batch with the same logs, as tasks_of cuts them",
        )


# ---- deciding


def _settled(partial: pa.Table) -> pa.Table:
    """Put ranges together, decide the jobs whose logs are all there, and bring the rows into one order."""
    asked = asked_of([partial])
    if asked is None:
        return partial
    objective, at_best = asked
    outcomes = _of_kind(partial, "outcome")
    scan = with_lines(partial.filter(pc.not_equal(partial["kind"], "outcome")).select(SCANNED.names))
    done = set(outcomes["job"].to_pylist())
    heads = _of_kind(scan, "log")
    needed = [] if objective is None else list(dict.fromkeys(filter(None, _needed(objective, at_best))))
    is_row = pc.is_in(scan["kind"], pa.array(["value", "label"]))
    is_needed = pc.and_(is_row, pc.is_in(scan["metric"], pa.array(needed, pa.string())))
    whole = {job: logs for job, logs in _complete(heads) if job not in done}
    found = [] if objective is None else list(_decided(scan.filter(is_needed), scan, whole, objective, at_best))
    over = pc.is_in(scan["job"], pa.array([*done, *whole], pa.string()))
    kept = scan.filter(pc.or_(pc.invert(is_row), pc.and_(is_needed, pc.invert(over))))
    kept = joined(
        [_of_kind(kept, "objective").slice(0, 1), kept.filter(pc.not_equal(kept["kind"], "objective"))], SCANNED
    )
    table = pa.concat_tables([_partial(kept), outcomes, pa.Table.from_pylist(found, schema=PARTIAL)])
    kinds = pc.index_in(table["kind"], pa.array(_KINDS))
    keyed = table.append_column("order", kinds)
    order = ["number", "job", "stream", "part", "since", "order"]
    return table.take(pc.sort_indices(keyed, [(name, "ascending") for name in order]))


def _needed(objective: Objective, at_best: Sequence[str]) -> Iterator[str | None]:
    yield from (*objective.metrics, *at_best, objective.step)
    if objective.step_place == "block":
        yield BLOCK
    if objective.restarts != "keep":
        yield RUN


def _complete(heads: pa.Table) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The jobs all of whose logs are there, each with what is known of its logs."""
    found: dict[str, list[dict[str, Any]]] = {}
    for head in heads.filter(pc.is_null(heads["since"])).to_pylist():
        found.setdefault(head["job"], []).append(head | json.loads(head["note"]))
    for job, logs in found.items():
        if len(logs) == logs[0]["job_logs"]:
            yield job, logs


def _decided(
    rows: pa.Table,
    scan: pa.Table,
    jobs: dict[str, list[dict[str, Any]]],
    objective: Objective,
    at_best: Sequence[str],
) -> Iterator[dict[str, Any]]:
    """The outcomes of jobs all of whose rows are there."""
    names, streams = pa.array(jobs, pa.string()), pc.unique(rows["stream"])
    own = rows.filter(pc.is_in(rows["job"], names))
    job = pc.index_in(own["job"], names).to_numpy()
    order = np.lexsort((np.arange(own.num_rows), pc.fill_null(own["number"], 0).to_numpy(), job))
    own, job = own.take(pa.array(order)), job[order]
    metric = pc.index_in(own["metric"], metrics := pc.unique(rows["metric"])).to_numpy()
    numbers = pc.index_in(own["stream"], streams).to_numpy().astype(np.int64)
    # a label has no value
    at = own.column_names.index("value")
    with_values = own.set_column(at, SCANNED.field("value"), pc.fill_null(own["value"], 0.0))
    all_rows = Rows.of(np.zeros(own.num_rows, np.int64), numbers, with_values)
    suspected = _of_kind(scan, "suspects")
    suspected = suspected.filter(pc.is_in(suspected["metric"], pa.array(objective.metrics)))
    suspected_jobs = set(suspected["job"].to_pylist())
    cuts = np.searchsorted(job, np.arange(len(jobs) + 1))
    for number, (name, logs) in enumerate(jobs.items()):
        some = np.arange(cuts[number], cuts[number + 1])
        of_job = all_rows.take(some)
        counts = _counting(of_job, logs, streams)
        by_metric = {
            one: of_job.take(np.flatnonzero(counts & (metric[some] == at)))
            for at, one in enumerate(metrics.to_pylist())
        }
        doubtful = np.array([name in suspected_jobs])
        decider = PiecewiseDecider(objective, lambda: streams, lambda doubtful=doubtful: doubtful, at_best)  # type: ignore[misc]
        _feed(decider, by_metric, objective, has_run_starts=any(log["has_run_starts"] for log in logs))
        yield {
            "number": min((log["number"] for log in logs if log["number"] is not None), default=None),
            "job": name,
            "kind": "outcome",
            "decided": [of_decider(decider, streams.to_pylist())],
        }


def _counting(rows: Rows, logs: list[dict[str, Any]], streams: pa.Array) -> Array:
    """Which rows are of logs that no later attempt superseded."""
    counts = np.ones(len(rows.job), dtype=bool)
    parts = np.zeros(len(rows.job), np.int32) if rows.part is None else rows.part
    for log in logs:
        if log["superseded"]:
            stream = streams.index(log["stream"]).as_py()
            counts &= ~((rows.stream == stream) & (parts == log["part"]))
    return counts


def _feed(decider: PiecewiseDecider, rows: dict[str, Rows], objective: Objective, *, has_run_starts: bool) -> None:
    """Give a decider all rows of one job."""
    if has_run_starts and objective.restarts != "keep":
        decider.has_run_starts()
    for name in decider.others:
        if name in rows:
            decider.add_other(name, rows[name])
    if objective.step in rows:
        decider.add_steps(rows[objective.step])
    if BLOCK in rows and objective.step_place == "block":
        decider.add_blocks(rows[BLOCK])
    if RUN in rows and objective.restarts != "keep":
        decider.add_run_starts(rows[RUN])
    if decider.metric in rows:
        decider.add(rows[decider.metric])
