"""A scanner that also finds the separators of blocks, for rows whose step stands in the same block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from metricscan.definitions.blocks import separators
from metricscan.scanning.scanner import report_untamed

if TYPE_CHECKING:
    from metricscan.scanning.scanner import Scanner


def with_separators(scanner: Scanner, block: str | bool) -> Scanner:
    """The scanner with the separators of blocks among its labels: those of a regex, or lines of ``-``, ``=`` or ``+``.

    Raises
    ------
    DefinitionError
        The regex is not valid.
    OptionError
        A definition has the name of the separators.
    """
    parting = separators(block)
    if block is not True:
        report_untamed(scanner.with_options((), scanner.options).with_block(parting), refuse=False)
    return scanner.with_block(parting)
