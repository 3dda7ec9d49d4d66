"""Checks of the values that a caller passes beside the input: options, the number of threads, times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from metricscan import _core
from metricscan.errors import OptionError, quoted

Newline = Literal["universal", "lf"]
Matches = Literal["all", "first", "last"]
Escape = Literal["none", "syslog"]
Ansi = Literal["keep", "strip"]
Untamed = Literal["warn", "refuse", "allow"]
InputFormat = Literal["auto", "plain", "cloudwatch-json", "cloudwatch-csv", "s3-export", "docker-json", "cri"]

_CHOICES = {
    "newline": get_args(Newline),
    "matches": get_args(Matches),
    "escape": get_args(Escape),
    "ansi": get_args(Ansi),
    "untamed": get_args(Untamed),
}
#: The option ``max_record_bytes``: its default, and its limits.
MAX_RECORD_BYTES = _core.CONSTANTS["MS_MAX_RECORD_BYTES"]
LEAST_RECORD_BYTES = _core.CONSTANTS["MS_PIECE_BYTES"]
MOST_RECORD_BYTES = _core.CONSTANTS["MS_LONGEST_MATCHED"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_TIME, _LAST_TIME = ((time.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND for time in (datetime.min, datetime.max))


def checked(given: dict[str, str | None]) -> dict[str, str]:
    """Fill in the defaults of a scanner's options.

    Parameters
    ----------
    given : dict of str to str or None
        ``newline`` (None: the default under this ``escape``), ``matches``, ``escape``, ``ansi``, and perhaps ``untamed``.

    Raises
    ------
    OptionError
        All errors of the options together.
    """
    faults = []
    for name, value in given.items():
        if value is None and name == "newline":
            continue
        if value not in _CHOICES[name]:
            expected = " or ".join(map(repr, _CHOICES[name]))
            faults.append(f"{name}={quoted(value)}: {expected} was expected")
    if given["escape"] == "syslog" and given["newline"] == "universal":
        faults.append(
            "newline='universal' with escape='syslog': escaped logs write \\r as #015, so \\n alone ends a record there"
        )
    if faults:
        raise OptionError("; ".join(faults))
    options = {name: str(value) for name, value in given.items()}
    if given["newline"] is None:
        options["newline"] = "lf" if given["escape"] == "syslog" else "universal"
    return options


def check_max_record_bytes(max_record_bytes: Any) -> None:
    """Raise an OptionError unless ``max_record_bytes`` is a number of bytes that the core takes."""
    if (
        isinstance(max_record_bytes, bool)
        or not hasattr(max_record_bytes, "__index__")
        or not LEAST_RECORD_BYTES <= max_record_bytes <= MOST_RECORD_BYTES
    ):
        expected = f"a number of bytes from {LEAST_RECORD_BYTES:,} to {MOST_RECORD_BYTES:,} was expected"
        raise OptionError(f"max_record_bytes={max_record_bytes!r}: {expected}")


def check_threads(threads: int | None) -> None:
    """Raise an OptionError unless ``threads`` is None (the size of the input decides) or a whole number, 1 or more."""
    if threads is None:
        return
    if isinstance(threads, bool) or not hasattr(threads, "__index__") or threads < 1:
        raise OptionError(f"threads={threads!r}: a whole number, 1 or more was expected")


def microseconds(time: datetime | float) -> int:
    """Microseconds since the epoch of a datetime with a time zone, or of seconds since the epoch.

    Raises
    ------
    TypeError
        The time is neither.
    ValueError
        The datetime has no time zone, or the seconds lie outside the years 1 to 9999.
    """
    if isinstance(time, datetime):
        if time.tzinfo is None:
            raise ValueError(f"the time {time.isoformat()} has no time zone")
        return (time - _EPOCH) // _MICROSECOND
    if isinstance(time, (int, float)) and not isinstance(time, bool):
        micros = round(time * 1_000_000)
        if not _FIRST_TIME <= micros <= _LAST_TIME:
            raise ValueError(f"{time!r} seconds since the epoch lie outside the years 1 to 9999; are they seconds?")
        return micros
    raise TypeError(f"a time is a datetime or seconds since the epoch, not {type(time).__name__}")


def datetime_of(micros: int) -> datetime:
    """The datetime, in UTC, of microseconds since the epoch."""
    return _EPOCH + timedelta(microseconds=micros)
