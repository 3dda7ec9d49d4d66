"""``metricscan check --fix``: the definitions with the regexes that lint suggests, as a diff and as a file."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import click

from metricscan.cli.terminal import one_line, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from metricscan.cli.options import Wanted
    from metricscan.definitions.lint import Finding
    from metricscan.scanning.scanner import Scanner


def better_regexes(findings: Mapping[str, Sequence[Finding]]) -> dict[str, str]:
    """The suggestion of each definition that has one, by name."""
    every = ((name, finding.suggestion) for name, some in findings.items() for finding in some)
    return {name: suggestion for name, suggestion in every if suggestion is not None}


def print_fixed(scanner: Scanner, wanted: Wanted, better: Mapping[str, str]) -> None:
    """Print what changes in each file of definitions and in the options, as a unified diff."""
    for path, before, after in _changes(scanner, wanted, better):
        lines = difflib.unified_diff(
            before.splitlines(keepends=True), after.splitlines(keepends=True), one_line(path), one_line(path)
        )
        for line in lines:
            click.echo(spelled(line), nl=not line.endswith("\n"))
            if not line.endswith("\n"):
                click.echo("\\ No newline at end of file")
    if not better:
        click.echo("no definition has a better regex")


def write_fixed(scanner: Scanner, wanted: Wanted, better: Mapping[str, str], out: str, *, overwrite: bool) -> None:
    """Write the definitions to a file: in the format of the one file that was given, else as a list in JSON.

    Raises
    ------
    SourceError
        The file exists already and is not to be replaced, or it cannot be written.
    """
    from metricscan.definitions.files import read_text
    from metricscan.definitions.rewriting import in_json, rewritten, write_whole

    files = wanted.definitions
    if len(files) == 1 and not wanted.metrics and wanted.algorithm is None:
        text, keeps_format = rewritten(read_text(files[0]), files[0], better)
        if not keeps_format:
            click.echo(
                f"notice: {one_line(out)} is a list in JSON: {one_line(files[0])} could not be changed in place",
                err=True,
            )
    else:
        metrics = [one for one in scanner.definitions if one.name not in scanner.labels]
        text = in_json([one._replace(regex=better.get(one.name, one.regex)) for one in metrics])
    write_whole(out, text, overwrite=overwrite)


def _changes(scanner: Scanner, wanted: Wanted, better: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """What stands where before and after the change: files, and the definitions that the options give."""
    from metricscan.definitions.definition import load_definitions
    from metricscan.definitions.files import read_text
    from metricscan.definitions.rewriting import rewritten

    of_files = set()
    for path in wanted.definitions:
        text = read_text(path)
        of_files |= {one.name for one in load_definitions(path)}
        yield path, text, rewritten(text, path, better)[0]
    options = [one for one in scanner.definitions if one.name not in of_files]
    if any(one.name in better for one in options):
        before = "".join(f"{one_line(one.name)}={one_line(one.regex)}\n" for one in options)
        after = "".join(f"{one_line(one.name)}={one_line(better.get(one.name, one.regex))}\n" for one in options)
        yield "the options", before, after
