"""The ranking of all jobs, from partial rankings: what decided each, and what can only be told of all jobs together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from metricscan.errors import OptionError
from metricscan.fleet.gathered import Gathered
from metricscan.logs.natural import natural_ranks
from metricscan.ranking import ranking
from metricscan.ranking.conditions import Conditions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metricscan.ranking.ranking import Known


def rank_partials(
    partials: pa.Table | Iterable[pa.Table],
    *,
    jobs: Iterable[Known] | None = None,
    completed_only: bool = False,
    min_step: float | None = None,
    exclude_doubts: str | Sequence[str] = (),
) -> pa.Table:
    """Rank the jobs of partial rankings.

    Parameters
    ----------
    partials : pyarrow.Table, or iterable of pyarrow.Table
        As :func:`decide` and :func:`merge_partials` give them; of several, in any order.
    jobs : iterable of Job, optional
        Jobs to rank even if they have no log, with their status and hyperparameters.
    completed_only, min_step, exclude_doubts
        As :func:`metricscan.rank` takes them.

    Returns
    -------
    pyarrow.Table
        What :func:`metricscan.replay` of all logs on one machine has in ``ranking``, doubts included.

    Raises
    ------
    OptionError
        Logs of a job are missing, workers had other versions or other definitions, the partial rankings were made for different
        objectives, or a condition is invalid.
    SourceError
        A log was read twice, and had changed in between.

    Examples
    --------
    >>> from metricscan import Objective, Scanner
    >>> from metricscan.fleet import decide, scan_batch
    >>> logs = pa.table({"path": ["a", "b"], "bytes": [b"acc=0.5\\nacc=0.7", b"acc=0.6"]})
    >>> partial = decide(scan_batch(logs, Scanner(["acc=acc=([0-9.]+)"])), Objective("acc", "Maximize"))
    >>> rank_partials(partial).select(["rank", "job", "value"]).to_pylist()
    [{'rank': 1, 'job': 'a', 'value': 0.7}, {'rank': 2, 'job': 'b', 'value': 0.6}]
    """
    gathered = Gathered([partials] if isinstance(partials, (pa.Table, pa.RecordBatch)) else partials)
    if gathered.asked is None:
        raise OptionError("there is no partial ranking, so nothing says what the objective is")
    objective, _ = gathered.asked
    if objective is None:
        raise OptionError("the partial rankings were made without an objective")
    conditions = Conditions.checked(objective, completed_only, min_step, exclude_doubts)
    given = {one.name: one for one in jobs or ()}
    names, own = gathered.names, len(gathered.names)
    if given:
        # those of partial rankings come first
        names = pc.unique(pa.concat_arrays([names, pa.array(given, pa.string())]))
    numbers = natural_ranks(names)
    names = names.take(pa.array(np.argsort(numbers, kind="stable")))
    decided = gathered.decided(numbers[:own])
    return ranking.order(
        decided.outcomes,
        objective,
        names,
        gathered.streams,
        given,
        decided.step_facts,
        conditions,
        evidence=gathered.evidence,
        logs=gathered.logs,
        at_best=decided.at_best,
    )
