"""Invalid events of exports: one costs itself, is counted and said with its place, however the export is cut."""

import functools
import itertools
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metricscan import Scanner, SourceError, _core
from metricscan.logs import _events, exports, formats
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
        (b'"timestamp": 2, "other": "\0", "message": {"message": "loss=2"}', False),
        # the string has no end: what follows does not fit
        (b'"timestamp": 2, "message": "loss=2', True),
        (b'"timestamp": 2, "message": "loss=2\0\0", ', True),
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


# ---- JSON: values of another type


THREE = b'{"events": [{"timestamp": 1, "message": "loss=1"}, {%s}, {"timestamp": 3, "message": "loss=3"}]}'
NESTED = [
    b"{}",
    b"[]",
    b'{"a": "b"}',
    b'{"message": "loss=9"}',
    b'[1, {"message": "loss=9",\n"x": "]"}]',
    b'{"a": "b\tc"}',
]
SCALAR = [b"7", b"true", b"-1.5e3", b'"x"']


@pytest.mark.parametrize("level", _core.SIMD_LEVELS)
@pytest.mark.parametrize("field", [b"extractedFields", b"id", b"eventId", b"ingestionTime"])
def test_a_field_of_any_type_costs_nothing(field, level):
    for value in [*NESTED, *SCALAR, b"null"]:
        for event in (
            b'"timestamp": 2, "message": "loss=2", "%s": %s',
            b'"%s": %s, "timestamp": 2, "message": "loss=2"',
        ):
            data = THREE % (event % (field, value))
            with at_level(level):
                for source in (data, [data[at : at + 7] for at in range(0, len(data), 7)]):
                    found = SCANNER.scan(source, input_format="cloudwatch-json")["loss"]
                    assert found["value"].to_pylist() == [1, 2, 3]
                    assert found["start"][2].as_py() == data.find(b"loss=3") + 5
                    assert found["line"][2].as_py() == 1 + data.count(b"\n")


@pytest.mark.parametrize("level", _core.SIMD_LEVELS)
@pytest.mark.parametrize(
    ("event", "values", "told"),
    [
        *((b'"timestamp": %s, "message": "loss=2"', value, "a timestamp that is no time") for value in NESTED),
        *((b'"message": "loss=2", "timestamp": %s', value, "a timestamp that is no time") for value in NESTED),
        *((b'"timestamp": 2, "message": %s', value, "a message that is no string") for value in [*NESTED, *SCALAR[:3]]),
        *((b'"message": %s, "timestamp": 2', value, "a message that is no string") for value in [*NESTED, *SCALAR[:3]]),
        *(
            (b'"logStreamName": %s, "message": "loss=2"', value, "a stream name that is no string")
            for value in [*NESTED, *SCALAR[:3]]
        ),
        *((b'"message": "loss=2", "other": %s', value, "a message beside nested values") for value in NESTED),
    ],
)
def test_a_value_of_another_type_costs_one_event(event, values, told, level):
    with at_level(level):
        error = damage(THREE % (event % values), "cloudwatch-json")
    assert error.partial["loss"]["value"].to_pylist() == [1, 3]
    assert f"{told} at byte {error.offset}; it was passed over" in str(error)


def test_what_is_nested_before_a_message_costs_its_event():
    for value, values in ((b"{}", [1, 3]), (b"[1, [2]]", [1, 3]), (b'{"message": "loss=9"}', [1, 9, 3])):
        for message in (b'"loss=2"', b"7"):
            error = damage(THREE % (b'"other": %s, "message": %s' % (value, message)), "cloudwatch-json")
            assert error.partial["loss"]["value"].to_pylist() == values
            assert f"a message beside nested values at byte {error.offset}; it was passed over" in str(error)
    # an invalid value beside the events themselves is counted, and they are read
    error = damage(THREE.replace(b'{"e', b'{"timestamp": "x", "e') % b'"message": "loss=2"', "cloudwatch-json")
    assert error.partial["loss"]["value"].to_pylist() == [1, 2, 3]
    assert "a timestamp that is no time at byte 14; it was passed over" in str(error)


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


# ---- CSV: open quotation marks


ROW = b'170000000000%d,"loss=%d"\n'
PLAIN_ROW = b"170000000000%d,loss=%d\n"
# a row that opens a quotation mark, with how much of it is before that, and lines that belong to it
OPEN = [(b'1700000000002,"loss=8\n', 14), (b'1700000000002,"loss=8 ""x""\r\nmore, of it\n\n', 14), (b'"2","\n', 4)]


@pytest.mark.parametrize("level", _core.SIMD_LEVELS)
@pytest.mark.parametrize("row", [ROW, PLAIN_ROW])
@pytest.mark.parametrize(("bad", "at"), OPEN)
@pytest.mark.parametrize("place", [0, 3])
def test_an_open_quotation_mark_costs_one_event(row, bad, at, place, level):
    """The rows behind it are found, whether a later one closes the quotation mark or none does."""
    rows_there = [row % (number, number) for number in range(5)]
    rows_there[place] = bad
    data = b"timestamp,message\n" + b"".join(rows_there)
    with at_level(level):
        error = damage(data, "cloudwatch-csv")
    found = error.partial["loss"]
    values = found["value"].to_pylist()
    assert values == [number for number in range(5) if number != place]
    assert error.offset == data.find(bad) + at
    assert f"a quotation mark without an end at byte {error.offset}; it was passed over" in str(error)
    lines = [data.count(b"\n", 0, data.find(b"loss=%d" % number)) + 1 for number in values]
    assert found["line"].to_pylist() == lines


@pytest.mark.parametrize(
    ("data", "values"),
    [
        # what is cut off is no row: its lines are text
        (b'timestamp,message\n1700000000001,loss=1\n1700000000002,"loss=2\n3,loss=3\nloss=4\n', [1]),
        # where the time is no first column, it is not known where a row begins
        (b'message,timestamp\nloss=1,1700000000001\n"loss=2,1700000000002\nloss=3,1700000000003\n', [1]),
    ],
)
def test_a_csv_that_ends_within_an_event(data, values):
    error = damage(data, "cloudwatch-csv")
    assert "the export ends within an event" in str(error)
    assert error.partial["loss"]["value"].to_pylist() == values


# ---- JSON: values


BAD_VALUES = [
    (b'"timestamp": "x", "message": "loss=9"', b'"x"', "a timestamp that is no time"),
    (b'"timestamp": 99999999999999999, "message": "loss=9"', b"99999999999999999", "a timestamp that is no time"),
    (b'"timestamp": null, "message": "loss=9"', b"null", "a timestamp that is no time"),
    (b'"timestamp": 170000000000x, "message": "loss=9"', b"170000000000x", "a timestamp that is no time"),
    (b'"message": "loss=9", "timestamp": ""', b'""', "a timestamp that is no time"),
    (b'"timestamp": 1700000000002, "message": 9', b"9", "a message that is no string"),
    (
        b'"timestamp": 1700000000002, "message": "loss=9", "message": "loss=8\\n"',
        b'"loss=8',
        "two messages in one event",
    ),
    (b'"timestamp": 1700000000002, "message": "loss=9", "other": NaN', b"NaN", "no JSON value"),
    (b'"timestamp": "2026-03-01T10:00:99.000Z", "message": "loss=9"', b'"2026', "a timestamp that is no time"),
]


@pytest.mark.parametrize("level", _core.SIMD_LEVELS)
@pytest.mark.parametrize(("bad", "named", "because"), BAD_VALUES)
@pytest.mark.parametrize("place", [0, 2, 4])
def test_an_invalid_value_costs_one_event(bad, named, because, place, level):
    """Also behind events that are read by the bytes between their messages."""
    time = b"1700000000001" if b"2026" not in bad else b'"2026-03-01T10:00:01.000Z"'
    events = [b'{"timestamp": %s, "message": "loss=%d"}' % (time, number) for number in range(5)]
    events[place] = b"{" + bad + b"}"
    data = b'{"events": [' + b",\n".join(events) + b"]}" + b" " * 200
    with at_level(level):
        error = damage(data, "cloudwatch-json")
    found = error.partial["loss"]
    values = found["value"].to_pylist()
    assert values == [number for number in range(5) if number != place]
    assert error.offset == data.find(named, data.find(bad) + bad.rfind(named))
    assert f"{because} at byte {error.offset}; it was passed over" in str(error)
    assert found["line"].to_pylist() == [number + 1 for number in values]


# ---- what an export is recognised by


@pytest.mark.parametrize("bad", [b"\x1b[31mloss=9", b"a\tb", b"\n", rb"\x1b", rb"C:\path", b"\0"])
@pytest.mark.parametrize(
    "data",
    [
        b'{"timestamp": 1700000000001, "message": "%s"}\n{"timestamp": 1700000000002, "message": "loss=2"}\n',
        b'{"events": [{"timestamp": 1700000000001, "message": "%s"}, {"timestamp": 1700000000002, "message": "loss=2"}]}',
        b'[{"timestamp": 1700000000001, "message": "loss=1"},\n{"timestamp": 1700000000002, "message": "%s"}]\n',
    ],
)
def test_an_export_is_recognised_whatever_its_first_messages_hold(data, bad):
    assert formats.detect(data % bad) == "cloudwatch-json"
    # cut off amid the last event, too
    whole = data % (bad + b"a" * 300)
    assert formats.detect(whole[: len(whole) - 100]) == "cloudwatch-json"
    # objects with other keys are of another log
    assert formats.detect((data % bad).replace(b"timestamp", b"time")) == "plain"
