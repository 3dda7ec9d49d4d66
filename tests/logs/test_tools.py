"""Folders as tools write them. Each was written by the tool, of the version that is named, and is described here in short.

An archive of such a folder says the same as the folder.
"""

import json
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from support.archives import packed
from support.folders import tree
from support.surveys import told

from metricscan import Objective, Scanner, replay
from metricscan.logs import members
from metricscan.logs.survey import survey


def known(folder, **options):
    """Of each job the streams, the hyperparameters and the status, in the folder and in archives of it; nothing went wrong."""
    facts = _known(folder, options)
    with tempfile.TemporaryDirectory() as elsewhere, pytest.MonkeyPatch.context() as patch:
        # compressed tars that are held in memory, and such that must be read from their beginning on
        for held in (members.HELD_BYTES, 0):
            patch.setattr(members, "HELD_BYTES", held)
            for kind in ("logs.tar", "logs.tar.gz", "logs.zip") if held else ("logs.tar.gz", "logs.tar.zst"):
                archive = Path(elsewhere) / folder.name
                archive.write_bytes(packed(folder, kind))
                assert _known(archive, options) == facts
    return facts


def _known(path, options):
    found = survey([path], **options)
    streams = told(found)
    return {job.name: (streams[job.name], job.hyperparameters, job.status) for job in found.jobs}


# ---- Hydra

CONFIG = "lr: {}\nlayers:\n- 64\n- 32\ndb:\n  user: me\n"


def run_of_hydra(at, lr, *overrides):
    listed = "".join(f"- {one}\n" for one in overrides) or "[]\n"
    return {
        f"{at}/.hydra/config.yaml": CONFIG.format(lr),
        f"{at}/.hydra/hydra.yaml": "hydra:\n  run:\n    dir: somewhere\n",
        f"{at}/.hydra/overrides.yaml": listed,
        f"{at}/train.log": None,
    }


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("multirun/2026-03-01/10-00-00/0", "multirun/2026-03-01/10-00-00/1"),
        ("outputs/2026-03-01/10-00-00", "outputs/2026-03-01/10-00-07"),
        ("sweeps/exp1/lr=0.3", "sweeps/exp1/lr=7"),
        ("exp2/0", "exp2/1"),
        ("0", "myrun"),
    ],
)
def test_hydra(tmp_path, first, second):
    """Of hydra-core 1.3.8: a sweep and single runs, in its own folders and in others."""
    tree(tmp_path, run_of_hydra(f"top/{first}", "0.1"))
    tree(tmp_path, run_of_hydra(f"top/{second}", "7", "lr=7", "db=pg", "+extra={a:1}"))
    tree(tmp_path, {"top/multirun.yaml": "hydra:\n  mode: MULTIRUN\n"})
    one, two = known(tmp_path / "top").values()
    assert one == (["train.log"], {"lr": "0.1", "layers": "[64, 32]", "db.user": "me"}, None)
    given = {"lr": "7", "db": "pg", "extra": "{a:1}"}
    assert two == (["train.log"], {"layers": "[64, 32]", "db.user": "me", **given}, None)


def test_a_run_of_hydra_in_the_folder_of_the_program(tmp_path):
    """Of hydra-core 1.3.8 with hydra.run.dir=. and, elsewhere, without an output_subdir."""
    folder = tree(
        tmp_path / "work", run_of_hydra(".", "0.6", "lr=0.6") | run_of_hydra("outputs/2026-03-01/10-00-00", "1")
    )
    tree(folder, ["nosub/train.log"])
    found = known(folder)
    assert list(found) == ["work", "work/nosub/train", "work/outputs/2026-03-01/10-00-00"]
    assert found["work"][1]["lr"] == "0.6"
    assert found["work/nosub/train"][1] == {}


def test_all_logs_of_a_run_of_hydra_are_its_streams(tmp_path):
    tree(tmp_path, {**run_of_hydra("top/a", "1"), "top/a/eval.log": None, **run_of_hydra("top/b", "2")})
    tree(tmp_path, ["top/c/train.log", "top/c/eval.log"])
    assert told(survey([tmp_path / "top"])) == {
        "a": ["eval.log", "train.log"],
        "b": ["train.log"],
        "c/eval": ["eval.log"],
        "c/train": ["train.log"],
    }


# ---- launchers


def test_torchrun(tmp_path):
    """Of torch 2.13.0: --log-dir with --redirects 3; the second run was started again once."""
    first, second = "3f1c-77_x0ab", "exp7_3b_5ocd"
    for run, attempts in ((first, 1), (second, 2)):
        tree(
            tmp_path / "logs" / run,
            [
                f"attempt_{attempt}/{rank}/{name}.log"
                for attempt in range(attempts)
                for rank in (0, 1)
                for name in ("stdout", "stderr")
            ],
        )
    tree(tmp_path / "logs" / second, {"attempt_1/1/error.json": "{}"})
    found = survey([tmp_path / "logs"])
    streams = ["0/stderr.log", "0/stdout.log", "1/stderr.log", "1/stdout.log"]
    assert told(found) == {
        first: [f"attempt_0/{stream}" for stream in streams],
        second: [f"attempt_1/{stream}" for stream in streams for _ in (0, 1)],
    }
    assert [(log.part, log.superseded) for log in found.jobs[1].logs] == [(0, True), (1, False)] * 4


SUCCESS = bytes.fromhex("80059516000000000000008c077375636365737394473fe00000000000008694") + b"."
ERROR = bytes.fromhex("800595ee010000000000008c056572726f72945822000000") + b"a traceback"


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([SUCCESS, SUCCESS], "Completed"),
        ([SUCCESS, ERROR], "Failed"),
        ([None, ERROR], "Failed"),
        ([SUCCESS, None], None),
        ([SUCCESS, b""], None),
        ([SUCCESS, b"cos\nsystem\n(S'true'\ntR."], None),
    ],
)
def test_submitit(tmp_path, results, status):
    """Of submitit 1.5.4: a job of two tasks, and a job whose folder has its number."""
    tree(tmp_path, {"many/71_submitted.pkl": b"\x80", "72/72_submitted.pkl": b"\x80", "72/72_0_result.pkl": ERROR})
    tree(tmp_path, ["72/72_0_log.out", "72/72_0_log.err"])
    for rank, result in enumerate(results):
        tree(tmp_path, [f"many/71_{rank}_log.out", f"many/71_{rank}_log.err"])
        if result is not None:
            tree(tmp_path, {f"many/71_{rank}_result.pkl": result})
    assert known(tmp_path) == {
        "72": (["72_0_log.err", "72_0_log.out"], {}, "Failed"),
        "many/71": (["71_0_log.err", "71_0_log.out", "71_1_log.err", "71_1_log.out"], {}, status),
    }


# ---- searches


def event_of_nni(trial, event, data=None):
    return (1, trial, event, data, f"/elsewhere/trials/{trial}", 0, None, "local-env")


def nni_database(path, events):
    path.parent.mkdir(parents=True, exist_ok=True)
    names = "timestamp, trialJobId, event, data, logPath, sequenceId, message, environmentId"
    with sqlite3.connect(path) as database:
        database.execute(f"CREATE TABLE TrialJobEvent ({names})")
        database.executemany("INSERT INTO TrialJobEvent VALUES (?, ?, ?, ?, ?, ?, ?, ?)", events)
    database.close()


def test_nni(tmp_path):
    """Of nni 3.0: three trials on this machine, one of which failed and one of which goes on."""
    top = tmp_path / "exps" / "7n630a9r"
    for trial in ("EJ1zH", "Udv0K", "rsO7r"):
        tree(top, [f"environments/local-env/trials/{trial}/trial.{end}" for end in ("log", "stdout", "stderr")])
    tree(top, ["log/dispatcher.log", "log/nnimanager.log", "checkpoint/x.json"])
    (tmp_path / "exps" / "_latest").symlink_to("7n630a9r")
    told_by_the_tuner = (
        '{"parameter_id": 0, "parameter_source": "algorithm", "parameters": {"lr": %s}, "parameter_index": 0}'
    )
    nni_database(
        top / "db" / "nni.sqlite",
        [
            event_of_nni("Udv0K", "RUNNING", told_by_the_tuner % "0.10"),
            event_of_nni("rsO7r", "RUNNING", told_by_the_tuner % "0.2"),
            event_of_nni("Udv0K", "SUCCEEDED"),
            event_of_nni("EJ1zH", "RUNNING", told_by_the_tuner % "[7, 8]"),
            event_of_nni("rsO7r", "FAILED"),
        ],
    )
    streams = ["trial.log", "trial.stderr", "trial.stdout"]
    assert known(tmp_path / "exps") == {
        "EJ1zH": (streams, {"lr": "[7, 8]"}, "InProgress"),
        "Udv0K": (streams, {"lr": "0.10"}, "Completed"),
        "rsO7r": (streams, {"lr": "0.2"}, "Failed"),
    }
    before = sorted(path.name for path in (top / "db").iterdir())
    assert before == ["nni.sqlite"]


def test_nni_2(tmp_path):
    """As nni 2 wrote trials: a file holds their parameters."""
    top = tmp_path / "nni-experiments" / "Zx81abcd"
    tree(
        top,
        ["trials/q1/trial.log", "trials/q1/stderr", "trials/q2/trial.log", "log/experiment.log", "log/nnimanager.log"],
    )
    tree(top, {"trials/q1/parameter.cfg": '{"parameter_id": 0, "parameters": {"lr": 3e-4, "net": {"units": 8}}}'})
    tree(top, {"trials/q1/.nni/metrics": None, "trials/q2/parameter.cfg": "[]"})
    found = survey([tmp_path])
    assert [(job.name, job.hyperparameters) for job in found.jobs] == [
        ("q1", {"lr": "3e-4", "net": '{"units": 8}'}),
        ("q2", {}),
    ]
    assert [[log.stream for log in job.logs] for job in found.jobs] == [["stderr", "trial.log"], ["trial.log"]]
    (error,) = found.errors
    assert error.path.endswith("q2/parameter.cfg")


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + bytes(100)])
def test_a_database_that_is_none(tmp_path, content):
    tree(tmp_path, {"e/trials/a/trial.log": None, "e/db/nni.sqlite": content})
    found = survey([tmp_path])
    assert [job.hyperparameters for job in found.jobs] == [{}]
    (error,) = found.errors
    assert "not a database of NNI" in str(error)
    assert error.path == str(tmp_path / "e" / "db" / "nni.sqlite")


@pytest.mark.slow
def test_a_database_whose_answer_never_ends(tmp_path):
    tree(tmp_path, ["e/trials/a/trial.log"])
    path = tmp_path / "e" / "db" / "nni.sqlite"
    path.parent.mkdir()
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n WHERE x < 0"
    with sqlite3.connect(path) as database:
        database.execute(
            f"CREATE VIEW TrialJobEvent AS SELECT 'a' AS trialJobId, '' AS event, x AS data FROM ({endless})"
        )
    database.close()
    (error,) = survey([tmp_path]).errors
    assert "interrupted" in str(error)


def test_syne_tune(tmp_path):
    """Of syne-tune 0.16.0, on this machine: trials that ended, and one that was stopped."""
    top = tmp_path / "t-2026-03-01-10-00-00-801"
    for trial, mark in (("0", "end"), ("1", "stop")):
        tree(top, {f"{trial}/{name}": None for name in ("std.out", "std.err", mark, "checkpoints/c.txt")})
        tree(top, {f"{trial}/config.json": f'{{"lr": 0.{trial}5, "units": 1}}'})
    tree(top, {"metadata.json": "{}", "results.csv.zip": b"PK", "tuner.dill": b"\x80\0"})
    assert known(tmp_path) == {
        "0": (["std.err", "std.out"], {"lr": "0.05", "units": "1"}, None),
        "1": (["std.err", "std.out"], {"lr": "0.15", "units": "1"}, None),
    }


# ---- Ray

TIME = "2026-03-01_10-00-00"
SESSION = f"session_{TIME}_477865_9537"


def trial_of_ray(number, varied, time=TIME):
    return f"train_fn_62624_{number:05}_{number}_{varied}_{time}"


def state_of_ray(statuses):
    trials = [{"trial_id": f"62624_{number:05}", "status": status} for number, status in enumerate(statuses)]
    return json.dumps({"trial_data": [[json.dumps(trial), "{}"] for trial in trials], "runner_data": {}})


def test_ray_tune(tmp_path):
    """Of ray 2.60.0 with log_to_file: what trials print lies in one folder, what they were told in another."""
    at = f"{SESSION}/artifacts/{TIME}/exp"
    # names hold lists without brackets, and numbers with four decimals
    names = [
        trial_of_ray(0, "layers=64_32,lr=0.0000,opt=name_adam"),
        trial_of_ray(1, "layers=64_32,lr=7.0000,opt=name_adam"),
    ]
    for name, lr in zip(names, ("1e-05", "7.0"), strict=True):
        tree(
            tmp_path,
            {
                f"{at}/working_dirs/{name}/stdout": None,
                f"{at}/working_dirs/{name}/stderr": None,
                f"{at}/driver_artifacts/{name}/params.json": f'{{"layers": [64, 32], "lr": {lr}, "opt": {{"name": "adam"}}}}',
                f"{at}/driver_artifacts/{name}/result.json": "{}",
                f"{at}/driver_artifacts/{name}/error.txt": "ValueError",
                f"{at}/driver_artifacts/{name}/progress.csv": "loss\n1\n",
                f"{at}/driver_artifacts/{name}/events.out.tfevents.1796.vm": b"\0",
            },
        )
    tree(tmp_path, {f"{at}/driver_artifacts/experiment_state-{TIME}.json": state_of_ray(["TERMINATED", "RUNNING"])})
    later = f"{at}/driver_artifacts/experiment_state-2026-03-01_11-00-00.json"
    tree(tmp_path, {later: state_of_ray(["TERMINATED", "ERROR"])})
    found = known(tmp_path)
    told_to_the_first = {"layers": "[64, 32]", "lr": "1e-05", "opt": '{"name": "adam"}'}
    assert found == {
        names[0]: (["stderr", "stdout"], told_to_the_first, "Completed"),
        names[1]: (["stderr", "stdout"], {**told_to_the_first, "lr": "7.0"}, "Failed"),
    }
    for job in survey([tmp_path]).jobs:
        assert job.status_source == str(tmp_path / later)
        (source,) = {*job.parameter_sources.values()}
        assert source == str(tmp_path / at / "driver_artifacts" / job.name / "params.json")


def test_the_processes_of_ray(tmp_path):
    """Of ray 2.60.0: the folder of a session."""
    own = ["dashboard.log", "dashboard.err", "raylet.out", "gcs_server.out", "debug_state.txt", "events/event_GCS.log"]
    own += ["export_events/event_EXPORT_NODE.log", "python-core-worker-35_10.log", "runtime_env_setup-01.log"]
    tree(tmp_path / SESSION / "logs", [*own, "worker-355db-01000000-10.out", "worker-355db-01000000-10.err"])
    tree(tmp_path / SESSION / "logs", ["job-driver-raysubmit_1.log"])
    tree(tmp_path / SESSION, {"gcs_server_port_0a5a": "1", "metrics_agent_port_0a5a": "2"})
    (tmp_path / "session_latest").symlink_to(SESSION)
    assert told(survey([tmp_path])) == {
        "job-driver-raysubmit_1": ["job-driver-raysubmit_1.log"],
        "worker-355db-01000000-10": ["worker-355db-01000000-10.err", "worker-355db-01000000-10.out"],
    }


@pytest.mark.parametrize(
    ("varied", "expected"),
    [
        ("layers=64_32,lr=0.0100,opt=name_adam", {"layers": "64_32", "lr": "0.0100", "opt": "name_adam"}),
        ("lr=0.0100,layers=[64, 32]", {"lr": "0.0100", "layers": "[64, 32]"}),
        ("data=v1_2026-03-01,lr=0.5000", {"data": "v1_2026-03-01", "lr": "0.5000"}),
        # as small numbers are written, which says nothing of the number
        ("lr=0.0000,decay=-0.0000,units=8", {"units": "8"}),
        (
            "a_very_long_parameter_name_0=0.2630,a_very_long_parameter_name_1=0.7631,a_very_long_parameter_name_2=0.6974",
            {"a_very_long_parameter_name_0": "0.2630", "a_very_long_parameter_name_1": "0.7631"},
        ),
    ],
)
def test_names_of_trials_of_ray(tmp_path, varied, expected):
    """Of ray 2.60.0, and lists as older versions wrote them. The last name is as long as ray lets a name be."""
    tree(tmp_path, [f"{trial_of_ray(3, varied)}/stdout"])
    ((_, parameters, _),) = known(tmp_path).values()
    assert parameters == expected


@pytest.mark.parametrize("state", ["{", "[]", '{"trial_data": [["{}"]]}', "[" * 100_000])
def test_a_state_of_ray_that_is_none_is_one_error(tmp_path, state):
    names = [trial_of_ray(number, "lr=1.0000") for number in range(3)]
    tree(tmp_path, {**dict.fromkeys(f"{name}/stdout" for name in names), f"experiment_state-{TIME}.json": state})
    found = survey([tmp_path])
    assert [job.status for job in found.jobs] == [None] * 3
    (error,) = found.errors
    assert error.path == str(tmp_path / f"experiment_state-{TIME}.json")


# ---- trackers


def test_wandb(tmp_path):
    """Of wandb 0.31.0 without a connection, and files that a run with one has. Three files were saved with each run."""
    runs = ["offline-run-20260301_100000-mb15f3bo", "run-20260301_100007-b5t5eeol"]
    for run in runs:
        own = ["files/requirements.txt", "files/diff.patch", "files/code/notes", "files/media/table/text.txt"]
        own += [f"logs/debug{name}.log" for name in ("", "-core", "-internal")]
        tree(
            tmp_path / "wandb" / run, [*own, "files/output.log", "files/train.log", "files/in/notes.txt", "files/z.out"]
        )
        tree(tmp_path / "wandb" / run, {f"run-{run[-8:]}.wandb": b"\0"})
    tree(tmp_path / "wandb" / runs[1], {"files/config.yaml": "lr:\n  value: 0.1\n", "files/wandb-metadata.json": "{}"})
    (tmp_path / "wandb" / "latest-run").symlink_to(runs[1])
    (tmp_path / "wandb" / "debug.log").symlink_to(f"{runs[1]}/logs/debug.log")
    streams = ["files/output.log"]
    assert known(tmp_path) == {runs[0]: (streams, {}, None), runs[1]: (streams, {"lr": "0.1"}, None)}
    # what was saved is never a job of its own: not if it is asked for, and not where the print-out was not kept
    saved = ["files/in/notes.txt", "files/output.log", "files/train.log", "files/z.out"]
    asked_for = told(survey([tmp_path], include=["output.log", "train.log", "notes.txt", "*.out"]))
    assert {run: asked_for[run] for run in runs} == dict.fromkeys(runs, saved)
    (tmp_path / "wandb" / runs[0] / "files" / "output.log").unlink()
    saved.remove("files/output.log")
    assert told(survey([tmp_path])) == {runs[0]: saved, runs[1]: streams}


def test_guild(tmp_path):
    """Of guildai 0.9.0, with a home of another name. Guild copies the project, old logs too, into each run."""
    run, deleted = "1c91" * 8, "65a0" * 8
    home = tmp_path / "home"
    tree(
        home / "runs" / run,
        {
            **dict.fromkeys(["NOTES", "old.log", "train.log", "logs/x.txt", ".guild/output", "train.py"]),
            ".guild/manifest": "s NOTES 55ca NOTES\ns old.log 060b old.log\n",
            ".guild/attrs/flags": "lr: 0.1\nunits: 3\n",
            ".guild/attrs/exit_status": "1",
            ".guild/attrs/id": run,
            ".guild/opref": "guildfile",
        },
    )
    tree(home, [f"trash/runs/{deleted}/.guild/output", f"cache/import-flags/{deleted}", "locks/run-status"])
    assert known(home) == {run: ([".guild/output"], {"lr": "0.1", "units": "3"}, "Failed")}
    # a file that is asked for is a stream of the run
    paths = [home / "runs" / run / name for name in (".guild/output", "logs/x.txt")]
    assert told(survey(paths)) == {run: [".guild/output", "logs/x.txt"]}
    (home / "runs" / run / ".guild" / "output").unlink()
    assert list(told(survey([home]))) == ["NOTES", "logs/x.txt", "old.log", "train.log"]


@pytest.mark.parametrize(
    ("code", "status"), [("1", "InProgress"), ("3", "Completed"), ("4", "Failed"), ("5", "Stopped")]
)
def test_mlflow(tmp_path, code, status):
    """Of mlflow 3.17.2, with a store of files: one for each parameter, metric and tag."""
    run, bare = "e3f5" * 8, "f0c6" * 8
    tree(
        tmp_path / "mlruns" / "0",
        {
            "meta.yaml": "name: Default\n",
            f"{run}/meta.yaml": f"run_id: {run}\nrun_name: fly-925\nstatus: {code}\ntags: []\n",
            f"{run}/params/lr": "0.10",
            f"{run}/params/opt/name": "adam\n",
            f"{run}/metrics/val/loss": "1796031877177 0.2 1\n",
            f"{run}/tags/mlflow.user": "me",
            f"{run}/artifacts/train.log": None,
            f"{run}/artifacts/model/MLmodel": "flavors: {}\n",
            f"models/m-{run}/metrics/loss": "1 2 3",
            f"{bare}/params/lr": "1",
            f"{bare}/artifacts/train.log": None,
        },
    )
    assert known(tmp_path) == {
        run: (["artifacts/train.log"], {"lr": "0.10", "opt/name": "adam"}, status),
        bare: (["artifacts/train.log"], {}, None),
    }


def test_a_broken_status_of_mlflow_is_an_error(tmp_path):
    run = "e3f5" * 8
    tree(tmp_path, {f"{run}/params/lr": "1", f"{run}/meta.yaml": "- a", f"{run}/artifacts/train.log": None})
    (error,) = survey([tmp_path]).errors
    assert error.path == str(tmp_path / run / "meta.yaml")


def test_lightning(tmp_path):
    """Of lightning 2.6.6, with the CSV logger and a log beside its metrics."""
    for number, lr in enumerate(("0.1", "0.01")):
        tree(
            tmp_path / "lightning_logs" / f"version_{number}",
            {
                "train.log": None,
                "eval.log": None,
                "metrics.csv": "loss\n1\n",
                "hparams.yaml": f"layers:\n- 64\n- 32\nlr: {lr}\nopt:\n  name: adam\n",
                "checkpoints/epoch=0-step=4.ckpt": b"\0",
            },
        )
    streams, parameters = ["eval.log", "train.log"], {"layers": "[64, 32]", "opt.name": "adam"}
    assert known(tmp_path) == {
        "version_0": (streams, {**parameters, "lr": "0.1"}, None),
        "version_1": (streams, {**parameters, "lr": "0.01"}, None),
    }
    tree(tmp_path / "other", ["version_1/a.log", "version_1/b.log"])
    assert list(told(survey([tmp_path / "other"]))) == ["a", "b"]


def test_dvclive(tmp_path):
    """Of dvclive 3.49.1: it writes no logs."""
    tree(
        tmp_path,
        {"dvclive/metrics.json": "{}", "dvclive/params.yaml": "lr: 1\n", "dvclive/plots/metrics/loss.tsv": "a\tb\n"},
    )
    assert survey([tmp_path]).jobs == []


def test_checkpoints(tmp_path):
    """As TensorFlow and transformers write them: their text files are no logs."""
    tree(
        tmp_path,
        {"ckpt/checkpoint": 'model_checkpoint_path: "ckpt-1"\n', "ckpt/ckpt-1.index": b"\0", "train.log": None},
    )
    tree(tmp_path, ["checkpoint-500/vocab.txt", "checkpoint-500/merges.txt"])
    assert list(told(survey([tmp_path]))) == ["train"]


# ---- orchestrators


def test_metaflow(tmp_path):
    """Of metaflow 2.19: of a step over two values the first failed once and was tried again."""
    begun = {"runtime": '{"return_code": 0, "killed": false, "success": true}', "task_begin": "{}", "task_end": "{}"}
    begun |= {"DONE.lock": '""', "attempt.json": '{"time": 1}', "data.json": "{}", "runtime_stderr.log": ""}
    failed = begun | {"runtime": '{"return_code": 1, "killed": false, "success": false}'}
    top = tmp_path / ".metaflow"
    of_task = {"2/0": failed, "2/1": begun, "3/0": failed}
    for at, files in of_task.items():
        tree(top / "F/1796/train", {f"{at}.{name}": text for name, text in files.items()})
        tree(top / "F/1796/train", {f"{at}.runtime_stdout.log": "[MFLOG|0|2026-03-01T10:00:00.1Z|runtime|x]auc 0.9\n"})
    tree(top / "F", {"latest_run": "1796", f"data/1c/{'1c' * 20}": "text", f"data/1c/{'1c' * 20}_meta": "text"})
    names = ["1.runtime_stderr.log", "1.runtime_stdout.log"]
    found = known(top)
    assert found == {
        "2": ([names[0], names[0], names[1], names[1]], {}, "Completed"),
        "3": ([name.replace("1.", "0.") for name in names], {}, "Failed"),
    }
    for name in ("2/0", "2/1", "3/0"):
        (top / f"F/1796/train/{name}.runtime").unlink()
    (top / "F/1796/train/3/0.runtime_stderr.log").write_text("[MFLOG|0|2026-03-01T10:00:01.1Z|runtime|y]Task failed.")
    assert [job.status for job in survey([top]).jobs] == [None, "Failed"]
    (top / "F/1796/train/2/1.runtime").write_text("[]")
    assert [str(error).partition(" /")[0] for error in survey([top]).errors] == ["cannot read the status in"]


AIRFLOW = "[2026-03-01T10:00:00.100+0000] {{{}}} INFO - {}\n"


def test_airflow(tmp_path):
    """Of apache-airflow 2.11: a task that was tried again, one that succeeded, one that runs, and its own processes."""
    failed = AIRFLOW.format("taskinstance.py:1242", "Marking task as UP_FOR_RETRY. dag_id=d")
    failed += AIRFLOW.format("local_task_job_runner.py:266", "Task exited with return code 1")
    done = failed.replace("UP_FOR_RETRY", "SUCCESS").replace("code 1", "code 0")
    tree(
        tmp_path / "logs",
        {
            "dag_id=d/run_id=r/task_id=a/attempt=1.log": failed,
            "dag_id=d/run_id=r/task_id=a/attempt=2.log": done,
            "dag_id=d/run_id=r/task_id=b/attempt=1.log": failed,
            "dag_id=d/run_id=r/task_id=c/attempt=1.log": AIRFLOW.format("logging_mixin.py:190", "auc 0.9"),
            "dag_id=d/run_id=r/task_id=s/attempt=1.log": done.replace("SUCCESS", "SKIPPED"),
            "scheduler/2026-03-01/d.py.log": "text\n",
            "dag_processor_manager/dag_processor_manager.log": "text\n",
        },
    )
    found = known(tmp_path / "logs")
    assert {name: status for name, (_, _, status) in found.items()} == {
        "task_id=a": "Completed",
        "task_id=b": "Failed",
        "task_id=c": None,
        "task_id=s": "Stopped",
    }
    assert found["task_id=a"][:2] == (["attempt=2.log"] * 2, {"dag_id": "d", "run_id": "r", "task_id": "a"})


def test_json_lines_of_airflow_are_told(tmp_path):
    def line(event, **more):
        return json.dumps({"timestamp": "2026-03-01T10:00:00.1Z", "level": "info", "event": event} | more) + "\n"

    crash = line("Task failed", error_detail=[{"exc_type": "ValueError", "frames": []}])
    folder = "logs/dag_id=d/run_id=r/task_id={}/attempt=1.log"
    tree(
        tmp_path,
        {folder.format("a"): line('loss=0.5 "x"') + crash, folder.format("b"): line("loss=0.25")},
    )
    result = replay(tmp_path / "logs", Scanner(["loss=loss=([0-9.]+)"]), objective=Objective("loss", "Minimize"))
    assert result.best.job == "task_id=b"
    assert [job.status for job in result.jobs] == [None, None]
    assert not result.doubts
    [message] = [notice.message for notice in result.notices]
    assert "attempt=1.log has a JSON object per line, as other logs of Airflow 3 may have: regexes see" in message


@pytest.mark.parametrize(("include", "count"), [("*abc/*", 1), ("debug*.log", 0), ("output.log", 0)])
def test_a_tools_own_logs_that_include_takes_by_their_folder_are_said(tmp_path, include, count):
    run = tmp_path / "wandb" / "run-20260301_100000-abc"
    tree(run, ["files/output.log", "logs/debug.log"])
    (tmp_path / "wandb" / "latest-run").symlink_to(run.name)
    found = survey([tmp_path], include=include)
    said = [notice.message for notice in found.notices]
    assert len(said) == count
    if said:
        assert said[0].startswith("1 log is what a tool wrote about itself, for example ")
        assert said[0].endswith("logs/debug.log: include took it by its folder")


@pytest.mark.parametrize("is_link", [True, False])
@pytest.mark.parametrize("include", ["*latest-run*", "latest-run/*", "*/latest-run/*", "latest-*"])
def test_include_may_ask_for_the_newest_run_of_wandb(tmp_path, is_link, include):
    """Its link gives the run's own name; a copy of the folder is a run of its own, not a job for each of its files."""
    folder = tree(
        tmp_path / "wandb",
        {
            "run-20260301_100000-abc/files/output.log": "loss=1\n",
            "run-20260302_100000-def/files/output.log": "loss=2\n",
            "run-20260302_100000-def/logs/debug.log": "start\n",
        },
    )
    newest = folder / "run-20260302_100000-def"
    if is_link:
        (folder / "latest-run").symlink_to(newest.name)
    else:
        shutil.copytree(newest, folder / "latest-run")
    top = tmp_path if include.startswith("*/") else folder
    found = told(survey([top], include=[include]))
    assert list(found) == [newest.name if is_link else "latest-run"]
    assert "files/output.log" in found[newest.name if is_link else "latest-run"]
    assert told(survey([folder / "latest-run"])) == {newest.name if is_link else "latest-run": ["files/output.log"]}
