"""The options that the commands share, and the scanner they describe."""

from __future__ import annotations

import contextlib
import functools
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from metricscan.cli.terminal import spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from metricscan.scanning.scanner import Scanner


class Wanted(NamedTuple):
    """What is searched for, as the options say it."""

    definitions: tuple[str, ...]
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    algorithm: str | None


class Reading(NamedTuple):
    """How logs are found and read, as the options say it."""

    newline: str | None
    matches: str
    escape: str
    ansi: str
    untamed: str
    input_format: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]

    @property
    def of_scanner(self) -> dict[str, Any]:
        """Those that are a scanner's."""
        return {name: getattr(self, name) for name in ("newline", "matches", "escape", "ansi", "untamed")}


def bundle(name: str, kind: type[Any], *options: Callable[..., Any]) -> Callable[..., Any]:
    """Make a decorator that adds options to a command, and hands their values over as one tuple of that kind."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(**given: Any) -> Any:
            return function(**{name: kind(**{field: given.pop(field) for field in kind._fields})}, **given)

        for option in reversed(options):
            called = option(called)
        return called

    return decorate


#: Adds the options that say what is searched for: ``wanted``.
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
        help="What tells workers apart: a definition whose text is kept, and not read as a number. Can be repeated.",
    ),
    click.option(
        "--algorithm",
        metavar="NAME",
        help="The metrics of a built-in algorithm of SageMaker: see metricscan algorithms.",
    ),
)

#: Adds the options that say how logs are found and read: ``reading``.
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
        help="Which matches of a record count.",
    ),
    click.option(
        "--escape",
        type=click.Choice(["none", "syslog"]),
        default="none",
        show_default=True,
        help="Write control characters as the service's logs do (TAB as #011) before matching.",
    ),
    click.option(
        "--ansi",
        type=click.Choice(["keep", "strip"]),
        default="keep",
        show_default=True,
        help="Remove terminal escape sequences before matching.",
    ),
    click.option(
        "--untamed",
        type=click.Choice(["warn", "refuse", "allow"]),
        default="warn",
        show_default=True,
        help="What to do with a regex that may take endless time over a record.",
    ),
    click.option(
        "--input-format",
        type=click.Choice(["auto", "plain", "cloudwatch-json", "cloudwatch-csv", "s3-export"]),
        default="auto",
        show_default=True,
        help="What the logs are: text, or exported log events; auto looks at each one.",
    ),
    click.option("--include", metavar="GLOB", multiple=True, help="Files of folders to read. Can be repeated."),
    click.option("--exclude", metavar="GLOB", multiple=True, help="Files of folders to pass over. Can be repeated."),
)

job_option = click.option(
    "--job", metavar="RULE", default="auto", show_default=True, help="What one job is: auto, file, dir, or a REGEX."
)
jobs_file_option = click.option(
    "--jobs", "jobs_file", metavar="FILE", help="CSV or JSON lines: job or path, status, hyperparameters."
)
json_option = click.option("--json", "print_json", is_flag=True, help="Print the outcome as JSON.")
threads_option = click.option(
    "--threads", metavar="N", type=click.IntRange(min=1), help="Threads.  [default: one a core]"
)


def compiled(wanted: Wanted, reading: Reading, objective: str | None = None) -> Scanner:
    """Compile the scanner that the options describe; its warnings are printed."""
    from metricscan.definitions.definition import read_definitions
    from metricscan.errors import DefinitionWarning
    from metricscan.scanning.scanner import Scanner

    definitions, metrics, labels, algorithm = wanted
    if not definitions and not metrics and algorithm is None:
        raise click.UsageError("no metric definitions: give --definitions FILE, -m NAME=REGEX or --algorithm NAME")
    source: Any
    if len(definitions) == 1 and not metrics and algorithm is None:
        # by its path: then faults name it
        source = definitions[0]
    else:
        source = list(metrics)
        if algorithm is not None:
            source = [*built_in(algorithm, None if definitions or metrics else objective), *source]
        for path in reversed(definitions):
            read = read_definitions(path)
            read = read.get("MetricDefinitions", read) if isinstance(read, dict) else read
            if not isinstance(read, list):
                # what is wrong with it is said of it alone
                source = path
                break
            source = [*read, *source]
    with printed_warnings(DefinitionWarning):
        return Scanner(source, labels=labels, **reading.of_scanner)


def built_in(algorithm: str, objective: str | None) -> Sequence[Any]:
    """The definitions of a built-in algorithm; of those that share a regex, the objective's."""
    from metricscan.sagemaker import definitions

    return definitions(algorithm, objective=objective)


@contextlib.contextmanager
def printed_warnings(*kinds: type[Warning]) -> Iterator[None]:
    """Print the warnings of these kinds that come meanwhile."""
    with warnings.catch_warnings(record=True) as caught:
        for kind in kinds:
            warnings.simplefilter("always", kind)
        yield
    for warning in caught:
        click.echo(f"metricscan: warning: {spelled(str(warning.message))}", err=True)
