"""The folder of a job: made for one job alone, its supervisor started, its end awaited, a stop asked for."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from metricscan.definitions.paths import check_path
from metricscan.errors import OptionError, SourceError
from metricscan.live import processes
from metricscan.live.hyperparameters import BASE
from metricscan.live.supervisor import NO_ROOM, NOT_EXECUTABLE, NOT_FOUND, STOP, write_record
from metricscan.logs.job_record import (
    ERRORS,
    FORMAT,
    JOURNAL,
    OUTPUT,
    RECORD,
    UNKNOWN,
    VERSION,
    JobRecord,
    may_go_on,
    read_record,
)
from metricscan.logs.living import identity, is_alive, works_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from metricscan.live.hyperparameters import Handed

#: The folder of runs, where none is given.
RUNS = "runs"
_MOST_RUNS = 100_000
_POLL_S = 0.05
_PROGRAM = "from metricscan.live.supervisor import main; main()"
_IN_NAME = re.compile(r"[^\w.=,+@-]+")


class CommandError(OptionError):
    """A command that cannot be started.

    Attributes
    ----------
    exit_code : int
        127 if there is no such program, 126 if it cannot be executed.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def check_command(argv: Sequence[str], environment: Mapping[str, str], cwd: str) -> None:
    """Check that a command can be found.

    Raises
    ------
    CommandError
        It cannot.
    """
    name = argv[0]
    if any("\0" in word for word in argv):
        raise CommandError("the command holds a NUL", NOT_EXECUTABLE)
    places = [""] if "/" in name else os.get_exec_path(dict(environment))
    found = [path for place in places if os.path.isfile(path := os.path.join(cwd, place, name))]
    if any(os.access(path, os.X_OK) for path in found):
        return
    if found or ("/" in name and os.path.isdir(os.path.join(cwd, name))):
        raise CommandError(f"cannot execute {found[0] if found else name}: {os.strerror(13)}", NOT_EXECUTABLE)
    error = CommandError(f"there is no command {name or repr(name)}", NOT_FOUND)
    if len(argv[0].split()) > 1:
        error.hint = (
            "each word is an argument of its own: -- python train.py; for the shell, -- sh -c 'python train.py'"
        )
    raise error


def free_folder(command: Sequence[str]) -> str:
    """A folder in ``runs/`` that no job has, named after the command."""
    words = [word for word in command if word.endswith((".py", ".sh"))] or [command[0]]
    stem = _IN_NAME.sub("-", os.path.splitext(os.path.basename(words[0]))[0]) or "job"
    for number in range(1, _MOST_RUNS):
        path = os.path.join(RUNS, f"{stem}-{number}")
        if not os.path.lexists(path):
            return path
    raise OptionError(f"{RUNS} holds {_MOST_RUNS} runs of {stem}: give the folder of the job")


def named_folder(job: str) -> str:
    """The folder in ``runs/`` of a job with a name; characters that are not usual in names of files become ``-``."""
    # a name may begin with dots, or consist of them
    return os.path.join(RUNS, _IN_NAME.sub("-", job).lstrip(".") or "job")


@contextlib.contextmanager
def turn_to_name() -> Iterator[None]:
    """Wait until nobody else who was started in the current folder is between :func:`free_folder` and :func:`claim`.

    Jobs of a sweep are started at once, and would find the same folder free.
    """
    descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # Without locks, as on some network file systems, the second one gets the error of claim.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def claim(folder: str, record: dict[str, Any]) -> list[str]:
    """Make a folder, and put a record of a new job in it; nobody else can have the folder then.

    Return the folders that were made, the outermost first.

    Raises
    ------
    OptionError
        It holds another job, or output.
    SourceError
        It cannot be written.
    """
    made: list[str] = []
    try:
        _claim(folder, record, made)
    except FileExistsError as error:
        if os.path.lexists(os.path.join(folder, RECORD)):
            hint = "give another folder (--out); attach() or metricscan run --attach goes on reading a job"
            raise OptionError(f"{folder} holds another job", hint=hint) from None
        raise OptionError(f"{folder} is no folder") from error
    except OSError as error:
        raise SourceError(f"cannot write {folder}", path=folder, cause=error) from error
    return made


def _claim(folder: str, record: dict[str, Any], made: list[str]) -> None:
    check_path(folder)
    place = folder
    while not os.path.lexists(place):
        made.insert(0, place)
        place = os.path.dirname(place)
    try:
        os.makedirs(folder, exist_ok=True)
        for name in (RECORD, OUTPUT, ERRORS, JOURNAL, BASE):
            if os.path.lexists(os.path.join(folder, name)):
                if name == RECORD:
                    raise FileExistsError
                raise OptionError(f"{folder} holds {name} already: each job has a folder of its own")
        write_record(os.path.join(folder, RECORD), record, is_new=True)
    except BaseException:
        _remove_empty(made)
        raise


def give_up(folder: str, made: Sequence[str], outputs: Iterable[str]) -> None:
    """Leave a folder as it was before :func:`claim`: nothing ran in it.

    Parameters
    ----------
    folder : str
    made : sequence of str
        What :func:`claim` gave.
    outputs : iterable of str
        The names of the job's outputs.
    """
    for name in (RECORD, *outputs):
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(folder, name))
    shutil.rmtree(folder if folder in made else os.path.join(folder, BASE), ignore_errors=True)
    _remove_empty(made)


def _remove_empty(folders: Sequence[str]) -> None:
    for folder in reversed(folders):
        # another job may have got a folder in it meanwhile
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def new_record(job: str, job_id: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a job that is about to start."""
    return {
        # first, so that it is seen without reading all
        "format": FORMAT,
        "version": VERSION,
        "job": job,
        "status": "InProgress",
        "exit_code": None,
        "signal": None,
        "stopped_by": None,
        "failure_reason": None,
        "started_at": None,
        "ended_at": None,
        "runner": identity(os.getpid()),
        "job_id": job_id,
        **fields,
    }


def write_files(folder: str, handed: Handed) -> None:
    """Write what hands hyperparameters to the job.

    Raises
    ------
    SourceError
        It cannot be written.
    """
    try:
        for name in handed.folders:
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        for name, text in handed.files.items():
            path = os.path.join(folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            # the values may be secret
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
        for name, target in handed.links.items():
            os.symlink(target, os.path.join(folder, name))
    except OSError as error:
        raise SourceError(f"cannot write {folder}", path=folder, cause=error) from error


def start(task: Mapping[str, Any], *, stdin: int | None = None) -> None:
    """Start the supervisor of a job, which starts the command.

    Parameters
    ----------
    task : mapping
        As :class:`metricscan.live.supervisor.Supervisor` takes it.
    stdin : int, optional
        The descriptor of the command's standard input; by default it is empty.

    Raises
    ------
    SourceError
        The job's folder cannot be written, or there can be no further process.
    """
    folder = task["folder"]
    read, write = os.pipe()
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    # Without site, for the supervisor needs the standard library alone, and without the current folder: a file in it may be
    # called json.py.
    command = [os.path.abspath(sys.executable), "-S", "-P", "-c", _PROGRAM, str(read)]
    with open(write, "w", encoding="utf-8") as file:
        try:
            process = subprocess.Popen(  # noqa: S603 - the interpreter's own path
                command,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": package, processes.SUPERVISED: task["record"]["job_id"]},
                # by this, and the variable, whoever wants to signal it knows it again; and the folder may be moved
                cwd=folder,
                pass_fds=(read,),
                start_new_session=True,
            )
        except OSError as error:
            raise SourceError(f"cannot start the supervisor of {folder}", path=folder, cause=error) from error
        finally:
            os.close(read)
        # It outlives this process. If it ends first, its pid is freed when it is waited for.
        _to_wait_for.append(process)
        record = {**task["record"], "supervisor": identity(process.pid)}
        # from here on others can tell whether the job runs
        rewrite(folder, record)
        with contextlib.suppress(BrokenPipeError):
            file.write(json.dumps({**task, "record": record}))
            file.close()
    assert process.stdout is not None
    with process.stdout:
        answer = process.stdout.readline()
    if not answer and "child" in current(folder).document:
        # The supervisor was killed before it could answer, and the command may run.
        return
    said = json.loads(answer) if answer else {"error": errno.ECHILD, "path": folder}
    if "error" in said:
        cause = OSError(said["error"], os.strerror(said["error"]))
        raise SourceError(f"cannot start the job in {said['path']}", path=said["path"], cause=cause)


def rewrite(folder: str, record: dict[str, Any]) -> None:
    """Put a record in place of that of a job's folder.

    Raises
    ------
    SourceError
        It cannot be written.
    """
    path = os.path.join(folder, RECORD)
    try:
        write_record(path, record)
    except OSError as error:
        raise SourceError(f"cannot write {path}", path=path, cause=error) from error


#: Supervisors of this process, which must be waited for when they have ended.
_to_wait_for: list[subprocess.Popen[bytes]] = []


def current(folder: str) -> JobRecord:
    """The record of a job, with the status that it has now.

    Raises
    ------
    SourceError
        There is none.
    """
    for process in [*_to_wait_for]:
        if process.poll() is not None:
            _to_wait_for.remove(process)
    return read_record(folder)


def lost(folder: str, record: JobRecord, error: SourceError) -> SourceError:
    """What became of a job's folder while it was read, if its supervisor shows that; else the error that reading gave.

    Parameters
    ----------
    folder : str
    record : JobRecord
        The last one that was read.
    error : SourceError
    """
    supervisor = record.document.get("supervisor")
    if os.path.lexists(folder) or supervisor is None or not is_alive(supervisor):
        return error
    pid = int(supervisor["pid"])
    try:
        place = os.readlink(f"/proc/{pid}/cwd")
    except OSError:
        return error
    if os.path.isdir(place):
        hint = f"the job goes on; attach() or metricscan run --attach {place} reads it"
        return SourceError(f"{folder} was moved to {place} while its job runs", path=folder, hint=hint)
    hint = f"the job goes on without a reader; kill {pid} stops it"
    return SourceError(f"{folder} was removed while its job runs", path=folder, hint=hint)


def is_supervised(folder: str, record: JobRecord) -> bool:
    """Whether the supervisor of the job in a folder may be alive; before there is one, the process that starts the job."""
    return may_go_on(record.document, folder)


def is_running(folder: str, record: JobRecord) -> bool:
    """Whether anything of a job may be alive: its supervisor, its command or what that started.

    Parameters
    ----------
    folder : str
    record : JobRecord
        It may be some moments old.

    Raises
    ------
    SourceError
        The supervisor is gone, and so is the record.
    """
    if is_supervised(folder, record):
        return True
    # The supervisor is gone: now nobody writes to the record any more, and this one may be older than its last words.
    record = current(folder)
    document, child = record.document, record.document.get("child")
    if child is None or document["status"] not in ("InProgress", UNKNOWN) or _copied_from(record, folder) is not None:
        return False
    return bool(is_alive(child)) or bool(processes.processes_of(document["folder"], document.get("job_id")))


def note_read(folder: str, record: JobRecord) -> JobRecord:
    """Write down that the journal of a job that has ended holds all of its rows.

    Raises
    ------
    SourceError
        The record cannot be written.
    """
    rewrite(folder, {**record.document, "is_read": True})
    return read_record(folder)


def note_unknown(folder: str, record: JobRecord) -> JobRecord:
    """Write down that the end of a job is not known, since its supervisor was killed, or ends it in another folder.

    Raises
    ------
    SourceError
        The record cannot be written.
    """
    copied = _copied_from(record, folder)
    reason = (
        "the process that waits for the command was killed, or the machine went down"
        if copied is None
        else f"this folder is a copy of {copied}, made while the job ran"
    )
    rewrite(folder, {**record.document, "status": UNKNOWN, "failure_reason": reason})
    return read_record(folder)


def ask_to_stop(record: JobRecord, folder: str, reason: str) -> bool:
    """Ask the supervisor of a job to stop it; False if there is no supervisor that can be asked.

    Raises
    ------
    SourceError
        The folder cannot be written.
    """
    if not _has_supervisor(record, folder):
        return False
    path = os.path.join(folder, STOP)
    try:
        # whoever made the folder may have made a link of this name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(reason)
    except OSError as error:
        # without a reason the job is stopped all the same
        if error.errno not in NO_ROOM:
            raise SourceError(f"cannot write {path}", path=path, cause=error) from error
    return signal_supervisor(record, folder, signal.SIGTERM)


def signal_supervisor(record: JobRecord, folder: str, number: int) -> bool:
    """Send a signal to the supervisor of a job; False if there is none.

    Raises
    ------
    SourceError
        The process that the record names is not the supervisor of the job in this folder.
    """
    if not _has_supervisor(record, folder):
        return False
    with contextlib.suppress(ProcessLookupError):
        pid = int(record.document["supervisor"]["pid"])
        os.kill(pid, number)
        if number == signal.SIGTERM:
            # a supervisor that was suspended takes no other signal
            os.kill(pid, signal.SIGCONT)
    return True


def _has_supervisor(record: JobRecord, folder: str) -> bool:
    """Whether the supervisor of a job is alive.

    Raises
    ------
    SourceError
        The process that the record names is alive, and is another one: the record was changed, or is a copy.
    """
    supervisor = record.document.get("supervisor")
    if supervisor is None or not is_alive(supervisor):
        return False
    pid = int(supervisor["pid"])
    if processes.is_supervisor(pid, folder, record.document.get("job_id") or ""):
        return True
    if not is_alive(supervisor):
        # it ended between the two looks
        return False
    raise SourceError(
        f"process {pid}, which {os.path.join(folder, RECORD)} names, does not supervise the job in this folder",
        path=folder,
        hint="no signal was sent: the record was changed, or the folder is a copy of another one",
    )


def _copied_from(record: JobRecord, folder: str) -> str | None:
    """The folder of a job, if the one that is given is a copy of it: the processes are those of the other one then."""
    supervisor = record.document.get("supervisor")
    if supervisor is not None and is_alive(supervisor) and works_in(int(supervisor["pid"]), folder) is False:
        with contextlib.suppress(OSError):
            return os.readlink(f"/proc/{int(supervisor['pid'])}/cwd")
    place, job_id = str(record.document["folder"]), record.document.get("job_id")
    with contextlib.suppress(OSError):
        if not os.path.samefile(place, folder) and read_record(place).document.get("job_id") == job_id:
            return place
    # perhaps the folder was moved: there is no such job any more where it was
    return None


def _check_place(record: JobRecord, folder: str) -> None:
    """Check that a folder is that of its job, and no copy.

    Raises
    ------
    SourceError
        Another folder has the job.
    """
    place = _copied_from(record, folder)
    if place is not None:
        message = f"{folder} holds a copy of the record of the job in {place}"
        raise SourceError(message, path=folder, hint=f"no signal was sent; metricscan stop {place} stops the job")


def stop(folder: str, *, reason: str = "metricscan stop", on_wait: Callable[[], object] | None = None) -> JobRecord:
    """Stop a job, and return its record once nothing of it is left.

    Parameters
    ----------
    folder : path
        The folder of the job.
    reason : str
        What the record says about why.
    on_wait : callable, optional
        Called again and again while the job ends.

    Raises
    ------
    SourceError
        The folder is not that of a job, or the job runs elsewhere, or its processes do not end.
    """
    record = current(folder)
    keeper = record.document.get("supervisor") or record.document["runner"]
    if record.status == "InProgress" and is_alive(keeper) is None:
        raise SourceError(f"{folder}: the job runs on {keeper['host']}, or in another container", path=folder)
    if ask_to_stop(record, folder, reason):
        while is_supervised(folder, record):
            if on_wait is not None:
                on_wait()
            time.sleep(_POLL_S)
            record = current(folder)
        # the supervisor may have ended between the two looks at it
        record = current(folder)
    if record.status != UNKNOWN:
        return record
    # the supervisor is gone
    _check_place(record, folder)
    document = record.document
    left = processes.stop_all(document["folder"], document.get("job_id"), float(document["grace_s"]))
    if left:
        pids = ", ".join(str(stat.pid) for stat in left[:5])
        raise SourceError(f"{folder}: {len(left)} processes do not end, even when killed: {pids}", path=folder)
    return note_unknown(folder, record)
