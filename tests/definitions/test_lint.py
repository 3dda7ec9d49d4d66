"""Findings: each kind where it belongs and not beside, and the one regex that mends them."""

import random
import re

import pytest
from support import grammar

from metricscan import Scanner
from metricscan.definitions.lint import lint
from metricscan.definitions.regex_parts import VALUE, group_places
from metricscan.definitions.tokens import tokens_of

TAKES_ALL = f"({VALUE})"
AT_THE_START = (
    r"((?:(?<![\w.)])[-+])?(?:[0-9]+\.?[0-9]*(?:[eE][-+]?[0-9]+)?|\.[0-9]+(?:[eE][-+]?[0-9]+)?"
    r"|(?<![A-Za-z])[Nn]a[Nn]\b|(?<![A-Za-z])[Ii]nf(?:inity)?\b))"
)


def codes(regex, name="loss", others=()):
    return [finding.code for finding in lint(name, regex, others)]


def suggestion(regex, name="loss", others=()):
    (finding,) = lint(name, regex, others)
    return finding.suggestion


@pytest.mark.parametrize(
    ("regex", "code", "better"),
    [
        ("loss: [0-9.]+", "no-group", f"loss: {TAKES_ALL}"),
        (r"Accuracy: \d+\.\d+", "no-group", f"Accuracy: {TAKES_ALL}"),
        (r"^\d+ loss 0\.\d{4}\.", "no-group", rf"^\d+ loss {TAKES_ALL}\."),
        (".*MeanSquaredError.*", "no-group", None),
        ("loss:(.*?)", "empty-value", rf"loss:\s*{TAKES_ALL}"),
        ("Test loss: ([0-9.]*?)", "empty-value", f"Test loss: {TAKES_ALL}"),
        (r"loss=(\d+?)", "empty-value", rf"loss=\s*{TAKES_ALL}"),
        ("loss: (?P<value>.*?)(?:;|)", "empty-value", f"loss: (?P<value>{VALUE})(?:;|)"),
        ("loss=([0-9.]+)", "no-sign-or-exponent", f"loss={TAKES_ALL}"),
        ("(?P<step>x+) loss=(?P<value>[0-9.]+);", "no-sign-or-exponent", f"(?P<step>x+) loss=(?P<value>{VALUE});"),
        (r"loss=(-?\d+\.\d+)", "no-exponent", f"loss={TAKES_ALL}"),
        ("loss=([0-9.]+|nan)", "no-sign-or-exponent", f"loss={TAKES_ALL}"),
        ("loss ([0-9.]+)ms", "no-sign-or-exponent", "loss " + TAKES_ALL.replace(r"\b", "") + "ms"),
        ("loss.*([0-9.]+)", "no-sign-or-exponent", f"loss.*?{TAKES_ALL}"),
        (r"loss=([0-9.]+(?:e-?\d+)?)", "no-sign", f"loss={TAKES_ALL}"),
        ("([0-9.]+) loss", "no-exponent", f"{AT_THE_START} loss"),
        (r"'loss': ([0-9]+(.|e\-)[0-9]+),?", "no-sign-or-exponent", f"'loss': {TAKES_ALL},?"),
        (r"loss=([-+]?\d+.\d+(?:e-?\d+)?)", "unescaped-point", f"loss={TAKES_ALL}"),
        (r"rmse=(\d+)", "whole-numbers", f"rmse={TAKES_ALL}"),
        (r"loss=|acc=(\S+)", "swallowing-alternation", r"(?:loss=|acc=)(\S+)"),
        (r"(\S+) loss|acc", "swallowing-alternation", r"(\S+)(?: loss|acc)"),
        (r"a=(.*?);|x: (\S+)", "swallowing-alternation", None),
        (r"([\w|-]+)\s*=\s*([-+]?\d(\.\d+)?)", "wrong-group", rf"(?<![A-Za-z_/.-])rmse\s*=\s*{TAKES_ALL}"),
        (r"(train|val) rmse ([0-9.]+)", "wrong-group", f"(train|val) rmse (?P<value>{VALUE})"),
        (r"worker (\w+) rmse ([0-9.]+)", "wrong-group", rf"worker (\w+) rmse (?P<value>{VALUE})"),
        (r"loss=(\S+) acc=([0-9.]+)", "unread-group", r"loss=(\S+) acc=(?:[0-9.]+)"),
        (r"rmse: (\S+)\n", "spans-lines", r"rmse: (\S+)$"),
        (r"Epoch\n.*rmse: (\S+)", "spans-lines", r".*rmse: (\S+)"),
        (r"(?s)Epoch.*rmse: (\S+)", "spans-lines", None),
        # what remains has no name
        (r"rmse:\n\s*(\S+)", "spans-lines", None),
        (r"rmse:\n *(\S+) ms", "spans-lines", r" *(\S+) ms"),
    ],
)
def test_what_is_probably_not_meant(regex, code, better):
    (finding,) = lint("rmse", regex)
    assert (finding.code, finding.suggestion) == (code, better)
    assert finding.reason


@pytest.mark.parametrize(
    ("regex", "reason"),
    [
        ("loss:(.*?)", "`(.*?)` at the end always captures an empty text; add what follows it"),
        (r"loss=(\d+?)", r"`(\d+?)` at the end captures one character and no more; add what follows it"),
        (
            "loss: (.*?)(?:;|)",
            "`(.*?)` before text that may be absent always captures an empty text; add what follows it",
        ),
    ],
)
def test_a_lazy_group_is_shown(regex, reason):
    (finding,) = lint("rmse", regex)
    assert finding.reason == reason


@pytest.mark.parametrize(
    ("name", "regex"),
    [
        ("loss", r"loss=(\S+)"),
        ("loss", "loss = (.*?);"),
        ("loss", "loss:(.*?)$"),
        ("loss", "loss=([-+0-9.eE]+)"),
        ("loss", f"loss={TAKES_ALL}"),
        ("loss", r"#011loss:([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?).*"),
        ("loss", "loss=(.*)"),
        ("epoch", "epoch=([0-9.]+)"),
        ("train:epochs", r"Epoch (\d+)/"),
        ("samplesPerSecond", "speed: ([0-9.]+)"),
        ("win", "([0-9.]+)%"),
        ("step", r"(?<=step )\d+"),
        ("mean", r"(?<=/mean:)-?[0-9]+(?:\.[0-9]+)?"),
        ("numbers", r"\d+\.\d+"),
        ("loss", r"(?:train|val)=(\S+)"),
        ("loss", r"(?x) loss = (\S+)"),
        ("loss", r"loss\((\w+)\)=(?P<value>\S+)"),
        ("loss", r"\p{L}=([0-9.]+)"),
    ],
)
def test_what_is_meant(name, regex):
    assert codes(regex, name) == []


def test_a_name_inside_another_definitions_name():
    others = [r"loss=(\S+)", r"val_loss=(\S+)", r"\bacc=(\S+)", r"val_acc=(\S+)", r"s/step - (\S+)"]
    found = lint("loss", others[0], others)
    assert [finding.code for finding in found] == ["inside-longer-name"]
    assert "'val_loss'" in found[0].reason
    assert found[0].suggestion == r"(?<![A-Za-z_/.-])loss=(\S+)"
    for other in others[1:]:
        assert codes(other, "loss", others) == []
    assert suggestion(r".*loss=(\S+)", others=others) == r".*(?<![A-Za-z_/.-])loss=(\S+)"
    assert suggestion(r"(?i)loss=(\S+)", others=others) == r"(?i)(?<![A-Za-z_/.-])loss=(\S+)"
    # the dash is part of what is looked for
    assert codes(r"step - (\S+)", "loss", others) == []


def test_all_findings_have_one_suggestion():
    others = [r"loss=([0-9.]+) acc=([0-9.]+)", r"val_loss=(\S+)"]
    found = lint("loss", others[0], others)
    assert [finding.code for finding in found] == ["no-sign-or-exponent", "unread-group", "inside-longer-name"]
    assert {finding.suggestion for finding in found} == {rf"(?<![A-Za-z_/.-])loss={TAKES_ALL} acc=(?:[0-9.]+)"}


def test_no_suggestion_reads_a_part_of_a_number_in_groups():
    # the value is refused now, and counted; read as 1 it would be wrong
    assert codes("loss=([0-9.,]+)") == ["no-sign-or-exponent"]
    assert suggestion("loss=([0-9.,]+)") is None


def test_what_must_follow_a_value_may_not_take_its_last_digit():
    assert suggestion("loss=([0-9.]+).") == f"loss={TAKES_ALL}.?"
    assert suggestion(r"loss=([0-9.]+)\S+") == rf"loss={TAKES_ALL}\S*"


@pytest.mark.parametrize("name", ["train_loss_step", "val_acc_epoch", "lossPerplexity_batch", "f1_round"])
def test_measures_are_no_counters(name):
    assert codes("x=([0-9.]+)", name) == ["no-sign-or-exponent"]


@pytest.mark.parametrize(
    "name", ["global_step", "numBatches", "samples_per_second", "train_time", "epoch", "EpochsDone"]
)
def test_counters(name):
    assert codes("x=([0-9.]+)", name) == []


def test_a_tab_of_a_service_is_no_part_of_a_name():
    others = [r"valid-err:(\S+)", r"#011valid-err:(\S+)"]
    assert codes(others[0], "err", others) == []


def test_reasons_say_what_happens():
    (finding,) = lint("loss", r"loss=([0-9.]+)")
    assert finding.reason == "1.5e-05 is read as 1.5; -1.5 is not found"
    (finding,) = lint("loss", r"loss=([0-9.]+),")
    assert finding.reason == "1.5e-05 is not found; -1.5 is not found"
    (finding,) = lint("loss", r"'loss': ([0-9.]*)")
    assert finding.reason == "1.5e-05 is read as 1.5; -1.5 is read as nothing"


def test_explain_shows_them():
    (one,) = Scanner(["loss=loss=([0-9.]+)"]).explain()
    assert [finding.code for finding in one.lint] == ["no-sign-or-exponent"]
    assert "  lint      no-sign-or-exponent: 1.5e-05 is read as 1.5" in str(one)
    assert f"  better    loss={TAKES_ALL}" in str(one)


@pytest.mark.parametrize(
    "regex",
    [r"((a)(?:b))[()\]](?#()(?P<x>c)(?P=x)(?(1)d|(e))(?i:(f))(?=(g))", r"[](](\()[^](](\))", r"(?i)(a)", r"\((a)\\(b)"],
)
def test_groups_are_found_in_the_text(regex):
    places = group_places(regex)
    assert sorted(places) == list(range(1, re.compile(regex).groups + 1))
    for number, (opened, start, end) in places.items():
        # with something new inside, that group and no other holds it
        changed = re.compile(f"{regex[:start]}(?P<here>{regex[start:end]}){regex[end:]}")
        assert changed.groupindex["here"] == number + 1, (regex[opened:end], number)


@pytest.mark.parametrize("seed", range(20))
def test_tokens_are_all_of_the_text(seed):
    for number in range(20):
        pattern = grammar.pattern_from(grammar.Choices(random.Random(seed * 20 + number).randbytes(150)))
        if pattern is not None and not re.compile(pattern.text).flags & re.VERBOSE:
            tokens = tokens_of(pattern.text)
            assert "".join(pattern.text[token.start : token.stop] for token in tokens) == pattern.text
