"""Replays of rotated logs: the pieces are one stream, in tables, datasets and rankings, and each row says its piece."""

import gzip

import pyarrow.compute as pc
import pytest
from support.folders import tree

import metricscan
from metricscan import Dataset, Objective, Scanner, rank, replay
from metricscan.replaying.check import first_hits
from metricscan.sagemaker.latest import finals_of

SCANNER = Scanner([r"loss=loss=(\S+)", r"epoch=epoch=(\d+)"])
LAST = Objective("loss", "Minimize")
FILES = {
    "a/fit.log.2.gz": gzip.compress(b"epoch=1\nloss=5\n"),
    "a/fit.log.1": "loss=4\nepoch=2\nloss=3\n",
    # the step is that of the older piece
    "a/fit.log": "loss=2\nepoch=3 loss=1\n",
    "b/fit.log.1": "epoch=1 loss=0.5\n",
    "b/fit.log": "epoch=2 loss=1.5\n",
    "c/fit.log": "epoch=1 loss=9\n",
}
ROWS = [
    ("a", 0, 5.0, 2, 8),
    ("a", 1, 4.0, 1, 0),
    ("a", 1, 3.0, 3, 15),
    ("a", 2, 2.0, 1, 0),
    ("a", 2, 1.0, 2, 7),
    ("b", 0, 0.5, 1, 0),
    ("b", 1, 1.5, 1, 0),
    ("c", 0, 9.0, 1, 0),
]


@pytest.fixture
def logs(tmp_path):
    return tree(tmp_path / "logs", FILES)


def rows_of(table):
    assert set(table["stream"].to_pylist()) <= {"fit.log"}
    return [tuple(row.values()) for row in table.select(["job", "part", "value", "line", "offset"]).to_pylist()]


@pytest.mark.parametrize("threads", [1, 2])
def test_rows_come_piece_by_piece(logs, threads):
    result = replay(logs, SCANNER, job="dir", objective=LAST, threads=threads)
    assert rows_of(result["loss"]) == ROWS
    assert [(job.name, len(job.logs)) for job in result.jobs] == [("a", 3), ("b", 2), ("c", 1)]
    assert result.notices == ()
    assert result.ranking["job"].to_pylist() == ["a", "b", "c"]
    assert result.ranking["part"].to_pylist() == [2, 1, 0]
    assert result.ranking["streams"].to_pylist() == [1, 1, 1]
    best = result.best
    assert (best.job, best.value, best.path, best.stream, best.part) == ("a", 1.0, f"{logs}/a/fit.log", "fit.log", 2)
    assert (best.line, best.offset) == (2, 7)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv", "jsonl"])
def test_a_dataset_keeps_the_pieces(logs, tmp_path, kind):
    objective = Objective("loss", "Minimize", "best@2", "epoch")
    result = replay(logs, SCANNER, job="dir", objective=objective, out=tmp_path / "out", format=kind)
    read = Dataset(tmp_path / "out")
    assert rows_of(read["loss"]) == ROWS
    assert read.jobs == list(result.jobs)
    assert [source["part"] for source in read.manifest["sources"]] == [0, 1, 2, 0, 1, 0]
    assert repr(rank(read, objective).to_pylist()) == repr(result.ranking.to_pylist())
    unkept = replay(logs, SCANNER, job="dir", objective=objective, keep=False)
    assert repr(unkept.ranking.to_pylist()) == repr(result.ranking.to_pylist())
    assert unkept.best == result.best
    assert (result.best.job, result.best.path) == ("b", f"{logs}/b/fit.log.1")


def test_the_best_row_may_stand_in_an_old_piece(logs):
    result = replay(logs, SCANNER, job="dir", objective=Objective("loss", "Maximize", "max"), keep=False)
    assert (result.best.job, result.best.path, result.best.part) == ("c", f"{logs}/c/fit.log", 0)
    result = replay(logs, SCANNER, job="dir", objective=Objective("loss", "Maximize", "first"))
    first = result.ranking.select(["job", "value", "part"]).to_pylist()
    assert first[1] == {"job": "a", "value": 5.0, "part": 0}


def test_the_final_value_is_that_of_the_newest_piece(logs):
    found = replay(logs, SCANNER, job="dir")
    finals = {job: final.value for job, final in finals_of(found["loss"], found.superseded)}
    assert finals == {"a": 1.0, "b": 1.5, "c": 9.0}


def test_steps_and_curves_go_on_in_the_next_piece(logs):
    result = replay(logs, SCANNER, job="dir")
    found = result.curve("loss", "epoch").filter(pc.field("job") == "a")
    assert [(row["step"], row["value"]) for row in found.to_pylist()] == [(1.0, 4.0), (2.0, 2.0), (3.0, 1.0)]
    assert result.metric_frame("a")["value"].to_pylist()[:5] == [5.0, 4.0, 3.0, 2.0, 1.0]
    stepped = result.rank(Objective("loss", "Minimize", "last", "epoch"))
    assert stepped.select(["job", "step", "steps_back"]).to_pylist() == [
        {"job": "a", "step": 3.0, "steps_back": 0},
        {"job": "b", "step": 2.0, "steps_back": 0},
        {"job": "c", "step": 1.0, "steps_back": 0},
    ]


def test_a_record_ends_with_its_piece(tmp_path):
    tree(tmp_path, {"fit.log.1": "loss=1", "fit.log": "2\nloss=3\n"})
    result = replay(tmp_path, SCANNER)
    assert rows_of(result["loss"]) == [("fit", 0, 1.0, 1, 0), ("fit", 1, 3.0, 2, 2)]


def test_many_small_rotated_logs(tmp_path):
    """Small logs are scanned together; each piece is one of them."""
    for number in range(60):
        tree(tmp_path, {f"{number}.log": f"loss={number}\n", f"{number}.log.1": f"x\nloss={number}.5\n"})
    result = replay(tmp_path, SCANNER, objective=LAST)
    assert len(result.jobs) == 60
    values = [(row["job"], row["part"], row["value"], row["line"]) for row in result["loss"].to_pylist()]
    expected = [[(str(n), 0, n + 0.5, 2), (str(n), 1, float(n), 1)] for n in range(60)]
    assert values == [row for rows in expected for row in rows]
    assert (result.best.job, result.best.value, result.best.part) == ("0", 0.0, 1)


def test_notices_of_a_search_are_those_of_the_replay(tmp_path):
    logs = tree(tmp_path / "logs", ["fit.log", "fit.log.3", "fit.log.1"])
    result = replay(logs, SCANNER, out=tmp_path / "out")
    (notice,) = result.notices
    assert "fit.log has no piece 2" in notice.message
    assert Dataset(tmp_path / "out").manifest["notices"] == [notice._asdict()]


def test_a_damaged_piece_leaves_the_others(logs):
    whole = (logs / "a/fit.log.2.gz").read_bytes()
    (logs / "a/fit.log.2.gz").write_bytes(whole[:-12])
    result = replay(logs, SCANNER, job="dir", objective=LAST)
    (error,) = result.errors
    assert error.path == f"{logs}/a/fit.log.2.gz"
    assert rows_of(result["loss"])[-7:] == ROWS[1:]


def test_pieces_are_checked_as_logs(logs):
    paths = [f"{logs}/a/fit.log", f"{logs}/a/fit.log.1"]
    hits, _, errors = first_hits(SCANNER, paths, 5)
    assert errors == []
    assert [(hit.path, hit.line) for hit in hits["epoch"]] == [(paths[0], 2), (paths[1], 2)]


def test_tables_without_parts_are_of_one_piece(logs):
    result = replay(logs, SCANNER, job="dir")
    plain = {name: table.drop_columns(["part"]) for name, table in result.items()}
    # what stands last in the table is last
    assert metricscan.rank(plain, LAST)["value"].to_pylist() == [1.0, 1.5, 9.0]


@pytest.mark.parametrize("size", [0, 200_000])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_piece_that_ends_within_a_line_is_said(tmp_path, size, encoding, end):
    """What a rotation cut in two may be a value that no record holds."""
    first = "x" * size + "\nloss=0.1" + end
    files = {"fit.log.1": first.encode(encoding), "fit.log": "234\nloss=0.5\n".encode(encoding)}
    logs = tree(tmp_path / "logs", files)
    result = replay(logs, SCANNER, objective=Objective("loss", "Minimize", "min"))
    assert result["loss"]["value"].to_pylist() == [0.1, 0.5]
    said = [notice.message for notice in result.notices if "without a line end" in notice.message]
    assert said == (
        []
        if end
        else [
            f"{logs}/fit.log.1 ends without a line end, and {logs}/fit.log goes on: what may be one line is read as two"
        ]
    )
    assert [doubt.kind for doubt in result.best.doubts] == ([] if end else ["unterminated"])


def test_where_nothing_goes_on_a_line_is_not_cut(tmp_path):
    # the current file is empty; the last piece of a log; attempts; other jobs
    files = {
        "a/fit.log.1": "loss=1",
        "a/fit.log": "",
        "b/fit.log": "loss=1",
        "ns_p_uid/c/0.log": "loss=1",
        "ns_p_uid/c/1.log": "loss=2",
    }
    result = replay(tree(tmp_path, files), SCANNER)
    assert [notice.message for notice in result.notices if "without a line end" in notice.message] == []


def test_many_pieces_that_end_within_a_line_are_one_notice(tmp_path):
    files = {f"{job}/fit.log{end}": f"loss={job}" for job in range(3) for end in (".2", ".1", "")}
    logs = tree(tmp_path / "logs", files)
    (notice,) = (notice for notice in replay(logs, SCANNER, job="dir").notices if "line end" in notice.message)
    assert notice.message.startswith(
        f"6 pieces of rotated logs end, for example {logs}/0/fit.log.2, without a line end"
    )
