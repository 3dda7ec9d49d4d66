"""Logs in UTF-16 and UTF-32: written, and the place of each byte of the text."""

import codecs
from typing import NamedTuple


class Encoding(NamedTuple):
    codec: str
    mark: bytes
    unit_bytes: int


ENCODINGS = [
    Encoding("utf-16-le", codecs.BOM_UTF16_LE, 2),
    Encoding("utf-16-be", codecs.BOM_UTF16_BE, 2),
    Encoding("utf-32-le", codecs.BOM_UTF32_LE, 4),
    Encoding("utf-32-be", codecs.BOM_UTF32_BE, 4),
]


def written(text: str, encoding: Encoding) -> bytes:
    return encoding.mark + text.encode(encoding.codec)


def places_of(text: str, encoding: Encoding) -> list[int]:
    """For each byte of a text in UTF-8, and for its end, the place of its character in the file."""
    places = []
    at = len(encoding.mark)
    for character in text:
        places += [at] * len(character.encode())
        at += encoding.unit_bytes * (2 if encoding.unit_bytes == 2 and ord(character) > 0xFFFF else 1)
    return [*places, at]
