from typing import Final

from metricscan._core import Columns

BUILT_FROM: Final[str]

def pack_row(out: bytearray, metric: int, columns: Columns) -> None: ...
def pack_difference(out: bytearray, text: bytes, before: bytes) -> None: ...
