"""One replay: the rows of the logs go, in order, to tables, to a dataset and to the ranking."""

from __future__ import annotations

from array import array
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

from metricscan.datasets import manifest
from metricscan.datasets.evidence import Evidence, LogEvidence, Unit
from metricscan.datasets.rows import Rows
from metricscan.datasets.schema import LABEL_SCHEMA, LABEL_TABLE_SCHEMA, SCHEMA, TABLE_SCHEMA
from metricscan.definitions.blocks import BLOCK, RUN
from metricscan.logs.compression import MAX_DECOMPRESSED
from metricscan.logs.exports import span_of
from metricscan.logs.job import Notice
from metricscan.ranking import ranking
from metricscan.ranking.at_best import from_row
from metricscan.ranking.copies import messages_of_copies
from metricscan.ranking.doubts import from_struct
from metricscan.ranking.in_pieces import PiecewiseDecider
from metricscan.replaying.log_scan import LogScanner
from metricscan.replaying.longer_names import longer_name_notice
from metricscan.replaying.outcome import Best, Replay, undecoded_notices
from metricscan.replaying.progress import ProgressCounter
from metricscan.replaying.schedule import Schedule
from metricscan.replaying.second_start import Restarts
from metricscan.scanning.stats import MetricStats, ScanStats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from metricscan.datasets.rows import Array
    from metricscan.datasets.sink import Sink
    from metricscan.definitions.objective import Objective
    from metricscan.errors import SourceError
    from metricscan.logs.crashes import Crash
    from metricscan.logs.job import Survey
    from metricscan.ranking.at_best import Found
    from metricscan.ranking.conditions import Conditions
    from metricscan.ranking.deciding_row import Outcomes
    from metricscan.ranking.step_facts import StepFacts
    from metricscan.ranking.stepless import StepCounts
    from metricscan.replaying.log_parameters import LogParameters
    from metricscan.replaying.progress import Progress
    from metricscan.scanning.options import InputFormat
    from metricscan.scanning.scanner import Scanner


class Deciding(Protocol):
    """What finds the deciding rows of jobs."""

    @property
    def step_counts(self) -> StepCounts:
        """How many rows have a step."""

    @property
    def step_facts(self) -> StepFacts | None:
        """What the rows of the step say, after :meth:`finish`."""

    @property
    def at_best(self) -> dict[str, Found]:
        """The values of other metrics at the deciding rows, after :meth:`finish`."""

    def finish(self) -> Outcomes:
        """The outcomes of all jobs, in their order."""


# Beyond this many batches of a metric their overhead outweighs the copy into one.
_MOST_BATCHES = 256
# Columns of one number that are kept to be shared: of 256 KB each, which fill a cache.
_MOST_CONSTANTS = 8


class Run:
    """One replay: scans the logs in order, and passes their rows on to tables, to a dataset and to the decider.

    Parameters
    ----------
    scanner : Scanner
    found : Survey
    objective : Objective or None
    threads : int or None
    progress : callable or None
    conditions : Conditions
    raise_errors : bool
        Whether the first error is raised; else all are collected.
    input_format : str
    max_decompressed : int
    at_best : sequence of str
        Metrics whose values at the deciding rows are wanted.
    parameters : LogParameters, optional
        Gets the rows of labels that capture hyperparameters.
    in_order : bool
        Whether logs that are scanned alone give the rows of all metrics together, see :class:`LogScanner`.
    """

    def __init__(
        self,
        scanner: Scanner,
        found: Survey,
        objective: Objective | None,
        threads: int | None,
        progress: Callable[[Progress], object] | None,
        *,
        conditions: Conditions,
        raise_errors: bool,
        input_format: InputFormat,
        max_decompressed: int = MAX_DECOMPRESSED,
        at_best: Sequence[str] = (),
        parameters: LogParameters | None = None,
        in_order: bool = False,
    ) -> None:
        self.input_format = input_format
        self.max_decompressed = max_decompressed
        self.at_best = tuple(at_best)
        self.parameters = parameters
        self.scanner = scanner
        self.found = found
        self.objective = objective
        self.conditions = conditions
        self.raise_errors = raise_errors
        self.errors = list(found.errors)
        self.notices: list[Notice] = list(found.notices)
        self.stats = ScanStats(metrics={name: MetricStats() for name in scanner.metrics})
        #: The manifest's entries of the logs, after the scan.
        self.sources: Sequence[dict[str, Any]] = ()
        #: The logs that hold invalid units of UTF-16 or UTF-32, with their counts.
        self.undecoded: list[tuple[str, ScanStats]] = []
        self.evidence = Evidence()
        self.logs = [log for one in found.jobs for log in one.logs]
        # per log the number of its job and the number of its stream
        self.job_numbers = np.repeat(np.arange(len(found.jobs), dtype=np.int32), [len(one.logs) for one in found.jobs])
        streams = sorted({log.stream for log in self.logs})
        numbers = {name: number for number, name in enumerate(streams)}
        self.stream_numbers = np.array([numbers[log.stream] for log in self.logs], np.int32)
        self.part_numbers = np.array([log.part for log in self.logs], np.int32)
        superseded = np.array([log.superseded for log in self.logs], bool)
        self.superseded = superseded if superseded.any() else None
        # per log the offset of its last row of a metric that is no label: labels match the lines of a traceback, too
        self._last_rows = np.full(len(self.logs), -1, np.int64)
        # columns that hold one number
        self._constants: dict[int, Array] = {}
        self.job_names = pa.array([one.name for one in found.jobs], pa.string())
        self.stream_names = pa.array(streams, pa.string())
        paths = {log.path for log in self.logs}
        sizes = found.sizes if found.sizes.keys() == paths else {path: found.sizes.get(path, 0) for path in paths}
        counter = ProgressCounter(sizes, len(self.logs), progress)
        self.scans = LogScanner(
            scanner,
            self.logs,
            counter,
            self._note,
            found.archives,
            found.pieces,
            threads=threads,
            input_format=input_format,
            max_decompressed=max_decompressed,
            in_order=in_order,
        )
        self.schedule = Schedule(self.scans, found.sizes, counter, self._note)
        self.decider = None
        self.restarts = Restarts(scanner)
        # per job whether a value of the objective may be doubtful
        self._suspected = np.zeros(len(found.jobs), dtype=bool)
        if objective is not None:
            self.decider = PiecewiseDecider(objective, lambda: self.stream_names, lambda: self._suspected, at_best)
            if RUN in scanner.metrics and objective.restarts != "keep":
                self.decider.has_run_starts()

    def over_all_logs(self, *, keep: bool, target: Sink | None) -> Replay:
        """Scan all logs, and rank the jobs.

        Parameters
        ----------
        keep : bool
            Whether the rows go into the tables of the result.
        target : Sink or None
            Gets the rows, too. The caller finishes it.
        """
        labels = frozenset(self.scanner.labels)
        kept = {
            name: _TableParts(LABEL_TABLE_SCHEMA if name in labels else TABLE_SCHEMA) for name in self.scanner.metrics
        }
        metric_names = {name: pa.array([name], pa.string()) for name in self.scanner.metrics}
        read = array("q")
        for logs, batches, counted in self.schedule:
            job_numbers = self.job_numbers[logs.start : logs.stop]
            stream_numbers = self.stream_numbers[logs.start : logs.stop]
            part_numbers = self.part_numbers[logs.start : logs.stop]
            if self.decider is not None and self.decider.is_full:
                self.decider.decide_before(int(job_numbers[0]))
            for name, batch, rows in batches:
                if name not in labels and (len(logs) == 1 or self._may_have_crashed(logs)):
                    self._note_last_rows(logs, batch, rows)
                if len(logs) == 1:
                    jobs, streams = (self._constant(int(of[0]), batch.num_rows) for of in (job_numbers, stream_numbers))
                else:
                    jobs, streams = np.repeat(job_numbers, rows), np.repeat(stream_numbers, rows)
                parts = np.repeat(part_numbers, rows) if part_numbers.any() else None
                counting = self._counting(logs, rows)
                self.restarts.add(name, logs, rows, batch)
                if self.parameters is not None and name in self.parameters.labels:
                    self.parameters.note(name, jobs, batch.column("value"), counting)
                self._decide_on(name, jobs, streams, parts, batch, counting)
                if not keep and target is None:
                    continue
                job, stream = _coded(jobs, self.job_names), _coded(streams, self.stream_names)
                part = pa.array(self._constant(0, batch.num_rows) if parts is None else parts)
                if keep:
                    columns = [job, stream, part, *batch.columns]
                    kept[name].add(pa.RecordBatch.from_arrays(columns, schema=kept[name].schema))
                if target is not None:
                    metric = _coded(self._constant(0, batch.num_rows), metric_names[name])
                    schema = LABEL_SCHEMA if name in labels else SCHEMA
                    columns = [job, stream, part, metric, *batch.columns]
                    target.write(name, pa.RecordBatch.from_arrays(columns, schema=schema))
            sizes = self.count(logs, counted)
            if target is not None:
                for log, (size, records) in zip(logs, sizes, strict=True):
                    read.extend((log, size, records))
        # an entry takes 600 bytes, what it is made of 24
        self.sources = manifest.Entries(len(read) // 3, partial(self._source_of, read))
        return self.result({name: rows.table() for name, rows in kept.items()} if keep else None, self.decider)

    def count(
        self, logs: range, counted: Callable[[], tuple[ScanStats, Iterable[tuple[int, int]]]]
    ) -> Iterable[tuple[int, int]]:
        """Add the counts of logs, whose scan is over, and what it noted; gives the bytes and records of each."""
        stats, sizes = counted()
        self.stats.merge(stats)
        self._add_evidence(logs)
        if stats.undecoded:
            # such a log is scanned alone
            self.undecoded.append((self.logs[logs.start].path, stats))
        return sizes

    def result(self, tables: Mapping[str, pa.Table] | None, decider: Deciding | None) -> Replay:
        """What the replay found. To be called once, when all logs were scanned.

        Parameters
        ----------
        tables : mapping of str to pyarrow.Table, or None
            The rows, if they were kept.
        decider : Deciding or None
            What found the deciding rows; None without an objective.
        """
        self.notices += undecoded_notices(self.undecoded)
        self._say_cut_lines()
        if self.parameters is not None:
            self.notices += self.parameters.finish()
        if RUN in self.stats.metrics and not self.stats.metrics[RUN].rows:
            self.notices.append(Notice("no record begins a run: what --run-start (run_start) gives matches none"))
        # how the units of all logs compare is known only now
        self.evidence.units = units_of(self.stats)
        order, best = self._rank(decider)
        if best is not None and self.objective is not None:
            metrics, is_formula = self.objective.metrics, self.objective.is_formula
            longer = longer_name_notice(self.scanner, metrics, best, self.input_format, is_formula=is_formula)
            self.notices += () if longer is None else (longer,)
        spans = None
        if self.scans.spans:
            spans = [span_of(self.scans.spans.get(log) for log in one.logs) for one in self.found.jobs]
        return Replay(tables, order, best, self.errors, self.stats, self.found, spans, self.notices, self.evidence)

    def _may_have_crashed(self, logs: range) -> bool:
        """Whether one of several logs, whose scan is over, ends with a crash."""
        crashes = self.scans.crashes
        return bool(crashes) and any(number in crashes for number in logs)

    def _note_last_rows(self, logs: range, batch: pa.RecordBatch, rows: Sequence[int] | Array) -> None:
        """Note the place of the last row of each log in a batch, in which each log has so many rows."""
        if len(logs) == 1:
            if batch.num_rows:
                last = batch.column("offset")[-1].as_py()
                self._last_rows[logs.start] = max(self._last_rows[logs.start], last)
            return
        ends = np.cumsum(rows)
        some = np.flatnonzero(np.diff(ends, prepend=0))
        offsets = batch.column("offset").to_numpy()[ends[some] - 1]
        at = some + logs.start
        self._last_rows[at] = np.maximum(self._last_rows[at], offsets)

    def _add_evidence(self, logs: range) -> None:
        """Add what the scan of these logs noted besides their rows."""
        crashes, suspects = self.scans.crashes, self.scans.suspects
        restarts = self.restarts.end_logs(logs, self.scans)
        for number in logs if crashes or suspects or restarts else ():
            crash, found = crashes.pop(number, None), suspects.pop(number, {})
            if crash is not None and not self._is_at_end(number, crash):
                crash = None
            log, job = self.logs[number], self.found.jobs[self.job_numbers[number]].name
            if log.superseded:
                continue
            if self.objective is not None and any(name in found for name in self.objective.metrics):
                self._suspected[self.job_numbers[number]] = True
            self.evidence.add(job, log.stream, log.part, LogEvidence(log.path, crash, found, restarts.get(number, ())))

    def _say_cut_lines(self) -> None:
        """Say which pieces of rotated logs end within a line that may go on in the next piece."""
        pieces = self.found.pieces
        cut = []
        for number in sorted(self.scans.unended):
            path = self.logs[number].path
            after = self.logs[number + 1].path if number + 1 < len(self.logs) else ""
            if after in pieces and pieces[after].base == pieces[path].base and self.found.sizes.get(after):
                cut.append((path, after))
        if cut:
            path, after = cut[0]
            which = f"{path} ends" if len(cut) == 1 else f"{len(cut):,} pieces of rotated logs end, for example {path},"
            self.notices.append(
                Notice(f"{which} without a line end, and {after} goes on: what may be one line is read as two", path)
            )

    def _is_at_end(self, number: int, crash: Crash) -> bool:
        """Whether nothing shows that a program went on: no row, and no later piece of its log."""
        if crash.after is not None and self._last_rows[number] >= crash.after:
            return False
        following = slice(number + 1, number + 2)
        return not (
            (self.job_numbers[following] == self.job_numbers[number])
            & (self.stream_numbers[following] == self.stream_numbers[number])
        ).any()

    def source(self, number: int, size: int, records: int) -> dict[str, Any]:
        """The manifest's entry of a log."""
        log, job = self.logs[number], self.found.jobs[self.job_numbers[number]].name
        entry = manifest.source_entry(log, job, size, records)
        return entry | self.evidence.of_source(job, log.stream, log.part)

    def _source_of(self, read: Sequence[int], at: int) -> dict[str, Any]:
        """The entry of the log that was read so: its number, size and records, three numbers for each log."""
        return self.source(*read[3 * at : 3 * at + 3])

    def _constant(self, number: int, rows: int) -> Array:
        """A read-only column that holds one number. Batches share its memory, which so stays in the processor's caches."""
        made = self._constants.get(number)
        if made is None or len(made) < rows:
            if len(self._constants) >= _MOST_CONSTANTS:
                self._constants.clear()
            made = self._constants[number] = np.full(rows, number, np.int32)
            made.flags.writeable = False
        return made[:rows]

    def _counting(self, logs: range, rows: Sequence[int] | Array) -> Array | None:
        """Which rows of a batch are of last attempts, where each log has so many rows in it; None if all are."""
        if self.superseded is None or not self.superseded[logs.start : logs.stop].any():
            return None
        return np.repeat(~self.superseded[logs.start : logs.stop], rows)

    def _decide_on(
        self,
        name: str,
        jobs: Array,
        streams: Array,
        parts: Array | None,
        batch: pa.RecordBatch,
        counting: Array | None,
    ) -> None:
        """Pass the rows that count and that the decider wants on to it."""
        if self.decider is None or self.objective is None:
            return
        if name not in (self.decider.metric, self.objective.step, BLOCK, RUN, *self.decider.others):
            return
        rows = Rows.of(jobs, streams, batch)._replace(part=parts)
        if counting is not None:
            rows = rows.take(counting)
        if name == self.decider.metric:
            self.decider.add(rows)
        if name in self.decider.others:
            self.decider.add_other(name, rows)
        if name == self.objective.step:
            self.decider.add_steps(rows)
        if name == BLOCK and self.objective.step_place == "block":
            self.decider.add_blocks(rows)
        if name == RUN and self.objective.restarts != "keep":
            self.decider.add_run_starts(rows)

    def _note(self, error: SourceError) -> None:
        if self.raise_errors:
            raise error
        self.errors.append(error)

    def _rank(self, decider: Deciding | None) -> tuple[pa.Table | None, Best | None]:
        if self.objective is None or decider is None:
            return None, None
        facts = {one.name: one for one in self.found.jobs}
        outcomes = decider.finish()
        order = ranking.order(
            outcomes,
            self.objective,
            self.job_names,
            self.stream_names,
            facts,
            decider.step_facts,
            self.conditions,
            evidence=self.evidence,
            logs=lambda: {one.name: one.logs for one in self.found.jobs},
            at_best=decider.at_best,
        )
        messages = *decider.step_counts.messages(self.objective), *messages_of_copies(order)
        self.notices += map(Notice, messages)
        if order.num_rows == 0 or order.column("rank")[0].as_py() is None:
            return order, None
        first = order.slice(0, 1).to_pylist()[0]
        winner = facts[first["job"]]
        log = ranking.log_of(winner.logs, first)
        assert log is not None
        place = (first["value"], log.path, first["stream"], first["line"], first["offset"])
        doubts = tuple(map(from_struct, first["doubts"]))
        return order, Best(first["job"], *place, winner.hyperparameters, first["part"], doubts, from_row(first))

    def manifest(self) -> dict[str, Any]:
        """The content of a dataset's manifest. To be called after the scan."""
        return manifest.contents(
            self.scanner,
            self.found,
            self.stats,
            self.sources,
            self.errors,
            self.notices,
            objective=self.objective,
            conditions=self.conditions.noted(),
            units=self.evidence.of_units(),
            input_format=self.input_format,
        )


def units_of(stats: ScanStats) -> dict[str, list[Unit]]:
    """The units of the metrics that have several, each with its first value."""
    return {
        name: [Unit(unit, first.text, first.path, first.line, first.offset) for unit, first in units.items()]
        for name, counts in stats.metrics.items()
        if len(units := counts.units) > 1
    }


def _coded(codes: Array, names: pa.StringArray) -> pa.DictionaryArray:
    """A column of names. That the codes are places among the names is not checked again."""
    return pa.DictionaryArray.from_arrays(pa.array(codes), names, safe=False)


class _TableParts:
    """The parts of one metric's table. Small batches are copied into one before there are too many."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._batches: list[pa.RecordBatch] = []
        self._small = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self._batches.append(batch)
        self._small += 1
        if self._small >= _MOST_BATCHES:
            tail = self._batches[-self._small :]
            del self._batches[-self._small :]
            self._batches += pa.Table.from_batches(tail, schema=self.schema).combine_chunks().to_batches()
            self._small = 0

    def table(self) -> pa.Table:
        return pa.Table.from_batches(self._batches, schema=self.schema)
