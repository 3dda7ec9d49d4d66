"""Small logs of every format, cut at every byte: at most one error, which names the place, and no value that the whole lacks."""

import codecs
import json

import pytest
from support.archives import KINDS

from metricscan import Scanner, replay
from metricscan.logs.exports import ExportReader
from metricscan.logs.source import open_source

SCANNER = Scanner([r"loss=loss=([0-9.]+)"])
MESSAGES = [f"epoch {number} loss={number}.25 end" for number in range(1, 4)]
VALUES = [1.25, 2.25, 3.25]
MS = 1772359200123
TIME = "2026-03-01T10:00:00.123Z"
EVENTS = [{"timestamp": MS + number, "message": message} for number, message in enumerate(MESSAGES)]
PAYLOAD = {
    "messageType": "DATA_MESSAGE",
    "owner": "1",
    "logGroup": "g",
    "logStream": "job/algo-1-1772359200",
    "logEvents": [{"id": "3", **event} for event in EVENTS],
}
# a Docker line for each message
LINES = [json.dumps({"log": f"{message}\n", "stream": "stdout", "time": TIME}) for message in MESSAGES]

#: Exports that are one document: only the whole is one.
DOCUMENTS = {
    "cloudwatch-json": json.dumps({"events": EVENTS, "nextToken": "f/1"}, indent=1),
    "cloudwatch-json, payload": json.dumps(PAYLOAD),
    "cloudwatch-json, array": json.dumps(EVENTS),
}
#: Logs with a JSON document in each line: whole where a line ends.
JSON_LINES = {
    "docker-json": "\n".join([*LINES, ""]),
    "cloudwatch-json, lines": "\n".join([*map(json.dumps, EVENTS), ""]),
}
CSV = "timestamp,message\n" + "".join(f'{MS},"{message}"\n' for message in MESSAGES)
#: Logs of plain lines, where half a line is a line, too.
PLAIN_LINES = {
    "s3-export": "".join(f"{TIME} {message}\n" for message in MESSAGES),
    "cri": "".join(f"{TIME} stdout F {message}\n" for message in MESSAGES),
}


def read(data, name):
    """The values in a log, and the error that ended it."""
    reader = ExportReader(open_source(data), name.partition(",")[0])
    text = b"".join(bytes(decoder.text) for decoder in reader)
    return values(SCANNER.scan(text)), reader.error


def values(result):
    return result["loss"]["value"].to_pylist()


def check_error(error, cut):
    assert 0 <= error.offset <= cut
    assert str(error.offset) in str(error)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_cut_document_is_an_error(name):
    data = DOCUMENTS[name].encode()
    assert read(data, name) == (VALUES, None)
    # an empty file is an empty log
    assert read(b"", name) == ([], None)
    for cut in range(1, len(data)):
        found, error = read(data[:cut], name)
        assert found == VALUES[: len(found)]
        check_error(error, cut)


@pytest.mark.parametrize("name", JSON_LINES)
def test_a_cut_line_of_json_is_an_error(name):
    data = JSON_LINES[name].encode()
    for cut in range(len(data) + 1):
        found, error = read(data[:cut], name)
        # the newline may be missing
        whole = (data[:cut] + b"\n").count(b"}\n")
        assert found == VALUES[:whole]
        if cut == 0 or data[:cut].endswith((b"}", b"}\n")):
            assert error is None
        else:
            check_error(error, cut)


def test_a_cut_row_of_csv_is_an_error_where_it_shows():
    data = CSV.encode()
    for cut in range(len(data) + 1):
        found, error = read(data[:cut], "cloudwatch-csv")
        # a row may end where a message would begin, and the header where its last name does
        whole = (data[:cut] + b"\n").count(b'end"\n')
        assert found == VALUES[:whole]
        if cut == 0 or data[:cut].endswith((b"message", b"\n", b"3,", b'end"')):
            assert error is None
        else:
            check_error(error, cut)


@pytest.mark.parametrize("name", PLAIN_LINES)
def test_a_cut_line_gives_what_is_left_of_it(name):
    data = PLAIN_LINES[name].encode()
    for cut in range(len(data) + 1):
        found, error = read(data[:cut], name)
        assert found == values(SCANNER.scan(data[:cut]))
        if error is not None:
            # only where the line is cut before its message
            assert b"epoch" not in data[:cut].rpartition(b"\n")[2]
            check_error(error, cut)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_log_in_another_encoding_gives_what_is_left_of_it(tmp_path, encoding):
    # characters of one unit and of two
    data = ("\ufeff" + "".join(f"{message} \u00e9 \U0001f600\n" for message in MESSAGES)).encode(encoding)
    path = tmp_path / "a.log"
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        text = codecs.getincrementaldecoder(encoding)().decode(data[:cut])
        assert values(SCANNER.scan(path)) == values(SCANNER.scan(text.encode()))


@pytest.mark.parametrize("kind", ["logs.tar.gz", "logs.tar.zst", "logs.tar.xz", "logs.tar.bz2", "logs.zip"])
def test_a_cut_archive_is_one_error(tmp_path, kind):
    data = KINDS[kind]({f"job_{number}/a.log": f"{message}\n".encode() for number, message in enumerate(MESSAGES)})
    path = tmp_path / kind
    path.write_bytes(data)
    assert (values(replay(path, SCANNER)), replay(path, SCANNER).errors) == (VALUES, ())
    # fewer bytes do not show what the file is
    for cut in range(5, len(data)):
        path.write_bytes(data[:cut])
        result = replay(path, SCANNER, threads=1)
        (error,) = result.errors
        assert error.path is not None
        assert str(path) in error.path
        assert error.offset >= 0
        assert values(result) == VALUES[: len(values(result))]
