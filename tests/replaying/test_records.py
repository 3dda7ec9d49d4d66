"""A record with its neighbours: beside all records of the text, in files, in memory, compressed and decoded."""

import gzip
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan.logs.source import open_source
from metricscan.replaying.records import records_around

TEXTS = st.lists(st.sampled_from([b"a", b"bc", b"", b"loss=1", b"\n", b"\r", b"\r\n"]), max_size=30).map(b"".join)


def records_of(data, universal):
    """Where each record starts, and its bytes."""
    found, start = {}, 0
    for end in re.finditer(rb"\r\n|\r|\n" if universal else rb"\n", data):
        found[start] = data[start : end.start()]
        start = end.end()
    if start < len(data):
        found[start] = data[start:]
    return found


def wanted(records, offset, neighbours):
    """The record that starts there with its neighbours; None if none does."""
    if offset not in records:
        return None
    starts = list(records)
    at = starts.index(offset)
    before = [records[one] for one in starts[max(0, at - neighbours) : at]]
    return before, records[offset], [records[one] for one in starts[at + 1 : at + 1 + neighbours]]


@given(TEXTS, st.booleans(), st.integers(0, 4))
def test_each_place_of_a_text(data, universal, neighbours):
    records = records_of(data, universal)
    for offset in range(len(data) + 2):
        found = records_around(open_source(data), offset, universal=universal, neighbours=neighbours)
        assert found == wanted(records, offset, neighbours)


@pytest.mark.parametrize("kind", ["plain", "gzip", "chunks", "utf-16"])
def test_places_of_a_long_log(tmp_path, kind):
    lines = [b"%d %s" % (number, b"x" * (number % 90)) for number in range(3_000)]
    data = b"".join(line + b"\n" for line in lines)
    records = records_of(data, True)
    size = 1
    path = tmp_path / "a.log"
    if kind == "gzip":
        path.write_bytes(gzip.compress(data))
    elif kind == "utf-16":
        path.write_bytes(data.decode().encode("utf-16"))
        size = 2
    else:
        path.write_bytes(data)
    places = list(records)
    for offset in [*places[:: len(places) // 40], places[-1], places[-1] + 1, len(data) + 99]:
        source = open_source([data[at : at + 1_000] for at in range(0, len(data), 1_000)] if kind == "chunks" else path)
        there = offset * size + (2 if kind == "utf-16" else 0)
        assert records_around(source, there, universal=True, neighbours=3) == wanted(records, offset, 3)


def test_a_record_that_is_longer_than_what_is_read(tmp_path):
    (tmp_path / "a.log").write_bytes(b"before\n" + b"y" * 100_000 + b"\nbehind\n")
    before, record, behind = records_around(open_source(tmp_path / "a.log"), 7, universal=True, neighbours=2)
    assert before == [b"before"]
    assert record == b"y" * 16_384
    assert behind == []
