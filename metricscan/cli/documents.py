"""JSON that several commands print: the same content under the same key; NaN and infinities as the datasets write them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pyarrow as pa

    from metricscan.errors import SourceError
    from metricscan.logs.job import Notice, Survey
    from metricscan.ranking.at_best import AtBest
    from metricscan.ranking.doubts import Doubt
    from metricscan.scanning.stats import MetricStats, ScanStats


def print_document(document: Mapping[str, Any]) -> None:
    """Print one JSON object."""
    click.echo(json.dumps(document, indent=2, allow_nan=False))


def number(value: float | None) -> Any:
    """The number as a JSON value; NaN and infinities as strings."""
    from metricscan.datasets.formats import json_number

    return json.loads(json_number(value))


def ranked(ranking: pa.Table) -> list[dict[str, Any]]:
    """A ranking, one object per job."""
    from metricscan.ranking.at_best import PREFIX, from_row

    rows: list[dict[str, Any]] = ranking.to_pylist()
    for row in rows:
        row["value"], row["step"] = number(row["value"]), number(row["step"])
        row["hyperparameters"] = dict(row["hyperparameters"])
        there = from_row(row)
        for key in [key for key in row if key.startswith(PREFIX)]:
            del row[key]
        if there:
            row["at_best"] = values_there(there)
    return rows


def values_there(there: Mapping[str, AtBest | None]) -> dict[str, Any]:
    """The values of other metrics where a job's value was decided, by metric; null for one without a value."""
    return {
        name: None if one is None else {**one._asdict(), "value": number(one.value), "step": number(one.step)}
        for name, one in there.items()
    }


def winner(
    job: str,
    value: float,
    path: str | None,
    stream: str,
    line: int,
    offset: int,
    hyperparameters: Mapping[str, str],
    part: int,
    doubts: Iterable[Doubt],
    at_best: Mapping[str, AtBest | None],
) -> dict[str, Any]:
    """The best job and its deciding row."""
    there = {"at_best": values_there(at_best)} if at_best else {}
    place = {"path": path, "stream": stream, "part": part, "line": line, "offset": offset}
    found = [doubt._asdict() for doubt in doubts]
    return {"job": job, "value": value, **place, "hyperparameters": dict(hyperparameters), "doubts": found, **there}


def conditions(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a job had to fulfil to get a rank."""
    return {**given, "exclude_doubts": list(given["exclude_doubts"])}


def counts(metric: MetricStats) -> dict[str, Any]:
    """The counts of one metric."""
    return {
        **metric.counts(),
        "samples": [sample._asdict() for sample in metric.samples],
        "suspects": [suspect._asdict() for suspect in metric.suspects],
        "units": {unit: suspect._asdict() for unit, suspect in metric.units.items()},
    }


def totals(found: Survey, stats: ScanStats, errors: Iterable[SourceError], notices: Iterable[Notice]) -> dict[str, Any]:
    """What was read, what was skipped, and what could not be read."""
    return {
        **counts_of_files(found),
        "bytes": stats.bytes,
        "records": stats.records,
        **({"undecoded": stats.undecoded} if stats.undecoded else {}),
        **({"without_message": stats.without_message} if stats.without_message else {}),
        "cut_off": stats.cut_off,
        **({"too_long": stats.too_long} if stats.too_long else {}),
        "errors": source_errors(errors),
        "notices": [one._asdict() for one in notices],
    }


def counts_of_files(found: Survey) -> dict[str, Any]:
    """How many logs were found, and what was skipped."""
    return {
        "logs": sum(len(one.logs) for one in found.jobs),
        "skipped": {
            "by_name": found.skipped_by_name,
            "binary": found.skipped_binary,
            "not_regular": found.skipped_not_regular,
            **({"archives": found.skipped_archives} if found.skipped_archives else {}),
            **({"links": found.skipped_links} if found.skipped_links else {}),
            **({"copies": found.skipped_copies} if found.skipped_copies else {}),
            **({"names": found.skipped_names} if found.skipped_names else {}),
        },
    }


def source_errors(errors: Iterable[SourceError]) -> list[dict[str, Any]]:
    """What could not be found or read."""
    return [{"path": error.path, "offset": error.offset, "message": str(error)} for error in errors]
