"""``metricscan compact``: what it prints, its exit codes, and that rank says the same before and after."""

import pytest
from support.journals import SCANNER, file, one_row

from metricscan import Journal


@pytest.fixture
def journal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Journal.open("live", SCANNER) as writer:
        for number in range(3):
            writer.append(file("a\x1b[31m"), {"loss": one_row(number)})
        writer.append(file("b"), {"loss": one_row(1)})
    return "live"


def test_it_says_what_it_wrote(run, journal):
    assert run("compact", journal) == (0, "4 rows of 3 metrics, 2 jobs\n", "written: live-dataset\n")
    code, _, complaint = run("compact", journal)
    assert code == 2
    assert complaint.startswith("metricscan: ")
    assert "live-dataset holds a dataset\nhint: use --overwrite" in complaint
    assert run("compact", journal, "--overwrite", "--format", "csv")[0] == 0
    assert run("compact", journal, "-o", "x\x1b[1m")[2] == "written: x\\x1b[1m\n"


def test_rank_says_the_same(run, journal):
    before = run("rank", journal, "--minimize", "loss")
    run("compact", journal)
    assert before[0] == 0
    assert before == run("rank", "live-dataset", "--minimize", "loss")
    assert "\x1b" not in before[1]
    # a row has no doubt that could not be found
    assert (
        "these doubts: near-miss-after, cut-value, unterminated, cut-line, dropped-lines, crashed, restarted; replay"
        in before[2]
    )


def test_what_is_no_journal(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run("compact", "nothing") == (2, "", "metricscan: cannot open nothing: No such file or directory\n")
    (tmp_path / "folder").mkdir()
    assert run("compact", "folder") == (2, "", "metricscan: folder is not a journal: it has no journal.json\n")
