"""Why jobs are missing in a ranking: for each job the reason that its own logs show, for jobs with the same reason together."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from metricscan.definitions.surroundings import surroundings
from metricscan.logs.exports import text_head
from metricscan.logs.job import is_read_once
from metricscan.patterns.dialect import compile_quietly, value_group
from metricscan.replaying.diagnosis import (
    CUT_OFF,
    MOST_BYTES,
    Text,
    about_literals,
    as_seen,
    counted_rows,
    found_otherwise,
    only_with,
    place_in,
    sample_at,
    time_again,
    undecided,
    unparsed_samples,
    with_other_options,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from metricscan.logs.job import Job
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.stats import ScanStats

# So many jobs are examined: opening their logs takes time, too.
MOST_JOBS = 1_000
_NOT_EXAMINED = "not examined"
# Of a log at least so much is read, however many jobs are missing.
_LEAST_BYTES = 64 << 10


class Missing(NamedTuple):
    """Jobs that are missing for the same reason.

    Attributes
    ----------
    jobs : tuple of str
    reason : str
        Why the objective has no row that counts.
    sample : str
        What stands in a log of the first of them, and where; may be empty.
    """

    jobs: tuple[str, ...]
    reason: str
    sample: str


def why_missing(
    scanner: Scanner, ranking: pa.Table, jobs: Iterable[Job], metric: str, input_format: str, stats: ScanStats
) -> list[Missing]:
    """Find the reasons why jobs are missing.

    Parameters
    ----------
    scanner : Scanner
    ranking : pyarrow.Table
    jobs : iterable of Job
        The ranked jobs, with their logs. The logs of the missing ones are read again: those of at most 1,000 jobs, and 64 MiB in
        all. Logs that can be read only once, and streams that share an export, are not.
    metric : str
        The objective metric.
    input_format : str
        The format of the logs.
    stats : ScanStats
        The counts of the scan of all logs.

    Returns
    -------
    list of Missing
        The reason of the most jobs first; jobs that were not examined come last.
    """
    known = {job.name: job for job in jobs}
    lacking = [
        (row["job"], row["rows"])
        for row in ranking.select(["job", "rows", "objective_status"]).to_pylist()
        if row["objective_status"] == "missing"
    ]
    examining = _Examining(scanner.sharing_regex_time(time_again(stats)), metric, input_format, len(lacking))
    groups: dict[str, tuple[list[str], str]] = {}
    for number, (name, rows) in enumerate(lacking):
        if rows:
            reason, sample = "none of its rows counts under the scope", ""
        elif name not in known or not known[name].logs:
            reason, sample = "there is no log", ""
        elif number >= MOST_JOBS:
            reason, sample = f"{_NOT_EXAMINED}: the logs of the first {MOST_JOBS:,} jobs were read again", ""
        else:
            reason, sample = examining.reason(known[name])
        groups.setdefault(reason, ([], sample))[0].append(name)
    found = [Missing(tuple(names), reason, sample) for reason, (names, sample) in groups.items()]
    return sorted(found, key=lambda one: (one.reason.startswith(_NOT_EXAMINED), -len(one.jobs)))


class _Examining:
    """Examines jobs one after the other, until enough bytes are read."""

    def __init__(self, scanner: Scanner, metric: str, input_format: str, jobs: int) -> None:
        self._scanner = scanner
        self._metric = metric
        self._input_format = input_format
        self._left = MOST_BYTES
        self._most_of_a_log = max(MOST_BYTES // max(min(jobs, MOST_JOBS), 1), _LEAST_BYTES)
        self._alone = scanner.with_options([one for one in scanner.definitions if one.name == metric], scanner.options)
        self._others = with_other_options(scanner, [metric])
        around = (surroundings(one.regex) for one in self._alone.definitions)
        self._relaxed = [compile_quietly(one.relaxed) for one in around if one is not None and one.relaxed is not None]
        self._literals = next(one.literals for one in scanner.explain() if metric in one.names)

    def reason(self, job: Job) -> tuple[str, str]:
        """Why a job has no row, and a sample."""
        reason, sample = self._reason(job)
        if any(log.superseded for log in job.logs):
            reason = f"of its attempts the last counts, and has none: {reason}"
        return reason, sample

    def _reason(self, job: Job) -> tuple[str, str]:
        own = [log.path for log in job.logs if log.within is None and not log.superseded]
        paths = [path for path in own if not is_read_once(path)]
        if not paths:
            return "its logs cannot be read again to see why", ""
        if self._left <= 0:
            return f"{_NOT_EXAMINED}: {MOST_BYTES >> 20} MiB of logs were read again", ""
        texts, is_cut = self._texts(paths)
        if not any(text.raw for text in texts):
            return "its logs are empty or unreadable", ""
        refused = None
        reasons: dict[str, str] = {}
        rows = 0
        for text in texts:
            running = self._alone.watching_batches(text.raw, threads=1)
            for _ in running:
                pass
            found = running.stats.metrics[self._metric]
            rows += found.rows
            if found.unparsed:
                place = place_in(text, found.samples[0].line) if found.samples else text.path
                reasons.setdefault("it captured texts that are not numbers", unparsed_samples(found, place))
            reasons |= dict.fromkeys(undecided(found), "")
            near = next((one for one in found.suspects if one.kind == "near-miss"), None)
            if refused is None and near is not None:
                refused = self._value_in(near.text), sample_at(text, near.text, near.line)
        otherwise = {} if rows else found_otherwise(self._others, texts)
        if rows:
            reasons[CUT_OFF] = ""
        elif otherwise:
            options, others = otherwise[self._metric]
            reasons[only_with(options)] = counted_rows(others)
        elif refused is not None or not reasons:
            where = "in the part that was read again" if is_cut else "in the logs"
            reason, sample = about_literals(self._literals, texts, where, counted=False, refused=refused)
            reasons[reason] = sample
        return "; ".join(reasons), next(filter(None, reasons.values()), "")

    def _value_in(self, near_miss: str) -> str:
        """The text that stands in the place of the value; all of the near miss if that cannot be told from it alone."""
        for regex in self._relaxed:
            match = regex.search(near_miss)
            if match is not None and match[value_group(regex)]:
                return str(match[value_group(regex)])
        return near_miss

    def _texts(self, paths: Sequence[str]) -> tuple[list[Text], bool]:
        texts: list[Text] = []
        is_cut = False
        for path in paths:
            most = min(self._left, self._most_of_a_log)
            if most <= 0:
                return texts, True
            raw, format_ = text_head(path, self._input_format, most)
            is_cut |= len(raw) == most
            self._left -= len(raw)
            texts.append(Text(path, raw, as_seen(raw, self._scanner.options), format_ != "plain"))
        return texts, is_cut
