"""Names of files, jobs, streams and metrics, as they are shown: on one line, in characters that can be seen."""

from __future__ import annotations

import re

# What an escape looks like.
_ESCAPE = re.compile(r"\\(?:[nrt\\]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")


def named(text: str) -> str:
    r"""A name on one line, so that two names which differ look different: also one that holds what an escape looks like.

    >>> print(named("a\nb"), named(r"a\nb"), named(r"runs\a"), named("a "))
    a\nb a\\nb runs\a a\x20
    """
    if text.isprintable() and not _ESCAPE.search(text) and text == text.strip(" "):
        return text
    inner = text.strip(" ")
    before = len(text) - len(text.lstrip(" ")) if inner else len(text)
    spelled_out = "".join(
        f"\\x{ord(character) - 0xDC00:02x}"
        if is_byte(character)
        else "\\\\"
        if character == "\\"
        else character
        if character.isprintable()
        else escape(character)
        for character in inner
    )
    return "\\x20" * before + spelled_out + "\\x20" * (len(text) - len(inner) - before)


def escape(character: str) -> str:
    """The escape of a character: of those from U+0080 on ``\\u0080``, for ``\\x80`` is a byte that is no text."""
    return f"\\u{ord(character):04x}" if "\x7f" < character < "\u0100" else repr(character)[1:-1]


def is_byte(character: str) -> bool:
    """Whether this stands for a byte that is not text, in the name of a file."""
    return "\udc80" <= character <= "\udcff"
