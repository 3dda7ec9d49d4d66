"""What is fuzzed: a string of bytes is a case, and a case in which engine and oracle differ raises.

A target returns how many pairs of record and definition were compared, 0 if the bytes spell no case.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.comparison import TooSlow, compare
from support.grammar import Choices, parsed, pattern_from, record_from

from metricscan.errors import SourceError
from metricscan.patterns.dialect import unrolled_size

TERMINATORS = [b"\n", b"\n", b"\n", b"\r\n", b"\r", b"\n\n", b"\r\r\n", b"\n\r"]
MATCHES = ["all", "all", "first", "last"]
NUMBER_REGEXES = ["v=(.*?);", ";(.*)$", "(?:v)=([^;]*);", "^v=(.*);", r"v= *(\S*)", r"(?P<value>[^v=;]+)"]
# As long a text, and as much of it written out, as ``re`` compiles at once.
MOST_CHARACTERS, MOST_ELEMENTS = 300, 3_000


def grammar(data: bytes, most_records: int = 6) -> int:
    """Patterns of the whole grammar, written as the bytes choose; records near them; every option; cuts."""
    choices = Choices(data)
    options = _options(choices)
    regexes = []
    log = b""
    for _ in range(choices.one_of([1, 1, 1, 2, 3])):
        pattern = pattern_from(choices)
        if pattern is None:
            return 0
        regexes.append(pattern.text)
        for _ in range(1 + choices.below(most_records)):
            log += record_from(choices, pattern) + choices.one_of(TERMINATORS)
    log = log[: len(log) - choices.below(3)]
    cuts = [choices.below(256) for _ in range(choices.below(5))]
    return _compared(regexes, log, cuts, options)


def text(data: bytes) -> int:
    """A letter for the options, the regex up to the line's end, and a log: what a person can write and read."""
    first, _, log = data.partition(b"\n")
    regex = first[1:].decode("utf-8", "surrogateescape")
    if len(regex) > MOST_CHARACTERS or len(log) > 10 * MOST_CHARACTERS:
        return 0
    tree = parsed(regex)
    if tree is None or unrolled_size(tree) > MOST_ELEMENTS:
        return 0
    options = _options(Choices(first[:1] * 8))
    return _compared([regex], log, [len(log) // 3, len(log) // 2, len(log) - 1], options)


def numbers(data: bytes) -> int:
    """Texts between blanks and terminators as captured values."""
    texts = [some for some in data.replace(b"\r", b"\n").split(b"\n") if b";" not in some and b"v" not in some]
    log = b"".join(b"v=" + some + b";" + some + b"\n" for some in texts)
    return _compared(NUMBER_REGEXES, log, [len(log) // 2, len(log) // 3], {})


TARGETS = {"grammar": grammar, "text": text, "numbers": numbers}


def _options(choices: Choices) -> dict[str, str]:
    options = {"matches": choices.one_of(MATCHES)}
    kind = choices.below(16)
    if kind == 15:
        options["escape"] = "syslog"
    elif kind == 14:
        options["ansi"] = "strip"
    elif kind >= 12:
        options["newline"] = "lf"
    return options


def _compared(regexes: list[str], log: bytes, cuts: list[int], options: dict[str, str]) -> int:
    if log[:1] == b"\0" and log.lstrip(b"\0")[:2] in (b"\xfe\xff", b"\xff\xfe"):
        # the oracle knows no mark behind NULs
        return 0
    try:
        return compare(regexes, log, cuts, **options)
    except (TooSlow, SourceError):
        # a log may begin with the mark of another encoding, and go on in none
        return 0
