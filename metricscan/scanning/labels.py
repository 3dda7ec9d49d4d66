"""Texts that labels capture: the core's columns hold a number for each; the columns that leave a stream hold the texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from metricscan import _core

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metricscan.scanning.deferred import Resolver

# A stream that keeps more texts of a label hands the label's rows over, so that it can forget them.
_MOST_TEXTS = 65_536


class LabelStream(_core.Stream):
    """A stream with labels: in the columns that it hands over, the values of a label are text.

    Parameters
    ----------
    engine : _core.Engine
    resolver : Resolver
    labels : iterable of int
        The patterns that are labels.
    at_beginning, in_batches : bool
        As of the stream of the core.
    """

    def __new__(
        cls,
        engine: _core.Engine,
        resolver: Resolver,
        labels: Iterable[int],
        *,
        at_beginning: bool = True,
        in_batches: bool = False,
    ) -> Self:
        """Make the stream."""
        self = super().__new__(cls, engine, resolver, at_beginning=at_beginning, in_batches=in_batches)
        self._newest = dict.fromkeys(labels, "")
        self._takes_full = False
        return self

    #: Per label the text of the newest row that was handed over.
    _newest: dict[int, str]
    #: Whether ``take_full`` calls ``detach``.
    _takes_full: bool

    def take_full(self) -> list[tuple[int, _core.Columns]]:
        """The full batches, as the core hands them over; those of labels with ``texts``."""
        self._takes_full = True
        try:
            taken = super().take_full()
        finally:
            self._takes_full = False
        for pattern, columns in taken:
            if pattern in self._newest:
                self._add_texts(pattern, columns)
        for pattern in self._newest:
            if self.count_texts(pattern) > _MOST_TEXTS:
                rest = self.detach(pattern)
                taken += [(pattern, rest)] if rest is not None else []
        return taken

    def detach(self, pattern: int) -> _core.Columns | None:
        """The pattern's rows, zero-copy, as the core hands them over; those of a label with ``texts``, an array of string."""
        columns = super().detach(pattern)
        if pattern not in self._newest or self._takes_full:
            return columns
        if columns is not None:
            self._add_texts(pattern, columns)
        if not self.has_full:
            # no row has a text any more
            self.begin_texts(pattern)
        return columns

    def _add_texts(self, pattern: int, columns: _core.Columns) -> None:
        import numpy as np
        import pyarrow as pa

        first, texts = self.texts(pattern)
        places = np.asarray(columns)[0].view(np.float64).astype(np.int64) - first
        self._newest[pattern] = texts[int(places[-1])]
        columns.texts = pa.array(texts, pa.string()).take(pa.array(places))

    def latest(self, pattern: int) -> Any:
        """The newest row, as the core gives it; a label's value is text."""
        row = super().latest(pattern)
        if row is None or pattern not in self._newest:
            return row
        value, *rest = row
        text = self.text(pattern, int(value))
        return self._newest[pattern] if text is None else text, *rest

    def restore(self, pattern: int, text: str) -> float:
        """Take the text of the newest row of a stream whose place this one takes; return its number."""
        self._newest[pattern] = text
        return -1.0
