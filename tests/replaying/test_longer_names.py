"""Whether a replay says that the best value is that of a longer name."""

import gzip
import json

import pytest
from support.folders import tree

from metricscan import Objective, Scanner, replay

pytestmark = pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")

LOSS = [{"Name": "loss", "Regex": r"loss=([\d.]+)"}]


def said(folder, definitions=LOSS, ansi="keep", **options):
    found = replay(folder, Scanner(definitions, ansi=ansi), objective=Objective("loss", "Minimize"), **options)
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
    assert said(folder, ansi="strip") == []
    meant = [{"Name": "val:loss", "Regex": r"loss=([\d.]+)"}]
    assert replay(folder, Scanner(meant), objective=Objective("val:loss", "Minimize")).notices == ()
    bounded = [{"Name": "loss", "Regex": r"\bval_loss=([\d.]+)"}]
    assert said(folder, bounded) == []


def test_where_the_record_cannot_be_found_nothing_is_said(tmp_path):
    assert said(tree(tmp_path, {"a.log": "val_loss=0.5\nval_loss=0.25\n".encode("utf-16")})) == []
    # the offset of the second record leads to the third in the text
    log = "\nval_loss=0.5\n\n\n\n\n\n\n\n\n\n\n\nval_loss=0.5\n".encode("utf-16")
    assert said(tree(tmp_path, {"a.log": log})) == []


def test_of_an_export_nothing_is_said(tmp_path):
    events = [{"timestamp": 1, "message": "a\nloss=0.25", "ingestionTime": 2}]
    folder = tree(tmp_path, {"a.json": json.dumps({"events": events})})
    assert said(folder, input_format="cloudwatch-json") == []
