"""Companions: hidden patterns whose rows are suspects, the values of a metric that may not be what the log says."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from metricscan.definitions.surroundings import BEFORE, VALUE_STARTS, Surroundings, surroundings
from metricscan.patterns.dialect import compile_quietly, read_regex, value_group
from metricscan.patterns.literals import best_set, required_literals
from metricscan.patterns.parse import parse_whole
from metricscan.patterns.program import compile_program
from metricscan.patterns.tree import Tree
from metricscan.scanning.tables import Pattern, Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.patterns.program import Program
    from metricscan.scanning.tables import Strategy

# A terminator, behind which the next record may go on (kernel/tables.h).
_TERMINATOR = 4
# A regex of a table's row: without a literal it is tried on every record, and few records besides rows begin with a number.
_ROW = re.compile(r"\^(?:\\s[*+]?|\ \*?|\(\?:)*(?:\\d|\[0-9\])")
_CLOSED = Surroundings(False, False, None, None, (b"", False), b"")


def add_companions(
    rows: list[Pattern],
    deciders: dict[int, tuple[str, re.Pattern[str], int]],
    keys: Sequence[tuple[str, str]],
    users: dict[bytes, list[int]],
    always: list[int],
    search: str,
) -> dict[int, int]:
    """Give each pattern of a metric a companion, and return the pattern of each companion.

    Parameters
    ----------
    rows : list of Pattern
        The entries of the core's tables; those of the companions are appended.
    deciders : dict of int to (engine, compiled, group)
        Those of the companions that Python decides are added.
    keys : sequence of (str, str)
        Per pattern its regex, and whether it is that of a metric, a label or a block.
    users : dict of bytes to list of int
        Per literal, the patterns that it makes candidates. Changed where a near miss does not hold the literals of its pattern;
        literals of names that are printed otherwise are added.
    always : list of int
        The patterns that are tried on every record. Those of tables' rows are added that have no literal outside the value.
    search : str
        As of the engine.
    """
    literals: dict[int, list[bytes]] = {}
    for literal, patterns in users.items():
        for index in patterns:
            literals.setdefault(index, []).append(literal)
    companions = {}
    for index, (regex, kind) in enumerate(keys):
        if kind != "metric":
            continue
        around = surroundings(regex) or _CLOSED
        companion = len(rows)
        companions[companion] = index
        near = _finds_misses(regex, around, index, literals.get(index, ()), rows, users, always)
        relaxed = _relaxed(around.relaxed) if near and around.relaxed is not None else _REFUSED
        near = relaxed.is_taken
        if near and (relaxed.program is None or rows[index].strategy == "confirm" or search == "every"):
            deciders[companion] = "re", compile_quietly(str(around.relaxed)), 0
        # of a pattern that Python decides, records with both texts would be near misses twice
        other = around.other_prints if near and rows[index].strategy != "confirm" else ()
        for text in other:
            users.setdefault(text, []).append(companion)
        strategy: Strategy = "confirm" if relaxed.program is None else "program"
        rows.append(Pattern(strategy, None, relaxed.program, companion_of=index))
        rows[index] = rows[index]._replace(
            watch=Watch(
                companion,
                near,
                bytes(_TERMINATOR if byte in b"\r\n" else kind for byte, kind in enumerate(around.behind)),
                around.is_open_behind,
                BEFORE if around.is_open_before else None,
                VALUE_STARTS,
                around.own,
                around.goes_on,
                *around.lead_in,
                around.lead_out,
                bool(other),
            )
        )
    return companions


class _Relaxed(NamedTuple):
    """What becomes of a relaxed regex: whether it is taken, and its program, None if Python has to decide it."""

    is_taken: bool
    program: Program | None


_REFUSED = _Relaxed(False, None)


@lru_cache(maxsize=1024)
def _relaxed(regex: str) -> _Relaxed:
    # what a watching plan of a metric costs is mostly this; re generates code only for the few that Python decides
    try:
        tree = parse_whole(regex)
        program = compile_program(Tree(tree, tree.state.flags), 0)
        if isinstance(program, str):
            compile_quietly(regex)
            return _Relaxed(True, None)
    except (re.error, RecursionError, OverflowError):
        return _REFUSED
    return _Relaxed(True, program)


def _finds_misses(
    regex: str,
    around: Surroundings,
    index: int,
    literals: Sequence[bytes],
    rows: list[Pattern],
    users: dict[bytes, list[int]],
    always: list[int],
) -> bool:
    """Whether each near miss is a candidate of the pattern.

    The value may be a part of the literals, as in ``loss=(0\\.[0-9]+)``. If the rest of the regex has literals, the pattern is
    searched by those instead. A pattern without literals, but for those in the value, has near misses if it is that of a table's
    row: it is tried on every record.
    """
    if around.relaxed is None or around.opened is None:
        return False
    if not literals:
        return _ROW.match(regex) is not None and rows[index].strategy != "confirm"
    dialect = read_regex(around.opened)
    sets = required_literals(Tree(dialect.tree, dialect.tree.state.flags))
    if any(all(any(literal in text for literal in literals) for text in some) for some in sets):
        return True
    best = best_set(list(sets))
    is_row = _ROW.match(regex) is not None and rows[index].strategy != "confirm"
    if best is None and not is_row:
        return False
    if rows[index].strategy != "confirm":
        dialect = read_regex(regex)
        program = compile_program(Tree(dialect.tree, dialect.tree.state.flags), value_group(dialect))
        if isinstance(program, str):
            return False
        rows[index] = Pattern("program", None, program)
    for literal in literals:
        users[literal].remove(index)
        if not users[literal]:
            del users[literal]
    for literal in best or ():
        users.setdefault(literal, []).append(index)
    if best is None:
        always.append(index)
    return True
