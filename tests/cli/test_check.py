"""``metricscan check``: what it shows of one log or several, as a table and as JSON."""

import gzip
import json
import os
import sys

import pytest
from support.command import LOSS, stdin, words
from support.folders import tree

# ---- check


def test_check_shows_what_is_captured(run, log):
    code, out, err = run("check", log("epoch 1 loss=0.5 ok\n\tloss=nan\nloss=x\n"), *LOSS)
    assert (code, err) == (0, "")
    assert out.splitlines()[:4] == [
        r"loss  loss=(\S+)  2 rows",
        "       1  epoch 1 loss=0.5 ok  0.5",
        "       2   loss=nan  nan",
        "       3  loss=x  not a number",
    ]
    assert words(out.splitlines()[5]) == ["loss", "2", "1", "'x'"]
    assert out.splitlines()[6] == "3 records, 37 bytes"
    assert run("check", log("loss=1\n"), *LOSS)[1].splitlines()[0] == r"loss  loss=(\S+)  1 row"


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


def test_check_cuts_no_character_beside_a_match(run, log):
    # a bar has three bytes: 29 of them, behind the blank, end within one
    _, out, _ = run("check", log("x" + "█" * 40 + "loss=1 " + "█" * 40 + "\n"), *LOSS)
    assert out.splitlines()[1] == f"       1  {'█' * 30}loss=1 {'█' * 29}  1.0"


def test_check_shows_twenty_hits_of_each_definition(run, log):
    text = "".join(f"loss={number} loss={number}\nacc={number}\n" for number in range(30))
    _, out, _ = run("check", log(text), *LOSS, "-m", "acc=acc=(.*)")
    lines = out.splitlines()
    assert lines[0] == r"loss  loss=(\S+)  60 rows"
    assert lines[21] == "  .. 40 more"
    assert lines[22] == "acc  acc=(.*)  30 rows"
    assert lines[43] == "  .. 10 more"


def test_check_gives_its_advice_last(run, log):
    text = "".join(f"loss=-0.{number}\n" for number in range(10, 40)) + "acc=0.5\n"
    _, out, _ = run("check", log(text), "-m", r"loss=loss=-([0-9.]+)", "-m", "acc=acc=([0-9.]+)", "-m", "lr=lr=(.)")
    lines = out.splitlines()
    advice = next(at for at, line in enumerate(lines) if line.startswith("advice about loss"))
    assert advice > max(at for at, line in enumerate(lines) if "found nothing" in line or "31 records" in line)
    assert all(line.startswith(("advice about ", "  lint ", "       better ")) for line in lines[advice:])


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
    assert "1 more record was cut off by a read error, damaged compression or a missing fragment: no rows" in out
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
        "cut_off": 0,
        "errors": [{"path": "gone.log", "offset": None, "message": "cannot open gone.log: No such file or directory"}],
        "notices": [],
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
    monkeypatch.setattr("metricscan.scanning.threaded.SERIAL_BYTES", 1)
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


def test_check_counts_suspects(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, {"a.log": "loss=nan\nloss=2,000.5\nloss=nan\n", "b\x1b.log": "loss=5%\nloss=0.5"}))
    definition = ("-m", "loss=loss=([0-9.]+)")
    code, out, _ = run("check", "a.log", "b\x1b.log", *definition)
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("loss: ")] == [
        "loss: 2 near misses, for example 'loss=nan' (a.log:1)",
        "loss: 1 value that is cut, for example '2,000.5' (a.log:2)",
        r"loss: 1 value at the very end of a log, for example '0.5' (b\x1b.log:2)",
        r"loss: the units of its values differ: '5%' (b\x1b.log:1), none (b\x1b.log:2)",
    ]
    metric = json.loads(run("check", "a.log", "b\x1b.log", *definition, "--json")[1])["metrics"]["loss"]
    assert [metric[kind] for kind in ("near_misses", "cut_values", "unterminated")] == [2, 1, 1]
    place = {"path": "a.log", "line": 3, "offset": 22, "start": 22}
    assert metric["suspects"][1] == {"kind": "near-miss", "text": "loss=nan", **place}
    assert list(metric["units"]) == ["%", ""]


def test_check_shows_some_units(run, log):
    units = "".join(f"loss=1{unit}\n" for unit in ("ms", "s", "min", "h"))
    _, out, _ = run("check", log(units), "-m", "loss=loss=([0-9.]+)")
    (line,) = (line for line in out.splitlines() if "units of its values differ: '1ms'" in line)
    assert line.endswith(", ..")


@pytest.mark.parametrize(
    ("steps", "looks"),
    [
        ([1, 2, 3, 1, 2], "in 1 of 2 jobs: several runs in one log, or runs that were resumed? --restarts purge"),
        ([1, 2] * 4, "in 1 of 2 jobs, in regular rounds: folds, or a counter that begins again"),
        ([9, 8, 7, 6, 5], "in 1 of 2 jobs, without an order: several workers in one log"),
        ([1, 2, 3], None),
    ],
    ids=str,
)
def test_steps_that_go_back_are_told(run, tmp_path, steps, looks):
    (tmp_path / "a.log").write_text("".join(f"epoch {step} time {9 - step}\n" for step in steps))
    (tmp_path / "b.log").write_text("epoch 1 time 5\nepoch 2 time 4\n")
    metrics = ["-m", r"epoch=epoch (\d+)", "-m", r"step_time=time (\S+)"]
    code, _, err = run("check", tmp_path, *metrics)
    assert code == 0
    assert ("goes back" in err) == (looks is not None)
    if looks is not None:
        assert f"the step 'epoch' goes back {looks}" in " ".join(err.split())
        notices = json.loads(run("check", tmp_path, *metrics, "--json")[1])["notices"]
        assert [looks in one["message"] for one in notices] == [True]
