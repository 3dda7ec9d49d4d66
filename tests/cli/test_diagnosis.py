"""Why a definition found nothing: what the command says, and that it says nothing false."""

import gzip
import json
import re

import pytest
from support.command import LOSS, stdin
from support.folders import tree

from metricscan.replaying import diagnosis

# ---- why a definition found nothing


def reason(run, log, text, definition, *options):
    """What both commands say of a definition that found nothing."""
    said = []
    name = log(text)
    for command, code in (("check", 1), ("replay", 0)):
        result = run(command, name, "-m", f"loss={definition}", *options)
        assert result[0] == code
        (line,) = (line for line in result[1].splitlines() if line.startswith("loss found nothing: "))
        said.append(line.removeprefix("loss found nothing: "))
    assert said[0] == said[1]
    return said[0]


def test_a_literal_that_is_not_there(run, log):
    assert reason(run, log, "a closs=1\n", "loss: (.*)") == "its literal 'loss: ' does not occur in the logs"
    assert reason(run, log, "epoch 1\n", "perplexity=(.*)") == "its literal 'perplexity=' does not occur in the logs"


def test_a_literal_that_is_there_without_its_value(run, log):
    said = reason(run, log, "noise\nstep 3 loss=0.5, ok\nloss=1,\n", r"loss=([0-9.]+);")
    assert said == (
        "its literal 'loss=' occurs 2 times, but the rest of its regex does not match there: 'step 3 loss=0.5, ok' (a.log:2)"
    )
    assert "occurs once" in reason(run, log, "loss=1,\n", r"loss=([0-9.]+);")


def test_a_sample_is_not_too_long(run, log):
    said = reason(run, log, "x" * 1000 + "loss=-" + "y" * 1000, r"loss=([0-9.]+)")
    assert "..." in said
    assert "xloss=-y" in said
    assert len(said) < 300


@pytest.mark.parametrize(
    ("text", "definition", "seen"),
    [
        ("Loss = 0.5; x\n", "Loss=(.*?);", "Loss ="),
        ("Loss=0.5; x\n", "Loss = (.*?);", "Loss="),
        ("loss=0.5; x\n", "Loss=(.*?);", "loss="),
        ("LOSS : 0.5; x\n", "loss: (.*?);", "LOSS :"),
        ("my_loss=1 loss=0.5; x\n", "loss: (.*?);", "loss="),
        ("x Loss -> 0.5;\n", "loss=(.*?);", "Loss -"),
    ],
)
def test_a_slip_in_spaces_or_capitals(run, log, text, definition, seen):
    said = reason(run, log, text, definition)
    assert said.startswith("its literal 'Loss" if definition[0] == "L" else "its literal 'loss")
    assert f"does not occur in the logs, but '{seen}" in said
    assert f"{text.strip()!r} (a.log:1)" in said


@pytest.mark.parametrize(
    ("text", "definition", "seen"),
    [
        ("loss_scale=1024\nLoss = 0.5\n", r"loss\s*=\s*([0-9.]+)$", "Loss"),
        ("best loss=None\nloss: 0.5\n", r"loss=([0-9.]+)", "loss:"),
        ("my loss=x LOSS=nan\n", r"loss=([0-9.]+)", "LOSS="),
    ],
)
def test_a_literal_that_stands_elsewhere_does_not_hide_another_spelling(run, log, text, definition, seen):
    said = reason(run, log, text, definition)
    assert f"the rest of its regex does not match there, and {seen!r} stands before a number: " in said


@pytest.mark.parametrize(
    ("text", "definition"),
    [
        ("loss=x\nLossless=3\n", r"loss=([0-9.]+)"),
        ("loss=x\nour Loss is small\n", r"loss=([0-9.]+)"),
        ("loss=x\nmyLoss=3\n", r"loss=([0-9.]+)"),
        ("loss=x loss=y\n", r"loss=([0-9.]+)"),
        # as fastText and HF Trainer 5 print it
        ("lr:  0.09\n", r"lr: ([0-9.]+)"),
        ("{'loss': '0.6931'}\n", r"'loss': ([0-9.]+)"),
    ],
)
def test_what_is_no_other_spelling(run, log, text, definition):
    assert "stands before a number" not in reason(run, log, text, definition)


def test_captures_that_are_no_numbers(run, log):
    said = reason(run, log, "x\nloss=84.3%\nloss=84.3%\nloss=n/a\n", r"loss=(\S+)")
    assert said == "it captured 3 texts that are not numbers: '84.3%', 'n/a' (first in line 2)"
    said = reason(run, log, "loss=1,5\n", r"loss=(\S+)")
    assert said == "it captured a text that is not a number: '1,5' (first in line 1)"


def test_of_several_logs_the_one_is_named_that_holds_the_first_text(run, tmp_path, monkeypatch):
    logs = {"a.log": "another\nprogram\n", "b.log": "x\nloss=84.3%\n", "c.log": "loss=n/a\n"}
    monkeypatch.chdir(tree(tmp_path, logs))
    for command in ("check", "replay"):
        _, out, _ = run(command, ".", "-m", r"loss=loss=(\S+)")
        assert "it captured 2 texts that are not numbers: '84.3%', 'n/a' (first in ./b.log:2)" in out


def test_of_several_logs_of_which_none_holds_the_text_as_it_was_captured_none_is_named(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, {"a.log": "loss=1\t%\n", "b.log": "none\n"}))
    _, out, _ = run("check", ".", "-m", "loss=loss=(.*)", "--escape", "syslog")
    assert "it captured a text that is not a number: '1#011%' (first in line 1 of a log)" in out


@pytest.mark.parametrize(
    ("text", "definition", "flags"),
    [
        ("lo\x1b[1mss=1\n", r"loss=(\d+)", "--ansi strip (1 row)"),
        ("[1]\tloss=1\n[2]\tloss=2\n", r"#011loss=(\d+)", "--escape syslog (2 rows)"),
        ("[1]\tlo\x1b[1mss=1\n", r"#011loss=(\d+)", "--ansi strip --escape syslog (1 row)"),
    ],
)
def test_logs_that_match_only_with_an_option(run, log, text, definition, flags):
    said = reason(run, log, text, definition)
    assert said.startswith(f"it matches only with {flags}: scan the logs with it (")
    for flag in re.findall(r"--(\w+) (\w+)", flags):
        assert "{}={!r}".format(*flag) in said


def test_a_log_in_utf_16_is_explained_as_decoded(run, log):
    said = reason(run, log, "step=1\r\n".encode("utf-16"), r"loss=(\d)")
    assert said == "its literal 'loss=' does not occur in the logs"


@pytest.mark.parametrize(
    ("event", "literal", "written"),
    [
        ('{"loss": 0.25}', '"loss": ', r"\"loss\": "),
        ("loss\t0.25", "loss\t", r"loss\t"),
        ("pérdida=1", "pérdida=", r"p\u00e9rdida="),
    ],
)
def test_texts_in_strings_of_json(run, log, event, literal, written):
    lines = [json.dumps({"level": "info", "event": one}) for one in ("loss=1", event)]
    said = reason(run, log, "\n".join(lines), rf"{literal}([0-9.]+)")
    where = "in strings of JSON, which are read as they stand, "
    assert said.startswith(f"its literal {literal!r} does not occur in the logs, but {where}{written!r} does: ")
    assert said.endswith(":2)")


def test_no_literal_at_all(run, log):
    assert reason(run, log, "abc\n", r"(\d+)") == "no record in the logs matches it"


def test_only_the_silent_are_explained(run, log):
    code, out, _ = run("check", log("loss=1\n"), *LOSS, "-m", "acc=acc=(.*)", "-m", "it/s=(.*)it/s")
    assert code == 1
    assert [line.split(":")[0] for line in out.splitlines() if "found nothing" in line] == [
        "acc found nothing",
        "it/s found nothing",
    ]


def test_of_many_that_found_nothing_the_objective_comes_first_then_what_can_be_had(run, log):
    metrics = [argument for name in "abcdefgh" for argument in ("-m", rf"{name}={name}=(\d+)")]
    arguments = ("replay", log("[1]\tloss=1\n"), *metrics, "-m", r"loss=#011loss=(\d+)", "--minimize", "h")
    out = run(*arguments)[1]
    said = [line.split(":")[0] for line in out.splitlines() if "found nothing" in line]
    assert said == [*(f"{name} found nothing" for name in ("h", "loss", "a", "b", "c")), "4 more found nothing"]
    assert "loss found nothing: it matches only with --escape syslog (1 row): scan the logs with it (" in out


def test_what_was_read_again_is_bounded(run, log, monkeypatch):
    monkeypatch.setattr(diagnosis, "MOST_BYTES", 10)
    said = reason(run, log, "loss\n" * 4 + "acc=x\n", r"acc=(\d+)")
    assert said == "its literal 'acc=' does not occur in the part that was read again"


def test_a_compressed_log_is_explained_too(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tree(tmp_path, {"a.log.gz": gzip.compress(b"loss=-\n")}))
    _, out, _ = run("check", "a.log.gz", "-m", r"loss=loss=(\d+)")
    assert (
        "its literal 'loss=' occurs once, but the rest of its regex does not match there: 'loss=-' (a.log.gz:1)" in out
    )


@pytest.mark.parametrize("command", ["check", "replay"])
def test_nothing_false_is_said_of_standard_input(run, monkeypatch, command):
    """It cannot be read again: what stood in it is not known."""
    stdin(monkeypatch, b"loss=-\n")
    _, out, _ = run(command, "-", "-m", r"loss=loss=(\d+)")
    assert "loss found nothing" in out
    assert "does not occur" not in out


def test_nothing_false_is_said_of_a_log_that_is_escaped(run, log):
    said = reason(run, log, "\tloss=-\n", r"#011loss=(\d+)", "--escape", "syslog")
    assert "does not occur" not in said
