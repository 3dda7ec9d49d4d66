"""Logs in UTF-16 and UTF-32: decoded as Python's codecs do, with the places of the file; and logs whose encoding changes."""

import gzip
import io
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.encodings import ENCODINGS, places_of, written
from support.exports import START_MS, Event, as_json
from support.feeding import Dribble, expected, pieces, scanned, streamed

import metricscan
from metricscan import SourceError
from metricscan.scanning.scanner import _configured

DEFINITIONS = [
    {"Name": "loss", "Regex": r"loss=(\S*)"},
    {"Name": "digit", "Regex": r"(\d)"},
    {"Name": "first", "Regex": r"^Epoch (\d+)"},
]
LE, BE, LE32, BE32 = ENCODINGS
each_encoding = pytest.mark.parametrize("encoding", ENCODINGS, ids=[one.codec for one in ENCODINGS])
# Characters of each length in UTF-8, with values, terminators and texts that are no numbers between them.
PARTS = st.sampled_from(
    [
        "loss=0.5\n",
        "loss=-3\r\n",
        "loss=x\n",
        "損失 loss=7;\n",
        "\r",
        "\n",
        "é",
        "上海\n",
        "\U0001f600",
        "Epoch 3",
        "\u2028",
        "０\n",
    ]
)
TEXTS = st.lists(PARTS, max_size=12).map("".join)


def scanner(**options):
    return metricscan.Scanner(DEFINITIONS, **options)


def in_pieces_of(size):
    return _configured(DEFINITIONS, chunk_bytes=size)


# ---- decoded


@given(TEXTS, st.sampled_from(ENCODINGS), st.integers(1, 40))
def test_rows_are_those_of_the_decoded_text(text, encoding, size):
    data = written(text, encoding)
    wanted = expected(DEFINITIONS, data)
    assert scanned(scanner(), data) == wanted
    assert scanned(scanner(), data, threads=2) == wanted
    assert scanned(scanner(), pieces(data, size)) == wanted
    assert scanned(in_pieces_of(size), data) == wanted
    assert scanned(scanner(), io.BufferedReader(Dribble(data))) == wanted
    assert streamed(scanner(), pieces(data, size), take_often=size % 2 == 0) == wanted


@given(TEXTS, st.sampled_from(ENCODINGS), st.sampled_from([{"escape": "syslog"}, {"ansi": "strip"}, {"newline": "lf"}]))
def test_rows_under_other_options(text, encoding, options):
    data = written("\t\x1b[1mloss=1\x1b[0m" + text, encoding)
    assert scanned(scanner(**options), pieces(data, 7)) == expected(DEFINITIONS, data, **options)


# Units that are no characters: halves of pairs, and what lies past the last character.
INVALID = {2: [0xD800, 0xDBFF, 0xDC00, 0xDFFF], 4: [0xD800, 0xDFFF, 0x110000, 0x7FFFFFFF]}


@given(st.data(), st.sampled_from(ENCODINGS), st.integers(1, 9))
def test_invalid_units_are_replaced_and_counted(data, encoding, size):
    order = "little" if encoding.codec.endswith("le") else "big"
    units = st.sampled_from(INVALID[encoding.unit_bytes]).map(lambda unit: unit.to_bytes(encoding.unit_bytes, order))
    # so many in a row are another encoding
    parts = st.tuples(
        st.lists(units, max_size=1).map(b"".join), TEXTS.map(lambda text: f"{text}.".encode(encoding.codec))
    )
    rest = data.draw(st.sampled_from([b"", b"a", b"ab"][: encoding.unit_bytes]))
    text = encoding.mark + b"".join(map(b"".join, data.draw(st.lists(parts, max_size=4)))) + rest
    wanted = expected(DEFINITIONS, text)
    for source in (text, pieces(text, size)):
        assert scanned(scanner(), source) == wanted
    assert streamed(scanner(), pieces(text, size)) == wanted
    stats = scanner().scan(pieces(text, size)).stats
    decoded = text[len(encoding.mark) :].decode(encoding.codec, "replace")
    assert stats.undecoded == decoded.count("\ufffd")
    if stats.undecoded:
        assert stats.undecoded_at == places_of(decoded, encoding)[len(decoded[: decoded.index("\ufffd")].encode())]


@each_encoding
def test_files_folders_and_compressed_files(tmp_path, encoding):
    text = "Epoch 1\n" * 3_000 + "損 loss=0.25\n"
    data = written(text, encoding)
    wanted = expected(DEFINITIONS, data)
    (tmp_path / "a.log").write_bytes(data)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(data, 1))
    for threads in (1, 3):
        assert scanned(scanner(), tmp_path / "a.log", threads) == wanted
    assert scanned(scanner(), tmp_path / "b.log.gz") == wanted
    result = metricscan.replay(tmp_path, scanner())
    assert result.survey.skipped == 0
    assert (
        result["loss"].select(["value", "offset"]).to_pylist()
        == [{"value": 0.25, "offset": wanted["metric loss"]["rows"][0][2]}] * 2
    )


def test_small_logs_of_several_encodings_are_scanned_each_in_its_own(tmp_path):
    texts = {"a": b"loss=1\n", "b": written("loss=2\n", LE), "c": written("loss=3\n", BE32), "d": b"loss=4\n"}
    for name, data in texts.items():
        (tmp_path / f"{name}.log").write_bytes(data)
    result = metricscan.replay(tmp_path, scanner(), threads=2)
    assert result["loss"].select(["value", "offset"]).to_pylist() == [
        {"value": 1.0, "offset": 0},
        {"value": 2.0, "offset": 2},
        {"value": 3.0, "offset": 4},
        {"value": 4.0, "offset": 0},
    ]


def test_a_record_that_spans_many_pieces_keeps_its_place():
    text = "Epoch 1\n" + "損" * 50_000 + "\U0001f600loss=2\nloss=3\n"
    data = written(text, LE)
    assert scanned(scanner(), pieces(data, 1001)) == expected(DEFINITIONS, data)


@pytest.mark.slow
def test_full_batches_keep_their_places():
    text = "é loss=1\n" * 70_000
    data = written(text, BE)
    for source in (data, pieces(data, 100_001)):
        assert scanned(scanner(), source) == expected(DEFINITIONS, data)


@pytest.mark.parametrize("head", [b"\xff", b"\xfe", b"\0", b"\xff\xfe", b"\0\0\xfe", b"\xff\xfe\0", b""])
def test_less_than_a_mark(head):
    """Two bytes may be the mark of UTF-16 or the beginning of that of UTF-32; other bytes are none."""
    stats = scanner().scan(head).stats
    assert stats.bytes == len(head)
    with scanner().stream() as stream:
        for at in range(len(head)):
            stream.feed(head[at : at + 1])
    assert (stream.stats.bytes, stream.stats.records) == (stats.bytes, stats.records)


def test_a_live_stream_keeps_the_times_of_its_chunks():
    data = written("loss=1\nloss=2\n", LE)
    with scanner().stream() as stream:
        stream.feed(data[:1], 1.0)
        stream.feed(data[1:16], 2.0)
        assert stream.latest["loss"][:4] == (1.0, 1, 2, 12)
        stream.feed(data[16:], 3.0)
    assert [time.timestamp() for time in stream.take()["loss"]["time"].to_pylist()] == [2.0, 3.0]


# ---- exports


@given(st.lists(TEXTS, max_size=6), st.sampled_from(ENCODINGS), st.integers(1, 300))
def test_exports_have_their_places_in_the_file(messages, encoding, size):
    events = [Event(text, START_MS + number) for number, text in enumerate(messages)]
    order = ("timestamp", "message")
    plain = as_json(events, indent=1, ascii_only=False, order=order, pages=1)
    data = written(plain.decode(), encoding)
    places = places_of(plain.decode(), encoding)
    wanted = scanner().scan(plain, input_format="auto")
    for source in (data, pieces(data, size)):
        found = scanner().scan(source, input_format="auto")
        for name in wanted:
            assert found[name].drop(["offset", "start"]) == wanted[name].drop(["offset", "start"])
            for column in ("offset", "start"):
                assert found[name][column].to_pylist() == [places[at] for at in wanted[name][column].to_pylist()]
            samples = [(text, line, places[at]) for text, line, at in wanted.stats.metrics[name].samples]
            assert found.stats.metrics[name].samples == samples
        assert found.stats.bytes == len(data)


def test_an_error_of_an_export_has_its_place_in_the_file():
    data = written('{"events": [{"timestamp": 1, "message": "é loss=1"}, oops', LE)
    with pytest.raises(SourceError) as caught:
        scanner().scan(data, input_format="auto")
    assert caught.value.offset == data.index("oops".encode("utf-16-le"))
    assert f"at byte {caught.value.offset}" in str(caught.value)
    assert caught.value.partial["loss"]["value"].to_pylist() == [1.0]


# ---- the encoding changes

FIRST, THEN = "Epoch 1 損 loss=0.5\n" * 3, "step 7 of 9, loss=0.25\n" * 3
UTF8 = ENCODINGS[0]._replace(codec="utf-8", mark=b"", unit_bytes=1)


def as_error(source, **options):
    with pytest.raises(SourceError) as caught:
        scanner().scan(source, **options)
    return caught.value


@pytest.mark.parametrize("mark", [b"", LE.mark])
@pytest.mark.parametrize(
    ("first", "then"), [(UTF8, LE), (UTF8, BE), (LE, UTF8), (BE, UTF8), (LE, BE), (BE, LE), (LE32, UTF8), (BE32, LE)]
)
def test_a_change_is_an_error_at_its_place(tmp_path, first, then, mark):
    beginning = written(FIRST, first)
    data = beginning + (then.mark if mark else b"") + THEN.encode(then.codec)
    (tmp_path / "a.log").write_bytes(data)
    wanted = scanned(scanner(), beginning)["metric loss"]
    for source in (data, tmp_path / "a.log", io.BytesIO(data), *(pieces(data, size) for size in (1, 2, 3, 7, 64))):
        for threads in (1, 2):
            if hasattr(source, "seek"):
                source.seek(0)
            error = as_error(source, threads=threads)
            assert error.offset == len(beginning)
            assert scanned_of(error.partial) == wanted["rows"]
            assert f"at byte {len(beginning)}" in str(error)


def scanned_of(result):
    return [
        (value.hex(), *places)
        for value, *places in zip(
            *(result["loss"][name].to_pylist() for name in ("value", "line", "offset", "start")), strict=True
        )
    ]


@pytest.mark.parametrize("then", [LE, BE])
def test_a_change_near_the_end_of_a_large_log(tmp_path, then):
    beginning = b"Epoch 1 of many\n" * 100_000 + b"loss=0.5\n"
    data = beginning + "loss=0.25\r\n".encode(then.codec) * 5
    (tmp_path / "a.log").write_bytes(data)
    (tmp_path / "a.log.gz").write_bytes(gzip.compress(data, 1))
    for source in (tmp_path / "a.log", tmp_path / "a.log.gz", data, pieces(data, 65536)):
        for threads in (1, 2):
            error = as_error(source, threads=threads)
            assert error.offset == len(beginning)
            assert error.partial["loss"]["value"].to_pylist() == [0.5]


def test_utf_16_amid_a_large_log(tmp_path):
    beginning = b"Epoch 1 of many\n" * 100_000
    data = beginning + "loss=0.25\r\n".encode("utf-16-le") * 100_000 + b"loss=0.5\n" * 100_000
    (tmp_path / "a.log").write_bytes(data)
    for source in (tmp_path / "a.log", data):
        for threads in (1, 2):
            assert as_error(source, threads=threads).offset == len(beginning)


@pytest.mark.parametrize("text", ["loss=0.5\r\n" * 3, "Потери: loss=0.5\n" * 3])
@pytest.mark.parametrize("encoding", [LE, BE])
def test_utf_16_without_a_mark_is_named(tmp_path, encoding, text):
    (tmp_path / "a.log").write_bytes(b"loss=1\n")
    (tmp_path / "b.log").write_bytes(text.encode(encoding.codec))
    result = metricscan.replay(tmp_path, scanner())
    assert result.survey.skipped == 0
    (error,) = result.errors
    name = encoding.codec.upper().replace("-LE", "LE").replace("-BE", "BE")
    assert (error.path, error.offset) == (str(tmp_path / "b.log"), 0)
    assert f"b.log is {name} without a byte-order mark" in str(error)
    assert f"iconv -f {name} -t UTF-8" in error.hint
    assert result["loss"]["value"].to_pylist() == [1.0]


@pytest.mark.parametrize(("marked", "really"), [(LE, UTF8), (BE, UTF8), (LE, BE), (BE, LE), (LE32, UTF8), (BE32, LE)])
def test_a_mark_over_bytes_of_another_encoding(marked, really):
    data = marked.mark + THEN.encode(really.codec)
    error = as_error(data)
    assert error.offset == len(marked.mark)
    assert "begins with the mark of UTF-" in str(error)
    assert error.partial["loss"].num_rows == 0


def test_the_mark_of_utf_8_over_utf_16():
    error = as_error(b"\xef\xbb\xbf" + THEN.encode("utf-16-le"))
    assert (error.offset, "UTF-16LE" in str(error)) == (3, True)


@pytest.mark.parametrize("then", [LE, BE])
def test_utf_16_that_was_truncated_while_its_writer_went_on(tmp_path, then):
    (tmp_path / "a.log").write_bytes(b"\0" * 500 + THEN.encode(then.codec))
    (error,) = metricscan.replay(tmp_path, scanner()).errors
    assert f"{then.codec[:-3].upper()}{then.codec[-2:].upper()} without a byte-order mark" in str(error)


SHORT = ["x=1\n", "a=12\n", "loss=2\n", "loss=2\r\n"]


@pytest.mark.parametrize("line", SHORT)
@pytest.mark.parametrize("mark", [False, True])
@pytest.mark.parametrize(("first", "then"), [(UTF8, LE), (UTF8, BE), (LE, UTF8), (BE, UTF8), (LE, BE), (BE, LE)])
def test_a_short_line_of_another_encoding_at_the_end(tmp_path, line, mark, first, then):
    beginning = written("loss=1\n", first)
    data = beginning + (then.mark if mark else b"") + line.encode(then.codec)
    (tmp_path / "a.log").write_bytes(data)
    for source in (data, tmp_path / "a.log", io.BytesIO(data), *(pieces(data, size) for size in (1, 2, 3, 7, 64))):
        error = as_error(source)
        assert abs(error.offset - len(beginning)) <= 1
        assert error.partial["loss"]["value"].to_pylist() == [1.0]
    result = metricscan.replay(tmp_path, scanner())
    assert (result.survey.skipped, len(result.errors)) == (0, 1)
    assert result["loss"]["value"].to_pylist() == [1.0]


@pytest.mark.parametrize("then", [LE, BE])
@pytest.mark.parametrize("mark", [False, True])
def test_a_short_line_of_utf_16_amid_a_log(tmp_path, then, mark):
    data = b"loss=1\n" + (then.mark if mark else b"") + "x=2\n".encode(then.codec) + b"loss=3\n"
    (tmp_path / "a.log").write_bytes(data)
    (error,) = metricscan.replay(tmp_path, scanner()).errors
    assert error.offset == 7
    assert as_error(pieces(data, 5)).offset == 7


def test_a_short_line_of_utf_16_at_the_end_of_a_large_log(tmp_path):
    data = b"Epoch 1 of many\n" * 100_000 + "x=2\n".encode("utf-16-le")
    (tmp_path / "a.log").write_bytes(data)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(data))
    for name in ("a.log", "b.log.gz"):
        assert as_error(tmp_path / name).offset == 1_600_000


# two NULs before the mark of UTF-16BE are the mark of UTF-32BE
@pytest.mark.parametrize("nuls", [1, 3, 4, 7, 500, 8192, 300_000])
@each_encoding
def test_nuls_before_a_mark_belong_to_no_record(tmp_path, nuls, encoding):
    text = "loss=0.5\nEpoch 2\n"
    data = b"\0" * nuls + written(text, encoding)
    (tmp_path / "a.log").write_bytes(data)
    (tmp_path / "b.log.gz").write_bytes(gzip.compress(data))
    sources = (data, tmp_path / "a.log", tmp_path / "b.log.gz", pieces(data, 1 << 19))
    for source in sources if nuls < 200_000 else sources[:2]:
        (row,) = scanner().scan(source)["loss"].to_pylist()
        assert row["offset"] == nuls + len(encoding.mark)
        assert data[row["start"] :].startswith("0.5".encode(encoding.codec))
    result = metricscan.replay(tmp_path / "a.log", scanner())
    assert result["loss"].num_rows == 1
    if nuls >= 8192:
        # of a compressed file fewer bytes are looked at
        (tmp_path / "b.log.gz").unlink()
    assert metricscan.survey(tmp_path).skipped == 0


@pytest.mark.parametrize("encoding", [LE32, BE32])
def test_utf_32_without_a_mark_is_named(tmp_path, encoding):
    (tmp_path / "a.log").write_bytes(b"loss=1\n")
    (tmp_path / "b.log").write_bytes("loss=0.5\r\n".encode(encoding.codec) * 3)
    for source in (tmp_path / "b.log", (tmp_path / "b.log").read_bytes()):
        assert "without a byte-order mark" in str(as_error(source))
    result = metricscan.replay(tmp_path, scanner())
    (error,) = result.errors
    name = encoding.codec.upper().replace("-LE", "LE").replace("-BE", "BE")
    assert (error.path, error.offset) == (str(tmp_path / "b.log"), 0)
    assert f"b.log is {name} without a byte-order mark" in str(error)
    assert result["loss"]["value"].to_pylist() == [1.0]


def test_what_was_read_before_an_error_is_kept_though_it_ends_with_nuls():
    class Failing(io.BytesIO):
        def read1(self, size=-1):
            data = super().read1(size)
            if not data:
                raise OSError(5, "broken")
            return data

    error = as_error(Failing(b"loss=1\nloss=2\nab\0c\0"))
    assert error.partial.stats.bytes == 19
    assert error.partial["loss"]["value"].to_pylist() == [1.0, 2.0]


def test_an_export_in_utf_16_is_found_in_a_folder(tmp_path):
    events = [Event("loss=1", START_MS, stream="job-a/1"), Event("loss=2", START_MS, stream="job-b/1")]
    order = ("timestamp", "message", "logStreamName")
    export = as_json(events, indent=4, ascii_only=False, order=order, pages=1).decode()
    (tmp_path / "x.json").write_bytes(written(export, LE))
    result = metricscan.replay(tmp_path, scanner())
    assert [log.within for job in result.jobs for log in job.logs] == ["job-a/1", "job-b/1"]
    assert result["loss"]["value"].to_pylist() == [1.0, 2.0]
    assert result["loss"]["start"].to_pylist() == [2 + 2 * export.index(text) for text in ('1"', '2"')]


@pytest.mark.parametrize(
    "text",
    [
        "上海上海上海上海 以上\n" * 40,
        "中上下不专业东丝丢两严丧个丰临为丽举么义乌乐乔习乡书买乱争于亏云互五井亚些交亦产亩享京亭亮亲人\n" * 3,
        "╔════════════════════════════════════════╗\n║ ｔｏｔａｌ ║\n╚════════════════════════════════════════╝",
        "\u3000" * 50 + "loss=1\n" + "─" * 80 + "\n" + "\u3000" * 50,
        "ਊਊਊਊ\n" * 20,
        "\U00010000" * 60,
    ],
)
@each_encoding
def test_real_text_is_not_taken_for_another_encoding(text, encoding):
    data = written(text + "loss=1\n" + text, encoding)
    assert scanned(scanner(), pieces(data, 33)) == expected(DEFINITIONS, data)


@pytest.mark.parametrize(
    "data",
    [
        b"loss=1\0\n" * 50,
        b"a\0b\0loss=1\n" + b"\0" * 5000 + b"loss=2\n",
        b"x=1\0" * 100,
        b"\0" * 4096 + b"loss=1\n",
        b"l\0o\0",
    ],
)
def test_nuls_in_a_plain_log_are_plain(data):
    assert scanned(scanner(), pieces(data, 11))["bytes"] == len(data)
    assert scanned(scanner(), data) == scanned(scanner(), pieces(data, 1))


def test_cp1252_stays_as_it_is():
    data = "Époque 1: coût loss=0.5 €\n".encode("cp1252") * 3
    assert scanner().scan(data)["loss"]["value"].to_pylist() == [0.5] * 3


# ---- the command


def test_the_command_says_what_could_not_be_decoded(tmp_path, monkeypatch, capsys):
    from metricscan.cli import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.log").write_bytes(written("loss=1\n", LE) + b"\x00\xd8" + "\nloss=2\n".encode("utf-16-le"))
    for command in ("replay", "check"):
        assert main([command, "a.log", "-m", r"loss=loss=(\S+)", "--json"]) == 0
        out, err = capsys.readouterr()
        document = json.loads(out)
        assert (document["undecoded"], document["records"]) == (1, 3)
        (notice,) = document["notices"]
        assert "units are invalid, the first at byte 16" in notice["message"]
        assert f"notice: {notice['message']}\n" in err


def test_check_shows_records_as_decoded(tmp_path, monkeypatch):
    from metricscan.replaying.check import first_hits

    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.log").write_bytes(written("損失 loss=1 é\r\nloss=2 and more\n", BE))
    os.mkfifo(tmp_path / "pipe")
    hits, *_ = first_hits(scanner(), ["a.log"], 5)
    assert [(hit.line, hit.before, hit.value, hit.after) for hit in hits["loss"]] == [
        (1, "損失 loss=", "1", " é"),
        (2, "loss=", "2", " and more"),
    ]
    events = [Event("損失 loss=1 é", START_MS), Event("loss=2", START_MS)]
    order = ("timestamp", "message")
    export = as_json(events, indent=None, ascii_only=False, order=order, pages=1)
    (tmp_path / "b.log").write_bytes(written(export.decode(), LE))
    hits, *_ = first_hits(scanner(), ["b.log"], 5, "auto")
    assert [(hit.before, hit.value, hit.after) for hit in hits["loss"]] == [
        ("損失 loss=", "1", " é"),
        ("loss=", "2", ""),
    ]


@pytest.mark.parametrize(
    ("codec", "mark"),
    [
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-32-le", b"\xff\xfe\0\0"),
        ("utf-32-be", b"\0\0\xfe\xff"),
    ],
)
def test_a_mark_behind_nuls_is_found_however_the_input_is_cut(codec, mark):
    scanner = metricscan.Scanner([r"loss=loss=(\d)"])
    for nuls in (1, 4, 9):
        data = b"\0" * nuls + mark + "loss=1\nloss=2\n".encode(codec)
        whole = scanner.scan(data)["loss"]
        assert whole["value"].to_pylist() == [1, 2]
        for size in (1, 2, 3, 5, 7, 50):
            assert scanner.scan([data[at : at + size] for at in range(0, len(data), size)])["loss"].equals(whole)
