"""Scanner: options, identity, results, find, explain; used from many threads."""

import pickle
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from support.feeding import rows_of, scanned

from metricscan import (
    DefinitionError,
    Match,
    MetricDefinition,
    MetricStats,
    OptionError,
    Scanner,
    ScanStats,
)
from metricscan.scanning.scanner import _configured

LOSS = ["loss=loss=([0-9.]+)"]
LOG = b"loss=0.5 acc=x\nloss=0.25 acc=0.75;\n\nother\n"

# ---- options


def test_options_have_defaults():
    scanner = Scanner(LOSS)
    assert scanner.options == {"newline": "universal", "matches": "all", "escape": "none", "ansi": "keep"}
    assert scanner.metrics == ("loss",)
    assert scanner.definitions == (MetricDefinition("loss", "loss=([0-9.]+)"),)
    assert Scanner(LOSS, escape="syslog").options["newline"] == "lf"
    assert Scanner(LOSS, escape="syslog", newline="lf").options["newline"] == "lf"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"newline": "crlf"}, ["newline='crlf'", "'universal' or 'lf'"]),
        ({"matches": "any"}, ["matches='any'", "'all' or 'first' or 'last'"]),
        ({"matches": None}, ["matches=None"]),
        ({"escape": "json"}, ["escape='json'", "'none' or 'syslog'"]),
        ({"escape": True}, ["escape=True"]),
        ({"ansi": "Strip"}, ["ansi='Strip'", "'keep' or 'strip'"]),
        ({"newline": "universal", "escape": "syslog"}, ["newline='universal' with escape='syslog'", "#015"]),
        ({"newline": "cr", "matches": 1, "ansi": ""}, ["newline='cr'", "matches=1", "ansi=''"]),
    ],
)
def test_all_errors_of_the_options_are_one_error(options, words):
    with pytest.raises(OptionError) as caught:
        Scanner(LOSS, **options)
    assert isinstance(caught.value, ValueError)
    assert all(word in str(caught.value) for word in words)


def test_an_option_that_there_is_not_is_a_type_error():
    with pytest.raises(TypeError):
        Scanner(LOSS, search="naive")


def test_definitions_are_checked_at_build_time():
    with pytest.raises(DefinitionError):
        Scanner([])


# ---- identity


def test_a_fingerprint_is_of_the_definitions_and_the_options():
    scanners = [
        Scanner(["a=x"]),
        Scanner(["b=x"]),
        Scanner(["a=y"]),
        Scanner(["a=x", "b=x"]),
        Scanner(["b=x", "a=x"]),
        Scanner(["a=x"], newline="lf"),
        Scanner(["a=x"], matches="first"),
        Scanner(["a=x"], matches="last"),
        Scanner(["a=x"], escape="syslog"),
        Scanner(["a=x"], ansi="strip"),
    ]
    assert len({scanner.fingerprint for scanner in scanners}) == len(scanners)
    assert len(set(scanners)) == len(scanners)


def test_scanners_that_do_the_same_are_equal():
    one = Scanner(["a=x"])
    for other in (
        Scanner([{"Name": "a", "Regex": "x"}]),
        Scanner([MetricDefinition("a", "x")], newline="universal", matches="all"),
        _configured(["a=x"], search="naive"),
    ):
        assert (one, hash(one), one.fingerprint) == (other, hash(other), other.fingerprint)
    assert one != Scanner(["a=y"])
    assert one != "a=x"


def test_a_fingerprint_is_the_same_in_every_process():
    code = "from metricscan import Scanner; print(Scanner(['é=é=(.)', 'b=b'], matches='last').fingerprint)"
    run = subprocess.run([sys.executable, "-X", "utf8", "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == Scanner(["é=é=(.)", "b=b"], matches="last").fingerprint


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_scanner_can_be_pickled(protocol):
    scanner = Scanner([*LOSS, "acc=(?i)ACC=(.*?);"], matches="last", ansi="strip", escape="syslog")
    other = pickle.loads(pickle.dumps(scanner, protocol))
    assert other == scanner
    assert other.fingerprint == scanner.fingerprint
    assert other.options == scanner.options
    assert repr(other) == repr(scanner)
    assert scanned(other, LOG) == scanned(scanner, LOG)


def test_settings_of_the_engine_survive_pickling():
    scanner = _configured(LOSS, search="naive", chunk_bytes=5)
    other = pickle.loads(pickle.dumps(scanner))
    assert other._chunk_bytes == 5
    assert other._internal == scanner._internal


def test_a_warned_of_scanner_is_not_warned_of_again():
    with pytest.warns(match="takes its value from the first group"):
        scanner = Scanner([r"loss=(?P<step>\d+) (?P<loss>\d+)"])
    assert pickle.loads(pickle.dumps(scanner)) == scanner


def test_repr_names_what_was_given():
    assert repr(Scanner(LOSS, matches="first")).startswith("<Scanner of 1 definition, matches='first'")
    assert repr(Scanner(["a=b", "c=d"])).startswith("<Scanner of 2 definitions, ")


def test_wrong_definitions_and_options_come_in_one_error():
    with pytest.raises(DefinitionError) as caught:
        Scanner(["a=("], matches="some", newline="cr")
    assert [fault.index for fault in caught.value.faults] == [0, None]
    assert "newline='cr': " in str(caught.value)
    assert "matches='some': " in str(caught.value)


def test_no_labels_may_be_none():
    assert Scanner(LOSS, labels=None) == Scanner(LOSS)
    with pytest.raises(DefinitionError, match="labels: int 5 where a list of"):
        Scanner(LOSS, labels=5)


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_threads_that_are_none(threads):
    scanner = Scanner(LOSS)
    for scan in (scanner.scan, scanner.batches):
        with pytest.raises(
            OptionError, match=re.escape(f"threads={threads!r}: a whole number, 1 or more was expected")
        ):
            # before anything is opened
            scan("nowhere.log", threads=threads)


def test_a_result_of_many_metrics_is_shown_short():
    result = Scanner([f"m{number}=m{number}=(.)" for number in range(12)]).scan(b"m0=1\n")
    assert repr(result).startswith("<ScanResult of 1 records; m0: 1 rows, m1: 0 rows")
    assert repr(result).endswith("m9: 0 rows, and 2 more metrics>")
    assert repr(Scanner(LOSS).batches(b"")) == "<Batches of <bytes>>"


def test_batches_may_be_taken_in_a_with(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(LOG)
    with Scanner(LOSS).batches(path) as running:
        name, batch = next(running)
    assert (name, batch["value"].to_pylist()) == ("loss", [0.5, 0.25])
    assert running._opened._file.closed


# ---- results


def test_every_defined_metric_is_a_key():
    result = Scanner([*LOSS, "never=never=(.)"]).scan(LOG)
    assert list(result) == ["loss", "never"]
    assert len(result) == 2
    assert result["never"].num_rows == 0
    assert list(result.stats.metrics) == ["loss", "never"]
    with pytest.raises(KeyError):
        result["other"]
    assert "other" not in result
    assert "never" in result
    assert repr(result) == "<ScanResult of 4 records; loss: 2 rows, never: 0 rows>"


@pytest.mark.parametrize("log", [LOG, b""])
def test_the_schema_never_changes(log):
    wanted = [
        ("value", pa.float64(), False),
        ("line", pa.int64(), False),
        ("offset", pa.int64(), False),
        ("start", pa.int64(), False),
        ("time", pa.timestamp("us", tz="UTC"), True),
    ]
    result = Scanner([*LOSS, "never=never=(.)"]).scan(log)
    for name in result:
        assert [(field.name, field.type, field.nullable) for field in result[name].schema] == wanted
        assert result[name]["time"].null_count == result[name].num_rows
        result[name].validate(full=True)


def test_stats_count_everything():
    stats = Scanner([*LOSS, "acc=acc=(.*?)(;|$)"]).scan(LOG).stats
    acc = MetricStats(rows=1, unparsed=1, samples=[("x", 1, 0)])
    assert stats == ScanStats(len(LOG), 4, {"loss": MetricStats(rows=2), "acc": acc})
    assert stats.metrics["acc"].samples[0].text == "x"


def test_ten_names_of_one_regex_share_its_work():
    scanner = Scanner([f"m{number}=loss=([0-9.]+)" for number in range(10)])
    (explanation,) = scanner.explain()
    assert explanation.names == scanner.metrics
    result = scanner.scan(LOG)
    addresses = {result[name]["value"].chunk(0).buffers()[1].address for name in scanner.metrics}
    assert len(addresses) == 1
    assert all(rows_of(result[name]) == rows_of(result["m0"]) for name in scanner.metrics)
    assert [counts.rows for counts in result.stats.metrics.values()] == [2] * 10


def test_a_thousand_definitions_work():
    scanner = Scanner([f"m{number}=metric {number}=([0-9.]+);" for number in range(1000)])
    result = scanner.scan(b"".join(b"metric %d=%d.5; " % (number, number) for number in range(1000)) + b"\n")
    assert [result[name]["value"].to_pylist() for name in result] == [[number + 0.5] for number in range(1000)]


def test_a_record_that_re_fails_on_is_counted(monkeypatch):
    class Failing:
        def finditer(self, text):
            raise RecursionError

    monkeypatch.setattr("metricscan.patterns.program.MOST_CODE", 0)
    scanner = Scanner(["a=[^=]", "b=b=([0-9])"])
    monkeypatch.setattr(scanner.plan.resolver, "_patterns", [("re", Failing(), 0)] * 2)
    result = scanner.scan(b"b=1\nxa b=2\na\n")
    counts = result.stats.metrics["a"]
    assert (counts.rows, counts.unparsed, counts.failed) == (0, 0, 3)
    assert counts.samples == [("b=1", 1, 0), ("xa b=2", 2, 4), ("a", 3, 11)]
    assert result["b"]["value"].to_pylist() == [1.0, 2.0]


def test_a_search_that_runs_out_of_time_is_counted(monkeypatch):
    class Slow:
        def finditer(self, text, timeout):
            assert timeout > 0
            raise TimeoutError

    scanner = Scanner([r"a=\p{L}"])
    monkeypatch.setattr(scanner.plan.resolver, "_patterns", [("regex", Slow(), 0)])
    counts = scanner.scan(b"a\n").stats.metrics["a"]
    assert (counts.rows, counts.failed, counts.timeouts, counts.samples) == (0, 0, 1, [("a", 1, 0)])


def test_no_memory_in_python_is_no_datum(monkeypatch):
    class Empty:
        def finditer(self, text):
            raise MemoryError

    monkeypatch.setattr("metricscan.patterns.program.MOST_CODE", 0)
    scanner = Scanner(["a=[aA]"])
    monkeypatch.setattr(scanner.plan.resolver, "_patterns", [("re", Empty(), 0)])
    with pytest.raises(MemoryError):
        scanner.scan(b"a\n")


def test_stats_merge_in_order():
    log = b"".join(b"a=%d;a=x%d;\n" % (number, number) for number in range(20))
    scanner = _configured(["a=a=(.*?);"], chunk_bytes=30)
    one, many = (scanner.scan(log, threads=threads).stats for threads in (1, 3))
    assert one == many
    assert [sample.text for sample in one.metrics["a"].samples] == ["x0", "x1", "x2", "x3", "x4"]
    halves = [scanner.scan(part).stats for part in (log[:100], log[100:])]
    halves[0].merge(halves[1])
    assert (halves[0].bytes, halves[0].metrics["a"].rows) == (one.bytes, one.metrics["a"].rows)


@pytest.mark.parametrize("threads", [0, -1])
def test_a_scan_needs_a_thread(threads):
    with pytest.raises(ValueError, match="threads="):
        Scanner(LOSS).scan(LOG, threads=threads)


# ---- threads


def test_one_scanner_serves_many_threads():
    definitions = ["a=a=(.*?);", "b=(?i)B=(\\d+)", "c=c=([\\d.]+)", "d=^(\\d+)"]
    scanner = Scanner(definitions)
    logs = [
        b"".join(b"%d a=%d.5; b=%d c=0.12345678901234567 a=x;\n" % (line, job, line) for line in range(300 + job))
        for job in range(16)
    ]
    wanted = [scanned(Scanner(definitions), log) for log in logs]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda log: scanned(scanner, log), logs * 4)) == wanted * 4
        assert list(pool.map(lambda log: scanned(scanner, log, threads=2), logs)) == wanted
        found = list(pool.map(lambda log: scanner.find(log.split(b"\n")[1]), logs))
    assert [[match.number for match in matches if match.name == "a"] for matches in found] == [
        [job + 0.5, None] for job in range(16)
    ]


def test_streams_of_one_scanner_are_apart():
    scanner = Scanner(LOSS)
    streams = [scanner.stream() for _ in range(50)]
    for part in (b"loss", b"=", b"1", b"2\n"):
        for number, stream in enumerate(streams):
            stream.feed(part if part != b"1" else b"%d" % number)
    assert [stream.latest["loss"].value for stream in streams] == [float(f"{number}2") for number in range(50)]


# ---- find


def test_find_gives_every_match():
    scanner = Scanner(["a=a=(.*?);", "b=(?i)A=(x)?", "c=c"])
    assert scanner.find(b"\xc3\xa9 a=1;a=x;") == [
        Match("a", "a=1;", (3, 7), "1", (5, 6), 1.0),
        Match("a", "a=x;", (7, 11), "x", (9, 10), None),
        Match("b", "a=", (3, 5), None, None, None),
        Match("b", "a=x", (7, 10), "x", (9, 10), None),
    ]


@pytest.mark.parametrize(
    "record",
    [
        b"a=1;",
        "a=1;",
        bytearray(b"a=1;"),
        memoryview(b"a=1;"),
        b"a=1;\n",
        b"a=1;\r\n",
        b"a=1;\r",
        "a=1;\r\n",
        pa.py_buffer(b"a=1;\n"),
    ],
)
def test_find_takes_a_record_with_or_without_its_terminator(record):
    assert Scanner(["a=a=(.*?);"]).find(record) == [Match("a", "a=1;", (0, 4), "1", (2, 3), 1.0)]


def test_find_takes_text_with_what_stands_for_invalid_bytes():
    record = b"a=\xff;"
    (match,) = Scanner(["a=a=(.*?);"]).find(record.decode("utf-8", "surrogateescape"))
    assert (match.value_text, match.value_span) == ("\udcff", (2, 3))


@pytest.mark.parametrize("record", [b"", b"\n", b"\r\n", ""])
def test_find_takes_an_empty_record(record):
    assert Scanner(["e=^$"]).find(record) == [Match("e", "", (0, 0), "", (0, 0), None)]


@pytest.mark.parametrize("record", [b"a\nb", b"\n\n", b"a\n\n", "a\r\r", b"a\rb", b"\na"])
def test_find_takes_one_record(record):
    with pytest.raises(ValueError, match="find takes one record, this text holds 2"):
        Scanner(["a=a"]).find(record)


def test_find_sees_the_record_as_the_patterns_do():
    (match,) = Scanner(["a=#011a=(.*?);"], escape="syslog").find(b"\ta=1;")
    assert match == Match("a", "#011a=1;", (0, 8), "1", (6, 7), 1.0)
    (match,) = Scanner(["a=a=(.*?);"], ansi="strip").find(b"\x1b[1ma=1\x1b[0m;")
    assert match == Match("a", "a=1;", (0, 4), "1", (2, 3), 1.0)


@pytest.mark.parametrize("record", [5, None, [97], 1.5])
def test_find_takes_nothing_but_bytes_and_text(record):
    # bytes(5) would be five NULs
    with pytest.raises(TypeError):
        Scanner(["a=."]).find(record)


# ---- explain


@pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
def test_explain_prints():
    scanner = Scanner(
        [r"a=a=(\d+)", r"b=(?:(.)|x)++", r"c=a=(\d+)", r"d=\p{L}", r"e=(loss|lr): (\d+)"], untamed="allow"
    )
    explanations = scanner.explain()
    assert [(one.names, one.strategy, one.engine) for one in explanations] == [
        (("a", "c"), "span", "core"),
        (("b",), "confirm", "re"),
        (("d",), "confirm", "regex"),
        (("e",), "program", "core"),
    ]
    assert [one.literals for one in explanations] == [("a=",), (), (), ("loss: ", "lr: ")]
    text = str(explanations)
    assert text.startswith("a, c: a=(\\d+)\n  strategy  span, decided by core\n  searched  'a='\nb: ")
    assert "searched  nothing: it has no literal, so every record is tried" in text
    assert "not span    it has a possessive repeat" in text
    assert "not program it has a possessive repeat that captures" in text
    assert "not span    only regex takes the pattern" in text
    assert str(explanations[3]) in text
    assert repr(explanations) == text
