"""What every command is given: definitions, wrong options, help; and where the messages about them go."""

import json

import pytest
from support.command import LOSS
from support.folders import tree

import metricscan

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
    assert err.startswith(
        "metricscan: an error in the metric definitions of none.json\n  'x': int 1 where a regex was expected"
    )


@pytest.mark.parametrize("command", ["replay", "check"])
def test_all_errors_of_the_definitions_come_in_one_message(run, log, tmp_path, command):
    name = log("loss=1\n")
    tree(tmp_path, {"d.json": '[{"Name": "a", "Regex": "("}, {"Nmae": "b", "Regex": ""}]'})
    code, out, err = run(command, name, "-d", "d.json", "-m", "a=x", "-m", "nothing", "-m", "c=")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "metricscan: 5 errors in the metric definitions (counting from 0)",
        "  definition 0 'a': missing ), unterminated subpattern at position 0",
        "      (",
        "      ^",
        "      hint: close the group with ), or write \\( for the character",
        "  definition 1: unknown key 'Nmae'; Name and Regex were expected",
        "      hint: did you mean Name?",
        "  definition 2 'a': the name is already that of definition 0",
        "  definition 3: 'nothing' has no =; NAME=REGEX was expected",
        "  definition 4 'c': the regex is empty",
    ]


@pytest.mark.parametrize("more", [(), ("-m", "b=y")])
def test_warnings_are_printed_though_an_error_follows(run, log, tmp_path, more):
    tree(tmp_path, {"d.py": "definitions = [{'Name': 'a', 'Regex': '\\d('}]"})
    code, _, err = run("check", log("x\n"), "-d", "d.py", *more)
    assert code == 2
    first, second = err.splitlines()[:2]
    assert first.startswith(r"metricscan: warning: d.py: line 1, column 40: \d in a Python string: the backslash")
    assert second.startswith("metricscan: an error in the metric definitions")


def test_a_warning_of_a_file_that_is_good_is_printed_once(run, log, tmp_path):
    tree(tmp_path, {"d.txt": "definitions = {'a': 'a=(\\d)'}"})
    for more in ((), ("-m", "b=y")):
        code, _, err = run("replay", log("a=1\n"), "-d", "d.txt", *more, "--json")
        assert (code, err.count("in a Python string")) == (0, 1)


def test_errors_name_their_file(run, log, tmp_path):
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


# ---- wrong usage


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("replay",), "Missing argument 'PATH...'"),
        (("replay", "a.log"), "no metric definitions: give --definitions FILE, -m NAME=REGEX or --algorithm NAME"),
        (("check", "a.log"), "no metric definitions"),
        (("replay", "a.log", *LOSS, "--minimize", "a", "--maximize", "b"), "not both"),
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
        (("explain", "a.log"), "No such command 'explain'. metricscan check shows what each definition captures"),
        (("replay", "a.log", "--sort"), "No such option"),
    ],
)
def test_wrong_usage(run, log, arguments, reason):
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
    assert lines.count(".\n") == 14


def test_options_that_several_commands_take_are_the_same(run):
    """What they mean stands at each of them; so does how to have JSON."""
    texts = {name: " ".join(run(name, "--help")[1].split()) for name in ("replay", "check", "audit")}
    for shared in (
        "--newline [universal|lf] What ends a record",
        "--ansi [keep|strip] strip: remove terminal escape sequences",
        "--untamed [warn|refuse|allow] What to do",
        "--input-format [auto|plain|cloudwatch-json|cloudwatch-csv|s3-export|docker-json|cri] Format of the logs",
        "--threads N Number of threads.",
        "--json Print the result as JSON.",
    ):
        assert all(shared in text for text in texts.values()), shared


def test_the_command_alone_prints_its_help(run):
    code, out, err = run()
    _, told, _ = run("--help")
    assert code in (0, 2)  # of click before 8.2, and since
    assert (out + err).splitlines() == told.splitlines()


def test_help_and_version(run):
    code, out, _ = run("--help")
    assert code == 0
    assert {"check", "replay"} <= set(out.split())
    assert run("replay", "--help")[0] == run("check", "-h")[0] == 0
    code, out, _ = run("--version")
    assert code == 0
    assert metricscan.__version__ in out
