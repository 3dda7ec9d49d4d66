"""Runs of tools in archives: the same jobs, facts and ranking as in a folder."""

import json
import random
import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.archives import KINDS, entry, packed, tarred, zipped
from support.folders import tree
from support.surveys import parameters, told

import metricscan
from metricscan import Objective, Scanner
from metricscan.logs import members
from metricscan.logs.survey import survey

SCANNER = Scanner(["loss=loss=([0-9.]+)"])
LOSS = Objective("loss", "Minimize")


def statuses(found):
    return {job.name: job.status for job in found.jobs}


@pytest.fixture
def one_pass(monkeypatch):
    """Compressed tars are read from their beginning on."""
    monkeypatch.setattr(members, "HELD_BYTES", 0)


# ---- the same from everywhere


def hydra(name, lr, _):
    run = {f"{name}/.hydra/config.yaml": f"lr: {lr}\nn: ${{lr}}\n", f"{name}/.hydra/overrides.yaml": f"- lr={lr}\n"}
    return run, f"{name}/train.log"


def guild(name, lr, failed):
    run = (name * 32)[:32].replace("r", "e")
    files = {f"{run}/.guild/attrs/flags": f"lr: {lr}\n", f"{run}/.guild/attrs/exit_status": str(int(failed))}
    return files | {f"{run}/old.log": "loss=0\n"}, f"{run}/.guild/output"


def mlflow(name, lr, failed):
    run = (name * 32)[:32].replace("r", "d")
    files = {f"{run}/meta.yaml": f"status: {4 if failed else 3}\n", f"{run}/params/lr": lr, f"{run}/params/a/b": "1"}
    return files, f"{run}/artifacts/train.log"


def ray(name, lr, failed):
    trial = f"fn_62624_{name[1:]:>05}_1_lr={lr}_2026-03-01_10-00-00"
    told_to_it = [
        [json.dumps({"trial_id": f"62624_{name[1:]:>05}", "status": "ERROR" if failed else "TERMINATED"}), ""]
    ]
    state = json.dumps({"trial_data": told_to_it})
    return {
        f"{name}/experiment_state-1.json": state,
        f"{name}/{trial}/params.json": f'{{"lr": {lr}}}',
    }, f"{name}/{trial}/stdout"


def submitit(name, lr, failed):
    result = b"\x80\x05\x95" + bytes(8) + (b"\x8c\x05error\x94" if failed else b"\x8c\x07success\x94") + bytes(5000)
    return {f"{name}/{name[1:]}_0_result.pkl": result}, f"{name}/{name[1:]}_0_log.out"


def wandb(name, lr, _):
    run = f"wandb/run-20260301_1000{name[1:]:>02}-abc{name}"
    return {
        f"{run}/files/config.yaml": f"lr:\n  value: {lr}\n",
        f"{run}/files/a.log": "loss=0\n",
    }, f"{run}/files/output.log"


def nni(name, lr, failed):
    return {
        f"{name}/trials/{name}/parameter.cfg": f'{{"parameters": {{"lr": {lr}}}}}'
    }, f"{name}/trials/{name}/trial.log"


def lightning(name, lr, _):
    return {f"{name}/version_0/hparams.yaml": f"lr: {lr}\n", f"{name}/version_0/b.log": None}, f"{name}/version_0/a.log"


def syne(name, lr, _):
    return {f"{name}/config.json": f'{{"lr": {lr}}}'}, f"{name}/std.out"


def plain(name, lr, _):
    return {f"{name}/params.json": "[]" if lr == "7" else "{}"}, f"{name}/lr={lr}/train.log"


TOOLS = [hydra, guild, mlflow, ray, submitit, wandb, nni, lightning, syne, plain]


# each example is five replays
FEWER = settings(max_examples=max(15, settings().max_examples // 4))


@FEWER
@given(
    st.lists(
        st.tuples(st.sampled_from(TOOLS), st.sampled_from(["0.1", "1e-05", "7"]), st.booleans(), st.integers(1, 9)),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 99),
)
def test_an_archive_says_what_its_folder_says(tmp_path_factory, runs, seed):
    top = tmp_path_factory.mktemp("runs")
    folder = top / "folder" / "runs"
    for number, (tool, lr, failed, loss) in enumerate(runs):
        files, log = tool(f"r{number}", lr, failed)
        tree(folder, {**files, log: f"loss={loss}\n"})
    content = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    order = random.Random(seed).sample([*content], len(content))
    expected = seen(folder, top / "folder")
    assert expected["jobs"]
    for kind, held in (("logs.tar", 0), ("logs.tar.gz", 0), ("logs.tar.gz", members.HELD_BYTES), ("logs.zip", 0)):
        path = top / f"{kind}-{held}" / "runs"
        path.parent.mkdir()
        path.write_bytes(KINDS[kind]({name: content[name] for name in order}))
        with pytest.MonkeyPatch.context() as patch:
            # 0: a compressed tar is read from its beginning on
            patch.setattr(members, "HELD_BYTES", held)
            assert seen(path, path.parent) == expected, kind


def seen(path, top):
    """What a replay tells, with paths relative to a folder."""
    result = metricscan.replay([path], SCANNER, objective=LOSS)

    def relative(source):
        return source and source.removeprefix(f"{top}/")

    return {
        "streams": {job.name: [log.stream for log in job.logs] for job in result.jobs},
        "jobs": [
            (
                job.name,
                job.status,
                relative(job.status_source),
                job.hyperparameters,
                {k: relative(s) for k, s in job.parameter_sources.items()},
            )
            for job in result.jobs
        ],
        "errors": [str(error).replace(f"{top}/", "") for error in result.errors],
        "ranking": result.ranking.drop_columns(["doubts"]).to_pylist(),
        "best": result.best and result.best.job,
        "loss": result["loss"].to_pylist(),
    }


# ---- what is special about archives


def test_a_failed_run_in_an_archive_does_not_win(tmp_path, one_pass):
    runs = {"a" * 32: ("1", "0"), "b" * 32: ("0", "1")}
    files = {}
    for run, (status, loss) in runs.items():
        files |= {f"{run}/.guild/output": f"loss={loss}\n".encode(), f"{run}/.guild/attrs/exit_status": status.encode()}
    files["b" * 32 + "/.guild/attrs/exit_status"], files["a" * 32 + "/.guild/attrs/exit_status"] = b"0", b"1"
    for kind, write in KINDS.items():
        path = tmp_path / kind
        path.write_bytes(write(files))
        result = metricscan.replay([path], SCANNER, objective=LOSS)
        assert result.best.job == "b" * 32
        assert result.notices == ()


@pytest.mark.parametrize("given", ["x", "x/lr=1", "x/lr=1/a", "x/lr=1/a/stdout"])
def test_a_folder_of_an_archive_has_its_facts(tmp_path, given):
    folder = tree(tmp_path / "folder" / "runs", {"x/lr=1/a/stdout": None, "x/lr=1/a/params.json": '{"n": 2}'})
    path = tmp_path / "runs"
    path.write_bytes(packed(folder, "logs.tar"))
    found = parameters(survey([f"{path}/{given}"]))
    assert found == parameters(survey([f"{folder}/{given}"]))
    assert [one["n"] for one in found.values()] == ["2"]


def test_facts_of_a_large_archive_are_bounded(tmp_path, one_pass, monkeypatch):
    monkeypatch.setattr(members, "KEPT_BYTES", 1000)
    files = {}
    for name in "abcd":
        files |= {
            f"{name}/stdout": b"loss=1\n",
            f"{name}/params.json": json.dumps({"lr": name, "x": "y" * 100}).encode(),
        }
    path = tmp_path / "runs.tar.gz"
    path.write_bytes(KINDS["logs.tar.gz"](files))
    found = survey([path])
    assert [job.hyperparameters.get("lr") for job in found.jobs] == ["a", "b", None, None]
    # one error says it of all
    (of_archive,) = found.errors
    assert "2 files in which tools write hyperparameters or statuses, for example c/params.json" in str(of_archive)
    assert "would take up too much memory" in str(of_archive)
    # none of it stays in memory
    assert [archive.facts.content for archive in found.archives.values()] == [{}]


@pytest.mark.parametrize("kind", ["logs.tar", "logs.tar.gz", "logs.zip"])
def test_a_file_that_is_too_large_is_an_error(tmp_path, kind, one_pass):
    path = tmp_path / kind
    path.write_bytes(KINDS[kind]({"a/stdout": b"loss=1\n", "a/params.json": b" " * ((1 << 20) + 1)}))
    (error,) = survey([path]).errors
    assert "1048577 bytes; a file of hyperparameters has at most 1048576" in str(error)


@pytest.mark.parametrize("kind", ["logs.tar", "logs.tar.gz"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_facts_with_one_name_the_last_counts(tmp_path, kind, one_pass):
    path = tmp_path / kind
    both = [entry("a/params.json", b'{"lr": 1}'), entry("a/stdout", b"x\n"), entry("a/params.json", b'{"lr": 2}')]
    path.write_bytes(KINDS[kind](both))
    assert parameters(survey([path])) == {"a": {"lr": "2"}}


def test_facts_lead_nowhere(tmp_path):
    """Names are text: ``..`` does not leave the archive."""
    tree(tmp_path, {"params.json": '{"lr": "of the disk"}'})
    path = tmp_path / "runs.tar"
    path.write_bytes(tarred({"../stdout": b"loss=1\n"}))
    assert [job.hyperparameters for job in survey([path]).jobs] == [{}]
    path.write_bytes(tarred({"../stdout": b"loss=1\n", "../params.json": b'{"lr": 1}'}))
    assert [job.hyperparameters for job in survey([path]).jobs] == [{"lr": "1"}]


@pytest.mark.parametrize("kind", ["logs.tar.gz", "logs.tar", "logs.zip"])
def test_what_a_run_saved_is_no_log_wherever_its_print_out_stands(tmp_path, kind):
    run = "wandb/run-20260301_100000-abc1"
    for names in (("files/output.log", "files/a.log"), ("files/a.log", "files/output.log")):
        path = tmp_path / kind
        path.write_bytes(KINDS[kind]({f"{run}/{name}": b"loss=1\n" for name in names}))
        found = survey([path])
        assert told(found) == {"run-20260301_100000-abc1": ["files/output.log"]}
        assert found.skipped_by_name == 1
        asked_for = survey([path], include=["*.log"])
        assert told(asked_for) == {"run-20260301_100000-abc1": ["files/a.log", "files/output.log"]}


def test_a_database_with_a_log_of_writes(tmp_path, one_pass):
    folder = tree(tmp_path / "e", ["trials/a/trial.log"])
    path = folder / "db" / "nni.sqlite"
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE TrialJobEvent (trialJobId, event, data)")
        database.execute("INSERT INTO TrialJobEvent VALUES ('a', 'FAILED', '{\"parameters\": {\"lr\": 3}}')")
    database.close()
    assert path.read_bytes()[18:20] == b"\2\2"
    for kind in ("logs.tar.gz", "logs.zip"):
        (tmp_path / kind).write_bytes(packed(folder, kind))
        found = survey([tmp_path / kind])
        assert found.errors == []
        assert [(job.status, job.hyperparameters) for job in found.jobs] == [("Failed", {"lr": "3"})]


@pytest.mark.parametrize("kind", ["logs.tar", "logs.tar.gz", "logs.zip"])
def test_a_broken_file_is_one_error(tmp_path, kind):
    path = tmp_path / kind
    run = "ab" * 16
    files = {
        f"{run}/.guild/output": b"loss=1\n",
        f"{run}/.guild/attrs/exit_status": b"?",
        "e/trials/t/trial.log": b"x\n",
    }
    files |= {f"{run}/.guild/attrs/flags": b"- 1", "e/db/nni.sqlite": b"none"}
    path.write_bytes(KINDS[kind](files))
    found = survey([path])
    broken = {f"{path}/e/db/nni.sqlite", f"{path}/{run}/.guild/attrs/exit_status", f"{path}/{run}/.guild/attrs/flags"}
    assert {error.path for error in found.errors} == broken
    assert len(found.errors) == 3


def test_damage_within_facts_is_said(tmp_path):
    data = bytearray(zipped({"a/stdout": b"loss=1\n", "a/params.json": b'{"lr": 1}'}, 0))
    data[data.index(b'"lr"')] = ord("'")
    path = tmp_path / "runs.zip"
    path.write_bytes(bytes(data))
    (error,) = survey([path]).errors
    assert error.path == f"{path}/a/params.json"
    assert "checksum" in str(error)


def test_facts_that_are_encrypted_are_said(tmp_path):
    data = bytearray(zipped({"a/stdout": b"loss=1\n", "a/params.json": b'{"lr": 1}'}))
    at = data.rindex(b"PK\1\2")
    data[at + 8] |= 1
    path = tmp_path / "runs.zip"
    path.write_bytes(bytes(data))
    (error,) = survey([path]).errors
    assert "1 member cannot be read: encrypted, for example a/params.json" in str(error)
