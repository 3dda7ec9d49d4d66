"""``metricscan stop``: end a job that ``metricscan run`` started."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from metricscan.cli.live_panel import elapsed
from metricscan.cli.output import EXIT_ERROR, complain
from metricscan.reports.names import named

if TYPE_CHECKING:
    from collections.abc import Callable

    from metricscan.logs.job_record import JobRecord


# So long a job takes to end before a word is said about it.
_PATIENCE_S = 2.0


def _said_once(record: JobRecord) -> Callable[[], None]:
    """Says, once a job takes its time to end, for how long it may."""
    begin: float | None = time.monotonic()

    def wait() -> None:
        nonlocal begin
        if begin is not None and time.monotonic() - begin >= _PATIENCE_S:
            begin = None
            grace = elapsed(float(record.document["grace_s"]))
            click.echo(
                f"{named(record.job)}: was asked to end, and is killed {grace} after SIGTERM; stop it again to kill it at once",
                err=True,
            )

    return wait


@click.command(short_help="Stop a job that metricscan run started.")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True)
@click.option(
    "--reason", metavar="TEXT", default="metricscan stop", show_default=True, help="What the record says about why."
)
def stop(folders: tuple[str, ...], reason: str) -> int:
    """Stop the jobs in these folders: SIGTERM, and SIGKILL after the grace period that run was given.

    Returns when no process of the jobs is left. A job that has ended stays as it is, which is said. Where a job is stopped once
    more, it is killed at once.
    """
    from metricscan.errors import SourceError
    from metricscan.live import job_folder

    code = 0
    for folder in folders:
        try:
            # its record says that it is in progress even if the process that was to note its end is gone
            before = job_folder.current(folder)
            had_ended = before.document["status"] != "InProgress"
            record = job_folder.stop(folder, reason=reason, on_wait=_said_once(before))
        except SourceError as error:
            complain(error)
            code = EXIT_ERROR
        else:
            click.echo(f"{named(record.job)}: {record.status}{'; it had ended already' if had_ended else ''}")
    return code
