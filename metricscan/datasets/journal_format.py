"""The format of a journal: the segments in its folder, the frames in a segment, and what a frame says.

A journal is a folder: ``journal.json`` says by which definitions its rows were read, and ``000001.segment`` and those that follow
hold them. A segment begins with a header: the files and their checkpoints at its beginning. Frames follow. A frame is one
commit: rows, and the checkpoints that they reach, so that both are there or neither is. The last frame of a segment that is
complete is its end.

The header of a frame holds the length of its payload, a CRC of it, and a check of the header itself, which depends on the
segment and on the place in it: what stood elsewhere, or in another journal, is no frame here.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.datasets import journal_version_2
from metricscan.datasets.journal_commit import COMMIT, COMMIT_WITHOUT_NEWS, Replaced, read_commit
from metricscan.datasets.journal_disk import read_file, write_file
from metricscan.datasets.journal_packing import Columns, Packer, Unpacker
from metricscan.datasets.journal_state import State
from metricscan.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from metricscan.scanning.scanner import Scanner

DOCUMENT = "journal.json"
VERSION = 3
# Versions 1 and 2 are read. Their journals are gone on with in new segments, each of which says its version. Version 1 has no
# rows of suspects.
_OLDEST = 1
END = 2
_MAGIC = b"\x89MSJ\r\n\x1a\n"
# magic, version, length of the rest, its CRC
_SEGMENT = struct.Struct("<8sIII")
_MARK = b"\xa7M"
# mark, length of the payload, its CRC, check of this header
_FRAME = struct.Struct("<2sIIH")
FRAME_HEADER_BYTES = _FRAME.size
_NEWER = "a newer version of metricscan wrote it"


# ---- the folder


class Description(NamedTuple):
    """What ``journal.json`` says."""

    document: Mapping[str, Any]
    digest: bytes

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the scanner whose rows the journal holds."""
        return str(self.document["fingerprint"])


def is_journal(path: str) -> bool:
    """Whether a folder is a journal."""
    return os.path.isfile(os.path.join(path, DOCUMENT))


def write_description(path: str, scanner: Scanner) -> None:
    """Write ``journal.json`` into a folder.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    from metricscan import __version__

    labels = frozenset(scanner.labels)
    document = {
        "format_version": VERSION,
        "metricscan": __version__,
        # no other journal has the same digest
        "id": os.urandom(8).hex(),
        "definitions": [
            {"Name": one.name, "Regex": one.regex} for one in scanner.definitions if one.name not in labels
        ],
        "labels": {one.name: one.regex for one in scanner.definitions if one.name in labels},
        "metrics": scanner.metrics,
        "options": scanner.options,
        "fingerprint": scanner.fingerprint,
    }
    document["digest"] = sha256(_canonical(document)).hexdigest()
    text = json.dumps(document, indent=2, ensure_ascii=True)
    write_file(os.path.join(path, DOCUMENT), f"{text}\n".encode())


def read_description(path: str) -> Description:
    """Read and check ``journal.json``.

    Raises
    ------
    SourceError
        The folder is no journal, or its description cannot be read, was changed, or has a newer version.
    """
    place = os.path.join(path, DOCUMENT)
    try:
        document = json.loads(read_file(place))
    except FileNotFoundError as error:
        if not os.path.exists(path):
            raise SourceError(f"cannot open {path}", path=path, cause=error) from None
        raise SourceError(f"{path} is not a journal: it has no {DOCUMENT}", path=path) from None
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"cannot read {place}", path=place, cause=error) from error
    if not isinstance(document, dict) or not isinstance(document.get("digest"), str):
        raise SourceError(f"{place} is not the description of a journal: it has no digest", path=place)
    digest = document.pop("digest")
    if document.get("format_version") not in range(_OLDEST, VERSION + 1):
        message = f"{place} has format version {document.get('format_version')!r}; at most {VERSION} was expected"
        raise SourceError(message, path=place, hint=_NEWER)
    if digest != sha256(_canonical(document)).hexdigest():
        raise SourceError(f"{place} was changed: its digest is not that of its content", path=place)
    return Description(document, bytes.fromhex(digest))


def _canonical(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, ensure_ascii=True).encode()


def segment_path(path: str, number: int) -> str:
    """The place of a segment."""
    return os.path.join(path, f"{number:06}.segment")


def last_segment(path: str) -> int:
    """The number of the last segment, from 1; 0 if there is none.

    Raises
    ------
    SourceError
        The folder cannot be read, or a segment is missing.
    """
    try:
        names = os.listdir(path)
    except OSError as error:
        raise SourceError(f"cannot read {path}", path=path, cause=error) from error
    numbers = {
        int(stem)
        for name in names
        if (stem := name.removesuffix(".segment")) != name and stem.isascii() and stem.isdigit()
    }
    last = max(numbers, default=0)
    missing = next((number for number in range(1, last) if number not in numbers), None)
    if missing is not None:
        place = segment_path(path, missing)
        raise SourceError(f"{path} lacks {os.path.basename(place)}; it has segments up to {last:06}", path=place)
    return last


# ---- segments and frames


def segment_header(description: Description, number: int, state: State) -> bytes:
    """The first bytes of a segment."""
    out = Packer(description.digest)
    out.number(number)
    body = bytes(out) + state.pack()
    start = struct.pack("<8sII", _MAGIC, VERSION, len(body))
    return start + struct.pack("<I", zlib.crc32(body, zlib.crc32(start))) + body


def framed(payload: bytes | bytearray, salt: int, offset: int) -> bytes:
    """A frame for a place in a segment."""
    crc = zlib.crc32(payload, salt)
    return _FRAME.pack(_MARK, len(payload), crc, _check(salt, offset, len(payload), crc)) + payload


def _check(salt: int, offset: int, length: int, crc: int) -> int:
    return zlib.crc32(struct.pack("<QII", offset, length, crc), salt) & 0xFFFF


class Segment:
    """A segment that is read: the state at its beginning, and its frames.

    Parameters
    ----------
    path : str
        Of the journal.
    number : int
    description : Description
        Of the journal.
    is_last : bool
        Whether it is the last segment. The end of another must be there.
    synced : bool
        As :func:`read_file` takes it.

    Attributes
    ----------
    path : str
        Of the segment.
    state : State
        Moves on as the caller reads the commits by it.
    first : int
        The place of the first frame.
    end : int
        The place behind the last frame that was read.
    size : int
        Once all frames were read more than ``end``, if what follows is no whole frame.
    is_complete : bool
        Whether the last frame is the end of the segment.
    salt : int
        What the checks of its frames begin with.

    Raises
    ------
    SourceError
        It cannot be read, its header is damaged or of another journal, or it has a newer version.
    """

    def __init__(
        self, path: str, number: int, description: Description, *, is_last: bool, synced: bool = False
    ) -> None:
        self.path = segment_path(path, number)
        self.number = number
        self.is_last = is_last
        self._synced = synced
        self._version = VERSION
        self._data = b""
        # the place of the first of these bytes
        self._base = self.size = self.end = 0
        self.refresh()
        body = self._checked_header()
        if body[:32] != description.digest:
            raise SourceError(f"{self.path} is of another journal", path=self.path, offset=0)
        unpacker = Unpacker(body, 32)
        try:
            found = unpacker.number()
            self.state = State.unpacked(unpacker)
        except (IndexError, ValueError) as error:
            raise SourceError(f"{self.path} has an invalid header", path=self.path, offset=0, cause=error) from error
        if found != number:
            raise SourceError(f"{self.path} is segment {found}; {number} was expected", path=self.path, offset=0)
        self.first = self.end = _SEGMENT.size + len(body)
        self.salt = zlib.crc32(self._data[: self.first])
        self.is_complete = False
        self.commits_read = 0

    @property
    def is_current(self) -> bool:
        """Whether it has the version in which commits are written."""
        return self._version == VERSION

    def refresh(self) -> None:
        """Read again what stands behind :attr:`end`: a frame that was not whole may be whole now, or replaced."""
        try:
            self._data = read_file(self.path, self.end, synced=self._synced)
        except OSError as error:
            raise SourceError(f"cannot read {self.path}", path=self.path, cause=error) from error
        self._base = self.end
        self.size = self.end + len(self._data)

    def _checked_header(self) -> bytes:
        data = self._data
        if len(data) >= _SEGMENT.size:
            magic, version, length, crc = _SEGMENT.unpack_from(data)
            body = data[_SEGMENT.size : _SEGMENT.size + length]
            whole = len(body) == length and zlib.crc32(body, zlib.crc32(data[:16])) == crc
            if magic == _MAGIC and version > VERSION:
                message = f"{self.path} has format version {version}; at most {VERSION} was expected"
                raise SourceError(message, path=self.path, offset=8, hint=_NEWER)
            if magic == _MAGIC and version >= _OLDEST and whole:
                self._version = version
                return body
        raise SourceError(f"{self.path} is damaged: its header is not whole", path=self.path, offset=0)

    def commits(
        self,
        wanted: Callable[[str], Columns | None] | None = None,
        replaced: Callable[[Replaced], object] | None = None,
    ) -> Iterator[int]:
        """Read the next commits into the state, and into columns as :func:`read_commit` does; the place of each.

        Raises
        ------
        SourceError
            A frame is damaged, and it is not the last one.
        """
        read = read_commit if self.is_current else journal_version_2.read_commit
        while self.end < self.size and not self.is_complete:
            begin = self.end
            payload = self._frame(begin)
            if payload is None:
                break
            kind = payload[0] if payload else 0
            try:
                if kind in (COMMIT, COMMIT_WITHOUT_NEWS):
                    read(payload, self.state, wanted, replaced)
                    self.commits_read += 1
                elif kind == END:
                    self.is_complete = True
                    if Unpacker(payload, 1).number() != self.commits_read:
                        self._raise_damaged(f"its end does not count {self.commits_read:,} commits")
                else:
                    message = f"{self.path} has a frame of an unknown kind, {kind}, at byte {begin}"
                    raise SourceError(message, path=self.path, offset=begin, hint=_NEWER)
            except (IndexError, OverflowError, TypeError, ValueError) as error:
                message = f"{self.path} has an invalid frame at byte {begin}"
                raise SourceError(message, path=self.path, offset=begin, cause=error) from error
            self.end = begin + FRAME_HEADER_BYTES + len(payload)
            if kind != END:
                yield begin
        if self.is_complete:
            if self.end < self.size:
                self._raise_damaged(f"{self.size - self.end:,} bytes follow its end")
        elif not self.is_last:
            self._raise_damaged("a frame is not whole, and further segments follow")
        elif self.end < self.size:
            self._check_tail()

    def _check_tail(self) -> None:
        """Raise an error if a whole frame stands behind one that is not whole.

        The last frame may not be whole: it was being written. Those before it were on the disk before the next was begun.
        """
        behind = self._data.find(_MARK, self.end - self._base + 1)
        while behind >= 0:
            if self._frame(self._base + behind) is not None:
                self._raise_damaged("a frame is not whole, and further frames follow")
            behind = self._data.find(_MARK, behind + 1)

    def _frame(self, place: int) -> bytes | None:
        """The payload of the frame at a place; None if none is whole there."""
        data, at = self._data, place - self._base
        if at + FRAME_HEADER_BYTES > len(data):
            return None
        mark, length, crc, check = _FRAME.unpack_from(data, at)
        if mark != _MARK or check != _check(self.salt, place, length, crc):
            return None
        payload = data[at + FRAME_HEADER_BYTES : at + FRAME_HEADER_BYTES + length]
        return payload if len(payload) == length and zlib.crc32(payload, self.salt) == crc else None

    def check_of(self, begin: int) -> int:
        """What distinguishes the frame at a place from another that may come to stand there."""
        at = begin - self._base
        return zlib.crc32(self._data[at : at + FRAME_HEADER_BYTES])

    def _raise_damaged(self, why: str) -> None:
        message = f"{self.path} is damaged at byte {self.end}: {why}"
        raise SourceError(message, path=self.path, offset=self.end)
