"""Live streams of exports and containers' logs: what a scan of the whole log finds, however it arrives and is handed on."""

import json

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exports import FILTERED, NAMES, START_MS, Event, as_csv, as_json, as_s3
from support.feeding import rows_of

import metricscan
from metricscan import OptionError, Scanner, SourceError
from metricscan.logs import growing_export

SCANNER = Scanner(["loss=loss=([0-9.]+)", "re=(?<=(?:s|ss))=([^ ]*)"], labels={"worker": r"\[(\w+)\]"}, untamed="allow")
FORMATS = ["docker-json", "cri", "cloudwatch-json", "cloudwatch-csv", "s3-export"]


def rows_with_times(batch):
    values = [value if isinstance(value, str) else repr(value) for value in batch.column("value").to_pylist()]
    places = [batch.column(name).to_pylist() for name in ("line", "offset", "start", "time")]
    return list(zip(values, *places, strict=True))


def scanned(log, kind):
    """Rows by stream and metric, counts and error of the log as a whole."""
    running = SCANNER.batches(log, input_format=kind)
    found, error = {}, None
    try:
        for name, batch, numbers in running._running:
            names = [running.frames.stream_names[number] or "" for number in numbers.tolist()]
            for row, stream in zip(rows_with_times(batch), names, strict=True):
                found.setdefault(stream, {}).setdefault(name, []).append(row)
    except SourceError as raised:
        error = raised.message.replace("<bytes>", f"<{kind}>"), raised.offset
    return found, running.stats, error


def streamed(log, kind, cuts, *, go_on):
    """The same of a stream that is fed in chunks; with ``go_on`` another process goes on at each cut."""
    stream = SCANNER.stream(format=kind)
    found, fed, error = {}, 0, None

    def take():
        taken = stream.take()
        for name, batch in taken.items():
            batch.validate(full=True)
            assert sum(own[name].num_rows for own in taken.by_stream.values() if name in own) == batch.num_rows
        assert len(taken.rows) == sum(taken[name].num_rows for name in ("loss", "re") if name in taken)
        for name, batches in taken.by_stream.items():
            for metric, batch in batches.items():
                found.setdefault(name, {}).setdefault(metric, []).extend(rows_with_times(batch))

    try:
        for cut in (*cuts, len(log)):
            stream.feed(log[fed : max(cut, fed)])
            fed = max(cut, fed)
            take()
            if go_on and cut < len(log):
                state, before = stream.state(), dict(stream.latest)
                stream = SCANNER.stream(format=kind, state=state)
                assert (stream.state(), repr(dict(stream.latest))) == (state, repr(before))
                assert stream.resume_offset <= fed
                fed = stream.resume_offset
    except SourceError as raised:
        error = raised
        with pytest.raises(SourceError):
            stream.feed(b"more")
    stream.close()
    take()
    if stream.error is not None:
        error = stream.error.message, stream.error.offset
    return found, stream.stats, error


def check(log, kind, cuts):
    rows, stats, error = scanned(log, kind)
    for go_on in (False, True):
        found, counts, trouble = streamed(log, kind, cuts, go_on=go_on)
        assert found == rows
        assert trouble == error
        if error is None or ("passed over" in error[0] and "before that" not in error[0]):
            assert counts == stats
        assert counts.metrics == stats.metrics


MESSAGES = st.lists(
    st.sampled_from(
        ["loss=1", "loss=2.5", "loss=", "7", " ", "[a] ", "[b] ", "x", '"', "\\", "é", "😀", "}", "{", "\t"]
    ),
    max_size=5,
).map("".join)
ENDS = st.sampled_from(["\n", "\n", "\n", "", "\r\n"])
STREAMS = st.sampled_from(["stdout", "stderr"])
CUTS = st.lists(st.integers(0, 1200), max_size=8).map(sorted)


def docker(message, stream="stdout", second=1):
    entry = {"log": message, "stream": stream, "time": f"2026-05-04T03:02:{second:02}.5Z"}
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def cri(tag, message, stream="stdout", second=1):
    return f"2026-05-04T03:02:{second:02}.5Z {stream} {tag} {message}\n".encode()


@st.composite
def logs(draw, kind):
    """A log in this format, perhaps with a few bytes that are others, or without its end."""
    if kind == "docker-json":
        parts = [
            docker(draw(MESSAGES) + draw(ENDS), draw(STREAMS), second) for second in range(draw(st.integers(0, 7)))
        ]
    elif kind == "cri":
        parts = [
            cri(draw(st.sampled_from("FFP")), draw(MESSAGES), draw(STREAMS), second)
            for second in range(draw(st.integers(0, 7)))
        ]
    else:
        parts = []
        messages = draw(st.lists(st.tuples(MESSAGES, st.sampled_from([*NAMES, None])), max_size=6))
        named = any(name for _, name in messages)
        events = [
            Event(message, START_MS + 1000 * second, stream=(name or NAMES[0]) if named else None)
            for second, (message, name) in enumerate(messages)
        ]
        if kind == "cloudwatch-json":
            parts = [as_json(events, **{**FILTERED, "pages": draw(st.integers(1, 2))})]
        elif kind == "cloudwatch-csv":
            parts = [as_csv(events, crlf=draw(st.booleans()), quote_all=draw(st.booleans()), times="ms")]
        else:
            parts = [as_s3(events)]
    log = b"".join(parts)
    if draw(st.integers(0, 2)) == 0 and log:
        at = draw(st.integers(0, len(log) - 1))
        other = draw(st.sampled_from([b"", b"\xff", b'"', b"\n", b"}", b"\0\0\0", b'{"log":"']))
        log = log[:at] + other + log[at + draw(st.integers(0, 20)) :]
    return log[: draw(st.integers(0, len(log)))] if draw(st.integers(0, 4)) == 0 else log


@pytest.mark.parametrize("kind", FORMATS)
@given(st.data(), CUTS)
def test_however_it_arrives(kind, data, cuts):
    log = data.draw(logs(kind))
    check(log, kind, [min(cut, len(log)) for cut in cuts])


CONTAINER = [
    (1, "stdout", "loss=1", "\n"),
    (2, "stdout", "[a] lo", ""),
    (3, "stderr", "loss=3 lo", ""),
    (4, "stdout", "ss=2 loss=x", "\n"),
    (5, "stdout", "loss=5", "\n"),
    (6, "stderr", "ss=4", "\n"),
    (7, "stdout", "[b] los", ""),
]
PAYLOADS = [
    {
        "messageType": kind,
        "logStream": name,
        "logEvents": [{"id": "1", "timestamp": START_MS, "message": "loss=1\nloss=x"}] * 2,
    }
    for kind, name in (("DATA_MESSAGE", "é/1"), ("CONTROL_MESSAGE", "c"), ("DATA_MESSAGE", "b/2"))
]
CASES = {
    "docker-json": b"\0\0" + b"".join(docker(text + end, name, at) for at, name, text, end in CONTAINER),
    "cri": b"".join(cri("F" if end else "P", text, name, at) for at, name, text, end in CONTAINER),
    "cloudwatch-json": as_json([Event("loss=1", START_MS, stream=name) for name in NAMES], **FILTERED),
    "cloudwatch-csv": as_csv([Event('loss=1 "a,b"\nloss=2', START_MS)] * 2, crlf=True, quote_all=True, times="ms"),
    "s3-export": as_s3([Event("loss=1", START_MS), Event("[a] loss=2", START_MS + 1)]) + b"loss=3\nloss=4\n",
}


@pytest.mark.parametrize("kind", FORMATS)
def test_at_every_byte(kind):
    log = CASES[kind]
    check(log, kind, range(len(log) + 1))


def test_payloads_at_every_byte():
    log = "\n".join(json.dumps(one, ensure_ascii=False) for one in PAYLOADS).encode()
    rows, *_ = scanned(log, "cloudwatch-json")
    assert {name: len(metrics["loss"]) for name, metrics in rows.items()} == {"é/1": 2, "b/2": 2}
    check(log, "cloudwatch-json", range(len(log) + 1))


@pytest.mark.parametrize("message", [b'"essage": ""', b'"message": null', b'"eventId": "1"'])
def test_events_without_a_message_at_every_byte(message):
    event = b'{"logStreamName": "a", "timestamp": 1772359200000, %s}'
    events = [event % one for one in (message, b'"message": "loss=1"', message)]
    log = b'{"events": [' + b",\n".join(events) + b"]}"
    _, stats, _ = scanned(log, "cloudwatch-json")
    assert (stats.without_message, stats.metrics["loss"].rows) == (2, 1)
    check(log, "cloudwatch-json", range(len(log) + 1))


@pytest.mark.parametrize("damage", [b"garbage\n", b'{"log":"x{"log":"loss=9\\n"', b"\0\0\0\0", b"\n\n"])
@pytest.mark.parametrize("kind", ["docker-json", "cri"])
def test_at_every_byte_around_damage(kind, damage):
    for at in range(8):
        lines = CASES[kind].splitlines(keepends=True)
        log = b"".join([*lines[:at], damage, *lines[at:]])
        check(log, kind, range(len(log) + 1))


# ---- positions of several streams


def test_reading_resumes_where_the_first_message_that_is_not_whole_begins():
    first, second = docker("loss=1\n"), docker("loss=")
    others = [docker(f"loss={number}\n", "stderr") for number in range(10, 20)]
    log = b"".join([first, second, *others])
    stream = SCANNER.stream(format="docker-json")
    stream.feed(log)
    assert stream.take()["loss"]["value"].to_pylist() == [1.0, *range(10, 20)]
    assert stream.resume_offset == len(first)
    stream = SCANNER.stream(format="docker-json", state=stream.state())
    log += docker("2\n") + docker("loss=20\n", "stderr")
    stream.feed(log[stream.resume_offset :])
    taken = stream.take()
    assert taken["loss"]["value"].to_pylist() == [2.0, 20.0]
    assert {name: batches["loss"]["value"].to_pylist() for name, batches in taken.by_stream.items()} == {
        "stdout": [2.0],
        "stderr": [20.0],
    }
    assert stream.latest["loss"].value == 20.0
    assert stream.resume_offset == len(log)


def test_steps_of_the_streams_of_a_log_are_apart():
    scanner = Scanner(["epoch=epoch=([0-9]+)", "loss=loss=([0-9.]+)"])
    options = {"format": "cri", "step": "epoch"}
    log = [cri("F", "epoch=1"), cri("F", "loss=5", "stderr"), cri("F", "epoch=7", "stderr"), cri("P", "lo")]
    log += [cri("F", "loss=6", "stderr"), cri("F", "ss=2"), cri("F", "epoch=2 loss=3")]
    stream = scanner.stream(**options)
    rows, data, fed = [], b"".join(log), 0
    for end in range(len(data) + 1):
        stream.feed(data[fed:end])
        rows += stream.rows()
        stream = scanner.stream(state=stream.state(), **options)
        fed = stream.resume_offset
    assert [(row.stream, row.value, row.step) for row in rows] == [
        ("stderr", 5.0, None),
        ("stderr", 6.0, 7.0),
        ("stdout", 2.0, 1.0),
        ("stdout", 3.0, 2.0),
    ]


def test_the_journal_takes_the_rows_of_each_stream(tmp_path):
    scanner = Scanner(["loss=loss=([0-9.]+)"])
    stream = scanner.stream(format="docker-json")
    stream.feed(docker("loss=1\n") + docker("loss=2\n", "stderr") + docker("loss=3\n"))
    taken = stream.take()
    with metricscan.Journal.open(tmp_path / "journal", scanner) as journal:
        for name, batches in taken.by_stream.items():
            file = metricscan.FollowedFile(job="a", stream=name, part=0, path="a.log")
            journal.append(file, batches)
    table = metricscan.Dataset(tmp_path / "journal")["loss"]
    assert isinstance(table, pa.Table)
    rows = zip(table["stream"].to_pylist(), table["value"].to_pylist(), strict=True)
    assert sorted(rows) == [("stderr", 2.0), ("stdout", 1.0), ("stdout", 3.0)]


def test_a_plain_stream_has_one_stream_without_a_name():
    stream = Scanner(["loss=loss=([0-9.]+)"]).stream()
    assert stream.take().by_stream == {}
    stream.feed(b"loss=1\n")
    assert rows_of(stream.take().by_stream[""]["loss"]) == [((1.0).hex(), 1, 0, 5)]
    assert stream.error is None


# ---- events, and what is none


def test_an_event_without_a_time_has_that_of_its_chunk():
    stream = SCANNER.stream(format="docker-json")
    stream.feed(b'{"log":"loss=1\\n","stream":"stdout"}\n' + docker("loss=2\n", second=9), time=5)
    assert [time.second for time in stream.take()["loss"]["time"].to_pylist()] == [5, 9]
    stream.feed(b'{"log":"loss=1\\n","stream":"stdout"}\n')
    assert stream.latest["loss"].time is None


def test_a_flush_gives_nothing_of_an_event_that_is_not_whole():
    stream = SCANNER.stream(format="docker-json")
    stream.feed(docker("loss=1") + docker("loss=2\n")[:20])
    stream.flush()
    assert not stream.take()
    assert set(stream.latest_partial.values()) == {None}


def test_a_log_that_is_none_is_an_error_of_the_feed():
    stream = SCANNER.stream(format="cloudwatch-json")
    stream.feed(b'{"events":[{"message":"loss=1"},')
    with pytest.raises(SourceError, match="read as cloudwatch-json: no JSON value at byte 32") as caught:
        stream.feed(b"loss}")
    with pytest.raises(SourceError) as again:
        stream.feed(b"more")
    assert (again.value, stream.error) == (caught.value, caught.value)
    assert stream.take()["loss"]["value"].to_pylist() == [1.0]
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        stream.feed(b"")


def test_an_export_that_is_not_complete_says_so_when_it_is_closed():
    stream = SCANNER.stream(format="cloudwatch-json")
    with stream:
        stream.feed(b'{"events":[{"message":"loss=1"},')
        assert stream.error is None
    assert "the export ends before it is complete" in str(stream.error)
    assert stream.take()["loss"]["value"].to_pylist() == [1.0]


def test_a_large_event_is_not_searched_at_every_chunk(monkeypatch):
    monkeypatch.setattr(growing_export, "_LARGE_BYTES", 1000)
    looked_at = []
    decoded = growing_export.GrowingExport._decoded

    def counting(self, held, **options):
        looked_at.append(len(held))
        return decoded(self, held, **options)

    monkeypatch.setattr(growing_export.GrowingExport, "_decoded", counting)
    log = docker("} " * 20_000 + "loss=1\n") + docker("loss=2\n")
    stream = SCANNER.stream(format="docker-json")
    for at in range(0, len(log), 10):
        stream.feed(log[at : at + 10])
    assert sum(looked_at) < 20 * len(log)
    stream.close()
    assert stream.take()["loss"]["value"].to_pylist() == [1.0, 2.0]


# ---- options


def test_what_is_no_format_is_one_clear_error():
    for format_ in ("auto", "xml", None):
        with pytest.raises(OptionError, match=r"format=.*: 'plain' or 'cloudwatch-json' or .* was expected"):
            SCANNER.stream(format=format_)
    with pytest.raises(OptionError, match="begins by a state alone"):
        SCANNER.stream(format="cri", offset=5)


def test_a_state_is_of_one_format():
    for had, given_ in (("cri", "plain"), ("plain", "cri"), ("cri", "docker-json")):
        with pytest.raises(OptionError, match=f"it was made by a stream with format='{had}'"):
            SCANNER.stream(state=SCANNER.stream(format=had).state(), format=given_)


@pytest.mark.parametrize(
    ("kind", "log"),
    [
        ("cloudwatch-json", b'{"events": [{"timestamp": 1, "message": "loss=1"}]}\n'),
        ("cloudwatch-csv", b'timestamp,message\n1,"loss=1"\n2,loss=2\n'),
    ],
)
def test_the_place_of_an_error_does_not_depend_on_pieces(kind, log):
    for at in range(len(log)):
        for broken in (log[: at + 1], log[:at] + b"\0" + log[at + 1 :]):
            rows, _, error = scanned(broken, kind)
            found, _, trouble = streamed(broken, kind, range(7, len(broken), 7), go_on=False)
            assert (found, trouble) == (rows, error), (at, broken)
