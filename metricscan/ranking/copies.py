"""The same log twice: jobs in one folder that have the same values at the same places, such as a log beside its print-out.

Of each job a few rows are compared, and a hash of all its values, so this costs next to nothing however many rows there are.
Places may differ by what one of the logs has before the first value.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import pyarrow.compute as pc

from metricscan.logs.natural import natural

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from metricscan.datasets.rows import Array
    from metricscan.logs.job import Log

#: Jobs with fewer rows may be equal by chance.
LEAST_ROWS = 5
#: Jobs with as many rows are not compared: of them, rows are dropped before all have arrived.
MOST_ROWS = 1 << 19
#: So many rows of each job are compared, among them the first and the last, of which so many values must differ.
_SAMPLES = 5
LEAST_DISTINCT = 3
#: How many numbers are kept of each job: values, places, and a hash of all values.
SAMPLES = 2 * _SAMPLES + 1
# So many bits of the hash are kept, as an integer that a double holds.
_HASH_BITS = 52
# Odd numbers without a pattern, by which bits are multiplied: those of MurmurHash3's last step.
_FACTORS = np.array([0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53], np.uint64)
#: The columns of samples with the first and the last value.
ENDS = (0, _SAMPLES - 1)


class Outcomes(Protocol):
    """What of the outcomes of jobs is compared, one entry per job."""

    @property
    def job(self) -> Array:
        """The number of the job."""

    @property
    def rows(self) -> Array:
        """How many rows it has."""

    @property
    def streams(self) -> Array:
        """How many streams have them."""

    @property
    def stream(self) -> Array:
        """The number of the stream of the deciding row."""

    @property
    def part(self) -> Array:
        """The part of the deciding row."""

    @property
    def samples(self) -> Array:
        """As :func:`samples_of` gives them."""


class Copy(NamedTuple):
    """A job whose log is that of another.

    Attributes
    ----------
    job, original : int
        The numbers of the jobs.
    path, original_path : str
        Their logs.
    rows : int
    """

    job: int
    original: int
    path: str
    original_path: str
    rows: int


def samples_of(value: Array, start_at: Callable[[Array], Array], starts: Array, ends: Array) -> Array:
    """What jobs are compared by: some values, the distances of their places from the first, and a hash of all values.

    Parameters
    ----------
    value : float64 array
        The rows of all jobs, job by job in the order in which they count.
    start_at : callable
        Gives the starts of the rows at some positions.
    starts, ends : int64 array
        The position of each job's first row, and that behind its last one.

    Returns
    -------
    float64 array of shape (jobs, SAMPLES)
        NaN for jobs that are not compared.
    """
    counts = ends - starts
    # each column in one place of memory
    samples = np.full((SAMPLES, len(starts)), np.nan).T
    which = (counts >= LEAST_ROWS) & (counts < MOST_ROWS)
    some = slice(None) if which.all() else np.flatnonzero(which)
    begin, last = starts[some], counts[some] - 1
    if len(begin):
        first = start_at(begin)
        for number in range(_SAMPLES):
            at = begin + last * number // (_SAMPLES - 1)
            samples[some, number] = value[at]
            samples[some, _SAMPLES + number] = start_at(at) - first
        samples[some, 2 * _SAMPLES] = _hashes(value, begin, ends[some])
    return samples


def _hashes(value: Array, begin: Array, end: Array) -> Array:
    """A hash of the bits of each job's values, in their order.

    A sum of the bits themselves would be that of other values, too: 0.31 and 0.35, say, beside 0.32 and 0.34.
    """
    bits = np.ascontiguousarray(value).view(np.uint64) * _FACTORS[0]
    bits ^= bits >> np.uint64(33)
    bits *= _FACTORS[1]
    bits ^= bits >> np.uint64(33)
    # each value counts by its distance from the job's first one: the sum of (2 (i - begin) + 1) * bits[i]
    weighed = bits * np.arange(1, 2 * len(bits), 2, dtype=np.uint64)
    edges = np.column_stack((begin, end)).ravel()
    sums, weights = (np.add.reduceat(np.append(one, np.uint64(0)), edges)[::2] for one in (bits, weighed))
    return (weights - 2 * begin.astype(np.uint64) * sums) >> np.uint64(64 - _HASH_BITS)


def copies(
    outcomes: Outcomes,
    names: pa.Array,
    barred: Array,
    streams: pa.Array,
    logs: Callable[[], Mapping[str, Sequence[Log]]],
    parameters: Callable[[str], Mapping[str, str]],
) -> list[Copy]:
    """The jobs that are copies of others, each with the one that counts: the first in natural order that may win.

    Parameters
    ----------
    outcomes : Outcomes
    names, streams : pyarrow.Array of string
        Names of the jobs and the streams, by number.
    barred : bool array
        The jobs, by number, that cannot win.
    logs : callable
        Returns the logs of jobs by name; called only if jobs are equal.
    parameters : callable
        Gives the hyperparameters of a job: jobs that were told apart by them are no copies.
    """
    comparable = np.flatnonzero(~np.isnan(outcomes.samples[:, 0]) & (outcomes.streams == 1))
    comparable = _with_equal(comparable, outcomes)
    if comparable.size < 2:
        return []
    samples = np.column_stack((outcomes.samples[comparable], outcomes.rows[comparable].astype(np.float64)))
    order = np.lexsort(samples.T)
    same = (samples[order][1:] == samples[order][:-1]).all(axis=1)
    found: list[Copy] = []
    known: Mapping[str, Sequence[Log]] | None = None
    for begin, end in _runs(same):
        group = comparable[order[begin:end]]
        if len(np.unique(outcomes.samples[group[0], :_SAMPLES])) < LEAST_DISTINCT:
            continue
        known = logs() if known is None else known
        jobs = {int(outcomes.job[at]): int(at) for at in group.tolist()}
        by_name = sorted(jobs, key=lambda job: (bool(barred[job]), natural(names[job].as_py())))
        kept: list[tuple[int, str]] = []
        for job in by_name:
            name, at = names[job].as_py(), jobs[job]
            deciding = streams[int(outcomes.stream[at])].as_py(), int(outcomes.part[at])
            path = next((log.path for log in known.get(name, ()) if (log.stream, log.part) == deciding), None)
            if path is None:
                continue
            for other, its_path in kept:
                is_told_apart = parameters(name) != parameters(names[other].as_py())
                if path != its_path and _lie_together(path, its_path) and not is_told_apart:
                    found.append(Copy(job, other, path, its_path, int(outcomes.rows[at])))
                    break
            else:
                kept.append((job, path))
    return found


def keys_of(rows: Array, *values: Array) -> Array:
    """An integer of each job: equal for those that have equally many rows, and equal values."""
    key = rows.astype(np.uint64)
    for value in values:
        bits = np.ascontiguousarray(value).view(np.uint64)
        key = (key ^ bits) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key


def those_with_equal(keys: Array) -> Array:
    """The positions of the keys that are there several times."""
    ascending = np.sort(keys)
    twice = ascending[1:][ascending[1:] == ascending[:-1]]
    return np.flatnonzero(np.isin(keys, twice)) if twice.size else np.empty(0, np.int64)


def messages_of_copies(ranking: pa.Table) -> list[str]:
    """What a reader of the ranking should know about jobs that are copies of others, in sentences."""
    copied = ranking.filter(pc.equal(ranking["objective_status"], "copy"))
    if not copied.num_rows:
        return []
    first = copied.slice(0, 1).to_pylist()[0]
    message = next(doubt["message"] for doubt in first["doubts"] if doubt["kind"] == "copy")
    jobs = "1 job is a copy" if copied.num_rows == 1 else f"{copied.num_rows:,} jobs are copies"
    which = "" if copied.num_rows == 1 else "for example "
    return [f"{jobs} of another in the same folder, and without a rank ({which}{first['job']}): {message}"]


def _with_equal(jobs: Array, outcomes: Outcomes) -> Array:
    """The jobs whose first and last values are those of another. One sort of integers leaves almost none of a million jobs."""
    return jobs[those_with_equal(keys_of(outcomes.rows[jobs], *(outcomes.samples[jobs, at] for at in ENDS)))]


def _runs(same: Array) -> list[tuple[int, int]]:
    """The begin and end of each run of equal entries that has several, where ``same`` says whether one equals the one before."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], same, [False])).astype(np.int8)))
    return [(int(begin), int(end) + 1) for begin, end in zip(edges[::2], edges[1::2], strict=True)]


def _lie_together(path: str, other: str) -> bool:
    """Whether one file lies in the folder of the other, or below it."""
    folder, its_folder = (os.path.dirname(os.path.abspath(one)) + os.sep for one in (path, other))
    return folder.startswith(its_folder) or its_folder.startswith(folder)
