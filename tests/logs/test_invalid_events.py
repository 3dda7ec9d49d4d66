"""Invalid events of exports: one costs itself, is counted and said with its place, however the export is cut."""

import functools
import itertools
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan import Scanner, SourceError, _core
from metricscan.logs import _events, exports
from metricscan.logs.source import open_source

SCANNER = Scanner([r"loss=loss=([0-9.]+)"])
cuts = st.lists(st.integers(0, 5000), max_size=4)


def rows(found):
    """The rows of a result, with their places and times."""
    columns = ("value", "line", "offset", "start", "time")
    return list(zip(*(found["loss"].column(name).to_pylist() for name in columns), strict=True))


def damage(data, kind):
    """The error of an export, which is the same however the export is cut."""
    with pytest.raises(SourceError) as caught:
        SCANNER.scan(data, input_format=kind)
    for size in (1, 3, 100):
        if len(data) // size > 10_000:
            continue
        chunks = [data[at : at + size] for at in range(0, len(data), size)]
        with pytest.raises(SourceError) as again:
            SCANNER.scan(chunks, input_format=kind)
        assert str(again.value).replace("<chunks>", "<bytes>") == str(caught.value)
        assert again.value.offset == caught.value.offset
        assert rows(again.value.partial) == rows(caught.value.partial)
    return caught.value


def at_level(level):
    """While exports are read at this SIMD level."""
    return mock.patch.object(_events, "Decoder", functools.partial(_events.Decoder, level=level))


# ---- JSON: control characters


BAD_CONTROLS = [b"\x00", b"a\tb loss=9", b"\nloss=9\n\n", rb"\"" + b"\r\n", b"\\\n loss=9", b"\x1f" * 200]


@pytest.mark.parametrize("level", _core.SIMD_LEVELS)
@pytest.mark.parametrize("bad", BAD_CONTROLS)
@pytest.mark.parametrize("place", range(6))
def test_a_control_character_costs_one_event(bad, place, level):
    """And the lines of the events behind it are those of the file."""
    messages = [b"loss=%d" % number for number in range(6)]
    messages[place] = bad
    events = [b'{"timestamp": 170000000000%d, "message": "%s"}' % pair for pair in enumerate(messages)]
    data = b'{"events": [' + b", ".join(events) + b"]}"
    with at_level(level):
        error = damage(data, "cloudwatch-json")
    values, offset = error.partial["loss"]["value"].to_pylist(), error.offset
    assert values == [number for number in range(6) if number != place]
    assert data[offset : offset + 1 + len(bad)] == b'"' + bad
    assert f"a control character in an event at byte {offset}; it was passed over" in str(error)
    lines = [data.count(b"\n", 0, data.find(b"loss=%d" % number)) + 1 for number in values]
    assert error.partial["loss"]["line"].to_pylist() == lines


CONTROLLED = b'{"timestamp": 1, "message": "loss=1"}\n{%s}\n{"timestamp": 3, "message": "loss=3"}\n'


@pytest.mark.parametrize(
    ("event", "is_over"),
    [
        (b'"timestamp": 2, "message": "loss=2", "logStreamName": "a\tb"', False),
        (b'"logStreamName": "a\n\\xb", "timestamp": 2, "message": "loss=2"', False),
        (b'"other": "a\n", "timestamp": 2, "message": "loss=2"', False),
        (b'"timestamp": "2\n", "message": "loss=2"', False),
        (b'"timestamp": 2, "other": "a\n"', False),
        # the string has no end: what follows does not fit
        (b'"timestamp": 2, "message": "loss=2', True),
        (b'"timestamp": 2, "message": "loss=2\0\0", ', True),
        (b'"timestamp": 2, "other": "\0", "message": {"message": "loss=2"}', True),
        (b'"message": "\0%s"' % (b"a" * (1 << 20)), True),
    ],
)
def test_where_an_event_with_a_control_character_ends(event, is_over):
    data = CONTROLLED % event
    error = damage(data, "cloudwatch-json")
    assert "a control character in an event at byte" in str(error)
    found = error.partial["loss"]
    assert found["value"].to_pylist() == ([1] if is_over else [1, 3])
    assert ("passed over" in str(error)) == (not is_over)


# ---- CSV: rows


BAD_ROWS = [
    (b"2,loss=5,c,d\n", "a row with another number of columns than the header", 0),
    (b"2,loss=5\r\n", "a row with another number of columns than the header", 0),
    (b'2,"loss=5\nloss=6"\n', "a row with another number of columns than the header", 0),
    (b"x,loss=5,a\n", "a timestamp that is no time", 0),
    (b'"1 ""x""",loss=5,a\n', "a timestamp that is no time", 1),
    (b'2,"loss=5" x,a\n', "text behind a closing quotation mark", 10),
    (b'2,"loss=5"\rx,a\n', "text behind a closing quotation mark", 10),
    (b'"2"y,"loss=5\n', "text behind a closing quotation mark", 3),
    (b'2,loss=5,"a"b\r\n', "text behind a closing quotation mark", 12),
]


@pytest.mark.parametrize("level", _core.SIMD_LEVELS)
@pytest.mark.parametrize(("bad", "because", "at"), BAD_ROWS)
@pytest.mark.parametrize("place", range(4))
def test_an_invalid_row_costs_one_event(bad, because, at, place, level):
    rows = [b'170000000000%d,"loss=%d\n",a\n' % (number, number) for number in range(4)]
    rows[place] = bad
    data = b"timestamp,message,logStreamName\n" + b"".join(rows)
    with at_level(level):
        error = damage(data, "cloudwatch-csv")
    found, offset = error.partial["loss"], error.offset
    values = found["value"].to_pylist()
    assert values == [number for number in range(4) if number != place]
    assert offset == data.find(bad) + at
    assert f"{because} at byte {offset}; it was passed over" in str(error)
    lines = [data.count(b"\n", 0, data.find(b"loss=%d" % number)) + 1 for number in values]
    assert found["line"].to_pylist() == lines


@given(st.lists(st.sampled_from([None, *(bad for bad, _, _ in BAD_ROWS)]), max_size=12), cuts)
def test_invalid_rows_are_counted(rows, cuts):
    """However the input is cut."""
    texts = [
        b"170000000000%d,loss=%d,a\n" % (number % 10, number) if bad is None else bad for number, bad in enumerate(rows)
    ]
    data = b"timestamp,message,logStreamName\n" + b"".join(texts)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [data[start:stop] for start, stop in itertools.pairwise(edges)]
    reader = exports.ExportReader(open_source(pieces), "cloudwatch-csv")
    text = b"".join(bytes(decoder.text) for decoder in reader)
    good = [number for number, bad in enumerate(rows) if bad is None]
    assert text == b"".join(b"loss=%d\n" % number for number in good)
    assert reader.damaged == len(rows) - len(good)
    assert reader.stream_names == ([None, "a"] if good else [None])
