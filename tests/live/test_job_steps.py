"""The steps of a running job's rows: those of a live stream, however the output is read, and those of a replay."""

import random

import pytest
from support.jobs import DEADLINE_S

import metricscan
from metricscan import Dataset, Objective, Scanner
from metricscan.definitions.blocks import separators
from metricscan.live.job_steps import JobSteps

DEFINITIONS = [r"loss=loss=(\S+)", r"acc=acc=(\S+)", r"epoch=epoch (\w+)"]
RECORDS = [
    "loss=0.5", "acc=0.25", "loss=1 acc=2 loss=3", "epoch 1", "epoch 2", "epoch nan", "---", "--- epoch 3", "other",
    "loss=4 epoch 5 loss=6 epoch 7 acc=8", "epoch 4 loss=nan", "-----",
]  # fmt: skip


def scanner_of(place):
    scanner = Scanner(DEFINITIONS)
    return scanner.with_block(separators(True)) if place == "block" else scanner


def log(seed):
    chosen = random.Random(seed)
    weights = [chosen.random() for _ in RECORDS]
    return "\n".join(chosen.choices(RECORDS, weights, k=chosen.randrange(60))).encode() + b"\n"


def chunks(data, seed):
    chosen = random.Random(seed)
    while data:
        size = chosen.randrange(1, 200)
        yield data[:size]
        data = data[size:]


def known(value):
    return None if value is None or value != value else value


def rows_of(data, place, seed):
    stream = scanner_of(place).stream()
    steps = JobSteps("epoch", place)
    found = []
    for chunk in chunks(data, seed):
        stream.feed(chunk)
        found += steps.add(stream.take())
    stream.close()
    found += steps.add(stream.take())
    found += steps.end()
    return sorted(
        (row["start"], name, repr(row["value"]), known(step))
        for one in found
        for name, batch in one.found.items()
        for row, step in zip(batch.to_pylist(), one.steps[name].tolist(), strict=True)
        if name != "epoch"
    )


@pytest.mark.parametrize("place", ["before", "after", "block"])
@pytest.mark.parametrize("seed", range(60))
def test_steps_are_those_of_a_live_stream(place, seed):
    data = log(seed)
    stream = scanner_of(place).stream(step="epoch", step_place=place)
    stream.feed(data)
    rows = stream.rows()
    stream.close()
    rows += stream.rows()
    expected = sorted((row.start, row.metric, repr(row.value), row.step) for row in rows)
    assert rows_of(data, place, seed) == expected
    assert rows_of(data, place, seed + 1000) == expected


def test_rows_that_wait_for_ever_are_bounded(monkeypatch):
    monkeypatch.setattr("metricscan.live.job_steps._MOST_WAITING_ROWS", 10)
    scanner = scanner_of("after")
    stream, steps = scanner.stream(), JobSteps("epoch", "after")
    for _ in range(100):
        stream.feed(b"loss=1\nacc=2\n")
        assert steps.add(stream.take()) == []
    assert sum(batch.num_rows for one in steps.end() for batch in one.found.values()) == 10


# ---- jobs

TEXT = """
for i in 1 2 3; do
  echo loss=0.$((9 - i)); echo acc=0.$((i * 2)); echo "epoch $i done"; echo ------
done
echo loss=0.1
"""


@pytest.mark.parametrize(
    ("place", "steps"),
    [("before", [None, 1, 2, 3]), ("after", [1, 2, 3, None]), ("block", [1, 2, 3, None])],
)
def test_a_run_gives_rows_the_steps_of_their_places(tmp_path, place, steps):
    folder = tmp_path / "trial_1"
    with metricscan.run(["sh", "-c", TEXT], DEFINITIONS, step="epoch", step_place=place, out=folder) as job:
        rows = [row for row in job if row.metric == "loss"]
    assert [row.value for row in rows] == [0.8, 0.7, 0.6, 0.1]
    assert [row.step for row in rows] == steps
    assert job.latest["loss"] == rows[-1]
    # the separators are no values
    assert {*job.latest} == {"loss", "acc", "epoch"}
    assert job.rows == 10


@pytest.mark.parametrize("place", ["before", "after", "block"])
@pytest.mark.parametrize("scope", ["last", "min", "best@2"])
def test_a_ranking_of_runs_is_that_of_a_replay(tmp_path, place, scope):
    texts = {"a": TEXT, "b": TEXT.replace("0.1", "0.75"), "c": TEXT.replace("1 2 3", "3 1 2")}
    for name, text in texts.items():
        folder = tmp_path / "runs" / name
        metricscan.run(["sh", "-c", text], DEFINITIONS, block=place == "block", out=folder).wait(timeout=DEADLINE_S)
    objective = Objective("loss", "Minimize", scope, step="epoch", step_place=place)
    columns = ["rank", "job", "value", "line", "offset", "start", "step", "rows", "last_step"]
    of_runs = metricscan.rank(Dataset(tmp_path / "runs"), objective)
    replayed = metricscan.replay(tmp_path / "runs", Scanner(DEFINITIONS), objective=objective).ranking
    columns = [name for name in columns if name in replayed.schema.names]
    assert of_runs.select(columns).to_pylist() == replayed.select(columns).to_pylist()
    assert of_runs["value"].null_count == 0


@pytest.mark.parametrize("place", ["before", "block"])
def test_steps_go_on_where_a_reader_ended(tmp_path, place):
    folder, go = tmp_path / "trial_1", tmp_path / "go"
    text = f"echo epoch 7; echo loss=1; until test -e {go}; do sleep 0.02; done; echo loss=2; echo ----; echo loss=3"
    with metricscan.run(["sh", "-c", text], DEFINITIONS, step="epoch", step_place=place, out=folder) as job:
        while "loss" not in job.latest:
            job.poll()
    go.touch()
    with metricscan.attach(folder) as job:
        job.wait(timeout=DEADLINE_S)
        steps = {row.value: row.step for row in job.take()}
    assert steps == ({2.0: 7.0, 3.0: 7.0} if place == "before" else {2.0: 7.0, 3.0: None})


def test_blocks_of_some_jobs_alone_are_those_of_none(tmp_path):
    for name in "ab":
        job = metricscan.run(["sh", "-c", TEXT], DEFINITIONS, block=name == "a", out=tmp_path / "runs" / name)
        job.wait(timeout=DEADLINE_S)
    objective = Objective("loss", "Minimize", step="epoch", step_place="block")
    with pytest.raises(metricscan.OptionError, match="needs the separators of blocks"):
        metricscan.rank(Dataset(tmp_path / "runs"), objective)


def test_workers_of_a_run_are_those_of_a_replay(tmp_path):
    text = (
        "echo phase a; for i in 1 2; do echo epoch $i; echo loss=0.$i; done; echo phase b; echo epoch 1; echo loss=0.5"
    )
    folder = tmp_path / "runs" / "a"
    job = metricscan.run(["sh", "-c", text], DEFINITIONS, labels={"phase": r"phase (\w)"}, out=folder)
    job.wait(timeout=DEADLINE_S)
    replayed = metricscan.replay(tmp_path / "runs", Scanner(DEFINITIONS, labels={"phase": r"phase (\w)"}))
    of_run = metricscan.wide(Dataset(tmp_path / "runs"), "epoch", ["loss"], worker="phase", carry=True)
    assert of_run.to_pylist() == replayed.wide("epoch", ["loss"], worker="phase", carry=True).to_pylist()
    assert of_run.num_rows == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step_place": "odd"}, "step_place='odd'"),
        ({"step_place": "after"}, "step_place='after' needs step=NAME"),
        ({"block": ""}, "block='': a regex"),
        ({"block": 3}, "block=3: a regex"),
        ({"block": "("}, "missing )"),
        ({"block": True, "definitions": None}, "blocks need definitions"),
    ],
)
def test_options_of_steps_that_are_invalid(tmp_path, options, message):
    with pytest.raises((metricscan.OptionError, metricscan.DefinitionError)) as caught:
        metricscan.run(["true"], **{"definitions": DEFINITIONS, "out": tmp_path / "trial_1", **options})
    assert message in str(caught.value)
    assert not (tmp_path / "trial_1").exists()
