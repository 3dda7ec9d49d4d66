"""The entries of the core's tables; the core reads their fields by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metricscan.patterns.chain import Step
    from metricscan.patterns.program import Program
    from metricscan.patterns.span import Span

Strategy = Literal["span", "program", "confirm"]


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
    """

    strategy: Strategy
    span: Span | None = None
    program: Program | None = None
    steps: Sequence[Step] | None = None


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
