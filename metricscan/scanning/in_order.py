"""The rows of all metrics of an input as one batch, in the order of the input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from metricscan.scanning.schema import NO_TIME, SCHEMA, TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Array = np.ndarray[Any, np.dtype[Any]]

#: The name of a batch with rows of all metrics.
ALL_METRICS = ""
#: Its columns: the number of the metric; its value, or its text if it is a label; its place and time.
ALL_METRICS_SCHEMA = pa.schema(
    [
        pa.field("metric", pa.int32(), nullable=False),
        SCHEMA.field("value"),
        pa.field("text", pa.string()),
        *(SCHEMA.field(name) for name in ("line", "offset", "start", "time")),
    ]
)


class Merging:
    """Merges batches that a scan has found at the same time into one.

    Parameters
    ----------
    metrics : sequence of str
        The names of all metrics; a row has the number of its metric among them.
    """

    def __init__(self, metrics: Sequence[str]) -> None:
        self._numbers = {name: number for number, name in enumerate(metrics)}

    def of_input(self, found: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """The batches of a part of an input as one; nothing without rows.

        ``found`` are names and batches, and with them the numbers of the rows' streams if the input is an export: then these
        stand beside the merged batch, too.
        """
        items = list(found)
        if not items:
            return
        batch, order = self.merged([(name, one) for name, one, *_ in items])
        if len(items[0]) == 2:
            yield ALL_METRICS, batch
            return
        streams = np.concatenate([streams for _, _, streams in items])
        yield ALL_METRICS, batch, streams if order is None else streams[order]

    def merged(
        self, found: Sequence[tuple[str, pa.RecordBatch]], logs: Sequence[Array] | None = None
    ) -> tuple[pa.RecordBatch, Array | None]:
        """The rows of batches in the order of their places.

        Parameters
        ----------
        found : sequence of (str, pyarrow.RecordBatch)
            Metrics and rows; at least one.
        logs : sequence of int array, optional
            Per batch the numbers of its rows' logs, which come before their places.

        Returns
        -------
        pyarrow.RecordBatch
            Of ``ALL_METRICS_SCHEMA``.
        int array or None
            The former positions of its rows; None if they are what they were.
        """
        rows = [batch.num_rows for _, batch in found]
        metric = np.repeat(np.array([self._numbers[name] for name, _ in found], np.int32), rows)
        line, offset, start = (
            np.concatenate([batch.column(name).to_numpy() for _, batch in found])
            for name in ("line", "offset", "start")
        )
        value = np.concatenate([_values(batch) for _, batch in found])
        text = _texts(found)
        time = _times(found)
        order = None
        if len(found) > 1:
            # a value stands in its record, so the places of values order records, too
            key = start
            if logs is not None:
                key = np.concatenate(logs).astype(np.int64) * (int(start.max()) + 1) + start
            # the rows of a metric are in order: a stable sort merges
            order = np.argsort(key, kind="stable")
            metric, value, line, offset, start = (one[order] for one in (metric, value, line, offset, start))
            time = None if time is None else time[order]
            text = None if text is None else text.take(pa.array(order))
        size = len(start)
        columns = [
            pa.array(metric),
            pa.array(value),
            pa.nulls(size, pa.string()) if text is None else text,
            pa.array(line),
            pa.array(offset),
            pa.array(start),
            pa.nulls(size, TIME) if time is None else pa.array(time, mask=time == NO_TIME).cast(TIME),
        ]
        return pa.RecordBatch.from_arrays(columns, schema=ALL_METRICS_SCHEMA), order


def _is_of_label(batch: pa.RecordBatch) -> bool:
    return bool(pa.types.is_string(batch.schema.field("value").type))


def _values(batch: pa.RecordBatch) -> Array:
    return np.zeros(batch.num_rows) if _is_of_label(batch) else batch.column("value").to_numpy()


def _texts(found: Sequence[tuple[str, pa.RecordBatch]]) -> pa.Array | None:
    if not any(_is_of_label(batch) for _, batch in found):
        return None
    return pa.concat_arrays(
        batch.column("value") if _is_of_label(batch) else pa.nulls(batch.num_rows, pa.string()) for _, batch in found
    )


def _times(found: Sequence[tuple[str, pa.RecordBatch]]) -> Array | None:
    """Microseconds since the epoch; None if no row has a time."""
    columns = [batch.column("time") for _, batch in found]
    if all(column.null_count == len(column) for column in columns):
        return None
    return np.concatenate([column.cast(pa.int64()).fill_null(NO_TIME).to_numpy() for column in columns])
