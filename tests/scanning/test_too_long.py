"""Records of more than max_record_bytes: they give no rows, are counted, and are not held in memory."""

import io
import json
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.feeding import pieces

import metricscan
from metricscan import OptionError, Scanner
from metricscan.patterns.budget import LONGEST_RECORD
from metricscan.scanning import options, threaded

LEAST = options.LEAST_RECORD_BYTES
DEFINITIONS = [{"Name": "loss", "Regex": r"loss=(\d+)"}, {"Name": "any", "Regex": r"(?:^|a)(\d)"}]
CONFIGURED = [{}, {"newline": "lf"}, {"escape": "syslog"}, {"ansi": "strip"}]


def logs():
    """Short records, and records whose size is around the limit, with every terminator."""
    sizes = st.sampled_from([LEAST - 1, LEAST, LEAST + 1, 2 * LEAST, 5 * LEAST + 3])
    long = st.builds(
        lambda size, text: text[:size].ljust(size, b"a"), sizes, st.sampled_from([b"loss=1 ", b"1", b"\xff"])
    )
    short = st.sampled_from([b"", b"loss=2", b"3", b"loss=x loss=4", b"\x1b[1mloss=5"])
    record = st.one_of(short, short, long)
    terminator = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r"])
    return st.tuples(st.lists(st.tuples(record, terminator), max_size=6), record)


def told(data, **given):
    """What is expected: the rows of the scan without a limit but those of records that are too long, and how many these are."""
    unlimited = Scanner(DEFINITIONS, **given, max_record_bytes=options.MOST_RECORD_BYTES).scan(data)
    newline = given.get("newline") or ("lf" if given.get("escape") == "syslog" else "universal")
    records, at = [], 0
    while at < len(data):
        ends = [
            place
            for mark in ((b"\n", b"\r") if newline == "universal" else (b"\n",))
            if (place := data.find(mark, at)) >= 0
        ]
        end = min(ends, default=len(data))
        records.append((at, end))
        at = end + (2 if newline == "universal" and data[end : end + 2] == b"\r\n" else 1)
    long = {begin for begin, end in records if end - begin > LEAST}
    rows = {name: [row for row in unlimited[name].to_pylist() if row["offset"] not in long] for name in ("loss", "any")}
    return rows, len(long), unlimited.stats.records


def outcome(result):
    rows = {name: result[name].to_pylist() for name in ("loss", "any")}
    return rows, result.stats.too_long, result.stats.records


@given(logs(), st.sampled_from(CONFIGURED), st.integers(1000, 2 * LEAST))
def test_long_records_give_no_rows_and_leave_all_others_as_they_are(log, given_options, size):
    data = b"".join(record + terminator for record, terminator in log[0]) + log[1]
    scanner = Scanner(DEFINITIONS, **given_options, max_record_bytes=LEAST)
    expected = told(data, **given_options)
    assert outcome(scanner.scan(data)) == expected
    assert outcome(scanner.scan(pieces(data, size))) == expected
    assert outcome(scanner.scan(io.BytesIO(data))) == expected
    assert scanner.scan(data).stats.bytes == len(data)


@pytest.mark.parametrize("cut", [*range(-3, 4)])
def test_a_cut_near_the_limit_makes_no_difference(cut):
    data = b"loss=1" + b"a" * (LEAST - 5) + b"\r\nloss=2\n" + b"loss=3".ljust(LEAST, b"a") + b"\r\nloss=4"
    scanner = Scanner(DEFINITIONS, max_record_bytes=LEAST)
    for place in (LEAST, LEAST + 1, LEAST + 3, 2 * LEAST + 10):
        chunks = [data[: place + cut], data[place + cut :]]
        result = scanner.scan(iter(chunks))
        assert result["loss"]["value"].to_pylist() == [2.0, 3.0, 4.0]
        assert result["loss"]["line"].to_pylist() == [2, 3, 4]
        assert (result.stats.too_long, result.stats.records) == (1, 4)


def test_on_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(threaded, "BLOCK_BYTES", LEAST // 2)
    monkeypatch.setattr(threaded, "LEAST_BLOCK_BYTES", LEAST // 2)
    data = b"loss=1\n" + b"loss=2".ljust(5 * LEAST, b"a") + b"\nloss=3\n" * 3 + b"loss=4".ljust(LEAST + 1, b"a")
    (tmp_path / "a.log").write_bytes(data)
    scanner = Scanner(DEFINITIONS, max_record_bytes=LEAST)
    assert outcome(scanner.scan(tmp_path / "a.log", threads=3)) == told(data)


def test_live_and_from_a_state():
    scanner = Scanner(DEFINITIONS, max_record_bytes=LEAST)
    data = b"loss=1\n" + b"loss=2".ljust(2 * LEAST, b"a") + b"\nloss=3\n"
    stream = scanner.stream()
    stream.feed(data[: LEAST + LEAST // 2])
    assert (stream.stats.too_long, stream.stats.bytes) == (0, LEAST + LEAST // 2)
    assert stream.take()["loss"]["value"].to_pylist() == [1.0]
    # the record is fed again from its beginning, and is too long again
    other = scanner.stream(state=stream.state())
    assert other.resume_offset == len(b"loss=1\n")
    other.feed(data[other.resume_offset :])
    other.close()
    assert (other.stats.too_long, other.stats.records) == (1, 3)
    assert other.latest["loss"].value == 3.0


def test_the_option():
    assert options.MAX_RECORD_BYTES == LONGEST_RECORD == 64 << 20
    for wrong in (0, LEAST - 1, options.MOST_RECORD_BYTES + 1, True, 1e9, "64M", None):
        with pytest.raises(OptionError, match="max_record_bytes="):
            Scanner(DEFINITIONS, max_record_bytes=wrong)
    usual, limited = Scanner(DEFINITIONS), Scanner(DEFINITIONS, max_record_bytes=LEAST)
    assert usual.fingerprint == Scanner(DEFINITIONS, max_record_bytes=64 << 20).fingerprint != limited.fingerprint
    data = b"loss=1".ljust(LEAST + 1, b"a")
    for scanner in (pickle.loads(pickle.dumps(limited)), limited.with_labels({"worker": "w(.)"})):
        assert scanner.scan(data).stats.too_long == 1


def test_a_replay_counts_them(tmp_path, capsys):
    (tmp_path / "a.log").write_bytes(b"loss=1\n" + b"loss=2".ljust((64 << 20) + 1, b"a"))
    found = metricscan.replay(str(tmp_path), Scanner(DEFINITIONS), objective=None)
    assert found.stats.too_long == 1
    from metricscan.cli import main

    assert main(["replay", str(tmp_path), "-m", r"loss=loss=(\d+)"]) == 0
    assert "1 record of more than --max-record-bytes: no rows" in capsys.readouterr().out
    assert main(["replay", str(tmp_path), "-m", r"loss=loss=(\d+)", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["too_long"] == 1


@pytest.mark.slow
def test_an_endless_line_takes_no_memory(tmp_path):
    log = tmp_path / "a.log"
    with log.open("wb") as file:
        file.write(b"loss=1\nx")
        file.truncate(1 << 30)
    script = (
        "import resource, sys; from metricscan import Scanner\n"
        "scanner = Scanner(['loss=loss=(.)'])\n"
        "resource.setrlimit(resource.RLIMIT_AS, (640 << 20, 640 << 20))\n"
        "stats = scanner.scan(sys.argv[1], threads=1).stats\n"
        "print(stats.too_long, stats.records, stats.metrics['loss'].rows)"
    )
    ran = subprocess.run([sys.executable, "-c", script, log], capture_output=True, text=True, check=False, timeout=120)
    assert (ran.stdout, ran.stderr) == ("1 2 1\n", "")
