"""Which records may exceed the budget of steps of a program."""

from __future__ import annotations

from re import _constants as sre  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

from metricscan.patterns import safety
from metricscan.patterns.opcodes import FREE_STEPS, MOST_FRAMES, MOST_MEMO_BYTES, MOST_STEPS, STEPS_A_BYTE
from metricscan.patterns.tree import ONE_CHARACTER, REPEATS, within

if TYPE_CHECKING:
    from metricscan.patterns.program import Program
    from metricscan.patterns.tree import Tree

# A scan takes no longer records, unless it is told to.
LONGEST_RECORD = 64 << 20


def may_exceed(tree: Tree, program: Program) -> str | None:
    r"""Which records may exceed the budget of steps; None: none that a scan takes by default.

    Examples
    --------
    >>> from metricscan.patterns.dialect import compile_regex
    >>> from metricscan.patterns.program import compile_program
    >>> from metricscan.patterns.tree import Tree
    >>> trees = [Tree(compile_regex(regex).tree, 32) for regex in (r"loss=(\d+)", r"(?:a|ab)*c", r"((a|ab)*)\1+c")]
    >>> linear, remembered, captured = (may_exceed(tree, compile_program(tree, 0)) for tree in trees)
    >>> linear
    >>> remembered
    'those of more than 8,388,608 bytes'
    >>> captured
    'any: its failures are not remembered, because they depend on captured text or on counted rounds'
    """
    doubt = safety.doubt(tree)
    # from each place such a match is tried anew, as far as it can reach
    if not program.pure and (doubt is not None or tree.items.getwidth()[1] > STEPS_A_BYTE):
        return "any: its failures are not remembered, because they depend on captured text or on counted rounds"
    if doubt is not None and any(_has_lazy_run(av[2]) for op, av in within(tree.items) if op in REPEATS and av[1] > 1):
        return "any: a lazy repeat stands in a loop, and only some of its failures are remembered"
    longest = LONGEST_RECORD
    if doubt is not None:
        longest = min(longest, (MOST_STEPS - FREE_STEPS) // program.steps_a_byte)
        if program.splits:
            longest = min(longest, 8 * MOST_MEMO_BYTES // program.splits - 1)
    if program.has_loops:
        longest = min(longest, MOST_FRAMES // program.frames_a_byte)
    return f"those of more than {longest:,} bytes" if longest < LONGEST_RECORD else None


def _has_lazy_run(items: Any) -> bool:
    """Whether a lazy repeat of one class without a limit stands in the items."""
    return any(
        op is sre.MIN_REPEAT and av[1] is sre.MAXREPEAT and len(av[2]) == 1 and av[2][0][0] in ONE_CHARACTER
        for op, av in within(items)
    )
