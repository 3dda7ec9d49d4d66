"""JSON as people paste it: a comma behind a last item, or a literal as Python prints it."""

from __future__ import annotations

import re
import warnings
from typing import Any

_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def blanked(text: str) -> str:
    """The text with a blank for each comma that stands behind a last item.

    >>> blanked('[{"a": 1,}, ",]",]')
    '[{"a": 1 }, ",]" ]'
    """
    return _outside_strings(text, r",(?=\s*[\]}])", " ")


def ellipsis_at(text: str) -> int | None:
    """Where the text has ``...`` outside strings, as documentation writes what it leaves out.

    >>> ellipsis_at('{"a": "...", ...}')
    13
    """
    end = 0
    for string in [*_JSON_STRING.finditer(text), None]:
        found = text.find("...", end, string.start() if string else len(text))
        if found >= 0:
            return found
        end = string.end() if string else end
    return None


def python_literal(text: str) -> Any:
    """A list or dict as Python prints it, or as it stands in its source; raises what ``ast.literal_eval`` does."""
    import ast

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return ast.literal_eval(text.strip())


def stray_backslashes(text: str) -> list[int]:
    """Where a string has a backslash that JSON gives no meaning."""
    return [
        string.start() + escape.start()
        for string in _JSON_STRING.finditer(text)
        for escape in re.finditer(r"\\.", string[0], re.DOTALL)
        if escape[0][1] not in '"\\/bfnrtu'
    ]


def line_and_column(text: str, at: int) -> str:
    """A place in a text, as editors count.

    >>> line_and_column("ab\\ncd", 4)
    'line 2, column 2'
    """
    return f"line {text.count(chr(10), 0, at) + 1}, column {at - text.rfind(chr(10), 0, at)}"


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
