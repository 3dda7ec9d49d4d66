"""``metricscan audit``: whether logs say what the tuning service reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from metricscan.cli import documents
from metricscan.cli.options import Reading, job_option, json_option, printed_warnings, reading_options, threads_option
from metricscan.cli.output import (
    EXIT_NOTHING_FOUND,
    EXIT_WRONG,
    complain,
    literal,
    new_table,
    open_console,
    print_table,
)

if TYPE_CHECKING:
    from metricscan.sagemaker import Audit

_POLICIES_SHOWN = 3
_JOBS_SHOWN = 5


@click.command(short_help="Tell whether logs say what SageMaker reported of them.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--tuning-job", metavar="FILE", required=True, help="What DescribeHyperParameterTuningJob answered, as JSON."
)
@click.option(
    "--jobs",
    metavar="FILE",
    help="What ListTrainingJobsForHyperParameterTuningJob or DescribeTrainingJob answered, as JSON.",
)
@click.option("--algorithm", metavar="NAME", help="The built-in algorithm, where its image does not tell.")
@reading_options
@job_option
@json_option
@threads_option
def audit(
    paths: tuple[str, ...],
    reading: Reading,
    tuning_job: str,
    jobs: str | None,
    algorithm: str | None,
    job: str,
    print_json: bool,
    threads: int | None,
) -> int:
    """Compare logs with the values that SageMaker reported about them, and tell how it must have read them.

    Exit code 0 if the logs say all that was reported, 1 if not, 2 for wrong use or an unreadable log.
    """
    from metricscan.errors import DefinitionWarning
    from metricscan.sagemaker import RequestWarning, load_request
    from metricscan.sagemaker import audit as run

    with printed_warnings(DefinitionWarning, RequestWarning):
        request = load_request(tuning_job, algorithm=algorithm)
        result = run(
            paths,
            request,
            jobs=jobs,
            job=job,
            include=reading.include,
            exclude=reading.exclude,
            input_format=reading.input_format,
            threads=threads,
            **reading.of_scanner,
        )
    for error in result.errors:
        complain(error)
    if print_json:
        documents.print_document(_document(result))
    else:
        _print(result)
    return EXIT_WRONG if result.errors else 0 if result.agrees else EXIT_NOTHING_FOUND


def _print(result: Audit) -> None:
    console = open_console()
    numbers = ("reported", "in the log")
    table = new_table("job", "metric", *numbers, "verdict", "place", numbers=numbers)
    for one in result.findings:
        place = "" if one.path is None or one.line is None else f"{one.path}:{one.line} (byte {one.offset})"
        verdict = f"{one.verdict}, {one.note}" if one.note else one.verdict
        values = ("" if number is None else repr(number) for number in (one.reported, one.logged))
        table.add_row(*map(literal, (one.job, one.metric, *values, verdict, place)))
    print_table(console, table)
    if result.jobs and any(one.verdict == "no log" for one in result.findings):
        more = ", .." if len(result.jobs) > _JOBS_SHOWN else ""
        names = ", ".join(result.jobs[:_JOBS_SHOWN]) + more
        console.print(f"The logs are those of {names}; --job says what one job is", soft_wrap=True)
    if result.reported:
        console.print(f"Ways of reading, by how many of {result.reported} reported values they explain:")
        for policy in result.policies[:_POLICIES_SHOWN]:
            console.print(f"  {policy.explained:,}  {policy}", soft_wrap=True)


def _document(result: Audit) -> dict[str, object]:
    return {
        "agrees": result.agrees,
        "findings": [
            {
                **one._asdict(),
                "reported": documents.number(one.reported),
                "logged": documents.number(one.logged),
            }
            for one in result.findings
        ],
        "reported": result.reported,
        "policies": [policy._asdict() for policy in result.policies],
        "errors": documents.faults(result.errors),
    }
