"""The rows of a live stream one by one, each with the step and the workers that belong to it.

The step of a row is the one that ``ranking/steps.py`` finds in finished tables. Here the rows come record by record, and a row
whose step stands behind it waits.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from itertools import repeat
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan import _core
from metricscan.definitions.blocks import BLOCK, RUN, check_step_place
from metricscan.errors import OptionError, nearest
from metricscan.scanning.options import datetime_of, microseconds
from metricscan.scanning.result import LiveRow
from metricscan.scanning.stream_state import spelled, value_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metricscan.scanning.plan import Plan

_NO_TIME = _core.CONSTANTS["MS_NO_TIME"]


class Joining(NamedTuple):
    """Which step and which workers the rows of a stream have; names of metrics.

    Attributes
    ----------
    step : str or None
    step_place : str
    workers, carried : tuple of str
        The carried workers are among the workers.
    """

    step: str | None
    step_place: str
    workers: tuple[str, ...]
    carried: tuple[str, ...]


NOTHING = Joining(None, "before", (), ())


def checked(
    metrics: Sequence[str],
    labels: Sequence[str],
    step: str | None,
    step_place: str,
    worker: str | Sequence[str],
    carry: bool | str | Sequence[str],
) -> Joining:
    """The options of a stream's rows.

    Raises
    ------
    OptionError
        All errors of them together.
    """
    workers = (worker,) if isinstance(worker, str) else tuple(worker)
    carried = (
        workers if carry is True else () if carry is False else (carry,) if isinstance(carry, str) else tuple(carry)
    )
    errors, hints = [], []
    try:
        check_step_place(step_place)
    except OptionError as error:
        errors.append(error.message)
    if step is None and step_place != "before":
        errors.append(f"step_place={step_place!r} needs step=NAME, the metric that counts the steps")
    errors += [f"carry={name!r}: one of the workers was expected" for name in carried if name not in workers]
    errors += [f"the worker {name!r} is given twice" for name in dict.fromkeys(workers) if workers.count(name) > 1]
    for what, name in (*((("step metric", step),) if step is not None else ()), *(("worker", one) for one in workers)):
        if name not in metrics:
            errors.append(f"the {what} {name!r} is not among the metrics: {', '.join(map(repr, metrics))}")
            meant = nearest(str(name), metrics)
            hints += [] if meant is None else [f"did you mean {meant!r}?"]
    if step in labels:
        errors.append(f"{step!r} is a label: its values are text, numbers were expected")
    if step_place == "block" and BLOCK not in metrics:
        errors.append(f"step_place='block' needs the separators of blocks, a label {BLOCK!r}")
        hints.append("Scanner.with_block makes a scanner that finds them")
    if errors:
        raise OptionError("; ".join(errors), hint=" ".join(hints) or None)
    return Joining(step, step_place, workers, carried)


# a row as the core found it: start, value, line, offset, time
_Found = tuple[int, Any, int, int, int]
# the rows of one record by pattern, those of a pattern by their starts
_Record = dict[int, list[_Found]]
# the values of workers; None for one without a value
_Workers = tuple[Any, ...]
# per group of workers that distinguish steps, the starts and values of the steps
_Steps = dict[_Workers, tuple[list[int], list[Any]]]
# a row, behind what orders it in its record: its start, and the number of its metric
_Placed = tuple[int, int, LiveRow]


class LiveRows:
    """The rows of a log, each stream of which has steps and workers of its own.

    Parameters
    ----------
    plan : Plan
    joining : Joining
    """

    def __init__(self, plan: Plan, joining: Joining) -> None:
        self._plan = plan
        self._joining = joining
        self._streams: dict[str, StepRows] = {}

    def add(
        self, taken: Iterable[tuple[int, _core.Columns]], streams: Mapping[int, Sequence[str]] = MappingProxyType({})
    ) -> list[LiveRow]:
        """The rows that have their step now.

        ``taken`` are the next rows, all those of each record; ``streams`` says per pattern whose rows they are, where there are
        several streams.
        """
        return [row for stream, record in _records(taken, streams) for row in self._of(stream).add(record)]

    def unended(self, taken: Iterable[tuple[int, _core.Columns]]) -> list[LiveRow]:
        """The rows of the record that has not ended, without those that wait for a step; nothing is kept of them."""
        return [row for stream, record in _records(taken, {}) for row in self._of(stream).unended(record)]

    def end(self) -> list[LiveRow]:
        """The rows that still wait for a step, at the end of the log."""
        return [row for rows in self._streams.values() for row in rows.end()]

    def state(self) -> list[Any]:
        """What :meth:`restore` takes; it can be written as JSON."""
        return [self._joining, [(stream, rows.state()) for stream, rows in self._streams.items()]]

    def restore(self, state: list[Any]) -> None:
        """Go on where others stood that gave rows the same steps and workers."""
        for stream, rows in state[1]:
            self._of(stream).restore(rows)

    def _of(self, stream: str) -> StepRows:
        if stream not in self._streams:
            self._streams[stream] = StepRows(self._plan, self._joining, stream)
        return self._streams[stream]


class StepRows:
    """Gives the rows of one stream their steps and workers."""

    def __init__(self, plan: Plan, joining: Joining, stream: str) -> None:
        self._stream = stream
        self._place = joining.step_place
        step, step_place, workers, carried = joining
        self._step = None if step is None else plan.patterns[step]
        self._separators = plan.patterns[BLOCK] if step_place == "block" else None
        self._workers = [plan.patterns[name] for name in workers]
        self._is_carried = [name in carried for name in workers]
        apart = {step, BLOCK, RUN, *workers}
        self._metrics = [
            (number, name, plan.patterns[name])
            for number, name in enumerate(plan.metrics)
            if name not in apart and plan.patterns[name] not in plan.labels
        ]
        # per worker its newest value
        self._held: list[Any] = [None] * len(workers)
        # the newest step of each group of workers; under "block" the newest one of the block
        self._last: dict[_Workers, Any] = {}
        # rows whose step is still to come
        self._waiting: dict[_Workers, list[_Placed]] = {}

    def unended(self, record: _Record) -> list[LiveRow]:
        """The rows of the record that has not ended, without those that wait for a step; nothing is kept of them."""
        return [row for _, _, row in self._joined(record)[0]]

    def end(self) -> list[LiveRow]:
        """The rows that still wait for a step."""
        return self._released(dict.fromkeys(self._waiting))

    def state(self) -> list[Any]:
        """What :meth:`restore` takes; it can be written as JSON."""
        last = [([*map(spelled, group)], spelled(step)) for group, step in self._last.items()]
        waiting = [
            (number, spelled(row.value), row.line, row.offset, row.start, _micros(row), [*map(spelled, row.workers)])
            for rows in self._waiting.values()
            for _, number, row in rows
        ]
        return [[*map(spelled, self._held)], last, waiting]

    def restore(self, state: list[Any]) -> None:
        """Go on where another one stood."""
        held, last, waiting = state
        names = {number: name for number, name, _ in self._metrics}
        self._held = [*map(value_of, held)]
        self._last = {tuple(map(value_of, group)): value_of(step) for group, step in last}
        for number, value, line, offset, start, micros, spelled_workers in waiting:
            time = None if micros is None else datetime_of(micros)
            workers = tuple(map(value_of, spelled_workers))
            row = LiveRow(names[number], value_of(value), line, offset, start, time, None, workers, self._stream)
            self._waiting.setdefault(self._group(workers), []).append((start, number, row))

    def _group(self, workers: Sequence[Any]) -> _Workers:
        """Those of the workers that distinguish steps."""
        return tuple(one for one, is_carried in zip(workers, self._is_carried, strict=True) if not is_carried)

    def add(self, record: _Record) -> list[LiveRow]:
        """The rows of this record and of those before it that have their step now."""
        released: list[LiveRow] = []
        if self._separators in record:
            released, self._last = self.end(), {}
        joined, waiting, steps = self._joined(record)
        if steps:
            if self._waiting:
                released += self._released({group: values[0] for group, (_, values) in steps.items()})
            self._last.update((group, values[-1]) for group, (_, values) in steps.items())
        for group, placed in waiting:
            self._waiting.setdefault(group, []).append(placed)
        for worker, pattern in enumerate(self._workers):
            if pattern in record:
                self._held[worker] = _known(record[pattern][-1][1])
        return released + [row for _, _, row in joined]

    def _released(self, steps: dict[_Workers, Any]) -> list[LiveRow]:
        """The waiting rows of some groups of workers, with the step of each group."""
        found = [
            (start, number, row._replace(step=step))
            for group, step in steps.items()
            for start, number, row in self._waiting.pop(group, ())
        ]
        found.sort(key=_PLACE)
        return [row for _, _, row in found]

    def _joined(self, record: _Record) -> tuple[list[_Placed], list[tuple[_Workers, _Placed]], _Steps]:
        """The rows of a record that have their step, those that wait for it by group of workers, and the steps of the record."""
        place, steps = self._place, _Steps()
        for group, _, found in self._by_workers(record, self._step) if self._step in record else ():
            starts, values = steps.setdefault(group, ([], []))
            starts.append(found[0])
            values.append(_known(found[1]))
        last = {} if self._separators in record else self._last
        joined: list[_Placed] = []
        waiting: list[tuple[_Workers, _Placed]] = []
        for number, name, pattern in self._metrics:
            if pattern not in record:
                continue
            for group, workers, (start, value, line, offset, micros) in self._by_workers(record, pattern):
                time = None if micros == _NO_TIME else datetime_of(micros)
                if group in steps:
                    starts, values = steps[group]
                    # the last one before the row, else the first one behind it
                    step, waits = values[max(bisect_right(starts, start) - 1, 0)], False
                elif place == "before":
                    step, waits = last.get(group), False
                else:
                    waits = place == "after" or group not in last
                    step = None if waits else last[group]
                placed = start, number, LiveRow(name, value, line, offset, start, time, step, workers, self._stream)
                if waits:
                    waiting.append((group, placed))
                else:
                    joined.append(placed)
        joined.sort(key=_PLACE)
        return joined, waiting, steps

    def _by_workers(self, record: _Record, pattern: int) -> list[tuple[_Workers, _Workers, _Found]]:
        """The rows of a pattern, each behind the workers that distinguish steps, and behind all its workers."""
        rows = record[pattern]
        if not self._workers:
            return [((), (), row) for row in rows]
        columns = [
            _values_of(rows, record.get(worker), held if is_carried else None)
            for worker, held, is_carried in zip(self._workers, self._held, self._is_carried, strict=True)
        ]
        of_rows = zip(*columns, strict=True)
        return [(self._group(workers), workers, row) for workers, row in zip(of_rows, rows, strict=True)]


_PLACE = itemgetter(0, 1)
_START = itemgetter(0)


def _values_of(rows: list[_Found], labels: list[_Found] | None, held: Any) -> list[Any]:
    """Of each row the value of a worker: the last one before it in its record, else the first, else the one that is carried.

    The first one belongs to no row before it if another row stands behind it, as in ``[a] loss 1[b] loss 2``.
    """
    if labels is None:
        return [held] * len(rows)
    starts = [start for start, *_ in labels]
    at = [bisect_right(starts, start) - 1 for start, *_ in rows]
    values = [_known(value) for _, value, *_ in labels]
    before_all = held if 0 in at else values[0]
    return [before_all if one < 0 else values[one] for one in at]


def _micros(row: LiveRow) -> int | None:
    return None if row.time is None else microseconds(row.time)


def _known(value: Any) -> Any:
    """A step or a worker; None for NaN, which is none."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _records(
    taken: Iterable[tuple[int, _core.Columns]], streams: Mapping[int, Sequence[str]]
) -> list[tuple[str, _Record]]:
    """The rows record by record, each with its stream."""
    import numpy as np

    records: dict[int, _Record] = {}
    stream_of: dict[int, str] = {}
    for pattern, columns in taken:
        numbers = np.asarray(columns)
        values = numbers[0].view(np.float64).tolist() if columns.texts is None else columns.texts.to_pylist()
        line, offset, start, *times = numbers[1:].tolist()
        for found in zip(start, values, line, offset, times[0] if times else repeat(_NO_TIME), strict=False):
            record = records.setdefault(found[3], {})
            if pattern in record:
                record[pattern].append(found)
            else:
                record[pattern] = [found]
        if pattern in streams:
            stream_of.update(zip(offset, streams[pattern], strict=True))
    for record in records.values():
        for rows in record.values():
            if len(rows) > 1:
                rows.sort(key=_START)
    return [(stream_of.get(offset, ""), records[offset]) for offset in sorted(records)]
