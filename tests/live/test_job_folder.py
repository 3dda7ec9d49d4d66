"""The folder of a job that is not as it was left: forged, copied, moved, removed, without room."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile

import pytest
from support.jobs import DEADLINE_S, LOSS, job_processes, none_left, until

import metricscan
from metricscan import Dataset, SourceError
from metricscan.live import job_folder, job_output
from metricscan.logs.job_record import UNKNOWN, read_record
from metricscan.logs.living import identity

WAITS = ["sh", "-c", "i=0; while [ ! -e go ]; do i=$((i+1)); echo loss=$i; sleep 0.05; done; echo loss=0.5"]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "runs" / "trial_1"
    with none_left(path):
        yield path


def started(folder, command=WAITS, **options):
    options = {"grace": 20.0, "cwd": folder.parent.parent, **options}
    return metricscan.run(command, LOSS, out=folder, **options)


def values(journal):
    return Dataset(journal)["loss"]["value"].to_pylist()


def expected(output):
    return metricscan.Scanner(LOSS).scan(str(output))["loss"]["value"].to_pylist()


def change(folder, members):
    document = json.loads((folder / "job.json").read_text())
    (folder / "job.json").write_text(json.dumps({**document, **members}, indent=2))


# ---- records that lie


@pytest.fixture
def bystander(tmp_path):
    """A process that is of no job, though it works in the folder of one."""
    (tmp_path / "runs" / "forged").mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=tmp_path / "runs" / "forged"
    ) as one:
        try:
            yield one
            assert one.poll() is None
        finally:
            one.kill()


def forged(folder, tmp_path, members):
    """The folder of a job of which the record was changed."""
    with started(folder, ["true"]) as job:
        job.wait(DEADLINE_S)
    place = tmp_path / "runs" / "forged"
    shutil.copytree(folder, place, dirs_exist_ok=True)
    change(place, {"status": "InProgress", "folder": str(place), **members})
    return place


@pytest.mark.parametrize("has_id", [True, False])
def test_no_signal_reaches_a_process_that_a_forged_record_names(folder, tmp_path, bystander, has_id):
    place = forged(folder, tmp_path, {"supervisor": identity(bystander.pid), **({} if has_id else {"job_id": None})})
    with pytest.raises(
        SourceError, match=f"process {bystander.pid}, which .*forged/job.json names, does not supervise"
    ):
        job_folder.stop(str(place))
    with pytest.raises(SourceError, match="does not supervise"):
        job_folder.signal_supervisor(read_record(str(place)), str(place), signal.SIGTERM)
    assert not (place / ".stop").exists()


@pytest.mark.parametrize("takes_id", [True, False])
def test_no_signal_reaches_the_processes_of_another_job(folder, tmp_path, takes_id):
    other = tmp_path / "runs" / "other"
    with none_left(other), started(other) as job:
        members = {"folder": str(other), "supervisor": {**identity(os.getpid()), "start": 1}}
        if takes_id:
            members["job_id"] = job.record.document["job_id"]
        place = forged(folder, tmp_path, members)
        if takes_id:
            with pytest.raises(SourceError, match=r"forged holds a copy of the record of the job in .*other"):
                job_folder.stop(str(place))
        else:
            assert job_folder.stop(str(place)).status == UNKNOWN
        assert job_processes(other)
        assert job.record.status == "InProgress"
        (tmp_path / "go").touch()
        assert job.wait(DEADLINE_S).status == "Completed"


def test_a_copy_of_a_folder_does_not_stop_the_job(folder, tmp_path):
    with started(folder) as job:
        shutil.copytree(folder, tmp_path / "copy")
        with pytest.raises(SourceError, match="does not supervise the job in this folder"):
            job_folder.stop(str(tmp_path / "copy"))
        assert job.record.status == "InProgress"
        assert job.stop().status == "Stopped"


def test_a_copy_of_the_folder_of_a_job_in_progress_is_not_in_progress(folder, tmp_path):
    copies = tmp_path / "copies"
    with started(folder) as job:
        until(lambda: job.poll() and job.rows > 3 and values(folder / "journal"), "rows")
        shutil.copytree(folder, copies / "copy")
        with tarfile.open(tmp_path / "copies.tar", "w") as archive:
            archive.add(folder, "packed/copy")
        for path in (copies, tmp_path / "copies.tar"):
            assert [one.status for one in metricscan.survey([path]).jobs] == [UNKNOWN], path
        ranked = metricscan.rank(copies, metricscan.Objective("loss", "Minimize")).to_pylist()
        assert [(one["rank"], one["job_status"]) for one in ranked] == [(None, UNKNOWN)]
        with metricscan.attach(copies / "copy") as copy:
            assert copy.wait(DEADLINE_S).status == UNKNOWN
        assert copy.record.failure_reason == f"this folder is a copy of {folder}, made while the job ran"
        assert job.record.status == "InProgress"
        (tmp_path / "go").touch()
        assert job.wait(DEADLINE_S).status == "Completed"
    assert values(copies / "copy" / "journal") == expected(copies / "copy" / "output.log")


def test_the_reason_of_a_stop_is_not_written_through_a_link(folder, tmp_path):
    (tmp_path / "victim").write_text("mine")
    with started(folder) as job:
        (folder / ".stop").symlink_to(tmp_path / "victim")
        with pytest.raises(SourceError, match=r"cannot write .*\.stop"):
            job_folder.stop(str(folder))
        (folder / ".stop").unlink()
        job.stop()
    assert (tmp_path / "victim").read_text() == "mine"


# ---- supervisors that do not answer


def test_a_supervisor_that_is_killed_when_it_has_just_begun_the_command(folder, tmp_path, monkeypatch):
    program = (
        "import os; from metricscan.live.supervisor import Supervisor, main;"
        "Supervisor._say = lambda *_: os.kill(os.getpid(), 9); main()"
    )
    monkeypatch.setattr(job_folder, "_PROGRAM", program)
    # the folder is not taken for one in which nothing was run
    with started(folder) as job:
        until(lambda: job.poll() and job.rows, "rows")
        (tmp_path / "go").touch()
        assert job.wait(DEADLINE_S).status == UNKNOWN
    assert values(folder / "journal") == expected(folder / "output.log")


def test_a_supervisor_that_is_killed_before_the_command_begins(folder, tmp_path, monkeypatch):
    program = "import os; os.kill(os.getpid(), 9)"
    monkeypatch.setattr(job_folder, "_PROGRAM", program)
    with pytest.raises(SourceError, match=f"cannot start the job in {folder}: No child processes"):
        started(folder)
    assert not folder.exists()


def test_a_supervisor_that_was_suspended_stops_its_job(folder):
    with started(folder) as job:
        os.kill(job.record.document["supervisor"]["pid"], signal.SIGSTOP)
        assert job_folder.stop(str(folder)).status == "Stopped"


# ---- folders that are moved and removed


def test_a_job_whose_folder_was_moved_goes_on_and_can_be_read_and_stopped_there(folder, tmp_path):
    place = tmp_path / "moved"
    with started(folder) as job:
        until(lambda: job.poll() and job.rows, "rows")
        folder.rename(place)
        with pytest.raises(SourceError, match=f"trial_1 was moved to {place} while its job runs") as caught:
            job.wait(DEADLINE_S)
    assert caught.value.hint == f"the job goes on; attach() or metricscan run --attach {place} reads it"
    assert job_processes(folder)
    with metricscan.attach(place) as job:
        assert job.stop().status == "Stopped"
    assert values(place / "journal") == expected(place / "output.log")


def test_another_job_in_the_place_of_one_that_was_moved_is_left_alone(folder, tmp_path):
    place = tmp_path / "moved"
    with started(folder, ["sleep", "600"]) as moved:
        folder.rename(place)
        with started(folder) as other:
            assert job_folder.stop(str(place)).status == "Stopped"
            assert other.record.status == "InProgress"
            assert other.stop().status == "Stopped"
        del moved


def test_a_folder_that_was_removed_is_told_and_the_job_goes_on(folder):
    with started(folder) as job:
        document = job.record.document
        shutil.rmtree(folder)
        with pytest.raises(SourceError, match="trial_1 was removed while its job runs") as caught:
            job.wait(DEADLINE_S)
    assert caught.value.hint.endswith(f"kill {document['supervisor']['pid']} stops it")
    assert job_processes(folder)
    os.kill(document["supervisor"]["pid"], signal.SIGTERM)


@pytest.mark.parametrize("when", ["while it runs", "at its end"])
@pytest.mark.parametrize("how", ["removed", "moved"])
def test_a_journal_that_is_lost_is_begun_anew(folder, tmp_path, how, when):
    notices, passed, found = [], [], []

    def lose():
        journal = folder / "journal"
        if how == "moved":
            journal.rename(tmp_path / "old")
        else:
            shutil.rmtree(journal)

    with started(folder, on_notice=notices.append, on_output=lambda _, data: passed.append(data)) as job:
        until(lambda: job.poll() and job.rows > 3, "rows")
        found += job.take()
        if when == "while it runs":
            lose()
            until(lambda: job.poll() and notices, "the notice")
        (tmp_path / "go").touch()
        until(lambda: read_record(str(folder)).status == "Completed", "the end")
        if when == "at its end":
            lose()
        assert job.wait(DEADLINE_S).status == "Completed"
        found += job.take()
    assert [str(one.message) for one in notices] == [
        f"{folder}/journal was removed or moved while it was written: it is begun anew, with all rows"
    ]
    assert values(folder / "journal") == expected(folder / "output.log")
    # what was handed on is not handed on again
    assert b"".join(passed) == (folder / "output.log").read_bytes()
    assert [row.value for row in found] == expected(folder / "output.log")
    assert job.rows == len(found)


def test_a_journal_of_which_files_are_removed_is_an_error(folder):
    journal = folder / "journal"
    with started(folder) as job:
        until(lambda: job.poll() and job.rows > 3, "rows")
        (journal / "journal.json").unlink()
        with pytest.raises(SourceError, match=f"files of {journal} were removed while it was written") as caught:
            job.wait(DEADLINE_S)
        assert (
            caught.value.hint
            == f"the job goes on; attach() or metricscan run --attach reads it once {journal} is removed, too"
        )
        assert job.record.status == "InProgress"
    shutil.rmtree(journal)
    with metricscan.attach(folder) as job:
        assert job.stop().status == "Stopped"
    assert values(journal) == expected(folder / "output.log")


# ---- a disk without room


@pytest.fixture
def no_room(monkeypatch):
    """No journal can be begun until the list has something."""
    room, opened = [], job_output.Journal.open

    def open_journal(path, *arguments, **options):
        if not room:
            raise SourceError(f"cannot write {path}", path=path, cause=OSError(errno.ENOSPC, "No space left on device"))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(job_output.Journal, "open", open_journal)
    monkeypatch.setattr(job_output, "_RETRY_S", 0.1)
    return room


def test_a_job_without_room_for_its_journal_is_read_once_there_is_some(folder, tmp_path, no_room):
    waits = []
    with started(folder, on_wait=waits.append) as job:
        until(lambda: job.poll() and len(waits) > 2, "the second try")
        assert "cannot write" in waits[-1].message
        assert job.rows == 0
        no_room.append(True)
        until(lambda: job.poll() and job.rows, "rows")
        (tmp_path / "go").touch()
        assert job.wait(DEADLINE_S).status == "Completed"
    assert values(folder / "journal") == expected(folder / "output.log")


def test_a_job_that_ended_without_room_for_its_journal_waits_for_some(folder, tmp_path, no_room):
    def waits(_):
        (tmp_path / "go").touch()
        if not job_processes(folder):
            no_room.append(True)

    with started(folder, on_wait=waits) as job:
        assert job.wait(DEADLINE_S).status == "Completed"
    assert values(folder / "journal") == expected(folder / "output.log")


def test_without_a_callback_the_error_is_raised_by_each_poll(folder, tmp_path, no_room):
    with started(folder) as job:
        for _ in range(2):
            with pytest.raises(SourceError, match="No space left on device"):
                until(lambda: not job.poll(), "an error")
        assert job.record.status == "InProgress"
        no_room.append(True)
        assert job.stop().status == "Stopped"
    assert values(folder / "journal") == expected(folder / "output.log")


def test_another_error_of_the_journal_says_that_the_job_goes_on(folder, monkeypatch):
    def refuse(path, *_, **__):
        raise SourceError(f"cannot write {path}", path=path, cause=OSError(errno.EACCES, "Permission denied"))

    monkeypatch.setattr(job_output.Journal, "open", refuse)
    with pytest.raises(SourceError, match="Permission denied") as caught:
        started(folder)
    assert caught.value.hint == f"the job goes on; attach() or metricscan run --attach {folder} reads it"
    assert job_folder.stop(str(folder)).status == "Stopped"
