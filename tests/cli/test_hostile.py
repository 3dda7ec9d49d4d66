"""No argument and no document of a user ends in a traceback: it is an error of ours, and exit code 2."""

import contextlib
import os

import pytest

import metricscan
from metricscan import MetricscanError, Objective, Scanner
from metricscan.cli import main
from metricscan.fleet import decide, list_logs, scan_batch

DIGITS = "1" + "0" * 100_000
LONG = "a" * 20_000
DOCUMENTS = {
    "digits.json": f'[{{"Name": "a", "Regex": {DIGITS}}}]',
    "digits.yaml": f"- Name: a\n  Regex: {DIGITS}\n",
    "digits.py": f"definitions = [{{'Name': 'a', 'Regex': {DIGITS}}}]",
    "exponent.json": '[{"Name": "a", "Regex": 1e999999999}]',
    "deep.json": "[" * 100_000,
    "deep.yaml": "[" * 100_000,
    "deep.py": "x = " + "[" * 100_000,
    "deep_map.json": '{"a":' * 50_000 + "1" + "}" * 50_000,
    "sexagesimal.yaml": "a: " + "1:" * 5_000 + "1",
    "time.yaml": "a: 2001-99-99\nb: 2001-01-01T99:99:99Z",
    "merge.yaml": "<<: 1\na: 2",
    "set.yaml": "? a\n? b\n",
    "tagged_set.yaml": "!!set {a, b}",
    "binary.yaml": "!!binary x",
    "object.yaml": "!!python/object/apply:os.system [echo]",
    "unhashable.yaml": "? [a, b]\n: c\n",
    "alias.yaml": "&a [*a]",
    "set.py": "x = [{'Name', 'a'}]",
    "nul.json": "[\0]",
    "surrogate.json": '[{"Name": "\\ud800", "Regex": "a=(.)"}]',
    "string.json": '"' + "a" * 100_000,
    "null.json": "null",
    "number.json": "17",
    "empty.json": "",
    "list.json": "[[], {}, null, 1, true]",
    "wrong_kinds.json": '{"MetricDefinitions": {"a": [1]}, "TrainingJobDefinition": 3, "TrainingJobSummaries": {"a": 1}}',
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "logs").mkdir()
    (folder / "logs" / "a.log").write_text("loss=1\n")
    return folder


def commands(document, logs):
    metric = ["-m", r"loss=loss=(\S+)"]
    return [
        ["replay", logs, "--definitions", document],
        ["replay", logs, *metric, "--jobs", document],
        ["replay", logs, "--tuning-job", document],
        ["check", logs, "--definitions", document],
        ["survey", logs, "--jobs", document],
        ["audit", logs, "--tuning-job", document, "--reported", document],
        ["rank", document, "--minimize", "loss"],
        ["plot", document],
        ["compact", document],
        ["extract", logs, "--definitions", document],
        ["extract", document, *metric],
        ["diff", document, document],
        ["diff", document, document, "--on", logs],
        ["stop", document],
        ["report", document, "--out", logs + "/report.html"],
        ["replay", document, *metric],
    ]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_never_ends_in_a_traceback(folder, name, capsys):
    for arguments in commands(str(folder / name), str(folder / "logs")):
        code = main(arguments)
        told = capsys.readouterr()
        assert code in (0, 1, 2), arguments
        assert "Traceback" not in told.out + told.err
        if code == 2:
            assert told.err.startswith(("metricscan: ", "Usage: ")), arguments
            # no document is printed whole
            assert len(told.err) < 20_000, arguments


ARGUMENTS = [
    ["replay", "{logs}", "-m", "a=" + "(" * 5_000],
    ["replay", "{logs}", "-m", "a=" + "(?:" * 5_000 + "b" + ")*" * 5_000],
    ["replay", "{logs}", "-m", "a=b{99999999999999999999}"],
    ["replay", "{logs}", "-m", "a=(?:b{65535}){65535}"],
    ["replay", "{logs}", "-m", "a=\\N{" + "x" * 5_000 + "}"],
    ["replay", "{logs}", "-m", "a=(?P<" + "x" * 5_000 + ">b"],
    ["replay", "{logs}", "-m", "=" * 3],
    ["replay", "{logs}", "-m", "a=b", "--include", "**/" * 2_000 + "*"],
    ["replay", "{logs}", "-m", "a=b", "--include", "[" * 5_000],
    ["replay", "{logs}", "-m", "a=b", "--include", "{{a,b}}" * 5_000],
    ["replay", "{logs}", "-m", "a=b", "--job", "(" * 5_000],
    ["replay", "{logs}", "-m", "a=b", "--job", "(?P<job>(a+)+)$"],
    ["replay", "{logs}", "-m", "a=b", "--job", LONG],
    ["replay", "{logs}", "-m", "a=b", "--job", LONG + "("],
    ["replay", "{logs}", "-m", "loss=loss=(.)", "--minimize", "loss", "--group-name", LONG],
    ["replay", "{logs}", "-m", "loss=loss=(.)", "--minimize", "loss", "--group-name", LONG + "("],
    ["replay", "{logs}", "-m", "a=b", "--parameter", "x=" + LONG + "("],
    ["replay", "{logs}", "-m", "a=b", "--run-start", LONG + "("],
    ["replay", "{logs}", "-m", "a=b", "--max-record-bytes", LONG],
    ["replay", "{logs}", "-m", "a=b", "--fail-on", LONG],
    ["replay", "{logs}", "-m", "a=b", "--minimize", LONG],
    ["replay", "{logs}", "-m", "a=b", "--minimize", "a", "--scope", LONG],
    ["replay", "{logs}", "-m", LONG + "=("],
    ["replay", "/dev/zero", "-m", "a=b"],
    ["replay", "/dev/full", "-m", "a=b"],
    ["check", "/dev/urandom", "-m", "a=b"],
    ["extract", "/dev/full", "-m", "a=b"],
    ["replay", "{logs}", "-d", "/dev/zero"],
    ["replay", "{logs}", "-m", "a=b", "--jobs", "/dev/full"],
    ["replay", "{logs}", "--tuning-job", "/dev/zero"],
    ["replay", "{logs}", "-m", "a=b", "--minimize", "a", "--fail-if", "a < baseline", "--baseline", "/dev/zero"],
    ["replay", "{logs}", "-m", "a=b", "--threads", DIGITS[:5_000]],
    ["replay", "{logs}", "-m", "a=b", "--max-decompressed", DIGITS[:5_000]],
    ["replay", "{logs}", "-m", "a=b", "--minimize", "a", "--scope", "last-" + DIGITS[:5_000]],
    ["replay", "{logs}", "-m", "a=b", "--minimize", "(" * 5_000],
    ["replay", "{logs}", "-m", "a=b", "--minimize", "a" + "+a" * 5_000],
    ["replay", "{logs}/" + "d/" * 3_000, "-m", "a=b"],
    ["replay", "{logs}/" + "x" * 5_000, "-m", "a=b"],
    ["replay", "{logs}\x01\x1b[31m", "-m", "a=b"],
    ["survey", "{logs}/**/**/**/**/**/**/**/**/*.log"],
    ["rank", "{logs}" * 300, "--minimize", "a"],
    ["follow", "{logs}/" + "x" * 5_000, "-m", "a=b", "--json", "--until", "x" * 5_000],
    ["run", "--max-runtime", DIGITS[:5_000], "-m", "a=b", "--", "true"],
    ["algorithms", "x" * 5_000],
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=[f"{number} {one[0]}" for number, one in enumerate(ARGUMENTS)])
def test_an_argument_never_ends_in_a_traceback(folder, arguments, capsys):
    logs = str(folder / "logs")
    code = main([argument.replace("{logs}", logs).replace("{{", "{").replace("}}", "}") for argument in arguments])
    told = capsys.readouterr()
    assert code in (0, 1, 2, 125), told.err[:500]
    assert "Traceback" not in told.out + told.err
    assert "\x1b" not in told.err
    if LONG in "".join(arguments):
        assert len(told.err) < 1_000
    if "/dev/" in "".join(arguments):
        assert code == 2
        assert "is a device, which may never end" in told.err


def test_folders_nested_deeper_than_the_interpreter_recurses(tmp_path, capsys):
    before = os.getcwd()
    os.chdir(tmp_path)
    try:
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        with open("a.log", "w", encoding="utf-8") as file:
            file.write("loss=1\n")
        os.chdir(tmp_path)
        for arguments in (
            ["replay", ".", "-m", r"loss=loss=(\S+)"],
            ["survey", "."],
            ["check", ".", "-m", r"loss=loss=(\S+)"],
        ):
            assert main(arguments) in (0, 1, 2)
            told = capsys.readouterr()
            assert "Traceback" not in told.out + told.err
    finally:
        # bottom up, one level at a time: a path of all levels is longer than the system takes
        levels = 0
        os.chdir(tmp_path)
        while os.path.isdir("d"):
            os.chdir("d")
            levels += 1
        for name in os.listdir("."):
            os.unlink(name)
        for _ in range(levels):
            os.chdir("..")
            os.rmdir("d")
        os.chdir(before)


HOSTILE = [
    None,
    17,
    -1,
    1e999,
    float("nan"),
    "",
    "\0",
    "x" * 5_000,
    b"\xff",
    [],
    {},
    [None],
    {"a": 1},
    object(),
    {1, 2},
    10**5_000,
]


@pytest.mark.parametrize("value", HOSTILE, ids=[f"{number} {type(one).__name__}" for number, one in enumerate(HOSTILE)])
def test_public_functions_raise_errors_that_are_meant(tmp_path, value):
    # what a caller can catch: ours, and for arguments of a wrong type or value Python's own
    meant = (MetricscanError, TypeError, ValueError, OSError)
    scanner = Scanner(["loss=loss=(.)"])
    objective = Objective("loss", "Minimize")
    log, dataset = tmp_path / "a.log", str(tmp_path / "dataset")
    log.write_text("loss=1\n")
    metricscan.replay(log, scanner, objective=objective, out=dataset, sync=False)
    calls = [
        lambda: Scanner(value),
        lambda: Scanner(["a=b"], labels=value),
        lambda: Scanner(["a=b"], newline=value),
        lambda: Scanner(["a=b"], matches=value),
        lambda: Scanner(["a=b"], max_record_bytes=value),
        lambda: scanner.scan(value),
        lambda: scanner.scan(b"loss=1", threads=value),
        lambda: scanner.scan(b"loss=1", input_format=value),
        lambda: scanner.scan(b"loss=1", max_decompressed=value),
        lambda: scanner.find(value),
        lambda: scanner.stream(state=value),
        lambda: scanner.stream(offset=value),
        lambda: scanner.stream(line=value),
        lambda: scanner.stream(format=value),
        lambda: Objective(value, "Minimize"),
        lambda: Objective("loss", value),
        lambda: Objective("loss", "Minimize", scope=value),
        lambda: metricscan.replay(value, scanner),
        lambda: metricscan.replay(str(tmp_path), value),
        lambda: metricscan.replay(str(tmp_path), scanner, objective=value),
        lambda: metricscan.replay(str(tmp_path), scanner, jobs=value),
        lambda: metricscan.load_definitions(value),
        lambda: metricscan.survey(value),
        lambda: metricscan.rank(value, Objective("loss", "Minimize")),
        lambda: metricscan.compact(value, str(tmp_path / "out")),
        lambda: metricscan.rank(dataset, value),
        lambda: metricscan.rank(dataset, objective, at_best=value),
        lambda: metricscan.rank(dataset, objective, min_step=value),
        lambda: metricscan.rank(dataset, objective, jobs=value),
        lambda: metricscan.diff(dataset, value),
        lambda: metricscan.diff(dataset, dataset, objective=value),
        lambda: metricscan.report(value, str(tmp_path / "page.html")),
        lambda: metricscan.report(dataset, str(tmp_path / "page.html"), objective=value),
        lambda: metricscan.curve(dataset, value),
        lambda: metricscan.curve(dataset, "loss", step=value),
        lambda: metricscan.wide(dataset, step=value),
        lambda: metricscan.metric_frame(dataset, value),
        lambda: metricscan.plot(value),
        lambda: metricscan.attach(value),
        lambda: metricscan.Dataset(value),
        lambda: metricscan.JournalReader(value),
        lambda: metricscan.Journal.open(value, scanner),
        lambda: Objective("loss", "Target", target=value),
        lambda: Objective("loss", "Minimize", step="step", from_step=value),
        lambda: scan_batch(value, scanner),
        lambda: scan_batch(list_logs(log), value),
        lambda: decide(scan_batch(list_logs(log), scanner), value),
        lambda: next(iter(metricscan.follow(value, scanner, until="1s"))),
    ]
    for call in calls:
        with contextlib.suppress(*meant):
            call()


@pytest.mark.parametrize("name", ["x\0y.svg", "x\ud800y.svg"])
def test_a_path_that_no_file_can_have_is_an_error_of_ours(tmp_path, name):
    (tmp_path / "a.log").write_text("loss=1\n")
    scanner = Scanner(["loss=loss=(.)"])
    objective = Objective("loss", "Minimize")
    dataset, journal, path = str(tmp_path / "dataset"), str(tmp_path / "journal"), f"{tmp_path}/{name}"
    metricscan.replay(tmp_path / "a.log", scanner, out=dataset)
    metricscan.Journal.open(journal, scanner).close()
    calls = [
        lambda: metricscan.replay(tmp_path / "a.log", scanner, out=path),
        lambda: metricscan.replay(tmp_path / "a.log", scanner, jobs=path),
        lambda: metricscan.Dataset(path),
        lambda: metricscan.Journal.open(path, scanner),
        lambda: metricscan.JournalReader(path),
        lambda: metricscan.compact(path, tmp_path / "out"),
        lambda: metricscan.compact(journal, path),
        lambda: metricscan.report(dataset, path),
        lambda: metricscan.plot(dataset, "loss", path),
        lambda: metricscan.rank(path, objective),
        lambda: metricscan.diff(dataset, path),
        lambda: metricscan.run(["true"], scanner, out=path),
        lambda: metricscan.attach(path),
        lambda: metricscan.load_definitions(path),
        lambda: scanner.scan(path),
    ]
    for call in calls:
        with pytest.raises(metricscan.SourceError):
            call()
    assert len(metricscan.replay(path, scanner).errors) == 1
    assert sorted(os.listdir(tmp_path)) == ["a.log", "dataset", "journal"]
