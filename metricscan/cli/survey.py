"""``metricscan survey``: what replay would read, and why, without a scan."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from metricscan.cli import documents
from metricscan.cli.options import Finding, finding_options, job_option, jobs_file_option, json_option
from metricscan.cli.output import (
    EXIT_ERROR,
    EXIT_NOTHING_FOUND,
    complain,
    literal,
    new_table,
    open_console,
    print_notices,
    print_table,
)
from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from metricscan.logs.job import Job, Survey, SurveyedFile, Why

# If there are more logs, jobs or other files, they are counted by kind.
_SHOWN = 20
_MORE = "  .. --all shows each"
_LOGS_BECAUSE: dict[Why, str] = {
    "given": "given",
    "by-name": "its name",
    "by-content": "it holds log events",
    "included": "--include",
}
_NO_LOGS_BECAUSE: dict[Why, str] = {
    "by-name": "its name",
    "not-included": "--include names others",
    "excluded": "--exclude",
    "hidden": "hidden",
    "of-tool": "a tool wrote it about itself",
    "dataset": "part of a dataset",
    "facts": "facts about a job",
    "binary": "binary",
    "archive": "an archive, not opened",
    "not-regular": "no regular file",
    "broken-link": "a broken link",
    "link": "link to what is searched",
    "elsewhere": "link to a folder elsewhere; --follow-links",
    "same-file": "the same file",
    "copy": "a copy",
}


@click.command(short_help="Show which files are logs, of which jobs, and why.")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@finding_options
@job_option
@jobs_file_option
@click.option(
    "--parameter",
    "parameters",
    type=click.Choice(["printed"]),
    multiple=True,
    help="Also show the hyperparameters that programs print at the beginning of their logs, as replay does.",
)
@click.option(
    "--all",
    "show_all",
    is_flag=True,
    help=f"Show each log, job and other file, not only their kinds, where there are more than {_SHOWN}.",
)
@json_option
def survey(
    paths: tuple[str, ...],
    finding: Finding,
    job: str,
    jobs_file: str | None,
    parameters: tuple[str, ...],
    show_all: bool,
    print_json: bool,
) -> int:
    """Show which files replay would take for logs, of which jobs, and why, without scanning them.

    PATH is a log, a folder, an archive (tar, zip), a glob, or - for standard input. Exit code 0; 1 if there is no log; 2 for
    wrong usage or for what cannot be read.
    """
    from metricscan.logs.details import survey as run

    found = run(paths, job=job, jobs=jobs_file, **finding._asdict())
    if parameters:
        from metricscan.replaying.log_parameters import LogParameters

        of_logs = LogParameters(found, jobs_file=jobs_file)
        of_logs.add_printed(finding.input_format)
        found.notices += of_logs.finish()
    for error in found.errors:
        complain(error)
    print_notices(found.notices)
    if print_json:
        documents.print_document(
            {
                "files": [file._asdict() for file in found.files],
                "jobs": [_job(one) for one in found.jobs],
                **documents.counts_of_files(found),
                "errors": documents.source_errors(found.errors),
                "notices": [one._asdict() for one in found.notices],
            }
        )
    else:
        _print(found, most=max(len(found.files), len(found.jobs)) if show_all else _SHOWN)
    if any(error.cause is not None or not os.path.isdir(error.path) for error in found.errors):
        return EXIT_ERROR
    # a folder without a log is an error only beside other paths that have some
    return EXIT_NOTHING_FOUND if not found.jobs else EXIT_ERROR if found.errors else 0


def _job(job: Job) -> dict[str, Any]:
    return {
        "job": job.name,
        "logs": len(job.logs),
        "status": job.status,
        "status_source": job.status_source,
        "hyperparameters": job.hyperparameters,
        "parameter_sources": job.parameter_sources,
    }


def _print(found: Survey, most: int) -> None:
    console = open_console()
    logs = [file for file in found.files if file.taken]
    _print_logs(console, logs, most)
    _print_facts(console, found, most)
    _print_others(console, [file for file in found.files if not file.taken], most)
    console.print(f"{found}; {len(found.jobs)} job{'' if len(found.jobs) == 1 else 's'}")


def _print_logs(console: Console, logs: Sequence[SurveyedFile], most: int) -> None:
    """Print one row per log; if there are many, one per kind."""
    if len(logs) > most:
        _print_kinds(console, logs)
        return
    if not logs:
        return
    has_parts = any(log.part or log.superseded for log in logs)
    columns = ["job", "stream", *(["part"] if has_parts else []), "bytes", "what it is", "why", "log"]
    table = new_table(*columns, numbers=("bytes", "part"))
    for log in logs:
        cells = [
            "none" if log.job is None else named(log.job),
            "" if log.stream is None else named(log.stream),
            *([f"{'superseded ' if log.superseded else ''}{log.part}"] if has_parts else []),
            "" if log.size is None else f"{log.size:,}",
            _kind(log),
            _LOGS_BECAUSE[log.why],
            log.path,
        ]
        table.add_row(*map(literal, cells))
    print_table(console, table)


def _print_kinds(console: Console, logs: Sequence[SurveyedFile]) -> None:
    kinds: dict[tuple[str, str], list[SurveyedFile]] = {}
    for log in logs:
        kinds.setdefault((_kind(log), _LOGS_BECAUSE[log.why]), []).append(log)
    table = new_table("logs", "jobs", "bytes", "what they are", "why", "for example", numbers=("logs", "jobs", "bytes"))
    for (kind, because), of_kind in sorted(kinds.items(), key=lambda kind_logs: -len(kind_logs[1])):
        # an export of several streams is one file
        size = sum({log.path: log.size or 0 for log in of_kind}.values())
        numbers = (len(of_kind), len({log.job for log in of_kind}), size)
        table.add_row(*map(literal, (*(f"{number:,}" for number in numbers), kind, because, of_kind[0].path)))
    print_table(console, table)
    console.print(_MORE)


def _kind(log: SurveyedFile) -> str:
    return ", ".join(filter(None, (log.format, log.encoding, log.compression)))


def _print_facts(console: Console, found: Survey, most: int) -> None:
    """Print what is known of the jobs: one row per job and source; if there are many jobs, one per fact."""
    known = [job for job in found.jobs if job.hyperparameters or job.status is not None]
    if not known:
        return
    console.print()
    if len(known) > most:
        _print_kinds_of_facts(console, known)
        return
    # sources are absolute paths; where a file was met, its path there is shorter
    paths = {os.path.abspath(file.path): file.path for file in found.files if file.why == "facts"}
    table = new_table("job", "status and hyperparameters", "from")
    for job in known:
        facts: dict[str, list[str]] = {}
        for name, value, source in _facts(job):
            facts.setdefault(source, []).append(value if name == "status" else f"{name}={value}")
        for number, (source, texts) in enumerate(facts.items()):
            table.add_row(
                *map(literal, ("" if number else named(job.name), " ".join(texts), paths.get(source, source)))
            )
    print_table(console, table)


def _print_kinds_of_facts(console: Console, jobs: Sequence[Job]) -> None:
    values: dict[tuple[str, str], Counter[str]] = {}
    for job in jobs:
        for name, value, source in _facts(job):
            values.setdefault((name, os.path.basename(source)), Counter())[value] += 1
    table = new_table("fact", "jobs", "values", "from", "for example", numbers=("jobs", "values"))
    for (name, source), counts in sorted(values.items(), key=lambda fact: -fact[1].total()):
        table.add_row(*map(literal, (name, f"{counts.total():,}", f"{len(counts):,}", source, next(iter(counts)))))
    print_table(console, table)
    console.print(_MORE)


def _facts(job: Job) -> Iterator[tuple[str, str, str]]:
    """Each fact about a job: its name, its value and its source."""
    if job.status is not None:
        yield "status", job.status, job.status_source or ""
    for name, value in job.hyperparameters.items():
        yield name, value, job.parameter_sources.get(name, "")


def _print_others(console: Console, others: Sequence[SurveyedFile], most: int) -> None:
    """Print one row per file that is no log; if there are many, one per reason."""
    if not others:
        return
    console.print()
    if len(others) <= most:
        table = new_table("no log", "why")
        for file in others:
            because = _NO_LOGS_BECAUSE[file.why]
            if file.same_as:
                because += f"{' to' if file.why == 'broken-link' else ':'} {file.same_as}"
            table.add_row(*map(literal, (file.path, because)))
        print_table(console, table)
        return
    table = new_table("no logs", "why", "for example", numbers=("no logs",))
    first = {file.why: file.path for file in reversed(others)}
    for why, count in Counter(file.why for file in others).most_common():
        table.add_row(*map(literal, (f"{count:,}", _NO_LOGS_BECAUSE[why], first[why])))
    print_table(console, table)
    console.print(_MORE)
