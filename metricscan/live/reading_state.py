"""What a checkpoint holds of the part of a log that is read, and what is said of the end of a log, and of a container's log."""

from __future__ import annotations

import struct
from collections.abc import Mapping  # noqa: TC003 - typing.get_type_hints looks it up
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from metricscan.errors import OptionError
from metricscan.live.identity import Checkpoint, FileStatus
from metricscan.logs.formats import CONTAINER_STREAMS, STREAM_FORMATS
from metricscan.logs.tails import crash_of
from metricscan.scanning.stream import set_units

if TYPE_CHECKING:
    from collections.abc import Callable

    from metricscan.errors import SourceError
    from metricscan.logs.crashes import Crash
    from metricscan.scanning.scanner import Scanner
    from metricscan.scanning.stream import Stream

# Version, whether a stream without a state goes on there, up to where the unended record was flushed, the time of the file when
# all of it was read or 0, and the newlines before. The state of the stream follows, where it has one.
_STATE = struct.Struct("<BBQQQ")
_STATE_VERSION = 1
# That of a container's log or an export: version, the number of its format, the streams of which a message goes on behind it, and
# the time.
_CONTAINER_STATE = struct.Struct("<BBBQ")
_CONTAINER_VERSION = 2
# Before either of them, where values had units: version, and how many there are; pattern and unit of each.
_UNITS, _UNIT = struct.Struct("<BH"), struct.Struct("<IQ")
_UNITS_VERSION = 3
#: In the place of the checkpoint of a stream of a container or an export: the log itself, at the same path, has it. Behind it
#: stands the name of a stream of an export.
OF_STREAM = b"\0stream"
#: The streams of a container, as the decoder counts them; it names the first where the log names none.
STREAMS = ("", *CONTAINER_STREAMS)


class State(NamedTuple):
    """What a checkpoint holds of a part, but for the state of its stream."""

    is_plain: bool
    flushed: int
    modified_ns: int
    newlines: int
    #: ``"plain"``, or that of a container's log or an export.
    format: str = "plain"
    #: Streams of a container's log of which a message goes on behind what was read.
    going_on: frozenset[int] = frozenset()
    #: By pattern, the unit of the last value, where it is looked for suspects.
    units: Mapping[int, int] = MappingProxyType({})

    def packed(self) -> bytes:
        """As bytes, for :meth:`unpacked`."""
        if not self.units:
            return self._packed()
        units = (_UNIT.pack(pattern, unit) for pattern, unit in self.units.items())
        return b"".join((_UNITS.pack(_UNITS_VERSION, len(self.units)), *units, self._packed()))

    def _packed(self) -> bytes:
        if self.format == "plain":
            return _STATE.pack(_STATE_VERSION, *self[:4])
        number = STREAM_FORMATS.index(self.format)
        return _CONTAINER_STATE.pack(
            _CONTAINER_VERSION, number, sum(1 << one for one in self.going_on), self.modified_ns
        )

    @classmethod
    def unpacked(cls, state: bytes) -> tuple[State, bytes]:
        """What is packed at the beginning of a state, and the state of the stream behind it."""
        version = state[0]
        if version == _UNITS_VERSION:
            end = _UNITS.size + _UNIT.size * _UNITS.unpack_from(state)[1]
            found, of_stream = cls.unpacked(state[end:])
            return found._replace(units=dict(_UNIT.iter_unpack(state[_UNITS.size : end]))), of_stream
        if version == _CONTAINER_VERSION:
            _, number, bits, modified_ns = _CONTAINER_STATE.unpack_from(state)
            going_on = frozenset(one for one in range(len(STREAMS)) if bits >> one & 1)
            standing = cls(False, 0, modified_ns, 0, STREAM_FORMATS[number], going_on)
            return standing, state[_CONTAINER_STATE.size :]
        if version != _STATE_VERSION:
            raise ValueError(f"the state of a reader has version {version}: {_UNITS_VERSION} is the newest known")
        _, is_plain, *numbers = _STATE.unpack_from(state)
        return cls(bool(is_plain), *numbers), state[_STATE.size :]


def packed_plain(newlines: int, modified_ns: int) -> bytes:
    """The packed state of a text that goes on without the state of a stream."""
    return _STATE.pack(_STATE_VERSION, True, 0, modified_ns, newlines)


def standing_at(
    packed: bytes, path: str, new_stream: Callable[..., Stream], joining: Mapping[str, Any]
) -> tuple[State, Stream | None]:
    """What a checkpoint holds of a part, and the stream that goes on there; None if it begins there without a state.

    ``new_stream`` is a scanner's :meth:`~metricscan.Scanner.stream`, or ``watching_stream``.

    Raises
    ------
    OptionError
        The rows of before had other steps and workers.
    """
    state, of_stream = State.unpacked(packed)
    if not of_stream:
        if joining.get("step") or joining.get("worker"):
            raise OptionError(f"the rows of {path} had no steps and no workers until now", hint="begin another journal")
        return state, None
    try:
        stream = new_stream(format=state.format, state=of_stream, **joining)
    except OptionError as error:
        message = f"where the rows of {path} end: {error.message}"
        raise OptionError(message, hint="go on with the options of before, or begin another journal") from error
    set_units(stream, state.units)
    return state, stream


def of_stream(within: str) -> bytes:
    """What stands in the place of the checkpoint of a stream of a container or an export."""
    return OF_STREAM if within in CONTAINER_STREAMS else OF_STREAM + b"\0" + within.encode("utf-8", "surrogatepass")


def stream_in(checkpoint: bytes, stream: str) -> str:
    """Which stream of its log that is, by its name in its job."""
    if checkpoint == OF_STREAM:
        return stream.rpartition("/")[2]
    return checkpoint[len(OF_STREAM) + 1 :].decode("utf-8", "surrogatepass")


def last_record(tail: bytes, end: int) -> bytes:
    """The last line of the text before a place, of which this is the tail; empty if it is longer."""
    begin = tail.rfind(b"\n", 0, -1)
    return tail[begin + 1 :] if begin >= 0 or len(tail) == end else b""


def unchanged_since(checkpoints: Mapping[int, bytes]) -> FileStatus | None:
    """The status that the file of a log has as long as there is nothing new behind the checkpoints; None if that is not known."""
    if not checkpoints:
        return None
    parts = {part: Checkpoint.unpack(one) for part, one in checkpoints.items()}
    newest = parts.pop(max(parts))
    if newest.is_finished or not newest.state or not all(one.is_finished for one in parts.values()):
        return None
    state, _ = State.unpacked(newest.state)
    if not state.modified_ns or newest.seen_bytes > max(newest.offset, state.flushed):
        # its last record has not ended, and may have to be flushed
        return None
    return FileStatus(newest.device, newest.inode, newest.seen_bytes, state.modified_ns)


def crash_at(tail: bytes, end: int, newlines: int, scanner: Scanner) -> Crash | None:
    """The crash with which a text ends up to a place; None if it ends with none, or rows behind it show that it went on."""
    begin = end - len(tail)
    crash = crash_of(tail, begin, newlines)
    if crash is None or crash.after is None:
        return crash
    behind = scanner.scan(tail[crash.after - begin :])
    return None if any(table.num_rows for table in behind.values()) else crash


class CutMessage(NamedTuple):
    """A message of a container that began in the part before: what of it lies in this part is left out.

    ``is_certain`` is False where it is not known whether there is such a message. ``stream`` is empty where the log names none.
    """

    part: int
    stream: str
    is_certain: bool


class Unreadable(NamedTuple):
    """What of a container's log cannot be read."""

    part: int
    error: SourceError
