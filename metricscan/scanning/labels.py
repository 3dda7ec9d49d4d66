"""Texts that labels capture: the core's columns hold a number for each; the columns that leave a stream hold the texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from metricscan import _core

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from metricscan.scanning.deferred import Resolver

#: In characters. A longer text names no worker: it gives no row, and is counted as unparsed.
MOST_CHARACTERS = 1000


class LabelStream(_core.Stream):
    """A stream with labels: in the columns that it hands over, the values of a label are text.

    Parameters
    ----------
    engine : _core.Engine
    resolver : Resolver
    labels : iterable of int
        The patterns that are labels; all their records are deferred, and resolved by ``resolver``.
    at_beginning : bool
        As of the stream of the core.
    """

    def __new__(
        cls, engine: _core.Engine, resolver: Resolver, labels: Iterable[int], *, at_beginning: bool = True
    ) -> Self:
        """Make the stream; an object that also numbers the texts takes the place of ``resolver``."""
        texts = {pattern: _Texts() for pattern in labels}
        self = super().__new__(cls, engine, _Numbering(resolver, texts), at_beginning=at_beginning)
        self._texts = texts
        return self

    _texts: dict[int, _Texts]

    def detach(self, pattern: int) -> _core.Columns | None:
        """The pattern's rows, zero-copy, as the core hands them over; those of a label with ``texts``, an array of string."""
        columns = super().detach(pattern)
        if columns is None or pattern not in self._texts:
            return columns
        columns.texts = self._texts[pattern].take(columns)
        return columns

    def latest(self, pattern: int) -> Any:
        """The newest row, as the core gives it; a label's value is text."""
        row = super().latest(pattern)
        if row is None or pattern not in self._texts:
            return row
        value, *rest = row
        return self._texts[pattern].of(value), *rest

    def restore(self, pattern: int, text: str) -> float:
        """Take the text of the newest row of a stream whose place this one takes; return its number."""
        return self._texts[pattern].restore(text)


class _Texts:
    """The texts of one label, numbered in order of appearance. After rows are handed over, only the newest text is kept."""

    __slots__ = ("_first", "_last", "_numbers")

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._first = 0
        self._last = ""

    def number(self, text: str) -> int | str:
        """The text's number; for a text that is too long, one that the core cannot read as a number."""
        number = self._numbers.get(text)
        if number is not None:
            return number
        if len(text) > MOST_CHARACTERS:
            return f"{text} .."
        # a table's strings are valid UTF-8: other bytes are shown as escapes
        shown = text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        return self._numbers.setdefault(shown, self._first + len(self._numbers))

    def take(self, columns: _core.Columns) -> pa.Array:
        """The texts whose numbers are the values of these rows: an array of string, one per row."""
        import numpy as np
        import pyarrow as pa

        places = np.asarray(columns)[0].view(np.float64).astype(np.int64) - self._first
        texts = list(self._numbers)
        self._last = texts[int(places[-1])]
        self._first += len(texts)
        self._numbers = {}
        return pa.array(texts, pa.string()).take(pa.array(places))

    def restore(self, text: str) -> float:
        """Take the text of a row that was handed over; return its number."""
        self._last = text
        return -1.0

    def of(self, number: float) -> str:
        """The text of the newest row."""
        place = int(number) - self._first
        return self._last if place < 0 else list(self._numbers)[place]


class _Numbering:
    """Resolves a record as ``resolver`` does, but with numbers in place of the texts that labels capture."""

    __slots__ = ("_resolver", "_texts")

    def __init__(self, resolver: Resolver, texts: dict[int, _Texts]) -> None:
        self._resolver = resolver
        self._texts = texts

    def __call__(self, pattern: int, record: bytes) -> object:
        found = self._resolver(pattern, record)
        texts = self._texts.get(pattern)
        if texts is None or not isinstance(found, list):
            return found
        return [
            (start, end, value_start, value_end, None if text is None else texts.number(text))
            for start, end, value_start, value_end, text in found
        ]
