from typing import Final, Self, TypeAlias

from typing_extensions import Buffer, disjoint_base

BUILT_FROM: Final[str]
NO_TIME: Final[int]

#: Offset, line, expect, key, stack, has_events, is_control, payload, has_event, has_unnamed, time, given_up.
_Standing: TypeAlias = tuple[int, int, int, int, str, int, int, str | None, int, int, int, list[int]]

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
    def going_on(self) -> list[int]: ...
    def drop_text(self) -> None: ...
    def take_dropped(self) -> tuple[int, int, str, int]: ...
    def resume_at(self) -> tuple[int, int]: ...
    def standing(self) -> _Standing: ...
    def stand(
        self,
        offset: int,
        line: int,
        expect: int,
        key: int,
        stack: str,
        has_events: int,
        is_control: int,
        payload: str | None,
        has_event: int,
        has_unnamed: int,
        time: int,
        given_up: list[int],
    ) -> None: ...
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
