from typing import Final

BUILT_FROM: Final[str]

def natural_keys(names: list[str]) -> list[bytes] | None: ...
