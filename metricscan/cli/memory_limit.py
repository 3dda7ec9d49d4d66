"""A process whose memory is limited, as by ``ulimit -v``: too little is an error message, never an abort in C++.

A large request that fails raises a MemoryError, in Python, numpy and Arrow. A small one that fails in C++ may end the process:
in a table that a library builds on its first use, or for the thread-local variables of a thread. Memory is set aside for these.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading

#: What is set aside for small requests.
RESERVE_BYTES = 48 << 20
# The largest request that the reserve serves. The C library maps larger ones on their own.
_LARGEST = 120 << 10
# Of a thread; the usual 8 MB count in full.
_STACK_BYTES = 2 << 20
# OpenBLAS maps 32 MB for each thread, and sends a SIGINT where it cannot start one. jemalloc's thread is of no use here.
_LESS = (
    ("OPENBLAS_NUM_THREADS", "1"),
    ("ARROW_DEFAULT_MEMORY_POOL", "system"),
    ("JE_ARROW_MALLOC_CONF", "background_thread:false"),
)
_ARENA_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -3, -1


def is_limited() -> bool:
    """Whether the memory that this process may ask for is limited."""
    if sys.platform != "linux":
        return False
    import resource

    return any(
        resource.getrlimit(kind)[0] != resource.RLIM_INFINITY for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA)
    )


def set_memory_aside() -> None:
    """Set memory aside for small requests, if the memory of this process is limited.

    Libraries that read the environment when they are loaded are told to take less.

    Raises
    ------
    MemoryError
        If there is not as much.
    """
    if not is_limited():
        return
    for name, value in _LESS:
        os.environ.setdefault(name, value)
    threading.stack_size(_STACK_BYTES)
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):
        return
    # one arena for all threads: each further one maps 64 MB, and has no part in the reserve
    libc.mallopt(_ARENA_MAX, 1)
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST + 4096)
    # what is freed stays in the process
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.realloc.restype = ctypes.c_void_p
    libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    blocks = []
    for _ in range(RESERVE_BYTES // _LARGEST):
        blocks.append(libc.malloc(_LARGEST))
        # A small block behind each keeps those that are free apart, so that they serve no large request. One that is asked for as
        # a small one might stand elsewhere.
        wall = libc.malloc(_LARGEST)
        if wall:
            libc.realloc(wall, 16)
    for block in blocks:
        libc.free(block)
    if not all(blocks):
        raise MemoryError("no memory for a command")


def end_if_limited(code: int) -> None:
    """End the process at once if its memory is limited: a library that had too little when it was loaded may crash at exit."""
    if is_limited():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
