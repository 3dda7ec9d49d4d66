from typing import Final, Self

from typing_extensions import Buffer, disjoint_base

BUILT_FROM: Final[str]
NO_TIME: Final[int]

@disjoint_base
class Decoder:
    def __new__(
        cls,
        format: str,  # noqa: A002
        *,
        columns: tuple[int, int, int, int] = ...,
        offset: int = 0,
        line: int = 0,
        level: str = "auto",
        most_held: int = ...,
        goes_on: bool = ...,
    ) -> Self: ...
    def feed(self, data: Buffer, final: bool) -> int: ...
    def pass_over(self, size: int, lines: int) -> None: ...
    def take_over(self, before: Decoder) -> None: ...
    @property
    def held_from(self) -> int | None: ...
    @property
    def text(self) -> memoryview: ...
    @property
    def error(self) -> tuple[str, int] | None: ...
    @property
    def cut_off(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def newlines(self) -> int: ...
    @property
    def streams(self) -> list[tuple[bytes | None, tuple[int, int] | None, int]]: ...
    def translate(
        self,
        line: Buffer,
        offset: Buffer,
        start: Buffer,
        time: Buffer,
        stream: Buffer,
    ) -> None: ...
    def in_text(self, offset: int) -> int | None: ...
