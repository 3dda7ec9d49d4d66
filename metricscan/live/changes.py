"""Which logs may have changed, as far as the system tells it. It may not tell all: polls decide."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Self

from metricscan.live import _inotify
from metricscan.logs.rotation import beginning_of_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable

_READ_BYTES = 1 << 18
# Of so many names in a folder that are no log's it is remembered what they may be.
_MOST_NAMES = 65_536


class Changes:
    """Tells of changes in the folders of logs.

    Attributes
    ----------
    descriptor : int
        Readable when there is something to take.

    Raises
    ------
    OSError
        The system tells nothing.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "train.log")
    >>> with Changes() as changes:
    ...     changes.watch([str(path)], [])
    ...     _ = path.write_text("loss=0.5")
    ...     changes.take() == ({str(path)}, True)
    True
    """

    def __init__(self) -> None:
        self.descriptor = _inotify.open_queue()
        #: By folder the number of its watch; by this the folder.
        self._watches: dict[str, int] = {}
        self._folders: dict[int, str] = {}
        #: By watch and name of a file, the logs that have this name, or lead to it.
        self._logs: dict[int, dict[bytes, tuple[str, ...]]] = {}
        #: The same of other names that were met: the logs of which they may be pieces.
        self._others: dict[int, dict[bytes, tuple[str, ...]]] = {}

    def watch(self, logs: Iterable[str], folders: Iterable[str]) -> None:
        """Watch the folders of logs, and of what links lead to; and folders in which logs may appear.

        Parameters
        ----------
        logs : iterable of str
            Absolute paths.
        folders : iterable of str
        """
        for folder in folders:
            self._watch(folder)
        for path in logs:
            for place in dict.fromkeys([path, os.path.realpath(path)]):
                folder, name = os.path.split(place)
                number = self._watch(folder)
                if number is None:
                    continue
                names, key = self._logs[number], os.fsencode(name)
                names[key] = tuple(dict.fromkeys([*names.get(key, ()), path]))
                self._others[number] = {}

    def _watch(self, folder: str) -> int | None:
        number = self._watches.get(folder)
        if number is None:
            try:
                number = _inotify.watch(self.descriptor, os.fsencode(folder))
            except OSError:
                # it is not there, or there are too many watches: polls see what happens in it
                return None
            self._watches[folder] = number
            self._folders[number] = folder
            # two paths may lead to one folder
            self._logs.setdefault(number, {})
            self._others.setdefault(number, {})
        return number

    def take(self) -> tuple[set[str] | None, bool]:
        """The logs that may have changed since the last call, None for all; and whether there may be new ones."""
        changed: set[str] = set()
        are_all, is_new = False, False
        while True:
            try:
                data = os.read(self.descriptor, _READ_BYTES)
            except BlockingIOError:
                break
            for number, what, name in _inotify.events(data):
                if what & _inotify.OVERFLOW:
                    are_all = is_new = True
                elif what & _inotify.IGNORED:
                    self._watches.pop(self._folders.pop(number, ""), None)
                    self._logs.pop(number, None)
                    self._others.pop(number, None)
                    are_all = is_new = True
                elif number in self._logs:
                    changed.update(self._logs[number].get(name) or self._of_piece(number, name))
                    is_new = is_new or bool(what & _inotify.NEW)
        return None if are_all else changed, is_new

    def _of_piece(self, number: int, name: bytes) -> tuple[str, ...]:
        """The logs in a folder of which a file may be a piece, by its name."""
        others = self._others[number]
        found = others.get(name)
        if found is None:
            some = (
                logs
                for own, logs in self._logs[number].items()
                if name.startswith(os.fsencode(beginning_of_pieces(os.fsdecode(own))))
            )
            found = tuple(dict.fromkeys(path for logs in some for path in logs))
            if len(others) < _MOST_NAMES:
                others[name] = found
        return found

    def close(self) -> None:
        """Watch no more."""
        os.close(self.descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
