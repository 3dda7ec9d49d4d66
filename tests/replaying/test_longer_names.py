"""Whether a replay says that the best value is that of a longer name."""

import gzip
import json

import pytest
from support.folders import tree

from metricscan import Objective, Scanner, replay

pytestmark = pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")

LOSS = [{"Name": "loss", "Regex": r"loss=([\d.]+)"}]


def said(folder, definitions=LOSS, ansi="keep", escape="none", **options):
    scanner = Scanner(definitions, ansi=ansi, escape=escape)
    found = replay(folder, scanner, objective=Objective("loss", "Minimize"), **options)
    return [one.message for one in found.notices if "longer name" in one.message]


@pytest.mark.parametrize(
    ("log", "name"),
    [
        ("step 1 loss=0.5 val_loss=0.25\n", "val_loss"),
        ("loss=0.9\n" * 200_000 + "train/loss=0.25\r", "train/loss"),
        ("val_loss=0.5\nloss=0.25\n", None),
        ("loss=0.25 loss=0.25 val_acc=1\n", None),
        ("#011loss=0.25\n", None),
    ],
)
def test_the_best_value_of_a_longer_name_is_said(tmp_path, log, name):
    for written in (log.encode(), gzip.compress(log.encode())):
        messages = said(tree(tmp_path, {"a.log": written}))
        assert len(messages) == (name is not None)
        if name is not None:
            assert messages[0].startswith(f"the best loss is the value of {name!r} in {tmp_path}/a.log:")


def test_a_name_that_is_meant_and_other_texts_of_the_pattern_are_not_said(tmp_path):
    folder = tree(tmp_path, {"a.log": "val_loss=0.25\n"})
    assert len(said(folder)) == 1
    meant = [{"Name": "val:loss", "Regex": r"loss=([\d.]+)"}]
    assert replay(folder, Scanner(meant), objective=Objective("val:loss", "Minimize")).notices == ()
    bounded = [{"Name": "loss", "Regex": r"\bval_loss=([\d.]+)"}]
    assert said(folder, bounded) == []


@pytest.mark.parametrize(
    ("log", "times"),
    [
        ("coco/loss=0.5\nstep coco/loss=0.25\n", 0),
        ("coco/loss=0.5 lvis/loss=0.25\n", 1),
        ("coco/loss=0.25\nlvis/loss=0.5\n", 1),
        ("loss=0.5\ncoco/loss=0.25\n", 1),
        ("val/loss=0.25\n", 1),
        ("coco_loss=0.25\n", 1),
        ("coco/val_loss=0.25\n", 1),
    ],
)
def test_a_namespace_is_no_longer_name_where_the_log_has_no_other(tmp_path, log, times):
    assert len(said(tree(tmp_path, {"a.log": log}))) == times
    # in an export no record is found by its place
    events = [{"timestamp": 1, "message": line, "ingestionTime": 2} for line in log.splitlines()]
    folder = tree(tmp_path / "export", {"a.log": json.dumps({"events": events})})
    assert len(said(folder, input_format="cloudwatch-json")) == times


@pytest.mark.parametrize(
    ("log", "name"),
    [
        ("val loss=0.5\nBest val loss=0.25\n", "Best val loss"),
        ("step loss=0.5\nbest loss=0.25\n", "best loss"),
        ("Best loss=0.5\nBest loss=0.25\n", None),
        ("train: loss=0.5 test: loss=0.25\n", "test: loss"),
        ("training's loss=0.5 valid_1's loss=0.25\n", "valid_1's loss"),
        ("on A loss=0.5\non B loss=0.25\n", None),
        ("Best loss=0.5\nloss=0.25\n", None),
    ],
)
def test_a_word_before_the_name_says_which_value_it_is(tmp_path, log, name):
    folder = tree(tmp_path, {"a.log": log})
    found = replay(folder, Scanner(LOSS), objective=Objective("loss", "Minimize"))
    messages = [one.message for one in found.notices]
    assert len(messages) == (name is not None)
    if name is not None:
        assert messages[0].startswith(f"the best loss is the value of {name!r} in {tmp_path}/a.log:")
        assert "does its regex read several measures?" in messages[0]
    meant = [{"Name": "best:val:test:valid:loss", "Regex": r"loss=([\d.]+)"}]
    assert replay(folder, Scanner(meant), objective=Objective(meant[0]["Name"], "Minimize")).notices == ()


@pytest.mark.parametrize(
    ("log", "options"),
    [
        ("\x1b[1mval_loss\x1b[0m=0.25\n", {"ansi": "strip"}),
        ("a\t\tval_loss=0.25\n", {"escape": "syslog"}),
    ],
)
def test_what_the_options_write_otherwise(tmp_path, log, options):
    assert len(said(tree(tmp_path, {"a.log": log}), **options)) == 1
    assert said(tree(tmp_path, {"a.log": log.replace("val_", "")}), **options) == []


@pytest.mark.parametrize(("second", "times"), [("val_loss", 1), ("loss", 0), ("test_loss", 0)])
def test_where_the_record_cannot_be_found_all_with_the_value_are_looked_at(tmp_path, second, times):
    log = f"loss=0.75\nval_loss=0.25\n{second}=0.25\n"
    assert len(said(tree(tmp_path, {"a.log": log.encode("utf-16")}))) == times
    events = [{"timestamp": 1, "message": line, "ingestionTime": 2} for line in log.splitlines()]
    folder = tree(tmp_path, {"a.log": json.dumps({"events": events})})
    assert len(said(folder, input_format="cloudwatch-json")) == times


@pytest.mark.parametrize(("name", "times"), [("val_loss", 1), ("loss", 0)])
def test_the_values_of_a_formula(tmp_path, name, times):
    folder = tree(tmp_path, {"a.log": f"step=1 {name}=0.25\nacc=1\n"})
    definitions = [*LOSS, {"Name": "step", "Regex": "step=([0-9]+)"}, {"Name": "acc", "Regex": "acc=([0-9]+)"}]
    found = replay(
        folder, Scanner(definitions), objective=Objective("loss + acc", "Minimize", step="step", is_formula=True)
    )
    messages = [one.message for one in found.notices if "longer name" in one.message]
    assert len(messages) == times
    if times:
        assert messages[0].startswith(
            f"a value of loss in the best job's formula is the value of 'val_loss' in {tmp_path}/a.log:"
        )
