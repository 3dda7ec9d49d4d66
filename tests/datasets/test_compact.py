"""A compacted journal: the same rows, the same ranking, whole or not at all."""

import os
import random

import pyarrow.parquet as pq
import pytest
from support.journals import SCANNER, batch, file, one_row, rows_of

from metricscan import Dataset, Journal, Objective, OptionError, SourceError, compact, rank
from metricscan.datasets import journal_tables
from metricscan.logs.job import Notice


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "journal"
    drawn = random.Random(3)
    with Journal.open(path, SCANNER, commit_interval=None, segment_commits=5) as writer:
        places = {}
        for number in range(40):
            one = file(f"job_{drawn.randrange(12)}", drawn.choice(["stdout", "stderr"]), drawn.randrange(2))
            line = places[one] = places.get(one, 0) + 1
            rows = [
                (drawn.choice([drawn.random(), float("nan")]), line, 10 * line, 10 * line + at, None) for at in range(3)
            ]
            labels = [(f"w{number}", line, 10 * line, 10 * line, 1_000_000 * number)]
            replaces = [10 * line - 10] if number % 7 == 6 else []
            writer.append(one, {"loss": batch(rows), "who": batch(labels)}, b"x", replaces=replaces)
            writer.commit()
        writer.note(Notice("lost", "here"))
    return path


@pytest.mark.parametrize("format_", ["parquet", "arrow", "csv", "jsonl"])
@pytest.mark.parametrize("pass_rows", [1, 1 << 22])
def test_rows_and_rankings_are_equal(journal, tmp_path, monkeypatch, format_, pass_rows):
    monkeypatch.setattr(journal_tables, "PASS_ROWS", pass_rows)
    assert compact(journal, tmp_path / "out", format=format_) == str(tmp_path / "out")
    written, live = Dataset(tmp_path / "out"), Dataset(journal)
    assert list(written) == list(live) == ["loss", "acc", "who"]
    assert written.labels == live.labels
    assert repr(rows_of(tmp_path / "out")) == repr(rows_of(journal))
    assert [one.name for one in written.facts] == [one.name for one in live.facts]
    assert written.manifest["notices"] == [{"message": "lost", "path": "here"}]
    assert written.manifest["counts"]["loss"]["rows"] == written["loss"].num_rows < 120
    for scope in ("last", "min", "mean", "best@3"):
        step = "loss" if "@" in scope else None
        objective = Objective("loss", "Minimize", scope=scope, step=step)
        ranked, expected = rank(tmp_path / "out", objective), rank(journal, objective)
        assert ranked.schema == expected.schema
        assert repr(ranked.to_pylist()) == repr(expected.to_pylist())


def test_the_files_are_those_of_a_dataset(journal):
    out = compact(journal)
    assert out == f"{journal}-dataset"
    assert sorted(os.listdir(out)) == ["_manifest.json", "acc", "loss", "who"]
    assert pq.read_table(f"{out}/loss/part-0.parquet").column_names[:4] == ["job", "stream", "part", "metric"]
    with pytest.raises(OptionError, match="holds a dataset"):
        compact(journal)
    compact(journal, overwrite=True)


def test_an_empty_journal(tmp_path):
    Journal.open(tmp_path / "journal", SCANNER).close()
    assert rows_of(compact(tmp_path / "journal")) == {}


def test_what_cannot_be_compacted(journal, tmp_path):
    with pytest.raises(OptionError, match="is the journal itself"):
        compact(journal, f"{journal}/")
    with pytest.raises(SourceError, match="cannot open"):
        compact(tmp_path / "nothing")
    with pytest.raises(SourceError, match="is not a journal"):
        compact(tmp_path)
    segment = journal / "000002.segment"
    segment.write_bytes(segment.read_bytes()[:-3])
    with pytest.raises(SourceError, match="damaged"):
        compact(journal, tmp_path / "out")
    assert sorted(os.listdir(tmp_path)) == ["journal"]


def test_a_journal_may_be_written_meanwhile(journal, tmp_path):
    with Journal.open(journal, SCANNER) as writer:
        before = Dataset(journal)["loss"].num_rows
        writer.append(file("z"), {"loss": one_row(1)})
        compact(journal, tmp_path / "out")
        assert Dataset(tmp_path / "out")["loss"].num_rows == before
