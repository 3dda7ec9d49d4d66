"""JSON as people paste it: with a comma after the last item, or as Python prints a literal."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
# A valid escape in a Python string; or, captured by the group, a backslash of which Python warns.
_PYTHON_ESCAPE = re.compile(r"""\\(?:[\n\r\\'"abfnrtvxNuU]|[0-3][0-7]{0,2}|[4-7][0-7]?(?![0-7]))|(\\)""")


def blanked(text: str) -> str:
    """The text with a blank in place of each comma after a last item.

    >>> blanked('[{"a": 1,}, ",]",]')
    '[{"a": 1 }, ",]" ]'
    """
    return _outside_strings(text, r",(?=\s*[\]}])", " ")


def ellipsis_at(text: str) -> int | None:
    """The place of the first ``...`` outside strings, which marks an omission in documentation; None without one.

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
    r"""Read a list or dict as Python prints it, or as its source has it.

    It raises what ``ast.literal_eval`` raises, and SyntaxError where Python only warns: for a backslash that begins no escape,
    as in ``'\d'``.
    """
    import ast

    text = text.strip()
    if any(escape[1] for string in _python_strings(text) for escape in _PYTHON_ESCAPE.finditer(string)):
        raise SyntaxError("a backslash that means nothing in its string")
    return ast.literal_eval(text)


def _python_strings(text: str) -> Iterator[str]:
    """The string literals of Python source that are not raw: those in which a backslash can begin an escape."""
    import io
    import tokenize

    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.STRING and "r" not in re.split("['\"]", token.string, maxsplit=1)[0].lower():
                yield token.string
    except tokenize.TokenError as error:
        raise SyntaxError(str(error)) from None


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
