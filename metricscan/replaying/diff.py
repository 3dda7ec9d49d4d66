"""What differs between two datasets, or between what two lists of definitions find in the same logs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metricscan.datasets.dataset import Dataset
from metricscan.datasets.row_difference import MetricDifference, RowComparison
from metricscan.definitions.blocks import BLOCK, RUN
from metricscan.definitions.objective import Objective
from metricscan.errors import OptionError, SourceError, check_kind
from metricscan.logs.compression import MAX_DECOMPRESSED
from metricscan.logs.job import Notice, is_read_once
from metricscan.logs.survey import given_paths
from metricscan.ranking.ranking import rank
from metricscan.ranking.ranking_difference import RankingDifference, ranking_difference
from metricscan.replaying.replay import replay
from metricscan.scanning.scanner import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metricscan.datasets.row_difference import RowSample
    from metricscan.scanning.options import InputFormat

#: How many rows of each kind are shown for each metric and job.
SAMPLES = 3


@dataclass(slots=True)
class Difference:
    """What differs between two datasets.

    Attributes
    ----------
    metrics : dict of str to MetricDifference
        The metrics of both, in the order of the first one; labels are among them.
    jobs : (list of str, list of str)
        The jobs that only the first dataset has, and those that only the second one has.
    ranking : RankingDifference or None
        None unless both have an objective.
    errors : list of SourceError
        The logs that could not be read.
    notices : list of Notice
        What to know about the comparison.
    paths : (dict, dict)
        The paths of the logs of both, by job, stream and part.
    """

    metrics: dict[str, MetricDifference]
    jobs: tuple[list[str], list[str]]
    ranking: RankingDifference | None
    errors: list[SourceError]
    notices: list[Notice]
    paths: tuple[dict[tuple[str, str, int], str], dict[tuple[str, str, int], str]]

    def path_of(self, job: str, sample: RowSample) -> str | None:
        """The log in which a row of a job stands: that of the first dataset, if it has the row."""
        return self.paths[sample.kind == "won"].get((job, sample.stream, sample.part))

    @property
    def differs(self) -> bool:
        """Whether there is a row, a metric, a job or a place in the ranking that differs."""
        rows = any(one.differs for one in self.metrics.values())
        return rows or any(self.jobs) or (self.ranking is not None and self.ranking.differs)


def diff(
    a: Any,
    b: Any,
    *,
    on: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | None = None,
    objective: Objective | tuple[Objective | None, Objective | None] | None = None,
    samples: int = SAMPLES,
    threads: int | None = None,
    job: str = "auto",
    include: str | Sequence[str] = (),
    exclude: str | Sequence[str] = (),
    input_format: InputFormat = "auto",
    follow_links: bool = False,
    max_decompressed: int = MAX_DECOMPRESSED,
) -> Difference:
    """Compare two datasets, or what two lists of definitions find in the same logs.

    A row is the same in both if its metric, job, stream, part and record (the offset of its line) are. Rows of one metric in one
    record are paired by the places where their values start; those that are left, in their order. Of paired rows the values are
    compared, exactly; NaN equals NaN. Lines and times are not compared.

    Parameters
    ----------
    a, b : path
        Datasets, journals, or folders of jobs that ``metricscan run`` started, as :class:`Dataset` opens them. With ``on``:
        definitions, as :class:`Scanner` takes them, or scanners.
    on : path or iterable of path, optional
        Logs, as :func:`replay` takes them: both definitions are applied to them, and what they find is kept in a temporary folder
        meanwhile.
    objective : Objective, or a pair of them, optional
        By what to rank the jobs of both, or of each; by default by the objectives of the datasets, with their conditions.
    samples : int
        How many rows of each kind are kept for each metric and job.
    threads, job, include, exclude, input_format, follow_links, max_decompressed
        How to find and read the logs of ``on``, as :func:`replay` takes them.

    Returns
    -------
    Difference

    Raises
    ------
    SourceError
        A dataset cannot be read.
    OptionError
        An invalid option, an objective that is not among the metrics, or logs that can be read only once.
    DefinitionError
        Invalid definitions.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> log = pathlib.Path(tempfile.mkdtemp()) / "a.log"
    >>> _ = log.write_text("loss=0.5\\nloss=-0.25\\n")
    >>> found = diff(["loss=loss=([0-9.]+)"], ["loss=loss=(-?[0-9.]+)"], on=log)
    >>> found.differs, found.metrics["loss"].won, found.metrics["loss"].equal
    (True, 1, 1)
    >>> found.metrics["loss"].jobs["a"].samples[0].line
    2
    """
    for one in objective if isinstance(objective, tuple) else (objective,):
        if one is not None:
            check_kind(one, Objective)
    if on is None:
        return _between(Dataset(a), Dataset(b), objective, samples)
    from tempfile import TemporaryDirectory

    paths = [*given_paths(on)]
    once = next((path for path in (os.fspath(one) for one in paths) if is_read_once(path)), None)
    if once is not None:
        what = "standard input" if once == "-" else once
        raise OptionError(f"{what} can be read only once, and both definitions read the logs", hint="save it to a file")
    scanners = [one if isinstance(one, Scanner) else Scanner(one) for one in (a, b)]
    how: dict[str, Any] = {
        "threads": threads,
        "job": job,
        "include": include,
        "exclude": exclude,
        "input_format": input_format,
        "follow_links": follow_links,
        "max_decompressed": max_decompressed,
    }
    objectives = objective if isinstance(objective, tuple) else (objective, objective)
    with TemporaryDirectory(prefix="metricscan-diff-") as folder:
        for name, scanner, wanted in zip("ab", scanners, objectives, strict=True):
            out = os.path.join(folder, name)
            replay(paths, scanner, objective=wanted, out=out, format="arrow", keep=False, sync=False, **how)
        first, second = (Dataset(os.path.join(folder, name)) for name in "ab")
        return _between(first, second, objective, samples, on_logs=True)


def _between(
    a: Dataset,
    b: Dataset,
    objective: Objective | tuple[Objective | None, Objective | None] | None,
    samples: int,
    *,
    on_logs: bool = False,
) -> Difference:
    notices = [*_of_logs(a, b)] if on_logs else [*_of_datasets(a, b)]
    noted = [error for one in (a, b) for error in one.manifest.get("errors", [])] if on_logs else []
    # a log that cannot be read is an error of both
    errors = list({str(one): _error(one) for one in noted}.values())
    names = [name for name in dict.fromkeys((*a, *b)) if name not in (BLOCK, RUN)]
    comparison = RowComparison(a, b, samples=samples)
    metrics = {name: comparison.of(name) for name in names}
    jobs = [{one.name: None for one in dataset.facts} for dataset in (a, b)]
    alone = [name for name in jobs[0] if name not in jobs[1]], [name for name in jobs[1] if name not in jobs[0]]
    first, second = (
        {(one.name, log.stream, log.part): log.path for one in dataset.jobs for log in one.logs} for dataset in (a, b)
    )
    return Difference(metrics, alone, _of_rankings(a, b, objective, notices), errors, notices, (first, second))


def _of_rankings(
    a: Dataset,
    b: Dataset,
    given: Objective | tuple[Objective | None, Objective | None] | None,
    notices: list[Notice],
) -> RankingDifference | None:
    wanted = given if isinstance(given, tuple) else (given, given)
    objectives = [one.objective if own is None else own for one, own in zip((a, b), wanted, strict=True)]
    first, second = objectives
    if first is None or second is None:
        if first is not second:
            which = "first" if second is None else "second"
            notices.append(Notice(f"only the {which} one has an objective: rankings are not compared"))
        return None
    rankings = []
    for one, objective in zip((a, b), (first, second), strict=True):
        conditions: dict[str, Any] = {}
        noted = one.objective
        if noted is not None and (noted.metric, noted.goal) == (objective.metric, objective.goal):
            conditions = {
                "completed_only": one.completed_only,
                "min_step": one.min_step,
                "exclude_doubts": one.exclude_doubts,
            }
        rankings.append(rank(one, objective, **conditions))
    return ranking_difference(rankings[0], rankings[1], (first, second))


def _of_datasets(a: Dataset, b: Dataset) -> Iterable[Notice]:
    for one in (a, b):
        errors = one.manifest.get("errors", [])
        if errors:
            more = f" and {len(errors) - 1:,} more" if len(errors) > 1 else ""
            message = f"the replay of {one.path} could not read all of its input: {errors[0]['message']}{more}"
            yield Notice(message, one.path)
    names = [{job.name for job in one.facts} for one in (a, b)]
    if all(names) and not names[0] & names[1]:
        yield Notice(
            "the two have no job in common, so no row is in both: jobs are named by the paths that were searched, or by --job"
        )


def _of_logs(a: Dataset, b: Dataset) -> Iterable[Notice]:
    sizes = [{(one["path"], one["stream"]): one["bytes"] for one in each.manifest["sources"]} for each in (a, b)]
    changed = [path for (path, stream), size in sizes[0].items() if sizes[1].get((path, stream)) != size]
    if changed or len(sizes[0]) != len(sizes[1]):
        what = f"{changed[0]} changed" if changed else "logs appeared"
        yield Notice(
            f"{what} between the two readings: what differs may be due to that", changed[0] if changed else None
        )
    for notice in a.manifest.get("notices", []):
        yield Notice(notice["message"], notice.get("path"))


def _error(noted: dict[str, Any]) -> SourceError:
    return SourceError(noted["message"], path=noted["path"], offset=noted["offset"])
