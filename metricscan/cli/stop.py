"""``metricscan stop``: end a job that ``metricscan run`` started."""

from __future__ import annotations

import click

from metricscan.cli.output import EXIT_ERROR, complain
from metricscan.reports.names import named


@click.command(short_help="Stop a job that metricscan run started.")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True)
@click.option(
    "--reason", metavar="TEXT", default="metricscan stop", show_default=True, help="What the record says about why."
)
def stop(folders: tuple[str, ...], reason: str) -> int:
    """Stop the jobs in these folders: SIGTERM, and SIGKILL after the grace period that run was given.

    Returns when no process of the jobs is left. A job that has ended stays as it is, which is said.
    """
    from metricscan.errors import SourceError
    from metricscan.live import job_folder

    code = 0
    for folder in folders:
        try:
            # its record says that it is in progress even if the process that was to note its end is gone
            had_ended = job_folder.current(folder).document["status"] != "InProgress"
            record = job_folder.stop(folder, reason=reason)
        except SourceError as error:
            complain(error)
            code = EXIT_ERROR
        else:
            click.echo(f"{named(record.job)}: {record.status}{'; it had ended already' if had_ended else ''}")
    return code
