"""Followed exports of log events, beside a replay of the finished files."""

import gzip
import itertools
import json
import os
import random

import pytest
from support import exports

import metricscan
from metricscan import Objective, Scanner, follow

SCANNER = Scanner(["loss=loss=([0-9.]+)", "step=step=([0-9]+)"])
TEXTS = ("loss={0}", "step={0}\nloss=1.{0}", "x", 'say "hi", loss=3.5 é', "")
KINDS = ("filtered", "got", "csv", "lines", "payload", "s3")


def written(kind, chance, count):
    """An export of a kind, with random events; each prefix of it is one that grows."""
    streams = exports.NAMES[: chance.randrange(1, 4)]
    of_stream = (lambda: chance.choice(streams)) if kind not in ("got", "s3") else (lambda: None)
    events = [
        exports.Event(chance.choice(TEXTS).format(at), exports.START_MS + 1000 * at, stream=of_stream())
        for at in range(count)
    ]
    if kind == "csv":
        return exports.as_csv(events, crlf=chance.random() < 0.5, quote_all=chance.random() < 0.5, times="ms")
    if kind == "s3":
        return exports.as_s3(events)
    if kind == "lines":
        return b"".join(one_line(event) + b"\n" for event in events)
    if kind == "payload":
        return b"".join(map(payload, events))
    order = exports.FILTERED["order"] if kind == "filtered" else ("timestamp", "message", "ingestionTime")
    return exports.as_json(events, **{**exports.FILTERED, "order": order, "pages": chance.choice([1, 3])})


def one_line(event):
    document = {"logStreamName": event.stream, "timestamp": event.time_ms, "message": event.message}
    return json.dumps(document).encode()


def payload(event):
    """What a subscription sends: no line end follows."""
    document = {
        "messageType": "DATA_MESSAGE",
        "owner": "1",
        "logGroup": "/aws/sagemaker/TrainingJobs",
        "logStream": event.stream,
        "subscriptionFilters": ["all"],
        "logEvents": [{"id": "1", "timestamp": event.time_ms, "message": event.message}],
    }
    return json.dumps(document).encode()


def path_of(logs, kind):
    return logs / {"csv": "export.csv", "s3": "000000"}.get(kind, "export.json")


def rows(tables):
    return sorted(
        ((metric, *row.values()) for metric in ("loss", "step") for row in tables[metric].to_pylist()),
        key=repr,
    )


def read(logs, journal, **options):
    """Follow to the end, as a process of its own does it, and return the rows in the journal."""
    following = follow(logs, SCANNER, out=journal, until="file:/", **options)
    following.run()
    assert following.errors == []
    found = metricscan.Dataset(journal)
    return rows(
        {name: found[name] if name in found else metricscan.scan(b"", SCANNER)[name] for name in ("loss", "step")}
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_export_has_the_rows_jobs_and_streams_of_a_replay(logs, journal, kind, seed):
    chance = random.Random(f"{kind} {seed}")
    data, path = written(kind, chance, chance.randrange(1, 40)), path_of(logs, kind)
    if seed % 2:
        (logs / "train.log").write_bytes(b"loss=7\n")
    if seed == 3:
        path, data = path.with_name(f"{path.name}.gz"), gzip.compress(data)
    path.write_bytes(data)
    expected = rows(metricscan.replay(logs, SCANNER))
    for _ in range(2):
        assert read(logs, journal) == expected


# the service writes an export to S3 at once
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(2))
def test_growth_and_restarts(logs, journal, kind, seed):
    chance = random.Random(f"{kind} {seed}")
    data, path, at = written(kind, chance, 25), path_of(logs, kind), 0
    while at < len(data):
        size = chance.choice([1, 5, 60, 200, 1000])
        with open(path, "ab") as file:
            file.write(data[at : at + size])
        at += size
        if chance.random() < 0.2:
            read(logs, journal)
    for _ in range(2):
        found = read(logs, journal)
    assert found == rows(metricscan.replay(logs, SCANNER))


# an id of an export task, and a folder per stream, as the service names them
TASK = "f3a9b2c4-1d5e-4f60-8a7b-9c0d1e2f3a4b"


@pytest.mark.parametrize("kept", ["as objects come", "decompressed", "gzip members"])
@pytest.mark.parametrize("seed", range(3))
def test_an_export_to_s3_that_grows(logs, journal, kept, seed):
    chance = random.Random(f"{kept} {seed}")
    for at in range(12):
        stream = logs / TASK / f"job-{chance.choice('ab')}-algo-1-{chance.choice([1677000000, 1677000001])}"
        stream.mkdir(parents=True, exist_ok=True)
        data = exports.as_s3(
            [
                exports.Event(chance.choice(TEXTS).format(at), exports.START_MS + 1000 * (9 * at + one))
                for one in range(5)
            ]
        )
        if kept == "as objects come":
            (stream / f"{len(list(stream.iterdir())):06}.gz").write_bytes(gzip.compress(data))
        else:
            cuts = (
                [0, len(data)] if kept == "gzip members" else [0, *sorted(chance.choices(range(len(data)), k=2)), None]
            )
            for begin, end in itertools.pairwise(cuts):
                piece = data[begin:end]
                with open(stream / ("000000.gz" if kept == "gzip members" else "000000"), "ab") as file:
                    file.write(gzip.compress(piece) if kept == "gzip members" else piece)
                if chance.random() < 0.3:
                    read(logs, journal)
        if chance.random() < 0.4:
            read(logs, journal)
    for _ in range(2):
        found = read(logs, journal)
    expected = rows(metricscan.replay(logs, SCANNER))
    # times show that the events were decoded
    assert all(row[-1] is not None for row in expected)
    # where one job was there first, it is named by its path in the folder that is followed
    assert sorted(((row[0], row[1].removeprefix(f"{TASK}/"), *row[2:]) for row in found), key=repr) == expected


def test_a_payload_without_a_line_end_comes_when_it_is_whole(logs, journal):
    event = exports.Event("loss=1\nloss=2", exports.START_MS, stream="job-a/algo-1-1")
    whole = payload(event)
    for cut in (1, 30, whole.index(b"loss=2")):
        (logs / "export.json").write_bytes(whole[:cut])
        assert read(logs, journal) == []
    (logs / "export.json").write_bytes(whole)
    assert [row[1:5] for row in read(logs, journal)] == [("job-a", "algo-1-1", 0, 1.0), ("job-a", "algo-1-1", 0, 2.0)]


def test_a_stream_that_appears_later_is_named_without_reading_the_export_again(logs, journal, monkeypatch):
    path = logs / "export.json"
    path.write_bytes(
        b"".join(
            one_line(exports.Event("loss=1", exports.START_MS + at, stream="job-a/algo-1-1")) + b"\n" for at in range(3)
        )
    )
    assert {row[1] for row in read(logs, journal)} == {"job-a"}
    with open(path, "ab") as file:
        file.write(one_line(exports.Event("loss=2", exports.START_MS, stream="job-b/algo-1-1")) + b"\n")
    monkeypatch.setattr("metricscan.logs.streams.stream_names", lambda *_: pytest.fail("the export is read"))
    found = read(logs, journal)
    monkeypatch.undo()
    assert found == rows(metricscan.replay(logs, SCANNER))
    assert {row[1] for row in found} == {"job-a", "job-b"}


def test_ranked_as_a_replay(logs, journal):
    events = [
        exports.Event(f"loss={5 - at % 3}", exports.START_MS + at, stream=exports.NAMES[at % 3]) for at in range(9)
    ]
    (logs / "export.csv").write_bytes(exports.as_csv(events, crlf=False, quote_all=False, times="ms"))
    read(logs, journal)
    objective = Objective("loss", "Minimize")
    expected = metricscan.rank(metricscan.replay(logs, SCANNER), objective)
    assert metricscan.rank(journal, objective).to_pylist() == expected.to_pylist()


def test_a_crash_at_the_end_is_noted_where_the_export_has_one_stream(logs, journal):
    trace = 'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\nValueError: nan'
    path = logs / "export.json"
    one = [exports.Event(text, exports.START_MS, stream="job-a/algo-1-1") for text in ("loss=1", trace)]
    path.write_bytes(b"".join(one_line(event) + b"\n" for event in one))
    for _ in range(2):
        read(logs, journal)
        assert doubts_of(journal) == ["crashed"]
    with open(path, "ab") as file:
        file.write(one_line(exports.Event("x", exports.START_MS, stream="job-b/algo-1-1")) + b"\n")
    read(logs, journal)
    assert doubts_of(journal) == []


def doubts_of(journal):
    first = metricscan.rank(journal, Objective("loss", "Minimize"))["doubts"][0].as_py()
    return [doubt["kind"] for doubt in first]


def test_an_export_that_cannot_be_read_on_is_an_error(logs, journal):
    path = logs / "export.json"
    path.write_bytes(b'{"events": [{"timestamp": 1, "message": "loss=1"}, ')
    read(logs, journal)
    with open(path, "ab") as file:
        file.write(b"oops]}\n")
    following = follow(logs, SCANNER, out=journal, until="file:/")
    following.run()
    (error,) = following.errors
    assert "read as cloudwatch-json" in error.message
    assert metricscan.Dataset(journal)["loss"]["value"].to_pylist() == [1.0]


# ---- compressed files at the path of a log


def loss_of(logs, journal, said=None, **options):
    follow(logs, SCANNER, out=journal, until="file:/", on_notice=None if said is None else said.append, **options).run()
    found = metricscan.Dataset(journal)
    places = [[*row.values()][2:6] for row in found["loss"].to_pylist()] if "loss" in found else []
    return [tuple(row) for row in places]


@pytest.mark.parametrize("name", ["a.log.gz", "000000.gz", "export.gz"])
def test_a_compressed_log_is_read_once(logs, journal, name):
    (logs / name).write_bytes(gzip.compress(b"loss=1\nloss=2\n"))
    for _ in range(3):
        said = []
        assert loss_of(logs, journal, said) == [(0, 1.0, 1, 0), (0, 2.0, 2, 7)]
        assert said == []


def parts_of(journal):
    return [(log.part, os.path.basename(log.path)) for job in metricscan.Dataset(journal).jobs for log in job.logs]


@pytest.mark.parametrize("before", ["", "other"])
def test_a_compressed_log_without_content_is_one_part(logs, journal, before):
    path, said = logs / "a.log.gz", []
    if before:
        path.write_bytes(gzip.compress(b"loss=7\n"))
        loss_of(logs, journal)
    expected = [(0, 7.0, 1, 0)] if before else []
    path.write_bytes(gzip.compress(b""))
    for number in range(3):
        assert loss_of(logs, journal, said) == expected
        assert parts_of(journal) == [(part, "a.log.gz") for part in range(len(expected) + 1)]
        if not number:
            # that the second part begins, once
            once = len(said)
    assert len(said) == once
    path.write_bytes(gzip.compress(b"loss=1\nloss=2\n"))
    for _ in range(2):
        assert loss_of(logs, journal) == [*expected, (len(expected), 1.0, 1, 0), (len(expected), 2.0, 2, 7)]


@pytest.mark.parametrize("restarts", [False, True], ids=["one follower", "many followers"])
@pytest.mark.parametrize(("name", "first"), [("a.log.gz", 0), ("a.log.gz", 1), ("a.log.gz", 5), ("a.log", 2)])
def test_a_log_that_shows_late_that_it_is_compressed(logs, journal, name, first, restarts):
    # as gzip makes it: the file is there before its content
    path, said = logs / name, []
    lines = [b"loss=%d\n" % at for at in range(2000)]
    whole = gzip.compress(b"".join(lines), 1)
    path.write_bytes(whole[:first])
    loss_of(logs, journal, said) if restarts else None
    following = None if restarts else follow(logs, SCANNER, out=journal, on_notice=said.append, poll_interval=0)
    for cut in (first, 7, 100, 1500, len(whole)):
        with open(path, "r+b") as file:
            file.write(whole[:cut])
        for _ in range(2):
            if following is None:
                found = loss_of(logs, journal, said)
            else:
                following._loop._search()
                for some in following._loop._follower.poll():
                    list(following._loop._hand_on(some))
    if following is not None:
        following.close()
        found = loss_of(logs, journal, said)
    assert found == [(0, float(at), at + 1, len(b"".join(lines[:at]))) for at in range(2000)]
    # that its end is missing is said, and no loss
    assert {one.message.rpartition(": ")[2] for one in said} <= {"the gzip stream ends before its end marker"}


def test_of_a_compressed_log_that_grows_or_is_replaced_by_more_the_rest_is_read(logs, journal):
    path = logs / "a.log.gz"
    path.write_bytes(gzip.compress(b"loss=1\n"))
    loss_of(logs, journal)
    with open(path, "ab") as file:
        file.write(gzip.compress(b"loss=2\n"))
    assert loss_of(logs, journal) == [(0, 1.0, 1, 0), (0, 2.0, 2, 7)]
    (logs.parent / "new").write_bytes(gzip.compress(b"loss=1\nloss=2\nloss=3\n"))
    os.replace(logs.parent / "new", path)
    assert loss_of(logs, journal) == [(0, 1.0, 1, 0), (0, 2.0, 2, 7), (0, 3.0, 3, 14)]
    path.write_bytes(gzip.compress(b"loss=9\n"))
    assert loss_of(logs, journal)[3:] == [(1, 9.0, 1, 0)]


def test_a_damaged_compressed_log_gives_no_row_twice(logs, journal):
    chance = random.Random(5)
    lines = [b"loss=%d\n" % chance.randrange(10**6) for _ in range(3000)]
    whole, path = gzip.compress(b"".join(lines)), logs / "a.log.gz"
    path.write_bytes(whole[: len(whole) // 2])
    for _ in range(2):
        found = loss_of(logs, journal, rotate_wait=0.0)
        assert 500 < len(found) == len(set(found))
    path.write_bytes(whole)
    expected = [(0, float(line[5:]), at + 1, len(b"".join(lines[:at]))) for at, line in enumerate(lines)]
    assert loss_of(logs, journal) == expected


def test_a_record_at_the_end_of_a_compressed_log_may_go_on(logs, journal):
    for content, found in (
        (b"loss=1\nloss=2", [(0, 1.0, 1, 0), (0, 2.0, 2, 7)]),
        (b"loss=1\nloss=25 lo", [(0, 1.0, 1, 0), (0, 25.0, 2, 7)]),
        (b"loss=1\nloss=25 loss=3\n", [(0, 1.0, 1, 0), (0, 25.0, 2, 7), (0, 3.0, 2, 7)]),
    ):
        (logs / "a.log.gz").write_bytes(gzip.compress(content))
        for _ in range(2):
            assert loss_of(logs, journal) == found
