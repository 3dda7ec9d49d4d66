"""JSON as people paste it, read so that an error has its place: with a comma after the last item, or with a key twice."""

from __future__ import annotations

import codecs
import json
import re
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BLANK = re.compile(r"[ \t\n\r]*")
_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]', re.DOTALL)


# That of UTF-32-LE begins with that of UTF-16-LE.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def text_of(data: bytes) -> str:
    r"""The text of a file: UTF-8, or what its byte-order mark says, as Excel and PowerShell write it.

    Raises
    ------
    UnicodeDecodeError
        It is in another encoding.

    >>> text_of(b"\xff\xfea\0"), text_of(b"\xef\xbb\xbfa")
    ('a', 'a')
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8-sig")
    return data.decode(encoding)


class Problem(NamedTuple):
    """Why a text cannot be read: what was found at a place (None: in all of the text), and what would correct it."""

    at: int | None
    message: str
    hint: str | None = None


class PastedError(ValueError):
    """A text that cannot be read, with all its problems.

    Attributes
    ----------
    text : str
    problems : list of Problem
    """

    def __init__(self, text: str, problems: list[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.text = text
        self.problems = problems

    def placed(self) -> Iterator[tuple[str, str | None]]:
        """Each problem with its line and column, and its hint."""
        for problem in self.problems:
            where = "" if problem.at is None else f"{line_and_column(self.text, problem.at)}: "
            yield where + problem.message, problem.hint


class _Spelled:
    """What keeps the text from which it was read."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Read a number."""
        number = super().__new__(cls, text)  # type: ignore[call-arg]
        number.text = text
        return number


class Number(_Spelled, float):
    """A number in JSON that keeps its spelling."""


class WholeNumber(_Spelled, int):
    """A whole number in JSON that keeps its spelling."""


class _DuplicateError(Exception):
    pass


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _DuplicateError
    return found


_DECODER = json.JSONDecoder(object_pairs_hook=_pairs)
_SPELLING = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=Number, parse_int=WholeNumber)


def read_json(text: str, *, spelled: bool = False) -> Any:
    """Read strict JSON.

    Raises
    ------
    json.JSONDecodeError
        It is not JSON.
    PastedError
        A key stands twice in one object; the nesting is too deep; a number has too many digits.
    """
    value, end = read_json_at(text, _BLANK.match(text).end(), spelled=spelled)  # type: ignore[union-attr]
    end = _BLANK.match(text, end).end()  # type: ignore[union-attr]
    if end != len(text):
        raise json.JSONDecodeError("Extra data", text, end)
    return value


def read_json_at(text: str, at: int, *, spelled: bool = False) -> tuple[Any, int]:
    """Read the JSON value that begins at a place, as :func:`read_json` does; return it and its end."""
    try:
        return (_SPELLING if spelled else _DECODER).raw_decode(text, at)
    except json.JSONDecodeError:
        raise
    except _DuplicateError:
        end = json.JSONDecoder().raw_decode(text, at)[1]
        raise PastedError(text, list(_duplicates(text, at, end))) from None
    except RecursionError:
        raise PastedError(text, [Problem(None, "it is nested too deeply")]) from None
    except ValueError as error:
        raise PastedError(text, [Problem(None, str(error).partition(";")[0])]) from None


def _duplicates(text: str, at: int, end: int) -> Iterator[Problem]:
    """The keys that stand again in their object, in valid JSON."""
    objects: list[dict[str, int] | None] = []
    is_key = False
    for token in _JSON_TOKEN.finditer(text, at, end):
        mark = token[0]
        if mark in "{[":
            objects.append({} if mark == "{" else None)
            is_key = mark == "{"
        elif mark in "}]":
            objects.pop()
        elif mark == ",":
            is_key = objects[-1] is not None
        elif is_key and (keys := objects[-1]) is not None:
            is_key = False
            key = json.loads(mark)
            first = keys.setdefault(key, token.start())
            if first != token.start():
                message = f"the key {key!r} is already at {line_and_column(text, first)}"
                yield Problem(token.start(), message)


def blanked(text: str) -> str:
    """The text with a blank in place of each comma after a last item.

    >>> blanked('[{"a": 1,}, ",]",]')
    '[{"a": 1 }, ",]" ]'
    """
    return _outside_strings(text, r",(?=\s*[\]}])", " ")


# also one of Python's, in single quotes
_ANY_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'', re.DOTALL)


def ellipsis_at(text: str) -> int | None:
    """The place of the first ``...`` outside strings, which marks an omission in documentation; None without one.

    >>> ellipsis_at('{"a": "...", ...}')
    13
    """
    end = 0
    for string in [*_ANY_STRING.finditer(text), None]:
        found = text.find("...", end, string.start() if string else len(text))
        if found >= 0:
            return found
        end = string.end() if string else end
    return None


def stray_backslashes(text: str) -> list[int]:
    """The places of backslashes in strings that begin no JSON escape."""
    return [
        string.start() + escape.start()
        for string in _JSON_STRING.finditer(text)
        for escape in re.finditer(r"\\.", string[0], re.DOTALL)
        if escape[0][1] not in '"\\/bfnrtu'
    ]


def line_and_column(text: str, at: int) -> str:
    """A place in a text, as editors show it.

    >>> line_and_column("ab\\ncd", 4)
    'line 2, column 2'
    """
    starts = _line_starts(text)
    line = bisect_right(starts, at)
    return f"line {line}, column {at - starts[line - 1] + 1}"


# of the text whose errors are told: there may be an error in each of its lines
@lru_cache(maxsize=1)
def _line_starts(text: str) -> list[int]:
    return [0, *(end.end() for end in re.finditer("\n", text))]


def _outside_strings(text: str, pattern: str, replacement: str) -> str:
    parts = []
    end = 0
    for string in [*_JSON_STRING.finditer(text), None]:
        between = text[end : string.start() if string else len(text)]
        parts.append(re.sub(pattern, replacement, between))
        if string:
            parts.append(string[0])
            end = string.end()
    return "".join(parts)
