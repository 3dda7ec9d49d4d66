"""The entries of the core's tables; the core reads their fields by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.patterns.chain import Step
    from metricscan.patterns.program import Program
    from metricscan.patterns.span import Span

Strategy = Literal["span", "program", "confirm"]


class Watch(NamedTuple):
    """What is checked about the values of a pattern; the core writes what it finds to the rows of a companion.

    Attributes
    ----------
    companion : int
        The pattern that gets the rows.
    near : bool
        Whether the companion has a program, which is run on the records in which a candidate did not match.
    behind : bytes
        A table of bytes: those with which a longer number or a unit may go on (``Surroundings.behind``), and terminators.
    has_units : bool
        Whether the regex leaves open what follows the value, so that it may be a unit. If only a blank may follow, no.
    before : bytes or None
        A table of bytes: those behind which a value may begin within a word or a number. None if the regex says what precedes
        the value.
    value_starts : bytes
        A table of bytes: those with which any kind of value may begin.
    own : bytes
        A table of bytes: any text of them is a value of the pattern. Empty if that is true of none.
    goes_on : bytes
        A table of bytes: those with which any kind of value may go on behind bytes of ``own``; see ``Surroundings.goes_on``.
    lead_in : bytes
        The text that stands right before the value; empty if the regex does not say.
    lead_in_blanks : bool
        Whether blanks may stand between it and the value.
    lead_out : bytes
        The text that stands right behind the value; empty if the regex does not say.
    is_searched : bool
        Whether literals of the companion find records in which the name before the value is printed otherwise.
    """

    companion: int
    near: bool
    behind: bytes
    has_units: bool
    before: bytes | None
    value_starts: bytes
    own: bytes
    goes_on: bytes
    lead_in: bytes
    lead_in_blanks: bool
    lead_out: bytes
    is_searched: bool


class Pattern(NamedTuple):
    """How the core decides one pattern.

    Attributes
    ----------
    strategy : {"span", "program", "confirm"}
    span : Span or None
        Set under the strategy *span*.
    program : Program or None
        Set under the strategy *program*, and for a span that counts, for records where bytes and characters differ in number.
    steps : sequence of Step or None
        The steps of the chain, if the program is equivalent to a chain that begins with the searched literal.
    watch : Watch or None
    companion_of : int or None
        The pattern of which the rows show what is suspicious. Its literals make a record one that may be a near miss.
    is_label : bool
        Whether its values are texts: the stream numbers them.
    """

    strategy: Strategy
    span: Span | None = None
    program: Program | None = None
    steps: Sequence[Step] | None = None
    watch: Watch | None = None
    companion_of: int | None = None
    is_label: bool = False


class Needle(NamedTuple):
    """A literal that makes a record a candidate.

    Attributes
    ----------
    text : bytes
    place : int
        Where in the text its fingerprint lies.
    patterns : sequence of int
        The patterns that it makes a candidate.
    """

    text: bytes
    place: int
    patterns: Sequence[int]
