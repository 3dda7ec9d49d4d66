"""The Arrow schema of rows, and how many of them a batch has."""

from __future__ import annotations

import pyarrow as pa

#: Rows of one metric: ``value`` as read; ``line`` counted as ``grep -n`` does; ``offset`` of the record and ``start`` of
#: the value in bytes of the decompressed input; ``time`` null where the source knows none.
SCHEMA = pa.schema(
    [
        pa.field("value", pa.float64(), nullable=False),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("time", pa.timestamp("us", tz="UTC")),
    ]
)
#: Rows of a label: ``value`` is text.
LABEL_SCHEMA = SCHEMA.set(0, pa.field("value", pa.string(), nullable=False))
TIME = SCHEMA.field("time").type
#: The most rows of a batch.
BATCH_ROWS = 65_536
#: The integer for an unknown time, where times are microseconds since the epoch.
NO_TIME = -(2**63)
