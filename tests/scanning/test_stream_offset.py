"""Live streams that begin within a log: the rows have their places in the whole log."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.feeding import DEFINITIONS, expected, outcome, rows_of

from metricscan import OptionError, Scanner
from metricscan.scanning.schema import SCHEMA

LOGS = [
    b"a=1\na=2\r\na=3\ra=x\n\na=5",
    b"\xef\xbb\xbfa=1\r\r\n\na=nan a=inf\n",
    b"\0\0\0a=1\n\0a=2\n\xef\xbb\xbfa=3\n",
    b"a=1e5 a=-0.0\nbb=0.12345678901234567\n" * 2,
]
SCANNERS = {newline: Scanner(DEFINITIONS, newline=newline, untamed="allow") for newline in ("universal", "lf")}


def line_at(log, offset):
    return 1 + log.count(b"\n", 0, offset)


def rows_from(scanner, log, begin, chunks=None):
    """What a stream finds that begins at an offset of the log; ``chunks`` are the places where it is cut."""
    cuts = [begin, *(chunks or ()), len(log)]
    stream = scanner.stream(offset=begin, line=line_at(log, begin))
    tables = {name: SCHEMA.empty_table() for name in scanner.metrics}
    assert stream.resume_offset == begin
    for first, behind in pairwise(cuts):
        stream.feed(log[first:behind])
    stream.close()
    tables.update(stream.take())
    return outcome(stream.stats, tables)


@pytest.mark.parametrize("newline", SCANNERS)
@pytest.mark.parametrize("log", LOGS)
def test_every_offset_of_a_log(log, newline):
    for begin in range(len(log) + 1):
        wanted = expected(DEFINITIONS, log, newline=newline, begin=begin)
        assert rows_from(SCANNERS[newline], log, begin) == wanted
        assert rows_from(SCANNERS[newline], log, begin, range(begin, len(log))) == wanted


@given(
    st.lists(st.sampled_from([b"a=", b"1", b"2.5", b" ", b"\r", b"\n", b"x", b"\0", b"\xef\xbb\xbf", b"\xc3\xa9"]))
    .map(b"".join)
    .flatmap(lambda log: st.tuples(st.just(log), st.lists(st.integers(0, len(log)), min_size=1).map(sorted)))
)
def test_any_offset_and_chunks_of_any_log(given_):
    log, (begin, *chunks) = given_
    for newline, scanner in SCANNERS.items():
        assert rows_from(scanner, log, begin, chunks) == expected(DEFINITIONS, log, newline=newline, begin=begin)


@pytest.mark.parametrize("log", LOGS)
def test_where_a_record_begins_the_rows_are_those_of_the_whole_log(log):
    scanner = SCANNERS["universal"]
    whole = scanner.scan(log)
    offsets = {row[2] for name in whole for row in rows_of(whole[name])}
    for begin in offsets:
        found = rows_from(scanner, log, begin)
        for name in whole:
            assert found[f"metric {name}"]["rows"] == [row for row in rows_of(whole[name]) if row[2] >= begin]


def test_the_newline_of_a_border_ends_an_empty_record():
    log = b"a=1\r\na=2\n"
    stream = SCANNERS["universal"].stream(offset=4, line=1)
    stream.feed(log[4:])
    assert (stream.stats.records, stream.latest["m"][:4]) == (2, (2.0, 2, 5, 7))


def test_marks_within_a_log_are_text():
    for mark in (b"\xff\xfe", b"\0\0\xfe\xff", b"\xef\xbb\xbf", b"\0"):
        stream = Scanner(["m=a=([0-9]+)"], labels={"all": "^(.+)$"}).stream(offset=10, line=3)
        stream.feed(mark + b"a=1\n")
        assert stream.latest["m"][:4] == (1.0, 3, 10, 12 + len(mark))
        assert stream.latest["all"].start == 10


def test_its_state_goes_on():
    scanner, log = SCANNERS["universal"], b"a=1\na=2\na=3\n"
    stream = scanner.stream(offset=4, line=2)
    stream.feed(log[4:9])
    stream.take()
    stream = scanner.stream(state=stream.state())
    assert stream.resume_offset == 8
    stream.feed(log[8:])
    assert rows_of(stream.take()["m"]) == [((3.0).hex(), 3, 8, 10)]
    assert stream.stats.bytes == 8


def test_lines_count_from_the_offset_if_none_is_given():
    stream = SCANNERS["universal"].stream(offset=100)
    stream.feed(b"x\na=1\n")
    assert stream.latest["m"][:4] == (1.0, 2, 102, 104)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"offset": -1}, "offset=-1: a whole number, 0 or more was expected"),
        ({"offset": True}, "offset=True: a whole number"),
        ({"offset": 1.0}, r"offset=1\.0: a whole number"),
        ({"offset": None}, "offset=None: a whole number"),
        ({"offset": 2**63}, "a whole number"),
        ({"offset": 5, "line": 0}, "line=0: a whole number, 1 or more was expected"),
        ({"offset": "5", "line": "2"}, "offset='5': .* was expected; line='2': "),
        ({"line": 2}, "line=2: before offset 0 there are at most 0 line ends"),
        ({"offset": 3, "line": 5}, "line=5: before offset 3 there are at most 3 line ends"),
    ],
)
def test_a_place_that_cannot_be_is_one_clear_error(place, message):
    with pytest.raises(OptionError, match=message):
        SCANNERS["universal"].stream(**place)


def test_a_state_has_a_place_of_its_own():
    scanner = SCANNERS["universal"]
    state = scanner.stream().state()
    for place in ({"offset": 1}, {"line": 2}):
        with pytest.raises(OptionError, match="the state says where the stream begins"):
            scanner.stream(state=state, **place)
