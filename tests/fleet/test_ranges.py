"""Ranges of one log: put together, they are what a scan of the whole log finds."""

import gzip
import random

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.exports import START_MS, Event, as_s3
from support.fleet import SCANNER, said, text

from metricscan import Objective, OptionError, replay
from metricscan.fleet import decide, in_ranges, list_logs, merge_partials, rank_partials, scan_batch
from metricscan.fleet.gathered import Gathered
from metricscan.fleet.ranges import with_lines

HARD = [
    "loss=1\nloss=2",
    "\ufeffloss=1\r\nloss=2\r\n",
    "\0\0\0\0\0\0\0\0\0\0\0\0loss=1\nloss=2\n",
    "loss=1\rloss=2\r\r\nloss=3\n\r",
    "\n\n\n\nloss=1\n",
    "x" * 100 + "loss=1",
    "[rank0] loss=1ms\n[rank1] loss=2ms\nloss=3s\nloss=4\nloss=nan?\nloss=-\nloss=0.\n25\n",
    "imuxsock lost 12 messages from pid 3 due to rate-limiting\nloss=1\n2024 host rsyslogd: imuxsock lost 5 messages\n",
    "run of a.py starts\nstep=1 loss=1\nstep=2 loss=2\nstep=3 loss=2\nrun of a.py starts\nstep=1 loss=3\nstep=2 loss=1\n",
    'loss=1\nTraceback (most recent call last):\n  File "a.py", line 3, in <module>\nValueError: boom\nretry now?\nloss=3\n',
]


def parts(logs, size, rng):
    """The scans of ranges of this size, each in a batch of its own, in any order, some twice."""
    rows = in_ranges(logs, size)
    found = [scan_batch(rows.slice(at, 1), SCANNER) for at in range(rows.num_rows)]
    found += rng.sample(found, len(found) // 3)
    rng.shuffle(found)
    return found


def sorted_rows(table):
    """The rows and the facts of a scan in one order."""
    return sorted(repr(row) for row in table.to_pylist())


@pytest.mark.parametrize("size", [7, 64, *(pytest.param(size, marks=pytest.mark.slow) for size in (1, 2, 1000))])
@pytest.mark.parametrize("content", HARD)
def test_the_ranges_of_a_log_are_the_whole(tmp_path, content, size):
    (tmp_path / "a.log").write_text(content, newline="")
    logs = list_logs(tmp_path)
    whole = scan_batch(logs, SCANNER)
    found = with_lines(pa.concat_tables([scan_batch(in_ranges(logs, size), SCANNER)]))
    assert sorted_rows(found) == sorted_rows(whole)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
def test_random_logs_in_ranges_are_ranked_as_whole_ones(tmp_path, seed):
    rng = random.Random(seed)
    for name in "abc":
        (tmp_path / f"{name}.log").write_text(text(rng, rng.randrange(2, 60)), newline="")
    logs = list_logs(tmp_path)
    size = rng.randrange(16, 400)
    objective = Objective("loss", "Minimize", rng.choice(["last", "min", "mean"]), step=rng.choice(["step", None]))
    wanted = replay(tmp_path, SCANNER, objective=objective)
    partials = [decide(one, objective) for one in parts(logs, size, rng)]
    assert said(rank_partials(partials)) == said(wanted.ranking)
    middle = len(partials) // 2
    merged = merge_partials(merge_partials(*partials[middle:]), merge_partials(*partials[:middle]), partials[0])
    assert said(merged) == said(merge_partials(*partials))
    stats = Gathered([merged]).stats
    assert (stats.bytes, stats.records, stats.cut_off) == (
        wanted.stats.bytes,
        wanted.stats.records,
        wanted.stats.cut_off,
    )
    assert stats.metrics == {name: one for name, one in wanted.stats.metrics.items() if name in stats.metrics}


def test_a_missing_range_is_an_error(tmp_path):
    (tmp_path / "a.log").write_text("loss=1\n" * 9)
    rows = in_ranges(list_logs(tmp_path), 20)
    assert rows.num_rows == 4
    some = scan_batch(rows.slice(0, 3), SCANNER)
    # its rows wait, and their lines are not known
    assert set(pc.unique(with_lines(some)["since"]).to_pylist()) == {0, 20, 40}
    partial = decide(some, Objective("loss", "Minimize"))
    with pytest.raises(OptionError, match="has 1 log, of which 0 were scanned to the end"):
        rank_partials(partial)


def test_a_log_that_has_become_shorter_is_an_error(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("loss=1\n" * 9)
    rows = in_ranges(list_logs(tmp_path), 20)
    log.write_text("loss=1\n")
    scan = scan_batch(rows.slice(3), SCANNER)
    errors = scan.filter(pc.equal(scan["kind"], "error"))["text"].to_pylist()
    assert errors == [f"{log} has 7 bytes; a range from byte 60 on was expected"]


def test_a_log_that_has_grown_is_read_to_its_end(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("loss=1\n" * 9)
    rows = in_ranges(list_logs(tmp_path), 20)
    log.write_text("loss=1\n" * 20)
    found = with_lines(scan_batch(rows, SCANNER))
    assert found.filter(pc.equal(found["kind"], "value"))["line"].to_pylist() == list(range(1, 21))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.log.gz", gzip.compress(b"loss=1\n" * 100, mtime=0), "is compressed, or not plain text in a file"),
        ("a.log", ("loss=1\n" * 100).encode("utf-16"), "is compressed, or not plain text in a file"),
        ("a.json", as_s3([Event("loss=1", START_MS + at) for at in range(100)]), "is an export"),
    ],
    ids=["gzip", "utf-16", "export"],
)
def test_what_must_be_read_from_its_beginning_is_refused(tmp_path, name, content, reason):
    log = tmp_path / name
    log.write_bytes(content)
    how = {"input_format": "s3-export"} if name == "a.json" else {}
    scan = scan_batch(in_ranges(list_logs(log), 20), SCANNER, **how)
    errors = scan.filter(pc.equal(scan["kind"], "error"))["text"].to_pylist()
    assert set(errors) == {f"{log} {reason}: it is scanned as a whole, not by ranges of bytes"}


def test_small_logs_and_shared_files_are_not_cut(tmp_path):
    (tmp_path / "a.log").write_text("loss=1\n")
    logs = list_logs(tmp_path)
    assert in_ranges(logs, 100).equals(logs)
    with pytest.raises(OptionError, match="1 or more was expected"):
        in_ranges(logs, 0)
