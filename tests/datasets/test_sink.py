"""Datasets: what was found comes back from disk to the bit, and a dataset is there whole or not at all."""

import csv
import json
import math
import os
import signal
import subprocess
import sys

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from support.feeding import bits
from support.objectives import MINIMIZE_LOSS

import metricscan
from metricscan import MetricDefinition, Objective, OptionError, Scanner, SourceError, replay
from metricscan.datasets import formats, schema, sink
from metricscan.datasets.folder_names import folder_name
from metricscan.datasets.formats import FORMATS, json_number
from metricscan.datasets.sink import Sink

each_format = pytest.mark.parametrize("kind", FORMATS)
SCANNER = Scanner([r"loss=loss=(\S+)", r"never=never=(\S+)"])
MIN = Objective("loss", "Minimize")
VALUES = "nan -nan inf -inf -0.0 0.0 1e-320 4.9e-324 0.1 1e308 -1.5 123456789012345678 9007199254740993 1e22 .5 5."
NAMES = [
    *("loss", "Loss ", "validation:auc", "a/b", "..", ".", ".x", "_x", "~x", "x~", "50%", "%41", "A", "a=b", "a b"),
    *('say "x", y', "a\nb", "a\tb", "a\\b", "it/s", "*?", "é", "损失", "\u2028", "\0", "~", "__", "-", "C:", "#1", "&"),
    *("m" * 255, "/" * 255, "损" * 255, "m" * 254 + "n"),
]


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    for name, text in {
        "trial_10": "".join(f"loss={value}\n" for value in VALUES.split()),
        "trial_2": "loss=1.5\nloss=0.25 loss=x\n",
        'a, "b"\nc': "loss=3\n",
        "trial_3": "nothing\n",
    }.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "stdout").write_text(text)
    (folder / "trial_2" / "params.json").write_text('{"lr": 3e-4, "a, \\"b\\"": [1, 2], "é": ""}')
    return folder


# ---- reading back

COLUMNS = schema.SCHEMA.names


def number(text):
    """A value as JSON lines have it."""
    return float(text.replace("Infinity", "inf")) if isinstance(text, str) else float(text)


def arrow_rows(table):
    return [tuple(row.values()) for row in table.to_pylist()]


def rows_in(path, kind):
    """The rows of a file, as tuples, by a reader that is not ours."""
    if kind == "parquet":
        return arrow_rows(pq.read_table(path))
    if kind == "arrow":
        with pa.ipc.open_file(path) as reader:
            return arrow_rows(reader.read_all())
    if kind == "csv":
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.reader(file)
            assert next(reader) == COLUMNS
            return [
                (*row[:2], int(row[2]), row[3], float(row[4]), *map(int, row[5:8]), row[8] or None) for row in reader
            ]
    with open(path, encoding="utf-8", newline="\n") as file:
        objects = [json.loads(line) for line in file]
    assert all(list(one) == COLUMNS for one in objects)
    return [(*row[:4], number(row[4]), *row[5:]) for row in (list(one.values()) for one in objects)]


def to_the_bit(rows, kind):
    """Rows that compare to the bit; text knows only one NaN."""
    spelled = bits if kind in ("parquet", "arrow") else lambda value: "nan" if math.isnan(value) else bits(value)
    return [(*row[:4], spelled(row[4]), *row[5:]) for row in rows]


def rows_of(folder, metric, kind):
    (file,) = (folder / folder_name(metric)).iterdir()
    assert file.name == f"part-0.{kind}"
    return to_the_bit(rows_in(file, kind), kind)


def expected_rows(result, metric, kind):
    rows = [
        (row.pop("job"), row.pop("stream"), row.pop("part"), metric, *row.values())
        for row in (dict(one) for one in result[metric].to_pylist())
    ]
    return to_the_bit(rows, kind)


@each_format
def test_rows_come_back_to_the_bit(logs, tmp_path, kind):
    result = replay(logs, SCANNER, out=tmp_path / "out", format=kind)
    rows = rows_of(tmp_path / "out", "loss", kind)
    assert len(rows) == 19
    assert rows == expected_rows(result, "loss", kind)


@each_format
def test_rows_come_back_from_many_writes(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(formats, "GROUP_ROWS", 7)
    monkeypatch.setattr(sink, "_HELD_ROWS", 10)
    for job in range(12):
        (tmp_path / f"{job}.log").write_text("".join(f"loss={job}.{line}\nacc={line}\n" for line in range(job)))
    result = replay(tmp_path, Scanner(["loss=loss=(.*)", "acc=acc=(.*)"]), out=tmp_path / "out", format=kind)
    for metric in ("loss", "acc"):
        assert len(expected_rows(result, metric, kind)) == 66
        assert rows_of(tmp_path / "out", metric, kind) == expected_rows(result, metric, kind)


@each_format
def test_any_name_of_a_metric_is_a_folder(tmp_path, kind):
    (tmp_path / "a.log").write_text("".join(f"{number}=0.5\n" for number in range(len(NAMES))))
    scanner = Scanner([MetricDefinition(name, rf"^{number}=(.*)") for number, name in enumerate(NAMES)])
    result = replay(tmp_path / "a.log", scanner, out=tmp_path / "out", format=kind)
    for name in NAMES:
        rows = rows_of(tmp_path / "out", name, kind)
        assert len(rows) == 1
        assert rows == expected_rows(result, name, kind)
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert manifest["metrics"] == {name: folder_name(name) for name in NAMES}
    assert len(list((tmp_path / "out").iterdir())) == len(NAMES) + 1


@each_format
def test_a_metric_without_rows_has_a_file(logs, tmp_path, kind):
    replay(logs, SCANNER, out=tmp_path / "out", format=kind)
    assert rows_of(tmp_path / "out", "never", kind) == []


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_columns_have_their_types(logs, tmp_path, kind):
    replay(logs, SCANNER, out=tmp_path / "out", format=kind)
    for metric in SCANNER.metrics:
        assert ds.dataset(tmp_path / "out" / metric, format=kind).schema.equals(schema.SCHEMA)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv"])
def test_the_folder_is_a_dataset_of_all_rows(tmp_path, kind):
    (tmp_path / "a.log").write_text("".join(f"{number}=0.5\n" for number in range(len(NAMES))))
    names = [name for name in NAMES if "\n" not in name]
    scanner = Scanner([MetricDefinition(name, rf"^{number}=(.*)") for number, name in enumerate(names)])
    replay(tmp_path / "a.log", scanner, objective=Objective("loss", "Minimize"), out=tmp_path / "out", format=kind)
    table = ds.dataset(tmp_path / "out", format=kind, schema=schema.SCHEMA if kind != "csv" else None).to_table()
    assert sorted(table["metric"].to_pylist()) == sorted(names)
    assert table["value"].to_pylist() == [0.5] * len(names)


@each_format
def test_the_ranking_comes_back(logs, tmp_path, kind):
    result = replay(logs, SCANNER, objective=MIN, out=tmp_path / "out", format=kind)
    path = tmp_path / "out" / f"_ranking.{kind}"
    rows = result.ranking.to_pylist()
    assert len(rows) == 4
    if kind in ("parquet", "arrow"):
        table = ds.dataset(path, format=kind).to_table()
        assert table.schema.equals(result.ranking.schema)
        assert repr(table.to_pylist()) == repr(rows)
        return
    if kind == "csv":
        with open(path, encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
        found = [{key: text if text != "" else None for key, text in row.items()} for row in found]
        for row in found:
            row["hyperparameters"], row["doubts"] = json.loads(row["hyperparameters"]), json.loads(row["doubts"])
            for key in ("rank", "rows", "part", "line", "offset", "streams", "not_finite", "tied"):
                row[key] = None if row[key] is None else int(row[key])
    else:
        found = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["hyperparameters"] = dict(row["hyperparameters"])
    for row in found:
        row["value"] = None if row["value"] is None else number(row["value"])
    assert repr(found) == repr(rows)


def test_without_an_objective_there_is_no_ranking(logs, tmp_path):
    replay(logs, SCANNER, out=tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["_manifest.json", "loss", "never"]


@pytest.mark.parametrize("value", [0.1, -0.0, 1e-320, 1e308, 5.0, math.nan, math.inf, -math.inf])
def test_a_number_in_json(value):
    assert repr(number(json.loads(json_number(value)))) == repr(value)
    json.loads(json_number(value), parse_constant=pytest.fail)
    assert json_number(None) == "null"


# ---- where a dataset may stand


def content(folder):
    """Everything under a folder, hidden files too."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_foreign_folder_is_never_removed(logs, tmp_path, overwrite):
    out = tmp_path / "out"
    (out / "thesis").mkdir(parents=True)
    (out / "thesis" / "chapter.tex").write_text("years of work")
    before = content(tmp_path)
    with pytest.raises(OptionError, match="is not empty"):
        replay(logs, SCANNER, out=out, overwrite=overwrite)
    assert content(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "out"]


def test_a_file_is_no_place_for_a_dataset(logs, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(OptionError, match="is a file; a folder was expected"):
        replay(logs, SCANNER, out=tmp_path / "out", overwrite=True)
    with pytest.raises(SourceError, match="cannot write"):
        replay(logs, SCANNER, out=tmp_path / "out" / "deeper", overwrite=True)
    assert (tmp_path / "out").read_text() == "mine"


def test_a_dataset_is_replaced_only_when_asked(logs, tmp_path):
    out = tmp_path / "out"
    replay(logs, SCANNER, objective=MIN, out=out)
    before = content(out)
    with pytest.raises(OptionError, match=r"holds a dataset\nhint: use --overwrite \(overwrite=True\) to replace it"):
        replay(logs / "trial_2", SCANNER, out=out)
    assert content(out) == before
    replay(logs / "trial_2", Scanner(["other=loss=(.*)"]), out=out, format="csv", overwrite=True)
    assert sorted(content(out)) == ["_manifest.json", "other/part-0.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "out"]


def test_no_hint_leads_to_what_is_refused(logs, tmp_path):
    # nothing but a dataset is ever replaced
    for overwrite in (False, True):
        with pytest.raises(OptionError, match=r"and not a dataset: .*; it is not overwritten") as caught:
            replay(logs, SCANNER, out=logs, overwrite=overwrite)
        assert caught.value.hint is None


def test_an_empty_folder_or_none_at_all_will_do(logs, tmp_path):
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "empty", tmp_path / "x" / "y" / "z"):
        replay(logs, SCANNER, out=str(out))
        assert (out / "_manifest.json").is_file()
    assert list((tmp_path / "x" / "y").iterdir()) == [tmp_path / "x" / "y" / "z"]


def test_a_path_may_be_relative_and_end_with_a_slash(logs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    replay(logs, SCANNER, out="out/")
    assert (tmp_path / "out" / "_manifest.json").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "out"]


def test_overwriting_behind_a_link_leaves_nothing_beside(logs, tmp_path):
    replay(logs, SCANNER, out=tmp_path / "old")
    (tmp_path / "out").symlink_to(tmp_path / "old")
    replay(logs / "trial_2", SCANNER, out=tmp_path / "out", overwrite=True)
    assert len(rows_of(tmp_path / "out", "loss", "parquet")) == 2
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_folder_that_was_filled_meanwhile_is_not_removed(logs, tmp_path):
    out = tmp_path / "out"

    def meanwhile(progress):
        out.mkdir(exist_ok=True)
        (out / "mine").write_text("mine")

    with pytest.raises(OptionError, match="is not empty"):
        replay(logs, SCANNER, out=out, overwrite=True, progress=meanwhile)
    assert content(out) == {"mine": b"mine"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "out"]


def test_another_format_is_an_error(logs, tmp_path):
    with pytest.raises(OptionError, match="format='xlsx': one of parquet, arrow, csv, jsonl was expected"):
        replay(logs, SCANNER, out=tmp_path / "out", format="xlsx")
    assert not (tmp_path / "out").exists()


# ---- whole or not at all


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError, SystemExit])
@pytest.mark.parametrize("there", [False, True])
@each_format
def test_an_error_in_the_middle_leaves_what_was_there(logs, tmp_path, monkeypatch, kind, there, error):
    monkeypatch.setattr(formats, "GROUP_ROWS", 1)  # so that files are open when it happens
    out = tmp_path / "out"
    if there:
        replay(logs, SCANNER, out=out, format=kind)
    before = content(tmp_path)

    def stop(progress):
        if progress.logs > 2:
            raise error

    with pytest.raises(error):
        replay(logs, SCANNER, out=out, format=kind, overwrite=True, progress=stop, threads=1)
    assert content(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "out"][: 1 + there]


def test_an_unreadable_log_with_on_error_raise_leaves_nothing(logs, tmp_path):
    (logs / "x.log.gz").write_bytes(b"\x1f\x8b\x08 broken")
    with pytest.raises(SourceError, match="gzip"):
        replay(logs, SCANNER, out=tmp_path / "out", on_error="raise")
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_a_sink_that_is_not_finished_leaves_nothing(tmp_path):
    with Sink(tmp_path / "out", ["loss"]) as target:
        assert [path.name.startswith(".out.") for path in tmp_path.iterdir()] == [True]
        target.write("loss", pa.RecordBatch.from_pylist([], schema=schema.SCHEMA))
    assert list(tmp_path.iterdir()) == []


LIMITED = """
import resource, sys
import metricscan, pyarrow, pyarrow.parquet
from metricscan import Scanner, SourceError, replay
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]), resource.RLIM_INFINITY))
try:
    replay(sys.argv[1], Scanner(["loss=loss=(.*)"]), out=sys.argv[2], format=sys.argv[3], overwrite=True)
except SourceError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "limit"), [(40, 1_000), (40_000, 20_000)])
@each_format
def test_a_full_disk_leaves_what_was_there(logs, tmp_path, kind, rows, limit):
    out = tmp_path / "out"
    replay(logs, SCANNER, out=out, format=kind)
    numbers = [(number * 7919 % 100_003) / 7 for number in range(rows)]
    (logs / "large.log").write_text("".join(f"loss={value}\n" for value in numbers))
    before = content(tmp_path)
    arguments = [sys.executable, "-c", LIMITED, logs, out, kind, str(limit)]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert content(tmp_path) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs", "out"]
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"cannot write {out}: ")
    assert "File too large" in ran.stdout


KILLED = """
import sys
from metricscan import Scanner, replay
from metricscan.datasets import formats
formats.GROUP_ROWS = 1
def wait(progress):
    if progress.logs == 3:
        print("half", flush=True)
        sys.stdin.read()
replay(sys.argv[1], Scanner(["loss=loss=(.*)"]), out=sys.argv[2], overwrite=True, progress=wait, threads=1)
"""


@pytest.mark.slow
@pytest.mark.parametrize("there", [False, True])
def test_a_process_that_is_killed_leaves_what_was_there(logs, tmp_path, there):
    out = tmp_path / "out"
    if there:
        replay(logs, SCANNER, out=out)
    before = content(out)
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, logs, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"half\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert out.exists() == there
    assert content(out) == before
    # what it left does not stand in the way
    replay(logs, SCANNER, out=out, overwrite=True)
    assert (out / "_manifest.json").is_file()


# ---- the manifest


def test_the_manifest_says_where_everything_comes_from(logs, tmp_path):
    (logs / "x.log.gz").write_bytes(b"\x1f\x8b\x08 broken")
    (tmp_path / "jobs.csv").write_text("job,status\ntrial_2,failed\n")
    options = {"objective": MIN, "jobs": tmp_path / "jobs.csv", "out": tmp_path / "out", "format": "jsonl"}
    result = replay(logs, SCANNER, **options)
    text = (tmp_path / "out" / "_manifest.json").read_text()
    assert text.isascii()
    manifest = json.loads(text, parse_constant=pytest.fail)
    (error,) = result.errors
    stdout = {name: str(logs / name / "stdout") for name in ("trial_2", "trial_3", "trial_10", 'a, "b"\nc')}
    sources = manifest.pop("sources")
    none = dict.fromkeys(
        ["failed", "timeouts", "over_budget", "near_misses", "cut_values", "unterminated", "cut_lines"], 0
    )
    assert manifest == {
        "format_version": 1,
        "format": "jsonl",
        "metrics": {"loss": "loss", "never": "never"},
        "metricscan": metricscan.__version__,
        "definitions": [{"Name": "loss", "Regex": r"loss=(\S+)"}, {"Name": "never", "Regex": r"never=(\S+)"}],
        "labels": {},
        "options": {"newline": "universal", "matches": "all", "escape": "none", "ansi": "keep"},
        "input_format": "auto",
        "fingerprint": SCANNER.fingerprint,
        "objective": MINIMIZE_LOSS,
        "completed_only": False,
        "min_step": None,
        "exclude_doubts": [],
        "units": {},
        "jobs": [
            {"job": 'a, "b"\nc', "status": None, "hyperparameters": {}},
            {
                "job": "trial_2",
                "status": "Failed",
                "hyperparameters": {"lr": "3e-4", 'a, "b"': "[1, 2]", "é": ""},
            },
            {"job": "trial_3", "status": None, "hyperparameters": {}},
            {"job": "trial_10", "status": None, "hyperparameters": {}},
            {"job": "x", "status": None, "hyperparameters": {}},
        ],
        "counts": {
            "loss": {"rows": 19, "unparsed": 1, **none, "units": []},
            "never": {"rows": 0, "unparsed": 0, **none, "units": []},
        },
        "cut_off": 0,
        "errors": [{"path": str(logs / "x.log.gz"), "offset": 0, "message": str(error)}],
        "notices": [],
    }
    assert sources == [
        *(
            {
                "path": stdout[job],
                "job": job,
                "stream": "stdout",
                "part": 0,
                "bytes": os.path.getsize(stdout[job]),
                "records": records,
            }
            for job, records in (('a, "b"\nc', 1), ("trial_2", 2), ("trial_3", 1), ("trial_10", 16))
        ),
        {"path": str(logs / "x.log.gz"), "job": "x", "stream": "x.log.gz", "part": 0, "bytes": 0, "records": 0},
    ]


def test_the_manifest_of_a_replay_without_an_objective(logs, tmp_path):
    replay(logs, SCANNER, out=tmp_path / "out")
    manifest = json.loads((tmp_path / "out" / "_manifest.json").read_text())
    assert manifest["objective"] is None
    assert (manifest["format"], manifest["errors"]) == ("parquet", [])


def test_a_row_group_holds_the_names_it_uses(tmp_path):
    """With a million jobs each would hold a million names."""
    names = pa.array([f"job_{number}" for number in range(1000)])
    codes = pa.array([7, 7, 900], pa.int32())
    same = pa.DictionaryArray.from_arrays(pa.array([0, 0, 0], pa.int32()), pa.array(["x"]))
    job = pa.DictionaryArray.from_arrays(codes, names)
    numbers = pa.array([1, 2, 3])
    columns = [
        job,
        same,
        numbers.cast(pa.int32()),
        same,
        numbers.cast(pa.float64()),
        numbers,
        numbers,
        numbers,
        pa.nulls(3, schema.SCHEMA[-1].type),
    ]
    batch = pa.RecordBatch.from_arrays(columns, schema=schema.SCHEMA)
    with sink.Sink(tmp_path / "out", ["loss"]) as target:
        target.write("loss", batch.slice(0, 1))
        target.write("loss", batch.slice(1, 2))
        target.finish(None, {})
    column = pq.read_table(tmp_path / "out" / "loss" / "part-0.parquet")["job"]
    assert column.to_pylist() == ["job_7", "job_7", "job_900"]
    assert column.chunk(0).dictionary.to_pylist() == ["job_7", "job_900"]


@each_format
@pytest.mark.parametrize("threads", [1, 2])
def test_of_many_metrics_few_files_are_open(tmp_path, monkeypatch, kind, threads):
    monkeypatch.setattr(sink, "_HELD_ROWS", 700)
    monkeypatch.setattr(sink, "_FREED_ROWS", 100)
    metrics = [f"m{n}" for n in range(150)]
    text = "".join(f"m{n}={turn + n / 1000};\n" for turn in range(12) for n in range(150 if turn % 3 else 100))
    scanner = Scanner([f"{name}={name}=(.*?);" for name in metrics])
    (tmp_path / "a.log").write_text(text)
    most = 0
    flush = Sink._flush

    def counted(self, metric):
        nonlocal most
        flush(self, metric)
        most = max(most, len(os.listdir("/dev/fd")))

    monkeypatch.setattr(Sink, "_flush", counted)
    before = len(os.listdir("/dev/fd"))
    tables = scanner.scan(tmp_path / "a.log")
    with Sink(tmp_path / "out", metrics, format=kind, threads=threads, sync=False) as target:
        for at in range(0, 12, 4):
            for name in metrics:
                rows = tables[name].slice(at, 4).combine_chunks()
                names = [
                    pa.array([each] * len(rows)).cast(pa.dictionary(pa.int32(), pa.string()))
                    for each in ("a", "b", name)
                ]
                columns = [
                    names[0],
                    names[1],
                    pa.array([0] * len(rows), pa.int32()),
                    names[2],
                    *(rows[c] for c in rows.column_names),
                ]
                for batch in pa.table(columns, schema=schema.SCHEMA).to_batches():
                    target.write(name, batch)
        target.finish(None, {"metrics": metrics})
    # a file that a thread writes to, and one that was just made
    assert most <= before + 12 * threads
    for name in metrics:
        batches = formats.READERS[kind](str(tmp_path / "out" / name / f"part-0.{kind}"), schema.SCHEMA)
        found = [value for batch in batches for value in batch["value"].to_pylist()]
        assert found == tables[name]["value"].to_pylist()
