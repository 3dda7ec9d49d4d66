"""Tables with one line per job: in a terminal of any width, in a pipe, and with the columns that are asked for."""

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from support.folders import tree

from metricscan.cli.job_table import Column, fitted, print_jobs, shortened

NAMES = st.text(st.sampled_from("ab_1é名"), max_size=30)
LOG = "epoch=1 acc=0.5 loss=3\nepoch=2 acc=0.25 loss={}\n"
DEFINITIONS = ["-mloss=loss=(\\S+)", "-macc=acc=(\\S+)", "-mepoch=epoch=(\\d+)"]


@given(st.sets(NAMES, min_size=1, max_size=8), st.integers(1, 30), st.sampled_from(["…", ".."]))
def test_distinct_texts_stay_distinct_and_short(texts, width, dots):
    short = shortened(texts, width, dots)
    if short is None:
        assert max(map(cell_len, texts)) > width
        return
    assert set(short) == texts
    assert len(set(short.values())) == len(texts)
    assert all(cell_len(one) <= width for one in short.values())
    assert all(one == text for text, one in short.items() if cell_len(text) <= width)


@given(st.lists(st.tuples(NAMES, NAMES, st.integers(0, 10**9)), min_size=1, max_size=6), st.integers(5, 120), st.data())
def test_one_line_per_row_that_fits(rows, width, data):
    """Numbers stay whole, texts distinct, and nothing is left out without its name."""
    names, places, numbers = ([str(row[at]) for row in rows] for at in range(3))
    columns = [
        Column("job", names),
        Column("value", numbers, is_number=True),
        Column("place", places, importance=data.draw(st.integers(0, 2))),
        Column("number", numbers, is_number=True, importance=1),
    ]
    lines, left_out = fitted(columns, width)
    assert len(lines) == len(rows) + 1
    assert set(left_out) <= {"place", "number"}
    kept = 4 - len(left_out)
    for line, number in zip(lines[1:], numbers, strict=True):
        assert line.split(" ").count(number) + line.count(f" {number}") >= 1
        assert line.rstrip().endswith(number) == ("number" not in left_out or "place" in left_out) or kept < 4
    whole = sum(max(map(cell_len, (one.name, *one.texts))) + 2 for one in columns) - 1
    if whole <= width:
        assert not left_out
    assert len(fitted(columns, None)[0][0]) <= max(whole, 0)


def test_a_table_becomes_narrow_step_by_step():
    jobs = [f"experiments/2026-11-24/diabetes-{number}-lr=0.001/trial" for number in range(3)]
    columns = [
        Column("rank", ["1", "2", ""], is_number=True),
        Column("job", jobs, least=12),
        Column("val_loss", ["0.25", "5.708718320473662e+16", "nan"], is_number=True),
        Column("place", [f"{job}/stdout:1" for job in jobs], importance=2),
        Column("lr", ["0.001"] * 3, is_number=True, importance=1),
    ]
    wide, left_out = fitted(columns, None)
    assert (left_out, wide[1].split()[1]) == ([], jobs[0])
    lines, left_out = fitted(columns, 100)
    assert left_out == []
    assert max(map(len, lines)) <= 100
    assert all("…" in line for line in lines[1:])
    assert len({line.split()[1] for line in lines[1:3]}) == 2
    lines, left_out = fitted(columns, 60)
    assert left_out == ["place"]
    assert max(map(len, lines)) <= 60
    lines, left_out = fitted(columns, 10)
    assert left_out == ["place", "lr"]
    assert "5.708718320473662e+16" in lines[2]


def test_what_differs_in_the_middle_alone_stays_apart():
    texts = [f"{'a' * 40}{number}{'b' * 40}" for number in range(3)]
    short = shortened(texts, 12)
    assert list(short.values()) == ["…0bbbbbbbbb…", "…1bbbbbbbbb…", "…2bbbbbbbbb…"]
    assert shortened(["a" * 40 + "x" + "a" * 40, "a" * 41 + "x" + "a" * 39, "a" * 90 + "x"], 3) is None
    # a name that looks like another one that is shortened
    assert shortened(["abc…xyz", "abcdefghxyz"], 7)["abcdefghxyz"] != "abc…xyz"


@pytest.mark.parametrize(("encoding", "dots"), [("utf-8", "…"), ("ascii", "..")])
def test_what_the_terminal_cannot_show_is_not_printed(encoding, dots):
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=30, force_terminal=True, no_color=True)
    print_jobs(console, [Column("job", ["a" * 60])])
    file.flush()
    assert dots in file.buffer.getvalue().decode(encoding)


def test_many_rows_are_printed_in_one_piece():
    console = Console(file=io.StringIO(), width=20, force_terminal=True, no_color=True)
    print_jobs(console, [Column("job", [f"a_job_with_a_long_name_{at}" for at in range(5_000)])])
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 5_001
    assert len(set(lines)) == 5_001


# ---- the commands


@pytest.fixture
def sweep(run, tmp_path, monkeypatch):
    """A dataset of jobs with long names, and of many hyperparameters."""
    monkeypatch.chdir(tmp_path)
    files = {}
    for number in range(4):
        folder = f"logs/a-sweep-of-the-26th-of-november/trial_{number}_of_the_sweep"
        files[f"{folder}/stdout"] = LOG.format(number)
        parameters = {"lr": 10.0**-number, "opt": "adam" if number else "sgd", "units": 64}
        files[f"{folder}/params.json"] = json.dumps(
            parameters | {f"p{at}": f"{'x' * 12}{number}" for at in range(9)} | ({"x": 1} if number == 1 else {})
        )
    tree(tmp_path, files)
    run("replay", "logs", *DEFINITIONS, "--minimize", "loss", "--step", "epoch", "--out", "out")
    return "out"


@pytest.fixture
def terminal(run, monkeypatch):
    """A function that runs the command in a terminal of a width, and gives the lines that it prints, without their styles."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")

    def printed(width, *command):
        monkeypatch.setenv("COLUMNS", str(width))
        return re.sub(r"\x1b\[[0-9;]*m", "", run(*command)[1]).splitlines()

    return printed


@pytest.mark.parametrize("width", [60, 80, 100, 140, 300, 600])
def test_a_job_has_one_line_in_any_terminal(sweep, terminal, width):
    for command in (("rank", sweep), ("replay", "logs", *DEFINITIONS, "--minimize", "loss", "--step", "epoch")):
        lines = terminal(width, *command)
        head = next(at for at, line in enumerate(lines) if line.startswith(" rank"))
        jobs = [line.split()[1] for line in lines[head + 1 : head + 5]]
        assert [line.split()[0] for line in lines[head + 1 : head + 5]] == ["1", "2", "3", "4"]
        assert len(set(jobs)) == 4
        assert max(map(len, lines[head : head + 5])) <= width
        # what they share stands once
        assert "  in all of these jobs: units=64" in lines
        assert any("no room for" in line for line in lines) == (width < 300)
        assert lines[head].split()[:4] == ["rank", "job", "loss", "epoch"]
        assert ("p8" in lines[head].split()) == (width >= 300)


def test_in_a_pipe_nothing_is_shortened(run, sweep):
    out = run("rank", sweep)[1]
    lines = [line.split() for line in out.splitlines()]
    assert lines[1] == [
        *["rank", "job", "loss", "epoch", "status", "rows", "place", "lr", "opt"],
        *[f"p{at}" for at in range(9)],
        "x",
    ]
    assert lines[2][1:3] == ["trial_0_of_the_sweep", "0.0"]
    assert lines[3][-1] == "1"
    assert lines[4][-1] == "xxxxxxxxxxxx2"
    assert "…" not in out


def test_columns_are_chosen_in_their_order(run, sweep):
    def heads(*columns):
        code, out, err = run("rank", sweep, *columns)
        assert (code, err) == (0, "")
        at = next(at for at, line in enumerate(out.splitlines()) if line.startswith(" ") and ":" not in line)
        return [line.split() for line in out.splitlines()[at : at + 3]]

    assert heads("--columns", "job,lr,value") == [
        ["job", "lr", "loss"],
        ["trial_0_of_the_sweep", "1.0", "0.0"],
        ["trial_1_of_the_sweep", "0.1", "1.0"],
    ]
    # a metric at the best step, though --at-best does not name it
    assert heads("--columns", "acc", "--columns", "job") == [
        ["acc", "job"],
        ["0.25", "trial_0_of_the_sweep"],
        ["0.25", "trial_1_of_the_sweep"],
    ]
    assert heads("--columns", "loss,epoch,at-best", "--at-best", "acc")[0] == ["loss", "epoch", "acc"]
    assert heads("--columns", "metric:acc,parameter:units,doubts")[0] == ["acc", "units", "doubts"]
    assert heads("--columns", "hyperparameters")[0][:3] == ["lr", "opt", "units"]
    _, out, _ = run("replay", "logs", *DEFINITIONS, "--minimize", "loss", "--columns", "rank,acc")
    assert [line.split() for line in out.splitlines()[2:4]] == [["rank", "acc"], ["1", "0.25"]]


def test_chosen_columns_that_do_not_fit_are_named(sweep, terminal):
    assert "  no room for p1, p2" in terminal(50, "rank", sweep, "--columns", "job,value,p0,p1,p2")


def test_a_column_that_does_not_exist(run, sweep):
    for command in (("rank", sweep), ("replay", "logs", *DEFINITIONS, "--minimize", "loss")):
        code, out, err = run(*command, "--columns", "job,lrr\n")
        assert code == 2
        assert "metricscan: --columns: no column 'lrr'; there are rank, job, value, " in err
        # the logs were read, and the ranking is not lost
        assert out.startswith("Best: trial_0_of_the_sweep")
        assert " rank  job" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rank", "out", "--json", "--columns", "job"], "--columns is for the table; --json has all columns"),
        (["replay", "logs", *DEFINITIONS, "--columns", "job"], "no objective for --columns"),
        (["report", "out", "-o", "x.html", "--columns", "job"], "--columns is for tables"),
    ],
)
def test_columns_without_a_table(run, sweep, arguments, said):
    code, _, err = run(*arguments)
    assert (code, said in err) == (2, True)


def test_a_metric_called_rank_is_asked_for_by_its_kind(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tree(tmp_path, {"a.log": "loss=1 rank=7\n", "b.log": "loss=2 rank=8\n"})
    definitions = ["-mloss=loss=(\\S+)", "-mrank=rank=(\\S+)"]
    out = run("replay", "a.log", "b.log", *definitions, "--minimize", "loss", "--columns", "rank,metric:rank")[1]
    assert [line.split() for line in out.splitlines()[2:5]] == [["rank", "rank"], ["1", "7.0"], ["2", "8.0"]]
