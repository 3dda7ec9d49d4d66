"""Journals for tests: a scanner, rows as a stream gives them, and what a journal holds, as plain lists."""

import pyarrow as pa

from metricscan import Dataset, Scanner
from metricscan.datasets.journal_state import FollowedFile
from metricscan.scanning.schema import LABEL_SCHEMA, SCHEMA

SCANNER = Scanner(["loss=loss=([0-9.]+)", "acc=acc=([0-9.]+)"], labels={"who": r"who=(\w+)"})
OTHER_SCANNER = Scanner(["loss=loss=([0-9.]+)"])


def file(job, stream="stdout", part=0):
    return FollowedFile(job, stream, part, f"logs/{job}.{stream}.{part}")


def batch(rows):
    """A batch of rows of (value, line, offset, start, time)."""
    columns = list(zip(*rows, strict=True)) or [[]] * 5
    schema = LABEL_SCHEMA if rows and isinstance(rows[0][0], str) else SCHEMA
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def one_row(number):
    """A batch of one row, whose value is its number, and whose record is the line of that number."""
    return batch([(float(number), number + 1, 100 * number, 100 * number + 5, None)])


def rows_of(path):
    """By metric and (job, stream, part), the rows as tuples."""
    found = {}
    dataset = Dataset(path)
    for metric in dataset:
        for row in dataset[metric].to_pylist():
            key = row.pop("job"), row.pop("stream"), row.pop("part")
            time = row["time"]
            micros = None if time is None else round(time.timestamp() * 1e6)
            found.setdefault(metric, {}).setdefault(key, []).append((*list(row.values())[:4], micros))
    return found


def values_of(path, metric="loss"):
    """The values of a metric, by job."""
    return {key[0]: [row[0] for row in rows] for key, rows in rows_of(path).get(metric, {}).items()}
