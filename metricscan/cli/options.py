"""The options that commands share, and the scanner that they describe."""

from __future__ import annotations

import contextlib
import functools
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from metricscan.cli.terminal import spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from metricscan.scanning.options import InputFormat
    from metricscan.scanning.scanner import Scanner


class Wanted(NamedTuple):
    """What to search for, from the options."""

    definitions: tuple[str, ...]
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    algorithm: str | None


class Reading(NamedTuple):
    """How to find and read logs, from the options."""

    newline: str | None
    matches: str
    escape: str
    ansi: str
    untamed: str
    input_format: InputFormat
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    follow_links: bool

    @property
    def of_scanner(self) -> dict[str, Any]:
        """The values that are options of a Scanner."""
        return {name: getattr(self, name) for name in ("newline", "matches", "escape", "ansi", "untamed")}


def bundle(name: str, kind: type[Any], *options: Callable[..., Any]) -> Callable[..., Any]:
    """Make a decorator that adds options to a command, which gets their values as one argument, a NamedTuple of type ``kind``."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(**given: Any) -> Any:
            return function(**{name: kind(**{field: given.pop(field) for field in kind._fields})}, **given)

        for option in reversed(options):
            called = option(called)
        return called

    return decorate


#: Adds the options that say what to search for; the command gets them as ``wanted``.
wanted_options = bundle(
    "wanted",
    Wanted,
    click.option(
        "-d",
        "--definitions",
        metavar="FILE",
        multiple=True,
        help="Metric definitions: a JSON or YAML file. Can be repeated.",
    ),
    click.option(
        "-m", "--metric", "metrics", metavar="NAME=REGEX", multiple=True, help="A metric definition. Can be repeated."
    ),
    click.option(
        "--label",
        "labels",
        metavar="NAME=REGEX",
        multiple=True,
        help="A definition that identifies workers: the captured text is kept, not read as a number. Can be repeated.",
    ),
    click.option(
        "--algorithm",
        metavar="NAME",
        help="The metrics of a built-in algorithm of SageMaker; metricscan algorithms lists them.",
    ),
)

#: Adds the options that say how to find and read logs; the command gets them as ``reading``.
reading_options = bundle(
    "reading",
    Reading,
    click.option(
        "--newline",
        type=click.Choice(["universal", "lf"]),
        help=r"What ends a record: \n, \r\n and \r (universal), or \n alone (lf).  "
        "[default: universal; lf under --escape syslog]",
    ),
    click.option(
        "--matches",
        type=click.Choice(["all", "first", "last"]),
        default="all",
        show_default=True,
        help="Which matches of a definition in one record to use.",
    ),
    click.option(
        "--escape",
        type=click.Choice(["none", "syslog"]),
        default="none",
        show_default=True,
        help="syslog: write control characters as SageMaker's logs do (TAB as #011) before matching.",
    ),
    click.option(
        "--ansi",
        type=click.Choice(["keep", "strip"]),
        default="keep",
        show_default=True,
        help="strip: remove terminal escape sequences before matching.",
    ),
    click.option(
        "--untamed",
        type=click.Choice(["warn", "refuse", "allow"]),
        default="warn",
        show_default=True,
        help="What to do with a regex that Python must run and that is not ReDoS-safe (its time on one record has no "
        "practical bound): print a warning and use it, refuse all definitions, or use it without a warning.",
    ),
    click.option(
        "--input-format",
        type=click.Choice(["auto", "plain", "cloudwatch-json", "cloudwatch-csv", "s3-export", "docker-json", "cri"]),
        default="auto",
        show_default=True,
        help="Format of the logs: text, exported log events, or containers' logs. auto detects the format of each log.",
    ),
    click.option(
        "--include", metavar="GLOB", multiple=True, help="In folders, read only the files that match. Can be repeated."
    ),
    click.option(
        "--exclude", metavar="GLOB", multiple=True, help="In folders, skip the files that match. Can be repeated."
    ),
    click.option(
        "--follow-links", is_flag=True, help="Search folders elsewhere to which links in the given ones lead."
    ),
)

job_option = click.option(
    "--job",
    metavar="RULE",
    default="auto",
    show_default=True,
    help="Which logs form one job: auto (known layouts), file (each file), dir (each folder), or a REGEX on the path.",
)
jobs_file_option = click.option(
    "--jobs",
    "jobs_file",
    metavar="FILE",
    help="Facts about jobs, as CSV or JSON lines: job or path, status, hyperparameters.",
)
json_option = click.option("--json", "print_json", is_flag=True, help="Print the result as JSON.")
threads_option = click.option(
    "--threads", metavar="N", type=click.IntRange(min=1), help="Number of threads.  [default: one per core]"
)


def compiled(wanted: Wanted, reading: Reading, objective: str | None = None) -> Scanner:
    """Compile the scanner that the options describe, and print its warnings."""
    from metricscan.definitions.definition import read_definitions
    from metricscan.errors import DefinitionWarning
    from metricscan.scanning.scanner import Scanner

    definitions, metrics, labels, algorithm = wanted
    if not definitions and not metrics and algorithm is None:
        raise click.UsageError("no metric definitions: give --definitions FILE, -m NAME=REGEX or --algorithm NAME")
    source: Any
    if len(definitions) == 1 and not metrics and algorithm is None:
        # given as a path, so that errors name the file
        source = definitions[0]
    else:
        source = list(metrics)
        if algorithm is not None:
            source = [*built_in(algorithm, None if definitions or metrics else objective), *source]
        for path in reversed(definitions):
            read = read_definitions(path)
            read = read.get("MetricDefinitions", read) if isinstance(read, dict) else read
            if not isinstance(read, list):
                # the scanner reports the error of this file alone
                source = path
                break
            source = [*read, *source]
    with printed_warnings(DefinitionWarning):
        return Scanner(source, labels=labels, **reading.of_scanner)


def built_in(algorithm: str, objective: str | None) -> Sequence[Any]:
    """The definitions of a built-in algorithm; where metrics share a regex, only that of the objective."""
    from metricscan.sagemaker import definitions

    return definitions(algorithm, objective=objective)


@contextlib.contextmanager
def printed_warnings(*kinds: type[Warning]) -> Iterator[None]:
    """Print the warnings of these categories that the block raises."""
    with warnings.catch_warnings(record=True) as caught:
        for kind in kinds:
            warnings.simplefilter("always", kind)
        yield
    for warning in caught:
        click.echo(f"metricscan: warning: {spelled(str(warning.message))}", err=True)
