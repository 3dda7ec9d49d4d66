"""Exports of CloudWatch Logs: every row with the time of its event and its place in the export, however it is cut."""

import csv
import functools
import gzip
import io
import itertools
import json
import struct
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import reference
from support.exports import NAMES, START_MS, Event, as_csv, as_json, as_s3, moment
from support.feeding import bits

import metricscan
from metricscan import SourceError, _core
from metricscan.logs import _events, exports
from metricscan.logs.formats import FORMATS
from metricscan.logs.source import open_source
from metricscan.scanning.scanner import _configured

DEFINITIONS = [{"Name": "loss", "Regex": "loss=(\\S*)"}, {"Name": "acc", "Regex": "acc: ([0-9.]+)"}]
ORDER = ("logStreamName", "timestamp", "message", "eventId")


# ---- what is expected of them


def expected_rows(events, data, **options):
    """Rows by the oracle, message by message: value, line, offset and start in the export, time."""
    rows = {definition["Name"]: [] for definition in DEFINITIONS}
    unparsed = dict.fromkeys(rows, 0)
    for event in events:
        text = event.message.encode("utf-8", "surrogatepass")
        text += b"" if text.endswith(b"\n") else b"\n"
        places = [*event.places, event.places[-1]] if event.message.endswith("\n") else event.places
        for name, metric in reference.scan(DEFINITIONS, text, **options).metrics.items():
            unparsed[name] += metric.unparsed
            for value, _, offset, start in metric.rows:
                line = 1 + data.count(b"\n", 0, places[offset])
                rows[name].append((bits(value), line, places[offset], places[start], moment(event.time_ms)))
    return rows, unparsed


def found_rows(result):
    return {
        name: [
            (bits(value), *rest)
            for value, *rest in zip(
                *(result[name].column(key).to_pylist() for key in ("value", "line", "offset", "start", "time")),
                strict=True,
            )
        ]
        for name in result
    }


def at_level(level):
    """While exports are read at this SIMD level."""
    return mock.patch.object(_events, "Decoder", functools.partial(_events.Decoder, level=level))


def check(events, data, input_format, cuts=(), level="auto", **options):
    wanted, unparsed = expected_rows(events, data, **options)
    scanner = _configured(DEFINITIONS, **options)
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    chunks = [data[start:end] for start, end in itertools.pairwise(edges)]
    for source in (data, chunks):
        with at_level(level):
            result = scanner.scan(source, threads=1, input_format=input_format)
        assert found_rows(result) == wanted
        assert {name: counts.unparsed for name, counts in result.stats.metrics.items()} == unparsed
        assert result.stats.bytes == len(data)


texts = st.lists(
    st.sampled_from(
        ["loss=0.5 ", "loss=nan", "loss=-1e-3;", "acc: 0.75%",
         '"', "\\", "\t", "\r", "\n", "\r\n", ",", "é", "😀", " ", "x", "\x1b[1m", "{", "]"]
    ),
    max_size=8,
).map("".join)  # fmt: skip
cuts = st.lists(st.integers(0, 5000), max_size=4)
levels = st.sampled_from(_core.SIMD_LEVELS)
options = st.sampled_from([{}, {"newline": "lf"}, {"escape": "syslog"}, {"matches": "last"}, {"ansi": "strip"}])


@st.composite
def event_lists(draw, texts=texts):
    named = draw(st.booleans())
    return [
        Event(
            text,
            START_MS + draw(st.integers(-(10**12), 10**12)),
            stream=draw(st.sampled_from(NAMES)) if named else None,
        )
        for text in draw(st.lists(texts, max_size=6))
    ]


@given(
    event_lists(),
    st.sampled_from([None, 0, 4]),
    st.booleans(),
    st.sampled_from(
        [
            ("timestamp", "message", "ingestionTime"),
            ("logStreamName", "timestamp", "message", "ingestionTime", "eventId"),
            ("message", "timestamp", "logStreamName"),
        ]
    ),
    st.integers(1, 3),
    cuts,
    options,
    levels,
)
def test_an_export_in_json_is_decoded(events, indent, ascii_only, order, pages, cuts, options, level):
    # without their key at the front there would be a comma too many
    if order[0] == "logStreamName" and (not events or events[0].stream is None):
        order = order[1:]
    data = as_json(events, indent=indent, ascii_only=ascii_only, order=order, pages=pages)
    if events:
        parsed, _ = json.JSONDecoder().raw_decode(data.decode())
        assert parsed["events"][0]["message"] == events[0].message
    check(events, data, "cloudwatch-json", cuts, level, **options)


@given(event_lists(), st.booleans(), st.booleans(), st.sampled_from(["ms", "date"]), cuts, options, levels)
def test_an_export_in_csv_is_decoded(events, crlf, quote_all, times, cuts, options, level):
    events = [event for event in events if event.message or event.stream or quote_all or times]
    data = as_csv(events, crlf=crlf, quote_all=quote_all, times=times)
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert [row[1] for row in rows[1:]] == [event.message for event in events]
    check(events, data, "cloudwatch-csv", cuts, level, **options)


@given(event_lists(), cuts, options, levels)
def test_an_export_to_s3_is_decoded(events, cuts, options, level):
    for event in events:
        event.stream = None
    data = as_s3(events)
    # a message's own last newline is not told from the line's: there is an empty record more, which matches nothing
    check(events, data, "s3-export", cuts, level, **options)


def test_the_last_line_needs_no_newline():
    scanner = metricscan.Scanner(DEFINITIONS)
    for data, kind in (
        (b"2026-03-01T10:00:00.000Z loss=1", "s3-export"),
        (b"timestamp,message\n1,loss=1", "cloudwatch-csv"),
        (b'timestamp,message\n1,"loss=1"', "cloudwatch-csv"),
        (b"timestamp,message\n1,loss=1\r", "cloudwatch-csv"),
    ):
        assert scanner.scan(data, input_format=kind)["loss"]["value"].to_pylist() == [1.0]


def test_events_share_the_time_of_their_records():
    data = b'{"events": [{"timestamp": 1000, "message": "loss=1\\nloss=2\\rloss=3"}, {"message": "loss=4"}]}'
    table = metricscan.Scanner(DEFINITIONS).scan(data, input_format="cloudwatch-json")["loss"]
    assert table["time"].to_pylist() == [moment(1000)] * 3 + [None]
    assert table["line"].to_pylist() == [1] * 4
    assert [data[start : start + 1] for start in table["start"].to_pylist()] == [b"1", b"2", b"3", b"4"]


def test_escapes_of_every_kind():
    message = "loss=0.5 \ud83d \u0000 \U0001f600 é / loss=2"
    data = (
        json.dumps({"events": [{"timestamp": 0, "message": message}]})
        .replace("/", "\\/")
        .replace("2", "\\u0032")
        .encode()
    )
    table = metricscan.Scanner(DEFINITIONS).scan(data, input_format="auto")["loss"]
    assert table["value"].to_pylist() == [0.5, 2.0]
    assert data[table["start"].to_pylist()[1] :].startswith(b"\\u0032")


@pytest.mark.slow
def test_many_events_in_many_pieces(monkeypatch):
    import metricscan.logs.exports as framing

    events = [
        Event(f'step {n} loss={n}.5 \t "q" acc: {n % 7}.25', START_MS + n, stream=NAMES[n % 3]) for n in range(3000)
    ]
    events[40].message = "x" * 30_000 + "loss=7.5"
    for size in (512, 4096):
        monkeypatch.setattr(framing, "_PIECE_BYTES", size)
        for build, kind in (
            (lambda: as_json(events, indent=4, ascii_only=True, order=ORDER, pages=3), "cloudwatch-json"),
            (lambda: as_csv(events, crlf=False, quote_all=False, times="date"), "cloudwatch-csv"),
            (lambda: as_s3(events), "s3-export"),
        ):  # fmt: skip
            check(events, build(), kind, cuts=range(0, 60_000, 997))


def test_quotation_marks_at_the_very_end():
    """Of two the one that is text is copied, however near the end of a piece they stand."""
    for behind in range(24):
        message = f'{"y" * 40}\n"q" loss=1 "z"{"w" * behind}'
        data = as_csv(
            [Event("\n" * 60, START_MS), Event(message, START_MS + 1)], crlf=False, quote_all=False, times="date"
        )
        scanner = metricscan.Scanner([r'loss="q" loss=([0-9]) "z"'])
        table = scanner.scan(data, input_format="cloudwatch-csv")["loss"]
        assert table["value"].to_pylist() == [1.0], behind


def test_more_rows_than_a_batch_holds():
    data = b"".join(
        moment(START_MS + n).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3].encode() + b"Z loss=%d\n" % n for n in range(150_000)
    )
    running = metricscan.Scanner(["loss=loss=([0-9]+)"]).batches(data, input_format="s3-export")
    sizes = [batch.num_rows for _, batch in running]
    assert sum(sizes) == 150_000
    assert max(sizes) == 65_536
    table = metricscan.Scanner(["loss=loss=([0-9]+)"]).scan(data, input_format="s3-export")["loss"]
    assert table["value"].to_pylist() == list(range(150_000))
    assert table["line"].to_pylist() == list(range(1, 150_001))
    assert table["time"].cast("int64").to_pylist() == [(START_MS + n) * 1000 for n in range(150_000)]


def test_samples_have_their_places():
    data = b'{"events": [{"timestamp": 0, "message": "a\\tb"},\n {"timestamp": 0, "message": "\\tloss=x"}]}'
    result = metricscan.Scanner(DEFINITIONS).scan(data, input_format="auto")
    (sample,) = result.stats.metrics["loss"].samples
    assert sample == ("x", 2, data.find(b"\\tloss"))


# ---- what it is


@pytest.mark.parametrize("threads", [1, 2])
def test_auto_reads_plain_text_as_it_is(tmp_path, threads):
    data = b"loss=1\n" * 100_000
    path = tmp_path / "a.log"
    path.write_bytes(data)
    packed = tmp_path / "a.log.gz"
    packed.write_bytes(gzip.compress(data))
    scanner = metricscan.Scanner(DEFINITIONS)
    plain = scanner.scan(data)["loss"]
    for source in (data, path, packed, [data[:5], data[5:]], io.BytesIO(data)):
        assert scanner.scan(source, threads=threads, input_format="auto")["loss"].equals(plain)


def test_a_format_that_is_none():
    with pytest.raises(metricscan.OptionError, match="input_format='json': 'auto' or 'plain'"):
        metricscan.Scanner(DEFINITIONS).scan(b"", input_format="json")
    assert len(FORMATS) == 7


@pytest.mark.parametrize("kind", FORMATS)
def test_nothing_at_all(kind):
    result = metricscan.Scanner(DEFINITIONS).scan(b"", input_format=kind)
    assert (result.stats.records, result["loss"].num_rows) == (0, 0)


# ---- exports that are not whole

GOOD = b'{"events": [{"timestamp": 1, "message": "loss=1"}, {"timestamp": 2, "message": "loss=2"}'


def broken(data, kind):
    with pytest.raises(SourceError) as caught:
        metricscan.Scanner(DEFINITIONS).scan(data, input_format=kind)
    chunked = [data[at : at + 3] for at in range(0, len(data), 3)]
    with pytest.raises(SourceError) as again:
        metricscan.Scanner(DEFINITIONS).scan(chunked, input_format=kind)
    assert again.value.offset == caught.value.offset
    assert found_rows(again.value.partial) == found_rows(caught.value.partial)
    return caught.value.partial["loss"]["value"].to_pylist(), caught.value.offset, str(caught.value)


@pytest.mark.parametrize(
    ("data", "kind", "values", "offset", "message"),
    [
        (GOOD, "cloudwatch-json", [1, 2], len(GOOD), "ends before it is complete"),
        (GOOD[:-1], "cloudwatch-json", [1], GOOD.find(b', {"timestamp": 2') + 2, "ends before it is complete"),
        (GOOD[:-5], "cloudwatch-json", [1], GOOD.find(b', {"timestamp": 2') + 2, "ends before it is complete"),
        (GOOD + b"]}\nloss=3\n", "cloudwatch-json", [1, 2], len(GOOD) + 3, "a JSON object was expected"),
        (GOOD.replace(b"loss=2", b"a\nb"), "cloudwatch-json", [1], len(GOOD) - 3, "control character"),
        (GOOD.replace(b'2, "m', b'2 "m'), "cloudwatch-json", [1], GOOD.find(b' "message": "loss=2') , "comma"),
        (GOOD.replace(b'2, "m', b'2, "x": ], "m'), "cloudwatch-json", [1], GOOD.find(b'2, "m') + 8, "no JSON value"),
        (b"loss=1\n", "cloudwatch-json", [], 0, "a JSON object was expected"),
        (b"[" * 100, "cloudwatch-json", [], 64, "nested too deeply"),
        (b'timestamp,message\n1,loss=1\n2,"loss=2', "cloudwatch-csv", [1], 27, "within an event"),
        (b"timestamp,message\n1,loss=1\n2\n", "cloudwatch-csv", [1], 27, "another number of columns"),
        (b"timestamp,message\n1,loss=1\n2,a,b\n", "cloudwatch-csv", [1], 27, "another number of columns"),
        (b"timestamp,message\n1,loss=1\nx,a\n", "cloudwatch-csv", [1], 27, "no time"),
        (b'timestamp,message\n1,loss=1\n2,"a"b\n', "cloudwatch-csv", [1], 32, "behind a closing quotation mark"),
        (b"time,text\n1,loss=1\n", "cloudwatch-csv", [], 0, "a header with the columns timestamp and message"),
        (b"loss=1\n", "s3-export", [], 0, "a line that starts with a time was expected"),
    ],
)  # fmt: skip
def test_events_up_to_the_error(data, kind, values, offset, message):
    found, at, text = broken(data, kind)
    assert found == values
    assert message in text
    assert f"at byte {at}" in text
    # a space may belong to what is before the fault
    assert at in (offset, offset + 1)


BAD_ESCAPES = [rb"\x", rb"a\u12G4", rb"\u00", rb"x\' loss=5", rb"\a\\ \" loss=5"]


@pytest.mark.parametrize("level", _core.SIMD_LEVELS)
@pytest.mark.parametrize("bad", BAD_ESCAPES)
@pytest.mark.parametrize("place", range(6))
def test_an_unknown_escape_costs_one_event(bad, place, level):
    """Wherever it stands, also behind events that are read by the bytes between their messages."""
    messages = [b"loss=%d" % number for number in range(6)]
    messages[place] = bad
    events = [b'{"timestamp": 170000000000%d, "message": "%s"}' % pair for pair in enumerate(messages)]
    data = b'{"events": [' + b", ".join(events) + b"]}"
    with at_level(level):
        values, offset, text = broken(data, "cloudwatch-json")
    assert values == [number for number in range(6) if number != place]
    assert data[offset : offset + 1 + len(bad)] == b'"' + bad
    assert f"an unknown escape in an event at byte {offset}; it was passed over" in text


def test_unknown_escapes_are_counted(tmp_path):
    path = tmp_path / "events.json"
    path.write_bytes(
        rb'{"events": [{"message": "\x"}, {"message": "loss=1"}, {"logStreamName": "\x", "message": "loss=2"}]}'
    )
    result = metricscan.replay(path, metricscan.Scanner(DEFINITIONS), input_format="cloudwatch-json")
    (error,) = result.errors
    assert "an unknown escape in an event at byte 24; 2 such places were passed over" in str(error)
    assert result["loss"]["value"].to_pylist() == [1]


@pytest.mark.parametrize("level", _core.SIMD_LEVELS)
def test_two_spellings_of_a_stream_are_one(level):
    spellings = ["a/b é", r"a\/b é", r"a\/b \u00e9", r"\u0061/b é", "a/b é", "a/b e"]
    events = [
        f'{{"logStreamName": "{name}", "timestamp": 170000000000{number}, "message": "loss={number}"}}'
        for number, name in enumerate(spellings)
    ]
    with at_level(level):
        reader = exports.ExportReader(open_source(f'{{"events": [{", ".join(events)}]}}'.encode()), "cloudwatch-json")
        texts = [bytes(decoder.text) for decoder in reader]
    assert b"".join(texts) == b"".join(b"loss=%d\n" % number for number in range(6))
    assert reader.stream_names == [None, "a/b é", "a/b e"]
    assert [count for *_, count in reader.decoder.streams] == [0, 5, 1]


def test_the_payload_of_a_stream_in_another_spelling():
    data = rb'{"logStream": "a\/b", "logEvents": [{"timestamp": 1, "message": "loss=1"}]}'
    data += rb'{"logStream": "a/b", "logEvents": [{"timestamp": 2, "message": "loss=2"}]}'
    reader = exports.ExportReader(open_source(data), "cloudwatch-json")
    list(reader)
    assert reader.error is None
    assert reader.stream_names == [None, "a/b"]


def test_a_stream_without_a_name():
    """There is no memory for names yet, which memcpy must not be given."""
    data = b'{"events": [{"logStreamName": "", "timestamp": 1, "message": "loss=1"}]}'
    reader = exports.ExportReader(open_source(data), "cloudwatch-json")
    list(reader)
    assert reader.stream_names == [None, ""]


def test_events_without_a_message_are_counted(tmp_path):
    path = tmp_path / "events.json"
    events = [
        {"timestamp": 1},
        {"message": None},
        {"timestamp": 2, "message": "loss=1"},
        {"logStreamName": "a", "searched": True},
    ]
    path.write_text(json.dumps({"events": events, "nextToken": "x"}))
    result = metricscan.replay(path, metricscan.Scanner(DEFINITIONS), input_format="cloudwatch-json")
    assert (result.errors, result.stats.without_message) == ((), 2)
    assert result["loss"]["value"].to_pylist() == [1]
    with metricscan.Scanner(DEFINITIONS).stream(format="cloudwatch-json") as stream:
        stream.feed(path.read_bytes())
        assert stream.stats.without_message == 2


def test_every_truncation_of_an_export():
    events = [Event(f'loss={n} "é\\ \n', START_MS + n) for n in range(4)]
    data = as_json(events, indent=None, ascii_only=True, order=("timestamp", "message"), pages=1)
    scanner = metricscan.Scanner(DEFINITIONS)
    whole = found_rows(scanner.scan(data, input_format="cloudwatch-json"))["loss"]
    assert len(whole) == 4
    for end in range(1, len(data) - 1):
        with pytest.raises(SourceError) as caught:
            scanner.scan(data[:end], input_format="cloudwatch-json")
        rows = found_rows(caught.value.partial)["loss"]
        assert rows == whole[: len(rows)]
        closed = data[:end].count(b"}")
        assert len(rows) == closed


def test_a_damaged_archive_keeps_its_events(tmp_path):
    path = tmp_path / "000000.gz"
    packed = gzip.compress(
        as_s3([Event(f"loss={n} {struct.pack('<d', n * 0.37).hex()}", START_MS + n) for n in range(6_000)])
    )
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(SourceError, match="truncated gzip") as caught:
        metricscan.Scanner(DEFINITIONS).scan(path, input_format="auto")
    assert caught.value.partial["loss"].num_rows > 1_000


@given(st.binary(max_size=200), st.sampled_from(FORMATS[2:]))
def test_no_bytes_do_harm(data, kind):
    offsets = []
    try:
        metricscan.Scanner(DEFINITIONS).scan(data, input_format=kind)
    except SourceError as error:
        offsets.append(error.offset)
    assert all(0 <= offset <= len(data) for offset in offsets)


@given(
    st.lists(
        st.sampled_from(
            [
                b'{"events":[',
                b'{"message":"',
                b"loss=1",
                b'","timestamp":',
                b"17",
                b"}",
                b",",
                b"]}",
                b'"',
                b"\\u00",
                b"\\n",
                b"\n",
                b'"timestamp":',
                b"[",
                b"null",
                b":",
            ]
        ),
        max_size=14,
    ),
    cuts,
)
def test_no_json_does_harm(parts, cuts):
    data = b"".join(parts)
    outcomes = []
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [data[start:end] for start, end in itertools.pairwise(edges)]
    scanner = metricscan.Scanner(DEFINITIONS)
    for source, level in itertools.product((data, pieces), _core.SIMD_LEVELS):
        try:
            with at_level(level):
                outcomes.append((found_rows(scanner.scan(source, input_format="cloudwatch-json")), None))
        except SourceError as error:
            outcomes.append((found_rows(error.partial), error.offset))
    assert all(outcome == outcomes[0] for outcome in outcomes)


def test_every_truncation_of_a_csv_in_quotes():
    events = [Event(f'loss={n}.25 "é"\n,', START_MS + n) for n in range(3)]
    data = as_csv(events, crlf=False, quote_all=True, times="ms")
    scanner = metricscan.Scanner(DEFINITIONS)
    whole = found_rows(scanner.scan(data, input_format="cloudwatch-csv"))["loss"]
    assert len(whole) == 3
    starts = [at + 1 for at in range(len(data)) if data[at] == 10 and data[at + 1 : at + 2] == b"1"] + [len(data)]
    for end in range(starts[0], len(data) + 1):
        error = None
        try:
            result = scanner.scan(data[:end], input_format="cloudwatch-csv")
        except SourceError as caught:
            result, error = caught.partial, caught
        rows = found_rows(result)["loss"]
        assert rows == whole[: len(rows)]
        if error is None:
            # the last field is whole, or is an empty one
            assert end in starts or end + 1 in starts or data[end - 1 : end] in (b",", b'"')
        else:
            assert max(at for at in starts if at <= end) <= error.offset <= end


# ---- payloads of subscriptions


def payload(stream, *messages, kind="DATA_MESSAGE"):
    events = [{"id": f"{n:056}", "timestamp": START_MS + n, "message": message} for n, message in enumerate(messages)]
    outer = {"messageType": kind, "owner": "12", "logGroup": "g", "logStream": stream, "subscriptionFilters": ["f"]}
    return json.dumps({**outer, "logEvents": events}, separators=(",", ":")).encode()


def test_payloads_of_several_streams(tmp_path):
    """Firehose writes them one behind the other, each compressed on its own."""
    payloads = [
        payload("job-a/algo-1-7", "loss=4", "loss=3", "loss=2"),
        payload("", "loss=0 CWL CONTROL MESSAGE: Checking health of destination Firehose.", kind="CONTROL_MESSAGE"),
        payload("job-b/algo-1-8", "loss=9"),
        payload("job-a/algo-1-7", "loss=1"),
    ]
    path = tmp_path / "events-1-2026-03-01-10-00-00-0a1b"
    path.write_bytes(b"".join(gzip.compress(one) for one in payloads))
    result = metricscan.replay(path, metricscan.Scanner(DEFINITIONS))
    assert [(row["job"], row["value"]) for row in result["loss"].to_pylist()] == [
        ("job-a", 4.0),
        ("job-a", 3.0),
        ("job-a", 2.0),
        ("job-a", 1.0),
        ("job-b", 9.0),
    ]
    assert not result.errors
    assert not result.notices
    data = b"".join(payloads)
    for cut in range(0, len(data), 3):
        chunks = [data[:cut], data[cut:]]
        table = metricscan.Scanner(DEFINITIONS).scan(chunks, input_format="cloudwatch-json")["loss"]
        assert table["value"].to_pylist() == [4.0, 3.0, 2.0, 9.0, 1.0]


def test_a_stream_that_is_named_behind_its_events():
    data = b'{"logEvents":[{"timestamp":1,"message":"loss=1"}],"logStream":"a"}'
    values, offset, message = broken(data, "cloudwatch-json")
    assert values == [1.0]
    assert "a logStream behind its events" in message
    assert data[offset:].startswith(b'"a"')


def test_the_stream_of_an_event_on_its_own_line():
    lines = ['{"timestamp":1,"message":"x","logStream":"a"}', '{"logStream":"b","timestamp":1,"message":"x"}']
    data = "\n".join([*lines, '{"message":""}']).encode()
    decoder = _events.Decoder("cloudwatch-json")
    decoder.feed(data, True)
    assert [(name, count) for name, _, count in decoder.streams] == [(None, 1), (b"a", 1), (b"b", 1)]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.one_of(st.none(), st.integers(START_MS, START_MS + 9))), max_size=30)
)
def test_the_first_and_the_last_time_of_each_stream(events):
    documents = [
        {"logStreamName": stream, **({} if time is None else {"timestamp": time}), "message": "x"}
        for stream, time in events
    ]
    decoder = _events.Decoder("cloudwatch-json")
    decoder.feed(json.dumps(documents).encode(), True)
    for name, span, count in decoder.streams[1:]:
        times = [time for stream, time in events if stream.encode() == name]
        known = [time * 1000 for time in times if time is not None]
        assert (span, count) == ((min(known), max(known)) if known else None, len(times))


@pytest.mark.parametrize("level", _core.SIMD_LEVELS)
@pytest.mark.parametrize("escaped", ["", r"\"", r"\n"])
def test_a_time_that_is_no_time_behind_events_that_look_the_same(level, escaped):
    event = '{{"timestamp":"2026-03-01T10:00:{:02}.000Z","message":"loss=1{}"}}'
    data = "\n".join(event.format(second, escaped) for second in (0, 1, 2, 99, 3)).encode() + b" " * 200
    decoder = _events.Decoder("cloudwatch-json", level=level)
    taken = decoder.feed(data, True)
    assert decoder.error is None
    assert taken == len(data)
    invalid, offset, because, _ = decoder.take_dropped()
    assert (invalid, because) == (1, "a timestamp that is no time")
    assert data[offset:].startswith(b'"2026-03-01T10:00:99')
    assert bytes(decoder.text).count(b"loss=1") == 4 == decoder.streams[0][2]


def test_a_header_that_is_longer_than_the_first_look():
    data = b"timestamp,message,%s\n%d,loss=4,x\n" % (b"x" * 100_000, START_MS)
    table = metricscan.Scanner(DEFINITIONS).scan(data, input_format="cloudwatch-csv")["loss"]
    assert (table["value"].to_pylist(), table["offset"].to_pylist()) == ([4.0], [data.index(b"loss")])


@pytest.mark.slow
def test_a_hundred_thousand_streams():
    count = 100_000
    data = b"[%s]" % b",".join(
        b'{"logStreamName":"job-%d/algo-1","timestamp":%d,"message":"loss=%d"}' % (n * 7919 % count, START_MS, n)
        for n in range(2 * count)
    )
    decoder = _events.Decoder("cloudwatch-json")
    assert decoder.feed(data, True) == len(data)
    assert [(name, events) for name, _, events in decoder.streams[1:]] == [
        (b"job-%d/algo-1" % (n * 7919 % count), 2) for n in range(count)
    ]
