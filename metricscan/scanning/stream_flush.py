"""The record of a live stream that has not ended: its rows, given out before its end, until they are replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metricscan import _core

if TYPE_CHECKING:
    from metricscan.scanning.decoded import DecodedRows
    from metricscan.scanning.plan import Plan


def scanned(plan: Plan, core: _core.Stream, decoded: DecodedRows | None) -> _core.Stream:
    """A closed stream with the rows that the unended record of another one has if it ends here."""
    record, newlines, micros = _core.unended(core)
    scratch = plan.new_stream(at_beginning=False)
    _core.stand(scratch, core.unended_at, newlines, 0, core.unended_at, _core.PAST_BEGINNING, False, [])
    if plan.companions:
        scratch.keep_open_of(core)
    rest, moved = (b"", None) if decoded is None else decoded.ended(scratch)
    if record or rest:
        scratch.feed(record + rest, *([] if micros is None else [micros]))
    scratch.finish()
    if moved is not None:
        moved.move(b"")
    return scratch


class Flushes:
    """What the flushes of a stream have given out.

    Parameters
    ----------
    given : int, optional
        As the attribute.

    Attributes
    ----------
    given : int or None
        The offset of the record whose rows were taken before it had ended, and are not replaced yet.
    """

    __slots__ = ("_fed", "_rows", "given")

    def __init__(self, given: int | None = None) -> None:
        self.given = given
        # how many bytes the stream had been fed at the last flush
        self._fed = -1
        # what that flush found, until it is taken
        self._rows: list[tuple[int, _core.Columns]] | None = None

    def flush(self, plan: Plan, core: _core.Stream, decoded: DecodedRows | None, fed: int) -> None:
        """Find the rows of the unended record, unless nothing was fed since the last flush."""
        if fed != self._fed:
            self._fed, self._rows = fed, scanned(plan, core, decoded).take()

    def holds_rows(self, fed: int) -> bool:
        """Whether rows of the unended record were not taken."""
        return bool(self._rows) and fed == self._fed

    def take(self, fed: int, unended: int | None) -> tuple[list[tuple[int, _core.Columns]], tuple[int, ...]]:
        """The rows of the unended record since the last flush, and the offsets of the records whose rows are replaced.

        Parameters
        ----------
        fed : int
            Bytes that the stream was fed. If it was fed after the flush, the rows that were not taken are no longer those of the
            record.
        unended : int or None
            Where the unended record begins; None if the stream is closed.
        """
        rows = self._rows if fed == self._fed and unended is not None else None
        self._rows = None
        replaces: tuple[int, ...] = ()
        if self.given is not None and (rows is not None or self.given != unended):
            replaces, self.given = (self.given,), None
        if rows:
            self.given = unended
        return rows or [], replaces
