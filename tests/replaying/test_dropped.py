"""Lines that writers left out of a log, as they say themselves: a doubt about the metrics that those lines would have given."""

import gzip
import re
from unittest import mock

import pytest
from support.folders import tree

from metricscan import Objective, Scanner, rank, replay
from metricscan.scanning import small_logs, threaded

SCANNER = Scanner([r"loss=loss ([0-9.]+)", r"acc=acc ([0-9.]+)"])
RAY = "(T pid=2) worker 1 loss 0.5 [repeated 11x across cluster] (Ray deduplicates logs by default.)"
WARNING = "(T pid=2) UserWarning: slow [repeated 3x across cluster]"
RSYSLOG = "Mar  1 10:00:00 n1 fit[7]: message repeated 2 times: [ loss 0.7]"
JOURNALD = "Mar  1 10:00:00 n1 systemd-journald[300]: Suppressed 123 messages from fit.service"
IMJOURNAL = (
    "Mar  1 10:00:00 n1 rsyslogd: imjournal: 40 messages lost due to rate-limiting (20000 allowed within 600 seconds)"
)
IMUXSOCK = "Mar  1 10:00:00 n1 rsyslogd-2177: imuxsock lost 56 messages from pid 77 due to rate-limiting"


def dropped(result, job="a"):
    """The doubts about dropped lines: message, line, offset."""
    return [(one.message, one.line, one.offset) for one in result.doubts.get(job, ()) if one.kind == "dropped-lines"]


def replayed(folder, text, scope="min", metric="loss", **options):
    tree(folder, {"a.log": text})
    return replay(folder / "a.log", SCANNER, objective=Objective(metric, "Minimize", scope), **options)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (RAY, "11 lines are missing in the log, as 1 record of Ray says: RAY_DEDUP_LOGS=0 keeps them"),
        (RSYSLOG, "2 lines are missing in the log, as 1 record of rsyslog says: $RepeatedMsgReduction off keeps them"),
        (
            JOURNALD,
            (
                "123 lines are missing in the log, as 1 record of journald says: "
                "RateLimitIntervalSec=0 in journald.conf keeps them"
            ),
        ),
        (
            IMJOURNAL,
            (
                "40 lines are missing in the log, as 1 record of rsyslog says: "
                "a rate limit of 0 in its imjournal or imuxsock keeps them"
            ),
        ),
        (
            IMUXSOCK,
            (
                "56 lines are missing in the log, as 1 record of rsyslog says: "
                "a rate limit of 0 in its imjournal or imuxsock keeps them"
            ),
        ),
        (
            RAY.replace("11x", "1x"),
            "1 line is missing in the log, as 1 record of Ray says: RAY_DEDUP_LOGS=0 keeps them",
        ),
    ],
)
def test_each_writer_is_known(tmp_path, record, message):
    assert dropped(replayed(tmp_path, f"loss 0.9\n{record}\n")) == [(message, 2, 9)]


@pytest.mark.parametrize("options", [{}, {"ansi": "strip"}, {"escape": "syslog"}, {"matches": "last"}])
@pytest.mark.parametrize(
    "regex", ["loss ([0-9.]+)", "(?i)LOSS ([0-9.]+)", "(?:loss|nll) ([0-9.]+)", "l[ou]ss ([0-9.]+)", r"([0-9.]+) \["]
)
def test_of_definitions_with_and_without_literals(tmp_path, regex, options):
    scanner = Scanner([f"loss={regex}"], **options)
    tree(tmp_path, {"a.log": f"loss 0.9 [\n{RAY}\n{WARNING}\n"})
    result = replay(tmp_path / "a.log", scanner, objective=Objective("loss", "Minimize", "min"))
    assert [one[1:] for one in dropped(result)] == [(2, 11)]


@pytest.mark.parametrize("number", ["1", "123456789012345"])
@pytest.mark.parametrize("record", [RAY, RSYSLOG, JOURNALD, IMJOURNAL, IMUXSOCK])
def test_a_mark_is_found_wherever_it_stands_in_a_record(tmp_path, record, number):
    lines = re.search(r"(?:repeated|Suppressed|imjournal:|lost) ([0-9]+)", record)[1]
    text = f"loss 0.9 {'(loss) ' * 30}{record.replace(lines, number)} loss 0.1{' (loss)' * 30}\n"
    (found,) = dropped(replayed(tmp_path, f"loss 0.9\n{text}"))
    assert found[0].startswith("1 line is" if number == "1" else f"{min(int(number), (1 << 24) - 1):,} lines are")
    assert found[1:] == (2, 9)


@pytest.mark.parametrize(
    "record",
    [
        WARNING,
        RAY.replace("loss", "accuracy"),
        "Suppressed 5 messages from the console",
        "message repeated in the next epoch",
        "the queue had 3 messages lost",
        "moved 3x across cluster] loss 0.1",
    ],
)
def test_other_lines_are_no_doubt(tmp_path, record):
    assert dropped(replayed(tmp_path, f"loss 0.9\n{record}\nloss 0.5\n")) == []


def test_lines_of_another_metric_are_a_doubt_about_that_one(tmp_path):
    text = f"loss 0.9\nacc 0.5\n{RAY}\n{RAY.replace('loss', 'acc')}\n"
    (loss,) = dropped(replayed(tmp_path, text))
    (acc,) = dropped(replayed(tmp_path, text, metric="acc"))
    assert (loss[1], acc[1]) == (3, 4)


def test_a_last_row_is_not_changed_by_lines_that_are_missing_before_it(tmp_path):
    text = f"loss 0.9\n{RAY}\nloss 0.4\n"
    scopes = {
        scope: len(dropped(replayed(tmp_path, text, scope))) for scope in ("last", "first", "min", "mean", "last-2")
    }
    assert scopes == {"last": 0, "first": 0, "min": 1, "mean": 1, "last-2": 1}
    assert len(dropped(replayed(tmp_path, f"loss 0.9\n{RAY}\n", "last"))) == 1


@pytest.mark.parametrize("way", ["together", "alone", "blocks", "gzip"])
def test_in_logs_of_every_kind_and_in_datasets(tmp_path, way):
    text = ("loss 0.9\n" + f"{RAY}\n" * 3 + f"{WARNING}\nother\n{RSYSLOG}\n").encode()
    name = "a.log.gz" if way == "gzip" else "a.log"
    logs = tree(tmp_path / "logs", {name: gzip.compress(text) if way == "gzip" else text, "b.log": "loss 0.8\n" * 3})
    sizes = {"together": (1 << 17, 1 << 25), "blocks": (0, 0)}.get(way, (0, 1 << 25))
    objective = Objective("loss", "Minimize", "min")
    with (
        mock.patch.object(small_logs, "MOST_BYTES", sizes[0]),
        mock.patch("metricscan.replaying.schedule.MOST_BYTES", sizes[0]),
        mock.patch.object(threaded, "SERIAL_BYTES", sizes[1]),
    ):
        result = replay(
            logs, SCANNER, objective=objective, job="file", threads=2 if way == "blocks" else 1, out=tmp_path / "out"
        )
    (job,) = [name for name in result.doubts if name.startswith("a")]
    message = "35 lines are missing in the log, as 4 records of Ray say: RAY_DEDUP_LOGS=0 keeps them"
    assert dropped(result, job) == [(message, 2, 9)]
    assert list(result.doubts) == [job]
    again = rank(tmp_path / "out", objective)
    assert again.equals(result.ranking)


def test_in_a_containers_log(tmp_path):
    lines = [f"2026-03-01T10:00:0{at}Z stdout F {text}\n" for at, text in enumerate(["loss 0.9", RAY])]
    result = replayed(tmp_path, "".join(lines))
    assert [doubt[0][:8] for doubt in dropped(result)] == ["11 lines"]


def test_rows_and_counts_are_those_of_a_scan_that_does_not_watch(tmp_path):
    text = f"loss 0.9\n{RAY}\n{WARNING}\n{JOURNALD}\n"
    result = replayed(tmp_path, text)
    alone = SCANNER.scan(text.encode())
    assert result["loss"]["value"].to_pylist() == alone["loss"]["value"].to_pylist() == [0.9, 0.5]
    assert set(result.stats.metrics) == {"loss", "acc"}
    assert result.stats.records == alone.stats.records


def test_a_regex_that_backtracks_is_bounded_in_such_a_record_too(tmp_path):
    tree(tmp_path, {"a.log": f"loss 1\n{'a' * 5000} [repeated 2x across cluster]\n"})
    scanner = Scanner([r"loss=loss (\d)|(a+)+(\d)x"])
    assert replay(tmp_path / "a.log", scanner, objective=Objective("loss", "Minimize")).best.value == 1.0
