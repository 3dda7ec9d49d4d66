"""The process that waits for a job: it starts the command, and writes how it ended, whatever becomes of who reads its output.

It is a process of its own and imports little, since each job has one as long as it runs. Limits are kept here, so that they hold
when the reader is killed. The reader sends its signals here, for only who has not yet waited for the command knows that the pid
is still the command's.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import signal
import sys
import time

from metricscan.live import processes
from metricscan.logs.living import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FORWARDED = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)
_HANDLED = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, *_FORWARDED}
# Signals that Python ignores, and that the command must not inherit so.
_IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")
# What the command left running is ended sooner than what is stopped.
_MOST_LEFT_S = 10.0
_POLL_S = 0.1
_RETRY_S = 1.0
# The system cannot wait for some centuries.
_MOST_WAIT_S = 86400.0
_REASON_CHARACTERS = 1024
_TAIL_BYTES = 4096
#: Exit codes of a command that cannot be started.
NOT_EXECUTABLE, NOT_FOUND = 126, 127
#: Errors that may end by themselves: someone makes room, or mounts the disk anew.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
#: The file of a job's folder that says why it is being stopped.
STOP = ".stop"


def main() -> None:
    """Supervise the job that the document on the descriptor in the first argument describes."""
    with open(int(sys.argv[1]), encoding="utf-8") as file:
        text = file.read()
    if not text:
        # who was to start the job was killed before it had said what
        return
    supervisor = Supervisor(json.loads(text))
    try:
        supervisor.run()
    except BaseException as error:
        supervisor.note_own_error(error)
        raise


def now() -> str:
    """The time in ISO 8601."""
    seconds = time.time()
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{int(seconds % 1 * 1e6):06d}Z"


def write_record(path: str, record: dict[str, Any], *, is_new: bool = False) -> None:
    """Put a record in place of the one that is there, whole or not at all.

    Raises
    ------
    FileExistsError
        With ``is_new``: there is one already.
    OSError
        It cannot be written.
    """
    folder, name = os.path.split(os.path.join(".", path))
    new = f"{folder}/.{name}.{os.getpid()}"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(record, indent=2) + "\n")
            file.flush()
            os.fsync(descriptor)
        if is_new:
            os.link(new, path)
        else:
            os.replace(new, path)
    finally:
        if os.path.lexists(new):
            os.unlink(new)
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(at)
    finally:
        os.close(at)


class Supervisor:
    """Starts the command, keeps the limits, and writes the record.

    Parameters
    ----------
    task : dict
        ``folder``, and in it ``record_name`` and ``outputs``, the names of the files for the command's two descriptors; the
        command as ``argv``, ``environment`` and ``cwd``;
        ``failure``, the path of the file in which it may say why it failed; ``grace_s``, ``max_runtime_s``, ``max_silence_s``,
        ``prestop`` (the number of a signal, and how many seconds before SIGTERM it is sent); and ``record``, to which is added.
    """

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.folder: str = task["folder"]
        self.record: dict[str, Any] = task["record"]
        self.job_id: str | None = self.record.get("job_id")
        self.outputs: list[int] = []
        self.child = 0
        self.wait_status: int | None = None
        self.started = 0.0
        #: Why the job is being stopped.
        self.stopped_by: str | None = None
        self.is_limit = False
        self.signals: list[int] = []
        self.term_at: float | None = None
        self.kill_at: float | None = None
        self.prestop_sent = False
        self.size = 0
        self.changed_at = 0.0

    # ---- the start

    def run(self) -> None:
        """Start the command, wait for it and for all that it started, and write the record."""
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        processes.become_subreaper()
        # so that the folder may be moved
        os.chdir(self.folder)
        if not self._start():
            return
        while self.wait_status is None:
            self._wait(self._next_moment())
            self._keep_limits()
        self.record |= self._end()
        is_written = False
        try:
            is_written = self._try_to_write()
        finally:
            # also where the folder is gone, or has no room
            left = self._end_others()
        if left:
            self.record["left_running"] = left
        if left or not is_written:
            self._write()

    def _start(self) -> bool:
        """Start the command, and tell whoever reads standard output; False if it cannot be started."""
        try:
            self.outputs = [
                os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
                for path in dict.fromkeys(self.task["outputs"])
            ]
        except OSError as error:
            self._say({"error": error.errno, "path": error.filename})
            return False
        go_read, go_write = os.pipe()
        failed_read, failed_write = os.pipe()
        self.child = os.fork()
        if not self.child:
            self._become_command(go_read, failed_write, [go_write, failed_read])
        for descriptor in (go_read, failed_write):
            os.close(descriptor)
        self.started = self.changed_at = time.monotonic()
        self.record |= {
            "status": "InProgress",
            "started_at": now(),
            "supervisor": identity(os.getpid()),
            "child": identity(self.child),
        }
        try:
            # The command begins only when others can find it.
            write_record(self.task["record_name"], self.record)
        except OSError as error:
            os.close(go_write)
            os.waitpid(self.child, 0)
            self._say({"error": error.errno, "path": self.folder})
            return False
        os.write(go_write, b"g")
        os.close(go_write)
        code = os.read(failed_read, 100)
        os.close(failed_read)
        if code:
            os.waitpid(self.child, 0)
            number = int(code)
            self.record |= {
                "status": "Failed",
                "ended_at": now(),
                "exit_code": NOT_FOUND if number in (errno.ENOENT, errno.ENOTDIR) else NOT_EXECUTABLE,
                "failure_reason": f"cannot start {self.task['argv'][0]}: {os.strerror(number)}",
            }
            self._write()
        self._say({"pid": self.child})
        return not code

    def _become_command(self, go: int, failed: int, others: list[int]) -> None:
        """In the new process: become the command, in a session of its own."""
        try:
            os.setsid()
            for descriptor in others:
                os.close(descriptor)
            if os.read(go, 1) == b"g":
                os.dup2(self.outputs[0], 1)
                os.dup2(self.outputs[-1], 2)
                for name in _IGNORED_BY_PYTHON:
                    signal.signal(getattr(signal, name), signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
                os.chdir(self.task["cwd"])
                argv = [*map(os.fsencode, self.task["argv"])]
                os.execvpe(argv[0], argv, self.task["environment"])  # noqa: S606 - the user's command
        except OSError as error:
            os.write(failed, b"%d" % (error.errno or errno.EINVAL))
        finally:
            os._exit(NOT_FOUND)

    @staticmethod
    def _say(answer: dict[str, Any]) -> None:
        """Answer whoever started the supervisor, if it still is there."""
        with contextlib.suppress(OSError):
            os.write(1, json.dumps(answer).encode() + b"\n")
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.close(nothing)

    # ---- while it runs

    def _next_moment(self) -> float | None:
        """How many seconds to wait at most; None for as long as it takes."""
        moments = [one for one in (self.term_at, self.kill_at) if one is not None]
        if self.stopped_by is None:
            runtime, silence = self.task["max_runtime_s"], self.task["max_silence_s"]
            if runtime is not None:
                moments.append(self.started + runtime - self._prestop_s())
            if silence is not None:
                moments.append(
                    time.monotonic() + min(max(self.changed_at + silence - time.monotonic(), 0.0), silence / 4)
                )
        return None if not moments else min(max(min(moments) - time.monotonic(), 0.0), _MOST_WAIT_S)

    def _wait(self, seconds: float | None) -> None:
        """Wait for a signal, and handle it and those that came with it."""
        info = signal.sigwaitinfo(_HANDLED) if seconds is None else signal.sigtimedwait(_HANDLED, seconds)
        while info is not None:
            self._handle(info.si_signo)
            info = signal.sigtimedwait(_HANDLED, 0)
        self._reap()

    def _handle(self, number: int) -> None:
        if number == signal.SIGCHLD:
            return
        again = number in self.signals
        self.signals.append(number)
        if number == signal.SIGTERM:
            if again:
                self.kill_at = time.monotonic()
            else:
                self.stop(self._request() or "SIGTERM")
        elif number == signal.SIGINT and again:
            self.kill_at = time.monotonic()
        else:
            self._signal_command(number)

    def _request(self) -> str | None:
        """What ``metricscan stop`` says about why."""
        try:
            with open(STOP, encoding="utf-8", errors="replace") as file:
                return file.read(_REASON_CHARACTERS) or None
        except OSError:
            return None

    def _signal_command(self, number: int) -> None:
        if self.wait_status is None:
            processes.send_to_group(self.child, number)

    def _prestop_s(self) -> float:
        return 0.0 if self.task["prestop"] is None else float(self.task["prestop"][1])

    def _send_prestop(self) -> None:
        if self.task["prestop"] is not None and not self.prestop_sent:
            self.prestop_sent = True
            self._signal_command(self.task["prestop"][0])

    def stop(self, reason: str, *, is_limit: bool = False) -> None:
        """Begin to stop the job: the signal before the end, SIGTERM, SIGKILL."""
        if self.stopped_by is not None:
            return
        self.stopped_by, self.is_limit = reason, is_limit
        self.term_at = time.monotonic() + self._prestop_s()
        self._send_prestop()

    def _keep_limits(self) -> None:
        moment = time.monotonic()
        if self.stopped_by is None:
            runtime, silence = self.task["max_runtime_s"], self.task["max_silence_s"]
            if runtime is not None and moment >= self.started + runtime - self._prestop_s():
                self.stop(f"it ran for {runtime:g} s, its limit", is_limit=True)
                self.term_at = max(self.started + runtime, moment)
            elif silence is not None and self._is_silent(moment, silence):
                self.stop(f"it wrote nothing for {silence:g} s, its limit", is_limit=True)
        if self.term_at is not None and moment >= self.term_at:
            self.term_at, self.kill_at = None, self.kill_at or moment + self.task["grace_s"]
            self._signal_command(signal.SIGTERM)
        if self.kill_at is not None and moment >= self.kill_at and self.wait_status is None:
            self.kill_at = moment + _RETRY_S
            self._signal_command(signal.SIGKILL)
            processes.kill_all(self.folder, self.job_id, [os.getpid()], self._reap)

    def _is_silent(self, moment: float, limit: float) -> bool:
        size = sum(os.fstat(descriptor).st_size for descriptor in self.outputs)
        if size != self.size:
            self.size, self.changed_at = size, moment
        return moment - self.changed_at >= limit

    def _reap(self) -> None:
        """Wait for the children that have ended: the command, and orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self.child:
                self.wait_status = status

    # ---- the end

    def _end(self) -> dict[str, Any]:
        """What the record says of how the command ended."""
        assert self.wait_status is not None
        number = os.WTERMSIG(self.wait_status) if os.WIFSIGNALED(self.wait_status) else None
        code = os.waitstatus_to_exitcode(self.wait_status) if number is None else 128 + number
        was_asked = self.stopped_by is not None or signal.SIGINT in self.signals or number in self.signals
        stopped_by = self.stopped_by
        if was_asked and stopped_by is None:
            stopped_by = signal.Signals(signal.SIGINT if signal.SIGINT in self.signals else number or 0).name
        status = "Stopped" if was_asked else "Failed" if code else "Completed"
        return {
            "status": status,
            "ended_at": now(),
            "exit_code": code,
            "signal": None if number is None else _name(number),
            "stopped_by": stopped_by,
            "was_limit": self.is_limit,
            "failure_reason": self._failure_reason(number) if status == "Failed" else None,
        }

    def _failure_reason(self, number: int | None) -> str:
        """What the file for that says, else the last lines of the output."""
        try:
            with open(self.task["failure"], encoding="utf-8", errors="backslashreplace") as file:
                said = file.read(_REASON_CHARACTERS).strip()
        except (OSError, TypeError):
            said = ""
        if said:
            return said
        killed = "" if number is None else f"killed by {_name(number)}"
        try:
            with open(self.task["outputs"][-1], "rb") as file:
                file.seek(-min(_TAIL_BYTES, os.fstat(file.fileno()).st_size), os.SEEK_END)
                tail = file.read().decode("utf-8", "backslashreplace").strip()
        except OSError:
            tail = ""
        if len(tail) > _REASON_CHARACTERS:
            # whole lines, if there are some
            tail = tail[-_REASON_CHARACTERS:]
            tail = tail.partition("\n")[2] or tail
        return f"{killed}\n{tail}".strip() if killed else tail

    def _end_others(self) -> int:
        """End what the command left running; return how many processes that were."""
        left: set[tuple[int, int]] = set()
        wait_s = self.task["grace_s"] if self.stopped_by is not None else min(self.task["grace_s"], _MOST_LEFT_S)
        end = min(self.kill_at or float("inf"), time.monotonic() + wait_s)
        while others := processes.processes_of(self.folder, self.job_id, [os.getpid()]):
            new = [stat for stat in others if stat.key not in left]
            left.update(stat.key for stat in new)
            if time.monotonic() >= end or self.signals.count(signal.SIGTERM) > 1:
                processes.kill_all(self.folder, self.job_id, [os.getpid()], self._reap)
                break
            processes.send(new, signal.SIGTERM)
            processes.send(new, signal.SIGCONT)
            self._wait(_POLL_S)
        self._reap()
        return len(left)

    def _write(self) -> None:
        """Write the record. Where there is no room, try again until there is some, or someone asks for an end once more."""
        asked = self._asked()
        while not self._try_to_write() and self._asked() == asked:
            self._wait(_RETRY_S)

    def _asked(self) -> int:
        """How often an end was asked for."""
        return self.signals.count(signal.SIGTERM) + self.signals.count(signal.SIGINT)

    def _try_to_write(self) -> bool:
        """Write the record; False if there is no room for it now."""
        try:
            write_record(self.task["record_name"], self.record)
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            return False
        return True

    def note_own_error(self, error: BaseException) -> None:
        """Write down what went wrong here, for whoever finds a job without an end."""
        try:
            with open(".supervisor.log", "a", encoding="utf-8") as file:
                file.write(f"{now()} {type(error).__name__}: {error}\n")
        except OSError:
            return


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        # a real-time signal
        return f"signal {number}"
