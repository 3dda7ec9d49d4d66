"""The command line: flags become calls of the library. Nothing else in the package prints.

Each command is a file. ``options``, ``goal`` (the objective), ``grouping`` and ``gate`` hold the options that commands share;
``output``, ``counts``, ``rankings`` and ``progress`` what they print, ``documents`` the same as JSON; ``tuning`` reads tuning
requests.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import signal
import sys
import threading
import warnings
from typing import TYPE_CHECKING

import click

from metricscan import __version__
from metricscan.cli.algorithms import algorithms
from metricscan.cli.audit import audit
from metricscan.cli.check import check
from metricscan.cli.compact import compact
from metricscan.cli.diff import diff
from metricscan.cli.extract import extract
from metricscan.cli.follow import follow
from metricscan.cli.memory_limit import end_if_limited, is_limited, set_memory_aside
from metricscan.cli.options import print_warning
from metricscan.cli.output import EXIT_ERROR, EXIT_INTERRUPTED, EXIT_NOT_RUN, EXIT_TERMINATED, complain
from metricscan.cli.plot import plot
from metricscan.cli.rank import rank
from metricscan.cli.replay import replay
from metricscan.cli.report import report
from metricscan.cli.run import run
from metricscan.cli.stop import stop
from metricscan.cli.stopping import ending_in_time
from metricscan.cli.survey import survey
from metricscan.cli.terminal import one_line, spelled

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        0; 1 if nothing was found; 2 for wrong usage or unreadable input; 130 after an interrupt; 143 after SIGTERM. Both
        signals remove output that is incomplete; if that takes too long, they end the process.
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
    from metricscan.errors import DoubtWarning, MetricscanError

    _open_missing()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a file name may hold bytes that are not UTF-8
            stream.reconfigure(errors=_SPELLED)
    try:
        set_memory_aside()
        with warnings.catch_warnings():
            # the commands that rank say it
            warnings.simplefilter("ignore", DoubtWarning)
            code = command.main(args=arguments, prog_name="metricscan", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except _HELP_INSTEAD as error:
        error.show()
        return EXIT_ERROR
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        # click leaves escape sequences out of what goes to no terminal
        told = click.unstyle(error.message)
        text = shown.getvalue().replace(error.message, one_line(error.message)).replace(told, one_line(told))
        click.echo(spelled(text), nl=False, err=True)
        return EXIT_NOT_RUN if error.exit_code == EXIT_NOT_RUN else EXIT_ERROR
    except MetricscanError as error:
        for warning in getattr(error, "warnings", ()):
            print_warning(str(warning))
        complain(error)
        return EXIT_ERROR
    except (click.Abort, KeyboardInterrupt):
        click.echo("metricscan: interrupted", err=True)
        return EXIT_INTERRUPTED
    except (BrokenPipeError, SystemExit):
        # The reader of the output has closed the pipe (click and rich turn this into a SystemExit). Python must not report
        # an error when it flushes the rest at exit.
        _drop_output()
        return 0
    except (MemoryError, ImportError) as error:
        # a library that there is no memory for cannot be imported
        complain(str(error) or "no memory")
        end_if_limited(EXIT_ERROR)
        return EXIT_ERROR
    except (RuntimeError, SystemError) as error:
        if not is_limited():
            raise
        # a thread that cannot be started, or a MemoryError for which there was no memory
        complain(f"no memory: {error}")
        end_if_limited(EXIT_ERROR)
    except OSError as error:
        # for example a full disk under the output; all other reading and writing has its own errors
        _drop_output()
        is_of_output = error.filename is None and error.errno in _OF_OUTPUT
        complain(f"cannot write the output: {error.strerror}" if is_of_output else error)
        return EXIT_ERROR
    return int(code or 0)


_OF_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def _open_missing() -> None:
    """Open the standard streams that the parent process has closed, so that no other file gets their descriptors."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


def _drop_output() -> None:
    """Discard what could not be printed: Python would try to print it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _spell(error: UnicodeError) -> tuple[str | bytes, int]:
    r"""Write a byte that is not UTF-8 as ``\xe9``, as in names of jobs; any other character as Python's backslashreplace does."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    at, character = error.start, error.object[error.start]
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}", at + 1
    return codecs.backslashreplace_errors(UnicodeEncodeError(error.encoding, error.object, at, at + 1, error.reason))


# What click from 8.2 on raises where a command is called without arguments; its message is the help, of many lines.
_HELP_INSTEAD = getattr(click.exceptions, "NoArgsIsHelpError", ())

_SPELLED = "metricscan.spelled"
codecs.register_error(_SPELLED, _spell)


class _Commands(click.Group):
    """The commands, and where to find what is only in Python."""

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if arguments[0] == "explain":
            raise click.UsageError(
                "No such command 'explain'. metricscan check shows what each definition captures and where one is probably "
                "a mistake; in Python, Scanner.explain() says how each runs.",
                context,
            )
        return super().resolve_command(context, arguments)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="metricscan")
def command() -> None:
    """Read metrics out of training logs, and find the best job."""


for _command in (
    replay,
    extract,
    check,
    survey,
    rank,
    diff,
    report,
    plot,
    follow,
    run,
    stop,
    compact,
    audit,
    algorithms,
):
    _command.callback = ending_in_time(_command.callback)
    command.add_command(_command)
