"""Errors and warnings about tuning requests: one exception holds all errors of a request."""

from __future__ import annotations

from typing import NamedTuple

from metricscan.errors import MetricscanError


class RequestFault(NamedTuple):
    """One error in a tuning request.

    Attributes
    ----------
    path : str
        The member, as ``TrainingJobDefinition.AlgorithmSpecification.MetricDefinitions[2].Regex``; empty for the whole
        request.
    message : str
    hint : str or None
        How to correct it, if that is known.
    """

    path: str
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        text = f"{self.path}: {self.message}" if self.path else self.message
        return text if self.hint is None else f"{text}\n    hint: {self.hint}"


class RequestError(MetricscanError, ValueError):
    """A tuning request that the service would reject, or a document of the service that is not JSON.

    Attributes
    ----------
    faults : tuple of RequestFault
        All errors, in the order of the request.
    source : str or None
        The path of the file, if the request was read from one.
    warnings : tuple of str
        What is suspicious about the request, though no error.
    """

    def __init__(
        self,
        faults: tuple[RequestFault, ...],
        *,
        source: str | None = None,
        document: str = "the tuning request",
        warnings: tuple[str, ...] = (),
    ) -> None:
        count = f"{len(faults)} errors" if len(faults) > 1 else "an error"
        where = "" if source is None else f" {source}"
        super().__init__("\n".join([f"{count} in {document}{where}", *(f"  {fault}" for fault in faults)]))
        self.faults = faults
        self.source = source
        self.warnings = warnings


class RequestWarning(UserWarning):
    """A tuning request that is accepted, but probably does not do what its author intended."""
