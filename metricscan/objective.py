"""The objective of a tuning job, and what one training job's rows say of it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from metricscan.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

GOALS = ("Minimize", "Maximize")
SCOPES = ("last",)


@dataclass(frozen=True)
class Objective:
    """The metric that decides which job is best.

    Parameters
    ----------
    metric : str
        Name of the objective metric.
    goal : {"Minimize", "Maximize"}
    scope : {"last"}
        Which of a job's rows decides: the last one, as the tuning service has it.

    Raises
    ------
    OptionError
        Another goal or scope.

    Examples
    --------
    >>> Objective("loss", "Minimize")
    Objective(metric='loss', goal='Minimize', scope='last')
    """

    metric: str
    goal: str
    scope: str = "last"

    def __post_init__(self) -> None:
        faults = []
        if self.goal not in GOALS:
            faults.append(f"goal={self.goal!r}: 'Minimize' or 'Maximize' was expected")
        if self.scope not in SCOPES:
            faults.append(f"scope={self.scope!r}: 'last' was expected")
        if faults:
            raise OptionError("; ".join(faults))

    def is_better(self, value: float, other: float) -> bool:
        """Whether a finite value beats another."""
        return value < other if self.goal == "Minimize" else value > other


class Place(NamedTuple):
    """A row of the objective, and where it stands."""

    value: float
    line: int
    offset: int
    start: int
    time: int | None  # microseconds since the epoch


class Standing:
    """What one stream of a job has said of the objective so far; fed batch by batch, so that no rows need be kept."""

    __slots__ = ("last", "newest", "rows", "untimed")

    def __init__(self) -> None:
        self.rows = 0
        self.untimed = 0
        self.last: Place | None = None
        self.newest: Place | None = None

    def add(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Take a batch of the stream's rows, in stream order."""
        if batch.num_rows == 0:
            return
        self.rows += batch.num_rows
        times = batch.column("time")
        self.untimed += times.null_count
        self.last = _place(batch, batch.num_rows - 1)
        if self.untimed:
            self.newest = None
            return
        import numpy as np

        micros = times.cast("int64").to_numpy(zero_copy_only=False)
        newest = _place(batch, len(micros) - 1 - int(np.argmax(micros[::-1])))
        if self.newest is None or _time(newest) >= _time(self.newest):
            self.newest = newest


class Outcome(NamedTuple):
    """The objective of one job.

    Attributes
    ----------
    status : {"found", "not_finite", "missing"}
    place : Place or None
        The deciding row; None if there is none.
    stream : str or None
        The stream it stands in.
    rows : int
        Rows of the objective, over all streams.
    streams : int
        Streams that carried it.
    """

    status: str
    place: Place | None
    stream: str | None
    rows: int
    streams: int


def decide(standings: Mapping[str, Standing]) -> Outcome:
    """The objective of a job, from what its streams say.

    Where every row has a time the newest row decides, else the last row of the last stream, in natural name order, that
    carried the objective.
    """
    carrying = [(natural(name), name, standing) for name, standing in standings.items() if standing.rows]
    carrying.sort(key=lambda one: one[0])
    if not carrying:
        return Outcome("missing", None, None, 0, 0)
    _, stream, standing = carrying[-1]
    place = standing.last
    if not any(standing.untimed for *_, standing in carrying):
        # equal times: the later stream
        _, stream, standing = max(carrying, key=lambda one: (_time(one[2].newest), one[0]))
        place = standing.newest
    if place is None:
        raise AssertionError("a stream with rows has a last row")
    status = "found" if math.isfinite(place.value) else "not_finite"
    return Outcome(status, place, stream, sum(standing.rows for *_, standing in carrying), len(carrying))


_NUMBERS = re.compile(r"(\d+)")


def natural(name: str) -> tuple[tuple[str | int, ...], str]:
    """Sort key of names: trial_2 comes before trial_10.

    >>> sorted(["trial_10", "trial_2"], key=natural)
    ['trial_2', 'trial_10']
    """
    parts: list[str | int] = [*_NUMBERS.split(name)]
    parts[1::2] = map(int, parts[1::2])
    return tuple(parts), name


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that was probably meant."""
    import difflib

    return next(iter(difflib.get_close_matches(name, list(names), 1)), None)


def _time(place: Place | None) -> int:
    return -(2**63) if place is None or place.time is None else place.time


def _place(batch: pa.RecordBatch | pa.Table, row: int) -> Place:
    value, line, offset, start = (batch.column(name)[row].as_py() for name in ("value", "line", "offset", "start"))
    time = batch.column("time")[row]
    return Place(value, line, offset, start, time.value if time.is_valid else None)
