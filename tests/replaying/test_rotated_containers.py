"""Messages of a container whose fragments lie in several pieces of a rotated log: they are joined, as in a whole one."""

import gzip
import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.archives import tarred, zipped
from support.folders import tree

from metricscan import Objective, Scanner, SourceError, replay
from metricscan.logs import members
from metricscan.logs.survey import survey
from metricscan.replaying import log_scan, shared_file

SCANNER = Scanner([r"loss=loss=([0-9.]+)", r"acc=acc=(\S+)", r"last=(\d+)$"])
LOSS = Objective("loss", "Minimize", "min")
FULL = 16384


def docker(message, stream="stdout"):
    line = {"log": message, "stream": stream, "time": "2026-05-04T03:02:01.5Z"}
    return json.dumps(line, separators=(",", ":")) + "\n"


def cri(message, stream="stdout", tag="F"):
    return f"2026-05-04T03:02:01.5Z {stream} {tag} {message}\n"


def rows(result, columns=("stream", "part", "value", "line", "offset", "start")):
    return {name: [tuple(row.values()) for row in result[name].select(columns).to_pylist()] for name in SCANNER.metrics}


def rows_of_whole(folder, text, cuts):
    """The rows of a log that was not rotated, each with the piece in which its record would begin, and its places there."""
    path = folder / "whole" / "a.log"
    path.parent.mkdir()
    path.write_bytes(text)
    begins = [0, *cuts]
    found = {}
    for name, table in rows(replay(path, SCANNER)).items():
        found[name] = []
        for stream, _, value, line, offset, start in table:
            part = sum(begin <= offset for begin in cuts)
            before = begins[part]
            found[name].append(
                (stream, part, value, line - text.count(b"\n", 0, before), offset - before, start - before)
            )
    return found


def write_pieces(folder, text, cuts, packed=()):
    """The pieces of a rotated log, the newest without a number."""
    ends = [0, *cuts, len(text)]
    for part, (begin, end) in enumerate(itertools.pairwise(ends)):
        piece = text[begin:end]
        name = "a.log" if part == len(cuts) else f"a.log.{len(cuts) - part}"
        if part in packed:
            name, piece = f"{name}.gz", gzip.compress(piece)
        (folder / name).write_bytes(piece)


fragments = st.sampled_from(["loss=0.", "5", "25 acc=0.", "acc=7 ", "10%\r20%\rloss=3", "\r", "1", "x" * 40, "é", ""])


@st.composite
def events(draw):
    """The events of a container's log, and after which of them it may be cut."""
    kind = draw(st.sampled_from([cri, docker]))
    lines, may_cut = [], []
    for _ in range(draw(st.integers(2, 12))):
        stream = draw(st.sampled_from(["stdout", "stdout", "stderr"]))
        text = draw(fragments)
        is_whole = draw(st.booleans())
        if kind is cri:
            lines.append(cri(text, stream, "F" if is_whole else "P"))
        elif is_whole:
            lines.append(docker(text + "\n", stream))
        else:
            # Docker fills each fragment but the last
            lines.append(docker(text.rjust(FULL - len(text.encode()) + len(text), "-"), stream))
        may_cut.append(len("".join(lines).encode()))
    return "".join(lines).encode(), may_cut[:-1]


@given(events(), st.data())
def test_a_rotated_log_has_the_rows_of_a_whole_one(tmp_path_factory, found, data):
    text, may_cut = found
    cuts = sorted(data.draw(st.sets(st.sampled_from(may_cut), min_size=1, max_size=4)))
    packed = data.draw(st.sets(st.integers(0, len(cuts))))
    folder = tmp_path_factory.mktemp("rotated")
    wanted = rows_of_whole(folder, text, cuts)
    logs = folder / "logs"
    logs.mkdir()
    write_pieces(logs, text, cuts, packed)
    few = data.draw(st.booleans())
    with pytest.MonkeyPatch.context() as patch:
        if few:
            # rows that wait are dropped at once, and the pieces are read again
            patch.setattr(shared_file.HeldRows, "__init__", held_of(1))
        result = replay(logs, SCANNER, objective=LOSS)
    assert not result.errors
    # a piece whose stream differs in name from that of the whole log: the log's name is that of the current piece
    named = {
        name: [(stream.replace("a.log.gz", "a.log"), *row) for stream, *row in table]
        for name, table in rows(result).items()
    }
    assert named == wanted
    whole = replay(folder / "whole", SCANNER)
    assert result.stats.cut_off == whole.stats.cut_off
    assert result.stats.records == whole.stats.records
    assert [one.cut_values for one in result.stats.metrics.values()] == [
        one.cut_values for one in whole.stats.metrics.values()
    ]


def held_of(most_bytes):
    init = shared_file.HeldRows.__init__
    return lambda self, _=0: init(self, most_bytes)


POD = "ns_train_0a1b/main"


def test_the_place_of_a_joined_message_is_that_of_its_first_fragment(tmp_path):
    first = cri("loss=5") + cri("epoch 2 loss=0.", tag="P")
    files = {
        f"{POD}/0.log.20260301-100100.gz": gzip.compress(first.encode()),
        f"{POD}/0.log.20260301-100200": cri("12", tag="P") + cri("loss=9", "stderr"),
        f"{POD}/0.log": cri("34 acc=7") + cri("loss=4"),
    }
    result = replay(tree(tmp_path, files), SCANNER, objective=LOSS)
    best = result.best
    assert (best.value, best.line, best.offset, best.part, best.path) == (
        0.1234, 2, first.index("epoch"), 0, f"{tmp_path}/{POD}/0.log.20260301-100100.gz"
    )  # fmt: skip
    # the value of acc stands in the third piece: its start is counted on from the end of the first
    (acc,) = result["acc"].to_pylist()
    assert (acc["part"], acc["offset"]) == (0, first.index("epoch"))
    sizes = len(first) + len(cri("12", tag="P") + cri("loss=9", "stderr"))
    assert acc["start"] == sizes + cri("34 acc=7").index("7\n")
    assert [(row["part"], row["value"]) for row in result["loss"].to_pylist()] == [
        (1, 9.0),
        (0, 5.0),
        (0, 0.1234),
        (2, 4.0),
    ]
    assert (result.stats.cut_off, result.errors, result.stats.records) == (0, (), 4)


@pytest.mark.parametrize(
    ("names", "follows"),
    [
        (["a.log.2", "a.log.1", "a.log"], [False, True, True]),
        (["a.log.3", "a.log.1", "a.log"], [False, False, True]),
        (["a.log.2", "a.log"], [False, False]),
        (["a.log.1", "a.log.0", "a.log"], [False, True, True]),
        (["a.log.1.gz", "a.log.1", "a.log"], [False, False, True]),
        (["a.log-20260301", "a.log-20260302", "a.log"], [False, True, True]),
        (["a.log-20260301", "a.log.1", "a.log"], [False, False, True]),
    ],
)
def test_what_is_known_to_be_missing_between_pieces_is_not_bridged(tmp_path, names, follows):
    for number, name in enumerate(names):
        piece = (cri(f"{number}") + cri("loss=1", tag="P")).encode()
        (tmp_path / name).write_bytes(gzip.compress(piece) if name.endswith(".gz") else piece)
    found = survey([tmp_path], input_format="auto")
    parts = sorted((piece for piece in found.pieces.values()), key=lambda piece: piece.part)
    assert [piece.follows for piece in parts] == follows
    result = replay(tmp_path, SCANNER)
    # each piece goes on in "0 ..": the message that began before it ends there
    assert [row["value"] for row in result["loss"].to_pylist()] == [
        float(f"1{number}") for number in range(1, len(names)) if follows[number]
    ]
    assert result.stats.cut_off == 1 + follows[1:].count(False)


def test_a_message_does_not_go_on_in_another_attempt(tmp_path):
    files = {f"{POD}/0.log": cri("loss=3") + cri("loss=1", tag="P"), f"{POD}/1.log": cri("2") + cri("loss=4")}
    result = replay(tree(tmp_path, files), SCANNER)
    assert [(row["part"], row["value"]) for row in result["loss"].to_pylist()] == [(0, 3.0), (1, 4.0)]
    assert result.stats.cut_off == 1


def test_a_damaged_piece_does_not_go_on(tmp_path):
    piece = gzip.compress((cri("loss=3") * 50 + cri("loss=1", tag="P")).encode())
    (tmp_path / "a.log.1.gz").write_bytes(piece[:-9])
    (tmp_path / "a.log").write_text(cri("2 last=7") + cri("loss=4"))
    result = replay(tmp_path, SCANNER)
    assert set(result["loss"]["value"].to_pylist()) == {3.0, 4.0}
    assert "a.log.1.gz" in result.errors[0].message
    # a piece in another format holds no rest of the message
    (tmp_path / "a.log.1.gz").write_bytes(piece)
    (tmp_path / "a.log").write_text("2 loss=4\n")
    result = replay(tmp_path, SCANNER)
    assert set(result["loss"]["value"].to_pylist()) == {3.0, 4.0}
    assert result.stats.cut_off == 1


def test_a_piece_that_cannot_be_opened_ends_what_goes_on(tmp_path, monkeypatch):
    (tmp_path / "a.log.2").write_text(cri("loss=3") + cri("loss=1", tag="P"))
    (tmp_path / "a.log.1").write_text(cri("5") + cri("loss=1", tag="P"))
    (tmp_path / "a.log").write_text(cri("2 last=7") + cri("loss=4"))
    opened = log_scan.open_source

    def refused(source, **options):
        if source == f"{tmp_path}/a.log.1":
            raise SourceError("no", path=source)
        return opened(source, **options)

    monkeypatch.setattr(log_scan, "open_source", refused)
    result = replay(tmp_path, SCANNER)
    assert result["loss"]["value"].to_pylist() == [3.0, 4.0]
    assert [error.message for error in result.errors] == ["no"]
    assert result.stats.cut_off == 1


def test_pieces_in_archives_are_joined_where_members_are_read_at_their_places(tmp_path, monkeypatch):
    pieces = {"a.log": cri("25 last=7") + cri("loss=4"), "a.log.1": cri("loss=3") + cri("loss=0.", tag="P")}
    files = {name: text.encode() for name, text in pieces.items()}
    (tmp_path / "a.zip").write_bytes(zipped(files))
    assert replay(tmp_path / "a.zip", SCANNER)["loss"]["value"].to_pylist() == [3.0, 0.25, 4.0]
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tarred(files)))
    assert replay(path, SCANNER)["loss"]["value"].to_pylist() == [3.0, 0.25, 4.0]
    # a tar that is read from its beginning on may hold the newest piece first
    monkeypatch.setattr(members, "HELD_BYTES", 0)
    path = path.rename(tmp_path / "b.tar.gz")
    result = replay(path, SCANNER)
    assert result["loss"]["value"].to_pylist() == [3.0, 4.0]
    assert result.stats.cut_off == 1


def test_what_is_suspicious_in_a_joined_message_is_said_with_its_place(tmp_path):
    first = cri("loss=3") + cri("at loss=", tag="P")
    (tmp_path / "a.log.1").write_text(first)
    (tmp_path / "a.log").write_text(cri("nan") + cri("x"))
    result = replay(tmp_path, Scanner([r"loss=loss=([0-9.]+)"]), objective=Objective("loss", "Minimize"))
    (suspect,) = result.stats.metrics["loss"].suspects
    assert (suspect.path, suspect.line, suspect.offset) == (f"{tmp_path}/a.log.1", 2, first.index("at"))
    found = {(doubt.kind, doubt.path, doubt.line) for doubt in result.best.doubts}
    assert found == {(kind, f"{tmp_path}/a.log.1", 2) for kind in ("near-miss-after", "diverged")}
