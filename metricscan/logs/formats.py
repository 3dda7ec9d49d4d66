"""Detect the format of a log: plain text, an export of CloudWatch Logs, or what a container's runtime wrote.

Detection takes the first bytes and the path. A format is detected only where nothing else looks like it: JSON lines with a key
that the service or Docker does not write are plain text, and so are lines that start with a time, unless the path is that of
an export to S3.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from metricscan.errors import OptionError
from metricscan.logs import _events
from metricscan.logs.json_formats import json_format, kind_of_line

if TYPE_CHECKING:
    from metricscan.logs.source import Source

FORMATS = ("auto", "plain", "cloudwatch-json", "cloudwatch-csv", "s3-export", "docker-json", "cri")
#: The formats in which a container's runtime writes the container's output.
CONTAINER_FORMATS = ("docker-json", "cri")
CONTAINER_STREAMS = ("stdout", "stderr")
#: Those in which the service exports the events of streams.
EXPORT_FORMATS = ("cloudwatch-json", "cloudwatch-csv", "s3-export")
#: Those of which the messages of events are read.
STREAM_FORMATS = (*CONTAINER_FORMATS, *EXPORT_FORMATS)
#: How much of an input is read to detect its format.
HEAD_BYTES = 4096
#: How much is read if the first line is longer. A line of Docker holds at most 16 KiB of output. Each byte of it may take six.
LONG_HEAD_BYTES = 128 * 1024
# What stands behind the message in a line of Docker.
_OF_DOCKER = b'","stream":"std'


class Refused(NamedTuple):
    """A format that is detected but not read.

    Attributes
    ----------
    what : str
        What the input is.
    hint : str
        How to get an input that can be read.
    """

    what: str
    hint: str


_PLAIN_HINT = "the input format 'plain' reads it as it is"
_JSON_HINT = f"run the command with --output json; {_PLAIN_HINT}"
#: The formats that are detected but not read, by a name of ours.
REFUSED = {
    "aws-text": Refused(
        "the text output of aws logs, in which messages cannot be told from their envelopes", _JSON_HINT
    ),
    "aws-tail": Refused(
        "the output of aws logs tail, in which the streams of several jobs are mixed",
        f"aws logs filter-log-events --output json gives the same events; {_PLAIN_HINT}",
    ),
    "insights-json": Refused(
        "the answer of aws logs get-query-results",
        f"aws logs filter-log-events gives the events, and the console gives the results as CSV; {_PLAIN_HINT}",
    ),
    "lambda-json": Refused(
        "a payload of CloudWatch Logs for a Lambda function",
        f"decode awslogs.data from Base64, and give the result, which is gzip; {_PLAIN_HINT}",
    ),
    "gcp-json": Refused(
        "an export of Google Cloud Logging in JSON, of which gcloud writes the newest entry first",
        "gcloud logging read .. --order=asc --format='value(textPayload,jsonPayload.message)' writes the messages; so does "
        "jq -r 'if type == \"array\" then .[] else . end | .textPayload // .jsonPayload.message' of this file, in its order; "
        f"{_PLAIN_HINT}",
    ),
    "journal-json": Refused(
        "the output of journalctl in JSON, in which messages with escape sequences are lists of numbers",
        f"journalctl -o cat writes the messages; {_PLAIN_HINT}",
    ),
    "jupyter": Refused(
        "a Jupyter notebook, in which the source of the cells stands beside their output",
        "jq -j '.cells[].outputs[]?.text // empty | if type == \"array\" then add else . end' writes the output; "
        f"{_PLAIN_HINT}",
    ),
    "kaggle-json": Refused(
        "the log of a Kaggle notebook in JSON", f"jq -j '.[].data' writes the messages; {_PLAIN_HINT}"
    ),
    "loki-json": Refused(
        "an answer of Loki in JSON, of which the newest line may come first",
        f"jq -r '[.data.result[].values[]] | sort | .[][1]' writes the lines; {_PLAIN_HINT}",
    ),
    "elastic-json": Refused(
        "an answer of Elasticsearch in JSON", f"jq -r '.hits.hits[]._source.message' writes the messages; {_PLAIN_HINT}"
    ),
    "docker-local": Refused(
        "a log of Docker's driver local, which is binary", "docker logs CONTAINER writes what it printed"
    ),
    "journal": Refused("a journal of systemd, which is binary", "journalctl --file FILE -o cat writes the messages"),
    "tensorboard": Refused(
        "a file of TensorBoard's events, which is binary",
        "read it with TensorBoard; metricscan reads what a program printed",
    ),
}

BOM = b"\xef\xbb\xbf"

# ---- binary files; _first_bytes.pxd knows them, too
# the length of an entry, of which NULs may have been taken for the beginning of the source, and its first two fields
_OF_LOCAL_DRIVER = re.compile(rb".{1,4}\n\x06std(?:out|err)\x10", re.DOTALL)
_JOURNAL = b"LPKSHHRH"
_TENSORBOARD = b"\x1a\rbrain.Event:2"
_TENSORBOARD_AT = 21

# the beginning of a JSON object, or of an array of objects. Log lines such as "[INFO] .." and "{'lr': 1}" do not match.
_DOCUMENT = re.compile(rb'\s*(?:\[\s*)?\{\s*"')

# where a document is invalid that is cut within a word, a number or an escape
_CUT_WORD = re.compile(r"[-+.\w\\]*\s*\Z")
# as much of an input as shows that it may be one
_BEGINNING = 64

# what may become one with the next lines
_MAY_BE_DOCUMENT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*)?(?:\{\s*(?:\"|\Z)|\Z)")

# ---- lines that start with a time
_DATE = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"
_S3_LINE = re.compile(_DATE + rb"\.\d{3}Z(?:[ \r]|\Z)")
_CRI_LINE = re.compile(_DATE + rb"(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d) std(?:out|err) [PF](?::[^ \r\n]*)?(?:[ \r\n]|\Z)")
_TAIL_LINE = re.compile(_DATE + rb"\.\d{6}\+00:00 [!-\xff]+/algo-\d+-\d+ ")
_TEXT_LINE = re.compile(rb"(?:[bf]/\d+\t[bf]/\d+\r?\n)?EVENTS\t(?:\d{40,}\t)?\d{13}\t")
_TWO_LINES = re.compile(rb"[bf]/\d+\t[bf]/\d+\r?\Z")
# the export to S3 writes parts of a stream, with a folder per stream, under a folder that the id of the export names
_S3_PART = re.compile(r"(?:.*[/\\])?\d{6}(?:\.gz)?", re.DOTALL)
_S3_TASK = re.compile(r".*[/\\][0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}[/\\][^/\\]+[/\\][^/\\]+", re.DOTALL)
_S3_TEST = "aws-logs-write-test"

# ---- the console's CSV
_TIME_COLUMNS = ("timestamp", "@timestamp")
_MESSAGE_COLUMNS = ("message", "@message")
_STREAM_COLUMNS = ("logstreamname", "logstream", "@logstream")
_OTHER_COLUMNS = ("ingestiontime", "@ingestiontime", "eventid", "@log", "loggroupname", "@ptr")
_COLUMNS = {*_TIME_COLUMNS, *_MESSAGE_COLUMNS, *_STREAM_COLUMNS, *_OTHER_COLUMNS}


def detect(head: bytes, path: str = "") -> str:
    r"""The format of an input by its first bytes and its path; ``"plain"`` if it is none of the others.

    Parameters
    ----------
    head : bytes
        The first :data:`HEAD_BYTES` bytes or more, or the whole input if it is shorter.
    path : str
        Where the input lies, if it is a file. An export to S3 is recognised only by content and path together.

    Returns
    -------
    str
        One of :data:`FORMATS`, or a key of :data:`REFUSED`.

    Examples
    --------
    >>> detect(b'{\n  "events": [\n    {"timestamp": 1, "message": "loss=1"}]}')
    'cloudwatch-json'
    >>> detect(b'{"log":"loss=1\\n","stream":"stdout","time":"2026-03-01T10:00:00.5Z"}\n')
    'docker-json'
    >>> detect(b"2026-03-01T10:00:00.123456789Z stdout F loss=1\n")
    'cri'
    >>> detect(b"2026-03-01T10:00:00.000Z loss=1\n")
    'plain'
    >>> detect(b"2026-03-01T10:00:00.000Z loss=1\n", "gan-001-algo-1-17723/000000.gz")
    's3-export'
    """
    found = _binary(head) or _by_beginning(head, path)
    return found if found != "plain" else _by_most_lines(head)


def _binary(head: bytes) -> str | None:
    """The format of a binary input that is refused by its name."""
    if head.startswith(_JOURNAL):
        return "journal"
    if _OF_LOCAL_DRIVER.match(head):
        return "docker-local"
    return "tensorboard" if head.startswith(_TENSORBOARD, _TENSORBOARD_AT) else None


def is_refused_log(head: bytes) -> bool:
    """Whether a binary input of which these are the first bytes is a log that is refused by the name of its format."""
    # many of TensorBoard's files lie beside logs
    return _binary(head) not in (None, "tensorboard")


def _by_beginning(head: bytes, path: str) -> str:
    """The format of an input by its beginning."""
    is_all = len(head) < HEAD_BYTES
    head = head.lstrip(b"\0").removeprefix(BOM).lstrip(b"\0")
    if _DOCUMENT.match(head):
        return json_format(head, may_be_cut=len(head) < LONG_HEAD_BYTES)
    if head[:1].isdigit():
        if _CRI_LINE.match(head):
            # the regex accepts a 30th of February, the decoder does not
            return "cri" if _is_read(_first_line(head), "cri") else "plain"
        if _TAIL_LINE.match(head):
            return "aws-tail"
        return "s3-export" if _is_s3_export(head, path, is_all=is_all) else "plain"
    if _TEXT_LINE.match(head):
        return "aws-text"
    names = header(head)
    if set(names) <= _COLUMNS and min(roles(names)[:2]) >= 0:
        return "cloudwatch-csv"
    return "plain"


def format_of(source: Source, input_format: str, *, by_first_line: bool = False) -> str:
    """The format in which to read a source: the named one, or for ``"auto"`` the detected one.

    The source is not consumed. With ``by_first_line``, no more bytes are waited for once the first line shows the format.

    Raises
    ------
    OptionError
        The name is not among :data:`FORMATS`.
    """
    check_format(input_format)
    if input_format != "auto":
        return input_format
    head = source.peek(HEAD_BYTES, _shows_format if by_first_line else None)
    nuls = 0
    if head[:1] == b"\0" and _binary(head) is None:
        nuls, head = source.peek_behind_nuls(HEAD_BYTES)
    detected = detect(head, source.name)
    # a progress bar is no line of Docker
    may_be_docker = detected == "docker-json" or (detected == "plain" and b"\r" not in head)
    if may_be_docker and len(head) == HEAD_BYTES and b"\n" not in head:
        # the first line may be longer
        detected = detect(source.peek(nuls + LONG_HEAD_BYTES)[nuls:], source.name)
    return detected


def is_format_shown(head: bytes, path: str = "") -> bool:
    """Whether the first bytes of an input that grows are enough to detect its format."""
    if len(head) >= LONG_HEAD_BYTES or (b"\n" in head and len(head) >= HEAD_BYTES):
        return True
    if b"\n" in head or b"}" in head:
        # an export in JSON may have many lines, or no line end; it has shown itself once an event has ended
        return not _may_go_on(head) or (b"}" in head and detect(head, path) in STREAM_FORMATS)
    # the first line of Docker may be longer than what is read of other logs; a progress bar is none
    may_be_docker = head.lstrip(b"\0\xef\xbb\xbf \t").startswith(b"{")
    return not may_be_docker and (len(head) >= HEAD_BYTES or b"\r" in head)


def _may_go_on(head: bytes) -> bool:
    """Whether what these first bytes of an input begin is JSON that has not ended."""
    text = head.lstrip(b"\0").removeprefix(BOM).lstrip(b"\0").decode("utf-8", "replace").lstrip()
    if not _MAY_BE_DOCUMENT.match(text[:_BEGINNING].encode()):
        return False
    try:
        json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        return error.msg.startswith("Unterminated string") or _CUT_WORD.match(text, error.pos) is not None
    except RecursionError:
        pass
    return False


def _shows_format(head: bytes) -> bool:
    """Whether the bytes that are there show the format of an input whose next ones may come much later."""
    text = head.lstrip()
    line, end, _ = text.partition(b"\n" if b"\r" not in text[:-1] else b"\r")
    if not end or b"\0" in head or _TWO_LINES.match(line):
        return False
    if not _MAY_BE_DOCUMENT.match(line):
        return True
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        # a document may have many lines
        return False
    return True


def check_format(input_format: str) -> None:
    """Raise an OptionError if the name is not among :data:`FORMATS`."""
    if input_format not in FORMATS:
        raise OptionError(f"input_format={input_format!r}: {' or '.join(map(repr, FORMATS))} was expected")


def header(head: bytes) -> list[str]:
    """The names of the columns in a CSV's first line, in lower case."""
    line = _first_line(head.removeprefix(BOM)).decode("utf-8", "replace").rstrip("\r")
    try:
        names = next(csv.reader(io.StringIO(line)), [])
    except csv.Error:
        return []
    return [name.strip().lower() for name in names]


def roles(names: list[str]) -> tuple[int, int, int]:
    """Which of a CSV's columns holds the time, which the message and which the stream's name; -1 for none."""
    time, message, stream = (
        next((index for index, name in enumerate(names) if name in kinds), -1)
        for kinds in (_TIME_COLUMNS, _MESSAGE_COLUMNS, _STREAM_COLUMNS)
    )
    return time, message, stream


def _first_line(head: bytes) -> bytes:
    return head.split(b"\n", 1)[0]


def _by_most_lines(head: bytes) -> str:
    """The format of a container's log whose first line is damaged, or one of those behind it; else ``"plain"``.

    Each whole line is looked at, but objects with other keys are of another log. Most lines must be events, or all but the first.
    """
    if _OF_DOCKER not in head and b" stdout " not in head and b" stderr " not in head:
        return "plain"
    *lines, rest = head.split(b"\n")
    if len(head) < HEAD_BYTES:
        lines.append(rest)
    lines = [bare for line in lines if (bare := line.strip(b"\0 \r"))]
    for format_, kind_of in (("docker-json", kind_of_line), ("cri", _kind_of_cri)):
        kinds = [kind_of(line) for line in lines]
        events = kinds.count("event")
        if "other" not in kinds and events and (2 * events > len(kinds) or "damaged" not in kinds[1:]):
            return format_
    return "plain"


def _kind_of_cri(line: bytes) -> Literal["event", "damaged"]:
    return "event" if _CRI_LINE.match(line) and _is_read(line, "cri") else "damaged"


# ---- lines that start with a time


def _is_read(data: bytes, kind: str) -> bool:
    decoder = _events.Decoder(kind)
    decoder.feed(data, True)
    return decoder.error is None


def _is_s3_export(head: bytes, path: str, *, is_all: bool) -> bool:
    """Whether an input is an export to S3: by its path, and by the times at the starts of its lines.

    If the path leaves no doubt, the first line decides, because a message may have several lines. If it has merely a name such
    as ``000000.gz``, each line must start with a time.
    """
    lines = head.split(b"\n")
    if not path or not _S3_LINE.match(lines[0]):
        return False
    is_certain = _S3_TASK.fullmatch(path) is not None or _is_beside_test(path)
    if not is_certain and not _S3_PART.fullmatch(path):
        return False
    if is_certain:
        lines = lines[:1]
    elif len(lines) > 1 and not is_all:
        # the last line may continue after the head
        lines.pop()
    timed = [line for line in lines if line.strip()]
    if not all(map(_S3_LINE.match, timed)):
        return False
    # the regex accepts a 30th of February, the decoder does not
    decoder = _events.Decoder("s3-export")
    decoder.feed(b"\n".join(timed), True)
    return sum(count for *_, count in decoder.streams) == len(timed)


def _is_beside_test(path: str) -> bool:
    """Whether the file that the export to S3 writes first lies in one of the three folders above."""
    folder = os.path.dirname(path)
    for _ in range(3):
        if os.path.exists(os.path.join(folder, _S3_TEST)):
            return True
        folder = os.path.dirname(folder) if folder not in ("", os.sep) else os.path.join(os.pardir, folder)
    return False
