"""The same log twice: jobs in one folder with the same values at the same places, of which one counts."""

import numpy as np
import pytest
from support.folders import tree

from metricscan import Objective, Scanner, rank, replay
from metricscan.ranking import copies

SCANNER = Scanner([r"acc=acc: (\S+)", r"epoch=\[(\d+)\]"])
LINES = [f"Epoch(val) [{n}] acc: {0.5 + n % 7 / 100:.4f}\n" for n in range(1, 13)]
TEXT = "".join(LINES)
BEST = Objective("acc", "Maximize", "max")


def alike(fourth, fifth):
    """A log whose fourth and fifth values are these."""
    values = [0.25, 0.26, 0.27, fourth, fifth, *(0.3 + n / 100 for n in range(7))]
    return "".join(f"Epoch(val) [{n}] acc: {value:.4f}\n" for n, value in enumerate(values, 1))


def statuses(result):
    return dict(zip(result.ranking["job"].to_pylist(), result.ranking["objective_status"].to_pylist(), strict=True))


def copied(folder, files, objective=BEST, **options):
    return replay(tree(folder, files), SCANNER, objective=objective, **options)


@pytest.mark.parametrize("scope", ["last", "max", "mean", "last-3"])
@pytest.mark.parametrize("step", [None, "epoch"])
def test_one_of_two_equal_logs_counts(tmp_path, scope, step):
    files = {
        "w/2026/2026.log": TEXT,
        "w/slurm-12.out": f"srun: starts\n{TEXT}the end\n",
        "w/other.log": TEXT.replace("0.5", "0.4"),
    }
    objective = Objective("acc", "Maximize", scope, step)
    found = copied(tmp_path / "logs", files, objective, out=tmp_path / "out")
    assert statuses(found) == {"2026/2026.log": "found", "slurm-12.out": "copy", "other.log": "found"}
    assert found.ranking["rank"].to_pylist() == [1, 2, None]
    # the one that counts is not doubtful
    assert found.best.doubts == ()
    (doubt,) = found.doubts["slurm-12.out"]
    about = "the log has the same 12 values of acc, at the same places, as that of 2026/2026.log: 2026/2026.log counts"
    assert (doubt.kind, doubt.message, doubt.path) == ("copy", about, f"{tmp_path}/logs/w/slurm-12.out")
    assert found.notices[-1].message == (
        f"1 job is a copy of another in the same folder, and without a rank (slurm-12.out): {about}"
    )
    assert rank(tmp_path / "out", objective).equals(found.ranking)
    assert found.rank(objective).equals(found.ranking)


@pytest.mark.parametrize(
    "files",
    [
        # other folders
        {"a/x.log": TEXT, "b/x.log": TEXT},
        # another value, another place, one more value
        {"a.log": TEXT, "b.log": TEXT.replace("0.5500", "0.5501")},
        *({"a.log": TEXT, "b.log": TEXT.replace(line, line.replace("0.5", "0.9"))} for line in LINES),
        # values with the same sum, and the same values in another order, none of them among those that are compared
        {"a.log": alike(0.31, 0.35), "b.log": alike(0.32, 0.34)},
        {"a.log": alike(0.31, 0.35), "b.log": alike(0.35, 0.31)},
        {"a.log": TEXT, "b.log": "".join(line.replace("acc", " " * (at % 3) + "acc") for at, line in enumerate(LINES))},
        {"a.log": TEXT, "b.log": f"{TEXT}Epoch(val) [13] acc: 0.5\n"},
        # too little to go by
        {"a.log": "".join(LINES[:4]), "b.log": "".join(LINES[:4])},
        {"a.log": "acc: 1.0\n" * 20, "b.log": "acc: 1.0\n" * 20},
        {"a.log": "acc: 1.0\nacc: 0.0\n" * 20, "b.log": "acc: 1.0\nacc: 0.0\n" * 20},
        # hyperparameters distinguish them
        {"lr=0.1.log": TEXT, "lr=0.2.log": TEXT},
    ],
)
def test_jobs_that_are_only_alike_both_count(tmp_path, files):
    found = copied(tmp_path, files)
    assert set(statuses(found).values()) == {"found"}
    assert "copy" not in {doubt.kind for some in found.doubts.values() for doubt in some}


def test_three_times(tmp_path):
    found = copied(tmp_path, {"a.log": TEXT, "b.log": TEXT, "c.log": TEXT})
    assert statuses(found) == {"a": "found", "b": "copy", "c": "copy"}
    assert found.best.doubts == ()
    assert found.notices[-1].message.startswith(
        "2 jobs are copies of another in the same folder, and without a rank (for example b): "
    )


def test_the_one_that_may_win_counts(tmp_path):
    (tmp_path / "jobs.csv").write_text("job,status\na,Failed\n")
    found = copied(tmp_path / "logs", {"a.log": TEXT, "b.log": TEXT}, jobs=tmp_path / "jobs.csv")
    assert (found.best.job, statuses(found)) == ("b", {"b": "found", "a": "copy"})


def test_jobs_with_very_many_rows_are_not_compared():
    value = np.arange(copies.MOST_ROWS + 12, dtype=np.float64)
    starts, ends = np.array([0, 12]), np.array([12, len(value)])
    samples = copies.samples_of(value, lambda at: at * 10, starts, ends)
    assert samples[0].tolist()[:-1] == [0, 2, 5, 8, 11, 0, 20, 50, 80, 110]
    assert np.isnan(samples[1]).all()
