"""The export reader at every SIMD level: what Python's json and csv read, and the same places, times and errors at each."""

import csv
import datetime as dt
import io
import json
import re

import numpy as np
import pytest

from metricscan import _core
from metricscan.logs._events import NO_TIME, Decoder

HEADER = b"timestamp,message\n"
# a vector has 16, 32 or 64 bytes, and up to 128 are copied at once
EDGES = sorted(
    {*range(36), *range(46, 50), *range(61, 67), *range(76, 83), *range(92, 99), *range(108, 115), *range(124, 147)}
)
CONSOLE = {"columns": (2, 0, 1, -1), "offset": len(HEADER), "line": 1}


def decoded(data, kind, level, cuts=()):
    """All that the decoder says: per piece the text, and of each byte of it line, place and time; then the error and streams."""
    decoder = Decoder(kind, level=level, **(CONSOLE if kind == "cloudwatch-csv" else {}))
    taken = len(HEADER) if kind == "cloudwatch-csv" else 0
    text, places, lines = b"", [np.zeros((0, 5), np.int64)], 1
    for end in [*cuts, len(data)]:
        taken += decoder.feed(data[taken:end], end == len(data))
        piece = bytes(decoder.text)
        columns = np.zeros((5, len(piece)), np.int64)
        columns[0] = lines + newlines_before(piece)
        columns[1:3] = len(text) + np.arange(len(piece))
        decoder.translate(*columns)
        places.append(columns.T)
        lines += piece.count(b"\n")
        text += piece
        if decoder.error is not None:
            break
    # an event whose lines come in several pieces is counted in each
    streams = [(name, span) for name, span, _ in decoder.streams]
    return text, np.concatenate(places).tobytes(), decoder.error, streams


def newlines_before(piece):
    """How many newlines lie before each byte."""
    return (
        np.concatenate([[0], np.cumsum(np.frombuffer(piece, np.uint8) == 10)[:-1]]) if piece else np.zeros(0, np.int64)
    )


def checked(data, kind, cuts=()):
    """What every level says, whole and in pieces."""
    wanted = decoded(data, kind, "portable")
    for level in _core.SIMD_LEVELS:
        assert decoded(data, kind, level) == wanted, level
        if cuts:
            assert decoded(data, kind, level, cuts) == wanted, level
    text, places, error, streams = wanted
    lines, offsets, starts, *_ = columns = np.frombuffer(places, np.int64).reshape(-1, 5).T
    assert np.array_equal(offsets, starts)
    assert np.array_equal(lines, 1 + newlines_before(data + b"\n")[offsets])
    for byte, offset in zip(text, offsets.tolist(), strict=True):
        # an event's last newline may be given to it, and an escape stand for several bytes
        assert offset == len(data) or data[offset] == byte or data[offset] in b'\\"\r\n' or byte >= 0x80
    return text, columns, error, streams


def checked_json(document, cuts=()):
    """The same for a JSON document that is valid, beside the json module."""
    text, columns, error, _ = checked(document, "cloudwatch-json", cuts)
    events = json.loads(document)["events"]
    messages = [event["message"].encode() for event in events if "message" in event]
    assert text == b"".join(message.removesuffix(b"\n") + b"\n" for message in messages)
    assert error is None
    times = [event["timestamp"] * 1000 if "timestamp" in event else NO_TIME for event in events if "message" in event]
    lengths = [len(message.removesuffix(b"\n")) + 1 for message in messages]
    assert np.array_equal(columns[3], np.repeat(times, lengths))
    return columns


# ---- JSON


@pytest.mark.parametrize("special", ['\\"', "\\\\", "\\n", "\\u00e9", "\\ud83d\\ude00", "é", "{", "\\u0041\\u0042"])
def test_escapes_at_every_place(special):
    """In a message, and in a string that is passed by."""
    events = [
        f'{{"other": "{"o" * before}{special}{"p" * 20}", "timestamp": {before}, "message": "{"x" * before}{special}{"y" * 40}"}}'
        for before in EDGES
    ]
    document = f'{{"events": [{", ".join(events)}]}}'.encode()
    checked_json(document, range(301, len(document), 301))


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 9, 40, 64])
def test_series_of_escapes_at_every_place(count):
    """Each byte behind escapes has its place, also where a vector ends within an escape or between two."""
    for special in ("\\\\", '\\"', '\\\\\\"', "\\t", '\\\\\\n\\"', "\\\\u005c", "\\/\\u00e9"):
        events = [
            f'{{"timestamp": {before}, "message": "{"x" * before}{special * count}{"y" * 70}{special}"}}'
            for before in EDGES
        ]
        document = f'{{"events": [{", ".join(events)}]}}'.encode()
        _, starts, *_ = checked_json(document, range(307, len(document), 307))
        ys = np.frombuffer(document, np.uint8)[starts] == ord("y")
        assert np.array_equal(starts[ys], np.flatnonzero(np.frombuffer(document, np.uint8) == ord("y")))


@pytest.mark.parametrize("control", [0, 9, 10, 31])
def test_controls_at_every_place(control):
    for before in EDGES:
        for content in (b'"message": "%s%c%s', b'"other": "%s%c%s'):
            document = b"{" + content % (b"x" * before, control, b"y" * 150) + b'", "message": ]}'
            _, _, (message, offset), _ = checked(document, "cloudwatch-json")
            assert "a control character" in message
            assert document[offset : offset + 2] in (b'"x', b'"%c' % control)
    # what is as large, but for its highest bit, is text
    document = json.dumps({"events": [{"message": "x" * before + "é\x7f" + "z" * 150} for before in EDGES]}).encode()
    checked_json(document)
    checked_json(json.dumps(json.loads(document), ensure_ascii=False).encode())


def test_blanks_of_every_length():
    parts = [b'{"events":[']
    for number, length in enumerate(EDGES):
        for newline in {0, length // 3, length // 2, max(length - 1, 0)}:
            blanks = bytearray(b" " * length)
            blanks[newline : newline + 1] = b"\n" * min(1, length)
            parts += [
                b"," if len(parts) > 1 else b"",
                blanks,
                b'{"timestamp":%d,' % number,
                blanks,
                b'"message":',
                blanks,
                b'"a"}',
            ]
    document = b"".join(parts) + b"\n]}"
    checked_json(document)
    checked_json(document.replace(b" ", b"\t"))
    checked_json(document.replace(b" ", b"\n"), range(1009, len(document), 1009))


def test_envelopes_that_differ_in_one_byte():
    """Events that look like the one before are read without their tokens; whatever differs must be seen."""
    event = b'{"logStreamName": "job/algo-1", "timestamp": 1772359200123, "eventId": "0042aA", "message": "loss=1"}'
    like = [event] * 4
    for place, byte in enumerate(event):
        if byte in b'{}":,[]':
            continue
        for other in {byte ^ 1, byte ^ 0x20, byte + 10, ord("0"), ord("9"), 0x20} - {
            byte,
            0x22,
            0x5C,
            0x3A,
            0x2C,
            0x7B,
            0x7D,
        }:
            if not 0x20 <= other < 0x7F:
                continue
            changed = event[:place] + bytes([other]) + event[place + 1 :]
            document = b'{"events": [' + b", ".join([*like, changed, *like]) + b", " + event + b"]}"
            try:
                json.loads(document)
            except ValueError:
                checked(document, "cloudwatch-json")
                continue
            # alone, with nothing before it that it could look like
            alone, (_, _, _, times, _), _, _ = checked(b'{"events": [' + changed + b"]}", "cloudwatch-json")
            text, columns, error, _ = checked(document, "cloudwatch-json")
            if error is None:
                assert text == (b"loss=1\n" * 4 + alone + b"loss=1\n" * 5)
                assert np.array_equal(columns[3][28 : 28 + len(alone)], times)


@pytest.mark.parametrize("filling", [0, 1, 13, 14, 15, 16, 17, 29, 30, 31, 32, 33, 61, 64, 200])
def test_envelopes_of_every_length(filling):
    """The byte that differs is the envelope's last but few, in a vector that it does not fill."""
    for key in ("a", "b"):
        events = [
            f'{{"timestamp": {number}, "{"k" * filling}{key if number == 5 else "a"}": 1, "message": "m{number}{"x" * 130}"}}'
            for number in range(1, 9)
        ]
        checked_json(f'{{"events": [{", ".join(events)}]}}'.encode())
        last = [
            event.replace('"message": ', '"message":  ') if number == 5 else event
            for number, event in enumerate(events)
        ]
        checked_json(f'{{"events": [{", ".join(last)}]}}'.encode())
        streams = [
            event.replace('"message"', f'"logStreamName": "s{number // 3}", "message"')
            for number, event in enumerate(events)
        ]
        *_, numbers = checked_json(f'{{"events": [{", ".join(streams)}]}}'.encode())
        assert sorted(set(numbers.tolist())) == [1, 2, 3]


@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 16, 31, 63, 64, 65, 130])
def test_streams_with_names_of_every_length(length):
    """The streams that were used last are compared another way; a name that differs in one digit is another stream."""
    order = [0, 0, 1, 0, 1, 1, 2, 1, 0, 2, 2, 3, 0, 1]
    for place in {0, length // 2, length - 1}:
        names = ["n" * place + str(number) + "n" * (length - place - 1) for number in range(4)]
        events = [
            f'{{"logStreamName": "{names[number]}", "timestamp": 1, "message": "m{"x" * 130}"}}' for number in order
        ]
        *_, numbers = checked_json(f'{{"events": [{", ".join(events)}]}}'.encode())
        assert numbers[::132].tolist() == [1 + number for number in order]


# ---- CSV


@pytest.mark.parametrize("special", ['"', '""', ",", "\n", "\r", "\r\n", "é", "\x1f"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("time", ["1772359200123", "2026-03-01 10:00:00.123"])
def test_fields_of_every_length(special, end, time):
    written = io.StringIO()
    # csv does not quote a carriage return by itself
    writer = csv.writer(written, lineterminator=end, quoting=csv.QUOTE_ALL if special == "\r" else csv.QUOTE_MINIMAL)
    messages = [f"{'x' * before}{special}{'y' * after}" for before in EDGES for after in (0, 1, 20)]
    writer.writerows([time, message] for message in messages)
    rows = written.getvalue()
    assert [row[1] for row in csv.reader(io.StringIO(rows, newline=""))] == messages
    data = HEADER + rows.encode()
    text, columns, error, _ = checked(data, "cloudwatch-csv", range(307, len(data), 307))
    assert text == b"".join(message.removesuffix("\n").encode() + b"\n" for message in messages)
    assert error is None
    assert set(columns[3].tolist()) == {1_772_359_200_123_000}


@pytest.mark.parametrize("count", [1, 2, 3, 8, 9, 33, 64])
def test_series_of_quotation_marks_at_every_place(count):
    for special in ('""', '"",', '""\n', 'a""b'):
        rows = [
            f'{1772359200000 + before},"{"x" * before}{special * count}{"y" * after}"\n'
            for before in EDGES
            for after in (0, 70)
        ]
        data = HEADER + "".join(rows).encode()
        text, (_, starts, *_), error, _ = checked(data, "cloudwatch-csv", range(307, len(data), 307))
        messages = [row[1] for row in csv.reader(io.StringIO("".join(rows), newline=""))]
        assert text == b"".join(message.removesuffix("\n").encode() + b"\n" for message in messages)
        assert error is None
        ys = np.frombuffer(data, np.uint8)[starts] == ord("y")
        assert np.array_equal(starts[ys], np.flatnonzero(np.frombuffer(data, np.uint8) == ord("y")))


def test_rows_of_the_console_that_differ_in_one_byte():
    """A row as the console writes it is read another way; what differs must be seen, also with other rows around it."""
    for row in (b'1772359200123,"loss=1, a"\r\n', b"1772359200123,loss=1\n", b'1772359200123,"a""b"\n'):
        for place in range(len(row)):
            for byte in b'\n\r",09 :-;\x00\xff':
                data = HEADER + row * 9 + row[:place] + bytes([byte]) + row[place + 1 :] + row * 9
                checked(data, "cloudwatch-csv", [len(HEADER) + len(row) * 9 + place])


def test_a_carriage_return_ends_no_row():
    for before in EDGES:
        data = HEADER + b"1,%s\r%s\n2,b\n" % (b"x" * before, b"y" * 40)
        assert checked(data, "cloudwatch-csv")[0] == b"%s\r%s\nb\n" % (b"x" * before, b"y" * 40)


# ---- lines with times


def test_lines_of_every_length():
    lines = [
        b"2026-03-01T10:00:00.%03dZ %s" % (length, b'\r,x\x00"'[length % 5 :] + b"x" * length) for length in range(300)
    ]
    lines[1::3] = [line[25:] for line in lines[1::3]]
    data = b"\n".join(lines)
    text, *_ = checked(data, "s3-export", range(1009, len(data), 1009))
    assert text == b"".join(
        line.removeprefix(line[:25] if line.startswith(b"2026-") else b"") + b"\n" for line in lines
    )


def test_times_that_differ_in_one_byte():
    """A time in the minute of the time before it is read another way: it is the same time, and no other text is one."""
    usual = b"2026-03-01T10:00:37.458Z "
    at_minute = dt.datetime(2026, 3, 1, 10, tzinfo=dt.UTC)
    wanted, lines = [], []
    for place in range(25):
        for byte in range(256):
            if byte == ord("\n"):
                continue
            line = usual[:place] + bytes([byte]) + usual[place + 1 :] + b"loss=1"
            text, time = line, (at_minute + dt.timedelta(milliseconds=37458))
            found = re.match(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d):(\d\d)(?:\.(\d+))?Z(?: |(?=\r))", line)
            if found and int(found[2]) <= 60:
                try:
                    minute = dt.datetime.fromisoformat(found[1].decode() + "+00:00")
                except ValueError:
                    pass
                else:
                    time = minute + dt.timedelta(
                        seconds=int(found[2]), microseconds=int((found[3] or b"").ljust(6, b"0"))
                    )
                    text = line[found.end() :]
            lines += [usual + b"x", line]
            wanted += [(b"x", at_minute + dt.timedelta(milliseconds=37458)), (text, time)]
    data = b"\n".join(lines) + b"\n"
    text, columns, error, _ = checked(data, "s3-export", range(100_003, len(data), 100_003))
    assert error is None
    assert text == b"".join(message + b"\n" for message, _ in wanted)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    times = [(time - epoch) // dt.timedelta(microseconds=1) for _, time in wanted]
    assert np.array_equal(columns[3], np.repeat(times, [len(message) + 1 for message, _ in wanted]))


def test_a_level_that_is_none():
    for level in ("", "sse9", "Portable"):
        with pytest.raises(ValueError, match=f"SIMD level {level!r} is not available here"):
            Decoder("s3-export", level=level)
