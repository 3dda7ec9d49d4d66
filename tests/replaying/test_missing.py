"""Why jobs are missing in a ranking: one reason per job, jobs with the same reason together, in bounded time."""

import gzip
import json
from unittest import mock

import pytest
from support.folders import tree

import metricscan
from metricscan import Objective, Scanner
from metricscan.replaying import missing

BEST = Objective("rate", "Maximize")
FOUND = {"a.log": "rate=0.5\n"}
ONLY_STRIPPED = "it matches only with --ansi strip: scan the logs with it (ansi='strip' in Python), "
ONLY_STRIPPED += "which removes terminal escape sequences"


def reasons(folder, files, definition=r"rate=([0-9.]+)", objective=BEST, **options):
    tree(folder, FOUND | files)
    scanner = Scanner([{"Name": "rate", "Regex": definition}, {"Name": "it", "Regex": "it=([0-9]+)"}])
    result = metricscan.replay(folder, scanner, objective=objective, job="file", **options)
    found = missing.why_missing(scanner, result.ranking, result.jobs, "rate", "auto", result.stats)
    return [(one.jobs, one.reason, one.sample.replace(str(folder), "")) for one in found]


def test_no_job_is_missing(tmp_path):
    assert reasons(tmp_path, {}) == []


def test_jobs_with_the_same_reason_stand_together(tmp_path):
    files = {
        "b.log": "rate: 0.25\n",
        "c.log": "x\nrate: 0.5\n",
        "d.log": "RATE=1\n",
        "e.log": "rate = 1\n",
        "f.log": "rate: 7\n",
    }
    none = "its literal 'rate=' does not occur in the logs"
    assert reasons(tmp_path, files) == [
        (("b", "c", "f"), f"{none}, but 'rate:' does", "'rate: 0.25' (/b.log:1)"),
        (("d",), f"{none}, but 'RATE=' does", "'RATE=1' (/d.log:1)"),
        (("e",), f"{none}, but 'rate =' does", "'rate = 1' (/e.log:1)"),
    ]


def test_each_reason(tmp_path):
    files = {
        "b.log": "rate=nan\n" * 3,
        "c.log": "rate=1.2.3\n",
        "d.log": "",
        "e.log": "\x1b[1mrate\x1b[0m=3\n",
        "f.log": "learning_rate=none\nRate=0.5\n",
        "g.log": "another program\n",
    }
    jobs = tree(tmp_path / "facts", {"jobs.csv": "job,status\nz,Completed\n"}) / "jobs.csv"
    found = {job: (reason, sample) for (job,), reason, sample in reasons(tmp_path / "logs", files, jobs=jobs)}
    refused = "its literal 'rate=' occurs, but its regex does not take"
    assert found == {
        "b": (f"{refused} 'nan'", "'rate=nan' (/b.log:1)"),
        "c": ("it captured texts that are not numbers", "'1.2.3' (first in /c.log:1)"),
        "d": ("its logs are empty or unreadable", ""),
        "e": (ONLY_STRIPPED, "1 row"),
        "f": (
            "its literal 'rate=' occurs, but its regex does not take 'none', and 'Rate=' stands before a number",
            "'Rate=0.5' (/f.log:2)",
        ),
        "g": ("its literal 'rate=' does not occur in the logs", ""),
        "z": ("there is no log", ""),
    }


def test_all_reasons_of_a_job(tmp_path):
    files = {
        "b.log": "rate=1.2.3\nrate=nan\n",
        "c.log": "rate=..\n\x1b[1mrate\x1b[0m=3\n",
        "d.log": "rate=1.2.3\nRATE=1\n",
    }
    found = {job: (reason, sample) for (job,), reason, sample in reasons(tmp_path, files)}
    captured = "it captured texts that are not numbers"
    assert found == {
        "b": (
            f"{captured}; its literal 'rate=' occurs, but its regex does not take 'nan'",
            "'1.2.3' (first in /b.log:1)",
        ),
        "c": (f"{captured}; {ONLY_STRIPPED}", "'..' (first in /c.log:1)"),
        "d": (captured, "'1.2.3' (first in /d.log:1)"),
    }


def test_records_that_take_too_many_steps(tmp_path):
    slow = "rate=(?:" + "|".join(f"(?:a|b{i})*c{i}" for i in range(300)) + ")?([0-9.]+)"
    found = reasons(tmp_path, {"b.log": "rate=" + "a" * 800_000 + "\n"}, slow)
    assert [(jobs, reason) for jobs, reason, _ in found] == [
        (("b",), "1 record took its regex more steps than the budget has")
    ]


def test_a_value_that_was_cut_off(tmp_path):
    """Its text is there when the log is read again; no other options are needed."""
    whole = gzip.compress(b"noise\n" * 2000 + b"rate=0.25 " + b"x" * 100_000 + b"\n", compresslevel=1)
    found = reasons(tmp_path, {"b.log.gz": whole[:-30]})
    assert found == [(("b",), "its values stand only in records that were cut off", "")]


def test_rows_of_which_none_counts(tmp_path):
    objective = Objective("rate", "Maximize", "best@3", "it")
    found = reasons(tmp_path, {"a.log": "it=1 rate=1\n", "b.log": "it=9 rate=1\n"}, objective=objective)
    assert found == [(("b",), "none of its rows counts under the scope", "")]


def test_compressed_logs_and_exports(tmp_path):
    export = json.dumps({"events": [{"timestamp": 1_700_000_000_000, "message": "Rate=1"}]})
    found = reasons(tmp_path, {"b.log.gz": gzip.compress(b"Rate=1\n"), "c.json": export})
    assert [(jobs, sample) for jobs, _, sample in found] == [(("b.log", "c.json"), "'Rate=1' (/b.log.gz:1)")]
    events = [{"timestamp": 1, "message": "Rate=1", "logStreamName": f"job-{n}/x"} for n in range(2)]
    found = reasons(tmp_path / "more", {"c.json": json.dumps({"events": events})})
    assert [reason for _, reason, _ in found] == ["its logs cannot be read again to see why"]


def test_what_is_read_again_is_bounded(tmp_path):
    files = {f"{name}.log": "noise\n" * 200 + "Rate=1\n" for name in "bcde"}
    with mock.patch.multiple(missing, MOST_BYTES=2_000, _LEAST_BYTES=900):
        found = reasons(tmp_path, files)
    where = "its literal 'rate=' does not occur in the part that was read again"
    assert found == [(("b", "c", "d"), where, ""), (("e",), "not examined: 0 MiB of logs were read again", "")]
    with mock.patch.object(missing, "MOST_JOBS", 3):
        found = reasons(tmp_path, files)
    assert [jobs for jobs, *_ in found] == [("b", "c", "d"), ("e",)]
    assert found[1][1] == "not examined: the logs of the first 3 jobs were read again"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_command_says_it(tmp_path, capsys, count):
    from metricscan.cli import main

    tree(tmp_path, FOUND | {f"m{n}.log": "rate: 1\n" for n in range(count)})
    arguments = ["replay", str(tmp_path), "-m", "rate=rate=([0-9.]+)", "--maximize", "rate", "--job", "file"]
    assert main(arguments) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if " no rate: " in line)
    who = {1: "m0 has", 2: "2 jobs (m0, m1) have", 5: "5 jobs (m0, m1, m2, ..) have"}[count]
    reason = "its literal 'rate=' does not occur in the logs, but 'rate:' does"
    assert line == f"{who} no rate: {reason}: 'rate: 1' ({tmp_path}/m0.log:1)"
    assert main([*arguments, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [(len(one["jobs"]), one["reason"]) for one in document["missing"]] == [(count, reason)]
