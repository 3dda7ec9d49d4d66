"""Findings that a log confirms; and none where the log is fine."""

import gzip
import json
import re

import pytest
from click.testing import CliRunner

from metricscan import Scanner
from metricscan.cli import command
from metricscan.definitions.lint import lint
from metricscan.definitions.regex_parts import VALUE, parts_of
from metricscan.replaying.lint_log import lint_log
from metricscan.scanning.scanner import _configured

ESCAPES = r"(?:\x1b\[[0-9;]*m|#033\[[0-9;]*m|#015)*"


def written(tmp_path, log):
    path = tmp_path / "a.log"
    path.write_bytes(log)
    return [str(path)]


def found(tmp_path, log, *definitions, **options):
    scanner = Scanner(list(definitions), **options)
    return of_log_alone(scanner, lint_log(scanner, written(tmp_path, log)))


def of_log_alone(scanner, findings):
    """Codes and suggestions without the findings that the regexes alone show."""
    shown = {one.name: {finding.code for finding in lint(one.name, one.regex)} for one in scanner.definitions}
    some = {
        name: [(one.code, one.suggestion) for one in found if one.code not in shown[name]]
        for name, found in findings.items()
    }
    return {name: found for name, found in some.items() if found}


def test_numbers_that_are_cut(tmp_path):
    log = b"loss=1.5e-05\nloss=2\nstep=3e5x\n"
    assert found(tmp_path, log, "loss=loss=([0-9.]+)", r"step=step=(\d)", r"all=loss=(\S+)") == {
        "loss": [("cut-number", f"loss=({VALUE})")],
        "step": [("cut-number", f"step=({VALUE})")],
    }
    finding, *_ = lint_log(Scanner(["loss=loss=([0-9.]+)"]), [str(tmp_path / "a.log")])["loss"]
    assert finding.reason == "1 of 2 values were cut: 1.5e-05 is read as 1.5 in line 1"


def test_numbers_with_underscores_are_whole(tmp_path):
    assert found(tmp_path, b"loss=1_000\nloss=12_000.5e3\nloss=2\n", r"loss=loss=(\S+)") == {}


def test_literals_of_bytes_that_are_no_text(tmp_path):
    log = b"lo\xe9s=1.5e-05\nval_lo\xe9s=2\n"
    # half of a pair that stands for no byte is never found
    some = found(tmp_path, log, "loss=lo\udce9s=([0-9.]+)", "other=lo\ud800s=([0-9.]+)")
    assert [code for code, _ in some["loss"]] == ["cut-number", "inside-longer-name"]
    assert list(some) == ["loss"]


def test_values_of_longer_names(tmp_path):
    log = b"loss=1 val_loss=2\nloss=3 box/loss=4\n"
    better = r"(?<![A-Za-z_/.-])loss=(\S+)"
    assert found(tmp_path, log, r"loss=loss=(\S+)") == {"loss": [("inside-longer-name", better)]}
    assert found(tmp_path, log, f"loss={better}") == {}
    assert found(tmp_path, b"ETA 2m4loss=1\nloss=2\n", r"loss=loss=(\S+)") == {}
    assert found(tmp_path, b"#011loss=1\ndone...loss=2\n--loss=3\n3-loss=4\n", r"loss=loss=(\S+)") == {}


def test_all_values_of_one_longer_name(tmp_path):
    longer = r"(?<![A-Za-z_/.-])val_loss=(\S+)"
    assert found(tmp_path, b"val_loss=1\n", r"loss=loss=(\S+)") == {"loss": [("inside-longer-name", longer)]}
    assert found(tmp_path, b"Eval_loss=1\n", r"val:loss=loss=(\S+)", "n=(7)") == {
        "val:loss": [("inside-longer-name", longer.replace("val", "Eval"))]
    }
    assert found(tmp_path, b"val_loss=1\nmin_loss=2\n", r"loss=loss=(\S+)") == {"loss": [("inside-longer-name", None)]}
    # the metric is another: by its name, or as another definition reads that one
    for definitions in [
        [r"train_loss=loss=(\S+)"],
        [r"train_loss=loss=(\S+)", r"eval_loss=eval_loss=(\S+)"],
        [r"loss=loss=(\S+)", r"e=eval_loss=(\S+)"],
    ]:
        scanner = Scanner(definitions)
        findings = lint_log(scanner, written(tmp_path, b"eval_loss=1\n"))[scanner.metrics[0]]
        assert {one.suggestion for one in findings if one.code == "inside-longer-name"} == {None}
    # where it belongs, which is no other metric; two of these are
    assert found(tmp_path, b"coco/bbox_mAP: 0.5\n", r"m=bbox_mAP: (\S+)") == {}
    two = b"coco/bbox_mAP: 0.5\nlvis/bbox_mAP: 0.5\n"
    assert found(tmp_path, two, r"m=bbox_mAP: (\S+)") == {"m": [("inside-longer-name", None)]}
    # the metric's name says so
    for name in ("val:loss", "valLoss", "VAL loss"):
        assert found(tmp_path, b"val_loss=1\nval_loss=2\n", rf"{name}=loss=(\S+)") == {}


@pytest.mark.parametrize(
    "prefix",
    [
        b"[1,0]<stdout>:",
        b"[1,mpirank:0,algo-1]<stderr>:",
        b"[rank0]: ",
        b"[default1]:",
        b"(Worker pid=7) ",
        b"(fit pid=7, ip=10.0.0.3) ",
        b"0: ",
        b"algo-1| ",
        b"2026-01-02T03:04:05Z ",
        b"2026-01-02T03:04:05.123456789Z stdout F ",
        b"2026-01-02 03:04:05,678 - trainer - INFO - ",
        b"2026-01-02 03:04:05,678 [INFO] ",
        b"INFO:root:",
        b"INFO 01-02 03:04:05 train.py:12] ",
        b"[2026-01-02 03:04:05,678][train][INFO] - ",
        b"\t",
    ],
)
def test_a_start_that_a_prefix_defeats(tmp_path, prefix):
    log = b"Training> reward=1\n" + prefix + b"Training> reward=2\n"
    assert found(tmp_path, log, r"r=^Training> reward=(\S+)") == {
        "r": [("start-behind-prefix", r"Training> reward=(\S+)")]
    }


def test_a_start_is_not_given_up_where_that_finds_too_much(tmp_path):
    log = b"[rank0]: Epoch 1/\n[rank0]: saved what was best at Epoch 3/\nEpoch 2/\n"
    some = lint_log(Scanner([r"e=^Epoch (\d+)/"]), written(tmp_path, log))["e"]
    assert [(one.code, one.suggestion) for one in some] == [("start-behind-prefix", None)]


def test_a_start_that_is_meant(tmp_path):
    log = b"Epoch 1/\nsaved what was best at Epoch 1/\nafter Epoch 2/\n"
    assert found(tmp_path, log, r"e=^Epoch (\d+)/", r"f=(?i)^epoch (\d+)/") == {}


@pytest.mark.parametrize("escape", [b"\x1b[32m", b"#033[32m", b"\x1b[1m\x1b[32m"])
def test_escapes_before_the_value(tmp_path, escape):
    log = b"acc: " + escape + b"0.5\nacc: 0.25\n"
    assert found(tmp_path, log, r"acc=acc: (\S+)") == {"acc": [("escapes-between", f"acc: {ESCAPES}({VALUE})")]}
    assert found(tmp_path, b"acc: 0.25\n", r"acc=acc: (\S+)") == {}


@pytest.mark.parametrize("quote", [b"'", b'"'])
@pytest.mark.parametrize(
    "regex", [r"'eval_loss': ([0-9.]+)", r"'eval_loss':\s*(\d+\.\d+)", r"'eval_loss': (-?\d+(?:\.\d+)?)"]
)
def test_quotes_around_the_value(tmp_path, regex, quote):
    log = b"{'eval_loss': %b0.8123%b, 'epoch': 1}\n{'eval_loss': %bnan%b}\n{'eval_loss': 0.5}\n" % ((quote,) * 4)
    some = lint_log(Scanner([f"loss={regex}"]), written(tmp_path, log))["loss"]
    assert some[0].code == "quotes-around-value"
    assert some[0].reason == "quotes around the value exclude 2 more, as in line 1"
    (better,) = {one.suggestion for one in some}
    scan = Scanner([f"loss={better}"]).scan(log)
    assert repr(scan["loss"]["value"].to_pylist()) == "[0.8123, nan, 0.5]"
    assert "quotes-around-value" not in str(lint_log(Scanner([f"loss={better}"]), written(tmp_path, log)))


@pytest.mark.parametrize("log", [b"'eval_loss': '0.8123\n", b"'eval_loss': 'x'\n", b"'eval_loss': 0.5 '0.8123'\n"])
def test_what_stands_in_no_quotes(tmp_path, log):
    found_in = str(lint_log(Scanner([r"loss='eval_loss': ([0-9.]+)"]), written(tmp_path, log)))
    assert "quotes-around-value" not in found_in


CALL = r"(?:(?:[a-z]{2,6}\.)?(?:[tT]ensor|(?:Device)?[aA]rray|float[0-9]*|u?int[0-9]*|Decimal)\()?"


@pytest.mark.parametrize(
    ("log", "regex", "better"),
    [
        (b"loss tensor(0.5, device='cuda:0')\nloss 1\n", r"loss (\S+)", f"loss {CALL}({VALUE})"),
        (b"loss np.float32(nan)\n", "loss ([0-9.]+)", f"loss {CALL}({VALUE})"),
        (b"mean: np.float64(0.5)\n", r"mean:.*?([\d.]+)", f"mean:.*?{CALL}({VALUE})"),
    ],
)
def test_a_call_around_the_value(tmp_path, log, regex, better):
    codes = dict(found(tmp_path, log, f"loss={regex}")["loss"])
    assert codes["call-around-value"] == better
    for other in (b"f(0.5) loss 1\n", b"loss f(x)\n", b"loss scale(2) is 0.5\nmean: top(5) 0.5\n"):
        assert "call-around-value" not in dict(found(tmp_path, other, f"loss={regex}").get("loss", []))


def test_quotes_before_text_that_follows_the_value(tmp_path):
    log = b"{'eval_loss': '0.25', 'epoch': '1'}\n{'eval_loss': 0.5, 'epoch': 2}\n"
    for regex in (r"'eval_loss': (\S+),", r"'eval_loss': ([0-9.]+),"):
        better = dict(found(tmp_path, log, f"loss={regex}")["loss"])["quotes-around-value"]
        assert Scanner([f"loss={better}"]).scan(log)["loss"]["value"].to_pylist() == [0.25, 0.5]


def test_findings_that_are_none(tmp_path):
    # the parts stand in one record, behind a prefix
    log = b"[1,0]<stdout>:Training> Total reward=5.5, Steps\n"
    assert [code for code, _ in found(tmp_path, log, "r=^Training>.*reward=(.*?),")["r"]] == ["start-behind-prefix"]
    # the point of the regex is that of the name
    assert [code for code, _ in found(tmp_path, b"m: np.float64(0.5)\n", r"m=m: np.float64\((\d)")["m"]] == [
        "cut-number"
    ]


def test_a_set_of_one_letter_that_is_text(tmp_path):
    assert found(tmp_path, b"acc [%]: 91\n", r"acc=acc [%]: (\S+)") == {
        "acc": [("unescaped-text", r"acc \[%\]: (\S+)")]
    }
    assert found(tmp_path, b"acc: 91\n", r"acc=acc[:] (\S+)") == {}


def test_escapes_within_the_name(tmp_path):
    log = b"acc: 0.25\n\x1b[1macc\x1b[0m: 0.5\n\x1b[1macc:\x1b[0m 0.75\n"
    (finding,) = lint_log(Scanner([r"acc=acc: (\S+)"]), written(tmp_path, log))["acc"]
    reason = "escape sequences within what it names exclude 2 more, as in line 2: scan the log with --ansi strip"
    reason += " (ansi='strip'), which removes them"
    assert finding == ("escapes-in-name", reason, None)
    assert found(tmp_path, log, r"acc=acc: (\S+)", ansi="strip") == {}
    assert found(tmp_path, b"\x1b[1macc: 0.5\x1b[0m\n", r"acc=acc: ([\d.]+)") == {}


def test_a_suggestion_reads_no_part_of_a_number_in_groups(tmp_path):
    log = b"size: \x1b[1m1,377\n"
    some = lint_log(Scanner([r"size=size: (\S+)"]), written(tmp_path, log))["size"]
    assert [(one.code, one.suggestion) for one in some] == [("escapes-between", None)]
    assert found(tmp_path, log.replace(b",", b""), r"size=size: (\S+)")["size"][0][1] is not None


@pytest.mark.parametrize("blank", ["", " "])
def test_a_class_that_stands_in_the_log_takes_one_letter(tmp_path, blank):
    log = b"[train] eval loss=3 [Eval] x\n[Eval] loss=2\n[Eval] loss=1\n".replace(b"[Eval] ", b"[Eval] l ")
    some = lint_log(Scanner([rf"loss=[Eval]{blank}.*loss=([0-9.]+)"]), written(tmp_path, log))["loss"]
    reason = "`[Eval]` takes one of these letters, and '[Eval]' stands in line 2: 1 of 3 values have no such text before them"
    assert [one.reason for one in some if one.code == "unescaped-text"] == [reason]
    assert found(tmp_path, log.split(b"\n", 1)[1], r"loss=[Eval].*loss=([0-9.]+)") == {}


def test_text_of_the_log_is_escaped_where_a_number_is_in_groups(tmp_path):
    log = b"Epoch 1 [val] loss: 1,234.5 acc: 1\nEpoch 2 [val] loss: 0.75 acc: 2\nEpoch 3 [val] loss: nan\n"
    regex = r"[val] loss: ([0-9.]+)"
    (better,) = {one[1] for one in found(tmp_path, log, f"loss={regex}")["loss"]}
    assert better.startswith(r"\[val\] loss: (")
    # re would try each way to divide the digits among the groups
    assert not parts_of(better).may_explode
    values = Scanner([f"loss={better}"]).scan(log)["loss"]["value"].to_pylist()
    assert values == pytest.approx([0.75, float("nan")], nan_ok=True)


@pytest.mark.parametrize("number", ["1,234.5", "12,345", "1'234.5", "1.234,5", "1\u202f234,5", "1\u2019234"])
@pytest.mark.parametrize("regex", [r"loss (\d+)", r"loss (\d+\.?\d*)", "loss ([0-9.]+)"])
def test_no_suggestion_reads_a_part_of_a_number_in_groups(tmp_path, regex, number):
    log = f"loss 3\nloss {number}\nloss 1e-05\n".encode()
    findings = lint_log(Scanner([f"loss={regex}"]), written(tmp_path, log))["loss"]
    assert findings[0].code == "cut-number"
    assert findings[0].suggestion is not None
    scan = Scanner([f"loss={findings[0].suggestion}"]).scan(log)
    # float() reads no such number: it is counted, and shown
    assert scan["loss"]["value"].to_pylist() == [3.0, 1e-05]
    assert [sample.text for sample in scan.stats.metrics["loss"].samples] == [number]


def test_numbers_between_commas_are_not_in_groups(tmp_path):
    log = b"loss 3,234,100,7\nloss 1e-05,1,2,3\n"
    (finding,) = {one.suggestion for one in lint_log(Scanner([r"loss=loss (\d+)"]), written(tmp_path, log))["loss"]}
    assert Scanner([f"loss={finding}"]).scan(log)["loss"]["value"].to_pylist() == [3.0, 1e-05]


@pytest.mark.parametrize(
    ("log", "regex"),
    [
        (b"[loss=0.5]\n[loss=nan]\n[loss=1e-05]\n", r"loss=(\S+)"),
        (b"loss=0.5, acc=1\nloss=0.25, acc=2\n", r"loss=(\S+)"),
        (b"loss=0.5,acc=1\nloss=7\n", r"loss=(\S+)"),
        (b"{'a': 1, 'loss': 0.5}\n{'a': 1, 'loss': inf}\n", r"'loss': (.*)"),
        (b"(loss: -0.5); x\n", r"loss: ([^ ]+)"),
        (b"loss: 0.5. lr: 1\nloss: 0.25.\nloss: 1e-05...\nloss: 3\n", r"loss: (\S+)"),
        (b"loss: 0.5.\nloss: 0.25.\n", r"loss: ([\d.]+)"),
    ],
)
def test_a_mark_behind_the_value(tmp_path, log, regex):
    ((code, better),) = found(tmp_path, log, f"loss={regex}")["loss"]
    assert code == "mark-in-value"
    values = Scanner([f"loss={better}"]).scan(log)["loss"]["value"].to_pylist()
    numbers = re.findall(rb"loss'?[=:] ?([-+]?[\w+-]+(?:\.\w+)?)", log)
    assert list(map(str, values)) == [str(float(number)) for number in numbers]


@pytest.mark.parametrize("log", [b"loss=1,234.5\n", b"loss=12:30:01\n", b"loss=0.5k\n", b"loss=x]\n", b"loss=0.5%\n"])
def test_what_is_no_mark_behind_a_value(tmp_path, log):
    assert found(tmp_path, log, r"loss=loss=(\S+)") == {}


def test_a_mark_is_not_cut_off_where_numbers_have_it(tmp_path):
    log = b"loss=0.5]\nloss=1,234]\n"
    (one,) = lint_log(Scanner([r"loss=loss=(\S+)"]), written(tmp_path, log))["loss"]
    assert (one.code, one.suggestion) == ("mark-in-value", None)


def test_escapes_behind_the_value(tmp_path):
    assert found(tmp_path, b"f1=0.5#015\nf1=0.25\n", r"f1=f1=(\S+)") == {"f1": [("escapes-in-value", f"f1=({VALUE})")]}
    assert found(tmp_path, b"f1=0.5\x1b[0m\n", r"f1=f1=(\S+)") == {"f1": [("escapes-in-value", f"f1=({VALUE})")]}


@pytest.mark.parametrize(
    ("regex", "line", "better"),
    [
        (r"[test] err: (\S+)", b"[test] err: 3", r"\[test\] err: (\S+)"),
        (r"ppl(exp): (?P<value>\S+)", b"ppl(exp): 3", r"ppl\(exp\): (?P<value>\S+)"),
        (r"wd*1e4 (\S+)", b"wd*1e4 3", r"wd\*1e4 (\S+)"),
        (r"done?=(\S+)", b"done?=3", r"done\?=(\S+)"),
        (r"fwd+bwd=(\S+)", b"fwd+bwd=3", r"fwd\+bwd=(\S+)"),
        (r"it \d+ | err (\S+)", b"it 7 | err 3", r"it \d+ \| err (\S+)"),
        (r"cost $(\S+)", b"cost $3", r"cost \$(\S+)"),
    ],
)
def test_text_that_was_pasted(tmp_path, regex, line, better):
    some = found(tmp_path, b"step 1\n" + line + b"\n", f"m={regex}")
    assert ("unescaped-text", better) in some["m"]
    # what is meant as it is written
    assert found(tmp_path, b"done=3\nfwdbwd=3\nt err: 3\n", r"d=done?=(\S+)", r"e=fwd+bwd=(\S+)") == {}


def test_pasted_text_that_matches_elsewhere(tmp_path):
    log = b"done=1\ndone?=2\n"
    some = lint_log(Scanner([r"d=done?=(\S+)"]), written(tmp_path, log))["d"]
    # escaped, it would lose the value of the first line
    assert [(one.code, one.suggestion) for one in some] == [("unescaped-text", None)]
    assert some[0].reason == "`done?=` does not match 'done?=', which stands in line 2"


def test_the_first_group_takes_names(tmp_path):
    log = b"fit/err=0.25 acc=1e-05\nacc=nan\n"
    regex = r"([\w|/-]+)\s*=\s*([+-]?\d*(\.\d+)?([Ee][+-]?\d+)?)"
    names = {"fit:err": "fit/err", "acc": "acc", "rmse": "rmse"}
    some = lint_log(Scanner([f"{name}={regex}" for name in names]), written(tmp_path, log))
    for name, found_name in names.items():
        (one,) = some[name]
        assert one.code == "wrong-group"
        assert one.reason.endswith("it takes 'fit/err', 'acc'")
        # a name that the log does not hold is no advice
        wanted = None if name != "acc" else rf"(?<![A-Za-z_/.-]){found_name}\s*=\s*({VALUE})"
        assert one.suggestion == wanted
    better = Scanner([f"acc={some['acc'][0].suggestion}"])
    assert better.scan(log)["acc"]["value"].to_pylist()[0] == 1e-05


def test_values_that_stand_inside_words(tmp_path):
    log = b"{'size': np.float32(0.5), 'x': 1}\n{'size': np.int64(12)}\n"
    one, *_ = lint_log(Scanner([r"size=size'\D+(\d+)"]), written(tmp_path, log))["size"]
    assert (one.code, one.reason) == ("inside-word", "all 2 values stand inside a word: 'float32' in line 1")
    assert Scanner([f"size={one.suggestion}"]).scan(log)["size"]["value"].to_pylist() == [0.5, 12]
    # the regex says which word it is
    assert found(tmp_path, b"rank3 7\n", r"rank=rank(\d)") == {}


def test_names_behind_any_text(tmp_path):
    log = b"dev | err 4.5 | top_err 3.5\ndev | err 4.75 | top_err 3.25 | low_err 4.5\n"
    regex = r"dev.*err (\S+)"
    assert found(tmp_path, log, f"e={regex}") == {"e": [("inside-longer-name", r"dev.*(?<![A-Za-z_/.-])err (\S+)")]}


def test_what_never_stands_in_one_record(tmp_path):
    log = b"epoch 1\n  err 0.5\nepoch 2\n  err 0.25\n"
    assert found(tmp_path, log, r"e=epoch.*err (\S+)") == {"e": [("spans-lines", r"err (\S+)")]}
    (one,) = lint_log(Scanner([r"e=(?s)epoch.*err (\S+)"]), written(tmp_path, log))["e"]
    assert (one.code, one.suggestion) == ("spans-lines", r"(?s)err (\S+)")
    assert found(tmp_path, b"epoch 1 err 0.5\n  err 2\n", r"e=epoch.*err (\S+)") == {}


def test_records_of_several_workers(tmp_path):
    log = b"[g1]: err 0.5[g3]: err 0.75\n[g2]: err 1\n"
    scanner = Scanner([r"e=err ([0-9.]+)"], labels={"w": r"^\[(g\d+)\]:"})
    some = lint_log(scanner, written(tmp_path, log))
    assert [(one.code, one.suggestion) for one in some["w"]] == [("several-workers", r"\[(g\d+)\]:")]
    assert some["w"][0].reason == "1 record holds several workers, and ^ lets the label stand once in a record: line 1"


def test_labels_on_fewer_records_than_a_metric(tmp_path):
    log = b"[g1]: err 0.5\n2026-01-02 03:04:05 [g2]: err 1\nerr 2\nother\n"
    scanner = Scanner([r"e=err ([0-9.]+)", "o=(other)"], labels={"w": r"^\[(g\d+)\]:", "v": r"none (\d+)"})
    some = lint_log(scanner, written(tmp_path, log))
    assert [(one.code, one.suggestion) for one in some["w"]] == [("label-on-fewer-records", r"\[(g\d+)\]:")]
    assert some["w"][0].reason == "the label stands in 1 of 3 records of 'e', not in line 2"
    assert "v" not in some
    assert lint_log(Scanner(["e=err 2(x)"], labels={"w": "(g)"}), written(tmp_path, log)) == {}


def test_what_loses_a_right_value_is_no_suggestion(tmp_path):
    # a name right behind dashes: to keep it out of longer names would lose it
    log = b"--err=1\nval_err=2\n"
    assert found(tmp_path, log, r"e=err=(\S+)") == {"e": [("inside-longer-name", None)]}


def test_suggestions_find_what_was_kept_out(tmp_path):
    log = b"acc: \x1b[32m0.5\nacc: 0.25\n[0]: Epoch 7\nEpoch 8\nf1=0.5#015\n"
    definitions = [r"acc=acc: (\S+)", r"e=^Epoch (\d+)", r"f1=f1=(\S+)"]
    some = found(tmp_path, log, *definitions)
    better = Scanner([f"{name}={findings[-1][1]}" for name, findings in some.items()]).scan(log)
    assert {name: better[name]["value"].to_pylist() for name in better} == {
        "acc": [0.5, 0.25],
        "e": [7, 8],
        "f1": [0.5],
    }


def test_options_and_files(tmp_path):
    log = b"acc: \x1b[32m0.5\n\tloss=1.5e-05 val_loss=2\n"
    assert found(tmp_path, log, r"acc=acc: (\S+)", "loss=loss=([0-9.]+)", ansi="strip", escape="syslog") == {}
    packed = tmp_path / "b.log.gz"
    packed.write_bytes(gzip.compress(b"loss=2e-5\n"))
    paths = [str(packed), "-", str(tmp_path / "missing")]
    codes = [one.code for one in lint_log(Scanner(["loss=loss=([0-9.]+)"]), paths)["loss"]]
    assert codes == ["cut-number", "no-sign-or-exponent"]
    assert lint_log(Scanner([r"a=(?x) a = (\d)", r"b=\p{L}=(\d)", r"c=[a-z]+"]), paths) == {}


def test_check_prints_them(tmp_path):
    path = tmp_path / "a.log"
    path.write_bytes(b"loss=1.5e-05\nx=1\n")
    run = CliRunner().invoke(command, ["check", str(path), "-m", "loss=loss=([0-9.]+)", "-m", r"x=x=(\S+)"])
    assert "  lint cut-number: 1 of 1 values were cut: 1.5e-05 is read as 1.5 in line 1\n" in run.output
    assert f"       better loss=({VALUE})\n" in run.output
    assert "  lint no-sign-or-exponent: 1.5e-05 is read as 1.5; -1.5 is not found\n" in run.output
    assert run.output.count("lint") == 2


def test_exports_are_looked_at_as_their_messages(tmp_path):
    path = tmp_path / "events.json"
    messages = ["\tloss=1.5e-05", "\tloss=2", "\tval_loss=3"]
    events = [{"timestamp": 1700000000000, "message": message} for message in messages]
    path.write_text(json.dumps({"events": events}, indent=1))
    run = CliRunner().invoke(command, ["check", str(path), "-m", "loss=loss=([0-9.]+)"])
    assert "cut-number: 1 of 3 values were cut: 1.5e-05 is read as 1.5 in line 1 of the messages\n" in run.output
    # the tab is none of the name's letters, though JSON writes it with one
    assert "inside-longer-name: 1 of 3 values belong to 'val_loss'" in run.output
    run = CliRunner().invoke(command, ["check", str(path), "-m", "loss=loss=([0-9.]+)", "--input-format", "plain"])
    assert "in line 5\n" in run.output


@pytest.mark.slow
def test_real_logs_have_few(corpora):
    lines = (corpora / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    codes = []
    for log in map(json.loads, lines):
        scanner = _configured(log["definitions"])
        some = of_log_alone(scanner, lint_log(scanner, [str(corpora / "logs" / log["file"])]))
        codes += [code for findings in some.values() for code, _ in findings]
    # each was looked at: lr=2e-05 under [0-9.]+, val_loss in q_val_loss, val_bpb in q_val_bpb, and #015 in \S+
    assert sorted(codes) == ["cut-number", *["escapes-in-value"] * 4, *["inside-longer-name"] * 2]
