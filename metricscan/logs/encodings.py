"""Logs in UTF-16 and UTF-32: decoded to UTF-8 on the way, with the places of the source; and logs whose encoding changes.

A source that begins with a byte-order mark of UTF-16 or UTF-32 is decoded. Units that are invalid become U+FFFD and are counted.
UTF-16 without a mark, and a text whose encoding changes, end with an error at the place where the other encoding begins.
"""

from __future__ import annotations

import codecs
from bisect import bisect_left, bisect_right
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.errors import SourceError
from metricscan.logs._reading import FIRST_BYTES, PLACE_BYTES, begins_utf32, utf16_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    Places = np.ndarray[Any, np.dtype[np.int64]]

#: How many bytes decide whether a source begins with a mark.
MARK_BYTES = 4
# So many units in a row that are two printable bytes each, with a blank among them, are no UTF-16: in Chinese text one in three
# is, in tables drawn of double lines each, but none is a blank. With a line end among them fewer suffice, and at the end of the
# source fewer still.
_LONG_RUN = 32
_RUN_WITH_NEWLINE = 16
_LAST_RUN = 2
# If they are so few, there is a digit among them: a line of values.
_SHORT_RUN = 4
# So many units in a row whose low byte is zero are UTF-16 of the other byte order, if they are not all alike: elsewhere one in
# 256 is, but wide blanks and lines are drawn of some.
_SWAPPED_RUN = 8
_DISTINCT = 4
# So many invalid units of UTF-32 in a row are another encoding.
_INVALID_RUN = 4
# Pieces of text of this size share an entry of the places.
_SHARED_BYTES = 4096
_REPLACEMENT = "\ufffd"
# Which bytes ASCII text consists of, as a table.
_IS_TEXT = bytes(byte in b"\t\n\r\x1b" or 32 <= byte < 127 for byte in range(256))


class Encoding(NamedTuple):
    """An encoding that a byte-order mark announces.

    Attributes
    ----------
    name : str
        As messages write it, and ``iconv`` takes it.
    codec : str
        Python's name for it, without the mark.
    mark : bytes
    dtype : str
        The type of its units for numpy.
    """

    name: str
    codec: str
    mark: bytes
    dtype: str

    @property
    def unit_bytes(self) -> int:
        """The size of a unit."""
        return 2 if self.dtype.endswith("2") else 4


# FF FE 00 00 is the mark of UTF-32, and not that of UTF-16 with a NUL behind it
_ENCODINGS = (
    Encoding("UTF-32LE", "utf-32-le", codecs.BOM_UTF32_LE, "<u4"),
    Encoding("UTF-32BE", "utf-32-be", codecs.BOM_UTF32_BE, ">u4"),
    Encoding("UTF-16LE", "utf-16-le", codecs.BOM_UTF16_LE, "<u2"),
    Encoding("UTF-16BE", "utf-16-be", codecs.BOM_UTF16_BE, ">u2"),
)
_SWAPPED = {one.name: other.name for one, other in zip(_ENCODINGS, (_ENCODINGS[i] for i in (1, 0, 3, 2)), strict=True)}


def may_begin_mark(head: bytes) -> bool:
    """Whether more bytes are needed to know if these begin with a mark."""
    return any(len(head) < len(one.mark) and one.mark.startswith(head) for one in _ENCODINGS)


def marked(head: bytes) -> Encoding | None:
    """The encoding whose mark a source begins with; None if it is to be read as UTF-8.

    >>> marked("loss".encode("utf-16")).name
    'UTF-16LE'
    >>> marked(b"loss") is None
    True
    """
    return next((one for one in _ENCODINGS if head.startswith(one.mark)), None)


def marked_behind_nuls(head: bytes, nuls: int) -> Encoding | None:
    r"""The encoding whose mark stands behind some NULs; None if none does.

    Parameters
    ----------
    head : bytes
        What follows the NULs.
    nuls : int
        How many precede it. The mark of UTF-32BE begins with two of them.

    >>> marked_behind_nuls(b"\xfe\xff\0l", 6).name, marked_behind_nuls(b"\xfe\xff\0\0\0l", 6).name
    ('UTF-16BE', 'UTF-32BE')
    """
    found = marked(head)
    if found is not None and found.name == "UTF-16BE" and (nuls == 2 or (nuls > 2 and head[2:4] == b"\0\0")):
        return marked(b"\0\0" + head)
    return found


def of_utf32(head: bytes, name: str) -> SourceError | None:
    """The error of a source that begins as UTF-32 without a mark; None if it does not."""
    if not begins_utf32(head):
        return None
    return _changed(name, "UTF-8", "UTF-32LE" if head[0] else "UTF-32BE", 0, 0)


class DecoderStanding(NamedTuple):
    """Where a decoder stands: its encoding, the place in the source, the invalid units before it, and the first of them."""

    encoding: str
    place: int
    undecoded: int
    undecoded_at: int | None


class Decoder:
    """Decodes a source that begins with a mark, piece by piece, and knows the place of each byte of its text.

    Parameters
    ----------
    encoding : Encoding
    offset : int
        The place of the first byte that will be given.
    ends_at_change : bool
        Whether the text ends where another encoding begins; otherwise it goes on with what the bytes mean in this one.

    Attributes
    ----------
    encoding : Encoding
    begin : int
        The place of the first byte behind the mark.
    read : int
        The place up to which bytes were given.
    undecoded : int
        Units that were invalid so far: each is U+FFFD in the text.
    undecoded_at : int or None
        The place of the first of them.
    changed_at : int or None
        Where another encoding begins; the text ends there.
    changed_to : str
        That encoding.
    """

    def __init__(self, encoding: Encoding, offset: int, *, ends_at_change: bool = True) -> None:
        self.encoding = encoding
        self._ends_at_change = ends_at_change
        self.begin = self.read = offset
        self.undecoded = 0
        self.undecoded_at: int | None = None
        self.changed_at: int | None = None
        self.changed_to = ""
        self._held = b""
        self._after_newline = True
        self._length = 0
        # Per piece of text: where it begins in the text, where in the source, and the text, or None for ASCII.
        self._undecoded_places: list[int] = []
        self._begins: list[int] = []
        self._sources: list[int] = []
        self._texts: list[bytes | None] = []
        self._counted_text: bytes | None = None
        self._counts: Any = None

    def copy(self) -> Decoder:
        """A decoder that goes on from here."""
        other = copy(self)
        other._begins, other._sources, other._texts = self._begins[:], self._sources[:], self._texts[:]
        other._undecoded_places = self._undecoded_places[:]
        return other

    def standing(self, place: int) -> DecoderStanding:
        """Where the decoder stood when it had decoded up to a place, of which nothing behind was forgotten."""
        behind = len(self._undecoded_places) - bisect_left(self._undecoded_places, place)
        first = None if self.undecoded == behind else self.undecoded_at
        return DecoderStanding(self.encoding.name, place, self.undecoded - behind, first)

    @classmethod
    def at(cls, standing: DecoderStanding, length: int) -> Decoder:
        """A decoder of a live stream that goes on there, behind so many bytes of text."""
        encoding = next(one for one in _ENCODINGS if one.name == standing.encoding)
        decoder = cls(encoding, len(encoding.mark), ends_at_change=False)
        _, decoder.read, decoder.undecoded, decoder.undecoded_at = standing
        decoder._length = length
        return decoder

    # ---- text

    def decode(self, piece: Any, *, final: bool = False) -> bytes:
        """The text of some bytes, as UTF-8. What may go on in later bytes is kept for the next call."""
        if self.changed_at is not None:
            return b""
        data = self._held + bytes(piece)
        start = self.read - len(self._held)
        self.read += len(piece)
        whole = len(data) - len(data) % self.encoding.unit_bytes
        end = whole
        text = self._ascii(data[:whole])
        if text is None:
            end = self._end(data, start, final=final)
            text = self._replaced(data[:end], start)
        self._held = data[end:]
        encoded = text.encode()
        self._note(encoded, start, is_ascii=text.isascii())
        if self.changed_at is not None:
            self._held = b""
        elif final and self._held:
            # one character, whatever its length
            self._held = b""
            self._count([start + end])
            last = _REPLACEMENT.encode()
            self._note(last, start + end, is_ascii=False)
            encoded += last
        return encoded

    def _ascii(self, data: bytes) -> str | None:
        """The text, if it is ASCII: then there is nothing to look for."""
        try:
            text = data.decode(self.encoding.codec)
        except UnicodeDecodeError:
            return None
        if not text.isascii():
            return None
        self._after_newline = text.endswith("\n") if text else self._after_newline
        return text

    def _replaced(self, data: bytes, start: int) -> str:
        """The text, with U+FFFD in place of each invalid unit."""
        try:
            return data.decode(self.encoding.codec)
        except UnicodeDecodeError:
            import numpy as np

            units = np.frombuffer(data, self.encoding.dtype).copy()
            invalid = self._invalid(units)
            self._count((start + np.flatnonzero(invalid) * self.encoding.unit_bytes).tolist())
            units[invalid] = ord(_REPLACEMENT)
            return units.tobytes().decode(self.encoding.codec)

    def _count(self, places: list[int]) -> None:
        """Count invalid units, which stand at these places."""
        if self.undecoded_at is None:
            self.undecoded_at = places[0]
        self.undecoded += len(places)
        self._undecoded_places += places

    def _invalid(self, units: Any) -> Any:
        if self.encoding.unit_bytes == 4:
            return (units > 0x10FFFF) | (units & 0xFFFFF800 == 0xD800)
        is_first, is_second = units & 0xFC00 == 0xD800, units & 0xFC00 == 0xDC00
        is_paired = is_first[:-1] & is_second[1:]
        is_first[:-1] &= ~is_paired
        is_second[1:] &= ~is_paired
        return is_first | is_second

    # ---- another encoding

    def _end(self, data: bytes, start: int, *, final: bool) -> int:
        """Where the bytes end that can be decoded now: before units that may go on later, or are of another encoding."""
        import numpy as np

        size = self.encoding.unit_bytes
        units = np.frombuffer(data, self.encoding.dtype, len(data) // size)
        end = len(units)
        if size == 2 and end and units[-1] & 0xFC00 == 0xD800:
            # the first half of a character; at the end of the source it is one character with the bytes behind it
            end -= 1
        for kind, is_strange in self._strange(data, units) if self._ends_at_change else ():
            edges = np.flatnonzero(np.diff(is_strange, prepend=False, append=False)).reshape(-1, 2)
            lengths = edges[:, 1] - edges[:, 0]
            for first, behind in edges[(lengths >= kind.least) | (edges[:, 1] == len(units))].tolist():
                if first >= end:
                    break
                if not self._is_other(kind, data, units, first, behind, final=final):
                    if behind < len(units) or final:
                        continue
                else:
                    self.changed_at, self.changed_to = start + first * size, kind.name
                end = first
                break
        if end:
            self._after_newline = bool(units[end - 1] == 10)
        return end * size

    def _is_other(self, kind: _Strange, data: bytes, units: Any, first: int, behind: int, *, final: bool) -> bool:
        """Whether a run of strange units is text of another encoding."""
        length = behind - first
        if kind.name != "UTF-8":
            if length < (kind.least_at_end if final and behind == len(units) else kind.least):
                return False
            return self.encoding.unit_bytes == 4 or len(set(units[first:behind].tolist())) >= _DISTINCT
        run = data[first * self.encoding.unit_bytes : behind * self.encoding.unit_bytes]
        if length >= kind.least and (b"\n" in run or (length >= _LONG_RUN and b" " in run)):
            return True
        begins_line = bool(units[first - 1] == 10) if first else self._after_newline
        is_last = final and behind == len(units)
        if not (is_last and length >= kind.least_at_end and begins_line and data.endswith(b"\n")):
            return False
        return length >= _SHORT_RUN or any(48 <= octet <= 57 for octet in run)

    def _strange(self, data: bytes, units: Any) -> Iterator[tuple[_Strange, Any]]:
        """For each way in which units may be of another encoding, which units are."""
        import numpy as np

        if self.encoding.unit_bytes == 4:
            yield _Strange("another encoding", _INVALID_RUN, _INVALID_RUN // 2), self._invalid(units)
            return
        octets = np.frombuffer(data, np.uint8, 2 * len(units))
        first, second = octets[::2], octets[1::2]
        is_text = np.frombuffer(_IS_TEXT, bool).take(octets)
        mark = (first == 0xEF) & (second == 0xBB) | (first == 0xBF) & is_text[1::2]
        yield _Strange("UTF-8", _RUN_WITH_NEWLINE, _LAST_RUN), is_text[::2] & is_text[1::2] | mark
        swapped = (units & 0xFF == 0) & (units != 0) & (units & 0xF800 != 0xD800) | (units == 0xFFFE)
        yield _Strange(_SWAPPED[self.encoding.name], _SWAPPED_RUN, _SWAPPED_RUN // 2), swapped

    # ---- places

    def _note(self, text: bytes, source: int, *, is_ascii: bool) -> None:
        """Keep where a piece of the text lies in the source."""
        if not text:
            return
        kept = self._texts[-1] if self._texts else b""
        if not self._texts or (kept is None) is not is_ascii or (kept is not None and len(kept) >= _SHARED_BYTES):
            self._begins.append(self._length)
            self._sources.append(source)
            self._texts.append(None if is_ascii else text)
        elif kept is not None:
            self._texts[-1] = kept + text
        self._length += len(text)

    def to_source(self, places: Places) -> None:
        """Replace places in the text by those in the source. The places must not have been forgotten."""
        import numpy as np

        pieces = np.searchsorted(self._begins, places, side="right") - 1
        for piece in np.unique(pieces).tolist():
            those = pieces == piece
            within = places[those] - self._begins[piece]
            places[those] = self._sources[piece] + self.encoding.unit_bytes * self._units(piece, within)

    def _units(self, piece: int, places: Places) -> Any:
        """How many units precede some places in a piece."""
        text = self._texts[piece]
        if text is None:
            return places
        if self._counted_text is not text:
            # the offsets and the starts of all patterns follow each other
            self._counted_text, self._counts = text, _units_before(text, wide=self.encoding.unit_bytes == 2)
        return self._counts[places]

    def place(self, at: int) -> int:
        """The place in the source of a place in the text."""
        import numpy as np

        if not self._begins:
            return at
        places = np.array([at], np.int64)
        self.to_source(places)
        return int(places[0])

    def in_text(self, place: int) -> int:
        """The place in the text of a place in the source that was decoded, and was not forgotten."""
        import numpy as np

        piece = max(bisect_right(self._sources, place) - 1, 0)
        units = (place - self._sources[piece]) // self.encoding.unit_bytes
        text = self._texts[piece]
        if text is not None:
            units = int(np.searchsorted(_units_before(text, wide=self.encoding.unit_bytes == 2), units))
        return self._begins[piece] + units

    @property
    def decoded_up_to(self) -> int:
        """The place in the source up to which there is text."""
        return self.read - len(self._held)

    def forget(self, at: int) -> None:
        """Forget the places of pieces that end before a place in the text."""
        keep = bisect_right(self._begins, at) - 1
        if keep > 0:
            del self._begins[:keep], self._sources[:keep], self._texts[:keep]
            del self._undecoded_places[: bisect_left(self._undecoded_places, self._sources[0])]


class _Strange(NamedTuple):
    """Units that may be of another encoding: its name, and how many in a row show it, also at the end of the source."""

    name: str
    least: int
    least_at_end: int


def _units_before(text: bytes, *, wide: bool) -> Places:
    """For each byte of a text, and for its end, how many units precede it. A unit stands at the first byte of its character."""
    import numpy as np

    octets = np.frombuffer(text, np.uint8)
    units = (octets & 0xC0 != 0x80).view(np.uint8)
    if wide and octets.max(initial=0) >= 0xF0:
        # a character that takes four bytes takes two units
        units = units + (octets >= 0xF0)
    # the bytes within a character count as those behind it: no row lies there
    before = np.zeros(len(octets) + 1, np.int64)
    np.cumsum(units, out=before[1:])
    return before


# ---- a source whose pieces are decoded, or watched


def decoded(pieces: Iterator[Any], decoder: Decoder, name: str) -> Iterator[bytes]:
    """The text of a source that begins with a mark, as UTF-8.

    Parameters
    ----------
    pieces : iterator of bytes-like
        The source, with the mark.
    decoder : Decoder
    name : str
        The name of the source, for errors.

    Raises
    ------
    SourceError
        The encoding changes, after the text before that; or what ``pieces`` raises.
    """
    skipped = decoder.begin
    for piece in pieces:
        cut = min(skipped, len(piece))
        skipped -= cut
        text = decoder.decode(piece[cut:] if cut else piece)
        if text:
            yield text
        if decoder.changed_at is not None:
            break
    else:
        text = decoder.decode(b"", final=True)
        if text:
            yield text
    if decoder.changed_at is not None:
        raise _changed(name, decoder.encoding.name, decoder.changed_to, decoder.changed_at, decoder.begin)


def watched(pieces: Iterator[Any], name: str, *, whole: bool, ends: bool) -> Iterator[Any]:
    """The pieces of a source that begins with no mark, up to a text in UTF-16.

    The first ``FIRST_BYTES`` bytes are searched.

    Parameters
    ----------
    pieces : iterator of bytes-like
    name : str
        The name of the source, for errors.
    whole : bool
        Whether all bytes are searched.
    ends : bool
        Whether the end of each piece is looked at.

    Raises
    ------
    SourceError
        There is UTF-16.
    """
    at = 0
    held = b""
    before = b""
    failed: SourceError | None = None
    while True:
        try:
            piece = next(pieces, None)
        except SourceError as error:
            failed = error
            break
        if piece is None:
            break
        data = held + bytes(piece) if held else piece
        searched = data if whole else data[: max(FIRST_BYTES - at, 0)]
        if held or 0 in searched[:2]:
            # whether a line begins here is seen by what precedes it
            first, behind = utf16_at(before + bytes(searched))
            first = -1 if first < 0 else max(first - len(before), 0)
            behind = max(behind - len(before), 0)
        else:
            first, behind = utf16_at(searched)
        if first < 0 and len(searched) < len(data):
            behind = len(data)
            if ends:
                last = data[-PLACE_BYTES:]
                first, end = utf16_at(last)
                behind -= len(last) - end
                if first >= 0:
                    first, _ = utf16_at(data)
        if first >= 0:
            yield from _up_to(before, data, at, first, name)
        if not (whole or ends) and at + len(data) >= FIRST_BYTES and behind == len(data):
            yield data
            yield from pieces
            return
        held = b""
        if behind < len(data):
            held = bytes(data[behind:])
            data = data[:behind]
        if len(data):
            before = (before + bytes(data[-3:]))[-3:]
            at += len(data)
            yield data
    if held:
        first, _ = utf16_at(before + held, is_all=failed is None)
        if first >= 0:
            yield from _up_to(before, held, at, max(first - len(before), 0), name)
        yield held
    if failed is not None:
        raise failed


def _up_to(before: bytes, data: Any, at: int, first: int, name: str) -> Iterator[Any]:
    """The data up to the UTF-16 in which a NUL is the ``first``; then the error."""
    near = before + bytes(data[:first])
    # of UTF-16LE, the NUL is the second byte of a character
    if near.endswith(b"\xfe\xff"):
        after, back = "UTF-16BE", 2
    elif near[:-1].endswith(b"\xff\xfe"):
        after, back = "UTF-16LE", 3
    elif near.endswith(b"\0"):
        # the source was truncated while its writer went on
        after, back = ("UTF-16LE", -1) if (at + first) % 2 else ("UTF-16BE", 0)
    elif at + first == 1 or (near and not near.endswith(b"\n")):
        after, back = "UTF-16LE", 1
    else:
        after, back = "UTF-16BE", 0
    place = at + first - back
    beginning = bytes(data[: max(place - at, 0)])
    text = beginning.removeprefix(codecs.BOM_UTF8)
    if at == 0 and b"\n" not in text and not all(_IS_TEXT[byte] for byte in text):
        # the source begins with characters outside ASCII, which have no NUL
        after, place = "UTF-16LE" if first % 2 else "UTF-16BE", 0
    if place > at:
        yield data[: place - at]
    raise _changed(name, "UTF-8", after, place, 0)


def _changed(name: str, before: str, after: str, place: int, beginning: int) -> SourceError:
    hint = f"convert that part: tail -c +{place + 1} FILE | iconv -f {after} -t UTF-8"
    if after == "another encoding":
        hint = "convert that part to UTF-8"
    if place > beginning:
        message = f"{name} changes from {before} to {after} at byte {place}; what follows was not read"
    elif before == "UTF-8":
        message = f"{name} is {after} without a byte-order mark"
        hint = f"convert it: iconv -f {after} -t UTF-8 FILE"
    else:
        message = f"{name} begins with the mark of {before}, but goes on in {after}"
    return SourceError(message, path=name, offset=place, hint=hint)
