"""What differs between datasets, beside a naive comparison of their rows."""

import itertools
import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.folders import tree

import metricscan
from metricscan import Dataset, Objective, OptionError, Scanner, SourceError, replay
from metricscan.datasets import row_difference

A = Scanner(["loss=loss=([0-9.]+)", "acc=acc=([0-9a-z.]+)"], labels=[r"who=\[(\w)"])
B = Scanner(["loss=l[o0]ss=([0-9.]|-[0-9]+)", "acc=acc=([a-z.]+|1)", "more=lr=(.)"], labels=[r"who=\[(\w*)"])
WORDS = ["loss=0.5", "l0ss=2", "loss=-3", "acc=nan", "acc=1", "acc=0.5", "lr=3", "[ab]", "[a]", "\n", "\n", "\n", "x"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=80).map(" ".join)
FORMATS = ["parquet", "arrow", "csv", "jsonl"]


def naive(a, b, metric):
    """Counts of won, lost, changed and equal rows, by job."""
    records = {}
    for side, dataset in enumerate((a, b)):
        for row in dataset[metric].to_pylist() if metric in dataset else ():
            key = row["job"], row["stream"], row["part"], row["offset"]
            records.setdefault(key, ([], []))[side].append((row["start"], repr(row["value"])))
    counts = {}
    for (job, *_), (own, other) in records.items():
        own, other = sorted(own, key=lambda row: row[0]), sorted(other, key=lambda row: row[0])
        pairs = []
        for row in [*own]:
            same = next((one for one in other if one[0] == row[0]), None)
            if same is not None:
                own.remove(row)
                other.remove(same)
                pairs.append((row, same))
        pairs += zip(own, other, strict=False)
        found = counts.setdefault(job, Counter())
        found["lost"] += max(len(own) - len(other), 0)
        found["won"] += max(len(other) - len(own), 0)
        for row, same in pairs:
            found["equal" if row[1] == same[1] else "changed"] += 1
    return counts


def check(a, b, found):
    assert list(found.metrics) == [*a, *(name for name in b if name not in a)]
    for name, metric in found.metrics.items():
        expected = naive(a, b, name)
        total = sum(expected.values(), Counter())
        assert [getattr(metric, kind) for kind in ("won", "lost", "changed", "equal")] == [
            total[kind] for kind in ("won", "lost", "changed", "equal")
        ]
        differing = {job: counts for job, counts in expected.items() if counts.total() > counts["equal"]}
        assert set(metric.jobs) == set(differing)
        for job, counts in differing.items():
            own = metric.jobs[job]
            assert (own.won, own.lost, own.changed) == (counts["won"], counts["lost"], counts["changed"])
            kept = Counter(sample.kind for sample in own.samples)
            assert kept == {kind: min(counts[kind], 3) for kind in ("won", "lost", "changed") if counts[kind]}
        assert metric.only_in == (None if name in a and name in b else "a" if name in a else "b")


def in_pieces(monkeypatch, size):
    """Let datasets give batches of at most so many rows."""
    whole = Dataset.batches

    def batches(dataset, metric):
        for batch in whole(dataset, metric):
            for at in range(0, batch.num_rows, size):
                yield batch.slice(at, size)

    monkeypatch.setattr(Dataset, "batches", batches)


@given(
    texts=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4),
    kinds=st.tuples(st.sampled_from(FORMATS), st.sampled_from(FORMATS)),
    size=st.sampled_from([1, 2, 3, 1000]),
)
def test_the_counts_are_those_of_a_naive_comparison(texts, kinds, size, tmp_path_factory):
    folder = tmp_path_factory.mktemp("diff")
    for side, (kind, scanner) in enumerate(zip(kinds, (A, B), strict=True)):
        logs = tree(folder / f"logs{side}", {f"job {number}.log": pair[side] for number, pair in enumerate(texts)})
        replay(logs, scanner, out=folder / f"out{side}", format=kind, sync=False)
    with pytest.MonkeyPatch.context() as patch:
        in_pieces(patch, size)
        found = metricscan.diff(folder / "out0", folder / "out1")
    check(Dataset(folder / "out0"), Dataset(folder / "out1"), found)


@settings(max_examples=max(15, settings().max_examples // 4))  # each replays the logs four times
@given(texts=st.lists(TEXTS, min_size=1, max_size=3))
def test_two_lists_of_definitions_on_logs(texts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("diff")
    logs = tree(folder / "logs", {f"{number}.log": text for number, text in enumerate(texts)})
    found = metricscan.diff(A, B, on=logs)
    for name, scanner in (("a", A), ("b", B)):
        replay(logs, scanner, out=folder / name, sync=False)
    check(Dataset(folder / "a"), Dataset(folder / "b"), found)
    assert found.errors == []
    assert not metricscan.diff(A, A, on=logs).differs


def test_rows_of_rotated_logs_and_streams_are_apart(tmp_path):
    files = {"x/a.log": "loss=1\n", "x/a.log.1": "loss=1\n", "x/a.err": "loss=1\n"}
    replay(tree(tmp_path / "1", files), A, job="dir", out=tmp_path / "a")
    files["x/a.log.1"] = "loss=2\n"
    replay(tree(tmp_path / "2", files), A, job="dir", out=tmp_path / "b")
    found = metricscan.diff(tmp_path / "a", tmp_path / "b").metrics["loss"]
    assert (found.won, found.lost, found.changed, found.equal) == (0, 0, 1, 2)
    (sample,) = next(iter(found.jobs.values())).samples
    assert (sample.a, sample.b, sample.part, sample.line) == (1.0, 2.0, 0, 1)


def shuffled(folder, metric):
    """Bring the rows of a dataset's file out of order, as another program may."""
    import pyarrow.parquet as pq

    (path,) = (folder / metric).glob("part-*.parquet")
    table = pq.read_table(path)
    order = np.random.default_rng(1).permutation(table.num_rows)
    pq.write_table(table.take(pa.array(order)), path)


def test_a_dataset_whose_rows_are_in_another_order_has_the_same_rows(tmp_path):
    files = {f"{number}.log": "".join(f"loss={at} loss=7\n" for at in range(50)) for number in range(5)}
    replay(tree(tmp_path / "logs", files), A, out=tmp_path / "a")
    replay(tmp_path / "logs", A, out=tmp_path / "b")
    shuffled(tmp_path / "b", "loss")
    found = metricscan.diff(tmp_path / "a", tmp_path / "b")
    assert (found.differs, found.metrics["loss"].equal) == (False, 500)


def test_few_rows_are_in_memory_at_a_time(tmp_path, monkeypatch):
    text = "".join(f"loss={at}\n" for at in range(3000))
    replay(tree(tmp_path / "logs", {"a.log": text, "b.log": text}), A, out=tmp_path / "a")
    in_pieces(monkeypatch, 100)
    most = []
    joined = row_difference._joined
    monkeypatch.setattr(
        row_difference, "_joined", lambda parts: most.append(sum(len(one.log) for one in parts)) or joined(parts)
    )
    assert metricscan.diff(tmp_path / "a", tmp_path / "a").metrics["loss"].equal == 6000
    assert max(most) <= 101


def test_a_metric_that_is_a_label_in_one_alone_has_other_values(tmp_path):
    log = tree(tmp_path, {"a.log": "loss=1\n"}) / "a.log"
    found = metricscan.diff(Scanner(["loss=loss=(.)"]), Scanner(["x=y"], labels=["loss=loss=(.)"]), on=log)
    assert found.metrics["loss"].jobs["a"].samples == [("changed", "a.log", 0, 1, 0, 1.0, "1")]


def ranked(tmp_path, name, values, **how):
    logs = tree(tmp_path / f"logs-{name}", {f"{job}.log": f"loss={value}\n" for job, value in values.items()})
    how.setdefault("objective", Objective("loss", "Minimize"))
    replay(logs, A, out=tmp_path / name, **how)
    return tmp_path / name


def test_the_difference_of_rankings(tmp_path):
    a = ranked(tmp_path, "a", {"x": "0.1", "y": "0.2", "z": "0.3", "old": "x"})
    b = ranked(tmp_path, "b", {"x": "0.25", "y": "0.2", "z": "0.3", "new": "9"})
    found = metricscan.diff(a, b)
    assert found.jobs == (["old"], ["new"])
    assert found.ranking.best == ("x", "y")
    assert found.ranking.ranked == (3, 4)
    assert {job: tuple(one and (one.rank, one.value) for one in pair) for job, pair in found.ranking.jobs.items()} == {
        "y": ((2, 0.2), (1, 0.2)),
        "x": ((1, 0.1), (2, 0.25)),
        "new": (None, (4, 9.0)),
        "old": ((None, None), None),
    }
    assert not metricscan.diff(a, a).ranking.differs
    other = metricscan.diff(a, a, objective=Objective("loss", "Maximize")).ranking
    assert (other.best, other.differs) == (("z", "z"), False)
    pair = Objective("loss", "Maximize"), Objective("loss", "Minimize")
    assert metricscan.diff(a, a, objective=pair).differs


def test_a_job_without_a_finite_value_has_the_same_place(tmp_path):
    logs = tree(tmp_path / "logs", {"x.log": "acc=nan\n", "y.log": "acc=1\n"})
    replay(logs, A, objective=Objective("acc", "Maximize"), out=tmp_path / "out")
    assert Dataset(tmp_path / "out").names.to_pylist() == ["x", "y"]
    assert not metricscan.diff(tmp_path / "out", tmp_path / "out").differs


def test_one_objective_is_none_to_compare(tmp_path):
    a, b = ranked(tmp_path, "a", {"x": "1"}), ranked(tmp_path, "b", {"x": "1"}, objective=None)
    found = metricscan.diff(a, b)
    assert (found.ranking, found.differs) == (None, False)
    assert [one.message for one in found.notices] == ["only the first one has an objective: rankings are not compared"]
    assert metricscan.diff(b, b).notices == []


def test_datasets_without_a_job_in_common_are_told(tmp_path):
    a, b = ranked(tmp_path, "a", {"x": "1"}), ranked(tmp_path, "b", {"y": "1"})
    assert any("no job in common" in one.message for one in metricscan.diff(a, b).notices)


def test_a_journal_and_a_dataset(tmp_path):
    log = tree(tmp_path, {"logs/a.log": "loss=1\nloss=2\n"}) / "logs"
    metricscan.follow(log, A, out=tmp_path / "journal", until="idle:0.1").run()
    replay(log, A, out=tmp_path / "out")
    found = metricscan.diff(tmp_path / "journal", tmp_path / "out")
    assert (found.differs, found.metrics["loss"].equal) == (False, 2)


def test_empty_datasets(tmp_path):
    (tmp_path / "a.log").touch()
    replay(tmp_path / "a.log", A, out=tmp_path / "out")
    assert not metricscan.diff(tmp_path / "out", tmp_path / "out").differs
    assert not metricscan.diff(A, A, on=tmp_path / "a.log").differs


def test_what_cannot_be_compared(tmp_path):
    with pytest.raises(OptionError, match="standard input can be read only once"):
        metricscan.diff(A, B, on="-")
    with pytest.raises(SourceError):
        metricscan.diff(tmp_path / "none", tmp_path / "none")
    with pytest.raises(OptionError, match="'lost'"):
        metricscan.diff(A, B, on=tmp_path, objective=Objective("lost", "Minimize"))


def test_the_temporary_folder_is_gone(tmp_path, monkeypatch):
    import tempfile

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    tree(tmp_path, {"a.log": "loss=1\n", "temporary/kept": ""})
    assert metricscan.diff(A, B, on=tmp_path / "a.log").metrics["loss"].equal == 1
    assert [path.name for path in (tmp_path / "temporary").iterdir()] == ["kept"]


@given(
    keys=st.tuples(*[st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=12)] * 2),
)
def test_equal_keys_are_paired_in_their_order(keys):
    columns = [[np.array([key[at] for key in sorted(side)], np.int64) for at in (0, 1)] for side in keys]
    own, other = row_difference._alike(*columns)
    a, b = map(sorted, keys)
    assert [a[at] for at in own] == [b[at] for at in other]
    assert Counter(a[at] for at in own) == Counter(a) & Counter(b)
    assert all(one < two for one, two in itertools.pairwise(zip(own, other, strict=True)) if one[0] < two[0])
    assert math.isfinite(len(own))
