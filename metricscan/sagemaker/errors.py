"""What can be wrong with a tuning request: all of it in one error, and what works though not as written, as warnings."""

from __future__ import annotations

from typing import NamedTuple

from metricscan.errors import MetricscanError


class RequestFault(NamedTuple):
    """One thing that is wrong with a tuning request.

    Attributes
    ----------
    path : str
        Where, as ``TrainingJobDefinition.AlgorithmSpecification.MetricDefinitions[2].Regex``; empty for the whole.
    message : str
    hint : str or None
    """

    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        return text if self.hint is None else f"{text}\n    hint: {self.hint}"


class RequestError(MetricscanError, ValueError):
    """A tuning request that the service would refuse, or a document of the service's that is no JSON.

    Attributes
    ----------
    faults : tuple of RequestFault
        All that is wrong, in the order of the request.
    source : str or None
        The file it came from.
    """

    def __init__(
        self, faults: tuple[RequestFault, ...], *, source: str | None = None, document: str = "the tuning request"
    ) -> None:
        count = f"{len(faults)} faults" if len(faults) > 1 else "a fault"
        where = "" if source is None else f" {source}"
        super().__init__("\n".join([f"{count} in {document}{where}", *(f"  {fault}" for fault in faults)]))
        self.faults = faults
        self.source = source


class RequestWarning(UserWarning):
    """A tuning request that works, and probably not as meant."""
