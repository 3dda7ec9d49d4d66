"""Steps that stand behind their rows, or in the same block: in memory, in datasets, while rows arrive, and read again."""

import json
import pickle
import sys

import pytest

import metricscan
from metricscan import DefinitionWarning, Objective, OptionError, Scanner, SourceError, replay
from metricscan.cli import main
from metricscan.definitions.blocks import BLOCK

SCANNER = Scanner([r"reward=mean_reward\s*\|\s*(\S+)", r"loss=\bloss\s*\|\s*(\S+)", r"t=timesteps\s*\|\s*(\d+)"])
OPTIONS = [part for one in SCANNER.definitions for part in ("-m", f"{one.name}={one.regex}")]
LINE = "-" * 30 + "\n"


@pytest.fixture
def run(capsys):
    """Runs a command; gives its exit code and what it printed."""

    def running(*arguments):
        status = main(list(map(str, arguments)))
        return status, *capsys.readouterr()

    return running


def table(*rows, line=LINE):
    """A table between two lines, as reinforcement learning libraries print it."""
    return line + "".join(f"| {name:<16} | {value} |\n" for name, value in rows) + line


def log(*iterations, line=LINE):
    rows = [[("mean_reward", reward), ("timesteps", t), ("loss", loss)] for reward, t, loss in iterations]
    return "Using cpu\n" + "".join(table(*one, line=line) for one in rows)


@pytest.fixture
def logs(tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.log").write_text(log((10, 100, 0.9), (20, 200, 0.5), (15, 300, 0.7)))
    (folder / "b.log").write_text(log((11, 100, 0.8), (19, 200, 0.6), (30, 300, 0.4)))
    return folder


def values(table):
    return [[row[name] for name in ("job", "step", "reward", "loss")] for row in table.to_pylist()]


EXPECTED = [
    ["a", 100.0, 10.0, 0.9],
    ["a", 200.0, 20.0, 0.5],
    ["a", 300.0, 15.0, 0.7],
    ["b", 100.0, 11.0, 0.8],
    ["b", 200.0, 19.0, 0.6],
    ["b", 300.0, 30.0, 0.4],
]
BY_BLOCK = Objective("reward", "Maximize", "best@200", "t", "block")


@pytest.mark.parametrize("kept", [False, True])
def test_a_row_has_the_step_of_its_block(logs, kept):
    found = replay(logs, SCANNER, block=kept)
    assert (BLOCK in found) == kept
    assert values(found.wide("t", ["reward", "loss"], step_place="block")) == EXPECTED
    assert metricscan.curve(found, "reward", "t", step_place="block")["step"].to_pylist() == [100.0, 200.0, 300.0] * 2
    ranked = found.rank(BY_BLOCK)
    assert [(row["job"], row["value"], row["step"]) for row in ranked.to_pylist()] == [
        ("a", 20.0, 200),
        ("b", 19.0, 200),
    ]


def test_the_step_before_or_behind_is_another(logs):
    found = replay(logs, SCANNER)
    before = found.wide("t", ["reward", "loss"])
    assert values(before)[:2] == [["a", None, 10.0, None], ["a", 100.0, 20.0, 0.9]]
    assert json.loads(before.schema.metadata[b"stepless"]) == {"reward": 2, "loss": 0}
    after = found.wide("t", ["reward", "loss"], step_place="after")
    assert values(after)[:3] == [["a", None, None, 0.7], ["a", 100.0, 10.0, None], ["a", 200.0, 20.0, 0.9]]


@pytest.mark.parametrize("format_", ["parquet", "arrow", "csv", "jsonl"])
def test_a_replay_its_dataset_and_its_tables_rank_the_same(logs, tmp_path, format_):
    out = tmp_path / "out"
    found = replay(logs, SCANNER, objective=BY_BLOCK, out=out, format=format_)
    assert (found.best.job, found.best.value) == ("a", 20.0)
    assert replay(logs, SCANNER, objective=BY_BLOCK, keep=False).ranking.equals(found.ranking)
    assert metricscan.Dataset(out).objective == BY_BLOCK
    assert metricscan.rank(out, BY_BLOCK).equals(found.ranking)
    assert metricscan.rank(dict(found), BY_BLOCK, jobs=found.jobs).equals(found.ranking)
    assert values(metricscan.wide(out, "t", ["reward", "loss"], step_place="block")) == EXPECTED


@pytest.mark.parametrize(
    ("line", "is_separator"),
    [
        ("---\n", True),
        ("===========\n", True),
        ("+++\r\n", True),
        ("  +-----+-----+\n", True),
        ("|---|:---|\n", False),
        ("| --- | --- |\n", True),
        ("--\n", False),
        ("- - -\n", False),
        ("=== Evaluation ===\n", False),
        ("-" * 5000 + "\n", True),
        ("-" * 200_000 + "x\n", False),
    ],
)
def test_what_a_separator_is(tmp_path, line, is_separator):
    (tmp_path / "a.log").write_text(line + "x\n" + line)
    assert replay(tmp_path, SCANNER, block=True)[BLOCK].num_rows == 2 * is_separator


def test_other_separators(logs, tmp_path):
    """Records of any kind, whatever groups their regex has; a record that matches begins a block."""
    text = log((10, 100, 0.9), (20, 200, 0.5), line="").replace("| mean", "Iteration 7\n| mean")
    (logs / "a.log").write_text(text.replace("Iteration 7\n", "Eval 7\n", 1))
    scanner = Scanner(list(SCANNER.definitions))
    found = replay(logs / "a.log", scanner, block=r"(?i)^(?P<value>iteration)|^(eval) \d+")
    assert found[BLOCK]["line"].to_pylist() == [2, 6]
    assert set(found[BLOCK]["value"].to_pylist()) == {""}
    assert replay(logs / "b.log", scanner, block="-")[BLOCK]["line"].to_pylist() == [2, 6, 7, 11, 12, 16]
    wide = found.wide("t", ["reward", "loss"], step_place="block")
    assert values(wide) == [["a", 100.0, 10.0, 0.9], ["a", 200.0, 20.0, 0.5]]
    with pytest.warns(DefinitionWarning, match=r"label '\(block\)'.*not ReDoS-safe"):
        replay(logs / "a.log", SCANNER, block=r"^(\s*|x*)*-$")


def test_blocks_go_on_in_the_next_piece_of_a_rotated_log(tmp_path):
    whole = log((10, 100, 0.9), (20, 200, 0.5), (15, 300, 0.7)).splitlines(keepends=True)
    (tmp_path / "a.log.1").write_text("".join(whole[:8]))
    (tmp_path / "a.log").write_text("".join(whole[8:]))
    found = replay(tmp_path, SCANNER, objective=BY_BLOCK)
    assert sorted(set(found["t"]["part"].to_pylist())) == [0, 1]
    assert values(found.wide("t", ["reward", "loss"], step_place="block")) == EXPECTED[:3]
    assert found.ranking["step"].to_pylist() == [200.0]


# ---- what is said


def test_steps_that_stand_behind_their_rows_are_told(logs, tmp_path, run):
    objective = Objective("reward", "Maximize", step="t")
    found = replay(logs, SCANNER, objective=objective, out=tmp_path / "out")
    assert found.ranking["stepless"].to_pylist() == [1, 1]
    (notice,) = found.notices
    assert notice.message.startswith(
        "2 of 6 rows of 'reward' have no step: each stream begins with rows before its first 't'"
    )
    assert "--step-place after" in notice.message
    for place in ("after", "block"):
        assert (
            replay(logs, SCANNER, objective=Objective("reward", "Maximize", step="t", step_place=place)).notices == ()
        )
    status, _, err = run("rank", tmp_path / "out")
    assert status == 0
    assert notice.message in err


def test_a_first_value_before_training_is_no_lag(tmp_path):
    """It has no step; that the step stands behind its rows does not follow: the last rows stand behind the last step."""
    (tmp_path / "a.log").write_text("val 9\nval 8\nepoch 1\nval 3\nepoch 2\nval 2\n")
    scanner = Scanner([r"val=val (\d)", r"epoch=epoch (\d)"])
    found = replay(tmp_path, scanner, objective=Objective("val", "Minimize", step="epoch"))
    assert [one.message for one in found.notices] == [
        "2 of 4 rows of 'val' have no step: no 'epoch' stands before them in the stream"
    ]


def test_no_separators_are_told(tmp_path):
    (tmp_path / "a.log").write_text("loss | 1\ntimesteps | 5\nloss | 2\n")
    found = replay(tmp_path, SCANNER, objective=Objective("loss", "Minimize", step="t", step_place="block"))
    assert [one.message.partition(":")[0] for one in found.notices] == ["no separator of blocks was found"]


# ---- what is not possible


def test_a_dataset_without_separators(logs, tmp_path):
    replay(logs, SCANNER, out=tmp_path / "out")
    for call in (
        lambda: metricscan.rank(tmp_path / "out", BY_BLOCK),
        lambda: metricscan.wide(tmp_path / "out", "t", step_place="block"),
    ):
        with pytest.raises(OptionError, match=r"needs the separators of blocks(.|\n)*hint: replay the logs again with"):
            call()


def test_logs_that_changed_or_cannot_be_read_again(logs, monkeypatch):
    found = pickle.loads(pickle.dumps(replay(logs, SCANNER)))
    (logs / "b.log").write_text("x\n")
    with pytest.raises(SourceError, match="cannot be found any more"):
        found.rank(BY_BLOCK)
    with pytest.raises(LookupError, match="the rows were not kept"):
        replay(logs, SCANNER, keep=False).wide("t", step_place="block")
    with open(logs / "a.log", "rb") as file:
        monkeypatch.setattr(sys, "stdin", type("In", (), {"buffer": file}))
        piped = replay("-", SCANNER)
    with pytest.raises(OptionError, match="standard input can be read only once"):
        piped.rank(BY_BLOCK)


def test_wrong_use(logs):
    for wrong in ("", 3, None):
        with pytest.raises(OptionError, match=r"block=.*: a regex, or True was expected"):
            replay(logs, SCANNER, block=wrong)
    with pytest.raises(metricscan.DefinitionError, match=r"'\(block\)'"):
        replay(logs, SCANNER, block="(")
    with pytest.raises(OptionError, match="step_place='behind': one of before, after, block was expected"):
        Objective("loss", "Minimize", step="t", step_place="behind")
    with pytest.raises(OptionError, match="step_place='after' needs step=NAME"):
        Objective("loss", "Minimize", step_place="after")
    with pytest.raises(OptionError, match="step_place='x'"):
        replay(logs, SCANNER).wide("t", step_place="x")
    with pytest.raises(OptionError, match=r"a definition is called '\(block\)'"):
        replay(logs, Scanner([{"Name": BLOCK, "Regex": "x(.)"}]), block=True)


# ---- the command


def test_the_commands(logs, tmp_path, run):
    out = tmp_path / "out"
    goal = ["--maximize", "reward", "--scope", "best@200", "--step", "t"]
    status, printed, _ = run("replay", logs, *OPTIONS, *goal, "--step-place", "block", "--json", "-o", out)
    assert status == 0
    document = json.loads(printed)
    assert document["objective"]["step_place"] == "block"
    assert (document["best"]["job"], document["ranking"][0]["step"]) == ("a", 200.0)
    again = json.loads(run("rank", out, "--json")[1])
    assert (again["objective"], again["ranking"]) == (document["objective"], document["ranking"])
    before = json.loads(run("rank", out, "--step-place", "before", "--json")[1])
    assert (before["best"]["job"], before["ranking"][0]["step"]) == ("b", 200.0)
    assert before["ranking"][0]["value"] == 30.0
    status, printed, _ = run("replay", logs, *OPTIONS, *goal, "--block", "^-+$", "--json")
    assert json.loads(printed)["objective"]["step_place"] == "block"
    # without an objective, for rank and plot
    assert run("replay", logs, *OPTIONS, "--step-place", "block", "-o", out, "--overwrite")[0] == 0
    assert run("rank", out, *goal, "--step-place", "block", "--json")[0] == 0
    status, _, err = run("replay", logs, *OPTIONS, "--step-place", "after")
    assert (status, "no objective for --step-place" in err) == (2, True)
