"""Fuzzed live streams: however one is cut, goes on from its state, or is used by threads, its rows are those of one feed.

A target returns how many rows were compared plus one, 0 if the bytes spell no case; a case that differs raises.
"""

from __future__ import annotations

import functools
import json
import threading
import zlib
from typing import TYPE_CHECKING, Any

from metricscan import Scanner
from metricscan.errors import MetricscanError, OptionError, SourceError
from metricscan.scanning.scanner import _configured

if TYPE_CHECKING:
    from collections.abc import Callable

FORMATS = ("plain", "plain", "cloudwatch-json", "cloudwatch-csv", "s3-export", "docker-json", "cri")
JOININGS: list[dict[str, Any]] = [
    {},
    {"step": "epoch"},
    {"step": "epoch", "step_place": "after", "worker": "w", "carry": True},
    {"step": "epoch", "worker": ["w"]},
]
# In the place of a number of a state, or of all that is at its place.
PUT: list[Any] = [None, -1, 2**40, 2**80, 0.5, "x", "", [], {}, [[]], [None] * 9, True]


@functools.cache
def _scanner() -> Scanner:
    return Scanner(
        ["loss=loss=([0-9.]+)", r"epoch=(?<=\s|^)epoch=(\d+)", r"any=any (\S*)"],
        labels={"w": r"w=(\w*)"},
        untamed="allow",
    )


def stream_state(data: bytes) -> int:
    """A stream that goes on from its states.

    The first byte chooses the format, the second the options, the third the cuts; the rest is the log.
    """
    if len(data) < 4:
        return 0
    options = {"format": FORMATS[data[0] % len(FORMATS)], **JOININGS[data[1] % len(JOININGS)]}
    log = data[3:]
    size = 1 + data[2] % 48
    whole = _fed(log, [len(log)], options)
    if whole is None:
        return 0
    ends = [*range(size, len(log), size), len(log)]
    _same(_fed(log, ends, options), whole)
    return 1 + len(whole[0])


def forged_state(data: bytes) -> int:
    """A state in which something else stands, with a right checksum: an error of ours, or a stream that takes bytes.

    What has a wrong type deep within it may raise an exception of Python's at the first bytes; the core is never misled.
    """
    if len(data) < 5:
        return 0
    options = {"format": FORMATS[data[0] % len(FORMATS)], **JOININGS[data[1] % len(JOININGS)]}
    with _scanner().stream(**options) as stream:
        try:
            stream.feed(data[5:])
        except SourceError:
            return 0
        stream.take()
        head, _, text = stream.state().partition(b"\n")
    state = json.loads(text)
    place, number = state, data[2]
    while True:
        at = number % len(place)
        if isinstance(place[at], list) and place[at] and number & 128:
            place, number = place[at], (number * 5 + data[3]) % 256
            continue
        place[at] = PUT[data[4] % len(PUT)]
        break
    text = json.dumps(state, separators=(",", ":")).encode()
    forged = b"%s %08x\n%s" % (head.rpartition(b" ")[0], zlib.crc32(text), text)
    try:
        other = _scanner().stream(state=forged, **options)
    except OptionError as error:
        str(error)
        return 1
    try:
        other.feed(data[5:])
        other.take()
        other.close()
        other.rows()
    except (MetricscanError, TypeError, ValueError, RuntimeError) as error:
        str(error)
    return 1


def stream_threads(data: bytes) -> int:
    """A stream that is fed while other threads take its rows and ask it, and a log that several threads scan.

    The first byte chooses the size of the chunks, the second that of the threads' pieces; the rest is the log.
    """
    if len(data) < 3:
        return 0
    log = data[2:]
    try:
        wanted = {name: _tuples(table) for name, table in _scanner().scan(log).items()}
        pieces = _in_pieces(1 + data[1] % 96).scan(log, threads=3)
        _same({name: _tuples(table) for name, table in pieces.items()}, wanted)
    except SourceError:
        # the mark of another encoding, whose units are cut elsewhere
        return 0
    size = 1 + data[0] % 64
    stream = _scanner().stream()
    taken: list[dict[str, Any]] = []
    failures: list[BaseException] = []
    ended = threading.Event()

    def until_the_end(ask: Callable[[], object]) -> None:
        try:
            while not ended.is_set():
                ask()
        except BaseException as error:
            failures.append(error)

    def ask() -> None:
        stream.stats  # noqa: B018 - it waits for the feed
        dict(stream.latest)
        stream.latest_partial  # noqa: B018
        stream.resume_offset  # noqa: B018

    threads = [
        threading.Thread(target=until_the_end, args=(one,)) for one in (lambda: taken.append(dict(stream.take())), ask)
    ]
    for thread in threads:
        thread.start()
    try:
        for at in range(0, len(log), size):
            stream.feed(log[at : at + size])
        stream.close()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    taken.append(dict(stream.take()))
    found = {name: [row for some in taken if name in some for row in _tuples(some[name])] for name in wanted}
    _same(found, wanted)
    return 1 + sum(map(len, wanted.values()))


STREAMS = {"stream_state": stream_state, "forged_state": forged_state, "stream_threads": stream_threads}


def _same(found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"{found!r}; {wanted!r} was expected")


@functools.cache
def _in_pieces(size: int) -> Scanner:
    regexes = [{"Name": one.name, "Regex": one.regex} for one in _scanner().definitions if one.name != "w"]
    return _configured(regexes, chunk_bytes=size).with_labels({"w": r"w=(\w*)"})


def _tuples(table: Any) -> list[tuple[Any, ...]]:
    columns = [table.column(name).to_pylist() for name in ("value", "line", "offset", "start")]
    return [*zip(*columns, strict=True)]


def _fed(log: bytes, ends: list[int], options: dict[str, Any]) -> tuple[Any, ...] | None:
    """All rows, whether an error ended them, and the counts; at each place but the last the stream goes on from its state."""
    stream = _scanner().stream(**options)
    rows: list[Any] = []
    fed = 0
    error = None
    for end in ends:
        try:
            stream.feed(log[fed:end])
        except SourceError as raised:
            if "UTF-" in raised.message:
                return None
            error = raised
            break
        fed = end
        if end < ends[-1]:
            rows += stream.rows()
            fed = stream.resume_offset
            stream = _scanner().stream(state=stream.state(), **options)
            if fed < end:
                try:
                    stream.feed(log[fed:end])
                except SourceError as raised:
                    error = raised
                    break
                fed = end
    try:
        stream.close()
    except SourceError as raised:
        error = error or raised
    rows += stream.rows()
    # a record of one stream may end within that of another, and rows of both may come with one chunk or two
    rows.sort(key=lambda row: row.stream)
    counts = {name: (one.rows, one.unparsed) for name, one in stream.stats.metrics.items()}
    # what cannot be read on may be known when the chunk that follows has come, or at the end
    error = error or stream.error
    return rows, counts, stream.stats.records if error is None else error.offset
