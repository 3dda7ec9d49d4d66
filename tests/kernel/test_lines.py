"""Lines, records and places in texts of several search blocks: whatever lies at the edges of a block or of a word of marks."""

import random

import pytest
from support.feeding import expected, scanned, streamed

from metricscan import _core
from metricscan.scanning.scanner import _configured

BLOCK = 4096
WORD = 64
DEFINITIONS = [
    {"Name": "loss", "Regex": r"loss=(.*?);"},
    {"Name": "acc", "Regex": r"acc=([0-9.]+)"},
    {"Name": "lone", "Regex": r"^.*\blr: (\S+)"},
    {"Name": "last", "Regex": r"(\d)$"},
    # its literals hold terminators: they are found where no record has them
    {"Name": "two lines", "Regex": r"(?:over\nthe edge|over )(\d)"},
    {"Name": "return", "Regex": r"(?:back\r|lr: )(\d)"},
]
FRAGMENTS = [
    b"loss=0.5;", b"loss=12.25; loss=7;", b"acc=.75 ", b"lr: 1e-3", b"over\nthe edge3 over 4", b"back\r5", b"acc=1 " * 30,
]  # fmt: skip
ENDS = {"lf": [b"\n"], "universal": [b"\n", b"\r\n", b"\r"]}


def text(seed, ends):
    """Some blocks of text, with metrics and terminators near the edges above all."""
    choose = random.Random(seed)
    edges = [
        edge + choose.randint(-6, 6)
        for block in range(1, 9)
        for edge in (block * BLOCK, block * BLOCK + choose.randrange(BLOCK // WORD) * WORD)
    ]
    data = bytearray()
    for edge in [*sorted(edges), 9 * BLOCK - choose.randint(0, 70)]:
        while len(data) < edge - 300:
            data += b"." * choose.choice([0, 1, 40, 500, 3000])
            data += choose.choice([*FRAGMENTS, b"", b""]) + choose.choice([*ends, b""])
        data += b"-" * (edge - len(data) - choose.randint(0, 12))
        data += choose.choice(FRAGMENTS) + choose.choice(ends)
    return bytes(data)


@pytest.mark.parametrize("simd", _core.SIMD_LEVELS)
@pytest.mark.parametrize("newline", ENDS)
@pytest.mark.parametrize("seed", range(8))
def test_edges_of_blocks_and_words_change_no_row(simd, newline, seed):
    log = text(seed, ENDS[newline])
    wanted = expected(DEFINITIONS, log, newline=newline)
    assert all(wanted[f"metric {name}"]["rows"] for name in ("loss", "acc", "lone", "two lines"))
    scanner = _configured(DEFINITIONS, newline=newline, simd=simd)
    assert scanned(scanner, log) == wanted
    cut = random.Random(seed).randrange(len(log))
    assert streamed(scanner, [log[:cut], log[cut:]]) == wanted


@pytest.mark.parametrize("simd", _core.SIMD_LEVELS)
@pytest.mark.parametrize("newline", ENDS)
def test_a_record_longer_than_blocks(simd, newline):
    log = b"acc=1\n" + b"." * (2 * BLOCK) + b"acc=2 " + b"." * (2 * BLOCK) + b"loss=3;\r\n" + b"acc=4\n"
    scanner = _configured(DEFINITIONS, newline=newline, simd=simd)
    assert scanned(scanner, log) == expected(DEFINITIONS, log, newline=newline)


@pytest.mark.parametrize("simd", _core.SIMD_LEVELS)
@pytest.mark.parametrize("size", [*range(70), *range(120, 135), BLOCK - 1, BLOCK, BLOCK + 1])
def test_terminators_everywhere(simd, size):
    log = b"\n" * size + b"acc=1" + b"\n" * size + b"acc=2"
    scanner = _configured(DEFINITIONS[1:2], simd=simd)
    assert scanned(scanner, log) == expected(DEFINITIONS[1:2], log)
