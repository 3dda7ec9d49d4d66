"""What is known of a job besides its logs: hyperparameters beside the logs and in names, and the jobs file."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.folders import tree
from support.surveys import parameters

from metricscan import SourceError
from metricscan.logs.facts import STATUSES
from metricscan.logs.parameters import parameters_in_name, parameters_of
from metricscan.logs.survey import survey

# ---- hyperparameters


@pytest.mark.parametrize("file", ["hyperparameters.json", "input/config/hyperparameters.json", "params.json"])
def test_hyperparameters_lie_beside_the_logs(tmp_path, file):
    text = '{"lr": 3e-4, "units": 064, "x": 1}'.replace("064", "64.0")
    tree(tmp_path, {"trial_1/stdout": None, f"trial_1/{file}": text, "trial_2/stdout": None})
    assert parameters(survey([tmp_path])) == {"trial_1": {"lr": "3e-4", "units": "64.0", "x": "1"}, "trial_2": {}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", {}),
        ('{"a": 1e-05, "b": 1E3, "c": -0.0, "d": 10000000000000000000001}',
         {"a": "1e-05", "b": "1E3", "c": "-0.0", "d": "10000000000000000000001"}),
        ('{"a": "auto", "b": "1.50", "c": ""}', {"a": "auto", "b": "1.50", "c": ""}),
        ('{"a": true, "b": null, "c": [1, "x"], "d": {"e": 1}}',
         {"a": "true", "b": "null", "c": '[1, "x"]', "d": '{"e": 1}'}),
        ('{"é": "ü"}', {"é": "ü"}),
    ],
)  # fmt: skip
def test_hyperparameters_are_spelled_as_they_were(text, expected):
    assert parameters_of(text) == expected


def test_overrides_of_hydra(tmp_path):
    text = "- lr=3e-4\n- +model.units=64\n- ++opt=adam\n- ~debug\n- 'note=a=b'\n"
    tree(tmp_path, {"multirun/d/t/0/train.log": None, "multirun/d/t/0/.hydra/overrides.yaml": text})
    assert parameters(survey([tmp_path])) == {"0": {"lr": "3e-4", "model.units": "64", "opt": "adam", "note": "a=b"}}


WANDB = """\
wandb_version: 1
_wandb:
  desc: null
  value:
    python_version: 3.11.4
    t: {1: [1, 5]}
lr:
  desc: null
  value: 1e-4
momentum:
  value: 0.90
layers: {desc: null, value: [64, 32]}
opt:
  value:
    name: adam
    eps: 1.0e-08
debug: {value: false}
note: {value: null}
seed: {desc: no value}
"""


@pytest.mark.parametrize("run", ["run-20260301_100000-abc1", "offline-run-20260302_100000-def2"])
def test_the_configuration_that_wandb_keeps(tmp_path, run):
    tree(tmp_path, {f"wandb/{run}/files/output.log": None, f"wandb/{run}/files/config.yaml": WANDB})
    (job,) = survey([tmp_path]).jobs
    assert (job.name, job.status) == (run, None)
    assert job.hyperparameters == {
        "lr": "1e-4",
        "momentum": "0.90",
        "layers": "[64, 32]",
        "opt.name": "adam",
        "opt.eps": "1.0e-08",
        "debug": "false",
        "note": "null",
    }


def test_flags_and_exit_status_of_guild(tmp_path):
    statuses = {"aa": "0\n", "bb": "1", "cc": None, "dd": "-15\n", "ee": "ended"}
    for run, status in statuses.items():
        at = f"runs/{run}/.guild"
        tree(tmp_path, {f"{at}/output": None, f"{at}/attrs/flags": f"lr: 0.10\nrun: {run}\nbig: true\n"})
        if status is not None:
            tree(tmp_path, {f"{at}/attrs/exit_status": status})
    found = survey([tmp_path])
    assert parameters(found) == {run: {"lr": "0.10", "run": run, "big": "true"} for run in statuses}
    expected = {"aa": "Completed", "bb": "Failed", "cc": None, "dd": "Failed", "ee": None}
    assert {job.name: job.status for job in found.jobs} == expected
    (error,) = found.errors
    assert error.path.endswith("ee/.guild/attrs/exit_status")
    (tmp_path / "jobs.csv").write_text('job,status,hyperparameters\naa,,"{""lr"": 1}"\nbb,stopped,\n')
    jobs = survey([tmp_path / "runs"], jobs_file=tmp_path / "jobs.csv").jobs
    assert [job.status for job in jobs] == ["Completed", "Stopped", None, "Failed", None]


@pytest.mark.parametrize(
    ("log", "file", "text", "expected"),
    [
        ("3/std.out", "config.json", '{"lr": 3e-4, "n": 8}', {"lr": "3e-4", "n": "8"}),
        ("3/stdout", "config.json", '{"lr": 3e-4}', {}),
        ("multirun/d/t/3/train.log", ".hydra/config.yaml", "db:\n  user: me\n  port: 010\n", {"db.user": "me", "db.port": "010"}),
        ("version_3/stdout", "hparams.yaml", "lr: 0.02\nnet: !!python/object:net.Net {}\nb: &b [1]\nc: *b\n",
         {"lr": "0.02", "b": "[1]", "c": "[1]"}),
        ("version_3/stdout", "hparams.yaml", "", {}),
    ],
)  # fmt: skip
def test_configurations_of_other_tools(tmp_path, log, file, text, expected):
    tree(tmp_path, {log: None, f"{log.rpartition('/')[0]}/{file}": text})
    found = survey([tmp_path])
    assert found.errors == []
    assert [job.hyperparameters for job in found.jobs] == [expected]


def test_overrides_say_more_than_the_configuration(tmp_path):
    files = {".hydra/overrides.yaml": "- lr=1\n", ".hydra/config.yaml": "lr: 2\nn: 3\n", "stdout": None}
    assert parameters(survey([tree(tmp_path / "0", files)])) == {"0": {"lr": "1", "n": "3"}}


def test_a_reference_of_hydra_is_the_value_that_it_names(tmp_path):
    config = """\
lr: 3e-4
net: {units: 8, lr: "${lr}", twice: "${net.lr}", at: "run_${lr}", up: "${.units}"}
seed: ???
day: ${now:%Y}
gone: ${nothing}
a: ${b}
b: ${a}
"""
    tree(tmp_path, {"x/train.log": None, "x/.hydra/config.yaml": config})
    (job,) = survey([tmp_path]).jobs
    assert job.hyperparameters == {"lr": "3e-4", "net.units": "8", "net.lr": "3e-4", "net.twice": "3e-4"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lr=0.1_leaves=31.log", {"lr": "0.1", "leaves": "31"}),
        ("lr=3e-4,units=064.txt", {"lr": "3e-4", "units": "064"}),
        ("train_7f3a2_00001_1_lr=0.01,batch_size=64_2024-05-01_12-00-00/stdout", {"lr": "0.01", "batch_size": "64"}),
        ("batch_size=64_opt.name=adam/stdout", {"batch_size": "64", "opt.name": "adam"}),
        ("lr=1e-3/units=64/stdout", {"lr": "1e-3", "units": "64"}),
        ("trial_1/stdout", {}),
        ("trial_3_lr=0.1/stdout", {"lr": "0.1"}),
        ("my_run_3_lr=0.1_n=2/stdout", {"lr": "0.1", "n": "2"}),
        ("conv_2_units=64_lr=0.1/stdout", {"conv_2_units": "64", "lr": "0.1"}),
        ("lr=0.1,trial_3_lr=0.2/stdout", {"lr": "0.1", "trial_3_lr": "0.2"}),
        ("train_fn_abc12_00003_3_conv_2_units=64,lr=1_2026-03-01_10-00-00/stdout", {"conv_2_units": "64", "lr": "1"}),
        ("train_fn_abc12_00003_3_lr=0.0100,layers=[64, 32]_2026-03-01_10-00-00/stdout",
         {"lr": "0.0100", "layers": "[64, 32]"}),
    ],
)  # fmt: skip
def test_hyperparameters_in_names(tmp_path, name, expected):
    tree(tmp_path, [name, "other/trial/stdout"])
    (found,) = (job.hyperparameters for job in survey([tmp_path]).jobs if job.name != "other/trial")
    assert found == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hidden=[64, 32],act=relu", {"hidden": "[64, 32]", "act": "relu"}),
        ("act=relu,hidden=[64, [32, 16]]", {"act": "relu", "hidden": "[64, [32, 16]]"}),
        ("opt={'name': 'adam', 'b_1=': 0.9}_lr=1", {"opt": "{'name': 'adam', 'b_1=': 0.9}", "lr": "1"}),
        ("betas=(0.9, 0.99),range=[0,1),x=1", {"betas": "(0.9, 0.99)", "range": "[0,1)", "x": "1"}),
        ("opt=Adam(lr=0.1, eps=1e-8),x=2", {"opt": "Adam(lr=0.1, eps=1e-8)", "x": "2"}),
        ("tokens=['[', \"'\"],x=1", {"tokens": "['[', \"'\"]", "x": "1"}),
        ("data=v1_2026-03-01", {"data": "v1_2026-03-01"}),
        ("data=v1_2026-03-01_12-00-00,lr=1", {"data": "v1_2026-03-01_12-00-00", "lr": "1"}),
        ("lr=1,since=2026-03-01_till=2026-04-01", {"lr": "1", "since": "2026-03-01", "till": "2026-04-01"}),
        ("train_7f3a2_00001_1_data=v1_2026-03-01,lr=1_2024-05-01_12-00-00", {"data": "v1_2026-03-01", "lr": "1"}),
        ("train_7f3a2_00001_1_data=v1_2026-03-01_2024-05-01_12-00-00", {"data": "v1_2026-03-01"}),
        ("train_7f3a2b1c_12_h=[1, 2]_2024-05-01_12-00-00", {"h": "[1, 2]"}),
        ("Trainable_3_lr=0.01_2019-07-10_12-00-00zz7g_b4b", {"lr": "0.01"}),
        # cut off
        ("train_7f3a2_00001_1_lr=1,h=[64, 3_2024-05-01_12-00-00", {"lr": "1"}),
        ("lr=1,opt={'a': 1, 'b_c=3", {"lr": "1"}),
    ],
)
@pytest.mark.parametrize("place", ["{}/stdout", "{}/train.log", "{}/deep/train.log", "{}.log"])
def test_values_in_names_stay_whole(tmp_path, name, expected, place):
    tree(tmp_path, [place.format(name)])
    (job,) = survey([tmp_path]).jobs
    assert job.hyperparameters == expected
    tree(tmp_path, ["zz/trial/stdout", "zz/trial_2/stdout"])
    assert sorted(map(str, parameters(survey([tmp_path])).values())) == sorted(map(str, [expected, {}, {}]))


def test_a_name_that_ray_cut_gives_no_value_for_its_last_key():
    prefix, time = "train_7f3a2_00001_1_lr=0.1,width=", "_2024-05-01_12-00-00"
    for length in range(len(prefix) + 1, 131):
        name = prefix + "7" * (length - len(prefix))
        found = parameters_in_name(name + time)
        assert found == {"lr": "0.1", **({"width": name[len(prefix) :]} if length < 130 else {})}
    # what was cut is the next key: the values before it are whole
    for cut in (",", ",de", ",depth="):
        name = prefix + "7" * (130 - len(prefix + cut)) + cut
        assert parameters_in_name(name + time) == {"lr": "0.1", "width": name[len(prefix) :].removesuffix(cut)}


letters = st.characters(codec="ascii", categories=("L", "N", "Zs"), include_characters="._-'\"[]{}(),=:")


@given(
    st.lists(st.one_of(st.integers(), st.text(letters, max_size=5), st.lists(st.integers(), max_size=3)), max_size=4)
)
def test_every_list_in_a_name_is_one_value(values):
    name = f"a=1,x={values},b=2"
    assume("\\" not in name)
    assert parameters_in_name(name) == {"a": "1", "x": str(values), "b": "2"}


def test_names_of_folders_above_those_given_say_nothing(tmp_path):
    folder = tree(tmp_path / "user=me", ["data=v1/lr=1/train.log"])
    assert parameters(survey([folder / "data=v1"])) == {"train": {"data": "v1", "lr": "1"}}
    assert parameters(survey([folder / "data=v1" / "lr=1"])) == {"train": {"lr": "1"}}
    assert parameters(survey([folder / "data=v1" / "lr=1" / "train.log"])) == {"train": {"lr": "1"}}
    assert parameters(survey([folder / "data=v1"], job="(train)")) == {"train": {}}


def test_a_file_says_more_than_a_name(tmp_path):
    tree(tmp_path, {"lr=1/stdout": None, "lr=1/params.json": '{"lr": 1.0}', "lr=2/stdout": None})
    assert parameters(survey([tmp_path])) == {"lr=1": {"lr": "1.0"}, "lr=2": {"lr": "2"}}


def test_facts_say_where_they_come_from(tmp_path):
    folder = tree(tmp_path / "data=v1", {"lr=1,n=2/stdout": None, "lr=1,n=2/params.json": '{"lr": 1.0}'})
    tree(folder, {"aa/.guild/output": None, "aa/.guild/attrs/exit_status": "1"})
    trial, run = sorted(survey([folder]).jobs, key=lambda job: job.name, reverse=True)
    file = str(folder / "lr=1,n=2" / "params.json")
    assert trial.parameter_sources == {"lr": file, "n": "name", "data": "name"}
    assert trial.parameter_sources.keys() == trial.hyperparameters.keys()
    assert trial.status_source is None
    assert run.status_source == str(folder / "aa" / ".guild" / "attrs" / "exit_status")


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("params.json", b"{", "Expecting property name"),
        ("params.json", b"", "Expecting value"),
        ("params.json", b"[1]", "an object was expected, not list"),
        ("params.json", b'{"a": "\xff"}', "can't decode byte 0xff"),
        ("params.json", b"[" * 100_000, "recursion"),
        ("params.json", b" " * ((1 << 20) + 1), "1048577 bytes; a file of hyperparameters has at most 1048576"),
        (".hydra/overrides.yaml", b"a: 1\n", "a list of KEY=VALUE was expected, not dict"),
        (".hydra/overrides.yaml", b"- 'a", "not YAML"),
        ("hparams.yaml", b"- a", "a mapping was expected, not a list"),
        ("hparams.yaml", b"a: 'b", "not YAML"),
        ("hparams.yaml", b"a: 1\n---\nb: 2\n", "not YAML"),
        ("hparams.yaml", b"a: " + b"[" * 5000, ""),
        ("hparams.yaml", b"- " * 5000, ""),
        ("hparams.yaml", b"a: &a [*a]\n", "more than 100,000 values"),
        (
            "hparams.yaml",
            b"a0: &a0 [1]\n"
            + b"".join(b"a%d: &a%d [%s]\n" % (i, i, b", ".join([b"*a%d" % (i - 1)] * 9)) for i in range(1, 12)),
            "more than 100,000 values",
        ),
    ],
)
def test_malformed_hyperparameters_are_errors(tmp_path, file, content, reason):
    tree(tmp_path, {"trial_1/stdout": None, f"trial_1/{file}": content, "trial_2/stdout": None})
    found = survey([tmp_path])
    assert [job.name for job in found.jobs] == ["trial_1", "trial_2"]
    (error,) = found.errors
    assert isinstance(error, SourceError)
    assert error.path == str(tmp_path / "trial_1" / file)
    assert reason in str(error)


# ---- the jobs file


@pytest.fixture
def trials(tmp_path):
    return tree(tmp_path / "logs", ["trial_1/stdout", "trial_1/stderr", "trial_2/stdout", "trial_10/stdout"])


def known(folder, text, name="jobs.csv", **options):
    path = folder.parent / name
    path.write_text(text)
    return {job.name: (job.status, job.hyperparameters) for job in survey([folder], jobs_file=path, **options).jobs}


def test_a_jobs_file_in_csv(trials):
    text = 'job,status,hyperparameters\r\ntrial_10,completed,"{""lr"": 3e-4, ""n"": 64}"\r\ntrial_2,,\r\n\r\n'
    expected = {"trial_1": (None, {}), "trial_2": (None, {}), "trial_10": ("Completed", {"lr": "3e-4", "n": "64"})}
    assert known(trials, text) == expected


def test_a_jobs_file_in_json_lines(trials):
    text = (
        '{"job": "trial_10", "status": "failed", "hyperparameters": {"lr": 3e-4, "x": [1]}}\n\n'
        '{"hyperparameters": "{\\"lr\\": 1e-5}", "job": "trial_2"}\n{"job": "trial_1", "hyperparameters": null}'
    )
    expected = {"trial_1": (None, {}), "trial_2": (None, {"lr": "1e-5"})}
    expected["trial_10"] = ("Failed", {"lr": "3e-4", "x": "[1]"})
    assert known(trials, text, "jobs.jsonl") == expected


def test_a_byte_order_mark_is_no_part_of_a_column(trials):
    assert known(trials, "\ufeffjob,status\ntrial_1,done\n")["trial_1"] == ("Completed", {})


def test_a_path_says_which_job_is_meant(trials):
    text = "path,status\nlogs/trial_1,failed\nlogs/trial_2/stdout,stopped\n"
    found = known(trials, text)
    assert {name: status for name, (status, _) in found.items()} == {
        "trial_1": "Failed",
        "trial_2": "Stopped",
        "trial_10": None,
    }


def test_a_path_with_a_job_names_it(trials):
    text = "path,job,status\nlogs/trial_1,best,done\nlogs/trial_2/stdout,other,failed\n"
    found = known(trials, text)
    assert found == {"best": ("Completed", {}), "other": ("Failed", {}), "trial_10": (None, {})}


def test_the_longest_path_decides(trials):
    text = "path,job\nlogs,rest\nlogs/trial_1,one\n"
    assert list(known(trials, text)) == ["one", "rest"]


def test_a_name_that_the_file_gives_is_no_other_jobs(trials):
    text = '{"path": "logs/trial_2", "job": "trial_1", "status": "failed"}\n'
    path = trials.parent / "jobs.jsonl"
    path.write_text(text)
    jobs = {job.name: job for job in survey([trials], jobs_file=path).jobs}
    assert jobs["trial_1"].logs[0].path == str(trials / "trial_2" / "stdout")
    assert [name for name, job in jobs.items() if job.status == "Failed"] == ["trial_1"]


def test_a_path_is_absolute_or_relative_to_the_file(trials, monkeypatch):
    monkeypatch.chdir(trials / "trial_1")
    text = f"path,status\n{trials}/trial_1,failed\n./logs//trial_2/../trial_2,failed\n"
    assert [status for status, _ in known(trials, text).values()] == ["Failed", "Failed", None]


def test_a_file_says_more_than_what_lies_beside_the_logs(trials):
    tree(trials, {"trial_1/params.json": '{"lr": 1, "n": 2}'})
    text = 'job,hyperparameters\ntrial_1,"{""lr"": 1.5}"\n'
    assert known(trials, text)["trial_1"] == (None, {"lr": "1.5", "n": "2"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,status\n", "line 1: the columns are name, status; one called job or path was expected"),
        ("trial_1\n", "line 1: the columns are trial_1; one called job or path was expected"),
        ('[{"job": "trial_1"}]', "a JSON list; JSON lines were expected, one object per line"),
        ('\n [\n  {"job": "trial_1"}\n]', "a JSON list; JSON lines were expected, one object per line"),
    ],
)
def test_what_is_no_jobs_file_is_not_taken_for_an_empty_one(trials, text, message):
    with pytest.raises(SourceError, match="errors in the jobs file") as caught:
        known(trials, text)
    assert str(caught.value).splitlines()[1:] == [f"  {message}"]


@pytest.mark.parametrize("status", STATUSES)
def test_statuses_are_known_in_other_spellings(trials, status):
    for word in [status, *STATUSES[status], status.upper(), f" {status} "]:
        text = json.dumps({"job": "trial_1", "status": word})
        assert known(trials, text, "jobs.jsonl")["trial_1"][0] == status
    assert known(trials, "job,status\ntrial_1,In Progress\n")["trial_1"][0] == "InProgress"
    assert known(trials, "job,status\ntrial_1,in-progress\n")["trial_1"][0] == "InProgress"


def test_a_job_may_be_a_number(tmp_path):
    folder = tree(tmp_path / "logs", ["0/std.out", "1/std.out"])
    text = '{"job": 1, "status": "done"}\n{"job": 0, "status": "failed"}\n'
    assert known(folder, text, "jobs.jsonl") == {"0": ("Failed", {}), "1": ("Completed", {})}


def test_a_line_of_json_ends_at_a_newline_alone(tmp_path):
    name = "a\u2028b\x85c"
    folder = tree(tmp_path / "logs", [f"{name}/stdout", "d/stdout"])
    text = json.dumps({"job": name, "status": "done"}, ensure_ascii=False) + "\n"
    assert known(folder, text, "jobs.jsonl")[name] == ("Completed", {})


def faults(trials, text, name="jobs.csv"):
    with pytest.raises(SourceError) as caught:
        known(trials, text, name)
    assert caught.value.path == str(trials.parent / name)
    return str(caught.value)


def test_all_errors_of_a_jobs_file_come_together(trials):
    text = (
        '{"job": "trial_1", "status": "dead"}\n'
        '{"job": "trial_2"}\n'
        "[1]\n"
        '{"job": \n'
        '{"status": "done"}\n'
        '{"job": "trial_2", "status": "done"}\n'
        '{"job": "trial_10", "score": 1, "seed": 2}\n'
        '{"job": "trial_10", "hyperparameters": [1]}\n'
        '{"job": "trial_10", "hyperparameters": "{"}\n'
    )
    message = faults(trials, text, "jobs.jsonl")
    reason = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    lines = [line.strip() for line in message.splitlines()]
    assert lines[0] == f"errors in the jobs file {trials.parent}/jobs.jsonl"
    assert sorted(lines[1:]) == [
        "line 1: status 'dead'; one of Completed, Failed, Stopped, InProgress was expected",
        "line 3: an object was expected",
        "line 4: not JSON: Expecting value, column 9",
        "line 5: job or path is missing",
        "line 6: trial_2 is already in line 2",
        "line 7: unknown columns score, seed; job, path, status and hyperparameters were expected",
        "line 8: hyperparameters are not a JSON object: the JSON object must be str, bytes or bytearray, not list",
        f"line 9: hyperparameters are not a JSON object: {reason}",
    ]


def test_errors_of_csv_have_their_lines(trials):
    text = 'job,status\ntrial_1,"done"\ntrial_2,dead\ntrial_2,done,more\n,done\n'
    message = faults(trials, text)
    assert [line.split(":")[0].strip() for line in message.splitlines()[1:]] == ["line 3", "line 4", "line 5"]


def test_a_quote_that_is_never_closed_is_an_error(trials):
    message = faults(trials, 'job,status\ntrial_1,"done\n' + "trial_2,done\n" * 20_000)
    assert "errors in the jobs file" in message


def test_jobs_of_which_there_is_no_log_are_errors(trials):
    message = faults(trials, "job,path,status\ntrial_3,,done\n,logs/trial_4,done\ntrial_1,,done\n")
    assert message.splitlines() == [
        f"the jobs file {trials.parent}/jobs.csv names jobs that have no log",
        "  line 2: trial_3",
        f"  line 3: {trials}/trial_4",
        "hint: the jobs found are trial_1, trial_2, trial_10",
    ]


def test_a_jobs_file_that_cannot_be_read(trials):
    with pytest.raises(SourceError, match=r"cannot read the jobs file .*: No such file") as caught:
        survey([trials], jobs_file=trials.parent / "none.csv")
    assert caught.value.path == str(trials.parent / "none.csv")
    (trials.parent / "jobs.csv").write_bytes(b"job\n\xff\n")
    with pytest.raises(SourceError, match="can't decode byte 0xff"):
        survey([trials], jobs_file=trials.parent / "jobs.csv")
