"""Cut lines: a record ends within or right before a value, and the next one begins with the rest."""

import random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import suspects
from support.cut_lines import Definition, printed_by_toolkit, reads_of, scan

from metricscan import _core
from metricscan.scanning import small_logs, threaded
from metricscan.scanning.scanner import Scanner, _configured

pytestmark = pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")

DEFINITIONS = [
    Definition(r"loss=([0-9.]+)", b"loss="),
    Definition(r"loss=([-+0-9.e]+)", b"loss="),
    Definition(r"loss=(\S+)", b"loss="),
    Definition(r"loss=(.*?);", b"loss=", b";"),
    Definition(r"loss=([0-9.]+);", b"loss=", b";"),
    Definition(r"loss=([0-9]+\.[0-9]+)", b"loss="),
    Definition(r"\[([0-9]+)\]", b"[", b"]"),
    Definition(r".*loss=([0-9.]+)", b"loss="),
    Definition(r"^loss=([0-9.]+)", b"loss="),
]
PARTS = [
    "loss=",
    "[",
    "]",
    "acc=",
    ";",
    ", ",
    "\t",
    "#011",
    " ",
    "0",
    "0.25",
    "1e-05",
    ".",
    "e",
    "-",
    "x",
    "7",
    "10:30",
    "2 of 3",
]
ENDS = ["\n", "\n", "\r\n", "\r"]
logs = st.lists(
    st.one_of(st.sampled_from(PARTS), st.sampled_from(PARTS), st.sampled_from(ENDS), st.just("loss=0.25;")), max_size=30
).map(lambda parts: "".join(parts).encode())


def found_by(
    running: Any, name: str = "m"
) -> tuple[list[tuple[int, int, int]], int, list[int], tuple[int, int] | None]:
    """Samples, count, starts, and the last line."""
    for _ in running:
        pass
    stats, own = running.stats.metrics[name], running.suspects.of_all().get(name)
    samples = [(one.line, one.offset, one.start) for one in stats.suspects if one.kind == "cut-line"]
    starts = [] if own is None else own.cut_line_starts.tolist()
    return samples, stats.cut_lines, starts, None if own is None else own.last_cut_line


def wanted(definition: Definition, data: bytes, newline: str) -> Any:
    places = scan(definition, data, newline)
    return places[:5], len(places), [start for *_, start in places], places[-1][:2] if places else None


@pytest.mark.parametrize("level", _core.SIMD_LEVELS)
def test_every_path_finds_what_the_oracle_finds(level):
    scanners = {
        (number, newline): _configured([{"Name": "m", "Regex": one.regex}], newline=newline, simd=level)
        for number, one in enumerate(DEFINITIONS)
        for newline in ("universal", "lf")
    }

    @given(logs, st.integers(0, len(DEFINITIONS) - 1), st.booleans(), st.lists(st.integers(0, 100), max_size=4))
    @example(b"loss=0.\n5\nloss=\n0.5\nx loss=1\n2, acc=3\n", 0, True, [8])
    @example(b"loss=1e\r\n-05\r\n", 1, False, [7, 8, 9])
    @example(b"[1\n2]\n[\n3] x", 6, True, [])
    def check(data, number, universal, cuts):
        newline = "universal" if universal else "lf"
        running = scanners[number, newline].watching_batches(suspects.pieces(data, cuts))
        assert found_by(running) == wanted(DEFINITIONS[number], data, newline)

    check()


@given(st.lists(logs, max_size=5), st.integers(1, 60))
def test_blocks_of_several_threads(some, size):
    data = b"\n".join(some) * 3
    for definition in DEFINITIONS[:4]:
        scanner = _configured([{"Name": "m", "Regex": definition.regex}], chunk_bytes=size)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(threaded, "LEAST_BLOCK_BYTES", size)
            assert found_by(scanner.watching_batches(data, 3)) == wanted(definition, data, "universal")


@given(st.lists(logs, min_size=1, max_size=6))
def test_no_line_goes_on_in_another_log(tmp_path_factory, some):
    folder = tmp_path_factory.mktemp("logs")
    paths = []
    for number, data in enumerate(some):
        (folder / f"{number}.log").write_bytes(data)
        paths.append(str(folder / f"{number}.log"))
    scanner = Scanner([f"m{number}={one.regex}" for number, one in enumerate(DEFINITIONS)], untamed="allow")
    together = small_logs.scan_together(scanner.watching_plan, paths)
    assert together is not None
    for number, definition in enumerate(DEFINITIONS):
        each = [scan(definition, data) for data in some]
        stats = together.stats.metrics[f"m{number}"]
        assert stats.cut_lines == sum(map(len, each))
        places = [(paths[log], *place) for log, places in enumerate(each) for place in places]
        assert [tuple(one[2:]) for one in stats.suspects if one.kind == "cut-line"] == places[:5]


def test_each_number_that_the_toolkit_cuts():
    draw = random.Random(4)
    lines = [
        f"[{number}]\ttrain-rmse:{draw.random():.6f}\tvalidation-rmse:{draw.random():.6f}\n".encode()
        for number in range(60_000)
    ]
    text = b"".join(lines)
    reads = list(reads_of(text, seed=7))
    printed = printed_by_toolkit(iter(reads))
    scanner = Scanner([r"train=train-rmse:(\S+)", r"validation=validation-rmse:([0-9.]+)"])
    cut = {"train": 0, "validation": 0}
    at = 0
    for read in reads[:-1]:
        at += len(read)
        line = text[text.rfind(b"\n", 0, at) + 1 : text.find(b"\n", at)]
        within = at - text.rfind(b"\n", 0, at) - 1
        for name in cut:
            value = line.index(name.encode() + b"-rmse:") + len(name) + 6
            cut[name] += value <= within < value + 8
    assert min(cut.values()) > 20
    running = scanner.watching_batches(printed)
    for _ in running:
        pass
    assert {name: running.stats.metrics[name].cut_lines for name in cut} == cut
    whole = scanner.watching_batches(text)
    for _ in whole:
        pass
    assert all(whole.stats.metrics[name].cut_lines == 0 for name in cut)


def test_a_program_that_flushes_amid_its_lines():
    values = [b"%.3f" % (number / 7) for number in range(300)]
    printed = printed_by_toolkit(read for value in values for read in (b"loss=", value + b"\n"))
    running = Scanner([r"loss=loss=([0-9.]+)"]).watching_batches(printed)
    assert list(running) == []
    stats = running.stats.metrics["loss"]
    assert stats.cut_lines == 300
    assert [(one.text, one.line) for one in stats.suspects if one.kind == "cut-line"][:2] == [
        ("0.000", 1),
        ("0.143", 3),
    ]
