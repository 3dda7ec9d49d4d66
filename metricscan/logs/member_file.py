"""A member of an archive that is read, as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metricscan.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class MemberFile:
    """A member that is read, as a binary file object. Its content is not decompressed.

    Attributes
    ----------
    name : str
        The path of the archive, ``/``, and the member's name.
    pieces : iterator of bytes
    packed : int
        The bytes that are decompressed for it, as far as they are its own.
    """

    def __init__(
        self, name: str, pieces: Iterator[bytes], close: Callable[[], object] | None = None, packed: int = 0
    ) -> None:
        self.name = name
        self.pieces = pieces
        self.packed = packed
        self._held = b""
        self._close = close

    def read(self, size: int) -> bytes:
        """At most so many bytes; none at the end.

        Raises
        ------
        SourceError
            The archive is damaged or truncated.
        """
        if not self._held:
            self._held = next(self.pieces, b"")
        piece, self._held = self._held[:size], self._held[size:]
        return piece

    def peek(self, size: int) -> bytes:
        """The next bytes, at most so many; they can be read again. An error is raised when what precedes it is read."""
        parts = [self._held]
        left = size - len(self._held)
        try:
            while left > 0 and (piece := next(self.pieces, b"")):
                parts.append(piece)
                left -= len(piece)
        except SourceError as error:
            self.pieces = _raising(error)
        self._held = b"".join(parts)
        return self._held[:size]

    def copy_of_head(self) -> MemberFile:
        """A file of the bytes that were peeked at."""
        return MemberFile(self.name, iter((self._held,)))

    def seekable(self) -> bool:
        """Whether the file can be read from any place: no."""
        return False

    def close(self) -> None:
        """Close the archive, if it was opened for this member."""
        if self._close is not None:
            self._close()


def _raising(error: SourceError) -> Iterator[bytes]:
    raise error
    yield
