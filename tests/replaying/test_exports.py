"""Exports in a replay: streams and jobs are distinguished, and times stand in the rows and decide the ranking."""

import gzip
import json
from typing import get_args

import pytest
from support.exports import NAMES, START_MS, Event, as_csv, as_s3, at, filtered, got

import metricscan
from metricscan import Objective, Scanner, replay
from metricscan.cli import main
from metricscan.logs import streams
from metricscan.logs.formats import FORMATS
from metricscan.scanning.options import InputFormat

SCANNER = Scanner(["loss=loss=([0-9.]+)"])
LOSS = Objective("loss", "Minimize")


def rows(result):
    return [
        tuple(row[key] for key in ("job", "stream", "value", "time"))
        for row in result["loss"].select(["job", "stream", "value", "time"]).to_pylist()
    ]


MIXED = filtered(
    (NAMES[0], 0, "loss=3"),
    (NAMES[2], 1, "loss=9"),
    (NAMES[1], 5, "loss=2 late"),
    (NAMES[0], 4, "loss=1"),
    (NAMES[2], 6, "nothing"),
)


@pytest.fixture
def export(tmp_path):
    path = tmp_path / "events.json"
    path.write_bytes(MIXED)
    return path


def test_one_export_of_several_jobs(export):
    result = replay(export, SCANNER, objective=LOSS)
    assert rows(result) == [
        ("job-a", "algo-1-1", 3.0, at(0)),
        ("job-a", "algo-1-1", 1.0, at(4)),
        ("job-a", "algo-2-1", 2.0, at(5)),
        ("job-b", "algo-1-2", 9.0, at(1)),
    ]
    # the newest row decides, whatever stream it is of
    assert (result.best.job, result.best.value, result.best.stream, result.best.path) == (
        "job-a",
        2.0,
        "algo-2-1",
        str(export),
    )
    assert MIXED[result.best.offset :].startswith(b"loss=2 late")
    assert [[(moment_ - START_MS * 1000) // 10**6 for moment_ in span] for span in result.spans] == [[0, 5], [1, 6]]
    assert result.stats.records == 5
    assert result.stats.bytes == len(MIXED)
    assert [job.logs[0].within for job in result.jobs] == [NAMES[0], NAMES[2]]
    assert not result.errors


def test_a_folder_of_exports(tmp_path, export):
    (tmp_path / "other.csv").write_bytes(as_csv([Event("loss=7", START_MS)], crlf=True, quote_all=True, times="date"))
    (tmp_path / "request.json").write_text("{}")
    (tmp_path / "table.csv").write_text("a,b\n1,2\n")
    result = replay(tmp_path, SCANNER, objective=LOSS)
    assert [job.name for job in result.jobs] == ["job-a", "job-b", "other"]
    assert result.survey.skipped_by_name == 2
    assert metricscan.replay(tmp_path, SCANNER, input_format="plain").survey.skipped_by_name == 4


def test_pages_of_one_stream_in_two_files(tmp_path):
    (tmp_path / "1.json").write_bytes(filtered((NAMES[0], 0, "loss=5")))
    (tmp_path / "2.json").write_bytes(filtered((NAMES[0], 9, "loss=4")))
    result = replay(tmp_path, SCANNER, objective=LOSS)
    assert rows(result) == [("job-a", "algo-1-1", 5.0, at(0)), ("job-a", "algo-1-1 (2)", 4.0, at(9))]
    assert (result.best.value, result.best.path) == (4.0, str(tmp_path / "2.json"))


def test_an_export_to_s3(tmp_path):
    for folder, part, events in (
        ("gan-001-algo-1-17723", 0, [(0, "loss=3"), (1, "loss=2")]),
        ("gan-001-algo-1-17723", 1, [(3, "loss=1.5")]),
        ("gan-001-algo-2-17723", 0, [(2, "loss=8")]),
        ("gan-002-algo-1-17724", 0, [(9, "loss=6")]),
    ):
        path = tmp_path / "exportedlogs" / "8a2f" / folder / f"{part:06d}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(as_s3([Event(text, START_MS + 1000 * second) for second, text in events])))
    (tmp_path / "exportedlogs" / "aws-logs-write-test").write_text("Permission Check Successful")
    result = replay(tmp_path, SCANNER, objective=LOSS)
    assert [(job.name, [log.stream for log in job.logs]) for job in result.jobs] == [
        ("gan-001", ["algo-1-17723/000000.gz", "algo-1-17723/000001.gz", "algo-2-17723/000000.gz"]),
        ("gan-002", ["algo-1-17724/000000.gz"]),
    ]
    assert (result.best.job, result.best.value) == ("gan-001", 1.5)
    assert {row["time"] is None for row in result["loss"].to_pylist()} == {False}


def test_job_rules(tmp_path, export):
    assert [job.name for job in replay(export, SCANNER, job="file").jobs] == ["events.json"]
    assert [log.stream for log in replay(export, SCANNER, job="file").jobs[0].logs] == [
        "algo-1-1",
        "algo-1-2",
        "algo-2-1",
    ]
    by_regex = replay(export, SCANNER, job="job-(.)")
    assert [job.name for job in by_regex.jobs] == ["a", "b"]


def test_an_export_that_names_no_streams(tmp_path):
    path = tmp_path / "job-7.json"
    path.write_bytes(got((0, "loss=3"), (1, "loss=2")))
    result = replay(path, SCANNER, objective=LOSS)
    assert [row[2:] for row in rows(result)] == [(3.0, at(0)), (2.0, at(1))]
    assert [job.name for job in result.jobs] == ["job-7"]
    assert [span is not None for span in result.spans] == [True]


def test_a_truncated_export_keeps_its_events(export):
    cut = MIXED.find(b"late")
    export.write_bytes(MIXED[:cut])
    result = replay(export, SCANNER, objective=LOSS)
    assert [row[2] for row in rows(result)] == [3.0, 9.0]
    (error,) = result.errors
    assert "ends before it is complete" in str(error)
    assert MIXED[error.offset :].startswith(b"{")
    with pytest.raises(metricscan.SourceError):
        replay(export, SCANNER, on_error="raise")


def test_several_streams_where_reading_is_once(export, monkeypatch, capsys):
    import io
    import sys

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(MIXED)))
    result = replay("-", SCANNER, objective=LOSS)
    assert result["loss"].num_rows == 4
    (error,) = result.errors
    assert "events of 3 streams" in str(error)


def test_streams_that_came_after_the_search_are_counted(tmp_path, monkeypatch):
    """An export may grow while it is read; whose job its new streams are is not known then."""
    path = tmp_path / "events.json"
    events = [{"logStreamName": name, "timestamp": START_MS, "message": f"loss={name}"} for name in "1232"]
    path.write_text(json.dumps({"events": events}))
    all_names = streams.stream_names
    monkeypatch.setattr(
        streams, "stream_names", lambda source, kind: [name for name in all_names(source, kind) if name != "2"]
    )
    found = replay(path, Scanner([r"loss=loss=(\d)"]))
    (error,) = found.errors
    assert error.message == (
        f"{path} has 2 events of 1 stream that came after logs were searched: '2'; they gave no rows"
    )
    assert sorted(found["loss"]["value"].to_pylist()) == [1, 3]


def test_threads_and_datasets(tmp_path, export):
    for number in range(6):
        (tmp_path / f"trial_{number}.json").write_bytes(got((0, f"loss={number + 0.5}")))
    results = [replay(tmp_path, SCANNER, objective=LOSS, threads=threads) for threads in (1, 2)]
    assert results[0]["loss"].equals(results[1]["loss"])
    assert results[0].ranking.equals(results[1].ranking)
    replay(tmp_path, SCANNER, objective=LOSS, keep=False, out=tmp_path / "out", format="csv")
    written = "".join(path.read_text() for path in sorted((tmp_path / "out").rglob("*.csv")))
    assert written.count("2026-03-01") >= 10


def test_check_shows_the_messages(export, capsys):
    assert (
        main(["check", str(export), "-m", "loss=loss=([0-9.]+)", "-m", "late=loss=2 (l\\w+)", "-m", "acc=accuracy=(.)"])
        == 1
    )
    out = capsys.readouterr().out
    line = 1 + MIXED.count(b"\n", 0, MIXED.find(b"loss=2 late"))
    assert f"{line}  loss=2 late  2.0" in out
    assert "loss=2 late  not a number" in out
    assert "acc found nothing" in out
    assert main(["check", str(export), "--input-format", "plain", "-m", 'loss="loss=([0-9.]+)']) == 0
    assert main(["check", str(export), "-m", 'loss="loss=([0-9.]+)']) == 1
    assert main(["check", str(export), "-m", "loss=Loss = (.*)"]) == 1
    assert "line 1 of its messages" in capsys.readouterr().out


def test_replay_on_the_command_line(export, capsys):
    assert main(["replay", str(export), "-m", "loss=loss=([0-9.]+)", "--minimize", "loss", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["best"]["value"] == 2.0
    assert main(["replay", str(export), "-m", "loss=x", "--input-format", "xml"]) == 2
    assert main(["replay", str(export), "--input-format", "s3-export", "-m", "loss=loss=(.)"]) == 2
    assert "a line that starts with a time was expected at byte 0" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", "message", "timestamp,message\n", '{"events": []}', "loss=1\n"])
@pytest.mark.parametrize("format_", ["cloudwatch-json", "cloudwatch-csv", "s3-export"])
def test_a_log_that_is_no_such_export_is_an_error_of_its_log(tmp_path, content, format_):
    (tmp_path / "a.log").write_text(content)
    (tmp_path / "b.json").write_text(got((1, "loss=1")).decode())
    result = replay([tmp_path / "a.log", tmp_path / "b.json"], SCANNER, input_format=format_)
    assert len(result.jobs) == 2
    assert {error.path for error in result.errors} <= {str(tmp_path / "a.log"), str(tmp_path / "b.json")}
    assert all("read as" in str(error) for error in result.errors)
    assert result["loss"].num_rows == (format_ == "cloudwatch-json")


def test_types_name_the_formats_that_there_are():
    assert get_args(InputFormat) == FORMATS
