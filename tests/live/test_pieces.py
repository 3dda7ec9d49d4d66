"""Which file is that of a part, where inodes are used again and short contents are equal."""

import gzip
import os

import pytest

from metricscan.live.identity import Checkpoint, Reach
from metricscan.live.pieces import pieces_beside, recognise
from metricscan.logs.rotation import pieces_of

HEADER = b"# the same first line\n"


def checkpoint_of(content, path=None, **facts):
    found = None if path is None else os.stat(path)
    where = {"device": 1, "inode": 1} if found is None else {"device": found.st_dev, "inode": found.st_ino}
    return Checkpoint.of(Reach().after(content), **{"seen_bytes": len(content), **where, **facts})


@pytest.mark.parametrize("is_compressed", [True, False])
def test_a_piece_with_the_inode_of_a_part_that_was_empty(tmp_path, is_compressed):
    piece = tmp_path / ("train.log.1.gz" if is_compressed else "train.log.1")
    content = HEADER + b"row=1\n"
    piece.write_bytes(gzip.compress(content) if is_compressed else content)
    # the part that was empty, and the part whose content was copied or compressed: both have the inode
    empty = checkpoint_of(b"", piece)
    full = checkpoint_of(content, piece, is_finished=True)
    assert recognise(empty, [str(piece)], [full]) is None
    found = recognise(full, [str(piece)], [empty])
    assert found is not None
    assert found.reach.offset == len(content)
    found.file.close()


def test_a_log_at_its_name_with_the_content_of_an_earlier_part(tmp_path):
    log = str(tmp_path / "train.log")
    (tmp_path / "train.log").write_bytes(HEADER)
    own, earlier = checkpoint_of(HEADER, log), checkpoint_of(HEADER, is_finished=True)
    # a piece may be a copy of the earlier part
    assert recognise(own, [log], [earlier]) is None
    found = recognise(own, [log], [earlier], log)
    assert found is not None
    found.file.close()


def test_the_pieces_of_a_log_among_many(tmp_path):
    names = [
        "train.log",
        "train.log.1",
        "train-2.log",
        "train.2026-03-01.log",
        "train.log.2.gz",
        "train2.log",
        "trail.log",
    ]
    for name in [*names, "current", "@400000005f5e10000000abcd.s"]:
        (tmp_path / name).touch()
    for name in ("train.log", "current", "trail.log", "gone.log"):
        path = str(tmp_path / name)
        among = {one: one for one in [path, *(str(tmp_path / other) for other in os.listdir(tmp_path))]}
        expected = sorted(
            (piece.part, one) for one, piece in pieces_of(among, []).items() if piece.base == path and one != path
        )
        assert pieces_beside(path) == [one for _, one in expected]


def test_a_folder_is_listed_again_when_a_name_comes_or_goes(tmp_path, monkeypatch):
    listed = []
    listdir = os.listdir

    def counted(folder):
        listed.append(folder)
        return listdir(folder)

    monkeypatch.setattr(os, "listdir", counted)
    paths = [str(tmp_path / f"{name}.log") for name in "abc"]
    for name in ("b.log", "b.log.1", "a.log", "c.log", "b.log.2.gz", "b.logs"):
        (tmp_path / name).touch()
    # its time is one at which another name may still come
    assert [pieces_beside(path) for path in paths] == [[], [f"{paths[1]}.2.gz", f"{paths[1]}.1"], []]
    assert len(listed) == 3
    long_ago = os.stat(tmp_path).st_mtime_ns - 10**10
    os.utime(tmp_path, ns=(long_ago, long_ago))
    assert [len(pieces_beside(path)) for path in paths * 3] == [0, 2, 0] * 3
    assert len(listed) == 4
    (tmp_path / "a.log.1").touch()
    assert pieces_beside(paths[0]) == [f"{paths[0]}.1"]
    assert pieces_beside(str(tmp_path / "nothing" / "a.log")) == []
