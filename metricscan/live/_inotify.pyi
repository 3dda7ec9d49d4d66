from typing import Final

BUILT_FROM: Final[str]
OVERFLOW: Final[int]
IGNORED: Final[int]
NEW: Final[int]

def open_queue() -> int: ...
def watch(descriptor: int, folder: bytes) -> int: ...
def events(data: bytes) -> list[tuple[int, int, bytes]]: ...
