"""``metricscan replay``: what it prints of the logs that it is given, as tables and as JSON."""

import json
from pathlib import Path

import pytest
from support.command import LOSS, stdin, words
from support.folders import tree
from support.objectives import MINIMIZE_LOSS

# ---- replay


def test_the_best_job(run, trials):
    code, out, err = run("replay", trials, *LOSS, "--minimize", "loss")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "Best: trial_7, loss 0.0312 at logs/trial_7/stdout:10412, lr=3e-4, units=64"
    assert [words(line) for line in lines[1:6]] == [
        ["rank", "job", "loss", "status", "rows", "place", "lr", "units"],
        ["1", "trial_7", "0.0312", "found", "2", "stdout:10412", "3e-4", "64"],
        ["2", "trial_10", "0.0625", "found", "1", "stdout:1"],
        ["trial_2", "nan", "not_finite", "1", "(1", "not", "finite)", "stdout:1"],
        ["trial_3", "missing", "0"],
    ]
    assert [words(line) for line in lines[6:8]] == [
        ["metric", "rows", "unparsed", "unparsed", "text"],
        ["loss", "4", "0"],
    ]
    assert lines[9] == "trial_3 has no loss: its literal 'loss=' does not occur in the logs"
    assert lines[8] == f"10,416 records, {10_410 * 6 + 9 + 20 + 18 + 9 + 8:,} bytes"
    assert len(lines) == 10
    assert err == "4 logs, 1 skipped (1 by name, 0 binary)\n"


def test_the_other_end(run, trials):
    code, out, _ = run("replay", trials, *LOSS, "--maximize", "loss")
    assert code == 0
    assert out.splitlines()[0] == "Best: trial_10, loss 0.0625 at logs/trial_10/stdout:1"


def test_no_objective_no_ranking(run, trials):
    code, out, _ = run("replay", trials, *LOSS)
    assert code == 0
    assert words(out.splitlines()[0]) == ["metric", "rows", "unparsed", "unparsed", "text"]


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
    lines = out.splitlines()
    message = "2 streams have rows of loss; the deciding row is in 'stdout'"
    assert lines[1] == f"  doubt several-streams: {message} (logs/trial_7/stdout:10412)"
    assert "stdout:10412 (last of 2 streams)" in lines[3]


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
    assert ["1", "trial"] in [words(line)[:2] for line in out.splitlines()]
    code, _, err = run("replay", trials, *LOSS, "--job", "(")
    assert code == 2
    assert "not a valid regex" in err


def test_links_to_folders_elsewhere(run, trials, tmp_path):
    tree(tmp_path / "elsewhere", {"a.log": "loss=0.0001\n"})
    Path(trials, "more").symlink_to(tmp_path / "elsewhere")
    arguments = ("replay", trials, "-m", r"loss=loss=(\S+)", "--minimize", "loss")
    _, _, err = run(*arguments)
    assert "1 link to folders elsewhere not followed" in err
    for options, skipped in (((), 1), (("--follow-links",), None)):
        _, out, _ = run(*arguments, "--json", *options)
        document = json.loads(out)
        assert document["skipped"].get("links") == skipped
        assert (document["best"]["value"] == 0.0001) == (skipped is None)


def test_include_and_exclude(run, trials):
    _, out, err = run("replay", trials, *LOSS, "--minimize", "loss", "--exclude", "trial_7/*", "--include", "std*")
    assert out.startswith("Best: trial_10,")
    assert err.startswith("3 logs, 2 skipped")


def test_top(run, trials):
    _, out, _ = run("replay", trials, *LOSS, "--minimize", "loss", "--top", "1")
    lines = out.splitlines()
    assert words(lines[2])[:2] == ["1", "trial_7"]
    assert lines[3] == "  .. 3 more jobs; --top N shows N"
    _, out, _ = run("replay", trials, *LOSS, "--minimize", "loss", "--top", "1", "--json")
    assert [row["job"] for row in json.loads(out)["ranking"]] == ["trial_7"]
    _, out, _ = run("replay", trials, *LOSS, "--minimize", "loss", "--top", "4")
    assert "more" not in out


def test_one_of_a_kind(run, log):
    path = log("loss=1\n")
    _, out, _ = run("replay", path, *LOSS, "--minimize", "loss")
    lines = out.splitlines()
    # nobody has hyperparameters
    assert words(lines[1]) == ["rank", "job", "loss", "status", "rows", "place"]
    assert lines[5] == "1 record, 7 bytes"


def test_twenty_jobs_are_shown_unless_asked(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, {f"{number}.log": f"loss={number}\n" for number in range(25)}))
    _, out, _ = run("replay", ".", *LOSS, "--maximize", "loss")
    lines = out.splitlines()
    assert words(lines[21])[:2] == ["20", "5"]
    assert lines[22] == "  .. 5 more jobs; --top N shows N"
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


def test_the_place_of_a_row_names_its_piece(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pieces = {
        "a.log": "loss=3\n",
        "a.log.1": "loss=1\nloss=2\n",
        "a.log.4": "",
        "b.log": "loss=5\n",
        "c.log.1": "loss=6\n",
    }
    tree(tmp_path / "logs", pieces)
    code, out, err = run("replay", "logs", *LOSS, "--minimize", "loss", "--scope", "min", "-o", "out")
    assert code == 0
    like_a_piece, *others = err.splitlines()
    assert like_a_piece.startswith(
        "notice: 1 log is named like a piece of a rotated log, for example logs/c.log.1, but"
    )
    assert others == [
        "notice: pieces of 1 rotated log are missing: logs/a.log has no piece 2, 3",
        "5 logs",
        "written: out",
    ]
    assert out.splitlines()[0] == "Best: a.log, loss (min) 1.0 at logs/a.log.1:1"
    places = [line.split()[5] for line in out.splitlines()[2:5]]
    assert places == ["a.log.1:1", "b.log:1", "c.log.1:1"]
    code, again, _ = run("rank", "out", "--scope", "min")
    assert (code, again.splitlines()[:5]) == (0, out.splitlines()[:5])
    best = json.loads(run("rank", "out", "--scope", "min", "--json")[1])["best"]
    assert (best["path"], best["stream"], best["part"]) == ("logs/a.log.1", "a.log", 1)


def test_the_place_of_a_row_names_its_piece_and_the_containers_stream(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    line = "2026-05-04T03:02:01.000000001Z stdout F loss={}\n"
    pieces = {
        f"{pod}/train/0.log{end}": line.format(loss)
        for pod, losses in {"p1": (1, 3), "p2": (2, 4)}.items()
        for end, loss in zip((".20260301-100100", ""), losses, strict=True)
    }
    tree(tmp_path, pieces)
    _, out, _ = run("replay", "p1", "p2", *LOSS, "--minimize", "loss", "--scope", "min")
    places = [row.split()[5] for row in out.splitlines()[2:4]]
    assert places == ["train/0.log.20260301-100100/stdout:1"] * 2
    _, out, _ = run("replay", "p1/train", "--job", "dir", *LOSS, "--minimize", "loss", "--scope", "min")
    assert out.splitlines()[2].split()[5] == "0.log.20260301-100100/stdout:1"


def test_the_outcome_as_json(run, trials):
    code, out, err = run("replay", trials, "gone.log", *LOSS, "-m", r"acc=acc=(\S+)", "--minimize", "loss", "--json")
    assert code == 2
    document = json.loads(out, parse_constant=pytest.fail)
    assert err == "metricscan: cannot open gone.log: No such file or directory\n"
    kinds = ("failed", "timeouts", "over_budget", "near_misses", "cut_values", "unterminated", "cut_lines")
    counts = {**dict.fromkeys(kinds, 0), "suspects": [], "units": {}}
    assert document.pop("ranking")[2:] == [
        {
            "rank": None,
            "job": "trial_2",
            "value": "NaN",
            "objective_status": "not_finite",
            "job_status": None,
            "rows": 1,
            "stream": "stdout",
            "part": 0,
            "run": None,
            "line": 1,
            "offset": 0,
            "hyperparameters": {},
            "streams": 1,
            "not_finite": 1,
            "tied": None,
            "step": None,
            "steps_back": None,
            "stepless": None,
            "doubts": [],
        },
        {
            "rank": None,
            "job": "trial_3",
            "value": None,
            "objective_status": "missing",
            "job_status": None,
            "rows": 0,
            "stream": None,
            "part": None,
            "run": None,
            "line": None,
            "offset": None,
            "hyperparameters": {},
            "streams": 0,
            "not_finite": 0,
            "tied": None,
            "step": None,
            "steps_back": None,
            "stepless": None,
            "doubts": [],
        },
    ]
    assert document == {
        "objective": MINIMIZE_LOSS,
        "completed_only": False,
        "min_step": None,
        "exclude_doubts": [],
        "best": {
            "job": "trial_7",
            "value": 0.0312,
            "path": "logs/trial_7/stdout",
            "stream": "stdout",
            "part": 0,
            "line": 10412,
            "offset": 62469,
            "hyperparameters": {"lr": "3e-4", "units": "64"},
            "doubts": [],
        },
        "missing": [{"jobs": ["trial_3"], "reason": "its literal 'loss=' does not occur in the logs", "sample": ""}],
        "metrics": {
            "loss": {"rows": 4, "unparsed": 0, **counts, "samples": []},
            "acc": {"rows": 1, "unparsed": 1, **counts, "samples": [{"text": "x", "line": 2, "offset": 12}]},
        },
        "logs": 4,
        "skipped": {"by_name": 1, "binary": 0, "not_regular": 0},
        "bytes": 62524,
        "records": 10416,
        "cut_off": 0,
        "out": None,
        "errors": [{"path": "gone.log", "offset": None, "message": "cannot open gone.log: No such file or directory"}],
        "notices": [],
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
    assert err == f"metricscan: {tmp_path}/out holds a dataset\nhint: use --overwrite (overwrite=True) to replace it\n"
    code, *_ = run(*arguments, "--overwrite")
    assert code == 0
    assert (tmp_path / "out" / "loss" / "part-0.parquet").is_file()
