"""The columns of rows over many jobs: in the tables of a replay, and in the files of a dataset."""

from __future__ import annotations

import pyarrow as pa

from metricscan.scanning import schema

_NAMES = pa.dictionary(pa.int32(), pa.string())
_JOB, _STREAM, _METRIC = (pa.field(name, _NAMES, nullable=False) for name in ("job", "stream", "metric"))
_PART = pa.field("part", pa.int32(), nullable=False)

#: A table of one metric: job and stream (dictionary of int32 to string), part (int32, the number of the piece if the stream
#: was rotated into several files, the oldest 0; else 0), then the columns of one log: value (float64), line, offset, start
#: (int64), time (timestamp in microseconds, UTC).
TABLE_SCHEMA = pa.schema([_JOB, _STREAM, _PART, *schema.SCHEMA])
#: A table of one label: ``value`` is a string.
LABEL_TABLE_SCHEMA = pa.schema([_JOB, _STREAM, _PART, *schema.LABEL_SCHEMA])

#: A file of a dataset: the same columns, and the metric as the fourth one, so that many files can be read as one table.
SCHEMA = pa.schema([_JOB, _STREAM, _PART, _METRIC, *schema.SCHEMA])
#: A file with the rows of a label: ``value`` is a string.
LABEL_SCHEMA = pa.schema([_JOB, _STREAM, _PART, _METRIC, *schema.LABEL_SCHEMA])
