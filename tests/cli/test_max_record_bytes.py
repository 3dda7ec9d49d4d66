"""``--max-record-bytes`` on every command that scans logs: a longer record gives no rows."""

import json

import click
import pytest
from support.jobs import metricscan

from metricscan import Dataset
from metricscan.cli import command, main
from metricscan.logs.job_record import read_record
from metricscan.scanning.options import LEAST_RECORD_BYTES

LOSS = ("-m", r"loss=loss=(\S+)")
TEXT = b"loss=1\n" + b"loss=2 ".ljust(LEAST_RECORD_BYTES + 1, b"a") + b"\nloss=3\n"
#: Commands that read logs by definitions; the others read rows, records or lists.
SCANNING = {"audit", "check", "diff", "extract", "follow", "replay", "report", "run"}


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "logs" / "trial_1.log"
    path.parent.mkdir()
    path.write_bytes(TEXT)
    return path


def test_the_commands_that_scan_have_the_option():
    context = click.Context(command)
    commands = {name: command.get_command(context, name) for name in command.list_commands(context)}
    with_it = {name for name, one in commands.items() if any("--max-record-bytes" in p.opts for p in one.params)}
    assert (
        with_it
        == SCANNING
        == {name for name, one in commands.items() if any("--newline" in p.opts for p in one.params)}
    )


@pytest.mark.parametrize(("options", "lines"), [((), [1, 2, 3]), (("--max-record-bytes", "256K"), [1, 3])])
def test_a_longer_record_gives_no_rows(log, tmp_path, capsys, options, lines):
    folder = str(log.parent)
    assert main(["replay", folder, *LOSS, *options, "-o", str(tmp_path / "out")]) == 0
    assert Dataset(tmp_path / "out")["loss"]["line"].to_pylist() == lines
    assert ("1 record of more than --max-record-bytes: no rows" in capsys.readouterr().out) == bool(options)
    assert main(["follow", folder, *LOSS, *options, "--json", "--until", "idle:0"]) == 0
    assert [json.loads(line)["line"] for line in capsys.readouterr().out.splitlines()] == lines
    assert main(["check", str(log), *LOSS, *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out).get("too_long", 0) == len(options) // 2


@pytest.mark.parametrize(("options", "lines"), [((), [1, 2, 3]), (("--max-record-bytes", "256K"), [1, 3])])
def test_a_job_is_read_with_its_limit_by_whoever_reads_it(log, tmp_path, monkeypatch, options, lines):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "trial_1"
    code, _, err = metricscan("run", *LOSS, *options, "-o", folder, "--", "cat", log)
    assert (code, "Completed" in err) == (0, True)
    assert Dataset(folder / "journal")["loss"]["line"].to_pylist() == lines
    assert read_record(str(folder)).document["scanner"]["options"]["max_record_bytes"] == (
        1 << 18 if options else 1 << 26
    )
    # without its journal the log is read
    (folder / "journal").rename(tmp_path / "journal")
    assert Dataset(tmp_path / "runs")["loss"]["line"].to_pylist() == lines


@pytest.mark.parametrize("size", ["0", "1K", "64", "4G", "much", "1e9999"])
def test_a_size_that_is_none(log, capsys, size):
    assert main(["replay", str(log.parent), *LOSS, "--max-record-bytes", size]) == 2
    err = capsys.readouterr().err
    assert "Invalid value for '--max-record-bytes'" in err
    assert "expected" in err
