"""The results of a scan: rows, matches, and the tables of one input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime  # noqa: TC003 - typing.get_type_hints looks it up
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.scanning.stats import ScanStats

if TYPE_CHECKING:
    import pyarrow as pa

# In the repr of a result.
_METRICS_SHOWN = 10


class Row(NamedTuple):
    """One extracted value, and its place in the input. ``value`` is a float, but a str for a label.

    ``line`` is counted from 1; ``offset`` (of the record) and ``start`` (of the value) are bytes of the decompressed input.
    """

    value: Any
    line: int
    offset: int
    start: int
    time: datetime | None


class LiveRow(NamedTuple):
    """One value of a live stream, with the step and the workers that belong to it.

    ``step`` is None for a row without one, and so is the value of a worker. ``workers`` has the values in the order in which the
    stream was given their names. ``stream`` is the one of a container's log or an export, empty where the log names none. The
    others are those of a :class:`Row`.
    """

    metric: str
    value: float
    line: int
    offset: int
    start: int
    time: datetime | None
    step: float | None
    workers: tuple[Any, ...]
    stream: str = ""


class Taken(dict[str, "pa.RecordBatch"]):
    """The rows that were taken from a live stream: a batch for each metric that has some.

    Attributes
    ----------
    replaces : tuple of int
        The offsets of records whose rows were taken before and count no more, since a flush had given them out before the record
        had ended. It is what :meth:`Journal.append` takes.
    """

    __slots__ = ("_rows", "_streams", "replaces")

    def __init__(
        self,
        batches: Mapping[str, pa.RecordBatch],
        replaces: tuple[int, ...],
        rows: Callable[[], list[LiveRow]],
        streams: Mapping[str, list[str]],
    ) -> None:
        super().__init__(batches)
        self.replaces = replaces
        # per metric the stream of each row; empty where the log has one stream
        self._streams = streams
        self._rows: list[LiveRow] | Callable[[], list[LiveRow]] = rows

    @property
    def rows(self) -> list[LiveRow]:
        """What :meth:`Stream.rows` gives."""
        if not isinstance(self._rows, list):
            # of a stream without steps they are made when they are first asked for
            self._rows = self._rows()
        return self._rows

    @property
    def by_stream(self) -> dict[str, dict[str, pa.RecordBatch]]:
        """The batches apart by the streams of a container's log or an export; ``""`` is that of rows without one."""
        if not self._streams:
            return {"": dict(self)} if self else {}
        import pyarrow as pa

        found: dict[str, dict[str, pa.RecordBatch]] = {}
        for name, batch in self.items():
            rows: dict[str, list[int]] = {}
            for row, stream in enumerate(self._streams[name]):
                rows.setdefault(stream, []).append(row)
            for stream, those in rows.items():
                own = batch if len(rows) == 1 else batch.take(pa.array(those, pa.int64()))
                found.setdefault(stream, {})[name] = own
        return found

    def __bool__(self) -> bool:
        """Whether there is something to do: rows to add, or to replace by none."""
        return len(self) > 0 or bool(self.replaces)


class Match(NamedTuple):
    """One match of one definition in one record.

    ``span`` and ``value_span`` are bytes of the record as the patterns see it: after escaping and stripping, if the scanner
    does that. ``value_text`` is None where the value group did not participate, ``number`` where ``float()`` refuses the text.
    """

    name: str
    text: str
    span: tuple[int, int]
    value_text: str | None
    value_span: tuple[int, int] | None
    number: float | None


class ScanResult(Mapping[str, "pa.Table"]):
    """The rows of one input: a mapping from every defined metric to its table.

    A table is put together from its batches when it is first asked for, without a copy.

    Attributes
    ----------
    stats : ScanStats
    """

    def __init__(
        self,
        batches: dict[str, Sequence[pa.RecordBatch]],
        stats: ScanStats | Callable[[], ScanStats],
        labels: Sequence[str] = (),
    ) -> None:
        self._batches = batches
        self._labels = tuple(labels)
        self._tables: dict[str, pa.Table] = {}
        self._stats = stats

    @property
    def stats(self) -> ScanStats:
        """Counts of the scan."""
        if not isinstance(self._stats, ScanStats):
            # put together on first use: for thousands of metrics this takes longer than a scan
            self._stats = self._stats()
        return self._stats

    def __reduce__(self) -> tuple[Any, ...]:
        return ScanResult, (self._batches, self.stats, self._labels)

    def __getitem__(self, name: str) -> pa.Table:
        table = self._tables.get(name)
        if table is None:
            import pyarrow as pa

            from metricscan.scanning.schema import LABEL_SCHEMA, SCHEMA

            schema = LABEL_SCHEMA if name in self._labels else SCHEMA
            table = self._tables[name] = pa.Table.from_batches(self._batches[name], schema=schema)
        return table

    def __iter__(self) -> Iterator[str]:
        return iter(self._batches)

    def __len__(self) -> int:
        return len(self._batches)

    def __repr__(self) -> str:
        metrics = self.stats.metrics.items()
        rows = ", ".join(f"{name}: {counts.rows} rows" for name, counts in islice(metrics, _METRICS_SHOWN))
        more = f", and {len(metrics) - _METRICS_SHOWN} more metrics" if len(metrics) > _METRICS_SHOWN else ""
        return f"<ScanResult of {self.stats.records} records; {rows}{more}>"
