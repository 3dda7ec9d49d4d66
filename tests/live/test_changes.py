"""Which logs may have changed, as the system tells it; and that following does without it."""

import os

import pytest

from metricscan import Scanner, follow
from metricscan.live import _inotify
from metricscan.live.changes import Changes


def append(path, text):
    with open(path, "a") as file:
        file.write(text)


SCANNER = Scanner(["loss=loss=([0-9.]+)"])


@pytest.fixture
def changes():
    try:
        found = Changes()
    except OSError as error:
        pytest.skip(f"the system tells nothing: {error}")
    with found:
        yield found


def test_the_log_that_changed(tmp_path, changes):
    logs = [str(tmp_path / name) for name in ("a.log", "b.log")]
    changes.watch(logs, [])
    assert changes.take() == (set(), False)
    (tmp_path / "a.log").write_text("loss=1\n")
    assert changes.take() == ({logs[0]}, True)
    append(logs[0], "loss=2\n")
    assert changes.take() == ({logs[0]}, False)
    os.truncate(logs[0], 0)
    assert changes.take() == ({logs[0]}, False)


def test_the_log_of_a_piece(tmp_path, changes):
    log, other = str(tmp_path / "a.log"), str(tmp_path / "b.log")
    changes.watch([log, other], [])
    append(f"{log}.1", "")
    assert changes.take() == ({log}, True)
    # what was concluded holds, until another log is watched
    append(f"{log}.1", "x")
    assert changes.take() == ({log}, False)
    changes.watch([f"{log}.1"], [])
    append(f"{log}.1", "x")
    assert changes.take() == ({f"{log}.1"}, False)
    append(tmp_path / "c.txt", "")
    assert changes.take() == (set(), True)


def test_a_link_and_its_target(tmp_path, changes):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "run-1.out"
    target.touch()
    link = tmp_path / "a.log"
    link.symlink_to(target)
    changes.watch([str(link)], [])
    target.write_text("x")
    assert changes.take() == ({str(link)}, False)
    link.unlink()
    assert changes.take() == ({str(link)}, False)


def test_a_folder_that_is_gone_is_watched_again(tmp_path, changes):
    folder = tmp_path / "job"
    folder.mkdir()
    log = str(folder / "a.log")
    changes.watch([log], [str(tmp_path)])
    folder.rmdir()
    assert changes.take() == (None, True)
    changes.watch([log], [])
    folder.mkdir()
    assert changes.take() == (set(), True)
    changes.watch([log], [])
    append(log, "")
    assert changes.take() == ({log}, True)


def test_lost_events_mean_all(tmp_path, changes, monkeypatch):
    changes.watch([str(tmp_path / "a.log")], [])
    (tmp_path / "a.log").touch()
    monkeypatch.setattr(_inotify, "events", lambda data: [(-1, _inotify.OVERFLOW, b"")])
    assert changes.take() == (None, True)


def test_events_that_are_not_whole_are_none():
    assert _inotify.events(b"") == []
    assert _inotify.events(b"\0" * 15) == []


def test_what_cannot_be_watched():
    with pytest.raises(FileNotFoundError), Changes() as changes:
        _inotify.watch(changes.descriptor, b"/nonexistent")


@pytest.mark.parametrize("is_there", [True, False], ids=["inotify", "polls alone"])
def test_rows_come_with_and_without_it(tmp_path, monkeypatch, is_there):
    if not is_there:
        monkeypatch.setattr("metricscan.live.follow.Changes", lambda: (_ for _ in ()).throw(OSError()))
    (tmp_path / "logs" / "job").mkdir(parents=True)
    log = tmp_path / "logs" / "job" / "a.log"
    log.write_text("loss=1\n")
    with follow(tmp_path / "logs", SCANNER) as following:
        assert (following._loop._changes is not None) == is_there
        for number in range(1, 6):
            assert next(following).rows["loss"]["value"].to_pylist() == [number]
            if number == 3:
                log.rename(f"{log}.1")
            append(log, f"loss={number + 1}\n")
        (tmp_path / "logs" / "new").mkdir()
        (tmp_path / "logs" / "new" / "b.log").write_text("loss=7\n")
        assert next(following).rows["loss"]["value"].to_pylist() == [6]
        assert next(following).rows["loss"]["job"].to_pylist() == ["new/b"]
