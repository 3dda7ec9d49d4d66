"""The record of a job that was run: whoever made its folder may have written anything into it."""

import json

import pytest

from metricscan.logs.job_record import parsed

PROCESS = {"pid": 1, "start": 1, "host": "h", "boot": "b", "pids": "p"}
DOCUMENT = {
    "format": "metricscan job",
    "version": 1,
    "job": "trial_1",
    "folder": "/runs/trial_1",
    "status": "Completed",
    "exit_code": 0,
    "started_at": "2026-03-01T10:00:00.500000Z",
    "ended_at": "2026-03-01T11:00:01.500000Z",
    "runner": PROCESS,
    "hyperparameters": {"lr": "0.1"},
    "outputs": ["output.log"],
    "grace_s": 120.0,
    "step": None,
    "objective": {"metric": "loss", "goal": "Minimize"},
    "scanner": {
        "definitions": [{"Name": "loss", "Regex": "loss=(.*)"}],
        "labels": {"worker": "w(.)"},
        "options": {"newline": "lf"},
    },
}
DEFINITIONS = DOCUMENT["scanner"]["definitions"]


def record(**changes):
    return parsed(json.dumps({**DOCUMENT, **changes}).encode(), None)


def scanner(**changes):
    return {**DOCUMENT["scanner"], **changes}


def test_a_record_is_read():
    assert record().job == "trial_1"
    assert record(scanner=None, objective=None).document["scanner"] is None


@pytest.mark.parametrize(
    ("member", "values"),
    [
        ("status", [None, "Done", ["Failed"]]),
        ("job", [None, 5]),
        ("exit_code", ["0", [0]]),
        ("runner", [None, 5, {}, {**PROCESS, "pid": "1"}]),
        ("hyperparameters", [None, [], {"lr": 0.1}]),
        ("outputs", [None, [], ["../job.json"]]),
        ("step", [0, ["epoch"]]),
        ("objective", [{}, {"metric": "loss"}, {"metric": "loss", "goal": None}, "loss"]),
        ("scanner", [{}, [], "loss=(.*)", scanner(definitions=None), scanner(definitions=[*DEFINITIONS, None])]),
        ("scanner", [scanner(definitions=[{"Name": "loss"}]), scanner(definitions=[{"Name": ["loss"], "Regex": "x"}])]),
        ("scanner", [scanner(labels=[]), scanner(labels={"worker": 1}), scanner(labels=None)]),
        ("scanner", [scanner(options=None), scanner(options={"untamed": "allow"}), scanner(options={"ansi": 1})]),
    ],
)
def test_members_of_another_type_are_an_error(member, values):
    for value in values:
        with pytest.raises(ValueError, match=member):
            record(**{member: value})


@pytest.mark.parametrize(
    "member", ["status", "job", "folder", "runner", "hyperparameters", "outputs", "step", "scanner"]
)
def test_a_missing_member_is_an_error(member):
    document = {name: value for name, value in DOCUMENT.items() if name != member}
    with pytest.raises(ValueError, match=member):
        parsed(json.dumps(document).encode(), None)


def test_a_job_has_run_for_so_long():
    assert record().seconds == 3601.0
    # a clock that was set back
    assert record(ended_at="2026-03-01T09:00:00Z").seconds == 0.0
    for unknown in ({"ended_at": None}, {"started_at": None}, {"started_at": "today"}):
        assert record(**unknown).seconds is None
