"""The state of a live stream: another one goes on from it, at any cut, as if nothing had been between them."""

import json
import zlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.encodings import ENCODINGS, written
from support.feeding import DEFINITIONS, expected, outcome, rows_of

from metricscan import OptionError, Scanner
from metricscan.scanning import stream_state
from metricscan.scanning.schema import LABEL_SCHEMA, SCHEMA

LOGS = [
    b"",
    b"a=1\na=2\r\na=3\ra=x\n\na=5",
    b"\xef\xbb\xbfa=1\r\r\n\na=nan a=inf\n",
    b"\0\0\0a=1\n\0a=2\n",
    b"\xef\xbba=1\n",
    b"\xff\xfaa=1\n",
    b"a=1e5 a=-0.0\nbb=0.12345678901234567\n" * 3,
]


def gone_on(scanner, data, cuts):
    """What a stream finds whose state is handed on at each cut, so that a part of the data is fed again."""
    stream = scanner.stream()
    batches = {name: [] for name in scanner.metrics}

    def take():
        for name, batch in stream.take().items():
            batches[name].append(batch)

    fed = 0
    for cut in cuts:
        stream.feed(data[fed:cut])
        take()
        state = stream.state()
        before = dict(stream.latest)
        stream = scanner.stream(state=state)
        assert repr(dict(stream.latest)) == repr(before)
        assert stream.state() == state
        fed = stream.resume_offset
        assert fed <= cut
    stream.feed(data[fed:])
    stream.close()
    take()
    schemas = {name: LABEL_SCHEMA if name in scanner.labels else SCHEMA for name in batches}
    return stream.stats, {name: pa.Table.from_batches(some, schema=schemas[name]) for name, some in batches.items()}


@pytest.mark.parametrize("newline", ["universal", "lf"])
@pytest.mark.parametrize("log", LOGS)
def test_every_cut_gives_the_rows_of_the_whole(log, newline):
    scanner = Scanner(DEFINITIONS, newline=newline, untamed="allow")
    wanted = expected(DEFINITIONS, log, newline=newline)
    for cut in range(len(log) + 1):
        assert outcome(*gone_on(scanner, log, [cut])) == wanted
    assert outcome(*gone_on(scanner, log, range(len(log) + 1))) == wanted


@given(
    st.lists(st.sampled_from([b"a=", b"1", b"2.5", b" ", b"\r", b"\n", b"x", b"\0", b"\xef\xbb\xbf", b"\xc3\xa9"]))
    .map(b"".join)
    .flatmap(lambda log: st.tuples(st.just(log), st.lists(st.integers(0, len(log)), max_size=4).map(sorted)))
)
def test_any_cuts_of_any_log(given_):
    log, cuts = given_
    scanner = Scanner(DEFINITIONS, untamed="allow")
    assert outcome(*gone_on(scanner, log, cuts)) == expected(DEFINITIONS, log)


def test_labels_hold_on():
    scanner = Scanner(["loss=loss=([0-9.]+)"], labels={"worker": r"\[(rank[0-9]+)\]"})
    log = b"[rank0] loss=1\n[rank1]\nloss=2\n[rank0]\n"
    whole = scanner.scan(log)
    for cut in range(len(log) + 1):
        stats, tables = gone_on(scanner, log, [cut])
        assert tables["worker"]["value"].to_pylist() == whole["worker"]["value"].to_pylist()
        assert tables["worker"]["start"].to_pylist() == whole["worker"]["start"].to_pylist()
        assert rows_of(tables["loss"]) == rows_of(whole["loss"])
        assert stats == whole.stats


def test_rows_that_were_not_taken_are_no_part_of_a_state():
    stream = Scanner(DEFINITIONS, untamed="allow").stream()
    stream.feed(b"a=1\n")
    with pytest.raises(RuntimeError, match="take them first"):
        stream.state()
    stream.take()
    stream.state()
    stream.close()
    with pytest.raises(ValueError, match="closed"):
        stream.state()


def test_what_is_no_state_is_one_clear_error():
    scanner = Scanner(DEFINITIONS, untamed="allow")
    stream = scanner.stream()
    stream.feed(b"a=x\na=1\na=")
    stream.take()
    state = stream.state()
    for size in range(len(state)):
        with pytest.raises(OptionError, match=r"^state: "):
            scanner.stream(state=state[:size])
    for place in range(len(state)):
        for bit in range(8):
            flipped = bytearray(state)
            flipped[place] ^= 1 << bit
            with pytest.raises(OptionError, match=r"^state: "):
                scanner.stream(state=bytes(flipped))
    for version, writer in ((stream_state.VERSION + 1, "a newer"), (stream_state.VERSION - 1, "an older")):
        with pytest.raises(OptionError, match=f"version {version}, .*; {writer} metricscan wrote it"):
            scanner.stream(state=state.replace(b"stream %d " % stream_state.VERSION, b"stream %d " % version))
    for other in (Scanner(DEFINITIONS[:2], untamed="allow"), Scanner(DEFINITIONS, untamed="allow", newline="lf")):
        with pytest.raises(OptionError, match="other definitions or options"):
            other.stream(state=state)
    for value in ("text", 1, []):
        with pytest.raises(OptionError, match="were expected"):
            scanner.stream(state=value)


@pytest.mark.parametrize("put", [None, -1, 2**80, 0.5, "x", [], [[]], {}])
def test_what_no_stream_writes_is_an_error_of_ours_though_its_checksum_is_right(put):
    scanner = Scanner(DEFINITIONS, untamed="allow")
    stream = scanner.stream()
    stream.feed(b"a=1\na=")
    stream.take()
    head, _, text = stream.state().partition(b"\n")
    errors = []
    for place in range(len(json.loads(text))):
        state = json.loads(text)
        state[place] = put
        changed = json.dumps(state).encode()
        forged = b"%s %08x\n%s" % (head.rpartition(b" ")[0], zlib.crc32(changed), changed)
        try:
            scanner.stream(state=forged).feed(b"2\n")
        except OptionError as error:
            errors.append(str(error)[:7])
    assert len(errors) > 3
    assert set(errors) == {"state: "}


TEXTS = ["a=1é\na=2\r\na=x\r\U0001f600 a=3\n\n\ufffda=5", "a=1\n" * 3, "", "\0a=1\n\ufeffa=2\n", "\U0001f600" * 5]


@pytest.mark.parametrize("encoding", ENCODINGS, ids=lambda one: one.codec)
@pytest.mark.parametrize("text", TEXTS)
def test_every_cut_of_a_decoded_log(text, encoding):
    scanner = Scanner(DEFINITIONS, untamed="allow")
    log = written(text, encoding)
    stats, tables = gone_on(scanner, log, [])
    wanted = outcome(stats, tables)
    assert wanted == expected(DEFINITIONS, log)
    for cut in range(len(log) + 1):
        found, tables = gone_on(scanner, log, [cut])
        assert (outcome(found, tables), found) == (wanted, stats)
    found, tables = gone_on(scanner, log, range(len(log) + 1))
    assert (outcome(found, tables), found) == (wanted, stats)


@given(
    st.sampled_from(ENCODINGS),
    st.lists(
        st.sampled_from(
            ["a=", "1", "2.5", " ", "\r", "\n", "x", "é", "\U0001f600", "\ud800", "\udc00", "\ufffd", "\0"]
        ),
        max_size=20,
    )
    .map("".join)
    .flatmap(
        lambda text: st.tuples(st.just(text), st.lists(st.integers(0, 4 * len(text) + 4), max_size=4).map(sorted))
    ),
)
def test_any_cuts_of_any_decoded_log(encoding, text_and_cuts):
    text, cuts = text_and_cuts
    scanner = Scanner(DEFINITIONS, untamed="allow")
    log = encoding.mark + text.encode(encoding.codec, "surrogatepass")
    stats, tables = gone_on(scanner, log, [])
    wanted = outcome(stats, tables)
    # also within a unit
    for whole in (log, log + b"\x31"):
        if whole is not log:
            stats, tables = gone_on(scanner, whole, [])
            wanted = outcome(stats, tables)
        found, tables = gone_on(scanner, whole, [min(cut, len(whole)) for cut in cuts])
        assert (outcome(found, tables), found) == (wanted, stats)


def test_a_decoded_stream_goes_on_behind_much_that_could_not_be_decoded():
    scanner = Scanner(DEFINITIONS[:1])
    log = b"\xff\xfe" + ("\ud800a=1é\n" * 5000 + "\ud800\ud800 a=2").encode("utf-16-le", "surrogatepass")
    stream = scanner.stream()
    for at in range(0, len(log), 997):
        stream.feed(log[at : at + 997])
        stream.take()
    assert stream.stats.undecoded == 5002
    stream = scanner.stream(state=stream.state())
    assert (stream.stats.undecoded, stream.stats.undecoded_at, stream.resume_offset) == (5000, 2, 2 + 5000 * 12)
    stream.feed(log[stream.resume_offset :])
    stream.close()
    assert (stream.stats.undecoded, stream.latest["m"].start) == (5002, len(log) - 2)
