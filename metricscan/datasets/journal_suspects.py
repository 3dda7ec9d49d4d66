"""What a journal notes of logs besides their rows: the suspects of their values, and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metricscan.datasets.evidence import Unit
from metricscan.datasets.journal_state import SUSPECTS
from metricscan.scanning.stream_suspects import first_units, has_suspects, suspects_of
from metricscan.scanning.suspects import MOST_UNITS, UNIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from metricscan.datasets.evidence import SuspectsOfMetric
    from metricscan.datasets.journal_state import FollowedFile, State
    from metricscan.datasets.rows import Array

#: Values as bits, lines, offsets and starts of the rows of one file.
FileColumns = tuple["Array", "Array", "Array", "Array"]


def names_of_suspects(state: State) -> list[str]:
    """The names of the rows in a journal that are suspects."""
    return [name for name, number in state.metrics.items() if name.startswith(SUSPECTS) and state.rows[number]]


def by_file(file: Array, columns: FileColumns) -> dict[int, FileColumns]:
    """Rows apart by the number of their file."""
    if not len(file):
        return {}
    order = np.argsort(file, kind="stable")
    used, first = np.unique(file[order], return_index=True)
    parts = [np.split(column[order], first[1:]) for column in columns]
    value, line, offset, start = parts
    return dict(zip(used.tolist(), zip(value, line, offset, start, strict=True), strict=True))


def suspects_by_file(rows: Mapping[str, Mapping[int, FileColumns]]) -> dict[int, dict[str, SuspectsOfMetric]]:
    """By the number of a file and by metric, what suspects there are; ``rows`` has those of each metric by file."""
    found: dict[int, dict[str, SuspectsOfMetric]] = {}
    for metric, files in rows.items():
        for number, columns in files.items():
            if has_suspects(columns[0]):
                found.setdefault(number, {})[metric] = suspects_of(*columns)
    return found


def has_units(files: Iterable[FileColumns]) -> bool:
    """Whether some suspects say that values have units."""
    return any((columns[0] & 0xFF == UNIT).any() for columns in files)


def units(
    events: Mapping[int, FileColumns], values: Mapping[int, FileColumns], files: Sequence[tuple[int, FollowedFile]]
) -> list[Unit]:
    """The distinct units of a metric.

    Parameters
    ----------
    events : mapping of int to columns
        By the number of the file, its suspects.
    values : mapping of int to columns
        Its rows.
    files : sequence of (int, FollowedFile)
        The files with their numbers, in the order of the jobs.
    """
    found: dict[str, Unit] = {}
    # the streams of a container's log or an export are one text
    logs: dict[tuple[str, int], list[int]] = {}
    for number, file in files:
        logs.setdefault((file.path, file.part), []).append(number)
    for (path, _), numbers in logs.items():
        for unit, text, line, offset in first_units(_together(events, numbers), _together(values, numbers)):
            if unit not in found and len(found) < MOST_UNITS:
                found[unit] = Unit(unit, text, path, line, offset)
    return [*found.values()]


def _together(rows: Mapping[int, FileColumns], numbers: Sequence[int]) -> FileColumns | None:
    some = [rows[number] for number in numbers if number in rows]
    if len(some) < 2:
        return some[0] if some else None
    value, line, offset, start = (np.concatenate(columns) for columns in zip(*some, strict=True))
    return value, line, offset, start
