"""``metricscan compact``: write the rows of a journal as a dataset."""

from __future__ import annotations

from typing import Any

import click

from metricscan.cli.options import no_csv_guard_option, no_sync_option
from metricscan.cli.output import open_console
from metricscan.cli.terminal import one_line
from metricscan.logs.members import counted


@click.command(short_help="Write the rows of a journal as a dataset, which is faster to read.")
@click.argument("journal", metavar="JOURNAL")
@click.option("-o", "--out", metavar="DIR", help="Folder of the dataset.  [default: JOURNAL-dataset]")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["parquet", "arrow", "csv", "jsonl"]),
    default="parquet",
    show_default=True,
    help="Format of the dataset.",
)
@click.option("--overwrite", is_flag=True, help="Replace an existing dataset.")
@no_sync_option
@no_csv_guard_option
def compact(journal: str, out: str | None, format_: Any, overwrite: bool, no_sync: bool, no_csv_guard: bool) -> int:
    """Write the rows of a journal as a dataset, which is faster to read.

    The journal stays as it is. rank and plot read it, too, and give the same answers; so this is for many or repeated
    readings. A journal that is being written can be compacted: the dataset has the rows up to its last commit.
    Exit code 0; 2 for wrong usage, a journal that is damaged, or a dataset that cannot be written.
    """
    from metricscan.datasets.compact import compact as write_dataset
    from metricscan.datasets.dataset import Dataset

    if no_csv_guard and format_ != "csv":
        raise click.UsageError("--no-csv-guard needs --format csv")
    options = {"overwrite": overwrite, "sync": not no_sync, "csv_guard": not no_csv_guard}
    written = Dataset(write_dataset(journal, out, format=format_, **options))
    counts = written.manifest["counts"]
    console = open_console()
    rows = sum(one["rows"] for one in counts.values())
    metrics, jobs = counted(len(counts), "metric"), counted(len(written.facts), "job")
    console.print(f"{counted(rows, 'row')} of {metrics}, {jobs}")
    click.echo(f"written: {one_line(written.path)}", err=True)
    return 0
