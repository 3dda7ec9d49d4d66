"""Where the content of a followed log may lie after its file was renamed, copied or compressed: the pieces beside it.

Only pieces by name are taken, as :mod:`metricscan.logs.rotation` finds them: short contents are equal in many logs.
"""

from __future__ import annotations

import os
import stat
import time
from bisect import bisect_left
from typing import TYPE_CHECKING, NamedTuple

from metricscan.errors import SourceError
from metricscan.live.identity import WINDOW_BYTES, Reach, read_at
from metricscan.logs.compression import MAX_DECOMPRESSED, bounded, codec_of, compression, decompress, without_suffix
from metricscan.logs.rotation import beginning_of_pieces, pieces_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from metricscan.live.identity import Checkpoint

_CHUNK_BYTES = 1 << 18
_HEAD_BYTES = 4096
# A change of a folder that is so old has another time than the next one, whatever the clock of its file system counts.
_SURE_NS = 2_000_000_000
#: The folder that was listed last: its device, inode and time then, and the names in it.
_LISTED: dict[str, tuple[tuple[int, int, int], list[str]]] = {}


class OpenFile(NamedTuple):
    """A regular file that was opened.

    Attributes
    ----------
    path : str
    descriptor : int
    found : os.stat_result
        Of the descriptor: the path may lead to another file by now.
    compression : str or None
        What its content is compressed with.
    """

    path: str
    descriptor: int
    found: os.stat_result
    compression: str | None

    def content(self) -> Iterator[bytes]:
        """The decompressed content, from the beginning of the file.

        Raises
        ------
        SourceError
            It is damaged, or not whole yet.
        """
        assert self.compression is not None
        at = 0

        def read(size: int) -> bytes:
            nonlocal at
            data = os.pread(self.descriptor, size, at)
            at += len(data)
            return data

        codec = codec_of(self.compression, self.path)
        yield from bounded(decompress(codec, read, b"", self.path, _CHUNK_BYTES), MAX_DECOMPRESSED, self.path)

    def between(self, begin: int, end: int) -> Iterator[bytes]:
        """The decompressed content from an offset up to another, or to the end.

        Raises
        ------
        OSError
            It cannot be read.
        """
        if self.compression is None:
            while data := os.pread(self.descriptor, min(_CHUNK_BYTES, end - begin), begin):
                begin += len(data)
                yield data
            return
        at = 0
        for data in self.content():
            if wanted := data[max(begin - at, 0) : max(end - at, 0)]:
                yield wanted
            at += len(data)
            if at >= end:
                return

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode."""
        return self.found.st_dev, self.found.st_ino

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.descriptor)


class Recognised(NamedTuple):
    """The file that holds the content of a checkpoint, and goes on behind it.

    Attributes
    ----------
    at : int
        Its number among the paths.
    file : OpenFile
    reach : Reach
        The content up to the checkpoint.
    """

    at: int
    file: OpenFile
    reach: Reach


def open_file(path: str) -> OpenFile:
    """Open a regular file.

    Raises
    ------
    OSError
        There is none, or it cannot be read.
    SourceError
        It is not a regular file.
    """
    # a named pipe without a writer would wait here
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            kind = "a folder" if stat.S_ISDIR(found.st_mode) else "not a regular file"
            raise SourceError(f"{path} is {kind}: a file that grows was expected", path=path)
        return OpenFile(path, descriptor, found, compression(read_at(descriptor, _HEAD_BYTES, 0)))
    except BaseException:
        os.close(descriptor)
        raise


def pieces_beside(path: str) -> list[str]:
    """The paths of the rotated pieces of a log in its folder, the oldest first; of a piece and its compressed copy, the piece.

    Parameters
    ----------
    path : str
        The absolute path of the log; it need not exist.
    """
    folder, own = os.path.split(path)
    try:
        names = _names(folder)
    except OSError:
        return []
    # A folder may hold the logs of thousands of jobs.
    begin = beginning_of_pieces(own)
    paths = []
    for at in range(bisect_left(names, begin), len(names)):
        if not names[at].startswith(begin):
            break
        paths.append(os.path.join(folder, names[at]))
    found = pieces_of({one: one for one in [*paths, path]}, [])
    ordered = sorted((piece.part, one) for one, piece in found.items() if piece.base == path and one != path)
    plain = {one for _, one in ordered}
    return [one for _, one in ordered if without_suffix(one) == one or without_suffix(one) not in plain]


def _names(folder: str) -> list[str]:
    """The names in a folder, sorted; not listed again for each log of it, as long as its time shows that none came or went."""
    found = os.stat(folder)
    status = found.st_dev, found.st_ino, found.st_mtime_ns
    known = _LISTED.get(folder)
    if known is not None and known[0] == status:
        return known[1]
    names = sorted(os.listdir(folder))
    _LISTED.clear()
    # What changes right behind a change may leave the time as it is.
    if time.time_ns() - found.st_mtime_ns > _SURE_NS:
        _LISTED[folder] = status, names
    return names


def recognise(
    checkpoint: Checkpoint, paths: list[str], others: Iterable[Checkpoint] = (), current: str | None = None
) -> Recognised | None:
    """Find the file that holds the content of a checkpoint, and perhaps more.

    A file with the device and inode of the checkpoint comes first; then the newest of the others, which may be compressed.

    Parameters
    ----------
    checkpoint : Checkpoint
    paths : list of str
        The pieces of the log, the oldest first; the log itself may be the last.
    others : iterable of Checkpoint
        Those of the other parts of the log. Short contents are equal in many logs: a file that is known as that of another part,
        or holds a longer content, is not taken.
    current : str, optional
        The path of the log itself, if it is among the paths.
    """
    others = list(others)
    for is_same in (True, False):
        if not is_same and not checkpoint.offset:
            # every file begins with nothing
            break
        for at in reversed(range(len(paths))):
            try:
                file = open_file(paths[at])
            except OSError:
                continue
            reach = None
            try:
                if is_same == (file.key == checkpoint.key):
                    reach = _reach(checkpoint, file)
                    rivals = others
                    if is_same:
                        # Of two parts whose files had this inode in turn, the one that was read further is the likelier. So it is
                        # of all parts, where the log has its name: no copy of a piece lies there.
                        is_at_name = paths[at] == current
                        rivals = [
                            one
                            for one in others
                            if one.offset > checkpoint.offset or (one.key != checkpoint.key and not is_at_name)
                        ]
                    if reach is not None and _is_of_another(file, checkpoint, rivals):
                        reach = None
            except OSError:
                # of a damaged or unreadable file it is not known what it holds
                reach = None
            if reach is not None:
                return Recognised(at, file, reach)
            file.close()
    return None


def behind(checkpoints: Collection[Checkpoint], paths: list[str]) -> list[str]:
    """The pieces that are newer than all that hold what checkpoints reach; all of them if none does.

    Parameters
    ----------
    checkpoints : collection of Checkpoint
        Up to where the parts were read.
    paths : list of str
        The pieces, the oldest first.
    """
    for at in reversed(range(len(paths))):
        try:
            file = open_file(paths[at])
        except OSError:
            continue
        try:
            if is_known(file, checkpoints):
                return paths[at + 1 :]
        except OSError:
            continue
        finally:
            file.close()
    return paths


def is_copied(file: OpenFile, path: str) -> bool:
    """Whether a file holds what another begins with, as a copy that is being made does.

    Parameters
    ----------
    file : OpenFile
    path : str
        Of the other.
    """
    try:
        other = open_file(path)
    except OSError:
        return False
    try:
        size = file.found.st_size
        begin = max(0, size - WINDOW_BYTES)
        return all(
            read_at(file.descriptor, count, at) == read_at(other.descriptor, count, at)
            for at, count in ((begin, size - begin), (0, size - begin))
        )
    except OSError:
        return False
    finally:
        other.close()


def is_known(file: OpenFile, checkpoints: Collection[Checkpoint]) -> bool:
    """Whether a file is that of a checkpoint, or a copy with exactly its content.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if file.compression is None:
        return _is_same(file, checkpoints) or any(
            one.reach_in(file.descriptor) is not None
            for one in checkpoints
            if one.offset and one.offset == file.found.st_size
        )
    if not any(one.offset for one in checkpoints):
        return False
    reach = Reach()
    for piece in file.content():
        reach = reach.after(piece)
    return any(one.offset and one.ends(reach) for one in checkpoints)


def holds_one(path: str, checkpoints: Collection[Checkpoint]) -> bool:
    """Whether the file at a path is that of one of some checkpoints; not if it cannot be read."""
    try:
        file = open_file(path)
    except OSError:
        return False
    try:
        return is_known(file, checkpoints)
    except OSError:
        return False
    finally:
        file.close()


def _is_same(file: OpenFile, checkpoints: Iterable[Checkpoint]) -> bool:
    """Whether a file is that of a checkpoint. Of a finished one, another file may have the inode, and begin with its content."""
    size = file.found.st_size
    return any(
        one.reach_in(file.descriptor) is not None
        for one in checkpoints
        if one.key == file.key and (not one.is_finished or one.offset >= WINDOW_BYTES or one.offset == size)
    )


def _is_of_another(file: OpenFile, checkpoint: Checkpoint, others: list[Checkpoint]) -> bool:
    try:
        known = is_known(file, others)
    except SourceError:
        if file.key != checkpoint.key:
            raise
        # it is being compressed: what is not whole yet is no copy
        known = False
    return known or any(
        _reach(one, file) is not None for one in others if one.offset > checkpoint.offset and not one.is_finished
    )


def _reach(checkpoint: Checkpoint, file: OpenFile) -> Reach | None:
    if file.compression is not None:
        found = checkpoint.content_behind(file.content())
        return None if found is None else found[0]
    if file.key != checkpoint.key and file.found.st_size < checkpoint.seen_bytes:
        return None
    return checkpoint.reach_in(file.descriptor)
