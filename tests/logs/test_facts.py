"""What is known of a job besides its logs: hyperparameters and statuses beside the logs, and in names."""

import os

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.folders import tree
from support.surveys import parameters

from metricscan import Objective, Scanner, SourceError, replay
from metricscan.logs.parameters import parameters_in_name, parameters_of
from metricscan.logs.survey import survey


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


def test_text_that_is_none_is_spelled(tmp_path):
    # a name that is not UTF-8, above all jobs and in the name of one; half of a surrogate pair in JSON and in YAML
    deep = os.fsencode(tmp_path) + b"/lr=\xe9"
    for trial in (b"x=\xff1", b"x=2"):
        os.makedirs(deep + b"/" + trial)
        with open(deep + b"/" + trial + b"/stdout", "w", encoding="utf-8") as log:
            log.write("loss=1\n")
    with open(deep + b"/x=2/params.json", "w", encoding="utf-8") as file:
        file.write('{"a\\ud800": "b\\udfff"}')
    with open(deep + b"/x=2/hparams.yaml", "w", encoding="utf-8") as file:
        file.write('c: "\\ud800"\n')
    found = survey([tmp_path])
    assert sorted(map(str, parameters(found).values())) == sorted(
        map(str, [{"lr": "\\xe9", "x": "\\xff1"}, {"lr": "\\xe9", "x": "2", "a\\ud800": "b\\udfff", "c": "\\ud800"}])
    )
    result = replay([tmp_path], Scanner(["loss=loss=(.)"]), objective=Objective("loss", "Minimize"))
    assert result.ranking["hyperparameters"].null_count == 0


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
