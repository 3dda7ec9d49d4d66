"""What the system tells of files that change: inotify, where there is one."""

from cpython.bytes cimport PyBytes_FromString
from cpython.exc cimport PyErr_SetFromErrno
from libc.stdint cimport uint32_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #include <errno.h>
    #include <stdint.h>
    #include <unistd.h>
    #ifdef __linux__
    #include <sys/inotify.h>
    #else
    struct inotify_event { int wd; uint32_t mask, cookie, len; char name[]; };
    enum {
        IN_CLOEXEC, IN_NONBLOCK, IN_MODIFY, IN_CREATE, IN_MOVED_TO, IN_MOVED_FROM, IN_DELETE, IN_ONLYDIR, IN_Q_OVERFLOW,
        IN_IGNORED
    };
    static int inotify_init1(int flags) { (void)flags; errno = ENOSYS; return -1; }
    static int inotify_add_watch(int descriptor, const char *path, uint32_t mask)
    { (void)descriptor; (void)path; (void)mask; errno = ENOSYS; return -1; }
    #endif
    """
    cdef struct inotify_event:
        int wd
        uint32_t mask
        uint32_t len
    int inotify_init1(int flags)
    int inotify_add_watch(int descriptor, const char *path, uint32_t mask)
    int IN_CLOEXEC, IN_NONBLOCK
    uint32_t IN_MODIFY, IN_CREATE, IN_MOVED_TO, IN_MOVED_FROM, IN_DELETE, IN_ONLYDIR, IN_Q_OVERFLOW, IN_IGNORED

#: What an event may be: more events were lost than told; the folder is watched no more; a name is new in its folder.
OVERFLOW, IGNORED, NEW = IN_Q_OVERFLOW, IN_IGNORED, IN_CREATE | IN_MOVED_TO


def open_queue():
    """Return the descriptor of a queue of events, which does not wait.

    Raises
    ------
    OSError
        There is no inotify, or there are too many queues.
    """
    cdef int descriptor = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)
    if descriptor < 0:
        PyErr_SetFromErrno(OSError)
    return descriptor


def watch(int descriptor, bytes folder not None):
    """Ask to be told of changes of the files in a folder; return the number of the watch.

    Raises
    ------
    OSError
        There is no such folder, or there are too many watches.
    """
    cdef int number = inotify_add_watch(
        descriptor, folder, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR
    )
    if number < 0:
        PyErr_SetFromErrno(OSError)
    return number


def events(bytes data not None):
    """Return the events that were read from a queue: of each the watch, what it may be, and the name of the file."""
    cdef const char *at = data
    cdef Py_ssize_t left = len(data)
    cdef Py_ssize_t size
    cdef inotify_event event
    cdef list found = []
    while left >= <Py_ssize_t>sizeof(inotify_event):
        memcpy(&event, at, sizeof(inotify_event))
        size = sizeof(inotify_event) + event.len
        if size > left:
            break
        # the name ends with NULs
        found.append((event.wd, event.mask, PyBytes_FromString(at + sizeof(inotify_event)) if event.len else b""))
        at += size
        left -= size
    return found


cdef extern from "kernel/built.h":
    object ms_built_from(object file)

#: The sources of this module and their digests. In a checkout whose sources differ from these the import ends here.
BUILT_FROM = ms_built_from(__file__)
