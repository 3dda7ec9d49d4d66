"""Containers' logs beside a decoder that reads byte by byte: text, places, times and streams, at every level and however cut."""

import itertools
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.exports import NO_TIME, decode_cri, decode_docker, micros

import metricscan
from metricscan import SourceError, _core
from metricscan.logs import exports
from metricscan.logs._events import Decoder

NAIVE = {"docker-json": decode_docker, "cri": decode_cri}
SCANNER = metricscan.Scanner(["loss=loss=([0-9.]+)"])


def decoded(data, kind, level="auto", cuts=(), **settings):
    """Per byte of the text: the byte, its place, time and stream, and its line; and the error."""
    decoder = Decoder(kind, level=level, **settings)
    taken, text, columns, lines = 0, b"", [np.zeros((5, 0), np.int64)], 1
    for end in [*cuts, len(data)]:
        taken += decoder.feed(data[taken:end], end == len(data))
        piece = bytes(decoder.text)
        places = np.zeros((5, len(piece)), np.int64)
        places[0] = lines + np.cumsum([0, *(byte == 10 for byte in piece[:-1])])[: len(piece)]
        places[1:3] = len(text) + np.arange(len(piece))
        decoder.translate(*places)
        columns.append(places)
        lines += piece.count(b"\n")
        text += piece
        if decoder.error is not None:
            break
    names = [None if name is None else name.decode() for name, *_ in decoder.streams]
    line, offset, start, time, stream = np.concatenate(columns, axis=1).tolist()
    assert offset == start
    return list(zip(text, offset, time, [names[number] for number in stream], line, strict=True)), decoder.error


def check(data, kind, cuts=()):
    naive = NAIVE[kind](data)
    wanted = [(*one, 1 + data.count(b"\n", 0, one[1])) for one in naive.text]
    edges = sorted({cut % (len(data) + 1) for cut in cuts})
    errors = []
    for level, pieces in itertools.product(_core.SIMD_LEVELS, [(), edges]):
        found, error = decoded(data, kind, level, pieces)
        assert found == wanted, (level, pieces)
        assert (error is not None) == naive.error
        errors.append(error)
    assert len(set(errors)) == 1
    assert errors[0] is None or 0 <= errors[0][1] <= len(data)


# ---- logs that hypothesis writes

messages = st.lists(
    st.sampled_from(
        ["loss=0.5", "loss=", " ", "x" * 15, "y" * 130, "\n", "\r\n", "\r", '"', "\\", "\t", "é", "😀", "\x1b[0m", "\0", "/"]
    ),
    max_size=5,
).map("".join)  # fmt: skip
times = st.sampled_from(
    [
        "2026-05-04T03:02:01Z",
        "2026-05-04T03:02:01.5Z",
        "2026-05-04T03:02:01.987654321Z",
        "2026-05-04T03:02:59.000000001+08:00",
        "2024-02-29T23:59:59.999999999-11:30",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999999999Z",
    ]
)
streams = st.sampled_from(["stdout", "stderr"])
cuts = st.lists(st.integers(0, 3000), max_size=4)


@st.composite
def docker_lines(draw):
    """An object as Docker writes it, or with its keys in another order, with blanks, attributes and any escapes."""
    message = draw(messages) + draw(st.sampled_from(["", "\n", "\n"]))
    literal = json.dumps(message, ensure_ascii=draw(st.booleans()))
    if draw(st.booleans()):
        literal = literal.replace("o", "\\u006f").replace("/", "\\/")
    members = [("log", literal), ("stream", f'"{draw(streams)}"'), ("time", f'"{draw(times)}"')]
    if draw(st.booleans()):
        members.append(("attrs", draw(st.sampled_from(["{}", '{"a":"}\\""}', '{"a":{"b":["c",{}]},\n"d":1}']))))
    if draw(st.booleans()):
        members = draw(st.permutations(members))
    if draw(st.integers(0, 5)) == 0:
        members.append(draw(st.sampled_from([members[0], ("time", '"2020-01-01T00:00:00Z"'), ("level", '"info"')])))
    gap = draw(st.sampled_from(["", "", "", " ", "\r\n"]))
    inner = f",{gap}".join(f'"{key}"{gap}:{gap}{value}' for key, value in members)
    return f"{{{inner}{gap}}}".encode() + draw(st.sampled_from([b"\n", b"\n", b"\r\n", b"\n\n", b""]))


@st.composite
def cri_lines(draw):
    message = draw(messages).replace("\n", "").encode()
    tag = draw(st.sampled_from(["F", "F", "P", "P:a", "F:b:c"]))
    line = f"{draw(times)} {draw(streams)} {tag} ".encode() + message
    return line + draw(st.sampled_from([b"\n", b"\n", b"\n", b"\r\n", b"\n\n"]))


@st.composite
def damaged(draw, data):
    """The same, or cut off, or with a few other bytes."""
    kind = draw(st.integers(0, 3))
    if kind == 1:
        data = data[: draw(st.integers(0, len(data)))]
    elif kind == 2 and data:
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw(st.sampled_from([b"", b"\xff", b'"', b"\\", b"\n", b"}", b":"])) + data[at + 1 :]
    return data


@given(st.lists(docker_lines(), max_size=6), st.data(), cuts)
def test_dockers_log_is_decoded(lines, data, cuts):
    check(data.draw(damaged(b"".join(lines))), "docker-json", cuts)


@given(st.lists(cri_lines(), max_size=6), st.data(), cuts)
def test_a_log_of_cri_is_decoded(lines, data, cuts):
    check(data.draw(damaged(b"".join(lines))), "cri", cuts)


def docker(message, stream="stdout", time="2026-05-04T03:02:01.5Z"):
    return json.dumps({"log": message, "stream": stream, "time": time}, separators=(",", ":")).encode() + b"\n"


def cri(tag, message, stream="stdout", time="2026-05-04T03:02:01.5Z"):
    return f"{time} {stream} {tag} {message}\n".encode()


def line_of(kind, message, time="2026-03-01T10:00:07.123456789Z", stream="stdout"):
    if kind == "cri":
        return f"{time} {stream} F {message}\n"
    return json.dumps({"log": message + "\n", "stream": stream, "time": time}, separators=(",", ":")) + "\n"


@pytest.mark.parametrize("kind", NAIVE)
def test_lines_that_differ_from_those_around_them(kind):
    """Lines as their writers write them are read another way; whatever differs must be seen."""
    usual = line_of(kind, "loss=1")
    times = [
        f"2026-03-01T10:00:{second}Z"
        for second in ("00", "59.9", "07.12", "07.123456", *("07." + "8" * n for n in (7, 8, 10, 15, 16, 17)))
    ]
    times += ["2026-03-01T10:01:07.123456789Z", "2026-03-01T10:00:07.123456789+02:00", "2026-02-28T23:59:59.5Z"]
    odd = [line_of(kind, "a", time) for time in times] + [line_of(kind, "b", stream="stderr") * 2]
    messages = [
        "",
        '"',
        "\\",
        "\t",
        "a\x7fé",
        "x" * 200,
        *(("{" * before + '"' * count) for before in (0, 55, 60, 118, 125) for count in (1, 7, 70)),
    ]
    odd += [line_of(kind, message) for message in messages]
    if kind == "cri":
        odd += [usual.replace(" F ", mark) for mark in (" F", " F:a ", " P ", " P:x:y ", " F  ")]
        odd += [usual.replace("\n", "\r\n"), "\n", "\r\n"]
    else:
        odd += [line_of(kind, "a\nb"), line_of(kind, '"\n"'), usual.replace("\\n", ""), "\n", " " + usual, "\r\n"]
        odd += [
            usual.replace(":", ": "),
            usual.replace('"}', '","attrs":{"a":"b"}}'),
            usual.rstrip("\n"),
            '{"log":"x\\/\\n"}\n',
        ]
    for line in odd:
        data = (usual * 4 + line + usual * 3 + line + usual * 4).encode()
        check(data, kind, [len(usual) * 4 + len(line) // 2])


@pytest.mark.parametrize("kind", NAIVE)
def test_lines_that_differ_in_one_byte(kind):
    usual = line_of(kind, 'a"b').encode()
    for place in range(len(usual)):
        for byte in b'05:/ZFPtr"\\\n {,\xff':
            check(usual * 4 + usual[:place] + bytes([byte]) + usual[place + 1 :] + usual * 4, kind)


@pytest.mark.parametrize("kind", NAIVE)
def test_messages_of_every_length_in_fragments(kind):
    parts = []
    for number, length in enumerate([*range(36), *range(60, 70), *range(120, 150)]):
        text = "x" * length + "é\t" * (number % 2)
        if kind == "docker-json":
            parts += [docker(text), docker("noise\n", "stderr"), docker(text + "loss=1\n")]
        else:
            parts += [cri("P", text), cri("F", "noise", "stderr"), cri("F", text)]
    data = b"".join(parts)
    check(data, kind, range(97, len(data), 997))


@pytest.mark.parametrize("invalid", [
    "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-04-31T00:00:00Z", "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z",
    "2026-04-00T00:00:00Z", "2026-04-01T24:00:00Z", "2026-04-01T23:60:00Z", "2026-04-01T23:59:60Z", "0000-01-01T00:00:00Z",
    "2026-04-01T00:00:00", "2026-04-01 00:00:00Z", "2026-04-01T00:00:00.Z", "2026-04-01T00:00:00+24:00",
    "2026-04-01T00:00:00+10:60", "2026-04-01T00:00:00+1000", "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:00-00:01",
    "2026-04-01T00:00:00z", "2026-04-01T00:00:00ZZ", "",
])  # fmt: skip
def test_times_that_are_none(invalid):
    assert micros(invalid.encode()) is None
    for kind, data in (
        ("docker-json", docker("a\n") + docker("b\n", time=invalid)),
        ("cri", cri("F", "a") + cri("F", "b", time=invalid)),
    ):
        check(data, kind)
        found, error = decoded(data, kind)
        assert bytes(byte for byte, *_ in found) == b"a\n"
        assert error is not None


@given(st.datetimes(), st.integers(0, 10**9 - 1), st.integers(-23 * 60 - 59, 23 * 60 + 59))
def test_times_of_every_kind(moment, nanos, offset):
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}" if offset else "Z"
    time = f"{moment:%H:%M:%S}".join([f"{moment.year:04}-{moment:%m-%d}T", f".{nanos:09}{zone}"])
    check(cri("F", "a", time=time), "cri")
    check(docker("a\n", time=time), "docker-json")


# ---- fragments


def test_the_record_has_the_place_and_the_time_of_its_first_fragment():
    first, second = "2026-05-04T03:02:01Z", "2026-05-04T03:02:02Z"
    for data in (
        cri("P", "loss=1", time=first) + cri("F", "other", "stderr") + cri("F", "25", time=second),
        docker("loss=1", time=first) + docker("other\n", "stderr") + docker("25\n", time=second),
    ):
        (row,) = SCANNER.scan(data, input_format="auto")["loss"].to_pylist()
        assert (row["value"], row["line"], row["time"].second) == (125.0, 1, 1)
        assert data[row["offset"] :].startswith(b"loss=1")
        assert data[row["start"] :].startswith(b"1")


def test_a_record_within_a_later_fragment_has_the_time_of_that_fragment():
    """A progress bar ends its records with carriage returns, and the runtime joins them until a newline comes."""
    data = docker("loss=1\rloss=", time="2026-05-04T03:02:01Z") + docker("2\rloss=3\n", time="2026-05-04T03:02:09Z")
    rows = SCANNER.scan(data, input_format="auto")["loss"].to_pylist()
    assert [(row["value"], row["time"].second, row["line"]) for row in rows] == [(1.0, 1, 1), (2.0, 1, 1), (3.0, 9, 2)]


@pytest.mark.parametrize("kind", NAIVE)
def test_fragments_without_an_end(kind):
    """The last record of Docker is what is there, in the order in which records begin. CRI says that messages go on."""
    data = {
        "cri": cri("P", "loss=2", "stderr") + cri("P", "loss=1") + cri("P", "5", "stderr"),
        "docker-json": docker("loss=2", "stderr") + docker("loss=1") + docker("5", "stderr"),
    }[kind]
    check(data, kind, range(0, len(data), 7))
    result = SCANNER.scan(data, input_format=kind)
    assert result["loss"]["value"].to_pylist() == ([25.0, 1.0] if kind == "docker-json" else [])
    assert result.stats.cut_off == (0 if kind == "docker-json" else 2)


@pytest.mark.parametrize("kind", NAIVE)
@pytest.mark.parametrize("end", ["loss=1", "loss=1 more\rloss=2 more\rloss=3"])
@pytest.mark.parametrize("fragments", [1, 2])
def test_the_record_whose_last_fragment_is_missing_is_cut_off(kind, end, fragments):
    texts = ["loss=7\r".ljust(16384)] * (fragments - 1) + [end.rjust(16384)]
    other = {"cri": cri("F", "loss=4", "stderr"), "docker-json": docker("loss=4\n", "stderr")}[kind]
    data = b"".join(cri("P", text) if kind == "cri" else docker(text) for text in texts) + other
    check(data, kind, [len(data) // 2])
    result = SCANNER.scan(data, input_format=kind)
    values = [7.0] * (fragments - 1) + [1.0, 2.0] * (end != "loss=1")
    assert result["loss"]["value"].to_pylist() == [4.0, *values]
    assert result.stats.cut_off == 1
    for row in result["loss"].to_pylist():
        assert data[row["start"] :].startswith(str(int(row["value"])).encode())


@pytest.mark.parametrize("kind", NAIVE)
def test_a_message_in_fragments_is_bounded(kind):
    fragment = {"cri": cri("P", "y" * 100), "docker-json": docker("y" * 100)}[kind]
    other = {"cri": cri("F", "loss=3", "stderr"), "docker-json": docker("loss=3\n", "stderr")}[kind]
    data = (fragment + other) * 10
    for cuts in ((), range(50, len(data), 50)):
        found, error = decoded(data, kind, cuts=cuts, most_held=350)
        assert bytes(byte for byte, *_ in found) == b"loss=3\n" * 3
        assert error == ("a message in fragments that is too long to be held", 3 * len(fragment + other))
        found, error = decoded(data, kind, cuts=cuts, most_held=1000)
        # CRI says that the message goes on
        assert len(found) == 70 + 1001 * (kind == "docker-json")
        assert error is None


def test_events_without_a_stream():
    data = b'{"log":"loss=1\\n","time":"2026-05-04T03:02:01Z"}\n' * 2
    check(data, "docker-json")
    assert SCANNER.scan(data, input_format="docker-json")["loss"].num_rows == 2
    found, error = decoded(data + docker("loss=2\n"), "docker-json")
    assert len(found) == 14
    assert error == ("an event without a stream beside events with one", len(data))
    (byte, *_, time, stream, _), *_ = decoded(b'{"log":"a\\n"}', "docker-json")[0]
    assert (byte, time, stream) == (ord("a"), NO_TIME, None)


# ---- logs that are not whole


@pytest.mark.parametrize("kind", NAIVE)
def test_every_truncation(kind):
    data = {
        "cri": cri("F", "loss=0.5") + cri("P", "loss=0.") + cri("F", "loss=8", "stderr") + cri("F", "25"),
        "docker-json": docker("loss=0.5\n") + docker("loss=0.") + docker("loss=8\n", "stderr") + docker("25 é\n"),
    }[kind]
    whole = SCANNER.scan(data, input_format=kind)["loss"]["value"].to_pylist()
    assert whole == [0.5, 8.0, 0.25]
    ends = [at + 1 for at, byte in enumerate(data) if byte == 10]
    for end in range(len(data)):
        check(data[:end], kind)
        try:
            result, error = SCANNER.scan(data[:end], input_format=kind), None
        except SourceError as caught:
            result, error = caught.partial, caught
        values = result["loss"]["value"].to_pylist()
        if kind == "docker-json":
            # the brace ends an event, the newline behind it says nothing
            assert (error is None) == (end in (0, *ends) or end + 1 in ends)
            # a message in fragments is taken as it is
            assert values == whole[: len(values)] or (values[-1] == 0.0 and values[:-1] == whole[: len(values) - 1])
        if error is not None:
            assert error.offset == max(at for at in (0, *ends) if at <= end)
            assert "at byte" in str(error)
            assert error.hint == "if it is not such a log, read it with the input format 'plain'"


def test_a_source_that_fails_gives_no_unfinished_record():
    def failing():
        yield cri("F", "loss=1") + cri("P", "loss=2", "stderr") + cri("F", "loss=3")[:-2]
        raise SourceError("gone", path=None)

    for _ in range(2):
        with pytest.raises(SourceError, match="gone") as caught:
            SCANNER.scan(failing(), input_format="cri")
        assert caught.value.partial["loss"]["value"].to_pylist() == [1.0]


@pytest.mark.parametrize(
    ("data", "kind", "message", "place"),
    [
        (docker("a\n") + b"loss=1\n", "docker-json", "a JSON object was expected", len(docker("a\n"))),
        (b'{"log":"a\\n","level":1}', "docker-json", "none of log, stream, time and attrs", 13),
        (b'{"log":1}', "docker-json", "a message that is no string", 7),
        (b'{"log":"a","log":"b"}', "docker-json", "two messages in one event", 17),
        (b'{"log":"a\nb"}', "docker-json", "a control character", 7),
        (b'{"log":"\\x"}', "docker-json", "an unknown escape", 7),
        (b'{"log":"a","stream":"in"}', "docker-json", "neither stdout nor stderr", 20),
        (b'{"log":"a","time":7}', "docker-json", "no string", 18),
        (b'{"log":"a","attrs":[]}', "docker-json", "attrs that are no object", 19),
        (b'{"log":"a","attrs":{]}}', "docker-json", "no JSON value", 19),
        (b'{"log":"a","attrs":%s' % (b"{" * 99), "docker-json", "no JSON value", 19),
        (b'{"log":"a" "time":""}', "docker-json", "a comma was expected", 11),
        (b'{"log" "a"}', "docker-json", "a colon was expected", 7),
        (b'{log:"a"}', "docker-json", "a key was expected", 1),
        (b"[]", "docker-json", "a JSON object was expected", 0),
        (cri("F", "a") + b"Traceback\n", "cri", "a line that starts with a time", len(cri("F", "a"))),
    ],
)
def test_errors_have_their_places(data, kind, message, place):
    check(data, kind)
    with pytest.raises(SourceError, match=message) as caught:
        SCANNER.scan(data, input_format=kind)
    assert caught.value.offset == place


# ---- damage amid a log

LINES = {
    "docker-json": [docker(f"loss={number}.5\n") for number in range(5)],
    "cri": [cri("F", f"loss={number}.5") for number in range(5)],
}


def damages(lines, at):
    """The same lines with one of them damaged, and the place of the damage."""
    line, before, behind = lines[at], b"".join(lines[:at]), b"".join(lines[at + 1 :])
    for cut in range(1, len(line) - 1):
        yield before + line[cut:] + behind, len(before)
        if lines[0].startswith(b"{"):
            yield before + line[:cut] + b"\n" + behind, len(before)
            # as if the log had gone on behind a crash
            yield before + line[:cut] + behind, len(before)
    yield before + b"\0" * len(line) + behind, len(before)
    yield before + b"\0" * 99 + b"\n" + behind, len(before)
    yield before + b"noise\n" + behind, len(before)


@pytest.mark.parametrize("kind", NAIVE)
@pytest.mark.parametrize("at", range(5))
def test_a_damaged_line_is_passed_over_and_said(kind, at, monkeypatch):
    wanted = [number + 0.5 for number in range(5) if number != at]
    for data, place in damages(LINES[kind], at):
        for piece_bytes in (2**20, 120):
            monkeypatch.setattr(exports, "_PIECE_BYTES", piece_bytes)
            try:
                found, error = SCANNER.scan([data], input_format=kind), None
            except SourceError as caught:
                found, error = caught.partial, caught
            rows = found["loss"].to_pylist()
            # NULs at the beginning belong to no record, and a cut in the message or the time of CRI may leave a line
            values = [row["value"] for row in rows if at or row["value"] != 0.5 or error is not None]
            assert [value for value in values if value in wanted] == wanted, data
            for row in rows:
                assert data[row["start"] :].startswith(str(row["value"]).encode())
                assert row["line"] == 1 + data.count(b"\n", 0, row["start"])
            if error is not None:
                assert place <= error.offset <= place + len(LINES[kind][at]) + len(LINES[kind][0])
                assert "at byte" in str(error)


def test_the_first_damage_is_named_and_all_are_counted():
    lines = LINES["docker-json"]
    data = lines[0] + b"x\n" + lines[1] + b"\0" * 100 + lines[2] + lines[3][:20] + lines[4]
    with pytest.raises(SourceError) as caught:
        SCANNER.scan(data, input_format="docker-json")
    assert caught.value.partial["loss"]["value"].to_pylist() == [0.5, 1.5, 2.5, 4.5]
    assert caught.value.offset == len(lines[0])
    assert f"a JSON object was expected at byte {len(lines[0])}; 2 such places were passed over" in str(caught.value)
    with pytest.raises(SourceError) as caught:
        SCANNER.scan(b"x\n" + data[: -len(lines[4])], input_format="docker-json")
    said = f"the log ends within an event at byte {caught.value.offset}; before that, read as docker-json: "
    assert said in str(caught.value)
    assert "a JSON object was expected at byte 0; 2 such places were passed over" in str(caught.value)


@pytest.mark.parametrize("kind", NAIVE)
def test_a_message_in_fragments_around_damage_gives_no_row(kind):
    first, last = {
        "docker-json": (docker("loss=1"), docker("2\n")),
        "cri": (cri("P", "loss=1"), cri("F", "2")),
    }[kind]
    data = first + b"noise\n" + last + LINES[kind][3]
    with pytest.raises(SourceError) as caught:
        SCANNER.scan(data, input_format=kind)
    assert caught.value.partial["loss"]["value"].to_pylist() == [3.5]


@pytest.mark.parametrize("kind", NAIVE)
def test_a_log_of_another_format_is_not_read_to_its_end(kind):
    with pytest.raises(SourceError, match="at byte 0; 1,000 such places were passed over") as caught:
        SCANNER.scan(b"loss=1\n" * 5000, input_format=kind)
    assert caught.value.offset in (0, 7000)


@given(st.binary(max_size=200), st.sampled_from([*NAIVE]))
def test_no_bytes_do_harm(data, kind):
    check(data, kind, [len(data) // 2])


def test_what_stands_before_the_text():
    """NULs and the byte order mark at the beginning belong to no record, in exports too."""
    for before in (b"\0" * 5, b"\xef\xbb\xbf", b"\0\xef\xbb\xbf\0"):
        for data, kind in (
            (docker("loss=1\n"), "docker-json"),
            (cri("F", "loss=1"), "cri"),
            (b'{"events": [{"timestamp": 1, "message": "loss=1"}]}', "cloudwatch-json"),
            (b"timestamp,message\n1,loss=1\n", "cloudwatch-csv"),
            (b"2026-05-04T03:02:01.987Z loss=1\n", "s3-export"),
        ):
            for source in (before + data, [before[:2], before[2:] + data[:9], data[9:]]):
                (row,) = SCANNER.scan(source, input_format=kind)["loss"].to_pylist()
                assert row["start"] == len(before) + data.find(b"1", data.find(b"loss"))
                assert row["time"] is not None


def test_the_level_of_the_scanner_is_that_of_the_decoder(monkeypatch):
    from metricscan.scanning.scanner import _configured

    levels = []

    class Noted(Decoder):
        def __new__(cls, *given, level, **named):
            levels.append(level)
            return super().__new__(cls, *given, level=level, **named)

        def __init__(self, *given, **named):
            pass

    monkeypatch.setattr(exports._events, "Decoder", Noted)
    for level in _core.SIMD_LEVELS:
        _configured([{"Name": "loss", "Regex": "loss=(.)"}], simd=level).scan(
            docker("loss=1\n"), input_format="docker-json"
        )
    assert levels == [*_core.SIMD_LEVELS]
