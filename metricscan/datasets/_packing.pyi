from array import array
from typing import Final

from metricscan._core import Columns

BUILT_FROM: Final[str]

def pack_row(out: bytearray, metric: int, columns: Columns, places: array[int], file: int) -> None: ...
def pack_difference(out: bytearray, text: bytes, before: bytes) -> None: ...
def unpack_difference(data: bytes, at: int, before: bytes) -> tuple[bytes, int]: ...
