"""What is known of a journal at a place in it: metrics, files, checkpoints, notices; and how that is written down."""

from __future__ import annotations

import json
from array import array
from typing import TYPE_CHECKING, Literal, NamedTuple

from metricscan.datasets.journal_packing import PLACE, Packer, Unpacker
from metricscan.logs.job import Notice

if TYPE_CHECKING:
    from metricscan.logs.crashes import Crash

# What is said of a file besides its rows.
HAS_CHECKPOINT, HAS_CRASH, IS_WATCHED = 1, 2, 4
#: The suspects of a metric are rows of this name with that of the metric behind it.
SUSPECTS = "\0suspects of "


class FollowedFile(NamedTuple):
    """A file of which a journal holds rows: the part of a stream of a job.

    Attributes
    ----------
    job, stream : str
    part : int
        The piece of a rotated stream, or the generation of a file that was replaced; the oldest is 0.
    path : str
    """

    job: str
    stream: str
    part: int
    path: str

    @property
    def key(self) -> tuple[str, str, int]:
        """What distinguishes it from the other files of its journal."""
        return self[:3]


class State:
    """What is known of a journal at a place in it.

    Attributes
    ----------
    metrics : dict of str to int
        The number of each metric that has rows.
    rows : list of int
        By number of the metric, how many rows were written. Rows that were replaced count, too.
    labels : list of bool
        By number of the metric, whether its values are text.
    files : list of FollowedFile
        By number.
    checkpoints : list of (bytes or None)
        By number of the file.
    crashes : list of (Crash, False or None)
        By number of the file, the crash with which it ends; False for none, None where that is not known.
    watched : list of bool
        By number of the file, whether all of its suspects are among the rows.
    texts : list of str
        The texts of labels by number. The numbers hold within a segment.
    places : array of int
        By number of the file, ``PLACE`` numbers: where the rows stand that were written last in this segment.
    notices : list of Notice
    """

    def __init__(self) -> None:
        self.metrics: dict[str, int] = {}
        self.rows: list[int] = []
        self.labels: list[bool] = []
        self.files: list[FollowedFile] = []
        self.checkpoints: list[bytes | None] = []
        self.crashes: list[Crash | Literal[False] | None] = []
        self.watched: list[bool] = []
        self.texts: list[str] = []
        self.places: array[int] = array("q")
        self.notices: list[Notice] = []

    # ---- declarations: texts, metrics, files and notices that were not named before

    def pack_news(self, out: Packer, since: tuple[int, int, int, int]) -> None:
        """Write what was added since the counts were these."""
        texts, metrics, files, notices = since
        out.number(len(self.texts) - texts)
        for text in self.texts[texts:]:
            out.text(text)
        out.number(len(self.metrics) - metrics)
        for name, number in list(self.metrics.items())[metrics:]:
            out.text(name)
            out.append(self.labels[number])
        out.number(len(self.files) - files)
        for file in self.files[files:]:
            out.text(file.job)
            out.text(file.stream)
            out.number(file.part)
            out.text(file.path)
        out.number(len(self.notices) - notices)
        for notice in self.notices[notices:]:
            out.text(notice.message)
            out.text(notice.path or "")

    def counts(self) -> tuple[int, int, int, int]:
        """How many texts, metrics, files and notices there are."""
        return len(self.texts), len(self.metrics), len(self.files), len(self.notices)

    def unpack_news(self, data: Unpacker) -> None:
        """Read what was added."""
        for _ in range(data.number()):
            self.texts.append(data.text())
        for _ in range(data.number()):
            self.add_metric(data.text(), is_label=bool(data.number()))
        for _ in range(data.number()):
            self.add_file(FollowedFile(data.text(), data.text(), data.number(), data.text()))
        for _ in range(data.number()):
            self.notices.append(Notice(data.text(), data.text() or None))

    def add_metric(self, name: str, *, is_label: bool) -> int:
        """Give a metric the next number."""
        number = self.metrics[name] = len(self.metrics)
        self.rows.append(0)
        self.labels.append(is_label)
        return number

    def add_file(self, file: FollowedFile) -> int:
        """Give a file the next number."""
        self.files.append(file)
        self.checkpoints.append(None)
        self.crashes.append(None)
        self.watched.append(True)
        self.places.extend([0] * PLACE)
        return len(self.files) - 1

    def begin_segment(self) -> None:
        """Forget what holds within a segment."""
        self.texts = []
        self.places = array("q", bytes(8 * len(self.places)))

    # ---- the header of a segment

    def pack(self) -> bytes:
        """All but the texts, as the header of a segment has it."""
        out = Packer()
        self.pack_news(out, (len(self.texts), 0, 0, 0))
        for rows in self.rows:
            out.number(rows)
        for checkpoint, crash, watched in zip(self.checkpoints, self.crashes, self.watched, strict=True):
            out.append(
                HAS_CHECKPOINT * (checkpoint is not None) | HAS_CRASH * (crash is not None) | IS_WATCHED * watched
            )
            out.blob(checkpoint or b"")
            if crash is not None:
                out.text(crash_text(crash))
        return bytes(out)

    @classmethod
    def unpacked(cls, data: Unpacker) -> State:
        """The state in the header of a segment."""
        state = cls()
        state.unpack_news(data)
        state.rows = [data.number() for _ in state.rows]
        for number in range(len(state.files)):
            has = data.number()
            checkpoint = data.blob()
            state.checkpoints[number] = checkpoint if has & HAS_CHECKPOINT else None
            if has & HAS_CRASH:
                state.crashes[number] = crash_of_text(data.text())
            state.watched[number] = bool(has & IS_WATCHED)
        return state


def crash_text(crash: Crash | Literal[False]) -> str:
    """How a journal writes the crash with which a file ends; empty for none."""
    return json.dumps(list(crash), separators=(",", ":")) if crash else ""


def crash_of_text(text: str) -> Crash | Literal[False]:
    """What :func:`crash_text` wrote."""
    if not text:
        return False
    from metricscan.logs.crashes import Crash

    return Crash(*json.loads(text))
