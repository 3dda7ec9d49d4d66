"""Fuzzed parts of the core beside Python: what each writes or reads is what Python's own code says, however it is asked.

A target returns how many things were compared, 0 if the bytes spell no case; a case in which the two differ raises.
"""

from __future__ import annotations

import functools
import io
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
from support import reference, suspects
from support.grammar import Choices

from metricscan import Scanner, _core
from metricscan.datasets import formats
from metricscan.datasets._row_text import number_text
from metricscan.datasets.row_lines import RowLines
from metricscan.datasets.schema import LABEL_SCHEMA, SCHEMA
from metricscan.definitions.surroundings import surroundings
from metricscan.logs._events import Decoder
from metricscan.scanning.schema import TIME

if TYPE_CHECKING:
    from collections.abc import Sequence

NAMES = ["a", "", 'a "b", c', "\n", "\0\x1f\u2028", "é\U0001f600", "x" * 70, "=1+1"]
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_300_799_999_999
SUSPECT_REGEXES: list[tuple[str, bool, bool | str]] = [
    (r"loss=([0-9.]+)", False, True),
    (r"loss=([-+]?[0-9]+\.[0-9]+)", False, True),
    (r"loss=(\S+)", False, " "),
    (r"loss:\s*([0-9.]+)", True, True),
    (r"loss=(0\.[0-9]+)", False, True),
    (r"(?i)Loss=([0-9.]+)", False, True),
    (r"loss=(-?[0-9.]+|nan);", False, False),
    (r"s=([s=0-9]+);", False, False),
    (r"loss: ([0-9.]+)", False, True),
]
LABEL_REGEXES = [r"w=(\S*)", r"^\[(.*?)\]", r"(?:rank|r) ?([0-9a-z]*)", r"w=([^;]*);", r"([^\W\d]+)$"]
EVENT_FORMATS = ("cloudwatch-json", "cloudwatch-csv", "s3-export", "docker-json", "cri")
_CSV_COLUMNS = {False: (2, 0, 1, -1), True: (3, 0, 1, 2)}


def number(data: bytes) -> int:
    """Numbers as CSV and JSON write them: eight bytes are a number."""
    values = [value for (value,) in struct.iter_unpack("<d", data[: len(data) // 8 * 8])][:64]
    if not values:
        return 0
    file = io.BytesIO()
    pc.write_csv(pa.table({"value": values}), file, pc.WriteOptions(include_header=False))
    for value, wanted in zip(values, file.getvalue().decode().splitlines(), strict=True):
        _same(number_text(value, json=False), wanted)
        _same(number_text(value, json=True), formats.json_number(value))
    return len(values)


def row_text(data: bytes) -> int:
    """Rows as lines of CSV and JSON, in buffers of any size."""
    choices = Choices(data)
    is_label = bool(choices.below(2))
    names = [*NAMES, data[-20:].decode("utf-8", "replace")]
    count = 1 + choices.below(6)
    columns = []
    for _ in range(3):
        codes = pa.array([choices.below(len(names)) for _ in range(count)], pa.int32())
        columns.append(pa.DictionaryArray.from_arrays(codes, pa.array(names)))
    job, stream, metric = columns
    part = pa.array([_integer(choices, 31) for _ in range(count)], pa.int32())
    places = [pa.array([_integer(choices, 63) for _ in range(count)], pa.int64()) for _ in range(3)]
    times = pa.array([_time(choices) for _ in range(count)], TIME)
    if is_label:
        value = pa.array([choices.one_of(names) for _ in range(count)])
    else:
        value = pa.array([struct.unpack("<d", _bytes(choices, 8))[0] for _ in range(count)])
    schema = LABEL_SCHEMA if is_label else SCHEMA
    batch = pa.RecordBatch.from_arrays([job, stream, part, metric, value, *places, times], schema=schema)
    size = 1 + choices.below(256)
    for json in (False, True):
        lines = RowLines(json=json)
        lines._buffer = bytearray(size)
        found = lines.header(schema.names) + b"".join(bytes(piece) for piece in lines.of_batch(batch))
        _same(found, _as_any_table(batch, json=json))
    return count


def label(data: bytes) -> int:
    """Texts that a label captures, whole and in pieces; the first byte chooses the regex, the second the cut."""
    if len(data) < 3:
        return 0
    regex = LABEL_REGEXES[data[0] % len(LABEL_REGEXES)]
    log = _plain(data[2:])
    rows = []
    for line, offset, content in reference.records(log, "universal", "none"):
        for match in reference.find("", reference.compiled(regex), content, "all"):
            # of more characters than this it names no worker
            rows += [(match.value_text, line, offset)] * (
                match.value_text is not None and len(match.value_text) <= 1000
            )
    scanner = _label_scanner(regex)
    size = 1 + data[1] % 64
    for source in (log, [log[at : at + size] for at in range(0, len(log), size)]):
        table = scanner.scan(source, input_format="plain")["label"]
        _same(table["value"].to_pylist(), [_shown(text) for text, _, _ in rows])
        _same(table["line"].to_pylist(), [line for _, line, _ in rows])
        _same(table["offset"].to_pylist(), [offset for _, _, offset in rows])
    return len(rows)


def suspect(data: bytes) -> int:
    """What stands beside values; the first byte chooses the regex, the next two the cuts."""
    if len(data) < 4:
        return 0
    at = data[0] % len(SUSPECT_REGEXES)
    scanner, definition = _suspect_scanner(at)
    log = _plain(data[3:])
    cuts = [data[1], data[1] + data[2]]
    wanted = suspects.scan(definition, log)
    running = scanner.watching_batches(suspects.pieces(log, cuts), input_format="plain")
    _same(suspects.of_batches(running, "m"), suspects.shortened(wanted))
    return 1 + len(wanted.cut)


def stopped(data: bytes) -> int:
    """A scan that is stopped between two pieces: the rows before are there, and the stream is closed then."""
    if len(data) < 3:
        return 0
    pieces = [data[2:][at : at + 1 + data[0] % 32] for at in range(0, len(data), 1 + data[0] % 32)]
    last = data[1] % (len(pieces) + 1)
    scanner = _label_scanner(LABEL_REGEXES[0])
    stop = _core.Stop()
    with stop:
        stream = scanner.stream()
        try:
            for number, piece in enumerate(pieces):
                if number == last:
                    stop.ask()
                # a stream looks for the flag once in so many pieces
                for _ in range(1 if number < last else 64):
                    stream.feed(piece)
            stream.close()
        except KeyboardInterrupt:
            try:
                stream.feed(b"w=1\n")
            except ValueError:
                return 1
            raise AssertionError("a stopped stream takes more") from None
    return 1


def events(data: bytes) -> int:
    """Decoders of exports: at each level, and however the export is cut, they say the same text, places, times and errors.

    The first byte chooses the format, the second the cuts.
    """
    if len(data) < 3:
        return 0
    kind, export = EVENT_FORMATS[data[0] % len(EVENT_FORMATS)], data[2:]
    options = {"columns": _CSV_COLUMNS[data[0] >= 128]} if kind == "cloudwatch-csv" else {}
    size = 1 + data[1] % 96
    wanted = _decoded(export, kind, "portable", [len(export)], options)
    # what no vector reaches, and what all do
    long = export + b" " * 256
    wanted_long = _decoded(long, kind, "portable", [len(long)], options)
    for level in _core.SIMD_LEVELS:
        for ends in ([len(export)], [*range(size, len(export), size), len(export)]):
            _same(_decoded(export, kind, level, ends, options), wanted)
        _same(_decoded(long, kind, level, [len(long)], options), wanted_long)
    return 1


PARTS = {
    "number": number,
    "row_text": row_text,
    "label": label,
    "suspect": suspect,
    "stopped": stopped,
    "events": events,
}


def _same(found: object, wanted: object) -> None:
    if found != wanted:
        raise AssertionError(f"{found!r}; {wanted!r} was expected")


def _bytes(choices: Choices, count: int) -> bytes:
    return bytes(choices.below(256) for _ in range(count))


def _integer(choices: Choices, bits: int) -> int:
    """One of few digits or of many."""
    value = int.from_bytes(_bytes(choices, 1 + choices.below(8)), "little") % 2**bits
    return value if bits < 63 or choices.below(2) else -value


def _time(choices: Choices) -> int | None:
    if not choices.below(3):
        return None
    return _FIRST_US + int.from_bytes(_bytes(choices, 8), "little") % (_LAST_US - _FIRST_US)


def _as_any_table(batch: pa.RecordBatch, *, json: bool) -> bytes:
    """The file that the writers of any table write."""
    kind = formats._TableAsJsonLines if json else formats._TableAsCsv
    path = _place() / "rows"
    writer = kind(str(path), batch.schema)
    writer.write(pa.Table.from_batches([batch]))
    writer.close()
    return path.read_bytes()


@functools.cache
def _place() -> Path:
    import tempfile

    return Path(tempfile.mkdtemp(prefix="metricscan-fuzz-"))


@functools.cache
def _label_scanner(regex: str) -> Scanner:
    return Scanner([r"loss=loss=([0-9.]+)"], labels={"label": regex}, untamed="allow")


def _shown(text: str) -> str:
    """A text as a table holds it: bytes that are no UTF-8 are spelled."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _plain(log: bytes) -> bytes:
    """A log that is not taken for UTF-16 or UTF-32."""
    return b"." + log.replace(b"\0", b"0")


@functools.cache
def _suspect_scanner(number: int) -> tuple[Scanner, suspects.Definition]:
    regex, open_before, open_behind = SUSPECT_REGEXES[number]
    around = surroundings(regex)
    relaxed = None if around is None else around.relaxed
    scanner = Scanner([{"Name": "m", "Regex": regex}], untamed="allow")
    return scanner, suspects.Definition(regex, open_before, open_behind, relaxed)


def _decoded(data: bytes, kind: str, level: str, ends: Sequence[int], options: dict[str, tuple[int, ...]]) -> object:
    decoder = Decoder(kind, level=level, **options)
    taken, text, lines, places = 0, b"", 1, []
    dropped, without = [], 0
    for end in ends:
        taken += decoder.feed(data[taken:end], end == len(data))
        piece = bytes(decoder.text)
        columns = np.zeros((5, len(piece)), np.int64)
        newlines = np.cumsum(np.frombuffer(piece, np.uint8) == 10)
        columns[0] = lines
        columns[0, 1:] += newlines[:-1]
        columns[1:3] = len(text) + np.arange(len(piece))
        decoder.translate(*columns)
        places.append(columns.T.copy())
        lines += piece.count(b"\n")
        text += piece
        bad, offset, because, some_without = decoder.take_dropped()
        dropped += [(offset, because)] * bool(bad) + [(-1, "")] * max(0, bad - 1)
        without += some_without
        if decoder.error is not None:
            break
    # of several that are dropped in one piece the first has its place
    streams = [(name, span) for name, span, _ in decoder.streams]
    rows = np.concatenate(places).tobytes() if places else b""
    return text, rows, decoder.error, streams, len(dropped), dropped[:1], without
