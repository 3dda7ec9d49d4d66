"""Tuning requests on the command line: read, with their warnings printed, and answered as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from metricscan.cli import documents
from metricscan.cli.options import printed_warnings

if TYPE_CHECKING:
    from metricscan.replaying.outcome import Replay
    from metricscan.sagemaker import TuningRequest
    from metricscan.scanning.scanner import Scanner


def requested(path: str, algorithm: str | None, **options: Any) -> tuple[TuningRequest, Scanner]:
    """Read a tuning request, and compile the scanner of its metrics."""
    from metricscan.errors import DefinitionWarning
    from metricscan.sagemaker import RequestWarning, load_request
    from metricscan.sagemaker.scanners import scanner_of

    with printed_warnings(DefinitionWarning, RequestWarning):
        request = load_request(path, algorithm=algorithm)
        return request, scanner_of(request, **options)


def print_description(request: TuningRequest, result: Replay, *, float32: bool) -> None:
    """Print what DescribeHyperParameterTuningJob would answer, as JSON.

    The values of other metrics that were asked for stand beside the best training job, as ``at_best``: the service has none.
    """
    import pyarrow.compute as pc

    from metricscan.ranking.at_best import from_row
    from metricscan.sagemaker import TuningJob, as_json

    tuned = TuningJob(request, result, float32=float32)
    answer = dict(as_json(tuned.describe()))
    best = tuned.best()
    if result.ranking is not None and best is not None:
        # the service knows no failed values, so its best job may be another than that of the ranking
        (row,) = result.ranking.filter(pc.equal(result.ranking["job"], best.original)).to_pylist()
        if there := documents.values_there(from_row(row)):
            answer["at_best"] = there
    click.echo(json.dumps(answer, indent=2, allow_nan=False))
