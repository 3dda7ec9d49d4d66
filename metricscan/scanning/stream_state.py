"""Where a live stream stands, as bytes: another process goes on from there."""

from __future__ import annotations

import json
import struct
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan import _core
from metricscan.errors import MetricscanError, OptionError, quoted
from metricscan.scanning.labels import LabelStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from metricscan.scanning.plan import Plan
    from metricscan.scanning.stream_exported import ExportedRows

_MAGIC = b"metricscan stream "
VERSION = 3
# The greatest offset at which a stream can begin. It leaves room for all that is fed.
_MOST_OFFSET = 2**62


class JoinedOtherwiseError(OptionError):
    """A state of a stream whose rows got their steps and workers by other options.

    Attributes
    ----------
    step : str or None
        The step metric of that stream.
    has_step_alone : bool
        Whether its other options were the default.
    """

    def __init__(self, message: str, step: str | None = None, *, has_step_alone: bool = False) -> None:
        super().__init__(message)
        self.step = step
        self.has_step_alone = has_step_alone


class Standing(NamedTuple):
    """Where a stream stands.

    Attributes
    ----------
    offset : int
        Of the first byte of the record that has not ended.
    line : int
        Newlines before it.
    records : int
        Records that have ended.
    first_offset : int
        Where the stream began.
    beginning : int
        What may still come of the beginning, as the core says it.
    skip_lf : bool
        Whether a newline that comes next belongs to the last record.
    counted : list
        The counts of each pattern that has some, and its newest row.
    is_decided : bool
        Whether it is known that the stream does not begin with a mark of UTF-16 or UTF-32.
    given : int or None
        The offset of the record whose rows were given out before its end, and are not replaced yet.
    rows : list or None
        What :meth:`StepRows.state` returned; None without steps and workers.
    decoded : list or None
        What :meth:`DecodedRows.state` returned; None unless the stream is decoded. Offsets are those of the text then.
    exported : list or None
        What :meth:`ExportedRows.state` returned; None unless the stream is that of an export or a container's log.
    """

    offset: int
    line: int
    records: int
    first_offset: int
    beginning: int
    skip_lf: bool
    counted: list[Any]
    is_decided: bool
    given: int | None = None
    rows: list[Any] | None = None
    decoded: list[Any] | None = None
    exported: list[Any] | None = None


def begun(offset: Any, line: Any) -> Standing | None:
    """The standing of a stream that begins with the record at an offset, in this line; None at the beginning of a source.

    Raises
    ------
    OptionError
        One of them is no whole number in its range, or they contradict each other.
    """
    faults = [
        f"{name}={quoted(value)}: a whole number, {least} or more was expected"
        for name, value, least in (("offset", offset, 0), ("line", line, 1))
        if isinstance(value, bool) or not hasattr(value, "__index__") or not least <= value <= _MOST_OFFSET
    ]
    if not faults and line > offset + 1:
        faults.append(f"line={line}: before offset {offset} there are at most {offset} line ends")
    if faults:
        raise OptionError("; ".join(faults))
    if not offset:
        return None
    return past_beginning(offset, line - 1, 0, [])


def past_beginning(offset: int, newlines: int, records: int, counted: list[Any]) -> Standing:
    """The standing of a stream at the beginning of a record that is not the first one of a source."""
    return Standing(offset, newlines, records, offset, _core.PAST_BEGINNING, False, counted, is_decided=True)


def packed(core: _core.Stream, fingerprint: str, plan: Plan, exported: ExportedRows | None, **further: Any) -> bytes:
    """The state of a stream; ``fingerprint`` is that of its scanner, ``further`` what the core does not know of its standing."""
    standing = Standing(*_core.standing(core), **further)
    if plan.companions:
        # hidden patterns, which a stream that does not watch has not
        standing = standing._replace(counted=[one for one in standing.counted if plan.names[one[0]]])
    if exported is not None:
        # the text of the messages begins anew, and each piece of it ends with a record
        counted = [(pattern, *counts, exported.samples(pattern), row) for pattern, *counts, _, row in standing.counted]
        standing = past_beginning(0, 0, standing.records, counted)._replace(**further, exported=exported.state())
    counted = [
        (*counts, None if newest is None else (spelled(newest[0]), *newest[1:])) for *counts, newest in standing.counted
    ]
    text = json.dumps([fingerprint, *standing._replace(counted=counted)], separators=(",", ":")).encode()
    return b"%s%d %08x\n%s" % (_MAGIC, VERSION, zlib.crc32(text), text)


@contextmanager
def reading() -> Iterator[None]:
    """Within this block what no stream writes, though its checksum is right, is an error of ours."""
    try:
        yield
    except MetricscanError:
        raise
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RecursionError) as error:
        raise OptionError("state: its checksum is right, but it holds what no stream writes") from error


def read(state: Any, fingerprint: str, format_: str, joining: tuple[Any, ...] | None) -> Standing:
    """The standing that a state holds of a stream in this format; ``joining`` says which steps and workers its rows have.

    Raises
    ------
    OptionError
        It is no state, is damaged, was made by another version, by a scanner of other definitions or options, or of a stream in
        another format or with another step or other workers.
    """
    try:
        data = bytes(memoryview(state))
    except TypeError:
        raise OptionError(f"state={type(state).__name__}: the bytes of Stream.state() were expected") from None
    head, _, text = data.partition(b"\n")
    words = head.removeprefix(_MAGIC).split(b" ")
    if not head.startswith(_MAGIC) or len(words) != 2 or not words[0].isdigit():
        raise OptionError("state: these bytes do not begin as those of Stream.state() do")
    if int(words[0]) != VERSION:
        writer = "a newer" if int(words[0]) > VERSION else "an older"
        raise OptionError(
            f"state: it has version {int(words[0])}, {VERSION} was expected; {writer} metricscan wrote it"
        )
    if words[1] != b"%08x" % zlib.crc32(text):
        raise OptionError("state: its checksum is wrong, so bytes are missing or were changed")
    maker, *fields = json.loads(text)
    if maker != fingerprint:
        raise OptionError("state: it was made by a scanner of other definitions or options")
    standing = Standing(*fields)
    of_format = "plain" if standing.exported is None else standing.exported[0]
    if of_format != format_:
        raise OptionError(f"state: it was made by a stream with format={of_format!r}")
    had = None if standing.rows is None else standing.rows[0]
    if had != (None if joining is None else json.loads(json.dumps(joining))):
        step, place, workers, carried = (None, "before", [], []) if had is None else had
        raise JoinedOtherwiseError(
            f"state: it was made by a stream with step={step!r}, step_place={place!r}, worker={workers!r}, carry={carried!r}",
            step,
            has_step_alone=(place, workers, carried) == ("before", [], []),
        )
    return standing._replace(
        counted=[
            (*counts, None if newest is None else (value_of(newest[0]), *newest[1:]))
            for *counts, newest in standing.counted
        ]
    )


def put(core: _core.Stream, standing: Standing, plan: Plan) -> None:
    """Let a fresh stream stand there."""
    counted = []
    for pattern, *counts, newest in standing.counted:
        row = newest
        if newest is not None and pattern in plan.labels and isinstance(core, LabelStream):
            row = core.restore(pattern, newest[0]), *newest[1:]
        counted.append((pattern, *counts, row))
    _core.stand(core, *standing[:6], counted)


def spelled(value: float | str | None) -> int | str | None:
    """A value without loss, for JSON, which has no nan."""
    return int.from_bytes(struct.pack("<d", value), "little") if isinstance(value, float) else value


def value_of(spelled: int | str | None) -> Any:
    """The value that is spelled so."""
    if not isinstance(spelled, int):
        return spelled
    (value,) = struct.unpack("<d", spelled.to_bytes(8, "little"))
    return float(value)
