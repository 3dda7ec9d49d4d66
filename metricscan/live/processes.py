"""The processes of a job: those that descend from its command, and those that have its folder in their environment."""

from __future__ import annotations

import os
import signal
import time

from metricscan.logs.living import Stat, stat_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: The variables that each process of a job inherits: the absolute path of the job's folder, and a random text. By the text a
#: process is known to be of this job, and not of another one that had the folder before, or later.
JOB_DIR, JOB_ID = "METRICSCAN_JOB_DIR", "METRICSCAN_JOB_ID"
#: The variable of a supervisor: the random text of its job.
SUPERVISED = "METRICSCAN_SUPERVISED_ID"
_ID_PREFIX = os.fsencode(f"{JOB_ID}=")
_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.05
# A process in an uninterruptible wait, as on a network file system, ends when that wait does.
_KILL_WAIT_S = 10.0


def become_subreaper() -> bool:
    """Have the orphans among the descendants of this process become its children; False where the system cannot do so."""
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def processes_of(folder: str, job_id: str | None, roots: Iterable[int] = ()) -> list[Stat]:
    """The processes of a job that are alive.

    Parameters
    ----------
    folder : str
        The job's folder, as it is in the environment of the job's processes.
    job_id : str or None
        The job's random text; None of a job that was started before there was one. A process with another one in its
        environment is of another job. One without any has lost it, as where a launcher hands on chosen variables alone.
    roots : iterable of int
        Pids whose descendants belong to the job, too. They themselves do not.
    """
    entry = os.fsencode(f"{JOB_DIR}={folder}")
    own_id = os.fsencode(f"{JOB_ID}={job_id}")
    roots = {*roots}
    own = {os.getpid(), *roots}
    every = all_processes()
    children: dict[int, list[Stat]] = {}
    for stat in every:
        children.setdefault(stat.parent, []).append(stat)
    found = {stat.pid: stat for stat in every if stat.pid not in own and _is_of_job(stat.pid, entry, own_id)}
    todo = [*roots, *found]
    seen = set(todo)
    while todo:
        for stat in children.get(todo.pop(), ()):
            if stat.pid not in seen:
                seen.add(stat.pid)
                todo.append(stat.pid)
                if stat.pid not in own:
                    found[stat.pid] = stat
    return [stat for stat in found.values() if not stat.has_ended]


def all_processes() -> list[Stat]:
    """All processes that ``/proc`` shows."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    return [stat for name in names if name.isdecimal() and (stat := stat_of(int(name))) is not None]


def _environment_of(pid: int) -> list[bytes]:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        # it has ended, or belongs to another user
        return []


def _is_of_job(pid: int, entry: bytes, own_id: bytes) -> bool:
    entries = _environment_of(pid)
    if entry not in entries:
        return False
    ids = [one for one in entries if one.startswith(_ID_PREFIX)]
    return not ids or own_id in ids


def is_supervisor(pid: int, folder: str, job_id: str) -> bool:
    """Whether a process is the supervisor of the job in a folder: it has the job's text, and works in the folder.

    A record alone does not say that: whoever made the folder may have written the pid of any process into it.
    """
    if os.fsencode(f"{SUPERVISED}={job_id}") not in _environment_of(pid):
        return False
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", folder)
    except OSError:
        return False


def send(stats: Iterable[Stat], number: int) -> None:
    """Send a signal to processes, if they are still those that were found."""
    for stat in stats:
        now = stat_of(stat.pid)
        if now is not None and now.key == stat.key:
            try:
                os.kill(stat.pid, number)
            except OSError:
                # it has just ended, or it has the rights of another user
                continue


def send_to_group(group: int, number: int) -> None:
    """Send a signal to a group of processes whose leader was not waited for, so that the number is still theirs."""
    try:
        os.killpg(group, number)
        if number in (signal.SIGTERM, signal.SIGKILL):
            # a stopped process takes no other signal before it goes on
            os.killpg(group, signal.SIGCONT)
    except OSError:
        return


def kill_all(
    folder: str, job_id: str | None, roots: Iterable[int] = (), reap: Callable[[], object] | None = None
) -> list[Stat]:
    """Kill the processes of a job, also those that they start meanwhile; return those that do not end.

    Parameters
    ----------
    folder, job_id, roots
        As for :func:`processes_of`.
    reap : callable, optional
        Waits for children that have ended.
    """
    roots = [*roots]
    end = time.monotonic() + _KILL_WAIT_S
    while True:
        left = processes_of(folder, job_id, roots)
        if not left or time.monotonic() > end:
            return left
        send(left, signal.SIGKILL)
        if reap is not None:
            reap()
        time.sleep(_POLL_S)


def stop_all(folder: str, job_id: str | None, grace_s: float) -> list[Stat]:
    """Stop a job whose supervisor is gone: SIGTERM, after a while SIGKILL; return the processes that do not end."""
    end = time.monotonic() + grace_s
    asked: set[tuple[int, int]] = set()
    while left := processes_of(folder, job_id):
        if time.monotonic() >= end:
            return kill_all(folder, job_id)
        new = [stat for stat in left if stat.key not in asked]
        send(new, signal.SIGTERM)
        send(new, signal.SIGCONT)
        asked.update(stat.key for stat in new)
        time.sleep(_POLL_S)
    return []
