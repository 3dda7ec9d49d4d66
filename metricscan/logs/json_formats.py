"""Which of the formats in JSON an input has, by its first bytes: exports of CloudWatch Logs, and Docker's log.

Structured logs are JSON, too. So a format is recognised by all keys that can be seen: one more key, and the input is plain text.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Literal

from metricscan.logs import _events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

_EVENT_KEYS = {"timestamp", "message", "ingestionTime", "eventId", "logStreamName"}
# an event has at least one of these, unless it is one of several in an answer
_EVENT_MARKS = {"timestamp", "ingestionTime", "eventId", "logStreamName"}
_PAYLOAD_EVENT_KEYS = {"id", "timestamp", "message", "extractedFields"}
_ANSWER_KEYS = {
    "events",
    "searchedLogStreams",
    "nextToken",
    "nextForwardToken",
    "nextBackwardToken",
    "ResponseMetadata",
}
_PAYLOAD_KEYS = {
    "messageType",
    "owner",
    "logGroup",
    "logStream",
    "subscriptionFilters",
    "policyLevel",
    "logEvents",
}
_RESULTS_KEYS = {"queryLanguage", "results", "statistics", "status", "encryptionKey", "nextToken"}
# of other programs, that are refused by name: the keys of an entry, or of the document around the entries
_KAGGLE_KEYS = {"stream_name", "time", "data"}
_NOTEBOOK_KEYS = {"cells", "metadata", "nbformat", "nbformat_minor"}
_DOCKER_KEYS = {"log", "stream", "time", "attrs"}
_DOCKER_LINE = '{"log":"'
# other programs write seconds since the epoch
_FIRST_MS, _LAST_MS = 10**11, 10**14

_BLANKS = re.compile(r"[ \t\r\n]*")
# control characters and unknown escapes make an event invalid, and the rest may be an export
_SCALAR = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[-+.\w]+', re.DOTALL)
_OPEN_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*\\?\Z', re.DOTALL)
_ESCAPE = re.compile(r'\\(["\\/bfnrt]|u[0-9a-fA-F]{4}|\Z|u[0-9a-fA-F]{0,3}\Z|)')
_MOST_DEPTH = 20


class _Cut:
    """A string, a number or a word that goes on behind the head."""


_CUT = _Cut()


def json_format(head: bytes, *, may_be_cut: bool) -> str:
    """The format of an input that begins with a bracket.

    Parameters
    ----------
    head : bytes
    may_be_cut : bool
        Whether to take a first line for Docker's of which only the beginning of the message can be seen.

    Returns
    -------
    str
        ``"plain"``, ``"cloudwatch-json"``, ``"docker-json"``, or the name of a format that is refused.
    """
    documents = _documents(_ESCAPE.sub(_known_escape, head.decode("utf-8", "replace")))
    first, is_whole = next(documents, (None, True))
    if isinstance(first, list):
        one = first[0] if first else None
        if not isinstance(one, dict) or not _is_event(one, _EVENT_KEYS):
            return _of_others(one)
        is_cut = not is_whole and len(first) == 1 and bool(one)
        return "cloudwatch-json" if is_cut or one.keys() & _EVENT_MARKS else "plain"
    if not isinstance(first, dict) or not first:
        return "plain"
    keys = first.keys()
    if keys <= _DOCKER_KEYS:
        if not is_whole and keys == {"log"}:
            is_docker = may_be_cut and head.startswith(_DOCKER_LINE.encode())
        else:
            is_docker = "log" in keys and ("time" in keys or not is_whole)
        rest = (one for one, _ in documents)
        return "docker-json" if is_docker and _is_docker(first) and all(map(_is_docker, rest)) else "plain"
    if keys <= _EVENT_KEYS:
        is_export = keys & _EVENT_MARKS and _is_line(first, is_whole=is_whole)
        return (
            "cloudwatch-json"
            if is_export and all(_is_line(one, is_whole=whole) for one, whole in documents)
            else "plain"
        )
    if keys <= _ANSWER_KEYS:
        return "cloudwatch-json" if _are_events(first.get("events"), _EVENT_KEYS) else "plain"
    if keys <= _PAYLOAD_KEYS:
        is_payload = "messageType" in keys and _are_events(first.get("logEvents"), _PAYLOAD_EVENT_KEYS)
        return "cloudwatch-json" if is_payload else "plain"
    if keys <= _RESULTS_KEYS and _are_results(first.get("results")):
        return "insights-json"
    if keys == {"awslogs"} and isinstance(first["awslogs"], dict) and first["awslogs"].keys() == {"data"}:
        return "lambda-json"
    return _of_others(first, is_document=True)


def _of_others(one: Any, *, is_document: bool = False) -> str:
    """The format of other programs that an entry shows, or a document that may hold entries; else ``"plain"``."""
    if not isinstance(one, dict):
        return "plain"
    keys = one.keys()
    if "logName" in keys and keys & {"textPayload", "jsonPayload", "protoPayload", "insertId"}:
        return "gcp-json"
    if "insertId" in keys and keys & {"textPayload", "jsonPayload", "protoPayload"}:
        return "gcp-json"
    if keys & {"MESSAGE", "__CURSOR"} and "__REALTIME_TIMESTAMP" in keys:
        return "journal-json"
    if not is_document:
        return "kaggle-json" if keys == _KAGGLE_KEYS and one["stream_name"] in ("stdout", "stderr") else "plain"
    if "cells" in keys <= _NOTEBOOK_KEYS and "cell_type" in _first_of(one["cells"]):
        return "jupyter"
    data, hits = one.get("data"), one.get("hits")
    if isinstance(data, dict) and (data.get("resultType") == "streams" or "stream" in _first_of(data.get("result"))):
        return "loki-json"
    if isinstance(hits, dict) and "_source" in _first_of(hits.get("hits")):
        return "elastic-json"
    return "plain"


def _first_of(items: Any) -> dict[str, Any]:
    """The first of some objects; an empty one if there is none."""
    return items[0] if isinstance(items, list) and items and isinstance(items[0], dict) else {}


def _is_docker(one: Any) -> bool:
    if not isinstance(one, dict) or not one.keys() <= _DOCKER_KEYS:
        return False
    log, stream, time, attrs = (one.get(key, _CUT) for key in ("log", "stream", "time", "attrs"))
    return (
        isinstance(log, (str, _Cut))
        and (stream is _CUT or stream in ("stdout", "stderr"))
        and (time is _CUT or (isinstance(time, str) and _is_time(time)))
        and (attrs is _CUT or isinstance(attrs, dict))
    )


def kind_of_line(line: bytes) -> Literal["event", "damaged", "other"]:
    """What a line is in a log of Docker: an event, a part of one, or an object of another program."""
    try:
        one = json.loads(line)
    except (ValueError, RecursionError):
        return "damaged"
    if isinstance(one, dict) and {"log", "time"} <= one.keys() and _is_docker(one):
        return "event"
    return "other" if isinstance(one, (dict, list)) else "damaged"


def _is_time(time: str) -> bool:
    decoder = _events.Decoder("docker-json")
    decoder.feed(json.dumps({"time": time}).encode(), True)
    return decoder.error is None


def _is_line(one: Any, *, is_whole: bool) -> bool:
    """Whether a document is a log event on its own."""
    if not isinstance(one, dict) or not _is_event(one, _EVENT_KEYS):
        return False
    time = one.get("timestamp")
    if not is_whole and (time is None or time is _CUT):
        return True
    # of what is cut off, the message may be the part that is missing
    return isinstance(time, int) and _FIRST_MS <= time < _LAST_MS and ("message" in one or not is_whole)


def _is_event(one: dict[str, Any], keys: AbstractSet[str]) -> bool:
    """Whether an object is an event, as far as it can be seen: its time is an integer, and its message a string."""
    time, message = one.get("timestamp", _CUT), one.get("message", _CUT)
    is_time = time is _CUT or (isinstance(time, int) and not isinstance(time, bool))
    return one.keys() <= keys and is_time and isinstance(message, (str, _Cut))


def _are_events(events: Any, keys: AbstractSet[str]) -> bool:
    return isinstance(events, list) and (not events or (isinstance(events[0], dict) and _is_event(events[0], keys)))


def _are_results(results: Any) -> bool:
    while isinstance(results, list) and results:
        results = results[0]
    return isinstance(results, dict) and "field" in results


# ---- JSON that may be cut off


def _known_escape(found: re.Match[str]) -> str:
    """An escape of JSON as it is; of an unknown one nothing."""
    return found[0] if found[1] or found.end() == len(found.string) else ""


def _documents(text: str) -> Iterator[tuple[Any, bool]]:
    """The documents of a text, and whether each is whole. What is no JSON ends them as None, unless it is cut off."""
    decoder = json.JSONDecoder(strict=False)
    at = _after_blanks(text, 0)
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except RecursionError:
            yield None, True
            return
        except ValueError:
            try:
                value, end = _partial(text, at, 0)
            except ValueError:
                yield None, True
            else:
                # what is whole here is no JSON for the decoder
                yield (value, False) if end is None else (None, True)
            return
        yield value, True
        at = _after_blanks(text, at)


def _after_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return at if found is None else found.end()


def _partial(text: str, at: int, depth: int) -> tuple[Any, int | None]:
    """A value and the place behind it, None if the text ends within it: then the parts that are there.

    Raises
    ------
    ValueError
        It is no JSON, or is nested too deeply.
    """
    opening = text[at]
    if opening not in "{[" or depth == _MOST_DEPTH:
        scalar = _SCALAR.match(text, at)
        if scalar is None:
            if _OPEN_STRING.match(text, at):
                return _CUT, None
            raise ValueError("no JSON")
        if scalar.end() == len(text) and opening != '"':
            return _CUT, None
        return json.loads(scalar[0], strict=False), scalar.end()
    members: dict[str, Any] = {}
    items: list[Any] = []
    result: Any = members if opening == "{" else items
    closing = "}" if opening == "{" else "]"
    at = _after_blanks(text, at + 1)
    while at < len(text):
        if text[at] == closing:
            return result, at + 1
        if members or items:
            at = _expected(",", text, at)
            if at == len(text):
                break
        key = None
        if opening == "{":
            key, behind = _partial(text, at, _MOST_DEPTH)
            if behind is None:
                break
            at = _expected(":", text, _after_blanks(text, behind))
            if at == len(text):
                break
        value, behind = _partial(text, at, depth + 1)
        if key is None:
            items.append(value)
        else:
            members[str(key)] = value
        if behind is None:
            break
        at = _after_blanks(text, behind)
    return result, None


def _expected(character: str, text: str, at: int) -> int:
    """The place behind a character and the blanks behind it."""
    if at < len(text) and text[at] != character:
        raise ValueError("no JSON")
    return _after_blanks(text, min(at + 1, len(text)))
