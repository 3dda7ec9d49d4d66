"""Regexes that people tune with: all of them compile, and find in real log lines what the oracle finds."""

import json
from pathlib import Path

import pytest
from support.feeding import expected, scanned, streamed

from metricscan.scanning.scanner import _configured

pytestmark = pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
PARTS = 8


@pytest.fixture(scope="module")
def regexes(facts: Path) -> list[str]:
    lines = (facts / "real_regexes.jsonl").read_text(encoding="utf-8").splitlines()
    return list(dict.fromkeys(json.loads(line)["regex"] for line in lines))


@pytest.fixture(scope="module")
def texts(facts: Path) -> list[str]:
    samples = json.loads((facts / "log_samples.json").read_text(encoding="utf-8"))
    regexes = (facts / "real_regexes.jsonl").read_text(encoding="utf-8").splitlines()
    paired = [json.loads(line)["sample"] for line in regexes]
    return [text for _, _, text, _ in samples] + [text for text in paired if text]


def test_all_of_them_at_once(regexes, texts):
    definitions = [{"Name": f"m{number}", "Regex": regex} for number, regex in enumerate(regexes)]
    scanner = _configured(definitions)
    log = "\n".join(texts).encode()
    wanted = expected(definitions, log)
    assert sum(len(outcome["rows"]) for key, outcome in wanted.items() if key.startswith("metric ")) > len(regexes)
    assert scanned(scanner, log) == wanted
    assert scanned(_configured(definitions, chunk_bytes=4096), log, threads=2) == wanted
    assert len(scanner.explain()) == len(regexes)


@pytest.mark.parametrize("part", range(PARTS))
def test_each_of_them_alone(regexes, texts, part):
    log = "\r\n".join(texts[::2]).encode()
    for regex in regexes[part::PARTS]:
        definitions = [{"Name": "m", "Regex": regex}]
        wanted = expected(definitions, log)
        assert scanned(_configured(definitions), log) == wanted, regex
        assert scanned(_configured(definitions, search="naive"), log) == wanted, regex


@pytest.mark.parametrize(
    "options", [{"escape": "syslog"}, {"ansi": "strip"}, {"matches": "first"}, {"matches": "last"}]
)
def test_under_every_option(regexes, texts, options):
    definitions = [{"Name": f"m{number}", "Regex": regex} for number, regex in enumerate(regexes)]
    lines = "\n".join(texts).replace("#011", "\t").encode()
    log = lines[: len(lines) // 2]
    wanted = expected(definitions, log, **options)
    assert scanned(_configured(definitions, **options), log) == wanted
    assert streamed(_configured(definitions, **options), [log[:1000], log[1000:1001], log[1001:]]) == wanted
