"""CPython's own tests of ``re``: what a pattern finds in a text is what the engine finds in a log."""

import re
import warnings
from typing import Any

import pytest
from support import reference
from support.feeding import expected, pieces, scanned, streamed

from metricscan.scanning.scanner import _configured

re_tests = pytest.importorskip("test.re_tests", reason="this interpreter comes without its tests")


def cases() -> list[Any]:
    some: dict[str, list[Any]] = {}
    for regex, text, *_ in re_tests.tests:
        # some are for bytes, and an empty regex is no definition
        if isinstance(regex, str) and regex and compiles(regex):
            some.setdefault(regex, []).append(text)
    return [pytest.param(regex, texts, id=ascii(regex)) for regex, texts in some.items()]


def compiles(regex: str) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(regex)
        except re.error:
            return False
    return True


def as_bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


@pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
@pytest.mark.parametrize(("regex", "texts"), cases())
def test_the_pattern_finds_the_same(regex, texts):
    definitions = [{"Name": "m", "Regex": regex}]
    pattern = reference.compiled(regex)
    scanner = _configured(definitions)
    others = [_configured(definitions, search=search) for search in ("naive", "every")]
    # captures there are rarely numbers: behind a digit they are, if the pattern takes one
    for text in [*texts, *(as_bytes(text) + b"1" for text in texts)]:
        log = as_bytes(text)
        wanted = expected(definitions, log)
        assert scanned(scanner, log) == wanted
        assert streamed(scanner, pieces(log, 1)) == wanted
        for other in others:
            assert scanned(other, log) == wanted
        for _, _, record in reference.records(log, "universal", "none"):
            found = [tuple(match) for match in scanner.find(record)]
            assert repr(found) == repr([tuple(match) for match in reference.find("m", pattern, record, "all")])
