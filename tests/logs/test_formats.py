"""The formats of logs: what is detected by the first bytes and the path, what is refused, and what is plain text after all."""

import gzip
import json
from pathlib import Path

import pytest
from support.archives import zipped
from support.exports import START_MS, as_s3
from support.exports import Event as Logged

import metricscan
from metricscan import SourceError
from metricscan.logs.exports import ExportReader
from metricscan.logs.formats import FORMATS, HEAD_BYTES, REFUSED, detect, format_of
from metricscan.logs.source import open_source
from metricscan.logs.survey import survey

SCANNER = metricscan.Scanner(["loss=loss=([0-9.]+)"])
DOCKER = b'{"log":"loss=1\\n","stream":"stderr","time":"2026-05-04T03:02:01.987654321Z"}\n'
CRI = b"2026-05-04T03:02:01.987654321+02:00 stderr F loss=1\n"
PAYLOAD = b'{"messageType":"DATA_MESSAGE","owner":"12","logGroup":"g","logStream":"j/algo-1-7","logEvents":['


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        # answers of the service
        (b'{"events": []}', "cloudwatch-json"),
        (b'\xef\xbb\xbf{\r\n "ResponseMetadata": {"RetryAttempts": 0}, "events" : [\n{', "cloudwatch-json"),
        (b'{"nextToken": "x", "events": [{"message": "%s' % (b"x" * HEAD_BYTES), "cloudwatch-json"),
        (b'[{"timestamp": 1, "message": "a"}]', "cloudwatch-json"),
        (b'[{"message": "%s' % (b"x" * HEAD_BYTES), "cloudwatch-json"),
        (b'[{"message": "a"}]', "plain"),
        (b'[{"message": "a", "timestamp": 5, "level": "info"}]', "plain"),
        (b'{"events": [{"timestamp": 1, "message": "a", "severity": 3}]}', "plain"),
        (b'{"events": [{"timestamp": "now", "message": "a"}]}', "plain"),
        (b'{"events": [{"timestamp": true, "message": "a"}]}', "plain"),
        (b'{"events": [{"name": "start"}], "level": "info"}\n', "plain"),
        (b'{"events": "none"}', "plain"),
        (b'{"MetricDefinitions": []}', "plain"),
        (b'[INFO] config {"events": [], "lr": 0.1}\nloss=1\n', "plain"),
        (b"{'lr': 1}\n" + b'{"events": []}', "plain"),
        # payloads of subscriptions
        (PAYLOAD, "cloudwatch-json"),
        (PAYLOAD + b'{"id":"3","timestamp":1,"message":"a"}]}', "cloudwatch-json"),
        (PAYLOAD + b'{"id":"3","timestamp":1,"text":"a"}]}', "plain"),
        (b'{"logStream":"a","logEvents":[]}', "plain"),
        # events, one a line
        (b'{"timestamp": 1772359200000, "message": "a"}\n', "cloudwatch-json"),
        (b'{"eventId":"1","ingestionTime":1,"message":"a","timestamp":1772359200000}\n{"tim', "cloudwatch-json"),
        (b'{"eventId":"1","ingestionTime":1,"message":"%s' % (b"x" * HEAD_BYTES), "cloudwatch-json"),
        (b'{"timestamp": 1772359200000, "message": "a"}\n{"timestamp": 1772359200000, "msg": "a"}', "plain"),
        (
            b'{"timestamp": 1772359200000, "message": "a"}\n{"timestamp": 1772359200000, "message": "a", "ms',
            "cloudwatch-json",
        ),
        (b'{"timestamp": 1772359200000, "message": "a"}\nstep 1\n', "plain"),
        # structured logs
        (b'{"timestamp": 1772359200, "message": "a"}\n', "plain"),
        (b'{"timestamp": 1, "message": "a"}\n', "plain"),
        (b'{"timestamp": "2026-05-04T03:02:01Z", "message": "loss=1", "level": "INFO"}\n', "plain"),
        (b'{"timestamp": "2026-05-04T03:02:01Z", "message": "loss=1"}\n', "plain"),
        (b'{"timestamp": 1772359200000.5, "message": "loss=1"}\n', "plain"),
        (b'{"timestamp": 1772359200000, "message": {"loss": 1}}\n', "plain"),
        (b'{"message": "loss=1"}\n', "plain"),
        (b'{"@timestamp": "2026-05-04T03:02:01Z", "message": "a", "ecs.version": "1.6.0"}\n', "plain"),
        (b'{"name":"train","level":30,"msg":"loss=1","time":"2026-05-04T03:02:01.000Z","v":0}\n', "plain"),
        (b'{"event": "loss=1", "timestamp": "2026-05-04T03:02:01Z"}\n', "plain"),
        # Docker
        (DOCKER, "docker-json"),
        (b"\0\0" + DOCKER, "docker-json"),
        (DOCKER[:-20], "docker-json"),
        (DOCKER + DOCKER[:9], "docker-json"),
        (b'{"log":"a\\n","stream":"stdout","attrs":{"tag":"t"},"time":"2026-05-04T03:02:01Z"}', "docker-json"),
        (b'{"time":"2026-05-04T03:02:01+05:30","stream":"stdout","log":"a\\n"}', "docker-json"),
        (b'{"log":"a\\n","stream":"stdout","time":"2026-05-04T03:02:01Z","kubernetes":{}}', "plain"),
        (b'{"log":"a\\n","stream":"stdin","time":"2026-05-04T03:02:01Z"}', "plain"),
        (b'{"log":"a\\n","stream":"stdout","time":"2026-02-29T03:02:01Z"}', "plain"),
        (b'{"log":"a\\n","stream":"stdout","time":"yesterday"}', "plain"),
        (b'{"log":{"loss":1},"stream":"stdout","time":"2026-05-04T03:02:01Z"}', "plain"),
        (b'{"log":"a","level":"info"}\n', "plain"),
        (b'{"log":"a"}\n', "plain"),
        (DOCKER + b'{"log":"a","level":"info"}\n', "plain"),
        (DOCKER + b"loss=2\n", "plain"),
        # a damaged line among the first
        (DOCKER[40:] + DOCKER, "docker-json"),
        (DOCKER + DOCKER[:30] + b"\n" + DOCKER, "docker-json"),
        (DOCKER[:30] + DOCKER * 2, "docker-json"),
        (DOCKER + b"\0" * 50 + DOCKER * 2, "docker-json"),
        (DOCKER[9:] + DOCKER[:9] + b"\n" + DOCKER * 3, "docker-json"),
        (DOCKER[9:] * 3 + DOCKER * 2, "plain"),
        (DOCKER[9:] + DOCKER + b'{"log":"a","time":"2026-05-04T03:02:01Z","level":"info"}\n', "plain"),
        (b"Attaching to train\n" + DOCKER, "docker-json"),
        (CRI[30:] + CRI, "cri"),
        (CRI * 2 + b"noise\n", "cri"),
        (b"noise\n" * 2 + CRI * 2, "plain"),
        (b"noise\n" * 2 + CRI * 3, "cri"),
        # CRI
        (CRI, "cri"),
        (b"2026-05-04T03:02:01Z stdout P:x:y \n", "cri"),
        (b"2026-05-04T03:02:01Z stdout F", "cri"),
        (b"2026-05-04T03:02:01Z stdin F a\n", "plain"),
        (b"2026-05-04T03:02:01Z stdout X a\n", "plain"),
        (b"2026-05-04T03:02:01Z stdout Fine\n", "plain"),
        (b"2026-05-04T03:02:01 stdout F a\n", "plain"),
        (b"2026-05-32T03:02:01Z stdout F a\n", "plain"),
        (b"2026-05-04T03:02:01+24:00 stdout F a\n", "plain"),
        # the console's CSV
        (b"timestamp,message\n", "cloudwatch-csv"),
        (b'"@timestamp","@message","@logStream"\r\n', "cloudwatch-csv"),
        (b"timestamp,message,loss\n", "plain"),
        (b"message\n", "plain"),
        # what is refused
        (b"EVENTS\t1772359200123\tloss=1\t1772359200000\n", "aws-text"),
        (b"EVENTS\t%056d\t1772359200123\tj/algo-1-7\tloss=1\t1772359200000\n" % 7, "aws-text"),
        (b"b/36\tf/36\nEVENTS\t1772359200123\tloss=1\t1772359200000\n", "aws-text"),
        (b"EVENTS\tloss=1\n", "plain"),
        (b"2026-05-04T03:02:01.987000+00:00 gan-7/algo-1-1772359200 loss=1\n", "aws-tail"),
        (b"2026-05-04T03:02:01.987000+00:00 host-3 loss=1\n", "plain"),
        (b'{"results": [[{"field": "@message", "value": "a"}]], "status": "Complete"}', "insights-json"),
        (b'{"results": [{"loss": 1}]}', "plain"),
        (b'{"awslogs": {"data": "H4sIAAAA"}}', "lambda-json"),
        # nothing of all this
        (b"", "plain"),
        (b"\x00\xff", "plain"),
        (b"[" * HEAD_BYTES, "plain"),
        (b'{"a":' * 800, "plain"),
        (b'{"log": %s}' % (b"1" * 4000), "plain"),
    ],
)
def test_detection(head, kind):
    assert detect(head) == kind


S3 = b"2026-05-04T03:02:01.987Z "
TASK = "exportedlogs/0a1b2c3d-0a1b-2c3d-4e5f-0123456789ab/gan-7-algo-1-17723/"


@pytest.mark.parametrize(
    ("head", "path", "kind"),
    [
        # lines that start with a time are the log's own, wherever they lie
        (S3 + b"loss=1\n", "", "plain"),
        (S3 + b"loss=1\n", "jobs/train.log", "plain"),
        (S3 + b"loss=1\n", "jobs/0000001.gz", "plain"),
        (S3 + b"loss=1\n", "jobs/000001.log", "plain"),
        # a name such as those of the export, and a time in each line
        (S3 + b"loss=1\n", "000000.gz", "s3-export"),
        (S3 + b"loss=1", "gan-7-algo-1-17723/000012.gz", "s3-export"),
        (S3 + b"loss=1", "logs.tar.gz/gan-7-algo-1-17723/000000", "s3-export"),
        (S3.rstrip() + b"\n", "a/000000.gz", "s3-export"),
        (S3 + b"a\n\n" + S3.rstrip() + b"\r\n" + S3 + b"b\n", "a/000000.gz", "s3-export"),
        (b"\xef\xbb\xbf" + S3 + b"loss=1\n", "a/000000.gz", "s3-export"),
        # the last line goes on behind what is looked at
        (S3 + b"%s\n2026-03" % (b"x" * (HEAD_BYTES - 33)), "a/000000.gz", "s3-export"),
        (S3 + b"x" * (HEAD_BYTES - 25), "a/000000.gz", "s3-export"),
        (S3 + b"starting\nloss=1\n", "a/000000.gz", "plain"),
        (S3 + b"starting\nloss=1", "a/000000.gz", "plain"),
        (b"\n" + S3 + b"loss=1\n", "a/000000.gz", "plain"),
        (S3 + b"a\n2026-03-01T24:00:00.000Z loss=1\n", "a/000000.gz", "plain"),
        (b"2026-02-30T10:00:00.000Z loss=1\n", "a/000000.gz", "plain"),
        (b"2026-03-01T10:00:00Z loss=1", "a/000000.gz", "plain"),
        (b"2026-03-01T10:00:00.000+00:00 loss=1", "a/000000.gz", "plain"),
        # a folder named by the id of an export: messages may have several lines
        (S3 + b"starting\nloss=1\n", TASK + "000000.gz", "s3-export"),
        (S3 + b"starting\nloss=1\n", TASK + "part.log", "s3-export"),
        (b"starting\n", TASK + "000000.gz", "plain"),
        (b"2026-02-30T10:00:00.000Z loss=1\n", TASK + "000000.gz", "plain"),
        # a container's log has its format whatever its name is
        (CRI, TASK + "000000.gz", "cri"),
    ],
)
def test_detection_of_exports_to_s3(head, path, kind):
    assert detect(head, path) == kind


def test_the_test_file_of_an_export_shows_the_export(tmp_path):
    path = tmp_path / "out" / "stream" / "part"
    path.parent.mkdir(parents=True)
    assert detect(S3 + b"a\nb\n", str(path)) == "plain"
    (tmp_path / "out" / "aws-logs-write-test").touch()
    assert detect(S3 + b"a\nb\n", str(path)) == "s3-export"


def test_a_log_that_starts_like_an_export_is_read_as_it_is():
    text = b"2026-03-01T10:00:00.000Z loss=1\nloss=2\n"
    scanner = metricscan.Scanner(["loss=^loss=(.)", "all=loss=(.)"])
    for source in (text, [text[:40], text[40:]]):
        result = scanner.scan(source, input_format="auto")
        assert result["loss"]["value"].to_pylist() == [2.0]
        assert result["all"]["time"].to_pylist() == [None, None]


def test_the_input_format_decides_against_the_path(tmp_path):
    (tmp_path / "train.log").write_bytes(S3 + b"loss=1\n")
    (tmp_path / "000000.gz").write_bytes(gzip.compress(S3 + b"loss=2\n"))
    times = {
        input_format: [
            time is not None
            for name in ("train.log", "000000.gz")
            for time in SCANNER.scan(tmp_path / name, input_format=input_format)["loss"]["time"].to_pylist()
        ]
        for input_format in ("auto", "s3-export", "plain")
    }
    assert times == {"auto": [False, True], "s3-export": [True, True], "plain": [False, False]}


@pytest.mark.parametrize(("length", "kind"), [(100, "docker-json"), (16_384, "docker-json"), (200_000, "plain")])
def test_a_first_line_that_is_longer_than_the_head(tmp_path, length, kind):
    """Docker cuts lines at 16 KiB, so a longer one is of another program."""
    line = {"log": "é" * (length - 7) + "loss=4\n", "stream": "stdout", "time": "2026-05-04T03:02:01Z"}
    data = json.dumps(line, separators=(",", ":")).encode() + b"\n"
    assert format_of(open_source(data), "auto") == kind
    other = json.dumps({**line, "level": 3}, separators=(",", ":")).encode() + b"\n"
    assert format_of(open_source(other), "auto") == "plain"
    (tmp_path / "a.log").write_bytes(data)
    (tmp_path / "b.log").write_bytes(other)
    result = metricscan.replay(tmp_path, SCANNER)
    assert [time is not None for time in result["loss"]["time"].to_pylist()] == [kind != "plain", False]


# ---- what is refused

REFUSED_HEADS = {
    "aws-text": b"EVENTS\t1772359200123\tloss=1\t1772359200000\n",
    "aws-tail": b"2026-05-04T03:02:01.987000+00:00 gan-7/algo-1-1772359200 loss=1\n",
    "insights-json": b'{"results": [[{"field": "@message", "value": "loss=1"}]]}',
    "lambda-json": b'{"awslogs": {"data": "H4sIAAAA"}}',
    "gcp-json": json.dumps(
        [
            {"insertId": "1", "textPayload": "loss=1", "logName": "projects/p/logs/workerpool0-0", "severity": "INFO"},
            {"insertId": "2", "jsonPayload": {"message": "loss=2"}, "logName": "projects/p/logs/workerpool0-0"},
        ],
        indent=2,
    ).encode(),
    "journal-json": b'{"__REALTIME_TIMESTAMP":"1772359200123456","_PID":"7","MESSAGE":"loss=1"}\n' * 3,
    "jupyter": json.dumps(
        {
            "cells": [{"cell_type": "code", "source": ["print('loss=9')"], "outputs": [{"text": ["loss=1\n"]}]}],
            "metadata": {},
            "nbformat": 4,
        },
        indent=1,
    ).encode(),
    "kaggle-json": b'[{"stream_name":"stdout","time":4.1,"data":"loss=1\\n"}\n,{"stream_name":"stderr","time":5.0,"data":"x"}]',
    "loki-json": json.dumps(
        {
            "status": "success",
            "data": {"resultType": "streams", "result": [{"stream": {"app": "x"}, "values": [["1", "loss=1"]]}]},
        }
    ).encode(),
    "elastic-json": b'{"took":1,"hits":{"total":{"value":1},"hits":[{"_index":"logs","_source":{"message":"loss=1"}}]}}',
    # each entry between two lengths of four bytes
    "docker-local": b"\0\0\0\x1c\n\x06stdout\x10\x80\x88\xec\x8f\xd0\x83\xe5\xcb\x18\x1a\x06loss=1\0\0\0\x1c" * 2,
    "journal": b"LPKSHHRH" + bytes(200) + b"loss=1\n",
    "tensorboard": b"\x18" + bytes(7) + b"crc1" + b"\tdouble64\x1a\rbrain.Event:2crc2" + b"\x0aloss=1\n",
}
# such a file is refused where its name is that of a log, or if it is given
BINARY_HEADS = ("docker-local", "journal", "tensorboard")


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_refused_is_named(tmp_path, kind):
    path = tmp_path / ("events.log" if kind in BINARY_HEADS else "events.json")
    path.write_bytes(REFUSED_HEADS[kind])
    with pytest.raises(SourceError) as caught:
        SCANNER.scan(path, input_format="auto")
    assert REFUSED[kind].what in str(caught.value)
    assert caught.value.hint == REFUSED[kind].hint
    (tmp_path / "train.log").write_text("loss=3\n")
    # files of TensorBoard lie beside logs, and are passed over
    result = metricscan.replay([tmp_path, path] if kind == "tensorboard" else tmp_path, SCANNER)
    assert [error.path for error in result.errors] == [str(path)]
    assert result["loss"]["value"].to_pylist() == [3.0]
    assert list(ExportReader(open_source(b""), kind)) == []
    assert not metricscan.replay(path, SCANNER, input_format="plain").errors


@pytest.mark.parametrize("kind", [kind for kind in REFUSED if kind != "tensorboard"])
def test_what_is_refused_is_named_however_it_is_met(tmp_path, kind):
    """Beside other small logs, compressed, in an archive, cut off, or within what is read to find out what a log holds."""
    head = REFUSED_HEADS[kind]
    suffix = ".log" if kind in BINARY_HEADS else ".json"
    for number in range(3):
        (tmp_path / f"{number}{suffix}").write_bytes(head)
    (tmp_path / f"packed{suffix}.gz").write_bytes(gzip.compress(head))
    (tmp_path / "a.zip").write_bytes(zipped({f"a{suffix}": head, "train.log": b"loss=3\n"}))
    (tmp_path / "train.log").write_text("loss=3\n")
    result = metricscan.replay([tmp_path, tmp_path / "a.zip"], SCANNER, parameters=["printed"])
    assert len(result.errors) == 5
    assert all(REFUSED[kind].what in error.message for error in result.errors)
    assert result["loss"]["value"].to_pylist() == [3.0, 3.0]
    if kind not in ("aws-text", "aws-tail"):
        longer = head + b" " * 4096
        assert detect(longer[:HEAD_BYTES]) == kind


def test_logs_that_look_like_what_is_refused_are_plain():
    for text in (
        '{"textPayload": "loss=1", "severity": "INFO"}\n',
        '{"MESSAGE": "loss=1"}\n',
        '{"cells": 3, "metadata": {}}\n',
        '{"data": "loss=1", "status": "ok"}\n',
        '{"data": {"result": [1]}, "hits": {"hits": []}}\n',
        '[{"stream_name": "loss", "time": 1, "data": 2}]\n',
        '[{"stream_name": "stdout", "time": 1, "data": "x", "level": 3}]\n',
        "LPKSHHR loss=1\n",
        "\0\0\0\x1c\n\x06std loss=1\n" * 9,
    ):
        assert detect(text.encode()) == "plain"


# ---- logs of different formats


def noticed(folder, **options):
    return [notice.message for notice in survey([folder], **{"input_format": "auto", **options}).notices]


def test_formats_that_differ_are_noticed(tmp_path):
    for number in range(3):
        (tmp_path / f"plain-{number}.log").write_text("loss=1\n")
    assert noticed(tmp_path) == []
    (tmp_path / "docker.log").write_bytes(DOCKER)
    (tmp_path / "export-000000.gz").write_bytes(gzip.compress(as_s3([Logged("loss=2", START_MS)])))
    (notice,) = noticed(tmp_path)
    assert f"4 are plain ({tmp_path / 'export-000000.gz'})" in notice
    assert f"1 is docker-json ({tmp_path / 'docker.log'})" in notice
    assert "--input-format" in notice
    assert noticed(tmp_path, input_format="plain") == []
    (notice,) = noticed(tmp_path, include="[de]*")
    assert "plain" in notice


def test_the_formats_are_documented():
    text = (Path(__file__).parents[2] / "docs" / "exports.md").read_text()
    for name in FORMATS[1:]:
        assert f"| `{name}` |" in text


@pytest.mark.parametrize(
    "keys", [("timestamp", "message"), ("message", "timestamp"), ("timestamp", "message", "ingestionTime")]
)
def test_events_as_lines_are_recognised_wherever_the_head_ends(keys):
    def line(number, padding):
        values = {
            "timestamp": 1772359200000 + number,
            "message": "x" * padding + "loss=0.5",
            "ingestionTime": 1772359200001,
        }
        return json.dumps({key: values[key] for key in keys}) + "\n"

    rest = "".join(line(number, 0) for number in range(1, 200))
    for padding in range(len(line(0, 0))):
        text = (line(0, padding) + rest).encode()
        assert detect(text[:HEAD_BYTES]) == "cloudwatch-json", padding
        # a small file that was cut off
        assert detect(text[: 300 + padding]) == "cloudwatch-json", padding


@pytest.mark.parametrize("nuls", [0, 1, 100, HEAD_BYTES - 5, HEAD_BYTES, 3 * HEAD_BYTES + 1, 70_000])
@pytest.mark.parametrize("line", [DOCKER, CRI])
@pytest.mark.parametrize("first", [b"", b"9 cut\n"])
def test_the_format_is_found_behind_nuls(tmp_path, nuls, line, first):
    (tmp_path / "a.log").write_bytes(b"\0" * nuls + first + line * 3)
    for paths in (tmp_path, tmp_path / "a.log"):
        found = metricscan.survey(paths)
        assert {file.format for file in found.files} == {"cri" if line is CRI else "docker-json"}
        result = metricscan.replay(paths, SCANNER)
        assert result["loss"].num_rows == 3
        assert set(result["loss"]["stream"].to_pylist()) == {"stderr"}
        assert len(result.errors) == (first != b"")


def test_a_long_first_line_that_is_damaged(tmp_path):
    long = DOCKER.replace(b"loss=1", b"x" * 9000)
    (tmp_path / "a.log").write_bytes(long[2:] + DOCKER * 3)
    result = metricscan.replay(tmp_path, SCANNER)
    assert result["loss"].num_rows == 3
    assert len(result.errors) == 1


@pytest.mark.parametrize("length", [10, HEAD_BYTES, 3 * HEAD_BYTES, 16_384])
def test_a_log_of_docker_that_is_cut_within_its_only_line(tmp_path, length):
    line = DOCKER.replace(b"loss=1", b"loss=1" + b" " * length)
    for end in (len(line) // 2, len(line) - 70, len(line) - 40, len(line) - 10):
        (tmp_path / "a.log").write_bytes(line[:end])
        result = metricscan.replay(tmp_path, SCANNER)
        assert result["loss"].num_rows == 0
        (error,) = result.errors
        assert "the log ends within an event at byte 0" in str(error)
