"""The state of a live stream: another one goes on from it, at any cut, as if nothing had been between them."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.feeding import expected, outcome, rows_of

from metricscan import OptionError, Scanner
from metricscan.scanning import stream_state
from metricscan.scanning.schema import LABEL_SCHEMA, SCHEMA

DEFINITIONS = [
    {"Name": "m", "Regex": "a=([^ ]*)"},
    {"Name": "re", "Regex": "(?<=(?:a|bb))=([0-9.]+)"},
    {"Name": "all", "Regex": "^(.*)$"},
]
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


def test_the_state_of_a_decoded_stream_is_refused():
    stream = Scanner(DEFINITIONS, untamed="allow").stream()
    stream.feed("a=1\n".encode("utf-16"))
    stream.take()
    with pytest.raises(ValueError, match="UTF-16"):
        stream.state()
