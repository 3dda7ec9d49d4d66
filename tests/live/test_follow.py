"""metricscan.follow: batches of rows as they come, through a journal or at once."""

import asyncio
import gc
import os
import subprocess
import sys
import threading

import pytest

import metricscan
from metricscan import Journal, JournalReader, Objective, Scanner, follow
from metricscan.errors import OptionError, SourceError
from metricscan.live.until import Until

SCANNER = Scanner(["loss=loss=([0-9.]+)", "epoch=epoch=([0-9]+)"])
QUICK = {"poll_interval": 0.01, "commit_interval": 0.02}


def append(path, text):
    with open(path, "ab", buffering=0) as file:
        file.write(text.encode())


def rows(batches, metric="loss"):
    return [
        (row["job"], row["stream"], row["part"], row["value"], row["line"], row["offset"])
        for batch in batches
        if metric in batch.rows
        for row in batch.rows[metric].to_pylist()
    ]


def test_rows_of_several_logs(logs):
    append(logs / "a.log", "epoch=1 loss=1\nloss=2\n")
    append(logs / "b.log", "loss=3\n")
    batches = list(follow(logs, SCANNER, until="idle:0"))
    assert sorted(rows(batches)) == [
        ("a", "a.log", 0, 1, 1, 0),
        ("a", "a.log", 0, 2, 2, 15),
        ("b", "b.log", 0, 3, 1, 0),
    ]
    assert [batch.cursor for batch in batches] == [None] * len(batches)
    replayed = metricscan.replay(logs, SCANNER)["loss"]
    assert [batch.rows["loss"].schema for batch in batches] == [replayed.schema] * len(batches)


def test_lines_that_are_added_while_it_runs(logs):
    append(logs / "a.log", "loss=1\nlo")
    with follow(logs, SCANNER, **QUICK) as following:
        found = rows([next(following)])
        append(logs / "a.log", "ss=2\n")
        found += rows([next(following)])
        append(logs / "b.log", "loss=3\n")
        found += rows([next(following)])
    assert [(row[0], row[3]) for row in found] == [("a", 1), ("a", 2), ("b", 3)]


def test_logs_with_equal_first_kilobytes_are_not_taken_for_one(tmp_path):
    # Filebeat takes the second one for the first one, renamed
    logs, journal = tmp_path / "logs", tmp_path / "journal"
    logs.mkdir()
    header = "# the same settings in each log\n" * 300
    for number in range(3):
        for job in "abc"[: number + 1]:
            append(
                logs / f"{job}.log",
                f"loss={number}\n" if (logs / f"{job}.log").exists() else f"{header}loss={number}\n",
            )
        if number == 1:
            (logs / "a.log").rename(logs / "a.log.1")
            append(logs / "a.log", f"{header}loss=9\n")
        follow(logs, SCANNER, out=journal, until="idle:0").run()
    rows = metricscan.Dataset(journal)["loss"].select(["job", "part", "value"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        *(("a", 0, 0.0), ("a", 0, 1.0), ("a", 1, 9.0), ("a", 1, 2.0)),
        *(("b", 0, 1.0), ("b", 0, 2.0), ("c", 0, 2.0)),
    ]
    assert metricscan.Dataset(journal).manifest["notices"] == []


def test_a_journal_is_gone_on_with(logs, journal):
    append(logs / "a.log", "loss=1\nlo")
    assert len(rows(follow(logs, SCANNER, out=journal, until="file:/"))) == 1
    append(logs / "a.log", "ss=2\n")
    assert [row[3] for row in rows(follow(logs, SCANNER, out=journal, until="idle:0"))] == [2]
    assert rows(follow(logs, SCANNER, out=journal, until="idle:0")) == []
    assert metricscan.Dataset(journal)["loss"]["value"].to_pylist() == [1, 2]


def test_a_cursor_gives_what_was_not_handled(logs, journal):
    append(logs / "a.log", "loss=1\n")
    with follow(logs, SCANNER, out=journal, **QUICK) as following:
        first = next(following)
        append(logs / "a.log", "loss=2\n")
        second = next(following)
    append(logs / "a.log", "loss=3\n")
    again = list(follow(logs, SCANNER, out=journal, cursor=first.cursor, until="idle:0"))
    assert [row[3] for row in rows(again)] == [2, 3]
    assert rows(JournalReader(journal).read_from(second.cursor)) == rows(again)[1:]


def test_the_last_record_counts_at_the_end_and_is_replaced_if_it_goes_on(logs, journal):
    append(logs / "a.log", "loss=1\nloss=2")
    assert [row[3] for row in rows(follow(logs, SCANNER, out=journal, until="idle:0"))] == [1, 2]
    # nothing new
    assert list(follow(logs, SCANNER, out=journal, until="idle:0")) == []
    append(logs / "a.log", "5\nloss=3")
    (batch,) = follow(logs, SCANNER, out=journal, until="idle:0")
    assert [(one.file.job, one.offset) for one in batch.replaced] == [("a", 7)]
    assert metricscan.Dataset(journal)["loss"]["value"].to_pylist() == [1, 25, 3]
    assert metricscan.Dataset(journal)["loss"]["line"].to_pylist() == [1, 2, 3]


def test_flush_after_takes_records_that_wait(logs):
    append(logs / "a.log", "loss=2")
    with follow(logs, SCANNER, flush_after=0.02, **QUICK) as following:
        assert [row[3] for row in rows([next(following)])] == [2]
        append(logs / "a.log", "5")
        batch = next(following)
        assert [one.offset for one in batch.replaced] == [0]
        assert [row[3] for row in rows([batch])] == [25]


@pytest.mark.parametrize(
    ("before", "after"), [({}, {"step": "epoch"}), ({"step": "epoch"}, {}), ({"step": "epoch"}, {"step": "loss"})]
)
def test_a_journal_that_is_gone_on_with_otherwise(logs, journal, before, after):
    append(logs / "a.log", "epoch=1 loss=1\nloss=2")
    list(follow(logs, SCANNER, out=journal, until="idle:0", **before))
    # at once, though nothing is new
    with pytest.raises(OptionError, match=r"had no steps|step="):
        follow(logs, SCANNER, out=journal, **after)
    # the lock is free
    assert list(follow(logs, SCANNER, out=journal, until="idle:0", **before)) == []


def test_a_log_that_crashed_is_doubted_as_by_a_replay(logs, journal):
    objective = metricscan.Objective("loss", "Minimize")
    crash = 'Traceback (most recent call last):\n  File "a.py", line 3\nValueError: nan\n'
    append(logs / "a.log", f"loss=1\n{crash}")
    append(logs / "b.log", f"loss=2\n{crash}loss=3\n")
    list(follow(logs, SCANNER, out=journal, until="idle:0"))
    found = metricscan.rank(journal, objective)
    assert [[one["kind"] for one in doubts] for doubts in found["doubts"].to_pylist()] == [["crashed"], []]
    assert (
        found["doubts"].to_pylist()
        == metricscan.replay(logs, SCANNER, objective=objective).ranking["doubts"].to_pylist()
    )
    append(logs / "a.log", "resumed\n")
    list(follow(logs, SCANNER, out=journal, until="idle:0"))
    assert metricscan.rank(journal, objective)["doubts"].to_pylist() == [[], []]
    assert "crashed" not in metricscan.Dataset(journal).manifest["unknown_doubts"]


def test_stop_commits_what_was_read(logs, journal):
    append(logs / "a.log", "loss=1\nloss=2")
    following = follow(logs, SCANNER, out=journal, poll_interval=60, commit_interval=60)
    threading.Timer(0.2, following.stop).start()
    assert [row[3] for row in rows(following)] == [1]
    assert metricscan.Dataset(journal)["loss"]["value"].to_pylist() == [1]


def test_leaving_the_block_commits_and_an_error_does_not(logs, journal):
    append(logs / "a.log", "loss=1\n")
    with follow(logs, SCANNER, out=journal, **QUICK) as following:
        next(following)
    append(logs / "a.log", "loss=2\n")
    with pytest.raises(KeyError), follow(logs, SCANNER, out=journal, **QUICK):
        raise KeyError
    # the lock is free
    assert [row[3] for row in rows(follow(logs, SCANNER, out=journal, until="idle:0"))] == [2]


@pytest.fixture
def without_collections():
    """No cycle of references is found meanwhile."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collections")
def test_who_leaves_the_loop_lets_go_of_the_journal(logs, journal):
    append(logs / "a.log", "loss=1\n")
    for _ in follow(logs, SCANNER, out=journal, **QUICK):
        break
    append(logs / "a.log", "loss=2\n")

    async def first():
        async for batch in follow(logs, SCANNER, out=journal, **QUICK):
            return batch
        return None

    assert [row[3] for row in rows([asyncio.run(first())])] == [2]
    # what was read before it ended is there
    append(logs / "a.log", "loss=3\n")
    assert [row[3] for row in rows(follow(logs, SCANNER, out=journal, until="idle:0"))] == [3]
    assert metricscan.Dataset(journal)["loss"]["value"].to_pylist() == [1, 2, 3]


@pytest.mark.usefixtures("without_collections")
def test_a_following_that_is_kept_goes_on_after_a_loop(logs, journal):
    append(logs / "a.log", "loss=1\n")
    following = follow(logs, SCANNER, out=journal, **QUICK)
    for _ in following:
        break
    append(logs / "a.log", "loss=2\n")
    assert [row[3] for row in rows([next(following)])] == [2]
    with pytest.raises(SourceError, match="is being written"):
        follow(logs, SCANNER, out=journal)
    del following
    follow(logs, SCANNER, out=journal).close()


def test_until_a_process_has_ended(logs):
    append(logs / "a.log", "loss=1\n")
    code = f"input(); open({str(logs / 'a.log')!r}, 'a').write('loss=2')"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as child:
        found = []
        for batch in follow(logs, SCANNER, until=f"pid:{child.pid}", **QUICK):
            found += rows([batch])
            if not child.stdin.closed:
                # it goes on and ends, and is a zombie then: nobody waits for it
                child.stdin.write(b"\n")
                child.stdin.close()
    assert [row[3] for row in found] == [1, 2]


def test_it_ends_though_a_log_is_written_to_all_the_time(logs):
    append(logs / "a.log", "loss=1\n")
    batches = 0
    for _ in follow(logs, SCANNER, until="file:/"):
        batches += 1
        assert batches < 10
        append(logs / "a.log", "loss=1\n")
    assert batches > 1


def test_stop_after_the_end(logs, journal):
    following = follow(logs, SCANNER, out=journal, until="idle:0")
    assert list(following) == []
    following.stop()
    following.close()


def test_what_is_not_there_yet_is_said_once(tmp_path):
    said = []
    with follow(tmp_path / "new", SCANNER, on_notice=said.append, **QUICK) as following:
        threading.Timer(0.3, append, (tmp_path / "new", "loss=1\n")).start()
        next(following)
    assert [one.message for one in said] == [f"no logs yet in {tmp_path / 'new'}: they are followed when they appear"]


def test_until_without_descriptors_of_processes(logs, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    append(logs / "a.log", "loss=1\n")
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert len(rows(follow(logs, SCANNER, until=f"pid:{child.pid}"))) == 1
    with Until(f"pid:{os.getpid()}") as running:
        assert not running.is_met(0)


def test_asynchronous_iteration(logs):
    append(logs / "a.log", "loss=1\n")

    async def read():
        found = []
        async with follow(logs, SCANNER, **QUICK) as following:
            async for batch in following:
                found += rows([batch])
                if len(found) == 2:
                    break
                append(logs / "a.log", "loss=2\n")
        return found

    assert [row[3] for row in asyncio.run(read())] == [1, 2]


def test_a_task_that_is_cancelled_lets_go(logs, journal):
    append(logs / "a.log", "loss=1\n")

    async def main():
        has_rows = asyncio.Event()

        async def read():
            async with follow(logs, SCANNER, out=journal, poll_interval=60) as following:
                async for _ in following:
                    has_rows.set()

        task = asyncio.create_task(read())
        await has_rows.wait()
        # it waits for more by now, or is about to
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert list(follow(logs, SCANNER, out=journal, until="idle:0")) == []
    assert metricscan.Dataset(journal)["loss"].num_rows == 1


def test_losses_and_new_generations_are_said(logs, journal):
    said = []
    append(logs / "a.log", "loss=1\nlo")
    with follow(logs, SCANNER, out=journal, on_notice=said.append, **QUICK) as following:
        next(following)
        os.truncate(logs / "a.log", 0)
        append(logs / "a.log", "loss=2\n")
        assert rows([next(following)]) == [("a", "a.log", 1, 2, 1, 0)]
    path = logs / "a.log"
    assert [one.message for one in said] == [
        f"{path} was truncated: of part 0, bytes from 7 on may be lost; it was seen with 9 bytes",
        f"{path} is another file now: its part 1 begins",
    ]
    assert [one["message"] for one in metricscan.Dataset(journal).manifest["notices"]] == [said[0].message]


def test_what_was_cut_of_the_journal_is_said(logs, journal):
    append(logs / "a.log", "loss=1\n")
    list(follow(logs, SCANNER, out=journal, until="idle:0"))
    append(journal / "000001.segment", "of a commit")
    said = []
    list(follow(logs, SCANNER, out=journal, until="idle:0", on_notice=said.append))
    (notice,) = said
    assert notice.message.startswith("11 bytes behind byte ")
    assert notice.message.endswith("were no whole commit, and were cut")


@pytest.mark.parametrize("before", [[], ["loss=1\n"]])
def test_pieces_of_a_log_whose_last_file_is_gone_are_read(logs, journal, before):
    for text in before:
        append(logs / "a.log.2", text)
    append(logs / "a.log", "loss=2\n")
    list(follow(logs, SCANNER, out=journal, until="idle:0"))
    # nobody looks, and of the pieces since then only the newest is kept
    os.unlink(logs / "a.log")
    append(logs / "a.log.1", "loss=4\n")
    append(logs / "a.log", "loss=5\n")
    for _ in range(2):
        list(follow(logs, SCANNER, out=journal, until="idle:0"))
        found = metricscan.Dataset(journal)["loss"]["value"].to_pylist()
        assert found == ([1.0] if before else []) + [2.0, 4.0, 5.0]


def test_what_no_command_reads_is_refused(logs):
    append(logs / "a.log", '{"queryLanguage": "CWLI", "results": [[{"field": "@message", "value": "loss=1"}]]}\n')
    append(logs / "b.log", "loss=2\n")
    following = follow(logs, SCANNER, until="idle:0")
    assert [row[0] for row in rows(following)] == ["b"]
    (error,) = following.errors
    assert "a.log is the answer of aws logs get-query-results" in error.message
    assert len(rows(follow(logs, SCANNER, until="idle:0", input_format="plain"))) == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("step", [1, 2, 5, 17])
def test_a_log_with_a_mark(logs, journal, encoding, step):
    text = "loss=1\nloss=2\nloss=3\n".encode(encoding)
    for begin in range(0, len(text), step):
        with open(logs / "a.log", "ab") as file:
            file.write(text[begin : begin + step])
        list(follow(logs, SCANNER, out=journal, until="file:/", poll_interval=0))
    expected = metricscan.replay(logs, SCANNER)["loss"].to_pylist()
    assert metricscan.Dataset(journal)["loss"].to_pylist() == expected


def test_two_followers_of_one_journal(logs, journal):
    with follow(logs, SCANNER, out=journal), pytest.raises(SourceError, match="is being written by process"):
        follow(logs, SCANNER, out=journal)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"until": "noon"}, "until='noon'"),
        ({"until": ["idle:1", "pid:x"]}, "until='pid:x'"),
        ({"poll_interval": -1}, "poll_interval=-1"),
        ({"flush_after": float("nan")}, "flush_after=nan"),
        ({"cursor": "1"}, "it needs out"),
        ({"input_format": "cri"}, "formats are detected"),
        ({"job": "("}, "not a valid regex"),
    ],
)
def test_invalid_options(logs, options, message):
    with pytest.raises(OptionError, match=message.replace("(", r"\(")):
        follow(logs, SCANNER, **options)


def test_a_journal_of_other_definitions(logs, journal):
    list(follow(logs, SCANNER, out=journal, until="idle:0"))
    with pytest.raises(OptionError, match="other definitions or options"):
        follow(logs, Scanner(["a=a=(.)"]), out=journal)


def test_live_rows_have_their_steps(logs, journal):
    options = {"out": journal, "step": "epoch", "step_place": "after", "until": "idle:0"}
    append(logs / "a.log", "loss=1\nepoch=1 loss=2\nloss=3\n")
    (batch,) = follow(logs, SCANNER, **options)
    assert [(file.job, row.metric, row.value, row.step) for file, row in batch.live] == [
        ("a", "loss", 1, 1),
        ("a", "loss", 2, 1),
    ]
    # the row that waits for its step is in the journal, and in the state of the stream
    assert rows([batch])[-1][3] == 3
    append(logs / "a.log", "epoch=2\n")
    (batch,) = follow(logs, SCANNER, **options)
    assert [(row.value, row.step) for _, row in batch.live] == [(3, 2)]
    append(logs / "a.log", "loss=4\n")
    with pytest.raises(OptionError, match="it was made by a stream with step='epoch'"):
        list(follow(logs, SCANNER, out=journal, until="idle:0"))


def jobs_of(dataset):
    return {one.name: one.hyperparameters for one in metricscan.Dataset(dataset).facts}


def test_hyperparameters_are_those_of_a_replay_and_stay(tmp_path, logs, journal):
    for trial in ("trial_1", "trial_2,lr=0.5"):
        (logs / trial).mkdir()
        append(logs / trial / "train.log", "loss=1\n")
    settings = logs / "trial_1" / "hyperparameters.json"
    settings.write_text('{"lr": "0.1"}')
    metricscan.replay(logs, SCANNER, job="dir", out=tmp_path / "replayed")
    list(follow(logs, SCANNER, out=journal, until="idle:0", job="dir"))
    expected = jobs_of(tmp_path / "replayed")
    assert jobs_of(journal) == expected == {"trial_1": {"lr": "0.1"}, "trial_2,lr=0.5": {"lr": "0.5"}}
    found = metricscan.rank(journal, Objective("loss", "Minimize"))
    assert [dict(one) for one in found["hyperparameters"].to_pylist()] == [*expected.values()]
    assert jobs_of(metricscan.compact(journal)) == expected
    # a file that is gone takes nothing with it; one that changes is read again
    settings.unlink()
    list(follow(logs, SCANNER, out=journal, until="idle:0", job="dir"))
    assert jobs_of(journal) == expected
    settings.write_text('{"lr": "0.2"}')
    list(follow(logs, SCANNER, out=journal, until="idle:0", job="dir"))
    assert jobs_of(journal)["trial_1"] == {"lr": "0.2"}


def test_the_file_of_jobs_cut_at_every_byte(logs, journal):
    for trial in ("a,lr=1", "b,lr=2"):
        append(logs / f"{trial}.log", "loss=1\n")
    list(follow(logs, SCANNER, out=journal, until="idle:0"))
    path = journal / "jobs.jsonl"
    whole, both = path.read_bytes(), jobs_of(journal)
    assert [*both.values()] == [{"lr": "1"}, {"lr": "2"}]
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert [one for one in jobs_of(journal).values() if one] in ([], [{"lr": "1"}])
        with Journal.open(journal, SCANNER) as opened:
            opened.note_hyperparameters(both)
        assert (path.read_bytes(), jobs_of(journal)) == (whole, both)


def test_a_named_pipe_is_told_and_not_waited_for(logs):
    os.mkfifo(logs / "pipe")
    said = []
    following = follow(logs / "pipe", SCANNER, until="idle:0", on_notice=lambda notice: said.append(notice.message))
    assert list(following) == []
    assert said == [f"{logs}/pipe is not a regular file: a file that grows was expected"]
