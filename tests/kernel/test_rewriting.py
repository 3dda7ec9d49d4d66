"""Rewritten input beside the oracle: changes at every place of a vector, and rows found on every path there."""

import random

import pytest
from support.feeding import expected, scanned

from metricscan.scanning.scanner import _configured

pytestmark = pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")

# spans that are decided where they are found, programs, a pattern without a literal, one that re decides
REGEXES = ["a=([0-9]+)", "a=(.*?);", r"#011(\d+)", r".*\[\d+\].*a=(\S+)", "([0-9]+)", r"(\d+)$", r"(?>a=)(\S*);"]
DEFINITIONS = [{"Name": f"m{number}", "Regex": regex} for number, regex in enumerate(REGEXES)]
PARTS = [
    b"a=",
    b"12",
    b";",
    b"[3]",
    b"\t",
    b"\x7f",
    b"\x1b[31m",
    b"\x1b]0;a=1\x07",
    b"\x1b",
    b"\r",
    b"\n",
    b"\r\n",
    b" ",
    "é".encode(),
]
OPTIONS = [
    {"escape": "syslog"},
    {"ansi": "strip"},
    {"ansi": "strip", "newline": "lf"},
    {"escape": "syslog", "ansi": "strip"},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("change", [b"\t", b"\x1b[1m", b"\r\n", b"\r", b"\x7f", b"\x1b"], ids=repr)
def test_a_change_at_every_place(options, change):
    log = b"".join(b"x" * place + change + b"a=7;" + change + b"9" * (place % 5) + b"\n" for place in range(40))
    wanted = expected(DEFINITIONS, log, **options)
    for settings in ({}, {"chunk_bytes": 50}, {"search": "naive"}):
        assert scanned(_configured(DEFINITIONS, **options, **settings), log) == wanted, settings


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("seed", range(30))
def test_random_logs(options, seed):
    source = random.Random(seed)
    # few changes far apart, and hardly anything else
    weights = [1 if part[0] in b"\t\x7f\x1b\r" else source.choice([1, 8]) for part in PARTS]
    log = b"".join(source.choices(PARTS, weights, k=source.choice([3, 40, 400])))
    matches = source.choice(["all", "first", "last"])
    wanted = expected(DEFINITIONS, log, matches=matches, **options)
    for settings in ({}, {"chunk_bytes": 13}, {"search": "naive"}):
        assert scanned(_configured(DEFINITIONS, matches=matches, **options, **settings), log) == wanted, settings
