"""What following notes of logs besides their rows, beside a replay of the finished files: the doubts of a ranking."""

import itertools
import json
import random
import warnings

import pytest

import metricscan
from metricscan import Dataset, DoubtWarning, FollowedFile, Journal, JournalReader, Objective, Scanner, follow
from metricscan.cli import main

SCANNER = Scanner(["loss=loss=([0-9.]+)", "acc=acc: ([0-9.]+)"])
CRASH = b'Traceback (most recent call last):\n  File "a.py", line 1\nValueError: x\n'
LINES = [
    b"loss=0.5\n",
    b"loss=0.25\n",
    b"loss=0.125\r\n",
    b"loss=nan\n",
    b"loss=1,234.5\n",
    b"loss=-0.5\n",
    b"\x1b[1mloss\x1b[0m=0.1\n",
    b"acc: 92.1%\n",
    b"acc: 17 MB\n",
    b"acc: 0.5\n",
    b"loss=0.\n25\n",
    b"loss=\n0.125\n",
    b"loss=2e\n-5\n",
    b"message repeated 3 times: [ loss=0.5]\n",
    b"Suppressed 5 messages from /x.service\n",
    b"Epoch 5\n",
    b"text\n",
    b"\n",
    b"loss=3\r",
    CRASH,
]


def doubts(dataset):
    """Each ranking's values, and the kinds and places of their doubts; a journal knows of no second start without a step."""

    def places(row):
        some = [one for one in row["doubts"] if one["kind"] != "restarted"]
        return sorted((one["kind"], one["line"] or 0, one["offset"] or 0) for one in some)

    return [
        (row["job"], row["value"], places(row))
        for metric in ("loss", "acc")
        for goal in ("Minimize", "Maximize")
        for row in metricscan.rank(dataset, Objective(metric, goal)).to_pylist()
    ]


def noted(dataset):
    """All that is known of its logs."""
    logs = {
        key: (
            one.crash,
            {
                metric: (
                    some.last_near_miss,
                    some.is_not_finite,
                    some.cut_starts.tolist(),
                    some.unterminated_start,
                    some.dropped,
                    some.last_cut_line,
                    some.cut_line_starts.tolist(),
                )
                for metric, some in one.suspects.items()
            },
        )
        for key, one in dataset.evidence.logs.items()
    }
    units = {
        metric: [(unit.unit, unit.text, unit.line, unit.offset) for unit in units]
        for metric, units in dataset.evidence.units.items()
        if len(units) > 1
    }
    return logs, units


def written_in_pieces(chance, logs, texts, after_each):
    """Append random pieces to the logs, in turn."""
    at = dict.fromkeys(texts, 0)
    while any(at[name] < len(text) for name, text in texts.items()):
        for name, text in texts.items():
            size = chance.choice([0, 1, 2, 7, 40])
            with open(logs / name, "ab") as file:
                file.write(text[at[name] : at[name] + size])
            at[name] += size
        after_each()


@pytest.mark.parametrize("seed", range(12))
def test_the_doubts_of_a_journal_are_those_of_a_replay(tmp_path, seed):
    chance = random.Random(seed)
    logs, journal = tmp_path / "logs", tmp_path / "journal"
    logs.mkdir()
    texts = {
        f"trial_{at}.log": b"".join(chance.choices(LINES, k=chance.randint(1, 9)))
        + chance.choice([b"", b"loss=0.7", b"loss=0.\n5"])
        for at in range(chance.randint(1, 3))
    }

    def follow_all():
        follow(logs, SCANNER, out=journal, until="idle:0").run()

    # each piece by another process, in effect, or all at once
    written_in_pieces(chance, logs, texts, follow_all if seed % 2 else lambda: None)
    follow_all()
    metricscan.replay(logs, SCANNER, out=tmp_path / "replayed")
    replayed, followed = Dataset(tmp_path / "replayed"), Dataset(journal)
    compacted = Dataset(metricscan.compact(journal))
    assert noted(followed) == noted(compacted) == noted(replayed)
    assert doubts(followed) == doubts(compacted) == doubts(replayed)
    assert followed.evidence.unknown == compacted.evidence.unknown == ("restarted",)
    # suspects are no rows
    assert set(followed) == {"loss", "acc"}
    assert all(set(batch.rows) <= {"loss", "acc"} for batch in JournalReader(journal).read_from())


@pytest.mark.parametrize("seed", range(6))
def test_the_doubts_of_containers_logs(tmp_path, seed):
    chance = random.Random(seed)
    logs, journal = tmp_path / "logs", tmp_path / "journal"
    logs.mkdir()

    def event(line):
        stream, time = chance.choice(["stdout", "stderr"]), "2026-05-04T03:02:01.5Z"
        if seed % 2:
            return f"{time} {stream} F {line}\n".encode()
        return json.dumps({"log": line + "\n", "stream": stream, "time": time}).encode() + b"\n"

    lines = [*b"".join(LINES).decode().replace("\r", "").splitlines(), "Killed", "Killed"]
    texts = {f"trial_{at}.log": b"".join(map(event, chance.choices(lines, k=9))) for at in range(2)}
    with follow(logs, SCANNER, out=journal, poll_interval=0) as following:
        loop = following._loop

        def poll():
            loop._search()
            for found in loop._follower.poll():
                list(loop._hand_on(found))

        written_in_pieces(chance, logs, texts, poll)
    metricscan.replay(logs, SCANNER, out=tmp_path / "replayed")
    assert doubts(journal) == doubts(tmp_path / "replayed")
    assert Dataset(journal).evidence.unknown == ("restarted",)


@pytest.mark.parametrize("size", [1, 150, 1 << 21])
def test_lines_that_are_cut_where_a_piece_of_an_exports_text_ends(tmp_path, monkeypatch, size):
    logs, out = tmp_path / "logs", tmp_path / "replayed"
    logs.mkdir()
    monkeypatch.setattr("metricscan.logs.exports._PIECE_BYTES", size)
    events = [
        json.dumps({"log": f"{text}\n", "stream": "stdout", "time": "2026-05-04T03:02:01Z"}) + "\n"
        for text in ("loss=0.", "25", "loss=", "0.125", "text") * 20
    ]
    (logs / "a.log").write_text("".join(events))
    metricscan.replay(logs, SCANNER, out=out)
    follow(logs, SCANNER, out=tmp_path / "journal", until="file:/").run()
    sizes = list(itertools.accumulate(map(len, events), initial=0))
    begin = len('{"log": "loss=')
    cut = [at + begin for number, at in enumerate(sizes[:-1]) if number % 5 in (0, 2)]
    for dataset in (out, tmp_path / "journal"):
        noted = Dataset(dataset).evidence.logs["a", "stdout", 0].suspects["loss"]
        assert noted.cut_line_starts.tolist() == cut
        assert noted.last_cut_line == (98, sizes[97] + len('{"log": "'))


@pytest.mark.parametrize("kind", ["docker", "cri", "lines"])
@pytest.mark.parametrize("seed", range(3))
def test_each_event_by_another_follower(tmp_path, kind, seed):
    """A line may be cut just where one follower ended."""
    chance = random.Random(f"{kind} {seed}")
    logs, journal = tmp_path / "logs", tmp_path / "journal"
    logs.mkdir()

    def event(at, line):
        stream = chance.choice(["stdout", "stderr"])
        if kind == "docker":
            return json.dumps({"log": line + "\n", "stream": stream, "time": f"2026-05-04T03:02:0{at % 10}Z"})
        if kind == "cri":
            return f"2026-05-04T03:02:0{at % 10}Z {stream} F {line}"
        return json.dumps(
            {"logStreamName": f"job-{stream}/algo-1-1", "timestamp": 1_770_000_000_000 + at, "message": line}
        )

    # the first lines fill more than what the next follower looks at
    begin = ["x" * 200] * chance.choice([0, 1, 400])
    lines = begin + chance.choices(["loss=0.", "25", "loss=", "0.125", "loss=2e", "-5", "loss=0.5", "text"], k=14)
    path = logs / ("export.json" if kind == "lines" else "a.log")
    for at, line in enumerate(lines):
        with open(path, "a") as file:
            file.write(event(at, line) + "\n")
        if at >= len(begin):
            follow(logs, SCANNER, out=journal, until="file:/").run()
    metricscan.replay(logs, SCANNER, out=tmp_path / "replayed")
    followed, replayed = Dataset(journal), Dataset(tmp_path / "replayed")
    # a stream that was there alone has another name
    assert unnamed(followed) == unnamed(replayed)
    assert [one[1:] for one in doubts(followed)] == [one[1:] for one in doubts(replayed)]


def unnamed(dataset):
    logs, units = noted(dataset)
    return sorted(map(repr, logs.values())), units


def test_the_crash_of_a_container_is_gone_when_it_goes_on(tmp_path):
    logs, journal = tmp_path / "logs", tmp_path / "journal"
    logs.mkdir()

    def write(message, stream):
        with open(logs / "a.log", "a") as file:
            file.write(f"2026-05-04T03:02:01.5Z {stream} F {message}\n")
        follow(logs, SCANNER, out=journal, until="idle:0").run()
        return [one["kind"] for one in metricscan.rank(journal, Objective("loss", "Minimize"))["doubts"][0].as_py()]

    assert write("loss=1", "stdout") == []
    assert write("Killed", "stderr") == ["crashed"]
    assert write("restarted", "stdout") == []


def test_the_first_line_of_a_container_that_was_taken_for_text(tmp_path):
    path, journal = tmp_path / "a.log", tmp_path / "journal"
    line = b'{"log":"loss=0.5\\n","stream":"stdout","time":"2026-05-04T03:02:01Z"}\n'
    for end in (20, len(line)):
        path.write_bytes(line[:end])
        follow(path, SCANNER, out=journal, until="idle:0").run()
    assert Dataset(journal)["loss"]["start"].to_pylist() == [13]
    assert len(Dataset(journal)["loss"]) == 1


def test_what_a_journal_does_not_know_is_said_where_it_matters(tmp_path):
    journal = tmp_path / "journal"
    with Journal.open(journal, SCANNER) as writer, SCANNER.stream() as stream:
        stream.feed(b"loss=0.5\n")
        writer.append(FollowedFile("a", "stdout", 0, "a.log"), stream.take())
    assert "near-miss-after" in Dataset(journal).evidence.unknown
    with pytest.warns(DoubtWarning, match="of near-miss-after it is not known which jobs have it; replay the logs"):
        metricscan.rank(journal, Objective("loss", "Minimize"), exclude_doubts=["near-miss-after", "behind"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        metricscan.rank(journal, Objective("loss", "Minimize"), exclude_doubts="behind")


def test_a_file_that_was_followed_without_suspects_stays_unknown(tmp_path):
    journal, file = tmp_path / "journal", FollowedFile("a", "stdout", 0, "a.log")
    for suspects in ({}, None, {}):
        with Journal.open(journal, SCANNER) as writer, SCANNER.stream() as stream:
            stream.feed(b"loss=0.5\n")
            writer.append(file, stream.take(), crash=False, suspects=suspects)
        assert ("cut-value" in Dataset(journal).evidence.unknown) == (writer._state.watched == [False])
    assert "cut-value" in Dataset(journal).evidence.unknown


def test_that_a_second_start_is_not_noticed_is_said_where_no_step_shows_it(tmp_path, capsys):
    path, journal = tmp_path / "a.log", tmp_path / "journal"
    begin = b"start of run\n"
    path.write_bytes(begin + b"".join(b"%sepoch=%d loss=%d\n" % (begin * (at == 3), at % 3, 9 - at) for at in range(5)))
    scanner = Scanner(["loss=loss=([0-9.]+)", "epoch=epoch=([0-9]+)"])
    follow(path, scanner, out=journal, until="idle:0").run()
    metricscan.compact(journal, tmp_path / "compacted")
    said = (
        "of rows that were read as they came it is not known whether a job has these doubts: restarted; replay the logs"
    )
    excluding = {"exclude_doubts": ["restarted"]}
    for dataset in (journal, tmp_path / "compacted"):
        with pytest.warns(DoubtWarning, match="of restarted it is not known"):
            metricscan.rank(dataset, Objective("loss", "Minimize"), **excluding)
        main(["rank", str(dataset), "--minimize", "loss"])
        assert f"{said}, or give a step" in capsys.readouterr().err
        # with a step it is known
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            (row,) = metricscan.rank(dataset, Objective("loss", "Minimize", step="epoch"), **excluding).to_pylist()
        assert row["rank"] is None
        main(["rank", str(dataset), "--minimize", "loss", "--step", "epoch"])
        assert said[:30] not in capsys.readouterr().err
