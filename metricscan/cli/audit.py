"""``metricscan audit``: logs compared with the values that the tuning service reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from metricscan.cli import documents
from metricscan.cli.job_table import Column, print_jobs
from metricscan.cli.options import Reading, job_option, json_option, printed_warnings, reading_options, threads_option
from metricscan.cli.output import (
    EXIT_ERROR,
    EXIT_NOTHING_FOUND,
    complain,
    open_console,
)
from metricscan.reports.names import named

if TYPE_CHECKING:
    from metricscan.sagemaker import Audit

_POLICIES_SHOWN = 3
_JOBS_SHOWN = 5


@click.command(short_help="Compare logs with the values that SageMaker reported.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option(
    "--tuning-job",
    metavar="FILE",
    required=True,
    help="The answer of DescribeHyperParameterTuningJob, or of DescribeTrainingJob about one job.",
)
@click.option(
    "--jobs",
    metavar="FILE",
    help="What was reported: the answer of ListTrainingJobsForHyperParameterTuningJob or DescribeTrainingJob, or any other "
    "file that replay --jobs takes.",
)
@click.option("--algorithm", metavar="NAME", help="The built-in algorithm, if the training image does not identify it.")
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
    """Compare logs with the values that SageMaker reported, and list the ways of reading that explain these values.

    Exit code 0 if the logs agree with every reported value, 1 if not, 2 for wrong usage or an unreadable log.
    """
    from metricscan.errors import DefinitionWarning
    from metricscan.sagemaker import RequestWarning
    from metricscan.sagemaker import audit as run
    from metricscan.sagemaker.auditing import load_audited

    with printed_warnings(DefinitionWarning, RequestWarning):
        request = load_audited(tuning_job, algorithm=algorithm)
        result = run(
            paths,
            request,
            jobs=jobs,
            job=job,
            include=reading.include,
            exclude=reading.exclude,
            follow_links=reading.follow_links,
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
    return EXIT_ERROR if result.errors else 0 if result.agrees else EXIT_NOTHING_FOUND


def _print(result: Audit) -> None:
    console = open_console()
    found = result.findings
    numbers = {"reported": [one.reported for one in found], "in the log": [one.logged for one in found]}
    places = [
        "" if one.path is None or one.line is None else f"{one.path}:{one.line} (byte {one.offset})" for one in found
    ]
    columns = [
        Column("job", [named(one.job) for one in found], least=24),
        Column("metric", [named(one.metric) for one in found]),
        *(
            Column(name, ["" if one is None else repr(one) for one in values], is_number=True)
            for name, values in numbers.items()
        ),
        Column("verdict", [f"{one.verdict}, {one.note}" if one.note else one.verdict for one in found], importance=1),
        Column("place", places, least=16, importance=2),
    ]
    print_jobs(console, columns)
    if result.jobs and any(one.verdict == "no log" for one in result.findings):
        more = ", .." if len(result.jobs) > _JOBS_SHOWN else ""
        names = ", ".join(result.jobs[:_JOBS_SHOWN]) + more
        console.print(f"The logs belong to these jobs: {names}; --job changes which logs form one job", soft_wrap=True)
    if result.reported:
        console.print(
            f"Ways of reading the logs, with the number of reported values (of {result.reported}) that each explains:"
        )
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
        "errors": documents.source_errors(result.errors),
    }
