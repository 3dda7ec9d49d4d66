"""The oracle of cut lines, and a tool that cuts them: a record ends within or right before a value, and the next has the rest."""

import random
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from support import reference

NUMBER = re.compile(rb"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
END = re.compile(rb"(?:[ \t,;)\]}%|\"']|#011)*\Z|(?:[ \t,;)\]}%|\"']|#011)+[A-Za-z_][\w./@-]{0,39}[\"']?[:=]", re.ASCII)
LONGEST = 40


class Definition(NamedTuple):
    """A definition, and the texts that its regex fixes before and behind its value."""

    regex: str
    before: bytes
    behind: bytes = b""


def scan(definition: Definition, data: bytes, newline: str = "universal") -> list[tuple[int, int, int]]:
    r"""Line, offset and start of each value that ends its record and goes on in the next.

    >>> scan(Definition("x=([0-9.]+)", b"x="), b"x=0.\n25\nx=\n7\nx=1\n10:30\n")
    [(1, 0, 2), (3, 8, 10)]
    """
    found = []
    pattern = reference.compiled(definition.regex)
    records = list(reference.records(data, newline, "none"))
    for (line, offset, content), (_, _, following) in pairwise(records):
        if re.match(rb"[ \t]*[0-9]", content):
            continue
        matches = reference.find("", pattern, content, "all")
        values = [match.value_span for match in matches if match.number is not None]
        if not matches:
            anchor = rb"\A" if definition.regex.startswith("^") else b""
            at_end = re.search(anchor + re.escape(definition.before) + rb"([0-9.eE+-]{0,40})\Z", content)
            values = [at_end.span(1)] if at_end else []
        for start, stop in filter(None, values):
            if (
                stop == len(content)
                and stop - start <= LONGEST
                and goes_on(content[start:], following, definition.behind)
            ):
                found.append((line, offset, offset + start))
    return found


def goes_on(value: bytes, following: bytes, behind: bytes) -> bool:
    """Whether a record begins with the rest of a value."""
    number = NUMBER.match(value + following[:LONGEST])
    if number is None or number.end() <= len(value):
        return False
    rest = following[number.end() - len(value) :]
    return rest.startswith(behind) if behind else END.match(rest) is not None


def reads_of(text: bytes, seed: int, most: int = 64 << 10) -> Iterator[bytes]:
    """What a reader of a pipe gets of a text, read by read; no read is shorter than a line."""
    draw, at = random.Random(seed), 0
    while at < len(text):
        size = draw.choice([most, draw.randrange(200, most), *(draw.randrange(200, 2_000) for _ in range(20))])
        yield text[at : at + size]
        at += size


def printed_by_toolkit(reads: Iterator[bytes]) -> bytes:
    """What SageMaker's toolkit prints: it strips each read, and prints what stands between its line ends as lines."""
    return b"".join(line + b"\n" for read in reads if read.strip() for line in read.strip().split(b"\n"))
