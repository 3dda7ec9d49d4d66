"""Every case of ``cases/*.toml``, by the oracle and by the engine, in every way there is to feed it and to search it."""

import functools
import io
import json
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support import reference
from support.feeding import Dribble, Outcome, bits, expected, pieces, scanned, streamed

from metricscan import _core
from metricscan.scanning.scanner import _configured

BLOCK_BYTES = 8192  # what the core searches at a time
SEARCHES = [("simd", level) for level in _core.SIMD_LEVELS] + [("naive", "auto"), ("every", "auto")]
# A log longer than this is cut where cutting is delicate, not everywhere.
SHORT_BYTES = 400


class Case(NamedTuple):
    name: str
    definitions: list[dict[str, str]]
    options: dict[str, str]
    log: bytes
    records: int
    rows: dict[str, list[tuple[str, int, int, int]]]
    unparsed: dict[str, int]

    @property
    def newline(self) -> str:
        return reference.effective_newline(self.options.get("newline"), self.options.get("escape", "none"))


def read_case(topic: str, raw: dict[str, Any]) -> Case:
    definitions = [{"Name": name, "Regex": regex} for name, regex in raw.pop("definitions", {}).items()]
    if numbered := raw.pop("numbered", None):
        for number in range(numbered["count"]):
            name, regex = (numbered[key].replace("{}", str(number)) for key in ("name", "regex"))
            definitions.append({"Name": name, "Regex": regex})
    if "bytes" in raw:
        log = raw.pop("bytes").encode("latin-1")
    else:
        text = raw.pop("log")
        parts = (
            [text] if isinstance(text, str) else [part if isinstance(part, str) else part[0] * part[1] for part in text]
        )
        log = "".join(parts).encode()
    rows = {
        name: [(bits(float(value)), *places) for value, *places in some] for name, some in raw.pop("rows", {}).items()
    }
    case = Case(
        f"{topic}/{raw.pop('name')}",
        definitions,
        raw.pop("options", {}),
        log,
        raw.pop("records"),
        rows,
        raw.pop("unparsed", {}),
    )
    assert not raw, f"{case.name}: unknown keys {list(raw)}"
    names = {definition["Name"] for definition in definitions}
    assert names >= rows.keys() | case.unparsed.keys(), f"{case.name}: a metric that is not defined"
    return case


def read_cases() -> Iterator[Case]:
    for path in sorted((Path(__file__).resolve().parents[1] / "cases").glob("*.toml")):
        for raw in tomllib.loads(path.read_text(encoding="utf-8"))["case"]:
            yield read_case(path.stem, raw)


CASES = list(read_cases())
assert len({case.name for case in CASES}) == len(CASES), "two cases of one name"


@functools.lru_cache(maxsize=64)
def _scanner(definitions: str, settings: str) -> Any:
    return _configured(json.loads(definitions), **json.loads(settings))


def scanner_for(case: Case, **settings: Any) -> Any:
    """One scanner serves all ways of feeding a case: that it is reusable is tested on the way."""
    return _scanner(json.dumps(case.definitions), json.dumps({**case.options, **settings}))


@functools.lru_cache(maxsize=64)
def _expected(definitions: str, log: bytes, options: str) -> Outcome:
    return expected(json.loads(definitions), log, **json.loads(options))


def expected_for(case: Case, log: bytes | None = None) -> Outcome:
    return _expected(json.dumps(case.definitions), case.log if log is None else log, json.dumps(case.options))


# ---- ways: each asserts that the engine's outcome is the oracle's


def the_oracle(case: Case) -> None:
    """What the case's file says, by hand, is what the oracle says."""
    found = expected_for(case)
    assert found["records"] == case.records
    for definition in case.definitions:
        name = definition["Name"]
        metric = found[f"metric {name}"]
        assert metric["rows"] == case.rows.get(name, [])
        assert metric["unparsed"] == case.unparsed.get(name, 0)
        assert metric["failed"] == 0


def whole(case: Case) -> None:
    for search, simd in SEARCHES:
        assert scanned(scanner_for(case, search=search, simd=simd), case.log) == expected_for(case), (search, simd)


def byte_by_byte(case: Case) -> None:
    wanted = expected_for(case)
    chunks = pieces(case.log, 1)
    assert scanned(scanner_for(case), iter(chunks)) == wanted
    assert streamed(scanner_for(case), chunks) == wanted
    if len(case.log) <= SHORT_BYTES:
        assert streamed(scanner_for(case), chunks, take_often=True) == wanted
        for search in ("naive", "every"):
            assert streamed(scanner_for(case, search=search), chunks) == wanted, search


def every_split(case: Case) -> None:
    wanted = expected_for(case)
    size = len(case.log)
    places = set(range(size + 1))
    if size > SHORT_BYTES:
        delicate = [at for at, byte in enumerate(case.log) if byte in b"\r\n\x1b" or byte >= 0x80]
        delicate = delicate[:30] + delicate[-30:]
        places = {at + shift for at in [0, BLOCK_BYTES, size, *delicate] for shift in range(-3, 4)} & places
    for at in sorted(places):
        # an empty chunk between the two must not matter either
        assert streamed(scanner_for(case), [case.log[:at], b"", case.log[at:]]) == wanted, f"split at {at}"


def pieces_of_every_size(case: Case) -> None:
    wanted = expected_for(case)
    newline = case.newline
    escape = case.options.get("escape", "none")
    longest = max((len(content) for _, _, content in reference.records(case.log, newline, escape)), default=0)
    for size in sorted({1, 2, 3, 7, 16, 33, 64, longest + 1, longest + 2, BLOCK_BYTES}):
        if len(case.log) > SHORT_BYTES and size < 16:
            continue
        scanner = scanner_for(case, chunk_bytes=size)
        assert scanned(scanner, case.log) == wanted, f"bytes in pieces of {size}"
        assert scanned(scanner, io.BytesIO(case.log)) == wanted, f"a file read in pieces of {size}"
    assert scanned(scanner_for(case), Dribble(case.log)) == wanted


def threads(case: Case) -> None:
    wanted = expected_for(case)
    for count in (1, 2, 3):
        assert scanned(scanner_for(case), case.log, threads=count) == wanted
        for size in (1, 5, 64):
            if len(case.log) > SHORT_BYTES and size < 64:
                continue
            scanner = scanner_for(case, chunk_bytes=size)
            assert scanned(scanner, case.log, threads=count) == wanted, (count, size)
            assert scanned(scanner, iter(pieces(case.log, 3)), threads=count) == wanted, (count, size)


def at_every_place_of_a_block(case: Case) -> None:
    """Behind filler that moves the log over the edges of vectors, of blocks, and of the input's end."""
    if len(case.log) > SHORT_BYTES:
        pytest.skip("long enough to lie everywhere")
    if reference.BEGINNING.match(case.log)[0]:
        pytest.skip("begins with what is passed over at the beginning alone")
    scanner = scanner_for(case)
    most_of_a_block = (b"~" * 63 + b"\n") * ((BLOCK_BYTES - len(case.log)) // 64 - 1)
    wanted_of_the_case = expected_for(case)
    wanted_before = expected_for(case, most_of_a_block)
    to_the_edge = BLOCK_BYTES - len(most_of_a_block)
    for size in range(1, to_the_edge + 2):
        filler = b"~" * (size - 1) + b"\n"
        log = filler + case.log
        wanted = behind(expected_for(case, filler), wanted_of_the_case, filler)
        if size <= 66:
            assert scanned(scanner, log) == wanted, f"behind {size} bytes"
        if size % 7 == 0 or size > to_the_edge - 20:
            found = scanned(scanner, most_of_a_block + log)
            assert found == behind(wanted_before, wanted, most_of_a_block), (
                f"behind {len(most_of_a_block) + size} bytes"
            )


def behind(before: Outcome, outcome: Outcome, log: bytes) -> Outcome:
    """The outcome of two logs one behind the other; the first ends with a terminator."""
    lines, size = log.count(b"\n"), len(log)
    whole: Outcome = {key: before[key] + outcome[key] for key in ("bytes", "records")}
    for name, metric in outcome.items():
        if not name.startswith("metric "):
            continue
        first = before[name]
        rows = [(value, line + lines, offset + size, start + size) for value, line, offset, start in metric["rows"]]
        samples = [(text, line + lines, offset + size) for text, line, offset in metric["samples"]]
        whole[name] = {
            "rows": first["rows"] + rows,
            "unparsed": first["unparsed"] + metric["unparsed"],
            "failed": first["failed"] + metric["failed"],
            "samples": (first["samples"] + samples)[: reference.MOST_SAMPLES],
        }
    return whole


def crlf(case: Case) -> None:
    """With \\r\\n for \\n: the same values on the same lines, in both newline modes."""
    if b"\r" in case.log or case.options.get("escape") == "syslog":
        pytest.skip("has its own \\r")
    log = case.log.replace(b"\n", b"\r\n")
    for newline in ("universal", "lf"):
        variant = case._replace(options={**case.options, "newline": newline})
        wanted = expected_for(variant, log)
        assert wanted["records"] == case.records
        for name, rows in case.rows.items():
            assert [row[:2] for row in wanted[f"metric {name}"]["rows"]] == [row[:2] for row in rows]
        for search in ("simd", "naive", "every"):
            assert scanned(scanner_for(variant, search=search), log) == wanted, (newline, search)
        assert scanned(scanner_for(variant, chunk_bytes=1), log) == wanted, newline
        assert scanned(scanner_for(variant, chunk_bytes=3), log, threads=2) == wanted, newline


def the_other_final_newline(case: Case) -> None:
    """Without the last terminator if there is one, else with one."""
    log = case.log[:-1] if case.log[-1:] in (b"\n", b"\r") else case.log + b"\n"
    wanted = expected_for(case, log)
    for search in ("simd", "naive", "every"):
        assert scanned(scanner_for(case, search=search), log) == wanted, search
    assert streamed(scanner_for(case), pieces(log, 1)) == wanted
    assert scanned(scanner_for(case, chunk_bytes=1), log, threads=2) == wanted


def other_matches(case: Case) -> None:
    for matches in ("all", "first", "last"):
        variant = case._replace(options={**case.options, "matches": matches})
        wanted = expected_for(variant)
        for search in ("simd", "naive", "every"):
            assert scanned(scanner_for(variant, search=search), case.log) == wanted, (matches, search)
        assert streamed(scanner_for(variant), pieces(case.log, 5)) == wanted, matches


def each_definition_alone(case: Case) -> None:
    """What else is defined changes the search, and no row."""
    wanted = expected_for(case)
    for definition in case.definitions[:30]:
        alone = case._replace(definitions=[definition])
        found = scanned(scanner_for(alone), case.log)
        assert found[f"metric {definition['Name']}"] == wanted[f"metric {definition['Name']}"]


def every_definition_twice_among_others(case: Case) -> None:
    """Names that share a regex share its rows; foreign literals share its fingerprints and change nothing."""
    wanted = expected_for(case)
    twins = [{"Name": f"{d['Name']} again", "Regex": d["Regex"]} for d in reversed(case.definitions)]
    others = [{"Name": f"other {i}", "Regex": rf"zq{i}\$loss=a=([0-9]+)"} for i in range(40)]
    others += [{"Name": f"byte {i}", "Regex": f"{chr(0x4E00 + i)}(.)"} for i in range(20)]
    found = scanned(scanner_for(case._replace(definitions=[*others, *case.definitions, *twins])), case.log)
    for definition in case.definitions:
        name = definition["Name"]
        assert found[f"metric {name}"] == wanted[f"metric {name}"]
        assert found[f"metric {name} again"] == wanted[f"metric {name}"]


def find_in_each_record(case: Case) -> None:
    newline = case.newline
    escape, ansi = case.options.get("escape", "none"), case.options.get("ansi", "keep")
    patterns = [(d["Name"], reference.compiled(d["Regex"])) for d in case.definitions]
    contents = {content: None for _, _, content in reference.records(case.log, newline, escape)}
    for search in ("simd", "naive", "every"):
        scanner = scanner_for(case, search=search)
        for content in list(contents)[:40]:
            seen, _ = reference.as_seen(content, 0, escape, ansi)
            wanted = [
                tuple(match)
                for name, pattern in patterns
                for match in reference.find(name, pattern, seen, case.options.get("matches", "all"))
            ]
            # a \r at the end of what is given would belong to the terminator
            end = b"\r\n" if newline == "lf" and escape == "none" and content.endswith(b"\r") else b"\n"
            assert comparable(scanner.find(bytearray(content + end))) == comparable(wanted)
            if end == b"\n":
                assert comparable(scanner.find(content)) == comparable(wanted)


def comparable(matches: list[Any]) -> list[Any]:
    return [(*match[:5], None if match[5] is None else bits(match[5])) for match in matches]


WAYS: list[Callable[[Case], None]] = [
    the_oracle,
    whole,
    byte_by_byte,
    every_split,
    pieces_of_every_size,
    threads,
    at_every_place_of_a_block,
    crlf,
    the_other_final_newline,
    other_matches,
    each_definition_alone,
    every_definition_twice_among_others,
    find_in_each_record,
]


# In the inner loop: how input is cut and searched. Variants of a case, its threads and its company come in the whole suite.
QUICK_WAYS = (the_oracle, whole, byte_by_byte, every_split, pieces_of_every_size, crlf, find_in_each_record)
QUICK_WAYS_OF_LARGE_CASES = (the_oracle, whole)
MANY_DEFINITIONS = 100


def is_slow(case: Case, way: Callable[[Case], None]) -> bool:
    is_large = len(case.log) > SHORT_BYTES or len(case.definitions) > MANY_DEFINITIONS
    return way not in (QUICK_WAYS_OF_LARGE_CASES if is_large else QUICK_WAYS)


CASES_AND_WAYS = [
    pytest.param(case, way, id=f"{case.name}-{way.__name__}", marks=[pytest.mark.slow] * is_slow(case, way))
    for case in CASES
    for way in WAYS
]


@pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
@pytest.mark.parametrize(("case", "way"), CASES_AND_WAYS)
def test_case(case: Case, way: Callable[[Case], None]) -> None:
    way(case)
