"""``metricscan audit``: whether logs say what the tuning service reported."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from metricscan.cli.options import printed_warnings
from metricscan.cli.output import EXIT_NOTHING_FOUND, EXIT_WRONG, complain, literal, open_console

if TYPE_CHECKING:
    from metricscan.sagemaker import Audit

_POLICIES_SHOWN = 3


@click.command()
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
@click.option("--matches", type=click.Choice(["all", "first", "last"]), default="all", show_default=True)
@click.option(
    "--newline", type=click.Choice(["universal", "lf"]), help="[default: universal; lf under --escape syslog]"
)
@click.option("--escape", type=click.Choice(["none", "syslog"]), default="none", show_default=True)
@click.option(
    "--input-format",
    type=click.Choice(["auto", "plain", "cloudwatch-json", "cloudwatch-csv", "s3-export"]),
    default="auto",
    show_default=True,
)
@click.option(
    "--job", metavar="RULE", default="auto", show_default=True, help="What one job is: auto, file, dir, or a REGEX."
)
@click.option("--include", metavar="GLOB", multiple=True, help="Files of folders to read. Can be repeated.")
@click.option("--exclude", metavar="GLOB", multiple=True, help="Files of folders to pass over. Can be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
def audit(
    paths: tuple[str, ...],
    tuning_job: str,
    jobs: str | None,
    algorithm: str | None,
    matches: str,
    newline: str | None,
    escape: str,
    input_format: str,
    job: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    as_json: bool,
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
            newline=newline or ("lf" if escape == "syslog" else "universal"),
            matches=matches,
            escape=escape,
            job=job,
            include=include,
            exclude=exclude,
            input_format=input_format,
        )
    for error in result.errors:
        complain(error)
    if as_json:
        click.echo(json.dumps(_document(result), indent=2))
    else:
        _print(result)
    return EXIT_WRONG if result.errors else 0 if result.agrees else EXIT_NOTHING_FOUND


def _print(result: Audit) -> None:
    from rich.table import Table

    console = open_console()
    table = Table("job", "metric", "reported", "in the log", "verdict", "place", box=None, header_style="bold")
    for one in result.findings:
        place = "" if one.path is None or one.line is None else f"{one.path}:{one.line} (byte {one.offset})"
        verdict = f"{one.verdict}, {one.note}" if one.note else one.verdict
        numbers = ("" if number is None else repr(number) for number in (one.reported, one.logged))
        table.add_row(*map(literal, (one.job, one.metric, *numbers, verdict, place)))
    console.print(table)
    console.print(f"Ways of reading, by how many of {result.reported} reported values they explain:")
    for policy in result.policies[:_POLICIES_SHOWN]:
        console.print(f"  {policy.explained:,}  {policy}", soft_wrap=True)


def _document(result: Audit) -> dict[str, object]:
    from metricscan.sink import json_number

    def finite(value: float | None) -> object:
        return json.loads(json_number(value))

    return {
        "agrees": result.agrees,
        "findings": [
            {**one._asdict(), "reported": finite(one.reported), "logged": finite(one.logged)} for one in result.findings
        ],
        "reported": result.reported,
        "policies": [policy._asdict() for policy in result.policies],
        "errors": [{"path": error.path, "offset": error.offset, "message": str(error)} for error in result.errors],
    }
