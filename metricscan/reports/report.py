"""A report: a page that shows a ranking, the curves behind it, and how far both can be trusted."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from metricscan.reports.page import page_html
from metricscan.reports.page_data import page_data
from metricscan.reports.writing import write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from metricscan.definitions.objective import Objective
    from metricscan.ranking.ranking import Known


def report(
    tables: Mapping[str, pa.Table] | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    objective: Objective | None = None,
    completed_only: bool | None = None,
    min_step: float | None = None,
    exclude_doubts: str | Sequence[str] | None = None,
    jobs: Iterable[Known] | None = None,
    worker: str | Sequence[str] = (),
    carry: bool | str | Sequence[str] = False,
    title: str | None = None,
    logs: bool = True,
) -> None:
    """Write a page about a replay: winner, ranking, curves, hyperparameters, doubts, definitions.

    The page is one HTML file. It holds its data and its script, loads nothing, and can be opened from a disk or sent to others.
    The extra ``report`` installs Bokeh, whose script draws the curves.

    Parameters
    ----------
    tables : mapping of str to pyarrow.Table, or path
        A dataset, its path, or a :class:`Replay` that kept its rows. A dataset is read metric by metric.
    path : path
        The file to write. It appears only when it is complete.
    objective : Objective, optional
        By default that of the replay. Without one, the page has no winner and no ranks.
    completed_only, min_step, exclude_doubts
        Which jobs get a rank, as :func:`rank` takes them. By default as in the replay, if its objective is used.
    jobs : iterable of Job, optional
        As :func:`rank` takes them.
    worker, carry
        What distinguishes the workers of a job, each of which gets a curve, as :func:`curve` takes it. In a metric that shares no
        record with them a job has one curve.
    title : str, optional
        By default the objective's metric and the name of the dataset.
    logs : bool
        Whether the page shows lines of the logs, where these are still there: the one that decided with its neighbours, and
        near misses.

    Raises
    ------
    OptionError
        An option is invalid, a metric does not exist, or Bokeh is not installed.
    SourceError
        The dataset cannot be read, or the page cannot be written.
    LookupError
        The rows of the replay were not kept.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from metricscan import Objective, Scanner, replay
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.log").write_text("loss=3\\nloss=2\\n")
    >>> found = replay(folder, Scanner(["loss=loss=(.)"]), objective=Objective("loss", "Minimize"))
    >>> report(found, folder / "report.html")
    >>> (folder / "report.html").read_text()[:15]
    '<!DOCTYPE html>'
    """
    data = page_data(
        tables,
        objective=objective,
        completed_only=completed_only,
        min_step=min_step,
        exclude_doubts=exclude_doubts,
        jobs=jobs,
        worker=worker,
        carry=carry,
        title=title,
        logs=logs,
    )
    write_whole(os.fspath(path), page_html(data).encode("utf-8"))
