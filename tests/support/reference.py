"""The oracle: the contract, said as plainly as Python can say it. Slow, never shipped, and knows nothing of metricscan.

For each record, for each definition, ``re.finditer`` on the decoded record; the value is what ``float()`` makes of the
captured text. Every path of the engine must give exactly these rows.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, islice
from typing import Any, NamedTuple

TERMINATOR = {"universal": re.compile(rb"\r\n|\r|\n"), "lf": re.compile(rb"\n")}
BEGINNING = re.compile(rb"\0*(?:\xef\xbb\xbf)?\0*")
TERMINAL_SEQUENCE = re.compile(rb"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
MOST_SAMPLES, SAMPLE_CHARACTERS = 5, 200


class Row(NamedTuple):
    value: float
    line: int
    offset: int
    start: int


class Match(NamedTuple):
    """Spans are bytes of the record as the pattern sees it; the value's parts are None if its group took no part."""

    name: str
    text: str
    span: tuple[int, int]
    value_text: str | None
    value_span: tuple[int, int] | None
    number: float | None


class Metric:
    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.unparsed = 0
        self.failed = 0
        self.samples: list[tuple[str, int, int]] = []

    def keep_sample(self, text: str, line: int, offset: int) -> None:
        if len(self.samples) < MOST_SAMPLES:
            self.samples.append((text[:SAMPLE_CHARACTERS], line, offset))


class Result(NamedTuple):
    bytes: int
    records: int
    metrics: dict[str, Metric]


# The longer marks first: that of UTF-32 begins with that of UTF-16. Codec, and the bytes of a unit.
MARKS = {
    b"\xff\xfe\0\0": ("utf-32-le", 4),
    b"\0\0\xfe\xff": ("utf-32-be", 4),
    b"\xff\xfe": ("utf-16-le", 2),
    b"\xfe\xff": ("utf-16-be", 2),
}


def as_utf_8(data: bytes) -> tuple[bytes, Sequence[int]]:
    """The text of a log that begins with a mark of UTF-16 or UTF-32, and for each byte of it, and its end, the place in the log.

    >>> as_utf_8(b"\\xfe\\xff\\0a\\0\\xe9")
    (b'a\\xc3\\xa9', [2, 4, 4, 6])
    """
    mark = next((one for one in MARKS if data.startswith(one)), None)
    if mark is None:
        return data, range(len(data) + 1)
    codec, unit = MARKS[mark]
    text = data[len(mark) :].decode(codec, "replace")
    places = []
    at = len(mark)
    for character in text:
        places += [at] * len(character.encode())
        at += 2 * unit if unit == 2 and ord(character) > 0xFFFF else unit
    return text.encode(), [*places, at]


def records(data: bytes, newline: str, escape: str, begin: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """Line, offset and content of each record from an offset on. NULs and a byte-order mark at the beginning belong to none.

    >>> list(records(b"a\\r\\nb\\rc", "universal", "none"))
    [(1, 0, b'a'), (2, 3, b'b'), (2, 5, b'c')]
    >>> list(records(b"\\0\\xef\\xbb\\xbfa", "universal", "none"))
    [(1, 4, b'a')]
    >>> list(records(b"a\\r\\nb", "universal", "none", 2))
    [(1, 2, b''), (2, 3, b'b')]
    """
    line = 1 + data.count(b"\n", 0, begin)
    start = begin or len(BEGINNING.match(data)[0])
    while start < len(data):
        found = TERMINATOR[newline].search(data, start)
        end, following = found.span() if found else (len(data), len(data))
        content = data[start:end]
        if newline == "lf" and escape == "none" and content.endswith(b"\r"):
            content = content[:-1]
        yield line, start, content
        line += data.count(b"\n", start, following)
        start = following


def as_seen(content: bytes, offset: int, escape: str, ansi: str) -> tuple[bytes, Sequence[int]]:
    """A record as the patterns see it, and for each byte of that, and for its end, the place in the input.

    >>> as_seen(b"\\ta", 10, "syslog", "keep")
    (b'#011a', [10, 10, 10, 10, 11, 12])
    >>> as_seen(b"\\x1b[1mab", 10, "none", "strip")
    (b'ab', [14, 15, 16])
    """
    if escape == "none" and ansi == "keep":
        return content, range(offset, offset + len(content) + 1)
    removed = set()
    if ansi == "strip":
        for sequence in TERMINAL_SEQUENCE.finditer(content):
            removed.update(range(*sequence.span()))
    seen = b""
    places = []
    for index, byte in enumerate(content):
        if index in removed:
            continue
        is_control = byte < 0x20 or byte == 0x7F
        text = b"#%03o" % byte if is_control and escape == "syslog" else bytes([byte])
        seen += text
        places += [offset + index] * len(text)
    return seen, [*places, offset + len(content)]


@lru_cache(maxsize=4096)
def compiled(regex: str) -> Any:
    """``re`` decides what ``re`` accepts; ``regex`` only what ``re`` refuses. ``re`` itself keeps 512."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(regex)
        except re.error:
            import regex as other_engine

            return other_engine.compile(regex)


def value_group(pattern: Any) -> int:
    """The group named ``value``, else group 1, else the whole match."""
    return pattern.groupindex.get("value", 1 if pattern.groups else 0)


def find(name: str, pattern: Any, seen: bytes, matches: str) -> list[Match]:
    """The matches of one definition in one record that count."""
    text = seen.decode("utf-8", "surrogateescape")
    found = list(islice(pattern.finditer(text), 1 if matches == "first" else None))
    if matches == "last":
        found = found[-1:]
    if not found:
        return []
    # where the n-th character starts
    at = range(len(text) + 1)
    if not text.isascii():
        at = [0, *accumulate(len(character.encode("utf-8", "surrogateescape")) for character in text)]
    group = value_group(pattern)
    result = []
    for match in found:
        start, end = match.span()
        value_start, value_end = match.span(group)
        if value_start < 0:
            result.append(Match(name, text[start:end], (at[start], at[end]), None, None, None))
            continue
        value = text[value_start:value_end]
        span = at[value_start], at[value_end]
        result.append(Match(name, text[start:end], (at[start], at[end]), value, span, number(value)))
    return result


def number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def effective_newline(newline: str | None, escape: str) -> str:
    """``escape="syslog"`` writes a CR as ``#015``: there only LF is left to end a record."""
    return newline or ("lf" if escape == "syslog" else "universal")


def scan(
    definitions: Sequence[dict[str, str]],
    data: bytes,
    *,
    newline: str | None = None,
    matches: str = "all",
    escape: str = "none",
    ansi: str = "keep",
    begin: int = 0,
) -> Result:
    """All rows from an offset on, where a record begins, and the counts of what gave none.

    >>> result = scan([{"Name": "a", "Regex": "a=(.*?);"}], b"a=1;\\na=x;\\n")
    >>> result.metrics["a"].rows, result.metrics["a"].unparsed, result.records
    ([Row(value=1.0, line=1, offset=0, start=2)], 1, 2)
    """
    patterns = [(definition["Name"], compiled(definition["Regex"])) for definition in definitions]
    metrics = {name: Metric() for name, _ in patterns}
    count = 0
    text, source = (data, range(len(data) + 1)) if begin else as_utf_8(data)
    for line, offset, content in records(text, effective_newline(newline, escape), escape, begin):
        count += 1
        seen, places = as_seen(content, offset, escape, ansi)
        for name, pattern in patterns:
            metric = metrics[name]
            try:
                found = find(name, pattern, seen, matches)
            except (RuntimeError, RecursionError, SystemError):
                metric.failed += 1
                metric.keep_sample(seen.decode("utf-8", "surrogateescape"), line, source[offset])
                continue
            for match in found:
                if match.value_text is None or match.value_span is None:
                    continue
                if match.number is None:
                    metric.unparsed += 1
                    metric.keep_sample(match.value_text, line, source[offset])
                    continue
                metric.rows.append(Row(match.number, line, source[offset], source[places[match.value_span[0]]]))
    return Result(len(data) - begin, count, metrics)
