"""Blocks of a log, the records between two separators, such as the rows of a table that lines of ``-`` enclose; and its runs."""

from __future__ import annotations

from typing import Any, Literal, get_args

from metricscan.definitions.definition import MetricDefinition, load_definitions
from metricscan.errors import OptionError

#: The table of the separators, beside those of the metrics: a label whose rows are their places.
BLOCK = "(block)"
#: The table of the records that begin a run, in the same way.
RUN = "(run)"
#: The separators unless others are given: records of nothing but ``-``, ``=``, ``+``, ``|`` and whitespace, with three of one
#: of the first three in a row. The lookahead keeps the time linear.
SEPARATORS = r"^(?=[-=+|\s]+$)[-=+|\s]*?(?:---|===|\+\+\+)"

StepPlace = Literal["before", "after", "block"]
STEP_PLACES = get_args(StepPlace)


def check_step_place(step_place: object) -> None:
    """Raise an OptionError unless this says which step a row has."""
    if step_place not in STEP_PLACES:
        raise OptionError(f"step_place={step_place!r}: one of {', '.join(STEP_PLACES)} was expected")


def separators(block: Any) -> MetricDefinition:
    """The definition of the separators.

    Parameters
    ----------
    block : str or True
        The regex of the records that separate blocks, or True for :data:`SEPARATORS`.

    Raises
    ------
    OptionError
        It is neither.
    DefinitionError
        The regex is not valid.
    """
    if block is not True and (not isinstance(block, str) or not block):
        raise OptionError(f"block={block!r:.80}: a regex, or True was expected")
    (definition,) = load_definitions([{"Name": BLOCK, "Regex": SEPARATORS if block is True else block}])
    return definition


def run_starts(regex: Any) -> MetricDefinition:
    """The definition of the records that begin a run.

    Raises
    ------
    OptionError
        It is no text.
    DefinitionError
        The regex is not valid.
    """
    if not isinstance(regex, str) or not regex:
        raise OptionError(f"run_start={regex!r:.80}: a regex was expected")
    (definition,) = load_definitions([{"Name": RUN, "Regex": regex}])
    return definition
