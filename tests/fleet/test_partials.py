"""Partial rankings: whatever the batches and their order, their ranking is that of a replay on one machine."""

import dataclasses
import itertools
import random

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from support.fleet import SCANNER, batches, mixed, paths_in, said, same_errors, stats_of

from metricscan import Objective, OptionError, Scanner, SourceError, replay
from metricscan.definitions.blocks import run_starts, separators
from metricscan.fleet import decide, list_logs, merge_partials, rank_partials, scan_batch, tasks_of
from metricscan.fleet.counted import Counted
from metricscan.fleet.gathered import Gathered
from metricscan.fleet.listing import logs_of
from metricscan.fleet.partials import PARTIAL
from metricscan.fleet.tables import SCANNED
from metricscan.scanning.stats import MetricStats, Sample, ScanStats, Suspect, some_of_each_kind

OBJECTIVES = [
    Objective("loss", "Minimize"),
    Objective("loss", "Minimize", "mean"),
    Objective("loss", "Minimize", "best@3", step="step"),
    Objective("loss", "Minimize", "mean", step="step", restarts="split"),
    Objective("loss", "Minimize", step="step", step_place="block"),
    Objective("loss + 2*acc", "Minimize", step="step", is_formula=True),
]
MORE = [
    *(Objective("loss", "Minimize", scope) for scope in ("first", "min", "max", "last-3", "best")),
    *(Objective("loss", "Maximize", scope) for scope in ("ema:0.6", "window:3")),
    *(
        Objective("loss", "Minimize", scope, step="step")
        for scope in ("last", "mean", "last-2", "best@2..5", "ema:0.5")
    ),
    *(Objective("loss", "Minimize", "best", step="step", per_step=one) for one in ("first", "mean", "all")),
    Objective("loss", "Minimize", "mean", step="step", restarts="purge"),
    Objective("loss", "Minimize", "min", step="step", step_place="after", from_step=2),
    Objective("loss", "Target", "best", target=1.5),
]


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return mixed(tmp_path_factory.mktemp("mixed"), 20, 36)


@pytest.fixture(scope="module")
def listed(logs):
    return list_logs(paths_in(logs))


@pytest.fixture(scope="module")
def with_blocks():
    return SCANNER.with_block(separators(True)).with_block(run_starts("^warming up"))


@pytest.fixture(scope="module")
def scans(listed, with_blocks):
    """Shuffled batches, some of them twice, as several workers scan them."""
    rng = random.Random(1)
    return [scan_batch(one, with_blocks) for one in batches(listed, rng, tasks_of)]


def replayed(logs, objective, **options):
    return replay(paths_in(logs), SCANNER, objective=objective, block=True, run_start="^warming up", **options)


@pytest.mark.parametrize(
    "objective", [*OBJECTIVES, *(pytest.param(one, marks=pytest.mark.slow) for one in MORE)], ids=str
)
def test_the_ranking_is_that_of_one_machine(logs, scans, objective):
    wanted = replayed(logs, objective, at_best="acc")
    partials = [decide(one, objective, at_best="acc") for one in scans]
    assert wanted.ranking.num_rows > 40
    assert said(rank_partials(partials, jobs=wanted.jobs)) == said(wanted.ranking)


def test_the_conditions_are_those_of_a_replay(logs, scans):
    objective = Objective("loss", "Minimize", "min", step="step")
    conditions = {"min_step": 5, "exclude_doubts": ["crashed", "copy"], "completed_only": False}
    wanted = replayed(logs, objective, **conditions)
    partials = [decide(one, objective) for one in scans]
    assert said(rank_partials(partials, jobs=wanted.jobs, **conditions)) == said(wanted.ranking)


def test_counts_errors_and_evidence_are_those_of_one_machine(logs, scans):
    objective = Objective("loss", "Minimize")
    wanted = replayed(logs, objective)
    gathered = Gathered(decide(one, objective) for one in scans)
    assert stats_of(gathered, wanted.stats.metrics) == wanted.stats
    assert len(wanted.errors) >= 2
    same_errors(gathered.errors, wanted.errors)
    found = gathered.evidence
    assert any(one.restarts for one in found.logs.values())
    assert list(found.logs) == list(wanted.evidence.logs)
    assert found.units == wanted.evidence.units
    for key, one in wanted.evidence.logs.items():
        assert found.logs[key].crash == one.crash
        assert found.logs[key].path == one.path
        assert found.logs[key].restarts == one.restarts
        assert found.logs[key].suspects.keys() == one.suspects.keys()
        for metric, suspects in one.suspects.items():
            other = found.logs[key].suspects[metric]
            assert other.cut_starts.tolist() == suspects.cut_starts.tolist()
            assert other.cut_line_starts.tolist() == suspects.cut_line_starts.tolist()
            for name in ("last_near_miss", "is_not_finite", "unterminated_start", "dropped", "last_cut_line"):
                assert getattr(other, name) == getattr(suspects, name)


@pytest.mark.parametrize("seed", range(5))
def test_counts_in_any_order_are_those_merged_in_order(seed):
    rng = random.Random(seed)

    def some_stats(path):
        stats = ScanStats(rng.randrange(9), rng.randrange(9), cut_off=rng.randrange(2))
        for name in rng.sample(["loss", "acc"], rng.randrange(3)):
            one = MetricStats(rows=rng.randrange(5), samples=[Sample(path, at, 0) for at in range(rng.randrange(6))])
            suspects = [
                Suspect(rng.choice(["near-miss", "unit"]), str(at), path, at, 0, 0) for at in range(rng.randrange(7))
            ]
            one.suspects = some_of_each_kind(suspects)
            one.units = {
                unit: Suspect("unit", unit, path, 1, 0, 0) for unit in rng.sample(["", "%", "s"], rng.randrange(4))
            }
            stats.metrics[name] = one
        if rng.random() < 0.1:
            stats.undecoded, stats.undecoded_at = 1, rng.randrange(9)
        return stats

    found = [some_stats(str(number)) for number in range(200)]
    wanted = ScanStats()
    for one in found:
        wanted.merge(one)
    counted = Counted()
    for number, one in rng.sample(list(enumerate(found)), len(found)):
        counted.add((number,), one)
    assert counted.stats() == wanted
    assert all(list(one.units) == list(wanted.metrics[name].units) for name, one in counted.stats().metrics.items())


def test_the_rows_are_those_of_one_machine(logs, listed):
    wanted = replayed(logs, None)
    rng = random.Random(2)
    scanner = SCANNER.with_block(separators(True)).with_block(run_starts("^warming up"))
    found = pa.concat_tables([scan_batch(one, scanner) for one in tasks_of(listed, most_logs=rng.randrange(2, 9))])
    for name, table in wanted.items():
        own = found.filter(pc.equal(found["metric"], name))
        own = own.filter(pc.is_in(own["kind"], pa.array(["value", "label"])))
        own = own.take(pc.sort_indices(own["number"]))
        value = "text" if name in (*SCANNER.labels, "(block)", "(run)") else "value"
        for theirs, ours in (("value", value), *((one, one) for one in ("part", "line", "offset", "start", "time"))):
            assert own[ours].type == table[theirs].type
            assert repr(own[ours].to_pylist()) == repr(table[theirs].to_pylist()), (name, ours)
        for one in ("job", "stream"):
            assert own[one].to_pylist() == table[one].to_pylist()


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 12))])
def test_merges_are_associative_and_commutative_and_repeats_count_once(scans, seed):
    rng = random.Random(seed)
    objective = rng.choice([*OBJECTIVES, *MORE])
    some = [decide(one, objective) for one in rng.sample(scans, 5)]
    whole = merge_partials(*some)
    tables = rng.sample(some, len(some))
    while len(tables) > 1:
        at = rng.randrange(len(tables) - 1)
        tables[at : at + 2] = [merge_partials(*rng.sample(tables[at : at + 2], 2))]
    assert said(tables[0]) == said(whole)
    assert said(merge_partials(whole, rng.choice(some))) == said(whole)
    assert said(merge_partials(whole, whole)) == said(whole)


def test_a_decided_job_has_no_rows_any_more(scans):
    objective = Objective("loss", "Minimize", step="step")
    partials = [decide(one, objective) for one in scans]
    whole = merge_partials(*partials)
    kinds = set(whole["kind"].to_pylist())
    assert not kinds & {"value", "label"}
    assert sum(one.num_rows for one in partials) < sum(one.num_rows for one in scans) / 2


def test_the_scope_may_be_given_apart(scans):
    objective = Objective("loss", "Minimize", "mean")
    assert said(decide(scans[0], Objective("loss", "Minimize"), "mean")) == said(decide(scans[0], objective))


def test_a_fleet_of_no_logs_has_an_empty_partial_ranking():
    nothing = decide(SCANNED.empty_table(), Objective("loss", "Minimize"))
    assert nothing.equals(PARTIAL.empty_table())
    assert merge_partials(nothing, nothing).equals(nothing)
    assert merge_partials().equals(nothing)
    with pytest.raises(OptionError, match="there is no partial ranking"):
        rank_partials(nothing)


def test_an_objective_that_no_scan_has_is_an_error(scans):
    with pytest.raises(OptionError, match="the objective metric 'los' is not among the metrics"):
        decide(scans[0], Objective("los", "Minimize"))
    with pytest.raises(OptionError, match="is a label"):
        decide(scans[0], Objective("worker", "Minimize"))
    with pytest.raises(OptionError, match="at_best='ac' is not among"):
        decide(scans[0], Objective("loss", "Minimize"), at_best="ac")


def test_blocks_that_were_not_searched_are_an_error(listed):
    scan = scan_batch(tasks_of(listed)[0], SCANNER)
    with pytest.raises(OptionError, match="needs the separators of blocks"):
        decide(scan, Objective("loss", "Minimize", step="step", step_place="block"))


def test_different_objectives_are_not_merged(scans):
    one, other = (decide(scans[0], Objective("loss", "Minimize", scope)) for scope in ("min", "max"))
    with pytest.raises(OptionError, match="different objectives cannot be merged"):
        merge_partials(one, other)


def test_a_missing_partial_ranking_is_an_error(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.log").write_text("loss=1\n")
    logs = list_logs(tmp_path, job="dir")
    partial = decide(scan_batch(logs.slice(0, 1), SCANNER), Objective("loss", "Minimize"))
    with pytest.raises(OptionError, match="has 2 logs, of which 1 was scanned to the end"):
        rank_partials(partial)


def test_workers_with_other_definitions_or_versions_are_an_error(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / f"{name}.log").write_text("loss=1\n")
    logs = list_logs(tmp_path)
    objective = Objective("loss", "Minimize")
    first = decide(scan_batch(logs.slice(0, 1), SCANNER), objective)
    others = Scanner([r"loss=loss=(\d+)"])
    with pytest.raises(OptionError, match="workers scanned with different definitions or options"):
        rank_partials([first, decide(scan_batch(logs.slice(1), others), objective)])
    monkeypatch.setattr("metricscan.fleet.scanned.__version__", "0.0.9")
    with pytest.raises(OptionError, match=r"different version of metricscan: .* for .*a\.log, 0\.0\.9 for .*b\.log"):
        rank_partials([first, decide(scan_batch(logs.slice(1), SCANNER), objective)])


def test_a_log_that_changed_between_two_readings_is_an_error(tmp_path):
    (tmp_path / "a.log").write_text("loss=1\n")
    logs = list_logs(tmp_path)
    objective = Objective("loss", "Minimize")
    first = decide(scan_batch(logs, SCANNER), objective)
    (tmp_path / "a.log").write_text("loss=1\nloss=2\n")
    with pytest.raises(SourceError, match="was read twice and changed in between: 7 bytes in 1 records, then 14 in 2"):
        merge_partials(first, decide(scan_batch(logs, SCANNER), objective))


def test_batches_that_share_some_logs_are_an_error(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.log").write_text("loss=1\n")
    logs = list_logs(tmp_path)
    objective = Objective("loss", "Minimize")
    one, other = (decide(scan_batch(some, SCANNER), objective) for some in (logs.slice(0, 2), logs.slice(1)))
    for some in itertools.permutations([one, other]):
        with pytest.raises(OptionError, match="batches share some of their logs and not others"):
            merge_partials(*some)


def test_a_log_that_vanished_is_an_error_of_that_log(tmp_path):
    for name in "ab":
        (tmp_path / f"{name}.log").write_text("loss=1\n")
    logs = list_logs(tmp_path)
    (tmp_path / "b.log").unlink()
    objective = Objective("loss", "Minimize")
    partial = decide(scan_batch(logs, SCANNER), objective)
    (error,) = Gathered([partial]).errors
    assert error.path == str(tmp_path / "b.log")
    assert "No such file" in str(error)
    assert rank_partials(partial)["objective_status"].to_pylist() == ["found", "missing"]


def test_jobs_are_ranked_with_what_is_known_of_them(logs, scans):
    objective = Objective("loss", "Minimize")
    survey = replayed(logs, objective)
    known = [dataclasses.replace(job, status="Failed" if at % 2 else "Completed") for at, job in enumerate(survey.jobs)]
    found = rank_partials([decide(one, objective) for one in scans], jobs=known, completed_only=True)
    status = dict(zip(found["job"].to_pylist(), found["job_status"].to_pylist(), strict=True))
    assert status == {job.name: job.status for job in known}
    ranked = found.filter(pc.is_valid(found["rank"]))
    assert set(ranked["job_status"].to_pylist()) == {"Completed"}


def test_the_listing_is_that_of_a_replay(logs, listed):
    survey = replayed(logs, None).survey
    assert logs_of(survey).equals(listed)
