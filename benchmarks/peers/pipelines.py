"""A log to Parquet, as the users of metricscan, Polars, DuckDB and pyarrow write it: a file per metric, on several threads.

``pipelines.py NAME LOG FOLDER DEFINITIONS THREADS`` is a process that writes the dataset into the folder whenever it reads a
line, and prints the seconds. It is a process of its own because Polars reads at its import how many threads it may have.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Definitions = list[dict[str, str]]


def ours(log: Path, out: Path, definitions: Definitions, threads: int) -> Callable[[], Any]:
    """One replay, which writes offsets too, and a manifest."""
    import metricscan

    scanner = metricscan.Scanner(definitions)
    return lambda: metricscan.replay(log, scanner, out=out, threads=threads, keep=False, sync=False, overwrite=True)


def polars(log: Path, out: Path, definitions: Definitions, threads: int) -> Callable[[], Any]:
    """Write a lazy query over the lines, collected by the streaming engine: faster than sinks of one query for each metric."""
    import polars as pl
    from peers.answers import literal_of

    assert pl.thread_pool_size() == threads
    line = pl.col("line")
    candidate = pl.any_horizontal([line.str.contains(literal_of(d["Regex"]), literal=True) for d in definitions])
    values = [line.str.extract(d["Regex"], 1).cast(pl.Float64).alias(d["Name"]) for d in definitions]

    def write() -> None:
        lines = pl.scan_csv(
            log, has_header=False, separator="\x01", quote_char=None,
            schema={"line": pl.String}, row_index_name="number", row_index_offset=1,
        )  # fmt: skip
        wide = lines.filter(candidate).select("number", *values).collect(engine="streaming")
        for d in definitions:
            table = wide.select(pl.col("number").alias("line"), pl.col(d["Name"]).alias("value")).drop_nulls()
            table.write_parquet(out / f"{d['Name']}.parquet")

    return write


def duckdb(log: Path, out: Path, definitions: Definitions, threads: int) -> Callable[[], Any]:
    """SQL: the lines by ``read_csv``, values into a table, a ``copy`` for each metric."""
    import duckdb as module
    from peers.answers import literal_of

    def quoted(text: object) -> str:
        return "'" + str(text).replace("'", "''") + "'"

    values = ", ".join(
        f"try_cast(nullif(regexp_extract(line, {quoted(d['Regex'])}, 1), '') as double) as v{i}"
        for i, d in enumerate(definitions)
    )
    candidate = " or ".join(f"contains(line, {quoted(literal_of(d['Regex']))})" for d in definitions)
    lines = (
        f"read_csv({quoted(log)}, columns = {{'line': 'varchar'}}, delim = '\x01', quote = '', escape = '', header = false,"
        " auto_detect = false, strict_mode = false)"
    )
    connection = module.connect()
    connection.execute(f"set threads = {threads}")

    def write() -> None:
        numbered = f"select row_number() over () as number, line from {lines}"
        connection.execute(
            f"create or replace temp table wide as select number, {values} from ({numbered}) where {candidate}"
        )
        for i, d in enumerate(definitions):
            rows = f"select number as line, v{i} as value from wide where v{i} is not null"
            connection.execute(f"copy ({rows}) to {quoted(out / (d['Name'] + '.parquet'))} (format parquet)")

    return write


def pyarrow(log: Path, out: Path, definitions: Definitions, threads: int) -> Callable[[], Any]:
    """Let the reader of CSV split lines on all threads, and ``pyarrow.compute`` do the rest on one."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from peers.answers import literal_of
    from pyarrow import csv
    from pyarrow import parquet as pq

    pa.set_cpu_count(threads)

    def write() -> None:
        column = csv.read_csv(
            log,
            csv.ReadOptions(column_names=["line"], block_size=1 << 20),
            csv.ParseOptions(delimiter="\x01", quote_char=False, ignore_empty_lines=False),
            csv.ConvertOptions(column_types={"line": pa.string()}),
        )["line"]
        for d in definitions:
            candidate = pc.match_substring(column, literal_of(d["Regex"]))
            fields = pc.extract_regex(column.filter(candidate), d["Regex"].replace("(", "(?P<v>", 1))
            texts = pc.struct_field(fields, "v")
            numbers = pc.add(pc.indices_nonzero(candidate), 1).filter(texts.is_valid().combine_chunks())
            values = texts.drop_null().cast(pa.float64())
            pq.write_table(pa.table({"line": numbers, "value": values}), out / f"{d['Name']}.parquet")

    return write


PIPELINES = {"metricscan": ours, "polars": polars, "duckdb": duckdb, "pyarrow": pyarrow}


def main() -> None:
    """Write once for each line of standard input."""
    name, log, folder, definitions, threads = sys.argv[1:]
    os.environ["POLARS_MAX_THREADS"] = threads
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    out = Path(folder)
    write = PIPELINES[name](Path(log), out, json.loads(definitions), int(threads))
    for _ in sys.stdin:
        shutil.rmtree(out, ignore_errors=True)
        if name != "metricscan":
            out.mkdir()
        start = time.perf_counter()
        write()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
