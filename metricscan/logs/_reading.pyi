from typing import Final, TypeAlias

from typing_extensions import Buffer

BUILT_FROM: Final[str]
FLAG_NUL: Final[int]
FLAG_PACKED: Final[int]
FLAG_EXPORT: Final[int]
FLAG_CRASH: Final[int]
TAIL_BYTES: Final[int]

_Look: TypeAlias = tuple[int, int, int, int]

def first_shows(head: bytes, magic: bytes) -> int: ...
def may_show_crash(tail: Buffer) -> bool: ...
def look_at(paths: list[bytes], magic: bytes) -> list[_Look | None]: ...
def read_together(
    paths: list[bytes],
    buffer: Buffer,
    magic: bytes,
    *,
    first: int = 0,
    enough: int,
    universal: bool,
    level: str = "auto",
) -> bytes | None: ...
