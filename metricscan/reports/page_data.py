"""What a page shows, as one JSON object: the ranking, the winner, the curves, and how all of it was made."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from metricscan.datasets.dataset import Dataset
from metricscan.definitions.blocks import BLOCK, RUN
from metricscan.definitions.objective import Objective
from metricscan.errors import check_kind
from metricscan.logs.members import counted
from metricscan.ranking.at_best import PREFIX
from metricscan.ranking.copies import messages_of_copies
from metricscan.ranking.ranking import ranked
from metricscan.ranking.scopes import compare_scopes
from metricscan.ranking.tables import is_label, opened_tables
from metricscan.ranking.unknown_doubts import messages_of_unknown
from metricscan.reports.packing import embedded, number
from metricscan.reports.page_curves import FIRST_JOBS, page_curves
from metricscan.reports.page_curves import MOST_JOBS as MOST_DRAWN
from metricscan.reports.page_jobs import (
    MOST_DOUBTS,
    MOST_JOBS,
    MOST_PARAMETERS,
    doubts_of,
    job_columns,
    meanings,
    other_columns,
    parameter_columns,
    unranked,
)
from metricscan.reports.page_logs import suspects_of, winner_of
from metricscan.reports.wording import COUNTS, STATUSES, rule_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from metricscan.ranking.ranking import Known
    from metricscan.scanning.stats import ScanStats

VERSION = 1
#: The bytes of a page's data, where its jobs and their hyperparameters leave that much for the curves.
MOST_BYTES = 5_000_000
#: What the curves of a page get in any case.
_LEAST_OF_CURVES = 1_000_000
# Columns of other metrics in the table, and errors and notices on the page.
_MOST_OTHERS, _MOST_LISTED = 20, 200


def page_data(
    tables: Mapping[str, pa.Table] | str | os.PathLike[str],
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
    source: str | None = None,
    stats: ScanStats | None = None,
) -> dict[str, Any]:
    """Gather what a page shows.

    Parameters
    ----------
    tables, objective, completed_only, min_step, exclude_doubts, jobs, worker, carry, title, logs
        As :func:`metricscan.report` takes them.
    source : str, optional
        What the rows come from; by default the path of the dataset.
    stats : ScanStats, optional
        The counts of the scan, with texts that gave no row; by default those of a :class:`Replay`.

    Returns
    -------
    dict
        Of JSON types.
    """
    opened = opened_tables(tables)
    noted = getattr(opened, "manifest", {})
    is_noted = objective is None
    if objective is not None:
        check_kind(objective, Objective)
    elif noted.get("objective"):
        objective = Objective(**noted["objective"])
    conditions = _conditions(noted if is_noted else {}, completed_only, min_step, exclude_doubts)
    labels = getattr(opened, "labels", None)
    values = [name for name in opened if name not in (BLOCK, RUN) and not _is_text(opened, name, labels)]
    step = None if objective is None else objective.step
    metrics = [name for name in values if name != step]
    known = list(jobs) if jobs is not None else None
    ranking, notices = _ranked(opened, objective, conditions, metrics, known, values)
    evidence = getattr(opened, "evidence", None)
    notices += [] if evidence is None else messages_of_unknown(evidence, objective)
    notices += [one["message"] if isinstance(one, dict) else one.message for one in _list(opened, noted, "notices")]
    errors = [one if isinstance(one, dict) else _error(one) for one in _list(opened, noted, "errors")]
    parameters, same, left_out = parameter_columns(ranking)
    columns = job_columns(ranking)
    notes = _notes(ranking, left_out)
    data: dict[str, Any] = {
        "version": VERSION,
        "title": title or _title(opened, objective),
        "step_name": step,
        "source": _source(source or getattr(opened, "path", None), noted),
        "objective": None,
        "jobs": columns,
        "statuses": meanings(STATUSES, columns),
        "parameters": parameters,
        "same": same,
        "others": other_columns(ranking),
        "winner": None,
        "scopes": [],
        "doubts": doubts_of(ranking),
        "counts": _counts(opened, noted),
        "count_meanings": {name: list(texts) for name, texts in COUNTS.items()},
        "suspects": suspects_of(opened, noted, stats or getattr(opened, "stats", None), logs=logs),
        "errors": errors[:_MOST_LISTED],
        "error_count": len(errors),
        "notices": list(dict.fromkeys(notices))[:_MOST_LISTED],
        "made": _made(opened, noted, conditions),
        "notes": notes,
    }
    if objective is not None:
        data["objective"] = {**asdict(objective), "metrics": objective.metrics, "rule": rule_of(objective, conditions)}
        data["winner"] = winner_of(opened, ranking, objective, noted, _options(noted), logs=logs)
        scopes = compare_scopes(opened, objective, jobs=known, **conditions).to_pylist()
        data["scopes"] = [
            {name: one if isinstance(one, str) else number(one) for name, one in row.items()} for row in scopes
        ]
    how: dict[str, Any] = {"step": step, "carry": carry}
    if objective is not None and step is not None:
        of_steps = {"step_place": objective.step_place, "per_step": objective.per_step, "restarts": objective.restarts}
        how |= of_steps
    budget = max(MOST_BYTES - len(embedded(data)), _LEAST_OF_CURVES)
    workers = (worker,) if isinstance(worker, str) else tuple(worker)
    names = ranking["job"].to_pylist()
    data["curves"] = page_curves(opened, metrics, names, budget=budget, worker=workers, **how)
    notes += _notes_of_curves(data["curves"], ranking.num_rows)
    return data


def _conditions(
    noted: Mapping[str, Any],
    completed_only: bool | None,
    min_step: float | None,
    exclude_doubts: str | Sequence[str] | None,
) -> dict[str, Any]:
    """What a job must fulfil to get a rank; what is not given is as in the replay, if its objective is used."""
    if isinstance(exclude_doubts, str):
        exclude_doubts = (exclude_doubts,)
    return {
        "completed_only": noted.get("completed_only", False) if completed_only is None else completed_only,
        "min_step": noted.get("min_step") if min_step is None else min_step,
        "exclude_doubts": tuple(noted.get("exclude_doubts", ())) if exclude_doubts is None else exclude_doubts,
    }


def _is_text(opened: Mapping[str, pa.Table], name: str, labels: Sequence[str] | None) -> bool:
    return is_label(opened[name]) if labels is None else name in labels


def _ranked(
    opened: Mapping[str, pa.Table],
    objective: Objective | None,
    conditions: Mapping[str, Any],
    metrics: Sequence[str],
    jobs: Sequence[Known] | None,
    values: Sequence[str],
) -> tuple[pa.Table, list[str]]:
    if objective is None:
        known: Iterable[Known] = getattr(opened, "facts", ()) or getattr(opened, "jobs", ()) if jobs is None else jobs
        names: dict[str, None] = {}
        for name in values if not known else ():
            names |= dict.fromkeys(pc.unique(opened[name]["job"]).to_pylist())
        return unranked(names, known), []
    others = [name for name in metrics if name not in objective.metrics][:_MOST_OTHERS]
    ranking, counts = ranked(opened, objective, jobs=jobs, at_best=others, **conditions)
    return ranking, [*counts.messages(objective), *messages_of_copies(ranking)]


def _list(opened: Mapping[str, Any], noted: Mapping[str, Any], name: str) -> Sequence[Any]:
    found: Sequence[Any] = noted.get(name, ()) or getattr(opened, name, ())
    return found


def _error(error: Any) -> dict[str, Any]:
    return {"path": error.path, "offset": error.offset, "message": str(error)}


def _title(opened: Mapping[str, pa.Table], objective: Objective | None) -> str:
    from pathlib import Path

    path = getattr(opened, "path", None)
    what = "metrics" if objective is None else objective.metric
    return what if path is None else f"{what} · {Path(path).resolve().name}"


def _source(path: str | None, noted: Mapping[str, Any]) -> dict[str, Any]:
    sources = noted.get("sources", ())
    sizes = [one["bytes"] for one in sources if "bytes" in one]
    return {
        "path": path,
        "logs": len(sources),
        "bytes": sum(sizes) if sizes else None,
        "records": sum(one.get("records", 0) for one in sources) if sizes else None,
    }


def _counts(opened: Mapping[str, pa.Table], noted: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The counts of each metric, as far as they are known, with its regex."""
    regexes = {one["Name"]: one["Regex"] for one in noted.get("definitions", ())} | dict(noted.get("labels", {}))
    counts = noted.get("counts", {})
    found = []
    for name in opened:
        own = {kind: counts.get(name, {}).get(kind) for kind in COUNTS}
        if own["rows"] is None:
            own["rows"] = _rows(opened, name)
        labels = getattr(opened, "labels", ()) or noted.get("labels", ())
        found.append({"metric": name, "regex": regexes.get(name), "is_label": name in labels, **own})
    return found


def _rows(opened: Mapping[str, pa.Table], name: str) -> int:
    if isinstance(opened, Dataset):
        return sum(batch.num_rows for batch in opened.batches(name))
    return int(opened[name].num_rows)


def _options(noted: Mapping[str, Any]) -> dict[str, str]:
    return dict(noted.get("options", {}))


def _made(opened: Mapping[str, pa.Table], noted: Mapping[str, Any], conditions: Mapping[str, Any]) -> dict[str, Any]:
    from metricscan import __version__

    return {
        "metricscan": __version__,
        "dataset": noted.get("metricscan"),
        "format": noted.get("format"),
        "fingerprint": noted.get("fingerprint"),
        "input_format": noted.get("input_format"),
        "options": _options(noted),
        "conditions": {**conditions, "exclude_doubts": list(conditions["exclude_doubts"])},
    }


def _notes(ranking: pa.Table, left_out: int) -> list[str]:
    """What the page leaves out, in sentences."""
    notes = []
    if ranking.num_rows > MOST_JOBS:
        notes.append(f"The table lists the first {MOST_JOBS:,} of {ranking.num_rows:,} jobs.")
    if left_out:
        names = counted(left_out, "more hyperparameter")
        notes.append(f"The table has columns for {MOST_PARAMETERS} hyperparameters; {names} differ between jobs.")
    doubts = int(pc.sum(pc.list_value_length(ranking["doubts"])).as_py() or 0)
    if doubts > MOST_DOUBTS:
        notes.append(f"The messages of the first {MOST_DOUBTS:,} of {doubts:,} doubts are listed.")
    others = sum(name.startswith(PREFIX) for name in ranking.column_names)
    if others >= 2 * _MOST_OTHERS:
        notes.append(f"The table has columns for {_MOST_OTHERS} other metrics.")
    return notes


def _notes_of_curves(curves: Sequence[Mapping[str, Any]], jobs: int) -> list[str]:
    notes = []
    drawn = min((one["jobs"] for one in curves), default=0)
    if drawn < jobs:
        which = f"first {min(drawn, MOST_DRAWN):,} of {jobs:,} jobs"
        notes.append(f"Curves are drawn of the {which}, in the order of the ranking.")
    thin = [one for one in curves if one["points"][0] > one["points"][1]]
    if thin:
        least, most = min(one["most"][0] for one in thin), max(one["most"][1] for one in thin)
        points = f"{least:,} points" if least == most else f"{least:,} points ({most:,} of the first {FIRST_JOBS} jobs)"
        notes.append(
            f"Long curves are thinned to at most {points}. Their ends stay, and of each stretch between them the least and the "
            "greatest value, and the first one that is not finite."
        )
    apart = [one["metric"] for one in curves if one["together"]]
    if apart:
        notes.append(f"Workers are not told apart in {', '.join(apart)}: no record has both.")
    return notes
