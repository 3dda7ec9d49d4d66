"""A record of a log with its neighbours, if the log is at hand and still holds it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.errors import MetricscanError
from metricscan.logs.job import STDIN
from metricscan.logs.source import open_source
from metricscan.replaying.records import records_around

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NEIGHBOURS = 3
# A longer record is cut; what is drawn of it are the beginning and the end.
_LONGEST = 400


class Excerpt(NamedTuple):
    """Lines of a log around a place, or why there are none.

    Attributes
    ----------
    first : int
        The number of the first line, from 1.
    lines : list of str
    at : int
        Which of the lines is the one that was asked for, from 0.
    reason : str or None
        Why there are no lines.
    """

    first: int
    lines: list[str]
    at: int
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The excerpt as the page holds it."""
        return self._asdict()


def excerpt(
    path: str | None,
    line: int,
    offset: int,
    *,
    options: Mapping[str, str],
    holds: Callable[[bytes], bool] | None = None,
    neighbours: int = NEIGHBOURS,
) -> Excerpt:
    """Read the record at a place of a log, with its neighbours.

    Parameters
    ----------
    path : str or None
        The log; None if it is not known.
    line, offset : int
        Of the record.
    options : mapping of str to str
        Those of the scanner: ``newline`` says what ends a record.
    holds : callable, optional
        Says of the record's bytes whether it is still the one that was scanned.
    neighbours : int
        How many lines before it, and behind it.
    """
    if path is None or path == STDIN:
        return Excerpt(line, [], 0, "the log is not known" if path is None else "the log was standard input")
    # a FIFO of this name would be waited for
    if os.path.exists(path) and not os.path.isfile(path):
        return Excerpt(line, [], 0, "the log is no file any more")
    try:
        universal = options.get("newline", "universal") != "lf"
        found = records_around(open_source(path), offset, universal=universal, neighbours=neighbours)
    except (MetricscanError, OSError, ValueError) as error:
        return Excerpt(line, [], 0, f"the log cannot be read: {getattr(error, 'strerror', None) or error}")
    if found is None or (holds is not None and not holds(found[1])):
        return Excerpt(line, [], 0, "the log does not show this line at its place: it has changed, or is an export")
    before, record, behind = found
    return Excerpt(line - len(before), [_text(one) for one in (*before, record, *behind)], len(before))


def _text(record: bytes) -> str:
    text = record.decode("utf-8", "replace")
    if len(text) <= _LONGEST:
        return text
    left_out = len(text) - _LONGEST
    return f"{text[: _LONGEST // 2]} .. {left_out:,} characters .. {text[-_LONGEST // 2 :]}"
