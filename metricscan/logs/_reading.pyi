from typing import Final, TypeAlias

from typing_extensions import Buffer

BUILT_FROM: Final[str]
WHOLE_BYTES: Final[int]
FIRST_BYTES: Final[int]
PLACE_BYTES: Final[int]
FLAG_BINARY: Final[int]
FLAG_PACKED: Final[int]
FLAG_EXPORT: Final[int]
FLAG_CRASH: Final[int]
FLAG_AGAIN: Final[int]
TAIL_BYTES: Final[int]
FLAG_MARKED: Final[int]
FLAG_UTF16: Final[int]
FLAG_TAR: Final[int]

_Look: TypeAlias = tuple[int, int, int, int]

def first_shows(head: bytes, magic: bytes) -> int: ...
def may_show_crash(tail: Buffer) -> bool: ...
def look_at(paths: list[bytes], magic: bytes) -> list[_Look | None]: ...
def begins_plain(data: Buffer, size: int) -> bool: ...
def has_utf16_in_places(data: Buffer | None, descriptor: int, size: int) -> bool: ...
def begins_utf32(head: Buffer) -> bool: ...
def utf16_at(data: Buffer, is_all: bool = False) -> tuple[int, int]: ...
def read_together(
    paths: list[bytes],
    buffer: Buffer,
    magic: bytes,
    *,
    first: int = 0,
    enough: int,
    universal: bool,
    again: bool = False,
    level: str = "auto",
) -> bytes | None: ...
def put_together(
    contents: list[bytes],
    buffer: Buffer,
    magic: bytes,
    *,
    first: int = 0,
    enough: int,
    universal: bool,
    again: bool = False,
    level: str = "auto",
) -> bytes | None: ...
