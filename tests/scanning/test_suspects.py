"""Suspects: near misses, cut values, units and unterminated values, on every path beside their oracle."""

import itertools
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support import suspects as oracle
from support.deadline import cpu_limit
from support.feeding import expected, rows_of
from support.suspects import Definition

from metricscan import _core
from metricscan.definitions.surroundings import surroundings
from metricscan.scanning import small_logs, threaded
from metricscan.scanning.scanner import Scanner, _configured
from metricscan.scanning.schema import SCHEMA
from metricscan.scanning.suspects import MOST_CUT, NEAR_MISS, MetricSuspects

pytestmark = pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")

# regex, open before, open behind (to a blank only: " ")
OPENNESS: list[tuple[str, bool, bool | str]] = [
    (r"loss=([0-9.]+)", False, True),
    (r"loss=([-+]?[0-9]+\.[0-9]+)", False, True),
    (r"loss=([0-9.]+)%", False, False),
    (r"loss=(\S+)", False, " "),
    (r"loss=([0-9.]+) ", False, " "),
    (r"loss=([0-9.]+)\s+acc", False, False),
    (r"loss=(0\.[0-9]+)", False, True),
    (r"loss=([^;]*);", False, False),
    (r"loss=([0-9=los]+);", False, False),
    (r"loss:\s*([0-9.]+)", True, True),
    (r"loss\D+([0-9.]+)", True, True),
    (r"(?i)Loss=([0-9.]+)", False, True),
    (r"loss=([0-9.]+)k?it/s", False, True),
    (r" ([0-9.]+) it/s", False, False),
    (r"^loss=([0-9.]+), acc=[0-9.]+$", False, False),
    (r"(?<=loss=)([0-9]+)\b", False, True),
    (r"acc.*loss=([0-9.]+)", False, True),
    (r"lo(?P<b>s)(?P=b)=(?P<value>[0-9.]+)", False, False),
    (r"\w=([0-9]{1,3})", False, True),
    (r"loss=(-?[0-9.]+|nan);", False, False),
    (r"loss=([-0-9.e]+);", False, False),
    (r"(?<!lo)loss=([0-9.,]+)", False, True),
    (r"x([0-9]+);", False, False),
    (r"s=([s=0-9]+);", False, False),
    (r":\s*([0-9 x]+);", True, False),
    (r"loss\s*=\s*([0-9.]+)", True, True),
    (r"(?i)loss[:=]\s*(\S+)", True, " "),
    (r"loss: ([0-9.]+)", False, True),
    (r"loss: (\S+)", False, " "),
    (r"^\d+\s+([0-9.]+)$", False, False),
    (r"^\d+\s+(\d+\.\d+)\s", False, False),
]


def definition_of(regex: str, open_before: bool, open_behind: bool | str) -> Definition:
    around = surroundings(regex)
    return Definition(regex, open_before, open_behind, None if around is None else around.relaxed)


DEFINITIONS = [definition_of(*one) for one in OPENNESS]
ROW, ROW_WITH_POINT = len(DEFINITIONS) - 2, len(DEFINITIONS) - 1
SPACED = [one.regex for one in DEFINITIONS].index("loss=([0-9.]+) ")
VALUES = [
    "0.5",
    "1",
    "12",
    "1.",
    ".5",
    "-3",
    "-0.5",
    "1e-05",
    "1e5",
    "1E+3",
    "1e",
    "12:30",
    "12:x",
    "1.2.3",
    "1.2",
    "5,5",
    "9;9",
]
VALUES += [
    "1,234",
    "1,234.5",
    "1,234,567",
    "12,345,6",
    "1_000",
    "1400",
    "0.5;",
    "=",
    "?",
    "-",
    "...",
    "abc",
    "x5",
    "٣",
    "−5",
    "∞",
]
VALUES += [
    "nan",
    "NaN",
    "-inf",
    "inf",
    "None",
    "null",
    "n/a",
    "'nan'",
    '"0.25"',
    "'0.5'",
    "tensor(0.5)",
    "[0.5]",
    "np.float32(0.5)",
    "Array(0.9, dtype=float32)",
    "tf.Tensor(0.9, shape=(), dtype=float32)",
    "<tf.Tensor: shape=(), dtype=float32, numpy=0.9>",
    "<0.001",
    ">= 100",
    "value=0.9",
    "   0.5",
    "Some(0.5)",
    "**0.5**",
    "#033[32m0.5#033[0m",
    "~0.9",
    "≈0.9",
    "***",
    "\x1b[31m0.9\x1b[0m",
]
VALUES += ["5%", "5.5%", "3ms", "3s", "3µs", "2kit/s", "2it/s", "7it/s", "50 %", "0.5 %;", "7\u00a0%", "3 %d", "4 ms"]
VALUES += [
    "5\u2030",
    "\u20130.5",
    "\uff10.\uff15",
    "--",
    "- ",
    "- 0.5",
    "cp.float32(0.5)",
    "Tensor(shape=[1], [0.5])",
    "\u20ac0.5",
    "*0.5*",
]
VALUES += [
    "1.5\u00b710\u207b\u2075",
    "1.5 x 10^-5",
    "1.5 \u00d7 10\u207b\u2075",
    "2 * 10**5",
    "3 x 224",
    "1 x 10",
    "\x1b[1;31m",
    "[0;5",
]
VALUES += ["1.234,5", "1.234.567", "1.234.567,8", "10.123.234.111", "(1.234,5)", "1.234,5.6", "0.123,4"]
VALUES += ["1 234.5", "1 234,5 ", "12 345 678;", "1 234", "1 234.5 acc=", "0 234.5", "1 234.5.6", "1234 567.8"]
VALUES += ["640 640", "1 234;", "1 234 x", "1 100%", "1,23,456.7", "12,34,567", "1,2,345", "1,23,456,7", "123,45,678"]
VALUES += ["1'234.5", "1\u2019234", "1\u00a0234,5", "1\u202f234", "1\u2009234.5", "'1'", "1'23", "1'2345"]
VALUES += [
    "1.5D-05",
    "2d12h",
    "1.5D10",
    "1.2f-5",
    "0.5f0",
    "0.5f2",
    "1.5f32",
    "1.#INF",
    "1.#QNAN",
    "-1.#IND00",
    "0x1.8p3",
    "0x3",
    "0xg",
]
VALUES += [
    "0.\x1b[31m5",
    "1\x1b[0m\x1b[1;31m2",
    "7\x1b[1m.5",
    "2\x1b[0me-05",
    "3#033[0m4",
    "-\x1b[2m0.5",
    "4\x1b[K5",
    "6#011",
    "9\x1b[0m",
]
VALUES += ["undefined", "Overflow", "DTensor(shape=torch", "effective", "8 effective"]
VALUES += ["1.5*10^-5", "1.5x10^5", "1.5×10", "1.5×10⁻⁵", "2*^-5", "2*10**3", "2*3", "1.5e", "1.#IDX", "0.5\x1b[0m"]
PARTS = ["loss=", "loss: ", "loss:", "Loss=", " loss=", "acc=", "acc ", "lo", "loss=loss=", "x", "é"]
PARTS += ["loss\x1b[0m=", "loss=\x1b[0m", "loss:\x1b[0m ", "loss\x1b[1;31m: ", "x\x1b[0m", "loss#033[0m="]
PARTS += ["a=1,234 ", " b: -0,75", "loss=12,34,567 ", " c=1,2,3"]
PARTS += [", ", ",", " ", "; ", ";", "%", " it/s", "\x1b[1m", "\t"]
parts = st.sampled_from(PARTS)
values = st.sampled_from(VALUES)
records = st.lists(st.one_of(st.tuples(parts, values).map("".join), values, parts), max_size=6).map("".join)
logs = st.builds(
    lambda lines, end, byte: (
        "".join(line + end_ for line, end_ in lines).encode().replace(b"\xc3\xa9", byte) + end.encode()
    ),
    st.lists(st.tuples(records, st.sampled_from(["\n", "\n", "\r\n", "\r"])), max_size=12),
    records,
    st.sampled_from([b"\xc3\xa9", b"\xff"]),
)
OPTIONS: list[dict[str, Any]] = [
    {},
    {"newline": "lf"},
    {"matches": "first"},
    {"matches": "last"},
    {"ansi": "strip"},
    {"escape": "syslog"},
    {"ansi": "strip", "newline": "lf", "matches": "last"},
]
ENGINES: list[dict[str, Any]] = [
    *({"simd": level} for level in _core.SIMD_LEVELS),
    {"search": "naive"},
    {"search": "every"},
]


@cache
def all_definitions(newline):
    every = [{"Name": f"m{number}", "Regex": one.regex} for number, one in enumerate(DEFINITIONS)]
    return Scanner(every, untamed="allow", newline=newline)


def checked(definition: Definition, data: bytes, running: Any, options: dict[str, Any]) -> None:
    """A watching scan finds what the oracle finds, and its rows are those of the metric."""
    batches = [batch for _, batch in running]
    wanted = oracle.scan(definition, data, **options)
    stats = running.stats.metrics["m"]
    assert oracle.agreed(stats, running.suspects.of_all().get("m")) == oracle.shortened(wanted)
    assert (stats.near_misses, stats.cut_values) == (len(wanted.near_misses), len(wanted.cut))
    rows = expected([{"Name": "m", "Regex": definition.regex}], data, **options)["metric m"]
    assert rows_of(pa.Table.from_batches(batches, schema=SCHEMA)) == rows["rows"]
    assert (stats.unparsed, [tuple(one) for one in stats.samples]) == (rows["unparsed"], rows["samples"])


@pytest.mark.parametrize("engine", ENGINES, ids=str)
def test_every_path_finds_what_the_oracle_finds(engine):
    @cache
    def scanner_of(number, option):
        return _configured([{"Name": "m", "Regex": DEFINITIONS[number].regex}], **OPTIONS[option], **engine)

    @given(
        logs,
        st.integers(0, len(DEFINITIONS) - 1),
        st.integers(0, len(OPTIONS) - 1),
        st.lists(st.integers(0, 200), max_size=4),
    )
    @example(b"loss=nan\nloss=1,234.5\nloss=2%\nloss=0.", 0, 0, [12])
    @example(b"loss=loss=nan\n", 6, 0, [])
    @example(b"loss=nan\n", 13, 0, [])
    @example(b"loss\x1b[0m=1\nloss\x1b[0m=1 loss=1\nloss=x loss\x1b[0m=1\nloss=1 loss\x1b[0m=nan\n", 0, 0, [3])
    @example(b", loss=0.5, loss=0.5\n, loss=nan, loss=0.5", SPACED, 0, [])
    # long enough for the fast path, which passes over a candidate within the run of another
    @example(b"1,234loss=0.5loss=loss=0.5;loss=0.5loss=0.5loss=0.5\n", 6, 0, [])
    # Python reads the first number, after the unit of the second has been seen
    @example(b"loss=9999999999999999999999999999ms\nloss=8 ms\n", 0, 0, [])
    @example(b"loss=9999999999999999999999999999ms\nloss=7_0ms loss=8 loss=9ms\nloss=8 ms\n", 0, 0, [40])
    @example(b"loss=x loss=1_0 loss=nan\nloss=..\nloss=0.12345678901234567890\n", 0, 0, [])
    # a table's row has no literal
    @example(b"1 0.5 7.5\n2   nan 7.5\nepoch nan\n3 nan 4\n4 None\n5 1_0 0.25\n6\tnan", ROW_WITH_POINT, 0, [9])
    @example(b"1 0.5\n2   nan\nepoch nan\n3 nan 4\n4 None\n5 1_0\n6\tnan", ROW, 0, [9])
    def check(data, number, option, cuts):
        running = scanner_of(number, option).watching_batches(oracle.pieces(data, cuts))
        checked(DEFINITIONS[number], data, running, OPTIONS[option])

    check()


@pytest.mark.slow
@given(st.lists(logs, max_size=5), st.integers(1, 300), st.sampled_from(DEFINITIONS))
def test_long_logs_on_several_threads(some, size, definition):
    data = b"\n".join(some) * 3
    scanner = _configured([{"Name": "m", "Regex": definition.regex}], chunk_bytes=size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threaded, "LEAST_BLOCK_BYTES", size)
        checked(definition, data, scanner.watching_batches(data, 3), {})


@given(logs)
def test_definitions_beside_each_other(data):
    running = all_definitions("universal").watching_batches(data)
    for _ in running:
        pass
    found = running.suspects.of_all()
    for number, one in enumerate(DEFINITIONS):
        stats = running.stats.metrics[f"m{number}"]
        assert oracle.agreed(stats, found.get(f"m{number}")) == oracle.shortened(oracle.scan(one, data))


@given(st.lists(logs, min_size=1, max_size=6))
def test_small_logs_together(tmp_path_factory, some):
    folder = tmp_path_factory.mktemp("logs")
    paths = []
    for number, data in enumerate(some):
        path = folder / f"{number}.log"
        path.write_bytes(data)
        paths.append(str(path))
    for options in ({"newline": "universal"}, {"newline": "lf"}):
        scanner = all_definitions(**options)
        together = small_logs.scan_together(scanner.watching_plan, paths)
        assert together is not None
        for number, one in enumerate(DEFINITIONS):
            name = f"m{number}"
            wanted = [oracle.scan(one, data, **options) for data in some]
            stats = together.stats.metrics[name]
            near = [(paths[at], *place) for at, found in enumerate(wanted) for place in found.near_misses]
            assert [tuple(each[2:]) for each in stats.suspects if each.kind == "near-miss"] == near[:5]
            assert stats.near_misses == len(near)
            assert stats.cut_values == sum(len(found.cut) for found in wanted)
            assert stats.unterminated == sum(len(found.unterminated) for found in wanted)
            assert set(stats.units) == set().union(*(found.units for found in wanted))
            for at, found in enumerate(wanted):
                own = together.suspects.get(at, {}).get(name, MetricSuspects())
                assert own.cut_starts.tolist() == sorted(found.cut)
                assert own.last_near_miss == found.last
                assert own.unterminated_start == (found.unterminated[-1] if found.unterminated else None)


LED_OUT = [
    (r" ([0-9.]+)it/s", "it/s"),
    (r"([0-9.]+)it/s", "it/s"),
    (r" ([0-9]+) words/s", " words/s"),
    (r"at ([0-9.]+)% examples", "% examples"),
    (r"loss=([0-9.]+), acc", ", acc"),
    (r"loss ([0-9.]+)it/s", "it/s"),
    (r"x([0-9.]+)<x", "<x"),
    (r"([0-9.]+)%", "%"),
    (r"\[([0-9]+)\]x", "]x"),
]
LAST = [
    "?",
    "~ 5",
    "~ ",
    "5 ~ 5",
    "effective",
    "8 effective",
    "-",
    "--",
    "nan ",
    "DTensor(local_tensor=my_tensor",
    "(0.5 s) 8",
]
LAST += [
    "tensor(0.5, device='cuda:0')",
    "<tf.Tensor: shape=(), numpy=0.9>",
    "1.#INFmin",
    "undefined",
    "x_undefined",
    "it/s",
]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize(("regex", "behind"), LED_OUT)
def test_a_near_miss_ends_before_the_text_behind_the_value(regex, behind, size):
    plan = Scanner([f"m={regex}"]).watching_plan
    ends = [behind, behind[:1], f"{behind[:1]} {behind}", f"?{behind}", f" x {behind} 5{behind}", ""]
    names = [" ", "at ", "loss=", "loss ", "[", "at at ", ""]
    values = [*VALUES, *LAST]
    values.remove("50 %")
    # where nothing stands before the value, a word is none, whatever it ends with
    if regex.startswith("("):
        values = [one for one in values if one not in ("DTensor(local_tensor=my_tensor", "1.#INFmin")]
    else:
        names.append("x")
    lines = [f"{name}{value}{end}" for name in names for value in values for end in ends]
    data = "\n".join(lines).encode() + b"\n"
    core = plan.new_stream()
    for at in range(0, len(data), size):
        core.feed(data[at : at + size])
    core.finish()
    found = [np.asarray(columns) for pattern, columns in core.take() if pattern in plan.companions]
    near = [start for rows in found for start in rows[3, (rows[0] & 0xFF) == NEAR_MISS].tolist()]
    assert near == [place[2] for place in oracle.scan(definition_of(regex, False, False), data).near_misses]


@pytest.mark.parametrize(
    ("regex", "unit"),
    [("n([0-9]+);", b"n"), ("1([0-9]+);", b"1"), ("a([0-9]+) it/s", b"a."), (r" \s*([0-9]+);", b" ")],
)
def test_many_candidates_in_one_record_take_no_square_of_its_length(regex, unit):
    data = unit * 1_000_000 + b"\n"
    with cpu_limit(20):
        running = Scanner([f"m={regex}"]).watching_batches(data)
        for _ in running:
            pass
    assert running.stats.metrics["m"].near_misses == 0


@pytest.mark.parametrize(
    "options", [{"ansi": "strip"}, {"escape": "syslog"}, {"newline": "lf", "ansi": "strip"}], ids=str
)
def test_unterminated_values_of_small_logs_whose_bytes_are_rewritten(tmp_path, options):
    ends = [
        b"loss=5",
        b"loss=0.5\x1b[0m",
        b"x\nloss=0.5\r",
        b"loss=1\tloss=2",
        b"\x1b[1mloss=1\x1b[0m;\rx",
        b"\0loss=3\r\r",
        b"",
    ]
    paths = [tmp_path / f"{number}.log" for number in range(len(ends))]
    for path, data in zip(paths, ends, strict=True):
        path.write_bytes(data)
    scanner = Scanner([r"loss=loss=([0-9.]+)", r"rest=loss=(.*)"], **options)
    together = small_logs.scan_together(scanner.watching_plan, [*map(str, paths)])
    assert together is not None
    starts = []
    for number, data in enumerate(ends):
        running = scanner.watching_batches(data)
        for _ in running:
            pass
        alone, own = running.suspects.of_all(), together.suspects.get(number, {})
        for name in scanner.metrics:
            wanted = alone.get(name, MetricSuspects()).unterminated_start
            starts.append(wanted)
            assert own.get(name, MetricSuspects()).unterminated_start == wanted, (name, data)
    assert len(starts) > starts.count(None) > 0


# ---- what is kept


def test_many_suspects_are_counted_and_few_are_kept():
    count = 3 * MOST_CUT
    data = b"loss=nan\nloss=1,234.5\n" * count
    running = Scanner(["loss=loss=([0-9.]+)"]).watching_batches(data, 2)
    for _ in running:
        pass
    stats = running.stats.metrics["loss"]
    assert (stats.near_misses, stats.cut_values, len(stats.suspects)) == (count, count, 10)
    own = running.suspects.of_all()["loss"]
    assert len(own.cut_starts) == MOST_CUT
    assert own.last_near_miss == (2 * count - 1, len(data) - 22)
    starts = [9 + 5, len(data) - 8]
    assert [own.is_cut(start) for start in (*starts, 9, 9 + 6)] == [True, True, False, False]


LOST = [
    "nan",
    "-NaN",
    "inf",
    "+Infinity",
    "'nan'",
    "tensor(nan, device='cuda:0')",
    "1.#QNAN",
    "nan32",
    "\x1b[31mNaN\x1b[0m",
]
LOST += ["\u221e", "diverged", "-1.#IND00", "<tf.Tensor: shape=(), dtype=float32, numpy=nan>"]
KEPT = ["None", "n/a", "null", "'0.5'", "1,234.5", "[0.5]", "***", "tensor(0.5, device='cuda:0')", "\x1b[31m-1\x1b[0m"]


@pytest.mark.parametrize("regex", ["loss=([0-9.]+)$", r"loss=((?:[0-9.]++){1,1}+)$"], ids=["native", "by re"])
def test_whether_the_last_near_miss_is_not_finite(regex, tmp_path):
    scanner = _configured([{"Name": "loss", "Regex": regex}], chunk_bytes=7)
    wanted, paths = [], []
    for text, is_lost in [*((text, True) for text in LOST), *((text, False) for text in KEPT)]:
        for before in ("loss=nan", "loss=None"):
            data = f"loss=0.5\n{before}\nloss={text}\nloss=0.25\n".encode()
            running = scanner.watching_batches(data)
            for _ in running:
                pass
            own = running.suspects.of_all()["loss"]
            assert (own.last_near_miss[0], own.is_not_finite) == (3, is_lost), text
            paths.append(tmp_path / f"{len(paths)}.log")
            paths[-1].write_bytes(data)
            wanted.append(is_lost)
    together = small_logs.scan_together(scanner.watching_plan, [*map(str, paths)])
    assert [together.suspects[at]["loss"].is_not_finite for at in range(len(paths))] == wanted


def test_units_are_bounded():
    units = ["".join(letters) for letters in itertools.product("abcdefgh", repeat=2)]
    data = "".join(f"loss=1{unit}\n" for unit in units).encode()
    running = Scanner(["loss=loss=([0-9.]+)"]).watching_batches(data)
    for _ in running:
        pass
    assert list(running.stats.metrics["loss"].units) == units[:16]


@pytest.mark.parametrize(
    ("text", "value"),
    [("print(f'loss:{loss:.4f}')", ".4f"), ("loss:%10.4f", "10.4f"), ("loss:{:.3e}", ".3e"), ("loss:%.2g,", ".2g")],
)
def test_a_format_specification_is_a_cut_value_and_no_unit(text, value):
    definition = Definition(r"loss:%?(?:\{:)?([0-9.]+)", False, True, None)
    data = f"{text}\nloss:0.5\nloss:7.5f\n".encode()
    assert oracle.scan(definition, data).units == {"", "f"}
    running = Scanner([f"loss={definition.regex}"]).watching_batches(data)
    found = oracle.of_batches(running, "loss")
    assert found == oracle.shortened(oracle.scan(definition, data))
    assert [one.text for one in running.stats.metrics["loss"].suspects if one.kind == "cut-value"] == [value]


@pytest.mark.parametrize("between", ["", "loss=3s\n", "loss=3\n", f"loss=1{10**20}0s\n"])
def test_a_unit_behind_a_number_that_python_reads_is_that_of_its_row(between):
    data = f"loss=1{10**20}ms\n{between}loss=2ms\nloss=4ms\n".encode()
    definition = Definition(r"loss=([0-9.]+)", False, True, None)
    running = Scanner([f"loss={definition.regex}"]).watching_batches(data)
    for _ in running:
        pass
    units = running.stats.metrics["loss"].units
    assert set(units) == oracle.scan(definition, data).units
    assert units["ms"].line == 1


def test_units_that_are_shown_alike_are_one():
    data = b"loss=1km\xf1\nloss=2km\xf2\n"
    definition = Definition(r"loss=([0-9.]+)", False, True, None)
    running = Scanner([f"loss={definition.regex}"]).watching_batches(data)
    assert oracle.of_batches(running, "loss") == oracle.shortened(oracle.scan(definition, data))
    assert list(running.stats.metrics["loss"].units) == ["km\ufffd"]


@pytest.mark.parametrize("threads", [1, 3])
def test_each_unit_is_shown_with_its_value(threads):
    data = b"speed 1.20kit/s\nspeed 950it/s\nspeed 3\n"
    definition = {"Name": "tp", "Regex": r"speed ([\d.]+)(?:k?it/s)?"}
    running = _configured([definition], chunk_bytes=7).watching_batches(data, threads)
    for _ in running:
        pass
    units = running.stats.metrics["tp"].units
    assert [(unit, one.text, one.line) for unit, one in units.items()] == [
        ("kit/s", "1.20kit/s", 1),
        ("it/s", "950it/s", 2),
        ("", "", 3),
    ]


@pytest.mark.parametrize(
    ("regex", "near"),
    [
        (r"loss: ([\d.]+)", 3),
        (r"loss:\s*([\d.]+)", 3),
        (r"^step=\d+ loss: ([\d.]+)", 0),
        # letter by letter nobody colours a name
        (r"l: ([\d.]+)", 0),
        (r"(?:x|loss): ([\d.]+)", 0),
    ],
)
def test_names_in_colour(regex, near):
    near_ones = b"\x1b[1mloss\x1b[0m: 0.5\n\x1b[1mloss:\x1b[0m nan\nloss\x1b[0m\x1b[2m: 1\n"
    data = near_ones + b"loss\x1b[0m=1\nlos\x1b[0ms: 1\nloss\x1b[0m: x\n"
    running = Scanner([f"loss={regex}"]).watching_batches(data)
    assert [len(batch) for _, batch in running] == []
    assert running.stats.metrics["loss"].near_misses == near
    assert Scanner([f"loss={regex}"], ansi="strip").scan(data).stats.metrics["loss"].near_misses == 0


def test_a_scan_does_not_watch():
    scanner = Scanner(["loss=loss=([0-9.]+)"])
    stats = scanner.scan(b"loss=nan\nloss=1,234.5").stats.metrics["loss"]
    assert (stats.rows, stats.near_misses, stats.cut_values, stats.unterminated, stats.suspects) == (1, 0, 0, 0, [])


def test_merged_suspects():
    first, second = MetricSuspects(), MetricSuspects()
    kinds = np.array([1, 2, 1], np.int64)
    second.add(kinds, np.array([1, 2, 3]), np.array([0, 10, 20]), np.array([4, 14, 24]))
    first.merge(second)
    assert (first.last_near_miss, first.cut_starts.tolist(), first.unterminated_start) == ((3, 20), [14], None)
