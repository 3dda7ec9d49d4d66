"""Deferred records: those that the core leaves to ``re`` or ``regex``, resolved in Python."""

from __future__ import annotations

import copy
import time
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from metricscan import _core

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Mapping

    from metricscan.scanning.options import Matches

# ``regex`` counts the CPU time of the whole process, so this does not bound one record exactly; it keeps a scan from
# hanging on a pattern that only ``regex`` takes.
REGEX_TIMEOUT_S = 2.0
# The CPU time that ``regex`` has for all records of a log: so much, and so much for each of their bytes: 100 KB/s.
# An ordinary pattern takes a hundredth of that.
REGEX_FREE_S = 5.0
REGEX_S_A_BYTE = 1e-5
# The logs of a replay have together so much beside what their bytes give: 10,000 small ones would have 14 hours else.
REGEX_SHARED_S = 60.0
# However little is left, a record has as much: an ordinary one takes a thousandth of that.
REGEX_LEAST_S = 0.02

#: In place of the group that holds the value: the value is empty, at the start of the match.
NO_GROUP = -1

Found = tuple[int, int, int, int, str | None]


class RegexTime:
    """CPU time of ``regex`` that several streams have together. They may use it on several threads.

    Parameters
    ----------
    left_s : float
    is_all : bool
        Whether there is no more: the bytes of records give nothing.
    """

    __slots__ = ("_left_s", "_lock", "is_all")

    def __init__(self, left_s: float, *, is_all: bool = False) -> None:
        self._left_s = left_s
        self.is_all = is_all
        self._lock = Lock()

    @property
    def left_s(self) -> float:
        """How much is left."""
        return self._left_s

    def take(self, wanted_s: float) -> float:
        """Take so much, or what is left of it."""
        with self._lock:
            taken = max(0.0, min(wanted_s, self._left_s))
            self._left_s -= taken
        return taken


class Resolver:
    """Resolves deferred records: a stream calls it with a pattern's number and the bytes of one record.

    Each stream has one of its own, because it adds up the time that ``regex`` takes. What its bytes give belongs to the stream
    alone: a log whose records use up what all share takes nothing from the others.

    Parameters
    ----------
    patterns : mapping of int to (engine, compiled, value group)
        The patterns whose records may be deferred. ``engine`` is ``"re"`` or ``"regex"``.
    matches : {"all", "first", "last"}
    companions : set of int
        Those of the patterns of which only the first match counts, whatever ``matches`` says.
    others : mapping of int to callable
        Patterns that are no regexes: each is called with the record, and gives the matches.

    Attributes
    ----------
    has_regex : bool
        Whether ``regex`` decides one of the patterns.
    """

    __slots__ = (
        "_companions",
        "_free_s",
        "_matches",
        "_others",
        "_own_s",
        "_patterns",
        "_shared",
        "_time",
        "has_regex",
    )

    def __init__(
        self,
        patterns: Mapping[int, tuple[str, re.Pattern[str], int]],
        matches: Matches,
        companions: frozenset[int] = frozenset(),
        others: Mapping[int, Callable[[bytes], list[Found]]] = MappingProxyType({}),
    ) -> None:
        self._others = dict(others)
        self._patterns = dict(patterns)
        self._matches = matches
        self._companions = companions
        self.has_regex = any(engine == "regex" for engine, _, _ in patterns.values())
        self._shared: RegexTime | None = None
        self._begin()

    def _begin(self) -> None:
        """Begin a stream: with what it may take of the time of all, and what its bytes gave and is left."""
        self._time = self._shared or RegexTime(REGEX_FREE_S)
        self._free_s = REGEX_FREE_S
        self._own_s = 0.0

    @property
    def shared(self) -> RegexTime | None:
        """The time of ``regex`` that its streams share with others."""
        return self._shared

    def sharing(self, time: RegexTime | None) -> Resolver:
        """One whose streams have this time of ``regex`` together; the same if they have no use for it, or share one already."""
        if not self.has_regex or self._shared is not None or time is None:
            return self
        other = copy.copy(self)
        other._shared = time
        return other

    def fresh(self) -> Resolver:
        """One for another stream; the same if nothing is to be added up."""
        if not self.has_regex:
            return self
        other = copy.copy(self)
        other._begin()
        return other

    def _allowed_s(self, size: int) -> float:
        """How long ``regex`` may take on a record of so many bytes; 0 if the time is used up."""
        if not self._time.is_all:
            self._own_s += size * REGEX_S_A_BYTE
        left_s = self._own_s + min(self._free_s, self._time.left_s)
        return max(REGEX_LEAST_S, min(REGEX_TIMEOUT_S, left_s)) if left_s > 0 else 0.0

    def _spend(self, spent_s: float) -> None:
        """Note what a record has taken: of the time of the stream, then of that of all."""
        self._own_s -= spent_s
        if self._own_s < 0:
            taken = self._time.take(min(-self._own_s, self._free_s))
            self._own_s += taken
            self._free_s -= taken

    def __call__(self, pattern: int, record: bytes) -> list[Found] | object:
        """Find every match that counts in a record.

        Returns
        -------
        list of (start, end, value start, value end, value), or an object
            Places are bytes of the record; -1, -1 and None mean that the value group did not participate. Instead of a list,
            ``_core.TIMED_OUT`` if ``regex`` ran out of time, in this record or in all, ``_core.FAILED`` if the engine raised.

        Raises
        ------
        MemoryError
        """
        other = self._others.get(pattern)
        if other is not None:
            return other(record)
        engine, compiled, group = self._patterns[pattern]
        matches = "first" if pattern in self._companions else self._matches
        text = record.decode("utf-8", "surrogateescape")
        limit: dict[str, Any] = {}
        began_s = 0.0
        if engine == "regex":
            limit["timeout"] = self._allowed_s(len(record))
            if not limit["timeout"]:
                return _core.TIMED_OUT
            began_s = time.thread_time()
        try:
            found: list[tuple[tuple[int, int], tuple[int, int]]] = []
            for match in compiled.finditer(text, **limit):
                value = match.span(group) if group != NO_GROUP else (match.start(), match.start())
                found.append((match.span(), value))
                # a record separates blocks once, however often the regex matches in it
                if matches == "first" or group == NO_GROUP:
                    break
        except MemoryError:
            raise
        except TimeoutError:
            return _core.TIMED_OUT
        except Exception:
            return _core.FAILED
        finally:
            if engine == "regex":
                self._spend(time.thread_time() - began_s)
        if matches == "last":
            del found[:-1]
        if record.isascii():
            return [(*span, *value, None if value[0] < 0 else text[value[0] : value[1]]) for span, value in found]
        return list(_in_bytes(text, found))


def _in_bytes(text: str, found: list[tuple[tuple[int, int], tuple[int, int]]]) -> list[Found]:
    """Spans of characters as spans of bytes; the text is encoded once for all matches, not once per match."""
    result: list[Found] = []
    char = byte = 0
    for (start, end), (value_start, value_end) in found:
        byte += _size(text[char:start])
        char = start
        size = _size(text[start:end])
        if value_start < 0:
            result.append((byte, byte + size, -1, -1, None))
            continue
        # a group inside a lookbehind or lookahead may lie outside its match
        value = byte + _size(text[start:value_start]) if value_start >= start else byte - _size(text[value_start:start])
        captured = text[value_start:value_end]
        result.append((byte, byte + size, value, value + _size(captured), captured))
    return result


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogateescape"))
