"""Exports of CloudWatch Logs, written plainly, with the place of every byte of each message."""

import datetime as dt
import json

START_MS = 1_772_359_200_000  # 2026-03-01T10:00:00Z
NAMES = ["job-a/algo-1-1", "job-a/algo-2-1", "job-b/algo-1-2"]
FILTERED = {"indent": 4, "ascii_only": True, "pages": 1, "order": ("logStreamName", "timestamp", "message", "eventId")}


class Event:
    """An event, and for each byte of its message, and for its end, where that stands in the export."""

    def __init__(self, message, time_ms, places=(), stream=None):
        self.message = message
        self.time_ms = time_ms
        self.places = list(places)
        self.stream = stream


def json_string(text, start, ascii_only):
    """The JSON literal of a text that starts at a byte, and the place of each byte of the text."""
    literal = b'"'
    places = []
    for character in text:
        escaped = json.dumps(character, ensure_ascii=ascii_only)[1:-1].encode("utf-8", "surrogatepass")
        places += [start + len(literal)] * len(character.encode("utf-8", "surrogatepass"))
        if len(escaped) == len(character.encode("utf-8", "surrogatepass")) and escaped[:1] != b"\\":
            places[-len(escaped) :] = range(start + len(literal), start + len(literal) + len(escaped))
        literal += escaped
    return literal + b'"', [*places, start + len(literal)]


def as_json(events, *, indent, ascii_only, order, pages):
    gap = b"" if indent is None else b"\n" + b" " * indent
    data = b""
    per_page = max(1, -(-len(events) // pages))
    for first in range(0, max(1, len(events)), per_page):
        data += b'{"nextToken": "a\\"[{",' + gap + b'"events": ['
        for number, event in enumerate(events[first : first + per_page]):
            data += (b"," if number else b"") + gap + b"{"
            for position, key in enumerate(order):
                if key == "logStreamName" and event.stream is None:
                    continue
                data += (b"," if position else b"") + gap + json.dumps(key).encode() + b": "
                if key == "message":
                    literal, event.places = json_string(event.message, len(data), ascii_only)
                    data += literal
                else:
                    value = {"timestamp": event.time_ms, "logStreamName": event.stream}.get(key, 7)
                    data += json.dumps(value).encode()
            data += gap + b"}"
        data += b'],"searchedLogStreams": []}\n'
    return data


def as_csv(events, *, crlf, quote_all, times):
    data = b"@timestamp,@message,@logStream\n" if any(event.stream for event in events) else b"timestamp,message\n"
    end = b"\r\n" if crlf else b"\n"
    for event in events:
        text = event.message.encode("utf-8", "surrogateescape")
        if times == "ms":
            data += str(event.time_ms).encode()
        else:
            data += moment(event.time_ms).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3].encode()
        data += b","
        quoted = quote_all or any(mark in text for mark in (b'"', b",", b"\n", b"\r"))
        data += b'"' if quoted else b""
        event.places = []
        for byte in text:
            data += b'"' if byte == ord('"') else b""
            # of two quotation marks that stand for one, either is its place
            event.places.append(len(data) - (byte == ord('"')))
            data += bytes([byte])
        event.places.append(len(data))
        data += b'"' if quoted else b""
        data += f",{event.stream}".encode() if event.stream else b""
        data += end
    return data


def as_s3(events):
    data = b""
    for event in events:
        text = event.message.encode()
        data += moment(event.time_ms).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3].encode() + b"Z "
        event.places = list(range(len(data), len(data) + len(text) + 1))
        data += text + b"\n"
    return data


def moment(time_ms):
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(milliseconds=time_ms)


def filtered(*events):
    """The events of several streams as filter-log-events prints them: name, seconds, message."""
    return as_json(
        [Event(message, START_MS + 1000 * second, stream=name) for name, second, message in events], **FILTERED
    )


def got(*events):
    """The events of one stream as get-log-events prints them: seconds, message."""
    listed = [Event(message, START_MS + 1000 * second) for second, message in events]
    return as_json(listed, indent=None, ascii_only=False, pages=1, order=("timestamp", "message", "ingestionTime"))


def at(second):
    return moment(START_MS + 1000 * second)
