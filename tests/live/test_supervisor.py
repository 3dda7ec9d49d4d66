"""The supervisor of a job where its folder has no room."""

import errno
import signal

import pytest

from metricscan.live import job_folder, supervisor


@pytest.fixture
def keeper():
    return supervisor.Supervisor({"folder": "", "record_name": "job.json", "record": {"status": "Completed"}})


def full_for(count, written):
    """Stands for a disk that is full for so many writes."""

    def write(path, record):
        written.append(dict(record))
        if len(written) <= count:
            raise OSError(errno.ENOSPC, "No space left on device")

    return write


def test_a_record_without_room_is_written_once_there_is_some(keeper, monkeypatch):
    written, waits = [], []
    monkeypatch.setattr(supervisor, "write_record", full_for(2, written))
    monkeypatch.setattr(keeper, "_wait", waits.append)
    keeper._write()
    assert (written, len(waits)) == ([{"status": "Completed"}] * 3, 2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_for_room(keeper, monkeypatch, number):
    written = []
    # the one that stopped the job does not count
    keeper.signals.append(signal.SIGTERM)
    monkeypatch.setattr(supervisor, "write_record", full_for(100, written))
    monkeypatch.setattr(keeper, "_wait", lambda _: keeper.signals.append(number))
    keeper._write()
    # one last try
    assert len(written) == 2


def test_other_errors_of_a_record_are_raised(keeper, monkeypatch):
    def write(path, record):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(supervisor, "write_record", write)
    with pytest.raises(PermissionError):
        keeper._write()


def test_what_the_command_left_is_ended_before_there_is_room(keeper, monkeypatch):
    events = []

    def write(path, record):
        events.append("write")
        if events.count("write") == 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(supervisor, "write_record", write)
    monkeypatch.setattr(signal, "pthread_sigmask", lambda *_: None)
    monkeypatch.setattr(supervisor.processes, "become_subreaper", lambda: None)
    monkeypatch.setattr(supervisor.os, "chdir", lambda _: None)
    keeper.wait_status = 0
    monkeypatch.setattr(keeper, "_start", lambda: True)
    monkeypatch.setattr(keeper, "_end_others", lambda: events.append("others") or 2)
    keeper.run()
    assert events == ["write", "others", "write"]
    assert keeper.record["left_running"] == 2


def test_a_stop_needs_no_room_for_its_reason(tmp_path, monkeypatch):
    sent = []

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(job_folder, "_has_supervisor", lambda *_: True)
    monkeypatch.setattr(job_folder, "signal_supervisor", lambda _, __, number: sent.append(number) or True)
    monkeypatch.setattr(job_folder, "open", full, raising=False)
    assert job_folder.ask_to_stop(None, str(tmp_path), "enough")
    assert sent == [signal.SIGTERM]
