"""Many definitions of the shapes that logs are full of, beside the oracle: random lists, logs that hold near misses."""

import random

import pytest
from support.feeding import expected, pieces, scanned, streamed

from metricscan.scanning.scanner import _configured

NAMES = ["loss", "val_loss", "train_loss", "lr", "acc", "val_acc", "a", "epoch", "x_loss:", "step_avg", "éloss"]
BETWEEN = [":", "=", ": ", " = ", "é="]
# with literals that share their rarest bytes, with and without a text behind, counting and not, one byte or many
VALUES = [
    "([0-9.]+)",
    r"(\S+)",
    "([0-9]*)",
    "(.*?);",
    "([^,]+),",
    r"(\d+)ms",
    "([-+0-9.e]+) it/s",
    r"(\w+)",
    "(.*)",
    "([0-9.]+)$",
    "(.+?) ",
    "([^ ;]*)",
    "([0-9.]{1,5})",
]
TEXTS = ["0.5", "12", "1e-5", "nan", "-3.25", "abc", "", "7ms", "1.5 it/s", "é", "12²", "0.123456789012345678", "½"]
BEHIND = [" ", ";", ",", " ;", "\t", "é", ""]
OPTIONS = [
    {},
    {},
    {},
    {"newline": "lf"},
    {"matches": "first"},
    {"matches": "last"},
    {"ansi": "strip"},
    {"escape": "syslog"},
]


def log(draw: random.Random) -> bytes:
    lines = ""
    for _ in range(draw.randint(1, 60)):
        for _ in range(draw.randint(0, 6)):
            lines += draw.choice(NAMES) + draw.choice(BETWEEN) + draw.choice(TEXTS) + draw.choice(BEHIND)
        lines += draw.choice(["\n", "\r", "\r\n", "\n\n"])
    data = bytearray(lines.encode())
    for _ in range(draw.choice([0, 0, 3])):
        data[draw.randrange(len(data))] = draw.choice([0x80, 0xFF, 0xC3, 0x20, 0x0A])
    return bytes(data)


@pytest.mark.parametrize("seed", range(16))
def test_lists_of_spans_find_what_re_finds(seed):
    draw = random.Random(seed)
    for _ in range(20):
        definitions = [
            {
                "Name": f"m{number}",
                "Regex": draw.choice(["", "", "", "^", r"\b"])
                + draw.choice(NAMES)
                + draw.choice(BETWEEN)
                + draw.choice(VALUES),
            }
            for number in range(draw.randint(1, 14))
        ]
        data, options = log(draw), draw.choice(OPTIONS)
        wanted = expected(definitions, data, **options)
        scanner = _configured(definitions, **options)
        assert scanned(scanner, data) == wanted, (definitions, data, options)
        assert streamed(scanner, pieces(data, draw.choice([1, 3, 7, 50]))) == wanted, (definitions, data, options)
