r"""Whether the end of a log shows that its program crashed: a traceback, a line about lack of memory, or a signal.

Only the tail of a log is examined (logs/tails.py). What a program prints behind a crash (a summary of torchrun, messages of
srun, the rest of the exception's message) is known, or is short. Text that goes on for longer, or says that the program goes on,
shows that the exception was caught.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from metricscan.logs._reading import may_show_crash

if TYPE_CHECKING:
    from collections.abc import Sequence

_TEXT_CHARACTERS = 200
# How many lines of unknown text may follow: the message of an exception may have several lines.
_MOST_LINES_AFTER = {"traceback": 10, "out-of-memory": 3, "signal": 3}

_ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# What launchers, containers and loggers put before the text of a line.
_PREFIX = re.compile(
    r"(?:"
    r"\[MFLOG\|[^\]]*\]"
    r"|\[(?:default|rank|worker|node|mpi|host|gpu)?[_ ]?\d+(?:,\d+)?\](?:<std(?:out|err)>)?:?"  # [rank0]:, [1,0]<stderr>:
    r"|\((?:[\w.]+ )?(?:pid=\d+(?:, ip=[\d.]+)?|\d+)\)"  # of Ray
    r"|\d+: (?=\s|\w*Error|Traceback)"  # of srun --label
    r"|[\w.-]+(?:-\d+)?\s+\| "  # of compose
    r"|\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]?(?: std(?:out|err) [FP])?"
    r"|[IWEFD]\d{4,8} \d\d:\d\d:\d\d(?:\.\d+)?\s+(?:\d+ )?[\w./-]+:\d+\]"  # of glog
    r"|\[?(?:DEBUG|INFO|WARNING|WARN|ERROR|CRITICAL|FATAL|stderr|stdout|std\.err)\]?(?::(?![\w.]+$)[\w.]*:?|:|\b)(?= |\w|$)"
    r"|\{[\w./<>-]+:\d+\} [A-Z]+ - ?"  # of Airflow
    r"|- (?=\w)"
    r")\s?"
)
_FRAME = re.compile(r"[>\s]*File \"[^\"]*\", line \d+")
_HEADER = "Traceback (most recent call last)"
_EXCEPTION = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?::|$)")
_NAMED_EXCEPTION = re.compile(r"(?:[A-Za-z_]\w*\.)*\w*(?:Error|Exception|Interrupt|Exit|Expired|Empty|Failure)(?::|$)")
_OUT_OF_MEMORY = re.compile(
    r"\b(?:CUDA|HIP|MPS backend|XPU) out of memory\b|\bOutOfMemoryError\b|\bOOM when allocating\b|\boom[-_]kill|\bOOM[- ]?[Kk]ill"
    r"|\bOut of memory: Kill|^MemoryError\b|\bCUDA_ERROR_OUT_OF_MEMORY\b|\bstd::bad_alloc\b"
    r"|\bDefaultCPUAllocator: (?:can't|not enough)|\bRESOURCE_EXHAUSTED: Out of memory\b"
)
_SIGNAL = re.compile(
    r"^Killed$|^Terminated$|^Aborted$|^Bus error$|^Segmentation fault$|^Illegal instruction$|\(core dumped\)"
    r"|: line \d+:\s+\d+ (?:Killed|Terminated|Aborted|Segmentation fault|Bus error)\b"
    r"|\bexits with return code = -\d+|^terminate called (?:after|without|recursively)"  # of DeepSpeed; of C++
    r"|\bFatal Python error: |\bProcess received signal\b|\bCaught signal \d+|\bdied with <Signals\."
    r"|\b(?:exited|terminated|killed) (?:on|by|with) signal\b|\bSignal \d+ \(SIG[A-Z]+\) received\b"
    r"|\bexit(?:ed with exit)? ?code:?\s*:? ?(?:-\d+|13[0-9]|14[0-3])\b|\bCANCELLED AT \d{4}-"
    r"|^srun: error: .*: (?:Killed|Terminated|Aborted|Segmentation fault|Exited with exit code)"
)
# Text behind a crash that is part of it.
_TRAILER = re.compile(
    r"\s|[=~^_*#+-]{3,}|\W*$|Killed$|Terminated$|Aborted$|Root Cause|Failures:|FAILED\b|<NO_OTHER_FAILURES>|\[\d+\]:"
    r"|(?:time|host|rank|exitcode|error_file|traceback)\s*:|wandb: |srun: |slurmstepd: |mpirun|make: \*\*\*|error: Command"
    r"|For (?:more|debugging)|CUDA kernel errors|Compile with|Set the environment variable|During handling|The above exception"
    r"|Exception ignored|sys:\d|warnings\.warn|terminate called|Sending process|Failed to"
    r"|failed \(exit|Command exited|Child process"
    r"|sagemaker[-_](?:training|containers?)\b|ExitCode \d|ErrorMessage \"|Command \""
    r"|.*(?:resource_tracker|site-packages|torch[./]distributed|Warning: )|.*\b(?:exit ?code|local_rank|SIGTERM|SIGKILL)\b"
    r"|.*(?:Traceback \(most|Error:)|.*\d+%\|"
)
_GOES_ON = re.compile(
    r"\b(?:resum\w*|retry\w*|restart\w*|skipp\w*|ignor(?:ed|ing)|continu\w*|recover\w*|finished|completed|succe\w+|done"
    r"|falling back|trying again|training (?:took|ended))\b",
    re.IGNORECASE,
)


class Crash(NamedTuple):
    """The end of a log that crashed.

    Attributes
    ----------
    kind : {"traceback", "out-of-memory", "signal"}
    text : str
        The line that shows it: of a traceback the exception. At most 200 characters.
    line : int or None
        From 1. None for logs whose text has other places than the log, such as exports.
    offset : int or None
        The byte of the decompressed log at which the crash starts: of several tracebacks in a chain the last one, as far as the
        examined part holds it.
    after : int or None
        The byte at which unknown text behind the crash starts; a row from there on shows that the program went on. None if
        there is no such text.
    """

    kind: str
    text: str
    line: int | None
    offset: int | None
    after: int | None = None


class _Line(NamedTuple):
    start: int
    text: str  # without its prefixes


def crash_at_end(tail: bytes, offset: int | None = None, newlines: int | None = None) -> Crash | None:
    r"""The crash with which a log ends; None if it does not end with one.

    Parameters
    ----------
    tail : bytes
        The last :data:`~metricscan.logs.tails.TAIL_BYTES` bytes of the log, or the whole log if it is shorter.
    offset : int, optional
        The place of the tail in the log.
    newlines : int, optional
        Newlines in the whole log, from which the line is counted.

    Examples
    --------
    >>> log = b'loss=1\nTraceback (most recent call last):\n  File "a.py", line 3, in <module>\nValueError: nan\n'
    >>> crash_at_end(log, 0, 4)
    Crash(kind='traceback', text='ValueError: nan', line=2, offset=7, after=None)
    >>> crash_at_end(b"loss=1\nValueError: nan\nloss=2\n") is None
    True
    """
    if not may_show_crash(tail):
        return None
    lines = _lines(tail)
    found = _traceback(lines) or _one_line(lines)
    if found is None:
        return None
    kind, first, last = found
    rest = [line for line in lines[last + 1 :] if not _TRAILER.match(line.text)]
    if len(rest) > _MOST_LINES_AFTER[kind] or any(_GOES_ON.search(line.text) for line in rest):
        return None
    text = lines[last].text[:_TEXT_CHARACTERS]
    start = lines[first].start
    line = None if newlines is None else 1 + newlines - tail.count(b"\n", start)
    if offset is None:
        return Crash(kind, text, line, None)
    return Crash(kind, text, line, offset + start, offset + rest[0].start if rest else None)


def _lines(tail: bytes) -> list[_Line]:
    """The lines of the tail that are not empty."""
    lines = []
    for match in re.finditer(rb"[^\r\n]+", tail):
        text = _ANSI.sub("", match[0].decode("utf-8", "replace"))
        while prefix := _PREFIX.match(text):
            text = text[prefix.end() :]
        if text.strip():
            lines.append(_Line(match.start(), text.rstrip()))
    return lines


def _traceback(lines: Sequence[_Line]) -> tuple[str, int, int] | None:
    """The last traceback: the numbers of its first line and of the line of its exception."""
    frame = next((at for at in range(len(lines) - 1, -1, -1) if _FRAME.match(lines[at].text)), None)
    box = next((at for at in range(len(lines) - 1, -1, -1) if lines[at].text.startswith("╰─")), None)
    if box is not None and (frame is None or box > frame):
        # of rich: the exception stands below the box
        if box + 1 < len(lines) and _NAMED_EXCEPTION.match(lines[box + 1].text):
            first = box
            while first and lines[first].text[0] in "╰│╭":
                first -= 1
            return _kind(lines[box + 1].text), first + (lines[first].text[0] not in "╰│╭"), box + 1
        return None
    if frame is None:
        return None
    last = frame + 1
    while last < len(lines) and lines[last].text[0] in " \t│└├>":
        last += 1
    if last == len(lines) or not _EXCEPTION.match(lines[last].text):
        return None
    first = frame
    while first and lines[first].text[0] in " \t│└├>":
        first -= 1
    has_header = _HEADER in lines[first].text
    if not has_header and lines[first].text[0] not in " \t│└├>":
        first += 1
    before = lines[first - 1].text if has_header and first else ""
    if before.startswith(("Exception ignored in", "Exception in thread", "--- Logging error")):
        # the program goes on, or has ended already
        return None
    return _kind(lines[last].text), first, last


def _kind(exception: str) -> str:
    return "out-of-memory" if _OUT_OF_MEMORY.search(exception) else "traceback"


def _one_line(lines: Sequence[_Line]) -> tuple[str, int, int] | None:
    """The last line that names a lack of memory or a signal, among those before which only trailers stand."""
    unknown = 0
    for at in range(len(lines) - 1, -1, -1):
        text = lines[at].text
        for kind, pattern in (("out-of-memory", _OUT_OF_MEMORY), ("signal", _SIGNAL)):
            if pattern.search(text):
                return None if _GOES_ON.search(text) else (kind, at, at)
        unknown += not _TRAILER.match(text)
        if unknown > max(_MOST_LINES_AFTER["signal"], _MOST_LINES_AFTER["out-of-memory"]):
            return None
    return None
