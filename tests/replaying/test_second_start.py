"""Where no step would tell: a second start of a program in a log, counters that go back; and logs that only repeat lines."""

import gzip
import io
import json
import re
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.folders import tree

from metricscan import Dataset, Objective, Scanner, rank, replay
from metricscan.cli import main
from metricscan.logs._first_line import FirstLine, first_line_again, masked_line
from metricscan.replaying.counters import Counters
from metricscan.replaying.log_scan import LogScanner
from metricscan.scanning.batches import Batches

REGEX = r"loss=loss=(\S+)"
CHOICE = ["-m", REGEX, "--objective", "loss", "--goal", "minimize", "--scope", "min"]
SCANNER = Scanner([REGEX, r"count=epoch (\d+)"])
EPOCHS = "".join(f"epoch {n} loss={1 / n:.3f}\n" for n in range(1, 9))
RUN = f"Namespace(lr=0.1, seed=3)\nusing cuda\n{EPOCHS}"
LONG = RUN + "epoch 9 loss=0.1\n" * 20_000


def timed(run, hour, pid):
    lines = enumerate(run.splitlines())
    return "".join(f"2026-12-0{hour} 0{hour}:{at // 60:02}:{at % 60:02},123 [{pid}] {line}\n" for at, line in lines)


def restarted(result):
    return [one for one in result.best.doubts if one.kind == "restarted"]


def said(folder, log, step=None, threads=None):
    objective = Objective("loss", "Minimize", "min", step)
    result = replay(tree(folder, {"a.log": log}), SCANNER, objective=objective, threads=threads)
    return [one for one in restarted(result) if "the first line of the log" in one.message]


@pytest.mark.parametrize(
    ("log", "line", "values"),
    [
        (RUN + RUN, 11, 8),
        (RUN + "Traceback\n  Killed\n" + RUN, 13, 8),
        (timed(RUN, 1, 4711) + timed(RUN, 2, 80_123), 11, 8),
        # no header but a counter, or a word
        ("".join(f"Epoch {n}/8\nloss={n}\n" for n in (*range(1, 9), *range(1, 4))), 17, 8),
        (f"Starting\n{EPOCHS}Starting\n{EPOCHS}", 10, 8),
        # a broken start
        (RUN[: RUN.index("epoch 3")] + RUN, 5, 2),
        ("\n---\n" + RUN + "\n---\n" + RUN, 15, 8),
        # a log that is scanned alone, and in blocks
        pytest.param(LONG + RUN, 20_011, 20_008, id="long"),
    ],
)
def test_a_second_start(tmp_path, log, line, values):
    for threads in (1, 2):
        (doubt,) = said(tmp_path, log, threads=threads)
        assert doubt.message == (
            f"the first line of the log stands in it again, behind {values:,} values of loss: a run that was started again, "
            "or several runs in one log"
        )
        assert (doubt.path, doubt.line) == (str(tmp_path / "a.log"), line)
        assert log.encode()[: doubt.offset].count(b"\n") == line - 1
    # with a step, its doubt tells
    assert said(tmp_path / "stepped", log, "count") == []


def test_more_starts_and_compressed_logs(tmp_path):
    (doubt,) = said(tmp_path, gzip.compress((RUN * 4).encode()))
    assert ("the last of 3 times, behind 8 values of loss" in doubt.message, doubt.line) == (True, 31)
    (doubt,) = said(tmp_path / "bom", b"\xef\xbb\xbf" + (RUN * 2).encode())
    assert (doubt.line, doubt.offset) == (11, 3 + len(RUN))
    # decoded text has other offsets
    (doubt,) = said(tmp_path / "utf-16", (RUN * 2).encode("utf-16"))
    assert (doubt.line, doubt.offset) == (None, None)


def test_small_logs_that_are_scanned_together(tmp_path, monkeypatch):
    twice = (RUN * 2).encode()
    logs = {
        "plain.log": twice,
        "unended.log": twice[:-1],
        "crs.log": twice.replace(b"\n", b"\r"),
        "bom.log": b"\xef\xbb\xbf" + twice,
        "nuls.log": b"\0" * 100 + twice,
        "once.log": RUN.encode(),
    }
    opened = []
    monkeypatch.setattr(
        LogScanner, "_open", lambda scans, path, real=LogScanner._open: opened.append(path) or real(scans, path)
    )
    result = replay(tree(tmp_path, logs), SCANNER, objective=Objective("loss", "Minimize", "min"))
    found = {
        name: [(one.line, one.offset) for one in doubts if one.kind == "restarted"]
        for name, doubts in result.doubts.items()
    }
    size = len(RUN)
    # lines are counted by \n
    expected = {
        "plain": (11, size),
        "unended": (11, size),
        "crs": (1, size),
        "bom": (11, 3 + size),
        "nuls": (11, 100 + size),
    }
    assert found == {name: [place] for name, place in expected.items()}
    # the text of most is kept
    assert {Path(path).name for path in opened} == {"bom.log", "nuls.log"}


def test_logs_in_archives(tmp_path):
    with tarfile.open(tmp_path / "logs.tar", "w") as tar:
        for name, text in {"a.log": RUN + RUN, "b.log": RUN}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    result = replay(tmp_path / "logs.tar", SCANNER, objective=Objective("loss", "Minimize", "min"))
    found = {name: [one.line for one in doubts if one.kind == "restarted"] for name, doubts in result.doubts.items()}
    assert found == {"a": [11]}


@pytest.mark.parametrize(
    "log",
    [
        RUN,
        "",
        "---\n" * 5 + "loss=1\n" + "---\nloss=2\n",
        # the lines of a loop
        "train\nloss=1\neval\nacc=2\n" * 3,
        "".join(f"Epoch {n}/8\nloss={n}\n" for n in range(1, 9)),
        "Epoch\nusing cuda\nloss=1\n" * 30,
        "Evaluating the model\n  batch 0\nloss=1\n" * 10,
        # a line of an epoch, and the value itself
        "".join(f"epoch {n} loss={n}\n" for n in range(1, 9)) * 2,
        # nothing was replaced
        f"{RUN}Namespace(lr=0.1, seed=3)\nusing cuda\n",
        f"Namespace(lr=0.1, seed=3)\nusing cuda\n{RUN}",
        # another program
        RUN + RUN.replace("cuda", "cpu"),
        RUN + RUN.replace("seed=3", "seed=4"),
    ],
)
def test_what_is_no_second_start(tmp_path, log):
    found = replay(tree(tmp_path, {"a.log": log}), SCANNER, objective=Objective("loss", "Minimize", "min"))
    messages = [one.message for one in (restarted(found) if found.best else ())]
    assert [message for message in messages if "the first line" in message] == []


def test_each_job_has_its_doubt_in_every_output(tmp_path, capsys):
    folder = tree(tmp_path / "logs", {"a.log": RUN + RUN, "b.log": RUN, "c.log": RUN + RUN, "d.log": LONG + RUN})
    objective, out = Objective("loss", "Minimize", "min"), tmp_path / "rows"
    result = replay(folder, SCANNER, objective=objective, out=out)
    lines = {name: [one.line for one in doubts if one.kind == "restarted"] for name, doubts in result.doubts.items()}
    assert lines == {"a": [11], "c": [11], "d": [20_011]}
    assert rank(Dataset(out), objective).equals(result.ranking)
    excluded = rank(Dataset(out), objective, exclude_doubts=["restarted"]).to_pylist()
    assert {one["job"] for one in excluded if one["rank"] is not None} == {"b"}
    assert main(["replay", str(folder), *CHOICE, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    kinds = {one["job"]: [doubt["kind"] for doubt in one["doubts"]] for one in document["ranking"]}
    assert {job for job, doubts in kinds.items() if "restarted" in doubts} == {"a", "c", "d"}
    assert main(["replay", str(folder), *CHOICE]) == 0
    assert "restarted" in capsys.readouterr().out


def test_counters_that_go_back_or_jump(tmp_path):
    def counted(steps):
        return "".join(f"epoch {n} loss={1 / (at + 1):.3f}\n" for at, n in enumerate(steps))

    logs = {"back": counted([*range(9), *range(5, 12)]), "jump": counted([*range(9), *range(900, 909)]), "no": EPOCHS}
    logs |= {"folds": counted([*range(9)] * 5), "best": counted(range(9)) + "best: epoch 3\n"}
    folder = tree(tmp_path / "logs", {f"{name}.log": text for name, text in logs.items()})
    objective = Objective("loss", "Minimize", "min")
    scanner = Scanner([REGEX, r"epoch=epoch (\d+)"])
    found = replay(folder, scanner, objective=objective, out=tmp_path / "rows")
    assert {name: [one.message for one in some] for name, some in found.doubts.items()} == {
        "back": ["epoch goes back from 8 to 5: a run that was resumed, or several runs in one log"],
        "jump": [
            "epoch jumps from 8 to 900, and rises by at most 1 elsewhere: a run that was resumed, or lines that are missing"
        ],
    }
    assert [(one.kind, one.line) for some in found.doubts.values() for one in some] == [("restarted", 10)] * 2
    assert rank(Dataset(tmp_path / "rows"), objective).equals(found.ranking)
    # a metric that is not called a counter
    assert replay(folder, SCANNER, objective=objective).doubts == {}


def test_of_many_rows_of_a_counter_some_are_examined(monkeypatch):
    monkeypatch.setattr("metricscan.replaying.counters._MOST_ROWS", 5)
    log = "".join(f"epoch {n}\n" for n in (1, 2, 3, 4, 5, 6, 2, 3, 4, 5))
    counters = Counters(["epoch", "loss"])
    for _, batch in Scanner([r"epoch=epoch (\d+)"]).batches(log.encode()):
        for at in range(batch.num_rows):
            counters.add("epoch", range(3, 4), [1], batch.slice(at, 1))
    assert counters.end_logs() == {}
    assert counters.end_logs() == {}


def test_check_says_it_of_each_log(tmp_path, capsys):
    folder = tree(tmp_path, {"a.log": RUN + RUN, "b.log": RUN, "c.log": RUN + RUN})
    assert main(["check", str(folder), "-m", REGEX]) == 0
    notices = [line for line in capsys.readouterr().err.splitlines() if "the first line of the log" in line]
    assert [line.split(", behind")[0].rsplit("/", 1)[1] for line in notices] == ["a.log:11", "c.log:11"]


# ---- the first line

VARYING = re.compile(
    rb"\d{4}[-/]\d\d[-/]\d\d|\d\d?:\d\d(?::\d\d)?(?:[.,]\d+)?|0x[0-9a-fA-F]+|\d{4,}|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b"
    rb"|\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d|(?i:pid)[=: ]\d+"
)
PARTS = [
    "2026-12-01",
    "T",
    " ",
    "1:02",
    "12:30:01,123",
    "3",
    ":",
    "4711",
    "0x7f",
    "Mon",
    "Dec  1",
    "pid=12",
    "PID 3",
    "/",
    "_",
    "\xff",
]


@given(st.lists(st.sampled_from(PARTS), max_size=9).map(lambda parts: "".join(parts).encode("latin-1")))
def test_what_varies_is_what_a_regex_finds(line):
    assert masked_line(line) == VARYING.sub(b"\0", line.strip())


LINES = [
    "start run",
    "  start run ",
    "epoch 1",
    "2026-12-01 10:00:00 begin",
    "2026-12-02 11:00:01 begin",
    "---",
    "",
    "x" * 600,
    "y" * 511,
]


def again_by_lines(text):
    lines = [*re.finditer(rb"[^\r\n]+", text)]
    letters = (re.findall(rb"[A-Za-z]", VARYING.sub(b"", line[0])) for line in lines[:20])
    first = next((line for line, found in zip(lines, letters, strict=False) if len(found) >= 4), None)
    if first is None:
        return None
    same = [line.start() for line in lines if masked_line(line[0]) == masked_line(first[0])][1:]
    return first.start(), same if len(same) <= 20 else []


@given(
    st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from(["\n", "\r\n", "\r"])), max_size=30),
    st.sampled_from(["", "filler\n" * 10_000]),
    st.lists(st.sampled_from([1, 7, 100, 512, 600, 70_000]), min_size=1, max_size=4),
    st.sampled_from(["portable", "auto"]),
)
def test_the_first_line_is_found_in_pieces_of_any_size(lines, filler, sizes, level):
    text = ("".join(map("".join, lines)) + filler).encode()
    text += text[: len(text) // 2]
    expected = again_by_lines(text)
    assert first_line_again(text, level) == expected
    looking, at, turn = FirstLine(level), 0, 0
    while at < len(text):
        # a small piece now and then: many take long
        size = sizes[turn % len(sizes)] if turn < 2_000 else 70_000
        looking.add(text[at : at + size])
        at, turn = at + size, turn + 1
    assert looking.finish() == bool(expected and expected[1])


@pytest.mark.parametrize("second", [0, 1_000, 4_000, 30_000])
@pytest.mark.parametrize("chunk_bytes", [700, 5_000])
def test_the_first_line_is_found_in_the_block_with_the_beginning_and_behind_it(tmp_path, second, chunk_bytes):
    log = tmp_path / "a.log"
    text = RUN + "epoch 9 loss=0.1\n" * (second // 17)
    for content, is_there in ((text + RUN, True), (text + text, True), (text, False), ("a header\n" + text, False)):
        log.write_text(content + "epoch 9 loss=0.1\n" * 500)
        scan = Batches(SCANNER.watching_plan, log, 3, chunk_bytes=chunk_bytes, again=True)
        rows = sum(batch.num_rows for _, batch in scan)
        assert (rows, scan.has_first_line_again()) == (2 * content.count("epoch") + 1000, is_there)


def test_the_real_logs_that_hold_several_runs(corpora):
    by_line, by_counter = set(), set()
    for line in (corpora / "manifest.jsonl").read_text().splitlines():
        log = json.loads(line)
        scanner = Scanner([{"Name": one["Name"], "Regex": one["Regex"]} for one in log["definitions"]])
        result = replay(corpora / "logs" / log["file"], scanner, job="file")
        name = Path(log["file"]).name.rpartition("__")[2]
        for noted in result.evidence.logs.values():
            for one in noted.restarts:
                (by_counter if one.metric is None else by_line).add(name)
    assert by_line == {"track_10min_16mb_2026-03-19_MixedQuant_Int6Int8_SlidingWindow_train.log"}
    notes = {"joey-NMT-running-myrk.md", "spelling_err_type_classification_with_tsetlin_machine_log.md"}
    assert by_counter - by_line == notes | {"xnmt-medical-domain-switchout-exp.md"}
