"""What happens to the files of a followed log: it is told in this order, and all of it."""

from __future__ import annotations

from typing import NamedTuple

from metricscan.errors import SourceError


class Began(NamedTuple):
    """A part that is read from its beginning, and where its file was found."""

    part: int
    path: str


class Data(NamedTuple):
    """New bytes of a part. They begin at ``offset``; where the part was read further before, it begins there anew."""

    part: int
    offset: int
    data: bytes


class Ended(NamedTuple):
    """The end of a part. If it ``is_cut``, its last record is not known to be whole, and gives no rows."""

    part: int
    is_cut: bool


class Lost(NamedTuple):
    """Bytes of a part from ``offset`` on that may have been lost; the file was seen with a size of ``size_bytes``."""

    part: int
    offset: int
    size_bytes: int
    reason: str


class Trouble(NamedTuple):
    """A file that cannot be read now. It is tried again."""

    path: str
    error: OSError

    @property
    def reason(self) -> str:
        """The error as a sentence."""
        if isinstance(self.error, SourceError):
            return self.error.message
        return f"cannot read {self.path}: {self.error.strerror}"


Event = Began | Data | Ended | Lost | Trouble
