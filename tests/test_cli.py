"""The command: what it prints, where, and how it ends; by ``main`` and as a process of its own."""

import fcntl
import gzip
import io
import json
import os
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from types import SimpleNamespace

import pytest

import metricscan
from metricscan.cli import main
from metricscan.replaying import diagnosis

LOSS = ("-m", r"loss=loss=(\S+)")
MODULE = [sys.executable, "-m", "metricscan"]


@pytest.fixture(autouse=True)
def in_a_pipe(monkeypatch):
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys):
    """The command's exit code, output and complaints."""

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return run


def tree(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


@pytest.fixture
def trials(tmp_path, monkeypatch):
    """Logs in the current folder, so that paths are short."""
    monkeypatch.chdir(tmp_path)
    files = {
        "logs/trial_7/stdout": "loss=0.5\n" + "noise\n" * 10_410 + "loss=0.0312 acc=0.5\n",
        "logs/trial_7/params.json": '{"lr": 3e-4, "units": 64}',
        "logs/trial_10/stdout": "loss=0.0625\nacc=x\n",
        "logs/trial_2/stdout": "loss=nan\n",
        "logs/trial_3/stdout": "nothing\n",
    }
    tree(tmp_path, files)
    return "logs"


@pytest.fixture
def log(tmp_path, monkeypatch):
    """A function that writes one log, and gives its path."""
    monkeypatch.chdir(tmp_path)

    def write(content):
        tree(tmp_path, {"a.log": content})
        return "a.log"

    return write


def stdin(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))


def words(line):
    return line.split()


# ---- replay


def test_the_best_job(run, trials):
    code, out, err = run("replay", trials, *LOSS, "--minimize", "loss")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "Best: trial_7, loss 0.0312 at logs/trial_7/stdout:10412, lr=3e-4, units=64"
    assert [words(line) for line in lines[1:6]] == [
        ["rank", "job", "loss", "status", "rows", "place", "hyperparameters"],
        ["1", "trial_7", "0.0312", "found", "2", "stdout:10412", "lr=3e-4", "units=64"],
        ["2", "trial_10", "0.0625", "found", "1", "stdout:1"],
        ["trial_2", "nan", "not_finite", "1", "(1", "not", "finite)", "stdout:1"],
        ["trial_3", "missing", "0"],
    ]
    assert [words(line) for line in lines[6:8]] == [
        ["metric", "rows", "unparsed", "refused", "text"],
        ["loss", "4", "0"],
    ]
    assert lines[8] == f"10,416 records, {10_410 * 6 + 9 + 20 + 18 + 9 + 8:,} bytes"
    assert len(lines) == 9
    assert err == "4 logs, 1 skipped (1 by name, 0 binary)\n"


def test_the_other_end(run, trials):
    code, out, _ = run("replay", trials, *LOSS, "--maximize", "loss")
    assert code == 0
    assert out.splitlines()[0] == "Best: trial_10, loss 0.0625 at logs/trial_10/stdout:1"


def test_no_objective_no_ranking(run, trials):
    code, out, _ = run("replay", trials, *LOSS)
    assert code == 0
    assert words(out.splitlines()[0]) == ["metric", "rows", "unparsed", "refused", "text"]


def test_no_winner_is_nothing_found(run, trials):
    code, out, _ = run("replay", f"{trials}/trial_2", *LOSS, "--minimize", "loss")
    assert code == 1
    assert out.splitlines()[0] == "Best: none; no job has a finite loss"
    code, out, _ = run("replay", f"{trials}/trial_3", *LOSS, "--minimize", "loss", "--json")
    assert code == 1
    assert json.loads(out)["best"] is None


def test_an_unreadable_log_is_wrong_and_the_rest_is_shown(run, trials):
    code, out, err = run("replay", trials, "gone.log", *LOSS, "--minimize", "loss")
    assert code == 2
    assert out.startswith("Best: trial_7")
    assert "metricscan: cannot open gone.log: No such file or directory\n" in err


def test_refused_texts_are_counted_and_shown(run, trials):
    _, out, _ = run("replay", trials, "-m", r"acc=acc=(\S+)")
    assert words(out.splitlines()[1]) == ["acc", "1", "1", "'x'"]


def test_several_streams_are_marked(run, trials, tmp_path):
    tree(tmp_path, {"logs/trial_7/stderr": "loss=1\n"})
    _, out, _ = run("replay", trials, *LOSS, "--minimize", "loss")
    assert "stdout:10412 (last of 2 streams)" in out.splitlines()[2]


def test_statuses_and_other_facts(run, trials, tmp_path):
    tree(tmp_path, {"jobs.csv": 'job,status,hyperparameters\ntrial_7,failed,\ntrial_10,stopped,"{""lr"": 1e-5}"\n'})
    code, out, _ = run("replay", trials, *LOSS, "--minimize", "loss", "--jobs", "jobs.csv")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "Best: trial_10, loss 0.0625 at logs/trial_10/stdout:1, lr=1e-5"
    assert words(lines[2])[:5] == ["1", "trial_10", "0.0625", "found,", "Stopped"]
    assert words(lines[3])[:4] == ["trial_7", "0.0312", "found,", "Failed"]


def test_the_rule_for_jobs(run, trials):
    _, out, _ = run("replay", trials, *LOSS, "--minimize", "loss", "--job", r"(trial)_")
    assert words(out.splitlines()[2])[:2] == ["1", "trial"]
    code, _, err = run("replay", trials, *LOSS, "--job", "(")
    assert code == 2
    assert "not a valid regex" in err


def test_include_and_exclude(run, trials):
    _, out, err = run("replay", trials, *LOSS, "--minimize", "loss", "--exclude", "trial_7/*", "--include", "std*")
    assert out.startswith("Best: trial_10,")
    assert err.startswith("3 logs, 2 skipped")


def test_top(run, trials):
    _, out, _ = run("replay", trials, *LOSS, "--minimize", "loss", "--top", "1")
    lines = out.splitlines()
    assert words(lines[2])[:2] == ["1", "trial_7"]
    assert lines[3] == "  .. 3 more; --top N shows N"
    _, out, _ = run("replay", trials, *LOSS, "--minimize", "loss", "--top", "1", "--json")
    assert [row["job"] for row in json.loads(out)["ranking"]] == ["trial_7"]
    _, out, _ = run("replay", trials, *LOSS, "--minimize", "loss", "--top", "4")
    assert "more" not in out


def test_twenty_jobs_are_shown_unless_asked(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, {f"{number}.log": f"loss={number}\n" for number in range(25)}))
    _, out, _ = run("replay", ".", *LOSS, "--maximize", "loss")
    lines = out.splitlines()
    assert words(lines[21])[:2] == ["20", "5"]
    assert lines[22] == "  .. 5 more; --top N shows N"
    _, out, _ = run("replay", ".", *LOSS, "--maximize", "loss", "--json")
    assert len(json.loads(out)["ranking"]) == 25


@pytest.mark.parametrize("threads", [1, 2])
def test_threads(run, trials, threads):
    expected = run("replay", trials, *LOSS, "--minimize", "loss")
    assert run("replay", trials, *LOSS, "--minimize", "loss", "--threads", threads) == expected


def test_standard_input(run, monkeypatch):
    stdin(monkeypatch, b"loss=0.5\r\nloss=0.25\r\n")
    code, out, _ = run("replay", "-", *LOSS, "--minimize", "loss")
    assert code == 0
    assert out.splitlines()[0] == "Best: stdin, loss 0.25 at -:2"


@pytest.mark.parametrize(
    ("options", "values"),
    [
        ((), [1.0, 2.0, 3.0]),
        (("--matches", "first"), [1.0, 3.0]),
        (("--matches", "last"), [2.0, 3.0]),
        (("--newline", "lf", "--matches", "first"), [1.0]),
        (("--escape", "syslog", "--matches", "first"), [1.0]),
        (("--ansi", "strip"), [1.0, 2.0, 3.0, 4.0]),
    ],
)
def test_options_reach_the_scanner(run, log, tmp_path, options, values):
    name = log("loss=1; loss=2;\rloss=3;lo\x1b[1mss=4;\n")
    code, *_ = run("replay", name, "-m", "loss=loss=(.*?);", "-o", "out", "--format", "jsonl", *options)
    assert code == 0
    rows = [json.loads(line) for line in (tmp_path / "out" / "loss" / "part-0.jsonl").read_text().splitlines()]
    assert [row["value"] for row in rows] == values


# ---- as JSON


def test_the_outcome_as_json(run, trials):
    code, out, err = run("replay", trials, "gone.log", *LOSS, "-m", r"acc=acc=(\S+)", "--minimize", "loss", "--json")
    assert code == 2
    document = json.loads(out, parse_constant=pytest.fail)
    assert err == "metricscan: cannot open gone.log: No such file or directory\n"
    counts = {"failed": 0, "timeouts": 0, "over_budget": 0}
    assert document.pop("ranking")[2:] == [
        {
            "rank": None,
            "job": "trial_2",
            "value": "NaN",
            "objective_status": "not_finite",
            "job_status": None,
            "rows": 1,
            "stream": "stdout",
            "line": 1,
            "offset": 0,
            "hyperparameters": {},
            "streams": 1,
            "not_finite": 1,
            "tied": None,
            "step": None,
            "steps_back": None,
        },
        {
            "rank": None,
            "job": "trial_3",
            "value": None,
            "objective_status": "missing",
            "job_status": None,
            "rows": 0,
            "stream": None,
            "line": None,
            "offset": None,
            "hyperparameters": {},
            "streams": 0,
            "not_finite": 0,
            "tied": None,
            "step": None,
            "steps_back": None,
        },
    ]
    assert document == {
        "objective": {"metric": "loss", "goal": "Minimize", "scope": "last", "step": None},
        "completed_only": False,
        "best": {
            "job": "trial_7",
            "value": 0.0312,
            "path": "logs/trial_7/stdout",
            "stream": "stdout",
            "line": 10412,
            "offset": 62469,
            "hyperparameters": {"lr": "3e-4", "units": "64"},
        },
        "metrics": {
            "loss": {"rows": 4, "unparsed": 0, **counts, "samples": []},
            "acc": {"rows": 1, "unparsed": 1, **counts, "samples": [{"text": "x", "line": 2, "offset": 12}]},
        },
        "logs": 4,
        "skipped": {"by_name": 1, "binary": 0, "not_regular": 0},
        "bytes": 62524,
        "records": 10416,
        "out": None,
        "errors": [{"path": "gone.log", "offset": None, "message": "cannot open gone.log: No such file or directory"}],
    }


def test_json_without_an_objective(run, trials):
    code, out, err = run("replay", trials, *LOSS, "--json", "--out", "out")
    document = json.loads(out)
    assert (code, err) == (0, "")
    assert (document["best"], document["ranking"], document["out"]) == (None, None, "out")


# ---- datasets


def test_a_dataset(run, trials, tmp_path):
    arguments = ("replay", trials, *LOSS, "--minimize", "loss", "--out", "out")
    code, _, err = run(*arguments, "--format", "csv")
    assert code == 0
    assert err.endswith("written: out\n")
    files = ["_manifest.json", "_ranking.csv", "loss"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == files
    assert len((tmp_path / "out" / "loss" / "part-0.csv").read_text().splitlines()) == 5
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert (
        err
        == f"metricscan: {tmp_path}/out is not empty\nhint: overwrite (--overwrite) replaces a dataset that is there\n"
    )
    code, *_ = run(*arguments, "--overwrite")
    assert code == 0
    assert (tmp_path / "out" / "loss" / "part-0.parquet").is_file()


# ---- definitions


def test_definitions_from_a_file_and_from_the_command(run, log, tmp_path):
    name = log("loss=1 acc=2\n")
    definitions = '[{"Name": "loss", "Regex": "loss=([0-9]+)"},]'
    tree(tmp_path, {"d.json": definitions, "wrapped.yaml": f"MetricDefinitions: {definitions}"})
    for file in ("d.json", "wrapped.yaml"):
        code, out, _ = run("replay", name, "-d", file, "-m", "acc=acc=(.*)", "-m", "l=loss=(.*?) ", "--json")
        assert code == 0
        assert {key: value["rows"] for key, value in json.loads(out)["metrics"].items()} == {
            "loss": 1,
            "acc": 1,
            "l": 1,
        }
    code, out, _ = run("replay", name, "--definitions", "d.json", "--json")
    assert list(json.loads(out)["metrics"]) == ["loss"]


def test_definitions_from_several_files(run, log, tmp_path):
    name = log("loss=1 acc=2\n")
    files = {"a.json": '["b=loss=(.)", "a=acc=(.)"]', "c.yaml": "- c=loss=(.)\n", "none.json": '{"x": 1}'}
    tree(tmp_path, files)
    for more in ((), LOSS):
        code, out, _ = run("replay", name, "-d", "a.json", "-d", "c.yaml", *more, "--json")
        assert code == 0
        assert list(json.loads(out)["metrics"]) == ["b", "a", "c", *(["loss"] if more else [])]
    code, _, err = run("replay", name, "-d", "a.json", "-d", "none.json", "-d", "c.yaml", *LOSS)
    assert code == 2
    assert err.startswith("metricscan: a fault in the metric definitions of none.json\n  a dict where a list of")


@pytest.mark.parametrize("command", ["replay", "check"])
def test_all_faults_of_the_definitions_come_in_one_message(run, log, tmp_path, command):
    name = log("loss=1\n")
    tree(tmp_path, {"d.json": '[{"Name": "a", "Regex": "("}, {"name": "b", "Regex": ""}]'})
    code, out, err = run(command, name, "-d", "d.json", "-m", "a=x", "-m", "nothing", "-m", "c=")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "metricscan: 6 faults in the metric definitions",
        "  definition 0 'a': missing ), unterminated subpattern at position 0",
        "      (",
        "      ^",
        "      hint: for the character itself write \\(",
        "  definition 1: unknown key 'name'; Name and Regex were expected",
        "      hint: it is spelled Name",
        "  definition 1: Name is missing",
        "  definition 2 'a': the name is that of definition 0 already",
        "  definition 3: 'nothing' has no =; NAME=REGEX was expected",
        "  definition 4 'c': the regex is empty",
    ]


def test_faults_name_their_file(run, log, tmp_path):
    tree(tmp_path, {"d.json": '[{"Name": "a", "Regex": "\\S+"}]'})
    code, _, err = run("check", log("x\n"), "-d", "d.json")
    assert code == 2
    assert "of d.json" in err
    assert r"write \\S" in err


def test_warnings_go_to_stderr_and_nothing_stops(run, log):
    definition = r"loss=(?P<epoch>\d+): (?P<other>\S+)"
    code, out, err = run("replay", log("3: 0.5\n"), "-m", definition, "--json")
    assert code == 0
    assert json.loads(out)["metrics"]["loss"]["rows"] == 1
    assert err.splitlines()[0].startswith("metricscan: warning: definition 'loss' takes its value from the first group")


@pytest.mark.parametrize("command", ["replay", "check"])
def test_a_warning_is_given_once(run, log, command):
    _, _, err = run(command, log("nothing\n"), "-m", r"loss=(?P<epoch>\d+): (?P<other>\S+)")
    assert err.count("takes its value from the first group") == 1


# ---- wrong use


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("replay",), "Missing argument 'PATH...'"),
        (("replay", "a.log"), "no metric definitions: give --definitions FILE, -m NAME=REGEX or --algorithm NAME"),
        (("check", "a.log"), "no metric definitions"),
        (("replay", "a.log", *LOSS, "--minimize", "a", "--maximize", "b"), "exclude each other"),
        (("replay", "a.log", *LOSS, "--minimize", "los"), "hint: did you mean 'loss'?"),
        (("replay", "a.log", *LOSS, "-m", "val_LOSS=x", "--minimize", "LOSS"), "hint: did you mean 'loss'?"),
        (("replay", "a.log", *LOSS, "--threads", "0"), "0 is not in the range x>=1"),
        (("replay", "a.log", *LOSS, "--top", "0"), "0 is not in the range x>=1"),
        (("replay", "a.log", *LOSS, "--format", "xlsx"), "'xlsx' is not one of 'parquet', 'arrow', 'csv', 'jsonl'"),
        (("replay", "a.log", *LOSS, "--newline", "universal", "--escape", "syslog"), "newline"),
        (("replay", "a.log", *LOSS, "--jobs", "none.csv"), "cannot read the jobs file none.csv: No such file"),
        (("replay", "a.log", *LOSS, "--out", "a.log"), "is a file; a folder was expected"),
        (("check", "a.log", "-d", "none.json"), "cannot read the metric definitions none.json: No such file"),
        (("scan", "a.log"), "No such command 'scan'"),
        (("replay", "a.log", "--sort"), "No such option"),
    ],
)
def test_wrong_use(run, log, arguments, reason):
    log("loss=1\n")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert reason in err


@pytest.mark.parametrize("command", ["replay", "check"])
def test_where_nothing_was_read_the_reason_stands_alone(run, log, command):
    code, out, err = run(command, "gone.log", *LOSS)
    assert (code, out) == (2, "")
    assert err.startswith("metricscan: cannot open gone.log: No such file or directory\n")


def test_an_empty_file_of_definitions(run, log, tmp_path):
    log("loss=1\n")
    for name in ("d.json", "d.yaml", "d"):
        tree(tmp_path, {name: " \n"})
        code, _, err = run("check", "a.log", "-d", name)
        assert code == 2
        assert "the file is empty; a list of" in err


def test_every_command_is_listed_with_a_whole_sentence(run):
    lines = run("--help")[1].partition("Commands:\n")[2]
    assert "..." not in lines
    assert lines.count(".\n") == 6


def test_options_that_several_commands_take_are_the_same(run):
    """What they mean stands at each of them; so does how to have JSON."""
    texts = {name: " ".join(run(name, "--help")[1].split()) for name in ("replay", "check", "audit")}
    for shared in (
        "--newline [universal|lf] What ends a record",
        "--ansi [keep|strip] Remove terminal escape sequences",
        "--untamed [warn|refuse|allow] What to do",
        "--input-format [auto|plain|cloudwatch-json|cloudwatch-csv|s3-export] What the logs are",
        "--threads N Threads.",
        "--json Print the outcome as JSON.",
    ):
        assert all(shared in text for text in texts.values()), shared


def test_help_and_version(run):
    code, out, _ = run("--help")
    assert code == 0
    assert {"check", "replay"} <= set(out.split())
    assert run("replay", "--help")[0] == run("check", "-h")[0] == 0
    code, out, _ = run("--version")
    assert code == 0
    assert metricscan.__version__ in out


# ---- check


def test_check_shows_what_is_captured(run, log):
    code, out, err = run("check", log("epoch 1 loss=0.5 ok\n\tloss=nan\nloss=x\n"), *LOSS)
    assert (code, err) == (0, "")
    assert out.splitlines()[:4] == [
        r"loss  loss=(\S+)  2 rows",
        "       1  epoch 1 loss=0.5 ok  0.5",
        "       2   loss=nan  nan",
        "       3  loss=x  no number",
    ]
    assert words(out.splitlines()[5]) == ["loss", "2", "1", "'x'"]
    assert out.splitlines()[6] == "3 records, 37 bytes"


def test_check_names_the_log_where_there_are_several(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, {"a.log": "loss=1\n", "b.log.gz": gzip.compress(b"\nloss=2\n")}))
    code, out, _ = run("check", "a.log", "b.log.gz", *LOSS)
    assert code == 0
    assert [words(line) for line in out.splitlines()[1:3]] == [
        ["a.log:1", "loss=1", "1.0"],
        ["b.log.gz:2", "loss=2", "2.0"],
    ]


def test_check_cuts_what_is_around_a_match(run, log):
    _, out, _ = run("check", log("<" * 100 + "loss=1 " + ">" * 100 + "\n"), *LOSS)
    assert out.splitlines()[1] == f"       1  {'<' * 30}loss=1 {'>' * 29}  1.0"


def test_check_shows_twenty_hits_of_each_definition(run, log):
    text = "".join(f"loss={number} loss={number}\nacc={number}\n" for number in range(30))
    _, out, _ = run("check", log(text), *LOSS, "-m", "acc=acc=(.*)")
    lines = out.splitlines()
    assert lines[0] == r"loss  loss=(\S+)  60 rows"
    assert lines[21] == "  .. 40 more"
    assert lines[22] == "acc  acc=(.*)  30 rows"
    assert lines[43] == "  .. 10 more"


def test_check_counts_the_rows_that_it_does_not_show(run, log):
    _, out, _ = run("check", log("loss=x\n" * 4 + "loss=1\n" * 30), *LOSS)
    lines = out.splitlines()
    shown = [line for line in lines if line.endswith(" 1.0")]
    assert f"  .. {30 - len(shown)} more" in lines


def test_check_shows_twenty_hits_over_all_logs(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, {f"{number}.log": "loss=1\n" * 8 for number in range(4)}))
    _, out, _ = run("check", ".", *LOSS)
    lines = out.splitlines()
    assert [words(line)[0] for line in lines[17:22]] == ["./2.log:1", "./2.log:2", "./2.log:3", "./2.log:4", ".."]
    assert lines[21] == "  .. 12 more"


def test_check_finds_hits_far_into_a_log(run, log):
    """Further than a chunk, over records longer than one, in records that end with a CR."""
    text = "x" * 600_000 + "loss=1\n" + "noise\r" * 100_000 + "loss=2\r" + "y" * 300_000 + " loss=3"
    code, out, _ = run("check", log(text), *LOSS)
    assert code == 0
    assert [words(line) for line in out.splitlines()[1:4]] == [
        ["1", "x" * 30 + "loss=1", "1.0"],
        ["2", "loss=2", "2.0"],
        ["2", "y" * 29, "loss=3", "3.0"],
    ]


@pytest.mark.parametrize(
    ("options", "text", "shown"),
    [
        (("--escape", "syslog"), "a\tloss=1;\n", "#011loss=1;"),
        (("--ansi", "strip"), "a\x1b[1m#011loss=\x1b[0m1;\n", "#011loss=1;"),
    ],
)
def test_check_shows_a_record_as_it_is_matched(run, log, options, text, shown):
    code, out, _ = run("check", log(text), "-m", "loss=#011loss=(.*?);", *options)
    assert code == 0
    assert words(out.splitlines()[1]) == ["1", shown, "1.0"]


def test_check_reads_standard_input(run, monkeypatch):
    stdin(monkeypatch, b"noise\nloss=1\n")
    code, out, _ = run("check", "-", *LOSS)
    assert code == 0
    assert out.splitlines()[1] == "       2  loss=1  1.0"


def test_check_of_an_unreadable_log(run, log):
    code, out, err = run("check", log("loss=1\n"), "gone.log", *LOSS)
    assert code == 2
    assert "loss=1" in out
    assert err == "metricscan: cannot open gone.log: No such file or directory\n"


def test_check_of_a_log_that_breaks_off(run, tmp_path, monkeypatch):
    whole = gzip.compress("".join(f"loss={number}\n" for number in range(5000)).encode())
    monkeypatch.chdir(tree(tmp_path, {"a.log.gz": whole[: len(whole) // 2]}))
    code, out, err = run("check", "a.log.gz", *LOSS)
    assert code == 2
    assert out.splitlines()[1] == "       1  loss=0  0.0"
    assert "damaged or truncated gzip" in err
    stdin(monkeypatch, whole[: len(whole) // 2])
    assert run("check", "-", *LOSS)[:2] == (code, out)


def test_nothing_in_a_pipe_steers_a_terminal(run, log):
    text = "\x1b[31mloss=1\x1b[0m\x07 \x1b]0;title\x07\nloss=\x1b[1mx\r\x00\n"
    for command in ("check", "replay"):
        code, out, err = run(command, log(text), *LOSS, "-m", r"acc=acc=(\S+)")
        assert code == (1 if command == "check" else 0)
        assert not set(out + err) & {"\x1b", "\x07", "\x00", "\r"}


@pytest.mark.parametrize("name", ["loss[red]", "loss[/]", "a:100:b", ":x:", "[b]x"])
def test_no_name_is_taken_for_markup(run, tmp_path, monkeypatch, name):
    definition = f"{name}=loss=(.*)"
    monkeypatch.chdir(tree(tmp_path, {f"{name.replace('/', '')}/stdout": "loss=1\n", "o/stdout": "loss=x[b]:100:\n"}))
    code, out, _ = run("replay", ".", "-m", definition, "--minimize", name)
    lines = out.splitlines()
    job = name.replace("/", "")
    assert code == 0
    assert lines[0] == f"Best: {job}, {name} 1.0 at ./{job}/stdout:1"
    assert words(lines[1])[:3] == ["rank", "job", name]
    assert words(lines[2])[:3] == ["1", job, "1.0"]
    assert "'x[b]:100:'" in out
    _, out, _ = run("check", "o/stdout", "-m", definition)
    assert out.splitlines()[0] == f"{name}  loss=(.*)  0 rows"
    assert f"{name} found nothing: it captured a text that is not a number: 'x[b]:100:' (first in line 1)" in out


@pytest.mark.skipif(sys.platform != "linux", reason="a file system that takes any bytes for a name")
@pytest.mark.parametrize("arguments", [["check"], ["replay", "--minimize", "loss"], ["replay", "--json"]])
def test_a_name_that_is_no_utf8_is_shown_somehow(run, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tree(tmp_path, {os.fsdecode(b"caf\xe9.log"): "loss=1\n", "plain.log": "loss=2\n"}))
    code, out, _ = run(arguments[0], ".", *LOSS, *arguments[1:])
    assert code == 0
    if "--json" not in arguments:
        # once as the name of a job, once as a path: spelled one way
        assert r"caf\xe9" in out
        assert "udce9" not in out


# ---- check as JSON


def test_what_check_found_as_json(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, {"a.log": "loss=0.5\nloss=x\nloss=inf\n", "b.log": "loss=2\n", "c.json": "{}"}))
    (tmp_path / "link").symlink_to("nowhere")
    definitions = (*LOSS, "-m", "acc=acc=([0-9.]+)", "--label", r"who=^(\w)oss=2")
    code, out, err = run("check", ".", "gone.log", *definitions, "--json", "--threads", "2")
    assert (code, err) == (2, "metricscan: cannot open gone.log: No such file or directory\n")
    document = json.loads(out, parse_constant=pytest.fail)
    metrics = document.pop("metrics")
    assert document == {
        "logs": 2,
        "skipped": {"by_name": 1, "binary": 0, "not_regular": 1},
        "bytes": 32,
        "records": 4,
        "errors": [{"path": "gone.log", "offset": None, "message": "cannot open gone.log: No such file or directory"}],
    }
    assert list(metrics) == ["loss", "acc", "who"]
    loss, acc, who = metrics.values()
    assert (loss["regex"], loss["rows"], loss["unparsed"]) == (r"loss=(\S+)", 3, 1)
    assert loss["samples"] == [{"text": "x", "line": 2, "offset": 9}]
    hit = {"path": "./a.log", "before": "loss=", "after": ""}
    assert loss["hits"] == [
        hit | {"line": 1, "value": "0.5", "number": 0.5},
        hit | {"line": 2, "value": "x", "number": None},
        hit | {"line": 3, "value": "inf", "number": "Infinity"},
        hit | {"line": 1, "value": "2", "number": 2.0, "path": "./b.log"},
    ]
    assert (loss["reasons"], who["reasons"]) == ([], [])
    assert acc["reasons"] == ["its literal 'acc=' does not occur in the logs"]
    assert [finding["code"] for finding in acc["findings"]] == ["no-sign-or-exponent"]
    assert [one["value"] for one in who["hits"]] == ["l"]


def test_check_as_json_ends_as_check_does(run, log):
    name = log("loss=1\n")
    assert run("check", name, *LOSS, "--json")[0] == 0
    assert run("check", name, *LOSS, "-m", "acc=acc=(.)", "--json")[0] == 1
    code, out, _ = run("check", log(""), *LOSS, "--json")
    assert code == 1
    assert (json.loads(out)["records"], json.loads(out)["metrics"]["loss"]["reasons"]) == (0, [])


@pytest.mark.parametrize("threads", [1, 3])
def test_threads_change_nothing_in_check(run, log, monkeypatch, threads):
    monkeypatch.setattr("metricscan.scanning.blocks.SERIAL_BYTES", 1)
    name = log("loss=1\nnoise\n" * 5_000)
    expected = run("check", name, *LOSS)
    assert run("check", name, *LOSS, "--threads", threads) == expected


def test_check_finds_the_logs_that_replay_finds(run, tmp_path, monkeypatch):
    events = [{"timestamp": 1, "message": "loss=1", "logStreamName": f"job-{n}/algo-1-1"} for n in (1, 2)]
    monkeypatch.chdir(tree(tmp_path, {"events.json": json.dumps({"events": events}), "other.json": "{}"}))
    code, out, _ = run("check", ".", *LOSS, "--json")
    document = json.loads(out)
    assert (code, document["skipped"]["by_name"]) == (0, 1)
    assert [hit["path"] for hit in document["metrics"]["loss"]["hits"]] == ["./events.json"] * 2
    assert run("check", ".", *LOSS, "--input-format", "plain")[0] == 2


# ---- why a definition found nothing


def reason(run, log, text, definition, *options):
    """What both commands say of a definition that found nothing."""
    said = []
    name = log(text)
    for command, code in (("check", 1), ("replay", 0)):
        result = run(command, name, "-m", f"loss={definition}", *options)
        assert result[0] == code
        (line,) = (line for line in result[1].splitlines() if line.startswith("loss found nothing: "))
        said.append(line.removeprefix("loss found nothing: "))
    assert said[0] == said[1]
    return said[0]


def test_a_literal_that_is_not_there(run, log):
    assert reason(run, log, "a closs=1\n", "loss: (.*)") == "its literal 'loss: ' does not occur in the logs"
    assert reason(run, log, "epoch 1\n", "perplexity=(.*)") == "its literal 'perplexity=' does not occur in the logs"


def test_a_literal_that_is_there_without_its_value(run, log):
    said = reason(run, log, "noise\nstep 3 loss=0.5, ok\nloss=1,\n", r"loss=([0-9.]+);")
    assert said == (
        "its literal 'loss=' occurs 2 times, but the rest of its regex does not match there: 'step 3 loss=0.5, ok' (a.log:2)"
    )
    assert "occurs once" in reason(run, log, "loss=1,\n", r"loss=([0-9.]+);")


def test_a_sample_is_not_too_long(run, log):
    said = reason(run, log, "x" * 1000 + "loss=-" + "y" * 1000, r"loss=([0-9.]+)")
    assert "..." in said
    assert "xloss=-y" in said
    assert len(said) < 300


@pytest.mark.parametrize(
    ("text", "definition", "seen"),
    [
        ("Loss = 0.5; x\n", "Loss=(.*?);", "Loss ="),
        ("Loss=0.5; x\n", "Loss = (.*?);", "Loss="),
        ("loss=0.5; x\n", "Loss=(.*?);", "loss="),
        ("LOSS : 0.5; x\n", "loss: (.*?);", "LOSS :"),
        ("my_loss=1 loss=0.5; x\n", "loss: (.*?);", "loss="),
        ("x Loss -> 0.5;\n", "loss=(.*?);", "Loss -"),
    ],
)
def test_a_slip_in_spaces_or_capitals(run, log, text, definition, seen):
    said = reason(run, log, text, definition)
    assert said.startswith("its literal 'Loss" if definition[0] == "L" else "its literal 'loss")
    assert f"does not occur in the logs, but '{seen}" in said
    assert f"{text.strip()!r} (a.log:1)" in said


def test_captures_that_are_no_numbers(run, log):
    said = reason(run, log, "x\nloss=84.3%\nloss=84.3%\nloss=n/a\n", r"loss=(\S+)")
    assert said == "it captured 3 texts that are not numbers: '84.3%', 'n/a' (first in line 2)"
    said = reason(run, log, "loss=1,5\n", r"loss=(\S+)")
    assert said == "it captured a text that is not a number: '1,5' (first in line 1)"


@pytest.mark.parametrize(
    ("text", "definition", "flags"),
    [
        ("lo\x1b[1mss=1\n", r"loss=(\d+)", "--ansi strip (1 rows)"),
        ("[1]\tloss=1\n[2]\tloss=2\n", r"#011loss=(\d+)", "--escape syslog (2 rows)"),
        ("[1]\tlo\x1b[1mss=1\n", r"#011loss=(\d+)", "--ansi strip --escape syslog (1 rows)"),
    ],
)
def test_logs_that_match_only_with_an_option(run, log, text, definition, flags):
    assert reason(run, log, text, definition) == f"it matches only with {flags}"


@pytest.mark.parametrize("encoding", ["utf-16le", "utf-16be"])
def test_a_log_in_utf_16(run, log, encoding):
    said = reason(run, log, "\ufeffloss=1\r\n".encode(encoding), r"loss=(\d)")
    assert said == (
        "its literal 'loss=' does not occur in the logs, but in UTF-16 it does: a.log is not UTF-8; "
        f"iconv -f {encoding.upper()} -t UTF-8 converts it"
    )


def test_no_literal_at_all(run, log):
    assert reason(run, log, "abc\n", r"(\d+)") == "no record in the logs matches it"


def test_only_the_silent_are_explained(run, log):
    code, out, _ = run("check", log("loss=1\n"), *LOSS, "-m", "acc=acc=(.*)", "-m", "it/s=(.*)it/s")
    assert code == 1
    assert [line.split(":")[0] for line in out.splitlines() if "found nothing" in line] == [
        "acc found nothing",
        "it/s found nothing",
    ]


def test_of_many_that_found_nothing_the_objective_comes_first_then_what_can_be_had(run, log):
    metrics = [argument for name in "abcdefgh" for argument in ("-m", rf"{name}={name}=(\d+)")]
    arguments = ("replay", log("[1]\tloss=1\n"), *metrics, "-m", r"loss=#011loss=(\d+)", "--minimize", "h")
    out = run(*arguments)[1]
    said = [line.split(":")[0] for line in out.splitlines() if "found nothing" in line]
    assert said == [*(f"{name} found nothing" for name in ("h", "loss", "a", "b", "c")), "4 more found nothing"]
    assert "loss found nothing: it matches only with --escape syslog (1 rows)\n" in out


def test_what_was_read_again_is_bounded(run, log, monkeypatch):
    monkeypatch.setattr(diagnosis, "MOST_BYTES", 10)
    said = reason(run, log, "loss\n" * 4 + "acc=x\n", r"acc=(\d+)")
    assert said == "its literal 'acc=' does not occur in the part that was read again"


def test_a_compressed_log_is_explained_too(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, {"a.log.gz": gzip.compress(b"loss=-\n")}))
    _, out, _ = run("check", "a.log.gz", "-m", r"loss=loss=(\d+)")
    assert (
        "its literal 'loss=' occurs once, but the rest of its regex does not match there: 'loss=-' (a.log.gz:1)" in out
    )


@pytest.mark.parametrize("command", ["check", "replay"])
def test_nothing_false_is_said_of_standard_input(run, monkeypatch, command):
    """It cannot be read again: what stood in it is not known."""
    stdin(monkeypatch, b"loss=-\n")
    _, out, _ = run(command, "-", "-m", r"loss=loss=(\d+)")
    assert "loss found nothing" in out
    assert "does not occur" not in out


def test_nothing_false_is_said_of_a_log_that_is_escaped(run, log):
    said = reason(run, log, "\tloss=-\n", r"#011loss=(\d+)", "--escape", "syslog")
    assert "does not occur" not in said


# ---- as a process


def test_help_is_cheap():
    script = (
        "import sys; from metricscan.cli import main; "
        "assert main(sys.argv[1:]) == 0; "
        "print(*{'pyarrow', 'numpy', 'regex', 'yaml', 'rich.console', 'metricscan._core'} & set(sys.modules), file=sys.stderr)"
    )
    for arguments in (["--help"], ["replay", "--help"], ["check", "--help"]):
        ran = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True, timeout=60
        )
        assert ran.stderr.split() == []
        assert "--help" in ran.stdout


def test_as_a_module(trials):
    command = [*MODULE, "replay", trials, *LOSS, "--minimize", "loss"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0
    assert ran.stdout.startswith("Best: trial_7, loss 0.0312 at logs/trial_7/stdout:10412, lr=3e-4")
    assert "\x1b" not in ran.stdout + ran.stderr
    assert ran.stderr == "4 logs, 1 skipped (1 by name, 0 binary)\n"


@pytest.mark.parametrize("command", ["replay", "check"])
def test_a_pipe_is_read(command):
    ran = subprocess.run(
        [*MODULE, command, "-", *LOSS], input=b"loss=1\n" * 100_000, capture_output=True, check=False, timeout=60
    )
    assert ran.returncode == 0
    assert b"100,000" in ran.stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="has no /dev/full")
@pytest.mark.parametrize("arguments", [["replay", "--json"], ["replay"], ["check"]])
def test_output_that_cannot_be_written(tmp_path, arguments):
    (tmp_path / "a.log").write_text("loss=1\n")
    with open("/dev/full", "wb") as full:
        arguments = [*MODULE, *arguments, tmp_path / "a.log", *LOSS]
        ran = subprocess.run(arguments, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert ran.stderr.splitlines()[-1] == "metricscan: cannot write the output: No space left on device"
    assert "Traceback" not in ran.stderr
    assert ran.returncode == 2


def test_a_working_folder_that_is_gone(tmp_path):
    (tmp_path / "a.log").write_text("loss=1\n")
    gone = tmp_path / "gone"
    gone.mkdir()
    command = 'rmdir "$PWD" && exec "$@"'
    arguments = ["replay", str(tmp_path / "a.log"), *LOSS, "--out", "out"]
    ran = subprocess.run(
        ["/bin/sh", "-c", command, "sh", *MODULE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=gone,
        env={**os.environ, "PYTHONPATH": str(Path(metricscan.__file__).parent.parent)},
    )
    assert ran.returncode == 2
    assert ran.stderr.splitlines()[-1] == "metricscan: [Errno 2] No such file or directory"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_that_are_closed(tmp_path, closed):
    (tmp_path / "a.log").write_text("loss=1\n")
    command = f'exec "$@" {closed}'
    arguments = ["replay", "-", "a.log", *LOSS, "--minimize", "loss", "--out", "out"]
    ran = subprocess.run(
        ["/bin/sh", "-c", command, "sh", *MODULE, *arguments],
        input="",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=tmp_path,
    )
    assert ran.returncode == 0
    assert "Traceback" not in ran.stderr
    # nothing was printed into a file that has the number of what was closed
    assert (tmp_path / "a.log").read_text() == "loss=1\n"
    assert metricscan.Dataset(tmp_path / "out")["loss"]["value"].to_pylist() == [1.0]


@pytest.mark.parametrize("arguments", [["replay", "--json"], ["replay"], ["check"], ["--help"]])
def test_a_reader_that_has_gone_is_no_fault(tmp_path, arguments):
    (tmp_path / "a.log").write_text("loss=1\n" * 1000)
    if arguments != ["--help"]:
        arguments = [*arguments, tmp_path / "a.log", *LOSS]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as gone:
        ran = subprocess.run([*MODULE, *arguments], stdout=gone, stderr=subprocess.PIPE, check=False, timeout=60)
    assert b"Traceback" not in ran.stderr
    assert b"rror" not in ran.stderr
    assert ran.returncode == 0


def wait_until_it_waits(process):
    """Until the child has read what the pipe held, and sits there reading on: looked at often, as each look may lie."""
    seen = 0
    while process.poll() is None and seen < 200:
        (left,) = struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4)))
        state = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0]
        seen = seen + 1 if left == 0 and state == "S" else 0
        os.sched_yield()


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "arguments", [["replay", "-", "--out", "out"], ["replay", "-", "--out", "out", "--threads", "2"], ["check", "-"]]
)
def test_an_interrupt_leaves_nothing(tmp_path, arguments, sent):
    with subprocess.Popen(
        [*MODULE, *arguments, *LOSS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    ) as process:
        # more than a pipe holds: when all is written, the scan is under way
        process.stdin.write(b"loss=1\n" * 200_000)
        process.stdin.flush()
        wait_until_it_waits(process)
        process.send_signal(sent)
        try:
            process.wait(60)
        finally:
            process.kill()
        out, err = process.stdout.read(), process.stderr.read()
    assert process.returncode == 128 + sent
    assert (out, err.strip()) == (b"", b"metricscan: interrupted")
    assert list(tmp_path.iterdir()) == []


def through_a_pipe(path, log, *arguments):
    """The command's exit code and output, of a named pipe that is filled once: who opens it again waits for ever."""
    os.mkfifo(path)
    with subprocess.Popen(
        [*MODULE, *arguments], cwd=path.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            path.write_bytes(log)
            out, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    return process.returncode, out


def test_a_pipe_that_is_named_is_read_once(run, tmp_path, monkeypatch):
    text = b"loss=1\nloss=x\nloss=2\n"
    definitions = (*LOSS, "-m", r"other=zzz(\d)")
    stdin(monkeypatch, text)
    _, wanted, _ = run("check", "-", *definitions)
    code, out = through_a_pipe(tmp_path / "pipe", text, "check", "pipe", *definitions)
    assert code == 1
    assert out == wanted.replace("standard input", "pipe")
    assert "other found nothing: pipe cannot be read again to see why" in out
    assert [line.split() for line in out.splitlines()[1:4]] == [
        ["1", "loss=1", "1.0"],
        ["2", "loss=x", "no", "number"],
        ["3", "loss=2", "2.0"],
    ]
    code, out = through_a_pipe(tmp_path / "again", text, "replay", "again", *definitions, "--minimize", "loss")
    assert code == 0
    assert out.startswith("Best: again, loss 2.0 at again:3\n")
    assert out.endswith("other found nothing: again cannot be read again to see why\n")
