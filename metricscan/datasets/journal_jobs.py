"""The hyperparameters of the jobs of a journal: one line of JSON each time that those of a job are known or have changed.

The lines stand beside the segments, in a file of their own: they are facts about jobs, and no rows depend on them. A line has a
CRC-32 of its text; what follows the last whole line was being written, and is cut.
"""

from __future__ import annotations

import json
import os
import zlib
from typing import TYPE_CHECKING

from metricscan.datasets import journal_disk as disk

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "jobs.jsonl"
_CRC_CHARACTERS = 8


def read_jobs(path: str) -> tuple[dict[str, dict[str, str]], int]:
    """The hyperparameters of each job of the journal in a folder, and where the last whole line ends.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    found: dict[str, dict[str, str]] = {}
    end = 0
    try:
        data = disk.read_file(os.path.join(path, NAME))
    except FileNotFoundError:
        return found, end
    for line in data.splitlines(keepends=True):
        text = line[_CRC_CHARACTERS + 1 : -1]
        if not line.endswith(b"\n") or line[: _CRC_CHARACTERS + 1] != _crc(text):
            break
        entry = json.loads(text)
        found[entry["job"]] = entry["hyperparameters"]
        end += len(line)
    return found, end


def _crc(text: bytes) -> bytes:
    return b"%08x " % zlib.crc32(text)


class KnownJobs:
    """What a journal's file of jobs holds, and what is to be added to it."""

    def __init__(self, path: str) -> None:
        self._path = os.path.join(path, NAME)
        self._known, self._end = read_jobs(path)
        self._unwritten: dict[str, dict[str, str]] = {}
        # whoever made the file may have been killed before its name was on the disk
        self._has_name = False

    def note(self, job: str, hyperparameters: Mapping[str, str]) -> None:
        """Take in the hyperparameters of a job; none of a job that had some is no news, since its files may be gone."""
        if hyperparameters and self._known.get(job) != hyperparameters:
            self._known[job] = self._unwritten[job] = dict(hyperparameters)

    def write(self) -> None:
        """Write what is new. When this returns, it is on the disk; where it fails, another call does it again.

        Raises
        ------
        OSError
            It could not be written.
        """
        if not self._unwritten:
            return
        lines = []
        for job, hyperparameters in self._unwritten.items():
            text = json.dumps({"job": job, "hyperparameters": hyperparameters}, separators=(",", ":")).encode()
            lines.append(_crc(text) + text + b"\n")
        data = b"".join(lines)
        descriptor = disk.opened(self._path)
        try:
            # a whole line of an earlier try must not follow those that replace it
            disk.cut(descriptor, self._end)
            disk.write_at(descriptor, data, self._end)
        finally:
            os.close(descriptor)
        if not self._has_name:
            disk.sync_folder(os.path.dirname(self._path))
            self._has_name = True
        self._end += len(data)
        self._unwritten = {}
