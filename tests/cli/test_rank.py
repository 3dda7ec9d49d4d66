"""``metricscan rank``: what it prints of a dataset, and how it ends."""

import json

import pytest
from support.folders import tree
from support.objectives import MINIMIZE_LOSS

DEFINITIONS = ("-m", r"loss=loss=(\S+)", "-m", r"epoch=epoch=(\d+)")
SCOPES = ["last", "first", "min", "max", "mean", "last-2", "best@1"]
LOGS = {
    "trial_1/stdout": "epoch=1 loss=3\nepoch=2 loss=0.5\nepoch=3 loss=2\n",
    "trial_2/stdout": "epoch=1 loss=1\n",
    "trial_10/stdout": "epoch=1 loss=4\nepoch=2 loss=1\n",
    "trial_3/stdout": "epoch=1 loss=nan\n",
    "trial_4/stdout": "nothing\n",
}


@pytest.fixture
def logs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in LOGS.items():
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    (tmp_path / "logs" / "trial_2" / "params.json").write_text('{"lr": 0.1}')
    return "logs"


@pytest.fixture
def written(run, logs):
    assert run("replay", logs, *DEFINITIONS, "--minimize", "loss", "--out", "out")[0] == 0
    return "out"


def ranking_lines(out):
    """The winner and the jobs: what both commands print."""
    lines = out.splitlines()
    end = next((number for number, line in enumerate(lines) if line.startswith(" metric ")), len(lines))
    return [line.split() for line in lines[:end]]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("goal", ["--minimize", "--maximize"])
def test_it_prints_what_the_replay_printed(run, logs, written, scope, goal):
    objective = (goal, "loss", "--scope", scope, "--step", "epoch")
    code, out, _ = run("replay", logs, *DEFINITIONS, *objective)
    other_code, other_out, err = run("rank", written, *objective)
    assert (code, ranking_lines(out)) == (other_code, ranking_lines(other_out))
    assert err == ""
    replayed = json.loads(run("replay", logs, *DEFINITIONS, *objective, "--json")[1])
    assert json.loads(run("rank", written, *objective, "--json")[1])["ranking"] == replayed["ranking"]


def test_the_replays_own_objective_is_the_default(run, written):
    code, out, err = run("rank", written)
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "Best: trial_2, loss 1.0 at logs/trial_2/stdout:1, lr=0.1"
    assert ranking_lines(out)[1:] == [
        ["rank", "job", "loss", "status", "rows", "place", "lr"],
        ["1=", "trial_2", "1.0", "found", "1", "stdout:1", "0.1"],
        ["1=", "trial_10", "1.0", "found", "2", "stdout:2"],
        ["3", "trial_1", "2.0", "found", "3", "stdout:3"],
        ["trial_3", "nan", "not_finite", "1", "(1", "not", "finite)", "stdout:1"],
        ["trial_4", "missing", "0"],
    ]
    assert ranking_lines(run("rank", written, "--scope", "min")[1])[0][:4] == ["Best:", "trial_1,", "loss", "(min)"]


def test_top_and_all_best(run, written):
    def jobs(*options):
        return [
            line[1]
            for line in ranking_lines(run("rank", written, *options)[1])[2:]
            if line[0].isalnum() or "=" in line[0]
        ]

    assert jobs("--top", 1) == ["trial_2"]
    assert jobs("--all-best") == jobs("--all-best", "--top", 1) == ["trial_2", "trial_10"]
    assert jobs("--top", 3, "--all-best") == ["trial_2", "trial_10", "trial_1"]
    assert jobs("--scope", "min", "--all-best") == ["trial_1"]
    document = json.loads(run("rank", written, "--all-best", "--json")[1])
    assert [row["job"] for row in document["ranking"]] == ["trial_2", "trial_10"]
    assert "  .. 4 more jobs; --top N shows N" in run("rank", written, "--top", 1)[1].splitlines()


def test_completed_only_by_a_jobs_file(run, written, tmp_path):
    (tmp_path / "jobs.csv").write_text("job,status\ntrial_1,completed\ntrial_2,stopped\n")
    code, out, _ = run("rank", written, "--jobs", "jobs.csv", "--completed-only")
    assert code == 0
    assert ranking_lines(out)[0][:2] == ["Best:", "trial_1,"]
    assert ranking_lines(out)[3][:4] == ["trial_2", "1.0", "found,", "Stopped"]
    code, out, _ = run("rank", written, "--completed-only")
    assert code == 1
    assert out.splitlines()[0] == "Best: none; no job with a finite loss is Completed"
    (tmp_path / "jobs.csv").write_text("job,status\ntrial_1,completed\ntrial_2,stopped\n")
    # a replay that is asked the same says the same
    of_replay = ("replay", "logs", *DEFINITIONS, "--minimize", "loss", "--completed-only")
    code, again, _ = run(*of_replay, "--jobs", "jobs.csv")
    assert code == 0
    assert ranking_lines(again) == ranking_lines(run("rank", written, "--jobs", "jobs.csv", "--completed-only")[1])
    document = json.loads(run(*of_replay, "--jobs", "jobs.csv", "--json")[1])
    assert document["best"]["job"] == "trial_1"
    assert [row["rank"] for row in document["ranking"]] == [1, None, None, None, None]
    code, again, _ = run(*of_replay)
    assert (code, again.splitlines()[0]) == (1, out.splitlines()[0])
    (tmp_path / "jobs.csv").write_text("job,status\n" + "".join(f"trial_{n},failed\n" for n in (1, 2, 3, 4, 10)))
    code, out, _ = run("rank", written, "--jobs", "jobs.csv")
    assert code == 1
    assert out.splitlines()[0] == "Best: none; all jobs with a finite loss failed"


def test_the_winner_as_json(run, logs, written):
    code, out, _ = run("rank", written, "--json")
    best = json.loads(out)["best"]
    assert code == 0
    assert best == {
        "job": "trial_2",
        "value": 1.0,
        "path": f"{logs}/trial_2/stdout",
        "stream": "stdout",
        "part": 0,
        "line": 1,
        "offset": 0,
        "hyperparameters": {"lr": "0.1"},
        "doubts": [],
    }
    document = json.loads(run("replay", logs, *DEFINITIONS, "--minimize", "loss", "--json")[1])
    assert document["best"] == best
    assert document["objective"] == json.loads(out)["objective"]
    code, out, _ = run("rank", written, "--completed-only", "--json")
    assert (code, json.loads(out)["best"]) == (1, None)


def test_scopes_side_by_side(run, written):
    code, out, _ = run("rank", written, "--scopes")
    assert code == 0
    table = [line.split() for line in out[out.index(" scope ") :].splitlines()]
    assert table[0] == ["scope", "best", "job", "value", "tied", "rank", "by", "last", "value", "by", "last", "regret"]
    assert table[1] == ["last", "trial_2", "1.0", "2", "1", "1.0", "0.0"]
    assert table[3] == ["min", "trial_1", "0.5", "1", "3", "2.0", "1.0"]
    document = json.loads(run("rank", written, "--scopes", "--json")[1])
    assert document["objective"] == MINIMIZE_LOSS
    assert document["scopes"][2]["regret"] == 1.0


def test_numbers_are_shown_without_rounding(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    texts = {"a": "loss=0.1 acc=0.1\nloss=0.4 acc=0.2\n", "b": "loss=0.1\nloss=0.10000000000000003\n"}
    tree(tmp_path, {f"logs/{name}.log": text for name, text in texts.items()})
    run("replay", "logs", "-m", r"loss=loss=(\S+)", "-m", r"acc=acc=(\S+)", "--minimize", "loss", "--out", "w")
    # 0.4 - 0.10000000000000003 is 0.30000000000000004 in binary, and a value of a log is shown as it is
    table = {line.split()[0]: line.split()[1:] for line in run("rank", "w", "--scopes")[1].splitlines() if line}
    assert table["last"][:2] == ["b", "0.10000000000000003"]
    assert table["first"] == ["a", "0.1", "2", "2", "0.4", "0.3"]
    document = json.loads(run("rank", "w", "--scopes", "--json", "--minimize", "loss", "--scope", "last")[1])
    regrets = {row["scope"]: row["regret"] for row in document["scopes"]}
    assert regrets["first"] == 0.29999999999999997
    # the mean of 0.1 and 0.2 is 0.15000000000000002
    out = run("rank", "w", "--maximize", "acc", "--scope", "mean")[1]
    assert out.startswith("Best: a, acc (mean) 0.15 at")
    assert out.splitlines()[2].split()[2] == "0.15"


def test_the_step_of_the_deciding_row_is_shown(run, written):
    out = run("rank", written, "--scope", "min", "--step", "epoch")[1]
    lines = ranking_lines(out)
    assert lines[1] == ["rank", "job", "loss", "(min)", "epoch", "status", "rows", "place", "lr"]
    assert lines[2] == ["1", "trial_1", "0.5", "2", "found", "3", "stdout:2"]


@pytest.mark.parametrize("top", [5, 6, 10**30])
def test_more_than_there_are(run, logs, written, top):
    for command in (("rank", written), ("replay", logs, *DEFINITIONS, "--minimize", "loss")):
        for options in ((), ("--all-best",)):
            code, out, _ = run(*command, "--top", top, *options)
            assert code == 0
            assert len(json.loads(run(*command, "--top", top, *options, "--json")[1])["ranking"]) == 5
            assert "more job" not in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--minimize", "los"), "the objective metric 'los' is not among the metrics: 'loss', 'epoch'\nhint: did you"),
        (
            ("--scope", "beste"),
            "scope='beste': last, first, min, max, mean, last-N, best, best@K, best@A..B, ema:W or window:N was expected",
        ),
        (("--scope", ""), "scope='': last, first, min"),
        (("--step", ""), "step='': the name of a metric was expected"),
        (("--minimize", "loss", "--scope", ""), "scope='': last, first, min"),
        (("--scope", "best@3"), "scope='best@3' needs step=NAME"),
        (("--step", "epochs"), "the step metric 'epochs' is not among the metrics"),
        (("--minimize", "loss", "--maximize", "loss"), "give --minimize or --maximize, not both"),
        (("--jobs", "gone.csv"), "cannot read the jobs file gone.csv: No such file or directory"),
    ],
)
def test_wrong_use(run, written, options, message):
    code, out, err = run("rank", written, *options)
    assert (code, out) == (2, "")
    assert message in err


def test_jobs_files_with_errors(run, written, tmp_path):
    (tmp_path / "jobs.csv").write_text("job,status\ntrial_1,completed\n,failed\n")
    code, _, err = run("rank", written, "--jobs", "jobs.csv")
    assert code == 2
    assert "errors in the jobs file jobs.csv\n  line 3: job or path is missing" in err
    (tmp_path / "jobs.csv").write_text("job,status\ntrial_1,completed\ntrial_1,failed\n")
    assert "line 3: trial_1 is already in line 2" in run("rank", written, "--jobs", "jobs.csv")[2]


def test_jobs_without_a_log_and_words_that_are_not_known(run, written, tmp_path):
    lines = ["trial_2,odd,0.1", "trial_10,odd,0.2", "trial_1,done,0.3", "trial_99,failed,0.4"]
    (tmp_path / "jobs.csv").write_text("\n".join(["job,status,lr", *lines]))
    # a dataset, a replay that wrote none, and one that wrote one
    of_replay = ("replay", "logs", *DEFINITIONS, "--minimize", "loss", "--jobs", "jobs.csv")
    commands = [("rank", written, "--jobs", "jobs.csv"), of_replay, (*of_replay, "--out", "facts"), ("rank", "facts")]
    for number, command in enumerate(commands):
        code, out, err = run(*command, "--json")
        assert code == 0
        document = json.loads(out)
        assert document["best"]["job"] == "trial_1"
        shown = {row["job"]: (row["rank"], row["job_status"], row["objective_status"]) for row in document["ranking"]}
        assert shown["trial_1"] == (1, "Completed", "found")
        assert shown["trial_2"] == shown["trial_10"] == (None, "odd", "found")
        assert shown["trial_99"] == (None, "Failed", "missing")
        assert [row["hyperparameters"] for row in document["ranking"] if row["job"] == "trial_99"] == [{"lr": "0.4"}]
        if number < 3:
            assert [line for line in err.splitlines() if line.startswith("notice: ")] == [
                "notice: 2 jobs have a status in jobs.csv that is not known, 'odd' (line 2, trial_2); no such job wins",
                "notice: 1 job in jobs.csv without a log, ranked as missing: trial_99",
            ]
            assert len(document["notices"]) == 2
    (tmp_path / "jobs.csv").write_text("job,status\n" + "".join(f"trial_{n},odd\n" for n in (1, 2, 10)))
    code, out, _ = run("rank", written, "--jobs", "jobs.csv")
    assert code == 1
    assert out.splitlines()[0] == (
        "Best: none; all jobs with a finite loss failed, or have a status that is not known: 'odd'"
    )


def test_a_dataset_without_an_objective(run, logs):
    run("replay", logs, *DEFINITIONS, "--out", "out")
    code, _, err = run("rank", "out")
    assert code == 2
    assert "no objective: give --minimize NAME or --maximize NAME" in err
    assert run("rank", "out", "--maximize", "loss")[0] == 0
    assert run("replay", logs, *DEFINITIONS, "--scope", "min")[0] == 2


def test_what_is_no_dataset(run, logs):
    code, _, err = run("rank", logs)
    assert code == 2
    hint = "replay(.., out=DIR) writes one, as does metricscan replay --out DIR"
    assert err == f"metricscan: logs is not a dataset: it has no _manifest.json\nhint: {hint}\n"


def test_completed_only_without_an_objective(run, written):
    code, out, err = run("replay", "logs", *DEFINITIONS, "--completed-only")
    assert (code, out) == (2, "")
    assert "no objective for --completed-only: give --minimize NAME or --maximize NAME" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--top", 3), "no objective for --top: give --minimize NAME or --maximize NAME"),
        (("--all-best", "--json"), "no objective for --all-best:"),
        (("--top", 3, "--all-best", "--out", "again"), "no objective for --top and --all-best:"),
        (("--no-completed-only",), "no objective for --no-completed-only:"),
    ],
)
def test_what_only_an_objective_gives(run, logs, tmp_path, options, message):
    code, out, err = run("replay", logs, *DEFINITIONS, *options)
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("options", [("--format", "parquet"), ("--overwrite",), ("--overwrite", "--format", "csv")])
def test_options_of_a_dataset_that_is_not_written(run, logs, options):
    code, out, err = run("replay", logs, *DEFINITIONS, *options)
    assert (code, out) == (2, "")
    assert f"{options[0]} needs --out DIR" in err


def test_the_objective_of_the_replay_ranks_the_jobs_that_the_replay_ranked(run, logs, tmp_path):
    (tmp_path / "jobs.csv").write_text("job,status\ntrial_1,completed\ntrial_2,stopped\n")
    of_replay = ("replay", logs, *DEFINITIONS, "--minimize", "loss", "--jobs", "jobs.csv", "--completed-only")
    code, out, _ = run(*of_replay, "--out", "out")
    assert (code, out.splitlines()[0][:14]) == (0, "Best: trial_1,")
    code, again, err = run("rank", "out")
    assert (code, ranking_lines(again)) == (0, ranking_lines(out))
    assert (
        err == "only jobs whose status is Completed have a rank, as in the replay; --no-completed-only turns this off\n"
    )
    assert ranking_lines(run("rank", "out", "--scopes")[1])[0] == ranking_lines(out)[0]
    document = json.loads(run("rank", "out", "--json")[1])
    assert (document["completed_only"], document["best"]["job"]) == (True, "trial_1")
    assert json.loads(run(*of_replay, "--json")[1])["completed_only"] is True
    # what is asked for counts
    code, out, err = run("rank", "out", "--no-completed-only")
    assert (code, err, out.splitlines()[0][:14]) == (0, "", "Best: trial_2,")
    # another objective is one of its own
    code, out, err = run("rank", "out", "--minimize", "loss")
    assert (code, err, out.splitlines()[0][:14]) == (0, "", "Best: trial_2,")
    assert json.loads(run("rank", "out", "--minimize", "loss", "--json")[1])["completed_only"] is False


def test_logs_that_the_replay_could_not_read_are_reported(run, logs, tmp_path):
    (tmp_path / "logs" / "trial_2" / "params.json").write_text("{")
    assert run("replay", logs, "gone", *DEFINITIONS, "--minimize", "loss", "--out", "out")[0] == 2
    code, out, err = run("rank", "out")
    assert (code, out.splitlines()[0][:14]) == (0, "Best: trial_2,")
    told = "metricscan: the replay could not read all of its input: cannot "
    assert err.startswith(told)
    assert err.endswith(" and 1 more\n")
    document = json.loads(run("rank", "out", "--json")[1])
    assert {error["path"] for error in document["errors"]} == {
        "gone",
        str(tmp_path / "logs/trial_2/params.json"),
    }


FOLDS = "fold 0\nepoch 1 loss 5\nepoch 2 loss 3\nfold 1\nepoch 1 loss 2\nepoch 2 loss 6\nfold 2\nepoch 1 loss 4\n"


def test_runs_that_records_begin(run, tmp_path):
    (tmp_path / "a.log").write_text(FOLDS)
    metrics = [
        "-m",
        r"loss=loss (\S+)",
        "-m",
        r"epoch=epoch (\d+)",
        "--minimize",
        "loss",
        "--scope",
        "min",
        "--step",
        "epoch",
    ]
    command = ["replay", tmp_path / "a.log", *metrics, "--run-start", "^fold", "-o", tmp_path / "out"]
    code, out, _ = run(*command, "--json")
    document = json.loads(out)
    assert (code, document["objective"]["restarts"]) == (0, "split")
    assert (document["best"]["value"], document["best"]["part"], document["ranking"][0]["run"]) == (2.0, 1, 1)
    assert json.loads(run("rank", tmp_path / "out", "--json")[1])["best"] == document["best"]
    assert "a.log:5, run 1" in " ".join(run("rank", tmp_path / "out")[1].split())
    assert "Best: a, loss (min) 4.0" in run("rank", tmp_path / "out", "--restarts", "purge")[1]


def test_options_of_steps(run, written):
    code, _, err = run("rank", written, "--restarts", "purge")
    assert (code, "restarts='purge' needs step=NAME" in err) == (2, True)
    code, out, _ = run("rank", written, "--step", "epoch", "--from-step", 2, "--per-step", "mean", "--json")
    found = json.loads(out)["objective"]
    assert (code, found["from_step"], found["per_step"]) == (0, 2.0, "mean")
