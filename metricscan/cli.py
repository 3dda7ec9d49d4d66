"""The command: flags to the calls of the library. Nothing else in the package prints."""

from __future__ import annotations

import io
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any, Self

import click

from metricscan import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console

    from metricscan._replay import Progress, Replay
    from metricscan.scanner import Scanner
    from metricscan.stats import ScanStats

EXIT_NOTHING_FOUND = 1
EXIT_WRONG = 2
EXIT_INTERRUPTED = 130
_HITS_SHOWN = 20
_JOBS_SHOWN = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and say how it ended: 0, 1 (nothing found), 2 (wrong use, unreadable input), 130 (interrupted)."""
    from metricscan.errors import MetricscanError

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a file's name may be no text
            stream.reconfigure(errors="backslashreplace")
    try:
        code = command.main(args=arguments, prog_name="metricscan", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        error.show()
        return EXIT_WRONG
    except MetricscanError as error:
        _complain(error)
        return EXIT_WRONG
    except (click.Abort, KeyboardInterrupt):
        click.echo("metricscan: interrupted", err=True)
        return EXIT_INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has seen enough (click and rich make a SystemExit of that); Python must not complain
        # when it closes what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return int(code or 0)


def _complain(error: BaseException) -> None:
    click.echo(f"metricscan: {error}", err=True)


# ---- what both subcommands take


def _shared(function: Callable[..., Any]) -> Callable[..., Any]:
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
        click.option("--include", metavar="GLOB", multiple=True, help="Files of folders to read. Can be repeated."),
        click.option(
            "--exclude", metavar="GLOB", multiple=True, help="Files of folders to pass over. Can be repeated."
        ),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def _scanner(
    definitions: str | None, metrics: Sequence[str], newline: str | None, matches: str, escape: str, ansi: str
) -> Scanner:
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
        scanner = Scanner(source, newline=newline, matches=matches, escape=escape, ansi=ansi)
    for warning in caught:
        click.echo(f"metricscan: warning: {warning.message}", err=True)
    return scanner


def _console(*, err: bool = False) -> Console:
    from rich.console import Console

    # names are names: a metric may be called loss[red] or a:100:b
    console = Console(stderr=err, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        # nobody sees the edge of a pipe: nothing is cut or wrapped there
        console.width = 10_000
    return console


# ---- the commands


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="metricscan")
def command() -> None:
    """Read metrics out of training logs, and find the best job."""


@command.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@_shared
@click.option("--minimize", metavar="NAME", help="The objective metric; less is better.")
@click.option("--maximize", metavar="NAME", help="The objective metric; more is better.")
@click.option(
    "--job", metavar="RULE", default="auto", show_default=True, help="What one job is: auto, file, dir, or a REGEX."
)
@click.option("--jobs", "jobs_file", metavar="FILE", help="CSV or JSON lines: job or path, status, hyperparameters.")
@click.option("-o", "--out", metavar="DIR", help="Write a dataset: a folder a metric, the ranking, a manifest.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["parquet", "arrow", "csv", "jsonl"]),
    default="parquet",
    show_default=True,
    help="Format of the dataset.",
)
@click.option("--overwrite", is_flag=True, help="Replace the dataset that is there.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.option(
    "--top", metavar="N", type=click.IntRange(min=1), help=f"Jobs to show of the ranking.  [default: {_JOBS_SHOWN}]"
)
@click.option("--threads", metavar="N", type=click.IntRange(min=1), help="Threads.  [default: one a core]")
def replay(
    paths: tuple[str, ...],
    definitions: str | None,
    metrics: tuple[str, ...],
    newline: str | None,
    matches: str,
    escape: str,
    ansi: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    minimize: str | None,
    maximize: str | None,
    job: str,
    jobs_file: str | None,
    out: str | None,
    format_: str,
    overwrite: bool,
    as_json: bool,
    top: int | None,
    threads: int | None,
) -> int:
    """Read the logs of many jobs, and rank the jobs.

    A PATH is a log (gzip is read), a folder, a glob, or - for standard input. Exit code 0; 1 if no job has the objective;
    2 for wrong use, or if a log could not be read.
    """
    if minimize is not None and maximize is not None:
        raise click.UsageError("--minimize and --maximize exclude each other")
    scanner = _scanner(definitions, metrics, newline, matches, escape, ansi)
    from metricscan._replay import replay as run
    from metricscan.objective import Objective

    objective = None
    if minimize is not None:
        objective = Objective(minimize, "Minimize")
    elif maximize is not None:
        objective = Objective(maximize, "Maximize")
    with _ProgressBar() as bar:
        result = run(
            paths,
            scanner,
            objective=objective,
            threads=threads,
            job=job,
            jobs=jobs_file,
            include=include,
            exclude=exclude,
            keep=False,
            out=out,
            format=format_,
            overwrite=overwrite,
            progress=bar.show if bar.shown else None,
        )
    for error in result.errors:
        _complain(error)
    if as_json:
        _print_json(result, out, top)
    else:
        click.echo(str(result.survey), err=True)
        _print_replay(result, scanner, None if objective is None else objective.metric, top)
        if out is not None:
            click.echo(f"written: {out}", err=True)
    if result.errors:
        return EXIT_WRONG
    return EXIT_NOTHING_FOUND if objective is not None and result.best is None else 0


@command.command()
@click.argument("paths", metavar="LOG...", nargs=-1, required=True)
@_shared
def check(
    paths: tuple[str, ...],
    definitions: str | None,
    metrics: tuple[str, ...],
    newline: str | None,
    matches: str,
    escape: str,
    ansi: str,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
) -> int:
    """Show what each definition captures in a log, and why one captures nothing.

    Exit code 0 if every definition finds something, 1 if some do not, 2 for wrong use or an unreadable log.
    """
    scanner = _scanner(definitions, metrics, newline, matches, escape, ansi)
    from metricscan._check import first_hits
    from metricscan._jobs import survey

    found = survey(paths, job="file", include=include, exclude=exclude)
    logs = [log.path for one in found.jobs for log in one.logs]
    hits, stats, errors = first_hits(scanner, logs, _HITS_SHOWN)
    errors = [*found.errors, *errors]
    for error in errors:
        _complain(error)
    console = _console()
    for explanation in scanner.explain():
        for name in explanation.names:
            _print_hits(console, name, explanation.regex, hits[name], stats, many=len(logs) > 1)
    _print_counts(console, stats)
    silent = _print_silent(console, scanner, stats, logs)
    return EXIT_WRONG if errors else EXIT_NOTHING_FOUND if silent else 0


# ---- what is printed


def _print_replay(result: Replay, scanner: Scanner, objective: str | None, top: int | None) -> None:
    from rich.table import Table

    console = _console()
    best = result.best
    if objective is not None:
        if best is None:
            console.print(f"Best: none; no job has a finite {objective}")
        else:
            parameters = "".join(f", {key}={value}" for key, value in best.hyperparameters.items())
            text = f"Best: {best.job}, {objective} {best.value!r} at {best.path}:{best.line}{parameters}"
            console.print(text, style="bold", soft_wrap=True)
    if objective is not None and result.ranking is not None and result.ranking.num_rows:
        table = Table(
            "rank", "job", objective, "status", "rows", "place", "hyperparameters", box=None, header_style="bold"
        )
        table.columns[0].justify = table.columns[2].justify = table.columns[4].justify = "right"
        shown = result.ranking.slice(0, top or _JOBS_SHOWN).to_pylist()
        for row in shown:
            status = row["objective_status"] + (f", {row['job_status']}" if row["job_status"] else "")
            place = "" if row["stream"] is None else f"{row['stream']}:{row['line']}"
            if row["streams"] > 1:
                place += f" (last of {row['streams']} streams)"
            parameters = " ".join(f"{key}={value}" for key, value in row["hyperparameters"])
            value = "" if row["value"] is None else repr(row["value"])
            rank = "" if row["rank"] is None else str(row["rank"])
            table.add_row(*map(_literal, (rank, row["job"], value, status, f"{row['rows']:,}", place, parameters)))
        console.print(table)
        if len(shown) < result.ranking.num_rows:
            console.print(f"  .. {result.ranking.num_rows - len(shown):,} more; --top N shows N")
    _print_counts(console, result.stats)
    _print_silent(console, scanner, result.stats, [log.path for one in result.jobs for log in one.logs])


def _print_counts(console: Console, stats: ScanStats) -> None:
    from rich.table import Table

    kinds = ["rows", "unparsed"]
    kinds += [
        kind
        for kind in ("failed", "timeouts", "over_budget")
        if any(getattr(one, kind) for one in stats.metrics.values())
    ]
    table = Table("metric", *kinds, "refused text", box=None, header_style="bold")
    for column in table.columns[1:-1]:
        column.justify = "right"
    for name, counts in stats.metrics.items():
        texts = ", ".join(list(dict.fromkeys(repr(sample.text[:20]) for sample in counts.samples))[:3])
        table.add_row(_literal(name), *(f"{getattr(counts, kind):,}" for kind in kinds), _literal(texts))
    console.print(table)
    console.print(f"{stats.records:,} records, {stats.bytes:,} bytes")


def _print_silent(console: Console, scanner: Scanner, stats: ScanStats, paths: Sequence[str]) -> bool:
    """One line or more for each definition that found nothing; whether there is one."""
    from metricscan._diagnosis import diagnose

    silent = diagnose(scanner, stats, paths)
    for one in silent:
        console.print(f"{one.metric} found nothing: {'; '.join(one.reasons)}", soft_wrap=True)
    return bool(silent)


def _print_hits(console: Console, name: str, regex: str, hits: Sequence[Any], stats: ScanStats, *, many: bool) -> None:
    from rich.text import Text

    rows = stats.metrics[name].rows
    title = Text.assemble((name, "bold"), f"  {regex}  ", (f"{rows:,} rows", "bold"))
    console.print(title, soft_wrap=True)
    for hit in hits:
        place = f"{hit.path}:{hit.line}" if many else str(hit.line)
        line = Text(f"  {place:>6}  ")
        line.append(hit.before)
        line.append(hit.value, "bold red" if hit.number is None else "bold green")
        line.append(hit.after)
        line.append("  no number" if hit.number is None else f"  {hit.number!r}", "dim")
        console.print(line, soft_wrap=True)
    more = rows - sum(hit.number is not None for hit in hits)
    if more:
        console.print(f"  .. {more:,} more")


def _literal(text: str) -> Any:
    from rich.text import Text

    return Text(text)


def _print_json(result: Replay, out: str | None, top: int | None) -> None:
    """One JSON object; NaN and infinities as the strings that the datasets use."""
    import json

    from metricscan.sink import json_number

    def number(value: float | None) -> Any:
        return json.loads(json_number(value))

    ranking = None
    if result.ranking is not None:
        rows = (result.ranking if top is None else result.ranking.slice(0, top)).to_pylist()
        ranking = [
            {**row, "value": number(row["value"]), "hyperparameters": dict(row["hyperparameters"])} for row in rows
        ]
    best = (
        None if result.best is None else {**result.best._asdict(), "hyperparameters": dict(result.best.hyperparameters)}
    )
    document = {
        "best": best,
        "ranking": ranking,
        "metrics": {
            name: {
                **{kind: getattr(counts, kind) for kind in ("rows", "unparsed", "failed", "timeouts", "over_budget")},
                "samples": [sample._asdict() for sample in counts.samples],
            }
            for name, counts in result.stats.metrics.items()
        },
        "logs": sum(len(one.logs) for one in result.jobs),
        "skipped": {"by_name": result.survey.skipped_by_name, "binary": result.survey.skipped_binary},
        "bytes": result.stats.bytes,
        "records": result.stats.records,
        "out": out,
        "errors": [{"path": error.path, "offset": error.offset, "message": str(error)} for error in result.errors],
    }
    click.echo(json.dumps(document, indent=2))


class _ProgressBar:
    """A bar with MB/s on a terminal; nothing in a pipe."""

    def __init__(self) -> None:
        self.shown = sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self.shown:
            from rich import progress

            self._bar = progress.Progress(
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.DownloadColumn(),
                progress.TransferSpeedColumn(),
                progress.TimeRemainingColumn(),
                console=_console(err=True),
                transient=True,
            )
            self._task = self._bar.add_task("reading", total=None)
            self._bar.start()
        return self

    def show(self, progress: Progress) -> None:
        self._bar.update(
            self._task,
            description=f"{progress.logs:,} of {progress.total_logs:,} logs",
            completed=progress.bytes,
            total=progress.total_bytes or None,
        )

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()
