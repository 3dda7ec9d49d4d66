"""Every way of giving a log to the engine, and what came out in a form that compares to the bit."""

import io
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from support import reference

# Rows as tuples, their value spelled so that equality is identity of bits (-0.0 is not 0.0, a NaN equals itself).
Outcome = dict[str, Any]

#: One for each way of matching: by the core, by ``re`` in Python, and all text of each record.
DEFINITIONS = [
    {"Name": "m", "Regex": "a=([^ ]*)"},
    {"Name": "re", "Regex": "(?<=(?:a|bb))=([0-9.]+)"},
    {"Name": "all", "Regex": "^(.*)$"},
]


def bits(value: float) -> str:
    return value.hex() if value == value else f"nan:{struct.pack('>d', value).hex()}"


def expected(definitions: Sequence[dict[str, str]], data: bytes, **options: Any) -> Outcome:
    """What the oracle says."""
    result = reference.scan(definitions, data, **options)
    return {
        "bytes": result.bytes,
        "records": result.records,
        **{
            f"metric {name}": {
                "rows": [(bits(row.value), *row[1:]) for row in metric.rows],
                "unparsed": metric.unparsed,
                "failed": metric.failed,
                "samples": metric.samples,
            }
            for name, metric in result.metrics.items()
        },
    }


def rows_of(table: Any) -> list[tuple[str, int, int, int]]:
    if not table.num_rows:
        return []
    columns = [table.column(name).to_pylist() for name in ("value", "line", "offset", "start")]
    return [(bits(value), *places) for value, *places in zip(*columns, strict=True)]


def outcome(stats: Any, tables: dict[str, Any]) -> Outcome:
    """What the engine said. Every way of asking must agree with itself before it is compared."""
    found: Outcome = {"bytes": stats.bytes, "records": stats.records}
    for name, counts in stats.metrics.items():
        rows = rows_of(tables[name])
        assert counts.rows == len(rows), f"{name}: stats say {counts.rows} rows, there are {len(rows)}"
        assert (counts.timeouts, counts.over_budget) == (0, 0)
        found[f"metric {name}"] = {
            "rows": rows,
            "unparsed": counts.unparsed,
            "failed": counts.failed,
            "samples": [tuple(sample) for sample in counts.samples],
        }
    assert list(tables) == list(stats.metrics)
    return found


def scanned(scanner: Any, source: Any, threads: int | None = 1) -> Outcome:
    result = scanner.scan(source, threads=threads)
    return outcome(result.stats, {name: result[name] for name in result})


def streamed(scanner: Any, chunks: Iterable[bytes], *, take_often: bool = False) -> Outcome:
    """Through a live stream; with ``take_often`` the rows are taken after every chunk."""
    import pyarrow as pa

    from metricscan.scanning.schema import SCHEMA

    batches: dict[str, list[Any]] = {name: [] for name in scanner.metrics}

    def take() -> None:
        for name, batch in stream.take().items():
            assert batch.num_rows, "take gave a batch without rows"
            batches[name].append(batch)

    with scanner.stream() as stream:
        for chunk in chunks:
            stream.feed(chunk)
            if take_often:
                take()
    take()
    tables = {name: pa.Table.from_batches(some, schema=SCHEMA) for name, some in batches.items()}
    for name, table in tables.items():
        assert table.column("time").null_count == table.num_rows
        newest = rows_of(table)[-1:] or [None]
        latest = stream.latest[name]
        assert newest[0] == (None if latest is None else (bits(latest.value), *latest[1:4]))
    return outcome(stream.stats, tables)


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


class Dribble(io.RawIOBase):
    """A file that gives what it has in pieces of odd sizes, as a pipe does."""

    def __init__(self, data: bytes) -> None:
        self.rest = data
        self.turn = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self.turn += 1
        count = min(len(buffer), len(self.rest), 1 + self.turn * 7 % 13)
        buffer[:count] = self.rest[:count]
        self.rest = self.rest[count:]
        return count
