"""Reading what a replay wrote: the tables come back, every scope ranks as the replay did, and bad datasets are refused."""

import csv
import io
import json
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import metricscan
from metricscan import Dataset, Objective, OptionError, Scanner, SourceError, rank, replay
from metricscan.datasets import formats, manifest
from metricscan.ranking import in_pieces

SCANNER = Scanner([r"loss=loss=(\S+)", r"epoch=epoch=(\d+)", r"never=never=(\S+)"])
SCOPES = ["last", "first", "min", "max", "mean", "last-1", "last-3", "best@2", "best@0"]
FORMATS = ["parquet", "arrow", "csv", "jsonl"]
LOGS = {
    "trial_1/stdout": "epoch=1 loss=3\nepoch=2\nloss=2\nloss=2\nepoch=3 loss=0.1\n",
    "trial_2/stdout": "epoch=1 loss=1\nloss=nan\n",
    "trial_3/stdout": "epoch=1\n",
    "trial_3/stderr": "loss=1\n",
    'a, "b"\nc/stdout': "loss=inf epoch=1\rloss=0.5\repoch=2 loss=-inf\n",
    "trial_10/stdout": "loss=2 epoch=2\nloss=2 epoch=2\n",
    "trial_11/stdout": "nothing\n",
    "trial_12/stdout": "loss=9\nepoch=1 loss=7 epoch=5 loss=6\n",
    "trial_12/stderr": "loss=8\n",
}


@pytest.fixture
def logs(tmp_path):
    for name, text in LOGS.items():
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    facts = tmp_path / "logs" / "facts.jsonl"
    facts.write_text('{"job": "trial_10", "status": "failed", "hyperparameters": {"lr": 3e-4}}\n')
    return tmp_path / "logs"


def written(logs, objective=None, kind="parquet"):
    out = logs.parent / f"out-{kind}"
    found = replay(logs, SCANNER, objective=objective, jobs=logs / "facts.jsonl", out=out, format=kind, overwrite=True)
    return found, out


def same(one, other):
    assert one.schema.equals(other.schema)
    assert repr(one.to_pylist()) == repr(other.to_pylist())


@pytest.mark.parametrize("kind", FORMATS)
def test_the_tables_come_back(logs, kind):
    found, out = written(logs, Objective("loss", "Minimize", "best@2", "epoch"), kind)
    read = Dataset(out)
    assert list(read) == list(found) == ["loss", "epoch", "never"]
    assert "loss" in read
    assert "acc" not in read
    assert len(read) == 3
    for name in found:
        same(read[name], found[name])
    assert read.objective == Objective("loss", "Minimize", "best@2", "epoch")
    assert read.jobs == list(found.jobs)
    assert repr(read) == f"<Dataset {out}: 3 metrics, 7 jobs>"


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("goal", ["Minimize", "Maximize"])
def test_every_scope_ranks_a_dataset_as_the_replay_did(logs, scope, goal):
    objective = Objective("loss", goal, scope, "epoch")
    found, out = written(logs, objective)
    same(found.rank(objective), found.ranking)
    same(rank(out, objective), found.ranking)
    same(rank(Dataset(out), objective), found.ranking)
    same(rank(dict(found), objective, jobs=found.jobs), found.ranking)
    with mock.patch.object(in_pieces, "PIECE_ROWS", 2), mock.patch.object(formats, "BATCH_ROWS", 3):
        same(rank(out, objective), found.ranking)
        unkept = replay(logs, SCANNER, objective=objective, jobs=logs / "facts.jsonl", keep=False)
        same(unkept.ranking, found.ranking)
        assert unkept.best == found.best


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_ranks_the_same(logs, kind):
    objective = Objective("loss", "Minimize", "mean")
    found, out = written(logs, None, kind)
    assert Dataset(out).objective is None
    same(rank(out, objective, completed_only=True), found.rank(objective, completed_only=True))
    same(rank(out, objective), found.rank(objective))


def test_the_manifest_notes_which_jobs_were_ranked(logs):
    out = logs.parent / "out"
    for completed_only in (False, True):
        replay(logs, SCANNER, completed_only=completed_only, out=out, overwrite=True)
        assert Dataset(out).completed_only is completed_only
    path = out / "_manifest.json"
    manifest = json.loads(path.read_text())
    # as a dataset that was written before it was noted
    del manifest["completed_only"]
    path.write_text(json.dumps(manifest))
    assert Dataset(out).completed_only is False


@pytest.mark.parametrize("kind", FORMATS)
def test_a_dataset_from_before_streams_had_parts(logs, kind):
    found, out = written(logs, Objective("loss", "Minimize"), kind)
    for name in found:
        (path,) = (out / name).iterdir()
        if kind == "parquet":
            pq.write_table(pq.read_table(path).drop_columns(["part"]), path)
        elif kind == "arrow":
            with pa.ipc.open_file(path.read_bytes()) as file:
                table = file.read_all().drop_columns(["part"])
            with pa.ipc.new_file(path, table.schema) as file:
                file.write_table(table)
        elif kind == "csv":
            rows = list(csv.reader(io.StringIO(path.read_text(), newline="")))
            with path.open("w", newline="") as file:
                csv.writer(file).writerows([[*row[:2], *row[3:]] for row in rows])
        else:
            path.write_text(path.read_text().replace('"part": 0, ', ""))
        assert "part" not in path.read_bytes().decode("latin-1")
    manifest = json.loads((out / "_manifest.json").read_text())
    for source in manifest["sources"]:
        del source["part"]
    (out / "_manifest.json").write_text(json.dumps(manifest))
    read = Dataset(out)
    for name in found:
        same(read[name], found[name])
    assert read.jobs == list(found.jobs)
    same(rank(out, Objective("loss", "Minimize")), found.ranking)


def test_rows_that_were_not_kept_rank_from_what_was_written(logs):
    out = logs.parent / "out"
    found = replay(logs, SCANNER, out=out, keep=False)
    with pytest.raises(LookupError, match="keep=False"):
        found.rank(Objective("loss", "Minimize"))
    assert rank(out, Objective("loss", "Minimize")).num_rows == 7


def test_jobs_that_stand_apart_are_ranked_all_the_same(logs):
    """Somebody has written the rows anew, in another order."""
    objective = Objective("loss", "Minimize", "last-2", "epoch")
    found, out = written(logs, objective)
    table = pq.read_table(out / "loss" / "part-0.parquet")
    pq.write_table(pa.concat_tables([table.slice(7), table.slice(0, 7)]), out / "loss" / "part-0.parquet")
    same(rank(out, objective), found.ranking)


def test_rows_in_several_files(logs):
    objective = Objective("loss", "Minimize", "mean")
    found, out = written(logs, objective)
    table = pq.read_table(out / "loss" / "part-0.parquet")
    for number, (start, length) in enumerate([(0, 2), (2, 5), (7, None)]):
        name = f"part-{[0, 2, 10][number]}.parquet"
        pq.write_table(table.slice(start, length), out / "loss" / name)
    same(rank(out, objective), found.ranking)


def test_jobs_can_be_given_anew(logs):
    _, out = written(logs)
    read = Dataset(out)
    for job in read.jobs:
        job.status = "Completed" if job.name == "trial_1" else None
    table = rank(read, Objective("loss", "Minimize"), jobs=read.jobs, completed_only=True)
    assert table["job"][0].as_py() == "trial_1"
    assert table["rank"].to_pylist()[1:] == [None] * 6
    more = [*read.jobs, metricscan.logs.job.Job("another", status="Stopped")]
    assert rank(out, Objective("loss", "Minimize"), jobs=more)["job_status"].to_pylist().count("Stopped") == 1


def test_scopes_side_by_side(logs):
    found, out = written(logs)
    objective = Objective("loss", "Minimize", "best@2", "epoch")
    table = metricscan.compare_scopes(out, objective)
    assert metricscan.compare_scopes(out, objective, scopes="min")["scope"].to_pylist() == [objective.scope, "min"]
    with pytest.raises(TypeError, match="an Objective was expected, not str"):
        metricscan.compare_scopes(out, "loss")
    same(table, metricscan.compare_scopes(found, objective, jobs=iter(found.jobs)))
    assert table["scope"].to_pylist() == ["best@2", "last", "first", "min", "max", "mean", "last-5", "last-10"]
    rows = {row["scope"]: row for row in table.to_pylist()}
    assert list(rows["best@2"].values()) == ["best@2", 'a, "b"\nc', 0.5, 1, 1, 0.5, 0.0]
    assert list(rows["last"].values()) == ["last", "trial_1", 0.1, 1, 2, 2.0, 1.5]
    assert list(rows["mean"].values()) == ["mean", "trial_3", 1.0, 1, None, None, None]


def test_scopes_of_jobs_that_cannot_win(tmp_path):
    (tmp_path / "a.log").write_text("loss=nan\n")
    table = metricscan.compare_scopes(
        replay(tmp_path / "a.log", SCANNER), Objective("loss", "Minimize"), scopes=["min"]
    )
    assert [list(row.values()) for row in table.to_pylist()] == [
        ["last", None, None, None, None, None, None],
        ["min", None, None, None, None, None, None],
    ]


# ---- bad input


def test_what_is_no_dataset(tmp_path, logs):
    with pytest.raises(SourceError, match=r"cannot open .*gone: No such file") as caught:
        Dataset(tmp_path / "gone")
    assert caught.value.hint == "replay(.., out=DIR) writes one, as does metricscan replay --out DIR"
    with pytest.raises(SourceError, match=r"logs is not a dataset: it has no _manifest.json"):
        rank(logs, Objective("loss", "Minimize"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "has format version 2; 1 was expected"),
        ({"format_version": None}, "has format version None; 1 was expected"),
        ({"format": "orc"}, "is not a valid manifest: format is missing or invalid"),
        ({"jobs": None, "counts": 3}, "is not a valid manifest: jobs, counts is missing"),
        ({"jobs": [{"name": "a"}]}, "its jobs, its objective or its sources are invalid: .*'job'"),
        ({"errors": [{}]}, "is not a valid manifest: errors is missing or invalid"),
        ({"completed_only": "no"}, "is not a valid manifest: completed_only is missing or invalid"),
        ({"objective": {"metric": "loss"}}, "its jobs, its objective or its sources are invalid: .*'goal'"),
        ({"objective": {"metric": "loss", "goal": "up"}}, "'Minimize' or 'Maximize' was expected"),
    ],
)
def test_another_manifest(logs, change, message):
    _, out = written(logs)
    path = out / "_manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(SourceError, match=message) as caught:
        Dataset(out)
    assert caught.value.path == str(path)


def test_a_manifest_that_is_cut_off(logs):
    _, out = written(logs)
    path = out / "_manifest.json"
    path.write_text(path.read_text()[:100])
    with pytest.raises(SourceError, match=r"cannot read .*_manifest.json: "):
        Dataset(out)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_missing(logs, kind):
    _, out = written(logs, None, kind)
    (out / "loss" / f"part-0.{kind}").unlink()
    (out / "epoch" / f"part-0.{kind}").unlink()
    (out / "epoch").rmdir()
    with pytest.raises(SourceError, match="lacks files: ") as caught:
        Dataset(out)
    for metric in ("loss", "epoch"):
        assert str(out / metric / f"part-0.{kind}") in str(caught.value)


def test_rows_that_are_missing(logs):
    objective = Objective("loss", "Minimize")
    _, out = written(logs)
    table = pq.read_table(out / "loss" / "part-0.parquet")
    pq.write_table(table.slice(1), out / "loss" / "part-0.parquet")
    with pytest.raises(SourceError, match="has 15 rows of 'loss'; 16 were written"):
        rank(out, objective)


def test_a_line_of_json_is_one_row(logs):
    _, out = written(logs, None, "jsonl")
    (path,) = (out / "loss").iterdir()
    first, second, *rest = path.read_text().splitlines()
    for wrong in (f"{first},{second}", f"[{first}", f"{first}]"):
        path.write_text("\n".join([wrong, *rest]) + "\n")
        with pytest.raises(SourceError, match=r"cannot read .*part-0\.jsonl: "):
            Dataset(out)["loss"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_damaged(logs, kind):
    _, out = written(logs, None, kind)
    path = out / "loss" / f"part-0.{kind}"
    path.write_bytes(path.read_bytes()[:-20] + b"\0" * 7)
    with pytest.raises(SourceError, match=r"cannot read .*part-0") as caught:
        rank(out, Objective("loss", "Minimize"))
    assert caught.value.path == str(path)


def test_a_file_without_a_column(logs):
    _, out = written(logs)
    path = out / "loss" / "part-0.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["value", "start"]), path)
    with pytest.raises(SourceError, match="has no column value, start"):
        rank(out, Objective("loss", "Minimize"))


def test_metrics_that_are_not_there(logs):
    _, out = written(logs)
    with pytest.raises(OptionError) as caught:
        rank(out, Objective("los", "Minimize", step="epoc"))
    assert str(caught.value) == (
        "the objective metric 'los' is not among the metrics: 'loss', 'epoch', 'never'; "
        "the step metric 'epoc' is not among the metrics: 'loss', 'epoch', 'never'\n"
        "hint: did you mean 'loss'? did you mean 'epoch'?"
    )
    with pytest.raises(KeyError):
        Dataset(out)["los"]


def test_tables_without_what_ranking_needs(logs):
    found, _ = written(logs)
    tables = {"loss": found["loss"].drop_columns(["job", "offset"])}
    with pytest.raises(OptionError, match="the table of 'loss' has no column job, offset"):
        rank(tables, Objective("loss", "Minimize"))
    table = found["loss"]
    nameless = table.set_column(0, "job", pa.array([None] * table.num_rows, pa.string()))
    with pytest.raises(OptionError, match="'job' is null in 16 rows"):
        rank({"loss": nameless}, Objective("loss", "Minimize"))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_manifest_is_the_json_of_its_entries(tmp_path, count):
    entries = [{"job": f'"\n\u2028{at}', "hyperparameters": {"lr": "1"} if at else {}} for at in range(count)]
    noted = {"jobs": entries, "sources": [], "counts": {"loss": {"rows": 1}}, "units": {}, "objective": None}
    lazy = manifest.Entries(count, entries.__getitem__)
    manifest.write(str(tmp_path), {**noted, "jobs": lazy}, format="csv", folders={"loss": "loss"})
    wanted = {"format_version": manifest.MANIFEST_VERSION, "format": "csv", "metrics": {"loss": "loss"}, **noted}
    assert (tmp_path / "_manifest.json").read_text() == json.dumps(wanted, indent=2) + "\n"
    assert (len(lazy), list(lazy), lazy[:2], lazy[-1:]) == (count, entries, entries[:2], entries[-1:])


@pytest.mark.parametrize(
    ("names", "codes", "said"),
    [
        (pa.array([b"a", b"\xff"]).cast(pa.binary()), [0, 1], "UTF8"),
        (pa.array(["a", "b"]), [0, 2], "number of no name"),
    ],
)
def test_an_arrow_file_of_damaged_names_is_an_error(tmp_path, names, codes, said):
    """Arrow's readers check neither; a lookup behind the names would read foreign memory."""
    scanner = Scanner(["loss=loss=(.)"])
    (tmp_path / "a.log").write_text("loss=1\nloss=2\n")
    replay(tmp_path / "a.log", scanner, out=tmp_path / "out", format="arrow")
    (path,) = (tmp_path / "out").glob("*/part-0.arrow")
    with pa.ipc.open_file(path) as file:
        batch = file.get_batch(0)
    texts = (
        pa.StringArray.from_buffers(2, *pa.array(names, pa.binary()).buffers()[1:])
        if names.type == pa.binary()
        else names
    )
    at = batch.schema.get_field_index("job")
    damaged = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), texts, safe=False)
    batch = batch.set_column(at, batch.schema.field("job"), damaged)
    with pa.ipc.new_file(path, batch.schema) as file:
        file.write_batch(batch)
    with pytest.raises(SourceError, match=said):
        list(Dataset(tmp_path / "out").batches("loss"))
