"""The command: flags to the calls of the library. Nothing else in the package prints.

A command a file; ``options`` is what several of them take (``ranks``: an objective), ``output`` what several of them print,
``documents`` the same as JSON.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

import click

from metricscan import __version__
from metricscan.cli.algorithms import algorithms
from metricscan.cli.audit import audit
from metricscan.cli.check import check
from metricscan.cli.output import EXIT_INTERRUPTED, EXIT_TERMINATED, EXIT_WRONG, complain
from metricscan.cli.plot import plot
from metricscan.cli.rank import rank
from metricscan.cli.replay import replay
from metricscan.cli.terminal import spelled

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command, and say how it ended.

    0; 1 (nothing found); 2 (wrong use, unreadable input); 130 (interrupted) or 143 (ended by SIGTERM), both of which take
    back what is not written whole.
    """
    terminated = []

    def terminate(number: int, _: object) -> None:
        terminated.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        return _run(arguments)
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        code = _run(arguments)
    finally:
        signal.signal(signal.SIGTERM, before)
    return EXIT_TERMINATED if terminated else code


def _run(arguments: Sequence[str] | None) -> int:
    from metricscan.errors import MetricscanError

    _open_missing()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a file's name may be no text
            stream.reconfigure(errors=_SPELLED)
    try:
        code = command.main(args=arguments, prog_name="metricscan", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        click.echo(spelled(shown.getvalue()), nl=False, err=True)
        return EXIT_WRONG
    except MetricscanError as error:
        complain(error)
        return EXIT_WRONG
    except (click.Abort, KeyboardInterrupt):
        click.echo("metricscan: interrupted", err=True)
        return EXIT_INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # Whoever read our output has seen enough (click and rich make a SystemExit of that); Python must not complain
        # when it closes what is left.
        _drop_output()
        return 0
    except OSError as error:
        # a full disk under our output, for one; what is read and written otherwise has its own errors
        _drop_output()
        is_of_output = error.filename is None and error.errno in _OF_OUTPUT
        complain(f"cannot write the output: {error.strerror}" if is_of_output else error)
        return EXIT_WRONG
    return int(code or 0)


_OF_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def _open_missing() -> None:
    """Open the standard streams that whoever started us has closed: no other file may get their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _drop_output() -> None:
    """Let go what could not be printed: Python would try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    r"""Bytes of names that are no UTF-8 as the names of jobs have them, ``\xe9``; what else cannot be written as Python does."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    at, character = error.start, error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}", at + 1
    return codecs.backslashreplace_errors(UnicodeEncodeError(error.encoding, error.object, at, at + 1, error.reason))


_SPELLED = "metricscan.spelled"
codecs.register_error(_SPELLED, _spell)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="metricscan")
def command() -> None:
    """Read metrics out of training logs, and find the best job."""


for _one in (replay, check, rank, plot, audit, algorithms):
    command.add_command(_one)
