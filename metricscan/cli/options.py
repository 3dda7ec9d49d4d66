"""The options that the commands share, and the scanner they describe."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from metricscan.scanner import Scanner


def scan_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say what is searched for, in what."""
    options = [
        click.option("-d", "--definitions", metavar="FILE", help="Metric definitions: a JSON or YAML file."),
        click.option(
            "-m",
            "--metric",
            "metrics",
            metavar="NAME=REGEX",
            multiple=True,
            help="A metric definition. Can be repeated.",
        ),
        click.option(
            "--newline",
            type=click.Choice(["universal", "lf"]),
            help=r"What ends a record: \n, \r\n and \r (universal, the default), or \n alone (lf).",
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
        click.option("--include", metavar="GLOB", multiple=True, help="Files of folders to read. Can be repeated."),
        click.option(
            "--exclude", metavar="GLOB", multiple=True, help="Files of folders to pass over. Can be repeated."
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def compiled(
    definitions: str | None,
    metrics: Sequence[str],
    newline: str | None,
    matches: str,
    escape: str,
    ansi: str,
    untamed: str,
) -> Scanner:
    """Compile the scanner that the options describe; its warnings are printed."""
    from metricscan.definition import read_definitions
    from metricscan.errors import DefinitionWarning
    from metricscan.scanner import Scanner

    if definitions is None and not metrics:
        raise click.UsageError("no metric definitions: give --definitions FILE or -m NAME=REGEX")
    source: Any = definitions
    if metrics:
        source = list(metrics)
        if definitions is not None:
            read = read_definitions(definitions)
            read = read.get("MetricDefinitions", read) if isinstance(read, dict) else read
            source = [*read, *metrics] if isinstance(read, list) else read
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", DefinitionWarning)
        scanner = Scanner(source, newline=newline, matches=matches, escape=escape, ansi=ansi, untamed=untamed)
    for warning in caught:
        click.echo(f"metricscan: warning: {warning.message}", err=True)
    return scanner
