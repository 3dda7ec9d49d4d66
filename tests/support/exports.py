"""Exports of CloudWatch Logs, written plainly, with the place of every byte of each message; containers' logs, decoded so."""

import datetime as dt
import json
import re

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


# ---- containers' logs, decoded byte by byte

NO_TIME = -(2**63)
# Docker splits messages into fragments of so many bytes.
FRAGMENT_BYTES = 16 * 1024
ESCAPES = {b'"': b'"', b"\\": b"\\", b"/": b"/", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}
MOMENT = re.compile(rb"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII)
CRI_HEAD = re.compile(rb"(\S+) (stdout|stderr) ([PF])(:[^ \n]*)?(?: |(?=\r?\Z)|(?=\r))")


class Broken(Exception):
    """The log is invalid, or ends within an event."""


def micros(text):
    """Microseconds since the epoch of a time as containers' runtimes write it; None if it is no time."""
    match = MOMENT.fullmatch(text)
    if match is None:
        return None
    try:
        day = dt.datetime(*map(int, match.groups()[:6]), tzinfo=dt.UTC)
        zone = dt.timedelta(hours=int(match[9] or 0), minutes=int(match[10] or 0))
        if int(match[9] or 0) > 23 or int(match[10] or 0) > 59:
            return None
        day = day - zone if match[8] != b"-" else day + zone
    except (ValueError, OverflowError):
        return None
    whole = (day - dt.datetime.fromtimestamp(0, dt.UTC)) // dt.timedelta(microseconds=1)
    return whole + int(((match[7] or b"") + b"000000")[:6])


class Container:
    """The messages of a container's log: bytes of the text, each with its place and time and the stream of its message."""

    def __init__(self, *, says_what_goes_on=False):
        self.says_what_goes_on = says_what_goes_on
        self.cut_off = 0
        self.held = {}
        self.ends = {}
        self.text = []
        self.error = False

    def add(self, content, places, time, stream, *, is_whole):
        """``places``: one of each byte, and one of the end."""
        held = self.held.setdefault(stream, [])
        held += [(byte, place, time) for byte, place in zip(content, places, strict=False)]
        self.ends[stream] = (10, places[-1], time, stream)
        if is_whole:
            self.text += [(*one, stream) for one in self.held.pop(stream)]

    def end(self):
        for stream, held in sorted(self.held.items(), key=lambda item: item[1][0][1] if item[1] else 0):
            end = self.ends[stream]
            if held and (self.says_what_goes_on or len(held) % FRAGMENT_BYTES == 0):
                # the last record is cut off
                self.cut_off += 1
                held = held[: max((at + 1 for at, one in enumerate(held) if one[0] in b"\r\n"), default=0)]
                if held:
                    # Docker writes the line end as two bytes
                    end = (10, held[-1][1] + (1 if self.says_what_goes_on else 2), held[-1][2], stream)
            self.text += [(*one, stream) for one in held]
            if held and held[-1][0] != 10:
                self.text.append(end)


def decode_docker(data):
    """Docker's log by a walk over its bytes: a :class:`Container`."""
    found, at, named = Container(), 0, None
    try:
        while True:
            at = _blanks(data, at)
            if at >= len(data):
                break
            log, values, at = _docker_object(data, at)
            if log is not None and log[0]:
                if named not in (None, "stream" in values):
                    raise Broken
                named = "stream" in values
                stream = values.get("stream", b"").decode() or None
                found.add(*log, values.get("time", NO_TIME), stream, is_whole=log[0].endswith(b"\n"))
    except Broken:
        found.error = True
    else:
        found.end()
    return found


def _docker_object(data, at):
    log, values = None, {}
    at = _expect(data, at, b"{")
    for number in range(len(data)):
        at = _blanks(data, at)
        if data[at : at + 1] == b"}":
            return log, values, at + 1
        if number:
            at = _blanks(data, _expect(data, at, b","))
        key, at = _plain_string(data, at)
        at = _blanks(data, _expect(data, _blanks(data, at), b":"))
        if key == b"log":
            if log is not None:
                raise Broken
            *log, at = _string(data, at)
        elif key == b"attrs":
            at = _attrs(data, at)
        elif key == b"stream":
            values["stream"], at = _plain_string(data, at)
            if values["stream"] not in (b"stdout", b"stderr"):
                raise Broken
        elif key == b"time":
            text, at = _plain_string(data, at)
            values["time"] = micros(text)
            if values["time"] is None:
                raise Broken
        else:
            raise Broken
    raise Broken


def _blanks(data, at):
    while at < len(data) and data[at] <= 0x20:
        at += 1
    return at


def _expect(data, at, byte):
    if data[at : at + 1] != byte:
        raise Broken
    return at + 1


def _plain_string(data, at):
    """A string as it is written, and the place behind it."""
    start = at = _expect(data, at, b'"')
    while data[at : at + 1] != b'"':
        if at >= len(data) or data[at] < 0x20:
            raise Broken
        if data[at : at + 1] == b"\\":
            at += 1
            if at < len(data) and data[at] < 0x20:
                raise Broken
        at += 1
    return data[start:at], at + 1


def _string(data, at):
    at = _expect(data, at, b'"')
    content, places = b"", []
    while True:
        byte = data[at : at + 1]
        if byte == b'"':
            return content, [*places, at], at + 1
        if byte < b" ":
            raise Broken
        length = 1
        if byte == b"\\":
            kind = data[at + 1 : at + 2]
            byte, length = ESCAPES.get(kind), 2
            if kind == b"u":
                byte, length = _character(data, at)
            if byte is None:
                raise Broken
        content += byte
        places += range(at, at + len(byte))
        at += length


def _character(data, at):
    codes = [_hex(data, at), _hex(data, at + 6)]
    if codes[0] is None:
        raise Broken
    if 0xD800 <= codes[0] < 0xDC00 and codes[1] is not None and 0xDC00 <= codes[1] < 0xE000:
        return chr(0x10000 + ((codes[0] - 0xD800) << 10) + codes[1] - 0xDC00).encode(), 12
    return chr(codes[0]).encode("utf-8", "surrogatepass"), 6


def _hex(data, at):
    match = re.fullmatch(rb"\\u([0-9a-fA-F]{4})", data[at : at + 6])
    return None if match is None else int(match[1], 16)


def _attrs(data, at):
    _expect(data, at, b"{")
    open_ = []
    while at < len(data):
        byte = data[at : at + 1]
        if byte == b'"':
            _, at = _plain_string(data, at)
            continue
        at += 1
        if byte in (b"{", b"["):
            open_.append({b"{": b"}", b"[": b"]"}[byte])
        elif byte in (b"}", b"]"):
            if open_.pop() != byte:
                raise Broken
            if not open_:
                return at
    raise Broken


def decode_cri(data):
    """A log in the format of CRI, line by line: a :class:`Container`."""
    found, at = Container(says_what_goes_on=True), 0
    for line in data.split(b"\n"):
        begin, at = at, at + len(line) + 1
        is_last = at > len(data)
        if line in (b"", b"\r") and not (is_last and line):
            continue
        head = CRI_HEAD.match(line)
        time = head and micros(head[1])
        if time is None:
            found.error = True
            return found
        content = line[head.end() :]
        start = begin + head.end()
        if head[3] == b"F":
            content += b"\n"
        if content:
            places = range(start, start + len(content) + 1)
            found.add(content, places, time, head[2].decode(), is_whole=head[3] == b"F")
    found.end()
    return found
