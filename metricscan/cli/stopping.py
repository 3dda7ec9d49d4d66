"""A signal ends the command in time, whatever it does at the moment."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
from typing import TYPE_CHECKING, Any, Literal

from metricscan.cli.output import EXIT_INTERRUPTED, EXIT_TERMINATED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# How long the command has to end by itself, from the signal on. Then a thread ends the process: a search of `re` in a thread,
# or a read from a disk that does not answer, cannot be interrupted.
GRACE_S = 1.5
_EXIT_CODES = {int(signal.SIGINT): EXIT_INTERRUPTED, int(signal.SIGTERM): EXIT_TERMINATED}


def ending_in_time(callback: Callable[..., Any] | None) -> Callable[..., Any]:
    """A command's callback that SIGINT and SIGTERM stop: its scans at once, the process when its grace is over."""
    assert callback is not None

    @functools.wraps(callback)
    def watched(*arguments: Any, **options: Any) -> Any:
        # handlers of signals run in the main thread alone
        if threading.current_thread() is not threading.main_thread():
            return callback(*arguments, **options)
        with _watch():
            return callback(*arguments, **options)

    return watched


@contextlib.contextmanager
def finishing_first() -> Iterator[None]:
    """Let scans finish in this block: a signal still ends the process when its grace is over."""
    with _mode("deadline"):
        yield


@contextlib.contextmanager
def taking_its_time() -> Iterator[None]:
    """Leave signals to their handlers in this block: they stop no scan and set no deadline."""
    with _mode("nothing"):
        yield


@contextlib.contextmanager
def _watch() -> Iterator[None]:
    # not before there is something to do: --help loads little
    from metricscan import _core

    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        with _mode("all"):
            _core.watch_signals(reading, _EXIT_CODES, GRACE_S, b"metricscan: interrupted\n")
            former = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
            try:
                yield
            finally:
                signal.set_wakeup_fd(former)
    finally:
        # the end of what it reads ends the thread
        os.close(writing)
        _core.end_watch()
        os.close(reading)


@contextlib.contextmanager
def _mode(mode: Literal["nothing", "deadline", "all"]) -> Iterator[None]:
    from metricscan import _core

    before = _core.set_watch(mode)
    try:
        yield
    finally:
        _core.set_watch(before)
