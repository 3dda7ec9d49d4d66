"""Names are data, in the output of every command and on pictures: of files, jobs, streams, metrics and hyperparameters."""

import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.pages import data_of

from metricscan import Dataset, FollowedFile, Journal, MetricDefinition, Scanner
from metricscan.cli import command, main
from metricscan.datasets.formats import FORMATS
from metricscan.reports.names import named

EVIL = "x\nFAKE\r\tFAKE\x1b[2J\u202eFAKE\x9b2K\u2028FAKE\x00FAKE$\\frac{$<script>&\"'=1+1]]>\\n"
#: As a file system takes them: without NUL and the slash, and one with a byte that is no text.
FILES = [
    EVIL.replace("\x00", ""),
    os.fsdecode(b"FAKE\xff\x85\n"),
    "FAKE\x85",
    "=FAKE()",
    "-FAKE",
    "a\\nFAKE",
    "a\nFAKE",
    "FAKE ",
]
METRIC = EVIL.replace("=", "")
SCANNER = [f"-m{METRIC}=loss=([0-9.]+)", "-mepoch=epoch=([0-9]+)"]


def check(text):
    """What is printed commands no terminal, and no line of it is one that a name holds."""
    assert all(character.isprintable() or character == "\n" for character in text), repr(text)
    assert not [line for line in text.splitlines() if line.startswith("FAKE")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    for number, name in enumerate(FILES):
        place = tmp_path / "logs" / name
        place.mkdir(parents=True)
        (place / "stdout").write_text("".join(f"epoch={epoch} loss={number}.{epoch}\n" for epoch in range(3)))
        (place / "params.json").write_text(json.dumps({EVIL: EVIL, "seed": number, "text": "\ud800"}))
    streams = [EVIL, "b/\ud800", "b/\x1b[2J\nFAKE"]
    events = [
        {"logStreamName": stream, "timestamp": 1_700_000_000_000 + number, "message": f"epoch=1 loss={number}"}
        for number, stream in enumerate(streams)
    ]
    (tmp_path / "export.json").write_text(json.dumps({"events": events}))
    (tmp_path / "jobs.jsonl").write_text(
        "".join(
            json.dumps({"job": name, "status": "completed", EVIL: EVIL}) + "\n"
            for name in ("gone" + EVIL, "lost\ud800")
        )
    )
    (tmp_path / "definitions.json").write_text(json.dumps([{"Name": METRIC, "Regex": f"{re.escape(EVIL)}=(.*)"}]))
    return tmp_path


GOAL = [f"--minimize={METRIC}", "--step=epoch"]
REPLAY = ["replay", "logs", "export.json", *SCANNER, *GOAL]
GONE = EVIL.replace("\x00", "")
COMMANDS = [
    [*REPLAY, "--jobs=jobs.jsonl", "--top=100"],
    [*REPLAY, "--over=seed"],
    [*REPLAY, f"--group-by={EVIL}"],
    [*REPLAY, "--at-best=epoch"],
    [*REPLAY, "--job=file"],
    [*REPLAY, f"--fail-if='{METRIC}' > 1"],
    ["check", "logs", *SCANNER],
    ["check", "export.json", *SCANNER],
    ["check", "logs", "-d", "definitions.json"],
    ["survey", "logs", "export.json"],
    ["survey", "logs", "--jobs=jobs.jsonl"],
    ["follow", "logs", *SCANNER, "--until=idle:0.1"],
    ["extract", GONE, *SCANNER],
    ["diff", GONE, GONE],
    ["algorithms", GONE],
    ["stop", GONE],
    ["rank", GONE],
    ["compact", GONE],
    ["plot", GONE, "--metric=a", "-o", "x.svg"],
    ["audit", GONE, "--tuning-job", "jobs.jsonl"],
    ["run", f"--out={GONE}", f"--job={GONE}", *SCANNER, "--", "echo", "loss=1"],
    ["report", GONE, "-o", "x.html"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda one: one[0])
def test_no_name_commands_the_terminal(arguments, folder, capsys):
    assert main(arguments) in (0, 1, 2, 3)
    out, err = capsys.readouterr()
    assert out + err
    check(out)
    check(err)


def test_every_command_is_tried():
    assert {arguments[0] for arguments in COMMANDS} | {"replay"} == set(command.commands)


def test_names_that_differ_look_different(folder, capsys):
    assert main([*REPLAY, "--top=100"]) == 0
    jobs = re.findall(r"^ *[0-9]+=? +(\S+) +[0-9.]+ +2 ", capsys.readouterr().out, re.MULTILINE)
    assert len(set(jobs)) == len(jobs) == len(FILES)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_dataset_and_its_pictures(kind, folder, capsys):
    assert main([*REPLAY, f"--out=out{GONE}", f"--format={kind}"]) == 0
    dataset = Dataset(f"out{GONE}")
    assert dataset[METRIC].num_rows == 3 * len(FILES) + 3
    assert main(["rank", f"out{GONE}", "--scopes", "--top=50"]) == 0
    assert main(["rank", f"out{GONE}", "--json", "--scopes"]) == 0
    out, err = capsys.readouterr()
    check(out)
    check(err)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_dataset_whose_name_is_no_text(kind, folder, capsys):
    place = os.fsdecode(b"out\xff")
    assert main([*REPLAY, f"--out={place}", f"--format={kind}"]) == 0
    assert Dataset(place)[METRIC].num_rows == 3 * len(FILES) + 3
    assert main(["rank", place]) == 0
    assert "Traceback" not in "".join(capsys.readouterr())


def test_json_is_json(folder, capsys):
    for arguments in (
        [*REPLAY, "--json"],
        ["survey", "logs", "export.json", "--json"],
        ["check", "logs", *SCANNER, "--json"],
    ):
        assert main(arguments) == 0
        out, err = capsys.readouterr()
        assert json.loads(out)
        assert out.isascii() or out.isprintable()
        check(err)


@pytest.mark.parametrize("kind", ["svg", "html", "png", "json"])
def test_pictures_are_well_formed(kind, folder, capsys):
    pytest.importorskip("matplotlib")
    assert main([*REPLAY, "--out=out", "--jobs=jobs.jsonl"]) == 0
    place = f"out{GONE}.{kind}"
    for more in ([], [f"--group-by={EVIL}"], ["--over=seed"]):
        assert main(["plot", "out", "--metric", METRIC, *GOAL, "-o", place, *more]) == 0
        check("".join(capsys.readouterr()))
        if kind == "svg":
            ET.parse(place)
        elif kind == "html":
            data = data_of(Path(place).read_text(encoding="utf-8"))
            assert [entry["metric"] for entry in data["curves"]] == [METRIC]
            assert data["jobs"]["count"] >= len(FILES)
        elif kind == "json":
            document = json.loads(Path(place).read_text(encoding="utf-8"))
            assert document["layer"][0]["encoding"]["y"]["title"] == named(METRIC)


def test_a_journal_of_such_names(folder, capsys):
    scanner = Scanner([MetricDefinition(METRIC, "loss=([0-9.]+)")])
    with Journal.open(f"journal{GONE}", scanner) as journal, scanner.stream() as stream:
        stream.feed(b"loss=0.5\n")
        journal.append(FollowedFile(EVIL, EVIL, 0, GONE), stream.take())
    for kind in FORMATS:
        assert main(["compact", f"journal{GONE}", "-o", f"out{kind}", "--format", kind]) == 0
        assert Dataset(f"out{kind}")[METRIC].to_pylist() == Dataset(f"journal{GONE}")[METRIC].to_pylist()
        assert main(["rank", f"out{kind}", f"--minimize={METRIC}"]) == 0
    out, err = capsys.readouterr()
    check(out)
    check(err)


LETTERS = "a\\nx0u8 \n\x08\x80\u0085\udc80\ud800é"


@given(st.lists(st.text(st.sampled_from(LETTERS), max_size=6), min_size=2, max_size=2, unique=True))
def test_no_two_names_look_the_same(pair):
    one, other = map(named, pair)
    assert one != other
    assert one.isprintable()
