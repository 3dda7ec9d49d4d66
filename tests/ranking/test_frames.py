"""The two frames of the SDK: their columns, dtypes and contents."""

import math

import pandas as pd
import pyarrow as pa
import pytest

import metricscan
from metricscan import Objective, OptionError, Scanner, job_frame, metric_frame, replay

SCANNER = Scanner([r"loss=loss=(\S+)", r"acc=acc=(\S+)"])
MIN = Objective("loss", "Minimize")


@pytest.fixture
def logs(tmp_path):
    files = {
        "trial_1/stdout": "loss=3 acc=0.5\nloss=2\n",
        "trial_1/hyperparameters.json": '{"lr": 3e-4, "solver": "adam", "layers": "2"}',
        "trial_2/stdout": "loss=1\nloss=nan\n",
        "trial_2/hyperparameters.json": '{"lr": 1e-2, "layers": "[64, 32]", "TrainingJobStatus": "mine"}',
        "trial_3/stdout": "nothing\n",
    }
    for name, text in files.items():
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "jobs.csv").write_text("job,status\ntrial_1,completed\ntrial_3,failed\n")
    return tmp_path / "logs"


@pytest.fixture
def found(logs):
    return replay(logs, SCANNER, objective=MIN, jobs=logs.parent / "jobs.csv", out=logs.parent / "out")


def timed(*rows):
    """Tables of (metric, job, stream, value, second)."""
    tables = {}
    for name in dict.fromkeys(row[0] for row in rows):
        own = [row for row in rows if row[0] == name]
        count = len(own)
        tables[name] = pa.table(
            {
                "job": [row[1] for row in own],
                "stream": [row[2] for row in own],
                "value": [row[3] for row in own],
                "line": list(range(count)),
                "offset": list(range(count)),
                "start": list(range(count)),
                "time": pa.array([None if row[4] is None else int(row[4] * 1e6) for row in own], pa.int64()).cast(
                    pa.timestamp("us", "UTC")
                ),
            }
        )
    return tables


def test_the_metrics_of_a_job(found, logs):
    frame = found.metric_frame("trial_1")
    assert frame.to_pylist() == [
        {"timestamp": None, "metric_name": "loss", "value": 3.0},
        {"timestamp": None, "metric_name": "loss", "value": 2.0},
        {"timestamp": None, "metric_name": "acc", "value": 0.5},
    ]
    assert metric_frame(logs.parent / "out", "trial_1").equals(frame)
    assert metric_frame(found, "trial_2")["value"].to_pylist()[0] == 1.0
    assert math.isnan(metric_frame(found, "trial_2")["value"].to_pylist()[1])


def test_seconds_since_a_metrics_first_value():
    tables = timed(
        ("loss", "a", "y", 1.0, 100.5),
        ("loss", "a", "x", 2.0, 99.25),
        ("loss", "b", "x", 9.0, 1),
        ("acc", "a", "x", 3.0, 200),
    )
    frame = metric_frame(tables, "a")
    assert [tuple(row.values()) for row in frame.to_pylist()] == [
        (0.0, "loss", 2.0),
        (1.25, "loss", 1.0),
        (0.0, "acc", 3.0),
    ]
    partly = metric_frame(timed(("loss", "a", "y", 1.0, 7), ("loss", "a", "x", 2.0, None)))
    # a row without a time: names of streams order all of them
    assert [tuple(row.values()) for row in partly.to_pylist()] == [(None, "loss", 2.0), (0.0, "loss", 1.0)]


def test_the_metrics_as_pandas_has_them(found):
    frame = found.metric_frame("trial_1").to_pandas()
    assert list(frame.columns) == ["timestamp", "metric_name", "value"]
    assert frame["timestamp"].dtype == frame["value"].dtype == "float64"
    assert pd.api.types.is_string_dtype(frame["metric_name"])


def test_a_job_must_be_named(found):
    with pytest.raises(
        OptionError, match="there are 2 jobs with rows; the name of one was expected: 'trial_1', 'trial_2'"
    ):
        found.metric_frame()
    with pytest.raises(OptionError, match="the job 'trial_4' has no rows") as caught:
        found.metric_frame("trial_4")
    assert caught.value.hint == "did you mean 'trial_2'?" or caught.value.hint == "did you mean 'trial_1'?"
    with pytest.raises(OptionError, match="there are 0 jobs"):
        metric_frame({"loss": found["loss"].slice(0, 0)})


def test_the_jobs_of_a_ranking(found, logs):
    frame = found.job_frame()
    assert frame.column_names == [
        "lr",
        "solver",
        "layers",
        "TrainingJobName",
        "TrainingJobStatus",
        "FinalObjectiveValue",
        "TrainingStartTime",
        "TrainingEndTime",
        "TrainingElapsedTimeSeconds",
    ]
    rows = frame.drop_columns(["TrainingStartTime", "TrainingEndTime", "TrainingElapsedTimeSeconds"]).to_pylist()
    assert list(rows[0].values()) == [3e-4, "adam", "2", "trial_1", "Completed", 2.0]
    assert list(rows[1].values())[:5] == [1e-2, None, "[64, 32]", "trial_2", None]
    assert math.isnan(rows[1]["FinalObjectiveValue"])
    assert list(rows[2].values()) == [None, None, None, "trial_3", "Failed", None]
    assert frame["TrainingStartTime"].to_pylist() == [None] * 3
    again = job_frame(metricscan.rank(logs.parent / "out", MIN), logs.parent / "out")
    assert repr(again.to_pylist()) == repr(frame.to_pylist())
    assert found.job_frame(Objective("acc", "Maximize"))["FinalObjectiveValue"].to_pylist() == [0.5, None, None]


def test_the_times_of_jobs():
    tables = timed(("loss", "a", "x", 1.0, 10), ("acc", "a", "x", 2.0, 13.5), ("loss", "b", "x", 9.0, None))
    frame = job_frame(metricscan.rank(tables, MIN), tables)
    assert frame["TrainingElapsedTimeSeconds"].to_pylist() == [3.5, None]
    start, end = (frame[name][0].as_py() for name in ("TrainingStartTime", "TrainingEndTime"))
    assert (start.timestamp(), end.timestamp()) == (10.0, 13.5)


def test_the_jobs_as_pandas_has_them(found):
    frame = found.job_frame().to_pandas()
    assert (
        frame["lr"].dtype
        == frame["FinalObjectiveValue"].dtype
        == frame["TrainingElapsedTimeSeconds"].dtype
        == "float64"
    )
    assert str(frame["TrainingStartTime"].dtype) == "datetime64[ns, UTC]"
    assert pd.api.types.is_string_dtype(frame["TrainingJobName"])


def test_numbers_that_are_numbers_to_python_alone_stay_text(tmp_path):
    (tmp_path / "a.log").write_text("loss=1\n")
    (tmp_path / "jobs.jsonl").write_text('{"job": "a", "hyperparameters": {"id": "1_000", "x": "nan", "y": ""}}\n')
    frame = replay(tmp_path / "a.log", SCANNER, objective=MIN, jobs=tmp_path / "jobs.jsonl").job_frame()
    assert frame["id"].to_pylist() == ["1_000"]
    assert math.isnan(frame["x"][0].as_py())
    assert frame["y"].to_pylist() == [""]


def test_a_replay_without_an_objective(logs):
    found = replay(logs, SCANNER)
    with pytest.raises(OptionError, match="the replay had no objective"):
        found.job_frame()
    assert found.job_frame(MIN).num_rows == 3
