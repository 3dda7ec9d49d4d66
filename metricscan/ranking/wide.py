"""Metrics side by side, one row per step and one column per metric; and the curve of one metric."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from metricscan.datasets.rows import Rows, codes_of, numbered, used_codes_of
from metricscan.definitions.blocks import BLOCK, RUN, StepPlace, check_step_place
from metricscan.definitions.objective import RESTARTS, per_step_of
from metricscan.errors import OptionError, nearest
from metricscan.logs.natural import natural_ranks
from metricscan.ranking.attempts import LastAttempts, superseded_in
from metricscan.ranking.mentions import ValuesAtSteps
from metricscan.ranking.row_order import job_order
from metricscan.ranking.runs import runs_between, runs_of_steps, with_steps
from metricscan.ranking.steps import in_force
from metricscan.ranking.sums import mean_of_each
from metricscan.ranking.tables import blocks_of, checked, is_label, numeric, opened_tables
from metricscan.scanning.schema import NO_TIME

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import Duplicates, PerStep, Restarts

#: The ``worker`` that distinguishes workers by stream.
STREAM = "stream"


def wide(
    tables: Mapping[str, pa.Table] | str | os.PathLike[str],
    step: str | None,
    metrics: Sequence[str] | None = None,
    *,
    worker: str | Sequence[str] = (),
    carry: bool | str | Sequence[str] = False,
    step_place: StepPlace = "before",
    per_step: PerStep = "last",
    restarts: Restarts = "keep",
    duplicates: Duplicates = None,
) -> pa.Table:
    """Put the values of metrics side by side, one row per step.

    The step of a row is the one in its own record, before or after the row, else the one that ``step_place`` says. If the
    record holds several steps, it is the last one that starts before the row, else the first.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table, or path
        Tables of a replay, a dataset, or the path of one.
    step : str or None
        The metric that counts the steps. None: each value of a metric is a step, numbered from 1 in each job (or worker).
    metrics : sequence of str, optional
        By default all but the step and the labels.
    worker : str or sequence of str
        What distinguishes the workers of one job: ``"stream"``, the name of a label or of a metric that captures the worker
        in the same record (as the label ``\\[(rank[0-9]+)\\]`` and the metric ``mpirank:([0-9]+)`` do), or several of them.
        The last match before the value decides; where none stands before it, the first one behind it, unless another value
        of the metric stands behind that. By default a job is one worker.
    carry : bool, str or sequence of str
        Which workers, or whether all of them but ``"stream"``, hold also for the records that follow in their stream, until
        the next match: the name of a network, or a phase, that the log says once. They do not distinguish steps.
    step_place : {"before", "after", "block"}
        Which step a row has without one in its own record, as :class:`Objective` takes it.
    per_step : {"last", "first", "mean", "all"}
        Which value to take if a metric has several at one step, as after a restart; with ``"all"`` each value has a row,
        numbered from 1 in the column ``repeat``.
    restarts : {"keep", "purge", "split"}
        What becomes of the rows of a stream, or of a worker in it, whose step goes back, as :class:`Objective` takes it. With
        "split" the steps of each run are its own, and ``run`` is its number.
    duplicates : str, optional
        The former name of ``per_step``.

    Returns
    -------
    pyarrow.Table
        Columns job (string), one per worker (string for a stream or a label, else float64), ``run`` (int64) if runs are split,
        step (float64), ``repeat`` (int64) if all values are kept, and one per metric (float64; null if the metric has no value
        at the step). Rows are in natural order of jobs, then of workers, of runs and of steps; values without a step come
        first, their step is null, and the ``stepless`` of the table's metadata counts them for each metric, as JSON. The
        table is a copy.

    Raises
    ------
    OptionError
        A metric does not exist; two columns have the same name; a worker that is not carried shares no record with a metric in
        any log; or the separators of blocks are needed, and were not kept.
    SourceError
        The dataset cannot be read.

    Examples
    --------
    >>> from metricscan import Scanner, replay
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp()) / "a.log"
    >>> _ = log.write_text("epoch=1 loss=3\\nacc=0.5\\nepoch=2 loss=2\\nloss=1\\n")
    >>> found = replay(log, Scanner(["epoch=epoch=([0-9]+)", "loss=loss=(.)", "acc=acc=([0-9.]+)"]))
    >>> wide(found, "epoch").select(["step", "loss", "acc"]).to_pylist()
    [{'step': 1.0, 'loss': 3.0, 'acc': 0.5}, {'step': 2.0, 'loss': 1.0, 'acc': None}]
    """
    opened = opened_tables(tables)
    workers = (worker,) if isinstance(worker, str) else tuple(worker)
    labels = [one for one in workers if one != STREAM]
    if isinstance(metrics, str):
        metrics = [metrics]
    is_given = metrics is not None
    if metrics is None:
        others = (step, BLOCK, RUN, *labels)
        metrics = [name for name in opened if name not in others and not _is_text(opened, name)]
    carried = labels if carry is True else [] if carry is False else [carry] if isinstance(carry, str) else list(carry)
    per_step = _check(list(opened), metrics, step, labels, carried, step_place, per_step, restarts, duplicates)
    read = _read_keyed(opened, metrics, step, workers, carried, step_place, restarts, all_of_them=is_given)
    parts = [_reduced(read.rows[name].value, read.keyed[name], per_step) for name in metrics]
    table = _side_by_side(parts, list(metrics), workers, read, _numbered_by(restarts, per_step))
    return table if step is None else table.replace_schema_metadata({"stepless": json.dumps(read.stepless)})


def curve(
    tables: Mapping[str, pa.Table] | str | os.PathLike[str],
    metric: str,
    step: str | None = None,
    *,
    worker: str | Sequence[str] = (),
    carry: bool | str | Sequence[str] = False,
    step_place: StepPlace = "before",
    per_step: PerStep = "last",
    restarts: Restarts = "keep",
    duplicates: Duplicates = None,
) -> pa.Table:
    """Give the values of one metric by step, job after job.

    Parameters
    ----------
    tables, step, worker, carry, step_place, per_step, restarts, duplicates
        As :func:`wide` takes them.
    metric : str

    Returns
    -------
    pyarrow.Table
        Columns job, one per worker, ``run`` if runs are split, step, ``repeat`` if all values are kept, and value, as
        :func:`wide` has them.

    Examples
    --------
    >>> from metricscan import Scanner, replay
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp()) / "a.log"
    >>> _ = log.write_text("loss=3\\nloss=2\\n")
    >>> curve(replay(log, Scanner(["loss=loss=(.)"])), "loss").to_pylist()
    [{'job': 'a', 'step': 1.0, 'value': 3.0}, {'job': 'a', 'step': 2.0, 'value': 2.0}]
    """
    how: Any = {"step_place": step_place, "per_step": per_step, "restarts": restarts, "duplicates": duplicates}
    table = wide(tables, step, [metric], worker=worker, carry=carry, **how)
    return table.rename_columns([*table.column_names[:-1], "value"])


def curve_points(
    tables: Mapping[str, pa.Table] | str | os.PathLike[str],
    metric: str,
    step: str | None = None,
    *,
    worker: str | Sequence[str] = (),
    carry: bool | str | Sequence[str] = False,
    step_place: StepPlace = "before",
    per_step: PerStep = "last",
    restarts: Restarts = "keep",
) -> pa.Table:
    """Give the values of :func:`curve`, and of each the number of its row and its time.

    Parameters
    ----------
    tables, metric, step, worker, carry, step_place, per_step, restarts
        As :func:`curve` takes them.

    Returns
    -------
    pyarrow.Table
        The columns of :func:`curve`, then row (float64, its number among the rows of its job, or worker, from 1) and time
        (float64, microseconds since the epoch; null if it is not known). Of a mean they are those of its last row.

    Examples
    --------
    >>> from metricscan import Scanner, replay
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp()) / "a.log"
    >>> _ = log.write_text("epoch=1 loss=3\\nloss=2\\nepoch=2 loss=1\\n")
    >>> found = replay(log, Scanner(["epoch=epoch=([0-9]+)", "loss=loss=(.)"]))
    >>> curve_points(found, "loss", "epoch").select(["step", "value", "row"]).to_pylist()
    [{'step': 1.0, 'value': 2.0, 'row': 2.0}, {'step': 2.0, 'value': 1.0, 'row': 3.0}]
    """
    opened = opened_tables(tables)
    workers = (worker,) if isinstance(worker, str) else tuple(worker)
    labels = [one for one in workers if one != STREAM]
    carried = labels if carry is True else [] if carry is False else [carry] if isinstance(carry, str) else list(carry)
    per_step = _check(list(opened), [metric], step, labels, carried, step_place, per_step, restarts, None)
    read = _read_keyed(opened, [metric], step, workers, carried, step_place, restarts, all_of_them=True)
    rows, keys = read.rows[metric], read.keyed[metric]
    number = np.zeros(len(rows.value))
    number[keys.row] = _positions((keys.job, *keys.workers)) + 1.0
    keys, value = _reduced(rows.value, keys, per_step)
    time = np.full(len(number), np.nan) if rows.time is None else np.where(rows.time == NO_TIME, np.nan, rows.time)
    parts = [(keys, value), (keys, number[keys.row]), (keys, time[keys.row])]
    table = _side_by_side(parts, ["value", "row", "time"], workers, read, _numbered_by(restarts, per_step))
    times = pa.array(table.column(table.num_columns - 1).to_numpy(), from_pandas=True)
    return table.set_column(table.num_columns - 1, "time", times)


class _Keyed(NamedTuple):
    """Rows of a metric in the order in which they count, with job, workers, run and step of each."""

    row: Array  # int64, index of the row
    job: Array  # int64
    workers: tuple[Array, ...]  # float64, number of a stream or label, or value of a metric; NaN if there is none
    run: Array  # float64, 0 unless runs are split
    step: Array  # float64
    repeat: Array  # float64, from 1 if all values are kept, else 0

    def take(self, which: Array) -> _Keyed:
        """Some of the rows."""
        workers = tuple(column[which] for column in self.workers)
        return _Keyed(self.row[which], self.job[which], workers, *(column[which] for column in self[3:]))


class _Read(NamedTuple):
    """The rows of metrics, and what they are keyed by."""

    names: pa.Array  # of jobs, by number
    texts: Mapping[str, pa.Array]  # of streams and labels, by number
    rows: Mapping[str, Rows]  # by metric
    keyed: Mapping[str, _Keyed]  # by metric
    stepless: Mapping[str, int]  # values without a step, by metric; empty without a step


def _read_keyed(
    opened: Mapping[str, pa.Table],
    metrics: Sequence[str],
    step: str | None,
    workers: Sequence[str],
    carried: Sequence[str],
    step_place: StepPlace,
    restarts: Restarts,
    *,
    all_of_them: bool,
) -> _Read:
    """The rows of metrics with their workers, runs and steps; all metrics must share records with the workers, or one of them."""
    labels = [one for one in workers if one != STREAM]
    wanted = list(dict.fromkeys([*metrics, *labels, *([] if step is None else [step])]))
    # the step is read as a number, even if it is also a worker
    apart = {BLOCK: blocks_of(opened)} if step is not None and step_place == "block" else {}
    if restarts != "keep" and RUN in opened:
        apart[RUN] = checked(opened[RUN], RUN)
    names, streams, texts, rows = _read(opened, wanted, [one for one in labels if one != step], apart)
    keyed = {name: _labelled(rows[name], workers, carried, rows, streams) for name in metrics}
    _check_shared(keyed, workers, [one for one in labels if one not in carried], all_of_them=all_of_them)
    stepless = {}
    if step is not None:
        steps = rows[step], _labelled(rows[step], workers, carried, rows, streams)
        apart_by = [at for at, one in enumerate(workers) if one not in carried]
        keyed = _stepped(rows, keyed, *steps, apart_by, step_place, restarts)
        stepless = {name: int(np.isnan(keys.step).sum()) for name, keys in keyed.items()}
    else:
        keyed = {name: _counted(keys) for name, keys in keyed.items()}
    return _Read(names, {**texts, STREAM: streams}, rows, keyed, stepless)


def _numbered_by(restarts: Restarts, per_step: PerStep) -> list[str]:
    return [name for name, is_there in (("run", restarts == "split"), ("repeat", per_step == "all")) if is_there]


def _check(
    names: Sequence[str],
    metrics: Sequence[str],
    step: str | None,
    labels: Sequence[str],
    carried: Sequence[str],
    step_place: str,
    per_step: PerStep,
    restarts: Restarts,
    duplicates: Duplicates,
) -> PerStep:
    errors, hints = [], []
    if restarts not in RESTARTS:
        errors.append(f"restarts={restarts!r}: one of {', '.join(RESTARTS)} was expected")
    elif restarts != "keep" and step is None:
        errors.append(f"restarts={restarts!r} needs a step, the metric that counts the steps")
    try:
        check_step_place(step_place)
    except OptionError as error:
        errors.append(error.message)
    else:
        if step is None and step_place != "before":
            errors.append(f"step_place={step_place!r} needs a step, the metric that counts the steps")
    errors += [
        f"carry={name!r}: a label or metric among the workers was expected" for name in carried if name not in labels
    ]
    try:
        per_step = per_step_of(per_step, duplicates)
    except OptionError as error:
        errors.append(error.message)
    asked = [("metric", name) for name in metrics]
    asked += [("step metric", step)] if step is not None else []
    asked += [("worker", name) for name in labels]
    for what, name in asked:
        if name not in names:
            errors.append(f"the {what} {name!r} is not among the metrics: {', '.join(map(repr, names))}")
            meant = nearest(name, names)
            hints += [] if meant is None else [f"did you mean {meant!r}?"]
    columns = [*metrics, *labels]
    for name in dict.fromkeys(columns):
        if columns.count(name) > 1:
            errors.append(f"{name!r} is given twice")
        elif len(metrics) > 1 and name in (
            "job",
            "step",
            "stream",
            "repeat",
            *(["run"] if restarts == "split" else []),
        ):
            errors.append(f"the metric {name!r} has the name of another column; read it alone, with curve")
    if errors:
        raise OptionError("; ".join(errors), hint=" ".join(hints) or None)
    return per_step


def _check_shared(
    keyed: Mapping[str, _Keyed], workers: Sequence[str], labels: Sequence[str], *, all_of_them: bool
) -> None:
    """Raise an OptionError if a worker shares no record with a metric, or with none of the metrics if not all were asked for."""
    errors, hints = [], []
    for label in labels:
        at = workers.index(label)
        filled = {name: keys.workers[at] for name, keys in keyed.items() if len(keys.row)}
        apart = [name for name, column in filled.items() if np.isnan(column).all()]
        if apart and (all_of_them or len(apart) == len(filled)):
            errors.append(
                f"the worker {label!r} shares no record with the metric {', '.join(map(repr, apart))} in any log"
            )
            hints.append(f"if it holds for the records that follow, use carry={label!r} (--carry {label})")
    if errors:
        raise OptionError("; ".join(errors), hint="; ".join(hints))


def _is_text(tables: Mapping[str, pa.Table], name: str) -> bool:
    labels = getattr(tables, "labels", None)
    return is_label(checked(tables[name], name)) if labels is None else name in labels


def _read(
    tables: Mapping[str, pa.Table], wanted: Sequence[str], labels: Sequence[str], apart: Mapping[str, pa.Table]
) -> tuple[pa.Array, pa.Array, dict[str, pa.Array], dict[str, Rows]]:
    """The names of jobs and streams, the texts of labels, and the rows of metrics; all numbers are in natural order of names.

    ``apart`` are tables whose rows are read, too, whatever their values are.
    """
    found = {name: checked(tables[name], name) for name in wanted}
    texts = {}
    for name, table in found.items():
        if name in labels and is_label(table):
            texts[name], found[name] = _with_numbers(table)
        else:
            numeric(table, name)
    found |= apart
    nothing = pa.array([], pa.string())
    numbers = {}
    names = {}
    for column in ("job", "stream"):
        names[column], codes = numbered([codes_of(table.column(column), column) for table in found.values()], nothing)
        ranks = natural_ranks(names[column])
        numbers[column] = [ranks[one] for one in codes]
        names[column] = names[column].take(pa.array(np.argsort(ranks)))
    last_attempts = LastAttempts(superseded_in(tables), names["job"])
    rows = {
        name: last_attempts.of(Rows.of(job, stream, table), names["stream"])
        for (name, table), job, stream in zip(found.items(), numbers["job"], numbers["stream"], strict=True)
    }
    return names["job"], names["stream"], texts, rows


def _with_numbers(table: pa.Table) -> tuple[pa.Array, pa.Table]:
    """The texts of a label in natural order, and its table with the number of each text as the value."""
    texts, codes = used_codes_of(table.column("value"), "value")
    ranks = natural_ranks(texts)
    place = table.schema.get_field_index("value")
    numbers = table.set_column(place, "value", pa.array(ranks[codes].astype(np.float64)))
    return texts.take(pa.array(np.argsort(ranks))), numbers


def _labelled(
    rows: Rows, workers: Sequence[str], carried: Sequence[str], all_rows: Mapping[str, Rows], streams: pa.Array
) -> _Keyed:
    """The rows in the order in which they count, with their workers."""
    row = job_order(rows, lambda: streams)
    columns = []
    for worker in workers:
        if worker == STREAM:
            column = rows.stream.astype(np.float64)
        else:
            label = all_rows[worker]
            at = in_force(rows, label, "carried" if worker in carried else "record")
            column = np.append(label.value, np.nan)[at]
        columns.append(column[row])
    unnumbered = np.zeros(len(row))
    return _Keyed(row, rows.job[row], tuple(columns), unnumbered, unnumbered, unnumbered)


def _stepped(
    rows: Mapping[str, Rows],
    keyed: Mapping[str, _Keyed],
    steps: Rows,
    step_keys: _Keyed,
    apart_by: Sequence[int],
    place: StepPlace,
    restarts: Restarts,
) -> dict[str, _Keyed]:
    """The rows that count, with their steps, each from the same worker, as far as these columns distinguish workers."""
    steps = steps.take(step_keys.row)
    own = {name: rows[name].take(keys.row) for name, keys in keyed.items()}

    def apart(keys: _Keyed) -> _Keyed:
        return keys._replace(workers=tuple(keys.workers[at] for at in apart_by))

    run_starts = rows.get(RUN)
    within = {name: _groups(apart(keys), apart(step_keys)) for name, keys in keyed.items()}
    if restarts == "split" and run_starts is not None:
        # the steps of a run are its own
        size, run_of_step = len(run_starts.job) + 1, runs_between(steps, run_starts)
        within = {
            name: (runs_between(own[name], run_starts) + some * size, run_of_step + others * size)
            for name, (some, others) in within.items()
        }
    at = {name: in_force(own[name], steps, place, within=within[name], blocks=rows.get(BLOCK)) for name in keyed}
    if restarts == "keep":
        return {name: keys._replace(step=np.append(steps.value, np.nan)[at[name]]) for name, keys in keyed.items()}
    first_of_run = None if run_starts is None else runs_between(steps, run_starts)
    values = [ValuesAtSteps(own[name].value, at[name]) for name in keyed]
    of_workers = _as_streams(steps, _groups(apart(step_keys), apart(step_keys))[1])
    runs = runs_of_steps(of_workers, restarts, first_of_run, values)
    found = {}
    for name, keys in keyed.items():
        some, others = own[name], steps
        if run_starts is None:
            some, others = _as_streams(some, within[name][0]), _as_streams(others, within[name][1])
        stepped = with_steps(some, others, at[name], runs, restarts, run_starts)
        if stepped.run is None or stepped.step is None:
            raise AssertionError("runs were given")
        counting = keys._replace(step=stepped.step, run=np.maximum(stepped.run, 0).astype(np.float64))
        found[name] = counting.take(np.flatnonzero(stepped.run >= 0))
    return found


def _as_streams(rows: Rows, group: Array) -> Rows:
    """The rows, each worker of a stream as a stream."""
    return rows._replace(stream=rows.stream.astype(np.int64) * (int(group.max(initial=0)) + 1) + group)


def _groups(one: _Keyed, other: _Keyed) -> tuple[Array, Array]:
    """Number the combinations of workers of the rows of two metrics; equal combinations have equal numbers."""
    size = len(one.row)
    group = np.zeros(size + len(other.row), dtype=np.int64)
    for column, more in zip(one.workers, other.workers, strict=True):
        _, codes = np.unique(np.concatenate((column, more)), return_inverse=True)
        group = group * (int(codes.max(initial=0)) + 1) + codes
        # numbered again, so that the numbers stay small for any number of columns
        group = np.unique(group, return_inverse=True)[1]
    return group[:size], group[size:]


def _counted(keys: _Keyed) -> _Keyed:
    """Number the rows of each job, or of each worker, from 1; these numbers are their steps."""
    return keys._replace(step=_positions((keys.job, *keys.workers)) + 1.0)


def _reduced(value: Array, keys: _Keyed, per_step: PerStep) -> tuple[_Keyed, Array]:
    """Keep one value per step, or all values, numbered."""
    value = value[keys.row]
    by = (keys.job, *keys.workers, keys.run, keys.step)
    order = np.lexsort(by[::-1])
    starts = np.flatnonzero(_changes(by, order))
    ends = np.append(starts[1:], len(order)).astype(np.int64)[: len(starts)]
    if per_step == "all":
        return keys._replace(repeat=_positions(by) + 1), value
    chosen = order[starts if per_step == "first" else ends - 1]
    values = value[chosen]
    if per_step == "mean":
        values = mean_of_each(value[order], starts, ends)
    return keys.take(chosen), values


def _side_by_side(
    parts: Sequence[tuple[_Keyed, Array]],
    metrics: Sequence[str],
    workers: Sequence[str],
    read: _Read,
    numbered_by: Sequence[str],
) -> pa.Table:
    def joined(columns: list[Array]) -> Array:
        return np.concatenate(columns) if columns else np.empty(0)

    job = joined([keys.job for keys, _ in parts]).astype(np.int64)
    run = joined([keys.run for keys, _ in parts])
    step = joined([keys.step for keys, _ in parts])
    repeat = joined([keys.repeat for keys, _ in parts])
    labels = [joined([keys.workers[at] for keys, _ in parts]) for at in range(len(workers))]
    # NaN represents null, and comes first
    by = (job, *(np.where(np.isnan(one), -np.inf, one) for one in labels), run, ~np.isnan(step), step, repeat)
    order = np.lexsort(by[::-1])
    changes = _changes(by, order)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.cumsum(changes) - 1
    first = order[changes]
    columns = {"job": read.names.take(pa.array(job[first]))}
    for worker, label in zip(workers, labels, strict=True):
        if worker in read.texts:
            number = label[first]
            lacking = np.isnan(number)
            columns[worker] = read.texts[worker].take(
                pa.array(np.where(lacking, 0, number).astype(np.int64), mask=lacking)
            )
        else:
            columns[worker] = pa.array(label[first], from_pandas=True)
    if "run" in numbered_by:
        columns["run"] = pa.array(run[first].astype(np.int64))
    columns["step"] = pa.array(step[first], pa.float64(), from_pandas=True)
    if "repeat" in numbered_by:
        columns["repeat"] = pa.array(repeat[first].astype(np.int64))
    arrays = list(columns.values())
    begin = 0
    for _, value in parts:
        at = place[begin : begin + len(value)]
        begin += len(value)
        column, lacking = np.zeros(len(first)), np.ones(len(first), dtype=bool)
        column[at], lacking[at] = value, False
        arrays.append(pa.array(column, mask=lacking))
    return pa.table(arrays, names=[*columns, *metrics])


def _changes(by: tuple[Array, ...], order: Array) -> Array:
    """Whether each row in sorted order starts a new key; NaN equals NaN."""
    changes = np.zeros(len(order), dtype=bool)
    changes[:1] = True
    for column in by:
        one = column[order]
        same = one[1:] == one[:-1]
        if one.dtype.kind == "f":
            same |= np.isnan(one[1:]) & np.isnan(one[:-1])
        changes[1:] |= ~same
    return changes


def _positions(by: tuple[Array, ...]) -> Array:
    """For each row, the number of earlier rows with the same key."""
    order = np.lexsort(by[::-1])
    starts = np.flatnonzero(_changes(by, order))
    counts = np.diff(np.append(starts, len(order)))
    positions = np.empty(len(order), dtype=np.int64)
    positions[order] = np.arange(len(order)) - np.repeat(starts, counts)
    return positions
