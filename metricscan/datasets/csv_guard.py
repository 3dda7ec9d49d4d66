"""Texts in CSV that a spreadsheet would take for formulas: a quotation mark before them makes them text."""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

# Behind quotation marks too, so that taking one away gives every text back. One such character alone is text to spreadsheets.
_FORMULA = r"'*[=+\-@\t\r\n](?s:.)"
_BEGINS = re.compile(_FORMULA)
_GUARDED = rf"^'({_FORMULA})"
_NUMBER = re.compile(r"[+-](\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def guarded(text: str) -> str:
    r"""The text with a ``'`` before it, if a spreadsheet would run it; numbers, which it would read, stay.

    >>> guarded("=1+1"), guarded("-lr"), guarded("-0.5"), guarded("loss"), guarded("'=1")
    ("'=1+1", "'-lr", '-0.5', 'loss', "''=1")
    """
    return f"'{text}" if _BEGINS.match(text) and not _NUMBER.fullmatch(text) else text


def unguarded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch of rows with the texts that :func:`guarded` changed as they were."""
    columns = []
    for column in batch.columns:
        if pa.types.is_dictionary(column.type):
            column = pa.DictionaryArray.from_arrays(column.indices, _unguarded(column.dictionary))
        columns.append(_unguarded(column) if pa.types.is_string(column.type) else column)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _unguarded(texts: pa.Array) -> pa.Array:
    return pc.replace_substring_regex(texts, _GUARDED, r"\1")
