from typing import Final

BUILT_FROM: Final[str]

def digest(data: bytes) -> bytes: ...
