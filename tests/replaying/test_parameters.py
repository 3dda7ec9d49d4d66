"""Replays that read hyperparameters out of the text of logs, and what counts where their sources differ."""

import pytest
from support.folders import tree

from metricscan import DefinitionError, Objective, OptionError, Scanner, rank, replay

SCANNER = Scanner([r"loss=loss=(\S+)"])
GOAL = Objective("loss", "Minimize")
LR = r"lr=lr=([^\s,]+)"


def parameters(result):
    return {job.name: (job.hyperparameters, job.parameter_sources) for job in result.jobs}


def messages(result):
    return [notice.message for notice in result.notices]


def test_the_first_match_of_a_label_is_the_parameter(tmp_path):
    logs = tree(
        tmp_path / "logs",
        {
            "a.log": "lr=0.1, x\nloss=1\n",
            "b.log": "loss=0.5\nlr=1e-1\nlr=0.10\n",
            "c.log": "lr=0.2\nlr=0.3\nloss=2\n",
            "d.log": "loss=3\n",
        },
    )
    found = replay(logs, SCANNER, objective=GOAL, parameters=[LR], out=tmp_path / "out")
    log = {"lr": "log"}
    assert parameters(found) == {
        "a": ({"lr": "0.1"}, log),
        "b": ({"lr": "1e-1"}, log),
        "c": ({"lr": "0.2"}, log),
        "d": ({}, {}),
    }
    assert found.best.hyperparameters == {"lr": "1e-1"}
    assert messages(found) == [
        "the logs of 1 of 4 jobs have no match of the parameter 'lr'",
        "the parameter 'lr' has several values in 1 job, for example in c: '0.2' and '0.3'; the first one counts",
    ]
    assert found["lr"]["value"].to_pylist() == ["0.1", "1e-1", "0.10", "0.2", "0.3"]
    assert rank(tmp_path / "out", GOAL).equals(found.ranking)
    assert replay(logs, SCANNER, objective=GOAL, parameters=[LR], keep=False).ranking.equals(found.ranking)


def test_a_parameter_that_no_log_has_is_told(tmp_path):
    tree(tmp_path / "logs", {"a.log": "loss=1\n", "b.log": "loss=2\n"})
    tree(tmp_path, {"jobs.csv": "job,status\na,Completed\nc,Failed\n"})
    found = replay(tmp_path / "logs", SCANNER, parameters=[LR], jobs=tmp_path / "jobs.csv")
    assert "the logs have no match of the parameter 'lr'" in messages(found)


@pytest.mark.parametrize("given", [[LR], LR, {"lr": r"lr=([^\s,]+)"}, [{"Name": "lr", "Regex": r"lr=([^\s,]+)"}]])
def test_how_they_may_be_given(tmp_path, given):
    tree(tmp_path, {"a.log": "lr=0.1\nloss=1\n"})
    assert parameters(replay(tmp_path / "a.log", SCANNER, parameters=given))["a"][0] == {"lr": "0.1"}


def test_one_source_overrules_the_other_and_that_is_told(tmp_path):
    text = "Namespace(lr=0.3, depth=3, size=1)\nlr=0.4\nloss=1\n"
    logs = tree(
        tmp_path / "logs",
        {
            "lr=0.1,depth=2/stdout": text,
            "lr=0.1,depth=2/params.json": '{"depth": 4, "size": 1.0}',
            "lr=0.1,depth=2/stderr": "",
        },
    )

    def found(**options):
        result = replay(logs, SCANNER, **options)
        return *parameters(result)["lr=0.1,depth=2"], messages(result)

    path = f"{logs}/lr=0.1,depth=2/params.json"
    assert found()[0] == {"lr": "0.1", "depth": "4", "size": "1.0"}
    values, sources, told = found(parameters=["printed"])
    assert values == {"lr": "0.3", "depth": "4", "size": "1.0"}
    assert sources == {"lr": "log", "depth": path, "size": path}
    assert told == [
        (
            "the hyperparameter 'lr' of 1 job differs between its sources, for example of lr=0.1,depth=2: "
            "'0.3' in the log, which counts, and '0.1' in the name"
        ),
        (
            "the hyperparameter 'depth' of 1 job differs between its sources, for example of lr=0.1,depth=2: "
            f"'4' in {path}, which counts, and '3' in the log"
        ),
    ]
    values, sources, _ = found(parameters=["printed", LR, r"depth=depth=(\d)"])
    assert (values["lr"], values["depth"]) == ("0.3", "3")
    (tmp_path / "jobs.csv").write_text("job,lr\nlr=0.1,depth=2,9\n".replace("lr=0.1,depth=2", '"lr=0.1,depth=2"'))
    values, _, told = found(parameters=[LR], jobs=tmp_path / "jobs.csv")
    assert values["lr"] == "9"
    assert "'9' in " in told[-1]


def test_the_last_attempt_decides(tmp_path):
    tree(tmp_path, {f"F/1/fit/2/{at}.task_stdout.log": f"Namespace(a={at})\nlr={at}\nloss=1\n" for at in (0, 1)})
    found = replay(tmp_path / "F", SCANNER, parameters=[LR, "printed"])
    assert parameters(found)["2"][0] == {"a": "1", "lr": "1"}


def test_what_cannot_be_read_twice_is_told(tmp_path):
    event = '{{"timestamp": 1, "message": "{}", "logStreamName": "{}"}}'
    events = ", ".join(event.format("Namespace(a=1) loss=1", name) for name in ("j1/algo-1-2", "j2/algo-1-2"))
    tree(tmp_path, {"e.json": f'{{"events": [{events}]}}'})
    found = replay(tmp_path / "e.json", SCANNER, parameters=["printed"])
    assert messages(found) == [
        "what the logs of 2 jobs print was not read for hyperparameters: they are read once, or share a file"
    ]


def test_errors(tmp_path):
    tree(tmp_path, {"a.log": "loss=1\n"})
    with pytest.raises(DefinitionError, match="label 0 'loss': the name is already that of definition 0"):
        replay(tmp_path, SCANNER, parameters=[r"loss=x"])
    with pytest.raises(DefinitionError, match="unterminated subpattern"):
        replay(tmp_path, SCANNER, parameters=["lr=("])
    with pytest.raises(OptionError, match="a list of NAME=REGEX or 'printed'"):
        replay(tmp_path, SCANNER, parameters=3)
