"""The step in force at each row, tables with a row a step, and curves; a naive oracle over random logs beside it."""

import math
from collections import defaultdict

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ranking_oracle
from support.folders import tree

import metricscan
from metricscan import OptionError, Scanner, replay, wide
from metricscan.definitions.blocks import BLOCK, STEP_PLACES
from metricscan.definitions.objective import RESTARTS

SCANNER = Scanner([r"epoch=epoch=(\d+)", r"loss=loss=(\S+)", r"acc=acc=(\S+)", r"rank=rank(\d+)\]"])


def read(folder, **logs):
    for name, text in logs.items():
        path = folder / "logs" / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return replay(folder / "logs", SCANNER, job="dir" if any("__" in name for name in logs) else "auto")


def rows_of(table):
    return [tuple(row.values()) for row in table.to_pylist()]


# ---- steps


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param("epoch=1 loss=3\nepoch=2 loss=2\n", [(1, 3), (2, 2)], id="in the same record"),
        pytest.param("loss=3 epoch=1\nloss=2 epoch=2\n", [(1, 3), (2, 2)], id="behind it in the same record"),
        pytest.param("epoch=1\nx\nloss=3\nepoch=2\nloss=2\n", [(1, 3), (2, 2)], id="in a record before"),
        pytest.param("loss=9\nepoch=1\nloss=3\n", [(None, 9), (1, 3)], id="none before the first"),
        pytest.param("epoch=1\nloss=3 epoch=2\n", [(2, 3)], id="its own record's before an earlier one"),
        pytest.param(
            "epoch=1 loss=5 epoch=2 loss=4 epoch=3 loss=3\n", [(1, 5), (2, 4), (3, 3)], id="several in a record"
        ),
        pytest.param(
            "loss=9 epoch=1 loss=5 epoch=2\n", [(1, 5)], id="before the first of several: the first; last wins"
        ),
        pytest.param("epoch=7\nloss=9 epoch=1 epoch=2\n", [(1, 9)], id="before several, the first of them"),
        pytest.param("epoch=1 loss=5\repoch=2 loss=4\r\nloss=3\n", [(1, 5), (2, 3)], id="a progress bar"),
        pytest.param("epoch=1 loss=1\nepoch=2 loss=2\nepoch=1 loss=3\n", [(1, 3), (2, 2)], id="back: the last wins"),
        pytest.param("loss=1\n", [(None, 1)], id="no steps"),
        pytest.param("epoch=1\n", [], id="no rows"),
    ],
)
def test_the_step_in_force(tmp_path, log, expected):
    table = read(tmp_path, **{"a.log": log}).wide("epoch", ["loss"])
    assert table.column_names == ["job", "step", "loss"]
    assert rows_of(table.select(["step", "loss"])) == expected


def test_each_stream_has_its_own_step(tmp_path):
    found = read(tmp_path, a__x="epoch=5\nloss=1\n", a__y="loss=2\nepoch=6\nloss=3\n")
    assert rows_of(found.wide("epoch", ["loss"])) == [("a", None, 2.0), ("a", 5.0, 1.0), ("a", 6.0, 3.0)]


@pytest.mark.parametrize(
    ("per_step", "expected"),
    [
        ("last", [(1, 5.0, None), (2, 2.0, 0.5)]),
        ("first", [(1, 3.0, None), (2, 2.0, 0.5)]),
        ("mean", [(1, 4.0, None), (2, 2.0, 0.5)]),
        ("all", [(1, 1, 3.0, None), (1, 2, 4.0, None), (1, 3, 5.0, None), (2, 1, 2.0, 0.5)]),
    ],
)
def test_duplicates(tmp_path, per_step, expected):
    found = read(tmp_path, **{"a.log": "epoch=1 loss=3 loss=4\nepoch=2 loss=2 acc=0.5\nepoch=1 loss=5\n"})
    table = found.wide("epoch", ["loss", "acc"], per_step=per_step)
    former = found.wide("epoch", ["loss", "acc"], duplicates=per_step)
    assert table.equals(former)
    assert table.column_names == ["job", "step", *(["repeat"] if per_step == "all" else []), "loss", "acc"]
    assert rows_of(table.drop_columns(["job"])) == expected


def test_a_mean_that_holds_nan_is_nan(tmp_path):
    found = read(tmp_path, **{"a.log": "epoch=1 loss=3 loss=nan\nepoch=2 loss=inf loss=1\nepoch=3 loss=2 loss=1\n"})
    values = found.wide("epoch", ["loss"], per_step="mean")["loss"].to_pylist()
    assert math.isnan(values[0])
    assert values[1:] == [math.inf, 1.5]


def test_one_metric_may_stand_by_itself(tmp_path):
    (tmp_path / "a.log").write_text("loss=1\n")
    found = replay(tmp_path, Scanner(["loss=loss=(.)", "acc=acc=(.)"]))
    assert wide(found, None, "loss").equals(wide(found, None, ["loss"]))
    for what in (None, found["loss"]):
        with pytest.raises(TypeError, match="a mapping of tables, or the path of a dataset was expected, not"):
            wide(what, None)


def test_all_metrics_by_default_and_jobs_in_natural_order(tmp_path):
    found = read(tmp_path, **{"t_10.log": "epoch=1 loss=3 acc=1\n", "t_2.log": "epoch=2 acc=2\n", "t_3.log": "x\n"})
    table = found.wide("epoch")
    assert table.column_names == ["job", "step", "loss", "acc", "rank"]
    assert rows_of(table) == [("t_2", 2.0, None, 2.0, None), ("t_10", 1.0, 3.0, 1.0, None)]
    assert table.schema.types == [pa.string()] + [pa.float64()] * 4


def test_a_restart_is_counted_in_the_ranking(tmp_path):
    found = read(tmp_path, **{"a.log": "epoch=1 loss=1\nepoch=2 loss=2\nepoch=1 loss=3\nepoch=2\nepoch=2\nepoch=0\n"})
    table = found.rank(metricscan.Objective("loss", "Minimize", step="epoch"))
    assert table.select(["step", "steps_back"]).to_pylist() == [{"step": 1.0, "steps_back": 2}]
    assert found.rank(metricscan.Objective("loss", "Minimize"))["steps_back"].to_pylist() == [None]


# ---- workers


def test_workers_by_a_label_in_the_record(tmp_path):
    """Two workers write into one stream; each has its own step."""
    log = (
        "[rank0]: epoch=1\n[rank1]: epoch=1\n[rank0]: loss=1\n[rank0]: epoch=2\n[rank1]: loss=2\n"
        "[rank0]: loss=3\n[rank1]: epoch=2 loss=4\nloss=5\n"
    )
    found = read(tmp_path, **{"a.log": log})
    table = found.wide("epoch", ["loss"], worker="rank")
    assert table.column_names == ["job", "rank", "step", "loss"]
    assert [row[1:] for row in rows_of(table)] == [
        (None, None, 5.0),
        (0.0, 1.0, 1.0),
        (0.0, 2.0, 3.0),
        (1.0, 1.0, 2.0),
        (1.0, 2.0, 4.0),
    ]
    # as one job the step of the stream counts, whichever worker wrote it
    assert rows_of(found.wide("epoch", ["loss"])) == [("a", 1.0, 1.0), ("a", 2.0, 5.0)]


def test_workers_by_stream(tmp_path):
    found = read(tmp_path, a__w_10="epoch=1 loss=1\n", a__w_2="epoch=1 loss=3\n")
    assert rows_of(found.wide("epoch", ["loss"], worker="stream")) == [("a", "w_2", 1.0, 3.0), ("a", "w_10", 1.0, 1.0)]
    # as one job: the last in natural order of the streams
    assert rows_of(found.wide("epoch", ["loss"])) == [("a", 1.0, 1.0)]
    assert rows_of(found.wide("epoch", ["loss"], per_step="mean")) == [("a", 1.0, 2.0)]
    assert rows_of(found.wide("epoch", ["loss"], per_step="first")) == [("a", 1.0, 3.0)]


def test_workers_by_stream_and_label(tmp_path):
    found = read(tmp_path, a__x="rank0] epoch=1 loss=1\nrank1] epoch=1 loss=2\n", a__y="rank0] epoch=1 loss=3\n")
    table = found.wide("epoch", ["loss"], worker=["stream", "rank"])
    assert rows_of(table) == [("a", "x", 0.0, 1.0, 1.0), ("a", "x", 1.0, 1.0, 2.0), ("a", "y", 0.0, 1.0, 3.0)]


GLUED = Scanner([r"ce=ce ([\d.]+)", r"it=it (\d+)"], labels={"worker": r"\[(w\d+)\]", "net": r"net=(\w)"})


def test_lines_of_two_workers_that_were_glued(tmp_path):
    """The last match of a label before the value decides."""
    (tmp_path / "a.log").write_text("[w1] it 2 ce 0.5[w3] it 2 ce 0.25\n[w3] it 3 ce 0.125[w1] it 3 ce 0.75\n")
    table = replay(tmp_path, GLUED).curve("ce", "it", worker="worker")
    assert [row[1:] for row in rows_of(table)] == [
        ("w1", 2.0, 0.5),
        ("w1", 3.0, 0.75),
        ("w3", 2.0, 0.25),
        ("w3", 3.0, 0.125),
    ]


def test_a_label_behind_the_value_is_not_that_of_the_next_value(tmp_path):
    (tmp_path / "a.log").write_text("ce 1 [w1]\nce 2 [w2] ce 3\n")
    table = replay(tmp_path, GLUED).curve("ce", worker="worker")
    assert rows_of(table) == [("a", None, 1.0, 2.0), ("a", "w1", 1.0, 1.0), ("a", "w2", 1.0, 3.0)]


def test_a_label_that_is_carried(tmp_path):
    """It holds until it changes, in its stream; steps are those of the stream."""
    (tmp_path / "logs" / "j").mkdir(parents=True)
    text = "ce 9\nit 1\nnet=G\nce 1\nce 2\nnet=D\nce 3\nit 2\nce 4\nnet=G ce 5\n"
    (tmp_path / "logs" / "j" / "x.log").write_text(text)
    (tmp_path / "logs" / "j" / "y.log").write_text("it 1\nce 7\n")
    found = replay(tmp_path / "logs", GLUED, job="dir", out=tmp_path / "out")
    expected = [
        (None, None, 9.0),
        (None, 1.0, 7.0),
        ("D", 1.0, 3.0),
        ("D", 2.0, 4.0),
        ("G", 1.0, 1.0),
        ("G", 1.0, 2.0),
        ("G", 2.0, 5.0),
    ]
    for tables in (found, tmp_path / "out"):
        for carry in (True, "net", ["net"]):
            table = wide(tables, "it", ["ce"], worker="net", carry=carry, per_step="all")
            assert [row[1:] for row in rows_of(table.drop_columns(["repeat"]))] == expected


def test_a_worker_that_shares_no_record(tmp_path):
    (tmp_path / "a.log").write_text("net=G\nce 1\nit 4 net=G\n")
    found = replay(tmp_path, GLUED)
    with pytest.raises(OptionError) as caught:
        found.wide("it", ["ce"], worker=["net", "worker"])
    assert "the worker 'net' shares no record with the metric 'ce' in any log" in str(caught.value)
    assert "the worker 'worker' shares no record with the metric 'ce' in any log" in str(caught.value)
    assert "carry='net' (--carry net)" in str(caught.value)
    # of all metrics, one is enough
    assert rows_of(found.wide(None, worker="net")) == [("a", None, 1.0, 1.0, None), ("a", "G", 1.0, None, 4.0)]
    with pytest.raises(OptionError, match="carry='worker': a label or metric among the workers was expected"):
        found.wide("it", ["ce"], worker="net", carry="worker")


# ---- curves, and where the tables come from


def test_curves(tmp_path):
    found = read(tmp_path, **{"b.log": "loss=3\nloss=2\n", "a.log": "epoch=4 loss=1\nepoch=4 loss=nan\n"})
    assert found.curve("loss").to_pylist()[2:] == [
        {"job": "b", "step": 1.0, "value": 3.0},
        {"job": "b", "step": 2.0, "value": 2.0},
    ]
    table = found.curve("loss", "epoch", per_step="all")
    assert table.column_names == ["job", "step", "repeat", "value"]
    assert [row[:3] for row in rows_of(table)] == [("a", 4.0, 1), ("a", 4.0, 2), ("b", None, 1), ("b", None, 2)]
    assert rows_of(found.curve("epoch")) == [("a", 1.0, 4.0), ("a", 2.0, 4.0)]


def test_a_dataset_gives_the_same(tmp_path):
    read(tmp_path, **{"b.log": "epoch=1 loss=3\nloss=2\n", "a.log": "epoch=4 loss=1 acc=3\n"})
    found = replay(tmp_path / "logs", SCANNER, out=tmp_path / "out")
    assert wide(tmp_path / "out", "epoch").equals(found.wide("epoch"))
    assert metricscan.curve(metricscan.Dataset(tmp_path / "out"), "loss", "epoch").equals(found.curve("loss", "epoch"))


events = st.tuples(st.sampled_from(["loss", "acc", "epoch", "rank", "block"]), st.integers(0, 3).map(float))
logs = st.dictionaries(
    st.tuples(st.sampled_from(["a", "t_2", "t_10"]), st.sampled_from(["s_2", "s_10"]), st.sampled_from([0, 0, 1])),
    st.lists(st.lists(events, max_size=4), max_size=5),
    max_size=4,
)
workers = st.sampled_from([(), ("stream",), ("rank",), ("stream", "rank")])


@given(
    logs,
    workers,
    st.booleans(),
    st.sampled_from(["last", "first", "all"]),
    st.booleans(),
    st.sampled_from(STEP_PLACES),
    st.sampled_from(RESTARTS),
)
def test_an_oracle_gives_the_same(logs, workers, carried, per_step, stepped, step_place, restarts):
    restarts = restarts if stepped else "keep"
    carry = ["rank"] if carried and "rank" in workers else []
    rows = {name: defaultdict(list) for name in ("loss", "acc", "epoch", "rank", "block")}
    columns = {name: [] for name in rows}
    for (job, stream, part), log in logs.items():
        for line, record in enumerate(log, 1):
            for place, (name, value) in enumerate(record):
                row = ranking_oracle.Row(stream, value, line, 100 * line, 100 * line + place, part=part)
                rows[name][job].append(row)
                columns[name].append({"job": job, **row._asdict()})
    schema = pa.schema(
        [("job", pa.string()), ("stream", pa.string()), ("value", pa.float64())]
        + [(name, pa.int64()) for name in ("line", "offset", "start")]
        + [("time", pa.timestamp("us", "UTC")), ("part", pa.int32())]
    )
    tables = {name: pa.Table.from_pylist(some, schema=schema) for name, some in columns.items()}
    tables[BLOCK] = tables.pop("block")

    def labelled(job, row, name, columns=workers):
        """What distinguishes the row's worker."""
        labels, some = ([one for one in rows[key][job] if one.stream == row.stream] for key in ("rank", name))
        label = ranking_oracle.label_in_force(row, labels, some, carried=bool(carry))
        return tuple({"stream": row.stream, "rank": label}[worker] for worker in columns)

    expected, joined = defaultdict(dict), {}
    apart_by = [worker for worker in workers if worker not in carry]
    apart = []
    for job in {job for some in rows.values() for job in some}:
        of_worker = defaultdict(lambda: defaultdict(list))
        for name in ("loss", "acc", "epoch"):
            for row in rows[name][job]:
                of_worker[row.stream, labelled(job, row, name, apart_by)][name].append(row)
        for (stream, own), found in of_worker.items():
            steps = found.pop("epoch", [])
            separators = [one for one in rows["block"][job] if one.stream == stream]
            found = {name: found[name] for name in ("loss", "acc")}
            after = ranking_oracle.joined(found, steps, found, restarts, step_place, separators)
            for name, some in found.items():
                joined |= {(job, name, row, own): other for row, other in zip(some, after[name], strict=True)}
    for name in ("loss", "acc"):
        found = [labelled(job, row, name) for job, some in rows[name].items() for row in some]
        if "rank" in apart_by and found and all(label[-1] is None for label in found):
            apart.append(name)
        for job, some in rows[name].items():
            seen = defaultdict(int)
            for row in ranking_oracle.in_order(some):
                label = labelled(job, row, name)
                own = labelled(job, row, name, apart_by)
                of_step = joined[job, name, row, own]
                if of_step.run < 0:
                    continue
                seen[label] += 1
                step = of_step.step if stepped else float(seen[label])
                key = (job, label, of_step.run, step)
                values = expected[key].setdefault(name, [])
                values.append(row.value)
    flat = {}
    for (job, label, run, step), found in expected.items():
        for name, values in found.items():
            kept = {"last": values[-1:], "first": values[:1], "all": values}[per_step]
            for number, value in enumerate(kept, 1):
                flat.setdefault((job, label, run, step, number), {})[name] = value

    def order(key):
        job, label, run, step, number = key
        pieces = [ranking_oracle.natural(one) if isinstance(one, str) else -1 if one is None else one for one in label]
        return ranking_oracle.natural(job), pieces, run, -1 if step is None else step, number

    def result():
        how = {
            "worker": workers,
            "carry": carry,
            "step_place": step_place if stepped else "before",
            "per_step": per_step,
            "restarts": restarts,
        }
        return wide(tables, "epoch" if stepped else None, ["loss", "acc"], **how)

    if apart:
        with pytest.raises(
            OptionError, match=f"'rank' shares no record with the metric {', '.join(map(repr, apart))} in"
        ):
            result()
        return
    assert rows_of(result()) == [
        (
            job,
            *label,
            *([run] if restarts == "split" else []),
            step,
            *([number] if per_step == "all" else []),
            *(flat[job, label, run, step, number].get(name) for name in ("loss", "acc")),
        )
        for job, label, run, step, number in sorted(flat, key=order)
    ]


@pytest.mark.parametrize("run_start", [None, "^start$"])
def test_runs_in_one_log(tmp_path, run_start):
    text = "start\nepoch=1 loss=1\nepoch=2 loss=2\nepoch=3 loss=3\nstart\nepoch=2 loss=4\nepoch=3 loss=5\n"
    tree(tmp_path, {"logs/a.log": text})
    found = replay(tmp_path / "logs", SCANNER, out=tmp_path / "out", run_start=run_start)
    for tables in (found, tmp_path / "out"):
        table = wide(tables, "epoch", ["loss"], restarts="purge", per_step="all")
        assert rows_of(table) == [("a", 1.0, 1, 1.0), ("a", 2.0, 1, 4.0), ("a", 3.0, 1, 5.0)]
        table = metricscan.curve(tables, "loss", "epoch", restarts="split")
        assert table.column_names == ["job", "run", "step", "value"]
        assert [row[1:] for row in rows_of(table)] == [(0, 1, 1), (0, 2, 2), (0, 3, 3), (1, 2, 4), (1, 3, 5)]


def test_the_workers_of_one_log_are_restarted_each_on_its_own(tmp_path):
    lines = [(0, 1, 1), (1, 1, 2), (0, 2, 3), (1, 2, 4), (0, 1, 5), (0, 2, 6), (1, 3, 7)]
    found = read(
        tmp_path, **{"a.log": "".join(f"[rank{rank}] epoch={step} loss={loss}\n" for rank, step, loss in lines)}
    )
    table = found.curve("loss", "epoch", worker="rank", restarts="split")
    expected = [(0, 0, 1, 1), (0, 0, 2, 3), (0, 1, 1, 5), (0, 1, 2, 6), (1, 0, 1, 2), (1, 0, 2, 4), (1, 0, 3, 7)]
    assert [row[1:] for row in rows_of(table)] == expected


# ---- faults


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("epochs",),
            "the step metric 'epochs' is not among the metrics: 'epoch', 'loss', 'acc', 'rank'\nhint: did you",
        ),
        (("epoch", ["los"]), "the metric 'los' is not among the metrics"),
        (("epoch", ["loss", "loss"]), "'loss' is given twice"),
        ((None, ["loss"], {"step_place": "after"}), "step_place='after' needs a step"),
        ((None, ["loss"], {"restarts": "purge"}), "restarts='purge' needs a step"),
        (("epoch", ["loss"], {"restarts": "drop"}), "restarts='drop': one of keep, purge, split was expected"),
    ],
)
def test_wrong_metrics(tmp_path, arguments, message):
    with pytest.raises(OptionError) as caught:
        read(tmp_path, **{"a.log": "loss=1\n"}).wide(*arguments[:2], **(arguments[2] if arguments[2:] else {}))
    assert message in str(caught.value)


def test_all_errors_together(tmp_path):
    with pytest.raises(OptionError) as caught:
        read(tmp_path, **{"a.log": "loss=1\n"}).wide("x", ["y"], worker="z", duplicates="max")
    with pytest.raises(OptionError, match="duplicates='all' and per_step='mean': one of the two names was expected"):
        read(tmp_path, **{"a.log": "loss=1\n"}).curve("loss", per_step="mean", duplicates="all")
    for name in ("'x'", "'y'", "'z'", "duplicates='max': one of last, first, mean, all was expected"):
        assert name in str(caught.value)


def test_a_metric_with_the_name_of_another_column():
    scanner = Scanner([r"step=step=(\d+)", r"loss=loss=(\d+)"])
    found = metricscan.wide(_tables(scanner, "step=1 loss=2\n"), None, ["step"])
    assert found.num_rows == 1
    with pytest.raises(OptionError, match="the metric 'step' has the name of another column"):
        wide(_tables(scanner, "step=1 loss=2\n"), None)
    assert wide(_tables(scanner, "step=1 loss=2\n"), "step").to_pylist() == [{"job": "j", "step": 1.0, "loss": 2.0}]


def _tables(scanner, log):
    found = scanner.scan(log.encode())
    same = {"job": "j", "stream": "s"}
    return {
        name: pa.table(
            {key: [value] * found[name].num_rows for key, value in same.items()}
            | dict(zip(found[name].column_names, found[name].columns, strict=True))
        )
        for name in scanner.metrics
    }
