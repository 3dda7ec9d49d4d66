"""The scanner of a tuning request's metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from metricscan.errors import OptionError
from metricscan.scanning.scanner import Scanner, of_checked, report_untamed

if TYPE_CHECKING:
    from metricscan.sagemaker.request import TuningRequest


def scanner_of(request: TuningRequest, *, untamed: str = "warn", **options: Any) -> Scanner:
    """A scanner of all metrics of a request.

    Raises
    ------
    OptionError
        It has none.
    """
    if not request.metrics:
        raise OptionError(
            "the tuning request has no metric definitions, and its algorithm is not known",
            hint="name the algorithm, or give metric definitions",
        )
    # the request's own warnings have said what is suspicious in its definitions
    scanner = of_checked(request.metrics, untamed=untamed, **options)
    if untamed != "allow":
        report_untamed(scanner, refuse=untamed == "refuse")
    return scanner
