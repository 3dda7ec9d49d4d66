"""What bounds every engine: reading the bytes, on one thread and on two, and ``wc -l``."""

from __future__ import annotations

import subprocess
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def read_all(data: bytes) -> Callable[[], Any]:
    """Return a call that reads every byte once and does nothing else: the ceiling of any engine in memory."""
    import numpy as np

    return np.frombuffer(data, np.uint8).max


def read_all_by_two(data: bytes) -> Callable[[], Any]:
    """Return a call that reads one half of the bytes while another thread reads the other: what two threads get from memory."""
    import numpy as np

    halves = np.array_split(np.frombuffer(data, np.uint8), 2)

    def both() -> None:
        other = threading.Thread(target=halves[1].max)
        other.start()
        halves[0].max()
        other.join()

    return both


def count_newlines(path: Path) -> Callable[[], Any]:
    """Return a call of ``wc -l`` on a file: the simplest thing that reads lines."""
    return lambda: subprocess.run(["wc", "-l", path], check=True, stdout=subprocess.DEVNULL)
