"""What NNI keeps of a trial in its database: the hyperparameters and the status."""

from __future__ import annotations

import contextlib
import sqlite3
import urllib.parse

from metricscan.logs.parameters import parameters_of

_STATUS_OF = {
    "SUCCEEDED": "Completed",
    "FAILED": "Failed",
    "USER_CANCELED": "Stopped",
    "SYS_CANCELED": "Stopped",
    "EARLY_STOPPED": "Stopped",
    "RUNNING": "InProgress",
    "WAITING": "InProgress",
}
# A database is not trusted: what looks like a table may be a query without end. A lookup takes a few hundred steps.
_MOST_STEPS = 10_000_000
_MOST_BYTES = 1 << 20
# The versions of the formats to write and to read, in the header: 1 without a log of writes, 2 with one, which is another file.
_VERSIONS = slice(18, 20)


def read_trial(path: str, trial: str, content: bytes | None = None) -> tuple[dict[str, str], str | None]:
    """The hyperparameters and the status of a trial.

    Parameters
    ----------
    path : str
        The database.
    trial : str
    content : bytes, optional
        The content of a database that is no file on disk.

    Raises
    ------
    ValueError
        It is no such database, or it is damaged.
    """
    # a reader that takes no lock and writes nothing
    address = ":memory:" if content is not None else f"file:{urllib.parse.quote(path)}?mode=ro&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            if content is not None:
                _load(database, content)
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
            database.execute("PRAGMA trusted_schema = OFF")
            database.set_progress_handler(lambda: 1, _MOST_STEPS)
            query = "SELECT event, data FROM TrialJobEvent WHERE trialJobId = ? LIMIT 1000"
            events = database.execute(query, (trial,)).fetchall()
    except sqlite3.Error as error:
        raise ValueError(f"not a database of NNI: {error}") from None
    told = [data for _, data in events if isinstance(data, str)]
    parameters = parameters_of(told[-1], within="parameters") if told else {}
    return parameters, _STATUS_OF.get(events[-1][0]) if events else None


def _load(database: sqlite3.Connection, content: bytes) -> None:
    """Make a database in memory that of a content."""
    if content[_VERSIONS] == b"\2\2":
        content = content[: _VERSIONS.start] + b"\1\1" + content[_VERSIONS.stop :]
    database.deserialize(content)
