"""Regexes as syntax trees, made by ``re``'s own parser; a part that many definitions share is parsed once.

A list of definitions is mostly one shape under many names: ``train_loss=(.*?);``, ``val_loss=(.*?);``. A regex that begins
with plain text is that text and a rest, and the rest is parsed once for all of them. A test compares each tree made this way
with the parser's own.
"""

from __future__ import annotations

import builtins
import re
from functools import lru_cache
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as sre_parser  # type: ignore[attr-defined]
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

# Characters that match themselves, at the start of a regex. One more must follow; a repeat may apply to it, so it belongs to
# the rest.
_PLAIN = r"[^\\.^$*+?{}\[\]()|\n\r\x80-\U0010ffff]"
_START = re.compile(f"{_PLAIN}+(?={_PLAIN})")
_LITERALS = [(sre.LITERAL, code) for code in range(128)]
# trees are large, so only those of short texts are cached
_LONGEST_KEPT = 80
_MOST_KEPT = 64

# ``re`` may parse a regex and still refuse it when it generates code: a lookbehind of several widths or one too wide, the
# flag t, too deep a nesting. This finds all these constructs, and others that are rarer than plain groups and repeats.
_MAY_BE_REFUSED = re.compile(r"\(\?(?![:=!]|P[<=]|[aimsux]*(?:-[imsx]+)?[:)])|[*+?}]\+")
# generating code takes up to three nested calls per level, parsing takes two
_MOST_GROUPS = 50


class _Silence:
    """Replaces the module ``warnings`` in ``re``'s parser."""

    @staticmethod
    def warn(*_: object, **__: object) -> None:
        """Issue no warning."""


def _silenced(module: ModuleType, name: str) -> Callable[..., Any]:
    """A copy of a module's function that issues no warnings; nor do the module's functions that it calls.

    The parser warns of sets whose meaning may change one day. ``warnings.catch_warnings`` would silence it by changing the
    filters of the whole process, and threads that do so at the same time may leave them changed for good.
    """

    def imported(name: str, *how: Any) -> Any:
        return _Silence if name == "warnings" else __import__(name, *how)

    # the parser imports warnings where it warns
    names = {**vars(module), "warnings": _Silence, "__builtins__": {**vars(builtins), "__import__": imported}}
    for key, value in vars(module).items():
        if isinstance(value, FunctionType) and value.__globals__ is vars(module):
            copy = names[key] = FunctionType(value.__code__, names, key, value.__defaults__, value.__closure__)
            copy.__kwdefaults__ = value.__kwdefaults__
    function: Callable[..., Any] = names[name]
    return function


#: Parses a regex (with flags, as a number) by ``re``'s parser; it raises what the parser raises, and never warns.
parse_whole = _silenced(sre_parser, "parse")


def parse(regex: str) -> Any:
    r"""The tree that ``re``'s parser makes of a regex; it raises what the parser raises, and never warns.

    >>> parse("loss=a+").data == sre_parser.parse("loss=a+").data
    False
    >>> str(parse("loss=a+")) == str(sre_parser.parse("loss=a+"))
    True
    """
    start = _START.match(regex)
    # of several alternatives, the first text belongs to the first one alone
    if start is not None and len(regex) - start.end() <= _LONGEST_KEPT and "|" not in regex:
        rest = _rest(regex[start.end() :])
        if rest is not None:
            literals = [_LITERALS[code] for code in start[0].encode()]
            return sre_parser.SubPattern(rest.state, literals + rest.data)
    return parse_whole(regex)


@lru_cache(maxsize=_MOST_KEPT)
def _rest(regex: str) -> Any:
    try:
        return parse_whole(regex)
    except (re.error, OverflowError):
        # the error has to name its position in the whole regex
        return None


def forget() -> None:
    """Empty the cache of trees, as ``re.purge`` empties that of ``re``; for benchmarks."""
    _rest.cache_clear()


def is_surely_taken(regex: str) -> bool:
    r"""Whether ``re`` is known to accept a regex that its parser accepted; False: it may refuse it.

    >>> [is_surely_taken(regex) for regex in (r"a(?:b|c)+", "(?i)a(?=b)", "(?<=a+)b", "a++")]
    [True, True, False, False]
    """
    return _MAY_BE_REFUSED.search(regex) is None and regex.count("(") <= _MOST_GROUPS
