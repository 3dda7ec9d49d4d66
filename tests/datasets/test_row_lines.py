"""Rows as lines of CSV and JSON: the bytes are those that the writers of any table give."""

import io
import math
import random
import struct

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan.datasets import formats, row_lines
from metricscan.datasets._row_text import RowText, number_text
from metricscan.datasets.row_lines import RowLinesWriter
from metricscan.datasets.schema import LABEL_SCHEMA, SCHEMA
from metricscan.scanning.schema import TIME

EDGES = [
    *(0.0, -0.0, 1.0, -1.5, 0.1, 0.30000000000000004, 4.35, 999999.9999995, 1e15, 1e16, 1e22, 1e23, 9007199254740993.0),
    *(0.0001, 0.00001, 1e-6, 1e-7, 9.5e-7, 9999999999.5, 1e10, 123456789012345680.0, 2**-1074, 2.2250738585072014e-308),
    *(1.7976931348623157e308, math.nan, math.inf, -math.inf),
]


def as_csv(values):
    file = io.BytesIO()
    pc.write_csv(pa.table({"value": values}), file, pc.WriteOptions(include_header=False))
    return file.getvalue().decode().splitlines()


def hold(values):
    for value, text in zip(values, as_csv(values), strict=True):
        assert number_text(value, json=True) == formats.json_number(value)
        assert number_text(value, json=False) == text


def test_numbers_at_the_edges():
    hold(EDGES + [-value for value in EDGES])


def test_numbers_beside_all_powers_of_two_and_ten():
    twos = [math.ldexp(1, exponent) for exponent in range(-1074, 1024)]
    tens = [float(f"1e{exponent}") for exponent in range(-323, 309)]
    hold([near for one in twos + tens for near in (one, math.nextafter(one, 0), math.nextafter(one, math.inf))])


def test_decimals_of_up_to_six_places():
    millionths = [*range(3000), *(10**power + more for power in range(3, 16) for more in (-1, 0, 1, 10, 100_000))]
    hold([number / 1e6 for number in millionths] + [-number / 1e6 for number in millionths])


def test_integers_of_every_length(tmp_path):
    places = [10**power + more for power in range(19) for more in (-1, 0, 1, 10, 12)]
    places += [-place for place in places] + [
        2**63 - 1,
        -(2**63),
        99_999_999,
        100_000_000,
        1_200_000_034,
        10**16 + 10**8,
    ]
    rows = pa.array(places, pa.int64())
    name = pa.DictionaryArray.from_arrays(pa.array([0] * len(rows), pa.int32()), ["a"])
    zeros, no_times = pa.array([0] * len(rows), pa.int32()), pa.nulls(len(rows), TIME)
    columns = [name, name, zeros, name, pa.array([0.5] * len(rows)), rows, rows, rows, no_times]
    table = pa.table(columns, schema=SCHEMA)
    writer = RowLinesWriter(str(tmp_path / "rows"), SCHEMA, json=False)
    writer.write(table)
    writer.close()
    lines = (tmp_path / "rows").read_text().splitlines()[1:]
    assert lines == [f'"a","a",0,"a",0.5,{place},{place},{place},' for place in places]


@given(st.floats())
def test_any_number(value):
    hold([value])


@pytest.mark.parametrize("seed", range(4))
def test_random_numbers(seed):
    draw = random.Random(seed)
    values = []
    for _ in range(5000):
        (bits,) = struct.unpack("d", struct.pack("Q", draw.getrandbits(64)))
        some = draw.random() * 10 ** draw.randint(-8, 18)
        few = float(f"{draw.randint(0, 10 ** draw.randint(1, 17))}e{draw.randint(-30, 30)}")
        values += [bits, some, round(some, draw.randint(0, 17)), few]
    hold(values)


NAMES = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=4, unique=True)
PLACES = st.one_of(st.integers(0, 10**6), st.integers(-(2**63), 2**63 - 1))
# Arrow prints years before 1 and after 9999, too, but reads none
TIMES = st.one_of(st.none(), st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))


@st.composite
def tables(draw):
    is_label = draw(st.booleans())
    schema = LABEL_SCHEMA if is_label else SCHEMA
    batches = []
    # either all batches share their names, or not
    shared = [draw(NAMES) for _ in range(3)] if draw(st.booleans()) else None
    for _ in range(draw(st.integers(1, 3))):
        rows = draw(st.integers(0, 6))
        columns = []
        for number in range(3):
            names = draw(NAMES) if shared is None else shared[number]
            codes = draw(st.lists(st.integers(0, len(names) - 1), min_size=rows, max_size=rows))
            columns.append(pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names, pa.string())))
        part = pa.array(draw(st.lists(st.integers(0, 2**31 - 1), min_size=rows, max_size=rows)), pa.int32())
        text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
        values = draw(st.lists(text if is_label else st.floats(), min_size=rows, max_size=rows))
        places = [pa.array(draw(st.lists(PLACES, min_size=rows, max_size=rows)), pa.int64()) for _ in range(3)]
        time = pa.array(draw(st.lists(TIMES, min_size=rows, max_size=rows)), TIME)
        value = pa.array(values, schema.field("value").type)
        job, stream, metric = columns
        whole = pa.RecordBatch.from_arrays([job, stream, part, metric, value, *places, time], schema=schema)
        cut = draw(st.integers(0, rows))
        batches += [whole.slice(0, cut), whole.slice(cut)]
    # before a chunk without rows Arrow's CSV writer writes NULs
    batches = [batch for batch in batches if batch.num_rows]
    return pa.Table.from_batches(batches, schema=schema)


def written(kind, table, path):
    any_table = formats._TableAsJsonLines if kind == "jsonl" else formats._TableAsCsv
    contents = []
    for writer in (any_table(str(path), table.schema), RowLinesWriter(str(path), table.schema, json=kind == "jsonl")):
        writer.write(table)
        writer.close()
        contents.append(path.read_bytes())
    return contents


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@given(table=tables())
def test_as_any_table_is_written(kind, table, tmp_path_factory):
    expected, found = written(kind, table, tmp_path_factory.mktemp("rows") / "file")
    assert found == expected


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_rows_of_many_jobs_and_names_longer_than_the_buffer(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(row_lines, "_BUFFER_BYTES", 512)
    rows = 10_000
    draw = np.random.default_rng(3)
    names = [f"job {number}" * (400 if number % 7 == 0 else 1) for number in range(50)]
    job = pa.DictionaryArray.from_arrays(pa.array(draw.integers(0, 40, rows), pa.int32()), pa.array(names))
    other = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["stdout"]))
    place = pa.array(np.arange(rows))
    columns = [job, other, pa.array(np.zeros(rows, np.int32)), other, pa.array(draw.random(rows)), place, place, place]
    time = pa.nulls(rows, TIME)
    table = pa.Table.from_batches([pa.RecordBatch.from_arrays([*columns, time], schema=SCHEMA)])
    expected, found = written(kind, table, tmp_path / "file")
    assert found == expected


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_file_without_rows(kind, tmp_path):
    writer = formats.WRITERS[kind](str(tmp_path / "file"), SCHEMA)
    writer.close()
    assert (tmp_path / "file").read_text() == (
        "job,stream,part,metric,value,line,offset,start,time\n" * (kind == "csv")
    )


@pytest.mark.parametrize("short", range(8))
def test_columns_of_unequal_length_are_refused(short):
    names = (np.zeros(3, np.int32), b"x", np.array([0, 1]))
    columns = [names, names, np.zeros(3, np.int32), names, np.zeros(3), *(np.arange(3) for _ in range(4))]
    place = [0, 1, 2, 3, 4, 5, 6, 7][short]
    columns[place] = (columns[place][0][:2], *names[1:]) if columns[place] is names else columns[place][:2]
    job, stream, part, metric, value, line, offset, start, time = columns
    with pytest.raises(ValueError, match="equal length"):
        RowText(True, job, stream, part, metric, None, value, line, offset, start, time, -1)
