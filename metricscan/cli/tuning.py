"""Tuning requests on the command line: read, with their warnings printed, and answered as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

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
    """Print what DescribeHyperParameterTuningJob would answer, as JSON."""
    from metricscan.sagemaker import TuningJob, as_json

    answer = TuningJob(request, result, float32=float32).describe()
    click.echo(json.dumps(as_json(answer), indent=2, allow_nan=False))
