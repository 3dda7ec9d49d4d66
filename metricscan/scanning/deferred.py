"""Deferred records: those that the core leaves to ``re`` or ``regex``, resolved in Python."""

from __future__ import annotations

import copy
import time
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
# The CPU time that ``regex`` has for all records of a stream: so much, and so much for each of their bytes: 100 KB/s.
# An ordinary pattern takes a hundredth of that.
REGEX_FREE_S = 5.0
REGEX_S_A_BYTE = 1e-5

#: In place of the group that holds the value: the value is empty, at the start of the match.
NO_GROUP = -1

Found = tuple[int, int, int, int, str | None]


class Resolver:
    """Resolves deferred records: a stream calls it with a pattern's number and the bytes of one record.

    Each stream has one of its own, because it adds up the time that ``regex`` takes.

    Parameters
    ----------
    patterns : mapping of int to (engine, compiled, value group)
        The patterns whose records may be deferred. ``engine`` is ``"re"`` or ``"regex"``.
    matches : {"all", "first", "last"}
    companions : set of int
        Those of the patterns of which only the first match counts, whatever ``matches`` says.
    others : mapping of int to callable
        Patterns that are no regexes: each is called with the record, and gives the matches.
    """

    __slots__ = ("_companions", "_has_regex", "_matches", "_others", "_patterns", "_regex_left_s")

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
        self._has_regex = any(engine == "regex" for engine, _, _ in patterns.values())
        self._regex_left_s = REGEX_FREE_S

    def fresh(self) -> Resolver:
        """One for another stream; the same if nothing is to be added up."""
        if not self._has_regex:
            return self
        other = copy.copy(self)
        other._regex_left_s = REGEX_FREE_S
        return other

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
            self._regex_left_s += len(record) * REGEX_S_A_BYTE
            if self._regex_left_s <= 0:
                return _core.TIMED_OUT
            limit["timeout"] = REGEX_TIMEOUT_S
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
                self._regex_left_s -= time.thread_time() - began_s
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
