"""How a dataset takes its place: at any system call that fails, or is the last, there is the old one or the new one."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import pyarrow as pa
import pytest
from support.faults import SIGNALS, Faults

from metricscan import Dataset, OptionError, SourceError
from metricscan.datasets import dataset_disk
from metricscan.datasets.formats import FORMATS
from metricscan.datasets.manifest import MANIFEST
from metricscan.datasets.schema import SCHEMA
from metricscan.datasets.sink import Sink

NOTED = {"objective": None, "jobs": [], "sources": [], "counts": {}}


def rows(value):
    row = {
        "job": "a",
        "stream": "stdout",
        "part": 0,
        "metric": "loss",
        "value": value,
        "line": 1,
        "offset": 0,
        "start": 5,
    }
    columns = [pa.array([{**row, "time": None}[name]]) for name in SCHEMA.names]
    return pa.table(columns, names=SCHEMA.names).cast(SCHEMA).to_batches()[0]


def write(path, value, *, metrics=("loss", "acc"), sync=False, **options):
    with Sink(path, metrics, sync=sync, **options) as sink:
        sink.write("loss", rows(value))
        sink.finish(pa.table({"job": ["a"]}), NOTED)


def value_of(path):
    """The value of a dataset that is whole; None if there is none."""
    try:
        dataset = Dataset(path)
    except SourceError:
        assert not path.exists()
        return None
    assert dataset["acc"].num_rows == 0
    return dataset["loss"]["value"].to_pylist()[0]


def no_exchange(*_):
    raise dataset_disk.NoExchange


@pytest.fixture(autouse=True)
def no_wait_for_the_disk(monkeypatch):
    """Syncs are called, and do not wait for the disk: that takes long where others write, and shows nothing more."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    call = dataset_disk._system_call
    monkeypatch.setattr(dataset_disk, "_system_call", lambda name: (lambda _: 0) if name == "syncfs" else call(name))


@pytest.fixture(params=["exchange", "renames"])
def swap(request, monkeypatch):
    """How two folders are swapped."""
    if request.param == "renames":
        monkeypatch.setattr(dataset_disk, "exchange", no_exchange)
    return request.param


# ---- each operation fails, or is the last


def operations_of(folder, there):
    folder.mkdir()
    if there:
        write(folder / "out", 1.0)
    faults = Faults(folder)
    with faults.injected():
        write(folder / "out", 2.0, sync=True, overwrite=True)
    assert value_of(folder / "out") == 2.0
    assert os.listdir(folder) == ["out"]
    return faults.operations


@pytest.mark.parametrize("kind", ["ENOSPC", "EIO late", "killed", "killed late", *SIGNALS])
@pytest.mark.parametrize("there", [True, False])
def test_each_operation_fails_once(tmp_path, swap, there, kind):
    operations = operations_of(tmp_path / "counted", there)
    assert {"mkdir", "open", "fsync", "rename"} <= {*operations, *(("rename",) if there else ())}
    assert not there or {"unlink", "rmdir", "exchange" if swap == "exchange" else "rename"} <= set(operations)
    hits = 0
    for at, operation in enumerate(operations):
        folder = tmp_path / f"{kind}-{at}"
        folder.mkdir()
        out = folder / "out"
        if there:
            write(out, 1.0)
        faults = Faults(folder, at, kind)
        failed = False
        with faults.injected():
            try:
                write(out, 2.0, sync=True, overwrite=True)
            except (SourceError, KeyboardInterrupt):
                failed = True
        hits += faults.hit
        place = f"{operation} {at} of {operations}"
        if kind not in ("killed", "killed late"):
            # who lives tidies up
            assert out.exists() or not there, place
            assert [name for name in os.listdir(folder) if name != "out"] == [] or not failed, place
        found = value_of(out)
        assert found in ((1.0, 2.0) if there else (None, 2.0)), place
        assert found == 2.0 or faults.hit, place
        # what was left does not stand in the way, and does not stay
        write(out, 3.0, overwrite=True)
        assert value_of(out) == 3.0, place
        assert os.listdir(folder) == ["out"], place
    assert hits == len(operations)


def test_files_are_on_the_disk_before_the_dataset_has_its_name(tmp_path):
    operations = operations_of(tmp_path / "a", there=True)
    at = operations.index("exchange")
    # two folders with a file each, the ranking, the manifest, and the folder of all
    assert operations[:at].count("fsync") == 7
    assert operations[at + 1 : at + 3] == ["open", "fsync"]
    assert "fsync" not in operations[at + 3 :]


def test_many_files_are_synced_at_once(tmp_path):
    metrics = ["loss", *(f"metric {number}" for number in range(20))]
    faults = Faults(tmp_path)
    with faults.injected():
        write(tmp_path / "out", 1.0, metrics=metrics, sync=True)
    assert faults.operations.count("sync_file_system") == 1
    # the name
    assert faults.operations.count("fsync") == 1


def test_no_sync_syncs_nothing(tmp_path):
    faults = Faults(tmp_path)
    with faults.injected():
        write(tmp_path / "out", 1.0)
        write(tmp_path / "out", 2.0, overwrite=True)
    assert not {"fsync", "sync_file_system"} & set(faults.operations)
    assert value_of(tmp_path / "out") == 2.0


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV, errno.EPERM])
def test_a_system_that_cannot_swap_renames(tmp_path, monkeypatch, number):
    def refused(*_):
        dataset_disk.ctypes.set_errno(number)
        return -1

    monkeypatch.setattr(dataset_disk, "_system_call", lambda name: refused if name == "renameat2" else None)
    write(tmp_path / "out", 1.0)
    write(tmp_path / "out", 2.0, overwrite=True)
    assert value_of(tmp_path / "out") == 2.0
    assert os.listdir(tmp_path) == ["out"]


def test_a_system_without_these_calls_renames_and_syncs_each_file(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset_disk, "_system_call", lambda name: None)
    metrics = ["loss", "acc", *(f"metric {number}" for number in range(40))]
    write(tmp_path / "out", 1.0, metrics=metrics, sync=True)
    write(tmp_path / "out", 2.0, metrics=metrics, sync=True, overwrite=True)
    assert value_of(tmp_path / "out") == 2.0


# ---- what else stands there


def test_a_foreign_file_is_named_and_stays(tmp_path, swap):
    out = tmp_path / "out"
    for name in ("notes.txt", "loss/notes.txt", "loss/part-0.csv", "loss/deeper/part-0.parquet", "copy/part-0.parquet"):
        write(out, 1.0, overwrite=True)
        place = out / name
        place.parent.mkdir(exist_ok=True)
        place.write_text("mine")
        for overwrite in (False, True):
            with pytest.raises(OptionError, match="no part of its dataset; it is not overwritten") as caught:
                write(out, 2.0, overwrite=overwrite)
            assert caught.value.hint is None
            assert name.split("/")[0] in str(caught.value)
        assert place.read_text() == "mine"
        assert value_of(out) == 1.0
        place.unlink()
        if place.parent.name in ("copy", "deeper"):
            place.parent.rmdir()


def test_a_link_is_foreign(tmp_path):
    out = tmp_path / "out"
    write(out, 1.0)
    (tmp_path / "elsewhere.parquet").write_text("mine")
    (out / "loss" / "part-1.parquet").symlink_to(tmp_path / "elsewhere.parquet")
    with pytest.raises(OptionError, match=r"holds loss/part-1\.parquet"):
        write(out, 2.0, overwrite=True)


def test_a_manifest_of_another_program_makes_no_dataset(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    for text in (
        "",
        "{",
        "[]",
        "{}",
        '{"version": 1}',
        '{"format_version": 1}',
        "[" * 100_000,
        '{"format_version": 1, "metrics": {}}',
    ):
        (out / MANIFEST).write_text(text)
        with pytest.raises(OptionError, match="not a dataset"):
            write(out, 2.0, overwrite=True)
        assert os.listdir(out) == [MANIFEST]


def test_a_manifest_that_was_written_again_is_one(tmp_path):
    out = tmp_path / "out"
    write(out, 1.0)
    document = json.loads((out / MANIFEST).read_text())
    for text in (json.dumps(document, sort_keys=True), json.dumps(document, separators=(",", ":"))):
        (out / MANIFEST).write_text(text)
        write(out, 2.0, overwrite=True)
        assert value_of(out) == 2.0


def test_of_a_manifest_the_beginning_is_read(tmp_path):
    out = tmp_path / "out"
    metrics = ["loss", "acc", *(f"{'m' * 150} {number}" for number in range(500))]
    write(out, 1.0, metrics=metrics, format="csv")
    # more than is read at first
    assert os.path.getsize(out / MANIFEST) > 1 << 17
    with open(out / MANIFEST, "r+") as manifest:
        # what stands behind the folders is not read
        place = manifest.read().index('"objective"')
        manifest.truncate(place)
    write(out, 2.0, overwrite=True)
    assert value_of(out) == 2.0


def test_a_file_that_comes_at_the_last_moment_stays(tmp_path, monkeypatch, swap):
    out = tmp_path / "out"
    write(out, 1.0)
    if swap == "exchange":
        swapped = dataset_disk.exchange

        def late(one, other):
            if not (out / "mine").exists():
                (out / "mine").write_text("mine")
            swapped(one, other)

        monkeypatch.setattr(dataset_disk, "exchange", late)
        with pytest.raises(OptionError, match="holds mine"):
            write(out, 2.0, overwrite=True)
        assert value_of(out) == 1.0
        assert os.listdir(tmp_path) == ["out"]
    else:
        renamed = os.rename

        def late(one, other):
            if str(other).endswith(".old"):
                (out / "mine").write_text("mine")
            renamed(one, other)

        monkeypatch.setattr(os, "rename", late)
        with pytest.raises(OptionError, match="holds mine"):
            write(out, 2.0, overwrite=True)
        assert value_of(out) == 1.0
    assert (out / "mine").read_text() == "mine"


# ---- what killed runs leave


KILLED = """
import os, sys
from metricscan.datasets.sink import Sink
sink = Sink(sys.argv[1], ["loss"])
print(sink.folder, flush=True)
sys.stdin.read()
"""


def test_what_a_living_run_writes_is_not_removed(tmp_path):
    out = tmp_path / "out"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, out], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        folder = run.stdout.readline().strip()
        write(out, 1.0)
        assert os.path.isdir(folder)
        run.send_signal(signal.SIGKILL)
    assert os.path.isdir(folder)
    write(out, 2.0, overwrite=True)
    assert not os.path.exists(folder)
    assert value_of(out) == 2.0


def test_only_left_overs_of_this_dataset_are_removed(tmp_path):
    kept = [
        ".out.12345678.part",
        ".out.1234567.partial",
        ".out2.12345678.partial",
        "out.12345678.partial",
        ".out.XXXXXXXX.old",
    ]
    write(tmp_path / "out", 1.0)
    for name in [*kept, ".out.12345678.partial", ".out.00000000.old", ".out.00000000.partial._tasks"]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "part").write_text("")
    (tmp_path / ".out.87654321.partial").write_text("a file")
    write(tmp_path / "out", 2.0, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == sorted([*kept, ".out.87654321.partial", "out"])


@pytest.mark.parametrize("manifest", ["", "{", '{"format_version": 1, "format": "parquet", "metrics": {"loss": "lo'])
def test_a_left_over_with_the_beginning_of_a_manifest_is_removed(tmp_path, manifest):
    left = tmp_path / ".out.12345678.partial"
    (left / "loss").mkdir(parents=True)
    (left / "loss" / "part-0.parquet").write_text("cut")
    (left / MANIFEST).write_text(manifest)
    write(tmp_path / "out", 1.0)
    assert os.listdir(tmp_path) == ["out"]


def test_a_dataset_that_was_moved_aside_is_back_for_who_reads_it(tmp_path):
    write(tmp_path / "out", 1.0)
    os.rename(tmp_path / "out", tmp_path / ".out.12345678.old")
    assert value_of(tmp_path / "out") == 1.0
    assert os.listdir(tmp_path) == ["out"]


def test_a_dataset_that_a_living_run_has_moved_aside_is_waited_for(tmp_path, monkeypatch):
    write(tmp_path / "out", 1.0)
    old = tmp_path / ".out.12345678.old"
    os.rename(tmp_path / "out", old)
    lock = os.open(old, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    pauses = []

    def pause(_):
        pauses.append(1)
        if len(pauses) == 3:
            os.close(lock)

    monkeypatch.setattr(time, "sleep", pause)
    assert value_of(tmp_path / "out") == 1.0
    assert len(pauses) == 3


def test_without_locks_datasets_are_written_and_left_overs_stay(tmp_path, monkeypatch, swap):
    def refused(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    (tmp_path / ".out.12345678.partial").mkdir()
    write(tmp_path / "out", 1.0)
    write(tmp_path / "out", 2.0, overwrite=True)
    assert value_of(tmp_path / "out") == 2.0
    assert sorted(os.listdir(tmp_path)) == [".out.12345678.partial", "out"]


# ---- names


def test_a_name_may_be_as_long_as_the_system_takes(tmp_path):
    for name in ("n" * 255, "é" * 127):
        write(tmp_path / name, 1.0)
        write(tmp_path / name, 2.0, overwrite=True)
        assert value_of(tmp_path / name) == 2.0
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("folder", ["../other", "..", ".", "", "/etc", "loss/../../other", "a\0b", "C:", 1, None])
def test_a_manifest_names_only_folders_in_its_own(tmp_path, folder):
    write(tmp_path / "other", 1.0)
    write(tmp_path / "out", 1.0)
    place = tmp_path / "out" / MANIFEST
    document = json.loads(place.read_text())
    document["metrics"]["loss"] = folder
    place.write_text(json.dumps(document))
    with pytest.raises(SourceError, match="is not the name of a folder in"):
        Dataset(tmp_path / "out")
    with pytest.raises(OptionError, match="not a dataset"):
        write(tmp_path / "out", 2.0, overwrite=True)


@pytest.mark.parametrize("is_file", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_a_link_out_of_the_folder_is_not_followed(tmp_path, kind, is_file):
    write(tmp_path / "other", 1.0, format=kind)
    write(tmp_path / "out", 2.0, format=kind)
    inner = ["loss", f"part-0.{kind}"] if is_file else ["loss"]
    os.rename(tmp_path.joinpath("out", *inner), tmp_path / "moved")
    tmp_path.joinpath("out", *inner).symlink_to(tmp_path.joinpath("other", *inner))
    with pytest.raises(SourceError, match="leads out of"):
        Dataset(tmp_path / "out")


@pytest.mark.parametrize("line", ["{}", "[]", "1", "null", '{"job": 1}', '{"job": "a", "value": {}}', '"x"'])
def test_a_line_of_json_that_is_no_row_is_an_error(tmp_path, line):
    write(tmp_path / "out", 1.0, format="jsonl")
    (tmp_path / "out" / "loss" / "part-0.jsonl").write_text(line + "\n")
    with pytest.raises(SourceError, match="cannot read"):
        Dataset(tmp_path / "out")["loss"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sources", [{}]),
        ("sources", [1]),
        ("sources", [{"job": "a", "stream": 1, "path": "b"}]),
        ("counts", {"loss": 1}),
    ],
)
def test_a_manifest_without_what_it_must_have_is_an_error(tmp_path, key, value):
    write(tmp_path / "out", 1.0)
    place = tmp_path / "out" / MANIFEST
    place.write_text(json.dumps(json.loads(place.read_text()) | {key: value}))
    with pytest.raises(SourceError, match="is not a valid manifest"):
        Dataset(tmp_path / "out")


def test_a_source_of_a_job_that_is_not_named_is_an_error(tmp_path):
    write(tmp_path / "out", 1.0)
    place = tmp_path / "out" / MANIFEST
    source = {"job": "gone", "stream": "stdout", "path": "b"}
    place.write_text(json.dumps(json.loads(place.read_text()) | {"sources": [source]}))
    with pytest.raises(SourceError, match="does not describe"):
        _ = Dataset(tmp_path / "out").jobs
