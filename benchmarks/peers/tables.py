"""Peers that hold lines as a column: Polars, DuckDB, pyarrow."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

from peers.answers import Found, literal_of
from peers.engine import Engine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from inputs.corpora import Workload

# Polars reads this once, at its import. Set it to another number beforehand for another comparison.
os.environ.setdefault("POLARS_MAX_THREADS", "1")


class Polars(Engine):
    """Polars: lines as a string column, kept by literal, then ``str.extract`` and a cast."""

    name = "polars"
    package = "polars"

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Build the expressions; time the split into lines and all after it."""
        import polars as pl

        line = pl.col("line")
        literals = [literal_of(d["Regex"]) for d in workload.definitions]
        # one search for each literal beats one for all of them while they are few
        if len(literals) <= 8:
            candidate = pl.any_horizontal([line.str.contains(literal, literal=True) for literal in literals])
        else:
            candidate = line.str.contains_any(literals)
        columns = [line.str.extract(d["Regex"], 1).cast(pl.Float64).alias(d["Name"]) for d in workload.definitions]
        data = workload.data

        def extract() -> Found:
            # read_csv with a separator that does not occur splits lines faster than read_lines does
            frame = pl.read_csv(
                io.BytesIO(data), has_header=False, separator="\x01", quote_char=None,
                schema={"line": pl.String}, row_index_name="row", row_index_offset=1,
            )  # fmt: skip
            wide = frame.filter(candidate).select("row", *columns)
            tables = {d["Name"]: wide.select("row", d["Name"]).drop_nulls() for d in workload.definitions}
            return Found(
                {name: table[name] for name, table in tables.items()},
                {name: table["row"] for name, table in tables.items()},
            )

        return extract


def _arrow_lines(data: bytes) -> Any:
    """Split into a string column, the fastest of the ways pyarrow has."""
    import pyarrow as pa
    from pyarrow import csv

    return csv.read_csv(
        pa.BufferReader(data),
        csv.ReadOptions(column_names=["line"], use_threads=False, block_size=1 << 20),
        csv.ParseOptions(delimiter="\x01", quote_char=False, ignore_empty_lines=False),
        csv.ConvertOptions(column_types={"line": pa.string()}),
    )


class DuckDB(Engine):
    """DuckDB: SQL over the lines, ``regexp_extract`` where ``contains`` holds."""

    name = "duckdb"
    package = "duckdb"

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Write the query; time the split into lines and all after it."""
        import duckdb

        connection = duckdb.connect()
        connection.execute("set threads = 1")

        def quoted(text: str) -> str:
            return "'" + text.replace("'", "''") + "'"

        names = [d["Name"] for d in workload.definitions]
        columns = ", ".join(
            f"try_cast(nullif(regexp_extract(line, {quoted(d['Regex'])}, 1), '') as double) as v{i}"
            for i, d in enumerate(workload.definitions)
        )
        candidate = " or ".join(f"contains(line, {quoted(literal_of(d['Regex']))})" for d in workload.definitions)
        query = f"select n, {columns} from (select row_number() over () as n, line from log) where {candidate}"
        data = workload.data

        def extract() -> Found:
            connection.register("log", _arrow_lines(data))
            wide = connection.sql(query).to_arrow_table()
            values: dict[str, Any] = {}
            lines: dict[str, Any] = {}
            for i, name in enumerate(names):
                kept = wide["n"].filter(wide[f"v{i}"].is_valid())
                values[name] = wide[f"v{i}"].drop_null()
                lines[name] = kept
            return Found(values, lines)

        return extract


class PyArrow(Engine):
    """``pyarrow.compute``: ``match_substring``, then ``extract_regex`` on what is left."""

    name = "pyarrow"
    package = "pyarrow"
    limit_bytes = 4 << 20

    def prepare(self, workload: Workload, path: Path) -> Callable[[], Found]:
        """Time the split into lines and all after it."""
        import pyarrow as pa
        import pyarrow.compute as pc

        data = workload.data

        def extract() -> Found:
            column = _arrow_lines(data)["line"]
            found = Found({}, {})
            for definition in workload.definitions:
                candidate = pc.match_substring(column, literal_of(definition["Regex"]))
                fields = pc.extract_regex(column.filter(candidate), definition["Regex"].replace("(", "(?P<v>", 1))
                texts = pc.struct_field(fields, "v")
                valid = texts.is_valid()
                row = pc.add(pc.indices_nonzero(candidate), 1)
                found.values[definition["Name"]] = texts.drop_null().cast(pa.float64())
                found.lines[definition["Name"]] = row.filter(pa.array(valid.to_numpy(zero_copy_only=False)))
            return found

        return extract
