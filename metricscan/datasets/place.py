"""The place of a dataset: what may be replaced there, how a new one takes it, and what killed runs left beside it.

A dataset is written into a hidden folder beside its place, ``.NAME.12345678.partial``, which is locked while its owner lives. The
folders are swapped in one step, so at any time one of the two datasets has the name. Where the file system cannot swap, the old
one is moved to ``.NAME.12345678.old`` first; if the run is killed then, whoever asks for the dataset next moves it back.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from typing import TYPE_CHECKING

from metricscan.datasets import dataset_disk as disk
from metricscan.datasets.manifest import MANIFEST, described_files
from metricscan.definitions.paths import check_path
from metricscan.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PARTIAL, _OLD = ".partial", ".old"
#: The folder within that of an unfinished dataset in which the tasks of a fleet write.
TASKS = "_tasks"
_BESIDE = re.compile(rf"[0-9a-f]{{8}}(\.partial|\.old|\.partial\.{TASKS})")
# a swap by two renames takes less
_WAIT_S, _PAUSE_S = 2.0, 0.01


class Place:
    """The place of a dataset, and the folder beside it in which the dataset is written.

    Parameters
    ----------
    path : path
    overwrite : bool
        Whether a dataset may be replaced.
    sync : bool
        Whether what is written must be on the disk before it takes the place.

    Attributes
    ----------
    path : str
        The place; links are resolved, so that the folder is replaced and not the link.
    folder : str

    Raises
    ------
    OptionError
        Something stands there that must not be replaced.
    OSError
        The folder cannot be made.
    """

    def __init__(self, path: str | os.PathLike[str], *, overwrite: bool, sync: bool) -> None:
        check_path(path)
        self.path = os.path.realpath(path)
        self._overwrite = overwrite
        self._sync = sync
        recover(self.path)
        self._check()
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        _remove_left_overs(self.path)
        self._lock = -1
        self._written: tuple[int, int] | None = None
        try:
            while not self._made():
                # another run has taken it for a left-over
                continue
        except BaseException:
            self.leave()
            raise

    def _made(self) -> bool:
        """Make the folder and lock it; False if it was removed before it was locked."""
        self.folder = f"{_stem(self.path)}{secrets.token_hex(4)}{_PARTIAL}"
        self._old = self.folder.removesuffix(_PARTIAL) + _OLD
        os.mkdir(self.folder)
        self._written = disk.identity(self.folder)
        try:
            self._lock = disk.lock(self.folder)
        except (BlockingIOError, FileNotFoundError):
            return False
        except OSError as error:
            if error.errno not in disk.NO_LOCKS:
                raise
        if disk.identity(self.folder) == self._written:
            return True
        self._unlock()
        return False

    def take(self) -> None:
        """Let the folder take the place, in one step; what stood there is removed.

        Raises
        ------
        OptionError
            Something else stands there now.
        OSError
            The folder cannot be synced or moved.
        """
        if self._sync:
            disk.sync_tree(self.folder)
        self._check()
        if os.path.isdir(self.path) and os.listdir(self.path):
            self._swap()
        else:
            # an empty folder is replaced
            os.rename(self.folder, self.path)
        if self._sync:
            disk.sync(os.path.dirname(self.path), is_folder=True)
        self.leave()

    def leave(self) -> None:
        """Remove the folder if it is still there, and what it has replaced."""
        if self._written is None or disk.identity(self.folder) == self._written:
            disk.remove(disk.files_under(self.folder))
            with contextlib.suppress(OSError):
                os.rmdir(self.folder)
        self._unlock()
        recover(self.path)
        for left in (self.folder, self._old, f"{self.folder}.{TASKS}"):
            if os.path.lexists(left):
                _remove(left)

    def _unlock(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _check(self) -> None:
        if not os.path.lexists(self.path):
            return
        if not os.path.isdir(self.path):
            raise OptionError(f"{self.path} is a file; a folder was expected for the dataset")
        if not os.listdir(self.path):
            return
        foreign = _foreign_in(self.path)
        if foreign == MANIFEST:
            # only a dataset may be overwritten
            raise OptionError(
                f"{self.path} is not empty and not a dataset: it has no {MANIFEST} of metricscan; it is not overwritten"
            )
        if foreign is not None:
            raise OptionError(f"{self.path} holds {foreign}, which is no part of its dataset; it is not overwritten")
        if not self._overwrite:
            raise OptionError(f"{self.path} holds a dataset", hint="use --overwrite (overwrite=True) to replace it")

    def _swap(self) -> None:
        try:
            disk.exchange(self.folder, self.path)
        except disk.NoExchange:
            self._swap_by_renames()
            return
        if _foreign_in(self.folder) is not None:
            # it came between the check and the swap
            disk.exchange(self.folder, self.path)
            self._check()

    def _swap_by_renames(self) -> None:
        lock = _lock_if_possible(self.path)
        try:
            os.rename(self.path, self._old)
            if _foreign_in(self._old) is None:
                os.rename(self.folder, self.path)
            else:
                os.rename(self._old, self.path)
                self._check()
        except BaseException:
            # if the new one has the name, or the old one still has it, this fails
            with contextlib.suppress(OSError):
                os.rename(self._old, self.path)
            raise
        finally:
            if lock >= 0:
                os.close(lock)


def recover(path: str) -> None:
    """Give a dataset its name back, if a run that was to replace it was killed between two renames."""
    path = os.path.realpath(path)
    until = time.monotonic() + _WAIT_S
    while not os.path.lexists(path):
        lives = False
        for old in _beside(path, _OLD):
            if described_files(old) is None:
                continue
            lock = -1
            try:
                lock = disk.lock(old)
            except BlockingIOError:
                # the new dataset is about to have the name
                lives = True
                continue
            except OSError as error:
                if error.errno not in disk.NO_LOCKS:
                    continue
            try:
                with contextlib.suppress(OSError):
                    os.rename(old, path)
            finally:
                if lock >= 0:
                    os.close(lock)
        if not lives or time.monotonic() > until:
            return
        time.sleep(_PAUSE_S)


def _lock_if_possible(folder: str) -> int:
    """Lock a folder that another run may hold for a moment; -1 where the file system has no locks."""
    until = time.monotonic() + _WAIT_S
    while True:
        try:
            return disk.lock(folder)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)
        except OSError as error:
            if error.errno not in disk.NO_LOCKS:
                raise
            return -1


def _remove_left_overs(path: str) -> None:
    """Remove what killed runs left beside a dataset. What a run that lives has locked stays."""
    for left in _beside(path, _PARTIAL, _OLD, f"{_PARTIAL}.{TASKS}"):
        if left.endswith(_OLD) and not os.path.lexists(path):
            continue
        try:
            lock = disk.lock(left)
        except OSError:
            continue
        try:
            _remove(left)
        finally:
            os.close(lock)


def _remove(folder: str) -> None:
    """Remove a folder that has been a dataset's, or was to be; if foreign files are in it, it stays."""
    manifest = os.path.join(folder, MANIFEST)
    with contextlib.suppress(OSError):
        found = list(disk.files_under(folder))
        # one without a manifest, or with the beginning of one, never had the name of a dataset, so nobody else wrote into it
        if described_files(folder) is not None and _foreign_in(folder) is not None:
            return
        disk.remove(one for one in found if one[0] != manifest)
        if os.listdir(folder) == [MANIFEST]:
            os.unlink(manifest)
        os.rmdir(folder)


def _foreign_in(folder: str) -> str | None:
    """The first path in a folder that is no part of a dataset; that of the manifest if there is no valid one."""
    described = described_files(folder)
    if described is None:
        return MANIFEST
    folders, format_ = described
    part = re.compile(rf"part-[0-9]+\.{format_}")
    for path, is_folder in disk.files_under(folder):
        name = os.path.relpath(path, folder)
        above, _, file = name.rpartition(os.sep)
        if is_folder:
            is_ours = name in folders
        elif above:
            is_ours = above in folders and part.fullmatch(file) is not None
        else:
            is_ours = name in (MANIFEST, f"_ranking.{format_}")
        if not is_ours or os.path.islink(path):
            return name
    return None


def _beside(path: str, *suffixes: str) -> Iterator[str]:
    """The folders beside a dataset that runs made to write it, or to replace it."""
    above, stem = os.path.split(_stem(path))
    try:
        names = sorted(os.listdir(above))
    except OSError:
        return
    for name in names:
        if name.startswith(stem):
            found = _BESIDE.fullmatch(name[len(stem) :])
            if found is not None and found[1] in suffixes:
                yield os.path.join(above, name)


def _stem(path: str) -> str:
    """What the names of the folders beside a dataset begin with: hidden, and not too long."""
    above, name = os.path.split(path)
    if len(os.fsencode(name)) > 200:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return os.path.join(above, f".{name}.")
