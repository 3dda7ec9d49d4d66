from collections.abc import Callable, Sequence
from typing import Any, Final, Self, TypeAlias, final

from typing_extensions import Buffer, disjoint_base

SIMD_LEVELS: Final[tuple[str, ...]]
FAILED: Final[object]
TIMED_OUT: Final[object]

_Columns: TypeAlias = tuple[int, Column, Column, Column, Column, Column | None]
_Counts: TypeAlias = tuple[int, int, int, int, int, list[tuple[str, int, int]]]

@disjoint_base
class Engine:
    def __new__(
        cls,
        patterns: list[tuple[Any, ...]],
        literals: list[tuple[bytes, int, list[int]]],
        groups: list[tuple[int, int, int, int, int, Sequence[int]]],
        always: list[int],
        *,
        universal: bool,
        syslog: bool,
        strip: bool,
        matches: int,
        search: int,
        level: str,
    ) -> Self: ...

@final
class Slab: ...

@final
class Column:
    def __len__(self) -> int: ...
    def add(self, number: int) -> None: ...

@disjoint_base
class Stream:
    def __new__(
        cls,
        engine: Engine,
        confirm: Callable[[int, bytes], object],
        *,
        offset: int = 0,
        like: Stream | None = None,
        trace: bool = False,
        row_limit: int = -1,
    ) -> Self: ...
    def feed(self, data: Buffer, time: int = ...) -> None: ...
    def finish(self) -> None: ...
    def full(self) -> list[int]: ...
    def filled(self) -> list[int]: ...
    def places(self, pattern: int, first: int) -> tuple[memoryview, memoryview, memoryview] | None: ...
    def detach(self, pattern: int) -> _Columns | None: ...
    def latest(self, pattern: int) -> tuple[float, int, int, int, int | None] | None: ...
    def shift_lines(self, lines: int) -> None: ...
    def counts(self, pattern: int) -> _Counts: ...
    def counted(self) -> list[int]: ...
    @property
    def has_samples(self) -> bool: ...
    @property
    def traced(self) -> list[tuple[int, int, int, bytes, int, int, bytes | None, float | None]]: ...
    @property
    def newlines(self) -> int: ...
    @property
    def records(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def closed(self) -> bool: ...
