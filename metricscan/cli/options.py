"""The options that commands share, and the scanner that they describe."""

from __future__ import annotations

import contextlib
import functools
import re
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from metricscan.cli.terminal import message_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from metricscan.scanning.options import InputFormat
    from metricscan.scanning.scanner import Scanner


def size_bytes(text: str) -> int:
    """Read a number of bytes, also with K, M, G or T behind it: powers of 1,024.

    >>> size_bytes("500000"), size_bytes("64M"), size_bytes("1.5 GiB")
    (500000, 67108864, 1610612736)
    """
    match = re.fullmatch(r"(\d{1,12}(?:\.\d{1,12})?)\s*([kmgt]?)(?:i?b)?", text.strip(), re.IGNORECASE | re.ASCII)
    size = 0
    if match is not None:
        size = int(float(match[1]) * 1024 ** ("kmgt".index(match[2].lower()) + 1 if match[2] else 0))
    if size < 1:
        from metricscan.errors import quoted

        raise click.BadParameter(
            f"{quoted(text)} is not a size: a number of bytes such as 500000, 64M or 10G was expected"
        )
    return size


def record_bytes(text: str) -> int:
    """Read the greatest size of a record.

    >>> record_bytes("1M")
    1048576
    """
    from metricscan.errors import OptionError
    from metricscan.scanning.options import check_max_record_bytes

    size = size_bytes(text)
    try:
        check_max_record_bytes(size)
    except OptionError as error:
        raise click.BadParameter(error.message.partition(": ")[2]) from None
    return size


class Wanted(NamedTuple):
    """What to search for, from the options."""

    definitions: tuple[str, ...]
    metrics: tuple[str, ...]
    labels: tuple[str, ...]
    algorithm: str | None


_OF_SCANNER = ("newline", "matches", "escape", "ansi", "untamed", "max_record_bytes")


class Reading(NamedTuple):
    """How to find and read logs, from the options."""

    newline: str | None
    matches: str
    escape: str
    ansi: str
    untamed: str
    max_record_bytes: int
    input_format: InputFormat
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    follow_links: bool
    max_decompressed: int

    @property
    def of_scanner(self) -> dict[str, Any]:
        """The values that are options of a Scanner."""
        return {name: getattr(self, name) for name in _OF_SCANNER}


class FollowReading(NamedTuple):
    """How to find logs that grow, and to read them, from the options."""

    newline: str | None
    matches: str
    escape: str
    ansi: str
    untamed: str
    max_record_bytes: int
    input_format: str
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    follow_links: bool

    @property
    def of_scanner(self) -> dict[str, Any]:
        """The values that are options of a Scanner."""
        return {name: getattr(self, name) for name in _OF_SCANNER}


class Matching(NamedTuple):
    """How to match, from the options."""

    newline: str | None
    matches: str
    escape: str
    ansi: str
    untamed: str
    max_record_bytes: int

    @property
    def of_scanner(self) -> dict[str, Any]:
        """The values: all are options of a Scanner."""
        return self._asdict()


class Finding(NamedTuple):
    """How to find logs, from the options."""

    input_format: InputFormat
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    follow_links: bool
    max_decompressed: int


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
        help="Metric definitions: JSON, YAML, Python source, a notebook, or a table with tabs. Can be repeated.",
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

max_decompressed_option = click.option(
    "--max-decompressed",
    metavar="SIZE",
    type=size_bytes,
    default="64G",
    show_default=True,
    help="Most bytes that a compressed log, or an archive in total, is decompressed to; more are an error. 10G, for example.",
)

_MATCHING = (
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
        "--max-record-bytes",
        metavar="SIZE",
        type=record_bytes,
        default="64M",
        show_default=True,
        help="A longer record gives no rows, and is counted; 256K at least.",
    ),
)
_SEARCHING = (
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
_FINDING = (
    click.option(
        "--input-format",
        type=click.Choice(["auto", "plain", "cloudwatch-json", "cloudwatch-csv", "s3-export", "docker-json", "cri"]),
        default="auto",
        show_default=True,
        help="Format of the logs: text, exported log events, or containers' logs. auto detects the format of each log.",
    ),
    *_SEARCHING,
    max_decompressed_option,
)
#: Adds the options that say how to find and read logs; the command gets them as ``reading``.
reading_options = bundle("reading", Reading, *_MATCHING, *_FINDING)
#: Adds the options that say how to match; the command gets them as ``matching``.
matching_options = bundle("matching", Matching, *_MATCHING)
#: Adds the options that say how to find logs; the command gets them as ``finding``.
finding_options = bundle("finding", Finding, *_FINDING)
#: Adds the options that say how to find and read logs that grow; the command gets them as ``reading``.
follow_reading_options = bundle(
    "reading",
    FollowReading,
    *_MATCHING,
    click.option(
        "--input-format",
        type=click.Choice(["auto", "plain"]),
        default="auto",
        show_default=True,
        help="auto: detect text, exported log events and containers' logs. plain: read all as text.",
    ),
    *_SEARCHING,
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
    help="Facts about jobs: a table or JSON with job or path, status and hyperparameters, or a document of a tuning tool.",
)
no_sync_option = click.option(
    "--no-sync",
    is_flag=True,
    help="Do not wait until the dataset is on the disk: faster, and a power failure may damage it.",
)
no_csv_guard_option = click.option(
    "--no-csv-guard",
    is_flag=True,
    help="With --format csv: write names and labels that a spreadsheet would take for formulas without a ' before them.",
)
json_option = click.option("--json", "print_json", is_flag=True, help="Print the result as JSON.")
threads_option = click.option(
    "--threads", metavar="N", type=click.IntRange(min=1), help="Number of threads.  [default: one per core]"
)


def compiled(wanted: Wanted, reading: Reading | FollowReading | Matching, objective: str | None = None) -> Scanner:
    """Compile the scanner that the options describe, and print its warnings."""
    from metricscan.definitions.definition import listed
    from metricscan.definitions.files import read_definitions
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
            read, suspicions = read_definitions(path)
            items, errors = listed(read)
            if errors:
                # the scanner reports the error of this file alone
                source = path
                break
            for suspicion in suspicions:
                print_warning(suspicion)
            source = [*items, *source]
    with printed_warnings(DefinitionWarning):
        return Scanner(source, labels=labels, **reading.of_scanner)


def built_in(algorithm: str, objective: str | None) -> Sequence[Any]:
    """The definitions of a built-in algorithm; where metrics share a regex, only that of the objective."""
    from metricscan.sagemaker import definitions

    return definitions(algorithm, objective=objective)


@contextlib.contextmanager
def printed_warnings(*kinds: type[Warning]) -> Iterator[None]:
    """Print the warnings of these categories that the block raises, also if an error follows them."""
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            for kind in kinds:
                warnings.simplefilter("always", kind)
            yield
    finally:
        for warning in caught:
            print_warning(str(warning.message))


def print_warning(text: str) -> None:
    """Print a warning on stderr."""
    click.echo(f"metricscan: warning: {message_lines(text)}", err=True)
