"""Archives of logs: tar, compressed or not, and zip. Which members an archive has, and the bytes of each.

A member is a log whose path is that of the archive, followed by the member's name: ``logs.tar.gz/job_a/train.log``. Names
of members are text. They are never resolved against the disk, and nothing is written.

The members of a plain tar and of a zip are read at their places. So are those of a small compressed tar, which is held in
memory. A larger one is read from its beginning on; the small files in it that may say something about jobs are kept when it is
listed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections import OrderedDict
from contextlib import closing
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from metricscan.errors import SourceError, nearest
from metricscan.logs import tars, zips
from metricscan.logs.ahead import LEAST_BYTES, Ahead
from metricscan.logs.compression import (
    MAX_DECOMPRESSED,
    Codec,
    bounded,
    codec_of,
    compression,
    decompress,
    past_bound,
)
from metricscan.logs.kept_facts import KeptFacts
from metricscan.logs.member_file import MemberFile
from metricscan.logs.tars import MOST_HOPS, as_name

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

#: How many first bytes show whether a file is an archive.
HEAD_BYTES = tars.BLOCK_BYTES
# Compressed tars of at most this size, decompressed, are held in memory.
_HELD_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
# This many archives are remembered.
_MOST_REMEMBERED = 4

Member = tars.TarMember | zips.ZipMember


class Status(NamedTuple):
    """What identifies the content of a file: another content has another device, inode, size or time."""

    device: int
    inode: int
    size: int
    time_ns: int

    @classmethod
    def of(cls, descriptor_or_path: int | str) -> Status:
        """Read the status of a file."""
        status = os.stat(descriptor_or_path)
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


class NotKept(SourceError):
    """A file with facts about a job that was left out when its archive was listed, as the survey says of the archive."""


def _digest(file: MemberFile, algorithm: str) -> bytes:
    digest = hashlib.new(algorithm)
    while piece := file.read(_CHUNK_BYTES):
        digest.update(piece)
    return digest.digest()


def _end(file: MemberFile, size: int) -> bytes:
    end = b""
    while piece := file.read(_CHUNK_BYTES):
        end = (end + piece)[-size:] if len(piece) < size else piece[-size:]
    return end


class Archive:
    """The members of an archive.

    Made by :func:`read_archive`.

    Attributes
    ----------
    path : str
    kind : {"tar", "zip"}
    members : dict of str to Member
        The files in it, by their names; of several with one name the last, which is the one that stays when the archive is
        extracted.
    duplicates : list of str
        The names that occur more than once.
    not_regular : int
        Links that lead to no member, devices and pipes in it, which are passed over.
    links : dict of str to str
        The names of the links in a tar that lead to members, each with that of the member.
    unreadable : dict of str to list of str
        The names of members that cannot be read, by the reason.
    error : SourceError or None
        Why the archive could not be read to its end.
    error_in : str or None
        The member whose data the error cuts off.
    is_continued : bool
        Whether there is more behind the end of the archive.
    facts : KeptFacts
        Of an archive that is read from its beginning on, the files with facts about jobs.
    """

    def __init__(self, path: str, kind: str, codec: Codec | None, status: Status, max_decompressed: int) -> None:
        self.path = path
        self.kind = kind
        self.codec = codec
        self.status = status
        self.members: dict[str, Any] = {}
        self.duplicates: list[str] = []
        self.not_regular = 0
        self.links: dict[str, str] = {}
        self.unreadable: dict[str, list[str]] = {}
        self.error: SourceError | None = None
        self.error_in: str | None = None
        self.is_continued = False
        self.facts = KeptFacts(0)
        self.content: bytes | None = None
        # bytes of a compressed tar, decompressed
        self.whole_bytes = 0
        # the streams of members that hold several, and the formats of those that are not plain; for the search
        self.streams: dict[str, list[str | None]] = {}
        self.formats: dict[str, str] = {}
        self._max_decompressed = max_decompressed

    @property
    def reads_at_places(self) -> bool:
        """Whether each member can be read without those before it."""
        return self.codec is None or self.content is not None

    def bytes_stored(self, name: str) -> int | None:
        """The bytes of the file that a member's content takes up; None where members are compressed together."""
        member = self.members[name]
        if isinstance(member, zips.ZipMember):
            return member.packed
        return int(member.stored) if self.codec is None else None

    def bytes_on_disk(self, name: str) -> int:
        """About how many bytes of the file a member takes up."""
        member = self.members[name]
        if isinstance(member, zips.ZipMember):
            return member.packed
        if self.codec is None or not self.whole_bytes:
            return int(member.stored)
        return int(member.stored * self.status.size // self.whole_bytes)

    def open(self, name: str) -> MemberFile:
        """Open a member.

        Raises
        ------
        SourceError
            There is no such member, or the archive cannot be read, or has changed.
        """
        path = f"{self.path}/{name}"
        if name not in self.members:
            similar = nearest(name, list(self.members)[:1000])
            raise SourceError(
                f"{self.path} is an archive ({self.kind}) and has no member {name}",
                path=path,
                hint=None if similar is None else f"did you mean {self.path}/{similar}?",
            )
        if not self.reads_at_places:
            walk = self.walk(name.__eq__)
            found = next(walk, None)
            if found is None:
                raise self._changed()
            return MemberFile(path, found[1].pieces, walk.close)
        member = self.members[name]
        if self.content is not None:
            return self._in_stream(name, member, tars.InMemory(self.content))
        file = self._opened()
        if isinstance(member, zips.ZipMember):
            packed = member.packed if member.method else 0
            return MemberFile(path, zips.content(file, member, path, _CHUNK_BYTES), file.close, packed)
        return MemberFile(path, self._in_stream(name, member, self._stream(file)).pieces, file.close)

    def content_of(self, name: str, size: int) -> bytes:
        """The first bytes of a member, at most so many.

        Raises
        ------
        SourceError
            The archive cannot be read, or has changed; or it must be read from its beginning on, and did not keep the member.
        """
        if not self.reads_at_places:
            return self._kept(name)[:size]
        parts = []
        with closing(self.open(name)) as file:
            while size and (part := file.read(size)):
                parts.append(part)
                size -= len(part)
        return b"".join(parts)

    def end_of(self, name: str, size: int) -> bytes:
        """The last bytes of a member, at most so many; raises as :meth:`content_of` does."""
        if not self.reads_at_places:
            return self._kept(name)[-size:]
        with closing(self.open(name)) as file:
            return _end(file, size)

    def digests(self, name: str, algorithm: str) -> dict[str, bytes]:
        """A digest of a member's content; those of all members, if they must be read from the beginning on.

        Raises
        ------
        SourceError
            The archive cannot be read, or has changed.
        """
        if self.reads_at_places:
            with closing(self.open(name)) as file:
                return {name: _digest(file, algorithm)}
        return {one: _digest(file, algorithm) for one, file in self.walk(self.members.__contains__)}

    def _kept(self, name: str) -> bytes:
        content = self.facts.content.get(name)
        if content is None:
            path = f"{self.path}/{name}"
            kind = NotKept if name in self.facts.left_out else SourceError
            raise kind(f"{path} was not kept when {self.path} was listed", path=path)
        return content

    def forget_facts(self) -> None:
        """Free the files with facts about jobs, which nobody will ask for again."""
        self.facts = KeptFacts(0)

    def walk(self, wanted: Callable[[str], bool], *, ahead: bool = False) -> Generator[tuple[str, MemberFile]]:
        """Read a tar from its beginning to its end, and yield the wanted members, in the order in which they lie in it.

        A member's file is valid until the next one is asked for.

        Parameters
        ----------
        wanted : callable
            Whether a member of this name is wanted; asked when it is met.
        ahead : bool
            Whether a second thread decompresses, if the file is large enough for that.

        Raises
        ------
        SourceError
            The archive is damaged or truncated.
        """
        with self._opened() as file, closing(self._stream(file, ahead=ahead)) as stream:
            for name, member in tars.Walk(stream, self.path):
                if wanted(name) and self.members.get(name) == member:
                    yield name, self._in_stream(name, member, stream)

    def _in_stream(self, name: str, member: tars.TarMember, stream: tars.Bytes) -> MemberFile:
        path = f"{self.path}/{name}"
        pieces: Iterator[bytes] = tars.content(stream, member, path, self.path)
        if member.runs is not None:
            pieces = bounded(pieces, self._max_decompressed, path)
        return MemberFile(path, pieces)

    def list_members(self, look: Callable[[str, MemberFile], object], keep: int, keep_facts: int) -> None:
        """Find the members.

        Parameters
        ----------
        look : callable
            Called with the name of each member and its file, which is valid during the call.
        keep : int
            A compressed tar of at most so many bytes, decompressed, is held in memory.
        keep_facts : int
            The most bytes of files with facts about jobs that are kept otherwise.
        """
        if self.kind == "zip":
            self._list_zip(look)
            return
        with self._opened() as file:
            stream = self._stream(file, keep=keep)
            walk = tars.Walk(stream, self.path)
            facts = KeptFacts(keep_facts) if self.codec is not None and keep_facts else None
            try:
                for name, member in walk:
                    self._add(name, member)
                    content = self._in_stream(name, member, stream)
                    if facts is not None:
                        facts.begin(name, member.size, content)
                    look(name, content)
                    if facts is not None:
                        facts.end(content)
                self.is_continued = stream.drain()
            except SourceError as error:
                self.error, self.error_in = error, walk.within
            finally:
                stream.close()
            self.links = {name: to for name in walk.links if (to := self._led_to(name, walk.links)) is not None}
            self.not_regular = walk.not_regular + len(walk.links.keys() - self.links.keys())
            if self.codec is not None:
                self.whole_bytes, self.content = stream.position, stream.kept
                if facts is not None and self.content is None:
                    self.facts = facts

    def _led_to(self, name: str, links: Mapping[str, str]) -> str | None:
        """The member to which a link leads, perhaps through others; None if it leads to none."""
        for _ in range(MOST_HOPS):
            if name in self.members:
                return name
            if name not in links:
                break
            name = links[name]
        return None

    def _list_zip(self, look: Callable[[str, MemberFile], object]) -> None:
        with self._opened() as file:
            try:
                found = zips.members(file, self.path)
            except SourceError as error:
                self.error = error
                return
        self.not_regular, self.unreadable = found.not_regular, found.unreadable
        left = self._max_decompressed
        for name, member in found.members:
            left -= member.size
            if left < 0:
                self.error = past_bound(self.path, self._max_decompressed, None)
                return
            self._add(name, member)
            with closing(self.open(name)) as member_file:
                look(name, member_file)

    def _add(self, name: str, member: Member) -> None:
        if name in self.members:
            self.duplicates.append(name)
        self.members[name] = member

    def _opened(self) -> BinaryIO:
        try:
            file = open(self.path, "rb", buffering=0)  # noqa: SIM115 - the caller closes it
        except OSError as error:
            raise SourceError(f"cannot open {self.path}", path=self.path, cause=error) from error
        if Status.of(file.fileno()) != self.status:
            file.close()
            raise self._changed()
        return cast("BinaryIO", file)

    def _changed(self) -> SourceError:
        return SourceError(f"{self.path} was changed after its members were listed", path=self.path)

    def _stream(self, file: BinaryIO, *, ahead: bool = False, keep: int = 0) -> tars.Bytes:
        if self.codec is None:
            return tars.InFile(file, self.path)
        pieces: Iterator[bytes] = decompress(self.codec, file.read, b"", self.path, _CHUNK_BYTES)
        pieces = bounded(pieces, self._max_decompressed, self.path)
        return tars.InPieces(Ahead(pieces) if ahead and self.status.size >= LEAST_BYTES else pieces, keep)


def kind_of(path: str) -> tuple[str, Codec | None] | None:
    """The kind of archive that a file is, ``"tar"`` or ``"zip"``, and how it is compressed; None if it is no archive.

    Raises
    ------
    SourceError
        It cannot be read.
    """
    try:
        with open(path, "rb", buffering=0) as file:
            head = file.read(HEAD_BYTES)
            compressed = compression(head)
            if compressed == "zip":
                return "zip", None
            codec = None
            if compressed is not None:
                codec = codec_of(compressed, path)
                head = tars.InPieces(decompress(codec, file.read, head, path, HEAD_BYTES)).exactly(HEAD_BYTES)
    except (OSError, ValueError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"cannot open {path}", path=path, cause=error) from error
    return ("tar", codec) if tars.is_tar(head) else None


def read_archive(
    path: str,
    kind: str,
    codec: Codec | None,
    look: Callable[[str, MemberFile], object],
    max_decompressed: int = MAX_DECOMPRESSED,
    keep: int | None = None,
    keep_facts: int = 0,
) -> Archive:
    """List the members of an archive.

    Parameters
    ----------
    path : str
    kind, codec
        From :func:`kind_of`.
    look : callable
        Called with the name of each member and its file, which is valid during the call.
    max_decompressed : int
        The most bytes that are decompressed.
    keep : int, optional
        A compressed tar of at most so many bytes, decompressed, is held in memory. 32 MiB by default.
    keep_facts : int
        The most bytes of files with facts about jobs that are kept of an archive that must be read from its beginning on.

    Raises
    ------
    SourceError
        The file cannot be opened. Other errors are in the archive's ``error``.
    """
    try:
        status = Status.of(path)
    except OSError as error:
        raise SourceError(f"cannot open {path}", path=path, cause=error) from error
    archive = Archive(path, kind, codec, status, max_decompressed)
    archive.list_members(look, _HELD_BYTES if keep is None else keep, keep_facts)
    with _lock:
        _remembered[path] = archive
        _remembered.move_to_end(path)
        while len(_remembered) > _MOST_REMEMBERED:
            _remembered.popitem(last=False)
    return archive


_remembered: OrderedDict[str, Archive] = OrderedDict()
_lock = Lock()


def member_of(path: str, archives: Mapping[str, Archive]) -> tuple[Archive, str] | None:
    """The archive among these in which a log lies, and the member's name; None of a log that lies in none."""
    at = path.rfind("/") if archives else 0
    while at > 0:
        archive = archives.get(path[:at])
        if archive is not None:
            return archive, path[at + 1 :]
        at = path.rfind("/", 0, at)
    return None


def place_of(path: str) -> tuple[str, str] | None:
    """The archive and the member's name in a path that leads into an archive; None for any other path.

    Raises
    ------
    SourceError
        What may be an archive cannot be read.
    """
    at = path.rfind("/")
    while at > 0:
        parent = path[:at]
        try:
            mode = os.stat(parent).st_mode
        except (OSError, ValueError):
            at = path.rfind("/", 0, at)
            continue
        is_archive = stat.S_ISREG(mode) and kind_of(parent) is not None
        return (parent, as_name(path[at:])) if is_archive and as_name(path[at:]) else None
    return None


def open_member(path: str) -> MemberFile | None:
    """Open a log by a path that leads into an archive; None if the path leads into none.

    Raises
    ------
    SourceError
        The archive cannot be read, or has no such member.
    """
    place = place_of(path)
    if place is None:
        return None
    parent, name = place
    with _lock:
        archive = _remembered.get(parent)
    if archive is None or archive.status != Status.of(parent):
        found = kind_of(parent)
        if found is None:
            return None
        archive = read_archive(parent, *found, look=lambda *_: None)
    if name not in archive.members and archive.error is not None:
        raise archive.error
    return archive.open(name)
