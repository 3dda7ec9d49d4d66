"""Followed logs of containers, beside a replay of the finished files."""

import gzip
import json
import os
import random

import pytest
from support.following import JournalFollower

import metricscan
from metricscan import Scanner, follow
from metricscan.errors import OptionError

SCANNER = Scanner(["loss=loss=([0-9.]+)", "step=step=([0-9]+)"])
TOLD = "is left out"


def docker(message, stream="stdout", second=1):
    entry = {"log": message, "stream": stream, "time": f"2026-05-04T03:02:{second % 60:02}.5Z"}
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


def cri(message, stream="stdout", second=1, tag="F"):
    return f"2026-05-04T03:02:{second % 60:02}.5Z {stream} {tag} {message}\n".encode()


def event(kind, message, stream="stdout", second=1, *, is_whole=True):
    """One event; what is not whole goes on in the next event of its stream."""
    if kind == "cri":
        return cri(message, stream, second, "F" if is_whole else "P")
    return docker(message + "\n" * is_whole, stream, second)


def rows(tables, *, by_end=False):
    """All rows; of streams only the last part of the name, if ``by_end``."""
    found = [
        (metric, *(value.rpartition("/")[2] if by_end and name == "stream" else value for name, value in row.items()))
        for metric in ("loss", "step")
        if metric in tables
        for row in (tables[metric].to_pylist() if hasattr(tables[metric], "to_pylist") else [])
    ]
    return sorted(found, key=repr)


def same(journal, folder, **options):
    """Assert that a journal has the rows of a replay of the folder, and return them."""
    found, expected = rows(metricscan.Dataset(journal)), rows(metricscan.replay(folder, SCANNER, **options))
    assert found == expected
    return found


def by_stream(tables):
    """Without the job, and of the stream the last part of its name."""
    return [(metric, stream, *rest) for metric, _, stream, *rest in rows(tables, by_end=True)]


def messages(chance, kind, count):
    """Events with fragments of both streams that overlap; all messages are whole at the end."""
    open_streams, data = set(), []
    for number in range(count):
        stream = chance.choice(["stdout", "stdout", "stderr"])
        text = chance.choice([f"loss={number}", f"step={number} ", "lo", "ss=1.", "7", "x", "", "a loss=2\r", "é"])
        is_whole = chance.random() < 0.6
        data.append(event(kind, text, stream, number, is_whole=is_whole))
        (open_streams.discard if is_whole else open_streams.add)(stream)
    data += [event(kind, f"end loss={count}", stream, count) for stream in sorted(open_streams)]
    return data


@pytest.mark.parametrize("kind", ["docker-json", "cri"])
@pytest.mark.parametrize("seed", range(25))
def test_growth_and_kills(tmp_path, logs, kind, seed):
    chance = random.Random(seed)
    data = b"".join(messages(chance, kind, chance.randrange(1, 60)))
    path = logs / "train.log"
    path.touch()
    follower = JournalFollower(
        logs, SCANNER, chunk_bytes=chance.choice([7, 50, 4096]), held_bytes=chance.choice([1, 1 << 20])
    )
    at = 0
    while at < len(data):
        step = chance.choice([1, 5, 60, 200, 1000])
        with open(path, "ab") as file:
            file.write(data[at : at + step])
        at += step
        what = chance.random()
        if what < 0.5:
            follower.poll(most=chance.choice([None, 1]))
        elif what < 0.75:
            # what was read is not committed
            for count, found in enumerate(follower.follower.poll()):
                follower.take_in(found)
                if count == chance.randrange(3):
                    break
            follower.kill()
            follower = JournalFollower(logs, SCANNER, chunk_bytes=chance.choice([7, 50, 4096]))
        elif what < 0.9:
            follower.poll()
            follower.kill()
            follower = JournalFollower(logs, SCANNER)
    follower.poll()
    follower.poll()
    follower.finish()
    follower.kill()
    assert follower.follower.errors == []
    assert by_stream(metricscan.Dataset(follower.path)) == by_stream(metricscan.replay(logs, SCANNER))


class Rotation:
    """The container's log of a pod, whose runtime renames it, compresses the files before, and writes on."""

    def __init__(self, folder, chance, kind):
        self.chance, self.kind = chance, kind
        self.path = folder / "train.log"
        self.file = open(self.path, "ab", buffering=0)  # noqa: SIM115
        self.number = 0

    def rotate(self):
        for number in range(self.number, 0, -1):
            for suffix in ("", ".gz"):
                old = self.path.with_name(f"train.log.{number}{suffix}")
                if old.exists():
                    old.rename(self.path.with_name(f"train.log.{number + 1}{suffix}"))
        self.number += 1
        self.path.rename(self.path.with_name("train.log.1"))
        self.file.close()
        self.file = open(self.path, "ab", buffering=0)  # noqa: SIM115

    def compress(self):
        plain = [self.path.with_name(f"train.log.{number}") for number in range(2, self.number + 1)]
        for old in plain:
            if old.exists() and self.chance.random() < 0.5:
                old.with_name(f"{old.name}.gz").write_bytes(gzip.compress(old.read_bytes()))
                old.unlink()


@pytest.mark.parametrize("kind", ["docker-json", "cri"])
@pytest.mark.parametrize("seed", range(25))
def test_rotation_and_kills(logs, kind, seed):
    chance = random.Random(seed)
    writer = Rotation(logs, chance, kind)
    follower = JournalFollower(logs, SCANNER, chunk_bytes=64)
    for _ in range(chance.randrange(1, 5)):
        data = b"".join(messages(chance, kind, chance.randrange(1, 12)))
        at = 0
        while at < len(data):
            step = chance.choice([5, 60, 200])
            writer.file.write(data[at : at + step])
            at += step
            if chance.random() < 0.6:
                follower.poll(most=chance.choice([None, None, 1]))
            if chance.random() < 0.3:
                follower.kill()
                writer.compress()
                follower = JournalFollower(logs, SCANNER, chunk_bytes=64)
        if chance.random() < 0.8:
            # a file that came and went between two polls is not seen
            follower.poll()
            writer.rotate()
            if chance.random() < 0.5:
                writer.compress()
    writer.file.write(event(kind, "last loss=1"))
    follower.poll()
    follower.poll()
    follower.finish()
    follower.kill()
    writer.file.close()
    assert [one.message for one in follower.notices if TOLD in one.message or "lost" in one.message] == []
    assert by_stream(metricscan.Dataset(follower.path)) == by_stream(metricscan.replay(logs, SCANNER))


@pytest.mark.parametrize("kind", ["docker-json", "cri"])
@pytest.mark.parametrize("seed", range(15))
def test_copies_and_truncations_and_kills(logs, kind, seed):
    """As logrotate's copytruncate does it. Each whole message that a poll saw gives its rows once, and no other row is there."""
    chance = random.Random(seed)
    path, expected = logs / "train.log", []
    path.touch()
    follower = JournalFollower(logs, SCANNER, chunk_bytes=chance.choice([64, 4096]))
    number = 0
    for copies in range(chance.randrange(2, 6)):
        for _ in range(chance.randrange(1, 12)):
            number += 1
            stream = chance.choice(["stdout", "stderr"])
            parts = chance.choice([[f"loss={number}"], ["lo", f"ss={number}"], ["loss=", str(number), " ok"]])
            with open(path, "ab", buffering=0) as file:
                for at, text in enumerate(parts, 1):
                    file.write(event(kind, text, stream, number, is_whole=at == len(parts)))
                    if chance.random() < 0.4:
                        follower.poll()
            expected.append((stream, number))
            if chance.random() < 0.2:
                follower.kill()
                follower = JournalFollower(logs, SCANNER, chunk_bytes=64)
        follower.poll()
        for older in range(copies, 0, -1):
            (logs / f"train.log.{older}").rename(logs / f"train.log.{older + 1}")
        (logs / "train.log.1").write_bytes(path.read_bytes())
        if chance.random() < 0.3:
            follower.kill()
            follower = JournalFollower(logs, SCANNER, chunk_bytes=64)
        if chance.random() < 0.3:
            follower.poll()
        os.truncate(path, 0)
        if chance.random() < 0.5:
            follower.poll()
    follower.poll()
    follower.poll()
    follower.finish()
    follower.kill()
    assert follower.follower.errors == []
    table = metricscan.Dataset(follower.path)["loss"].to_pylist()
    assert sorted((row["stream"].rpartition("/")[2], row["value"]) for row in table) == sorted(expected)


@pytest.mark.parametrize("kind", ["docker-json", "cri"])
@pytest.mark.parametrize("kills", [False, True])
def test_a_message_across_a_rotation_gives_no_wrong_value(logs, kind, kills):
    cut = "val_".rjust(16 * 1024, "x") if kind == "docker-json" else "val_"
    writer = Rotation(logs, random.Random(0), kind)
    follower = JournalFollower(logs, SCANNER)
    writer.file.write(event(kind, "loss=1") + event(kind, cut, is_whole=False) + event(kind, "loss=2", "stderr"))
    follower.poll()
    if kills:
        follower.kill()
    writer.rotate()
    writer.file.write(event(kind, "loss=7", "stderr") + event(kind, "loss=9") + event(kind, "loss=3"))
    if kills:
        follower = JournalFollower(logs, SCANNER)
    follower.poll()
    if kills:
        follower.kill()
        follower = JournalFollower(logs, SCANNER)
    follower.poll()
    follower.finish()
    follower.kill()
    writer.file.close()
    replayed = by_stream(metricscan.replay(logs, SCANNER))
    # read alone, the rest would give the value in part 1
    (joined,) = [row for row in replayed if row[3] == 9]
    assert joined[2] == 0
    found = by_stream(metricscan.Dataset(follower.path))
    assert found == [row for row in replayed if row != joined]
    told = [one["message"] for one in metricscan.Dataset(follower.path).manifest["notices"]]
    path = logs / "train.log"
    assert told == [f"{path}: a message on stdout began in part 0 and goes on in part 1: its last record is left out"]


@pytest.mark.parametrize("kind", ["docker-json", "cri"])
def test_what_the_file_before_got_meanwhile_is_not_taken_for_whole(logs, kind, monkeypatch):
    """Between the reads of two files the runtime writes a fragment into the first, and its rest into the second."""
    writer = Rotation(logs, random.Random(0), kind)
    follower = JournalFollower(logs, SCANNER)
    writer.file.write(event(kind, "loss=1"))
    follower.poll()
    old = writer.file
    os.rename(writer.path, logs / "train.log.1")
    writer.path.write_bytes(event(kind, "loss=9") + event(kind, "loss=3"))
    reader = next(iter(follower.follower._logs.values())).reader
    going_on = reader._going_on

    def late(number):
        old.write(event(kind, "val_".rjust(16 * 1024), is_whole=False))
        return going_on(number)

    monkeypatch.setattr(reader, "_going_on", late)
    follower.poll()
    follower.kill()
    old.close()
    assert [row[3] for row in by_stream(metricscan.Dataset(follower.path))] == [1, 3]
    told = [one.message for one in follower.notices if TOLD in one.message]
    assert len(told) == 3
    assert all("may have begun in part 0" in one for one in told)


# ---- names


def pod(folder, name="ns_pod-a_uid1", container="main"):
    place = folder / "pods" / name / container
    place.mkdir(parents=True)
    return place


@pytest.mark.parametrize("kind", ["docker-json", "cri"])
@pytest.mark.parametrize("begins_empty", [False, True])
def test_jobs_and_streams_are_those_of_a_replay(logs, journal, kind, begins_empty):
    first, second = pod(logs), pod(logs, "ns_pod-b_uid2", "side")
    data = event(kind, "loss=1 step=1") + event(kind, "loss=2", "stderr")
    for place in (first, second):
        (place / "0.log").write_bytes(b"" if begins_empty else data)
    for _ in range(2):
        list(follow(logs / "pods", SCANNER, out=journal, until="idle:0"))
        if begins_empty:
            for place in (first, second):
                (place / "0.log").write_bytes(data)
        begins_empty = False
    assert len(same(journal, logs / "pods")) == 6


@pytest.mark.parametrize("kind", ["docker-json", "cri"])
@pytest.mark.parametrize("begins_empty", [False, True])
@pytest.mark.parametrize("count", [1, 2])
def test_names_of_files(logs, journal, kind, begins_empty, count):
    data = event(kind, "loss=1") + event(kind, "loss=2", "stderr")
    for number in range(count):
        (logs / f"{number}a-json.log").write_bytes(b"" if begins_empty else data)
    with follow(logs, SCANNER, out=journal, until="idle:0.3", commit_interval=0.01) as following:
        if begins_empty:
            # they are followed as files of which nothing is known
            following._loop._search()
            for number in range(count):
                (logs / f"{number}a-json.log").write_bytes(data)
        list(following)
    assert len(same(journal, logs)) == 2 * count
    with open(logs / "0a-json.log", "ab") as file:
        file.write(event(kind, "loss=3", "stderr"))
    list(follow(logs, SCANNER, out=journal, until="idle:0"))
    assert len(same(journal, logs)) == 2 * count + 1


@pytest.mark.parametrize("kind", ["docker-json", "cri"])
def test_links_to_the_logs_of_pods(logs, journal, kind):
    place, links = pod(logs), logs / "containers"
    links.mkdir()
    (place / "0.log").write_bytes(event(kind, "loss=1"))
    (links / "pod-a_ns_main-abc.log").symlink_to(place / "0.log")
    list(follow(links, SCANNER, out=journal, until="idle:0"))
    assert len(same(journal, links)) == 1
    with follow(links, SCANNER, out=journal, poll_interval=0.01, commit_interval=0.01, rotate_wait=0) as following:
        with open(place / "0.log", "ab") as file:
            file.write(event(kind, "loss=2", "stderr"))
        assert next(following).rows["loss"]["value"].to_pylist() == [2]
        # the file is rotated, and the link leads to the next one
        os.rename(place / "0.log", place / "0.log.20260504-030201")
        (place / "0.log").write_bytes(event(kind, "loss=3", "stderr"))
        assert next(following).rows["loss"]["value"].to_pylist() == [3]
    assert [row[2:5] for row in rows(metricscan.Dataset(journal))] == [
        ("stderr", 0, 2),
        ("stderr", 1, 3),
        ("stdout", 0, 1),
    ]


def test_a_rotation_behind_a_link_while_nothing_follows_is_a_loss_that_is_said(logs, journal):
    place, links = pod(logs), logs / "containers"
    links.mkdir()
    (place / "0.log").write_bytes(cri("loss=1"))
    (links / "pod-a_ns_main-abc.log").symlink_to(place / "0.log")
    list(follow(links, SCANNER, out=journal, until="idle:0"))
    os.rename(place / "0.log", place / "0.log.20260504-030201")
    (place / "0.log").write_bytes(cri("loss=3"))
    list(follow(links, SCANNER, out=journal, until="idle:0"))
    assert [row[3:5] for row in rows(metricscan.Dataset(journal))] == [(0, 1), (1, 3)]
    (notice,) = metricscan.Dataset(journal).manifest["notices"]
    assert "may be lost" in notice["message"]


def test_rotated_pods(logs, journal):
    place = pod(logs)
    (place / "0.log.20260504-030100").write_bytes(cri("loss=1") + cri("loss=2", "stderr"))
    (place / "0.log").write_bytes(cri("loss=3"))
    list(follow(logs / "pods", SCANNER, out=journal, until="idle:0", rotate_wait=0))
    assert len(same(journal, logs / "pods")) == 3
    os.rename(place / "0.log", place / "0.log.20260504-030201")
    (place / "0.log").write_bytes(cri("loss=4", "stderr"))
    list(follow(logs / "pods", SCANNER, out=journal, until="idle:0", rotate_wait=0))
    assert len(same(journal, logs / "pods")) == 4


def test_rows_that_name_no_stream_are_of_the_log(logs, journal):
    path = logs / "a.log"
    path.write_bytes(b'{"log":"loss=1\\n","time":"2026-03-01T10:00:00.5Z"}\n')
    list(follow(logs, SCANNER, out=journal, until="idle:0"))
    assert [row[1:3] for row in same(journal, logs)] == [("a", "a.log")]


# ---- steps, commits, damage


def test_rows_with_their_steps_by_stream(logs, journal):
    path = logs / "a.log"
    path.write_bytes(cri("step=1") + cri("step=7", "stderr") + cri("loss=0.5"))
    joined = {"step": "step", "step_place": "before"}
    batches = list(follow(logs, SCANNER, out=journal, until="idle:0", **joined))
    with open(path, "ab") as file:
        file.write(cri("loss=0.25", "stderr") + cri("loss=0.125"))
    batches += follow(logs, SCANNER, out=journal, until="idle:0", **joined)
    live = [(file.stream, row.value, row.step) for batch in batches for file, row in batch.live]
    assert sorted(live) == [("stderr", 0.25, 7), ("stdout", 0.125, 1), ("stdout", 0.5, 1)]


def test_all_streams_of_a_read_are_in_one_commit(logs, journal, monkeypatch):
    import metricscan.datasets.journal as module

    monkeypatch.setattr(module, "_HELD_ROWS", 1)
    (logs / "a.log").write_bytes(cri("loss=1") + cri("loss=2", "stderr"))
    list(follow(logs, SCANNER, out=journal, until="idle:0"))
    batches = list(metricscan.JournalReader(journal).read_from(batch_rows=1))
    (batch,) = [one for one in batches if "loss" in one.rows]
    assert sorted(batch.rows["loss"]["value"].to_pylist()) == [1, 2]


def test_damage_is_said_and_passed_over(logs, journal):
    path = logs / "a.log"
    path.write_bytes(cri("loss=1") + b"\0" * 64 + cri("loss=2"))
    following = follow(logs, SCANNER, out=journal, until="idle:0")
    list(following)
    (error,) = following.errors
    assert "a.log" in error.message
    assert "passed over" in error.message
    found = rows(metricscan.Dataset(journal))
    assert [row[4] for row in found] == [1, 2]


def test_a_log_whose_first_line_is_long(logs, journal):
    path = logs / "a.log"
    line = docker("x" * 16_000 + " loss=1\n")
    for at in range(0, len(line), 3000):
        with open(path, "ab") as file:
            file.write(line[at : at + 3000])
        list(follow(logs, SCANNER, out=journal, until="file:/", poll_interval=0))
    list(follow(logs, SCANNER, out=journal, until="file:/", poll_interval=0))
    found = rows(metricscan.Dataset(journal))
    assert [(row[3], row[4]) for row in found] == [(0, 1)]


def test_plain_reads_it_as_text(logs):
    (logs / "a.log").write_bytes(docker("loss=1\n"))
    batches = list(follow(logs, SCANNER, until="idle:0", input_format="plain"))
    assert [row["stream"] for row in batches[0].rows["loss"].to_pylist()] == ["a.log"]
    with pytest.raises(OptionError, match="formats are detected"):
        follow(logs, SCANNER, input_format="cri")


def test_a_row_comes_while_it_follows(logs):
    path = logs / "a.log"
    path.touch()
    with follow(logs, SCANNER, poll_interval=0.01) as following:
        path.write_bytes(docker("loss=1\n"))
        batch = next(following)
        assert batch.rows["loss"]["stream"].to_pylist() == ["stdout"]
        with open(path, "ab") as file:
            file.write(docker("loss=2\n", "stderr"))
        batch = next(following)
        assert batch.rows["loss"]["stream"].to_pylist() == ["stderr"]
