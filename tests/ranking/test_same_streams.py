"""The same log twice within a job: of streams with the same values at the same places one counts, and the doubt says so."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.folders import tree

from metricscan import Objective, Scanner, rank, replay

SCANNER = Scanner([r"acc=acc: (\S+)", r"epoch=\[(\d+)\]", r"other=other: (\S+)"])
LINES = [f"Epoch(val) [{n}] acc: {0.5 + n % 7 / 100:.4f} other: {n}\n" for n in range(1, 13)]
TEXT = "".join(LINES)
MEAN = Objective("acc", "Maximize", "mean")
JOB = r"(?P<job>[^/]+)/(?P<stream>[^/]+)$"


def replayed(folder, files, objective=MEAN, **options):
    return replay(tree(folder, files), SCANNER, objective=objective, job=JOB, **options)


def row_of(found, job="j"):
    return next(row for row in found.ranking.to_pylist() if row["job"] == job)


@pytest.mark.parametrize("scope", ["last", "mean", "last-3", "best"])
@pytest.mark.parametrize("step", [None, "epoch"])
def test_one_of_two_equal_streams_counts(tmp_path, scope, step):
    objective = Objective("acc", "Maximize", scope, step)
    twice = {"j/2026.log": TEXT, "j/slurm-12.out": f"srun: starts\n{TEXT}the end\n", "k/2026.log": TEXT}
    found = replayed(tmp_path / "logs", twice, objective, out=tmp_path / "out")
    (doubt,) = row_of(found)["doubts"]
    assert (doubt["kind"], doubt["message"]) == (
        "several-streams",
        "2 streams have the same 12 values of acc, at the same places; the one that counts is '2026.log'",
    )
    columns = ("value", "rows", "streams", "step", "steps_back", "stream")
    assert {key: row_of(found)[key] for key in columns} == {key: row_of(found, "k")[key] for key in columns}
    assert rank(tmp_path / "out", objective).equals(found.ranking)
    assert found.rank(objective).equals(found.ranking)


@pytest.mark.parametrize(
    ("other", "objective"),
    [
        # another value, another place, one more value
        (TEXT.replace("0.5500", "0.5501"), MEAN),
        ("".join(line.replace("acc", " " * (at % 3) + "acc") for at, line in enumerate(LINES)), MEAN),
        (f"{TEXT}Epoch(val) [13] acc: 0.5 other: 9\n", MEAN),
        # another step, or none
        (TEXT.replace("[7]", "[8]"), Objective("acc", "Maximize", "mean", "epoch")),
        (TEXT.replace("[", "("), Objective("acc", "Maximize", "mean", "epoch")),
    ],
)
def test_streams_that_are_not_the_same(tmp_path, other, objective):
    found = row_of(replayed(tmp_path, {"j/a.log": TEXT, "j/b.log": other}, objective))
    assert (found["streams"], found["rows"]) == (2, 24 + ("[13]" in other))
    assert "2 streams have rows of acc; the deciding row is in" in str(found["doubts"])


@pytest.mark.parametrize("text", ["".join(LINES[:4]), "acc: 1.0\n" * 20, "acc: 1.0\nacc: 0.0\n" * 20])
def test_too_few_values_tell_nothing(tmp_path, text):
    assert row_of(replayed(tmp_path, {"j/a.log": text, "j/b.log": text}))["streams"] == 2


def test_other_metrics_that_are_asked_for_tell_streams_apart(tmp_path):
    files = {"j/a.log": TEXT, "j/b.log": TEXT.replace("other: 3", "other: 4")}
    found = replayed(tmp_path, files)
    assert row_of(found)["streams"] == 1
    assert found.rank(MEAN, at_best="other")["streams"].to_pylist() == [2]


def test_two_equal_streams_beside_a_third(tmp_path):
    files = {"j/a.log": TEXT.replace("0.5", "0.4"), "j/b.log": TEXT, "j/c.log": f"begins\n{TEXT}"}
    found = row_of(replayed(tmp_path, files, Objective("acc", "Maximize", "last")))
    assert (found["streams"], found["rows"], found["stream"]) == (2, 24, "b.log")
    (doubt,) = found["doubts"]
    assert doubt["message"] == (
        "3 streams have rows of acc, 1 of them the same values at the same places as another, which counts; the one with "
        "the deciding row is 'b.log'"
    )


# a job's streams, each one of a few texts: so that many are equal
TEXTS = [TEXT, TEXT.replace("0.53", "0.63"), "".join(LINES[:5]), TEXT.replace("[2]", "[3]"), "nothing\n"]
STREAMS = st.lists(st.tuples(st.sampled_from(range(len(TEXTS))), st.integers(0, 1)), min_size=1, max_size=4)


@given(
    st.lists(STREAMS, min_size=1, max_size=3),
    st.sampled_from(["last", "mean", "last-3", "best", "first"]),
    st.sampled_from([None, "epoch"]),
)
def test_what_counts_is_what_counts_without_the_copies(tmp_path_factory, jobs, scope, step):
    folder = tmp_path_factory.mktemp("streams")
    objective = Objective("acc", "Maximize", scope, step)
    all_files, once = {}, {}
    for number, streams in enumerate(jobs):
        seen = set()
        for at, (text, ahead) in enumerate(streams):
            name = f"j{number}/{at}.log"
            all_files[name] = "head\n" * ahead + TEXTS[text]
            # without steps, texts that differ in the step alone are the same
            text = 0 if step is None and text == 3 else text
            if text not in seen:
                seen.add(text)
                once[name] = all_files[name]
    found, expected = (
        replayed(folder / name, files, objective) for name, files in (("all", all_files), ("once", once))
    )
    columns = [name for name in found.ranking.column_names if name not in ("doubts", "hyperparameters")]
    assert found.ranking.select(columns).equals(expected.ranking.select(columns))
