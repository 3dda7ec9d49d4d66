"""Which metrics a stream lists as counted; and the counts of a scan are those of its patterns."""

import pytest

from metricscan import Scanner, _core, replay
from metricscan.replaying import log_scan
from metricscan.scanning import deferred
from metricscan.scanning.deferred import RegexTime
from metricscan.scanning.stats import MetricStats, ScanStats

REGEXES = {
    "found": r"loss=([0-9.]+)",
    "again": r"loss=([0-9.]+)",
    "refused": r"loss=(\S+)",
    "never": r"accuracy=([0-9.]+)",
    # hundreds of choices a byte, on a record too long to remember them
    "expensive": "(?:" + "|".join(f"(?:a|b{i})*c{i}" for i in range(300)) + ")[xy]",
    "confirmed": r"(?a:\w)oss=([0-9.]+)",
}


@pytest.fixture(scope="module")
def scanner():
    return Scanner([{"Name": name, "Regex": regex} for name, regex in REGEXES.items()], untamed="allow")


def core_of(scanner, log, confirm=None):
    core = _core.Stream(scanner.plan.engine, confirm or scanner.plan.resolver)
    core.feed(log)
    core.finish()
    return core


def with_counts(core):
    counts = [(pattern, core.counts(pattern)) for pattern in range(len(REGEXES) - 1)]
    return [(pattern, one) for pattern, one in counts if one != (0, 0, 0, 0, 0, [])]


@pytest.mark.parametrize(
    ("log", "counted"),
    [
        (b"", []),
        (b"accuracy is bad\n", []),
        (b"loss=0.5\n", ["found", "refused", "confirmed"]),
        (b"loss=x\n", ["refused"]),
        (b"accuracy=1\n", ["never"]),
        (b"x" + b"a" * 800_000 + b"\n", ["expensive"]),
    ],
)
def test_patterns_with_counts_are_listed(scanner, log, counted):
    core = core_of(scanner, log)
    assert core.counted() == with_counts(core)
    assert [pattern for pattern, _ in core.counted()] == [scanner.plan.patterns[name] for name in counted]
    for pattern in core.filled():
        core.detach(pattern)
    # what was handed over counts on
    assert core.counted() == with_counts(core)


@pytest.mark.parametrize("fault", [_core.FAILED, _core.TIMED_OUT])
def test_errors_alone_are_counts(scanner, fault):
    core = core_of(scanner, b"oss=x\n", lambda pattern, record: fault)
    assert core.counted() == with_counts(core)
    assert [pattern for pattern, _ in core.counted()] == [scanner.plan.patterns["confirmed"]]


def test_metrics_of_one_regex_have_counts_of_their_own(scanner):
    stats = scanner.scan(b"loss=0.5\nloss=x\n").stats
    assert list(stats.metrics) == list(REGEXES)
    found, again = stats.metrics["found"], stats.metrics["again"]
    assert found == again == MetricStats(rows=1)
    assert found.samples is not again.samples
    assert (stats.metrics["refused"].rows, stats.metrics["refused"].unparsed) == (1, 1)
    assert stats.metrics["refused"].samples == [("x", 2, 9)]
    assert stats.metrics["never"] == MetricStats()


def test_counts_of_metrics_that_were_not_there_are_added():
    stats, more = ScanStats(), ScanStats(3, 1, {"a": MetricStats(rows=2), "b": MetricStats()})
    stats.merge(more)
    stats.merge(more)
    assert stats == ScanStats(6, 2, {"a": MetricStats(rows=4), "b": MetricStats()})
    assert more.metrics["a"] == MetricStats(rows=2)


def test_a_result_has_a_table_of_every_metric_in_their_order(scanner):
    result = scanner.scan(b"loss=0.5\n")
    assert list(result) == list(REGEXES)
    assert [name for name, table in result.items() if table.num_rows] == ["found", "again", "refused", "confirmed"]
    assert result["never"].schema == result["found"].schema


# ---- the time of regex


def test_regex_has_a_budget_for_a_whole_log(monkeypatch):
    scanner = Scanner([r"m=\p{L}=(\d+)", r"n=n=(\d+)"], untamed="allow")
    log = b"n=1\n" * 3
    assert scanner.scan(log).stats.metrics["m"].rows == 3
    monkeypatch.setattr(deferred, "REGEX_FREE_S", 0.0)
    monkeypatch.setattr(deferred, "REGEX_S_A_BYTE", 0.0)
    for _ in range(2):
        # each log has a budget of its own
        stats = scanner.scan(log).stats.metrics
        assert (stats["m"].rows, stats["m"].timeouts, stats["m"].over_budget) == (0, 3, 0)
        assert stats["m"].samples[0] == ("n=1", 1, 0)
        # it binds regex alone
        assert (stats["n"].rows, stats["n"].timeouts) == (3, 0)


def test_the_budget_of_regex_grows_with_the_records(monkeypatch):
    scanner = Scanner([r"m=\p{L}=(\d+)"], untamed="allow")
    monkeypatch.setattr(deferred, "REGEX_FREE_S", 0.0)
    monkeypatch.setattr(deferred, "REGEX_S_A_BYTE", 1.0)
    assert scanner.scan(b"n=1\n" * 1000).stats.metrics["m"].rows == 1000
    # a record is given up when the time before it is used up, not for what it takes itself
    monkeypatch.setattr(deferred, "REGEX_S_A_BYTE", 1e-12)
    stats = scanner.scan(b"n=1\n" * 1000).stats.metrics["m"]
    assert stats.rows == 1
    assert stats.timeouts == 999


def test_the_logs_of_a_replay_have_the_time_of_regex_together(tmp_path, monkeypatch):
    for name in "abc":
        (tmp_path / f"{name}.log").write_text("n=1\n" * 3)
    scanner = Scanner([r"m=\p{L}=(\d+)"], untamed="allow")
    monkeypatch.setattr(log_scan, "REGEX_SHARED_S", 0.0)
    monkeypatch.setattr(deferred, "REGEX_S_A_BYTE", 1.0)
    # what its records' bytes give belongs to each log, whatever is left for all
    assert replay(tmp_path, scanner).stats.metrics["m"].rows == 9
    monkeypatch.setattr(deferred, "REGEX_S_A_BYTE", 0.0)
    stats = replay(tmp_path, scanner).stats.metrics["m"]
    assert (stats.rows, stats.timeouts) == (0, 9)
    # a scan of one log has its own
    assert scanner.scan(tmp_path / "a.log").stats.metrics["m"].rows == 3


def test_a_log_uses_its_own_time_of_regex_first(monkeypatch):
    monkeypatch.setattr(deferred, "REGEX_S_A_BYTE", 0.125)
    shared = Scanner([r"m=\p{L}=(\d+)"], untamed="allow").plan.resolver.sharing(RegexTime(6.0))
    one, other, last = shared.fresh(), shared.fresh(), shared.fresh()
    # what is left for all and for one log, and at most two seconds
    assert one._allowed_s(8) == 2.0
    one._spend(1.0)
    assert one._time.left_s == 6.0
    one._spend(6.0)
    assert (one._time.left_s, one._allowed_s(0), one._allowed_s(16)) == (1.0, 0.0, 1.0)
    # the others have theirs, and what is left for all
    assert other._allowed_s(2) == 1.25
    other._spend(2.0)
    assert (other._time.left_s, other._allowed_s(0)) == (0.0, 0.0)
    # never too little for an ordinary record
    monkeypatch.setattr(deferred, "REGEX_S_A_BYTE", 1e-9)
    assert last._allowed_s(1) == deferred.REGEX_LEAST_S
