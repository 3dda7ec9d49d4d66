"""Replays of jobs that were tried several times: the last attempt counts, and the rows of all are kept."""

import pytest
from support.folders import tree

import metricscan
from metricscan import Dataset, Objective, Scanner, rank, replay
from metricscan.cli import main

SCANNER = Scanner([r"auc=auc (\S+)", r"epoch=epoch (\d+)"])
TRACEBACK = 'Traceback (most recent call last):\n  File "fit.py", line 3, in <module>\nValueError: boom\n'


def in_mflog(text):
    return "".join(f"[MFLOG|0|2026-03-01T10:00:00.1Z|runtime|id]{line}\n" for line in text.splitlines())


FILES = {
    "train/2/0.runtime_stdout.log": "epoch 1 auc 0.5\nepoch 2 auc 0.99\nepoch 9\n",
    "train/2/0.runtime_stderr.log": in_mflog(TRACEBACK + "Task failed."),
    "train/2/1.runtime_stdout.log": "epoch 1 auc 0.81\nepoch 2 auc 0.8\n",
    "train/3/0.runtime_stdout.log": "epoch 1 auc 0.82\nepoch 2 auc 0.7\n",
    # of an earlier attempt alone
    "train/4/0.runtime_stderr.log": "epoch 1 auc 0.97\n",
    "train/4/1.runtime_stdout.log": "no number\n",
    # the eleventh attempt follows the second
    "train/5/2.runtime_stdout.log": "epoch 1 auc 0.96\n",
    "train/5/11.runtime_stdout.log": "epoch 1 auc 0.6\n",
}
SCOPES = ["last", "first", "max", "min", "mean", "last-2", "best@2", "best"]


@pytest.fixture
def logs(tmp_path):
    return tree(tmp_path / "F/1", FILES)


def values(table):
    return dict(zip(table["job"].to_pylist(), table["value"].to_pylist(), strict=True))


def test_the_last_attempt_decides(logs):
    found = replay(logs, SCANNER, objective=Objective("auc", "Maximize", "max"))
    assert values(found.ranking) == {"3": 0.82, "2": 0.81, "5": 0.6, "4": None}
    assert found.best.path.endswith("train/3/0.runtime_stdout.log")
    assert found.ranking["rows"].to_pylist() == [2, 2, 1, 0]
    assert [notice.message for notice in found.notices] == [
        "3 jobs were tried several times (for example 2): the last attempt of each counts, rows of earlier ones decide nothing"
    ]


def test_rows_of_all_attempts_are_kept_each_with_its_part(logs):
    found = replay(logs, SCANNER)
    rows = found["auc"].select(["job", "stream", "part", "value"]).to_pylist()
    assert [tuple(row.values()) for row in rows if row["job"] in "25"] == [
        ("2", "1.runtime_stdout.log", 0, 0.5),
        ("2", "1.runtime_stdout.log", 0, 0.99),
        ("2", "1.runtime_stdout.log", 1, 0.81),
        ("2", "1.runtime_stdout.log", 1, 0.8),
        ("5", "11.runtime_stdout.log", 0, 0.96),
        ("5", "11.runtime_stdout.log", 1, 0.6),
    ]
    assert found.superseded == {
        ("2", "0.runtime_stderr.log"): 1,
        ("2", "1.runtime_stdout.log"): 1,
        ("4", "0.runtime_stderr.log"): 1,
        ("5", "11.runtime_stdout.log"): 1,
    }


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("step", [None, "epoch"])
def test_ranked_the_same_from_everywhere(logs, tmp_path, scope, step):
    if scope == "best@2" and step is None:
        pytest.skip("it needs a step")
    objective = Objective("auc", "Maximize", scope, step)
    kept = replay(logs, SCANNER, objective=objective, out=tmp_path / "out")
    dropped = replay(logs, SCANNER, objective=objective, keep=False)
    read = Dataset(tmp_path / "out")
    tables = {name: kept[name] for name in kept}
    # a replay of what counts alone, under the same names
    tree(tmp_path / "last", {name.replace("train/", "F/1/train/"): text for name, text in FILES.items()})
    for name in FILES:
        if name.split("/")[-1].startswith(("0.", "2.")) and "/3/" not in name:
            (tmp_path / "last/F/1" / name).write_text("")
    expected = values(replay(tmp_path / "last", SCANNER, objective=objective).ranking)
    for order in (
        kept.ranking,
        dropped.ranking,
        kept.rank(objective),
        rank(read, objective),
        rank(tables, objective, jobs=read.jobs),
    ):
        assert values(order) == expected
        assert order.drop(["doubts"]).equals(kept.ranking.drop(["doubts"]))
    assert read.superseded == kept.superseded
    assert read.jobs == list(kept.jobs)


def test_curves_are_of_the_last_attempt(logs):
    found = replay(logs, SCANNER)
    curve = metricscan.curve(found, "auc", "epoch").to_pylist()
    assert [(row["step"], row["value"]) for row in curve if row["job"] == "2"] == [(1.0, 0.81), (2.0, 0.8)]


def test_a_crash_of_an_earlier_attempt_is_no_doubt(logs):
    found = replay(logs, SCANNER, objective=Objective("auc", "Maximize"))
    assert "crashed" not in {doubt.kind for some in found.doubts.values() for doubt in some}


def test_the_crash_of_the_last_attempt_may_stand_in_another_stream(logs):
    (logs / "train/2/1.runtime_stderr.log").write_text(in_mflog(TRACEBACK + "Task failed."))
    found = replay(logs, SCANNER, objective=Objective("auc", "Maximize"))
    (doubt,) = [doubt for doubt in found.doubts["2"] if doubt.kind == "crashed"]
    assert (doubt.message, doubt.path) == (
        "the log ends in a traceback: ValueError: boom",
        f"{logs}/train/2/1.runtime_stderr.log",
    )


def test_restarts_of_a_container_are_attempts_and_other_containers_are_not(tmp_path):
    def cri(text, stream="stdout"):
        lines = text.splitlines()
        return "".join(f"2026-03-01T10:00:0{at}Z {stream} F {line}\n" for at, line in enumerate(lines))

    tree(
        tmp_path / "pods",
        {
            "ns_a_1/main/0.log": cri("auc 0.9"),
            "ns_a_1/main/1.log": cri("auc 0.5"),
            "ns_a_1/main/1.log.20260301-100000": cri("auc 0.6"),
            "ns_a_1/side/0.log": cri("ready"),
            "ns_b_2/main/0.log": cri("auc 0.7") + cri(TRACEBACK, "stderr"),
        },
    )
    found = replay(tmp_path / "pods", Scanner([r"auc=auc (\S+)"]), objective=Objective("auc", "Maximize", "max"))
    assert values(found.ranking) == {"ns_b_2": 0.7, "ns_a_1": 0.6}
    assert [(log.stream, log.part, log.superseded) for log in found.jobs[0].logs] == [
        ("main/1.log/stdout", 0, True),
        ("main/1.log/stdout", 1, False),
        ("main/1.log/stdout", 2, False),
        ("side/0.log/stdout", 0, False),
    ]
    # both streams of a container tell how it ended
    assert [doubt.kind for doubt in found.best.doubts] == ["crashed"]


def test_attempts_of_a_rule(tmp_path):
    tree(tmp_path / "t", {"a-try1.log": "auc 0.9\n", "a-try2.log": "auc 0.5\n", "b-try1.log": "auc 0.7\n"})
    rule = r"(?P<job>[ab])-try(?P<attempt>\d+)"
    found = replay(tmp_path / "t", Scanner([r"auc=auc (\S+)"]), objective=Objective("auc", "Maximize"), job=rule)
    assert values(found.ranking) == {"b": 0.7, "a": 0.5}
    assert found["auc"].num_rows == 3


def test_why_a_last_attempt_has_no_value(logs, capsys):
    assert main(["replay", str(logs), "-m", r"auc=auc (\S+)", "--maximize", "auc"]) == 0
    text = capsys.readouterr()
    assert "4 has no auc: of its attempts the last counts, and has none: its literal 'auc '" in text.out + text.err
