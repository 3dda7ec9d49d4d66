"""The folder of a job: made for one job alone, its supervisor started, its end awaited, a stop asked for."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

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
    read_record,
)
from metricscan.logs.living import identity, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from metricscan.live.hyperparameters import Handed

#: The folder of runs, where none is given.
RUNS = "runs"
_MOST_RUNS = 100_000
_POLL_S = 0.05
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
    raise CommandError(f"there is no command {name}", NOT_FOUND)


def free_folder(command: Sequence[str]) -> str:
    """A folder in ``runs/`` that no job has, named after the command."""
    words = [word for word in command if word.endswith((".py", ".sh"))] or [command[0]]
    stem = _IN_NAME.sub("-", os.path.splitext(os.path.basename(words[0]))[0]) or "job"
    for number in range(1, _MOST_RUNS):
        path = os.path.join(RUNS, f"{stem}-{number}")
        if not os.path.lexists(path):
            return path
    raise OptionError(f"{RUNS} holds {_MOST_RUNS} runs of {stem}: give the folder of the job")


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


def claim(folder: str, record: dict[str, Any]) -> None:
    """Make a folder, and put a record of a new job in it; nobody else can have the folder then.

    Raises
    ------
    OptionError
        It holds another job, or output.
    SourceError
        It cannot be written.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        for name in (OUTPUT, ERRORS, JOURNAL, BASE):
            if os.path.lexists(os.path.join(folder, name)):
                raise OptionError(f"{folder} holds {name} already: each job has a folder of its own")
        write_record(os.path.join(folder, RECORD), record, is_new=True)
    except FileExistsError as error:
        if os.path.lexists(os.path.join(folder, RECORD)):
            hint = "give another --out; metricscan run --attach goes on reading a job"
            raise OptionError(f"{folder} holds another job", hint=hint) from None
        raise SourceError(f"cannot write {folder}", path=folder, cause=error) from error
    except OSError as error:
        raise SourceError(f"cannot write {folder}", path=folder, cause=error) from error


def new_record(job: str, fields: Mapping[str, Any]) -> dict[str, Any]:
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
    read, write = os.pipe()
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    # Without site, for the supervisor needs the standard library alone, and without the current folder: a file in it may be
    # called json.py.
    command = [sys.executable, "-S", "-P", "-c", "from metricscan.live.supervisor import main; main()", str(read)]
    folder = task["folder"]
    with open(write, "w", encoding="utf-8") as file:
        try:
            process = subprocess.Popen(  # noqa: S603 - the interpreter's own path
                command,
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": package},
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


def is_supervised(record: JobRecord) -> bool:
    """Whether the supervisor of a job may be alive; before there is one, whether the process is that starts the job."""
    keeper = record.document.get("supervisor") or record.document["runner"]
    return is_alive(keeper) is not False


def is_running(record: JobRecord) -> bool:
    """Whether anything of a job may be alive: its supervisor, its command or what that started."""
    if is_supervised(record):
        return True
    child = record.document.get("child")
    if child is None or record.status != UNKNOWN:
        return False
    return bool(is_alive(child)) or bool(processes.processes_of(record.document["folder"]))


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
    """Write down that the end of a job is not known, since its supervisor was killed.

    Raises
    ------
    SourceError
        The record cannot be written.
    """
    reason = "the process that waits for the command was killed, or the machine went down"
    rewrite(folder, {**record.document, "status": UNKNOWN, "failure_reason": reason})
    return read_record(folder)


def ask_to_stop(record: JobRecord, folder: str, reason: str) -> bool:
    """Ask the supervisor of a job to stop it; False if there is no supervisor that can be asked.

    Raises
    ------
    SourceError
        The folder cannot be written.
    """
    supervisor = record.document.get("supervisor")
    if supervisor is None or not is_alive(supervisor):
        return False
    path = os.path.join(folder, STOP)
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(reason)
    except OSError as error:
        # without a reason the job is stopped all the same
        if error.errno not in NO_ROOM:
            raise SourceError(f"cannot write {path}", path=path, cause=error) from error
    return signal_supervisor(record, signal.SIGTERM)


def signal_supervisor(record: JobRecord, number: int) -> bool:
    """Send a signal to the supervisor of a job; False if there is none."""
    supervisor = record.document.get("supervisor")
    if supervisor is None or not is_alive(supervisor):
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(supervisor["pid"]), number)
    return True


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
        while is_supervised(record):
            if on_wait is not None:
                on_wait()
            time.sleep(_POLL_S)
            record = current(folder)
        # the supervisor may have ended between the two looks at it
        record = current(folder)
    if record.status != UNKNOWN:
        return record
    # the supervisor is gone
    left = processes.stop_all(record.document["folder"], float(record.document["grace_s"]))
    if left:
        pids = ", ".join(str(stat.pid) for stat in left[:5])
        raise SourceError(f"{folder}: {len(left)} processes do not end, even when killed: {pids}", path=folder)
    return note_unknown(folder, record)
