"""``metricscan extract``: rows on standard output as the files of a dataset have them, or as a table, while they are found."""

import contextlib
import gzip
import json
import os
import re
import signal
import subprocess

import pytest
from support.command import LOSS, MODULE, stdin
from support.folders import tree

from metricscan import Dataset

ACC = ("-m", r"acc=acc=(\S+)")
WORKER = ("--label", r"worker=\[(.*?)\]")
EPOCH = ("-m", r"epoch=epoch=(\d+)")


def lines_of(folder, suffix):
    """The lines of a dataset's files, without headers."""
    found = []
    for path in sorted(folder.rglob(f"part-*.{suffix}")):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        found += lines[1:] if suffix == "csv" else lines
    return sorted(found)


@pytest.mark.parametrize("guard", [[], ["--no-csv-guard"]])
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_the_lines_are_those_of_a_dataset(run, tmp_path, suffix, guard):
    if guard and suffix == "jsonl":
        pytest.skip("the guard is of CSV")
    tree(
        tmp_path,
        {
            "logs/=a/x.log": '[=1+1] loss=1e300 acc=nan\r\n["q,"] loss=-0.0 acc=inf\n',
            "logs/b/x.log": "loss=0.1\n" * 300 + "[é] acc=5e-324",
            "logs/b/y.log": "acc=123456789012345678\n",
        },
    )
    arguments = [tmp_path / "logs", *LOSS, *ACC, *WORKER, *guard]
    assert run("replay", *arguments, "--format", suffix, "--out", tmp_path / "out")[0] == 0
    code, out, _ = run("extract", *arguments, "--format", suffix)
    lines = out.splitlines(keepends=True)
    if suffix == "csv":
        assert lines.pop(0) == "job,stream,part,metric,value,line,offset,start,time\n"
    assert (code, sorted(lines)) == (0, lines_of(tmp_path / "out", suffix))
    assert len(lines) == sum(table.num_rows for table in Dataset(tmp_path / "out").values())


def test_rows_come_in_the_order_of_the_log_with_their_steps(run, log):
    path = log("loss=9\nepoch=1 loss=1 acc=2\nacc=3\nloss=4 epoch=2\n")
    code, out, err = run("extract", path, *LOSS, *ACC, *EPOCH, "--step", "epoch", "--format", "jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["line"], row["metric"], row["value"], row["step"]) for row in rows] == [
        (1, "loss", 9, None),
        (2, "epoch", 1, 1),
        (2, "loss", 1, 1),
        (2, "acc", 2, 1),
        (3, "acc", 3, 1),
        (4, "loss", 4, 2),
        (4, "epoch", 2, 2),
    ]
    assert (code, err) == (0, "")
    code, out, _ = run("extract", path, *LOSS, *EPOCH, "--step", "epoch")
    assert out.splitlines()[0] == "job,stream,part,metric,value,line,offset,start,time,step"
    assert [line.rpartition(",")[2] for line in out.splitlines()[1:]] == ["", "1", "1", "2", "2"]


def test_json_is_a_format(run, log):
    path = log("loss=9\n")
    assert run("extract", path, *LOSS, "--json") == run("extract", path, *LOSS, "--format", "jsonl")


def test_the_table(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    long = "a" * 30 + "b" * 30
    tree(tmp_path, {f"logs/{long}/x.log": "loss=0.5 [w 1]\n", "logs/c\x1b[31m\n/x.log": "epoch=3 loss=12\n"})
    code, out, err = run("extract", "logs", *LOSS, *EPOCH, *WORKER, "--step", "epoch", "--format", "table")
    assert (code, err) == (0, "")
    job = "a" * 19 + ".." + "b" * 17 + "/x"
    assert out.splitlines() == [
        f"{'job':40}      line      step  metric  value",
        f"{job}         1            loss    0.5",
        f"{job}         1            worker  w 1",
        f"{'c' + chr(92) + 'x1b[31m' + chr(92) + 'n/x':40}         1         3  epoch   3",
        f"{'c' + chr(92) + 'x1b[31m' + chr(92) + 'n/x':40}         1         3  loss    12",
    ]


def test_the_table_has_streams_and_times_where_there_are_some(run, tmp_path):
    line = '{"log":"loss=%d\\n","stream":"%s","time":"2026-03-01T10:00:00.5Z"}\n'
    (tmp_path / "a.log").write_text(line % (1, "stdout") + line % (2, "stderr"))
    _, out, _ = run("extract", tmp_path / "a.log", *LOSS, "--format", "table")
    header, *rows = out.splitlines()
    assert header.split() == ["job", "stream", "line", "time", "metric", "value"]
    assert [row.split()[1:] for row in rows] == [
        ["stderr", "2", "2026-03-01T10:00:00.500000Z", "loss", "2"],
        ["stdout", "1", "2026-03-01T10:00:00.500000Z", "loss", "1"],
    ]


def test_what_gave_no_row_is_counted_on_stderr(run, log):
    code, out, err = run("extract", log("loss=x\x1b[31m\nloss=1\nacc=nan\n"), *LOSS, "-m", r"acc=acc=([0-9.]+)")
    assert (code, out.count("\n")) == (0, 2)
    assert "loss: 1 value that is not a number: no rows, for example 'x\\x1b[31m'\n" in err
    assert "acc: 1 near miss, for example 'acc=nan' (a.log:3)\n" in err
    assert "acc found nothing: " in err
    assert "\x1b" not in err


def test_without_a_row(run, log):
    code, out, err = run("extract", log("nothing\n"), *LOSS)
    assert (code, out) == (1, "job,stream,part,metric,value,line,offset,start,time\n")
    assert "loss found nothing" in err
    assert run("extract", log(""), *LOSS, "--format", "table")[:2] == (1, "")


def test_an_empty_standard_input(run, monkeypatch):
    stdin(monkeypatch, b"")
    code, out, err = run("extract", "-", *LOSS, "--format", "jsonl")
    assert (code, out) == (1, "")
    assert "nothing was found: no record was read" in err


def test_a_log_that_cannot_be_read_is_an_error_after_the_rows_of_others(run, tmp_path):
    tree(tmp_path, {"a.log": "loss=1\n", "b.log.gz": b"\x1f\x8b\x08\0broken"})
    code, out, err = run("extract", tmp_path, *LOSS)
    assert (code, out.count("\n")) == (2, 2)
    assert "b.log.gz" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "no metric definitions"),
        ([*LOSS, "--step", "epoch"], "the step metric 'epoch' is not among the metrics"),
        ([*LOSS, *WORKER, "--step", "worker"], "'worker' is a label"),
        ([*LOSS, "--format", "jsonl", "--no-csv-guard"], "--no-csv-guard needs --format csv"),
        (["-m", "loss=("], "metric definition"),
        ([*LOSS, "--json", "--format", "csv"], "--json and --format csv exclude each other"),
    ],
)
def test_wrong_usage(run, log, arguments, told):
    code, out, err = run("extract", log("loss=1\n"), *arguments)
    assert (code, out) == (2, "")
    assert told in err


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("suffix", ["a.log", "a.log.gz"])
def test_an_interrupt_leaves_the_counts_of_what_was_read(run, tmp_path, monkeypatch, threads, suffix):
    text = b"loss=1\nloss=x\n" * 300_000
    (tmp_path / suffix).write_bytes(gzip.compress(text, 1) if suffix.endswith("gz") else text)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("metricscan.cli.row_output.LinesOutput.show", interrupted)
    code, _, err = run("extract", tmp_path / suffix, *LOSS, "--threads", threads)
    counted = re.match(r"loss: ([\d,]+) values that are not numbers: no rows, for example 'x'\n", err)
    assert (code, err[-24:]) == (130, "metricscan: interrupted\n")
    assert 1 < int(counted[1].replace(",", "")) < 300_000


# ---- as a process


@contextlib.contextmanager
def started(*arguments):
    process = subprocess.Popen(
        [*MODULE, "extract", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()


@pytest.mark.slow
@pytest.mark.parametrize("sent", [None, signal.SIGINT, signal.SIGTERM])
def test_a_value_is_printed_when_its_line_has_ended(sent):
    with started("-", *LOSS, "--format", "jsonl") as process:
        for number in range(3):
            process.stdin.write(b"loss=%d\nloss=" % number)
            process.stdin.flush()
            # it would wait for ever if the row came with a later line
            assert json.loads(process.stdout.readline())["value"] == number
            process.stdin.write(b"5\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["value"] == 5
        if sent is None:
            process.stdin.write(b"loss=7")
            process.stdin.close()
            assert json.loads(process.stdout.readline())["value"] == 7
        else:
            process.send_signal(sent)
        assert process.wait(60) == {None: 0, signal.SIGINT: 130, signal.SIGTERM: 143}[sent]


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_it_quietly(tmp_path):
    (tmp_path / "a.log").write_text("loss=1\n" * 1_000_000)
    with started(str(tmp_path / "a.log"), *LOSS, "--format", "csv") as process:
        assert process.stdout.readline() == b"job,stream,part,metric,value,line,offset,start,time\n"
        process.stdout.close()
        assert process.wait(60) == 0
        assert process.stderr.read() == b""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no /dev/full")
def test_output_that_cannot_be_written(tmp_path):
    (tmp_path / "a.log").write_text("loss=1\n")
    with open("/dev/full", "wb") as full:
        command = [*MODULE, "extract", tmp_path / "a.log", *LOSS]
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert (ran.returncode, ran.stderr) == (2, "metricscan: cannot write the output: No space left on device\n")
