from typing import TypeAlias

from typing_extensions import Buffer

_File: TypeAlias = tuple[int, int, int, int, int]

def read_together(paths: list[bytes], buffer: Buffer, *, universal: bool) -> list[_File] | None: ...
