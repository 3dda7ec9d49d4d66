"""metricscan follow: JSON lines, the live table, journals, and how it ends."""

import json
import os
import pty
import re
import signal
import subprocess
import time

import pytest
from support.command import LOSS, MODULE

import metricscan

QUICK = ("--poll-interval", "0.01", "--commit-interval", "0.02")


def append(path, text):
    with open(path, "ab", buffering=0) as file:
        file.write(text.encode())


@pytest.fixture
def logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    append("logs/trial_1.log", "loss=0.5\nloss=nan\nloss=2")
    return "logs"


@pytest.fixture
def started(logs):
    """Begins the command as a process, whose output is read line by line."""
    running = []

    def start(*arguments):
        command = [*MODULE, "follow", logs, *LOSS, *QUICK, *arguments]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_rows_as_json_lines(run, logs):
    code, out, err = run("follow", logs, *LOSS, "--json", "--until", "idle:0")
    assert (code, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()] == [
        {**place, "job": "trial_1", "stream": "trial_1.log", "part": 0, "metric": "loss"}
        for place in (
            {"value": 0.5, "line": 1, "offset": 0, "start": 5},
            {"value": "NaN", "line": 2, "offset": 9, "start": 14},
            {"value": 2.0, "line": 3, "offset": 18, "start": 23},
        )
    ]


def test_a_journal_goes_on_with_the_step_of_before(run, logs):
    definitions = [*LOSS, "-m", "epoch=epoch=([0-9]+)", "-m", "it=it=([0-9]+)"]
    following = ["follow", logs, *definitions, "--until", "idle:0", "--out"]
    said = (
        "metricscan: the journal {} was begun with --step epoch\n"
        "hint: go on with --step epoch, or begin another journal with another --out\n"
    )
    for out, wrong in (("none", []), ("other", ["--step", "it"])):
        assert run(*following, out, "--step", "epoch")[0] == 0
        append("logs/trial_1.log", "\nloss=3\n")
        assert run(*following, out, *wrong) == (2, "", said.format(out))
        assert run(*following, out, "--step", "epoch")[0] == 0
    # the last line had no end, so the state of the stream is kept
    append("logs/trial_1.log", "loss=4")
    assert run(*following, "without")[0] == 0
    append("logs/trial_1.log", "\nloss=3\n")
    code, _, err = run(*following, "without", "--step", "epoch")
    assert (code, err.splitlines()) == (
        2,
        [
            "metricscan: the journal without was begun without --step",
            "hint: go on without it, or begin another journal with another --out",
        ],
    )


def test_rows_with_their_steps(run, logs):
    append("logs/b.log", "epoch=1 loss=0.5\nloss=0.25\n")
    arguments = [*LOSS, "-m", "epoch=epoch=([0-9]+)", "--label", "who=who=(.)", "--step", "epoch", "--json"]
    code, out, _ = run("follow", "logs/b.log", *arguments, "--until", "idle:0")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(row["metric"], row["value"], row["step"]) for row in rows] == [("loss", 0.5, 1), ("loss", 0.25, 1)]


def test_rows_of_the_step_metric_and_of_labels_are_not_among_those_with_steps(run, logs):
    append("logs/b.log", "epoch=1\n")
    arguments = [*LOSS, "-m", "epoch=epoch=([0-9]+)", "--label", "who=who=(.)", "--step", "epoch", "--json"]
    # a batch that holds nothing else
    assert run("follow", "logs/b.log", *arguments, "--until", "idle:0")[:2] == (0, "")
    append("logs/b.log", "who=a\nloss=1\n")
    code, out, _ = run("follow", "logs/b.log", *arguments, "--until", "idle:0")
    assert (code, [json.loads(line)["metric"] for line in out.splitlines()]) == (0, ["loss"])


def test_a_journal_is_gone_on_with(run, logs):
    arguments = ["follow", logs, *LOSS, "--out", "journal", "--until", "idle:0"]
    assert run(*arguments) == (0, "", "written: journal; rank and plot read it\n")
    append("logs/trial_1.log", "5\nloss=3\n")
    code, out, _ = run(*arguments, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert lines[0] == {"replaced": {"job": "trial_1", "stream": "trial_1.log", "part": 0, "offset": 18}}
    assert [line["value"] for line in lines[1:]] == [25, 3]
    code, out, _ = run("rank", "journal", "--minimize", "loss", "--scope", "min")
    assert code == 0
    assert out.startswith("Best: trial_1, loss (min) 0.5 at ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_after_a_commit(started, number, code):
    process = started("--out", "journal", "--json")
    assert [json.loads(process.stdout.readline())["value"] for _ in range(2)] == [0.5, "NaN"]
    append("logs/trial_1.log", "\n")
    assert json.loads(process.stdout.readline())["value"] == 2
    process.send_signal(number)
    begin = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - begin < 30
    assert (process.returncode, out) == (code, "")
    assert err == "written: journal; the same command goes on there\n"
    assert metricscan.Dataset("journal")["loss"].num_rows == 3


def test_rows_come_while_it_runs(started):
    process = started("--json")
    assert [json.loads(process.stdout.readline())["value"] for _ in range(2)] == [0.5, "NaN"]
    append("logs/new.log", "loss=7\n")
    assert json.loads(process.stdout.readline())["job"] == "new"


def test_a_reader_that_goes_away(started):
    process = started("--json", "--out", "journal")
    process.stdout.readline()
    process.stdout.close()
    append("logs/trial_1.log", "\nloss=1\n")
    assert process.wait(60) == 0
    assert process.stderr.read() == ""


def test_losses_are_said_escaped(run, logs):
    os.rename("logs/trial_1.log", "logs/a\x1b[31m.log")
    arguments = ["follow", logs, *LOSS, "--out", "journal", "--until", "idle:0"]
    run(*arguments)
    os.truncate("logs/a\x1b[31m.log", 0)
    append("logs/a\x1b[31m.log", "loss=8\n")
    code, _, err = run(*arguments)
    assert code == 0
    assert "a\\x1b[31m.log was truncated" in err
    assert "of part 0, bytes from 18 on may be lost; it was seen with 24 bytes" in err
    assert "\x1b" not in err


def test_a_container_log_is_decoded(run, logs):
    append("logs/c.log", '{"log":"loss=7\\n","stream":"stderr","time":"2026-03-01T10:00:00.5Z"}\n')
    code, out, _ = run("follow", logs, *LOSS, "--json", "--until", "idle:0")
    assert code == 0
    assert '"job": "c", "stream": "stderr", "part": 0, "metric": "loss", "value": 7' in out


def test_what_no_command_reads_is_refused(run, logs):
    append("logs/c.log", '{"queryLanguage": "CWLI", "results": [[{"field": "@message", "value": "loss=1"}]]}\n')
    code, out, err = run("follow", logs, *LOSS, "--json", "--until", "idle:0")
    assert code == 2
    assert len(out.splitlines()) == 3
    assert "c.log is the answer of aws logs get-query-results\nhint: " in err


def test_a_live_table_on_a_terminal(logs):
    terminal, side = pty.openpty()
    command = [*MODULE, "follow", logs, *LOSS, "--until", "idle:1", *QUICK]
    process = subprocess.Popen(command, stdout=side, stderr=side, env={**os.environ, "TERM": "xterm"})
    os.close(side)
    shown = b""
    try:
        while data := os.read(terminal, 4096):
            shown += data
    except OSError:
        # the terminal of a process that has ended
        pass
    os.close(terminal)
    assert process.wait(60) == 0
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert text.rpartition("job")[2].split()[:3] == ["loss", "trial_1", "2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the output is no terminal: --json prints the rows, --out DIR keeps them"),
        (["--json", "--until", "noon"], "until='noon': idle:SECONDS, pid:NUMBER or file:PATH was expected"),
        (["--json", "--poll-interval", "-1"], "-1.0 is not in the range"),
        (["--json", "--step", "epoch"], "the step metric 'epoch' is not among the metrics"),
        (["--out", "logs"], "logs is not empty and not a journal"),
    ],
)
def test_wrong_usage(run, logs, arguments, message):
    code, _, err = run("follow", logs, *LOSS, *arguments)
    assert code == 2
    assert message in err


def test_standard_input_cannot_be_followed(run, logs):
    code, _, err = run("follow", "-", *LOSS, "--json")
    assert code == 2
    assert "standard input is no file" in err


def test_what_gave_no_row_is_told_at_the_end(run, logs):
    append("logs/trial_1.log", "\nloss=1.2.3\n" + "x" * 300_000 + " loss=1\n")
    code, out, err = run(
        "follow", logs, "-m", "loss=loss=([0-9.]+)", "--json", "--until", "idle:0", "--max-record-bytes", "256K"
    )
    assert code == 0
    assert [json.loads(line)["value"] for line in out.splitlines()] == [0.5, 2]
    assert err.splitlines() == [
        "loss: 1 value that is not a number: no rows, for example '1.2.3'",
        "1 record of more than --max-record-bytes: no rows",
    ]


def joined(out, *names):
    return [[json.loads(line).get(name) for name in ("value", *names)] for line in out.splitlines()]


def test_steps_that_stand_behind_their_values(run, logs):
    append("logs/trial_1.log", "\nepoch 1\nloss=3\n---\nepoch 2\nloss=4\n")
    command = ("follow", logs, *LOSS, "-m", "epoch=epoch ([0-9]+)", "--step", "epoch", "--json", "--until", "idle:0")
    for options, steps in (
        ((), [None, None, None, 1, 2]),
        (("--step-place", "after"), [1, 1, 1, 2, None]),
        (("--step-place", "block"), [1, 1, 1, 1, 2]),
        (("--block", "^epoch 2"), [1, 1, 1, 1, 2]),
    ):
        code, out, _ = run(*command, *options)
        assert code == 0
        assert sorted((value, step) for value, step in joined(out, "step") if value != "NaN") == [
            (value, step) for value, step in zip((0.5, 2, 3, 4), (steps[0], *steps[2:]), strict=True)
        ]


def test_rows_show_their_workers(run, logs):
    append("logs/trial_1.log", "\nrank 1 loss=3\nphase eval\nloss=4\n")
    command = ("follow", logs, *LOSS, "-m", "rank=rank ([0-9]+)", "--label", "phase=phase (\\w+)", "--json")
    code, out, _ = run(*command, "--worker", "rank", "--worker", "phase", "--carry", "phase", "--until", "idle:0")
    assert code == 0
    assert joined(out, "workers")[2:] == [
        [2.0, {"rank": None, "phase": None}],
        [3.0, {"rank": 1.0, "phase": None}],
        [4.0, {"rank": None, "phase": "eval"}],
    ]


def test_wrong_options_are_told_by_their_names(run, logs):
    for options, said in (
        (("--step-place", "after"), "--step-place='after' needs --step=NAME"),
        (("--carry", "loss"), "--carry='loss': one of the workers was expected"),
        (("--worker", "rank"), "the worker 'rank' is not among the metrics"),
    ):
        code, out, err = run("follow", logs, *LOSS, "--json", *options, "--until", "idle:0")
        assert (code, out) == (2, "")
        assert said in err
