"""Records that a read error or damaged compression cuts off: they give no row, are counted, and take no other row with them."""

import gzip
import io
import json
import os
import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import reference
from support.exports import START_MS, Event, as_csv, as_json, as_s3
from support.feeding import expected, outcome, pieces

import metricscan
from metricscan import Scanner, SourceError
from metricscan.scanning import threaded
from metricscan.scanning.scanner import _configured
from metricscan.scanning.stats import ScanStats

DEFINITIONS = [{"Name": "loss", "Regex": r"loss=(\S+)"}, {"Name": "empty", "Regex": "^()$"}]
OPTIONS = [{}, {"newline": "lf"}, {"escape": "syslog"}, {"ansi": "strip"}, {"matches": "last"}]
TERMINATOR = {"universal": re.compile(rb"[\r\n]"), "lf": re.compile(rb"\n")}


def broken(chunks):
    """Chunks, and an error behind them."""
    yield from chunks
    raise SourceError("cannot read disk", path="disk", offset=0)


def whole_of(data, options):
    """The data up to the end of the last record that has ended."""
    newline = reference.effective_newline(options.get("newline"), options.get("escape", "none"))
    ends = [found.end() for found in TERMINATOR[newline].finditer(data)]
    return data[: ends[-1] if ends else len(reference.BEGINNING.match(data)[0])]


def check(data, partial, options):
    """The outcome of a scan that an error has ended is that of the whole records, with the rest counted."""
    whole = whole_of(data, options)
    found = outcome(partial.stats, {name: partial[name] for name in partial})
    assert found == {**expected(DEFINITIONS, whole, **options), "bytes": len(data)}
    assert partial.stats.cut_off == (whole != data)


texts = st.lists(
    st.sampled_from([b"loss=", b"1", b"2;", b"\n", b"\r", b"\r\n", b"\x1b[1m", b"\0", b"\xef\xbb\xbf", b"\xef"]),
    max_size=12,
).map(b"".join)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@given(data=texts, size=st.integers(1, 9))
def test_only_records_that_ended_give_rows(options, data, size):
    for scanner in (_configured(DEFINITIONS, **options), _configured(DEFINITIONS, **options, search="every")):
        with pytest.raises(SourceError) as caught:
            scanner.scan(broken(pieces(data, size)))
        check(data, caught.value.partial, options)


def test_a_carriage_return_has_ended_its_record():
    scanner = _configured(DEFINITIONS)
    with pytest.raises(SourceError) as caught:
        scanner.scan(broken([b"loss=1\nloss=2\r"]))
    assert caught.value.partial["loss"]["value"].to_pylist() == [1.0, 2.0]
    assert caught.value.partial.stats.cut_off == 0


# ---- on threads


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_read_that_fails_anywhere(tmp_path, monkeypatch, options):
    """The search for a record's start fails, or reading the block does: what lies before the error has all its rows."""
    monkeypatch.setattr(threaded, "LEAST_BLOCK_BYTES", 40)
    monkeypatch.setattr(threaded, "BLOCK_BYTES", 64)
    monkeypatch.setattr(threaded, "_FIRST_LOOK_BYTES", 4)
    data = b"".join(b"loss=%d\r\nloss=%d.5 loss=x\n\nloss=\r" % (number, number) for number in range(9))
    path = tmp_path / "a.log"
    scanner = _configured(DEFINITIONS, **options)
    read = os.pread
    for bad in range(1, len(data), 3):
        # the file has bytes up to the bad one; another read, behind it, fails
        path.write_bytes(data[:bad])

        def failing(descriptor, size, at, bad=bad):
            if at >= bad:
                raise OSError(5, "Input/output error")
            return read(descriptor, min(size, bad - at), at)

        text, whole_text = threaded._Text.__init__, threaded._Text.feed

        def longer(self, source, *, text=text, **how):
            text(self, source, **how)
            self.size = len(data)

        def feed(self, core, begin, end, size, buffer, bad=bad, whole_text=whole_text):
            whole_text(self, core, begin, min(end, bad), size, buffer)
            if end > bad:
                raise self._unreadable(max(begin, bad), OSError(5, "Input/output error"))

        with monkeypatch.context() as patch:
            patch.setattr(os, "pread", failing)
            patch.setattr(threaded._Text, "__init__", longer)
            patch.setattr(threaded._Text, "feed", feed)
            with pytest.raises(SourceError, match="Input/output error") as caught:
                scanner.scan(path, threads=2)
        check(data[:bad], caught.value.partial, options)


# ---- exports


EVENTS = [Event(f"loss={number}.25 of {number % 3}\nloss={number}.75", START_MS + number) for number in range(12)]
EXPORTS = {
    "cloudwatch-json": as_json(EVENTS, indent=4, ascii_only=True, order=("timestamp", "message", "eventId"), pages=1),
    "cloudwatch-csv": as_csv(EVENTS, crlf=False, quote_all=False, times="ms"),
    "s3-export": as_s3(EVENTS),
}
# Where an event has ended: a row of CSV, a line of S3 ends with its newline.
EVENT_ENDS = {
    "cloudwatch-json": re.compile(rb"\}"),
    "cloudwatch-csv": re.compile(rb'75"\n'),
    "s3-export": re.compile(rb"\n"),
}


@pytest.mark.parametrize("kind", EXPORTS)
def test_an_export_that_is_cut_at_every_byte(kind):
    export = EXPORTS[kind]
    scanner = Scanner(DEFINITIONS)
    whole = scanner.scan(export, input_format=kind)["loss"]["value"].to_pylist()
    assert len(whole) == 24
    rows_per_end = 1 if kind == "s3-export" else 2
    for size in range(len(export)):
        with pytest.raises(SourceError, match="cannot read disk") as caught:
            scanner.scan(broken([export[:size]]), input_format=kind)
        found = caught.value.partial
        ended = len(EVENT_ENDS[kind].findall(export[:size]))
        assert found["loss"]["value"].to_pylist() == whole[: min(ended * rows_per_end, 24)], export[:size]
    with pytest.raises(SourceError) as caught:
        scanner.scan(broken([export]), input_format=kind)
    assert caught.value.partial.stats.cut_off == 0


@pytest.mark.parametrize(
    ("kind", "text", "cut_off"),
    [
        ("cloudwatch-json", b'{"events": [{"timestamp": 1, "message": "loss=1"}, {"timest', 1),
        ("cloudwatch-json", b'{"events": [{"timestamp": 1, "message": "loss=1"}, ', 0),
        ("cloudwatch-json", b'{"events": [{"timestamp": 1, "message": "loss=1"}], "nextTo', 0),
        ("cloudwatch-csv", b"timestamp,message\n1,loss=1\n2,loss=0.", 1),
        ("cloudwatch-csv", b"timestamp,message\n1,loss=1\n", 0),
        ("s3-export", b"2026-03-01T10:00:00.000Z loss=1\n2026-03-01T10:00:00.000Z loss=0.", 1),
        ("s3-export", b"2026-03-01T10:00:00.000Z loss=1\n2026-03", 1),
        ("s3-export", b"2026-03-01T10:00:00.000Z loss=1\n", 0),
    ],
)
def test_a_cut_event_is_counted(kind, text, cut_off):
    with pytest.raises(SourceError) as caught:
        Scanner(DEFINITIONS).scan(broken([text]), input_format=kind)
    assert caught.value.partial["loss"]["value"].to_pylist() == [1.0]
    assert caught.value.partial.stats.cut_off == cut_off


def test_a_header_that_is_cut_is_no_header():
    with pytest.raises(SourceError, match="cannot read disk") as caught:
        Scanner(DEFINITIONS).scan(broken([b"timestamp,mess"]), input_format="cloudwatch-csv")
    assert caught.value.partial.stats.records == 0


# ---- over many logs


def truncated(text, missing):
    packed = gzip.compress(text)[:-missing]
    return packed, zlib.decompressobj(wbits=31).decompress(packed)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_replay_adds_them_up(tmp_path, threads):
    text = b"".join(b"loss=%d.%d\n" % (number, number * 7919 % 1000) for number in range(500))
    packed, known = truncated(text, 40)
    assert not known.endswith(b"\n")
    (tmp_path / "a.log.gz").write_bytes(packed)
    (tmp_path / "b.log.gz").write_bytes(packed)
    (tmp_path / "c.log").write_bytes(b"loss=1")
    out = tmp_path / "out"
    result = metricscan.replay(
        [tmp_path / name for name in ("a.log.gz", "b.log.gz", "c.log")], Scanner(DEFINITIONS), threads=threads, out=out
    )
    assert len(result.errors) == 2
    assert result.stats.cut_off == 2
    assert result.stats.records == 2 * known.count(b"\n") + 1
    assert result["loss"].num_rows == result.stats.records
    assert json.loads((out / "_manifest.json").read_text())["cut_off"] == 2


def test_nothing_is_cut_off_without_an_error():
    scanner = Scanner(DEFINITIONS)
    for source in (b"loss=1", io.BytesIO(b"loss=1"), iter([b"loss", b"=1"])):
        stats = scanner.scan(source).stats
        assert (stats.records, stats.cut_off, stats.metrics["loss"].rows) == (1, 0, 1)
    with scanner.stream() as stream:
        stream.feed(b"loss=1")
    assert (stream.stats.records, stream.stats.cut_off) == (1, 0)


def test_counts_of_cut_records_are_merged():
    stats = ScanStats(7, 1, cut_off=1)
    stats.merge(ScanStats(5, 2, cut_off=2))
    assert stats == ScanStats(12, 3, cut_off=3)
    assert stats != ScanStats(12, 3)
    assert repr(stats) == "ScanStats(bytes=12, records=3, cut_off=3, metrics={})"
