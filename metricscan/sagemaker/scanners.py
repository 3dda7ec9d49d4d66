"""The scanner for the metrics of a tuning request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metricscan.errors import OptionError
from metricscan.scanning.scanner import Scanner, of_checked, report_untamed

if TYPE_CHECKING:
    from metricscan.sagemaker.request import TuningRequest
    from metricscan.scanning.options import Untamed


def scanner_of(request: TuningRequest, *, untamed: Untamed = "warn", **options: Any) -> Scanner:
    """Compile a scanner for all metrics of a request.

    Parameters
    ----------
    request : TuningRequest
    untamed : {"warn", "refuse", "allow"}
        What to do with a regex that is not ReDoS-safe.
    **options
        ``newline``, ``matches``, ``escape``, ``ansi`` and ``max_record_bytes``, as :class:`metricscan.Scanner` takes them.

    Raises
    ------
    OptionError
        The request has no metric definitions.
    DefinitionError
        Under ``untamed="refuse"``: all regexes that are not ReDoS-safe.
    """
    if not request.metrics:
        raise OptionError(
            "the tuning request has no metric definitions, and its algorithm is not known",
            hint="name the algorithm, or give metric definitions",
        )
    # load_request has already warned about suspicious definitions
    scanner = of_checked(request.metrics, untamed=untamed, **options)
    if untamed != "allow":
        report_untamed(scanner, refuse=untamed == "refuse")
    return scanner
