"""Real logs: every value, line and offset is that of their manifest, whatever the newline mode, pieces and threads."""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from metricscan.scanning.scanner import _configured

SMALL_BYTES = 400_000
NAN = float("nan")


def digest(kind: str, values: list[Any]) -> str:
    # every NaN counts as Python's own
    values = [NAN if value != value else value for value in values]
    return hashlib.sha256(struct.pack(f"<{len(values)}{kind}", *values)).hexdigest()[:16]


def summary(table: Any, unparsed: int) -> dict[str, Any]:
    values = table["value"].to_pylist()
    return {
        "count": len(values),
        "unparsed": unparsed,
        "first": repr(values[0]) if values else None,
        "last": repr(values[-1]) if values else None,
        "values": digest("d", values),
        "lines": digest("q", table["line"].to_pylist()),
        "offsets": digest("q", table["offset"].to_pylist()),
    }


def check(log: dict[str, Any], newline: str, source: Any, threads: int = 1, **settings: Any) -> None:
    result = _configured(log["definitions"], newline=newline, **settings).scan(source, threads=threads)
    assert result.stats.bytes == log["bytes"]
    found = {name: summary(result[name], result.stats.metrics[name].unparsed) for name in result}
    assert found == log["expected"][newline], log["file"]


@pytest.fixture(scope="module")
def manifest(corpora: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (corpora / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
@pytest.mark.parametrize("newline", ["universal", "lf"])
@pytest.mark.parametrize("part", range(8))
def test_every_log(corpora, manifest, newline, part):
    logs = manifest[part::8]
    assert logs
    for log in logs:
        check(log, newline, corpora / "logs" / log["file"])


@pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
@pytest.mark.parametrize("newline", ["universal", "lf"])
def test_small_logs_in_small_pieces(corpora, manifest, newline):
    small = [log for log in manifest if log["bytes"] <= SMALL_BYTES]
    assert small
    for number, log in enumerate(small):
        path = corpora / "logs" / log["file"]
        check(log, newline, path, chunk_bytes=97 + number)
        check(log, newline, path.read_bytes(), threads=2, chunk_bytes=10_007)


@pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
@pytest.mark.parametrize("search", ["naive", "every"])
def test_small_logs_without_the_search(corpora, manifest, search):
    for log in manifest:
        if log["bytes"] <= SMALL_BYTES // 2:
            check(log, "universal", corpora / "logs" / log["file"], search=search)
