"""Rows of exported log events: their places and times in the export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from metricscan import _core
    from metricscan.logs._events import Unframer


class Rows:
    """Rows that a stream holds of one pattern: their places become those in the export piece by piece, until they are taken."""

    def __init__(self) -> None:
        self.count = 0
        self._times: list[np.ndarray[Any, Any]] = []

    def note(self, core: _core.Stream, pattern: int, events: Unframer) -> None:
        """Give the new rows of a pattern, which lie in the unframer's text, their places in the export."""
        import numpy as np

        places = core.places(pattern, self.count)
        if places is not None:
            rows = len(places[0]) // 8
            times = np.empty((2, rows), dtype=np.int64)
            events.translate(*places, *times)
            self._times.append(times)
            self.count += rows

    def take(self, core: _core.Stream, pattern: int) -> tuple[pa.RecordBatch, np.ndarray[Any, Any]]:
        """All rows as one batch, and the number of each one's stream. There must be some."""
        import numpy as np

        from metricscan.scanning.arrow import from_columns

        columns = core.detach(pattern)
        assert columns is not None
        time, stream = np.concatenate(self._times, axis=1)
        self.count = 0
        self._times = []
        return from_columns(columns, time), stream


def place(events: Unframer, line: int, offset: int) -> tuple[int, int]:
    """Line and offset in the export of a record that lies in the unframer's text."""
    import numpy as np

    places = [np.array([number], dtype=np.int64) for number in (line, offset, offset, 0, 0)]
    events.translate(*places)  # type: ignore[arg-type]
    return int(places[0][0]), int(places[1][0])
