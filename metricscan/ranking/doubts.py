"""Reasons to doubt the value of a job, each with its place. A doubt changes no rank, unless the user asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.definitions.objective import parse_scope
from metricscan.logs.natural import natural
from metricscan.ranking.deciding_row import FOUND, MISSING
from metricscan.ranking.step_doubts import of_divergences, of_jumps, of_returns, of_sentinels, of_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from metricscan.datasets.evidence import Evidence, LogEvidence, Restart, SuspectsOfMetric
    from metricscan.datasets.rows import Array
    from metricscan.definitions.objective import Objective
    from metricscan.logs.crashes import Crash
    from metricscan.logs.job import Log
    from metricscan.ranking.at_best import Found as PartFound
    from metricscan.ranking.copies import Copy
    from metricscan.ranking.deciding_row import Outcomes
    from metricscan.ranking.step_doubts import Found
    from metricscan.ranking.step_facts import StepFacts

DoubtKind = Literal[
    "diverged",
    "near-miss-after",
    "cut-value",
    "unterminated",
    "cut-line",
    "behind",
    "crashed",
    "dropped-lines",
    "copy",
    "several-streams",
    "restarted",
    "incomplete",
    "values-per-step",
    "step-missing",
    "sentinel",
    "running",
]
#: The kinds of doubts, in the order in which those of a job are listed.
KINDS: tuple[DoubtKind, ...] = get_args(DoubtKind)
#: The type of the column ``doubts`` of a ranking: a list of structs with the fields of :class:`Doubt`.
TYPE = pa.list_(
    pa.struct(
        [
            pa.field("kind", pa.string(), nullable=False),
            pa.field("message", pa.string(), nullable=False),
            pa.field("path", pa.string()),
            pa.field("line", pa.int64()),
            pa.field("offset", pa.int64()),
        ]
    )
)


# Behind all places: that of the last row of a stream without rows.
_END = (np.iinfo(np.int64).max, 0)


class Doubt(NamedTuple):
    """A reason to doubt the value of a job.

    Attributes
    ----------
    kind : str
        - ``diverged``: a stream of the job ends with a value that is not finite, or with a near miss that says nan or inf.
        - ``near-miss-after``: behind the deciding row of its stream stands a record that would give a row if its value could be
          any text that stands for a number: it does not match, or float() refuses what was captured.
        - ``cut-value``: the value is only a part of what stands in the log, or values of the objective have different units.
        - ``unterminated``: the value touches the end of a log that has no final line end.
        - ``cut-line``: a line ends within the value, and the next line begins with the rest; or a line behind the deciding row
          ends so, within or right before a value.
        - ``behind``: the last step is below half of the median last step of the jobs that were not stopped.
        - ``crashed``: a log of the job ends in a traceback, or with a line about lack of memory or a signal.
        - ``dropped-lines``: the log says that lines of the objective, or lines that may be, were left out of it.
        - ``copy``: another job's log in the same folder has the same values at the same places, and counts instead.
        - ``several-streams``: more than one stream of the job has rows of the objective. Of those that have the same values at
          the same places, one counts.
        - ``restarted``: the step goes back, as in a run that was resumed or started again, or jumps far forward once. Without a
          step, a metric that counts does so, or the first lines of the log stand in it again.
        - ``incomplete``: the last of several runs in a log came less than half as far as another.
        - ``values-per-step``: nearly every step has several different values, and one of each counts.
        - ``step-missing``: many rows have no step, or far more rows than the step has share its rows.
        - ``running``: the job is in progress, so that its value is that of now.
        - ``sentinel``: the value probably stands for a missing one, such as the greatest number of a type.
    message : str
        What was found.
    path : str or None
        The log; None if the rows come from tables without logs.
    line : int or None
        From 1; None if it is not known.
    offset : int or None
        The byte of the decompressed log at which the record starts, or the value if only that is known.
    """

    kind: DoubtKind
    message: str
    path: str | None = None
    line: int | None = None
    offset: int | None = None


class Doubts(NamedTuple):
    """The doubts of many jobs, those of a job in the order of their kinds.

    Attributes
    ----------
    job : int array
        The number of the job of each, in ascending order.
    kind : int8 array
        The number of its kind in :data:`KINDS`.
    structs : pyarrow.StructArray
        With the fields of :class:`Doubt`.
    """

    job: Array
    kind: Array
    structs: pa.StructArray

    def jobs_with(self, kinds: Sequence[str]) -> Array:
        """The numbers of the jobs that have a doubt of one of these kinds."""
        return np.unique(self.job[np.isin(self.kind, [number for number, kind in enumerate(KINDS) if kind in kinds])])

    def as_column(self, index: Array) -> pa.Array:
        """The doubts of the jobs with these numbers, as a column of :data:`TYPE`."""
        if not len(self.job):
            return pa.ListArray.from_arrays(pa.array(np.zeros(len(index) + 1, dtype=np.int32)), self.structs, type=TYPE)
        size = int(index.max(initial=-1)) + 1
        own = np.bincount(self.job[self.job < size], minlength=size)
        begin, counts = (np.cumsum(own) - own)[index], own[index]
        offsets = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(counts)))
        at = np.repeat(begin - offsets[:-1], counts) + np.arange(offsets[-1])
        return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), self.structs.take(pa.array(at)), type=TYPE)


def doubts_of_jobs(
    outcomes: Outcomes,
    objective: Objective,
    names: pa.Array,
    streams: pa.Array,
    steps: StepFacts | None = None,
    twice: Sequence[Copy] = (),
    *,
    evidence: Evidence | None,
    reached: Array,
    stopped: Array,
    running: Array,
    logs: Callable[[], Mapping[str, Sequence[Log]]],
    parts: Mapping[str, PartFound] | None = None,
) -> Doubts:
    """The doubts of all jobs that have some.

    Parameters
    ----------
    outcomes : Outcomes
    objective : Objective
    names, streams : pyarrow.Array of string
        Names of the jobs and the streams, by number.
    steps : StepFacts, optional
        What the rows of the step say.
    twice : sequence of Copy
        The jobs whose logs are those of others.
    evidence : Evidence or None
        What the scan noted; None for tables of unknown origin.
    reached : float64 array
        The last step of each job; NaN if it has none.
    stopped : bool array
        Whether the status of each job is Stopped.
    running : bool array
        Whether the status of each job is InProgress.
    logs : callable
        Returns the logs of jobs by name; called only if a doubt needs a path.
    parts : mapping of str to Found, optional
        The values of the metrics of a formula at the deciding rows.
    """
    finding = _Finding(outcomes, objective, names, streams, logs, parts or {})
    if steps is not None:
        finding.behind(reached, stopped)
    if running.any():
        finding.running(running)
    finding.several_streams()
    for one in twice:
        finding.copy(one)
    if steps is not None:
        finding.of_steps(steps)
    finding.add_all(of_divergences(outcomes, objective.metric))
    finding.add_all(of_sentinels(outcomes))
    if evidence is not None:
        finding.of_logs(evidence)
        finding.restarts_in_logs(evidence)
        for metric in objective.metrics:
            if len(evidence.units.get(metric, ())) > 1:
                finding.units(metric, evidence)
    return finding.all()


def from_struct(struct: Mapping[str, object]) -> Doubt:
    """The doubt of one element of the column."""
    return Doubt(**struct)  # type: ignore[arg-type]


class _Deciding(NamedTuple):
    """The deciding row of a job, and the first row of its window: each by stream, part and start."""

    job: int
    stream: str
    part: int
    start: int
    line: int
    offset: int
    first: tuple[str, int, int]


class _Finding:
    """Collects the doubts of jobs."""

    def __init__(
        self,
        outcomes: Outcomes,
        objective: Objective,
        names: pa.Array,
        streams: pa.Array,
        logs: Callable[[], Mapping[str, Sequence[Log]]],
        parts: Mapping[str, PartFound],
    ) -> None:
        self.found: dict[int, list[Doubt]] = {}
        # what many jobs may have: job numbers, kinds, and the fields of the struct
        self._columns: list[tuple[Array, Array, tuple[pa.Array, ...]]] = []
        self._outcomes = outcomes
        self._objective = objective
        self._names = names
        self._streams = streams
        self._logs = logs
        self._scope = parse_scope(objective.scope)
        # of a formula, the values at the deciding row alone are examined
        self._is_window = self._scope.is_window and objective.formula is None
        self._parts = parts
        self._left_out: dict[tuple[int, str, int], set[int]] | None = None
        self._known: Mapping[str, Sequence[Log]] | None = None

    def behind(self, reached: Array, stopped: Array) -> None:
        """Jobs whose last step is below half of the median last step of those that were not stopped."""
        counting = reached[~np.isnan(reached) & ~stopped]
        median = float(np.median(counting)) if len(counting) else 0.0
        if median <= 0:
            return
        behind = np.flatnonzero(reached < median / 2)
        if not behind.size:
            return
        rows = {int(job): number for number, job in enumerate(self._outcomes.job.tolist())}
        for job in behind.tolist():
            message = f"its last step, {reached[job]:g}, is below half of the median last step, {median:g}"
            number = rows.get(job)
            self._add(job, "behind", message, None if number is None else self._deciding(number))

    def running(self, running: Array) -> None:
        """Jobs that are in progress and have a value."""
        one = self._outcomes
        for number in np.flatnonzero(running[one.job] & (one.status != MISSING)).tolist():
            message = "the job is in progress: its value is the one that it has now"
            self._add(int(one.job[number]), "running", message, self._deciding(number))

    def of_steps(self, steps: StepFacts) -> None:
        """What the steps of jobs, and the values at them, say."""
        one = self._outcomes
        deciding = np.full(len(self._names), -1)
        deciding[one.job] = one.stream
        self.add_all(of_returns(steps.returns, self._objective.restarts, deciding, self._streams.to_pylist()))
        self.add_all(of_jumps(steps.jumps, steps.returns, self._objective.restarts))
        self.add_all(of_values(one, steps, self._objective))

    def add_all(self, found: Iterable[Found]) -> None:
        """Add doubts, each at its own place or at the deciding row."""
        one = self._outcomes
        for some in found:
            if not len(some.job):
                continue
            if some.place is None:
                at = np.searchsorted(one.job, some.job)
                places = tuple(column[at] for column in (one.stream, one.part, one.line, one.offset))
                unknown = one.status[at] == MISSING
            else:
                places, unknown = some.place, np.zeros(len(some.job), dtype=bool)
            stream, part, line, offset = places
            kinds = pa.array([some.kind]).take(pa.array(np.zeros(len(some.job), dtype=np.int64)))
            fields = (
                *(kinds, some.message, self._paths_of(some.job, stream, part, unknown)),
                *(pa.array(column.astype(np.int64), mask=unknown) for column in (line, offset)),
            )
            self._columns.append((some.job, np.full(len(some.job), KINDS.index(some.kind), dtype=np.int8), fields))

    def all(self) -> Doubts:
        """All that were added."""
        # the metrics of a formula may raise the same doubt
        singles = [(job, doubt) for job, doubts in self.found.items() for doubt in dict.fromkeys(doubts)]
        fields = zip(*(doubt for _, doubt in singles), strict=True) if singles else [[]] * len(TYPE.value_type)
        numbers = {kind: number for number, kind in enumerate(KINDS)}
        columns = [
            (
                np.array([job for job, _ in singles], dtype=np.int64),
                np.array([numbers[doubt.kind] for _, doubt in singles], dtype=np.int8),
                tuple(
                    pa.array(list(values), field.type) for values, field in zip(fields, TYPE.value_type, strict=True)
                ),
            ),
            *self._columns,
        ]
        job, kind = (np.concatenate([column[number] for column in columns]) for number in range(2))
        structs = pa.StructArray.from_arrays(
            [pa.concat_arrays(parts) for parts in zip(*(column[2] for column in columns), strict=True)],
            fields=list(TYPE.value_type),
        )
        order = np.argsort(job.astype(np.int64) * len(KINDS) + kind, kind="stable")
        return Doubts(job[order], kind[order], structs.take(pa.array(order)))

    def copy(self, one: Copy) -> None:
        """A job whose log is that of another, which counts."""
        original = self._names[one.original].as_py()
        about = f"{one.rows:,} values of {self._objective.metric}, at the same places"
        message = f"the log has the same {about}, as that of {original}: {original} counts"
        self.found.setdefault(one.job, []).append(Doubt("copy", message, one.path))

    def several_streams(self) -> None:
        """Jobs of which more than one stream has rows of the objective, or several have the same ones."""
        one = self._outcomes
        for number in np.flatnonzero(one.streams + one.copied_streams > 1).tolist():
            row = self._deciding(number)
            count, copied = int(one.streams[number]), int(one.copied_streams[number])
            message = f"{count + copied:,} streams have rows of {self._objective.metric}"
            if copied and count == 1:
                rows = int(one.rows[number])
                message = f"{copied + 1:,} streams have the same {rows:,} values of {self._objective.metric}, at the same places"
            elif copied:
                message += f", {copied:,} of them the same values at the same places as another, which counts"
            if row is not None:
                what = "that counts is" if copied and count == 1 else "with the deciding row is"
                message += f"; the one {what} {row.stream!r}" if copied else f"; the deciding row is in {row.stream!r}"
            self._add(int(self._outcomes.job[number]), "several-streams", message, row)

    def units(self, metric: str, evidence: Evidence) -> None:
        """All jobs with a value: numbers in different units cannot be compared."""
        units = evidence.units[metric]
        shown = ", ".join(f"{repr(unit.text) if unit.text else 'none'} ({unit.path}:{unit.line})" for unit in units[:3])
        more = f" and {len(units) - 3} more" if len(units) > 3 else ""
        message = f"values of {metric} have different units: {shown}{more}"
        second = units[1]
        for job in self._outcomes.job[self._outcomes.status != MISSING].tolist():
            self.found.setdefault(job, []).append(Doubt("cut-value", message, second.path, second.line, second.offset))

    def of_logs(self, evidence: Evidence) -> None:
        """What the scan noted of logs: crashes, and what it noted of the objective."""
        if not evidence.logs:
            return
        numbers = {name: job for job, name in enumerate(self._names.to_pylist())}
        rows = {int(job): number for number, job in enumerate(self._outcomes.job.tolist())}
        cut: dict[int, list[tuple[int, str, str, int]]] = {}
        near: dict[tuple[int, str, str], tuple[int, LogEvidence]] = {}
        for (name, stream, part), noted in evidence.logs.items():
            job = numbers.get(name)
            if job is None:
                continue
            if noted.crash is not None:
                self._crashed(job, noted.path, noted.crash)
            for metric in self._objective.metrics:
                suspects = noted.suspects.get(metric)
                row = self._deciding(rows[job], metric) if suspects is not None and job in rows else None
                if suspects is None or row is None:
                    continue
                if suspects.last_near_miss is not None:
                    key = job, metric, stream
                    near[key] = max(near.get(key, (part, noted)), (part, noted), key=lambda one: one[0])
                self._near_miss(row, stream, part, noted, suspects)
                self._unterminated(row, stream, part, noted, suspects)
                self._dropped(row, stream, part, noted, suspects)
                self._cut_line(row, stream, part, noted, suspects)
                if self._is_window:
                    starts = suspects.cut_starts[self._in_window(row, stream, part, suspects.cut_starts)].tolist()
                else:
                    is_there = (stream, part) == (row.stream, row.part)
                    starts = [row.start] if is_there and suspects.is_cut(row.start) else []
                if starts:
                    cut.setdefault(rows[job], []).append((len(starts), noted.path, stream, starts[0]))
        for number, parts in cut.items():
            self._cut(number, parts)
        self._diverged(near)

    def restarts_in_logs(self, evidence: Evidence) -> None:
        """Where the scan found that a program was started again. It counts only without a step, which else tells."""
        found: dict[str, list[tuple[str, str, Restart]]] = {}
        for (name, stream, _), noted in evidence.logs.items():
            for one in noted.restarts if self._objective.step is None else ():
                if one.metric is None or one.metric in self._objective.metrics:
                    found.setdefault(name, []).append((stream, noted.path, one))
        of_job = self._outcomes.job
        for name, job in zip(found, pc.index_in(pa.array(found, pa.string()), self._names).to_pylist(), strict=True):
            number = len(of_job) if job is None else int(np.searchsorted(of_job, job))
            row = self._deciding(number) if number < len(of_job) and of_job[number] == job else None
            if row is not None:
                _, path, one = min(found[name], key=lambda of_log: of_log[0] != row.stream)
                doubt = Doubt("restarted", one.message, path, one.line, one.offset)
                self.found.setdefault(row.job, []).append(doubt)

    def _crashed(self, job: int, path: str, crash: Crash) -> None:
        ends = {
            "traceback": "ends in a traceback",
            "out-of-memory": "ends with a lack of memory",
            "signal": "ends with a signal",
        }[crash.kind]
        message = f"the log {ends}: {crash.text}"
        self.found.setdefault(job, []).append(Doubt("crashed", message, path, crash.line, crash.offset))

    def _diverged(self, near: Mapping[tuple[int, str, str], tuple[int, LogEvidence]]) -> None:
        """Jobs of which a stream ends with a near miss that says nan or inf; given are the last parts with near misses."""
        some = {key: one for key, one in near.items() if one[1].suspects[key[1]].is_not_finite}
        if not some:
            return
        ends, streams, outcomes = self._outcomes.ends, self._streams.to_pylist(), self._outcomes
        places = zip(ends.part.tolist(), ends.offset.tolist(), strict=True)
        keys = zip(ends.job.tolist(), (streams[one] for one in ends.stream.tolist()), strict=True)
        last = dict(zip(keys, places, strict=True))
        found = outcomes.status == FOUND
        deciding = dict(zip(outcomes.job[found].tolist(), outcomes.stream[found].tolist(), strict=True))
        known = set(ends.job[~np.isfinite(ends.value)].tolist())
        for (job, metric, stream), (part, noted) in sorted(
            some.items(), key=lambda one: (one[0][0], streams[deciding.get(one[0][0], 0)] != one[0][2])
        ):
            place = noted.suspects[metric].last_near_miss
            if (
                place is None
                or job in known
                or job not in deciding
                or (part, place[1]) <= last.get((job, stream), _END)
            ):
                continue
            known.add(job)
            message = f"line {place[0]:,} says that its last {metric} is not finite: the job has diverged"
            self.found.setdefault(job, []).append(Doubt("diverged", message, noted.path, *place))

    def _near_miss(
        self, row: _Deciding, stream: str, part: int, noted: LogEvidence, suspects: SuspectsOfMetric
    ) -> None:
        if suspects.last_near_miss is None or stream != row.stream:
            return
        line, offset = suspects.last_near_miss
        if (part, offset) > (row.part, row.offset):
            message = f"line {line:,} gives no row, and would if the value could be any text that stands for a number"
            self.found.setdefault(row.job, []).append(Doubt("near-miss-after", message, noted.path, line, offset))

    def _unterminated(
        self, row: _Deciding, stream: str, part: int, noted: LogEvidence, suspects: SuspectsOfMetric
    ) -> None:
        start = suspects.unterminated_start
        if start is not None and self._in_window(row, stream, part, np.array([start], dtype=np.int64))[0]:
            message = "the value touches the end of the log, which has no final line end"
            is_deciding = (stream, part, start) == (row.stream, row.part, row.start)
            place = (row.line, row.offset) if is_deciding else (None, start)
            self.found.setdefault(row.job, []).append(Doubt("unterminated", message, noted.path, *place))

    def _dropped(self, row: _Deciding, stream: str, part: int, noted: LogEvidence, suspects: SuspectsOfMetric) -> None:
        dropped = suspects.dropped
        if dropped is None:
            return
        # a first row is not changed by lines that are missing behind it, nor a last one by those before it
        at, deciding = (part, dropped.last[1]), (row.part, row.offset)
        if stream == row.stream and self._scope.kind == "last" and at < deciding:
            return
        if stream == row.stream and self._scope.kind == "first" and (part, dropped.first[1]) > deciding:
            return
        lines = "1 line is" if dropped.lines == 1 else f"{dropped.lines:,} lines are"
        records = "1 record" if dropped.records == 1 else f"{dropped.records:,} records"
        message = f"{lines} missing in the log, as {records} of {dropped.writer} say: {dropped.remedy}"
        message = message.replace(f"1 record of {dropped.writer} say", f"1 record of {dropped.writer} says")
        self.found.setdefault(row.job, []).append(Doubt("dropped-lines", message, noted.path, *dropped.first))

    def _cut_line(self, row: _Deciding, stream: str, part: int, noted: LogEvidence, suspects: SuspectsOfMetric) -> None:
        if suspects.last_cut_line is None:
            return
        line, offset = suspects.last_cut_line
        starts = suspects.cut_line_starts[self._in_window(row, stream, part, suspects.cut_line_starts)].tolist()
        place: tuple[int | None, int]
        if starts:
            message = "the line ends within the value, and the next line begins with the rest"
            is_deciding = (stream, part) == (row.stream, row.part) and row.start in starts
            place = (row.line, row.offset) if is_deciding else (None, starts[0])
        elif stream == row.stream and (part, offset) > (row.part, row.offset):
            message = f"line {line:,} ends within or right before a value, and the next line begins with the rest"
            place = line, offset
        else:
            return
        self.found.setdefault(row.job, []).append(Doubt("cut-line", message, noted.path, *place))

    def _cut(self, number: int, parts: Sequence[tuple[int, str, str, int]]) -> None:
        row = self._deciding(number)
        assert row is not None
        count = sum(some for some, *_ in parts)
        path, start = parts[0][1], parts[0][3]
        if self._is_window:
            some = "1 value that counts is" if count == 1 else f"{count:,} values that count are"
            doubt = Doubt("cut-value", f"{some} only a part of what stands in the log", path, None, start)
        else:
            doubt = Doubt("cut-value", "the value is only a part of what stands in the log", path, row.line, row.offset)
        self.found.setdefault(row.job, []).append(doubt)

    def _in_window(self, row: _Deciding, stream: str, part: int, starts: Array) -> Array:
        """Which of the values that start at these places of a log count for the job's value."""
        if not self._is_window:
            is_there = (stream, part) == (row.stream, row.part)
            return (starts == row.start) if is_there else np.zeros(len(starts), dtype=bool)
        inside = self._between(row, stream, part, starts)
        left_out = self._left_out_of(row.job, stream, part)
        if left_out:
            inside &= ~np.isin(starts, list(left_out))
        return inside

    def _left_out_of(self, job: int, stream: str, part: int) -> set[int]:
        """The starts of the rows of a log that do not count, though they may lie in the window."""
        if self._left_out is None:
            self._left_out = {}
            for number, of_stream, of_part, start in zip(
                *(column.tolist() for column in self._outcomes.left_out), strict=True
            ):
                key = (number, self._streams[of_stream].as_py(), of_part)
                self._left_out.setdefault(key, set()).add(start)
        return self._left_out.get((job, stream, part), set())

    def _between(self, row: _Deciding, stream: str, part: int, starts: Array) -> Array:
        """Which of the values that start at these places of a log lie in the window of the job's value."""
        if self._scope.kind == "mean" and self._objective.from_step is None:
            return np.ones(len(starts), dtype=bool)
        first_stream, first_part, first_start = row.first
        if row.stream == first_stream or stream in (row.stream, first_stream):
            inside = np.full(len(starts), stream in (row.stream, first_stream))
            if stream == first_stream:
                inside &= (starts >= first_start) if part == first_part else part > first_part
            if stream == row.stream:
                inside &= (starts <= row.start) if part == row.part else part < row.part
            return inside
        between = natural(first_stream) < natural(stream) < natural(row.stream)
        return np.full(len(starts), between)

    def _deciding(self, number: int, metric: str | None = None) -> _Deciding | None:
        """The deciding row of a job; with a metric, the row of that metric of a formula from which its value was made."""
        one = self._outcomes
        if one.status[number] == MISSING:
            return None
        part_of = None if metric is None or self._objective.formula is None else self._parts.get(metric)
        if part_of is not None and part_of.there[number]:
            stream = self._stream(part_of.stream, number)
            columns = (part_of.part, part_of.start, part_of.line, part_of.offset)
            part, start, line, offset = (int(column[number]) for column in columns)
            return _Deciding(int(one.job[number]), stream, part, start, line, offset, (stream, part, start))
        first = (self._stream(one.first_stream, number), int(one.first_part[number]), int(one.first_start[number]))
        part, start, line, offset = (int(column[number]) for column in (one.part, one.start, one.line, one.offset))
        return _Deciding(int(one.job[number]), self._stream(one.stream, number), part, start, line, offset, first)

    def _stream(self, numbers: Array, at: int) -> str:
        name: str = self._streams[int(numbers[at])].as_py()
        return name

    def _add(self, job: int, kind: DoubtKind, message: str, row: _Deciding | None) -> None:
        """Add a doubt at the deciding row."""
        place = (None, None, None) if row is None else (self._path(row.job, row.stream, row.part), row.line, row.offset)
        self.found.setdefault(job, []).append(Doubt(kind, message, *place))

    def _paths_of(self, job: Array, stream: Array, part: Array, unknown: Array) -> pa.Array:
        """The path of each log."""
        names, streams = self._names.take(pa.array(job)).to_pylist(), self._streams.take(pa.array(stream)).to_pylist()
        paths = map(self._path_of, names, streams, part.tolist())
        return pc.if_else(pa.array(unknown), pa.scalar(None, pa.string()), pa.array(list(paths), pa.string()))

    def _path(self, job: int, stream: str, part: int) -> str | None:
        return self._path_of(self._names[job].as_py(), stream, part)

    def _path_of(self, job: str, stream: str, part: int) -> str | None:
        if self._known is None:
            self._known = self._logs()
        logs = self._known.get(job, ())
        return next((log.path for log in logs if (log.stream, log.part) == (stream, part)), None)
